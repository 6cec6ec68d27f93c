"""Approving and netting: what a partner accepted is owed for sure, less what he owes us.

Two persons approve the accepted lines; disputed ones stay accrued. A line whose dispute was upheld
is approved with the statement that holds its correction. Where the contract has us write the
partner's invoices, his VAT is owed with the lines. Netting needs the contract's consent, is done
currency by currency and shows both amounts; what the partner still owes then is an invoice to him,
never a payout below zero.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.money import templates_partners as templates
from ledger.domain.money.bank_rows import SETTLED_ITEMS, item_key
from ledger.domain.money.contracts import CONTRACTS, ContractVersion, tax_of
from ledger.domain.money.dispute_rows import DISPUTED_LINES, disputes_of
from ledger.domain.money.payout_rows import PAYABLES, Payable, Payables, change_payable
from ledger.domain.money.settlement import settling_contract
from ledger.domain.money.settlement_rows import (
    ANSWERED,
    APPROVED,
    STATEMENTS,
    Amounts,
    Owing,
    Statement,
)
from ledger.domain.money.settlement_steps import wrong_state
from ledger.domain.money.tax import tax_rule
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import vat_of
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = ()
FOLDS: tuple[type[Event], ...] = ()

_FINANCE = frozenset({"finance"})

# Commands ---------------------------------------------------------------------


class ApproveStatement(Command):
    """Approve the accepted lines of a statement; two persons."""

    roles: ClassVar[frozenset[str]] = _FINANCE
    needs_second_person: ClassVar[bool] = True

    statement_id: str


class NetStatement(Command):
    """Set what a statement owes against what the partner owes by it, in one currency."""

    roles: ClassVar[frozenset[str]] = _FINANCE

    statement_id: str
    currency: str


NettingCommand = ApproveStatement | NetStatement

# Events -----------------------------------------------------------------------


class ApprovedAmount(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is approved in one currency (minor units).

    `accepted_minor` are the lines that nobody disputes, `released_minor` those of upheld disputes
    of earlier statements; `tax_minor` is the partner's VAT on both where we write his invoice.
    `receivable_minor` is what the partner owes us by the lines.
    """

    currency: str
    accepted_minor: int
    released_minor: int = 0
    tax_minor: int = 0
    tax_code: str = ""
    receivable_minor: int = 0

    @property
    def total_minor(self) -> int:
        """What is moved to approved; below zero the partner owes it."""
        return self.accepted_minor + self.released_minor + self.tax_minor

    @property
    def owing_minor(self) -> int:
        """What the partner owes by the statement."""
        return self.receivable_minor + max(-self.total_minor, 0)


class StatementApproved(Event):
    """Two persons approved what was accepted; disputed lines stay accrued."""

    kind: ClassVar[str] = "statement.approved"

    statement_id: str
    partner_id: str
    to_position: int
    amounts: tuple[ApprovedAmount, ...]


class StatementNetted(Event):
    """What we owed by a statement was set against what the partner owed us by it."""

    kind: ClassVar[str] = "statement.netted"

    statement_id: str
    partner_id: str
    currency: str
    payable_minor: int
    receivable_minor: int
    netted_minor: int


NettingEvent = StatementApproved | StatementNetted

# touches ----------------------------------------------------------------------


def touches(command: NettingCommand) -> Keys:
    """Read the statement and its disputes."""
    return (
        touch(STATEMENTS, command.statement_id),
        touch(DISPUTED_LINES, command.statement_id),
    )


def follows(world: World, command: NettingCommand) -> Keys:
    """Read the partner's contracts and what he is owed."""
    row = world.get(STATEMENTS, command.statement_id)
    if row is None:
        return ()
    return (
        touch(CONTRACTS, row.partner_id),
        touch(PAYABLES, row.partner_id),
        touch(SETTLED_ITEMS, _item(row)),
    )


def _item(row: Statement) -> str:
    """Name what the partner owes by a statement, as lines of the bank count what he paid of it."""
    dims = {"partner": row.partner_id, "statement": row.statement_id}
    return item_key(templates.PARTNERS_OWE, dims)


# decide -----------------------------------------------------------------------


def decide(world: World, command: NettingCommand, request: Request) -> Outcome:
    """Approve once; net as far as both sides reach."""
    row = world.get(STATEMENTS, command.statement_id)
    if row is None:
        return Refusal(RefusalCode.STATEMENT_UNKNOWN, {"statement": command.statement_id[:40]})
    contract = settling_contract(world, row.partner_id, request.at)
    match command:
        case ApproveStatement():
            return _approve(world, row, contract, request)
        case NetStatement():
            return _net(world, row, contract, command.currency)
        case _ as unknown:
            assert_never(unknown)


def _approve(
    world: World, row: Statement, contract: ContractVersion | None, request: Request
) -> Outcome:
    if request.actor.second_person in {"", request.actor.id}:
        return Refusal(RefusalCode.CHECKER_IS_MAKER)
    if row.state == APPROVED:
        return ()
    if row.state not in ANSWERED:
        return wrong_state(row)
    disputes = disputes_of(world, row.statement_id)
    payables = world.get(PAYABLES, row.partner_id) or Payables(row.partner_id)
    sums = {one.currency: one for one in row.calculation.amounts}
    released = payables.released(row.to_position)
    amounts = []
    for currency in sorted({*sums, *released}):
        said = sums.get(currency, Amounts(currency, 0, 0, 0, 0))
        freed, freed_shares = released.get(currency, (0, 0))
        amount = ApprovedAmount(
            currency,
            said.share_minor - disputes.kept_back(currency),
            freed,
            receivable_minor=said.receivable_minor,
        )
        shares_minor = said.share_minor - said.other_minor + freed_shares
        shares_minor -= disputes.kept_back(currency, shares_only=True)
        amounts.append(taxed(amount, shares_minor, contract, request.at))
    event = StatementApproved(
        statement_id=row.statement_id,
        partner_id=row.partner_id,
        to_position=row.to_position,
        amounts=tuple(amounts),
    )
    return (Draft(event),)


def taxed(
    amount: ApprovedAmount, shares_minor: int, contract: ContractVersion | None, at: int
) -> ApprovedAmount:
    """Add the partner's VAT on his shares, where the contract has us write his invoice.

    What else he is owed has its own tax, or none.
    """
    if contract is None or not contract.terms.self_billing:
        return amount
    country, product = tax_of(contract.terms.tax_treatment)
    rule = tax_rule(country, product, at)
    if rule is None:
        return amount
    code = f"{country}-{rule.category}-{rule.rate_bp}"
    return replace(amount, tax_minor=vat_of(shares_minor, rule.rate_bp), tax_code=code)


def _net(world: World, row: Statement, contract: ContractVersion | None, currency: str) -> Outcome:
    if row.state != APPROVED:
        return wrong_state(row)
    if contract is None or not contract.terms.netting:
        return Refusal(RefusalCode.CONTRACT_FIELD_INVALID, {"field": "netting"})
    payables = world.get(PAYABLES, row.partner_id) or Payables(row.partner_id)
    payable = payables.of(row.statement_id, currency).free_minor
    paid = world.get(SETTLED_ITEMS, _item(row))
    receivable = row.owing_in(currency) - (paid.minor if paid else 0)
    netted = min(payable, receivable)
    if netted <= 0:
        return Refusal(
            RefusalCode.NOTHING_TO_SETTLE, {"payable": payable, "receivable": receivable}
        )
    event = StatementNetted(
        statement_id=row.statement_id,
        partner_id=row.partner_id,
        currency=currency,
        payable_minor=payable,
        receivable_minor=receivable,
        netted_minor=netted,
    )
    return (Draft(event),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: NettingEvent, _stamp: Stamp) -> None:
    """Owe what is approved, and what is netted no more."""
    row = world.need(STATEMENTS, event.statement_id)
    match event:
        case StatementApproved():
            owing = [Owing(one.currency, one.owing_minor) for one in event.amounts]
            row = replace(
                row, state=APPROVED, owing=tuple(one for one in owing if one.amount_minor)
            )
            payables = world.get(PAYABLES, event.partner_id) or Payables(event.partner_id)
            world.put(PAYABLES, event.partner_id, payables.after(event.to_position))
            for amount in event.amounts:
                owe(world, event.partner_id, event.statement_id, amount)
        case StatementNetted():
            left = tuple(
                replace(one, amount_minor=one.amount_minor - event.netted_minor)
                if one.currency == event.currency
                else one
                for one in row.owing
            )
            row = replace(row, owing=tuple(one for one in left if one.amount_minor))
            change = Payable(event.statement_id, event.currency, -event.netted_minor)
            change_payable(world, event.partner_id, change)
        case _ as unknown:
            assert_never(unknown)
    world.put(STATEMENTS, row.statement_id, row)


def owe(world: World, partner_id: str, statement_id: str, amount: ApprovedAmount) -> None:
    """Owe a partner what is approved; below zero he owes it by his statement."""
    change = Payable(statement_id, amount.currency, max(amount.total_minor, 0))
    change_payable(world, partner_id, change)


# postings ---------------------------------------------------------------------


def postings(event: NettingEvent) -> tuple[Posting, ...]:
    """Move what is approved or netted, by the templates."""
    dims = {"partner": event.partner_id, "statement": event.statement_id}
    match event:
        case StatementApproved():
            return tuple(line for one in event.amounts for line in approved_lines(one, dims))
        case StatementNetted():
            return templates.statement_netted(event.currency, event.netted_minor, dims)
        case _ as unknown:
            assert_never(unknown)


def approved_lines(amount: ApprovedAmount, dims: dict[str, str]) -> tuple[Posting, ...]:
    """Give the lines of what is approved in one currency."""
    currency, partner = amount.currency, {"partner": dims["partner"]}
    return (
        *templates.input_vat(currency, amount.tax_minor, amount.tax_code, partner),
        *templates.statement_approved(currency, amount.total_minor, dims),
        *templates.partner_owes(currency, amount.receivable_minor, dims),
    )
