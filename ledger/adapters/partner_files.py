"""Files of partners: what they say they did for us, one line per usage, as CSV or JSON.

The fields, all texts::

    external_id     their own id of the line, each once
    our_reference   our id of the swap or charging session
    service_time    ISO 8601 with a zone
    energy_kwh      up to 3 decimals
    energy_amount   net of tax, with the decimals of the currency
    service_amount  likewise
    total           what they claim for the line
    currency        ISO 4217

CSV has exactly this header, in this order, in UTF-8, divided by ``,`` or ``;``. JSON is a list of
objects with these members, or an object with `lines` and a control sum `total`. Decimals are exact:
a JSON number is taken by its text. A wrong header or encoding is `Malformed`; a bad line is
rejected with a code and its field, and the rest goes on.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import msgspec

from ledger.domain.money.reconciling_partner import (
    REJECTED,
    LineVerdict,
    PartnerFile,
    PartnerLine,
)
from ledger.kernel.errors import Malformed
from ledger.kernel.ids import is_id
from ledger.kernel.instants import parse_instant, utc_day
from ledger.kernel.money import check_currency, parse_amount
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.quantities import parse_scaled

FIELDS = (
    *("external_id", "our_reference", "service_time", "energy_kwh"),
    *("energy_amount", "service_amount", "total", "currency"),
)
SIZE_MAX = 25 * 1024 * 1024
"""Bytes of a file."""
LINES_MAX = 200_000
TEXT_MAX = 60
_KWH_DECIMALS = 3

_json = msgspec.json.Decoder(float_hook=str)


def read_partner_file(content: bytes, currency: str) -> PartnerFile:
    """Read a file; `currency` is that of a control sum. `Malformed` where the whole file is bad."""
    if len(content) > SIZE_MAX:
        raise Malformed(f"more than {SIZE_MAX} bytes")
    total: int | None = None
    rows: Iterable[dict[str, Any]]
    if content.lstrip()[:1] in (b"[", b"{"):
        rows, declared = _json_rows(content)
        total = None if declared is None else parse_amount(declared, currency, "total")
    else:
        rows = _csv_rows(content)
    lines: list[tuple[int, PartnerLine]] = []
    rejected: list[LineVerdict] = []
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if number > LINES_MAX:
            raise Malformed(f"more than {LINES_MAX} lines")
        name = _text(row.get("external_id"))[:TEXT_MAX]
        try:
            line = _line(row)
        except Malformed as error:
            code = "FIELD_MISSING" if error.rule == "is missing" else "FIELD_INVALID"
            rejected.append(LineVerdict(number, name, REJECTED, (code,), error.field))
            continue
        if line.external_id in seen:
            rejected.append(LineVerdict(number, name, REJECTED, ("REPEATED",), "external_id"))
            continue
        seen.add(line.external_id)
        lines.append((number, line))
    return PartnerFile(sha256(content).hexdigest(), tuple(lines), tuple(rejected), total)


def _json_rows(content: bytes) -> tuple[list[dict[str, Any]], str | None]:
    try:
        told = _json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from error
    rows = told.get("lines") if isinstance(told, dict) else told
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise Malformed("a list of objects", field="lines")
    strangers = {name for one in rows for name in one} - set(FIELDS)
    if strangers:
        raise Malformed("not a member of a line", field=min(strangers)[:TEXT_MAX])
    total = told.get("total") if isinstance(told, dict) else None
    return rows, None if total is None else _text(total)


def _csv_rows(content: bytes) -> Iterator[dict[str, Any]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8") from error
    head = text.partition("\n")[0].rstrip("\r")
    divider = next((one for one in ",;" if head == one.join(FIELDS)), "")
    if not divider:
        raise Malformed(f"the header is {','.join(FIELDS)}", field="header")
    return _cells(csv.reader(io.StringIO(text, newline=""), delimiter=divider, strict=True))


def _cells(rows: Iterable[list[str]]) -> Iterator[dict[str, Any]]:
    try:
        for place, cells in enumerate(rows):
            if place and cells:
                # too many cells are no line of ours: say so by a field that is none
                whole = len(cells) <= len(FIELDS)
                yield dict(zip(FIELDS, cells, strict=False)) if whole else {"external_id": cells[0]}
    except csv.Error as error:
        raise Malformed(f"not CSV: {error}") from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def _line(row: dict[str, Any]) -> PartnerLine:
    texts = {}
    for name in FIELDS:
        text = _text(row.get(name)).strip()
        if not text:
            raise Malformed("is missing", field=name)
        if len(text) > TEXT_MAX:
            raise Malformed(f"longer than {TEXT_MAX} characters", field=name)
        texts[name] = text
    currency = texts["currency"]
    if not is_id(texts["our_reference"]):
        raise Malformed("not an id", field="our_reference")
    at = parse_instant(texts["service_time"], "service_time")
    energy_wh = parse_scaled(texts["energy_kwh"], _KWH_DECIMALS, "energy_kwh")
    check_currency(currency, "currency")
    amounts = {
        name: parse_amount(texts[name], currency, name)
        for name in ("energy_amount", "service_amount", "total")
    }
    for name, value in (*amounts.items(), ("energy_kwh", energy_wh)):
        if abs(value) > QUANTITY_MAX:
            raise Malformed("too large", field=name)
    return PartnerLine(
        external_id=texts["external_id"],
        our_reference=texts["our_reference"],
        on=utc_day(at),
        energy_wh=energy_wh,
        energy_minor=amounts["energy_amount"],
        service_minor=amounts["service_amount"],
        total_minor=amounts["total"],
        currency=currency,
    )
