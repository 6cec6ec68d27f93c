"""The routes of finance as a whole: every command has one, and everybody keeps to his duties."""

import re

import pytest

from ledger.domain.catalogue import COMMANDS
from ledger.kernel.instants import HOUR
from partner_api.auth import Action
from partner_api.finance import desk
from tests.support.doors import check_problem
from tests.support.finance_doors import V1, finance_doors

NOT_HERE = {
    "AskApproval": "every route of a command that takes two persons asks for it",
    "AssignCase": "cases are looked after at the door of operations",
    "BillBooking": "the clock's",
    "BillExtraPackDays": "the clock's",
    "BillUsage": "a reaction to what was used",
    "ChooseMethod": "the driver's own",
    "ClearHold": "holds are the door of operations'",
    "ConfirmPayout": "only a booked line of the bank confirms a payout",
    "ConfirmTransfer": "only the processor's answer confirms a transfer",
    "CostUsage": "a reaction to what was billed",
    "DeemStatementAccepted": "the clock's",
    "EndCheckout": "the provider's answer ends it",
    "EndLease": "leases are the asset manager's",
    "ExpirePending": "the clock's",
    "IssueStatement": "issues without a signed document; the door issues with one",
    "LoseCall": "the relay's",
    "MapHistory": "made with every close, and by the command line",
    "MovePack": "packs move at the doors of stations and of operations",
    "OpenCase": "cases are opened by what happens, and at the door of operations",
    "OpenCheckout": "the driver's own",
    "PlaceHold": "holds are the door of operations'",
    "PlanSetup": "the driver saves his card himself",
    "PlanTopUp": "the driver tops up himself",
    "PostBalanceLine": "read from the provider",
    "RaiseBillDispute": "drivers dispute their bills themselves",
    "RecordPaymentFailure": "the provider tells it",
    "RedeemPromoCode": "the driver's own",
    "RegisterSubject": "persons are registered where their data are sealed",
    "RegisterTitle": "titles are the asset manager's",
    "RemoveMethod": "the driver's own",
    "RerateLater": "a reaction to a bill made anew",
    "RerateSwap": "a reaction to what became known of a swap",
    "ReserveMoney": "bookings reserve it",
    "ResolveCase": "cases end at the door of operations",
    "ReturnPayout": "a booked line of the bank returns a payout",
    "ReverseTransfer": "the processor tells it",
    "ReverseUsageCost": "a reaction to a bill taken back",
    "RevealSubject": "personal data are shown at the door of auditors",
    "SendCall": "the relay's",
    "SettlePending": "a reaction to a swap",
    "StartLease": "leases are the asset manager's",
    "TakeNews": "the provider's messages come in at a door of their own",
    "TellAnswer": "the relay's",
    "TellCard": "the relay's",
    "TellDispute": "the relay's",
    "TellPayment": "the relay's",
    "TellRefusal": "the relay's",
    "TopUpWallet": "the provider's answer tops it up",
    "TransferTitle": "titles are the asset manager's",
    "UseAllowance": "a reaction to what was billed",
}
"""Commands of money, and others that finance may ask for, without a route here, and why."""

MONEY = {
    one.__name__: one for one in COMMANDS if ".money." in one.__module__ or "finance" in one.roles
}
BY_TWO = [
    route
    for route in desk.ROUTES
    for name in route.opt.get("commands", ())
    if name in MONEY and MONEY[name].needs_second_person
]
MAKING = [one for one in desk.ROUTES if one.opt["action"] is Action.MAKE_FINANCE]
AGREEING = [one for one in desk.ROUTES if one.opt["action"] is Action.CHECK_FINANCE]


@pytest.fixture(scope="module")
def finance(tmp_path_factory):
    with finance_doors(tmp_path_factory.mktemp("finance")) as opened:
        yield opened


def test_every_command_of_money_has_a_route_or_a_reason():
    routed = {name for route in desk.ROUTES for name in route.opt.get("commands", ())}
    assert routed <= MONEY.keys() | {"RegisterParty"}
    assert not routed & NOT_HERE.keys(), "has a route, and a reason to have none"
    assert MONEY.keys() - routed == NOT_HERE.keys()


@pytest.mark.parametrize("route", BY_TWO, ids=lambda route: route.operation_id)
def test_a_command_of_two_persons_is_never_done_at_once(route):
    assert route.status_code == 202


def path_of(route):
    (path,) = route.paths
    return V1 + re.sub(r"{\w+:str}", "ZZ-404", path)


@pytest.mark.parametrize("route", [*MAKING, *AGREEING], ids=lambda route: route.operation_id)
def test_only_who_has_the_duty_comes_to_a_command(finance, route):
    doors = finance.doors
    (method,) = route.http_methods - {"OPTIONS"}
    strangers = ["FI-R", "OP-1", "AU-1"]
    strangers += ["FI-C"] if route in MAKING else ["FI-M"]
    for who in strangers:
        headers = doors.headers(who) | {"Idempotency-Key": "D-1"}
        answer = doors.call(method, path_of(route), headers=headers, json={})
        check_problem(answer, 403, "not_allowed")


def test_the_entry_says_in_which_duty_both_acted(finance):
    policy = {"policy_id": "AP-STD", "residual_bp": 2_000, "end_bp": 7_000}
    done = finance.agreed("/asset-policies", policy, who="FI-M", second="FI-T")
    row = finance.said(f"/approvals/{done['approval_id']}")
    entry = finance.said(f"/entries/{row['position']}")["item"]["entry"]
    assert entry["actor"] == {
        "id": "FI-M",
        "role": "finance",
        "second_person": "FI-T",
        "second_role": "finance",
        "duty": "maker",
        "second_duty": "treasurer",
    }


def test_a_maker_never_agrees_to_his_own_wish(finance):
    policy = {"policy_id": "AP-OWN", "residual_bp": 2_000, "end_bp": 7_000}
    waiting = finance.waits("/asset-policies", policy, who="FI-T")
    check_problem(finance.agree(waiting, who="FI-T"), 409, "approver_is_maker")


def test_a_wish_is_the_same_under_its_key_however_late(finance):
    policy = {"policy_id": "AP-LATE", "residual_bp": 2_000, "end_bp": 7_000}
    first = finance.post("/asset-policies", policy, key="LATE-1")
    finance.later(HOUR)
    again = finance.post("/asset-policies", policy, key="LATE-1")
    assert again.json() == first.json()
    assert again.headers["idempotent-replay"] == "true"
    other = finance.post("/asset-policies", policy | {"end_bp": 6_000}, key="LATE-1")
    check_problem(other, 422, "idempotency_key_reused")


def test_a_cut_is_the_same_under_its_key_though_its_lines_are_taken(finance):
    cut = {"partner_id": "OP-1", "period": "2026-05"}
    first = finance.post("/statements/cut", cut, key="CUT-1")
    assert first.status_code == 201, first.text
    again = finance.post("/statements/cut", cut, key="CUT-1")
    assert (again.json(), again.headers["idempotent-replay"]) == (first.json(), "true")
    other = finance.post("/statements/cut", cut | {"period": "2026-04"}, key="CUT-1")
    check_problem(other, 422, "idempotency_key_reused")
    assert finance.post("/statements/cut", cut).status_code == 409
