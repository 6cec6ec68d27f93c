"""Models of health that may be asked: released by two persons, from a day on."""

import re
from typing import ClassVar

import msgspec

from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------


class HealthModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model that was released: for which class or family of cells, and from when (us)."""

    model_id: str
    pack_class: str
    valid_from: int


HEALTH_MODELS = Shelf("health_models", HealthModel)

SHELVES = (HEALTH_MODELS,)
FOLDS: tuple[type[Event], ...] = ()

_DIGEST = re.compile("[0-9a-f]{64}")

# Commands ---------------------------------------------------------------------


class ReleaseHealthModel(Command):
    """Two persons let a model be asked; its figures are those on cells left out.

    `model_id` is the digest of its file. `mape_ppm`, `worst_ppm` and `coverage_bp` are the mean and
    the worst cell's error in millionths, and the share of rows within the 95 % bounds.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"engineer", "asset_manager"})
    needs_second_person: ClassVar[bool] = True

    model_id: str
    pack_class: str
    cells: int
    mape_ppm: int
    worst_ppm: int
    coverage_bp: int
    valid_from: int = 0


HealthModelCommand = ReleaseHealthModel

# Events -----------------------------------------------------------------------


class HealthModelReleased(Event):
    """From `valid_from` on assessments may name the model."""

    kind: ClassVar[str] = "health_model_released"

    model_id: str
    pack_class: str
    cells: int
    mape_ppm: int
    worst_ppm: int
    coverage_bp: int
    valid_from: int


HealthModelEvent = HealthModelReleased

# touches ----------------------------------------------------------------------


def touches(command: HealthModelCommand) -> Keys:
    """Read the model."""
    return (touch(HEALTH_MODELS, command.model_id),)


def follows(_world: World, _command: HealthModelCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: HealthModelCommand, request: Request) -> Outcome:
    """Release a model once."""
    numbers = (command.cells, command.mape_ppm, command.worst_ppm, command.coverage_bp)
    tests = (
        (_DIGEST.fullmatch(command.model_id) is not None, "model_id"),
        (is_id(command.pack_class), "pack_class"),
        (0 <= min(numbers) <= max(numbers) <= QUANTITY_MAX, "figures"),
        (0 <= command.valid_from <= QUANTITY_MAX, "valid_from"),
    )
    field = next((name for valid, name in tests if not valid), "")
    if field:
        return Refusal(RefusalCode.PACK_FIELD_INVALID, {"field": field})
    if world.get(HEALTH_MODELS, command.model_id) is not None:
        return ()
    event = HealthModelReleased(
        model_id=command.model_id,
        pack_class=command.pack_class,
        cells=command.cells,
        mape_ppm=command.mape_ppm,
        worst_ppm=command.worst_ppm,
        coverage_bp=command.coverage_bp,
        valid_from=command.valid_from or request.at,
    )
    return (Draft(event),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: HealthModelEvent, _stamp: Stamp) -> None:
    """Know the model."""
    row = HealthModel(event.model_id, event.pack_class, event.valid_from)
    world.put(HEALTH_MODELS, event.model_id, row)


def postings(_event: HealthModelEvent) -> tuple[Posting, ...]:
    """A model moves nothing."""
    return ()
