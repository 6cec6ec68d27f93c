"""`docs`: the documents that are written from the program itself."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import msgspec

from ledger.domain.catalogue import COMMANDS, EVENTS
from ledger.kernel.errors import Unavailable
from ledger.kernel.messages import Command as LedgerCommand
from ledger.kernel.messages import Event
from ledger.kernel.refusal import RefusalCode
from mobilegrid.cli.base import SHARED_OPTIONS, App, Command
from mobilegrid.cli.params import FOLDER, write_file
from mobilegrid.refusals import words
from mobilegrid.settings import MEANINGS, Settings, flat

_WRITTEN = "Written by `mobilegrid docs`; change the program, not this page."


def _commands(context: click.Context) -> Iterator[click.Context]:
    """Walk the tree, groups before their members."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None, name
            yield from _commands(click.Context(member, info_name=name, parent=context))


def cli_page() -> str:
    """Write docs/cli.md: the help of every command."""
    from mobilegrid.cli.main import EXIT_CODES, INTERRUPTED, UNEXPECTED, main

    parts = [
        "# The command line",
        _WRITTEN,
        "Answers go to stdout, progress and remarks to stderr.",
        "These options stand before or after any subcommand:",
        _table(
            ("Option", "Does"),
            [("`" + " ".join(_usage(each)) + "`", each.help or "") for each in SHARED_OPTIONS],
        ),
        "Times are ISO 8601 with a zone; a date means the end of that day, UTC.",
        "| Exit code | Means |\n|---|---|\n| 0 | done, and what was checked is right |",
    ]
    codes: dict[int, list[str]] = {2: ["wrong usage"], UNEXPECTED: ["anything unexpected"]}
    for kind, code in EXIT_CODES:
        codes.setdefault(code, []).append(f"`{kind.__name__}`")
    rows = [f"| {code} | {', '.join(reversed(codes[code]))} |" for code in sorted(codes)]
    parts[-1] += "\n" + "\n".join([*rows, f"| {INTERRUPTED} | interrupted |"])
    for context in _commands(click.Context(main, info_name="mobilegrid", max_content_width=90)):
        text = context.get_help()
        parts += [f"## {context.command_path}", f"```\n{text}\n```"]
    return "\n\n".join(parts) + "\n"


def _usage(option: click.Option) -> list[str]:
    shown = [option.opts[0]]
    return shown if option.is_flag else [*shown, option.metavar or "TEXT"]


def refusals_page() -> str:
    """Write docs/refusals.md: every reason a rule can say no."""
    rows = [(str(code.value), f"`{code.wire}`", *words()[code.name]) for code in RefusalCode]
    return _page(
        "Refusals",
        "Why a rule says no. The number is the order of testing inside an area; numbers and names "
        "never change.",
        _table(("Number", "Code", "Means", "What the caller can do"), rows),
    )


def settings_page() -> str:
    """Write docs/settings.md: every setting, its default, what it does."""
    rows = [
        (f"`{path}`", f"`MOBILEGRID_{path.upper().replace('.', '__')}`", _code(value), _does(path))
        for path, value in flat(Settings()).items()
    ]
    return _page(
        "Settings",
        "Later wins: the default, `mobilegrid.toml` in the working folder (or `--config FILE`), "
        "the environment, `--ledger`. A name that is misspelt is an error. `mobilegrid doctor` "
        "shows what is in force.",
        _table(("Setting", "Environment", "Default", "Does"), rows),
    )


def commands_page() -> str:
    """Write docs/commands.md: every command that the rules answer."""
    rows = [
        (f"`{each.__name__}`", _area(each), _asked_by(each), _first_sentence(each))
        for each in COMMANDS
    ]
    return _page(
        "Commands",
        "What a ledger can be asked for, in the order of the areas that answer. (2) marks what "
        "needs a second person in any case; rules may ask for one in others.",
        _table(("Command", "Area", "May ask", "Says"), rows),
    )


def _asked_by(command: type[LedgerCommand]) -> str:
    return ", ".join(sorted(command.roles)) + (" (2)" if command.needs_second_person else "")


def event_files() -> dict[str, str]:
    """Write docs/events: the JSON Schema of the body of every event, and their list."""
    files = {_schema_name(each): _schema(each) for each in EVENTS}
    rows = [
        (
            f"[`{each.kind}`]({_schema_name(each)}) v{each.version}",
            _area(each),
            _first_sentence(each),
        )
        for each in EVENTS
    ]
    files["README.md"] = _page(
        "Events",
        "What an entry can tell, in the order of the areas that decide it. Each kind has the JSON "
        "Schema of its `body`, which has a version. A new field with a default keeps "
        "the version, every other change makes the next one. The entry around the body is the "
        "same for all.",
        _table(("Kind", "Area", "Says"), rows),
    )
    return files


def _schema_name(event: type[Event]) -> str:
    return f"{event.kind}.v{event.version}.schema.json"


def _schema(event: type[Event]) -> str:
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{event.kind}, version {event.version}",
        **msgspec.json.schema(event),
    }
    return msgspec.json.format(msgspec.json.encode(whole, order="sorted")).decode() + "\n"


def _area(member: type[object]) -> str:
    return member.__module__.rpartition(".")[2]


def _first_sentence(member: type[object]) -> str:
    text = " ".join((member.__doc__ or "").split())
    return text.partition(". ")[0].removesuffix(".") + "."


def _does(path: str) -> str:
    return MEANINGS[path]


def _code(text: str) -> str:
    return f"`{text}`" if text else "empty"


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((f"# {title}", _WRITTEN, *parts)) + "\n"


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "commands.md": commands_page,
    "refusals.md": refusals_page,
    "settings.md": settings_page,
}
"""Every generated page, by its name in docs/; `event_files` has those of docs/events."""


@click.command(
    cls=Command,
    no_ledger="The documents are of the program; name where they go with --out.",
)
@click.option(
    "--out",
    type=FOLDER,
    default=Path("docs"),
    show_default=True,
    metavar="DIR",
    help="Folder to write them to.",
)
@click.pass_obj
def docs(app: App, out: Path) -> None:
    """Write the generated documents."""
    events = out / "events"
    try:
        events.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"cannot make {events}: {error.strerror}") from error
    texts = {out / name: page() for name, page in PAGES.items()}
    texts |= {events / name: text for name, text in event_files().items()}
    for path, text in texts.items():
        write_file(path, text.encode())
    files = [str(path) for path in texts]
    app.console.answer({"files": files}, *files)
