"""Invoices line by line: what is left of each, credit notes over them, and answers to disputes.

What a command needs from the log (lines, partners' shares, promos, the text of evidence) is read
there; the request says only what a person decides.
"""

from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from ledger.domain.money.credit_notes import IssueCreditNote
from ledger.domain.money.damages import DamageFound
from ledger.domain.money.invoice_means import PayFromCredit
from ledger.domain.money.payments_disputes import EvidencePlanned, SubmitEvidence
from ledger.kernel.messages import Command, Event
from ledger.runtime.crediting import credit_order, invoice_row, open_lines
from ledger.runtime.damaging import claim_of
from ledger.runtime.dunning import promos_for
from ledger.runtime.invoice_view import Settled, invoice_view
from ledger.runtime.reads import Reads
from ledger.runtime.relay_evidence import evidence_text
from partner_api.auth import Action
from partner_api.deps import asks, makes, parts_of, read_body
from partner_api.finance.approvals import WaitingOut, ask_approval_from
from partner_api.finance.making import MadeOut, NoFieldsIn, done_from
from partner_api.look import Asking, AsOf, known_id, looking
from partner_api.writing import HttpRequest

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Minor = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
LINES_MAX = 200


class LineOut(msgspec.Struct, frozen=True):
    """A line of an invoice: its name (entry and number), net of tax, and what is not credited."""

    name: str
    usage_id: str
    usage_kind: str
    component: str
    net_minor: int
    left_minor: int


class InvoiceLinesOut(msgspec.Struct, frozen=True):
    """The lines of an invoice, and every entry that moved what is owed of it since."""

    invoice_no: str
    state: str
    open_minor: int
    position: int
    lines: list[LineOut]
    settled: list[Settled]
    credit_notes: list[str]
    as_of: AsOf


class CreditIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is credited, and why: lines by name with net amounts, or one usage, or all that is left.

    `reason` is one of the codes of credit notes.
    """

    reason: Name
    lines: Annotated[dict[Name, Minor], msgspec.Meta(max_length=LINES_MAX)] = {}
    usage_id: Annotated[str, msgspec.Meta(max_length=60)] = ""


class CreditPayIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most so much; all that is there when it is 0."""

    amount_minor: Minor = 0


class EvidenceOut(msgspec.Struct, frozen=True):
    """What the ledger knows of a disputed payment, as it would be sent."""

    dispute_ref: str
    text: str
    sha256: str
    as_of: AsOf


@get(
    "/invoices/{invoice_no:str}/lines",
    operation_id="list_invoice_lines",
    opt=asks(Action.READ_FINANCE),
    sync_to_thread=True,
)
def list_invoice_lines(request: Asking, invoice_no: FromPath[str]) -> Response[InvoiceLinesOut]:
    """List the lines of an invoice with what is left of each, and what happened to it since."""
    with looking(request, "list_invoice_lines", heavy=True) as look:
        view = invoice_view(look.reads, known_id(invoice_no))
        lines = [
            LineOut(
                one.name,
                one.left.usage_id,
                one.left.usage_kind,
                one.left.component,
                one.left.invoiced_minor,
                one.left.credited_minor,
            )
            for one in open_lines(look.reads, invoice_no)
        ]
        said = InvoiceLinesOut(
            invoice_no,
            view.state,
            view.open_minor,
            view.position,
            lines,
            view.settled,
            view.credit_notes,
            look.as_of(),
        )
        return look.answer(said, len(lines))


@post(
    "/invoices/{invoice_no:str}/credit-notes",
    operation_id="issue_credit_note",
    opt=asks(Action.MAKE_FINANCE, body=CreditIn) | makes("IssueCreditNote"),
    status_code=202,
)
async def issue_credit_note(
    request: HttpRequest, invoice_no: FromPath[str]
) -> Response[WaitingOut]:
    """Ask for a credit note over lines of an invoice; another person agrees."""
    body = await read_body(request, CreditIn)
    number, clock = known_id(invoice_no), parts_of(request).clock

    def wanted(found: Reads) -> Command:
        return credit_order(
            found,
            number,
            body.lines,
            reason=body.reason,
            issued_at=clock.now(),
            usage_id=body.usage_id,
        )

    def is_same(before: Command) -> bool:
        if not isinstance(before, IssueCreditNote) or before.invoice_no != number:
            return False
        lines = {f"{one.position}/{one.line_no}": one.credited_minor for one in before.lines}
        usages = {one.usage_id for one in before.lines}
        same_lines = body.lines in ({}, lines) and (not body.usage_id or usages == {body.usage_id})
        return same_lines and before.reason == body.reason

    return await ask_approval_from(request, wanted, is_same)


@post(
    "/damages/{case_id:str}",
    operation_id="claim_damage",
    opt=asks(Action.MAKE_FINANCE, body=NoFieldsIn) | makes("ClaimDamage"),
    status_code=201,
)
async def claim_damage(request: HttpRequest, case_id: FromPath[str]) -> Response[MadeOut]:
    """Bill the damage of a case that two persons closed with `driver_owes`."""
    await read_body(request, NoFieldsIn)
    name = known_id(case_id)

    def is_same(event: Event) -> bool:
        return isinstance(event, DamageFound) and event.case_id == name

    return await done_from(request, lambda found: claim_of(found, name), is_same)


@post(
    "/invoices/{invoice_no:str}/credit",
    operation_id="pay_from_credit",
    opt=asks(Action.MAKE_FINANCE, body=CreditPayIn) | makes("PayFromCredit"),
    status_code=201,
)
async def pay_from_credit(request: HttpRequest, invoice_no: FromPath[str]) -> Response[MadeOut]:
    """Pay an invoice from the driver's promos and wallet, in the order of the policy."""
    body = await read_body(request, CreditPayIn)
    number, clock = known_id(invoice_no), parts_of(request).clock

    def wanted(found: Reads) -> Command:
        row = invoice_row(found, number)
        promos = promos_for(found, row, clock.now())
        return PayFromCredit(
            invoice_no=number,
            driver_id=row.driver_id,
            promo_ids=tuple(promo.promo_id for promo in promos),
            amount_minor=body.amount_minor,
        )

    def is_same(event: Event) -> bool:
        return getattr(event, "invoice_no", "") == number

    return await done_from(request, wanted, is_same)


@get(
    "/chargebacks/{dispute_ref:str}/evidence",
    operation_id="read_dispute_evidence",
    opt=asks(Action.READ_FINANCE),
    sync_to_thread=True,
)
def read_dispute_evidence(request: Asking, dispute_ref: FromPath[str]) -> Response[EvidenceOut]:
    """Give what the ledger knows of a disputed payment: custody, signed readings, the root."""
    with looking(request, "read_dispute_evidence", heavy=True) as look:
        text = evidence_text(look.reads, known_id(dispute_ref))
        digest = sha256(text.encode()).hexdigest()
        return look.answer(EvidenceOut(dispute_ref, text, digest, look.as_of()))


@post(
    "/chargebacks/{dispute_ref:str}/evidence",
    operation_id="submit_evidence",
    opt=asks(Action.MAKE_FINANCE, body=NoFieldsIn) | makes("SubmitEvidence"),
    status_code=201,
)
async def submit_evidence(request: HttpRequest, dispute_ref: FromPath[str]) -> Response[MadeOut]:
    """Answer a dispute with the card issuer by what the ledger knows."""
    await read_body(request, NoFieldsIn)
    name = known_id(dispute_ref)

    def wanted(found: Reads) -> Command:
        text = evidence_text(found, name)
        digest = sha256(text.encode()).hexdigest()
        return SubmitEvidence(dispute_ref=name, text=text, sha256=digest)

    def is_same(event: Event) -> bool:
        return isinstance(event, EvidencePlanned) and event.dispute_ref == name

    return await done_from(request, wanted, is_same)


ROUTES: tuple[Any, ...] = (
    list_invoice_lines,
    issue_credit_note,
    claim_damage,
    pay_from_credit,
    read_dispute_evidence,
    submit_evidence,
)
