"""Pending postings: money that is reserved, and later posted, given back, or out of time.

A pending posting names the two accounts it would move money between. It counts against what a
driver can still spend from his wallet, never for what he has, and it ends exactly once::

    PENDING -> POSTED | VOIDED | EXPIRED

Posting may take less than was reserved: the rest is free again in the same entry. Past its time a
pending posting can no longer be posted, whether or not its end was written yet.
"""

from typing import Any, ClassVar, assert_never

from msgspec.structs import asdict, replace

from ledger.domain.access import refused
from ledger.domain.money import templates
from ledger.domain.money.accounts import RECEIVABLE, WALLETS_PAID_IN
from ledger.domain.money.pending_rows import (
    MEANS,
    PENDINGS,
    WALLET_PAYMENTS,
    WALLETS,
    Pending,
    WalletPayment,
    count_in,
    pending_rows,
    reserve_rows,
)
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.waiting import set_timer
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting, pair
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

SHELVES: tuple[Shelf[Any], ...] = (PENDINGS, WALLETS, WALLET_PAYMENTS)
FOLDS: tuple[type[Event], ...] = ()

_MONEY = frozenset({"finance", "system"})

# Commands ---------------------------------------------------------------------


class TopUpWallet(Command):
    """A driver paid into his wallet; the same payment counts once."""

    roles: ClassVar[frozenset[str]] = _MONEY

    payment_id: str
    driver_id: str
    currency: str
    amount_minor: int


class ReserveMoney(Command):
    """Reserve money of a driver until a time (us), by `means` ``card`` or ``wallet``."""

    roles: ClassVar[frozenset[str]] = _MONEY

    pending_id: str
    driver_id: str
    means: str
    currency: str
    amount_minor: int
    expires_at: int
    booking_id: str = ""


class PostPending(Command):
    """Take some of what was reserved, or all; the rest is free again."""

    roles: ClassVar[frozenset[str]] = _MONEY

    pending_id: str
    amount_minor: int


class VoidPending(Command):
    """Give back all that was reserved."""

    roles: ClassVar[frozenset[str]] = _MONEY

    pending_id: str


class ExpirePending(Command):
    """The time of a reserved amount is over."""

    roles: ClassVar[frozenset[str]] = _MONEY

    pending_id: str


class SettlePending(Command):
    """What was reserved has served: take what is owed of it, give back the rest; never refused."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    pending_id: str
    take_minor: int = 0


_End = PostPending | VoidPending | ExpirePending
PendingCommand = TopUpWallet | ReserveMoney | SettlePending | _End

# Events -----------------------------------------------------------------------


class WalletToppedUp(Event):
    """Money came into a driver's wallet."""

    kind: ClassVar[str] = "wallet.topped_up"

    payment_id: str
    driver_id: str
    currency: str
    amount_minor: int


class PendingStep(Event):
    """What every step of a pending posting tells."""

    pending_id: str
    driver_id: str
    debit_account: str
    credit_account: str
    currency: str
    amount_minor: int
    booking_id: str = ""


class PendingCreated(PendingStep, kw_only=True):
    """Money is reserved; nothing moves yet."""

    kind: ClassVar[str] = "pending.created"

    expires_at: int


class PendingPosted(PendingStep, kw_only=True):
    """`posted_minor` of it were taken; the rest is free."""

    kind: ClassVar[str] = "pending.posted"

    posted_minor: int


class PendingVoided(PendingStep):
    """All of it is free again."""

    kind: ClassVar[str] = "pending.voided"


class PendingExpired(PendingStep):
    """Its time was over; all of it is free again."""

    kind: ClassVar[str] = "pending.expired"


PendingEnd = PendingPosted | PendingVoided | PendingExpired
PendingEvent = WalletToppedUp | PendingCreated | PendingPosted | PendingVoided | PendingExpired

# touches ----------------------------------------------------------------------


def touches(command: PendingCommand) -> Keys:
    """Read the pending posting or the payment's wallet."""
    match command:
        case TopUpWallet():
            return (
                touch(PARTIES, command.driver_id),
                touch(WALLETS, command.driver_id, command.currency),
                touch(WALLET_PAYMENTS, command.payment_id),
            )
        case ReserveMoney():
            return reserve_rows(command.pending_id, command.driver_id, command.currency)
        case _:
            return (touch(PENDINGS, command.pending_id),)


def follows(world: World, command: PendingCommand) -> Keys:
    """Read the wallet that the money was reserved in."""
    if isinstance(command, TopUpWallet | ReserveMoney):
        return ()
    return pending_rows(world, command.pending_id)


# decide -----------------------------------------------------------------------


def decide(world: World, command: PendingCommand, request: Request) -> Outcome:
    """Reserve within what is there; end what is reserved, once."""
    match command:
        case TopUpWallet():
            return _top_up(world, command)
        case ReserveMoney():
            faults = reserve_faults(world, command)
            if faults:
                return refused(faults, {"pending": command.pending_id[:40]})
            return (Draft(created(command)),)
        case SettlePending():
            reserved = world.get(PENDINGS, command.pending_id)
            return tuple(map(Draft, settled(reserved, command.take_minor, request.at)))
        case PostPending() | VoidPending() | ExpirePending():
            row = world.get(PENDINGS, command.pending_id)
            if row is None:
                facts: dict[str, str | int] = {"pending": command.pending_id[:40]}
                return Refusal(RefusalCode.PENDING_UNKNOWN, facts)
            return _end(command, row, request.at)
        case _ as unknown:
            assert_never(unknown)


def _top_up(world: World, command: TopUpWallet) -> Outcome:
    faults = party_faults(world, command.driver_id, "driver")
    faults += _amount_faults(command.currency, command.amount_minor)
    if not is_id(command.payment_id):
        faults.append(RefusalCode.DIMENSION_INVALID)
    if faults:
        return refused(faults, {"driver": command.driver_id[:40]})
    if world.get(WALLET_PAYMENTS, command.payment_id) is not None:
        return ()
    return (Draft(WalletToppedUp(**asdict(command))),)


def _amount_faults(currency: str, amount_minor: int) -> list[RefusalCode]:
    tests = (
        (currency not in EXPONENTS, RefusalCode.COMMODITY_UNKNOWN),
        (amount_minor == 0, RefusalCode.QUANTITY_ZERO),
        (not 0 <= amount_minor <= QUANTITY_MAX, RefusalCode.QUANTITY_OUT_OF_RANGE),
    )
    return [code for failed, code in tests if failed]


def reserve_faults(world: World, command: ReserveMoney) -> list[RefusalCode]:
    """Tell what keeps money from being reserved; all that is reserved already counts."""
    wallet = world.get(WALLETS, key_of(command.driver_id, command.currency))
    available = 0 if wallet is None else wallet.available_minor
    is_short = command.means == "wallet" and command.amount_minor > available
    tests = (
        (command.means not in MEANS, RefusalCode.ACCOUNT_UNKNOWN),
        (not is_id(command.pending_id), RefusalCode.DIMENSION_INVALID),
        (world.get(PENDINGS, command.pending_id) is not None, RefusalCode.PENDING_RESOLVED),
        (is_short, RefusalCode.LIMIT_BREACHED),
    )
    faults = party_faults(world, command.driver_id, "driver")
    faults += _amount_faults(command.currency, command.amount_minor)
    return faults + [code for failed, code in tests if failed]


def created(command: ReserveMoney) -> PendingCreated:
    """Make the event of money reserved."""
    return PendingCreated(
        pending_id=command.pending_id,
        driver_id=command.driver_id,
        debit_account=MEANS[command.means],
        credit_account=RECEIVABLE,
        currency=command.currency,
        amount_minor=command.amount_minor,
        booking_id=command.booking_id,
        expires_at=command.expires_at,
    )


def _end(command: _End, row: Pending, at: int) -> Outcome:
    facts: dict[str, str | int] = {"pending": row.pending_id, "state": row.state}
    if not row.is_open:
        return Refusal(RefusalCode.PENDING_RESOLVED, facts)
    is_over = at >= row.expires_at
    match command:
        case PostPending():
            faults = _amount_faults(row.currency, command.amount_minor)
            faults += [RefusalCode.PENDING_EXPIRED] if is_over else []
            if command.amount_minor > row.amount_minor:
                faults.append(RefusalCode.PENDING_EXCEEDED)
            if faults:
                return refused(faults, {**facts, "amount": row.amount_minor})
            return (Draft(_step(row, command.amount_minor)),)
        case VoidPending():
            return (Draft(PendingVoided(**_told(row))),)
        case ExpirePending():
            if not is_over:
                return Refusal(RefusalCode.NOT_DUE, {**facts, "expires_at": row.expires_at})
            return (Draft(PendingExpired(**_told(row))),)
        case _ as unknown:
            assert_never(unknown)


def settled(row: Pending | None, take_minor: int, at: int) -> tuple[PendingEnd, ...]:
    """End a pending posting at a time: take what is owed, at most what is reserved and in time.

    Nothing where there is none, or where it has ended already.
    """
    if row is None or not row.is_open:
        return ()
    if at >= row.expires_at:
        return (PendingExpired(**_told(row)),)
    if take_minor <= 0:
        return (PendingVoided(**_told(row)),)
    return (_step(row, min(take_minor, row.amount_minor)),)


def _step(row: Pending, posted_minor: int) -> PendingPosted:
    return PendingPosted(**_told(row), posted_minor=posted_minor)


def _told(row: Pending) -> dict[str, Any]:
    fields = asdict(row)
    del fields["expires_at"], fields["state"], fields["posted_minor"]
    return fields


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PendingEvent, _stamp: Stamp) -> None:
    """Keep what is reserved, and what a wallet has left."""
    match event:
        case WalletToppedUp():
            count_in(world, event.driver_id, event.currency, paid_in=event.amount_minor)
            world.put(WALLET_PAYMENTS, event.payment_id, WalletPayment(event.amount_minor))
        case PendingCreated():
            row = Pending(**_fields_of(event), expires_at=event.expires_at)
            world.put(PENDINGS, event.pending_id, row)
            set_timer(world, "pending", event.pending_id, event.expires_at)
            _reserve(world, row, row.amount_minor, 0)
        case PendingPosted():
            _ended(world, event, "POSTED", event.posted_minor)
        case PendingVoided():
            _ended(world, event, "VOIDED", 0)
        case PendingExpired():
            _ended(world, event, "EXPIRED", 0)
        case _ as unknown:
            assert_never(unknown)


def _fields_of(event: PendingStep) -> dict[str, Any]:
    return {name: getattr(event, name) for name in PendingStep.__struct_fields__}


def _ended(world: World, event: PendingEnd, state: str, posted_minor: int) -> None:
    row = world.need(PENDINGS, event.pending_id)
    world.put(PENDINGS, event.pending_id, replace(row, state=state, posted_minor=posted_minor))
    set_timer(world, "pending", event.pending_id, 0)
    _reserve(world, row, -row.amount_minor, -posted_minor)


def _reserve(world: World, row: Pending, reserved: int, paid_in: int) -> None:
    if row.debit_account == WALLETS_PAID_IN:
        count_in(world, row.driver_id, row.currency, reserved=reserved, paid_in=paid_in)


# postings ---------------------------------------------------------------------


def postings(event: PendingEvent) -> tuple[Posting, ...]:
    """Move what is taken; what is only reserved moves nothing."""
    dims = {"driver": event.driver_id}
    match event:
        case WalletToppedUp():
            paid = {**dims, "payment": event.payment_id}
            return templates.wallet_topped_up(event.currency, event.amount_minor, paid)
        case PendingPosted():
            if event.booking_id:
                dims["booking"] = event.booking_id
            debit, credit = event.debit_account, event.credit_account
            return pair(event.currency, event.posted_minor, debit=debit, credit=credit, dims=dims)
        case PendingCreated() | PendingVoided() | PendingExpired():
            return ()
        case _ as unknown:
            assert_never(unknown)
