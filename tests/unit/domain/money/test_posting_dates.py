import pytest
from msgspec.structs import replace

from ledger.domain.money.posting_dates import (
    BOOKS,
    CALENDAR,
    CLOSED,
    CLOSING,
    PERIODS,
    REOPENED,
    Calendar,
    Period,
    booked,
    books_of,
    date_faults,
    date_rows,
    dated_at,
    is_day,
    is_period,
    last_day,
    late_date,
    local_day,
    posting_date,
)
from ledger.domain.world import World
from ledger.kernel.envelope import Books
from ledger.kernel.instants import period_window
from ledger.kernel.messages import Event
from ledger.kernel.refusal import RefusalCode
from tests.support.books import at, entry_of

ZONE = "Asia/Shanghai"
FEBRUARY = Calendar(ZONE, "2026-01", "2026-02", period_window("2026-02", ZONE).from_at)


class Dated(Event):
    kind = "dated"

    posting_date: str = ""


UNDATED, NAMED = Dated(), Dated(posting_date="2026-01-31")


def world(state: str = CLOSING) -> World:
    made = World(complete=True)
    made.put(CALENDAR, BOOKS, FEBRUARY)
    made.put(PERIODS, "2026-01", Period("2026-01", state, 100))
    return made


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-01-31T15:59:59", "2026-01-31"),
        ("2026-01-31T16:00:00", "2026-02-01"),
    ],
)
def test_a_day_of_the_books_is_a_local_day(text: str, day: str) -> None:
    assert local_day(at(text), ZONE) == day


def test_an_entry_stands_on_its_own_day_unless_it_names_another() -> None:
    entry = entry_of(7, at("2026-01-31T16:30:00"), "usage.accrued")
    assert posting_date(entry, ZONE) == "2026-02-01"
    assert posting_date(entry, "UTC") == "2026-01-31"
    assert posting_date(replace(entry, books=Books("2026-03-04")), ZONE) == "2026-03-04"


@pytest.mark.parametrize(
    ("happened", "recorded", "date"),
    [
        ("2026-02-01T00:00:00", "2026-02-01T01:00:00", None),
        ("2026-01-31T16:00:00", "2026-02-09T01:00:00", None),  # February has begun in Shanghai
        ("2026-01-31T15:59:59", "2026-02-09T01:00:00", "2026-02-09"),
        ("2025-06-01T00:00:00", "2026-02-09T20:00:00", "2026-02-10"),
        ("2026-01-31T15:59:59", "2026-03-09T01:00:00", "2026-02-28"),  # March is not the first
        ("2026-01-31T15:59:59", "2026-01-31T15:59:59", "2026-02-01"),  # a clock that stood still
    ],
)
def test_what_comes_late_stands_in_the_first_open_period(
    happened: str, recorded: str, date: str | None
) -> None:
    found = books_of(FEBRUARY, UNDATED, at(happened), at(recorded))
    assert found == (None if date is None else Books(date))
    if date is not None:
        assert late_date(FEBRUARY, at(recorded)) == date


def test_books_that_keep_no_periods_say_nothing_but_what_a_person_named() -> None:
    assert books_of(None, UNDATED, 0, 0) is None
    assert books_of(None, NAMED, 0, 0) == Books("2026-01-31")
    assert books_of(FEBRUARY, NAMED, at("2026-02-02T00:00"), 0) == Books("2026-01-31")


@pytest.mark.parametrize(
    ("text", "state", "now", "faults"),
    [
        ("", CLOSED, "2026-02-09T00:00", []),
        ("2026-01-31", CLOSING, "2026-02-09T00:00", []),
        ("2026-01-31", REOPENED, "2026-02-09T00:00", []),
        ("2026-01-31", CLOSED, "2026-02-09T00:00", [RefusalCode.PERIOD_CLOSED]),
        ("2026-02-01", CLOSED, "2026-02-09T00:00", []),
        ("2026-02-09", CLOSED, "2026-02-08T16:00", []),  # it is the 9th in Shanghai
        ("2026-02-09", CLOSED, "2026-02-08T15:59", [RefusalCode.PERIOD_CLOSED]),
        ("2025-12-31", CLOSED, "2026-02-09T00:00", [RefusalCode.PERIOD_CLOSED]),
        ("2026-2-1", CLOSED, "2026-02-09T00:00", [RefusalCode.MALFORMED_ENTRY]),
        ("2026-02-30", CLOSED, "2026-02-09T00:00", [RefusalCode.MALFORMED_ENTRY]),
    ],
)
def test_a_date_that_a_person_names_lies_in_a_period_that_takes_it(
    text: str, state: str, now: str, faults: list[RefusalCode]
) -> None:
    assert date_faults(world(state), text, at(now)) == faults


def test_no_period_covers_a_date_while_none_are_kept() -> None:
    assert date_faults(World(complete=True), "2026-01-31", 0) == [RefusalCode.PERIOD_CLOSED]


def test_a_date_is_tested_by_the_calendar_and_its_period() -> None:
    assert [key for _, key in date_rows("2026-01-31")] == [BOOKS, "2026-01"]
    assert [key for _, key in date_rows("soon")] == [BOOKS]


def test_an_entry_of_a_named_date_happened_when_that_day_began() -> None:
    assert dated_at(world(), "2026-01-31") == at("2026-01-30T16:00")
    assert dated_at(world(), "") == 0


def test_entries_that_name_a_date_in_a_shut_period_are_remembered_as_spans() -> None:
    made = world()
    for position in (200, 201, 205):
        booked(made, "2026-01-31", position)
    booked(made, "", 206)
    booked(made, "2026-02-01", 207)  # open: nothing need be remembered
    assert made.need(PERIODS, "2026-01").dated == ((199, 201), (204, 205))
    assert made.get(PERIODS, "2026-02") is None


def test_texts_of_days_and_months() -> None:
    assert [is_period(text) for text in ("2026-01", "2026-13", "2026-1", "2026-01-01")] == [
        True,
        False,
        False,
        False,
    ]
    assert (is_day("2026-02-28"), is_day("2026-02-29"), is_day("20260228")) == (True, False, False)
    assert last_day("2028-02") == "2028-02-29"
