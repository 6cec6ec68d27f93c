"""Two simulated devices with every key of a log, born in a ceremony: for development.

All files lie in one folder: devices, PINs, two officers' keys, plan and transcript of the ceremony,
the file of keys, the signer's state, policy and document keys for strangers, and the settings.
"""

import secrets
from pathlib import Path

import msgspec

from ledger.kernel.errors import Unavailable
from ledger.signer import ceremony as ceremonies
from ledger.signer.ceremony_plan import read_plan
from ledger.signer.driver import Driver, LocalDriver
from ledger.signer.pkcs11 import Adapter
from ledger.signer.software import Settings as SignerSettings
from ledger.signer.software import create_key
from ledger.tlog.note import Ed25519Signer, VerifierKey, format_vkey
from ledger.tlog.policy import Log, Policy
from mobilegrid.clock import CLOCK
from mobilegrid.keys_file import KeysFile, PinnedDevice, format_keys_file, with_keys
from mobilegrid.secret_files import write_secret
from mobilegrid.signing import make_state
from mobilegrid.simulated import create_simulated, load_simulated

LETTERS = ("a", "b")
OFFICERS = ("ada", "grace")
CLOCK_STEP_S = 30 * 86_400
"""A machine under a desk sleeps; a real signer takes an hour."""

PATIENCE_MS = 10_000
"""Simulated devices think in Python, on a machine that does other things too."""

_STEPS = (
    *(("make-signing-key", f"{purpose}-{letter}", letter)
      for purpose in ("checkpoint", "documents", "certificates") for letter in LETTERS),
    *(("make-secret-key", "seal-1", letter) for letter in LETTERS),
    ("seal-seed", "", ""),
    ("import-wrapping-key", "", ""),
    ("make-kek", "pii-kek-1", ""),
    ("make-kek", "invoice-kek-1", ""),
)  # fmt: skip


class Willing:
    """Officers who confirm every step; their keys lie in the folder."""

    def __init__(self, signers: dict[str, Ed25519Signer]) -> None:
        """Hold the keys, by name."""
        self._signers = signers

    def confirm(self, _officer: str, _sentence: str) -> bool:
        """Agree."""
        return True

    def part(self, _officer: str, _label: str) -> bytes:
        """Give a part of a key that nobody keeps."""
        return secrets.token_bytes(32)

    def sign(self, officer: str, message: bytes) -> bytes:
        """Sign with the officer's key."""
        return self._signers[officer].sign(message)


class Born(msgspec.Struct, frozen=True):
    """What a trial made: its settings file, the verifier keys of the log."""

    settings: Path
    vkeys: tuple[str, ...]


def make_trial(
    folder: Path, origin: str, ledger: dict[str, str], former: tuple[VerifierKey, ...] = ()
) -> Born:
    """Make all that signs a log with two simulated devices, in a new or empty folder.

    Args:
        folder: where everything is put.
        origin: of the log.
        ledger: the section of settings that names the ledger.
        former: keys that signed checkpoints of the log before.

    Raises:
        Unavailable: the folder cannot be written, or is not empty.
    """
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise Unavailable(f"cannot make {folder}: {error.strerror}") from error
    if not is_empty:
        raise Unavailable(f"{folder} is not empty")
    devices = tuple(_make_device(folder, letter) for letter in LETTERS)
    signers = {name: create_key(folder / f"{name}.key", name) for name in OFFICERS}
    found = KeysFile(
        origin=origin,
        devices=devices,
        former=tuple(format_vkey(key) for key in former),
        officers={name: signer.key.public_key.hex() for name, signer in signers.items()},
    )
    found = _hold(folder, found, signers)
    _write(folder / "keys.toml", format_keys_file(found))
    vkeys = found.log_keys()
    policy = Policy(tuple(Log(key) for key in vkeys))
    _write(folder / "policy", policy.format())
    _write(folder / "keys.json", msgspec.json.encode(found.document_keys()))
    signer = SignerSettings(
        kind="simulator",
        keys_file=str(folder / "keys.toml"),
        socket=str(folder / "signer.sock"),
        state_file=str(folder / "signer.db"),
        clock_step_s=CLOCK_STEP_S,
    )
    make_state(signer, is_production=False)
    settings = folder / "mobilegrid.toml"
    _write(settings, _settings_text(ledger, signer, folder / "policy"))
    return Born(settings, tuple(format_vkey(key) for key in vkeys))


def _make_device(folder: Path, letter: str) -> PinnedDevice:
    # a simulated device derives its keys from its file's name, so each gets a name of its own
    name = f"{letter}-{secrets.token_hex(8)}.device"
    pin = f"{secrets.randbelow(10**8):08}"
    label = f"mobilegrid-{letter}"
    write_secret(folder / f"{letter}.pin", pin)
    create_simulated(folder / name, label, so_pin=secrets.token_hex(8), pin=pin)
    return PinnedDevice(
        device=letter,
        module=f"sim:{name}",
        pin_file=f"{letter}.pin",
        label=label,
        sign_ms=PATIENCE_MS,
        seal_ms=PATIENCE_MS,
    )


def _hold(folder: Path, found: KeysFile, signers: dict[str, Ed25519Signer]) -> KeysFile:
    """Hold the ceremony of birth; take in its keys."""
    plan = _plan_text(found)
    drivers: dict[str, Driver] = {}
    for device in found.devices:
        path = folder / device.module.removeprefix("sim:")
        drivers[device.device] = LocalDriver(Adapter(load_simulated(str(path))))
    room = ceremonies.Room(
        drivers=drivers,
        pins={letter: (folder / f"{letter}.pin").read_text().strip() for letter in drivers},
        officers=Willing(signers),
        clock=CLOCK,
        entropy=secrets.token_bytes,
        program_sha256=ceremonies.program_digest(Path(ceremonies.__file__).parent),
    )
    held = ceremonies.hold(plan, room)
    _write(folder / "birth.toml", plan)
    _write(folder / "birth.jws", held.transcript)
    return keys_of_ceremony(found, plan, held.payload)


def keys_of_ceremony(found: KeysFile, plan: bytes, payload: bytes) -> KeysFile:
    """Take the keys of a completed ceremony into a file of keys; `Unavailable` if it stopped."""
    said = msgspec.json.decode(payload)
    if said["outcome"] != ceremonies.COMPLETE:
        raise Unavailable(f"the ceremony {said['outcome']}")
    return with_keys(found, read_plan(plan).steps, [step["result"] for step in said["steps"]])


def _plan_text(found: KeysFile) -> bytes:
    lines = [
        'id = "trial"',
        'kind = "birth"',
        f'origin = "{found.origin}"',
        f"officers = {len(found.officers)}",
    ]
    for name, public_key in found.officers.items():
        lines += ["", "[[participants]]", f'name = "{name}"', 'role = "officer"']
        lines.append(f'public_key = "{public_key}"')
    for device in found.devices:
        lines += ["", "[[devices]]", f'device = "{device.device}"']
        lines += [f'module = "{device.module}"', f'label = "{device.label}"']
    for do, label, letter in _STEPS:
        lines += ["", "[[steps]]", f'do = "{do}"']
        lines += [f'label = "{label}"'] if label else []
        lines += [f'device = "{letter}"'] if letter else []
        lines += ['by = "seal-1"'] if do == "seal-seed" else []
    return "".join(f"{line}\n" for line in lines).encode()


def _settings_text(ledger: dict[str, str], signer: SignerSettings, policy: Path) -> bytes:
    sections: dict[str, dict[str, str | int]] = {
        "ledger": {**ledger},
        "signer": {
            "kind": signer.kind,
            "keys_file": signer.keys_file,
            "socket": signer.socket,
            "state_file": signer.state_file,
            "clock_step_s": signer.clock_step_s,
        },
        "verify": {"policy_file": str(policy)},
    }
    lines = ["# Written by `mobilegrid keys trial`: simulated devices protect nothing."]
    for name, members in sections.items():
        lines += ["", f"[{name}]"]
        lines += [
            f"{key} = {msgspec.json.encode(value).decode()}" for key, value in members.items()
        ]
    return "".join(f"{line}\n" for line in lines).encode()


def _toml(value: str | int) -> str:
    return msgspec.json.encode(value).decode()


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error
