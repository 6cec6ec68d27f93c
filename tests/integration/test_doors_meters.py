"""Meters at the auditor door: registers that follow each other, pages that are missing."""

import pytest

from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.charging import EndChargingSession
from ledger.domain.meter_keys import RegisterMeterKey
from ledger.domain.takeover import TakeOverPack
from ledger.evidence import ocmf
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.messages import Actor
from ledger.kernel.signed_facts import Registers
from ledger.runtime.ledger import accepted
from tests.support.doors import HandClock, open_doors
from tests.support.ledgers import asking, sqlite_url
from tests.support.meters import payload, private_key, public_key, reading, record
from tests.support.town import MARCH, PACK_CLASS, new_town

V1 = "/auditor/v1"
KEY = public_key(private_key("meter"))
BEGIN = MARCH + 100 * HOUR
SPAN = {"first": 0, "end": 1_000}


def does(ledger, command, role, at):
    actor = Actor(f"{role}-1", role, "P2")
    return accepted(ledger.execute(asking(command, f"{command}", actor=actor, at=at)))


def session(ledger, number, registers, page):
    """Charge once; the meter's own records are on a page of gateway G-1."""
    began = BEGIN + number * 4 * HOUR
    first_wh, last_wh = registers
    name = f"CS-{number}"
    start = StartChargingSession(
        session_id=name,
        pack_id="PK-9",
        station_id="ST-1",
        slot="1",
        started_at=began,
        register_import_wh=first_wh,
    )
    does(ledger, start, "station", began)
    shown = [reading("B", first_wh / 1000), reading("E", last_wh / 1000, "13:00:00")]
    raw = record(payload(shown, page=f"T{page}"))
    meter = ocmf.Meter("M-1", (ocmf.MeterKey(KEY, MARCH),), "MODEL")
    told = ocmf.Session(began + HOUR, last_wh - first_wh)
    end = EndChargingSession(
        session_id=name,
        ended_at=began + HOUR,
        register_import_wh=last_wh,
        meter_evidence=ocmf.verify((raw,), meter, told),
    )
    does(ledger, end, "station", began + HOUR)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with new_town(sqlite_url(tmp_path_factory.mktemp("town"))) as ledger:
        pack = TakeOverPack(
            pack_id="PK-9",
            account="Packs:Station:ST-1:Slot:1",
            pack_class=PACK_CLASS,
            nominal_wh=75_000,
            soh_bp=9_500,
            title_holder_id="MG",
        )
        does(ledger, pack, "asset_manager", BEGIN - 2 * MINUTE)
        bind = RegisterMeterKey(
            meter_id="MT-1",
            maker="MAKER",
            model="MODEL",
            serial="M-1",
            public_key=KEY.text,
            calibrated_until=BEGIN + 1_000 * HOUR,
            valid_from=MARCH,
        )
        does(ledger, bind, "asset_manager", BEGIN - MINUTE)
        session(ledger, 0, (100_000, 110_000), 7)
        session(ledger, 1, (110_000, 120_000), 8)
        session(ledger, 2, (121_500, 130_000), 11)
        with open_doors(ledger, HandClock(BEGIN + 40 * HOUR)) as doors:
            yield doors


def test_meters_are_told_with_plate_and_registers(town):
    items = town.said(f"{V1}/meters")["items"]
    assert [item["meter"]["meter_id"] for item in items] == ["MT-1", "MT-2"]
    assert items[0]["meter"]["import_wh"] == 130_000
    assert items[0]["signed"]["serial"] == "M-1"
    assert [key["key_id"] for key in items[0]["signed"]["keys"]] == [KEY.key_id]
    assert "signed" not in items[1]
    assert town.said(f"{V1}/meters", station="ST-1")["items"] == items
    assert town.said(f"{V1}/meters", station="ST-404")["items"] == []
    page = town.said(f"{V1}/meters", limit=1)
    rest = town.said(f"{V1}/meters", limit=1, cursor=page["next_cursor"])
    assert page["items"] + rest["items"] == items


def test_a_register_that_went_on_between_sessions_shows(town):
    said = town.said(f"{V1}/meters/MT-1/pagination", **SPAN)
    steps = [item for item in said["items"] if "import_end_wh" in item]
    assert [item.get("import_step_wh") for item in steps[1:]] == [0, 1_500]
    assert said["is_continuous"] is False
    assert [item["import_end_wh"] for item in steps] == [110_000, 120_000, 130_000]


def test_pages_that_never_came_show(town):
    said = town.said(f"{V1}/meters/MT-1/pagination", **SPAN)
    gateways = {item["evidence"]["gateway"] for item in said["items"] if "evidence" in item}
    assert len(gateways) == 1
    (gateway,) = gateways
    spans = [each for each in said["missing"] if each["first"] > 7]
    assert spans == [{"gateway": gateway, "page_kind": "T", "first": 9, "last": 10}]
    pages = [item["evidence"]["pagination_begin"] for item in said["items"] if "evidence" in item]
    assert pages == [7, 8, 11]


def test_steps_come_page_by_page_with_the_verdict_on_all(town):
    whole = town.said(f"{V1}/meters/MT-1/pagination", **SPAN)
    page = town.said(f"{V1}/meters/MT-1/pagination", limit=2, **SPAN)
    items, cursor = page["items"], page["next_cursor"]
    while cursor:
        page = town.said(f"{V1}/meters/MT-1/pagination", limit=2, cursor=cursor, **SPAN)
        items, cursor = items + page["items"], page.get("next_cursor")
        assert page["is_continuous"] is False
    assert items == whole["items"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("meters/MT-1/pagination", 422, "bounds_needed"),
        ("meters/MT-1/pagination?first=0&end=200000", 422, "bounds_needed"),
        ("meters/MT-404/pagination?first=0&end=9", 404, "not_found"),
        ("meters/mt_1/pagination?first=0&end=9", 404, "not_found"),
        ("meters?station=st_1", 404, "not_found"),
        ("meters?station=", 400, "malformed"),
    ],
)
def test_what_is_not_there_or_too_much_is_not_told(town, path, status, code):
    town.problem(f"{V1}/{path}", status, code)


def test_a_meter_without_sessions_is_continuous(town):
    said = town.said(f"{V1}/meters/MT-2/pagination", first=0, end=5)
    assert (said["items"], said["missing"], said["is_continuous"]) == ([], [], True)
    assert Registers().import_wh == 0
