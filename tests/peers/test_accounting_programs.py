"""hledger, Beancount and Ledger read our books, agree with us, and catch what is wrong."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.exports.books import Extent, write_books
from ledger.kernel.envelope import Envelope
from ledger.kernel.instants import period_window
from tests.support.books import at, balances_of, billed, busy_town, entry_of, moved_inside
from tests.support.tools import need_tool

pytestmark = pytest.mark.tool

PROGRAMS = ("beancount", "hledger", "ledger")
ENTRIES_BAR = 20_000
SECONDS_BAR = 10


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let a program check the books as docs/algorithms/books.md says."""
    # beancount comes with the test tools and stands beside this Python, on no PATH
    bean_check = str(Path(sys.executable).with_name("bean-check"))
    command = {
        "beancount": lambda: [bean_check, "--no-cache", "beancount.beancount"],
        "hledger": lambda: [
            need_tool("hledger"), "-f", "hledger.journal", "check", "-s", "ordereddates"
        ],
        "ledger": lambda: [
            need_tool("ledger"), "-f", "ledger.ledger", "--strict", "--pedantic", "balance"
        ],
    }[program]()  # fmt: skip
    # a home of its own: nobody's .ledgerrc has a say
    environment = {**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def accepted(program: str, folder: Path) -> None:
    answer = run(program, folder)
    assert answer.returncode == 0, (answer.stdout + answer.stderr)[-2_000:]


def town() -> list[Envelope]:
    """Money of four currencies, packs, energy, a move inside a family."""
    entries = list(busy_town(400))
    for currency in ("EUR", "CNY", "JPY", "KWD"):
        valid_at = at("2026-01-20T12:00")
        lines = billed("DR-1", 1999, 1, currency)
        entries.append(entry_of(len(entries), valid_at, "usage.accrued", lines))
    inside = moved_inside("PK-1", "ST-1")
    return [*entries, entry_of(len(entries), at("2026-01-31T23:59"), "pack_moved", inside)]


@pytest.mark.parametrize("leaves", [False, True], ids=["families", "leaves"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_accepts_all_books(program: str, tmp_path: Path, *, leaves: bool) -> None:
    entries = town()
    write_books(entries, balances_of(entries), tmp_path, extent=Extent(leaves=leaves))
    accepted(program, tmp_path)


@pytest.mark.parametrize("leaves", [False, True], ids=["families", "leaves"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_accepts_the_books_of_a_period(
    program: str, tmp_path: Path, *, leaves: bool
) -> None:
    window = period_window("2026-01-17", "UTC")
    entries = town()
    before = [one for one in entries if one.valid_at < window.from_at]
    inside = [one for one in entries if window.from_at <= one.valid_at < window.to_at]
    write_books(
        inside,
        balances_of(before + inside),
        tmp_path,
        opening=balances_of(before),
        extent=Extent("2026-01-17", window, leaves),
    )
    assert inside
    accepted(program, tmp_path)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_accepts_odd_leaves_and_empty_books(program: str, tmp_path: Path) -> None:
    odd = [
        entry_of(n, at("2026-01-01T00:00"), "pack_moved", moved_inside(f"PK-{n}", name))
        for n, name in enumerate(("st_1", "-", "ü.x", "4", "a b", 'é;"@{}'))
    ]  # fmt: skip
    write_books(odd, balances_of(odd), tmp_path / "odd", extent=Extent(leaves=True))
    write_books([], [], tmp_path / "empty")
    accepted(program, tmp_path / "odd")
    accepted(program, tmp_path / "empty")


# Negative controls: each program must refuse each damage ------------------------


def _once(old: str, new: str) -> Callable[[str], str]:
    def damage(journal: str) -> str:
        assert old in journal
        return journal.replace(old, new, 1)

    return damage


def _first_left_out(journal: str) -> str:
    return journal[journal.index("\n\n") + 2 :]


DAMAGES: dict[str, Callable[[str], str]] = {
    "one cent changed": _once("Receivables:Unbilled  21.04 EUR", "Receivables:Unbilled  21.05 EUR"),
    "one cent changed on both sides": _once(
        "Receivables:Unbilled  21.04 EUR\n  Income:Energy  -15.04 EUR",
        "Receivables:Unbilled  21.05 EUR\n  Income:Energy  -15.05 EUR",
    ),
    "one Wh changed on both sides": _once(
        "Energy:Grid  -50.000 KWH\n  Assets:Energy:Pack  46.000 KWH",
        "Energy:Grid  -50.001 KWH\n  Assets:Energy:Pack  46.001 KWH",
    ),
    "moved to another account": _once("Income:Energy", "Income:Swap-Service"),
    "moved to an account nobody declared": _once("Income:Energy", "Income:Energi"),
    "100 CNY against EUR": _once(
        "Income:Energy  -15.04 EUR\n  Income:Swap-Service  -6.00 EUR",
        "Income:Energy  -100.00 CNY",
    ),
    "a transaction left out": _first_left_out,
    "a pack invented": _once("Assets:Packs:Driver  1 PACK", "Assets:Packs:Driver  2 PACK"),
}


@pytest.fixture(scope="module")
def journal_and_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("books")
    entries = town()
    write_books(entries, balances_of(entries), folder)
    return folder


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_refuses_damaged_books(
    program: str, damage: Callable[[str], str], journal_and_heads: Path, tmp_path: Path
) -> None:
    for path in journal_and_heads.iterdir():
        text = path.read_text("ascii")
        (tmp_path / path.name).write_text(damage(text) if path.name == "journal.txt" else text)
    assert run(program, tmp_path).returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_program_reads_twenty_thousand_entries_in_time(program: str, tmp_path: Path) -> None:
    entries = list(busy_town(ENTRIES_BAR))
    write_books(entries, balances_of(entries), tmp_path)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    accepted(program, tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # processor time, so that a busy machine does not count against the program
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < SECONDS_BAR
