"""A month with money of every kind in it, from the swap to the bank, and lies about its amounts.

A town swaps and charges in March 2024; its month is closed, the operator accepts his statement and
is paid through the bank, the driver's invoice is paid by bank too, part of it is credited, and the
books of the month are closed.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.bank.orders import approving, releasing
from ledger.domain.money.bank_accounts import RegisterBankAccount
from ledger.domain.money.contracts import AgreeContract, ContractTerms
from ledger.domain.money.energy_trade import BuyEnergy
from ledger.domain.money.netting import ApproveStatement
from ledger.domain.money.payees import ApprovePayee, PayeeAccount
from ledger.domain.money.payout_batches import MarkPayoutsSent
from ledger.domain.money.payout_plans import InstructPayout
from ledger.domain.money.payout_rows import PayoutBatch
from ledger.domain.money.settlement_answers import AcceptStatement
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.parties import RegisterParty
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.ids import key_at
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor, Request
from ledger.runtime.adopting import UNKNOWN, Copy, adopt
from ledger.runtime.crediting import credit_order
from ledger.runtime.ledger import Ledger
from ledger.runtime.reconciliation_import import Importing, import_statements
from ledger.runtime.settling import close_period
from ledger.tlog.checkpoint import Checkpoint, sign_checkpoint
from tests.support.bank_files import OWN_IBAN, camt053, entry, payment, statement
from tests.support.ledgers import made_ledger, opening, sqlite_url
from tests.support.logs import naive_root
from tests.support.offline import seeded_signer
from tests.support.partners import CLERKS, IBAN
from tests.support.told_anew import do, swapped_town
from tests.support.town import MARCH

APRIL = MARCH + 31 * DAY
PAY_AT = APRIL + 10 * DAY
MAY = APRIL + 30 * DAY
PERIOD, LATER = "2024-03", "2024-04"
FINANCE = Actor("FI-1", "finance", "FI-2")
ENGINEER = Actor("EN-1", "engineer", "EN-2")
STM = f"STM-OP-1-{PERIOD}"
INVOICE = "MG1-INV-2024-000001"
HOLDER = "Mobile Grid GmbH"
SENT_BY_BANK = "bank_file"


def lived(url: str) -> Ledger:
    """Live through the month; open until the caller closes it."""
    town = swapped_town(url, _before())
    close_period(town, PERIOD, actor=FINANCE, at=APRIL)
    _pay_the_operator(town)
    with town.reading() as reads:
        given = credit_order(reads, INVOICE, {}, reason="goodwill", issued_at=PAY_AT)
    do(town, given, PAY_AT + HOUR, FINANCE)
    close_period(town, LATER, actor=FINANCE, at=MAY)
    return town


def _before() -> Iterator[Any]:
    """Give what finance agrees before anybody swaps."""
    yield RegisterBankAccount(
        bank_account_id="BA-1",
        number=OWN_IBAN,
        currency="EUR",
        opened_on="2024-03-01",
        opening_minor=10_000,
    )
    yield RegisterParty(
        party_id="SV-1", party_roles=("service",), country="FR", legal_name="Power SA"
    )
    yield BuyEnergy(
        purchase_id="EP-1",
        partner_id="SV-1",
        currency="EUR",
        net_minor=9_600,
        stored_wh=1_150_000,
        occurred_at=MARCH + HOUR,
    )
    agreed = ContractTerms(
        role="operator",
        currency="EUR",
        base="SERVICE_NET",
        ours="MG",
        weights={"OP-1": 70, "MG": 30},
        order=("OP-1", "MG"),
        valid_from_at=MARCH,
        route=SENT_BY_BANK,
    )
    yield AgreeContract(contract_id="CT-1", partner_id="OP-1", terms=agreed)


def _pay_the_operator(town: Ledger) -> None:
    payee = PayeeAccount("Example Swaps GmbH", iban=IBAN)
    approve = ApprovePayee(payee_id="PE-1", partner_id="OP-1", paid_to=payee)
    do(town, approve, APRIL, CLERKS)
    with town.reading() as reads:
        row = reads.row(STATEMENTS, STM)
        assert row is not None
        root, share = row.calculation.lines_root, row.calculation.amounts[0].share_minor
    answer = AcceptStatement(statement_id=STM, lines_root=root, way="person", level=2)
    do(town, answer, APRIL + HOUR, Actor("OP-1", "operator"))
    do(town, ApproveStatement(statement_id=STM), APRIL + 2 * HOUR, FINANCE)
    planned = InstructPayout(
        payout_id="PO-1",
        partner_id="OP-1",
        statements=(STM,),
        currency="EUR",
        payee_id="PE-1",
        route=SENT_BY_BANK,
    )
    do(town, planned, PAY_AT, FINANCE)
    batch = PayoutBatch("PB-1", ("PO-1",), "EUR", SENT_BY_BANK, "BA-1", "2024-04-12", PAY_AT, "", 0)
    with town.reading() as reads:
        command, content = approving(reads, batch, HOLDER)
    do(town, command, PAY_AT, FINANCE)
    with town.reading() as reads:
        release = releasing(reads, "PB-1", content, HOLDER)
    do(town, release, PAY_AT, FINANCE)
    do(town, MarkPayoutsSent(batch_id="PB-1"), PAY_AT + 1, FINANCE)
    _tell_the_bank(town, share)


def bank_file(share_minor: int) -> bytes:
    """Give what the bank booked: the payout, what the driver paid of his invoice, and a gift."""
    paid = f"{share_minor / 100:.2f}"
    left = payment(paid, reference="MGE-PO-1-1", sign="DBIT")
    lines = [
        entry("5.00", payment("5.00", remittance=f"invoice {INVOICE}"), reference="B-1"),
        entry(paid, left, sign="DBIT", reference="B-2"),
        entry("77.77", payment("77.77", remittance="thank you"), reference="B-3"),
    ]
    closing = f"{(10_000 + 500 - share_minor + 7_777) / 100:.2f}"
    file = camt053(statement(lines, opening="100.00", closing=closing, number="1"))
    return file.replace(b"2026-03-0", b"2024-04-1")


def _tell_the_bank(town: Ledger, share_minor: int) -> None:
    statements = read_statements(bank_file(share_minor))[1]
    how = Importing(
        actor=Actor("FI-1", "finance"),
        at=PAY_AT + 2,
        assignee_id="FI-9",
        read_again=lambda _digest: statements,
    )
    import_statements(town, statements, how)


# Lies -------------------------------------------------------------------------

AMOUNT = re.compile(rb'(?:"[a-z_]*_minor"|"quantity"|"amount_nano"):-?([0-9]+)')
"""Amounts of an entry: money in its body, quantities of its lines and of its postings."""


def amounts(entries: list[bytes]) -> list[tuple[int, int, int]]:
    """Name every amount of a log: the position of its entry, and where its digits are."""
    return [
        (position, *found.span(1))
        for position, data in enumerate(entries)
        for found in AMOUNT.finditer(data)
    ]


def lied(entries: list[bytes], where: tuple[int, int, int]) -> list[bytes]:
    """Give the log with one amount that is one more than it was."""
    position, begin, end = where
    data = entries[position]
    changed = data[:begin] + str(int(data[begin:end]) + 1).encode() + data[end:]
    return [*entries[:position], changed, *entries[position + 1 :]]


def written_anew(entries: list[bytes], folder: Path) -> Ledger:
    """Let a lying service write a log as it likes: every hash, row and root follows its entries.

    Raises `ReplayDiffers` where the rules could not have written it.
    """
    ledger_id = json.loads(entries[0])["ledger"]
    made = made_ledger(sqlite_url(folder, "lie.db"), opening(ledger_id))
    with made.reading() as reads:
        assert next(iter(reads.raw(0, 1))) == entries[0]
    origin = made.name.origin
    root = naive_root([leaf_hash(data) for data in entries])
    note = sign_checkpoint(Checkpoint(origin, len(entries), root), [seeded_signer(origin)])
    asked = Request(key_at(MAY, "lie"), ENGINEER.id, ENGINEER, MAY + DAY, UNKNOWN)
    adopt(made, Copy(note, lambda first, end: entries[first:end]), asked, held={})
    return made
