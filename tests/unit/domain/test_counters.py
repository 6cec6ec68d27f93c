"""Counters of management systems: they go on, begin anew with another system, and are summed."""

from decimal import Decimal
from typing import Any

import pytest

from ledger.domain.counters import (
    PACK_COUNTERS,
    SYSTEMS_MAX,
    CountersRecorded,
    Counts,
    PackCounters,
    RecordCounters,
)
from ledger.domain.identity import IdentityBound
from ledger.domain.world import World
from ledger.exports._passport_life import known, life_of
from ledger.kernel.instants import DAY, as_text
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.lives import APRIL, told
from tests.support.rules import act, events, put_pack, small_town, sums_of

DEPOT = "Packs:Depot:DE-1:Stored"


def read(serial: str = "BMS-1", **counts: Any) -> RecordCounters:
    return RecordCounters(pack_id="PK-1", serial=serial, counts=Counts(**counts))


def town() -> World:
    world = small_town()
    put_pack(world, DEPOT)
    return world


def code_of(outcome: Any) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_a_reading_keeps_what_was_read_and_leaves_the_rest():
    world = town()
    (event,) = events(act(world, read(charge_mah=1_000, hot_min=5)))
    assert event == CountersRecorded(
        pack_id="PK-1", serial="BMS-1", counts=Counts(charge_mah=1_000, hot_min=5)
    )
    events(act(world, read(charge_mah=2_000, deep_discharges=0)))
    row = world.need(PACK_COUNTERS, "PK-1")
    assert row.counts == {"BMS-1": Counts(charge_mah=2_000, hot_min=5, deep_discharges=0)}
    assert events(act(world, read(charge_mah=2_000))) == []
    assert sums_of(event) == {}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (RecordCounters(pack_id="PK-9", serial="B", counts=Counts(hot_min=1)), "UNKNOWN_PACK"),
        (read(), "PACK_FIELD_INVALID"),
        (read("", hot_min=1), "PACK_FIELD_INVALID"),
        (read("x" * 51, hot_min=1), "PACK_FIELD_INVALID"),
        (read("a\nb", hot_min=1), "PACK_FIELD_INVALID"),
        (read(hot_min=-1), "PACK_FIELD_INVALID"),
        (read(hot_min=QUANTITY_MAX + 1), "PACK_FIELD_INVALID"),
        (read(charge_mah=999, hot_min=9), "COUNTER_BACKWARDS"),
    ],
)
def test_a_reading_that_cannot_be_is_refused(command, code):
    world = town()
    act(world, read(charge_mah=1_000))
    assert code_of(act(world, command)).name == code


def test_another_system_begins_anew_and_there_are_not_endlessly_many():
    world = town()
    act(world, read(charge_mah=1_000))
    assert events(act(world, read("BMS-2", charge_mah=1)))
    full = {f"B-{number}": Counts(hot_min=1) for number in range(SYSTEMS_MAX)}
    world.put(PACK_COUNTERS, "PK-1", PackCounters("PK-1", full))
    assert code_of(act(world, read(charge_mah=1))) is RefusalCode.PACK_FIELD_INVALID
    assert events(act(world, read("B-3", charge_mah=1)))


# In the passport ------------------------------------------------------------------------------


def facts(*said: Any) -> dict[str, Any]:
    history = [told(one, position=n, at=APRIL + n * DAY) for n, one in enumerate(said)]
    return known(life_of(history), {})


def counted(serial: str = "BMS-1", **counts: Any) -> CountersRecorded:
    return CountersRecorded(pack_id="PK-1", serial=serial, counts=Counts(**counts))


def bound(serial: str) -> IdentityBound:
    return IdentityBound(pack_id="PK-1", binding_type="BMS_SERIAL", value=serial)


def test_a_passport_tells_what_was_counted_and_nothing_that_was_not():
    found = facts(bound("BMS-1"), counted(charge_mah=1_234_567, hot_min=61, deep_discharges=2))
    assert (found["6.7.6.8"].value, found["6.7.6.8"].at) == (
        Decimal("1234.567"),
        as_text(APRIL + DAY),
    )
    assert (found["6.7.7.5"].value, found["6.7.8.2"].value) == (Decimal(61), Decimal(2))
    assert not {"6.7.7.6", "6.7.7.7", "6.7.7.8", "6.7.8.3"} & set(found)


def test_counts_are_summed_over_the_systems_that_a_pack_had():
    first = counted(overcharges=1, cold_min=10)
    again = counted(overcharges=2)
    second = counted("BMS-2", overcharges=1, cold_charging_min=3, hot_charging_min=0)
    found = facts(bound("BMS-1"), first, again, bound("BMS-2"), second)
    assert found["6.7.8.3"].value == Decimal(3)
    assert found["6.7.8.3"].at == as_text(APRIL + 4 * DAY)
    assert "6.7.7.6" not in found  # the second system was not asked


def test_a_system_that_was_never_read_leaves_the_sum_unknown():
    found = facts(bound("BMS-1"), bound("BMS-2"), counted("BMS-2", hot_min=7))
    assert "6.7.7.5" not in found
    assert "6.7.7.5" not in facts(bound("BMS-1"))
