"""What is another's at the door of finance: every route with an id, asked as everybody else."""

import re
from itertools import permutations
from typing import Any

import pytest
from litestar import Request, Response, get
from litestar.params import FromPath

from ledger.domain.money.payout_rows import PAYOUTS
from ledger.kernel.errors import NotFound
from partner_api.app import bare_app
from partner_api.auth import Action
from partner_api.deps import asks, parts_of
from partner_api.finance import desk
from partner_api.frame import Frame
from tests.support.doors import AUDITORS, PARTNERS, STAFF
from tests.support.finance_doors import V1, finance_doors
from tests.support.finance_objects import owned_by_a_partner

PARTNER_ACTIONS = {Action.READ_SETTLEMENT, Action.ANSWER_SETTLEMENT, Action.SEND_SETTLEMENT}
WITH_ID = [route for route in desk.ROUTES if any("{" in path for path in route.paths)]
BODIES = {
    "accept_statement": {"lines_root": "x"},
    "dispute_lines": {"lines": [{"position": 1, "posting_index": 0, "code": "PRICE"}]},
    "withdraw_dispute": {"reason": "x"},
    "escalate_dispute": {"reason": "x"},
    "write_dispute_message": {"text": "x"},
}
MISSING = f"ZZ-{'0' * 26}"
EVERYBODY = (*AUDITORS, *STAFF, *PARTNERS)


@pytest.fixture(scope="module")
def finance(tmp_path_factory):
    with finance_doors(tmp_path_factory.mktemp("foreign")) as opened:
        opened.own = owned_by_a_partner(opened)
        yield opened


def path_of(route, ids):
    (path,) = route.paths
    return V1 + re.sub(r"{(\w+):str}", lambda found: ids.get(found[1], "ZZ-1"), path)


def asked(finance, route, path, who):
    """Ask as somebody; status and body without what differs with every request."""
    doors = finance.doors
    (method,) = route.http_methods - {"OPTIONS"}
    if method == "GET":
        answer = doors.get(path, who=who)
    elif who in PARTNERS and route.operation_id in BODIES:
        body = BODIES[route.operation_id]
        answer = doors.signed(path, body, key=finance.key(), who=who)
    else:
        headers = doors.headers(who) | {"Idempotency-Key": finance.key()}
        answer = doors.call(method, path, headers=headers, json={})
    said = answer.text
    if answer.status_code >= 400:
        said = answer.json()
        del said["instance"], said["reference"]
    return answer.status_code, said


def last_id(route):
    (path,) = route.paths
    return re.findall(r"{(\w+):str}", path)[-1]


@pytest.mark.parametrize("route", WITH_ID, ids=lambda route: route.operation_id)
def test_what_is_anothers_is_as_what_never_was(finance, route):
    """Every ordered pair of principals; staff see all there is, so no id is foreign to them."""
    own = path_of(route, finance.own)
    missing = path_of(route, finance.own | {last_id(route): MISSING})
    for holder, other in permutations(EVERYBODY, 2):
        if holder == "OP-1" and other not in STAFF:
            foreign, never = (
                asked(finance, route, own, other),
                asked(finance, route, missing, other),
            )
            assert foreign == never
            wanted = 404 if other in PARTNERS and route.opt["action"] in PARTNER_ACTIONS else 403
            assert foreign[0] == wanted


@pytest.mark.parametrize(
    "route",
    [
        one
        for one in WITH_ID
        if one.opt["action"] in PARTNER_ACTIONS and one.http_methods >= {"GET"}
    ],
    ids=lambda route: route.operation_id,
)
def test_a_partner_reads_his_own(finance, route):
    answer = finance.doors.get(path_of(route, finance.own), who="OP-1")
    assert answer.status_code == 200, answer.text


LISTS = [
    one
    for one in desk.ROUTES
    if one not in WITH_ID and one.opt["action"] in PARTNER_ACTIONS and "GET" in one.http_methods
]


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.operation_id)
def test_lists_hold_nothing_of_another(finance, route):
    (path,) = route.paths
    span = {}
    if route.operation_id == "report_sla":
        with finance.doors.parts.ledger.reading() as reads:
            span = {"first": 0, "end": reads.size}
    of_other = finance.doors.said(f"{V1}{path}", who="OP-2", **span)
    if path == "/title-statements":  # nobody has a pack in this town
        assert (of_other["holders"], of_other["liens"], of_other["titled"]) == ([], [], 0)
        return
    assert of_other["items"] == []
    assert finance.doors.said(f"{V1}{path}", who="OP-1", **span)["items"]


def test_a_route_that_forgets_whose_it_is_would_be_found(finance):
    @get(
        "/finance/v1/planted/{payout_id:str}",
        operation_id="planted",
        opt=asks(Action.READ_SETTLEMENT),
        sync_to_thread=True,
    )
    def planted(request: Request[Any, Any, Any], payout_id: FromPath[str]) -> Response[str]:
        with parts_of(request).ledger.reading() as reads:
            row = reads.row(PAYOUTS, payout_id)
        if row is None:
            raise NotFound("no such payout")
        return Response(row.payee_id)

    doors, whole = finance.doors, finance.doors.app
    app = bare_app(("finance", "auditor"), [planted])
    app.state.parts, app.state.meanings = doors.parts, {}
    doors.app = Frame(app, lambda: doors.parts.ids.new("RQ"))
    try:
        own = doors.get(f"{V1}/planted/PO-1", who="OP-2")
        missing = doors.get(f"{V1}/planted/{MISSING}", who="OP-2")
    finally:
        doors.app = whole
    assert (own.status_code, missing.status_code) == (200, 404)
