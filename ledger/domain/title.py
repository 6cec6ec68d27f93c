"""Title: who a pack belongs to, and who leases it.

Title is double entry of its own: ``Title:Issued`` is the source, ``Title:Holder:<party>`` has the
packs of a party, ``Title:Ended`` those whose life ended. No swap, transfer or repair moves it.
Liens are in `liens.py`, book values in `book_values.py`.
"""

import re
from typing import ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.assets import PackCommissioned
from ledger.domain.carrying import TITLE_ISSUED, title_account
from ledger.domain.cases import open_cases_of
from ledger.domain.custody import PACKS, Pack, holds_on
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.places import Ask, attestation_rows, proven_level
from ledger.domain.takeover import PackTakenOver
from ledger.domain.title_rows import (
    TITLES,
    Lease,
    Title,
    ended_leases,
    title_of,
    title_row,
    valued,
)
from ledger.domain.transitions import SCANNED, TERMINAL, state_of
from ledger.domain.world import Keys, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting, move_pack
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES = (TITLES,)
FOLDS: tuple[type[Event], ...] = (PackTakenOver, PackCommissioned)

LIEN = "LEGAL_LIEN"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ASSETS = frozenset({"asset_manager", "finance"})

# Commands ---------------------------------------------------------------------


class RegisterTitle(Command):
    """Say who has the title of a pack that nobody had registered yet; two persons.

    Not before the pack came to where it is.
    """

    roles: ClassVar[frozenset[str]] = _ASSETS
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    title_holder_id: str
    doc_sha256: str = ""
    occurred_at: int = 0


class TransferTitle(Command):
    """Move a title to another holder, by a sale contract and the buyer's acceptance; two persons.

    `level` is the best evidence level, as for a pack that is sold out of the network (row 41): a
    proof by the pack (5, with the digest of its answer), or scans by both persons (2).
    `from_holder_id`, where given, must be the holder still.
    """

    roles: ClassVar[frozenset[str]] = _ASSETS
    needs_second_person: ClassVar[bool] = True

    pack_id: str
    title_holder_id: str
    level: int
    doc_sha256: str
    acceptance_sha256: str
    attestation_sha256: str = ""
    from_holder_id: str = ""
    occurred_at: int = 0


class StartLease(Command):
    """Let a party use a pack that is not its own."""

    roles: ClassVar[frozenset[str]] = _ASSETS

    pack_id: str
    lessee_id: str
    contract_id: str = ""
    occurred_at: int = 0


class EndLease(Command):
    """End the lease of a pack."""

    roles: ClassVar[frozenset[str]] = _ASSETS

    pack_id: str
    reason: str = ""
    occurred_at: int = 0


TitleCommand = RegisterTitle | TransferTitle | StartLease | EndLease

# Events -----------------------------------------------------------------------


class TitleRegistered(Event):
    """A party has the title of a pack; `from_holder_id` is who had it before, if anybody had."""

    kind: ClassVar[str] = "title_registered"

    pack_id: str
    title_holder_id: str
    from_holder_id: str = ""
    level: int = 0
    doc_sha256: str = ""
    acceptance_sha256: str = ""


class LeaseStarted(Event):
    """A party uses the pack from now on."""

    kind: ClassVar[str] = "lease_started"

    pack_id: str
    lessee_id: str
    contract_id: str = ""


class LeaseEnded(Event):
    """It uses it no more."""

    kind: ClassVar[str] = "lease_ended"

    pack_id: str
    lessee_id: str
    reason: str = ""


TitleEvent = TitleRegistered | LeaseStarted | LeaseEnded

# touches ----------------------------------------------------------------------


def touches(command: TitleCommand) -> Keys:
    """Read the pack, its title, and the party that gains something."""
    pack = touch(PACKS, command.pack_id), title_row(command.pack_id)
    match command:
        case RegisterTitle():
            return *pack, touch(PARTIES, command.title_holder_id)
        case TransferTitle():
            shown = attestation_rows(command.pack_id, command.attestation_sha256)
            return *pack, touch(PARTIES, command.title_holder_id), *shown
        case StartLease():
            return *pack, touch(PARTIES, command.lessee_id)
        case EndLease():
            return pack
        case _ as unknown:
            assert_never(unknown)


def follows(_world: World, _command: TitleCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: TitleCommand, request: Request) -> Outcome:
    """Change title, lease, lien or value of a pack that lives."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
    title = title_of(world, pack.pack_id, pack.pack_class)
    at = command.occurred_at or request.at
    faults = [RefusalCode.PACK_ENDED] if state_of(pack.account) in TERMINAL else []
    match command:
        case RegisterTitle():
            return _register(world, command, pack, at, faults)
        case TransferTitle():
            return _transfer(world, command, pack, request, faults)
        case StartLease():
            return _lease(world, command, title, pack, faults)
        case EndLease():
            return _end_lease(command, title, at)
        case _ as unknown:
            assert_never(unknown)


def _facts(pack: Pack, field: str = "") -> dict[str, Fact]:
    facts: dict[str, Fact] = {"pack": pack.pack_id, "title_holder": pack.title_holder_id}
    return facts | ({"field": field} if field else {})


def _field_faults(*tests: tuple[bool, str]) -> tuple[str, list[RefusalCode]]:
    """Give the first field that is not valid, "" for none, and the fault that it is."""
    field = next((name for valid, name in tests if not valid), "")
    return field, [RefusalCode.PACK_FIELD_INVALID] if field else []


def _is_digest(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None


def _register(
    world: World, command: RegisterTitle, pack: Pack, at: int, faults: list[RefusalCode]
) -> Outcome:
    if pack.title_holder_id == command.title_holder_id:
        return ()
    faults += party_faults(world, command.title_holder_id, "title_holder")
    if pack.title_holder_id or not state_of(pack.account):
        faults.append(RefusalCode.WRONG_STATE)
    if holds_on(pack, "no_title_change", at):
        faults.append(RefusalCode.HOLD_BLOCKS)
    field, wrong = _field_faults(
        (not command.doc_sha256 or _is_digest(command.doc_sha256), "doc_sha256"),
        (at >= pack.moved_at, "occurred_at"),
    )
    faults += wrong
    if faults:
        return refused(faults, _facts(pack, field))
    event = TitleRegistered(
        pack_id=pack.pack_id,
        title_holder_id=command.title_holder_id,
        doc_sha256=command.doc_sha256,
    )
    return (Draft(event, occurred_at=command.occurred_at),)


def _transfer(
    world: World, command: TransferTitle, pack: Pack, request: Request, faults: list[RefusalCode]
) -> Outcome:
    if pack.title_holder_id == command.title_holder_id:
        return ()
    faults += party_faults(world, command.title_holder_id, "title_holder")
    expected = command.from_holder_id or pack.title_holder_id
    at = command.occurred_at or request.at
    shown = command.attestation_sha256
    ask = Ask("title_registered", request.actor, command.level, at, attestation=shown)
    level = proven_level(world, pack, ask)
    holds = {hold.reason for hold in holds_on(pack, "no_title_change", at)}
    field, wrong = _field_faults(
        (_is_digest(command.doc_sha256), "doc_sha256"),
        (_is_digest(command.acceptance_sha256), "acceptance_sha256"),
        (at >= title_of(world, pack.pack_id).held_since, "occurred_at"),
    )
    tests = (
        (not pack.title_holder_id, RefusalCode.WRONG_STATE),
        (expected != pack.title_holder_id, RefusalCode.VERSION_CONFLICT),
        # two persons are asked for by the command itself, so scans of both will do
        (level < SCANNED, RefusalCode.IDENTITY_NOT_PROVEN),
        (bool(holds - {LIEN}), RefusalCode.HOLD_BLOCKS),
        (LIEN in holds, RefusalCode.LIEN_EXISTS),
        (bool(open_cases_of(world, pack.pack_id)), RefusalCode.CASE_OPEN),
    )
    faults += [*wrong, *(code for failed, code in tests if failed)]
    if faults:
        return refused(faults, _facts(pack, field))
    event = TitleRegistered(
        pack_id=pack.pack_id,
        title_holder_id=command.title_holder_id,
        from_holder_id=pack.title_holder_id,
        level=level,
        doc_sha256=command.doc_sha256,
        acceptance_sha256=command.acceptance_sha256,
    )
    moved = Draft(event, occurred_at=command.occurred_at)
    lease = title_of(world, pack.pack_id).lease
    if lease is None or lease.lessee_id != command.title_holder_id:
        return (moved,)  # a sale does not end the lease of somebody else
    ended = LeaseEnded(pack_id=pack.pack_id, lessee_id=lease.lessee_id, reason="it is its own now")
    return moved, Draft(ended, occurred_at=command.occurred_at, after=(0,))


def _lease(
    world: World, command: StartLease, title: Title, pack: Pack, faults: list[RefusalCode]
) -> Outcome:
    lease = title.lease
    if lease is not None and lease.lessee_id == command.lessee_id:
        return ()
    if world.get(PARTIES, command.lessee_id) is None:
        faults.append(RefusalCode.PARTY_UNKNOWN)
    if lease is not None or not pack.title_holder_id:
        faults.append(RefusalCode.WRONG_STATE)
    valid = command.lessee_id != pack.title_holder_id
    field, wrong = _field_faults((valid, "lessee_id"))
    faults += wrong
    if faults:
        facts = _facts(pack, field)
        facts |= {} if lease is None else {"lessee": lease.lessee_id}
        return refused(faults, facts)
    event = LeaseStarted(
        pack_id=pack.pack_id, lessee_id=command.lessee_id, contract_id=command.contract_id
    )
    return (Draft(event, occurred_at=command.occurred_at),)


def _end_lease(command: EndLease, title: Title, at: int) -> Outcome:
    lease = title.lease
    if lease is None:
        return Refusal(RefusalCode.WRONG_STATE, {"pack": title.pack_id, "lessee": ""})
    if at < lease.valid_from:
        facts: dict[str, Fact] = {"pack": title.pack_id, "field": "occurred_at"}
        return Refusal(RefusalCode.PACK_FIELD_INVALID, facts)
    event = LeaseEnded(pack_id=title.pack_id, lessee_id=lease.lessee_id, reason=command.reason)
    return (Draft(event, occurred_at=command.occurred_at),)


# evolve -----------------------------------------------------------------------


def evolve(
    world: World, event: TitleEvent | PackTakenOver | PackCommissioned, stamp: Stamp
) -> None:
    """Keep holder, lease and value; and when a pack was let into service."""
    pack = world.need(PACKS, event.pack_id)
    row = title_of(world, event.pack_id, pack.pack_class)
    match event:
        case TitleRegistered():
            holder_id = event.title_holder_id
            world.put(PACKS, event.pack_id, replace(pack, title_holder_id=holder_id))
            row = replace(row, held_since=stamp.occurred_at)
        case LeaseStarted():
            lease = Lease(
                lessee_id=event.lessee_id,
                contract_id=event.contract_id,
                valid_from=stamp.occurred_at,
                known_from=stamp.position,
            )
            row = replace(row, leases=(*row.leases, lease))
        case LeaseEnded():
            row = replace(row, leases=ended_leases(row.leases, stamp))
        case PackTakenOver():
            row = valued(row, event.book_value_minor, event.currency, stamp)
            row = replace(row, held_since=stamp.occurred_at)
            row = _in_service(row, stamp) if event.commissioned else row
        case PackCommissioned():
            row = valued(row, event.book_value_minor, event.currency, stamp)
            row = replace(row, held_since=row.held_since or stamp.occurred_at)
            row = _in_service(row, stamp)
        case _ as unknown:
            assert_never(unknown)
    world.put(TITLES, event.pack_id, row)


def _in_service(row: Title, stamp: Stamp) -> Title:
    return replace(row, commissioned_at=stamp.occurred_at, commissioned_in=stamp.position)


def postings(event: TitleEvent) -> tuple[Posting, ...]:
    """Move the title: from the source to its first holder, then from holder to holder."""
    if not isinstance(event, TitleRegistered):
        return ()
    source = title_account(event.from_holder_id) if event.from_holder_id else TITLE_ISSUED
    return move_pack(event.pack_id, debit=title_account(event.title_holder_id), credit=source)
