"""Places: what stands at a custody account, and whether a pack may move there.

Shared by every area that moves packs by the table of `transitions.py`.
"""

import msgspec

from ledger.domain.access import refused
from ledger.domain.bindings import PACK_BMS
from ledger.domain.cases import CASES, open_cases_of
from ledger.domain.classes import class_rules, rules_of
from ledger.domain.custody import DRIVER_PACKS, Pack, holds_on
from ledger.domain.orders import (
    OVERDUE_AFTER_US,
    TRANSFER_ORDERS,
    shipping_faults,
    workshop_faults,
)
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.stations import SLOTS, STATIONS
from ledger.domain.transitions import (
    HOLDER_ROLES,
    PROOF_BY_PACK,
    Family,
    Row,
    account_of,
    find_row,
    place_of,
    row_faults,
    split_account,
)
from ledger.domain.world import Key, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode

TRANSPORT_SOC_BP = 9_500
"""Policy: a fuller pack does not travel, unless its class says otherwise."""

ATTESTED_US = DAY
"""Policy: so near to a move must be the answer of the pack that proves it (E5)."""


def rows_at(account: str, pack_class: str) -> tuple[Key, ...]:
    """Name the rows that a pack of a class meets when it comes to an account or leaves it."""
    found = split_account(account)
    if found is None:
        return ()
    family, ids = found
    match family:
        case Family.SLT:
            return touch(STATIONS, ids[0]), touch(SLOTS, *ids)
        case Family.STG:
            return touch(STATIONS, ids[0]), class_rules(pack_class)
        case Family.DRV:
            return touch(PARTIES, ids[0]), touch(DRIVER_PACKS, ids[0], pack_class)
        case Family.SUS | Family.MIS:
            return (touch(CASES, ids[0]),)
        case Family.TRN:
            return touch(PARTIES, ids[0]), touch(TRANSFER_ORDERS, ids[1])
        case _ if family in HOLDER_ROLES:
            return touch(PARTIES, ids[0]), class_rules(pack_class)
        case _:
            return ()


def faults_at(world: World, account: str, pack_class: str) -> list[RefusalCode]:
    """Tell what keeps an account of ours from taking a pack of a class."""
    family, ids = place_of(account)
    match family:
        case Family.SLT:
            return slot_faults(world, ids[0], ids[1], pack_class)
        case Family.STG:
            known = world.get(STATIONS, ids[0]) is not None
            return [] if known else [RefusalCode.STATION_UNKNOWN]
        case Family.SUS | Family.MIS:
            case = world.get(CASES, ids[0])
            free = case is not None and case.is_open and not case.suspended_pack_id
            return [] if free else [RefusalCode.CASE_UNKNOWN]
        case _:
            role = HOLDER_ROLES.get(family)
            return [] if role is None else party_faults(world, ids[0], role)


def slot_faults(world: World, station_id: str, slot: str, pack_class: str) -> list[RefusalCode]:
    """Tell what keeps a slot from taking a pack of a class."""
    row = world.get(SLOTS, key_of(station_id, slot))
    if row is None:
        known = world.get(STATIONS, station_id) is not None
        return [RefusalCode.SLOT_UNKNOWN if known else RefusalCode.STATION_UNKNOWN]
    tests = (
        (bool(row.pack_id), RefusalCode.SLOT_OCCUPIED),
        (row.blocked, RefusalCode.SLOT_BLOCKED),
        (row.pack_class != pack_class, RefusalCode.CLASS_MISMATCH),
    )
    return [code for failed, code in tests if failed]


class Ask(msgspec.Struct, frozen=True):
    """One move somebody asks for: which row of the table, where to, on what evidence.

    Of the ids only those are read that the account of the target has: a slot has a station, a
    carrier an order, everybody else is a `holder_id`. Empty `expected_account` expects nothing.
    `attestation` is the digest of the pack's own answer, on which level 5 rests.
    """

    event: str
    actor: Actor
    level: int
    at: int
    place: str = ""
    station_id: str = ""
    slot: str = ""
    holder_id: str = ""
    order_id: str = ""
    case_id: str = ""
    soc_bp: int | None = None
    expected_account: str = ""
    attestation: str = ""


class Permit(msgspec.Struct, frozen=True):
    """A move that may be made: the pack as it is, the row of the table, the account it goes to.

    `level` is what the evidence is worth: 5 only with an answer of the pack itself.
    """

    pack: Pack
    row: Row
    target: str
    level: int


def permit(world: World, pack: Pack | None, ask: Ask) -> Permit | Refusal:
    """Test a move against the table and all guards; a refusal names every one that failed."""
    if pack is None:
        return Refusal(RefusalCode.UNKNOWN_PACK)
    row = find_row(pack.account, ask.event, ask.place)
    facts: dict[str, str | int] = {"pack": pack.pack_id, "account": pack.account}
    if isinstance(row, RefusalCode):
        return Refusal(row, facts)
    ids = _target_ids(row, pack, ask)
    if not all(is_id(text) for text in ids):
        return Refusal(RefusalCode.PACK_FIELD_INVALID, facts)
    target = account_of(row.debit, *ids)
    level = proven_level(world, pack, ask)
    faults = row_faults(row, ask.actor, level, proven=pack.proven)
    faults += _guards(row, pack, ask)
    faults += _charge_faults(world, row, pack, ask)
    faults += _order_faults(world, row, pack, ask)
    if row.debit in (Family.SUS, Family.MIS):
        if row.opens_case and world.get(CASES, ask.case_id) is not None:
            faults.append(RefusalCode.CASE_OPEN)
    else:
        faults += faults_at(world, target, pack.pack_class)
    return refused(faults, facts) if faults else Permit(pack, row, target, level)


def _charge_faults(world: World, row: Row, pack: Pack, ask: Ask) -> list[RefusalCode]:
    """Tell whether a pack is too full to travel, by what is registered of its class."""
    if row.blocked_by != "no_transport":
        return []
    rules = rules_of(world, pack.pack_class)
    limit_bp = TRANSPORT_SOC_BP if rules is None else rules.transport_soc_bp
    soc_bp = ask.soc_bp if ask.soc_bp is not None else (pack.soc_bp or 0)
    return [RefusalCode.SOC_ABOVE_TRANSPORT_LIMIT] if soc_bp > limit_bp else []


def _order_faults(world: World, row: Row, pack: Pack, ask: Ask) -> list[RefusalCode]:
    """Tell what its order, or a case about the pack, says against a move."""
    if row.debit is Family.TRN:
        return shipping_faults(world, ask.order_id, pack.pack_id, ask.holder_id, pack.account)
    if row.event == "title_transferred_out":
        return [RefusalCode.CASE_OPEN] if open_cases_of(world, pack.pack_id) else []
    if row.event == "sent_to_workshop":
        return workshop_faults(world, ask.order_id, pack.pack_id)
    if row.event == "delivery_overdue":
        order = world.get(TRANSFER_ORDERS, place_of(pack.account)[1][1])
        early = order is not None and ask.at < order.due_at + OVERDUE_AFTER_US
        return [RefusalCode.NOT_DUE] if early else []
    return []


def attestation_rows(pack_id: str, attestation: str) -> tuple[Key, ...]:
    """Name the rows that show whether a pack gave an answer; none where none is named."""
    return (touch(PACK_BMS, pack_id),) if attestation else ()


def proven_level(world: World, pack: Pack, ask: Ask) -> int:
    """Give the level of evidence (0 to 5) that holds: without the pack's own answer at most 4.

    The answer must be valid under the enrolled key, near in time, and of a pack that is not under
    suspicion of being a copy.
    """
    if ask.level < PROOF_BY_PACK:
        return ask.level
    bms = world.get(PACK_BMS, pack.pack_id) if ask.attestation else None
    suspect = any(hold.reason == "COUNTERFEIT_SUSPECT" for hold in pack.holds)
    answers = () if bms is None or suspect else bms.seen
    is_shown = any(
        one.sha256 == ask.attestation and abs(ask.at - one.at) <= ATTESTED_US for one in answers
    )
    return PROOF_BY_PACK if is_shown else PROOF_BY_PACK - 1


def _target_ids(row: Row, pack: Pack, ask: Ask) -> tuple[str, ...]:
    own_ids = place_of(pack.account)[1]
    match row.debit:
        case Family.SLT:
            return ask.station_id, ask.slot
        case Family.STG:
            return (own_ids[0] if row.credit is Family.SLT else ask.station_id,)
        case Family.TRN | Family.CIN:
            return ask.holder_id, ask.order_id
        case Family.SUS | Family.MIS:
            return (ask.case_id if row.opens_case else own_ids[0],)
        case _:
            return (ask.holder_id,) if row.debit in HOLDER_ROLES else ()


def _guards(row: Row, pack: Pack, ask: Ask) -> list[RefusalCode]:
    own_ids = place_of(pack.account)[1]
    in_force = holds_on(pack, row.blocked_by, ask.at) if pack.holds else ()
    holds = {hold.reason for hold in in_force}
    docks = (row.credit, row.debit) == (Family.STG, Family.SLT)
    arrives = row.credit in (Family.TRN, Family.CIN) and not row.opens_case
    expected = ask.expected_account or pack.account
    tests = (
        (docks and own_ids[0] != ask.station_id, RefusalCode.WRONG_PLACE),
        (expected != pack.account, RefusalCode.VERSION_CONFLICT),
        (bool(holds - {"LEGAL_LIEN"}), RefusalCode.HOLD_BLOCKS),
        (arrives and own_ids[1] != ask.order_id, RefusalCode.NOT_ON_ORDER),
        (row.retired_only and not pack.retired, RefusalCode.NOT_RETIRED),
        ("LEGAL_LIEN" in holds, RefusalCode.LIEN_EXISTS),
    )
    return [code for failed, code in tests if failed]
