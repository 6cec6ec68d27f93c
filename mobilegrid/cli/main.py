"""The command `mobilegrid`: its tree of commands, and the one table from errors to exit codes."""

import errno
import sys
import traceback
from typing import Any

import click
from typing_extensions import override

from ledger.kernel.errors import (
    Conflict,
    InvariantBroken,
    Malformed,
    Misconfigured,
    MobileGridError,
    NotFound,
    Refused,
    ReplayDiffers,
    TamperEvidence,
    Unavailable,
)
from mobilegrid.cli.base import App, LazyGroup, Member

EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (Refused, 1),
    (NotFound, 1),
    (Malformed, 1),
    (Misconfigured, 2),
    (TamperEvidence, 3),
    (InvariantBroken, 3),
    (Conflict, 4),
    (Unavailable, 4),
    (OSError, 4),
)
UNEXPECTED = 3
INTERRUPTED = 130


class Root(LazyGroup):
    """The whole command line; every error ends here, in one sentence and an exit code."""

    @override
    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise  # click prints usage errors itself, exit code 2
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of our answer went away; click ends quietly
            ctx.exit(report(error, ctx.ensure_object(App)))


def report(error: Exception, app: App) -> int:
    """Say on stderr what happened, and give the exit code."""
    code = next((code for kind, code in EXIT_CODES if isinstance(error, kind)), UNEXPECTED)
    if app.verbose:
        traceback.print_exception(error, file=sys.stderr)
    if app.as_json:
        import msgspec

        click.echo(msgspec.json.encode({"error": _facts(error, code)}).decode(), err=True)
    else:
        click.echo(f"Error: {_sentence(error)}", err=True)
    return code


def _sentence(error: Exception) -> str:
    if isinstance(error, Refused):
        from mobilegrid.refusals import meaning

        return f"{error.explain()}: {meaning(error.refusal.code)}"
    if isinstance(error, MobileGridError):
        return error.explain()
    if isinstance(error, OSError):
        return f"cannot use {error.filename or 'a file'}: {error.strerror or type(error).__name__}"
    return f"something that must not happen did: {type(error).__name__}; see more with --verbose"


def _facts(error: Exception, code: int) -> dict[str, object]:
    facts: dict[str, object] = {
        "kind": type(error).__name__,
        "message": _sentence(error),
        "exit_code": code,
    }
    match error:
        case Refused(refusal=refusal):
            facts |= {"refusal": refusal.code.wire, "facts": refusal.facts}
        case Malformed():
            facts |= {"field": error.field, "rule": error.rule, "place": error.place}
        case ReplayDiffers(position=position) if position is not None:
            facts["position"] = position
        case _:
            pass
    return facts


def _at(module: str, name: str, summary: str) -> Member:
    return Member(f"mobilegrid.cli.{module}:{name}", summary)


main = Root(
    "mobilegrid",
    "Battery packs, their energy and the money for it: one provable ledger.",
    {
        "demo": _at("demo", "demo", "Live through one day of a seeded town and check it."),
        "db": LazyGroup(
            "db",
            "Make, upgrade and look after a ledger's database.",
            {
                "create": _at("db", "create", "Begin a new ledger with its entry 0."),
                "upgrade": _at("db", "upgrade", "Bring the database schema to this program's."),
                "check": _at("db", "check", "Check guards, settings, head and tail of the log."),
                "status": _at("db", "status", "Show size, root, times and the newest checkpoint."),
            },
        ),
        "data": LazyGroup(
            "data",
            "Take in public data sets.",
            {"import": _at("data", "import_", "Replay the real networks of a data folder.")},
        ),
        "history": _at("history", "history", "Show the life of a pack."),
        "balance": _at("balance", "balance", "Show what accounts hold."),
        "settle": LazyGroup(
            "settle",
            "Close periods; show statements and bills.",
            {
                "close": _at("settle", "close", "Close a period: a statement for each operator."),
                "statement": _at("settle", "statement", "Show an operator's statement."),
                "bill": _at("settle", "bill", "Show a driver's itemised bill."),
            },
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
        "subject": LazyGroup(
            "subject",
            "Look after persons, and erase them.",
            {
                "register": _at("subject", "register", "Keep a new person in the vault."),
                "show": _at("subject", "show", "Show what is kept about a person, masked."),
                "erase": _at("subject", "erase", "Erase a person, and say so in the log."),
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
                "signer": _at(
                    "signer", "signer", "Hold the log's keys and sign, until interrupted."
                ),
            },
        ),
        "keys": LazyGroup(
            "keys",
            "Hold key ceremonies; look into devices.",
            {
                "ceremony": _at(
                    "keys", "ceremony", "Hold a key ceremony step by step, as its file says."
                ),
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
    },
    no_args_is_help=True,
)
