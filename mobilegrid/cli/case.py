"""`case`: exceptions that a person must settle."""

import click
import msgspec

from ledger.domain.cases import CASES, AssignCase, Case, ResolveCase
from ledger.domain.refunds_due import DecideRefund
from ledger.kernel.errors import NotFound
from mobilegrid import wiring
from mobilegrid.cli.acting import argument, asks, text
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.wording import time_words

_CASE = argument("case_id", "CASE")


assign = asks(
    "assign",
    "Give a case to a person.",
    AssignCase,
    "support",
    [_CASE, argument("assignee_id", "PERSON")],
    "case_id",
)

resolve = asks(
    "resolve",
    """Settle a case; two persons.

    Refused while a pack is in suspense under it: the move that finds the pack ends it.
    """,
    ResolveCase,
    "support",
    [_CASE, text("--resolution", "resolution", "How it was settled.", required=True)],
    "case_id",
)


refund = asks(
    "refund",
    """Decide whether a swap is paid back; two persons.

    For a case REFUND_DUE; the credit note follows the decision.
    """,
    DecideRefund,
    "support",
    [
        _CASE,
        text("--swap", "swap_id", "The swap that was paid.", required=True, metavar="SWAP"),
        text("--reason", "reason", "Why.", required=True),
        click.Option(["--grant/--deny", "is_granted"], default=True, help="Give it back, or not."),
    ],
    "case_id",
)


@click.command(cls=Command, name="list")
@click.option("--all", "is_all", is_flag=True, help="Resolved ones too.")
@click.option("--type", "case_type", default="", metavar="TYPE", help="Of one type only.")
@click.pass_obj
def list_(app: App, *, is_all: bool, case_type: str) -> None:
    """List open cases, oldest first."""
    with wiring.reading(app.settings) as reads:
        listed = None if is_all else "open"
        found = [row for _, row in reads.rows(CASES, listed=listed)]
    cases = [row for row in found if case_type in ("", row.case_type)]
    cases.sort(key=lambda row: (row.opened_at, row.case_id))
    columns = ("Case", "Type", "Opened", "About", "With", "Why")
    app.console.answer(
        [msgspec.to_builtins(row) for row in cases],
        table(f"{len(cases)} cases", columns, map(_row, cases)),
    )


def _row(case: Case) -> tuple[str, ...]:
    about = ", ".join(case.subjects)
    opened = time_words(case.opened_at)
    return case.case_id, case.case_type, opened, about, case.assignee_id, case.reason


@click.command(cls=Command)
@click.argument("case_id", metavar="CASE")
@click.pass_obj
def show(app: App, case_id: str) -> None:
    """Show a case."""
    with wiring.reading(app.settings) as reads:
        case = reads.row(CASES, case_id)
    if case is None:
        raise NotFound(f"there is no case {case_id[:40]}")
    owed = "; ".join(f"{one.driver_id} {one.count:+d} {one.pack_class}" for one in case.vector)
    said = (
        ("case", case.case_id),
        ("type", case.case_type),
        ("opened", time_words(case.opened_at)),
        ("about", ", ".join(case.subjects)),
        ("why", case.reason),
        ("state", "open" if case.is_open else f"settled: {case.resolution}"),
        ("with", case.assignee_id or "nobody"),
        ("pack in suspense", case.suspended_pack_id or "none"),
        ("owed", owed or "nothing"),
    )
    app.console.answer(msgspec.to_builtins(case), facts(said))
