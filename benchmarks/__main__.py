"""`python -m benchmarks [TOPIC] [--postgres URL]`; the topics are those of `TOPICS`."""

import argparse
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from benchmarks import (
    app,
    append,
    availability,
    books,
    cluster,
    doors,
    growth,
    history_proof,
    month_close,
    rating,
    reading,
)
from benchmarks.measure import Row, Scale, show

TOPICS = (
    "append",
    "verify",
    "history",
    "asof",
    "proof",
    "doors",
    "growth",
    "rating",
    "books",
    "month",
    "app",
    "availability",
    "all",
)
FULL = Scale()
QUICK = Scale(repeats=3, share=0.2)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("topic", nargs="?", default="all", choices=TOPICS)
    parser.add_argument("--postgres", metavar="URL", help="a server; else a temporary cluster")
    parser.add_argument("--no-postgres", action="store_true", help="SQLite only")
    parser.add_argument("--quick", action="store_true", help="shorter and less sure")
    parser.add_argument("--minutes", type=float, default=10.0, help="limit of growing")
    asked = parser.parse_args()
    with scratch(), _server(asked) as server:
        found = list(rows(asked.topic, server, QUICK if asked.quick else FULL, asked.minutes))
    return 0 if show(found) else 1


@contextmanager
def scratch() -> Iterator[None]:
    """Make everything temporary inside one folder, and leave nothing behind."""
    folder = tempfile.mkdtemp(prefix="mobilegrid-bench-")
    Path(folder).chmod(0o711)  # user postgres must get through to its cluster
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)


def _server(asked: argparse.Namespace) -> AbstractContextManager[str]:
    if asked.no_postgres:
        return nullcontext("")
    return nullcontext(asked.postgres) if asked.postgres else cluster.running()


def rows(topic: str, server: str, scale: Scale, minutes: float) -> Iterator[Row]:
    databases = ("", server) if server else ("",)
    everything = topic == "all"
    for database in databases:
        if everything or topic == "append":
            yield from append.rows(database, scale)
            yield from _event_store(database, scale)
        if everything or topic == "verify":
            yield from reading.verify_rows(database, scale)
        if everything or topic in ("history", "asof"):
            yield from reading.history_rows(database, scale)
        if everything or topic == "proof":
            yield from history_proof.rows(database, scale)
        if everything or topic == "doors":
            yield from doors.rows(database, scale)
    if everything or topic == "append":
        yield from _pgledger(server, scale)
    if everything or topic == "verify":
        yield from _judged(scale)
    yield from _without_database(topic, scale)
    if everything or topic == "growth":
        for database in databases:
            yield from growth.rows(database, scale, minutes)


def _without_database(topic: str, scale: Scale) -> Iterator[Row]:
    for name, measured in (
        ("rating", rating.rows),
        ("books", books.rows),
        ("month", month_close.rows),
        ("app", app.rows),
        ("availability", availability.rows),
    ):
        if topic in (name, "all"):
            yield from measured(scale)


def _event_store(server: str, scale: Scale) -> Iterator[Row]:
    wanted = ("eventsourcing", "psycopg_pool") if server else ("eventsourcing",)
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        yield Row("eventsourcing", "not measured", f"{missing[0]} is not installed")
        return
    from benchmarks import event_store  # noqa: PLC0415 - optional

    yield from event_store.rows(server, scale)


def _pgledger(server: str, scale: Scale) -> Iterator[Row]:
    if importlib.util.find_spec("psycopg") is None:
        yield Row("pgledger", "not measured", "psycopg is not installed")
        return
    from benchmarks import pgledger  # noqa: PLC0415 - optional

    yield from pgledger.rows(server, scale)


def _judged(scale: Scale) -> Iterator[Row]:
    for package, measured in (("pymerkle", reading.proof_rows), ("beancount", reading.books_rows)):
        if importlib.util.find_spec(package) is None:
            yield Row(package, "not measured", "it is not installed")
        else:
            yield from measured(scale)


if __name__ == "__main__":
    sys.exit(main())
