"""The app understands every answer of the real door to every driver of a town after its month.

A door in memory answers as the app expects; only the real one, over a ledger in which bills were
paid, taken back, disputed and overdue, shows whether both mean the same.
"""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from customer_app.api.client import ApiClient
from customer_app.api.errors import ApiError
from customer_app.api.http import Transport
from ledger.domain.claims import BOOKINGS
from ledger.domain.parties import PARTIES
from ledger.kernel.instants import HOUR
from ledger.runtime.ledger import Ledger
from ledger.store.engine import sqlite_file
from mobilegrid.demo.month import Month
from partner_api.journey import journey_of
from tests.support.app_reads import READS
from tests.support.doors import URL, HandClock
from tests.support.driving import DriverDoors, open_driver_doors
from tests.support.ledgers import sqlite_url

pytestmark = pytest.mark.slow

LISTS = tuple(name for name in READS if name != "cases")  # they want a vault
SEED = bytes(range(32))


@pytest.fixture(scope="module")
def doors(demo_month: Month, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DriverDoors]:
    """Open the drivers' door over a copy of the town: sessions are written beside its log."""
    folder = tmp_path_factory.mktemp("read")
    file = sqlite_file(demo_month.day.ledger.url)
    assert file is not None
    _copy(file, folder / "town.db")
    with Ledger(sqlite_url(folder)) as ledger:
        with ledger.reading() as reads:
            clock = HandClock(reads.head.recorded_at + HOUR)
        with open_driver_doors(ledger, clock, journey=journey_of(SEED, phone="+33")) as opened:
            yield opened


def _copy(source: Path, target: Path) -> None:
    with sqlite3.connect(source) as one, sqlite3.connect(target) as other:
        one.backup(other)


def test_every_answer_to_every_driver_is_understood(doors: DriverDoors) -> None:
    ledger = doors.parts.ledger
    with ledger.reading() as reads:
        drivers = [key for key, row in reads.rows(PARTIES) if "driver" in row.roles]
        bookings = [row for _, row in reads.rows(BOOKINGS)]
    failed: dict[str, Any] = {}
    seen: Counter[str] = Counter()

    async def note(name: str, who: str, call: Callable[[], Awaitable[Any]]) -> Any:
        seen[name] += 1
        try:
            return await call()
        except ApiError as error:
            if error.status != 404 or name not in ("subscription", "erasure"):
                failed[f"{name} of {who}"] = (error.kind, error.status, error.code, error.detail)
            return None

    async def run() -> None:
        transport = httpx.ASGITransport(doors.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            for who in drivers:
                client = ApiClient(Transport(http, doors.headers(who)))
                for name in LISTS:
                    answer = await note(name, who, getattr(client, name))
                    async for kind, call in _each(client, name, answer):
                        await note(kind, who, call)
                for row in bookings:
                    if row.driver_id == who:
                        await note("booking", who, partial(client.booking, row.booking_id))

    anyio.run(run)
    assert failed == {}
    assert seen["receipt"] > 100
    for name in ("invoice", "swap", "pack", "pack_health", "passport", "booking"):
        assert seen[name] > 0, name


async def _each(
    client: ApiClient, name: str, answer: Any
) -> AsyncIterator[tuple[str, Callable[[], Awaitable[Any]]]]:
    """Give what there is to read of each thing in a list."""
    if answer is None:
        return
    if name == "receipts":
        for row in answer.items:
            yield "receipt", partial(client.receipt, row.swap_id)
    elif name == "swaps":
        for row in answer.items:
            yield "swap", partial(client.swap, row.id)
    elif name == "invoices":
        for row in answer.items:
            yield "invoice", partial(client.invoice, row.invoice_id)
    elif name == "my_packs":
        for row in answer.items:
            yield "pack", partial(client.pack, row.pack_id)
            yield "pack_health", partial(client.pack_health, row.pack_id)
            yield "passport", partial(client.passport, row.pack_id)
