"""Pack-days: for how many days a holder's packs were in service, and whose lien was on them.

They are the facts that rent to title holders and instalments to banks are computed from (custody
handbook 12); no money is known here. A day belongs to whoever has the title, the lease or the lien
when it begins: so each pack gives each day once, and the days of all holders sum to the fleet's.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from ledger.domain.title_rows import Lasting, Title


class Moved(NamedTuple):
    """A title came to a holder (`packs` 1) or left him (-1) at a time (us), by an entry."""

    at: int
    position: int
    holder_id: str
    packs: int


class Spell(NamedTuple):
    """A party had the title of a pack from a time on, until another one (us); 0 = it has it."""

    holder_id: str
    from_at: int
    to_at: int = 0


class RentDays(msgspec.Struct, frozen=True):
    """Days of a holder's packs of a class in service, by who leased them (empty for nobody)."""

    holder_id: str
    pack_class: str
    lessee_id: str
    contract_id: str
    pack_days: int


class LienDays(msgspec.Struct, frozen=True):
    """Days on which a lien rested on a pack in service, and whose pack it was."""

    bank_id: str
    lien_id: str
    pack_id: str
    holder_id: str
    amount_minor: int
    currency: str
    days: int


class PackDays(msgspec.Struct, frozen=True):
    """All of them over some days, sorted; `days` counts the days themselves."""

    days: int
    rents: tuple[RentDays, ...]
    liens: tuple[LienDays, ...]


def spells_of(moves: Iterable[Moved]) -> tuple[Spell, ...]:
    """Turn the moves of one pack's title into the times of its holders, the first one first.

    >>> spells_of([Moved(5, 0, "A", 1), Moved(9, 1, "A", -1), Moved(9, 1, "B", 1)])
    (Spell(holder_id='A', from_at=5, to_at=9), Spell(holder_id='B', from_at=9, to_at=0))
    """
    found: list[Spell] = []
    holder_id, since = "", 0
    for move in sorted(moves, key=lambda one: (one.at, one.position, one.packs)):
        if holder_id and move.at > since:
            found.append(Spell(holder_id, since, move.at))
        holder_id = move.holder_id if move.packs > 0 else ""
        since = move.at
    return (*found, Spell(holder_id, since)) if holder_id else tuple(found)


def pack_days(
    titles: Iterable[tuple[Title, Sequence[Spell]]], days: Sequence[int], end: int
) -> PackDays:
    """Count the days on which packs were in service, by holder and lease, and by lien.

    `days` are the times (us) when the days begin, in order; `end` how many entries are known. Not
    one pack is looked at for more than the changes of its own title, lease and liens.
    """
    rents: Counter[tuple[str, str, str, str]] = Counter()
    liens: list[LienDays] = []
    for title, spells in titles:
        for spell, first, last in _stretches(title, spells, days, end):
            lease = next((one for one in title.leases if one.lasts_at(first, end)), None)
            lessee = ("", "") if lease is None else (lease.lessee_id, lease.contract_id)
            rents[spell.holder_id, title.pack_class, *lessee] += _between(days, first, last)
        liens += _lien_days(title, spells, days, end)
    return PackDays(
        len(days),
        tuple(RentDays(*key, count) for key, count in sorted(rents.items()) if count),
        tuple(sorted(liens, key=lambda one: (one.bank_id, one.lien_id, one.holder_id))),
    )


def _between(days: Sequence[int], first: int, last: int) -> int:
    """Count the days that begin in [first, last)."""
    return bisect_left(days, last) - bisect_left(days, first)


def _stretches(
    title: Title, spells: Sequence[Spell], days: Sequence[int], end: int
) -> Iterator[tuple[Spell, int, int]]:
    """Cut the days in service at every change of holder and lease: (spell, from, to)."""
    if not days or not title.is_commissioned(days[-1], end):
        return
    until = days[-1] + 1
    changes = {time for lease in title.leases for time in _times(lease, end)}
    for spell in spells:
        begin = max(spell.from_at, title.commissioned_at, days[0])
        over = min(spell.to_at or until, until)
        cuts = sorted({begin, over, *(time for time in changes if begin < time < over)})
        yield from ((spell, *pair) for pair in pairwise(cuts) if begin < over)


def _times(fact: Lasting, end: int) -> Iterator[int]:
    if fact.known_from < end:
        yield fact.valid_from
    if fact.known_to and fact.known_to < end:
        yield fact.valid_to


def _lien_days(
    title: Title, spells: Sequence[Spell], days: Sequence[int], end: int
) -> Iterator[LienDays]:
    if not days or not title.is_commissioned(days[-1], end):
        return
    until = days[-1] + 1
    for lien in title.liens:
        if lien.known_from >= end:
            continue
        is_over = bool(lien.known_to) and lien.known_to < end
        over = lien.valid_to if is_over else until
        for spell in spells:
            first = max(lien.valid_from, spell.from_at, title.commissioned_at)
            count = _between(days, first, min(over, spell.to_at or until))
            if count > 0:
                yield LienDays(
                    bank_id=lien.bank_id,
                    lien_id=lien.lien_id,
                    pack_id=title.pack_id,
                    holder_id=spell.holder_id,
                    amount_minor=lien.amount_minor,
                    currency=lien.currency,
                    days=count,
                )
