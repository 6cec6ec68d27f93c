"""Payments by hand: what a person wrote down is the answer, what he did not is lost so far."""

import pytest

from ledger.adapters.payments_manual import ManualGateway
from ledger.domain.money.payments_rows import CallBody, Told
from ledger.kernel.errors import Misconfigured, NotFound
from ledger.runtime.relay_gateway import Answered, Lost, PaymentNow, TurnedDown

BODY = CallBody(operation="charge", currency="EUR", amount_minor=2_500)
FILE = """{"inv:1:charge:1": {"status": "captured", "ref": "T-17", "captured_minor": 2500},
 "inv:2:charge:1": {"status": "refused", "ref": "", "reason": "account closed"}}"""


def test_answers_are_read_from_the_file_of_a_person(tmp_path):
    file = tmp_path / "answers.json"
    gateway = ManualGateway(file)
    assert gateway.perform("inv:1:charge:1", BODY) == Lost("nobody has answered yet")
    file.write_text(FILE)
    told = Told("T-17", "captured", captured_minor=2_500)
    assert gateway.perform("inv:1:charge:1", BODY) == Answered(told)
    assert gateway.perform("inv:2:charge:1", BODY) == TurnedDown("account closed")
    assert isinstance(gateway.perform("inv:3:charge:1", BODY), Lost)
    assert gateway.read_payment("T-17") == PaymentNow("", told)
    with pytest.raises(NotFound):
        gateway.read_payment("T-18")


@pytest.mark.parametrize("text", ["{", '{"a": {"status": 1}}', '{"a": {"other": ""}}'])
def test_a_file_that_cannot_be_read_stops_everything(tmp_path, text):
    file = tmp_path / "answers.json"
    file.write_text(text)
    with pytest.raises(Misconfigured, match=r"stripe\.manual_file"):
        ManualGateway(file).perform("inv:1:charge:1", BODY)


def test_nothing_else_is_known_of_payments_by_hand(tmp_path):
    gateway = ManualGateway(tmp_path / "none.json")
    assert gateway.find(BODY, 0, 1) is None
    assert gateway.read("payment_intent.succeeded", "x") is None
    assert list(gateway.undelivered(0)) == []
    assert list(gateway.balance_lines(0)) == []
    assert (list(gateway.payouts(0)), gateway.balances()) == ([], ())
