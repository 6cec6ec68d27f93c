"""Rows of line disputes: one object for partners' statement lines and drivers' bill lines.

::

    RAISED -> UNDER_REVIEW -> UPHELD | REJECTED | WITHDRAWN | ESCALATED
    ESCALATED -> UPHELD | REJECTED

While a dispute is open its line is neither paid nor charged again (money handbook 9.3).
"""

import msgspec
from msgspec.structs import replace

from ledger.domain.world import Shelf, World
from ledger.kernel.messages import Actor

RAISED, UNDER_REVIEW, ESCALATED = "RAISED", "UNDER_REVIEW", "ESCALATED"
UPHELD, REJECTED, WITHDRAWN = "UPHELD", "REJECTED", "WITHDRAWN"

STEPS: dict[str, tuple[str, ...]] = {
    RAISED: (UNDER_REVIEW, WITHDRAWN),
    UNDER_REVIEW: (UPHELD, REJECTED, WITHDRAWN, ESCALATED),
    ESCALATED: (UPHELD, REJECTED),
    UPHELD: (),
    REJECTED: (),
    WITHDRAWN: (),
}

PARTNER_CODES = ("NOT_OURS", "DUPLICATE", "QUANTITY", "PRICE", "TIME", "TAX", "OTHER")
DRIVER_CODES = ("QUANTITY", "PRICE", "TIME", "NOT_MINE", "CONDITION", "OTHER")

RATED_AGAIN = frozenset({"QUANTITY", "PRICE", "TIME"})
"""Codes about the usage itself: where they are right, its bill is held against the facts again."""

DISPUTES_MAX = 500
"""Disputes of one document; more than that is no dispute of lines but of the whole."""


class DisputeMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message: what `sender_id` of one side wrote, recorded at `at` (us), entry `position`.

    `evidence` are digests (SHA-256) of documents.
    """

    message_id: str
    sender_id: str
    side: str
    text: str
    at: int
    position: int
    evidence: tuple[str, ...] = ()


class LineDispute(msgspec.Struct, frozen=True, omit_defaults=True):
    """One disputed line, named by its document, position and index there.

    `amount_minor` is what the line says in `currency`; `claimed_minor` and `claimed_quantity` are
    what the other side says it should be. `evidence` are digests (SHA-256) of documents;
    `source` is that of the line, "" for a share; `usage_id` the swap or the session it is about.
    `messages` are what both sides wrote inside it, in the order of the log.
    """

    dispute_id: str
    document_id: str
    party_id: str
    position: int
    posting_index: int
    code: str
    currency: str
    amount_minor: int
    due_at: int
    line_hash: str = ""
    source: str = ""
    claimed_quantity: int = 0
    claimed_minor: int = 0
    evidence: tuple[str, ...] = ()
    reason: str = ""
    raised_by: str = ""
    usage_id: str = ""
    usage_kind: str = ""
    raised_at: int = 0
    state: str = RAISED
    resolution: str = ""
    messages: tuple[DisputeMessage, ...] = ()

    @property
    def is_open(self) -> bool:
        """Tell whether nobody has settled it."""
        return bool(STEPS[self.state])

    def is_open_to(self, actor: Actor) -> bool:
        """Tell whether somebody may move it: partners and drivers their own alone."""
        is_outside = actor.role in {"operator", "driver"}
        return not is_outside or actor.id in {self.party_id, self.raised_by}


LINE_DISPUTES = Shelf("line_disputes", LineDispute, listed_by=lambda row: row.document_id)


class DisputedLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a document's row knows of a dispute of one of its lines."""

    dispute_id: str
    position: int
    posting_index: int
    currency: str
    amount_minor: int
    state: str = RAISED
    source: str = ""

    @property
    def is_open(self) -> bool:
        """Tell whether nobody has settled it."""
        return bool(STEPS[self.state])

    @property
    def is_kept_back(self) -> bool:
        """Tell whether the line is not paid with its own statement."""
        return self.is_open or self.state == UPHELD


class DisputedLines(msgspec.Struct, frozen=True, omit_defaults=True):
    """All disputes of a document, in the order in which they were raised."""

    document_id: str
    lines: tuple[DisputedLine, ...] = ()

    @property
    def has_open(self) -> bool:
        """Tell whether a line is disputed still."""
        return any(one.is_open for one in self.lines)

    def kept_back(self, currency: str, *, shares_only: bool = False) -> int:
        """Sum what is not paid with the document (minor units), or the shares of it alone."""
        return sum(
            one.amount_minor
            for one in self.lines
            if one.is_kept_back and one.currency == currency and not (shares_only and one.source)
        )

    def on(self, position: int, posting_index: int) -> DisputedLine | None:
        """Find the last dispute of a line."""
        for one in reversed(self.lines):
            if (one.position, one.posting_index) == (position, posting_index):
                return one
        return None


DISPUTED_LINES = Shelf("disputed_lines", DisputedLines)  # key: statement or invoice


def disputes_of(world: World, document_id: str) -> DisputedLines:
    """Read the disputes of a document: whoever charges or pays one of its lines asks first."""
    return world.get(DISPUTED_LINES, document_id) or DisputedLines(document_id)


def move_line(world: World, dispute: LineDispute) -> None:
    """Keep a dispute, and its state with its document."""
    world.put(LINE_DISPUTES, dispute.dispute_id, dispute)
    row = disputes_of(world, dispute.document_id)
    line = DisputedLine(
        dispute.dispute_id,
        dispute.position,
        dispute.posting_index,
        dispute.currency,
        dispute.amount_minor,
        dispute.state,
        dispute.source,
    )
    others = [one for one in row.lines if one.dispute_id != dispute.dispute_id]
    places = [one.dispute_id for one in row.lines]
    place = places.index(dispute.dispute_id) if dispute.dispute_id in places else len(others)
    others.insert(place, line)
    world.put(DISPUTED_LINES, dispute.document_id, replace(row, lines=tuple(others)))
