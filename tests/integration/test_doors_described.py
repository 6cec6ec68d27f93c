"""What the OpenAPI document says holds: seeded requests made from it, well-formed and broken."""

from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from typing_extensions import override

from ledger.domain.sessions import SESSIONS
from ledger.kernel.instants import HOUR
from ledger.runtime.personal_texts import PersonalTexts
from ledger.runtime.witnessing import WitnessDesk
from ledger.signer.schema import Signing
from ledger.tlog.witness import AddCheckpoint, format_request, origin_hash
from mobilegrid import serving
from mobilegrid.wiring import RandomIds
from partner_api.app import DOORS
from partner_api.deps import Signings
from tests.support.document_keys import DOCUMENTS
from tests.support.doors import URL, HandClock, log_signer, sign
from tests.support.driving import open_driver_doors
from tests.support.erasing import People
from tests.support.facts import encoded, facts_file
from tests.support.finance_doors import HEAD
from tests.support.ledgers import sqlite_url
from tests.support.logs import ORIGIN, VERIFIER
from tests.support.town import MARCH, new_town
from tests.support.witnesses import branch, cosigner, log_note

pytestmark = pytest.mark.slow

SEED = 20_251_128
EXAMPLES = 6
SCHEMA = schemathesis.openapi.from_dict(msgspec.json.decode(serving.openapi(list(DOORS))))
OPERATIONS = {
    found.ok().definition.raw["operationId"]: found.ok()
    for found in SCHEMA.get_all_operations()
    if isinstance(found, Ok)
}
load_all_checks()
_NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
_CHECKS: dict[str, Any] = {check.__name__: check for check in CHECKS.get_all()}
PROMISES: list[Any] = [_CHECKS[name] for name in _NAMES]


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    clock = HandClock(MARCH + 200 * HOUR)
    with new_town(sqlite_url(folder)) as ledger:
        people = People(ledger, f"sqlite:///{folder / 'people.db'}")
        sign(ledger, clock.now())
        desk = WitnessDesk(ledger, {ORIGIN: [VERIFIER]}, [cosigner(1, lambda: 1)], clock.now)
        parts: dict[str, Any] = {
            "people": people.vault,
            "signings": Written(),
            "passport_facts": facts_of,
            "documents": DOCUMENTS,
            "letterhead": HEAD,
            "texts": PersonalTexts(ledger, people.vault, clock, RandomIds(clock)),
        }
        with open_driver_doors(ledger, clock, doors=tuple(DOORS), witness=desk, **parts) as doors:
            yield doors
        people.vault.close()


class Written(Signings):
    """A journal of one signature, and a device that made it."""

    @override
    def journal(self, after: int, limit: int) -> list[tuple[int, Signing]]:
        one = Signing("hsm-a", "aa01", "checkpoint", "", bytes(32), 37, MARCH, b"key", b"line")
        return [(1, one)] if not after else []

    @override
    def logs(self) -> tuple[tuple[str, bytes], ...]:
        return (("hsm-a", b'{"number":1,"operation":"sign","key_id":"aa01","code":0}\n'),)


def facts_of(_pack_class: str) -> bytes:
    return encoded(facts_file())


@pytest.fixture(scope="module")
def known(town):
    """Ids that are there, so that not every request ends at the first look."""
    ledger = town.parts.ledger
    with ledger.reading() as reads:
        session_id, _ = next(reads.rows(SESSIONS))
    return {
        "pack_id": ["PK-1", "PK-2"],
        "holder_id": ["DR-1", "ST-1", "MG"],
        "station_id": ["ST-1"],
        "slot": ["1", "2"],
        "meter_id": ["MT-1"],
        "session_id": [session_id],
        "position": ["0", "7", "36", "37"],
        "size": ["37", "36"],
        "ledger": ["town"],
        "tile": ["0/000.p/37", "0/000.p/38", "000.p/37"],
        "key_id": [log_signer(ledger).key.key_id.hex()],
        "day": ["2024-03-09"],
        "code": ["malformed", "not_found"],
        "origin_sha256": [origin_hash(ORIGIN)],
    }


NOTE = log_note(branch(5))
BODIES = {
    "add_checkpoint": [
        format_request(AddCheckpoint(0, (), NOTE)),  # cosigned, and again with the wrong old size
        format_request(AddCheckpoint(0, (), log_note(branch(7)))),
        format_request(AddCheckpoint(5, (), log_note(branch(5, fork_at=2)))),
        format_request(AddCheckpoint(0, (), NOTE.replace(ORIGIN.encode(), b"log.example.org/x"))),
        b"old 05\n\n" + NOTE,
    ]
}
"""Bodies with a meaning, beside those that the document makes up."""


PLANTED: dict[str, tuple[int, str, dict[str, object]]] = {
    "a status that is not described": (418, "application/json", {}),
    "a failure of the server": (500, "application/problem+json", {}),
    "another media type": (200, "text/html", {}),
    "a member that is missing": (200, "application/json", {"items": []}),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_broken_promise_is_found(what):
    status, media, body = PLANTED[what]
    operation = OPERATIONS["pack_history"]
    case = operation.Case(path_parameters={"pack_id": "PK-1"})
    request = httpx.Request("GET", f"{URL}/auditor/v1/packs/PK-1/history")
    answer = httpx.Response(status, headers={"Content-Type": media}, json=body, request=request)
    answer.elapsed = timedelta(0)
    with pytest.raises((Failure, FailureGroup)):
        case.validate_response(answer, checks=PROMISES)


def test_every_operation_of_the_document_is_asked():
    assert len(OPERATIONS) > 45
    assert len(PROMISES) == 5


def request_of(case, headers):
    """Give what a client of HTTP would be told to send, signed in."""
    sent = case.as_transport_kwargs(base_url=URL)
    more = {name: sent[name] for name in ("params", "cookies", "json") if sent.get(name)}
    if "data" in sent:
        data = sent["data"]
        more["content" if isinstance(data, bytes | str) else "data"] = data
    path = sent["url"].removeprefix(URL)
    headers = {**sent["headers"], **headers}
    return {"method": sent["method"], "path": path, "headers": headers, **more}


def asked():
    """Every operation as described; broken too, where it takes what can be broken."""
    for name, operation in sorted(OPERATIONS.items()):
        yield name, GenerationMode.POSITIVE
        if list(operation.query) or list(operation.body):
            yield name, GenerationMode.NEGATIVE


def who_asks(path):
    """Who may ask there; the pages to sign in ask nobody's name."""
    doors = {"/finance/": "FI-T", "/driver/": "DR-1"}
    return next((who for door, who in doors.items() if path.startswith(door)), "AU-1")


@pytest.mark.parametrize(("name", "mode"), list(asked()))
def test_every_answer_is_one_that_the_document_promises(town, known, name, mode):
    operation = OPERATIONS[name]
    headers = town.headers(who_asks(operation.path))

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def ask(case, data):
        for field in case.path_parameters or {}:
            if field in known and data.draw(st.booleans(), label="known"):
                case.path_parameters[field] = data.draw(st.sampled_from(known[field]), label=field)
        sent = request_of(case, headers)
        if name in BODIES and data.draw(st.booleans(), label="meant"):
            sent |= {"content": data.draw(st.sampled_from(BODIES[name]), label="body")}
        answer = town.call(**sent)
        # what a place was not given, such as a provider of payments, is away: that is promised too
        is_away = answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
        case.validate_response(answer, checks=PROMISES[1:] if is_away else PROMISES)

    try:
        ask()
    except BaseExceptionGroup as group:  # show the first finding, not the tree of them
        raise group.exceptions[0] from None
