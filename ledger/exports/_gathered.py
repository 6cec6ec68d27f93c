"""What the lines of bills and statements follow from: the entries a stranger needs beside them."""

from collections.abc import Iterable, Iterator

from ledger.domain.booking import BookingRequested
from ledger.domain.booking_ends import BookingCanceled, BookingFailed, BookingNoShow
from ledger.domain.cases import CaseOpened, CaseResolved
from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.extra_packs import ExtraPackOwed, ExtraPackSettled
from ledger.domain.money.agent_sales import AgentSold
from ledger.domain.money.allowances import SubscriptionUsed
from ledger.domain.money.billing import ShareAccrued, UsageAccrued, begun_at
from ledger.domain.money.contracts import CONTRACTS
from ledger.domain.money.credit_notes import ShareReduced
from ledger.domain.money.discounts import DiscountGranted
from ledger.domain.money.extra_pack_bills import usage_of
from ledger.domain.money.pack_dues import PackDuesAccrued
from ledger.domain.money.plans import month_after, month_at
from ledger.domain.money.rating_facts import CUSTODY, UNCERTAINTY_MAX
from ledger.domain.money.rerating import ShareReversed, UsageReversed
from ledger.domain.money.subscriptions import (
    SubscriptionBegan,
    SubscriptionEnded,
    SubscriptionInvoiced,
)
from ledger.domain.money.tariff_terms import TIME_MAX
from ledger.domain.money.tariffs import TARIFF_DAYS, TARIFFS, day_text
from ledger.domain.money.tax import RULES
from ledger.domain.stations import StationCommissioned
from ledger.domain.swap import SwapClosedIncomplete, SwapCompleted
from ledger.domain.world import key_of
from ledger.kernel.errors import InvariantBroken, Malformed
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Event
from ledger.runtime.reads import Entry, Reads

ENTRIES_MAX = 200_000
"""Entries in one file; a statement that needs more is proven line by line."""


class Gathered:
    """Entries by position, and the tax rules that their lines were put under."""

    def __init__(self, reads: Reads) -> None:
        """Start with nothing."""
        self._reads = reads
        self._found: dict[int, Entry] = {}
        self._products: set[tuple[str, str]] = set()

    @property
    def positions(self) -> list[int]:
        """Positions of all entries, ascending."""
        return sorted(self._found)

    def data(self) -> tuple[bytes, ...]:
        """Give the bytes of all entries, by position."""
        return tuple(self._found[position].data for position in self.positions)

    def tax_rows(self) -> list[dict[str, str | int]]:
        """List the tax rules of every product on the lines."""
        return [
            {
                "country": country,
                "product": product,
                "valid_from": rule.valid_from,
                "category": rule.category,
                "rate_bp": rule.rate_bp,
            }
            for country, product in sorted(self._products)
            for rule in RULES.get((country, product), ())
        ]

    def keep(self, entries: Iterable[Entry]) -> None:
        """Add entries; `Malformed` when they are more than one file may hold."""
        for one in entries:
            self._found[one.envelope.position] = one
        if len(self._found) > ENTRIES_MAX:
            raise Malformed(f"more than {ENTRIES_MAX:,} entries in one file", field="bundle")

    def add_lines(self, lines: list[Entry], driver_id: str = "") -> None:
        """Add lines, `usage.accrued` or `share.accrued`, and all that they follow from.

        With a driver, also what he used before and may use by his plan, where prices depend on it.
        """
        lines = [Entry(one.data) for one in lines]  # a reversal as itself, not as a usage
        self.keep(lines)
        lines += self._read({place for one in lines for place in _corrected(one)})
        self._read(set(self._reductions(lines)))
        shares = [one for one in lines if isinstance(one.event, ShareAccrued)]
        usages = [one for one in lines if isinstance(one.event, UsageAccrued)]
        usages += self._read({cause for one in shares for cause in one.envelope.causes})
        usages = self._with_first(usages)
        causes = self._read({cause for one in usages for cause in one.envelope.causes})
        self._read({place for one in causes for place in _legs(one)})
        self._read({place for one in self._fees(usages) for place in one.envelope.causes})
        facts = [one for one in causes if isinstance(one.event, _FACTS)]
        stations: set[str] = set()
        tariffs: set[str] = set()
        for one in usages:
            event = one.event
            if not isinstance(event, UsageAccrued):
                raise InvariantBroken(f"position {one.envelope.position} is no bill of a usage")
            stations.add(event.station_id)
            tariffs.add(event.tariff_id)
            self._products |= {(event.country, line.tax_product) for line in event.lines}
        self._products |= {(_country(one.event), "service") for one in lines if _has_agent(one)}
        end = max(one.envelope.position for one in lines)
        self.keep(_stations(self._reads, stations, end))
        for tariff_id in sorted(tariffs):
            self._read(self._versions(tariff_id, facts))
        self._read(set(self._contracts(lines)))
        if driver_id:
            self.keep(used_before(self._reads, driver_id, usages))
        else:
            self.keep(_plans(self._reads, usages))

    def _with_first(self, usages: list[Entry]) -> list[Entry]:
        """Add the bills that corrected ones correct, back to the first."""
        found = {one.envelope.position: one for one in usages}
        wanted = {one.envelope.corrects for one in usages}
        while missing := {place for place in wanted if place is not None} - set(found):
            more = self._read(missing)
            found |= {one.envelope.position: one for one in more}
            wanted = {one.envelope.corrects for one in more}
        return [one for _, one in sorted(found.items())]

    def _fees(self, usages: list[Entry]) -> list[Entry]:
        """Add what fees of custody rest on beside their causes: the cases, and packs not returned.

        A bill of days with a pack too many names no entry; its name follows from the swap's.
        """
        events = [one.event for one in usages if isinstance(one.event, UsageAccrued)]
        named = {one.usage_id for one in events if one.usage_kind == CUSTODY}
        if not named:
            return []
        end = max(one.envelope.position for one in usages)
        found = []
        for one in self._reads.entries(0, end, _OF_FEES):
            event = one.event
            if isinstance(event, CaseOpened | CaseResolved) and event.case_id in named:
                found.append(one)
            elif isinstance(event, ExtraPackOwed | ExtraPackSettled):
                found += [one] if usage_of(event.swap_id) in named else []
        self.keep(found)
        return found

    def _reductions(self, lines: list[Entry]) -> Iterator[int]:
        """Name the credit notes behind reduced shares, and what was given back before."""
        for one in lines:
            event = one.event
            if isinstance(event, ShareReduced):
                yield from one.envelope.causes
                end, kinds = one.envelope.position, (ShareReduced.kind,)
                for other in self._reads.entries(event.reduced_position, end, kinds):
                    before = other.event
                    is_same = isinstance(before, ShareReduced) and (
                        before.reduced_position == event.reduced_position
                    )
                    if is_same:
                        yield other.envelope.position

    def _read(self, positions: set[int]) -> list[Entry]:
        """Read entries that are not there yet, and keep them."""
        self.keep(self._reads.at_positions(sorted(positions - set(self._found))))
        return [self._found[position] for position in sorted(positions)]

    def _versions(self, tariff_id: str, facts: list[Entry]) -> set[int]:
        """Name the lasting versions of a tariff, and the days near any of the usages."""
        tariff = self._reads.row(TARIFFS, tariff_id)
        if tariff is None:
            raise InvariantBroken(f"usages were billed by tariff {tariff_id}, which is not there")
        places = {version.position for version in tariff.lasting} | set(tariff.replaced)
        if len(places) == tariff.versions:
            return places
        spans = [_span(one) for one in facts]
        days = {day for begin, end in spans for day in range(begin // DAY, end // DAY + 1)}
        for day in sorted(days):
            version = self._reads.row(TARIFF_DAYS, key_of(tariff_id, day_text(day)))
            if version is not None:
                places.add(version.position)
        return places

    def _contracts(self, lines: list[Entry]) -> Iterator[int]:
        named: set[tuple[str, str]] = set()
        for one in lines:
            if isinstance(one.event, ShareAccrued | AgentSold | PackDuesAccrued):
                named.add((one.event.partner_id, one.event.contract_id))
        for partner in sorted({partner for partner, _ in named}):
            held = self._reads.row(CONTRACTS, partner)
            for version in held.versions if held else ():
                if (partner, version.contract_id) in named:
                    yield version.position


_OF_FEES = (CaseOpened.kind, CaseResolved.kind, ExtraPackOwed.kind, ExtraPackSettled.kind)
_OF_BOOKINGS = (BookingRequested, BookingCanceled, BookingFailed, BookingNoShow)
_FACTS = (ChargeSessionEnded, SwapCompleted, SwapClosedIncomplete, *_OF_BOOKINGS)


def used_before(reads: Reads, driver_id: str, usages: list[Entry]) -> Iterator[Entry]:
    """Yield plan and promos of a driver and the bills that prices of some of his usages depend on.

    These are bills that the same tiers count, and that took of the same allowances or promos; what
    was used in them they say themselves.
    """
    end = max(one.envelope.position for one in usages)
    plans = [one for one in reads.entries(0, end, _PLANS) if _driver_of(one.event) == driver_id]
    yield from plans
    granted = _granted(reads, driver_id, end)
    yield from granted
    events = [one.event for one in usages if isinstance(one.event, UsageAccrued)]
    tiers = {(one.tariff_id, line.tier) for one in events for line in one.lines if line.tier}
    months = {month for one in events for month in _months(plans, begun_at(one))}
    known = {one.usage_id for one in events}
    promos = {
        one.event.promo_id
        for one in granted
        if isinstance(one.event, DiscountGranted) and _may_take(one.event, events)
    }
    if not (tiers or months or promos):
        return
    for plan in plans:
        if isinstance(plan.event, SubscriptionUsed) and plan.event.period in months:
            known.add(plan.event.usage_id)
    # not by their postings: a usage that cost nothing has none
    own = f'"driver_id":"{driver_id}"'.encode()
    for one in reads.entries(0, end, (UsageAccrued.kind, UsageReversed.kind)):
        if own not in one.data:
            continue
        event = one.event
        assert isinstance(event, UsageAccrued | UsageReversed), "no other kind is asked for"
        usage = event.original if isinstance(event, UsageReversed) else event
        counted = {(usage.tariff_id, line.tier) for line in usage.lines} & tiers
        took = {line.promo for line in usage.lines} & promos
        if usage.driver_id == driver_id and (counted or took or usage.usage_id in known):
            yield one


def _granted(reads: Reads, driver_id: str, end: int) -> list[Entry]:
    """List the grants of promos that may take something off a driver's bills."""
    granted = reads.entries(0, end, (DiscountGranted.kind,))
    return [one for one in granted if getattr(one.event, "driver_id", "") == driver_id]


def _may_take(granted: DiscountGranted, usages: list[UsageAccrued]) -> bool:
    begin, end = granted.valid_from_at, granted.valid_to_at or TIME_MAX
    return any(begin <= begun_at(one) < end for one in usages)


def _plans(reads: Reads, usages: list[Entry]) -> Iterator[Entry]:
    """Yield what drivers subscribed to whose plan names the tariff they paid by."""
    if not usages:
        return
    events = [one.event for one in usages if isinstance(one.event, UsageAccrued)]
    paid = {(one.driver_id, one.tariff_id) for one in events}
    end = max(one.envelope.position for one in usages)
    named: set[str] = set()
    for one in reads.entries(0, end, (SubscriptionBegan.kind, SubscriptionEnded.kind)):
        event = one.event
        if isinstance(event, SubscriptionBegan):
            named.discard(event.driver_id)
            if any(driver == event.driver_id for driver, _ in paid):
                named |= {event.driver_id} if event.terms.overage_tariff_id else set()
        if _driver_of(event) in named:
            yield one


_PLANS = (
    SubscriptionBegan.kind,
    SubscriptionEnded.kind,
    SubscriptionInvoiced.kind,
    SubscriptionUsed.kind,
)


def _driver_of(event: Event) -> str:
    assert isinstance(
        event, SubscriptionBegan | SubscriptionEnded | SubscriptionInvoiced | SubscriptionUsed
    ), "no other kind is asked for"
    return event.driver_id


def _months(plans: list[Entry], at: int) -> list[str]:
    """List the months of a plan that a usage at a time (us) may take from."""
    began = [one.event for one in plans if isinstance(one.event, SubscriptionBegan)]
    if not began:
        return []
    terms = began[-1].terms
    month = month_at(at, terms.zone)
    return [month_after(month, -step) for step in range(terms.rollover_periods + 1)]


def _corrected(line: Entry) -> Iterator[int]:
    """Name the entry that a line takes back, in part or whole."""
    event = line.event
    if isinstance(event, UsageReversed | ShareReversed):
        yield event.reversed_position
    elif isinstance(event, ShareReduced):
        yield event.reduced_position


def _legs(facts: Entry) -> Iterator[int]:
    """Name the custody entries of the packs of a swap.

    The leg that completed it was written in the same breath and has no position in its facts; it is
    one of their causes.
    """
    if isinstance(facts.event, SwapCompleted | SwapClosedIncomplete):
        yield from facts.envelope.causes
        for leg in (*facts.event.legs_in, *facts.event.legs_out):
            if leg.position:
                yield leg.position


def _span(facts: Entry) -> tuple[int, int]:
    """Give the first and last time of which a price may have been needed."""
    event = facts.event
    if isinstance(event, ChargeSessionEnded):
        begin, end, slack = event.started_at, event.ended_at, event.clock_uncertainty_us
    elif isinstance(event, SwapCompleted | SwapClosedIncomplete):
        begin, end, slack = event.out_at, event.out_at, event.clock_uncertainty_us
        if event.price_at:
            begin, end = min(begin, event.price_at), max(end, event.price_at)
    elif isinstance(event, BookingRequested):
        begin, end, slack = event.terms.price_at, event.terms.price_at, 0
    elif isinstance(event, _OF_BOOKINGS):
        begin, end, slack = facts.envelope.recorded_at, facts.envelope.recorded_at, 0
    else:
        raise InvariantBroken(f"a usage was billed from a {facts.envelope.kind}")
    slack = min(max(slack, 0), UNCERTAINTY_MAX)
    return begin - slack, end + slack


def _has_agent(line: Entry) -> bool:
    """Tell whether a line rests on a commission of ours, which is taxed as a service."""
    event = line.event
    return isinstance(event, AgentSold) or (isinstance(event, ShareAccrued) and bool(event.agency))


def _country(event: Event) -> str:
    """Give the country of the tax on a commission."""
    code = event.tax_code if isinstance(event, AgentSold) else ""
    if isinstance(event, ShareAccrued) and event.agency is not None:
        code = event.agency.tax_code
    return code.partition("-")[0]


def _stations(reads: Reads, wanted: set[str], end: int) -> Iterator[Entry]:
    """Find the entries that commissioned stations, below a position."""
    missing = set(wanted)
    if not missing:
        return
    for one in reads.entries(0, end, (StationCommissioned.kind,)):
        if isinstance(one.event, StationCommissioned) and one.event.station_id in missing:
            missing.discard(one.event.station_id)
            yield one
        if not missing:
            return
    raise InvariantBroken(f"stations {', '.join(sorted(missing))} were never commissioned")
