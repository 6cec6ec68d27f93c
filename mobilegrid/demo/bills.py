"""What becomes of bills: cards, transfers, a credit note, a chargeback, reminders.

Who pays how is decided once, by the order of the invoices: the first of them has a card without
cover and is reminded, every third pays by transfer, one of those forgets to say for what.
"""

from hashlib import sha256
from typing import NamedTuple

from ledger.domain.money.bank_rows import BANK_LINES, SUSPENSE_ITEMS, Match
from ledger.domain.money.credit_notes import CREDIT_NOTES
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.payments import PlanCharge
from ledger.domain.money.payments_disputes import DISPUTES, SubmitEvidence
from ledger.domain.money.payments_refunds import PlanRefund
from ledger.domain.money.payments_rows import CARD_PAYMENTS, SAVED_CARDS, CardPayment
from ledger.domain.money.suspense_items import IdentifySuspense
from ledger.domain.swap import SwapOutTimedOut
from ledger.runtime.crediting import credit_order, open_lines
from ledger.runtime.dunning import run_dunning
from ledger.runtime.relay import SYSTEM
from ledger.runtime.relay_evidence import evidence_text
from ledger.runtime.settling import close_period
from mobilegrid.demo.agreements import CURRENCY, FINANCE, MONTH
from mobilegrid.demo.desk import Desk

BY_TRANSFER_EACH = 3
_RECEIVABLE = "Assets:Receivables:Drivers"
_ARRIVED_ON = "2026-03-13"
_GOODWILL = "goodwill"
_NOT_ME = "fraudulent"


class Payers(NamedTuple):
    """Invoices by how they are paid; the last two are one each, by card and by transfer."""

    by_card: list[Invoice]
    by_transfer: list[Invoice]
    without_cover: Invoice
    forgetful: Invoice


class Bills:
    """The bills of drivers, and what is done about them in the month."""

    def __init__(self, desk: Desk) -> None:
        """Begin with nothing invoiced."""
        self.desk = desk

    def _payers(self) -> Payers:
        """Say who pays how; the driver of the half swap pays by card, so that he is paid back."""
        with self.desk.ledger.reading() as reads:
            rows = [row for _, row in reads.rows(INVOICES)]
        waited = self._half_swap_driver()
        rows.sort(key=lambda row: (row.driver_id == waited, row.invoice_no))
        without_cover, *rest = rows
        transfers = rest[:-1][::BY_TRANSFER_EACH]
        cards = [row for row in rest if row not in transfers]
        return Payers(cards, transfers, without_cover, transfers[0])

    def _half_swap_driver(self) -> str:
        with self.desk.ledger.reading() as reads:
            for one in reads.entries(kinds=(SwapOutTimedOut.kind,)):
                if isinstance(one.event, SwapOutTimedOut):
                    return one.event.driver_id
        return ""

    # The day after

    def pay(self, at: int) -> None:
        """Let drivers pay: by the cards they saved, or by transfer some days later."""
        payers = self._payers()
        for row in (payers.without_cover, *payers.by_card):
            self.desk.save_card(row.driver_id, at)
        self.desk.provider.without_cover(payers.without_cover.driver_id)
        self.charge((payers.without_cover, *payers.by_card), at)
        for row in payers.by_transfer:
            text = "thank you" if row == payers.forgetful else f"invoice {row.invoice_no}"
            who = f"Driver {row.driver_id}"
            self.desk.bank.receive(_ARRIVED_ON, row.open_minor, who, text)

    def charge(self, rows: tuple[Invoice, ...], at: int) -> None:
        """Charge what is open of invoices to the cards that their drivers saved, if any."""
        for row in rows:
            with self.desk.ledger.reading() as reads:
                has_card = reads.row(SAVED_CARDS, row.driver_id) is not None
            if not has_card or not row.open_minor:
                continue
            command = PlanCharge(
                payment_id=self.desk.day.name("PY"),
                driver_id=row.driver_id,
                invoice_no=row.invoice_no,
                currency=CURRENCY,
                amount_minor=row.open_minor,
            )
            self.desk.day.ask(FINANCE, command, at)
        self.desk.settle_cards(at)

    def credit(self, at: int) -> None:
        """Credit the swap fee to the driver who waited, and pay it back to his card."""
        driver_id = self._half_swap_driver()
        payment = self._payment_of(driver_id)
        with self.desk.ledger.reading() as reads:
            lines = open_lines(reads, payment.invoice_no)
            fee = next(one for one in lines if one.left.component == "SWAP")
            wanted = {fee.name: fee.left.credited_minor}
            order = credit_order(reads, payment.invoice_no, wanted, reason=_GOODWILL, issued_at=at)
        self.desk.day.ask(FINANCE, order, at)
        with self.desk.ledger.reading() as reads:
            ((_, note),) = list(reads.rows(CREDIT_NOTES))
        back = PlanRefund(
            credit_note_no=note.credit_note_no,
            payment_id=payment.payment_id,
            amount_minor=note.gross_minor,
        )
        self.desk.day.ask(FINANCE, back, at)
        self.desk.settle_cards(at)

    def _payment_of(self, driver_id: str) -> CardPayment:
        with self.desk.ledger.reading() as reads:
            rows = [row for _, row in reads.rows(CARD_PAYMENTS, listed=driver_id)]
        return rows[0]

    # A payment that is taken back

    def take_back(self, at: int) -> None:
        """Have the bank of a driver take his payment back: he says that it was not him."""
        payment = self._payment_of(self._payers().by_card[0].driver_id)
        self.desk.provider.dispute(payment.ref, reason=_NOT_ME)
        self.desk.settle_cards(at)

    def answer(self, at: int) -> None:
        """Answer with what packs and meters tell, out of the ledger."""
        with self.desk.ledger.reading() as reads:
            ((ref, _),) = list(reads.rows(DISPUTES, listed="open"))
            text = evidence_text(reads, ref)
        self.desk.kept.named[f"chargeback-{ref}.txt"] = f"{text}\n".encode()
        command = SubmitEvidence(
            dispute_ref=ref, text=text, sha256=sha256(text.encode()).hexdigest()
        )
        self.desk.day.ask(FINANCE, command, at)
        self.desk.settle_cards(at)

    def win(self, at: int) -> None:
        """Have the card scheme decide for us."""
        with self.desk.ledger.reading() as reads:
            ((ref, _),) = list(reads.rows(DISPUTES, listed="open"))
        self.desk.provider.decide_for_us(ref)
        self.desk.settle_cards(at)

    # A transfer that nobody knows, and a bill that nobody pays

    def identify(self, at: int) -> None:
        """Find out for which invoice a transfer without a word was: the driver has called."""
        row = self._payers().forgetful
        with self.desk.ledger.reading() as reads:
            ((line_id, item),) = list(reads.rows(SUSPENSE_ITEMS, listed="open"))
            assert reads.row(BANK_LINES, line_id) is not None, "what waits is a line"
        dims = {"driver": row.driver_id, "invoice": row.invoice_no}
        match = Match("person", _RECEIVABLE, item.left_minor, dims)
        command = IdentifySuspense(
            line_id=line_id, matches=(match,), reason="the driver has called"
        )
        self.desk.day.ask(FINANCE, command, at)

    def remind(self, at: int) -> None:
        """Take the steps that are due about bills that nobody paid."""
        run_dunning(self.desk.ledger, at, SYSTEM)
        self.desk.settle_cards(at)

    # The rest of the month

    def invoice_rest(self, at: int) -> None:
        """Invoice what was used since the first day, and charge the cards that are known."""
        made = close_period(self.desk.ledger, MONTH, actor=FINANCE, at=at)
        with self.desk.ledger.reading() as reads:
            rows = [row for name in made.invoices if (row := reads.row(INVOICES, name))]
        self.charge(tuple(rows), at)
