"""Where a pack can be, and every move it can make: the table of the custody handbook 3.2 as data.

A pack is held by exactly one account. The head of an account names its **family**, a family is one
**state**, so the state of a pack follows from the account alone::

    Packs:Station:ST-1:Slot:4      family SLT, DOCKED
    Packs:Driver:DR-9              family DRV, WITH_DRIVER
    Packs:Suspense:CA-7            family SUS, IN_SUSPENSE, explained by case CA-7

`ROWS` is the law: what is not a row of it cannot happen.
"""

from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from ledger.domain.access import has_second_person
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import RefusalCode

PROOF_BY_PACK = 5
"""Evidence level of a cryptographic proof by the pack itself."""

SCANNED = 2
"""Evidence level of an authenticated person with a scan."""


class Family(StrEnum):
    """The 18 families a pack can be in, and the two sources it comes from."""

    ACQ = "ACQ"
    BAI = "BAI"
    SUP = "SUP"
    CIN = "CIN"
    DRC = "DRC"
    DST = "DST"
    SLT = "SLT"
    STG = "STG"
    DRV = "DRV"
    TRN = "TRN"
    WSH = "WSH"
    SL2 = "SL2"
    RCY = "RCY"
    SUS = "SUS"
    MIS = "MIS"
    CAN = "E-CAN"
    RET = "E-RET"
    SLD = "E-SLD"
    REC = "E-RCY"
    WOF = "E-WOF"


OUTSIDE = ""
"""State of a pack that is not, or no longer, in our books."""

STATES: dict[Family, str] = {
    Family.ACQ: OUTSIDE,
    Family.BAI: OUTSIDE,
    Family.SUP: "ORDERED",
    Family.CIN: "INBOUND",
    Family.DRC: "RECEIVED",
    Family.DST: "STORED",
    Family.SLT: "DOCKED",
    Family.STG: "STAGED",
    Family.DRV: "WITH_DRIVER",
    Family.TRN: "IN_TRANSIT",
    Family.WSH: "IN_WORKSHOP",
    Family.SL2: "SECOND_LIFE",
    Family.RCY: "AT_RECYCLER",
    Family.SUS: "IN_SUSPENSE",
    Family.MIS: "MISSING",
    Family.CAN: "CANCELLED",
    Family.RET: "RETURNED_TO_SUPPLIER",
    Family.SLD: "TITLE_TRANSFERRED_OUT",
    Family.REC: "RECYCLED",
    Family.WOF: "WRITTEN_OFF",
}
FAMILIES: dict[str, Family] = {state: family for family, state in STATES.items() if state}

TERMINAL = frozenset(
    {"CANCELLED", "RETURNED_TO_SUPPLIER", "TITLE_TRANSFERRED_OUT", "RECYCLED", "WRITTEN_OFF"}
)

# Accounts ---------------------------------------------------------------------

ACQUIRED = "Packs:Acquired"
REVALUATION = "Energy:Revaluation"
STANDING_LOSSES = "Energy:Losses:Standing"

_SHAPES: dict[Family, str] = {
    Family.ACQ: ACQUIRED,
    Family.BAI: "Packs:Bailment:{}",
    Family.SUP: "Packs:Supplier:{}",
    Family.CIN: "Packs:Carrier:{}:Inbound:{}",
    Family.DRC: "Packs:Depot:{}:Received",
    Family.DST: "Packs:Depot:{}:Stored",
    Family.SLT: "Packs:Station:{}:Slot:{}",
    Family.STG: "Packs:Station:{}:Staged",
    Family.DRV: "Packs:Driver:{}",
    Family.TRN: "Packs:Carrier:{}:Order:{}",
    Family.WSH: "Packs:Workshop:{}",
    Family.SL2: "Packs:SecondLife:{}",
    Family.RCY: "Packs:Recycler:{}",
    Family.SUS: "Packs:Suspense:{}",
    Family.MIS: "Packs:Missing:{}",
    Family.CAN: "Packs:Ended:Cancelled",
    Family.RET: "Packs:Ended:ReturnedToSupplier",
    Family.SLD: "Packs:Ended:TitleTransferredOut",
    Family.REC: "Packs:Ended:Recycled",
    Family.WOF: "Packs:Ended:WrittenOff",
}
# An account is told by its fixed words: "Packs:Driver:DR-9" by ("Packs", "Driver", None).
_BY_WORDS: dict[tuple[str | None, ...], Family] = {
    tuple(None if word == "{}" else word for word in shape.split(":")): family
    for family, shape in _SHAPES.items()
}


def account_of(family: Family, *ids: str) -> str:
    """Write the account of a family for its ids, in the order of the handbook's grammar.

    >>> account_of(Family.TRN, "CR-1", "TO-5")
    'Packs:Carrier:CR-1:Order:TO-5'
    """
    return _SHAPES[family].format(*ids)


def slot_account(station_id: str, slot: str) -> str:
    """Account of a pack in a slot."""
    return f"Packs:Station:{station_id}:Slot:{slot}"


def staged_account(station_id: str) -> str:
    """Account of a pack at a station outside its slots."""
    return f"Packs:Station:{station_id}:Staged"


def driver_account(driver_id: str) -> str:
    """Account of a pack with a driver."""
    return f"Packs:Driver:{driver_id}"


def depot_account(depot_id: str) -> str:
    """Account of a pack stored in a depot."""
    return f"Packs:Depot:{depot_id}:Stored"


def energy_account(pack_id: str) -> str:
    """Account of the energy inside a pack of ours (Wh)."""
    return f"Energy:Pack:{pack_id}"


def driver_energy(driver_id: str) -> str:
    """Account of the energy delivered to a driver, less what he brought back (Wh)."""
    return f"Energy:Driver:{driver_id}"


# Deciding and folding one move ask a dozen times for the same two accounts. With less room than a
# network has slots and parties, going round all of them would make each question a first one.
@lru_cache(maxsize=65_536)
def split_account(account: str) -> tuple[Family, tuple[str, ...]] | None:
    """Tell family and ids of an account; None when the text is no custody account.

    >>> split_account("Packs:Driver:DR-9")
    (<Family.DRV: 'DRV'>, ('DR-9',))
    """
    words = account.split(":")
    for pattern, family in _BY_WORDS.items():
        if len(pattern) == len(words) and all(
            fixed in (None, word) and word for fixed, word in zip(pattern, words, strict=True)
        ):
            ids = (word for fixed, word in zip(pattern, words, strict=True) if fixed is None)
            return family, tuple(ids)
    return None


@lru_cache(maxsize=65_536)
def place_of(account: str) -> tuple[Family, tuple[str, ...]]:
    """Tell family and ids of an account of ours; `InvariantBroken` when it is none."""
    found = split_account(account)
    if found is None:
        raise InvariantBroken(f"{account!r} is no custody account")
    return found


def state_of(account: str) -> str:
    """Tell the state of a pack from the account that holds it.

    >>> state_of("Packs:Station:ST-1:Slot:4")
    'DOCKED'
    """
    return STATES[place_of(account)[0]]


HOLDER_ROLES: dict[Family, str] = {
    Family.SUP: "service",
    Family.CIN: "carrier",
    Family.DRC: "depot",
    Family.DST: "depot",
    Family.DRV: "driver",
    Family.TRN: "carrier",
    Family.WSH: "workshop",
    Family.SL2: "service",
    Family.RCY: "service",
}
"""Role in which a party holds packs of a family; the first id of the account is the party."""

# The table --------------------------------------------------------------------


class Row(msgspec.Struct, frozen=True):
    """One permitted move: `number` is the row of the handbook; `source` and `target` are states.

    `who` gives for each actor role the lowest evidence level on which he may report the move.
    `blocked_by` is the scope of holds that stop it, `opens_case` the type of the case it opens.
    A `clone_sensitive` move needs a proof by the pack itself (E5) or two persons at E2; on
    `first_dock` that holds only until the pack has been in a slot once.
    """

    number: str
    source: str
    event: str
    place: str
    target: str
    debit: Family
    credit: Family
    who: dict[str, int]
    second_person: bool = False
    clone_sensitive: bool = False
    first_dock: bool = False
    retired_only: bool = False
    blocked_by: str = ""
    opens_case: str = ""


_ASSETS = {"asset_manager": 1}
_DEPOT = {"depot_clerk": 2}
_ENGINEER = {"engineer": 2}
_STATION = {"station": 3}
_AT_STATION = {"station": 3, "operator": 2}
_STAFF = {"operator": 2}
_CARRIER = {"carrier": 1}
_WORKSHOP = {"workshop": 2}
_PARTNER = {"operator": 1}
_PARTNER_SCAN = {"operator": 2}
_SYSTEM = {"system": 0}
_AUDITOR = {"auditor": 2}
_FINANCE = {"finance": 1}

_2P = {"second_person": True}
_RETIRED = {"second_person": True, "retired_only": True, "blocked_by": "no_disposal"}
_TITLE = {"second_person": True, "blocked_by": "no_title_change"}
_SHIP = {"blocked_by": "no_transport"}
_REPAIRED = {"second_person": True, "blocked_by": "no_charge"}
_OUT = {"blocked_by": "no_swap_out"}
_FOUND = {"second_person": True, "clone_sensitive": True}


def _row(
    number: str, credit: Family, event: str, debit: Family, who: dict[str, int], **more: Any
) -> Row:
    name, _, place = event.partition("@")
    return Row(number, STATES[credit], name, place, STATES[debit], debit, credit, who, **more)


_F = Family
ROWS: tuple[Row, ...] = (
    _row("1", _F.ACQ, "pack_ordered", _F.SUP, _ASSETS),
    _row("2", _F.SUP, "supplier_consigned", _F.CIN, _ASSETS | _CARRIER),
    _row("3", _F.SUP, "pack_order_cancelled", _F.CAN, _ASSETS, **_2P),
    _row("4", _F.CIN, "pack_received", _F.DRC, _DEPOT),
    _row("5", _F.SUP, "pack_received", _F.DRC, _DEPOT, opens_case="UNANNOUNCED"),
    _row("6", _F.CIN, "loss_reported", _F.MIS, _CARRIER, opens_case="LOSS"),
    _row("7", _F.DRC, "incoming_verification_passed", _F.DST, {"engineer": 5}),
    _row("8", _F.DRC, "incoming_verification_failed", _F.RET, _ENGINEER, **_2P),
    _row("9", _F.DST, "pack_commissioned", _F.DST, {"asset_manager": 2}, **_2P),
    _row("10", _F.DST, "transfer_dispatched", _F.TRN, _DEPOT | {"carrier": 2}, **_SHIP),
    _row("11", _F.STG, "transfer_dispatched", _F.TRN, _STAFF | {"carrier": 2}, **_SHIP),
    _row("12", _F.WSH, "transfer_dispatched", _F.TRN, _WORKSHOP | {"carrier": 2}, **_SHIP),
    _row("13", _F.SL2, "transfer_dispatched", _F.TRN, _STAFF | {"carrier": 2}, **_SHIP),
    _row("14", _F.TRN, "transfer_received", _F.DST, _DEPOT),
    _row("15", _F.TRN, "transfer_received@station", _F.STG, _STAFF),
    _row("16", _F.TRN, "transfer_received@workshop", _F.WSH, _WORKSHOP),
    _row("17", _F.TRN, "transfer_received@second_life", _F.SL2, _PARTNER_SCAN),
    _row("18", _F.TRN, "recycler_received", _F.RCY, _PARTNER, retired_only=True),
    _row("19", _F.TRN, "delivery_overdue", _F.SUS, _SYSTEM, opens_case="OVERDUE"),
    _row("20", _F.TRN, "loss_reported", _F.MIS, _CARRIER, opens_case="LOSS"),
    _row("21", _F.STG, "pack_docked", _F.SLT, _AT_STATION, first_dock=True),
    _row("22", _F.SLT, "pack_undocked", _F.STG, _AT_STATION),
    _row("23", _F.SLT, "pack_swapped_out", _F.DRV, _STATION, **_OUT),
    _row("24", _F.STG, "pack_swapped_out", _F.DRV, _AT_STATION, **_OUT),
    _row("25", _F.DRV, "pack_returned", _F.SLT, _STATION),
    _row("26", _F.DRV, "pack_returned@staged", _F.STG, _AT_STATION),
    _row("27", _F.DRV, "pack_collected_from_driver", _F.TRN, {"carrier": 2}),
    _row("28", _F.DRV, "return_overdue", _F.SUS, _SYSTEM, opens_case="OVERDUE"),
    _row("29", _F.DRV, "loss_reported", _F.MIS, {"driver": 1, "support": 1}, opens_case="LOSS"),
    _row("30", _F.DST, "sent_to_workshop", _F.WSH, _DEPOT),
    _row("31", _F.STG, "sent_to_workshop", _F.WSH, _STAFF),
    _row("32", _F.WSH, "released_from_workshop", _F.DST, _WORKSHOP, **_REPAIRED),
    _row("33", _F.DST, "second_life_deployed", _F.SL2, {"asset_manager": 2}, **_2P),
    _row("34", _F.SL2, "second_life_ended", _F.DST, _PARTNER),
    _row("35", _F.DST, "handed_to_recycler", _F.RCY, {"asset_manager": 2}, **_RETIRED),
    _row("36", _F.WSH, "handed_to_recycler", _F.RCY, _WORKSHOP, **_RETIRED),
    _row("37", _F.SL2, "handed_to_recycler", _F.RCY, _PARTNER_SCAN, **_RETIRED),
    _row("38", _F.RCY, "recycling_certified", _F.REC, _PARTNER, **_2P, blocked_by="no_disposal"),
    _row("39", _F.DST, "supplier_return_accepted", _F.RET, _ASSETS, **_TITLE),
    _row("40", _F.WSH, "supplier_return_accepted", _F.RET, _ASSETS, **_TITLE),
    _row("41", _F.DST, "title_transferred_out", _F.SLD, _FINANCE, **_TITLE, clone_sensitive=True),
    *(
        _row(number, family, "leg_inferred", _F.SUS, _SYSTEM, opens_case="MISSING_LEG")
        for number, family in (
            ("42", _F.SLT),
            ("43", _F.DRV),
            ("44", _F.STG),
            ("45", _F.DST),
            ("46", _F.WSH),
            ("47", _F.SL2),
            ("X4", _F.CIN),
            ("X5", _F.DRC),
            ("X6", _F.TRN),
            ("X7", _F.RCY),
            ("X8", _F.MIS),
        )
    ),
    _row(
        "48",
        _F.SLT,
        "slot_found_empty",
        _F.SUS,
        _STATION | _AUDITOR,
        opens_case="UNEXPLAINED_REMOVAL",
    ),
    _row("49", _F.STG, "stocktake_short", _F.SUS, _AUDITOR, opens_case="STOCK_SHORT"),
    _row("50", _F.DST, "stocktake_short", _F.SUS, _AUDITOR, opens_case="STOCK_SHORT"),
    _row("51", _F.SUS, "leg_confirmed@slot", _F.SLT, _STATION),
    _row("52", _F.SUS, "leg_confirmed@staged", _F.STG, _AT_STATION),
    _row("53", _F.SUS, "leg_confirmed@driver", _F.DRV, _STATION),
    _row("54", _F.SUS, "leg_confirmed@depot", _F.DST, _DEPOT),
    _row("55", _F.SUS, "leg_confirmed@transit", _F.TRN, {"carrier": 2}),
    _row("56", _F.SUS, "leg_confirmed@workshop", _F.WSH, _WORKSHOP),
    _row("57", _F.SUS, "leg_confirmed@second_life", _F.SL2, _PARTNER_SCAN),
    _row("58", _F.SUS, "declared_missing", _F.MIS, {"asset_manager": 2}, **_2P),
    _row("59", _F.MIS, "pack_recovered", _F.DST, _DEPOT, **_FOUND),
    _row("60", _F.MIS, "pack_recovered@station", _F.STG, _STAFF, **_FOUND),
    _row("61", _F.MIS, "written_off", _F.WOF, _FINANCE, **_2P),
    _row("62", _F.WOF, "pack_recovered", _F.DST, _DEPOT, **_FOUND),
    *(
        _row("X1", _F.ACQ, f"pack_taken_over@{state.lower()}", FAMILIES[state], _ASSETS, **_2P)
        for state in FAMILIES
        if state not in TERMINAL
    ),
    _row("X2", _F.BAI, "foreign_pack_taken", _F.SLT, _STATION),
    _row("X2", _F.BAI, "foreign_pack_taken@staged", _F.STG, _STATION),
    *(
        _row("X3", family, "foreign_pack_handed_back", _F.BAI, _STAFF, **_2P)
        for family in (_F.SLT, _F.STG, _F.DST, _F.TRN)
    ),
    _row("X9", _F.DRV, "pack_reattributed", _F.DRV, {"support": 2}, **_2P),
)
"""Rows 1 to 62 and X1 to X9 of the custody handbook 3.2."""

_BY_MOVE: dict[tuple[str, str, str], Row] = {
    (row.source, row.event, row.place): row for row in ROWS
}
_EVENTS_FROM = frozenset((row.source, row.event) for row in ROWS)


def find_row(account: str, event: str, place: str = "") -> Row | RefusalCode:
    """Find the row by which a pack at an account may make a move, or why there is none."""
    source = state_of(account)
    row = _BY_MOVE.get((source, event, place))
    if row is not None:
        return row
    if (source, event) in _EVENTS_FROM:
        return RefusalCode.WRONG_PLACE
    return RefusalCode.PACK_ENDED if source in TERMINAL else RefusalCode.WRONG_STATE


def row_faults(row: Row, actor: Actor, level: int, *, proven: bool) -> list[RefusalCode]:
    """Tell what an actor with evidence of a level (0 to 5) lacks for a row of the table.

    `proven` says that the pack's identity was proven in a slot before.
    """
    paired = has_second_person(actor)
    needed = row.who.get(actor.role)
    sensitive = row.clone_sensitive or (row.first_dock and not proven)
    tests = (
        (needed is None, RefusalCode.ROLE_NOT_ALLOWED),
        (row.second_person and not paired, RefusalCode.SECOND_PERSON_REQUIRED),
        (needed is not None and level < needed, RefusalCode.EVIDENCE_TOO_LOW),
        (
            sensitive and level < PROOF_BY_PACK and not (paired and level >= SCANNED),
            RefusalCode.IDENTITY_NOT_PROVEN,
        ),
    )
    return [code for failed, code in tests if failed]
