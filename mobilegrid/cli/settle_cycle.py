"""`settle`: the cycle of a statement step by step, from its cut to its close."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
import msgspec

from ledger.domain.money.dispute_rows import DISPUTED_LINES, DisputedLines
from ledger.domain.money.netting import ApproveStatement, NetStatement
from ledger.domain.money.payout_rows import PAYABLES, Payable, Payables
from ledger.domain.money.settlement_answers import AcceptStatement
from ledger.domain.money.settlement_ends import CloseStatement, ReconcileStatement
from ledger.domain.money.settlement_rows import STATEMENTS, Statement
from ledger.domain.money.settlement_steps import CancelStatement, SubmitStatement
from ledger.exports.statement_documents import publishing
from ledger.kernel.errors import Misconfigured
from ledger.kernel.instants import as_text
from ledger.kernel.messages import Command as LedgerCommand
from ledger.kernel.money import amount_text
from ledger.runtime import settling_cycle
from ledger.runtime.reads import Reads
from mobilegrid import heads, wiring
from mobilegrid.cli.acting import (
    acting_of,
    acting_parameters,
    argument,
    ask,
    asks,
    number,
    tell,
    text,
)
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.proofs import sign_head
from mobilegrid.documents import document_signer, finality

_STATEMENT = argument("statement_id", "STATEMENT")

Reading = Callable[[Reads, dict[str, Any]], LedgerCommand]
"""Makes a command of the options and of what the ledger says."""


def asks_reading(
    name: str, words: str, build: Reading, options: list[click.Parameter], about: str
) -> Command:
    """Make a command of the finance desk that looks into the ledger before it asks."""

    def run(**given: Any) -> None:
        app = click.get_current_context().find_object(App)
        assert app is not None, "the root makes it"
        acting, subject = acting_of(given), given[about]
        with wiring.open_ledger(app.settings) as ledger:
            with ledger.reading() as reads:
                command = build(reads, given)
            made = ask(ledger, command, acting)
        tell(app, type(command).__name__, subject, made)

    more = acting_parameters("finance", timed=False)
    return Command(name, params=[*options, *more], callback=run, help=words)


# Steps ------------------------------------------------------------------------


def _cut(reads: Reads, given: dict[str, Any]) -> LedgerCommand:
    partner_id, period = given["partner_id"], given["period"]
    if period:
        span = settling_cycle.span_after(reads, partner_id, period)
    else:
        span = settling_cycle.due_span(reads, partner_id, wiring.CLOCK.now())
    return settling_cycle.cutting(reads, partner_id, span)


def _calculate(reads: Reads, given: dict[str, Any]) -> LedgerCommand:
    return settling_cycle.calculating(reads, given["statement_id"])


def _accept(reads: Reads, given: dict[str, Any]) -> LedgerCommand:
    row = settling_cycle.statement_row(reads, given["statement_id"])
    root = given["lines_root"] or row.calculation.lines_root
    return AcceptStatement(
        statement_id=given["statement_id"],
        lines_root=root,
        way="person",
        level=given["level"],
    )


cut = asks_reading(
    "cut",
    "Freeze a partner's lines.\n\n"
    "Freeze a partner's lines, from where his last statement ended to the end of a period.",
    _cut,
    [
        argument("partner_id", "PARTNER"),
        text("--period", "period", "YYYY-MM or YYYY-MM-DD; the contract's last cycle if left out."),
    ],
    "partner_id",
)

calculate = asks_reading(
    "calculate",
    "Calculate a cut statement twice from scratch; both must give what was cut.",
    _calculate,
    [_STATEMENT],
    "statement_id",
)

submit = asks(
    "submit",
    "Hand a calculated statement in for review by another person.",
    SubmitStatement,
    "finance",
    [_STATEMENT],
    "statement_id",
)

cancel = asks(
    "cancel",
    "Give a statement up before it is issued; its lines go to the next one.",
    CancelStatement,
    "finance",
    [_STATEMENT, text("--reason", "reason", "Why.", required=True)],
    "statement_id",
)

accept = asks_reading(
    "accept",
    "Record that a partner accepts every line he does not dispute.",
    _accept,
    [
        _STATEMENT,
        text("--root", "lines_root", "The root of the lines that he has; ours if left out."),
        number("--level", "level", "Level of the evidence, 1 to 5.", default=1),
    ],
    "statement_id",
)

approve = asks(
    "approve",
    "Approve the accepted lines of a statement; two persons.",
    ApproveStatement,
    "finance",
    [_STATEMENT],
    "statement_id",
)

net = asks(
    "net",
    "Net what both sides owe.\n\n"
    "Set what a statement owes against what the partner owes by it, where the contract says so.",
    NetStatement,
    "finance",
    [_STATEMENT, argument("currency", "CURRENCY")],
    "statement_id",
)

reconcile = asks(
    "reconcile",
    "Say that nothing of a statement is owed or on its way any more.",
    ReconcileStatement,
    "finance",
    [_STATEMENT],
    "statement_id",
)

finish = asks(
    "finish",
    "Close a reconciled statement whose disputes and month are closed.",
    CloseStatement,
    "finance",
    [_STATEMENT],
    "statement_id",
)


# Issue ------------------------------------------------------------------------


@contextmanager
def _signer(app: App) -> Iterator[Any]:
    if not app.settings.has_signer:
        raise Misconfigured(
            "a statement is issued with its signed document: `serve signer`, see "
            "docs/ceremony.md; without one `settle close` issues it from its entries"
        )
    with heads.open_signer(app.settings) as signer:
        yield signer


def _issue(**given: Any) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    acting, statement_id = acting_of(given), given["statement_id"]
    with wiring.open_ledger(app.settings) as ledger, _signer(app) as signer:
        sign_head(app, ledger)
        is_final = finality(app.settings, ledger.name.origin)
        with ledger.reading() as reads:
            command = publishing(reads, statement_id, document_signer(signer), is_final)
        made = ask(ledger, command, acting)
    tell(app, "PublishStatement", statement_id, made)


issue = Command(
    "issue",
    params=[_STATEMENT, *acting_parameters("finance", timed=False)],
    callback=_issue,
    help="Issue a statement with its signed document.\n\n"
    "Issue a statement under review with its signed document: another person than its maker.",
)


# Looking ----------------------------------------------------------------------


class Standing(msgspec.Struct, frozen=True):
    """Where a statement stands: what it says, what of it is disputed, what it still owes."""

    statement: Statement
    disputes: DisputedLines
    payables: tuple[Payable, ...]


def standing(reads: Reads, row: Statement) -> Standing:
    """Gather what is known of a statement."""
    name = row.statement_id
    payables = reads.row(PAYABLES, row.partner_id) or Payables(row.partner_id)
    return Standing(
        row,
        reads.row(DISPUTED_LINES, name) or DisputedLines(name),
        tuple(one for one in payables.open if one.statement_id == name),
    )


@click.command(cls=Command)
@click.argument("statement_id", metavar="STATEMENT")
@click.pass_obj
def show(app: App, statement_id: str) -> None:
    """Show where a statement stands in its cycle."""
    with wiring.reading(app.settings) as reads:
        found = standing(reads, settling_cycle.statement_row(reads, statement_id))
    row = found.statement
    head = [
        ("statement", row.statement_id),
        ("partner", row.partner_id),
        ("state", row.state + (", contested" if row.is_contested else "")),
        ("period", f"{row.period}, positions {row.from_position + 1} to {row.to_position}"),
        ("lines", f"{row.calculation.line_count:,}, root {row.calculation.lines_root}"),
    ]
    head += [("silence accepts", _silence(row))] if row.respond_by_at else []
    head += [
        ("carried", f"{_money(one.amount_minor, one.currency)} of {one.statement_id}")
        for one in row.carried
    ]
    head += [("partner owes", _money(one.amount_minor, one.currency)) for one in row.owing]
    for one in found.payables:
        owed, flying = one.owed_minor, one.in_flight_minor
        words = f"{_money(owed, one.currency)}, on its way {_money(flying, one.currency)}"
        head.append(("owed", words))
    shown: list[object] = [facts(head)]
    if found.disputes.lines:
        rows = [
            (each.dispute_id, f"{each.position}/{each.posting_index}", each.state.lower(), amount)
            for each in found.disputes.lines
            if (amount := _money(each.amount_minor, each.currency))
        ]
        shown += ["", table("Disputes", ("Dispute", "Line", "State", "Amount"), rows, right=(3,))]
    app.console.answer(found, *shown)


def _silence(row: Statement) -> str:
    return f"{as_text(row.respond_by_at)}, by clause {row.clause}"


def _money(minor: int, currency: str) -> str:
    return f"{amount_text(minor, currency)} {currency}"


@click.command("list", cls=Command)
@click.option("--partner", default="", metavar="ID", help="Only this partner's.")
@click.option("--state", default="", metavar="STATE", help="Only those in this state.")
@click.pass_obj
def list_(app: App, partner: str, state: str) -> None:
    """List statements and where they stand."""
    with wiring.reading(app.settings) as reads:
        found = [
            row
            for _, row in reads.rows(STATEMENTS, listed=partner or None)
            if state in ("", row.state)
        ]
    rows = [
        (
            row.statement_id,
            row.partner_id,
            row.state,
            f"{row.calculation.line_count:,}",
            ", ".join(_money(one.share_minor, one.currency) for one in row.calculation.amounts),
        )
        for row in found
    ]
    columns = ("Statement", "Partner", "State", "Lines", "Share")
    app.console.answer(found, table("Statements", columns, rows, right=(3, 4)))
