"""A database that was edited behind the ledger's back: what is found, by which look, and where.

`verify` hashes all bytes and adds all postings up; `verify --deep` also replays every rule and
compares every table with the log. What only the second finds is marked so here.
"""

import shutil
from random import Random  # noqa: TID251  seeded below

import pytest

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
from tests.support.ledgers import OPENED_AT, asking, party, sqlite_url
from tests.support.postgres import fresh_database
from tests.support.stores import behind_its_back, looking_at
from tests.support.town import new_town

TOWN = 37
"""Entries of the town; parties fill the log up to `SIZE`: one full tile and an open one."""

SIZE = 300
LEVEL_1 = SIZE - 256

FLIP = "bytes = CAST(substr(bytes, 1, 9) || x'21' || substr(bytes, 11) AS BLOB)"
INSERT_POSTING = "INSERT INTO posting SELECT log_id, account, item, position, line + 50, commodity"
OF_290 = """CAST(answer AS TEXT) LIKE '%"first":290}'"""
NO_SUCH = """CAST('{"count":1,"first":900}' AS BLOB)"""

PLAIN = {
    "entry: a byte in a full tile": (f"UPDATE entry SET {FLIP} WHERE position = 5", "position 5:"),
    "entry: a byte in the open tile": (
        f"UPDATE entry SET {FLIP} WHERE position = 270",
        "position 270:",
    ),
    "entry: shorter": (
        "UPDATE entry SET bytes = substr(bytes, 1, 40) WHERE position = 20",
        "position 20:",
    ),
    "entry: two swapped": (
        (
            "UPDATE entry SET bytes = (SELECT bytes FROM entry e WHERE e.position = 31 - "
            "entry.position) WHERE position IN (14, 17)"
        ),
        "position 14:",
    ),
    "entry: the first deleted": ("DELETE FROM entry WHERE position = 0", "position 0:.*missing"),
    "entry: one deleted": ("DELETE FROM entry WHERE position = 100", "position 100:.*missing"),
    "entry: the last deleted": (
        f"DELETE FROM entry WHERE position = {SIZE - 1}",
        f"position {SIZE - 1}:.*missing",
    ),
    "entry: all deleted": ("DELETE FROM entry", "position 0:.*missing"),
    "entry: one added": (
        (
            f"INSERT INTO entry SELECT 1, {SIZE}, kind, recorded_at, occurred_at, bytes FROM entry "
            "WHERE position = 1"
        ),
        f"position {SIZE}:.*beyond the head",
    ),
    "entry: one before the first": (
        (
            "INSERT INTO entry SELECT 1, -1, kind, recorded_at, occurred_at, bytes FROM entry "
            "WHERE position = 1"
        ),
        "position -1:.*beyond the head",
    ),
    "posting: a quantity": (
        "UPDATE posting SET quantity = quantity + 1 WHERE position = 21 AND line = 0",
        "EUR sum to 1, not to zero",
    ),
    "posting: two quantities that still balance": (
        (
            "UPDATE posting SET quantity = quantity + CASE line WHEN 0 THEN 100 ELSE -100 END "
            "WHERE position = 21 AND line < 2"
        ),
        "balance of .* is not the sum",
    ),
    "posting: deleted": ("DELETE FROM posting WHERE position = 19 AND line = 0", "WH sum to 20000"),
    "posting: all of an entry deleted": (
        "DELETE FROM posting WHERE position = 21",
        "balance of .* is not the sum",
    ),
    "posting: inserted": (
        f"{INSERT_POSTING}, 7, occurred_at FROM posting WHERE position = 21 AND line = 0",
        "EUR sum to 7",
    ),
    "posting: another account": (
        "UPDATE posting SET account = 'Income:Gifts' WHERE position = 21 AND line = 1",
        "balance of Income:",
    ),
    "posting: another commodity": (
        "UPDATE posting SET commodity = 'USD' WHERE position = 21 AND line < 2",
        "sum to",
    ),
    "posting: more than can be added up": (
        "UPDATE posting SET quantity = 9223372036854775807 WHERE position = 21",
        "cannot be read|sum to",
    ),
    "balance: a quantity": (
        "UPDATE balance SET quantity = quantity - 1 WHERE account = 'Income:Energy'",
        "position 35: the balance of Income:Energy is not the sum",
    ),
    "balance: deleted": (
        "DELETE FROM balance WHERE account = 'Income:Energy'",
        "position 35: the balance of Income:Energy",
    ),
    "balance: invented": (
        "INSERT INTO balance VALUES (1, 'Income:Gifts', '', 'EUR', 5, 21)",
        "position 21: the balance of Income:Gifts",
    ),
    "tile: a byte": (
        "UPDATE tile SET data = CAST(x'00' || substr(data, 2) AS BLOB) WHERE level = 0",
        "position 0: the bytes are not those that were hashed",
    ),
    "tile: its last hash": (
        "UPDATE tile SET data = CAST(substr(data, 1, 255 * 32) || substr(data, 1, 32) AS BLOB)",
        "position 255:",
    ),
    "tile: deleted": ("DELETE FROM tile", "position 0: tile 0/0 is missing"),
    "tile: invented": ("INSERT INTO tile SELECT 1, 0, 1, data FROM tile", "tile 0/1 .* too many"),
    "tile: one of a level that is not there": (
        "INSERT INTO tile SELECT 1, 3, 0, data FROM tile",
        "tile 3/0 .* too many",
    ),
    "head: the root": ("UPDATE log SET root = zeroblob(32)", f"position {SIZE}:.*another root"),
    "head: the frontier": ("UPDATE log SET frontier = zeroblob(length(frontier))", "another root"),
    "head: the open tile": (
        "UPDATE log SET edge = CAST(substr(edge, 1, 32) || zeroblob(length(edge) - 32) AS BLOB)",
        "position 257:",
    ),
    "head: smaller": (f"UPDATE log SET size = {SIZE - 1}", f"position {SIZE - 1}:"),
    "head: larger": (f"UPDATE log SET size = {SIZE + 1}", f"position {SIZE}:.*missing"),
    "head: nothing": ("UPDATE log SET size = 0", "position 256:|position 0:"),
    "head: the time": (
        "UPDATE log SET recorded_at = recorded_at + 1",
        f"position {SIZE - 1}:.*another time",
    ),
}

DEEP = {
    "entry: the kind beside the bytes": (
        "UPDATE entry SET kind = 'pack_lost' WHERE position = 17",
        "position 17: the columns",
    ),
    "entry: the time beside the bytes": (
        "UPDATE entry SET recorded_at = recorded_at + 1 WHERE position = 17",
        "position 17: the columns",
    ),
    "entry: the valid time beside the bytes": (
        "UPDATE entry SET occurred_at = 0 WHERE position = 30",
        "position 30: the columns",
    ),
    "posting: a pair invented on one account": (
        (
            f"{INSERT_POSTING}, 7, occurred_at FROM posting WHERE position = 21 AND line = 0 "
            f"UNION ALL SELECT log_id, account, item, position, 60, commodity, -7, occurred_at "
            "FROM posting WHERE position = 21 AND line = 0"
        ),
        "position 21: the posting rows",
    ),
    "posting: the valid time": (
        "UPDATE posting SET occurred_at = 0 WHERE position = 28 AND line = 0",
        "position 28: the posting rows",
    ),
    "posting: of another entry": (
        "UPDATE posting SET position = 30 WHERE position = 28",
        "position 28: the posting rows",
    ),
    "posting: beyond the head": (
        f"UPDATE posting SET position = {SIZE} WHERE position = 28",
        f"position {SIZE}: a posting stands beyond",
    ),
    "posting and balance, hand in hand": (
        (
            "UPDATE posting SET account = 'Income:Gifts' WHERE account = 'Income:Energy'; "
            "UPDATE balance SET account = 'Income:Gifts' WHERE account = 'Income:Energy'"
        ),
        "position 21: the posting rows",
    ),
    "balance: the position": (
        "UPDATE balance SET position = 1 WHERE account = 'Income:Energy'",
        "position 1: the balance of Income:Energy",
    ),
    "link: the count": (
        "UPDATE entry_pack SET count = 90 WHERE position = 12",
        "position 12: the pack index",
    ),
    "link: deleted": (
        "DELETE FROM entry_pack WHERE position = 17",
        "position 17: the pack index",
    ),
    "link: of another pack": (
        "UPDATE entry_pack SET pack = 'PK-9' WHERE position = 17",
        "position 17: the pack index",
    ),
    "link: invented": (
        "INSERT INTO entry_pack VALUES (1, 'PK-1', 99, 20)",
        "position 20: the pack index",
    ),
    "link: beyond the head": (
        f"INSERT INTO entry_pack VALUES (1, 'PK-1', 99, {SIZE})",
        f"position {SIZE}: a pack's link stands beyond",
    ),
    "receipt: another answer": (
        f"UPDATE receipt SET answer = {NO_SUCH.replace('900', '2')} WHERE {OF_290}",
        "position 2: the receipt",
    ),
    "receipt: deleted": (
        f"DELETE FROM receipt WHERE {OF_290}",
        "position 290: the receipt",
    ),
    "receipt: of another request": (
        f"UPDATE receipt SET principal = 'eve' WHERE {OF_290}",
        "position 290: the receipt",
    ),
    "receipt: invented": (
        f"INSERT INTO receipt VALUES (1, 'eve', x'00', x'00', {NO_SUCH})",
        "position 900: a receipt stands beyond",
    ),
    "receipt: no answer": (
        "INSERT INTO receipt VALUES (1, 'eve', x'00', x'00', x'00')",
        "a receipt of eve",
    ),
    "view: a state": (
        (
            "UPDATE view_packs SET state = CAST(replace(state, 'DR-1', 'DR-2') AS BLOB) "
            "WHERE key = 'PK-1'"
        ),
        "view_packs: the row PK-1 differs",
    ),
    "view: a state that is none": (
        "UPDATE view_packs SET state = x'ff' WHERE key = 'PK-1'",
        "view_packs: the row PK-1 differs",
    ),
    "view: what it is listed by": (
        "UPDATE view_packs SET listed = 'nowhere' WHERE key = 'PK-2'",
        "view_packs: the row PK-2 differs",
    ),
    "view: a position": (
        "UPDATE view_slots SET position = 1 WHERE key = 'ST-1|1'",
        "position 1: view_slots: the row ST-1|1",
    ),
    "view: a row deleted": (
        "DELETE FROM view_parties WHERE key = 'DR-2'",
        "position 4: view_parties: the row DR-2 is missing",
    ),
    "view: a row invented": (
        "INSERT INTO view_parties SELECT 1, 'DR-0', 3, listed, state FROM view_parties LIMIT 1",
        "position 3: view_parties: the row DR-0 differs",
    ),
    "log: the origin": (
        "UPDATE log SET origin = 'log.example.net/log/other'",
        "position 0:.*origin",
    ),
    "log: the name": ("UPDATE log SET ledger = 'other'", "position 0:.*belongs to town"),
}


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


@pytest.mark.parametrize("what", ["head: the root", "head: larger", "entry: the last deleted"])
def test_a_ledger_whose_head_and_tail_differ_is_not_opened(url, what):
    edit(url, PLAIN[what][0])
    with pytest.raises(TamperEvidence):
        Ledger(url)


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
        ("DELETE FROM entry WHERE position = 77", False, "position 77: the entry is missing"),
    ):
        with behind_its_back(url) as tx:
            assert tx.exec_driver_sql(statement).rowcount
        with pytest.raises(ReplayDiffers, match=said):
            look(url, deep=deep)
