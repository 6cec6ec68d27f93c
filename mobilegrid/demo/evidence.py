"""The demo's last scene: what strangers hold in their hands, shown on a copy of the town's ledger.

Two simulated devices sign the head, the town's witness cosigns it, the strangers' verifier checks
the whole history of a pack under it, and a person is erased. A copy, so that the month stays
what it was: an erasure makes entries, and its keys are chance.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random  # noqa: TID251  seeded below
from secrets import token_bytes
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from typing_extensions import override

from ledger.domain.parties import RegisterParty
from ledger.domain.privacy import EraseSubject, RegisterSubject
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.ids import key_at
from ledger.kernel.instants import SECOND, Clock, Instant
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.checkpointer import Checkpointer, Parts
from ledger.runtime.erasing import Erasing, erased_in, ledger_files
from ledger.runtime.history_proofs import HistoryProver
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.ports import Cosigned, Prove, WitnessAsker
from ledger.runtime.proving import full_note
from ledger.runtime.sweeping import files_below, sweep
from ledger.signer import operations as ops
from ledger.signer.client import LocalSigner
from ledger.signer.devices import Device, DeviceSettings, Surroundings
from ledger.signer.driver import LocalDriver
from ledger.signer.handler import Handler
from ledger.signer.keyring import HardwareKeyring
from ledger.signer.pkcs11 import Adapter
from ledger.signer.pkcs11_sessions import key_id_of
from ledger.signer.policy import Reading, Rules
from ledger.signer.ports import PublicKey
from ledger.signer.software_keyring import SoftwareKeyring
from ledger.signer.state import SignerState, create_state
from ledger.store.engine import sqlite_file
from ledger.store.vault import Keys, Vault
from ledger.store.vault_engine import VaultDatabase, create_vault
from ledger.tlog.cosign import CosignerV1
from ledger.tlog.note import Signature, parse_note
from ledger.tlog.policy import Log, Policy, Witness
from mobilegrid.demo.looks import pairs
from mobilegrid.demo.month import END
from mobilegrid.demo.weeks import on
from mobilegrid.heads import Quiet
from mobilegrid.simulated import create_simulated, load_simulated

AT = on(END, 12)
WITNESS = "witness.town-hall.example"
EMAIL = "ada.demo@example.net"
VERIFIER = Path(__file__).resolve().parent.parent / "offline_verifier.py"
DEVICE_SECONDS = 30.0
_LETTERS = ("a", "b")
_PIN = "123456"
_SUPPORT = Actor(id="SU-1", role="support")
_FINANCE = Actor(id="AM-1", role="asset_manager", second_person="AM-2")


class StandingClock(Clock):
    """The end of the demo's month, for ever."""

    @override
    def now(self) -> Instant:
        return Instant(AT)


CLOCK = StandingClock()


def show(ledger: Ledger, pack_id: str) -> Any:
    """Make the evidence on a copy of the ledger, and give what there is to say of it.

    Raises:
        InvariantBroken: something did not hold that the demo promises.
    """
    file = sqlite_file(ledger.url)
    assert file is not None, "the demo's ledger is a file"
    with TemporaryDirectory(prefix="mobilegrid-evidence-") as name:
        folder = Path(name)
        for each in (file, file.with_name(f"{file.name}-wal")):
            if each.exists():
                shutil.copy(each, folder / each.name)
        with Ledger(f"sqlite:///{folder / file.name}") as copy:
            policy, devices = _sign(copy, folder)
            history = folder / "pack.tlog-history"
            history.write_bytes(HistoryProver(copy).prove(pack_id))
            rows = [
                ("head", _who_signed(copy, devices)),
                ("witness", f"{WITNESS} cosigned it; the policy wants that line"),
                ("erased", _erase(copy, folder)),
                ("history", _verified(history, policy, pack_id)),
                ("forgery", _refused(history, policy, pack_id)),
            ]
    return pairs(rows)


# Heads ------------------------------------------------------------------------


class TownHall(WitnessAsker):
    """A witness that has seen nothing of this log, and cosigns what it is shown."""

    def __init__(self, now_s: Callable[[], int]) -> None:
        """Cosign with the key that everybody knows, at the times that `now_s` gives."""
        seed = sha256(b"mobilegrid demo witness: everybody knows this key").digest()
        self.cosigner = CosignerV1(WITNESS, seed, now_s)

    @override
    def ask(self, note: bytes, prove: Prove) -> Cosigned:
        """Sign a checkpoint."""
        del prove  # it saw nothing of this log before
        key = self.cosigner.key
        line = self.cosigner.sign(parse_note(note).text)
        return _Lines((Signature(key.name, key.key_id, line),))


class _Lines(msgspec.Struct, frozen=True):
    lines: tuple[Signature, ...]


def _sign(ledger: Ledger, folder: Path) -> tuple[Path, tuple[PublicKey, ...]]:
    """Have two simulated devices sign the head, and the town hall cosign it; give the policy."""
    devices = [_device(folder, letter) for letter in _LETTERS]
    keys = tuple(key for device in devices for key in device.settings.keys)
    origin = ledger.name.origin
    rules = Rules(origin, keys, {}, SECOND)
    create_state(folder / "signer.db", origin, AT)
    state = SignerState(folder / "signer.db", origin)
    handler = Handler(rules, HardwareKeyring(devices), state, lambda: Reading(AT, 0), _no_alarm)
    hall = TownHall(lambda: AT // SECOND)
    signer = LocalSigner(handler, state)
    parts = Parts(
        signer=signer,
        verifiers=rules.verifiers(),
        clock=CLOCK,
        observer=Quiet(),
        witnesses=hall,
    )
    Checkpointer(ledger, parts).round()
    signer.close()
    logs = tuple(Log(verifier.key) for verifier in rules.verifiers())
    policy = Policy(logs, (Witness("hall", hall.cosigner.key),), (), "hall")
    path = folder / "policy.txt"
    path.write_bytes(policy.format())
    return path, keys


def _no_alarm(code: str, detail: str) -> None:
    raise InvariantBroken(f"the demo's signer: {code} {detail}")


def _device(folder: Path, letter: str) -> Device:
    """Make a simulated device with one key; its file's name decides the key."""
    path, label = folder / f"demo-{letter}.device", f"demo-{letter}"
    create_simulated(path, label, so_pin=f"{_PIN}78", pin=_PIN)
    driver = LocalDriver(Adapter(load_simulated(str(path))))
    name = f"checkpoint-{letter}"
    _done(driver, ops.LogIn(_PIN, "", label, writes=True))
    raw = _done(driver, ops.MakeSigningKey(name, "ed25519"))
    _done(driver, ops.LogOut())
    public = PublicKey(name, "ed25519", raw, key_id_of(raw).hex(), letter)
    settings = DeviceSettings(letter, _PIN, label=label, keys=(public,))
    return Device(settings, driver, Surroundings(CLOCK, _no_pause, Random(1).random))  # noqa: S311


def _done(driver: LocalDriver, operation: ops.Operation) -> bytes:
    reply = driver.call(operation, DEVICE_SECONDS)
    if isinstance(reply, ops.Fault):
        raise InvariantBroken(f"the demo's devices: {reply.name}")
    return reply.data


def _no_pause(_seconds: float) -> None:
    """Healthy devices are not waited for."""


def _who_signed(ledger: Ledger, keys: tuple[PublicKey, ...]) -> str:
    with ledger.reading() as reads:
        signatures = parse_note(full_note(reads)).signatures
    origin = ledger.name.origin
    count = sum(line.name == origin for line in signatures) - 1  # and the key in a file before
    if count != len(keys) or all(line.name != WITNESS for line in signatures):
        raise InvariantBroken("the head does not bear the lines of devices and witness")
    names = " and ".join(f"device {key.device} (key {key.key_id})" for key in keys)
    return f"signed by {names}, both simulated"


# A pack's history, checked by strangers -----------------------------------------


def _verdict(file: Path, policy: Path, pack_id: str) -> tuple[int, str]:
    words = [sys.executable, "-I", str(VERIFIER), "history", str(file)]
    words += ["--policy", str(policy), "--pack", pack_id]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603  ours
    return done.returncode, (done.stdout.strip().splitlines() or [done.stderr.strip()])[-1]


def _verified(file: Path, policy: Path, pack_id: str) -> str:
    code, said = _verdict(file, policy, pack_id)
    count = len(msgspec.json.decode(file.read_bytes())["entries"])
    if code:
        raise InvariantBroken(f"the history of {pack_id} is refused: {said}")
    return f"{said}: these {count} entries are all of {pack_id}, says the strangers' program"


def _refused(file: Path, policy: Path, pack_id: str) -> str:
    """Leave one entry out, and let the strangers' program look again."""
    found = msgspec.json.decode(file.read_bytes())
    del found["entries"][1]
    file.write_bytes(msgspec.json.encode(found, order="deterministic"))
    code, said = _verdict(file, policy, pack_id)
    if not code:
        raise InvariantBroken("a history without one of its entries was verified")
    return f"with one entry left out: {said}"


# A person -------------------------------------------------------------------------


def _erase(ledger: Ledger, folder: Path) -> str:
    """Register a person, erase the person, and search every byte of every file."""
    url = f"sqlite:///{folder / 'vault.db'}"
    create_vault(url)
    ring = SoftwareKeyring(token_bytes(32), CLOCK)
    vault = Vault(VaultDatabase(url), Keys(ring, 1, token_bytes, CLOCK), erased_in(ledger))
    try:
        subject, sealed = vault.register({"email": EMAIL}, {})
        party = RegisterParty(party_id=subject, party_roles=("driver",), country="FR")
        _do(ledger, party, _FINANCE)
        _do(ledger, RegisterSubject(subject_id=subject, sealed=sealed), _SUPPORT)
        asked = EraseSubject(subject_id=subject, reason="person_asked", requested_by=subject)
        erasing = Erasing(ledger, vault, CLOCK, [folder])
        row = erasing.erase(_request(asked, _SUPPORT))
        files = files_below([*vault.database.files(), *ledger_files(ledger), folder])
        found = sweep(files, [EMAIL.encode()]).found
    finally:
        vault.close()
    if not row.erased or found:
        raise InvariantBroken("something of an erased person is left")
    return f"a person, entries {row.ordered} and {row.erased}: 0 bytes of keys or e-mail are left"


def _do(ledger: Ledger, command: Command, actor: Actor) -> None:
    accepted(ledger.execute(_request(command, actor)))


def _request(command: Command, actor: Actor) -> Request:
    key = key_at(AT, "demo evidence", type(command).__name__)
    return Request(key=key, principal="demo", actor=actor, at=AT, command=command)
