"""Against the package `eventsourcing`: the same moves as events of one aggregate per pack.

It is given its best case: its aggregates stay in memory, so that it never reads what it decides on,
and its events carry three fields and no proof. We load every row, decide, post, chain and hash. One
row more shows it reading its aggregates first, as several processes would have to.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count, islice
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from uuid import NAMESPACE_OID, UUID, uuid5

import sqlalchemy as sa
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from benchmarks.append import closed_loop
from benchmarks.fleet import build, check, fresh_url, moves
from benchmarks.measure import Row, Scale, duel, note, settle, take_turns
from benchmarks.prebuilt import Prebuilt
from ledger.domain.catalogue import EVENTS
from ledger.domain.world import Stamp, World
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Entry
from ledger.runtime.replay import replay
from ledger.store.scan import scan_entries

PACKS = 500
CALLERS = 16
TOGETHER = 100
LONG = 200


class Pack(Aggregate):
    @event("Registered")
    def __init__(self, pack_id: str, account: str) -> None:
        self.pack_id = pack_id
        self.account = account

    @staticmethod
    def create_id(pack_id: str, account: str) -> UUID:
        return uuid5(NAMESPACE_OID, f"{pack_id}/{account.split(':', maxsplit=1)[0]}")

    @event("Moved")
    def move(self, to_account: str, level: int, occurred_at: int) -> None:  # noqa: ARG002 - kept
        self.account = to_account


def rows(server: str, scale: Scale) -> Iterator[Row]:
    name = "PostgreSQL" if server else "SQLite"
    which = 1 if server else 0
    note(f"eventsourcing: {name}")
    store = Store(server)
    with build(fresh_url(server), PACKS) as ledger:
        stream = moves(PACKS)
        settle()

        def callers() -> float:
            return closed_loop(ledger, list(islice(stream, scale.of(2_000, least=200))), CALLERS)

        def together() -> float:
            rounds = scale.of(30)
            batches = [list(islice(stream, TOGETHER)) for _ in range(rounds)]
            start = perf_counter()
            for batch in batches:
                check(ledger.execute_all(batch))
            return rounds * TOGETHER / (perf_counter() - start)

        what = f"{name}: eventsourcing, {CALLERS} callers"
        pairs = duel(scale.repeats, callers, lambda: store.callers(scale.of(400, least=64)))
        yield pairs.row(what, floor=(4.0, 7.0)[which], goal=(6.0, 10.0)[which])
        ours, kept, loaded = take_turns(
            scale.repeats,
            (
                together,
                lambda: store.together(scale.of(30)),
                lambda: store.together(scale.of(10), load=True),
            ),
        )
        yield _row(f"{name}: eventsourcing, batch {TOGETHER}", ours, kept, (1.8, 2.3))
        yield _row(f"{name}: the same, it loads its aggregates", ours, loaded, (None, None))
        yield from _ceilings(name, server, store, scale)
        yield from _reading(name, ledger, store, scale)
    store.application.close()


def _ceilings(name: str, server: str, store: "Store", scale: Scale) -> Iterator[Row]:
    """Compare with it what only writes our rows: as many to a commit as it has callers, or all."""
    with Prebuilt(server, PACKS) as prebuilt:
        settle()
        for size, theirs, what in (
            (CALLERS, lambda: store.callers(scale.of(400, least=64)), f"{CALLERS} callers"),
            (TOGETHER, lambda: store.together(scale.of(30)), f"batch {TOGETHER}"),
        ):
            entries = scale.of(30 * size)
            prebuilt.rows_alone(size, entries)  # warms up
            pairs = duel(scale.repeats, partial(prebuilt.rows_alone, size, entries), theirs)
            yield pairs.row(f"{name}: rows alone, eventsourcing, {what}")


class Store:
    """An application of the package, with as many packs as we have."""

    def __init__(self, server: str) -> None:
        self.application: Application[UUID] = Application(_settings(server))
        self.packs = [Pack(f"PK-{number}", "Packs:Staged") for number in range(PACKS)]
        self.application.save(*self.packs)
        self._turn = count()

    def _move(self, pack: Pack) -> Pack:
        number = next(self._turn)
        pack.move(f"Packs:Station:ST-{number % 99}:Slot:{number % 20}", 5, number)
        return pack

    def callers(self, moves_each: int) -> float:
        """Callers on threads of their own, each with its own packs; moves/s."""
        each = moves_each // CALLERS

        def call(caller: int) -> None:
            for number in range(each):
                pack = self.packs[caller + CALLERS * (number % (PACKS // CALLERS))]
                self.application.save(self._move(pack))

        with ThreadPoolExecutor(CALLERS) as pool:
            start = perf_counter()
            list(pool.map(call, range(CALLERS)))
            return each * CALLERS / (perf_counter() - start)

    def together(self, rounds: int, *, load: bool = False) -> float:
        get = self.application.repository.get
        start = perf_counter()
        for number in range(rounds):
            first = number * TOGETHER % PACKS
            some = self.packs[first : first + TOGETHER]
            if load:
                some = self.packs[first : first + TOGETHER] = [get(one.id) for one in some]
            self.application.save(*[self._move(one) for one in some])
        return rounds * TOGETHER / (perf_counter() - start)

    def pack_of(self, moves_in_all: int) -> Pack:
        pack = Pack("PK-LONG", f"LONG-{next(self._turn)}:x")
        while pack.version < moves_in_all:
            self._move(pack)
        self.application.save(pack)
        return pack


def _settings(server: str) -> dict[str, str]:
    if not server:
        path = Path(mkdtemp(prefix="bench-")) / "events.db"
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}
    url = sa.make_url(fresh_url(server))
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(url.database),
        "POSTGRES_HOST": str(url.host or url.query["host"]),
        "POSTGRES_PORT": str(url.port or 5432),
        "POSTGRES_USER": str(url.username),
        "POSTGRES_PASSWORD": str(url.password or "-"),
        "POSTGRES_POOL_SIZE": str(CALLERS),
    }


def _reading(name: str, ledger: Ledger, store: Store, scale: Scale) -> Iterator[Row]:
    hot = moves(PACKS, hot=1, start=10**6)
    with ledger.reading() as reads:
        docked = reads.custody("PK-0", reads.moment()).count(":Slot:")
    if docked:  # begin with a move that the pack can make
        next(hot)
    with ledger.reading() as reads:
        have = len(reads.pack_history("PK-0", reads.moment()))
    while have < LONG:
        some = list(islice(hot, min(TOGETHER, LONG - have)))
        check(ledger.execute_all(some))
        have += len(some)
    pack, times = store.pack_of(have), scale.of(20)

    def ours(look: Callable[[Entry], object]) -> float:
        with ledger.reading() as reads:
            return _per_second(
                times, lambda: [look(one) for one in reads.pack_history("PK-0", reads.moment())]
            )

    def theirs() -> float:
        return _per_second(times, lambda: list(store.application.events.get(pack.id)))

    def theirs_stored() -> float:
        recorder = store.application.recorder
        return _per_second(times, lambda: recorder.select_events(pack.id))

    what = f"{name}: eventsourcing, history of {have} entries"
    pairs = duel(scale.repeats, lambda: ours(lambda one: one.event), theirs)
    yield pairs.row(f"{what}, each event decoded", floor=4.0, goal=6.0)
    pairs = duel(scale.repeats, lambda: ours(lambda one: one.data), theirs_stored)
    yield _row("the same, as stored", pairs.ours, pairs.baseline, (None, None))
    repeats = min(scale.repeats, 3)
    folded, checked, aggregates = take_turns(
        repeats, (lambda: _folded(ledger), lambda: _replay(ledger), lambda: _fold(store))
    )
    what = f"{name}: eventsourcing, replay of all"
    yield _row(f"{what}, decoded and folded", folded, aggregates, (4.0, 8.0))
    yield _row("the same, we check all of it too", checked, aggregates, (None, None))


def _folded(ledger: Ledger) -> float:
    """What a replay is there: decode each event, fold it into the state; no more is checked."""
    with ledger.reading() as reads:
        start = perf_counter()
        world = World(complete=True)
        for chunk in scan_entries(reads.tx, ledger.name.log_id, reads.size):
            for position, _, recorded_at, occurred_at, data in chunk:
                event = Entry(data).event
                world.begin()
                world.position = position
                stamp = Stamp(position, occurred_at, recorded_at)
                for fold in EVENTS[type(event)].folds:
                    fold(world, event, stamp)
        return reads.size / (perf_counter() - start)


def _per_second(times: int, work: Callable[[], object]) -> float:
    start = perf_counter()
    for _ in range(times):
        work()
    return times / (perf_counter() - start)


def _replay(ledger: Ledger) -> float:
    with ledger.reading() as reads:
        start = perf_counter()
        replay(reads)
        return reads.size / (perf_counter() - start)


def _fold(store: Store) -> float:
    start = perf_counter()
    events = sum(store.application.repository.get(pack.id).version for pack in store.packs)
    return events / (perf_counter() - start)


def _row(
    what: str, ours: list[float], baseline: list[float], marks: tuple[float | None, float | None]
) -> Row:
    from benchmarks.measure import Pairs  # noqa: PLC0415

    row = Pairs(ours, baseline).row(what, floor=0, goal=0)
    return Row(row.what, row.ours, row.baseline, row.ratio, *marks)
