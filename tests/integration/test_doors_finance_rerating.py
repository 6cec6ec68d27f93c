"""Rating the past again through the door: simulated, agreed to by its root, applied once."""

import msgspec
import pytest

from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.kernel.instants import HOUR
from tests.support.doors import check_problem
from tests.support.finance_doors import finance_over
from tests.support.ledgers import sqlite_url
from tests.support.town import MARCH, new_town

APRIL = MARCH + 31 * 24 * HOUR
SPAN = {"tariff_id": "TF-1", "from_at": MARCH, "to_at": APRIL}


def dearer():
    """Give the terms of another version: energy at one and a half times its price, as JSON."""
    elements = (Element("ENERGY", "KWH", 210_000), Element("SERVICE", "KWH", 100_000))
    return msgspec.to_builtins(TariffTerms("FR", "EUR", "Europe/Paris", 0, 0, elements))


@pytest.fixture
def finance(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger, finance_over(ledger, APRIL) as opened:
        yield opened


def simulated(finance, **more):
    answer = finance.post("/tariffs/simulate", {**SPAN, **more}, who="FI-R")
    assert answer.status_code == 200, answer.text
    return answer.json()


def published(finance):
    finance.agreed("/tariffs/TF-1/versions", {"terms": dearer(), "supersedes": 1})


def bills(finance):
    size = finance.said("/trial-balance")["as_of"]["position"] + 1
    entries = finance.said("/entries", first=0, end=size, kind="usage.accrued", limit=200)["items"]
    return [one["entry"] for one in entries]


def test_a_draft_is_rated_before_and_after_and_nothing_is_posted(finance):
    before = finance.said("/trial-balance")["items"]
    sheet = simulated(finance, draft=dearer(), supersedes=1)
    assert (sheet["checked"], len(sheet["lines"])) == (3, 3)
    assert [one["party"] for one in sheet["drivers"]] == ["DR-1", "DR-2"]
    assert all(one["after_minor"] > one["before_minor"] > 0 for one in sheet["drivers"])
    assert sum(one["after_minor"] for one in sheet["drivers"]) == sum(
        line["after"]["energy_minor"] + line["after"]["service_minor"] + line["after"]["fee_minor"]
        for line in sheet["lines"]
    )
    assert {one["party"] for one in sheet["partners"]} <= {"OP-1", "MG"}
    assert finance.said("/trial-balance")["items"] == before
    assert simulated(finance)["lines"] == []  # the version in force changes nothing


def test_a_sheet_is_applied_once_after_another_person_agreed_to_its_root(finance):
    published(finance)
    sheet = simulated(finance)
    wanted = SPAN | {"lines_root": sheet["lines_root"], "reason": "a dearer price"}
    waiting = finance.waits("/reratings", wanted)
    command = finance.said(f"/approvals/{waiting['approval_id']}")["command"]
    assert (command["lines_root"], command["line_count"]) == (sheet["lines_root"], 3)
    name = command["campaign_id"]
    check_problem(finance.post(f"/reratings/{name}/apply", {}), 404, "not_found")
    assert finance.agree(waiting).status_code == 201
    counted = len(bills(finance))
    done = finance.done(f"/reratings/{name}/apply")
    assert (done["applied"], done["left"]) == (3, 0)
    assert len(bills(finance)) == counted + 3
    again = finance.done(f"/reratings/{name}/apply")
    assert (again["applied"], len(bills(finance))) == (3, counted + 3)
    assert finance.said(f"/reratings/{name}")["taken_back"] == 3
    assert simulated(finance)["lines"] == []


def test_a_sheet_that_moved_is_not_applied(finance):
    sheet = simulated(finance, draft=dearer(), supersedes=1)
    wanted = SPAN | {"lines_root": sheet["lines_root"], "reason": "too early"}
    check_problem(finance.post("/reratings", wanted), 409, "rerating_stale")
    published(finance)
    first = finance.post("/reratings", wanted, key="RR")
    finance.later(HOUR)
    assert finance.post("/reratings", wanted, key="RR").json() == first.json()
    other = finance.post("/reratings", wanted | {"reason": "another"}, key="RR")
    check_problem(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"tariff_id": "T404"}, 404, "not_found"),
        ({"tariff_id": "no id"}, 404, "not_found"),
        ({"from_at": APRIL}, 400, "malformed"),
        ({"from_at": -1}, 400, "malformed"),
        ({"to_at": "soon"}, 400, "malformed"),
        ({"draft": {}}, 400, "malformed"),
        ({"draft": None}, 400, "malformed"),
        ({"x": 1}, 400, "malformed"),
    ],
)
def test_a_simulation_of_nonsense_is_refused(finance, changed, status, code):
    answer = finance.post("/tariffs/simulate", SPAN | changed, who="FI-R")
    check_problem(answer, status, code)
