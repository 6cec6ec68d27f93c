"""Partners: contracts with their rules of shares, payees and payouts."""

from ledger.domain.money.agent_sales import AGENT_SALES, RecordAgentSale
from ledger.domain.money.contracts import CONTRACTS, AgreeContract
from ledger.domain.money.payees import PAYEES, ApprovePayee
from ledger.domain.money.payments_transfers import PlanReversal, PlanTransfer
from ledger.domain.money.payout_plans import CancelPayout, InstructPayout
from ledger.domain.money.payout_rows import PAYABLES, PAYOUTS
from ledger.domain.money.payouts import MarkPayoutUnknown
from ledger.domain.parties import PARTIES, Party, RegisterParty
from partner_api.finance.making import commands, lists, reads


def _is_partner(row: Party) -> bool:
    return row.roles != ("driver",)


ROUTES = (
    lists("/partners", "list_partners", "List partners.", PARTIES, keeps=_is_partner),
    reads("/partners/{partner_id:str}", "read_partner", "Give a partner.", PARTIES),
    commands("/partners", "register_partner", "Make a partner known.", RegisterParty, by_two=True),
    reads(
        "/partners/{partner_id:str}/contracts",
        "read_contracts",
        "Give the contracts of a partner: every version, with its rule of shares.",
        CONTRACTS,
    ),
    reads(
        "/partners/{partner_id:str}/payables",
        "read_payables",
        "Give what a partner is owed, statement by statement.",
        PAYABLES,
    ),
    lists(
        "/partners/{partner_id:str}/payee-accounts",
        "list_payee_accounts",
        "List where a partner is paid, every version of each.",
        PAYEES,
    ),
    commands(
        "/partners/{partner_id:str}/payee-accounts",
        "approve_payee",
        "Pay a partner to this account, once its waiting time is over.",
        ApprovePayee,
    ),
    lists("/agent-sales", "list_agent_sales", "List sales for partners as agent.", AGENT_SALES),
    commands("/agent-sales", "record_agent_sale", "Book a sale made as agent.", RecordAgentSale),
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
    commands(
        "/payouts/{payout_id:str}/unknown",
        "mark_payout_unknown",
        "Say that the answer to a payout was lost; nothing is sent again.",
        MarkPayoutUnknown,
    ),
    commands(
        "/payouts/{payout_id:str}/transfer",
        "plan_transfer",
        "Have the processor pay a payout that was released.",
        PlanTransfer,
    ),
    commands(
        "/payouts/{payout_id:str}/reversal",
        "plan_reversal",
        "Have the processor take a transfer back.",
        PlanReversal,
    ),
)
