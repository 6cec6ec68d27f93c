"""The month of the town: ordinary days, and what finance does on which of them.

Drivers pay by card and by transfer, one in vain; a bill is credited and paid back, a payment is
taken back by a driver's bank and won. Partners are settled every Monday. On the second of April the
month is reconciled, depreciated and closed.
"""

from collections.abc import Sequence
from datetime import date
from functools import partial

from ledger.domain.money.period_close import BeginClosing
from ledger.runtime.closing import Closed, close_books
from ledger.runtime.depreciating import Depreciated, depreciate, true_up_pool
from ledger.runtime.reconciliation_run import Running, RunView, reconcile
from ledger.tlog.note import Signer
from mobilegrid.demo.agreements import FINANCE, MONTH
from mobilegrid.demo.bills import Bills
from mobilegrid.demo.desk import Desk
from mobilegrid.demo.drive import Day
from mobilegrid.demo.fleet import Driver
from mobilegrid.demo.partners import MOVED_BANK, Partners
from mobilegrid.demo.weeks import LAST, days, on, plan_ordinary

APRIL, CLOSING_DAY, END = date(2026, 4, 1), date(2026, 4, 2), date(2026, 4, 3)
PROGRAMS_REASON = "accounting programs are asked after the close, where they are installed"
BANK_FEE_MINOR = 1_250
_PROGRAMS = 13
"""The item of the checklist that asks programs of this machine: the same town, the same bytes."""


def _march(day: int, hour: int, minute: int = 0) -> int:
    return on(date(2026, 3, day), hour, minute)


class Month:
    """A town after its first day, with its desk; what is told of it stands in the ledger."""

    def __init__(self, day: Day, signer: Signer) -> None:
        """Take over a town whose first day is settled."""
        self.day = day
        self.desk = Desk(day, signer)
        self.bills = Bills(self.desk)
        self.partners = Partners(self.desk)
        self.run: RunView | None = None
        self.closed: Closed | None = None
        self.depreciated: Depreciated | None = None

    @property
    def residual_minor(self) -> int:
        """What the reconciliation of the month leaves unexplained (minor units)."""
        legs = self.run.legs if self.run else ()
        return sum(abs(leg.residual_minor) for leg in legs)

    def pay_first_bills(self) -> None:
        """Let drivers pay at nine on the day after."""
        self.desk.plan(_march(11, 9), self.bills.pay)
        self.day.run()

    def live(self) -> None:
        """Live to the end of the month, and close it."""
        self._plan_bills()
        self._plan_partners()
        away: Sequence[Driver] = ()
        for when in days():
            away = plan_ordinary(self.day, when, away)
            self.desk.plan(on(when, 23, 55), self.partners.buy_energy)
            self.day.run(on(when, 23, 59))
        self._plan_april()
        self.day.run()

    # Drivers

    def _plan_bills(self) -> None:
        plan, bills = self.desk.plan, self.bills
        plan(_march(11, 10, 10), self.partners.buy_energy)
        plan(_march(12, 10), bills.credit)
        plan(_march(13, 14), bills.take_back)
        plan(_march(17, 15), bills.answer)
        plan(_march(25, 11), bills.identify)
        plan(_march(26, 16), bills.win)
        for at in (_march(26, 7), _march(28, 7), on(APRIL, 7)):
            plan(at, bills.remind)
        for day in (16, 23, 30):
            plan(_march(day, 5), self.desk.pay_out_cards)

    # Partners

    def _plan_partners(self) -> None:
        plan, partners = self.desk.plan, self.partners
        for day in (16, 23, 30):
            plan(_march(day, 6, 30), partners.cut)
            plan(_march(day, 10), partners.issue)
        plan(_march(17, 10), partners.dispute)
        for answered, paid in ((17, 18), (24, 25), (31, 31)):
            plan(_march(answered, 11), partners.accept)
            plan(_march(paid, 14), partners.approve)
        plan(_march(18, 15), partial(partners.pay, day="2026-03-19"))
        plan(_march(19, 10), partners.uphold)
        self._plan_bank(20, "2026-03-19")
        self._plan_bank(24, "2026-03-23")
        plan(_march(24, 15), partners.new_account)
        plan(_march(25, 15), partial(partners.pay, day="2026-03-26", leave_out=MOVED_BANK))
        self._plan_bank(27, "2026-03-26")
        plan(_march(31, 15), partial(partners.pay, day="2026-03-31"))
        plan(_march(31, 16), self._bank_fee)
        # the last statement of the month is read the same evening, so that it stands in the month
        plan(_march(31, 21), partial(self.desk.import_statement, day="2026-03-31"))

    def _plan_bank(self, day: int, closed_on: str) -> None:
        read = partial(self.desk.import_statement, day=closed_on)
        self.desk.plan(_march(day, 8), read)

    def _bank_fee(self, _at: int) -> None:
        self.desk.bank.charge(LAST.isoformat(), BANK_FEE_MINOR, "account fee")

    # The end of the month

    def _plan_april(self) -> None:
        plan, partners = self.desk.plan, self.partners
        plan(on(APRIL, 6, 30), partial(partners.cut, period="2026-03-31"))
        plan(on(APRIL, 9, 30), self.bills.invoice_rest)
        plan(on(APRIL, 9), self._begin_closing)
        plan(on(APRIL, 10), partners.issue)
        plan(on(CLOSING_DAY, 8), partial(self.desk.import_statement, day="2026-04-01"))
        plan(on(CLOSING_DAY, 9), self._reconcile)
        plan(on(CLOSING_DAY, 10), self._value)
        plan(on(CLOSING_DAY, 11), self._close)
        plan(on(END, 9), partners.finish)

    def _begin_closing(self, at: int) -> None:
        self.day.ask(FINANCE, BeginClosing(period=MONTH), at)

    def _reconcile(self, at: int) -> None:
        how = Running(
            run_on=CLOSING_DAY.isoformat(),
            actor=FINANCE,
            at=at,
            read_again=self.desk.kept.read_again,
            psp=self.desk.provider_list(),
        )
        self.run = reconcile(self.day.ledger, how)

    def _value(self, at: int) -> None:
        """Book what packs lost, and what the energy in stock is worth, by the last day."""
        ends_on = LAST.isoformat()
        self.depreciated = depreciate(self.day.ledger, ends_on, actor=FINANCE, at=at)
        true_up_pool(self.day.ledger, ends_on, actor=FINANCE, at=at)

    def _close(self, at: int) -> None:
        reasons = {_PROGRAMS: PROGRAMS_REASON}
        self.closed = close_books(self.day.ledger, MONTH, actor=FINANCE, at=at, reasons=reasons)
