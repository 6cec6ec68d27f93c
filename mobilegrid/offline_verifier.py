"""Check what Mobile Grid says, without Mobile Grid.

One file. It needs Python 3.11 or newer and the package `cryptography`; it reads no network and no
configuration, and it shares no code with the service whose word it checks. Read it before you
trust it: that is why it is one file, in the order of the steps of docs/verify.md.

::

    python3 verify_mobilegrid.py FILE                  --policy policy.txt
    python3 verify_mobilegrid.py proof    FILE         --policy policy.txt [--entry FILE]
    python3 verify_mobilegrid.py history  FILE         --policy policy.txt --pack ID
    python3 verify_mobilegrid.py tiles    DIR          --policy policy.txt [--since NOTE] [--replay]
    python3 verify_mobilegrid.py note     FILE         --policy policy.txt
    python3 verify_mobilegrid.py invoice  FILE.zip     --policy policy.txt [--keys keys.json]
    python3 verify_mobilegrid.py document FILE.jws     --keys keys.json
                                          [--proof FILE.tlog-proof --policy policy.txt]

Without a command the kind of file is found from its content. The policy is yours: origin, keys,
witnesses and quorum as you got them from outside the service. `keys.json` is a JWK set of document
keys. Exit code 0: verified; 1: the input is malformed; 2: wrong use; 3: the evidence does not hold.
The last line is ``VERIFIED``, or ``REFUSED step N``; with ``--json`` one object is the answer.

What counts here: a signature of a key from your policy, and whatever leads from it by hashes.
Everything else in a file is a claim that is recomputed before it is believed.
"""

# ruff: noqa: PLR2004  the numbers are those of the formats, and each stands where it is explained

import argparse
import base64
import hashlib
import json
import re
import sys
import time
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from itertools import pairwise, takewhile
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey as MlDsa44
except ImportError:  # an older cryptography: keys of type 0x06 are then of no use here
    MlDsa44 = None  # type: ignore[assignment, misc]  # the name stands for "not installed"

T = TypeVar("T")

SIZE_MAX = 2**63 - 1
LAST = 2**53
"""No number that every reader of JSON must understand is this large."""
NOTE_BYTES_MAX = 128 * 1024
POLICY_BYTES_MAX = 64 * 1024
PROOF_BYTES_MAX = 3 * NOTE_BYTES_MAX
FILE_BYTES_MAX = 256 * 1024 * 1024
"""A history or a bundle of bills, unpacked, is not longer than this."""
ENTRY_BYTES_MAX = 65_535
DOCUMENT_BYTES_MAX = 1024 * 1024
SIGNATURE_LINES_MAX = 64
PATH_HASHES_MAX = 63
FUTURE_MAX_S = 300
FRESH_S, OLD_S = 60, 3_600


# What can go wrong ------------------------------------------------------------


class MalformedInput(Exception):
    """The input is not what it should be; exit code 1."""


class WrongUse(Exception):
    """The caller did not give what the check needs; exit code 2."""


class EvidenceRefused(Exception):
    """The evidence does not hold; exit code 3. `step` is named when it is not the report's."""

    def __init__(self, reason: str, step: str = "") -> None:
        super().__init__(reason)
        self.step = step


class Report:
    """What was checked, in order; the step that is being done is the one a refusal names."""

    def __init__(self) -> None:
        self.step = ""
        self.lines: list[str] = []
        self.remarks: list[str] = []
        self.position: int | None = None
        self.tree_size: int | None = None
        self.signed_at: int | None = None
        self.witnesses_ok = 0
        self.witnesses_needed = 0
        self._text = ""

    def begin(self, step: str, text: str) -> None:
        """Begin a step; the one before it held."""
        self.end()
        self.step, self._text = step, text

    def end(self) -> None:
        """Say that the last step held."""
        if self._text:
            self.lines.append(f"{self.step:>4}  ok  {self._text}")
        self._text = ""


def refuse(reason: str) -> NoReturn:
    """Say that the evidence does not hold."""
    raise EvidenceRefused(reason)


def require(condition: object, reason: str, step: str = "") -> None:
    """Refuse the evidence unless a condition holds."""
    if not condition:
        raise EvidenceRefused(reason, step)


def expect(condition: object, reason: str) -> None:
    """Call the input malformed unless a condition holds."""
    if not condition:
        raise MalformedInput(reason)


# Reading: one spelling only ---------------------------------------------------


def text_of(data: bytes, what: str) -> str:
    """Read UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedInput(f"{what}: not UTF-8") from error


def decimal(text: str, what: str) -> int:
    """Read a number: ASCII digits, no leading zero, at most 2^63 - 1."""
    expect(
        re.fullmatch(r"0|[1-9][0-9]{0,18}", text) and int(text) <= SIZE_MAX, f"{what}: no number"
    )
    return int(text)


def unbase64(text: str, what: str) -> bytes:
    """Read standard base64 with padding."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError as error:
        raise MalformedInput(f"{what}: not base64") from error
    expect(base64.b64encode(data).decode() == text, f"{what}: not canonical base64")
    return data


def unbase64url(text: str, what: str) -> bytes:
    """Read base64url without padding, as JWS has it."""
    expect(re.fullmatch(r"[A-Za-z0-9_-]*", text), f"{what}: not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise MalformedInput(f"{what}: not base64url") from error
    expect(to_base64url(data) == text, f"{what}: not canonical base64url")
    return data


def to_base64url(data: bytes) -> str:
    """Write base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hash_of(text: str, what: str) -> bytes:
    """Read a hash, 32 bytes in base64."""
    data = unbase64(text, what)
    expect(len(data) == 32, f"{what}: a hash has 32 bytes")
    return data


def canonical(value: object) -> bytes:
    """Write canonical JSON (RFC 8785 for the values that entries hold)."""
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.encode("utf-8")
    except (UnicodeEncodeError, RecursionError) as error:
        raise MalformedInput("text with a lone surrogate, or nested too deeply") from error


def read_json(data: bytes, what: str, *, strict: bool = True) -> Any:
    """Read JSON without floats; `strict`: the bytes must be the canonical ones."""

    def no_float(_text: str) -> NoReturn:
        raise MalformedInput(f"{what}: a number is not an integer")

    try:
        value = json.loads(text_of(data, what), parse_float=no_float, parse_constant=no_float)
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"{what}: not JSON") from error
    expect(not strict or canonical(value) == data, f"{what}: not canonical JSON")
    return value


def take(value: Any, name: str, kind: type[T], *default: T) -> T:
    """Take a member of an object, of exactly this type; a default makes it optional."""
    expect(type(value) is dict, f"no object with a member {name}")
    found = value.get(name, *default[:1]) if default else value.get(name)
    expect(type(found) is kind, f"member {name}: missing or not of type {kind.__name__}")
    return found  # type: ignore[no-any-return]  # its type was just compared


def take_hashes(value: Any, name: str) -> list[bytes]:
    """Take a list of hashes."""
    found = take(value, name, list)
    expect(all(type(each) is str for each in found), f"member {name}: not hashes")
    return [hash_of(each, name) for each in found]


# Keys, notes, policies (steps 1 and 2) ----------------------------------------

ED25519, COSIGNATURE, ML_DSA = 0x01, 0x04, 0x06
KEY_BYTES = {ED25519: 32, COSIGNATURE: 32, ML_DSA: 1312}
SIGNATURE_BYTES = {ED25519: 64, COSIGNATURE: 8 + 64, ML_DSA: 8 + 2420}


class Key(NamedTuple):
    """A named public key; its type alone decides the algorithm."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that signature lines name."""
        material = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(material).digest()[:4]

    @property
    def usable(self) -> bool:
        """Whether the installed cryptography can check this type."""
        return self.kind != ML_DSA or MlDsa44 is not None


class Policy(NamedTuple):
    """Who may speak for the log, and how many witnesses must agree."""

    logs: list[Key]
    witnesses: dict[str, Key]
    groups: dict[str, tuple[int, list[str]]]
    quorum: str

    def met(self, name: str, signed: set[bytes]) -> bool:
        """Whether a witness signed, or enough members of a group did."""
        if name == "none":
            return True
        if name in self.witnesses:
            return self.witnesses[name].public in signed
        least, members = self.groups[name]
        return sum(self.met(each, signed) for each in members) >= least

    def needed(self, name: str) -> int:
        """Count the fewest witnesses that can meet it."""
        if name not in self.groups:
            return int(name != "none")
        least, members = self.groups[name]
        return sum(sorted(self.needed(each) for each in members)[:least])


class Checkpoint(NamedTuple):
    """What a checkpoint says; `signed_at` is the newest cosignature's time, None without one."""

    origin: str
    size: int
    root: bytes
    signed_at: int | None = None
    witnesses: int = 0


def check_name(name: str) -> str:
    """See that a key name is one."""
    bad = re.search(r"[\s+\x00-\x1f\ud800-\udfff]", name)
    expect(name and not bad, "not a key name")
    return name


def parse_vkey(text: str) -> Key:
    """Read a verifier key, ``name+hex8+base64(type ‖ key)``."""
    found = re.fullmatch(r"([^+]+)\+([0-9a-f]{8})\+([0-9A-Za-z+/=]+)", text)
    if found is None:
        raise MalformedInput("not a verifier key")
    name, key_id, material = found.groups()
    raw = unbase64(material, "vkey")
    key = Key(check_name(name), raw[0] if raw else 0, raw[1:])
    expect(KEY_BYTES.get(key.kind) == len(key.public), "vkey: unknown type or wrong length")
    expect(key.key_id.hex() == key_id, "vkey: the key id is another key's")
    return key


def parse_policy(data: bytes) -> Policy:
    """Read a policy file (step 1): log, witness and group lines, and exactly one quorum."""
    expect(len(data) <= POLICY_BYTES_MAX, "policy: too long")
    expect(not re.search(rb"[^\t\n\x20-\x7e\x80-\xff]", data), "policy: a control character")
    expect(data.endswith(b"\n"), "policy: the last line does not end")
    policy = Policy([], {}, {}, "")
    quorums: list[str] = []
    members: set[str] = set()
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    for number, line in enumerate(lines, 1):
        words = [word for word in re.split(r"[ \t]+", line) if word]
        if not words or words[0].startswith("#"):
            continue
        try:
            _policy_line(policy, words, quorums, members)
        except MalformedInput as error:
            raise MalformedInput(f"policy line {number}: {error}") from error
    expect(len(quorums) == 1, "policy: exactly one quorum line")
    expect(policy.logs, "policy: no log")
    return policy._replace(quorum=quorums[0])


def _policy_line(policy: Policy, words: list[str], quorums: list[str], members: set[str]) -> None:
    names = {*policy.witnesses, *policy.groups}
    used = {each.public for each in (*policy.logs, *policy.witnesses.values())}
    match words:
        case ["log", vkey] | ["log", vkey, _]:
            key = parse_vkey(vkey)
            expect(key.kind in (ED25519, ML_DSA), "a log key is of type 01 or 06")
            expect(key.public not in used, "a key twice")
            policy.logs.append(key)
        case ["witness", name, vkey] | ["witness", name, vkey, _]:
            key = parse_vkey(vkey)
            expect(key.kind in (COSIGNATURE, ML_DSA), "a witness key is of type 04 or 06")
            expect(name not in {*names, "none"}, "a name twice, or none")
            expect(key.public not in used, "a key twice")
            policy.witnesses[name] = key
        case ["group", name, count, *parts] if parts:
            expect(name not in {*names, "none"}, "a name twice, or none")
            expect(set(parts) <= names, "a name that is not defined yet")
            expect(not members & set(parts) and len(set(parts)) == len(parts), "a member twice")
            least = {"any": 1, "all": len(parts)}.get(count)
            least = decimal(count, "group") if least is None else least
            expect(1 <= least <= len(parts), "a count that cannot be met, or is no condition")
            members.update(parts)
            policy.groups[name] = (least, parts)
        case ["quorum", name]:
            expect(name in {*names, "none"}, "a name that is not defined yet")
            quorums.append(name)
        case _:
            raise MalformedInput("not a policy line")


def parse_note(data: bytes) -> tuple[bytes, list[tuple[str, bytes, bytes]]]:
    """Take a signed note apart: its text, and (name, key id, signature) of each line."""
    expect(len(data) <= NOTE_BYTES_MAX, "note: too long")
    expect(not re.search(rb"[\x00-\x09\x0b-\x1f]", data), "note: a control character")
    text, gap, signatures = data.rpartition(b"\n\n")
    expect(gap and signatures.endswith(b"\n"), "note: text, empty line, signature lines")
    text_of(text, "note")
    lines = text_of(signatures, "note")[:-1].split("\n")
    expect(len(lines) <= SIGNATURE_LINES_MAX, "note: too many signature lines")
    found = []
    for line in lines:
        dash, name, material = [*line.split(" ", 2), "", ""][:3]
        raw = unbase64(material, "signature")
        expect(dash == "—" and len(raw) > 4, "note: not a signature line")
        found.append((check_name(name), raw[:4], raw[4:]))
    return text + b"\n", found


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Read the text of a checkpoint: origin, size and root; further lines are refused."""
    lines = text_of(text, "checkpoint").split("\n")
    expect(len(lines) >= 4 and not lines.pop() and all(lines), "checkpoint: three lines")
    said = Checkpoint(check_name(lines[0]), decimal(lines[1], "size"), hash_of(lines[2], "root"))
    require(len(lines) == 3, "a checkpoint with further lines, which nobody audits")
    require(said.size or said.root == hashlib.sha256().digest(), "an empty log with a root")
    return said


def _verify_line(key: Key, text: bytes, payload: bytes) -> int | None:
    """Check one signature of a known key; give its time, None for type 0x01."""
    require(len(payload) == SIGNATURE_BYTES[key.kind], f"the signature of {key.name} has no length")
    stamp = int.from_bytes(payload[:8], "big")
    signed, signature = text, payload
    if key.kind != ED25519:
        require(0 < stamp <= SIZE_MAX, f"the signature of {key.name} has no time")
        signed, signature = b"cosignature/v1\ntime %d\n" % stamp + text, payload[8:]
    try:
        if key.kind != ML_DSA:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, signed)
        else:
            assert MlDsa44 is not None, "unusable keys are left out before"
            signed = _subtree(key.name, stamp, parse_checkpoint(text))
            MlDsa44.from_public_bytes(key.public).verify(signature, signed)
    except (InvalidSignature, MalformedInput):
        refuse(f"the signature of {key.name} is wrong")
    return None if key.kind == ED25519 else stamp


def _subtree(name: str, stamp: int, said: Checkpoint) -> bytes:
    """Give what a key of type 0x06 signs for a whole tree."""
    parts = [b"subtree/v1\n\0"]
    for text, number in ((name, stamp), (said.origin, 0)):
        data = text.encode()
        expect(0 < len(data) < 256, "a name too long for its signature")
        parts += [bytes([len(data)]), data, number.to_bytes(8, "big")]
    return b"".join([*parts, said.size.to_bytes(8, "big"), said.root])


def open_checkpoint(note: bytes, policy: Policy, now_s: int, report: Report) -> Checkpoint:
    """Check a checkpoint under a policy (step 2): signatures, text, quorum."""
    text, lines = parse_note(note)
    keys = [*policy.logs, *policy.witnesses.values()]
    for key in keys:
        if not key.usable and (key.name, key.key_id) in {line[:2] for line in lines}:
            report.remarks.append(f"{key.name}: ML-DSA-44 cannot be checked here")
    signed: dict[Key, int | None] = {}
    for name, key_id, payload in lines:
        known = [key for key in keys if key.usable and (key.name, key.key_id) == (name, key_id)]
        require(len(known) <= 1, f"two keys of {name} have one id")
        if known:
            require(known[0] not in signed, f"two signatures of {name}")
            signed[known[0]] = _verify_line(known[0], text, payload)
    require(signed, "no key of the policy signed")
    for key, stamp in signed.items():
        is_past = stamp is None or stamp <= now_s + FUTURE_MAX_S
        require(is_past, f"the signature of {key.name} is from the future")
    said = parse_checkpoint(text)
    ours = [key for key in policy.logs if key in signed and key.name == said.origin]
    require(ours, "no key of the log itself signed")
    cosigned = [key for key in policy.witnesses.values() if key in signed]
    report.tree_size, report.witnesses_ok = said.size, len(cosigned)
    report.witnesses_needed = policy.needed(policy.quorum)
    quorum = policy.met(policy.quorum, {key.public for key in cosigned})
    require(quorum, f"{len(cosigned)} witnesses signed, the quorum {policy.quorum} is not met")
    times = [stamp for stamp in signed.values() if stamp is not None]
    return said._replace(signed_at=max(times, default=None), witnesses=len(cosigned))


def _step_checkpoint(note: bytes, policy: Policy, now_s: int, report: Report) -> Checkpoint:
    """Do step 2 in any of the checks, with the line on its age."""
    report.begin("2", "the checkpoint bears the signatures that the policy asks for")
    said = open_checkpoint(note, policy, now_s, report)
    report.signed_at = said.signed_at
    if said.signed_at is None:
        report.remarks.append("no cosignature, so nobody vouches for the time of the checkpoint")
    elif now_s - said.signed_at > FRESH_S:
        age = f"cosigned {now_s - said.signed_at} s ago"
        report.remarks.append(age + (": old" if now_s - said.signed_at > OLD_S else ""))
    return said


# The tree (RFC 6962) ----------------------------------------------------------


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbours."""
    return hashlib.sha256(b"\1" + left + right).digest()


def cut(size: int) -> int:
    """Give where a tree parts: the largest power of two below its size."""
    return 1 << (size - 1).bit_length() - 1


def tree_root(leaves: Iterable[bytes]) -> bytes:
    """Compute the root over leaf hashes, with one hash per level in hand."""
    peaks: list[tuple[int, bytes]] = []
    for leaf in leaves:
        push_peak(peaks, 1, leaf)
    return root_of(peaks)


def push_peak(peaks: list[tuple[int, bytes]], size: int, node: bytes) -> None:
    """Add a perfect subtree on the right of others that are not smaller."""
    while peaks and peaks[-1][0] == size:
        size, node = 2 * size, node_hash(peaks.pop()[1], node)
    peaks.append((size, node))


def root_of(peaks: Sequence[tuple[int, bytes]]) -> bytes:
    """Fold perfect subtrees, largest first, into the root."""
    if not peaks:
        return hashlib.sha256().digest()
    node = peaks[-1][1]
    for _, left in reversed(peaks[:-1]):
        node = node_hash(left, node)
    return node


def turns(index: int, size: int) -> list[bool]:
    """Walk from the root down to a leaf: whether each turn goes left."""
    goes_left: list[bool] = []
    first = 0
    while size > 1:
        k = cut(size)
        goes_left.append(index < first + k)
        first, size = (first, k) if goes_left[-1] else (first + k, size - k)
    return goes_left


def check_inclusion(said: Checkpoint, index: int, leaf: bytes, path: Sequence[bytes]) -> None:
    """Check that a leaf stands at an index: walk down to it, then climb with the path."""
    require(0 <= index < said.size, f"no entry {index} in a log of {said.size}")
    walked = turns(index, said.size)
    require(len(path) == len(walked), f"{len(path)} hashes in a path that needs {len(walked)}")
    node = leaf
    for goes_left, sibling in zip(reversed(walked), path, strict=True):
        node = node_hash(node, sibling) if goes_left else node_hash(sibling, node)
    require(node == said.root, "the path leads to another root")


def check_consistency(old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> None:
    """Check that the newer log begins with the whole older one (step 3; RFC 6962 2.1.2)."""
    require(old.origin == new.origin, "checkpoints of different logs")
    require(0 < old.size <= new.size, "nothing leads from the older size to the newer")
    rest = list(reversed(path))

    def pop() -> bytes:
        require(rest, "the path is too short")
        return rest.pop()

    def both(m: int, n: int, *, whole: bool) -> tuple[bytes, bytes]:
        if m == n:
            node = old.root if whole else pop()
            return node, node
        k = cut(n)
        if m <= k:
            before, after = both(m, k, whole=whole)
            return before, node_hash(after, pop())
        before, after = both(m - k, n - k, whole=False)
        left = pop()
        return node_hash(left, before), node_hash(left, after)

    roots = both(old.size, new.size, whole=True)
    require(not rest, "the path is too long")
    require(roots == (old.root, new.root), "the path leads to other roots")


def check_many(said: Checkpoint, leaves: dict[int, bytes], hashes: Sequence[bytes]) -> None:
    """Check that many leaves stand in one log: `hashes` are the subtrees without any, from left."""
    positions = sorted(leaves)
    require(positions and positions[0] >= 0, "nothing to prove")
    require(positions[-1] < said.size, f"no entry {positions[-1]} in a log of {said.size}")
    rest = list(reversed(hashes))

    def root(first: int, size: int, low: int, high: int) -> bytes:
        if low == high:
            require(rest, "a hash is missing")
            return rest.pop()
        if size == 1:
            return leaves[first]
        k = cut(size)
        middle = bisect_left(positions, first + k, low, high)
        left = root(first, k, low, middle)
        return node_hash(left, root(first + k, size - k, middle, high))

    found = root(0, said.size, 0, len(positions))
    require(not rest, "a hash too many")
    require(found == said.root, "the entries lead to another root")


# Entries ----------------------------------------------------------------------


def read_entry(data: bytes, position: int, step: str = "") -> dict[str, Any]:
    """Read a proven entry: canonical, and at the position it says."""
    require(2 <= len(data) <= ENTRY_BYTES_MAX, f"entry {position}: wrong length", step)
    try:
        entry = read_json(data, f"entry {position}")
        stated = take(entry, "position", int)
    except MalformedInput as error:
        raise EvidenceRefused(str(error), step) from error
    require(stated == position, f"the entry says position {stated}, not {position}", step)
    return dict(entry)


def check_openings(openings: Sequence[Any], entry: dict[str, Any]) -> None:
    """Check that disclosed fields are those an entry committed to."""
    sealed = take(entry, "sealed", dict, {})
    expect(all(type(each) is dict for each in openings), "openings: not objects")
    for opening in openings:
        name, salt = take(opening, "name", str), unbase64(take(opening, "salt", str), "salt")
        expect(len(salt) == 16 and 0 < len(name.encode()) < 256, "an opening: salt or name")
        expect(set(opening) == {"name", "salt", "value"}, "an opening: its members")
        require(name in sealed, f"the entry commits to no field {name}")
        head = b"mobilegrid/field/1\n" + salt + bytes([len(name.encode())]) + name.encode()
        digest = hashlib.sha256(head + canonical(opening["value"])).digest()
        require(hash_of(str(sealed[name]), "sealed") == digest, f"the opening of {name} is wrong")


# A proof of one entry (steps E1 to E7) ----------------------------------------


class ProofFile(NamedTuple):
    """What a .tlog-proof holds, none of it checked."""

    position: int
    path: list[bytes]
    note: bytes
    entry: bytes | None
    openings: list[Any]


def parse_proof(data: bytes) -> ProofFile:
    """Read a proof file (C2SP tlog-proof)."""
    expect(len(data) <= PROOF_BYTES_MAX, "proof: too long")
    head, gap, note = data.partition(b"\n\n")
    expect(gap and head.isascii(), "proof: no empty line, or not ASCII")
    parse_note(note)
    header, *lines = head.decode().split("\n")
    expect(header == "c2sp.org/tlog-proof@v1", "proof: no version known here")
    entry, openings = None, []
    if lines and lines[0].startswith("extra "):
        extra = read_json(unbase64(lines.pop(0)[6:], "extra"), "extra")
        expect(set(extra) <= {"entry", "openings"}, "extra: members nobody can check")
        entry = unbase64(take(extra, "entry", str), "entry")
        openings = take(extra, "openings", list, [])
    expect(lines and lines[0].startswith("index "), "proof: no index")
    expect(len(lines) - 1 <= PATH_HASHES_MAX, "proof: too many hashes")
    path = [hash_of(line, "path") for line in lines[1:]]
    return ProofFile(decimal(lines[0][6:], "index"), path, note, entry, openings)


def prove_entry(
    proof: ProofFile, policy: Policy, now_s: int, report: Report, entry: bytes | None = None
) -> tuple[Checkpoint, bytes]:
    """Check that the bytes of an entry stand in the log (steps 2, E2 to E5)."""
    said = _step_checkpoint(proof.note, policy, now_s, report)
    report.begin("E2", "the leaf is computed from the bytes of the entry")
    known = proof.entry if entry is None else entry
    if known is None:
        raise MalformedInput("the proof carries no entry, and none was given")
    require(proof.entry in (None, known), "the proof carries another entry")
    report.begin("E3", f"position {proof.position} lies in the log of {said.size} entries")
    require(proof.position < said.size, f"no entry {proof.position} in a log of {said.size}")
    report.begin("E4", f"the path has {len(proof.path)} hashes, as position and size call for")
    require(len(proof.path) == len(turns(proof.position, said.size)), "a path of another length")
    report.begin("E5", "the path leads from the leaf to the root that was signed")
    check_inclusion(said, proof.position, leaf_hash(known), proof.path)
    report.position = proof.position
    return said, known


def verify_proof(
    data: bytes, policy: Policy, now_s: int, report: Report, entry: bytes | None = None
) -> dict[str, Any]:
    """Check a .tlog-proof and what its entry says of itself."""
    proof = parse_proof(data)
    _said, known = prove_entry(proof, policy, now_s, report, entry)
    report.begin("E6", "the entry is canonical and says its own position")
    read = read_entry(known, proof.position)
    report.begin("E7", f"{len(proof.openings)} disclosed fields are those the entry committed to")
    check_openings(proof.openings, read)
    report.end()
    return read


# The complete history of a pack (steps H1 to H8) ------------------------------


def verify_history(
    data: bytes, policy: Policy, now_s: int, report: Report, pack: str
) -> list[dict[str, Any]]:
    """Check that these are all entries of a pack up to the map; newest first."""
    bundle = read_json(data, "history")
    expect(take(bundle, "t", str) == "mobilegrid/history/1", "history: no version known here")
    known = {"t", "checkpoint", "map", "row", "entries", "openings", "after", "before", "next"}
    expect(set(bundle) <= known and bundle.get("after") != [], "history: its members")
    said = _step_checkpoint(take(bundle, "checkpoint", str).encode(), policy, now_s, report)
    report.begin("H2", "the map of all packs stands in the log")
    as_of, rows = _open_map(take(bundle, "map", dict), said)
    report.position = as_of
    datas = [unbase64(str(each), "entries") for each in take(bundle, "entries", list)]
    row: dict[str, Any] = {"count": 0}
    if "row" in bundle:
        expect(not {"before", "next"} & set(bundle), "history: a row, and neighbours")
        report.begin("H3", f"the row of {pack} stands in the map of {rows.size} packs")
        row, _ = _open_row(take(bundle, "row", dict), rows)
        require(row["pack"] == pack, f"the row is of pack {row['pack']}")
    else:
        report.begin("H3", f"no pack {pack} among the {rows.size} packs of the map")
        _check_absence(bundle, rows, pack)
    report.begin("H4", f"{row['count']} entries, as the map says")
    require(len(datas) == row["count"], f"{len(datas)} entries, the map says {row['count']}")
    entries = _check_chain(datas, row, pack, report) if datas else []
    later = _check_after(take(bundle, "after", list, []), said, (as_of, pack), row)
    report.begin("H8", "disclosed fields are those the entries committed to")
    by_position = {str(entry["position"]): entry for entry in (*entries, *later)}
    for position, openings in take(bundle, "openings", dict).items():
        require(position in by_position, f"an opening of entry {position}, which is not here")
        expect(type(openings) is list, "history: openings")
        check_openings(openings, by_position[position])
    if later:
        report.remarks.append(
            f"{len(later)} later entries are in the log; that they are all is not proven"
        )
    report.end()
    return entries


def _open_map(given: dict[str, Any], said: Checkpoint) -> tuple[int, Checkpoint]:
    """Check the map's entry; give its position, and the map as a tree of its own."""
    data = unbase64(take(given, "entry", str), "map")
    body = take(read_json(data, "map"), "body", dict)
    as_of = take(body, "as_of", int)
    expect(as_of >= 0, "map: a position is not negative")
    require(set(body) == {"as_of", "packs", "root"}, "the body is none of a map")
    check_inclusion(said, as_of, leaf_hash(data), take_hashes(given, "path"))
    entry = read_entry(data, as_of)
    named = take(entry, "kind", str), take(entry, "version", int)
    require(named == ("history.mapped", 1), "the entry is no map")
    rows = Checkpoint("", take(body, "packs", int), hash_of(take(body, "root", str), "root"))
    require(rows.size or rows.root == tree_root([]), "a map of no packs with a root")
    return as_of, rows


def _open_row(given: dict[str, Any], rows: Checkpoint) -> tuple[dict[str, Any], int]:
    """Check one row of the map; give it and its index."""
    data = unbase64(take(given, "bytes", str), "row")
    index = take(given, "index", int)
    expect(0 <= index <= SIZE_MAX, "row: its index")
    check_inclusion(rows, index, leaf_hash(data), take_hashes(given, "path"))
    row = read_json(data, "row")
    require(take(row, "t", str) == "mobilegrid/history-row/1", "not a row of a map")
    require(set(row) == {"count", "last", "leaf", "pack", "t"}, "a row with other members")
    take(row, "pack", str)
    hash_of(take(row, "leaf", str), "leaf")
    good = 0 < take(row, "count", int) <= take(row, "last", int) + 1
    require(good, "a count and a position that no chain can have")
    return dict(row), index


def _check_absence(bundle: dict[str, Any], rows: Checkpoint, pack: str) -> None:
    """Check that a pack would stand between two neighbours, or beyond an edge."""
    wanted = pack.encode()
    if not rows.size:
        require(not {"before", "next"} & set(bundle), "neighbours in a map of no packs")
        return
    index = 0
    if "before" in bundle:
        row, place = _open_row(take(bundle, "before", dict), rows)
        require(row["pack"].encode() < wanted, "the pack does not come after its neighbour")
        index = place + 1
    if "next" in bundle:
        row, place = _open_row(take(bundle, "next", dict), rows)
        require(place == index, "the two rows are not neighbours")
        require(wanted < row["pack"].encode(), "the pack does not come before its neighbour")
    else:
        require(
            "before" in bundle and index == rows.size, "nothing shows what comes after the pack"
        )


def _link(entry: dict[str, Any], pack: str) -> dict[str, Any]:
    links = [link for link in take(entry, "packs", list, []) if take(link, "pack", str) == pack]
    require(len(links) == 1, f"entry {entry['position']} does not name the pack, or twice")
    return dict(links[0])


def _check_chain(
    datas: list[bytes], row: dict[str, Any], pack: str, report: Report
) -> list[dict[str, Any]]:
    """Follow the links from the newest entry to the first (H5 to H7)."""
    report.begin("H5", "the newest entry is the one the row names")
    position, leaf = row["last"], hash_of(row["leaf"], "leaf")
    found = []
    for place, data in enumerate(datas):
        if place == 1:
            report.begin("H6", "each entry names the one before it, by position and leaf")
        require(leaf_hash(data) == leaf, f"entry {place + 1} of the bundle is not the one linked")
        entry = read_entry(data, position)
        link = _link(entry, pack)
        count = row["count"] - place
        require(take(link, "count", int) == count, f"entry {position} is not number {count}")
        found.append(entry)
        if count > 1:
            before = take(link, "previous", int)
            require(0 <= before < position, f"entry {position} names one that is not before it")
            position, leaf = before, hash_of(take(link, "previous_leaf", str), "previous_leaf")
    report.begin("H7", "the last one is the first entry of the pack")
    require(not {"previous", "previous_leaf"} & set(_link(found[-1], pack)), "there is one before")
    return found


def _check_after(
    parts: list[Any], said: Checkpoint, told: tuple[int, str], row: dict[str, Any]
) -> list[dict[str, Any]]:
    """Check entries that name the pack after the map; that they are all is not proven."""
    as_of, pack = told
    count, last = row["count"], row.get("last", -1)
    leaf = hash_of(row["leaf"], "leaf") if count else b""
    found = []
    for part in parts:
        data = unbase64(take(part, "entry", str), "after")
        position = take(read_json(data, "after"), "position", int)
        require(position > as_of, f"entry {position} does not come after the map")
        check_inclusion(said, position, leaf_hash(data), take_hashes(part, "path"))
        found.append(read_entry(data, position))
        link, count = _link(found[-1], pack), count + 1
        same = take(link, "count", int) == count and take(link, "previous", int, -1) == last
        same = same and unbase64(take(link, "previous_leaf", str, ""), "previous_leaf") == leaf
        require(same, f"entry {position} does not follow the one before it")
        last, leaf = position, leaf_hash(data)
    return found


# The whole log as tiles (steps 3 to 8) ----------------------------------------

TILE = 256


def tile_path(level: str, number: int, width: int) -> str:
    """Name the file of a tile or, with level ``entries``, of a bundle of entries."""
    groups = f"{number:,}".split(",")
    folded = "/".join([f"x{group:0>3}" for group in groups[:-1]] + [f"{groups[-1]:0>3}"])
    return f"tile/{level}/{folded}" + ("" if width == TILE else f".p/{width}")


def read_tile(directory: Path, level: str, number: int, width: int) -> bytes:
    """Read a tile; an older open one of the same number is no substitute."""
    path = tile_path(level, number, width)
    try:
        return (directory / path).read_bytes()
    except OSError:
        refuse(f"{path} is missing")


def fold(hashes: bytes) -> bytes:
    """Hash a full tile into its root."""
    digest = hashlib.sha256
    while len(hashes) > 32:
        pairs = range(0, len(hashes), 64)
        hashes = b"".join([digest(b"\1" + hashes[at : at + 64]).digest() for at in pairs])
    return hashes


def split_bundle(data: bytes, number: int) -> list[bytes]:
    """Take a bundle of entries apart: two bytes of length, big-endian, and the entry."""
    entries, at = [], 0
    while at < len(data):
        first = at + 2
        at = first + int.from_bytes(data[at:first], "big")
        entries.append(data[first:at])
    require(at == len(data), f"bundle {number} is cut short")
    return entries


def verify_tiles(
    directory: Path, policy: Policy, now_s: int, report: Report, since: bytes | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """Check checkpoint, tiles and entries of a directory; yield (first position, entries).

    Nothing is proven before the iterator is at its end.
    """
    said = _step_checkpoint(_read(directory / "checkpoint", NOTE_BYTES_MAX), policy, now_s, report)
    old = None
    if since is not None:
        report.begin("3", "the older checkpoint bears its signatures too")
        old = open_checkpoint(since, policy, now_s, Report())
        require(old.origin == said.origin, "the older checkpoint is of another log")
        require(0 < old.size <= said.size, "the older checkpoint is larger: keep both")
    report.begin("5", f"the leaves of {said.size} entries are those of the tiles")
    peaks: list[tuple[int, bytes]] = []
    roots: list[bytes] = []
    for first in range(0, said.size, TILE):
        number, width = first // TILE, min(TILE, said.size - first)
        tile = read_tile(directory, "0", number, width)
        entries = split_bundle(read_tile(directory, "entries", number, width), number)
        _compare_leaves(entries, tile, first, width)
        if old is not None and first < old.size <= first + width:
            _compare_older(old, peaks, tile, old.size - first)
        if width == TILE:
            roots.append(fold(tile))
            push_peak(peaks, TILE, roots[-1])
        else:
            for at in range(0, len(tile), 32):
                push_peak(peaks, 1, tile[at : at + 32])
        yield first, entries
    report.begin("4", "the tiles above are computed from those below, and lead to the root")
    _compare_levels(directory, roots)
    require(root_of(peaks) == said.root, "the tiles lead to another root than was signed")
    report.end()


def _compare_leaves(entries: list[bytes], tile: bytes, first: int, width: int) -> None:
    digest = hashlib.sha256
    leaves = [digest(b"\0" + entry).digest() for entry in entries]
    if b"".join(leaves) == tile and len(entries) == width:
        return
    require(len(entries) == width, f"bundle {first // TILE} holds {len(entries)} entries")
    wrong = next((n for n, leaf in enumerate(leaves) if leaf != tile[32 * n : 32 * n + 32]), width)
    refuse(f"entry {first + wrong} is not the one in the tile")


def _compare_older(old: Checkpoint, peaks: list[tuple[int, bytes]], tile: bytes, more: int) -> None:
    """Compute the root the log had at an older size."""
    then = list(peaks)
    for at in range(0, 32 * more, 32):
        push_peak(then, 1, tile[at : at + 32])
    require(root_of(then) == old.root, f"the first {old.size} entries are not those signed", "3")


def _compare_levels(directory: Path, roots: list[bytes]) -> None:
    level = 0
    while roots:
        level += 1
        above = []
        for first in range(0, len(roots), TILE):
            tile = b"".join(roots[first : first + TILE])
            found = read_tile(directory, str(level), first // TILE, len(tile) // 32)
            require(found == tile, f"tile {level}/{first // TILE} differs")
            if len(tile) == 32 * TILE:
                above.append(fold(tile))
        roots = above


class Replay:
    """What entries say about each other, followed from the first on (steps 6 to 8)."""

    def __init__(self) -> None:
        self.recorded_at = 0
        self.packs: dict[str, tuple[int, int, bytes]] = {}

    def follow(self, position: int, data: bytes) -> None:
        """Take the next entry."""
        try:
            entry = read_entry(data, position, "6")
            self._times(position, entry)
            if take(entry, "kind", str) == "history.mapped":
                self._map(position, take(entry, "body", dict))
            for link in take(entry, "packs", list, []):
                self._chain(position, data, link)
            self._sums(position, take(entry, "postings", list, []))
        except MalformedInput as error:
            raise EvidenceRefused(f"entry {position}: {error}", "6") from error

    def _times(self, position: int, entry: dict[str, Any]) -> None:
        recorded_at = take(entry, "recorded_at", int)
        require(recorded_at >= self.recorded_at, f"entry {position} is from before the last", "6")
        self.recorded_at = recorded_at
        named = take(entry, "causes", list, [])
        named = named + [entry[name] for name in ("reverses", "corrects") if name in entry]
        backwards = all(type(each) is int and 0 <= each < position for each in named)
        require(backwards, f"entry {position} rests on one that is not before it", "6")

    def _chain(self, position: int, data: bytes, link: dict[str, Any]) -> None:
        pack = take(link, "pack", str)
        count, previous, leaf = self.packs.get(pack, (0, -1, b""))
        good = take(link, "count", int) == count + 1
        good = good and take(link, "previous", int, -1) == previous
        stated = unbase64(take(link, "previous_leaf", str, ""), "previous_leaf")
        require(good and stated == leaf, f"entry {position} breaks the chain of pack {pack}", "7")
        self.packs[pack] = (count + 1, position, leaf_hash(data))

    def _map(self, position: int, body: dict[str, Any]) -> None:
        rows = (
            {"count": count, "last": last, "leaf": base64.b64encode(leaf).decode(), "pack": pack}
            for pack, (count, last, leaf) in sorted(self.packs.items())
        )
        typed = (canonical({**row, "t": "mobilegrid/history-row/1"}) for row in rows)
        root = tree_root(leaf_hash(row) for row in typed)
        said = {
            "as_of": position,
            "packs": len(self.packs),
            "root": base64.b64encode(root).decode(),
        }
        require(body == said, f"the map at {position} is not that of the entries before it", "7")

    @staticmethod
    def _sums(position: int, postings: list[Any]) -> None:
        sums: dict[tuple[str, str], int] = {}
        for line in postings:
            commodity = take(line, "commodity", str)
            dims = take(line, "dims", dict, {})
            key = (commodity, take(dims, "pack", str) if commodity == "PACK" else "")
            sums[key] = sums.get(key, 0) + take(line, "quantity", int)
        require(not any(sums.values()), f"the lines of entry {position} do not sum to zero", "8")


# Signed documents (steps D1 to D5) --------------------------------------------

DOCUMENT_TYPES = {
    "mobilegrid-statement+jws",
    "mobilegrid-invoice+jws",
    "mobilegrid-credit-note+jws",
    "mobilegrid-sla+jws",
    "mobilegrid-certificate+jws",
    "mobilegrid-ceremony+jws",
}


def parse_keys(data: bytes) -> dict[str, bytes]:
    """Read a JWK set: Ed25519 keys by their RFC 7638 thumbprint, which is computed here."""
    found = {}
    for jwk in take(read_json(data, "keys", strict=False), "keys", list):
        if take(jwk, "kty", str) == "OKP" and take(jwk, "crv", str) == "Ed25519":
            x = take(jwk, "x", str)
            public = unbase64url(x, "x")
            expect(len(public) == 32, "keys: an Ed25519 key has 32 bytes")
            named = canonical({"crv": "Ed25519", "kty": "OKP", "x": x})
            kid = to_base64url(hashlib.sha256(named).digest())
            expect(take(jwk, "kid", str, kid) == kid, "keys: a kid is another key's")
            found[kid] = public
    return found


def verify_document(
    data: bytes, keys: dict[str, bytes], report: Report, kinds: set[str]
) -> dict[str, Any]:
    """Check a JWS in compact form and give its payload."""
    report.begin("D1", "three parts, base64url, canonical JSON inside")
    expect(len(data) <= 2 * DOCUMENT_BYTES_MAX and data.isascii(), "document: not ASCII")
    parts = data.decode().removesuffix("\n").split(".")
    expect(len(parts) == 3, "document: not three parts")
    header_bytes, payload_bytes, signature = (unbase64url(part, "document") for part in parts)
    header = read_json(header_bytes, "header")
    report.begin("D2", "the header is exactly alg, kid and typ; the kid is a key of yours")
    require(type(header) is dict and set(header) == {"alg", "kid", "typ"}, "other header members")
    require(header["alg"] == "Ed25519", "an algorithm that is not the key's")
    require(take(header, "typ", str) in kinds, f"a document of type {header['typ']}")
    public = keys.get(take(header, "kid", str))
    if public is None:
        refuse("signed by a key you do not know")
    report.begin("D3", f"{header['typ']}: the signature is right")
    try:
        signed = f"{parts[0]}.{parts[1]}".encode()
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except InvalidSignature:
        refuse("the signature is wrong")
    payload = read_json(payload_bytes, "payload")
    report.begin("D4", "the payload names its checkpoint, its id and its day")
    expect(type(payload) is dict and len(payload_bytes) <= DOCUMENT_BYTES_MAX, "payload: too long")
    _check_values(payload, 1)
    expect(set(take(payload, "checkpoint", dict)) == {"origin", "size", "root"}, "its checkpoint")
    named = checkpoint_of(payload)
    expect(0 < len(named.origin) < 256 and named.size >= 0, "payload: its checkpoint")
    name, replaces = take(payload, "document_id", str), take(payload, "replaces", str, "-")
    expect(0 < len(name) <= 128 and 0 < len(replaces) <= 128, "payload: the id of a document")
    expect(name != replaces or "replaces" not in payload, "a document that replaces itself")
    expect(take(payload, "issued_at", int) >= 0, "payload: its day")
    report.end()
    return dict(payload)


def _check_values(value: Any, depth: int) -> None:
    """See that a payload holds only what has one spelling: no null, no NUL, no huge number."""
    inside: list[Any] = []
    if type(value) is dict:
        inside = list(value.values())
        expect(all(re.fullmatch("[a-z0-9_]{1,40}", name) for name in value), "payload: a name")
    elif type(value) is list:
        inside = value
    elif type(value) is str:
        expect("\0" not in value, "payload: text with a NUL")
    else:
        expect(type(value) in (int, bool) and abs(value) < LAST, "payload: a number or null")
    expect(not isinstance(value, dict | list) or depth <= 8, "payload: nested too deeply")
    for each in inside:
        _check_values(each, depth + 1)


def checkpoint_of(payload: dict[str, Any]) -> Checkpoint:
    """Read the checkpoint that a document names; it is a claim until it is compared."""
    named = payload["checkpoint"]
    origin, size = take(named, "origin", str), take(named, "size", int)
    return Checkpoint(origin, size, hash_of(take(named, "root", str), "root"))


def match_document(payload: dict[str, Any], said: Checkpoint, entry: dict[str, Any]) -> None:
    """Check that a document says what the entry that issued it says."""
    body = take(entry, "body", dict)
    names = [body[name] for name in ("statement_id", "invoice_no", "document_id") if name in body]
    require(payload["document_id"] in names, "the entry does not issue this document")
    require(entry["position"] < checkpoint_of(payload).size, "the checkpoint is from before it")
    require(payload.get("figures") == body, "the document does not say the figures of its entry")
    require(checkpoint_of(payload).origin == said.origin, "a document of another log")


# Money: what a usage costs (steps M1 to M7) -----------------------------------

DAY, HOUR, MINUTE = 86_400_000_000, 3_600_000_000, 60_000_000
"""Times are microseconds since 1970, UTC."""
NANO = {0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF", 3: "BHD IQD JOD"}
DECIMALS = {code: n for n, codes in NANO.items() for code in codes.split()}
DECIMALS |= dict.fromkeys(("KWD", "LYD", "OMR", "TND"), 3)
COMPONENTS = {
    "ENERGY": ("energy", "Income:Energy"),
    "SERVICE": ("service", "Income:Swap-Service"),
    "SWAP": ("service", "Income:Swap-Service"),
    "BOOKING": ("service", "Income:Booking-Fees"),
    "CLASS_UPGRADE": ("service", "Income:Swap-Service"),
    **dict.fromkeys(
        ("NO_SHOW", "LATE", "IDLE", "EXTRA_PACK"), ("service", "Income:Damage-Late-Fees")
    ),
    "DAMAGE": ("compensation", "Income:Damage-Late-Fees"),
    "SUBSCRIPTION": ("service", "Income:Subscriptions"),
    "V2G": ("energy", "Income:V2G"),
    "DISCOUNT": ("service", "Income:Discounts"),
}
"""Tax product and income account of each component, unless an element names others."""
FEES = {"BOOKING", "NO_SHOW", "LATE", "CLASS_UPGRADE", "EXTRA_PACK", "IDLE", "DAMAGE"}
UNITS = {each: each for each in ("SWAP", "MINUTE", "DAY", "MONTH", "ITEM", "SOH_BP")}
UNITS["KWH"] = "WH"
DRIVEN = ("swap", "charging_session")
TIMED = ("charging_session", "v2g", "subscription")
BY_KWH = {"ENERGY", "SERVICE", "SWAP", "DISCOUNT", "BOOKING"}
FREE = {"ENERGY", "SERVICE", "SWAP"}
"""Components that an allowance pays for."""
COUNT_MAX = 10**9
LINES_PER_ENTRY = 100
BOOKING_FACTS = {"booking_no_show", "booking_canceled", "booking_failed"}
FACTS = {"charge_session_ended", "swap_completed", "swap_closed_incomplete", *BOOKING_FACTS}
WORD = ("booking", "custody", "subscription")
"""Kinds of usages that are counted, not metered: fees of bookings, of days, of damage."""
EXTRA_PACK_GRACE = DAY
"""So long a driver may still bring the pack he owes."""
WEAR = {"allowed_bp": 200}
"""What a pack may lose with one driver, where his tariff says nothing of it."""
COUNTED = {
    ("NO_SHOW", "ITEM"): ("is_no_show", 1),
    **{(name, "ITEM"): (f"{name.lower()}_s", 1) for name in ("LATE", "IDLE")},
    **{(name, "MINUTE"): (f"{name.lower()}_s", 60) for name in ("LATE", "IDLE")},
    **{(name, "DAY"): (f"{name.lower()}_s", 86_400) for name in ("LATE", "IDLE")},
    ("CLASS_UPGRADE", "DAY"): ("class_days", 1),
    ("EXTRA_PACK", "ITEM"): ("extra_packs", 1),
    ("EXTRA_PACK", "DAY"): ("extra_pack_days", 1),
    ("DAMAGE", "SOH_BP"): ("damage_bp", 1),
    ("SUBSCRIPTION", "MONTH"): ("months", 1),
}
"""What the lines of a fee count, by component and unit: name, and how many of it are one."""
LEGS = {"pack_swapped_out": 1, "pack_returned": -1}
BILLED = {"usage.accrued", "usage.reversed"}
PLANS = {"subscription.began", "subscription.ended", "subscription.invoiced", "subscription.used"}
ACCRUED, OWED_TO_US = "Liabilities:Partners:Accrued", "Assets:Receivables:Partners"
"""Accounts of which each posting to a partner is a line of his statement."""
OTHER = {"agent.sale", "pack_dues.accrued", "invoice.issued", "credit_note.issued"}
OTHER |= {"energy.bought", "energy.purchase_corrected", "v2g.sold"}
OTHER |= {"manual.posted", "manual.reversed"}
"""Entries whose lines on a statement are no shares of a usage."""
SHARED = {"share.accrued", "share.reversed", "share.reduced"}


def round_half_up(numerator: int, denominator: int) -> int:
    """Divide; a tie goes away from zero."""
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size


def derived_id(prefix: str, *parts: str) -> str:
    """Make the id that always belongs to these parts."""
    raws = [part.encode() for part in parts]
    joined = b"".join(len(raw).to_bytes(4, "big") + raw for raw in raws)
    return f"{prefix}-{hashlib.sha1(joined, usedforsecurity=False).hexdigest()[:26]}"


def divide(total: int, weights: Sequence[int]) -> list[int]:
    """Divide by largest remainder; ties go to the earlier part."""
    whole = sum(weights)
    require(whole > 0 and min(weights) >= 0, "weights that divide nothing")
    parts = [abs(total) * weight // whole for weight in weights]
    rests = [abs(total) * weight % whole for weight in weights]
    for place in sorted(range(len(parts)), key=lambda n: (-rests[n], n))[: abs(total) - sum(parts)]:
        parts[place] += 1
    return parts if total >= 0 else [-part for part in parts]


class Usage(NamedTuple):
    """What a price depends on; begin and end are one instant unless it lasts.

    `counts` are what fees count, by name; `used` what was used before it, by period and counter;
    `intervals` are (begin, end, Wh) of a meter; `promos` take something off before tax; `off` are
    such lines at the word of the bill.
    """

    kind: str
    begin: int
    end: int
    energy_wh: int
    station: str
    pack_class: str
    country: str
    is_booked: bool
    limit_wh: int
    slack: int
    price_at: int = 0  # of a booking that was kept: its prices, as published below
    price_position: int = 0  # this position
    zone: str = ""
    group: str = ""
    soc_bp: int | None = None
    counts: Mapping[str, int] = {}
    intervals: tuple[tuple[int, int, int], ...] = ()
    period: str = ""  # of the driver's subscription
    free_swaps: int = 0
    free_wh: int = 0
    used: Mapping[str, int] = {}
    promos: tuple[dict[str, Any], ...] = ()
    off: tuple[dict[str, Any], ...] = ()

    @property
    def is_swap(self) -> bool:
        """Whether packs were changed."""
        return self.kind == "swap"

    @property
    def source(self) -> str:
        """How its energy is known."""
        return "SOC_DIFFERENCE" if self.is_swap else "METER" if self.kind in TIMED else "EVENT"


class Version(NamedTuple):
    """One published version of a tariff."""

    position: int
    number: int
    begin: int
    end: int
    terms: dict[str, Any]
    supersedes: int = 0


class Price(NamedTuple):
    """The price of a component at a time; an hour of a day version has no element."""

    component: str
    per: str
    rate: int
    version: Version
    element: dict[str, Any] | None

    def same(self, other: "Price") -> bool:
        """Whether both may stand in one line."""
        return (self.rate, self.version.position, self.element) == (
            other.rate,
            other.version.position,
            other.element,
        )


class Part(NamedTuple):
    """A stretch of time with one price, and what falls into it."""

    price: Price
    begin: int
    end: int
    quantity: int


class Tariff:
    """The versions of a tariff that were published before a usage was rated."""

    def __init__(self, versions: Sequence[Version]) -> None:
        self.days: dict[int, Version] = {}
        self.lasting: list[Version] = []
        for new in versions:
            expect(_is_known(new.terms), "tariff: terms of a kind that this program cannot check")
            if take(new.terms, "hours_micro", list, []):
                self.days[new.begin // DAY] = new
                continue
            self.lasting = _with_version(self.lasting, new)

    def at(self, usage: Usage, at: int) -> dict[str, Price] | None:
        """Give the price of each component; None when no version is in force."""
        found: dict[str, Price] = {}
        day = self.days.get(at // DAY)
        hour = at % DAY // HOUR
        if day and hour not in take(day.terms, "hours_missing", list, []):
            rate = take(day.terms, "hours_micro", list)[hour]
            found["ENERGY"] = Price("ENERGY", "KWH", rate, day, None)
        lasting = self.lasting_at(at)
        if lasting is None:
            return found or None
        zone = take(lasting.terms, "zone", str)
        for element in take(lasting.terms, "elements", list, []):
            name, limits = take(element, "component", str), take(element, "restrictions", dict, {})
            source = take(element, "quantity_source", str, "EVENT")
            if source not in ("EVENT", usage.source):
                continue
            if name not in found and _applies(limits, usage, at, zone):
                per, rate = take(element, "per", str), take(element, "rate_micro", int)
                found[name] = Price(name, per, rate, lasting, element)
        return found

    def lasting_at(self, at: int) -> Version | None:
        """Find the version in force that is not for one day."""
        found = next((one for one in reversed(self.lasting) if one.begin <= at), None)
        return None if found is None or (found.end and at >= found.end) else found

    def edges(self, begin: int, end: int) -> list[int]:
        """List the times strictly between two at which a price may change."""
        hours = range((begin // HOUR + 1) * HOUR, end, HOUR)
        near = {hour for hour in hours if {hour // DAY, (hour - 1) // DAY} & set(self.days)}
        for version in self.lasting:
            start, stop = version.begin, version.end or end
            if start < end and begin < stop:
                near |= {start, stop}
                elements = take(version.terms, "elements", list, [])
                limits = [take(one, "restrictions", dict, {}) for one in elements]
                if any(
                    set(one) & {"days", "start_local", "date_from", "date_to"} for one in limits
                ):
                    zone = take(version.terms, "zone", str)
                    near |= set(_local_edges(limits, zone, max(begin, start), min(end, stop)))
        return sorted(at for at in near if begin < at < end)


TERMS = {
    *("country", "currency", "zone", "valid_from_at", "valid_to_at", "elements", "hours_micro"),
    *("hours_missing", "negative_energy", "terms_sha256", "party", "border_rule", "rounding"),
    *("tax_included", "min_bill_minor", "max_bill_minor", "wear"),
}
ELEMENT = {
    *("component", "per", "rate_micro", "restrictions", "min_quantity", "max_quantity"),
    *("tax_product", "revenue_account", "element_id", "quantity_source", "tier"),
}
LIMITS = {
    *("days", "start_local", "end_local", "date_from", "date_to", "stations", "pack_classes"),
    *("zones", "groups", "min_soc_bp"),
}


def _is_known(terms: dict[str, Any]) -> bool:
    """Tell whether a version has nothing but terms that can be checked here."""
    elements = take(terms, "elements", list, [])
    tiers = [take(one, "tier", dict, {}) for one in elements]
    return (
        set(terms) <= TERMS
        and take(terms, "border_rule", str, "cheaper_for_driver") == "cheaper_for_driver"
        and take(terms, "rounding", str, "line_half_up") == "line_half_up"
        and all(
            set(one) <= ELEMENT
            and set(take(one, "restrictions", dict, {})) <= LIMITS
            and take(one, "component", str) in COMPONENTS
            and take(one, "per", str) in UNITS
            for one in elements
        )
        and all(
            one.get("scope") in ("swap", "calendar_month", "contract_period")
            and one.get("mode") in ("graduated", "volume")
            and take(take(one, "steps", list)[0], "from_quantity", int) == 0
            for one in tiers
            if one
        )
    )


def _with_version(lasting: Sequence[Version], new: Version) -> list[Version]:
    """Put a version among the lasting ones: it ends one without an end, and may supersede one."""
    kept: list[Version] = []
    for old in lasting:
        covers = old.begin <= new.begin and (not old.end or new.begin < old.end)
        if not covers or old.number != new.supersedes:
            is_ended = not old.end and new.begin > old.begin
            kept.append(old._replace(end=new.begin) if is_ended else old)
            continue
        new = new._replace(end=new.end or old.end)
        if old.begin < new.begin:
            kept.append(old._replace(end=new.begin))
        if new.end and (not old.end or new.end < old.end):
            kept.append(old._replace(begin=new.end))
    return sorted([*kept, new], key=lambda version: version.begin)


def _intervals(facts: dict[str, Any], begin: int, end: int) -> tuple[tuple[int, int, int], ...]:
    """Take the intervals of a meter, which follow each other and sum to what it counted."""
    found = [
        (take(one, "begin_at", int), take(one, "end_at", int), take(one, "energy_wh", int))
        for one in take(facts, "intervals", list, [])
    ]
    ends = [begin, *(one[1] for one in found)]
    whole = [one[0] for one in found] == ends[:-1] and sorted(set(ends)) == ends
    whole = whole and ends[-1] == end and min((one[2] for one in found), default=0) >= 0
    energy = take(facts, "energy_in_wh", int, 0)
    whole = whole and sum(one[2] for one in found) == energy
    require(whole or not found, "the intervals of a meter are not those of its session")
    return tuple(found)


def _local(at: int, zone: str) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).astimezone(
        ZoneInfo(zone)
    )


def _applies(limits: dict[str, Any], usage: Usage, at: int, zone: str) -> bool:
    """Tell whether an element applies at a place, for a class, a group and a charge, at a time."""
    if usage.station not in limits.get("stations", [usage.station]):
        return False
    if usage.pack_class not in limits.get("pack_classes", [usage.pack_class]):
        return False
    if usage.zone not in limits.get("zones", [usage.zone]):
        return False
    if usage.group not in limits.get("groups", [usage.group]):
        return False
    least_soc = limits.get("min_soc_bp", 0)
    if least_soc and (usage.soc_bp is None or usage.soc_bp < least_soc):
        return False
    if not set(limits) & {"days", "start_local", "date_from", "date_to"}:
        return True
    local = _local(at, zone)
    day, now = local.date().isoformat(), f"{local:%H:%M}"
    weekday = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[local.weekday()]
    if weekday not in limits.get("days", [weekday]):
        return False
    if not limits.get("date_from", day) <= day <= limits.get("date_to", day):
        return False
    start, stop = limits.get("start_local", ""), limits.get("end_local", "")
    if start < stop:
        return bool(start <= now < stop)
    return not start or now >= start or now < stop


def _local_edges(limits: list[Any], zone: str, begin: int, end: int) -> Iterator[int]:
    """List the instants of the local times that restrictions name, and every full hour."""
    clocks = {"00:00"}
    for one in limits:
        clocks |= {one["start_local"], one["end_local"]} if "start_local" in one else set()
    day: date = _local(begin, zone).date()
    while day <= _local(end, zone).date():
        for text in clocks:
            for fold_ in (0, 1):
                at = clock_time.fromisoformat(text).replace(fold=fold_, tzinfo=ZoneInfo(zone))
                passed = datetime.combine(day, at) - datetime(1970, 1, 1, tzinfo=UTC)
                yield passed // timedelta(microseconds=1)
        day += timedelta(days=1)
    yield from range((begin // HOUR + 1) * HOUR, end, HOUR)


Tax = Callable[[str, str, int], tuple[str, int] | None]
"""`tax(country, product, at)`: category and rate in basis points, None when there is no rule."""


def rate(usage: Usage, tariff: Tariff, tax: Tax) -> tuple[list[dict[str, Any]], int]:
    """Rate a usage: its lines, and how much later the prices are that were taken for it.

    An uncertain clock is shifted for the driver; a booking that was kept has locked its prices.
    """
    if usage.price_at:
        locked = _lines(usage, tariff, usage.price_at - usage.begin, tax)
        if locked is None:
            refuse("no price of the tariff fits the booking")
        return locked, usage.price_at - usage.begin
    best = _lines(usage, tariff, 0, tax)
    if best is None:
        refuse("no price of the tariff fits the usage")
    chosen = 0
    low, high = usage.begin - usage.slack, usage.end + usage.slack + 1
    borders = tariff.edges(low, high) if usage.slack else []
    shifts = [-usage.slack, usage.slack]
    if usage.kind not in TIMED:
        shifts = [-usage.slack, *(border - usage.begin for border in borders)]
    for shift in shifts if borders else ():
        other = _lines(usage, tariff, shift, tax)
        if other is not None and _net(other) < _net(best):
            best, chosen = other, shift
    return best, chosen


def _net(lines: Iterable[dict[str, Any]]) -> int:
    return sum(line["net_minor"] for line in lines)


def _lines(usage: Usage, tariff: Tariff, shift: int, tax: Tax) -> list[dict[str, Any]] | None:
    """Make the lines of one reading of the clock; None when there can be no bill."""
    begin, end = usage.begin + shift, usage.end + shift
    bands = list(pairwise((begin, *tariff.edges(begin, end), end)))
    rows: dict[str, list[Part]] = {}
    for (start, stop), share in zip(bands, _shares(usage, bands, shift), strict=True):
        prices = tariff.at(usage, start)
        if prices is None:
            return None
        for name, price in prices.items():
            row = rows.setdefault(name, [])
            if row and row[-1].end == start and row[-1].price.same(price):
                row[-1] = row[-1]._replace(end=stop, quantity=row[-1].quantity + share)
            else:
                row.append(Part(price, start, stop, share))
    lines = [line for row in rows.values() for line in _component(usage, row, shift)]
    energy = rows.get("ENERGY", [])
    covered = not energy or sum(part.end - part.begin for part in energy) >= end - begin
    ruled = all(tax(usage.country, one["tax_product"], one["service_start_at"]) for one in lines)
    small = (usage.is_swap or usage.energy_wh >= 0) and abs(usage.energy_wh) <= usage.limit_wh
    small = small and sum(abs(line["amount_nano"]) for line in lines) < LAST
    small = small and all(0 <= number <= COUNT_MAX for number in usage.counts.values())
    if not (lines and covered and ruled and small):
        return None
    terms = next(iter(rows.values()))[0].price.version.terms
    lines = _bounded_bill(usage, lines, tariff.lasting_at(begin))
    lines = _promoted(usage, lines, take(terms, "currency", str))
    return _without_tax(usage.country, lines, tax)


def _shares(usage: Usage, bands: list[tuple[int, int]], shift: int) -> list[int]:
    """Divide the energy over bands by time, inside each interval of the meter where it has any."""
    if len(bands) == 1:
        return [usage.energy_wh]
    spans = usage.intervals or ((usage.begin, usage.end, usage.energy_wh),)
    shares = [0] * len(bands)
    for begin, end, energy_wh in spans:
        inside = [
            max(0, min(stop, end + shift) - max(start, begin + shift)) for start, stop in bands
        ]
        shares = [have + more for have, more in zip(shares, divide(energy_wh, inside), strict=True)]
    return shares


def _component(usage: Usage, row: list[Part], shift: int) -> Iterator[dict[str, Any]]:
    """Make the lines of one component: one per stretch of energy and step, or one for the event."""
    first = row[0].price
    name = first.component
    if name == "BOOKING" and not usage.is_booked:
        return
    if first.per == "KWH":
        is_metered = name in BY_KWH if usage.kind in DRIVEN else name == usage.kind.upper() == "V2G"
        parts = [part for part in row if is_metered and part.price.per == "KWH"]
        formula = "meter-interval-1" if usage.intervals else "meter-time-1"
        formula = "soc-diff-1" if usage.is_swap else formula
    else:
        number = _happened(usage, name, first.per)
        if number is None or row[0].begin != usage.begin + shift:
            return
        parts = [Part(first, row[0].begin, usage.end + shift, number)]
        formula = "event-1"
    is_allowed = name in FREE and usage.kind in DRIVEN
    free_wh, used = usage.free_wh if is_allowed else 0, dict(usage.used)
    for part, billed in zip(parts, _billed(parts), strict=True):
        if is_allowed and usage.is_swap and usage.free_swaps > 0:
            pieces = [(billed, 0, "allowance-1", "")]
        else:
            free = min(free_wh, max(billed, 0)) if first.per == "KWH" else 0
            free_wh -= free
            pieces = [(free, 0, "allowance-wh-1", "")] if free else []
            if billed > free or not pieces:
                pieces += _stepped(usage, part.price, billed - free, formula, used)
        left = part.quantity
        for number, piece in enumerate(pieces, 1):
            own = left if number == len(pieces) else max(min(piece[0], left), 0)
            left -= own
            yield _line(part._replace(quantity=own), piece, shift)


def _happened(usage: Usage, name: str, per: str) -> int | None:
    """Count what a price is for, other than energy; None where it did not happen."""
    lasted = usage.end - usage.begin
    plain: dict[str, int | None] = {"ITEM": 1, "SWAP": 1 if usage.is_swap else None}
    if usage.kind in TIMED:
        plain |= {"MINUTE": lasted // MINUTE, "DAY": -(-lasted // DAY)}
    if name in ("BOOKING", "DISCOUNT"):
        return plain.get(per)
    if name in FREE:
        return plain.get(per) if usage.kind in DRIVEN else None
    many = usage.counts.get
    seconds = many({"LATE": "late_s", "IDLE": "idle_s"}.get(name, ""), 0)
    days = 0 if many("is_system_upgrade", 0) else many("class_days", 0)
    fees = {
        ("NO_SHOW", "ITEM"): many("is_no_show", 0),
        (name, "MINUTE"): seconds // 60,
        (name, "DAY"): -(-seconds // 86_400),
        ("LATE", "ITEM"): int(seconds > 0),
        ("IDLE", "ITEM"): int(seconds > 0),
        ("CLASS_UPGRADE", "DAY"): days,
        ("EXTRA_PACK", "ITEM"): many("extra_packs", 0),
        ("EXTRA_PACK", "DAY"): many("extra_pack_days", 0),
        ("DAMAGE", "SOH_BP"): many("damage_bp", 0) if usage.kind == "custody" else 0,
        ("SUBSCRIPTION", "MONTH"): many("months", 0) if usage.kind == "subscription" else 0,
    }
    return fees.get((name, per)) or None


def _billed(parts: list[Part]) -> list[int]:
    """Bound what is billed of several stretches together, and divide it as the energy is."""
    actual = [part.quantity for part in parts]
    if not parts:
        return []
    total = sum(actual)
    billed = _bounded(total, parts[0].price)
    if billed == total:
        return actual
    if len(parts) == 1:
        return [billed]
    return divide(billed, actual if total > 0 else [part.end - part.begin for part in parts])


def _bounded(quantity: int, price: Price) -> int:
    """Bound what is billed: nothing below zero unless it is credited, then as the element says."""
    if quantity < 0:
        terms = price.version.terms
        credited = take(terms, "negative_energy", str, "floor_zero") == "credit"
        quantity = quantity if credited and price.component == "ENERGY" else 0
    if price.element is None:
        return quantity
    most = take(price.element, "max_quantity", int, 0) or quantity
    least = take(price.element, "min_quantity", int, 0)
    return max(min(quantity, most), least) if least else min(quantity, most)


Piece = tuple[int, int, str, str]
"""What is billed at one rate: quantity, rate, formula, and the period over which it counts."""


def _stepped(
    usage: Usage, price: Price, quantity: int, formula: str, used: dict[str, int]
) -> list[Piece]:
    """Cut a quantity where a step of a tier ends, and count it in `used`."""
    element = price.element or {}
    tier = take(element, "tier", dict, {})
    if not tier or quantity <= 0:
        return [(quantity, price.rate, formula, "")]
    period = {"swap": "", "contract_period": usage.period}.get(tier["scope"])
    if period is None:
        period = f"{_local(usage.begin, take(price.version.terms, 'zone', str)):%Y-%m}"
    key = f"{period}/{counter_of(element)}"
    before = used.get(key, 0)
    after = used[key] = before + quantity
    steps = [
        (take(one, "from_quantity", int), take(one, "rate_micro", int)) for one in tier["steps"]
    ]
    if tier["mode"] == "volume":
        reached = [rate_micro for start, rate_micro in steps if start < after]
        return [(quantity, reached[-1], formula, period)]
    cuts = []
    for (start, rate_micro), (stop, _) in pairwise([*steps, (after, 0)]):
        inside = min(stop, after) - max(start, before)
        if inside > 0:
            cuts.append((inside, rate_micro, formula, period))
    return cuts


def counter_of(element: dict[str, Any]) -> str:
    """Name what a tier counts: its component, and the element where that has a name."""
    return ":".join(filter(None, (element["component"], element.get("element_id"))))


def _line(part: Part, piece: Piece, shift: int) -> dict[str, Any]:
    billed, rate_micro, formula, period = piece
    price, element = part.price, part.price.element or {}
    product, account = COMPONENTS[price.component]
    nano = billed * rate_micro * (1 if price.per == "KWH" else 1000)
    terms = price.version.terms
    minor = round_half_up(nano, nano_per_minor(take(terms, "currency", str)))
    line = {
        "component": price.component,
        "quantity": part.quantity,
        "unit": UNITS[price.per],
        "rate_micro": rate_micro,
        "amount_nano": nano,
        "net_minor": minor,
        "tax_product": element.get("tax_product") or product,
        "revenue_account": element.get("revenue_account") or account,
        "tariff_version": price.version.number,
        "tariff_position": price.version.position,
        "service_start_at": part.begin - shift,
        "service_end_at": part.end - shift,
        "formula": formula,
    }
    more = {"element_id": element.get("element_id", ""), "tier": period}
    line |= {name: text for name, text in more.items() if text}
    if terms.get("tax_included"):
        line["gross_minor"] = minor
    return line if billed == part.quantity else {**line, "billed_quantity": billed}


def nano_per_minor(currency: str) -> int:
    """Count the billionths of a major unit in a minor one."""
    return int(10 ** (9 - DECIMALS.get(currency, 2)))


# What depends on all lines of a bill together


def _price_of(line: dict[str, Any]) -> int:
    """Give what a line costs as its tariff says it: with tax where its prices have it."""
    return int(line.get("gross_minor", line["net_minor"]))


def _bounded_bill(
    usage: Usage, lines: list[dict[str, Any]], version: Version | None
) -> list[dict[str, Any]]:
    """Hold a bill against the least and the most of its tariff; what was free stays free."""
    if version is None or usage.kind not in DRIVEN:
        return lines
    least = take(version.terms, "min_bill_minor", int, 0)
    most = take(version.terms, "max_bill_minor", int, 0)
    total, dearest = sum(map(_price_of, lines)), max(lines, key=_price_of)
    is_free = any(line["formula"].startswith("allowance-") for line in lines)
    currency = take(version.terms, "currency", str)
    if least and total < least and not is_free:
        return [*lines, _beside(dearest, "SERVICE", "min-bill-1", least - total, currency)]
    if most and total > most:
        return [*lines, _beside(dearest, "DISCOUNT", "max-bill-1", most - total, currency)]
    return lines


def _beside(
    like: dict[str, Any], component: str, formula: str, minor: int, currency: str
) -> dict[str, Any]:
    """Make a line of one item beside another: of its version, its product and its time."""
    nano = minor * nano_per_minor(currency)
    line = {key: like[key] for key in like if key not in ("billed_quantity", "element_id", "tier")}
    line |= {"component": component, "revenue_account": COMPONENTS[component][1]}
    line |= {"quantity": 1, "unit": "ITEM", "rate_micro": nano // 1000, "amount_nano": nano}
    line |= {"net_minor": minor, "formula": formula}
    return line | ({"gross_minor": minor} if "gross_minor" in like else {})


def _promoted(usage: Usage, lines: list[dict[str, Any]], currency: str) -> list[dict[str, Any]]:
    """Take promotions off: those that stack one after the other, or the best one alone."""
    if usage.off:
        return [*lines, *_off_at_word(usage, lines, currency)]
    stacked: list[dict[str, Any]] = []
    ways = [stacked]
    for promo in usage.promos:
        if not promo.get("valid_from_at", 0) <= usage.begin < promo.get("valid_to_at", LAST):
            continue
        if promo.get("currency", "") not in {"", currency}:
            continue
        if promo.get("stackable"):
            stacked += _taken_off(usage, [*lines, *stacked], promo, currency)
        else:
            ways.append(_taken_off(usage, lines, promo, currency))
    return [*lines, *min(ways, key=lambda found: sum(map(_price_of, found)))]


def _taken_off(
    usage: Usage, lines: list[dict[str, Any]], promo: dict[str, Any], currency: str
) -> list[dict[str, Any]]:
    """Make the lines of one promotion: one for each tax product and version that it lowers."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for line in lines:
        name, chosen = line["component"], promo.get("components", ())
        usual = name not in FEES and name != "DISCOUNT"
        if (name in chosen if chosen else usual) or "promo" in line:
            groups.setdefault((line["tax_product"], line["tariff_position"]), []).append(line)
    off = [max(sum(map(_price_of, group)), 0) for group in groups.values()]
    formula = "promo-free-swap-1"
    if promo["kind"] == "percent":
        formula = "promo-percent-1"
        off = [round_half_up(base * promo.get("percent_bp", 0), 10_000) for base in off]
    elif not (usage.is_swap and promo.get("swaps_left")):
        off = [0] * len(off)
    most = promo.get("max_minor", 0)
    if most and sum(off) > most:
        off = divide(most, off)
    found = []
    for group, minor in zip(groups.values(), off, strict=True):
        if minor:
            line = _beside(group[0], "DISCOUNT", formula, -minor, currency)
            found.append({**line, "promo": promo["promo_id"]})
    return found


def _off_at_word(
    usage: Usage, lines: list[dict[str, Any]], currency: str
) -> Iterator[dict[str, Any]]:
    """Make the lines of promotions as a bill says them, as far as they can be right at all.

    None takes off more than there is of its tax product and version.
    """
    left: dict[tuple[str, int], int] = {}
    first: dict[tuple[str, int], dict[str, Any]] = {}
    for line in lines:
        group = line["tax_product"], line["tariff_position"]
        left[group] = left.get(group, 0) + _price_of(line)
        first.setdefault(group, line)
    for said in usage.off:
        group, minor = (said["tax_product"], said["tariff_position"]), _price_of(said)
        if minor < 0 <= left.get(group, -1) + minor:
            left[group] += minor
            line = _beside(first[group], "DISCOUNT", said["formula"], minor, currency)
            yield {**line, "promo": said["promo"]}


def _without_tax(country: str, lines: list[dict[str, Any]], tax: Tax) -> list[dict[str, Any]]:
    """Give lines with tax their part of the net of all of one rate; signs are kept apart."""
    groups: dict[tuple[str, int], list[int]] = {}
    for place, line in enumerate(lines):
        rule = tax(country, line["tax_product"], line["service_start_at"])
        if "gross_minor" in line and rule is not None:
            groups.setdefault(rule, []).append(place)
    found = list(lines)
    for (_, rate_bp), places in groups.items():
        gross = [lines[place]["gross_minor"] for place in places]
        net, below = (
            net_inside(sum(gross), rate_bp),
            net_inside(sum(min(0, one) for one in gross), rate_bp),
        )
        parts = [
            *zip(places, _by_size(below, [min(0, one) for one in gross]), strict=True),
            *zip(places, _by_size(net - below, [max(0, one) for one in gross]), strict=True),
        ]
        for place in places:
            own = sum(part for where, part in parts if where == place)
            found[place] = {**lines[place], "net_minor": own}
    return found


def net_inside(gross_minor: int, rate_bp: int) -> int:
    """Take the net out of an amount that includes tax."""
    return round_half_up(gross_minor * 10_000, 10_000 + rate_bp)


def _by_size(total: int, amounts: list[int]) -> list[int]:
    sizes = [abs(one) for one in amounts]
    return divide(total, sizes) if any(sizes) else [0] * len(sizes)


# Bills and statements that carry their proof (steps M1 to M7) ------------------


class Bundle(NamedTuple):
    """An unpacked bundle: claims, until its entries are proven."""

    manifest: dict[str, Any]
    checkpoint: bytes
    datas: dict[int, bytes]
    documents: dict[int, bytes]


def parse_bundle(path: Path) -> Bundle:
    """Unpack a bundle: manifest.json, checkpoint, entries.jsonl, document-<position>.jws."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = {each.filename for each in members}
            expect(len(names) == len(members) <= 1_000, "bundle: a name twice, or too many")
            expect(sum(each.file_size for each in members) <= FILE_BYTES_MAX, "bundle: too long")
            plain = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
            expect({each.compress_type for each in members} <= plain, "bundle: its compression")
            files = {name: archive.read(name) for name in names}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise MalformedInput(f"bundle: {error}") from error
    except (NotImplementedError, RuntimeError, ValueError) as error:
        raise MalformedInput("bundle: a zip file of an unusual kind") from error
    expect({"manifest.json", "checkpoint", "entries.jsonl"} <= set(files), "bundle: a file lacks")
    manifest = read_json(files.pop("manifest.json"), "manifest")
    checkpoint, lines = files.pop("checkpoint"), files.pop("entries.jsonl").split(b"\n")
    expect(take(manifest, "t", str) == "mobilegrid/proven/1", "bundle: no version known here")
    positions = take_ints(manifest, "positions")
    expect(
        len(lines) == len(positions) + 1 and not lines[-1], "bundle: entries and positions differ"
    )
    expect(positions == sorted(set(positions)) and positions[0] >= 0, "bundle: positions")
    documents = {}
    for name, data in files.items():
        found = re.fullmatch(r"document-([0-9]{1,19})\.jws", name)
        if found is None:
            raise MalformedInput(f"bundle: an unknown file {name[:60]!r}")
        documents[decimal(found[1], "document")] = data
    return Bundle(manifest, checkpoint, dict(zip(positions, lines, strict=False)), documents)


def take_ints(value: Any, name: str, *default: list[Any]) -> list[int]:
    """Take a list of integers."""
    found = take(value, name, list, *default)
    expect(all(type(each) is int for each in found), f"member {name}: not integers")
    return found


class Books:
    """The proven entries of a bundle, and what they add up to."""

    def __init__(
        self, entries: dict[int, dict[str, Any]], taxes: list[Any], *, is_whole: bool = True
    ) -> None:
        self.entries = entries
        self.is_whole = is_whole
        self.stated: set[int] = set()
        self.margins: set[int] = set()
        self.counted: set[int] = set()
        self.worded: set[int] = set()
        self.stations: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.contracts: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.plans: dict[str, list[tuple[int, str, dict[str, Any]]]] = {}
        self.promos: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.bills: dict[str, list[tuple[int, bool, dict[str, Any]]]] = {}
        self.versions: dict[str, list[Version]] = {}
        self.taxes: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
        self._tariffs: dict[tuple[str, int], Tariff] = {}
        self._rated: dict[int, tuple[Usage, list[dict[str, Any]], int]] = {}
        for position, entry in sorted(entries.items()):
            self._file(position, take(entry, "kind", str), take(entry, "body", dict))
        for row in taxes:
            rule = (
                take(row, "valid_from", str),
                take(row, "category", str),
                take(row, "rate_bp", int),
            )
            key = take(row, "country", str), take(row, "product", str)
            self.taxes.setdefault(key, []).append(rule)

    def _file(self, position: int, kind: str, body: dict[str, Any]) -> None:
        if kind == "station_commissioned":
            self.stations.setdefault(take(body, "station_id", str), []).append((position, body))
        elif kind in PLANS:
            self.plans.setdefault(take(body, "driver_id", str), []).append((position, kind, body))
        elif kind == "discount.granted":
            self.promos.setdefault(take(body, "driver_id", str), []).append((position, body))
        elif kind in BILLED:
            is_back = kind == "usage.reversed"
            bill = take(body, "original", dict) if is_back else body
            driver = self.bills.setdefault(take(body, "driver_id", str), [])
            driver.append((position, is_back, bill))
        elif kind == "contract_agreed":
            self.contracts.setdefault(take(body, "contract_id", str), []).append((position, body))
        elif kind == "tariff_published":
            terms = take(body, "terms", dict)
            span = take(terms, "valid_from_at", int), take(terms, "valid_to_at", int, 0)
            number, old = take(body, "tariff_version", int), take(body, "supersedes", int, 0)
            version = Version(position, number, *span, terms, old)
            self.versions.setdefault(take(body, "tariff_id", str), []).append(version)

    def tax(self, country: str, product: str, at: int) -> tuple[str, int] | None:
        """Find the rule in force on the UTC day of a time."""
        day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).date().isoformat()
        rules = [rule for rule in sorted(self.taxes.get((country, product), [])) if rule[0] <= day]
        return rules[-1][1:] if rules else None

    def tariff(self, tariff_id: str, before: int) -> Tariff:
        """Give a tariff as it was when the entry at `before` was written."""
        versions = [each for each in self.versions.get(tariff_id, ()) if each.position < before]
        key = (tariff_id, len(versions))
        if key not in self._tariffs:
            self._tariffs[key] = Tariff(versions)
        return self._tariffs[key]

    def body(self, position: int, kinds: set[str]) -> dict[str, Any]:
        """Give the body of an entry of one of some kinds."""
        require(position in self.entries, f"entry {position} is not in the bundle")
        entry = self.entries[position]
        require(entry["kind"] in kinds, f"entry {position} is a {entry['kind']}")
        return take(entry, "body", dict)

    def station(self, station_id: str, before: int) -> dict[str, Any]:
        """Give the station as it was commissioned before a position."""
        known = [body for place, body in self.stations.get(station_id, ()) if place < before]
        require(len(known) == 1, f"the bundle does not hold station {station_id}")
        return known[0]

    def facts(self, position: int) -> int:
        """Name the entry whose facts a usage was billed from."""
        causes = take_ints(self.entries[position], "causes")
        found = [one for one in causes if one in self.entries and one < position]
        found = [one for one in found if self.entries[one]["kind"] in FACTS]
        require(len(found) == 1, f"usage at {position}: its facts are not in the bundle")
        return found[0]

    def rated_by(self, position: int) -> int:
        """Name what a usage was billed from: its facts, or below zero the bill that corrects."""
        body = take(self.entries[position], "body", dict)
        # what was given to the grid has the facts of the session that also took from it
        if "corrects" not in self.entries[position] and body["usage_kind"] not in (*WORD, "v2g"):
            return self.facts(position)
        part = take(take(self.entries[position], "body", dict), "part", int, 1)
        return -1 - (position - part + 1)

    def usage(self, position: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Rate the usage billed at a position again; give its body and all its lines."""
        body = self.body(position, {"usage.accrued"})
        place = self.rated_by(position)
        if place not in self._rated:
            usage = (
                self._corrected(position, body) if place < 0 else self._usage(place, body, position)
            )
            tariff = self.tariff(take(body, "tariff_id", str), usage.price_position or position)
            first = position - take(body, "part", int, 1) + 1
            usage = (
                self._before(usage, first, body)
                if self.is_whole
                else self._as_stated(usage, first, body, tariff)
            )
            self._rated[place] = (usage, *rate(usage, tariff, self.tax))
        _, lines, shift = self._rated[place]
        part, parts = take(body, "part", int, 1), take(body, "parts", int, 1)
        require(
            1 <= part <= parts == -(-len(lines) // LINES_PER_ENTRY), f"usage at {position}: parts"
        )
        own = lines[(part - 1) * LINES_PER_ENTRY : part * LINES_PER_ENTRY]
        same = take(body, "lines", list) == own and take(body, "net_minor", int) == _net(own)
        same = same and take(body, "price_shift_us", int, 0) == shift
        require(same, f"usage at {position}: {_net(own)} by facts and tariff, not as billed")
        wh = self._rated[place][0].energy_wh if part == 1 else 0
        require(take(body, "energy_wh", int, 0) == wh, f"usage at {position}: other energy")
        return body, lines

    def _usage(self, place: int, billed: dict[str, Any], position: int) -> Usage:
        """Take what a price depends on from the facts, the station and nothing else."""
        kind, facts = self.entries[place]["kind"], self.body(place, FACTS)
        if kind in BOOKING_FACTS:
            return self._booking_fee(place, billed, position)
        is_swap = kind != "charge_session_ended"
        is_back = not is_swap and billed["usage_kind"] == "v2g"  # what a driver gave to the grid
        name = "swap_id" if is_swap else "session_id"
        station = self.station(take(facts, "station_id", str), position)
        same = (
            billed["usage_kind"]
            == ("swap" if is_swap else "v2g" if is_back else "charging_session")
            and (derived_id("V2G", take(facts, name, str)) if is_back else take(facts, name, str))
            == billed["usage_id"]
            and take(facts, "driver_id", str) == billed["driver_id"]
            and facts["station_id"] == billed["station_id"] == station["station_id"]
            and take(station, "country", str) == billed["country"]
        )
        require(same, f"usage at {position}: its facts are of another usage")
        begin = take(facts, "out_at" if is_swap else "started_at", int)
        self._paid_by(position, billed, station, begin)
        seller = take(billed, "seller_id", str, "")
        same = not seller or (not is_back and seller == take(station, "operator_id", str))
        require(same, f"usage at {position}: sold by somebody else than who runs the station")
        end = begin if is_swap else take(facts, "ended_at", int)
        slack = take(facts, "clock_uncertainty_us", int, 0)
        good = 0 <= begin <= end < LAST and 0 <= slack <= DAY and end - begin <= 400 * DAY
        good = good and take(facts, "clock_quality", str, "S") != "U"
        require(good, f"usage at {position}: a time that is no base for a price")
        require(take(facts, "level", int) >= 3, f"usage at {position}: evidence too weak to bill")
        if is_swap:
            self._legs(place, facts)
        charges = [take(leg, "soc_bp", int) for leg in facts.get("legs_out", ()) if "soc_bp" in leg]
        return Usage(
            kind=billed["usage_kind"],
            begin=begin,
            end=end,
            energy_wh=take(
                facts,
                "energy_wh" if is_swap else "energy_out_wh" if is_back else "energy_in_wh",
                int,
            ),
            station=facts["station_id"],
            pack_class=take(facts, "pack_class", str),
            country=billed["country"],
            is_booked=bool(take(facts, "booking_id", str, "")),
            limit_wh=(take(facts, "capacity_wh", int, 0) if is_swap else 0) or 1_000_000,
            slack=slack,
            soc_bp=min(charges, default=None),
            counts={"class_days": take(facts, "class_days", int, 0)},
            price_at=take(facts, "price_at", int, 0),
            price_position=take(facts, "price_position", int, 0),
            intervals=() if is_swap or is_back else _intervals(facts, begin, end),
        )

    def _corrected(self, position: int, body: dict[str, Any]) -> Usage:
        """Take place, class and clock from the first bill, energy and time from the legs anew."""
        first = position
        while "corrects" in self.entries[first]:
            before = take(self.entries[first], "corrects", int)
            require(before < first, f"usage at {position}: it corrects a later one")
            old = self.body(before, {"usage.accrued"})
            names = ("usage_id", "usage_kind", "driver_id", "station_id", "tariff_id")
            same = all(old[name] == body[name] for name in names)
            require(same, f"usage at {position}: it corrects another usage")
            first = before
        if body["usage_kind"] in WORD:
            return self._agreed(position, self._fee(first))
        usage = self._usage(self.facts(first), body, first)
        legs = [one for one in take_ints(self.entries[position], "causes") if one in self.entries]
        found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for one in legs:
            kind = self.entries[one]["kind"]
            if kind in LEGS:
                leg = self.body(one, set(LEGS))
                require(take(leg, "swap_id", str) == body["usage_id"], f"leg at {one}: not its own")
                require(take(leg, "level", int) >= 3, f"leg at {one}: evidence too weak to bill")
                at = take(self.entries[one], "occurred_at", int)
                found.setdefault(kind, []).append((at, leg))
        if not found:  # the same facts, by another tariff or contract
            return self._agreed(position, usage)
        energy = sum(
            sign * take(leg, "stored_wh", int, 0)
            for kind, sign in LEGS.items()
            for _, leg in found.get(kind, ())
        )
        begin = max(at for at, _ in found.get("pack_swapped_out") or found["pack_returned"])
        out = [leg for _, leg in found.get("pack_swapped_out", ()) if "soc_bp" in leg]
        usage = usage._replace(
            energy_wh=energy,
            begin=begin,
            end=begin,
            limit_wh=1_000_000,
            soc_bp=min((take(leg, "soc_bp", int) for leg in out), default=None),
        )
        return self._agreed(position, usage)

    def _booking_fee(self, place: int, billed: dict[str, Any], position: int) -> Usage:
        """Take what a fee depends on from how a booking ended, and what it was made for."""
        facts, kind = self.body(place, BOOKING_FACTS), self.entries[place]["kind"]
        causes = [one for one in take_ints(self.entries[position], "causes") if one < place]
        require(len(causes) == 1, f"usage at {position}: it is of no one booking")
        wish = self.body(causes[0], {"booking_requested"})
        terms = take(wish, "terms", dict, {})
        at = take(self.entries[position], "occurred_at", int)
        station = self.station(take(wish, "station_id", str), position)
        names = ("booking_id", "driver_id", "station_id")
        same = all(take(wish, name, str) == take(facts, name, str) for name in names)
        same = same and billed["usage_kind"] == "booking"
        same = same and wish["booking_id"] == billed["usage_id"]
        same = same and wish["driver_id"] == billed["driver_id"]
        same = same and wish["station_id"] == billed["station_id"]
        same = same and take(station, "country", str) == billed["country"]
        same = same and at == take(self.entries[place], "recorded_at", int)
        same = same and take(facts, "is_billed", bool, False)  # noqa: FBT003  a missing member
        require(same, f"usage at {position}: its facts are of another usage")
        price_at = take(terms, "price_at", int)
        self._paid_by(position, billed, station, price_at)
        return Usage(
            kind="booking",
            begin=at,
            end=at,
            energy_wh=0,
            station=wish["station_id"],
            pack_class=take(wish, "pack_class", str),
            country=billed["country"],
            is_booked=True,
            limit_wh=1_000_000,
            slack=0,
            counts={"is_no_show": int(kind != "booking_canceled")},
            price_at=price_at,
            price_position=causes[0],
        )

    def _paid_by(
        self, position: int, billed: dict[str, Any], station: dict[str, Any], at: int
    ) -> None:
        """See that a usage was rated by the tariff of its station, or of the driver's plan."""
        plan = self.plan(billed["driver_id"], at, position)
        tariff = take(plan["terms"], "overage_tariff_id", str, "") if plan else ""
        tariff = tariff or take(station, "tariff_id", str, "")
        require(tariff == billed["tariff_id"], f"usage at {position}: by another tariff")

    def _fee(self, position: int) -> Usage:
        """Find what a fee is for: lost health, a pack too many, or what only its bill tells."""
        body = self.body(position, {"usage.accrued"})
        causes = take_ints(self.entries[position], "causes", [])
        kinds = {self.entries[one]["kind"] for one in causes if one in self.entries}
        if body["usage_kind"] == "booking" and kinds & BOOKING_FACTS:
            return self._booking_fee(self.facts(position), body, position)
        if body["usage_kind"] != "custody":
            return self._counted(position)
        kept = self._kept(position, body)
        is_damage = any(line["component"] == "DAMAGE" for line in take(body, "lines", list))
        if "damage" in body or is_damage:
            return self._damaged(position, body)
        return kept or self._counted(position)

    def _custody_fee(
        self, position: int, billed: dict[str, Any], at: int, counts: dict[str, int]
    ) -> Usage:
        """Give a usage of custody that happened at a time, and counts something."""
        station = self.station(take(billed, "station_id", str), position)
        same = take(station, "country", str) == billed["country"]
        same = same and take(self.entries[position], "occurred_at", int) == at
        require(same, f"usage at {position}: another country or time")
        self._paid_by(position, billed, station, at)
        return Usage(
            kind="custody",
            begin=at,
            end=at,
            energy_wh=0,
            station=billed["station_id"],
            pack_class="",
            country=billed["country"],
            is_booked=False,
            limit_wh=1_000_000,
            slack=0,
            counts=counts,
        )

    def at(self, place: int) -> int:
        """Tell when happened what an entry says (us)."""
        entry = self.entries[place]
        return take(entry, "occurred_at" if "occurred_at" in entry else "recorded_at", int)

    def _told_before(self, kind: str, before: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for place, entry in sorted(self.entries.items()):
            if place < before and entry["kind"] == kind:
                yield place, take(entry, "body", dict)

    # packs that were not brought back

    def _kept(self, position: int, billed: dict[str, Any]) -> Usage | None:
        """Count the days with a pack too many, from its hand-out to when it was settled."""
        owed = [
            (place, body)
            for place, body in self._told_before("extra_pack_owed", position)
            if derived_id("XP", take(body, "swap_id", str), "days") == billed["usage_id"]
        ]
        if not owed:
            return None
        last = owed[-1][1]
        ends = [
            place
            for place, body in self._told_before("extra_pack_settled", position)
            if body["swap_id"] == last["swap_id"] and place > owed[-1][0]
        ]
        same = all(one["driver_id"] == billed["driver_id"] for _, one in owed)
        same = same and last["station_id"] == billed["station_id"] and len(ends) == 1
        require(same, f"usage at {position}: its pack is not settled, or another's")
        count = sum(self._owed(place, body) for place, body in owed)
        at = take(self.entries[ends[0]], "recorded_at", int)
        late = max(at - take(last, "since_at", int) - EXTRA_PACK_GRACE, 0)
        counts = {"late_s": late // 1_000_000, "extra_pack_days": -(-late // DAY) * count}
        usage = self._custody_fee(position, billed, at, counts)
        return usage._replace(pack_class=take(last, "pack_class", str))

    def _owed(self, place: int, body: dict[str, Any]) -> int:
        """Count the packs of a claim, which went out as it says."""
        legs = [one for one in take_ints(self.entries[place], "causes", []) if one in self.entries]
        times = set()
        for one in legs:
            leg = self.body(one, {"pack_swapped_out"})
            same = leg["driver_id"] == body["driver_id"] and leg["swap_id"] == body["swap_id"]
            require(same and one < place, f"claim at {place}: of another swap")
            times.add(self.at(one))
        count = take(body, "count", int)
        good = 0 < count <= len(legs) and take(body, "since_at", int) in times
        require(good, f"claim at {place}: not of the packs that went out")
        return count

    # lost health

    def _damaged(self, position: int, billed: dict[str, Any]) -> Usage:
        """Compute what is owed for lost health: two assessments, a stay, a case that two closed."""
        causes = take_ints(self.entries[position], "causes", [])
        places = [one for one in causes if one in self.entries and one < position]
        places = [one for one in places if self.entries[one]["kind"] == "damage.found"]
        require(len(places) == 1, f"usage at {position}: its damage is not in the bundle")
        place = places[0]
        found = self.body(place, {"damage.found"})
        told = take(found, "told", dict)
        names = ("driver_id", "station_id")
        same = all(take(found, name, str) == billed[name] for name in names)
        same = same and take(found, "case_id", str) == billed["usage_id"]
        require(same and billed.get("damage") == told, f"usage at {position}: another damage")
        begin, end = self._stay(place, found, told)
        self._lost(place, found, told, take(billed, "tariff_id", str))
        after = take(told, "after_position", int)
        at = self.at(after)
        epoch = take(self.entries[after]["body"], "epoch", int, 0)
        seed = f"{found['pack_id']}|{epoch}|{at}"
        same = derived_id("CA", "USAGE_DAMAGE", seed) == found["case_id"] and begin <= end <= at
        require(same, f"damage at {place}: of another case than its assessment opened")
        self._closed(place, found)
        slack = take(found, "clock_uncertainty_us", int, 0)
        good = 0 <= slack <= DAY and take(found, "clock_quality", str) != "U"
        require(good and take(found, "level", int) >= 3, f"damage at {place}: too weak to bill")
        counts = {"damage_bp": take(found, "billed_bp", int)}
        return self._custody_fee(position, billed, end, counts)._replace(slack=slack)

    def _stay(self, place: int, found: dict[str, Any], told: dict[str, Any]) -> tuple[int, int]:
        """See that the driver had the pack from one swap to another; give when (us)."""
        times = []
        for name, kind in (("out", "pack_swapped_out"), ("in", "pack_returned")):
            where = take(told, f"{name}_position", int)
            leg = self.body(where, {kind})
            same = all(leg[each] == found[each] for each in ("pack_id", "driver_id"))
            at = take(told, "begin_at" if name == "out" else "end_at", int)
            same = same and where < place and self.at(where) == at
            require(same, f"damage at {place}: the stay is another")
            require(take(leg, "level", int) >= found["level"], f"damage at {place}: evidence")
            times.append(at)
        return times[0], times[1]

    def _lost(
        self, place: int, found: dict[str, Any], told: dict[str, Any], tariff_id: str
    ) -> None:
        """Compute again what of the loss is sure, what is allowed, and what is billed."""
        begin, end = told["begin_at"], told["end_at"]
        (sound, low, _), (worn, _, high) = (
            self._assessed(take(told, f"{name}_position", int), place, found["pack_id"])
            for name in ("before", "after")
        )
        require(self.at(told["before_position"]) <= begin, f"damage at {place}: assessed too late")
        squares = (sound - low) ** 2 + (high - worn) ** 2
        width = isqrt(squares - 1) + 1 if squares else 0  # rounded up, for the driver
        sure = max(sound - worn - width, 0)
        version = self.tariff(tariff_id, place).lasting_at(end)
        require(version, f"damage at {place}: no tariff was in force")
        wear = take(version.terms, "wear", dict, WEAR) if version else {}
        legs = (self.entries[told[f"{name}_position"]]["body"] for name in ("out", "in"))
        out_wh, in_wh = (take(leg, "stored_wh", int) for leg in legs)
        allowed = (
            take(wear, "allowed_bp", int, 0)
            + round_half_up(take(wear, "per_30_days_bp", int, 0) * (end - begin), 30 * DAY)
            + round_half_up(take(wear, "per_mwh_bp", int, 0) * abs(out_wh - in_wh), 1_000_000)
        )
        billed = max(sure - allowed, 0)
        most = take(wear, "max_bp", int, 0)
        expected = {"before_bp": sound, "after_bp": worn, "sure_bp": sure, "allowed_bp": allowed}
        same = all(told[name] == value for name, value in expected.items())
        same = same and found["drop_bp"] == sound - worn
        same = same and found["billed_bp"] == (min(billed, most) if most else billed)
        require(same, f"damage at {place}: not what its assessments and the tariff give")

    def _assessed(self, where: int, place: int, pack_id: str) -> tuple[int, int, int]:
        """Read an assessment of a pack that is good enough to bill by: health and its bounds."""
        body = self.body(where, {"soh_assessed"})
        bounds = take(body, "lower_bp", int), take(body, "upper_bp", int)
        good = where < place and body["pack_id"] == pack_id and take(body, "level", int) >= 2
        good = good and bounds[0] <= take(body, "soh_bp", int) <= bounds[1] != bounds[0]
        require(good, f"damage at {place}: an assessment of too little worth, or another pack's")
        return body["soh_bp"], *bounds

    def _closed(self, place: int, found: dict[str, Any]) -> None:
        """See that two persons closed the case of the damage, and said that the driver owes."""
        for kind in ("case_opened", "case_resolved"):
            rows = [
                (where, body)
                for where, body in self._told_before(kind, place)
                if body["case_id"] == found["case_id"]
            ]
            require(len(rows) == 1, f"damage at {place}: its case is not here as it was {kind}")
            where, body = rows[0]
            actor = take(self.entries[where], "actor", dict)
            second = take(actor, "second_person", str, "")
            about = [found["pack_id"], found["driver_id"]]
            good = (
                body["case_type"] == "USAGE_DAMAGE" and body["subjects"] == about
                if kind == "case_opened"
                else body["resolution"] == "driver_owes" and second not in {"", actor["id"]}
            )
            require(good, f"damage at {place}: its case says something else, or one person alone")

    def _counted(self, position: int) -> Usage:
        """Take what a fee counts at its word; what it costs follows from the tariff."""
        body = self.body(position, {"usage.accrued"})
        station = self.station(take(body, "station_id", str), position)
        require(station["country"] == body["country"], f"usage at {position}: another country")
        lines = take(body, "lines", list)
        counts: dict[str, int] = {}
        for line in lines:
            name, each = COUNTED.get((line["component"], line["unit"]), ("", 0))
            if name:
                counts[name] = max(counts.get(name, 0), each * take(line, "quantity", int))
        begin = min(take(line, "service_start_at", int) for line in lines)
        causes = take_ints(self.entries[position], "causes", [])
        told = [self.entries[one]["body"] for one in causes if one in self.entries]
        shift = take(body, "price_shift_us", int, 0)
        is_locked = body["usage_kind"] == "booking"
        self.counted.add(position)
        return Usage(
            kind=body["usage_kind"],
            begin=begin,
            end=begin,
            energy_wh=0,
            station=body["station_id"],
            pack_class=next((one["pack_class"] for one in told if "pack_class" in one), ""),
            country=body["country"],
            is_booked=is_locked,
            limit_wh=1_000_000,
            slack=0,
            counts=counts,
            price_at=begin + shift if is_locked else 0,
            price_position=min(causes) if is_locked and causes else 0,
        )

    def _agreed(self, position: int, usage: Usage) -> Usage:
        """Put what two persons found of a usage before what was told of it."""
        causes = take_ints(self.entries[position], "causes", [])
        said = [
            self.body(one, {"usage.agreed"})
            for one in causes
            if one in self.entries and self.entries[one]["kind"] == "usage.agreed"
        ]
        if not said:
            return usage
        about, found = take_ints(said[-1], "about", []), take(said[-1], "found", dict)
        billed = take(self.entries[position], "body", dict)
        same = len(said) == 1 and said[0]["usage_id"] == billed["usage_id"]
        require(same and set(about) <= set(causes), f"usage at {position}: agreed of another one")
        if take(found, "has_energy", bool, False):  # noqa: FBT003  what a missing member means
            usage = usage._replace(energy_wh=take(found, "energy_wh", int, 0), intervals=())
        begin = take(found, "begun_at", int, 0)
        if begin:
            end = begin + usage.end - usage.begin
            usage = usage._replace(begin=begin, end=end, slack=0, intervals=())
        return usage

    # what was used before a usage

    def plan(self, driver: str, at: int, before: int) -> dict[str, Any] | None:
        """Find what a driver subscribed to, as told below a position, if it holds at a time."""
        began: dict[str, Any] | None = None
        last = ""
        for place, kind, body in self.plans.get(driver, ()):
            if place < before and kind == "subscription.began":
                began, last = body, ""
            elif place < before and kind == "subscription.ended":
                last = take(body, "last_period", str)
        if began is None:
            return None
        month = f"{_local(at, take(take(began, 'terms', dict), 'zone', str)):%Y-%m}"
        in_force = take(began, "first_on", str)[:7] <= month <= (last or month)
        return began if in_force else None

    def _before(self, usage: Usage, first: int, body: dict[str, Any]) -> Usage:
        """Add what was used before, from the entries that say so."""
        driver, tariff, own = body["driver_id"], body["tariff_id"], body["usage_id"]
        plan = self.plan(driver, usage.begin, first)
        if plan is not None:
            zone = take(plan["terms"], "zone", str)
            period = f"{take(plan, 'contract_id', str)}.{_local(usage.begin, zone):%Y-%m}"
            usage = usage._replace(period=period)
        swaps, energy_wh = self._free(driver, usage.begin, own, first)
        if take(body, "seller_id", str, ""):  # what was paid to us in advance pays no other's sale
            swaps = energy_wh = 0
        else:
            usage = usage._replace(promos=tuple(self._promos(driver, usage.begin, first)))
        counted: dict[str, Counted] = {}
        back = first  # from here on its own bill is taken back, to be made anew
        while self._is_back_of(own, back - 1):
            back -= 1
        for place, is_back, bill in self.bills.get(driver, ()):
            if place < first and bill["tariff_id"] == tariff:
                for key, counts in counts_of(bill).items():
                    row = counted.setdefault(key, Counted())
                    row.add(bill, counts, is_back=is_back, is_anew=place >= back)
        used = {
            f"{period}/{counter}": quantity
            for period, row in counted.items()
            for counter, quantity in row.before(usage.begin, own).items()
        }
        return usage._replace(free_swaps=swaps, free_wh=energy_wh, used=used)

    def _is_back_of(self, usage_id: str, place: int) -> bool:
        entry = self.entries.get(place, {"kind": ""})
        return bool(entry["kind"] == "usage.reversed" and entry["body"]["usage_id"] == usage_id)

    def _promos(self, driver: str, at: int, before: int) -> list[dict[str, Any]]:
        """List what a driver was granted that holds for a usage, with what is left of each.

        What ends first comes first. A grant forgets those that ended 366 days before it.
        """
        taken: dict[str, dict[str, int]] = {}  # by promo and usage, as the tariff says prices
        for place, is_back, bill in self.bills.get(driver, ()):
            for line in take(bill, "lines", list) if place < before else ():
                if line.get("promo"):
                    by_usage = taken.setdefault(line["promo"], {})
                    minor = _price_of(line) if is_back else -_price_of(line)
                    by_usage[bill["usage_id"]] = by_usage.get(bill["usage_id"], 0) + minor
        told = [one for one in self.promos.get(driver, ()) if one[0] < before]
        found: list[tuple[int, dict[str, Any]]] = []
        for number, (_, body) in enumerate(told):
            end = take(body, "valid_to_at", int, 0) or LAST
            later = [
                take(self.entries[place], "recorded_at", int) for place, _ in told[number + 1 :]
            ]
            is_kept = all(granted - 366 * DAY < end for granted in later)
            if is_kept and take(body, "valid_from_at", int) <= at < end:
                by_usage = taken.get(take(body, "promo_id", str), {})
                promo = _promo_left(body, end, [minor for minor in by_usage.values() if minor])
                found += [(end, promo)] if promo else []
        return [promo for _, promo in sorted(found, key=lambda one: one[0])]

    def _free(self, driver: str, at: int, own: str, before: int) -> tuple[int, int]:
        """Add up what is left of a driver's allowances for a usage: swaps, and Wh."""
        told = [one for one in self.plans.get(driver, ()) if one[0] < before]
        began = [body for _, kind, body in told if kind == "subscription.began"]
        if not began:
            return 0, 0
        terms = take(began[-1], "terms", dict)
        month = _local(at, take(terms, "zone", str))
        newest = month.year * 12 + month.month - 1
        oldest = newest - take(terms, "rollover_periods", int, 0)
        left = {"SWAP": 0, "KWH": 0}
        units: dict[str, str] = {}
        taken: dict[str, dict[str, int]] = {}
        now: set[str] = set()
        for _, kind, body in told:
            if kind == "subscription.invoiced":
                units[take(body, "period", str)] = take(body, "unit", str)
                left[body["unit"]] += _holds(body, oldest, newest) * take(body, "quantity", int)
            elif kind == "subscription.used":
                other, quantity = take(body, "usage_id", str), take(body, "quantity", int)
                unit = units[take(body, "period", str)]
                by_unit = taken.setdefault(other, {"SWAP": 0, "KWH": 0})
                by_unit[unit] += quantity
                if other != own and _holds(body, oldest, newest):
                    left[unit] -= quantity
                    now.add(other)
        if "corrects" not in self.entries[before]:  # else others may be made anew beside it
            self._taken_rightly(driver, taken, now, (own, before))
        return max(left["SWAP"], 0), max(left["KWH"], 0)

    def _taken_rightly(
        self, driver: str, taken: dict[str, dict[str, int]], now: set[str], place: tuple[str, int]
    ) -> None:
        """See that usages took of the allowances what their bills say, no more and no less.

        `now` are those that took of what can be used now: their bills must be here. `place` is the
        usage whose turn it is, and where.
        """
        own, before = place
        said: dict[str, dict[str, int]] = {}
        for where, is_back, bill in self.bills.get(driver, ()):
            if where < before and bill["usage_id"] != own:
                sums = said.setdefault(bill["usage_id"], {"SWAP": 0, "KWH": 0})
                for unit, quantity in taken_of(bill).items():
                    sums[unit] += -quantity if is_back else quantity
        nothing = {"SWAP": 0, "KWH": 0}
        for usage_id in sorted(set(said) | now):
            same = taken.get(usage_id, nothing) == said.get(usage_id, nothing)
            require(same, f"usage {usage_id}: another allowance was used than its bill says")

    def _as_stated(self, usage: Usage, first: int, body: dict[str, Any], tariff: Tariff) -> Usage:
        """Take what was used before at the word of the bill: other usages of its driver decide it.

        Only words that the bill can have: where a step begins, or ends with the first line of it.
        """
        lines = [
            line
            for place in range(first, first + take(body, "parts", int, 1))
            for line in take(self.body(place, {"usage.accrued"}), "lines", list)
        ]
        free = taken_of({"lines": lines, "part": 1})
        usage = usage._replace(free_swaps=free["SWAP"], free_wh=free["KWH"])
        used: dict[str, int] = {}
        tiers = {
            (version.position, counter_of(one)): one["tier"]
            for version in tariff.lasting
            for one in take(version.terms, "elements", list, [])
            if "tier" in one
        }
        for line in lines:
            period, counter = line.get("tier", ""), counter_of(line)
            key, tier = f"{period}/{counter}", tiers.get((line["tariff_position"], counter))
            if not period or key in used or tier is None:
                continue
            if "." in period:  # of a contract; a month of a tariff has no dot
                usage = usage._replace(period=period)
            used[key] = _stated_before(tier, lines, line)
        off = tuple(line for line in lines if line.get("promo"))
        if used or free["SWAP"] or free["KWH"] or off:
            self.stated.add(first)
        return usage._replace(used=used, off=off)

    def taken_back(self, position: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """See that a reversal says again what it takes back; give that usage and its lines."""
        body = self.body(position, {"usage.reversed"})
        place = take(body, "reversed_position", int)
        require(place < position, f"reversal at {position}: of a later entry")
        original, lines = self.usage(place)
        self._same_reversal(position, place, original)
        return original, lines

    def _same_reversal(self, position: int, place: int, original: dict[str, Any]) -> None:
        entry = self.entries[position]
        body = take(entry, "body", dict)
        shared = set(body) & set(original)
        same = entry.get("reverses", place) == place and body["original"] == original
        require(
            same and all(body[name] == original[name] for name in shared),
            f"reversal at {position}: not what entry {place} says",
        )

    def _legs(self, place: int, facts: dict[str, Any]) -> None:
        """See that the energy of a swap is what its packs held, each by its own entry."""
        causes = take_ints(self.entries[place], "causes", [])
        total = 0
        for name, sign, kind in (("out", 1, "pack_swapped_out"), ("in", -1, "pack_returned")):
            for leg in take(facts, f"legs_{name}", list, []):
                pack, stored = take(leg, "pack_id", str), take(leg, "stored_wh", int)
                own = take(leg, "position", int, 0)
                seen = [self._custody(each, kind) for each in ([own] if own else causes)]
                require((pack, stored) in seen, f"swap at {place}: {pack} held another energy")
                total += sign * stored
        require(total == take(facts, "energy_wh", int), f"swap at {place}: other energy")

    def _custody(self, place: int, kind: str) -> tuple[str, int] | None:
        """Read which pack came or went at a position, and what it held."""
        if place not in self.entries or self.entries[place]["kind"] != kind:
            return None
        body = self.body(place, {kind})
        return take(body, "pack_id", str), take(body, "stored_wh", int, 0)

    def share(self, position: int) -> tuple[dict[str, Any], int]:
        """Share a usage again by its contract; give the body and the position of its facts."""
        body = self.body(position, {"share.accrued"})
        causes = take_ints(self.entries[position], "causes")
        require(causes and max(causes) < position, f"share at {position}: no usage")
        rated = [self.usage(each) for each in causes]
        places = {self.rated_by(each) for each in causes}
        first, lines = rated[0]
        require(len(places) == 1 and len(rated) == first.get("parts", 1), "a usage not as a whole")
        usage = self._rated[places.copy().pop()][0]
        nets = sums_of(lines)
        terms = self._terms(position, body, usage.begin)
        station = self.station(usage.station, position)
        if "agency" in body:
            money = self._agency(position, first["country"], lines, terms, usage.begin)
            seller = take(take(terms, "seller", dict), "party_id", str)
            same = seller == body["partner_id"] == first.get("seller_id")
            require(same, f"share at {position}: not of who sold the usage")
        else:
            name = take(terms, "base", str)
            base = self._base(position, name, nets)
            money = {"base": name, "base_minor": base}
            money["shares"] = shares_of(terms, base, is_swap=usage.is_swap)
        expected = {
            "usage_id": first["usage_id"],
            "usage_kind": first["usage_kind"],
            "station_id": usage.station,
            "partner_id": take(station, "operator_id", str),
            "currency": first["currency"],
            **money,
            "ours": take(terms, "ours", str),
            "service_start_at": usage.begin,
            **{key: body.get(key) for key in ("contract_id", "contract_version")},
            **{f"{key}_net_minor": net for key, net in nets.items() if net},
            **({"energy_wh": usage.energy_wh} if usage.energy_wh else {}),
        }
        require(body == expected, f"share at {position}: not what contract and usage give")
        return body, next(iter(places))

    def _agency(
        self, position: int, country: str, lines: list[Any], terms: dict[str, Any], at: int
    ) -> dict[str, Any]:
        """Compute what we keep of a sale in a partner's name: a part of its price with tax."""
        parts = []
        for one in lines:
            rule = self.tax(country, one["tax_product"], one["service_start_at"])
            if rule is None:
                refuse(f"share at {position}: no tax rule")
            part = BillPart((country, *rule), "", "", "", one["net_minor"], one.get("gross_minor"))
            parts.append(part)
        figures = _invoice_figures([Line(position, "", b"", {}, tuple(parts))])
        gross = figures["gross_minor"] + figures["rounding_minor"]
        kept = self._commission(position, country, gross, terms, at)
        ours = kept["commission_minor"] + kept["tax_minor"]
        base = _net(lines)
        shares = {take(terms["seller"], "party_id", str): base - ours, terms["ours"]: ours}
        return {"base": "AGENCY", "base_minor": base, "shares": shares, "agency": kept}

    def _commission(
        self, position: int, country: str, gross: int, terms: dict[str, Any], at: int
    ) -> dict[str, Any]:
        """Compute our commission on a sale, and the tax on it."""
        rule = self.tax(country, "service", at)
        if rule is None:
            refuse(f"sale at {position}: no tax rule for a commission")
        commission = round_half_up(gross * take(terms, "commission_bp", int, 0), 10_000)
        return {
            "gross_minor": gross,
            "commission_minor": commission,
            "tax_minor": round_half_up(commission * rule[1], 10_000),
            "tax_code": f"{country}-{rule[0]}-{rule[1]}",
        }

    def owed(self, position: int) -> tuple[str, int, int] | None:
        """Compute whom an entry that is no share owes how much, and how much he owes us.

        None for what persons booked by hand: there only its postings say it.
        """
        body, kind = self.body(position, OTHER), self.entries[position]["kind"]
        if kind != "agent.sale":
            self.worded.add(position)
        if kind in ("manual.posted", "manual.reversed"):
            return None
        number = {
            name: take(body, name, int, 0)
            for name in ("net_minor", "tax_minor", "inventory_minor", "cost_minor", "gross_minor")
        }
        if kind in ("invoice.issued", "credit_note.issued"):
            payable = number["gross_minor"] + take(body, "rounding_minor", int, 0)
            taxes = take(body, "taxes", list)
            same = sum(row["net_minor"] + row["tax_minor"] for row in taxes) == body["gross_minor"]
            require(same, f"document at {position}: its taxes do not give what is asked for")
            accrued = number["net_minor"] + take(body, "accrued_more_minor", int, 0)
            owed = -payable if kind == "credit_note.issued" else payable - accrued
            return take(take(body, "seller", dict), "party_id", str), owed, 0
        partner = take(body, "partner_id", str)
        if kind == "agent.sale":
            at = take(self.entries[position], "occurred_at", int)
            terms = self._terms(position, body, at)
            country = take(body, "tax_code", str).partition("-")[0]
            kept = self._commission(position, country, number["gross_minor"], terms, at)
            same = all(body.get(name, 0) == value for name, value in kept.items())
            require(same, f"sale at {position}: another commission than agreed")
            ours = kept["commission_minor"] + kept["tax_minor"]
            return partner, kept["gross_minor"] - ours, 0
        if kind == "pack_dues.accrued":
            return partner, self._dues(position, body), 0
        total = sum(number.values())
        return (partner, 0, total) if kind == "v2g.sold" else (partner, total, 0)

    def _dues(self, position: int, body: dict[str, Any]) -> int:
        """Compute rents and instalments from their days, by the contract."""
        terms = self._terms(position, body, take(body, "from_at", int))
        nano = nano_per_minor(take(body, "currency", str))
        total = 0
        for one in take(body, "rents", list, []):
            rate = take(take(terms, "rent_micro", dict), take(one, "pack_class", str), int)
            amount = round_half_up(take(one, "pack_days", int) * rate * 1_000, nano)
            same = (one["rate_micro"], one["amount_minor"]) == (rate, amount)
            require(same, f"dues at {position}: a rent that was not agreed")
            total += amount
        for one in take(body, "instalments", list, []):
            whole = take(one, "secured_minor", int)
            part = whole * take(terms, "instalment_ppm", int) * take(one, "days", int)
            amount = take(one, "amount_minor", int)  # the last one is what is left
            fits = 0 < amount <= min(round_half_up(part, 1_000_000), whole)
            require(fits, f"dues at {position}: an instalment that was not agreed")
            total += amount
        return total

    def _base(self, position: int, name: str, nets: dict[str, int]) -> int:
        """Give what is shared of a bill; what the energy of a margin cost is taken at its word."""
        total = sum(nets.values())
        if name == "MARGIN":
            said = take(take(self.entries[position], "body", dict), "base_minor", int)
            require(said <= total, f"share at {position}: a margin above the bill")
            self.margins.add(position)
            return said
        return {"TOTAL_NET": total, "ENERGY_NET": nets["energy"]}.get(name, total - nets["energy"])

    def share_back(self, position: int) -> dict[str, Any]:
        """See that a reversal says again what it takes back; give that share."""
        body = self.body(position, {"share.reversed"})
        place = take(body, "reversed_position", int)
        require(place < position, f"reversal at {position}: of a later entry")
        original, _ = self.share(place)
        self._same_reversal(position, place, original)
        return original

    def share_reduced(self, position: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Divide again what partners give back of a share; give the body and that share."""
        body = self.body(position, {"share.reduced"})
        place = take(body, "reduced_position", int)
        require(place < position, f"reduction at {position}: of a later entry")
        original, _ = self.share(place)
        require(body["original"] == original, f"reduction at {position}: of another share")
        causes = take_ints(self.entries[position], "causes")
        notes = [
            self.body(one, {"credit_note.issued"})
            for one in causes
            if one in self.entries and self.entries[one]["kind"] == "credit_note.issued"
        ]
        require(len(notes) == 1, f"reduction at {position}: without its credit note")
        nets = {"energy": 0, "service": 0, "fee": 0}
        for one in take(notes[0], "lines", list):
            if one["usage_id"] == original["usage_id"]:
                name = {"ENERGY": "energy", "BOOKING": "fee"}.get(one["component"], "service")
                nets[name] += take(one, "credited_minor", int)
        same = all(body.get(f"{name}_net_minor", 0) == net for name, net in nets.items())
        same = same and body["credit_note_no"] == notes[0]["credit_note_no"]
        require(same, f"reduction at {position}: not what its credit note takes back")
        left = dict(original["shares"])
        for one, entry in self.entries.items():
            other = entry["body"] if entry["kind"] == "share.reduced" and one < position else {}
            if other.get("reduced_position") == place:
                left = {party: left[party] - other["shares"].get(party, 0) for party in left}
        whole, base = sum(left.values()), sum(nets.values())
        if original["base"] not in ("TOTAL_NET", "MARGIN", "AGENCY"):
            base = nets["energy"] if original["base"] == "ENERGY_NET" else base - nets["energy"]
        given = sum(take(body, "shares", dict).values())
        fair = given in {whole, min(base, whole) if whole >= 0 else max(base, whole)}
        require(fair, f"reduction at {position}: of another amount")
        order = take(self._terms(place, original, original["service_start_at"]), "order", list)
        if "agency" in original:  # his contract divides nothing; the seller goes first
            order = [original["partner_id"], original["ours"]]
        parts = divide(given, [abs(left[party]) for party in order])
        expected = dict(zip(order, parts, strict=True))
        require(body["shares"] == expected, f"reduction at {position}: not by what is left")
        return body, original

    def _terms(self, position: int, body: dict[str, Any], at: int) -> dict[str, Any]:
        """Find the version of the contract in force, and see that it is the one that was taken."""
        best: dict[str, Any] | None = None
        for place, one in self.contracts.get(take(body, "contract_id", str), []):
            if place < position and take(take(one, "terms", dict), "valid_from_at", int) <= at:
                best = one
        if best is None or best["contract_version"] != body["contract_version"]:
            refuse(f"share at {position}: another version of the contract was in force")
        require(best["partner_id"] == body["partner_id"], f"share at {position}: another partner")
        return take(best, "terms", dict)


def shares_of(terms: dict[str, Any], base: int, *, is_swap: bool) -> dict[str, int]:
    """Divide a base by a contract: fixed amounts of a swap first, the rest by weights.

    Where the base does not reach that far, what is short is borne by the operator of the ledger.
    """
    order, weights = take(terms, "order", list), take(terms, "weights", dict)
    require(sorted(order) == sorted(weights), "a contract that shares nothing")
    fixed = take(terms, "fixed", dict, {}) if is_swap else {}
    rest = base - sum(fixed.values())
    if fixed and rest < 0:
        parts = [rest if party == take(terms, "ours", str) else 0 for party in order]
    else:
        parts = divide(rest, [take(weights, party, int) for party in order])
    return {party: part + fixed.get(party, 0) for party, part in zip(order, parts, strict=True)}


def sums_of(lines: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Sum the nets of lines into energy, service and fees."""
    sums = {"energy": 0, "service": 0, "fee": 0}
    for line in lines:
        name = line["component"]
        is_energy = name in ("ENERGY", "V2G")
        is_energy = is_energy or (name == "DISCOUNT" and line.get("tax_product") == "energy")
        sums["energy" if is_energy else "fee" if name in FEES else "service"] += line["net_minor"]
    return sums


def _promo_left(grant: dict[str, Any], end: int, taken: list[int]) -> dict[str, Any] | None:
    """Give a promo as it rates, after usages took so much of it; None when nothing is left."""
    terms = take(grant, "terms", dict)
    most = take(terms, "swaps", int, 0) or take(terms, "uses_max", int, 0)
    in_all = take(terms, "max_minor", int, 0)
    require(
        not (most and len(taken) > most) and not (in_all and sum(taken) > in_all),
        f"promo {grant['promo_id']}: more of it was taken than was granted",
    )
    if (most and len(taken) == most) or (in_all and sum(taken) == in_all):
        return None
    bounds = [take(terms, "max_bill_minor", int, 0), in_all and in_all - sum(taken)]
    return {
        **terms,
        "promo_id": grant["promo_id"],
        "swaps_left": take(terms, "swaps", int, 0) and most - len(taken),
        "max_minor": min((each for each in bounds if each), default=0),
        "valid_from_at": grant["valid_from_at"],
        "valid_to_at": end,
    }


def _holds(month: dict[str, Any], oldest: int, newest: int) -> int:
    """Tell (0 or 1) whether a month of a subscription can be used in a usage's month."""
    year, number = take(month, "period", str).split("-")
    return int(oldest <= int(year) * 12 + int(number) - 1 <= newest)


def taken_of(bill: dict[str, Any]) -> dict[str, int]:
    """Tell what (a part of) a bill took of allowances: a swap, and Wh, which pay each price."""
    by_component: dict[str, int] = {}
    swaps = 0
    for line in take(bill, "lines", list):
        if line["formula"] == "allowance-1":
            swaps = int(bill.get("part", 1) == 1)
        elif line["formula"] == "allowance-wh-1":
            billed = line.get("billed_quantity", line["quantity"])
            by_component[line["component"]] = by_component.get(line["component"], 0) + billed
    return {"SWAP": swaps, "KWH": max(by_component.values(), default=0)}


def counts_of(bill: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Sum what a bill adds to the counts of tiers, by period and counter."""
    found: dict[str, dict[str, int]] = {}
    for line in take(bill, "lines", list):
        if line.get("tier"):
            counts = found.setdefault(line["tier"], {})
            billed = line.get("billed_quantity", line["quantity"])
            counts[counter_of(line)] = counts.get(counter_of(line), 0) + billed
    return found


class Counted:
    """The usages of a driver that tiers count in one period, in the order in which they count.

    That is the order of their begins. Of one that comes late at most 50 move; it counts last else.
    Beyond 2,000 the oldest keep their sum alone. One that is made anew keeps its place while its
    time is the same.
    """

    def __init__(self) -> None:
        self.left: tuple[int, str, int] | None = None
        self.base: dict[str, int] = {}
        self.rows: list[tuple[int, str, dict[str, int]]] = []

    def add(
        self, bill: dict[str, Any], counts: dict[str, int], *, is_back: bool, is_anew: bool
    ) -> None:
        """Count a part of a bill, or take it out again, perhaps to be made anew at once."""
        own = bill["usage_id"]
        if is_back:
            for place, (begin, usage_id, _) in enumerate(self.rows):
                if usage_id == own and is_anew:
                    self.left = (begin, own, place)
            kept = [row for row in self.rows if row[1] != own]
            if len(kept) == len(self.rows):
                self.base = {name: n - counts.get(name, 0) for name, n in self.base.items()}
            self.rows = kept
            return
        for _, usage_id, known in self.rows:
            if usage_id == own:  # a further part
                for name, number in counts.items():
                    known[name] = known.get(name, 0) + number
                return
        begin = min(line["service_start_at"] for line in bill["lines"])
        self.rows.insert(self._place(begin, own), (begin, own, dict(counts)))
        if len(self.rows) > 2_000:
            for name, number in self.rows.pop(0)[2].items():
                self.base[name] = self.base.get(name, 0) + number

    def before(self, begin: int, usage_id: str) -> dict[str, int]:
        """Sum what counts before a usage."""
        sums = dict(self.base)
        place = self._place(begin, usage_id)
        if self.left and self.left[:2] == (begin, usage_id):
            place = self.left[2]
        for _, _, counts in self.rows[:place]:
            for name, number in counts.items():
                sums[name] = sums.get(name, 0) + number
        return sums

    def _place(self, begin: int, usage_id: str) -> int:
        place = len(self.rows)
        while place and self.rows[place - 1][:2] > (begin, usage_id):
            place -= 1
        return place if len(self.rows) - place <= 50 else len(self.rows)


def _stated_before(tier: dict[str, Any], lines: list[Any], first: dict[str, Any]) -> int:
    """Find what must have been used before, for the first lines that a tier priced to be right.

    Where all lines of a usage are of one step, the least will do; else the step ends among them.
    """
    steps = take(tier, "steps", list)
    counter = first.get("tier"), counter_of(first)
    own = [line for line in lines if (line.get("tier"), counter_of(line)) == counter]
    inside = [*takewhile(lambda line: line["rate_micro"] == first["rate_micro"], own)]
    billed = [take(line, "billed_quantity", int, line["quantity"]) for line in inside]
    for number, step in enumerate(steps):
        if step["rate_micro"] == first["rate_micro"]:
            start = take(step, "from_quantity", int)
            if len(inside) < len(own) and step is not steps[-1]:
                end = take(steps[number + 1], "from_quantity", int)
                return end - sum(map(int, billed))
            least = max(start + 1 - int(billed[0]), 0)
            return least if tier["mode"] == "volume" else start
    return 0


class BillPart(NamedTuple):
    """One line of a usage, as far as a credit note names it."""

    tax: tuple[str, str, int]
    component: str
    account: str
    version: str
    net_minor: int
    gross_minor: int | None = None  # where its price has the tax in it


class Line(NamedTuple):
    """A line of a document: its canonical bytes, and what it adds to the sums.

    `usage` says whether it corrects, and of which usage it is; `contract` under which one. `source`
    is the kind of entry of a line that is no share.
    """

    position: int
    currency: str
    data: bytes
    amounts: dict[str, int]
    parts: tuple[BillPart, ...] = ()
    usage: tuple[str, str] = ("", "")
    contract: str = ""
    seller: str = ""
    source: str = ""


def _bill_line(books: Books, position: int, party: str) -> list[Line]:
    require(position in books.entries, f"entry {position} is not in the bundle")
    is_back = books.entries[position]["kind"] == "usage.reversed"
    body, _ = (books.taken_back if is_back else books.usage)(position)
    sign = -1 if is_back else 1
    require(body["driver_id"] == party, f"usage at {position}: another driver")
    parts = []
    for one in body["lines"]:
        rule = books.tax(body["country"], one["tax_product"], one["service_start_at"])
        if rule is None:
            refuse(f"usage at {position}: no tax rule")
        key = (body["country"], *rule)
        net = sign * one["net_minor"]
        version = f"{body['tariff_id']}/{one['tariff_version']}"
        gross = sign * one["gross_minor"] if "gross_minor" in one else None
        parts.append(BillPart(key, one["component"], one["revenue_account"], version, net, gross))
    row = {
        "position": position,
        "usage_id": body["usage_id"],
        "usage_kind": body["usage_kind"],
        "station": body["station_id"],
        "energy_wh": sign * body.get("energy_wh", 0),
        "net_minor": sign * body["net_minor"],
    }
    amounts = {"net_minor": row["net_minor"]}
    seller = take(body, "seller_id", str, "")
    return [Line(position, body["currency"], canonical(row), amounts, tuple(parts), seller=seller)]


def _posted_lines(books: Books, position: int, party: str) -> list[Line]:
    """Make the lines of an entry that is no share, one for each of its postings to the partner."""
    entry = books.entries[position]
    body, owed = take(entry, "body", dict), books.owed(position)
    found = []
    for index, posting in enumerate(take(entry, "postings", list, [])):
        dims, account = take(posting, "dims", dict, {}), take(posting, "account", str)
        if dims.get("partner") != party or account not in (ACCRUED, OWED_TO_US):
            continue
        quantity = take(posting, "quantity", int)
        share, receivable = (-quantity, 0) if account == ACCRUED else (0, quantity)
        used = {name: take(dims, name, str) for name in DRIVEN if name in dims}
        row = {
            "position": position,
            "posting_index": index,
            "kind": "original",
            "station": take(dims, "station", str, ""),
            "service_start_at": books.at(position),
            "energy_wh": take(body, "energy_wh", int, 0) or take(body, "stored_wh", int, 0),
            "currency": take(posting, "commodity", str),
            "share_minor": share,
            "share_rule_version": take(dims, "share_rule_version", str, ""),
            **dict.fromkeys(("energy_net_minor", "service_net_minor", "fee_net_minor"), 0),
            **used,
            **({"receivable_minor": receivable} if receivable else {}),
            "source": entry["kind"],
        }
        usage = ("original", next(iter(used.values()), str(position)))
        found.append(_with_source(row, usage, entry["kind"]))
    sums = [sum(one.amounts[name] for one in found) for name in ("share_minor", "receivable_minor")]
    good = found and (owed is None or owed == (party, *sums))
    require(good, f"entry {position}: not what it owes {party}")
    return found


def _with_source(
    row: dict[str, Any], usage: tuple[str, str], source: str, contract: str = ""
) -> Line:
    names = ("share_minor", "energy_net_minor", "service_net_minor", "fee_net_minor", "energy_wh")
    amounts = {name: row[name] for name in names}
    amounts["receivable_minor"] = row.get("receivable_minor", 0)
    amounts["other_minor"] = row["share_minor"] if source else 0
    return Line(
        row["position"],
        row["currency"],
        canonical(row),
        amounts,
        usage=usage,
        contract=contract,
        source=source,
    )


def _statement_line(books: Books, position: int, party: str) -> list[Line]:
    require(position in books.entries, f"entry {position} is not in the bundle")
    kind = books.entries[position]["kind"]
    if kind in OTHER:
        return _posted_lines(books, position, party)
    if kind == "share.reduced":
        reduced, body = books.share_reduced(position)
    else:
        reduced = {}
        body = books.share_back(position) if kind == "share.reversed" else books.share(position)[0]
    credited = [one for one, minor in sorted(body["shares"].items()) if minor]
    credited = [one for one in credited if one != body["ours"]]
    require(party in credited, f"share at {position}: none of {party}")
    names = ("energy_net_minor", "service_net_minor", "fee_net_minor")
    index = 2 * credited.index(party) + 1
    row = {
        "position": position,
        "posting_index": index,
        "kind": "original",
        "station": body["station_id"],
        "service_start_at": body["service_start_at"],
        "energy_wh": body.get("energy_wh", 0),
        "currency": body["currency"],
        "share_minor": body["shares"][party],
        "share_rule_version": f"{body['contract_id']}/{body['contract_version']}",
        **{name: body.get(name, 0) for name in names},
        **({body["usage_kind"]: body["usage_id"]} if body["usage_kind"] in DRIVEN else {}),
    }
    if kind != "share.accrued":
        own = books.entries[position]["body"]
        place = own["reduced_position" if reduced else "reversed_position"]
        row |= {"kind": "correction", "corrects": [place, index]}
        if reduced:
            moved = [one for one, minor in sorted(own["shares"].items()) if minor]
            moved = [one for one in moved if one != body["ours"]]
            require(party in moved, f"reduction at {position}: none of {party}")
            row |= {name: own.get(name, 0) for name in names}
            row |= {"posting_index": 2 * moved.index(party), "energy_wh": 0}
            row["share_minor"] = own["shares"][party]
            if "agency" in body:  # commission that he gets back
                row |= {"posting_index": 0, "share_minor": -take(own["shares"], body["ours"], int)}
        row |= {name: -row[name] for name in ("share_minor", "energy_wh", *names)}
    source = "agent.sale" if "agency" in body else ""
    row |= {"source": source} if source else {}
    is_driven = body["usage_kind"] in DRIVEN  # a line that names no usage stands alone
    usage = (row["kind"], body["usage_id"] if is_driven else str(position))
    return [_with_source(row, usage, source, body["contract_id"])]


def _counted_once(lines: Sequence[Line]) -> list[Line]:
    """Leave out what a line says of a usage that the line before told of under another contract."""
    found: list[Line] = []
    usage, contracts = ("", ""), set[str]()
    for line in lines:
        if not line.source and line.usage == usage and line.contract not in contracts:
            contracts.add(line.contract)
            share = {"share_minor": line.amounts["share_minor"]}
            found.append(line._replace(amounts=dict.fromkeys(line.amounts, 0) | share))
        else:
            usage, contracts = line.usage, {line.contract}
            found.append(line)
    return found


def _summed(lines: Sequence[Line], name: str) -> int:
    return sum(line.amounts[name] for line in lines)


def _root_text(lines: Sequence[Line]) -> str:
    return base64.b64encode(tree_root(leaf_hash(line.data) for line in lines)).decode()


Base = tuple[str, str, int]
"""What lines are taxed as together: country, category, rate in basis points."""


def _bases(lines: Iterable[Line]) -> dict[Base, tuple[int, int, int]]:
    """Sum nets by base; of lines with tax in their prices also the gross, and the net it had."""
    bases: dict[Base, tuple[int, int, int]] = {}
    for line in lines:
        for part in line.parts:
            net, gross, inside = bases.get(part.tax, (0, 0, 0))
            has_tax = part.gross_minor is not None
            bases[part.tax] = (
                net + part.net_minor,
                gross + (part.gross_minor or 0),
                inside + (part.net_minor if has_tax else 0),
            )
    return bases


def _invoice_figures(lines: list[Line]) -> dict[str, Any]:
    """Compute what an invoice over these lines must say.

    Net is taken out of the sum of prices with tax, tax computed on it; what a minor unit is
    missing then is the rounding, what the lines were accrued at more is the other difference.
    """
    taxes = []
    rounding = more = net_minor = gross_minor = 0
    for (country, category, rate_bp), (net, gross, inside) in sorted(_bases(lines).items()):
        plain = net - inside
        whole = plain + net_inside(gross, rate_bp)
        tax = round_half_up(whole * rate_bp, 10_000)
        if gross:
            plain_tax = round_half_up(plain * rate_bp, 10_000)
            rounding += gross - (whole - plain) - (tax - plain_tax)
        more += net - whole
        row = {"country": country, "category": category, "rate_bp": rate_bp}
        taxes.append({**row, "net_minor": whole, "tax_minor": tax})
        net_minor += whole
        gross_minor += whole + tax
    return {
        "line_count": len(lines),
        "lines_root": _root_text(lines),
        "net_minor": net_minor,
        "taxes": taxes,
        "gross_minor": gross_minor,
        "rounding_minor": rounding,
        "accrued_more_minor": more,
    }


def _on_document(lines: Iterable[Line], taxes: list[dict[str, Any]]) -> dict[int, list[BillPart]]:
    """Give the parts of lines the nets that they have on their invoice, so that these sum.

    Where sums differ by prices with tax, the largest parts differ by one minor unit each.
    """
    found = {line.position: list(line.parts) for line in lines}
    for row in taxes:
        key = (row["country"], row["category"], row["rate_bp"])
        own = [
            (at, n) for at, row_ in found.items() for n, one in enumerate(row_) if one.tax == key
        ]
        missing = row["net_minor"] - sum(found[at][n].net_minor for at, n in own)
        own.sort(key=lambda where: -abs(found[where[0]][where[1]].net_minor))
        for number in range(abs(missing) if own else 0):
            at, n = own[number % len(own)]
            net = found[at][n].net_minor + (1 if missing > 0 else -1)
            found[at][n] = found[at][n]._replace(net_minor=net)
    return found


def _statement_figures(lines: list[Line]) -> dict[str, Any]:
    """Compute what a statement over these lines must say."""
    names = ("share_minor", "energy_net_minor", "service_net_minor", "fee_net_minor")
    amounts = []
    lines = _counted_once(lines)
    for code in sorted({line.currency for line in lines}):
        some = [line for line in lines if line.currency == code]
        more = {name: _summed(some, name) for name in ("receivable_minor", "other_minor")}
        more = {name: minor for name, minor in more.items() if minor}
        amounts.append({"currency": code, **{name: _summed(some, name) for name in names}, **more})
    return {
        "calculation": {
            "line_count": len(lines),
            "energy_wh": _summed(lines, "energy_wh"),
            "amounts": amounts,
            "lines_root": _root_text(lines),
        }
    }


def verify_bundle(
    path: Path, policy: Policy, now_s: int, report: Report, keys: dict[str, bytes] | None = None
) -> dict[str, Any]:
    """Check a bill line, a bill or a statement from its entries up to its sums."""
    report.begin("M1", "the bundle holds what its manifest lists")
    bundle = parse_bundle(path)
    manifest = bundle.manifest
    kind, party = take(manifest, "kind", str), take(manifest, "party", str)
    expect(kind in {"usage", "bill", "statement"}, "bundle: its kind")
    said = _step_checkpoint(bundle.checkpoint, policy, now_s, report)
    report.begin("M2", f"{len(bundle.datas)} entries stand in the log of {said.size}")
    leaves = {position: leaf_hash(data) for position, data in bundle.datas.items()}
    check_many(said, leaves, take_hashes(manifest, "hashes"))
    report.begin("M3", "each entry is canonical and says its own position")
    entries = {position: read_entry(data, position) for position, data in bundle.datas.items()}
    try:
        taxes = take(manifest, "tax", list)
        books = Books(entries, taxes, is_whole=kind != "statement")
        _money(bundle, books, kind, party, report)
    except (MalformedInput, LookupError, TypeError, OverflowError, ValueError) as error:
        # the entries are proven by now: what they lack is the service's doing
        raise EvidenceRefused(f"an entry is not what its kind says: {error}") from error
    _signed(bundle, entries, said, report, keys)
    report.end()
    return manifest


def _money(bundle: Bundle, books: Books, kind: str, party: str, report: Report) -> None:
    """Do steps M4 to M6."""
    manifest = bundle.manifest
    places = take_ints(manifest, "lines")
    require(places and places == sorted(set(places)), "lines in no order, or none")
    what = (
        "shares by facts, tariff and contract"
        if kind == "statement"
        else "usages by facts and tariff"
    )
    report.begin("M4", f"{len(places)} {what}, again, to the minor unit")
    make = _statement_line if kind == "statement" else _bill_line
    lines = [line for place in places for line in make(books, place, party)]
    for tariff_id, versions in books.versions.items():
        numbers = {version.number for version in versions}
        if len(numbers) != max(numbers):
            report.remarks.append(f"tariff {tariff_id}: versions are left out that others may need")
    if books.counted:
        number = len(books.counted)
        report.remarks.append(f"{number} fees: how much they count is taken at their word")
    if books.worded:
        number = len(books.worded)
        words = "what was bought, how many days, what is on an invoice, or was booked by hand"
        report.remarks.append(f"{number} entries that are no shares: {words}, at their word")
    if books.margins:
        number = len(books.margins)
        report.remarks.append(f"{number} margins: what the energy cost is taken at their word")
    if books.stated:
        number = len(books.stated)
        report.remarks.append(f"{number} usages: what was used before is taken at their word")
    for country, product in sorted(books.taxes):
        rules = ", ".join(
            f"{r[1]} {r[2] / 100:g} % from {r[0]}" for r in books.taxes[country, product]
        )
        report.remarks.append(f"tax as stated, {country} {product}: {rules}")
    report.begin("M5", "the sums that the bundle states")
    name = "share_minor" if kind == "statement" else "net_minor"
    sums = []
    for code in sorted({line.currency for line in lines}):
        some = [line for line in lines if line.currency == code]
        sums.append({"currency": code, "line_count": len(some), name: _summed(some, name)})
    require(take(manifest, "figures", list) == sums, f"the lines sum to {sums}")
    _issued(manifest, books, lines, report)


def _issued(manifest: dict[str, Any], books: Books, lines: list[Line], report: Report) -> None:
    """Compare the lines with the documents that were issued over them (M6)."""
    kind, party = manifest["kind"], manifest["party"]
    documents = take_ints(manifest, "documents")
    report.begin("M6", f"{len(documents)} issued documents say what the lines give")
    require(documents or kind != "statement", "a statement that was not issued")
    left = list(lines)
    for place in documents:
        is_statement = kind == "statement"
        body = books.body(place, {"statement.issued" if is_statement else "invoice.issued"})
        require(body["partner_id" if is_statement else "driver_id"] == party, "another party's")
        own = [line for line in left if _is_on(body, line)]
        left = [line for line in left if line not in own]
        if kind == "usage":
            _member(manifest, body, own)
            continue
        figures = _statement_figures(own) if is_statement else _invoice_figures(own)
        differ = [name for name, value in figures.items() if body.get(name, 0) != value]
        require(not differ, f"document at {place}: {', '.join(differ)} not what the lines give")
    require(not documents or not left, "lines that are in no document")
    if kind == "bill":
        _credited(manifest, books, lines)


def _is_on(body: dict[str, Any], line: Line) -> bool:
    """Tell whether a line belongs to a document: by its position, currency and seller."""
    first, last = take(body, "from_position", int), take(body, "to_position", int)
    seller = take(take(body, "seller", dict, {}), "party_id", str, "")
    is_same = "currency" not in body or (line.currency, line.seller) == (body["currency"], seller)
    return first < line.position <= last and is_same


def _credited(manifest: dict[str, Any], books: Books, lines: list[Line]) -> None:
    """Check the credit notes over the invoices of a bill, in their order, to the last cent."""
    invoices: dict[str, dict[str, Any]] = {}
    parts: dict[str, dict[int, list[BillPart]]] = {}
    for place in take_ints(manifest, "documents"):
        body = books.body(place, {"invoice.issued"})
        number = take(body, "invoice_no", str)
        own_lines = [one for one in lines if _is_on(body, one)]
        invoices[number], parts[number] = body, _on_document(own_lines, body["taxes"])
    gone: dict[tuple[int, int], int] = {}
    taxed: dict[tuple[str, tuple[str, str, int]], tuple[int, int]] = {}
    places = take_ints(manifest, "credit_notes", [])
    require(places == sorted(set(places)), "credit notes in no order")
    for place in places:
        note = books.body(place, {"credit_note.issued"})
        number = take(note, "invoice_no", str)
        require(number in invoices, f"credit note at {place}: of no invoice here")
        invoice = invoices[number]
        same = all(note[name] == invoice[name] for name in ("driver_id", "currency"))
        require(same, f"credit note at {place}: another driver or currency")
        nets: dict[tuple[str, str, int], int] = {}
        for one in take(note, "lines", list):
            key = take(one, "position", int), take(one, "line_no", int)
            own = parts[number].get(key[0], [])
            inside = invoice["from_position"] < key[0] <= invoice["to_position"]
            require(inside and 0 < key[1] <= len(own), f"credit note at {place}: no such line")
            part, minor = own[key[1] - 1], take(one, "credited_minor", int)
            named = (
                (one["country"], one["category"], one["rate_bp"]),
                one["component"],
                one["revenue_account"],
                one.get("tariff_version", ""),
                one["invoiced_minor"],
            )
            require(named == part[:5], f"credit note at {place}: another line than invoiced")
            gone[key] = gone.get(key, 0) + minor
            sign = -1 if part.net_minor < 0 else 1
            fits = sign * minor > 0 and sign * gone[key] <= sign * part.net_minor
            require(fits, f"credit note at {place}: more than was invoiced")
            nets[part.tax] = nets.get(part.tax, 0) + minor
        _note_taxes(place, note, invoice, nets, taxed)


def _note_taxes(
    place: int,
    note: dict[str, Any],
    invoice: dict[str, Any],
    nets: dict[tuple[str, str, int], int],
    taxed: dict[tuple[str, tuple[str, str, int]], tuple[int, int]],
) -> None:
    """Compute the tax table of a credit note again; what is left with the last part of a base."""
    rows = []
    is_whole = True
    for row in invoice["taxes"]:
        key = (row["country"], row["category"], row["rate_bp"])
        past_net, past_tax = taxed.get((note["invoice_no"], key), (0, 0))
        net = nets.get(key, 0)
        is_last = past_net + net == row["net_minor"]
        is_whole = is_whole and is_last
        if key not in nets:
            continue
        left = row["tax_minor"] - past_tax
        tax = round_half_up(net * row["rate_bp"], 10_000)
        tax = min(max(tax, 0), left) if left >= 0 else max(min(tax, 0), left)
        tax = left if is_last else tax
        taxed[note["invoice_no"], key] = (past_net + net, past_tax + tax)
        rows.append({**row, "net_minor": net, "tax_minor": tax})
    net_minor = sum(row["net_minor"] for row in rows)
    expected = {
        "taxes": rows,
        "net_minor": net_minor,
        "gross_minor": net_minor + sum(row["tax_minor"] for row in rows),
        "rounding_minor": invoice.get("rounding_minor", 0) if is_whole else 0,
    }
    differ = [name for name, value in expected.items() if note.get(name, 0) != value]
    require(not differ, f"credit note at {place}: {', '.join(differ)} not what the lines give")
    require(set(nets) == {(r["country"], r["category"], r["rate_bp"]) for r in rows}, "its taxes")


def _member(manifest: dict[str, Any], body: dict[str, Any], own: list[Line]) -> None:
    """Check that single lines are among those an invoice was issued over."""
    lines = Checkpoint(
        "", take(body, "line_count", int), hash_of(take(body, "lines_root", str), "root")
    )
    members = take(manifest, "members", list)
    require(len(members) == len(own), "a place in the invoice for each line")
    for line, member in zip(own, members, strict=True):
        index = take(member, "index", int)
        require(index >= 0, "a place below zero")
        check_inclusion(lines, index, leaf_hash(line.data), take_hashes(member, "path"))


def _signed(
    bundle: Bundle,
    entries: dict[int, dict[str, Any]],
    said: Checkpoint,
    report: Report,
    keys: dict[str, bytes] | None,
) -> None:
    """Check the signed documents in a bundle (M7)."""
    if not bundle.documents or keys is None:
        if bundle.documents:
            report.remarks.append("signed documents are inside; with --keys they are checked too")
        return
    kinds = {"statement": {"mobilegrid-statement+jws"}}
    wanted = kinds.get(bundle.manifest["kind"], {"mobilegrid-invoice+jws"})
    paths = take(bundle.manifest, "consistency", dict, {})
    for place, data in bundle.documents.items():
        expect(place in bundle.manifest["documents"], "a signed document of no entry here")
        payload = verify_document(data, keys, report, wanted)
        report.begin("M7", f"document {payload['document_id']} says what entry {place} says")
        match_document(payload, said, entries[place])
        named = checkpoint_of(payload)
        check_consistency(
            named, said, take_hashes(paths, str(place)) if str(place) in paths else []
        )


# The command ------------------------------------------------------------------


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise WrongUse(f"cannot read {path}: {error.strerror}") from error
    expect(len(data) <= bytes_max, f"{path}: longer than {bytes_max} bytes")
    return data


COMMANDS = ("proof", "history", "tiles", "note", "document", "invoice")


def kind_of(path: Path) -> str:
    """Tell from the content what kind of file this is."""
    if path.is_dir():
        return "tiles"
    data = _read(path, FILE_BYTES_MAX)
    if data.startswith(b"c2sp.org/tlog-proof@"):
        return "proof"
    if data.startswith(b"PK"):
        return "invoice"
    if data.startswith(b"{"):
        return "history"
    if "\n\n— ".encode() in data:
        return "note"
    expect(re.fullmatch(rb"[\w-]+\.[\w-]+\.[\w-]+\n?", data), f"{path}: no kind known here")
    return "document"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verify_mobilegrid.py", description="Check what Mobile Grid says, without Mobile Grid."
    )
    parser.add_argument(
        "command", nargs="?", choices=("", *COMMANDS), default="", help="what it is"
    )
    parser.add_argument("file", type=Path, help="the file, or the directory of tiles")
    parser.add_argument("--policy", type=Path, help="your policy: log keys, witnesses, quorum")
    parser.add_argument("--pack", help="history: the pack you ask about")
    parser.add_argument("--entry", type=Path, help="proof: the entry, when the proof has none")
    parser.add_argument("--since", type=Path, help="tiles: an older checkpoint that you hold")
    parser.add_argument(
        "--replay", action="store_true", help="tiles: follow the entries, steps 6-8"
    )
    parser.add_argument("--keys", type=Path, help="JWK set of document keys")
    parser.add_argument("--proof", type=Path, help="document: proof of the entry that issued it")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    return parser


def check(options: argparse.Namespace, now_s: int, report: Report) -> str:
    """Do what the command line asks; give one sentence about what is proven."""
    command, path = options.command or kind_of(options.file), options.file
    keys = parse_keys(_read(options.keys, NOTE_BYTES_MAX)) if options.keys else None
    if command == "document":
        return _check_document(options, keys, now_s, report)
    policy = _policy(options, report)
    if command == "note":
        said = _step_checkpoint(_read(path, NOTE_BYTES_MAX), policy, now_s, report)
        return f"checkpoint of {said.origin} over {said.size} entries"
    if command == "proof":
        entry = _read(options.entry, ENTRY_BYTES_MAX) if options.entry else None
        found = verify_proof(_read(path, PROOF_BYTES_MAX), policy, now_s, report, entry)
        return f"entry {report.position} of {report.tree_size}: {found.get('kind')}"
    if command == "history":
        if not options.pack:
            raise WrongUse("name the pack you ask about: --pack ID")
        data = _read(path, FILE_BYTES_MAX)
        entries = verify_history(data, policy, now_s, report, options.pack)
        until = f"up to entry {report.position}"
        return f"pack {options.pack} has {len(entries)} entries {until}, and these are all"
    if command == "invoice":
        manifest = verify_bundle(path, policy, now_s, report, keys)
        return (
            f"{manifest['kind']} of {manifest['party']}: {canonical(manifest['figures']).decode()}"
        )
    return _check_tiles(options, policy, now_s, report)


def _policy(options: argparse.Namespace, report: Report) -> Policy:
    if not options.policy:
        raise WrongUse("name your policy file: --policy policy.txt")
    report.begin("1", "origin, keys and quorum are those of your policy")
    return parse_policy(_read(options.policy, POLICY_BYTES_MAX))


def _check_tiles(options: argparse.Namespace, policy: Policy, now_s: int, report: Report) -> str:
    since = _read(options.since, NOTE_BYTES_MAX) if options.since else None
    replay = Replay()
    for first, entries in verify_tiles(options.file, policy, now_s, report, since):
        for position, entry in enumerate(entries, first) if options.replay else ():
            replay.follow(position, entry)
    looked = ", followed one by one (steps 6 to 8)" if options.replay else ""
    return f"all {report.tree_size} entries of the log{looked}"


def _check_document(
    options: argparse.Namespace, keys: dict[str, bytes] | None, now_s: int, report: Report
) -> str:
    if keys is None:
        raise WrongUse("name the keys of documents: --keys keys.json")
    data = _read(options.file, 2 * DOCUMENT_BYTES_MAX)
    payload = verify_document(data, keys, report, DOCUMENT_TYPES)
    if options.proof is None:
        report.remarks.append("its checkpoint was not compared with the log: no --proof")
        return f"document {payload['document_id']}, signed"
    proof = parse_proof(_read(options.proof, PROOF_BYTES_MAX))
    said, known = prove_entry(proof, _policy(options, report), now_s, report)
    report.begin("D5", "its checkpoint is the proof's, and the entry says what it says")
    require(checkpoint_of(payload)[:3] == said[:3], "the document names another checkpoint")
    match_document(payload, said, read_entry(known, proof.position))
    report.end()
    return f"document {payload['document_id']}, signed, issued by entry {proof.position}"


def check_proof(data: bytes, policy: bytes, now_s: int) -> dict[str, Any]:
    """Check a .tlog-proof that a program holds; give what `--json` would say, and never raise."""
    report = Report()
    report.begin("1", "origin, keys and quorum are those of your policy")
    try:
        found = verify_proof(data, parse_policy(policy), now_s, report)
    except EvidenceRefused as error:
        return _facts(report, str(error), error.step or report.step, is_ok=False)
    except MalformedInput as error:
        return _facts(report, f"malformed: {error}", report.step, is_ok=False)
    said = f"entry {report.position} of {report.tree_size}: {found.get('kind')}"
    return _facts(report, said, "", is_ok=True)


def _facts(report: Report, detail: str, failed: str, *, is_ok: bool) -> dict[str, Any]:
    return {
        "ok": is_ok,
        "step_failed": failed,
        "position": report.position,
        "tree_size": report.tree_size,
        "signed_at": report.signed_at,
        "witnesses_ok": report.witnesses_ok,
        "witnesses_needed": report.witnesses_needed,
        "detail": "; ".join([detail, *report.remarks]),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not any(word in COMMANDS for word in words[:1]) and words[:1] not in (["-h"], ["--help"]):
        words.insert(0, "")
    options = _parser().parse_args(words)
    report = Report()
    now_s = int(time.time())  # noqa: TID251  only the age of cosignatures needs a clock
    try:
        detail, code, failed = check(options, now_s, report), 0, ""
        report.end()
    except EvidenceRefused as error:
        detail, code, failed = str(error), 3, error.step or report.step
    except MalformedInput as error:
        detail, code, failed = f"malformed: {error}", 1, report.step
    except WrongUse as error:
        detail, code, failed = str(error), 2, ""
    _answer(report, detail, code, failed, as_json=options.json)
    return code


def _answer(report: Report, detail: str, code: int, failed: str, *, as_json: bool) -> None:
    if as_json:
        facts = _facts(report, detail, failed, is_ok=code == 0)
        sys.stdout.write(json.dumps(facts) + "\n")
        return
    lines = [*report.lines, *(f"note: {remark}" for remark in report.remarks)]
    if code:
        lines += [f"{failed:>4}  NO  {detail}", f"REFUSED step {failed}" if failed else "REFUSED"]
    else:
        lines += [detail, "VERIFIED"]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
