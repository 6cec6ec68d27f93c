"""Partners: contracts, payees, payouts and their batches."""

from ledger.domain.money.contracts import AgreeContract
from ledger.domain.money.payees import PAYEES
from ledger.domain.money.payout_batches import (
    ApprovePayouts,
    MarkPayoutsSent,
    ReleasePayouts,
    WithdrawPayouts,
)
from ledger.domain.money.payout_plans import CancelPayout, InstructPayout
from ledger.domain.money.payout_rows import PAYOUT_BATCHES, PAYOUTS
from partner_api.finance.making import commands, lists, reads

ROUTES = (
    commands(
        "/partners/{partner_id:str}/contracts",
        "agree_contract",
        "Agree on a contract, or on the next version of one.",
        AgreeContract,
    ),
    lists("/payees", "list_payees", "List payees, every version of each.", PAYEES),
    reads("/payees/{payee_id:str}", "read_payee", "Give one payee.", PAYEES),
    lists("/payouts", "list_payouts", "List payouts.", PAYOUTS, holder="partner_id"),
    reads(
        "/payouts/{payout_id:str}", "read_payout", "Give a payout.", PAYOUTS, holder="partner_id"
    ),
    commands("/payouts", "instruct_payout", "Plan a payout of what is approved.", InstructPayout),
    commands(
        "/payouts/{payout_id:str}/cancel", "cancel_payout", "Drop a planned one.", CancelPayout
    ),
    lists("/payout-batches", "list_payout_batches", "List payout batches.", PAYOUT_BATCHES),
    commands("/payout-batches", "approve_payouts", "Put payouts into one file.", ApprovePayouts),
    commands(
        "/payout-batches/{batch_id:str}/release",
        "release_payouts",
        "Let the money leave, by the digest of the file.",
        ReleasePayouts,
    ),
    commands(
        "/payout-batches/{batch_id:str}/withdraw",
        "withdraw_payouts",
        "Take a batch back before it is released.",
        WithdrawPayouts,
    ),
    commands(
        "/payout-batches/{batch_id:str}/sent",
        "mark_payouts_sent",
        "Say that the file was handed to the bank.",
        MarkPayoutsSent,
    ),
)
