"""Level 5 rests on an answer that the pack itself gave."""

from ledger.domain.custody import PACKS
from ledger.domain.moves import MovePack
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.attested import attest
from tests.support.rules import act, events, put_pack, small_town

STATION = Actor("ST-1", "station")
DOCK = MovePack(
    pack_id="PK-1", event="pack_docked", level=5, station_id="ST-1", slot="1", occurred_at=HOUR
)


def town():
    world = small_town()
    put_pack(world, "Packs:Station:ST-1:Staged", proven=False)
    return world


def test_a_pack_that_answered_is_docked_by_one_person_for_the_first_time():
    world = town()
    shown = attest(world, at=HOUR)
    command = MovePack(
        pack_id="PK-1",
        event="pack_docked",
        level=5,
        station_id="ST-1",
        slot="1",
        attestation_sha256=shown,
        occurred_at=HOUR,
    )
    (event,) = events(act(world, command, actor=STATION))
    assert (event.level, event.attestation_sha256) == (5, shown)
    assert world.need(PACKS, "PK-1").proven


def test_a_claim_of_level_5_without_an_answer_of_the_pack_is_worth_level_4():
    world = town()
    outcome = act(world, DOCK, actor=STATION)
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.IDENTITY_NOT_PROVEN
    put_pack(world, "Packs:Station:ST-1:Staged", proven=True)
    (event,) = events(act(world, DOCK, actor=STATION))
    assert (event.level, event.attestation_sha256) == (4, "")
