"""A ceremony: steps done one by one, each confirmed by every officer, all of it written down.

`hold` goes through a plan with the devices' drivers and answers with a transcript. It stops at the
first step that an officer does not confirm or that fails; the transcript says so. Nothing is tried
again by itself, for a key made twice would be worse than one not made: what a failed step began it
takes back.

A transcript is one line per officer: the same payload, as a JWS `mobilegrid-ceremony+jws` by his
own key. It names the digests of the plan and of the program, every step with its outcome, public
keys, and attestations where a device gives them.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol, assert_never

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Conflict, Malformed, MobileGridError, SignatureInvalid, Unavailable
from ledger.kernel.hashing import EMPTY_ROOT
from ledger.kernel.instants import DAY, Clock, as_text, instant_of
from ledger.signer import ceremony_plan as plans
from ledger.signer import operations as ops
from ledger.signer.documents import Document, compact, signing_input, thumbprint, verify_document
from ledger.signer.driver import Driver
from ledger.signer.faults import Names
from ledger.signer.keyring import seed_context
from ledger.signer.pkcs11_sessions import key_id_of, secret_key_id
from ledger.tlog.note import ED25519, VerifierKey, format_vkey

TYP = "mobilegrid-ceremony+jws"
COMPLETE = "complete"
STEP_SECONDS = 30.0
_TRIAL = b"what one seals the other opens"


class Officers(Protocol):
    """The people in the room, as the program meets them."""

    def confirm(self, officer: str, sentence: str) -> bool:
        """Ask an officer whether this step shall be done."""

    def part(self, officer: str, label: str) -> bytes:
        """Ask an officer for his part (32 bytes) of a key."""

    def sign(self, officer: str, message: bytes) -> bytes:
        """Let an officer sign with his own Ed25519 key."""


class Room(NamedTuple):
    """What a ceremony is held with."""

    drivers: Mapping[str, Driver]
    pins: Mapping[str, str]
    officers: Officers
    clock: Clock
    entropy: Callable[[int], bytes]
    program_sha256: str


class Held(NamedTuple):
    """A ceremony that was held: whether to the end, its payload, its transcript."""

    is_complete: bool
    payload: bytes
    transcript: bytes


def hold(data: bytes, room: Room) -> Held:
    """Hold the ceremony of a file.

    Raises:
        Malformed: the file is not a plan.
        Unavailable: a device cannot be opened; nothing was done.
        SignatureInvalid: an officer signed with another key than the one named in the file.
    """
    plan = plans.read_plan(data)
    began_at = room.clock.now()
    try:
        serials = {device.device: _open(device, room) for device in plan.devices}
        taken, outcome = _take_steps(plan, room)
    finally:
        for driver in room.drivers.values():
            driver.stop()
    root = b64encode(bytes.fromhex(plan.log_root) or EMPTY_ROOT).decode()
    payload = canonical(
        {
            "began_at": began_at,
            "checkpoint": {"origin": plan.origin, "root": root, "size": plan.log_size},
            "devices": serials,
            "document_id": f"ceremony-{plan.id}",
            "issued_at": room.clock.now(),
            "kind": plan.kind.value,
            "outcome": outcome,
            "participants": {person.name: person.role for person in plan.participants},
            "plan_sha256": sha256(data).hexdigest(),
            "program_sha256": room.program_sha256,
            "steps": taken,
        }
    )
    return Held(outcome == COMPLETE, payload, _signed(plan, payload, room.officers))


def _take_steps(plan: plans.Plan, room: Room) -> tuple[list[dict[str, object]], str]:
    """Do the steps until one is not confirmed or fails: what to write of each, the outcome."""
    taken: list[dict[str, object]] = []
    names = [officer.name for officer in plan.named_officers]
    for number, step in enumerate(plan.steps, 1):
        sentence = describe(step)
        entry: dict[str, object] = {"number": number, "step": sentence}
        taken.append(entry)
        against = [
            name for name in names if not room.officers.confirm(name, f"{number}. {sentence}")
        ]
        if against:
            return taken, f"stopped at step {number}: not confirmed by {' and '.join(against)}"
        entry["confirmed_by"] = names
        try:
            entry["result"] = _Steps(plan, room).do(step)
        except MobileGridError as error:
            return taken, f"stopped at step {number}: {error.explain()}"
    return taken, COMPLETE


def _signed(plan: plans.Plan, payload: bytes, officers: Officers) -> bytes:
    lines = []
    for officer in plan.named_officers:
        public_key = bytes.fromhex(officer.public_key)
        message = signing_input(TYP, thumbprint(public_key), payload)
        lines.append(compact(message, officers.sign(officer.name, message)))
    transcript = "".join(f"{line}\n" for line in lines).encode()
    verify_transcript(transcript, plan)
    return transcript


def verify_transcript(transcript: bytes, plan: plans.Plan) -> Document:
    """Check that every officer of a plan signed the same payload; give it.

    Raises SignatureInvalid, or Malformed when it is no transcript.
    """
    officers = plan.named_officers
    lines = transcript.decode(errors="replace").splitlines()
    if len(lines) != len(officers):
        raise Malformed("one line for each officer", field="transcript")
    read = []
    for officer, line in zip(officers, lines, strict=True):
        public_key = bytes.fromhex(officer.public_key)
        read.append(verify_document(line, {thumbprint(public_key): public_key}, TYP))
    if len({document.payload for document in read}) != 1:
        raise SignatureInvalid("the officers signed different transcripts")
    return read[0]


def program_digest(folder: Path) -> str:
    """Digest a program: SHA-256 over name and SHA-256 of each of its Python files, in order."""
    lines = [
        f"{path.relative_to(folder).as_posix()} {sha256(path.read_bytes()).hexdigest()}\n"
        for path in sorted(folder.rglob("*.py"))
    ]
    return sha256("".join(lines).encode()).hexdigest()


def describe(step: plans.AnyStep) -> str:
    """Say in one sentence what a step will do."""
    match step:
        case plans.MakeSigningKey(expect=""):
            return f"make the {step.algorithm} key {step.label} in device {step.device}"
        case plans.MakeSigningKey():
            return f"see that device {step.device} holds the key {step.label}"
        case plans.MakeSecretKey():
            return f"make the sealing key {step.label} in device {step.device}"
        case plans.ImportWrappingKey():
            return f"bring the wrapping key {step.label} into every device, from all your parts"
        case plans.MakeKek():
            return f"make {step.label} in device {step.source} and copy it to {step.target}"
        case plans.SealSeed():
            return f"make the key {step.label} and seal its seed under {step.by} in every device"
        case plans.Announce():
            return f"announce {step.label} as a key of the log from {step.not_before_on}"
        case plans.RetireKey():
            return f"forbid the key {step.key_id} in device {step.device} to sign, for ever"
        case plans.DestroyKey(label=""):
            return f"DESTROY the signing key {step.key_id} in device {step.device}"
        case plans.DestroyKey():
            return f"DESTROY the key {step.label} in every device; what it sealed is lost"
        case plans.ConfirmState():
            return f"see that the state file {step.file} has the SHA-256 {step.sha256}"
        case _ as unknown:
            assert_never(unknown)


def _open(device: plans.PlannedDevice, room: Room) -> str:
    """Log in for writing: the token's serial."""
    operation = ops.LogIn(room.pins[device.device], device.serial, device.label, writes=True)
    return _done(device.device, room.drivers[device.device].call(operation, STEP_SECONDS)).decode(
        errors="replace"
    )


def _done(device: str, reply: ops.Reply) -> bytes:
    if isinstance(reply, ops.Fault):
        raise Unavailable(f"device {device}: {reply.name} {reply.text}".strip())
    return reply.data


class _Steps:
    """Does the steps of one plan."""

    def __init__(self, plan: plans.Plan, room: Room) -> None:
        self._plan = plan
        self._room = room

    def _call(self, device: str, operation: ops.Operation) -> bytes:
        return _done(device, self._room.drivers[device].call(operation, STEP_SECONDS))

    def _quietly(self, device: str, operation: ops.Operation) -> None:
        """Take back what a failed step began; that there is nothing is no error."""
        self._room.drivers[device].call(operation, STEP_SECONDS)

    def do(self, step: plans.AnyStep) -> dict[str, str]:
        """Do one step: what the transcript says of it."""
        match step:
            case plans.MakeSigningKey():
                return self._make_signing_key(step)
            case plans.MakeSecretKey():
                key_id = self._call(step.device, ops.MakeSecretKey(step.label))
                return {"key_id": key_id.hex()}
            case plans.ImportWrappingKey():
                return self._import_wrapping_key(step)
            case plans.MakeKek():
                return self._make_kek(step)
            case plans.SealSeed():
                return self._seal_seed(step)
            case plans.Announce():
                return self._announce(step)
            case plans.RetireKey():
                self._call(step.device, ops.RetireKey(bytes.fromhex(step.key_id)))
                return {"key_id": step.key_id}
            case plans.DestroyKey():
                return self._destroy(step)
            case plans.ConfirmState():
                return _confirm_state(step)
            case _ as unknown:
                assert_never(unknown)

    def _make_signing_key(self, step: plans.MakeSigningKey) -> dict[str, str]:
        if step.expect:
            expected = bytes.fromhex(step.expect)
            operation = ops.ReadPublic(key_id_of(expected), step.algorithm)
            if self._call(step.device, operation) != expected:
                raise Conflict(f"device {step.device} holds another key {step.label}")
            public_key = expected
        else:
            self._refuse_second(step.device, step.label)
            public_key = self._call(step.device, ops.MakeSigningKey(step.label, step.algorithm))
        facts = {"key_id": key_id_of(public_key).hex(), "public_key": public_key.hex()}
        reply = self._room.drivers[step.device].call(
            ops.Attest(key_id_of(public_key)), STEP_SECONDS
        )
        if isinstance(reply, ops.Answer):
            facts["attestation"] = b64encode(reply.data).decode()
        elif reply.name != Names.NO_ATTESTATION:
            raise Unavailable(f"device {step.device}: {reply.name}")
        return facts

    def _refuse_second(self, device: str, label: str) -> None:
        reply = self._room.drivers[device].call(ops.ListKeys(), STEP_SECONDS)
        _done(device, reply)
        if isinstance(reply, ops.Answer) and any(key.label == label for key in reply.keys):
            raise Conflict(f"device {device} holds a key {label} already")

    def _import_wrapping_key(self, step: plans.ImportWrappingKey) -> dict[str, str]:
        ask = self._room.officers.part
        parts = tuple(ask(officer.name, step.label) for officer in self._plan.named_officers)
        made: list[str] = []
        try:
            for device in self._room.drivers:
                self._call(device, ops.ImportWrappingKey(step.label, parts))
                made.append(device)
        except Unavailable:
            for device in made:
                self._quietly(device, ops.DestroyKey(secret_key_id(step.label)))
            raise
        return {"key_id": secret_key_id(step.label).hex()}

    def _make_kek(self, step: plans.MakeKek) -> dict[str, str]:
        """Both devices must have shown that they hold it before anything depends on it."""
        by, key_id = secret_key_id(step.by), secret_key_id(step.label)
        for device in (step.source, step.target):
            self._refuse_second(device, step.label)
        try:
            self._call(step.source, ops.MakeSecretKey(step.label, extractable=True))
            wrapped = self._call(step.source, ops.WrapKey(by, key_id))
            self._call(step.target, ops.RestoreKey(by, step.label, wrapped))
            self._call(step.source, ops.CloseKey(key_id))
            self._try_both_ways(step, key_id)
        except (Unavailable, Conflict):
            for device in (step.source, step.target):
                self._quietly(device, ops.DestroyKey(key_id))
            raise
        return {"key_id": key_id.hex(), "held_by": f"{step.source} and {step.target}"}

    def _try_both_ways(self, step: plans.MakeKek, key_id: bytes) -> None:
        gcm = {device.device: device.has_gcm for device in self._plan.devices}
        for one, other in ((step.source, step.target), (step.target, step.source)):
            sealed = self._call(one, ops.Seal(key_id, step.label.encode(), _TRIAL, gcm[one]))
            opened = self._call(other, ops.Unseal(key_id, step.label.encode(), sealed, gcm[other]))
            if opened != _TRIAL:
                raise Conflict(f"device {other} does not open what {one} sealed")

    def _seal_seed(self, step: plans.SealSeed) -> dict[str, str]:
        seed = self._room.entropy(32)
        public_key = MLDSA44PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()
        context, key_id = seed_context(public_key), secret_key_id(step.by)
        facts = {"key_id": key_id_of(public_key).hex(), "public_key": public_key.hex()}
        for device in self._plan.devices:
            sealed = self._call(device.device, ops.Seal(key_id, context, seed, device.has_gcm))
            facts[f"sealed_{device.device}"] = b64encode(sealed).decode()
        return facts

    def _announce(self, step: plans.Announce) -> dict[str, str]:
        public_key = bytes.fromhex(step.public_key)
        operation = ops.ReadPublic(key_id_of(public_key), "ed25519")
        if self._call(step.device, operation) != public_key:
            raise Conflict(f"device {step.device} holds another key {step.label}")
        try:
            from_at = instant_of(datetime.fromisoformat(step.not_before_on).replace(tzinfo=UTC))
        except ValueError as error:
            raise Malformed("not a day", field="steps.not_before_on") from error
        if from_at < self._room.clock.now() + plans.ANNOUNCED_DAYS_MIN * DAY:
            raise Conflict("a key is announced 7 days ahead at least")
        vkey = format_vkey(VerifierKey(self._plan.origin, ED25519, public_key))
        return {"not_before": as_text(from_at), "vkey": vkey}

    def _destroy(self, step: plans.DestroyKey) -> dict[str, str]:
        if step.key_id:
            self._call(step.device, ops.DestroyKey(bytes.fromhex(step.key_id)))
            return {"key_id": step.key_id}
        key_id = secret_key_id(step.label)
        for device in self._room.drivers:
            self._call(device, ops.DestroyKey(key_id))
        return {"key_id": key_id.hex()}


def _confirm_state(step: plans.ConfirmState) -> dict[str, str]:
    try:
        found = sha256(Path(step.file).read_bytes()).hexdigest()
    except OSError as error:
        raise Unavailable(f"cannot read {step.file}: {error.strerror}") from error
    if found != step.sha256:
        raise Conflict(f"the state file {step.file} is another one")
    return {"sha256": found}
