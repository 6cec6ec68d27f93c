"""Every posting template, and every kind of entry there is, in the books of three programs."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from ledger.domain.money.accounts import account_info, check_chart
from ledger.exports._accounts import commodity_of
from ledger.exports.books import write_books
from ledger.kernel.envelope import Envelope, open_entry
from ledger.kernel.instants import HOUR
from ledger.kernel.postings import check_zero
from ledger.kernel.quantities import parse_scaled
from tests.peers.test_accounting_programs import PROGRAMS, accepted
from tests.support.books import at, balances_of, entry_of
from tests.support.template_rows import ROWS, TemplateRow

GOLDEN = Path(__file__).parent.parent / "golden" / "events"


def printed(row: TemplateRow) -> Counter[tuple[int, str]]:
    """Read the lines of the handbook: by code and commodity, debits above zero."""
    sums: Counter[tuple[int, str]] = Counter()
    for line in row.printed.split("; "):
        side, code, amount, *unit = line.split()
        commodity = unit[0] if unit else "EUR"
        _, decimals = commodity_of(commodity)
        quantity = parse_scaled(amount, decimals, "amount")
        sums[int(code), commodity] += quantity if side == "Dr" else -quantity
    return Counter({key: quantity for key, quantity in sums.items() if quantity})


def made(row: TemplateRow) -> Counter[tuple[int, str]]:
    sums: Counter[tuple[int, str]] = Counter()
    for one in row.postings:
        info = account_info(one.account)
        assert info is not None, one.account
        sums[info.code, one.commodity] += one.quantity
    return Counter({key: quantity for key, quantity in sums.items() if quantity})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_template_moves_what_the_handbook_prints(row: TemplateRow) -> None:
    check_zero(row.postings)
    assert check_chart(row.postings) is None
    assert made(row) == printed(row)


def test_no_template_stands_twice() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))


def template_entries() -> list[Envelope]:
    first = at("2026-01-01T08:00")
    return [entry_of(n, first + n * HOUR, row.name, row.postings) for n, row in enumerate(ROWS, 1)]


def every_kind() -> list[Envelope]:
    """The golden entry of each kind that moves something: custody, energy and money."""
    found = []
    for number, path in enumerate(sorted(GOLDEN.glob("*.json")), 1):
        envelope = open_entry(msgspec.json.decode(path.read_bytes())["entry"].encode())
        if envelope.postings:
            found.append(msgspec.structs.replace(envelope, position=number))
    return found


@pytest.mark.tool
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("entries", [template_entries, every_kind])
def test_all_templates_and_all_kinds_are_accepted_together(
    program: str, entries: object, tmp_path: Path
) -> None:
    found = entries()  # type: ignore[operator]
    control = write_books(found, balances_of(found), tmp_path)
    assert control.entries == len(found)
    accepted(program, tmp_path)
