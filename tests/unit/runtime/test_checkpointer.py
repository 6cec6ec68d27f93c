"""Heads are signed and published as the log grows; whatever fails in between, they never fork."""

import pytest
from msgspec.structs import replace

from ledger.domain.privacy import RegisterSubject
from ledger.kernel.errors import (
    CheckpointInvalid,
    InvariantBroken,
    SignatureInvalid,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.instants import HOUR, MINUTE, SECOND
from ledger.runtime import checkpointer
from ledger.runtime.checkpointer import Checkpointer
from ledger.runtime.proving import prove_entry
from ledger.runtime.verify import verify
from ledger.signer.client import LocalSigner
from ledger.store import journal
from ledger.store.witnessing import cosigned_note
from ledger.tlog.bundle import verify_proof
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import ML_DSA_44, parse_note
from tests.support.heads import Heads
from tests.support.ledgers import asking, sqlite_url
from tests.support.signers import Died
from tests.support.stores import BOTH, behind_its_back, new_database


@pytest.fixture(params=BOTH)
def heads(request, tmp_path):
    made = Heads(new_database(request.param, request, tmp_path), tmp_path)
    yield made
    made.close()


@pytest.fixture
def on_disk(tmp_path):
    made = Heads(sqlite_url(tmp_path), tmp_path)
    yield made
    made.close()


def stored(heads: Heads) -> tuple[int, bytes]:
    with heads.ledger.reading() as reads:
        found = journal.newest_checkpoint(reads.tx, reads.name.log_id)
    assert found is not None
    return found


def said(heads: Heads, note: bytes):
    return open_checkpoint(note, heads.ledger.name.origin, heads.parts.verifiers).checkpoint


# Publishing


def test_the_head_is_signed_kept_published_and_witnessed(heads):
    heads.grow(300)
    assert heads.checkpointer.round() == 301
    size, note = stored(heads)
    with heads.ledger.reading() as reads:
        assert (size, said(heads, note).root) == (301, reads.head.root)
        full = cosigned_note(reads.tx, reads.name.log_id, 301)
    assert heads.notes == [note, full]
    names = [line.name for line in parse_note(full).signatures]
    origin = heads.ledger.name.origin
    assert names == [origin, origin, origin, "w0.example.net", "w1.example.net"]
    for witness in heads.witnesses.values():
        assert witness.held[origin].checkpoint.size == 301
    assert [(size, lines) for size, _, lines in heads.watching.published] == [(301, 2)]


def test_a_log_that_did_not_grow_is_not_signed_again(on_disk):
    on_disk.grow(2)
    on_disk.checkpointer.round()
    signed = on_disk.bench.keyring.signed
    for _ in range(3):
        assert on_disk.checkpointer.round() == 3
    assert on_disk.bench.keyring.signed == signed
    assert len(on_disk.watching.published) == 1


def test_every_checkpoint_continues_the_one_before_and_proves_its_entries(heads):
    for number in range(5):
        heads.grow(100, number * 100)
        heads.checkpointer.round()
    proof = prove_entry(heads.ledger, 77)
    origin = heads.ledger.name.origin
    assert verify_proof(proof, origin, heads.parts.verifiers).position == 77
    assert [size for size, _, _ in heads.watching.published] == [101, 201, 301, 401, 501]


def test_the_first_checkpoint_of_an_hour_bears_a_post_quantum_line(on_disk):
    ml_dsa = [each.key.key_id for each in on_disk.parts.verifiers if each.key.kind == ML_DSA_44]

    def has_line() -> bool:
        return any(line.key_id in ml_dsa for line in parse_note(stored(on_disk)[1]).signatures)

    found = []
    for number, wait in enumerate((0, SECOND, HOUR, SECOND)):
        on_disk.clock.wait(wait)
        on_disk.grow(1, number)
        on_disk.checkpointer.round()
        found.append(has_line())
    assert found == [True, False, True, False]


def test_without_the_post_quantum_key_the_head_is_signed_all_the_same(on_disk):
    on_disk.grow(1)

    calls = []

    def nothing_for_pq():
        calls.append(1)
        if len(calls) == 2:  # first the Ed25519 lines, then the line that was asked for
            raise Unavailable("no device opens the seed")

    on_disk.bench.keyring.before = nothing_for_pq
    assert on_disk.checkpointer.round() == 2
    assert len(parse_note(stored(on_disk)[1]).signatures) == 2
    on_disk.grow(1, 5)
    assert on_disk.checkpointer.round() == 3
    assert len(parse_note(stored(on_disk)[1]).signatures) == 3


def test_a_long_backlog_is_signed_step_by_step(on_disk, monkeypatch):
    monkeypatch.setattr(checkpointer, "STEP", 256)
    on_disk.grow(600)
    assert on_disk.checkpointer.round() == 601
    assert [size for size, _, _ in on_disk.watching.published] == [256, 512, 601]


def test_long_entries_fit_the_messages_of_the_signer(on_disk):
    """An entry can have 64 KiB, a message 1 MiB: 256 of the longest would be 22 MiB."""
    sealed = {f"f{number:039d}": bytes(32) for number in range(32)}
    for number in range(40):
        command = RegisterSubject(subject_id=f"DR-{number}", sealed=sealed)
        on_disk.ledger.execute(asking(command, f"s{number}"))
    with on_disk.ledger.reading() as reads:
        assert len(reads.entry(1).data) > 2_900
    assert on_disk.checkpointer.round() == 41


# Failing and going on


CRASHES = ["after staging", "before signing", "after signing", "before keeping", "before witnesses"]


@pytest.mark.parametrize("where", CRASHES)
def test_a_round_that_died_is_done_again_with_the_same_head(on_disk, monkeypatch, where):
    on_disk.grow(10)
    on_disk.checkpointer.round()
    on_disk.grow(10, 10)

    def dying(*_args, **_options):
        raise Died

    if where == "after staging":
        monkeypatch.setattr(on_disk.checkpointer, "_sign", dying)
    elif where == "before signing":
        on_disk.bench.keyring.before = dying
    elif where == "after signing":
        on_disk.bench.keyring.after = dying
    elif where == "before keeping":
        monkeypatch.setattr(on_disk.checkpointer, "_keep", dying)
    else:
        monkeypatch.setattr(on_disk.checkpointer, "_ask_witnesses", dying)
    with pytest.raises(Died):
        on_disk.checkpointer.round()
    monkeypatch.undo()
    on_disk.bench.keyring.before = on_disk.bench.keyring.after = lambda: None
    on_disk.grow(5, 20)  # the world does not wait
    on_disk.restart()
    on_disk.checkpointer.check_start()
    assert on_disk.checkpointer.round() == 26
    assert on_disk.bench.keyring.forks == 0
    with on_disk.ledger.reading() as reads:
        assert verify(reads).size == 26
    signed_before = where in {"before signing", "after signing", "before keeping"}
    sizes = [said(on_disk, note).size for note in on_disk.notes]
    assert (21 in sizes) == (signed_before or where == "before witnesses")
    assert on_disk.bench.alarms == []


def test_a_device_that_is_out_delays_the_head_and_nothing_else(on_disk):
    on_disk.grow(3)
    for device in ("a", "b"):
        on_disk.bench.software.switch(device, is_on=False, at=0)
    with pytest.raises(Unavailable):
        on_disk.checkpointer.round()
    on_disk.grow(3, 3)
    on_disk.bench.software.switch("b", is_on=True, at=0)
    assert on_disk.checkpointer.round() == 7
    assert len(parse_note(stored(on_disk)[1]).signatures) == 1  # of B alone


def test_a_witness_that_is_away_is_asked_again_when_nothing_happens(on_disk):
    on_disk.away.add("https://w1.example.net")
    on_disk.grow(1)
    on_disk.checkpointer.round()
    assert len(parse_note(on_disk.notes[-1]).signatures) == 4
    on_disk.away.clear()
    count = len(on_disk.notes)
    on_disk.clock.wait(MINUTE - 1)
    on_disk.checkpointer.round()
    assert len(on_disk.notes) == count
    on_disk.clock.wait(1)
    on_disk.checkpointer.round()
    assert len(parse_note(on_disk.notes[-1]).signatures) == 5
    on_disk.clock.wait(MINUTE)
    on_disk.checkpointer.round()
    assert len(on_disk.notes) == count + 1


def test_one_witness_down_changes_nothing(on_disk):
    on_disk.away.add("https://w0.example.net")
    for number in range(3):
        on_disk.grow(1, number)
        assert on_disk.checkpointer.round() == number + 2
    assert [lines for _, _, lines in on_disk.watching.published] == [1, 1, 1]
    assert on_disk.watching.stopped == []


def test_two_checkpointers_of_one_log_do_not_contradict_each_other(heads):
    other = Checkpointer(heads.ledger, heads.parts)
    heads.grow(1)
    assert heads.checkpointer.round() == 2
    assert other.round() == 2
    heads.grow(1, 1)
    with heads.ledger.reading() as reads:
        head = reads.head
    heads.parts.signer.extend(2, reads_raw(heads, 2, 3))
    note = heads.parts.signer.sign_head(heads.ledger.name.origin, 3, head.root)
    said_now = said(heads, note)
    other._keep(said_now, note)
    heads.checkpointer._keep(said_now, note)
    with pytest.raises(CheckpointInvalid, match="two roots for 3 entries"):
        heads.checkpointer._keep(replace(said_now, root=bytes(32)), note)
    heads.grow(1, 2)
    assert heads.checkpointer.round() == 4
    with pytest.raises(InvariantBroken):
        heads.checkpointer._keep(replace(said_now, size=99), None)  # a row that no table takes


def reads_raw(heads: Heads, first: int, end: int) -> list[bytes]:
    with heads.ledger.reading() as reads:
        return list(reads.raw(first, end))


# What must not be published


def test_a_bit_that_flipped_in_storage_is_never_signed(on_disk):
    on_disk.grow(20)
    on_disk.checkpointer.round()
    on_disk.grow(20, 20)
    with behind_its_back(on_disk.ledger.url.render_as_string(hide_password=False)) as tx:
        found = tx.exec_driver_sql("SELECT bytes FROM entry WHERE position = 30").scalar_one()
        data = bytearray(found)
        data[40] ^= 1
        tx.exec_driver_sql("UPDATE entry SET bytes = ? WHERE position = 30", (bytes(data),))
    with pytest.raises(TamperEvidence):
        on_disk.checkpointer.round()
    assert stored(on_disk)[0] == 21
    assert max(on_disk.bench.keyring.seen) == 21


def test_a_note_that_does_not_verify_is_not_kept(on_disk):
    class Liar(LocalSigner):
        def sign_head(self, origin, size, root, *, pq=False):
            return super().sign_head(origin, size, root, pq=pq).replace(b"\n2\n", b"\n3\n")

    on_disk.grow(1)
    on_disk.checkpointer._parts = replace(on_disk.parts, signer=Liar(on_disk.bench.handler))
    with pytest.raises(SignatureInvalid):
        on_disk.checkpointer.round()
    assert on_disk.notes == []


def test_a_note_over_another_head_is_not_kept(on_disk):
    class Old(LocalSigner):
        old = b""

        def sign_head(self, origin, size, root, *, pq=False):
            return self.old

    on_disk.grow(1)
    on_disk.checkpointer.round()
    signer = Old(on_disk.bench.handler)
    signer.old = stored(on_disk)[1]
    on_disk.grow(1, 1)
    on_disk.checkpointer._parts = replace(on_disk.parts, signer=signer)
    with pytest.raises(CheckpointInvalid, match="another head than it was asked to"):
        on_disk.checkpointer.round()


def test_a_witness_that_knows_more_of_us_stops_the_publishing(on_disk, tmp_path):
    on_disk.grow(5)
    on_disk.checkpointer.round()
    origin = on_disk.ledger.name.origin
    for witness in on_disk.witnesses.values():
        held = witness.held[origin]
        bigger = replace(held.checkpoint, size=50)
        witness.held[origin] = replace(held, checkpoint=bigger)
    on_disk.grow(5, 5)
    with pytest.raises(TamperEvidence, match="witnesses hold another history"):
        on_disk.checkpointer.round()
