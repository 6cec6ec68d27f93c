"""Forecasts add up what is known: ready, charging, booked, and who usually comes."""

from ledger.domain.claims import Claim, Pool
from ledger.kernel.instants import DAY, HOUR, MINUTE
from ledger.runtime.availability import Stock
from ledger.runtime.forecasting import CHARGED_AFTER_US, WAIT_MAX_US, Asked, Model, poisson, seconds
from ledger.runtime.ready_history import ReadyHistory

NOW = 1_000 * DAY
ASKED = Asked("ST-1", "C1", NOW)


class Past(ReadyHistory):
    """A past that is told, not read."""

    def __init__(self, days=0, outs_x1000=0, spread=()):
        super().__init__()
        self.days, self.outs, self.told = days, outs_x1000, spread

    def typical(self, station_id, pack_class, now):
        return [], self.days

    def outs_x1000(self, station_id, pack_class, at, now):
        return self.outs

    def spread(self, station_id, pack_class, at, now):
        return self.told


def model(stock, claims=(), past=None):
    return Model(ASKED, stock, Pool(tuple(claims)), past or Past())


def told(made, at, until=0):
    found = made.at(at, until or at)
    return found.p10, found.p50, found.p90, found.booked


def test_what_is_ready_and_what_gets_charged_adds_up():
    stock = Stock("C1", 2, 2, (NOW + HOUR, NOW + 2 * HOUR))
    made = model(stock)
    assert told(made, NOW) == (2, 2, 2, 0)
    assert told(made, NOW + HOUR) == (3, 3, 3, 0)
    assert told(made, NOW + 2 * HOUR) == (4, 4, 4, 0)


def test_bookings_take_packs_and_those_pinned_to_them_count_once():
    stock = Stock("C1", 1, 0, (), 2)
    claim = Claim("BK-1", NOW + HOUR, NOW + 2 * HOUR, 2)
    made = model(stock, [claim])
    assert told(made, NOW) == (3, 3, 3, 0)
    assert told(made, NOW + HOUR) == (1, 1, 1, 2)
    assert made.promisable(NOW + HOUR) == 3


def test_drivers_who_come_unannounced_spread_the_bounds():
    made = model(Stock("C1", 5, 0), past=Past(outs_x1000=2_000))
    p10, p50, p90, _ = told(made, NOW + HOUR)
    assert (p10, p50, p90) == (1, 3, 5)


def test_far_ahead_past_weeks_answer_once_there_are_some():
    past = Past(days=30, spread=(1, 4, 6))
    claim = Claim("BK-1", NOW + 10 * HOUR, NOW + 11 * HOUR)
    made = model(Stock("C1", 9, 0), [claim], past)
    assert told(made, NOW + 10 * HOUR) == (0, 3, 5, 1)
    assert told(model(Stock("C1", 9, 0), past=Past(days=2, spread=(1, 4, 6))), NOW + 10 * HOUR) == (
        9,
        9,
        9,
        0,
    )


def test_the_wait_is_until_the_next_pack_is_charged():
    made = model(Stock("C1", 0, 1, (NOW + 30 * MINUTE,)))
    assert made.at(NOW, NOW).wait_us == 30 * MINUTE
    assert made.at(NOW + HOUR, NOW + HOUR).wait_us == 0
    assert model(Stock("C1", 0, 0)).at(NOW, NOW).wait_us == WAIT_MAX_US


def test_after_half_a_day_all_that_charges_may_be_promised():
    made = model(Stock("C1", 0, 3))
    assert made.promisable(NOW + HOUR) == 0
    assert made.promisable(NOW + CHARGED_AFTER_US + 1) == 3


def test_counts_of_independent_arrivals():
    assert poisson(0) == (0, 0, 0)
    assert poisson(10**9) == poisson(200_000)
    few, usual, many = poisson(50_000)
    assert few < usual < many
    assert seconds(1) == 1
