"""What a passport is made of: facts by clause, from a facts file and from the ledger.

A facts file is what the maker and the economic operator say of a class of packs; what a ledger of
custody and energy cannot know stands there, and nowhere else. JSON, UTF-8, at most 1 MiB::

    pack_class  the class it is about
    version     of these facts; a change is a new version
    source      the document that they were taken from
    facts       {clause: value}, static attributes of the model
    packs       {pack id: {clause: value}}, attributes of single packs
    catena_x    what only the Catena-X shape asks for

The shape of each value stands in `_passport_values.py`. Measured values carry when they were
taken. What the ledger knows of a pack itself is never taken from the file.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ledger.exports._passport_attributes import BY_CLAUSE
from ledger.exports._passport_values import TYPES, CatenaX, Measured, Part, Text
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import parse_instant

FACTS_BYTES_MAX = 1_048_576
_NUMBER_MAX = Decimal(10) ** 15
_DECIMALS_MAX = 12

DERIVED = frozenset({"6.1.2.1", "6.1.3.7"})
"""Attributes that only the ledger tells."""

GROUPS = frozenset({"6.3.9", "6.7.7.2"})
"""Attributes that are made of others and have no value of their own."""

Values = dict[str, Any]


class FactsFile(msgspec.Struct, frozen=True):
    """A facts file that was read: values by clause, of the model and of single packs."""

    pack_class: str
    version: int
    source: str
    model: Values
    packs: dict[str, Values]
    catena_x: CatenaX | None


class _Raw(Part, frozen=True):
    pack_class: Text
    version: Annotated[int, Meta(ge=1)]
    source: Text
    facts: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    packs: dict[str, dict[str, msgspec.Raw]] = msgspec.field(default_factory=dict)
    catena_x: CatenaX | None = None


def parse_facts(data: bytes, place: str = "") -> FactsFile:
    """Read a facts file; `Malformed` names the member and the rule that it breaks."""
    if len(data) > FACTS_BYTES_MAX:
        raise Malformed(f"longer than {FACTS_BYTES_MAX} bytes", place=place)
    raw: _Raw = _decoded(data, _Raw, "", place)
    model = _values(raw.facts, "facts", place, individual=False)
    packs = {
        pack_id: _values(values, f"packs.{pack_id[:40]}", place, individual=True)
        for pack_id, values in raw.packs.items()
    }
    _check_shares(model, place)
    if raw.catena_x is not None:
        _check(msgspec.structs.asdict(raw.catena_x), "catena_x", place)
    return FactsFile(raw.pack_class, raw.version, raw.source, model, packs, raw.catena_x)


def type_of(clause: str) -> Any:
    """Give the type of an attribute's value: a number, if nothing else is said."""
    return TYPES.get(clause, Measured if BY_CLAUSE[clause].is_dynamic else Decimal)


def _values(raw: dict[str, msgspec.Raw], where: str, place: str, *, individual: bool) -> Values:
    found: Values = {}
    for clause, text in raw.items():
        field = f"{where}.{clause[:20]}"
        attribute = BY_CLAUSE.get(clause)
        if attribute is None or clause in DERIVED | GROUPS:
            raise Malformed("no attribute that a facts file can tell", field=field, place=place)
        if attribute.is_individual and not individual and clause not in _COMMON:
            raise Malformed("belongs to single packs, not to the model", field=field, place=place)
        value = _decoded(bytes(text), type_of(clause), field, place)
        _check(value, field, place, clause)
        found[clause] = value
    return found


_COMMON = frozenset({"6.1.2.3", "6.2.5"})
"""Operator and extinguishing agent: listed as of the single pack, but alike for all of a class."""


def _decoded(data: bytes, kind: Any, field: str, place: str) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        what, _, where = str(error).partition(" - at `$")
        path = f"{field}{where.rstrip('`')}".lstrip(".")
        raise Malformed(what, field=path, place=place) from error


def _check(value: Any, field: str, place: str, name: str = "") -> None:
    """Refuse what no measure, share or day can be; `name` is the clause or member it stands under.

    Shares and contents lie between 0 and 100 %, temperatures between -100 and 200 degrees, and
    nothing but a temperature and a change is negative.
    """
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if not (isinstance(exponent, int) and -_DECIMALS_MAX <= exponent <= _DECIMALS_MAX):
            rule = f"a number with up to {_DECIMALS_MAX} decimals"
            raise Malformed(rule, field=field, place=place)
        low, high = _RANGES.get(name, (Decimal(0), _NUMBER_MAX))
        if not low <= value <= high:
            raise Malformed(f"a number from {low:f} to {high:f}", field=field, place=place)
        return
    if isinstance(value, str) and name in _DAYS:
        _check_day(value, field, place)
    elif isinstance(value, str) and name == "at":
        parse_instant(value, field)
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, dict):
        for member, each in value.items():
            _check(each, f"{field}.{member}", place, member)
    elif isinstance(value, tuple):
        for number, each in enumerate(value):
            _check(each, f"{field}[{number}]", place, name)


def _check_day(text: str, field: str, place: str) -> None:
    try:
        date.fromisoformat(text if len(text) == len("YYYY-MM-DD") else f"{text}-01")
    except ValueError as error:
        raise Malformed("a day of the calendar", field=field, place=place) from error


_PERCENT = (Decimal(0), Decimal(100))
_CELSIUS = (Decimal(-100), Decimal(200))
_CHANGE = (-_NUMBER_MAX, _NUMBER_MAX)
_RANGES: dict[str, tuple[Decimal, Decimal]] = {
    **dict.fromkeys(("6.3.3", "6.3.4", "6.3.5", "6.3.6"), _PERCENT),
    **{f"6.6.2.{number}": _PERCENT for number in range(3, 12)},
    **dict.fromkeys(("6.7.7.3", "6.7.7.4", "cycle_temperature_celsius"), _CELSIUS),
    **dict.fromkeys(("percent", "recycled_percent", "renewable_percent"), _PERCENT),
    **dict.fromkeys(("soc_percent", "depth_of_discharge_percent"), _PERCENT),
    **dict.fromkeys(("value", "pack_percent", "cell_percent"), _CHANGE),
}
_DAYS = frozenset({"6.1.3.2", "6.1.3.3", "expires_on"})
_SHARES = (("6.6.2.3", "6.6.2.7"), ("6.6.2.4", "6.6.2.8"), ("6.6.2.5", "6.6.2.9"),
           ("6.6.2.6", "6.6.2.10"))  # fmt: skip
"""Recycled shares before and after use, of one material each."""


def _check_shares(model: Values, place: str) -> None:
    for before, after in _SHARES:
        if model.get(before, Decimal(0)) + model.get(after, Decimal(0)) > _PERCENT[1]:
            field = f"facts.{after}"
            raise Malformed(f"with {before} at most 100", field=field, place=place)
