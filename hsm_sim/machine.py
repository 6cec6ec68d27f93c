"""The simulated device with everything that a person, or a bad day, does to it.

>>> machine = Machine(profile="full", seed=7)
>>> machine.init_token(0, "a", so_pin="12345678", pin="123456")
>>> names = machine.library()
>>> with names.lib.get_token(token_label="a").open(rw=True, user_pin="123456") as session:
...     key = session.generate_key(names.mechanisms.KeyType.AES, 256, label="kek")
>>> [entry.operation for entry in machine.audit_log()]
['boot', 'init_token', 'login', 'generate_key', 'logout']

Keys of a simulated device are for tests and demonstrations: whoever knows its seed has them all.
"""

import hmac
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hsm_sim import constants, exceptions, mechanisms, util
from hsm_sim.attestation import root_certificate
from hsm_sim.audit import AuditEntry, AuditLog, Unlogged
from hsm_sim.clock import DAY, SECOND, Clock, DeviceClock, VirtualClock
from hsm_sim.constants import UserType
from hsm_sim.device import Command, Device
from hsm_sim.exceptions import DeviceError, PinIncorrect
from hsm_sim.faults import FaultPlan
from hsm_sim.key_commands import Application
from hsm_sim.library import Library, Namespace
from hsm_sim.officers import Consent, Quorum, parameter_hash
from hsm_sim.profiles import PROFILES
from hsm_sim.sessions import check_pin_length, pin_digest
from hsm_sim.state import DeviceState, StateFile, TokenState

OFFICERS = ("officer-1", "officer-2", "officer-3")
_CONSENT_US = 3_600 * SECOND


class Machine:
    """One simulated device."""

    def __init__(
        self,
        profile: str = "full",
        seed: int = 0,
        clock: Clock | None = None,
        state: Path | str | None = None,
        slots: int = 2,
    ) -> None:
        """Build the device of a seed, or load it from its file where there is one.

        With `state` everything that outlasts power is written to that file as it happens. Raises
        ValueError for an unknown profile, `StateRefused` for the file of another device.
        """
        if profile not in PROFILES:
            raise ValueError(f"no such profile: {profile}")
        self._seed = seed
        self.clock = VirtualClock() if clock is None else clock
        kind = PROFILES[profile]
        serials = [self._digest(f"serial/{number}")[:8].hex() for number in range(slots)]
        quorum = Quorum(self._digest("serial")[:8].hex().encode(), kind.quorum_needed)
        fresh = DeviceState(
            profile=profile,
            tokens=[TokenState(serial) for serial in serials],
            quorum=quorum,
            audit=AuditLog(kind.audit_slots, forced=kind.audit_forced),
            clock=DeviceClock(since=self.clock.now()),
            phase="unprovisioned" if kind.has_states else "operational",
        )
        file = None if state is None else StateFile(Path(state), seed)
        is_known = file is not None and file.exists()
        held = file.load(fresh) if file is not None and is_known else fresh
        held.starts += 1
        self._device = Device(kind, seed, self.clock, held)
        self._device.file = file
        for officer in OFFICERS if kind.quorum and not is_known else ():
            self.enrol(officer, self._officer_key(officer).public_key().public_bytes_raw())
        if file is not None:
            file.rewrite(held)
        if not is_known:
            self._device.log(Command("boot"), 0)

    def _digest(self, purpose: str) -> bytes:
        return sha256(f"hsm_sim/{self._seed}/{purpose}".encode()).digest()

    # What a program sees ----------------------------------------------------------------------

    def library(self) -> Namespace:
        """Load the library, as a process of its own would."""
        library = Library(Application(self._device))
        return Namespace(library, exceptions, constants, mechanisms, util)

    # Setting up -------------------------------------------------------------------------------

    def init_token(self, slot: int, label: str, *, so_pin: str, pin: str) -> None:
        """Initialise a token: its objects and all sessions are gone, its PINs are new.

        A token that is initialised already asks for its security officer's PIN first; a wrong one
        is `PinIncorrect` and counts.
        """
        with self._device.lock:
            if self.phase not in {"operational", "provisioned"}:
                raise DeviceError(f"the device is {self.phase}")
            token = self._device.state.tokens[slot]
            for text in (so_pin, pin):
                check_pin_length(text.encode())
            if token.is_initialised:
                Application(self._device).try_pin(token, UserType.SO, so_pin.encode())
            for process in self._device.processes:
                process.lose_power(None)
            self._wipe(token)
            token.label = label
            token.so_pin = pin_digest(token, UserType.SO.name, so_pin.encode())
            token.user_pin = pin_digest(token, UserType.USER.name, pin.encode())
            self._device.log(Command("init_token", slot), 0)
            self._device.save()

    @staticmethod
    def _wipe(token: TokenState) -> None:
        token.objects.clear()
        token.label, token.so_pin, token.user_pin = "", b"", b""
        token.so_failures = token.user_failures = token.unclean = token.locked_at = 0

    @property
    def phase(self) -> str:
        """Name the state: unprovisioned, provisioned, locked, operational, or removed."""
        return self._device.phase

    def provision(self, unlock_code: str, *, attended: bool = True) -> None:
        """Set up a device with states; attended, it waits locked after every start."""
        if self.phase != "unprovisioned":
            raise DeviceError(f"the device is {self.phase}")
        self._device.state.unlock_code = self._digest(unlock_code)
        self._device.state.attended = attended
        self._become("provisioned")

    def unlock(self, unlock_code: str) -> None:
        """Let the device work; `PinIncorrect` when the code is another."""
        if self.phase not in {"provisioned", "locked"}:
            raise DeviceError(f"the device is {self.phase}")
        if not hmac.compare_digest(self._device.state.unlock_code, self._digest(unlock_code)):
            raise PinIncorrect("not the unlock code")
        self._become("operational")

    def lock(self) -> None:
        """Stop the device working until an operator unlocks it."""
        if not self._device.profile.has_states or self.phase != "operational":
            raise DeviceError(f"the device is {self.phase}")
        self._forget_sessions()
        self._become("locked")

    def _become(self, phase: str) -> None:
        self._device.state.phase = phase
        self._device.log(Command(phase), 0)
        self._device.save()

    def _forget_sessions(self) -> None:
        for process in self._device.processes:
            process.lose_power(DeviceError)

    # Officers ---------------------------------------------------------------------------------

    def _officer_key(self, officer: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._digest(f"officer/{officer}"))

    def enrol(self, officer: str, public_key: bytes) -> None:
        """Make somebody an officer of this device."""
        self._device.state.quorum.keys[officer] = public_key
        self._device.save()

    def consent(
        self, officer: str, operation: str, *parts: bytes, number: int, expires_at: int = 0
    ) -> Consent:
        """Sign a consent with the key of one of the test officers; expiry is device time.

        The parts of the parameters: wrap (id of the wrapping key, id of the key); unwrap (id,
        SHA-256 of the wrapped key); set_attribute (id, ``0x3='value'``). Without
        an expiry: one hour.
        """
        until = expires_at or (self.device_time() or 0) + _CONSENT_US
        asked = Consent(officer, operation, parameter_hash(*parts), until, number)
        return asked.signed(self._officer_key(officer), self._device.state.quorum.serial)

    def approve(self, consent: Consent) -> None:
        """Hand a consent to the device; ValueError when it is forged or was given before."""
        self._device.state.quorum.give(consent)
        self._device.save()

    # Bad days ---------------------------------------------------------------------------------

    @property
    def faults(self) -> FaultPlan:
        """Give the plan of what goes wrong."""
        return self._device.faults

    def on_hang(self, callback: Callable[[str], None] | None, *, passes_us: int = DAY) -> None:
        """Ask `callback` (with the operation) instead of blocking until the process is killed.

        It may raise; when it returns, so much time passes on the clock, longer than any deadline,
        and the call ends in `faults.Hung`, which no device and no library gives.
        """
        self._device.on_hang, self._device.hang_us = callback, passes_us

    def power_cut(self, during: str | None = None) -> None:
        """Cut the power, now or during the next such operation, whose work the seed decides."""
        if during is None:
            self._device.power_cut()
        else:
            self.faults.add("power_cut", during)

    def restart(self) -> None:
        """Shut down in good order and start again."""
        self._device.restart()

    def remove(self) -> None:
        """Pull the device out."""
        self._device.remove()

    def insert(self) -> None:
        """Put the device back; it starts."""
        self._device.insert()

    def lose_connection(self) -> None:
        """Cut every process off until it initialises its library anew."""
        for process in self._device.processes:
            process.lose_connection()

    def tamper(self) -> None:
        """Open the case: all keys are gone and the tokens are as from the factory."""
        with self._device.lock:
            self._forget_sessions()
            for token in self._device.state.tokens:
                self._wipe(token)
            if self._device.profile.has_states:
                self._device.state.phase = "unprovisioned"
            self._device.log(Command("tamper"), 0)
            self._device.save()

    # What it tells ----------------------------------------------------------------------------

    def audit_log(self) -> tuple[AuditEntry, ...]:
        """Read the audit log; a device with few places then has them free again."""
        return self._device.read_log()

    @property
    def unlogged(self) -> Unlogged:
        """Tell what happened while the audit log was full."""
        return self._device.state.audit.unlogged

    @property
    def nonces_used(self) -> int:
        """Count the nonces of AES-GCM."""
        return len(self._device.state.nonces)

    @property
    def nonces_reused(self) -> int:
        """Count the tries to use one nonce for two messages: each was refused, none may happen."""
        return self._device.nonces_reused

    def attestation_root(self) -> bytes:
        """Give the test root of attestations, as PEM."""
        return root_certificate()

    # Time and the file ------------------------------------------------------------------------

    def device_time(self) -> int | None:
        """Read the device's own clock; None when it has none."""
        return self._device.time()

    def set_clock(self, *, offset_us: int = 0, drift_ppm: int = 0, present: bool = True) -> None:
        """Set the device's clock apart from the host's, let it drift, or take it away."""
        now = self.clock.now()
        self._device.state.clock = DeviceClock(offset_us, drift_ppm, present, now)
        self._device.save()

    def save(self, path: Path | str | None = None) -> None:
        """Write the device to its file, or to another one."""
        if path is not None:
            StateFile(Path(path), self._seed).rewrite(self._device.state)
        else:
            self._device.save()
