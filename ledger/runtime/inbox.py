"""The inbox: messages of the provider of payments, seen to by reading their objects again.

A message is kept (its bytes as evidence) before anything is done about it, and looked at later.
What the provider has now becomes a command whose rule takes in what is new. So a message may come
twice, late, in any order or never: once a night those that did not reach us are fetched.
"""

from collections.abc import Callable
from typing import assert_never

import msgspec

from ledger.domain.cases import OpenCase
from ledger.domain.money.accounts import PSP
from ledger.domain.money.payments_books import PostBalanceLine
from ledger.domain.money.payments_disputes import TellDispute
from ledger.domain.money.payments_inbox import (
    DEAD,
    DONE,
    NEW,
    PROVIDER_NEWS,
    EndNews,
    News,
    TakeNews,
)
from ledger.domain.money.payments_rows import CARD_PAYMENTS, PAYMENT_REFS
from ledger.domain.money.payments_told import TellCard, TellPayment
from ledger.domain.money.psp_records import BalanceTransaction, PspList
from ledger.kernel.errors import Malformed, Unavailable
from ledger.kernel.ids import IdSource, derived_id
from ledger.kernel.instants import DAY, Clock
from ledger.kernel.messages import Command, Receipt, Request
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.relay import SYSTEM
from ledger.runtime.relay_gateway import (
    BalanceMoved,
    CardNow,
    DisputeNow,
    NewsItem,
    ObjectNow,
    PaymentGateway,
    PaymentNow,
    SourcedLine,
)

CATCH_UP_US = 3 * DAY
"""Messages that are older were caught up with before."""

BALANCE_US = 7 * DAY
"""Balance transactions of so many days are read again: one that was posted changes nothing."""


class Held(msgspec.Struct, frozen=True):
    """What our books and the provider say he holds in one currency (minor units)."""

    currency: str
    ours_minor: int
    theirs_minor: int


class InboxRun(msgspec.Struct, frozen=True):
    """What one run did: messages seen to, tried again later, given up; transactions posted."""

    done: int = 0
    later: int = 0
    dead: int = 0
    posted: int = 0
    waiting_lines: int = 0


class Inbox:
    """Takes messages of a provider and sees to them; `keep` files their bytes as evidence."""

    def __init__(
        self,
        ledger: Ledger,
        gateway: PaymentGateway,
        keep: Callable[[bytes], str],
        clock: Clock,
        ids: IdSource,
    ) -> None:
        """Take the parts; nothing is read yet."""
        self._ledger = ledger
        self._gateway = gateway
        self._keep = keep
        self._clock = clock
        self._ids = ids

    def take(self, item: NewsItem, provider: str = "stripe") -> bool:
        """Keep a message whose signature is good; tell whether it is new. Durable when it returns.

        The second time its bytes may differ (it counts how often it was sent), so its name tells.
        """
        with self._ledger.reading() as reads:
            if reads.row(PROVIDER_NEWS, item.ref) is not None:
                return False
        took = TakeNews(
            provider=provider,
            news_ref=item.ref,
            type=item.type,
            object_ref=item.object_ref,
            sha256=self._keep(item.body),
            said_at=item.said_at,
        )
        return accepted(self._ask(took)).count > 0

    def process(self) -> InboxRun:
        """See to every message that nobody has seen to; then post the provider's balance."""
        with self._ledger.reading() as reads:
            waiting = [row for _, row in reads.rows(PROVIDER_NEWS, listed=NEW)]
        ends = [self._see_to(news) for news in waiting]
        posted, left = self.post_balance() if waiting else (0, 0)
        return InboxRun(ends.count(DONE), ends.count(NEW), ends.count(DEAD), posted, left)

    def catch_up(self) -> InboxRun:
        """Fetch the messages that did not reach us, see to them, and post the balance."""
        for item in self._gateway.undelivered(self._clock.now() - CATCH_UP_US):
            self.take(item)
        run = self.process()
        posted, left = self.post_balance()
        return msgspec.structs.replace(run, posted=run.posted + posted, waiting_lines=left)

    def _see_to(self, news: News) -> str:
        try:
            found = self._gateway.read(news.type, news.object_ref)
        except Unavailable as error:
            return self._end(news, NEW, error.explain())
        except Malformed as error:
            return self._end(news, DEAD, error.explain())
        if found is None:
            return self._end(news, DONE, "none of ours")
        return self._end(news, DONE, self._tell(news, found))

    def _tell(self, news: News, found: ObjectNow) -> str:
        """Tell the ledger what the provider has now; "" when it took it."""
        command: Command
        match found:
            case BalanceMoved():
                return ""
            case PaymentNow():
                command = TellPayment(payment_id=found.payment_id, told=found.told)
            case CardNow():
                command = TellCard(driver_id=found.driver_id, payer=found.payer, card=found.card)
            case DisputeNow():
                command = TellDispute(
                    dispute_ref=found.ref,
                    payment_id=self._payment_of(found.payment_ref),
                    amount_minor=found.amount_minor,
                    state=found.state,
                    reason=found.reason,
                    due_at=found.due_at,
                )
            case _ as unknown:
                assert_never(unknown)
        receipt = self._ask(command)
        if receipt.refusal is None:
            return ""
        reason = f"{news.type} of {news.object_ref}: {receipt.refusal.code.wire}"
        self._open_case("PAYMENT_FOREIGN", news.object_ref, reason)
        return receipt.refusal.code.wire

    def _end(self, news: News, state: str, reason: str) -> str:
        accepted(self._ask(EndNews(news_ref=news.news_ref, state=state, reason=reason)))
        with self._ledger.reading() as reads:
            row = reads.row(PROVIDER_NEWS, news.news_ref)
        ended = row.state if row is not None else state
        if ended == DEAD:
            self._open_case("NEWS_DEAD", news.object_ref, f"{news.type}: {reason}")
        return ended

    def post_balance(self) -> tuple[int, int]:
        """Post the provider's balance transactions of the last days; gives posted, not yet."""
        posted = left = 0
        for sourced in self._gateway.balance_lines(self._clock.now() - BALANCE_US):
            receipt = self._post(sourced)
            posted += receipt.count > 0
            left += receipt.refusal is not None
        return posted, left

    def _post(self, sourced: SourcedLine) -> Receipt:
        payment_id = sourced.payment_id or self._payment_of(sourced.payment_ref)
        command = PostBalanceLine(
            line=sourced.line,
            payment_id=payment_id,
            payout_id=sourced.payout_id,
            attempt=sourced.attempt,
        )
        receipt = self._ask(command)
        refusal = receipt.refusal
        if refusal is None or refusal.code is not RefusalCode.PAYMENT_NOT_TOLD:
            return receipt
        self._read_again(payment_id)
        return self._ask(command)

    def _read_again(self, payment_id: str) -> None:
        with self._ledger.reading() as reads:
            row = reads.row(CARD_PAYMENTS, payment_id)
        if row is not None and row.ref:
            told = self._gateway.read_payment(row.ref).told
            self._ask(TellPayment(payment_id=payment_id, told=told))

    def compare(self) -> tuple[Held, ...]:
        """Hold our books against what the provider says he holds, by currency (identity of 1020).

        They are equal when everything was posted and nothing is on its way into the list.
        """
        theirs = {one.currency: one.total_minor for one in self._gateway.balances()}
        ours: dict[str, int] = {}
        with self._ledger.reading() as reads:
            for one in reads.balances(PSP):
                ours[one.commodity] = ours.get(one.commodity, 0) + one.quantity
        names = sorted(theirs.keys() | ours.keys())
        return tuple(Held(name, ours.get(name, 0), theirs.get(name, 0)) for name in names)

    def told_list(self, since: int) -> PspList:
        """Give everything the provider told since a time (us), for a reconciliation."""
        lines = [self._named(one) for one in self._gateway.balance_lines(since)]
        payouts = tuple(self._gateway.payouts(since))
        return PspList(tuple(lines), payouts, self._gateway.balances())

    def _named(self, sourced: SourcedLine) -> BalanceTransaction:
        """Name a transaction by our id of its source, as the books do."""
        line = sourced.line
        ours = sourced.payment_id or sourced.payout_id or self._payment_of(sourced.payment_ref)
        return msgspec.structs.replace(line, source_id=ours) if ours else line

    def _payment_of(self, ref: str) -> str:
        with self._ledger.reading() as reads:
            row = reads.row(PAYMENT_REFS, ref) if ref else None
        return "" if row is None else row.payment_id

    def _open_case(self, case_type: str, ref: str, reason: str) -> None:
        case = OpenCase(
            case_id=derived_id("CA", case_type, ref),
            case_type=case_type,
            subjects=(ref,),
            reason=reason[:300],
        )
        self._ask(case)  # there is one already when this was seen before

    def _ask(self, command: Command) -> Receipt:
        request = Request(
            key=self._ids.key(),
            principal=SYSTEM.id,
            actor=SYSTEM,
            at=self._clock.now(),
            command=command,
        )
        return self._ledger.execute_all([request])[0]
