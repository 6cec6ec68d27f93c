"""Bills as one plain page to be read or printed: English or Chinese, no script, nothing from afar.

Tables have captions and headers that a screen reader says; on paper the page has margins and no
colours. The same bill gives the same bytes.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from ledger.exports.invoice_papers import Letterhead
from ledger.kernel.money import amount_text
from partner_api.driver.amounts import kwh_text
from partner_api.driver.bodies_bills import (
    InvoiceLineOut,
    InvoiceOut,
    PackSideOut,
    ReceiptLineOut,
    ReceiptOut,
    TaxOut,
)
from partner_api.driver.printable_words import KINDS_ZH, PAYMENTS_ZH, UNITS_ZH, WORDS, ZH

LANGUAGES = ("en", "zh")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The Content-Security-Policy of a page."""

_STYLE = """
:root { color-scheme: light }
body { font: 1rem/1.5 Roboto, "Noto Sans SC", system-ui, sans-serif; color: #1a1c1e;
  background: #fff; max-width: 45rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.5rem; font-weight: 400; margin: 0 0 1rem }
h2 { font-size: 1rem; font-weight: 600; margin: 1.5rem 0 .25rem }
table { border-collapse: collapse; width: 100% }
caption { text-align: left; font-weight: 600; padding: 1rem 0 .25rem }
th, td { padding: .35rem .5rem .35rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid #c4c7c5; overflow-wrap: anywhere }
th { font-weight: 600 } .n { text-align: right; white-space: nowrap }
.total td, .total th { font-weight: 600; border-bottom: 3px double #1a1c1e }
.small { color: #44474a; font-size: .875rem } .box { border: 1px solid #79747e;
  border-radius: .75rem; padding: .5rem 1rem; margin: 1rem 0 }
@page { size: A4; margin: 18mm }
@media print { body { padding: 0; max-width: none } tr, .box { break-inside: avoid } }
"""


class _Line(NamedTuple):
    """What both kinds of line say on paper."""

    kind: str
    text: str
    quantity: int
    billed: int
    unit: str
    price: str
    rate: str
    net_minor: int
    is_allowance: bool
    is_disputed: bool


def receipt_page(made: ReceiptOut, language: str, head: Letterhead | None = None) -> bytes:
    """Write the receipt of a swap."""
    say = WORDS[language]
    facts = [
        (say["swap"], made.swap_id),
        (say["booking"], made.booking_id),
        (say["station"], made.station_id),
        (say["time"], f"{made.local_time.replace('T', ' ')} {made.zone}"),
        (say["energy"], f"{kwh_text(made.energy_wh)} {say['kwh']}"),
        (say["entry"], say["position"].format(position=made.position) if made.entry_hash else ""),
        ("SHA-256", made.entry_hash),
        (say["seller"], head.seller.name if head else ""),
    ]
    notes = []
    if made.substitute is not None:
        notes.append(say["substitute"].format(cap=kwh_text(made.substitute.cap_wh)))
    parts = [
        _facts(facts),
        *(f'<p class="box">{escape(note)}</p>' for note in notes),
        _packs(made, say),
        _lines([_of_receipt(line) for line in made.lines], made.currency, language),
        _sums(
            made.currency, (made.net_minor, made.rounding_minor, made.total_minor), made.tax, say
        ),
        _payments([(one.on, one.kind, one.amount_minor) for one in made.payments], made, language),
        _corrections(made, say),
    ]
    return _page(f"{say['receipt']} {made.swap_id}", language, parts)


def invoice_page(made: InvoiceOut, language: str, head: Letterhead | None = None) -> bytes:
    """Write an invoice as it was issued, whatever was paid since."""
    say = WORDS[language]
    facts = [
        (say["number"], made.number),
        (say["issued"], made.issued_on),
        (say["due"], made.due_on),
        (say["period"], made.period),
        (say["seller"], _seller(head)),
        (say["entry"], say["position"].format(position=made.position)),
    ]
    parts = [
        _facts(facts),
        _lines([_of_invoice(line) for line in made.lines], made.currency, language),
        _sums(
            made.currency, (made.net_minor, made.rounding_minor, made.total_minor), made.tax, say
        ),
    ]
    return _page(f"{say['invoice']} {made.number}", language, parts)


def _seller(head: Letterhead | None) -> str:
    if head is None:
        return ""
    place = head.seller.address
    told = (head.seller.name, place.street, f"{place.post_code} {place.city}", place.country)
    return ", ".join(part.strip() for part in (*told, head.seller.vat_id) if part.strip())


def _of_receipt(line: ReceiptLineOut) -> _Line:
    return _Line(
        line.kind,
        line.text,
        line.quantity,
        line.billed_quantity,
        line.unit,
        line.unit_price,
        line.tax_rate,
        line.net_minor,
        line.is_allowance,
        line.disputed,
    )


def _of_invoice(line: InvoiceLineOut) -> _Line:
    return _Line(
        line.kind,
        line.text,
        line.quantity,
        line.quantity,
        line.unit,
        line.unit_price,
        line.tax_rate,
        line.net_minor,
        is_allowance=False,
        is_disputed=False,
    )


# Parts of a page --------------------------------------------------------------


def _page(title: str, language: str, parts: Iterable[str]) -> bytes:
    tag = {"en": "en", "zh": "zh-Hans"}[language]
    page = (
        "<!doctype html>",
        f'<html lang="{tag}"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>",
        f"<body><main><h1>{escape(title)}</h1>",
        *(part for part in parts if part),
        "</main></body></html>",
    )
    return "\n".join(page).encode() + b"\n"


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>'
        for name, text in facts
        if text
    )
    return f"<table>{rows}</table>"


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], right: int) -> str:
    """Write a table; the last `right` columns are amounts."""
    if not rows:
        return ""
    border = len(heads) - right

    def cell(tag: str, at: int, text: str) -> str:
        kind = ' class="n"' if at >= border else ""
        scope = ' scope="col"' if tag == "th" else ""
        return f"<{tag}{scope}{kind}>{escape(text)}</{tag}>"

    head = "".join(cell("th", at, text) for at, text in enumerate(heads))
    body = "".join(
        "<tr>" + "".join(cell("td", at, text) for at, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _lines(lines: Sequence[_Line], currency: str, language: str) -> str:
    say = WORDS[language]
    rows = []
    for line in lines:
        text = line.text if language == "en" else _text_zh(line)
        if line.is_disputed:
            text += f" — {say['disputed']}"
        rows.append(
            (text, f"{line.price} {currency}", f"{line.rate} %", _money(line.net_minor, currency))
        )
    heads = (say["text"], say["price"], say["tax"], say["net"])
    return _table(say["lines"], heads, rows, 3)


def _text_zh(line: _Line) -> str:
    name = KINDS_ZH.get(line.kind, line.kind)
    is_energy = line.unit == "wh"
    unit = ZH["kwh"] if is_energy else UNITS_ZH.get(line.unit, line.unit)
    billed, told = (
        (kwh_text(one) if is_energy else str(one)) for one in (line.billed, line.quantity)
    )
    more = ZH["minimum"].format(quantity=told) if line.billed > line.quantity else ""
    more = ZH["allowance"] if line.is_allowance else more
    return f"{name} {billed} {unit}" + (ZH["more"].format(more=more) if more else "")


def _sums(
    currency: str, sums: tuple[int, int, int], tax: Sequence[TaxOut], say: dict[str, str]
) -> str:
    net, rounding, total = sums
    rows = [(say["sum"], net)]
    rows += [
        (
            f"{say['tax']} {one.category} {one.rate} % ({_money(one.net_minor, currency)})",
            one.tax_minor,
        )
        for one in tax
    ]
    rows += [(say["rounding"], rounding)] if rounding else []
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="n">{_money(minor, currency)}</td></tr>'
        for name, minor in rows
    )
    last = f'<th scope="row">{say["gross"]}</th><td class="n">{_money(total, currency)}</td>'
    caption = f"<caption>{say['tax_table']}</caption>"
    return f'<table>{caption}<tbody>{body}<tr class="total">{last}</tr></tbody></table>'


def _packs(made: ReceiptOut, say: dict[str, str]) -> str:
    rows = [_pack(say["in"], one, say) for one in made.packs_in]
    rows += [_pack(say["out"], one, say) for one in made.packs_out]
    heads = tuple(say[name] for name in ("way", "pack", "signature", "soc", "soh", "stored"))
    return _table(say["packs"], heads, rows, 3)


def _pack(way: str, one: PackSideOut, say: dict[str, str]) -> tuple[str, ...]:
    stored = "" if one.stored_wh is None else f"{kwh_text(one.stored_wh)} {say['kwh']}"
    return way, one.pack_id, one.signature, _percent(one.soc_bp), _percent(one.soh_bp), stored


def _percent(value_bp: int | None) -> str:
    return "" if value_bp is None else f"{value_bp // 100}.{value_bp % 100 // 10} %"


def _payments(rows: Sequence[tuple[str, str, int]], made: ReceiptOut, language: str) -> str:
    say = WORDS[language]
    named = [
        (
            on,
            PAYMENTS_ZH.get(kind, kind) if language == "zh" else kind,
            _money(minor, made.currency),
        )
        for on, kind, minor in rows
    ]
    return _table(say["payments"], (say["on"], say["how"], say["amount"]), named, 1)


def _corrections(made: ReceiptOut, say: dict[str, str]) -> str:
    rows = [
        (one.at[:10], one.why, _money(one.difference_minor, made.currency))
        for one in made.corrections
    ]
    return _table(say["corrections"], (say["on"], say["why"], say["difference"]), rows, 1)


def _money(minor: int, currency: str) -> str:
    return f"{amount_text(minor, currency)} {currency}"
