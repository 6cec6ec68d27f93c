"""Simulated devices in files, for demonstrations and tests; production refuses them."""

import time
from hashlib import sha256
from pathlib import Path

from hsm_sim.machine import Machine
from ledger.kernel.errors import Misconfigured
from ledger.kernel.instants import SECOND
from ledger.signer.pkcs11_sessions import Namespace
from mobilegrid.clock import CLOCK


class _MachineTime:
    """The machine's clock, as a simulated device wants it."""

    def now(self) -> int:
        """Read it, in us."""
        return CLOCK.now()

    def sleep(self, duration_us: int) -> None:
        """Let time pass, really."""
        time.sleep(duration_us / SECOND)


def _simulated(path: Path) -> Machine:
    """Open a device; its file's name is its seed, so that two devices have different keys."""
    seed = int.from_bytes(sha256(path.name.encode()).digest()[:8], "big")
    return Machine(state=path, seed=seed, clock=_MachineTime())


def load_simulated(path: str) -> Namespace:
    """Open the simulated device of a state file; `Misconfigured` when there is none."""
    if not Path(path).is_file():
        raise Misconfigured(f"signer: there is no simulated device {path}")
    return _simulated(Path(path)).library()


def create_simulated(path: Path, label: str, *, so_pin: str, pin: str) -> None:
    """Make a simulated device with one token, kept in a file; its keys protect nothing."""
    machine = _simulated(path)
    machine.init_token(0, label, so_pin=so_pin, pin=pin)
    machine.save()
