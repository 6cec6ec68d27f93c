"""Drivers who are signed in: a session for each device, and what is handed out for it.

What a driver holds is opaque: 256 random bits, of which the database keeps the SHA-256. A session
lasts 30 days and ends after 7 days without a request. For it there is either a browser's cookie or
a pair of credentials (RFC 6749): one for access, 15 minutes, and one that gets the next pair and
works once. Whoever comes with a used one is a thief or was robbed, so the whole session ends.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from ledger.kernel.errors import NotFound
from ledger.kernel.ids import IdSource
from ledger.kernel.instants import DAY, HOUR, MINUTE, SECOND, Clock
from ledger.runtime.ledger import Ledger
from ledger.store import erasures, sign_in
from ledger.store.sign_in import ACCESS, REFRESH, CredentialRow, SessionRow
from partner_api.auth import Principal
from partner_api.problems import DoorProblem

SECRET_BYTES = 32
ACCESS_US = 15 * MINUTE
SESSION_US = 30 * DAY
IDLE_US = 7 * DAY
STEP_UP_US = 5 * MINUTE
SEEN_EVERY_US = MINUTE
PRUNE_EVERY_US = HOUR
SESSIONS_MAX = 20
"""Devices of one driver; the one that signed in longest ago goes first."""

PREFIX = "mgd_"
"""Begins every credential of a driver, so that no other one is looked up here."""

COOKIE = "mg_session"
CSRF_HEADER = "Csrf-Token"
"""What a writer with a cookie sends beside it; see `csrf_of`."""

SECRET_CHARACTERS_MAX = 200
STEP_UP = {"WWW-Authenticate": 'Bearer error="insufficient_user_authentication", max_age=300'}
"""Said to a driver who has to prove himself once more (RFC 9470)."""

_INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class HandedOut(msgspec.Struct, frozen=True):
    """What a driver's device gets (RFC 6749 section 5.1); `expires_in` in seconds."""

    access_token: str
    expires_in: int
    device_id: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a word of the standard
    refresh_token: str | msgspec.UnsetType = msgspec.UNSET


class Opened(NamedTuple):
    """A session just made; `cookie` is what the browser keeps, "" without one."""

    session: SessionRow
    cookie: str


def is_of_driver(authorization: str) -> bool:
    """Tell whether a header carries what only drivers get."""
    return authorization.partition(" ")[2].startswith(PREFIX)


def digest_of(secret: str) -> bytes:
    """Give the form in which a secret is kept."""
    return sha256(secret.encode("utf-8", "replace")).digest()


def csrf_of(cookie: str) -> str:
    """Give what a writer sends beside his cookie, which a page of strangers cannot know."""
    return urlsafe_b64encode(sha256(b"csrf\n" + cookie.encode()).digest()).decode().rstrip("=")


class DriverSessions:
    """Keeps who is signed in on which device, in the ledger's database; safe for many threads."""

    def __init__(
        self, ledger: Ledger, clock: Clock, ids: IdSource, random_bytes: Callable[[int], bytes]
    ) -> None:
        """Keep the sessions beside the log of `ledger`."""
        self._ledger = ledger
        self._log_id = ledger.name.log_id
        self._clock = clock
        self._ids = ids
        self._random_bytes = random_bytes
        self._pruned_at = 0

    def secret(self, prefix: str = "") -> str:
        """Make a secret of 256 random bits."""
        raw = self._random_bytes(SECRET_BYTES)
        return prefix + urlsafe_b64encode(raw).decode().rstrip("=")

    # Sessions ---------------------------------------------------------------------

    def open(self, driver_id: str, label: str, *, with_cookie: bool) -> Opened:
        """Sign a driver in on a device; he has just proven himself, so he has stepped up too."""
        now = self._clock.now()
        cookie = self.secret() if with_cookie else ""
        row = SessionRow(
            session_id=self._ids.new("DV"),
            driver_id=driver_id,
            cookie=digest_of(cookie) if cookie else b"",
            label=label,
            made_at=now,
            seen_at=now,
            ends_at=now + SESSION_US,
            step_up_until=now + STEP_UP_US,
        )
        with self._ledger.writing() as tx:
            if now - self._pruned_at >= PRUNE_EVERY_US:
                sign_in.prune(tx, self._log_id, now, idle_before=now - IDLE_US)
                self._pruned_at = now
            for old in sign_in.sessions_of(tx, self._log_id, driver_id)[SESSIONS_MAX - 1 :]:
                sign_in.end_session(tx, self._log_id, old.session_id)
            sign_in.put_session(tx, self._log_id, row)
        return Opened(row, cookie)

    def end(self, session_id: str) -> None:
        """End a session; nothing that was handed out for it works any more."""
        with self._ledger.writing() as tx:
            sign_in.end_session(tx, self._log_id, session_id)

    def devices(self, driver_id: str) -> list[SessionRow]:
        """List where a driver is signed in, the newest first."""
        with self._ledger.reading() as reads:
            rows = sign_in.sessions_of(reads.tx, self._log_id, driver_id)
        now = self._clock.now()
        return [row for row in rows if _is_alive(row, now)]

    def end_device(self, driver_id: str, session_id: str) -> None:
        """End a session of this driver; `NotFound` for one of another or none."""
        if all(row.session_id != session_id for row in self.devices(driver_id)):
            raise NotFound("no such device")
        self.end(session_id)

    def step_up(self, session_id: str) -> int:
        """Note that the driver of a session has just proven himself; until when (us)."""
        now = self._clock.now()
        with self._ledger.writing() as tx:
            sign_in.touch_session(
                tx, self._log_id, session_id, seen_at=now, step_up_until=now + STEP_UP_US
            )
        return now + STEP_UP_US

    # Credentials ------------------------------------------------------------------

    def hand_out(self, session: SessionRow, *, with_refresh: bool) -> HandedOut:
        """Make a credential for access, and what gets the next pair."""
        with self._ledger.writing() as tx:
            return self._hand_out(tx, session, with_refresh=with_refresh)

    def _hand_out(self, tx: sa.Connection, session: SessionRow, *, with_refresh: bool) -> HandedOut:
        now = self._clock.now()
        access = self.secret(PREFIX)
        refresh: str | msgspec.UnsetType = msgspec.UNSET
        kept = [(access, ACCESS, min(now + ACCESS_US, session.ends_at))]
        if with_refresh:
            refresh = self.secret(PREFIX)
            kept.append((refresh, REFRESH, session.ends_at))
        for text, kind, ends_at in kept:
            row = CredentialRow(digest_of(text), session.session_id, kind, ends_at)
            sign_in.put_credential(tx, self._log_id, row)
        return HandedOut(access, ACCESS_US // SECOND, session.session_id, refresh_token=refresh)

    def refresh(self, text: str) -> HandedOut:
        """Exchange what gets the next pair, once; a second time ends the session.

        Raises:
            DoorProblem: `not_authenticated`, whatever was wrong.
        """
        now, digest = self._clock.now(), digest_of(text)
        with self._ledger.writing() as tx:
            found = sign_in.find_credential(tx, self._log_id, digest)
            session = self._session(tx, found, REFRESH, now)
            if found is not None and session is not None:
                if sign_in.use_credential(tx, self._log_id, digest, now):
                    self._see(tx, session, now)
                    return self._hand_out(tx, session, with_refresh=True)
                sign_in.end_session(tx, self._log_id, session.session_id)
        raise DoorProblem("not_authenticated", headers=_INVALID)

    def exchange_cookie(self, cookie: str) -> HandedOut:
        """Give a credential for access to whoever presents a browser's cookie: the app's host."""
        session = self.session_of_cookie(cookie)
        if session is None:
            raise DoorProblem("not_authenticated", headers=_INVALID)
        return self.hand_out(session, with_refresh=False)

    # Who asks ---------------------------------------------------------------------

    def principal(self, authorization: str) -> Principal:
        """Find who sent this header; `not_authenticated` for what works no more."""
        scheme, _, text = authorization.partition(" ")
        session = None
        if scheme.lower() == "bearer":
            session = self._holder(text, ACCESS)
        return self._seen(session)

    def session_of_credential(self, text: str) -> SessionRow | None:
        """Find the session for which a credential of either kind was handed out."""
        return self._holder(text, ACCESS) or self._holder(text, REFRESH)

    def principal_of_cookie(self, cookie: str) -> Principal:
        """Find who sent this cookie; `not_authenticated` for one that works no more."""
        return self._seen(self.session_of_cookie(cookie))

    def session_of_cookie(self, cookie: str) -> SessionRow | None:
        """Find the session of a browser's cookie; None when there is none any more."""
        if not cookie or len(cookie) > SECRET_CHARACTERS_MAX:
            return None
        with self._ledger.reading() as reads:
            row = sign_in.session_of_cookie(reads.tx, self._log_id, digest_of(cookie))
            return self._alive(reads.tx, row, self._clock.now())

    def _holder(self, text: str, kind: str) -> SessionRow | None:
        if len(text) > SECRET_CHARACTERS_MAX:
            return None
        with self._ledger.reading() as reads:
            found = sign_in.find_credential(reads.tx, self._log_id, digest_of(text))
            return self._session(reads.tx, found, kind, self._clock.now())

    def _session(
        self, tx: sa.Connection, found: CredentialRow | None, kind: str, now: int
    ) -> SessionRow | None:
        if found is None or found.kind != kind or found.ends_at <= now:
            return None
        return self._alive(tx, sign_in.find_session(tx, self._log_id, found.session_id), now)

    def _alive(self, tx: sa.Connection, row: SessionRow | None, now: int) -> SessionRow | None:
        if row is None or not _is_alive(row, now):
            return None
        return None if erasures.is_ordered(tx, self._log_id, row.driver_id) else row

    def _seen(self, session: SessionRow | None) -> Principal:
        if session is None:
            raise DoorProblem("not_authenticated", headers=_INVALID)
        now = self._clock.now()
        if now - session.seen_at >= SEEN_EVERY_US:
            with self._ledger.writing() as tx:
                self._see(tx, session, now)
        return Principal(
            session.driver_id,
            "driver",
            device_id=session.session_id,
            step_up_until=session.step_up_until,
        )

    def _see(self, tx: sa.Connection, session: SessionRow, now: int) -> None:
        sign_in.touch_session(
            tx,
            self._log_id,
            session.session_id,
            seen_at=now,
            step_up_until=session.step_up_until,
        )


def cookie_name(name: str, public_url: str) -> str:
    """Give the name of a cookie: with https one that only this very host can have set."""
    return f"__Host-{name}" if public_url.startswith("https:") else name


def cookie_in(cookies: Mapping[str, str], public_url: str) -> str:
    """Give the session's cookie of a browser, "" without one."""
    return cookies.get(cookie_name(COOKIE, public_url), "")


def check_csrf(cookie: str, sent: Sequence[str]) -> None:
    """See that a writer knows more than his browser sends by itself; else `csrf_missing`."""
    wanted = csrf_of(cookie).encode()
    if len(sent) != 1 or not hmac.compare_digest(sent[0].encode(), wanted):
        raise DoorProblem("csrf_missing")


def _is_alive(row: SessionRow, now: int) -> bool:
    return row.ends_at > now and now - row.seen_at < IDLE_US
