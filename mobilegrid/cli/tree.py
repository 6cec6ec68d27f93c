"""The tree of commands: what each is called, where it lives, and the line that help shows of it."""

from mobilegrid.cli.base import LazyGroup, Member


def _at(module: str, name: str, summary: str) -> Member:
    return Member(f"mobilegrid.cli.{module}:{name}", summary)


COMMANDS: dict[str, Member | LazyGroup] = {
    "demo": _at("demo", "demo", "Live through one day of a seeded town and check it."),
    "db": LazyGroup(
        "db",
        "Make, upgrade and look after a ledger's database.",
        {
            "create": _at("db", "create", "Begin a new ledger with its entry 0."),
            "adopt": _at("adopt", "adopt", "Bring back what a restored database lacks."),
            "upgrade": _at("db", "upgrade", "Bring the database schema to this program's."),
            "check": _at("db", "check", "Check guards, settings, head and tail of the log."),
            "status": _at("db", "status", "Show size, root, times and the newest checkpoint."),
        },
    ),
    "data": LazyGroup(
        "data",
        "Take in public data sets.",
        {"import": _at("data", "import_", "Replay real networks and ageing packs.")},
    ),
    "history": _at("history", "history", "Show the life of a pack."),
    "balance": _at("balance", "balance", "Show what accounts hold."),
    "title-statement": _at("titles", "statement", "Show packs and book value per holder."),
    "party": LazyGroup(
        "party",
        "Register who acts in the network.",
        {"register": _at("party", "register", "Register an organisation by its id.")},
    ),
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
    "stocktake": LazyGroup(
        "stocktake",
        "Count depots and stations.",
        {
            "record": _at("stocktake", "recorded", "Record a sheet of scans."),
            "close": _at("stocktake", "close", "Close a sheet; two persons."),
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
        },
    ),
    "timers": LazyGroup(
        "timers",
        "What the clock alone decides.",
        {"run": _at("timers", "run", "Ask for everything that is due.")},
    ),
    "settle": LazyGroup(
        "settle",
        "Close periods; show statements and bills.",
        {
            "close": _at("settle", "close", "Close a period: a statement for each operator."),
            "statement": _at("settle", "statement", "Show an operator's statement."),
            "bill": _at("settle", "bill", "Show a driver's itemised bill."),
        },
    ),
    "invoice": LazyGroup(
        "invoice",
        "List invoices; write them for people and programs.",
        {
            "list": _at("invoice", "list_", "List invoices with what is still to be paid."),
            "export": _at("invoice", "export", "Write an invoice as PDF or as an EN 16931 file."),
        },
    ),
    "bank": LazyGroup(
        "bank",
        "Read what banks tell us.",
        {"check": _at("bank", "check", "Read a bank's file, camt.052, 053 or 054, and judge it.")},
    ),
    "checkpoint": _at("proofs", "checkpoint", "Show the newest checkpoint, or sign the head."),
    "prove": _at("prove_money", "prove", "Prove an entry, a pack's history, a bill."),
    "verify": _at("verify", "verify", "Verify this ledger, or a proof file offline."),
    "rebuild": _at("verify", "rebuild", "Make views again from the log and mend them."),
    "export": LazyGroup(
        "export",
        "Write our history in other people's formats.",
        {
            "books": _at("export", "books", "Write journals for hledger, Beancount, Ledger."),
            "log": _at("export", "log", "Write the log as a directory of tiles."),
            "history": _at("export", "history", "Write the life of a pack as CSV."),
            "epcis": _at("export", "epcis", "Write histories of packs as EPCIS 2.0."),
            "passport": _at("passport", "passport", "Write the battery passport of a pack."),
            "statement": _at("export", "statement", "Write an operator's statement as CSV."),
            "verifier": _at("export", "verifier", "Write the program that checks us."),
        },
    ),
    "passport": LazyGroup(
        "passport",
        "Take in what passports need; write and give them out.",
        {
            "register": _at("passports", "register", "Register a class from a facts file."),
            "record": _at("passports", "record", "Record what papers tell of single packs."),
            "check": _at("passports", "check", "Name the facts that passports still lack."),
            "export": _at("passport", "export", "Write the battery passport of a pack."),
            "disclose": _at("passport", "disclose", "Give a party a passport, and note it."),
            "number": _at("passports", "number", "Give packs asset numbers and a GIAI."),
            "label": _at("passports", "label", "Show what stands on the label of a pack."),
        },
    ),
    "subject": LazyGroup(
        "subject",
        "Look after persons, and erase them.",
        {
            "register": _at("subject", "register", "Keep a new person in the vault."),
            "show": _at("subject", "show", "Show what is kept about a person, masked."),
            "erase": _at("subject", "erase", "Erase a person, and say so in the log."),
            "reveal": _at("subject", "reveal", "Show fields of a person, in the clear."),
            "rewrap": _at(
                "subject", "rewrap", "Seal every person's key under the next epoch's key."
            ),
            "sweep": _at("subject", "sweep", "Finish erasures; erase what fell due."),
        },
    ),
    "health": LazyGroup(
        "health",
        "Estimate states of health from charges.",
        {
            "score": _at("health", "score", "Judge the estimators on labelled tables."),
            "predict": _at("health", "predict", "Estimate cells that nobody has tested."),
            "train": _at("health", "train", "Train the model of a family of cells."),
            "assess": _at("health_packs", "assess", "Assess packs by what they charged."),
            "show": _at("health_packs", "show", "Show the health of a pack."),
            "release": _at("health_packs", "release", "Let a model be asked from now on."),
        },
    ),
    "energy": LazyGroup(
        "energy",
        "Hold meters against sessions.",
        {
            "check": _at("energy", "check", "Balance meters against the sessions at them."),
            "end-session": _at(
                "energy", "end_session", "End a charging session with what its meter signed."
            ),
            "judge": _at("energy", "judge", "Check again what a meter signed of a session."),
        },
    ),
    "serve": LazyGroup(
        "serve",
        "Run processes that others talk to.",
        {
            "api": _at("serve", "api", "Serve doors over HTTP until interrupted."),
            "all": _at("serve", "all_", "Serve every door from one process until interrupted."),
            "worker": _at(
                "serve",
                "worker",
                "Sign and publish heads without any door, until interrupted.",
            ),
            "signer": _at("signer", "signer", "Hold the log's keys and sign, until interrupted."),
        },
    ),
    "keys": LazyGroup(
        "keys",
        "Hold key ceremonies; look into devices.",
        {
            "ceremony": _at(
                "keys", "ceremony", "Hold a key ceremony step by step, as its file says."
            ),
            "record": _at("key_entries", "record", "Write a ceremony into the log, with its keys."),
            "announced": _at("key_entries", "announced", "List the keys the log announced."),
            "revoke": _at("key_entries", "revoke", "Trust a key of the log no more."),
            "list": _at("keys", "list_", "List what the devices of a ceremony file hold."),
            "trial": _at(
                "trial", "trial", "Make simulated devices with all keys, and settings for them."
            ),
            "pin": _at("trial", "pin", "Write the file of keys that a ceremony gave."),
            "state": _at("trial", "state", "Make the state of a signer that never signed."),
            "witness": _at("trial", "witness", "Make our key as a witness in a new file."),
            "confirm": _at("trial", "confirm", "Lift the signer's block, or accept its clock."),
            "officer": _at("keys", "officer", "Make an officer's own key in a new file."),
            "simulate": _at(
                "keys", "simulate", "Make a simulated device in a new file, for rehearsals."
            ),
        },
    ),
    "openapi": _at("openapi", "openapi", "Write the OpenAPI document of all doors."),
    "doctor": _at("doctor", "doctor", "Show settings and versions; run every self-check."),
    "docs": _at("docs", "docs", "Write the generated documents."),
}
"""Everything below `mobilegrid`, in the order of help."""
