"""Looking at a person leaves an entry; why is sealed in it."""

import msgspec
import pytest
from msgspec.structs import replace

from ledger.domain.privacy import SUBJECTS, Subject, SubjectKey
from ledger.domain.revealing import RevealSubject, SubjectRevealed, postings
from ledger.domain.world import World
from ledger.kernel.envelope import canonical
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.sealing import Opening, commitment
from tests.support.rules import act

LOOK = RevealSubject(
    subject_id="DR-1",
    purpose="contact",
    fields=("email", "phone"),
    reason="Case CA-1: the driver was hurt",
    salt=bytes(range(16)),
)


def town(**fields: object) -> World:
    world = World(complete=True)
    world.put(SUBJECTS, "DR-1", replace(Subject("DR-1"), **fields))
    return world


def test_the_entry_says_who_was_looked_at_and_vouches_for_the_reason() -> None:
    outcome = act(town(), LOOK)
    assert not isinstance(outcome, Refusal)
    (draft,) = outcome
    wanted = SubjectRevealed(subject_id="DR-1", purpose="contact", fields=("email", "phone"))
    assert draft.event == wanted
    (opening,) = draft.openings
    shown = Opening(opening.name, opening.salt, msgspec.Raw(opening.value))
    assert draft.sealed == {"reason": commitment(shown)}
    assert msgspec.json.decode(opening.value) == LOOK.reason
    assert LOOK.reason.encode() not in canonical(draft.event)
    assert postings(wanted) == ()


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("subject_id", {"subject_id": "dr 1"}),
        ("purpose", {"purpose": "marketing"}),
        ("fields", {"fields": ()}),
        ("fields", {"fields": ("email", "email")}),
        ("fields", {"fields": ("E-Mail",)}),
        ("reason", {"reason": "  "}),
        ("reason", {"reason": "x" * 501}),
        ("reason", {"reason": "two\nlines"}),
        ("salt", {"salt": bytes(15)}),
    ],
)
def test_a_look_that_is_not_well_described_is_refused_by_field(
    field: str, fields: dict[str, object]
) -> None:
    outcome = act(town(), replace(LOOK, **fields))
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.SUBJECT_FIELD_INVALID
    assert outcome.facts == {"field": field}


def code(outcome: object) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_nobody_and_the_erased_are_not_looked_at_but_what_the_law_keeps_is() -> None:
    assert code(act(World(complete=True), LOOK)) is RefusalCode.SUBJECT_UNKNOWN
    kept = (SubjectKey("0" * 16, "contact"), SubjectKey("1" * 16, "invoice", keep_until=9))
    ordered = town(ordered=7, keys=kept)
    assert code(act(ordered, LOOK)) is RefusalCode.SUBJECT_ERASED
    invoice = replace(LOOK, purpose="invoice")
    assert not isinstance(act(ordered, invoice), Refusal)
    gone = town(ordered=7, keys=kept, erased=8, erased_purposes=("contact", "invoice"))
    assert code(act(gone, invoice)) is RefusalCode.SUBJECT_ERASED


def test_nobody_looks_alone() -> None:
    outcome = act(town(), LOOK, actor=Actor("SU-1", "support"))
    assert code(outcome) is RefusalCode.SECOND_PERSON_REQUIRED
