"""Reading the charging sessions of a network: one row is one stay of a pack in a slot."""

import re
from pathlib import Path

import msgspec

from ledger.adapters.importers.networks import Network
from ledger.adapters.importers.tables import Table, read, scaled_of, text_of, time_of, whole_of
from ledger.kernel.errors import Malformed
from ledger.kernel.quantities import BP_FULL

COLUMNS = (
    "session_id",
    "station_id",
    "connector",
    "site",
    "user_id",
    "start_utc",
    "end_utc",
    "tz",
    "energy_kwh",
    "active_s",
    "idle_s",
    "soc_start_pct",
    "soc_end_pct",
    "amount",
    "currency",
    "equipment",
    "flags",
)

_CONNECTOR = re.compile(r"0*([0-9]{1,6})")
_CURRENCY = re.compile(r"(?:[A-Z]{3})?")
_FLAGS = re.compile(r"(?:[a-z0-9_]+(?:\|[a-z0-9_]+)*)?")

AMOUNT_DECIMALS = 9


class Stay(msgspec.Struct, frozen=True, gc=False):
    """One row, exact: times in us UTC, energy in Wh, states of charge in basis points.

    None means that the source does not say; `station` and `driver` are "" then. `slot` is "" in a
    network that does not name its connectors. `number` is the row in the file.
    """

    network: Network
    number: int
    session_id: str
    station: str
    slot: str
    driver: str
    begin_at: int
    end_at: int | None
    energy_wh: int | None
    active_s: int | None
    idle_s: int | None
    soc_begin_bp: int | None
    soc_end_bp: int | None
    amount: str
    currency: str
    flags: tuple[str, ...]

    @property
    def received_at(self) -> int:
        """When the row was known: at its end, or at its begin while it has none."""
        return self.begin_at if self.end_at is None else self.end_at


def table_of(network: Network) -> Table:
    """Name the file of a network."""
    return Table(f"charging_sessions/{network.key}.csv.gz", COLUMNS)


def read_stays(folder: Path, network: Network) -> list[Stay]:
    """Read all rows of a network, in the order of replay: end (or begin), begin, id.

    Raises `Malformed` for a row that cannot be read, or an id that comes twice.
    """
    table = table_of(network)
    stays: dict[str, Stay] = {}
    shared: dict[str, str] = {}  # one object for a text that comes a thousand times

    def parse(number: int, cells: list[str]) -> Stay:
        stay = _stay(network, number, [shared.setdefault(cell, cell) for cell in cells])
        if stay.session_id in stays:
            raise Malformed(f"{stay.session_id} is there twice", field="session_id")
        stays[stay.session_id] = stay
        return stay

    found = list(read(folder, table, parse))
    found.sort(key=lambda stay: (stay.received_at, stay.begin_at, stay.session_id))
    return found


def _stay(network: Network, number: int, cells: list[str]) -> Stay:
    (sid, station, connector, site, user, start, end, zone, *rest) = cells
    (energy, active, idle, soc_start, soc_end, amount, currency, equipment, flags) = rest
    for cell, field in ((site, "site"), (equipment, "equipment")):
        if cell:  # nothing of them goes into the ledger; a damaged row shows here, too
            text_of(cell, field)
    if zone != network.zone:
        raise Malformed(f"{network.zone} expected, {zone[:40]!r} found", field="tz")
    if not _CURRENCY.fullmatch(currency):
        raise Malformed(f"no currency: {currency[:40]!r}", field="currency")
    if not _FLAGS.fullmatch(flags):
        raise Malformed(f"no flags: {flags[:40]!r}", field="flags")
    if amount:
        scaled_of(amount, "amount", AMOUNT_DECIMALS)
    return Stay(
        network=network,
        number=number,
        session_id=text_of(sid, "session_id"),
        station=text_of(station, "station_id") if station else "",
        slot=_slot(network, connector),
        driver=text_of(user, "user_id") if user else "",
        begin_at=time_of(start, "start_utc"),
        end_at=time_of(end, "end_utc") if end else None,
        energy_wh=scaled_of(energy, "energy_kwh", 3) if energy else None,
        active_s=whole_of(active, "active_s") if active else None,
        idle_s=whole_of(idle, "idle_s") if idle else None,
        soc_begin_bp=_soc(soc_start, "soc_start_pct") if soc_start else None,
        soc_end_bp=_soc(soc_end, "soc_end_pct") if soc_end else None,
        amount=amount,
        currency=currency,
        flags=tuple(flags.split("|")) if flags else (),
    )


def _slot(network: Network, connector: str) -> str:
    if network.ports:
        if connector:
            raise Malformed("this network names no connectors", field="connector")
        return ""
    found = _CONNECTOR.fullmatch(connector)
    if found is None:
        raise Malformed(f"a connector is a number, got {connector[:40]!r}", field="connector")
    return str(int(found[1]))


def _soc(cell: str, field: str) -> int:
    soc_bp = scaled_of(cell, field, 2)
    if not 0 <= soc_bp <= BP_FULL:
        raise Malformed(f"outside 0 to 100: {cell!r}", field=field)
    return soc_bp
