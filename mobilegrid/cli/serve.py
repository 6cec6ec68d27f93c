"""`serve`: the doors and what runs behind them, until the process is told to end."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import msgspec

from ledger.kernel.errors import Misconfigured
from ledger.runtime.ledger import Ledger
from mobilegrid import doctor, wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.settings import Settings
from partner_api.app import DOORS

PORT = 8000

host_option = click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen at.",
)
port_option = click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(0, 65_535), help="Port there."
)
signer_option = click.option(
    "--signer",
    "socket",
    default="",
    metavar="SOCKET",
    help="Have heads signed by the signer that listens there.",
)


@click.command(cls=Command)
@click.option("--doors", default="log,auditor", show_default=True, help="Which doors, with commas.")
@host_option
@port_option
@signer_option
@click.pass_obj
def api(app: App, doors: str, host: str, port: int, socket: str) -> None:
    """Serve doors over HTTP until interrupted.

    TLS ends in front of this process. Without --signer, checkpoints are served as they are signed
    elsewhere.
    """
    names = [name.strip() for name in doors.split(",")]
    unknown = [name for name in names if name not in DOORS]
    if unknown:
        raise Misconfigured(f"--doors: choose of {', '.join(DOORS)}, not {', '.join(unknown)}")
    settings = _with_socket(app.settings, socket)
    with _opened(app, settings, signs=bool(socket)) as ledger:
        _serve_doors(app, settings, ledger, (names, host, port))


@click.command("all", cls=Command)
@host_option
@port_option
@click.pass_obj
def all_(app: App, host: str, port: int) -> None:
    """Serve every door and the drivers' app from one process until interrupted.

    The signer is started first, as a process of its own, and again whenever it dies. Heads are
    signed every second while the log grows, and witnessed as `witness.policy_file` says. Nothing is
    served when the ledger contradicts itself, the signer or a witness: exit code 3. What the clock
    alone decides is asked for every `worker.timers_s`; once a day, after midnight, packs are
    assessed and meters held against their sessions.
    """
    settings = app.settings
    with ExitStack() as stack:
        stack.enter_context(_signer(app, settings))
        health = doctor.check_ledger(settings)
        if health.error is not None:
            raise health.error
        ledger = stack.enter_context(_opened(app, settings, signs=True))
        stack.enter_context(_clockwork(app, settings, ledger))
        where = list(DOORS), host, port
        _serve_doors(app, settings, ledger, where, with_app=True)


@click.command(cls=Command)
@signer_option
@click.pass_obj
def worker(app: App, socket: str) -> None:
    """Sign and publish heads without any door, until interrupted.

    For a ledger whose doors are served by other processes; the signer runs already. Timers and the
    work of the night run here too, as in `serve all`.
    """
    settings = _with_socket(app.settings, socket)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with _opened(app, settings, signs=True) as ledger, _clockwork(app, settings, ledger):
        app.console.remark(f"Signing the heads of {ledger.name.origin}")
        ended.wait()


def _with_socket(settings: Settings, socket: str) -> Settings:
    if not socket:
        return settings
    signer = msgspec.structs.replace(settings.signer, socket=socket)
    return msgspec.structs.replace(settings, signer=signer)


@contextmanager
def _signer(app: App, settings: Settings) -> Iterator[None]:
    """Run the signer process; a key in a file, and its first state, are made at first use."""
    from mobilegrid import heads, signing
    from mobilegrid.signer_child import SignerChild

    given = heads.located(settings)
    is_production = settings.mode == "production"
    signing.check_kind(given, is_production=is_production)
    if given.kind == "software":
        with wiring.reading(settings, check=False) as reads:
            wiring.open_signer(settings, reads.name.origin)
        if not Path(given.state_file).exists():
            signing.make_state(given, is_production=is_production)
    with SignerChild(given, settings.mode, app.console.remark):
        yield


@contextmanager
def _opened(app: App, settings: Settings, *, signs: bool) -> Iterator[Ledger]:
    """Open the ledger; with `signs` compare it with signer and witnesses, then sign its heads.

    Raises, also in the end, what made the signing of heads stop for good.
    """
    from mobilegrid import heads
    from mobilegrid.watching import HeadRemarks, Notices

    notices = Notices(app.console.remark)
    with wiring.open_ledger(settings, notices) as ledger:
        if not signs:
            yield ledger
            return
        remarks = HeadRemarks(app.console.remark)
        with heads.open_signer(settings) as signer:
            publishing = heads.checkpointer(ledger, settings, signer, remarks)
            publishing.check_start()
            notices.listener = publishing.notice
            publishing.start()
            try:
                yield ledger
            finally:
                publishing.stop()
    if remarks.stopped is not None:
        raise remarks.stopped


@contextmanager
def _clockwork(app: App, settings: Settings, ledger: Ledger) -> Iterator[None]:
    """Run the timers and the work of the night beside what is served."""
    from mobilegrid import driver_door, payments
    from mobilegrid.clockwork import clockwork_of

    if not settings.worker.timers_s:
        yield
        return
    more = (*payments.jobs_of(settings, ledger), *driver_door.jobs_of(settings, ledger))
    clockwork = clockwork_of(ledger, wiring.CLOCK, app.console.remark, more)
    clockwork.start(settings.worker.timers_s)
    try:
        yield
    finally:
        clockwork.stop()


def _serve_doors(
    app: App,
    settings: Settings,
    ledger: Ledger,
    where: tuple[Sequence[str], str, int],
    *,
    with_app: bool = False,
) -> None:
    from mobilegrid import driver_door, serving

    doors, host, port = where
    if "driver" in doors:
        driver_door.check_place(settings)
    has_drivers = "driver" in doors
    tell = app.console.remark
    with serving.open_parts(ledger, settings, tell, has_drivers=has_drivers) as parts:
        app.console.remark(f"Serving {', '.join(doors)} at http://{host}:{port}")
        made = serving.make_doors(parts, doors)
        trusted = parts.settings.trusted_proxies
        if not with_app:
            serving.serve(made, host, port, trusted)
            return
        app.console.remark(f"The drivers' app is at {settings.doors.public_url}/app/")
        mounted = serving.with_app(made, parts, settings)
        serving.serve(mounted, host, port, trusted, has_sockets=True)
