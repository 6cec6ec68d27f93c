"""Limits of balances as a batch moves them: read where a command first lowers one, then kept.

A command that lowers no account with a limit costs no SELECT; the balances of one that does are
read together, once, and stay with the writer while nobody else writes.
"""

from collections.abc import Callable, Mapping, Sequence

from ledger.domain.money.accounts import WALLETS_PAID_IN
from ledger.domain.money.balance_rules import LIMITED, BalanceKey, breached, lowered, moved
from ledger.domain.money.pending_rows import WALLETS
from ledger.domain.world import World, key_of
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.store.append import Row

KEPT_MAX = 65_536
"""Balances that a writer keeps between batches."""

Read = Callable[[Sequence[BalanceKey]], Mapping[BalanceKey, int]]
"""Reads the stored balances of keys; those that have none may be missing."""


class Limits:
    """Balances of accounts with a limit, as the commands so far have left them."""

    def __init__(self) -> None:
        """Know none yet."""
        self._held: dict[BalanceKey, int] = {}

    def forget_many(self) -> None:
        """Begin anew when too many are kept; only between batches."""
        if len(self._held) > KEPT_MAX:
            self._held.clear()

    def count(self, rows: Sequence[Row], world: World, read: Read) -> Refusal | None:
        """Take in the posting rows of a command, or tell which limit they would pass.

        A refusal leaves everything as it was.
        """
        limited = [row for row in rows if row[0] in LIMITED]
        if not limited:
            return None  # as for nearly every command
        sums = moved((row[0], row[1], row[4], row[5]) for row in limited)
        unread = sums.keys() - self._held.keys()
        if unread:
            stored = read(sorted(unread))
            self._held.update({key: stored.get(key, 0) for key in unread})
        after = {key: self._held[key] + quantity for key, quantity in sums.items()}
        for key in lowered(sums):
            if breached(key, after[key], _reserved(world, key)):
                account, item, commodity = key
                return Refusal(
                    RefusalCode.LIMIT_BREACHED,
                    {"account": account, "item": item, "commodity": commodity},
                )
        self._held.update(after)
        return None


def _reserved(world: World, key: BalanceKey) -> int:
    """Give what pending postings reserve of a balance: money is reserved in wallets only."""
    account, driver_id, currency = key
    if account != WALLETS_PAID_IN:
        return 0
    wallet = world.get(WALLETS, key_of(driver_id, currency))
    return 0 if wallet is None else wallet.reserved_minor
