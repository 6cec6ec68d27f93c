"""The peers of the contract: how each is set up on this machine, and the workers that run cases."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from socket import AF_UNIX, socket, socketpair
from tempfile import TemporaryDirectory

import msgspec

from mobilegrid.devices import PKCS11_LOADER
from tests.contract.hsm.worker import Setup
from tests.support.tools import absent, need_tool

CASE_SECONDS = 60
NO_ANSWER = "no answer"
SOFTHSM = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")
LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")


class Place(msgspec.Struct):
    """A peer as set up: what the worker is told, and the environment it runs in."""

    setup: Setup
    environ: dict[str, str] = {}
    before_each: list[str] = []  # a command that forgives wrong PINs, where they lock for good


class Worker:
    """One peer's worker process, started again when a case took it down."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def run(self, case: str) -> str:
        """Run a case: empty, or what went wrong; a crash or hang is told in words."""
        if self._place.before_each:
            finish(self._place.before_each, self._place.environ)
        try:
            pipe = self._pipe or self._start()
            pipe.send_bytes(case.encode())
            if pipe.poll(CASE_SECONDS):
                return pipe.recv_bytes().decode()
            problem = f"{NO_ANSWER}: none in {CASE_SECONDS} s"
        except (EOFError, OSError) as error:
            problem = f"{NO_ANSWER}: the worker died, {type(error).__name__}"
        self.stop()
        return problem

    def _start(self) -> Connection:
        ours, theirs = socketpair()
        with ours, theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.contract.hsm.worker", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **self._place.environ},
                cwd=Path(__file__).parents[3],
                stderr=subprocess.DEVNULL,  # libraries write there as they like
            )
            self._pipe = Connection(ours.detach())
        self._pipe.send_bytes(msgspec.json.encode(self._place.setup))
        return self._pipe

    def stop(self) -> None:
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.kill()
            process.wait(10)


def library(*names: str) -> str:
    """Find a module: the first of these paths that exists, in the library folders or as given."""
    for name in names:
        for folder in ("", *LIBRARIES):
            path = Path(folder) / name
            if path.is_file():
                return str(path)
    return absent(f"{names[0]} is not installed")


# SoftHSM2 -------------------------------------------------------------------------------------


def softhsm_token(folder: Path, label: str = "mobilegrid-a") -> dict[str, str]:
    """Make a SoftHSM2 token in a folder: the environment that leads to it."""
    need_tool("softhsm2-util")
    settings = folder / "softhsm2.conf"
    (folder / "tokens").mkdir(parents=True, exist_ok=True)
    settings.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    environ = {"SOFTHSM2_CONF": str(settings)}
    pins = ["--so-pin", "12345678", "--pin", "123456"]
    finish(["softhsm2-util", "--init-token", "--free", "--label", label, *pins], environ)
    return environ


@contextmanager
def softhsm2(folder: Path) -> Iterator[Place]:
    environ = softhsm_token(folder)
    yield Place(Setup(PKCS11_LOADER, library(*SOFTHSM)), environ)


# p11-kit server in front of SoftHSM2 ----------------------------------------------------------


class SocketServer:
    """A p11-kit server; killing it is what this peer is for."""

    def __init__(self, folder: Path) -> None:
        need_tool("p11-kit")
        self._environ = softhsm_token(folder)
        self._path = folder / "p11.sock"
        self._module = library(*SOFTHSM)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> Place:
        address = {"P11_KIT_SERVER_ADDRESS": f"unix:path={self._path}"}
        return Place(Setup(PKCS11_LOADER, library("pkcs11/p11-kit-client.so")), address)

    def start(self) -> None:
        self._path.unlink(missing_ok=True)
        command = ["p11-kit", "server", "--foreground", "--provider", self._module]
        command += ["--name", str(self._path), "pkcs11:token=mobilegrid-a"]
        self._process = start(command, self._environ)
        wait_for(lambda: accepts(self._path), "the p11-kit server")

    def kill(self) -> None:
        if self._process is not None:
            end(self._process)
        self._process = None


@contextmanager
def p11kit(folder: Path) -> Iterator[Place]:
    server = SocketServer(folder)
    server.start()
    try:
        yield server.place
    finally:
        server.kill()


# A software TPM -------------------------------------------------------------------------------


@contextmanager
def tpm2(folder: Path) -> Iterator[Place]:
    for tool in ("dbus-daemon", "swtpm", "swtpm_setup", "tpm2-abrmd", "tpm2_ptool"):
        need_tool(tool)
    state, store, bus = folder / "tpm", folder / "store", folder / "bus"
    state.mkdir()
    store.mkdir()
    port = free_ports()
    finish(["swtpm_setup", "--tpm2", "--tpmstate", str(state), "--createek", "--overwrite"], {})
    with ExitStack() as running:
        address = f"unix:path={bus}"
        command = ["dbus-daemon", "--session", "--nofork", "--nopidfile"]
        running.callback(end, start([*command, f"--address={address}"], {}))
        wait_for(bus.exists, "the message bus")
        serves = "type=tcp,bindaddr=127.0.0.1,port="
        command = ["swtpm", "socket", "--tpm2", "--flags", "not-need-init,startup-clear"]
        command += ["--tpmstate", f"dir={state}"]
        command += ["--server", f"{serves}{port}", "--ctrl", f"{serves}{port + 1}"]
        running.callback(end, start(command, {}))
        wait_for(lambda: listens(port), "the software TPM")
        environ = {
            "DBUS_SESSION_BUS_ADDRESS": address,
            "TPM2_PKCS11_TCTI": "tabrmd:bus_type=session",
            "TPM2_PKCS11_STORE": str(store),
            "TPM2_PKCS11_LOG_LEVEL": "0",
            "TPM2TOOLS_TCTI": "tabrmd:bus_type=session",
            "TSS2_LOG": "all+none",
        }
        command = ["tpm2-abrmd", "--session", f"--tcti=swtpm:host=127.0.0.1,port={port}"]
        command += ["--allow-root"] if os.geteuid() == 0 else []
        running.callback(end, start(command, environ))
        init = ["tpm2_ptool", "init", "--path", str(store)]
        wait_for(lambda: succeeds(init, environ), "the resource manager")
        pins = ["--sopin", "12345678", "--userpin", "123456", "--path", str(store)]
        credential = ["tpm2_ptool", "addtoken", "--pid", "1", "--label", "mobilegrid-a"]
        finish([*credential, *pins], environ)
        module = Setup(PKCS11_LOADER, library("pkcs11/libtpm2_pkcs11.so"))
        yield Place(module, environ, ["tpm2_dictionarylockout", "--clear-lockout"])


# NSS softoken ---------------------------------------------------------------------------------


@contextmanager
def nss(folder: Path) -> Iterator[Place]:
    """Make a database and the little module that gives softoken its parameters."""
    for tool in ("cc", "certutil"):
        need_tool(tool)
    library("libsoftokn3.so")
    shim, pin = folder / "nss_shim.so", folder / "pin.txt"
    source = Path(__file__).with_name("nss_shim.c")
    finish(["cc", "-shared", "-fPIC", "-o", str(shim), str(source), "-ldl"], {})
    pin.write_text("123456\n", encoding="ascii")
    finish(["certutil", "-N", "-d", f"sql:{folder}", "-f", str(pin)], {})
    parameters = f"configdir='sql:{folder}' certPrefix='' keyPrefix='' secmod='' flags="
    setup = Setup(PKCS11_LOADER, str(shim), "NSS Certificate DB")
    yield Place(setup, {"NSS_PARAMETERS": parameters})


# The simulator --------------------------------------------------------------------------------


@contextmanager
def sim(folder: Path) -> Iterator[Place]:
    yield Place(Setup("tests.support.simulated:load_full", "full"))


# All of them ----------------------------------------------------------------------------------

PEERS: Mapping[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "sim": sim,
    "softhsm2": softhsm2,
    "p11kit": p11kit,
    "tpm2": tpm2,
    "nss": nss,
}


def named_peers() -> list[str]:
    """List the peers asked for: MOBILEGRID_HSM_PEERS, else all in CI, or the first two."""
    usual = "sim,softhsm2,tpm2,p11kit,nss" if os.environ.get("CI") == "true" else "sim,softhsm2"
    return os.environ.get("MOBILEGRID_HSM_PEERS", usual).split(",")


@contextmanager
def short_folder() -> Iterator[Path]:
    """Make a folder whose name is short enough for the sockets in it."""
    with TemporaryDirectory(prefix="mg-") as folder:
        yield Path(folder)


# Programs -------------------------------------------------------------------------------------


def start(command: list[str], environ: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with the children it serves by."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def finish(command: list[str], environ: dict[str, str]) -> None:
    done = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def succeeds(command: list[str], environ: dict[str, str]) -> bool:
    merged = {**os.environ, **environ}
    return subprocess.run(command, env=merged, capture_output=True, check=False).returncode == 0


def accepts(path: Path) -> bool:
    """Try a socket of this machine: its name is there a moment before it can be used."""
    with socket(AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def free_ports() -> int:
    """Find two neighbouring ports that nobody serves: the first of them."""
    for port in range(20_000 + os.getpid() % 5_000 * 2, 32_000, 2):
        with socket() as first, socket() as second, suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("no free ports")


def listens(port: int) -> bool:
    """Look whether a port of this machine is served, without a connection that would count."""
    listening = f"0100007F:{port:04X} 00000000:0000 0A"
    return listening in Path("/proc/net/tcp").read_text(encoding="ascii")


def wait_for(ready: Callable[[], bool], what: str) -> None:
    """Wait until something outside is there; it tells us no other way."""
    end_at = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < end_at, f"{what} did not come up"
        time.sleep(0.02)
