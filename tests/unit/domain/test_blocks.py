import pytest
from msgspec.structs import replace

from ledger.domain.blocks import (
    DRIVER_BLOCKS,
    BlockDriver,
    RecordPaymentFailure,
    UnblockDriver,
)
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, small_town, sums_of

BLOCK = BlockDriver(driver_id="DR-1", reason="extra_pack")
FREE = UnblockDriver(driver_id="DR-1", reason="extra_pack")
FAILED = RecordPaymentFailure(
    payment_id="PI-1", driver_id="DR-1", currency="EUR", amount_minor=5, reason="declined"
)


def test_each_reason_blocks_once_and_is_settled_for_itself():
    world = small_town()
    (blocked,) = events(act(world, BLOCK))
    assert (blocked.reason, sums_of(blocked)) == ("extra_pack", {})
    assert act(world, BLOCK) == ()
    failed, second = events(act(world, FAILED))
    assert (failed.amount_minor, second.reason) == (5, "payment_failed")
    assert [event.kind for event in events(act(world, FAILED))] == ["payment.failed"]
    row = world.need(DRIVER_BLOCKS, "DR-1")
    assert (row.reasons, DRIVER_BLOCKS.listed_by(row)) == (
        ("extra_pack", "payment_failed"),
        "blocked",
    )
    events(act(world, FREE))
    assert act(world, FREE) == ()
    events(act(world, replace(FREE, reason="payment_failed")))
    assert DRIVER_BLOCKS.listed_by(world.need(DRIVER_BLOCKS, "DR-1")) == "free"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (replace(BLOCK, driver_id="DR-9"), RefusalCode.PARTY_UNKNOWN),
        (replace(BLOCK, driver_id="OP-1"), RefusalCode.PARTY_ROLE_MISSING),
        (replace(BLOCK, reason=""), RefusalCode.PARTY_FIELD_INVALID),
        (replace(FREE, reason=""), RefusalCode.PARTY_FIELD_INVALID),
        (replace(FAILED, payment_id=""), RefusalCode.DIMENSION_INVALID),
        (replace(FAILED, currency="XXX"), RefusalCode.COMMODITY_UNKNOWN),
        (replace(FAILED, amount_minor=0), RefusalCode.QUANTITY_OUT_OF_RANGE),
        (replace(FAILED, amount_minor=2**53), RefusalCode.QUANTITY_OUT_OF_RANGE),
    ],
)
def test_a_block_of_nobody_or_for_nothing_is_refused(command, code):
    outcome = act(small_town(), command)
    assert isinstance(outcome, Refusal)
    assert outcome.code is code
