"""`payout`, `payee`: paying partners and suppliers, from the plan to what the bank answers."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.adapters.bank.elements import SIZE_MAX
from ledger.adapters.bank.orders import answered, approving, batch_of, payer_of, releasing
from ledger.domain.money.payees import ROUTES, ApprovePayee, PayeeAccount
from ledger.domain.money.payout_batches import MarkPayoutsSent, WithdrawPayouts
from ledger.domain.money.payout_plans import CancelPayout, InstructPayout
from ledger.domain.money.payout_rows import PAYOUTS, Payout, PayoutBatch
from ledger.domain.money.payouts import MarkPayoutUnknown
from ledger.kernel.errors import Malformed, Refused
from ledger.kernel.messages import Actor
from ledger.kernel.messages import Command as LedgerCommand
from ledger.kernel.money import amount_text
from ledger.runtime.reads import Reads
from mobilegrid import wiring
from mobilegrid.cli.acting import (
    Acting,
    acting_of,
    acting_parameters,
    argument,
    ask,
    asks,
    fresh,
    number,
    tell,
    text,
)
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.params import FILE, read_file, write_file
from mobilegrid.cli.settle_cycle import asks_reading

_PAYOUT, _BATCH = argument("payout_id", "PAYOUT"), argument("batch_id", "BATCH")
_PAYER = text("--payer", "payer", "Our name at the bank; that of our own party if left out.")


def _approve_payee(given: dict[str, Any]) -> LedgerCommand:
    names = ("holder_name", "iban", "bic", "other_account", "clearing_member", "stripe_account")
    paid_to = PayeeAccount(**{name: given[name] for name in names})
    return ApprovePayee(payee_id=given["payee_id"], partner_id=given["partner_id"], paid_to=paid_to)


approve_payee = asks(
    "approve",
    "Pay a partner to an account; two persons.\n\n"
    "Pay a partner to this account from now on; two persons, and days before it can be paid.",
    _approve_payee,
    "finance",
    [
        argument("partner_id", "PARTNER"),
        fresh("--id", "payee_id", "PE"),
        text("--holder", "holder_name", "Who has the account.", required=True),
        text("--iban", "iban", "Its number."),
        text("--bic", "bic", "Its bank."),
        text("--account", "other_account", "Another account, where there are no IBANs."),
        text("--clearing", "clearing_member", "The clearing id of its bank."),
        text("--stripe", "stripe_account", "A connected account of the payment processor."),
    ],
    "payee_id",
)

plan = asks(
    "plan",
    "Plan a payout of what statements owe.\n\n"
    "Plan a payout of all that statements (or a supplier's documents) still owe in a currency.",
    InstructPayout,
    "finance",
    [
        argument("partner_id", "PARTNER"),
        argument("currency", "CURRENCY"),
        argument("payee_id", "PAYEE"),
        argument("statements", "STATEMENT…", nargs=-1, required=True),
        fresh("--id", "payout_id", "PO"),
        click.Option(["--route", "route"], type=click.Choice(ROUTES), default="bank_file"),
    ],
    "payout_id",
)

cancel = asks(
    "cancel", "Give up a planned payout.", CancelPayout, "finance", [_PAYOUT], "payout_id"
)

withdraw = asks(
    "withdraw",
    "Give up an order before its release; its payouts are planned again.",
    WithdrawPayouts,
    "finance",
    [_BATCH],
    "batch_id",
)

sent = asks(
    "sent",
    "Say that a released order is with the bank.",
    MarkPayoutsSent,
    "finance",
    [_BATCH],
    "batch_id",
)

unknown = asks(
    "unknown",
    "Say that the answer to a payout was lost; nothing is sent again.",
    MarkPayoutUnknown,
    "finance",
    [
        _PAYOUT,
        number("--attempt", "attempt", "Which attempt.", default=1),
        text("--reason", "reason", "Why."),
    ],
    "payout_id",
)


# Orders -----------------------------------------------------------------------


def _order(**given: Any) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    acting, file = acting_of(given), given["file"]
    names = given["batch_id"], given["payouts"]
    day = given["pay_on"]
    batch = PayoutBatch(*names, "", "", given["bank_account"], day, wiring.CLOCK.now(), "", 0)
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            payer = given["payer"] or payer_of(reads, batch.payouts)
            command, content = approving(reads, batch, payer)
        made = ask(ledger, command, acting)
    write_file(file, content)
    app.console.remark(f"{file}: {len(content):,} bytes, SHA-256 {command.file_sha256}")
    tell(app, "ApprovePayouts", batch.batch_id, made)


order = Command(
    "order",
    params=[
        argument("payouts", "PAYOUT…", nargs=-1, required=True),
        text("--account", "bank_account", "Our account that pays.", required=True, metavar="ID"),
        text("--on", "pay_on", "The day to pay, YYYY-MM-DD.", required=True, metavar="DAY"),
        click.Option(["--file"], type=FILE, required=True, help="Where the order is written."),
        fresh("--id", "batch_id", "PB"),
        _PAYER,
        *acting_parameters("finance", timed=False),
    ],
    callback=_order,
    help="Approve planned payouts as one order and write its file (pain.001); two persons.",
)


def _release(reads: Reads, given: dict[str, Any]) -> LedgerCommand:
    content = read_file(given["file"], SIZE_MAX)
    batch = batch_of(reads, given["batch_id"])
    payer = given["payer"] or payer_of(reads, batch.payouts)
    return releasing(reads, batch.batch_id, content, payer)


release = asks_reading(
    "release",
    "Let an order leave: two persons, and just the file that was approved.",
    _release,
    [
        _BATCH,
        click.Option(["--file"], type=FILE, required=True, help="The order as it will leave."),
        _PAYER,
    ],
    "batch_id",
)


# Answers ----------------------------------------------------------------------


class Outcome(msgspec.Struct, frozen=True):
    """What came of one thing a bank's answer asked for: "done" or the refusal."""

    command: str
    payout_id: str
    outcome: str


class Imported(msgspec.Struct, frozen=True):
    """What a bank's answer led to; `unread` are references that are not ours."""

    message_id: str
    sha256: str
    outcomes: list[Outcome]
    unread: tuple[str, ...]


@click.command("answers", cls=Command)
@click.argument("file", type=FILE)
@click.option("--by", required=True, metavar="ID", help="Who imports.")
@click.pass_obj
def answers(app: App, file: Path, by: str) -> None:
    """Take in a bank's answer to an order (pain.002).

    A refusal has the payout owed again; nothing but a booked line confirms one. What is not ours,
    or contradicts a booked line, becomes a case.
    """
    content = read_file(file, SIZE_MAX)
    acting = Acting(Actor(by, "finance"), 0)
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            try:
                found = answered(reads, content)
            except Malformed as error:
                raise Malformed(error.rule, field=error.field, place=str(file)) from error
        outcomes = []
        for command in found.commands:
            try:
                done = "done" if ask(ledger, command, acting) else "known"
            except Refused as error:
                done = error.refusal.code.wire
            name = getattr(command, "payout_id", "")
            outcomes.append(Outcome(type(command).__name__, name, done))
    rows = [(one.payout_id, one.command, one.outcome) for one in outcomes]
    imported = Imported(found.message_id, sha256(content).hexdigest(), outcomes, found.unread)
    shown: list[object] = [table("Answers", ("Payout", "What", "Outcome"), rows)]
    shown += [f"NOT OURS: {reference}" for reference in found.unread]
    app.console.answer(imported, *shown)


@click.command("list", cls=Command)
@click.option("--state", default="", metavar="STATE", help="Only those in this state.")
@click.pass_obj
def list_(app: App, state: str) -> None:
    """List payouts and where they stand."""
    with wiring.reading(app.settings) as reads:
        found = [row for _, row in reads.rows(PAYOUTS) if state.upper() in ("", row.state)]
    rows = [
        (row.payout_id, row.partner_id, row.state.lower(), row.end_to_end_id, _amount(row))
        for row in found
    ]
    columns = ("Payout", "To", "State", "Reference", "Amount")
    app.console.answer(found, table("Payouts", columns, rows, right=(4,)))


def _amount(row: Payout) -> str:
    return f"{amount_text(row.amount_minor, row.currency)} {row.currency}"
