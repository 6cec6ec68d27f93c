"""The part of the tree of commands that settles with partners: statements, payees, payouts."""

from mobilegrid.cli.base import LazyGroup, Member


def _at(module: str, name: str, summary: str) -> Member:
    return Member(f"mobilegrid.cli.{module}:{name}", summary)


SETTLING: dict[str, Member | LazyGroup] = {
    "settle": LazyGroup(
        "settle",
        "Settle with partners step by step; close periods; show statements and bills.",
        {
            "close": _at("settle", "close", "Close a period: a statement for each operator."),
            "rents": _at(
                "settle_rents",
                "rents",
                "Owe rents to title holders and instalments to banks for a period.",
            ),
            "cut": _at(
                "settle_cycle",
                "cut",
                "Freeze a partner's lines.",
            ),
            "calculate": _at(
                "settle_cycle",
                "calculate",
                "Calculate a cut statement twice from scratch; both must give what was cut.",
            ),
            "submit": _at(
                "settle_cycle",
                "submit",
                "Hand a calculated statement in for review by another person.",
            ),
            "issue": _at(
                "settle_cycle",
                "issue",
                "Issue a statement with its signed document.",
            ),
            "cancel": _at(
                "settle_cycle",
                "cancel",
                "Give a statement up before it is issued; its lines go to the next one.",
            ),
            "accept": _at(
                "settle_cycle",
                "accept",
                "Record that a partner accepts every line he does not dispute.",
            ),
            "dispute": _at(
                "settle_disputes",
                "dispute",
                "Record a disputed line.",
            ),
            "dispute-bill": _at(
                "settle_disputes",
                "dispute_bill",
                "Record a driver's disputed line.",
            ),
            "review": _at("settle_disputes", "review", "Look at a dispute."),
            "write": _at("settle_disputes", "write", "Write inside a dispute."),
            "messages": _at(
                "settle_disputes", "messages", "Show what both sides wrote inside a dispute."
            ),
            "escalate": _at("settle_disputes", "escalate", "Hand a dispute to somebody above."),
            "withdraw": _at("settle_disputes", "withdraw", "Record that a dispute was given up."),
            "resolve": _at(
                "settle_disputes",
                "resolve",
                "Close a dispute; two persons.",
            ),
            "approve": _at(
                "settle_cycle", "approve", "Approve the accepted lines of a statement; two persons."
            ),
            "net": _at(
                "settle_cycle",
                "net",
                "Net what both sides owe.",
            ),
            "reconcile": _at(
                "settle_cycle",
                "reconcile",
                "Say that nothing of a statement is owed or on its way any more.",
            ),
            "finish": _at(
                "settle_cycle",
                "finish",
                "Close a reconciled statement whose disputes and month are closed.",
            ),
            "show": _at("settle_cycle", "show", "Show where a statement stands in its cycle."),
            "list": _at("settle_cycle", "list_", "List statements and where they stand."),
            "levels": _at(
                "settle_levels",
                "levels",
                "Count swaps, statements, disputes and payouts by how they ended.",
            ),
            "statement": _at("settle", "statement", "Show an operator's statement."),
            "bill": _at("settle", "bill", "Show a driver's itemised bill."),
        },
    ),
    "payee": LazyGroup(
        "payee",
        "Accounts that partners and suppliers are paid to.",
        {
            "approve": _at(
                "payout",
                "approve_payee",
                "Pay a partner to an account; two persons.",
            )
        },
    ),
    "payout": LazyGroup(
        "payout",
        "Pay partners and suppliers.",
        {
            "plan": _at(
                "payout",
                "plan",
                "Plan a payout of what statements owe.",
            ),
            "cancel": _at("payout", "cancel", "Give up a planned payout."),
            "order": _at(
                "payout",
                "order",
                "Approve planned payouts as one order and write its file (pain.001); two persons.",
            ),
            "withdraw": _at(
                "payout",
                "withdraw",
                "Give up an order before its release; its payouts are planned again.",
            ),
            "release": _at(
                "payout",
                "release",
                "Let an order leave: two persons, and just the file that was approved.",
            ),
            "sent": _at("payout", "sent", "Say that a released order is with the bank."),
            "answers": _at("payout", "answers", "Take in a bank's answer to an order (pain.002)."),
            "unknown": _at(
                "payout",
                "unknown",
                "Say that the answer to a payout was lost; nothing is sent again.",
            ),
            "list": _at("payout", "list_", "List payouts and where they stand."),
        },
    ),
}
"""Groups of `mobilegrid` about partners, in the order of help."""
