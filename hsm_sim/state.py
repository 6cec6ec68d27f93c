"""What a device remembers without power, and the one file that holds it.

Each line is written the moment something happens: the state of the tokens, an entry of the audit
log, a nonce, or that the log was read. A process killed at any time leaves a device that knows
them; a last line cut short is left out. The last state counts, and stale ones go when the file is
written anew, in one step, at the next load at the latest. States are sealed with a key of the
seed, so that no key of a device lies open and a wrong seed is noticed. Nothing is synced to disk:
what is simulated is the death of processes, not of the machine they run on.
"""

import base64
import hmac
import json
from dataclasses import asdict, dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hsm_sim.audit import AuditEntry, AuditLog, Unlogged
from hsm_sim.clock import DeviceClock
from hsm_sim.constants import Attribute
from hsm_sim.objects import StoredObject, normal
from hsm_sim.officers import Consent, Quorum

FORMAT = "hsm_sim/state/1"
STATES_MAX = 200


class StateRefused(Exception):
    """The file is not the state of this device: another seed, another profile, or damaged."""


@dataclass(slots=True)
class TokenState:
    """One token: its PINs and what counts against them, and its objects by handle."""

    serial: str
    label: str = ""
    so_pin: bytes = b""
    user_pin: bytes = b""
    so_failures: int = 0
    user_failures: int = 0
    unclean: int = 0
    locked_at: int = 0
    objects: dict[int, StoredObject] = field(default_factory=dict)

    @property
    def is_initialised(self) -> bool:
        """Tell whether somebody initialised it."""
        return bool(self.so_pin)


@dataclass(slots=True)
class DeviceState:
    """The whole device."""

    profile: str
    tokens: list[TokenState]
    quorum: Quorum
    audit: AuditLog
    clock: DeviceClock = field(default_factory=DeviceClock)
    starts: int = 0
    next_handle: int = 1
    phase: str = "operational"
    attended: bool = True
    is_present: bool = True
    unlock_code: bytes = b""
    nonces: dict[str, str] = field(default_factory=dict)


class StateFile:
    """The file of one device."""

    def __init__(self, path: Path, seed: int) -> None:
        self._path = path
        self._key = sha256(f"hsm_sim/state/{seed}".encode()).digest()
        self._states = 0

    def exists(self) -> bool:
        """Tell whether there is a state to load."""
        return self._path.exists()

    def save(self, state: DeviceState) -> None:
        """Write the state as the last line; now and then the file is written anew, shorter."""
        self._states += 1
        if self._states > STATES_MAX or not self.exists():
            self.rewrite(state)
        else:
            self.append("state", self._sealed(state))

    def rewrite(self, state: DeviceState) -> None:
        """Replace the file in one step by one with nothing stale in it."""
        lines = [_line("state", self._sealed(state))]
        lines += [_line("audit", entry.members()) for entry in state.audit.held]
        lines += [_line("nonce", [place, digest]) for place, digest in state.nonces.items()]
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.write_text("".join(lines), encoding="utf-8")
        fresh.replace(self._path)
        self._states = 1

    def append(self, kind: str, what: Any) -> None:
        """Write one line: a state, an audit entry, a nonce, or that the log was read."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(kind, what))

    def load(self, empty: DeviceState) -> DeviceState:
        """Read the state into an empty device of the same kind; `StateRefused` when it is not."""
        try:
            text = self._path.read_text(encoding="utf-8")
            whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
            lines = [json.loads(line) for line in whole]
            last = max(number for number, line in enumerate(lines) if "state" in line)
            members = self._opened(lines[last]["state"])
            if members["profile"] == empty.profile:
                for line in lines[:last]:
                    _apply(empty, line)
                _fill(empty, members)
                for line in lines[last:]:
                    _apply(empty, line)
        except (InvalidTag, ValueError, KeyError, TypeError):
            raise StateRefused(f"{self._path.name} does not open with this seed") from None
        if members["profile"] != empty.profile:
            raise StateRefused(f"{self._path.name} is a {members['profile']} device")
        return empty

    def _sealed(self, state: DeviceState) -> dict[str, str]:
        plain = json.dumps(_plain(state)).encode()
        nonce = hmac.digest(self._key, plain, "sha256")[:12]
        sealed = AESGCM(self._key).encrypt(nonce, plain, FORMAT.encode())
        return {"t": FORMAT, "nonce": _text(nonce), "sealed": _text(sealed)}

    def _opened(self, line: dict[str, str]) -> dict[str, Any]:
        nonce, sealed = _octets(line["nonce"]), _octets(line["sealed"])
        plain = AESGCM(self._key).decrypt(nonce, sealed, FORMAT.encode())
        opened: dict[str, Any] = json.loads(plain)
        return opened


def _line(kind: str, what: Any) -> str:
    return json.dumps({kind: what}) + "\n"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _octets(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _plain(state: DeviceState) -> dict[str, Any]:
    """Give the state as what JSON can hold."""
    audit = state.audit
    members: dict[str, Any] = {
        name: getattr(state, name)
        for name in ("profile", "starts", "next_handle", "phase", "attended", "is_present")
    }
    return members | {
        "clock": asdict(state.clock),
        "unlock_code": _text(state.unlock_code),
        "tokens": [_plain_token(token) for token in state.tokens],
        "audit": {
            "next_number": audit.next_number,
            "tip": audit.tip,
            "unlogged": asdict(audit.unlogged),
        },
        "quorum": {
            "keys": {name: _text(key) for name, key in state.quorum.keys.items()},
            "used": sorted(_text(signature) for signature in state.quorum.used),
            "held": [_plain_consent(consent) for consent in state.quorum.held],
        },
    }


def _plain_consent(consent: Consent) -> dict[str, Any]:
    signed = {"parameters": _text(consent.parameters), "signature": _text(consent.signature)}
    return asdict(consent) | signed


def _plain_token(token: TokenState) -> dict[str, Any]:
    return {
        "serial": token.serial,
        "label": token.label,
        "so_pin": _text(token.so_pin),
        "user_pin": _text(token.user_pin),
        "counts": [token.so_failures, token.user_failures, token.unclean, token.locked_at],
        "objects": {
            str(handle): {
                "secret": _text(stored.secret),
                "attributes": {
                    key.name: _plain_value(value) for key, value in stored.attributes.items()
                },
            }
            for handle, stored in token.objects.items()
        },
    }


def _plain_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"octets": _text(value)}
    return {"day": value.isoformat()} if isinstance(value, date) else value


def _value(held: Any) -> Any:
    match held:
        case {"octets": text}:
            return _octets(text)
        case {"day": text}:
            return date.fromisoformat(text)
        case _:
            return held


def _fill(state: DeviceState, members: dict[str, Any]) -> None:
    for name in ("starts", "next_handle", "phase", "attended", "is_present"):
        setattr(state, name, members[name])
    state.clock = DeviceClock(**members["clock"])
    state.unlock_code = _octets(members["unlock_code"])
    state.tokens = [_token(held) for held in members["tokens"]]
    audit, quorum = members["audit"], members["quorum"]
    state.audit.next_number, state.audit.tip = audit["next_number"], audit["tip"]
    state.audit.unlogged = Unlogged(**audit["unlogged"])
    state.quorum.keys = {name: _octets(key) for name, key in quorum["keys"].items()}
    state.quorum.used = {_octets(text) for text in quorum["used"]}
    state.quorum.held = [_consent(held) for held in quorum["held"]]


def _consent(held: dict[str, Any]) -> Consent:
    octets = {name: _octets(held[name]) for name in ("parameters", "signature")}
    return Consent(**{**held, **octets})


def _token(held: dict[str, Any]) -> TokenState:
    objects = {
        int(handle): StoredObject(
            {
                Attribute[name]: normal(Attribute[name], _value(value))
                for name, value in stored["attributes"].items()
            },
            _octets(stored["secret"]),
        )
        for handle, stored in held["objects"].items()
    }
    token = TokenState(held["serial"], held["label"], objects=objects)
    token.so_pin, token.user_pin = _octets(held["so_pin"]), _octets(held["user_pin"])
    token.so_failures, token.user_failures, token.unclean, token.locked_at = held["counts"]
    return token


def _apply(state: DeviceState, line: dict[str, Any]) -> None:
    match line:
        case {"state": _}:
            return
        case {"audit": members}:
            state.audit.restore(AuditEntry(*members))
        case {"read": _}:
            state.audit.held.clear()
        case {"nonce": [place, digest]}:
            state.nonces[place] = digest
        case _:
            raise StateRefused("a line of an unknown kind")
