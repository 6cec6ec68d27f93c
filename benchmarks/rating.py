"""Rating: swaps and sessions through `rate`, one after the other, on one core in this process.

The floor is 50,000 swaps in a second of the processor. The baseline beside it does the same work
for the same usages: the rating of the strangers' verifier, which was written apart and asks for the
same lines.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from benchmarks.measure import Row, Scale, duel, note, number, processor_seconds, settle
from ledger.domain.money.rating import rate
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.tariff_terms import (
    Element,
    Restrictions,
    Tariff,
    TariffRows,
    TariffTerms,
    TariffVersion,
)
from ledger.domain.money.tax import tax_rule
from ledger.kernel.envelope import canonical
from ledger.kernel.instants import DAY, HOUR, MINUTE, parse_instant
from mobilegrid import offline_verifier as offline

SWAPS_PER_S = 50_000
USAGES = 20_000
AT = parse_instant("2018-05-01T00:00:00Z", "at")

PLAIN = (
    Element("ENERGY", "KWH", 360_000),
    Element("SERVICE", "KWH", 120_000),
    Element("BOOKING", "ITEM", 1_000_000),
)
EVENING = Restrictions(start_local="17:00", end_local="20:00")
NIGHT = Restrictions(start_local="22:00", end_local="06:00")
BY_TIME = (
    Element("ENERGY", "KWH", 280_000, NIGHT),
    Element("ENERGY", "KWH", 360_000),
    Element("SERVICE", "KWH", 200_000, Restrictions(stations=("ST-9",))),
    Element("SERVICE", "KWH", 150_000, EVENING),
    Element("SERVICE", "KWH", 120_000),
    Element("BOOKING", "ITEM", 1_000_000),
)


def rows(scale: Scale) -> Iterator[Row]:
    """Measure plain swaps against the floor and the other rating; then dearer usages."""
    note("rating")
    count = scale.of(USAGES, least=2_000)
    settle()
    plain = _tariff(PLAIN)
    swaps = [_usage("swap", n) for n in range(count)]
    theirs = [_told(facts) for facts in swaps]
    published = _published(plain)
    pairs = duel(
        scale.repeats,
        lambda: _rate_of(count, lambda: [rate(facts, plain) for facts in swaps]),
        lambda: _rate_of(count, lambda: [offline.rate(one, published, _tax) for one in theirs]),
    )
    best = max(pairs.ours)
    yield Row(
        f"rating: swaps of three lines, over {number(SWAPS_PER_S)}/s",
        f"{number(best)}/s",
        f"{number(SWAPS_PER_S)}/s",
        best / SWAPS_PER_S,
        1.0,
    )
    yield pairs.row("rating: the same, against the strangers' verifier", floor=1.0, goal=1.5)
    for what, kind, tariff in (
        ("swaps at six prices by place and time", "swap", _tariff(BY_TIME)),
        ("sessions over two hours, cut at their prices", "charging_session", _tariff(BY_TIME)),
    ):
        some = [_usage(kind, n) for n in range(count // 4)]
        took = min(
            processor_seconds(lambda t=tariff, s=some: [rate(facts, t) for facts in s])
            for _ in range(scale.repeats)
        )
        yield Row(f"rating: {what}", f"{number(len(some) / took)}/s")


def _rate_of(count: int, work: Callable[[], object]) -> float:
    return count / processor_seconds(work)


def _tariff(elements: tuple[Element, ...]) -> TariffRows:
    terms = TariffTerms("DE", "EUR", "Europe/Berlin", AT - DAY, elements=elements)
    version = TariffVersion(1, 100, terms)
    return TariffRows(Tariff("T1", "EUR", 1, (version,)))


def _usage(kind: Any, n: int) -> UsageFacts:
    begin = AT + n % 1_440 * MINUTE
    return UsageFacts(
        kind=kind,
        usage_id=f"U-{n}",
        driver_id=f"DR-{n % 1_000}",
        station_id=f"ST-{n % 50}",
        operator_id="OP-1",
        country="DE",
        tariff_id="T1",
        occurred_at=begin,
        energy_wh=20_000 + n * 7 % 50_000,
        level=4,
        clock_quality="S",
        begin_at=begin,
        end_at=begin + 2 * HOUR,
        booking_id=f"BK-{n}",
    )


# The same usages as the strangers' verifier sees them ----------------------------


def _told(facts: UsageFacts) -> offline.Usage:
    return offline.Usage(
        kind="swap",
        begin=facts.occurred_at,
        end=facts.occurred_at,
        energy_wh=facts.energy_wh,
        station=facts.station_id,
        pack_class=facts.pack_class,
        country=facts.country,
        is_booked=True,
        limit_wh=1_000_000,
        slack=0,
    )


def _published(rows_: TariffRows) -> offline.Tariff:
    assert rows_.tariff is not None, "made above"
    (version,) = rows_.tariff.lasting
    terms = offline.read_json(canonical(version.terms), "terms")
    span = version.terms.valid_from_at, version.terms.valid_to_at
    return offline.Tariff([offline.Version(version.position, version.version, *span, terms)])


@cache
def _rule(country: str, product: str, day: int) -> tuple[str, int] | None:
    rule = tax_rule(country, product, day * DAY)
    return None if rule is None else (rule.category, rule.rate_bp)


def _tax(country: str, product: str, at: int) -> tuple[str, int] | None:
    return _rule(country, product, at // DAY)
