"""`reconcile`: our books against the bank, the payment provider and partners.

Exit codes of `run`: 0 when every leg is reconciled, with what is pending or warned of; 1 when a leg
has breaks, is incomplete, or the run could not be kept.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.adapters.partner_files import SIZE_MAX, read_partner_file
from ledger.domain.money.breaks import (
    AMOUNT,
    CURRENCY,
    DATE,
    DUPLICATE,
    MISSING_EXTERNAL,
    MISSING_LEDGER,
    Break,
    Difference,
    NoteBreak,
    ResolveBreak,
)
from ledger.domain.money.psp_records import PspList
from ledger.domain.money.reconciling import LegTold
from ledger.domain.money.reconciling_compare import BROKEN, INCOMPLETE, LegResult
from ledger.domain.money.reconciling_partner import OK, LineVerdict
from ledger.domain.money.reconciling_policy import Policy
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import utc_day
from ledger.kernel.messages import Actor
from ledger.kernel.money import amount_text
from ledger.runtime.reconciliation_partner import partner_leg, partner_result
from ledger.runtime.reconciliation_run import Running, RunView, open_rows, reconcile, run_view
from mobilegrid import wiring
from mobilegrid.cli.acting import PERSON, argument, asks, text
from mobilegrid.cli.bank_files import policy_option, read_json, reader_of
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.params import FILE, read_file

_NAMES = {
    "ledger_psp": "Books and payment provider",
    "psp_bank": "Payment provider and bank",
    "ledger_bank": "Books and bank",
    "partner": "Statement and partner",
}
_KINDS = {
    MISSING_LEDGER: "only outside",
    MISSING_EXTERNAL: "only in our books",
    AMOUNT: "another amount",
    CURRENCY: "another currency",
    DATE: "another day",
    DUPLICATE: "there twice",
}


class RunAnswer(msgspec.Struct, frozen=True):
    """The answer of `reconcile run` in JSON: the run, and the lines of partners' files."""

    run: RunView
    partner_lines: list[LineVerdict]


@click.command("run", cls=Command)
@click.option("--on", "run_on", default="", metavar="DAY", help="The day of the run; today, UTC.")
@click.option("--psp", "psp_file", type=FILE, help="The payment provider's list, as JSON.")
@click.option("--partner", default="", metavar="ID", help="Whose file is compared.")
@click.option("--period", default="", help="The period of that partner's statement.")
@click.option("--currency", default="EUR", show_default=True, help="The currency compared.")
@click.option("--file", "partner_file", type=FILE, help="The partner's file, CSV or JSON.")
@click.option("--by", default=PERSON, show_default=True, metavar="PERSON", help="Who runs it.")
@policy_option
@click.pass_obj
def run_(app: App, /, run_on: str, by: str, **given: Any) -> None:
    """Compare our books with the bank's files, a provider's list, a partner's file.

    The run is kept as an entry, and names the one before. Breaks are opened and resolved by it;
    one that is still there keeps its id.
    """
    now = wiring.CLOCK.now()
    policy = read_json(given["policy_file"], Policy, Policy())
    told: PspList | None = read_json(given["psp_file"], PspList, None)
    partner = (given["partner"], given["period"], given["currency"])
    file: Path | None = given["partner_file"]
    if bool(file) != bool(partner[0]) or bool(file) != bool(partner[1]):
        raise click.UsageError("--partner, --period and --file go together.")
    read = None
    if file is not None:
        try:
            read = read_partner_file(read_file(file, SIZE_MAX), partner[2])
        except Malformed as error:
            raise Malformed(error.rule, field=error.field, place=str(file)) from error
    how = Running(
        run_on=run_on or utc_day(now),
        actor=Actor(by, "finance"),
        at=now,
        read_again=reader_of(app),
        policy=policy,
        psp=told,
        partners=() if read is None else (partner_leg(*partner, read),),
    )
    lines: list[LineVerdict] = []
    with wiring.open_ledger(app.settings) as ledger:
        if read is not None:
            with ledger.reading() as reads:
                lines = [*partner_result(reads, *partner, read).verdicts]
        view = reconcile(ledger, how)
    app.console.answer(RunAnswer(view, lines), *run_text(view), *_lines_text(lines))
    if view.refused or view.verdict in (BROKEN, INCOMPLETE):
        raise click.exceptions.Exit(1)


@click.command(cls=Command)
@click.argument("number", type=click.IntRange(1), required=False)
@click.pass_obj
def show(app: App, number: int | None) -> None:
    """Show a run as it was kept: the newest, or that of a NUMBER."""
    with wiring.reading(app.settings) as reads:
        view = run_view(reads, number or 0)
    app.console.answer(view, *run_text(view))


# The statement ----------------------------------------------------------------


def run_text(view: RunView) -> Iterator[object]:
    """Lay a run out as a statement of reconciliation."""
    where = f"entry {view.position}" if view.position >= 0 else "NOT KEPT"
    yield f"RECONCILIATION {view.number} of {view.run_on}, {where}"
    yield f"{view.verdict.replace('_', ' ').upper()}"
    if view.refused:
        yield f"NOT KEPT: {view.refused}"
    counts: Iterable[LegTold | None] = view.counts or [None] * len(view.legs)
    for leg, verdict, count in zip(view.legs, view.verdicts, counts, strict=True):
        yield ""
        yield from _leg_text(leg, verdict, count, view)
    for one in view.inputs:
        yield f"read: {one.name}, SHA-256 {one.sha256}"


def _leg_text(
    leg: LegResult, verdict: str, count: LegTold | None, view: RunView
) -> Iterator[object]:
    total = sum(one.amount_minor for one in leg.differences)
    left = count.differences_minor - total if count else 0
    sums = [
        (f"+ {_KINDS[MISSING_LEDGER]}", leg.sum_of(MISSING_LEDGER)),
        (f"- {_KINDS[MISSING_EXTERNAL]}", -leg.sum_of(MISSING_EXTERNAL)),
        ("+ other differences", leg.sum_of(AMOUNT, DUPLICATE, CURRENCY, DATE)),
        *([("+ further differences, by digest", left)] if left else []),
    ]
    yield f"{_NAMES[leg.leg]}: {leg.scope} - {verdict.replace('_', ' ')}"
    bridge = [
        ("our books, closing", leg.ledger_closing),
        *sums,
        ("residual", leg.residual_minor - left),
        ("outside, closing", leg.external_closing),
    ]
    rows = [(name, amount_text(minor, leg.currency)) for name, minor in bridge]
    yield table("", ("Bridge", leg.currency), rows, right=(1,))
    agree = amount_text(leg.matched_minor, leg.currency)
    yield f"{leg.matched:,} references agree, {agree} {leg.currency}"
    if count:
        yield f"open breaks: {_count_text(count)}"
    if leg.differences:
        yield _difference_table(leg, view)
    for words in leg.faults:
        yield f"INCOMPLETE: {words}"
    for words in leg.warnings:
        yield f"WARNING: {words}"


def _count_text(count: LegTold) -> str:
    before, new, gone = count.open_before, count.opened, count.resolved
    return f"{count.open} = {before} before + {new} new - {gone} resolved"


def _difference_table(leg: LegResult, view: RunView) -> object:
    pending = {one.break_id for one in leg.pending(view.policy, view.run_on)}
    rows = [
        (
            one.break_id,
            one.reference,
            _KINDS[one.kind],
            "pending" if one.break_id in pending else f"priority {one.priority}",
            f"{one.since_on}, {view.policy.bucket(one.since_on, view.run_on)} days",
            amount_text(one.external_minor, leg.currency),
            amount_text(one.ledger_minor, leg.currency),
            amount_text(one.amount_minor, leg.currency),
        )
        for one in leg.differences
    ]
    columns = ("Break", "Reference", "What", "State", "Since", "Outside", "Books", "Difference")
    return table("", columns, rows, right=(5, 6, 7))


def _lines_text(lines: list[LineVerdict]) -> Iterator[object]:
    if not lines:
        return
    rows = [
        (str(one.number), one.external_id, one.verdict, ", ".join(one.codes), one.field)
        for one in lines
        if one.verdict != OK
    ]
    yield ""
    yield f"{len(lines):,} lines of the partner's file, {len(lines) - len(rows):,} OK"
    if rows:
        yield table("", ("Line", "Their id", "Verdict", "Why", "Field"), rows, right=(0,))


# Breaks -----------------------------------------------------------------------


@click.command(cls=Command)
@click.option("--on", "on", default="", metavar="DAY", help="Ages as of that day; today, UTC.")
@click.pass_obj
def breaks(app: App, on: str) -> None:
    """List the open breaks, the most urgent first: how old, with whom."""
    day = on or utc_day(wiring.CLOCK.now())
    with wiring.reading(app.settings) as reads:
        rows = open_rows(reads)
    shown = [_break_row(break_id, row, day) for break_id, row in rows]
    columns = ("Break", "Leg", "About", "What", "Prio", "Days", "Amount", "With", "Waits for")
    app.console.answer(dict(rows), table("Open breaks", columns, shown, right=(4, 5, 6)))


def _break_row(break_id: str, row: Break, day: str) -> tuple[str, ...]:
    told: Difference = row.told
    waits = ", ".join(
        (*([f"held until {row.hold_until}"] if row.hold_until else []), *row.document_requests)
    )
    return (
        break_id,
        told.leg.replace("_", "-"),
        f"{told.scope}: {told.reference}",
        _KINDS[told.kind],
        str(told.priority),
        Policy().bucket(told.since_on, day),
        f"{amount_text(told.amount_minor, told.currency)} {told.currency}",
        row.assignee_id,
        waits or row.reason,
    )


resolve = asks(
    "resolve",
    "Settle a break that is in no bridge; two persons.",
    ResolveBreak,
    "finance",
    [
        argument("break_id", "BREAK"),
        text("--resolution", "resolution", "What became of it.", required=True),
    ],
    "break_id",
)

note = asks(
    "note",
    "Say who looks after a break, until when, and what is waited for.",
    NoteBreak,
    "finance",
    [
        argument("break_id", "BREAK"),
        text("--until", "hold_until", "Parked until that day.", metavar="DAY"),
        text("--due", "due_on", "To be settled by that day.", metavar="DAY"),
        text("--assignee", "assignee_id", "Who looks after it.", metavar="ID"),
        text("--ask", "document_request", "A document that was asked for."),
        text("--note", "reason", "What is known so far."),
    ],
    "break_id",
)
