"""A town in which a driver swaps packs: what the tests of swaps and of their legs start from."""

from typing import Any

from msgspec.structs import replace

from ledger.domain.asking import AuthoriseSwap, RequestSwap
from ledger.domain.custody import PackEntitlementSet
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.saga import SWAPS, Swap
from ledger.domain.swap import CloseSwapIncomplete, TimeOutSwap
from ledger.domain.world import World
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor, ClockReading, Observed, Source
from tests.support.rules import act, events, fold, put_pack, small_town

STATION = Actor("ST-1", "station")
SUPPORT = Actor("P1", "support", "P2")
NOON = 12 * HOUR
SEEN = Observed(NOON, Source("ST-1", boot_id="B1", seq=5), ClockReading("S", uncertainty_us=9))

REQUEST = RequestSwap(swap_id="SW-1", driver_id="DR-1", station_id="ST-1", pack_class="C1")
AUTHORISE = AuthoriseSwap(swap_id="SW-1", pack_ids=("PK-2",))
TIME_OUT = TimeOutSwap(swap_id="SW-1", occurred_at=NOON + HOUR)
CLOSE = CloseSwapIncomplete(swap_id="SW-1", resolution="paid back")
PACK_IN = RecordPackIn(
    swap_id="SW-1",
    station_id="ST-1",
    slot="1",
    driver_id="DR-1",
    pack_id="PK-1",
    occurred_at=NOON,
    observed=SEEN,
    soc_bp=2_000,
)
PACK_OUT = RecordPackOut(
    swap_id="SW-1",
    station_id="ST-1",
    slot="2",
    driver_id="DR-1",
    pack_id="PK-2",
    occurred_at=NOON + 60,
    observed=SEEN,
    soc_bp=9_000,
)


def swap_town() -> World:
    """Build a town where DR-1 has the empty PK-1, and the full PK-2 stands in slot 2 of ST-1."""
    world = small_town()
    put_pack(world, "Packs:Driver:DR-1", "PK-1")
    put_pack(world, "Packs:Station:ST-1:Slot:2", "PK-2", soc_bp=9_100, energy_wh=9_100)
    fold(world, PackEntitlementSet(driver_id="DR-1", pack_class="C1", count=1))
    return world


def swapping(*commands: Any, **request: Any) -> World:
    """Build that town once these commands were done after the request."""
    world = swap_town()
    for command in (replace(REQUEST, **request), *commands):
        do(world, command)
    return world


def do(world: World, command: Any, actor: Actor | None = None) -> list[Any]:
    """Run a command that must not be refused, as the station; give its events."""
    usual = SUPPORT if isinstance(command, CloseSwapIncomplete) else STATION
    return events(act(world, command, at=NOON, actor=actor or usual))


def swap_of(world: World) -> Swap:
    """Read the swap of these tests."""
    return world.need(SWAPS, "SW-1")
