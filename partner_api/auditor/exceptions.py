"""What is out of order: cases, packs and money in suspense, corrections; and evidence as kept."""

from typing import Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from ledger.domain.cases import CASES, Case
from ledger.domain.saga import SWAPS
from ledger.domain.sessions import SESSIONS
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import SECOND, as_text
from ledger.kernel.messages import ClockReading, Evidence, Source
from ledger.runtime.reads import decode
from ledger.store import journal
from ledger.store.queries import audit, rows
from ledger.store.queries.balances import Balance
from partner_api.auditor.entries import EntryOut, entry_out
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.look import MOMENT, PAGE, Asking, AsOf, Look, known_id, looking

STATES = ("open", "resolved")


class CaseOut(msgspec.Struct, frozen=True):
    """A case as it stands now, and for how long it has been open."""

    case: Case
    opened_at: str
    age_s: int


class CasesOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Cases in the order of their ids."""

    items: list[CaseOut]
    as_of: AsOf
    next_cursor: str = ""


def _case_out(look: Look, case: Case) -> CaseOut:
    age_s = (look.parts.clock.now() - case.opened_at) // SECOND
    return CaseOut(case, as_text(case.opened_at), age_s)


@get(
    "/cases",
    operation_id="list_cases",
    opt=asks(Action.READ_AUDIT, "state", *PAGE),
    sync_to_thread=True,
)
def list_cases(request: Asking) -> Response[CasesOut]:
    """List the exceptions that a person must settle, as they stand now."""
    with looking(request, "list_cases") as look:
        state = look.choice("state", STATES)
        found = rows.page(
            look.tx,
            look.log_id,
            CASES,
            listed=state or None,
            after=str(look.after[0]) if look.after else "",
            limit=look.limit,
        )
        cursor = look.next_cursor(found, (found[-1][0],)) if found else ""
        items = [_case_out(look, case) for _, case in found]
        return look.answer(CasesOut(items, look.as_of(), cursor), len(items))


class OneCase(msgspec.Struct, frozen=True):
    """One case."""

    item: CaseOut
    as_of: AsOf


@get(
    "/cases/{case_id:str}",
    operation_id="read_case",
    opt=asks(Action.READ_AUDIT),
    sync_to_thread=True,
)
def read_case(request: Asking, case_id: FromPath[str]) -> Response[OneCase]:
    """Give one case as it stands now."""
    with looking(request, "read_case") as look:
        case = look.reads.row(CASES, known_id(case_id))
        if case is None:
            raise NotFound("no such case")
        return look.answer(OneCase(_case_out(look, case), look.as_of()))


class SuspenseOut(msgspec.Struct, frozen=True):
    """Packs nobody can place, packs declared missing, money nobody can assign."""

    packs: list[audit.Held]
    money: list[Balance]
    as_of: AsOf


@get(
    "/suspense",
    operation_id="list_suspense",
    opt=asks(Action.READ_AUDIT, *MOMENT),
    sync_to_thread=True,
)
def list_suspense(request: Asking) -> Response[SuspenseOut]:
    """List what stood in suspense at a moment; 10,000 packs at most of each kind."""
    with looking(request, "list_suspense", heavy=True) as look:
        packs = [
            each
            for prefix in ("Packs:Suspense", "Packs:Missing")
            for each in audit.held(look.tx, look.log_id, prefix, at=look.held_at, limit=10_000)
        ]
        money = look.reads.balances("Liabilities:Suspense", at=look.moment)
        return look.answer(SuspenseOut(packs, money, look.as_of()), len(packs) + len(money))


# Corrections ------------------------------------------------------------------


class CorrectionOut(msgspec.Struct, frozen=True):
    """An entry that reverses or corrects an older one, and that one."""

    after: EntryOut
    before: EntryOut
    is_reversal: bool


class CorrectionsOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Corrections in the order of the log."""

    items: list[CorrectionOut]
    as_of: AsOf
    next_cursor: str = ""


@get(
    "/corrections",
    operation_id="list_corrections",
    opt=asks(Action.READ_AUDIT, "first", "end", *PAGE),
    sync_to_thread=True,
)
def list_corrections(request: Asking) -> Response[CorrectionsOut]:
    """List every entry of a range that reverses or corrects another, with both."""
    with looking(request, "list_corrections", heavy=True, tagged=True) as look:
        first, end = look.span()
        span = max(first, int(look.after[0]) + 1 if look.after else 0), end
        found = audit.corrections(look.tx, look.log_id, span, look.limit)
        items = [each for each in (_correction(look, *one) for one in found) if each is not None]
        cursor = look.next_cursor(found, (found[-1][0],)) if found else ""
        return look.answer(CorrectionsOut(items, look.as_of(), cursor), len(items))


def _correction(look: Look, position: int, data: bytes) -> CorrectionOut | None:
    envelope = decode(data).envelope
    earlier = envelope.corrects if envelope.reverses is None else envelope.reverses
    if earlier is None:
        return None
    before = journal.entry_bytes(look.tx, look.log_id, earlier)
    is_reversal = envelope.reverses is not None
    return CorrectionOut(entry_out(position, data), entry_out(earlier, before), is_reversal)


# Evidence ---------------------------------------------------------------------


class EvidenceItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry of a swap or session: evidence by digest, clock and source it came with."""

    position: int
    kind: str
    valid_at: str
    body: Any
    evidence: tuple[Evidence, ...] = ()
    clock: ClockReading | None = None
    source: Source | None = None


class EvidenceOut(msgspec.Struct, frozen=True):
    """The entries that name a swap or session and its packs, oldest first."""

    items: list[EvidenceItem]
    as_of: AsOf


@get(
    "/swaps/{swap_id:str}/evidence",
    operation_id="swap_evidence",
    opt=asks(Action.READ_AUDIT, "known_at"),
    sync_to_thread=True,
)
def swap_evidence(request: Asking, swap_id: FromPath[str]) -> Response[EvidenceOut]:
    """Give the entries that moved the packs of a swap, with all that vouches for them."""
    with looking(request, "swap_evidence") as look:
        swap = look.reads.row(SWAPS, known_id(swap_id))
        if swap is None:
            raise NotFound("no such swap")
        legs = (*swap.legs_in, *swap.legs_out)
        packs = {*swap.pack_ids, *(leg.pack_id for leg in legs)}
        return _evidence(look, swap_id, sorted(packs))


@get(
    "/sessions/{session_id:str}/evidence",
    operation_id="session_evidence",
    opt=asks(Action.READ_AUDIT, "known_at"),
    sync_to_thread=True,
)
def session_evidence(request: Asking, session_id: FromPath[str]) -> Response[EvidenceOut]:
    """Give the entries of a charging session, with all that vouches for them."""
    with looking(request, "session_evidence") as look:
        session = look.reads.row(SESSIONS, known_id(session_id))
        if session is None:
            raise NotFound("no such charging session")
        return _evidence(look, session_id, [session.pack_id])


def _evidence(look: Look, named: str, packs: list[str]) -> Response[EvidenceOut]:
    positions: set[int] = set()
    for pack_id in packs:
        found = audit.pack_positions(look.tx, look.log_id, pack_id, look.at)
        positions |= {position for _, position in found}
    entries = look.reads.at_positions(sorted(positions))
    items = [
        EvidenceItem(
            each.envelope.position,
            each.envelope.kind,
            as_text(each.envelope.valid_at),
            each.envelope.body,
            each.envelope.evidence,
            each.envelope.clock,
            each.envelope.source,
        )
        for each in entries
        if named in each.envelope.entities
    ]
    return look.answer(EvidenceOut(items, look.as_of()), len(items))


ROUTES = (
    list_cases,
    read_case,
    list_suspense,
    list_corrections,
    swap_evidence,
    session_evidence,
)
