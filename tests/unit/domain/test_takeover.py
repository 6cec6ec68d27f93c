from typing import Any

import pytest

from ledger.domain.cases import CASES, Case
from ledger.domain.custody import DRIVER_PACKS, PACKS, Pack
from ledger.domain.stations import SLOTS
from ledger.domain.takeover import TakeOverPack, postings
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, small_town

FIELDS: dict[str, Any] = {
    "pack_id": "PK-1",
    "account": "Packs:Driver:DR-1",
    "pack_class": "C1",
    "nominal_wh": 72_600,
    "soh_bp": 10_000,
    "title_holder_id": "TH-1",
}


def balances(event: Any) -> dict[str, int]:
    return {line.account: line.quantity for line in postings(event)}


def test_a_pack_of_the_existing_fleet_comes_into_the_books_with_its_title():
    world = small_town()
    (event,) = events(act(world, TakeOverPack(**FIELDS, occurred_at=7)))
    assert balances(event) == {
        "Packs:Driver:DR-1": 1,
        "Packs:Acquired": -1,
        "Title:Holder:TH-1": 1,
        "Title:Issued": -1,
    }
    assert world.need(PACKS, "PK-1") == Pack(
        "PK-1",
        "Packs:Driver:DR-1",
        "C1",
        72_600,
        10_000,
        commissioned=True,
        soh_assessed_at=7,
        moved_at=7,
        title_holder_id="TH-1",
        verified=True,
        proven=True,
    )
    assert world.need(DRIVER_PACKS, "DR-1|C1").held == 1


@pytest.mark.parametrize(
    ("account", "inside"),
    [
        ("Packs:Station:ST-1:Slot:1", "Energy:Pack:PK-1"),
        ("Packs:Driver:DR-1", "Energy:Driver:DR-1"),
    ],
)
def test_the_energy_found_inside_is_opened_where_the_pack_is(account, inside):
    world = small_town()
    command = TakeOverPack(**FIELDS | {"account": account}, soc_bp=5_000)
    (event,) = events(act(world, command))
    opened = {name: wh for name, wh in balances(event).items() if name.startswith("Energy")}
    assert opened == {inside: 36_300, "Energy:Revaluation": -36_300}
    assert world.need(PACKS, "PK-1").energy_wh == 36_300


def test_a_pack_taken_over_in_a_slot_occupies_it_and_in_suspense_explains_itself_by_a_case():
    world = small_town()
    act(world, TakeOverPack(**FIELDS | {"account": "Packs:Station:ST-1:Slot:1"}))
    assert world.need(SLOTS, "ST-1|1").pack_id == "PK-1"
    world.put(CASES, "CA-1", Case("CA-1", "LOSS", 0))
    act(world, TakeOverPack(**FIELDS | {"account": "Packs:Missing:CA-1", "pack_id": "PK-2"}))
    assert world.need(CASES, "CA-1").suspended_pack_id == "PK-2"


@pytest.mark.parametrize(
    "account",
    [
        "Packs:Supplier:SV-1",
        "Packs:Carrier:CR-1:Inbound:ASN-1",
        "Packs:Depot:DE-1:Received",
        "Packs:Depot:DE-1:Stored",
        "Packs:Station:ST-1:Staged",
        "Packs:Carrier:CR-1:Order:TO-1",
        "Packs:Workshop:WS-1",
        "Packs:SecondLife:SV-1",
        "Packs:Recycler:SV-1",
    ],
)
def test_a_fleet_can_be_taken_over_wherever_its_packs_are(account):
    world = small_town()
    act(world, TakeOverPack(**FIELDS | {"account": account}))
    assert world.need(PACKS, "PK-1").account == account


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"title_holder_id": "TH-9"}, RefusalCode.PARTY_UNKNOWN),
        ({"title_holder_id": "DR-1"}, RefusalCode.PARTY_ROLE_MISSING),
        ({"account": "Packs:Driver:DR-9"}, RefusalCode.PARTY_UNKNOWN),
        ({"account": "Packs:Workshop:DR-1"}, RefusalCode.PARTY_ROLE_MISSING),
        ({"account": "Packs:Station:ST-9:Slot:1"}, RefusalCode.STATION_UNKNOWN),
        ({"account": "Packs:Station:ST-9:Staged"}, RefusalCode.STATION_UNKNOWN),
        ({"account": "Packs:Station:ST-1:Slot:9"}, RefusalCode.SLOT_UNKNOWN),
        ({"pack_id": "PK-0"}, RefusalCode.IDENTIFIER_TAKEN),
        ({"account": "Packs:Station:ST-1:Slot:2"}, RefusalCode.SLOT_OCCUPIED),
        ({"account": "Packs:Station:ST-1:Slot:1", "pack_class": "C2"}, RefusalCode.CLASS_MISMATCH),
        ({"account": "Packs:Suspense:CA-9"}, RefusalCode.CASE_UNKNOWN),
        ({"account": "Packs:Moon:M-1"}, RefusalCode.PACK_FIELD_INVALID),
        ({"account": "Packs:Ended:Recycled"}, RefusalCode.PACK_FIELD_INVALID),
        ({"account": "Packs:Acquired"}, RefusalCode.PACK_FIELD_INVALID),
        ({"account": "Packs:Bailment:OP-1"}, RefusalCode.PACK_FIELD_INVALID),
        ({"pack_id": "PK:1"}, RefusalCode.PACK_FIELD_INVALID),
        ({"pack_class": ""}, RefusalCode.PACK_FIELD_INVALID),
        ({"nominal_wh": 0}, RefusalCode.PACK_FIELD_INVALID),
        ({"soh_bp": 10_001}, RefusalCode.PACK_FIELD_INVALID),
        ({"min_soh_bp": -1}, RefusalCode.PACK_FIELD_INVALID),
        ({"soc_bp": 10_001}, RefusalCode.PACK_FIELD_INVALID),
    ],
)
def test_a_pack_that_cannot_be_there_is_not_taken_over(fields, code):
    world = small_town()
    put_pack(world, "Packs:Station:ST-1:Slot:2", "PK-0")
    outcome = act(world, TakeOverPack(**FIELDS | fields))
    assert isinstance(outcome, Refusal)
    assert outcome.code == code


def test_opening_stock_needs_two_persons():
    outcome = act(small_town(), TakeOverPack(**FIELDS), actor=Actor("P1", "asset_manager"))
    assert isinstance(outcome, Refusal)
    assert outcome.code == RefusalCode.SECOND_PERSON_REQUIRED
