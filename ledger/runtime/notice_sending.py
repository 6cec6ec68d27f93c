"""Notices that leave the house: by which channel, when, how often tried, never twice.

A driver says for each kind of notice whether it also goes by e-mail or as a text message, and
between which hours by a wall clock of his it does not. What comes up in those hours is held back
and goes when they end, but for what would be of no use then. Somebody who said nothing gets
nothing.

Each notice has one row a channel. It is claimed in the database before it is handed over, and the
outcome is noted after; a process that dies between the two leaves a row of which nobody knows
whether it was sent, and that one is not sent again. So at most one arrives, whatever happens. What
was surely not taken is tried again, later and later, and ends as a dead letter.

A letter's words and its address are made when it goes, and are kept nowhere else.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from ledger.kernel.instants import DAY, HOUR, MINUTE, as_datetime, instant_of
from ledger.runtime.ledger import Ledger
from ledger.store import notice_sending, notices
from ledger.store.notice_sending import DEAD, DROPPED, SENDING, SENT, WAITING, SendingRow
from ledger.store.notices import NoticeRow

Channel = Literal["email", "sms"]
CHANNELS: tuple[Channel, ...] = ("email", "sms")

URGENT = frozenset({"hold_ending", "station_down"})
"""Kinds about a booking of this hour: quiet hours do not hold them back."""

LASTS_US = {"hold_ending": 10 * MINUTE, "station_down": HOUR}
USUALLY_LASTS_US = 3 * DAY
FRESH_US = DAY
"""What is older when it is first seen, as in an inbox made anew, stays in the inbox alone."""

WAITS_US = (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR)
"""After so long a letter is tried again; once more than there are waits it is dead."""

ANSWERS_WITHIN_US = 10 * MINUTE
"""What was claimed so long ago and not noted was handed over by a process that is gone."""

KEPT_US = 30 * DAY
AT_ONCE = 50
"""Letters of a channel in one round."""

REFUSED, TRIES, UNSURE = "refused", "tries", "unsure"
"""Why a letter is dead: turned down; never taken; perhaps taken, so not tried again."""
UNWANTED, LATE, NO_ADDRESS = "unwanted", "late", "no_address"
"""Why a letter need not go."""


class Letter(msgspec.Struct, frozen=True):
    """A notice as it leaves; `letter_id` is the same whenever it is tried."""

    letter_id: str
    channel: Channel
    address: str
    subject: str
    text: str


class Carried(StrEnum):
    """What came of handing a letter over."""

    SENT = "sent"
    LATER = "later"
    NEVER = "never"
    UNSURE = "unsure"


class LetterCarrier(Protocol):
    """Hands letters of a channel to whoever brings them.

    ``SENT``: taken. ``LATER``: surely not taken, and may be tried again. ``NEVER``: turned down for
    good. ``UNSURE``: given away, and no answer came. It raises nothing and notes no address.
    """

    def carry(self, letter: Letter) -> Carried:
        """Hand a letter over; may take long."""
        ...


class Recipient(msgspec.Struct, frozen=True):
    """Where a driver is reached, by channel, and in which language."""

    addresses: Mapping[str, str]
    language: str = "en"


class PostOffice(msgspec.Struct, frozen=True):
    """Who carries what, who knows addresses, and who has the words: title and text."""

    carriers: Mapping[Channel, LetterCarrier]
    recipient: Callable[[str], Recipient]
    words: Callable[[NoticeRow, str], tuple[str, str]]


# Wishes -----------------------------------------------------------------------


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when to when (HH:MM), by a wall clock in a zone of the tz database."""

    begin: str
    end: str
    zone: str


class KindWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where notices of a kind go beside the inbox."""

    kind: str
    in_app: bool
    email: bool
    sms: bool


class Wishes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a driver said about his notices."""

    kinds: tuple[KindWish, ...] = ()
    quiet_hours: QuietHours | None = None

    def channels(self, kind: str) -> list[Channel]:
        """List the channels by which a kind of notice goes."""
        found = [one for one in self.kinds if one.kind == kind]
        return [name for one in found for name in CHANNELS if getattr(one, name)]

    def goes_at(self, kind: str, now: int) -> int:
        """Give when a notice of a kind may go (us): now, or when the quiet hours end."""
        if self.quiet_hours is None or kind in URGENT:
            return now
        return quiet_until(self.quiet_hours, now) or now


def quiet_until(hours: QuietHours, now: int) -> int:
    """Give when the quiet hours end in which `now` lies (us), 0 where it lies in none.

    They may pass midnight; hours that end as they begin are none. Where the clocks are put forward
    over their end, they end with the jump.

    >>> from ledger.kernel.instants import as_text, parse_instant
    >>> night = QuietHours("22:00", "07:00", "Europe/Berlin")
    >>> as_text(quiet_until(night, parse_instant("2026-01-10T21:30:00Z", "now")))
    '2026-01-11T06:00:00Z'
    >>> quiet_until(night, parse_instant("2026-01-10T06:00:00Z", "now"))
    0
    """
    begin, end = time.fromisoformat(hours.begin), time.fromisoformat(hours.end)
    zone = ZoneInfo(hours.zone)
    local = as_datetime(now).astimezone(zone)
    clock = local.time()
    is_quiet = begin <= clock < end if begin <= end else clock >= begin or clock < end
    if not is_quiet:
        return 0
    day = local.date() + timedelta(days=int(clock >= end))
    return max(instant_of(datetime.combine(day, end, zone)), now + 1)


def wishes_of(tx: sa.Connection, log_id: int, driver_id: str) -> Wishes:
    """Read what a driver said about his notices; one who said nothing wants none to leave."""
    kept = notices.settings_of(tx, log_id, driver_id)
    return Wishes() if kept is None else msgspec.json.decode(kept, type=Wishes)


# Planning ---------------------------------------------------------------------


def plan(
    tx: sa.Connection,
    log_id: int,
    rows: Iterable[NoticeRow],
    now: int,
    carried: Sequence[Channel] = CHANNELS,
) -> int:
    """Let new notices go by those channels that are `carried` and that their drivers want.

    Gives how many letters that is.
    """
    known: dict[str, Wishes] = {}
    planned = 0
    for row in rows:
        if row.at <= now - FRESH_US:
            continue
        if row.driver_id not in known:
            known[row.driver_id] = wishes_of(tx, log_id, row.driver_id)
        wishes = known[row.driver_id]
        for channel in set(wishes.channels(row.kind)) & set(carried):
            letter = SendingRow(
                row.notice_id,
                channel,
                row.driver_id,
                row.kind,
                row.at,
                next_at=wishes.goes_at(row.kind, now),
            )
            planned += notice_sending.add(tx, log_id, letter)
    return planned


# Sending ----------------------------------------------------------------------


def send(
    ledger: Ledger, office: PostOffice, now: int, is_ending: Callable[[], bool] = lambda: False
) -> Counter[str]:
    """Send what is due; give how many letters ended, or wait again, by their new state.

    A channel whose other side takes nothing now is left until the next time.
    """
    log_id = ledger.name.log_id
    with ledger.writing() as tx:
        notice_sending.give_up_since(tx, log_id, now - ANSWERS_WITHIN_US, UNSURE)
        notice_sending.prune(tx, log_id, now - KEPT_US)
    told: Counter[str] = Counter()
    for channel, carrier in office.carriers.items():
        with ledger.reading() as reads:
            rows = notice_sending.due(reads.tx, log_id, channel, now, AT_ONCE)
        for row in rows:
            if is_ending():
                return told
            after = _sent(ledger, office, carrier, row, now)
            told[after.state] += 1
            if after.state == WAITING and after.tries > row.tries:
                break
    return told


def _sent(
    ledger: Ledger, office: PostOffice, carrier: LetterCarrier, row: SendingRow, now: int
) -> SendingRow:
    """Send one letter, if it shall go; gives how it stands then."""
    log_id = ledger.name.log_id
    with ledger.reading() as reads:
        wishes = wishes_of(reads.tx, log_id, row.driver_id)
        notice = notices.one(reads.tx, log_id, row.notice_id)
    goes_at = wishes.goes_at(row.kind, now)
    lasts_us = LASTS_US.get(row.kind, USUALLY_LASTS_US)
    if notice is None or row.channel not in wishes.channels(row.kind):
        return _put(ledger, row, replace(row, state=DROPPED, reason=UNWANTED, next_at=now))
    if now - row.at > lasts_us:
        return _put(ledger, row, replace(row, state=DROPPED, reason=LATE, next_at=now))
    if goes_at > now:
        return _put(ledger, row, replace(row, next_at=goes_at))
    to = office.recipient(row.driver_id)
    address = to.addresses.get(row.channel, "")
    if not address:
        return _put(ledger, row, replace(row, state=DROPPED, reason=NO_ADDRESS, next_at=now))
    claimed = replace(row, state=SENDING, tries=row.tries + 1, next_at=now)
    if _put(ledger, row, claimed) is row:
        return row  # another process sends it
    title, text = office.words(notice, to.language)
    letter_id = f"{row.notice_id}.{row.channel}"
    channel: Channel = "email" if row.channel == "email" else "sms"
    came = carrier.carry(Letter(letter_id, channel, address, title, text))
    return _put(ledger, claimed, _noted(claimed, came, now))


def _noted(row: SendingRow, came: Carried, now: int) -> SendingRow:
    """Say how a letter stands after it was handed over."""
    match came:
        case Carried.SENT:
            return replace(row, state=SENT)
        case Carried.NEVER:
            return replace(row, state=DEAD, reason=REFUSED)
        case Carried.UNSURE:
            return replace(row, state=DEAD, reason=UNSURE)
        case Carried.LATER if row.tries > len(WAITS_US):
            return replace(row, state=DEAD, reason=TRIES)
        case _:
            return replace(row, state=WAITING, next_at=now + WAITS_US[row.tries - 1])


def _put(ledger: Ledger, before: SendingRow, after: SendingRow) -> SendingRow:
    """Note how a letter stands; gives `before` where somebody else was first."""
    with ledger.writing() as tx:
        return after if notice_sending.move(tx, ledger.name.log_id, before, after) else before


def has_due(ledger: Ledger, now: int) -> bool:
    """Tell whether any letter is to go now, or was handed over long ago and not noted."""
    log_id = ledger.name.log_id
    with ledger.reading() as reads:
        tx = reads.tx
        waits = any(notice_sending.due(tx, log_id, channel, now, 1) for channel in CHANNELS)
        return waits or bool(notice_sending.of_state(tx, log_id, SENDING))


def dead_letters(ledger: Ledger) -> dict[str, int]:
    """Count the letters of the last 30 days that could not be sent, by their reason."""
    with ledger.reading() as reads:
        return notice_sending.dead_letters(reads.tx, ledger.name.log_id)


def try_again(ledger: Ledger, now: int, reasons: Sequence[str] = (REFUSED, TRIES)) -> int:
    """Let dead letters go once more, but for those that may have arrived; give how many."""
    log_id, count = ledger.name.log_id, 0
    with ledger.writing() as tx:
        for row in notice_sending.of_state(tx, log_id, DEAD):
            if row.reason in reasons:
                again = replace(row, state=WAITING, tries=0, reason="", next_at=now)
                count += notice_sending.move(tx, log_id, row, again)
    return count
