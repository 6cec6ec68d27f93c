"""Sources of observations: what each has sent, what is missing, and what its clock is worth.

A source counts its messages from 1 since its last boot. What comes twice is known again (R1), what
is left out is a gap until it comes, and the clock is corrected by the message that was delayed
least. All memory is bounded: by boots, counts and messages, the newest are kept.
"""

from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from ledger.domain.world import Shelf, World
from ledger.kernel.instants import DAY, MINUTE, SECOND
from ledger.kernel.messages import ClockReading, Observed

BOOTS_MAX = 8
"""Boots of a source that are remembered."""

SEEN_MAX = 256
"""Counts of a boot whose content is remembered; an older one that was no gap came before."""

GAPS_MAX = 64
"""Gaps of a boot that may still close; the oldest beyond them is lost for good."""

MESSAGES_MAX = 64
"""Messages without a count whose content is remembered."""

SAME_CONTENT_US = DAY
"""Policy: the same content under another message id within this time is the same message."""

WINDOW = 32
"""Online messages by which a clock is measured."""

UNCERTAINTY_MIN_US = SECOND
"""Policy: no clock is trusted further than this."""

JUMP_US = MINUTE
"""Policy: a clock that moved further than this is measured anew."""

STEADY = 3
"""Messages in a row by which a clock that was set back is known."""

OFFSET_STEP_US = SECOND
"""Policy: a smaller change of an offset is no new estimate."""

PAST_US = 400 * DAY
FUTURE_US = 10 * MINUTE
"""A corrected time further from the arrival than this says nothing (quality U)."""

NEW, DUPLICATE, CONFLICT = "new", "duplicate", "conflict"


class Sent(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where an observation stands among those of its source; times in us.

    `seq` counts from 1 since `boot`, 0 where the source does not count. `last_seq` is the highest
    count that the source says it has given out, `message` its name for the message. What is
    `relayed` came through a door that knows repetitions itself: its count orders, and no more.
    """

    source: str
    boot: str = ""
    seq: int = 0
    message: str = ""
    digest: str = ""
    raw_at: int = 0
    received_at: int = 0
    last_seq: int = 0
    round_trip_us: int = 0
    offline: bool = False
    relayed: bool = False


class Estimate(NamedTuple):
    """How far a clock is ahead of ours, and how wrong that may be, in us."""

    offset_us: int
    uncertainty_us: int


class Boot(msgspec.Struct, frozen=True, omit_defaults=True):
    """One life of a source between two starts.

    `seen` are counts with the digest of their content, `gaps` ranges of counts that did not come,
    both ends inside; `gap_from` is the lowest count that was missing since none was. `delays` are
    arrival less the source's own time of its last online messages, `offset_us` and
    `uncertainty_us` the estimate in force.
    """

    boot: str
    last_seq: int = 0
    seen: tuple[tuple[int, str], ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    gap_from: int = 0
    delays: tuple[int, ...] = ()
    round_trip_us: int = 0
    is_measured: bool = False
    offset_us: int = 0
    uncertainty_us: int = 0


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one source; `messages` are (id, digest, arrival) of those without count."""

    source: str
    boots: tuple[Boot, ...] = ()
    messages: tuple[tuple[str, str, int], ...] = ()

    def boot(self, name: str) -> Boot:
        """Give a boot, a new one where it is not known."""
        return next((boot for boot in self.boots if boot.boot == name), Boot(name))

    def with_boot(self, boot: Boot) -> "Source":
        """Keep a boot as it is now, as the newest one where it is new."""
        if any(one.boot == boot.boot for one in self.boots):
            boots = tuple(boot if one.boot == boot.boot else one for one in self.boots)
        else:
            boots = (*self.boots, boot)[-BOOTS_MAX:]
        return replace(self, boots=boots)


SOURCES = Shelf("observation_sources", Source)


# Once (R1) ------------------------------------------------------------------------


def judge(source: Source | None, sent: Sent) -> str:
    """Tell whether a message is new, came before, or contradicts one that came before."""
    if source is None:
        return NEW
    if sent.seq:
        return _judge_counted(source.boot(sent.boot), sent)
    for message, digest, received_at in source.messages:
        if sent.message and message == sent.message:
            return DUPLICATE if digest == sent.digest else CONFLICT
        if digest == sent.digest and abs(sent.received_at - received_at) <= SAME_CONTENT_US:
            return DUPLICATE
    return NEW


def _judge_counted(boot: Boot, sent: Sent) -> str:
    if sent.seq > boot.last_seq or any(low <= sent.seq <= high for low, high in boot.gaps):
        return NEW
    known = dict(boot.seen).get(sent.seq)
    return CONFLICT if known not in (None, sent.digest) else DUPLICATE


# Gaps -----------------------------------------------------------------------------


def take(source: Source | None, sent: Sent) -> Source:
    """Give what is known of a source once a new message came."""
    source = source or Source(sent.source)
    if not sent.seq:
        message = (sent.message, sent.digest, sent.received_at)
        source = replace(source, messages=(*source.messages, message)[-MESSAGES_MAX:])
        boot = source.boot(sent.boot)
    else:
        boot = _counted(source.boot(sent.boot), sent)
    if sent.last_seq > boot.last_seq:
        boot = replace(
            boot,
            last_seq=sent.last_seq,
            gaps=(*boot.gaps, (boot.last_seq + 1, sent.last_seq))[-GAPS_MAX:],
        )
    gap_from = boot.gaps[0][0] if boot.gaps and not boot.gap_from else boot.gap_from
    boot = replace(boot, gap_from=gap_from if boot.gaps else 0)
    return source.with_boot(_measured(boot, sent))


def _counted(boot: Boot, sent: Sent) -> Boot:
    seq = sent.seq
    gaps = list(boot.gaps)
    if seq > boot.last_seq + 1:
        gaps.append((boot.last_seq + 1, seq - 1))
    elif seq <= boot.last_seq:
        gaps = [part for gap in gaps for part in _without(gap, seq)]
    return replace(
        boot,
        last_seq=max(boot.last_seq, seq),
        seen=(*boot.seen, (seq, sent.digest))[-SEEN_MAX:],
        gaps=tuple(gaps[-GAPS_MAX:]),
    )


def _without(gap: tuple[int, int], seq: int) -> list[tuple[int, int]]:
    low, high = gap
    if not low <= seq <= high:
        return [gap]
    return [(first, last) for first, last in ((low, seq - 1), (seq + 1, high)) if first <= last]


# Clocks (R3) ----------------------------------------------------------------------


def _measured(boot: Boot, sent: Sent) -> Boot:
    """Let an online message witness how far the clock is off."""
    if sent.offline or not sent.raw_at:
        return boot
    delay = sent.received_at - sent.raw_at
    delays = boot.delays
    if _was_set(delays, delay):
        # what was measured before is of another clock
        delays = () if delay < min(delays) else delays[1 - STEADY :]
    trips = [trip for trip in (boot.round_trip_us, sent.round_trip_us) if trip]
    boot = replace(boot, delays=(*delays, delay)[-WINDOW:], round_trip_us=min(trips, default=0))
    found = estimate(boot)
    if boot.is_measured and abs(found.offset_us - boot.offset_us) < OFFSET_STEP_US:
        return boot
    return replace(
        boot,
        is_measured=True,
        offset_us=found.offset_us,
        uncertainty_us=found.uncertainty_us,
    )


def _was_set(delays: tuple[int, ...], delay: int) -> bool:
    """Tell whether a clock was set since it was measured; one late message proves nothing."""
    if not delays:
        return False
    newest = (*delays[1 - STEADY :], delay)
    later = len(newest) == STEADY and min(newest) > min(delays) + JUMP_US
    return later or delay < min(delays) - JUMP_US


def estimate(boot: Boot) -> Estimate:
    """Estimate a clock by its least delayed messages (custody handbook 10.1).

    >>> estimate(Boot("B", delays=(-58_000_000, -60_000_000)))
    Estimate(offset_us=60000000, uncertainty_us=2000000)
    """
    delays = sorted(boot.delays)
    least = delays[: max(2, len(delays) // 10)]
    spread = least[-1] - least[0] + boot.round_trip_us // 2
    return Estimate(-least[0], max(spread, UNCERTAINTY_MIN_US))


class Moment(NamedTuple):
    """When something happened, as well as that is known; `at` is the arrival for quality U."""

    at: int
    clock: ClockReading


def moment_of(boot: Boot, sent: Sent, quality: str) -> Moment:
    """Correct the time of a message by the clock of its source."""
    at = sent.raw_at - boot.offset_us
    early, late = sent.received_at - PAST_US, sent.received_at + FUTURE_US
    if not sent.raw_at or not early <= at <= late:
        return Moment(sent.received_at, ClockReading("U", raw_at=sent.raw_at))
    quality = quality if boot.is_measured else max(quality, "I", key="SIRU".find)
    clock = ClockReading(quality, boot.offset_us, boot.uncertainty_us, sent.raw_at)
    return Moment(at, clock)


def keep(world: World, sent: Sent) -> None:
    """Remember that a message came."""
    if not sent.relayed:
        world.put(SOURCES, sent.source, take(world.get(SOURCES, sent.source), sent))


def sent_of(observed: Observed, digest: str, *, relayed: bool = False) -> Sent:
    """Take from how an observation arrived what orders it."""
    source = observed.source
    return Sent(
        relayed=relayed,
        source=source.device or source.party,
        boot=source.boot_id,
        seq=source.seq,
        message=source.message_id,
        digest=digest,
        raw_at=observed.clock.raw_at,
        received_at=observed.received_at,
        offline=source.offline,
    )
