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
            "show": _at("invoice_credit", "show", "Show an invoice and what happened to it."),
            "credit": _at("invoice_credit", "credit", "Issue a credit note over an invoice."),
            "pay-from-wallet": _at(
                "invoice_credit", "pay_from_wallet", "Pay an invoice from promos and wallet."
            ),
            "export": _at(
                "invoice", "export", "Write an invoice or a credit note as PDF, HTML or EN 16931."
            ),
        },
    ),
    "plan": LazyGroup(
        "plan",
        "Keep subscription plans, and who subscribes.",
        {
            "publish": _at("plan", "publish", "Publish the next version of a plan; two persons."),
            "list": _at("plan", "list_", "List plans and subscriptions."),
            "show": _at("plan", "show", "Show what a driver's months gave and what he used."),
            "subscribe": _at("plan", "subscribe", "Subscribe a driver to a plan."),
            "end": _at("plan", "end", "End a subscription after a month."),
        },
    ),
    "promo": LazyGroup(
        "promo",
        "Give drivers credit.",
        {"grant": _at("dunning", "grant", "Give a driver credit that pays his next invoices.")},
    ),
    "deposit": LazyGroup(
        "deposit",
        "Keep deposits of drivers.",
        {
            "take": _at("dunning", "take", "Record a deposit that a driver paid."),
            "return": _at("dunning", "return_", "Give a deposit back, or a part."),
            "apply": _at("dunning", "apply_", "Use a deposit for an invoice."),
            "list": _at("dunning", "deposits", "List deposits with what is left of them."),
        },
    ),
    "dunning": LazyGroup(
        "dunning",
        "Look after invoices that are not paid.",
        {
            "list": _at("dunning", "list_", "List what is overdue, with the last step."),
            "run": _at("dunning", "run", "Take every step about bills that is due."),
            "write-off": _at(
                "dunning", "write_off", "Give up what nobody can collect; two persons."
            ),
            "policy": _at("dunning", "policy", "Set the policy of bills; two persons."),
        },
    ),
}
