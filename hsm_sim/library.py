"""The library as a program sees it: slots, tokens, and the namespace that an adapter is given.

A namespace has `lib` (the library with one module loaded), `exceptions`, `constants`, `mechanisms`
and `util`. python-pkcs11 has the same shape once `lib` is a loaded module::

    Namespace(pkcs11.lib(path), pkcs11.exceptions, pkcs11.constants, pkcs11.mechanisms, pkcs11.util)

As in that package, every name of the parts is also a name of the namespace itself.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from hsm_sim import defaults
from hsm_sim.constants import MechanismFlag, SlotFlag, TokenFlag, UserType
from hsm_sim.device import Command
from hsm_sim.exceptions import (
    ArgumentsBad,
    MechanismInvalid,
    MultipleTokensReturned,
    NoSuchToken,
    TokenNotPresent,
    TokenNotRecognised,
)
from hsm_sim.identity import IdentifiedBy, override
from hsm_sim.key_commands import Application
from hsm_sim.keys import Key
from hsm_sim.mechanisms import Mechanism
from hsm_sim.session import Session
from hsm_sim.sessions import is_locked

MANUFACTURER = "Mobile Grid"
_SIGNS = frozenset({Mechanism.EDDSA, Mechanism.ECDSA, Mechanism.ECDSA_SHA256, Mechanism.ML_DSA})
_VERSION = (1, 0)


@dataclass(frozen=True)
class Namespace:
    """The parts of a PKCS#11 package, with one module loaded as `lib`."""

    lib: Any
    exceptions: Any
    constants: Any
    mechanisms: Any
    util: Any = None

    def __getattr__(self, name: str) -> Any:
        for part in (self.constants, self.mechanisms, self.exceptions):
            if not name.startswith("_") and hasattr(part, name):
                return getattr(part, name)
        raise AttributeError(name)


@dataclass(frozen=True)
class MechanismInfo:
    """What a device says of a mechanism."""

    slot: "Slot"
    mechanism: Mechanism
    min_key_length: int
    max_key_length: int
    flags: MechanismFlag


class Slot(IdentifiedBy):
    """A slot, with or without a token."""

    manufacturer_id = MANUFACTURER
    hardware_version = firmware_version = _VERSION
    cryptoki_version = (2, 40)

    def __init__(self, process: Application, slot_id: int) -> None:
        self._process = process
        self.slot_id = slot_id
        self.slot_description = f"hsm_sim {process.device.profile.name} {slot_id}"
        is_here = process.device.phase in {"operational", "unprovisioned"}
        flags = SlotFlag.HW_SLOT | SlotFlag.REMOVABLE_DEVICE
        self.flags = flags | SlotFlag.TOKEN_PRESENT if is_here else flags

    @override
    def _identity(self) -> Hashable:
        return "slot", self.slot_id

    def get_token(self) -> "Token":
        """Give the token in the slot, as it stands now."""
        command = Command("get_token", self.slot_id)
        return self._process.device.run(self._process, command, lambda: Token(self._process, self))

    def get_mechanisms(self) -> set[Mechanism]:
        """Give what the device can do."""
        return set(self._process.device.profile.mechanisms)

    def get_mechanism_info(self, mechanism: Mechanism) -> MechanismInfo:
        """Tell more about a mechanism."""
        if mechanism not in self.get_mechanisms():
            raise MechanismInvalid(mechanism.name)
        signs = MechanismFlag.SIGN | MechanismFlag.VERIFY
        if mechanism in _SIGNS:
            return MechanismInfo(self, mechanism, 256, 256, signs | MechanismFlag.HW)
        return MechanismInfo(self, mechanism, 128, 256, MechanismFlag.HW)


class Token(IdentifiedBy):
    """A token as it stood when it was looked at: the flags are of that moment."""

    manufacturer_id = MANUFACTURER
    hardware_version = firmware_version = _VERSION

    def __init__(self, process: Application, slot: Slot) -> None:
        held = process.device.token(slot.slot_id)
        self._process = process
        self.slot = slot
        self.label = held.label
        self.serial = held.serial.encode()
        self.model = process.device.profile.name
        self.flags = _flags(process, slot.slot_id)

    @override
    def __str__(self) -> str:
        return self.label

    @override
    def __repr__(self) -> str:
        return f"<Token (label='{self.label}' serial={self.serial!r} flags={self.flags})>"

    @override
    def _identity(self) -> Hashable:
        return "token", self.slot

    def open(
        self,
        rw: bool = False,  # noqa: FBT001, FBT002  the library's signature
        user_pin: str | None = None,
        so_pin: str | None = None,
        user_type: UserType | None = None,
        **unused: Any,
    ) -> Session:
        """Open a session and log in; when the login fails the session stays open (a known leak)."""
        defaults.known(unused, frozenset({"attribute_mapper", "cancel_strategy"}))
        if user_pin is not None and so_pin is not None:
            raise ArgumentsBad("Set either `user_pin` or `so_pin`")
        role, pin = UserType.NOBODY, b""
        if user_pin is not None:
            role, pin = UserType.USER if user_type is None else user_type, user_pin.encode()
        elif so_pin is not None:
            role, pin = UserType.SO, so_pin.encode()
        handle = self._process.open_session(self.slot.slot_id, rw=bool(rw))
        if role is not UserType.NOBODY:
            self._process.login(handle, role, pin)
        return Session(self._process, self, handle, rw=bool(rw), user_type=role)


def _flags(process: Application, slot: int) -> TokenFlag:
    device = process.device
    token, tries = device.token(slot), device.profile.tries
    process.recover(token)
    flags = TokenFlag.RNG | TokenFlag.LOGIN_REQUIRED
    counts = {
        "USER": (token.user_failures, is_locked(device, token, UserType.USER)),
        "SO": (token.so_failures, is_locked(device, token, UserType.SO)),
    }
    for role, (failures, locked) in counts.items():
        last = tries is not None and device.profile.warns_final_try and failures == tries - 1
        flags |= TokenFlag[f"{role}_PIN_COUNT_LOW"] if failures else TokenFlag(0)
        flags |= TokenFlag[f"{role}_PIN_FINAL_TRY"] if last else TokenFlag(0)
        flags |= TokenFlag[f"{role}_PIN_LOCKED"] if locked else TokenFlag(0)
    if token.is_initialised:
        flags |= TokenFlag.TOKEN_INITIALIZED
    if token.user_pin:
        flags |= TokenFlag.USER_PIN_INITIALIZED
    return flags | TokenFlag.CLOCK_ON_TOKEN if device.state.clock.present else flags


class Library:
    """A loaded module; it may be called with a path, as the package's `lib` is."""

    manufacturer_id = MANUFACTURER
    library_description = "hsm_sim"
    library_version = _VERSION
    cryptoki_version = (2, 40)

    def __init__(self, process: Application) -> None:
        self._process = process
        self.so = f"hsm_sim/{process.device.profile.name}"
        self.initialize()

    def __call__(self, so: str) -> "Library":
        """Give itself, initialised, whatever the path."""
        self.so = so
        self.initialize()
        return self

    @property
    def initialized(self) -> bool:
        """Tell whether the library is initialised."""
        return self._process.is_initialised

    def initialize(self) -> None:
        """Initialise, where that is needed."""
        if not self._process.is_initialised:
            self._process.initialise()

    def finalize(self) -> None:
        """Close everything."""
        self._process.finalise()

    def reinitialize(self) -> None:
        """Close everything and begin anew."""
        self.finalize()
        self.initialize()

    def get_slots(self, token_present: bool = False) -> list[Slot]:  # noqa: FBT001, FBT002  the library's signature
        """List the slots."""
        device = self._process.device

        def work() -> list[Slot]:
            slots = [Slot(self._process, number) for number in range(len(device.state.tokens))]
            present = SlotFlag.TOKEN_PRESENT
            return [slot for slot in slots if not token_present or slot.flags & present]

        return device.run(self._process, Command("get_slots"), work)

    def get_tokens(
        self,
        token_label: str | None = None,
        token_serial: bytes | None = None,
        token_flags: TokenFlag | None = None,
        slot_flags: SlotFlag | None = None,
        mechanisms: Any = None,
    ) -> Iterator[Token]:
        """Search the tokens; asking for mechanisms finds none (a known defect)."""
        for slot in self.get_slots():
            try:
                token = slot.get_token()
            except (TokenNotPresent, TokenNotRecognised):
                continue
            if (
                (token_label is None or token.label == token_label)
                and (token_serial is None or token.serial == token_serial)
                and (token_flags is None or token.flags & token_flags)
                and (slot_flags is None or slot.flags & slot_flags)
                and mechanisms is None
            ):
                yield token

    def get_token(self, **kwargs: Any) -> Token:
        """Find the one token; `NoSuchToken` or `MultipleTokensReturned` otherwise."""
        found = list(self.get_tokens(**kwargs))
        if not found:
            raise NoSuchToken(f"No token matching {kwargs}")
        if len(found) > 1:
            raise MultipleTokensReturned(f"More than 1 token matches {kwargs}")
        return found[0]

    def attest(self, key: Key) -> bytes:
        """Give the certificates of a private key made on the device; no part of PKCS#11."""
        return self._process.attest(key.session.handle, key.handle)
