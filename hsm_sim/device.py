"""The device itself: power, presence, time, its audit log, and the gate every command goes through.

The order at the gate: the wait that the command takes, presence and state, the limit on commands a
second, a full audit log, then what the plan of faults has for it, then the work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, RLock
from typing import Protocol, TypeVar
from weakref import WeakSet

from hsm_sim.audit import AuditEntry
from hsm_sim.clock import DAY, SECOND, Clock
from hsm_sim.exceptions import (
    ERRORS,
    DeviceError,
    DeviceRemoved,
    FunctionFailed,
    FunctionRejected,
    PKCS11Error,
    SlotIDInvalid,
    TokenNotPresent,
    TokenNotRecognised,
    code_of,
)
from hsm_sim.faults import WRONG_RESULTS, Fault, FaultPlan, Hung
from hsm_sim.profiles import Profile
from hsm_sim.randomness import Randomness
from hsm_sim.state import DeviceState, StateFile, TokenState

_T = TypeVar("_T")
_MILLION = 1_000_000

_CHANGING = frozenset(
    {
        *("login", "set_pin", "init_pin", "set_attribute", "copy", "create_object", "destroy"),
        *("generate_key", "generate_keypair", "wrap", "unwrap"),
    }
)
_LOGGED = _CHANGING | {"logout", "sign", "encrypt", "decrypt", "attest"}


class Process(Protocol):
    """A process that uses the device."""

    def check(self) -> None:
        """Raise when this process may not call the library now."""
        ...

    def lose_power(self, error: type[PKCS11Error] | None) -> None:
        """Forget all sessions; those open now answer with `error` once."""
        ...

    def lose_connection(self) -> None:
        """Answer every call with an error until initialised anew."""
        ...


@dataclass(slots=True)
class Command:
    """What a call asks of the device, as the audit log writes it down."""

    operation: str
    slot: int = -1
    role: str = ""
    key_id: bytes = b""
    digest: bytes = b""


class Device:
    """A machine with slots; everything in it survives without power, except who is logged in."""

    def __init__(self, profile: Profile, seed: int, clock: Clock, state: DeviceState) -> None:
        self.profile = profile
        self.clock = clock
        self.state = state
        self.file: StateFile | None = None
        self.randomness = Randomness(seed, state.starts)
        self.faults = FaultPlan()
        self.on_hang: Callable[[str], None] | None = None
        self.hang_us = DAY
        self.processes: WeakSet[Process] = WeakSet()
        self.lock = RLock()
        self.nonces_reused = 0
        self._busy_until = 0
        self._bucket = float(profile.burst)
        self._bucket_at = clock.now()

    # The gate ---------------------------------------------------------------------------------

    def run(
        self,
        process: Process,
        command: Command,
        work: Callable[[], _T],
        spoil: Callable[[str, _T], _T] | None = None,
    ) -> _T:
        """Do a command for a process, with whatever the plan of faults has for it."""
        process.check()
        self.clock.sleep(self._wait(command.operation))
        with self.lock:
            self._admit(process, command.operation)
            fault = self.faults.draw(command.operation, self.randomness)
            if fault is None:
                return self._do(command, work)
            if fault.kind in WRONG_RESULTS and spoil is not None:
                return spoil(fault.kind, self._do(command, work))
            if fault.after or (fault.kind == "power_cut" and self.coin()):
                self._do(command, work)
            if fault.kind != "hang":
                raise self._strike(fault, process)
        raise self._hang(command.operation)

    def coin(self) -> bool:
        """Decide by the seed."""
        return self.randomness.happens("coin", 50)

    def _wait(self, operation: str) -> int:
        """Draw how long a command takes; on a device of one at a time it waits for its turn."""
        latency = self.profile.latency
        median = latency.of(operation)
        if not median:
            return 0
        with self.lock:
            taken = median // 2 + self.randomness.below("latency", median + median // 2)
            if self.randomness.happens("tail", latency.tail_percent):
                taken *= latency.tail_times
            now = self.clock.now()
            starts_at = max(now, self._busy_until) if self.profile.one_at_a_time else now
            self._busy_until = starts_at + taken
            return self._busy_until - now

    def _admit(self, process: Process, operation: str) -> None:
        loses = self.profile.losses_per_million
        if loses and self.randomness.below("loss", _MILLION) < loses:
            process.lose_connection()
            raise DeviceError("the connection was lost")
        if self.profile.rate_per_s is not None:
            self._spend(self.profile.rate_per_s)
        free = operation in {"get_slots", "get_token", "open_session", "login", "close_session"}
        if self.state.audit.stops_commands and not free:
            raise FunctionRejected("the audit log is full")

    def _spend(self, rate_per_s: int) -> None:
        """Take one command out of the bucket."""
        now = self.clock.now()
        gained = (now - self._bucket_at) * rate_per_s / SECOND
        self._bucket = min(float(self.profile.burst), self._bucket + gained)
        self._bucket_at = now
        if self._bucket < 1:
            raise FunctionFailed("too many commands")
        self._bucket -= 1

    def _do(self, command: Command, work: Callable[[], _T]) -> _T:
        try:
            result = work()
        except PKCS11Error as error:
            self._note(command, code_of(error))
            raise
        self._note(command, 0)
        return result

    def _note(self, command: Command, code: int) -> None:
        """Write the audit entry, and the file when the command changed what it holds."""
        if command.operation in _LOGGED:
            self.log(command, code)
        if command.operation in _CHANGING:
            self.save()

    def _strike(self, fault: Fault, process: Process) -> PKCS11Error:
        match fault.kind:
            case "power_cut":
                self.power_cut()
                return DeviceError("the device lost power")
            case "remove":
                self.remove()
                return DeviceRemoved("the device was pulled out")
            case "connection_lost":
                process.lose_connection()
                return DeviceError("the connection was lost")
            case name:
                return ERRORS[name]("as planned")

    def _hang(self, operation: str) -> Hung:
        """Give no answer: ask the one who watches, else wait until the process is killed."""
        if self.on_hang is None:
            Event().wait()
        else:
            self.on_hang(operation)
            self.clock.sleep(self.hang_us)
        return Hung(operation)

    # The log and the file ---------------------------------------------------------------------

    def log(self, command: Command, code: int) -> None:
        """Add an entry to the device's audit log."""
        written = self.state.audit.add(
            AuditEntry(
                number=self.state.audit.next_number,
                at=self.time() or 0,
                slot=command.slot,
                role=command.role,
                operation=command.operation,
                key_id=command.key_id.hex(),
                digest=command.digest.hex(),
                code=code,
            )
        )
        if self.file is not None and written is not None:
            self.file.append("audit", written.members())

    def read_log(self) -> tuple[AuditEntry, ...]:
        """Read the audit log, which frees the places of a device that has few."""
        entries = self.state.audit.read()
        if self.file is not None and not self.state.audit.held:
            self.file.append("read", self.state.audit.next_number)
        return entries

    def save(self) -> None:
        """Write the whole state to the device's file, when it has one."""
        if self.file is not None:
            self.file.save(self.state)

    def note_nonce(self, place: str, digest: str) -> bool:
        """Count a nonce; False when it was used before for other data."""
        if self.state.nonces.setdefault(place, digest) != digest:
            return False
        if self.file is not None:
            self.file.append("nonce", [place, digest])
        return True

    # Power, presence, states ------------------------------------------------------------------

    def time(self) -> int | None:
        """Read the device's own clock."""
        return self.state.clock.read(self.clock.now())

    def power_cut(self) -> None:
        """Lose power without warning and start again."""
        with self.lock:
            self._lose_power(None)
            self._start()

    def _lose_power(self, error: type[PKCS11Error] | None) -> None:
        for process in self.processes:
            process.lose_power(error)
        for token in self.state.tokens:
            token.unclean += 1
            if token.unclean == self.profile.unclean_cuts:
                token.locked_at = self.clock.now()

    def _start(self) -> None:
        """Start: attended devices wait, locked, for their operator."""
        self._busy_until = self.clock.now()
        if self.state.phase == "operational" and self.profile.has_states and self.state.attended:
            self.state.phase = "locked"
        self.log(Command("boot"), 0)
        self.save()

    def restart(self) -> None:
        """End in good order and start again; this is no power loss."""
        with self.lock:
            for process in self.processes:
                process.lose_power(None)
            for token in self.state.tokens:
                token.unclean = 0
            self._start()

    def remove(self) -> None:
        """Pull the device out."""
        with self.lock:
            if self.state.is_present:
                self._lose_power(DeviceRemoved)
            self.state.is_present = False
            self.save()

    def insert(self) -> None:
        """Put the device back."""
        with self.lock:
            if not self.state.is_present:
                self.state.is_present = True
                self._start()

    # Tokens -----------------------------------------------------------------------------------

    def token(self, slot: int) -> TokenState:
        """Find the token in a slot, initialised or not."""
        if not 0 <= slot < len(self.state.tokens):
            raise SlotIDInvalid(str(slot))
        if not self.state.is_present or self.state.phase in {"locked", "provisioned"}:
            raise TokenNotPresent(f"the device is {self.phase}")
        if self.state.phase == "unprovisioned":
            raise TokenNotRecognised("the device is unprovisioned")
        return self.state.tokens[slot]

    @property
    def phase(self) -> str:
        """Name the state the device is in."""
        return self.state.phase if self.state.is_present else "removed"

    def new_handle(self) -> int:
        """Give the next number for a session or an object; none is given twice."""
        handle = self.state.next_handle
        self.state.next_handle += 1
        return handle
