"""The report of an import: every row of every table accounted for."""

from collections import Counter

import msgspec
from typing_extensions import override

from ledger.kernel.quantities import kwh_text


class TableReport(msgspec.Struct):
    """What became of the rows of one table; energy in Wh, only of charging sessions.

    `entries` counts what its rows made, `added` how many of these are new in this ledger.
    `mismatches` are accepted rows whose states of charge do not fit their energy.
    """

    name: str
    rows: int = 0
    accepted: int = 0
    quarantined: dict[str, int] = {}
    accepted_wh: int = 0
    quarantined_wh: int = 0
    mismatches: int = 0
    entries: int = 0
    added: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether each row became entries or a case."""
        return self.rows == self.accepted + sum(self.quarantined.values())


class ImportReport(msgspec.Struct):
    """The tables of an import in order, and how many packs came with them."""

    tables: list[TableReport]
    packs: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every row of every table is accounted for."""
        return all(table.is_complete for table in self.tables)

    @property
    def added(self) -> int:
        """Number of entries this import added; 0 when everything was there."""
        return sum(table.added for table in self.tables)

    def total(self) -> TableReport:
        """Sum all tables."""
        total = TableReport("all")
        reasons: Counter[str] = Counter()
        for table in self.tables:
            total.rows += table.rows
            total.accepted += table.accepted
            total.accepted_wh += table.accepted_wh
            total.quarantined_wh += table.quarantined_wh
            total.mismatches += table.mismatches
            total.entries += table.entries
            total.added += table.added
            reasons.update(table.quarantined)
        total.quarantined = dict(reasons)
        return total

    @override
    def __str__(self) -> str:
        head = ("table", "rows", "accepted", "set aside", "kWh accepted", "kWh set aside")
        rows: list[tuple[str, ...]] = [(*head, "entries", "new", "complete")]
        rows += [_row(table) for table in (*self.tables, self.total())]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        for table in self.tables:
            if table.quarantined:
                reasons = ", ".join(f"{why} {n}" for why, n in table.quarantined.items())
                lines.append(f"set aside in {table.name}: {reasons}")
            if table.mismatches:
                lines.append(
                    f"energy and state of charge differ in {table.name}: {table.mismatches}"
                )
        lines.append(f"packs: {self.packs:,}")
        return "\n".join(lines)


def _row(table: TableReport) -> tuple[str, ...]:
    with_energy = table.accepted_wh or table.quarantined_wh
    return (
        table.name,
        f"{table.rows:,}",
        f"{table.accepted:,}",
        f"{sum(table.quarantined.values()):,}",
        kwh_text(table.accepted_wh) if with_energy else "",
        kwh_text(table.quarantined_wh) if with_energy else "",
        f"{table.entries:,}",
        f"{table.added:,}",
        "yes" if table.is_complete else "NO",
    )
