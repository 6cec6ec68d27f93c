"""Who may be erased, when, and what an erasure leaves behind in the rules' state."""

from typing import Any

import pytest

from ledger.domain.classes import know_class, known_classes
from ledger.domain.custody import DRIVER_PACKS, DriverPacks
from ledger.domain.parties import PARTIES, Party
from ledger.domain.privacy import (
    KEPT,
    ORDERED,
    SUBJECTS,
    CompleteErasure,
    EraseSubject,
    RegisterSubject,
    Subject,
    SubjectErased,
    SubjectErasureOrdered,
    SubjectKey,
    SubjectRegistered,
    postings,
)
from ledger.domain.world import World, key_of
from ledger.kernel.messages import Draft
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town

CONTACT = SubjectKey("0123456789abcdef", "contact")
INVOICE = SubjectKey("fedcba9876543210", "invoice", keep_until=99)


@pytest.fixture
def town() -> World:
    world = small_town()
    know_class(world, "C1")
    know_class(world, "C1")
    know_class(world, "B2")
    return world


def erase(subject: str = "DR-1", **fields) -> EraseSubject:
    usual: dict[str, Any] = {
        "reason": "person_asked",
        "requested_by": "DR-1",
        "keys": (CONTACT, INVOICE),
    }
    return EraseSubject(subject_id=subject, **(usual | fields))


def complete(purposes: tuple[str, ...] = ("contact",), **fields) -> CompleteErasure:
    usual: dict[str, Any] = {"subject_id": "DR-1", "files": 3, "bytes_swept": 9, "found": 0}
    return CompleteErasure(purposes=purposes, **(usual | fields))


def refusal_of(outcome: tuple[Draft, ...] | Refusal) -> Refusal:
    assert isinstance(outcome, Refusal)
    return outcome


def code_of(outcome: tuple[Draft, ...] | Refusal) -> RefusalCode:
    return refusal_of(outcome).code


def only(outcome: tuple[Draft, ...] | Refusal) -> Draft:
    assert not isinstance(outcome, Refusal)
    (draft,) = outcome
    return draft


def test_a_person_is_registered_once_with_commitments(town):
    sealed = {"email": bytes(32)}
    draft = only(act(town, RegisterSubject(subject_id="DR-1", sealed=sealed)))
    assert draft.event == SubjectRegistered(subject_id="DR-1")
    assert draft.sealed == sealed
    assert act(town, RegisterSubject(subject_id="DR-1")) == ()
    assert postings(draft.event) == ()


@pytest.mark.parametrize(
    "command",
    [
        RegisterSubject(subject_id="dr 1"),
        RegisterSubject(subject_id="DR-1", sealed={"email": bytes(31)}),
        RegisterSubject(subject_id="DR-1", sealed={"E-mail": bytes(32)}),
        RegisterSubject(subject_id="DR-1", sealed={f"f{n}": bytes(32) for n in range(33)}),
        erase(subject="../x"),
        erase(reason="because"),
        erase(requested_by="Zoé Martin"),
        erase(keys=(CONTACT, CONTACT)),
        erase(keys=(SubjectKey("0123456789abcdef", "health"),)),
        erase(keys=(SubjectKey("0123", "contact"),)),
        erase(keys=(SubjectKey("0123456789abcdef", "contact", -1),)),
        complete(subject_id=""),
    ],
)
def test_a_field_that_is_not_valid_is_named(town, command):
    outcome = act(town, command)
    assert code_of(outcome) is RefusalCode.SUBJECT_FIELD_INVALID
    assert refusal_of(outcome).facts["field"] in {
        "subject_id",
        "sealed",
        "reason",
        "requested_by",
        "keys",
    }


def test_an_erasure_is_ordered_once(town):
    act(town, RegisterSubject(subject_id="DR-1"))
    (event,) = events(act(town, erase(), at=7))
    assert event == SubjectErasureOrdered(
        subject_id="DR-1", reason="person_asked", requested_by="DR-1", keys=(CONTACT, INVOICE)
    )
    row = town.need(SUBJECTS, "DR-1")
    assert (row.ordered_at, row.kept, SUBJECTS.listed_by(row)) == (7, (CONTACT, INVOICE), ORDERED)
    assert act(town, erase(reason="authority")) == ()


def test_a_driver_whom_only_the_parties_know_can_be_erased(town):
    assert events(act(town, erase(requested_by="system")))
    assert town.need(PARTIES, "DR-1").roles == ()


def test_a_person_who_is_no_party_can_be_erased_and_keeps_no_role(town):
    act(town, RegisterSubject(subject_id="PE-1"))
    assert events(act(town, erase(subject="PE-1")))
    assert town.get(PARTIES, "PE-1") is None


def test_other_roles_of_the_same_party_stay(town):
    town.put(PARTIES, "DR-1", Party("DR-1", ("driver", "service"), "CN"))
    act(town, erase())
    assert town.need(PARTIES, "DR-1").roles == ("service",)


def test_a_stranger_cannot_be_erased(town):
    assert code_of(act(town, erase(subject="DR-9"))) is RefusalCode.SUBJECT_UNKNOWN


@pytest.mark.parametrize("pack_class", ["C1", "B2"])
def test_who_holds_a_pack_of_any_class_is_not_erased(town, pack_class):
    town.put(DRIVER_PACKS, key_of("DR-1", pack_class), DriverPacks("DR-1", pack_class, held=1))
    outcome = act(town, erase())
    assert code_of(outcome) is RefusalCode.SUBJECT_HOLDS_PACK
    assert refusal_of(outcome).facts == {"subject": "DR-1", "packs": 1}
    back = DriverPacks("DR-1", pack_class, held=0, entitled=1)
    town.put(DRIVER_PACKS, key_of("DR-1", pack_class), back)
    assert events(act(town, erase()))


def test_the_classes_are_kept_sorted_each_once(town):
    assert known_classes(town) == ("B2", "C1")
    assert known_classes(World(complete=True)) == ()


def test_who_is_erased_is_not_registered_again(town):
    act(town, erase())
    outcome = act(town, RegisterSubject(subject_id="DR-1"))
    assert code_of(outcome) is RefusalCode.SUBJECT_ERASED


def test_an_erasure_is_completed_purpose_by_purpose(town):
    act(town, erase())
    ordered = town.need(SUBJECTS, "DR-1").ordered
    draft = only(act(town, complete()))
    assert draft.causes == (ordered,)
    assert draft.event == SubjectErased(
        subject_id="DR-1", purposes=("contact",), files=3, bytes_swept=9
    )
    row = town.need(SUBJECTS, "DR-1")
    assert (row.erased_purposes, row.kept) == (("contact",), (INVOICE,))
    assert SUBJECTS.listed_by(row) == KEPT
    assert act(town, complete()) == ()
    (event,) = events(act(town, complete(("contact", "invoice"))))
    assert event.purposes == ("invoice",)
    row = town.need(SUBJECTS, "DR-1")
    assert (row.erased_purposes, row.kept) == (("contact", "invoice"), ())
    assert SUBJECTS.listed_by(row) == ""


def test_an_erasure_of_nothing_is_completed_too(town):
    act(town, erase(keys=()))
    (event,) = events(act(town, complete(())))
    assert event.purposes == ()
    assert act(town, complete(())) == ()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (complete(found=1), RefusalCode.ERASURE_INCOMPLETE),
        (complete(("health",)), RefusalCode.SUBJECT_FIELD_INVALID),
        (complete(files=-1), RefusalCode.SUBJECT_FIELD_INVALID),
        (complete(bytes_swept=-1), RefusalCode.SUBJECT_FIELD_INVALID),
    ],
)
def test_an_erasure_is_not_completed_while_something_is_left(town, command, code):
    act(town, erase())
    assert code_of(act(town, command)) is code


def test_what_nobody_ordered_is_not_completed(town):
    assert code_of(act(town, complete())) is RefusalCode.ERASURE_NOT_ORDERED
    act(town, RegisterSubject(subject_id="DR-1"))
    assert code_of(act(town, complete())) is RefusalCode.ERASURE_NOT_ORDERED
    assert SUBJECTS.listed_by(Subject("DR-1")) == ""
