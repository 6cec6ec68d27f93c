"""The words of EPCIS for kinds of entries: action, business step and disposition."""

from typing import Any, NamedTuple

from ledger.domain.health import PackRetired
from ledger.domain.workshop import RepairRecorded


class Step(NamedTuple):
    """Action, business step and disposition of a kind; an empty disposition is left out."""

    action: str
    biz_step: str
    disposition: str = ""


SHIPPING = Step("OBSERVE", "shipping", "in_transit")
RECEIVING = Step("OBSERVE", "receiving", "in_progress")
INSTALLING = Step("ADD", "installing", "in_progress")
REMOVING = Step("DELETE", "removing", "in_progress")
UNKNOWN = Step("OBSERVE", "other", "unknown")
SENSED = Step("OBSERVE", "sensor_reporting")
RESERVED = Step("OBSERVE", "reserving", "reserved")
HOLDING = Step("OBSERVE", "holding")
INSPECTING = Step("OBSERVE", "inspecting")
COUNTED = Step("OBSERVE", "stock_taking")
PLAIN: dict[type[Any], Step] = {
    PackRetired: Step("OBSERVE", "other", "inactive"),
    RepairRecorded: Step("OBSERVE", "repairing"),
}

MOVES: dict[str, Step] = {
    "supplier_consigned": SHIPPING,
    "pack_received": RECEIVING,
    "incoming_verification_passed": Step("OBSERVE", "inspecting", "conformant"),
    "incoming_verification_failed": Step("OBSERVE", "inspecting", "non_conformant"),
    "transfer_dispatched": SHIPPING,
    "transfer_received": RECEIVING,
    "recycler_received": RECEIVING,
    "delivery_overdue": UNKNOWN,
    "loss_reported": UNKNOWN,
    "pack_docked": INSTALLING,
    "pack_undocked": REMOVING,
    "pack_collected_from_driver": Step("OBSERVE", "collecting", "in_transit"),
    "return_overdue": UNKNOWN,
    "sent_to_workshop": Step("OBSERVE", "repairing", "non_conformant"),
    "released_from_workshop": Step("OBSERVE", "repairing", "conformant"),
    "second_life_deployed": Step("OBSERVE", "shipping", "inactive"),
    "second_life_ended": RECEIVING,
    "handed_to_recycler": RECEIVING,
    "recycling_certified": Step("DELETE", "decommissioning", "disposed"),
    "supplier_return_accepted": Step("OBSERVE", "shipping", "returned"),
    "title_transferred_out": Step("OBSERVE", "other"),
    "leg_inferred": UNKNOWN,
    "slot_found_empty": UNKNOWN,
    "stocktake_short": Step("OBSERVE", "stock_taking", "unknown"),
    "leg_confirmed": Step("OBSERVE", "arriving", "in_progress"),
    "declared_missing": UNKNOWN,
    "pack_recovered": RECEIVING,
    "written_off": Step("DELETE", "decommissioning", "unknown"),
    "foreign_pack_taken": RECEIVING,
    "foreign_pack_handed_back": Step("OBSERVE", "shipping", "returned"),
}
"""Moves of packs. Not here: an order and its end (nothing is there yet), and a pack that passes
from one driver to another in the books, which nobody saw."""
