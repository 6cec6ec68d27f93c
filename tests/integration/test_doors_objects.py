"""Objects behind ids: whose they are, and that foreign, missing and malformed ones are the same."""

import re
from itertools import permutations
from typing import Any

import msgspec
import pytest
from litestar import Request, Response, get
from litestar.params import FromPath

from ledger.domain.sessions import SESSIONS
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import HOUR
from mobilegrid import serving
from partner_api.app import bare_app
from partner_api.auth import Action
from partner_api.deps import asks, parts_of
from partner_api.frame import Frame
from tests.support.doors import (
    AUDITORS,
    BOTH_DOORS,
    HandClock,
    check_problem,
    log_signer,
    open_doors,
    sign,
    until,
)
from tests.support.ledgers import sqlite_url
from tests.support.town import MARCH, new_town

V1 = "/auditor/v1"


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with new_town(sqlite_url(tmp_path_factory.mktemp("town"))) as ledger:
        clock = HandClock(MARCH + 200 * HOUR)
        sign(ledger, clock.now())
        with open_doors(ledger, clock) as doors:
            yield doors


# Verifications ----------------------------------------------------------------


def test_a_verification_runs_on_and_its_verdicts_stay(town):
    asked = town.post(f"{V1}/verifications", {"deep": True}, key="V-1")
    assert asked.status_code == 202
    path = asked.headers["location"]
    said = until(lambda: town.said(path), lambda job: job["state"] == "done")
    assert len(said["verdicts"]) >= 5
    assert all(verdict["holds"] for verdict in said["verdicts"])
    assert said["size"] == 37
    again = town.post(f"{V1}/verifications", {"deep": True}, key="V-1")
    assert again.json()["verification_id"] == said["verification_id"]
    check_problem(town.post(f"{V1}/verifications", {}, key="V-1"), 422, "idempotency_key_reused")
    last = town.said(f"{V1}/invariants")["items"]
    assert [each["verdict"] for each in last] == said["verdicts"]


@pytest.mark.parametrize(("holder", "other"), [("AU-1", "AU-2"), ("AU-2", "AU-1")])
def test_the_verification_of_another_is_as_one_that_never_was(town, holder, other):
    asked = town.post(f"{V1}/verifications", {}, key=f"V-{holder}", who=holder).json()
    own = f"{V1}/verifications/{asked['verification_id']}"
    assert town.get(own, who=holder).status_code == 200
    foreign = town.get(own, who=other)
    missing = town.get(f"{V1}/verifications/VF-{'0' * 26}", who=other)
    malformed = town.get(f"{V1}/verifications/not_an_id", who=other)
    for answer in (foreign, missing, malformed):
        check_problem(answer, 404, "not_found")
    bodies = [answer.json() for answer in (foreign, missing, malformed)]
    for body in bodies:
        del body["instance"], body["reference"]
    assert bodies[0] == bodies[1] == bodies[2]


# Every route with an id -------------------------------------------------------

PLACES = {
    "pack_id": "PK-1",
    "holder_id": "DR-1",
    "station_id": "ST-1",
    "slot": "1",
    "meter_id": "MT-1",
    "position": "7",
    "size": "37",
    "ledger": "town",
    "tile": "0/000.p/37",
    "code": "malformed",
}
"""Ids of what belongs to everybody who may ask."""

MISSING = ("ZZ-404", "zz_404", "X" * 41, "-")


def id_routes():
    """Give every route that reads something by an id: its name, path and the ids in it."""
    paths = msgspec.json.decode(serving.openapi(list(BOTH_DOORS)))["paths"]
    return {
        methods["get"]["operationId"]: (path, re.findall(r"{(\w+)}", path))
        for path, methods in paths.items()
        if "{" in path and "get" in methods
    }


def owned_by(doors, who):
    """Make what can belong to one principal alone: its ids by the name they have in paths."""
    asked = doors.post(f"{V1}/verifications", {}, key="V-own", who=who)
    return {"verification_id": asked.json()["verification_id"]}


def shared_in(doors):
    """Find or make an id of everything else that a path can name."""
    with doors.parts.ledger.reading() as reads:
        session_id, _ = next(reads.rows(SESSIONS))
    finding = doors.post(f"{V1}/findings", {"position": 1, "text": "seen"}, key="F-objects")
    key = log_signer(doors.parts.ledger).key
    more = {"case_id": finding.json()["case_id"], "session_id": session_id}
    return PLACES | more | {"key_id": key.key_id.hex()}


def answer_to(doors, path, who):
    """Give status and body of a read, without what differs with every request."""
    answer = doors.get(path, who=who)
    said = answer.text
    if answer.status_code != 200:
        said = answer.json()
        del said["instance"], said["reference"]
    return answer.status_code, said


def leaks(doors, routes):
    """Replay every principal's reads as every other; list where one sees what is another's.

    A route reads what belongs to everybody only if all its ids stand in the table of those.
    """
    found, shared = [], shared_in(doors)
    own = {who: owned_by(doors, who) for who in AUDITORS}
    for who, other in permutations(AUDITORS, 2):
        for name, (path, ids) in routes.items():
            if set(ids) <= set(shared):
                continue
            mine = path.format(**shared, **own[who])
            last = ids[-1]
            missing = path.format(**{**shared, **own[who], last: f"ZZ-{'0' * 26}"})
            assert doors.get(mine, who=who).status_code == 200, f"{name}: {who} reads his own"
            if answer_to(doors, mine, other) != answer_to(doors, missing, other):
                found.append(f"{name}: {other} can tell that there is something of {who}")
    return found


def test_every_route_with_an_id_is_replayed_as_everybody_else(town):
    routes = id_routes()
    known = {*shared_in(town), *owned_by(town, "AU-1")}
    # everybody's, but not in town
    never_here = {"swap_id", "statement_id", "day", "origin_sha256", "ceremony_id"}
    unknown = {each for _, ids in routes.values() for each in ids} - known - never_here
    assert not unknown, f"say in this test whose they are: {unknown}"
    private = {n: r for n, r in routes.items() if not set(r[1]) & never_here}
    assert "read_verification" in private
    assert leaks(town, private) == []


def test_a_route_that_forgets_whose_it_is_would_be_found(town):
    @get(
        "/auditor/v1/planted/{verification_id:str}",
        operation_id="planted",
        opt=asks(Action.READ_AUDIT),
        sync_to_thread=False,
    )
    def planted(request: Request[Any, Any, Any], verification_id: FromPath[str]) -> Response[str]:
        job = parts_of(request).jobs.find(verification_id)
        if job is None:
            raise NotFound("no such verification")
        return Response(job.job_id)

    app = bare_app(BOTH_DOORS, [planted])
    app.state.parts, app.state.meanings, whole = town.parts, {}, town.app
    town.app = Frame(app, lambda: town.parts.ids.new("RQ"))
    try:
        planted_route = {"planted": ("/auditor/v1/planted/{verification_id}", ["verification_id"])}
        found = leaks(town, planted_route)
    finally:
        town.app = whole
    assert found == [
        "planted: AU-2 can tell that there is something of AU-1",
        "planted: AU-1 can tell that there is something of AU-2",
    ]


def missing_cases():
    """Every id of every route, each with names that nothing bears."""
    for name, (path, ids) in id_routes().items():
        if path.startswith(V1):
            for each in ids:
                yield pytest.param(path, each, id=f"{name}-{each}")


@pytest.mark.parametrize(("path", "field"), list(missing_cases()))
@pytest.mark.parametrize("who", AUDITORS)
def test_missing_and_malformed_ids_are_the_same_to_everybody(town, path, field, who):
    others = dict.fromkeys(re.findall(r"{(\w+)}", path), "1") | PLACES
    bodies = []
    for wanted in MISSING:
        asked = path.format(**{**others, field: wanted})
        body = check_problem(town.get(asked, who=who), 404, "not_found")
        del body["instance"], body["reference"]
        bodies.append(body)
    assert all(body == bodies[0] for body in bodies)
