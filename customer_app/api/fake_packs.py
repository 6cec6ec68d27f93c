"""The pack of the fake town's driver: its health over time, its passport by tier."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from customer_app.api.fake import PNG, FakeDoor, Json

PACK, OLD_PACK = "pk_new", "pk_old"
CLASS = "M60"
POSITION = {"position": 100}
DECLARATION = {"title": "Declaration of 2025", "url": "https://docs.example.org/ce.pdf"}


def _plain(_text: str) -> bytes:
    return PNG


def add_packs(door: FakeDoor, png: Callable[[str], bytes]) -> None:
    """Put a pack in the driver's hands, with its health, passport and certificate."""

    def at(minutes: float = 0) -> str:
        return (door.now() + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")

    pack = {
        "pack_id": PACK,
        "code": "AB12",
        "pack_class": CLASS,
        "since": at(-3000),
        "nominal_wh": 60_000,
        "notices": [],
        "version": 4,
        "soc_bp": 9600,
        "soh_bp": 9510,
        "soh_lower_bp": 9400,
        "soh_upper_bp": 9600,
        "soh_method": "measured",
        "measured_at": at(-3000),
        "cycles_efc_x100": 12_345,
        "swap_id": "sw_0",
    }
    door.things["/packs/mine"] = {"items": [pack], "as_of": POSITION}
    door.things[f"/packs/{PACK}"] = pack
    door.things[f"/packs/{PACK}/health"] = {
        "pack_id": PACK,
        "since": at(-3000),
        "items": [
            {
                "at": at(-3000 + 600 * n),
                "soh_bp": 9520 - n,
                "method": "measured",
                "lower_bp": 9400 - n,
                "upper_bp": 9600 - n,
                "position": 50 + n,
            }
            for n in range(5)
        ],
        "as_of": POSITION,
    }
    door.things[f"/packs/{PACK}/passport"] = passport(door, "holder", png)
    door.things["/public/packs/AB12"] = {
        "code": "AB12",
        "pack_class": CLASS,
        "nominal_wh": 60_000,
        "chemistry": "LFP",
        "maker": "Cellworks",
        "attributes": passport(door, "public")["attributes"],
    }
    door.things[f"/packs/{PACK}/certificate"] = b"eyJhbGciOiJFZDI1NTE5In0.e30.AA"
    door.things[f"/packs/{PACK}/proof"] = b"c2sp.org/tlog-proof@v1\n"


def _attribute(clause: str, title: str, value: str, **more: Any) -> Json:
    section = ".".join(clause.split(".")[:2])
    return {"name": clause, "title": title, "value": value, "section": section, **more}


def passport(door: FakeDoor, tier: str, png: Callable[[str], bytes] = _plain) -> Json:
    """Make the passport as a tier sees it."""
    public = [
        _attribute("6.1.2.4", "Manufacturer", "Cellworks\n12 Quay Street\n10115 DE"),
        _attribute("6.1.3.4", "Warranty period of the battery", "96", unit="month"),
        _attribute("6.1.3.5", "Battery category", "ev"),
        _attribute("6.1.3.6", "Battery mass", "333", unit="kg"),
        _attribute("6.2.7", "EU declaration of conformity", "", papers=[DECLARATION]),
        _attribute("6.5.2", "Battery chemistry", "LFP"),
    ]
    health = {
        **_attribute("6.7.2.7", "State of certified energy (SOCE)", "95.1", unit="%"),
        "last_update": (door.now() - timedelta(minutes=600)).isoformat().replace("+00:00", "Z"),
    }
    return {
        "pack_id": PACK,
        "code": "AB12",
        "tier": tier,
        "status": "original",
        "attributes": [*public, health] if tier == "holder" else public,
        "url": "https://example.org/p/AB12",
        "png_base64": base64.b64encode(png("https://example.org/p/AB12")).decode(),
        "as_of": POSITION,
    }
