"""The doors put together: their parts, what runs beside them, and the server in front."""

import gc
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from litestar.types import ASGIApp
from typing_extensions import override

from customer_app.hosting.asgi import HostSettings
from ledger.exports.invoice_papers import Letterhead
from ledger.kernel.errors import Misconfigured, MobileGridError
from ledger.runtime.auditing import AccessLog, seal_days
from ledger.runtime.ledger import Ledger
from ledger.runtime.personal_texts import PersonalTexts
from ledger.runtime.published import PublishedLog
from ledger.store.vault import Vault
from mobilegrid import driver_door, evidence_files, heads, payments, personal, wiring
from mobilegrid.app_wiring import app_settings, cache_of, open_host, policy_of
from mobilegrid.documents import document_signer, finality
from mobilegrid.journey_parts import open_journey
from mobilegrid.judging import judge
from mobilegrid.letterhead import letterhead
from mobilegrid.mounting import Mounted
from mobilegrid.refusals import words
from mobilegrid.settings import Settings
from partner_api.app import bare_app, create_app
from partner_api.auth import Gate
from partner_api.clients import Client, read_clients
from partner_api.deps import Documents, EvidenceStore, Parts, People
from partner_api.finance.lasting import maker_of
from partner_api.jobs import Jobs
from partner_api.journey import Journey
from partner_api.openapi import document
from partner_api.paging import Cursors
from partner_api.protocol import BoundedProtocol
from partner_api.rate import Rates
from partner_api.signed_requests import SignedRequests

SEAL_SECONDS = 60
SECRET_BYTES = 32
CONNECTIONS_MAX = 1_000
_OTHERS = 0o022


def clients_of(settings: Settings) -> tuple[Client, ...]:
    """Read who may sign in; `Misconfigured` when the file is absent, wrong or others may write it.

    An empty setting is nobody.
    """
    if not settings.doors.clients_file:
        return ()
    path = Path(settings.doors.clients_file)
    try:
        data, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise Misconfigured(f"doors.clients_file {path}: {error.strerror}") from error
    if os.name == "posix" and mode & _OTHERS:
        raise Misconfigured(f"doors.clients_file {path} can be changed by others; chmod 644 it")
    return read_clients(data)


@contextmanager
def open_parts(
    ledger: Ledger,
    settings: Settings,
    tell: Callable[[str], object] | None = None,
    *,
    has_drivers: bool = False,
) -> Iterator[Parts]:
    """Put the parts of the doors together and run what runs beside them, until the end.

    `tell` is told the one-time codes of drivers where no mail server is set. With `has_drivers` the
    log is followed for them.

    Raises:
        Misconfigured: a file of auditors, keys, policy or witnessed logs is not as it must be.
    """
    with (
        personal.reading_people(settings, ledger) as people,
        driver_door.signing_in(ledger, settings, tell) as drivers,
        open_journey(ledger, settings) if has_drivers else nullcontext() as journey,
    ):
        parts = msgspec.structs.replace(
            _parts(ledger, settings, people),
            drivers=drivers.sessions,
            sign_in=drivers.flow,
            one_time_codes=drivers.codes,
            texts=_texts(ledger, people),
            payment_desk=payments.open_desk(settings, ledger),
            journey=journey or Journey.in_memory(),
        )
        with _running(parts, ledger):
            yield parts


def _texts(ledger: Ledger, people: Vault | None) -> PersonalTexts | None:
    if people is None:
        return None
    return PersonalTexts(ledger, people, wiring.CLOCK, wiring.IDS)


def _parts(ledger: Ledger, settings: Settings, people: People | None) -> Parts:
    clock = wiring.CLOCK
    keys = heads.log_keys(settings, ledger.name.origin)
    policy = heads.own_policy(settings, ledger.name.origin)
    gate = Gate(clients_of(settings), settings.doors.public_url, clock, secrets.token_bytes)
    return Parts(
        ledger=ledger,
        published=PublishedLog(ledger, keys, b"" if policy is None else policy[0]),
        access_log=AccessLog(ledger),
        jobs=Jobs(ledger, clock),
        gate=gate,
        rates=Rates(clock),
        cursors=Cursors(secrets.token_bytes(SECRET_BYTES), clock),
        clock=clock,
        ids=wiring.IDS,
        settings=settings.doors,
        witness=heads.witness_desk(settings, ledger),
        people=people,
        news=payments.open_news(settings, ledger),
        signings=evidence_files.SigningFiles(settings),
        passport_facts=partial(evidence_files.facts_of, settings),
        signed_requests=SignedRequests(gate, settings.doors.public_url, clock),
        evidence=_evidence(settings),
        payer=settings.seller.name,
        documents=_documents(settings, ledger),
        letterhead=_letterhead(settings),
        programs=judge,
    )


def _evidence(settings: Settings) -> EvidenceStore | None:
    """Give what keeps evidence; None where the settings name no place for it."""
    try:
        return evidence_files.evidence_of(settings)
    except Misconfigured:
        return None


def _documents(settings: Settings, ledger: Ledger) -> Documents | None:
    """Give who signs documents; None where the settings name no signer."""
    if not settings.has_signer:
        return None

    def sign(typ: str, payload: bytes) -> str:
        with heads.open_signer(settings) as signer:
            return document_signer(signer)(typ, payload)

    return Documents(sign, finality(settings, ledger.name.origin))


def _letterhead(settings: Settings) -> Letterhead | None:
    """Say who issues invoices; None where the settings do not name him."""
    try:
        return letterhead(settings)
    except Misconfigured:
        return None


@contextmanager
def _running(parts: Parts, ledger: Ledger) -> Iterator[None]:
    """Run what runs beside the doors."""
    ended = threading.Event()
    sealer = threading.Thread(target=_keep_sealing, args=(ledger, ended), name="sealer")
    parts.access_log.start()
    parts.jobs.start(maker_of(parts))
    sealer.start()
    try:
        yield
    finally:
        ended.set()
        sealer.join()
        parts.jobs.stop()
        parts.access_log.stop()


def _keep_sealing(ledger: Ledger, ended: threading.Event) -> None:
    """Seal the reads of every day soon after it has ended."""
    while True:
        with suppress(MobileGridError):  # the next round tries again; an absent seal is a finding
            seal_days(ledger, wiring.CLOCK)
        if ended.wait(SEAL_SECONDS):
            return


def make_doors(parts: Parts, doors: Sequence[str]) -> ASGIApp:
    """Make the app of some doors."""
    return create_app(
        doors, parts, {code.lower(): meaning for code, (meaning, _) in words().items()}
    )


def serve(app: Any, host: str, port: int, trusted: str = "", *, has_sockets: bool = False) -> None:
    """Serve an ASGI app until the process is told to end; the drivers' app has sockets."""
    gc.collect()
    gc.freeze()  # what stands now stands until the end: the collector need not look at it again
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedProtocol,
        ws="websockets-sansio" if has_sockets else "none",
        lifespan="on" if has_sockets else "off",
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted,
        server_header=False,
        access_log=False,
        log_level="warning",
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=5 if has_sockets else 10,
    )
    _Server(config).run()


def with_app(doors: ASGIApp, parts: Parts, settings: Settings) -> Mounted:
    """Put the drivers' app beside the doors that it asks.

    Raises:
        Misconfigured: the folder of its packed client cannot be used, or a file of keys is wrong.
    """
    policy = policy_of(settings, parts.ledger.name.origin)
    cache = cache_of(settings)
    try:
        host = open_host(
            doors,
            HostSettings(settings.doors.public_url, cache),
            parts.clock,
            policy=policy,
            feed=parts.journey.feed,
            settings=app_settings(settings),
        )
    except OSError as error:
        raise Misconfigured(f"app.cache_folder {cache}: {error.strerror}") from error
    return Mounted(doors, host)


class _Server(uvicorn.Server):
    """Ends at SIGINT and SIGTERM like any other program, so that what it opened is closed."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals, and do not send them again when all is served."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def openapi(doors: Sequence[str]) -> bytes:
    """Write the OpenAPI document of some doors."""
    return document(bare_app(doors, is_described=True))
