"""Which rows of the real networks can have happened, to the last row and watt-hour."""

from collections import Counter
from heapq import merge

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.importers.acceptance import FREE, Acceptance, Reason
from ledger.adapters.importers.networks import NETWORK_OF, NETWORKS
from ledger.adapters.importers.places import (
    read_charge_points,
    read_pile_stations,
    read_swap_stations,
)
from ledger.adapters.importers.prices import PRICES, read_days
from ledger.adapters.importers.sessions import Stay, read_stays

PERTH, BOULDER = NETWORK_OF["perth"], NETWORK_OF["boulder"]
MINUTE, HOUR = 60_000_000, 3_600_000_000


def stay(begin: int, end: int | None, network=PERTH, **changes) -> Stay:
    """Make a stay; begin and end in minutes."""
    fields = {
        "network": network,
        "number": 2,
        "session_id": "S-1",
        "station": "A",
        "slot": "" if network.ports else "1",
        "driver": "",
        "begin_at": begin * MINUTE,
        "end_at": None if end is None else end * MINUTE,
        "energy_wh": 1_000,
        "active_s": None,
        "idle_s": None,
        "soc_begin_bp": None,
        "soc_end_bp": None,
        "amount": "",
        "currency": "",
        "flags": (),
    }
    return Stay(**{**fields, **changes})


def judge(*stays: Stay) -> list[Reason | None]:
    known = Acceptance(frozenset({("perth", "A"), ("perth", "B"), ("boulder", "A")}))
    return [known.judge(one).reason for one in stays]


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (stay(60, 120), None),
        (stay(60, 120, energy_wh=0), None),
        (stay(60, 60), None),  # no length, no power: its time is only known to the minute
        (stay(60, 120, station=""), Reason.NO_STATION),
        (stay(60, 120, station="C"), Reason.NO_STATION),
        (stay(60, None, station=""), Reason.NO_STATION),
        (stay(60, None), Reason.OPEN),
        (stay(60, None, energy_wh=None), Reason.OPEN),
        (stay(60, 120, energy_wh=None), Reason.NO_ENERGY),
        (stay(60, 50, energy_wh=None), Reason.NO_ENERGY),
        (stay(60, 120, energy_wh=-1), Reason.NEGATIVE_ENERGY),
        (stay(60, 50, energy_wh=-1), Reason.NEGATIVE_ENERGY),
        (stay(60, 59), Reason.END_BEFORE_START),
        (stay(60, 59, energy_wh=150_001), Reason.END_BEFORE_START),
        (stay(60, 120, energy_wh=150_000), None),
        (stay(60, 120, energy_wh=150_001), Reason.ENERGY_OVER_LIMIT),
        (stay(60, 61, energy_wh=150_001), Reason.ENERGY_OVER_LIMIT),
        (stay(60, 63, energy_wh=20_000), None),  # 400 kW exactly
        (stay(60, 63, energy_wh=20_001), Reason.POWER_OVER_LIMIT),
    ],
)
def test_a_row_is_judged_by_the_first_thing_wrong_with_it(one, reason):
    assert judge(one) == [reason]


@pytest.mark.parametrize(
    ("stays", "last"),
    [
        ([stay(0, 60), stay(60, 120)], None),
        ([stay(0, 60), stay(59, 120)], Reason.SLOT_OVERLAP),
        ([stay(0, 60), stay(10, 60)], Reason.SLOT_OVERLAP),
        ([stay(0, 60), stay(60, 60)], None),
        ([stay(0, 60), stay(60, 60), stay(60, 90)], None),
        ([stay(60, 60), stay(0, 60)], None),
        ([stay(60, 60), stay(60, 60), stay(0, 60)], None),
        ([stay(60, 60), stay(0, 61)], Reason.SLOT_OVERLAP),
        ([stay(0, 60), stay(60, 60), stay(30, 60)], Reason.SLOT_OVERLAP),
        ([stay(0, 50), stay(60, 60), stay(30, 60)], Reason.SLOT_OVERLAP),
        ([stay(0, 60), stay(30, 90, energy_wh=-1), stay(60, 120)], None),
        ([stay(0, 60), stay(30, 90), stay(80, 120)], None),  # only accepted rows count
        ([stay(0, 60), stay(0, 60, slot="2")], None),
        ([stay(0, 60), stay(0, 60, station="B")], None),
        ([stay(0, 60, driver="7"), stay(59, 90, station="B", driver="7")], "packs"),
        ([stay(0, 60, driver="7"), stay(60, 90, station="B", driver="7")], None),
        ([stay(0, 60, driver="7"), stay(59, 90, driver="7")], Reason.SLOT_OVERLAP),
    ],
)
def test_a_row_may_not_overlap_an_accepted_one(stays, last):
    expected = Reason.PACK_IN_TWO_PLACES if last == "packs" else last
    assert judge(*stays)[-1] == expected


def test_a_row_without_a_connector_takes_the_lowest_free_slot():
    known = Acceptance(frozenset({("boulder", "A")}))
    spans = [(0, 60), (10, 70), (20, 80), (60, 90), (80, 95)]
    found = [known.judge(stay(begin, end, BOULDER)) for begin, end in spans]
    assert [one.slot for one in found] == ["1", "2", "1", "1", "2"]
    assert [one.reason for one in found] == [None, None, Reason.SLOT_OVERLAP, None, None]
    assert found[1].pack == ("boulder", "A", "2")


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=12))
def test_two_ends_are_enough_to_know_every_overlap(pairs):
    spans = sorted(((min(pair), max(pair)) for pair in pairs), key=lambda span: (span[1], span[0]))
    busy = FREE
    accepted: list[tuple[int, int]] = []
    for begin, end in spans:
        overlaps = any(begin < other[1] and other[0] < end for other in accepted)
        assert busy.overlaps(begin, end) == overlaps
        if not overlaps:
            accepted.append((begin, end))
            busy = busy.with_stay(begin, end)


# The real data ----------------------------------------------------------------

# network: accepted rows, their Wh, quarantined Wh, packs, rows quarantined by reason
FIGURES = {
    "dundee": (
        (47_135, 406_813_431, 2_056_367, 824),
        {
            "OPEN": 259,
            "NO_STATION": 2,
            "NEGATIVE_ENERGY": 20,
            "END_BEFORE_START": 4,
            "ENERGY_OVER_LIMIT": 1,
            "SLOT_OVERLAP": 25,
            "PACK_IN_TWO_PLACES": 98,
        },
    ),
    "perth": (
        (20_232, 223_065_435, -1_256_461, 72),
        {"OPEN": 43, "NEGATIVE_ENERGY": 1, "POWER_OVER_LIMIT": 1},
    ),
    "boulder": ((17_619, 134_802_497, 449_699, 43), {"SLOT_OVERLAP": 45}),
    "belib": ((3_381, 24_707_715, 22_807, 514), {"SLOT_OVERLAP": 5, "PACK_IN_TWO_PLACES": 1}),
    "sap": ((18_581, 415_142_933, 128_950, 51), {"SLOT_OVERLAP": 5}),
    "acn_office": ((1_239, 20_026_101, 0, 18), {}),
}


@pytest.mark.slow
def test_the_real_rows_come_to_exactly_these_figures(data_dir):
    points = read_charge_points(data_dir)
    known = Acceptance(
        frozenset((place.network.key, place.key) for place in points if place.network)
    )
    rank = {network.key: number for number, network in enumerate(NETWORKS)}
    rows = merge(
        *(read_stays(data_dir, network) for network in NETWORKS),
        key=lambda one: (one.received_at, one.begin_at, rank[one.network.key], one.session_id),
    )
    reasons: dict[str, Counter[Reason | None]] = {key: Counter() for key in FIGURES}
    energy_wh: Counter[tuple[str, bool]] = Counter()
    packs = set()
    for one in rows:
        verdict = known.judge(one)
        key = one.network.key
        reasons[key][verdict.reason] += 1
        energy_wh[key, verdict.reason is None] += one.energy_wh or 0
        if verdict.reason is None:
            packs.add(verdict.pack)
    found = {
        key: (
            (
                reasons[key].pop(None),
                energy_wh[key, True],
                energy_wh[key, False],
                sum(pack[0] == key for pack in packs),
            ),
            dict(reasons[key]),
        )
        for key in FIGURES
    }
    assert found == FIGURES


def test_the_real_stations_and_prices_are_all_read(data_dir):
    points = read_charge_points(data_dir)
    assert (len(points), sum(place.point is not None for place in points)) == (242, 81)
    swaps = read_swap_stations(data_dir)
    assert (len(swaps), sum(place.is_open for place in swaps)) == (1_470, 1_223)
    piles = Counter((place.tier, place.is_open) for place in read_pile_stations(data_dir))
    assert piles == {
        ("large", True): 38,
        ("medium", True): 618,
        ("pile", True): 576,
        ("pile", False): 48,
    }
    days = [read_days(data_dir, table) for table in PRICES]
    assert [len(some) for some in days] == [153, 365, 365]
    missing = [day for some in days for day in some if day.hours_missing]
    assert [day.hours_missing for day in missing] == [(22, 23)]
    assert sum(24 - len(day.hours_missing) for some in days for day in some) == 21_190
