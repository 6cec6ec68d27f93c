"""Passkeys: what a browser is asked to sign, and whether what it signed holds (WebAuthn level 3).

The user is always verified by the authenticator, the challenge is ours and used once, the origin is
this place, and a counter that goes back is refused, because then there are two of that key.
"""

import struct
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import webauthn
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from ledger.kernel.errors import Malformed
from partner_api.problems import DoorProblem

RP_NAME = "Mobile Grid"
TIMEOUT_MS = 120_000
CHALLENGE_BYTES = 32
ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
# what parsing bytes of strangers raises inside the library beside its own errors
_BROKEN = (
    WebAuthnException,
    InvalidSignature,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
)

Folded = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]+$", max_length=8_192)]


class AttestationIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A passkey just made, in base64url."""

    id: Folded
    client_data: Folded
    attestation_object: Folded


class AssertionIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A challenge signed by a passkey, in base64url."""

    id: Folded
    client_data: Folded
    authenticator_data: Folded
    signature: Folded
    user_handle: Folded | None = None


class MadePasskey(NamedTuple):
    """A passkey that was checked: its id, its public key in COSE, and its counter."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class Passkeys:
    """Checks passkeys for one place: the host and scheme under which drivers reach us."""

    def __init__(self, public_url: str) -> None:
        """Take the place from its URL."""
        parts = urlsplit(public_url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._rp_id = parts.hostname or "localhost"

    def registration_options(
        self, challenge: bytes, driver_id: str, name: str, known: Sequence[bytes]
    ) -> dict[str, Any]:
        """Say what the browser shall ask its authenticator to make; `known` are not made twice."""
        options = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=RP_NAME,
            user_id=driver_id.encode(),
            user_name=name,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                require_resident_key=True,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
            supported_pub_key_algs=ALGORITHMS,
        )
        return _plain(webauthn.options_to_json(options))

    def assertion_options(self, challenge: bytes, known: Sequence[bytes] = ()) -> dict[str, Any]:
        """Say what the browser shall have signed, by one of `known` or any passkey of this place.

        Without `known` the answer is the same for everybody, so it tells nobody who is registered.
        """
        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            allow_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return _plain(webauthn.options_to_json(options))

    def registered(self, made: AttestationIn, challenge: bytes) -> MadePasskey:
        """Check a passkey just made; `passkey_refused` says no more than that."""
        try:
            found = webauthn.verify_registration_response(
                credential={
                    "id": made.id,
                    "rawId": made.id,
                    "type": "public-key",
                    "response": {
                        "clientDataJSON": made.client_data,
                        "attestationObject": made.attestation_object,
                    },
                },
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self.origin,
                require_user_verification=True,
                supported_pub_key_algs=ALGORITHMS,
            )
        except _BROKEN as error:
            raise DoorProblem("passkey_refused") from error
        return MadePasskey(found.credential_id, found.credential_public_key, found.sign_count)

    def asserted(self, said: AssertionIn, challenge: bytes, known: MadePasskey) -> int:
        """Check a signature by a known passkey; give its counter, or raise `passkey_refused`."""
        try:
            found = webauthn.verify_authentication_response(
                credential={
                    "id": said.id,
                    "rawId": said.id,
                    "type": "public-key",
                    "response": {
                        "clientDataJSON": said.client_data,
                        "authenticatorData": said.authenticator_data,
                        "signature": said.signature,
                        "userHandle": said.user_handle,
                    },
                },
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self.origin,
                credential_public_key=known.public_key,
                credential_current_sign_count=known.sign_count,
                require_user_verification=True,
            )
        except _BROKEN as error:
            raise DoorProblem("passkey_refused") from error
        return found.new_sign_count


def unfolded(text: str, field: str) -> bytes:
    """Read base64url; `Malformed` for anything else."""
    try:
        return base64url_to_bytes(text)
    except ValueError as error:
        raise Malformed("not base64url", field=field) from error


def _plain(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any])
