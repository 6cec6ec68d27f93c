"""Liens: claims of banks on a pack. Each stops its title by a hold of its own.

Placing a lien places the hold ``LEGAL_LIEN``, releasing it clears that hold, in one batch each; so
what rests on a pack is seen where every move of it is tested.
"""

import re
from typing import ClassVar, assert_never

from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.custody import PACKS, Pack
from ledger.domain.holds import HOLD_RULES, HoldCleared, HoldPlaced
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.title_rows import TITLES, Lien, Title, released_liens, title_of, title_row
from ledger.domain.transitions import TERMINAL, state_of
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Title], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

LIEN = "LEGAL_LIEN"
LIENS_MAX = 64
"""Liens on one pack, released ones too."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FINANCE = frozenset({"finance"})

# Commands ---------------------------------------------------------------------


class PlaceLien(Command):
    """Register a bank's claim on a pack: by which document, and for how much (minor units)."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    lien_id: str
    pack_id: str
    bank_id: str
    doc_sha256: str
    amount_minor: int
    currency: str
    occurred_at: int = 0


class ReleaseLien(Command):
    """End a bank's claim on a pack."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    lien_id: str
    pack_id: str
    doc_sha256: str = ""
    reason: str = ""
    occurred_at: int = 0


LienCommand = PlaceLien | ReleaseLien

# Events -----------------------------------------------------------------------


class LienPlaced(Event):
    """A bank has a claim on the pack; `hold_id` is the stop that goes with it."""

    kind: ClassVar[str] = "lien_placed"

    lien_id: str
    pack_id: str
    bank_id: str
    doc_sha256: str
    amount_minor: int
    currency: str
    hold_id: str


class LienReleased(Event):
    """The bank has it no more."""

    kind: ClassVar[str] = "lien_released"

    lien_id: str
    pack_id: str
    bank_id: str
    hold_id: str
    doc_sha256: str = ""
    reason: str = ""


LienEvent = LienPlaced | LienReleased

# touches ----------------------------------------------------------------------


def touches(command: LienCommand) -> Keys:
    """Read the pack, its title, and the bank."""
    pack = touch(PACKS, command.pack_id), title_row(command.pack_id)
    match command:
        case PlaceLien():
            return *pack, touch(PARTIES, command.bank_id)
        case ReleaseLien():
            return pack
        case _ as unknown:
            assert_never(unknown)


def follows(_world: World, _command: LienCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: LienCommand, request: Request) -> Outcome:
    """Place a lien on a pack that lives and has a holder; release one that rests on it."""
    pack = world.get(PACKS, command.pack_id)
    if pack is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id[:40]})
    title = title_of(world, pack.pack_id, pack.pack_class)
    match command:
        case PlaceLien():
            return _place(world, command, title, request)
        case ReleaseLien():
            return _release(command, title, request)
        case _ as unknown:
            assert_never(unknown)


def _place(world: World, command: PlaceLien, title: Title, request: Request) -> Outcome:
    pack = world.need(PACKS, command.pack_id)
    known = title.lien(command.lien_id)
    if known is not None and known.is_open and _is_same(known, command):
        return ()
    field = _invalid_field(command, title)
    tests = (
        (known is not None, RefusalCode.IDENTIFIER_TAKEN),
        (state_of(pack.account) in TERMINAL, RefusalCode.PACK_ENDED),
        (not pack.title_holder_id, RefusalCode.WRONG_STATE),
        (bool(field), RefusalCode.PACK_FIELD_INVALID),
    )
    faults = party_faults(world, command.bank_id, "bank")
    faults += [code for failed, code in tests if failed]
    if faults:
        facts: dict[str, Fact] = {"pack": pack.pack_id, "lien": command.lien_id[:40]}
        return refused(faults, facts | ({"field": field} if field else {}))
    fields = asdict(command)
    at = fields.pop("occurred_at")
    hold_id = derived_id("HD", LIEN, pack.pack_id, command.lien_id)
    hold = HoldPlaced(
        hold_id=hold_id,
        pack_id=pack.pack_id,
        reason=LIEN,
        severity=1,
        scopes=HOLD_RULES[LIEN].scopes,
        placed_by=request.actor.id,
    )
    placed = Draft(LienPlaced(**fields, hold_id=hold_id), occurred_at=at)
    return placed, Draft(hold, occurred_at=at, after=(0,))


def _is_same(lien: Lien, command: PlaceLien) -> bool:
    return (lien.bank_id, lien.doc_sha256, lien.amount_minor, lien.currency) == (
        command.bank_id,
        command.doc_sha256,
        command.amount_minor,
        command.currency,
    )


def _invalid_field(command: PlaceLien, title: Title) -> str:
    tests = (
        (is_id(command.lien_id), "lien_id"),
        (_SHA256.fullmatch(command.doc_sha256) is not None, "doc_sha256"),
        (0 < command.amount_minor <= QUANTITY_MAX, "amount_minor"),
        (command.currency in EXPONENTS, "currency"),
        (len(title.liens) < LIENS_MAX, "lien_id"),
    )
    return next((name for valid, name in tests if not valid), "")


def _release(command: ReleaseLien, title: Title, request: Request) -> Outcome:
    lien = title.lien(command.lien_id)
    facts: dict[str, Fact] = {"pack": title.pack_id, "lien": command.lien_id[:40]}
    if lien is None:
        return Refusal(RefusalCode.LIEN_UNKNOWN, facts)
    if not lien.is_open:
        return ()
    at = command.occurred_at or request.at
    tests = (
        (not command.doc_sha256 or _SHA256.fullmatch(command.doc_sha256) is not None, "doc_sha256"),
        (at >= lien.valid_from, "occurred_at"),
    )
    field = next((name for valid, name in tests if not valid), "")
    if field:
        return Refusal(RefusalCode.PACK_FIELD_INVALID, facts | {"field": field})
    released = LienReleased(
        lien_id=lien.lien_id,
        pack_id=title.pack_id,
        bank_id=lien.bank_id,
        hold_id=lien.hold_id,
        doc_sha256=command.doc_sha256,
        reason=command.reason,
    )
    cleared = HoldCleared(
        hold_id=lien.hold_id,
        pack_id=title.pack_id,
        cleared_by=request.actor.id,
        second_person=request.actor.second_person,
        reason=command.reason,
    )
    at = command.occurred_at
    return Draft(released, occurred_at=at), Draft(cleared, occurred_at=at, after=(0,))


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: LienEvent, stamp: Stamp) -> None:
    """Keep the lien with its times."""
    pack: Pack = world.need(PACKS, event.pack_id)
    row = title_of(world, event.pack_id, pack.pack_class)
    match event:
        case LienPlaced():
            lien = Lien(
                lien_id=event.lien_id,
                bank_id=event.bank_id,
                doc_sha256=event.doc_sha256,
                amount_minor=event.amount_minor,
                currency=event.currency,
                hold_id=event.hold_id,
                valid_from=stamp.occurred_at,
                known_from=stamp.position,
            )
            row = replace(row, liens=(*row.liens, lien))
        case LienReleased():
            row = replace(row, liens=released_liens(row.liens, event.lien_id, stamp))
        case _ as unknown:
            assert_never(unknown)
    world.put(TITLES, event.pack_id, row)


def postings(_event: LienEvent) -> tuple[Posting, ...]:
    """A lien moves nothing."""
    return ()
