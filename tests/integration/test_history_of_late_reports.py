"""A late upload changes what is known of a pack: shown entry by entry, at any pair of times."""

import json

import pytest

from ledger.domain.reports import RecordObservation
from ledger.exports.epcis import export_epcis
from ledger.kernel.instants import HOUR, SECOND, as_text
from ledger.runtime.ledger import Ledger
from mobilegrid.cli.history import change_between
from tests.properties.test_random_histories import CLEAN
from tests.properties.test_random_histories_in_ledgers import town
from tests.support.cli import answer, run
from tests.support.ledgers import asking, new_ledger, sqlite_url
from tests.support.lives import sign
from tests.support.pack_ledger import STATION, command_of
from tests.support.pack_world import BEGIN, PackWorld, Report
from tests.support.schemas import faults, schema_of

AT = BEGIN + HOUR


def reports(pack: str, driver: str) -> list[tuple[int, RecordObservation]]:
    """Let a pack come in at ST-2, and only then hear that ST-1 had it in between."""
    seen = [
        Report("ST-2", 1, "in", AT + 3 * HOUR, AT + 3 * HOUR, "1", pack, "DR-9"),
        Report("ST-1", 1, "in", AT, AT, "1", pack, driver, is_offline=True),
        Report("ST-1", 2, "out", AT + HOUR, AT + HOUR, "1", pack, "DR-9", is_offline=True),
    ]
    arrivals = (AT + 3 * HOUR, AT + 4 * HOUR, AT + 4 * HOUR + SECOND)
    return [
        (at, command_of(one, at, by_serial=False)) for at, one in zip(arrivals, seen, strict=True)
    ]


@pytest.fixture
def world() -> PackWorld:
    made = PackWorld(3, CLEAN)
    for station in made.stations.values():
        station.measured_us = 0
    made.begun = {"PK-22": "Packs:Driver:DR-1"}
    return made


def lived(folder, world: PackWorld) -> Ledger:
    ledger = new_ledger(sqlite_url(folder))
    for index, (command, at, actor) in enumerate(town(world)):
        assert ledger.execute_all([asking(command, f"{index}", actor=actor, at=at)])[0].count
    for index, (at, command) in enumerate(reports("PK-22", "DR-1")):
        receipt = ledger.execute_all([asking(command, f"r{index}", actor=STATION, at=at)])[0]
        assert receipt.refusal is None
    return ledger


def test_what_a_late_upload_changed_is_told_entry_by_entry(tmp_path, world):
    with lived(tmp_path, world) as ledger, ledger.reading() as reads:
        before = reads.moment(None, AT + 3 * HOUR)
        then, now = reads.pack_history("PK-22", before), reads.pack_history("PK-22", reads.moment())
        change = change_between(then, now, "PK-22", (before.end, reads.size))
        # what was, seen from then and from now: two answers, both right
        early = reads.moment(AT + 2 * HOUR, AT + 3 * HOUR)
        assert reads.custody("PK-22", early) == "Packs:Driver:DR-1"
        assert reads.custody("PK-22", reads.moment(AT + 2 * HOUR)) == "Packs:Driver:DR-9"
        assert reads.custody("PK-22", reads.moment(AT + HOUR // 2)) == "Packs:Station:ST-1:Slot:1"
    assert change.held_by == change.held_by_then == "Packs:Station:ST-2:Slot:1"
    kinds = [step.kind for step in change.steps]
    assert kinds.count("posting_reversed") == len(change.takes_back) > 0
    positions = {one.envelope.position for one in now}
    assert set(change.takes_back.values()) <= positions
    assert len(change.late) > 0


def test_the_command_shows_the_difference(tmp_path, world):
    with lived(tmp_path, world):
        pass
    url = sqlite_url(tmp_path)
    known = ("--known-at", as_text(AT + 3 * HOUR), "--against", "2099-01-01")
    change = answer("history", "PK-22", *known, ledger=url)
    assert change["held_by"] == "Packs:Station:ST-2:Slot:1"
    assert change["takes_back"]
    shown = run("history", "PK-22", *known, ledger=url)
    assert "takes back" in shown.stdout
    assert "late" in shown.stdout


def test_what_was_taken_back_is_exported_as_declared_errors(tmp_path, world, data_dir):
    file = tmp_path / "late.json"
    with lived(tmp_path, world) as ledger:
        sign(ledger, AT + 6 * HOUR)
        with ledger.reading() as reads:
            export_epcis(reads, file, ["PK-22"])
    document = json.loads(file.read_text("utf-8"))
    told = document["epcisBody"]["eventList"]
    wrong = [event for event in told if "errorDeclaration" in event]
    assert {event["mg:kind"] for event in wrong} == {
        *("pack_returned", "leg_inferred", "leg_confirmed")
    }
    kept = {event["eventID"]: event for event in told if "errorDeclaration" not in event}
    corrected: set[str] = set()
    for event in wrong:
        declared = event.pop("errorDeclaration")
        assert declared["reason"] == "incorrect_data"
        corrected |= set(declared.get("correctiveEventIDs", ()))
        assert kept[event["eventID"]] == event
    assert corrected
    assert corrected <= kept.keys()
    schema = schema_of(data_dir / "epcis" / "EPCIS-JSON-Schema-2.0.json")
    assert faults(schema, json.loads(file.read_text("utf-8"))) == []
