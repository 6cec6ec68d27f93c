"""Sealed fields of entries: their openings are written, read and checked with them.

An entry holds the commitment, the table `opening` what opens it. A kind that has `sealed_fields`
needs all of them; commitments of other kinds are opened by the vault alone. A missing or wrong
opening is evidence of tampering, for without it the entry cannot be read as it was meant.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ledger.domain.adopting import EntriesAdopted
from ledger.domain.catalogue import KINDS
from ledger.kernel.errors import InvariantBroken, ReplayDiffers
from ledger.kernel.messages import Draft, Event
from ledger.kernel.sealing import Opening, commitment
from ledger.runtime.reads import Entry, Reads, decode
from ledger.store.append import Row
from ledger.store.openings import OpeningRow, openings_at, scan_kind, scan_openings


def opening_rows(draft: Draft, position: int) -> list[Row]:
    """Give the rows of a new entry's openings.

    Raises:
        InvariantBroken: the rule sealed other fields than the event declares, or a commitment is
            not that of its opening.
    """
    opened = {each.name: _commitment(each.name, each.salt, each.value) for each in draft.openings}
    wanted = {name: draft.sealed.get(name) for name in draft.event.sealed_fields}
    if opened != wanted:
        raise InvariantBroken(f"{draft.event.kind}: its openings are not those of its commitments")
    return [(position, each.name, each.salt, each.value) for each in draft.openings]


def openings_of(reads: Reads, position: int) -> list[Opening]:
    """Give what opens the sealed fields of an entry, by name; none when it has none.

    Raises:
        NotFound: the log has no such entry.
        ReplayDiffers: an opening is missing, or opens another commitment.
    """
    entry = reads.entry(position)
    rows = openings_at(reads.tx, reads.name.log_id, position)
    _check(position, entry.event, entry.envelope.sealed, rows)
    return [Opening(name, salt, msgspec.Raw(value)) for _, name, salt, value in rows]


SEALED_KINDS = frozenset(kind for (kind, _), rule in KINDS.items() if rule.event.sealed_fields)
"""Kinds of entries that have sealed fields."""

_AT_ONCE = 1_000


def verify_openings(reads: Reads, positions: Sequence[int]) -> None:
    """Check every opening against its entry; `ReplayDiffers` names the first that does not fit.

    `positions` are those of all entries of `SEALED_KINDS`, in order.
    """
    lost: list[range] | None = None
    rows = _by_position(scan_openings(reads.tx, reads.name.log_id))
    waiting = next(rows, None)
    for position, entry in _placed(reads, positions):
        if waiting is not None and waiting[0] < position:
            break
        some: list[OpeningRow] = []
        if waiting is not None and waiting[0] == position:
            some = waiting[1]
            waiting = next(rows, None)
        if not some and lost is None:  # another pass over the log, and seldom asked for
            lost = list(_adopted(reads))
        if some or not any(position in each for each in lost or ()):
            _check(position, entry.event, entry.envelope.sealed, some)
    if waiting is not None:
        raise ReplayDiffers("an opening of a field that is not sealed", position=waiting[0])


def _placed(reads: Reads, positions: Sequence[int]) -> Iterator[tuple[int, Entry]]:
    for start in range(0, len(positions), _AT_ONCE):
        yield from reads.placed_at(positions[start : start + _AT_ONCE])


def _adopted(reads: Reads) -> Iterator[range]:
    """Yield the positions that came back from a copy of the log, which holds no openings."""
    for data in scan_kind(reads.tx, reads.name.log_id, EntriesAdopted.kind):
        event = decode(data).event
        assert isinstance(event, EntriesAdopted), "its kind says so"
        yield range(event.first, event.end)


def _by_position(rows: Iterable[OpeningRow]) -> Iterator[tuple[int, list[OpeningRow]]]:
    some: list[OpeningRow] = []
    for row in rows:
        if some and some[0][0] != row[0]:
            yield some[0][0], some
            some = []
        some.append(row)
    if some:
        yield some[0][0], some


def _check(position: int, event: Event, sealed: dict[str, bytes], rows: list[OpeningRow]) -> None:
    found = {name: _commitment(name, salt, value) for _, name, salt, value in rows}
    for name in event.sealed_fields:
        if name not in found:
            raise ReplayDiffers(f"the opening of the field {name} is missing", position=position)
        if found[name] != sealed.get(name):
            raise ReplayDiffers(f"the opening of the field {name} is wrong", position=position)
    if len(found) != len(event.sealed_fields):
        raise ReplayDiffers("an opening of a field that is not sealed", position=position)


def _commitment(name: str, salt: bytes, value: bytes) -> bytes:
    return commitment(Opening(name, salt, msgspec.Raw(value)))
