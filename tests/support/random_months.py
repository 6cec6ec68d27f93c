"""Random months of money: whatever finance, drivers, partners, stations and banks do, and when.

One town, made of what the other months of the tests do one after the other: swaps and charging,
some of it told late; prices and contracts in versions; bills, wallets, cards and their disputes;
statements that are accepted, disputed, paid, and come back; the bank's files; energy bought and
corrected; books by months that close and open again. Every step is drawn from a seed; what the
rules refuse is counted, for a month in which nothing is refused proves little.
"""

from collections.abc import Callable
from hashlib import sha256

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.bank.orders import approving, releasing
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.line_disputes import RaiseLineDispute
from ledger.domain.money.line_proofs import prove
from ledger.domain.money.line_resolutions import CloseLineDispute, ReviewLineDispute
from ledger.domain.money.manual_entries import PostManualEntry, ReverseManualEntry
from ledger.domain.money.netting import ApproveStatement
from ledger.domain.money.payout_batches import MarkPayoutsSent
from ledger.domain.money.payout_plans import InstructPayout
from ledger.domain.money.payout_rows import PAYABLES, PAYOUTS, PayoutBatch
from ledger.domain.money.period_close import BeginClosing, ReopenPeriod
from ledger.domain.money.settlement_answers import AcceptStatement
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import MobileGridError
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import DAY, HOUR, MINUTE, as_text, utc_day
from ledger.kernel.messages import Actor
from ledger.kernel.postings import Posting
from ledger.runtime import settling
from ledger.runtime.closing import close_books
from ledger.runtime.depreciating import true_up_pool
from ledger.runtime.ledger import accepted
from ledger.runtime.reconciliation_import import Importing, import_statements
from ledger.runtime.reconciliation_run import Running, reconcile
from ledger.runtime.settling import close_period
from tests.support.bank_files import camt053, entry, payment, statement
from tests.support.book_month import PAPER
from tests.support.random_streets import FINANCE, Streets
from tests.support.town import MARCH

OPERATOR = Actor("OP-1", "operator")
HOLDER = "Mobile Grid GmbH"
REASONS = dict.fromkeys((1, 2, 3, 4, 5, 7, 8, 9, 13), "seen")
MONTHS = ("2024-03", "2024-04", "2024-05", "2024-06")


def month_begin(period: str) -> int:
    """Give when a month begins (us); MARCH is the first one."""
    return MARCH + sum((31, 30, 31, 30)[: MONTHS.index(period)]) * DAY


class RandomMonths(Streets):
    """A town whose money moves at random; `now` goes on with every step."""

    def live(self, steps: int) -> None:
        """Let so many things happen."""
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        """Let one thing happen, some hours later."""
        self.now += self.random.randrange(1, 30) * HOUR
        self.end_month()
        chosen: Callable[[], None] = self.random.choice(self._steps())
        try:
            chosen()
        except MobileGridError as error:  # said before any command: nothing is there, say
            self.refused[type(error).__name__] += 1

    def _steps(self) -> tuple[Callable[[], None], ...]:
        return (
            *(self.swap,) * 3,
            *(self.charge,) * 3,
            *(self.bank,) * 3,
            *(self.top_up,) * 2,
            self.price,
            self.agree,
            self.buy,
            self.correct,
            *(self.answer,) * 3,
            *(self.pay_partner,) * 3,
            self.credit,
            self.spend,
            self.grant,
            self.compare,
            *(self.chargeback,) * 2,
            *(self.post,) * 2,
            self.reverse,
        )

    # partners

    def answer(self) -> None:
        """The operator disputes a line of his statement, or accepts the rest of it."""
        with self.ledger.reading() as reads:
            rows = [row for _, row in reads.rows(STATEMENTS) if row.state == "issued"]
            if not rows:
                return
            row = self.random.choice(rows)
            view = settling.statement(reads, row.partner_id, row.period)
        data = [canonical(line) for line in view.lines]
        if data and self.random.random() < 0.4:
            place = self.random.randrange(len(data))
            dispute_id = self.name("LD")
            raised = RaiseLineDispute(
                dispute_id=dispute_id,
                document_id=row.statement_id,
                party_id=row.partner_id,
                position=view.lines[place].position,
                posting_index=view.lines[place].posting_index,
                code="QUANTITY",
                reason="we metered less",
                claimed_minor=0,
                line=data[place].decode(),
                proof=prove([leaf_hash(one) for one in data], place),
            )
            self.do(raised, OPERATOR)
            self.do(ReviewLineDispute(dispute_id=dispute_id))
            closed = CloseLineDispute(
                dispute_id=dispute_id, verdict="REJECTED", reason="metered by both"
            )
            if self.random.random() < 0.7:
                self.do(closed)
        root = row.calculation.lines_root
        accepts = AcceptStatement(
            statement_id=row.statement_id, lines_root=root, way="person", level=2
        )
        self.do(accepts, OPERATOR)
        self.do(ApproveStatement(statement_id=row.statement_id))

    def pay_partner(self) -> None:
        """What is owed is ordered, released and sent; the bank answers in its own time."""
        with self.ledger.reading() as reads:
            row = reads.row(PAYABLES, "OP-1")
            open_ = [one.statement_id for one in row.open if one.free_minor > 0] if row else []
        if not open_:
            return
        name, batch_id = self.name("PO"), self.name("PB")
        planned = InstructPayout(
            payout_id=name,
            partner_id="OP-1",
            statements=tuple(open_),
            currency="EUR",
            payee_id="PE-1",
            route="bank_file",
        )
        if not self.do(planned):
            return
        day = utc_day(self.now + DAY)
        batch = PayoutBatch(batch_id, (name,), "EUR", "bank_file", "BA-1", day, self.now, "", 0)
        with self.ledger.reading() as reads:
            command, content = approving(reads, batch, HOLDER)
        self.do(command)
        with self.ledger.reading() as reads:
            release = releasing(reads, batch_id, content, HOLDER)
        self.do(release)
        self.do(MarkPayoutsSent(batch_id=batch_id))

    # the bank

    def bank(self) -> None:
        """The bank's statement of the day: what it is told to pay, what drivers pay, gifts."""
        with self.ledger.reading() as reads:
            flying = [row for _, row in reads.rows(PAYOUTS, listed="in_flight")]
            bills = [(number, row.open_minor) for number, row in reads.rows(INVOICES)]
            paid = [row for _, row in reads.rows(PAYOUTS) if row.state == "CONFIRMED"]
        lines: list[tuple[int, str, str]] = []
        lines += [(-row.amount_minor, f"MGE-{row.payout_id}-{row.attempt}", "") for row in flying]
        for number, minor in bills:
            if minor and self.random.random() < 0.6:
                more = self.random.choice([0, 0, -minor // 2, 17])
                lines.append((minor + more, "NOTPROVIDED", f"invoice {number}"))
        if paid and self.random.random() < 0.6:
            row = self.random.choice(paid)
            lines.append((row.amount_minor, f"MGE-{row.payout_id}-{row.attempt}", "AC04"))
        if self.random.random() < 0.4:
            lines.append((self.random.randrange(1, 9_999), "NOTPROVIDED", "thank you"))
        self.read(camt053(self._statement([one for one in lines if one[0]])))

    def _statement(self, lines: list[tuple[int, str, str]]) -> str:
        self.bank_number += 1
        opening, entries = self.bank_minor, []
        for place, (minor, reference, text) in enumerate(lines):
            sign, amount = "CRDT" if minor > 0 else "DBIT", _euros(abs(minor))
            said: dict[str, str] = {"reference": reference, "sign": sign}
            said |= {"returned": text} if text == "AC04" else {"remittance": text or "statement"}
            own = f"B-{self.bank_number}-{place}"
            entries.append(entry(amount, payment(amount, **said), sign=sign, reference=own))
            self.bank_minor += minor
        return statement(
            entries,
            opening=_euros(opening),
            closing=_euros(self.bank_minor),
            number=str(self.bank_number),
        )

    def read(self, file: bytes) -> None:
        day = utc_day(self.now).encode()
        file = file.replace(b"2026-03-02", day).replace(b"2026-03-03", day)
        statements = read_statements(file)[1]
        self.files[sha256(file).hexdigest()] = statements
        how = Importing(
            actor=Actor("FI-1", "finance"),
            at=self.now,
            assignee_id="FI-9",
            read_again=lambda _digest: statements,
        )
        import_statements(self.ledger, statements, how)
        self.done["bank"] += 1

    def compare(self) -> None:
        """Hold our books against the bank's files; whatever differs is a break."""
        how = Running(
            run_on=utc_day(self.now),
            actor=Actor("FI-1", "finance"),
            at=self.now,
            read_again=lambda digest: self.files[digest],
        )
        if reconcile(self.ledger, how).position >= 0:
            self.done["compared"] += 1

    # the books

    def post(self) -> None:
        self.number += 1
        minor = self.random.randrange(1, 10_000)
        command = PostManualEntry(
            manual_id=f"ME-{self.number}",
            lines=(
                Posting("Equity:Retained-Earnings", "EUR", minor),
                Posting("Equity:Capital", "EUR", -minor),
            ),
            reason="as was decided",
            documents=(PAPER,),
            posting_date=self.random.choice(["", utc_day(self.now), utc_day(self.now - 40 * DAY)]),
        )
        if self.do(command):
            self.posted.append(command.manual_id)

    def reverse(self) -> None:
        if self.posted:
            old = self.random.choice(self.posted)
            self.do(ReverseManualEntry(manual_id=self.name("ME"), reversed_id=old, reason="wrong"))

    def end_month(self) -> None:
        """Settle a month as soon as it is over; close its books a few days later, or twice."""
        if self.settled + 1 < len(MONTHS) and self.now >= month_begin(MONTHS[self.settled + 1]):
            close_period(self.ledger, MONTHS[self.settled], actor=FINANCE, at=self.now)
            self.done["settled"] += 1
            self.settled += 1
        if self.closed < self.settled:
            due = month_begin(MONTHS[self.closed + 1]) + 5 * DAY
            if self.now >= due:
                self.close(MONTHS[self.closed])
                self.closed += 1

    def close(self, period: str) -> None:
        self.do(BeginClosing(period=period))
        self._finish(period)
        if self.random.random() < 0.5:
            self.do(ReopenPeriod(period=period, reason="a late paper"))
            self._finish(period)

    def _finish(self, period: str) -> None:
        last = as_text(month_begin(MONTHS[MONTHS.index(period) + 1]) - DAY)[:10]
        self.now += MINUTE
        accepted(true_up_pool(self.ledger, last, actor=FINANCE, at=self.now))
        close_books(self.ledger, period, actor=FINANCE, at=self.now, reasons=REASONS)
        self.done["closed"] += 1


def _euros(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"
