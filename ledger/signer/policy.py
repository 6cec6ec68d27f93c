"""What the signer signs and what it refuses: pure rules, tested as a table.

A head is signed only when all of these hold (evidence handbook 7.3; the numbers are used below):

1. The origin is the configured one, else `origin_unknown`.
2. Entries are staged from the end of what is staged, or once more from the last head; and as many
   are staged as the head is asked for; else `gap`.
3. The root asked for is that of the staged entries, whose leaves the signer hashed itself, else
   `root_differs`.
4. The size is larger than that of the last head; the same size with the same root gives the same
   note again, and any other size or root is a `fork`, which blocks the signer.
5. The signer's own clock has not gone back, nor run ahead by more than an hour, else `clock`.
6. Each signature verifies under a pinned key before it leaves, else `wrong_signature`.
7. A document names a head that was signed here, or a checkpoint whose lines verify, else
   `checkpoint_unknown`; and its `typ` is one the key signs, else `typ_not_allowed`.

A head counts as the last one from the moment it is *committed*: written down and synced, before a
device is asked. So a crash, or an answer that a device gave and nobody received, leaves the signer
bound to that root; there is never a second one for its size, and no later head that contradicts it.
"""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import CheckpointInvalid, Malformed, Misconfigured, SignatureInvalid
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import HOUR
from ledger.signer.documents import TYPS, Heading, read_heading
from ledger.signer.ports import PublicKey
from ledger.signer.wire import Confirm, Extend, Refused, SignDocument, SignHead
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint, open_checkpoint
from ledger.tlog.cosign import verifier_for
from ledger.tlog.note import ED25519, ML_DSA_44, Verifier, VerifierKey, check_name
from ledger.tlog.tree import Frontier

OFFICERS_NEEDED = 2
_LABEL = re.compile(r"(checkpoint-pq|checkpoint|documents|certificates)(?:-|$)")
_OFFICER_KEY_BYTES = 32
STATEMENT_TYPE = "mobilegrid/signer-confirmation/1"
KINDS = {"ed25519": ED25519, "ml-dsa-44": ML_DSA_44}
"""Type of signature line by the algorithm of a key."""


class Rules(msgspec.Struct, frozen=True):
    """What a signer is for: one log, its keys, and who may lift a block.

    `keys` are pinned: what no device says counts beside them. `officers` are Ed25519 public keys
    by name; with fewer than two of them no block can be lifted.
    """

    origin: str
    keys: tuple[PublicKey, ...]
    officers: Mapping[str, bytes] = {}
    clock_step_us_max: int = HOUR

    def __post_init__(self) -> None:
        check_name(self.origin)
        if not any(_purpose_of(key) == "checkpoint" for key in self.keys):
            raise Misconfigured("signer: no key of the purpose checkpoint is pinned")
        if len(set(self.officers.values())) != len(self.officers):
            raise Misconfigured("signer.officers: two officers have the same key")
        if any(len(key) != _OFFICER_KEY_BYTES for key in self.officers.values()):
            raise Misconfigured("signer.officers: a key of an officer has 32 bytes")

    def pinned(self, purpose: str) -> tuple[PublicKey, ...]:
        """Give the pinned keys of a purpose."""
        return tuple(key for key in self.keys if _purpose_of(key) == purpose)

    def verifiers(self) -> tuple[Verifier, ...]:
        """Give what checks the log's own lines: its Ed25519 and ML-DSA-44 keys."""
        keys = (*self.pinned("checkpoint"), *self.pinned("checkpoint-pq"))
        return tuple(verifier_for(line_key(self.origin, key)) for key in keys)


class Reading(msgspec.Struct, frozen=True):
    """Both clocks at one moment (us): of the wall, and one that only counts."""

    wall_us: int
    steady_us: int


class Head(msgspec.Struct, frozen=True):
    """A head the signer is bound to, and when it bound itself (us)."""

    tree: Frontier
    at: int

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.tree.size

    def root(self) -> bytes:
        """Give the root of the tree."""
        return self.tree.root()


class Memory(msgspec.Struct, frozen=True):
    """What the signer knows: the last head, what is staged, when it signed last, an open block."""

    head: Head | None
    staged: Frontier
    anchor: Reading | None
    block: int = 0


class Statement(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=STATEMENT_TYPE, tag_field="t"
):
    """What two officers sign.

    `what` is ``block`` with the number of the open block as `subject`, or ``clock`` with the size
    of the last head (0 before the first); so none counts twice. `at` is the time by the officers'
    own watch (us).
    """

    at: int
    origin: str
    reason: str
    subject: int
    what: Literal["block", "clock"]


def remember(head: Head | None, signed_at: int | None, block: int, now: Reading) -> Memory:
    """Begin after a start with what was written down; only that binds, nothing is staged."""
    anchor = None if signed_at is None else Reading(signed_at, now.steady_us)
    return Memory(head, head.tree if head else Frontier(), anchor, block)


def committed(memory: Memory, head: Head, now: Reading) -> Memory:
    """Remember that `head` is now the last one."""
    return replace(memory, head=head, anchor=now)


def signed(memory: Memory, now: Reading) -> Memory:
    """Remember when something was signed last."""
    return replace(memory, anchor=now)


def blocked(memory: Memory, number: int) -> Memory:
    """Remember that a block is open."""
    return replace(memory, block=number)


# Heads ------------------------------------------------------------------------


def extend(memory: Memory, ask: Extend) -> Memory | Refused:
    """Stage entries: hash them and add them to the tree (rule 2)."""
    last = memory.head.tree if memory.head else Frontier()
    if ask.start == memory.staged.size:
        tree = memory.staged
    elif ask.start == last.size:
        tree = last
    else:
        return Refused("gap", f"{memory.staged.size} entries are staged, {last.size} are signed")
    return replace(memory, staged=tree.extend(leaf_hash(entry) for entry in ask.entries))


def decide_head(rules: Rules, memory: Memory, ask: SignHead, now: Reading) -> Head | Refused:
    """Give the head to sign: the last one again, or a new one to commit first; or refuse it."""
    if ask.origin != rules.origin:  # 1
        return Refused("origin_unknown", f"this signer signs for {rules.origin} alone")
    if memory.block:
        return _blocked(memory)
    last = memory.head
    if last is not None and ask.size <= last.size:  # 4
        if ask.size == last.size and ask.root == last.root():
            return last
        return Refused("fork", f"{last.size} entries are signed, size {ask.size} came after that")
    if ask.size != memory.staged.size:  # 2: the signer started again after they were sent
        return Refused("gap", f"{memory.staged.size} entries are staged; send the others again")
    if ask.root != memory.staged.root():  # 3
        return Refused("root_differs", f"the {memory.staged.size} entries sent have another root")
    return check_clock(rules, memory, now) or Head(memory.staged, now.wall_us)


def check_clock(rules: Rules, memory: Memory, now: Reading) -> Refused | None:
    """Refuse to sign while the clock cannot be believed (rule 5).

    How far the clock ran ahead is measured against the counting clock since the last signature, so
    that a quiet night is no step; after a start, against the time of the last signature itself.
    """
    if memory.anchor is None:
        return None
    if now.wall_us < memory.anchor.wall_us:
        return Refused("clock", "the clock is behind the last signature")
    elapsed = now.wall_us - memory.anchor.wall_us
    if abs(elapsed - (now.steady_us - memory.anchor.steady_us)) > rules.clock_step_us_max:
        return Refused("clock", "the clock made a step since the last signature; confirm it")
    return None


def line_key(origin: str, key: PublicKey) -> VerifierKey:
    """Give a key of ours as notes name it."""
    return VerifierKey(origin, KINDS[key.algorithm], key.public_key)


def is_line_good(rules: Rules, purpose: str, text: bytes, line: tuple[PublicKey, bytes]) -> bool:
    """Tell whether a payload is a pinned key's line under the text of a checkpoint (rule 6)."""
    key, payload = line
    if not _is_pinned(rules, purpose, key):
        return False
    return verifier_for(line_key(rules.origin, key)).verify(text, payload)


def checkpoint_text(rules: Rules, head: Head) -> bytes:
    """Give the text of a head's checkpoint."""
    return format_checkpoint(Checkpoint(rules.origin, head.size, head.root()))


# Documents --------------------------------------------------------------------


def decide_document(
    rules: Rules, memory: Memory, ask: SignDocument, journaled: bytes | None
) -> Heading | Refused:
    """Give what a document says of itself when it may be signed (rule 7).

    Args:
        rules: of this signer.
        memory: what it knows.
        ask: the request.
        journaled: the root signed here for the size it names, None where none was.
    """
    if memory.block:
        return _blocked(memory)
    if ask.typ not in TYPS[ask.key]:
        return Refused("typ_not_allowed", f"the key {ask.key} does not sign {ask.typ[:80]!r}")
    try:
        heading = read_heading(ask.payload)
    except Malformed as error:
        return Refused("malformed", str(error))
    named = heading.checkpoint
    if named.origin != rules.origin:
        return Refused("origin_unknown", f"this signer signs for {rules.origin} alone")
    if (named.size, named.root) != (ask.size, ask.root):
        return Refused("checkpoint_unknown", "the document names another checkpoint")
    if memory.head is None or ask.size > memory.head.size:
        return Refused("checkpoint_unknown", f"no head of {ask.size} entries was signed here")
    if journaled == ask.root:
        return heading
    if not _opens(rules, ask):
        return Refused("checkpoint_unknown", "nothing vouches for the checkpoint it names")
    if journaled is not None:
        return Refused("fork", f"our keys signed a second root for {ask.size} entries")
    return heading


def is_document_good(
    rules: Rules, purpose: str, message: bytes, signature: tuple[PublicKey, bytes]
) -> bool:
    """Tell whether a pinned key signed these bytes (rule 6)."""
    key, payload = signature
    return _is_pinned(rules, purpose, key) and _verifies(key.public_key, message, payload)


def _opens(rules: Rules, ask: SignDocument) -> bool:
    if not ask.note:
        return False
    try:
        said = open_checkpoint(ask.note, rules.origin, rules.verifiers()).checkpoint
    except (Malformed, SignatureInvalid, CheckpointInvalid):
        return False
    return (said.size, said.root) == (ask.size, ask.root)


# Officers ---------------------------------------------------------------------


def decide_confirmation(
    rules: Rules, memory: Memory, ask: Confirm, now: Reading
) -> Statement | Refused:
    """Give the statement when two officers signed it and it speaks of the present moment."""
    try:
        said = msgspec.json.decode(ask.statement, type=Statement)
        same = canonical(said) == ask.statement
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return Refused("malformed", f"statement: {error}")
    if not same:
        return Refused("malformed", "statement: not in canonical form")
    if said.origin != rules.origin:
        return Refused("origin_unknown", f"this signer signs for {rules.origin} alone")
    signers = {each.officer for each in ask.officers}
    known = all(
        each.officer in rules.officers
        and _verifies(rules.officers[each.officer], ask.statement, each.signature)
        for each in ask.officers
    )
    if not known or len(signers) < OFFICERS_NEEDED:
        return Refused("confirmation_wrong", "two known officers sign a confirmation")
    if said.what == "block":
        wanted = memory.block
        timely = bool(wanted)
    else:
        wanted = memory.head.size if memory.head else 0
        timely = abs(now.wall_us - said.at) <= rules.clock_step_us_max
    if said.subject != wanted or not timely:
        return Refused("confirmation_wrong", "the statement is about another block or moment")
    return said


def confirmed(memory: Memory, said: Statement, now: Reading) -> Memory:
    """Remember what two officers confirmed."""
    if said.what == "block":
        return replace(memory, block=0)
    return replace(memory, anchor=now)


def _blocked(memory: Memory) -> Refused:
    return Refused("blocked", f"block {memory.block} is open; two officers can lift it")


def _verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _is_pinned(rules: Rules, purpose: str, key: PublicKey) -> bool:
    return any(
        (each.algorithm, each.public_key) == (key.algorithm, key.public_key)
        for each in rules.pinned(purpose)
    )


def _purpose_of(key: PublicKey) -> str:
    """Tell what a key is for by its label: `checkpoint-a` signs checkpoints."""
    found = _LABEL.match(key.label)
    return found[1] if found else ""
