"""Files of banks: statements and answers in, orders out.

A file is kept by its digest before anything is posted. A statement that does not follow its
predecessor, or contradicts itself, posts nothing and waits in quarantine.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.bank.orders import answered, batch_of, order_bytes
from ledger.adapters.bank.statements import UnreadStatement
from ledger.domain.money.bank_rows import BANK_STATEMENTS, QUARANTINE
from ledger.kernel.errors import Malformed, NotFound, Refused, Unavailable
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor
from ledger.kernel.messages import Request as Asked
from ledger.runtime.reconciliation_import import (
    Imported,
    Importing,
    ReadStatement,
    import_statements,
)
from partner_api.auth import Action
from partner_api.deps import EvidenceStore, Parts, asks, parts_of
from partner_api.look import Asking, looking
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, principal_of

FILE_BYTES_MAX = 25 * 1024 * 1024
XML = ("application/xml", "text/xml")
_DIGEST_CHARACTERS = 64


class BankFileOut(msgspec.Struct, frozen=True):
    """What became of a file: by its digest, each statement in it, and what could not be read."""

    sha256: str
    statements: list[Imported]
    unread: list[UnreadStatement]


class AnsweredOut(msgspec.Struct, frozen=True):
    """What became of a bank's answer: what it led to by payout, references that are not ours."""

    sha256: str
    message_id: str
    outcomes: list[dict[str, str]]
    unread: tuple[str, ...]


class KeptFileOut(msgspec.Struct, frozen=True):
    """What is known of a file that was sent in before: its statements by their names."""

    sha256: str
    booked: list[str]
    quarantined: list[str]


async def read_file(request: HttpRequest, media: Sequence[str] = XML) -> bytes:
    """Read an uploaded file whole; its length must be said before it comes."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in media or request.headers.get("content-encoding", "identity") != "identity":
        raise DoorProblem("media_type", f"send {media[0]}, as it is")
    if "content-length" not in request.headers:
        raise Malformed("a file needs a Content-Length", field="Content-Length")
    return await request.body()


def evidence_of(parts: Parts) -> EvidenceStore:
    """Give where evidence is kept; `Unavailable` where nothing is."""
    if parts.evidence is None:
        raise Unavailable("files are not kept here")
    return parts.evidence


@post(
    "/bank-files",
    operation_id="import_bank_file",
    opt=asks(Action.MAKE_FINANCE, file=XML),
    status_code=201,
    request_max_body_size=FILE_BYTES_MAX,
)
async def import_bank_file(request: HttpRequest) -> Response[BankFileOut]:
    """Import a camt.053, camt.054 or camt.052 file; importing it again adds nothing."""
    content = await read_file(request)
    return Response(
        await sync_to_thread(_imported, parts_of(request), principal_of(request).id, content),
        status_code=201,
    )


def _imported(parts: Parts, person: str, content: bytes) -> BankFileOut:
    kept = evidence_of(parts)
    digest = kept.put(content)
    file, statements = read_statements(content)

    def read_again(named: str) -> Sequence[ReadStatement]:
        return read_statements(kept.get(named))[1]

    how = Importing(Actor(person, "finance"), parts.clock.now(), person, read_again)
    done = import_statements(parts.ledger, statements, how)
    return BankFileOut(digest, done, list(file.unread))


@get(
    "/bank-files/{digest:str}",
    operation_id="read_bank_file",
    opt=asks(Action.READ_FINANCE),
    sync_to_thread=True,
)
def read_bank_file(request: Asking, digest: FromPath[str]) -> Response[KeptFileOut]:
    """Tell what is known of a file by its digest."""
    with looking(request, "read_bank_file", heavy=True) as look:
        booked = [
            row.header.name
            for _, row in look.reads.rows(BANK_STATEMENTS)
            if row.header.file_sha256 == digest
        ]
        waiting = [
            row.header.name
            for _, row in look.reads.rows(QUARANTINE)
            if row.header.file_sha256 == digest
        ]
        if not booked and not waiting:
            raise NotFound("no statement came by such a file")
        return look.answer(KeptFileOut(digest, booked, waiting), len(booked) + len(waiting))


@post(
    "/bank-answers",
    operation_id="import_bank_answer",
    opt=asks(Action.MAKE_FINANCE, file=XML),
    status_code=201,
    request_max_body_size=FILE_BYTES_MAX,
)
async def import_bank_answer(request: HttpRequest) -> Response[AnsweredOut]:
    """Take in a bank's answer to an order (pain.002); a refusal has the payout owed again."""
    content = await read_file(request)
    return Response(
        await sync_to_thread(_answered, parts_of(request), principal_of(request).id, content),
        status_code=201,
    )


def _answered(parts: Parts, person: str, content: bytes) -> AnsweredOut:
    digest = evidence_of(parts).put(content)
    with parts.ledger.reading() as reads:
        found = answered(reads, content)
    outcomes = []
    for number, command in enumerate(found.commands):
        wanted = Asked(
            key=key_at(0, "bank answer", digest, str(number)),
            principal=f"finance:{person}",
            actor=Actor(person, "finance"),
            at=parts.clock.now(),
            command=command,
        )
        try:
            done = "done" if parts.ledger.execute(wanted).count else "known"
        except Refused as error:
            done = error.refusal.code.wire
        named = str(getattr(command, "payout_id", ""))
        outcomes.append({"payout": named, "command": type(command).__name__, "outcome": done})
    return AnsweredOut(digest, found.message_id, outcomes, found.unread)


@get(
    "/payout-batches/{batch_id:str}/file",
    operation_id="read_payout_file",
    opt=asks(Action.READ_FINANCE),
    media_type="application/xml",
    sync_to_thread=True,
)
def read_payout_file(request: Asking, batch_id: FromPath[str]) -> Response[bytes]:
    """Give the order of a batch as the bank takes it; its digest is the one that was approved."""
    with looking(request, "read_payout_file", heavy=True) as look:
        batch = batch_of(look.reads, batch_id)
        content = order_bytes(look.reads, batch, look.parts.payer)
        if sha256(content).hexdigest() != batch.file_sha256:
            raise Unavailable("this door is set up for another payer than the batch was made for")
        media = "application/xml" if batch.route == "bank_file" else "application/json"
        return look.raw(content, media)


ROUTES: tuple[Any, ...] = (
    import_bank_file,
    read_bank_file,
    import_bank_answer,
    read_payout_file,
)
