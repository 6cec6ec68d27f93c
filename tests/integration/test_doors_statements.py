"""Statements and keys at the auditor door: what is shown leads back to entries and signatures."""

from base64 import b64decode

import pytest

from ledger.domain.money.documents import LineRoot, StatementLine
from ledger.kernel.envelope import base64_text, canonical
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.runtime.settling import close_period
from ledger.tlog.note import parse_note
from tests.support.doors import HandClock, open_doors, sign
from tests.support.ledgers import sqlite_url
from tests.support.town import MARCH, OPERATOR, PERIOD, new_town

V1 = "/auditor/v1"
FINANCE = Actor("FI-1", "finance", "FI-2")


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """The town with March closed and signed: the statement is `town.statement_id`."""
    with new_town(sqlite_url(tmp_path_factory.mktemp("town"))) as ledger:
        clock = HandClock(MARCH + 40 * DAY)
        closed = close_period(ledger, PERIOD, actor=FINANCE, at=clock.now())
        sign(ledger, clock.now())
        with open_doors(ledger, clock) as doors:
            doors.statement_id = closed.statements[0]
            yield doors


def lines_of(town, limit=50):
    """Read all pages of the statement."""
    said, items = {}, []
    path = f"{V1}/statements/{town.statement_id}/evidence?limit={limit}"
    while path:
        answer = town.get(path)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        items += said["items"]
        path = answer.links.get("next", {}).get("url", "")
    return said["statement"], items


def test_the_lines_of_a_statement_give_its_sums_and_its_root(town):
    statement, items = lines_of(town)
    said = statement["calculation"]
    assert statement["partner_id"] == OPERATOR
    assert len(items) == said["line_count"] == 3
    assert sum(item["line"]["energy_wh"] for item in items) == said["energy_wh"]
    shares = sum(item["line"]["share_minor"] for item in items)
    assert shares == said["amounts"][0]["share_minor"] > 0
    root = LineRoot()
    for item in items:
        root.add(canonical(StatementLine(**item["line"])))
    assert base64_text(root.root()) == said["lines_root"]


def test_every_line_leads_to_its_entry_and_to_its_evidence(town):
    _, items = lines_of(town)
    for item in items:
        entry = town.said(f"{V1}/entries/{item['line']['position']}")["entry"]
        assert entry["leaf_sha256"] == item["leaf_sha256"]
        assert entry["decoded"]["kind"] == "share.accrued"
        assert entry["decoded"]["body"]["shares"][OPERATOR] == item["line"]["share_minor"]
        evidence = town.said(item["evidence_url"])["items"]
        assert evidence
        assert all(each["source"]["party"] == OPERATOR for each in evidence if "source" in each)


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
def test_pages_of_a_statement_are_the_whole(town, limit):
    assert lines_of(town, limit)[1] == lines_of(town)[1]


@pytest.mark.parametrize("name", ["SM-404", "not_an_id", "DR-1"])
def test_a_statement_that_is_not_there_is_not_found(town, name):
    town.problem(f"{V1}/statements/{name}/evidence", 404, "not_found")


def test_a_key_is_found_by_the_id_that_stands_on_the_signature(town):
    note = town.said(f"{V1}/checkpoints")["items"][0]["note"]
    signature = parse_note(note.encode()).signatures[0]
    listed = town.said(f"{V1}/keys")["items"]
    key = town.said(f"{V1}/keys/{signature.key_id.hex()}")
    assert key in listed
    assert (key["name"], len(b64decode(key["public_key_base64"]))) == (signature.name, 32)


@pytest.mark.parametrize("key_id", ["00000000", "x", "-", "0" * 64])
def test_a_key_that_is_none_of_the_logs_is_not_found(town, key_id):
    town.problem(f"{V1}/keys/{key_id}", 404, "not_found")
