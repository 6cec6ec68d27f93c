"""What a sign-in of a driver remembers from step to step, and where it may end."""

import re
from typing import Literal, NamedTuple

import msgspec

from ledger.kernel.errors import Malformed

WEB: Literal["web"] = "web"
APP: Literal["app"] = "app"
HOME = "/app/"

_RETURN_TO = re.compile(r"/app(?:/[A-Za-z0-9._~:@-]+)*/?(?:\?[A-Za-z0-9._~:@=&%+,-]*)?")
_DOTS = re.compile(r"/\.\.?(?:/|$|\?)")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class Start(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sign-in that was begun: for whom, where it ends, and what is to be signed now.

    `session_id` is that of a driver who is signed in and only proves himself again. `challenge` is
    hexadecimal; `ticket` the digest of what lets `driver_id` make a passkey.
    """

    client: Literal["web", "app"]
    return_to: str = HOME
    redirect_uri: str = ""
    state: str = ""
    code_challenge: str = ""
    session_id: str = ""
    driver_id: str = ""
    challenge: str = ""
    makes_passkey: bool = False
    ticket: str = ""


class HandOff(msgspec.Struct, frozen=True, omit_defaults=True):
    """A driver who has proven himself, on his way back: bound to a sign-in or to a PKCE secret."""

    start: str
    client: Literal["web", "app"]
    return_to: str = HOME
    code_challenge: str = ""


class Proven(NamedTuple):
    """The end of a ceremony: where the browser goes, and until when (us) the proof counts."""

    location: str
    step_up_until: int = 0
    passkey_id: str = ""


class Begun(NamedTuple):
    """A sign-in just begun; `cookie` is what the browser keeps for ten minutes."""

    start: Start
    cookie: str


def safe_return(text: str) -> str:
    """Give a place in the app to return to; anything else becomes the app's first page.

    >>> safe_return("/app/bookings/BK-1"), safe_return("//evil.example"), safe_return("/app/../x")
    ('/app/bookings/BK-1', '/app/', '/app/')
    """
    return text if _RETURN_TO.fullmatch(text) and not _DOTS.search(text) else HOME


def check_challenge(text: str, method: str) -> str:
    """See that an app sent the digest of a secret of its own; `Malformed` says what is wrong."""
    if method != "S256":
        raise Malformed("must be S256", field="code_challenge_method")
    if not _CHALLENGE.fullmatch(text):
        raise Malformed("a SHA-256 in base64url", field="code_challenge")
    return text
