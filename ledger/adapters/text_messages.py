"""Text messages through a gateway of the operator's choice, over plain HTTP calls.

One call a message::

    POST <url>
    Authorization: Bearer <credential>
    Idempotency-Key: <reference>
    Content-Type: application/json

    {"to": "+33600000000", "from": "MobileGrid", "text": "…", "reference": "…"}

Any answer of 200 to 299 means: taken. 429 and 503 mean: not taken, ask later. Any other answer of
400 to 499 turns the message down. After anything else, and after silence, nobody knows. What the
gateway of a provider wants otherwise, a small forwarder of the operator's translates.
"""

import ssl

import httpx
import msgspec
from typing_extensions import override

from ledger.kernel.errors import Misconfigured
from ledger.runtime.notice_sending import Carried, Letter, LetterCarrier

SECONDS = 20
CHARACTERS_MAX = 400
"""What is longer is cut: so much of any script goes into six parts (3GPP TS 23.040)."""

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_LATER = frozenset({429, 503})
_TAKEN, _ASTRAY, _WRONG, _FAILED = 200, 300, 400, 500


class TextGateway(msgspec.Struct, frozen=True):
    """Where messages go, who sends them, and by which credential, "" for none."""

    url: str
    sender: str
    credential: str
    ca_file: str = ""


class TextPost(LetterCarrier):
    """Hands text messages to a gateway."""

    def __init__(self, gateway: TextGateway) -> None:
        """Send through a gateway.

        Raises:
            Misconfigured: it would be reached in the clear from elsewhere, or nobody sends.
        """
        place = httpx.URL(gateway.url)
        if place.scheme != "https" and place.host not in _LOCAL:
            raise Misconfigured("sms.url: over https, or on this machine")
        if not gateway.sender:
            raise Misconfigured("sms.sender: who sends to drivers must be named")
        self._gateway = gateway

    @override
    def carry(self, letter: Letter) -> Carried:
        return self.send(letter.address, letter.text, letter.letter_id)

    def send(self, address: str, text: str, reference: str) -> Carried:
        """Hand a message over; the same reference is never to arrive twice."""
        gateway = self._gateway
        body = {
            "to": address,
            "from": gateway.sender,
            "text": text[:CHARACTERS_MAX],
            "reference": reference,
        }
        headers = {"Idempotency-Key": reference, "Content-Type": "application/json"}
        if gateway.credential:
            headers["Authorization"] = f"Bearer {gateway.credential}"
        context = ssl.create_default_context(cafile=gateway.ca_file or None)
        try:
            with httpx.Client(timeout=SECONDS, verify=context) as client:
                answer = client.post(
                    gateway.url, content=msgspec.json.encode(body), headers=headers
                )
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return Carried.LATER
        except httpx.HTTPError:
            return Carried.UNSURE
        return _came_of(answer.status_code)


def _came_of(status: int) -> Carried:
    if status in _LATER:
        return Carried.LATER
    if _TAKEN <= status < _ASTRAY:
        return Carried.SENT
    return Carried.NEVER if _WRONG <= status < _FAILED else Carried.UNSURE
