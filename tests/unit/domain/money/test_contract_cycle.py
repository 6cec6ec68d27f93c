import pytest

from ledger.domain.money.contract_cycle import last_cut
from ledger.kernel.instants import as_text, parse_instant
from tests.support.usage import agreement


def at(text):
    return parse_instant(text, "at")


@pytest.mark.parametrize(
    ("cycle", "now", "period", "cut"),
    [
        ("monthly", "2026-06-01T00:00:00Z", "2026-04", "2026-05-01T04:00:00Z"),
        ("monthly", "2026-06-01T04:00:00Z", "2026-05", "2026-06-01T04:00:00Z"),
        ("monthly", "2026-06-30T12:00:00Z", "2026-05", "2026-06-01T04:00:00Z"),
        ("weekly", "2026-06-07T12:00:00Z", "2026-05-31", "2026-06-01T04:00:00Z"),
        ("daily", "2026-06-07T12:00:00Z", "2026-06-06", "2026-06-07T04:00:00Z"),
        ("daily", "2026-06-07T03:59:59Z", "2026-06-05", "2026-06-06T04:00:00Z"),
    ],
)
def test_a_cycle_is_cut_at_its_local_time(cycle, now, period, cut):
    terms = agreement(cycle=cycle, cut_time_local="06:00", zone="Europe/Berlin")
    found = last_cut(terms, at(now))
    assert (found.period, as_text(found.at)[:19]) == (period, cut[:19])


def test_a_cut_at_a_time_that_the_clock_skips_is_still_one_instant():
    terms = agreement(cycle="daily", cut_time_local="02:30", zone="Europe/Berlin")
    found = last_cut(terms, at("2026-03-29T12:00:00Z"))
    assert found.period == "2026-03-28"
    assert found.at == at("2026-03-29T01:30:00Z")
