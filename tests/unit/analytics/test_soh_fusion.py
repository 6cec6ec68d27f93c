"""One assessment of several opinions: whom we trust, and when they contradict each other."""

import math

import pytest

from ledger.analytics.soh_filter import Estimate
from ledger.analytics.soh_fusion import Opinion, assess, of_filter, of_model, of_test
from ledger.analytics.soh_net import Answer
from ledger.kernel.errors import Malformed

FILTER = Opinion(0.90, 0.01, "partial-charge")


def test_a_full_test_outweighs_everything():
    found = assess(2.0, FILTER, Opinion(0.80, 0.001, "model"), of_test(1.7, 2.0))
    assert (found.soh_bp, found.method, found.capacity_mah) == (8500, "full-capacity-test", 1700)
    assert (found.lower_bp, found.upper_bp) == (8450, 8550)


def test_filter_and_model_that_agree_are_joined_by_their_certainty():
    found = assess(2.0, FILTER, Opinion(0.92, 0.02, "model"))
    assert found.soh_bp == 9040  # four parts of five are the filter's
    assert found.upper_bp - found.soh_bp == pytest.approx(1.96 * 0.01 / 1.25**0.5 * 1e4, abs=1)
    assert not found.is_disputed


@pytest.mark.parametrize(("model", "disputed"), [(0.942, False), (0.943, True), (0.857, True)])
def test_beyond_three_sigma_the_filter_stands_and_a_person_is_asked(model, disputed):
    found = assess(2.0, FILTER, Opinion(model, 0.01, "model"))
    assert found.is_disputed is disputed
    assert (found.soh_bp == 9000) is disputed


def test_a_model_beyond_its_training_never_raises_a_state_of_health():
    answer = Answer(0.93, 0.0196)
    far, near = of_model(answer, is_known=False), of_model(answer, is_known=True)
    assert far.sigma == pytest.approx(2 * near.sigma) == pytest.approx(0.02)
    assert assess(2.0, FILTER, far).soh_bp == 9000
    assert assess(2.0, FILTER, near).soh_bp > 9000
    lower = assess(2.0, FILTER, of_model(Answer(0.88, 0.0196), is_known=False))
    assert lower.soh_bp < 9000
    assert lower.flags == ("extrapolated",)


def test_one_opinion_stands_alone():
    found = assess(2.0, of_filter(Estimate(1.6, 0.02), 2.0, ("narrow_window",)))
    assert (found.soh_bp, found.method, found.flags) == (8000, "partial-charge", ("narrow_window",))
    assert (found.lower_bp, found.upper_bp) == (7804, 8196)
    assert assess(2.0, Opinion(0.5, 0.01, "model")).method == "model"


@pytest.mark.parametrize(
    ("share", "sigma", "bounds"), [(1.2, 0.001, (10000, 10000)), (0.005, 0.1, (0, 2010))]
)
def test_the_state_is_clipped_and_the_capacity_is_not(share, sigma, bounds):
    found = assess(2.0, Opinion(share, sigma, "partial-charge"))
    assert (found.lower_bp, found.upper_bp) == bounds
    assert found.lower_bp <= found.soh_bp <= found.upper_bp
    assert found.capacity_mah == round(2000 * share)


@pytest.mark.parametrize(
    ("opinions", "field"),
    [
        ((), "opinions"),
        ((FILTER, FILTER), "opinions"),
        ((Opinion(math.nan, 0.1, "model"),), "model"),
        ((Opinion(0.9, math.inf, "model"),), "model"),
        ((Opinion(-0.1, 0.1, "partial-charge"),), "partial-charge"),
    ],
)
def test_opinions_that_are_none_are_refused(opinions, field):
    with pytest.raises(Malformed) as caught:
        assess(2.0, *opinions)
    assert caught.value.field == field
