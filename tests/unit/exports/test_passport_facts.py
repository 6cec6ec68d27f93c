"""Facts of passports: what a facts file may tell, and what the ledger knows by itself."""

from decimal import Decimal
from typing import Any

import pytest

from ledger.domain.assets import IncomingVerificationPassed, PackCommissioned, PackOrdered
from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.domain.health import SohAssessed
from ledger.domain.holds import HoldPlaced
from ledger.domain.identity import IdentityBound, IdentityUnbound
from ledger.domain.measuring import CycleCountRecorded
from ledger.domain.moves import HandedToRecycler, SecondLifeDeployed, SecondLifeEnded
from ledger.domain.takeover import PackTakenOver
from ledger.exports._passport_facts import parse_facts
from ledger.exports._passport_life import known, life_of, passport_urn
from ledger.exports._passport_values import Incident, Measured
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import DAY, HOUR, as_text
from tests.support.facts import CATENA_X, INDIVIDUAL, MODEL, encoded, facts_file
from tests.support.lives import APRIL, CODE, LIFE, NEW_CODE, SOON, told

# Facts files ----------------------------------------------------------------------


def changed(clause: str, value: Any) -> dict[str, Any]:
    return facts_file(facts=MODEL | {clause: value})


@pytest.mark.parametrize(
    ("file", "field"),
    [
        (facts_file(version=0), "version"),
        (facts_file(source=""), "source"),
        (facts_file(colour="red"), ""),
        (changed("6.9.9", 1), "facts.6.9.9"),
        (changed("6.1.3.7", "Original"), "facts.6.1.3.7"),
        (changed("6.7.7.2", 1), "facts.6.7.7.2"),
        (changed("6.7.3.3", INDIVIDUAL["6.7.3.3"]), "facts.6.7.3.3"),
        (changed("6.1.3.6", "heavy"), "facts.6.1.3.6"),
        (changed("6.1.3.6", 10**16), "facts.6.1.3.6"),
        (changed("6.1.3.6", -1), "facts.6.1.3.6"),
        (changed("6.6.2.11", 100.5), "facts.6.6.2.11"),
        (facts_file(facts=MODEL | {"6.6.2.3": 60, "6.6.2.7": 41}), "facts.6.6.2.7"),
        (changed("6.7.7.3", -101), "facts.6.7.7.3"),
        (changed("6.2.7", {"url": "https://x.example/\n"}), "facts.6.2.7.url"),
        (changed("6.2.7", {"url": "https://x.example/%zz"}), "facts.6.2.7.url"),
        (changed("6.7.3.4", {"value": 1, "at": "2024-02-30T12:00:00Z"}), "facts.6.7.3.4.at"),
        (changed("6.7.3.4", {"value": 1, "at": "20240404T120000Z"}), "facts.6.7.3.4.at"),
        (facts_file(packs={LIFE: {"6.1.3.2": "2023-02-29"}}), f"packs.{LIFE}.6.1.3.2"),
        (facts_file(catena_x=CATENA_X | {"expires_on": "2034-02-30"}), "catena_x.expires_on"),
        (changed("6.1.3.5", "car"), "facts.6.1.3.5"),
        (changed("6.2.7", {"url": "file:///etc/passwd"}), "facts.6.2.7.url"),
        (changed("6.2.7", {"url": "https://x.example/a b"}), "facts.6.2.7.url"),
        (changed("6.1.2.3", MODEL["6.1.2.3"] | {"bpnl": "BPNL1"}), "facts.6.1.2.3.bpnl"),
        (changed("6.5.4", [MODEL["6.5.4"][0] | {"cas": "7439-93-2 "}]), "facts.6.5.4[0].cas"),
        (changed("6.5.4", [MODEL["6.5.4"][0] | {"percent": 1e300}]), "facts.6.5.4[0].percent"),
        (changed("6.7.3.4", {"value": 1, "at": "yesterday"}), "facts.6.7.3.4.at"),
        (changed("6.7.3.4", {"value": 1, "at": "2024-04-04T12:00:00"}), "facts.6.7.3.4.at"),
        (facts_file(packs={LIFE: {"6.1.3.2": "2024-13"}}), f"packs.{LIFE}.6.1.3.2"),
        (facts_file(packs={LIFE: {"6.7.6.4": 312}}), f"packs.{LIFE}.6.7.6.4"),
        (facts_file(catena_x=CATENA_X | {"codes": []}), "catena_x.codes"),
        (
            facts_file(catena_x=CATENA_X | {"depth_of_discharge_percent": 1e99}),
            "catena_x.depth_of_discharge_percent",
        ),
    ],
)
def test_a_facts_file_that_breaks_a_rule_is_refused_by_member_and_rule(file, field):
    with pytest.raises(Malformed) as caught:
        parse_facts(encoded(file), "facts.json")
    assert caught.value.field == field
    assert caught.value.rule


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff", b"null", b'{"pack_class":"A"}', b"[" * 5_000, b" " * 1_048_577],
)
def test_bytes_that_are_no_facts_file_are_refused(data):
    with pytest.raises(Malformed):
        parse_facts(data)


# What the ledger knows --------------------------------------------------------------


def session(stored_wh: int) -> ChargeSessionEnded:
    return ChargeSessionEnded(
        session_id="CS-1",
        pack_id="PK-1",
        pack_class="C1",
        station_id="ST-1",
        slot="1",
        meter_id="M-1",
        started_at=APRIL,
        ended_at=APRIL + HOUR,
        energy_in_wh=stored_wh + 100,
        stored_wh_delta=stored_wh,
        stored_basis="SOC",
        end_reason="Local",
        level=3,
        soc_end_bp=9_050,
    )


ORDERED = PackOrdered(
    pack_id="PK-1",
    account="Packs:Supplier:SV-1",
    pack_class="C1",
    nominal_wh=75_000,
    po_no="1",
    line=1,
)
TAKEN_OVER = PackTakenOver(
    pack_id="PK-1",
    account="Packs:Driver:DR-1",
    pack_class="C1",
    nominal_wh=75_000,
    soh_bp=9_500,
    title_holder_id="MG",
    serial="S-1",
)
COMMISSIONED = PackCommissioned(
    pack_id="PK-1", soh_bp=10_000, min_soh_bp=7_000, title_holder_id="MG", warranty_until=SOON
)
MOVE: dict[str, Any] = {
    "pack_id": "PK-1",
    "from_account": "Packs:Depot:DE-1:Stored",
    "to_account": "Packs:SecondLife:SV-1",
    "pack_class": "C1",
    "level": 2,
}
LEG: dict[str, Any] = {
    "pack_id": "PK-1",
    "station_id": "ST-1",
    "driver_id": "DR-1",
    "pack_class": "C1",
    "level": 3,
    "from_account": "Packs:Station:ST-1:Slot:1",
    "to_account": "Packs:Driver:DR-1",
}


def bound(kind: str, value: str) -> IdentityBound:
    return IdentityBound(pack_id="PK-1", binding_type=kind, value=value)


def test_full_cycles_are_those_counted_last():
    assert "6.7.6.4" not in facts_of(ORDERED)
    counted = [CycleCountRecorded(pack_id="PK-1", cycles=number) for number in (311, 312)]
    cycles = facts_of(ORDERED, *counted)["6.7.6.4"]
    assert (cycles.value, cycles.at) == (312, as_text(APRIL + 2 * DAY))


def facts_of(*events: Any, **told_facts: Any) -> dict[str, Any]:
    history = [told(event, position=n, at=APRIL + n * DAY) for n, event in enumerate(events)]
    return known(life_of(history), told_facts)


@pytest.mark.parametrize(
    ("events", "clause", "value"),
    [
        ([ORDERED], "6.1.2.2", None),
        ([TAKEN_OVER], "6.1.2.2", "S-1"),
        ([bound("GIAI", "G-1"), bound("SUPPLIER_SERIAL", "MG/7")], "6.1.2.2", "MG/7"),
        ([bound("GBT_CODE", CODE), bound("GBT_CODE", NEW_CODE)], "6.1.2.2", NEW_CODE),
        (
            [
                bound("GIAI", "G-1"),
                IdentityUnbound(pack_id="PK-1", binding_type="GIAI", value="G-1"),
            ],
            "6.1.2.2",
            None,
        ),
        ([bound("GBT_CODE", CODE)], "6.1.3.2", "2011-03-01"),
        ([bound("GBT_CODE", "MG0PB0112345671300000042")], "6.1.3.2", "2011-03"),
        ([bound("GBT_CODE", "MG0PB011234567U310000042")], "6.1.3.2", None),
        ([bound("GBT_CODE", "no code")], "6.1.3.2", None),
        ([ORDERED, COMMISSIONED], "6.1.3.3", "2024-04-02"),
        ([TAKEN_OVER, COMMISSIONED], "6.1.3.3", None),
        ([ORDERED], "6.1.3.7", "Original"),
        ([SecondLifeDeployed(**MOVE), SecondLifeEnded(**MOVE)], "6.1.3.7", "Repurposed"),
        ([SecondLifeDeployed(**MOVE), HandedToRecycler(**MOVE)], "6.1.3.7", "Waste"),
        ([ORDERED], "6.7.2.6", None),
        (
            [TAKEN_OVER],
            "6.7.2.6",
            Measured(Decimal("71.250"), "2024-04-01T00:00:00Z"),
        ),
        ([ORDERED], "6.7.2.8", None),
        ([session(1)], "6.7.2.8", Measured(Decimal("90.50"), "2024-04-01T00:00:00Z")),
        (
            [
                ORDERED,
                COMMISSIONED,
                session(30_000),
                PackSwappedOut(**LEG, stored_wh=60_000),
                PackReturned(**LEG, stored_wh=20_500, presenter_id="DR-1"),
            ],
            "6.7.6.7",
            Measured(Decimal("69.500"), "2024-04-05T00:00:00Z"),
        ),
        ([TAKEN_OVER, session(30_000)], "6.7.6.7", None),
        (
            [
                HoldPlaced(
                    hold_id="H",
                    pack_id="PK-1",
                    reason="THERMAL_ALARM",
                    severity=3,
                    scopes=(),
                    placed_by="ST-1",
                )
            ],
            "6.7.8.4",
            (Incident("thermal alarm", "2024-04-01T00:00:00Z"),),
        ),
        ([], "6.7.8.4", ()),
    ],
)
def test_the_ledger_tells_what_happened_and_nothing_else(events, clause, value):
    assert facts_of(*events).get(clause) == value


def test_capacity_is_compared_with_its_begin_or_with_the_rated_one():
    test = IncomingVerificationPassed(**MOVE, report_sha256="ab" * 32, capacity_mah=200_000)
    later = SohAssessed(
        pack_id="PK-1", soh_bp=9_000, method="full-capacity-test", capacity_mah=181_235
    )
    at = "2024-04-02T00:00:00Z"
    measured_one = facts_of(test, later, **{"6.7.2.2": Decimal(205)})
    assert measured_one["6.7.2.3"] == Measured(Decimal("181.235"), at)
    assert measured_one["6.7.2.4"] == Measured(Decimal("9.38"), at)
    rated = facts_of(ORDERED, later, **{"6.7.2.2": Decimal("205.2")})
    assert rated["6.7.2.4"] == Measured(Decimal("11.68"), at)
    assert "6.7.2.4" not in facts_of(ORDERED, later)
    better = SohAssessed(pack_id="PK-1", soh_bp=10_000, method="model", capacity_mah=201_000)
    assert facts_of(test, better)["6.7.2.4"].value == Decimal("-0.50"), "above its begin, not cut"


def test_certified_energy_gives_the_share_of_it():
    share = facts_of(TAKEN_OVER, **{"6.7.2.5": Decimal("74.5")})["6.7.2.7"]
    assert share == Measured(Decimal("95.64"), "2024-04-01T00:00:00Z")
    assert "6.7.2.7" not in facts_of(TAKEN_OVER, **{"6.7.2.5": Decimal(0)})


# Identifiers ----------------------------------------------------------------------


def test_two_packs_never_share_a_passport():
    ids = ["PK-1", "PK1", "Pk1", "PKU0", "PK-", "PKu", "PKU", "PKUU", "PKU1A", "PKa", "01HZX3V9"]
    urns = {passport_urn(pack_id, number) for pack_id in ids for number in (1, 11)}
    assert len(urns) == 2 * len(ids)
    assert all(urn.removeprefix("urn:mobilegrid:").isalnum() for urn in urns)
    for number in (0, 100):
        with pytest.raises(Malformed, match="number"):
            passport_urn("PK-1", number)
