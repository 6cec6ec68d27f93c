import pytest

from ledger.domain.money.payees import PAYEES, ApprovePayee, PayeeAccount, follows, postings
from ledger.domain.world import World
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.partners import CLERKS, IBAN, JUNE, PAYER, partner, payee
from tests.support.rules import act, events

NAMED = {"holder_name": "Example Swaps GmbH"}


def approving(**account):
    return ApprovePayee(payee_id="PE-2", partner_id="OP-1", paid_to=PayeeAccount(**NAMED | account))


def test_versions_of_a_payee_count_from_one_and_name_who_approved_them():
    world = partner()
    payee(world, holder_name="Example Swaps SE", iban=IBAN, bic="COBADEFFXXX", at=JUNE + DAY)
    row = world.need(PAYEES, "PE-1")
    assert [one.version for one in row.versions] == [1, 2]
    assert row.at(2).paid_to.holder_name == "Example Swaps SE"
    assert row.at(2).approved_by == (CLERKS.id, CLERKS.second_person)
    assert row.at(2).approved_at == JUNE + DAY
    assert PAYEES.listed_by(row) == "OP-1"


def test_approving_the_same_account_again_changes_nothing_and_moves_nothing():
    world = partner()
    (event,) = events(act(world, approving(iban=IBAN)))
    assert act(world, approving(iban=IBAN)) == ()
    assert postings(event) == ()
    assert follows(world, approving()) == ()


def test_a_payee_needs_two_persons():
    refusal = act(partner(), approving(iban=IBAN), actor=Actor("P1", "finance", "P1"))
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.SECOND_PERSON_REQUIRED


@pytest.mark.parametrize(
    ("field", "account"),
    [
        ("holder_name", {"holder_name": " ", "iban": IBAN}),
        ("holder_name", {"holder_name": "N" * 71, "iban": IBAN}),
        ("account", {}),
        ("account", {"iban": IBAN, "stripe_account": "acct_1"}),
        ("iban", {"iban": "DE88370400440532013000"}),
        ("iban", {"iban": "DE89 3704 0044 0532 0130 00"}),
        ("bic", {"iban": IBAN, "bic": "COBADE"}),
        ("other_account", {"other_account": "6" * 35, "clearing_member": "1"}),
        ("clearing_member", {"other_account": "6222"}),
        ("clearing_member", {"iban": IBAN, "clearing_member": "1021"}),
        ("stripe_account", {"stripe_account": "cus_1"}),
        ("stripe_account", {"stripe_account": "acct_"}),
    ],
)
def test_an_account_that_money_cannot_reach_is_refused(field, account):
    refusal = act(partner(), approving(**account))
    facts = {"payee": "PE-2", "field": field}
    assert refusal == Refusal(RefusalCode.PAYEE_INVALID, facts)


@pytest.mark.parametrize(
    "account",
    [
        {"other_account": "6222021001116245702", "clearing_member": "102100099996"},
        {"stripe_account": "acct_1Nv0FGQ9RKHgCVdK"},
        {"iban": "NO9386011117947", "bic": "DNBANOKK"},
    ],
)
def test_accounts_of_every_route_can_be_payees(account):
    world = partner()
    assert len(events(act(world, approving(**account)))) == 1
    serves = world.need(PAYEES, "PE-2").at(1).paid_to.serves
    assert serves("stripe") is ("stripe_account" in account)
    assert serves("bank_file") is ("stripe_account" not in account)


def test_a_payee_keeps_its_partner_and_every_fault_is_told():
    world = partner()
    act(world, approving(iban=IBAN))
    other = ApprovePayee(
        payee_id="PE-2", partner_id="OP-9", paid_to=PayeeAccount("Somebody", iban=IBAN)
    )
    refusal = act(world, other)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.others) == (
        RefusalCode.PARTY_UNKNOWN,
        (RefusalCode.PAYEE_INVALID,),
    )
    assert refusal.facts["field"] == "partner_id"
    nameless = ApprovePayee(
        payee_id="no id", partner_id="OP-1", paid_to=PayeeAccount("Somebody", iban=IBAN)
    )
    assert act(world, nameless) == Refusal(
        RefusalCode.PAYEE_INVALID, {"payee": "no id", "field": "payee_id"}
    )
    assert act(World(complete=True), approving(iban=IBAN)) == Refusal(
        RefusalCode.PARTY_UNKNOWN, {"payee": "PE-2"}
    )


def test_a_payee_waits_three_days_and_is_not_paid_by_who_approved_it():
    version = partner().need(PAYEES, "PE-1").at(1)
    new, own = RefusalCode.PAYEE_TOO_NEW, RefusalCode.PAYEE_APPROVER_RELEASES
    assert version.faults(PAYER, JUNE + 3 * DAY, 3) == []
    assert version.faults(PAYER, JUNE + 3 * DAY - 1, 3) == [new]
    assert version.faults(PAYER, JUNE + 3 * DAY, 4) == [new]
    assert version.faults(PAYER, JUNE, 0) == []
    assert version.faults(Actor("P1", "finance", "P4"), JUNE + 9 * DAY, 3) == [own]
    assert version.faults(Actor("P3", "finance", "P2"), JUNE, 3) == [new, own]
