"""The order of observations: once (R1), inside a source by its count (R2), across by time (R3).

Nothing here looks at when a report arrived. What a source counted stands in the order of its
count, whatever its clock said; its times are made to grow with it. Sources are then merged by
time, and equal times by the names of the sources: any two readers merge them alike.
"""

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple

from ledger.domain.observations import ABSENT, OUT, UNKNOWN_TIME, Observation, absence
from ledger.kernel.instants import MINUTE


class Timed(NamedTuple):
    """An observation in its place: the time made to grow with its source's count, and itself."""

    at: int
    source: str
    boot: int
    seq: int
    digest: str
    kind: str
    observation: Observation


_by_count = attrgetter("seq", "at", "digest", "kind")

_canonical = itemgetter(0, 1, 2, 3, 4, 5)
"""All of `Timed` but the observation: of one look at a slot, ``absent`` comes before the others."""


def in_order(observations: Iterable[Observation]) -> list[Timed]:
    """Put the observations of one pack into their canonical order (custody handbook 10.1).

    Boots of a source follow each other by the time of their first observation. A time that says
    nothing (quality U) becomes that of the neighbour before it, or of the one after it for the
    first.

    >>> from ledger.domain.observations import IN
    >>> late, early = (Observation("S", "B", n, IN, "", "P", at) for n, at in ((2, 10), (1, 30)))
    >>> [(one.seq, one.at) for one in in_order([late, early])]
    [(1, 30), (2, 30)]
    """
    sources: dict[str, dict[str, list[Observation]]] = {}
    for one in observations:
        boots = sources.get(one.source)
        if boots is None:
            boots = sources[one.source] = {}
        some = boots.get(one.boot)
        if some is None:
            boots[one.boot] = [one]
        else:
            some.append(one)
    merged: list[Timed] = []
    for boots in sources.values():
        for some in boots.values():
            if len(some) > 1:
                some.sort(key=_by_count)
        groups = list(boots.values())
        if len(groups) > 1:
            groups.sort(key=_of_boot)
        merged += _grown(groups)
    merged.sort(key=_canonical)
    return merged


def _of_boot(group: list[Observation]) -> tuple[int, str]:
    known = (one.at for one in group if one.quality != UNKNOWN_TIME)
    return next(known, group[0].received_at), group[0].boot


def _grown(groups: list[list[Observation]]) -> list[Timed]:
    """Make the times of one source grow with its count."""
    at = _first_known(groups)
    found: list[Timed] = []
    for number, group in enumerate(groups):
        for one in group:
            if one.at > at and one.quality != UNKNOWN_TIME:
                at = one.at
            found.append(Timed(at, one.source, number, one.seq, one.digest, one.kind, one))
    return found


def _first_known(groups: list[list[Observation]]) -> int:
    for group in groups:
        for one in group:
            if one.quality != UNKNOWN_TIME:
                return one.at
    return groups[0][0].received_at


# A slot -------------------------------------------------------------------------


class Look(NamedTuple):
    """What one observation says of a slot: the object in it before, if it says so, and after.

    Objects are named by pack; `NOBODY` is an empty slot, `STRANGER` an object without a name.
    """

    observation: Observation
    before: str
    after: str


NOBODY = ""
STRANGER = "?"


def look_of(one: Observation, *, is_stranger: bool = False) -> Look:
    """Tell what an observation at a slot says about who is in it."""
    name = STRANGER if is_stranger or not one.pack_id else one.pack_id
    if one.kind == OUT:
        return Look(one, name, NOBODY)
    if one.kind == ABSENT:
        return Look(one, NOBODY, NOBODY)
    return Look(one, name, name)


REPORTED_WITHIN_US = 2 * MINUTE
"""Policy: a slot may say that it is empty so long before its station tells who took the pack."""


def contradiction(look: Look, following: Look, then: Look | None = None) -> Observation | None:
    """Give the absence that the next look at a slot proves of the pack seen there before.

    A pack that is seen again, or goes out itself, is not missed; nor is one whose going out is
    told right after its slot was found empty (`then`).
    """
    pack_id = look.after
    if pack_id in (NOBODY, STRANGER, following.before):
        return None
    if then is not None and following.after == NOBODY and then.observation.kind == OUT:
        waited_us = then.observation.at - following.observation.at
        if then.before == pack_id and waited_us <= REPORTED_WITHIN_US:
            return None
    return absence(following.observation, pack_id, look.observation.place)


def absences(looks: Sequence[Look]) -> Iterator[Observation]:
    """List every absence that the looks at a slot, in order, prove."""
    for index in range(len(looks) - 1):
        then = looks[index + 2] if index + 2 < len(looks) else None
        missed = contradiction(looks[index], looks[index + 1], then)
        if missed is not None:
            yield missed


def in_slot_order(looks: Sequence[Look]) -> list[Look]:
    """Put the looks of one station at one of its slots into the order of its count (R2)."""
    if len(looks) < 2:  # noqa: PLR2004  one look is in order
        return list(looks)
    by_name = {id(look.observation): look for look in looks}
    return [by_name[id(timed.observation)] for timed in in_order([x.observation for x in looks])]
