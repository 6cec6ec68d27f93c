"""Attestation: packs that prove to be themselves, and those that cannot be what they say.

A pack's management system answers a challenge with its enrolled key and counts its answers. A copy
of the key is found by three contradictions: one count given twice, a count and a clock that do not
order two answers alike, and two stations within a few minutes. A serial that another pack's key
answers for is a copied label. What is found is a case, and a hold on the pack; custody stays.
"""

from typing import ClassVar, NamedTuple

from ledger.domain.bindings import BINDINGS, PACK_BMS, Binding, PackBms, Seen
from ledger.domain.cases import CASES, CaseOpened, case_id_of, opened
from ledger.domain.custody import PACKS, Pack
from ledger.domain.holds import HoldPlaced, stopped
from ledger.domain.stations import STATIONS
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.instants import MINUTE
from ledger.kernel.messages import Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import INVALID, NO_KEY, VALID, VERDICTS, Attestation

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[PackBms], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

CLOCK_SLACK_US = 2 * MINUTE
"""Policy: so far two stations' clocks may differ."""

TRAVEL_US = 10 * MINUTE
"""Policy: a pack needs more than this from one station to another."""

CLONE = "CLONE_SUSPECT"
UNKNOWN = "UNIDENTIFIED_OBJECT"
_FINDINGS = (CLONE, UNKNOWN)
_HOLD = "COUNTERFEIT_SUSPECT"

FORGED_STEPS = frozenset({4, 5})
"""Steps of the check (evidence/bms.py) that a wrong key fails; the others can be an accident."""

_TEXT_MAX = 50
_DIGEST_LENGTHS = frozenset({0, 64})

# Commands ---------------------------------------------------------------------


class RecordAttestation(Command):
    """A pack answered a challenge; `serial` is what it says, even where that proves nothing.

    `public_key` is the enrolled key under which the answer was checked.
    """

    roles: ClassVar[frozenset[str]] = frozenset(
        {"station", "operator", "engineer", "workshop", "depot_clerk"}
    )

    serial: str
    attestation: Attestation
    occurred_at: int
    public_key: str = ""
    station_id: str = ""
    slot: str = ""
    observed: Observed | None = None


AttestingCommand = RecordAttestation

# Events -----------------------------------------------------------------------


class PackAttested(Event):
    """An observation: what a pack answered to a challenge, and what it contradicts.

    `pack_id` is absent where nobody knows the serial. `finding` is the case it opens.
    """

    kind: ClassVar[str] = "pack_attested"

    serial: str
    verdict: str
    pack_id: str = ""
    step: int = 0
    seq: int = 0
    key_id: str = ""
    sha256: str = ""
    station_id: str = ""
    slot: str = ""
    finding: str = ""


AttestingEvent = PackAttested

# touches ----------------------------------------------------------------------


def touches(command: AttestingCommand) -> Keys:
    """Read what the serial and the key name."""
    return (
        touch(BINDINGS, "BMS_SERIAL", command.serial),
        touch(BINDINGS, "BMS_KEY", command.public_key),
        touch(STATIONS, command.station_id),
        *(touch(CASES, case_id_of(finding, _seed(command))) for finding in _FINDINGS),
    )


def _seed(command: RecordAttestation) -> str:
    shown = command.attestation.sha256
    return key_of(command.serial, command.station_id, str(command.occurred_at), shown)


def follows(world: World, command: AttestingCommand) -> Keys:
    """Read the packs they name."""
    serial = world.get(BINDINGS, key_of("BMS_SERIAL", command.serial))
    key = world.get(BINDINGS, key_of("BMS_KEY", command.public_key))
    names = [row.pack_id for row in (serial, key) if row is not None and not row.valid_to]
    packs = tuple(touch(PACKS, name) for name in names)
    return packs + tuple(touch(PACK_BMS, name) for name in names)


# decide -----------------------------------------------------------------------


class _Found(NamedTuple):
    verdict: str
    step: int
    finding: str = ""
    reason: str = ""


def decide(world: World, command: AttestingCommand, _request: Request) -> Outcome:
    """Keep the answer; open the case and place the hold that a contradiction asks for."""
    field = _invalid_field(world, command)
    if field:
        return Refusal(RefusalCode.PACK_FIELD_INVALID, {"field": field})
    cases = (case_id_of(finding, _seed(command)) for finding in _FINDINGS)
    if any(world.get(CASES, case_id) is not None for case_id in cases):
        return ()  # found before, and delivered again
    pack_id = _named(world.get(BINDINGS, key_of("BMS_SERIAL", command.serial)))
    shown = command.attestation
    if not pack_id:
        found = _Found(shown.verdict, shown.step, UNKNOWN, "nobody knows the serial")
        return _drafts(command, _attested(command, "", found), found, ())
    bms = world.need(PACK_BMS, pack_id)
    if any(one.sha256 == shown.sha256 for one in bms.seen if shown.sha256):
        return ()  # the same answer, delivered again
    other_id = _named(world.get(BINDINGS, key_of("BMS_KEY", command.public_key)))
    found = _judged(command, bms, other_id)
    packs = [world.need(PACKS, name) for name in dict.fromkeys((pack_id, other_id)) if name]
    concerned = packs if found.finding else packs[:1]
    return _drafts(command, _attested(command, pack_id, found), found, tuple(concerned))


def _named(row: Binding | None) -> str:
    return "" if row is None or row.valid_to else row.pack_id


def _invalid_field(world: World, command: RecordAttestation) -> str:
    shown = command.attestation
    numbers = (shown.seq, shown.step)
    known = not command.station_id or world.get(STATIONS, command.station_id) is not None
    tests = (
        (0 < len(command.serial) <= _TEXT_MAX and command.serial.isprintable(), "serial"),
        (shown.verdict in VERDICTS and shown.serial in ("", command.serial), "attestation"),
        (min(numbers) >= 0 and max(numbers) <= QUANTITY_MAX, "attestation"),
        (len(shown.sha256) in _DIGEST_LENGTHS and len(shown.key_id) <= _TEXT_MAX, "attestation"),
        (shown.verdict != VALID or bool(shown.sha256 and shown.serial), "attestation"),
        (0 < command.occurred_at <= QUANTITY_MAX, "occurred_at"),
        (known, "station_id"),
    )
    return next((name for valid, name in tests if not valid), "")


def _judged(command: RecordAttestation, bms: PackBms, key_holder: str) -> _Found:
    """Hold an answer against the key that is bound by now, and against those before it."""
    shown = command.attestation
    if shown.verdict == INVALID and shown.step in FORGED_STEPS:
        reason = "it does not hold the key of the pack it says it is"
        return _Found(INVALID, shown.step, CLONE, reason)
    if shown.verdict != VALID:
        return _Found(shown.verdict, shown.step)
    if not bms.key_id or shown.key_id != bms.key_id:
        if key_holder not in ("", bms.pack_id):
            reason = "the serial of one pack, the key of another"
            return _Found(INVALID, 3, CLONE, reason)
        return _Found(NO_KEY, 3)
    answer = _seen(command)
    reason = next(filter(None, (_contradiction(one, answer) for one in bms.seen)), "")
    return _Found(VALID, 0, CLONE if reason else "", reason)


def _seen(command: RecordAttestation) -> Seen:
    shown = command.attestation
    return Seen(shown.seq, command.occurred_at, command.station_id, shown.sha256)


def _contradiction(one: Seen, other: Seen) -> str:
    """Say what two answers of one key cannot both be, "" when they can."""
    if one.seq == other.seq:
        return "one count was given twice"
    first, second = (one, other) if one.seq < other.seq else (other, one)
    if first.at > second.at + CLOCK_SLACK_US:
        return "the higher count was given before the lower one"
    if first.station_id != second.station_id and abs(second.at - first.at) < TRAVEL_US:
        return "seen at two places within minutes"
    return ""


def _attested(command: RecordAttestation, pack_id: str, found: _Found) -> PackAttested:
    shown = command.attestation
    return PackAttested(
        pack_id=pack_id,
        serial=command.serial,
        verdict=found.verdict,
        step=found.step,
        seq=shown.seq,
        key_id=shown.key_id,
        sha256=shown.sha256,
        station_id=command.station_id,
        slot=command.slot,
        finding=found.finding,
    )


def _drafts(
    command: RecordAttestation, event: PackAttested, found: _Found, packs: tuple[Pack, ...]
) -> Outcome:
    at = command.occurred_at
    seed = _seed(command)
    follow: list[CaseOpened | HoldPlaced] = []
    if found.finding:
        names = tuple(pack.pack_id for pack in packs)
        place = (command.station_id,) if command.station_id else ()
        follow.append(opened(found.finding, seed, (*names, *place), found.reason))
        follow += [
            stopped(pack.pack_id, _HOLD, seed)
            for pack in packs
            if all(hold.reason != _HOLD for hold in pack.holds)
        ]
    first = Draft(event, occurred_at=at, observed=command.observed)
    return first, *(Draft(one, occurred_at=at, after=(0,)) for one in follow)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: AttestingEvent, stamp: Stamp) -> None:
    """Remember a valid answer, also one that contradicts: the next one is held against both."""
    if event.verdict != VALID or not event.pack_id:
        return
    bms = world.need(PACK_BMS, event.pack_id)
    answer = Seen(event.seq, stamp.occurred_at, event.station_id, event.sha256)
    world.put(PACK_BMS, event.pack_id, bms.with_answer(answer))


def postings(_event: AttestingEvent) -> tuple[Posting, ...]:
    """An answer moves nothing."""
    return ()
