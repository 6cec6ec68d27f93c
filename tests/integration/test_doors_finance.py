"""The door of finance: books at any moment, and commands that wait for a second person."""

import pytest

from ledger.domain.money.invoices import RecordPayment
from ledger.kernel.ids import key_at
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor, Request
from ledger.runtime.approving import asking
from ledger.runtime.settling import close_period
from tests.support.doors import HandClock, check_problem, open_doors, sign
from tests.support.ledgers import sqlite_url
from tests.support.town import MARCH, PERIOD, new_town

V1 = "/finance/v1"


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with new_town(sqlite_url(tmp_path_factory.mktemp("town"))) as ledger:
        clock = HandClock(MARCH + 200 * HOUR)
        sign(ledger, clock.now())
        with open_doors(ledger, clock, doors=("log", "auditor", "finance")) as doors:
            yield doors


def said(town, path, **more):
    return town.said(f"{V1}{path}", who="FI-R", **more)


# Books ------------------------------------------------------------------------


def test_the_chart_tells_every_account_with_its_rule(town):
    chart = {each["code"]: each for each in said(town, "/accounts")["items"]}
    assert chart[2110]["account"] == "Liabilities:Partners:Approved"
    assert (chart[2110]["rule"], chart[2110]["keys"]) == ("credit_min_0", ["partner", "statement"])


def test_a_balance_leads_to_its_lines_and_they_to_their_entries(town):
    balance = said(town, "/accounts/1120/balance")
    lines = said(town, "/accounts/1120/postings")["items"]
    for held in balance["items"]:  # each figure opens into the lines that it is the sum of
        moment = {"item": held["item"], "known_at": f"position:{balance['as_of']['position']}"}
        opened = said(town, "/accounts/1120/postings", **moment)["items"]
        assert {one["item"] for one in opened} == {held["item"]}
        assert sum(one["quantity"] for one in opened) == held["quantity"]
    held = {each["item"]: each["quantity"] for each in balance["items"]}
    for driver, quantity in held.items():
        assert quantity == sum(one["quantity"] for one in lines if one["item"] == driver)
    entry = said(town, f"/entries/{lines[0]['position']}")["item"]["entry"]
    posting = entry["postings"][lines[0]["line"]]
    assert posting["account"] == "Assets:Receivables:Unbilled"
    assert posting["quantity"] == lines[0]["quantity"]


def test_lines_come_page_by_page_without_loss(town):
    whole = said(town, "/accounts/1120/postings")["items"]
    first = said(town, "/accounts/1120/postings", limit=1)
    found = first["items"]
    cursor = first["next_cursor"]
    while cursor:
        page = said(town, "/accounts/1120/postings", limit=1, cursor=cursor)
        found += page["items"]
        cursor = page.get("next_cursor", "")
    assert found == whole
    assert len(whole) == 3


def test_the_trial_balance_is_zero_at_every_moment(town):
    now = said(town, "/trial-balance")
    then = said(town, "/trial-balance", known_at="position:20")
    assert now["is_balanced"]
    assert then["is_balanced"]
    assert now["items"] != then["items"]


def test_entries_are_listed_by_range_and_by_kind(town):
    size = said(town, "/trial-balance")["as_of"]["position"] + 1
    by_kind = said(town, "/entries", first=0, end=size, kind="usage.accrued")["items"]
    everything = said(town, "/entries", first=0, end=size)["items"]
    wanted = [each for each in everything if each["entry"]["kind"] == "usage.accrued"]
    assert by_kind == wanted
    assert len(wanted) == 3
    town.problem(f"{V1}/entries?kind=usage.accrued", 422, "bounds_needed", who="FI-R")


@pytest.mark.parametrize("path", ["/accounts/9999/balance", "/accounts/x/postings", "/entries/x"])
def test_what_is_not_there_is_not_found(town, path):
    town.problem(f"{V1}{path}", 404, "not_found", who="FI-R")


@pytest.mark.parametrize("who", ["AU-1", "OP-1"])
def test_others_do_not_come_in(town, who):
    town.problem(f"{V1}/accounts", 403, "not_allowed", who=who)
    town.problem(f"{V1}/approvals", 403, "not_allowed", who=who)


# Approvals --------------------------------------------------------------------


def ask(town, number, maker="FI-M"):
    """Have a payment wait for a second person; its approval as the door shows it."""
    ledger, at = town.parts.ledger, town.parts.clock.now()
    command = asking(f"AP-{number}", PAY_BY[number], at)
    request = Request(key_at(at, "ask", str(number)), "tests", Actor(maker, "finance"), at, command)
    ledger.execute(request)
    return said(town, f"/approvals/AP-{number}")


PAY_BY = {
    number: RecordPayment(
        payment_id=f"PI-{number}",
        driver_id="DR-1",
        invoice_no="IN-1",
        currency="EUR",
        amount_minor=500,
    )
    for number in range(10)
}


def test_the_checker_sees_what_he_agrees_to_and_that_is_executed(town):
    waiting = ask(town, 1)
    assert waiting["command"]["payment_id"] == "PI-1"
    assert (waiting["state"], waiting["maker"]) == ("OPEN", "FI-M")
    open_ = said(town, "/approvals", status="open")["items"]
    assert "AP-1" in [each["approval_id"] for each in open_]
    yes = {"digest": waiting["digest"]}
    done = town.post(f"{V1}/approvals/AP-1/approve", yes, key="Y-1", who="FI-C")
    assert done.status_code == 201, done.text
    row = said(town, "/approvals/AP-1")
    assert (row["state"], row["checker"]) == ("EXECUTED", "FI-C")
    entry = said(town, f"/entries/{row['position']}")["item"]["entry"]
    assert entry["kind"] == "payment.captured"
    assert entry["actor"] == {
        "id": "FI-M",
        "role": "finance",
        "second_person": "FI-C",
        "second_role": "finance",
        "second_duty": "checker",
    }
    again = town.post(f"{V1}/approvals/AP-1/approve", yes, key="Y-1", who="FI-C")
    assert again.json() == done.json()
    assert again.headers["idempotent-replay"] == "true"


def test_nobody_agrees_who_may_not(town):
    waiting = ask(town, 2, maker="FI-T")
    yes = {"digest": waiting["digest"]}
    path = f"{V1}/approvals/AP-2/approve"
    for who in ("FI-R", "FI-M"):
        check_problem(town.post(path, yes, key="Y-2", who=who), 403, "not_allowed")
    check_problem(town.post(path, yes, key="Y-2", who="FI-T"), 409, "approver_is_maker")
    other = {"digest": "0" * 64}
    check_problem(town.post(path, other, key="Y-3", who="FI-C"), 409, "approval_invalid")
    check_problem(town.post(path, yes, who="FI-C"), 400, "idempotency_key_missing")
    check_problem(town.post(path, {"digest": "x"}, key="Y-4", who="FI-C"), 400, "malformed")
    assert said(town, "/approvals/AP-2")["state"] == "OPEN"


def test_a_no_has_a_reason_and_the_maker_may_withdraw(town):
    no = {"digest": ask(town, 3)["digest"], "reason": "paid twice"}
    path = f"{V1}/approvals/AP-3/reject"
    check_problem(town.post(path, no, key="N-1", who="FI-R"), 403, "not_allowed")
    done = town.post(path, no, key="N-1", who="FI-C")
    assert done.json()["state"] == "REJECTED"
    assert said(town, "/approvals/AP-3")["reason"] == "paid twice"
    back = {"digest": ask(town, 4)["digest"], "reason": "a slip"}
    done = town.post(f"{V1}/approvals/AP-4/reject", back, key="N-2", who="FI-M")
    assert done.json()["state"] == "WITHDRAWN"
    closed = said(town, "/approvals", status="closed")["items"]
    assert {"AP-3", "AP-4"} <= {each["approval_id"] for each in closed}


@pytest.mark.parametrize("name", ["AP-404", "not_an_id"])
def test_an_approval_that_is_not_there_is_not_found(town, name):
    town.problem(f"{V1}/approvals/{name}", 404, "not_found", who="FI-R")
    yes, no = {"digest": "0" * 64}, {"digest": "0" * 64, "reason": "no"}
    for verb, body in (("approve", yes), ("reject", no)):
        answer = town.post(f"{V1}/approvals/{name}/{verb}", body, key="Z", who="FI-C")
        check_problem(answer, 404, "not_found")


# Reports ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    """A town of its own whose month is settled and invoiced; nobody has paid on 20 May."""
    with new_town(sqlite_url(tmp_path_factory.mktemp("settled"))) as ledger:
        finance = Actor("FI-1", "finance", "FI-2")
        close_period(ledger, PERIOD, actor=finance, at=MARCH + 31 * 24 * HOUR)
        with open_doors(ledger, HandClock(MARCH + 80 * 24 * HOUR), doors=("finance",)) as doors:
            yield doors


def test_what_drivers_owe_is_told_by_age(settled):
    report = said(settled, "/reports/ageing")
    assert report["on"] == "2024-05-20"
    invoices = said(settled, "/invoices")["items"]
    assert len(invoices) == len(report["receivables"]) == 2
    for row in report["receivables"]:
        (invoice,) = (each for each in invoices if each["driver_id"] == row["driver_id"])
        assert invoice["due_on"] == "2024-04-15"
        assert row["to_60_minor"] == invoice["gross_minor"]
        others = ("not_due_minor", "to_30_minor", "to_90_minor", "over_90_minor")
        assert not any(row[name] for name in others)
    assert report["suspense"] == []


def test_what_a_partner_is_owed_is_told_at_any_moment(settled):
    (now,) = said(settled, "/reports/partner-balances")["items"]
    (statement,) = said(settled, "/statements")["items"]
    share = statement["calculation"]["amounts"][0]["share_minor"]
    assert (now["partner_id"], now["accrued_minor"]) == ("OP-1", share)
    assert said(settled, "/reports/partner-balances", known_at="position:3")["items"] == []


def test_what_was_earned_adds_up_to_the_books(settled):
    span = {"from": "2024-03-01T00:00:00Z", "to": "2024-04-01T00:00:00Z"}
    report = said(settled, "/reports/revenue", commodity="EUR", **span)
    by_account = {row["account"]: row["amount_minor"] for row in report["items"]}
    trial = said(settled, "/trial-balance")["items"]
    books = {
        row["account"]: -row["quantity"]
        for row in trial
        if row["account"].startswith(("Income:", "Expenses:"))
    }
    assert by_account == books
    assert report["result_minor"] == sum(books.values()) > 0
    before = {"from": "2024-02-01T00:00:00Z", "to": "2024-03-01T00:00:00Z"}
    assert said(settled, "/reports/revenue", commodity="EUR", **before)["items"] == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"commodity": "WH"}, "commodity"), ({"to": "2024-02-01T00:00:00Z"}, "from")],
)
def test_revenue_wants_a_currency_and_a_span(settled, changed, field):
    asked = {"commodity": "EUR", "from": "2024-03-01T00:00:00Z", "to": "2024-04-01T00:00:00Z"}
    problem = settled.problem(
        f"{V1}/reports/revenue", 400, "malformed", who="FI-R", params=asked | changed
    )
    assert problem["fields"][0]["path"] == field


# Partners ---------------------------------------------------------------------


def test_a_partner_sees_his_own_statements_and_no_others(settled):
    name = said(settled, "/statements")["items"][0]["statement_id"]
    own = settled.said(f"{V1}/statements", who="OP-1")["items"]
    assert [each["statement_id"] for each in own] == [name]
    assert settled.said(f"{V1}/statements", who="OP-2")["items"] == []
    assert settled.get(f"{V1}/statements/{name}", who="OP-1").status_code == 200
    foreign = settled.problem(f"{V1}/statements/{name}", 404, "not_found", who="OP-2")
    missing = settled.problem(f"{V1}/statements/STM-0", 404, "not_found", who="OP-2")
    for body in (foreign, missing):
        del body["instance"], body["reference"]
    assert foreign == missing


# Commands ---------------------------------------------------------------------


def test_a_command_of_two_persons_waits_and_a_simple_one_is_done(settled):
    policy = {"policy_id": "AP-STD", "residual_bp": 2_000, "end_bp": 7_000}
    waits = settled.post(f"{V1}/asset-policies", policy, key="C-1", who="FI-M")
    assert waits.status_code == 202, waits.text
    digest = waits.json()["digest"]
    again = settled.post(f"{V1}/asset-policies", policy, key="C-1", who="FI-M")
    assert again.json() == waits.json()
    path = f"{V1}/approvals/{waits.json()['approval_id']}/approve"
    assert said(settled, "/asset-policies")["items"] == []
    assert settled.post(path, {"digest": digest}, key="C-2", who="FI-C").status_code == 201
    (kept,) = said(settled, "/asset-policies")["items"]
    assert kept["id"] == "AP-STD"
    books = settled.post(
        f"{V1}/periods", {"period": "2024-03", "zone": "UTC"}, key="C-3", who="FI-M"
    )
    assert books.status_code == 201, books.text
    assert books.json()["count"] == 1


def test_a_command_with_a_wrong_field_names_it(settled):
    body = {"policy_id": "AP-X", "residual_bp": "much", "end_bp": 7_000}
    answer = settled.post(f"{V1}/asset-policies", body, key="W-1", who="FI-M")
    problem = check_problem(answer, 400, "malformed")
    assert problem["fields"][0]["path"] == "residual_bp"
    answer = settled.post(f"{V1}/asset-policies", {"x": 1}, key="W-2", who="FI-M")
    check_problem(answer, 400, "malformed")
    answer = settled.post(f"{V1}/periods/2024-03/closing", {}, key="W-3", who="FI-R")
    check_problem(answer, 403, "not_allowed")
