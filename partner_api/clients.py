"""Who is registered: auditors, finance staff and partners, with their keys and duties.

The file is TOML with ``[[auditor]]``, ``[[finance]]`` and ``[[partner]]`` tables.
"""

import re
import tomllib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import msgspec

from ledger.kernel.errors import Malformed, Misconfigured
from ledger.kernel.ids import is_id
from ledger.kernel.instants import parse_instant

KEY_BYTES = 32

_FILE = "doors.clients_file"
_PART = re.compile(r"[A-Za-z0-9_-]+")

ROLES = ("auditor", "finance", "partner")
"""In which role a client acts; the tables of the file of clients have these names."""

DUTIES = ("reader", "maker", "checker", "treasurer")
"""What a finance client may do: look, ask for, agree to, and let money leave."""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of the file of clients."""

    id: str
    keys: tuple[str, ...]
    valid_until: str = ""
    duties: tuple[str, ...] = ()


class Client(_Table, frozen=True, kw_only=True):
    """A client as registered: raw Ed25519 public keys in base64url, until when he may sign in."""

    role: str = "auditor"


class _ClientsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    auditor: tuple[_Table, ...] = ()
    finance: tuple[_Table, ...] = ()
    partner: tuple[_Table, ...] = ()


def read_clients(data: bytes) -> tuple[Client, ...]:
    """Read a file of ``[[auditor]]``, ``[[finance]]`` and ``[[partner]]`` tables.

    `Misconfigured` says what is wrong in it.
    """
    try:
        tables = msgspec.convert(tomllib.loads(data.decode()), _ClientsFile)
        found = tuple(
            Client(**msgspec.structs.asdict(each), role=role)
            for role in ROLES
            for each in getattr(tables, role)
        )
        for each in found:
            _check_client(each)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Misconfigured(f"{_FILE}: {error}") from error
    except Malformed as error:
        raise Misconfigured(f"{_FILE}: {error.explain()}") from error
    if len({each.id for each in found}) != len(found):
        raise Misconfigured(f"{_FILE}: a client stands there twice")
    keys = [key for each in found for key in each.keys]
    if len(set(keys)) != len(keys):
        raise Misconfigured(f"{_FILE}: a key stands there twice")
    return found


def _check_client(client: Client) -> None:
    if not is_id(client.id) or not client.keys:
        raise Malformed(f"{client.id[:40]!r} needs an id and a key", field="id")
    for key in client.keys:
        public_key(key)
    if client.valid_until:
        parse_instant(client.valid_until, "valid_until")
    if not set(client.duties) <= set(DUTIES):
        raise Malformed(f"of {', '.join(DUTIES)}", field="duties")
    if bool(client.duties) != (client.role == "finance"):
        raise Malformed("finance clients have duties, others none", field="duties")


def key_id(key: str) -> str:
    """Give the RFC 7638 thumbprint of an Ed25519 public key in base64url: its `kid`."""
    text = f'{{"crv":"Ed25519","kty":"OKP","x":"{key}"}}'
    return urlsafe_b64encode(sha256(text.encode()).digest()).decode().rstrip("=")


def public_key(text: str) -> bytes:
    """Read a raw Ed25519 public key in base64url; `Malformed` for anything else."""
    raw = unfold(text, "key")
    if len(raw) != KEY_BYTES:
        raise Malformed("an Ed25519 public key of 32 bytes in base64url", field="key")
    return raw


def unfold(text: str, field: str) -> bytes:
    """Read base64url without padding, in its one spelling."""
    if not _PART.fullmatch(text) or len(text) % 4 == 1:
        raise Malformed("not base64url", field=field)
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if urlsafe_b64encode(raw).decode().rstrip("=") != text:
        raise Malformed("not canonical base64url", field=field)
    return raw
