import pytest
from msgspec.structs import replace

from ledger.domain.money.psp_records import (
    BalanceTransaction,
    PspBalance,
    PspList,
    PspPayout,
    faults_of_list,
)

TAKEN = BalanceTransaction(
    "txn_1", "EUR", 2_500, 63, 2_437, "charge", "2026-03-02", source_id="pi_1", payout_id="po_1"
)
SENT = BalanceTransaction(
    "txn_2", "EUR", -2_437, 0, -2_437, "payout", "2026-03-04", source_id="po_1"
)
FEE = BalanceTransaction("txn_3", "EUR", -100, 0, -100, "fee", "2026-03-05")
TOLD = PspList(
    (TAKEN, SENT, FEE),
    (PspPayout("po_1", "EUR", 2_437, "2026-03-04", "TR1"),),
    (PspBalance("EUR", 300, 100),),
    (PspBalance("EUR", 500, 0),),
)


def codes(told):
    return [fault.code for fault in faults_of_list(told)]


def test_a_list_that_agrees_with_itself_has_no_fault():
    assert codes(TOLD) == []
    assert [one.reference for one in TOLD.transactions] == ["pi_1", "po_1", "txn_3"]
    assert codes(PspList((), (), ())) == []


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (
            replace(TOLD, transactions=(replace(TAKEN, amount_minor=2_501), SENT, FEE)),
            "NET_MISMATCH",
        ),
        (
            replace(TOLD, transactions=(replace(TAKEN, currency="XXX"), SENT, FEE)),
            "CURRENCY_UNKNOWN",
        ),
        (replace(TOLD, transactions=(TAKEN, SENT, FEE, TAKEN)), "TRANSACTION_REPEATED"),
        (replace(TOLD, payouts=TOLD.payouts * 2), "PAYOUT_REPEATED"),
        (replace(TOLD, payouts=(replace(TOLD.payouts[0], amount_minor=2_436),)), "PAYOUT_MISMATCH"),
        (replace(TOLD, transactions=(TAKEN, FEE)), "PAYOUT_NOT_SENT"),
        (replace(TOLD, balances=(PspBalance("EUR", 301, 100),)), "BALANCE_MISMATCH"),
        (replace(TOLD, balances=()), "BALANCE_MISMATCH"),
        (replace(TOLD, opening=()), "BALANCE_MISMATCH"),
    ],
)
def test_what_contradicts_itself_is_named(told, code):
    assert code in codes(told)
