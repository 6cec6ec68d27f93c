"""Line disputes: somebody says that a line of a statement or of a bill is wrong.

A partner's line is proven to be one of the statement's before it is disputed; an unknown line, or
one disputed after it was accepted, becomes a case and changes nothing. Two persons close a dispute.
Rejected or withdrawn, the line is paid like the others. Upheld, it is paid together with its
correction, in the statement that takes the correction in: nobody is paid what is wrong meanwhile.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.access import refused
from ledger.domain.cases import CASES, CaseOpened
from ledger.domain.composing import is_sha256
from ledger.domain.money.dispute_rows import (
    DISPUTED_LINES,
    DISPUTES_MAX,
    DRIVER_CODES,
    LINE_DISPUTES,
    PARTNER_CODES,
    LineDispute,
    disputes_of,
    move_line,
)
from ledger.domain.money.documents import StatementLine
from ledger.domain.money.invoice_policy import policy_of, policy_row
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.line_proofs import NO_PROOF, LineProof, is_proven
from ledger.domain.money.rating_facts import CHARGING_SESSION, SWAP
from ledger.domain.money.settlement_rows import ISSUED, STATEMENTS, Statement
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

REASON_MAX = 500
EVIDENCE_MAX = 20

SHELVES: tuple[Shelf[Any], ...] = (LINE_DISPUTES, DISPUTED_LINES)
FOLDS: tuple[type[Event], ...] = ()

_RAISERS = frozenset({"operator", "driver", "finance", "support", "system"})

# Commands ---------------------------------------------------------------------


class RaiseLineDispute(Command):
    """A partner disputes a line of a statement: its bytes (canonical JSON) and their proof.

    `line` is "" where the line is not known to us. `claimed_*` is what he says it should be.
    """

    roles: ClassVar[frozenset[str]] = _RAISERS
    circumstances: ClassVar[tuple[str, ...]] = ("observed",)

    dispute_id: str
    document_id: str
    party_id: str
    position: int
    posting_index: int
    code: str
    reason: str = ""
    claimed_quantity: int = 0
    claimed_minor: int = 0
    evidence: tuple[str, ...] = ()
    line: str = ""
    proof: LineProof = NO_PROOF
    observed: Observed | None = None


class RaiseBillDispute(Command):
    """A driver disputes a line of an invoice: the usage at `position`, its line by number.

    `amount_minor` is the net amount of that line. `usage_id` and `usage_kind` name the usage as
    its entry does.
    """

    roles: ClassVar[frozenset[str]] = _RAISERS

    dispute_id: str
    document_id: str
    party_id: str
    position: int
    posting_index: int
    amount_minor: int
    code: str
    reason: str = ""
    claimed_quantity: int = 0
    claimed_minor: int = 0
    evidence: tuple[str, ...] = ()
    usage_id: str = ""
    usage_kind: str = ""
    observed: Observed | None = None


_Raise = RaiseLineDispute | RaiseBillDispute
LineDisputesCommand = _Raise

# Events -----------------------------------------------------------------------


class LineDisputeRaised(Event):
    """A line is disputed; it is neither paid nor charged again until this is settled."""

    kind: ClassVar[str] = "line_dispute.raised"

    dispute_id: str
    document_id: str
    party_id: str
    position: int
    posting_index: int
    code: str
    currency: str
    amount_minor: int
    due_at: int
    line_hash: str = ""
    source: str = ""
    claimed_quantity: int = 0
    claimed_minor: int = 0
    evidence: tuple[str, ...] = ()
    reason: str = ""
    raised_by: str = ""
    usage_id: str = ""
    usage_kind: str = ""


LineDisputesEvent = LineDisputeRaised

# touches ----------------------------------------------------------------------


def touches(command: LineDisputesCommand) -> Keys:
    """Read the dispute, its document, what is disputed of it, and the case it may become."""
    rows = (
        touch(LINE_DISPUTES, command.dispute_id),
        touch(DISPUTED_LINES, command.document_id),
        touch(CASES, _case_id(command)),
        policy_row(),
    )
    if isinstance(command, RaiseLineDispute):
        return (*rows, touch(STATEMENTS, command.document_id))
    return (*rows, touch(INVOICES, command.document_id))


def follows(_world: World, _command: LineDisputesCommand) -> Keys:
    """Nothing more is needed."""
    return ()


def _case_id(command: _Raise) -> str:
    return derived_id("CA", "dispute", command.document_id, command.dispute_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: LineDisputesCommand, request: Request) -> Outcome:
    """Raise a dispute of a known line in time; anything later or unknown becomes a case."""
    held = world.get(LINE_DISPUTES, command.dispute_id)
    if held is not None:
        is_same = (held.document_id, held.code) == (command.document_id, command.code)
        code = RefusalCode.DISPUTE_EXISTS
        return () if is_same else Refusal(code, {"dispute": held.dispute_id})
    match command:
        case RaiseLineDispute():
            return _raise(world, command, request)
        case RaiseBillDispute():
            return _raise_bill(world, command, request)
        case _ as unknown:
            assert_never(unknown)


def _field(command: _Raise, codes: tuple[str, ...], party_id: str) -> str:
    """Name the first faulty field, "" when there is none."""
    claims = (command.claimed_minor, command.claimed_quantity)
    checks = (
        (is_id(command.dispute_id), "dispute_id"),
        (command.party_id == party_id, "party_id"),
        (0 <= command.position <= QUANTITY_MAX, "position"),
        (0 <= command.posting_index <= QUANTITY_MAX, "posting_index"),
        (command.code in codes, "code"),
        (len(command.reason) <= REASON_MAX, "reason"),
        (max(map(abs, claims)) <= QUANTITY_MAX, "claimed_minor"),
        (len(command.evidence) <= EVIDENCE_MAX, "evidence"),
        (all(map(is_sha256, command.evidence)), "evidence"),
        (_names_usage(command), "usage_id"),
    )
    return next((field for good, field in checks if not good), "")


def _names_usage(command: _Raise) -> bool:
    """Tell whether a usage is named by kind and id, or not at all."""
    if isinstance(command, RaiseLineDispute) or not (command.usage_id or command.usage_kind):
        return True
    return is_id(command.usage_id) and command.usage_kind in (SWAP, CHARGING_SESSION)


def _faults(world: World, command: _Raise, field: str) -> Refusal | None:
    disputes = disputes_of(world, command.document_id)
    last = disputes.on(command.position, command.posting_index)
    tests = (
        (last is not None, RefusalCode.DISPUTE_EXISTS),
        (bool(field) or len(disputes.lines) >= DISPUTES_MAX, RefusalCode.DISPUTE_FIELD_INVALID),
    )
    faults = [code for failed, code in tests if failed]
    if not faults:
        return None
    facts: dict[str, Fact] = {"document": command.document_id[:40]}
    facts |= {"field": field} if field else {}
    return refused(faults, facts | ({"dispute": last.dispute_id} if last else {}))


def _raise(world: World, command: RaiseLineDispute, request: Request) -> Outcome:
    row = world.get(STATEMENTS, command.document_id)
    if row is None:
        return Refusal(RefusalCode.STATEMENT_UNKNOWN, {"statement": command.document_id[:40]})
    fault = _faults(world, command, _field(command, PARTNER_CODES, row.partner_id))
    if fault is not None:
        return fault
    line = _proven(command, row)
    if line is None:
        return _case(world, command, "LINE_UNKNOWN")
    if row.state != ISSUED:
        return _case(world, command, "LATE_DISPUTE")
    digest = leaf_hash(command.line.encode()).hex()
    found = _raised(world, command, request, line.currency, line.share_minor)
    kind, usage_id = _usage_of(line)
    found = replace(found, line_hash=digest, source=line.source, usage_id=usage_id, usage_kind=kind)
    return (Draft(found, observed=command.observed),)


def _usage_of(line: StatementLine) -> tuple[str, str]:
    """Tell of which swap or session a share is, by kind and id; nothing for other lines."""
    usage_id = "" if line.source else line.swap or line.charging_session
    kind = SWAP if line.swap else CHARGING_SESSION
    return kind if usage_id else "", usage_id


def _proven(command: RaiseLineDispute, row: Statement) -> StatementLine | None:
    """Give the line that a partner means, once its bytes are proven to be of the statement."""
    data = command.line.encode()
    said = row.calculation
    if not is_proven(data, command.proof, said.line_count, said.lines_root):
        return None
    line = msgspec.json.decode(data, type=StatementLine)
    name = (command.position, command.posting_index)
    return line if (line.position, line.posting_index) == name else None


def _raise_bill(world: World, command: RaiseBillDispute, request: Request) -> Outcome:
    row = world.get(INVOICES, command.document_id)
    if row is None:
        return Refusal(RefusalCode.STATEMENT_UNKNOWN, {"invoice": command.document_id[:40]})
    fault = _faults(world, command, _field(command, DRIVER_CODES, row.driver_id))
    if fault is not None:
        return fault
    found = _raised(world, command, request, row.currency, command.amount_minor)
    found = replace(found, usage_id=command.usage_id, usage_kind=command.usage_kind)
    return (Draft(found, observed=command.observed),)


def _raised(
    world: World, command: _Raise, request: Request, currency: str, amount_minor: int
) -> LineDisputeRaised:
    return LineDisputeRaised(
        dispute_id=command.dispute_id,
        document_id=command.document_id,
        party_id=command.party_id,
        position=command.position,
        posting_index=command.posting_index,
        code=command.code,
        currency=currency,
        amount_minor=amount_minor,
        due_at=request.at + policy_of(world).dispute_answer_days * DAY,
        claimed_quantity=command.claimed_quantity,
        claimed_minor=command.claimed_minor,
        evidence=command.evidence,
        reason=command.reason,
        raised_by=request.actor.id,
    )


def _case(world: World, command: RaiseLineDispute, case_type: str) -> Outcome:
    """Keep what came too late, or names no line of ours, for a person."""
    case_id = _case_id(command)
    if world.get(CASES, case_id) is not None:
        return ()
    place = f"{command.position}/{command.posting_index}"
    opened = CaseOpened(
        case_id=case_id,
        case_type=case_type,
        subjects=(command.document_id, command.party_id),
        reason=f"{command.code} of line {place}: {command.reason}".removesuffix(": "),
    )
    return (Draft(opened, observed=command.observed),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: LineDisputesEvent, stamp: Stamp) -> None:
    """Keep the dispute with its document."""
    match event:
        case LineDisputeRaised():
            told = {name: getattr(event, name) for name in event.__struct_fields__}
            move_line(world, LineDispute(**told, raised_at=stamp.recorded_at))
        case _ as unknown:
            assert_never(unknown)


def postings(_event: LineDisputesEvent) -> tuple[Posting, ...]:
    """A dispute moves nothing until it is settled."""
    return ()
