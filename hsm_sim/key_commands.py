"""What a process does with keys: sign, verify, encrypt, decrypt, wrap, unwrap, attest."""

from hashlib import sha256
from typing import Any

from hsm_sim import crypto
from hsm_sim.attestation import attested
from hsm_sim.constants import Attribute, ObjectClass
from hsm_sim.exceptions import (
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    FunctionNotSupported,
    GeneralError,
    KeyHandleInvalid,
    KeyNotWrappable,
    KeyTypeInconsistent,
    KeyUnextractable,
    MechanismInvalid,
    MechanismParamInvalid,
    PKCS11Error,
    TemplateIncomplete,
    UnwrappingKeyHandleInvalid,
    WrappedKeyInvalid,
    WrappedKeyLenRange,
    WrappingKeyHandleInvalid,
    not_permitted,
)
from hsm_sim.mechanisms import GCMParams, KeyType, Mechanism
from hsm_sim.object_commands import ObjectCommands
from hsm_sim.objects import StoredObject, Template, checked
from hsm_sim.sessions import OpenSession

_GENERATED_HERE = (KeyType.EC, KeyType.EC_EDWARDS, KeyType.ML_DSA)
_KEY_WRAPS = (Mechanism.AES_KEY_WRAP, Mechanism.AES_KEY_WRAP_PAD)
_BROKEN: tuple[type[PKCS11Error], ...] = (
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    WrappedKeyInvalid,
)


class Application(ObjectCommands):
    """A process that has loaded the library, with everything it can ask of the device."""

    def _usable(
        self,
        session: OpenSession,
        handle: int,
        mechanism: Mechanism,
        use: Attribute,
        missing: type[PKCS11Error] = KeyHandleInvalid,
    ) -> StoredObject:
        """Find a key that may be used in this way with this mechanism."""
        self.check_idle(session)
        key = self.object_at(session, handle, missing)
        if not key.has(use):
            raise not_permitted()
        if mechanism not in crypto.KEY_TYPES:
            raise MechanismInvalid(mechanism.name)
        self.check_mechanism(mechanism)
        if crypto.KEY_TYPES[mechanism] is not key.key_type:
            raise KeyTypeInconsistent(f"{mechanism.name} with {key.key_type.name}")
        return key

    def _plainly(self, error: PKCS11Error) -> PKCS11Error:
        """Give the error for broken data as this kind of device words it."""
        return GeneralError() if self.device.profile.general_errors else error

    # Signing ----------------------------------------------------------------------------------

    def sign(self, session_handle: int, handle: int, mechanism: Mechanism, data: bytes) -> bytes:
        """Sign."""
        command = self.about(session_handle, "sign", handle)
        command.digest = sha256(data).digest()

        def work() -> bytes:
            session = self.session(session_handle)
            key = self._usable(session, handle, mechanism, Attribute.SIGN)
            return crypto.sign(mechanism, key.secret, data, self.device.randomness)

        def spoil(kind: str, signature: bytes) -> bytes:
            randomness = self.device.randomness
            if kind == "other_key":
                secret = crypto.new_secret(crypto.KEY_TYPES[mechanism], 0, randomness)
                return crypto.sign(mechanism, secret, data, randomness)
            place = randomness.below("flip", len(signature) * 8)
            number = int.from_bytes(signature, "big") ^ (1 << place)
            return number.to_bytes(len(signature), "big")

        return self.device.run(self, command, work, spoil)

    def verify(
        self,
        session_handle: int,
        handle: int,
        mechanism: Mechanism,
        data: bytes,
        signature: bytes,
    ) -> None:
        """Verify a signature; an error when it is none."""

        def work() -> None:
            session = self.session(session_handle)
            key = self._usable(session, handle, mechanism, Attribute.VERIFY)
            crypto.verify(mechanism, key, data, signature)

        self.device.run(self, self.about(session_handle, "verify", handle), work)

    # Encrypting -------------------------------------------------------------------------------

    def encrypt(
        self,
        session_handle: int,
        handle: int,
        mechanism: Mechanism,
        data: bytes,
        given: GCMParams | None,
    ) -> bytes:
        """Encrypt; a nonce used before for other data is refused and counted."""

        def work() -> bytes:
            session = self.session(session_handle)
            key = self._usable(session, handle, mechanism, Attribute.ENCRYPT)
            if mechanism is Mechanism.AES_GCM and given is not None:
                if self.device.profile.picks_nonces:
                    given.nonce = self.device.randomness.octets("nonce", 12)
                made = crypto.encrypt(mechanism, key.secret, data, given)
                self._count_nonce(key, given, data)
                return made
            return crypto.encrypt(mechanism, key.secret, data, given)

        return self.device.run(self, self.about(session_handle, "encrypt", handle), work)

    def _count_nonce(self, key: StoredObject, given: GCMParams, data: bytes) -> None:
        """Count the nonce under the key's value: a restored copy shares it with the original."""
        place = sha256(key.secret).hexdigest()[:16] + given.nonce.hex()
        context = b"" if given.aad is None else given.aad
        digest = sha256(sha256(context).digest() + data).hexdigest()
        if not self.device.note_nonce(place, digest):
            self.device.nonces_reused += 1
            raise MechanismParamInvalid("this nonce was used for other data")

    def decrypt(
        self,
        session_handle: int,
        handle: int,
        mechanism: Mechanism,
        data: bytes,
        given: GCMParams | None,
    ) -> bytes:
        """Decrypt."""

        def work() -> bytes:
            session = self.session(session_handle)
            key = self._usable(session, handle, mechanism, Attribute.DECRYPT)
            try:
                return crypto.decrypt(mechanism, key.secret, data, given)
            except _BROKEN as error:
                raise self._plainly(error) from None

        return self.device.run(self, self.about(session_handle, "decrypt", handle), work)

    # Wrapping ---------------------------------------------------------------------------------

    def wrap(self, session_handle: int, handle: int, mechanism: Mechanism, target: int) -> bytes:
        """Wrap a key that may leave."""

        def work() -> bytes:
            session = self.session(session_handle)
            by = self._usable(session, handle, mechanism, Attribute.WRAP, WrappingKeyHandleInvalid)
            key = self.object_at(session, target, KeyHandleInvalid)
            if mechanism not in _KEY_WRAPS:
                raise MechanismInvalid(mechanism.name)
            self._check_wrappable(key)
            ids = (by.attributes[Attribute.ID], key.attributes[Attribute.ID])
            self.consent("wrap", *ids)
            encoded = crypto.encoded(key.key_type, key.secret)
            return crypto.encrypt(mechanism, by.secret, encoded, None)

        return self.device.run(self, self.about(session_handle, "wrap", target), work)

    def _check_wrappable(self, key: StoredObject) -> None:
        if key.object_class is ObjectClass.PUBLIC_KEY:
            raise KeyNotWrappable("a public key")
        if not key.has(Attribute.EXTRACTABLE):
            raise KeyUnextractable
        edwards = key.key_type is KeyType.EC_EDWARDS
        if edwards and not self.device.profile.edwards_is_wrapped:
            raise KeyNotWrappable(key.key_type.name)
        if key.key_type is KeyType.ML_DSA or key.has(Attribute.WRAP_WITH_TRUSTED):
            raise KeyNotWrappable(key.key_type.name)

    def unwrap(
        self,
        session_handle: int,
        handle: int,
        mechanism: Mechanism,
        wrapped: bytes,
        template: Template,
    ) -> int:
        """Restore a wrapped key as a new object, whose history says that it came from outside."""

        def work() -> int:
            session = self.session(session_handle)
            by = self._usable(
                session, handle, mechanism, Attribute.UNWRAP, UnwrappingKeyHandleInvalid
            )
            if mechanism not in _KEY_WRAPS:
                raise MechanismInvalid(mechanism.name)
            made = self._restored(by, mechanism, wrapped, template)
            self.check_may_make(session, made.attributes)
            self.consent("unwrap", by.attributes[Attribute.ID], sha256(wrapped).digest())
            return self.keep(session, made)

        return self.device.run(self, self.about(session_handle, "unwrap", handle), work)

    def _restored(
        self, by: StoredObject, mechanism: Mechanism, wrapped: bytes, template: Template
    ) -> StoredObject:
        object_class = ObjectClass(template[Attribute.CLASS])
        hidden = {ObjectClass.SECRET_KEY: (KeyType.AES,), ObjectClass.PRIVATE_KEY: _GENERATED_HERE}
        said: dict[Attribute, Any] = checked(template, object_class, brings_value=False)
        if Attribute.KEY_TYPE not in said:
            raise TemplateIncomplete("KEY_TYPE")
        key_type = said[Attribute.KEY_TYPE]
        if key_type not in hidden.get(object_class, ()):
            raise KeyTypeInconsistent(f"{object_class.name} of {key_type.name}")
        try:
            opened = crypto.unwrap(mechanism, by.secret, wrapped)
            return self.imported(said, crypto.decoded(key_type, opened))
        except WrappedKeyInvalid as error:
            raise self._plainly(error) from None
        except WrappedKeyLenRange:
            raise WrappedKeyLenRange(f"{len(wrapped)} bytes") from None

    # Attesting --------------------------------------------------------------------------------

    def attest(self, session_handle: int, handle: int) -> bytes:
        """Give the certificate of a private key made here, with its chain, as PEM."""

        def work() -> bytes:
            key = self.object_at(self.session(session_handle), handle, KeyHandleInvalid)
            if not self.device.profile.attests:
                raise FunctionNotSupported("this device does not attest")
            if key.object_class is not ObjectClass.PRIVATE_KEY:
                raise KeyTypeInconsistent(key.object_class.name)
            if not key.has(Attribute.LOCAL):
                raise FunctionNotSupported("only keys made here are attested")
            return attested(self.device.state.quorum.serial, key, self.device.time() or 0)

        return self.device.run(self, self.about(session_handle, "attest", handle), work)
