"""What the driver door says of bills: receipts of swaps, disputes of lines, invoices.

A member with a default may be missing: then it is not known, or does not apply.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PackSide:
    """A pack that went in or out of a swap, as it was read then."""

    pack_id: str
    at: datetime
    position: int
    slot: str = ""
    soc_bp: int | None = None
    soh_bp: int | None = None
    stored_wh: int | None = None
    evidence_level: int | None = None
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One line of a bill, net of tax."""

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
    begin_at: datetime
    end_at: datetime
    is_minimum: bool = False
    is_allowance: bool = False
    is_fee: bool = False
    gross_minor: int | None = None
    promo: str = ""
    time_band: str = ""
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class Tax:
    """The tax of a category at a rate (decimal string, percent)."""

    category: str
    rate: str
    net_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class ReceiptPayment:
    """What paid, or was paid back (then below zero)."""

    kind: str
    on: str
    amount_minor: int
    ref: str = ""


@dataclass(frozen=True, slots=True)
class BillCorrection:
    """A bill was corrected later."""

    at: datetime
    why: str
    difference_minor: int
    position: int


@dataclass(frozen=True, slots=True)
class Substitute:
    """A reading was missing."""

    method: str
    value_wh: int
    cap_wh: int


@dataclass(frozen=True, slots=True)
class DisputedLine:
    """A line that is disputed, and the case in which it is looked at."""

    line_id: str
    case_id: str
    code: str
    state: str


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A receipt in the list."""

    swap_id: str
    state: str
    at: datetime
    station_id: str
    energy_wh: int
    currency: str = ""
    total_minor: int = 0
    invoice_id: str = ""
    is_corrected: bool = False
    is_disputed: bool = False


@dataclass(frozen=True, slots=True)
class Receipts:
    """Receipts, newest first."""

    items: tuple[ReceiptRow, ...]
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The bill of a swap."""

    swap_id: str
    state: str
    station_id: str
    at: datetime
    local_time: str
    zone: str
    energy_wh: int
    packs_in: tuple[PackSide, ...]
    packs_out: tuple[PackSide, ...]
    lines: tuple[ReceiptLine, ...]
    tax: tuple[Tax, ...]
    payments: tuple[ReceiptPayment, ...]
    corrections: tuple[BillCorrection, ...]
    disputed_lines: tuple[DisputedLine, ...]
    booking_id: str = ""
    currency: str = ""
    net_minor: int = 0
    tax_minor: int = 0
    rounding_minor: int = 0
    total_minor: int = 0
    tariff_id: str = ""
    reason: str = ""
    substitute: Substitute | None = None
    price_shift_s: int = 0
    invoice_id: str = ""
    position: int | None = None
    entry_hash: str = ""
    proof_url: str = ""
    html_url: str = ""
    pdf_url: str = ""
    seller: str = ""


@dataclass(frozen=True, slots=True)
class LinesDisputed:
    """The case in which they are looked at."""

    case_id: str
    lines: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """An invoice in the list."""

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


@dataclass(frozen=True, slots=True)
class Invoices:
    """Invoices, newest first."""

    items: tuple[InvoiceRow, ...]
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line of an invoice, net of tax."""

    line_id: str
    kind: str
    text: str
    quantity: int
    unit: str
    unit_price: str
    net_minor: int
    tax_category: str
    tax_rate: str
    service_period: tuple[str, ...]
    quantity_wh: int | None = None
    swap_id: str = ""
    tariff_version: int | None = None


@dataclass(frozen=True, slots=True)
class CreditNote:
    """A note that takes some of an invoice back, or all (with tax)."""

    number: str
    issued_on: str
    total_minor: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice, and how it stands."""

    invoice_id: str
    number: str
    state: str
    kind: str
    issued_on: str
    due_on: str
    currency: str
    period: str
    lines: tuple[InvoiceLine, ...]
    tax: tuple[Tax, ...]
    net_minor: int
    rounding_minor: int
    total_minor: int
    paid_minor: int
    credited_minor: int
    open_minor: int
    disputed_minor: int
    payments: tuple[ReceiptPayment, ...]
    credit_notes: tuple[CreditNote, ...]
    formats: tuple[str, ...]
    position: int
    seller: str = ""
