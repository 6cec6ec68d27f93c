"""A signer to be killed: it kills itself at a chosen step, as the power would.

Usage: signer_child.py FOLDER STEP. Steps are counted from the first request on: every statement of
its state, and the moments before and after a key signs. What the keys sign is written to
FOLDER/seen, whether the answer leaves or not. STEP 0 never comes. Prints a line when it listens.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from typing_extensions import override

from ledger.signer.handler import Handler
from ledger.signer.policy import Reading, Rules
from ledger.signer.ports import PublicKey
from ledger.signer.service import Service, ServiceSettings
from ledger.signer.software_keyring import SoftwareKeyring
from ledger.signer.state import SignerState
from tests.support.signers import KNOWN, ORIGIN, SEED, HandClock, WatchedKeyring


def steady_us() -> int:
    return time.monotonic_ns() // 1000


class Steps:
    """Counts, and kills."""

    def __init__(self, fatal: int) -> None:
        self.left = fatal

    def next(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class SeenKeyring(WatchedKeyring):
    """Writes down what was signed, before anybody can act on it."""

    def __init__(self, clock: HandClock, seen: int, step: Callable[[], None]) -> None:
        super().__init__(SoftwareKeyring(SEED, clock))
        self.file = seen
        self.step = step

    @override
    def sign(self, purpose: str, message: bytes) -> tuple[tuple[PublicKey, bytes], ...]:
        self.step()
        made = super().sign(purpose, message)
        for size, root in self.seen.items():
            os.write(self.file, f"{size} {root.hex()}\n".encode())
        self.step()
        return made


def main(folder: Path, fatal: int) -> None:
    """Serve until killed."""
    steps = Steps(fatal)
    clock = HandClock()
    clock.wall_us = time.time_ns() // 1000
    seen = os.open(folder / "seen", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    keyring = SeenKeyring(clock, seen, steps.next)
    state = SignerState(folder / "signer.db", ORIGIN)
    rules = Rules(ORIGIN, keyring.public_keys(), KNOWN)
    read = lambda: Reading(time.time_ns() // 1000, steady_us())  # noqa: E731  as above
    handler = Handler(rules, keyring, state, read, lambda *_: None)
    service = Service(ServiceSettings(folder / "signer.sock"), handler, steady_us)
    state._base.set_trace_callback(steps.next)
    print("listening", flush=True)
    service.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
