"""Finance of the town: statements and payouts, cards, the bank's files, the end of the month.

Each step is a command that finance would give at its own door, by the persons who may: whoever
hands a statement in does not issue it, two approve and release, and others approved the accounts.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.bank.orders import approving, releasing
from ledger.domain.money.netting import ApproveStatement, NetStatement
from ledger.domain.money.payments_told import TellCard
from ledger.domain.money.payout_batches import MarkPayoutsSent
from ledger.domain.money.payout_plans import InstructPayout
from ledger.domain.money.payout_rows import PAYABLES, PAYOUTS, RETURNED, PayoutBatch
from ledger.domain.money.psp_records import PspList
from ledger.domain.money.settlement_answers import AcceptStatement
from ledger.domain.money.settlement_rows import ISSUED, STATEMENTS, Statement
from ledger.domain.money.settlement_steps import SubmitStatement
from ledger.exports.statement_documents import publishing
from ledger.kernel.errors import NotFound
from ledger.kernel.messages import Actor
from ledger.runtime import proving
from ledger.runtime.inbox import Inbox
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from ledger.runtime.reconciliation_import import (
    Imported,
    Importing,
    ReadStatement,
    import_statements,
)
from ledger.runtime.relay import SYSTEM, Relay
from ledger.runtime.settling_cycle import calculating, cutting, due_span, span_after
from ledger.signer.documents import compact, signing_input, thumbprint
from ledger.tlog.note import Ed25519Signer, Signer
from mobilegrid.demo.agreements import (
    BANK_ACCOUNT,
    CHECKER,
    CLOSED_IBAN,
    CURRENCY,
    FINANCE,
    PARTNERS,
    payee_of,
)
from mobilegrid.demo.bank import Bank
from mobilegrid.demo.drive import Day, When
from mobilegrid.demo.provider import CardProvider, CountedIds, TownClock, card_of

HOLDER = "Mobile Grid of the demo town"
_KEY_SEED = sha256(b"mobilegrid demo documents: everybody knows this key").digest()
FULL_LEVEL = 2
"""Evidence of an answer that a person of the partner gave us."""


class Kept:
    """Files as they came and went: by digest for the ledger, by name for whoever looks."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_digest: dict[str, bytes] = {}
        self.named: dict[str, bytes] = {}

    def put(self, content: bytes, name: str = "") -> str:
        """Keep a file, under a name too if it has one; gives its digest."""
        digest = sha256(content).hexdigest()
        self._by_digest[digest] = content
        if name:
            self.named[name] = content
        return digest

    def read_again(self, digest: str) -> Sequence[ReadStatement]:
        """Read the bank statements of a kept file again."""
        content = self._by_digest.get(digest)
        if content is None:
            raise NotFound(f"no file {digest}")
        return read_statements(content)[1]


class Desk:
    """The finance desk of a town, with the provider of cards and the bank on the other side."""

    def __init__(self, day: Day, signer: Signer) -> None:
        """Sit down; `signer` signs heads."""
        self.day = day
        self.kept = Kept()
        self.clock = TownClock(0)
        self.provider = CardProvider(self.clock)
        self.bank = Bank(frozenset({CLOSED_IBAN}))
        ids = CountedIds(self.clock, "demo payments")
        self.relay = Relay(day.ledger, self.provider, self.clock, ids)
        self.inbox = Inbox(day.ledger, self.provider, self.kept.put, self.clock, ids)
        self.imported: list[Imported] = []
        self._signer = signer
        self._documents = Ed25519Signer(signer.key.name, _KEY_SEED)

    @property
    def ledger(self) -> Ledger:
        """The books."""
        return self.day.ledger

    def plan(self, at: int, step: Callable[[int], object]) -> None:
        """Do something at a time, by the clock of the town."""

        def act(when: When) -> None:
            self.clock.at = when.now
            step(when.now)

        self.day.plan(at, act)

    # Cards

    def save_card(self, driver_id: str, at: int) -> None:
        """Hear from the provider that a driver saved a card."""
        told = TellCard(driver_id=driver_id, payer=f"cus_{driver_id}", card=card_of(driver_id))
        self.day.ask(SYSTEM, told, at)

    def settle_cards(self, _at: int = 0) -> None:
        """Make the calls that are due, hear what the provider has to tell, post his balance."""
        self.relay.run()
        self.inbox.catch_up()

    def pay_out_cards(self, at: int) -> None:
        """Let the provider send what he holds, and let it arrive at our bank."""
        payout = self.provider.pay_out()
        if payout is not None:
            text = f"CARDS {payout.trace_id}"
            self.bank.receive(payout.arrival_on, payout.amount_minor, "Card provider", text)
        self.settle_cards(at)

    # Statements, from the cut to the approval

    def cut(self, at: int, period: str = "") -> tuple[str, ...]:
        """Cut, calculate twice and hand in the statements that are due, or those of a period."""
        made = []
        for partner in PARTNERS:
            name = partner.partner_id
            with self.ledger.reading() as reads:
                span = span_after(reads, name, period) if period else due_span(reads, name, at)
                command = cutting(reads, name, span)
            if not command.calculation.line_count:
                continue
            self.day.ask(FINANCE, command, at)
            made.append(self._newest(name).statement_id)
            with self.ledger.reading() as reads:
                calculated = calculating(reads, made[-1])
            self.day.ask(FINANCE, calculated, at)
            self.day.ask(FINANCE, SubmitStatement(statement_id=made[-1]), at)
        return tuple(made)

    def _newest(self, partner_id: str) -> Statement:
        with self.ledger.reading() as reads:
            rows = [row for _, row in reads.rows(STATEMENTS, listed=partner_id)]
        return max(rows, key=lambda row: row.to_position)

    def issue(self, names: Sequence[str], at: int) -> None:
        """Sign the head and the documents of statements, and issue them: another person does."""
        proving.sign_checkpoint(self.ledger, self._signer, at)
        for name in names:
            with self.ledger.reading() as reads:
                command = publishing(reads, name, self._sign_document)
            self.day.ask(CHECKER, command, at)
            self.kept.named[f"{name}.jws"] = f"{command.document}\n".encode()

    def _sign_document(self, typ: str, payload: bytes) -> str:
        kid = thumbprint(self._documents.key.public_key)
        signed = signing_input(typ, kid, payload)
        return compact(signed, self._documents.sign(signed))

    def accept(self, at: int) -> tuple[str, ...]:
        """Have every partner accept what lies with him and is not disputed."""
        with self.ledger.reading() as reads:
            rows = [row for _, row in reads.rows(STATEMENTS) if row.state == ISSUED]
        for row in rows:
            is_operator = row.partner_id.startswith("OP-")
            actor = Actor(row.partner_id, "operator") if is_operator else FINANCE
            answer = AcceptStatement(
                statement_id=row.statement_id,
                lines_root=row.calculation.lines_root,
                way="person",
                level=FULL_LEVEL,
            )
            self.day.ask(actor, answer, at)
        return tuple(row.statement_id for row in rows)

    def approve(self, names: Sequence[str], at: int) -> None:
        """Approve statements, and net what their partners owe by them."""
        for name in names:
            self.day.ask(FINANCE, ApproveStatement(statement_id=name), at)
            with self.ledger.reading() as reads:
                row = reads.row(STATEMENTS, name)
            if row is not None and row.owing:
                net = NetStatement(statement_id=name, currency=CURRENCY)
                self.day.ask(FINANCE, net, at)

    # Payouts

    def pay_partners(self, at: int, pay_on: str, leave_out: str = "") -> None:
        """Plan what is owed, order it from the bank as one file, release it and let it be paid."""
        planned = []
        for partner in PARTNERS:
            with self.ledger.reading() as reads:
                held = reads.row(PAYABLES, partner.partner_id)
                back = self._came_back(reads, partner.partner_id)
            owed = () if held is None else held.open
            names = tuple(one.statement_id for one in owed if one.free_minor > 0)
            if not names or partner.partner_id == leave_out:
                continue
            planned.append(back or self.day.name("PO"))
            plan = InstructPayout(
                payout_id=planned[-1],
                partner_id=partner.partner_id,
                statements=names,
                currency=CURRENCY,
                payee_id=payee_of(partner.partner_id),
                route="bank_file",
            )
            self.day.ask(FINANCE, plan, at)
        self._order(tuple(planned), at, pay_on)

    def _came_back(self, reads: Reads, partner_id: str) -> str:
        """Name the payout to a partner that came back; "" for none. It is tried again."""
        rows = (row for _, row in reads.rows(PAYOUTS, listed=RETURNED.lower()))
        return next((row.payout_id for row in rows if row.partner_id == partner_id), "")

    def _order(self, payouts: tuple[str, ...], at: int, pay_on: str) -> None:
        batch_id = self.day.name("PB")
        wanted = PayoutBatch(
            batch_id, payouts, CURRENCY, "bank_file", BANK_ACCOUNT, pay_on, at, "", 0
        )
        with self.ledger.reading() as reads:
            approve, content = approving(reads, wanted, HOLDER)
        self.day.ask(FINANCE, approve, at)
        with self.ledger.reading() as reads:
            release = releasing(reads, batch_id, content, HOLDER)
        self.day.ask(FINANCE, release, at)
        self.day.ask(FINANCE, MarkPayoutsSent(batch_id=batch_id), at)
        self.kept.put(content, f"{batch_id}.pain.001.xml")
        self.bank.execute(content)

    # The bank

    def import_statement(self, at: int, day: str) -> None:
        """Take the bank's statement of a day, keep the file, and book every line of it."""
        content = self.bank.statement(day)
        self.kept.put(content, f"bank-{day}.camt.053.xml")
        how = Importing(
            actor=FINANCE,
            at=at,
            assignee_id=FINANCE.id,
            read_again=self.kept.read_again,
            payouts=tuple(self.provider.payouts(0)),
        )
        self.imported += import_statements(self.ledger, read_statements(content)[1], how)

    def provider_list(self) -> PspList:
        """Give everything the provider told, for a reconciliation."""
        told = self.inbox.told_list(0)
        self.kept.named["card-provider.json"] = msgspec.json.format(msgspec.json.encode(told))
        return told
