"""Growth: does a ledger slow down, and what does an entry cost on disk?

At each mark the grown ledger and a young one (0.1 M entries) take batches in turn, so that the
machine's mood cannot pass for a slope. Growing ends early when its time is used up; the table says
how far it came.
"""

from collections.abc import Iterator
from itertools import islice
from time import monotonic, perf_counter

import sqlalchemy as sa

from benchmarks.append import BATCH
from benchmarks.fleet import build, check, fresh_url, moves
from benchmarks.measure import Pairs, Row, Scale, note, number, settle
from ledger.kernel.messages import Request
from ledger.runtime.ledger import Ledger
from ledger.store.engine import sqlite_file

YOUNG = 100_000
MARKS = (300_000, 1_000_000, 2_000_000, 3_000_000)
PACKS = 10_000
FLOOR, GOAL = 0.8, 0.9


class Growing:
    """A ledger and its endless stream of moves."""

    def __init__(self, server: str) -> None:
        self.ledger: Ledger = build(fresh_url(server), PACKS)
        self.stream: Iterator[Request] = moves(PACKS)

    @property
    def size(self) -> int:
        with self.ledger.reading() as reads:
            return reads.size

    def batch(self) -> float:
        """Take one batch; seconds."""
        some = list(islice(self.stream, BATCH))
        start = perf_counter()
        check(self.ledger.execute_all(some))
        return perf_counter() - start

    def grow(self, size: int, until: float) -> int:
        at = self.size
        while at < size and monotonic() < until:
            self.batch()
            at += BATCH
        return at

    def stored_bytes(self) -> int:
        file = sqlite_file(self.ledger.url)
        if file is not None:
            return file.stat().st_size  # what the log beside it holds is written over and over
        engine = sa.create_engine(self.ledger.url)
        with engine.connect() as tx:
            size = tx.scalar(sa.text("SELECT pg_database_size(current_database())"))
        engine.dispose()
        return int(size or 0)


def rows(server: str, scale: Scale, minutes: float) -> Iterator[Row]:
    name = "PostgreSQL" if server else "SQLite"
    until = monotonic() + 60 * minutes
    young, old = Growing(server), Growing(server)
    settle()
    empty = old.size, old.stored_bytes()
    young.grow(scale.of(YOUNG), until)
    for mark in MARKS:
        note(f"growth: {name}, to {number(scale.of(mark))} entries")
        reached = old.grow(scale.of(mark), until)
        pairs = Pairs([], [])
        for _ in range(scale.repeats):
            times = [(old.batch(), young.batch()) for _ in range(scale.of(12))]
            pairs.ours.append(len(times) * BATCH / sum(one for one, _ in times))
            pairs.baseline.append(len(times) * BATCH / sum(two for _, two in times))
        size, stored = old.size, old.stored_bytes()
        cost = (stored - empty[1]) / (size - empty[0])
        what = f"{name}: rate at {reached / 1e6:.2f} M, at {young.size / 1e6:.2f} M entries"
        yield pairs.row(f"{what}; {cost:,.0f} bytes/entry", floor=FLOOR, goal=GOAL)
        if reached < scale.of(mark):
            break
    young.ledger.close()
    old.ledger.close()
