"""Timers: what the clock alone decides, asked of the rules by the system.

`run_timers` is called with a time, once a minute or once a day; nothing here looks at a clock. It
gathers what came due (swaps, bookings and returns by `timers_swaps.py`, deliveries here), asks for
it, and counts the answers. Each command is decided by its rule on the state as it is then, so that
running twice at the same time changes nothing more.

A pack that is in suspense for too long is only named: two persons declare it missing.
"""

from collections import Counter
from collections.abc import Iterator

import msgspec

from ledger.domain.cases import CASES
from ledger.domain.custody import PACKS
from ledger.domain.moves import MISSING_AFTER_US, MovePack
from ledger.domain.orders import IN_TRANSIT, OVERDUE_AFTER_US, TRANSFER_ORDERS
from ledger.kernel.envelope import canonical
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from ledger.runtime.timers_swaps import DUE_MAX, due_swaps

BATCH = 64
ROUNDS_MAX = 1_000
"""So many looks at most in one run: a timer that is never done would run for ever."""


class TimersRun(msgspec.Struct, frozen=True):
    """What one run did: commands asked, how they were answered, and what waits for persons.

    `done` counts commands that made entries by their names, `refused` refusals by their codes.
    `may_be_missing` are packs that were in suspense for more than 30 days.
    """

    asked: int
    done: dict[str, int]
    refused: dict[str, int]
    may_be_missing: tuple[str, ...]


def due_deliveries(reads: Reads, now: int, *, limit: int = DUE_MAX) -> tuple[Command, ...]:
    """Give `delivery_overdue` for packs still on their way a day after they were due."""
    found: list[Command] = []
    for _, order in reads.rows(TRANSFER_ORDERS, listed="open"):
        if now < order.due_at + OVERDUE_AFTER_US:
            continue
        for pack_id in order.packs_in(IN_TRANSIT):
            move = MovePack(
                pack_id=pack_id,
                event="delivery_overdue",
                level=0,
                reason=f"due on order {order.order_id}",
                expected_account=f"Packs:Carrier:{order.carrier_id}:Order:{order.order_id}",
                occurred_at=now,
            )
            found.append(move)
    return tuple(found[:limit])


def long_in_suspense(reads: Reads, now: int) -> Iterator[str]:
    """List the packs that may be declared missing: those in suspense for more than 30 days."""
    for _, case in reads.rows(CASES, listed="open"):
        pack = reads.row(PACKS, case.suspended_pack_id) if case.suspended_pack_id else None
        if (
            pack is not None
            and pack.account.startswith("Packs:Suspense:")
            and now - pack.moved_at >= MISSING_AFTER_US
        ):
            yield pack.pack_id


def run_timers(ledger: Ledger, now: int, actor: Actor) -> TimersRun:
    """Ask for everything that is due at a time (us), as the system."""
    done: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    seen: set[bytes] = set()

    def is_asked(command: Command) -> bool:
        return _asking(command, now, actor).key in seen

    for _ in range(ROUNDS_MAX):
        with ledger.reading() as reads:
            due = [*due_swaps(reads, now, skip=is_asked), *due_deliveries(reads, now)]
        requests = [_asking(command, now, actor) for command in due]
        requests = [request for request in requests if request.key not in seen]
        if not requests:
            break
        for first in range(0, len(requests), BATCH):
            batch = requests[first : first + BATCH]
            for request, receipt in zip(batch, ledger.execute_all(batch), strict=True):
                seen.add(request.key)
                if receipt.refusal is not None:
                    refused[receipt.refusal.code.wire] += 1
                elif receipt.count:
                    done[_name_of(request.command)] += 1
    with ledger.reading() as reads:
        missing = tuple(sorted(long_in_suspense(reads, now)))
    return TimersRun(len(seen), dict(sorted(done.items())), dict(sorted(refused.items())), missing)


def _asking(command: Command, now: int, actor: Actor) -> Request:
    name = type(command).__name__
    key = key_at(now, "timers", name, canonical(command).decode())
    return Request(key=key, principal=actor.id, actor=actor, at=now, command=command)


def _name_of(command: Command) -> str:
    return command.event if isinstance(command, MovePack) else type(command).__name__
