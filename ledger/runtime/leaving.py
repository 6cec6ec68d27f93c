"""Persons who asked to be erased: what stands against it now, and the erasure when its day comes.

Who takes a pack or runs up a bill in the seven days is not erased on the day: the request waits,
and every look tries again.
"""

import msgspec

from ledger.domain.cases import CASES
from ledger.domain.custody import DRIVER_PACKS
from ledger.domain.leaving_rows import LEAVINGS, WAITING
from ledger.domain.privacy import EraseSubject
from ledger.domain.support_rows import SUPPORT_CASES
from ledger.kernel.errors import Refused
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor, Request
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.runtime.erasing import Erasing
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads

SYSTEM = Actor(id="system", role="system")
AT_ONCE = 50
MONEY = (
    "Assets:Receivables:Drivers",
    "Assets:Receivables:Unbilled",
    "Liabilities:Wallets:Paid-In",
    "Liabilities:Driver-Deposits",
)
"""Accounts on which a driver's money stands, one way or the other."""


class LeavingsDone(msgspec.Struct, frozen=True):
    """What a look did: who was erased, and how many wait although their day has come."""

    erased: tuple[str, ...]
    waiting: int


def obstacles(reads: Reads, subject_id: str) -> tuple[RefusalCode, ...]:
    """Tell what stands against erasing a person now, in the order of the codes."""
    packs = reads.rows(DRIVER_PACKS, listed=subject_id)
    money = (one for path in MONEY for one in reads.balances(path, item=subject_id))
    cases = (row for _, row in reads.rows(CASES, listed="open"))
    asked = (row for _, row in reads.rows(SUPPORT_CASES, listed=subject_id))
    tests = (
        (any(row.held for _, row in packs), RefusalCode.PACK_HELD),
        (any(one.quantity for one in money), RefusalCode.OPEN_BALANCE),
        (
            any(subject_id in row.subjects for row in cases) or any(row.is_open for row in asked),
            RefusalCode.OPEN_CASE,
        ),
    )
    return tuple(code for stands, code in tests if stands)


def check_free(reads: Reads, subject_id: str) -> None:
    """Raise `Refused` with everything that stands against erasing a person now."""
    found = obstacles(reads, subject_id)
    if found:
        raise Refused(Refusal(found[0], {"subject": subject_id}, found[1:]))


def carry_out(ledger: Ledger, erasing: Erasing, now: int) -> LeavingsDone:
    """Erase everybody whose day has come (us) and against whom nothing stands; repeatable.

    Raises:
        Unavailable, TamperEvidence: as `Erasing.erase`; whoever is left waits for the next look.
    """
    with ledger.reading() as reads:
        due = [row for _, row in reads.rows(LEAVINGS, listed=WAITING) if row.due_at <= now]
        free = [row for row in due if not obstacles(reads, row.subject_id)]
    erased: list[str] = []
    for row in free[:AT_ONCE]:
        command = EraseSubject(
            subject_id=row.subject_id, reason="person_asked", requested_by=row.subject_id
        )
        key = key_at(now, "leaving", row.subject_id, str(row.position))
        erasing.erase(Request(key, SYSTEM.id, SYSTEM, now, command))
        erased.append(row.subject_id)
    return LeavingsDone(tuple(erased), len(due) - len(erased))
