"""A payout by bank file whose process was killed: one order, one file, one confirmation."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.bank.orders import order_bytes, releasing
from ledger.domain.money.payout_plans import InstructPayout
from ledger.domain.money.payout_rows import PAYOUT_BATCHES, PAYOUTS
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import Ledger
from ledger.runtime.reconciliation_import import Importing, import_statements
from ledger.runtime.reconciliation_run import Running, reconcile
from tests.faults.bank_child import DIED
from tests.support.bank_files import camt053, entry, payment, statement
from tests.support.settled_ledger import PAY_AT, Desk, settled_desk
from tests.support.settling import HOLDER, STM, approve, issue, row_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
FINANCE = Actor("FI-1", "finance")
MONEY_IN = entry("5.00", payment("5.00", remittance="start"), reference="B-0")
PAID = payment("1.80", reference="MGE-PO-1-1", sign="DBIT", remittance=STM)
DEBIT = entry("1.80", PAID, sign="DBIT", reference="B-1")
BANK = camt053(statement([MONEY_IN, DEBIT], opening="0.00", closing="3.20", number="1"))


class Killed(Desk):
    """A desk whose keys differ from those of the desk before it."""

    def __init__(self, url: str, killed: int) -> None:
        super().__init__(Ledger(url))
        self._count = 1_000 * killed


def dies(desk, file, point, killed):
    """Have a process of its own die at a point; gives a desk over what it left."""
    url = desk.ledger.url.render_as_string(hide_password=False)
    desk.ledger.close()
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.bank_child", url, str(file), point],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.returncode == DIED, done.stderr[-2_000:]
    return Killed(url, killed)


def test_an_order_and_its_confirmation_are_there_once_wherever_a_process_was_killed(tmp_path):
    desk = settled_desk(tmp_path, swaps=1)
    issue(desk)
    approve(desk)
    plan = InstructPayout(
        payout_id="PO-1",
        partner_id="OP-1",
        statements=(STM,),
        currency="EUR",
        payee_id="PE-1",
        route="bank_file",
    )
    desk.do(plan, at=PAY_AT)
    file = tmp_path / "statement.xml"
    file.write_bytes(BANK)

    desk = dies(desk, file, "ordered", 1)
    ordered = row_of(desk, PAYOUT_BATCHES, "PB-1")
    with desk.ledger.reading() as reads:
        content = order_bytes(reads, ordered, HOLDER)
        command = releasing(reads, "PB-1", content, HOLDER)
    # the file that was never written is the one that was approved: the bank knows its MsgId
    assert sha256(content).hexdigest() == ordered.file_sha256
    desk.do(command, at=PAY_AT)

    desk = dies(desk, file, "booked", 2)
    told = read_statements(BANK)[1]
    how = Importing(FINANCE, PAY_AT, "FI-9", lambda _: told)
    assert [one.verdict for one in import_statements(desk.ledger, told, how)] == ["duplicate"]
    assert row_of(desk, PAYOUTS, "PO-1").state == "CONFIRMED"
    with desk.ledger.reading() as reads:
        confirmed = list(reads.entries(kinds=("payout.confirmed_bank",)))
        flying = reads.balances("Liabilities:Partners:Payout-In-Flight")
    assert (len(confirmed), flying) == (1, [])
    view = reconcile(desk.ledger, Running("2026-03-05", FINANCE, PAY_AT, lambda _: told))
    assert [leg.residual_minor for leg in view.legs] == [0]
    desk.ledger.close()
