"""Signed facts through the writer: enrolled packs and signed sessions, on both databases."""

from typing import Any

import pytest

from ledger.domain.attesting import RecordAttestation
from ledger.domain.bindings import BINDINGS, PACK_BMS, pack_at
from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.charging import EndChargingSession
from ledger.domain.identity import EnrolBmsKey, ReplaceBms
from ledger.domain.meter_keys import SIGNED_METERS, RegisterMeterKey
from ledger.domain.parties import RegisterParty
from ledger.domain.reassessing import ReassessMeterEvidence
from ledger.domain.stations import CommissionStation, RegisterMeter, RegisterSlot
from ledger.domain.takeover import TakeOverPack
from ledger.evidence import bms, ocmf
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.messages import Actor, Command, Receipt
from ledger.kernel.signed_facts import SIGNED_VALID, UNSIGNED, Attestation
from ledger.runtime.ledger import Ledger
from ledger.runtime.verify import verify
from ledger.store.queries import rows
from tests.support.ledgers import OPENED_AT, asking, new_ledger
from tests.support.meters import answer, payload, private_key, public_key, reading, record
from tests.support.stores import BOTH, new_database

PACK_KEYS = private_key("pack"), private_key("new pack")
METER_KEY = public_key(private_key("meter"))


@pytest.fixture(params=BOTH)
def ledger(request, tmp_path):
    with new_ledger(new_database(request.param, request, tmp_path)) as made:
        yield made


class Town:
    """One station with one pack; commands follow each other a minute apart."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.at = OPENED_AT

    def does(self, command: Command, role: str = "asset_manager") -> Receipt:
        self.at += MINUTE
        actor = Actor("P1", role, "P2")
        name = f"{type(command).__name__} {self.at}"
        receipt = self.ledger.execute(asking(command, name, actor=actor, at=self.at))
        assert receipt.refusal is None, receipt.refusal
        return receipt

    def build(self) -> None:
        for party_id, role in (("OP-1", "operator"), ("TH-1", "title_holder"), ("DE-1", "depot")):
            self.does(RegisterParty(party_id=party_id, party_roles=(role,), country="CN"))
        station: dict[str, Any] = {"station_id": "ST-1", "operator_id": "OP-1", "tier": "medium"}
        self.does(CommissionStation(**station, country="CN", zone="UTC"))
        self.does(RegisterMeter(meter_id="MT-1", station_id="ST-1"))
        self.does(RegisterSlot(station_id="ST-1", slot="1", pack_class="C1", meter_id="MT-1"))
        pack: dict[str, Any] = {"pack_class": "C1", "nominal_wh": 50_000, "soh_bp": 10_000}
        place = "Packs:Station:ST-1:Slot:1"
        self.does(TakeOverPack(pack_id="PK-1", account=place, title_holder_id="TH-1", **pack))

    def shown(self, number: int, seq: int) -> Attestation:
        given = bms.Challenge(bytes(16), self.at)
        key = public_key(PACK_KEYS[number])
        return bms.verify(answer(PACK_KEYS[number], seq=seq), given, key, self.at)


def test_a_pack_is_enrolled_attested_and_given_another_system(ledger):
    town = Town(ledger)
    town.build()
    first, second = (public_key(key) for key in PACK_KEYS)
    enrol: dict[str, Any] = {"pack_id": "PK-1", "serial": "BMS-1"}
    town.does(EnrolBmsKey(**enrol, public_key=first.text, attestation=town.shown(0, 1)), "engineer")
    enrolled_at = town.at
    seen = RecordAttestation(
        serial="BMS-1",
        attestation=town.shown(0, 2),
        occurred_at=town.at,
        public_key=first.text,
        station_id="ST-1",
    )
    assert town.does(seen, "station").count == 1
    replaced = ReplaceBms(
        **enrol, public_key=second.text, attestation=town.shown(1, 1), reason="burnt"
    )
    town.does(replaced, "workshop")
    with ledger.reading() as reads:
        row = rows.one(reads.tx, reads.name.log_id, BINDINGS, f"BMS_KEY|{first.text}")
        now = rows.one(reads.tx, reads.name.log_id, PACK_BMS, "PK-1")
        assert pack_at(row, enrolled_at, reads.size) == "PK-1"
        assert pack_at(row, town.at, reads.size) == ""
        assert now is not None
        assert (now.key_id, now.seen) == (second.key_id, ())
        verify(reads, deep=True)


def test_a_session_is_judged_when_it_ends_and_again_when_the_key_is_known(ledger):
    town = Town(ledger)
    town.build()
    begun = town.at + MINUTE
    town.does(
        StartChargingSession(
            session_id="CS-1",
            pack_id="PK-1",
            station_id="ST-1",
            slot="1",
            started_at=begun,
            register_import_wh=0,
        ),
        "station",
    )
    raw = record(payload([reading("B", 100.0), reading("E", 110.5, "13:00:00")]))
    ended_at = begun + HOUR
    town.at = ended_at
    session = ocmf.Session(ended_at, 10_500)
    ended = town.does(
        EndChargingSession(
            session_id="CS-1",
            ended_at=ended_at,
            register_import_wh=10_500,
            meter_evidence=ocmf.verify((raw,), None, session),
        ),
        "station",
    )
    town.does(
        RegisterMeterKey(
            meter_id="MT-1",
            maker="MAKER",
            model="MODEL",
            serial="M-1",
            public_key=METER_KEY.text,
            calibrated_until=ended_at + HOUR,
            valid_from=begun,
        )
    )
    meter = ocmf.Meter("M-1", (ocmf.MeterKey(METER_KEY, begun),), "MODEL")
    again = ReassessMeterEvidence(
        session_id="CS-1", meter_evidence=ocmf.verify((raw,), meter, session)
    )
    later = town.does(again, "system")
    with ledger.reading() as reads:
        first, second = reads.entry(ended.first), reads.entry(later.first)
        assert (first.event.billing_class, second.event.billing_class) == (UNSIGNED, SIGNED_VALID)
        assert second.envelope.causes == (ended.first,)
        row = rows.one(reads.tx, reads.name.log_id, SIGNED_METERS, "MT-1")
        assert row is not None
        assert row.registers.import_wh == 110_500
        verify(reads, deep=True)
