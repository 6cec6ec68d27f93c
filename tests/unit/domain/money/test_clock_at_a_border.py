"""Failure cases of billing: a clock that is a little wrong, a signature that is not valid."""

import pytest

from ledger.domain.money.rating import rate
from ledger.domain.money.rating_facts import Bill
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import INVALID, SIGNED_VALID, UNSIGNED
from tests.support.usage import MAY, hours, rows, session, terms


def test_clock_skew_within_a_tariff_border_is_billed_by_the_cheaper_tariff():
    # dear until eleven, cheap from then on: the session ran to two minutes past the border
    prices = tuple(500_000 if hour < 11 else 100_000 for hour in range(24))
    tariff = rows(terms(), hours(prices))
    begin, end = MAY + 10 * HOUR + 30 * MINUTE, MAY + 11 * HOUR + 2 * MINUTE
    sure = rate(session(begin, end, 32_000), tariff)
    unsure = rate(session(begin, end, 32_000, clock_uncertainty_us=30 * MINUTE), tariff)
    assert isinstance(sure, Bill)
    assert isinstance(unsure, Bill)
    assert unsure.net_minor < sure.net_minor
    assert unsure.price_shift_us > 0


@pytest.mark.parametrize("billing_class", [UNSIGNED, SIGNED_VALID])
def test_a_session_is_billed_by_energy_unless_its_record_is_not_valid(billing_class):
    begin, end = MAY + 10 * HOUR, MAY + 11 * HOUR
    good = rate(session(begin, end, 1_000, billing_class=billing_class), rows(terms()))
    assert isinstance(good, Bill)
    bad = rate(session(begin, end, 1_000, billing_class=INVALID), rows(terms()))
    assert isinstance(bad, Refusal)
    assert bad.code is RefusalCode.METER_INVALID
