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
from mobilegrid.cli.base import App, LazyGroup
from mobilegrid.cli.tree import COMMANDS

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


main = Root(
    "mobilegrid",
    "Battery packs, their energy and the money for it: one provable ledger.",
    COMMANDS,
    no_args_is_help=True,
)
