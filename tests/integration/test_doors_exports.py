"""Exports and passports at the auditor door: what the library makes, with its trace in the log."""

import json
from hashlib import sha256
from io import BytesIO
from zipfile import ZipFile

import pytest

from ledger.domain.passports import PassportDisclosed
from ledger.exports.epcis import export_epcis
from ledger.exports.passport import Desk
from ledger.kernel.errors import Unavailable
from ledger.runtime.reads import FOREVER, Moment
from ledger.store import access_log
from mobilegrid import evidence_files
from mobilegrid.settings import Settings
from partner_api.settings import Settings as DoorSettings
from tests.support.doors import HandClock, open_doors
from tests.support.facts import encoded, facts_file
from tests.support.ledgers import sqlite_url
from tests.support.lives import LIFE, SOON, live, sign, whole_life
from tests.support.town import PACK_CLASS, new_town

V1 = "/auditor/v1"
FACTS = encoded(facts_file())


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with new_town(sqlite_url(tmp_path_factory.mktemp("life"))) as ledger:
        live(ledger, whole_life())
        sign(ledger)
        told = {PACK_CLASS: FACTS}
        with open_doors(
            ledger, HandClock(SOON), passport_facts=lambda name: told.get(name, b"")
        ) as doors:
            yield doors


def newest_read(town):
    with town.parts.ledger.reading() as reads:
        log_id = town.parts.ledger.name.log_id
        count = access_log.count(reads.tx, log_id)
        return access_log.page(reads.tx, log_id, count - 1, count)[0][1]


def test_the_history_of_a_pack_is_told_as_epcis(town, tmp_path):
    answer = town.get(f"{V1}/exports/epcis", params={"pack": LIFE})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/ld+json"
    with town.parts.ledger.reading() as reads:
        done = export_epcis(reads, tmp_path / "e", (LIFE,), reads.moment())
    assert answer.content == (tmp_path / "e").read_bytes()
    assert answer.headers["ledger-position"] == str(done.entries - 1)
    assert (newest_read(town).route, newest_read(town).rows) == ("read_epcis", done.events)
    early = town.get(f"{V1}/exports/epcis", params={"pack": LIFE, "valid_at": "2024-04-02T00:00Z"})
    assert early.status_code == 400
    early = town.get(
        f"{V1}/exports/epcis", params={"pack": LIFE, "valid_at": "2024-04-02T00:00:00Z"}
    )
    assert 0 < len(early.json()["epcisBody"]["eventList"]) < done.events


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("", 422, "bounds_needed"),
        ("?pack=PK-404", 404, "not_found"),
        ("?pack=pk_404", 404, "not_found"),
        (f"?pack={LIFE}&pack=PK-1", 400, "malformed"),
        (f"?pack={LIFE}&known_at=position:999999", 422, "not_known_yet"),
    ],
)
def test_a_history_of_nothing_or_of_everything_is_not_told(town, asked, status, code):
    town.problem(f"{V1}/exports/epcis{asked}", status, code)


def test_nothing_is_exported_that_no_checkpoint_covers(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger, open_doors(ledger, HandClock(SOON)) as doors:
        for path in ("exports/epcis?pack=PK-1", "exports/passport/PK-1"):
            doors.problem(f"{V1}/{path}", 404, "not_signed_yet")


def disclosed(town):
    with town.parts.ledger.reading() as reads:
        return list(reads.entries(kinds=(PassportDisclosed.kind,)))


def unpacked(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with ZipFile(BytesIO(answer.content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_the_public_passport_is_given_without_an_entry(town):
    before = len(disclosed(town))
    files = unpacked(town.get(f"{V1}/exports/passport/{LIFE}"))
    manifest = json.loads(files["manifest.json"])
    assert manifest["viewer"] == "public"
    assert {name: sha256(files[name]).hexdigest() for name in manifest["files"]} == manifest[
        "files"
    ]
    with town.parts.ledger.reading() as reads:
        signed = Moment(FOREVER, manifest["entries"])
        made = Desk(reads, LIFE, FACTS, signed).passport("public")
    assert files == {**made.documents, "manifest.json": made.manifest}
    assert len(disclosed(town)) == before
    assert newest_read(town).route == "read_passport"


def test_a_passport_that_is_not_for_everybody_leaves_an_entry_once(town):
    path = f"{V1}/exports/passport/{LIFE}?viewer=interest&party=WS-1"
    before = len(disclosed(town))
    answer = town.get(path)
    manifest = unpacked(answer)["manifest.json"]
    assert town.get(path).content == answer.content
    (entry,) = disclosed(town)[before:]
    assert entry.event == PassportDisclosed(
        pack_id=LIFE,
        party_id="WS-1",
        viewer="interest",
        manifest_sha256=sha256(manifest).hexdigest(),
    )
    assert (entry.envelope.actor.id, entry.envelope.actor.role) == ("AU-1", "auditor")


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (f"{LIFE}?viewer=interest", 422, "bounds_needed"),
        (f"{LIFE}?viewer=everybody", 400, "malformed"),
        (f"{LIFE}?viewer=interest&party=XX-1", 409, "party_unknown"),
        (f"{LIFE}?viewer=interest&party=DR-1", 409, "party_role_missing"),
        (f"{LIFE}?viewer=interest&party=dr_1", 404, "not_found"),
        ("PK-404", 404, "not_found"),
    ],
)
def test_a_passport_for_nobody_or_of_nothing_is_not_given(town, asked, status, code):
    before = len(disclosed(town))
    town.problem(f"{V1}/exports/passport/{asked}", status, code)
    assert len(disclosed(town)) == before


def test_a_passport_that_lacks_facts_names_them(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger:
        live(ledger, whole_life())
        sign(ledger)
        with open_doors(ledger, HandClock(SOON)) as doors:
            said = doors.problem(f"{V1}/exports/passport/{LIFE}", 409, "passport_fact_missing")
            assert said["facts"]["pack"] == LIFE


def test_facts_files_are_found_by_class(tmp_path):
    settings = Settings(doors=DoorSettings(facts_folder=str(tmp_path)))
    (tmp_path / f"{PACK_CLASS}.json").write_bytes(FACTS)
    assert evidence_files.facts_of(settings, PACK_CLASS) == FACTS
    for name in ("M99", "../M75", ""):
        assert evidence_files.facts_of(settings, name) == b""
    assert evidence_files.facts_of(Settings(), PACK_CLASS) == b""
    (tmp_path / "M99.json").write_bytes(b"x" * (1_048_576 + 1))
    with pytest.raises(Unavailable, match="longer"):
        evidence_files.facts_of(settings, "M99")
