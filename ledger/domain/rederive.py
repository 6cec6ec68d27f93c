"""Re-derivation: the legs that were posted, held against those that now follow (handbook 10.3).

A leg that is gone is reversed, newest first; a leg that is new is posted. A leg that both lists
have stays as it is: legs before it are then told as **past**, which is, without moving the pack
that has gone on since.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar


class Identified(Protocol):
    """A leg as both lists know it."""

    @property
    def identity(self) -> tuple[str, str, str, str, int, str]:
        """Kind, place, both accounts, time, observation."""


Posted = TypeVar("Posted", bound=Identified)
Derived = TypeVar("Derived", bound=Identified)


class Difference(NamedTuple):
    """What there is to do: legs to reverse, newest first, then legs to post, oldest first.

    `gone` and `new` are indexes into the two lists; from `live_gone` and `live_new` on there is no
    standing leg any more, so those legs move the pack itself.
    """

    gone: tuple[int, ...]
    new: tuple[int, ...]
    live_gone: int
    live_new: int


NOTHING = Difference((), (), 0, 0)


def difference(posted: Sequence[Identified], derived: Sequence[Identified]) -> Difference:
    """Compare two lists of legs of one pack.

    >>> class L(NamedTuple):
    ...     identity: tuple[str, str, str, str, int, str]
    >>> a, b, c = (L((x, "", "", "", 0, "")) for x in "abc")
    >>> difference([a, b], [a, c])
    Difference(gone=(1,), new=(1,), live_gone=1, live_new=1)
    >>> difference([a, c], [b, c])
    Difference(gone=(0,), new=(0,), live_gone=2, live_new=2)
    """
    old = [leg.identity for leg in posted]
    now = [leg.identity for leg in derived]
    if old == now:
        return NOTHING
    standing = _common(old, now)
    kept_old = {pair[0] for pair in standing}
    kept_new = {pair[1] for pair in standing}
    return Difference(
        gone=tuple(at for at in reversed(range(len(old))) if at not in kept_old),
        new=tuple(at for at in range(len(now)) if at not in kept_new),
        live_gone=max(kept_old, default=-1) + 1,
        live_new=max(kept_new, default=-1) + 1,
    )


def _common(
    old: Sequence[tuple[str, str, str, str, int, str]],
    now: Sequence[tuple[str, str, str, str, int, str]],
) -> list[tuple[int, int]]:
    """Pair the legs that both lists have, in the order of both."""
    places = {identity: at for at, identity in enumerate(now)}
    pairs: list[tuple[int, int]] = []
    last = -1
    for at, identity in enumerate(old):
        other = places.get(identity, -1)
        if other > last:
            pairs.append((at, other))
            last = other
    return pairs
