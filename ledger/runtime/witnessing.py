"""We as a witness of other logs: check, persist, then answer.

The decision itself is pure, in `ledger.tlog.witness`. Here it is made on what is stored, and the
new head is committed, by a compare-and-swap, before the cosignature leaves.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec
import sqlalchemy as sa

from ledger.kernel.errors import Malformed, Misconfigured, TamperEvidence
from ledger.runtime.ledger import Ledger
from ledger.store import witnessing
from ledger.store.witnessing import HeldHead
from ledger.tlog.checkpoint import SignedCheckpoint
from ledger.tlog.cosign import verifier_for
from ledger.tlog.note import COSIGNATURE_V1, Signer, Verifier
from ledger.tlog.witness import (
    PLAIN_TYPE,
    SIGNED,
    Accepted,
    Refusal,
    cosign,
    decide,
    open_held,
)


class Answer(msgspec.Struct, frozen=True):
    """What goes back over HTTP: status, body and its media type."""

    status: int
    body: bytes
    content_type: str = PLAIN_TYPE


class WitnessDesk:
    """Answers `add-checkpoint` for the logs it knows; safe to call from many threads."""

    def __init__(
        self,
        ledger: Ledger,
        trusted: Mapping[str, Sequence[Verifier]],
        cosigners: Sequence[Signer],
        now: Callable[[], int],
        former: Sequence[Verifier] = (),
    ) -> None:
        """Witness for others.

        Args:
            ledger: where heads and evidence are kept.
            trusted: keys of each log that is witnessed, by origin.
            cosigners: our witness keys, at least one of type 0x04.
            now: gives the time in us.
            former: our witness keys of earlier times, under which heads may still be held.

        Raises:
            Misconfigured: no cosigner is of type 0x04.
        """
        if all(each.key.kind != COSIGNATURE_V1 for each in cosigners):
            raise Misconfigured("a witness needs a key of type 0x04")
        self._ledger = ledger
        self._trusted = dict(trusted)
        self._cosigners = tuple(cosigners)
        self._own = [*(verifier_for(each.key) for each in cosigners), *former]
        self._now = now

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer the body of a request; what is signed is durable when this returns.

        Raises:
            TamperEvidence: the head we hold for that log does not carry our own signature.
            Unavailable: the store is out of reach; nothing was signed.
        """
        # Ends: when another request was faster the held size grew, and what was asked from the
        # old one is refused; only an empty log's first head lets a second round sign.
        while True:
            with self._ledger.reading() as reads:
                decided = decide(body, self._trusted, partial(self._held, reads.tx))
            if isinstance(decided, Refusal):
                return self._refuse(decided)
            answer = self._sign(decided)
            if answer is not None:
                return Answer(SIGNED, answer)

    def newest(self, origin_hash: str) -> bytes:
        """Give the newest note we signed for a log, by the hash of its origin, for monitors.

        `NotFound` when we never signed for it.
        """
        with self._ledger.reading() as reads:
            return witnessing.held_by_hash(reads.tx, self._log_id, origin_hash)

    def _sign(self, accepted: Accepted) -> bytes | None:
        """Cosign and persist; None when another request was faster, and this one counts no more."""
        body, note = cosign(accepted.signed, self._cosigners)
        said, before = accepted.signed.checkpoint, accepted.replaces
        expected = None if before is None else (before.checkpoint.size, before.checkpoint.root)
        head = HeldHead(said.size, said.root, note, self._now())
        with self._ledger.writing() as tx:
            done = witnessing.swap_head(tx, self._log_id, said.origin, expected, head)
        return body if done else None

    def _refuse(self, refusal: Refusal) -> Answer:
        if refusal.evidence is not None:
            with self._ledger.writing() as tx:
                witnessing.keep_evidence(tx, self._log_id, refusal.evidence, self._now())
        return Answer(refusal.status, refusal.body.encode(), refusal.content_type)

    def _held(self, tx: sa.Connection, origin: str) -> SignedCheckpoint | None:
        """Read what we signed last, by our own signature and not by what the row says."""
        row = witnessing.held_head(tx, self._log_id, origin)
        if row is None:
            return None
        try:
            held = open_held(row.note, origin, self._own)
        except Malformed as error:
            raise TamperEvidence(f"the head held for {origin} does not parse") from error
        if (held.checkpoint.size, held.checkpoint.root) != (row.size, row.root):
            raise TamperEvidence(f"the head held for {origin} is not the one that was signed")
        return held

    @property
    def _log_id(self) -> int:
        return self._ledger.name.log_id
