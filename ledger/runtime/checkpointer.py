"""Publishing signed heads: every second, or every 4,096 entries, whenever the log grew.

One round (evidence handbook 4.6):

1. read the new entries from storage, never from memory,
2. send them to the signer, which hashes them itself,
3. have the head signed, and check the note with our own verifier,
4. the tiles it needs stand already: the writer commits them with the entries,
5. keep the checkpoint: one per size, each larger than the one before,
6. publish it,
7. ask the witnesses, keep the lines that verified, publish the richer note.

Any step may be lost and done again: the same size gives the same text. After a crash between 3 and
5 the signer is ahead of the table; the next round fetches that head's note before anything else.

How old the oldest unsigned entry is decides what is still taken on; each threshold crossed is an
entry of the log (ledger/domain/signing.py).
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import msgspec

from ledger.domain.signing import (
    HEAD,
    SIGNED,
    SIGNING,
    UNAVAILABLE,
    ReportSigning,
    answer_to,
    level_of,
)
from ledger.kernel.errors import (
    CheckpointInvalid,
    InvariantBroken,
    MobileGridError,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.ids import key_at
from ledger.kernel.instants import HOUR, MINUTE, Clock
from ledger.kernel.messages import Actor, Request
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.ports import HeadObserver, HeadSigner, WitnessAsker
from ledger.runtime.proving import (
    check_newest_checkpoint,
    newest_checkpoint,
    newest_note,
    tile_reader,
)
from ledger.runtime.reads import Reads
from ledger.store import journal
from ledger.store.witnessing import add_cosignatures, cosigned_note
from ledger.tlog import proof
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.note import Verifier, parse_note

INTERVAL_S = 1.0
LEAVES = 4_096
"""New entries that do not wait for the second to end."""

STEP = 65_536
"""Entries under one signature at most: what an interrupted round has to send again."""

WITNESSES_AGAIN_US = MINUTE
"""While nothing is new, witnesses that were away are asked again so often."""

SYSTEM = Actor(id="system", role="system")


class Parts(msgspec.Struct, frozen=True):
    """What a checkpointer works with.

    `verifiers` are the log's own keys as this process knows them, not as the signer names them.
    `publish` makes a note known; it may be given the same one twice. `turn` is held while
    signer and witnesses are asked: two processes that do so at once look to them like a fork.
    """

    signer: HeadSigner
    verifiers: Sequence[Verifier]
    clock: Clock
    observer: HeadObserver
    publish: Callable[[bytes], None] = lambda _note: None
    witnesses: WitnessAsker | None = None
    turn: Callable[[], AbstractContextManager[object]] = nullcontext


class SigningState(msgspec.Struct, frozen=True):
    """Entries under the newest checkpoint, entries after it, time of the oldest of these in us."""

    signed_size: int
    backlog: int
    oldest_at: int

    def age_us(self, now: int) -> int:
        """Give the age of the oldest unsigned entry, 0 when there is none."""
        return max(now - self.oldest_at, 0) if self.backlog else 0

    def level(self, now: int) -> int:
        """Give the level of `ledger/domain/signing.py` at an instant."""
        return level_of(self.age_us(now), self.backlog)


def signing_state(reads: Reads) -> SigningState:
    """Read what is signed and what is not."""
    newest = journal.newest_checkpoint(reads.tx, reads.name.log_id)
    signed = 0 if newest is None else newest[0]
    backlog = reads.size - signed
    oldest_at = reads.entry(signed).envelope.recorded_at if backlog > 0 else 0
    return SigningState(signed, max(backlog, 0), oldest_at)


def accept(kind: str, state: SigningState, now: int) -> str:
    """Tell what becomes of a request of a kind (`signing.KINDS`); see `signing.answer_to`.

    Raises:
        Unavailable: nothing of that kind is taken on until heads are signed again.
    """
    answer = answer_to(kind, state.level(now))
    if answer == UNAVAILABLE:
        minutes = state.age_us(now) // MINUTE
        raise Unavailable(f"no signature for {minutes} minutes: try again when heads are signed")
    return answer


class Checkpointer:
    """Signs and publishes the heads of one log; `round` does it once, `start` goes on for ever."""

    def __init__(self, ledger: Ledger, parts: Parts) -> None:
        self._ledger = ledger
        self._parts = parts
        self._pq_hour = -1
        self._asked_at = 0
        self._published = 0
        self._grown = 0
        self._is_stopping = False
        self._bell = threading.Condition()
        self._thread: threading.Thread | None = None

    # Before anything is served --------------------------------------------------

    def check_start(self) -> None:
        """Compare the log with everybody who holds a head of it (evidence handbook 4.4, 5 and 6).

        Witnesses that are away are passed over.

        Raises:
            TamperEvidence: the newest checkpoint does not verify or is not of this history, or the
                signer or a witness holds a head that our entries do not lead to: the database was
                restored from an older state, or forked.
            Unavailable: the signer does not answer.
        """
        with self._parts.turn():
            standing = self._parts.signer.status()
            with self._ledger.reading() as reads:
                newest = check_newest_checkpoint(reads)
                note = b"" if newest is None else newest_note(reads)
                check_held(reads, standing.size, standing.root)
            if newest is not None:
                self._open(note)
                self._ask_witnesses(newest, note)

    def _open(self, note: bytes) -> Checkpoint:
        return open_checkpoint(note, self._ledger.name.origin, self._parts.verifiers).checkpoint

    # One round ------------------------------------------------------------------

    def round(self) -> int:
        """Bring signed heads up to the log; give the size of the newest checkpoint.

        Raises:
            Unavailable: no signature could be made; what was accepted stays accepted.
            TamperEvidence: signer, witnesses or storage contradict each other: publish nothing.
        """
        try:
            while self._one_step():
                pass
            self._again()
        except (TamperEvidence, InvariantBroken):
            raise
        except MobileGridError:
            self._report()
            raise
        return self._report().signed_size

    def _one_step(self) -> bool:
        """Sign and publish the next head; False when there is none to sign."""
        with self._parts.turn():
            made = self._next_head()
            if made is None:
                return False
            said, note, state = made
            self._parts.publish(note)
            now = self._parts.clock.now()
            witnesses = self._ask_witnesses(said, note)
        self._published = said.size
        self._parts.observer.head_published(said.size, state.age_us(now), witnesses)
        return True

    def _next_head(self) -> tuple[Checkpoint, bytes, SigningState] | None:
        """Steps 1 to 5; None when there is nothing to sign."""
        standing = self._parts.signer.status()
        with self._ledger.reading() as reads:
            newest = check_newest_checkpoint(reads)
            stored = 0 if newest is None else newest.size
            check_held(reads, standing.size, standing.root)
            start = max(standing.size, 0)
            if reads.size == stored and (newest is None or start >= stored):
                return None
            if start > stored:  # signed, but the table never heard of it
                said = Checkpoint(reads.name.origin, start, standing.root)
            else:
                said = self._stage(reads, start, stored)
            state = signing_state(reads)
        note = self._sign(said)
        if said.size == stored:  # another key signed it before, such as one in a file
            note = self._add_lines(said, note)
        else:
            self._keep(said, note)
        return said, note, state

    def _add_lines(self, said: Checkpoint, note: bytes) -> bytes:
        """Put the signer's lines beside those that the checkpoint has; give it with all of them."""
        log_id = self._ledger.name.log_id
        with self._ledger.writing() as tx:
            add_cosignatures(tx, log_id, said.size, parse_note(note).signatures)
        with self._ledger.reading() as reads:
            return cosigned_note(reads.tx, log_id, said.size)

    def _stage(self, reads: Reads, start: int, stored: int) -> Checkpoint:
        """Steps 1 and 2: send the entries from storage; give the head they lead to."""
        end = min(reads.size, max(start, stored) + STEP)
        if end > start:
            self._parts.signer.extend(start, reads.raw(start, end))
        root = reads.head.root if end == reads.size else proof.root(end, tile_reader(reads))
        return Checkpoint(reads.name.origin, end, root)

    def _sign(self, said: Checkpoint) -> bytes:
        """Step 3: the first checkpoint of an hour bears the post-quantum line, if it can be had."""
        hour = self._parts.clock.now() // HOUR
        sign = self._parts.signer.sign_head
        if hour == self._pq_hour:
            note = sign(said.origin, said.size, said.root)
        else:
            try:
                note = sign(said.origin, said.size, said.root, pq=True)
                self._pq_hour = hour
            except Unavailable:
                note = sign(said.origin, said.size, said.root)
        if self._open(note) != said:
            raise CheckpointInvalid("the signer signed another head than it was asked to")
        return note

    def _keep(self, said: Checkpoint, note: bytes) -> None:
        """Step 5; another process that kept the same head before us is no harm."""
        row = {"size": said.size, "root": said.root, "note": note}
        try:
            with self._ledger.writing() as tx:
                now = self._parts.clock.now()
                journal.add_checkpoint(tx, self._ledger.name.log_id, row | {"signed_at": now})
        except InvariantBroken:
            with self._ledger.reading() as reads:
                newest = newest_checkpoint(reads)
            if newest is None or newest.size < said.size:
                raise
            if newest.size == said.size and newest.root != said.root:
                raise CheckpointInvalid(f"two roots for {said.size} entries") from None

    # Witnesses --------------------------------------------------------------------

    def _ask_witnesses(self, said: Checkpoint, note: bytes) -> int:
        """Step 7; give how many lines are new. One that is away does not stop the log."""
        asker = self._parts.witnesses
        if asker is None:
            return 0
        self._asked_at = self._parts.clock.now()
        log_id = self._ledger.name.log_id
        try:
            with self._ledger.reading() as reads:
                read_tile = tile_reader(reads)
                lines = asker.ask(
                    note, lambda old: proof.consistency(old, said.size, read_tile)
                ).lines
        except Unavailable as error:
            self._parts.observer.head_failed(error)
            return 0
        if not lines:
            return 0
        with self._ledger.writing() as tx:
            added = add_cosignatures(tx, log_id, said.size, lines)
        if added:
            with self._ledger.reading() as reads:
                self._parts.publish(cosigned_note(reads.tx, log_id, said.size))
        return len(added)

    def _again(self) -> None:
        """Ask once more for the newest checkpoint, when nothing else has happened for a while."""
        is_due = self._parts.clock.now() - self._asked_at >= WITNESSES_AGAIN_US
        if self._parts.witnesses is None or not is_due:
            return
        with self._parts.turn():
            with self._ledger.reading() as reads:
                newest = newest_checkpoint(reads)
                if newest is None:
                    return
                note = cosigned_note(reads.tx, reads.name.log_id, newest.size)
            self._ask_witnesses(newest, note)

    # How it stands ----------------------------------------------------------------

    def _report(self) -> SigningState:
        """Write it down when signing crossed a threshold, in either direction."""
        now = self._parts.clock.now()
        with self._ledger.reading() as reads:
            state = signing_state(reads)
            row = reads.row(SIGNING, HEAD)
        level = state.level(now)
        if level != (SIGNED if row is None else row.level):
            command = ReportSigning(
                level=level,
                signed_size=state.signed_size,
                backlog=state.backlog,
                oldest_at=state.oldest_at,
            )
            key = key_at(now, "signing", str(level), str(state.signed_size), str(now))
            accepted(self._ledger.execute(Request(key, SYSTEM.id, SYSTEM, now, command)))
            self._parts.observer.signing_changed(level, state.backlog)
        return state

    # For ever -----------------------------------------------------------------------

    def start(self) -> None:
        """Do a round every second, on a thread of its own, until `stop`."""
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the round that runs, then end the thread."""
        with self._bell:
            self._is_stopping = True
            self._bell.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def notice(self, size: int) -> None:
        """Hear that the log has grown to `size` entries; the writer's observer calls it."""
        with self._bell:
            self._grown = size
            if size - self._published >= LEAVES:
                self._bell.notify()

    def _run(self) -> None:
        while True:
            try:
                self.round()
            except (TamperEvidence, InvariantBroken) as error:
                self._parts.observer.checkpointer_stopped(error)
                return
            except MobileGridError as error:
                self._parts.observer.head_failed(error)
            except BaseException as error:  # noqa: BLE001 - the thread must never die silently
                broken = InvariantBroken(f"{type(error).__name__}: {error}")
                broken.__cause__ = error
                self._parts.observer.checkpointer_stopped(broken)
                return
            with self._bell:
                if not self._is_stopping:
                    self._bell.wait_for(self._is_due, timeout=INTERVAL_S)
                if self._is_stopping:
                    return

    def _is_due(self) -> bool:
        return self._is_stopping or self._grown - self._published >= LEAVES


def check_held(reads: Reads, size: int, root: bytes) -> None:
    """See that our entries lead to the head that the signer is bound to; else `TamperEvidence`."""
    if size <= 0:
        return
    if size > reads.size:
        raise TamperEvidence(f"the signer signed {size} entries, but only {reads.size} are here")
    if proof.root(size, tile_reader(reads)) != root:
        raise TamperEvidence(f"the signer signed another root for the first {size} entries")
