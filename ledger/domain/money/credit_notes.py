"""Credit notes: what a driver does not owe of an issued invoice, line by line.

An invoice is never changed; a credit note takes back a part of it, or the whole. Its numbers run
without a gap as those of invoices do. What it takes back lowers first what is still open of the
invoice; the rest was paid and can be refunded, once (`CreditNote.refundable_minor`). Partners give
back their part of a credited usage in the same commit.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.money import templates_credit as templates
from ledger.domain.money import templates_partners
from ledger.domain.money.agency import Seller
from ledger.domain.money.billing import ShareAccrued
from ledger.domain.money.invoice_credits import (
    CreditedLine,
    ShareCredit,
    Taken,
    added,
    commission_back,
    income_of,
    line_faults,
    reduced_shares,
    taken,
)
from ledger.domain.money.invoice_policy import approval_faults, policy_row
from ledger.domain.money.invoice_taxes import TaxRow
from ledger.domain.money.invoices import (
    INVOICES,
    SERIES,
    Invoice,
    Series,
    is_entity,
    next_of,
    series_of,
)
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.instants import as_datetime
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

REASONS = frozenset(
    {"billing_error", "dispute_upheld", "goodwill", "rerated", "safety", "service_failed"}
)


class CreditNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """One credit note (minor units).

    `gross_minor` is what the driver is owed, tax and rounding amount included; `applied_minor` of
    it lowered what was open of the invoice.
    """

    credit_note_no: str
    invoice_no: str
    driver_id: str
    currency: str
    net_minor: int
    gross_minor: int
    applied_minor: int = 0
    refunded_minor: int = 0

    @property
    def refundable_minor(self) -> int:
        """What was paid, is credited, and was not paid back yet."""
        return self.gross_minor - self.applied_minor - self.refunded_minor


class Credited(msgspec.Struct, frozen=True, omit_defaults=True):
    """What all credit notes of an invoice took: net by line, tax rows (minor units)."""

    lines: dict[str, int] = {}
    taxes: tuple[TaxRow, ...] = ()


class ReducedShare(msgspec.Struct, frozen=True):
    """What parties gave back of one share so far (minor units)."""

    given: dict[str, int]


CREDIT_NOTES = Shelf("credit_notes", CreditNote, listed_by=lambda row: row.driver_id)
CREDITED = Shelf("credited", Credited)  # key: invoice
REDUCED_SHARES = Shelf("reduced_shares", ReducedShare)  # key: position of the share
SHELVES: tuple[Shelf[Any], ...] = (CREDIT_NOTES, CREDITED, REDUCED_SHARES)
FOLDS: tuple[type[Event], ...] = ()


def count_refund(world: World, credit_note_no: str, amount_minor: int) -> None:
    """Count what was paid back of a credit note (minor units); its row must be loaded."""
    row = world.need(CREDIT_NOTES, credit_note_no)
    refunded = row.refunded_minor + amount_minor
    world.put(CREDIT_NOTES, credit_note_no, replace(row, refunded_minor=refunded))


# Commands ---------------------------------------------------------------------


class IssueCreditNote(Command):
    """Credit lines of an invoice; above the limit of the policy a second person agrees.

    Lines and shares are those of the log (`ledger/runtime/crediting.py` reads them); `issued_at`
    names the day and the year of the number (us). `seller_id` is the partner in whose name the
    invoice was issued, and so this is.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "support", "system"})

    invoice_no: str
    lines: tuple[CreditedLine, ...]
    reason: str
    issued_at: int
    shares: tuple[ShareCredit, ...] = ()
    entity: str = "MG1"
    seller_id: str = ""


CreditNotesCommand = IssueCreditNote

# Events -----------------------------------------------------------------------


class CreditNoteIssued(Event):
    """A driver does not owe these parts of his invoice, with their tax."""

    kind: ClassVar[str] = "credit_note.issued"

    credit_note_no: str
    invoice_no: str
    driver_id: str
    currency: str
    lines: tuple[CreditedLine, ...]
    net_minor: int
    taxes: tuple[TaxRow, ...]
    gross_minor: int
    reason: str
    issued_on: str
    invoice_issued_on: str
    series: str
    number: int
    rounding_minor: int = 0
    applied_minor: int = 0
    seller: Seller | None = None


class ShareReduced(Event):
    """Partners give back `shares` of what the entry at `reduced_position` says: `original`.

    The nets are those of the credited lines of that usage (minor units). Of a partner's own sale
    we give back our part, `commission_minor` and the VAT on it; the credit note takes his.
    """

    kind: ClassVar[str] = "share.reduced"

    reduced_position: int
    credit_note_no: str
    usage_id: str
    usage_kind: str
    station_id: str
    partner_id: str
    shares: dict[str, int]
    original: ShareAccrued
    energy_net_minor: int = 0
    service_net_minor: int = 0
    fee_net_minor: int = 0
    commission_minor: int = 0


CreditNotesEvent = CreditNoteIssued | ShareReduced

# touches ----------------------------------------------------------------------


def touches(command: CreditNotesCommand) -> Keys:
    """The invoice, what was credited of it and of its shares, and the series of numbers."""
    return (
        touch(INVOICES, command.invoice_no),
        touch(CREDITED, command.invoice_no),
        touch(SERIES, _series(command)),
        policy_row(),
        *(touch(REDUCED_SHARES, str(share.position)) for share in command.shares),
    )


def _series(command: IssueCreditNote) -> str:
    return series_of(command.seller_id or command.entity, "CRN", command.issued_at)


def follows(_world: World, _command: CreditNotesCommand) -> Keys:
    """Everything is known from the command."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: CreditNotesCommand, request: Request) -> Outcome:
    """Credit what was invoiced and not credited yet, with all violations told at once."""
    invoice = world.get(INVOICES, command.invoice_no)
    facts: dict[str, str | int] = {"invoice": command.invoice_no[:40]}
    if invoice is None:
        return Refusal(RefusalCode.INVOICE_UNKNOWN, facts)
    past = world.get(CREDITED, command.invoice_no) or Credited()
    take = taken(invoice.taxes, past.taxes, command.lines, invoice.rounding_minor)
    faults = [
        *approval_faults(world, request.actor, take.gross_minor),
        *_faults(command, invoice),
        *_excess(invoice, past, command, take),
    ]
    reductions = [_reduction(world, command, share) for share in command.shares]
    if any(one is None for one in reductions):
        faults.append(RefusalCode.CREDIT_EXCEEDS_INVOICED)
    if faults:
        return refused(faults, facts)
    issued = _issued(world, command, invoice, take)
    reduced = [
        replace(one, credit_note_no=issued.credit_note_no)
        for one in reductions
        if one is not None and any(one.shares.values())
    ]
    return Draft(issued), *(
        Draft(one, after=(0,), causes=(one.reduced_position,)) for one in reduced
    )


def _faults(command: IssueCreditNote, invoice: Invoice) -> list[RefusalCode]:
    seller_id = invoice.seller.party_id if invoice.seller else ""
    tests = (
        (invoice.is_uncollectable, RefusalCode.INVOICE_STATE),
        (command.reason not in REASONS, RefusalCode.CREDIT_FIELD_INVALID),
        (command.seller_id != seller_id, RefusalCode.CREDIT_FIELD_INVALID),
        (not is_entity(command.entity), RefusalCode.CREDIT_FIELD_INVALID),
        (not 0 <= command.issued_at <= QUANTITY_MAX, RefusalCode.CREDIT_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    return faults + line_faults(command.lines, invoice.taxes)


def _excess(
    invoice: Invoice, past: Credited, command: IssueCreditNote, take: Taken
) -> list[RefusalCode]:
    """Tell whether a line, or the invoice, would be credited for more than it says."""
    for line in command.lines:
        total = past.lines.get(line.name, 0) + line.credited_minor
        sign = -1 if line.invoiced_minor < 0 else 1
        if sign * line.credited_minor <= 0 or sign * total > sign * line.invoiced_minor:
            return [RefusalCode.CREDIT_EXCEEDS_INVOICED]
    gross = take.gross_minor + take.rounding_minor
    left = invoice.payable_minor - invoice.credited_minor
    return [] if 0 < gross <= left else [RefusalCode.CREDIT_EXCEEDS_INVOICED]


def _reduction(world: World, command: IssueCreditNote, share: ShareCredit) -> ShareReduced | None:
    """Divide what partners give back of one share; None when it is more than they have."""
    known = world.get(REDUCED_SHARES, str(share.position))
    before = known.given if known else {}
    given = reduced_shares(share, before)
    if given is None:
        return None
    original = share.original
    nets = {"ENERGY": 0, "BOOKING": 0, "": 0}
    for line in command.lines:
        if line.usage_id == original.usage_id:
            component = line.component if line.component in nets else ""
            nets[component] += line.credited_minor
    return ShareReduced(
        reduced_position=share.position,
        credit_note_no="",
        usage_id=original.usage_id,
        usage_kind=original.usage_kind,
        station_id=original.station_id,
        partner_id=original.partner_id,
        shares=given,
        original=original,
        energy_net_minor=nets["ENERGY"],
        service_net_minor=nets[""],
        fee_net_minor=nets["BOOKING"],
        commission_minor=commission_back(original, before, given),
    )


def _issued(
    world: World, command: IssueCreditNote, invoice: Invoice, take: Taken
) -> CreditNoteIssued:
    series = _series(command)
    number, credit_note_no = next_of(world, series)
    credited = take.gross_minor + take.rounding_minor
    return CreditNoteIssued(
        credit_note_no=credit_note_no,
        invoice_no=invoice.invoice_no,
        driver_id=invoice.driver_id,
        currency=invoice.currency,
        lines=command.lines,
        net_minor=take.net_minor,
        taxes=take.taxes,
        gross_minor=take.gross_minor,
        reason=command.reason,
        issued_on=as_datetime(command.issued_at).date().isoformat(),
        invoice_issued_on=invoice.issued_on,
        series=series,
        number=number,
        rounding_minor=take.rounding_minor,
        applied_minor=min(credited, invoice.open_minor),
        seller=invoice.seller,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: CreditNotesEvent, _stamp: Stamp) -> None:
    """File the note and use up its number, the lines it takes, and parts of partners."""
    match event:
        case CreditNoteIssued():
            _file(world, event)
        case ShareReduced():
            key = str(event.reduced_position)
            known = world.get(REDUCED_SHARES, key)
            given = dict(known.given) if known else {}
            for party, part in event.shares.items():
                given[party] = given.get(party, 0) + part
            world.put(REDUCED_SHARES, key, ReducedShare(given))
        case _ as unknown:
            assert_never(unknown)


def _file(world: World, event: CreditNoteIssued) -> None:
    gross_minor = event.gross_minor + event.rounding_minor
    note = CreditNote(
        event.credit_note_no,
        event.invoice_no,
        event.driver_id,
        event.currency,
        event.net_minor,
        gross_minor,
        event.applied_minor,
    )
    world.put(CREDIT_NOTES, event.credit_note_no, note)
    world.put(SERIES, event.series, Series(event.number))
    past = world.get(CREDITED, event.invoice_no) or Credited()
    lines = dict(past.lines)
    for line in event.lines:
        lines[line.name] = lines.get(line.name, 0) + line.credited_minor
    world.put(CREDITED, event.invoice_no, Credited(lines, added(past.taxes, event.taxes)))
    invoice = world.need(INVOICES, event.invoice_no)
    credited = invoice.credited_minor + gross_minor
    world.put(INVOICES, event.invoice_no, replace(invoice, credited_minor=credited))


# postings ---------------------------------------------------------------------


def postings(event: CreditNotesEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the templates of its kind."""
    match event:
        case CreditNoteIssued():
            dims = {
                "driver": event.driver_id,
                "invoice": event.invoice_no,
                "credit_note": event.credit_note_no,
            }
            if event.seller is not None:
                dims["partner"] = event.seller.party_id
                amount = event.gross_minor + event.rounding_minor
                return templates_partners.agent_credited(event.currency, amount, dims)
            return templates.credit_note_issued(
                event.currency,
                income_of(event.lines),
                [(row.tax_code, row.tax_minor) for row in event.taxes],
                event.rounding_minor,
                dims,
            )
        case ShareReduced():
            shared = event.original
            dims = {
                "station": event.station_id,
                "share_rule_version": f"{shared.contract_id}/{shared.contract_version}",
                "credit_note": event.credit_note_no,
                event.usage_kind: event.usage_id,
            }
            if shared.agency is not None:
                tax = event.shares[shared.ours] - event.commission_minor
                return templates_partners.commission_reduced(
                    shared.currency,
                    event.commission_minor,
                    (shared.agency.tax_code, tax),
                    {**dims, "partner": event.partner_id},
                )
            shares = {party: part for party, part in event.shares.items() if party != shared.ours}
            return templates.share_reduced(shared.currency, shares, dims)
        case _ as unknown:
            assert_never(unknown)
