"""Policy files: whom a verifier trusts, and how many witnesses it wants (C2SP tlog-policy).

::

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>...
    quorum <name>|none

One rule a line, fields separated by spaces and tabs; blank lines and lines that begin with ``#``
say nothing. A group has witnessed a checkpoint when k of its members have. Names are used inside
the file only; each is defined before it is used, and is a member of at most one group, so that a
witness counts once. There is exactly one quorum line.

The file is octets: 0x09, 0x0A, 0x20 to 0x7E and 0x80 to 0xFF. Names and addresses that are not
UTF-8 keep their octets as lone surrogates. A policy comes from outside the log, by contract or
ceremony, never from the log itself.
"""

import re
from collections.abc import Sequence

import msgspec

from ledger.kernel.errors import CheckpointInvalid, Malformed, SignatureInvalid
from ledger.tlog.bundle import ProvenEntry, check_proof, parse_proof
from ledger.tlog.checkpoint import (
    LOG_KINDS,
    SignedCheckpoint,
    check_sound,
    parse_checkpoint,
)
from ledger.tlog.cosign import signed_at, verifier_for
from ledger.tlog.note import (
    COSIGNATURE_V1,
    ED25519,
    ML_DSA_44,
    Verifier,
    VerifierKey,
    format_vkey,
    open_note,
    parse_note,
    parse_vkey,
)

POLICY_BYTES_MAX = 64 * 1024
NO_QUORUM = "none"
WITNESS_KINDS = (COSIGNATURE_V1, ML_DSA_44)
"""Types of keys that a witness signs with."""

FUTURE_S_MAX = 300
"""A cosignature from further ahead than this many seconds is refused."""

_OTHER_OCTETS = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_SPACES = re.compile(r"[ \t]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,4}")


class Log(msgspec.Struct, frozen=True):
    """A log whose checkpoints count; the name of its key is its origin."""

    key: VerifierKey
    url: str = ""


class Witness(msgspec.Struct, frozen=True):
    """A witness, by the name the policy gives it; `url` is where checkpoints are submitted."""

    name: str
    key: VerifierKey
    url: str = ""


class Group(msgspec.Struct, frozen=True):
    """Has witnessed a checkpoint when at least `threshold` of its members have."""

    name: str
    threshold: int
    members: tuple[str, ...]


class Policy(msgspec.Struct, frozen=True):
    """Whom a verifier trusts. Groups stand in an order in which members come first.

    One public key has one place: a log is never its own witness. Making a policy that breaks a
    rule of the format is `Malformed`, as reading one is.
    """

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NO_QUORUM

    def __post_init__(self) -> None:
        rules = _Rules()
        if not self.logs:
            raise Malformed("no log", field="policy")
        for log in self.logs:
            rules.log(log)
        for witness in self.witnesses:
            rules.witness(witness)
        for group in self.groups:
            rules.group(group)
        rules.quorum(self.quorum)

    def verifiers(self) -> list[Verifier]:
        """Give a verifier for each key of a log or witness."""
        keys = [each.key for each in self.logs] + [each.key for each in self.witnesses]
        return [verifier_for(key) for key in keys]

    def is_met(self, cosigned: Sequence[Witness]) -> bool:
        """Tell whether these witnesses are enough; each counts once, however often it is given."""
        met = {NO_QUORUM, *(each.name for each in cosigned if each in self.witnesses)}
        for group in self.groups:
            if sum(name in met for name in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum in met

    def format(self) -> bytes:
        """Write the policy: logs, witnesses, groups, quorum, without comments."""
        lines = [f"log {format_vkey(each.key)} {each.url}".rstrip(" ") for each in self.logs]
        lines += [
            f"witness {each.name} {format_vkey(each.key)} {each.url}".rstrip(" ")
            for each in self.witnesses
        ]
        lines += [
            f"group {each.name} {_threshold_word(each)} {' '.join(each.members)}"
            for each in self.groups
        ]
        lines.append(f"quorum {self.quorum}")
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        if parse_policy(data) != self:
            raise Malformed("holds what a policy file cannot say", field="policy")
        return data


class Judged(msgspec.Struct, frozen=True):
    """A checkpoint that a log of the policy signed, and what its witnesses said.

    `cosigned` names each witness that cosigned, with its time in Unix seconds.
    """

    signed: SignedCheckpoint
    logs: tuple[Log, ...]
    cosigned: tuple[tuple[Witness, int], ...]
    quorum_met: bool


def parse_policy(data: bytes) -> Policy:
    """Read a policy file; `Malformed` names the line that breaks a rule."""
    if len(data) > POLICY_BYTES_MAX or _OTHER_OCTETS.search(data):
        raise Malformed("too long, or holds a control character", field="policy")
    if not data.endswith(b"\n"):
        raise Malformed("the last line does not end", field="policy")
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    rules = _Rules()
    for number, line in enumerate(lines, start=1):
        words = [word for word in _SPACES.split(line) if word]
        if not words or words[0].startswith("#"):
            continue
        try:
            _take(rules, words)
        except Malformed as error:
            raise Malformed(error.rule, field="policy", place=f"line {number}") from error
    if not rules.quorums:
        raise Malformed("exactly one quorum line", field="policy")
    return Policy(tuple(rules.logs), tuple(rules.witnesses), tuple(rules.groups), *rules.quorums)


def judge(note: bytes, policy: Policy, now_s: int) -> Judged:
    """Check a checkpoint under a policy, and tell whether its quorum is met.

    Args:
        note: the checkpoint with all its lines.
        policy: whom to trust.
        now_s: Unix seconds; cosignatures from more than `FUTURE_S_MAX` later are refused.

    Raises:
        Malformed: the bytes are no note, or its text is no checkpoint.
        SignatureInvalid: no key of the policy signed, or the line of one fails, stands twice or is
            from the future.
        CheckpointInvalid: no log of the policy signed it as its own, it carries extension lines,
            or it gives an empty log a root.
    """
    text, signed_by = open_note(note, policy.verifiers())
    times = _times(note, signed_by)
    for key, time_s in times.items():
        if time_s > now_s + FUTURE_S_MAX:
            raise SignatureInvalid(f"the cosignature of {key.name} is from the future")
    said = parse_checkpoint(text)
    logs = tuple(each for each in policy.logs if each.key.name == said.origin and each.key in times)
    if not logs:
        raise CheckpointInvalid("no log of the policy signed this checkpoint as its own")
    check_sound(said)
    cosigned = tuple((each, times[each.key]) for each in policy.witnesses if each.key in times)
    return Judged(
        signed=SignedCheckpoint(said, note, signed_by),
        logs=logs,
        cosigned=cosigned,
        quorum_met=policy.is_met([each for each, _ in cosigned]),
    )


def open_under_policy(note: bytes, policy: Policy, now_s: int) -> Judged:
    """Check a checkpoint as `judge` does, and refuse one whose quorum is not met.

    Raises:
        Malformed, SignatureInvalid: as `judge`.
        CheckpointInvalid: as `judge`, or too few witnesses cosigned.
    """
    judged = judge(note, policy, now_s)
    if not judged.quorum_met:
        names = ", ".join(each.key.name for each, _ in judged.cosigned) or "nobody"
        raise CheckpointInvalid(f"the quorum is not met: cosigned by {names}")
    return judged


def verify_under_policy(
    data: bytes, policy: Policy, now_s: int, *, entry: bytes | None = None
) -> tuple[ProvenEntry, Judged]:
    """Check a proof file under a policy, offline (steps E1 to E5).

    Raises as `open_under_policy` and `ledger.tlog.bundle.verify_proof`.
    """
    proof = parse_proof(data)
    judged = open_under_policy(proof.note, policy, now_s)  # E1
    return check_proof(proof, judged.signed, entry=entry), judged


def _times(note: bytes, signed_by: Sequence[VerifierKey]) -> dict[VerifierKey, int]:
    """Give the time of each key's line, 0 where its type has none."""
    payloads = {(line.name, line.key_id): line.payload for line in parse_note(note).signatures}
    return {
        key: 0 if key.kind == ED25519 else signed_at(payloads[key.name, key.key_id])
        for key in signed_by
    }


# Rules of the format --------------------------------------------------------------------------


class _Rules:
    """What is defined so far; each new line is held against it."""

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorums: list[str] = []
        self._names: set[str] = {NO_QUORUM}
        self._members: set[str] = set()
        self._public_keys: set[bytes] = set()
        self._key_ids: set[tuple[str, bytes]] = set()

    def log(self, log: Log) -> None:
        self._key(log.key, LOG_KINDS)
        self.logs.append(log)

    def witness(self, witness: Witness) -> None:
        self._key(witness.key, WITNESS_KINDS)
        self._name(witness.name)
        self.witnesses.append(witness)

    def group(self, group: Group) -> None:
        if not 0 < group.threshold <= len(group.members):
            raise Malformed(f"a group of {len(group.members)} members cannot want that many")
        for member in group.members:
            self._known(member)
            if member == NO_QUORUM or member in self._members:
                raise Malformed(f"{member!a} cannot be a member, or is one already")
            self._members.add(member)
        self._name(group.name)
        self.groups.append(group)

    def quorum(self, name: str) -> None:
        self._known(name)
        if self.quorums:
            raise Malformed("exactly one quorum line")
        self.quorums.append(name)

    def _key(self, key: VerifierKey, kinds: Sequence[int]) -> None:
        if key.kind not in kinds:
            raise Malformed(f"a key of type {key.kind:#04x} cannot sign for this role")
        if key.public_key in self._public_keys:
            raise Malformed("the same public key twice")
        if (key.name, key.key_id) in self._key_ids:
            raise Malformed("another key with the same name and key id")
        self._public_keys.add(key.public_key)
        self._key_ids.add((key.name, key.key_id))

    def _name(self, name: str) -> None:
        if name in self._names:
            raise Malformed(f"the name {name!a} is taken")
        self._names.add(name)

    def _known(self, name: str) -> None:
        if name not in self._names:
            raise Malformed(f"the name {name!a} is not defined before")


def _take(rules: _Rules, words: list[str]) -> None:
    match words:
        case ["log", vkey] | ["log", vkey, _]:
            rules.log(Log(parse_vkey(vkey), *words[2:]))
        case ["witness", name, vkey] | ["witness", name, vkey, _]:
            rules.witness(Witness(name, parse_vkey(vkey), *words[3:]))
        case ["group", name, word, *members]:
            rules.group(Group(name, _threshold(word, len(members)), tuple(members)))
        case ["quorum", name]:
            rules.quorum(name)
        case _:
            raise Malformed("not a line of a policy")


def _threshold(word: str, members: int) -> int:
    if word in ("any", "all"):
        return 1 if word == "any" else members
    if not _NUMBER.fullmatch(word):
        raise Malformed("a group wants all, any or a number")
    return int(word)


def _threshold_word(group: Group) -> str:
    if group.threshold == len(group.members):
        return "all"
    return "any" if group.threshold == 1 else str(group.threshold)
