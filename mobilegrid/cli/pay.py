"""`pay`: what drivers pay by card, planned here and made by the relay."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.domain.money.payments import (
    CaptureReserved,
    PlanCharge,
    PlanSetup,
    PlanTopUp,
    ReleaseReserved,
    ReserveCard,
)
from ledger.domain.money.payments_disputes import SubmitEvidence
from ledger.domain.money.payments_refunds import PlanRefund
from ledger.domain.money.payments_rows import (
    CARD_PAYMENTS,
    PAYMENT_CALLS,
    CardPayment,
    PaymentCall,
)
from ledger.domain.money.payments_transfers import PlanTransfer
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import Instant, as_text
from ledger.kernel.money import amount_text
from ledger.runtime.inbox import InboxRun
from ledger.store import outbox
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
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.params import FILE, TIME, write_file

_DRIVER = text("--driver", "driver_id", "The driver who pays.", required=True, metavar="ID")
_CURRENCY = text("--currency", "currency", "In which currency.", default="EUR", metavar="CODE")
_INVOICE = text("--invoice", "invoice_no", "Which invoice it pays.", required=True, metavar="NO")
_ID = fresh("--id", "payment_id", "PY")


def _amount(words: str) -> click.Option:
    return number("--amount", "amount_minor", words, required=True, metavar="MINOR")


charge_card = asks(
    "charge",
    "Take money for an invoice from a saved card.",
    PlanCharge,
    "finance",
    [_DRIVER, _INVOICE, _CURRENCY, _amount("How much, in minor units."), _ID],
    "payment_id",
)

reserve = asks(
    "reserve",
    "Have an amount authorised on a saved card.",
    ReserveCard,
    "finance",
    [
        _DRIVER,
        text("--for", "subject_id", "The swap or booking.", required=True, metavar="ID"),
        _CURRENCY,
        _amount("How much, in minor units."),
        _ID,
    ],
    "payment_id",
)

capture = asks(
    "capture",
    "Take what was authorised, for an invoice.\n\nWhat is not taken is free again.",
    CaptureReserved,
    "finance",
    [argument("payment_id", "PAYMENT"), _INVOICE, _amount("How much, in minor units.")],
    "payment_id",
)

cancel = asks(
    "cancel",
    "Give back what was authorised, or give it up.",
    ReleaseReserved,
    "finance",
    [argument("payment_id", "PAYMENT")],
    "payment_id",
)

top_up = asks(
    "top-up",
    "Let a driver pay into his wallet.\n\nHe pays on a page of the provider, see `pay show`.",
    PlanTopUp,
    "finance",
    [_DRIVER, _CURRENCY, _amount("How much, in minor units."), _ID],
    "payment_id",
)

save_card = asks(
    "save-card",
    "Let a driver save a card.\n\nHe does so on a page of the provider.",
    PlanSetup,
    "finance",
    [argument("driver_id", "DRIVER")],
    "driver_id",
)

refund = asks(
    "refund",
    "Pay a credit note back to the card that paid.\n\nAll of it, or a part.",
    PlanRefund,
    "finance",
    [
        argument("credit_note_no", "CREDIT-NOTE"),
        text("--payment", "payment_id", "Whose card.", required=True, metavar="PAYMENT"),
        _amount("How much, in minor units."),
    ],
    "credit_note_no",
)

transfer = asks(
    "transfer",
    "Send a released payout through the provider.",
    PlanTransfer,
    "finance",
    [argument("payout_id", "PAYOUT")],
    "payout_id",
)


def _evidence(**given: Any) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    acting: Acting = acting_of(given)
    from ledger.runtime.relay_evidence import evidence_text

    with wiring.reading(app.settings) as reads:
        words = evidence_text(reads, given["dispute_ref"])
    if not given["send"]:
        app.console.answer({"text": words}, words)
        return
    digest = sha256(words.encode()).hexdigest()
    command = SubmitEvidence(dispute_ref=given["dispute_ref"], text=words, sha256=digest)
    with wiring.open_ledger(app.settings) as ledger:
        made = ask(ledger, command, acting)
    tell(app, "SubmitEvidence", given["dispute_ref"], made)


evidence = Command(
    "evidence",
    params=[
        argument("dispute_ref", "DISPUTE"),
        click.Option(["--send"], is_flag=True, help="Answer the dispute with it."),
        *acting_parameters("finance", timed=False),
    ],
    callback=_evidence,
    help="Answer a dispute with what the log says.\n\nWithout --send the text is only shown.",
)


class Listed(msgspec.Struct, frozen=True):
    """The answer of `pay list` in JSON."""

    payments: list[CardPayment]


@click.command("list", cls=Command)
@click.option("--driver", metavar="ID", help="Only of this driver.")
@click.option("--state", metavar="STATE", help="Only in this state, such as FAILED.")
@click.pass_obj
def list_(app: App, driver: str | None, state: str | None) -> None:
    """List payments by card with their state."""
    with wiring.reading(app.settings) as reads:
        found = [row for _, row in reads.rows(CARD_PAYMENTS, listed=driver)]
    chosen = [row for row in found if state in (None, row.state)]
    columns = ("Payment", "Driver", "For", "State", "Asked", "Taken", "Given back")
    rows = [_row(row) for row in chosen]
    app.console.answer(Listed(chosen), table("Payments", columns, rows, right=(4, 5, 6)))


def _row(row: CardPayment) -> tuple[str, ...]:
    amounts = (row.amount_minor, row.captured_minor, row.refunded_minor)
    shown = [f"{amount_text(one, row.currency)} {row.currency}" for one in amounts]
    subject = row.invoice_no or row.subject or row.purpose
    return (row.payment_id, row.driver_id, subject, row.state, *shown)


class Shown(msgspec.Struct, frozen=True):
    """The answer of `pay show` in JSON."""

    payment: CardPayment
    calls: list[PaymentCall]


@click.command(cls=Command)
@click.argument("payment_id", metavar="PAYMENT")
@click.pass_obj
def show(app: App, payment_id: str) -> None:
    """Show one payment, its calls, and the page of its driver."""
    with wiring.reading(app.settings) as reads:
        row = reads.row(CARD_PAYMENTS, payment_id)
        calls = [one for _, one in reads.rows(PAYMENT_CALLS) if one.payment_id == payment_id]
    if row is None:
        raise NotFound(f"no payment {payment_id}")
    names = ("driver", "for", "state", "asked", "taken", "given back")
    shown = [*zip(names, _row(row)[1:], strict=True), ("at the provider", row.ref or "-")]
    more = [("page", row.url), ("reason", row.reason)]
    if row.differs or row.has_dispute:
        more.append(("refunds", "stopped: a dispute is open, or amounts differ"))
    calls.sort(key=lambda one: one.planned_at)
    columns = ("Call", "Planned", "State", "Sent", "Reason")
    rows = [
        (one.call_key, as_text(one.planned_at), one.state, str(one.sends), one.reason)
        for one in calls
    ]
    app.console.answer(
        Shown(row, calls),
        facts([*shown, *(one for one in more if one[1])]),
        table("Calls", columns, rows, right=(3,)),
    )


@click.command(cls=Command)
@click.pass_obj
def relay(app: App) -> None:
    """Make the calls that wait, once.

    `serve all` does it every round. The exit code is 1 when calls wait for a person or the provider
    does not know us.
    """
    from mobilegrid import payments

    with wiring.open_ledger(app.settings) as ledger:
        run = payments.open_relay(app.settings, ledger).run()
    shown = [(name, str(count)) for name, count in run.ended.items()] or [("calls made", "none")]
    app.console.answer(run, facts([*shown, ("still waiting", str(run.waiting))]), run.stopped)
    if run.stopped or run.ended.get("dead"):
        raise click.exceptions.Exit(1)


class CaughtUp(msgspec.Struct, frozen=True):
    """The answer of `pay catch-up` in JSON: the run, and what both sides say the provider holds."""

    run: InboxRun
    is_equal: bool


@click.command("catch-up", cls=Command)
@click.pass_obj
def catch_up(app: App) -> None:
    """Fetch missed messages and post the balance.

    All messages are seen to. Then our books are held against what the provider says he holds; the
    exit code is 1 when they differ.
    """
    from mobilegrid import payments

    with wiring.open_ledger(app.settings) as ledger:
        inbox = payments.open_inbox(app.settings, ledger)
        run = inbox.catch_up()
        held = inbox.compare()
    is_equal = all(one.ours_minor == one.theirs_minor for one in held)
    done = facts(
        [
            ("messages seen to", str(run.done)),
            ("tried again later", str(run.later)),
            ("given up", str(run.dead)),
            ("balance transactions posted", str(run.posted)),
            ("not posted yet", str(run.waiting_lines)),
        ]
    )
    rows = [
        (
            one.currency,
            amount_text(one.ours_minor, one.currency),
            amount_text(one.theirs_minor, one.currency),
        )
        for one in held
    ]
    shown = table("Held by the provider", ("Currency", "Our books", "Provider"), rows, right=(1, 2))
    app.console.answer(CaughtUp(run, is_equal), done, shown)
    if not is_equal:
        raise click.exceptions.Exit(1)


@click.command(cls=Command)
@click.argument("call_key", metavar="CALL")
@click.pass_obj
def again(app: App, call_key: str) -> None:
    """Take up a call that was given up.

    The next relay looks for it, or sends the same again.
    """
    with wiring.open_ledger(app.settings) as ledger, ledger.writing() as tx:
        is_found = outbox.revive(tx, ledger.name.log_id, call_key)
    if not is_found:
        raise NotFound(f"no call {call_key} was given up")
    app.console.answer({"call": call_key}, f"{call_key}: the next relay takes it up.")


@click.command("provider-list", cls=Command)
@click.argument("file", type=FILE)
@click.option("--since", type=TIME, required=True, metavar="TIME", help="From when on.")
@click.pass_obj
def provider_list(app: App, file: Path, since: Instant) -> None:
    """Write what the provider tells of our money, for `reconcile run`.

    A JSON file with his balance transactions, payouts and balances; what we know bears our ids.
    """
    from mobilegrid import payments

    with wiring.open_ledger(app.settings) as ledger:
        told = payments.open_inbox(app.settings, ledger).told_list(since)
    write_file(file, msgspec.json.encode(told))
    counts = {"transactions": len(told.transactions), "payouts": len(told.payouts)}
    said = f"{file}: {counts['transactions']} transactions, {counts['payouts']} payouts"
    app.console.answer(counts, said)
