"""`invoice` show, credit, pay-from-wallet: an invoice after it was issued."""

from collections.abc import Iterable

import click
import msgspec

from ledger.domain.money.credit_notes import REASONS, CreditNoteIssued
from ledger.domain.money.invoice_means import PayFromCredit
from ledger.kernel.messages import Actor
from ledger.kernel.money import amount_text, parse_amount
from ledger.runtime.crediting import credit_order, invoice_row, open_lines
from ledger.runtime.dunning import promos_for
from ledger.runtime.invoice_view import InvoiceView, credit_note_entry, invoice_view
from mobilegrid import wiring
from mobilegrid.cli.acting import PERSON, Acting, ask, tell
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table


class LineLeft(msgspec.Struct, frozen=True):
    """A line of an invoice by its name, and what is left of it to be credited (minor units)."""

    name: str
    usage_id: str
    component: str
    net_minor: int
    left_minor: int


class Shown(msgspec.Struct, frozen=True):
    """What `invoice show` gives in JSON."""

    view: InvoiceView
    lines: list[LineLeft]


@click.command(cls=Command)
@click.argument("number")
@click.pass_obj
def show(app: App, number: str) -> None:
    """Show an invoice: its state, its lines, what paid it and what was credited.

    The name of a line is what `invoice credit --line` takes.
    """
    with wiring.reading(app.settings) as reads:
        view = invoice_view(reads, number)
        lines = [
            LineLeft(
                one.name,
                one.left.usage_id,
                one.left.component,
                one.left.invoiced_minor,
                one.left.credited_minor,
            )
            for one in open_lines(reads, number)
        ]
    row, currency = view.invoice, view.invoice.currency
    head = facts(
        (
            ("invoice", f"{row.invoice_no} of {row.issued_on}, due {row.due_on}"),
            ("driver", row.driver_id),
            ("state", view.state.replace("_", " ")),
            ("total", _money(row.payable_minor, currency)),
            ("paid", _money(row.paid_minor, currency)),
            ("credited", _money(row.credited_minor, currency)),
            ("open", _money(view.open_minor, currency)),
            ("entry", f"position {view.position}"),
        )
    )
    shown = [
        (one.name, one.usage_id, one.component.lower(), *_nets(one, currency)) for one in lines
    ]
    columns = ("Line", "Usage", "What", "Net", "Not credited")
    happened = [
        (str(one.position), one.on, one.words, _money(one.amount_minor, currency))
        for one in view.settled
    ]
    more = ("Entry", "Day", "What", "Amount")
    later = [table("Since then", more, happened, right=(0, 3))] if happened else []
    app.console.answer(
        Shown(view, lines), head, "", table("Lines", columns, shown, right=(3, 4)), *later
    )


def _nets(line: LineLeft, currency: str) -> tuple[str, str]:
    return _money(line.net_minor, currency), _money(line.left_minor, currency)


def _money(minor: int, currency: str) -> str:
    return f"{amount_text(minor, currency)} {currency}"


class Noted(msgspec.Struct, frozen=True):
    """What `invoice credit` gives in JSON; amounts in minor units."""

    credit_note_no: str
    invoice_no: str
    gross_minor: int
    refundable_minor: int
    positions: list[int]


@click.command(cls=Command)
@click.argument("number")
@click.option(
    "--line",
    "lines",
    multiple=True,
    metavar="LINE=NET",
    help="A line by its name and the net amount, such as 7/2=5.00; may come again.",
)
@click.option("--usage", "usage_id", default="", metavar="ID", help="All of this usage.")
@click.option("--reason", required=True, type=click.Choice(sorted(REASONS)), help="Why.")
@click.option("--by", default=PERSON, show_default=True, metavar="PERSON", help="Who credits.")
@click.option("--second", default="", metavar="PERSON", help="Who agrees, above the limit.")
@click.option("--role", default="finance", show_default=True, metavar="ROLE", help="In which role.")
@click.pass_obj
def credit(app: App, /, number: str, lines: tuple[str, ...], usage_id: str, **asked: str) -> None:
    """Issue a credit note over an invoice.

    Issue a credit note over lines of an invoice, over one usage, or over all that is left.

    What is still open of the invoice is lowered first; what was paid can be refunded by
    `pay refund`. Partners give back their part in the same commit.
    """
    actor = Actor(asked["by"], asked["role"], asked["second"])
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            currency = invoice_row(reads, number).currency
            command = credit_order(
                reads,
                number,
                dict(_amounts(lines, currency)),
                reason=asked["reason"],
                issued_at=wiring.CLOCK.now(),
                usage_id=usage_id,
            )
        made = ask(ledger, command, Acting(actor, 0))
        with ledger.reading() as reads:
            issued = reads.entry(made[0].position).event
            assert isinstance(issued, CreditNoteIssued), "its own entry comes first"
            note, _ = credit_note_entry(reads, issued.credit_note_no)
    answer = Noted(
        note.credit_note_no,
        number,
        note.gross_minor,
        note.refundable_minor,
        [one.position for one in made],
    )
    said = (
        ("credit note", f"{note.credit_note_no} over {number}"),
        ("credited", _money(note.gross_minor, currency)),
        ("can be refunded", _money(note.refundable_minor, currency)),
        ("entries", ", ".join(str(one.position) for one in made)),
    )
    app.console.answer(answer, facts(said))


def _amounts(lines: Iterable[str], currency: str) -> Iterable[tuple[str, int]]:
    for given in lines:
        name, sign, amount = given.partition("=")
        if not sign:
            raise click.UsageError(f"{given!r} is not LINE=NET, such as 7/2=5.00.")
        yield name, parse_amount(amount, currency, "--line")


@click.command("pay-from-wallet", cls=Command)
@click.argument("number")
@click.option("--amount", default="", metavar="AMOUNT", help="At most so much; else all.")
@click.option("--by", default=PERSON, show_default=True, metavar="PERSON", help="Who asks.")
@click.pass_obj
def pay_from_wallet(app: App, number: str, amount: str, by: str) -> None:
    """Pay an invoice from the driver's promos and wallet, in the order of the policy."""
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            row = invoice_row(reads, number)
            promos = promos_for(reads, row, wiring.CLOCK.now())
        command = PayFromCredit(
            invoice_no=number,
            driver_id=row.driver_id,
            promo_ids=tuple(promo.promo_id for promo in promos),
            amount_minor=parse_amount(amount, row.currency, "--amount") if amount else 0,
        )
        made = ask(ledger, command, Acting(Actor(by, "finance"), 0))
    tell(app, "PayFromCredit", number, made)
