"""The title statement of the fleet at the auditor door: canonical, signed, repeatable, traced."""

import pytest

from ledger.domain.liens import PlaceLien
from ledger.domain.parties import RegisterParty
from ledger.kernel.instants import DAY, as_text
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import accepted
from ledger.runtime.titles import title_statement
from ledger.store import access_log
from tests.support.doors import HandClock, open_doors, sign
from tests.support.ledgers import asking, sqlite_url
from tests.support.town import MARCH, new_town

PATH = "/auditor/v1/title-statement"
APRIL = MARCH + 31 * DAY
FINANCE = Actor("FI-1", "finance", "FI-2")


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """Two packs of one holder; a bank gets a lien on one of them in April."""
    bank = RegisterParty(party_id="BK-1", party_roles=("bank",), country="FR")
    lien = PlaceLien(
        lien_id="LI-1",
        pack_id="PK-1",
        bank_id="BK-1",
        doc_sha256="ab" * 32,
        amount_minor=450_000,
        currency="EUR",
    )
    with new_town(sqlite_url(tmp_path_factory.mktemp("town"))) as ledger:
        for command in (bank, lien):
            name = type(command).__name__
            accepted(ledger.execute(asking(command, name, actor=FINANCE, at=APRIL)))
        clock = HandClock(APRIL + DAY)
        sign(ledger, clock.now())
        with open_doors(ledger, clock) as doors:
            yield doors


def newest_read(town):
    with town.parts.ledger.reading() as reads:
        log_id = town.parts.ledger.name.log_id
        count = access_log.count(reads.tx, log_id)
        return access_log.page(reads.tx, log_id, count - 1, count)[0][1]


def test_the_statement_is_what_the_library_makes_and_leaves_its_trace(town):
    answer = town.get(PATH)
    assert answer.status_code == 200, answer.text
    with town.parts.ledger.reading() as reads:
        made = title_statement(reads)
    assert answer.content == made.encoded()
    assert answer.headers["ledger-position"] == str(made.last_position)
    assert answer.headers["content-type"] == "application/json"
    said = answer.json()
    assert (said["titled"], said["commissioned"], len(said["liens"])) == (2, 2, 1)
    assert (newest_read(town).route, newest_read(town).rows) == ("fleet_title_statement", 2)


def test_the_past_is_told_as_it_was_and_the_same_moment_gives_the_same_bytes(town):
    early = town.said(PATH, as_of=as_text(APRIL - 1))
    assert (early["titled"], early["liens"]) == (2, [])
    moment = {"as_of": as_text(APRIL), "known_at": f"position:{early['last_position']}"}
    first = town.get(PATH, params=moment)
    finding = {"position": 1, "text": "the log grows"}
    assert town.post("/auditor/v1/findings", finding, key="K-1").status_code == 201
    assert town.get(PATH, params=moment).content == first.content
    assert town.said(PATH, as_of=as_text(MARCH - DAY))["titled"] == 0


def test_the_lines_of_one_holder_stand_beside_the_sums_of_the_fleet(town):
    whole, own = town.said(PATH), town.said(PATH, holder="MG")
    assert own["holders"] == whole["holders"]
    other = town.said(PATH, holder="OP-1")
    assert (other["holders"], other["liens"], other["titled"]) == ([], [], 2)


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"holder": "ZZ-404"}, 404, "not_found"),
        ({"holder": "zz_404"}, 404, "not_found"),
        ({"as_of": "2024-03-01"}, 400, "malformed"),
        ({"as_of": as_text(APRIL + 2 * DAY)}, 400, "malformed"),
        ({"known_at": as_text(APRIL + 2 * DAY)}, 422, "not_known_yet"),
        ({"known_at": as_text(1)}, 404, "not_found"),
    ],
)
def test_what_cannot_be_told_is_refused_and_leaves_a_trace_too(town, parameters, status, code):
    town.problem(PATH, status, code, params=parameters)
    assert (newest_read(town).route, newest_read(town).rows) == ("fleet_title_statement", 0)


def test_without_a_checkpoint_there_is_no_statement(tmp_path):
    with (
        new_town(sqlite_url(tmp_path)) as ledger,
        open_doors(ledger, HandClock(APRIL)) as doors,
    ):
        doors.problem(PATH, 404, "not_signed_yet")
