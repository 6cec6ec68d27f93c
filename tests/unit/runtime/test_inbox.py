"""The inbox: messages are kept, and their objects read again."""

import pytest

from ledger.domain.cases import CASES
from ledger.domain.money.payments_books import PSP_LINES
from ledger.domain.money.payments_disputes import DISPUTES
from ledger.domain.money.payments_inbox import PROVIDER_NEWS, READS_MAX
from ledger.domain.money.payments_rows import SAVED_CARDS, SavedCard, Told
from ledger.domain.money.payments_told import TellCard
from ledger.domain.money.psp_records import (
    BalanceTransaction,
    PspBalance,
    PspPayout,
    faults_of_list,
)
from ledger.kernel.errors import Malformed, Unavailable
from ledger.runtime.inbox import Held
from ledger.runtime.relay_gateway import (
    Answered,
    BalanceMoved,
    CardNow,
    DisputeNow,
    NewsItem,
    PaymentNow,
    SourcedLine,
)
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.stripe_town import make_town

TAKEN = Told("pi_1", "captured", 2_500, 2_500, "EUR")


@pytest.fixture
def town(tmp_path):
    made = make_town(f"sqlite:///{tmp_path / 'town.db'}", ScriptedGateway())
    made.ask(TellCard(driver_id="DR-1", payer="cus_1", card="pm_1"))
    yield made
    made.ledger.close()


def item(news_type="payment_intent.succeeded", ref="pi_1", name="evt_1"):
    return NewsItem(name, news_type, ref, b"{}", 1_000_000)


def states_of(town):
    with town.ledger.reading() as reads:
        return {key: row.state for key, row in reads.rows(PROVIDER_NEWS)}


def cases_of(town):
    with town.ledger.reading() as reads:
        return [case.case_type for _, case in reads.rows(CASES)]


def opened(town, payment_id="PY-1", status="open"):
    number = town.charge(payment_id)
    town.gateway.answers[f"inv:{number}:charge:1"] = Answered(Told("pi_1", status, 2_500))
    town.relay.run()
    return number


def line(name="txn_1", category="charge", amount=2_500, fee=63, **more):
    moved = BalanceTransaction(
        name, "EUR", amount, fee, amount - fee, category, "2026-04-02", **more
    )
    return SourcedLine(moved)


def test_a_message_is_kept_once_and_its_object_read_again(town):
    opened(town)
    assert town.inbox.take(item())
    assert not town.inbox.take(item())
    assert len(town.kept) == 1
    town.gateway.objects["pi_1"] = PaymentNow("PY-1", TAKEN)
    run = town.inbox.process()
    assert (run.done, run.later, run.dead) == (1, 0, 0)
    assert town.payment("PY-1").state == "CAPTURED"
    assert states_of(town) == {"evt_1": "done"}
    assert town.inbox.process().done == 0


def test_ignored_types_are_not_looked_at(town):
    town.inbox.take(item("product.updated"))
    assert town.inbox.process().done == 0
    assert states_of(town) == {"evt_1": "ignored"}


def test_saved_cards_and_disputes_come_in(town):
    opened(town, status="captured")
    town.gateway.objects |= {
        "seti_1": CardNow("DR-1", "cus_9", "pm_9"),
        "du_1": DisputeNow("du_1", "pi_1", 1_905, "open", "fraudulent", 7),
        "po_1": BalanceMoved(),
    }
    town.gateway.lines = [line()]
    town.inbox.take(item("setup_intent.succeeded", "seti_1", "evt_1"))
    town.inbox.take(item("charge.dispute.created", "du_1", "evt_2"))
    town.inbox.take(item("payout.paid", "po_1", "evt_3"))
    run = town.inbox.process()
    assert (run.done, run.posted) == (3, 1)
    with town.ledger.reading() as reads:
        assert reads.row(SAVED_CARDS, "DR-1") == SavedCard("DR-1", "cus_9", "pm_9")
        assert reads.row(DISPUTES, "du_1").payment_id == "PY-1"
        assert reads.count(PSP_LINES) == 1


def test_what_is_none_of_ours_is_kept_with_a_case_when_money_is_in_it(town):
    town.gateway.objects |= {"pi_9": PaymentNow("", TAKEN), "cs_9": None}
    town.inbox.take(item(ref="pi_9"))
    town.inbox.take(item("checkout.session.completed", "cs_9", "evt_2"))
    town.gateway.objects["du_9"] = DisputeNow("du_9", "", 1, "open", "", 0)
    town.inbox.take(item("charge.dispute.created", "du_9", "evt_3"))
    assert town.inbox.process().done == 3
    assert cases_of(town) == ["PAYMENT_FOREIGN", "PAYMENT_FOREIGN"]


def test_an_object_that_is_away_is_read_later_and_in_the_end_by_a_person(town):
    town.gateway.objects["pi_1"] = Unavailable("away")
    town.inbox.take(item())
    for _ in range(READS_MAX - 1):
        assert town.inbox.process().later == 1
    assert town.inbox.process().dead == 1
    assert (states_of(town), cases_of(town)) == ({"evt_1": "dead"}, ["NEWS_DEAD"])


def test_an_object_that_is_not_there_is_given_up_at_once(town):
    town.gateway.objects["pi_1"] = Malformed("no such object")
    town.inbox.take(item())
    assert town.inbox.process().dead == 1


def test_missed_messages_are_caught_up_with_and_the_balance_is_posted(town):
    opened(town)
    town.gateway.missed = [item()]
    town.gateway.objects["pi_1"] = PaymentNow("PY-1", TAKEN)
    payment = SourcedLine(line().line, payment_ref="pi_1")
    odd = SourcedLine(line("txn_9", fee=1, amount=1).line)
    town.gateway.lines = [payment, odd]
    run = town.inbox.catch_up()
    assert (run.done, run.posted, run.waiting_lines) == (1, 2, 0)
    town.gateway.lines = [payment, SourcedLine(line("txn_9", amount=7).line)]
    run = town.inbox.catch_up()
    assert (run.done, run.posted, run.waiting_lines) == (0, 0, 1)  # it contradicts what was posted


def test_a_charge_that_was_not_told_of_is_read_before_its_line_is_posted(town):
    opened(town)
    town.gateway.lines = [SourcedLine(line().line, payment_id="PY-1")]
    town.gateway.intents["pi_1"] = TAKEN
    assert town.inbox.post_balance() == (1, 0)
    assert town.payment("PY-1").state == "CAPTURED"


def test_a_charge_that_nobody_knows_the_name_of_waits(town):
    town.charge("PY-1")
    town.gateway.lines = [SourcedLine(line().line, payment_id="PY-1")]
    assert town.inbox.post_balance() == (0, 1)


def test_books_and_provider_hold_the_same(town):
    opened(town)
    town.gateway.lines = [SourcedLine(line().line, payment_id="PY-1")]
    town.gateway.held = (PspBalance("EUR", 1_000, 1_437), PspBalance("USD", 5, 0))
    assert town.inbox.compare()[0] == Held("EUR", 0, 2_437)
    town.gateway.intents["pi_1"] = TAKEN
    town.gateway.objects["pi_1"] = PaymentNow("PY-1", TAKEN)
    town.inbox.take(item())
    town.inbox.process()
    town.inbox.post_balance()
    assert town.inbox.compare() == (Held("EUR", 2_437, 2_437), Held("USD", 0, 5))


def test_the_providers_list_names_what_we_know_by_our_ids(town):
    opened(town)
    town.gateway.lines = [
        SourcedLine(line(source_id="ch_1").line, payment_ref="pi_1"),
        SourcedLine(line("txn_2", "fee", -100, 0, source_id="x").line),
    ]
    town.gateway.paid_out = [PspPayout("po_1", "EUR", 1, "2026-04-03")]
    town.gateway.held = (PspBalance("EUR", 2_337, 0),)
    told = town.inbox.told_list(0)
    assert [one.source_id for one in told.transactions] == ["PY-1", "x"]
    assert [fault.code for fault in faults_of_list(told)] == ["PAYOUT_MISMATCH", "PAYOUT_NOT_SENT"]
