"""What partners live through in the month: energy bought, statements each Monday, payouts.

The operator of the north disputes a line and is right: it is left out of what is paid, and comes
with its correction in the next statement. The car service has closed its account: its money comes
back, and goes out again to the new one after the days that a new account waits.
"""

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.money.dispute_rows import DISPUTED_LINES
from ledger.domain.money.energy_trade import BuyEnergy, SellEnergy
from ledger.domain.money.line_disputes import RaiseLineDispute
from ledger.domain.money.line_resolutions import CloseLineDispute, ReviewLineDispute
from ledger.domain.money.payees import ApprovePayee, PayeeAccount
from ledger.domain.money.payout_rows import PAYABLES, Payables
from ledger.domain.money.settlement_ends import CloseStatement, ReconcileStatement
from ledger.domain.money.settlement_rows import (
    RECONCILED,
    STATEMENTS,
    Statement,
    may_become,
)
from ledger.kernel.messages import Actor
from ledger.runtime.reads import Reads
from ledger.runtime.settling import Span, partner_lines
from ledger.runtime.settling_cycle import share_at, statement_row, with_line
from mobilegrid.demo.agreements import (
    CLERKS,
    CURRENCY,
    FINANCE,
    NEW_IBAN,
    PARTNERS,
    US,
    payee_of,
    tax_code,
    vat,
)
from mobilegrid.demo.desk import Desk

DISPUTER, MOVED_BANK, TRADER = "OP-NORD", "SV-1", "TC-1"
CENTS_PER_MWH_BOUGHT, CENTS_PER_MWH_SOLD = 11_800, 19_500
_MORE_MINOR = 20
_WHY = "this swap was handed out by our staff, the amendment gives us more of its fee"
DISPUTE = "LD-1"


class Partners:
    """What is owed to partners, and how it gets to them."""

    def __init__(self, desk: Desk) -> None:
        """Begin with nothing bought and nothing cut."""
        self.desk = desk
        self._bought_to = 0
        self._cut: tuple[str, ...] = ()
        self._accepted: tuple[str, ...] = ()

    # Energy

    def buy_energy(self, at: int) -> None:
        """Owe the trading centre for what stations drew since the last time, and sell it some."""
        drawn = stored = exported = 0
        with self.desk.ledger.reading() as reads:
            for one in reads.entries(self._bought_to, None, (ChargeSessionEnded.kind,)):
                event = one.event
                assert isinstance(event, ChargeSessionEnded), event.kind
                if not event.driver_id:
                    drawn += event.energy_in_wh
                    stored += max(event.stored_wh_delta, 0)
                    exported += event.energy_out_wh
            self._bought_to = reads.size
        if stored:
            net = _price(drawn, CENTS_PER_MWH_BOUGHT)
            command = BuyEnergy(
                purchase_id=self.desk.day.name("EP"),
                partner_id=TRADER,
                currency=CURRENCY,
                net_minor=net,
                stored_wh=stored,
                tax_code=tax_code(),
                tax_minor=vat(net),
            )
            self.desk.day.ask(FINANCE, command, at)
        if exported:
            net = _price(exported, CENTS_PER_MWH_SOLD)
            sale = SellEnergy(
                sale_id=self.desk.day.name("ES"),
                partner_id=TRADER,
                currency=CURRENCY,
                energy_wh=exported,
                net_minor=net,
                tax_code=tax_code(),
                tax_minor=vat(net),
            )
            self.desk.day.ask(FINANCE, sale, at)

    # The cycle

    def cut(self, at: int, period: str = "") -> None:
        """Cut the statements that are due, calculate them twice and hand them in."""
        self._cut = self.desk.cut(at, period)

    def issue(self, at: int) -> None:
        """Issue what was handed in, as another person."""
        self.desk.issue(self._cut, at)

    def accept(self, at: int) -> None:
        """Have partners accept what they do not dispute."""
        self._accepted = self.desk.accept(at)

    def approve(self, at: int) -> None:
        """Approve what was accepted, net it."""
        self.desk.approve(self._accepted, at)

    def pay(self, at: int, day: str, leave_out: str = "") -> None:
        """Order one payout to each partner from the bank."""
        self.desk.pay_partners(at, day, leave_out)

    # A line that is wrong

    def dispute(self, at: int) -> None:
        """Have an operator dispute the first line of a swap's fee in its newest statement."""
        document = next(name for name in self._cut if f"-{DISPUTER}-" in name)
        with self.desk.ledger.reading() as reads:
            row = statement_row(reads, document)
            span = Span(row.period, "UTC", row.from_position, row.to_position)
            lines = partner_lines(reads, DISPUTER, span)
            line = next(each for each in lines if "SERVICE" in each.share_rule_version)
            command = with_line(
                reads,
                RaiseLineDispute(
                    dispute_id=DISPUTE,
                    document_id=document,
                    party_id=DISPUTER,
                    position=line.position,
                    posting_index=line.posting_index,
                    code="PRICE",
                    reason=_WHY,
                    claimed_minor=line.share_minor + _MORE_MINOR,
                ),
            )
        operator = Actor(DISPUTER, "operator")
        self.desk.day.ask(operator, command, at)
        self._disputed = line.position

    def uphold(self, at: int) -> None:
        """Look at the dispute and find that the operator is right: the share is made anew."""
        self.desk.day.ask(FINANCE, ReviewLineDispute(dispute_id=DISPUTE), at)
        with self.desk.ledger.reading() as reads:
            original = share_at(reads, self._disputed)
        shares = dict(original.shares)
        shares[DISPUTER] += _MORE_MINOR
        shares[US] -= _MORE_MINOR
        closing = CloseLineDispute(
            dispute_id=DISPUTE,
            verdict="UPHELD",
            reason="the amendment of 1 March says so",
            original=original,
            shares=shares,
        )
        self.desk.day.ask(FINANCE, closing, at)

    # An account that is no more

    def new_account(self, at: int) -> None:
        """Approve the account that the car service has now; it must wait some days."""
        holder = next(one.holder for one in PARTNERS if one.partner_id == MOVED_BANK)
        command = ApprovePayee(
            payee_id=payee_of(MOVED_BANK),
            partner_id=MOVED_BANK,
            paid_to=PayeeAccount(holder, iban=NEW_IBAN),
        )
        self.desk.day.ask(CLERKS, command, at)

    # The end of a cycle

    def finish(self, at: int) -> None:
        """Close the statements of which nothing is owed, on its way or disputed any more."""
        with self.desk.ledger.reading() as reads:
            names = [
                key
                for key, row in reads.rows(STATEMENTS)
                if may_become(row.state, RECONCILED) and _is_over(reads, row)
            ]
        for name in names:
            self.desk.day.ask(FINANCE, ReconcileStatement(statement_id=name), at)
            self.desk.day.ask(FINANCE, CloseStatement(statement_id=name), at)


def _is_over(reads: Reads, row: Statement) -> bool:
    held = reads.row(PAYABLES, row.partner_id) or Payables(row.partner_id)
    disputed = reads.row(DISPUTED_LINES, row.statement_id)
    return held.is_paid(row.statement_id) and not (disputed and disputed.has_open)


def _price(energy_wh: int, cents_per_mwh: int) -> int:
    """Give what energy costs (minor units), half a unit rounded up."""
    return (energy_wh * cents_per_mwh + 500_000) // 1_000_000
