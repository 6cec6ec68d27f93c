"""`period`: months of the books, from the first to the close, and their reports."""

from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.domain.money.period_close import BeginClosing, FilePeriodReport, OpenBooks, ReopenPeriod
from ledger.domain.money.period_rows import CheckItem
from ledger.domain.money.posting_dates import PERIODS, Period
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.instants import as_text
from ledger.runtime.book_periods import calendar_of, zone_of
from ledger.runtime.closing import (
    Closed,
    checklist,
    close_on,
    closing_of,
    period_report,
    with_balances,
)
from ledger.runtime.closing_report import PeriodReport, report_bytes
from mobilegrid import wiring
from mobilegrid.cli.acting import (
    Acting,
    acting_of,
    acting_parameters,
    argument,
    ask,
    asks,
    tell,
    text,
)
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.params import FILE, write_file
from mobilegrid.cli.wording import quantity_words
from mobilegrid.judging import judge

_PERIOD = argument("period", "YYYY-MM")
_ACCEPT = click.Option(
    ["--accept"],
    multiple=True,
    metavar="N=REASON",
    help="Let item N pass for a reason, though it does not hold; again for each.",
)


def _app() -> App:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    return app


def _open(**given: str) -> None:
    app, acting = _app(), acting_of(given)
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            zone = zone_of(reads)
        made = ask(ledger, OpenBooks(period=given["period"], zone=zone), acting)
    tell(app, "OpenBooks", given["period"], made)


open_ = Command(
    "open",
    params=[_PERIOD, *acting_parameters("finance", timed=False)],
    callback=_open,
    help="""Begin to keep periods with a month; once.

    From then on each entry stands in a month that can be closed. What happened before it stands in
    it.
    """,
)

reopen = asks(
    "reopen",
    """Open the last closed period; two persons.

    It takes only what names a date in it. A period whose report was filed stays closed.
    """,
    ReopenPeriod,
    "finance",
    [_PERIOD, text("--reason", "reason", "Why.", required=True)],
    "period",
)

file_ = asks(
    "file",
    "Record that a report was handed to somebody.",
    FilePeriodReport,
    "finance",
    [
        _PERIOD,
        text("--sha256", "report_sha256", "SHA-256 of the report.", required=True),
        text("--receiver", "receiver", "Who has it now.", required=True),
    ],
    "period",
)


class Status(msgspec.Struct, frozen=True):
    """What `period status` tells: the zone, the first open month, and those that began to close."""

    zone: str
    first: str
    open_from: str
    periods: list[Period]


@click.command(cls=Command)
@click.pass_obj
def status(app: App) -> None:
    """Show which periods are open, closing and closed."""
    with wiring.reading(app.settings) as reads:
        calendar = calendar_of(reads)
        if calendar is None:
            raise NotFound("the books keep no periods yet; begin with `period open`")
        rows = [row for _, row in reads.rows(PERIODS)]
    told = Status(calendar.zone, calendar.first, calendar.open_from, rows)
    shown = [
        (
            row.period,
            row.state,
            str(len(row.revisions)),
            as_text(row.revisions[-1].closed_at) if row.revisions else "",
            "filed" if row.is_filed else "",
        )
        for row in rows
    ]
    shown.append((calendar.open_from, "OPEN", "", "", "and every month after it"))
    columns = ("Period", "State", "Revisions", "Closed at", "")
    app.console.answer(told, table(f"Books in {calendar.zone}", columns, shown, right=(2,)))


def _reasons(given: tuple[str, ...]) -> dict[int, str]:
    found = {}
    for one in given:
        number, sign, reason = one.partition("=")
        if not number.isdigit() or not sign or not reason.strip():
            raise Malformed(f"{one[:60]!r} is not N=REASON", field="accept")
        found[int(number)] = reason.strip()
    return found


def _items(found: tuple[CheckItem, ...]) -> list[tuple[str, str, str, str]]:
    words = {True: "holds", False: "OPEN"}
    return [
        (str(one.no), one.name, "accepted" if one.accepted else words[one.holds], one.found)
        for one in found
    ]


_COLUMNS = ("No", "Item", "", "Found")


def _checklist(period: str, accept: tuple[str, ...]) -> None:
    app = _app()
    with wiring.reading(app.settings) as reads, app.console.bars() as progress:
        found = checklist(reads, period, judge, _reasons(accept), progress)
    shown = table(f"Checklist of {period}", _COLUMNS, _items(found), right=(0,))
    app.console.answer(found, shown)
    if not all(one.holds or one.accepted for one in found):
        click.get_current_context().exit(1)


checklist_ = Command(
    "checklist",
    params=[_PERIOD, _ACCEPT],
    callback=_checklist,
    help="""Ask every item of a close.

    Ends with 1 while an item does not hold. Accounting programs that are installed judge the books.
    """,
)


def _close(*, period: str, begin: bool, accept: tuple[str, ...], **given: str) -> None:
    app, acting = _app(), acting_of(given)
    with wiring.open_ledger(app.settings) as ledger:
        if begin:
            made = ask(ledger, BeginClosing(period=period), acting)
            tell(app, "BeginClosing", period, made)
            return
        reasons = _reasons(accept)
        at = wiring.CLOCK.now()
        with ledger.reading() as reads, app.console.bars() as progress:
            found = closing_of(reads, period, judge, reasons, progress)
            command = with_balances(reads, found)
        closed = close_on(ledger, command, actor=acting.actor, at=at)
    _tell_closed(app, closed, acting)


def _tell_closed(app: App, closed: Closed, acting: Acting) -> None:
    said = (
        ("period", f"{closed.period}, revision {closed.revision}"),
        ("entries", f"{closed.closing_position:,}"),
        ("signed", f"{acting.actor.id}, {acting.actor.second_person}"),
        ("report", closed.report_sha256),
    )
    app.console.answer(
        closed, facts(said), "", table("", _COLUMNS, _items(closed.checklist), right=(0,))
    )


close = Command(
    "close",
    params=[
        _PERIOD,
        click.Option(["--begin"], is_flag=True, help="Shut it for what comes late; then work on."),
        _ACCEPT,
        *acting_parameters("finance", timed=False),
    ],
    callback=_close,
    help="""Close a period on its checklist; two persons.

    First with --begin: from then on it takes only what names a date in it, such as depreciation.
    """,
)


@click.command(cls=Command)
@click.argument("period", metavar="YYYY-MM")
@click.option("--revision", type=click.IntRange(1), help="Not the newest one.")
@click.option("--out", type=FILE, help="Write its bytes to a file, as they were closed on.")
@click.pass_obj
def report(app: App, period: str, revision: int | None, out: Path | None) -> None:
    """Show the report of a period, and write its bytes.

    Of a closed one the bytes are those that were closed on, for ever; others are evidence, exit
    code 3. Of an open one it is what is booked so far.
    """
    with wiring.reading(app.settings) as reads:
        made = period_report(reads, period, revision)
    if out is not None:
        write_file(out, report_bytes(made))
    _show(app, made)


def _show(app: App, made: PeriodReport) -> None:
    title = f"{made.period}, " + (f"revision {made.revision}" if made.revision else "not closed")
    rows = [
        (
            line.account,
            *(
                quantity_words(n, line.commodity)
                for n in (line.opening, line.movement, line.closing)
            ),
        )
        for line in made.accounts
    ]
    taxes = [
        (
            line.tax_code,
            quantity_words(line.output_minor, line.currency),
            quantity_words(line.input_minor, line.currency),
        )
        for line in made.vat
    ]
    items = [
        (one.account, one.item, quantity_words(one.quantity, one.commodity), one.since)
        for one in made.open_items
    ]
    shown: list[Any] = [
        table(title, ("Account", "Before", "Moved", "After"), rows, right=(1, 2, 3))
    ]
    if taxes:
        shown += ["", table("VAT", ("Code", "Output", "Input"), taxes, right=(1, 2))]
    if items:
        shown += ["", table("Open", ("Account", "Item", "Amount", "Since"), items, right=(2,))]
    app.console.answer(made, *shown)
