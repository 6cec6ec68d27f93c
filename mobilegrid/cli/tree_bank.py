"""The part of the tree of commands for money that comes and goes: cards, bank, reconciliation."""

from mobilegrid.cli.base import LazyGroup, Member


def _at(module: str, name: str, summary: str) -> Member:
    return Member(f"mobilegrid.cli.{module}:{name}", summary)


BANK: dict[str, Member | LazyGroup] = {
    "pay": LazyGroup(
        "pay",
        "Take payments by card and give them back; the relay makes what is planned.",
        {
            "charge": _at("pay", "charge_card", "Take money for an invoice from a saved card."),
            "reserve": _at("pay", "reserve", "Have an amount authorised on a saved card."),
            "capture": _at("pay", "capture", "Take what was authorised, for an invoice."),
            "cancel": _at("pay", "cancel", "Give back what was authorised, or give it up."),
            "refund": _at("pay", "refund", "Pay a credit note back to the card that paid."),
            "top-up": _at("pay", "top_up", "Let a driver pay into his wallet."),
            "save-card": _at("pay", "save_card", "Let a driver save a card."),
            "transfer": _at("pay", "transfer", "Send a released payout through the provider."),
            "evidence": _at("pay", "evidence", "Answer a dispute with what the log says."),
            "list": _at("pay", "list_", "List payments by card with their state."),
            "show": _at("pay", "show", "Show one payment, its calls, and the page of its driver."),
            "relay": _at("pay", "relay", "Make the calls that wait, once."),
            "catch-up": _at("pay", "catch_up", "Fetch missed messages and post the balance."),
            "provider-list": _at(
                "pay",
                "provider_list",
                "Write what the provider tells of our money, for `reconcile run`.",
            ),
            "again": _at("pay", "again", "Take up a call that was given up."),
        },
    ),
    "bank": LazyGroup(
        "bank",
        "Take in what banks tell us, and settle it.",
        {
            "check": _at(
                "bank", "check", "Read a bank's file, camt.052, 053 or 054, and judge it."
            ),
            "register": _at("bank_files", "register", "Register an account of ours; two persons."),
            "accounts": _at(
                "bank_files",
                "accounts",
                "List our accounts: newest statement, its closing, and what the books say.",
            ),
            "import": _at("bank_files", "import_", "Import files of a bank, each line once."),
            "lines": _at(
                "bank_files",
                "lines",
                "List what waits: lines on suspense, notices, statements not booked.",
            ),
            "show": _at(
                "bank_desk", "show", "Show a bank line: what it settled, what waits, who paid."
            ),
            "match": _at(
                "bank_desk", "match", "Say what a line on suspense was, all of it or --amount."
            ),
            "unmatch": _at(
                "bank_desk",
                "unmatch",
                "Take back all that a line settled; it stands on suspense again.",
            ),
            "hold": _at(
                "bank_desk",
                "hold",
                "Say who looks after a line on suspense, until when, and what is waited for.",
            ),
            "release": _at(
                "bank_files",
                "release_",
                "Book a statement out of quarantine, or set it aside; two persons.",
            ),
            "round": _at(
                "bank_desk", "round_", "Let a small difference of a partner go; two persons."
            ),
        },
    ),
    "reconcile": LazyGroup(
        "reconcile",
        "Compare our books with the bank, the payment provider and partners.",
        {
            "run": _at(
                "reconcile",
                "run_",
                "Compare our books with the bank's files, a provider's list, a partner's file.",
            ),
            "show": _at(
                "reconcile", "show", "Show a run as it was kept: the newest, or that of a NUMBER."
            ),
            "day": _at(
                "reconcile_day", "day", "Compare our books with the bank at the end of a DAY."
            ),
            "breaks": _at(
                "reconcile",
                "breaks",
                "List the open breaks, the most urgent first: how old, with whom.",
            ),
            "note": _at(
                "reconcile",
                "note",
                "Say who looks after a break, until when, and what is waited for.",
            ),
            "resolve": _at(
                "reconcile", "resolve", "Settle a break that is in no bridge; two persons."
            ),
        },
    ),
}
