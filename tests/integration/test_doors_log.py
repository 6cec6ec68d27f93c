"""The log door: what strangers read, checked with their own eyes; what they ask in vain."""

from base64 import b64decode

import pytest

from ledger.domain.parties import RegisterParty
from ledger.kernel.errors import ProofInvalid
from ledger.kernel.hashing import HASH_BYTES, leaf_hash
from ledger.kernel.instants import SECOND
from ledger.runtime.witnessing import WitnessDesk
from ledger.tlog.bundle import parse_proof, verify_proof
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import Ed25519Verifier, parse_vkey
from ledger.tlog.policy import parse_policy
from ledger.tlog.tiles import Tile, decode_entries, tile_width, tiles_of
from ledger.tlog.verify import check_entries, check_tiles
from ledger.tlog.witness import AddCheckpoint, format_request, origin_hash
from tests.support.doors import HandClock, check_problem, log_signer, open_doors, sign
from tests.support.ledgers import OPENED_AT, asking, new_ledger, party, sqlite_url
from tests.support.logs import ORIGIN, VERIFIER
from tests.support.witnesses import branch, cosigner, log_note

SIZE = 600
LOG = "/log/test"


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A log of 600 signed entries and 40 that nobody signed yet, with its doors open."""
    folder = tmp_path_factory.mktemp("log")
    clock = HandClock(OPENED_AT + 10**9)
    with new_ledger(sqlite_url(folder)) as ledger:
        fill(ledger, 1, SIZE)
        sign(ledger, clock.now())
        fill(ledger, SIZE, SIZE + 40)
        with open_doors(ledger, clock) as doors:
            yield doors


def fill(ledger, first, end):
    for start in range(first, end, 200):
        ledger.execute_all([party(number) for number in range(start, min(start + 200, end))])


def signed(doors):
    note = doors.get(f"{LOG}/checkpoint", who="").content
    key = parse_vkey(doors.get(f"{LOG}/keys", who="").text.strip())
    return open_checkpoint(note, "log.example.net/log/test", [Ed25519Verifier(key)])


def test_a_stranger_checks_the_whole_log_from_its_tiles(town):
    known = signed(town)
    assert known.checkpoint.size == SIZE

    def read_tile(level, number, width):
        path = Tile(level, number, tile_width(SIZE, level, number)).path
        return town.get(f"{LOG}/{path}", who="").content

    check_tiles(known, read_tile)
    for tile in tiles_of(SIZE):
        if tile.level == 0:
            path = Tile(-1, tile.number, tile.width).path
            bundle = town.get(f"{LOG}/{path}", who="AU-1").content
            entries = check_entries(tile.number, bundle, read_tile(0, tile.number, tile.width))
            assert len(entries) == tile.width


def test_tiles_are_immutable_and_the_checkpoint_is_fresh(town):
    for path in ("tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"):
        for _ in range(2):  # the second time from memory
            answer = town.get(f"{LOG}/{path}", who="")
            assert answer.headers["content-type"] == "application/octet-stream"
            assert "immutable" in answer.headers["cache-control"]
    answer = town.get(f"{LOG}/checkpoint", who="")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=5"
    again = {"If-None-Match": answer.headers["etag"]}
    same = town.get(f"{LOG}/checkpoint", who="", headers=again)
    assert (same.status_code, same.content) == (304, b"")


@pytest.mark.parametrize("width", [1, 7, 88])
def test_every_width_that_was_ever_signed_stays_readable(town, width):
    full = town.get(f"{LOG}/tile/0/001", who="").content
    assert town.get(f"{LOG}/tile/0/001.p/{width}", who="").content == full[: width * HASH_BYTES]
    assert len(town.get(f"{LOG}/tile/0/002.p/{width}", who="").content) == width * HASH_BYTES


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/002.p/89",  # stored, but not signed
        "tile/0/002",
        "tile/0/003.p/1",
        "tile/0/x001/x234/067",
        "tile/1/000",
        "tile/1/001.p/1",
        "tile/2/000.p/1",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/01",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/64/000",
        "tile/63/000",
        "tile/-1/000",
        "tile/x1/000",
        "tile/0/000/",
        "tile//0/000",
        "tile/0",
        "tile",
        "tile/0/000.P/5",
        "proof/600",
        "proof/639",
        "proof/01",
        "proof/+1",
        "proof/x",
        "proof/99999999999999999999",
        "nix",
    ],
)
def test_beyond_the_signed_tree_and_in_other_spellings_there_is_nothing(town, path):
    answer = town.get(f"{LOG}/{path}", who="")
    code = "not_signed_yet" if path in ("proof/600", "proof/639") else "not_found"
    check_problem(answer, 404, code)


@pytest.mark.parametrize("ledger", ["other", "TEST", "%74est", "..", "test%00"])
def test_the_log_has_one_name(town, ledger):
    raw = f"/log/{ledger}/keys".encode()
    check_problem(town.call("GET", "/", raw_path=raw), 404, "not_found")


@pytest.mark.parametrize("path", ["tile/entries/000", "tile/entries/002.p/88"])
def test_entries_name_partners_so_only_auditors_read_bundles(town, path):
    check_problem(town.get(f"{LOG}/{path}", who=""), 401, "not_authenticated")
    answer = town.get(f"{LOG}/{path}", who="AU-2")
    assert answer.headers["cache-control"] == "private, no-store"
    count = len(decode_entries(answer.content))
    newest = town.said("/auditor/v1/access-log", limit=200)["items"][-2:]
    assert ("read_bundle", count) in [(row["route"], row["rows"]) for row in newest]


@pytest.mark.parametrize("path", ["tile/entries/003", "tile/entries/0", "tile/entries/002.p/89"])
def test_bundles_beyond_the_signed_tree_are_not_there(town, path):
    check_problem(town.get(f"{LOG}/{path}", who="AU-1"), 404, "not_found")


@pytest.mark.parametrize("position", [0, 255, 256, 599])
def test_a_proof_convinces_who_holds_the_entry_and_shows_it_to_nobody_else(town, position):
    data = town.get(f"{LOG}/proof/{position}", who="").content
    assert parse_proof(data).entry is None
    verifier = Ed25519Verifier(log_signer(town.parts.ledger).key)
    said = town.said(f"/auditor/v1/entries/{position}")["entry"]
    entry = b64decode(said["bytes_base64"])
    proven = verify_proof(data, "log.example.net/log/test", [verifier], entry=entry)
    assert proven.position == position
    with pytest.raises(ProofInvalid):
        verify_proof(data, "log.example.net/log/test", [verifier], entry=entry + b" ")


def test_the_policy_is_one_that_policies_readers_read(town):
    policy = parse_policy(town.get(f"{LOG}/policy", who="").content)
    assert [log.key for log in policy.logs] == [log_signer(town.parts.ledger).key]


def test_an_empty_log_without_a_checkpoint_says_so(tmp_path):
    clock = HandClock(OPENED_AT + 1)
    with new_ledger(sqlite_url(tmp_path)) as ledger, open_doors(ledger, clock) as doors:
        doors.problem(f"{LOG}/checkpoint", 404, "not_signed_yet", who="")
        doors.problem(f"{LOG}/tile/0/000.p/1", 404, "not_found", who="")
        doors.problem(f"{LOG}/proof/0", 404, "not_signed_yet", who="")
        assert doors.said("/auditor/v1/entries/0")["as_of"]["pending"] is True


def test_the_open_tiles_grow_with_the_log(tmp_path):
    clock = HandClock(OPENED_AT + 1)
    with new_ledger(sqlite_url(tmp_path)) as ledger, open_doors(ledger, clock) as doors:
        size = 1
        for more in (3, 200, 60, 300, 1):
            fill(ledger, size, size + more)
            size += more
            sign(ledger, clock.now())
            known = signed(doors)
            assert known.checkpoint.size == size

            def read_tile(level, number, width, size=size):
                path = Tile(level, number, tile_width(size, level, number)).path
                return doors.get(f"{LOG}/{path}", who="").content

            check_tiles(known, read_tile)


# We as a witness --------------------------------------------------------------


@pytest.fixture
def witness(tmp_path):
    clock = HandClock(OPENED_AT + 10**9)
    with new_ledger(sqlite_url(tmp_path)) as ledger:
        own = cosigner(1, lambda: clock.at // SECOND)
        desk = WitnessDesk(ledger, {ORIGIN: [VERIFIER]}, [own], clock.now)
        with open_doors(ledger, clock, witness=desk) as doors:
            yield doors


ADD = "/log/witness/add-checkpoint"


def ask(doors, body):
    return doors.call("POST", ADD, content=body)


def test_a_checkpoint_of_a_known_log_is_cosigned_and_kept(witness):
    note = log_note(branch(5))
    answer = ask(witness, format_request(AddCheckpoint(0, (), note)))
    assert answer.status_code == 200
    assert answer.text.startswith("— w1.example.net ")
    kept = witness.get(f"/log/witness/{origin_hash(ORIGIN)}/checkpoint", who="")
    assert kept.content == note + answer.content
    witness.problem(f"/log/witness/{'0' * 64}/checkpoint", 404, "not_found", who="")


def test_the_wrong_old_size_is_told_the_right_one(witness):
    ask(witness, format_request(AddCheckpoint(0, (), log_note(branch(5)))))
    answer = ask(witness, format_request(AddCheckpoint(0, (), log_note(branch(7)))))
    assert (answer.status_code, answer.text) == (409, "5\n")
    assert answer.headers["content-type"] == "text/x.tlog.size"


@pytest.mark.parametrize("old", ["+5", " 5", "1_0", "05", "", "x", "9" * 30])
def test_a_number_in_another_spelling_is_refused(witness, old):
    body = b"old " + old.encode() + b"\n\n" + log_note(branch(5))
    assert ask(witness, body).status_code == 400


@pytest.mark.parametrize(
    "lines", [[b"AAA"], [b"A" * 43], [b"A" * 42 + b"B="], [b"A" * 43 + b"="] * 64]
)
def test_a_path_that_is_none_is_refused(witness, lines):
    body = b"\n".join([b"old 3", *lines]) + b"\n\n" + log_note(branch(5))
    assert ask(witness, body).status_code == 400


def test_two_roots_of_one_size_are_refused_and_strangers_logs_unknown(witness):
    ask(witness, format_request(AddCheckpoint(0, (), log_note(branch(5)))))
    fork = log_note(branch(5, fork_at=2))
    assert ask(witness, format_request(AddCheckpoint(5, (), fork))).status_code == 422
    other = log_note(branch(5)).replace(ORIGIN.encode(), b"log.example.org/strange")
    assert ask(witness, format_request(AddCheckpoint(0, (), other))).status_code == 404


def test_without_witness_keys_nobody_is_witnessed(town):
    check_problem(town.call("POST", ADD, content=b""), 404, "not_found")


def test_a_leaf_is_the_hash_of_the_entry_that_is_served(town):
    command = RegisterParty(party_id="DR-9999", party_roles=("driver",), country="FR")
    receipt = town.parts.ledger.execute(asking(command, "late", at=OPENED_AT + 10**8))
    entry = town.said(f"/auditor/v1/entries/{receipt.first}")["entry"]
    assert b64decode(entry["leaf_sha256"]) == leaf_hash(b64decode(entry["bytes_base64"]))
