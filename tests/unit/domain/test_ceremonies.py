"""A ceremony is written down once, by digests and by the keys of its officers."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.ceremonies import HELD_CEREMONIES, CeremonyHeld, RecordCeremony, postings
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events

NOW = 1_790_000_000_000_000


def holding(**fields: Any) -> RecordCeremony:
    command = RecordCeremony(
        ceremony_id="birth-2026",
        held_for="birth",
        outcome="complete",
        plan_sha256="1" * 64,
        program_sha256="2" * 64,
        transcript_sha256="3" * 64,
        officer_kids=("A" * 43, "b-_" + "0" * 40),
        began_at=NOW,
        ended_at=NOW + 1,
    )
    return replace(command, **fields)


def code(outcome: object) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_a_ceremony_is_written_down_once() -> None:
    world = World(complete=True)
    assert len(events(act(world, holding(), at=NOW))) == 1
    row = world.need(HELD_CEREMONIES, "birth-2026")
    assert (row.held_for, row.position > 0) == ("birth", True)
    assert HELD_CEREMONIES.listed_by(row) == "birth"
    assert act(world, holding(), at=NOW + 1) == ()
    other = holding(transcript_sha256="4" * 64)
    assert code(act(world, other, at=NOW)) is RefusalCode.CEREMONY_EXISTS


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("ceremony_id", {"ceremony_id": ""}),
        ("held_for", {"held_for": "party"}),
        ("outcome", {"outcome": ""}),
        ("plan_sha256", {"plan_sha256": "0" * 63}),
        ("program_sha256", {"program_sha256": "X" * 64}),
        ("transcript_sha256", {"transcript_sha256": ""}),
        ("officer_kids", {"officer_kids": ("A" * 43,)}),
        ("officer_kids", {"officer_kids": ("A" * 43, "A" * 43)}),
        ("officer_kids", {"officer_kids": ("A" * 43, "ada")}),
        ("ended_at", {"ended_at": NOW - 1}),
    ],
)
def test_a_ceremony_that_is_not_well_described_is_refused_by_field(
    field: str, fields: dict[str, Any]
) -> None:
    outcome = act(World(complete=True), holding(**fields), at=NOW)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts) == (RefusalCode.LOG_KEY_FIELD_INVALID, {"field": field})


def test_a_ceremony_is_the_affair_of_two_persons() -> None:
    outcome = act(World(complete=True), holding(), at=NOW, actor=Actor("P1", "engineer"))
    assert code(outcome) is RefusalCode.SECOND_PERSON_REQUIRED


def test_a_ceremony_moves_nothing() -> None:
    (held,) = events(act(World(complete=True), holding(), at=NOW))
    assert isinstance(held, CeremonyHeld)
    assert postings(held) == ()
