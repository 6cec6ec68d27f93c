"""Histories as EPCIS 2.0: every kind by its row, names that last, the same bytes every time."""

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.health import SohAssessed
from ledger.domain.holds import HoldCleared
from ledger.domain.pinning import AllocationReplaced
from ledger.domain.stations import Station
from ledger.exports._epcis_events import Lookups, Teller
from ledger.exports._epcis_names import Naming, naming_of
from ledger.exports.epcis import _Spool, export_epcis
from ledger.kernel.envelope import Link
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.instants import DAY, HOUR, SECOND
from ledger.runtime.reads import FOREVER, Moment
from tests.support.ledgers import sqlite_url
from tests.support.lives import (
    APRIL,
    CODE,
    GIAI,
    LIFE,
    NEW_CODE,
    SOON,
    live,
    sign,
    told,
    whole_life,
)
from tests.support.town import new_town

BASE = "https://log.example.net/log/town"
NAMING = Naming("https://id.example.net")
STATION = Station("ST-1", "OP-1", "medium", "FR", "Europe/Paris")
NEVER_TOLD = {"pack_ordered", "pack_order_cancelled", "pack_reattributed"}


def teller(vehicle: str = "") -> Teller:
    stations = {"ST-1": STATION}
    return Teller(NAMING, Lookups(stations.get, lambda _swap: vehicle))


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """Live a pack's whole life once; give the ledger's URL."""
    url = sqlite_url(tmp_path_factory.mktemp("life"))
    with new_town(url) as ledger:
        live(ledger, whole_life())
        sign(ledger)
        yield ledger


def document(ledger, tmp_path: Path, *packs: str, **more: Any) -> dict[str, Any]:
    with ledger.reading() as reads:
        export_epcis(reads, tmp_path / "e.json", packs, **more)
    found: dict[str, Any] = json.loads((tmp_path / "e.json").read_text("utf-8"))
    return found


def events_of(ledger, tmp_path: Path, *packs: str, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(ledger, tmp_path, *packs, **more)["epcisBody"][
        "eventList"
    ]
    return found


# A whole life -------------------------------------------------------------------


def test_a_life_is_told_from_the_supplier_to_the_certificate(life, tmp_path):
    told_steps = [
        (event["mg:kind"], event.get("action")) for event in events_of(life, tmp_path, LIFE)
    ]
    assert told_steps[0] == ("supplier_consigned", "OBSERVE")
    assert told_steps[-1] == ("recycling_certified", "DELETE")
    assert [action for kind, action in told_steps if kind == "pack_swapped_out"] == [
        "DELETE",
        "ADD",
    ]
    assert [action for kind, action in told_steps if kind == "pack_returned"] == ["DELETE", "ADD"]
    assert ("pack_ordered", None) not in told_steps


def test_a_pack_has_its_giai_from_the_binding_on_and_its_own_name_always(life, tmp_path):
    events = events_of(life, tmp_path, LIFE)
    assert {event["mg:pack"] for event in events} == {f"{BASE}/pack/{LIFE}"}
    names = [epc for event in events for epc in event.get("epcList", ())]
    assert names[:2] == [f"{BASE}/pack/{LIFE}"] * 2
    assert set(names[2:]) == {f"{BASE}/8004/{GIAI}"}
    (encoding,) = (event for event in events if event.get("bizStep") == "encoding")
    assert encoding["epcList"] == [f"{BASE}/8004/{GIAI}"]


def test_a_second_life_with_a_new_code_transforms_one_code_into_the_other(life, tmp_path):
    events = events_of(life, tmp_path, LIFE)
    (changed,) = (event for event in events if event["type"] == "TransformationEvent")
    assert changed["inputEPCList"] == [f"{BASE}/code/{CODE}"]
    assert changed["outputEPCList"] == [f"{BASE}/code/{NEW_CODE}"]
    assert "action" not in changed


def test_measurements_are_exact(life, tmp_path):
    with life.reading() as reads:
        export_epcis(reads, tmp_path / "e.json", [LIFE])
    text = (tmp_path / "e.json").read_text("utf-8")
    assert '{"type":"mg:stateOfHealth","value":78.50,"uom":"P1"}' in text
    assert '{"type":"mg:capacity","value":161.710,"uom":"AMH"}' in text


def test_no_driver_and_no_price_is_in_the_document_of_everything(life, tmp_path):
    text = json.dumps(document(life, tmp_path))
    for word in ("DR-1", "DR-2", "minor", "Driver", "EUR"):
        assert word not in text


def test_the_events_of_two_packs_are_those_of_each_by_time_then_position(life, tmp_path):
    both = events_of(life, tmp_path, LIFE, "PK-1", LIFE)
    order = [(event["eventTime"], event["mg:position"]) for event in both]
    assert order == sorted(order)
    apart = events_of(life, tmp_path, LIFE) + events_of(life, tmp_path, "PK-1")
    assert sorted(event["eventID"] for event in both) == sorted(e["eventID"] for e in apart)
    everything = {event["eventID"] for event in events_of(life, tmp_path)}
    assert everything > {event["eventID"] for event in both}


# Moments and bytes --------------------------------------------------------------


def test_the_same_moment_gives_the_same_bytes_also_under_later_checkpoints(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger:
        sign(ledger, APRIL - DAY)
        with ledger.reading() as reads:
            end = reads.size
            first = export_epcis(reads, tmp_path / "1.json")
        live(ledger, whole_life())
        sign(ledger, SOON)
        with ledger.reading() as reads:
            again = export_epcis(reads, tmp_path / "2.json", moment=Moment(FOREVER, end))
            now = export_epcis(reads, tmp_path / "3.json")
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    assert again.sha256 == first.sha256
    assert now.events > first.events
    said = json.loads((tmp_path / "2.json").read_text("utf-8"))
    assert (said["creationDate"], said["mg:entries"]) == ("2024-03-31T00:00:00.000Z", end)


def test_a_late_report_changes_no_id_of_what_was_told_before(life, tmp_path):
    with life.reading() as reads:
        early = Moment(FOREVER, reads.size // 2)
    before = {event["eventID"] for event in events_of(life, tmp_path, moment=early)}
    assert before < {event["eventID"] for event in events_of(life, tmp_path)}


def test_valid_at_leaves_out_what_happened_later_and_keeps_what_is_known(life, tmp_path):
    with life.reading() as reads:
        moment = reads.moment(APRIL + 20 * HOUR)
    events = events_of(life, tmp_path, LIFE, moment=moment)
    assert events[-1]["mg:kind"] == "pack_docked"


def test_a_pack_nobody_knows_a_moment_nobody_signed_and_a_strange_base_are_refused(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger:
        unsigned = pytest.raises(NotFound, match="no checkpoint covers")
        with ledger.reading() as reads, unsigned:
            export_epcis(reads, tmp_path / "e.json")
        sign(ledger)
        with ledger.reading() as reads:
            with pytest.raises(NotFound, match="PK-9"):
                export_epcis(reads, tmp_path / "e.json", ["PK-1", "PK-9"])
            with pytest.raises(Malformed, match="base"):
                export_epcis(reads, tmp_path / "e.json", base="ftp://example.net")
    assert not (tmp_path / "e.json").exists()
    assert not list(tmp_path.glob(".export-*"))


@pytest.mark.parametrize(
    "base",
    ["", "id.example.net", "https://", "https://x.example/?a=1", "https://x.example/#a",
     "https://a@x.example", "https://x.example/a b", "https://ü.example", "https://[::1",
     "https://x.example:99999", "https://x.example/<>", 'https://x.example/"'],
)  # fmt: skip
def test_a_base_is_a_plain_web_address(base):
    with pytest.raises(Malformed, match="base"):
        naming_of(base)
    assert naming_of("https://x.example:8443/a/").base == "https://x.example:8443/a"


def test_an_older_file_stays_whole_when_the_new_one_cannot_be_made(life, tmp_path):
    file = tmp_path / "e.json"
    file.write_text("older")
    with life.reading() as reads, pytest.raises(NotFound):
        export_epcis(reads, file, ["PK-9"])
    assert file.read_text() == "older"


# Corrections --------------------------------------------------------------------


def test_a_reversed_entry_is_declared_an_error_with_what_corrects_it(tmp_path):
    wrong = told(SohAssessed(pack_id="PK-1", soh_bp=9_900, method="model"), position=3)
    reversal = told(
        SohAssessed(pack_id="PK-2", soh_bp=1, method="model"),
        position=5,
        at=APRIL + DAY,
        reverses=3,
    )
    right = told(SohAssessed(pack_id="PK-1", soh_bp=9_100, method="model"), position=6, corrects=3)
    with (tmp_path / "spool").open("w+b") as file, (tmp_path / "out").open("w+b") as out:
        spool = _Spool(file, teller(), NAMING)
        for entry in (wrong, reversal, right):
            spool.add(entry, [])
        spool.correct()
        count = spool.copy(out, APRIL + 9 * DAY)
    events = json.loads(f"[{(tmp_path / 'out').read_text()}]")
    assert count == len(events) == 4
    original, declared, corrected, _ = events
    assert declared["errorDeclaration"] == {
        "declarationTime": "2024-04-02T00:01:00.000Z",
        "reason": "incorrect_data",
        "correctiveEventIDs": [corrected["eventID"]],
    }
    del declared["errorDeclaration"]
    assert declared == original
    assert corrected["mg:position"] == 6


def test_a_correction_changes_no_number(tmp_path):
    wrong = told(SohAssessed(pack_id="PK-1", soh_bp=9_910, method="model"), position=3)
    undone = told(HoldCleared(hold_id="H", pack_id="PK-1", cleared_by="P"), position=4, reverses=3)
    with (tmp_path / "spool").open("w+b") as file, (tmp_path / "out").open("w+b") as out:
        spool = _Spool(file, teller(), NAMING)
        spool.add(wrong, [])
        spool.add(undone, [])
        spool.correct()
        spool.copy(out, APRIL + SECOND)
    assert (tmp_path / "out").read_text().count('"value":99.10,') == 2


def test_of_an_entry_about_two_packs_a_history_tells_what_is_about_its_own(tmp_path):
    said = AllocationReplaced(booking_id="BK-1", pack_ids=("PK-1", "PK-2"), reason="held")
    entry = told(said, packs=(Link(1, "PK-1"), Link(1, "PK-2")))
    for names, count in (([], 1), (["PK-1"], 0), (["PK-2"], 1), (["PK-1", "PK-2"], 1)):
        with (tmp_path / "spool").open("w+b") as file, (tmp_path / "out").open("w+b") as out:
            spool = _Spool(file, teller(), NAMING)
            spool.add(entry, names)
            assert spool.copy(out, APRIL + DAY) == count
        assert spool.packs == set(names or ("PK-1", "PK-2"))
