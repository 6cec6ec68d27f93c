"""How a payment that was authorised ends: some of it is taken, or all of it is given back.

Both are calls to the provider, planned with what decides them; bookings and bills decide it too.
"""

from ledger.domain.money.payments_calls import CallPlanned, plan
from ledger.domain.money.payments_rows import (
    CALL_STEMS,
    CANCEL,
    CAPTURE,
    CARD_PAYMENTS,
    CallBody,
    CardPayment,
)
from ledger.domain.world import Key, World, touch

RELEASABLE = frozenset({"CREATED", "AUTHORISED", "NEEDS_ACTION", "FAILED"})


def end_stem(subject: str, operation: str) -> str:
    """Name what all attempts at one end of a payment share."""
    return f"swap:{subject}:{operation}"


def hold_rows(payment_id: str, subject: str) -> tuple[Key, ...]:
    """Name what ending the payment of a swap or a booking reads."""
    ends = (touch(CALL_STEMS, end_stem(subject, one)) for one in (CAPTURE, CANCEL))
    return (touch(CARD_PAYMENTS, payment_id), *ends)


def is_free(world: World, row: CardPayment, operation: str) -> bool:
    """Tell whether an end was not asked for yet, or came to nothing; its stem must be loaded."""
    stem = world.get(CALL_STEMS, end_stem(row.subject or row.payment_id, operation))
    return stem is None or stem.is_free


def is_releasable(world: World, row: CardPayment) -> bool:
    """Tell whether the provider can be asked now to give back what is authorised."""
    return bool(row.ref) and row.state in RELEASABLE and is_free(world, row, CANCEL)


def is_capturable(world: World, row: CardPayment, at: int) -> bool:
    """Tell whether some of what is authorised can be taken at a time (us)."""
    in_time = row.state == "AUTHORISED" and at < row.authorised_until
    return in_time and is_free(world, row, CAPTURE) and is_free(world, row, CANCEL)


def end_call(
    world: World, row: CardPayment, *, invoice_no: str = "", amount_minor: int = 0
) -> CallPlanned:
    """Plan the call that takes an amount (minor units) for an invoice; 0 gives all of it back."""
    metadata = {"payment_id": row.payment_id, "driver_id": row.driver_id}
    if amount_minor:
        metadata["invoice_no"] = invoice_no
    body = CallBody(
        operation=CAPTURE if amount_minor else CANCEL,
        currency=row.currency if amount_minor else "",
        amount_minor=amount_minor,
        target=row.ref,
        metadata=metadata,
    )
    call = plan(
        world,
        end_stem(row.subject or row.payment_id, body.operation),
        body,
        payment_id=row.payment_id,
        driver_id=row.driver_id,
    )
    assert isinstance(call, CallPlanned), "its stem is free"
    return call
