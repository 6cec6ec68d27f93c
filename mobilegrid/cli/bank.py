"""`bank`: what banks tell us, read and judged before anything is posted."""

from pathlib import Path

import click
import msgspec

from ledger.adapters.bank.elements import SIZE_MAX
from ledger.adapters.bank.statements import (
    BankFile,
    BankStatement,
    Fault,
    Movement,
    faults_of,
    read_bank_file,
)
from ledger.kernel.errors import Malformed
from ledger.kernel.money import amount_text
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.params import FILE, read_file


class Judged(msgspec.Struct, frozen=True):
    """A statement, and what makes it unfit to be posted."""

    statement: BankStatement
    faults: tuple[Fault, ...]


class Checked(msgspec.Struct, frozen=True):
    """The answer of `bank check` in JSON."""

    file: BankFile
    statements: list[Judged]


@click.command(
    cls=Command,
    no_ledger="It reads FILE alone; `bank import` takes it to the ledger.",
)
@click.argument("file", type=FILE)
@click.pass_obj
def check(app: App, file: Path) -> None:
    """Read a bank's file, camt.052, 053 or 054, and judge it.

    Shows every movement with its payments. A statement that contradicts itself, or cannot be read,
    is named with the rule; then the exit code is 1. Nothing is posted.
    """
    try:
        found = read_bank_file(read_file(file, SIZE_MAX))
    except Malformed as error:
        raise Malformed(error.rule, field=error.field, place=str(file)) from error
    needs = found.message == "camt.053"
    judged = [Judged(one, faults_of(one, needs_balances=needs)) for one in found.statements]
    shown: list[object] = []
    for one in judged:
        shown += [*_statement(one), ""]
    for unread in found.unread:
        words = f"statement {unread.number} {unread.statement_id}".strip()
        shown.append(f"NOT READ: {words}: {unread.field}: {unread.rule}")
    app.console.answer(Checked(found, judged), *shown)
    if found.unread or any(one.faults for one in judged):
        raise click.exceptions.Exit(1)


def _statement(judged: Judged) -> list[object]:
    one = judged.statement
    head = [
        (
            "statement",
            f"{one.statement_id}, number {one.sequence}" if one.sequence else one.statement_id,
        ),
        ("account", f"{one.account}, {one.currency}"),
        ("opening", _amount(one.opening_minor, one.currency)),
        ("booked", _amount(one.booked_minor(), one.currency)),
        ("closing", _amount(one.closing_minor, one.currency)),
    ]
    rows = [row for movement in one.movements for row in _rows(movement)]
    columns = ("Booked", "State", "Reference", "From or to", "Text", "Amount")
    shown: list[object] = [facts(head), "", table("Movements", columns, rows, right=(5,))]
    shown += [f"NOT TO BE POSTED: {fault.code}: {fault.fact}" for fault in judged.faults]
    return shown


def _rows(movement: Movement) -> list[tuple[str, ...]]:
    amount = _amount(movement.amount_minor, movement.currency)
    state = movement.status.lower() + (" reversal" if movement.is_reversal else "")
    if len(movement.payments) == 1:
        (only,) = movement.payments
        who, text = " ".join(filter(None, (only.name, only.account))), only.remittance
        return [(movement.booked_on, state, only.end_to_end_id or movement.key, who, text, amount)]
    head = (movement.booked_on, state, movement.key, "", movement.code, amount)
    return [
        head,
        *(
            (
                "",
                "",
                f"  {one.end_to_end_id}",
                " ".join(filter(None, (one.name, one.account))),
                one.remittance,
                f"  {_amount(one.amount_minor, movement.currency)}",
            )
            for one in movement.payments
        ),
    ]


def _amount(minor: int | None, currency: str) -> str:
    return "-" if minor is None else amount_text(minor, currency)
