"""Checkpoints and proofs as the library makes them, and the lazy public door."""

import subprocess
import sys
from pathlib import Path

import pytest
from typing_extensions import override

import ledger
from ledger.kernel.errors import (
    CheckpointInvalid,
    Conflict,
    Misconfigured,
    NotFound,
    ProofInvalid,
)
from ledger.runtime.proving import (
    check_chain,
    check_newest_checkpoint,
    newest_checkpoint,
    prove_entries,
    prove_entry,
    sign_checkpoint,
    signed_log,
    verify_bundle,
)
from ledger.tlog.note import Ed25519Signer, Ed25519Verifier
from tests.support.cli import error
from tests.support.ledgers import OPENED_AT, new_ledger, party, sqlite_url
from tests.support.town import PACK, new_town

REPOSITORY = Path(__file__).parents[2]
ORIGIN = "log.example.net/log/test"
SIGNER = Ed25519Signer(ORIGIN, bytes(32))
TRUSTED = [Ed25519Verifier(SIGNER.key)]


@pytest.fixture
def small(tmp_path):
    with new_ledger(sqlite_url(tmp_path)) as opened:
        for number in range(1, 4):
            opened.execute(party(number))
        yield opened


def test_every_entry_is_proven_under_every_later_checkpoint(small):
    for number in range(4, 600):
        small.submit(party(number))
    small.execute(party(600))
    note = sign_checkpoint(small, SIGNER, OPENED_AT)
    proven = [verify_bundle(data, TRUSTED) for data in prove_entries(small, range(601))]
    assert [one.position for one in proven] == list(range(601))
    assert {one.signed.note for one in proven} == {note}
    with small.reading() as reads:
        assert [one.entry for one in proven] == list(reads.raw(0, 601))
        log = signed_log(reads)
        assert (log.size, log.checkpoint) == (601, note)
        assert len(list(log.entries(0, log.size))) == 601


def test_an_entry_that_no_checkpoint_covers_yet_is_a_conflict(small):
    with pytest.raises(NotFound, match="no checkpoint"):
        prove_entry(small, 0)
    sign_checkpoint(small, SIGNER, OPENED_AT)
    small.execute(party(9))
    assert verify_bundle(prove_entry(small, 3), TRUSTED).position == 3
    with pytest.raises(Conflict, match="covers 4 entries"):
        prove_entry(small, 4)
    with pytest.raises(NotFound, match="position 5"):
        prove_entry(small, 5)


def test_the_head_is_signed_by_the_key_of_the_log_only(small):
    with pytest.raises(Misconfigured, match="the log is"):
        sign_checkpoint(small, Ed25519Signer("another.example", bytes(32)), OPENED_AT)
    sign_checkpoint(small, SIGNER, OPENED_AT)
    with pytest.raises(Misconfigured, match="did not sign"):
        sign_checkpoint(small, Ed25519Signer(ORIGIN, b"x" * 32), OPENED_AT)


class Slow(Ed25519Signer):
    """A signer that is overtaken by another process while it signs."""

    def __init__(self, overtake) -> None:
        super().__init__(ORIGIN, bytes(32))
        self._overtake = overtake

    @override
    def sign(self, text: bytes) -> bytes:
        self._overtake()
        return super().sign(text)


def test_two_processes_that_sign_one_size_agree(small, tmp_path):
    with ledger.open_ledger(sqlite_url(tmp_path)) as other:
        notes = []
        slow = Slow(lambda: notes.append(sign_checkpoint(other, SIGNER, OPENED_AT)))
        assert sign_checkpoint(small, slow, OPENED_AT + 1) == notes[0]
    with small.reading() as reads:
        said = newest_checkpoint(reads)
    assert said is not None
    assert said.size == 4


def test_before_the_first_checkpoint_there_is_none(small):
    with small.reading() as reads:
        assert newest_checkpoint(reads) is None
        assert check_newest_checkpoint(reads) is None
        with pytest.raises(NotFound):
            signed_log(reads)


def test_a_checkpoint_of_another_log_is_evidence(small, tmp_path):
    other = Ed25519Signer("log.example.net/log/other", bytes(32))
    with new_ledger(sqlite_url(tmp_path, "other.db"), "other") as stranger:
        sign_checkpoint(stranger, other, OPENED_AT)
        with stranger.reading() as reads:
            reads.name = small.name
            with pytest.raises(CheckpointInvalid, match="another log"):
                check_newest_checkpoint(reads)


def test_a_proof_is_checked_with_the_keys_of_one_log(small):
    sign_checkpoint(small, SIGNER, OPENED_AT)
    data = prove_entry(small, 0)
    other = Ed25519Verifier(Ed25519Signer("b.example", bytes(32)).key)
    for keys in ([], [*TRUSTED, other]):
        with pytest.raises(Misconfigured, match="exactly one log"):
            verify_bundle(data, keys)


def test_the_chain_of_a_pack_has_no_gap(tmp_path):
    with new_town(sqlite_url(tmp_path)) as town, town.reading() as reads:
        history = reads.pack_history(PACK, reads.moment())
        other = reads.pack_history("PK-2", reads.moment())
    history.sort(key=lambda one: one.envelope.position)
    check_chain(history, PACK)
    check_chain([], PACK)
    for broken in (history[1:], history[:3] + history[4:], [*history, history[-1]], other):
        with pytest.raises(ProofInvalid, match="is not entry"):
            check_chain(broken, PACK)
    with new_town(sqlite_url(tmp_path, "b.db"), "twin") as town, town.reading() as reads:
        twin = reads.pack_history(PACK, reads.moment())
    with pytest.raises(ProofInvalid, match="does not follow"):
        check_chain([twin[0], *history[1:]], PACK)


# the door


def test_the_public_door_opens_lazily():
    code = (
        "import ledger, sys\n"
        "assert not [name for name in sys.modules if name.startswith('ledger.')]\n"
        "from ledger import Refused\n"
        "assert 'ledger.runtime' not in sys.modules\n"
        "from ledger import Ledger, open_ledger, create_ledger\n"
        "assert open_ledger is Ledger\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_public_door_holds_what_it_lists_and_nothing_else():
    for name in ledger.__all__:
        assert getattr(ledger, name).__module__.startswith("ledger.")
    with pytest.raises(AttributeError, match="no attribute"):
        ledger.__getattr__("secrets")


# data import


def test_a_data_folder_that_is_not_there_makes_no_ledger(tmp_path):
    url = sqlite_url(tmp_path)
    assert error("data", "import", tmp_path / "gone", ledger=url)["kind"] == "NotFound"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_the_tables_is_refused_and_makes_no_ledger(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    found = error("data", "import", data, ledger=sqlite_url(tmp_path))
    assert (found["kind"], found["exit_code"]) == ("Malformed", 1)
    assert found["place"]
    assert list(tmp_path.iterdir()) == [data]
