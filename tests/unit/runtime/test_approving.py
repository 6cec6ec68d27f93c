"""Four eyes over time: asked by one, executed once when another agrees to exactly that."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.approvals import APPROVALS, AskApproval, digest_of
from ledger.domain.money.invoices import PAYMENTS, RecordPayment
from ledger.kernel.errors import Malformed, NotFound, Refused, TamperEvidence
from ledger.kernel.ids import key_at
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor, Request
from ledger.runtime.approving import LASTS_US, approve, asked_for, asking, reject
from tests.support.ledgers import OPENED_AT, new_ledger, sqlite_url

AT = OPENED_AT + HOUR
PAY = RecordPayment(
    payment_id="PI-1", driver_id="DR-1", invoice_no="IN-1", currency="EUR", amount_minor=500
)
ASK = asking("AP-1", PAY, AT)


@pytest.fixture
def ledger(tmp_path):
    with new_ledger(sqlite_url(tmp_path)) as opened:
        ask(opened, ASK)
        yield opened


def ask(ledger, command):
    request = Request(
        key=key_at(AT, command.approval_id),
        principal="tests",
        actor=Actor("FI-1", "finance"),
        at=AT,
        command=command,
    )
    return ledger.execute(request)


def row_of(ledger, approval_id="AP-1"):
    with ledger.reading() as reads:
        return reads.row(APPROVALS, approval_id)


def has_paid(ledger):
    with ledger.reading() as reads:
        return reads.row(PAYMENTS, "PI-1") is not None


def test_what_another_agrees_to_is_executed_as_the_maker_asked(ledger):
    receipt = approve(ledger, "AP-1", ASK.digest, "FI-2", AT)
    assert has_paid(ledger)
    row = row_of(ledger)
    assert (row.state, row.checker, row.position) == ("EXECUTED", "FI-2", receipt.first)
    with ledger.reading() as reads:
        actor = reads.entry(receipt.first).envelope.actor
    assert (actor.id, actor.role, actor.second_person) == ("FI-1", "finance", "FI-2")


def test_an_end_that_was_lost_is_made_up_without_a_second_execution(ledger, monkeypatch):
    monkeypatch.setattr("ledger.runtime.approving._closed", lambda *_: None)
    first = approve(ledger, "AP-1", ASK.digest, "FI-2", AT)
    assert row_of(ledger).state == "OPEN"
    monkeypatch.undo()
    again = approve(ledger, "AP-1", ASK.digest, "FI-2", AT + HOUR)
    assert (again.first, again.replayed) == (first.first, True)
    assert row_of(ledger).position == first.first


def test_who_agreed_once_gets_the_same_answer_again_and_nobody_else_does(ledger):
    first = approve(ledger, "AP-1", ASK.digest, "FI-2", AT)
    again = approve(ledger, "AP-1", ASK.digest, "FI-2", AT + 2 * LASTS_US)
    assert (again.first, again.count, again.replayed) == (first.first, first.count, True)
    with pytest.raises(Refused, match="approval_ended"):
        approve(ledger, "AP-1", ASK.digest, "FI-3", AT)


def test_what_the_rules_refuse_ends_as_refused(ledger):
    ask(ledger, asking("AP-2", PAY, AT))
    bad = RecordPayment(
        payment_id="PI-9", driver_id="DR-1", invoice_no="IN-1", currency="XXX", amount_minor=500
    )
    wrong = asking("AP-3", bad, AT)
    ask(ledger, wrong)
    with pytest.raises(Refused, match="commodity_unknown"):
        approve(ledger, "AP-3", wrong.digest, "FI-2", AT)
    row = row_of(ledger, "AP-3")
    assert (row.state, row.reason) == ("REFUSED", "commodity_unknown")
    assert row_of(ledger, "AP-2").state == "OPEN"


@pytest.mark.parametrize(
    ("digest", "person", "at", "code"),
    [
        (ASK.digest, "FI-1", AT, "approver_is_maker"),
        ("0" * 64, "FI-2", AT, "approval_invalid"),
        (ASK.digest, "FI-2", AT + LASTS_US, "approval_expired"),
    ],
)
def test_nothing_is_executed_that_was_not_agreed_to(ledger, digest, person, at, code):
    with pytest.raises(Refused, match=code):
        approve(ledger, "AP-1", digest, person, at)
    assert not has_paid(ledger)
    assert row_of(ledger).state == "OPEN"


def test_another_says_no_and_the_maker_takes_back(ledger):
    with pytest.raises(Refused, match="approval_invalid"):
        reject(ledger, "AP-1", "0" * 64, Actor("FI-2", "finance"), AT, "what is this")
    reject(ledger, "AP-1", ASK.digest, Actor("FI-2", "finance"), AT, "too much")
    row = row_of(ledger)
    assert (row.state, row.reason) == ("REJECTED", "too much")
    with pytest.raises(Refused, match="approval_ended"):
        approve(ledger, "AP-1", ASK.digest, "FI-2", AT)
    ask(ledger, asking("AP-4", PAY, AT))
    reject(ledger, "AP-4", ASK.digest, Actor("FI-1", "finance"), AT, "")
    assert row_of(ledger, "AP-4").state == "WITHDRAWN"


def test_an_unknown_approval_is_not_found(ledger):
    with pytest.raises(NotFound):
        approve(ledger, "AP-9", ASK.digest, "FI-2", AT)


def test_only_a_command_of_finance_in_its_own_bytes_is_executed(ledger):
    row = row_of(ledger)
    assert asked_for(row) == PAY
    for body, subject in (("{}", "RecordPayment"), (ASK.body, "NoSuchCommand")):
        ask_ = AskApproval(
            approval_id=f"AP-{subject}",
            subject=subject,
            body=body,
            digest=digest_of(body),
            expires_at=AT + HOUR,
        )
        ask(ledger, ask_)
        with pytest.raises(Malformed, match=subject):
            approve(ledger, ask_.approval_id, ask_.digest, "FI-2", AT)
    with pytest.raises(TamperEvidence):
        asked_for(replace(row, body=ASK.body + " "))
