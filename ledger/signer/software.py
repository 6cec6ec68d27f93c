"""The software signer: an Ed25519 key in a file, for development and demonstrations only.

Whoever can read the file can sign as the log. The file holds one line, the key's name in it so
that a key is never used for another log::

    PRIVATE+KEY+<name>+<key id in 8 hex digits>+<base64 of type ‖ seed>
"""

import os
from base64 import b64encode
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.kernel.errors import Malformed, Misconfigured, Unavailable
from ledger.tlog.note import ED25519, Ed25519Signer, check_name, read_base64

SEED_BYTES = 32
_HEAD = "PRIVATE+KEY+"
_GROUP_OR_OTHERS = 0o077


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How checkpoints are signed; `key_file` empty means beside a ledger that is a file."""

    kind: Literal["software"] = "software"
    key_file: str = ""


def create_key(path: Path, name: str) -> Ed25519Signer:
    """Make a key named `name` in a new file that only its holder can read.

    Raises:
        Misconfigured: the file exists, its folder does not, or `name` cannot name a key.
        Unavailable: the file cannot be written.
    """
    try:
        seed = Ed25519PrivateKey.generate().private_bytes_raw()
        signer = Ed25519Signer(check_name(name), seed)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except Malformed as error:
        raise Misconfigured(f"the origin {name!r} cannot name a key: {error.rule}") from error
    except (FileExistsError, FileNotFoundError) as error:
        raise Misconfigured(f"signer.key_file {path}: {error.strerror}") from error
    except OSError as error:
        raise Unavailable(f"cannot write the key file {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(_key_line(signer, seed))
        file.flush()
        os.fsync(file.fileno())
    return signer


def load_key(path: Path, name: str) -> Ed25519Signer:
    """Read the key of the log `name` from its file.

    Raises:
        Misconfigured: there is no such file, others can read it, it holds no key of ours, or it
            holds the key of another log.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_bytes().decode()
    except FileNotFoundError as error:
        raise Misconfigured(f"signer.key_file {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"signer.key_file {path} cannot be read") from error
    if os.name == "posix" and mode & _GROUP_OR_OTHERS:
        raise Misconfigured(f"signer.key_file {path} can be read by others; chmod 600 it")
    try:
        signer = _parse(text)
    except Malformed as error:
        raise Misconfigured(f"signer.key_file {path} holds no key: {error.rule}") from error
    if signer.key.name != name:
        raise Misconfigured(f"signer.key_file {path} is the key of {signer.key.name}, not {name}")
    return signer


def _parse(text: str) -> Ed25519Signer:
    parts = text.rstrip("\n").removeprefix(_HEAD).split("+", 2)
    if not text.startswith(_HEAD) or len(parts) != 3:  # noqa: PLR2004  name, key id, material
        raise Malformed("not a key line", field="key_file")
    name, _, material = parts
    raw = read_base64(material, "key_file")
    if len(raw) != 1 + SEED_BYTES or raw[0] != ED25519:
        raise Malformed("not an Ed25519 key", field="key_file")
    signer = Ed25519Signer(check_name(name), raw[1:])
    if _key_line(signer, raw[1:]) != text:
        raise Malformed("the key id is another key's", field="key_file")
    return signer


def _key_line(signer: Ed25519Signer, seed: bytes) -> str:
    material = b64encode(bytes([ED25519]) + seed).decode()
    return f"{_HEAD}{signer.key.name}+{signer.key.key_id.hex()}+{material}\n"
