"""Ids, instants, quantities and postings: the values everybody shares."""

from datetime import date

import pytest

from ledger.kernel.errors import InvariantBroken, Malformed
from ledger.kernel.ids import check_id, derived_id, is_id, key_at
from ledger.kernel.instants import (
    DAY,
    HOUR,
    as_text,
    local_date,
    parse_instant,
    period_window,
    utc_day,
)
from ledger.kernel.postings import (
    PACK,
    QUANTITY_MAX,
    Posting,
    check_zero,
    move_pack,
    negate,
    pair,
)
from ledger.kernel.quantities import parse_scaled, scaled_text, stored_wh


@pytest.mark.parametrize("text", ["A", "ST-17", "0" * 40, "PKabc-9"])
def test_an_id_can_stand_in_an_account_path(text):
    assert is_id(text)
    assert check_id(text, "pack_id") == text


@pytest.mark.parametrize("text", ["", "a", "-A", "A:B", "A|B", "A B", "A\n", "0" * 41, "Ä"])
def test_what_is_no_id_is_refused_by_name(text):
    assert not is_id(text)
    with pytest.raises(Malformed) as caught:
        check_id(text, "pack_id")
    assert caught.value.field == "pack_id"


def test_derived_ids_depend_on_every_part_and_on_where_parts_end():
    ids = {derived_id("PK", *parts) for parts in [("a", "b"), ("ab",), ("b", "a"), ("a", "b", "")]}
    assert len(ids) == 4
    assert all(is_id(one) for one in ids)


def test_keys_grow_with_time_and_repeat():
    assert key_at(1_000, "x") == key_at(1_000, "x")
    assert key_at(1_000_000, "x") < key_at(2_000_000, "a")
    assert len(key_at(0)) == 16
    assert key_at(-5, "x")[:6] == bytes(6)


@pytest.mark.parametrize("text", ["2018-03-01", "2018-03-01T00:00:00", "yesterday", ""])
def test_a_time_without_a_zone_is_no_time(text):
    with pytest.raises(Malformed) as caught:
        parse_instant(text, "start_utc")
    assert caught.value.field == "start_utc"


def test_times_are_read_and_written_exactly():
    assert parse_instant("2018-03-01T01:00:00.000001+01:00", "at") == 1_519_862_400_000_001
    assert as_text(1_519_862_400_000_001) == "2018-03-01T00:00:00.000001Z"
    assert utc_day(1_519_862_400_000_000 - 1) == "2018-02-28"
    assert local_date(1_519_862_400_000_000 - 1, "Asia/Taipei") == date(2018, 3, 1)


def test_a_period_is_as_long_as_it_is_on_the_spot():
    spring = period_window("2018-03-25", "Europe/Paris")
    autumn = period_window("2018-10-28", "Europe/Paris")
    assert (spring.to_at - spring.from_at, autumn.to_at - autumn.from_at) == (23 * HOUR, 25 * HOUR)
    december = period_window("2018-12", "UTC")
    assert december.to_at - december.from_at == 31 * DAY
    assert december.to_at == period_window("2019-01", "UTC").from_at


@pytest.mark.parametrize("text", ["2018", "2018-13", "2018-02-30", "20180301", "2018-W01", ""])
def test_any_other_period_is_malformed(text):
    with pytest.raises(Malformed):
        period_window(text, "UTC")


def test_decimals_are_read_exactly_or_not_at_all():
    assert parse_scaled("-0.5", 3, "x") == -500
    assert parse_scaled("20.5300", 2, "x") == 2053
    for text in ("1e3", "1,5", "01", "+1", " 1", "1.", "0.1234"):
        with pytest.raises(Malformed):
            parse_scaled(text, 3, "x")
    assert scaled_text(parse_scaled("-12.345", 3, "x"), 3) == "-12.345"
    assert stored_wh(75_000, 10_000, 10_000) == 75_000


def test_entries_that_balance_pass():
    check_zero([*pair("WH", 5, debit="a", credit="b"), *move_pack("PK", debit="c", credit="d")])
    assert pair("EUR", 0, debit="a", credit="b") == ()
    check_zero(negate(pair("EUR", -3, debit="a", credit="b", dims={"driver": "D"})))


@pytest.mark.parametrize(
    "lines",
    [
        [Posting("a", "EUR", 1), Posting("b", "EUR", -2)],
        [Posting("a", "EUR", 1), Posting("b", "WH", -1)],
        [Posting("a", "EUR", 0)],
        [Posting("a", "EUR", QUANTITY_MAX + 1), Posting("b", "EUR", -QUANTITY_MAX - 1)],
        [Posting("a", PACK, 1, {"pack": "P"}), Posting("b", PACK, -1, {"pack": "Q"})],
        [Posting("a", PACK, 1), Posting("b", PACK, -1)],
        [Posting("a", PACK, 2, {"pack": "P"}), Posting("b", PACK, -2, {"pack": "P"})],
    ],
)
def test_an_entry_that_does_not_balance_is_our_own_bug(lines):
    with pytest.raises(InvariantBroken):
        check_zero(lines)
