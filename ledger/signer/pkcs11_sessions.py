"""One token of one PKCS#11 module: finding it, logging in, sessions, and the handles of its keys.

Two sessions: one logs in and stays open, work is done in the other. Closing the one that logged in
logs out all the others, so neither is closed before the work ends.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Protocol

from ledger.signer import operations as ops
from ledger.signer.faults import Names

KEY_ID_BYTES = 8

_POINT_BYTES = {"ed25519": 32, "p-256": 65}
_OCTET_STRING = 0x04


class Namespace(Protocol):
    """The parts of a PKCS#11 package that the adapter uses, with one module loaded as `lib`."""

    @property
    def lib(self) -> Any:
        """The library."""

    @property
    def exceptions(self) -> Any:
        """Its errors."""

    @property
    def constants(self) -> Any:
        """Attributes, classes, flags."""

    @property
    def mechanisms(self) -> Any:
        """Mechanisms, key types and their parameters."""


class AdapterError(Exception):
    """An error of ours inside a driver process; `name` is one of `faults.Names`."""

    def __init__(self, name: str, text: str = "") -> None:
        super().__init__(text)
        self.name = name


def key_id_of(public_key: bytes) -> bytes:
    """Name a signing key: the first 8 bytes of the SHA-256 of its public half.

    >>> key_id_of(bytes(32)).hex()
    '66687aadf862bd77'
    """
    return sha256(public_key).digest()[:KEY_ID_BYTES]


def secret_key_id(label: str) -> bytes:
    """Name a secret key, equally on both devices, by its label.

    >>> secret_key_id("pii-kek-1").hex()
    'd7b2146abc4fc064'
    """
    return sha256(label.encode()).digest()[:KEY_ID_BYTES]


class TokenSession:
    """The sessions of one token, and its keys by id."""

    def __init__(self, namespace: Namespace) -> None:
        """Hold a loaded module; nothing is opened yet."""
        self.names = namespace
        self._login: Any = None
        self._work: Any = None
        self.pin_was_tried = False
        self._handles: dict[tuple[int, bytes], Any] = {}

    # Sessions ---------------------------------------------------------------------------------

    def _find_token(self, operation: ops.LogIn) -> Any:
        wanted: dict[str, Any] = {}
        if operation.serial:
            wanted["token_serial"] = operation.serial.encode()
        if operation.label:
            wanted["token_label"] = operation.label
        return self.names.lib.get_token(**wanted)

    def log_in(self, operation: ops.LogIn) -> ops.Answer:
        """Log in with one PIN try at most, and none where the token counts wrong ones."""
        self.pin_was_tried = False
        self.log_out(ops.LogOut())
        token = self._find_token(operation)
        flag = self.names.constants.TokenFlag
        if token.flags & (flag.USER_PIN_LOCKED | flag.USER_PIN_FINAL_TRY):
            raise AdapterError(Names.PIN_GUARD, "the token has one PIN try or none left")
        if token.flags & flag.USER_PIN_COUNT_LOW and not operation.pin_is_proven:
            raise AdapterError(Names.PIN_GUARD, "the token counts a wrong PIN try")
        self.pin_was_tried = True
        try:
            self._login = token.open(rw=operation.writes, user_pin=operation.pin)
            self._work = token.open(rw=operation.writes)
        except Exception:
            self._quietly(self.reinitialise)  # defect 2
            raise
        return ops.Answer(bytes(token.serial))

    def log_out(self, _operation: ops.LogOut) -> ops.Answer:
        """Close both sessions; what does not close is finalised."""
        sessions, self._login, self._work = (self._work, self._login), None, None
        self._handles.clear()
        try:
            for session in sessions:
                if session is not None:
                    session.close()
        except Exception:  # noqa: BLE001  whatever it is, defect 3: only a fresh start is sure
            self.reinitialise(ops.Reinitialise())
        return ops.Answer()

    def reinitialise(self, _operation: ops.Reinitialise) -> ops.Answer:
        """Finalise and initialise the module; sessions and handles are gone."""
        self._login = self._work = None
        self._handles.clear()
        self.names.lib.reinitialize()
        return ops.Answer()

    @staticmethod
    def _quietly(action: Callable[[ops.Reinitialise], ops.Answer]) -> None:
        """Tidy up without hiding the error that made it needful."""
        try:
            action(ops.Reinitialise())
        except Exception:  # noqa: BLE001  the first error is the one to report
            return

    def forget(self) -> None:
        """Let go of the kept handles: keys changed."""
        self._handles.clear()

    @property
    def session(self) -> Any:
        """The session for the work; a `SessionClosed` fault when nobody is logged in."""
        if self._work is None:
            raise AdapterError("SessionClosed", "not logged in")
        return self._work

    # Finding keys -----------------------------------------------------------------------------

    def _key(self, object_class: Any, key_id: bytes) -> Any:
        """Find a key by its id, never by its label; a found handle is kept.

        The search is read to its end, defect 9.
        """
        place = (int(object_class), key_id)
        if place not in self._handles:
            attribute = self.names.constants.Attribute
            wanted = {attribute.CLASS: object_class, attribute.ID: key_id}
            found = list(self.session.get_objects(wanted))
            if len(found) != 1:
                name = "MultipleObjectsReturned" if found else "NoSuchKey"
                raise AdapterError(name, f"{len(found)} keys {key_id.hex()}")
            self._handles[place] = found[0]
        return self._handles[place]

    def private(self, key_id: bytes) -> Any:
        """Find the private half of a signing key."""
        return self._key(self.names.constants.ObjectClass.PRIVATE_KEY, key_id)

    def public(self, key_id: bytes) -> Any:
        """Find the public half of a signing key."""
        return self._key(self.names.constants.ObjectClass.PUBLIC_KEY, key_id)

    def secret(self, key_id: bytes) -> Any:
        """Find a secret key."""
        return self._key(self.names.constants.ObjectClass.SECRET_KEY, key_id)

    def read_public(self, operation: ops.ReadPublic) -> ops.Answer:
        """Read the public half of a signing key from the token."""
        return ops.Answer(self.material(self.public(operation.key_id), operation.algorithm))

    def material(self, public: Any, algorithm: str) -> bytes:
        """Read a public key, bare or inside an OCTET STRING, as devices differ."""
        attribute = self.names.constants.Attribute
        if algorithm == "ml-dsa-44":
            return bytes(public[attribute.VALUE])
        point = bytes(public[attribute.EC_POINT])
        length = _POINT_BYTES[algorithm]
        if len(point) == length + 2 and point[:2] == bytes([_OCTET_STRING, length]):
            return point[2:]
        if len(point) != length:
            raise AdapterError(Names.KEY_CHANGED, f"a public key of {len(point)} bytes")
        return point

    def list_keys(self, _operation: ops.ListKeys) -> ops.Answer:
        """List the keys of the token, private and secret ones too."""
        classes, attribute = self.names.constants.ObjectClass, self.names.constants.Attribute
        kinds = {"public": classes.PUBLIC_KEY, "private": classes.PRIVATE_KEY}
        kinds["secret"] = classes.SECRET_KEY
        held = [
            ops.HeldKey(
                label=key[attribute.LABEL],
                key_id=bytes(key[attribute.ID]),
                kind=kind,
                signs=kind == "private" and bool(key[attribute.SIGN]),
            )
            for kind, object_class in kinds.items()
            for key in list(self.session.get_objects({attribute.CLASS: object_class}))
        ]
        return ops.Answer(keys=tuple(held))
