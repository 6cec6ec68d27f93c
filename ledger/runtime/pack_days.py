"""Pack-days of a period, read from the log: what rents and instalments are computed from."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from ledger.domain.pack_days import Moved, PackDays, Spell, pack_days, spells_of
from ledger.domain.title_rows import TITLES, Title
from ledger.kernel.instants import DAY, local_date, period_window
from ledger.runtime.reads import FOREVER, Moment, Reads
from ledger.runtime.titles import HOLDER
from ledger.store.queries.titles import moves


def days_of(period: str, zone: str) -> list[int]:
    """Give when the days of a period begin (us), local ones of 23 to 25 hours.

    >>> len(days_of("2024-03", "Europe/Paris"))
    31
    """
    window = period_window(period, zone)
    found = []
    at = window.from_at
    while at < window.to_at:
        found.append(at)
        noon = at + DAY // 2
        at = period_window(local_date(noon, zone).isoformat(), zone).to_at
    return found


def pack_days_in(reads: Reads, period: str, zone: str, *, known_at: int | None = None) -> PackDays:
    """Count the pack-days of a period (``YYYY-MM`` or ``YYYY-MM-DD``) in a zone.

    As known at a time (us), None for now. Days that have not begun are counted as things stand:
    ask for a period that is over. Memory for one pack at a time.
    """
    moment = reads.moment(FOREVER, known_at)
    return pack_days(_titles(reads, moment), days_of(period, zone), moment.end)


def _titles(reads: Reads, moment: Moment) -> Iterator[tuple[Title, Sequence[Spell]]]:
    found = moves(reads.tx, reads.name.log_id, HOLDER, end=moment.end)
    for pack_id, group in groupby(found, key=itemgetter(0)):
        told = (
            Moved(at, position, account.removeprefix(f"{HOLDER}:"), quantity)
            for _, account, quantity, at, position in group
        )
        row = reads.row(TITLES, pack_id)
        if row is not None:
            yield row, spells_of(told)
