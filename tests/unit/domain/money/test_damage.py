import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.domain.money.damage import Assessment, Damage, Stay, Wear, damage
from ledger.kernel.instants import DAY
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.usage import MAY

BEFORE = Assessment(position=11, assessed_at=MAY, soh_bp=9_800, half_width_bp=30, level=3)
AFTER = Assessment(position=99, assessed_at=MAY + 61 * DAY, soh_bp=9_500, half_width_bp=40, level=2)
STAY = Stay(MAY + DAY, MAY + 61 * DAY, 2_000_000)


@pytest.mark.parametrize(
    ("wear", "allowed", "billed"),
    [
        (Wear(), 0, 250),
        (Wear(allowed_bp=10), 10, 240),
        (Wear(per_30_days_bp=25), 50, 200),
        (Wear(per_mwh_bp=20), 40, 210),
        (Wear(allowed_bp=10, per_30_days_bp=25, per_mwh_bp=20), 100, 150),
        (Wear(allowed_bp=10, max_bp=100), 10, 100),
        (Wear(allowed_bp=300), 300, 0),
    ],
)
def test_what_is_surely_lost_beyond_what_is_allowed_is_billed(wear, allowed, billed):
    # the drop is 300; its interval is the root of 30 and 40 squared, 50, wide to each side
    assert damage(BEFORE, AFTER, STAY, wear) == Damage(300, 250, allowed, billed, (11, 99))


def test_a_drop_within_the_width_of_the_measurements_costs_nothing():
    found = damage(BEFORE, replace(AFTER, soh_bp=9_751), STAY, Wear())
    assert isinstance(found, Damage)
    assert (found.drop_bp, found.sure_bp, found.billed_bp) == (49, 0, 0)
    better = damage(BEFORE, replace(AFTER, soh_bp=9_900), STAY, Wear())
    assert isinstance(better, Damage)
    assert (better.drop_bp, better.billed_bp) == (-100, 0)


def test_an_exact_measurement_has_no_width():
    exact = replace(BEFORE, half_width_bp=0), replace(AFTER, half_width_bp=0)
    found = damage(*exact, STAY, Wear())
    assert isinstance(found, Damage)
    assert found.sure_bp == 300


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (replace(BEFORE, level=1), AFTER, RefusalCode.EVIDENCE_TOO_WEAK),
        (BEFORE, replace(AFTER, level=1), RefusalCode.EVIDENCE_TOO_WEAK),
        (replace(BEFORE, assessed_at=STAY.begin_at + 1), AFTER, RefusalCode.TIME_UNUSABLE),
        (BEFORE, replace(AFTER, assessed_at=STAY.end_at - 1), RefusalCode.TIME_UNUSABLE),
    ],
)
def test_assessments_must_be_good_and_bracket_the_stay(before, after, code):
    found = damage(before, after, STAY, Wear())
    assert isinstance(found, Refusal)
    assert found.code is code


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 500), st.integers(0, 500))
def test_no_driver_pays_for_chance(soh_before, soh_after, width_before, width_after):
    found = damage(
        replace(BEFORE, soh_bp=soh_before, half_width_bp=width_before),
        replace(AFTER, soh_bp=soh_after, half_width_bp=width_after),
        STAY,
        Wear(),
    )
    assert isinstance(found, Damage)
    assert 0 <= found.billed_bp <= max(found.drop_bp - max(width_before, width_after), 0)
    if found.billed_bp:
        assert (found.drop_bp - found.billed_bp) ** 2 >= width_before**2 + width_after**2
