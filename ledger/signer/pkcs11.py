"""The adapter to a PKCS#11 module: every call that the product makes to a device is in this file.

It never imports a library. `Namespace` is handed in: the parts of python-pkcs11 (0.10.1) with one
module loaded, or a simulator of the same shape. Whatever holds a `TokenSession` is one process with
one thread and one module; the library initialises modules without locking, so a second thread
would end in a crash.

Known defects of the library, by number, and where they are met here:

1. no locking: one thread, see `driver`;
2. a failed login leaks its session: `log_in` initialises anew after each failure;
3. closing logs out first and, when that fails, leaves the session: `log_out` initialises anew;
4. closing the session that logged in logs out all: it stays open, work is done in a second one;
5. filtering by mechanism finds nothing: never used;
6. one code has no class: `faults.name_of` reads its text;
7. templates say too much for some devices: `DEFAULT` takes the members out;
8. allowed mechanisms cannot be read: never read;
9. `get_key` leaves a search open when it finds two keys; the collector ends it later, in whatever
   session then has that handle, and breaks a search there: every search is read to its end.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from ledger.signer import operations as ops
from ledger.signer.faults import Names, name_of
from ledger.signer.pkcs11_sessions import (
    KEY_ID_BYTES,
    AdapterError,
    Namespace,
    TokenSession,
    key_id_of,
    secret_key_id,
)

NONCE_BYTES = 12
AES_BITS = 256
RETIRED = "-retired"
PARTS_MIN = 2

_ED25519_OID = bytes.fromhex("06032b6570")  # DER of 1.3.101.112
_ED25519_NAME = b"\x13\x0cedwards25519"  # the same as a DER printable string
_P256_OID = bytes.fromhex("06082a8648ce3d030107")
_ML_DSA_44 = 1  # CKP_ML_DSA_44
_OTHER_SPELLING = {
    "AttributeValueInvalid",
    "DomainParamsInvalid",
    "MechanismParamInvalid",
    "TemplateInconsistent",
}


class Adapter:
    """Does the operations of one token, one after another."""

    def __init__(self, namespace: Namespace) -> None:
        """Hold a loaded module; nothing is opened yet."""
        self._token = token = TokenSession(namespace)
        self._names = namespace
        self._does: dict[type[Any], Callable[[Any], ops.Answer]] = {
            ops.LogIn: token.log_in,
            ops.LogOut: token.log_out,
            ops.Reinitialise: token.reinitialise,
            ops.ReadPublic: token.read_public,
            ops.ListKeys: token.list_keys,
            ops.Sign: self._sign,
            ops.Seal: self._seal,
            ops.Unseal: self._unseal,
            ops.Attest: self._attest,
            ops.MakeSigningKey: self._make_signing_key,
            ops.MakeSecretKey: self._make_secret_key,
            ops.WrapKey: self._wrap_key,
            ops.RestoreKey: self._restore_key,
            ops.ImportWrappingKey: self._import_wrapping_key,
            ops.CloseKey: self._close_key,
            ops.RetireKey: self._retire_key,
            ops.DestroyKey: self._destroy_key,
        }

    def perform(self, operation: ops.Operation) -> ops.Reply:
        """Do one operation; every error of the library comes back as a `Fault` by name."""
        try:
            return self._does[type(operation)](operation)
        except Exception as error:  # noqa: BLE001  the library raises far more than its own errors
            name = error.name if isinstance(error, AdapterError) else name_of(error)
            tried = isinstance(operation, ops.LogIn) and self._token.pin_was_tried
            return ops.Fault(name, str(error)[:200], tried)

    # Using keys -------------------------------------------------------------------------------

    def _sign(self, operation: ops.Sign) -> ops.Answer:
        mechanism = self._names.mechanisms.Mechanism
        message = operation.message
        used = {"ed25519": "EDDSA", "ml-dsa-44": "ML_DSA", "p-256": "ECDSA"}[operation.algorithm]
        if operation.algorithm == "p-256":
            message = sha256(message).digest()
        key = self._token.private(operation.key_id)
        return ops.Answer(key.sign(message, mechanism=getattr(mechanism, used)))

    def _seal(self, operation: ops.Seal) -> ops.Answer:
        key = self._sealing_key(operation.key_id)
        return ops.Answer(self._sealed(key, operation))

    def _sealing_key(self, key_id: bytes) -> Any:
        """Find it; that there is none may be the request's fault, for it names the key."""
        try:
            return self._token.secret(key_id)
        except AdapterError as error:
            name = Names.NO_SUCH_SEAL_KEY if error.name == "NoSuchKey" else error.name
            raise AdapterError(name, key_id.hex()) from error

    def _sealed(self, key: Any, operation: ops.Seal) -> bytes:
        mechanism = self._names.mechanisms.Mechanism
        if not operation.with_gcm:
            bound = sha256(operation.context).digest() + operation.data
            return bytes(key.encrypt(bound, mechanism=mechanism.AES_KEY_WRAP_PAD))
        # a fresh nonce at every try: after a lost reply the first one may have been used
        nonce = bytes(self._token.session.generate_random(NONCE_BYTES * 8))
        given = self._names.mechanisms.GCMParams(nonce, operation.context)
        sealed = key.encrypt(operation.data, mechanism=mechanism.AES_GCM, mechanism_param=given)
        return bytes(given.nonce) + bytes(sealed)

    def _unseal(self, operation: ops.Unseal) -> ops.Answer:
        """Open; when that fails, a trial on fresh bytes tells whether the key or the seal is bad.

        Devices give a general error for tampered bytes, so the name of the error says nothing.
        """
        key = self._sealing_key(operation.key_id)
        try:
            return ops.Answer(self._opened(key, operation))
        except AdapterError:
            raise
        except Exception as error:
            trial = ops.Seal(operation.key_id, b"trial", b"trial" * 4, operation.with_gcm)
            sealed = ops.Unseal(trial.key_id, b"trial", self._sealed(key, trial), trial.with_gcm)
            if self._opened(key, sealed) != trial.data:
                raise
            raise AdapterError(Names.SEAL_BROKEN, "these bytes do not open") from error

    def _opened(self, key: Any, operation: ops.Unseal) -> bytes:
        mechanism = self._names.mechanisms.Mechanism
        if not operation.with_gcm:
            bound = bytes(key.decrypt(operation.data, mechanism=mechanism.AES_KEY_WRAP_PAD))
            context = sha256(operation.context).digest()
            if not bound.startswith(context):
                raise AdapterError(Names.SEAL_BROKEN, "sealed for somebody else")
            return bound[len(context) :]
        nonce, sealed = operation.data[:NONCE_BYTES], operation.data[NONCE_BYTES:]
        given = self._names.mechanisms.GCMParams(nonce, operation.context)
        return bytes(key.decrypt(sealed, mechanism=mechanism.AES_GCM, mechanism_param=given))

    def _attest(self, operation: ops.Attest) -> ops.Answer:
        attest = getattr(self._names.lib, "attest", None)
        if attest is None:
            raise AdapterError(Names.NO_ATTESTATION, "this device does not attest")
        key = self._token.private(operation.key_id)
        try:
            return ops.Answer(bytes(attest(key)))
        except self._names.exceptions.FunctionNotSupported as error:
            raise AdapterError(Names.NO_ATTESTATION, "this device does not attest") from error

    # Making, moving and ending keys -----------------------------------------------------------

    def _make_signing_key(self, operation: ops.MakeSigningKey) -> ops.Answer:
        """Make a pair, check its history, name it by its public half; nothing stays of a failure.

        Templates leave out what some devices refuse; the history bits are what counts.
        """
        attribute = self._names.constants.Attribute
        public, private = self._generated(operation)
        try:
            self._assert_born_here(private)
            material = self._token.material(public, operation.algorithm)
            for half in (public, private):
                half[attribute.ID] = key_id_of(material)
        except Exception:
            for half in (private, public):
                half.destroy()
            raise
        return ops.Answer(material)

    def _assert_born_here(self, private: Any) -> None:
        for history in ("LOCAL", "SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE"):
            if not private[self._names.constants.Attribute[history]]:
                raise AdapterError(Names.KEY_HISTORY, f"{history} is false on a new key")

    def _generated(self, operation: ops.MakeSigningKey) -> tuple[Any, Any]:
        *first, last = self._spellings(operation.algorithm)
        for spelling in first:
            try:
                return self._generate(operation.label, *spelling)
            except Exception as error:
                if name_of(error) not in _OTHER_SPELLING:
                    raise
        return self._generate(operation.label, *last)

    def _spellings(self, algorithm: str) -> list[tuple[Any, dict[Any, Any], dict[Any, Any]]]:
        """List (key type, parameters, more of the public template), as devices differ."""
        types, attribute = self._names.mechanisms.KeyType, self._names.constants.Attribute
        match algorithm:
            case "ed25519":
                names = (_ED25519_OID, _ED25519_NAME)
                return [(types.EC_EDWARDS, {attribute.EC_PARAMS: name}, {}) for name in names]
            case "p-256":
                return [(types.EC, {attribute.EC_PARAMS: _P256_OID}, {})]
            case "ml-dsa-44":
                return [(types.ML_DSA, {}, {attribute.PARAMETER_SET: _ML_DSA_44})]
            case _:
                raise AdapterError("MechanismInvalid", f"no such algorithm: {algorithm}")

    def _generate(
        self, label: str, key_type: Any, parameters: dict[Any, Any], public: dict[Any, Any]
    ) -> tuple[Any, Any]:
        attribute, unsaid = self._names.constants.Attribute, self._names.constants.DEFAULT
        domain = self._token.session.create_domain_parameters(key_type, parameters, local=True)
        said_nothing = {attribute[name]: unsaid for name in ("ENCRYPT", "WRAP", "VERIFY")}
        private = {attribute[name]: unsaid for name in ("DECRYPT", "UNWRAP", "DERIVE")}
        private |= {attribute.SENSITIVE: True, attribute.EXTRACTABLE: False, attribute.SIGN: True}
        pair = domain.generate_keypair(
            id=bytes(self._token.session.generate_random(KEY_ID_BYTES * 8)),
            label=label,
            store=True,
            public_template={**said_nothing, **public},
            private_template=private,
        )
        return pair[0], pair[1]

    def _make_secret_key(self, operation: ops.MakeSecretKey) -> ops.Answer:
        self._refuse_second(operation.label)
        self._token.session.generate_key(
            self._names.mechanisms.KeyType.AES,
            AES_BITS,
            id=secret_key_id(operation.label),
            label=operation.label,
            store=True,
            capabilities=self._uses(wraps=operation.wraps),
            template=self._secret_template(extractable=operation.extractable),
        )
        return ops.Answer(secret_key_id(operation.label))

    def _refuse_second(self, label: str) -> None:
        """Refuse a label that is taken: PKCS#11 itself would make a second key of that name."""
        attribute = self._names.constants.Attribute
        wanted = {attribute.ID: secret_key_id(label)}
        if list(self._token.session.get_objects(wanted)):
            raise AdapterError("MultipleObjectsReturned", f"there is a key {label} already")

    def _uses(self, *, wraps: bool) -> Any:
        flag = self._names.constants.MechanismFlag
        return flag.WRAP | flag.UNWRAP if wraps else flag.ENCRYPT | flag.DECRYPT

    def _secret_template(self, *, extractable: bool) -> dict[Any, Any]:
        attribute, unsaid = self._names.constants.Attribute, self._names.constants.DEFAULT
        template = {attribute[name]: unsaid for name in ("SIGN", "VERIFY", "DERIVE")}
        return {**template, attribute.SENSITIVE: True, attribute.EXTRACTABLE: extractable}

    def _wrap_key(self, operation: ops.WrapKey) -> ops.Answer:
        by, key = self._token.secret(operation.by_id), self._token.secret(operation.key_id)
        mechanism = self._names.mechanisms.Mechanism
        return ops.Answer(by.wrap_key(key, mechanism=mechanism.AES_KEY_WRAP))

    def _restore_key(self, operation: ops.RestoreKey) -> ops.Answer:
        self._refuse_second(operation.label)
        self._token.secret(operation.by_id).unwrap_key(
            self._names.constants.ObjectClass.SECRET_KEY,
            self._names.mechanisms.KeyType.AES,
            operation.wrapped,
            id=secret_key_id(operation.label),
            label=operation.label,
            store=True,
            mechanism=self._names.mechanisms.Mechanism.AES_KEY_WRAP,
            capabilities=self._uses(wraps=False),
            template=self._secret_template(extractable=False),
        )
        return ops.Answer(secret_key_id(operation.label))

    def _import_wrapping_key(self, operation: ops.ImportWrappingKey) -> ops.Answer:
        self._refuse_second(operation.label)
        attribute, value = self._names.constants.Attribute, 0
        for part in operation.parts:
            if len(part) != AES_BITS // 8:
                raise AdapterError("KeySizeRange", "each part has 32 bytes")
            value ^= int.from_bytes(part, "big")
        if len(operation.parts) < PARTS_MIN or value == 0:
            raise AdapterError("KeySizeRange", "two officers give two different parts")
        self._token.session.create_object(
            {
                attribute.CLASS: self._names.constants.ObjectClass.SECRET_KEY,
                attribute.KEY_TYPE: self._names.mechanisms.KeyType.AES,
                attribute.VALUE: value.to_bytes(AES_BITS // 8, "big"),
                attribute.ID: secret_key_id(operation.label),
                attribute.LABEL: operation.label,
                attribute.TOKEN: True,
                attribute.PRIVATE: True,
                attribute.SENSITIVE: True,
                attribute.EXTRACTABLE: False,
                attribute.WRAP: True,
                attribute.UNWRAP: True,
            }
        )
        return ops.Answer(secret_key_id(operation.label))

    def _close_key(self, operation: ops.CloseKey) -> ops.Answer:
        self._token.secret(operation.key_id)[self._names.constants.Attribute.EXTRACTABLE] = False
        return ops.Answer()

    def _retire_key(self, operation: ops.RetireKey) -> ops.Answer:
        """Forbid signing, then mark the label; doing it twice changes nothing."""
        attribute = self._names.constants.Attribute
        private = self._token.private(operation.key_id)
        private[attribute.SIGN] = False
        if not private[attribute.LABEL].endswith(RETIRED):
            private[attribute.LABEL] = private[attribute.LABEL] + RETIRED
        self._token.forget()
        return ops.Answer()

    def _destroy_key(self, operation: ops.DestroyKey) -> ops.Answer:
        attribute = self._names.constants.Attribute
        found = list(self._token.session.get_objects({attribute.ID: operation.key_id}))
        self._token.forget()
        if not found:
            raise AdapterError("NoSuchKey", "nothing to destroy")
        for key in found:
            key.destroy()
        return ops.Answer()
