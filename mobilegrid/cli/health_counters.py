"""`health counters`: what a pack's management system has counted."""

from typing import Any

import click

from ledger.domain.counters import Counts, RecordCounters
from mobilegrid.cli.acting import argument, asks, text

_COUNTERS = {
    "charge_mah": "Charge in and out, in mAh.",
    "hot_min": "Minutes above its range of temperatures.",
    "cold_min": "Minutes below it.",
    "hot_charging_min": "Minutes of charging above it.",
    "cold_charging_min": "Minutes of charging below it.",
    "deep_discharges": "Deep discharges.",
    "overcharges": "Overcharges.",
}


def _option(name: str, words: str) -> click.Option:
    return click.Option([f"--{name.replace('_', '-')}", name], type=int, metavar="N", help=words)


def _read(given: dict[str, Any]) -> RecordCounters:
    counts = Counts(**{name: given.pop(name) for name in _COUNTERS})
    return RecordCounters(**given, counts=counts)


counters = asks(
    "counters",
    """Record what a pack has counted.

    Each counter is that of one management system since it was new; what was not read is left out.
    """,
    _read,
    "engineer",
    [
        argument("pack_id", "PACK"),
        text("--serial", "serial", "Of the system that counted.", required=True, metavar="SERIAL"),
        *(_option(name, words) for name, words in _COUNTERS.items()),
    ],
    "pack_id",
)
