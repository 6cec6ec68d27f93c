"""A partner's statement with real lines, at every stage of its cycle, for the tests."""

from base64 import urlsafe_b64encode
from typing import Any

import msgspec

from ledger.domain.money.documents import StatementDraft, StatementLine
from ledger.domain.money.line_disputes import RaiseLineDispute
from ledger.domain.money.line_proofs import prove
from ledger.domain.money.netting import ApproveStatement
from ledger.domain.money.settlement_answers import AcceptStatement
from ledger.domain.money.settlement_rows import STATEMENTS, Calculation, Statement
from ledger.domain.money.settlement_steps import (
    CalculateStatement,
    CutStatement,
    PublishStatement,
    SubmitStatement,
    figures_of,
)
from ledger.domain.world import World
from ledger.kernel.envelope import canonical
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.messages import Actor
from tests.support.partners import JUNE
from tests.support.rules import act, events

MAKER = Actor("P1", "finance")
CHECKER = Actor("P2", "finance")
BOTH = Actor("P1", "finance", "P2")
STM = "STM-OP-1-2026-05"


def line(number: int = 0, **changes: Any) -> StatementLine:
    """Make a line of OP-1 at position 10, 20, 30... whose share is 1.80."""
    plain = StatementLine(
        position=10 * (number + 1),
        posting_index=1,
        kind="original",
        station="ST-1",
        service_start_at=JUNE - 10**9,
        energy_wh=41_700,
        energy_net_minor=1501,
        service_net_minor=500,
        fee_net_minor=100,
        currency="EUR",
        share_minor=180,
        share_rule_version="CO-1/1",
        swap=f"SW-{number + 1}",
    )
    return msgspec.structs.replace(plain, **changes)


def calculated(lines: list[StatementLine]) -> Calculation:
    """Sum lines as a statement does."""
    draft = StatementDraft()
    for one in lines:
        draft.add(one)
    return draft.calculation()


def cutting(lines: list[StatementLine], **changes: Any) -> CutStatement:
    """Make the command that cuts OP-1's statement of May over lines."""
    command = CutStatement(
        partner_id="OP-1",
        period="2026-05",
        from_position=-1,
        to_position=1_000,
        calculation=calculated(lines),
    )
    return msgspec.structs.replace(command, **changes)


def document_of(row: Statement) -> str:
    """Write a document that says the figures of a statement, with some signature."""
    payload = canonical({"figures": figures_of(row)})
    body = urlsafe_b64encode(payload).rstrip(b"=").decode()
    return f"eyJhbGciOiJFZDI1NTE5In0.{body}.c2lnbmF0dXJl"


def cut(world: World, lines: list[StatementLine], at: int = JUNE, **changes: Any) -> str:
    """Cut a statement and give its id."""
    (event,) = events(act(world, cutting(lines, **changes), at=at, actor=MAKER))
    return str(event.statement_id)


def review(world: World, lines: list[StatementLine], at: int = JUNE, **changes: Any) -> str:
    """Take a statement to its review."""
    name = cut(world, lines, at, **changes)
    said = calculated(lines)
    events(act(world, CalculateStatement(statement_id=name, calculation=said, recalculation=said)))
    events(act(world, SubmitStatement(statement_id=name), at=at, actor=MAKER))
    return name


def publish(world: World, name: str, at: int = JUNE, actor: Actor = CHECKER) -> Any:
    """Issue a statement under review."""
    document = document_of(world.need(STATEMENTS, name))
    return act(world, PublishStatement(statement_id=name, document=document), at=at, actor=actor)


def issue(world: World, lines: list[StatementLine], at: int = JUNE, **changes: Any) -> str:
    """Take a statement to the partner."""
    name = review(world, lines, at, **changes)
    events(publish(world, name, at))
    return name


def accept(world: World, name: str = STM, *, at: int = JUNE, **changes: Any) -> Any:
    """Accept what is not disputed, as a person known to us."""
    root = world.need(STATEMENTS, name).calculation.lines_root
    command = AcceptStatement(statement_id=name, lines_root=root, way="person", level=2)
    return act(world, msgspec.structs.replace(command, **changes), at=at)


def approve_statement(world: World, name: str = STM, *, at: int = JUNE, actor: Actor = BOTH) -> Any:
    """Approve what was accepted."""
    return act(world, ApproveStatement(statement_id=name), at=at, actor=actor)


def disputing(lines: list[StatementLine], place: int, **changes: Any) -> RaiseLineDispute:
    """Make the command by which OP-1 disputes one of a statement's lines."""
    data = [canonical(one) for one in lines]
    command = RaiseLineDispute(
        dispute_id=f"LD-{place}",
        document_id=STM,
        party_id="OP-1",
        position=lines[place].position,
        posting_index=lines[place].posting_index,
        code="PRICE",
        reason="the price of last year",
        claimed_minor=150,
        line=data[place].decode(),
        proof=prove([leaf_hash(one) for one in data], place),
    )
    return msgspec.structs.replace(command, **changes)
