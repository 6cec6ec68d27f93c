"""No ledger starts behind a head that others hold; what cannot be signed is known by its age."""

import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.domain.privacy import RegisterSubject
from ledger.domain.signing import (
    ACCEPT,
    BACKLOG_MAX,
    KINDS,
    LATE,
    LONG,
    PENDING,
    QUEUE,
    SIGNED,
    SIGNING,
    STOPPED,
)
from ledger.kernel.errors import (
    InvariantBroken,
    Malformed,
    Misconfigured,
    SignatureInvalid,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.instants import DAY, HOUR, MINUTE, SECOND
from ledger.runtime.checkpointer import LEAVES, Checkpointer, SigningState, accept
from ledger.runtime.proving import newest_note
from ledger.runtime.verify import verify
from ledger.signer.client import LocalSigner
from ledger.tlog.cosign import verifier_for
from tests.support.heads import Heads
from tests.support.ledgers import asking


def kinds(heads: Heads) -> list[str]:
    with heads.ledger.reading() as reads:
        return [one.envelope.kind for one in reads.entries()]


# Before anything is served


def test_a_sound_ledger_starts(heads):
    heads.checkpointer.check_start()
    heads.grow(3)
    heads.checkpointer.round()
    heads.restart()
    heads.checkpointer.check_start()


def test_a_ledger_behind_its_signer_does_not_start(in_file):
    in_file.grow(3)
    file = Path(in_file.ledger.url.database)
    in_file.ledger.close()
    backup = file.read_bytes()
    in_file.restart()
    in_file.grow(3, 3)
    in_file.checkpointer.round()
    in_file.ledger.close()
    file.write_bytes(backup)
    in_file.restart()
    with pytest.raises(TamperEvidence, match="the signer signed 7 entries, but only 4 are here"):
        in_file.checkpointer.check_start()
    in_file.grow(3, 10)  # the same number again, but another history
    with pytest.raises(TamperEvidence, match="another root for the first 7 entries"):
        in_file.checkpointer.check_start()
    with pytest.raises(TamperEvidence):
        in_file.checkpointer.round()
    assert in_file.bench.keyring.forks == 0


def test_a_ledger_behind_a_witness_does_not_start(in_file, tmp_path):
    """The signer was set back together with the ledger; the witness was not."""
    in_file.grow(3)
    in_file.checkpointer.round()
    files = (Path(in_file.ledger.url.database), in_file.bench.path)
    in_file.close()
    backup = [path.read_bytes() for path in files]
    in_file.bench.start()
    in_file.restart()
    in_file.grow(3, 3)
    in_file.checkpointer.round()
    in_file.close()
    for path, data in zip(files, backup, strict=True):
        path.write_bytes(data)
    in_file.bench.start()
    in_file.restart()
    with pytest.raises(TamperEvidence, match="it signed size 7, ours is 4"):
        in_file.checkpointer.check_start()


def test_a_checkpoint_of_a_key_that_is_not_ours_does_not_start(in_file):
    in_file.grow(1)
    in_file.checkpointer.round()
    witness = in_file.witnesses["https://w0.example.net"].signers[0]
    strangers = replace(in_file.parts, verifiers=[verifier_for(witness.key)])
    with pytest.raises(SignatureInvalid, match="no known key signed"):
        Checkpointer(in_file.ledger, replace(strangers, signer=in_file.parts.signer)).check_start()


# When no signature can be made


@pytest.mark.parametrize(
    ("age_us", "level", "answers"),
    [
        (0, SIGNED, (ACCEPT, ACCEPT, ACCEPT, ACCEPT)),
        (MINUTE - 1, SIGNED, (ACCEPT, ACCEPT, ACCEPT, ACCEPT)),
        (MINUTE, LATE, (PENDING, PENDING, ACCEPT, QUEUE)),
        (HOUR - 1, LATE, (PENDING, PENDING, ACCEPT, QUEUE)),
        (HOUR, LONG, (ACCEPT, ACCEPT, ACCEPT, None)),
        (DAY - 1, LONG, (ACCEPT, ACCEPT, ACCEPT, None)),
        (DAY, STOPPED, (ACCEPT, None, None, None)),
    ],
)
def test_what_is_taken_on_depends_on_the_oldest_unsigned_entry(age_us, level, answers):
    state = SigningState(signed_size=10, backlog=3, oldest_at=1_000)
    now = 1_000 + age_us
    assert state.level(now) == level
    for kind, wanted in zip(KINDS, answers, strict=True):
        if wanted is None:
            with pytest.raises(Unavailable, match="no signature for"):
                accept(kind, state, now)
        else:
            assert accept(kind, state, now) == wanted


def test_a_backlog_that_is_too_long_stops_however_young_it_is():
    assert SigningState(0, BACKLOG_MAX, 5).level(5) == SIGNED
    assert SigningState(0, BACKLOG_MAX + 1, 5).level(5) == STOPPED
    assert SigningState(9, 0, 0).level(10**18) == SIGNED


def test_each_threshold_crossed_is_an_entry(heads):
    heads.ledger.execute(
        replace(asking(RegisterSubject(subject_id="DR-1"), "s"), at=heads.clock.now())
    )
    heads.checkpointer.round()
    heads.ledger.execute(
        replace(asking(RegisterSubject(subject_id="DR-2"), "t"), at=heads.clock.now())
    )
    for device in ("a", "b"):
        heads.bench.software.switch(device, is_on=False, at=0)
    waited = 0
    for age in (MINUTE - SECOND, MINUTE, MINUTE + SECOND, HOUR, DAY):
        heads.clock.wait(age - waited)
        waited = age
        with pytest.raises(Unavailable):
            heads.checkpointer.round()
    assert heads.watching.levels == [(1, 1), (2, 2), (3, 3)]
    for device in ("a", "b"):
        heads.bench.software.switch(device, is_on=True, at=0)
    heads.checkpointer.round()
    assert kinds(heads)[-4:] == ["signing.degraded"] * 3 + ["signing.recovered"]
    with heads.ledger.reading() as reads:
        events = [one.event for one in reads.entries(kinds=("signing.degraded",))]
        assert [event.level for event in events] == [1, 2, 3]
        assert {event.signed_size for event in events} == {2}
        (row,) = (row for _, row in reads.rows(SIGNING))
        assert row.level == 0
        assert verify(reads, deep=True).deep
    assert heads.checkpointer.round() == 7


# For ever


def test_a_thread_of_its_own_follows_the_log(in_file):
    told = threading.Event()
    in_file.checkpointer._parts = replace(in_file.parts, publish=lambda _note: told.set())
    in_file.checkpointer.start()
    in_file.grow(3)
    in_file.checkpointer.notice(4)
    in_file.checkpointer.notice(LEAVES * 2)
    assert told.wait(30)
    in_file.checkpointer.stop()
    in_file.checkpointer.stop()
    assert in_file.watching.failed == in_file.watching.stopped == []


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (Unavailable("no device"), False),
        (Misconfigured("another origin"), False),
        (TamperEvidence("two roots"), True),
        (InvariantBroken("a bug"), True),
        (Malformed("bytes"), False),
        (ZeroDivisionError("a bug of another kind"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_a_person_must_see_ends_the_thread(in_file, error, ends):
    told = threading.Event()

    class Broken(LocalSigner):
        def status(self):
            told.set()
            raise error

    in_file.checkpointer._parts = replace(in_file.parts, signer=Broken(in_file.bench.handler))
    in_file.checkpointer.start()
    assert told.wait(30)
    if ends:
        in_file.checkpointer._thread.join(30)
    in_file.checkpointer.stop()
    assert bool(in_file.watching.stopped) == ends
    assert bool(in_file.watching.failed) != ends


def test_nothing_is_signed_before_there_is_a_first_note(in_file):
    in_file.checkpointer._again()
    assert in_file.notes == []
    with in_file.ledger.reading() as reads, pytest.raises(Exception, match="no checkpoint"):
        newest_note(reads)
    lonely = replace(in_file.parts, witnesses=None)
    alone = Checkpointer(in_file.ledger, lonely)
    assert alone.round() == 1
    assert len(in_file.notes) == 1
