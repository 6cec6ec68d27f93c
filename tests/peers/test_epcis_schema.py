"""EPCIS documents of towns, lives and random histories keep the schema of GS1; ids are the peer's.

Needs the schema among the data, and of the test tools `jsonschema`, `jsonschema-rs` and
`epcis-event-hash-generator`.
"""

import gzip
import json
from copy import deepcopy
from itertools import chain
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings

from ledger.domain.custody import PACKS
from ledger.domain.scans import RecordScan
from ledger.exports.epcis import export_epcis
from ledger.kernel.instants import HOUR
from ledger.runtime.ledger import Ledger
from tests.properties.test_ledger_histories import beginning, histories
from tests.support.cli import answer
from tests.support.ledgers import sqlite_url
from tests.support.lives import APRIL, GIAI, Step, live, sign, whole_life
from tests.support.schemas import faults, schema_of, second_opinion
from tests.support.town import new_town

__all__ = ["beginning"]

hash_generator = pytest.importorskip("epcis_event_hash_generator.hash_generator")
json_to_py = pytest.importorskip("epcis_event_hash_generator.json_to_py")

pytestmark = [
    pytest.mark.tool,
    # the reference program reads its own files by a function that Python gives up
    pytest.mark.filterwarnings("ignore:open_text is deprecated:DeprecationWarning"),
]

Document = dict[str, Any]


@pytest.fixture(scope="module")
def schema_file(data_dir):
    return data_dir / "epcis" / "EPCIS-JSON-Schema-2.0.json"


@pytest.fixture(scope="module")
def schema(schema_file):
    return schema_of(schema_file)


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """Export a whole life, and the town of the demo by its command."""
    folder = tmp_path_factory.mktemp("epcis")
    with new_town(sqlite_url(folder)) as ledger:
        live(ledger, chain(whole_life(), [looked_at()]))
        sign(ledger)
        with ledger.reading() as reads:
            export_epcis(reads, folder / "life.json")
    answer("demo", "--keep", folder / "demo")
    url = f"sqlite:///{folder / 'demo' / 'town.db'}"
    answer("export", "epcis", folder / "demo.json", ledger=url)
    return {name: read(folder / f"{name}.json") for name in ("life", "demo")}


def looked_at() -> Step:
    """Let somebody scan the pack at the recycler; it answered a challenge when it was new."""
    hour = 120
    at = APRIL + hour * HOUR
    return hour, "auditor", RecordScan(place_id="RE-1", texts=(GIAI,), occurred_at=at)


def read(file: Path) -> Document:
    found: Document = json.loads(file.read_text("utf-8"))
    return found


def foreign_ids(document: Document) -> list[str]:
    """Let the reference program compute the ids."""
    tree = json_to_py.event_list_from_epcis_document_json(deepcopy(document))
    found: list[str] = hash_generator.epcis_hashes_from_events(tree)
    return found


@pytest.mark.parametrize("name", ["life", "demo"])
def test_a_document_keeps_the_schema_by_both_validators(schema, documents, name):
    document = documents[name]
    assert len(document["epcisBody"]["eventList"]) > 20
    assert faults(schema, document) == []
    for event in document["epcisBody"]["eventList"][::10]:
        part = document | {"epcisBody": {"eventList": [event]}}
        assert second_opinion(schema, part) == []


def test_what_was_looked_at_is_told_in_words_of_the_schema(documents):
    events = documents["life"]["epcisBody"]["eventList"]
    steps = {(one["mg:kind"], one["bizStep"], one.get("disposition")) for one in events}
    assert ("scan_recorded", "inspecting", None) in steps
    assert ("pack_attested", "inspecting", "conformant") in steps


@pytest.mark.parametrize("name", ["life", "demo"])
def test_the_id_of_each_event_is_what_the_reference_program_computes(documents, name):
    events = documents[name]["epcisBody"]["eventList"]
    assert [event["eventID"] for event in events] == foreign_ids(documents[name])


def _other(name: str, value: str):
    def damage(event: Document) -> None:
        assert name in event
        event[name] = value

    return damage


DAMAGES = {
    "wrong action": _other("action", "MOVE"),
    "missing offset": lambda event: event.pop("eventTimeZoneOffset"),
    "offset of fifteen hours": _other("eventTimeZoneOffset", "+15:00"),
    "unknown business step": _other("bizStep", "docking"),
    "unknown disposition": _other("disposition", "charged"),
    "time without a zone": _other("eventTime", "2024-04-01T00:00:00.000"),
    "own word without a prefix": lambda event: event.update(position=1),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_the_schema_refuses_a_damaged_event(schema, documents, damage):
    document = deepcopy(documents["life"])
    damage(document["epcisBody"]["eventList"][5])
    assert faults(schema, document)
    assert second_opinion(schema, document)


def test_the_reference_shape_keeps_the_schema(schema, data_dir):
    sample = read(data_dir / "epcis" / "examples" / "pack_lifecycle_sample.json")
    assert faults(schema, sample) == second_opinion(schema, sample) == []


@pytest.mark.slow
@settings(max_examples=15)
@given(history=histories())
def test_every_random_history_of_packs_keeps_the_schema(schema_file, beginning, history):
    with TemporaryDirectory() as name:
        folder = Path(name)
        copy(beginning, folder)
        with Ledger(sqlite_url(folder)) as ledger:
            ledger.execute_all(history)
            sign(ledger)
            with ledger.reading() as reads:
                packs = [pack_id for pack_id, _ in reads.rows(PACKS)]
                export_epcis(reads, folder / "all.json")
                for pack_id in packs:
                    export_epcis(reads, folder / f"{pack_id}.json", [pack_id])
        everything = read(folder / "all.json")
        assert faults(schema_of(schema_file), everything) == []
        ids = [event["eventID"] for event in everything["epcisBody"]["eventList"]]
        assert ids == foreign_ids(everything)
        apart = [
            event["eventID"]
            for pack_id in packs
            for event in read(folder / f"{pack_id}.json")["epcisBody"]["eventList"]
        ]
        assert sorted(apart) == sorted(ids)


@pytest.mark.slow
def test_the_packs_of_two_real_networks_keep_the_schema(schema, data_dir, tmp_path):
    real = {"acn_office.csv.gz", "belib.csv.gz", "charge_points.csv"}
    folder = tmp_path / "data"
    for source in sorted((*data_dir.rglob("*.csv"), *data_dir.rglob("*.csv.gz"))):
        target = folder / source.relative_to(data_dir)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.name in real:
            copy(source, target)
        else:  # the importer wants every table; these have no rows
            reader = gzip.open if source.suffix == ".gz" else open
            with reader(source, "rt", encoding="utf-8") as rows:
                header = rows.readline().encode()
            target.write_bytes(gzip.compress(header) if source.suffix == ".gz" else header)
    url = sqlite_url(tmp_path, "real.db")
    names = ("--ledger-id", "real", "--origin", "log.example.net/log/real")
    answer("db", "create", *names, ledger=url)
    answer("data", "import", folder, ledger=url)
    done = answer("export", "epcis", tmp_path / "real.json", ledger=url)
    document = read(tmp_path / "real.json")
    assert done["packs"] == 532
    # each pack was taken over; each accepted row is in, charged, out
    assert done["events"] == 532 + 3 * (1_239 + 3_381)
    assert faults(schema, document) == []
    sample = document | {"epcisBody": {"eventList": document["epcisBody"]["eventList"][::50]}}
    assert second_opinion(schema, sample) == []
    ids = [event["eventID"] for event in sample["epcisBody"]["eventList"]]
    assert ids == foreign_ids(sample)
