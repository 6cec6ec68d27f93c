"""`serve signer`: the process that holds the keys. It loads nothing of the ledger."""

import signal
import sys
import threading
from pathlib import Path

import click

from ledger.signer.service import Service
from mobilegrid.cli.base import App, Command
from mobilegrid.signer_child import READY
from mobilegrid.signing import run_signer


@click.command(cls=Command)
@click.option("--as-child", is_flag=True, hidden=True, help="End when standard input does.")
@click.pass_obj
def signer(app: App, *, as_child: bool) -> None:
    """Hold the log's keys and sign, until interrupted.

    Answers at `signer.socket`, to the uids of `signer.callers` alone. It has no network and no
    database; what it signed is kept in `signer.state_file`.
    """
    settings = app.settings
    given = settings.signer
    if not (given.socket and given.state_file and (given.key_file or given.kind != "software")):
        from mobilegrid.heads import located  # it looks at the ledger's URL

        given = located(settings)

    def started(service: Service, origin: str) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: service.stop())
        if not as_child:
            app.console.remark(f"Signing for {origin} at {Path(given.socket)}")
            return
        threading.Thread(target=_wait_for_end, args=(service,), daemon=True).start()
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()

    run_signer(given, is_production=settings.mode == "production", started=started)


def _wait_for_end(service: Service) -> None:
    while sys.stdin.buffer.read(1024):
        pass
    service.stop()
