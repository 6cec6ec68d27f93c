"""A driver in a swap that does not go as it should: he stops it, has a slot opened, calls."""

import pytest
from msgspec.structs import replace

from ledger.domain.asking import AnswerSwap
from ledger.domain.cases import CASES
from ledger.domain.helping import (
    REOPENED_MAX,
    CallForHelp,
    ReopenSlot,
    SlotReopened,
    StopSwap,
    help_case_of,
)
from ledger.domain.saga import GRACE_US, SWAPS, TIMEOUT_US
from ledger.domain.stations import STATIONS
from ledger.domain.swap import STOPPED, UNANSWERED, SwapExpired
from ledger.domain.waiting import TIMERS
from ledger.domain.world import key_of
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events
from tests.support.swaps import (
    AUTHORISE,
    NOON,
    PACK_IN,
    PACK_OUT,
    TIME_OUT,
    do,
    swap_of,
    swapping,
)

DRIVER = Actor("DR-1", "driver")
OTHER = Actor("DR-2", "driver")
STOP = StopSwap(swap_id="SW-1")
AGAIN = ReopenSlot(swap_id="SW-1", station_id="ST-1")
CALL = CallForHelp(swap_id="SW-1")
OPEN = replace(AUTHORISE, open_slots=("1",))


def refusal(world, command, actor=DRIVER):
    found = act(world, command, at=NOON, actor=actor)
    assert isinstance(found, Refusal)
    return found.code


@pytest.mark.parametrize("before", [(), (AUTHORISE,), (replace(AUTHORISE, is_answered=False),)])
def test_a_driver_stops_a_swap_in_which_nothing_moved(before):
    world = swapping(*before)
    assert do(world, STOP, DRIVER) == [SwapExpired(swap_id="SW-1", reason=STOPPED)]
    assert swap_of(world).stage == "EXPIRED"
    assert world.need(TIMERS, key_of("swap", "SW-1")).due_at == 0


def test_what_has_moved_is_not_stopped():
    world = swapping(OPEN, PACK_IN)
    assert refusal(world, STOP) is RefusalCode.SWAP_STAGE
    assert refusal(swapping(), STOP, OTHER) is RefusalCode.SWAP_OF_ANOTHER_DRIVER
    assert refusal(swapping(), replace(STOP, swap_id="SW-9")) is RefusalCode.SWAP_UNKNOWN
    assert refusal(swapping(), replace(AGAIN, swap_id="SW-9")) is RefusalCode.SWAP_UNKNOWN


def test_a_station_that_does_not_answer_is_not_waited_for_for_ever():
    world = swapping()
    assert world.need(TIMERS, key_of("swap", "SW-1")).due_at == NOON + TIMEOUT_US + GRACE_US
    ended = do(world, TIME_OUT)
    assert ended == [SwapExpired(swap_id="SW-1", reason=UNANSWERED)]


def test_the_slot_of_the_next_pack_is_opened_again():
    world = swapping(OPEN, PACK_IN)
    made = do(world, AGAIN, DRIVER)
    assert made == [SlotReopened(swap_id="SW-1", station_id="ST-1", driver_id="DR-1", slot="2")]
    assert (swap_of(world).reopened, swap_of(world).since_at) == (1, NOON)


def test_the_slot_for_a_pack_that_is_to_come_in_is_opened_again():
    world = swapping(OPEN, replace(PACK_OUT, occurred_at=NOON), order="Out-In")
    assert do(world, AGAIN, DRIVER)[0].slot == "1"
    world = swapping(AUTHORISE, replace(PACK_OUT, occurred_at=NOON), order="Out-In")
    assert do(world, AGAIN, DRIVER)[0].slot == ""


def test_a_pack_that_is_owed_is_asked_for_at_any_station():
    world = swapping(OPEN, PACK_IN, TIME_OUT)
    assert swap_of(world).stage == "OUT_TIMED_OUT"
    elsewhere = replace(AGAIN, station_id="ST-2")
    assert do(world, elsewhere, DRIVER)[0].slot == ""
    assert do(world, AGAIN, DRIVER)[0].slot == "2"


def test_nothing_is_opened_where_nothing_is_waited_for():
    world = swapping(OPEN, PACK_IN)
    elsewhere = replace(AGAIN, station_id="ST-2")
    assert refusal(world, elsewhere) is RefusalCode.WRONG_PLACE
    assert refusal(world, replace(AGAIN, station_id="ST-9")) is RefusalCode.STATION_UNKNOWN
    assert refusal(world, AGAIN, OTHER) is RefusalCode.SWAP_OF_ANOTHER_DRIVER
    assert refusal(swapping(OPEN), AGAIN) is RefusalCode.SWAP_STAGE
    station = world.need(STATIONS, "ST-1")
    world.put(STATIONS, "ST-1", replace(station, in_service=False))
    assert refusal(world, AGAIN) is RefusalCode.STATION_NOT_IN_SERVICE


def test_a_slot_is_opened_again_only_so_often():
    world = swapping(OPEN, PACK_IN)
    for _ in range(REOPENED_MAX):
        do(world, AGAIN, DRIVER)
    assert refusal(world, AGAIN) is RefusalCode.REOPENED_TOO_OFTEN


def test_a_driver_who_calls_becomes_a_case_once():
    world = swapping(OPEN, PACK_IN)
    (made,) = do(world, CALL, DRIVER)
    assert made.subjects == ("SW-1", "DR-1", "ST-1")
    case = world.need(CASES, help_case_of("SW-1"))
    assert (case.case_type, case.is_open) == ("DRIVER_CALLED", True)
    assert events(act(world, CALL, at=NOON + HOUR, actor=DRIVER)) == []
    assert refusal(world, CALL, OTHER) is RefusalCode.SWAP_OF_ANOTHER_DRIVER


def test_a_swap_remembers_which_slots_its_station_opened():
    asked = swapping(replace(AUTHORISE, is_answered=False))
    do(asked, AnswerSwap(swap_id="SW-1", open_slots=("1",)))
    for world in (asked, swapping(OPEN)):
        assert world.need(SWAPS, "SW-1").open_slots == ("1",)
