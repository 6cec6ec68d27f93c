"""The fold of custody handbook 10.2, one row after the other."""

from typing import Any

import pytest

from ledger.domain.derive import derive
from ledger.domain.observations import ABSENT, IN, OUT, PRESENT, SCAN, Observation

SLOT, OTHER, AWAY = (
    "Packs:Station:ST-1:Slot:1",
    "Packs:Station:ST-1:Slot:2",
    "Packs:Station:ST-2:Slot:1",
)
STAGED, DEPOT, DRIVER = "Packs:Station:ST-1:Staged", "Packs:Depot:DE-1:Stored", "Packs:Driver:DR-1"
ORDERED, ENDED = "Packs:Supplier:SV-1", "Packs:Ended:Recycled"
ABROAD = "Packs:Bailment:OP-2"
SUSPENSE, WORKSHOP = "Packs:Suspense:CA-1", "Packs:Workshop:WS-1"
INFERRED = ["leg_inferred", "leg_confirmed"]


def seen(kind: str, place: str, seq: int = 1, **fields: Any) -> Observation:
    source = fields.pop("source", place.split(":")[2])
    at = fields.pop("at", seq * 100)
    return Observation(source, "B1", seq, kind, place, "PK-1", at, **fields)


def found(base: str, *observations: Observation, **more: Any) -> tuple[list[str], list[str], str]:
    derived = derive("PK-1", base, observations, **more)
    for leg, following in zip(derived.legs, derived.legs[1:], strict=False):
        assert leg.to_account == following.from_account
    cases = sorted(one.case_type for one in derived.findings if one.is_open)
    account = derived.account
    if account.startswith("Packs:Suspense") and account != SUSPENSE:
        account = "suspense"
    return [leg.kind for leg in derived.legs], cases, account


@pytest.mark.parametrize(
    ("base", "one", "legs", "cases", "account"),
    [
        # an in leg at a slot
        (DRIVER, seen(IN, SLOT, driver_id="DR-1"), ["pack_returned"], [], SLOT),
        (DRIVER, seen(IN, SLOT), ["pack_returned"], [], SLOT),
        (DRIVER, seen(IN, STAGED, driver_id="DR-1"), ["pack_returned"], [], STAGED),
        (DRIVER, seen(IN, SLOT, driver_id="DR-2"), ["pack_returned"], ["PACK_MIXUP"], SLOT),
        (STAGED, seen(IN, SLOT), ["pack_docked"], [], SLOT),
        (STAGED, seen(IN, AWAY), INFERRED, ["MISSING_LEG"], AWAY),
        (SLOT, seen(IN, SLOT), [], [], SLOT),
        (OTHER, seen(IN, SLOT), INFERRED, ["MISSING_LEG"], SLOT),
        (DEPOT, seen(IN, SLOT), INFERRED, ["MISSING_LEG"], SLOT),
        (SUSPENSE, seen(IN, SLOT), ["leg_confirmed"], [], SLOT),
        # an out leg from a slot to a driver
        (SLOT, seen(OUT, SLOT, driver_id="DR-1"), ["pack_swapped_out"], [], DRIVER),
        (STAGED, seen(OUT, SLOT, driver_id="DR-1"), ["pack_swapped_out"], [], DRIVER),
        (DRIVER, seen(OUT, SLOT, driver_id="DR-1"), [], [], DRIVER),
        (DEPOT, seen(OUT, SLOT, driver_id="DR-1"), INFERRED, ["MISSING_LEG"], DRIVER),
        (SUSPENSE, seen(OUT, SLOT, driver_id="DR-1"), ["leg_confirmed"], [], DRIVER),
        (SLOT, seen(OUT, SLOT), ["leg_inferred"], ["UNIDENTIFIED_TAKER"], "suspense"),
        (SUSPENSE, seen(OUT, SLOT), [], [], SUSPENSE),
        # snapshots
        (SLOT, seen(PRESENT, SLOT), [], [], SLOT),
        (DRIVER, seen(PRESENT, SLOT), ["pack_returned"], [], SLOT),
        (OTHER, seen(PRESENT, SLOT), INFERRED, ["MISSING_LEG"], SLOT),
        (SLOT, seen(ABSENT, SLOT), ["slot_found_empty"], ["UNEXPLAINED_REMOVAL"], "suspense"),
        (OTHER, seen(ABSENT, SLOT), [], [], OTHER),
        # scans
        (DEPOT, seen(SCAN, DEPOT), [], [], DEPOT),
        (DRIVER, seen(SCAN, WORKSHOP), INFERRED, ["MISSING_LEG"], WORKSHOP),
        (SUSPENSE, seen(SCAN, DEPOT), ["leg_confirmed"], [], DEPOT),
        (DRIVER, seen(SCAN, DEPOT, verdict="INVALID"), [], ["COUNTERFEIT"], DRIVER),
        # not in service
        (ORDERED, seen(IN, SLOT), [], ["SIGHTED_OUT_OF_LIFE"], ORDERED),
        (ENDED, seen(OUT, SLOT, driver_id="DR-1"), [], ["SIGHTED_OUT_OF_LIFE"], ENDED),
        (ABROAD, seen(PRESENT, SLOT), [], ["SIGHTED_OUT_OF_LIFE"], ABROAD),
        (ENDED, seen(OUT, SLOT), [], ["SIGHTED_OUT_OF_LIFE"], ENDED),
        (ENDED, seen(SCAN, DEPOT), [], ["SIGHTED_OUT_OF_LIFE"], ENDED),
        # R7
        (DRIVER, seen(IN, SLOT, verdict="INVALID"), [], ["COUNTERFEIT"], DRIVER),
        (DRIVER, seen(IN, SLOT, verdict="VALID"), ["pack_returned"], [], SLOT),
    ],
)
def test_one_observation_makes_these_legs(base, one, legs, cases, account):
    assert found(base, one) == (legs, cases, account)


def test_where_packs_must_prove_themselves_a_silent_object_moves_nothing():
    silent, proven = seen(IN, SLOT), seen(IN, SLOT, verdict="VALID")
    assert found(DRIVER, silent, must_prove=True) == ([], ["COUNTERFEIT"], DRIVER)
    assert found(DRIVER, proven, must_prove=True) == (["pack_returned"], [], SLOT)
    listed = seen(PRESENT, SLOT)
    assert found(DRIVER, listed, must_prove=True) == ([], ["UNIDENTIFIED_OBJECT"], DRIVER)


def test_a_stranger_in_a_slot_is_listed_and_taken_out_without_the_pack():
    stranger = seen(IN, SLOT, 1, verdict="INVALID")
    legs, cases, account = found(DRIVER, stranger, seen(PRESENT, SLOT, 2))
    assert (legs, cases, account) == ([], ["COUNTERFEIT"], DRIVER)
    out = seen(OUT, SLOT, 3, driver_id="DR-2")
    assert found(DRIVER, stranger, out)[2] == DRIVER
    after = seen(IN, SLOT, 4, driver_id="DR-1", verdict="VALID")
    assert found(DRIVER, stranger, out, after)[2] == SLOT


def test_a_pack_that_was_gone_and_is_back_is_no_case_any_more():
    legs, cases, account = found(SLOT, seen(ABSENT, SLOT), seen(IN, SLOT, 2))
    assert (legs, cases, account) == (["slot_found_empty", "leg_confirmed"], [], SLOT)


def test_two_stations_that_both_have_it_are_a_dispute_until_evidence_decides():
    elsewhere = seen(IN, AWAY, 1, at=200)
    still = seen(PRESENT, SLOT, 2, at=300)
    legs, cases, account = found(SLOT, elsewhere, still)
    assert (legs, account) == (INFERRED + INFERRED, SLOT)
    assert cases == ["CUSTODY_DISPUTE", "MISSING_LEG", "MISSING_LEG"]
    proven = seen(IN, AWAY, 1, at=200, level=5)
    legs, cases, account = found(SLOT, proven, still)
    assert (legs, account) == (INFERRED, AWAY)
    gone = seen(ABSENT, SLOT, 1, at=250)
    assert "CUSTODY_DISPUTE" not in found(SLOT, elsewhere, gone, still)[1]


def test_an_order_that_is_uncertain_and_matters_is_a_case():
    out = seen(OUT, SLOT, 1, at=100, driver_id="DR-1", uncertainty_us=10)
    came = seen(IN, AWAY, 1, at=110, driver_id="DR-1", uncertainty_us=10)
    legs, cases, account = found(SLOT, out, came)
    assert (legs, cases) == (["pack_swapped_out", "pack_returned"], ["AMBIGUOUS_ORDER"])
    assert account == AWAY
    before = seen(IN, SLOT, 1, at=10, source="ST-0")
    assert found(DRIVER, before, out, came)[1] == ["AMBIGUOUS_ORDER"]
    assert found(SLOT, out, seen(IN, AWAY, 1, at=120, uncertainty_us=10))[1] == []
    # higher evidence comes last
    proven = seen(OUT, SLOT, 1, at=100, driver_id="DR-1", uncertainty_us=10, level=5)
    assert found(SLOT, proven, came)[2] == DRIVER
    # the same place by two witnesses: the order does not matter
    scan = seen(SCAN, SLOT, 1, source="P-1", at=105, uncertainty_us=10)
    assert found(SLOT, seen(PRESENT, SLOT, 1, at=100, uncertainty_us=10), scan)[1] == []


def test_a_case_names_the_driver_whose_count_it_explains():
    derived = derive("PK-1", DRIVER, [seen(SCAN, WORKSHOP)])
    (finding,) = derived.findings
    assert (finding.is_owed, finding.owes, finding.places) == ("DR-1", "", ("DR-1",))
    assert derived.open_ids() == {finding.case_id}
    (one, _) = derived.legs
    assert one.identity[:2] == ("leg_inferred", "")
    assert one.case_id == finding.case_id
