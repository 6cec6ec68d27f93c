"""Signed meter values on the command line: a session ends with them, and they are judged again."""

from typing import Any

import pytest

from ledger.adapters.evidence_files import EvidenceFiles
from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.meter_keys import RegisterMeterKey
from ledger.kernel.errors import Misconfigured
from ledger.kernel.instants import HOUR, as_text, parse_instant
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import Ledger, accepted
from mobilegrid.evidence_files import evidence_of
from mobilegrid.settings import EvidenceSettings, LedgerSettings, Settings
from tests.support.assessed import SLOTTED, dock
from tests.support.cli import answer, error, run
from tests.support.ledgers import asking, sqlite_url
from tests.support.meters import payload, private_key, public_key, reading, record
from tests.support.town import new_town

STATION = Actor("ST-1", "station")
MANAGER = Actor("AM-1", "asset_manager", "P2")
BEGIN = parse_instant("2026-03-10T12:00:00Z", "at")
END = BEGIN + HOUR
KINDS = ("charge_session_ended", "evidence_reassessed")
RAW = record(payload([reading("B", 100.0), reading("E", 110.5, "13:00:00")], "T7"))


@pytest.fixture
def url(tmp_path):
    """A session is open in slot 2, where MT-2 counts."""
    begun = StartChargingSession(
        session_id="CS-1",
        pack_id=SLOTTED,
        station_id="ST-1",
        slot="2",
        driver_id="DR-1",
        started_at=BEGIN,
        register_import_wh=100_000,
    )
    where = sqlite_url(tmp_path)
    with new_town(where) as ledger:
        dock(ledger)
        accepted(ledger.execute(asking(begun, "begin", actor=STATION, at=BEGIN)))
    return where


def register_key(url: str) -> None:
    command = RegisterMeterKey(
        meter_id="MT-2",
        maker="MAKER",
        model="MODEL",
        serial="M-1",
        public_key=public_key(private_key("meter")).text,
        calibrated_until=END + 1_000 * HOUR,
        valid_from=BEGIN,
    )
    with Ledger(url) as ledger:
        accepted(ledger.execute(asking(command, "key", actor=MANAGER, at=BEGIN)))


def end(url: str, *more):
    words = ("--import-wh", "110500", "--at", as_text(END))
    return answer("energy", "end-session", "CS-1", *words, *more, ledger=url)


def verdicts(url: str) -> list[str]:
    with Ledger(url) as ledger, ledger.reading() as reads:
        found: list[Any] = [one.event for one in reads.entries(kinds=KINDS)]
    return [one.billing_class for one in found if one.session_id == "CS-1"]


def test_a_session_ends_with_what_its_meter_signed_and_the_bytes_are_kept(url, tmp_path):
    register_key(url)
    file = tmp_path / "record"
    file.write_bytes(RAW)
    said = end(url, "--record", file)
    assert (said["command"], said["id"]) == ("EndChargingSession", "CS-1")
    assert "charge_session_ended" in [one["kind"] for one in said["entries"]]
    assert verdicts(url) == ["SIGNED_VALID"]
    kept = [path for path in (tmp_path / "town.db.evidence").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in kept] == [RAW]


def test_what_was_signed_is_judged_again_once_the_key_is_known(url, tmp_path):
    file = tmp_path / "record"
    file.write_bytes(RAW)
    end(url, "--record", file)
    register_key(url)
    said = answer("energy", "judge", "CS-1", ledger=url)
    assert "evidence_reassessed" in [one["kind"] for one in said["entries"]]
    assert verdicts(url) == ["UNSIGNED", "SIGNED_VALID"]
    assert "It was so already." in run("energy", "judge", "CS-1", ledger=url).output


def test_a_session_without_records_is_unsigned_and_stays_so(url):
    end(url)
    assert answer("energy", "judge", "CS-1", ledger=url)["entries"] == []
    assert verdicts(url) == ["UNSIGNED"]
    for words in (("judge", "CS-9"), ("end-session", "CS-9", "--import-wh", "1")):
        assert error("energy", *words, ledger=url)["kind"] == "NotFound"


def test_evidence_lies_where_the_settings_say(tmp_path):
    ledger = LedgerSettings(url="postgresql://mg@db/grid")
    evidence = EvidenceSettings(folder=str(tmp_path / "kept"))
    digest = evidence_of(Settings(ledger=ledger, evidence=evidence)).put(RAW)
    assert EvidenceFiles(tmp_path / "kept").get(digest) == RAW


def test_a_ledger_that_is_no_file_needs_a_folder_of_evidence():
    ledger = LedgerSettings(url="postgresql://mg@db/grid")
    with pytest.raises(Misconfigured, match=r"evidence\.folder"):
        evidence_of(Settings(ledger=ledger))
