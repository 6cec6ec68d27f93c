"""Bank: accounts of ours, statements, lines, suspense."""

from ledger.domain.money.bank_accounts import RegisterBankAccount
from ledger.domain.money.bank_lines import UnmatchBankLine
from ledger.domain.money.bank_rows import (
    BANK_ACCOUNTS,
    BANK_LINES,
    BANK_STATEMENTS,
    QUARANTINE,
    SUSPENSE_ITEMS,
)
from ledger.domain.money.suspense_items import AcceptRounding, IdentifySuspense, NoteSuspense
from partner_api.finance.making import commands, lists, reads

ROUTES = (
    lists("/bank-accounts", "list_bank_accounts", "List our bank accounts.", BANK_ACCOUNTS),
    commands("/bank-accounts", "register_bank_account", "Register one.", RegisterBankAccount),
    lists("/bank-statements", "list_bank_statements", "List bank statements.", BANK_STATEMENTS),
    lists("/bank-quarantine", "list_bank_quarantine", "List files kept out.", QUARANTINE),
    lists("/bank-lines", "list_bank_lines", "List lines of bank statements.", BANK_LINES),
    reads("/bank-lines/{line_id:str}", "read_bank_line", "Give a line.", BANK_LINES),
    commands(
        "/bank-lines/{line_id:str}/match",
        "match_bank_line",
        "Say what a line in suspense pays.",
        IdentifySuspense,
    ),
    commands(
        "/bank-lines/{line_id:str}/unmatch",
        "unmatch_bank_line",
        "Take back what a line was taken for.",
        UnmatchBankLine,
    ),
    commands(
        "/bank-lines/{line_id:str}/hold",
        "hold_bank_line",
        "Give a line in suspense to somebody, with a date and a reason.",
        NoteSuspense,
    ),
    lists("/suspense", "list_suspense_items", "List what is not identified.", SUSPENSE_ITEMS),
    commands(
        "/roundings", "accept_rounding", "Accept a small difference for good.", AcceptRounding
    ),
)
