"""Checking and reading: verification, histories, balances as of a moment, proofs, books.

Verification runs on one core. The proof of inclusion is made from stored tiles, a new
reader for each, against `pymerkle` with its stored tree and its cache; that it is faster with all
nodes in memory is shown too. The books are those we export, loaded and checked
by `beancount` in this process without its own cache; we check bytes, tree and all sums instead.
"""

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import perf_counter
from typing import Any

from benchmarks.fleet import bills, build, check, fresh_url, moved_at, moves, tariff
from benchmarks.measure import Row, Scale, duel, note, number, seconds, settle
from ledger.exports.books import export_books
from ledger.kernel.hashing import leaf_hash
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from ledger.runtime.verify import verify
from ledger.store.append import Rows, appender
from ledger.store.engine import write_engine
from ledger.tlog.proof import inclusion
from ledger.tlog.tiles import TileBuilder

PACKS = 1_000
ENTRIES = 40_000
BOOK_ENTRIES = 20_000
LEAVES = 1_000_000
VERIFIED_MIN = 150_000
DEEP_MIN = 15_000


def grown(server: str, packs: int, entries: int, hot: int = 0) -> Ledger:
    """Build a ledger of about that many entries."""
    ledger = build(fresh_url(server), packs)
    stream = moves(packs, hot=hot)
    for _ in range(entries // 256):
        check(ledger.execute_all(list(islice(stream, 256))))
    return ledger


def verify_rows(server: str, scale: Scale) -> Iterator[Row]:
    name = "PostgreSQL" if server else "SQLite"
    note(f"verify: {name}")
    with grown(server, PACKS, scale.of(ENTRIES)) as ledger:
        settle()
        for deep, least in ((False, VERIFIED_MIN), (True, DEEP_MIN)):
            rate = median(_verified(ledger, deep=deep) for _ in range(scale.repeats))
            what = f"{name}: verify{' --deep' if deep else ''}, entries/s over {number(least)}"
            yield Row(what, f"{number(rate)}/s", f"{number(least)}/s", rate / least, 1.0)


def _verified(ledger: Ledger, *, deep: bool) -> float:
    with ledger.reading() as reads:
        return reads.size / seconds(lambda: verify(reads, deep=deep))


def history_rows(server: str, scale: Scale) -> Iterator[Row]:
    name = "PostgreSQL" if server else "SQLite"
    note(f"history, as of: {name}")
    with grown(server, 100, 20_480) as ledger, ledger.reading() as reads:
        settle()
        moment = reads.moment(known_at=moved_at(10_000))
        length = len(reads.pack_history("PK-7", reads.moment()))
        found = len(reads.balances("Packs", at=moment))
        works = {
            f"history of a pack with {length} entries": lambda: reads.pack_history(
                "PK-7", reads.moment()
            ),
            "who holds a pack, half way back": lambda: reads.custody("PK-7", moment),
            f"balances of all packs, half way back ({found} rows)": lambda: reads.balances(
                "Packs", at=moment
            ),
            "balances of all packs, now": lambda: reads.balances("Packs"),
        }
        for what, work in works.items():
            times = [seconds(work) * 1e3 for _ in range(scale.of(21, least=5))]
            yield Row(f"{name}: {what}", f"{median(times):.2f} ms")


# Proofs -----------------------------------------------------------------------


def proof_rows(scale: Scale) -> Iterator[Row]:
    from pymerkle import InmemoryTree, SqliteTree  # noqa: PLC0415 - a judge, under the GPL

    leaves = scale.of(LEAVES)
    note(f"pymerkle: {leaves} leaves")
    stored = SqliteTree(str(Path(mkdtemp(prefix="bench-")) / "tree.db"), algorithm="sha256")
    memory = InmemoryTree(algorithm="sha256")
    with build(fresh_url(), 0) as ledger:
        builder = TileBuilder()
        engine = write_engine(ledger.url)
        for first in range(0, leaves, 65_536):
            some = [b"entry %d" % at for at in range(first, min(first + 65_536, leaves))]
            stored.append_entries(some)
            memory.append_entries(some)
            builder, done = builder.extend([leaf_hash(data) for data in some])
            with engine.begin() as tx:
                appender(tx, ledger.name.log_id).write(Rows(tiles=list(done)))
        engine.dispose()
        if stored.get_root() != builder.frontier().root():
            raise SystemExit("pymerkle and we disagree on the root")
        settle()
        with ledger.reading() as reads:
            yield from _proofs(reads, builder, {"stored": stored, "in memory": memory}, scale)


def _proofs(
    reads: Reads, builder: TileBuilder, trees: dict[str, Any], scale: Scale
) -> Iterator[Row]:
    steps = count()

    def places(howmany: int) -> list[int]:
        return [next(steps) * 7_919_777 % builder.size for _ in range(howmany)]

    def ours() -> float:
        some = places(200)
        return len(some) / seconds(
            lambda: [inclusion(at, builder.size, reads.tile_reader(builder)) for at in some]
        )

    def theirs(tree: Any, howmany: int) -> float:
        some = places(howmany)
        return len(some) / seconds(lambda: [tree.prove_inclusion(at + 1) for at in some])

    what = f"pymerkle, inclusion proof at {number(builder.size)} leaves, both in SQLite"
    pairs = duel(scale.repeats, ours, lambda: theirs(trees["stored"], 5))
    yield pairs.row(what, floor=30.0, goal=80.0)
    pairs = duel(scale.repeats, ours, lambda: theirs(trees["in memory"], 200))
    row = pairs.row("the same, pymerkle with every node in memory", floor=0, goal=0)
    yield Row(row.what, row.ours, row.baseline, row.ratio)


# Books ------------------------------------------------------------------------


def books_rows(scale: Scale) -> Iterator[Row]:
    from beancount import loader  # noqa: PLC0415 - a judge, under the GPL

    note("beancount")
    loader.initialize(False)  # noqa: FBT003 - its signature; no cache
    folder = Path(mkdtemp(prefix="bench-")) / "books"
    with build(fresh_url(), 1) as ledger:
        ledger.execute(tariff())
        stream = bills(500)
        for _ in range(scale.of(BOOK_ENTRIES) // 250):
            check(ledger.execute_all(list(islice(stream, 250))))
        with ledger.reading() as reads:
            written = export_books(reads, folder).transactions
        settle()

        def ours() -> float:
            with ledger.reading() as reads:
                return 1 / seconds(lambda: verify(reads))

        def theirs() -> float:
            start = perf_counter()
            _, errors, _ = loader.load_file(str(folder / "beancount.beancount"))
            taken = perf_counter() - start
            if errors:
                raise SystemExit(str(errors[:3]))
            return 1 / taken

        ours()
        rates = duel(scale.repeats, ours, theirs)
    yield Row(
        f"beancount, load and balance check of {number(written)} entries",
        f"{1e3 / median(rates.ours):,.0f} ms",
        f"{1e3 / median(rates.baseline):,.0f} ms",
        rates.ratio,
        20.0,
        50.0,
    )
