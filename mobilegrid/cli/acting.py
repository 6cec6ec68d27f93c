"""Commands that ask the ledger for something: who asks, in which role, and what came of it.

`asks` makes a command of the command line from a command of the ledger: each option is named after
the field it fills. All of them take the person who asks (`--by`), the second person where two must
answer (`--second`), the role (`--role`) and the time it happened (`--at`).
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import msgspec
from typing_extensions import override

from ledger.kernel.instants import Instant, as_text
from ledger.kernel.messages import Actor, Receipt, Request
from ledger.kernel.messages import Command as LedgerCommand
from ledger.runtime.ledger import Ledger
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.params import TIME, TimeType, read_file
from mobilegrid.cli.wording import kind_words

REPORT_BYTES_MAX = 64 * 1024 * 1024
PERSON = "command-line"


class Made(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry that a command made."""

    position: int
    kind: str
    happened_at: str


class Asked(msgspec.Struct, frozen=True):
    """What a command tells: what was asked for, the id it is about, and its entries."""

    command: str
    id: str
    entries: list[Made]


class Acting(msgspec.Struct, frozen=True):
    """Who acts, and when it happened (us, 0 = now)."""

    actor: Actor
    at: int


def ask(ledger: Ledger, command: LedgerCommand, acting: Acting) -> list[Made]:
    """Ask the ledger for something and list the entries it made; raises as `Ledger.execute`."""
    request = Request(
        key=wiring.IDS.key(),
        principal=acting.actor.id,
        actor=acting.actor,
        at=wiring.CLOCK.now(),
        command=command,
    )
    return made_by(ledger, ledger.execute(request))


def made_by(ledger: Ledger, receipt: Receipt) -> list[Made]:
    """List the entries of a receipt."""
    with ledger.reading() as reads:
        entries = reads.entries(receipt.first, receipt.first + receipt.count)
        envelopes = [entry.envelope for entry in entries]
    return [Made(one.position, one.kind, as_text(one.valid_at)) for one in envelopes]


def tell(app: App, command: str, subject: str, made: list[Made]) -> None:
    """Answer with the entries that came of it."""
    rows = ((str(one.position), one.happened_at, kind_words(one.kind)) for one in made)
    said = f"{subject}: {len(made)} entr{'y' if len(made) == 1 else 'ies'}"
    shown = [table("", ("Entry", "Happened", "What"), rows, right=(0,))] if made else []
    nothing = [] if made else ["It was so already."]
    app.console.answer(Asked(command, subject, made), said, *shown, *nothing)


# Options ---------------------------------------------------------------------------------------


class DigestType(click.ParamType[str]):
    """A document by digest: a file, whose SHA-256 is taken, or the SHA-256 itself."""

    name = "digest"

    @override
    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Give the digest in hexadecimal."""
        path = Path(str(value))
        if path.is_file():
            return sha256(read_file(path, REPORT_BYTES_MAX)).hexdigest()
        return str(value)


DIGEST = DigestType()


def _pairs(_: click.Context, parameter: click.Parameter, values: Iterable[str]) -> dict[str, int]:
    found = {}
    for value in values:
        pack_id, _sign, count = value.partition("=")
        if not pack_id or not count.lstrip("-").isdigit():
            raise click.BadParameter(f"{value!r} is not PACK=NUMBER.", param=parameter)
        found[pack_id] = int(count)
    return found


def argument(field: str, metavar: str, **more: Any) -> click.Argument:
    """Take a field as an argument."""
    return click.Argument([field], metavar=metavar, **more)


def packs(*, required: bool = True) -> click.Argument:
    """Take packs as the last arguments."""
    return click.Argument(["pack_ids"], metavar="PACK…", nargs=-1, required=required)


def text(name: str, field: str, words: str, **more: Any) -> click.Option:
    """Take a field as text, empty where it is left out."""
    usual = {} if more.get("required") or "default" in more else {"default": ""}
    return click.Option([name, field], help=words, **usual | {"metavar": "TEXT"} | more)


def number(name: str, field: str, words: str, **more: Any) -> click.Option:
    """Take a field as a whole number, 0 where it is left out."""
    usual = {} if more.get("required") or "default" in more else {"default": 0}
    return click.Option([name, field], type=int, help=words, **usual | {"metavar": "N"} | more)


def moment(name: str, field: str, words: str, **more: Any) -> click.Option:
    """Take a field as a time, 0 where it is left out."""
    usual = {} if more.get("required") else {"default": 0, "show_default": False}
    given = {"type": TIME} if more.get("required") else {"type": TIME_OR_NONE}
    return click.Option([name, field], help=words, metavar="TIME", **usual | given | more)


def many(name: str, field: str, words: str, **more: Any) -> click.Option:
    """Take a field as a list: the option may be given again and again."""
    return click.Option([name, field], help=words, multiple=True, **{"metavar": "TEXT"} | more)


def digest(name: str, field: str, words: str, **more: Any) -> click.Option:
    """Take a document by digest."""
    usual = {} if more.get("required") else {"default": ""}
    return click.Option([name, field], type=DIGEST, help=words, metavar="FILE", **usual | more)


def pairs(name: str, field: str, words: str) -> click.Option:
    """Take numbers by pack: ``PACK=NUMBER``, again and again."""
    return click.Option([name, field], help=words, multiple=True, metavar="PACK=N", callback=_pairs)


def fresh(name: str, field: str, prefix: str) -> click.Option:
    """Take an id, or make a new one."""

    def fill(_: click.Context, __: click.Parameter, value: str | None) -> str:
        return value or wiring.IDS.new(prefix)

    words = "Its id; a new one when left out."
    return click.Option([name, field], help=words, metavar="ID", callback=fill)


class TimeOrNone(TimeType):
    """A time, or 0 where the option is left out."""

    @override
    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Instant:
        """Read the text, unless it is the default."""
        return Instant(0) if value == 0 else super().convert(value, param, ctx)


TIME_OR_NONE = TimeOrNone()


def acting_parameters(role: str, *, timed: bool = True) -> list[click.Parameter]:
    """Give the options that say who acts, and (where the command can tell it) when."""
    return [
        text("--by", "by", "Who asks.", default=PERSON, show_default=True, metavar="PERSON"),
        text("--second", "second", "The second person, where two must answer.", metavar="PERSON"),
        text("--role", "role", "In which role.", default=role, show_default=True, metavar="ROLE"),
        *([moment("--at", "at", "When it happened; now when left out.")] if timed else []),
    ]


Build = type[LedgerCommand] | Callable[[dict[str, Any]], LedgerCommand]
"""A command whose fields are the options, or what makes one of them."""


def asks(
    name: str, words: str, build: Build, role: str, options: list[click.Parameter], about: str
) -> Command:
    """Make a command that asks for what `build` makes of its options.

    `about` is the field with the id that the answer is about.
    """
    timed = "occurred_at" in getattr(build, "__struct_fields__", ("occurred_at",))

    def run(**given: Any) -> None:
        app = click.get_current_context().find_object(App)
        assert app is not None, "the root makes it"
        acting = acting_of(given)
        subject = given[about]
        fields = given | ({"occurred_at": acting.at} if timed else {})
        command = build(**fields) if isinstance(build, type) else build(fields)
        with wiring.open_ledger(app.settings) as ledger:
            made = ask(ledger, command, acting)
        shown = subject if isinstance(subject, str) else ", ".join(subject)
        tell(app, type(command).__name__, shown, made)

    more = acting_parameters(role, timed=timed)
    return Command(name, params=[*options, *more], callback=run, help=words)


def acting_of(given: dict[str, Any]) -> Acting:
    """Take who acts, and when, out of the options."""
    second = given.pop("second"), given.pop("second_role", "")
    actor = Actor(given.pop("by"), given.pop("role"), *second)
    return Acting(actor, given.pop("at", 0))
