"""Kinds of arguments: times, output files, ids."""

from collections.abc import Callable
from datetime import date, datetime, time
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from typing_extensions import override

from ledger.kernel.errors import Malformed, NotFound, Unavailable
from ledger.kernel.ids import is_id
from ledger.kernel.instants import Instant, parse_instant

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


class TwoPersons(NamedTuple):
    """Who does it, who agreed, and in which role."""

    by: str
    second: str
    role: str


def two_persons(
    role: str, *, required: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options --by and --second, handed in as `persons`.

    Where they are not `required`, both may be left out: `persons` is None then.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--by", required=required, metavar="ID", callback=_check_person, help="Who does it."
        )
        @click.option(
            "--second", required=required, metavar="ID", callback=_check_person, help="Who agreed."
        )
        @wraps(command)
        def with_persons(*given: Any, by: str, second: str, **named: Any) -> Any:
            if not by and not second:
                return command(*given, persons=None, **named)
            if by == second or not (by and second):
                raise click.UsageError("--by and --second are two different persons.")
            return command(*given, persons=TwoPersons(by, second, role), **named)

        return with_persons

    return decorate


def _check_person(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
    if value and not is_id(value):
        raise click.BadParameter("an opaque id such as OF-1, never a name.")
    return value or ""


class TimeType(click.ParamType[Instant]):
    """A moment: ISO 8601 with a zone, or a date, which means the end of that day in UTC."""

    name = "time"

    @override
    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Instant:
        """Read the text as microseconds UTC.

        >>> TimeType().convert("1970-01-01", None, None)
        86399999999
        """
        text = str(value)
        try:
            day = date.fromisoformat(text) if len(text) == len("YYYY-MM-DD") else None
            if day is not None:
                text = f"{datetime.combine(day, time.max).isoformat()}Z"
            return parse_instant(text, param.name if param and param.name else "time")
        except (ValueError, Malformed):
            self.fail(
                f"{text!r} is neither an ISO 8601 time with a zone, such as "
                "2018-03-05T12:00:00Z, nor a date.",
                param,
                ctx,
            )


class ZoneType(click.ParamType[str]):
    """An IANA time zone."""

    name = "zone"

    @override
    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Check that the zone exists."""
        name = str(value)
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fail(f"{name!r} is no time zone such as Europe/Berlin.", param, ctx)
        return name


TIME = TimeType()
ZONE = ZoneType()

valid_at_option = click.option(
    "--valid-at",
    type=TIME,
    metavar="TIME",
    help="Only what had happened by then. A date means the end of that day, UTC.",
)
known_at_option = click.option(
    "--known-at",
    type=TIME,
    metavar="TIME",
    help="Only what the ledger had recorded by then. A date means the end of that day, UTC.",
)


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole, under a temporary name first; `Unavailable` when that fails."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error


def read_file(path: Path, bytes_max: int) -> bytes:
    """Read a file of a foreign hand; `NotFound` or `Malformed` when it is not there or too long."""
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}") from error
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
    if len(data) > bytes_max:
        raise Malformed(f"longer than {bytes_max} bytes", place=str(path))
    return data
