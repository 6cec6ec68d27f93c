"""The town opened to visitors: its app, its doors, stations that work, a provider of payments.

One process, for one machine: stations are simulated, and so is the provider; no money moves.
"""

import secrets
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random  # noqa: TID251  invents readings of a simulation, nothing secret
from typing import Any

import msgspec
import uvicorn
from msgspec.structs import replace

from ledger.kernel.errors import Misconfigured, MobileGridError
from ledger.kernel.instants import SECOND
from ledger.runtime.checkpointer import Checkpointer
from ledger.runtime.ledger import Ledger
from ledger.tlog.policy import Log, Policy, Witness
from mobilegrid import driver_door, heads, payments, personal, serving, signing, wiring
from mobilegrid.cli.console import Console
from mobilegrid.clockwork import clockwork_of
from mobilegrid.demo.evidence import TownHall
from mobilegrid.demo.fleet import CENTRAL, COUNTRY
from mobilegrid.demo.visitors import PHONE, Welcomed, wake
from mobilegrid.documents import document_signer, finality
from mobilegrid.secret_files import write_secret
from mobilegrid.settings import (
    AppSettings,
    EvidenceSettings,
    LedgerSettings,
    SellerSettings,
    Settings,
    StripeSettings,
    WitnessSettings,
)
from mobilegrid.signer_child import SignerChild
from mobilegrid.simulated_slots import Pauses
from mobilegrid.simulated_stations import FAILURES, Simulator
from mobilegrid.watching import HeadRemarks, Notices, Remark
from partner_api.deps import Documents
from partner_api.settings import Settings as DoorSettings

DOORS = ("log", "auth", "driver", "webhooks")
HOST = "127.0.0.1"
TIMERS_S = 2
SECRET_BYTES = 32
READS, WRITES = 1_200, 300


class Opened(msgspec.Struct, frozen=True):
    """Where the town can be visited."""

    app: str
    api: str
    drivers: tuple[str, ...]


def settings_of(folder: Path, url: str, port: int) -> Settings:
    """Say how the town is served: under localhost, where browsers allow passkeys without TLS."""
    return Settings(
        mode="demo",
        ledger=LedgerSettings(url=url),
        seller=SellerSettings(
            name="Mobile Grid of the demo town",
            street="1 Place de la Mairie",
            post_code="35000",
            city="Rennes",
            country=COUNTRY,
            vat_id="FR40303265045",
            contact=PHONE,
        ),
        stripe=StripeSettings(
            webhook_secret_file=str(folder / "webhook-secret"),
            stand_in_url=f"http://localhost:{port + 1}",
            stand_in_file=str(folder / "payments.json"),
        ),
        witness=WitnessSettings(policy_file=str(folder / "policy.txt")),
        evidence=EvidenceSettings(folder=str(folder / "evidence")),
        app=AppSettings(
            support_phone=PHONE, centre_lat_e7=CENTRAL.lat_e7, centre_lon_e7=CENTRAL.lon_e7
        ),
        doors=DoorSettings(
            public_url=f"http://localhost:{port}",
            driver_reads_per_minute=READS,
            driver_writes_per_minute=WRITES,
            auth_per_minute=60,
        ),
    )


def check_ports(port: int) -> None:
    """See that the town's two ports are free; `Misconfigured` names the one that is not."""
    for each in (port, port + 1):
        try:
            with socket.create_server((HOST, each)):
                pass
        except OSError as error:
            raise Misconfigured(f"port {each} is taken; choose others with --port") from error


def open_town(
    folder: Path, url: str, port: int, console: Console, pauses: Pauses | None = None
) -> None:
    """Serve the town of a folder until told to end.

    A line `fail STATION HOW` on its standard input lets the next swap there go wrong.

    Raises:
        Misconfigured: a port or file is taken, or the folder holds no town.
    """
    settings = settings_of(folder, url, port)
    if not Path(settings.stripe.webhook_secret_file).exists():
        write_secret(Path(settings.stripe.webhook_secret_file), secrets.token_hex(SECRET_BYTES))
    Path(settings.evidence.folder).mkdir(exist_ok=True)
    guests = guests_of(folder, settings)
    with ExitStack() as stack:
        ledger = stack.enter_context(_signed(settings, console.remark))
        parts = stack.enter_context(
            serving.open_parts(ledger, settings, console.remark, has_drivers=True)
        )
        signer = stack.enter_context(heads.open_signer(settings))
        papers = Documents(document_signer(signer), finality(settings, ledger.name.origin))
        parts = replace(parts, documents=papers)
        assert parts.one_time_codes is not None, "codes are told at the console"
        for each in guests:
            driver_door.know_addresses(
                parts.one_time_codes, each.driver_id, {"email": each.guest.email}
            )
        simulator = Simulator(
            ledger,
            wiring.CLOCK,
            wiring.IDS,
            Random(),  # noqa: S311  readings of a simulation, nothing secret
            pauses=pauses,
            key=parts.journey.code_key.public_key(),
        )
        seeing = replace(parts.journey, camera=simulator.look_at)
        parts = replace(parts, journey=seeing)
        simulator.start()
        stack.callback(simulator.stop)
        stack.enter_context(_provider(settings, ledger, port + 1))
        stack.enter_context(_clock(settings, ledger, console))
        threading.Thread(
            target=_listen, args=(simulator, console.remark), name="console", daemon=True
        ).start()
        _tell(console, settings, guests)
        doors = serving.make_doors(parts, DOORS)
        mounted = serving.with_app(doors, parts, settings)
        serving.serve(mounted, HOST, port, has_sockets=True)


def _listen(simulator: Simulator, remark: Remark) -> None:
    """Do what is typed at the console, until nobody types any more."""
    for line in sys.stdin:
        match line.split():
            case ["fail", station_id, how]:
                try:
                    simulator.fail_next(station_id, how)
                    remark(f"The next swap at {station_id} suffers from {how}")
                except MobileGridError as error:
                    remark(error.explain())
            case []:
                pass
            case _:
                remark(f"Say: fail STATION, and one of {', '.join(FAILURES)}")


def guests_of(folder: Path, settings: Settings) -> list[Welcomed]:
    """Wake the town; the guests of a town that was open before are those it had."""
    file = folder / "guests.json"
    if file.exists():
        return msgspec.json.decode(file.read_bytes(), type=list[Welcomed])
    with personal.open_people(settings) as (ledger, vault, _):
        guests = wake(ledger, vault)
    file.write_bytes(msgspec.json.encode(guests))
    return guests


def _tell(console: Console, settings: Settings, guests: list[Welcomed]) -> None:
    url = settings.doors.public_url
    opened = Opened(f"{url}/app/", f"{url}/openapi.json", tuple(one.guest.email for one in guests))
    console.remark(f"The drivers' app: {opened.app}")
    console.remark(f"The doors it uses: {opened.api}")
    for one in guests:
        car = f"{one.guest.pack_class}, {one.guest.plate}"
        console.remark(f"Sign in as {one.guest.name} ({car}): {one.guest.email}")
    console.remark("Ask there for a one-time code: it is shown here. Ctrl-C closes the town.")
    console.remark(f"A swap goes wrong when you say: fail {CENTRAL.station_id} not_collected")


@contextmanager
def _signed(settings: Settings, remark: Remark) -> Iterator[Ledger]:
    """Open the ledger; its heads are signed by a process of its own, and the town hall witnesses.

    The key, like the witness's, is known to everybody.
    """
    given = heads.located(settings)
    with wiring.reading(settings, check=False) as reads:
        wiring.open_signer(settings, reads.name.origin)
    if not Path(given.state_file).exists():
        signing.make_state(given, is_production=False)
    notices = Notices(remark)
    with (
        SignerChild(given, settings.mode, remark),
        wiring.open_ledger(settings, notices) as ledger,
        heads.open_signer(settings) as signer,
    ):
        _write_policy(settings, ledger.name.origin)
        parts = heads.checkpoint_parts(ledger, settings, signer, HeadRemarks(remark))
        publishing = Checkpointer(ledger, replace(parts, witnesses=TownHall(_now_s)))
        publishing.check_start()
        notices.listener = publishing.notice
        publishing.start()
        try:
            yield ledger
        finally:
            publishing.stop()


def _now_s() -> int:
    return wiring.CLOCK.now() // SECOND


def _write_policy(settings: Settings, origin: str) -> None:
    """Say whom the app trusts: the log's key, and the town hall's line under each checkpoint."""
    keys = heads.log_keys(settings, origin)
    hall = Witness("hall", TownHall(_now_s).cosigner.key)
    policy = Policy(tuple(Log(key) for key in keys), (hall,), (), "hall")
    Path(settings.witness.policy_file).write_bytes(policy.format())


@contextmanager
def _clock(settings: Settings, ledger: Ledger, console: Console) -> Iterator[None]:
    """Run what the clock alone decides, and calls of the provider, every other second."""
    more = (*payments.jobs_of(settings, ledger), *driver_door.jobs_of(settings, ledger))
    clockwork = clockwork_of(ledger, wiring.CLOCK, console.remark, more)
    clockwork.start(TIMERS_S)
    try:
        yield
    finally:
        clockwork.stop()


@contextmanager
def _provider(settings: Settings, ledger: Ledger, port: int) -> Iterator[None]:
    """Serve the pages of the stand-in beside the doors."""
    pages: Any = payments.stand_in_pages(settings, ledger)
    config = uvicorn.Config(
        pages, host=HOST, port=port, ws="none", lifespan="off", access_log=False, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="stand-in")
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.05)
    if not server.started:
        raise Misconfigured(f"port {port} is taken: the demo needs it for the stand-in's pages")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
