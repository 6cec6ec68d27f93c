"""Keys in files: the software signer, for development and demonstrations only, and a witness's.

Whoever can read the file can sign as its log. The file holds one line, the key's name in it so
that a key is never used for another log::

    PRIVATE+KEY+<name>+<key id in 8 hex digits>+<base64 of type ‖ seed>
"""

import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.kernel.errors import Malformed, Misconfigured, Unavailable
from ledger.tlog.cosign import CosignerV1
from ledger.tlog.note import (
    COSIGNATURE_V1,
    ED25519,
    Ed25519Signer,
    VerifierKey,
    check_name,
    read_base64,
)

SEED_BYTES = 32
_HEAD = "PRIVATE+KEY+"
_GROUP_OR_OTHERS = 0o077


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How checkpoints are signed; files that are not named lie beside a ledger that is a file."""

    kind: Literal["software", "simulator", "pkcs11"] = "software"
    key_file: str = ""
    keys_file: str = ""
    socket: str = ""
    state_file: str = ""
    callers: str = ""
    clock_step_s: int = 3_600


def create_key(path: Path, name: str) -> Ed25519Signer:
    """Make a key named `name` in a new file that only its holder can read.

    Raises:
        Misconfigured: the file exists, its folder does not, or `name` cannot name a key.
        Unavailable: the file cannot be written.
    """
    seed = _create(path, name, ED25519)
    return Ed25519Signer(name, seed)


def create_witness_key(path: Path, name: str, now_s: Callable[[], int]) -> CosignerV1:
    """Make the key of a witness named `name` in a new file; raises as `create_key`."""
    return CosignerV1(name, _create(path, name, COSIGNATURE_V1), now_s)


def load_witness_key(path: Path, now_s: Callable[[], int]) -> CosignerV1:
    """Read the key of a witness from its file; raises as `load_key`."""
    line = _load(path, COSIGNATURE_V1)
    return CosignerV1(line.name, line.seed, now_s)


def _create(path: Path, name: str, kind: int) -> bytes:
    try:
        seed = Ed25519PrivateKey.generate().private_bytes_raw()
        text = _key_line(_Line(check_name(name), kind, seed))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except Malformed as error:
        raise Misconfigured(f"the origin {name!r} cannot name a key: {error.rule}") from error
    except (FileExistsError, FileNotFoundError) as error:
        raise Misconfigured(f"signer.key_file {path}: {error.strerror}") from error
    except OSError as error:
        raise Unavailable(f"cannot write the key file {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return seed


def load_key(path: Path, name: str = "") -> Ed25519Signer:
    """Read the key of the log `name` from its file; an empty name takes whatever log it is of.

    Raises:
        Misconfigured: there is no such file, others can read it, it holds no key of ours, or it
            holds the key of another log.
    """
    line = _load(path, ED25519)
    if name not in ("", line.name):
        raise Misconfigured(f"signer.key_file {path} is the key of {line.name}, not {name}")
    return Ed25519Signer(line.name, line.seed)


def load_seed(path: Path) -> bytes:
    """Read the 32 bytes from which the key of a log is made; raises as `load_key`."""
    return _load(path, ED25519).seed


class _Line(NamedTuple):
    name: str
    kind: int
    seed: bytes


def _load(path: Path, kind: int) -> _Line:
    setting = "signer.key_file" if kind == ED25519 else "witness.key_file"
    try:
        mode = path.stat().st_mode
        text = path.read_bytes().decode()
    except FileNotFoundError as error:
        raise Misconfigured(f"{setting} {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{setting} {path} cannot be read") from error
    if os.name == "posix" and mode & _GROUP_OR_OTHERS:
        raise Misconfigured(f"{setting} {path} can be read by others; chmod 600 it")
    try:
        return _parse(text, kind)
    except Malformed as error:
        raise Misconfigured(f"{setting} {path} holds no key: {error.rule}") from error


def _parse(text: str, kind: int) -> _Line:
    parts = text.rstrip("\n").removeprefix(_HEAD).split("+", 2)
    if not text.startswith(_HEAD) or len(parts) != 3:  # noqa: PLR2004  name, key id, material
        raise Malformed("not a key line", field="key_file")
    name, _, material = parts
    raw = read_base64(material, "key_file")
    if len(raw) != 1 + SEED_BYTES or raw[0] != kind:
        raise Malformed("not an Ed25519 key of this type", field="key_file")
    line = _Line(check_name(name), kind, raw[1:])
    if _key_line(line) != text:
        raise Malformed("the key id is another key's", field="key_file")
    return line


def _key_line(line: _Line) -> str:
    private = Ed25519PrivateKey.from_private_bytes(line.seed)
    key = VerifierKey(line.name, line.kind, private.public_key().public_bytes_raw())
    material = b64encode(bytes([line.kind]) + line.seed).decode()
    return f"{_HEAD}{line.name}+{key.key_id.hex()}+{material}\n"
