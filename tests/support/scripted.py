"""A driver that does what its script says: a device with exact faults at exact operations."""

from collections import Counter
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.signer import operations as ops
from ledger.signer.faults import Names
from ledger.signer.pkcs11_sessions import key_id_of, secret_key_id

RIGHT_PIN = "123456"


class Trouble(NamedTuple):
    """A fault at an operation: how often, before the work or after it."""

    name: str
    operation: str = "Sign"
    times: int = 1
    after: bool = False


class ScriptedDriver:
    """A token with one session, a PIN counter, one signing key per label and two sealing keys."""

    def __init__(self, labels: tuple[str, ...], seed: int = 1, pin: str = RIGHT_PIN) -> None:
        self.pin = pin
        self.keys = {
            label: Ed25519PrivateKey.from_private_bytes(bytes([seed, place]) * 16)
            for place, label in enumerate(labels)
        }
        self.kek = AESGCM(bytes([7]) * 32)
        self.keks = {secret_key_id("seal-1")} | {
            secret_key_id(f"{kind}-kek-{epoch}") for kind in ("pii", "invoice") for epoch in (1, 2)
        }
        self.troubles: list[Trouble] = []
        self.calls: Counter[str] = Counter()
        self.pins_tried: list[str] = []
        self.flags_wrong_pin = False
        self.shows_flags = True
        self.is_in = False
        self.stops = 0
        self.flips = 0
        self.nonces: set[bytes] = set()

    def trouble(self, *troubles: Trouble) -> None:
        self.troubles += troubles

    def public(self, label: str) -> bytes:
        return self.keys[label].public_key().public_bytes_raw()

    def call(self, operation: ops.Operation, deadline_s: float) -> ops.Reply:
        name = type(operation).__name__
        self.calls[name] += 1
        assert deadline_s > 0
        due = next((each for each in self.troubles if each.operation == name), None)
        if due is not None:
            self.troubles.remove(due)
            if due.times > 1:
                self.troubles.append(due._replace(times=due.times - 1))
            if due.after:
                self._do(operation)
            tried = isinstance(operation, ops.LogIn) and due.after
            if due.name in {Names.HUNG, Names.DIED}:
                self.stop()
            return ops.Fault(due.name, "scripted", tried)
        return self._do(operation)

    def stop(self) -> None:
        self.stops += 1
        self.is_in = False

    def _do(self, operation: ops.Operation) -> ops.Reply:
        match operation:
            case ops.LogIn():
                return self._log_in(operation)
            case ops.Reinitialise() | ops.LogOut():
                self.is_in = False
                return ops.Answer()
            case _ if not self.is_in:
                return ops.Fault("SessionClosed")
            case ops.Sign():
                return self._sign(operation)
            case ops.ReadPublic():
                found = [k for k in self.keys if key_id_of(self.public(k)) == operation.key_id]
                return ops.Answer(self.public(found[0])) if found else ops.Fault("NoSuchKey")
            case ops.Seal() | ops.Unseal() if operation.key_id not in self.keks:
                return ops.Fault(Names.NO_SUCH_SEAL_KEY)
            case ops.Seal():
                nonce = len(self.nonces).to_bytes(12, "big")
                self.nonces.add(nonce)
                context = operation.key_id + operation.context
                return ops.Answer(nonce + self.kek.encrypt(nonce, operation.data, context))
            case ops.Unseal():
                nonce, sealed = operation.data[:12], operation.data[12:]
                try:
                    context = operation.key_id + operation.context
                    return ops.Answer(self.kek.decrypt(nonce, sealed, context))
                except InvalidTag:
                    return ops.Fault(Names.SEAL_BROKEN)
            case _:
                return ops.Fault(Names.NO_ATTESTATION)

    def _log_in(self, operation: ops.LogIn) -> ops.Reply:
        if self.shows_flags and self.flags_wrong_pin and not operation.pin_is_proven:
            return ops.Fault(Names.PIN_GUARD)
        self.pins_tried.append(operation.pin)
        if operation.pin != self.pin:
            self.flags_wrong_pin = True
            return ops.Fault("PinIncorrect", pin_was_tried=True)
        self.flags_wrong_pin, self.is_in = False, True
        return ops.Answer(b"serial")

    def _sign(self, operation: ops.Sign) -> ops.Reply:
        for label, key in self.keys.items():
            if key_id_of(self.public(label)) == operation.key_id:
                signature = key.sign(operation.message)
                if self.flips:
                    self.flips -= 1
                    return ops.Answer(bytes([signature[0] ^ 1]) + signature[1:])
                return ops.Answer(signature)
        return ops.Fault("NoSuchKey")
