"""`docs`: the documents that are written from the program itself."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from ledger.kernel.errors import Unavailable
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
    "refusals.md": refusals_page,
    "settings.md": settings_page,
}
"""Every generated page, by its name in docs/."""


@click.command(cls=Command)
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
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"cannot make {out}: {error.strerror}") from error
    files = []
    for name, page in PAGES.items():
        write_file(out / name, page().encode())
        files.append(str(out / name))
    app.console.answer({"files": files}, *files)
