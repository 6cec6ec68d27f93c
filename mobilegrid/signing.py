"""The signer process put together: its keys, its state, its socket. It opens no ledger.

Software: the key in a file signs, and every other key is derived from it; for development. Devices,
simulated or real, each run in a driver process of their own, started when the first request comes.
"""

import secrets
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from ledger.kernel.errors import Misconfigured, NotFound, Unavailable
from ledger.kernel.instants import SECOND
from ledger.signer.devices import Deadlines, Device, DeviceSettings, Surroundings
from ledger.signer.driver import ProcessDriver
from ledger.signer.handler import Handler
from ledger.signer.keyring import HardwareKeyring, SealedSeed
from ledger.signer.pkcs11_sessions import key_id_of
from ledger.signer.policy import Reading, Rules
from ledger.signer.ports import Keyring, PublicKey
from ledger.signer.service import Service, ServiceSettings
from ledger.signer.software import Settings as SignerSettings
from ledger.signer.software import load_key, load_seed
from ledger.signer.software_keyring import SoftwareKeyring
from ledger.signer.state import SignerState, create_state
from ledger.tlog.note import Ed25519Signer
from mobilegrid.clock import CLOCK, steady_us
from mobilegrid.devices import module_of
from mobilegrid.keys_file import POST_QUANTUM, SIMULATED, KeysFile, PinnedDevice, read_keys_file
from mobilegrid.secret_files import read_secret

OTHER_CALLERS_MAX = 8


class FileKeyring(SoftwareKeyring):
    """The development key ring of a log: checkpoints by the key in a file, the rest derived."""

    def __init__(self, signer: Ed25519Signer, seed: bytes) -> None:
        """Hold the key of a file and the seed in it."""
        super().__init__(seed, CLOCK)
        self._file = signer
        raw = signer.key.public_key
        self._file_key = PublicKey("checkpoint-a", "ed25519", raw, key_id_of(raw).hex(), "a")

    @override
    def public_keys(self) -> tuple[PublicKey, ...]:
        """List every signing key; there is one for checkpoints."""
        others = [key for key in super().public_keys() if not key.label.startswith("checkpoint")]
        return (self._file_key, *others)

    @override
    def sign(self, purpose: str, message: bytes) -> tuple[tuple[PublicKey, bytes], ...]:
        """Sign with the keys of a purpose, see `Keyring`."""
        if purpose == "checkpoint":
            return ((self._file_key, self._file.sign(message)),)
        if purpose == POST_QUANTUM:
            raise Unavailable("the key in a file has no post-quantum companion")
        return super().sign(purpose, message)


# What the settings say -----------------------------------------------------------


def check_kind(settings: SignerSettings, *, is_production: bool) -> None:
    """Refuse, as `Misconfigured`, keys that protect nothing where they must."""
    if is_production and settings.kind != "pkcs11":
        raise Misconfigured(f"signer.kind = {settings.kind} is refused in production")


def pinned(settings: SignerSettings) -> tuple[Path, KeysFile]:
    """Read the keys file of devices; `Misconfigured` when none is named, or of another kind."""
    if not settings.keys_file:
        raise Misconfigured(f"signer.keys_file must be set for signer.kind = {settings.kind}")
    path = Path(settings.keys_file)
    found = read_keys_file(path)
    for device in found.devices:
        if device.module.startswith(SIMULATED) != (settings.kind == "simulator"):
            raise Misconfigured(
                f"signer.kind = {settings.kind} does not go with the module {device.module}"
            )
    return path, found


def _callers(text: str) -> frozenset[int]:
    try:
        uids = frozenset(int(each) for each in text.split(",") if each.strip())
    except ValueError as error:
        raise Misconfigured("signer.callers: uids, with commas") from error
    if len(uids) > OTHER_CALLERS_MAX or any(uid < 0 for uid in uids):
        raise Misconfigured(f"signer.callers: at most {OTHER_CALLERS_MAX} uids")
    return uids


# Its parts -------------------------------------------------------------------------


class Keys(NamedTuple):
    """What signs, the rules that pin it, and the driver processes behind it."""

    rules: Rules
    keyring: Keyring
    drivers: tuple[ProcessDriver, ...] = ()


def keys_of(settings: SignerSettings, *, is_production: bool) -> Keys:
    """Make the key ring, and the rules that pin it. Devices are opened by the first request.

    Raises:
        Misconfigured: production refuses this kind, or a file is not as it must be.
    """
    check_kind(settings, is_production=is_production)
    step_us = settings.clock_step_s * SECOND
    if settings.kind == "software":
        path = Path(settings.key_file)
        signer = load_key(path)
        software = FileKeyring(signer, load_seed(path))
        return Keys(Rules(signer.key.name, software.public_keys(), {}, step_us), software)
    path, found = pinned(settings)
    around = Surroundings(CLOCK, time.sleep, secrets.SystemRandom().random)
    drivers = tuple(
        ProcessDriver(module_of(_module(path.parent, each), is_production=is_production))
        for each in found.devices
    )
    devices = [
        Device(_device_settings(path.parent, found, each), driver, around)
        for each, driver in zip(found.devices, drivers, strict=True)
    ]
    hardware = HardwareKeyring(devices, _seed(found))
    officers = {name: bytes.fromhex(key) for name, key in found.officers.items()}
    return Keys(Rules(found.origin, hardware.public_keys(), officers, step_us), hardware, drivers)


def _module(folder: Path, device: PinnedDevice) -> str:
    if not device.module.startswith(SIMULATED):
        return device.module
    return f"{SIMULATED}{folder / device.module.removeprefix(SIMULATED)}"


def _device_settings(folder: Path, found: KeysFile, device: PinnedDevice) -> DeviceSettings:
    held = [key.public() for key in found.keys if key.device == device.device]
    second = 1_000
    return DeviceSettings(
        device=device.device,
        pin=read_secret(folder / device.pin_file, "pin_file"),
        serial=device.serial,
        label=device.label,
        has_gcm=device.has_gcm,
        counts_pins=device.counts_pins,
        keys=tuple(key for key in held if key.label != POST_QUANTUM),
        deadlines=Deadlines(sign_s=device.sign_ms / second, seal_s=device.seal_ms / second),
    )


def _seed(found: KeysFile) -> SealedSeed | None:
    key = next((each for each in found.keys if each.label == POST_QUANTUM), None)
    if key is None or found.seed is None:
        return None
    return SealedSeed(key.public(), found.seed.by, found.seed.sealed)


# The process -----------------------------------------------------------------------


def _read_clocks() -> Reading:
    return Reading(CLOCK.now(), steady_us())


def alarm(code: str, detail: str) -> None:
    """Call a person: a line on stderr that a supervisor forwards."""
    sys.stderr.write(f"ALARM signer {code}: {detail}\n")
    sys.stderr.flush()


def make_state(settings: SignerSettings, *, is_production: bool) -> Path:
    """Make the state of a signer that never signed for its log; raises as `create_state`."""
    keys = keys_of(settings, is_production=is_production)
    path = Path(settings.state_file)
    create_state(path, keys.rules.origin, CLOCK.now())
    return path


def run_signer(
    settings: SignerSettings,
    *,
    is_production: bool,
    started: Callable[[Service, str], None],
) -> None:
    """Answer on the socket until the service is stopped.

    A signer without its state answers, and signs nothing: it moved here without it, or was never
    born. `started` gets the service and the origin once it can be called.

    Raises:
        Misconfigured: a setting or file is wrong, or another signer runs.
        TamperEvidence: the state was changed other than by a signer.
    """
    keys = keys_of(settings, is_production=is_production)
    where = ServiceSettings(Path(settings.socket), _callers(settings.callers))
    state: SignerState | None = None
    with suppress(NotFound):
        state = SignerState(Path(settings.state_file), keys.rules.origin)
    if state is None:
        alarm("no_state", f"there is no state {settings.state_file}; nothing is signed")
    try:
        handler = Handler(keys.rules, keys.keyring, state, _read_clocks, alarm)
        service = Service(where, handler, steady_us)
        started(service, keys.rules.origin)
        service.run()
    finally:
        for driver in keys.drivers:
            driver.stop()
        if state is not None:
            state.close()
