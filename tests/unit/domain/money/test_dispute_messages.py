"""What both sides say inside a dispute is kept, once, with who said it and when."""

import msgspec
import pytest

from ledger.domain.money.dispute_messages import (
    MESSAGES_MAX,
    WriteDisputeMessage,
    follows,
    postings,
)
from ledger.domain.money.dispute_rows import LINE_DISPUTES
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import RefusalCode
from tests.support.bank_world import refusal_of
from tests.support.cycles import STM
from tests.support.disputed import codes, disputed
from tests.support.partners import JUNE
from tests.support.rules import act, events

PARTNER = Actor("OP-1", "operator")
CLERK = Actor("P1", "finance")
FIRST = WriteDisputeMessage(
    dispute_id="LD-0",
    message_id="M-1",
    text="We were told 0.36.\nSee page 2.",
    evidence=("ab" * 32,),
)
FIELD = RefusalCode.DISPUTE_FIELD_INVALID


def test_both_sides_write_and_every_message_says_who_and_when():
    world = disputed()
    (event,) = events(act(world, FIRST, at=JUNE + 1, actor=PARTNER))
    assert (event.document_id, event.party_id, event.side) == (STM, "OP-1", "partner")
    assert (postings(event), follows(world, FIRST)) == ((), ())
    answer = msgspec.structs.replace(
        FIRST, message_id="M-2", text="That ended in May.", evidence=()
    )
    events(act(world, answer, at=JUNE + 2, actor=CLERK))
    thread = world.need(LINE_DISPUTES, "LD-0")
    told = [(one.sender_id, one.side, one.at, one.text) for one in thread.messages]
    assert told == [
        ("OP-1", "partner", JUNE + 1, FIRST.text),
        ("P1", "ours", JUNE + 2, "That ended in May."),
    ]
    assert thread.messages[0].position < thread.messages[1].position
    assert act(world, FIRST, actor=PARTNER) == ()
    other = msgspec.structs.replace(FIRST, text="Something else.")
    assert codes(act(world, other, actor=PARTNER)) == (RefusalCode.DISPUTE_EXISTS,)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"message_id": "no id"}, "message_id"),
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({"text": "x" * 2_001}, "text"),
        ({"evidence": ("ab" * 32,) * 11}, "evidence"),
        ({"evidence": ("ab",)}, "evidence"),
    ],
)
def test_a_field_that_cannot_be_is_named(change, field):
    refusal = act(disputed(), msgspec.structs.replace(FIRST, **change), actor=PARTNER)
    assert (codes(refusal), refusal_of(refusal).facts["field"]) == ((FIELD,), field)


def test_a_message_belongs_to_an_open_dispute_of_ones_own_between_organisations():
    world = disputed()
    assert codes(act(world, FIRST, actor=Actor("CAR-1", "operator"))) == (FIELD,)
    row = world.need(LINE_DISPUTES, "LD-0")
    world.put(LINE_DISPUTES, "LD-0", msgspec.structs.replace(row, line_hash=""))  # a driver's
    assert codes(act(world, FIRST, actor=CLERK)) == (FIELD,)
    world.put(LINE_DISPUTES, "LD-0", msgspec.structs.replace(row, state="WITHDRAWN"))
    assert codes(act(world, FIRST, actor=CLERK)) == (RefusalCode.DISPUTE_STATE,)
    nobody = msgspec.structs.replace(FIRST, dispute_id="LD-9")
    assert codes(act(world, nobody, actor=CLERK)) == (RefusalCode.DISPUTE_UNKNOWN,)


def test_a_thread_has_an_end():
    world = disputed()
    events(act(world, FIRST, actor=PARTNER))
    row = world.need(LINE_DISPUTES, "LD-0")
    one = row.messages[0]
    full = tuple(
        msgspec.structs.replace(one, message_id=f"M-{place}") for place in range(MESSAGES_MAX)
    )
    world.put(LINE_DISPUTES, "LD-0", msgspec.structs.replace(row, messages=full))
    late = msgspec.structs.replace(FIRST, message_id="M-900")
    refusal = act(world, late, actor=PARTNER)
    assert (codes(refusal), refusal_of(refusal).facts["field"]) == ((FIELD,), "messages")
