"""Parts of pages that are set as PDF: texts, grids, addresses, heads and feet, with ReportLab.

Texts are set in the base fonts of PDF; what those cannot show (Chinese names) is set in the Chinese
font that every reader brings along. In ReportLab's invariant mode there is no time and no random
id in a file, so its bytes are the same at every run.
"""

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

from ledger.exports.einvoice import Trader
from ledger.kernel.errors import Misconfigured

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

__all__ = ["Flowable", "KeepTogether", "Spacer", "Table", "mm"]

CHINESE = "STSong-Light"
WIDTH = 170 * mm
INK, FAINT, BAND, BRAND = (
    colors.HexColor(code) for code in ("#1b1f24", "#6a737d", "#f1f4f6", "#0b6e4f")
)


class Page:
    """What stands on every page: who sends it, and which page of which document this is."""

    def __init__(self, seller: Trader, name: str, contact: str = "") -> None:
        """Take the sender, and the name of the document."""
        self._name = name
        place = f"{seller.address.street}, {seller.address.post_code} {seller.address.city}"
        self._words = [
            " · ".join(filter(None, (seller.name, place, seller.address.country))),
            " · ".join(filter(None, (seller.register_id, seller.vat_id, contact))),
        ]

    def build(self, story: list[Flowable], **about: str) -> bytes:
        """Set a story on pages; `about` is what readers show of the file."""
        pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))
        out = BytesIO()
        frame = SimpleDocTemplate(
            out,
            pagesize=A4,
            leftMargin=20 * mm,
            rightMargin=20 * mm,
            topMargin=18 * mm,
            bottomMargin=24 * mm,
            invariant=1,
            pageCompression=1,
            **about,
        )
        frame.build(story, onFirstPage=self._draw, onLaterPages=self._draw)
        return out.getvalue()

    def _draw(self, canvas: Canvas, _frame: SimpleDocTemplate) -> None:
        canvas.saveState()
        canvas.setStrokeColor(BAND)
        canvas.line(20 * mm, 18 * mm, 190 * mm, 18 * mm)
        canvas.setFillColor(FAINT)
        for number, words in enumerate(self._words):
            canvas.setFont(_font(words, bold=False), 7.5)
            canvas.drawString(20 * mm, (14 - 3.5 * number) * mm, words)
        canvas.setFont("Helvetica", 7.5)
        page = f"{self._name} · page {canvas.getPageNumber()}"
        canvas.drawRightString(190 * mm, 14 * mm, page)
        canvas.restoreState()


def head(seller: str, title: str) -> Table:
    """Set the name of the sender, and what kind of document it is."""
    name = text(seller, size=15, bold=True, colour=BRAND)
    return grid([[name, text(title, size=20, right=True)]], [95 * mm, 75 * mm])


def addressed(to: Trader, facts: Iterable[tuple[str, str]], home: str = "") -> Table:
    """Set an address, and facts beside it; the country only where it is not the sender's `home`."""
    rows = [[text(label, colour=FAINT), text(said, right=True)] for label, said in facts if said]
    return grid([[_block(to, home), grid(rows, [30 * mm, 45 * mm])]], [95 * mm, 75 * mm])


def _block(trader: Trader, home: str) -> list[Flowable]:
    address = trader.address
    place = f"{address.post_code} {address.city}".strip()
    country = "" if address.country == home else address.country
    return [
        text(trader.name, bold=True),
        *(text(each) for each in (address.street, place, country) if each),
    ]


def column_heads(words: Sequence[str], first_right: int = 2) -> list[Any]:
    """Set the names of columns; from `first_right` on they hold numbers."""
    made = enumerate(words)
    return [text(word, colour=FAINT, size=8, right=at >= first_right) for at, word in made]


def lined(rows: Sequence[Sequence[Any]], widths: Sequence[float], *styles: Any) -> Table:
    """Lay out lines below their heads, which come again on every page."""
    table = Table(rows, colWidths=widths, repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), BAND),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEBELOW", (0, 1), (-1, -1), 0.25, BAND),
                ("TOPPADDING", (0, 0), (-1, -1), 3),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
                *styles,
            ]
        )
    )
    return table


def total(table: Table) -> Table:
    """Mark the last row of a table of sums as what it comes to."""
    table.setStyle(
        TableStyle(
            [
                ("LINEABOVE", (1, -1), (-1, -1), 0.8, BRAND),
                ("BACKGROUND", (1, -1), (-1, -1), BAND),
                ("RIGHTPADDING", (-1, 0), (-1, -1), 6),
            ]
        )
    )
    return table


def band(left: list[Flowable], proof: str) -> Table:
    """Set what proves a document on a band, with a square code of `proof` beside it, if any."""
    table = Table([[left, _square(proof)]], colWidths=[134 * mm, 36 * mm])
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, -1), BAND),
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
    side = 28 * mm
    code = QrCodeWidget(proof, barLevel="M", barWidth=side, barHeight=side, barBorder=2)
    drawing = Drawing(side, side)
    drawing.add(code)
    return drawing


def _font(said: str, *, bold: bool) -> str:
    try:
        said.encode("cp1252")
    except UnicodeEncodeError:
        return CHINESE
    return "Helvetica-Bold" if bold else "Helvetica"


def text(
    said: str,
    *,
    size: float = 9.5,
    bold: bool = False,
    right: bool = False,
    colour: colors.Color = INK,
) -> Paragraph:
    """Set a text as it is; markup in it stays text."""
    style = ParagraphStyle(
        "text",
        fontName=_font(said, bold=bold),
        fontSize=size,
        leading=size * 1.3,
        textColor=colour,
        alignment=TA_RIGHT if right else 0,
    )
    plain = said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Paragraph(plain, style)


def grid(rows: Sequence[Sequence[Any]], widths: Sequence[float]) -> Table:
    """Lay out cells without lines."""
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
