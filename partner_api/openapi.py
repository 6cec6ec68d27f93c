"""The OpenAPI document: generated, completed, shipped as docs/openapi.json.

The generator knows the answers; parameters behind the question mark, bodies and failures come from
what each route declared. No page is served with it: the bundled ones load scripts of strangers.
"""

from typing import Any

import msgspec
from litestar import Litestar
from litestar.openapi.config import OpenAPIConfig
from litestar.routes import HTTPRoute

from ledger.domain.passports import VIEWERS
from partner_api.auditor import exports
from partner_api.auth import ASSERTION_CHARACTERS_MAX as FORM_CHARACTERS_MAX
from partner_api.auth import PUBLIC, Action
from partner_api.deps import BODY_BYTES_MAX
from partner_api.problems import CODES, PROBLEM, Problem

TITLE = "Mobile Grid"
VERSION = "1"
_FAILURES = (400, 401, 403, 404, 409, 422, 429, 503)
_OF_BODIES = (408, 413, 415)
_OF_WITNESSES = {
    400: "text/plain",
    403: "text/plain",
    404: "text/plain",
    409: "text/x.tlog.size",
    422: "text/plain",
}
_TEXT: dict[str, Any] = {"type": "string", "maxLength": 1_024}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}

PARAMETERS: dict[str, tuple[dict[str, Any], str]] = {
    "valid_at": (_TEXT, "What had happened by then: RFC 3339 with a zone. Now when absent."),
    "known_at": (
        _TEXT,
        "What was known by then: RFC 3339 with a zone, or position:<n>. The head when absent.",
    ),
    "limit": ({"type": "integer", "minimum": 1, "maximum": 200}, "Most items of the page; 50."),
    "cursor": (_TEXT, "Where the page before ended."),
    "account": (_TEXT, "An account path; what is below it counts too."),
    "item": (_TEXT, "The key dimension of an account: a driver, partner, pack."),
    "commodity": (_TEXT, "PACK, WH or an ISO 4217 currency."),
    "pack": (_TEXT, "A pack id."),
    "kind": (_TEXT, "The stored name of an event."),
    "first": (_COUNT, "The first position of a range."),
    "end": (_COUNT, "The position after the last one of a range."),
    "position": (_COUNT, "A position of the log."),
    "size": (_COUNT, "A size of the log, at most the newest signed one."),
    "old": (_COUNT, "The smaller size."),
    "new": (_COUNT, "The larger size."),
    "from": (_TEXT, "Begin of a span of valid time, RFC 3339."),
    "to": (_TEXT, "End of a span of valid time, RFC 3339; not inside it."),
    "known_before": (_TEXT, "The earlier state of knowledge, written like known_at."),
    "station": (_TEXT, "A station id."),
    "viewer": (
        {"type": "string", "enum": [exports.PUBLIC, *sorted(VIEWERS)]},
        "Who shall read the passport; public when absent.",
    ),
    "party": (_TEXT, "The party that gets it; needed unless it is for the public."),
    "as_of": (_TEXT, "What had happened by then: RFC 3339 with a zone, not to come."),
    "holder": (_TEXT, "The party whose lines are wanted; all when absent."),
    "state": (_TEXT, "Which of them: a state of theirs, such as open or RESERVED."),
    "near": (_TEXT, "A place: latitude and longitude as degrees x 10^7, with a comma."),
    "radius_m": ({"type": "integer", "minimum": 1, "maximum": 50_000}, "How far; 10 km."),
    "q": (_TEXT, "Words of a name or an address."),
    "pack_class": (_TEXT, "A class of packs."),
    "min_ready": ({"type": "integer", "minimum": 0, "maximum": 999}, "Packs ready at least."),
    "tier": (_TEXT, "The tier of a station: large, medium, outlet or pile."),
    "open_now": ({"type": "string", "enum": ["true", "false"]}, "Only those that serve now."),
    "max_price_minor": (_COUNT, "What a kWh may cost now at most, in minor units."),
    "arrive_at": (_TEXT, "When one will be there: RFC 3339 with a zone."),
    "sort": (
        {"type": "string", "enum": ["distance", "ready", "price"]},
        "What comes first; distance when absent.",
    ),
    "bbox": (_TEXT, "A frame: west, south, east, north as degrees x 10^7, with commas."),
    "zoom": ({"type": "integer", "minimum": 3, "maximum": 19}, "How near the map is."),
    "step_s": ({"type": "integer", "minimum": 300, "maximum": 86_400}, "Seconds of a step."),
    "ids": (_TEXT, "Ids of stations with commas, 50 at most."),
    "return_to": (_TEXT, "Where the browser goes afterwards: a place below /app/."),
    "prompt": (
        {"type": "string", "enum": ["login", "step_up", "create"]},
        "Prove oneself once more (step_up), or make another passkey (create).",
    ),
    "client_id": ({"type": "string", "enum": ["web", "app"]}, "Which app signs a driver in."),
    "redirect_uri": (_TEXT, "Where the app of a phone is sent back to; registered here."),
    "response_type": ({"type": "string", "enum": ["code"]}, "What the app gets back."),
    "code_challenge": (_TEXT, "SHA-256 of the app's secret in base64url (RFC 7636)."),
    "code_challenge_method": ({"type": "string", "enum": ["S256"]}, "How it was digested."),
    "code": (_TEXT, "What ends a sign-in, once and within a minute."),
    "status": (_TEXT, "Which of them: a word of theirs, such as open or closed."),
    "format": (_TEXT, "In which form the document is wanted."),
    "after": (_TEXT, "The id of the newest one that is known; only newer ones are given."),
    "language": ({"type": "string", "enum": ["en", "zh"]}, "In which language; en when absent."),
    "payments": (
        {"type": "string", "enum": ["shown", "hidden"]},
        "Whether what was paid since is shown; hidden when absent.",
    ),
    "revision": (_COUNT, "Which revision of a period, from 1; the newest when absent."),
    "period": (_TEXT, "A period of the books, YYYY-MM; all when absent."),
    "on": (_TEXT, "A day, YYYY-MM-DD."),
}
"""Every parameter behind a question mark: its schema, and what it says."""


def openapi_config() -> OpenAPIConfig:
    """Give the configuration of the generator; it serves nothing."""
    return OpenAPIConfig(
        title=TITLE, version=VERSION, render_plugins=[], use_handler_docstrings=True
    )


def document(app: Litestar) -> bytes:
    """Write the whole document, always the same for the same routes."""
    whole: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    schemas = whole.setdefault("components", {}).setdefault("schemas", {})
    _add_struct(schemas, Problem)
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            path = route.path_format
            for method in sorted(handler.http_methods):
                operation = whole["paths"].get(path, {}).get(method.lower())
                if operation is not None and "action" in handler.opt:
                    _complete(operation, handler.opt, schemas)
    whole["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return msgspec.json.format(msgspec.json.encode(whole, order="sorted")) + b"\n"


def _complete(operation: dict[str, Any], opt: dict[str, Any], schemas: dict[str, Any]) -> None:
    given = operation.setdefault("parameters", [])
    given.sort(key=lambda one: str(one["name"]))  # those of a path come in no order
    for name in opt["query"]:
        schema, words = PARAMETERS[name]
        given.append({"name": name, "in": "query", "schema": schema, "description": words})
    if opt["body"] is not None:
        content = {"application/json": {"schema": _add_struct(schemas, opt["body"])}}
        operation["requestBody"] = {"required": True, "content": content}
        header = {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"}
        if opt["action"] is not Action.PROVE_DRIVER:
            given.append(
                {"name": "Idempotency-Key", "in": "header", "required": True, "schema": header}
            )
    if opt["form"]:
        fields = {name: _TEXT | {"maxLength": FORM_CHARACTERS_MAX} for name in opt["form"]}
        schema = {"type": "object", "properties": fields, "required": list(opt["form"])}
        content = {"application/x-www-form-urlencoded": {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}
    if opt["file"]:
        content = {kind: {"schema": {"type": "string"}} for kind in opt["file"]}
        operation["requestBody"] = {"required": True, "content": content}
    _add_media(operation, opt.get("media", ()))
    if "multipart" in opt:
        parts = {name: _TEXT | {"maxLength": FORM_CHARACTERS_MAX} for name in opt["multipart"]}
        parts["file"] = {"type": "string", "format": "binary"}
        schema = {"type": "object", "properties": parts, "required": ["file"]}
        content = {"multipart/form-data": {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}
    is_witness = opt["action"] is Action.WITNESS
    if is_witness:
        plain = {"text/plain": {"schema": {"type": "string", "maxLength": BODY_BYTES_MAX}}}
        operation["requestBody"] = {"required": True, "content": plain}
    is_upload = bool(opt["file"]) or "multipart" in opt
    has_body = opt["body"] is not None or opt["form"] or is_upload or is_witness
    titles = dict(reversed(CODES.values()))
    problem = {"$ref": "#/components/schemas/Problem"}
    for status in (*_FAILURES, *(_OF_BODIES if has_body else ())):
        operation["responses"][str(status)] = {
            "description": titles[status],
            "content": {PROBLEM: {"schema": problem}},
        }
    _add_answers(operation, opt, titles)
    if is_witness:  # the protocol has words of its own for what is wrong
        for status, media in _OF_WITNESSES.items():
            operation["responses"][str(status)]["content"][media] = {"schema": {"type": "string"}}
    if opt["action"] not in PUBLIC:
        operation["security"] = [{"bearer": []}]


def _add_answers(operation: dict[str, Any], opt: dict[str, Any], titles: dict[int, str]) -> None:
    """Say what else a route answers: further statuses, and pages where it is one."""
    for status in opt.get("also", ()):
        said: dict[str, Any] = {"description": titles.get(status, "Done")}
        if status in titles:
            said["content"] = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        operation["responses"][str(status)] = said
    for status in ("204", "303"):  # these say nothing more, or lead on
        operation["responses"].get(status, {}).pop("content", None)
    if opt.get("is_page"):
        for said in operation["responses"].values():
            said.setdefault("content", {})["text/html"] = {"schema": {"type": "string"}}


def _add_media(operation: dict[str, Any], media: tuple[str, ...]) -> None:
    """Say which kinds of file the answer can be."""
    if media:
        (status,) = [one for one in operation["responses"] if one.startswith("2")]
        content = {kind: {"schema": {"type": "string"}} for kind in media}
        operation["responses"][status]["content"] = content


def _add_struct(schemas: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    """Add a Struct and all it names, strict where the Struct is; give the reference to it."""
    found = msgspec.json.schema_components((kind,), ref_template="#/components/schemas/{name}")
    (reference,), named = found
    schemas.update(named)
    return reference
