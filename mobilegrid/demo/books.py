"""What the day was worth, as read from its ledger: energy, money, a bill, a statement."""

from collections import Counter, defaultdict
from typing import Any

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.invoices import INVOICES, InvoiceIssued
from ledger.domain.money.rating_facts import Line
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.kernel.errors import ReplayDiffers
from ledger.kernel.quantities import BP_FULL
from ledger.runtime.reads import Entry, Reads
from ledger.runtime.settling import bill as read_bill
from ledger.runtime.settling import statement as read_statement
from mobilegrid.cli.wording import kind_words, rate_words, used_words
from mobilegrid.demo.agreements import CURRENCY
from mobilegrid.demo.fleet import PERIOD
from mobilegrid.demo.looks import clock, euro, grid, kwh, pairs, percent

_ENERGY = {
    "Energy:Grid": "drawn from the grid",
    "Energy:Revaluation": "found in the packs at the opening count",
    "Energy:Pack": "inside packs that are not with drivers",
    "Energy:Driver": "with drivers: used, or still in their packs",
    "Energy:Losses:Charging": "lost as heat while charging",
    "Energy:Losses:Standing": "lost while standing",
}
_MONEY = {
    "Assets:Bank:Operating": "at our bank since the opening",
    "Assets:Fixed:Packs-Cost": "packs of the depot, at what they cost",
    "Assets:PSP:Stripe": "paid by drivers, at the payment provider",
    "Assets:Receivables:Drivers": "invoiced, not paid yet",
    "Assets:Receivables:Unbilled": "used, not invoiced yet",
    "Assets:Tax:Input-VAT": "tax in it, owed to us by the tax office",
    "Equity:Capital": "put in to begin with",
    "Expenses:PSP-Fees": "kept by the payment provider",
    "Expenses:Partner-Share": "shares of the partners",
    "Income:Booking-Fees": "bookings",
    "Income:Energy": "energy",
    "Income:Swap-Service": "swaps and service",
    "Liabilities:Partners:Accrued": "owed to the partners",
    "Liabilities:Suppliers": "owed to the maker of the packs",
    "Liabilities:Tax:Output-VAT": "owed to the tax office",
}
_COMPONENTS = {
    "ENERGY": "energy",
    "SERVICE": "service",
    "SWAP": "swap fee",
    "BOOKING": "booking fee",
}
_STATEMENT_LINES = 8


# Energy and money -------------------------------------------------------------


def energy(reads: Reads) -> Any:
    """Balance all energy of the day: what came from where is what went where."""
    sums: Counter[str] = Counter()
    for one in reads.totals("Energy"):
        parts = one.account.split(":")
        sums[":".join(parts[: 3 if parts[1] == "Losses" else 2])] += one.quantity
    rows = [
        (_ENERGY.get(name, ""), name, kwh(wh))
        for name, wh in sorted(sums.items(), key=lambda one: one[1])
    ]
    return grid(("~What", "Account", ">kWh"), rows, ("Sum", "", kwh(sum(sums.values()))))


def charging(entries: list[Entry]) -> Any:
    """Compare what stations drew with what arrived in packs."""
    found: dict[str, list[ChargeSessionEnded]] = defaultdict(list)
    for one in entries:
        if isinstance(one.event, ChargeSessionEnded):
            found[one.event.station_id].append(one.event)
    rows = []
    for station_id, some in sorted(found.items()):
        drawn = sum(each.energy_in_wh for each in some)
        stored = sum(each.stored_wh_delta for each in some)
        share = percent(stored * BP_FULL // drawn)
        rows.append((station_id, str(len(some)), kwh(drawn), kwh(stored), share))
    return grid(("Station", ">Sessions", ">kWh drawn", ">kWh into packs", ">Arrived"), rows)


def money(reads: Reads) -> Any:
    """Balance all money: debits are credits."""
    rows: list[tuple[str, ...]] = []
    debited = credited = 0
    for one in reads.totals():
        if one.commodity == CURRENCY:
            debit, credit = max(one.quantity, 0), max(-one.quantity, 0)
            debited, credited = debited + debit, credited + credit
            sides = (euro(debit) if debit else "", euro(credit) if credit else "")
            rows.append((_MONEY.get(one.account, ""), one.account, *sides))
    sums = ("Sum", f"difference {euro(debited - credited)}", euro(debited), euro(credited))
    return grid(("~What", "Account", ">Debit EUR", ">Credit EUR"), rows, sums)


# One driver's bill ------------------------------------------------------------


def choose_driver(entries: list[Entry]) -> str:
    """Choose the driver whose bill has the most components, then the most lines."""
    lines: dict[str, list[Line]] = defaultdict(list)
    for one in entries:
        if isinstance(one.event, UsageAccrued):
            lines[one.event.driver_id] += one.event.lines

    def variety(name: str) -> tuple[int, int]:
        return len({line.component for line in lines[name]}), len(lines[name])

    return max(sorted(lines), key=variety)


def bill(reads: Reads, driver_id: str) -> list[Any]:
    """Itemise a driver's bill: each line with quantity, rate, tariff version and evidence."""
    view = read_bill(reads, driver_id, PERIOD)
    rows = [
        _bill_row(one, one.event, line)
        for one in view.usages
        if isinstance(one.event, UsageAccrued)
        for line in one.event.lines
    ]
    columns = ("When", "~What", ">Quantity", ">Rate EUR", ">Net EUR", "Tariff", ">Evidence")
    shown: list[Any] = [pairs((("driver", driver_id), ("period", PERIOD))), ""]
    for invoice in view.invoices:
        sums = ("", "Net", "", "", euro(invoice.net_minor), "", "")
        shown += [grid(columns, rows, sums), "", pairs(_invoice(reads, invoice))]
    return shown


def _bill_row(one: Entry, event: UsageAccrued, line: Line) -> tuple[str, ...]:
    usage = kind_words(event.usage_kind)
    what = f"{_COMPONENTS.get(line.component, line.component)}: {usage} at {event.station_id}"
    begin, end = clock(line.service_start_at), clock(line.service_end_at)
    return (
        begin if begin == end else f"{begin}-{end}",
        what,
        used_words(line.quantity, line.unit),
        rate_words(line.rate_micro),
        euro(line.net_minor),
        f"{event.tariff_id} v{line.tariff_version} (#{line.tariff_position})",
        ", ".join(f"#{cause}" for cause in one.envelope.causes),
    )


def _invoice(reads: Reads, invoice: InvoiceIssued) -> list[tuple[str, str]]:
    row = reads.row(INVOICES, invoice.invoice_no)
    open_minor = row.open_minor if row else invoice.gross_minor
    return [
        ("invoice", f"{invoice.invoice_no} of {invoice.issued_on}, due {invoice.due_on}"),
        *(
            (
                f"VAT {tax.country} {percent(tax.rate_bp)}",
                f"{euro(tax.tax_minor)} EUR on {euro(tax.net_minor)} EUR",
            )
            for tax in invoice.taxes
        ),
        ("total", f"{euro(invoice.gross_minor)} EUR"),
        ("still to pay", f"{euro(open_minor)} EUR"),
        ("lines root", invoice.lines_root),
    ]


# One partner's statement ------------------------------------------------------


def statements(reads: Reads) -> Any:
    """List the statements of the day."""
    rows = [
        (row.statement_id, row.partner_id, str(row.calculation.line_count), euro(_share(row)))
        for _, row in reads.rows(STATEMENTS)
    ]
    total = sum(_share(row) for _, row in reads.rows(STATEMENTS))
    sums = ("Sum", "", "", euro(total))
    return grid(("Statement", "Partner", ">Lines", ">Share EUR"), rows, sums)


def _share(row: Any) -> int:
    return sum(each.share_minor for each in row.calculation.amounts)


def choose_partner(reads: Reads) -> str:
    """Choose the partner who earned most."""
    return max((row for _, row in reads.rows(STATEMENTS)), key=_share).partner_id


def statement(reads: Reads, partner_id: str) -> list[Any]:
    """Show a partner's statement, and calculate it once more from its entries.

    Raises `ReplayDiffers` when the entries give another one.
    """
    view = read_statement(reads, partner_id, PERIOD)
    if not view.agrees:
        raise ReplayDiffers(f"the lines of {view.statement.statement_id} are not what was issued")
    said = view.statement
    rows = [
        (
            str(line.position),
            clock(line.service_start_at),
            line.station,
            kwh(line.energy_wh),
            euro(line.energy_net_minor),
            euro(line.service_net_minor + line.fee_net_minor),
            line.share_rule_version,
            euro(line.share_minor),
        )
        for line in view.lines[:_STATEMENT_LINES]
    ]
    columns = (
        *(">Entry", "When", "Station", ">kWh", ">Energy", ">Service"),
        *("Rule", ">Share EUR"),
    )
    rest = len(view.lines) - len(rows)
    more = f"and {rest} more" if rest > 0 else ""
    sums = ("", "", more, "", "", "", "all lines", euro(_share(said)))
    covers = f"entries {said.from_position + 1} to {said.to_position}"
    return [
        pairs(
            (
                ("statement", f"{said.statement_id}, {covers}"),
                ("lines root", said.calculation.lines_root),
                ("calculated again", "the same lines, sums and root"),
            )
        ),
        "",
        grid(columns, rows, sums),
    ]
