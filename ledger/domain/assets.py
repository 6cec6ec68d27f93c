"""Assets: a pack from its order into service (rows 1, 2, 4, 5 and 7 to 9 of the custody table)."""

from typing import ClassVar, assert_never

from msgspec.structs import asdict, replace

from ledger.domain import purchases
from ledger.domain.access import refused
from ledger.domain.carrying import TITLE_ISSUED, PackMoved, carry, lines_of, title_account
from ledger.domain.cases import opened
from ledger.domain.classes import all_classes, class_rules, know_class, least_soh
from ledger.domain.custody import PACKS, Pack
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.places import Ask, Permit, attestation_rows, permit, rows_at
from ledger.domain.purchases import PACK_PURCHASES, PURCHASE_ORDERS
from ledger.domain.title_rows import title_row
from ledger.domain.transitions import ACQUIRED, TERMINAL, Family, account_of, place_of
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting, move_pack
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Pack], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

PACKS_PER_ORDER_LINE = 64

# Commands ---------------------------------------------------------------------


class PlacePackOrder(Command):
    """Order packs, each with its own id from the start; `unit_price_minor` in minor units."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "importer"})

    pack_ids: tuple[str, ...]
    supplier_id: str
    po_no: str
    line: int
    pack_class: str
    nominal_wh: int
    unit_price_minor: int = 0
    currency: str = ""
    occurred_at: int = 0


class AnnounceShipment(Command):
    """The supplier handed an ordered pack to a carrier, under a despatch advice."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager", "carrier"})

    pack_id: str
    carrier_id: str
    asn_no: str
    un_no: str = ""
    soc_bp: int | None = None
    level: int = 1
    occurred_at: int = 0


class ReceivePack(Command):
    """A pack arrived in a depot; without `asn_no` it was not announced."""

    roles: ClassVar[frozenset[str]] = frozenset({"depot_clerk"})

    pack_id: str
    depot_id: str
    asn_no: str = ""
    condition: str = ""
    level: int = 2
    occurred_at: int = 0


class RecordVerification(Command):
    """The incoming test of a pack, passed or failed; the report stays outside, by digest.

    It passes on level 5, with the digest of the answer that the pack itself gave.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"engineer"})

    pack_id: str
    passed: bool
    level: int
    report_sha256: str
    capacity_mah: int = 0
    insulation_kohm: int = 0
    cell_delta_mv: int = 0
    instrument_id: str = ""
    firmware: str = ""
    soc_bp: int | None = None
    attestation_sha256: str = ""
    occurred_at: int = 0


class CommissionPack(Command):
    """Let a verified pack into service, with its baseline, its warranty and its title holder."""

    roles: ClassVar[frozenset[str]] = frozenset({"asset_manager"})
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    soh_bp: int
    min_soh_bp: int
    title_holder_id: str
    warranty_until: int = 0
    book_value_minor: int = 0
    currency: str = ""
    level: int = 2
    occurred_at: int = 0


AssetCommand = PlacePackOrder | AnnounceShipment | ReceivePack | RecordVerification | CommissionPack

# Events -----------------------------------------------------------------------


class PackOrdered(Event):
    """A pack is on order: it has an id, a supplier and a price, and no body yet (row 1)."""

    kind: ClassVar[str] = "pack_ordered"

    pack_id: str
    account: str
    pack_class: str
    nominal_wh: int
    po_no: str
    line: int
    unit_price_minor: int = 0
    currency: str = ""


class SupplierConsigned(PackMoved):
    """It is on its way from the supplier (row 2)."""

    kind: ClassVar[str] = "supplier_consigned"

    un_no: str = ""


class PackReceived(PackMoved):
    """It is in a depot, not yet verified (rows 4, 5)."""

    kind: ClassVar[str] = "pack_received"

    condition: str = ""


class IncomingVerification(PackMoved, kw_only=True):
    """What an incoming test found: charge, insulation, largest difference between cells."""

    report_sha256: str
    capacity_mah: int = 0
    insulation_kohm: int = 0
    cell_delta_mv: int = 0
    instrument_id: str = ""
    firmware: str = ""


class IncomingVerificationPassed(IncomingVerification):
    """It is what it claims to be (row 7)."""

    kind: ClassVar[str] = "incoming_verification_passed"


class IncomingVerificationFailed(IncomingVerification):
    """It goes back to the supplier (row 8)."""

    kind: ClassVar[str] = "incoming_verification_failed"


class PackCommissioned(Event):
    """It may serve drivers (row 9); `issues_title` where its title is registered with it."""

    kind: ClassVar[str] = "pack_commissioned"

    pack_id: str
    soh_bp: int
    min_soh_bp: int
    title_holder_id: str
    warranty_until: int = 0
    book_value_minor: int = 0
    currency: str = ""
    level: int = 0
    issues_title: bool = False


AssetEvent = (
    PackOrdered
    | SupplierConsigned
    | PackReceived
    | IncomingVerificationPassed
    | IncomingVerificationFailed
    | PackCommissioned
)

# touches ----------------------------------------------------------------------


def touches(command: AssetCommand) -> Keys:
    """Read the packs and the party that gets them."""
    match command:
        case PlacePackOrder():
            packs = [touch(PACKS, pack_id) for pack_id in command.pack_ids]
            order = touch(PURCHASE_ORDERS, command.po_no), class_rules(command.pack_class)
            return *packs, touch(PARTIES, command.supplier_id), all_classes(), *order
        case AnnounceShipment():
            return touch(PACKS, command.pack_id), touch(PARTIES, command.carrier_id)
        case ReceivePack():
            return touch(PACKS, command.pack_id), touch(PARTIES, command.depot_id)
        case CommissionPack():
            holder = touch(PARTIES, command.title_holder_id)
            bought = touch(PACK_PURCHASES, command.pack_id)
            return touch(PACKS, command.pack_id), holder, title_row(command.pack_id), bought
        case RecordVerification():
            return touch(PACKS, command.pack_id), touch(PACK_PURCHASES, command.pack_id)
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: AssetCommand) -> Keys:
    """Read what stands where the pack is."""
    if isinstance(command, PlacePackOrder):
        return ()
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return ()
    rows = rows_at(pack.account, pack.pack_class)
    if isinstance(command, RecordVerification):
        rows += attestation_rows(pack.pack_id, command.attestation_sha256)
        rows += purchases.lot_rows(world, pack.pack_id)
    return rows


# decide -----------------------------------------------------------------------


def decide(world: World, command: AssetCommand, request: Request) -> Outcome:
    """Lead a pack from its order into service, one row of the table at a time."""
    if isinstance(command, PlacePackOrder):
        return _order(world, command, request.actor.role)
    pack = world.get(PACKS, command.pack_id)
    allowed = permit(world, pack, _ask(pack, command, request))
    if isinstance(command, CommissionPack):
        return _commission(world, command, allowed)
    if isinstance(allowed, Refusal):
        return allowed
    lacks = purchases.full_test_faults(world, command)
    return refused(lacks, {"pack": command.pack_id}) if lacks else _moved(command, allowed)


def _order(world: World, command: PlacePackOrder, role: str) -> Outcome:
    faults = party_faults(world, command.supplier_id, "service")
    faults += purchases.line_faults(world, command, role)
    if any(world.get(PACKS, pack_id) is not None for pack_id in command.pack_ids):
        faults.append(RefusalCode.IDENTIFIER_TAKEN)
    if len(command.pack_ids) > PACKS_PER_ORDER_LINE:
        faults.append(RefusalCode.TOO_MANY_PACKS)
    valid = (
        command.pack_ids
        and len(set(command.pack_ids)) == len(command.pack_ids)
        and all(is_id(text) for text in (*command.pack_ids, command.pack_class))
        and command.nominal_wh > 0
        and command.unit_price_minor >= 0
    )
    if not valid:
        faults.append(RefusalCode.PACK_FIELD_INVALID)
    if faults:
        return refused(faults, {"po_no": command.po_no[:40], "line": command.line})
    fields = asdict(command)
    pack_ids, occurred_at = fields.pop("pack_ids"), fields.pop("occurred_at")
    account = account_of(Family.SUP, fields.pop("supplier_id"))
    return tuple(
        Draft(PackOrdered(pack_id=pack_id, account=account, **fields), occurred_at=occurred_at)
        for pack_id in pack_ids
    )


_PackMove = AnnounceShipment | ReceivePack | RecordVerification | CommissionPack


def _ask(pack: Pack | None, command: _PackMove, request: Request) -> Ask:
    own_depot = "" if pack is None else "".join(place_of(pack.account)[1][:1])
    at = command.occurred_at or request.at
    ask = Ask("pack_commissioned", request.actor, command.level, at, holder_id=own_depot)
    match command:
        case AnnounceShipment():
            holder_id, asn_no = command.carrier_id, command.asn_no
            return replace(ask, event="supplier_consigned", holder_id=holder_id, order_id=asn_no)
        case ReceivePack():
            holder_id, asn_no = command.depot_id, command.asn_no
            return replace(ask, event="pack_received", holder_id=holder_id, order_id=asn_no)
        case RecordVerification():
            verdict = "passed" if command.passed else "failed"
            shown = command.attestation_sha256
            return replace(ask, event=f"incoming_verification_{verdict}", attestation=shown)
        case CommissionPack():
            return ask
        case _ as unknown:
            assert_never(unknown)


def _moved(
    command: AnnounceShipment | ReceivePack | RecordVerification, allowed: Permit
) -> tuple[Draft, ...]:
    fields = asdict(command)
    occurred_at, passed = fields.pop("occurred_at"), fields.pop("passed", None)
    for name in ("carrier_id", "depot_id"):
        fields.pop(name, None)
    fields |= {"order_id": fields.pop("asn_no", ""), "level": allowed.level}
    if allowed.row.target in TERMINAL:
        fields["energy_wh"] = allowed.pack.energy_wh
        fields["title_holder_id"] = allowed.pack.title_holder_id
    kind = {
        AnnounceShipment: SupplierConsigned,
        ReceivePack: PackReceived,
        RecordVerification: IncomingVerificationPassed if passed else IncomingVerificationFailed,
    }[type(command)]
    event = kind(
        **fields,
        from_account=allowed.pack.account,
        to_account=allowed.target,
        pack_class=allowed.pack.pack_class,
    )
    move = Draft(event, occurred_at=occurred_at)
    if not allowed.row.opens_case:
        return (move,)
    named = command.pack_id
    case = opened(allowed.row.opens_case, named, (named,), "no despatch advice")
    return move, Draft(case, occurred_at=occurred_at, after=(0,))


def _commission(world: World, command: CommissionPack, allowed: Permit | Refusal) -> Outcome:
    faults = party_faults(world, command.title_holder_id, "title_holder")
    least_bp = command.min_soh_bp
    if isinstance(allowed, Refusal):
        faults += [allowed.code, *allowed.others]
    elif allowed.pack.commissioned:
        return ()
    else:
        least_bp = least_soh(world, allowed.pack.pack_class, least_bp)
        faults += [] if allowed.pack.verified else [RefusalCode.WRONG_STATE]
        faults += [RefusalCode.HOLD_BLOCKS] if allowed.pack.holds else []
    pack = world.get(PACKS, command.pack_id)
    holder_id = "" if pack is None else pack.title_holder_id
    same_holder = holder_id in ("", command.title_holder_id)
    if not (same_holder and 0 <= least_bp <= command.soh_bp <= BP_FULL):
        faults.append(RefusalCode.PACK_FIELD_INVALID)
    if faults:
        return refused(faults, {"pack": command.pack_id[:40]})
    fields = asdict(command) | {"min_soh_bp": least_bp}
    occurred_at = fields.pop("occurred_at")
    event = PackCommissioned(**fields, issues_title=not holder_id)
    return (Draft(event, occurred_at=occurred_at),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: AssetEvent, stamp: Stamp) -> None:
    """Bring the pack into the books, along its way, into service and out of it."""
    match event:
        case PackOrdered():
            pack = Pack(event.pack_id, event.account, event.pack_class, event.nominal_wh, 0)
            world.put(PACKS, event.pack_id, replace(pack, moved_at=stamp.occurred_at))
            know_class(world, event.pack_class)
        case IncomingVerificationPassed():
            world.put(PACKS, event.pack_id, replace(carry(world, event, stamp), verified=True))
        case SupplierConsigned() | PackReceived() | IncomingVerificationFailed():
            carry(world, event, stamp)
        case PackCommissioned():
            row = replace(
                world.need(PACKS, event.pack_id),
                commissioned=True,
                soh_bp=event.soh_bp,
                min_soh_bp=event.min_soh_bp,
                soh_assessed_at=stamp.occurred_at,
                title_holder_id=event.title_holder_id,
            )
            world.put(PACKS, event.pack_id, row)
        case _ as unknown:
            assert_never(unknown)


def postings(event: AssetEvent) -> tuple[Posting, ...]:
    """Move the pack; register its title when it comes into service."""
    match event:
        case PackOrdered():
            return move_pack(event.pack_id, debit=event.account, credit=ACQUIRED)
        case PackCommissioned():
            if not event.issues_title:
                return ()
            holder = title_account(event.title_holder_id)
            return move_pack(event.pack_id, debit=holder, credit=TITLE_ISSUED)
        case _:
            return lines_of(event)
