"""The provider's balance in the books: each transaction once, by its category; disputes."""

from collections import Counter
from random import Random  # noqa: TID251

import pytest
from msgspec.structs import replace

from ledger.domain.blocks import DRIVER_BLOCKS
from ledger.domain.cases import CASES
from ledger.domain.money.accounts import PSP, RECEIVABLE, SUSPENSE, WALLETS_PAID_IN
from ledger.domain.money.payments_books import PostBalanceLine
from ledger.domain.money.payments_disputes import DISPUTES, SubmitEvidence, TellDispute, postings
from ledger.domain.money.payments_refunds import PlanRefund
from ledger.domain.money.payments_rows import CARD_PAYMENTS
from ledger.domain.money.pending import ReserveMoney
from ledger.domain.money.pending_rows import WALLETS
from ledger.domain.money.psp_records import BalanceTransaction
from ledger.domain.money.templates_payments import (
    CHARGEBACKS,
    DISPUTED,
    PSP_FEES,
    PSP_IN_TRANSIT,
    DisputeParts,
)
from ledger.kernel.instants import HOUR
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.paying import (
    CHARGE,
    NOTE_NO,
    answer,
    call_of,
    charged,
    paying_town,
    payment_of,
    told,
    topped_up,
)
from tests.support.rules import act, events, sums_of


def line(category: str, amount: int, fee: int = 0, **more) -> BalanceTransaction:
    usual = {
        "transaction_id": f"txn_{category}",
        "currency": "EUR",
        "created_on": "2026-03-02",
        "source_id": "ch_1",
    }
    net = more.pop("net_minor", amount - fee)
    return BalanceTransaction(
        **usual | more, category=category, amount_minor=amount, fee_minor=fee, net_minor=net
    )


def post(world, posted, payment_id="", **more):
    command = PostBalanceLine(line=posted, payment_id=payment_id, **more)
    return act(world, command)


def lines_of(event) -> dict[str, int]:
    return {account: sum_ for (account, _), sum_ in sums_of(event).items()}


def test_a_charge_is_confirmed_with_its_fee_once():
    world = charged()
    charge = line("charge", 2_500, 63)
    (confirmed,) = events(post(world, charge, "PY-1"))
    assert confirmed.kind == "psp.confirmed"
    assert lines_of(confirmed) == {PSP_FEES: 63, PSP: -63}
    assert post(world, charge, "PY-1") == ()
    other = post(world, replace(charge, amount_minor=1, net_minor=-62), "PY-1")
    assert isinstance(other, Refusal)
    assert other.code is RefusalCode.TRANSACTION_DIFFERS


def test_a_charge_that_was_not_told_of_yet_waits():
    world = paying_town()
    events(act(world, CHARGE))
    waits = post(world, line("charge", 2_500), "PY-1")
    assert isinstance(waits, Refusal)
    assert waits.code is RefusalCode.PAYMENT_NOT_TOLD


def test_another_amount_than_posted_goes_to_suspense_with_a_case_and_freezes_refunds():
    world = charged()
    confirmed, case = events(post(world, line("charge", 2_490, 63), "PY-1"))
    assert lines_of(confirmed) == {PSP: -10 - 63, SUSPENSE: 10, PSP_FEES: 63}
    assert case.case_type == "PAYMENT_DIFFERS"
    assert payment_of(world).differs


def test_refunds_are_confirmed_and_strange_ones_are_not_lost():
    world = charged()
    events(act(world, PlanRefund(credit_note_no=NOTE_NO, payment_id="PY-1", amount_minor=595)))
    answer(world, f"cn:{NOTE_NO}:refund:1", told("done", "re_1"))
    (known,) = events(post(world, line("refund", -595, source_id="re_1"), "PY-1"))
    assert lines_of(known) == {}
    foreign = line("refund", -100, source_id="re_9", transaction_id="txn_9")
    strange, case = events(post(world, foreign, "PY-1"))
    assert lines_of(strange) == {PSP: -100, SUSPENSE: 100}
    assert case.reason == "-100 EUR, where 0 EUR was posted"


@pytest.mark.parametrize(
    ("posted", "kind", "moved"),
    [
        (line("fee", -200), "psp.fee", {PSP_FEES: 200, PSP: -200}),
        (line("fee", 0, 200), "psp.fee", {PSP_FEES: 200, PSP: -200}),
        (
            line("payout", -1_842, source_id="po_1"),
            "psp.payout_sent",
            {PSP_IN_TRANSIT: 1_842, PSP: -1_842},
        ),
        (
            line("payout_reversal", 1_842, source_id="po_1"),
            "psp.payout_sent",
            {PSP_IN_TRANSIT: -1_842, PSP: 1_842},
        ),
        (line("risk_reserved_funds", -50), "psp.unknown", {PSP: -50, SUSPENSE: 50}),
        (line("charge", 77, 3), "psp.unknown", {PSP: 74, SUSPENSE: -74}),
        (line("transfer", -9), "psp.unknown", {PSP: -9, SUSPENSE: 9}),
    ],
    ids=["fee", "fee of a fee", "payout", "payout back", "new", "foreign", "transfer"],
)
def test_each_category_has_its_template(posted, kind, moved):
    first, *rest = events(post(paying_town(), posted))
    assert (first.kind, lines_of(first)) == (kind, moved)
    assert bool(rest) == (kind == "psp.unknown")


@pytest.mark.parametrize(
    ("posted", "code"),
    [
        (line("fee", -1, currency="XXX"), "COMMODITY_UNKNOWN"),
        (line("fee", 2**53), "QUANTITY_OUT_OF_RANGE"),
        (line("fee", -1, net_minor=-2), "TRANSACTION_DIFFERS"),
    ],
    ids=["currency", "size", "net"],
)
def test_a_line_that_contradicts_itself_is_refused(posted, code):
    refusal = post(paying_town(), posted)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode[code]


OPENED = TellDispute(
    dispute_ref="du_1", payment_id="PY-1", amount_minor=1_905, state="open", reason="fraudulent"
)
WITHDRAWN = line("dispute", -1_905, 2_000, source_id="du_1")
RETURNED = line("dispute_reversal", 1_905, source_id="du_1")


def test_a_chargeback_waits_and_is_lost():
    world = charged()
    events(act(world, OPENED))
    assert payment_of(world).state == "DISPUTED"
    (opened,) = events(post(world, WITHDRAWN, "PY-1"))
    assert lines_of(opened) == {DISPUTED: 1_905, PSP_FEES: 2_000, PSP: -3_905}
    told_lost, gone = events(act(world, replace(OPENED, state="lost")))
    assert lines_of(gone) == {CHARGEBACKS: 1_905, DISPUTED: -1_905}
    assert postings(told_lost) == ()
    row = payment_of(world)
    assert (row.state, row.disputed_minor, row.refundable_minor) == ("LOST", 1_905, 595)
    assert act(world, OPENED) == ()  # told late


def test_a_chargeback_is_won():
    world = charged()
    events(post(world, WITHDRAWN, "PY-1"))  # before anything was told of it
    events(act(world, OPENED))
    (won,) = events(post(world, RETURNED, "PY-1"))
    assert lines_of(won) == {PSP: 1_905, DISPUTED: -1_905}
    (said,) = events(act(world, replace(OPENED, state="won")))
    assert said.state == "won"
    row = payment_of(world)
    assert (row.state, row.disputed_minor, row.has_dispute) == ("WON", 0, False)
    assert not act(world, replace(OPENED, state="won"))
    again = replace(RETURNED, transaction_id="txn_again")
    assert events(post(world, again, "PY-1"))[0].kind == "psp.unknown"


def test_a_dispute_lost_before_its_money_was_seen_to_leave_is_lost_then():
    world = charged()
    events(act(world, replace(OPENED, state="lost")))
    opened, gone = events(post(world, WITHDRAWN, "PY-1"))
    assert (opened.kind, gone.kind) == ("chargeback.opened", "chargeback.lost")
    assert world.need(DISPUTES, "du_1").parts == DisputeParts()


def test_a_chargeback_never_takes_a_wallet_below_zero():
    world = topped_up()
    reserve = ReserveMoney(
        pending_id="PE-1",
        driver_id="DR-1",
        means="wallet",
        currency="EUR",
        amount_minor=4_000,
        expires_at=HOUR,
    )
    events(act(world, reserve))
    opened, blocked = events(
        post(world, replace(WITHDRAWN, amount_minor=-5_000, net_minor=-7_000), "PY-3")
    )
    assert lines_of(opened) == {
        WALLETS_PAID_IN: 1_000,
        RECEIVABLE: 4_000,
        PSP_FEES: 2_000,
        PSP: -7_000,
    }
    assert blocked.reason == "chargeback"
    wallet = world.need(WALLETS, "DR-1|EUR")
    assert (wallet.paid_in_minor, wallet.available_minor) == (4_000, 0)
    assert world.need(DRIVER_BLOCKS, "DR-1").reasons == ("chargeback",)
    (won,) = events(post(world, replace(RETURNED, amount_minor=5_000, net_minor=5_000), "PY-3"))
    assert lines_of(won) == {PSP: 5_000, WALLETS_PAID_IN: -1_000, RECEIVABLE: -4_000}
    assert world.need(WALLETS, "DR-1|EUR").paid_in_minor == 5_000


def test_a_second_chargeback_blocks_once_and_an_unspent_wallet_blocks_nobody():
    world = topped_up()
    (opened,) = events(post(world, WITHDRAWN, "PY-3"))
    assert opened.parts == DisputeParts(wallet_minor=1_905)
    for number, blocks in (("2", 1), ("3", 0)):
        more = replace(WITHDRAWN, transaction_id=f"txn_{number}", source_id=f"du_{number}")
        world.put(WALLETS, "DR-1|EUR", replace(world.need(WALLETS, "DR-1|EUR"), paid_in_minor=0))
        world.put(CARD_PAYMENTS, "PY-3", replace(payment_of(world, "PY-3"), disputed_minor=0))
        kinds = Counter(one.kind for one in events(post(world, more, "PY-3")))
        assert kinds["driver.blocked"] == blocks


def test_a_dispute_over_more_than_was_taken_leaves_the_rest_in_suspense():
    world = charged()
    much = replace(WITHDRAWN, amount_minor=-3_000, net_minor=-5_000)
    opened, case = events(post(world, much, "PY-1"))
    assert lines_of(opened)[SUSPENSE] == 500
    assert case.case_type == "DISPUTE_EXCEEDS"
    (won,) = events(post(world, replace(RETURNED, amount_minor=3_000, net_minor=3_000), "PY-1"))
    assert lines_of(won)[SUSPENSE] == -500
    assert payment_of(world).disputed_minor == 0


@pytest.mark.parametrize(
    "posted",
    [
        replace(WITHDRAWN, transaction_id="txn_b"),
        replace(WITHDRAWN, source_id="du_2", amount_minor=1, net_minor=-1_999),
        replace(WITHDRAWN, source_id="du_2", currency="USD"),
        replace(RETURNED, source_id="du_2"),
        replace(RETURNED, amount_minor=1, net_minor=1),
    ],
    ids=["twice", "sign", "currency", "unknown", "amount"],
)
def test_what_does_not_fit_a_dispute_is_kept_with_a_case(posted):
    world = charged()
    events(post(world, WITHDRAWN, "PY-1"))
    kinds = [
        one.kind for one in events(post(world, replace(posted, transaction_id="txn_b"), "PY-1"))
    ]
    assert kinds == ["psp.unknown", "case_opened"]


def test_a_dispute_of_no_payment_of_ours_is_refused():
    refusal = act(paying_town(), OPENED)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.PAYMENT_UNKNOWN


def test_what_a_dispute_is_told_again_changes_nothing():
    world = charged()
    events(act(world, OPENED))
    assert act(world, OPENED) == ()
    assert events(act(world, replace(OPENED, due_at=HOUR)))


def test_evidence_is_sent_while_the_dispute_is_open():
    world = charged()
    answer_it = SubmitEvidence(dispute_ref="du_1", text="The packs were swapped.", sha256="ab" * 32)
    unknown = act(world, answer_it)
    assert isinstance(unknown, Refusal)
    assert unknown.code is RefusalCode.CHARGEBACK_UNKNOWN
    events(act(world, OPENED))
    empty = act(world, replace(answer_it, text=""))
    assert isinstance(empty, Refusal)
    assert empty.code is RefusalCode.PAYMENT_FIELD_INVALID
    planned, call = events(act(world, answer_it))
    assert (planned.kind, call.call_key) == ("dispute.evidence_planned", "dispute:du_1:evidence:1")
    assert call.body.text == "The packs were swapped."
    waits = act(world, answer_it)
    assert isinstance(waits, Refusal)
    assert waits.code is RefusalCode.CALL_NOT_OVER
    answer(world, call.call_key, told("done", "du_1"))
    assert call_of(world, call.call_key).state == "ANSWERED"
    assert world.need(DISPUTES, "du_1").evidence_sha256 == "ab" * 32
    events(act(world, replace(OPENED, state="lost")))
    late = act(world, answer_it)
    assert isinstance(late, Refusal)
    assert late.code is RefusalCode.CHARGEBACK_OVER


def test_the_books_hold_what_the_provider_holds_and_never_give_back_more_than_was_taken():
    # random lives of a payment: 1020 is the net of all transactions, invariants 6 and 11
    for seed in range(200):
        random = Random(seed)
        world = charged(paying_town(credited=2_500))
        held = Counter({"PSP": 2_500})
        kept: list[BalanceTransaction] = [line("charge", 2_500, 63, transaction_id="txn_0")]
        for number in range(1, 7):
            step = random.choice(["refund", "dispute", "won", "fee", "payout"])
            name = f"txn_{number}"
            amount = random.randrange(1, 2_600)
            if step == "refund":
                command = PlanRefund(credit_note_no=NOTE_NO, payment_id="PY-1", amount_minor=amount)
                outcome = act(world, command)
                if isinstance(outcome, Refusal):
                    continue
                key = events(outcome)[1].call_key
                for one in answer(world, key, told("done", f"re_{number}")):
                    held["PSP"] += lines_of(one).get(PSP, 0)
                kept.append(line("refund", -amount, transaction_id=name, source_id=f"re_{number}"))
            elif step == "dispute":
                kept.append(
                    line("dispute", -amount, 2_000, transaction_id=name, source_id=f"du_{number}")
                )
            elif step == "won":
                kept.append(
                    line(
                        "dispute_reversal",
                        amount,
                        transaction_id=name,
                        source_id=f"du_{number - 1}",
                    )
                )
            else:
                kept.append(line(step, -amount, transaction_id=name))
            row = payment_of(world)
            assert row.refunded_minor + row.disputed_minor <= row.captured_minor, seed
        for posted in kept:
            payment_id = "" if posted.category in ("fee", "payout") else "PY-1"
            for _ in range(2):  # read twice
                for one in events(post(world, posted, payment_id)):
                    held["PSP"] += lines_of(one).get(PSP, 0)
            row = payment_of(world)
            assert row.refunded_minor + row.disputed_minor <= row.captured_minor, seed
        assert held["PSP"] == sum(one.net_minor for one in kept), seed
        assert all(case.is_open for _, case in world.rows(CASES))
