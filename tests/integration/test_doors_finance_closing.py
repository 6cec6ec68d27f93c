"""Periods, packs at cost and reconciliation through the door of finance."""

from hashlib import sha256

import msgspec
import pytest

from ledger.kernel.instants import DAY, HOUR, parse_instant
from ledger.kernel.messages import Actor
from ledger.runtime.settling import close_period
from tests.support.bank_month import BANK, PSP, open_month
from tests.support.doors import check_problem, until
from tests.support.finance_doors import V1, finance_doors, finance_over
from tests.support.ledgers import made_ledger, opening, sqlite_url
from tests.support.town import MARCH, PERIOD, new_town

APRIL_3 = parse_instant("2026-04-03T08:00:00Z", "at")


@pytest.fixture
def finance(tmp_path):
    """The books of a month that has ended and begun to close."""
    with finance_doors(tmp_path) as opened:
        opened.done("/periods", {"period": "2026-05", "zone": "UTC"})
        opened.done("/invoices", {"period": "2026-05"})
        opened.done("/periods/2026-05/closing")
        yield opened


def waiting(finance, key=""):
    items = finance.said("/periods/2026-05/checklist")["items"]
    accept = [{"no": one["no"], "reason": "tests"} for one in items if not one["holds"]]
    answer = finance.post("/periods/2026-05/close", {"accept": accept}, key=key)
    assert answer.status_code == 202, answer.text
    return answer.json()


def late_entry():
    lines = [
        {"account": account, "commodity": "EUR", "quantity": minor, "dims": {}}
        for account, minor in (("Expenses:Rounding", 100), ("Equity:Capital", -100))
    ]
    named = {"manual_id": "ME-1", "posting_date": "2026-05-31", "reason": "late"}
    return {**named, "lines": lines, "documents": ["a" * 64]}


# Periods ----------------------------------------------------------------------


def test_an_item_that_is_open_keeps_the_period_open(finance):
    checklist = finance.said("/periods/2026-05/checklist")
    assert not checklist["is_complete"]
    refused = finance.agree(finance.waits("/periods/2026-05/close"))
    check_problem(refused, 409, "checklist_open")
    assert finance.said("/periods/2026-05")["state"] == "CLOSING"


def test_what_was_booked_since_the_checklist_keeps_the_period_open(finance):
    wait = waiting(finance)
    finance.agreed("/entries", late_entry())
    check_problem(finance.agree(wait), 409, "period_moved")
    assert finance.agree(waiting(finance)).status_code == 201


def test_programs_are_asked_by_a_job_and_count_until_something_is_booked(tmp_path):
    asked = []

    def programs(_reads, period):
        asked.append(period)
        return {"hledger": ""}

    with finance_doors(tmp_path, programs=programs) as finance:
        finance.done("/periods", {"period": "2026-05", "zone": "UTC"})
        finance.done("/periods/2026-05/closing")
        path = "/periods/2026-05/checklist"
        before = finance.said(path)
        assert "nobody has asked them yet" in before["items"][12]["found"]
        assert "position" not in before["programs"]
        waiting(finance)
        assert asked == []  # no program runs inside a request
        answer = finance.post(path, {}, key="ASK")
        assert answer.status_code == 202, answer.text
        check_problem(finance.post("/periods/2026-5/checklist", {}), 404, "not_found")
        other = finance.post("/periods/2026-06/checklist", {}, key="ASK")
        check_problem(other, 422, "idempotency_key_reused")
        said = until(lambda: finance.said(path), lambda one: "position" in one["programs"])
        assert (said["items"][12]["holds"], said["programs"]["is_current"]) == (True, True)
        assert said["programs"]["said"] == {"hledger": ""}
        finance.agreed("/entries", late_entry())
        after = finance.said(path)
        assert (after["items"][12]["holds"], after["programs"].get("is_current")) == (False, None)
        assert "it moved since" in after["items"][12]["found"]
        assert asked == ["2026-05"]


def test_the_wish_to_close_is_the_same_under_its_key(finance):
    first = waiting(finance, key="CLOSE")
    finance.later(HOUR)
    assert waiting(finance, key="CLOSE") == first


def test_a_closed_period_reads_the_same_for_ever_and_opens_once_more_by_two(finance):
    assert finance.agree(waiting(finance)).status_code == 201
    path = f"{V1}/periods/2026-05/report"
    first = finance.doors.get(path, who="FI-R")
    digest = sha256(first.content).hexdigest()
    assert finance.said("/periods/2026-05")["revisions"][0]["report_sha256"] == digest
    finance.agreed("/periods/2026-05/reopen", {"reason": "a line is missing"})
    assert finance.said("/periods/2026-05")["state"] == "REOPENED"
    assert finance.doors.get(path, who="FI-R", params={"revision": 1}).content == first.content
    assert finance.agree(waiting(finance)).status_code == 201
    second = finance.said("/periods/2026-05/report")
    assert (second["revision"], first.json()["revision"]) == (2, 1)
    filed = {"report_sha256": finance.said("/periods/2026-05")["revisions"][1]["report_sha256"]}
    finance.done("/periods/2026-05/reports", filed | {"receiver": "the tax office"})
    refused = finance.agree(finance.waits("/periods/2026-05/reopen", {"reason": "again"}))
    check_problem(refused, 409, "report_filed")


@pytest.mark.parametrize("path", ["checklist", "report"])
@pytest.mark.parametrize("period", ["2026-13", "x", "2026-05-99"])
def test_a_period_that_can_be_none_is_not_found(finance, period, path):
    finance.doors.problem(f"{V1}/periods/{period}/{path}", 404, "not_found", who="FI-R")


def test_a_close_says_what_is_wrong_with_it(finance):
    for body in ({"accept": [{"no": 14, "reason": "x"}]}, {"accept": [{"no": 1}]}, {"x": 1}):
        check_problem(finance.post("/periods/2026-05/close", body), 400, "malformed")
    check_problem(finance.post("/periods/2026-06/close", {}), 404, "not_found")
    finance.doors.problem(
        f"{V1}/periods/2026-05/report", 404, "not_found", who="FI-R", params={"revision": 7}
    )


# Packs ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A town whose month is settled; the packs are MG's, and OP-1 has a claim on one."""
    with new_town(sqlite_url(tmp_path_factory.mktemp("town"))) as ledger:
        finance_pair = Actor("FI-1", "finance", "FI-2")
        close_period(ledger, PERIOD, actor=finance_pair, at=MARCH + 31 * DAY)
        with finance_over(ledger, MARCH + 32 * DAY) as opened:
            opened.later(HOUR)
            yield opened


def test_a_title_statement_shows_a_partner_his_own_lines_alone(town):
    whole = town.said("/title-statements")
    assert (whole["titled"], [one["holder_id"] for one in whole["holders"]]) == (2, ["MG"])
    assert town.said("/title-statements", holder="MG") == whole
    own = town.doors.said(f"{V1}/title-statements", who="OP-1")
    assert (own["titled"], own["commissioned"], own["holders"]) == (0, 0, [])
    foreign = town.doors.get(f"{V1}/title-statements", who="OP-1", params={"holder": "MG"})
    missing = town.doors.get(f"{V1}/title-statements", who="OP-1", params={"holder": "ZZ-9"})
    bodies = [check_problem(one, 404, "not_found") for one in (foreign, missing)]
    for body in bodies:
        del body["reference"]
    assert bodies[0] == bodies[1]


def test_a_pack_at_cost_is_depreciated_by_two_runs_once(town):
    town.done("/periods", {"period": "2024-03", "zone": "UTC"})
    policy = {"policy_id": "AP-STD", "residual_bp": 2_000, "end_bp": 7_000, "life_months": 80}
    town.agreed("/asset-policies", policy)
    town.agreed("/partners", {"party_id": "SUP-1", "party_roles": ["service"], "country": "FR"})
    cost = {
        "pack_id": "PK-1",
        "currency": "EUR",
        "cost_minor": 900_000,
        "policy_id": "AP-STD",
        "partner_id": "SUP-1",
        "in_service_on": "2024-03-01",
    }
    answer = town.post("/asset-values", cost)
    assert answer.status_code == 202, answer.text
    assert town.agree(answer.json()).status_code == 201
    first = town.done("/depreciation", {"posting_date": "2024-03-31"})
    again = town.done("/depreciation", {"posting_date": "2024-03-31"})
    assert (first["packs"], again["packs"]) == (1, 0)
    listed = town.said("/depreciation", period="2024-03")
    assert listed["sums_minor"] == first["lost_minor"]
    (row,) = listed["items"]
    assert (row["pack_id"], row["posting_date"]) == ("PK-1", "2024-03-31")
    assert town.said("/depreciation", period="2024-04")["items"] == []
    value = town.said("/asset-values/PK-1")
    assert value["accumulated_minor"] == row["accumulated_minor"] == row["amount_minor"]


def test_the_energy_of_meters_is_held_against_their_sessions(town):
    end = town.said("/trial-balance")["as_of"]["position"] + 1
    report = town.said("/reports/energy-balance", first=0, end=end)
    assert report["gap_wh"] == sum(one["gap_wh"] for one in report["items"])
    town.doors.problem(f"{V1}/reports/energy-balance", 422, "bounds_needed", who="FI-R")


# Reconciliation ---------------------------------------------------------------


@pytest.fixture
def bank(tmp_path):
    with made_ledger(sqlite_url(tmp_path), opening()) as ledger:
        open_month(ledger)
        with finance_over(ledger, APRIL_3) as opened:
            for file in BANK:
                assert opened.send("/bank-files", file).status_code == 201
            yield opened


def test_a_run_over_all_legs_has_no_residual_and_names_the_one_before(bank):
    wanted = {"psp": msgspec.to_builtins(PSP)}
    first = bank.post("/reconciliations", wanted, key="RUN-1")
    assert first.status_code == 201, first.text
    told = first.json()
    assert {leg["leg"] for leg in told["legs"]} == {"ledger_bank", "ledger_psp", "psp_bank"}
    statement = bank.said(f"/reconciliations/{told['number']}/statement")
    for one in statement["bridges"]:
        assert one["residual_minor"] == 0
        assert one["external_closing_minor"] == (
            one["ledger_closing_minor"]
            + one["only_outside_minor"]
            - one["only_inside_minor"]
            + one["other_differences_minor"]
            + one["further_minor"]
        )
        assert one["open"] == one["open_before"] + one["opened"] - one["resolved"]
    bank.later(HOUR)
    again = bank.post("/reconciliations", wanted, key="RUN-1")
    assert (again.json(), again.headers["idempotent-replay"]) == (told, "true")
    other = bank.post("/reconciliations", wanted | {"run_on": "2026-04-09"}, key="RUN-1")
    check_problem(other, 422, "idempotency_key_reused")
    repeated = bank.post("/reconciliations", wanted, key="RUN-2")
    check_problem(repeated, 409, "run_invalid")  # that list was compared before
    check_problem(bank.post("/reconciliations", wanted, key="RUN-2"), 409, "run_invalid")
    second = bank.done("/reconciliations", {})
    assert second["number"] == told["number"] + 1
    runs = bank.said("/reconciliations")["items"]
    assert [one["number"] for one in runs] == [second["number"], told["number"]]
    assert all(not any(one["residuals_minor"]) for one in runs)
    assert bank.said(f"/reconciliations/{told['number']}")["number"] == told["number"]


@pytest.mark.parametrize("number", ["0", "9", "-1", "x", "1.0", "99999999999"])
def test_a_run_that_is_not_there_is_not_found(bank, number):
    for what in ("", "/statement", "/breaks"):
        bank.doors.problem(f"{V1}/reconciliations/{number}{what}", 404, "not_found", who="FI-R")


@pytest.mark.parametrize(
    "body", [{"run_on": "soon"}, {"psp": {}}, {"partner_files": "x"}, {"policy": 1}, {"x": 1}]
)
def test_a_run_of_nonsense_is_malformed(bank, body):
    check_problem(bank.post("/reconciliations", body), 400, "malformed")


def test_a_run_of_a_file_that_is_not_there_is_not_found(bank):
    check_problem(bank.post("/reconciliations", {"partner_files": ["PF-1"]}), 404, "not_found")
