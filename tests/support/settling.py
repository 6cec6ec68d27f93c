"""Steps of settlement on a ledger, for the tests: a statement issued, an order made."""

from typing import TypeVar

import msgspec

from ledger.adapters.bank.orders import approving, releasing
from ledger.domain.money.agent_sales import RecordAgentSale
from ledger.domain.money.contracts import AgreeContract
from ledger.domain.money.energy_trade import BuyEnergy, SellEnergy
from ledger.domain.money.line_disputes import RaiseLineDispute
from ledger.domain.money.netting import ApproveStatement
from ledger.domain.money.payout_plans import InstructPayout
from ledger.domain.money.payout_rows import PayoutBatch
from ledger.domain.money.settlement_answers import AcceptStatement
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.money.settlement_steps import PublishStatement, SubmitStatement
from ledger.domain.world import Shelf
from ledger.kernel.instants import DAY
from ledger.runtime.settling_cycle import calculating, cutting, span_after, with_line
from tests.support.cycles import document_of
from tests.support.settled_ledger import (
    CHECKER,
    JUNE_2026,
    MAKER,
    MAY_2026,
    OPERATOR,
    PAY_AT,
    Desk,
)
from tests.support.usage import agreement

V = TypeVar("V", bound=msgspec.Struct)

STM = "STM-OP-1-2026-05"
HOLDER = "Mobile Grid GmbH"


def row_of(desk: Desk, shelf: Shelf[V], key: str) -> V:
    """Read a row that is there."""
    with desk.ledger.reading() as reads:
        row = reads.row(shelf, key)
    assert row is not None
    return row


def balance(desk: Desk, account: str) -> int:
    """Sum what an account holds."""
    with desk.ledger.reading() as reads:
        return sum(one.quantity for one in reads.balances(account))


def issue(desk: Desk, at: int = JUNE_2026, period: str = "2026-05") -> str:
    """Take a statement of OP-1 from its cut to the partner."""
    with desk.ledger.reading() as reads:
        span = span_after(reads, "OP-1", period)
        command = cutting(reads, "OP-1", span)
    desk.do(command, MAKER, at=at)
    name = STM if period == "2026-05" else f"STM-OP-1-{period}"
    with desk.ledger.reading() as reads:
        calculated = calculating(reads, name)
    desk.do(calculated, MAKER, at=at)
    desk.do(SubmitStatement(statement_id=name), MAKER, at=at)
    document = document_of(row_of(desk, STATEMENTS, name))
    desk.do(PublishStatement(statement_id=name, document=document), CHECKER, at=at)
    return name


def approve(desk: Desk, name: str = STM, at: int = JUNE_2026) -> None:
    """Have the partner accept a statement, and approve it."""
    root = row_of(desk, STATEMENTS, name).calculation.lines_root
    answer = AcceptStatement(statement_id=name, lines_root=root, way="person", level=2)
    desk.do(answer, OPERATOR, at=at)
    desk.do(ApproveStatement(statement_id=name), at=at)


def batch(
    payouts: tuple[str, ...] = ("PO-1",), at: int = PAY_AT, route: str = "bank_file"
) -> PayoutBatch:
    """Make what PB-1 shall order."""
    return PayoutBatch("PB-1", payouts, "EUR", route, "BA-1", "2026-06-08", at, "", 0)


def ordered(desk: Desk, route: str = "bank_file", payee: str = "PE-1") -> bytes:
    """Plan PO-1 and approve it in PB-1; give the bytes of the order."""
    plan = InstructPayout(
        payout_id="PO-1",
        partner_id="OP-1",
        statements=(STM,),
        currency="EUR",
        payee_id=payee,
        route=route,
    )
    desk.do(plan, at=PAY_AT)
    with desk.ledger.reading() as reads:
        command, content = approving(reads, batch(route=route), HOLDER)
    desk.do(command, at=PAY_AT)
    return content


def released(desk: Desk, route: str = "bank_file", payee: str = "PE-1") -> bytes:
    """Release PB-1; give its bytes."""
    content = ordered(desk, route, payee)
    with desk.ledger.reading() as reads:
        command = releasing(reads, "PB-1", content, HOLDER)
    desk.do(command, at=PAY_AT)
    return content


def traded(desk: Desk) -> None:
    """Buy energy from OP-1, sell some to him, and sell in his name."""
    terms = agreement(model="agent", weights={}, order=(), commission_bp=1_000)
    agreed = AgreeContract(contract_id="CO-2", partner_id="OP-1", terms=terms)
    desk.do(agreed, at=MAY_2026)
    sale = RecordAgentSale(
        sale_id="AS-1",
        partner_id="OP-1",
        contract_id="CO-2",
        driver_id="DR-1",
        station_id="ST-1",
        country="DE",
        gross_minor=2_500,
        sold_at=MAY_2026 + DAY,
    )
    desk.do(sale, at=MAY_2026 + DAY)
    bought = BuyEnergy(
        purchase_id="EP-1",
        partner_id="OP-1",
        currency="EUR",
        net_minor=9_600,
        stored_wh=1_150_000,
        tax_code="DE-S-1900",
        tax_minor=1_824,
        occurred_at=MAY_2026 + DAY,
    )
    desk.do(bought, at=MAY_2026 + DAY)
    sold = SellEnergy(
        sale_id="VS-1",
        partner_id="OP-1",
        currency="EUR",
        energy_wh=100_000,
        net_minor=500,
        tax_code="DE-S-1900",
        tax_minor=95,
        occurred_at=MAY_2026 + 2 * DAY,
    )
    desk.do(sold, at=MAY_2026 + 2 * DAY)


def dispute(desk: Desk, position: int, index: int = 3) -> RaiseLineDispute:
    """Make the command by which OP-1 disputes a line of his statement, with its proof."""
    command = RaiseLineDispute(
        dispute_id="LD-1",
        document_id=STM,
        party_id="OP-1",
        position=position,
        posting_index=index,
        code="PRICE",
    )
    with desk.ledger.reading() as reads:
        return with_line(reads, command)


def first_line(desk: Desk) -> int:
    """Give the position of the first share on the statement."""
    with desk.ledger.reading() as reads:
        row = reads.row(STATEMENTS, STM)
        assert row is not None
        end = row.to_position + 1
        return next(one.envelope.position for one in reads.entries(0, end, ("share.accrued",)))
