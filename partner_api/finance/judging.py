"""What accounting programs say of the books of a period: asked by a job, kept, told with its age.

A program reads whole books, which takes longer than a request may. So a job asks, and a checklist
tells what was said; it counts for as long as nothing was booked in the period since.
"""

import msgspec
from litestar import Response, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import SECOND, as_text, period_window
from ledger.runtime.book_periods import cut_at_end
from ledger.runtime.reads import Reads
from partner_api.auth import Action
from partner_api.deps import Parts, asks, idempotency_key, parts_of, read_body
from partner_api.finance.making import NoFieldsIn
from partner_api.jobs import Job, Judged, Making, State
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, principal_of

PROGRAMS = "accounting programs"


class JudgingOut(msgspec.Struct, frozen=True):
    """A job that asks accounting programs about a period: how far it is."""

    job_id: str
    period: str
    state: State
    asked_at: str


class JudgedOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What accounting programs said last of a period: of which entries, and how long ago.

    It is not `is_current` once something was booked in the period since; empty where nobody asked.
    """

    is_current: bool = False
    position: int = -1
    judged_at: str = ""
    age_s: int = 0
    said: dict[str, str] = {}


class JudgePeriod(msgspec.Struct, frozen=True, tag_field="t", tag="judge"):
    """What a job was asked for: a period of the books."""

    period: str


def period_named(text: str) -> str:
    """Read the period of a path; one that can be none is not found."""
    try:
        period_window(text, "UTC")
    except Malformed as error:
        raise NotFound("no such period") from error
    return text


def words_of(period: str) -> str:
    """Write what a job is asked for."""
    return msgspec.json.encode(JudgePeriod(period)).decode()


def period_in(words: str) -> str:
    """Read the words of a job; "" where it is no judgement."""
    try:
        return msgspec.json.decode(words, type=JudgePeriod).period
    except msgspec.MsgspecError:
        return ""


def judging_of(parts: Parts, period: str) -> Making:
    """Give what has the programs of this machine judge a period."""

    def judge(reads: Reads) -> Judged:
        return Judged(parts.programs(reads, period))

    return judge


def newest_judgement(parts: Parts, reads: Reads, period: str) -> tuple[Job | None, bool]:
    """Give what was judged last of a period, and whether nothing was booked in it since."""
    job = parts.jobs.newest(reads, words_of(period))
    if job is None:
        return None, False
    return job, cut_at_end(reads, period, job.size) == cut_at_end(reads, period)


def heard(parts: Parts, reads: Reads, period: str) -> dict[str, str]:
    """Say what programs said of a period, as an item of its checklist wants it."""
    job, is_current = newest_judgement(parts, reads, period)
    if job is None or job.judged is None:
        return {PROGRAMS: "nobody has asked them yet"}
    if not is_current:
        return {PROGRAMS: f"asked when there were {job.size} entries; it moved since"}
    return job.judged.said


def judged_out(parts: Parts, reads: Reads, period: str) -> JudgedOut:
    """Tell what programs said last of a period."""
    job, is_current = newest_judgement(parts, reads, period)
    if job is None or job.judged is None:
        return JudgedOut()
    age_s = (parts.clock.now() - job.ended_at) // SECOND
    said = job.judged.said
    return JudgedOut(is_current, job.size - 1, as_text(job.ended_at), max(age_s, 0), said)


@post(
    "/periods/{period:str}/checklist",
    operation_id="ask_judgement",
    opt=asks(Action.READ_FINANCE, body=NoFieldsIn),
    status_code=202,
)
async def ask_judgement(request: HttpRequest, period: FromPath[str]) -> Response[JudgingOut]:
    """Have accounting programs judge the books of a period; the checklist tells what they say."""
    await read_body(request, NoFieldsIn)
    parts, principal = parts_of(request), principal_of(request)
    job_id = derived_id("JP", principal.id, idempotency_key(request))
    words = words_of(period_named(period))
    making = judging_of(parts, period)
    job = await sync_to_thread(parts.jobs.make, job_id, principal.id, words, making)
    if job.asked_for != words:
        raise DoorProblem("idempotency_key_reused")
    said = JudgingOut(job.job_id, period, job.state, as_text(job.asked_at))
    location = f"/finance/v1/periods/{period}/checklist"
    return Response(said, status_code=202, headers={"Location": location})
