"""One device with its circuit breaker: what is done about each class of fault.

A device is **up**, **cooling** (rested after a fault; asked again after 5 s, then 10, 20, 40, at
most 60 s) or **blocked** (no further try until a person acts). A rest is for the time when another
device does the work: where none can, a cooling device is asked once a second.

One request is one incident at most: in it at most one PIN is tried, and a PIN that may have been
wrong is never tried again by itself. A token that stands before its last try is left alone.

Nothing leaves a device unverified: public keys are pinned, read again at every login, and each
signature is checked against them here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from ledger.kernel.errors import Misconfigured
from ledger.kernel.instants import SECOND, Clock
from ledger.signer import operations as ops
from ledger.signer.driver import Driver
from ledger.signer.faults import FaultClass, Names, fault_class
from ledger.signer.pkcs11_sessions import key_id_of
from ledger.signer.ports import DeviceState, PublicKey

COOL_DOWN_MIN = 5 * SECOND
COOL_DOWN_MAX = 60 * SECOND
LAST_RESORT_AFTER = SECOND
BUSY_TRIES = 3
LOG_INS_MAX = 4
P256_SIGNATURE_BYTES = 64


class DeviceOut(Exception):
    """This device cannot do it now; never leaves the key ring, which asks the other device."""

    def __init__(self, device: str, fault: ops.Fault) -> None:
        super().__init__(f"device {device}: {fault.name}")
        self.fault = fault


class Deadlines(msgspec.Struct, frozen=True):
    """How long one operation may take before its driver is ended, in seconds."""

    sign_s: float = 0.4
    seal_s: float = 1.0
    log_in_s: float = 5.0
    start_s: float = 10.0


class DeviceSettings(msgspec.Struct, frozen=True):
    """One device: where it is found, its PIN, its pinned signing keys."""

    device: str  # "a" or "b"
    pin: str
    serial: str = ""
    label: str = ""
    has_gcm: bool = True
    counts_pins: bool = True  # whether its flags show that a wrong PIN was tried
    keys: tuple[PublicKey, ...] = ()
    deadlines: Deadlines = Deadlines()


class Surroundings(NamedTuple):
    """What the composition root gives: time, waiting, chance."""

    clock: Clock
    pause: Callable[[float], None]
    chance: Callable[[], float]  # 0 <= chance < 1


def verifies(key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature is this key's; one of P-256 is r and s, 32 bytes each."""
    try:
        match key.algorithm:
            case "ed25519":
                Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
            case "ml-dsa-44":
                MLDSA44PublicKey.from_public_bytes(key.public_key).verify(signature, message)
            case "p-256":
                point = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), key.public_key)
                point.verify(_as_der(signature), message, ECDSA(SHA256()))
            case unknown:
                raise Misconfigured(f"key {key.label}: no such algorithm: {unknown}")
    except InvalidSignature:
        return False
    return True


def _as_der(signature: bytes) -> bytes:
    if len(signature) != P256_SIGNATURE_BYTES:
        raise InvalidSignature
    half = P256_SIGNATURE_BYTES // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    return encode_dss_signature(r, s)


class _Chances:
    """What may still be done within one request."""

    def __init__(self) -> None:
        self.again = True
        self.pin = True
        self.log_ins = 0
        self.second_signature = True
        self.waits = 0

    @property
    def log_in(self) -> bool:
        """Whether to log in: no PIN was tried yet, and not for ever without reaching the PIN."""
        return self.pin and self.log_ins < LOG_INS_MAX


class Device:
    """One device behind its breaker."""

    def __init__(self, settings: DeviceSettings, driver: Driver, around: Surroundings) -> None:
        """Hold a device; its driver and its login start with the first request."""
        self.settings = settings
        self.pin_tries = 0
        self._driver = driver
        self._around = around
        self._is_in = False
        self._pin_is_proven = False
        self._pin_is_in_doubt = False
        self._cool_down = COOL_DOWN_MIN
        self._ask_again_at = 0
        self._is_last_resort = False
        self._state = DeviceState(settings.device, "up", "", around.clock.now())

    @property
    def name(self) -> str:
        """The letter of the device."""
        return self.settings.device

    @property
    def state(self) -> DeviceState:
        """How the device stands."""
        return self._state

    @contextmanager
    def as_last_resort(self, *, is_early: bool) -> Iterator[None]:
        """Ask a cooling device before its rest is over, because no other can do the work."""
        self._is_last_resort = is_early
        try:
            yield
        finally:
            self._is_last_resort = False

    def unblock(self) -> None:
        """Let a blocked device be asked again: a person has looked, and allows one PIN try."""
        self._pin_is_proven, self._pin_is_in_doubt = True, False
        self._driver.stop()
        self._is_in = False
        self._become("up", self._state.last_error)

    # Requests ---------------------------------------------------------------------------------

    def sign(self, key: PublicKey, message: bytes) -> bytes:
        """Sign with a pinned key; the signature verifies. Raises DeviceOut."""
        operation = ops.Sign(bytes.fromhex(key.key_id), key.algorithm, message)

        def check(answer: ops.Answer) -> ops.Reply:
            if verifies(key, message, answer.data):
                return answer
            return ops.Fault(Names.WRONG_SIGNATURE, f"by {key.label}")

        return self._perform(operation, self.settings.deadlines.sign_s, check).data

    def perform(self, operation: ops.Operation) -> ops.Answer:
        """Do another operation that may be repeated: sealing, reading. Raises DeviceOut."""
        return self._perform(operation, self.settings.deadlines.seal_s, lambda answer: answer)

    def _perform(
        self,
        operation: ops.Operation,
        deadline_s: float,
        check: Callable[[ops.Answer], ops.Reply],
    ) -> ops.Answer:
        self._refuse_when_out()
        chances = _Chances()
        while True:
            reply = self._try(operation, deadline_s, chances)
            if isinstance(reply, ops.Answer):
                reply = check(reply)
            if isinstance(reply, ops.Answer):
                self._be_well()
                return reply
            if not self._mend(reply, chances):
                raise DeviceOut(self.name, reply)

    def _refuse_when_out(self) -> None:
        until = self._ask_again_at
        if self._is_last_resort:
            until = min(until, self._state.since + LAST_RESORT_AFTER)
        resting = self._state.state == "cooling" and self._around.clock.now() < until
        if self._state.state == "blocked" or resting:
            raise DeviceOut(self.name, ops.Fault(self._state.last_error))

    def _try(self, operation: ops.Operation, deadline_s: float, chances: _Chances) -> ops.Reply:
        if not self._is_in:
            fault = self._log_in(chances)
            if fault is not None:
                return fault
        return self._driver.call(operation, deadline_s)

    # Faults -----------------------------------------------------------------------------------

    def _mend(self, fault: ops.Fault, chances: _Chances) -> bool:
        """React to a fault; True when the request may be tried once more."""
        match fault_class(fault.name):
            case FaultClass.REQUEST:
                self._be_well()
                return False
            case FaultClass.SESSION:
                self._is_in = False
                return chances.log_in or self._rest(fault)
            case FaultClass.DEVICE:
                return self._mend_device(fault, chances)
            case FaultClass.BUSY:
                return self._wait(chances) or self._rest(fault)
            case FaultClass.WRONG_SIGNATURE:
                again, chances.second_signature = chances.second_signature, False
                return again or self._block(fault)
            case FaultClass.HANG:
                self._driver.stop()
                self._is_in = False
                return self._rest(fault)
            case FaultClass.OPERATOR | FaultClass.KEY_CHANGED:
                return self._block(fault)

    def _mend_device(self, fault: ops.Fault, chances: _Chances) -> bool:
        """First try again as it is; then initialise anew and try; then let it rest."""
        if fault.name == Names.DIED:
            self._is_in = False
        if chances.again and (self._is_in or chances.log_in):
            chances.again = False
            return True
        self._is_in = False
        if not chances.log_in:
            return self._rest(fault)
        anew = self._driver.call(ops.Reinitialise(), self.settings.deadlines.start_s)
        return isinstance(anew, ops.Answer) or self._rest(fault)

    def _wait(self, chances: _Chances) -> bool:
        """Wait a little, longer each time and never in step with others; False after three."""
        chances.waits += 1
        if chances.waits > BUSY_TRIES:
            return False
        self._around.pause(0.02 * 2**chances.waits * (0.5 + self._around.chance() / 2))
        return True

    def _log_in(self, chances: _Chances) -> ops.Fault | None:
        """Log in, once within a request, and compare the pinned keys; None when all is well."""
        if not chances.log_in:
            return ops.Fault("UserNotLoggedIn", "the one login of this request is used up")
        chances.log_ins += 1
        settings = self.settings
        if self._pin_is_in_doubt and not (self._pin_is_proven or settings.counts_pins):
            return ops.Fault(Names.PIN_GUARD, "the last try had no clear answer")
        proven = self._pin_is_proven and not self._pin_is_in_doubt
        operation = ops.LogIn(settings.pin, settings.serial, settings.label, pin_is_proven=proven)
        reply = self._driver.call(operation, settings.deadlines.log_in_s)
        if isinstance(reply, ops.Fault):
            # of a driver that died or hung nobody knows how far it came
            if reply.pin_was_tried or reply.name in {Names.DIED, Names.HUNG}:
                chances.pin, self._pin_is_in_doubt = False, True
                self.pin_tries += 1
            return reply
        chances.pin, self._pin_is_in_doubt, self._pin_is_proven = False, False, True
        self.pin_tries += 1
        fault = self._compare_keys()
        self._is_in = fault is None
        return fault

    def _compare_keys(self) -> ops.Fault | None:
        for key in self.settings.keys:
            operation = ops.ReadPublic(key_id_of(key.public_key), key.algorithm)
            reply = self._driver.call(operation, self.settings.deadlines.seal_s)
            if isinstance(reply, ops.Fault):
                return reply
            if reply.data != key.public_key:
                return ops.Fault(Names.KEY_CHANGED, key.label)
        return None

    # States -----------------------------------------------------------------------------------

    def _be_well(self) -> None:
        self._cool_down = COOL_DOWN_MIN
        if self._state.state != "up":
            self._become("up", self._state.last_error)

    def _rest(self, fault: ops.Fault) -> bool:
        """Open the breaker; each time in a row for twice as long. Always False."""
        self._ask_again_at = self._around.clock.now() + self._cool_down
        self._cool_down = min(2 * self._cool_down, COOL_DOWN_MAX)
        self._is_in = False
        self._become("cooling", fault.name)
        return False

    def _block(self, fault: ops.Fault) -> bool:
        """Ask no more until a person acts. Always False."""
        self._is_in = False
        self._become("blocked", fault.name)
        return False

    def _become(self, state: str, error: str) -> None:
        self._state = DeviceState(self.name, state, error, self._around.clock.now())
