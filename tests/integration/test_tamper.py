"""A database edited behind the ledger's back: what is found, by which look, and where."""

import shutil
from random import Random  # noqa: TID251  seeded below

import pytest

from ledger.domain.custody import PACKS
from ledger.domain.parties import RegisterParty
from ledger.kernel.errors import (
    CheckpointInvalid,
    MobileGridError,
    ReplayDiffers,
    TamperEvidence,
)
from ledger.kernel.hashing import leaf_hash
from ledger.runtime import proving
from ledger.runtime.ledger import Ledger
from ledger.runtime.verify import verify
from ledger.store import journal
from ledger.tlog.note import Ed25519Signer
from ledger.tlog.tree import Frontier
from tests.support.cli import answer, error, run
from tests.support.edits import DEEP, LEVEL_1, PLAIN, SIZE, TOWN
from tests.support.ledgers import OPENED_AT, asking, party, sqlite_url
from tests.support.postgres import fresh_database
from tests.support.stores import behind_its_back, looking_at
from tests.support.town import new_town


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tamper")
    fill(sqlite_url(folder))
    return folder / "town.db"


def fill(url: str) -> None:
    with new_town(url) as town:
        for first in range(TOWN, SIZE, 100):
            town.execute_all([party(n) for n in range(first, min(first + 100, SIZE))])
        with town.reading() as reads:
            assert reads.size == SIZE


@pytest.fixture
def url(original, tmp_path):
    shutil.copy(original, tmp_path / "town.db")
    return sqlite_url(tmp_path)


def edit(url: str, statements: str) -> None:
    with behind_its_back(url) as tx:
        changed = [tx.exec_driver_sql(one).rowcount for one in statements.split("; ")]
    assert all(changed), "the edit must hit something"


def look(url: str, *, deep: bool) -> None:
    """Verify without opening a writer, which would refuse some of the edits at once."""
    with looking_at(url) as reads:
        verify(reads, deep=deep)


@pytest.mark.parametrize("what", PLAIN)
def test_verify_finds_and_names(url, what):
    statements, said = PLAIN[what]
    edit(url, statements)
    with pytest.raises(TamperEvidence, match=said):
        look(url, deep=False)
    with pytest.raises(TamperEvidence):
        look(url, deep=True)


@pytest.mark.parametrize("what", DEEP)
def test_verify_deep_finds_and_names(url, what):
    statements, said = DEEP[what]
    edit(url, statements)
    look(url, deep=False)
    with pytest.raises(ReplayDiffers, match=said):
        look(url, deep=True)


@pytest.mark.slow
def test_a_changed_byte_of_any_entry_is_found_and_named(original, tmp_path):
    chance = Random(1)
    copy = tmp_path / "town.db"
    url = sqlite_url(tmp_path)
    for position in chance.sample(range(SIZE), 60):
        shutil.copy(original, copy)
        with behind_its_back(url) as tx:
            data = bytearray(journal.entry_bytes(tx, 1, position))
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            text = f"UPDATE entry SET bytes = x'{data.hex()}' WHERE position = {position}"
            tx.exec_driver_sql(text)
        with pytest.raises(ReplayDiffers) as found:
            look(url, deep=False)
        assert found.value.position == position


def test_a_changed_byte_of_the_file_is_found_or_does_not_matter(original, tmp_path):
    """Never another exception than ours, and never a ledger that says something else."""
    chance = Random(2)
    copy = tmp_path / "town.db"
    whole = original.read_bytes()
    with looking_at(f"sqlite:///{original}") as reads:
        root = reads.head.root
    found = 0
    for _ in range(60):
        data = bytearray(whole)
        for at in chance.sample(range(len(data)), 8):
            data[at] ^= 0xFF
        copy.write_bytes(data)
        try:
            with looking_at(sqlite_url(tmp_path)) as reads:
                assert verify(reads, deep=True).root == root
        except MobileGridError:
            found += 1
    assert found > 20


UNSEEN = {
    "the digest of a request": "UPDATE receipt SET digest = x'00'",
    "the answer of a refusal": "DELETE FROM receipt WHERE CAST(answer AS TEXT) LIKE '%refusal%'",
    "work for the outside": "INSERT INTO outbox VALUES (1, 5, 0, 'x', x'00', 'new')",
    "how far a view for people has read": "INSERT INTO follower VALUES (1, 'station_day', 9)",
    "a view for people": "INSERT INTO station_day VALUES (1, 'ST-1', '2024-03-01', 9, 9, 9, 9)",
}
"""What the log does not tell: a retry is refused or decided anew; `rebuild` mends the views."""


@pytest.mark.parametrize("what", UNSEEN)
def test_what_is_not_derived_from_the_log_is_not_verified(url, what):
    with Ledger(url) as town:
        twice = asking(RegisterParty(party_id="DR-1", party_roles=("driver",), country="DE"), "x")
        assert town.execute_all([twice])[0].refusal
    edit(url, UNSEEN[what])
    look(url, deep=True)


# Nobody can hide it ---------------------------------------------------------------------------


def rewrite(url: str) -> None:
    """Replace the newest entry and make tree and head fit again: no table contradicts another."""
    with looking_at(url) as reads:
        old = reads.entry(SIZE - 1)
    data = old.data.replace(b'"M1"', b'"M9"')
    assert data != old.data
    with behind_its_back(url) as tx:
        tx.exec_driver_sql(f"UPDATE entry SET bytes = x'{data.hex()}' WHERE position = {SIZE - 1}")
        edge = reads.head.edge[:-32] + leaf_hash(data)
        leaves = [edge[at : at + 32] for at in range(0, len(edge), 32)]
        frontier = Frontier().extend(
            [leaf_hash(raw) for _, raw in journal.raw_entries(tx, 1, 0, SIZE)]
        )
        assert len(leaves) == LEVEL_1
        tx.exec_driver_sql(
            f"UPDATE log SET edge = x'{edge.hex()}', root = x'{frontier.root().hex()}', "
            f"frontier = x'{frontier.to_bytes().hex()}'"
        )


def test_a_history_rewritten_in_all_tables_is_betrayed_by_its_checkpoint(url):
    with Ledger(url) as town:
        signer = Ed25519Signer(town.name.origin, bytes(range(32)))
        proving.sign_checkpoint(town, signer, OPENED_AT)
    rewrite(url)
    look(url, deep=True)
    with looking_at(url) as reads, pytest.raises(CheckpointInvalid, match="not those"):
        proving.check_newest_checkpoint(reads)
    assert error("verify", ledger=url)["exit_code"] == 3


def test_a_checkpoint_that_was_edited_is_found(url):
    with Ledger(url) as town:
        signer = Ed25519Signer(town.name.origin, bytes(range(32)))
        proving.sign_checkpoint(town, signer, OPENED_AT)
    edit(url, "UPDATE checkpoint SET note = x'00'")
    found = error("verify", ledger=url)
    assert (found["exit_code"], found["kind"]) == (3, "CheckpointInvalid")


@pytest.mark.parametrize("options", [(), ("--deep",)])
def test_the_command_line_ends_with_3_and_names_position_and_difference(url, options):
    assert answer("verify", *options, ledger=url)["size"] == SIZE
    edit(url, PLAIN["entry: a byte in a full tile"][0])
    found = run("verify", *options, ledger=url)
    assert found.exit_code == 3
    assert "position 5: the bytes are not those that were hashed" in found.output


OPENING_FINDS = (
    "head: the root",
    "head: the frontier",
    "head: larger",
    "entry: the last deleted",
    "entry: a byte in the open tile",
    "tile: deleted",
)


@pytest.mark.parametrize("what", OPENING_FINDS)
def test_a_ledger_whose_head_and_tail_differ_is_not_opened(url, what):
    edit(url, PLAIN[what][0])
    with pytest.raises(TamperEvidence):
        Ledger(url)


def test_a_row_or_an_entry_that_is_none_is_evidence_when_it_is_read(url):
    edit(url, "UPDATE view_packs SET state = x'ff'; UPDATE entry SET bytes = x'7b7d'")
    with looking_at(url) as reads:
        with pytest.raises(TamperEvidence, match="view_packs holds a row that is none"):
            reads.row(PACKS, "PK-1")
        with pytest.raises(TamperEvidence, match="no entry of this ledger"):
            reads.entry(3)


@pytest.mark.postgres
def test_an_edited_postgresql_ledger_is_found_and_named(postgres_url):
    url = fresh_database(postgres_url)
    fill(url)
    look(url, deep=True)
    for statement, deep, said in (
        ("DELETE FROM view_packs WHERE key = 'PK-1'", True, "the row PK-1 is missing"),
        ("UPDATE entry SET kind = 'x' WHERE position = 290", True, "position 290: the columns"),
        ("UPDATE balance SET quantity = quantity + 1 WHERE item = 'PK-1'", False, "balance of"),
        ("UPDATE posting SET quantity = 9223372036854775807 WHERE position = 12", False, "sum to"),
        (
            "UPDATE posting SET stretch = 1 WHERE position = 21",
            False,
            "position 21: posting: a row",
        ),
        ("UPDATE entry_pack SET stretch = 1 WHERE position = 17", False, "position 17: entry_pack"),
        ("DELETE FROM entry WHERE position = 77", False, "position 77: the entry is missing"),
    ):
        with behind_its_back(url) as tx:
            assert tx.exec_driver_sql(statement).rowcount
        with pytest.raises(ReplayDiffers, match=said):
            look(url, deep=deep)
