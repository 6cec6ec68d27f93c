"""What the driver door says and takes about bills: receipts of swaps, disputes, invoices.

Amounts are minor units of the `currency` beside them. What is not known or not applicable is
missing in an answer, never null.
"""

from typing import Annotated, Literal

import msgspec

from partner_api.driver.bodies_money import Id, Text

DisputeCode = Literal["quantity", "price", "time", "not_mine", "condition", "other"]

# Receipts ---------------------------------------------------------------------


class PackSideOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pack that went in or out of a swap, as it was read then."""

    pack_id: str
    at: str
    position: int
    slot: str = ""
    soc_bp: int | None = None
    soh_bp: int | None = None
    stored_wh: int | None = None
    evidence_level: int | None = None
    signature: str = ""


class ReceiptLineOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a bill, net of tax.

    `kind` is the component in lower case; `quantity` counts `unit` as it was delivered,
    `billed_quantity` as the tariff bills it (its minimum). `unit_price` is a decimal string for one
    kWh, swap, minute, day, month or piece. `text` says it in English; the app has its own words.
    """

    line_id: str
    kind: str
    text: str
    quantity: int
    billed_quantity: int
    unit: str
    unit_price: str
    net_minor: int
    tax_category: str
    tax_rate: str
    tariff_version: int
    formula: str
    begin_at: str
    end_at: str
    is_minimum: bool = False
    is_allowance: bool = False
    is_fee: bool = False
    gross_minor: int | None = None
    promo: str = ""
    time_band: str = ""
    disputed: bool = False


class TaxOut(msgspec.Struct, frozen=True):
    """The tax of a category at a rate (decimal string, percent)."""

    category: str
    rate: str
    net_minor: int
    tax_minor: int


class ReceiptPaymentOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What paid, or was paid back (then below zero): ``card``, ``wallet``, ``promo``, ``deposit``.

    Further kinds may come; `on` is a day.
    """

    kind: str
    on: str
    amount_minor: int
    ref: str = ""


class BillCorrectionOut(msgspec.Struct, frozen=True):
    """A bill was corrected later: when, why, and by how much (net; above zero: more to pay)."""

    at: str
    why: str
    difference_minor: int
    position: int


class SubstituteOut(msgspec.Struct, frozen=True):
    """A reading was missing; the estimate that stands for it, and its bound (Wh)."""

    method: str
    value_wh: int
    cap_wh: int


class DisputedLineOut(msgspec.Struct, frozen=True):
    """A line that is disputed, and the case in which it is looked at."""

    line_id: str
    case_id: str
    code: str
    state: str


class ReceiptRowOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A receipt in the list."""

    swap_id: str
    state: str
    at: str
    station_id: str
    energy_wh: int
    currency: str = ""
    total_minor: int = 0
    invoice_id: str = ""
    is_corrected: bool = False
    is_disputed: bool = False


class ReceiptsOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Receipts, newest first."""

    items: list[ReceiptRowOut]
    next_cursor: str = ""


class ReceiptOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """The bill of a swap: ``PENDING`` (not priced yet), ``UNBILLED`` or ``PRICED``.

    `total_minor` is with tax and rounding. `entry_hash` is that of the entry that priced it
    (base64), at `position` of the log. `seller` is named where it is not us who sold.
    """

    swap_id: str
    state: str
    station_id: str
    at: str
    local_time: str
    zone: str
    energy_wh: int
    packs_in: list[PackSideOut]
    packs_out: list[PackSideOut]
    lines: list[ReceiptLineOut]
    tax: list[TaxOut]
    payments: list[ReceiptPaymentOut]
    corrections: list[BillCorrectionOut]
    disputed_lines: list[DisputedLineOut]
    booking_id: str = ""
    currency: str = ""
    net_minor: int = 0
    tax_minor: int = 0
    rounding_minor: int = 0
    total_minor: int = 0
    tariff_id: str = ""
    reason: str = ""
    substitute: SubstituteOut | None = None
    price_shift_s: int = 0
    invoice_id: str = ""
    position: int | None = None
    entry_hash: str = ""
    proof_url: str = ""
    html_url: str = ""
    pdf_url: str = ""
    seller: str = ""


class DisputeLinesIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines of a receipt that are not right, why, and files that were sent before."""

    lines: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=50)]
    code: DisputeCode
    text: Text
    files: Annotated[tuple[Id, ...], msgspec.Meta(max_length=10)] = ()


class LinesDisputedOut(msgspec.Struct, frozen=True):
    """The case in which they are looked at; they need not be paid meanwhile."""

    case_id: str
    lines: list[str]
    position: int


# Invoices ---------------------------------------------------------------------


class InvoiceRowOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """An invoice in the list.

    ``ISSUED``, ``PART_PAID``, ``PAID``, ``NEEDS_ACTION``, ``OVERDUE``, ``CREDITED`` or
    ``UNCOLLECTABLE``.
    """

    invoice_id: str
    number: str
    state: str
    issued_on: str
    due_on: str
    currency: str
    total_minor: int
    paid_minor: int
    open_minor: int
    kind: str
    period: str = ""
    seller: str = ""


class InvoicesOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Invoices, newest first."""

    items: list[InvoiceRowOut]
    next_cursor: str = ""


class InvoiceLineOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of an invoice, net of tax; energy also as `quantity_wh`."""

    line_id: str
    kind: str
    text: str
    quantity: int
    unit: str
    unit_price: str
    net_minor: int
    tax_category: str
    tax_rate: str
    service_period: list[str]
    quantity_wh: int | None = None
    swap_id: str = ""
    tariff_version: int | None = None


class CreditNoteOut(msgspec.Struct, frozen=True):
    """A note that takes some of an invoice back, or all (with tax)."""

    number: str
    issued_on: str
    total_minor: int


class InvoiceOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """An invoice, and how it stands; `seller` is named where it is not us who sold."""

    invoice_id: str
    number: str
    state: str
    kind: str
    issued_on: str
    due_on: str
    currency: str
    period: str
    lines: list[InvoiceLineOut]
    tax: list[TaxOut]
    net_minor: int
    rounding_minor: int
    total_minor: int
    paid_minor: int
    credited_minor: int
    open_minor: int
    disputed_minor: int
    payments: list[ReceiptPaymentOut]
    credit_notes: list[CreditNoteOut]
    formats: list[str]
    position: int
    seller: str = ""
