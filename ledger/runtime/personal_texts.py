"""What drivers write and send, kept where it can be erased: sealed in the vault.

Texts are fields of the vault. A file has a key of its own there; its sealed bytes lie among the
evidence, by their digest, and say nothing once the vault has forgotten the key.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.privacy import CONTACT, RegisterSubject
from ledger.kernel.errors import Conflict, NotFound, TamperEvidence
from ledger.kernel.ids import IdSource
from ledger.kernel.instants import Clock
from ledger.kernel.messages import Actor, Request
from ledger.kernel.sealing import Chance, Opening, commitment
from ledger.runtime.ledger import Ledger, accepted
from ledger.store.vault import FIELDS_MAX, Vault

SYSTEM = Actor(id="system", role="system")
KEY_BYTES, NONCE_BYTES = 32, 12


class Shelf(Protocol):
    """Where sealed bytes lie, by their digest."""

    def put(self, data: bytes) -> str:
        """Keep bytes, durable when it returns; gives their SHA-256 in hexadecimal."""
        ...

    def get(self, digest: str) -> bytes:
        """Give bytes back; `NotFound` where nothing was kept."""
        ...


class Opener(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What opens a sealed file, for the vault: key and nonce in base64, digests of both forms."""

    key: str
    nonce: str
    sha256: str
    sealed_sha256: str


class PersonalTexts:
    """Keeps what drivers write in the vault of a ledger."""

    def __init__(self, ledger: Ledger, vault: Vault, clock: Clock, ids: IdSource) -> None:
        """Keep in `vault`, for persons of `ledger`."""
        self._ledger = ledger
        self._vault = vault
        self._clock = clock
        self._ids = ids

    def keep(self, driver_id: str, values: Mapping[str, object]) -> dict[str, bytes]:
        """Keep fields of a driver; give their commitments.

        A driver whom only the log knows so far gets keys of his own first.

        Raises:
            NotFound: he is erased, or his erasure is ordered.
            Malformed: a value cannot be kept.
            Unavailable: the vault or its device is away.
        """
        try:
            return self._vault.change(driver_id, CONTACT, values)
        except NotFound:
            self._enrol(driver_id)
            return self._vault.change(driver_id, CONTACT, values)

    def keep_once(self, driver_id: str, values: Mapping[str, object]) -> dict[str, bytes]:
        """Keep fields that are written once: asked again, the same commitments are given.

        Raises:
            Conflict: a field holds something else.
            NotFound, Malformed, Unavailable: as `keep`.
        """
        before = {one.name: one for one in self._some(driver_id, list(values))}
        if not before:
            return self.keep(driver_id, values)
        said = {name: msgspec.json.decode(one.value) for name, one in before.items()}
        if said != dict(values):
            raise Conflict("something else was written under the same key")
        return {name: commitment(one) for name, one in before.items()}

    def _enrol(self, driver_id: str) -> None:
        self._vault.enrol(driver_id)
        request = Request(
            key=self._ids.key(),
            principal=SYSTEM.id,
            actor=SYSTEM,
            at=self._clock.now(),
            command=RegisterSubject(subject_id=driver_id),
        )
        accepted(self._ledger.execute_all([request])[0])

    def read(self, driver_id: str, names: Sequence[str]) -> dict[str, object]:
        """Read fields of a driver by name; nothing of one who is erased.

        Raises:
            TamperEvidence, Unavailable: as the vault.
        """
        return {one.name: msgspec.json.decode(one.value) for one in self._some(driver_id, names)}

    def _some(self, driver_id: str, names: Sequence[str]) -> list[Opening]:
        found: list[Opening] = []
        try:
            for start in range(0, len(names), FIELDS_MAX):
                found += self._vault.some(driver_id, CONTACT, names[start : start + FIELDS_MAX])
        except NotFound:
            return []
        return found


def seal_file(data: bytes, chance: Chance, put: Callable[[bytes], str]) -> Opener:
    """Seal a file under a key of its own and keep its sealed bytes; give what opens them."""
    key, nonce = chance(KEY_BYTES), chance(NONCE_BYTES)
    digest = put(AESGCM(key).encrypt(nonce, data, b""))
    return Opener(
        key=base64.b64encode(key).decode(),
        nonce=base64.b64encode(nonce).decode(),
        sha256=sha256(data).hexdigest(),
        sealed_sha256=digest,
    )


def open_file(sealed: bytes, opener: Opener) -> bytes:
    """Give a file back; `TamperEvidence` when its bytes are not those that were sealed."""
    key, nonce = base64.b64decode(opener.key), base64.b64decode(opener.nonce)
    try:
        return AESGCM(key).decrypt(nonce, sealed, b"")
    except InvalidTag as error:
        raise TamperEvidence("a sealed file was changed") from error
