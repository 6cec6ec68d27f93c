"""Entries with postings, as a ledger would hold them, and their balances."""

from collections.abc import Iterable, Iterator

import msgspec

from ledger.kernel.envelope import Envelope
from ledger.kernel.instants import DAY, SECOND, parse_instant
from ledger.kernel.messages import Actor
from ledger.kernel.postings import WH, Posting, move_pack, pair

RECEIVABLE = "Assets:Receivables:Unbilled"
ENERGY_INCOME = "Income:Energy"
SERVICE_INCOME = "Income:Swap-Service"

Postings = tuple[Posting, ...]


def at(text: str) -> int:
    """Read a time such as ``2026-01-15T10:00``, UTC."""
    return parse_instant(text + "Z", "at")


def entry_of(
    position: int,
    valid_at: int,
    kind: str,
    postings: tuple[Posting, ...] = (),
    body: bytes = b"{}",
) -> Envelope:
    """Make an envelope that was recorded a second after what it tells of."""
    return Envelope(
        v=1,
        ledger="town",
        position=position,
        entry_id=f"E-{position}",
        kind=kind,
        version=1,
        actor=Actor("OP-1", "operator"),
        policy_version="1",
        recorded_at=valid_at + SECOND,
        occurred_at=valid_at,
        body=msgspec.Raw(body),
        postings=postings,
    )


def billed(driver: str, energy_minor: int, service_minor: int, currency: str = "EUR") -> Postings:
    """A usage that a driver owes: energy and service apart."""
    dims = {"driver": driver}
    return (
        Posting(RECEIVABLE, currency, energy_minor + service_minor, dims),
        Posting(ENERGY_INCOME, currency, -energy_minor, dims),
        Posting(SERVICE_INCOME, currency, -service_minor, dims),
    )


def handed_out(pack: str, station: str, driver: str, energy_wh: int) -> Postings:
    """A pack with its energy from a slot to a driver."""
    return (
        *move_pack(pack, debit=f"Packs:Driver:{driver}", credit=f"Packs:Station:{station}:Slot:1"),
        *pair(WH, energy_wh, debit=f"Energy:Driver:{driver}", credit=f"Energy:Pack:{pack}"),
    )


def moved_inside(pack: str, station: str) -> Postings:
    """A pack from one slot of a station to another."""
    slot = f"Packs:Station:{station}:Slot:"
    return move_pack(pack, debit=slot + "2", credit=slot + "1")


def charged(pack: str, station: str, drawn_wh: int, stored_wh: int) -> Postings:
    """Energy from the grid into a pack, the rest lost."""
    return (
        Posting(f"Energy:Grid:M-{station}", WH, -drawn_wh),
        Posting(f"Energy:Pack:{pack}", WH, stored_wh),
        Posting(f"Energy:Losses:Charging:{station}", WH, drawn_wh - stored_wh),
    )


def balances_of(entries: Iterable[Envelope]) -> list[tuple[str, str, int]]:
    """Sum postings per account and commodity, zero balances left out."""
    sums: dict[tuple[str, str], int] = {}
    for entry in entries:
        for one in entry.postings:
            key = (one.account, one.commodity)
            sums[key] = sums.get(key, 0) + one.quantity
    return [(*key, quantity) for key, quantity in sums.items() if quantity]


def busy_town(count: int) -> Iterator[Envelope]:
    """Swaps, charging and bills of a month, entries not in the order of valid time."""
    first = at("2026-01-01T00:00")
    for n in range(count):
        driver, pack, station = f"DR-{n % 1000}", f"PK-{n % 500}", f"ST-{n % 50}"
        valid_at = first + n * 7919 % count * (31 * DAY // count)
        match n % 4:
            case 0:
                back = tuple(
                    msgspec.structs.replace(one, quantity=-one.quantity)
                    for one in handed_out(pack, station, driver, 20_000 + n % 777)
                )
                yield entry_of(n, valid_at, "pack_returned", back)
            case 1:
                out = handed_out(pack, station, driver, 60_000 + n % 777)
                yield entry_of(n, valid_at, "pack_swapped_out", out)
            case 2:
                session = charged(pack, station, 50_000, 46_000)
                yield entry_of(n, valid_at, "charge_session_ended", session)
            case _:
                yield entry_of(n, valid_at, "usage.accrued", billed(driver, 1501 + n % 99, 600))
