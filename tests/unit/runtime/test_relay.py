"""The relay by a scripted provider: bad days that localstripe cannot have."""

import pytest

from ledger.domain.cases import CASES
from ledger.domain.money.payments import PlanSetup
from ledger.domain.money.payments_calls import LoseCall
from ledger.domain.money.payments_rows import PAYMENT_CALLS, CallBody, PaymentCall, Told
from ledger.domain.money.payments_told import TellAnswer, TellCard
from ledger.domain.money.payouts import MarkPayoutUnknown
from ledger.kernel.errors import Malformed, Unavailable
from ledger.kernel.instants import DAY, HOUR, SECOND
from ledger.runtime.relay import Relay, _due_at, lost_commands
from ledger.runtime.relay_gateway import Lost
from ledger.store import outbox
from tests.support.scripted_gateway import ScriptedGateway
from tests.support.stores import new_database
from tests.support.stripe_town import make_town


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def town(request, tmp_path):
    made = make_town(new_database(request.param, request, tmp_path), ScriptedGateway())
    made.ask(TellCard(driver_id="DR-1", payer="cus_1", card="pm_1"))
    yield made
    made.ledger.close()


def call(town, key):
    with town.ledger.reading() as reads:
        return reads.row(PAYMENT_CALLS, key)


def lost_charge(town, reason="no answer"):
    key = f"inv:{town.charge('PY-1')}:charge:1"
    town.gateway.answers[key] = Lost(reason)
    assert town.relay.run().ended == {"lost": 1}
    return key


def test_a_call_waits_twice_as_long_each_time_and_at_most_an_hour(town):
    row = call(town, lost_charge(town))
    for sends in range(1, 30):
        wait = _due_at(PaymentCall(**_fields(row) | {"sends": sends})) - row.last_at
        longest = min(SECOND << min(sends, 12), HOUR)
        assert longest // 2 <= wait <= longest


def _fields(row):
    return {name: getattr(row, name) for name in row.__struct_fields__}


def test_two_relays_make_a_call_once_under_one_key(town):
    town.charge("PY-1")
    other = Relay(town.ledger, town.gateway, town.clock, town.ids)
    assert (town.relay.run().ended, other.run().ended) == ({"answered": 1}, {})
    assert len(town.gateway.asked) == 1


@pytest.mark.parametrize("found", [None, Malformed("gone")])
def test_what_is_not_there_after_a_day_is_given_up_until_a_person_takes_it_up(town, found):
    key = lost_charge(town)
    if found is not None:
        town.gateway.made["charge"] = found
    town.clock.at += 2 * DAY
    assert town.relay.run().ended == {"dead": 1}
    with town.ledger.reading() as reads:
        assert [case.case_type for _, case in reads.rows(CASES)] == ["PAYMENT_CALL_LOST"]
    assert town.relay.run().ended == {}
    with town.ledger.writing() as tx:
        log_id = town.ledger.name.log_id
        assert outbox.revive(tx, log_id, key)
        assert not outbox.revive(tx, log_id, key)
        assert not outbox.revive(tx, log_id, "nothing")
    town.gateway.made["charge"] = Told("pi_1", "captured", 2_500, 2_500, "EUR")
    assert town.relay.run().ended == {"adopted": 1}
    assert town.payment("PY-1").state == "CAPTURED"
    assert town.gateway.asked == [key]  # never sent again


def test_a_provider_who_cannot_be_asked_stops_the_run_and_nothing_is_decided(town):
    key = lost_charge(town)
    town.gateway.made["charge"] = Unavailable("away")
    town.clock.at += 2 * DAY
    run = town.relay.run()
    assert (run.stopped, run.waiting) == ("away", 1)
    assert call(town, key).state == "UNKNOWN"


def test_a_row_whose_call_is_over_is_only_marked(town):
    town.ask(PlanSetup(driver_id="DR-1"))
    town.ask(TellAnswer(call_key="setup:DR-1:1", told=Told("cs_1", "open")))
    assert town.relay.run().ended == {"known": 1}
    assert town.gateway.asked == []
    assert town.relay.run().ended == {}
    with town.ledger.reading() as reads:
        assert outbox.count(reads.tx, reads.name.log_id, outbox.CALLS) == {"done": 1}


def test_a_lost_transfer_leaves_its_payout_unknown():
    said = {"payout_id": "PO-1", "attempt": "2"}
    body = CallBody(operation="transfer", metadata=said)
    row = PaymentCall("stl:PO-1-2:payout:1", "", "", "stl:PO-1-2:payout", body, body.digest, 0)
    lost, unknown = lost_commands(row, "no answer")
    assert isinstance(lost, LoseCall)
    assert unknown == MarkPayoutUnknown(payout_id="PO-1", attempt=2, reason="no answer")
    charge = PaymentCall(**_fields(row) | {"body": CallBody(operation="charge")})
    assert len(lost_commands(charge, "no answer")) == 1
