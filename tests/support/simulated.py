"""Simulated devices: for the contract's workers, and in pairs for tests in this process."""

from hsm_sim.machine import Machine
from ledger.signer import operations as ops
from ledger.signer.devices import Device, DeviceSettings
from ledger.signer.driver import LocalDriver
from ledger.signer.pkcs11 import Adapter
from ledger.signer.pkcs11_sessions import Namespace
from tests.support.devices import VirtualClock, made, surroundings

PIN = "123456"
SO_PIN = "12345678"


class Hung(Exception):
    """What a driver's end looks like inside the process that hung."""


def load_full(argument: str) -> Namespace:
    """Make a fresh device with one initialised token; the argument names its profile."""
    machine = Machine(profile=argument or "full", seed=7)
    machine.init_token(0, "mobilegrid-a", so_pin=SO_PIN, pin=PIN)
    return machine.library()


class SimulatedDevice:
    """A simulated machine with keys, and our device on it."""

    def __init__(
        self, letter: str, clock: VirtualClock, *, seed: int, profile: str = "full", keys: str = ""
    ) -> None:
        self.machine = Machine(profile=profile, seed=seed, clock=clock)
        self.machine.init_token(0, f"mobilegrid-{letter}", so_pin=SO_PIN, pin=PIN)
        self.driver = LocalDriver(Adapter(self.machine.library()))
        settings = DeviceSettings(letter, PIN, label=f"mobilegrid-{letter}")
        purposes = (keys or "checkpoint documents certificates").split()
        labels = {f"{purpose}-{letter}": "ed25519" for purpose in purposes}
        self.keys = made(self.driver, settings, labels)
        self.settings = DeviceSettings(letter, PIN, label=f"mobilegrid-{letter}", keys=self.keys)
        self.device = Device(self.settings, self.driver, surroundings(clock, seed))
        self.machine.on_hang(self._end)

    @staticmethod
    def _end(operation: str) -> None:
        raise Hung(operation)

    def do(self, operation: ops.Operation) -> bytes:
        """Do an operation as a ceremony would: logged in for writing."""
        log_in = ops.LogIn(PIN, label=self.settings.label, writes=True)
        assert isinstance(self.driver.call(log_in, 30), ops.Answer)
        answer = self.driver.call(operation, 30)
        assert isinstance(answer, ops.Answer), answer
        self.driver.call(ops.LogOut(), 30)
        return answer.data


def load_hanging(argument: str) -> Namespace:
    """Make a device whose operation named by the argument never answers, in this process."""
    machine = Machine(seed=7)
    machine.init_token(0, "mobilegrid-a", so_pin=SO_PIN, pin=PIN)
    machine.faults.add("hang", argument, times=None)
    return machine.library()


def load_dying(argument: str) -> Namespace:
    """Fail while loading, as a broken library does."""
    raise OSError(argument)
