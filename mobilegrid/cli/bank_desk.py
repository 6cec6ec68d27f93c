"""`bank show`, `match`, `unmatch`, `hold`, `round`: what a person does with a line."""

from typing import Any

import click
import msgspec

from ledger.domain.money.bank_lines import UnmatchBankLine
from ledger.domain.money.bank_rows import (
    BANK_LINES,
    SUSPENSE_ITEMS,
    BankLineRow,
    Identified,
    SuspenseItem,
)
from ledger.domain.money.suspense_items import AcceptRounding, IdentifySuspense, NoteSuspense
from ledger.kernel.errors import NotFound
from ledger.kernel.messages import Actor
from ledger.kernel.messages import Command as LedgerCommand
from ledger.kernel.money import amount_text, parse_amount
from ledger.runtime.reconciliation_import import ReadLine
from ledger.runtime.reconciliation_matching import Target, target_of, words_of
from mobilegrid import wiring
from mobilegrid.cli.acting import Acting, argument, ask, asks, tell, text
from mobilegrid.cli.bank_files import line_currency, reader_of
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.params import TwoPersons, two_persons

_TARGETS = (
    *("invoice_no", "partner_id", "statement", "psp_payout"),
    *("payout_id", "other_line", "is_charge", "is_capital"),
)


@click.command(cls=Command)
@click.argument("line")
@click.option("--invoice", "invoice_no", default="", metavar="NO", help="An invoice to a driver.")
@click.option("--partner", "partner_id", default="", metavar="ID", help="What a partner owes us.")
@click.option("--statement", default="", metavar="ID", help="Of that partner's statement.")
@click.option("--psp-payout", default="", metavar="ID", help="The payment provider's payout.")
@click.option("--payout", "payout_id", default="", metavar="ID", help="A payout of ours.")
@click.option("--line", "other_line", default="", metavar="ID", help="Another line on suspense.")
@click.option("--charges", "is_charge", is_flag=True, help="What the bank takes for itself.")
@click.option("--capital", "is_capital", is_flag=True, help="Capital paid in or out.")
@click.option("--amount", default="", help="Only so much of it, signed as the line.")
@click.option("--reason", default="", metavar="TEXT", help="How it is known.")
@click.option("--by", required=True, metavar="ID", help="Who matches.")
@click.pass_obj
def match(app: App, /, line: str, amount: str, reason: str, by: str, **given: Any) -> None:
    """Say what a line on suspense was, all of it or --amount."""
    target = Target(**{name: given[name] for name in _TARGETS})
    named = [name for name in _TARGETS if name != "statement" and given[name]]
    if len(named) != 1 or (target.statement and not target.partner_id):
        raise click.UsageError("Name one thing that the line was; --statement with --partner.")
    with wiring.open_ledger(app.settings) as ledger:
        minor = parse_amount(amount, line_currency(ledger, line), "amount") if amount else 0
        with ledger.reading() as reads:
            found = target_of(reads, line, target, minor)
        command = IdentifySuspense(line_id=line, matches=(found,), reason=reason)
        made = ask(ledger, command, Acting(Actor(by, "finance"), 0))
    tell(app, type(command).__name__, line, made)


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `bank show` in JSON: the line, its part on suspense, the bank's own words."""

    line: BankLineRow
    suspense: SuspenseItem | None = None
    words: ReadLine | None = None


@click.command(cls=Command)
@click.argument("line")
@click.pass_obj
def show(app: App, line: str) -> None:
    """Show a bank line: what it settled, what waits, who paid.

    Name and text are read again from the bank's file, as long as it is kept.
    """
    with wiring.reading(app.settings) as reads:
        row = reads.row(BANK_LINES, line)
        if row is None:
            raise NotFound(f"no bank line {line[:40]}")
        item = reads.row(SUSPENSE_ITEMS, line)
        words = words_of(reads, row, reader_of(app))
    told = row.line
    head = [
        ("line", f"{line} of {row.bank_account_id}, {row.state} at entry {row.position}"),
        ("amount", f"{amount_text(told.amount_minor, row.currency)} {row.currency}"),
        ("booked, valued", f"{told.booked_on}, {told.valued_on or '-'}; {told.code}"),
        ("names", ", ".join(told.references) or "nothing of ours"),
        *([("from", " ".join((words.name, *words.texts)))] if words else []),
    ]
    rows = [
        (
            one.rule,
            one.account,
            " ".join(one.dims.values()),
            amount_text(one.amount_minor, row.currency),
            amount_text(one.fee_minor, row.currency),
        )
        for one in (*row.matches, *(each for known in _known(item) for each in known.matches))
    ]
    if item is not None:
        left = amount_text(item.left_minor, row.currency)
        head.append(("on suspense", f"{left} {row.currency}, {item.reason}, {item.assignee_id}"))
    columns = ("By", "Account", "Item", "Amount", "Fee")
    settled = table("Settled", columns, rows, right=(3, 4))
    app.console.answer(Shown(row, item, words), facts(head), *([settled] if rows else []))


def _known(item: SuspenseItem | None) -> tuple[Identified, ...]:
    return () if item is None else item.identified


unmatch = asks(
    "unmatch",
    "Take back all that a line settled; it stands on suspense again.",
    UnmatchBankLine,
    "finance",
    [
        argument("line_id", "LINE"),
        text("--reason", "reason", "Why.", required=True),
    ],
    "line_id",
)

hold = asks(
    "hold",
    "Say who looks after a line on suspense, until when, and what is waited for.",
    NoteSuspense,
    "finance",
    [
        argument("line_id", "LINE"),
        text("--until", "hold_until", "Parked until that day.", metavar="DAY"),
        text("--due", "due_on", "To be known by that day.", metavar="DAY"),
        text("--assignee", "assignee_id", "Who looks after it.", metavar="ID"),
        text("--ask", "document_request", "A document that was asked for."),
        text("--note", "reason", "What is known so far."),
    ],
    "line_id",
)


@click.command("round", cls=Command)
@click.argument("partner")
@click.argument("amount")
@click.option("--currency", required=True, metavar="CCY", help="ISO 4217.")
@click.option("--statement", default="", metavar="ID", help="The statement that it is about.")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is let go.")
@two_persons("finance")
@click.pass_obj
def round_(app: App, /, partner: str, amount: str, persons: TwoPersons, **given: Any) -> None:
    """Let a small difference of a partner go; two persons.

    A positive amount lowers what he owes us.
    """
    command: LedgerCommand = AcceptRounding(
        partner_id=partner,
        statement=given["statement"],
        currency=given["currency"],
        amount_minor=parse_amount(amount, given["currency"], "amount"),
        reason=given["reason"],
    )
    acting = Acting(Actor(persons.by, persons.role, persons.second), 0)
    with wiring.open_ledger(app.settings) as ledger:
        made = ask(ledger, command, acting)
    tell(app, type(command).__name__, partner, made)
