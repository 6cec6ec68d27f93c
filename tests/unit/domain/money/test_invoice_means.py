"""What pays an invoice beside a card: promos, then the wallet, in the order of the policy."""

import pytest

from ledger.domain.money.accounts import check_chart, item_of
from ledger.domain.money.invoice_means import (
    PROMOS_MAX,
    PayFromCredit,
    WalletSpent,
    follows,
    postings,
)
from ledger.domain.money.invoice_policy import BillingTerms, SetBillingPolicy
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.pending import ReserveMoney
from ledger.domain.money.pending_rows import WALLETS
from ledger.domain.money.promos import PROMOS
from ledger.domain.world import World
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.owing import INVOICE, JUNE, owing, pay, promo, top_up
from tests.support.rules import act, events


def ask(*promo_ids: str, amount_minor: int = 0, driver_id: str = "DR-1") -> PayFromCredit:
    return PayFromCredit(
        invoice_no=INVOICE, driver_id=driver_id, promo_ids=promo_ids, amount_minor=amount_minor
    )


def paid(world: World, command: PayFromCredit) -> list[tuple[str, int]]:
    return [(event.kind, event.amount_minor) for event in events(act(world, command, at=JUNE))]


def test_promos_pay_first_then_the_wallet():
    world = owing()
    top_up(world, 1700)
    events(act(world, promo()))
    events(act(world, promo("PR-2", amount_minor=100)))
    assert paid(world, ask("PR-2", "PR-1")) == [
        ("promo.used", 100),
        ("promo.used", 500),
        ("wallet.spent", 1700),
    ]
    invoice = world.need(INVOICES, INVOICE)
    assert (invoice.paid_minor, invoice.open_minor, invoice.state) == (2300, 200, "part_paid")
    assert world.need(WALLETS, "DR-1|EUR").available_minor == 0
    assert world.need(PROMOS, "DR-1|PR-1").left_minor(0) == 0
    assert paid(world, ask("PR-1")) == []


def test_no_more_is_taken_than_is_open():
    world = owing()
    top_up(world, 9000)
    pay(world, 2000)
    assert paid(world, ask(amount_minor=100)) == [("wallet.spent", 100)]
    assert paid(world, ask(amount_minor=10**6)) == [("wallet.spent", 400)]
    assert (world.need(INVOICES, INVOICE).state, paid(world, ask())) == ("paid", [])


def test_reserved_money_stays_in_the_wallet():
    world = owing()
    top_up(world, 1000)
    reserve = ReserveMoney(
        pending_id="PD-1",
        driver_id="DR-1",
        means="wallet",
        currency="EUR",
        amount_minor=700,
        expires_at=JUNE + 10,
    )
    events(act(world, reserve, at=JUNE))
    assert paid(world, ask()) == [("wallet.spent", 300)]


def test_a_promo_past_its_time_pays_nothing():
    world = owing()
    events(act(world, promo(expires_at=JUNE)))
    assert paid(world, ask("PR-1")) == []


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        (("wallet", "promo"), [("wallet.spent", 600), ("promo.used", 500)]),
        (("promo", "card"), [("promo.used", 500)]),
        (("card",), []),
    ],
)
def test_the_order_of_the_means_is_policy(means, expected):
    world = owing()
    top_up(world, 600)
    events(act(world, promo()))
    events(act(world, SetBillingPolicy(terms=BillingTerms(means=means))))
    assert paid(world, ask("PR-1")) == expected


def test_the_wallet_pays_the_invoice_in_the_books():
    event = WalletSpent(driver_id="DR-1", invoice_no=INVOICE, currency="EUR", amount_minor=2500)
    lines = postings(event)
    check_zero(lines)
    assert check_chart(lines) is None
    assert [(one.account, one.quantity, item_of(one)) for one in lines] == [
        ("Liabilities:Wallets:Paid-In", 2500, "DR-1"),
        ("Assets:Receivables:Drivers", -2500, f"DR-1|{INVOICE}"),
    ]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (PayFromCredit(invoice_no="X-1", driver_id="DR-1"), RefusalCode.INVOICE_UNKNOWN),
        (ask(driver_id="DR-2"), RefusalCode.INVOICE_UNKNOWN),
        (ask("PR-1", "PR-1"), RefusalCode.PROMO_FIELD_INVALID),
        (ask(*(f"PR-{n}" for n in range(PROMOS_MAX + 1))), RefusalCode.PROMO_FIELD_INVALID),
        (ask(amount_minor=-1), RefusalCode.QUANTITY_OUT_OF_RANGE),
        (ask("PR-9"), RefusalCode.PROMO_UNKNOWN),
        (ask("PR-GBP"), RefusalCode.PROMO_UNKNOWN),
    ],
)
def test_what_cannot_pay_is_refused(command, code):
    world = owing()
    events(act(world, promo()))
    events(act(world, promo("PR-GBP", currency="GBP")))
    refusal = act(world, command)
    assert isinstance(refusal, Refusal)
    assert refusal.code is code


def test_the_wallet_is_read_in_the_currency_of_the_invoice():
    world = World()
    nobody: dict[str, Invoice | None] = {INVOICE: None}
    world.admit(INVOICES, nobody)
    assert follows(world, ask()) == ()
    known = [key for _, key in follows(owing(), ask())]
    assert known == ["DR-1|EUR"]
