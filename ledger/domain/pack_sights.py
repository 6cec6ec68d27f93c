"""Pack sights: what is kept of one pack, and what one observation more makes of it.

Which observations concern a pack is said in `sights.py`. What is kept stands in two rows: the
newest in one that every observation writes, the older in one that is written once for a dozen.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from ledger.domain.derive import close_pairs, fold
from ledger.domain.observations import PRESENT, UNKNOWN_TIME, Observation
from ledger.domain.ordering import Timed, in_order
from ledger.domain.rederive import Identified
from ledger.domain.standing import Derived, Standing
from ledger.domain.world import Shelf, World

# State ------------------------------------------------------------------------

NEWEST_MAX = 16
"""Observations in the row of the newest; beyond it all but `NEWEST_KEPT` move to the older."""

NEWEST_KEPT = 4

SIGHTS_MAX = 80
"""Observations of one pack that can still be derived anew; beyond it the oldest are let go."""

SIGHTS_KEPT = 64
"""How many are left then: letting go of one at a time would fold all of them each time."""


CAUSE = 5
"""Where a leg's identity names its observation."""


class PostedLeg(msgspec.Struct, frozen=True, array_like=True):
    """A leg as it was posted at `position`; kept as a list, for a pack has dozens of them.

    The first six fields are its identity; legs are kept in the order in which they were posted.
    `energy_wh` is what it moved between pack and driver.
    """

    kind: str
    place: str
    from_account: str
    to_account: str
    occurred_at: int
    cause: str
    position: int
    energy_wh: int = 0
    soc_bp: int | None = None
    swap_id: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str, int, str]:
        """Give what tells it from other legs."""
        return (
            self.kind,
            self.place,
            self.from_account,
            self.to_account,
            self.occurred_at,
            self.cause,
        )


class PackSights(msgspec.Struct, frozen=True, omit_defaults=True):
    """The observations of a pack since its settled point, and the legs posted for them.

    It stood at `base` since `settled_at`, with `base_wh` inside. It stands at `account` since
    `moved_at` by the newest leg: a pack that moved otherwise since has a new settled point. The
    sights are in their canonical order; `standing` is where folding them leads, None where what was
    posted for them is not what follows from them now.
    """

    pack_id: str
    base: str
    settled_at: int
    account: str
    moved_at: int
    sights: tuple[Observation, ...] = ()
    legs: tuple[PostedLeg, ...] = ()
    must_prove: bool = False
    base_wh: int = 0
    base_soc_bp: int | None = None
    standing: Standing | None = None
    older: int = 0
    """How many of the sights stand in the row of the older."""

    def derived(self) -> Derived:
        """Fold what is kept; nobody changes what comes back."""
        return _derived(self.pack_id, self.base, self.sights, must_prove=self.must_prove)

    def in_order(self) -> list[Timed]:
        """Give the observations in their canonical order."""
        return in_order(self.sights)


@lru_cache(maxsize=1024)  # one report asks several times: what to load, to decide, to fold
def _derived(
    pack_id: str, base: str, sights: tuple[Observation, ...], *, must_prove: bool
) -> Derived:
    return fold(pack_id, Standing(base), in_order(sights), must_prove=must_prove)


class OlderSights(msgspec.Struct, frozen=True, omit_defaults=True):
    """The older observations of a pack, and the older legs that were posted for them."""

    sights: tuple[Observation, ...] = ()
    legs: tuple[PostedLeg, ...] = ()


PACK_SIGHTS = Shelf("pack_sights", PackSights)
OLDER_SIGHTS = Shelf("older_sights", OlderSights)
"""Both by pack."""


def read_row(world: World, pack_id: str) -> PackSights | None:
    """Put together what is kept of a pack."""
    row = world.get(PACK_SIGHTS, pack_id)
    older = None if row is None or not row.older else world.need(OLDER_SIGHTS, pack_id)
    if row is None or older is None:
        return row
    return replace(row, sights=older.sights + row.sights, legs=older.legs + row.legs)


def write_row(world: World, row: PackSights) -> None:
    """Keep a whole row as it is now: the older apart, where there are many."""
    if not row.older and len(row.sights) <= NEWEST_MAX:
        world.put(PACK_SIGHTS, row.pack_id, row)
        return
    if row.older and len(row.sights) - row.older <= NEWEST_MAX:
        legs = len(world.need(OLDER_SIGHTS, row.pack_id).legs)
    else:
        row = replace(row, older=len(row.sights) - NEWEST_KEPT)
        legs = max(len(row.legs) - NEWEST_KEPT, 0)
        older = OlderSights(row.sights[: row.older], row.legs[:legs])
        world.put(OLDER_SIGHTS, row.pack_id, older)
    newest = replace(row, sights=row.sights[row.older :], legs=row.legs[legs:])
    world.put(PACK_SIGHTS, row.pack_id, newest)


class Retold(NamedTuple):
    """What followed from the observations of a pack, what follows now, and what was posted.

    Where an observation only came last, all of these begin with it: what stood before still stands.
    """

    old: Derived
    now: Derived
    posted: tuple[PostedLeg, ...]

    def legs_of(self, row: PackSights) -> list[Identified]:
        """List the legs of a pack that will stand once the new ones are posted."""
        return list(self.now.legs) if self.posted else [*row.legs, *self.now.legs]


# One observation more ---------------------------------------------------------------


def comes_last(sights: Sequence[Observation], since: Standing, one: Observation) -> bool:
    """Tell whether an observation certainly comes after those in order, folded to `since`.

    Then their own order and times stay as they are. Where that is not clear at a glance the answer
    is False, and the order of all of them says it.
    """
    if since.unsure or one.quality == UNKNOWN_TIME:
        return False
    if not sights:
        return True
    last = sights[-1]
    apart_us = 0 if last.source == one.source else last.uncertainty_us + one.uncertainty_us
    if one.at <= since.at or one.at - since.at < apart_us:
        return False
    source, boot = one.source, one.boot
    own = next((seen for seen in reversed(sights) if seen.source == source), None)
    if own is None or own.boot == boot:
        return own is None or own.seq < one.seq
    return not any(seen.boot == boot and seen.source == source for seen in sights)


def is_seen_again(row: PackSights, one: Observation) -> bool:
    """Tell whether an observation may be one and the same snapshot as the two before it."""
    return one.kind == PRESENT and len(row.sights) > 1


def with_sight(row: PackSights, one: Observation) -> PackSights:
    """Keep an observation; of one and the same snapshot again and again, the first and the last."""
    sights = row.sights
    if is_seen_again(row, one):
        order = [timed.observation for timed in in_order(sights)][-2:]
        is_last = in_order([order[-1], one])[-1].observation is one
        if is_last and all((x.kind, x.place) == (PRESENT, one.place) for x in order):
            sights = tuple(sight for sight in sights if sight is not order[-1])
    return replace(row, sights=(*sights, one))


def bounded(row: PackSights, retold: Retold) -> PackSights:
    """Let the oldest observations go where there are too many, and begin where their legs led.

    Two observations whose order is not certain are let go together.
    """
    if len(row.sights) <= SIGHTS_MAX:
        return row
    order, least = row.in_order(), len(row.sights) - SIGHTS_KEPT
    close = close_pairs(order)
    count = next((at for at in range(least, len(order)) if at - 1 not in close), least)
    led = fold(row.pack_id, Standing(row.base), order[:count], must_prove=row.must_prove)
    gone = {timed.observation.key for timed in order[:count]}
    last = max((leg for leg in row.legs if leg.cause in gone), key=_since, default=None)
    row = replace(
        row,
        base=led.account,
        settled_at=order[count].at,
        sights=tuple(timed.observation for timed in order[count:]),
        legs=tuple(leg for leg in row.legs if leg.cause not in gone),
        base_wh=row.base_wh if last is None else last.energy_wh,
        base_soc_bp=row.base_soc_bp if last is None else last.soc_bp,
        older=0,
    )
    now = row.derived()
    stand = {leg.identity for leg in retold.legs_of(row) if leg.identity[CAUSE] not in gone}
    same = stand == {leg.identity for leg in now.legs}
    return replace(row, standing=now.standing if same else None)


def _since(leg: PostedLeg) -> int:
    return leg.occurred_at
