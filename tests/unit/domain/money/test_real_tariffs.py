"""Rating held against what a real network charged, and against real hourly prices."""

import csv
import gzip
from collections import Counter
from itertools import groupby

import pytest

from ledger.domain.money.rating import rate
from ledger.domain.money.rating_facts import Bill
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.kernel.instants import DAY, HOUR, parse_instant
from ledger.kernel.quantities import parse_scaled, scaled_text
from tests.support.usage import rows, session, terms

YEAR = parse_instant("2018-01-01T00:00:00Z", "at") // DAY
CUT = parse_instant("2019-06-13T18:40:00Z", "at")
BACK = parse_instant("2019-06-14T09:06:00Z", "at")


@pytest.fixture
def sap_rows(data_dir):
    """Stream the sessions: begin, end, Wh, what was paid."""
    with gzip.open(data_dir / "charging_sessions" / "sap.csv.gz", "rt", encoding="utf-8") as file:
        yield (
            (
                parse_instant(row["start_utc"], "start_utc"),
                parse_instant(row["end_utc"], "end_utc"),
                parse_scaled(row["energy_kwh"], 3, "energy_kwh"),
                row["amount"],
            )
            for row in csv.DictReader(file)
        )


@pytest.fixture(scope="module")
def price_days(data_dir):
    with (data_dir / "prices" / "de_day_ahead_2018.csv").open(encoding="utf-8") as file:
        # 1 EUR/MWh is 1,000 millionths of a euro per kWh
        hours = [
            (parse_instant(row["start_utc"], "start_utc"), int(row["eur_per_mwh"].replace(".", "")))
            for row in csv.DictReader(file)
        ]
    return [
        (day * DAY, {at % DAY // HOUR: cents * 10 for at, cents in found})
        for day, found in groupby(hours, key=lambda hour: hour[0] // DAY)
    ]


def bill(facts, tariff):
    found = rate(facts, tariff)
    assert isinstance(found, Bill), found
    return found


@pytest.mark.parametrize(
    ("energy_wh", "amount"),
    [
        (11_311, "1.58354"),
        (12_716, "1.78024"),
        (10_715, "1.50010"),
        (33_461, "4.68454"),
        (41_782, "5.84948"),
    ],
)
def test_an_exact_amount_has_five_decimals(energy_wh, amount):
    tariff = rows(terms(Element("ENERGY", "KWH", 140_000), begin=0))
    (line,) = bill(session(CUT, CUT + HOUR, energy_wh), tariff).lines
    assert scaled_text(line.amount_nano // 10_000, 5) == amount


def test_the_amounts_of_a_real_network_fall_into_three_groups(sap_rows):
    tariff = rows(terms(Element("ENERGY", "KWH", 140_000), begin=0))
    groups: Counter[str] = Counter()
    at_thirteen = 0
    for begin, end, energy_wh, text in sap_rows:
        paid = parse_scaled(text, 9, "amount")
        (line,) = bill(session(begin, end, energy_wh), tariff).lines
        difference = abs(line.amount_nano - paid)
        if difference == 0:
            groups["equal"] += 1
        elif difference <= 140_000:
            groups["within the price of one Wh"] += 1
        else:
            groups["at the change of the tariff"] += 1
            assert CUT <= begin < BACK
            assert energy_wh * 130_000 <= paid <= energy_wh * 140_000
            at_thirteen += paid == energy_wh * 130_000
    assert groups == {
        "equal": 18_434,
        "within the price of one Wh": 131,
        "at the change of the tariff": 21,
    }
    assert at_thirteen == 3


def day_terms(start, prices):
    missing = tuple(hour for hour in range(24) if hour not in prices)
    micro = tuple(prices.get(hour, 0) for hour in range(24))
    return TariffTerms(
        "DE", "EUR", "UTC", start, start + DAY, hours_micro=micro, hours_missing=missing
    )


def test_sessions_at_real_hourly_prices_resum_on_long_and_short_days(price_days):
    lasting = terms(Element("ENERGY", "KWH", 44_000), begin=0)
    chosen = [(start, prices) for start, prices in price_days if 80 <= start // DAY - YEAR < 310]
    tariff = rows(lasting, *(day_terms(start, prices) for start, prices in chosen))
    assert sum(24 - len(prices) for _, prices in chosen) == 2  # the zone split of 2018-09-30
    by_hour = {start + h * HOUR: price for start, day in chosen for h, price in day.items()}
    # local days of Berlin: 23 hours on 25 March, 25 hours on 28 October
    for text, hours in [("2018-03-24T23", 23), ("2018-09-29T22", 24), ("2018-10-27T22", 25)]:
        begin = parse_instant(f"{text}:00:00Z", "at")
        found = bill(session(begin, begin + hours * HOUR, 1000 * hours), tariff)
        expected = sum(1000 * by_hour.get(begin + h * HOUR, 44_000) for h in range(hours))
        assert sum(line.quantity for line in found.lines) == 1000 * hours
        assert sum(line.amount_nano for line in found.lines) == expected
    gap = parse_instant("2018-09-30T22:00:00Z", "at")
    (fallback,) = bill(session(gap, gap + 2 * HOUR, 2000), tariff).lines
    assert (fallback.rate_micro, fallback.tariff_version) == (44_000, 1)
