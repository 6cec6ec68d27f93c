"""Messages of the provider: each kept once, tried often enough, never believed."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.payments_inbox import (
    PROVIDER_NEWS,
    READS_MAX,
    EndNews,
    TakeNews,
    follows,
    postings,
)
from ledger.domain.world import World
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events

TAKE = TakeNews(
    provider="stripe",
    news_ref="evt_1",
    type="payment_intent.succeeded",
    object_ref="pi_1",
    sha256="ab" * 32,
    said_at=5,
)
DONE = EndNews(news_ref="evt_1", state="done")


def test_a_message_is_kept_once_with_its_bytes_as_evidence():
    world = World(complete=True)
    outcome = act(world, TAKE, at=7)
    (taken,) = events(outcome)
    assert not isinstance(outcome, Refusal)
    assert (taken.kind, taken.state) == ("provider.news_taken", "new")
    observed = outcome[0].observed
    assert observed is not None
    assert (observed.received_at, observed.evidence[0].sha256) == (7, "ab" * 32)
    assert outcome[0].occurred_at == 5
    # the provider counts in the message how often he sent it, so the bytes of the second differ
    assert act(world, replace(TAKE, sha256="cd" * 32)) == ()
    assert postings(taken) == ()
    assert follows(world, TAKE) == ()


def test_a_type_that_we_do_not_use_is_kept_and_ignored():
    world = World(complete=True)
    (taken,) = events(act(world, replace(TAKE, type="product.updated"), at=1))
    assert taken.state == "ignored"
    assert act(world, DONE) == ()


def test_a_message_is_seen_to_once():
    world = World(complete=True)
    unknown = act(world, DONE)
    assert isinstance(unknown, Refusal)
    assert unknown.code is RefusalCode.NEWS_UNKNOWN
    events(act(world, TAKE))
    (ended,) = events(act(world, DONE))
    assert ended.state == "done"
    assert act(world, DONE) == ()


@pytest.mark.parametrize("ends", ["done", "dead"])
def test_a_message_that_cannot_be_seen_to_is_given_up_and_may_be_taken_up_again(ends):
    world = World(complete=True)
    events(act(world, TAKE))
    for _ in range(READS_MAX - 1):
        events(act(world, replace(DONE, state="new", reason="away")))
        assert world.need(PROVIDER_NEWS, "evt_1").state == "new"
    events(act(world, replace(DONE, state="new", reason="away")))
    row = world.need(PROVIDER_NEWS, "evt_1")
    assert (row.state, row.tries) == ("dead", READS_MAX)
    events(act(world, replace(DONE, state=ends)))
    assert world.need(PROVIDER_NEWS, "evt_1").state == ends
