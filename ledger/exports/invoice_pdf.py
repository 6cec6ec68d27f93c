"""Invoices and credit notes as a company sends them: A4, PDF, the same bytes at every run.

Set with ReportLab (extra `pdf`), see `_pdf_parts`; the file's digest can be signed and checked
again. Lines of one swap or session stand together below what it was.
"""

from collections.abc import Iterator
from typing import Any

from ledger.exports._einvoice_texts import price_text, quantity_text, rate_text
from ledger.exports._pdf_parts import (
    FAINT,
    WIDTH,
    Flowable,
    KeepTogether,
    Page,
    Spacer,
    Table,
    addressed,
    band,
    column_heads,
    grid,
    head,
    lined,
    mm,
    text,
    total,
)
from ledger.exports.einvoice import BusinessDocument, Line, check
from ledger.exports.einvoice_sheet import (
    Sheet,
    date_rows,
    days_words,
    payment_words,
    sum_rows,
    title_of,
    unit_words,
)
from ledger.kernel.money import amount_text


def write_invoice_pdf(sheet: Sheet) -> bytes:
    """Set a document; `Malformed` for what `einvoice.check` refuses."""
    document = sheet.document
    check(document)
    page = Page(document.seller, document.number, sheet.contact)
    return page.build(
        _story(sheet),
        title=f"{title_of(document)} {document.number}",
        author=document.seller.name,
        subject=f"{document.period_from} {document.period_to}".strip(),
    )


# Parts of the page, from top to bottom ------------------------------------------


def _story(sheet: Sheet) -> list[Flowable]:
    document = sheet.document
    parts: list[Flowable] = [
        head(document.seller.name, title_of(document)),
        Spacer(1, 10 * mm),
        addressed(document.buyer, date_rows(document), document.seller.address.country),
        Spacer(1, 8 * mm),
        _lines(document),
        Spacer(1, 2 * mm),
        KeepTogether([_sums(document), Spacer(1, 6 * mm), *_payment(sheet)]),
    ]
    if sheet.facts or sheet.proof:
        parts += [Spacer(1, 5 * mm), KeepTogether([_evidence(sheet)])]
    return parts


def _lines(document: BusinessDocument) -> Table:
    rows = [column_heads(("", "What", "Quantity", "Price", "Tax", document.currency))]
    styles: list[Any] = []
    group = ""
    for line in document.lines:
        if line.group and line.group != group:
            name, _, reference = line.group.partition(" · ")
            rows.append(["", [text(name, bold=True, size=9), *_small(reference)], "", "", "", ""])
            styles.append(("SPAN", (1, len(rows) - 1), (-1, len(rows) - 1)))
        group = line.group
        rows.append(list(_cells(line, document.currency)))
    widths = [10 * mm, 72 * mm, 30 * mm, 22 * mm, 14 * mm, 22 * mm]
    return lined(rows, widths, *styles)


def _cells(line: Line, currency: str) -> Iterator[Any]:
    yield text(line.line_id, colour=FAINT)
    yield _what(line)
    yield text(f"{quantity_text(line)} {unit_words(line)}", right=True)
    yield text(price_text(line), right=True)
    yield text(f"{rate_text(line.rate_bp)} %", right=True)
    yield text(amount_text(line.net_minor, currency), right=True)


def _what(line: Line) -> list[Flowable]:
    if line.group:
        return [text(line.name)]
    small = ", ".join(filter(None, (line.description, days_words(line.from_on, line.to_on))))
    return [text(line.name), *_small(small)]


def _small(said: str) -> list[Flowable]:
    return [text(said, size=7.5, colour=FAINT)] if said else []


def _sums(document: BusinessDocument) -> Table:
    cells = [
        [
            "",
            text(label, bold=bold, right=True),
            text(
                f"{amount_text(minor, document.currency)} {document.currency}",
                bold=bold,
                right=True,
            ),
        ]
        for label, minor, bold in sum_rows(document)
    ]
    return total(grid(cells, [50 * mm, 85 * mm, 35 * mm]))


def _payment(sheet: Sheet) -> list[Flowable]:
    document = sheet.document
    parts: list[Flowable] = []
    if sheet.payments:
        rows = [
            [
                text(one.paid_on, size=8, colour=FAINT),
                text(one.means, size=8),
                text(one.lines, size=8, colour=FAINT),
                text(amount_text(one.amount_minor, document.currency), size=8, right=True),
            ]
            for one in sheet.payments
        ]
        parts.append(grid([[text("How it was paid", bold=True)]], [WIDTH]))
        parts.append(grid(rows, [24 * mm, 72 * mm, 52 * mm, 22 * mm]))
        parts.append(Spacer(1, 4 * mm))
    words = payment_words(document)
    return parts + ([grid([[text(each)] for each in words], [WIDTH])] if words else [])


def _evidence(sheet: Sheet) -> Table:
    rows: list[list[Any]] = [
        [text(label, size=8, colour=FAINT), text(said, size=8)] for label, said in sheet.facts
    ]
    facts = grid(rows or [["", ""]], [38 * mm, 92 * mm])
    left: list[Flowable] = [text("How this was measured", bold=True), facts]
    if sheet.proof:
        left.append(
            text("The square leads to the proof in the public log.", size=7.5, colour=FAINT)
        )
    return band(left, sheet.proof)
