"""Scans: what a person read from a pack, kept as it was read, and held against what is bound.

A text that is no code, whatever its length, is kept and no more. Codes of one object that name two
packs, or another pack than the person takes it for, mean that a label or a pack is not what it
seems: a case, and never a silent new pack.
"""

import re
from typing import ClassVar

from ledger.domain.access import refused
from ledger.domain.bindings import BINDINGS, Binding, broken_rule
from ledger.domain.cases import CASES, case_id_of, opened
from ledger.domain.custody import PACKS
from ledger.domain.world import Key, Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.battery_code import CodeMalformed, parse
from ledger.kernel.errors import Malformed
from ledger.kernel.gs1 import parse_link
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Binding], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

TEXTS_MAX = 8
TEXT_MAX = 200
PHOTOS_MAX = 16

CLONE = "CLONE_SUSPECT"
UNANNOUNCED = "UNANNOUNCED"

_DIGEST = re.compile("[0-9a-f]{64}")

# Commands ---------------------------------------------------------------------


class RecordScan(Command):
    """A person read the labels of one object at a place; `texts` are exactly what the scanner gave.

    `pack_id` is the pack he takes it for, if any; `photos` are named by digest.
    """

    roles: ClassVar[frozenset[str]] = frozenset(
        {"depot_clerk", "carrier", "workshop", "engineer", "operator", "auditor"}
    )

    place_id: str
    texts: tuple[str, ...]
    occurred_at: int
    pack_id: str = ""
    condition: str = ""
    photos: tuple[str, ...] = ()
    observed: Observed | None = None


ScanCommand = RecordScan

# Events -----------------------------------------------------------------------


class ScanRecorded(Event):
    """An observation: what was read from an object, and the pack that it names.

    `codes` are the battery codes among the texts; `finding` is the case it opens.
    """

    kind: ClassVar[str] = "scan_recorded"

    place_id: str
    texts: tuple[str, ...]
    codes: tuple[str, ...] = ()
    pack_id: str = ""
    condition: str = ""
    photos: tuple[str, ...] = ()
    finding: str = ""


ScanEvent = ScanRecorded

# touches ----------------------------------------------------------------------


def touches(command: ScanCommand) -> Keys:
    """Read what the texts may name, and the pack it is taken for."""
    keys: list[Key] = [touch(PACKS, command.pack_id)]
    for text in command.texts[:TEXTS_MAX]:
        keys += [touch(BINDINGS, kind, value) for kind, value in names_in(text)]
    seed = _seed(command)
    return [*keys, *(touch(CASES, case_id_of(finding, seed)) for finding in (CLONE, UNANNOUNCED))]


def follows(world: World, command: ScanCommand) -> Keys:
    """Read the packs that the texts name: the entry will name one of them."""
    names = [name for text in command.texts[:TEXTS_MAX] for name in names_in(text)]
    rows = [world.get(BINDINGS, key_of(*name)) for name in names]
    return [touch(PACKS, row.pack_id) for row in rows if row is not None]


def names_in(text: str) -> list[tuple[str, str]]:
    """List what a scanned text can be the name of: type of binding and value, the surest first.

    >>> names_in("https://id.example.net/8004/9520001PK0000000042")[0]
    ('GIAI', '9520001PK0000000042')
    """
    found: list[tuple[str, str]] = []
    try:
        giai = parse_link(text).giai
    except Malformed:
        giai = ""
    if giai:
        found.append(("GIAI", giai))
    kinds = ("GBT_CODE", "GBT_PART_CODE", "GIAI", "BMS_SERIAL", "LABEL")
    return found + [(kind, text) for kind in kinds if not broken_rule(kind, text)]


def _seed(command: RecordScan) -> str:
    return key_of(command.place_id, str(command.occurred_at), *command.texts[:TEXTS_MAX])


# decide -----------------------------------------------------------------------


def decide(world: World, command: ScanCommand, _request: Request) -> Outcome:
    """Keep what was read; open the case that it asks for."""
    field = _invalid_field(command)
    if field:
        return refused([RefusalCode.PACK_FIELD_INVALID], {"field": field})
    if command.pack_id and world.get(PACKS, command.pack_id) is None:
        return Refusal(RefusalCode.UNKNOWN_PACK, {"pack": command.pack_id})
    seed = _seed(command)
    if any(world.get(CASES, case_id_of(one, seed)) is not None for one in (CLONE, UNANNOUNCED)):
        return ()  # found before, and delivered again
    holders = _holders(world, command)
    finding, reason = _finding(command.pack_id, holders)
    event = ScanRecorded(
        place_id=command.place_id,
        texts=command.texts,
        codes=tuple(filter(_is_code, command.texts)),
        pack_id=holders[0] if len(holders) == 1 else command.pack_id,
        condition=command.condition,
        photos=command.photos,
        finding=finding,
    )
    scan = Draft(event, occurred_at=command.occurred_at, observed=command.observed)
    if not finding:
        return (scan,)
    concerned = dict.fromkeys((*holders, command.pack_id, command.place_id))
    case = opened(finding, seed, tuple(filter(None, concerned)), reason)
    return scan, Draft(case, occurred_at=command.occurred_at, after=(0,))


def _holders(world: World, command: RecordScan) -> tuple[str, ...]:
    """List the packs that the texts name now, in the order of the texts."""
    rows = (
        world.get(BINDINGS, key_of(kind, value))
        for text in command.texts
        for kind, value in names_in(text)
    )
    return tuple(dict.fromkeys(row.pack_id for row in rows if row and not row.valid_to))


def _finding(taken_for: str, holders: tuple[str, ...]) -> tuple[str, str]:
    if not holders:
        return UNANNOUNCED, "nobody knows what was read"
    if len(holders) > 1:
        return CLONE, "the labels of one object name several packs"
    if taken_for not in ("", holders[0]):
        return CLONE, "the label names another pack than it is taken for"
    return "", ""


def _is_code(text: str) -> bool:
    try:
        parse(text)
    except CodeMalformed:
        return False
    return True


def _invalid_field(command: RecordScan) -> str:
    tests = (
        (is_id(command.place_id), "place_id"),
        (0 < len(command.texts) <= TEXTS_MAX, "texts"),
        (all(0 < len(text) <= TEXT_MAX and text.isprintable() for text in command.texts), "texts"),
        (len(command.condition) <= TEXT_MAX, "condition"),
        (len(command.photos) <= PHOTOS_MAX, "photos"),
        (all(map(_DIGEST.fullmatch, command.photos)), "photos"),
        (0 < command.occurred_at <= QUANTITY_MAX, "occurred_at"),
    )
    return next((name for valid, name in tests if not valid), "")


# evolve -----------------------------------------------------------------------


def evolve(_world: World, _event: ScanEvent, _stamp: Stamp) -> None:
    """A scan changes nothing by itself."""


def postings(_event: ScanEvent) -> tuple[Posting, ...]:
    """A scan moves nothing."""
    return ()
