"""The relay: takes planned calls from the outbox in order, makes them, and tells what came of it.

For each call it writes `SENT` first and the answer after. A process that dies in between is the
normal case: the next run sends the same key and body again, and the provider answers as before.
After a day he may have forgotten the key, so from then on nothing is sent: what we wrote on his
objects is looked for, found = adopted, not found = a case and a dead letter.

A call whose answer was lost waits longer each time; the others go on. When nothing gets through,
or the provider does not know us any more, the run ends and the queue is kept.
"""

from collections import Counter
from typing import assert_never

import msgspec

from ledger.domain.cases import OpenCase
from ledger.domain.money.payments_calls import LoseCall, SendCall
from ledger.domain.money.payments_rows import (
    PAYMENT_CALLS,
    PLANNED,
    TRANSFER,
    PaymentCall,
)
from ledger.domain.money.payments_told import TellAnswer, TellRefusal
from ledger.domain.money.payouts import MarkPayoutUnknown
from ledger.kernel.errors import Malformed, Misconfigured, Unavailable
from ledger.kernel.ids import IdSource, derived_id
from ledger.kernel.instants import HOUR, MINUTE, SECOND, Clock
from ledger.kernel.messages import Actor, Command, Receipt, Request
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.relay_gateway import (
    Answered,
    CallAnswer,
    KeyMismatch,
    Lost,
    PaymentGateway,
    TurnedDown,
)
from ledger.store import following, outbox
from ledger.store.outbox import Work

SYSTEM = Actor(id="system", role="system")
AT_ONCE = 200
KEY_LIFE_US = 23 * HOUR
"""So long a key is sent again; providers keep them a day at least."""

WAIT_US, WAIT_US_MAX = SECOND, HOUR
LOST_IN_A_ROW_MAX = 3
"""After so many lost answers in one run nothing seems to get through."""


class RelayRun(msgspec.Struct, frozen=True):
    """What one run did: how calls ended, by outcome; how many wait; why it stopped early."""

    ended: dict[str, int]
    waiting: int
    stopped: str = ""


class Relay:
    """Makes the calls of one ledger; many may run, each call is still made once."""

    def __init__(
        self, ledger: Ledger, gateway: PaymentGateway, clock: Clock, ids: IdSource
    ) -> None:
        """Take the parts; nothing is called yet."""
        self._ledger = ledger
        self._gateway = gateway
        self._clock = clock
        self._ids = ids

    def run(self, limit: int = AT_ONCE) -> RelayRun:
        """Make every call that is due, in order."""
        ended: Counter[str] = Counter()
        stopped = ""
        lost_in_a_row = 0
        for work in self._work(limit):
            try:
                outcome = self._see_to(work)
            except (Misconfigured, Unavailable) as error:
                stopped = error.explain()
                break
            ended[outcome] += 1
            lost_in_a_row = lost_in_a_row + 1 if outcome == "lost" else 0
            if lost_in_a_row == LOST_IN_A_ROW_MAX:
                stopped = "nothing gets through"
                break
        return RelayRun(dict(sorted(ended.items())), len(self._work(limit)), stopped)

    def _work(self, limit: int) -> list[Work]:
        with self._ledger.reading() as reads:
            log_id = reads.name.log_id
            first = following.position(reads.tx, log_id, outbox.FOLLOWER)
            found = outbox.waiting(reads.tx, log_id, outbox.CALLS, first=first, limit=limit)
            reached = found[0].position if found else reads.size
        if reached > first:
            with self._ledger.writing() as tx:
                following.move(tx, log_id, outbox.FOLLOWER, at=first, reached=reached)
        return found

    def _see_to(self, work: Work) -> str:
        with self._ledger.reading() as reads:
            row = reads.row(PAYMENT_CALLS, outbox.call_key(work))
        assert row is not None, "the entry that plans a call files it"
        if not row.is_open:
            self._mark(work, outbox.DONE)
            return "known"
        now = self._clock.now()
        if row.state != PLANNED and now < _due_at(row):
            return "waiting"
        if row.sends and now >= row.sent_at + KEY_LIFE_US:
            return self._look_for(work, row)
        self._do(SendCall(call_key=row.call_key, body_sha256=row.body.digest))
        return self._tell(work, row, self._gateway.perform(row.call_key, row.body))

    def _tell(self, work: Work, row: PaymentCall, answer: CallAnswer) -> str:
        match answer:
            case Answered():
                self._do(TellAnswer(call_key=row.call_key, told=answer.told))
                self._mark(work, outbox.DONE)
                return "answered"
            case TurnedDown():
                refusal = TellRefusal(call_key=row.call_key, reason=answer.reason, ref=answer.ref)
                self._do(refusal)
                self._mark(work, outbox.DONE)
                return "refused"
            case Lost():
                self._lose(row, answer.reason)
                return "lost"
            case KeyMismatch():
                self._lose(row, answer.reason)
                self._give_up(work, row, "KEY_MISMATCH", answer.reason)
                return "dead"
            case _ as unknown:
                assert_never(unknown)

    def _look_for(self, work: Work, row: PaymentCall) -> str:
        """Find out what became of a call whose key may be forgotten; never send it again."""
        try:
            found = self._gateway.find(row.body, row.sent_at - MINUTE, row.last_at + HOUR)
        except Malformed:  # what the call was about is not there either
            found = None
        if found is not None:
            self._do(TellAnswer(call_key=row.call_key, told=found))
            self._mark(work, outbox.DONE)
            return "adopted"
        self._lose(row, "not found there")
        self._give_up(work, row, "PAYMENT_CALL_LOST", "no answer in a day, and not found there")
        return "dead"

    def _lose(self, row: PaymentCall, reason: str) -> None:
        for command in lost_commands(row, reason):
            self._ask(command)  # what ended meanwhile stays as it is

    def _give_up(self, work: Work, row: PaymentCall, case_type: str, reason: str) -> None:
        case = OpenCase(
            case_id=derived_id("CA", "call", row.call_key),
            case_type=case_type,
            subjects=tuple(filter(None, (row.payment_id, row.driver_id))),
            reason=f"{row.call_key}: {reason}"[:300],
        )
        self._ask(case)  # there is one already when this was done before
        self._mark(work, outbox.DEAD)

    def _do(self, command: Command) -> None:
        accepted(self._ask(command))

    def _ask(self, command: Command) -> Receipt:
        request = Request(
            key=self._ids.key(),
            principal=SYSTEM.id,
            actor=SYSTEM,
            at=self._clock.now(),
            command=command,
        )
        return self._ledger.execute_all([request])[0]

    def _mark(self, work: Work, state: str) -> None:
        with self._ledger.writing() as tx:
            outbox.mark(tx, self._ledger.name.log_id, work, state)


def lost_commands(row: PaymentCall, reason: str) -> tuple[Command, ...]:
    """Say that an answer was lost; a payout whose transfer it was is then unknown as well."""
    lost = LoseCall(call_key=row.call_key, reason=reason)
    if row.body.operation != TRANSFER:
        return (lost,)
    said = row.body.metadata
    unknown = MarkPayoutUnknown(
        payout_id=said["payout_id"], attempt=int(said["attempt"]), reason=reason[:200]
    )
    return lost, unknown


def _due_at(row: PaymentCall) -> int:
    """Say when a call may be sent again: twice as long each time, spread by its key."""
    wait = min(WAIT_US << min(row.sends, 12), WAIT_US_MAX)
    spread = int(row.body_sha256[:4], 16)
    return row.last_at + wait // 2 + wait // 2 * spread // 0xFFFF
