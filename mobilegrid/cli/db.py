"""`db`: making, upgrading and looking after a ledger's database."""

import re
from datetime import date

import click
import msgspec

from ledger.kernel.errors import Misconfigured, MobileGridError, NotFound
from ledger.kernel.instants import as_text
from ledger.runtime.proving import newest_checkpoint
from ledger.runtime.reads import Reads
from ledger.store import creation
from ledger.store.engine import ledger_url, sqlite_file
from ledger.tlog.note import check_name
from mobilegrid import doctor, heads, wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts
from mobilegrid.cli.doctor import show_checks
from mobilegrid.cli.params import ZONE
from mobilegrid.settings import masked

_LEDGER_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Status(msgspec.Struct, frozen=True):
    """What `db status` tells; times as ISO 8601, hashes in hexadecimal."""

    ledger: str
    origin: str
    url: str
    schema: str
    size: int
    root: str
    recorded_at: str
    checkpoint_size: int | None


def status_of(reads: Reads, url: str) -> Status:
    """Read the state of a log."""
    signed = newest_checkpoint(reads)
    return Status(
        ledger=reads.name.ledger,
        origin=reads.name.origin,
        url=masked(url),
        schema=creation.revision(reads.tx),
        size=reads.size,
        root=reads.head.root.hex(),
        recorded_at=as_text(reads.head.recorded_at),
        checkpoint_size=None if signed is None else signed.size,
    )


def show_status(app: App, status: Status) -> None:
    """Answer with the state of a log."""
    signed = status.checkpoint_size
    rows = (
        ("ledger", f"{status.ledger} in {status.url}"),
        ("origin", status.origin),
        ("entries", f"{status.size:,}, the newest recorded at {status.recorded_at}"),
        ("root", status.root),
        ("checkpoint", "none yet" if signed is None else f"over {signed:,} entries"),
        ("schema", status.schema),
    )
    app.console.answer(status, facts(rows))


def _check_ledger_id(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not _LEDGER_ID.fullmatch(value):
        raise click.BadParameter("1 to 40 of a-z, 0-9 and -, such as eu-west.")
    return value


def _check_origin(_context: click.Context, _option: click.Parameter, value: str) -> str:
    try:
        check_name(value)
    except MobileGridError as error:
        raise click.BadParameter(f"{error.explain()}.") from error
    if "://" in value or value.endswith("/") or not value.isascii():
        raise click.BadParameter("a URL without scheme and without a slash at its end.")
    return value


def _check_day(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
    try:
        return "" if value is None else date.fromisoformat(value).isoformat()
    except ValueError as error:
        raise click.BadParameter("a day such as 2026-11-28.") from error


def _check_inception(day: str, *, is_needed: bool) -> None:
    """Refuse, as `Misconfigured`, to begin a log on another day than the one that was said."""
    today = as_text(wiring.CLOCK.now())[: len("2026-11-28")]
    if not day and is_needed:
        raise Misconfigured(f"--inception {today} must be said: a log begins on purpose, once")
    if day and day != today:
        rule = f"today is {today}, and no log begins on another day"
        raise Misconfigured(f"--inception {day}: {rule}")


@click.command(cls=Command)
@click.option(
    "--ledger-id", required=True, callback=_check_ledger_id, help="Its name, such as eu-west."
)
@click.option(
    "--origin",
    required=True,
    callback=_check_origin,
    help="Name on its checkpoints: a URL without scheme, such as log.example.net/log/eu-west.",
)
@click.option(
    "--zone",
    type=ZONE,
    default="UTC",
    show_default=True,
    help="Time zone of its settlement days.",
)
@click.option(
    "--inception",
    metavar="DAY",
    callback=_check_day,
    help="The day on which it may begin, in UTC: today. Production asks for it.",
)
@click.pass_obj
def create(app: App, ledger_id: str, origin: str, zone: str, inception: str) -> None:
    """Begin a new ledger with its entry 0.

    The database may be empty or hold other ledgers; one that already holds this ledger is refused.
    Said with --inception in a script, it never again begins a log by mistake: on any other day it
    is refused. Where the settings name a signer, it must run, must never have signed for this log,
    and signs its first checkpoint.
    """
    _check_inception(inception, is_needed=app.settings.mode == "production")
    if app.settings.has_signer:
        heads.check_never_signed(app.settings, origin)
    request = wiring.opening(ledger_id, origin, zone, wiring.CLOCK.now())
    with wiring.create_ledger(app.settings.ledger.url, request) as ledger:
        if app.settings.has_signer:
            heads.sign_once(ledger, app.settings)
        with ledger.reading() as reads:
            show_status(app, status_of(reads, app.settings.ledger.url))


@click.command(cls=Command)
@click.pass_obj
def upgrade(app: App) -> None:
    """Bring the database schema to this program's.

    Entries are never rewritten. Running it again changes nothing.
    """
    url = ledger_url(app.settings.ledger.url)
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        raise NotFound(f"there is no ledger file {file}; create one with `db create`")
    revision = creation.upgrade(url)
    app.console.answer({"schema": revision}, f"The schema is {revision}.")


@click.command(cls=Command)
@click.pass_obj
def check(app: App) -> None:
    """Check guards, settings, head and tail of the log.

    Tries to change history in transactions that are rolled back, and sees each attempt refused.
    """
    show_checks(app, doctor.check_ledger(app.settings))


@click.command(cls=Command)
@click.pass_obj
def status(app: App) -> None:
    """Show size, root, times and the newest checkpoint."""
    with wiring.reading(app.settings) as reads:
        show_status(app, status_of(reads, app.settings.ledger.url))
