"""Books: the text, what it covers, what the control sheet vouches for."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.exports._accounts import amount, leaf_name
from ledger.exports._days import Days
from ledger.exports.books import Extent, write_books
from ledger.kernel.envelope import Envelope
from ledger.kernel.errors import InvariantBroken, Unavailable
from ledger.kernel.instants import period_window
from ledger.kernel.postings import PACK, WH, Posting, move_pack, pair
from tests.support.books import (
    at,
    balances_of,
    billed,
    busy_town,
    entry_of,
    handed_out,
    moved_inside,
)

SMALL = [
    entry_of(3, at("2026-01-15T10:00"), "usage.accrued", billed("DR-1", 1501, 600)),
    entry_of(4, at("2026-01-15T11:00"), "station.opened"),
    entry_of(5, at("2026-01-15T12:00"), "pack_moved", moved_inside("PK-1", "ST-1")),
    entry_of(
        6, at("2026-01-14T23:59"), "pack_swapped_out", handed_out("PK-1", "ST-1", "DR-1", 1500)
    ),
]

JOURNAL = """\
2026-01-14 * "Mobile Grid" "pack swapped out"
  ; position: 6
  Assets:Packs:Driver  1 PACK
  Assets:Packs:Station  -1 PACK
  Equity:Units:Energy:Driver  1.500 KWH
  Assets:Energy:Pack  -1.500 KWH

2026-01-15 * "Mobile Grid" "usage accrued"
  ; position: 3
  Assets:Receivables:Unbilled  21.01 EUR
  Income:Energy  -15.01 EUR
  Income:Swap-Service  -6.00 EUR

"""

ACCOUNTS = """\
account Assets:Energy:Pack
account Assets:Packs:Driver
account Assets:Packs:Station
account Assets:Receivables:Unbilled
account Equity:Units:Energy:Driver
account Income:Energy
account Income:Swap-Service
include journal.txt
"""

CLOSING = """\
2026-01-15 * "Mobile Grid" "close"
  Assets:Energy:Pack  0.000 KWH = -1.500 KWH
  Assets:Packs:Driver  0 PACK = 1 PACK
  Assets:Packs:Station  0 PACK = -1 PACK
  Assets:Receivables:Unbilled  0.00 EUR = 21.01 EUR
  Equity:Units:Energy:Driver  0.000 KWH = 1.500 KWH
  Income:Energy  0.00 EUR = -15.01 EUR
  Income:Swap-Service  0.00 EUR = -6.00 EUR

"""

BEANCOUNT = """\
option "title" "Mobile Grid"
option "tolerance_multiplier" "0"
1900-01-01 commodity EUR
1900-01-01 commodity KWH
1900-01-01 commodity PACK
1900-01-01 open Assets:Energy:Pack
1900-01-01 open Assets:Packs:Driver
1900-01-01 open Assets:Packs:Station
1900-01-01 open Assets:Receivables:Unbilled
1900-01-01 open Equity:Units:Energy:Driver
1900-01-01 open Income:Energy
1900-01-01 open Income:Swap-Service
include "journal.txt"
2026-01-16 balance Assets:Energy:Pack  -1.500 KWH
2026-01-16 balance Assets:Packs:Driver  1 PACK
2026-01-16 balance Assets:Packs:Station  -1 PACK
2026-01-16 balance Assets:Receivables:Unbilled  21.01 EUR
2026-01-16 balance Equity:Units:Energy:Driver  1.500 KWH
2026-01-16 balance Income:Energy  -15.01 EUR
2026-01-16 balance Income:Swap-Service  -6.00 EUR
"""


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("ascii") for path in folder.iterdir()}


def test_the_books_of_a_small_town_read_so(tmp_path: Path) -> None:
    write_books(SMALL, balances_of(SMALL), tmp_path)
    found = files(tmp_path)
    del found["control.json"]
    commodities = "commodity 1000.00 EUR\ncommodity 1000.000 KWH\ncommodity 1000. PACK\n"
    assert found == {
        "journal.txt": JOURNAL,
        "beancount.beancount": BEANCOUNT,
        "hledger.journal": commodities + ACCOUNTS + CLOSING,
        "ledger.ledger": "commodity EUR\ncommodity KWH\ncommodity PACK\ntag position\n"
        + ACCOUNTS
        + CLOSING,
    }


def test_the_control_sheet_vouches_for_the_other_files(tmp_path: Path) -> None:
    control = write_books(SMALL, balances_of(SMALL), tmp_path)
    found = files(tmp_path)
    sheet = json.loads(found.pop("control.json"))
    assert sheet.pop("sha256") == {
        name: sha256(text.encode()).hexdigest() for name, text in found.items()
    }
    assert sheet.pop("closing")["Assets:Receivables:Unbilled"] == ["21.01 EUR"]
    assert sheet == {
        "period": "",
        "leaves": False,
        "entries": 3,
        "transactions": 2,
        "left_out": 1,
        "position_first": 3,
        "position_last": 6,
        "closed_on": "2026-01-15",
        "totals": ["21.01 EUR", "1 PACK", "1.500 KWH"],
    }
    assert control.left_out == 1


def test_an_account_that_came_to_zero_is_asserted_too(tmp_path: Path) -> None:
    there = entry_of(0, at("2026-01-01T00:00"), "usage.accrued", billed("DR-1", 5, 5))
    back = entry_of(1, at("2026-01-02T00:00"), "usage.reversed", billed("DR-1", -5, -5))
    control = write_books([there, back], [], tmp_path)
    assert set(control.closing) == {
        "Assets:Receivables:Unbilled",
        "Income:Energy",
        "Income:Swap-Service",
    }
    assert all(amounts == ["0.00 EUR"] for amounts in control.closing.values())


def test_the_assertions_come_from_the_balances_and_not_from_the_lines(tmp_path: Path) -> None:
    control = write_books(SMALL[:1], [("Assets:Receivables:Unbilled", "EUR", 7)], tmp_path)
    assert control.closing == {
        "Assets:Receivables:Unbilled": ["0.07 EUR"],
        "Income:Energy": ["0.00 EUR"],
        "Income:Swap-Service": ["0.00 EUR"],
    }


def test_a_period_begins_with_an_opening_and_closes_on_its_last_day(tmp_path: Path) -> None:
    before = [entry_of(1, at("2026-01-31T23:00"), "usage.accrued", billed("DR-1", 100, 0))]
    inside = [entry_of(2, at("2026-02-03T01:00"), "usage.accrued", billed("DR-1", 50, 0))]
    control = write_books(
        inside,
        balances_of(before + inside),
        tmp_path,
        opening=balances_of(before),
        extent=Extent("2026-02", period_window("2026-02", "UTC")),
    )
    found = files(tmp_path)
    assert found["journal.txt"].startswith(
        '2026-02-01 * "Mobile Grid" "opening"\n'
        "  Assets:Receivables:Unbilled  1.00 EUR\n"
        "  Income:Energy  -1.00 EUR\n\n"
        '2026-02-03 * "Mobile Grid" "usage accrued"\n'
    )
    assert (
        "2026-03-01 balance Assets:Receivables:Unbilled  1.50 EUR" in found["beancount.beancount"]
    )
    assert '2026-02-28 * "Mobile Grid" "close"' in found["hledger.journal"]
    assert (control.period, control.transactions, control.totals) == ("2026-02", 1, ["1.50 EUR"])


def test_books_without_entries_are_empty_and_complete(tmp_path: Path) -> None:
    control = write_books([], [], tmp_path / "new" / "folder")
    found = files(tmp_path / "new" / "folder")
    assert found["journal.txt"] == ""
    assert found["hledger.journal"] == "include journal.txt\n"
    assert (control.position_first, control.transactions) == (None, 0)


def test_the_same_books_have_the_same_bytes_and_replace_older_ones(tmp_path: Path) -> None:
    entries = list(busy_town(200))
    write_books(SMALL, balances_of(SMALL), tmp_path / "one")
    for folder in ("one", "other"):
        write_books(entries, balances_of(entries), tmp_path / folder)
    assert files(tmp_path / "one") == files(tmp_path / "other")


def test_days_come_in_order_whatever_is_held_in_memory(tmp_path: Path) -> None:
    for held_max in (0, 3, 100):
        folder = tmp_path / f"days-{held_max}"
        folder.mkdir()
        days = Days(folder, held_max)
        for day, text in (("2026-01-02", "b"), ("2025-12-31", "a"), ("2026-01-02", "c")):
            days.add(day, text)
        with (tmp_path / "out").open("wb") as out:
            days.write_to(out)
        assert (tmp_path / "out").read_bytes() == b"abc"


# Accounts and amounts ---------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "name"),
    [
        ("Income:Energy", "Income:Energy"),
        ("Packs:Acquired", "Equity:Units:Packs:Acquired"),
        ("Packs:Station:ST-1:Slot:4", "Assets:Packs:Station:ST-1:Slot:4"),
        ("Energy:Losses:Standing", "Equity:Units:Energy:Losses:Standing"),
        ("Packs:Driver:dr_1", "Assets:Packs:Driver:Dr-1-0cf3e9bd"),
        ("Packs:Driver:-1", "Assets:Packs:Driver:X-1-1bad6b8c"),
        ("Packs:Driver:é", "Assets:Packs:Driver:X--4a99557e"),
    ],
)
def test_a_leaf_is_named_in_the_grammar_of_all_three(account: str, name: str) -> None:
    assert leaf_name(account) == name


@given(st.text(min_size=1).filter(lambda text: ":" not in text))
def test_every_leaf_fits_the_grammar(text: str) -> None:
    segment = leaf_name(f"Packs:Driver:{text}").rpartition(":")[2]
    assert segment.isascii()
    assert segment[0].isupper() or segment[0].isdigit()
    assert segment.replace("-", "a").isalnum()


def test_leaves_keep_apart_what_families_show_as_one(tmp_path: Path) -> None:
    control = write_books(SMALL, balances_of(SMALL), tmp_path, extent=Extent(leaves=True))
    assert (control.left_out, control.transactions) == (0, 3)
    assert control.closing["Assets:Packs:Station:ST-1:Slot:1"] == ["-2 PACK"]
    assert control.closing["Assets:Packs:Station:ST-1:Slot:2"] == ["1 PACK"]


def test_beancount_is_told_what_stands_below_an_account_as_well(tmp_path: Path) -> None:
    postings = (
        *move_pack("PK-1", debit="Packs:Ended", credit="Packs:Acquired"),
        *move_pack("PK-2", debit="Packs:Ended:Recycled", credit="Packs:Acquired"),
    )
    entry = entry_of(0, at("2026-01-01T00:00"), "packs_ended", postings)
    write_books([entry], balances_of([entry]), tmp_path, extent=Extent(leaves=True))
    found = files(tmp_path)
    assert "balance Equity:Units:Packs:Ended  2 PACK\n" in found["beancount.beancount"]
    assert "Equity:Units:Packs:Ended  0 PACK = 1 PACK\n" in found["hledger.journal"]


@pytest.mark.parametrize(
    ("quantity", "commodity", "text"),
    [
        (-5, "EUR", "-0.05 EUR"),
        (25, "JPY", "25 JPY"),
        (1, "KWD", "0.001 KWD"),
        (-1, PACK, "-1 PACK"),
        (1_234_567, WH, "1234.567 KWH"),
    ],
)
def test_amounts_have_the_decimals_of_their_commodity(
    quantity: int, commodity: str, text: str
) -> None:
    assert amount(quantity, commodity) == text


def test_hledger_reads_the_decimals_of_each_currency(tmp_path: Path) -> None:
    entries = [
        entry_of(n, at("2026-01-01T00:00"), "usage.accrued", billed("DR-1", 7, 0, currency))
        for n, currency in enumerate(("JPY", "KWD"))
    ]
    write_books(entries, balances_of(entries), tmp_path)
    head = files(tmp_path)["hledger.journal"]
    assert head.startswith("commodity 1000. JPY\ncommodity 1000.000 KWD\n")


# Faults -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "posting",
    [Posting("Assets:Unheard-Of", "EUR", 1), Posting("Income:Energy", "XXX", 1)],
    ids=["account", "commodity"],
)
def test_what_is_not_in_the_chart_leaves_the_older_books_alone(
    tmp_path: Path, posting: Posting
) -> None:
    write_books(SMALL, balances_of(SMALL), tmp_path)
    before = files(tmp_path)
    strange = entry_of(9, at("2026-01-16T00:00"), "usage.accrued", (posting,))
    with pytest.raises(InvariantBroken):
        write_books([*SMALL, strange], [], tmp_path)
    assert files(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="cannot write the export"):
        write_books(SMALL, [], tmp_path / "file")


# Properties -------------------------------------------------------------------

MONEY = ("Assets:PSP:Stripe", "Income:Energy", "Liabilities:Suspense")
ENERGY = ("Energy:Pack:PK-1", "Energy:Pack:PK-2", "Energy:Driver:DR-1")


@st.composite
def entries_of_pairs(draw: st.DrawFn) -> list[Envelope]:
    days = st.integers(at("2025-12-30T00:00"), at("2026-01-02T00:00"))
    made: list[Envelope] = []
    for position in range(draw(st.integers(0, 8))):
        commodity, accounts = draw(st.sampled_from([("EUR", MONEY), ("JPY", MONEY), (WH, ENERGY)]))
        debit, credit = draw(st.permutations(accounts))[:2]
        quantity = draw(st.integers(1, 10**12))
        lines = pair(commodity, quantity, debit=debit, credit=credit)
        made.append(entry_of(position, draw(days), "thing.done", lines))
    return made


@given(entries=entries_of_pairs())
def test_the_lines_of_a_journal_add_up_to_the_balances(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Envelope]
) -> None:
    folder = tmp_path_factory.mktemp("books")
    control = write_books(entries, balances_of(entries), folder)
    sums: dict[tuple[str, str], int] = {}
    heads: list[tuple[str, int]] = []
    day = ""
    for line in (folder / "journal.txt").read_text("ascii").splitlines():
        if line.startswith("20"):
            day = line[:10]
        elif line.startswith("  ; "):
            heads.append((day, int(line.rpartition(" ")[2])))
        elif line:
            account, text, code = line.split()
            key = (account, code)
            sums[key] = sums.get(key, 0) + int(text.replace(".", ""))
    assert heads == sorted(heads)
    asserted = {
        (account, text.split()[1]): int(text.split()[0].replace(".", ""))
        for account, texts in control.closing.items()
        for text in texts
    }
    assert {key: sums.get(key, 0) for key in asserted} == asserted
    assert set(sums) <= set(asserted)
