"""A tariff changes for a past month: what it would change, who approves it, what comes of it."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.billing import BILLED, UsageAccrued
from ledger.domain.money.rating_used import USED
from ledger.domain.money.rerating import ShareReversed, UsageReversed
from ledger.domain.money.rerating_applying import RERATINGS
from ledger.domain.money.rerating_sheets import driver_changes, partner_changes
from ledger.domain.money.tariff_terms import Element, Step, TariffTerms, Tier
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.stays import ReportStay
from ledger.kernel.errors import NotFound, Refused
from ledger.kernel.ids import key_at
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor, Request
from ledger.kernel.refusal import RefusalCode
from ledger.runtime import rerating_preview
from ledger.runtime.ledger import accepted
from ledger.runtime.rerating_preview import Asked, apply, preview
from ledger.runtime.verify import verify
from tests.support.ledgers import sqlite_url
from tests.support.town import IMPORTER, MARCH, new_town

FINANCE = Actor("FI-1", "finance", "FI-2")
NOW = MARCH + 80 * HOUR
CHEAPER = TariffTerms(
    "FR",
    "EUR",
    "Europe/Paris",
    MARCH + DAY,
    0,
    (Element("ENERGY", "KWH", 140_000), Element("SERVICE", "KWH", 50_000)),
)
MONTH = Asked("TF-1", MARCH, MARCH + 31 * DAY)


@pytest.fixture
def town(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger:
        yield ledger


def ask(ledger, command, name, actor=FINANCE, at=NOW):
    return accepted(ledger.execute(Request(key_at(at, name), "tests", actor, at, command)))


def sheet_of(ledger, asked=MONTH):
    with ledger.reading() as reads:
        return preview(reads, asked)[0]


def publish(ledger, terms=CHEAPER, supersedes=1):
    command = PublishTariff(tariff_id="TF-1", terms=terms, supersedes=supersedes)
    name = f"publish {supersedes} {terms.valid_from_at}"
    return ask(ledger, command, name)


def totals(changes):
    return [(one.party, one.usages, one.before_minor, one.after_minor) for one in changes]


def receivable(ledger):
    with ledger.reading() as reads:
        return {one.item: one.quantity for one in reads.balances("Assets:Receivables:Unbilled")}


def test_a_draft_shows_what_it_would_change_and_posts_nothing(town):
    with town.reading() as reads:
        size = reads.size
    sheet = sheet_of(town, replace(MONTH, draft=CHEAPER, supersedes=1))
    assert (sheet.checked, sheet.skipped, len(sheet.lines)) == (3, 0, 3)
    assert totals(driver_changes(sheet.lines)) == [("DR-1", 2, 776, 615), ("DR-2", 1, 720, 570)]
    assert totals(partner_changes(sheet.lines)) == [("MG", 3, 187, 94), ("OP-1", 3, 436, 218)]
    with town.reading() as reads:
        assert reads.size == size
    assert sheet_of(town).lines == ()


def test_the_sheet_of_a_draft_is_the_sheet_after_it_was_published(town):
    drafted = sheet_of(town, replace(MONTH, draft=CHEAPER, supersedes=1))
    publish(town)
    assert sheet_of(town).root() == drafted.root()


def test_two_persons_apply_a_sheet_by_its_root(town):
    publish(town)
    sheet = sheet_of(town)
    before = receivable(town)
    applied = apply(town, MONTH, sheet.root(), actor=FINANCE, reason="TF-1/2", at=NOW)
    assert applied.applied == 3
    assert before == {"DR-1": 776, "DR-2": 720}
    assert receivable(town) == {"DR-1": 615, "DR-2": 570}
    with town.reading() as reads:
        row = reads.row(RERATINGS, applied.campaign_id)
        assert row is not None
        assert (row.line_count, row.taken_back, row.lines_root) == (3, 3, sheet.root())
        back = [one for one in reads.entries() if isinstance(one.event, UsageReversed)]
        assert {one.event.campaign_id for one in back} == {applied.campaign_id}
        shares = [one for one in reads.entries() if isinstance(one.event, ShareReversed)]
        assert len(back) == len(shares) == 3
        made = [one for one in reads.entries() if isinstance(one.event, UsageAccrued)][-3:]
        for one in made:
            assert one.envelope.corrects is not None
            assert row.position in one.envelope.causes
            assert one.event.lines[0].tariff_version == 2
            assert one.envelope.valid_at < MARCH + 60 * HOUR  # the time of the old service
            billed = reads.row(BILLED, one.event.usage_id)
            assert billed is not None
            assert billed.position == one.envelope.position
        assert verify(reads, deep=True)
    assert sheet_of(town).lines == ()
    again = sheet_of(town)
    with pytest.raises(Refused) as none_left:
        apply(town, MONTH, again.root(), actor=FINANCE, reason="TF-1/2", at=NOW + 1)
    assert none_left.value.refusal.facts == {"field": "line_count"}


def test_another_root_or_one_person_alone_applies_nothing(town):
    publish(town)
    root = sheet_of(town).root()
    with pytest.raises(Refused) as stale:
        apply(town, MONTH, "A" * 44, actor=FINANCE, reason="TF-1/2", at=NOW)
    assert stale.value.refusal.code is RefusalCode.RERATING_STALE
    assert stale.value.refusal.facts == {"lines_root": root}
    with pytest.raises(Refused) as alone:
        apply(town, MONTH, root, actor=Actor("FI-1", "finance"), reason="TF-1/2", at=NOW)
    assert alone.value.refusal.code is RefusalCode.SECOND_PERSON_REQUIRED
    assert len(sheet_of(town).lines) == 3


def test_only_usages_of_the_span_and_of_the_tariff_are_looked_at(town):
    publish(town)
    assert sheet_of(town, replace(MONTH, to_at=MARCH + 25 * HOUR)).checked == 1
    assert sheet_of(town, replace(MONTH, from_at=MARCH + 60 * HOUR)).checked == 0
    with pytest.raises(NotFound):
        sheet_of(town, replace(MONTH, tariff_id="TF-9"))


def test_a_sheet_has_a_limit(town, monkeypatch):
    publish(town)
    monkeypatch.setattr(rerating_preview, "SHEET_LINES_MAX", 2)
    with pytest.raises(Refused) as found:
        sheet_of(town)
    assert found.value.refusal.facts == {"field": "line_count"}


def test_a_day_of_hourly_prices_may_be_drafted_too(town):
    day = MARCH + DAY - MARCH % DAY
    hours = TariffTerms("FR", "EUR", "UTC", day, day + DAY, hours_micro=(100_000,) * 24)
    sheet = sheet_of(town, replace(MONTH, draft=hours))
    assert [line.after.energy_minor for line in sheet.lines] == [200, 300]
    assert [line.before.energy_minor for line in sheet.lines] == [280, 420]


# Usages without a bill --------------------------------------------------------


def stay(seq, begin_at, energy_wh, number=1):
    return ReportStay(
        report_id=f"RP-{seq}",
        network="OP-1",
        station_id="ST-1",
        slot=str(number),
        driver_id=f"DR-{number}",
        pack_id=f"PK-{number}",
        begin_at=begin_at,
        received_at=begin_at + 6 * HOUR,
        seq=seq,
        row_ref=f"rows#{seq}",
        end_at=begin_at + 2 * HOUR,
        energy_wh=energy_wh,
        meter_id=f"MT-{number}",
    )


def test_a_usage_that_had_no_price_is_billed_by_a_sheet_and_may_lose_it_again(town):
    april = MARCH + 31 * DAY
    ends = replace(CHEAPER, valid_to_at=april, elements=CHEAPER.elements)
    publish(town, ends)
    apply(town, MONTH, sheet_of(town).root(), actor=FINANCE, reason="TF-1/2", at=NOW)
    # version 1 goes on after April begins; a version that prices swaps alone takes its place
    alone = replace(CHEAPER, valid_from_at=april, elements=(Element("SWAP", "SWAP", 1_000_000),))
    publish(town, alone)
    late = april + 10 * HOUR
    ask(town, stay(9, late, 5_000), "stay 9", IMPORTER, late + 7 * HOUR)
    asked = Asked("TF-1", april, april + 30 * DAY)
    assert sheet_of(town, asked).lines == ()
    publish(town, replace(CHEAPER, valid_from_at=april), supersedes=3)
    sheet = sheet_of(town, asked)
    assert totals(driver_changes(sheet.lines)) == [("DR-1", 1, 0, 95)]
    apply(town, asked, sheet.root(), actor=FINANCE, reason="TF-1/4", at=late + DAY)
    assert sheet_of(town, asked).lines == ()
    publish(town, replace(alone, valid_from_at=april + HOUR), supersedes=4)
    sheet = sheet_of(town, asked)
    assert [line.refused for line in sheet.lines] == ["tariff_no_element"]
    apply(town, asked, sheet.root(), actor=FINANCE, reason="TF-1/5", at=late + 2 * DAY)
    assert receivable(town)["DR-1"] == 615


# Tiers ------------------------------------------------------------------------


def test_a_late_session_moves_the_price_of_the_one_after_it(town):
    steps = (Step(0, 140_000), Step(15_000, 40_000))
    tiered = replace(
        CHEAPER,
        elements=(
            Element("ENERGY", "KWH", 140_000, tier=Tier("calendar_month", "graduated", steps)),
        ),
    )
    april = MARCH + 31 * DAY
    publish(town, replace(tiered, valid_from_at=april))
    first, second = april + 50 * HOUR, april + 30 * HOUR
    ask(town, stay(11, first, 10_000), "stay 11", IMPORTER, first + 7 * HOUR)
    ask(town, stay(12, second, 10_000, 2), "stay 12", IMPORTER, first + 8 * HOUR)
    with town.reading() as reads:
        assert reads.row(USED, "DR-1|TF-1|2024-04") is not None
        size = reads.size
    # the same driver's earlier session is told last: the later one costs less from here on
    early = replace(stay(13, april + 20 * HOUR, 8_000), slot="2", meter_id="MT-2")
    ask(town, early, "stay 13", IMPORTER, first + 9 * HOUR)
    with town.reading() as reads:
        kinds = [one.envelope.kind for one in reads.entries(size)]
        sessions = [one.event for one in reads.entries(size) if isinstance(one.event, UsageAccrued)]
        assert verify(reads, deep=True)
    assert kinds.count("usage.reversed") == 1, kinds
    assert [[line.rate_micro for line in one.lines] for one in sessions] == [
        [140_000],
        [140_000, 40_000],
    ]


def test_tiers_are_applied_from_the_last_usage_to_the_first(town):
    april = MARCH + 31 * DAY
    steps = (Step(0, 140_000), Step(15_000, 40_000))
    tier = Tier("calendar_month", "graduated", steps)
    terms = replace(
        CHEAPER, valid_from_at=april, elements=(Element("ENERGY", "KWH", 140_000, tier=tier),)
    )
    publish(town, terms)
    for number in (1, 2, 3):
        at = april + number * 10 * HOUR
        ask(town, stay(20 + number, at, 10_000), f"stay {number}", IMPORTER, at + 7 * HOUR)
    dearer = Tier("calendar_month", "graduated", (Step(0, 150_000), Step(15_000, 60_000)))
    element = Element("ENERGY", "KWH", 150_000, tier=dearer)
    publish(town, replace(terms, valid_from_at=april + HOUR, elements=(element,)), supersedes=2)
    asked = Asked("TF-1", april, april + 30 * DAY)
    sheet = sheet_of(town, asked)
    assert [line.after.total_minor for line in sheet.lines] == [150, 105, 60]
    apply(town, asked, sheet.root(), actor=FINANCE, reason="TF-1/3", at=april + 9 * DAY)
    assert sheet_of(town, asked).lines == ()
    with town.reading() as reads:
        back = [one for one in reads.entries() if isinstance(one.event, UsageReversed)]
        assert len(back) == 3
        assert verify(reads, deep=True)
