"""A facts file that tells everything a ledger cannot know, with plain round values."""

from copy import deepcopy
from typing import Any

import msgspec

from tests.support.lives import LIFE
from tests.support.town import PACK_CLASS

AT = "2024-04-04T12:00:00Z"
PAPER = {"url": "https://docs.example.net/paper.pdf", "title": "Paper"}
SITE = {
    "country": "FR",
    "postal_code": "35000",
    "street": "1 rue des Essais",
    "bpna": "BPNA0123456789AB",
}
MAKER = {
    "name": "Maker SA",
    "address": SITE,
    "identifier": "MG0",
    "web": "https://maker.example.net",
    "bpnl": "BPNL0123456789AB",
}
LABEL = {"symbol": "https://docs.example.net/bin.svg", "meaning": {"en": "Collect separately"}}
LITHIUM = {
    "name": "lithium",
    "cas": "7439-93-2",
    "location": "cathode",
    "mass_kg": 6.5,
    "percent": 1.45,
    "recycled_percent": 4,
}
ACTIVE = {"location": "cathode", "documents": [PAPER]}


def _hazard(name: str, cas: str) -> dict[str, Any]:
    return {
        "name": name,
        "cas": cas,
        "hazard": "AcuteToxicity",
        "percent": 0,
        "location": "none",
        "documents": [PAPER],
    }


def measured(value: float) -> dict[str, Any]:
    return {"value": value, "at": AT}


MODEL: dict[str, Any] = {
    "6.1.2.3": MAKER | {"name": "Operator SA", "identifier": "OP-1"},
    "6.1.2.4": MAKER,
    "6.1.3.1": SITE,
    "6.1.3.4": {"value": 96, "unit": "month"},
    "6.1.3.5": "ev",
    "6.1.3.6": 450.5,
    "6.2.2": LABEL,
    "6.2.3": LABEL,
    "6.2.4": LABEL,
    "6.2.5": [{"media": "water", "fire_class": "D", "label": LABEL}],
    "6.2.6": [PAPER],
    "6.2.7": PAPER,
    "6.2.8": PAPER,
    "6.3.2": 61.25,
    "6.3.3": 55,
    "6.3.4": 30,
    "6.3.5": 5,
    "6.3.6": 10,
    "6.3.7": "B",
    "6.3.8": PAPER,
    "6.3.10": 4_593.75,
    "6.4.2": PAPER,
    "6.4.3": PAPER,
    "6.4.4": 71,
    "6.5.2": {"short": "NMC", "clear": "Nickel manganese cobalt (NMC)"},
    "6.5.3": ["lithium"],
    "6.5.4": [LITHIUM],
    "6.5.5": [
        _hazard("cadmium", "7440-43-9"),
        _hazard("mercury", "7439-97-6"),
        _hazard("lead", "7439-92-1"),
        _hazard("LiPF6", "21324-40-3"),
    ],
    "6.5.6": {"LiPF6": {"texts": ["burns the skin"], "documents": [PAPER]}},
    "6.6.1.2": [{"kind": "DismantlingManual", "url": PAPER["url"]}],
    "6.6.1.3": [{"name": "fuse", "number": "F-1", "supplier": "Parts SARL"}],
    "6.6.1.4": [
        {
            "name": "Parts SARL",
            "address": SITE,
            "email": "parts@parts.example.net",
            "web": "https://parts.example.net",
            "bpnl": "BPNL0123456789CD",
        }
    ],
    "6.6.1.5": PAPER,
    **{f"6.6.2.{number}": number for number in range(3, 12)},
    "6.6.3.2": PAPER,
    "6.6.3.3": PAPER,
    "6.6.3.4": PAPER,
    "6.7.2.2": 205.2,
    "6.7.2.5": 74.5,
    "6.7.2.9": 260,
    "6.7.2.10": 403.2,
    "6.7.2.11": 355.2,
    "6.7.3.2": [{"soc_percent": 20, "power_w": 90_000}, {"soc_percent": 80, "power_w": 150_000}],
    "6.7.3.4": measured(4.5),
    "6.7.3.5": 160_000,
    "6.7.3.6": 2.1,
    "6.7.4.2": 96.5,
    "6.7.4.3": 94,
    "6.7.4.5": measured(1.25),
    "6.7.4.6": 2,
    "6.7.5.2": {"pack": 0.065, "cell": 0.0007, "module": 0.008},
    "6.7.6.2": 12,
    "6.7.6.3": 1_800,
    "6.7.6.5": PAPER,
    "6.7.6.6": {"charge": 0.5, "discharge": 1},
    "6.7.6.9": 70,
    "6.7.7.3": -20,
    "6.7.7.4": 55,
}
INDIVIDUAL: dict[str, Any] = {
    "6.7.3.3": {"power_w": 140_000, "soc_percent": 80, "at": AT},
    "6.7.4.4": measured(95.25),
    "6.7.4.7": measured(2.2),
    "6.7.4.8": measured(10),
    "6.7.5.3": {
        "pack_percent": 12.5,
        "cell_percent": 11,
        "pack_ohm": 0.0731,
        "cell_ohm": 0.00078,
        "at": AT,
    },
    "6.7.6.4": measured(312),
    "6.7.6.8": measured(64_022.4),
    "6.7.7.5": measured(12),
    "6.7.7.6": measured(0),
    "6.7.7.7": measured(3),
    "6.7.7.8": measured(0),
    "6.7.8.2": measured(1),
    "6.7.8.3": measured(0),
    "6.7.8.4": [{"text": "cover dented", "at": AT}],
}
CATENA_X: dict[str, Any] = {
    "version": "1",
    "expires_on": "2034-04-01",
    "backup_reference": "https://backup.example.net/passports",
    "part_id": "M75-A",
    "part_name": "Traction pack 75",
    "codes": [{"key": "TARIC", "value": "8507 60 00 90"}],
    "classification": [{"standard": "ECLASS", "identifier": "27-04-04-01"}],
    "carrier_type": "QR",
    "carrier_layout": "beside the plug",
    "rulebook": [PAPER],
    "carbon_declaration": [PAPER],
    "purpose": ["automotive"],
    "nickel": ACTIVE,
    "lithium": ACTIVE,
    "cobalt": ACTIVE,
    "lead": ACTIVE,
    "depth_of_discharge_percent": 90,
    "cycle_temperature_celsius": 25,
    "lifetime_report": [PAPER],
}


def facts_file(**changes: Any) -> dict[str, Any]:
    """Give the whole file as it is written; a copy that a test may damage."""
    whole = {
        "pack_class": PACK_CLASS,
        "version": 1,
        "source": "Technical file TF-75, revision 3",
        "facts": MODEL,
        "packs": {LIFE: INDIVIDUAL},
        "catena_x": CATENA_X,
    }
    return deepcopy(whole | changes)


def encoded(file: dict[str, Any]) -> bytes:
    return msgspec.json.encode(file)
