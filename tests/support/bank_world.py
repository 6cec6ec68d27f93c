"""A small town with a bank: an account of ours, invoices, a payout on its way, statements."""

from typing import Any

from ledger.domain.money.accounts import RECEIVABLE
from ledger.domain.money.bank_accounts import RegisterBankAccount
from ledger.domain.money.bank_booking import LineToBook
from ledger.domain.money.bank_rows import (
    PARTNERS_OWE,
    PAYOUTS_IN_FLIGHT,
    BankLine,
    Header,
    Match,
)
from ledger.domain.money.bank_statements import ImportStatement
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.payout_rows import (
    PAYABLES,
    PAYOUTS,
    SENT,
    Payable,
    Payables,
    Payout,
    PayoutPart,
)
from ledger.domain.money.templates_partners import SUPPLIERS
from ledger.domain.world import World
from ledger.kernel.messages import Draft
from ledger.kernel.refusal import Refusal
from tests.support.rules import act, events, small_town

IBAN = "DE89370400440532013000"
ACCOUNT = RegisterBankAccount(
    bank_account_id="BA-1",
    number=IBAN,
    currency="EUR",
    opened_on="2026-03-01",
    opening_minor=10_000,
)
INVOICE = "MG1-INV-2026-000042"


def bank_town(*, opening_minor: int = 10_000) -> World:
    """Build the town: BA-1 holds 100.00, DR-1 owes 25.00, 84.49 are on their way to SV-1."""
    world = small_town()
    account = {"opening_minor": opening_minor}
    events(act(world, _with(ACCOUNT, **account)))
    world.put(INVOICES, INVOICE, Invoice(INVOICE, "DR-1", "EUR", 2_500, "2026-03-16"))
    put_payout(world)
    return world


def put_payout(world: World, payout_id: str = "PO-1", state: str = SENT) -> None:
    """Put a supplier's payout of 84.49 on its way."""
    payout = Payout(
        payout_id=payout_id,
        partner_id="SV-1",
        currency="EUR",
        parts=(PayoutPart("D-1", 8_449),),
        payee_id="PE-1",
        payee_version=1,
        route="bank_file",
        owed_on=SUPPLIERS,
        state=state,
        batch_id="PB-1",
    )
    world.put(PAYOUTS, payout_id, payout)
    owed = Payables("SV-1", (Payable("D-1", "EUR", 0, in_flight_minor=8_449),))
    world.put(PAYABLES, "SV-1", owed)


def _with(command: Any, **fields: Any) -> Any:
    return type(command)(
        **{name: getattr(command, name) for name in command.__struct_fields__} | fields
    )


def line(line_id: str, amount_minor: int, **fields: Any) -> BankLine:
    """Make a line of 2 March."""
    return BankLine(line_id, amount_minor, fields.pop("booked_on", "2026-03-02"), **fields)


def pays_invoice(amount_minor: int = 2_500, **fields: Any) -> Match:
    """Match the invoice of DR-1."""
    dims = {"driver": "DR-1", "invoice": INVOICE}
    return Match("reference", RECEIVABLE, amount_minor, dims, **fields)


def ends_payout(amount_minor: int = -8_449, payout_id: str = "PO-1", **fields: Any) -> Match:
    """Match the payout on its way, or one that comes back."""
    dims = {"payout": payout_id}
    return Match("reference", PAYOUTS_IN_FLIGHT, amount_minor, dims, attempt=1, **fields)


def pays_partner(amount_minor: int, **fields: Any) -> Match:
    """Match what the operator OP-1 owes us."""
    return Match("reference", PARTNERS_OWE, amount_minor, {"partner": "OP-1"}, **fields)


def header(no: int = 1, /, *, opening: int = 10_000, moved: int = 0, **fields: Any) -> Header:
    """Make the header of a statement of BA-1."""
    usual: dict[str, Any] = {
        "bank_account_id": "BA-1",
        "number": IBAN,
        "currency": "EUR",
        "name": f"ST-{no}",
        "sequence": no,
        "opening_minor": opening,
        "closing_minor": opening + moved,
        "closed_on": "2026-03-02",
        "content_sha256": f"{no:02d}" * 32,
        "file_sha256": "ab" * 32,
    }
    return Header(**usual | fields)


def statement(*lines: LineToBook, no: int = 1, opening: int = 10_000, **fields: Any) -> Any:
    """Make the command that imports a statement whose sums add up."""
    faults = fields.pop("faults", ())
    moved = sum(one.line.amount_minor for one in lines)
    told = header(no, opening=opening, moved=moved, **fields)
    return ImportStatement(header=told, lines=lines, assignee_id="FI-1", faults=faults)


def to_book(line_id: str, amount_minor: int, *matches: Match, **fields: Any) -> LineToBook:
    """Make a line with what it settles."""
    reason = fields.pop("reason", "")
    return LineToBook(line(line_id, amount_minor, **fields), matches, reason)


def refusal_of(outcome: tuple[Draft, ...] | Refusal) -> Refusal:
    """Take an outcome that must be a refusal."""
    assert isinstance(outcome, Refusal), outcome
    return outcome


def drafts_of(outcome: tuple[Draft, ...] | Refusal) -> tuple[Draft, ...]:
    """Take an outcome that must be no refusal."""
    assert not isinstance(outcome, Refusal), outcome
    return outcome
