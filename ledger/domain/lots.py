"""Lots: which packs of a despatch advice are tested in full when they come (operations 10).

The first hundred of a model are tested one by one; after that a sample of each lot is, drawn by a
seed so that everybody draws the same one. One failure in a lot, and all the rest of it is tested.
"""

from hashlib import sha256
from typing import Any, ClassVar, assert_never

from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.assets import IncomingVerificationFailed, IncomingVerificationPassed
from ledger.domain.custody import PACKS
from ledger.domain.purchases import DESPATCHES, LOTS, TESTED_MODELS, KnownModel, Lot, lot_of
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (LOTS, TESTED_MODELS)
FOLDS: tuple[type[Event], ...] = (IncomingVerificationPassed, IncomingVerificationFailed)

NEW_MODEL = 100
"""Policy: so many packs of a class are tested before lots of it are sampled."""

SAMPLES = ((8, 2), (15, 3), (25, 5), (50, 8), (90, 13))
"""Policy: for lots of up to so many packs, so many are tested (ISO 2859-1, level II)."""

SEED_MAX = 64

# Commands ---------------------------------------------------------------------


class DrawLotSample(Command):
    """Draw which packs of a despatch advice must be tested in full, by a seed nobody chose."""

    roles: ClassVar[frozenset[str]] = frozenset({"engineer", "depot_clerk"})

    asn_no: str
    seed: str


LotCommand = DrawLotSample

# Events -----------------------------------------------------------------------


class LotSampled(Event):
    """The packs of a lot that must be tested in full; `is_whole` when that is all of them."""

    kind: ClassVar[str] = "lot_sampled"

    asn_no: str
    pack_class: str
    size: int
    pack_ids: tuple[str, ...]
    seed: str
    is_whole: bool = False


LotEvent = LotSampled

# touches ----------------------------------------------------------------------


def touches(command: LotCommand) -> Keys:
    """Read the advice, and whether a sample was drawn."""
    return touch(DESPATCHES, command.asn_no), touch(LOTS, command.asn_no)


def follows(world: World, command: LotCommand) -> Keys:
    """Read the packs of the advice, and how well their model is known."""
    advice = world.get(DESPATCHES, command.asn_no)
    if advice is None:
        return ()
    packs = [world.get(PACKS, name) for name in advice.pack_ids if world.is_loaded(PACKS, name)]
    classes = {pack.pack_class for pack in packs if pack is not None}
    rows = [touch(PACKS, pack_id) for pack_id in advice.pack_ids]
    return (*rows, *(touch(TESTED_MODELS, name) for name in sorted(classes)))


# decide -----------------------------------------------------------------------


def decide(world: World, command: LotCommand, _request: Request) -> Outcome:
    """Draw once; packs of one class are one lot."""
    advice = world.get(DESPATCHES, command.asn_no)
    if advice is None:
        return Refusal(RefusalCode.ORDER_UNKNOWN, {"asn_no": command.asn_no[:40]})
    packs = [world.need(PACKS, pack_id) for pack_id in advice.pack_ids]
    classes = {pack.pack_class for pack in packs}
    tests = (
        (world.get(LOTS, advice.asn_no) is not None, RefusalCode.ORDER_EXISTS),
        (
            not 0 < len(command.seed) <= SEED_MAX or len(classes) > 1,
            RefusalCode.ORDER_FIELD_INVALID,
        ),
        (any(pack.verified for pack in packs), RefusalCode.ORDER_STAGE),
    )
    faults = [code for failed, code in tests if failed]
    if faults:
        return refused(faults, {"asn_no": advice.asn_no, "packs": len(packs)})
    pack_class = packs[0].pack_class
    model = world.get(TESTED_MODELS, pack_class) or KnownModel(pack_class)
    drawn = drawn_from(advice.pack_ids, command.seed, is_new=model.tested < NEW_MODEL)
    event = LotSampled(
        asn_no=advice.asn_no,
        pack_class=pack_class,
        size=len(packs),
        pack_ids=drawn,
        seed=command.seed,
        is_whole=len(drawn) == len(packs),
    )
    return (Draft(event),)


def drawn_from(pack_ids: tuple[str, ...], seed: str, *, is_new: bool) -> tuple[str, ...]:
    """Draw the packs of a lot that are tested, in the order of the draw; all of a new model.

    >>> len(drawn_from(tuple("ABCDEFGHIJ"), "7", is_new=False))
    3
    """
    size = len(pack_ids)
    wanted = next((count for most, count in SAMPLES if size <= most), size)
    order = sorted(pack_ids, key=lambda one: sha256(f"{seed}|{one}".encode()).digest())
    return tuple(order) if is_new else tuple(order[:wanted])


# evolve -----------------------------------------------------------------------


def evolve(
    world: World,
    event: LotEvent | IncomingVerificationPassed | IncomingVerificationFailed,
    _stamp: Stamp,
) -> None:
    """Keep what was drawn, what was tested, and whether all must be."""
    match event:
        case LotSampled():
            lot = Lot(event.asn_no, event.pack_class, event.size, event.pack_ids, event.is_whole)
            world.put(LOTS, event.asn_no, lot)
        case IncomingVerificationPassed() | IncomingVerificationFailed():
            known = lot_of(world, event.pack_id)
            if known is not None:
                _count(world, known, event)
        case _ as unknown:
            assert_never(unknown)


def _count(
    world: World, lot: Lot, event: IncomingVerificationPassed | IncomingVerificationFailed
) -> None:
    if isinstance(event, IncomingVerificationFailed):
        failed = (*lot.failed, event.pack_id)
        world.put(LOTS, lot.asn_no, replace(lot, failed=failed, is_whole=True))
    elif event.capacity_mah:
        world.put(LOTS, lot.asn_no, replace(lot, tested=lot.tested + 1))
        model = world.get(TESTED_MODELS, lot.pack_class) or KnownModel(lot.pack_class)
        world.put(TESTED_MODELS, lot.pack_class, replace(model, tested=model.tested + 1))


def postings(_event: LotEvent) -> tuple[Posting, ...]:
    """A draw moves nothing."""
    return ()
