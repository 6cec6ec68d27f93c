"""The file of a ceremony: who takes part, which devices, which steps; read strictly from TOML.

The file holds nothing secret: PINs and parts of keys are asked for while the ceremony is held. Its
form, with every step, is in docs/ceremony.md.
"""

import re
import tomllib
from enum import Enum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ledger.kernel.errors import Malformed
from ledger.tlog.tree import SIZE_MAX

FILE_BYTES_MAX = 256 * 1024
OFFICERS_MIN = 2
ANNOUNCED_DAYS_MIN = 7

_Label = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
_Letter = Annotated[str, Meta(pattern=r"^[ab]$")]
_Hex32 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
_KeyId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
_Text = Annotated[str, Meta(min_length=1, max_length=200)]
_INDEX = re.compile(r"\[(\d+)\]")
_PLACE = re.compile(r"(.*) - at `\$\.?(.*)`")


class Kind(Enum):
    """What a ceremony is held for."""

    BIRTH = "birth"
    ROTATION = "rotation"
    RETIREMENT = "retirement"
    KEK_EPOCH = "kek-epoch"
    SIGNER_MOVE = "signer-move"
    DESTRUCTION = "destruction"


class Step(msgspec.Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    """One thing that is done, once every officer has confirmed it."""


class MakeSigningKey(Step, frozen=True, tag="make-signing-key"):
    """Make a key pair in a device; with `expect` see that the device holds that key already."""

    device: _Letter
    label: _Label
    algorithm: Annotated[str, Meta(pattern=r"^(ed25519|p-256|ml-dsa-44)$")] = "ed25519"
    expect: Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*$")] = ""


class MakeSecretKey(Step, frozen=True, tag="make-secret-key"):
    """Make an AES-256 key in one device, for sealing there."""

    device: _Letter
    label: _Label


class ImportWrappingKey(Step, frozen=True, tag="import-wrapping-key"):
    """Bring the key that moves others into every device, from one part of each officer."""

    label: _Label = "quorum-wrap"


class MakeKek(Step, frozen=True, tag="make-kek"):
    """Make a key-encryption key in one device, copy it to the other, and close it in both."""

    label: Annotated[str, Meta(pattern=r"^(pii|invoice)-kek-[0-9]{1,6}$")]
    source: _Letter = "a"
    target: _Letter = "b"
    by: _Label = "quorum-wrap"


class SealSeed(Step, frozen=True, tag="seal-seed"):
    """Make the ML-DSA-44 key and seal its seed in every device."""

    by: _Label
    label: _Label = "checkpoint-pq"


class Announce(Step, frozen=True, tag="announce"):
    """State the new key of a log and the day from which it signs, 7 days ahead at least."""

    device: _Letter
    label: _Label
    public_key: _Hex32
    not_before_on: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")]


class RetireKey(Step, frozen=True, tag="retire-key"):
    """Forbid a signing key to sign, for ever."""

    device: _Letter
    key_id: _KeyId


class DestroyKey(Step, frozen=True, tag="destroy-key"):
    """Destroy a secret key in every device, or a signing key in one."""

    label: _Label = ""
    device: Annotated[str, Meta(pattern=r"^[ab]?$")] = ""
    key_id: Annotated[str, Meta(pattern=r"^([0-9a-f]{16})?$")] = ""


class ConfirmState(Step, frozen=True, tag="confirm-state"):
    """See that the state file that moves to a new machine is the one that was left."""

    file: _Text
    sha256: _Hex32


AnyStep = (
    MakeSigningKey
    | MakeSecretKey
    | ImportWrappingKey
    | MakeKek
    | SealSeed
    | Announce
    | RetireKey
    | DestroyKey
    | ConfirmState
)

_ALLOWED: dict[Kind, tuple[type[Step], ...]] = {
    Kind.BIRTH: (MakeSigningKey, MakeSecretKey, ImportWrappingKey, MakeKek, SealSeed),
    Kind.ROTATION: (MakeSigningKey, Announce, SealSeed),
    Kind.RETIREMENT: (RetireKey,),
    Kind.KEK_EPOCH: (MakeKek, DestroyKey),
    Kind.SIGNER_MOVE: (ConfirmState,),
    Kind.DESTRUCTION: (DestroyKey,),
}


class Participant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is in the room. Officers confirm and sign, others are named in the transcript."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    role: Annotated[str, Meta(pattern=r"^(officer|operator|witness)$")]
    public_key: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""


class PlannedDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device: its letter, the module that speaks to it, and how its token is found."""

    device: _Letter
    module: _Text
    serial: str = ""
    label: str = ""
    has_gcm: bool = True


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole ceremony."""

    id: _Label
    kind: Kind
    origin: _Text
    participants: tuple[Participant, ...]
    devices: tuple[PlannedDevice, ...]
    steps: tuple[AnyStep, ...]
    log_size: Annotated[int, Meta(ge=0, le=SIZE_MAX)] = 0  # what the log is at this time
    log_root: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""  # empty: an empty log
    officers: int = OFFICERS_MIN  # how many officers must confirm: all that are named

    @property
    def named_officers(self) -> tuple[Participant, ...]:
        """The officers, in the order of the file."""
        return tuple(person for person in self.participants if person.role == "officer")


def read_plan(data: bytes) -> Plan:
    """Read the file of a ceremony; `Malformed` names the field and the rule."""
    if len(data) > FILE_BYTES_MAX:
        raise Malformed(f"at most {FILE_BYTES_MAX} bytes", field="ceremony")
    try:
        raw: dict[str, Any] = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not TOML: {error}", field="ceremony") from error
    try:
        plan = msgspec.convert(raw, Plan)
    except msgspec.ValidationError as error:
        found = _PLACE.fullmatch(str(error))
        rule, place = found.groups() if found else (str(error), "")
        raise Malformed(rule, field=_counted(place) or "ceremony") from error
    _check_people(plan)
    _check_devices(plan)
    for number, step in enumerate(plan.steps, 1):
        _check_step(plan, number, step)
    return plan


def _counted(place: str) -> str:
    """Write a place as people count: ``steps[0].do`` is ``steps.1.do``."""
    return _INDEX.sub(lambda found: f".{int(found[1]) + 1}", place)


def _check_people(plan: Plan) -> None:
    officers = plan.named_officers
    if len(officers) < OFFICERS_MIN or plan.officers != len(officers):
        raise Malformed("two officers at least, and as many as are named", field="officers")
    if len({person.name for person in plan.participants}) != len(plan.participants):
        raise Malformed("each person has another name", field="participants.name")
    keys = {person.public_key for person in officers}
    if len(keys) != len(officers) or "" in keys:
        raise Malformed("each officer has a key of his own", field="participants.public_key")


def _check_devices(plan: Plan) -> None:
    letters = [device.device for device in plan.devices]
    if not letters or len(set(letters)) != len(letters):
        raise Malformed("one device at least, each with its own letter", field="devices.device")
    for device in plan.devices:
        if not device.serial and not device.label:
            raise Malformed("a serial or a label", field=f"devices.{device.device}.serial")
    if bool(plan.log_size) != bool(plan.log_root):
        raise Malformed("size and root of the log belong together", field="log_root")
    if not plan.steps:
        raise Malformed("one step at least", field="steps")


def _check_step(plan: Plan, number: int, step: AnyStep) -> None:
    place = f"steps.{number}"
    if not isinstance(step, _ALLOWED[plan.kind]):
        raise Malformed(f"not a step of a {plan.kind.value}", field=f"{place}.do")
    letters = {device.device for device in plan.devices}
    members = msgspec.structs.asdict(step)
    wanted = {members.get(name, "") for name in ("device", "source", "target")}
    if not wanted - {""} <= letters:
        raise Malformed("no such device", field=f"{place}.device")
    if isinstance(step, MakeKek) and step.source == step.target:
        raise Malformed("copied to itself", field=f"{place}.target")
    if isinstance(step, DestroyKey) and bool(step.label) == bool(step.key_id and step.device):
        rule = "the label of a secret key, or device and key_id of a signing key"
        raise Malformed(rule, field=f"{place}.label")
