"""Checkpoint, hash tiles, entry bundles, proofs without entries, policy and keys.

Paths have one spelling; anything else is not found. Tiles never change, so they may be kept for
ever by whoever reads them; the checkpoint for five seconds.
"""

import gzip
import re
from hashlib import sha256
from typing import Any

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.kernel.errors import Malformed, NotFound
from ledger.tlog.note import read_decimal
from ledger.tlog.tiles import decode_entries
from partner_api.auth import Action
from partner_api.deps import Parts, asks, begin_trace, parts_of

TEXT = "text/plain"  # Litestar names the character set
BYTES = "application/octet-stream"
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
FRESH = {"Cache-Control": "public, max-age=5"}
PRIVATE = {"Cache-Control": "private, no-store"}
A_DAY = {"Cache-Control": "public, max-age=86400"}

GZIP_BYTES_MIN, GZIP_BYTES_MAX = 1_024, 4 * 1024 * 1024
"""Smaller is not worth it, larger would hold a processor too long: they are sent as they are."""

GZIP_LEVEL = 6
_WEIGHT = re.compile(r"(?:q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?")

Asking = Request[Any, Any, Any]


def _parts(request: Asking, ledger: str) -> Parts:
    """Give the parts, where the path names this ledger."""
    parts = parts_of(request)
    if ledger != parts.ledger.name.ledger:
        raise NotFound("no such log")
    return parts


def _tail(request: Asking, ledger: str) -> str:
    """Give the path below the log as it was spelt, for only one spelling is right."""
    return str(request.scope["path"]).removeprefix(f"/log/{ledger}/")


@get(
    "/log/{ledger:str}/checkpoint",
    operation_id="read_checkpoint",
    opt=asks(Action.READ_LOG),
    media_type=TEXT,
    sync_to_thread=True,
)
def read_checkpoint(request: Asking, ledger: FromPath[str]) -> Response[bytes]:
    """Give the newest checkpoint with all its lines."""
    note = _parts(request, ledger).published.newest().note
    tag = f'"{sha256(note).hexdigest()[:32]}"'
    headers = {**FRESH, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(b"", status_code=304, headers=headers, media_type=TEXT)
    return Response(note, headers=headers, media_type=TEXT)


@get(
    "/log/{ledger:str}/tile/{tile:path}",
    operation_id="read_tile",
    opt=asks(Action.READ_LOG),
    media_type=BYTES,
)
async def read_tile(request: Asking, ledger: FromPath[str], tile: FromPath[str]) -> Response[bytes]:  # noqa: ARG001 - the spelling is read from the path itself
    """Give a hash tile; a full one that was served before comes from memory, without a thread."""
    published = _parts(request, ledger).published
    path = _tail(request, ledger)
    data = published.remembered(path)
    if data is None:
        data = await sync_to_thread(_found, published.tile, path)
    return Response(data, headers=IMMUTABLE, media_type=BYTES)


@get(
    "/log/{ledger:str}/tile/entries/{tile:path}",
    operation_id="read_bundle",
    opt=asks(Action.READ_BUNDLES),
    media_type=BYTES,
    sync_to_thread=True,
)
def read_bundle(request: Asking, ledger: FromPath[str], tile: FromPath[str]) -> Response[bytes]:  # noqa: ARG001 - as above
    """Give an entry bundle; entries name partners, so auditors only. With gzip when asked."""
    published = _parts(request, ledger).published
    data = _found(published.bundle, _tail(request, ledger))
    trace = begin_trace(request, "read_bundle", len(decode_entries(data)))
    headers = {**PRIVATE, "Vary": "Accept-Encoding"}
    if GZIP_BYTES_MIN <= len(data) <= GZIP_BYTES_MAX and takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
        data = gzip.compress(data, GZIP_LEVEL, mtime=0)
    trace.result()
    return Response(data, headers=headers, media_type=BYTES)


def takes_gzip(request: Asking) -> bool:
    """Tell whether the reader takes gzip (RFC 9110 section 12.5.3)."""
    weights: dict[str, float] = {}
    for each in ",".join(request.headers.getall("accept-encoding", [])).split(","):
        coding, _, parameter = each.partition(";")
        found = _WEIGHT.fullmatch(parameter.strip())
        # a weight that is none is taken as a refusal
        weights[coding.strip().lower()] = float(found[1] or 1) if found else 0.0
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _found(read: Any, path: str) -> bytes:
    try:
        data: bytes = read(path)
    except Malformed as error:
        raise NotFound("no such tile") from error
    return data


@get(
    "/log/{ledger:str}/proof/{position:str}",
    operation_id="read_proof",
    opt=asks(Action.READ_LOG),
    media_type=TEXT,
    sync_to_thread=True,
)
def read_proof(request: Asking, ledger: FromPath[str], position: FromPath[str]) -> Response[bytes]:
    """Give the proof of an entry that the reader holds already; the entry itself is not in it."""
    published = _parts(request, ledger).published
    try:
        number = read_decimal(position, "position")
    except Malformed as error:
        raise NotFound("no such entry") from error
    return Response(published.proof_file(number, with_entry=False), headers=FRESH, media_type=TEXT)


@get(
    "/log/{ledger:str}/policy",
    operation_id="read_policy",
    opt=asks(Action.READ_LOG),
    media_type=TEXT,
)
async def read_policy(request: Asking, ledger: FromPath[str]) -> Response[bytes]:
    """Give the policy file of this log, for comparison: a reader's own comes from elsewhere."""
    parts = _parts(request, ledger)
    return Response(parts.published.policy_text(), headers=A_DAY, media_type=TEXT)


@get(
    "/log/{ledger:str}/keys",
    operation_id="read_log_keys",
    opt=asks(Action.READ_LOG),
    media_type=TEXT,
)
async def read_log_keys(request: Asking, ledger: FromPath[str]) -> Response[bytes]:
    """Give the verifier keys of this log, one a line."""
    parts = _parts(request, ledger)
    return Response(parts.published.keys_text(), headers=A_DAY, media_type=TEXT)


ROUTES = (
    read_checkpoint,
    read_tile,
    read_bundle,
    read_proof,
    read_policy,
    read_log_keys,
)
