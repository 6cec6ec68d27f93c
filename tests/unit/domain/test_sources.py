"""Sources: once, gaps, clocks; all memory bounded."""

from msgspec.structs import replace

from ledger.domain import sources
from ledger.domain.sources import (
    BOOTS_MAX,
    CONFLICT,
    DUPLICATE,
    GAPS_MAX,
    MESSAGES_MAX,
    NEW,
    SEEN_MAX,
    Boot,
    Sent,
    Source,
    estimate,
    judge,
    moment_of,
    sent_of,
    take,
)
from ledger.domain.world import World
from ledger.kernel.instants import DAY, MINUTE, SECOND
from ledger.kernel.messages import ClockReading, Observed
from ledger.kernel.messages import Source as Origin

NOW = 1_000 * DAY


def sent(seq: int, digest: str = "", **fields) -> Sent:
    more = {"received_at": NOW, "raw_at": NOW} | fields
    return Sent("S", "B1", seq, digest=digest or f"d{seq}", **more)


def after(*some: Sent) -> Source:
    row = None
    for one in some:
        row = take(row, one)
    assert row is not None
    return row


def test_a_count_that_came_is_known_again_and_another_content_contradicts_it():
    assert judge(None, sent(1)) == NEW
    row = after(sent(1), sent(4))
    assert judge(row, sent(1)) == DUPLICATE
    assert judge(row, sent(1, "x")) == CONFLICT
    assert judge(row, sent(2)) == NEW
    assert judge(row, sent(5)) == NEW
    assert judge(row, replace(sent(1, "x"), boot="B2")) == NEW


def test_what_is_too_old_to_be_remembered_came_before_unless_it_was_missing():
    row = after(sent(2), *(sent(seq) for seq in range(3, SEEN_MAX + 10)))
    assert len(row.boot("B1").seen) == SEEN_MAX
    assert judge(row, sent(2, "x")) == DUPLICATE
    assert judge(row, sent(1)) == NEW


def test_without_a_count_the_message_or_its_content_within_a_day_is_known():
    first = sent(0, "d", message="M1")
    row = after(first)
    assert judge(row, first) == DUPLICATE
    assert judge(row, replace(first, digest="x")) == CONFLICT
    again = replace(first, message="M2", received_at=NOW + DAY)
    assert judge(row, again) == DUPLICATE
    assert judge(row, replace(again, received_at=NOW + DAY + 1)) == NEW
    assert judge(row, replace(again, digest="x")) == NEW
    row = after(*(sent(0, f"d{n}", message=f"M{n}") for n in range(MESSAGES_MAX + 1)))
    assert len(row.messages) == MESSAGES_MAX


def test_gaps_open_shrink_and_close():
    boot = after(sent(1), sent(6)).boot("B1")
    assert (boot.gaps, boot.gap_from, boot.last_seq) == (((2, 5),), 2, 6)
    boot = after(sent(1), sent(6), sent(3)).boot("B1")
    assert boot.gaps == ((2, 2), (4, 5))
    boot = after(sent(2), sent(5), sent(3)).boot("B1")
    assert boot.gaps == ((1, 1), (4, 4))
    boot = after(sent(1), sent(6), sent(2), sent(5), sent(3), sent(4)).boot("B1")
    assert (boot.gaps, boot.gap_from) == ((), 0)
    boot = after(sent(3)).boot("B1")
    assert boot.gaps == ((1, 2),)


def test_a_snapshot_says_how_far_its_source_has_counted():
    boot = after(sent(1), sent(2, last_seq=1), sent(3, last_seq=9)).boot("B1")
    assert (boot.gaps, boot.last_seq) == (((4, 9),), 9)
    assert after(sent(0, last_seq=4)).boot("B1").gaps == ((1, 4),)


def test_only_the_newest_gaps_and_boots_are_kept():
    boot = after(*(sent(seq) for seq in range(2, 2 * GAPS_MAX + 10, 2))).boot("B1")
    assert len(boot.gaps) == GAPS_MAX
    assert boot.gaps[-1][0] == boot.last_seq - 1
    row = after(*(replace(sent(1), boot=f"B{n}") for n in range(BOOTS_MAX + 2)))
    assert [one.boot for one in row.boots] == [f"B{n}" for n in range(2, BOOTS_MAX + 2)]


def test_a_clock_is_measured_by_its_least_delayed_message():
    ahead = MINUTE
    delays = (3 * SECOND, SECOND, 2 * SECOND)
    some = [
        sent(seq, raw_at=NOW + seq + ahead, received_at=NOW + seq + delay)
        for seq, delay in enumerate(delays, 1)
    ]
    boot = after(*some).boot("B1")
    assert (boot.is_measured, boot.offset_us) == (True, ahead - SECOND)
    assert estimate(boot).uncertainty_us == SECOND
    spread = estimate(Boot("B1", delays=(0, 5 * SECOND), round_trip_us=2 * SECOND))
    assert spread == (0, 6 * SECOND)
    trips = after(sent(1, round_trip_us=9), sent(2, round_trip_us=4), sent(3)).boot("B1")
    assert trips.round_trip_us == 4


def test_what_was_kept_back_or_has_no_time_says_nothing_of_the_clock():
    for one in (sent(1, offline=True), sent(1, raw_at=0)):
        boot = after(one).boot("B1")
        assert (boot.is_measured, boot.delays) == (False, ())


def test_a_clock_that_was_set_is_measured_anew():
    def at(seq: int, off: int) -> Sent:
        return sent(seq, raw_at=NOW + seq * SECOND + off, received_at=NOW + seq * SECOND)

    forward = after(at(1, 0), at(2, 0), at(3, 5 * MINUTE)).boot("B1")
    assert (forward.offset_us, len(forward.delays)) == (5 * MINUTE, 1)
    one_late = after(at(1, 0), at(2, -5 * MINUTE)).boot("B1")
    assert one_late.offset_us == 0
    back = after(at(1, 0), *(at(seq, -5 * MINUTE) for seq in (2, 3, 4))).boot("B1")
    assert (back.offset_us, len(back.delays)) == (-5 * MINUTE, 3)


def test_a_time_is_corrected_where_that_is_possible():
    boot = Boot("B1", is_measured=True, offset_us=MINUTE, uncertainty_us=9)
    moment = moment_of(boot, sent(1), "S")
    assert moment == (NOW - MINUTE, ClockReading("S", MINUTE, 9, NOW))
    assert moment_of(Boot("B1"), sent(1), "S").clock.quality == "I"
    assert moment_of(Boot("B1"), sent(1), "R").clock.quality == "R"
    for raw_at in (0, NOW + 10 * MINUTE + 1, NOW - 400 * DAY - 1):
        moment = moment_of(Boot("B1"), sent(1, raw_at=raw_at), "S")
        assert (moment.at, moment.clock.quality, moment.clock.raw_at) == (NOW, "U", raw_at)


def test_what_a_door_relays_is_not_counted():
    observed = Observed(NOW, Origin("P-1", boot_id="B1", seq=3), ClockReading("S", raw_at=7))
    relayed = sent_of(observed, "d", relayed=True)
    assert (relayed.source, relayed.seq, relayed.raw_at) == ("P-1", 3, 7)
    world = World(complete=True)
    sources.keep(world, relayed)
    assert world.get(sources.SOURCES, "P-1") is None
    sources.keep(world, sent_of(observed, "d"))
    assert world.need(sources.SOURCES, "P-1").boot("B1").last_seq == 3
