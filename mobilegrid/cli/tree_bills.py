"""The part of the tree of commands about what drivers owe and are credited."""

from mobilegrid.cli.base import LazyGroup, Member


def _at(module: str, name: str, summary: str) -> Member:
    return Member(f"mobilegrid.cli.{module}:{name}", summary)


BILLS: dict[str, Member | LazyGroup] = {
    "invoice": LazyGroup(
        "invoice",
        "List invoices; write them for people and programs.",
        {
            "list": _at("invoice", "list_", "List invoices with what is still to be paid."),
            "show": _at(
                "invoice_credit",
                "show",
                "Show an invoice: its state, its lines, what paid it and what was credited.",
            ),
            "credit": _at(
                "invoice_credit",
                "credit",
                "Issue a credit note over an invoice.",
            ),
            "pay-from-wallet": _at(
                "invoice_credit",
                "pay_from_wallet",
                "Pay an invoice from the driver's promos and wallet, in the order of the policy.",
            ),
            "damage": _at("invoice_damage", "damage", "Bill the damage of a closed case."),
            "export": _at(
                "invoice",
                "export",
                "Write an invoice or a credit note for people, or as an EN 16931 file.",
            ),
        },
    ),
    "plan": LazyGroup(
        "plan",
        "Keep subscription plans, and who subscribes.",
        {
            "publish": _at(
                "plan",
                "publish",
                "Publish the next version of a plan from a JSON file; two persons.",
            ),
            "list": _at("plan", "list_", "List plans with all their versions, and who subscribes."),
            "show": _at(
                "plan", "show", "Show what a driver's months gave, and what he used of them."
            ),
            "subscribe": _at(
                "plan",
                "subscribe",
                "Subscribe a driver to the newest version of a plan, from a day on.",
            ),
            "end": _at("plan", "end", "End a subscription after a month, YYYY-MM."),
        },
    ),
    "promo": LazyGroup(
        "promo",
        "Give drivers credit, or something off their bills.",
        {
            "grant": _at("dunning", "grant", "Give a driver credit that pays his next invoices."),
            "discount": _at(
                "promo", "discount", "Take a percentage, or whole swaps, off a driver's next bills."
            ),
            "code": _at(
                "promo",
                "code",
                "Issue a code that drivers enter for credit, or for something off their bills;"
                " two persons.",
            ),
        },
    ),
    "deposit": LazyGroup(
        "deposit",
        "Keep deposits of drivers.",
        {
            "take": _at("dunning", "take", "Record a deposit that a driver paid."),
            "return": _at(
                "dunning",
                "return_",
                "Give a deposit back, or a part; above the limit of the policy by two persons.",
            ),
            "apply": _at(
                "dunning", "apply_", "Use a deposit, or a part, for an invoice of its driver."
            ),
            "list": _at("dunning", "deposits", "List deposits with what is left of them."),
        },
    ),
    "dunning": LazyGroup(
        "dunning",
        "Look after invoices that are not paid.",
        {
            "list": _at(
                "dunning",
                "list_",
                "List invoices that are overdue, with the step that was taken last.",
            ),
            "run": _at(
                "dunning",
                "run",
                "Take every step that is due now: months, retries, blocks, proposals, what ends.",
            ),
            "write-off": _at(
                "dunning",
                "write_off",
                "Give up what is open of an invoice that dunning proposed; two persons.",
            ),
            "policy": _at(
                "dunning", "policy", "Set the policy of bills from a JSON file; two persons."
            ),
        },
    ),
}
