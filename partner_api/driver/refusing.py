"""Refusals on the way to a swap, in the words of the drivers' door."""

from collections.abc import Sequence

from ledger.domain.blocks import DRIVER_BLOCKS
from ledger.domain.custody import DRIVER_PACKS
from ledger.domain.money.dunning import block_reason
from ledger.domain.money.invoices import INVOICES
from ledger.kernel.errors import NotFound, Refused
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.availability import Near
from ledger.runtime.reads import Reads
from partner_api.driver.station_view import Stations
from partner_api.problems import DoorProblem

ALTERNATIVES = 3
ALTERNATIVES_WITHIN_M = 50_000

_WORDS = {
    RefusalCode.NO_PACK_AVAILABLE: "no_pack_ready",
    RefusalCode.BOOKING_WINDOW_INVALID: "window_invalid",
    RefusalCode.BOOKING_WINDOW_PASSED: "window_invalid",
    RefusalCode.STATION_NOT_IN_SERVICE: "station_closed",
    RefusalCode.CLASS_MISMATCH: "class_mismatch",
    RefusalCode.WRONG_PLACE: "wrong_station",
    RefusalCode.CODE_USED: "ticket_used",
}
_NOT_HIS = frozenset(
    {
        RefusalCode.STATION_UNKNOWN,
        RefusalCode.BOOKING_UNKNOWN,
        RefusalCode.BOOKING_OF_ANOTHER_DRIVER,
        RefusalCode.SWAP_UNKNOWN,
        RefusalCode.SWAP_OF_ANOTHER_DRIVER,
    }
)
_UNPAID = frozenset(
    {
        RefusalCode.PENDING_EXCEEDED,
        RefusalCode.CARD_MISSING,
        RefusalCode.LIMIT_BREACHED,
    }
)


def retold(error: Refused, reads: Reads, driver_id: str) -> Exception:
    """Give what a refusal is called at this door; the refusal itself where it is called the same.

    What is another's, or is none, is not found.
    """
    code = error.refusal.code
    if code in _NOT_HIS:
        return NotFound("nothing of his own")
    if code is RefusalCode.DRIVER_BLOCKED:
        return block_problem(reads, driver_id) or error
    if code in _UNPAID:
        return DoorProblem("payment_method_missing", facts=dict(error.refusal.facts))
    word = _WORDS.get(code)
    return error if word is None else DoorProblem(word, facts=dict(error.refusal.facts))


def block_problem(reads: Reads, driver_id: str) -> DoorProblem | None:
    """Tell why a driver gets no pack: an overdue invoice, or another reason; None for none."""
    row = reads.row(DRIVER_BLOCKS, driver_id)
    if row is None or not row.reasons:
        return None
    for _, invoice in reads.rows(INVOICES, listed=driver_id):
        if block_reason(invoice.invoice_no) in row.reasons:
            return DoorProblem(
                "invoice_overdue",
                facts={
                    "invoice_id": invoice.invoice_no,
                    "amount_minor": invoice.open_minor,
                    "currency": invoice.currency,
                    "due_on": invoice.due_on,
                },
            )
    return DoorProblem("driver_blocked", facts={"reason": row.reasons[0]})


def balance_problem(reads: Reads, driver_id: str) -> DoorProblem | None:
    """Tell that a pack is owed, by him or to him; None where his packs balance."""
    for _, row in reads.rows(DRIVER_PACKS, listed=driver_id):
        owed = row.deviation - row.agreed
        if owed:
            code = "pack_surplus" if owed > 0 else "pack_owed"
            return DoorProblem(code, facts={"pack_class": row.pack_class, "count": abs(owed)})
    return None


def no_pack_problem(
    stations: Stations, station_id: str, pack_class: str, count: int
) -> DoorProblem:
    """Tell that a station has no pack left, and where up to three others have."""
    facts: dict[str, str | int] = {"station_id": station_id, "pack_class": pack_class}
    for number, near in enumerate(alternatives(stations, station_id, pack_class, count), 1):
        row = near.found
        facts |= {
            f"station_{number}": row.station.station_id,
            f"name_{number}": stations.name(row),
            f"distance_m_{number}": near.distance_m,
            f"ready_{number}": row.stock(pack_class).ready,
        }
    return DoorProblem("no_pack_ready", facts=facts)


def alternatives(
    stations: Stations, station_id: str, pack_class: str, count: int
) -> Sequence[Near]:
    """List the nearest other stations that have enough packs ready and serve now."""
    row = stations.index.one(station_id)
    place = None if row is None else row.point
    if place is None:
        return ()
    return stations.index.near(
        place,
        ALTERNATIVES_WITHIN_M,
        ALTERNATIVES,
        lambda one: (
            one.station.station_id != station_id
            and one.stock(pack_class).ready >= count
            and stations.state(one) == "OPEN"
        ),
    )
