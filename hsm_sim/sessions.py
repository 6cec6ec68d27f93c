"""One process at the device: its sessions, who is logged in on which token, PINs.

Who is logged in is a matter of the process and the token, not of a session: one login counts for
all sessions, one logout ends it for all. PINs are held as salted digests.
"""

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from hsm_sim.constants import UserType
from hsm_sim.device import Command, Device
from hsm_sim.exceptions import (
    AnotherUserAlreadyLoggedIn,
    DeviceError,
    PinIncorrect,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    SessionClosed,
    SessionCount,
    SessionHandleInvalid,
    SessionReadOnly,
    SessionReadOnlyExists,
    SessionReadWriteSOExists,
    TokenNotRecognised,
    UserAlreadyLoggedIn,
    UserNotLoggedIn,
    UserPinNotInitialized,
    not_initialised,
)
from hsm_sim.objects import StoredObject
from hsm_sim.state import TokenState

_T = TypeVar("_T")
PIN_BYTES = range(4, 256)


@dataclass(slots=True)
class OpenSession:
    """A session as the device knows it."""

    handle: int
    slot: int
    rw: bool
    used_at: int
    is_searching: bool = False


def pin_digest(token: TokenState, role: str, pin: bytes) -> bytes:
    """Digest a PIN for storing."""
    return sha256(f"{token.serial}/{role}/".encode() + pin).digest()


def check_pin_length(pin: bytes) -> None:
    """Refuse a PIN too short or too long."""
    if len(pin) not in PIN_BYTES:
        raise PinLenRange(f"{len(pin)} bytes")


class Sessions:
    """A process that has loaded the library."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.is_initialised = False
        self._process_id = os.getpid()
        self._is_connected = True
        self.sessions: dict[int, OpenSession] = {}
        self.logins: dict[int, UserType] = {}
        self.objects: dict[int, StoredObject] = {}
        self._lost: dict[int, type[PKCS11Error]] = {}
        device.processes.add(self)

    # The library ------------------------------------------------------------------------------

    def initialise(self) -> None:
        """Begin, in the process that calls."""
        self._process_id = os.getpid()
        self.is_initialised = self._is_connected = True
        try:
            self.device.run(self, Command("initialize"), lambda: None)
        except Exception:
            self.is_initialised = False
            raise

    def finalise(self) -> None:
        """End: no session, login or session object is left."""
        self.lose_power(None)
        self._lost.clear()
        self.is_initialised = False

    def check(self) -> None:
        """Refuse a process that has not initialised the library itself, or lost its connection."""
        if not self.is_initialised or os.getpid() != self._process_id:
            raise not_initialised()
        if not self._is_connected:
            raise DeviceError("the connection is lost")

    def lose_power(self, error: type[PKCS11Error] | None) -> None:
        """Forget sessions, logins and session objects."""
        if error is not None:
            self._lost.update(dict.fromkeys(self.sessions, error))
        self.sessions.clear()
        self.logins.clear()
        self.objects.clear()

    def lose_connection(self) -> None:
        """Answer nothing until initialised anew."""
        self._is_connected = False

    # Sessions ---------------------------------------------------------------------------------

    def session(self, handle: int) -> OpenSession:
        """Find an open session, and count it as used."""
        if handle in self._lost:
            raise self._lost.pop(handle)("the token went away")
        found = self.sessions.get(handle)
        if found is None:
            raise SessionHandleInvalid(str(handle))
        now, idle = self.device.clock.now(), self.device.profile.idle_us
        if idle is not None and now - found.used_at > idle:
            self._drop(found)
            raise SessionClosed("idle too long")
        found.used_at = now
        return found

    def open_session(self, slot: int, *, rw: bool) -> int:
        """Open a session without logging in; the limit counts every process and every leak."""
        return self.device.run(self, Command("open_session", slot), lambda: self._open(slot, rw=rw))

    def _open(self, slot: int, *, rw: bool) -> int:
        device = self.device
        if not device.token(slot).is_initialised:
            raise TokenNotRecognised(f"slot {slot} holds no initialised token")
        if not rw and self.logins.get(slot) is UserType.SO:
            raise SessionReadWriteSOExists
        for process in list(device.processes):
            if isinstance(process, Sessions):
                process.drop_idle()
        limit = device.profile.max_sessions
        if limit is not None and device_sessions(device, slot) >= limit:
            raise SessionCount(str(limit))
        handle = device.new_handle()
        self.sessions[handle] = OpenSession(handle, slot, rw, device.clock.now())
        return handle

    def drop_idle(self) -> None:
        """Close the sessions that idled too long."""
        now, idle = self.device.clock.now(), self.device.profile.idle_us
        if idle is not None:
            for session in [s for s in self.sessions.values() if now - s.used_at > idle]:
                self._drop(session)

    def close_session(self, handle: int) -> None:
        """Close a session; its session objects go with it, and with the last one the login."""
        self.device.run(self, Command("close_session"), lambda: self._drop(self.session(handle)))

    def _drop(self, session: OpenSession) -> None:
        del self.sessions[session.handle]
        for handle in [h for h, held in self.objects.items() if held.session == session.handle]:
            del self.objects[handle]
        if all(other.slot != session.slot for other in self.sessions.values()):
            self.logins.pop(session.slot, None)

    # Logging in -------------------------------------------------------------------------------

    def login(self, handle: int, role: UserType, pin: bytes) -> None:
        """Log in on the token of a session; a wrong PIN counts, and may lock."""
        self.in_session(handle, "login", lambda session: self._login(session, role, pin), role)

    def _login(self, session: OpenSession, role: UserType, pin: bytes) -> None:
        now = self.logins.get(session.slot)
        if now is not None:
            raise UserAlreadyLoggedIn if now is role else AnotherUserAlreadyLoggedIn
        if role is UserType.SO and any(
            not other.rw for other in self.sessions.values() if other.slot == session.slot
        ):
            raise SessionReadOnlyExists
        self.try_pin(self.device.token(session.slot), role, pin)
        self.logins[session.slot] = role

    def try_pin(self, token: TokenState, role: UserType, pin: bytes) -> None:
        """Compare a PIN: a wrong one counts, the right one clears the count."""
        is_so = role is UserType.SO
        if not is_so and not token.user_pin:
            raise UserPinNotInitialized
        self.recover(token)
        if is_locked(self.device, token, role):
            raise PinLocked
        held = token.so_pin if is_so else token.user_pin
        if hmac.compare_digest(held, pin_digest(token, role.name, pin)):
            token.unclean = 0
            token.so_failures = 0 if is_so else token.so_failures
            token.user_failures = token.user_failures if is_so else 0
            return
        token.so_failures += is_so
        token.user_failures += not is_so
        if is_locked(self.device, token, role):
            token.locked_at = self.device.clock.now()
        raise PinIncorrect

    def recover(self, token: TokenState) -> None:
        """Open a lock that time opens, when its time has come."""
        after = self.device.profile.recovery_us
        locked = any(is_locked(self.device, token, role) for role in (UserType.SO, UserType.USER))
        if after is not None and locked and self.device.clock.now() - token.locked_at >= after:
            token.so_failures = token.user_failures = token.unclean = 0

    def logout(self, handle: int) -> None:
        """Log out on the token of a session, for all sessions of this process."""
        self.in_session(handle, "logout", self._logout)

    def _logout(self, session: OpenSession) -> None:
        if self.logins.pop(session.slot, None) is None:
            raise UserNotLoggedIn
        for handle in [h for h, held in self.objects.items() if self._is_of(held, session.slot)]:
            del self.objects[handle]

    def _is_of(self, held: StoredObject, slot: int) -> bool:
        """Tell whether a session object is a private one of a slot: a logout destroys those."""
        session = self.sessions.get(held.session)
        return session is not None and session.slot == slot and held.is_private

    # PINs -------------------------------------------------------------------------------------

    def set_pin(self, handle: int, old: bytes, new: bytes) -> None:
        """Change the PIN of who is logged in, the user's when nobody is."""

        def work(session: OpenSession) -> None:
            if not session.rw:
                raise SessionReadOnly
            check_pin_length(new)
            token = self.device.token(session.slot)
            role = self.logins.get(session.slot, UserType.USER)
            self.try_pin(token, role, old)
            digest = pin_digest(token, role.name, new)
            if role is UserType.SO:
                token.so_pin = digest
            else:
                token.user_pin = digest

        self.in_session(handle, "set_pin", work)

    def init_pin(self, handle: int, pin: bytes) -> None:
        """Give the user a PIN, as security officer; it opens a locked one."""

        def work(session: OpenSession) -> None:
            if self.logins.get(session.slot) is not UserType.SO:
                raise UserNotLoggedIn("only the security officer gives a PIN")
            check_pin_length(pin)
            token = self.device.token(session.slot)
            token.user_pin = pin_digest(token, UserType.USER.name, pin)
            token.user_failures = token.unclean = 0

        self.in_session(handle, "init_pin", work)

    # For all commands of a session ------------------------------------------------------------

    def in_session(
        self,
        handle: int,
        operation: str,
        work: Callable[[OpenSession], _T],
        role: UserType | None = None,
    ) -> _T:
        """Do a command in a session."""
        open_now = self.sessions.get(handle)
        slot = -1 if open_now is None else open_now.slot
        who = self.logins.get(slot, UserType.NOBODY) if role is None else role
        command = Command(operation, slot, who.name.lower())
        return self.device.run(self, command, lambda: work(self.session(handle)))


def device_sessions(device: Device, slot: int) -> int:
    """Count the sessions on a token, of all processes."""
    return sum(
        session.slot == slot
        for process in device.processes
        if isinstance(process, Sessions)
        for session in process.sessions.values()
    )


def is_locked(device: Device, token: TokenState, role: UserType) -> bool:
    """Tell whether a PIN is locked, by wrong tries or by unclean power losses."""
    cuts, tries = device.profile.unclean_cuts, device.profile.tries
    if cuts is not None and token.unclean >= cuts and role is UserType.USER:
        return True
    failures = token.so_failures if role is UserType.SO else token.user_failures
    return tries is not None and failures >= tries
