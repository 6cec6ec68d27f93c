"""Every route says what it is for; the shipped document says the same as the program."""

from pathlib import Path

import msgspec
import pytest
from litestar import get
from litestar.exceptions import HTTPException, NotAuthorizedException

from ledger.kernel.errors import (
    CheckpointInvalid,
    Conflict,
    InvariantBroken,
    Malformed,
    Misconfigured,
    NotFound,
    ProofInvalid,
    Refused,
    ReplayDiffers,
    SignatureInvalid,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.runtime.published import NotSigned
from mobilegrid import serving
from partner_api.app import DOORS, bare_app
from partner_api.openapi import PARAMETERS
from partner_api.problems import CODES, DoorProblem, code_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"


def described():
    return msgspec.json.decode(serving.openapi(list(DOORS)))


def operations():
    return [
        (path, method, operation)
        for path, methods in described()["paths"].items()
        for method, operation in methods.items()
    ]


def test_a_route_without_a_declared_action_does_not_start():
    @get("/planted", sync_to_thread=False)
    def planted() -> str:
        return "open to everybody"

    with pytest.raises(Misconfigured, match="/planted has no declared action"):
        bare_app(["log"], [planted])


@pytest.mark.parametrize("doors", [[], ["nix"], ["log", "nix"]])
def test_only_known_doors_open(doors):
    with pytest.raises(Misconfigured, match="--doors"):
        bare_app(doors)


def test_the_shipped_document_is_the_programs():
    assert DOCUMENT.read_bytes() == serving.openapi(list(DOORS)), "run `mobilegrid openapi`"


def test_every_operation_has_an_id_of_its_own_and_documents_its_failures():
    found = operations()
    names = [operation["operationId"] for _, _, operation in found]
    assert len(set(names)) == len(names) > 30
    for path, method, operation in found:
        failures = {"400", "401", "403", "404", "409", "422", "429", "503"}
        assert failures <= set(operation["responses"]), f"{method} {path}"
        assert operation["description"] or operation["summary"]


def test_bodies_are_strict_and_their_fields_bounded():
    schemas = described()["components"]["schemas"]
    for name in ("FindingIn", "SampleIn", "VerificationIn"):
        assert schemas[name]["additionalProperties"] is False
    assert schemas["FindingIn"]["properties"]["text"]["maxLength"] == 500


def test_every_parameter_in_use_is_described_and_every_described_one_in_use():
    used = {
        each["name"]
        for _, _, operation in operations()
        for each in operation.get("parameters", ())
        if each["in"] == "query"
    }
    assert used == set(PARAMETERS)


OPEN = (
    "/driver/v1/papers/",
    "/driver/v1/stations",
    "/driver/v1/public/",
    "/driver/v1/erasure/certificates/",
)


def test_everything_of_auditors_finance_and_drivers_wants_a_credential():
    for path, method, operation in operations():
        wanted = path.startswith(("/auditor/", "/finance/", "/driver/"))
        wanted = (wanted and not path.startswith(OPEN)) or "/tile/entries/" in path
        assert ("security" in operation) == wanted, f"{method} {path}"


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (NotSigned("x"), "not_signed_yet", 404),
        (NotFound("x"), "not_found", 404),
        (Conflict("x"), "conflict", 409),
        (Malformed("x", field="y"), "malformed", 400),
        (TamperEvidence("x"), "integrity_check_failed", 500),
        (ProofInvalid("x"), "integrity_check_failed", 500),
        (SignatureInvalid("x"), "integrity_check_failed", 500),
        (CheckpointInvalid("x"), "integrity_check_failed", 500),
        (ReplayDiffers("x"), "integrity_check_failed", 500),
        (InvariantBroken("x"), "internal_error", 500),
        (Misconfigured("x"), "internal_error", 500),
        (Unavailable("x"), "unavailable", 503),
        (DoorProblem("bounds_needed"), "bounds_needed", 422),
        (NotAuthorizedException(), "not_authenticated", 401),
        (HTTPException(status_code=418), "internal_error", 500),
        (ZeroDivisionError(), "internal_error", 500),
    ],
)
def test_every_error_has_one_code_and_status(error, code, status):
    assert code_of(error) == code
    assert CODES[code][0] == status


def test_a_refusal_is_named_by_its_own_code():
    assert code_of(Refused(Refusal(RefusalCode.CASE_OPEN))) == "case_open"
