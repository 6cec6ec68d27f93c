"""`settle dispute`, `settle resolve`: a line that somebody says is wrong, and who was right."""

from typing import Any

import click

from ledger.domain.money.agreed import Found
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.dispute_messages import WriteDisputeMessage
from ledger.domain.money.dispute_rows import DRIVER_CODES, LINE_DISPUTES, PARTNER_CODES
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.line_disputes import RaiseBillDispute, RaiseLineDispute
from ledger.domain.money.line_resolutions import (
    CloseLineDispute,
    EscalateLineDispute,
    ReviewLineDispute,
    WithdrawLineDispute,
)
from ledger.kernel.errors import NotFound
from ledger.kernel.messages import Command as LedgerCommand
from ledger.kernel.money import parse_amount
from ledger.kernel.postings import QUANTITY_MAX
from ledger.runtime.reads import Reads
from ledger.runtime.settling_cycle import share_at, statement_row, with_bill, with_line
from mobilegrid import wiring
from mobilegrid.cli.acting import argument, asks, digest, fresh, many, number, text
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.params import TIME
from mobilegrid.cli.settle_cycle import asks_reading
from mobilegrid.cli.wording import time_words

_LINE = click.Argument(["line"], metavar="POSITION/INDEX")
_DISPUTE = argument("dispute_id", "DISPUTE")


def place_of(line: str) -> tuple[int, int]:
    """Read the name of a line, ``POSITION/INDEX``."""
    position, _, index = line.partition("/")
    if not (position.isdigit() and index.isdigit()):
        raise click.BadParameter(f"{line!r} is not POSITION/INDEX.")
    return int(position), int(index)


def _dispute(reads: Reads, given: dict[str, Any]) -> LedgerCommand:
    position, index = place_of(given["line"])
    row = statement_row(reads, given["document_id"])
    currency = row.calculation.amounts[0].currency
    claimed = given["claimed"]
    command = RaiseLineDispute(
        dispute_id=given["dispute_id"],
        document_id=given["document_id"],
        party_id=row.partner_id,
        position=position,
        posting_index=index,
        code=given["code"],
        reason=given["reason"],
        claimed_quantity=given["claimed_quantity"],
        claimed_minor=parse_amount(claimed, currency, "claimed") if claimed else 0,
        evidence=(given["evidence"],) if given["evidence"] else (),
    )
    return with_line(reads, command)


dispute = asks_reading(
    "dispute",
    "Record a disputed line.\n\n"
    "Record that a partner disputes a line of a statement, named as `settle statement` shows it.",
    _dispute,
    [
        argument("document_id", "STATEMENT"),
        _LINE,
        click.Argument(["code"], type=click.Choice(PARTNER_CODES)),
        fresh("--id", "dispute_id", "LD"),
        text("--reason", "reason", "What he says."),
        text("--claimed", "claimed", "The share that he says it should be.", metavar="AMOUNT"),
        number("--claimed-quantity", "claimed_quantity", "The quantity that he says (Wh)."),
        digest("--evidence", "evidence", "A document that he sent."),
    ],
    "dispute_id",
)


def _dispute_bill(reads: Reads, given: dict[str, Any]) -> LedgerCommand:
    position, number = place_of(given["line"])
    invoice = reads.row(INVOICES, given["document_id"])
    if invoice is None:
        raise NotFound(f"no invoice {given['document_id']}")
    event = reads.entry(position).event
    is_his = isinstance(event, UsageAccrued) and event.driver_id == invoice.driver_id
    if not isinstance(event, UsageAccrued) or not is_his or not 0 < number <= len(event.lines):
        raise NotFound(f"{given['line']} is no line of a usage of {invoice.driver_id}")
    claimed = given["claimed"]
    return RaiseBillDispute(
        dispute_id=given["dispute_id"],
        document_id=invoice.invoice_no,
        party_id=invoice.driver_id,
        position=position,
        posting_index=number,
        amount_minor=event.lines[number - 1].net_minor,
        code=given["code"],
        reason=given["reason"],
        claimed_minor=parse_amount(claimed, invoice.currency, "claimed") if claimed else 0,
        evidence=(given["evidence"],) if given["evidence"] else (),
        usage_id=event.usage_id,
        usage_kind=event.usage_kind,
    )


dispute_bill = asks_reading(
    "dispute-bill",
    "Record a driver's disputed line.\n\n"
    "Record that a driver disputes a line of an invoice: the usage's entry, and its line from 1.",
    _dispute_bill,
    [
        argument("document_id", "INVOICE"),
        _LINE,
        click.Argument(["code"], type=click.Choice(DRIVER_CODES)),
        fresh("--id", "dispute_id", "LD"),
        text("--reason", "reason", "What he says."),
        text("--claimed", "claimed", "The net amount that he says it should be.", metavar="AMOUNT"),
        digest("--evidence", "evidence", "A document that he sent."),
    ],
    "dispute_id",
)

review = asks(
    "review", "Look at a dispute.", ReviewLineDispute, "finance", [_DISPUTE], "dispute_id"
)

escalate = asks(
    "escalate",
    "Hand a dispute to somebody above.",
    EscalateLineDispute,
    "finance",
    [_DISPUTE, text("--reason", "reason", "Why.", required=True)],
    "dispute_id",
)

write = asks(
    "write",
    "Write inside a dispute.\n\n"
    "Write to the other side inside a dispute that is not settled. The message is an entry of the "
    "log: who wrote it and when can be proven.",
    WriteDisputeMessage,
    "finance",
    [
        _DISPUTE,
        text("--text", "text", "What is said.", required=True),
        fresh("--id", "message_id", "DM"),
        many("--evidence", "evidence", "The SHA-256 of a paper; again and again."),
    ],
    "dispute_id",
)


@click.command(cls=Command)
@click.argument("dispute_id", metavar="DISPUTE")
@click.pass_obj
def messages(app: App, dispute_id: str) -> None:
    """Show what both sides wrote inside a dispute.

    Who, when, and in which entry.
    """
    with wiring.reading(app.settings) as reads:
        row = reads.row(LINE_DISPUTES, dispute_id)
    if row is None:
        raise NotFound(f"no dispute {dispute_id[:40]}")
    rows = [
        (str(one.position), time_words(one.at), f"{one.sender_id} ({one.side})", one.text)
        for one in row.messages
    ]
    title = f"Dispute {row.dispute_id} of {row.document_id}, {row.state}"
    app.console.answer(row, table(title, ("Entry", "When", "Who", "What"), rows, right=(0,)))


withdraw = asks(
    "withdraw",
    "Record that a dispute was given up.",
    WithdrawLineDispute,
    "finance",
    [_DISPUTE, text("--reason", "reason", "Why.", required=True)],
    "dispute_id",
)


def _shares(values: tuple[str, ...], currency: str) -> dict[str, int]:
    found = {}
    for value in values:
        party, _, amount = value.partition("=")
        found[party] = parse_amount(amount, currency, f"share of {party}")
    return found


def _resolve(reads: Reads, given: dict[str, Any]) -> LedgerCommand:
    row = reads.row(LINE_DISPUTES, given["dispute_id"])
    if row is None:
        raise NotFound(f"no dispute {given['dispute_id']}")
    verdict = {"verdict": given["verdict"].upper(), "reason": given["reason"]}
    found = Found(
        energy_wh=given["energy_wh"] or 0,
        has_energy=given["energy_wh"] is not None,
        begun_at=given["begun_at"] or 0,
    )
    if not given["shares"]:
        closing = CloseLineDispute(dispute_id=row.dispute_id, **verdict, found=found)
        return with_bill(reads, closing)
    original = share_at(reads, row.position)
    shares = original.shares | _shares(given["shares"], row.currency)
    ours = original.base_minor - sum(
        part for party, part in shares.items() if party != original.ours
    )
    return CloseLineDispute(
        dispute_id=row.dispute_id,
        **verdict,
        original=original,
        shares=shares | {original.ours: ours},
        found=found,
    )


resolve = asks_reading(
    "resolve",
    "Close a dispute; two persons.\n\n"
    "Upheld with shares, those are posted and ours takes the rest. Upheld without, a dispute about "
    "quantity, price or time has its usage rated again, by what was found.",
    _resolve,
    [
        _DISPUTE,
        click.Argument(["verdict"], type=click.Choice(["upheld", "rejected"])),
        text("--reason", "reason", "What was found.", required=True),
        click.Option(
            ["--share", "shares"],
            multiple=True,
            metavar="PARTY=AMOUNT",
            help="A party's right share of the line, again and again.",
        ),
        click.Option(
            ["--energy-wh", "energy_wh"],
            type=click.IntRange(min=-QUANTITY_MAX, max=QUANTITY_MAX),
            help="The energy of the usage that was found (Wh).",
        ),
        click.Option(["--begun", "begun_at"], type=TIME, help="When it was found to have begun."),
    ],
    "dispute_id",
)
