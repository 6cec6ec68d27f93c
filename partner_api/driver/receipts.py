"""Receipts: the bill of a swap, line by line, with its tax, its proof and what was corrected."""

from collections.abc import Container, Iterable
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.params import FromPath

from ledger.domain.custody import PACKS
from ledger.domain.money.line_disputes import RaiseBillDispute
from ledger.domain.saga import ENDED, SWAPS, Swap
from ledger.domain.stations import STATIONS
from ledger.domain.support import OpenSupportCase, first_message_of
from ledger.domain.support_rows import SUPPORT_CASES, DisputedAt, dispute_id_of, text_field
from ledger.kernel.envelope import base64_text
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.instants import SECOND, as_datetime, as_text
from ledger.runtime.receipts import (
    BilledLine,
    PackRead,
    Receipt,
    history,
    pack_reads,
    receipt_of,
)
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, read_body
from partner_api.driver.amounts import receipt_line, tax_out
from partner_api.driver.bodies_bills import (
    BillCorrectionOut,
    DisputedLineOut,
    DisputeLinesIn,
    LinesDisputedOut,
    PackSideOut,
    ReceiptLineOut,
    ReceiptOut,
    ReceiptPaymentOut,
    ReceiptRowOut,
    ReceiptsOut,
    SubstituteOut,
)
from partner_api.driver.own import PAGE, Own, commanded, owning, read_own
from partner_api.driver.paper_links import paper_url
from partner_api.driver.texts import sealed
from partner_api.look import Asking
from partner_api.writing import HttpRequest, created, principal_of

PAYMENT_KINDS = {
    "payment.captured": "card",
    "wallet.spent": "wallet",
    "promo.used": "promo",
    "deposit.applied": "deposit",
    "refund.paid": "refund",
}
"""What paid, in the words of the door, by the entry that says so."""


@get(
    "/receipts",
    operation_id="list_receipts",
    opt=asks(Action.READ_DRIVER, "from", "to", *PAGE),
    sync_to_thread=True,
)
def list_receipts(request: Asking) -> Response[ReceiptsOut]:
    """List what the driver was billed for, or will be, newest first."""
    with owning(request) as own:
        begin, end = own.span()
        past = history(own.reads, own.driver_id)
        swaps = [row for row in own.rows(SWAPS) if _is_billed(row)]
        ids = {row.swap_id: _time_of(row) for row in swaps}
        for usage_id, entries in past.items():
            ids.setdefault(usage_id, entries[0].envelope.valid_at)
        booked = {row.booking_id for row in swaps if row.booking_id}
        found = [
            (at, usage_id)
            for usage_id, at in ids.items()
            if begin <= at < end and usage_id not in booked
        ]
        page, cursor = own.page(found, lambda one: one)
        rows = [
            _row(receipt_of(own.reads, own.driver_id, usage_id, past), at) for at, usage_id in page
        ]
        return own.answer(ReceiptsOut(rows, cursor))


def _is_billed(row: Swap) -> bool:
    return row.stage in ("COMPLETED", "CLOSED_INCOMPLETE") or (
        row.stage not in ENDED and bool(row.legs_out)
    )


def _time_of(row: Swap) -> int:
    legs = (*row.legs_out, *row.legs_in)
    return max((leg.occurred_at for leg in legs), default=row.since_at)


def _row(made: Receipt, at: int) -> ReceiptRowOut:
    return ReceiptRowOut(
        swap_id=made.usage_id,
        state=_state(made),
        at=as_text(at),
        station_id=made.station_id,
        energy_wh=made.energy_wh,
        currency=made.currency,
        total_minor=made.total_minor,
        invoice_id=made.invoice.invoice_no if made.invoice else "",
        is_corrected=bool(made.corrections),
        is_disputed=any(one.state in _OPEN for one in made.disputes),
    )


_OPEN = ("RAISED", "UNDER_REVIEW", "ESCALATED")


def _state(made: Receipt) -> str:
    if made.lines:
        return "PRICED"
    return "UNBILLED" if made.reason else "PENDING"


@get(
    "/receipts/{swap_id:str}",
    operation_id="get_receipt",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def get_receipt(request: Asking, swap_id: FromPath[str]) -> Response[ReceiptOut]:
    """Give the bill of a swap; `PENDING` until it is priced, `UNBILLED` where it cannot be."""
    with owning(request) as own:
        return own.answer(shown(own, own_receipt(own, swap_id)))


def own_receipt(own: Own, usage_id: str) -> Receipt:
    """Read a receipt of the driver who asks; `NotFound` for another's, or none."""
    if not is_id(usage_id):
        raise NotFound("no such receipt")
    past = history(own.reads, own.driver_id)
    return receipt_of(own.reads, own.driver_id, usage_id, past)


def shown(own: Own, made: Receipt) -> ReceiptOut:
    """Say all that stands on a bill."""
    station = own.reads.row(STATIONS, made.station_id)
    zone = station.zone if station else "UTC"
    disputed = {one.name for one in made.disputes if one.state in _OPEN}
    swap, invoice = made.swap, made.invoice
    return ReceiptOut(
        swap_id=made.usage_id,
        state=_state(made),
        station_id=made.station_id,
        at=as_text(made.occurred_at),
        local_time=local_text(made.occurred_at, zone),
        zone=zone,
        energy_wh=made.energy_wh,
        packs_in=_packs(pack_reads(own.reads, swap.legs_in if swap else ())),
        packs_out=_packs(pack_reads(own.reads, swap.legs_out if swap else ())),
        lines=[_line(one, made.currency, disputed) for one in made.lines],
        tax=[
            tax_out(row.category, row.rate_bp, row.net_minor, row.tax_minor)
            for row in made.tax.rows
        ],
        payments=[
            ReceiptPaymentOut(
                PAYMENT_KINDS.get(one.kind, one.kind), one.on, one.amount_minor, one.ref
            )
            for one in made.payments
        ],
        corrections=[
            BillCorrectionOut(as_text(one.at), one.why, one.difference_minor, one.position)
            for one in made.corrections
        ],
        disputed_lines=[
            DisputedLineOut(one.name, one.case_id, one.code.lower(), one.state)
            for one in made.disputes
        ],
        booking_id=swap.booking_id if swap else "",
        currency=made.currency,
        net_minor=made.net_minor,
        tax_minor=made.tax_minor,
        rounding_minor=made.tax.rounding_minor,
        total_minor=made.total_minor,
        tariff_id=made.tariff_id,
        reason=made.reason,
        substitute=_substitute(own, made),
        price_shift_s=made.price_shift_us // SECOND,
        invoice_id=invoice.invoice_no if invoice else "",
        position=made.position if made.lines else None,
        entry_hash=base64_text(made.entry_hash) if made.entry_hash else "",
        proof_url=f"/driver/v1/swaps/{made.usage_id}/proof" if swap else "",
        html_url=paper_url(own, "receipt", made.usage_id, "html") if made.lines else "",
        pdf_url=paper_url(own, "invoice", invoice.invoice_no, "pdf") if invoice else "",
        seller=made.seller,
    )


def local_text(at: int, zone: str) -> str:
    """Write a time as the wall clock of a zone shows it."""
    return as_datetime(at).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M:%S")


def _line(one: BilledLine, currency: str, disputed: Container[str]) -> ReceiptLineOut:
    times = as_text(one.line.service_start_at), as_text(one.line.service_end_at)
    return receipt_line(one, currency, times=times, disputed=one.name in disputed)


def _packs(found: Iterable[PackRead]) -> list[PackSideOut]:
    return [
        PackSideOut(
            pack_id=one.leg.pack_id,
            at=as_text(one.leg.occurred_at),
            position=one.leg.position,
            slot=one.slot,
            soc_bp=one.leg.soc_bp,
            soh_bp=one.leg.soh_bp,
            stored_wh=one.leg.stored_wh,
            evidence_level=one.leg.level,
            signature=one.verdict,
        )
        for one in found
    ]


def _substitute(own: Own, made: Receipt) -> SubstituteOut | None:
    session = made.substitute
    if session is None:
        return None
    pack = own.reads.row(PACKS, session.pack_id)
    cap_wh = pack.nominal_wh if pack else session.energy_in_wh
    return SubstituteOut(session.substitute_method, session.energy_in_wh, cap_wh)


# Disputes ---------------------------------------------------------------------


@post(
    "/receipts/{swap_id:str}/disputes",
    operation_id="dispute_receipt_lines",
    opt=asks(Action.WRITE_DRIVER, body=DisputeLinesIn),
    status_code=201,
)
async def dispute_receipt_lines(
    request: HttpRequest, swap_id: FromPath[str]
) -> Response[LinesDisputedOut]:
    """Say that lines are not right; a case is opened, and they need not be paid meanwhile.

    `files` are those of a case of the driver's. Lines that are on no invoice yet are disputed
    with it, as soon as there is one.
    """
    body = await read_body(request, DisputeLinesIn)
    made = await read_own(request, lambda own: own_receipt(own, swap_id))
    lines = _named(made, body)
    driver_id = principal_of(request).id
    key = idempotency_key(request)
    case_id = derived_id("SC", driver_id, swap_id, key)
    message_id = first_message_of(case_id)
    evidence = await read_own(request, lambda own: _evidence(own, body.files))
    kept = await sealed(request, {text_field(message_id): body.text})
    command = OpenSupportCase(
        case_id=case_id,
        driver_id=driver_id,
        topic="disputed_lines",
        sealed=kept,
        swap_id=swap_id if made.swap else "",
        invoice_no=made.invoice.invoice_no if made.invoice else "",
        disputed=tuple(DisputedAt(one.position, one.line_no) for one in lines),
        dispute_code=body.code.upper(),
    )
    receipt = await commanded(request, command)
    for raised in _raised(made, lines, command, evidence):
        await commanded(request, raised, part=raised.dispute_id[-8:])
    said = LinesDisputedOut(case_id, [one.name for one in lines], receipt.first)
    return created(said, receipt)


def _named(made: Receipt, body: DisputeLinesIn) -> list[BilledLine]:
    """Find the lines that are meant; `Malformed` for one that is not on the bill, or twice."""
    known = {one.name: one for one in made.lines}
    if len(set(body.lines)) != len(body.lines):
        raise Malformed("a line is named twice", field="lines")
    strange = [name for name in body.lines if name not in known]
    if strange:
        raise Malformed("not a line of this receipt", field="lines")
    return [known[name] for name in body.lines]


def _evidence(own: Own, files: tuple[str, ...]) -> tuple[str, ...]:
    """Give the digests of files that the driver sent before."""
    sent = {one.file_id: one for row in own.rows(SUPPORT_CASES) for one in row.files}
    if any(name not in sent for name in files):
        raise Malformed("not a file of yours", field="files")
    return tuple(dict.fromkeys(sent[name].sealed_sha256 for name in files))


def _raised(
    made: Receipt, lines: list[BilledLine], case: OpenSupportCase, evidence: tuple[str, ...]
) -> list[RaiseBillDispute]:
    """Make the disputes of lines that are on an invoice."""
    if made.invoice is None:
        return []
    return [
        RaiseBillDispute(
            dispute_id=dispute_id_of(case.case_id, DisputedAt(one.position, one.line_no)),
            document_id=made.invoice.invoice_no,
            party_id=case.driver_id,
            position=one.position,
            posting_index=one.line_no,
            amount_minor=one.line.net_minor,
            code=case.dispute_code,
            reason=f"case {case.case_id}",
            evidence=evidence,
            usage_id=made.usage_id,
            usage_kind="swap" if made.swap else "charging_session",
        )
        for one in lines
    ]


ROUTES = (list_receipts, get_receipt, dispute_receipt_lines)
