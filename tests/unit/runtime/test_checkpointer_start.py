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
from tests.support.ledgers import asking, sqlite_url
from tests.support.stores import BOTH, new_database


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


def test_a_ledger_behind_its_signer_does_not_start(on_disk):
    on_disk.grow(3)
    file = Path(on_disk.ledger.url.database)
    on_disk.ledger.close()
    backup = file.read_bytes()
    on_disk.restart()
    on_disk.grow(3, 3)
    on_disk.checkpointer.round()
    on_disk.ledger.close()
    file.write_bytes(backup)
    on_disk.restart()
    with pytest.raises(TamperEvidence, match="the signer signed 7 entries, but only 4 are here"):
        on_disk.checkpointer.check_start()
    on_disk.grow(3, 10)  # the same number again, but another history
    with pytest.raises(TamperEvidence, match="another root for the first 7 entries"):
        on_disk.checkpointer.check_start()
    with pytest.raises(TamperEvidence):
        on_disk.checkpointer.round()
    assert on_disk.bench.keyring.forks == 0


def test_a_ledger_behind_a_witness_does_not_start(on_disk, tmp_path):
    """The signer was set back together with the ledger; the witness was not."""
    on_disk.grow(3)
    on_disk.checkpointer.round()
    files = (Path(on_disk.ledger.url.database), on_disk.bench.path)
    on_disk.close()
    backup = [path.read_bytes() for path in files]
    on_disk.bench.start()
    on_disk.restart()
    on_disk.grow(3, 3)
    on_disk.checkpointer.round()
    on_disk.close()
    for path, data in zip(files, backup, strict=True):
        path.write_bytes(data)
    on_disk.bench.start()
    on_disk.restart()
    with pytest.raises(TamperEvidence, match="it signed size 7, ours is 4"):
        on_disk.checkpointer.check_start()


def test_a_checkpoint_of_a_key_that_is_not_ours_does_not_start(on_disk):
    on_disk.grow(1)
    on_disk.checkpointer.round()
    witness = on_disk.witnesses["https://w0.example.net"].signers[0]
    strangers = replace(on_disk.parts, verifiers=[verifier_for(witness.key)])
    with pytest.raises(SignatureInvalid, match="no known key signed"):
        Checkpointer(on_disk.ledger, replace(strangers, signer=on_disk.parts.signer)).check_start()


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


def test_a_thread_of_its_own_follows_the_log(on_disk):
    told = threading.Event()
    on_disk.checkpointer._parts = replace(on_disk.parts, publish=lambda _note: told.set())
    on_disk.checkpointer.start()
    on_disk.grow(3)
    on_disk.checkpointer.notice(4)
    on_disk.checkpointer.notice(LEAVES * 2)
    assert told.wait(30)
    on_disk.checkpointer.stop()
    on_disk.checkpointer.stop()
    assert on_disk.watching.failed == on_disk.watching.stopped == []


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
def test_only_what_a_person_must_see_ends_the_thread(on_disk, error, ends):
    told = threading.Event()

    class Broken(LocalSigner):
        def status(self):
            told.set()
            raise error

    on_disk.checkpointer._parts = replace(on_disk.parts, signer=Broken(on_disk.bench.handler))
    on_disk.checkpointer.start()
    assert told.wait(30)
    if ends:
        on_disk.checkpointer._thread.join(30)
    on_disk.checkpointer.stop()
    assert bool(on_disk.watching.stopped) == ends
    assert bool(on_disk.watching.failed) != ends


def test_nothing_is_signed_before_there_is_a_first_note(on_disk):
    on_disk.checkpointer._again()
    assert on_disk.notes == []
    with on_disk.ledger.reading() as reads, pytest.raises(Exception, match="no checkpoint"):
        newest_note(reads)
    lonely = replace(on_disk.parts, witnesses=None)
    alone = Checkpointer(on_disk.ledger, lonely)
    assert alone.round() == 1
    assert len(on_disk.notes) == 1
