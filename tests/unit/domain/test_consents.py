"""Consents: said by the person himself, each change an entry."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.consents import CONSENTS, Consent, ConsentSet, SetConsent, postings
from ledger.domain.privacy import SUBJECTS, Subject
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town

DRIVER = Actor("DR-1", "driver")
YES = SetConsent(subject_id="DR-1", purpose="marketing", granted=True, text_version="2026-01")


def code(outcome: Any) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_a_consent_is_given_and_taken_back():
    world = small_town()
    (event,) = events(act(world, YES, at=7, actor=DRIVER))
    assert event == ConsentSet(
        subject_id="DR-1", purpose="marketing", granted=True, text_version="2026-01"
    )
    row = world.need(CONSENTS, "DR-1|marketing")
    wanted = Consent("DR-1", "marketing", granted=True, text_version="2026-01", at=7)
    assert (row, CONSENTS.listed_by(row)) == (wanted, "DR-1")
    assert act(world, YES, at=8, actor=DRIVER) == ()
    for change in ({"granted": False}, {"text_version": "2026-02", "granted": True}):
        (event,) = events(act(world, replace(YES, **change), at=9, actor=DRIVER))
        assert world.need(CONSENTS, "DR-1|marketing").granted is event.granted
    assert postings(event) == ()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("purpose", {"purpose": "everything"}),
        ("text_version", {"text_version": ""}),
        ("text_version", {"text_version": "two words"}),
    ],
)
def test_a_wrong_field_is_named(field, wrong):
    outcome = act(small_town(), replace(YES, **wrong), actor=DRIVER)
    assert code(outcome) is RefusalCode.SUBJECT_FIELD_INVALID
    assert isinstance(outcome, Refusal)
    assert outcome.facts == {"field": field}


def test_nobody_speaks_for_another_or_for_the_erased():
    world = small_town()
    other = Actor("DR-2", "driver")
    assert code(act(world, YES, actor=other)) is RefusalCode.SUBJECT_UNKNOWN
    support = Actor("SU-1", "support")
    nobody = replace(YES, subject_id="DR-9")
    assert code(act(world, nobody, actor=support)) is RefusalCode.SUBJECT_UNKNOWN
    world.put(SUBJECTS, "DR-9", Subject("DR-9"))  # known to the vault, and no party
    assert len(events(act(world, nobody, actor=support))) == 1
    world.put(SUBJECTS, "DR-1", Subject("DR-1", ordered=3))
    assert code(act(world, YES, actor=DRIVER)) is RefusalCode.SUBJECT_ERASED
