"""The file that pins a log's keys: what a ceremony gave, read by the signer and by whoever serves.

TOML, nothing secret in it. Paths are relative to the file::

    origin = "log.example.net/log/eu-west"
    former = ["log.example.net/log/eu-west+…"]     # keys that signed before; may be left out

    [[devices]]
    device = "a"
    module = "/usr/lib/softhsm/libsofthsm2.so"     # or sim:a.device
    label = "mobilegrid-a"                         # or serial
    pin_file = "a.pin"                             # mode 600, needed by the signer alone

    [[keys]]
    device = "a"
    label = "checkpoint-a"
    algorithm = "ed25519"
    public_key = "…"                               # hexadecimal

    [seed]                                         # of checkpoint-pq; may be left out
    by = "seal-1"
    sealed = { a = "…", b = "…" }                  # base64

    [officers]
    ada = "…"                                      # Ed25519 public key, hexadecimal
"""

import tomllib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ledger.kernel.errors import Malformed, Misconfigured
from ledger.signer import ceremony_plan as plans
from ledger.signer.pkcs11_sessions import key_id_of
from ledger.signer.policy import line_key
from ledger.signer.ports import PublicKey
from ledger.tlog.note import VerifierKey, check_name, parse_vkey

SIMULATED = "sim:"
POST_QUANTUM = "checkpoint-pq"
_FILE_BYTES_MAX = 256 * 1024
_LOG_LABELS = "checkpoint-"  # checkpoint-pq is one of them
_SEALED = "sealed_"  # in what a step gave, before the letter of a device

_Letter = Annotated[str, Meta(pattern=r"^[ab]$")]
_Label = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
_Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})+$")]
_Milliseconds = Annotated[int, Meta(ge=1, le=600_000)]


class PinnedDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One device: the module that speaks to it, how it is found in there, how patient we are."""

    device: _Letter
    module: Annotated[str, Meta(min_length=1, max_length=200)]
    pin_file: Annotated[str, Meta(min_length=1, max_length=200)]
    serial: str = ""
    label: str = ""
    has_gcm: bool = True
    counts_pins: bool = True
    sign_ms: _Milliseconds = 400
    seal_ms: _Milliseconds = 1_000


class PinnedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public half of a signing key."""

    device: _Letter
    label: _Label
    algorithm: Annotated[str, Meta(pattern=r"^(ed25519|ml-dsa-44)$")]
    public_key: _Hex

    def public(self) -> PublicKey:
        """Give the key as the signer knows it."""
        raw = bytes.fromhex(self.public_key)
        return PublicKey(self.label, self.algorithm, raw, key_id_of(raw).hex(), self.device)


class Seed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The seed of checkpoint-pq, sealed by each device."""

    by: _Label
    sealed: dict[str, bytes]


class KeysFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that is pinned for one log."""

    origin: str
    devices: Annotated[tuple[PinnedDevice, ...], Meta(min_length=1, max_length=2)]
    keys: Annotated[tuple[PinnedKey, ...], Meta(max_length=64)] = ()
    former: tuple[str, ...] = ()
    seed: Seed | None = None
    officers: dict[str, str] = {}

    def log_keys(self) -> tuple[VerifierKey, ...]:
        """Give the keys that sign or signed checkpoints, as notes name them; newest first."""
        pinned = [key for key in self.keys if key.label.startswith(_LOG_LABELS)]
        return (*(line_key(self.origin, key.public()) for key in pinned), *self.former_keys())

    def former_keys(self) -> tuple[VerifierKey, ...]:
        """Give the keys that signed checkpoints before."""
        return tuple(parse_vkey(each) for each in self.former)

    def document_keys(self) -> dict[str, Any]:
        """Give the keys of documents as a JWK set, as the strangers' verifier takes it."""
        return {
            "keys": [
                {"crv": "Ed25519", "kty": "OKP", "x": _base64url(bytes.fromhex(key.public_key))}
                for key in self.keys
                if key.label.startswith(("documents-", "certificates-"))
            ]
        }


def read_keys_file(path: Path) -> KeysFile:
    """Read and check a file of keys; `Misconfigured` names the field."""
    try:
        data = path.read_bytes()[:_FILE_BYTES_MAX]
        found = msgspec.convert(tomllib.loads(data.decode()), KeysFile)
        _check(found)
    except OSError as error:
        raise Misconfigured(f"signer.keys_file {path}: {error.strerror}") from error
    except (ValueError, RecursionError, msgspec.MsgspecError, Malformed) as error:
        raise Misconfigured(f"signer.keys_file {path}: {error}") from error
    return found


def _check(found: KeysFile) -> None:
    check_name(found.origin)
    letters = [device.device for device in found.devices]
    if len(set(letters)) != len(letters):
        raise Malformed("each device has its own letter", field="devices.device")
    for device in found.devices:
        if not device.serial and not device.label:
            raise Malformed("a serial or a label", field=f"devices.{device.device}.label")
    labels = [key.label for key in found.keys]
    if len(set(labels)) != len(labels):
        raise Malformed("each key has its own label", field="keys.label")
    if not any(each.startswith(_LOG_LABELS) and each != POST_QUANTUM for each in labels):
        raise Malformed("one key checkpoint-a or checkpoint-b at least", field="keys.label")
    if (POST_QUANTUM in labels) != (found.seed is not None):
        raise Malformed("checkpoint-pq and its sealed seed belong together", field="seed")
    for key in found.log_keys():
        if key.name != found.origin:
            raise Malformed("the key of another log", field="former")


def format_keys_file(found: KeysFile) -> bytes:
    """Write a file of keys, as `read_keys_file` reads it."""
    lines = [f"origin = {_text(found.origin)}"]
    if found.former:
        lines.append(f"former = [{', '.join(map(_text, found.former))}]")
    for name, rows in (("devices", found.devices), ("keys", found.keys)):
        for row in rows:
            lines += ["", f"[[{name}]]", *_members(msgspec.to_builtins(row).items())]
    if found.seed is not None:
        sealed = ", ".join(
            f"{device} = {_text(b64encode(data).decode())}"
            for device, data in found.seed.sealed.items()
        )
        lines += ["", "[seed]", f"by = {_text(found.seed.by)}", f"sealed = {{ {sealed} }}"]
    if found.officers:
        lines += ["", "[officers]", *_members(found.officers.items())]
    data = "".join(f"{line}\n" for line in lines).encode()
    if msgspec.convert(tomllib.loads(data.decode()), KeysFile) != found:
        raise Malformed("holds what a file of keys cannot say", field="keys")
    return data


def _members(items: Iterable[tuple[str, Any]]) -> list[str]:
    return [
        f"{name} = {_text(value) if isinstance(value, str) else str(value).lower()}"
        for name, value in items
    ]


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()  # a basic string of TOML


def _base64url(data: bytes) -> str:
    return b64encode(data, b"-_").rstrip(b"=").decode()


def with_keys(
    found: KeysFile, steps: Iterable[plans.AnyStep], facts: Iterable[dict[str, str]]
) -> KeysFile:
    """Take in what the steps of a ceremony gave: public keys, and the sealed seed."""
    keys = list(found.keys)
    seed = found.seed
    for step, gave in zip(steps, facts, strict=True):
        match step:
            case plans.MakeSigningKey():
                public_key = gave["public_key"]
                keys.append(PinnedKey(step.device, step.label, step.algorithm, public_key))
            case plans.SealSeed():
                device = found.devices[0].device
                keys.append(PinnedKey(device, step.label, "ml-dsa-44", gave["public_key"]))
                sealed = {
                    name.removeprefix(_SEALED): b64decode(value)
                    for name, value in gave.items()
                    if name.startswith(_SEALED)
                }
                seed = Seed(step.by, sealed)
            case _:
                pass
    return msgspec.structs.replace(found, keys=tuple(keys), seed=seed)
