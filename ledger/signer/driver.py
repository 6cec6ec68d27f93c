"""Driver processes: one device, one PKCS#11 module, one thread, one pipe each.

A module is native code that may hang or crash, so it lives in a process of its own, started fresh
(never forked) before anything is loaded. What crosses the pipe are whole messages of plain bytes:
one `Operation` in, one `Reply` out, in MessagePack. A driver that does not answer in time is ended;
the next operation starts a new one, which is also the surest way to initialise a module anew.

As a program it is ``python -m ledger.signer.driver <descriptor>``; the first message names what to
load, so that neither arguments nor environment carry anything secret.
"""

import contextlib
import os
import subprocess
import sys
from importlib import import_module
from multiprocessing.connection import Connection
from socket import socketpair
from typing import Protocol

import msgspec

from ledger.kernel.errors import Misconfigured
from ledger.signer import operations as ops
from ledger.signer.faults import Names
from ledger.signer.pkcs11 import Adapter

START_SECONDS = 20.0
_END_SECONDS = 5.0
_READY = b"ready"
_REPLY = msgspec.msgpack.Decoder(ops.Answer | ops.Fault)


class Driver(Protocol):
    """Does operations of one device."""

    def call(self, operation: ops.Operation, deadline_s: float) -> ops.Reply:
        """Do one operation; after the deadline the reply is a `Fault` named `Hung`."""

    def stop(self) -> None:
        """End the driver; the next call starts it again."""


class Module(msgspec.Struct, frozen=True):
    """What a driver process loads: ``package.module:function`` and the text given to it.

    The function answers with a `Namespace`; the composition root names it.
    """

    loader: str
    argument: str


class LocalDriver:
    """A driver without a process, for simulated devices: no crash, no hang of real time."""

    def __init__(self, adapter: Adapter) -> None:
        """Hold the adapter of a simulated module."""
        self._adapter = adapter

    def call(self, operation: ops.Operation, deadline_s: float) -> ops.Reply:
        """Do one operation; the simulated device itself says when it hung."""
        assert deadline_s > 0
        return self._adapter.perform(operation)

    def stop(self) -> None:
        """Forget the sessions, as the end of a process does."""
        self._adapter.perform(ops.Reinitialise())


class ProcessDriver:
    """A driver in its own process."""

    def __init__(self, module: Module) -> None:
        """Name what to load; the process starts with the first call."""
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._encoder = msgspec.msgpack.Encoder()

    @property
    def process_id(self) -> int:
        """The running process, 0 when there is none."""
        return 0 if self._process is None else self._process.pid

    def call(self, operation: ops.Operation, deadline_s: float) -> ops.Reply:
        """Do one operation; a process that hangs or dies is ended, and the reply says so."""
        try:
            pipe = self._pipe or self._start()
            pipe.send_bytes(self._encoder.encode(operation))
            if not pipe.poll(deadline_s):
                self.stop()
                return ops.Fault(Names.HUNG, f"no answer in {deadline_s} s")
            reply: ops.Reply = _REPLY.decode(pipe.recv_bytes(ops.MESSAGE_BYTES_MAX))
        except (EOFError, OSError, msgspec.MsgspecError) as error:
            self.stop()
            return ops.Fault(Names.DIED, f"{type(error).__name__} {error}".strip())
        return reply

    def _start(self) -> Connection:
        """Start a fresh process; raises OSError or EOFError when it does not come up."""
        ours, theirs = socketpair()
        with ours, theirs:
            command = [sys.executable, "-m", "ledger.signer.driver", str(theirs.fileno())]
            self._process = subprocess.Popen(  # noqa: S603  our own program
                command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL
            )
            self._pipe = pipe = Connection(ours.detach())
        pipe.send_bytes(self._encoder.encode(self._module))
        if not pipe.poll(START_SECONDS):
            raise TimeoutError("the driver did not start")
        said = pipe.recv_bytes(ops.MESSAGE_BYTES_MAX)
        if said != _READY:
            raise ConnectionError(said.decode(errors="replace"))
        return pipe

    def stop(self) -> None:
        """Kill the process, if there is one, and wait for its end."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.kill()
            process.wait(_END_SECONDS)


def load(module: Module) -> Adapter:
    """Load a module through its loader; `Misconfigured` when there is no such loader."""
    place, _, name = module.loader.partition(":")
    try:
        loader = getattr(import_module(place), name)
    except (ImportError, AttributeError) as error:
        raise Misconfigured(f"signer: there is no loader {module.loader}") from error
    return Adapter(loader(module.argument))


def serve(pipe: Connection) -> None:
    """Answer operations until the other end closes its pipe."""
    encoder = msgspec.msgpack.Encoder()
    decoder = msgspec.msgpack.Decoder(ops.Operation)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        module = msgspec.msgpack.decode(pipe.recv_bytes(ops.MESSAGE_BYTES_MAX), type=Module)
        try:
            adapter = load(module)
        except Exception as error:  # noqa: BLE001  native code; the reason goes to the signer
            pipe.send_bytes(f"{type(error).__name__}: {error}".encode())
            return
        pipe.send_bytes(_READY)
        while True:
            operation = decoder.decode(pipe.recv_bytes(ops.MESSAGE_BYTES_MAX))
            pipe.send_bytes(encoder.encode(adapter.perform(operation)))


def main() -> None:
    """Serve the descriptor named in the arguments."""
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # noqa: FBT003  its only parameter
    serve(Connection(descriptor))


if __name__ == "__main__":
    main()
