import pytest
from msgspec.structs import replace

from ledger.domain.classes import PACK_CLASSES
from ledger.domain.custody import PACKS
from ledger.domain.foreign import HandBackForeignPack, TakeForeignPack
from ledger.domain.moves import MovePack
from ledger.domain.stations import SLOTS
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, small_town, sums_of

DEVICE = Actor("ST-1", "station")
STAFF = Actor("P1", "operator", "OP-2")
TAKE = TakeForeignPack(
    pack_id="FP-1",
    bailor_id="OP-2",
    station_id="ST-1",
    slot="1",
    pack_class="C1",
    nominal_wh=10_000,
    soh_bp=9_000,
    soc_bp=5_000,
    occurred_at=7,
)
BACK = HandBackForeignPack(pack_id="FP-1", reason="fetched")


def test_a_pack_of_another_operator_is_in_our_care_under_a_hold_until_he_has_it_again():
    world = small_town()
    taken, hold = events(act(world, TAKE, actor=DEVICE, at=9))
    assert sums_of(taken) == {
        ("Packs:Station:ST-1:Slot:1", "FP-1"): 1,
        ("Packs:Bailment:OP-2", "FP-1"): -1,
    }
    assert (hold.reason, hold.scopes) == ("FOREIGN_OWNER", ("no_swap_out", "no_title_change"))
    pack = world.need(PACKS, "FP-1")
    assert (pack.soc_bp, pack.proven, pack.commissioned, pack.moved_at) == (5_000, True, False, 7)
    assert (pack.soh_bp, pack.nominal_wh, pack.soh_assessed_at) == (9_000, 10_000, 7)
    assert world.need(SLOTS, "ST-1|1").pack_id == "FP-1"
    assert world.need(PACK_CLASSES, "all").classes == ("C1",)
    back, cleared = events(act(world, BACK, actor=STAFF))
    assert (back.to_account, cleared.hold_id, cleared.second_person) == (
        "Packs:Bailment:OP-2",
        hold.hold_id,
        "OP-2",
    )
    assert world.need(SLOTS, "ST-1|1").pack_id == ""
    again = events(act(world, replace(TAKE, slot=""), actor=DEVICE, at=10))
    assert again[0].to_account == "Packs:Station:ST-1:Staged"
    assert not world.need(PACKS, "FP-1").proven


def test_the_energy_we_put_into_it_goes_with_it():
    world = small_town()
    act(world, TAKE, actor=DEVICE, at=9)
    world.put(PACKS, "FP-1", replace(world.need(PACKS, "FP-1"), energy_wh=800))
    back = events(act(world, BACK, actor=STAFF))[0]
    assert sums_of(back)["Energy:Pack:FP-1", "WH"] == -800
    assert world.need(PACKS, "FP-1").energy_wh == 0


def test_it_goes_back_from_the_floor_too():
    world = small_town()
    act(world, TAKE, actor=DEVICE, at=9)
    act(world, MovePack(pack_id="FP-1", event="pack_undocked", level=3), actor=DEVICE)
    assert events(act(world, BACK, actor=STAFF))[0].from_account == "Packs:Station:ST-1:Staged"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bailor_id": "OP-9"}, RefusalCode.PARTY_UNKNOWN),
        ({"bailor_id": "DR-1"}, RefusalCode.PARTY_ROLE_MISSING),
        ({"pack_id": "PK-1"}, RefusalCode.IDENTIFIER_TAKEN),
        ({"pack_id": "no id"}, RefusalCode.PACK_FIELD_INVALID),
        ({"nominal_wh": 0}, RefusalCode.PACK_FIELD_INVALID),
        ({"soh_bp": 10_001}, RefusalCode.PACK_FIELD_INVALID),
        ({"soc_bp": -1}, RefusalCode.PACK_FIELD_INVALID),
        ({"level": 2}, RefusalCode.EVIDENCE_TOO_LOW),
        ({"slot": "2"}, RefusalCode.SLOT_OCCUPIED),
        ({"slot": "9"}, RefusalCode.SLOT_UNKNOWN),
        ({"slot": "", "station_id": "ST-9"}, RefusalCode.STATION_UNKNOWN),
        ({"pack_class": "C2"}, RefusalCode.CLASS_MISMATCH),
    ],
)
def test_a_foreign_pack_that_cannot_be_taken_is_refused(changes, code):
    world = small_town()
    put_pack(world, "Packs:Station:ST-1:Slot:2", "PK-1")
    outcome = act(world, replace(TAKE, **changes), actor=DEVICE)
    assert isinstance(outcome, Refusal)
    assert outcome.code is code


@pytest.mark.parametrize(
    ("pack_id", "level", "code"),
    [
        ("FP-9", 2, RefusalCode.UNKNOWN_PACK),
        ("PK-1", 2, RefusalCode.WRONG_STATE),
        ("PK-2", 2, RefusalCode.WRONG_STATE),
        ("FP-1", 1, RefusalCode.EVIDENCE_TOO_LOW),
    ],
)
def test_nothing_else_is_handed_back_to_another_operator(pack_id, level, code):
    world = small_town()
    act(world, TAKE, actor=DEVICE)
    put_pack(world, "Packs:Station:ST-1:Slot:2", "PK-1")
    put_pack(world, "Packs:Driver:DR-1", "PK-2")
    outcome = act(world, replace(BACK, pack_id=pack_id, level=level), actor=STAFF)
    assert isinstance(outcome, Refusal)
    assert outcome.code is code
