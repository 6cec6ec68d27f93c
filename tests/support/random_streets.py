"""Random months, first part: stations, prices and drivers (`random_months.py` has the rest)."""

from collections import Counter
from random import Random  # noqa: TID251  seeded and printed
from typing import Any

from msgspec.structs import replace

from ledger.domain.asking import AuthoriseSwap, RequestSwap, swap_id_of
from ledger.domain.money.contracts import AgreeContract, ContractTerms
from ledger.domain.money.discount_rows import DiscountTerms
from ledger.domain.money.discounts import GrantDiscount
from ledger.domain.money.energy_trade import BuyEnergy, CorrectEnergyPurchase
from ledger.domain.money.invoice_means import PayFromCredit
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payees import ApprovePayee, PayeeAccount
from ledger.domain.money.payments import PlanTopUp
from ledger.domain.money.payments_books import PostBalanceLine
from ledger.domain.money.payments_calls import SendCall
from ledger.domain.money.payments_disputes import TellDispute
from ledger.domain.money.payments_rows import CARD_PAYMENTS, PAYMENT_CALLS, Told
from ledger.domain.money.payments_told import TellAnswer, TellPayment
from ledger.domain.money.period_close import OpenBooks
from ledger.domain.money.promos import GrantPromo
from ledger.domain.money.psp_records import BalanceTransaction
from ledger.domain.money.tariff_terms import Element, Step, TariffTerms, Tier
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.stays import ReportStay
from ledger.kernel.instants import DAY, HOUR, MINUTE, utc_day
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.crediting import credit_order, open_lines
from ledger.runtime.ledger import Ledger
from tests.support import told_anew
from tests.support.amounts_month import _before
from tests.support.ledgers import asking
from tests.support.partners import CLERKS, IBAN
from tests.support.told_anew import AT, STATION, swapped_town
from tests.support.town import IMPORTER, PACK_CLASS

FINANCE = Actor("FI-1", "finance", "FI-2")
SYSTEM = Actor("system", "system")
DRIVER = Actor("DR-1", "driver")


class Streets:
    """What happens in the town: stations, prices, energy, and drivers with their money."""

    def __init__(self, url: str, seed: int) -> None:
        self.random = Random(seed)
        opened = OpenBooks(period="2024-03", zone="UTC")
        self.ledger: Ledger = swapped_town(url, [opened, *_before()])
        payee = PayeeAccount("Example Swaps GmbH", iban=IBAN)
        self.now = AT + 4 * HOUR
        self.number = 100
        self.seq = 7
        self.refused: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.asked: list[Request] = []
        self.posted: list[str] = []
        self.bank_minor, self.bank_number = 10_000, 0
        self.held, self.waiting = "PK-2", "PK-1"  # with the driver, in slot 1 of the station
        self.slot = "1"
        self.settled = self.closed = 0
        self.files: dict[str, Any] = {}
        self.do(ApprovePayee(payee_id="PE-1", partner_id="OP-1", paid_to=payee), CLERKS)
        self.price()

    # asking

    def name(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}-{self.number}"

    def do(self, command: Command, actor: Actor = FINANCE) -> bool:
        """Ask for something now; give whether it was done."""
        self.now += 1
        request = asking(command, f"{self.now} {self.number}", actor=actor, at=self.now)
        receipt = self.ledger.execute_all([request])[0]
        self.asked.append(request)
        if receipt.refusal is not None:
            self.refused[receipt.refusal.code.wire] += 1
            return False
        self.done[type(command).__name__] += 1
        return True

    # stations

    def swap(self) -> None:
        """The driver brings his pack to the empty slot and takes the other one."""
        at, request = self.now, str(self.number)
        swap_id = swap_id_of("ST-1", "B1", request)
        empty = "2" if self.slot == "1" else "1"
        wish = RequestSwap(
            swap_id=swap_id, driver_id="DR-1", station_id="ST-1", pack_class=PACK_CLASS
        )
        if not self.do(wish, STATION):
            return
        self.do(AuthoriseSwap(swap_id=swap_id, pack_ids=(self.waiting,)), STATION)
        came = {"pack_id": self.held, "slot": empty, "soc_bp": self.random.randrange(500, 4_000)}
        took = {"pack_id": self.waiting, "slot": self.slot, "soc_bp": 9_500}
        self.report("swap_in", at + MINUTE, request, came)
        self.report("swap_out", at + 2 * MINUTE, request, took)
        self.held, self.waiting, self.slot = self.waiting, self.held, empty
        self.number += 1

    def report(self, kind: str, at: int, request: str, told: dict[str, Any]) -> None:
        late = self.random.choice([1_000_000, 1_000_000, 3 * HOUR])
        fields = {"driver_id": "DR-1", "request": request, "arrives": at + late}
        command = told_anew.report(kind, self.seq, at, **fields, **told)
        self.seq += 1
        self.now = at + late
        self.do(command, STATION)

    def charge(self) -> None:
        """The driver charged his pack at the station; told now, or weeks later."""
        begin = self.now - self.random.choice([2, 5, 24, 100, 300]) * HOUR
        self.do(
            ReportStay(
                report_id=self.name("RP"),
                network="OP-1",
                station_id="ST-1",
                slot="2",
                driver_id="DR-1",
                pack_id=self.held,
                begin_at=begin,
                received_at=self.now,
                seq=self.number,
                row_ref=f"rows#{self.number}",
                end_at=begin + HOUR,
                energy_wh=self.random.randrange(0, 60_000),
                meter_id="MT-2",
            ),
            IMPORTER,
        )

    # prices and contracts

    def price(self) -> None:
        """A version of the price list from some day on, perhaps in steps, perhaps with tax."""
        begin = self.now // DAY * DAY + self.random.randrange(-4, 3) * DAY
        micro = self.random.randrange(100_000, 400_000)
        steps = (Step(0, micro), Step(30_000, micro // 2), Step(90_000, micro // 3))
        mode = self.random.choice(["", "graduated", "graduated", "volume"])
        tier = Tier("calendar_month", mode, steps) if mode else None
        terms = TariffTerms(
            "FR",
            "EUR",
            "Europe/Paris",
            begin,
            0,
            (
                Element("ENERGY", "KWH", micro, tier=tier),
                Element("SERVICE", "KWH", self.random.randrange(10_000, 200_000)),
            ),
            tax_included=self.random.choice([False, True]),
            max_bill_minor=self.random.choice([0, 0, 1_500]),
        )
        self.do(PublishTariff(tariff_id="TF-1", terms=terms))

    def agree(self) -> None:
        part = self.random.randrange(10, 90)
        terms = ContractTerms(
            role="operator",
            currency="EUR",
            base=self.random.choice(["SERVICE_NET", "TOTAL_NET", "ENERGY_NET"]),
            ours="MG",
            weights={"OP-1": part, "MG": 100 - part},
            order=("OP-1", "MG"),
            fixed=self.random.choice([{}, {}, {"OP-1": 25}]),
            valid_from_at=self.now,
            route="bank_file",
        )
        self.do(AgreeContract(contract_id="CT-1", partner_id="OP-1", terms=terms))

    def buy(self) -> None:
        command = BuyEnergy(
            purchase_id=self.name("EP"),
            partner_id="SV-1",
            currency="EUR",
            net_minor=self.random.randrange(1, 9_000),
            stored_wh=self.random.randrange(1, 500_000),
            occurred_at=self.now,
        )
        self.do(command)

    def correct(self) -> None:
        net = self.random.randrange(0, 12_000)
        self.do(CorrectEnergyPurchase(purchase_id="EP-1", net_minor=net, reason="statement"))

    # drivers

    def top_up(self) -> None:
        """The driver pays into his wallet by card, and the provider's list says so."""
        name, minor = self.name("PY"), self.random.randrange(500, 6_000)
        planned = PlanTopUp(payment_id=name, driver_id="DR-1", currency="EUR", amount_minor=minor)
        if not self.do(planned, DRIVER):
            return
        key = f"topup:{name}:1"
        with self.ledger.reading() as reads:
            call = reads.row(PAYMENT_CALLS, key)
        assert call is not None, "a plan makes a call"
        self.do(SendCall(call_key=key, body_sha256=call.body.digest), SYSTEM)
        opened = Told(f"cs_{name}", "open", url="https://pay.example.net/1")
        self.do(TellAnswer(call_key=key, told=opened), SYSTEM)
        if self.random.random() < 0.2:
            return  # he never paid
        said = Told(
            f"pi_{name}", "captured", amount_minor=minor, currency="EUR", captured_minor=minor
        )
        self.do(TellPayment(payment_id=name, told=said), SYSTEM)
        self.provider("charge", minor, 30, name, f"ch_{name}")

    def provider(self, category: str, minor: int, fee: int, payment_id: str, source: str) -> None:
        line = BalanceTransaction(
            transaction_id=self.name("txn"),
            currency="EUR",
            amount_minor=minor,
            fee_minor=fee,
            net_minor=minor - fee,
            category=category,
            created_on=utc_day(self.now),
            source_id=source,
        )
        for _ in range(self.random.choice([1, 1, 2])):  # lists are read again
            self.do(PostBalanceLine(line=line, payment_id=payment_id), SYSTEM)

    def chargeback(self) -> None:
        """The driver's bank takes a payment back; it is lost or won some day, or now."""
        with self.ledger.reading() as reads:
            rows = [row for _, row in reads.rows(CARD_PAYMENTS) if row.refundable_minor > 0]
        if not rows:
            return
        row = self.random.choice(rows)
        minor, name = self.random.randrange(1, row.refundable_minor + 1), self.name("du")
        told = TellDispute(
            dispute_ref=name,
            payment_id=row.payment_id,
            amount_minor=minor,
            state="open",
            reason="fraudulent",
        )
        self.do(told, SYSTEM)
        self.provider("dispute", -minor, 2_000, row.payment_id, name)
        state = self.random.choice(["open", "lost", "won"])
        if state == "won":
            self.provider("dispute_reversal", minor, 0, row.payment_id, name)
        if state != "open":
            self.do(replace(told, state=state), SYSTEM)

    def grant(self) -> None:
        minor = self.random.randrange(1, 900)
        promo = GrantPromo(
            promo_id=self.name("PR"),
            driver_id="DR-1",
            currency="EUR",
            amount_minor=minor,
            reason="sorry",
        )
        self.do(promo)
        self.grant_discount(minor)

    def grant_discount(self, drawn: int) -> None:
        """Something off the next bills, within bounds that are soon reached."""
        is_percent = drawn % 3 > 0
        terms = DiscountTerms(
            kind="percent" if is_percent else "free_swaps",
            currency="EUR",
            percent_bp=drawn * 10 if is_percent else 0,
            swaps=0 if is_percent else 1 + drawn % 2,
            uses_max=drawn % 4 if is_percent else 0,
            max_bill_minor=drawn % 5 * 40,
            max_minor=drawn % 7 * 60,
            components=("ENERGY",) if drawn % 8 == 0 else (),
            stackable=drawn % 2 == 0,
        )
        name = self.name("PD")
        end = self.now + drawn * HOUR if drawn % 5 else 0
        self.do(
            GrantDiscount(
                promo_id=name, driver_id="DR-1", terms=terms, reason="come back", valid_to_at=end
            )
        )

    def spend(self) -> None:
        for invoice_no in self.open_invoices()[:2]:
            self.do(PayFromCredit(invoice_no=invoice_no, driver_id="DR-1"), DRIVER)

    def open_invoices(self) -> list[str]:
        with self.ledger.reading() as reads:
            return [number for number, row in reads.rows(INVOICES) if row.open_minor]

    def credit(self) -> None:
        """Some of an invoice is credited, or all that is left of it."""
        with self.ledger.reading() as reads:
            numbers = [number for number, _ in reads.rows(INVOICES)]
            if not numbers:
                return
            number = self.random.choice(numbers)
            lines = [one for one in open_lines(reads, number) if one.left.credited_minor > 0]
            wanted = {}
            if lines and self.random.random() < 0.7:
                line = self.random.choice(lines)
                wanted[line.name] = self.random.randrange(1, line.left.credited_minor + 1)
            order = credit_order(reads, number, wanted, reason="goodwill", issued_at=self.now)
        self.do(order)
