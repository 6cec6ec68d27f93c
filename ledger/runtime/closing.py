"""Closing a period of the books: the checklist, the close, its report (money handbook 11).

The close is decided on what the first `closing_position` entries tell, in one read transaction; the
rule refuses it when anything was booked in the period after them.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256

import msgspec
from msgspec.structs import replace

from ledger.domain.money.accounts import account_info
from ledger.domain.money.period_close import ClosePeriod, PeriodClosed
from ledger.domain.money.period_rows import CLOSING_BALANCES, CheckItem, KeptBalance
from ledger.domain.money.posting_dates import PERIODS, Period
from ledger.domain.world import key_of
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import NotFound, TamperEvidence
from ledger.kernel.ids import key_at
from ledger.kernel.instants import period_window
from ledger.kernel.messages import Actor, Receipt, Request
from ledger.runtime import closing_checks as own
from ledger.runtime import closing_parts as others
from ledger.runtime.book_periods import balances, cut_at_end, cut_before, zone_of
from ledger.runtime.closing_frame import Close
from ledger.runtime.closing_report import (
    PeriodReport,
    closing_position_of,
    make_report,
    report_bytes,
)
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.reads import Reads
from ledger.runtime.settling import Progress, no_progress

Programs = Callable[[Reads, str], dict[str, str]]
"""Lets accounting programs judge the exported books of a period: by name, "" or what one said."""

CHECKS: tuple[Callable[[Close], CheckItem], ...] = (
    own.station_sequences,
    own.swaps_rated,
    own.unbilled_by_age,
    own.energy_trued_up,
    own.depreciation_posted,
    others.deferred_recognised,
    others.reconciled,
    others.explained,
    others.statements_issued,
    own.conversion_revalued,
    own.vat_agrees,
    own.trial_balance,
    own.exports_accepted,
)
"""Items 1 to 13 in order; the 14th is that two persons sign."""


def no_programs(_reads: Reads, _period: str) -> dict[str, str]:
    """Let no program judge."""
    return {}


def checklist(
    reads: Reads,
    period: str,
    programs: Programs = no_programs,
    reasons: Mapping[int, str] | None = None,
    progress: Progress = no_progress,
) -> tuple[CheckItem, ...]:
    """Ask every item of the checklist; `reasons` accept items that do not hold, by number."""
    zone = zone_of(reads)
    close = Close(
        reads,
        period,
        zone,
        period_window(period, zone),
        cut_before(reads, period),
        cut_at_end(reads, period),
        programs(reads, period),
    )
    found: list[CheckItem] = []
    for done, check in enumerate(CHECKS, 1):
        found.append(check(close))
        progress("checklist", done, len(CHECKS))
    given = reasons or {}
    return tuple(
        one if one.holds or one.no not in given else replace(one, accepted=given[one.no])
        for one in found
    )


def kept_balances(reads: Reads, period: str, size: int | None = None) -> tuple[KeptBalance, ...]:
    """Give the balances at the end of a period: money by account and key, units by family.

    `size` is how many entries are known, all of them when absent.
    """
    sums: dict[tuple[str, str, str], int] = {}
    for one in balances(reads, cut_at_end(reads, period, size)):
        info = account_info(one.account)
        if info is not None and info.holds != "money":
            key = info.name, "", one.commodity
        else:
            key = one.account, one.item, one.commodity
        sums[key] = sums.get(key, 0) + one.quantity
    return tuple(KeptBalance(*key, sums[key]) for key in sorted(sums) if sums[key])


class Closed(msgspec.Struct, frozen=True):
    """A period that was closed: its revision, its checklist, and the digest of its report."""

    period: str
    revision: int
    closing_position: int
    checklist: tuple[CheckItem, ...]
    report_sha256: str


def close_books(
    ledger: Ledger,
    period: str,
    *,
    actor: Actor,
    at: int,
    programs: Programs = no_programs,
    reasons: Mapping[int, str] | None = None,
) -> Closed:
    """Close a period whose closing has begun, on its checklist, by two persons.

    Raises:
        NotFound: the books do not keep the period, or its closing has not begun.
        Refused: an item does not hold, or the rule says no.
    """
    with ledger.reading() as reads:
        command = with_balances(reads, closing_of(reads, period, programs, reasons))
    return close_on(ledger, command, actor=actor, at=at)


def close_on(ledger: Ledger, command: ClosePeriod, *, actor: Actor, at: int) -> Closed:
    """Close a period on what `closing_of` and `with_balances` made; `Refused` as above."""
    # asked again on another checklist it is another request
    key = key_at(at, "close", sha256(canonical(command)).hexdigest())
    request = Request(key=key, principal="closing", actor=actor, at=at, command=command)
    closed = _closed_by(ledger, accepted(ledger.execute(request)))
    return Closed(
        closed.period,
        closed.revision,
        closed.closing_position,
        closed.checklist,
        closed.report_sha256,
    )


def closing_of(
    reads: Reads,
    period: str,
    programs: Programs = no_programs,
    reasons: Mapping[int, str] | None = None,
    progress: Progress = no_progress,
) -> ClosePeriod:
    """Make the command that closes a period on what is known now, without its balances.

    They follow from the closing position, as the report does. `NotFound` where the closing of the
    period has not begun.
    """
    row = _row(reads, period)
    revision = len(row.revisions) + 1
    report = make_report(reads, period, reads.size, revision)
    return ClosePeriod(
        period=period,
        revision=revision,
        closing_position=reads.size,
        checklist=checklist(reads, period, programs, reasons, progress),
        balances=(),
        report_sha256=sha256(report_bytes(report)).hexdigest(),
    )


def with_balances(reads: Reads, command: ClosePeriod) -> ClosePeriod:
    """Put the balances at the closing position into the command."""
    size = min(command.closing_position, reads.size)
    return replace(command, balances=kept_balances(reads, command.period, size))


def _row(reads: Reads, period: str) -> Period:
    row = reads.row(PERIODS, period)
    if row is None:
        raise NotFound(
            f"the closing of {period[:40]} has not begun; begin with `period close --begin`"
        )
    return row


def _closed_by(ledger: Ledger, receipt: Receipt) -> PeriodClosed:
    with ledger.reading() as reads:
        event = reads.entry(receipt.first + receipt.count - 1).event
    assert isinstance(event, PeriodClosed), "the last entry of a close"
    return event


# Reports ------------------------------------------------------------------------


def period_report(reads: Reads, period: str, revision: int | None = None) -> PeriodReport:
    """Make the report of a closed revision again, or one of what is booked by now.

    Without a revision it is that of the newest; of a period that was never closed it is a look at
    what is booked so far, with revision 0.

    Raises:
        NotFound: there is no such revision.
        TamperEvidence: the bytes are not those that were closed on.
    """
    row = reads.row(PERIODS, period)
    done = () if row is None else row.revisions
    if revision is None:
        revision = done[-1].revision if done else 0
    if revision == 0:
        return make_report(reads, period, reads.size, 0)
    known = next((one for one in done if one.revision == revision), None)
    if known is None:
        raise NotFound(f"{period[:40]} has no revision {revision}")
    report = make_report(reads, period, closing_position_of(reads, period, revision), revision)
    if sha256(report_bytes(report)).hexdigest() != known.report_sha256:
        raise TamperEvidence(f"the report of {period} revision {revision} is not what was closed")
    return report


def closing_balances(reads: Reads, period: str, revision: int) -> tuple[KeptBalance, ...]:
    """Read the balances that were kept with a revision; `NotFound` when there are none."""
    found: list[KeptBalance] = []
    part = 1
    while row := reads.row(CLOSING_BALANCES, key_of(period, str(revision), str(part))):
        found += row.balances
        part += 1
    if not found:
        raise NotFound(f"no balances are kept of {period[:40]} revision {revision}")
    return tuple(found)
