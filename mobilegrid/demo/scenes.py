"""What happened in the town, as read from its ledger: hours, packs, swaps, cases."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from ledger.domain import (
    asking,
    booking,
    booking_ends,
    cases,
    charging,
    holds,
    moves,
    stations,
    swap,
)
from ledger.domain.cases import CASES
from ledger.domain.claims import BOOKINGS
from ledger.domain.custody import PACKS, PackSwappedOut
from ledger.domain.eligibility import eligible
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.parties import PARTIES
from ledger.domain.saga import SWAPS, PackLeg, Swap
from ledger.domain.stations import SLOTS, STATIONS
from ledger.domain.transitions import HOLDER_ROLES, STATES, Family, place_of
from ledger.kernel.instants import MINUTE
from ledger.kernel.messages import Event
from ledger.runtime.reads import Entry, Reads
from mobilegrid.cli.wording import kind_words, place_words
from mobilegrid.demo.fleet import NOMINAL_WH, PERIOD, ZONE
from mobilegrid.demo.looks import clock, euro, grid, hour_of, kwh, pairs, whole_percent


def town(reads: Reads, seed: int) -> Any:
    """Say what there is: parties, stations, slots, packs."""
    roles = Counter(
        f"{kind_words(role)}s" for _, party in reads.rows(PARTIES) for role in party.roles
    )
    tiers = Counter(station.tier for _, station in reads.rows(STATIONS))
    classes = Counter(
        f"of class {pack.pack_class} ({pack.nominal_wh // 1000} kWh)"
        for _, pack in reads.rows(PACKS)
    )
    return pairs(
        (
            ("day", f"{PERIOD}, {ZONE}, seed {seed}"),
            ("stations", _counted(tiers) + f"; {reads.count(SLOTS)} slots"),
            ("packs", _counted(classes)),
            ("parties", _counted(roles)),
        )
    )


def _counted(counts: Counter[str]) -> str:
    return ", ".join(
        f"{count} {name.removesuffix('s') if count == 1 else name}"
        for name, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    )


# Hours ------------------------------------------------------------------------


def hours(reads: Reads, entries: list[Entry]) -> Any:
    """Tell the day hour by hour: swaps, charging sessions, and all else worth a line."""
    swaps: Counter[str] = Counter()
    sessions: Counter[str] = Counter()
    drawn_wh: Counter[str] = Counter()
    notes: dict[str, Counter[str]] = defaultdict(Counter)
    for one in entries:
        hour, event = hour_of(one.envelope.valid_at), one.event
        if isinstance(event, swap.SwapCompleted):
            swaps[hour] += 1
        elif isinstance(event, charging.ChargeSessionEnded):
            sessions[hour] += 1
            drawn_wh[hour] += event.energy_in_wh
        note = _note_of_driver(reads, one.event) or _note_of_network(reads, one.event)
        if note:
            notes[hour][note] += 1
    for hour, note in _late(entries):
        notes[hour][note] += 1
    rows = [
        (
            hour,
            str(swaps[hour] or ""),
            str(sessions[hour] or ""),
            kwh(drawn_wh[hour]) if drawn_wh[hour] else "",
            "\n".join(f"{note}{f' (x{n})' if n > 1 else ''}" for note, n in notes[hour].items()),
        )
        for hour in sorted({*swaps, *sessions, *notes})
    ]
    sums = ("", str(swaps.total()), str(sessions.total()), kwh(drawn_wh.total()), "")
    return grid(("Hour", ">Swaps", ">Sessions", ">kWh drawn", "~What else"), rows, sums)


def _note_of_driver(reads: Reads, event: Event) -> str:
    match event:
        case booking.BookingRequested():
            at = clock(event.window_from)
            return f"{event.driver_id} books a pack at {event.station_id} for {at}"
        case booking_ends.BookingCanceled() | booking_ends.BookingNoShow():
            row = reads.row(BOOKINGS, event.booking_id)
            canceled = isinstance(event, booking_ends.BookingCanceled)
            did = "calls the booking off" if canceled else "does not come for the booked pack"
            return f"{row.driver_id} {did}" if row else ""
        case asking.SwapRefused():
            asked = reads.row(SWAPS, event.swap_id)
            why = ", ".join(map(kind_words, event.reasons))
            return f"{asked.station_id} refuses {asked.driver_id}: {why}" if asked else ""
        case swap.SwapOutTimedOut():
            return f"half swap at {event.station_id}: {event.driver_id} gave a pack and got none"
        case swap.SwapCompleted(swap_kind="HANDOUT"):
            return f"{event.driver_id} gets a first pack at {event.station_id}"
        case _:
            return ""


def _note_of_network(reads: Reads, event: Event) -> str:
    match event:
        case cases.CaseOpened():
            return f"case {kind_words(event.case_type.lower())} opened: {event.reason}"
        case cases.CaseResolved():
            case = reads.row(CASES, event.case_id)
            name = kind_words(case.case_type.lower()) if case else event.case_id
            return f"case {name} settled: {event.resolution}"
        case holds.HoldPlaced():
            return f"safety hold on {event.pack_id}: {kind_words(event.reason.lower())}"
        case stations.SlotBlocked():
            return f"slot {event.slot} of {event.station_id} is out of use"
        case moves.TransferDispatched():
            place = place_of(event.from_account)[1][0]
            return f"a pack leaves {place} by carrier on order {event.order_id}"
        case moves.TransferReceived():
            return f"a pack arrives at {place_of(event.to_account)[1][0]}"
        case moves.SentToWorkshop():
            return f"{event.pack_id} goes to {place_words(event.to_account)}"
        case _:
            return ""


def _late(entries: list[Entry]) -> Iterator[tuple[str, str]]:
    late: dict[str, list[Entry]] = defaultdict(list)
    for one in entries:
        source = one.envelope.source
        if source is not None and source.offline:
            late[source.device].append(one)
    for device, found in late.items():
        came = min(one.envelope.recorded_at for one in found)
        oldest = clock(min(one.envelope.valid_at for one in found))
        note = f"{len(found)} late reports of {device}, the oldest of {oldest}"
        yield hour_of(came), note


# Packs ------------------------------------------------------------------------


def packs(reads: Reads) -> Any:
    """Count packs by place and class, and those that could go out now; all accounts sum to zero."""
    classes = dict(reads.rows(PACKS))
    places: dict[tuple[Family, str], Counter[str]] = defaultdict(Counter)
    for one in reads.balances("Packs"):
        family, ids = place_of(one.account)
        spot = "" if family in (Family.DRV, Family.ACQ) else ids[0]
        places[family, spot][classes[one.item].pack_class] += one.quantity
        places[family, spot]["ready"] += one.quantity > 0 and _is_ready(reads, one.item)
    rows = [
        (
            _place_name(family, spot),
            STATES[family].lower().replace("_", " ") or "source of all packs",
            *(str(held[name] or "") for name in NOMINAL_WH),
            str(sum(held[name] for name in NOMINAL_WH)),
            str(held["ready"] or ""),
        )
        for (family, spot), held in sorted(places.items(), key=lambda one: _rank(*one[0]))
    ]
    totals = [sum(held[name] for held in places.values()) for name in (*NOMINAL_WH, "ready")]
    sums = ("Sum", "", *map(str, totals[:-1]), str(sum(totals[:-1])), str(totals[-1]))
    return grid(("~Place", "State", *(f">{n}" for n in NOMINAL_WH), ">Packs", ">Ready"), rows, sums)


def _is_ready(reads: Reads, pack_id: str) -> bool:
    pack = reads.row(PACKS, pack_id)
    assert pack is not None, "it is on an account"
    family, ids = place_of(pack.account)
    station = reads.row(STATIONS, ids[0]) if family in (Family.SLT, Family.STG) else None
    at = reads.head.recorded_at
    return station is not None and not eligible(pack, station, pack_class=pack.pack_class, at=at)


def _place_name(family: Family, spot: str) -> str:
    match family:
        case Family.DRV:
            return "drivers"
        case Family.ACQ:
            return "came into the books"
        case Family.SLT | Family.STG:
            return f"station {spot}"
        case _:
            return f"{HOLDER_ROLES.get(family, 'case')} {spot}"


def _rank(family: Family, spot: str) -> tuple[bool, bool, str, str]:
    """Stations first, then other places, then drivers; at the end where all packs came from."""
    return family is Family.ACQ, family is Family.DRV, _place_name(family, "")[::-1], spot


# Swaps ------------------------------------------------------------------------


def swaps(reads: Reads, entries: list[Entry]) -> Any:
    """List every swap in the order in which drivers asked."""
    halves = {one.event.swap_id for one in entries if isinstance(one.event, swap.SwapOutTimedOut)}
    asked: dict[str, int] = {}
    net: Counter[str] = Counter()
    remarks: dict[str, str] = {}
    for one in entries:
        event = one.event
        match event:
            case asking.SwapRequested():
                asked[event.swap_id] = one.envelope.valid_at
            case UsageAccrued(usage_kind="swap"):
                net[event.usage_id] += event.net_minor
            case asking.SwapRefused():
                remarks[event.swap_id] = f"refused: {', '.join(map(kind_words, event.reasons))}"
            case swap.SwapCompleted() if event.swap_id in halves:
                remarks[event.swap_id] = f"half swap until {clock(event.out_at)}"
            case swap.SwapCompleted() if one.envelope.recorded_at - event.out_at > MINUTE:
                remarks[event.swap_id] = f"reported at {clock(one.envelope.recorded_at)}"
            case _:
                pass
    rows = [
        (clock(at), *_swap_cells(reads.row(SWAPS, name), net[name], remarks.get(name, "")))
        for name, at in sorted(asked.items(), key=lambda one: one[1])
    ]
    columns = ("Asked", "Driver", "Station", "In", ">SoC", "Out", ">SoC", ">kWh", ">EUR", "~Remark")
    sums = ("", "", f"{len(rows)} asked", *([""] * 5), euro(net.total()), "net of tax")
    return grid(columns, rows, sums)


def _swap_cells(row: Swap | None, net_minor: int, remark: str) -> tuple[str, ...]:
    assert row is not None, "it was asked for"
    if not remark and row.booking_id:
        remark = "booked"
    elif not remark and row.swap_kind == "HANDOUT":
        remark = "first pack"
    gained_wh = sum(leg.stored_wh for leg in row.legs_out)
    gained_wh -= sum(leg.stored_wh for leg in row.legs_in)
    ended = bool(row.legs_out)
    return (
        row.driver_id,
        row.station_id,
        *_leg_cells(row.legs_in),
        *_leg_cells(row.legs_out),
        kwh(gained_wh) if ended else "",
        euro(net_minor) if ended else "",
        remark,
    )


def _leg_cells(legs: tuple[PackLeg, ...]) -> tuple[str, str]:
    return (legs[0].pack_id, whole_percent(legs[0].soc_bp)) if legs else ("", "")


def unasked(reads: Reads) -> str:
    """Say what was swapped beside the table."""
    legs = sum(row.case_type == "UNAUTHORISED_SWAP" for _, row in reads.rows(CASES))
    return f"{legs} more packs came or went in swaps that nobody had asked for: see the cases."


def two_times(reads: Reads, entries: list[Entry]) -> str:
    """Show with one late report what was known then, and what is known now of the same moment."""
    late = next(
        one
        for one in entries
        if isinstance(one.event, PackSwappedOut)
        and one.envelope.recorded_at - one.envelope.valid_at > MINUTE
    )
    assert isinstance(late.event, PackSwappedOut), "chosen so"
    pack_id, at = late.event.pack_id, late.envelope.valid_at + MINUTE
    then = place_words(reads.custody(pack_id, reads.moment(at, known_at=at)))
    now = place_words(reads.custody(pack_id, reads.moment(at)))
    return (
        f"Two times: where was {pack_id} at {clock(at)}? Known at {clock(at)}: {then}. "
        f"Known since {clock(late.envelope.recorded_at)}: {now}."
    )


# Cases ------------------------------------------------------------------------


def all_cases(reads: Reads) -> Any:
    """List the cases, the open ones first."""
    found = sorted((row for _, row in reads.rows(CASES)), key=lambda row: not row.is_open)
    rows = [
        (
            "open" if row.is_open else "settled",
            clock(row.opened_at),
            kind_words(row.case_type.lower()),
            ", ".join(name for name in row.subjects if not name.startswith("SW-")),
            row.reason if row.is_open else row.resolution,
            ", ".join(f"{debt.driver_id} {debt.count:+d} {debt.pack_class}" for debt in row.vector),
        )
        for row in found
    ]
    return grid(("State", "Opened", "Case", "~About", "~Why, or how it ended", "Packs"), rows)
