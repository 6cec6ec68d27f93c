"""What all commands share: the options that stand before or after a subcommand, lazy groups."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from typing_extensions import override

if TYPE_CHECKING:  # `--help` shall not wait for these
    from mobilegrid.cli.console import Console
    from mobilegrid.settings import Settings


class App:
    """One run of the program: the shared options, and what follows from them."""

    def __init__(self) -> None:
        """Start with the defaults."""
        self.config: Path | None = None
        self.ledger = ""
        self.verbose = False
        self.as_json = False
        self._settings: Settings | None = None
        self._console: Console | None = None

    def refuse_ledger(self, ctx: click.Context, instead: str) -> None:
        """Refuse `--ledger` for what would not use it; `instead` is a sentence on what it uses."""
        if self.ledger:
            words = f"{LEDGER} is of no use to `{ctx.command_path}`. {instead}"
            raise click.BadOptionUsage(LEDGER, words, ctx)

    @property
    def settings(self) -> "Settings":
        """The settings in force; `Misconfigured` when they are wrong."""
        if self._settings is None:
            from mobilegrid.settings import load_settings, with_ledger

            self._settings = with_ledger(load_settings(self.config), self.ledger)
        return self._settings

    @property
    def console(self) -> "Console":
        """Where answers, progress and remarks go."""
        if self._console is None:
            from mobilegrid.cli.console import Console

            self._console = Console(as_json=self.as_json, verbose=self.verbose)
        return self._console


def _keep(context: click.Context, option: click.Parameter, value: object) -> None:
    app = context.find_root().ensure_object(App)
    if value and option.name:
        setattr(app, option.name, value)


LEDGER = "--ledger"


def _ledger_option(*, hidden: bool = False) -> click.Option:
    return click.Option(
        [LEDGER],
        metavar="URL",
        callback=_keep,
        expose_value=False,
        hidden=hidden,
        help="The ledger's database, such as sqlite:///town.db.",
    )


SHARED_OPTIONS = (
    _ledger_option(),
    click.Option(
        ["--config"],
        metavar="FILE",
        type=click.Path(path_type=Path),
        callback=_keep,
        expose_value=False,
        help="Settings file, instead of mobilegrid.toml here.",
    ),
    click.Option(
        ["--json", "as_json"],
        is_flag=True,
        callback=_keep,
        expose_value=False,
        help="Answer, and report errors, as JSON.",
    ),
    click.Option(
        ["--verbose"],
        is_flag=True,
        callback=_keep,
        expose_value=False,
        help="Say more on stderr; show where an error comes from.",
    ),
)


_UNUSED = (_ledger_option(hidden=True), *SHARED_OPTIONS[1:])
"""The shared options of a command without a ledger: that one is read, so as to be refused."""


class Command(click.Command):
    """A command that takes the shared options beside its own.

    One that uses no ledger says in `no_ledger` what it works on instead: `--ledger` is then
    refused, before or after it, and its help does not offer it.
    """

    def __init__(self, *given: Any, no_ledger: str = "", **more: Any) -> None:
        """Take what click takes, and the sentence in which `--ledger` is refused."""
        super().__init__(*given, **more)
        self.no_ledger = no_ledger

    @override
    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """List own options, then the shared ones, then help."""
        *own, last = super().get_params(ctx)
        return [*own, *(_UNUSED if self.no_ledger else SHARED_OPTIONS), last]

    @override
    def invoke(self, ctx: click.Context) -> Any:
        """Run it; `click.BadOptionUsage` where a ledger is named that it would not use."""
        app = ctx.find_root().obj
        if self.no_ledger and isinstance(app, App):
            app.refuse_ledger(ctx, self.no_ledger)
        return super().invoke(ctx)


class Member(NamedTuple):
    """One command of a group before it is imported: ``module:name`` and its first help line."""

    target: str
    summary: str


class LazyGroup(Command, click.Group):
    """A group that imports a command only when it is called; help lists summaries."""

    def __init__(
        self, name: str, summary: str, members: Mapping[str, "Member | LazyGroup"], **more: Any
    ) -> None:
        """List the members in the order in which help shall show them."""
        super().__init__(name, help=summary, **more)
        self.summary = summary
        self.members = members

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the members."""
        return list(self.members)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one member, None when there is no such."""
        member = self.members.get(cmd_name)
        if not isinstance(member, Member):
            return member
        module, _, name = member.target.partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, Command), member.target
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of members without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.summary) for name, each in self.members.items()])
