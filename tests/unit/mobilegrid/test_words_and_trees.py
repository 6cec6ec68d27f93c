"""What a person reads: places, kinds, quantities, times, the tree of accounts."""

import click
import pytest

from ledger.store.queries.balances import Balance
from mobilegrid.cli.balance import rolled_up
from mobilegrid.cli.params import TimeType, ZoneType
from mobilegrid.cli.wording import kind_words, percent, place_words, quantity_words, time_words


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ("Packs:Station:ST-1:Slot:4", "station ST-1 slot 4"),
        ("Packs:Station:ST-1:Staged", "station ST-1 staged"),
        ("Packs:Driver:DR-9", "driver DR-9"),
        ("Packs:Depot:DE-1:Received", "depot DE-1 received"),
        ("Packs:Carrier:CA-1:Inbound:AS-3", "carrier CA-1 inbound AS-3"),
        ("Packs:SecondLife:P-1", "second life P-1"),
        ("Packs:Ended:WrittenOff", "ended written off"),
        ("Packs:Acquired", "acquired"),
        ("", ""),
    ],
)
def test_a_pack_account_reads_as_a_place(account, said):
    assert place_words(account) == said


@pytest.mark.parametrize(
    ("quantity", "commodity", "said"),
    [
        (1_500, "WH", "1.500 kWh"),
        (-5, "EUR", "-0.05 EUR"),
        (25, "JPY", "25 JPY"),
        (1, "PACK", "1 pack"),
        (-1, "PACK", "-1 pack"),
        (0, "PACK", "0 packs"),
        (3, "OTHER", "3 OTHER"),
    ],
)
def test_a_quantity_has_its_unit(quantity, commodity, said):
    assert quantity_words(quantity, commodity) == said


def test_kinds_times_and_shares_read_plainly():
    assert kind_words("pack_swapped_out") == "pack swapped out"
    assert kind_words("usage.accrued") == "usage accrued"
    assert time_words(1_500_000) == "1970-01-01 00:00:01Z"
    assert percent(9_050) == "90.50 %"


def test_branches_are_sums_of_their_parts_and_show_that_they_cancel_out():
    held = [
        Balance("Packs:Acquired", "", "PACK", -2),
        Balance("Packs:Driver:DR-1", "", "PACK", 1),
        Balance("Packs:Driver:DR-2", "", "PACK", 1),
        Balance("Assets:PSP:Stripe", "", "EUR", 700),
        Balance("Assets:PSP:Stripe", "", "USD", 5),
    ]
    assert rolled_up(held, "", 2) == {
        "Assets": {"EUR": 700, "USD": 5},
        "Assets:PSP": {"EUR": 700, "USD": 5},
        "Packs": {"PACK": 0},
        "Packs:Acquired": {"PACK": -2},
        "Packs:Driver": {"PACK": 2},
    }
    assert rolled_up(held[1:3], "Packs:Driver", 1) == {
        "Packs:Driver": {"PACK": 2},
        "Packs:Driver:DR-1": {"PACK": 1},
        "Packs:Driver:DR-2": {"PACK": 1},
    }


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01", 86_400_000_000 - 1),
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T01:00:01+01:00", 1_000_000),
    ],
)
def test_a_date_means_its_end_and_a_time_needs_a_zone(text, instant):
    assert TimeType().convert(text, None, None) == instant


@pytest.mark.parametrize("text", ["yesterday", "1970-01-01T00:00:01", "1970-13-01", "", "1970-1-1"])
def test_other_times_are_wrong_usage(text):
    with pytest.raises(click.BadParameter, match="neither"):
        TimeType().convert(text, None, None)


def test_a_zone_must_exist():
    assert ZoneType().convert("Europe/Berlin", None, None) == "Europe/Berlin"
    for text in ("Mars/Base", "../etc", "", "/"):
        with pytest.raises(click.BadParameter, match="no time zone"):
            ZoneType().convert(text, None, None)
