"""Files of banks: statements, and answers to orders.

A file is kept by its digest before anything is posted. A statement that does not follow its
predecessor, or contradicts itself, posts nothing and waits in quarantine.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.bank.orders import answered
from ledger.adapters.bank.statements import UnreadStatement
from ledger.domain.money.bank_rows import BANK_STATEMENTS, QUARANTINE
from ledger.domain.money.bank_statements import ReleaseStatement
from ledger.kernel.errors import Malformed, NotFound, Refused, Unavailable
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Command
from ledger.kernel.messages import Request as Asked
from ledger.runtime.reads import Reads
from ledger.runtime.reconciliation_import import (
    Imported,
    Importing,
    ReadStatement,
    import_statements,
    releasing,
)
from partner_api.auth import Action, Principal
from partner_api.deps import EvidenceStore, Parts, asks, makes, parts_of, read_body
from partner_api.finance.approvals import WaitingOut, ask_approval_from
from partner_api.look import Asking, known_id, looking
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, actor_of, principal_of

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
    opt=asks(Action.MAKE_FINANCE, file=XML) | makes("ImportStatement", "RecordNotice"),
    status_code=201,
    request_max_body_size=FILE_BYTES_MAX,
)
async def import_bank_file(request: HttpRequest) -> Response[BankFileOut]:
    """Import a camt.053, camt.054 or camt.052 file; importing it again adds nothing."""
    content = await read_file(request)
    return Response(
        await sync_to_thread(_imported, parts_of(request), principal_of(request), content),
        status_code=201,
    )


def _imported(parts: Parts, principal: Principal, content: bytes) -> BankFileOut:
    kept = evidence_of(parts)
    digest = kept.put(content)
    file, statements = read_statements(content)
    done = import_statements(parts.ledger, statements, _importing(parts, principal, kept))
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


class ReleaseIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a statement is booked all the same, or set aside for good."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    sets_aside: bool = False


@post(
    "/bank-quarantine/{quarantine_key:str}/release",
    operation_id="release_bank_statement",
    opt=asks(Action.MAKE_FINANCE, body=ReleaseIn) | makes("ReleaseStatement"),
    status_code=202,
)
async def release_bank_statement(
    request: HttpRequest, quarantine_key: FromPath[str]
) -> Response[WaitingOut]:
    """Ask that a statement leaves quarantine: booked as it is, or set aside; two persons."""
    body = await read_body(request, ReleaseIn)
    name, parts, principal = known_id(quarantine_key), parts_of(request), principal_of(request)
    kept = evidence_of(parts)

    def wanted(found: Reads) -> Command:
        how = _importing(parts, principal, kept)
        return releasing(found, name, how, reason=body.reason, sets_aside=body.sets_aside)

    def is_same(before: Command) -> bool:
        return (
            isinstance(before, ReleaseStatement)
            and before.header.quarantine_key == name
            and (before.reason, before.sets_aside) == (body.reason, body.sets_aside)
        )

    return await ask_approval_from(request, wanted, is_same)


def _importing(parts: Parts, principal: Principal, kept: EvidenceStore) -> Importing:
    def read_again(named: str) -> Sequence[ReadStatement]:
        return read_statements(kept.get(named))[1]

    return Importing(actor_of(principal), parts.clock.now(), principal.id, read_again)


@post(
    "/bank-answers",
    operation_id="import_bank_answer",
    opt=asks(Action.MAKE_FINANCE, file=XML) | makes("MarkPayoutAccepted", "RejectPayout"),
    status_code=201,
    request_max_body_size=FILE_BYTES_MAX,
)
async def import_bank_answer(request: HttpRequest) -> Response[AnsweredOut]:
    """Take in a bank's answer to an order (pain.002); a refusal has the payout owed again."""
    content = await read_file(request)
    return Response(
        await sync_to_thread(_answered, parts_of(request), principal_of(request), content),
        status_code=201,
    )


def _answered(parts: Parts, principal: Principal, content: bytes) -> AnsweredOut:
    digest = evidence_of(parts).put(content)
    with parts.ledger.reading() as reads:
        found = answered(reads, content)
    outcomes = []
    for number, command in enumerate(found.commands):
        wanted = Asked(
            key=key_at(0, "bank answer", digest, str(number)),
            principal=f"finance:{principal.id}",
            actor=actor_of(principal),
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


ROUTES: tuple[Any, ...] = (
    import_bank_file,
    read_bank_file,
    import_bank_answer,
    release_bank_statement,
)
