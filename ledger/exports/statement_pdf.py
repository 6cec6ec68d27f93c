"""A partner's statement as a company sends it: A4, PDF, the same bytes at every run.

On top what it comes to, by contract rule and by what is no share; below every line by its name
(position and index), so that one of them can be disputed; at the end the root over all lines, which
the signed document and the partner's answer name too.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ledger.domain.money.documents import StatementLine
from ledger.exports._pdf_parts import (
    FAINT,
    WIDTH,
    Flowable,
    KeepTogether,
    Page,
    Spacer,
    Table,
    addressed,
    band,
    column_heads,
    grid,
    head,
    lined,
    mm,
    text,
    total,
)
from ledger.exports.statement_papers import StatementPaper
from ledger.kernel.errors import ReplayDiffers
from ledger.kernel.instants import as_datetime
from ledger.kernel.money import amount_text
from ledger.kernel.quantities import kwh_text

_SOURCES = {
    "energy.bought": "Energy that we bought from you",
    "energy.purchase_corrected": "Corrections of energy that we bought",
    "v2g.sold": "Energy that you bought from us",
    "agent.sale": "Sales in your name, less our commission",
    "pack_dues.accrued": "Rent and instalments for packs",
    "invoice.issued": "VAT of your sales, invoiced in your name",
    "credit_note.issued": "Credited to drivers in your name",
    "manual_entry.posted": "Entries by hand",
    "manual_entry.reversed": "Entries by hand taken back",
}
"""What lines are called that are no shares, by the kind of their entry."""


def write_statement_pdf(paper: StatementPaper) -> bytes:
    """Set a statement; `ReplayDiffers` when the lines are not those that were issued."""
    row = paper.statement
    says = {one.currency: one.share_minor for one in row.calculation.amounts}
    sums = dict.fromkeys(says, 0)
    for line in paper.lines:
        sums[line.currency] = sums.get(line.currency, 0) + line.share_minor
    if sums != says or len(paper.lines) != row.calculation.line_count:
        raise ReplayDiffers(f"the lines of {row.statement_id} are not what was issued")
    page = Page(paper.seller, row.statement_id, paper.contact)
    return page.build(
        _story(paper), title=f"Statement {row.statement_id}", author=paper.seller.name
    )


def _story(paper: StatementPaper) -> list[Flowable]:
    return [
        head(paper.seller.name, "Statement"),
        Spacer(1, 10 * mm),
        addressed(paper.partner, _facts(paper), paper.seller.address.country),
        Spacer(1, 8 * mm),
        *(part for currency in _currencies(paper) for part in _sums(paper, currency)),
        KeepTogether([_answer(paper), Spacer(1, 4 * mm), _evidence(paper)]),
        Spacer(1, 8 * mm),
        text("Every line", bold=True, size=11),
        Spacer(1, 2 * mm),
        _lines(paper),
    ]


def _facts(paper: StatementPaper) -> list[tuple[str, str]]:
    row = paper.statement
    contract = f"{row.contract_id}/{row.contract_version}" if row.contract_id else ""
    return [
        ("Number", row.statement_id),
        ("Date", paper.issued_on),
        ("Up to", row.period),
        ("Contract", contract),
        ("Your tax number", paper.partner.vat_id),
    ]


def _currencies(paper: StatementPaper) -> list[str]:
    return [one.currency for one in paper.statement.calculation.amounts]


# What it comes to ---------------------------------------------------------------


class Group(msgspec.Struct):
    """Lines that are summed together: their name, how many, what they give and what they take."""

    name: str
    count: int = 0
    share_minor: int = 0
    receivable_minor: int = 0


def groups_of(lines: Sequence[StatementLine], currency: str) -> list[Group]:
    """Sum the lines of a currency by the rule they follow, or by what else they are."""
    found: dict[str, Group] = {}
    for line in lines:
        if line.currency == currency:
            name = _group_name(line)
            group = found.setdefault(name, Group(name))
            group.count += 1
            group.share_minor += line.share_minor
            group.receivable_minor += line.receivable_minor
    return list(found.values())


def _group_name(line: StatementLine) -> str:
    if line.source:
        return _SOURCES.get(line.source, line.source.replace("_", " ").replace(".", " "))
    taken_back = "Taken back of the shares" if line.kind == "correction" else "Shares"
    return f"{taken_back} by rule {line.share_rule_version}"


def _sums(paper: StatementPaper, currency: str) -> list[Flowable]:
    groups = groups_of(paper.lines, currency)
    heads = column_heads(("What", "Lines", "You owe", f"You get {currency}"), 1)
    rows: list[list[Any]] = [heads]
    rows += [
        [
            text(one.name),
            text(str(one.count), right=True),
            text(_amount(one.receivable_minor, currency), right=True),
            text(_amount(one.share_minor, currency), right=True),
        ]
        for one in groups
    ]
    rows += [
        [
            text(f"Carried over from {one.statement_id}"),
            "",
            "",
            text(f"({amount_text(one.amount_minor, currency)})", right=True, colour=FAINT),
        ]
        for one in paper.statement.carried
        if one.currency == currency
    ]
    gets = sum(one.share_minor for one in groups)
    owes = sum(one.receivable_minor for one in groups)
    ends: list[tuple[str, int]] = [("You get", gets)]
    ends += [("You owe", -owes), ("Together", gets - owes)] if owes else []
    cells = [
        [
            "",
            text(words, bold=at == len(ends), right=True),
            text(f"{amount_text(minor, currency)} {currency}", bold=at == len(ends), right=True),
        ]
        for at, (words, minor) in enumerate(ends, 1)
    ]
    return [
        lined(rows, [96 * mm, 18 * mm, 26 * mm, 30 * mm]),
        Spacer(1, 2 * mm),
        total(grid(cells, [50 * mm, 85 * mm, 35 * mm])),
        Spacer(1, 5 * mm),
    ]


def _amount(minor: int, currency: str) -> str:
    return amount_text(minor, currency) if minor else ""


def _answer(paper: StatementPaper) -> Table:
    row = paper.statement
    words = ["Please accept this statement, or dispute any line of it by the name of the line."]
    if row.respond_by_at:
        until = as_datetime(row.respond_by_at).astimezone(ZoneInfo(paper.zone))
        words.append(
            f"What is not answered by {until:%Y-%m-%d %H:%M} counts as accepted ({row.clause}). "
            f"Lines that nobody disputes are paid without waiting for the others."
        )
    return grid([[text(each)] for each in words], [WIDTH])


def _evidence(paper: StatementPaper) -> Table:
    row = paper.statement
    told = [
        ("Ledger entries", f"{row.from_position + 1} to {row.to_position}"),
        ("Lines", f"{row.calculation.line_count}, calculated twice to the same bytes"),
        ("Root over the lines", row.calculation.lines_root),
    ]
    rows = [[text(label, size=8, colour=FAINT), text(said, size=8)] for label, said in told]
    left: list[Flowable] = [
        text("What you answer to", bold=True),
        grid(rows, [38 * mm, 92 * mm]),
    ]
    return band(left, paper.proof)


# Lines --------------------------------------------------------------------------


def _lines(paper: StatementPaper) -> Table:
    rows = [column_heads(("Line", "When", "What", "kWh", "Energy", "Service", "EUR"), 3)]
    rows[0][-1] = text("You get", colour=FAINT, size=8, right=True)
    rows += [list(_cells(line, paper.zone)) for line in paper.lines]
    widths = [17 * mm, 27 * mm, 63 * mm, 18 * mm, 15 * mm, 15 * mm, 15 * mm]
    return lined(rows, widths)


def _cells(line: StatementLine, zone: str) -> Iterator[Any]:
    at = as_datetime(line.service_start_at).astimezone(ZoneInfo(zone))
    currency = line.currency
    service = line.service_net_minor + line.fee_net_minor
    yield text(f"{line.position}/{line.posting_index}", size=8, colour=FAINT)
    yield text(f"{at:%Y-%m-%d %H:%M}", size=8)
    yield _what(line)
    yield text(kwh_text(line.energy_wh) if line.energy_wh else "", size=8, right=True)
    yield text(_amount(line.energy_net_minor, currency), size=8, right=True)
    yield text(_amount(service, currency), size=8, right=True)
    gets = line.share_minor - line.receivable_minor
    yield text(amount_text(gets, currency), size=8, right=True)


def _what(line: StatementLine) -> list[Flowable]:
    if line.source:
        what = _SOURCES.get(line.source, line.source.replace("_", " ").replace(".", " "))
        return [text(what, size=8)]
    kind = "Swap" if line.swap else "Charging"
    if line.kind == "correction":
        kind = f"Takes back {'/'.join(map(str, line.corrects))}, {kind.lower()}"
    usage = line.swap or line.charging_session
    about = f"{line.share_rule_version}, {usage}"
    return [text(f"{kind} at {line.station}", size=8), text(about, size=6.5, colour=FAINT)]
