"""The append path: against its own rows prebuilt, against raw commits, and under open arrivals.

**Prebuilt**: each batch of 256 through the whole path, and its rows alone (`prebuilt.py`). The rows
alone against raw commits are the ceiling of the comparisons of callers: nothing is decided there.
**Custody**: entries of whole swaps, with every rule, against entries of plain moves.
**Callers**: each has one request outstanding. They are simulated on one thread, since hundreds of
threads would measure the interpreter's lock. The baseline commits the same entry rows one by one
over the bare driver, into a table without guards or indexes.
**Open loop**: requests arrive at a fixed rate whatever the ledger does; latency counts from the
planned arrival, so that a stall is seen by everything that came during it.
"""

import queue
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from benchmarks.fleet import build, check, drivers, fresh_url, moves, swaps
from benchmarks.measure import Pairs, Row, Run, Scale, duel, note, number, settle, take_turns
from benchmarks.prebuilt import Prebuilt
from ledger.kernel.errors import Unavailable
from ledger.kernel.messages import Receipt, Request
from ledger.runtime.ledger import Ledger
from ledger.store.engine import SQLITE_PAGE_BYTES

PACKS = 2_000
BATCH = 256
CUSTODY_FLOOR = 1 / 1.3
"""An entry of custody costs at most 1.3 times what an entry of a plain move costs."""
CEILINGS = (1, 16, BATCH)
CALLERS = {1: (0.35, 0.2), 16: (None, None), 64: (None, None), 256: (5.0, 4.0)}
GOALS = {1: (0.6, 0.3), 16: (None, None), 64: (None, None), 256: (9.0, 8.0)}


def rows(server: str, scale: Scale) -> Iterator[Row]:
    """Measure one database; `server` is a PostgreSQL URL, or "" for SQLite."""
    name = "PostgreSQL" if server else "SQLite"
    note(f"append: {name}, the same rows prebuilt")
    floor, goal = (0.45, 0.7) if server else (0.5, 0.75)
    with Prebuilt(server, PACKS) as prebuilt:
        settle()
        pairs = prebuilt.pairs(BATCH, scale.of(30), scale.repeats)
        yield pairs.row(f"{name}: full path, same rows prebuilt, batch 256", floor=floor, goal=goal)
        yield from ceilings(name, prebuilt, scale)
    with build(fresh_url(server), PACKS) as ledger:
        stream = moves(PACKS)
        settle()
        yield against_core(name, ledger, stream, scale)
        yield from against_raw(name, ledger, stream, scale)
        yield from open_loop(name, ledger, stream, scale)


# Custody ----------------------------------------------------------------------


def against_core(name: str, ledger: Ledger, stream: Iterator[Request], scale: Scale) -> Row:
    """Compare the time per entry of whole swaps, with all their rules, with that of plain moves.

    Both go through the whole path in batches of 256. A swap is asked for, allowed, and made of two
    reports from which custody is derived; all entries count, the bill among them.
    """
    note(f"append: {name}, swaps against plain moves")
    for start in range(0, BATCH, BATCH // 8):
        requests = list(drivers(BATCH))[start * 4 : (start + BATCH // 8) * 4]
        if any(one.refusal is not None for one in ledger.execute_all(requests)):
            raise SystemExit("a driver was refused")
    swapping = swaps(BATCH)
    rounds = scale.of(6)

    def custody() -> float:
        return entries_per_second(ledger, [next(swapping) for _ in range(4 * rounds)])

    def core() -> float:
        return entries_per_second(ledger, [list(islice(stream, BATCH)) for _ in range(8 * rounds)])

    for one in (custody, core):
        one()  # warms up
    pairs = duel(scale.repeats, custody, core)
    return pairs.row(
        f"{name}: entries of swaps, entries of plain moves (cost at most 1.3x)",
        floor=CUSTODY_FLOOR,
        goal=1.0,
    )


def entries_per_second(ledger: Ledger, batches: list[list[Request]]) -> float:
    count = 0
    start = perf_counter()
    for batch in batches:
        receipts = ledger.execute_all(batch)
        if any(receipt.refusal is not None for receipt in receipts):
            raise SystemExit("a command was refused")
        count += sum(receipt.count for receipt in receipts)
    return count / (perf_counter() - start)


# Callers ----------------------------------------------------------------------


def ceilings(name: str, prebuilt: Prebuilt, scale: Scale) -> Iterator[Row]:
    """Compare rows that are only written, a commit for each batch, with raw one-row commits."""
    note(f"append: {name}, the ceilings")
    runs = [lambda size=size: prebuilt.rows_alone(size, scale.of(2_560)) for size in CEILINGS]
    baseline, *found = beside_raw(prebuilt.ledger, runs, scale)
    for size, rates in zip(CEILINGS, found, strict=True):
        yield Pairs(rates, baseline).row(
            f"{name}: rows alone, {size} a commit, raw one-row commits"
        )


def closed_loop(ledger: Ledger, requests: list[Request], callers: int) -> float:
    """Let callers send all requests, each the next one when its last was answered; requests/s."""
    answered: queue.SimpleQueue[Future[list[Receipt]]] = queue.SimpleQueue()
    start = perf_counter()
    for request in requests[:callers]:
        ledger.submit(request).add_done_callback(answered.put)
    for request in requests[callers:]:
        check(answered.get().result())
        ledger.submit(request).add_done_callback(answered.put)
    for _ in requests[:callers]:
        check(answered.get().result())
    return len(requests) / (perf_counter() - start)


def alone(ledger: Ledger, requests: list[Request]) -> float:
    """Let one caller send all requests, each when the last was answered; requests/s."""
    start = perf_counter()
    for request in requests:
        ledger.execute(request)
    return len(requests) / (perf_counter() - start)


class Raw:
    """The bare driver with a bare table of the entry's columns, and one commit per row."""

    def __init__(self, ledger: Ledger) -> None:
        kinds = "position bigint PRIMARY KEY, kind text, recorded_at bigint, occurred_at bigint"
        if ledger.url.get_backend_name() == "sqlite":
            self._connection: Any = sqlite3.connect(Path(fresh_url()[10:]), isolation_level=None)
            page_size = f"page_size={SQLITE_PAGE_BYTES}"
            for pragma in (page_size, "journal_mode=wal", "synchronous=2"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._begin, place = "BEGIN IMMEDIATE", "?"
            self._connection.execute(f"CREATE TABLE raw ({kinds}, bytes blob)")
        else:
            import psycopg  # noqa: PLC0415 - an extra

            url = ledger.url.set(drivername="postgresql")
            self._connection = psycopg.connect(
                url.render_as_string(hide_password=False), autocommit=True, prepare_threshold=1
            )
            self._begin, place = "BEGIN", "%b"
            self._connection.execute(f"CREATE TABLE raw ({kinds}, bytes bytea)")
        self._insert = f"INSERT INTO raw VALUES ({','.join([place] * 5)})"
        self._next = 0

    def commit_each(self, data: list[bytes]) -> float:
        """Commit entries one by one; commits/s."""
        execute = self._connection.execute
        start = perf_counter()
        for one in data:
            execute(self._begin)
            execute(self._insert, (self._next, "pack_docked", self._next, self._next, one))
            execute("COMMIT")
            self._next += 1
        return len(data) / (perf_counter() - start)

    def close(self) -> None:
        self._connection.close()


def beside_raw(ledger: Ledger, runs: list[Run], scale: Scale) -> list[list[float]]:
    """Let raw commits of the newest entries of a ledger take turns with runs; the rates of each."""
    with ledger.reading() as reads:
        sample = list(reads.raw(max(reads.size - 300, 0), reads.size))
    raw = Raw(ledger)
    contenders: list[Run] = [lambda: raw.commit_each(sample), *runs]
    for one in contenders:
        one()  # warms up
    rates = take_turns(scale.repeats, contenders)
    raw.close()
    return rates


def against_raw(
    name: str, ledger: Ledger, stream: Iterator[Request], scale: Scale
) -> Iterator[Row]:
    note(f"append: {name}, callers against raw commits")
    which = 1 if name == "PostgreSQL" else 0

    def run(callers: int) -> float:
        count = scale.of(300 if callers == 1 else 20 * callers + 1_000, least=2 * callers)
        requests = list(islice(stream, count))
        return alone(ledger, requests) if callers == 1 else closed_loop(ledger, requests, callers)

    runs = [lambda callers=callers: run(callers) for callers in CALLERS]
    baseline, *found = beside_raw(ledger, runs, scale)
    for callers, rates in zip(CALLERS, found, strict=True):
        yield Pairs(rates, baseline).row(
            f"{name}: {callers} callers, raw one-row commits",
            floor=CALLERS[callers][which],
            goal=GOALS[callers][which],
        )


# Open loop --------------------------------------------------------------------


def open_loop(name: str, ledger: Ledger, stream: Iterator[Request], scale: Scale) -> Iterator[Row]:
    note(f"append: {name}, open loop")
    closed = closed_loop(ledger, list(islice(stream, scale.of(8_000, least=1_000))), BATCH)
    for rate in (2_000.0, 0.6 * closed):
        count = scale.of(int(rate * 4), least=500)
        late, refused = arrivals(ledger, list(islice(stream, count)), rate)
        middle, tail = late[len(late) // 2] * 1e3, late[int(len(late) * 0.99)] * 1e3
        share = f"{rate / closed:.0%} of closed loop" + (f", {refused} refused" if refused else "")
        yield Row(
            f"{name}: open loop at {number(rate)}/s ({share})",
            f"p50 {middle:.1f} ms, p99 {tail:.1f} ms",
        )


def arrivals(ledger: Ledger, requests: list[Request], rate: float) -> tuple[list[float], int]:
    """Send requests at a fixed rate: latencies from the planned arrival, sorted, and how many
    met a full queue."""
    done: list[float] = []
    refused = 0
    futures: list[Future[list[Receipt]]] = []
    start = perf_counter() + 0.01
    for number_, request in enumerate(requests):
        planned = start + number_ / rate
        while (ahead := planned - perf_counter()) > 0:
            sleep(ahead)
        try:
            future = ledger.submit(request)
        except Unavailable:
            refused += 1
            continue
        future.add_done_callback(lambda _, planned=planned: done.append(perf_counter() - planned))
        futures.append(future)
    for future in futures:
        future.result()
    return sorted(done), refused
