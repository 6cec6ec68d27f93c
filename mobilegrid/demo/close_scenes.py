"""How the month ended, as read from its ledger: statements, payouts, the bank, the closed books."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from ledger.domain.money.bank_rows import BANK_STATEMENTS
from ledger.domain.money.bank_statements import StatementBooked
from ledger.domain.money.breaks import MISSING_EXTERNAL, MISSING_LEDGER
from ledger.domain.money.payout_rows import PAYOUT_BATCHES, PAYOUTS, Payout
from ledger.domain.money.payouts import PayoutConfirmedBank, PayoutReturned
from ledger.domain.money.period_rows import CheckItem
from ledger.domain.money.settlement_rows import STATEMENTS, Statement
from ledger.kernel.postings import PACK, WH
from ledger.runtime.closing import Closed
from ledger.runtime.closing_report import AccountLine, PeriodReport
from ledger.runtime.reads import Reads
from ledger.runtime.reconciliation_import import Imported
from ledger.runtime.reconciliation_run import RunView
from mobilegrid.demo.agreements import CURRENCY, PARTNERS
from mobilegrid.demo.looks import euro, grid, kwh, pairs

# Partners ---------------------------------------------------------------------


def statements(reads: Reads) -> Any:
    """List all statements: a row for each period, a column for each partner."""
    found: dict[str, dict[str, Statement]] = defaultdict(dict)
    for _, row in reads.rows(STATEMENTS):
        found[row.period][row.partner_id] = row
    names = [one.partner_id for one in PARTNERS]
    rows = [
        (
            f"to {period}",
            *(euro(_share(by[name])) if name in by else "" for name in names),
            ", ".join(sorted({row.state for row in by.values()})),
        )
        for period, by in sorted(found.items())
    ]
    total = [sum(_share(by[name]) for by in found.values() if name in by) for name in names]
    columns = ("Statement", *(f">{name} EUR" for name in names), "State")
    return grid(columns, rows, ("Sum", *map(euro, total), ""))


def _share(row: Statement) -> int:
    return sum(one.share_minor for one in row.calculation.amounts)


def payouts(reads: Reads) -> list[Any]:
    """List the payouts with every attempt, and which order of the bank they were in."""
    batches = {name: row.batch_id for _, row in reads.rows(PAYOUT_BATCHES) for name in row.payouts}
    rows = [_payout_row(row, batches) for _, row in reads.rows(PAYOUTS)]
    total = sum(row.amount_minor for _, row in reads.rows(PAYOUTS))
    columns = ("Payout", "To", "~Pays the statements to", ">EUR", "Order", "End")
    shown: list[Any] = [grid(columns, rows, ("Sum", "", "", euro(total), "", ""))]
    for one in reads.entries(kinds=(PayoutReturned.kind,)):
        if isinstance(one.event, PayoutReturned):
            shown += ["", pairs((("returned", _returned(reads, one.event)),))]
    return shown


def _payout_row(row: Payout, batches: dict[str, str]) -> tuple[str, ...]:
    again = f", attempt {row.attempt}" if row.attempt > 1 else ""
    pays = ", ".join(name[-len("03-15") :] for name in row.statements)
    amount, order = euro(row.amount_minor), batches.get(row.payout_id, "")
    return row.payout_id, row.partner_id, pays, amount, order, f"{row.state.lower()}{again}"


def _returned(reads: Reads, back: PayoutReturned) -> str:
    later = [
        one.event
        for one in reads.entries(kinds=(PayoutConfirmedBank.kind,))
        if isinstance(one.event, PayoutConfirmedBank)
        and (one.event.payout_id, one.event.attempt) == (back.payout_id, back.attempt + 1)
    ]
    amount = sum(part.amount_minor for part in back.parts)
    words = f"{back.payout_id} of {euro(amount)} EUR came back ({back.reason}) and was owed again"
    if not later:
        return words
    again = sum(part.amount_minor for part in later[0].parts)
    return f"{words}; it left anew with what came since, {euro(again)} EUR, to the new account"


# The bank ---------------------------------------------------------------------


def bank(reads: Reads, imported: Iterable[Imported]) -> Any:
    """List the statements of the bank, and how their lines were matched."""
    closings = {
        one.event.header.name: one.event.header
        for one in reads.entries(kinds=(StatementBooked.kind,))
        if isinstance(one.event, StatementBooked)
    }
    assert len(closings) == reads.count(BANK_STATEMENTS), "each was booked once"
    rows = [
        (
            one.name,
            closings[one.name].closed_on,
            euro(closings[one.name].opening_minor),
            euro(closings[one.name].closing_minor),
            str(one.lines),
            ", ".join(f"{count} by {rule}" for rule, count in one.rules.items()),
            str(one.waiting or ""),
        )
        for one in imported
    ]
    columns = ("Statement", "Closed on", ">Opening EUR", ">Closing EUR", ">Lines")
    return grid((*columns, "~Matched", ">Unknown"), rows)


_LEGS = {
    "ledger_bank": "books and bank",
    "ledger_psp": "books and card provider",
    "psp_bank": "card provider and bank",
}


def reconciliation(run: RunView) -> list[Any]:
    """Bridge what the books say to what is said outside; nothing may be left over."""
    rows = [
        (
            _LEGS.get(leg.leg, leg.leg),
            euro(leg.ledger_closing),
            euro(leg.sum_of(MISSING_LEDGER)),
            euro(-leg.sum_of(MISSING_EXTERNAL)),
            euro(leg.external_closing),
            euro(leg.residual_minor),
            str(leg.matched),
            verdict.replace("_", " "),
        )
        for leg, verdict in zip(run.legs, run.verdicts, strict=True)
    ]
    columns = ("Between", ">Inside EUR", ">Only out", ">Only in", ">Outside EUR")
    residual = sum(abs(leg.residual_minor) for leg in run.legs)
    told = pairs(
        (
            ("run", f"{run.number} of {run.run_on}, entry #{run.position}: {run.verdict}"),
            ("residual", f"{euro(residual)} EUR"),
        )
    )
    return [grid((*columns, ">Residual", ">Agree", "~Verdict"), rows), "", told]


# The close --------------------------------------------------------------------


def checklist(closed: Closed) -> Any:
    """Show what two persons signed: each item, whether it holds, what was found."""
    rows = [
        (str(one.no), one.name, _holds(one), one.accepted or one.found) for one in closed.checklist
    ]
    return grid((">No", "~Item", "", "~Found"), rows)


def _holds(one: CheckItem) -> str:
    return "holds" if one.holds else "accepted"


_ROOTS = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
_CREDITS = frozenset({"Liabilities", "Equity", "Income"})
_NAME_WIDTH = 40


def report(made: PeriodReport, closed: Closed) -> list[Any]:
    """Print the report of the month as a person reads it: what was earned, what there is."""
    money = [line for line in made.accounts if line.commodity == CURRENCY]
    sums = {root: _sum(money, root) for root in _ROOTS}
    result = sums["Income"] - sums["Expenses"]
    others = sums["Liabilities"] + sums["Equity"] + result
    names = ("books of", "made of", "SHA-256")
    said = (
        f"{made.period}, revision {made.revision}, in {made.zone}",
        f"the first {made.closing_position:,} entries",
        closed.report_sha256,
    )
    earned = [*_lines(money, "Income", sums), *_lines(money, "Expenses", sums)]
    owned = list(_lines(money, "Assets", sums))
    owed = [*_lines(money, "Liabilities", sums), *_lines(money, "Equity", sums)]
    owed.append(("", "RESULT OF THE MONTH", euro(result)))
    balance = f"Sum, difference {euro(sums['Assets'] - others)}"
    parts = (
        pairs(zip(names, said, strict=True)),
        _money("What the month earned", earned, ("Result", result)),
        _money("What there is", owned, ("Sum", sums["Assets"])),
        _money("Whose it is", owed, (balance, others)),
        _units(made),
        _vat(made),
        _open(made),
    )
    return [part for one in parts for part in (one, "")][:-1]


def _money(title: str, rows: Iterable[tuple[str, str, str]], sums: tuple[str, int]) -> Any:
    words, minor = sums
    return grid((">Code", title.ljust(_NAME_WIDTH), ">EUR"), rows, ("", words, euro(minor)))


def _sum(money: Iterable[AccountLine], root: str) -> int:
    return sum(_signed(line, root) for line in money if _root(line) == root)


def _root(line: AccountLine) -> str:
    return line.account.partition(":")[0]


def _signed(line: AccountLine, root: str) -> int:
    return -line.closing if root in _CREDITS else line.closing


def _lines(
    money: Iterable[AccountLine], root: str, sums: dict[str, int]
) -> Iterator[tuple[str, str, str]]:
    yield "", root.upper(), euro(sums[root])
    for line in money:
        if _root(line) == root and line.closing:
            name = line.account.partition(":")[2].replace(":", ", ").replace("-", " ")
            yield str(line.code), f"  {name}", euro(_signed(line, root))


def _units(made: PeriodReport) -> Any:
    """List packs and energy by where they are; each sums to zero."""
    found: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    for line in made.accounts:
        if line.commodity in (PACK, WH) and ":Title:" not in line.account:
            found[line.code, line.account][line.commodity] = line.closing
    rows = [
        (
            str(code),
            account.replace("Equity:Units:", "").replace("Assets:", "").replace(":", ", "),
            str(held[PACK]) if held.get(PACK) else "",
            kwh(held[WH]) if held.get(WH) else "",
        )
        for (code, account), held in sorted(found.items())
        if any(held.values())
    ]
    packs = sum(held.get(PACK, 0) for held in found.values())
    energy = sum(held.get(WH, 0) for held in found.values())
    head = (">Code", "Packs and energy".ljust(_NAME_WIDTH), ">Packs", ">kWh")
    return grid(head, rows, ("", "Sum", str(packs), kwh(energy)))


def _vat(made: PeriodReport) -> Any:
    rows = [
        (
            line.tax_code,
            euro(line.output_minor),
            euro(line.input_minor),
            euro(line.output_minor - line.input_minor),
        )
        for line in made.vat
    ]
    return grid(("Tax", ">On what we sold EUR", ">On what we bought EUR", ">To pay EUR"), rows)


def _open(made: PeriodReport) -> Any:
    sums: dict[str, list[int]] = defaultdict(list)
    since: dict[str, str] = {}
    for one in made.open_items:
        if one.commodity == CURRENCY:
            sums[one.account].append(one.quantity)
            since[one.account] = min(since.get(one.account, one.since), one.since)
    rows = [
        (account, str(len(some)), euro(sum(some)), since[account])
        for account, some in sorted(sums.items())
    ]
    return grid(("~Open at the end of the month", ">Items", ">EUR", "Oldest"), rows)
