"""Invoices and credit notes as a company sends them: A4, PDF, the same bytes at every run.

Set with ReportLab (extra `pdf`) in its invariant mode: no time, no random id, so the file's digest
can be signed and checked again. Texts are set in the base fonts of PDF; what those cannot show
(Chinese names) is set in the Chinese font that every reader brings along.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from ledger.exports._einvoice_texts import price_text, quantity_text, rate_text
from ledger.exports.einvoice import BusinessDocument, Line, Trader, check
from ledger.exports.einvoice_sheet import (
    Sheet,
    days_words,
    payment_words,
    sum_rows,
    title_of,
    unit_words,
)
from ledger.kernel.errors import Misconfigured
from ledger.kernel.money import amount_text

try:
    from reportlab.graphics.barcode.qr import QrCodeWidget
    from reportlab.graphics.shapes import Drawing
    from reportlab.lib import colors
    from reportlab.lib.enums import TA_RIGHT
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import (
        Flowable,
        KeepTogether,
        Paragraph,
        SimpleDocTemplate,
        Spacer,
        Table,
        TableStyle,
    )
except ImportError as error:  # pragma: no cover  the extra is part of every test environment
    raise Misconfigured("PDF needs the extra: pip install 'mobilegrid[pdf]'") from error

_CHINESE = "STSong-Light"
_WIDTH = 170 * mm
_INK, _FAINT, _BAND, _BRAND = (
    colors.HexColor(code) for code in ("#1b1f24", "#6a737d", "#f1f4f6", "#0b6e4f")
)


def write_invoice_pdf(sheet: Sheet) -> bytes:
    """Set a document; `Malformed` for what `einvoice.check` refuses."""
    document = sheet.document
    check(document)
    pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))
    out = BytesIO()
    frame = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=18 * mm,
        bottomMargin=24 * mm,
        title=f"{title_of(document)} {document.number}",
        author=document.seller.name,
        subject=f"{document.period_from} {document.period_to}".strip(),
        invariant=1,
        pageCompression=1,
    )
    footer = _Footer(sheet)
    frame.build(_story(sheet), onFirstPage=footer.draw, onLaterPages=footer.draw)
    return out.getvalue()


# Parts of the page, from top to bottom ------------------------------------------


def _story(sheet: Sheet) -> list[Flowable]:
    document = sheet.document
    parts: list[Flowable] = [
        _head(document),
        Spacer(1, 10 * mm),
        _addresses(document),
        Spacer(1, 8 * mm),
        _lines(document),
        Spacer(1, 2 * mm),
        KeepTogether([_sums(document), Spacer(1, 6 * mm), *_payment(sheet)]),
    ]
    if sheet.facts or sheet.proof:
        parts += [Spacer(1, 6 * mm), KeepTogether([_evidence(sheet)])]
    return parts


def _head(document: BusinessDocument) -> Table:
    seller = _text(document.seller.name, size=15, bold=True, colour=_BRAND)
    title = _text(title_of(document), size=20, right=True)
    return _grid([[seller, title]], [95 * mm, 75 * mm])


def _addresses(document: BusinessDocument) -> Table:
    dates = [
        ("Number", document.number),
        ("Date", document.issued_on),
        ("Delivered until", document.delivered_on),
        ("Period", days_words(document.period_from, document.period_to)),
        ("Takes back invoice", document.preceding_no),
        ("Due", document.due_on),
        ("Your tax number", document.buyer.vat_id),
    ]
    rows = [[_text(label, colour=_FAINT), _text(text, right=True)] for label, text in dates if text]
    meta = _grid(rows, [30 * mm, 45 * mm])
    return _grid([[_block(document.buyer), meta]], [95 * mm, 75 * mm])


def _lines(document: BusinessDocument) -> Table:
    head = ["", "What", "Quantity", "Price", "Tax", document.currency]
    rows: list[list[Any]] = [
        [_text(word, colour=_FAINT, size=8, right=at > 1) for at, word in enumerate(head)]
    ]
    rows += [
        [
            _text(line.line_id, colour=_FAINT),
            _what(line),
            _text(f"{quantity_text(line)} {unit_words(line)}", right=True),
            _text(price_text(line), right=True),
            _text(f"{rate_text(line.rate_bp)} %", right=True),
            _text(amount_text(line.net_minor, document.currency), right=True),
        ]
        for line in document.lines
    ]
    widths = [10 * mm, 72 * mm, 30 * mm, 22 * mm, 14 * mm, 22 * mm]
    table = Table(rows, colWidths=widths, repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), _BAND),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEBELOW", (0, 1), (-1, -1), 0.25, _BAND),
                ("TOPPADDING", (0, 0), (-1, -1), 4),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
            ]
        )
    )
    return table


def _what(line: Line) -> list[Flowable]:
    parts: list[Flowable] = [_text(line.name)]
    small = ", ".join(filter(None, (line.description, days_words(line.from_on, line.to_on))))
    if small:
        parts.append(_text(small, size=7.5, colour=_FAINT))
    return parts


def _sums(document: BusinessDocument) -> Table:
    cells = [
        [
            "",
            _text(label, bold=bold, right=True),
            _text(
                f"{amount_text(minor, document.currency)} {document.currency}",
                bold=bold,
                right=True,
            ),
        ]
        for label, minor, bold in sum_rows(document)
    ]
    table = _grid(cells, [50 * mm, 85 * mm, 35 * mm])
    table.setStyle(
        TableStyle(
            [
                ("LINEABOVE", (1, -1), (-1, -1), 0.8, _BRAND),
                ("BACKGROUND", (1, -1), (-1, -1), _BAND),
                ("RIGHTPADDING", (-1, 0), (-1, -1), 6),
            ]
        )
    )
    return table


def _payment(sheet: Sheet) -> list[Flowable]:
    document = sheet.document
    parts: list[Flowable] = []
    if sheet.payments:
        rows = [
            [
                _text(one.paid_on, size=8, colour=_FAINT),
                _text(one.means, size=8),
                _text(one.lines, size=8, colour=_FAINT),
                _text(amount_text(one.amount_minor, document.currency), size=8, right=True),
            ]
            for one in sheet.payments
        ]
        parts.append(_grid([[_text("How it was paid", bold=True)]], [_WIDTH]))
        parts.append(_grid(rows, [24 * mm, 72 * mm, 52 * mm, 22 * mm]))
        parts.append(Spacer(1, 4 * mm))
    words = payment_words(document)
    return parts + ([_grid([[_text(each)] for each in words], [_WIDTH])] if words else [])


def _evidence(sheet: Sheet) -> Table:
    rows: list[list[Any]] = [
        [_text(label, size=8, colour=_FAINT), _text(text, size=8)] for label, text in sheet.facts
    ]
    facts = _grid(rows or [["", ""]], [38 * mm, 92 * mm])
    head = _text("How this was measured", bold=True)
    left: list[Flowable] = [head, facts]
    if sheet.proof:
        left.append(
            _text("The square leads to the proof in the public log.", size=7.5, colour=_FAINT)
        )
    table = Table([[left, _square(sheet.proof)]], colWidths=[134 * mm, 36 * mm])
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, -1), _BAND),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("ALIGN", (1, 0), (1, 0), "RIGHT"),
                ("TOPPADDING", (0, 0), (-1, -1), 6),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
            ]
        )
    )
    return table


def _square(proof: str) -> Drawing | str:
    if not proof:
        return ""
    side = 32 * mm
    code = QrCodeWidget(proof, barLevel="M", barWidth=side, barHeight=side, barBorder=2)
    drawing = Drawing(side, side)
    drawing.add(code)
    return drawing


class _Footer:
    """The foot of every page: who sends it, and which page this is."""

    def __init__(self, sheet: Sheet) -> None:
        seller = sheet.document.seller
        self._number = sheet.document.number
        place = f"{seller.address.street}, {seller.address.post_code} {seller.address.city}"
        self._words = [
            " · ".join(filter(None, (seller.name, place, seller.address.country))),
            " · ".join(filter(None, (seller.register_id, seller.vat_id, sheet.contact))),
        ]

    def draw(self, canvas: Canvas, _frame: SimpleDocTemplate) -> None:
        canvas.saveState()
        canvas.setStrokeColor(_BAND)
        canvas.line(20 * mm, 18 * mm, 190 * mm, 18 * mm)
        canvas.setFillColor(_FAINT)
        for number, words in enumerate(self._words):
            canvas.setFont(_font(words, bold=False), 7.5)
            canvas.drawString(20 * mm, (14 - 3.5 * number) * mm, words)
        canvas.setFont("Helvetica", 7.5)
        page = f"{self._number} · page {canvas.getPageNumber()}"
        canvas.drawRightString(190 * mm, 14 * mm, page)
        canvas.restoreState()


# Small parts --------------------------------------------------------------------


def _block(trader: Trader) -> list[Flowable]:
    address = trader.address
    place = f"{address.post_code} {address.city}".strip()
    return [
        _text(trader.name, bold=True),
        *(_text(each) for each in (address.street, place, address.country) if each),
    ]


def _font(text: str, *, bold: bool) -> str:
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return _CHINESE
    return "Helvetica-Bold" if bold else "Helvetica"


def _text(
    text: str,
    *,
    size: float = 9.5,
    bold: bool = False,
    right: bool = False,
    colour: colors.Color = _INK,
) -> Paragraph:
    style = ParagraphStyle(
        "text",
        fontName=_font(text, bold=bold),
        fontSize=size,
        leading=size * 1.3,
        textColor=colour,
        alignment=TA_RIGHT if right else 0,
    )
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Paragraph(plain, style)


def _grid(rows: Sequence[Sequence[Any]], widths: Sequence[float]) -> Table:
    table = Table(rows, colWidths=widths)
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 1.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
            ]
        )
    )
    return table
