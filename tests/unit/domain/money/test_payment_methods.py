"""Saved ways to pay: which one is charged, and which may go."""

import pytest
from msgspec.structs import replace

from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payment_methods import (
    ChooseMethod,
    MethodChosen,
    RemoveMethod,
    follows,
    postings,
)
from ledger.domain.money.payments_rows import SAVED_CARDS, SAVED_METHODS, SavedCard, card_of
from ledger.domain.money.payments_told import TellCard
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.paying import CHARGE, INVOICE_NO, paying_town
from tests.support.rules import act, events

DRIVER = Actor("DR-1", "driver")


@pytest.fixture
def town() -> World:
    world = paying_town()
    for number in (1, 2):
        card = TellCard(driver_id="DR-1", payer="cus_1", card=f"pm_new{number}")
        events(act(world, card, at=number))
    return world


def ids(world: World) -> list[str]:
    return [one.method_id for one in world.need(SAVED_METHODS, "DR-1").methods]


def choose(method_id: str) -> ChooseMethod:
    return ChooseMethod(driver_id="DR-1", method_id=method_id)


def remove(method_id: str, **more) -> RemoveMethod:
    return RemoveMethod(driver_id="DR-1", method_id=method_id, **more)


def test_the_newest_card_is_charged_until_another_is_chosen(town):
    first, second = ids(town)
    assert town.need(SAVED_CARDS, "DR-1").card == "pm_new2"
    assert events(act(town, choose(second), actor=DRIVER)) == []
    events(act(town, choose(first), actor=DRIVER))
    assert town.need(SAVED_CARDS, "DR-1").card == "pm_new1"
    assert follows(town, choose(first)) == ()
    assert postings(MethodChosen(driver_id="D", method_id="M")) == ()


def test_a_card_that_is_saved_again_is_kept_once_as_the_newest(town):
    events(act(town, TellCard(driver_id="DR-1", payer="cus_1", card="pm_new1"), at=3))
    methods = town.need(SAVED_METHODS, "DR-1").methods
    assert [(one.card, one.saved_at) for one in methods] == [("pm_new2", 2), ("pm_new1", 3)]


def test_the_card_that_is_charged_goes_and_the_newest_other_takes_its_place(town):
    first, second = ids(town)
    removed, call = events(act(town, remove(second), actor=DRIVER))
    assert (removed.next_method_id, call.body.operation) == (first, "detach")
    assert call.body.target == "pm_new2"
    assert town.need(SAVED_CARDS, "DR-1") == SavedCard("DR-1", "cus_1", "pm_new1")
    events(act(town, remove(first), actor=DRIVER))
    assert town.need(SAVED_CARDS, "DR-1") == SavedCard("DR-1", "cus_1", "")
    assert card_of(town, "DR-1") is None
    found = act(town, CHARGE)
    assert isinstance(found, Refusal)
    assert found.code is RefusalCode.CARD_MISSING


def test_another_card_goes_and_the_one_that_is_charged_stays(town):
    first, _ = ids(town)
    removed, _ = events(act(town, remove(first), actor=DRIVER))
    assert removed.next_method_id == ""
    assert town.need(SAVED_CARDS, "DR-1").card == "pm_new2"


def test_the_last_card_stays_while_an_invoice_is_open(town):
    first, second = ids(town)
    named = (INVOICE_NO, "I-9")
    events(act(town, remove(first, invoices=named), actor=DRIVER))
    found = act(town, remove(second, invoices=named), actor=DRIVER)
    assert isinstance(found, Refusal)
    assert (found.code, found.facts["invoice"]) == (RefusalCode.METHOD_NEEDED, INVOICE_NO)
    row = town.need(INVOICES, INVOICE_NO)
    town.put(INVOICES, INVOICE_NO, replace(row, paid_minor=row.payable_minor))
    events(act(town, remove(second, invoices=named), actor=DRIVER))


@pytest.mark.parametrize("command", [choose("PM-9"), remove("PM-9")])
def test_a_card_that_is_none_of_his_is_unknown(town, command):
    for driver_id in ("DR-1", "DR-2"):
        found = act(town, replace(command, driver_id=driver_id), actor=Actor("SU", "support"))
        assert isinstance(found, Refusal)
        assert found.code is RefusalCode.METHOD_UNKNOWN


def test_a_driver_sees_to_his_own_cards_alone(town):
    found = act(town, replace(choose(ids(town)[0]), driver_id="DR-2"), actor=DRIVER)
    assert isinstance(found, Refusal)
    assert found.code is RefusalCode.ROLE_NOT_ALLOWED
