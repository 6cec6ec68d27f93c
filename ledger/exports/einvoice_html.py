"""Invoices and credit notes as one page of HTML to be printed: no script, nothing from elsewhere.

It says what the PDF says, for whoever has no PDF extra; the same bytes at every run.
"""

from collections.abc import Iterator
from html import escape

from ledger.exports._einvoice_texts import price_text, quantity_text, rate_text
from ledger.exports.einvoice import BusinessDocument, Line, Trader, check
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

_STYLE = """
@page { size: A4; margin: 20mm }
body { font: 11pt/1.45 system-ui, sans-serif; color: #1b1f24; max-width: 170mm; margin: auto }
h1 { font-weight: 300; text-align: right } h2 { color: #0b6e4f; float: left; margin: 0 }
table { border-collapse: collapse; width: 100%; margin: 6mm 0 }
th { background: #f1f4f6; color: #6a737d; font-weight: normal; font-size: 9pt }
td, th { padding: 1.5mm; text-align: right; vertical-align: top } .l { text-align: left }
tr { border-bottom: 1px solid #f1f4f6 } small { color: #6a737d; display: block }
.total td { font-weight: bold; border-top: 2px solid #0b6e4f } footer { color: #6a737d }
.head td { padding: .3mm 0 } .head { width: 45% } .block { float: right }
"""


def write_invoice_html(sheet: Sheet) -> bytes:
    """Write a document; `Malformed` for what `einvoice.check` refuses."""
    document = sheet.document
    check(document)
    title = escape(f"{title_of(document)} {document.number}")
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f"<style>{_STYLE}</style></head><body>",
        f"<h2>{escape(document.seller.name)}</h2><h1>{title_of(document)}</h1>",
        _head(document),
        _lines(document),
        _sums(document),
        _payments(sheet),
        *(f"<p>{escape(words)}</p>" for words in payment_words(document)),
        _facts(sheet),
        f"<footer><p>{_sender(document.seller, sheet.contact)}</p></footer>",
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part).encode() + b"\n"


def _head(document: BusinessDocument) -> str:
    rows = "".join(
        f'<tr><td class="l">{label}</td><td>{escape(text)}</td></tr>'
        for label, text in date_rows(document)
        if text
    )
    return f'<table class="head block">{rows}</table><p>{_address(document.buyer)}</p>'


def _address(trader: Trader) -> str:
    address = trader.address
    place = f"{address.post_code} {address.city}".strip()
    parts = (trader.name, address.street, place, address.country)
    return "<br>".join(escape(part) for part in parts if part)


def _lines(document: BusinessDocument) -> str:
    head = "".join(
        f"<th{cell}>{word}</th>"
        for word, cell in (
            ("", ""),
            ("What", ' class="l"'),
            ("Quantity", ""),
            ("Price", ""),
            ("Tax", ""),
            (escape(document.currency), ""),
        )
    )
    rows = "\n".join(_rows(document))
    return f"<table><tr>{head}</tr>\n{rows}</table>"


def _rows(document: BusinessDocument) -> Iterator[str]:
    group = ""
    for line in document.lines:
        if line.group and line.group != group:
            name, _, reference = line.group.partition(" · ")
            words = f"<b>{escape(name)}</b><small>{escape(reference)}</small>"
            yield f'<tr><td></td><td class="l" colspan="5">{words}</td></tr>'
        group = line.group
        yield _row(line, document.currency)


def _row(line: Line, currency: str) -> str:
    told = "" if line.group else line.description
    days = "" if line.group else days_words(line.from_on, line.to_on)
    small = ", ".join(filter(None, (told, days)))
    what = escape(line.name) + (f"<small>{escape(small)}</small>" if small else "")
    cells = (
        f"{quantity_text(line)} {unit_words(line)}",
        price_text(line),
        f"{rate_text(line.rate_bp)} %",
        amount_text(line.net_minor, currency),
    )
    numbers = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><td>{escape(line.line_id)}</td><td class="l">{what}</td>{numbers}</tr>'


def _sums(document: BusinessDocument) -> str:
    total = ' class="total"'
    rows = "".join(
        f"<tr{total if is_total else ''}><td>{escape(label)}</td>"
        f"<td>{amount_text(minor, document.currency)} {escape(document.currency)}</td></tr>"
        for label, minor, is_total in sum_rows(document)
    )
    return f"<table>{rows}</table>"


def _payments(sheet: Sheet) -> str:
    if not sheet.payments:
        return ""
    currency = sheet.document.currency
    rows = "".join(
        f'<tr><td class="l">{escape(one.paid_on)}</td><td class="l">{escape(one.means)}</td>'
        f'<td class="l">{escape(one.lines)}</td>'
        f"<td>{amount_text(one.amount_minor, currency)}</td></tr>"
        for one in sheet.payments
    )
    return f"<h3>How it was paid</h3><table>{rows}</table>"


def _facts(sheet: Sheet) -> str:
    if not sheet.facts and not sheet.proof:
        return ""
    told = [*sheet.facts, *([("Proof in the public log", sheet.proof)] if sheet.proof else [])]
    rows = "".join(
        f'<tr><td class="l">{escape(label)}</td><td class="l">{escape(text)}</td></tr>'
        for label, text in told
    )
    return f"<h3>How this was measured</h3><table>{rows}</table>"


def _sender(seller: Trader, contact: str) -> str:
    address = seller.address
    place = f"{address.street}, {address.post_code} {address.city}, {address.country}"
    told = (seller.name, place, seller.register_id, seller.vat_id, contact)
    return escape(" · ".join(part for part in told if part))
