"""The signer as a child process: started before anything else, started again when it dies.

It is started fresh, never forked, in a session of its own, so that an interrupt at the terminal
reaches it through us alone. It ends when its standard input does, so also when we are killed.
"""

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import IO, Self

import msgspec

from ledger.kernel.errors import Misconfigured, MobileGridError, TamperEvidence, Unavailable
from ledger.kernel.instants import SECOND
from ledger.signer.software import Settings as SignerSettings
from mobilegrid.clock import steady_us
from mobilegrid.settings import PREFIX, SEPARATOR

READY = "ready"
START_SECONDS = 30.0
END_SECONDS = 10.0
AGAIN_SECONDS = 0.5
AGAIN_SECONDS_MAX = 30.0
WELL_US = 60 * SECOND
"""A signer that lived so long was well; the next pause is short again."""

_ERRORS: dict[int, type[MobileGridError]] = {2: Misconfigured, 3: TamperEvidence}
"""What its exit codes mean."""

Remark = Callable[[str], None]


class SignerChild:
    """A signer process of ours; use as a context manager."""

    def __init__(self, settings: SignerSettings, mode: str, remark: Remark) -> None:
        """Prepare to run a signer.

        Args:
            settings: with every path it needs; nothing else of ours is told to it.
            mode: the mode of the program.
            remark: says a sentence to whoever watches.
        """
        self._environment = _environment(settings, mode)
        self._remark = remark
        self._process: subprocess.Popen[str] | None = None
        self._door = threading.Lock()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="signer-child", daemon=True)

    @property
    def process_id(self) -> int:
        """The running process, 0 when there is none."""
        process = self._process
        return 0 if process is None else process.pid

    def __enter__(self) -> Self:
        """Start it, and wait until it can be called.

        Raises:
            Misconfigured, TamperEvidence, Unavailable: it did not start; it said why on stderr.
        """
        self._process = self._start()
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and wait for its end."""
        with self._door:
            self._ended.set()
            process = self._process
        if process is not None:
            _end(process)
        self._watcher.join()

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "mobilegrid", "serve", "signer", "--as-child"]
        process = subprocess.Popen(  # noqa: S603  our own program
            [*command, "--config", os.devnull],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None, "it was asked for"
        if _line(process.stdout, START_SECONDS) != f"{READY}\n":
            _end(process)
            error = _ERRORS.get(process.returncode, Unavailable)
            raise error(f"the signer did not start, exit code {process.returncode}")
        return process

    def _watch(self) -> None:
        """Start the signer again whenever it dies, later each time."""
        pause_s, began_us = AGAIN_SECONDS, steady_us()
        said = self._wait()
        while not self._ended.is_set():
            if steady_us() - began_us > WELL_US:
                pause_s = AGAIN_SECONDS
            self._remark(f"{said}; again in {pause_s:g} s.")
            if self._ended.wait(pause_s):
                return
            pause_s, began_us = min(2 * pause_s, AGAIN_SECONDS_MAX), steady_us()
            said = self._again()

    def _again(self) -> str:
        """Start it and wait for its end; say how it ended."""
        try:
            fresh = self._start()
        except MobileGridError as error:
            return error.explain()
        with self._door:
            is_over = self._ended.is_set()
            self._process = fresh
        if is_over:
            _end(fresh)
            return ""
        self._remark("The signer runs again.")
        return self._wait()

    def _wait(self) -> str:
        """Wait for the end of the running process; say how it ended."""
        process = self._process
        assert process is not None, "it was started"
        code = process.wait()
        with self._door:
            if not self._ended.is_set():  # else whoever ends us closes it
                self._process = None
                _close(process)
        return f"The signer ended with code {code}"


def _environment(settings: SignerSettings, mode: str) -> Mapping[str, str]:
    """Give the variables of the child: of our settings those of the signer alone."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    ours = {
        f"{PREFIX}SIGNER{SEPARATOR}{name.upper()}": str(value)
        for name, value in msgspec.structs.asdict(settings).items()
    }
    return {**kept, **ours, f"{PREFIX}MODE": mode}


def _line(stream: IO[str], seconds: float) -> str:
    """Read a line; empty when the other end closed or took too long."""
    ready, _, _ = select.select([stream], [], [], seconds)
    return stream.readline() if ready else ""


def _end(process: subprocess.Popen[str]) -> None:
    """Let it end by itself, for it closes its files; kill it when it does not."""
    assert process.stdin is not None, "it was asked for"
    process.stdin.close()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _close(process)


def _close(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
