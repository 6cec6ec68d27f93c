"""Random swaps of two drivers: after every command all that anybody owes is explained (I4)."""

from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.domain.asking import AuthoriseSwap, RequestSwap
from ledger.domain.cases import CASES, ResolveCase
from ledger.domain.custody import DRIVER_PACKS, PACKS, PackEntitlementSet, SetPackEntitlement
from ledger.domain.debts import unexplained
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.saga import KINDS, SWAPS
from ledger.domain.swap import CloseSwapIncomplete, TimeOutSwap
from ledger.domain.transitions import place_of, state_of
from ledger.kernel.instants import MINUTE
from ledger.kernel.messages import Actor, ClockReading, Observed, Source
from ledger.kernel.refusal import Refusal
from ledger.runtime.reactions_bookings import BOOKING_REACTIONS
from tests.support.rules import act, fold, put_pack, small_town
from tests.support.swaps import NOON

CLOCK = ClockReading("S")

PACK_IDS = tuple(f"PK-{number}" for number in range(1, 7))
DRIVERS = ("DR-1", "DR-2")


class Town:
    """Two drivers with a pack each, four packs at two stations, and swaps in every stage."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.at = NOON
        self.world = small_town()
        places = ("Packs:Driver:DR-1", "Packs:Driver:DR-2", *["Packs:Station:ST-1:Staged"] * 4)
        for pack_id, account in zip(PACK_IDS, places, strict=True):
            put_pack(self.world, account, pack_id, soc_bp=9_000)
        for driver_id in DRIVERS:
            fold(
                self.world,
                PackEntitlementSet(driver_id=driver_id, pack_class="C1", count=1),
            )
        self.swaps = 0

    def one_of(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(tuple(choices)))

    def do(self, command: Any, role: str = "station") -> None:
        self.at += MINUTE
        outcome = act(self.world, command, at=self.at, actor=Actor("P1", role, "P2"))
        drafts = () if isinstance(outcome, Refusal) else outcome
        for draft in drafts:
            reaction = BOOKING_REACTIONS.get(type(draft.event))
            for follower in () if reaction is None else reaction(self.world, draft.event, None):  # type: ignore[arg-type]
                self.do(follower, "system")

    def ask(self) -> None:
        self.swaps += 1
        kind, count = self.one_of(KINDS), self.one_of((1, 2))
        wish = RequestSwap(
            swap_id=f"SW-{self.swaps}",
            driver_id=self.one_of(DRIVERS),
            station_id="ST-1",
            pack_class="C1",
            swap_kind=kind,
            count=count,
        )
        self.do(wish)
        here = [name for name in PACK_IDS if self.state(name) == "STAGED"]
        offered = () if kind in ("RETURN", "STAY") else tuple(here[:count])
        self.do(AuthoriseSwap(swap_id=wish.swap_id, pack_ids=offered))

    def state(self, pack_id: str) -> str:
        return state_of(self.world.need(PACKS, pack_id).account)

    def leg(self) -> None:
        pack_id = self.one_of(PACK_IDS)
        comes = self.state(pack_id) == "WITH_DRIVER"
        pack = self.world.need(PACKS, pack_id)
        report = RecordPackIn if comes else RecordPackOut
        driver_id = place_of(pack.account)[1][0] if comes else self.one_of(DRIVERS)
        if comes and self.one_of((False, False, True)):
            driver_id = self.one_of(DRIVERS)
        common = {
            "swap_id": f"SW-{self.one_of(range(self.swaps + 1))}",
            "station_id": "ST-1",
            "slot": "",
            "driver_id": driver_id,
            "pack_id": pack_id,
            "occurred_at": self.at,
            "observed": Observed(self.at, Source("ST-1", boot_id="B1", seq=self.at), CLOCK),
        }
        self.do(report(**common))

    def end(self) -> None:
        swap_id = f"SW-{self.one_of(range(self.swaps + 1))}"
        if self.one_of((True, False)):
            self.do(TimeOutSwap(swap_id=swap_id))
        else:
            self.do(CloseSwapIncomplete(swap_id=swap_id, resolution="as it is"), "support")

    def settle(self) -> None:
        cases = sorted(name for name, case in self.world.rows(CASES) if case.is_open)
        if cases:
            case_id = self.one_of(cases)
            forgives = self.one_of((True, False))
            settle = ResolveCase(case_id=case_id, resolution="agreed", forgives=forgives)
            self.do(settle, "support")

    def agree(self) -> None:
        count = self.one_of((0, 1, 2))
        driver_id = self.one_of(DRIVERS)
        self.do(SetPackEntitlement(driver_id=driver_id, pack_class="C1", count=count), "support")

    def debts(self) -> Any:
        packs = [row for _, row in self.world.rows(DRIVER_PACKS)]
        cases = [row for _, row in self.world.rows(CASES)]
        return unexplained(packs, cases, [row for _, row in self.world.rows(SWAPS)])


@settings(max_examples=100, deadline=None, phases=(Phase.generate,))
@given(st.data())
def test_whatever_happens_every_debt_is_explained(data: Any) -> None:
    town = Town(data.draw)
    steps = (town.ask, town.leg, town.leg, town.leg, town.end, town.settle, town.agree)
    for _ in range(30):
        town.one_of(steps)()
        assert town.debts() == ()


def test_a_pack_that_nobody_can_account_for_is_found() -> None:
    town = Town(None)
    row = town.world.need(DRIVER_PACKS, "DR-1|C1")
    town.world.put(DRIVER_PACKS, "DR-1|C1", replace(row, held=2))
    (found,) = town.debts()
    assert (found.driver_id, found.deviation, found.explained) == ("DR-1", 1, 0)
