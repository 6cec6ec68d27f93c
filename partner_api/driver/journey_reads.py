"""Bookings and swaps of a driver as they stand: the row of the rules, and what the log tells."""

from collections.abc import Callable, Iterable
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from ledger.domain.journeys import JOURNEYS, journeys_of
from ledger.domain.world import Shelf
from ledger.kernel.envelope import Envelope
from ledger.kernel.errors import Malformed
from ledger.kernel.messages import Event, Receipt
from ledger.runtime.reads import Entry
from ledger.store import journal
from ledger.store.queries import rows
from ledger.tlog.note import read_decimal
from partner_api.driver.own import LIMIT, LIMIT_MAX, PAGE, Own
from partner_api.writing import principal_of, request_key

PAGES_MAX = 20
"""Pages of a list that one request passes over to find what its filters want."""

Row = TypeVar("Row", bound=msgspec.Struct)


class Told(msgspec.Struct, frozen=True):
    """One entry of a journey."""

    envelope: Envelope
    event: Event

    @property
    def position(self) -> int:
        """Where it stands."""
        return self.envelope.position


def told_of(own: Own, object_id: str) -> list[Told]:
    """Read the entries of a booking or a swap, in order."""
    found = [step.position for _, step in own.reads.rows(JOURNEYS, listed=object_id)]
    return [_told(one) for one in own.reads.at_positions(found)]


def around(own: Own, positions: Iterable[int], correlation_id: str, reach: int = 12) -> list[Told]:
    """Read what was written together with some entries, as far as it belongs to a journey."""
    wanted = {place for at in positions for place in range(at, min(at + reach, own.reads.size))}
    found = own.reads.at_positions(sorted(wanted))
    return [_told(one) for one in found if one.envelope.correlation_id == correlation_id]


def _told(one: Entry) -> Told:
    return Told(one.envelope, one.event)


def newest(
    own: Own, what: str, shelf: Shelf[Row], fits: Callable[[Row], bool]
) -> tuple[list[Row], str]:
    """List a driver's journeys of a kind, the newest first, one page; give the next cursor."""
    limit = read_decimal(own.query["limit"], "limit") if "limit" in own.query else LIMIT
    if not 1 <= limit <= LIMIT_MAX:
        raise Malformed(f"between 1 and {LIMIT_MAX}", field="limit")
    others = {name: text for name, text in own.query.items() if name not in PAGE}
    filters = f"{what} {own.driver_id}?{urlencode(sorted(others.items()))}"
    after = ""
    if "cursor" in own.query:
        after = str(own.parts.cursors.read(own.query["cursor"], filters).after[0])
    tx, log_id = own.reads.tx, own.reads.name.log_id
    listed_as = journeys_of(what, own.driver_id)
    found: list[Row] = []
    for _ in range(PAGES_MAX):
        page = rows.page(tx, log_id, JOURNEYS, listed=listed_as, after=after, limit=limit + 1)
        known = rows.many(tx, log_id, shelf, (step.object_id for _, step in page))
        for key, step in page:
            if len(found) == limit:
                return found, own.parts.cursors.write(filters, 0, own.reads.size, (after,))
            after = key
            row = known.get(step.object_id)
            if row is not None and fits(row):
                found.append(row)
        if len(page) <= limit:
            return found, ""
    return found, own.parts.cursors.write(filters, 0, own.reads.size, (after,))


def receipt_before(own: Own, key: str) -> Receipt | None:
    """Give the stored answer to a command of his under a key, None for a new one."""
    name, key_bytes = request_key(principal_of(own.request), key)
    return journal.receipt_of(own.reads.tx, own.reads.name.log_id, name, key_bytes)
