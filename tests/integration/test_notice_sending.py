"""Letters to drivers: held back in quiet hours, tried again, dead in the end, and never twice."""

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from typing_extensions import override

from ledger.kernel.instants import DAY, HOUR, MINUTE, as_text, parse_instant
from ledger.runtime import notice_sending
from ledger.runtime.notice_sending import (
    WAITS_US,
    Carried,
    Letter,
    LetterCarrier,
    PostOffice,
    QuietHours,
    Recipient,
    Wishes,
    dead_letters,
    plan,
    quiet_until,
    send,
    try_again,
)
from ledger.store import notices
from ledger.store.notice_sending import DEAD, DROPPED, SENDING, SENT, WAITING
from ledger.store.notices import NoticeBody, NoticeRow
from ledger.store.tables import driver_notice_sending as table
from partner_api.driver.bodies_support import NoticeChannels, NoticeSettings
from tests.support.ledgers import new_ledger
from tests.support.stores import BOTH, new_database

NOON = parse_instant("2026-01-10T12:00:00Z", "at")
NIGHT = QuietHours("22:00", "07:00", "Europe/Berlin")


class Post(LetterCarrier):
    """Carries as it is told; without a word it takes everything."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.says: list[Carried] = []

    @override
    def carry(self, letter: Letter) -> Carried:
        self.letters.append(letter)
        return self.says.pop(0) if self.says else Carried.SENT


class Town:
    """A ledger with notices, and a post of two channels."""

    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger
        self.mail, self.texts = Post(), Post()
        self.known = {"email": "zoe@example.net", "sms": "+33600000000"}
        self.office = PostOffice(
            {"email": self.mail, "sms": self.texts},
            lambda _: Recipient(self.known, "zh"),
            lambda row, language: (row.kind, language),
        )

    def want(self, *, email: bool = True, sms: bool = False, night: bool = False) -> None:
        kinds = tuple(
            NoticeChannels(kind, in_app=True, email=email, sms=sms)
            for kind in ("bill_due", "hold_ending")
        )
        said = msgspec.json.decode(msgspec.json.encode(NoticeSettings(kinds)))
        if night:
            said["quiet_hours"] = msgspec.to_builtins(NIGHT)
        with self.ledger.writing() as tx:
            notices.put_settings(tx, 1, "DR-1", msgspec.json.encode(said))

    def tell(self, at: int, notice_id: str = "NO-1", kind: str = "bill_due", now: int = 0) -> int:
        body = NoticeBody("invoice.issued", {}, "invoice", "I-1")
        row = NoticeRow(notice_id, "DR-1", kind, "I-1", at, body)
        with self.ledger.writing() as tx:
            notices.add(tx, 1, [row])
            return plan(tx, 1, [row], now or at)

    def states(self) -> list[tuple[str, str, str]]:
        with self.ledger.reading() as reads:
            rows = reads.tx.execute(sa.select(table).order_by(table.c.notice_id, table.c.channel))
            return [(row.channel, row.state, row.reason) for row in rows]


@pytest.fixture(scope="module", params=BOTH)
def ledger(request, tmp_path_factory):
    url = new_database(request.param, request, tmp_path_factory.mktemp("letters"))
    with new_ledger(url) as found:
        yield found


@pytest.fixture
def town(ledger):
    with ledger.writing() as tx:
        notices.forget(tx, 1, "DR-1")
    return Town(ledger)


def test_who_said_nothing_gets_nothing(town):
    assert town.tell(NOON) == 0
    town.want(email=False)
    assert town.tell(NOON, "NO-2") == 0
    assert town.states() == []


def test_a_letter_goes_once_by_each_channel_that_is_wanted(town):
    town.want(sms=True)
    assert town.tell(NOON) == 2
    assert town.tell(NOON) == 0  # as when the inbox is made anew
    assert send(town.ledger, town.office, NOON) == {SENT: 2}
    assert send(town.ledger, town.office, NOON + DAY) == {}
    (letter,) = town.mail.letters
    assert letter == Letter("NO-1.email", "email", "zoe@example.net", "bill_due", "zh")
    assert [one.address for one in town.texts.letters] == ["+33600000000"]


def test_what_is_old_when_it_is_first_seen_stays_in_the_inbox(town):
    town.want()
    assert town.tell(NOON - DAY, now=NOON) == 0
    assert town.tell(NOON - DAY + 1, "NO-2", now=NOON) == 1


def test_quiet_hours_hold_back_all_but_what_is_about_this_hour(town):
    town.want(night=True)
    late = NOON + 10 * HOUR  # 23:00 in Berlin
    town.tell(late)
    town.tell(late, "NO-2", "hold_ending")
    assert send(town.ledger, town.office, late) == {SENT: 1}
    morning = NOON + 18 * HOUR
    assert send(town.ledger, town.office, morning - 1) == {}
    assert send(town.ledger, town.office, morning) == {SENT: 1}
    assert [one.letter_id for one in town.mail.letters] == ["NO-2.email", "NO-1.email"]


def test_hours_that_begin_before_a_letter_went_hold_it_back_too(town):
    town.want()
    late = NOON + 10 * HOUR
    town.tell(late)
    town.want(night=True)
    assert send(town.ledger, town.office, late) == {WAITING: 1}
    assert send(town.ledger, town.office, NOON + 18 * HOUR) == {SENT: 1}


def test_what_was_not_taken_is_tried_later_and_later_and_dies(town):
    town.want()
    town.tell(NOON)
    town.mail.says = [Carried.LATER] * 9
    now = int(NOON)
    for wait in WAITS_US:
        assert send(town.ledger, town.office, now) == {WAITING: 1}
        assert send(town.ledger, town.office, now + wait - 1) == {}
        now += wait
    assert send(town.ledger, town.office, now) == {DEAD: 1}
    assert dead_letters(town.ledger) == {"tries": 1}
    assert send(town.ledger, town.office, now + DAY) == {}
    town.mail.says = []
    assert try_again(town.ledger, now) == 1
    assert send(town.ledger, town.office, now) == {SENT: 1}


def test_a_channel_that_takes_nothing_is_left_alone_for_the_round(town):
    town.want(sms=True)
    for number in range(3):
        town.tell(NOON, f"NO-{number}")
    town.mail.says = [Carried.LATER]
    assert send(town.ledger, town.office, NOON) == {WAITING: 1, SENT: 3}
    assert len(town.mail.letters) == 1


@pytest.mark.parametrize(
    ("came", "reason"), [(Carried.NEVER, "refused"), (Carried.UNSURE, "unsure")]
)
def test_what_is_turned_down_or_perhaps_there_is_not_tried_again(town, came, reason):
    town.want()
    town.tell(NOON)
    town.mail.says = [came]
    assert send(town.ledger, town.office, NOON) == {DEAD: 1}
    assert send(town.ledger, town.office, NOON + HOUR) == {}
    assert dead_letters(town.ledger) == {reason: 1}
    assert try_again(town.ledger, NOON) == (came is Carried.NEVER)


def test_a_process_that_dies_between_sending_and_noting_sends_nothing_twice(town):
    class Killed(Exception):
        pass

    class Deadly(Post):
        @override
        def carry(self, letter: Letter) -> Carried:
            super().carry(letter)
            raise Killed

    town.want()
    town.tell(NOON)
    deadly = Deadly()
    with pytest.raises(Killed):
        send(town.ledger, msgspec.structs.replace(town.office, carriers={"email": deadly}), NOON)
    assert town.states() == [("email", SENDING, "")]
    for later in (MINUTE, HOUR):
        send(town.ledger, town.office, NOON + later)
    assert (len(deadly.letters), town.mail.letters) == (1, [])
    assert town.states() == [("email", DEAD, "unsure")]


def test_of_two_processes_one_sends(town):
    town.want()
    town.tell(NOON)

    class Meanwhile(Post):
        @override
        def carry(self, letter: Letter) -> Carried:
            other = Town(town.ledger)
            assert send(town.ledger, other.office, NOON) == {}
            return super().carry(letter)

    first = Meanwhile()
    office = msgspec.structs.replace(town.office, carriers={"email": first})
    assert send(town.ledger, office, NOON) == {SENT: 1}

    town.tell(NOON, "NO-2")

    def taken_before(_driver_id: str) -> Recipient:
        send(town.ledger, town.office, NOON)
        return Recipient(town.known)

    second = Post()
    office = msgspec.structs.replace(
        town.office, carriers={"email": second}, recipient=taken_before
    )
    send(town.ledger, office, NOON)
    assert (len(first.letters), len(second.letters), len(town.mail.letters)) == (1, 0, 1)


def test_what_is_wanted_no_more_too_late_or_has_no_address_does_not_go(town):
    town.want(sms=True)
    town.tell(NOON)
    town.known = {"sms": ""}
    town.office = msgspec.structs.replace(town.office, recipient=lambda _: Recipient(town.known))
    assert send(town.ledger, town.office, NOON) == {DROPPED: 2}
    town.tell(NOON, "NO-2")
    town.want()
    town.tell(NOON, "NO-3", "hold_ending")
    assert send(town.ledger, town.office, NOON + 11 * MINUTE) == {DROPPED: 3}
    reasons = [reason for _, _, reason in town.states()]
    assert sorted(reasons) == ["late", "no_address", "no_address", "no_address", "unwanted"]
    assert town.mail.letters == []


def test_a_round_is_bounded_and_ends_when_it_must(town, monkeypatch):
    monkeypatch.setattr(notice_sending, "AT_ONCE", 2)
    town.want()
    for number in range(3):
        town.tell(NOON, f"NO-{number}")
    assert send(town.ledger, town.office, NOON, lambda: True) == {}
    assert send(town.ledger, town.office, NOON) == {SENT: 2}
    assert notice_sending.has_due(town.ledger, NOON)
    assert send(town.ledger, town.office, NOON) == {SENT: 1}
    assert not notice_sending.has_due(town.ledger, NOON)
    send(town.ledger, town.office, NOON + 31 * DAY)
    assert town.states() == []


def test_an_erased_driver_leaves_no_row(town):
    town.want()
    town.tell(NOON)
    with town.ledger.writing() as tx:
        notices.forget(tx, 1, "DR-1")
    assert town.states() == []


# Hours ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        (("22:00", "07:00"), "2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z"),
        (("22:00", "07:00"), "2026-01-10T20:59:59Z", ""),
        (("22:00", "07:00"), "2026-01-10T05:59:59Z", "2026-01-10T06:00:00Z"),
        (("12:00", "14:00"), "2026-01-10T11:30:00Z", "2026-01-10T13:00:00Z"),
        (("12:00", "14:00"), "2026-01-10T13:00:00Z", ""),
        (("07:00", "07:00"), "2026-01-10T06:00:00Z", ""),
        # the night in which clocks go forward, and the hour that is not there
        (("22:00", "07:00"), "2026-03-28T22:00:00Z", "2026-03-29T05:00:00Z"),
        (("22:00", "02:30"), "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"),
        # the night in which an hour comes twice
        (("22:00", "02:30"), "2026-10-25T00:15:00Z", "2026-10-25T00:30:00Z"),
        (("22:00", "02:30"), "2026-10-25T01:15:00Z", "2026-10-25T01:15:00.000001Z"),
        (("22:00", "02:30"), "2026-10-25T01:30:00Z", ""),
    ],
)
def test_quiet_hours_are_by_the_drivers_clock(hours, now, until):
    begin, end = hours
    found = quiet_until(QuietHours(begin, end, "Europe/Berlin"), parse_instant(now, "now"))
    assert (as_text(found) if found else "") == until


def test_what_the_door_keeps_is_what_is_read_here():
    assert Wishes.__struct_fields__ == NoticeSettings.__struct_fields__
    assert notice_sending.KindWish.__struct_fields__ == NoticeChannels.__struct_fields__
