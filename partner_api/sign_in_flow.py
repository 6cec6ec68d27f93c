"""Signing a driver in, step by step, from the page he opens to the session he gets.

1. He opens our page: a sign-in begins, and his browser gets a cookie of ten minutes. Every later
   step wants that cookie, so nobody can be made to finish a sign-in that another began.
2. He proves himself by a passkey. A ticket, from a one-time code or an invitation, lets him make a
   passkey first; making one proves him too.
3. He gets a code that works once, for a minute: in the browser where he began (`finish`), or with
   the secret whose digest his app sent at the beginning (PKCE, RFC 7636), as the app of a phone.
4. The code becomes a session.

What was begun and handed out are slips in the database: of two who bring the same one, one gets it.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from ledger.domain.parties import PARTIES
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import IdSource
from ledger.kernel.instants import MINUTE, Clock
from ledger.runtime.ledger import Ledger
from ledger.store import erasures, sign_in
from ledger.store.sign_in import PasskeyRow, SlipRow
from partner_api.driver_sessions import DriverSessions, HandedOut, Opened, digest_of
from partner_api.passkeys import (
    CHALLENGE_BYTES,
    AssertionIn,
    AttestationIn,
    MadePasskey,
    Passkeys,
    unfolded,
)
from partner_api.problems import DoorProblem
from partner_api.sign_in_steps import APP, WEB, Begun, HandOff, Proven, Start

START_US = 10 * MINUTE
TICKET_US = 10 * MINUTE
HAND_OFF_US = MINUTE
PASSKEYS_MAX = 10

START, TICKET, HAND_OFF, INVITATION = "start", "ticket", "hand_off", "invitation"
EXPORT, CERTIFICATE = "export", "certificate"
"""Slips of privacy: an export that was asked for, the code that fetches a certificate."""

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class SignInFlow:
    """The steps; safe for many threads and several processes."""

    def __init__(
        self,
        ledger: Ledger,
        sessions: DriverSessions,
        passkeys: Passkeys,
        clock: Clock,
        ids: IdSource,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.sessions = sessions
        self.passkeys = passkeys
        self._ledger = ledger
        self._log_id = ledger.name.log_id
        self._clock = clock
        self._ids = ids
        self._random_bytes = random_bytes

    # 1. Begin -----------------------------------------------------------------

    def begin(self, start: Start) -> Begun:
        """Begin a sign-in."""
        cookie = self.sessions.secret()
        self._put(START, digest_of(cookie), start, START_US)
        return Begun(start, cookie)

    def start_of(self, cookie: str) -> tuple[bytes, Start]:
        """Give the sign-in that a browser began; `sign_in_ended` when there is none any more."""
        digest = digest_of(cookie)
        with self._ledger.reading() as reads:
            found = sign_in.find_slip(reads.tx, self._log_id, START, digest)
        if found is None or found.ends_at <= self._clock.now():
            raise DoorProblem("sign_in_ended")
        return digest, msgspec.json.decode(found.body, type=Start)

    # 2. Prove -----------------------------------------------------------------

    def assertion_options(self, cookie: str) -> dict[str, Any]:
        """Say what the browser shall have signed; each time a new challenge."""
        digest, start = self.start_of(cookie)
        challenge = self._random_bytes(CHALLENGE_BYTES)
        self._keep(digest, replace(start, challenge=challenge.hex(), makes_passkey=False))
        known: list[bytes] = []
        if start.session_id:
            known = [row.credential_id for row in self.passkeys_of(start.driver_id)]
        return self.passkeys.assertion_options(challenge, known)

    def asserted(self, cookie: str, said: AssertionIn) -> Proven:
        """Check what was signed, and send the browser on.

        Raises:
            DoorProblem: `sign_in_ended`; `passkey_refused`, which says no more.
        """
        digest, start = self.start_of(cookie)
        challenge = self._taken(digest, start, makes_passkey=False)
        row = self.passkey(said)
        now = self._clock.now()
        wanted = start.driver_id if start.session_id else row.driver_id
        handle = unfolded(said.user_handle, "user_handle") if said.user_handle else b""
        if wanted != row.driver_id or handle not in (b"", row.driver_id.encode()):
            raise DoorProblem("passkey_refused")
        known = MadePasskey(row.credential_id, row.public_key, row.sign_count)
        counted = self.passkeys.asserted(said, challenge, known)
        with self._ledger.writing() as tx:
            if not sign_in.use_passkey(tx, self._log_id, row, counted, now):
                raise DoorProblem("passkey_refused")
        return self._proven(digest, start, row.driver_id)

    def passkey(self, said: AssertionIn) -> PasskeyRow:
        """Find the passkey that says it signed; `passkey_refused` for one nobody knows."""
        with self._ledger.reading() as reads:
            found = sign_in.find_passkey(reads.tx, self._log_id, unfolded(said.id, "id"))
            if found is None or not self._may_sign_in(reads.tx, found.driver_id):
                raise DoorProblem("passkey_refused")
        return found

    def registration_options(
        self, cookie: str, *, ticket: str = "", invitation: str = ""
    ) -> dict[str, Any]:
        """Say what the browser shall make, for whoever holds a ticket, or has just proven himself.

        Args:
            cookie: of the sign-in.
            ticket: from a one-time code of this sign-in.
            invitation: what an operator handed out.
        """
        digest, start = self.start_of(cookie)
        kind, secret = (INVITATION, invitation) if invitation else (TICKET, ticket)
        if secret:
            driver_id = self._holder(kind, digest_of(secret), digest)
            start = replace(start, driver_id=driver_id, ticket=f"{kind} {digest_of(secret).hex()}")
        elif not start.session_id or not self._has_stepped_up(start.session_id):
            raise DoorProblem("sign_in_ended")
        challenge = self._random_bytes(CHALLENGE_BYTES)
        self._keep(digest, replace(start, challenge=challenge.hex(), makes_passkey=True))
        known = [row.credential_id for row in self.passkeys_of(start.driver_id)]
        name = f"Driver {start.driver_id[-6:]}"
        return self.passkeys.registration_options(challenge, start.driver_id, name, known)

    def registered(self, cookie: str, made: AttestationIn, label: str) -> Proven:
        """Check a new passkey and keep it; whoever made it has proven himself by it."""
        digest, start = self.start_of(cookie)
        challenge = self._taken(digest, start, makes_passkey=True)
        found = self.passkeys.registered(made, challenge)
        now = self._clock.now()
        row = PasskeyRow(
            credential_id=found.credential_id,
            passkey_id=self._ids.new("PS"),
            driver_id=start.driver_id,
            public_key=found.public_key,
            sign_count=found.sign_count,
            label=label,
            made_at=now,
            used_at=now,
        )
        kind, _, hexed = start.ticket.partition(" ")
        with self._ledger.writing() as tx:
            taken = sign_in.take_slip(tx, self._log_id, kind, bytes.fromhex(hexed)) if hexed else 1
            if taken is None or not self._may_sign_in(tx, start.driver_id):
                raise DoorProblem("sign_in_ended")
            old = sign_in.find_passkey(tx, self._log_id, row.credential_id)
            count = len(sign_in.passkeys_of(tx, self._log_id, start.driver_id))
            if old is not None or count >= PASSKEYS_MAX:
                raise DoorProblem("passkey_refused", f"at most {PASSKEYS_MAX}, each once")
            sign_in.put_passkey(tx, self._log_id, row)
        return self._proven(digest, start, start.driver_id)._replace(passkey_id=row.passkey_id)

    def _taken(self, digest: bytes, start: Start, *, makes_passkey: bool) -> bytes:
        """Take the challenge of a sign-in: it is signed once, and for one purpose."""
        with self._ledger.writing() as tx:
            found = sign_in.take_slip(tx, self._log_id, START, digest)
            if found is not None and found.body == msgspec.json.encode(start):
                spent = replace(start, challenge="")
                sign_in.put_slip(tx, self._log_id, replace(found, body=msgspec.json.encode(spent)))
        right = found is not None and start.challenge and start.makes_passkey is makes_passkey
        if not right:
            raise DoorProblem("sign_in_ended")
        return bytes.fromhex(start.challenge)

    # Tickets ------------------------------------------------------------------

    def ticket(self, start: bytes, driver_id: str) -> str:
        """Hand out what lets a driver make a passkey in the sign-in he began."""
        secret = self.sessions.secret()
        body = HandOff(start.hex(), WEB)
        self._put(TICKET, digest_of(secret), body, TICKET_US, driver_id)
        return secret

    def invite(self, driver_id: str, lasts_us: int) -> str:
        """Hand out what lets a driver make his first passkey, on whatever device he opens it."""
        secret = self.sessions.secret()
        self._put(INVITATION, digest_of(secret), HandOff("", WEB), lasts_us, driver_id)
        return secret

    def _holder(self, kind: str, secret: bytes, start: bytes) -> str:
        with self._ledger.reading() as reads:
            found = sign_in.find_slip(reads.tx, self._log_id, kind, secret)
        if found is None or found.ends_at <= self._clock.now() or not found.driver_id:
            raise DoorProblem("code_used_up")
        bound = msgspec.json.decode(found.body, type=HandOff).start
        if bound not in ("", start.hex()):
            raise DoorProblem("code_used_up")
        return found.driver_id

    # 3. Hand off --------------------------------------------------------------

    def _proven(self, digest: bytes, start: Start, driver_id: str) -> Proven:
        """Send a driver on who has proven himself; the sign-in he began is over."""
        if start.session_id:
            with self._ledger.reading() as reads:
                session = sign_in.find_session(reads.tx, self._log_id, start.session_id)
            if session is None or session.driver_id != driver_id:
                raise DoorProblem("sign_in_ended")
            return Proven(start.return_to, self.sessions.step_up(start.session_id))
        code = self.sessions.secret()
        bound = HandOff(digest.hex(), start.client, start.return_to, start.code_challenge)
        self._put(HAND_OFF, digest_of(code), bound, HAND_OFF_US, driver_id)
        if start.client == WEB:
            return Proven(f"/auth/finish?code={code}")
        joint = "&" if "?" in start.redirect_uri else "?"
        state = f"&state={start.state}" if start.state else ""
        return Proven(f"{start.redirect_uri}{joint}code={code}{state}")

    # 4. Sessions --------------------------------------------------------------

    def finish(self, cookie: str, code: str, label: str, old_cookie: str) -> tuple[Opened, str]:
        """End a sign-in in the browser that began it: its session, and where it goes on.

        A session that the same browser had before ends.

        Raises:
            DoorProblem: `sign_in_ended`: the code is used, too old, or of another browser.
        """
        slip, bound = self._take_code(code)
        if bound.client != WEB or not hmac.compare_digest(bound.start, digest_of(cookie).hex()):
            raise DoorProblem("sign_in_ended")
        with self._ledger.writing() as tx:
            sign_in.take_slip(tx, self._log_id, START, bytes.fromhex(bound.start))
        old = self.sessions.session_of_cookie(old_cookie)
        if old is not None:
            self.sessions.end(old.session_id)
        return self.sessions.open(slip.driver_id, label, with_cookie=True), bound.return_to

    def exchange(self, code: str, verifier: str, label: str) -> HandedOut:
        """End a sign-in in an app, which shows the secret it began with.

        Raises:
            DoorProblem: `not_authenticated`, whatever was wrong; the code is gone then too.
        """
        try:
            slip, bound = self._take_code(code)
        except DoorProblem as error:
            raise DoorProblem("not_authenticated") from error
        said = urlsafe_b64encode(sha256(verifier.encode("utf-8", "replace")).digest())
        right = hmac.compare_digest(said.rstrip(b"="), bound.code_challenge.encode())
        if bound.client != APP or not _VERIFIER.fullmatch(verifier) or not right:
            raise DoorProblem("not_authenticated")
        opened = self.sessions.open(slip.driver_id, label, with_cookie=False)
        return self.sessions.hand_out(opened.session, with_refresh=True)

    def _take_code(self, code: str) -> tuple[SlipRow, HandOff]:
        with self._ledger.writing() as tx:
            slip = sign_in.take_slip(tx, self._log_id, HAND_OFF, digest_of(code))
            may = slip is not None and self._may_sign_in(tx, slip.driver_id)
        if slip is None or not may or slip.ends_at <= self._clock.now():
            raise DoorProblem("sign_in_ended")
        return slip, msgspec.json.decode(slip.body, type=HandOff)

    # Passkeys -----------------------------------------------------------------

    def passkeys_of(self, driver_id: str) -> list[PasskeyRow]:
        """List the passkeys of a driver, the oldest first."""
        with self._ledger.reading() as reads:
            return sign_in.passkeys_of(reads.tx, self._log_id, driver_id)

    def remove_passkey(self, driver_id: str, passkey_id: str) -> None:
        """Forget a passkey of a driver; `NotFound` for any other, `last_passkey` for his last."""
        with self._ledger.writing() as tx:
            rows = sign_in.passkeys_of(tx, self._log_id, driver_id)
            if all(row.passkey_id != passkey_id for row in rows):
                raise NotFound("no such passkey")
            if len(rows) == 1:
                raise DoorProblem("last_passkey")
            sign_in.remove_passkey(tx, self._log_id, passkey_id)

    # Slips --------------------------------------------------------------------

    def keep(self, kind: str, secret: str, driver_id: str, body: object, lasts_us: int) -> None:
        """Keep a slip under the digest of its secret."""
        self._put(kind, digest_of(secret), body, lasts_us, driver_id)

    def found(self, kind: str, secret: str) -> bytes | None:
        """Give the body of a slip by its secret; None when there is none any more."""
        with self._ledger.reading() as reads:
            row = sign_in.find_slip(reads.tx, self._log_id, kind, digest_of(secret))
        return None if row is None or row.ends_at <= self._clock.now() else row.body

    def kept(self, kind: str, driver_id: str) -> list[bytes]:
        """List the bodies of a driver's slips of a kind."""
        with self._ledger.reading() as reads:
            rows = sign_in.slips_of(reads.tx, self._log_id, kind, driver_id)
        return [row.body for row in rows if row.ends_at > self._clock.now()]

    def _put(
        self, kind: str, digest: bytes, body: object, lasts_us: int, driver_id: str = ""
    ) -> None:
        ends_at = self._clock.now() + lasts_us
        row = SlipRow(digest, kind, driver_id, ends_at, msgspec.json.encode(body))
        with self._ledger.writing() as tx:
            sign_in.put_slip(tx, self._log_id, row)

    def _keep(self, digest: bytes, start: Start) -> None:
        """Keep the next state of a sign-in; its end stays where it is."""
        with self._ledger.writing() as tx:
            found = sign_in.take_slip(tx, self._log_id, START, digest)
            if found is not None:
                sign_in.put_slip(tx, self._log_id, replace(found, body=msgspec.json.encode(start)))
        if found is None:
            raise DoorProblem("sign_in_ended")

    def _has_stepped_up(self, session_id: str) -> bool:
        with self._ledger.reading() as reads:
            row = sign_in.find_session(reads.tx, self._log_id, session_id)
        return row is not None and row.step_up_until > self._clock.now()

    def _may_sign_in(self, tx: sa.Connection, driver_id: str) -> bool:
        """Tell whether somebody is a driver here, and nobody ordered his erasure."""
        return not erasures.is_ordered(tx, self._log_id, driver_id)

    def is_driver(self, driver_id: str) -> bool:
        """Tell whether an id is that of a driver of this ledger."""
        with self._ledger.reading() as reads:
            party = reads.row(PARTIES, driver_id)
            return (
                party is not None
                and "driver" in party.roles
                and self._may_sign_in(reads.tx, driver_id)
            )
