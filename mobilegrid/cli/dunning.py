"""`dunning`, `promo`, `deposit`: what is not paid, what was given, what we keep."""

from pathlib import Path

import click
import msgspec

from ledger.domain.money.deposits import (
    DEPOSITS,
    ApplyDeposit,
    Deposit,
    ReturnDeposit,
    TakeDeposit,
)
from ledger.domain.money.dunning import DUNNING
from ledger.domain.money.invoice_policy import BillingTerms, SetBillingPolicy
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.promos import GrantPromo
from ledger.domain.money.write_offs import WriteOffInvoice
from ledger.kernel.errors import Malformed
from ledger.kernel.messages import Actor
from ledger.kernel.money import amount_text, parse_amount
from ledger.runtime.dunning import run_dunning
from mobilegrid import wiring
from mobilegrid.cli.acting import (
    TIME_OR_NONE,
    Acting,
    argument,
    ask,
    asks,
    fresh,
    moment,
    tell,
    text,
)
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.params import FILE, TwoPersons, read_file, two_persons

_BYTES_MAX = 65_536
SYSTEM = Actor("dunning", "system")


class Owed(msgspec.Struct, frozen=True):
    """An invoice that is not paid, and how far its dunning came (minor units)."""

    invoice_no: str
    driver_id: str
    due_on: str
    state: str
    step: str
    currency: str
    open_minor: int


class Listed(msgspec.Struct, frozen=True):
    """What `dunning list` gives in JSON."""

    invoices: list[Owed]


@click.command("list", cls=Command)
@click.pass_obj
def list_(app: App) -> None:
    """List invoices that are overdue, with the step that was taken last."""
    with wiring.reading(app.settings) as reads:
        steps = {name: row.step for name, row in reads.rows(DUNNING)}
        found = [
            Owed(
                row.invoice_no,
                row.driver_id,
                row.due_on,
                row.state,
                steps[row.invoice_no],
                row.currency,
                row.open_minor,
            )
            for name, row in reads.rows(INVOICES)
            if name in steps and row.open_minor
        ]
    found.sort(key=lambda one: (one.due_on, one.invoice_no))
    rows = [
        (
            one.invoice_no,
            one.driver_id,
            one.due_on,
            one.state.replace("_", " "),
            one.step,
            f"{amount_text(one.open_minor, one.currency)} {one.currency}",
        )
        for one in found
    ]
    columns = ("Invoice", "Driver", "Due", "State", "Last step", "Open")
    app.console.answer(Listed(found), table("Overdue", columns, rows, right=(5,)))


@click.command(cls=Command)
@click.option("--at", type=TIME_OR_NONE, default=0, metavar="TIME", help="As if it were then.")
@click.pass_obj
def run(app: App, at: int) -> None:
    """Take every step that is due now: months, retries, blocks, proposals, what ends.

    The same steps run with all other timers (`timers run`); asking twice changes nothing.
    """
    with wiring.open_ledger(app.settings) as ledger:
        made = run_dunning(ledger, at or wiring.CLOCK.now(), SYSTEM)
    told = [(name, str(count)) for name, count in {**made.done, **made.refused}.items()]
    app.console.answer(made, facts(told) if told else "Nothing is due.")


@click.command("write-off", cls=Command)
@click.argument("number")
@click.option("--reason", required=True, metavar="TEXT", help="Why nobody collects it.")
@click.option("--keep-vat", is_flag=True, help="Do not take the output VAT back.")
@two_persons(role="finance")
@click.pass_obj
def write_off(app: App, number: str, reason: str, persons: TwoPersons, *, keep_vat: bool) -> None:
    """Give up what is open of an invoice that dunning proposed; two persons."""
    command = WriteOffInvoice(invoice_no=number, reason=reason, vat_relief=not keep_vat)
    _ask_two(app, command, number, persons)


@click.command(cls=Command)
@click.argument("file", type=FILE)
@two_persons(role="finance")
@click.pass_obj
def policy(app: App, file: Path, persons: TwoPersons) -> None:
    """Set the policy of bills from a JSON file; two persons.

    Fields, each with its default when left out: means (order of payment), retry_days,
    block_after_days, uncollectable_after_days, second_person_above_minor, inconvenience_minor,
    duns, collects_at_issue, payee_cooling_days, dispute_answer_days, rounding_max_minor.
    """
    try:
        terms = msgspec.json.decode(read_file(file, _BYTES_MAX), type=BillingTerms)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)[:200], field="policy", place=file.name) from error
    _ask_two(app, SetBillingPolicy(terms=terms), "policy", persons)


def _ask_two(
    app: App, command: WriteOffInvoice | SetBillingPolicy, subject: str, persons: TwoPersons
) -> None:
    actor = Actor(persons.by, persons.role, persons.second)
    with wiring.open_ledger(app.settings) as ledger:
        made = ask(ledger, command, Acting(actor, 0))
    tell(app, type(command).__name__, subject, made)


# Promos and deposits ----------------------------------------------------------

_AMOUNT = text("--amount", "amount", "How much, such as 5.00.", required=True, metavar="AMOUNT")
_CURRENCY = text("--currency", "currency", "ISO 4217.", default="EUR", show_default=True)

grant = asks(
    "grant",
    "Give a driver credit that pays his next invoices.",
    lambda given: GrantPromo(
        promo_id=given["promo_id"],
        driver_id=given["driver_id"],
        currency=given["currency"],
        amount_minor=parse_amount(given["amount"], given["currency"], "--amount"),
        reason=given["reason"],
        expires_at=given["expires_at"],
    ),
    "support",
    [
        argument("driver_id", "DRIVER"),
        _AMOUNT,
        _CURRENCY,
        text("--reason", "reason", "Why.", required=True),
        moment("--until", "expires_at", "When it ends; never when left out."),
        fresh("--id", "promo_id", "PR"),
    ],
    "promo_id",
)

take = asks(
    "take",
    "Record a deposit that a driver paid.",
    lambda given: TakeDeposit(
        deposit_id=given["deposit_id"],
        driver_id=given["driver_id"],
        payment_id=given["payment_id"],
        currency=given["currency"],
        amount_minor=parse_amount(given["amount"], given["currency"], "--amount"),
        pack_class=given["pack_class"],
    ),
    "finance",
    [
        argument("driver_id", "DRIVER"),
        _AMOUNT,
        _CURRENCY,
        text("--payment", "payment_id", "The payment it came by.", required=True, metavar="ID"),
        text("--class", "pack_class", "For which class of pack.", metavar="CLASS"),
        fresh("--id", "deposit_id", "DP"),
    ],
    "deposit_id",
)


class Deposits(msgspec.Struct, frozen=True):
    """What `deposit list` gives in JSON."""

    deposits: list[Deposit]


@click.command("list", cls=Command)
@click.option("--driver", default=None, metavar="ID", help="Only this driver's.")
@click.pass_obj
def deposits(app: App, driver: str | None) -> None:
    """List deposits with what is left of them."""
    with wiring.reading(app.settings) as reads:
        found = [row for _, row in reads.rows(DEPOSITS, listed=driver)]
    rows = [
        (
            row.deposit_id,
            row.driver_id,
            row.pack_class,
            f"{amount_text(row.amount_minor, row.currency)} {row.currency}",
            f"{amount_text(row.left_minor, row.currency)} {row.currency}",
        )
        for row in found
    ]
    columns = ("Deposit", "Driver", "Class", "Taken", "Left")
    app.console.answer(Deposits(found), table("Deposits", columns, rows, right=(3, 4)))


@click.command("return", cls=Command)
@click.argument("deposit")
@click.argument("amount")
@two_persons(role="finance", required=False)
@click.pass_obj
def return_(app: App, deposit: str, amount: str, persons: TwoPersons | None) -> None:
    """Give a deposit back, or a part; above the limit of the policy by two persons."""
    _move(app, deposit, amount, persons, "")


@click.command("apply", cls=Command)
@click.argument("deposit")
@click.argument("amount")
@click.argument("number")
@click.pass_obj
def apply_(app: App, deposit: str, amount: str, number: str) -> None:
    """Use a deposit, or a part, for an invoice of its driver."""
    _move(app, deposit, amount, None, number)


def _move(app: App, deposit: str, amount: str, persons: TwoPersons | None, invoice_no: str) -> None:
    by = persons or TwoPersons("command-line", "", "finance")
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            row = reads.row(DEPOSITS, deposit)
        minor = parse_amount(amount, row.currency if row else "EUR", "amount")
        command: ApplyDeposit | ReturnDeposit = (
            ApplyDeposit(deposit_id=deposit, invoice_no=invoice_no, amount_minor=minor)
            if invoice_no
            else ReturnDeposit(deposit_id=deposit, amount_minor=minor)
        )
        made = ask(ledger, command, Acting(Actor(by.by, by.role, by.second), 0))
    tell(app, type(command).__name__, deposit, made)
