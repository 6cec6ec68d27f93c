"""What the signer can ask of a driver process, and what comes back: the only words on the pipe.

Each message is one of these structs in MessagePack, tagged by its name. A driver does one
operation at a time and answers each with exactly one `Answer` or one `Fault`.
"""

import msgspec

MESSAGE_BYTES_MAX = 2 * 1024 * 1024


class LogIn(msgspec.Struct, frozen=True, tag=True):
    """Find the token, look at its PIN flags, log in, and open the session for the work.

    `serial` or `label` may be empty, not both. `pin_is_proven` says that this PIN was right before
    and no try since then is in doubt; otherwise a token that counts a wrong try is left alone.
    """

    pin: str
    serial: str = ""
    label: str = ""
    writes: bool = False
    pin_is_proven: bool = False


class Reinitialise(msgspec.Struct, frozen=True, tag=True):
    """Finalise and initialise the module: all sessions and handles are gone."""


class LogOut(msgspec.Struct, frozen=True, tag=True):
    """Close the sessions."""


class ReadPublic(msgspec.Struct, frozen=True, tag=True):
    """Read the public half of a signing key: 32, 65 (P-256) or 1,312 bytes."""

    key_id: bytes
    algorithm: str


class Sign(msgspec.Struct, frozen=True, tag=True):
    """Sign a message; P-256 signs its SHA-256."""

    key_id: bytes
    algorithm: str
    message: bytes


class Seal(msgspec.Struct, frozen=True, tag=True):
    """Seal bytes under a secret key, bound to `context`."""

    key_id: bytes
    context: bytes
    data: bytes
    with_gcm: bool = True


class Unseal(msgspec.Struct, frozen=True, tag=True):
    """Open sealed bytes; `SealBroken` when the key works but these bytes do not open."""

    key_id: bytes
    context: bytes
    data: bytes
    with_gcm: bool = True


class MakeSigningKey(msgspec.Struct, frozen=True, tag=True):
    """Make a key pair that never leaves; answers with its public half."""

    label: str
    algorithm: str


class MakeSecretKey(msgspec.Struct, frozen=True, tag=True):
    """Make an AES-256 key; `extractable` and `wraps` for the ceremony of a copied key only."""

    label: str
    extractable: bool = False
    wraps: bool = False


class WrapKey(msgspec.Struct, frozen=True, tag=True):
    """Wrap a secret key by another one (RFC 3394)."""

    by_id: bytes
    key_id: bytes


class RestoreKey(msgspec.Struct, frozen=True, tag=True):
    """Unwrap a secret key into the token, not extractable."""

    by_id: bytes
    label: str
    wrapped: bytes


class ImportWrappingKey(msgspec.Struct, frozen=True, tag=True):
    """Bring in the AES-256 key that moves others: the exclusive or of its officers' parts."""

    label: str
    parts: tuple[bytes, ...]


class CloseKey(msgspec.Struct, frozen=True, tag=True):
    """Take EXTRACTABLE from a secret key for ever."""

    key_id: bytes


class RetireKey(msgspec.Struct, frozen=True, tag=True):
    """Forbid a signing key to sign, and mark its label."""

    key_id: bytes


class DestroyKey(msgspec.Struct, frozen=True, tag=True):
    """Destroy every object with this id."""

    key_id: bytes


class ListKeys(msgspec.Struct, frozen=True, tag=True):
    """List what the token holds."""


class Attest(msgspec.Struct, frozen=True, tag=True):
    """Ask for the device's own statement about a key."""

    key_id: bytes


Operation = (
    LogIn
    | Reinitialise
    | LogOut
    | ReadPublic
    | Sign
    | Seal
    | Unseal
    | MakeSigningKey
    | MakeSecretKey
    | WrapKey
    | RestoreKey
    | ImportWrappingKey
    | CloseKey
    | RetireKey
    | DestroyKey
    | ListKeys
    | Attest
)


class HeldKey(msgspec.Struct, frozen=True):
    """One object of a token."""

    label: str
    key_id: bytes
    kind: str  # "public", "private" or "secret"
    signs: bool


class Answer(msgspec.Struct, frozen=True, tag=True):
    """The operation was done."""

    data: bytes = b""
    keys: tuple[HeldKey, ...] = ()


class Fault(msgspec.Struct, frozen=True, tag=True):
    """The operation ended in an error: its name, and its text without any secret.

    `pin_was_tried` is true of a login that failed at the PIN or after it.
    """

    name: str
    text: str = ""
    pin_was_tried: bool = False


Reply = Answer | Fault
