"""Every row of the posting templates (money handbook 4) as the product makes it, with its amounts.

One row is one entry: its name, the lines that the handbook prints for it (``Dr`` or ``Cr``, code of
the account, amount in major units), and the postings. A new template gets a new row here.
"""

from typing import NamedTuple

from ledger.domain.money import templates as drivers
from ledger.domain.money import templates_assets as assets
from ledger.domain.money import templates_bank as bank
from ledger.domain.money import templates_credit as credit
from ledger.domain.money import templates_partners as partners
from ledger.domain.money import templates_payments as payments
from ledger.domain.money.accounts import PSP, RECEIVABLE, WALLETS_PAID_IN
from ledger.domain.money.bank_rows import Match
from ledger.kernel.postings import Posting, move_pack, pair


class TemplateRow(NamedTuple):
    """One row: what the handbook prints, and what the product makes."""

    name: str
    printed: str
    postings: tuple[Posting, ...]


DRIVER = {"driver": "DR-1"}
BILL = {"driver": "DR-1", "invoice": "IN-1"}
PAID = {"driver": "DR-1", "payment": "PI-1"}
SHARED = {"swap": "SW-1", "share_rule_version": "CO-1/1"}
PARTNER = {"partner": "OP-1"}
STATEMENT = {"partner": "OP-1", "statement": "ST-1"}
PAYOUT = {"partner": "OP-1", "payout": "PO-1"}
APPROVED = ("Liabilities:Partners:Approved", "OP-1")
PARTS = (("ST-1", 8_449),)
VAT = "DE-S-1900"
INCOME = {
    ("Income:Energy", "T-1/1"): 1_501,
    ("Income:Swap-Service", "T-1/1"): 500,
    ("Income:Booking-Fees", "T-1/1"): 100,
}
AT_BANK = bank.AtBank("Assets:Bank:Operating", "BA-1", "BL-1")
PACK = {"pack": "PK-1"}
OWED = partners.owed_again("EUR", APPROVED, PARTS)


def reserved(debit: str) -> tuple[Posting, ...]:
    """What a pending posting would move when all of it is taken."""
    return pair("EUR", 3_000, debit=debit, credit=RECEIVABLE, dims=DRIVER)


def settles(account: str, minor: int, dims: dict[str, str]) -> Match:
    """What a line of a bank settles."""
    return Match("reference", account, minor, dims)


ROWS: tuple[TemplateRow, ...] = (
    TemplateRow("pending.card", "Dr 1020 30.00; Cr 1100 30.00", reserved(PSP)),
    TemplateRow("pending.wallet", "Dr 2200 30.00; Cr 1100 30.00", reserved(WALLETS_PAID_IN)),
    TemplateRow(
        "swap.billed",
        "Dr 1100 25.00; Cr 4000 15.01; Cr 4010 5.00; Cr 4020 1.00; Cr 2400 3.99",
        # in two entries of one command: what is earned, and the invoice over it
        drivers.usage_accrued("EUR", INCOME, DRIVER)
        + drivers.invoice_issued("EUR", 2_101, [(VAT, 399)], BILL),
    ),
    TemplateRow(
        "usage.accrued",
        "Dr 1120 21.01; Cr 4000 15.01; Cr 4010 5.00; Cr 4020 1.00",
        drivers.usage_accrued("EUR", INCOME, DRIVER),
    ),
    TemplateRow(
        "invoice.issued",
        "Dr 1100 25.00; Cr 1120 21.01; Cr 2400 3.99",
        drivers.invoice_issued("EUR", 2_101, [(VAT, 399)], BILL),
    ),
    TemplateRow(
        "invoice.rounding",
        "Dr 1100 10.18; Cr 4010 8.55; Cr 2400 1.62; Cr 5090 0.01",
        drivers.usage_accrued("EUR", {("Income:Swap-Service", "T-1/1"): 855}, DRIVER)
        + drivers.invoice_issued("EUR", 855, [(VAT, 162)], BILL)
        + credit.invoice_rounding("EUR", 1, 0, BILL),
    ),
    TemplateRow(
        "swap.energy_cost", "Dr 5000 3.48; Cr 1400 3.48", assets.energy_cost("EUR", 348, SHARED)
    ),
    TemplateRow(
        "payment.captured",
        "Dr 1020 25.00; Cr 1100 25.00",
        drivers.payment_captured("EUR", 2_500, 2_500, PAID),
    ),
    TemplateRow("psp.fee", "Dr 5020 0.63; Cr 1020 0.63", payments.psp_fee("EUR", 63, {})),
    TemplateRow(
        "psp.payout_sent",
        "Dr 1030 18.42; Cr 1020 18.42",
        payments.psp_payout_sent("EUR", 1_842, {"payout": "PO-2"}),
    ),
    TemplateRow(
        "psp.payout_arrived",
        "Dr 1010 18.42; Cr 1030 18.42",
        bank.bank_line(
            "EUR", 1_842, [settles("Assets:PSP:In-Transit", 1_842, {"payout": "PO-2"})], AT_BANK
        ),
    ),
    TemplateRow(
        "credit_note.issued",
        "Dr 4010 5.00; Dr 2400 0.95; Cr 1100 5.95",
        credit.credit_note_issued("EUR", [("Income:Swap-Service", 500, {})], [(VAT, 95)], 0, BILL),
    ),
    TemplateRow(
        "refund.paid", "Dr 1100 5.95; Cr 1020 5.95", payments.refund_paid("EUR", 595, PAID)
    ),
    TemplateRow(
        "energy.bought",
        "Dr 1400 96.00; Dr 1200 18.24; Cr 2100 114.24",
        assets.energy_bought("EUR", 9_600, (VAT, 1_824), PARTNER),
    ),
    TemplateRow(
        "v2g.sold",
        "Dr 1110 29.75; Cr 4050 25.00; Cr 2400 4.75",
        assets.v2g_sold("EUR", 2_500, (VAT, 475), PARTNER),
    ),
    TemplateRow("v2g.cost", "Dr 5000 8.35; Cr 1400 8.35", assets.energy_cost("EUR", 835, {})),
    TemplateRow(
        "share.accrued",
        "Dr 5010 2.40; Cr 2100 1.80; Cr 2100 0.60",
        drivers.share_accrued("EUR", [("OP-1", 180), ("SV-1", 60)], SHARED),
    ),
    TemplateRow(
        "share.reduced",
        "Dr 2100 1.50; Dr 2100 0.50; Cr 5010 2.00",
        credit.share_reduced("EUR", {"OP-1": 150, "SV-1": 50}, SHARED),
    ),
    TemplateRow(
        "agent.sale",
        "Dr 1100 25.00; Cr 2100 22.02; Cr 4060 2.50; Cr 2400 0.48",
        partners.agent_sale("EUR", 2_500, 250, (VAT, 48), {**DRIVER, **PARTNER}),
    ),
    TemplateRow(
        "agent.usage",
        "Dr 1120 21.01; Cr 1120 21.01",
        partners.sold_for_partner("EUR", 2_101, {**DRIVER, **PARTNER}),
    ),
    TemplateRow(
        "agent.share",
        "Dr 1120 21.01; Cr 2100 18.03; Cr 4060 2.50; Cr 2400 0.48",
        partners.agent_accrued("EUR", 2_101, 250, (VAT, 48), PARTNER),
    ),
    TemplateRow(
        "agent.invoice",
        "Dr 1100 25.00; Cr 1120 21.01; Cr 2100 3.99",
        partners.agent_invoiced("EUR", 2_500, 2_101, {**BILL, **PARTNER}),
    ),
    TemplateRow(
        "agent.credit",
        "Dr 2100 5.95; Cr 1100 5.95",
        partners.agent_credited("EUR", 595, {**BILL, **PARTNER}),
    ),
    TemplateRow(
        "agent.commission_back",
        "Dr 4060 0.60; Dr 2400 0.11; Cr 2100 0.71",
        partners.commission_reduced("EUR", 60, (VAT, 11), PARTNER),
    ),
    TemplateRow(
        "statement.approved",
        "Dr 2100 114.24; Cr 2110 114.24",
        partners.statement_approved("EUR", 11_424, STATEMENT),
    ),
    TemplateRow(
        "statement.netted",
        "Dr 2110 29.75; Cr 1110 29.75",
        partners.statement_netted("EUR", 2_975, STATEMENT),
    ),
    TemplateRow(
        "payout.instructed",
        "Dr 2110 84.49; Cr 2120 84.49",
        partners.payout_instructed("EUR", APPROVED, PARTS, PAYOUT),
    ),
    TemplateRow(
        "payout.confirmed_bank",
        "Dr 2120 84.49; Cr 1010 84.49",
        partners.payout_confirmed("EUR", 8_449, partners.at_bank("BA-1", "BL-2"), PAYOUT),
    ),
    TemplateRow(
        "payout.confirmed_stripe",
        "Dr 2120 84.49; Cr 1020 84.49",
        partners.payout_confirmed("EUR", 8_449, partners.at_processor("TX-1"), PAYOUT),
    ),
    TemplateRow(
        "payout.rejected",
        "Dr 2120 84.49; Cr 2110 84.49",
        partners.payout_rejected("EUR", APPROVED, PARTS, PAYOUT),
    ),
    TemplateRow(
        "payout.returned",
        "Dr 1010 84.49; Cr 2110 84.49; Dr 5085 3.50; Cr 1010 3.50",
        partners.payout_returned("EUR", OWED, 350, partners.at_bank("BA-1", "BL-3")),
    ),
    TemplateRow(
        "transfer.reversed",
        "Dr 1020 84.49; Cr 2110 84.49",
        partners.payout_returned("EUR", OWED, 0, partners.at_processor("TX-2")),
    ),
    TemplateRow(
        "deposit.taken", "Dr 1020 200.00; Cr 2300 200.00", credit.deposit_taken("EUR", 20_000, PAID)
    ),
    TemplateRow(
        "deposit.returned",
        "Dr 2300 50.00; Cr 1020 50.00",
        credit.deposit_returned("EUR", 5_000, PAID),
    ),
    TemplateRow(
        "deposit.applied",
        "Dr 2300 150.00; Cr 1100 150.00",
        credit.deposit_applied("EUR", 15_000, BILL),
    ),
    TemplateRow(
        "packs.capitalised",
        "Dr 1300 9000.00; Dr 1200 1710.00; Cr 2000 10710.00",
        assets.packs_capitalised("EUR", 900_000, (VAT, 171_000), {**PARTNER, **PACK}),
    ),
    TemplateRow(
        "supplier.paid",
        "Dr 2000 10710.00; Cr 2120 10710.00",
        partners.payout_instructed(
            "EUR", ("Liabilities:Suppliers", "OP-1"), (("", 1_071_000),), PAYOUT
        ),
    ),
    TemplateRow(
        "depreciation.soh",
        "Dr 5040 360.00; Cr 1390 360.00",
        assets.depreciation_soh("EUR", 36_000, PACK),
    ),
    TemplateRow(
        "packs.written_off",
        "Dr 1390 360.00; Dr 5050 8640.00; Cr 1300 9000.00; Dr 8091 1 PACK; Cr 8008 1 PACK",
        assets.packs_written_off("EUR", 900_000, 36_000, PACK)
        + move_pack("PK-1", debit="Packs:Ended:WrittenOff", credit="Packs:Missing:CA-1"),
    ),
    TemplateRow(
        "packs.recovered",
        "Dr 1300 6500.00; Cr 5050 6500.00; Dr 8000 1 PACK; Cr 8091 1 PACK",
        assets.packs_recovered("EUR", 650_000, PACK)
        + move_pack("PK-1", debit="Packs:Depot:DE-1:Received", credit="Packs:Ended:WrittenOff"),
    ),
    TemplateRow(
        "fee.late",
        "Dr 1100 11.90; Cr 4040 10.00; Cr 2400 1.90",
        drivers.fee_late("EUR", 1_000, (VAT, 190), DRIVER),
    ),
    TemplateRow(
        "fee.damage",
        "Dr 1100 150.00; Cr 4040 150.00",
        drivers.fee_late("EUR", 15_000, (VAT, 0), DRIVER),
    ),
    TemplateRow(
        "wallet.topup", "Dr 1020 50.00; Cr 2200 50.00", drivers.wallet_topped_up("EUR", 5_000, PAID)
    ),
    TemplateRow(
        "wallet.spent", "Dr 2200 25.00; Cr 1100 25.00", credit.wallet_spent("EUR", 2_500, BILL)
    ),
    TemplateRow(
        "promo.granted", "Dr 4090 5.00; Cr 2210 5.00", drivers.promo_granted("EUR", 500, DRIVER)
    ),
    TemplateRow("promo.used", "Dr 2210 5.00; Cr 1100 5.00", credit.promo_used("EUR", 500, DRIVER)),
    TemplateRow(
        "promo.expired", "Dr 2210 5.00; Cr 4090 5.00", credit.promo_expired("EUR", 500, DRIVER)
    ),
    TemplateRow(
        "chargeback.opened",
        "Dr 1150 19.05; Dr 5020 20.00; Cr 1020 39.05",
        payments.chargeback_opened("EUR", payments.DisputeParts(1_905), 2_000, PAID),
    ),
    TemplateRow(
        "chargeback.lost",
        "Dr 5070 19.05; Cr 1150 19.05",
        payments.chargeback_lost("EUR", 1_905, PAID),
    ),
    TemplateRow(
        "chargeback.won",
        "Dr 1020 19.05; Cr 1150 19.05",
        payments.chargeback_won("EUR", payments.DisputeParts(1_905), 0, PAID),
    ),
    TemplateRow(
        "subscription.invoiced",
        "Dr 1100 70.21; Cr 2220 59.00; Cr 2400 11.21",
        credit.subscription_invoiced("EUR", 5_900, [(VAT, 1_121)], {**BILL, "contract": "CO-2"}),
    ),
    TemplateRow(
        "subscription.used",
        "Dr 2220 17.70; Cr 4030 17.70",
        credit.subscription_earned("EUR", 1_770, {"contract": "CO-2"}),
    ),
    TemplateRow(
        "subscription.breakage",
        "Dr 2220 41.30; Cr 4030 41.30",
        credit.subscription_earned("EUR", 4_130, {"contract": "CO-2"}),
    ),
    TemplateRow(
        "receivable.uncollectable",
        "Dr 5060 17.70; Dr 2220 41.30; Dr 2400 11.21; Cr 1100 70.21",
        credit.receivable_uncollectable(
            "EUR", 1_770, 4_130, [(VAT, 1_121)], {**BILL, "contract": "CO-2"}
        ),
    ),
    TemplateRow(
        "suspense.received",
        "Dr 1010 77.77; Cr 2900 77.77",
        bank.bank_line("EUR", 7_777, [], AT_BANK),
    ),
    TemplateRow(
        "suspense.identified",
        "Dr 2900 29.75; Cr 1110 29.75",
        bank.suspense_identified(
            "EUR", [settles("Assets:Receivables:Partners", 2_975, STATEMENT)], "BL-1"
        ),
    ),
    TemplateRow(
        "fx.bought",
        "Dr 1010 7800.00 CNY; Cr 3900 7800.00 CNY; Dr 3900 1000.00; Cr 1010 1000.00",
        assets.fx_bought(
            ("CNY", 780_000),
            ("EUR", 100_000),
            {"bank_account": "BA-1", "currency_pair": "CNY-EUR"},
        ),
    ),
    TemplateRow(
        "bank.charge",
        "Dr 5085 3.50; Cr 1010 3.50",
        bank.bank_line("EUR", -350, [settles("Expenses:Bank-Charges", -350, {})], AT_BANK),
    ),
    TemplateRow(
        "rounding.accepted",
        "Dr 5090 0.01; Cr 1110 0.01",
        bank.rounding_accepted("EUR", 1, "Assets:Receivables:Partners", STATEMENT),
    ),
)
