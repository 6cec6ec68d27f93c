"""What a signer answers, step by step, and what is left when a step fails."""

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import NotFound, TamperEvidence, Unavailable
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import HOUR, MINUTE
from ledger.signer.handler import DISCARDED, Handler
from ledger.signer.policy import Rules
from ledger.signer.schema import guards
from ledger.signer.wire import (
    Attest,
    Attested,
    Confirmed,
    Extend,
    Refused,
    Request,
    Sealed,
    SignDocument,
    SignedNote,
    SignHead,
    Standing,
    Status,
    Unwrap,
    Wrap,
)
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.cosign import signed_at
from ledger.tlog.note import parse_note
from tests.support.logs import naive_root, sample_entries, sample_leaves
from tests.support.signers import (
    ORIGIN,
    START_US,
    Bench,
    Died,
    HandClock,
    confirm,
    raising,
    signed,
    stage,
    statement,
)

STATEMENT = "mobilegrid-statement+jws"


def document(number: int = 1, size: int = 5, **other: Any) -> SignDocument:
    root = naive_root(sample_leaves(size))
    named = {"origin": ORIGIN, "root": root, "size": size}
    payload = {"checkpoint": named, "document_id": f"ST-{number}", "issued_at": 1, **other}
    return SignDocument(STATEMENT, canonical(payload), "documents", size, root, b"")


# Heads ------------------------------------------------------------------------


def test_both_devices_sign_a_head(bench: Bench) -> None:
    note = signed(bench, 5)
    opened = open_checkpoint(note, ORIGIN, bench.rules.verifiers())
    assert opened.checkpoint.size == 5
    assert opened.checkpoint.root == naive_root(sample_leaves(5))
    keys = [key.public_key for key in bench.rules.pinned("checkpoint")]
    assert [key.public_key for key in opened.signed_by] == keys


def test_a_post_quantum_line_is_added_to_the_note_and_carries_the_time(bench: Bench) -> None:
    note = signed(bench, 5)
    richer = signed(bench, 5, pq=True)
    assert richer.startswith(note)
    opened = open_checkpoint(richer, ORIGIN, bench.rules.verifiers())
    assert [key.kind for key in opened.signed_by] == [0x01, 0x01, 0x06]
    assert signed_at(parse_note(richer).signatures[2].payload) == START_US // 1_000_000
    assert signed(bench, 5) == signed(bench, 5, pq=True) == richer


def test_asked_again_the_signer_gives_the_note_it_wrote_down(bench: Bench) -> None:
    note = signed(bench, 5, pq=True)
    made = bench.keyring.signed
    bench.clock.wait(9 * HOUR)
    assert signed(bench, 5) == note
    bench.restart()
    assert signed(bench, 5, pq=True) == note
    assert bench.keyring.signed == made


def test_one_device_is_enough_and_the_other_one_need_not_sign_later(bench: Bench) -> None:
    bench.software.switch("a", is_on=False, at=0)
    note = signed(bench, 5)
    assert len(parse_note(note).signatures) == 1
    bench.software.switch("a", is_on=True, at=0)
    assert signed(bench, 5) == note
    assert len(parse_note(signed(bench, 6)).signatures) == 2


def test_without_a_device_nothing_is_signed_but_the_signer_is_bound(bench: Bench) -> None:
    for device in "ab":
        bench.software.switch(device, is_on=False, at=0)
    ask = stage(bench, 5)
    assert bench.ask(ask).code == "unavailable"
    assert bench.ask(replace(ask, root=bytes(32))).code == "fork"
    bench.ask(confirm(statement("block", 1, START_US), "ada", "ben"))
    bench.clock.wait(9 * HOUR)
    assert bench.ask(ask).code == "unavailable"
    for device in "ab":
        bench.software.switch(device, is_on=True, at=0)
    assert isinstance(bench.ask(ask), SignedNote)


def test_a_head_that_grew_during_an_outage_is_signed_after_it(bench: Bench) -> None:
    bench.keyring.before = raising(Unavailable("both are away"))
    for size in (5, 9, 11):
        assert bench.ask(stage(bench, size)).code == "unavailable"
        bench.clock.wait(40 * MINUTE)
    bench.keyring.before = lambda: None
    assert open_checkpoint(signed(bench, 13), ORIGIN, bench.rules.verifiers()).checkpoint.size == 13


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("size", [5, 6])
def test_a_signer_that_died_at_the_keys_signs_no_other_root(
    bench: Bench, place: str, size: int
) -> None:
    signed(bench, 4)
    ask = stage(bench, size)
    setattr(bench.keyring, place, raising(Died()))
    with pytest.raises(Died):
        bench.ask(ask)
    setattr(bench.keyring, place, lambda: None)
    bench.restart()
    standing = bench.ask(Status())
    assert (standing.size, standing.root) == (size, ask.root)
    assert bench.ask(replace(ask, root=bytes(32))).code == "fork"
    bench.ask(confirm(statement("block", 1, START_US), "ada", "ben"))
    assert isinstance(bench.ask(ask), SignedNote)
    assert not bench.keyring.forks


def test_a_fork_blocks_the_signer_until_two_officers_lift_it(bench: Bench) -> None:
    note = signed(bench, 5)
    ask = stage(bench, 5)
    assert bench.ask(replace(ask, size=4)).code == "fork"
    assert bench.alarms == ["fork"]
    for _ in range(2):
        assert [bench.ask(each).code for each in (ask, document(), stage(bench, 6))] == [
            "blocked"
        ] * 3
        assert bench.ask(Status()).block == 1
        bench.restart()
    said = statement("block", 1, START_US)
    assert bench.ask(confirm(said, "ada")).code == "confirmation_wrong"
    assert bench.ask(confirm(said, "ada", "ben")) == Confirmed()
    bench.restart()
    assert bench.ask(Status()).block == 0
    assert bench.ask(ask) == SignedNote(note)
    assert bench.alarms == ["fork", "confirmed"]


def test_a_clock_that_ran_ahead_needs_two_officers_and_is_believed_once(bench: Bench) -> None:
    signed(bench, 4)
    bench.clock.wall_us += 2 * HOUR
    ask = stage(bench, 5)
    assert bench.ask(ask).code == "clock"
    at = bench.clock.wall_us
    assert bench.ask(confirm(statement("clock", 4, at), "ada", "ben")) == Confirmed()
    assert isinstance(bench.ask(ask), SignedNote)
    bench.clock.wall_us -= 2 * HOUR
    later = stage(bench, 6)
    assert bench.ask(later).code == "clock"
    true = statement("clock", 5, bench.clock.wall_us)
    assert bench.ask(confirm(true, "ada", "ben")) == Confirmed()
    bench.restart()
    assert bench.ask(Status()).signed_at == bench.clock.wall_us
    stage(bench, 6)
    assert isinstance(bench.ask(later), SignedNote)


def test_after_a_restart_a_long_silence_must_be_confirmed(bench: Bench) -> None:
    signed(bench, 4)
    bench.clock.wait(2 * HOUR)
    bench.restart()
    ask = stage(bench, 5)
    assert bench.ask(ask).code == "clock"
    bench.ask(confirm(statement("clock", 4, bench.clock.wall_us), "ada", "ben"))
    assert isinstance(bench.ask(ask), SignedNote)


@pytest.mark.parametrize("pq", [False, True])
def test_a_wrong_signature_does_not_leave(bench: Bench, pq: bool) -> None:  # noqa: FBT001  a case
    if pq:
        signed(bench, 5)
    bench.keyring.lie = lambda signature: signature[:-1] + bytes([signature[-1] ^ 1])
    ask = replace(stage(bench, 5), pq=pq)
    assert bench.ask(ask).code == "wrong_signature"
    assert bench.alarms == ["wrong_signature"]
    bench.keyring.lie = bytes
    open_checkpoint(bench.ask(ask).note, ORIGIN, bench.rules.verifiers())


def test_a_keyring_that_signs_with_nothing_gives_no_note(bench: Bench) -> None:
    bench.keyring.inner.sign = lambda *_: ()  # type: ignore[method-assign]  # a broken part
    assert bench.ask(stage(bench, 5)).code == "wrong_signature"


def test_a_key_that_is_not_pinned_signs_nothing_that_leaves(tmp_path: Path) -> None:
    def without_b(rules: Rules) -> Rules:
        return replace(rules, keys=tuple(key for key in rules.keys if key.device == "a"))

    bench = Bench(tmp_path, rules=without_b)
    assert bench.ask(stage(bench, 5)).code == "wrong_signature"
    bench.state.close()


def test_after_a_change_of_keys_the_last_head_is_signed_by_the_new_ones(bench: Bench) -> None:
    bench.software.switch("b", is_on=False, at=0)
    old = signed(bench, 5)
    only_b = tuple(key for key in bench.rules.keys if key.device == "b")
    bench.rules = replace(bench.rules, keys=only_b)
    bench.software.switch("b", is_on=True, at=0)
    bench.software.switch("a", is_on=False, at=0)
    bench.restart()
    note = bench.ask(stage(bench, 5)).note
    assert note.startswith(old)
    open_checkpoint(note, ORIGIN, bench.rules.verifiers())


def edit(bench: Bench, text: str) -> None:
    """Change the state as somebody does who has the file."""
    with closing(sqlite3.connect(bench.path, isolation_level=None)) as base:
        for name in guards():
            base.execute(f"DROP TRIGGER {name}")
        base.executescript(text)
        for trigger in guards().values():
            base.execute(trigger)


def test_a_note_that_was_damaged_on_the_disk_does_not_leave(bench: Bench) -> None:
    signed(bench, 5)
    edit(bench, "UPDATE signing SET payload = zeroblob(64) WHERE device = 'b'")
    assert bench.ask(stage(bench, 5)).code == "unavailable"
    assert bench.alarms == ["signer_fault"]


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE signing SET payload = zeroblob(64) WHERE device = 'b'",
        "UPDATE signing SET size = 6; UPDATE head SET size = 6",  # the same subtrees, one root
    ],
)
def test_a_signer_does_not_start_on_a_last_head_that_was_edited(bench: Bench, text: str) -> None:
    signed(bench, 5)
    bench.state.close()
    edit(bench, text)
    with pytest.raises(TamperEvidence):
        bench.start()
    bench.state.close()


# Journal ----------------------------------------------------------------------


def test_every_signature_is_in_the_journal_before_it_leaves(bench: Bench) -> None:
    signed(bench, 5, pq=True)
    bench.ask(document())
    rows = [row for _, row in bench.state.journal()]
    assert [(row.kind, row.device, row.size, row.subject) for row in rows] == [
        ("checkpoint", "a", 5, ""),
        ("checkpoint", "b", 5, ""),
        ("checkpoint-pq", "a", 5, ""),
        ("documents", "a", 5, "ST-1"),
    ]
    assert len(rows) == bench.keyring.signed
    text = parse_note(signed(bench, 5)).text
    assert rows[0].digest == rows[1].digest == sha256(text).digest()


def test_a_wrong_signature_is_in_the_journal_too(bench: Bench) -> None:
    bench.keyring.lie = lambda _: bytes(64)
    bench.ask(stage(bench, 5))
    assert [row.kind for _, row in bench.state.journal()] == [DISCARDED] * 2


# The rest ---------------------------------------------------------------------


def test_what_is_wrapped_opens_for_its_own_subject_only(bench: Bench) -> None:
    sealed = bench.ask(Wrap(1, "contact", "S1", bytes(32)))
    assert isinstance(sealed, Sealed)
    assert bench.ask(Unwrap(1, "contact", "S1", sealed.data)) == Sealed(bytes(32))
    assert bench.ask(Unwrap(1, "contact", "S2", sealed.data)).code == "does_not_open"
    assert bench.ask(Wrap(1, "contact", "S1", b"short")).code == "malformed"


def test_software_attests_nothing_and_knows_its_keys(bench: Bench) -> None:
    assert bench.ask(Attest("checkpoint-a")) == Attested(b"")
    assert bench.ask(Attest("checkpoint-z")).code == "not_found"


def test_a_signer_without_state_tells_its_status_and_refuses_the_rest(bench: Bench) -> None:
    lost = Handler(bench.rules, bench.keyring, None, HandClock().read, bench._alarm)
    standing = lost.answer(Status())
    assert isinstance(standing, Standing)
    assert (standing.ready, standing.size) == (False, -1)
    asks: list[Request] = [
        Extend(0, (b"{}",)),
        SignHead(ORIGIN, 0, naive_root([]), pq=False),
        document(),
        Wrap(1, "contact", "S1", bytes(32)),
        Unwrap(1, "contact", "S1", bytes(60)),
        Attest("checkpoint-a"),
        confirm(statement("block", 1, START_US), "ada", "ben"),
    ]
    assert [_code(lost.answer(ask)) for ask in asks] == ["no_state"] * len(asks)
    assert not bench.keyring.signed


def test_the_status_tells_what_the_signer_is_bound_to(bench: Bench) -> None:
    assert bench.ask(Status()).size == -1
    signed(bench, 5)
    bench.ask(Extend(5, tuple(sample_entries(8)[5:])))
    standing = bench.ask(Status())
    assert (standing.size, standing.staged_size) == (5, 8)
    assert (standing.root, standing.signed_at) == (naive_root(sample_leaves(5)), START_US)
    assert standing.keys == bench.rules.keys
    assert [each.state for each in standing.devices] == ["up", "up"]


@pytest.mark.parametrize(
    ("error", "code", "alarms"),
    [
        (Unavailable("away"), "unavailable", []),
        (NotFound("no such key"), "not_found", []),
        (TamperEvidence("sealed seed"), "does_not_open", []),
        (RuntimeError("a bug"), "unavailable", ["signer_fault"]),
        (RecursionError(), "unavailable", ["signer_fault"]),
    ],
)
def test_no_fault_of_a_part_ends_the_signer(
    bench: Bench, error: Exception, code: str, alarms: list[str]
) -> None:
    ask = stage(bench, 5)
    bench.keyring.before = raising(error)
    assert bench.ask(ask).code == code
    assert bench.alarms == alarms
    bench.keyring.before = lambda: None
    assert isinstance(bench.ask(ask), SignedNote)


def test_a_failing_disk_stops_signing_until_a_new_start(bench: Bench) -> None:
    ask = stage(bench, 5)
    bench.state._base.set_authorizer(lambda *_: 1)  # a connection that may do nothing any more
    assert bench.ask(ask).code == "unavailable"
    bench.state._base.set_authorizer(None)
    assert bench.ask(ask).code == "unavailable"
    assert not bench.keyring.signed
    bench.restart()
    stage(bench, 5)
    assert isinstance(bench.ask(ask), SignedNote)


def test_leaves_are_hashed_by_the_signer_itself(bench: Bench) -> None:
    entries = sample_entries(3)
    staged = bench.ask(Extend(0, tuple(entries)))
    assert staged.root == naive_root([leaf_hash(each) for each in entries])


def _code(answer: object) -> str:
    return answer.code if isinstance(answer, Refused) else ""
