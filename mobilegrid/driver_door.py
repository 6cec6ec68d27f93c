"""What lets drivers sign in, put together; and what is done for those who want to leave."""

import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ledger.domain.leaving_rows import LEAVINGS, WAITING
from ledger.kernel.errors import Misconfigured
from ledger.runtime.erasing import Erasing
from ledger.runtime.leaving import carry_out
from ledger.runtime.ledger import Ledger
from ledger.store.engine import ledger_url, sqlite_file
from mobilegrid import driver_notices, personal, wiring
from mobilegrid.clockwork import Job, Round
from mobilegrid.code_carriers import Posted, Shown
from mobilegrid.post import post_of
from mobilegrid.secret_files import read_secret, write_secret
from mobilegrid.settings import Settings
from partner_api.code_sending import Carrier, CodeSender, QueuedSender
from partner_api.driver_sessions import DriverSessions
from partner_api.one_time_codes import Channel, OneTimeCodes
from partner_api.passkeys import Passkeys
from partner_api.sign_in_flow import SignInFlow

KEY_BYTES = 32
ADDRESSES: dict[str, Channel] = {"email": "email", "phone": "sms"}
"""Fields of the vault by which a driver can be reached, and how."""

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_log = logging.getLogger("mobilegrid.doors")

Tell = Callable[[str], object]


class SigningIn(NamedTuple):
    """The parts of the doors that let drivers in; no codes where nobody could send them."""

    sessions: DriverSessions
    flow: SignInFlow
    codes: OneTimeCodes | None


@contextmanager
def signing_in(ledger: Ledger, settings: Settings, tell: Tell | None = None) -> Iterator[SigningIn]:
    """Put together what lets drivers in; codes are sent until the end.

    Args:
        ledger: whose drivers.
        settings: where drivers see us, and who sends codes.
        tell: who is told codes where no mail server is set; production tells nobody.

    Raises:
        Misconfigured: the doors are reached over plain HTTP from elsewhere, or a file of secrets
            cannot be used.
    """
    carrier = carrier_of(settings, tell)
    sender = None if carrier is None else QueuedSender(carrier, _log.warning)
    if sender is not None:
        sender.start()
    try:
        yield _parts(ledger, settings, sender)
    finally:
        if sender is not None:
            sender.stop()


def _parts(ledger: Ledger, settings: Settings, sender: CodeSender | None) -> SigningIn:
    url = settings.doors.public_url
    clock, ids = wiring.CLOCK, wiring.IDS
    sessions = DriverSessions(ledger, clock, ids, secrets.token_bytes)
    flow = SignInFlow(ledger, sessions, Passkeys(url), clock, ids, secrets.token_bytes)
    key = _address_key(settings)
    if sender is None or key is None:
        return SigningIn(sessions, flow, None)
    codes = OneTimeCodes(ledger, flow, clock, secrets.token_bytes, key, sender)
    return SigningIn(sessions, flow, codes)


def check_place(settings: Settings) -> None:
    """Raise `Misconfigured` where cookies and passkeys of drivers would cross the net unsealed."""
    place = urlsplit(settings.doors.public_url)
    if place.scheme != "https" and place.hostname not in _LOCAL:
        raise Misconfigured("doors.public_url: drivers sign in over https, or on this machine")


def carrier_of(settings: Settings, tell: Tell | None) -> Carrier | None:
    """Give who brings codes to drivers; None where nobody can."""
    post = post_of(settings)
    if post.carriers:
        return Posted(post.mail, post.texts, lambda: wiring.IDS.key().hex())
    if settings.mode == "production" or tell is None:
        return None
    path = settings.mail.outbox_file
    return Shown(tell, Path(path) if path else None)


def _address_key(settings: Settings) -> bytes | None:
    """Read the key under which addresses are kept, made at first use; None without a place."""
    file = sqlite_file(ledger_url(settings.ledger.url))
    if settings.doors.address_key_file:
        path = Path(settings.doors.address_key_file)
    elif file is not None:
        path = file.with_name(f"{file.name}.address-key")
    else:
        return None
    if not path.exists():
        write_secret(path, secrets.token_hex(KEY_BYTES))
    try:
        return bytes.fromhex(read_secret(path, "doors.address_key_file"))
    except ValueError as error:
        raise Misconfigured(f"doors.address_key_file {path} holds no key") from error


def know_addresses(codes: OneTimeCodes, driver_id: str, contact: dict[str, object]) -> None:
    """Let a driver be reached at what is known of him; `Malformed` names what is no address."""
    for field, channel in ADDRESSES.items():
        if isinstance(contact.get(field), str):
            codes.know(driver_id, channel, str(contact[field]))


# By the clock -----------------------------------------------------------------


def jobs_of(settings: Settings, ledger: Ledger) -> tuple[Job, ...]:
    """Give what is done by the clock: whoever asked to be erased is, on his day."""

    def leave(given: Round) -> str:
        with ledger.reading() as reads:
            waiting = [row for _, row in reads.rows(LEAVINGS, listed=WAITING)]
        if not any(row.due_at <= given.now for row in waiting):
            return ""
        with personal.reading_people(settings, ledger) as vault:
            if vault is None:
                return "ALARM persons wait to be erased, and their vault is not at hand"
            places = [Path(each) for each in settings.vault.sweep.split(os.pathsep) if each]
            done = carry_out(ledger, Erasing(ledger, vault, wiring.CLOCK, places), given.now)
        return (
            f"{done.waiting} persons wait to be erased: something is open" if done.waiting else ""
        )

    return Job("leaving", leave), *driver_notices.jobs_of(settings, ledger)
