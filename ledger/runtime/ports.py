"""What the runtime asks of others: who signs, who witnesses, who is told.

Stated by guarantee. Every call may raise `Unavailable`: nothing was done that matters, ask again.
"""

from collections.abc import Callable, Iterable
from typing import Literal, Protocol, TypeAlias

from ledger.kernel.errors import MobileGridError
from ledger.tlog.note import Signature

Prove: TypeAlias = Callable[[int], tuple[bytes, ...]]
"""`prove(old_size)`: the hashes that lead from a smaller tree to the checkpoint asked about."""


class SignerStanding(Protocol):
    """How the signer stands."""

    @property
    def size(self) -> int:
        """Size of the newest head it is bound to; -1 before the first."""

    @property
    def root(self) -> bytes:
        """Root of that head; empty before the first."""


class HeadSigner(Protocol):
    """Signs heads of one log, and never two that contradict each other.

    It hashes the entries itself; so it is given the bytes that are stored, never what memory holds.
    """

    def status(self) -> SignerStanding:
        """Say how it stands."""

    def extend(self, from_: int, entries: Iterable[bytes]) -> object:
        """Stage entries from the end of what is staged, or once more from its last head.

        Raises:
            Conflict: there is a gap before them.
        """

    def sign_head(self, origin: str, size: int, root: bytes, *, pq: bool = False) -> bytes:
        """Sign the head of what is staged; the same size and root give the same note again.

        `pq` asks for a post-quantum line as well.

        Raises:
            TamperEvidence: it signed something else before.
        """


class DocumentSigner(Protocol):
    """Signs documents that name a checkpoint."""

    def sign_document(
        self, typ: str, payload: bytes, key: Literal["certificates"], size: int, root: bytes
    ) -> str:
        """Give the document as a JWS in compact form.

        Raises:
            Conflict: the checkpoint that it names was not signed there.
        """


class Cosigned(Protocol):
    """What asking the witnesses brought."""

    @property
    def lines(self) -> tuple[Signature, ...]:
        """The lines that verified."""


class WitnessAsker(Protocol):
    """Asks all witnesses at once; one that is away or slow is left out."""

    def ask(self, note: bytes, prove: Prove) -> Cosigned:
        """Have a checkpoint cosigned.

        Raises:
            TamperEvidence: a witness signed a larger one of this log, or one that this one does
                not continue.
        """


class HeadObserver(Protocol):
    """Told what becomes of heads; must not raise and must return quickly."""

    def head_published(self, size: int, age_us: int, witnesses: int) -> None:
        """Take note: a checkpoint is out; the age of its oldest entry, the lines of witnesses."""

    def head_failed(self, error: MobileGridError) -> None:
        """Take note that no checkpoint could be made this time; it is tried again."""

    def signing_changed(self, level: int, backlog: int) -> None:
        """Take note of another level of evidence handbook 7.7; above 0 a person is called."""

    def checkpointer_stopped(self, error: MobileGridError) -> None:
        """Take note that nothing is published any more, and why; a person must look."""
