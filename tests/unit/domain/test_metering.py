import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.metering import (
    Ends,
    Flow,
    Registers,
    ends_after,
    is_plausible,
    overlaps,
    register_faults,
    session_lines,
    tolerance_wh,
    unusable,
)
from ledger.kernel.instants import HOUR
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import RefusalCode

spans = st.tuples(st.integers(1, 12), st.integers(0, 4)).map(lambda one: (one[0], one[0] + one[1]))


@given(st.lists(spans, max_size=12))
def test_remembering_three_numbers_finds_the_same_overlaps_as_comparing_with_all(sessions):
    accepted: list[tuple[int, int]] = []
    busy = Ends()
    for begin, end in sorted(sessions, key=lambda one: (one[1], one[0])):
        expected = any(
            begin < other_end and other_begin < end for other_begin, other_end in accepted
        )
        assert overlaps(busy, begin, end) == expected
        if not expected:
            accepted.append((begin, end))
            busy = ends_after(busy, begin, end)


@given(st.lists(spans, max_size=8), spans)
def test_a_session_out_of_the_order_of_ends_is_never_taken_for_free(sessions, late):
    busy = Ends()
    for begin, end in sessions:
        busy = ends_after(busy, begin, end)
    if any(end > late[1] for _, end in sessions):
        assert overlaps(busy, *late)


def test_what_is_remembered_of_ends():
    busy = ends_after(Ends(), 10, 20)
    assert busy == (20, False, 0)
    assert ends_after(busy, 20, 20) == (20, False, 0)
    assert ends_after(ends_after(busy, 30, 30), 30, 30) == (30, True, 20)
    assert ends_after(ends_after(busy, 30, 30), 20, 30) == (30, False, 20)
    assert ends_after(Ends(30, busy_point=True, busy_before=5), 6, 9) == (30, True, 9)


@pytest.mark.parametrize(
    ("begin", "end", "energy", "reason"),
    [
        (0, None, None, "OPEN"),
        (0, HOUR, None, "NO_ENERGY"),
        (HOUR, 0, -1, "NEGATIVE_ENERGY"),
        (HOUR, 0, 999_999, "END_BEFORE_START"),
        (0, HOUR, 150_001, "ENERGY_OVER_LIMIT"),
        (0, HOUR // 10, 40_001, "POWER_OVER_LIMIT"),
        (0, HOUR // 10, 40_000, ""),
        (0, HOUR, 150_000, ""),
        (7, 7, 400, ""),
        (7, 7, 0, ""),
    ],
)
def test_a_reported_session_is_unusable_for_the_first_reason_that_applies(
    begin, end, energy, reason
):
    assert unusable(begin, end, energy) == reason


@given(st.integers(0, 500_000), st.integers(0, 10_000))
def test_the_tolerance_is_rounded_up_from_the_exact_root(nominal_wh, soh_bp):
    # t = ceil(sqrt(2) * x) with x = product / 10^8, told with integers: (t-1)^2 < 2x^2 <= t^2
    product, unit = 150 * nominal_wh * soh_bp, 10**8
    tolerance = tolerance_wh(nominal_wh, soh_bp)
    assert 2 * product**2 <= (tolerance * unit) ** 2
    assert tolerance == 0 or ((tolerance - 1) * unit) ** 2 < 2 * product**2
    assert math.isclose(tolerance, math.sqrt(2) * product / unit, abs_tol=1.0)


@pytest.mark.parametrize(
    ("flow", "rise", "plausible"),
    [
        (Flow(10_000, 0, 10_100), 1_000, True),  # tolerance 100 above all that went in
        (Flow(10_000, 0, 10_101), 1_000, False),
        (Flow(10_000, 0, 8_400), 1_000, True),  # and 100 below 85 %
        (Flow(10_000, 0, 8_399), 1_000, False),
        (Flow(10_000, 0, 0), 499, True),  # too small a change to judge
        (Flow(0, 8_400, -10_000), -1_000, True),  # out of the pack, the other way round
        (Flow(0, 8_399, -10_000), -1_000, False),
        (Flow(5_000, 9_000, 0), 1_000, True),  # both ways: not told apart
    ],
)
def test_a_session_is_plausible_inside_the_band_of_efficiency(flow, rise, plausible):
    assert is_plausible(flow, rise, 100) is plausible


@pytest.mark.parametrize(
    ("now", "before", "code"),
    [
        (Registers(9), Registers(10), RefusalCode.REGISTER_BACKWARDS),
        (Registers(9, 1), Registers(9, 2), RefusalCode.REGISTER_BACKWARDS),
        (Registers(-1), Registers(-1), RefusalCode.ENERGY_NEGATIVE),
        (Registers(2**53), Registers(0), RefusalCode.ENERGY_LIMIT),
    ],
)
def test_registers_only_grow_and_stay_in_range(now, before, code):
    assert register_faults(now, before) == [code]
    assert register_faults(Registers(10, 2), Registers(10, 2)) == []


@pytest.mark.parametrize(
    ("flow", "lines"),
    [
        (Flow(100, 0, 90), {"Grid": -100, "Pack": 90, "Losses:Charging": 10}),
        (Flow(0, 80, -90), {"Export": 80, "Pack": -90, "Losses:Discharging": 10}),
        (Flow(100, 80, 5), {"Grid": -100, "Export": 80, "Pack": 5, "Losses:Charging": 15}),
        (Flow(100, 0, 104), {"Grid": -100, "Pack": 104, "Losses:Charging": -4}),
        (Flow(70, 0, 70), {"Grid": -70, "Pack": 70}),
        (Flow(0, 0, 0), {}),
    ],
)
def test_what_is_neither_in_the_pack_nor_in_the_grid_was_lost(flow, lines):
    postings = session_lines(flow, pack_id="PK-1", meter_id="M-1", station_id="ST-1")
    check_zero(postings)
    assert {
        line.account.removeprefix("Energy:").rpartition(":")[0]: line.quantity for line in postings
    } == lines
