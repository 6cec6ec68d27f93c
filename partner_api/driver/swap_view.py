"""A swap as its driver sees it."""

from collections.abc import Sequence

from ledger.domain.asking import SwapRefused
from ledger.domain.cases import CASES, Case, CaseOpened
from ledger.domain.custody import PACKS, PackReturned, PackSwappedOut
from ledger.domain.helping import help_case_of
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.rating_facts import Bill
from ledger.domain.saga import ENDED, IN, OUT, TIMEOUT_US, PackLeg, Swap
from ledger.domain.swap import SwapClosedIncomplete, half_swap_of
from ledger.domain.transitions import Family, place_of
from ledger.kernel.instants import as_text
from ledger.runtime.feed_notices import offered_slot
from ledger.runtime.quoting import tax_of
from partner_api.driver.bodies_journey import (
    PriceLineOut,
    PriceOut,
    RefusalOut,
    SwapOut,
    SwapPackOut,
)
from partner_api.driver.journey_reads import Told, around, told_of
from partner_api.driver.own import Own
from partner_api.driver.station_prices import KINDS, decimal_of
from partner_api.driver.station_view import Stations

STATION_WORDS = {
    "unknown_pack": "BatteryUnknown",
    "hold_blocks": "BatteryDamaged",
    "class_mismatch": "BatteryType",
    "soc_below_target": "BatterySoC",
    "soh_below_class": "BatterySoHLow",
}
"""What stations say (OCPP 2.1), by our own names of the reasons."""

NO_PACK_WORD = "NoBatteryAvailable"
ORDERS = {"In-Out": "in_out", "Out-In": "out_in"}


def swap_out(own: Own, stations: Stations, row: Swap) -> SwapOut:
    """Say all of a swap."""
    told = told_of(own, row.swap_id)
    legs = (*row.legs_in, *row.legs_out)
    cases = _cases(own, row, told)
    step, slot = step_of(own, row)
    has_ended = row.stage in ENDED
    return SwapOut(
        id=row.swap_id,
        state=row.stage,
        step=step,
        kind=row.swap_kind.lower(),
        order=ORDERS.get(row.order, row.order),
        station=stations.ref(row.station_id),
        pack_class=row.pack_class,
        packs_count=row.count,
        lane=row.lane or 1,
        requested_at=as_text(told[0].envelope.recorded_at),
        packs_in=[_pack(own, leg, told, PackReturned) for leg in row.legs_in],
        packs_out=[_pack(own, leg, told, PackSwappedOut) for leg in row.legs_out],
        cases=[case.case_id for case in cases],
        attention=[case.case_type.lower() for case in cases if case.is_open],
        balance_packs=len(row.legs_out) - len(row.legs_in),
        price=price_of(told),
        positions=[one.position for one in told],
        version=told[-1].position,
        slot=slot or None,
        slots_in=row.open_slots,
        slots_out=_offered(own, row),
        booking_id=row.booking_id or None,
        refusal=_refusal(told),
        resolution=_resolution(told),
        timeout_at=as_text(row.since_at + TIMEOUT_US) if row.due_at else None,
        ended_at=as_text(told[-1].envelope.recorded_at) if has_ended else None,
        evidence_level=min((leg.level for leg in legs), default=None),
    )


def step_of(own: Own, row: Swap) -> tuple[str, str]:
    """Tell what the driver does now, and at which slot; "" where that is not known."""
    match row.stage:
        case "REQUESTED" | "AUTHORISED":
            return "wait", ""
        case "OUT_TIMED_OUT":
            return "collect", offered_slot(own.reads, row)
        case stage if stage in ENDED:
            return "done", ""
        case _:
            pass
    is_in_missing = len(row.legs_in) < row.expects(IN)
    is_out_missing = len(row.legs_out) < row.expects(OUT)
    if is_in_missing and (row.order == "In-Out" or not is_out_missing):
        return "pack_in", next(iter(row.open_slots[len(row.legs_in) :]), "")
    return "pack_out", offered_slot(own.reads, row)


def _pack(
    own: Own, leg: PackLeg, told: Sequence[Told], kind: type[PackReturned | PackSwappedOut]
) -> SwapPackOut:
    """Say what came or went; where the station told no health, that which is known of the pack."""
    pack = own.reads.row(PACKS, leg.pack_id)
    known_bp = None if pack is None else pack.soh_bp
    slots = [
        one.event.slot
        for one in told
        if isinstance(one.event, kind) and one.event.pack_id == leg.pack_id
    ]
    return SwapPackOut(
        pack_id=leg.pack_id,
        pack_class=leg.pack_class,
        stored_wh=leg.stored_wh,
        at=as_text(leg.occurred_at),
        evidence_level=leg.level,
        position=leg.position,
        slot=slots[-1] if slots else "",
        soc_bp=leg.soc_bp,
        soh_bp=known_bp if leg.soh_bp is None else leg.soh_bp,
    )


def _offered(own: Own, row: Swap) -> tuple[str, ...]:
    """List the slots of the packs that are offered and still stand in them."""
    places = []
    for pack_id in row.pack_ids:
        pack = own.reads.row(PACKS, pack_id)
        family, ids = ("", ()) if pack is None else place_of(pack.account)
        if family is Family.SLT and ids[0] == row.station_id:
            places.append(ids[1])
    return tuple(places)


def _cases(own: Own, row: Swap, told: Sequence[Told]) -> list[Case]:
    """List the cases about a swap: those written with it, and its own."""
    near = around(own, (one.position for one in told), row.swap_id)
    names = [one.event.case_id for one in near if isinstance(one.event, CaseOpened)]
    names += [half_swap_of(row.swap_id), help_case_of(row.swap_id)]
    found = (own.reads.row(CASES, name) for name in dict.fromkeys(names))
    return [case for case in found if case is not None]


def _refusal(told: Sequence[Told]) -> RefusalOut | None:
    for one in told:
        if isinstance(one.event, SwapRefused):
            reasons = one.event.reasons
            words = [STATION_WORDS.get(each, NO_PACK_WORD) for each in reasons]
            return RefusalOut(words[0] if words else NO_PACK_WORD, reasons)
    return None


def _resolution(told: Sequence[Told]) -> str:
    ends = [one.event for one in told if isinstance(one.event, SwapClosedIncomplete)]
    return ends[-1].resolution if ends else ""


def price_of(told: Sequence[Told]) -> PriceOut:
    """Give the newest bill of a swap; nothing before it was made."""
    bills: list[list[UsageAccrued]] = []
    for one in told:
        if isinstance(one.event, UsageAccrued):
            if one.event.part == 1:
                bills.append([])
            bills[-1].append(one.event)
    if not bills:
        return PriceOut(rated=False, lines=[])
    lines = tuple(line for event in bills[-1] for line in event.lines)
    first = bills[-1][0]
    net_minor = sum(line.net_minor for line in lines)
    bill = Bill(first.currency, lines, net_minor, 0, 0, 0)
    tax_minor = tax_of(first.country, bill)
    return PriceOut(
        rated=True,
        lines=[
            PriceLineOut(
                kind=KINDS.get(line.component, line.component.lower()),
                per="kwh" if line.unit == "WH" else line.unit.lower(),
                unit_price=decimal_of(line.rate_micro),
                net_minor=line.net_minor,
                quantity=line.quantity,
                billed_quantity=line.billed_quantity,
            )
            for line in lines
        ],
        currency=first.currency,
        net_minor=net_minor,
        tax_minor=tax_minor,
        total_minor=net_minor + tax_minor,
    )
