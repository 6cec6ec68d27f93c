"""The real sessions of six networks, through the rules alone: the figures of the handbook 15.2."""

import csv
import gzip
from collections import Counter
from pathlib import Path

import pytest

from ledger.domain import cases, charge_begin, charging, custody, stays
from ledger.domain.custody import PACKS, Pack
from ledger.domain.metering import overlaps, unusable
from ledger.domain.parties import PARTIES, Party
from ledger.domain.stations import SLOTS, Slot
from ledger.domain.stays import ReportStay
from ledger.domain.transitions import driver_account
from ledger.domain.world import Stamp, World, key_of
from ledger.kernel.instants import parse_instant
from ledger.kernel.messages import Actor, Command, Request
from ledger.kernel.postings import check_zero
from ledger.kernel.quantities import parse_scaled
from ledger.kernel.refusal import Refusal
from tests.support.rules import events

DATA = Path(__file__).parents[4] / "shared" / "data" / "charging_sessions"
REQUEST = Request(bytes(16), "tests", Actor("I1", "importer"), 0, Command())
AREAS = {area.__name__: area for area in (stays, charge_begin, charging, custody, cases)}

EXPECTED = {
    "dundee": (47_135, 406_813_431, 2_056_367, 824),
    "perth": (20_232, 223_065_435, -1_256_461, 72),
    "boulder": (17_619, 134_802_497, 449_699, 43),
    "belib": (3_381, 24_707_715, 22_807, 514),
    "sap": (18_581, 415_142_933, 128_950, 51),
    "acn_office": (1_239, 20_026_101, 0, 18),
}
REASONS = {
    "dundee": {
        "OPEN": 259,
        "NO_STATION": 2,
        "NEGATIVE_ENERGY": 20,
        "END_BEFORE_START": 4,
        "ENERGY_OVER_LIMIT": 1,
        "SLOT_OVERLAP": 25,
        "PACK_IN_TWO_PLACES": 98,
    },
    "perth": {"OPEN": 43, "NEGATIVE_ENERGY": 1, "POWER_OVER_LIMIT": 1},
    "boulder": {"SLOT_OVERLAP": 45},
    "belib": {"SLOT_OVERLAP": 5, "PACK_IN_TWO_PLACES": 1},
    "sap": {"SLOT_OVERLAP": 5},
    "acn_office": {},
}
PORTS_OF_BOULDER = ("1", "2")


def text_id(*parts):
    return "".join(mark if mark.isalnum() else "-" for mark in "-".join(parts)).upper()


def wh(text):
    return parse_scaled(text, 3, "energy_kwh") if text else None


def bp(text):
    return parse_scaled(text, 2, "soc") if text else None


def rows_of(network):
    with gzip.open(DATA / f"{network}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        names = file.readline().rstrip().split(",")
        names[4] = "driver"
        for row in csv.DictReader(file, names):
            begin = parse_instant(row["start_utc"], "start_utc")
            end = parse_instant(row["end_utc"], "end_utc") if row["end_utc"] else None
            yield (begin if end is None else end, begin, row["session_id"]), end, row


def free_port(world, station_id, begin, end):
    for port in PORTS_OF_BOULDER:
        slot = world.get(SLOTS, key_of(station_id, port))
        if slot is None or not overlaps(slot, begin, end):
            return port
    return PORTS_OF_BOULDER[0]


def report_of(world, network, rank, found):
    (_, begin, report_id), end, row = found
    station_id = text_id("ST", row["station_id"]) if row["station_id"] else ""
    slot = row["connector"]
    if network == "boulder":
        slot = free_port(world, station_id, begin, begin if end is None else end)
    named = row["driver"] and network in {"dundee", "belib", "acn_office"}
    pack_id = text_id("PK", row["driver"]) if named else text_id("PK", station_id, slot)
    return ReportStay(
        report_id=report_id,
        network="NW-1",
        station_id=station_id,
        slot=slot,
        driver_id="DR" + pack_id[2:],
        pack_id=pack_id,
        begin_at=begin,
        end_at=end,
        energy_wh=wh(row["energy_kwh"]),
        soc_begin_bp=bp(row["soc_start_pct"]),
        soc_end_bp=bp(row["soc_end_pct"]),
        received_at=begin if end is None else end,
        seq=rank,
        row_ref=report_id,
        flags=tuple(row["flags"].split("|")),
    )


def prepare(world, report):
    key = key_of(report.station_id, report.slot)
    if report.station_id and world.get(SLOTS, key) is None:
        world.put(SLOTS, key, Slot(report.station_id, report.slot, "REPLAY", "M-1"))
    fit = report.station_id and not unusable(report.begin_at, report.end_at, report.energy_wh)
    if fit and world.get(PACKS, report.pack_id) is None:
        account = driver_account(report.driver_id)
        world.put(PACKS, report.pack_id, Pack(report.pack_id, account, "REPLAY", 72_600, 10_000))


@pytest.mark.slow
@pytest.mark.parametrize("network", EXPECTED)
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the project")
def test_every_session_of_a_real_network_is_a_stay_or_has_a_reason(network):
    world = World(complete=True)
    world.put(PARTIES, "NW-1", Party("NW-1", ("service",), "GB"))
    reasons: Counter[str] = Counter()
    balances: Counter[tuple[str, str]] = Counter()
    packs = set()
    accepted_wh = 0
    for rank, found in enumerate(sorted(rows_of(network), key=lambda one: one[0])):
        report = report_of(world, network, rank, found)
        prepare(world, report)
        outcome = stays.decide(world, report, REQUEST)
        made = events(outcome)
        assert not isinstance(outcome, Refusal)
        for draft in outcome:
            area = AREAS[type(draft.event).__module__]
            lines = area.postings(draft.event)
            check_zero(lines)
            for line in lines:
                balances[":".join(line.account.split(":")[:2]), line.commodity] += line.quantity
            listening = (area, stays) if type(draft.event) in stays.FOLDS else (area,)
            for one in listening:
                one.evolve(world, draft.event, Stamp(rank, draft.occurred_at, draft.occurred_at))
        world.begin()
        if len(made) == 5:
            accepted_wh += report.energy_wh
            packs.add(report.pack_id)
        else:
            reasons[made[1].reason] += 1
    accepted, energy_wh, quarantined_wh, pack_count = EXPECTED[network]
    assert rank + 1 - reasons.total() == accepted
    assert dict(reasons) == REASONS[network]
    assert (accepted_wh, len(packs)) == (energy_wh, pack_count)
    assert balances["Energy:Quarantine", "WH"] == quarantined_wh
    assert balances["Energy:Grid", "WH"] == -energy_wh - quarantined_wh
    assert balances["Energy:Pack", "WH"] == 0
    assert all(pack.account.startswith("Packs:Driver:") for _, pack in world.rows(PACKS))
