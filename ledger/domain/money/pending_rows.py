"""Rows of pending postings: money that is reserved, and the wallets it is reserved in.

The rules about them are in `pending.py`; bookings read and name them too.
"""

import msgspec
from msgspec.structs import replace

from ledger.domain.money.accounts import PSP, WALLETS_PAID_IN
from ledger.domain.parties import PARTIES
from ledger.domain.world import Key, Shelf, World, key_of, touch

MEANS: dict[str, str] = {"card": PSP, "wallet": WALLETS_PAID_IN}
"""What a driver can reserve money on, and the account it would come to or from."""


class Pending(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reserved amount in minor units; `posted_minor` is what was taken of it."""

    pending_id: str
    driver_id: str
    debit_account: str
    credit_account: str
    currency: str
    amount_minor: int
    expires_at: int
    booking_id: str = ""
    state: str = "PENDING"
    posted_minor: int = 0

    @property
    def is_open(self) -> bool:
        """Tell whether it has not ended."""
        return self.state == "PENDING"


class Wallet(msgspec.Struct, frozen=True, omit_defaults=True):
    """A driver's prepaid money in one currency (minor units), and how much of it is reserved."""

    driver_id: str
    currency: str
    paid_in_minor: int = 0
    reserved_minor: int = 0

    @property
    def available_minor(self) -> int:
        """Give what can be reserved still."""
        return self.paid_in_minor - self.reserved_minor


PENDINGS = Shelf("pendings", Pending, listed_by=lambda row: row.driver_id)
WALLETS = Shelf("wallets", Wallet, listed_by=lambda row: row.driver_id)  # key: driver, currency


class WalletPayment(msgspec.Struct, frozen=True):
    """A payment that came into a wallet (minor units), so that it counts once."""

    amount_minor: int


WALLET_PAYMENTS = Shelf("wallet_payments", WalletPayment)


def reserve_rows(pending_id: str, driver_id: str, currency: str) -> tuple[Key, ...]:
    """Name what reserving money of a driver reads."""
    return (
        touch(PARTIES, driver_id),
        touch(PENDINGS, pending_id),
        touch(WALLETS, driver_id, currency),
    )


def pending_rows(world: World, pending_id: str) -> tuple[Key, ...]:
    """Name a pending posting, and once it is loaded the wallet that it counts in."""
    if not pending_id:
        return ()
    key = touch(PENDINGS, pending_id)
    row = world.get(PENDINGS, pending_id) if world.is_loaded(PENDINGS, pending_id) else None
    return (key,) if row is None else (key, touch(WALLETS, row.driver_id, row.currency))


def count_in(
    world: World, driver_id: str, currency: str, *, paid_in: int = 0, reserved: int = 0
) -> None:
    """Change what a driver paid in, and what of it is reserved (minor units)."""
    key = key_of(driver_id, currency)
    row = world.get(WALLETS, key) or Wallet(driver_id, currency)
    changed = replace(
        row,
        paid_in_minor=row.paid_in_minor + paid_in,
        reserved_minor=row.reserved_minor + reserved,
    )
    world.put(WALLETS, key, changed)
