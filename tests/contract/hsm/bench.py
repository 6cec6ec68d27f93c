"""What a contract case works on: one peer's module, one initialised token, and words for both.

Cases speak the object surface of python-pkcs11 and nothing else; a simulator passes by having the
same surface. Every case begins on a token without keys and without sessions.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ledger.signer import operations as ops
from ledger.signer.pkcs11 import Adapter
from ledger.signer.pkcs11_sessions import Namespace

ED25519 = bytes.fromhex("06032b6570")
ED25519_NAME = b"\x13\x0cedwards25519"
P256 = bytes.fromhex("06082a8648ce3d030107")


class Peer(NamedTuple):
    """A module as its setting-up left it."""

    namespace: Namespace
    label: str
    pin: str
    so_pin: str


class Bench:
    """One peer, ready for a case."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.names = peer.namespace
        self.attribute = peer.namespace.constants.Attribute
        self.classes = peer.namespace.constants.ObjectClass
        self.flag = peer.namespace.constants.TokenFlag
        self.uses = peer.namespace.constants.MechanismFlag
        self.unsaid = peer.namespace.constants.DEFAULT
        self.mechanism = peer.namespace.mechanisms.Mechanism
        self.key_type = peer.namespace.mechanisms.KeyType

    # Tokens and sessions ----------------------------------------------------------------------

    def token(self) -> Any:
        return self.names.lib.get_token(token_label=self.peer.label)

    def log_in(self, *, rw: bool = True) -> Any:
        return self.token().open(rw=rw, user_pin=self.peer.pin)

    def start_anew(self) -> None:
        self.names.lib.reinitialize()

    def clear(self) -> None:
        """Destroy what earlier cases left, and their sessions."""
        self.start_anew()
        session = self.log_in()
        for key in list(session.get_objects({})):
            key.destroy()
        self.start_anew()

    def adapter(self, *, log_in: bool = True) -> Adapter:
        adapter = Adapter(self.names)
        if log_in:
            done(adapter.perform(self.log_in_operation()))
        return adapter

    def log_in_operation(self, pin: str = "") -> ops.LogIn:
        return ops.LogIn(pin or self.peer.pin, label=self.peer.label, writes=True)

    # Keys -------------------------------------------------------------------------------------

    def edwards(self, session: Any, curve: bytes = ED25519, **more: Any) -> tuple[Any, Any]:
        """Make an Ed25519 pair that stays; `private` and `public` add to the templates."""
        return self._pair(session, self.key_type.EC_EDWARDS, curve, more)

    def p256(self, session: Any, **more: Any) -> tuple[Any, Any]:
        return self._pair(session, self.key_type.EC, P256, more)

    def _pair(
        self, session: Any, key_type: Any, curve: bytes, more: dict[str, Any]
    ) -> tuple[Any, Any]:
        attribute, unsaid = self.attribute, self.unsaid
        domain = session.create_domain_parameters(
            key_type, {attribute.EC_PARAMS: curve}, local=True
        )
        private = {attribute[name]: unsaid for name in ("DECRYPT", "UNWRAP", "DERIVE")}
        private |= {attribute.EXTRACTABLE: False, attribute.SENSITIVE: True, attribute.SIGN: True}
        public = {attribute[name]: unsaid for name in ("ENCRYPT", "WRAP", "VERIFY")}
        pair = domain.generate_keypair(
            id=more.get("key_id", b"case-key"),
            label=more.get("label", "case"),
            store=more.get("store", True),
            public_template={**public, **more.get("public", {})},
            private_template={**private, **more.get("private", {})},
        )
        return pair[0], pair[1]

    def aes(self, session: Any, uses: str = "ENCRYPT DECRYPT", **more: Any) -> Any:
        """Make an AES-256 key that stays, for the uses named."""
        attribute, unsaid = self.attribute, self.unsaid
        capabilities = 0
        for use in uses.split():
            capabilities |= self.uses[use]
        template = {attribute[name]: unsaid for name in ("SIGN", "VERIFY", "DERIVE")}
        template[attribute.EXTRACTABLE] = more.get("extractable", False)
        return session.generate_key(
            self.key_type.AES,
            256,
            id=more.get("key_id", b"case-aes"),
            label=more.get("label", "case"),
            store=more.get("store", True),
            capabilities=self.uses(capabilities),
            template=template,
        )

    def sealed(self, key: Any, data: bytes, context: bytes | None = b"context") -> bytes:
        return bytes(
            key.encrypt(data, mechanism=self.mechanism.AES_GCM, mechanism_param=self.gcm(context))
        )

    def opened(self, key: Any, data: bytes, context: bytes | None = b"context") -> bytes:
        return bytes(
            key.decrypt(data, mechanism=self.mechanism.AES_GCM, mechanism_param=self.gcm(context))
        )

    def gcm(self, context: bytes | None, nonce: bytes = b"twelve bytes") -> Any:
        return self.names.mechanisms.GCMParams(nonce, context)

    def restored(self, by: Any, wrapped: bytes, **more: Any) -> Any:
        attribute, unsaid = self.attribute, self.unsaid
        template = {attribute[name]: unsaid for name in ("SIGN", "VERIFY", "DERIVE")}
        template |= {attribute.SENSITIVE: True, attribute.EXTRACTABLE: False}
        return by.unwrap_key(
            self.classes.SECRET_KEY,
            self.key_type.AES,
            wrapped,
            id=more.get("key_id", b"restored"),
            label="restored",
            store=True,
            mechanism=self.mechanism.AES_KEY_WRAP,
            capabilities=self.uses.ENCRYPT | self.uses.DECRYPT,
            template=template,
        )

    def point(self, public: Any, length: int) -> bytes:
        """Read a public point, bare or inside an OCTET STRING: both are legal."""
        point = bytes(public[self.attribute.EC_POINT])
        return point[2:] if len(point) == length + 2 else point


@contextmanager
def refused(*names: str) -> Iterator[None]:
    """Expect an error of the library by the name of its class; none named: any error of it."""
    caught: Exception | None = None
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:  # noqa: BLE001  each peer has its own classes; names are looked at
        caught = error
    assert caught is not None, "nothing was refused"
    kinds = [kind.__name__ for kind in type(caught).__mro__]
    assert "PKCS11Error" in kinds, f"{kinds[0]} is not an error of the library"
    assert not names or kinds[0] in names, f"{kinds[0]}, not {' or '.join(names)}: {caught}"


def done(reply: ops.Reply) -> ops.Answer:
    assert isinstance(reply, ops.Answer), reply
    return reply


def fault(reply: ops.Reply) -> str:
    assert isinstance(reply, ops.Fault), reply
    return reply.name


Case = Callable[[Bench], None]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Enter a case into the contract under its own name."""
    assert function.__name__ not in CASES, function.__name__
    CASES[function.__name__] = function
    return function
