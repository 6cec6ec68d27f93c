"""One-time codes: how a driver without a passkey shows that an address of his is his.

Whoever asks gets the same answer in the same time, whether the address is a driver's or nobody's:
a code is made in any case, and sent only where somebody will read it. Six digits, ten minutes, five
tries, once, and only in the browser that asked.

An address is kept as an HMAC under a key that is not in the database, so that a copy of it does not
tell who drives here.
"""

import hmac
import re
import unicodedata
from collections.abc import Callable
from typing import Literal

import msgspec

from ledger.kernel.errors import Malformed
from ledger.kernel.instants import MINUTE, Clock
from ledger.runtime.ledger import Ledger
from ledger.store import erasures, sign_in
from ledger.store.sign_in import SlipRow
from partner_api.code_sending import CodeSender, Message
from partner_api.driver_sessions import digest_of
from partner_api.problems import DoorProblem
from partner_api.sign_in_flow import SignInFlow

CODE = "code"
DIGITS = 6
CODE_US = 10 * MINUTE
TRIES = 5
KEY_BYTES_MIN = 32
EMAIL_CHARACTERS_MAX = 254

Channel = Literal["email", "sms"]
Purpose = Literal["enrol", "recover"]

_EMAIL = re.compile(r"[^@\s<>(),;:\"\\]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")


class _Code(msgspec.Struct, frozen=True):
    """A code that was made: in which sign-in, its digest in hexadecimal, and tries that are left.

    The digest is over the id too, which only the browser has: six digits alone could be guessed
    from it.
    """

    start: str
    digest: str
    tries_left: int = TRIES


class OneTimeCodes:
    """Makes, sends and checks codes; knows whose an address is."""

    def __init__(
        self,
        ledger: Ledger,
        flow: SignInFlow,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        key: bytes,
        sender: CodeSender,
    ) -> None:
        """Keep addresses under `key`, at least 32 bytes that outlive the process."""
        if len(key) < KEY_BYTES_MIN:
            raise Malformed(f"at least {KEY_BYTES_MIN} bytes", field="key")
        self._ledger = ledger
        self._log_id = ledger.name.log_id
        self._flow = flow
        self._clock = clock
        self._random_bytes = random_bytes
        self._key = key
        self._sender = sender

    # Addresses ----------------------------------------------------------------

    def digest(self, channel: Channel, address: str) -> bytes:
        """Give the form in which an address is kept; `Malformed` for what is none."""
        text = f"{channel}\n{normal_address(channel, address)}"
        return hmac.digest(self._key, text.encode(), "sha256")

    def know(self, driver_id: str, channel: Channel, address: str) -> None:
        """Let a driver be reached at an address of his."""
        digest = self.digest(channel, address)
        with self._ledger.writing() as tx:
            sign_in.put_address(tx, self._log_id, digest, driver_id)

    # Codes --------------------------------------------------------------------

    def ask(self, cookie: str, message: Message) -> str:
        """Make a code and have it sent, if its address is a driver's; give its id.

        Args:
            cookie: of the sign-in that wants it.
            message: where it goes; its `code` is filled in here.
        """
        start, _ = self._flow.start_of(cookie)
        digest = self.digest(message.channel, message.address)
        code_id = self._flow.sessions.secret()
        number = int.from_bytes(self._random_bytes(8), "big") % 10**DIGITS
        code = f"{number:0{DIGITS}}"
        kept = _Code(start.hex(), _digest(code_id, code).hex())
        with self._ledger.writing() as tx:
            driver_id = sign_in.driver_at(tx, self._log_id, digest)
            if driver_id and erasures.is_ordered(tx, self._log_id, driver_id):
                driver_id = ""
            ends_at = self._clock.now() + CODE_US
            body = msgspec.json.encode(kept)
            row = SlipRow(digest_of(code_id), CODE, driver_id, ends_at, body)
            sign_in.put_slip(tx, self._log_id, row)
        # the sender has a thread of its own: how long it takes is not seen from outside
        self._sender.send(msgspec.structs.replace(message, code=code) if driver_id else None)
        return code_id

    def check(self, cookie: str, code_id: str, code: str) -> str:
        """Check a code; right gives the ticket for a passkey, wrong takes one of its tries.

        Raises:
            DoorProblem: `code_wrong` with `tries_left`; `code_used_up` when none is left, it is too
                old, was used, or belongs to another browser.
        """
        start, _ = self._flow.start_of(cookie)
        with self._ledger.writing() as tx:
            # who comes second meanwhile finds nothing: no try is counted once for two
            row = sign_in.take_slip(tx, self._log_id, CODE, digest_of(code_id))
            kept = None if row is None else msgspec.json.decode(row.body, type=_Code)
            usable = (
                row is not None
                and kept is not None
                and row.ends_at > self._clock.now()
                and hmac.compare_digest(kept.start, start.hex())
            )
            wanted = kept.digest if kept is not None else ""
            right = hmac.compare_digest(wanted, _digest(code_id, code).hex())
            left = kept.tries_left - 1 if kept is not None else 0
            if row is not None and kept is not None and (not usable or (not right and left)):
                kept = msgspec.structs.replace(kept, tries_left=left if usable else left + 1)
                row = msgspec.structs.replace(row, body=msgspec.json.encode(kept))
                sign_in.put_slip(tx, self._log_id, row)
        if row is None or not usable or not (right or left):
            raise DoorProblem("code_used_up")
        if not right:
            raise DoorProblem("code_wrong", facts={"tries_left": left})
        return self._flow.ticket(start, row.driver_id)


def normal_address(channel: Channel, address: str) -> str:
    """Give the one spelling of an address; `Malformed` for what is none.

    >>> normal_address("email", " Zoe@Example.NET "), normal_address("sms", "+33 6 12-34 56 78")
    ('zoe@example.net', '+33612345678')
    """
    text = unicodedata.normalize("NFC", address).strip()
    if channel == "email":
        text = text.lower()
        if len(text) > EMAIL_CHARACTERS_MAX or not _EMAIL.fullmatch(text):
            raise Malformed("an e-mail address", field="address")
        return text
    text = re.sub(r"[ ().-]", "", text)
    if not _PHONE.fullmatch(text):
        raise Malformed("a phone number with + and the country's code", field="address")
    return text


def _digest(code_id: str, code: str) -> bytes:
    return digest_of(f"{code_id}\n{code}")
