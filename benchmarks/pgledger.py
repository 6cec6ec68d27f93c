"""Against pgledger: double entry inside PostgreSQL, one function call per transfer.

Its SQL is not ours to keep: `MOBILEGRID_PGLEDGER_SQL` names its `pgledger.sql`, with the two files
of `vendor/scoville-pgsql-ulid` beside it or at their place. Its callers are those of `pgbench`,
written in C, so that no interpreter slows it down.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp

import psycopg
import sqlalchemy as sa

from benchmarks import cluster
from benchmarks.append import closed_loop
from benchmarks.fleet import build, fresh_url, moves
from benchmarks.measure import Row, Scale, duel, note, settle
from benchmarks.prebuilt import Prebuilt
from ledger.kernel.messages import Request
from ledger.runtime.ledger import Ledger

FILE = "MOBILEGRID_PGLEDGER_SQL"
CALLERS = 64
ACCOUNTS = 1_000
HOT = 10
SCRIPT = """\\set a random(1, {among})
\\set b mod(:a + random(1, {among} - 1) - 1, {among}) + 1
SELECT id FROM pgledger_create_transfer('a' || :a, 'a' || :b, 1);
"""


def rows(server: str, scale: Scale) -> Iterator[Row]:
    marks = {ACCOUNTS: ("even", 7.0, 11.0), HOT: (f"{HOT} hot accounts", 12.0, 20.0)}
    absent = _absent(server)
    if absent:
        for load, floor, goal in marks.values():
            what = f"PostgreSQL: pgledger, {CALLERS} callers, {load}"
            yield Row(what, "not measured", absent, None, floor, goal)
        return
    note("pgledger")
    database = _install(server)
    for among, (load, floor, goal) in marks.items():
        with build(fresh_url(server), ACCOUNTS) as ledger:
            stream = moves(ACCOUNTS, hot=among)
            settle()

            def ours(ledger: Ledger = ledger, stream: Iterator[Request] = stream) -> float:
                count = scale.of(6_000, least=640)
                return closed_loop(ledger, list(islice(stream, count)), CALLERS)

            def theirs(among: int = among) -> float:
                return _pgbench(database, among, scale.of(4))

            pairs = duel(scale.repeats, ours, theirs)
        what = f"PostgreSQL: pgledger, {CALLERS} callers, {load}"
        yield pairs.row(what, floor=floor, goal=goal)
        if among == ACCOUNTS:
            with Prebuilt(server, ACCOUNTS) as prebuilt:
                alone = partial(prebuilt.rows_alone, CALLERS, scale.of(6_000, least=640))
                alone()  # warms up
                pairs = duel(scale.repeats, alone, theirs)
            yield pairs.row(f"PostgreSQL: rows alone, {CALLERS} a commit, pgledger, {load}")


def _absent(server: str) -> str:
    if not server:
        return "no PostgreSQL"
    if FILE not in os.environ:
        return f"{FILE} is not set"
    programs = cluster.programs()
    if programs is None or not (programs / "pgbench").exists():
        return "pgbench is not installed"
    return ""


def _install(server: str) -> str:
    file = Path(os.environ[FILE])
    url = sa.make_url(fresh_url(server)).set(drivername="postgresql")
    database = url.render_as_string(hide_password=False)
    with psycopg.connect(database, autocommit=True) as tx:
        for name in ("ulid-to-uuid.sql", "uuid-to-ulid.sql"):
            beside = file.parent / name
            vendor = file.parent / "vendor" / "scoville-pgsql-ulid" / name
            tx.execute((beside if beside.exists() else vendor).read_bytes())
        tx.execute(file.read_bytes())
        tx.execute(
            "SELECT count(*) FROM generate_series(1, %s) AS n, "
            "LATERAL pgledger_create_account('n' || n, 'EUR')",
            (ACCOUNTS,),
        )
        # known ids, so that a caller need not look them up
        tx.execute("UPDATE pgledger_accounts SET id = 'a' || substr(name, 2)")
        tx.execute("VACUUM ANALYZE")
    return database


def _pgbench(database: str, among: int, seconds: int) -> float:
    script = Path(mkdtemp(prefix="bench-")) / "transfer.sql"
    script.write_text(SCRIPT.format(among=among))
    programs = cluster.programs()
    assert programs is not None, "looked for before"
    command = [str(programs / "pgbench"), "-n", "-M", "prepared", "-c", str(CALLERS), "-j", "2"]
    done = subprocess.run(
        [*command, "-T", str(seconds), "-f", str(script), database],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if done.returncode or found is None:
        raise SystemExit(done.stdout + done.stderr)
    return float(found[1])
