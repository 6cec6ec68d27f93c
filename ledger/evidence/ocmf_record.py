"""The form of an OCMF record (Open Charge Metering Format 1.4.1).

``OCMF|{payload}|{signature}``: two JSON objects, and the text of the first exactly as it came is
what was signed. Every rule here is about one record on its own; what it is worth says `ocmf.py`.

Numbers are read from their text, never through float: a register value is kept in millionths of a
watt-hour. Fields that a reading leaves out are those of the reading before it. A record longer than
`RECORD_BYTES_MAX`, with a key twice in one object, or with anything outside its three parts is
`Malformed`; white space around the signature's object is part of its JSON.
"""

import json
import re
from datetime import datetime
from typing import Any

import msgspec

from ledger.kernel.errors import Malformed
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import instant_of
from ledger.kernel.quantities import parse_scaled

RECORD_BYTES_MAX = 32_768
"""What a signed value of OCPP can carry."""

READINGS_MAX = 1_024
DEFAULT_ALGORITHM = "ECDSA-secp256r1-SHA256"
UWH_PER_WH = 1_000_000

_PARTS = 3
_PAGE = re.compile(r"([TF])(0|[1-9][0-9]{0,14})")
_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}),(\d{3})([+-]\d{2})(\d{2}) ([SIRU])", re.ASCII
)
_DECIMALS = {"kWh": 9, "Wh": 6}
# 1-0:1.8.0*255, 01-00:01.08.00.FF: quantity and tariff count, then the way it is accumulated
_OBIS = re.compile(
    r"(?:[0-9a-f]{1,2}-[0-9a-f]{1,2}:)?0?([12]|[BC][0-3])\.0?8\.[0-9a-z]{1,2}(?:[*.]([0-9a-f]{1,3}))?",
    re.IGNORECASE | re.ASCII,
)
_STANDING = frozenset({"", "255", "ff"})


class Reading(msgspec.Struct, frozen=True):
    """One reading: time in us with its quality letter, register by its OBIS code, value in uWh.

    `way` is ``in``, ``out`` or, for a register that is none of active energy, empty. `stands` says
    that the register keeps counting after the transaction.
    """

    at: int
    quality: str
    tx: str
    obis: str
    way: str
    stands: bool
    value_uwh: int
    error_flags: str
    status: str


class Record(msgspec.Struct, frozen=True):
    """One record: the signed bytes, what they say, and the signature still in its text form.

    `gateway` is an id that always belongs to its model and serial. `driver` is everything that
    names the driver; it is compared and never kept.
    """

    signed: bytes
    gateway: str
    gateway_model: str
    gateway_serial: str
    meter_model: str
    meter_serial: str
    page_kind: str
    page: int
    driver: tuple[str, ...]
    readings: tuple[Reading, ...]
    algorithm: str
    encoding: str
    signature: str


class _Number(str):
    """A number of the JSON text as it was written."""

    __slots__ = ()


def parse(raw: bytes) -> Record:
    """Read a record; `Malformed` names the field and the rule."""
    if len(raw) > RECORD_BYTES_MAX:
        raise Malformed(f"longer than {RECORD_BYTES_MAX} bytes", field="ocmf")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8", field="ocmf") from error
    parts = text.split("|")
    if len(parts) != _PARTS or parts[0] != "OCMF":
        raise Malformed("OCMF|{payload}|{signature}", field="ocmf")
    payload, signature = _object(parts[1], "payload"), _object(parts[2], "signature")
    gateway_serial, meter_serial = _text(payload, "GS"), _text(payload, "MS")
    page_kind, page = _page(payload)
    return Record(
        signed=parts[1].encode(),
        gateway=derived_id("GW", _text(payload, "GI"), gateway_serial),
        gateway_model=_text(payload, "GI"),
        gateway_serial=gateway_serial,
        meter_model=_text(payload, "MM"),
        meter_serial=meter_serial,
        page_kind=page_kind,
        page=page,
        driver=tuple(json.dumps(payload.get(name)) for name in ("IS", "IT", "ID")),
        readings=_readings(payload.get("RD")),
        algorithm=_text(signature, "SA") or DEFAULT_ALGORITHM,
        encoding=_text(signature, "SE") or "hex",
        signature=_text(signature, "SD"),
    )


def _object(text: str, field: str) -> dict[str, Any]:
    try:
        value = json.loads(
            text,
            object_pairs_hook=_no_twins,
            parse_float=_Number,
            parse_int=_Number,
            parse_constant=_no_constant,
        )
    except (json.JSONDecodeError, RecursionError) as error:
        raise Malformed("not JSON", field=field) from error
    if not isinstance(value, dict):
        raise Malformed("not a JSON object", field=field)
    return value


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a key stands twice in one object", field="ocmf")
    return found


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is no number", field="ocmf")


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name, "")
    if not isinstance(value, str) or isinstance(value, _Number):
        raise Malformed("not a text", field=name)
    if not value.isprintable():
        raise Malformed("holds a character that cannot be printed", field=name)
    return value


def _page(payload: dict[str, Any]) -> tuple[str, int]:
    found = _PAGE.fullmatch(_text(payload, "PG"))
    if found is None:
        raise Malformed("T or F and a number", field="PG")
    return found[1], int(found[2])


# Readings -----------------------------------------------------------------------


def _readings(rows: Any) -> tuple[Reading, ...]:
    if not isinstance(rows, list) or not 0 < len(rows) <= READINGS_MAX:
        raise Malformed(f"a list of 1 to {READINGS_MAX} readings", field="RD")
    found: list[Reading] = []
    before: dict[str, Any] = {}
    for row in rows:
        if not isinstance(row, dict):
            raise Malformed("not a JSON object", field="RD")
        before = before | row
        found.append(_reading(before))
    return tuple(found)


def _reading(row: dict[str, Any]) -> Reading:
    at, quality = _time(_text(row, "TM"))
    obis = _text(row, "RI")
    unit = _text(row, "RU")
    way, stands = _register(obis) if unit in _DECIMALS else ("", False)
    return Reading(
        at=at,
        quality=quality,
        tx=_text(row, "TX"),
        obis=obis,
        way=way,
        stands=stands,
        value_uwh=_value(row.get("RV"), _DECIMALS[unit]) if way else 0,
        error_flags=_text(row, "EF"),
        status=_text(row, "ST"),
    )


def _time(text: str) -> tuple[int, str]:
    found = _TIME.fullmatch(text)
    if found is None:
        raise Malformed("YYYY-MM-DDThh:mm:ss,mmm+hhmm and a letter of S, I, R, U", field="TM")
    whole, millis, hours, minutes, quality = found.groups()
    try:
        moment = datetime.fromisoformat(f"{whole}.{millis}{hours}:{minutes}")
    except ValueError as error:
        raise Malformed("no such time", field="TM") from error
    return instant_of(moment), quality


def _register(obis: str) -> tuple[str, bool]:
    """Tell which way the energy of a register flows, and whether it counts on for ever."""
    if not obis:
        return "in", True  # left out: the meter has only the one register
    found = _OBIS.fullmatch(obis)
    if found is None:
        return "", False
    quantity, storage = found[1].upper(), (found[2] or "").lower()
    way = "in" if quantity in {"1", "B0", "B1", "B2", "B3"} else "out"
    per_transaction = quantity[1:] in {"2", "3"} or storage not in _STANDING
    return way, not per_transaction


def _value(value: Any, decimals: int) -> int:
    """Read a register's value in uWh, a number or its text; meters pad with blanks and zeros."""
    if not isinstance(value, str):
        raise Malformed("not a number", field="RV")
    digits = value if isinstance(value, _Number) else value.strip(" ").lstrip("0") or "0"
    uwh = parse_scaled("0" + digits if digits.startswith(".") else digits, decimals, "RV")
    if uwh < 0:
        raise Malformed("a register is never negative", field="RV")
    return uwh
