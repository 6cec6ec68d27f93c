"""The tree of commands: what each is called, where it lives, and the line that help shows of it."""

from mobilegrid.cli.base import LazyGroup, Member
from mobilegrid.cli.tree_bank import BANK
from mobilegrid.cli.tree_bills import BILLS
from mobilegrid.cli.tree_books import BOOKS
from mobilegrid.cli.tree_fleet import FLEET
from mobilegrid.cli.tree_settling import SETTLING
from mobilegrid.cli.tree_tariffs import TARIFFS


def _at(module: str, name: str, summary: str) -> Member:
    return Member(f"mobilegrid.cli.{module}:{name}", summary)


COMMANDS: dict[str, Member | LazyGroup] = {
    "demo": _at("demo", "demo", "Live through a month of a seeded town and check it."),
    "app-runtime": _at(
        "app_runtime",
        "app_runtime",
        "Pack the app's client for the air, once, where an image is built.",
    ),
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
    "title-days": _at("titles", "days", "Count pack-days per holder, lease and lien."),
    "party": LazyGroup(
        "party",
        "Register who acts in the network.",
        {"register": _at("party", "register", "Register an organisation by its id.")},
    ),
    **FLEET,
    "timers": LazyGroup(
        "timers",
        "What the clock alone decides.",
        {"run": _at("timers", "run", "Ask for everything that is due.")},
    ),
    **SETTLING,
    **BILLS,
    **BANK,
    "checkpoint": _at("proofs", "checkpoint", "Show the newest checkpoint, or sign the head."),
    "prove": _at("prove_money", "prove", "Prove an entry, a pack's history, a bill."),
    "verify": _at("verify", "verify", "Verify this ledger, or a proof file offline."),
    "rebuild": _at("verify", "rebuild", "Make views again from the log and mend them."),
    "export": LazyGroup(
        "export",
        "Write our history in other people's formats.",
        {
            "books": _at("export", "books", "Write journals for hledger, Beancount, Ledger."),
            "journal": _at("export", "journal", "Write the journals of one period."),
            "xlsx": _at("export", "xlsx", "Write postings as a workbook for spreadsheets."),
            "postings": _at("export", "postings", "Write postings as CSV."),
            "log": _at("export", "log", "Write the log as a directory of tiles."),
            "history": _at("export", "history", "Write the life of a pack as CSV."),
            "epcis": _at("export", "epcis", "Write histories of packs as EPCIS 2.0."),
            "passport": _at("passport", "passport", "Write the battery passport of a pack."),
            "statement": _at("export", "statement", "Write a partner's statement as CSV."),
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
            "invite": _at(
                "subject_invite", "invite", "Give the link by which a driver makes his passkey."
            ),
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
            "counters": _at("health_counters", "counters", "Record what a pack has counted."),
        },
    ),
    "energy": LazyGroup(
        "energy",
        "Hold meters against sessions; buy and sell energy.",
        {
            "check": _at("energy", "check", "Balance meters against the sessions at them."),
            "end-session": _at(
                "energy", "end_session", "End a charging session with what its meter signed."
            ),
            "judge": _at("energy", "judge", "Check again what a meter signed of a session."),
            "buy": _at("energy_trade", "buy", "Take energy in at cost; a supplier is owed."),
            "correct": _at(
                "energy_trade", "correct", "Owe a supplier what his statement says; two persons."
            ),
            "sell": _at("energy_trade", "sell", "Bill energy that was given to the grid."),
            "true-up": _at(
                "energy_trade", "true_up", "Set energy in stock to what packs hold; cost the rest."
            ),
        },
    ),
    **BOOKS,
    **TARIFFS,
    "serve": LazyGroup(
        "serve",
        "Run processes that others talk to.",
        {
            "api": _at("serve", "api", "Serve doors over HTTP until interrupted."),
            "all": _at(
                "serve",
                "all_",
                "Serve every door and the drivers' app from one process until interrupted.",
            ),
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
