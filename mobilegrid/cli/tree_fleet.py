"""The part of the tree of commands that leads packs, chargers and their keepers through life."""

from mobilegrid.cli.base import LazyGroup, Member


def _at(module: str, name: str, summary: str) -> Member:
    return Member(f"mobilegrid.cli.{module}:{name}", summary)


FLEET: dict[str, Member | LazyGroup] = {
    "pack": LazyGroup(
        "pack",
        "Lead packs from their order to the recycler.",
        {
            "order": _at("pack", "order", "Order packs; each has its own id from the start."),
            "announce": _at(
                "pack",
                "announce",
                "Tell that the supplier sent packs, under a despatch advice.",
            ),
            "receive": _at("pack", "receive", "Take a pack into a depot."),
            "challenge": _at("pack_proof", "challenge", "Write a challenge for a pack to a file."),
            "enrol": _at(
                "pack_proof",
                "enrol",
                "Bind a pack's management system: its serial, and the key it proved to hold.",
            ),
            "attest": _at(
                "pack_proof", "attest", "Record what a pack answered under its enrolled key."
            ),
            "verify": _at("pack", "verify", "Record the incoming test of a pack."),
            "commission": _at(
                "pack", "commission", "Let a verified pack into service; two persons."
            ),
            "assess": _at("pack", "assess", "Record a state of health that was measured."),
            "move": _at("pack", "move", "Report one move of the custody table."),
            "retire": _at("pack", "retire", "End the service of a pack for drivers; two persons."),
            "claim": _at(
                "pack_end", "claim", "Claim on a supplier, within the warranty of a pack."
            ),
            "settle-claim": _at(
                "pack_end",
                "settle_claim",
                "End a claim; two persons. RETURNED gives the pack back to the supplier.",
            ),
            "second-life": _at(
                "pack_end",
                "agree",
                "Agree which packs an operator may use elsewhere; two persons.",
            ),
            "deploy": _at(
                "pack_end",
                "deploy",
                "Give a stored pack to its second life, under a contract; two persons.",
            ),
            "hand-over": _at(
                "pack_end",
                "hand_over",
                "Give a retired pack to a recycler, weighed; two persons.",
            ),
            "certify": _at("pack_end", "certify", "Record a recycler's certificate; two persons."),
            "write-off": _at(
                "pack_end",
                "write_off",
                "Take a missing pack out of the books, at its value; two persons.",
            ),
            "end-stand-in": _at(
                "pack_end", "end_stand_in", "End that a pack stands in for another class."
            ),
            "show": _at("pack", "show", "Show a pack as it stands now."),
            "list": _at("pack", "list_", "List packs with their place, charge and health."),
            "life": _at(
                "pack_life",
                "life",
                "Tell the whole life of a pack, from its order to the recycler.",
            ),
        },
    ),
    "purchase": LazyGroup(
        "purchase",
        "Look after purchase orders.",
        {
            "show": _at(
                "purchase",
                "show",
                "Show a purchase order: ordered, received, verified, payable.",
            ),
            "cancel": _at(
                "purchase",
                "cancel",
                "Cancel a purchase order of which nothing came yet; two persons.",
            ),
            "sample": _at("purchase", "sample", "Draw which packs of a despatch are tested."),
        },
    ),
    "charger": LazyGroup(
        "charger",
        "Lead chargers from their order into a slot.",
        {
            "order": _at("charger", "order", "Order a charger."),
            "receive": _at("charger", "receive", "Take a charger into a depot."),
            "verify": _at("charger", "verify", "Record the test of a charger."),
            "install": _at("charger", "install", "Build a verified charger into a slot."),
            "return": _at("charger", "return_", "Send a charger back to its supplier."),
            "list": _at("charger", "list_", "List chargers and how far each came."),
        },
    ),
    "meter": LazyGroup(
        "meter",
        "Look after meters.",
        {"accept": _at("charger", "accept_meter", "Record the test of a meter; two persons.")},
    ),
    "transfer": LazyGroup(
        "transfer",
        "Bring packs from one place to another, on an order.",
        {
            "create": _at(
                "transfer", "create", "Order packs brought from one custody account to another."
            ),
            "dispatch": _at("transfer", "dispatch", "Send packs of an order off."),
            "receive": _at(
                "transfer", "receive", "Receive packs of an order, all or some of them."
            ),
            "loss": _at("transfer", "loss", "Report packs of an order as lost."),
            "cancel": _at("transfer", "cancel", "Cancel what did not leave yet."),
            "show": _at(
                "transfer", "show", "Show a transfer order and how far each of its packs came."
            ),
            "list": _at("transfer", "list_", "List transfer orders that are not closed."),
        },
    ),
    "workorder": LazyGroup(
        "workorder",
        "Work on packs, chargers, slots and stations.",
        {
            "open": _at("workorder", "open_", "Open a work order on one thing."),
            "send": _at("workorder", "send", "Send the pack of a work order to its workshop."),
            "advance": _at(
                "workorder", "advance", "Say at which stage the work is, and what was found."
            ),
            "repair": _at("workorder", "repair", "Record parts, labour and cost of a repair."),
            "release": _at("workorder", "release", "Close a work order; two persons."),
            "show": _at("workorder", "show", "Show a work order with its parts."),
        },
    ),
    "maintenance": LazyGroup(
        "maintenance",
        "Look after stations, chargers and packs in time.",
        {
            "plan": _at("maintenance", "plan", "Say how often something is looked after."),
            "check": _at("maintenance", "check", "Hold a counter that was read against a plan."),
            "done": _at("maintenance", "done", "Record that something was looked after."),
            "list": _at("maintenance", "list_", "List plans, the overdue ones first."),
        },
    ),
    "stocktake": LazyGroup(
        "stocktake",
        "Count depots and stations.",
        {
            "record": _at("stocktake", "recorded", "Record a sheet of scans."),
            "close": _at("stocktake", "close", "Close a sheet; two persons."),
        },
    ),
    "shift": LazyGroup(
        "shift",
        "Hand staffed outlets from one person to the next.",
        {
            "open": _at("shift", "open_", "Begin to mind an outlet."),
            "hand-over": _at("shift", "hand_over", "Hand an outlet over, counted; two persons."),
            "list": _at("shift", "list_", "List who minds which outlet."),
        },
    ),
    "case": LazyGroup(
        "case",
        "Settle exceptions.",
        {
            "list": _at("case", "list_", "List open cases, oldest first."),
            "show": _at("case", "show", "Show a case."),
            "assign": _at("case", "assign", "Give a case to a person."),
            "resolve": _at("case", "resolve", "Settle a case; two persons."),
            "refund": _at("case", "refund", "Decide whether a swap is paid back; two persons."),
        },
    ),
    "support": LazyGroup(
        "support",
        "Answer drivers who ask for help.",
        {
            "list": _at("support", "list_", "List requests, the one to be answered first."),
            "show": _at("support", "show", "Show a request with what was written; two persons."),
            "answer": _at("support", "answer", "Write to the driver; two persons."),
            "close": _at("support", "close", "Close a request; two persons."),
        },
    ),
    "letters": LazyGroup(
        "letters",
        "Look after notices that leave the house.",
        {
            "list": _at("letters", "list_", "List letters to drivers of the last 30 days."),
            "retry": _at("letters", "retry", "Let dead letters go once more."),
        },
    ),
    "waitlist": LazyGroup(
        "waitlist",
        "Let drivers wait for packs.",
        {
            "join": _at("waitlist", "join", "Let a driver wait for packs of a class at a station."),
            "leave": _at("waitlist", "leave", "Let a driver wait no more."),
            "list": _at("waitlist", "list_", "List who waits where, the first one first."),
        },
    ),
}
