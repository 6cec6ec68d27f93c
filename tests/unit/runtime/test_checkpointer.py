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
from ledger.runtime.proving import prove_entry, sign_checkpoint
from ledger.runtime.verify import verify
from ledger.signer.client import LocalSigner
from ledger.store import journal
from ledger.store.witnessing import cosigned_note
from ledger.tlog.bundle import verify_proof
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import ML_DSA_44, Ed25519Signer, Ed25519Verifier, parse_note
from tests.support.heads import Heads
from tests.support.ledgers import asking
from tests.support.signers import Died
from tests.support.stores import behind_its_back


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


def test_a_log_that_did_not_grow_is_not_signed_again(in_file):
    in_file.grow(2)
    in_file.checkpointer.round()
    signed = in_file.bench.keyring.signed
    for _ in range(3):
        assert in_file.checkpointer.round() == 3
    assert in_file.bench.keyring.signed == signed
    assert len(in_file.watching.published) == 1


def test_every_checkpoint_continues_the_one_before_and_proves_its_entries(heads):
    for number in range(5):
        heads.grow(100, number * 100)
        heads.checkpointer.round()
    proof = prove_entry(heads.ledger, 77)
    origin = heads.ledger.name.origin
    assert verify_proof(proof, origin, heads.parts.verifiers).position == 77
    assert [size for size, _, _ in heads.watching.published] == [101, 201, 301, 401, 501]


def test_the_first_checkpoint_of_an_hour_bears_a_post_quantum_line(in_file):
    ml_dsa = [each.key.key_id for each in in_file.parts.verifiers if each.key.kind == ML_DSA_44]

    def has_line() -> bool:
        return any(line.key_id in ml_dsa for line in parse_note(stored(in_file)[1]).signatures)

    found = []
    for number, wait in enumerate((0, SECOND, HOUR, SECOND)):
        in_file.clock.wait(wait)
        in_file.grow(1, number)
        in_file.checkpointer.round()
        found.append(has_line())
    assert found == [True, False, True, False]


def test_without_the_post_quantum_key_the_head_is_signed_all_the_same(in_file):
    in_file.grow(1)

    calls = []

    def nothing_for_pq():
        calls.append(1)
        if len(calls) == 2:  # first the Ed25519 lines, then the line that was asked for
            raise Unavailable("no device opens the seed")

    in_file.bench.keyring.before = nothing_for_pq
    assert in_file.checkpointer.round() == 2
    assert len(parse_note(stored(in_file)[1]).signatures) == 2
    in_file.grow(1, 5)
    assert in_file.checkpointer.round() == 3
    assert len(parse_note(stored(in_file)[1]).signatures) == 3


def test_a_long_backlog_is_signed_step_by_step(in_file, monkeypatch):
    monkeypatch.setattr(checkpointer, "STEP", 256)
    in_file.grow(600)
    assert in_file.checkpointer.round() == 601
    assert [size for size, _, _ in in_file.watching.published] == [256, 512, 601]


def test_long_entries_fit_the_messages_of_the_signer(in_file):
    """An entry can have 64 KiB, a message 1 MiB: 256 of the longest would be 22 MiB."""
    sealed = {f"f{number:039d}": bytes(32) for number in range(32)}
    for number in range(40):
        command = RegisterSubject(subject_id=f"DR-{number}", sealed=sealed)
        in_file.ledger.execute(asking(command, f"s{number}"))
    with in_file.ledger.reading() as reads:
        assert len(reads.entry(1).data) > 2_900
    assert in_file.checkpointer.round() == 41


# Failing and going on


CRASHES = ["after staging", "before signing", "after signing", "before keeping", "before witnesses"]


@pytest.mark.parametrize("where", CRASHES)
def test_a_round_that_died_is_done_again_with_the_same_head(in_file, monkeypatch, where):
    in_file.grow(10)
    in_file.checkpointer.round()
    in_file.grow(10, 10)

    def dying(*_args, **_options):
        raise Died

    if where == "after staging":
        monkeypatch.setattr(in_file.checkpointer, "_sign", dying)
    elif where == "before signing":
        in_file.bench.keyring.before = dying
    elif where == "after signing":
        in_file.bench.keyring.after = dying
    elif where == "before keeping":
        monkeypatch.setattr(in_file.checkpointer, "_keep", dying)
    else:
        monkeypatch.setattr(in_file.checkpointer, "_ask_witnesses", dying)
    with pytest.raises(Died):
        in_file.checkpointer.round()
    monkeypatch.undo()
    in_file.bench.keyring.before = in_file.bench.keyring.after = lambda: None
    in_file.grow(5, 20)  # the world does not wait
    in_file.restart()
    in_file.checkpointer.check_start()
    assert in_file.checkpointer.round() == 26
    assert in_file.bench.keyring.forks == 0
    with in_file.ledger.reading() as reads:
        assert verify(reads).size == 26
    signed_before = where in {"before signing", "after signing", "before keeping"}
    sizes = [said(in_file, note).size for note in in_file.notes]
    assert (21 in sizes) == (signed_before or where == "before witnesses")
    assert in_file.bench.alarms == []


def test_signing_key_lost_or_signer_down_delays_the_head_and_nothing_else(in_file):
    in_file.grow(3)
    for device in ("a", "b"):
        in_file.bench.software.switch(device, is_on=False, at=0)
    with pytest.raises(Unavailable):
        in_file.checkpointer.round()
    in_file.grow(3, 3)
    in_file.bench.software.switch("b", is_on=True, at=0)
    assert in_file.checkpointer.round() == 7
    assert len(parse_note(stored(in_file)[1]).signatures) == 1  # of B alone


def test_a_witness_that_is_away_is_asked_again_when_nothing_happens(in_file):
    in_file.away.add("https://w1.example.net")
    in_file.grow(1)
    in_file.checkpointer.round()
    assert len(parse_note(in_file.notes[-1]).signatures) == 4
    in_file.away.clear()
    count = len(in_file.notes)
    in_file.clock.wait(MINUTE - 1)
    in_file.checkpointer.round()
    assert len(in_file.notes) == count
    in_file.clock.wait(1)
    in_file.checkpointer.round()
    assert len(parse_note(in_file.notes[-1]).signatures) == 5
    in_file.clock.wait(MINUTE)
    in_file.checkpointer.round()
    assert len(in_file.notes) == count + 1


def test_one_witness_down_changes_nothing(in_file):
    in_file.away.add("https://w0.example.net")
    for number in range(3):
        in_file.grow(1, number)
        assert in_file.checkpointer.round() == number + 2
    assert [lines for _, _, lines in in_file.watching.published] == [1, 1, 1]
    assert in_file.watching.stopped == []


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


def test_a_bit_that_flipped_in_storage_is_never_signed(in_file):
    in_file.grow(20)
    in_file.checkpointer.round()
    in_file.grow(20, 20)
    with behind_its_back(in_file.ledger.url.render_as_string(hide_password=False)) as tx:
        found = tx.exec_driver_sql("SELECT bytes FROM entry WHERE position = 30").scalar_one()
        data = bytearray(found)
        data[40] ^= 1
        tx.exec_driver_sql("UPDATE entry SET bytes = ? WHERE position = 30", (bytes(data),))
    with pytest.raises(TamperEvidence):
        in_file.checkpointer.round()
    assert stored(in_file)[0] == 21
    assert max(in_file.bench.keyring.seen) == 21


def test_a_note_that_does_not_verify_is_not_kept(in_file):
    class Liar(LocalSigner):
        def sign_head(self, origin, size, root, *, pq=False):
            return super().sign_head(origin, size, root, pq=pq).replace(b"\n2\n", b"\n3\n")

    in_file.grow(1)
    in_file.checkpointer._parts = replace(in_file.parts, signer=Liar(in_file.bench.handler))
    with pytest.raises(SignatureInvalid):
        in_file.checkpointer.round()
    assert in_file.notes == []


def test_a_note_over_another_head_is_not_kept(in_file):
    class Old(LocalSigner):
        old = b""

        def sign_head(self, origin, size, root, *, pq=False):
            return self.old

    in_file.grow(1)
    in_file.checkpointer.round()
    signer = Old(in_file.bench.handler)
    signer.old = stored(in_file)[1]
    in_file.grow(1, 1)
    in_file.checkpointer._parts = replace(in_file.parts, signer=signer)
    with pytest.raises(CheckpointInvalid, match="another head than it was asked to"):
        in_file.checkpointer.round()


def test_a_witness_that_knows_more_of_us_stops_the_publishing(in_file, tmp_path):
    in_file.grow(5)
    in_file.checkpointer.round()
    origin = in_file.ledger.name.origin
    for witness in in_file.witnesses.values():
        held = witness.held[origin]
        bigger = replace(held.checkpoint, size=50)
        witness.held[origin] = replace(held, checkpoint=bigger)
    in_file.grow(5, 5)
    with pytest.raises(TamperEvidence, match="witnesses hold another history"):
        in_file.checkpointer.round()


def test_a_head_that_another_key_signed_gets_our_lines_too_and_proofs_carry_them(heads):
    old = Ed25519Signer(heads.ledger.name.origin, bytes(range(32)))
    heads.grow(3)
    sign_checkpoint(heads.ledger, old, 1)
    ours = heads.parts.verifiers
    heads.parts = replace(heads.parts, verifiers=(*ours, Ed25519Verifier(old.key)))
    heads.checkpointer = Checkpointer(heads.ledger, heads.parts)
    assert heads.checkpointer.round() == 4
    names = [line.name for line in parse_note(heads.notes[-1]).signatures]
    assert names.count(heads.ledger.name.origin) == 1 + 3  # the old key beside ours
    assert len(names) == 4 + 2
    proven = verify_proof(prove_entry(heads.ledger, 2), heads.ledger.name.origin, ours)
    assert proven.position == 2
    published = len(heads.notes)
    assert heads.checkpointer.round() == 4  # once is enough
    assert len(heads.notes) == published
    heads.grow(1, first=10)
    assert heads.checkpointer.round() == 5
