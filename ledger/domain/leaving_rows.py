"""Who has asked to be erased, and how far that is."""

import msgspec

from ledger.domain.world import Shelf

WAITING, WITHDRAWN, ENDED = "waiting", "withdrawn", "ordered"


class Leaving(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's newest request to be erased: asked when, due when (us), and what became of it.

    `position` is that of its entry.
    """

    subject_id: str
    position: int
    requested_at: int
    due_at: int
    state: str = WAITING


LEAVINGS = Shelf(
    "leavings", Leaving, listed_by=lambda row: row.state if row.state == WAITING else ""
)
