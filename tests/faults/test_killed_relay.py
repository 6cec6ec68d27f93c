"""A relay killed at every point of a call: no payment twice, none lost (proxy remembers keys)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.adapters.stripe.gateway import StripeGateway
from ledger.domain.money.payees import ApprovePayee, PayeeAccount
from ledger.domain.money.payments import CaptureReserved, ReserveCard
from ledger.domain.money.payments_refunds import PlanRefund
from ledger.domain.money.payments_rows import PAYMENT_CALLS
from ledger.domain.money.payments_transfers import PlanTransfer
from ledger.domain.money.payout_rows import PAYOUTS
from ledger.kernel.instants import DAY, MINUTE, Instant
from ledger.runtime.ledger import Ledger
from tests.faults.relay_child import DIED
from tests.support.partners import CLERKS
from tests.support.settled_ledger import JUNE_2026, PAY_AT, settled_desk
from tests.support.settling import approve, issue, released
from tests.support.stripe_fake import empty_fake, running_fake
from tests.support.stripe_proxy import running_proxy
from tests.support.stripe_town import Town, fake_town, stand_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
POINTS = ("planned", "asked", "answered", "lost", "told")


@pytest.fixture(scope="module")
def fake():
    with running_fake() as port:
        yield port


@pytest.fixture
def proxy(fake):
    empty_fake(fake)
    with running_proxy(fake) as found:
        yield found


def run_and_die(url: str, address: str, point: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.relay_child", url, address, point],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.returncode == DIED, done.stderr[-2_000:]


def killed(town: Town, proxy, point: str) -> Town:
    """Have a relay in a process of its own die at a point; gives the town some minutes later."""
    url = town.ledger.url.render_as_string(hide_password=False)
    town.ledger.close()
    proxy.lose_answers = int(point == "lost")
    run_and_die(url, proxy.address, point)
    again = Town(Ledger(url), town.gateway)
    again.clock.at = Instant(town.clock.at + 2 * MINUTE)
    return again


def call_of(town, key):
    with town.ledger.reading() as reads:
        return reads.row(PAYMENT_CALLS, key)


@pytest.mark.parametrize("point", POINTS)
def test_a_charge_is_made_once_wherever_the_relay_was_killed(tmp_path, proxy, point):
    town = fake_town(tmp_path, proxy)
    number = town.charge("PY-1")
    town = killed(town, proxy, point)
    with town.ledger:
        run = town.relay.run()
        assert run.ended == ({"known": 1} if point == "told" else {"answered": 1})
        found = list(stand_in(proxy).v1.payment_intents.list({"limit": 100}).auto_paging_iter())
        assert [(one.status, one.amount) for one in found] == [("succeeded", 2_500)]
        row = town.payment("PY-1")
        assert (row.state, row.captured_minor, town.held()) == ("CAPTURED", 2_500, 2_500)
        call = call_of(town, f"inv:{number}:charge:1")
        assert call.state == "ANSWERED"
        assert proxy.reached.count(call.call_key) == 1
        assert town.relay.run().ended == {}


@pytest.mark.parametrize("point", ["answered", "lost"])
def test_reserved_money_is_captured_once_wherever_the_relay_was_killed(tmp_path, proxy, point):
    town = fake_town(tmp_path, proxy)
    number = town.invoice()
    reserve = ReserveCard(
        payment_id="PY-1", driver_id="DR-1", subject_id="SW-1", currency="EUR", amount_minor=3_000
    )
    town.ask(reserve)
    town.relay.run()
    town.ask(CaptureReserved(payment_id="PY-1", invoice_no=number, amount_minor=2_500))
    town = killed(town, proxy, point)
    with town.ledger:
        assert town.relay.run().ended == {"answered": 1}
        (found,) = stand_in(proxy).v1.payment_intents.list({"limit": 100}).auto_paging_iter()
        assert (found.status, found.amount_received) == ("succeeded", 2_500)
        row = town.payment("PY-1")
        assert (row.state, row.captured_minor, town.held()) == ("CAPTURED", 2_500, 2_500)
        assert len([key for key in proxy.reached if ":capture:" in key]) == 1
        assert town.relay.run().ended == {}


@pytest.mark.parametrize("point", ["asked", "answered", "lost"])
def test_proxy_transfers_to_a_partner_once_wherever_the_relay_was_killed(tmp_path, proxy, point):
    desk = settled_desk(tmp_path, swaps=1, route="stripe")
    paid_to = PayeeAccount("Example Swaps GmbH", stripe_account="acct_1Nv0FGQ9RKHgCVdK")
    approve_it = ApprovePayee(payee_id="PE-2", partner_id="OP-1", paid_to=paid_to)
    desk.do(approve_it, CLERKS, at=JUNE_2026 - 9 * DAY)
    issue(desk)
    approve(desk)
    released(desk, "stripe", "PE-2")
    desk.do(PlanTransfer(payout_id="PO-1"), at=PAY_AT)
    town = Town(desk.ledger, StripeGateway(stand_in(proxy), "https://x.example"))
    town.clock.at = Instant(PAY_AT)
    town = killed(town, proxy, point)
    with town.ledger:
        town.relay.run()
        assert [(one["amount"], one["metadata"]["payout_id"]) for one in proxy.transfers] == [
            (180, "PO-1")
        ]
        assert call_of(town, "stl:PO-1-1:payout:1").state == "ANSWERED"
        assert proxy.reached.count("stl:PO-1-1:payout:1") == 1
        with town.ledger.reading() as reads:
            # sent is not settled: only the provider's own transaction confirms it
            payout = reads.row(PAYOUTS, "PO-1")
            (flying,) = reads.balances("Liabilities:Partners:Payout-In-Flight")
        assert payout is not None
        assert payout.state in ("RELEASED", "SENT", "ACCEPTED", "UNKNOWN")
        assert flying.quantity == -180
        assert town.relay.run().ended == {}


@pytest.mark.parametrize("point", POINTS)
def test_a_refund_is_paid_once_wherever_the_relay_was_killed(tmp_path, proxy, point):
    town = fake_town(tmp_path, proxy)
    number = town.charge("PY-1")
    town.relay.run()
    note = town.credit(number, 595)
    town.ask(PlanRefund(credit_note_no=note, payment_id="PY-1", amount_minor=595))
    town = killed(town, proxy, point)
    with town.ledger:
        town.relay.run()
        found = list(stand_in(proxy).v1.refunds.list({"limit": 100}).auto_paging_iter())
        assert [one.amount for one in found] == [595]
        row = town.payment("PY-1")
        assert (row.state, row.refunded_minor, row.refunding_minor) == ("REFUNDED_PARTLY", 595, 0)
        assert town.held() == 2_500 - 595
        assert proxy.reached.count(f"cn:{note}:refund:1") == 1
        assert town.relay.run().ended == {}
