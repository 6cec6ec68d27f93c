"""Checking and reading: verification, histories, balances as of a moment, proofs, books.

Verification runs on one core. The proof of inclusion is made from tiles in memory, against
`pymerkle` with its tree in memory and its cache on. The books are those we export, loaded and checked
by `beancount` in this process without its own cache; we check bytes, tree and all sums instead.
"""

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import perf_counter

from benchmarks.append import check
from benchmarks.fleet import OPENED_AT, build, fresh_url, moves
from benchmarks.measure import Pairs, Row, Scale, duel, note, number, seconds, settle
from ledger.exports.books import export_books
from ledger.kernel.hashing import leaf_hash
from ledger.runtime.ledger import Ledger
from ledger.runtime.verify import verify
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
        moment = reads.moment(known_at=OPENED_AT + 10_000)
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
    from pymerkle import InmemoryTree  # noqa: PLC0415 - a judge, under the GPL

    leaves = scale.of(LEAVES)
    note(f"pymerkle: {leaves} leaves")
    theirs = InmemoryTree(algorithm="sha256")
    tiles: dict[tuple[int, int], bytes] = {}
    builder = TileBuilder()
    for first in range(0, leaves, 4_096):
        some = [b"entry %d" % at for at in range(first, min(first + 4_096, leaves))]
        theirs.append_entries(some)
        builder, done = builder.extend([leaf_hash(data) for data in some])
        tiles.update(((level, place), data) for level, place, data in done)

    def read_tile(level: int, place: int, _width: int) -> bytes:
        return tiles.get((level, place)) or builder.read_edge(level, place) or b""

    index = leaves // 3
    path = inclusion(index, leaves, read_tile)
    if theirs.prove_inclusion(index + 1).path[1:] != list(path) and theirs.get_root() != (
        builder.frontier().root()
    ):
        raise SystemExit("pymerkle and we disagree on the tree")
    settle()
    which = count()

    def places(howmany: int) -> list[int]:
        return [next(which) * 7_919_777 % leaves for _ in range(howmany)]

    def prove() -> float:
        some = places(200)
        return len(some) / seconds(lambda: [inclusion(at, leaves, read_tile) for at in some])

    def prove_theirs() -> float:
        some = places(20)
        return len(some) / seconds(lambda: [theirs.prove_inclusion(at + 1) for at in some])

    pairs = duel(scale.repeats, prove, prove_theirs)
    what = f"pymerkle, inclusion proof at {number(leaves)} leaves"
    yield pairs.row(what, floor=30.0, goal=80.0)


# Books ------------------------------------------------------------------------


def books_rows(scale: Scale) -> Iterator[Row]:
    from beancount import loader  # noqa: PLC0415 - a judge, under the GPL

    note("beancount")
    loader.initialize(False)  # noqa: FBT003 - its signature; no cache
    folder = Path(mkdtemp(prefix="bench-")) / "books"
    with grown("", 500, scale.of(BOOK_ENTRIES)) as ledger:
        with ledger.reading() as reads:
            control = export_books(reads, folder)
            size = reads.size
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
        rates = duel(min(scale.repeats, 3), ours, theirs)
    row = Pairs(rates.ours, rates.baseline).row("", floor=20.0, goal=50.0)
    yield Row(
        f"beancount, load and balance check of {number(size)} entries",
        f"{1e3 / median(rates.ours):,.0f} ms",
        f"{1e3 / median(rates.baseline):,.0f} ms",
        row.ratio,
        row.floor,
        row.goal,
    )
    assert control is not None
