"""`pay` against localstripe behind the proxy: planned, made by the relay, shown."""

import msgspec
import pytest

from ledger.domain.money.payments_disputes import TellDispute
from ledger.domain.money.psp_records import PspList, faults_of_list
from ledger.runtime.ledger import Ledger
from ledger.store import outbox
from tests.support.cli import run
from tests.support.ledgers import sqlite_url
from tests.support.serving import until
from tests.support.stripe_fake import empty_fake, running_fake
from tests.support.stripe_proxy import Answer, running_proxy
from tests.support.stripe_town import fake_town

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def fake():
    with running_fake() as port:
        yield port


@pytest.fixture
def proxy(fake):
    empty_fake(fake)
    with running_proxy(fake) as found:
        yield found


class Desk:
    """A person at the command line of a ledger that pays through the stand-in."""

    def __init__(self, folder, proxy) -> None:
        self.folder = folder
        key = folder / "stripe.key"
        key.write_text("sk_test_x\n")
        key.chmod(0o600)
        self.env = {
            "MOBILEGRID_STRIPE__KEY_FILE": str(key),
            "MOBILEGRID_STRIPE__BASE_URL": proxy.address,
        }
        self.town = fake_town(folder, proxy)
        self.url = sqlite_url(folder)

    def run(self, *words):
        return run(*words, ledger=self.url, env=self.env)

    def said(self, *words, code=0):
        result = self.run(*words, "--json")
        assert result.exit_code == code, result.output
        return msgspec.json.decode(result.stdout)

    def charged(self):
        number = self.town.invoice()
        self.town.ledger.close()
        asked = ("--driver", "DR-1", "--invoice", number, "--amount", "2500", "--id", "PY-1")
        self.said("pay", "charge", *asked)
        assert self.said("pay", "relay")["ended"] == {"answered": 1}
        return number


@pytest.fixture
def desk(tmp_path, proxy):
    return Desk(tmp_path, proxy)


def test_a_charge_is_planned_made_and_shown(desk):
    number = desk.charged()
    (payment,) = desk.said("pay", "list")["payments"]
    assert (payment["state"], payment["captured_minor"]) == ("CAPTURED", 2_500)
    assert desk.said("pay", "list", "--state", "FAILED")["payments"] == []
    shown = desk.run("pay", "show", "PY-1").stdout
    assert "25.00 EUR" in shown
    assert f"inv:{number}:charge:1" in shown
    listed = desk.run("pay", "list", "--driver", "DR-1").stdout
    assert number in listed
    assert "none" in desk.run("pay", "relay").stdout


def test_the_balance_is_posted_and_equals_the_providers(desk):
    desk.charged()
    caught = desk.said("pay", "catch-up")
    assert (caught["run"]["posted"], caught["is_equal"]) == (1, True)
    shown = desk.run("pay", "catch-up")
    assert (shown.exit_code, "25.00" in shown.stdout) == (0, True)


def test_the_providers_list_is_written_for_a_reconciliation(desk, tmp_path):
    desk.charged()
    file = tmp_path / "psp.json"
    counted = desk.said("pay", "provider-list", str(file), "--since", "2020-01-01")
    assert counted == {"transactions": 1, "payouts": 0}
    told = msgspec.json.decode(file.read_bytes(), type=PspList)
    assert faults_of_list(told) == ()
    assert told.transactions[0].source_id == "PY-1"


def test_books_that_differ_from_the_provider_are_told_by_the_exit_code(desk, proxy):
    desk.charged()
    proxy.foreign_minor = 7
    assert desk.said("pay", "catch-up", code=1)["is_equal"] is False


def test_money_is_reserved_captured_and_given_back(desk):
    number = desk.town.invoice()
    desk.town.ledger.close()
    asked = ("--driver", "DR-1", "--for", "SW-1", "--amount", "3000", "--id", "PY-1")
    desk.said("pay", "reserve", *asked)
    desk.said("pay", "relay")
    desk.said("pay", "capture", "PY-1", "--invoice", number, "--amount", "2500")
    assert desk.said("pay", "relay")["ended"] == {"answered": 1}
    refused = desk.run("pay", "cancel", "PY-1")
    assert "pending_resolved" in refused.stderr
    again = ("--driver", "DR-1", "--for", "SW-2", "--amount", "100", "--id", "PY-2")
    desk.said("pay", "reserve", *again)
    desk.said("pay", "relay")
    desk.said("pay", "cancel", "PY-2")
    assert desk.said("pay", "relay")["ended"] == {"answered": 1}
    assert desk.said("pay", "list", "--state", "CANCELLED")["payments"][0]["payment_id"] == "PY-2"


def test_a_credit_note_is_paid_back_to_the_card(desk):
    number = desk.town.charge("PY-1")
    desk.town.relay.run()
    note = desk.town.credit(number, 595)
    desk.town.ledger.close()
    desk.said("pay", "refund", note, "--payment", "PY-1", "--amount", "595")
    assert desk.said("pay", "relay")["ended"] == {"answered": 1}
    more = desk.run("pay", "refund", note, "--payment", "PY-1", "--amount", "1")
    assert "credit_note_spent" in more.stderr


def test_what_waits_for_a_person_is_told_by_the_exit_code_and_taken_up_again(desk, proxy):
    desk.town.charge("PY-1")
    desk.town.ledger.close()
    proxy.fail_with = [Answer(401, {"error": {"type": "invalid_request_error"}})]
    stopped = desk.said("pay", "relay", code=1)
    assert stopped["waiting"] == 1
    with Ledger(desk.url) as ledger, ledger.writing() as tx:
        log_id = ledger.name.log_id
        (work,) = outbox.waiting(tx, log_id, outbox.CALLS, first=0, limit=9)
        outbox.mark(tx, log_id, work, outbox.DEAD)
    assert desk.said("pay", "again", outbox.call_key(work))
    missing = desk.run("pay", "again", "inv:none:charge:1")
    assert missing.exit_code
    assert desk.run("pay", "show", "PY-9").exit_code
    # a call that left waits a moment before it leaves again
    until(lambda: desk.said("pay", "relay")["ended"], lambda ended: ended == {"answered": 1})


def test_a_dispute_is_answered_with_what_the_log_says(desk):
    desk.town.charge("PY-1")
    desk.town.relay.run()
    desk.town.ask(
        TellDispute(
            dispute_ref="du_1", payment_id="PY-1", amount_minor=2_500, state="open", reason="fraud"
        )
    )
    desk.town.ledger.close()
    assert "refunds" in desk.run("pay", "show", "PY-1").stdout
    words = desk.run("pay", "evidence", "du_1").stdout
    assert "Disputed as: fraud." in words
    assert "25.00 EUR by driver DR-1" in words
    sent = desk.said("pay", "evidence", "du_1", "--send")
    assert [entry["kind"] for entry in sent["entries"]] == [
        "dispute.evidence_planned",
        "payment.call_planned",
    ]
    assert desk.run("pay", "evidence", "du_9").exit_code


def test_pages_of_the_provider_are_asked_for(desk):
    desk.town.ledger.close()
    top_up = desk.said("pay", "top-up", "--driver", "DR-1", "--amount", "5000", "--id", "PY-1")
    assert [entry["kind"] for entry in top_up["entries"]] == [
        "payment.planned",
        "payment.call_planned",
    ]
    card = desk.said("pay", "save-card", "DR-1")
    assert card["entries"][0]["kind"] == "payment.call_planned"
    assert desk.run("pay", "transfer", "PO-9").exit_code


def test_without_a_provider_in_the_settings_nothing_is_made(desk):
    desk.town.ledger.close()
    bare = run("pay", "relay", ledger=desk.url)
    assert "stripe.key_file or stripe.manual_file must be set" in bare.stderr
