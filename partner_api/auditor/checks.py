"""Checks: verifications as jobs, the last verdicts, and who read what with its seals."""

from base64 import b64encode

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import as_text
from ledger.runtime.auditing import seal_holds, seal_of
from ledger.runtime.invariants import Verdict
from ledger.store import access_log
from partner_api.auth import Action, authorise
from partner_api.deps import asked, asks, idempotency_key, parts_of, read_body
from partner_api.jobs import Job, State
from partner_api.look import PAGE, Asking, known_id, looking
from partner_api.problems import DoorProblem

# Verifications ----------------------------------------------------------------


class VerificationIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How deep to look: with `deep` every rule is replayed and every table compared."""

    deep: bool = False


class VerificationOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A verification: how far it is, and what it found over the first `size` entries."""

    verification_id: str
    state: State
    deep: bool
    asked_at: str
    ended_at: str = ""
    size: int = 0
    root_sha256: str = ""
    verdicts: tuple[Verdict, ...] = ()
    explanation: str = ""


def _out(job: Job) -> VerificationOut:
    return VerificationOut(
        verification_id=job.job_id,
        state=job.state,
        deep=job.deep,
        asked_at=as_text(job.asked_at),
        ended_at=as_text(job.ended_at) if job.ended_at else "",
        size=job.size,
        root_sha256=b64encode(job.root).decode(),
        verdicts=job.verdicts,
        explanation=job.explanation,
    )


@post(
    "/verifications",
    operation_id="ask_verification",
    opt=asks(Action.WRITE_AUDIT, body=VerificationIn),
    status_code=202,
)
async def ask_verification(request: Asking) -> Response[VerificationOut]:
    """Ask for a verification of the whole ledger; it runs on, and its id finds it."""
    body = await read_body(request, VerificationIn)
    principal = asked(request).principal
    assert principal is not None, "the guard lets nobody else ask"
    job_id = derived_id("VF", principal.id, idempotency_key(request))
    job = parts_of(request).jobs.ask(job_id, principal.id, deep=body.deep)
    if job.deep != body.deep:
        raise DoorProblem("idempotency_key_reused")
    headers = {"Location": f"/auditor/v1/verifications/{job_id}"}
    return Response(_out(job), status_code=202, headers=headers)


@get(
    "/verifications/{verification_id:str}",
    operation_id="read_verification",
    opt=asks(Action.READ_AUDIT),
    sync_to_thread=True,
)
def read_verification(request: Asking, verification_id: FromPath[str]) -> Response[VerificationOut]:
    """Give a verification of one's own."""
    with looking(request, "read_verification") as look:
        job = look.parts.jobs.find(known_id(verification_id))
        if job is None:
            raise NotFound("no such verification")
        authorise(asked(request).principal, Action.READ_AUDIT, job.holder_id)
        return look.answer(_out(job))


class LastVerdict(msgspec.Struct, frozen=True):
    """What a verification said last about an invariant, over how many entries, and when."""

    verdict: Verdict
    size: int
    checked_at: str


class InvariantsOut(msgspec.Struct, frozen=True):
    """The last verdicts since this process began; none when nobody asked for a verification."""

    items: list[LastVerdict]


@get(
    "/invariants",
    operation_id="list_invariants",
    opt=asks(Action.READ_AUDIT),
    sync_to_thread=True,
)
def list_invariants(request: Asking) -> Response[InvariantsOut]:
    """Give the last verdict on each invariant that a verification has checked."""
    with looking(request, "list_invariants") as look:
        last: dict[str, LastVerdict] = {}
        for job in look.parts.jobs.newest_done():
            for verdict in job.verdicts:
                said = LastVerdict(verdict, job.size, as_text(job.ended_at))
                last.setdefault(verdict.invariant, said)
        return look.answer(InvariantsOut(list(last.values())), len(last))


# Who read what ----------------------------------------------------------------


class AccessOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One read; the parameters stand there as SHA-256 only."""

    access_id: int
    at: str
    actor: str
    route: str
    parameters_sha256: str
    rows: int
    reason: str = ""


class AccessLogOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Reads in the order in which they were written down."""

    items: list[AccessOut]
    next_cursor: str = ""


@get(
    "/access-log",
    operation_id="list_access",
    opt=asks(Action.READ_AUDIT, "first", *PAGE),
    sync_to_thread=True,
)
def list_access(request: Asking) -> Response[AccessLogOut]:
    """List who read what; `first` is the number of the row to begin with."""
    with looking(request, "list_access") as look:
        first = int(look.after[0]) + 1 if look.after else look.number("first", 0)
        found = access_log.page(look.tx, look.log_id, first, first + look.limit)
        items = [
            AccessOut(
                number,
                as_text(row.at),
                row.actor,
                row.route,
                b64encode(row.parameters_digest).decode(),
                row.rows,
                row.reason,
            )
            for number, row in found
        ]
        cursor = look.next_cursor(items, (items[-1].access_id,)) if items else ""
        return look.answer(AccessLogOut(items, cursor), len(items))


class SealOut(msgspec.Struct, frozen=True):
    """The seal of a day's reads in the log, and whether the rows kept are those sealed."""

    day: str
    position: int
    first: int
    count: int
    root_sha256: str
    holds: bool


@get(
    "/access-log/{day:str}",
    operation_id="read_access_seal",
    opt=asks(Action.READ_AUDIT),
    sync_to_thread=True,
)
def read_access_seal(request: Asking, day: FromPath[str]) -> Response[SealOut]:
    """Give the seal of a UTC day, and check it against the rows that are kept."""
    with looking(request, "read_access_seal", heavy=True) as look:
        try:
            seal = seal_of(look.reads, day)
        except Malformed as error:
            raise NotFound("no such day") from error
        if seal is None:
            raise NotFound("that day is not sealed")
        said = seal.sealed
        answer = SealOut(
            day,
            seal.position,
            said.first,
            said.count,
            b64encode(bytes.fromhex(said.root_sha256)).decode(),
            seal_holds(look.reads, seal),
        )
        return look.answer(answer, said.count)


ROUTES = (
    ask_verification,
    read_verification,
    list_invariants,
    list_access,
    read_access_seal,
)
