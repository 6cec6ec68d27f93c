"""A passport's values as a driver reads them: lines of words, figures with units, documents.

Units and names that have words in a driver's language (``month``, ``ev``) come as they are: the
reader says them.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from ledger.exports._passport_values import (
    Agent,
    Chemistry,
    Document,
    Hazard,
    Impact,
    Increase,
    Label,
    Manual,
    Measured,
    Organisation,
    Period,
    PowerAt,
    PowerMeasured,
    Rates,
    Resistances,
    Site,
)

_SHARES = ("6.3.3", "6.3.4", "6.3.5", "6.3.6", *(f"6.6.2.{number}" for number in range(3, 12)))
_PERCENT = (
    *("6.7.2.4", "6.7.2.7", "6.7.2.8", "6.7.3.4", "6.7.4.2", "6.7.4.3", "6.7.4.4", "6.7.4.5"),
    "6.7.6.9",
)
UNITS: dict[str, str] = {
    **dict.fromkeys((*_SHARES, *_PERCENT), "%"),
    **dict.fromkeys(("6.7.2.2", "6.7.2.3", "6.7.6.8"), "Ah"),
    **dict.fromkeys(("6.7.2.5", "6.7.2.6", "6.7.6.7"), "kWh"),
    **dict.fromkeys(("6.7.2.9", "6.7.2.10", "6.7.2.11"), "V"),
    **dict.fromkeys(("6.7.4.6", "6.7.4.7"), "%/month"),
    **dict.fromkeys(("6.7.6.3", "6.7.6.4"), "cycle"),
    **dict.fromkeys(("6.7.7.3", "6.7.7.4"), "°C"),
    **dict.fromkeys(("6.7.7.5", "6.7.7.6", "6.7.7.7", "6.7.7.8"), "min"),
    "6.1.3.6": "kg",
    "6.3.2": "kg CO₂e/kWh",
    "6.3.10": "kg CO₂e",
    "6.7.3.5": "W",
    "6.7.3.6": "W/Wh",
    "6.7.6.2": "year",
}
"""Units of the attributes that are one figure, by clause; as the exports write them."""


class Words(NamedTuple):
    """A value: its lines, the unit of a figure, when it was measured, and (title, URL) pairs."""

    lines: tuple[str, ...]
    unit: str = ""
    at: str = ""
    links: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


def words_of(clause: str, value: Any) -> Words:
    """Put the value of an attribute into words; members that are unknown here keep their names."""
    said = _said(value)
    return said if said.unit else said._replace(unit=UNITS.get(clause, ""))


def _said(value: Any) -> Words:
    if isinstance(value, str):
        return Words((value,))
    if isinstance(value, Decimal | int | float):
        return Words((_number(value),))
    if isinstance(value, dict):
        return _joined(_named(name, each) for name, each in value.items())
    if isinstance(value, tuple | list):
        return _joined(map(_said, value))
    found = _WORDS.get(type(value))
    return found(value) if found else _said(msgspec.structs.asdict(value))


def _joined(parts: Iterable[Words]) -> Words:
    found = tuple(parts)
    lines = tuple(line for each in found for line in each.lines)
    return Words(lines, links=tuple(dict.fromkeys(link for each in found for link in each.links)))


def _named(name: str, value: Any) -> Words:
    if value in (None, "", ()):
        return Words(())
    said = _said(value)
    title = name.replace("_", " ")
    if not said.lines:
        return said
    return said._replace(lines=(f"{title}: {said.lines[0]}", *said.lines[1:]), unit="", at="")


def _number(value: Decimal | float) -> str:
    """Write a figure without an exponent and without idle zeros.

    >>> _number(Decimal("450.50")), _number(Decimal("1E+3")), _number(1800)
    ('450.5', '1000', '1800')
    """
    text = f"{Decimal(str(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _document(value: Document | Manual) -> Words:
    return Words((), links=((value.title, value.url),))


def _site(value: Site) -> Words:
    return Words((value.street, f"{value.postal_code} {value.country}"))


def _organisation(value: Organisation) -> Words:
    web = ((value.web.partition("//")[2], value.web),) if value.web else ()
    return Words((value.name, *_site(value.address).lines), links=web)


def _label(value: Label) -> Words:
    meaning = value.meaning.get("en") or next(iter(value.meaning.values()))
    return Words((), links=((meaning, value.symbol),))


def _agent(value: Agent) -> Words:
    return Words((f"{value.media} ({value.fire_class})",))


def _hazard(value: Hazard) -> Words:
    papers = _said(value.documents).links
    return Words(
        (f"{value.name} (CAS {value.cas}), {_number(value.percent)} %, {value.location}",),
        links=papers,
    )


def _impact(value: Impact) -> Words:
    return Words(value.texts, links=_said(value.documents).links)


def _resistances(value: Resistances) -> Words:
    parts = (("pack", value.pack), ("module", value.module), ("cell", value.cell))
    return Words(tuple(f"{name}: {_number(ohm)} Ω" for name, ohm in parts if ohm is not None))


def _increase(value: Increase) -> Words:
    pack = f"pack: +{_number(value.pack_percent)} %, {_number(value.pack_ohm)} Ω"
    cell = f"cell: +{_number(value.cell_percent)} %, {_number(value.cell_ohm)} Ω"
    return Words((pack, cell), at=value.at)


def _power(value: PowerAt | PowerMeasured) -> Words:
    at = value.at if isinstance(value, PowerMeasured) else ""
    return Words((f"{_number(value.power_w)} W (SoC {_number(value.soc_percent)} %)",), at=at)


_WORDS: dict[type, Callable[[Any], Words]] = {
    Agent: _agent,
    Chemistry: lambda value: Words((value.clear,)),
    Document: _document,
    Hazard: _hazard,
    Impact: _impact,
    Increase: _increase,
    Label: _label,
    Manual: _document,
    Measured: lambda value: Words((_number(value.value),), at=value.at),
    Organisation: _organisation,
    Period: lambda value: Words((str(value.value),), unit=value.unit),
    PowerAt: _power,
    PowerMeasured: _power,
    Rates: lambda value: Words(
        (f"charge: {_number(value.charge)} C", f"discharge: {_number(value.discharge)} C")
    ),
    Resistances: _resistances,
    Site: _site,
}
