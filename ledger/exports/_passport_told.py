"""What entries tell of a class and of a pack, read with the same eyes as a facts file."""

from typing import NamedTuple

import msgspec

from ledger.domain.classes import CLASS_RULES
from ledger.domain.pack_classes import PackClassRegistered
from ledger.domain.passport_facts import ToldFact
from ledger.domain.passports import PassportFactsRecorded
from ledger.exports._passport_facts import FactsFile, Values, parse_facts
from ledger.kernel.errors import Malformed
from ledger.kernel.quantities import scaled_text
from ledger.runtime.reads import Entry, Moment, Reads

RATED_VOLTAGE = "6.7.2.11"


class ToldClass(NamedTuple):
    """A class as an entry registers it: its facts, and the position of the entry."""

    facts: FactsFile
    position: int


def class_at(reads: Reads, pack_class: str, at: Moment) -> ToldClass | None:
    """Give the newest version of a class that was registered by a moment, None for none.

    Raises `Malformed` for a version whose facts have another shape than a passport needs.
    """
    rules = reads.row(CLASS_RULES, pack_class)
    positions = [] if rules is None else [one for one in rules.positions if one < at.end]
    entries = [
        entry
        for entry in reads.at_positions(positions)
        if entry.envelope.valid_at <= at.valid_at and isinstance(entry.event, PackClassRegistered)
    ]
    if not entries:
        return None
    newest = entries[-1]
    assert isinstance(newest.event, PackClassRegistered), "chosen so"
    return ToldClass(_facts_of(newest.event), newest.envelope.position)


def _facts_of(said: PackClassRegistered) -> FactsFile:
    facts = _raw(said.facts)
    if RATED_VOLTAGE not in facts:
        facts[RATED_VOLTAGE] = msgspec.Raw(scaled_text(said.rated_mv, 3).encode())
    file: dict[str, object] = {
        "pack_class": said.pack_class,
        "version": said.facts_version,
        "source": said.source,
        "facts": facts,
    }
    if said.catena_x:
        file["catena_x"] = msgspec.Raw(said.catena_x.encode())
    return parse_facts(msgspec.json.encode(file), f"class {said.pack_class}")


def _raw(facts: tuple[ToldFact, ...]) -> dict[str, msgspec.Raw]:
    return {fact.clause: msgspec.Raw(fact.value.encode()) for fact in facts}


def papers_of(history: list[Entry], pack_id: str) -> Values:
    """Give what papers tell of a pack, by clause; later papers replace earlier ones."""
    values: Values = {}
    for entry in history:
        said = entry.event
        if isinstance(said, PassportFactsRecorded):
            place = f"entry {entry.envelope.position}"
            values |= parse_papers(_raw(said.facts), pack_id, place)
    return values


def parse_papers(facts: dict[str, msgspec.Raw], pack_id: str, place: str) -> Values:
    """Read facts of one pack; `Malformed` names the clause and the rule that it breaks."""
    file = {
        "pack_class": "any",
        "version": 1,
        "source": "papers",
        "packs": {pack_id: facts},
    }
    return parse_facts(msgspec.json.encode(file), place).packs[pack_id]


class FileTexts(NamedTuple):
    """A facts file as texts, the way an entry holds them."""

    facts: tuple[ToldFact, ...]
    catena_x: str
    packs: dict[str, tuple[ToldFact, ...]]


def texts_of(data: bytes, place: str) -> FileTexts:
    """Take a facts file apart without reading a number, after it was found to be well formed.

    Raises `Malformed` as `parse_facts`.
    """
    parse_facts(data, place)
    try:
        raw = msgspec.json.decode(data, type=_Texts)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(str(error), place=place) from error
    packs = {pack_id: _told(facts) for pack_id, facts in raw.packs.items()}
    return FileTexts(_told(raw.facts), _text(raw.catena_x), packs)


class _Texts(msgspec.Struct, frozen=True):
    facts: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    packs: dict[str, dict[str, msgspec.Raw]] = msgspec.field(default_factory=dict)
    catena_x: msgspec.Raw = msgspec.Raw()


def _told(facts: dict[str, msgspec.Raw]) -> tuple[ToldFact, ...]:
    return tuple(ToldFact(clause, _text(value)) for clause, value in facts.items())


def _text(value: msgspec.Raw) -> str:
    """Give a value without the white space around and between its parts."""
    data = bytes(value)
    return msgspec.json.format(data, indent=-1).decode() if data else ""
