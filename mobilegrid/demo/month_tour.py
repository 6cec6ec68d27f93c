"""The second half of the tour: the month, from the first bill to the closed books."""

from ledger.runtime.closing import period_report
from ledger.runtime.reads import Reads
from mobilegrid.demo import close_scenes, month_scenes
from mobilegrid.demo.agreements import MONTH
from mobilegrid.demo.looks import Screen
from mobilegrid.demo.month import Month
from mobilegrid.demo.weeks import FIRST


def show_month(screen: Screen, month: Month) -> None:
    """Show the month part by part, each figure read from the ledger."""
    with month.day.ledger.reading() as reads:
        entries = list(reads.entries())
        screen.section(
            "The month, week by week",
            "The first day and all that follow; each figure by the time of the service.",
            month_scenes.weeks(entries),
        )
        screen.section(
            "What finance did",
            "By the day on which it was recorded; whoever makes something does not check it.",
            month_scenes.diary(entries, FIRST),
        )
        screen.section(
            "The bills of the first day",
            "What became of every cent of them: paid, credited, paid back, taken back, still open.",
            *month_scenes.bills(reads, FIRST.isoformat()),
        )
        _show_partners(screen, reads)
        _show_close(screen, reads, month)


def _show_partners(screen: Screen, reads: Reads) -> None:
    screen.section(
        "A disputed line, and what came late",
        "What was issued is never edited: the next statement takes the line back and says it anew.",
        *(*month_scenes.disputed_line(reads), "", *month_scenes.late(reads)),
    )
    screen.section(
        "Statements and payouts",
        "Each Monday a cut; what is accepted is paid, and a payout ends with a line of the bank.",
        *(close_scenes.statements(reads), "", *close_scenes.payouts(reads)),
    )


def _show_close(screen: Screen, reads: Reads, month: Month) -> None:
    assert month.run is not None, "the month was reconciled"
    assert month.closed is not None, "the month was closed"
    screen.section(
        "The bank, and a residual of zero",
        "Every line of the bank settles something; what is said outside is what the books say.",
        *(close_scenes.bank(reads, month.desk.imported), ""),
        *close_scenes.reconciliation(month.run),
    )
    screen.section(
        "The checklist of the month",
        "Each item is a question to the ledger; its answer stands in the entry of the close.",
        close_scenes.checklist(month.closed),
    )
    screen.section(
        "The report of the closed month",
        "Made of entries alone: the same bytes for ever, whatever is recorded later.",
        *close_scenes.report(period_report(reads, MONTH), month.closed),
    )
