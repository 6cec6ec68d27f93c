"""Every (state, event) pair of custody, swaps and bookings: allowed exactly as the tables say."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from ledger.domain import claims, saga
from ledger.domain.asking import AnswerSwap, RequestSwap
from ledger.domain.booking import ExtendBooking, PresentBooking, ReserveSwap
from ledger.domain.booking_ends import CancelBooking, FailBooking, MarkNoShow
from ledger.domain.claims import BOOKINGS, Booking
from ledger.domain.pinning import AllocatePack, ReplaceAllocation
from ledger.domain.saga import SWAPS
from ledger.domain.transitions import FAMILIES, ROWS, TERMINAL, account_of, find_row
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, put_pack, small_town
from tests.support.swaps import AUTHORISE, CLOSE, NOON, PACK_IN, PACK_OUT, TIME_OUT, swap_town

EVENTS = sorted({(row.event, row.place) for row in ROWS})
ALLOWED = {(row.source, row.event, row.place): row.target for row in ROWS}
IDS = ("AB-1", "7")


@pytest.mark.parametrize("state", FAMILIES)
@pytest.mark.parametrize("event", EVENTS, ids="@".join)
def test_a_pack_may_do_in_a_state_what_the_custody_table_says_and_nothing_else(state, event):
    account = account_of(FAMILIES[state], *IDS)
    found = find_row(account, *event)
    target = ALLOWED.get((state, *event))
    if target is not None:
        assert not isinstance(found, RefusalCode)
        assert (found.source, found.event, found.place, found.target) == (state, *event, target)
    elif any((state, event[0]) == known[:2] for known in ALLOWED):
        assert found is RefusalCode.WRONG_PLACE
    else:
        assert found is (RefusalCode.PACK_ENDED if state in TERMINAL else RefusalCode.WRONG_STATE)


def ends(edges: Iterable[tuple[str, str]], final: Iterable[str]) -> set[str]:
    """Give the states from which a final one is reached."""
    found = set(final)
    while more := {start for start, to in edges if to in found} - found:
        found |= more
    return found


def test_every_pack_swap_and_booking_can_end():
    assert ends([(row.source, row.target) for row in ROWS], TERMINAL) >= set(FAMILIES)
    for stages, final in ((saga.STAGES, saga.ENDED), (claims.STAGES, claims.ENDED)):
        edges = [(start, to) for (start, _), to in stages.items()]
        states = {state for edge in edges for state in edge}
        assert ends(edges, final) == states
        assert not {start for start, _ in edges} & set(final)


# Swaps ----------------------------------------------------------------------------------------

SWAP_TABLE = """
-              swap_requested          REQUESTED
REQUESTED      swap_authorised         AUTHORISED
REQUESTED      swap_refused            REFUSED
REQUESTED      swap_expired            EXPIRED
AUTHORISED     swap_refused            REFUSED
AUTHORISED     swap_accepted           ACCEPTED
AUTHORISED     swap_expired            EXPIRED
ACCEPTED       swap_expired            EXPIRED
ACCEPTED       pack_returned           HALF_IN
ACCEPTED       pack_swapped_out        HALF_OUT
HALF_IN        pack_returned           HALF_IN
HALF_IN        pack_swapped_out        HALF_IN
HALF_OUT       pack_returned           HALF_OUT
HALF_OUT       pack_swapped_out        HALF_OUT
HALF_IN        swap_completed          COMPLETED
HALF_OUT       swap_completed          COMPLETED
HALF_IN        swap_out_timed_out      OUT_TIMED_OUT
HALF_OUT       swap_in_timed_out       HALF_OUT
OUT_TIMED_OUT  pack_swapped_out        OUT_TIMED_OUT
OUT_TIMED_OUT  swap_completed          COMPLETED
HALF_IN        swap_closed_incomplete  CLOSED_INCOMPLETE
HALF_OUT       swap_closed_incomplete  CLOSED_INCOMPLETE
OUT_TIMED_OUT  swap_closed_incomplete  CLOSED_INCOMPLETE
"""

BOOKING_TABLE = """
-          booking_requested    PENDING
PENDING    booking_reserved     RESERVED
PENDING    booking_confirmed    RESERVED
PENDING    booking_rejected     REJECTED
RESERVED   pack_allocated       ALLOCATED
ALLOCATED  pack_allocated       ALLOCATED
ALLOCATED  allocation_replaced  ALLOCATED
RESERVED   booking_extended     RESERVED
ALLOCATED  booking_extended     ALLOCATED
RESERVED   booking_presented    PRESENTED
ALLOCATED  booking_presented    PRESENTED
PRESENTED  booking_fulfilled    FULFILLED
PENDING    booking_canceled     CANCELED
RESERVED   booking_canceled     CANCELED
ALLOCATED  booking_canceled     CANCELED
RESERVED   booking_no_show      NO_SHOW
ALLOCATED  booking_no_show      NO_SHOW
PENDING    booking_failed       FAILED
RESERVED   booking_failed       FAILED
ALLOCATED  booking_failed       FAILED
PRESENTED  booking_failed       FAILED
"""


def read(table: str) -> dict[tuple[str, str], str]:
    rows = [line.split() for line in table.strip().splitlines()]
    return {("" if start == "-" else start, event): to for start, event, to in rows}


@pytest.mark.parametrize(
    ("table", "stages"), [(SWAP_TABLE, saga.STAGES), (BOOKING_TABLE, claims.STAGES)]
)
def test_the_tables_in_the_code_are_these(table, stages):
    assert stages == read(table)


SWAP_COMMANDS = {
    "swap_requested": RequestSwap(
        swap_id="SW-1", driver_id="DR-1", station_id="ST-1", pack_class="C1"
    ),
    "swap_authorised": AUTHORISE,
    "swap_refused": AnswerSwap(swap_id="SW-1", reasons=("no_pack_available",)),
    "swap_accepted": AnswerSwap(swap_id="SW-1"),
    "swap_expired": TIME_OUT,
    "swap_out_timed_out": TIME_OUT,
    "swap_in_timed_out": TIME_OUT,
    "swap_closed_incomplete": CLOSE,
}
BY_ONE_COMMAND = {"swap_expired", "swap_out_timed_out", "swap_in_timed_out"}
SWAP_STATES = set(read(SWAP_TABLE).values())


@pytest.mark.parametrize("stage", sorted(SWAP_STATES))
@pytest.mark.parametrize("kind", SWAP_COMMANDS)
def test_a_swap_may_do_in_a_state_what_its_table_says_and_nothing_else(stage, kind):
    world = swap_town()
    act(world, SWAP_COMMANDS["swap_requested"], actor=Actor("ST-1", "station"))
    row = world.need(SWAPS, "SW-1")
    moved = {"HALF_IN": PACK_IN, "OUT_TIMED_OUT": PACK_IN, "HALF_OUT": PACK_OUT}
    if stage in moved:
        for command in (AUTHORISE, moved[stage]):
            act(world, command, at=NOON, actor=Actor("ST-1", "station"))
        if stage == "OUT_TIMED_OUT":
            act(world, TIME_OUT, at=NOON, actor=Actor("ST-1", "station"))
    else:
        world.put(SWAPS, "SW-1", replace(row, stage=stage))
    actor = Actor("P1", min(type(SWAP_COMMANDS[kind]).roles - {"driver"}), "P2")
    outcome = act(world, SWAP_COMMANDS[kind], at=NOON, actor=actor)
    kinds = BY_ONE_COMMAND if kind in BY_ONE_COMMAND else {kind}
    made = set() if isinstance(outcome, Refusal) else {draft.event.kind for draft in outcome}
    expected = {one for one in kinds if (stage, one) in read(SWAP_TABLE)}
    assert made & {*SWAP_COMMANDS} - {"swap_accepted"} == expected - {"swap_accepted"}
    if kind == "swap_accepted":
        assert ("swap_accepted" in made) == bool(expected)
    if not expected and kind != "swap_requested":
        assert isinstance(outcome, Refusal)
        assert outcome.code is RefusalCode.SWAP_STAGE


# Bookings -------------------------------------------------------------------------------------

WINDOW = (NOON, NOON + HOUR)
BOOKING_COMMANDS = {
    "pack_allocated": AllocatePack(booking_id="BK-1", pack_id="PK-2"),
    "allocation_replaced": ReplaceAllocation(booking_id="BK-1", pack_id="PK-2", reason="hot"),
    "booking_extended": ExtendBooking(
        booking_id="BK-1", until=NOON + HOUR + 1, forecast_ready=4, forecast_version="F2"
    ),
    "booking_presented": PresentBooking(booking_id="BK-1", driver_id="DR-1"),
    "booking_canceled": CancelBooking(booking_id="BK-1", reason="no"),
    "booking_no_show": MarkNoShow(booking_id="BK-1"),
    "booking_failed": FailBooking(booking_id="BK-1", reason="no"),
}
BOOKING_STATES = set(read(BOOKING_TABLE).values())


@pytest.mark.parametrize("stage", sorted(BOOKING_STATES))
@pytest.mark.parametrize("kind", BOOKING_COMMANDS)
def test_a_booking_may_do_in_a_state_what_its_table_says_and_nothing_else(stage, kind):
    world = small_town()
    for slot in ("1", "2"):
        put_pack(world, f"Packs:Station:ST-1:Slot:{slot}", f"PK-{slot}", soc_bp=9_000)
    row = Booking("BK-1", "DR-1", "ST-1", "C1", *WINDOW, count=2, stage=stage)
    pins = ("PK-1",) if stage in ("ALLOCATED", "PRESENTED") else ()
    world.put(BOOKINGS, "BK-1", replace(row, pack_ids=pins))
    at = row.over_at if kind == "booking_no_show" else NOON
    outcome = act(world, BOOKING_COMMANDS[kind], at=at, actor=Actor("P1", "operator"))
    target = read(BOOKING_TABLE).get((stage, kind))
    if target is None:
        assert isinstance(outcome, Refusal)
        ended = stage in claims.ENDED
        codes = (outcome.code, *outcome.others)
        assert RefusalCode.BOOKING_STAGE in codes or ended
        assert (RefusalCode.BOOKING_ENDED in codes) == ended
    else:
        assert not isinstance(outcome, Refusal)
        assert [draft.event.kind for draft in outcome] == [kind]
        assert world.need(BOOKINGS, "BK-1").stage == target


def test_a_booking_is_asked_for_once():
    world = small_town()
    wish = ReserveSwap(
        booking_id="BK-1",
        driver_id="DR-1",
        station_id="ST-1",
        pack_class="C1",
        window_from=NOON,
        window_to=NOON + HOUR,
        forecast_ready=9,
        forecast_version="F1",
    )
    made = act(world, wish, actor=Actor("P1", "operator"))
    assert not isinstance(made, Refusal)
    assert [draft.event.kind for draft in made] == ["booking_requested", "booking_reserved"]
    again = act(world, wish, actor=Actor("P1", "operator"))
    assert isinstance(again, Refusal)
    assert again.code is RefusalCode.BOOKING_EXISTS
