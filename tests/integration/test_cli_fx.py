"""Currencies on the command line: exchanged, shown at a rate, valued at the end of a month."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.book_month import new_month
from tests.support.cli import answer, error, run
from tests.support.ledgers import sqlite_url
from tests.support.stores import looking_at as reading

TWO = ("--by", "F1", "--second", "F2")
SOURCE = ("--source", "central bank, 30 January")


@pytest.fixture
def url(tmp_path: Path) -> str:
    where = sqlite_url(tmp_path)
    new_month(where).close()
    made = answer("fx", "exchange", "BA-1", "7800.00", "cny", "1000.00", "EUR", *TWO, ledger=where)
    assert [one["kind"] for one in made["entries"]] == ["fx.bought"]
    return where


def test_a_pair_is_worth_what_the_rate_says(url: str) -> None:
    shown = answer("fx", "value", "CNY-EUR", "7.5", ledger=url)
    assert (shown["held_minor"], shown["cost_minor"]) == (780_000, 100_000)
    assert shown["worth_minor"] == 104_000
    assert "40.00 EUR" in run("fx", "value", "CNY-EUR", "7.5", ledger=url).output
    other_way = answer("fx", "value", "CNY-EUR", "0.125", "--in", "CNY", ledger=url)
    assert (other_way["held_minor"], other_way["worth_minor"]) == (-100_000, -800_000)


def test_what_it_gained_is_booked_and_taken_back_on_the_next_day(url: str) -> None:
    words = ("fx", "revalue", "CNY-EUR", "7.5", *SOURCE, "--on", "2026-01-31", *TWO)
    made = answer(*words, ledger=url)
    assert [one["kind"] for one in made["entries"]] == ["fx.revalued", "fx.revalued"]
    with reading(url) as reads:
        booked: list[Any] = [one.event for one in reads.entries(0, None, ("fx.revalued",))]
        gained = [one.gained_minor for one in booked]
    assert gained == [4_000, -4_000]
    assert answer("fx", "value", "CNY-EUR", "7.5", ledger=url)["worth_minor"] == 104_000


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("value", "CNY-EUR", "7,5"), "rate"),
        (("value", "CNY-EUR", "0"), "rate"),
        (("value", "CNY", "7.5"), "pair"),
        (("value", "CNY-USD", "7.5"), "pair"),
        (("value", "CNY-XYZ", "7.5", "--in", "CNY"), "pair"),
        (("value", "EUR-USD", "7.5"), "nothing of EUR-USD was exchanged"),
        (("revalue", "CNY-EUR", "7.5", *SOURCE, "--on", "January", *TWO), "on"),
        (("revalue", "CNY-EUR", "7.8", *SOURCE, "--on", "2026-01-31", *TWO), "exchange_field"),
        (("revalue", "CNY-EUR", "7.5", *SOURCE, "--on", "2026-01-31"), "second_person"),
    ],
)
def test_what_cannot_be_valued_says_why(url: str, words: tuple[str, ...], told: str) -> None:
    assert told in str(error("fx", *words, ledger=url))
