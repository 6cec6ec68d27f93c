"""Random lives of packs: whatever is asked, the books, the slots and the cases stay true."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain import custody
from ledger.domain.cases import CASES
from ledger.domain.custody import DRIVER_PACKS, PACKS, Leg, Pack, returned, swapped_out
from ledger.domain.ending import (
    SECOND_LIFE,
    CertifyRecycling,
    DeploySecondLife,
    HandToRecycler,
    SecondLifeContract,
    WriteOffPack,
)
from ledger.domain.health import AssessSoh, RetirePack
from ledger.domain.loads import DispatchTransfer, ReceiveTransfer
from ledger.domain.moves import MISSING_AFTER_US, MOVES, MovePack
from ledger.domain.orders import TRANSFER_ORDERS
from ledger.domain.stations import SLOTS
from ledger.domain.takeover import TakeOverPack
from ledger.domain.transitions import ROWS, TERMINAL, Family, place_of, state_of
from ledger.domain.warranty import WARRANTY_CLAIMS, SettleWarrantyClaim, WarrantyClaim
from ledger.domain.world import World
from ledger.kernel.messages import Actor, Command
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal
from tests.support.rules import act, fold, put_order, small_town, sums_of

PACK_IDS = ("PK-1", "PK-2", "PK-3")
ROWS_FROM = {
    state: [row for row in ROWS if row.source == state and row.event in MOVES]
    for state in {row.source for row in ROWS}
}
STARTS = ("Packs:Driver:DR-1", "Packs:Station:ST-1:Staged", "Packs:Depot:DE-1:Stored")


class Walk:
    """A world, and the balances of every account as the postings made them."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.world = small_town()
        self.balances: Counter[tuple[str, str]] = Counter()
        self.at = MISSING_AFTER_US
        for pack_id in PACK_IDS:
            account = self.one_of(STARTS)
            command = TakeOverPack(
                pack_id=pack_id,
                account=account,
                pack_class="C1",
                nominal_wh=10_000,
                soh_bp=10_000,
                title_holder_id="TH-1",
                soc_bp=self.one_of((None, 5_000)),
            )
            self.do(command, "importer")

    def one_of(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def do(self, command: Any, role: str) -> None:
        self.at += MISSING_AFTER_US
        who = Actor("P1", role, "P2", min(command.second_roles.get(role, {""})))
        outcome = act(self.world, command, actor=who, at=self.at)
        if not isinstance(outcome, Refusal):
            for draft in outcome:
                self.balances.update(sums_of(draft.event))

    def step(self) -> None:
        pack = self.world.need(PACKS, self.one_of(PACK_IDS))
        state = state_of(pack.account)
        if state in ("DOCKED", "STAGED", "WITH_DRIVER") and self.draw(st.booleans()):
            self.swap(pack, state)
        elif self.draw(st.integers(0, 9)) == 0:
            soh_bp = self.one_of((8_000, 9_000))
            self.do(AssessSoh(pack_id=pack.pack_id, soh_bp=soh_bp, method="model"), "engineer")
        elif self.draw(st.integers(0, 9)) == 0:
            self.do(RetirePack(pack_id=pack.pack_id, reason="below its class"), "asset_manager")
        elif ROWS_FROM.get(state):
            self.move(pack, self.one_of(ROWS_FROM[state]))

    def move(self, pack: Pack, row: Any) -> None:
        order_id = f"TO-{pack.pack_id}"
        known = self.world.get(TRANSFER_ORDERS, order_id)
        if row.debit is Family.TRN and (known is None or known.stage == "CLOSED"):
            end = self.one_of(("Packs:Station:ST-1:Staged", "Packs:Recycler:SV-1"))
            put_order(self.world, order_id, start=pack.account, end=end, packs=(pack.pack_id,))
        self.do(self.asked(pack, row, order_id), min(row.who))

    def asked(self, pack: Pack, row: Any, order_id: str) -> Command:
        """Write the command of a row, where it has one of its own with made-up papers."""
        pack_id, packs = pack.pack_id, (pack.pack_id,)
        match row.event:
            case "transfer_dispatched":
                scans: dict[str, Any] = {
                    "scan_sha256": "5a" * 32,
                    "carrier_scan_sha256": "6b" * 32,
                }
                return DispatchTransfer(order_id=order_id, pack_ids=packs, **scans)
            case "recycler_received":
                return ReceiveTransfer(
                    order_id=order_id,
                    pack_ids=packs,
                    scan_sha256="5a" * 32,
                    waybill="WB-7",
                    masses_g={pack_id: 9},
                )
            case "second_life_deployed":
                contract = SecondLifeContract("SL-1", "SV-1", PACK_IDS, 1)
                self.world.put(SECOND_LIFE, "SL-1", contract)
                return DeploySecondLife(contract_id="SL-1", pack_id=pack_id)
            case "handed_to_recycler":
                return HandToRecycler(pack_id=pack_id, recycler_id="SV-1", waybill="WB-7", mass_g=9)
            case "recycling_certified":
                return CertifyRecycling(
                    pack_id=pack_id, certificate="RC-1", certificate_sha256="5a" * 32, mass_g=9
                )
            case "supplier_return_accepted":
                claim = WarrantyClaim("WC-1", pack_id, "SV-1", "swollen")
                self.world.put(WARRANTY_CLAIMS, "WC-1", claim)
                return SettleWarrantyClaim(claim_id="WC-1", settlement="RETURNED")
            case "written_off":
                return WriteOffPack(
                    pack_id=pack_id, book_value_minor=5, currency="EUR", decision_sha256="5a" * 32
                )
            case _:
                return self.bare(pack, row, order_id)

    def bare(self, pack: Pack, row: Any, order_id: str) -> MovePack:
        holders = ("DE-1", "CR-1", "WS-1", "SV-1", "DR-1", "DR-2")
        return MovePack(
            pack_id=pack.pack_id,
            event=row.event,
            place=row.place,
            level=5,
            station_id=self.one_of(("ST-1", "ST-2")),
            slot=self.one_of(("1", "2")),
            holder_id=self.one_of(holders),
            order_id=order_id if Family.TRN in (row.debit, row.credit) else "",
        )

    def swap(self, pack: Pack, state: str) -> None:
        ids = place_of(pack.account)[1]
        if state == "WITH_DRIVER":
            slot = self.one_of(("", "1", "2"))
            if slot and self.world.need(SLOTS, f"ST-1|{slot}").pack_id:
                return
            soc_bp = self.one_of((None, 2_000))
            self.leg(returned(self.world, Leg(pack.pack_id, "ST-1", slot, "DR-2", soc_bp=soc_bp)))
        else:
            slot = ids[1] if state == "DOCKED" else ""
            self.leg(swapped_out(self.world, Leg(pack.pack_id, ids[0], slot, "DR-1")))

    def leg(self, event: Any) -> None:
        check_zero(custody.postings(event))
        self.balances.update(sums_of(event))
        fold(self.world, event, at=self.at)


def check(world: World, balances: Counter[tuple[str, str]]) -> None:
    held: Counter[str] = Counter()
    in_slots, in_cases = {}, {}
    for pack_id in PACK_IDS:
        pack = world.need(PACKS, pack_id)
        state, ids = state_of(pack.account), place_of(pack.account)[1]
        accounts = {name: n for (name, what), n in balances.items() if what == pack_id and n}
        custody_of = {name: n for name, n in accounts.items() if name.startswith("Packs:")}
        assert custody_of == {"Packs:Acquired": -1, pack.account: 1}
        title = "Title:Ended" if state in TERMINAL else "Title:Holder:TH-1"
        assert accounts == custody_of | {"Title:Issued": -1, title: 1}
        inside = 0 if state == "WITH_DRIVER" else pack.energy_wh
        assert balances[f"Energy:Pack:{pack_id}", "WH"] == inside
        if state == "DOCKED":
            in_slots["|".join(ids)] = pack_id
        if state == "WITH_DRIVER":
            held[ids[0]] += 1
        if state in ("IN_SUSPENSE", "MISSING"):
            in_cases[ids[0]] = pack_id
        order = world.get(TRANSFER_ORDERS, f"TO-{pack_id}")
        on_its_way = order is not None and order.stage_of(pack_id) == "IN_TRANSIT"
        assert on_its_way == (state == "IN_TRANSIT")
    assert in_slots == {key: row.pack_id for key, row in world.rows(SLOTS) if row.pack_id}
    assert held == Counter({row.driver_id: row.held for _, row in world.rows(DRIVER_PACKS)})
    suspended = {key: row for key, row in world.rows(CASES) if row.suspended_pack_id}
    assert in_cases == {key: row.suspended_pack_id for key, row in suspended.items()}
    assert all(row.is_open for row in suspended.values())


@settings(max_examples=60)
@given(st.data())
def test_a_pack_is_always_in_exactly_one_place_and_every_doubt_has_an_open_case(data):
    walk = Walk(data.draw)
    check(walk.world, walk.balances)
    for _ in range(data.draw(st.integers(1, 25))):
        walk.step()
        check(walk.world, walk.balances)
