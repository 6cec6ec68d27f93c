"""Previews of re-rating: billed usages of a span of time rated again, as they stand in the log.

A preview reads and posts nothing. It streams the bills in order, so a month of a million usages
needs the memory of its sheet alone. With a draft of a version it shows what publishing that version
would change; without one, what the versions published since then change.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.money import billing
from ledger.domain.money.billing import BILLED, ShareAccrued, UsageAccrued, UsageUnbilled
from ledger.domain.money.contracts import CONTRACTS
from ledger.domain.money.line_proofs import prove
from ledger.domain.money.rating import LEVEL_MIN
from ledger.domain.money.rating_facts import CHARGING_SESSION, SWAP, UsageFacts, fitting
from ledger.domain.money.rerating import swap_facts
from ledger.domain.money.rerating_applying import ApplyRerating, ApproveRerating
from ledger.domain.money.rerating_bills import (
    ENDED,
    SWAP_BILLS,
    ShareEntry,
    SwapBill,
    UsageEntry,
    lines_of,
)
from ledger.domain.money.rerating_sheets import SHEET_LINES_MAX, Sheet, SheetLine, line_of
from ledger.domain.money.tariff_terms import TariffTerms, TariffVersion
from ledger.domain.money.tariffs import TARIFF_DAYS, TARIFFS, day_text, with_version, zones_with
from ledger.domain.saga import SWAPS, soc_given
from ledger.domain.stations import STATIONS, Station
from ledger.domain.swap import SwapCompleted, SwapFacts
from ledger.domain.world import Shelf, World, key_of
from ledger.kernel.errors import NotFound, Refused
from ledger.kernel.ids import derived_id, key_at
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor, Request
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import INVALID, UNSIGNED
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.writer import BATCH_MAX

V = TypeVar("V", bound=msgspec.Struct)
Progress = Callable[[str, int, int], None]


class Asked(msgspec.Struct, frozen=True):
    """What is rated again: usages of a tariff that began in [`from_at`, `to_at`).

    `draft` are the terms of a version that is not published yet, `supersedes` the one it would
    take the place of.
    """

    tariff_id: str
    from_at: int
    to_at: int
    draft: TariffTerms | None = None
    supersedes: int = 0


class Rerated(msgspec.Struct, frozen=True):
    """One line of a sheet with what applying it needs."""

    line: SheetLine
    facts: UsageFacts
    bill: SwapBill | None


class _Stored(World):
    """A world that reads a row when it is asked for it; what many usages share is kept apart."""

    __slots__ = ("_reads", "_shared")

    def __init__(self, reads: Reads, shared: World | None = None) -> None:
        """Read from one state of the ledger."""
        super().__init__()
        self._reads = reads
        self._shared = shared

    @override
    def get(self, shelf: Shelf[V], key: str) -> V | None:
        """Read a row, once."""
        if self._shared is not None and shelf.name in _SHARED:
            return self._shared.get(shelf, key)
        if not super().is_loaded(shelf, key):
            self.admit(shelf, {key: self._reads.row(shelf, key)})
        return super().get(shelf, key)

    @override
    def is_loaded(self, shelf: Shelf[V], key: str) -> bool:
        """Every row can be read."""
        return True


_SHARED = {TARIFFS.name, TARIFF_DAYS.name, STATIONS.name, CONTRACTS.name}


def preview(reads: Reads, asked: Asked) -> tuple[Sheet, list[Rerated]]:
    """Make the sheet of a span; with each line what `apply` needs.

    Raises:
        NotFound: there is no such tariff.
        Refused: more than `SHEET_LINES_MAX` bills would change.
    """
    prices = _prices(reads, asked)
    found: list[Rerated] = []
    checked = skipped = 0
    for bill in _bills(reads):
        if not _is_asked(bill, asked, reads):
            continue
        checked += 1
        world = _Stored(reads, prices)  # what one usage alone asks for is forgotten after it
        facts = _facts(world, reads, bill, asked)
        if facts is None:
            skipped += 1
            continue
        again = billing.billed(world, facts, own=lines_of(bill.bill))
        line = line_of(facts, bill.bill, bill.position, again)
        if line is not None:
            found.append(Rerated(line, facts, bill.bill))
        if len(found) > SHEET_LINES_MAX:
            raise Refused(Refusal(RefusalCode.RERATING_FIELD_INVALID, {"field": "line_count"}))
    lines = tuple(one.line for one in found)
    sheet = Sheet(asked.tariff_id, asked.from_at, asked.to_at, checked, skipped, lines)
    return sheet, found


# Prices -----------------------------------------------------------------------


def _prices(reads: Reads, asked: Asked) -> _Stored:
    """Read the tariff as it is, or as it would be with the draft."""
    world = _Stored(reads)
    tariff = world.get(TARIFFS, asked.tariff_id)
    if tariff is None:
        raise NotFound(f"there is no tariff {asked.tariff_id[:40]}")
    if asked.draft is None:
        return world
    version = TariffVersion(tariff.versions + 1, reads.size, asked.draft)
    lasting = tariff.lasting
    if asked.draft.hours_micro:
        day = day_text(asked.draft.valid_from_at // DAY)
        world.put(TARIFF_DAYS, key_of(asked.tariff_id, day), version)
    else:
        lasting = with_version(lasting, version, asked.supersedes)
    zones = zones_with(tariff.month_zones, asked.draft)
    moved = replace(tariff, versions=version.version, lasting=lasting, month_zones=zones)
    world.put(TARIFFS, asked.tariff_id, moved)
    return world


# Bills ------------------------------------------------------------------------


class _Found(msgspec.Struct, frozen=True):
    """A bill as it stands in the log, or the entry that says why there is none."""

    position: int
    usage_id: str
    usage_kind: str
    station_id: str
    driver_id: str
    began_at: int
    tariff_id: str
    causes: tuple[int, ...]
    bill: SwapBill | None


_KINDS = (UsageAccrued.kind, ShareAccrued.kind, UsageUnbilled.kind)


def _bills(reads: Reads) -> Iterator[_Found]:
    """Yield every bill with all its entries: they stand one after the other."""
    group: list[Entry] = []
    for entry in reads.entries(0, None, _KINDS):
        event = entry.event
        begins = not isinstance(event, ShareAccrued) and getattr(event, "part", 1) == 1
        if group and begins:
            yield _found(group)
            group = []
        group.append(entry)
    if group:
        yield _found(group)


def _found(group: list[Entry]) -> _Found:
    first = group[0]
    event = first.event
    usages = tuple(
        UsageEntry(one.envelope.position, one.envelope.valid_at, one.event)
        for one in group
        if isinstance(one.event, UsageAccrued)
    )
    shares = tuple(
        ShareEntry(one.envelope.position, one.envelope.valid_at, one.event)
        for one in group
        if isinstance(one.event, ShareAccrued)
    )
    assert isinstance(event, UsageAccrued | UsageUnbilled), "a bill begins with one of them"
    began_at, tariff_id = first.envelope.valid_at, ""
    if isinstance(event, UsageAccrued):
        began_at, tariff_id = billing.begun_at(event), event.tariff_id
    return _Found(
        position=first.envelope.position,
        usage_id=event.usage_id,
        usage_kind=event.usage_kind,
        station_id=event.station_id,
        driver_id=event.driver_id,
        began_at=began_at,
        tariff_id=tariff_id,
        causes=first.envelope.causes,
        bill=SwapBill(usages, shares) if usages else None,
    )


def _is_asked(one: _Found, asked: Asked, reads: Reads) -> bool:
    """Tell whether a bill is of the tariff and the span, and still the last one of its usage."""
    if not asked.from_at <= one.began_at < asked.to_at:
        return False
    tariff_id = one.tariff_id
    if not tariff_id:
        station = reads.row(STATIONS, one.station_id)
        tariff_id = station.tariff_id if station else ""
    if tariff_id != asked.tariff_id:
        return False
    billed = reads.row(BILLED, one.usage_id)
    return billed is not None and billed.position == one.position


# Facts ------------------------------------------------------------------------


def _facts(world: World, reads: Reads, one: _Found, asked: Asked) -> UsageFacts | None:
    """Take the facts of a usage from what it was billed from; None for other kinds."""
    if one.usage_kind == SWAP:
        swap = world.get(SWAPS, one.usage_id)
        bill = one.bill or world.get(SWAP_BILLS, one.usage_id)  # what it was billed by before
        if swap is not None and swap.stage in ENDED and bill is not None:
            return swap_facts(world, swap, bill, ())
    station = world.get(STATIONS, one.station_id)
    ended = _ended(reads, one.causes)
    if station is None or ended is None:
        return None
    if isinstance(ended, SwapFacts):
        return _facts_of_swap(one, station, ended, asked)
    facts = UsageFacts(
        kind=CHARGING_SESSION,
        usage_id=one.usage_id,
        driver_id=one.driver_id,
        station_id=one.station_id,
        operator_id=station.operator_id,
        country=station.country,
        tariff_id=asked.tariff_id,
        occurred_at=ended.ended_at,
        energy_wh=ended.energy_in_wh,
        level=ended.level,
        clock_quality=ended.clock_quality,
        clock_uncertainty_us=ended.clock_uncertainty_us,
        begin_at=ended.started_at,
        end_at=ended.ended_at,
        pack_class=ended.pack_class,
        causes=one.causes,
        billing_class=ended.billing_class,
        intervals=ended.intervals,
    )
    if one.bill is None:
        return facts
    # what was billed was fit to be, perhaps by a later verdict on its records
    first = one.bill.usages[0].event
    fit = UNSIGNED if facts.billing_class == INVALID else facts.billing_class
    level = max(facts.level, LEVEL_MIN)
    told = replace(facts, level=level, billing_class=fit, energy_wh=first.energy_wh)
    return replace(told, intervals=fitting(facts.intervals, first.energy_wh))


def _facts_of_swap(one: _Found, station: Station, ended: SwapFacts, asked: Asked) -> UsageFacts:
    """Take the facts of a swap that was never billed from its end."""
    return UsageFacts(
        kind=SWAP,
        usage_id=one.usage_id,
        driver_id=one.driver_id,
        station_id=one.station_id,
        operator_id=station.operator_id,
        country=station.country,
        tariff_id=asked.tariff_id,
        occurred_at=ended.out_at,
        energy_wh=ended.energy_wh,
        level=ended.level,
        clock_quality=ended.clock_quality,
        clock_uncertainty_us=ended.clock_uncertainty_us,
        stage="completed" if isinstance(ended, SwapCompleted) else "closed_incomplete",
        pack_class=ended.pack_class,
        capacity_wh=ended.capacity_wh,
        booking_id=ended.booking_id,
        soc_bp=soc_given(ended.legs_out),
        class_days=ended.class_days,
        causes=one.causes,
        price_at=ended.price_at,
        price_position=ended.price_position,
    )


def _ended(reads: Reads, causes: tuple[int, ...]) -> ChargeSessionEnded | SwapFacts | None:
    for entry in reads.at_positions(sorted(causes)):
        if isinstance(entry.event, ChargeSessionEnded | SwapFacts):
            return entry.event
    return None


# Applying ---------------------------------------------------------------------


class Applied(msgspec.Struct, frozen=True):
    """What came of applying a sheet: its id, its root, how many bills were made anew.

    `left` are lines that did not hold any more once others were applied, such as two that would
    both have used the last of an allowance or a promo: a new sheet shows what is true of them now.
    """

    campaign_id: str
    lines_root: str
    applied: int
    left: int = 0


def apply(
    ledger: Ledger, asked: Asked, lines_root: str, *, actor: Actor, reason: str, at: int
) -> Applied:
    """Make the sheet again and apply it, if it is the one whose root two persons looked at.

    An interrupted run leaves bills undone; a new sheet has just those.

    Raises:
        Refused: the sheet is another one by now, or the persons are not two.
    """
    with ledger.reading() as reads:
        sheet, _ = preview(reads, asked)
    approve = approving(sheet, lines_root, reason)
    name = ("rerating", approve.campaign_id)
    accepted(ledger.execute(Request(key_at(at, *name), "rerating", actor, at, approve)))
    return apply_approved(ledger, asked, lines_root, at)


def approving(sheet: Sheet, lines_root: str, reason: str) -> ApproveRerating:
    """Make the command that approves a sheet, if it is the one of that root; else `Refused`."""
    if sheet.root() != lines_root:
        raise Refused(Refusal(RefusalCode.RERATING_STALE, {"lines_root": sheet.root()}))
    return ApproveRerating(
        campaign_id=derived_id("RR", sheet.tariff_id, lines_root),
        tariff_id=sheet.tariff_id,
        from_at=sheet.from_at,
        to_at=sheet.to_at,
        line_count=len(sheet.lines),
        lines_root=lines_root,
        currency=sheet.lines[0].currency if sheet.lines else "",
        before_minor=sum(line.before.total_minor for line in sheet.lines),
        after_minor=sum(line.after.total_minor for line in sheet.lines),
        reason=reason,
    )


def apply_approved(ledger: Ledger, asked: Asked, lines_root: str, at: int) -> Applied:
    """Make an approved sheet again and apply it; `Refused` when it is another one by now."""
    with ledger.reading() as reads:
        sheet, found = preview(reads, asked)
    campaign_id = approving(sheet, lines_root, "").campaign_id
    name = ("rerating", campaign_id)
    leaves = sheet.leaves()
    system = Actor("rerating", "system")
    # the last first: what a tier counts after a usage is made anew before it
    requests = [
        Request(
            key_at(at, *name, one.line.usage_id),
            "rerating",
            system,
            at,
            ApplyRerating(
                campaign_id=campaign_id,
                line=one.line,
                proof=prove(leaves, number),
                facts=one.facts,
                bill=one.bill,
            ),
        )
        for number, one in reversed(list(enumerate(found)))
    ]
    left = 0
    for start in range(0, len(requests), BATCH_MAX):
        for receipt in ledger.execute_all(requests[start : start + BATCH_MAX]):
            if receipt.refusal is not None and receipt.refusal.code is RefusalCode.RERATING_STALE:
                left += 1
            else:
                accepted(receipt)
    return Applied(campaign_id, lines_root, len(found) - left, left)
