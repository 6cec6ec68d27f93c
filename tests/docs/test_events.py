"""The documents know every event, command and refusal, as the program has them."""

import json
import re
from pathlib import Path

import pytest

from ledger.domain.catalogue import COMMANDS, EVENTS
from ledger.kernel.refusal import RefusalCode
from mobilegrid.cli.docs import event_files
from tests.golden.make_events import FOLDER as GOLDEN
from tests.support.cli import run

DOCS = Path(__file__).resolve().parents[2] / "docs"
WRITTEN = event_files()
HOW = "run: mobilegrid docs"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_document_of_the_events_is_up_to_date(name: str) -> None:
    path = DOCS / "events" / name
    assert path.is_file(), HOW
    assert path.read_text(encoding="utf-8") == WRITTEN[name], HOW


def test_no_document_is_of_an_event_that_never_was() -> None:
    released = {f"{path.stem}.schema.json" for path in GOLDEN.glob("*.json")}
    found = {path.name for path in (DOCS / "events").iterdir()}
    assert sorted(found - released - set(WRITTEN)) == []


def test_the_documents_are_written_with_the_others(tmp_path: Path) -> None:
    done = run("docs", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    files = {path.name: path.read_text("utf-8") for path in (tmp_path / "events").iterdir()}
    assert files == WRITTEN


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_a_schema_names_its_event_and_every_field(event) -> None:
    text = WRITTEN[f"{event.kind}.v{event.version}.schema.json"]
    assert text.endswith("}\n")
    schema = json.loads(text)
    assert json.dumps(schema, sort_keys=True, indent=2, ensure_ascii=False) + "\n" == text
    assert schema["title"] == f"{event.kind}, version {event.version}"
    body = schema["$defs"][event.__name__]
    assert sorted(body["properties"]) == sorted(event.__struct_fields__)


NAMES = (
    *(command.__name__ for command in COMMANDS),
    *(event.kind for event in EVENTS),
    *(code.wire for code in RefusalCode),
)


def test_every_command_event_and_refusal_is_in_the_documents() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    words = set(re.findall(r"`([\w.]+)`", pages))
    assert sorted(set(NAMES) - words) == [], HOW
