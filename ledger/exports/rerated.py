"""A sheet of re-rating as CSV: one row for each bill that would change, before and after."""

from collections.abc import Iterator
from pathlib import Path

from ledger.domain.money.rerating_sheets import Sheet, SheetLine
from ledger.exports._tables import Cell, Control, Summary, layout, write_table
from ledger.kernel.instants import as_text
from ledger.kernel.money import amount_text

_LAYOUT = layout(
    """
    usage_id usage_kind driver station position currency refused before after energy_before
    energy_after service_before service_after fee_before fee_after shares_before shares_after
    """,
    """
    position before after energy_before energy_after service_before service_after fee_before
    fee_after
    """,
)


def write_sheet(sheet: Sheet, path: Path, *, delimiter: str = ",") -> Control:
    """Write the lines of a sheet; the totals of its control sheet are by currency.

    Shares stand as ``party=amount``, divided by spaces. Raises as `write_table`.
    """
    return write_table(path, _LAYOUT, _rows(sheet), lambda: _summary(sheet), delimiter=delimiter)


def _rows(sheet: Sheet) -> Iterator[tuple[Cell, ...]]:
    for line in sheet.lines:
        old, new, code = line.before, line.after, line.currency
        pairs = (
            (old.total_minor, new.total_minor),
            (old.energy_minor, new.energy_minor),
            (old.service_minor, new.service_minor),
            (old.fee_minor, new.fee_minor),
        )
        yield (
            *(line.usage_id, line.usage_kind, line.driver_id, line.station_id),
            *(line.position, code, line.refused),
            *(amount_text(minor, code) for pair in pairs for minor in pair),
            _shares(old.shares, code),
            _shares(new.shares, code),
        )


def _shares(shares: dict[str, int], currency: str) -> str:
    return " ".join(f"{party}={amount_text(minor, currency)}" for party, minor in shares.items())


def _summary(sheet: Sheet) -> Summary:
    facts: dict[str, str | int] = {
        "tariff": sheet.tariff_id,
        "from": as_text(sheet.from_at),
        "to": as_text(sheet.to_at),
        "checked": sheet.checked,
        "lines_root": sheet.root(),
    }
    totals: dict[str, str] = {}
    for code in sorted({line.currency for line in sheet.lines}):
        some = [line for line in sheet.lines if line.currency == code]
        totals[f"before {code}"] = amount_text(_sum(some, after=False), code)
        totals[f"after {code}"] = amount_text(_sum(some, after=True), code)
    return facts, totals


def _sum(lines: list[SheetLine], *, after: bool) -> int:
    return sum((line.after if after else line.before).total_minor for line in lines)
