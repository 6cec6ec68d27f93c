"""Papers of a driver: invoices as PDF, page, UBL or CII, receipts as a page; by link or signed in.

An invoice is as it was issued, so the same paper has the same bytes whenever it is asked for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

from litestar import Response, get
from litestar.params import FromPath

from ledger.domain.money.invoices import INVOICES
from ledger.exports import invoice_papers
from ledger.exports.invoice_papers import FORMATS, Format
from ledger.kernel.errors import NotFound, Unavailable
from partner_api.auth import Action, Principal
from partner_api.deps import Asked, answers, asked, asks, parts_of
from partner_api.driver import invoices, receipts
from partner_api.driver.own import Own, owning
from partner_api.driver.paper_links import read_link
from partner_api.driver.printable import LANGUAGES, POLICY, invoice_page, receipt_page
from partner_api.look import Asking

HTML = FORMATS["html"]
_END = {"pdf": "pdf", "html": "html", "ubl": "xml", "cii": "xml"}


@get(
    "/invoices/{invoice_id:str}/document",
    operation_id="get_invoice_document",
    opt=asks(Action.READ_DRIVER, "format", "language") | answers(*FORMATS.values()),
    media_type="application/pdf",
    sync_to_thread=True,
)
def get_invoice_document(request: Asking, invoice_id: FromPath[str]) -> Response[bytes]:
    """Give an invoice as `pdf`, `html` (English or Chinese), `ubl` or `cii` (EN 16931)."""
    with owning(request) as own:
        form = own.choice("format", get_args(Format)) or "pdf"
        return _paper(own, "invoice", invoice_id, form)


@get(
    "/receipts/{swap_id:str}/document",
    operation_id="get_receipt_document",
    opt=asks(Action.READ_DRIVER, "language") | answers(HTML),
    media_type=HTML,
    sync_to_thread=True,
)
def get_receipt_document(request: Asking, swap_id: FromPath[str]) -> Response[bytes]:
    """Give the receipt of a swap as a page to be printed, in English or Chinese."""
    with owning(request) as own:
        return _paper(own, "receipt", swap_id, "html")


@get(
    "/papers/{link:str}",
    operation_id="get_paper",
    opt=asks(Action.READ_DOCUMENTS, "language") | answers(*FORMATS.values()),
    media_type=HTML,
    sync_to_thread=True,
)
def get_paper(request: Asking, link: FromPath[str]) -> Response[bytes]:
    """Open a paper by the link that a receipt gives; it is good for ten minutes."""
    driver_id, kind, object_id, form = read_link(parts_of(request), link)
    with _reading_for(request, driver_id) as own:
        return _paper(own, kind, object_id, form)


@contextmanager
def _reading_for(request: Asking, driver_id: str) -> Iterator[Own]:
    """Read as the driver for whom a link was made."""
    query = asked(request).query
    request.scope["state"]["asked"] = Asked(Principal(driver_id, "driver"), query)
    with owning(request) as own:
        yield own


def _paper(own: Own, kind: str, object_id: str, form: str) -> Response[bytes]:
    language = own.choice("language", LANGUAGES) or LANGUAGES[0]
    if kind == "receipt":
        made = receipts.own_receipt(own, object_id)
        if not made.lines:
            raise NotFound("not priced yet")
        return _page(receipt_page(receipts.shown(own, made), language, own.parts.letterhead))
    row = own.row(INVOICES, object_id)
    if form == "html":
        return _page(invoice_page(invoices.shown(own, row), language, own.parts.letterhead))
    if own.parts.letterhead is None:
        raise Unavailable("nobody says here who issues invoices")
    wanted: Format = form  # type: ignore[assignment]
    with own.parts.heavy.place():
        sheet = invoice_papers.sheet_of(
            own.reads, row.invoice_no, own.parts.letterhead, with_payments=False
        )
        data = invoice_papers.written(sheet, wanted)
    name = f"{row.invoice_no}.{_END[form]}"
    headers = _headers() | {"Content-Disposition": f'inline; filename="{name}"'}
    return Response(data, media_type=FORMATS[wanted], headers=headers)


def _page(data: bytes) -> Response[bytes]:
    return Response(data, media_type=HTML, headers=_headers())


def _headers() -> dict[str, str]:
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "no-referrer",
    }


ROUTES = (get_invoice_document, get_receipt_document, get_paper)
