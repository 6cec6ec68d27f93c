"""What the clock does about bills in a whole ledger: retries by every means, months, ends."""

from collections.abc import Iterator

import pytest

from ledger.domain.blocks import DRIVER_BLOCKS
from ledger.domain.money.dunning import RunDunning
from ledger.domain.money.invoice_policy import BillingTerms, SetBillingPolicy
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.payments import PlanCharge
from ledger.domain.money.payments_calls import SendCall
from ledger.domain.money.payments_rows import CARD_PAYMENTS, PAYMENT_CALLS, Told
from ledger.domain.money.payments_told import TellAnswer, TellCard, TellPayment
from ledger.domain.money.pending import TopUpWallet
from ledger.domain.money.plans import ALLOWANCES, PlanTerms, PublishPlan
from ledger.domain.money.promos import PROMOS, GrantPromo
from ledger.domain.money.subscriptions import BeginSubscription, EndSubscription
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor, Command
from ledger.runtime.dunning import collect_issued, collecting, run_dunning
from ledger.runtime.invoice_view import invoice_view
from ledger.runtime.ledger import Ledger
from ledger.runtime.settling import close_period
from ledger.runtime.timers import run_timers
from ledger.runtime.verify import verify
from tests.support.ledgers import asking, sqlite_url
from tests.support.town import MARCH, new_town

FINANCE = Actor("FI-1", "finance", "FI-2")
SYSTEM = Actor("SYS", "system")
APRIL = MARCH + 31 * DAY
DUE = APRIL + 14 * DAY
INVOICE = "MG1-INV-2024-000001"


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    """Build a town whose drivers were invoiced for March."""
    with new_town(sqlite_url(tmp_path)) as town:
        close_period(town, "2024-03", actor=FINANCE, at=APRIL)
        yield town


def do(ledger: Ledger, command: Command, at: int = APRIL, actor: Actor = FINANCE) -> None:
    receipt = ledger.execute_all([asking(command, repr(command), actor=actor, at=at)])[0]
    assert receipt.refusal is None, receipt.refusal


def row_of(ledger: Ledger) -> Invoice:
    with ledger.reading() as reads:
        row = reads.row(INVOICES, INVOICE)
        verify(reads, deep=True)
    assert row is not None
    return row


def promo(name: str, amount_minor: int, expires_at: int = 0) -> GrantPromo:
    return GrantPromo(
        promo_id=name,
        driver_id="DR-1",
        currency="EUR",
        amount_minor=amount_minor,
        reason="sorry",
        expires_at=expires_at,
    )


def top_up(amount_minor: int) -> TopUpWallet:
    return TopUpWallet(
        payment_id="TOP-1", driver_id="DR-1", currency="EUR", amount_minor=amount_minor
    )


def test_a_retry_asks_promos_the_wallet_and_the_card_for_what_is_left(ledger):
    do(ledger, promo("PR-LATE", 100))
    do(ledger, promo("PR-SOON", 50, expires_at=DUE + 30 * DAY))
    do(ledger, top_up(300))
    do(ledger, TellCard(driver_id="DR-1", payer="cus_1", card="pm_1"), actor=SYSTEM)
    ran = run_dunning(ledger, DUE + DAY + HOUR, SYSTEM)
    assert ran.done == {"PayFromCredit": 1, "PlanCharge": 1, "RunDunning": 2}
    row = row_of(ledger)
    assert (row.paid_minor, row.open_minor, row.state) == (450, 481, "overdue")
    with ledger.reading() as reads:
        kinds = [(one.kind, one.ref) for one in invoice_view(reads, INVOICE).settled]
        planned = [payment for _, payment in reads.rows(CARD_PAYMENTS)]
    assert kinds == [("promo.used", "PR-SOON"), ("promo.used", "PR-LATE"), ("wallet.spent", "")]
    assert [(one.amount_minor, one.invoice_no) for one in planned] == [(481, INVOICE)]
    assert run_dunning(ledger, DUE + DAY + HOUR, SYSTEM).done == {}


def test_what_the_policy_does_not_name_is_not_asked(ledger):
    do(ledger, promo("PR-1", 100))
    do(ledger, top_up(300))
    do(ledger, SetBillingPolicy(terms=BillingTerms(means=("card",))))
    with ledger.reading() as reads:
        row = reads.row(INVOICES, INVOICE)
        assert row is not None
        assert list(collecting(reads, row, APRIL, "first")) == []
    do(ledger, SetBillingPolicy(terms=BillingTerms()), APRIL + 1)
    with ledger.reading() as reads:
        assert len(list(collecting(reads, row, APRIL, "first"))) == 1


def test_an_invoice_that_a_wallet_pays_in_whole_needs_no_card(ledger):
    do(ledger, top_up(5_000))
    do(ledger, TellCard(driver_id="DR-1", payer="cus_1", card="pm_1"), actor=SYSTEM)
    ran = run_timers(ledger, DUE + DAY + HOUR, SYSTEM)
    assert ran.done == {"PayFromCredit": 1, "RunDunning": 2}
    assert row_of(ledger).state == "paid"
    with ledger.reading() as reads:
        row = reads.row(INVOICES, INVOICE)
        assert row is not None
        assert list(collecting(reads, row, DUE, "again")) == []


def test_a_driver_is_blocked_after_two_weeks_and_free_again_once_he_paid(ledger):
    for day in (1, 3, 7, 14):
        run_dunning(ledger, DUE + day * DAY + HOUR, SYSTEM)
    with ledger.reading() as reads:
        block = reads.row(DRIVER_BLOCKS, "DR-1")
    assert block is not None
    assert block.reasons == (f"unpaid {INVOICE}",)
    do(ledger, top_up(5_000), DUE + 15 * DAY)
    with ledger.reading() as reads:
        row = reads.row(INVOICES, INVOICE)
        assert row is not None
        (pay,) = collecting(reads, row, DUE + 15 * DAY, "by hand")
    do(ledger, pay, DUE + 15 * DAY)
    assert run_dunning(ledger, DUE + 15 * DAY, SYSTEM).done == {"RunDunning": 1}
    with ledger.reading() as reads:
        block = reads.row(DRIVER_BLOCKS, "DR-1")
    assert block is not None
    assert block.reasons == ()


def test_months_are_invoiced_and_end_by_the_clock_alone(ledger):
    plan = PlanTerms(
        currency="EUR",
        country="FR",
        zone="Europe/Paris",
        price_minor=3_000,
        unit="SWAP",
        quantity=10,
        valid_from_at=0,
    )
    do(ledger, PublishPlan(plan_id="PL-1", terms=plan))
    begin = BeginSubscription(
        driver_id="DR-2", contract_id="SUB-1", plan_id="PL-1", first_on="2024-04-16"
    )
    do(ledger, begin, APRIL + DAY)
    do(ledger, promo("PR-1", 100, expires_at=APRIL + 40 * DAY))
    do(ledger, EndSubscription(driver_id="DR-2", last_period="2024-05"), APRIL + DAY)
    ran = run_dunning(ledger, APRIL + 62 * DAY, SYSTEM)
    assert (ran.done["InvoiceSubscription"], ran.done["EndAllowance"]) == (2, 2)
    assert ran.done["ExpirePromo"] == 1
    with ledger.reading() as reads:
        months = [row for _, row in reads.rows(ALLOWANCES, listed="DR-2")]
        assert [(row.total_minor, row.recognised_minor, row.is_over) for row in months] == [
            (1_500, 1_500, True),
            (3_000, 3_000, True),
        ]
        assert [row.is_over for _, row in reads.rows(PROMOS)] == [True]
    row_of(ledger)


def test_invoices_are_collected_at_their_issue_where_the_policy_says_so(tmp_path):
    with new_town(sqlite_url(tmp_path)) as town:
        do(town, SetBillingPolicy(terms=BillingTerms(collects_at_issue=True)), MARCH)
        do(town, top_up(300), MARCH)
        do(town, TellCard(driver_id="DR-1", payer="cus_1", card="pm_1"), MARCH, SYSTEM)
        close_period(town, "2024-03", actor=FINANCE, at=APRIL)
        row = row_of(town)
        assert (row.paid_minor, row.open_minor) == (300, 631)
        with town.reading() as reads:
            planned = [payment for _, payment in reads.rows(CARD_PAYMENTS)]
            due = reads.row(INVOICES, INVOICE)
        assert [(one.amount_minor, one.invoice_no) for one in planned] == [(631, INVOICE)]
        assert due is not None
        again = collect_issued(town, [INVOICE], APRIL, SYSTEM)
        assert (again.asked, again.done) == (1, {})


def test_without_that_policy_an_invoice_waits_for_its_due_date(ledger):
    do(ledger, top_up(300))
    assert collect_issued(ledger, [INVOICE], APRIL, SYSTEM).asked == 0


def test_a_network_that_is_only_looked_at_is_never_dunned(ledger):
    do(ledger, SetBillingPolicy(terms=BillingTerms(duns=False)))
    for day in (1, 14, 90):
        assert run_dunning(ledger, DUE + day * DAY + HOUR, SYSTEM).asked == 0
    do(ledger, RunDunning(invoice_no=INVOICE), DUE + 100 * DAY)
    assert row_of(ledger).state == "issued"


def test_what_a_driver_did_not_confirm_within_a_day_is_given_up(ledger):
    do(ledger, TellCard(driver_id="DR-1", payer="cus_1", card="pm_1"), actor=SYSTEM)
    charge = PlanCharge(
        payment_id="PY-1",
        driver_id="DR-1",
        invoice_no=INVOICE,
        currency="EUR",
        amount_minor=931,
    )
    do(ledger, charge)
    key = f"inv:{INVOICE}:charge:1"
    with ledger.reading() as reads:
        call = reads.row(PAYMENT_CALLS, key)
    assert call is not None
    do(ledger, SendCall(call_key=key, body_sha256=call.body.digest), actor=SYSTEM)
    needs = Told("pi_1", "needs_action", amount_minor=931, currency="EUR", url="https://pay.test")
    do(ledger, TellAnswer(call_key=key, told=needs), actor=SYSTEM)
    assert run_dunning(ledger, APRIL + DAY - 1, SYSTEM).done == {}
    assert run_dunning(ledger, APRIL + DAY, SYSTEM).done == {"ReleaseReserved": 1}
    assert run_dunning(ledger, APRIL + DAY + 1, SYSTEM).asked == 0  # the provider was asked
    gone = TellPayment(payment_id="PY-1", told=Told("pi_1", "cancelled"))
    do(ledger, gone, APRIL + DAY + 2, SYSTEM)
    assert run_dunning(ledger, APRIL + 2 * DAY, SYSTEM).asked == 0
    assert row_of(ledger).needs_action is False
