"""The signer's own file: it only grows, it is checked, and one signer at a time holds it."""

import shutil
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.kernel.errors import (
    InvariantBroken,
    Misconfigured,
    MobileGridError,
    NotFound,
    TamperEvidence,
    Unavailable,
)
from ledger.signer.policy import Head
from ledger.signer.schema import Signing, StoredDocument, guards
from ledger.signer.state import PRAGMAS, SignerState, Stored, create_state
from ledger.tlog.tree import Frontier
from tests.support.logs import sample_leaves
from tests.support.signers import ORIGIN, confirm, statement, tree_of

HEADS = [Head(tree_of(sample_leaves(size)), at=1000 + size) for size in (0, 3, 5)]
TABLES = ["born", "head", "signing", "document", "block", "confirmation"]
DIGEST = sha256(b"signed").digest()


def signing(kind: str = "checkpoint", size: int = 3, at: int = 2000, subject: str = "") -> Signing:
    return Signing("a", "00" * 8, kind, subject, DIGEST, size, at, bytes(32), b"signature")


DOCUMENT = StoredDocument("ST-1", "mobilegrid-sla+jws", "documents", DIGEST, 3, 2000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_state(tmp_path / "signer.db", ORIGIN, at=1)
    return tmp_path / "signer.db"


@pytest.fixture
def state(path: Path) -> Iterator[SignerState]:
    opened = SignerState(path, ORIGIN)
    yield opened
    opened.close()


def filled(state: SignerState) -> None:
    """Write a row into every table."""
    for head in HEADS:
        state.commit_head(head)
    state.commit_document(DOCUMENT)
    state.add_signings([signing(), signing("documents", subject="ST-1")])
    state.open_block("fork", 2, bytes(32), 3000)
    state.add_confirmation("block", 1, confirm(statement("block", 1, 5), "ada", "ben"), 3001)


def bare(path: Path) -> sqlite3.Connection:
    """Open the file as somebody does who has no business there."""
    return sqlite3.connect(path, isolation_level=None)


def dump(state: SignerState) -> list[object]:
    return [state._base.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES]


# Writing and reading ----------------------------------------------------------


def test_what_was_written_binds_the_next_start(path: Path) -> None:
    state = SignerState(path, ORIGIN)
    assert state.load() == Stored(None, None, 0)
    filled(state)
    state.close()
    again = SignerState(path, ORIGIN)
    assert again.load() == Stored(HEADS[-1], 2000, 0)
    assert again.document("ST-1") == DOCUMENT
    assert again.document("ST-2") is None
    assert again.signings("documents", 3, "ST-1") == (signing("documents", subject="ST-1"),)
    assert [number for number, _ in again.journal()] == [1, 2]
    assert [number for number, _ in again.journal(after=1)] == [2]
    assert len(again.journal(limit=1)) == 1
    again.close()


def test_a_root_counts_as_signed_when_a_device_signed_it(state: SignerState) -> None:
    filled(state)
    assert state.root_signed(3) == HEADS[1].root()
    assert state.root_signed(5) is None
    assert state.root_signed(4) is None


def test_blocks_are_open_until_each_is_lifted(state: SignerState) -> None:
    assert state.open_block("fork", 2, bytes(32), 1) == 1
    assert state.load().block == 1
    ask = confirm(statement("block", 1, 5), "ada", "ben")
    state.add_confirmation("block", 1, ask, 2)
    assert state.load().block == 0
    assert state.open_block("fork", 2, bytes(32), 3) == 2
    assert state.load().block == 2


def test_the_time_of_the_last_signature_starts_anew_when_the_clock_is_confirmed(
    state: SignerState,
) -> None:
    state.commit_head(HEADS[1])
    state.add_signings([signing(at=9000)])
    assert state.load().signed_at == 9000
    ask = confirm(statement("clock", 3, 5), "ada", "ben")
    state.add_confirmation("clock", 3, ask, 4000)
    assert state.load().signed_at == 4000
    state.add_signings([signing(at=4500)])
    assert state.load().signed_at == 4500
    state.commit_head(Head(HEADS[2].tree, at=4600))
    assert state.load().signed_at == 4600


def test_signatures_are_journaled_all_or_none(state: SignerState) -> None:
    with pytest.raises(InvariantBroken):
        state.add_signings([signing(), Signing("a", "", "", "", b"short", 3, 1, b"", b"")])
    assert state.journal() == []


# Guards -----------------------------------------------------------------------


@pytest.mark.parametrize("head", [HEADS[0], HEADS[1], HEADS[2]])
def test_a_head_never_comes_second_or_late(path: Path, head: Head) -> None:
    state = SignerState(path, ORIGIN)
    filled(state)
    with pytest.raises(InvariantBroken, match="must grow"):
        state.commit_head(head)
    state.close()


def test_a_document_id_is_bound_once(state: SignerState) -> None:
    filled(state)
    with pytest.raises(InvariantBroken, match="taken"):
        state.commit_document(DOCUMENT)


FORBIDDEN = [
    "UPDATE {table} SET rowid = rowid",
    "DELETE FROM {table}",
    "INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    "DROP TABLE {table}",
    "DROP TRIGGER {table}_no_update",
    "ALTER TABLE {table} RENAME TO other",
]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("text", FORBIDDEN)
def test_no_statement_of_the_signer_changes_what_was_written(
    state: SignerState, table: str, text: str
) -> None:
    filled(state)
    before = dump(state)
    with pytest.raises(sqlite3.DatabaseError):
        state._base.execute(text.format(table=table))
    assert dump(state) == before


@pytest.mark.parametrize(
    "text",
    ["PRAGMA recursive_triggers=OFF", "PRAGMA synchronous=OFF", "PRAGMA writable_schema=ON",
     "ATTACH 'other.db' AS other", "CREATE TABLE other (x)", "VACUUM"],
)  # fmt: skip
def test_the_signer_cannot_loosen_its_own_guards(state: SignerState, text: str) -> None:
    with pytest.raises(sqlite3.DatabaseError):
        state._base.execute(text)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("text", FORBIDDEN[:3])
def test_the_triggers_alone_keep_every_row(path: Path, table: str, text: str) -> None:
    state = SignerState(path, ORIGIN)
    filled(state)
    state.close()
    with bare(path) as base:
        base.execute("PRAGMA recursive_triggers=ON")
        with pytest.raises(sqlite3.IntegrityError):
            base.execute(text.format(table=table))
    base.close()


def test_the_settings_of_the_connection_are_those_that_keep_what_was_written(
    state: SignerState,
) -> None:
    state._base.set_authorizer(None)
    found = {name: state._base.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}
    assert found == PRAGMAS
    kept = ("journal_mode", "synchronous", "recursive_triggers", "trusted_schema")
    assert [found[name] for name in kept] == ["wal", 2, 1, 0]


# Opening ----------------------------------------------------------------------


def test_a_state_is_born_once(path: Path, tmp_path: Path) -> None:
    kept = path.read_bytes()
    with pytest.raises(Misconfigured, match="born once"):
        create_state(path, ORIGIN, at=2)
    assert path.read_bytes() == kept
    with pytest.raises(Misconfigured):
        create_state(tmp_path / "nowhere" / "signer.db", ORIGIN, at=2)
    assert [each.name for each in tmp_path.iterdir()] == ["signer.db"]
    assert path.stat().st_mode & 0o077 == 0


def test_what_a_killed_birth_left_behind_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "signer.db.new").write_bytes(b"half")
    create_state(tmp_path / "signer.db", ORIGIN, at=1)
    SignerState(tmp_path / "signer.db", ORIGIN).close()


def test_without_a_file_there_is_no_state(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        SignerState(tmp_path / "signer.db", ORIGIN)
    assert list(tmp_path.iterdir()) == []


def test_one_signer_at_a_time_holds_a_state(path: Path) -> None:
    first = SignerState(path, ORIGIN)
    with pytest.raises(Misconfigured, match="another signer"):
        SignerState(path, ORIGIN)
    first.close()
    SignerState(path, ORIGIN).close()


def test_the_state_of_another_log_is_refused(path: Path) -> None:
    with pytest.raises(Misconfigured, match="not log"):
        SignerState(path, "log.example.net/log/b")
    SignerState(path, ORIGIN).close()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        *((f"DROP TRIGGER {name}", name) for name in guards()),
        ("CREATE TRIGGER more AFTER INSERT ON head BEGIN SELECT 1; END", "more"),
        ("CREATE TABLE other (x)", "other"),
        ("DROP INDEX signing_of", "signing_of"),
    ],
)
def test_a_guard_that_is_missing_or_not_ours_is_found(path: Path, text: str, names: str) -> None:
    with bare(path) as base:
        base.execute(text)
    base.close()
    with pytest.raises(TamperEvidence, match=names):
        SignerState(path, ORIGIN)


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM signing WHERE journal_id = 1",
        "DELETE FROM confirmation; INSERT INTO confirmation VALUES (2, 'block', 1, x'', x'', 0, 1)",
        "UPDATE head SET root = zeroblob(32)",
        "UPDATE head SET frontier = zeroblob(64)",
        "UPDATE head SET frontier = x'00'",
        "UPDATE head SET size = 4 WHERE size = 3",
        "DELETE FROM head WHERE size > 0",
        "UPDATE born SET origin = 'other'",
        "DELETE FROM born",
    ],
)
def test_rows_that_were_edited_behind_the_guards_are_found(path: Path, text: str) -> None:
    state = SignerState(path, ORIGIN)
    filled(state)
    state.close()
    with bare(path) as base:
        for name in guards():
            base.execute(f"DROP TRIGGER {name}")
        base.executescript(text)
        for trigger in guards().values():
            base.execute(trigger)
    base.close()
    with pytest.raises((TamperEvidence, Misconfigured)):
        SignerState(path, ORIGIN).load()


@pytest.mark.parametrize("data", [b"", b"no database at all" * 100])
def test_a_file_that_is_no_state_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "signer.db").write_bytes(data)
    with pytest.raises(TamperEvidence):
        SignerState(tmp_path / "signer.db", ORIGIN)


def test_a_torn_file_is_found(path: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.db"
    data = path.read_bytes()
    torn.write_bytes(data[:4096] + bytes(4096) + data[8192:])
    with pytest.raises(MobileGridError):
        SignerState(torn, ORIGIN).load()


# Failing disks ----------------------------------------------------------------


def test_a_full_disk_is_passing_and_writes_nothing(state: SignerState) -> None:
    state._base.set_authorizer(None)
    pages = state._base.execute("PRAGMA page_count").fetchone()[0]
    state._base.execute(f"PRAGMA max_page_count={pages}")
    big = Head(Frontier(2**63 - 1, (DIGEST,) * 63), at=1)
    row = Signing("a", "", "checkpoint", "", DIGEST, 3, 1, bytes(32), bytes(200_000))
    with pytest.raises(Unavailable, match="full"):
        state.add_signings([row])
    state._base.execute(f"PRAGMA max_page_count={pages * 9}")
    state.commit_head(big)
    assert state.load().head == big
    assert state.journal() == []


def test_a_failed_write_that_leaves_a_doubt_ends_the_signer(state: SignerState) -> None:
    state._base.close()
    for _ in range(2):
        with pytest.raises(MobileGridError):
            state.commit_head(HEADS[1])
    with pytest.raises(Unavailable, match="start the signer again"):
        state.load()


def test_a_copy_of_the_state_is_not_held_by_the_lock_of_the_first(path: Path) -> None:
    state = SignerState(path, ORIGIN)
    filled(state)
    state.close()
    copy = shutil.copy(path, path.with_name("copy.db"))
    second = SignerState(Path(copy), ORIGIN)
    assert second.load().head == HEADS[-1]
    second.close()
