"""The papers of the town's packs: what makers say of a class, and what a test found of a pack.

Figures of no real product; the addresses lead nowhere.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from ledger.domain.pack_classes import RegisterPackClass
from ledger.domain.passport_facts import ToldFact
from ledger.domain.passports import RecordPassportFacts

SOURCE = "Technical file of the class, revision 2"
REPORT = "Report of the opening inspection"
RATED_MV = 355_200
_AT = "2026-03-09T16:00:00Z"
_DOCS = "https://papers.example.net"


def _paper(name: str) -> dict[str, str]:
    return {"url": f"{_DOCS}/{name}.pdf", "title": name.replace("-", " ")}


def _site(street: str, plant: str) -> dict[str, str]:
    return {"country": "FR", "postal_code": "35000", "street": street, "bpna": plant}


def _firm(name: str, identifier: str, number: str) -> dict[str, Any]:
    site = _site(f"1 rue {name}", f"BPNA{number}")
    return {"name": name, "address": site, "identifier": identifier, "bpnl": f"BPNL{number}"}


def _symbol(name: str) -> dict[str, Any]:
    return {"symbol": f"{_DOCS}/{name}.svg", "meaning": {"en": name.replace("-", " ")}}


def _substance(name: str, cas: str, percent: str) -> dict[str, Any]:
    return {
        "name": name,
        "cas": cas,
        "hazard": "AcuteToxicity",
        "percent": msgspec.Raw(percent.encode()),
        "location": "cells" if percent != "0" else "none",
        "documents": [_paper(f"safety-sheet-{name}")],
    }


def _material(name: str, cas: str, mass_kg: str, percent: str) -> dict[str, Any]:
    return {
        "name": name,
        "cas": cas,
        "location": "cathode",
        "mass_kg": msgspec.Raw(mass_kg.encode()),
        "percent": msgspec.Raw(percent.encode()),
        "recycled_percent": 4,
    }


_MAKER = _firm("Fabrique de Packs SA", "MG0", "0123456789AB")
_LITHIUM = _material("lithium", "7439-93-2", "6.5", "1.45")
_ACTIVE = {"location": "cathode", "documents": [_paper("composition")]}
_WASHED = {"texts": ["burns the skin"], "documents": [_paper("safety-sheet-LiPF6")]}


def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _rated(nominal_wh: int) -> dict[str, Any]:
    """Give the rated values: charge and certified energy follow from the nominal energy."""
    charge_mah = nominal_wh * 1_000_000 // RATED_MV
    mass_kg = nominal_wh // 150
    return {
        "6.1.3.6": mass_kg,
        "6.3.10": nominal_wh * 60 // 1_000,
        "6.7.2.2": _number(f"{charge_mah // 1_000}.{charge_mah % 1_000:03d}"),
        "6.7.2.5": _number(f"{nominal_wh // 1_000}.{nominal_wh % 1_000:03d}"),
        "6.7.3.2": [
            {"soc_percent": 20, "power_w": nominal_wh},
            {"soc_percent": 80, "power_w": 2 * nominal_wh},
        ],
        "6.7.3.5": 2 * nominal_wh,
    }


_USUAL: dict[str, Any] = {
    "6.1.2.3": _firm("Mobile Grid of the demo town", "MG", "0123456789CD"),
    "6.1.2.4": _MAKER,
    "6.1.3.1": _site("2 rue des Ateliers", "BPNA0123456789EF"),
    "6.1.3.4": {"value": 96, "unit": "month"},
    "6.1.3.5": "ev",
    "6.2.2": _symbol("separate-collection"),
    "6.2.3": _symbol("no-cadmium-no-lead"),
    "6.2.4": _symbol("carbon-footprint-class-B"),
    "6.2.5": [{"media": "water", "fire_class": "D", "label": _symbol("water")}],
    "6.2.6": [_paper("symbols")],
    "6.2.7": _paper("declaration-of-conformity"),
    "6.2.8": _paper("test-report"),
    "6.3.2": _number("61.25"),
    "6.3.3": 55,
    "6.3.4": 30,
    "6.3.5": 5,
    "6.3.6": 10,
    "6.3.7": "B",
    "6.3.8": _paper("carbon-study"),
    "6.4.2": _paper("due-diligence"),
    "6.4.3": _paper("assurance"),
    "6.4.4": 71,
    "6.5.2": {"short": "NMC", "clear": "Nickel manganese cobalt (NMC)"},
    "6.5.3": ["lithium"],
    "6.5.4": [_LITHIUM],
    "6.5.5": [
        _substance("cadmium", "7440-43-9", "0"),
        _substance("mercury", "7439-97-6", "0"),
        _substance("lead", "7439-92-1", "0"),
        _substance("LiPF6", "21324-40-3", "1.2"),
    ],
    "6.5.6": {"LiPF6": _WASHED},
    "6.6.1.2": [{"kind": "DismantlingManual", "url": f"{_DOCS}/dismantling.pdf"}],
    "6.6.1.3": [{"name": "fuse", "number": "F-1", "supplier": "Parts SARL"}],
    "6.6.1.4": [
        {
            "name": "Parts SARL",
            "address": _site("3 rue des Pieces", "BPNA0123456789GH"),
            "email": "parts@parts.example.net",
            "web": "https://parts.example.net",
            "bpnl": "BPNL0123456789GH",
        }
    ],
    "6.6.1.5": _paper("safety-measures"),
    **{f"6.6.2.{number}": number for number in range(3, 12)},
    "6.6.3.2": _paper("waste-prevention"),
    "6.6.3.3": _paper("separate-collection"),
    "6.6.3.4": _paper("collection-points"),
    "6.7.2.9": 260,
    "6.7.2.10": _number("403.2"),
    "6.7.3.4": {"value": _number("4.5"), "at": _AT},
    "6.7.3.6": _number("2.1"),
    "6.7.4.2": _number("96.5"),
    "6.7.4.3": 94,
    "6.7.4.5": {"value": _number("1.25"), "at": _AT},
    "6.7.4.6": 2,
    "6.7.5.2": {"pack": _number("0.065"), "cell": _number("0.0007"), "module": _number("0.008")},
    "6.7.6.2": 12,
    "6.7.6.3": 1_800,
    "6.7.6.5": _paper("cycle-test"),
    "6.7.6.6": {"charge": _number("0.5"), "discharge": 1},
    "6.7.6.9": 70,
    "6.7.7.3": -20,
    "6.7.7.4": 55,
}

_CATENA_X: dict[str, Any] = {
    "version": "1",
    "expires_on": "2036-03-09",
    "backup_reference": "https://backup.example.net/passports",
    "codes": [{"key": "TARIC", "value": "8507 60 00 90"}],
    "classification": [{"standard": "ECLASS", "identifier": "27-04-04-01"}],
    "carrier_type": "QR",
    "carrier_layout": "beside the plug",
    "rulebook": [_paper("rulebook")],
    "carbon_declaration": [_paper("carbon-declaration")],
    "purpose": ["automotive"],
    **dict.fromkeys(("nickel", "lithium", "cobalt", "lead"), _ACTIVE),
    "depth_of_discharge_percent": 90,
    "cycle_temperature_celsius": 25,
    "lifetime_report": [_paper("cycle-test")],
}


def _told(values: dict[str, Any]) -> tuple[ToldFact, ...]:
    encode = msgspec.json.encode
    return tuple(ToldFact(clause, encode(value).decode()) for clause, value in values.items())


def class_papers(energies_wh: dict[str, int]) -> Iterator[RegisterPackClass]:
    """Register each class with all that a passport asks of it."""
    for name, nominal_wh in energies_wh.items():
        extra = _CATENA_X | {"part_id": f"{name}-A", "part_name": f"Traction pack {name}"}
        yield RegisterPackClass(
            pack_class=name,
            facts_version=1,
            source=SOURCE,
            nominal_wh=nominal_wh,
            rated_mv=RATED_MV,
            facts=_told(_USUAL | _rated(nominal_wh)),
            catena_x=msgspec.json.encode(extra).decode(),
        )


def pack_papers(pack_id: str, nominal_wh: int, soh_bp: int) -> RecordPassportFacts:
    """Record what the opening inspection found of a pack of the old fleet."""
    rated_mah = nominal_wh * 1_000_000 // RATED_MV
    now_mah = rated_mah * soh_bp // 10_000
    cycles = (10_000 - soh_bp) // 4

    def measured(text: str) -> dict[str, Any]:
        return {"value": _number(text), "at": _AT}

    values: dict[str, Any] = {
        "6.1.3.2": "2024-02-05",
        "6.1.3.3": "2024-04-02",
        "6.7.2.3": measured(f"{now_mah // 1_000}.{now_mah % 1_000:03d}"),
        "6.7.2.4": measured(f"{(10_000 - soh_bp) // 100}.{(10_000 - soh_bp) % 100:02d}"),
        "6.7.3.3": {"power_w": 3 * nominal_wh // 2, "soc_percent": 80, "at": _AT},
        "6.7.4.4": measured("95.25"),
        "6.7.4.7": measured("2.2"),
        "6.7.4.8": measured("10"),
        "6.7.5.3": {
            "pack_percent": _number("12.5"),
            "cell_percent": 11,
            "pack_ohm": _number("0.0731"),
            "cell_ohm": _number("0.00078"),
            "at": _AT,
        },
        "6.7.6.4": measured(str(cycles)),
        "6.7.6.7": measured(str(cycles * nominal_wh // 1_000)),
        "6.7.6.8": measured(str(cycles * rated_mah // 1_000)),
        "6.7.7.5": measured("12"),
        "6.7.7.6": measured("0"),
        "6.7.7.7": measured("3"),
        "6.7.7.8": measured("0"),
        "6.7.8.2": measured("1"),
        "6.7.8.3": measured("0"),
    }
    return RecordPassportFacts(pack_id=pack_id, source=REPORT, facts=_told(values))
