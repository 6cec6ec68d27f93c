"""Posting templates of partners: statements, netting, payouts, sales as their agent (money 4).

Every function is pure and gives lines that sum to zero in each currency; amounts are minor units.
"""

from collections.abc import Iterable

from ledger.domain.money.accounts import (
    OUTPUT_VAT,
    PARTNERS_ACCRUED,
    PSP,
    RECEIVABLE,
    UNBILLED,
)
from ledger.kernel.postings import Posting, negate, pair

BANK = "Assets:Bank:Operating"
PARTNERS_OWE = "Assets:Receivables:Partners"
INPUT_VAT = "Assets:Tax:Input-VAT"
SUPPLIERS = "Liabilities:Suppliers"
PARTNERS_APPROVED = "Liabilities:Partners:Approved"
IN_FLIGHT = "Liabilities:Partners:Payout-In-Flight"
COMMISSION = "Income:Commission"
BANK_CHARGES = "Expenses:Bank-Charges"

Dims = dict[str, str]
Parts = Iterable[tuple[str, int]]
"""Amounts of a payout by statement."""


def _lines(*lines: Posting) -> tuple[Posting, ...]:
    return tuple(line for line in lines if line.quantity)


def statement_approved(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Owe for sure what was accrued: Dr accrued (by partner), Cr approved (by statement).

    Below zero the partner owes us: Dr partners' receivables by statement, Cr accrued.
    """
    partner = {"partner": dims["partner"]}
    target = PARTNERS_APPROVED if amount_minor >= 0 else PARTNERS_OWE
    return _lines(
        Posting(PARTNERS_ACCRUED, currency, amount_minor, partner),
        Posting(target, currency, -amount_minor, dims),
    )


def partner_owes(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Have what a partner owes us stand under the statement that says so, both on receivables."""
    return _lines(
        Posting(PARTNERS_OWE, currency, amount_minor, dims),
        Posting(PARTNERS_OWE, currency, -amount_minor, {"partner": dims["partner"]}),
    )


def statement_netted(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Set what we owe against what the partner owes us: Dr approved, Cr partners' receivables."""
    return pair(currency, amount_minor, debit=PARTNERS_APPROVED, credit=PARTNERS_OWE, dims=dims)


def _payable(owed_to: tuple[str, str], statement: str) -> Dims:
    """Give the dimensions under which a payable is kept: suppliers have no statement."""
    account, partner = owed_to
    named = {"partner": partner}
    return named | ({"statement": statement} if account == PARTNERS_APPROVED else {})


def owed_again(currency: str, owed_to: tuple[str, str], parts: Parts) -> tuple[Posting, ...]:
    """Give the credits that open payables by (account, partner) again, statement by statement."""
    return _lines(
        *(Posting(owed_to[0], currency, -amount, _payable(owed_to, name)) for name, amount in parts)
    )


def payout_instructed(
    currency: str, owed_to: tuple[str, str], parts: Parts, payout: Dims
) -> tuple[Posting, ...]:
    """Have money on its way: Dr what was owed, by statement, Cr in flight, by payout."""
    owed = negate(owed_again(currency, owed_to, parts))
    total = sum(line.quantity for line in owed)
    return _lines(*owed, Posting(IN_FLIGHT, currency, -total, payout))


def payout_rejected(
    currency: str, owed_to: tuple[str, str], parts: Parts, payout: Dims
) -> tuple[Posting, ...]:
    """Owe again what never left: Dr in flight, Cr what was owed."""
    return negate(payout_instructed(currency, owed_to, parts, payout))


def payout_confirmed(
    currency: str, amount_minor: int, paid_from: tuple[str, Dims], payout: Dims
) -> tuple[Posting, ...]:
    """See a payout leave: Dr in flight, Cr the bank account or the balance at the processor."""
    account, dims = paid_from
    return _lines(
        Posting(IN_FLIGHT, currency, amount_minor, payout),
        Posting(account, currency, -amount_minor, dims),
    )


def payout_returned(
    currency: str, owed: tuple[Posting, ...], fee_minor: int, bank: tuple[str, Dims]
) -> tuple[Posting, ...]:
    """Have a payout back: Dr bank (or processor), Cr what was owed; Dr bank charges, Cr bank.

    `owed` are the credits that open the payables again; the fee is never hidden in the amount.
    """
    account, dims = bank
    total = -sum(line.quantity for line in owed)
    return _lines(
        Posting(account, currency, total, dims),
        *owed,
        Posting(BANK_CHARGES, currency, fee_minor, dims),
        Posting(account, currency, -fee_minor, dims),
    )


def at_processor(psp_txn: str) -> tuple[str, Dims]:
    """Name the balance at the payment processor, by its transaction."""
    return PSP, {"psp_txn": psp_txn}


def at_bank(bank_account: str, bank_line: str, kept_on: str = "") -> tuple[str, Dims]:
    """Name a bank account of ours, by the line of its statement, and where our books keep it."""
    return kept_on or BANK, {"bank_account": bank_account, "bank_line": bank_line}


def agent_sale(
    currency: str, gross_minor: int, commission_minor: int, tax: tuple[str, int], dims: Dims
) -> tuple[Posting, ...]:
    """Sell in a partner's name: Dr receivable, Cr accrued (his part), Cr commission, Cr its VAT.

    `tax` is the code and the amount of the VAT on our commission; `dims` name driver and partner.
    """
    code, tax_minor = tax
    driver, partner = _apart(dims)
    return _lines(
        Posting(RECEIVABLE, currency, gross_minor, driver),
        Posting(PARTNERS_ACCRUED, currency, commission_minor + tax_minor - gross_minor, partner),
        Posting(COMMISSION, currency, -commission_minor, partner),
        Posting(OUTPUT_VAT, currency, -tax_minor, {**partner, "tax_code": code}),
    )


def sold_for_partner(currency: str, net_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Rate what a partner sold: Dr unbilled (by driver), Cr unbilled (by partner).

    His share of the same usage takes it from there at once. `dims` name driver and partner.
    """
    driver, partner = _apart(dims)
    return _lines(
        Posting(UNBILLED, currency, net_minor, driver),
        Posting(UNBILLED, currency, -net_minor, partner),
    )


def agent_accrued(
    currency: str, net_minor: int, commission_minor: int, tax: tuple[str, int], dims: Dims
) -> tuple[Posting, ...]:
    """Owe a partner his sale: Dr unbilled (by partner), Cr accrued, Cr commission, Cr its VAT."""
    code, tax_minor = tax
    return _lines(
        Posting(UNBILLED, currency, net_minor, dims),
        Posting(PARTNERS_ACCRUED, currency, commission_minor + tax_minor - net_minor, dims),
        Posting(COMMISSION, currency, -commission_minor, dims),
        Posting(OUTPUT_VAT, currency, -tax_minor, {**dims, "tax_code": code}),
    )


def agent_invoiced(
    currency: str, payable_minor: int, accrued_minor: int, dims: Dims
) -> tuple[Posting, ...]:
    """Invoice in a partner's name: Dr receivable, Cr unbilled, Cr accrued (his VAT)."""
    driver, partner = _apart(dims)
    return _lines(
        Posting(RECEIVABLE, currency, payable_minor, driver),
        Posting(UNBILLED, currency, -accrued_minor, driver),
        Posting(PARTNERS_ACCRUED, currency, accrued_minor - payable_minor, partner),
    )


def agent_credited(currency: str, amount_minor: int, dims: Dims) -> tuple[Posting, ...]:
    """Credit in a partner's name: Dr accrued (net and VAT), Cr receivable."""
    driver, partner = _apart(dims)
    return _lines(
        Posting(PARTNERS_ACCRUED, currency, amount_minor, partner),
        Posting(RECEIVABLE, currency, -amount_minor, driver),
    )


def commission_reduced(
    currency: str, commission_minor: int, tax: tuple[str, int], dims: Dims
) -> tuple[Posting, ...]:
    """Give commission back for what was credited: Cr accrued, Dr commission, Dr its VAT."""
    code, tax_minor = tax
    return _lines(
        Posting(PARTNERS_ACCRUED, currency, -commission_minor - tax_minor, dims),
        Posting(COMMISSION, currency, commission_minor, dims),
        Posting(OUTPUT_VAT, currency, tax_minor, {**dims, "tax_code": code}),
    )


def _apart(dims: Dims) -> tuple[Dims, Dims]:
    """Give the dimensions of a driver's lines, and those of a partner's."""
    driver = {name: value for name, value in dims.items() if name != "partner"}
    return driver, {name: value for name, value in dims.items() if name != "driver"}


def input_vat(currency: str, tax_minor: int, code: str, dims: Dims) -> tuple[Posting, ...]:
    """Owe a partner the VAT of what he supplied, by an invoice: Dr input VAT, Cr accrued."""
    return pair(
        currency,
        tax_minor,
        debit=INPUT_VAT,
        credit=PARTNERS_ACCRUED,
        dims={**dims, "tax_code": code},
    )
