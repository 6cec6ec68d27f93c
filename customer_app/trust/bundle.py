"""What the screen needs of a proof: its verdict in four steps, and whether the receipt agrees.

The check itself is the injected verifier's, offline, under the policy the app came with. Nothing in
a bundle counts before it passed: `entry_of` only reads what the verifier found to be in the log.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

BUNDLE_BYTES = 1024 * 1024
STEPS = ("signature", "witnesses", "leaf", "inclusion")
"""In the order of the check; the keys of their words are `verify.step.<step>`."""

_LEAF = {"E2", "E6", "E7"}


class Outcome(StrEnum):
    """What the check came to; `verify.<outcome>` says it."""

    OK = "ok"
    PENDING = "pending"
    QUORUM = "quorum"
    WRONG = "wrong"
    DIFFERS = "differs"
    UNKNOWN_KEY = "unknown_key"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the offline verifier says; `step_failed` is a step of docs/verify.md, empty when ok.

    `signed_at` is in seconds since 1970, missing without a cosignature.
    """

    ok: bool
    step_failed: str = ""
    position: int | None = None
    tree_size: int | None = None
    signed_at: int | None = None
    witnesses_ok: int | None = None
    witnesses_needed: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of the receipt on screen that is not the recorded one."""

    name: str  # station, packs, energy, amount or swap; words are `verify.field.<name>`
    shown: str
    recorded: str


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key of the policy: whose it is, and the fingerprint to compare with the contract."""

    role: str  # log or witness
    name: str
    fingerprint: str


def verdict_of(found: Mapping[str, Any]) -> Verdict:
    """Take the answer of the offline verifier's `--json`, passing over what it may add.

    >>> verdict_of({"ok": True, "position": 7, "remarks": []}).position
    7
    """
    names = Verdict.__dataclass_fields__
    return Verdict(**{name: found[name] for name in names if found.get(name) is not None})


def outcome_of(verdict: Verdict) -> Outcome:
    """Tell which of the texts a verdict deserves.

    >>> outcome_of(Verdict(ok=False, step_failed="E5", tree_size=9))
    <Outcome.WRONG: 'wrong'>
    """
    if verdict.ok:
        return Outcome.OK
    step = step_of(verdict)
    if step == "":
        return Outcome.MALFORMED
    if step == "witnesses":
        return Outcome.QUORUM
    if step == "signature" and verdict.detail.startswith("no key of"):
        return Outcome.UNKNOWN_KEY
    return Outcome.WRONG


def step_of(verdict: Verdict) -> str:
    """Name which of the four steps failed; nothing when the file could not even be read.

    The verifier counts the witnesses only after a key of the log has signed, and says then how
    large the log is.
    """
    if verdict.step_failed in _LEAF:
        return "leaf"
    if verdict.step_failed.startswith("E"):
        return "inclusion"
    if verdict.step_failed != "2":
        return ""
    return "witnesses" if verdict.tree_size else "signature"


def entry_of(bundle: bytes) -> dict[str, Any]:
    """Read the entry that a checked bundle carries, with its disclosed fields.

    Gives nothing when there is none: then nothing can be compared, which is not the same as right.
    """
    head = bundle[:BUNDLE_BYTES].partition(b"\n\n")[0].decode("ascii", "replace").split("\n")
    extra = [line[6:] for line in head[1:2] if line.startswith("extra ")]
    if not extra:
        return {}
    try:
        found = json.loads(base64.b64decode(extra[0], validate=True))
        entry = json.loads(base64.b64decode(found["entry"], validate=True))
        opened = {each["name"]: each["value"] for each in found.get("openings", [])}
        return {**entry["body"], **opened}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def compare(shown: Mapping[str, Any], entry: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Hold the figures on screen against the recorded ones, as far as both have them.

    `shown` has swap_id, station_id, packs (all ids), energy_wh and amount_minor.

    >>> compare({"energy_wh": 12_000}, {"energy_wh": 12_001})[0].name
    'energy'
    """
    recorded = dict(entry)
    legs = [*_legs(entry, "legs_in"), *_legs(entry, "legs_out")]
    if legs:
        recorded["packs"] = sorted(legs)
    if "amount_minor" not in recorded and "gross_minor" in recorded:
        recorded["amount_minor"] = recorded["gross_minor"]
    found = []
    for name, member in (
        ("swap", "swap_id"),
        ("station", "station_id"),
        ("packs", "packs"),
        ("energy", "energy_wh"),
        ("amount", "amount_minor"),
    ):
        ours, theirs = shown.get(member), recorded.get(member)
        if ours is not None and theirs is not None and ours != theirs:
            found.append(Difference(name, _said(ours), _said(theirs)))
    return tuple(found)


def fingerprint_of(bundle: bytes) -> str:
    """Give the SHA-256 of a file, by which support finds it again."""
    return hashlib.sha256(bundle).hexdigest()


def keys_of(policy: str) -> tuple[LogKey, ...]:
    """List the keys of a policy with their fingerprints (SHA-256 of the key, 16 characters).

    A line that is no key is passed over: the verifier is the one that refuses a bad policy.
    """
    found = []
    for line in policy.splitlines():
        words = line.split()
        key = words[-1] if words else ""
        if words[:1] in (["log"], ["witness"]) and key.count("+") >= 2:  # noqa: PLR2004
            name, _, rest = key.partition("+")
            raw = rest.partition("+")[2]
            digest = hashlib.sha256(raw.encode()).hexdigest()[:16]
            found.append(LogKey(words[0], name, " ".join(_fours(digest))))
    return tuple(found)


Verify = Callable[[bytes, str], Verdict]
"""Checks a bundle against a policy, offline: no network, no database, no key of the service."""


def _legs(entry: Mapping[str, Any], name: str) -> list[str]:
    legs = entry.get(name, ())
    if not isinstance(legs, list):
        return []
    return [str(leg["pack_id"]) for leg in legs if isinstance(leg, dict) and "pack_id" in leg]


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _fours(text: str) -> list[str]:
    return [text[at : at + 4] for at in range(0, len(text), 4)]
