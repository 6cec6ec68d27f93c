"""What the signer signs and what it refuses, rule by rule."""

from base64 import b64encode
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.kernel.envelope import canonical
from ledger.kernel.errors import Malformed, Misconfigured
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import HOUR, MINUTE
from ledger.signer import policy
from ledger.signer.policy import Head, Memory, Reading, Rules
from ledger.signer.software_keyring import SoftwareKeyring
from ledger.signer.wire import (
    Confirm,
    Extend,
    OfficerSignature,
    Refused,
    SignDocument,
    SignHead,
)
from ledger.tlog.checkpoint import Checkpoint, sign_checkpoint
from ledger.tlog.note import Ed25519Signer
from ledger.tlog.tree import Frontier
from tests.support.logs import naive_root, sample_entries, sample_leaves
from tests.support.signers import (
    KNOWN,
    ORIGIN,
    SEED,
    START_US,
    HandClock,
    confirm,
    statement,
    tree_of,
)

KEYRING = SoftwareKeyring(SEED, HandClock())
RULES = Rules(ORIGIN, KEYRING.public_keys(), KNOWN)
NOW = Reading(START_US, 0)
LAST = Head(tree_of(sample_leaves(5)), START_US - MINUTE)
STAGED = tree_of(sample_leaves(8))
MEMORY = Memory(LAST, STAGED, Reading(LAST.at, -MINUTE))
BORN = policy.remember(None, None, 0, NOW)
OTHER = bytes(32)


def head(size: int = 8, root: bytes = STAGED.root(), origin: str = ORIGIN) -> SignHead:
    return SignHead(origin, size, root, pq=False)


# Heads ------------------------------------------------------------------------


def test_a_head_is_signed_when_its_entries_were_sent() -> None:
    assert policy.decide_head(RULES, MEMORY, head(), NOW) == Head(STAGED, NOW.wall_us)


def test_the_same_head_is_the_same_head() -> None:
    assert policy.decide_head(RULES, MEMORY, head(5, LAST.root()), NOW) is LAST


def test_the_first_head_may_be_that_of_an_empty_log() -> None:
    empty = Frontier()
    asked = head(0, empty.root())
    assert policy.decide_head(RULES, BORN, asked, NOW) == Head(empty, NOW.wall_us)


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (head(origin="log.example.net/log/other"), "origin_unknown"),
        (head(origin=ORIGIN + "/"), "origin_unknown"),
        (head(root=OTHER), "root_differs"),
        (head(9), "gap"),
        (head(7, naive_root(sample_leaves(7))), "gap"),
        (head(5, OTHER), "fork"),
        (head(5, STAGED.root()), "fork"),
        (head(4, naive_root(sample_leaves(4))), "fork"),
        (head(0, naive_root([])), "fork"),
        (head(4, OTHER, origin="elsewhere"), "origin_unknown"),
    ],
)
def test_a_head_against_the_rules_is_refused_with_its_code(ask: SignHead, code: str) -> None:
    assert _code(policy.decide_head(RULES, MEMORY, ask, NOW)) == code


@pytest.mark.parametrize("ask", [head(), head(5, LAST.root()), head(4, OTHER)])
def test_a_blocked_signer_signs_nothing(ask: SignHead) -> None:
    assert _code(policy.decide_head(RULES, policy.blocked(MEMORY, 3), ask, NOW)) == "blocked"


@pytest.mark.parametrize(
    ("wall_us", "steady_us", "code"),
    [
        (0, 0, ""),
        (-MINUTE, 0, ""),
        (-MINUTE - 1, 0, "clock"),
        (HOUR, 0, ""),
        (HOUR + 1, 0, "clock"),
        (9 * HOUR, 9 * HOUR, ""),  # a quiet night
        (9 * HOUR, 7 * HOUR, "clock"),
        (0, 2 * HOUR, "clock"),  # the wall clock stood still, or was put back
    ],
)
def test_the_clock_is_believed_within_an_hour(wall_us: int, steady_us: int, code: str) -> None:
    now = Reading(NOW.wall_us + wall_us, steady_us)
    assert _code(policy.decide_head(RULES, MEMORY, head(), now)) == code


def test_after_a_start_the_last_signature_is_the_measure_of_the_clock() -> None:
    memory = policy.remember(LAST, LAST.at, 0, Reading(0, 77))
    assert policy.check_clock(RULES, memory, Reading(LAST.at + HOUR, 77)) is None
    assert _code(policy.check_clock(RULES, memory, Reading(LAST.at + HOUR + 1, 77))) == "clock"


# Staging ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "staged"), [(8, [*range(8), 8, 9]), (5, [*range(5), 8, 9])], ids=["on", "anew"]
)
def test_entries_are_staged_from_the_end_or_once_more_from_the_head(
    start: int, staged: list[int]
) -> None:
    entries = sample_entries(10)
    extended = policy.extend(MEMORY, Extend(start, tuple(entries[8:])))
    assert isinstance(extended, Memory)
    assert extended.staged.root() == naive_root([leaf_hash(entries[n]) for n in staged])
    assert extended.head is LAST


@pytest.mark.parametrize("start", [0, 4, 6, 7, 9])
def test_entries_from_elsewhere_leave_a_gap(start: int) -> None:
    assert _code(policy.extend(MEMORY, Extend(start, (b"{}",)))) == "gap"


def test_a_bit_flipped_between_storing_and_signing_is_caught() -> None:
    entries = sample_entries(8)
    for position in range(5, 8):
        for bit in range(8):
            sent = [bytearray(each) for each in entries[5:]]
            sent[position - 5][3] ^= 1 << bit
            extended = policy.extend(MEMORY, Extend(5, tuple(map(bytes, sent))))
            assert isinstance(extended, Memory)
            assert _code(policy.decide_head(RULES, extended, head(), NOW)) == "root_differs"


# Documents --------------------------------------------------------------------

ROOT = LAST.root()
KEPT = [Ed25519Signer(ORIGIN, bytes([7]) * 32)]


def document(**other: Any) -> SignDocument:
    named = {"origin": ORIGIN, "root": ROOT, "size": 5} | other.pop("named", {})
    payload = canonical({"checkpoint": named, "document_id": "ST-1", "issued_at": 1, "total": 5})
    ask = SignDocument("mobilegrid-statement+jws", payload, "documents", 5, ROOT, b"")
    return replace(ask, **other)


def test_a_document_that_names_a_signed_head_is_signed() -> None:
    said = policy.decide_document(RULES, MEMORY, document(), ROOT)
    assert not isinstance(said, Refused)
    assert (said.document_id, said.checkpoint.size) == ("ST-1", 5)


@pytest.mark.parametrize(
    ("ask", "journaled", "code"),
    [
        (document(), None, "checkpoint_unknown"),
        (document(), OTHER, "checkpoint_unknown"),
        (document(root=OTHER), ROOT, "checkpoint_unknown"),
        (document(size=4), ROOT, "checkpoint_unknown"),
        (document(size=6, named={"size": 6}), ROOT, "checkpoint_unknown"),
        (document(named={"origin": "elsewhere"}), ROOT, "origin_unknown"),
        (document(key="certificates"), ROOT, "typ_not_allowed"),
        (document(typ="mobilegrid-certificate+jws"), ROOT, "typ_not_allowed"),
        (document(typ="mobilegrid-ceremony+jws"), ROOT, "typ_not_allowed"),
        (document(payload=b"{}"), ROOT, "malformed"),
        (document(payload=b'{"a": 1}'), ROOT, "malformed"),
        (document(note=b"no note"), None, "checkpoint_unknown"),
    ],
)
def test_a_document_against_the_rules_is_refused(
    ask: SignDocument, journaled: bytes | None, code: str
) -> None:
    assert _code(policy.decide_document(RULES, MEMORY, ask, journaled)) == code


def test_a_document_is_refused_before_the_first_head_and_in_a_block() -> None:
    assert _code(policy.decide_document(RULES, BORN, document(), None)) == "checkpoint_unknown"
    blocked = policy.blocked(MEMORY, 1)
    assert _code(policy.decide_document(RULES, blocked, document(), ROOT)) == "blocked"


def note_by_our_keys(size: int, root: bytes) -> bytes:
    text = policy.checkpoint_text(RULES, LAST).replace(b64encode(LAST.root()), b64encode(root))
    (key, signature), *_ = KEYRING.sign("checkpoint", text)
    named = policy.line_key(ORIGIN, key)
    line = b64encode(named.key_id + signature).decode()
    return text + f"\n— {ORIGIN} {line}\n".encode()


def test_a_checkpoint_with_our_own_line_stands_for_a_head_signed_elsewhere() -> None:
    ask = document(note=note_by_our_keys(5, ROOT))
    assert not isinstance(policy.decide_document(RULES, MEMORY, ask, None), Refused)
    strangers = sign_checkpoint(Checkpoint(ORIGIN, 5, ROOT), KEPT)
    ask = document(note=strangers)
    assert _code(policy.decide_document(RULES, MEMORY, ask, None)) == "checkpoint_unknown"


def test_our_own_line_under_a_second_root_is_a_fork() -> None:
    ask = document(root=OTHER, named={"root": OTHER}, note=note_by_our_keys(5, OTHER))
    assert _code(policy.decide_document(RULES, MEMORY, ask, ROOT)) == "fork"


# Signatures -------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["checkpoint", "documents", "certificates"])
def test_only_a_pinned_key_of_the_purpose_counts(purpose: str) -> None:
    (made, *_) = KEYRING.sign(purpose, b"text\n")
    assert policy.is_document_good(RULES, purpose, b"text\n", made)
    assert not policy.is_document_good(RULES, purpose, b"other\n", made)
    assert not policy.is_document_good(RULES, purpose, b"text\n", (made[0], bytes(64)))
    for other in {"checkpoint", "documents", "certificates"} - {purpose}:
        assert not policy.is_document_good(RULES, other, b"text\n", made)


def test_a_line_verifies_under_its_text() -> None:
    text = policy.checkpoint_text(RULES, LAST)
    for line in KEYRING.sign("checkpoint", text):
        assert policy.is_line_good(RULES, "checkpoint", text, line)
        assert not policy.is_line_good(RULES, "checkpoint-pq", text, line)
        assert not policy.is_line_good(RULES, "checkpoint", text + b"x\n", line)


# Officers ---------------------------------------------------------------------

BLOCKED = policy.blocked(MEMORY, 2)
BLOCK = statement("block", 2, START_US)
CLOCK = statement("clock", 5, START_US)


def forged() -> Confirm:
    ask = confirm(BLOCK, "ada")
    return replace(ask, officers=(*ask.officers, OfficerSignature("ben", bytes(64))))


def test_two_officers_lift_a_block() -> None:
    said = policy.decide_confirmation(RULES, BLOCKED, confirm(BLOCK, "ada", "ben"), NOW)
    assert not isinstance(said, Refused)
    assert policy.confirmed(BLOCKED, said, NOW) == MEMORY


def test_two_officers_confirm_the_clock_for_this_head() -> None:
    late = Reading(START_US - 30 * MINUTE, 9)
    said = policy.decide_confirmation(RULES, MEMORY, confirm(CLOCK, "ben", "ada"), late)
    assert not isinstance(said, Refused)
    memory = policy.confirmed(MEMORY, said, late)
    assert _code(policy.check_clock(RULES, MEMORY, late)) == "clock"
    assert policy.check_clock(RULES, memory, late) is None


@pytest.mark.parametrize(
    ("memory", "ask", "code"),
    [
        (BLOCKED, confirm(BLOCK), "confirmation_wrong"),
        (BLOCKED, confirm(BLOCK, "ada"), "confirmation_wrong"),
        (BLOCKED, confirm(BLOCK, "ada", "ada"), "confirmation_wrong"),
        (BLOCKED, confirm(BLOCK, "ada", "ben", "eve"), "confirmation_wrong"),
        (BLOCKED, confirm(BLOCK, "ada", "eve"), "confirmation_wrong"),
        (BLOCKED, forged(), "confirmation_wrong"),
        (BLOCKED, confirm(statement("block", 1, START_US), "ada", "ben"), "confirmation_wrong"),
        (MEMORY, confirm(BLOCK, "ada", "ben"), "confirmation_wrong"),
        (MEMORY, confirm(statement("block", 0, START_US), "ada", "ben"), "confirmation_wrong"),
        (MEMORY, confirm(statement("clock", 4, START_US), "ada", "ben"), "confirmation_wrong"),
        (
            MEMORY,
            confirm(statement("clock", 5, START_US + 2 * HOUR), "ada", "ben"),
            "confirmation_wrong",
        ),
        (BLOCKED, confirm(statement("block", 2, 0, origin="x"), "ada", "ben"), "origin_unknown"),
        (BLOCKED, confirm(BLOCK + b" ", "ada", "ben"), "malformed"),
        (BLOCKED, confirm(b"\xff\xff", "ada", "ben"), "malformed"),
        (BLOCKED, confirm(statement("all", 2, 0), "ada", "ben"), "malformed"),
    ],
)
def test_anything_less_confirms_nothing(memory: Memory, ask: Confirm, code: str) -> None:
    assert _code(policy.decide_confirmation(RULES, memory, ask, NOW)) == code


# Rules ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"keys": KEYRING.public_keys()[2:]}, "checkpoint"),
        ({"officers": {"ada": KNOWN["ada"], "anna": KNOWN["ada"]}}, "same key"),
        ({"officers": {"ada": b"short"}}, "32 bytes"),
    ],
)
def test_rules_that_could_not_work_are_refused(change: dict[str, Any], names: str) -> None:
    with pytest.raises(Misconfigured, match=names):
        replace(RULES, **change)


def test_an_origin_that_cannot_name_a_key_is_refused() -> None:
    with pytest.raises(Malformed):
        replace(RULES, origin="two words")


@pytest.mark.parametrize(
    ("label", "purpose"),
    [
        ("checkpoint-a", "checkpoint"),
        ("checkpoint-b-2031", "checkpoint"),
        ("checkpoint-pq", "checkpoint-pq"),
        ("checkpoint-pq-2", "checkpoint-pq"),
        ("documents-b", "documents"),
        ("certificates", "certificates"),
        ("documentsa", ""),
        ("seal-1", ""),
    ],
)
def test_a_label_says_what_a_key_is_for(label: str, purpose: str) -> None:
    keys = (*KEYRING.public_keys()[:1], replace(KEYRING.public_keys()[0], label=label))
    rules = replace(RULES, keys=keys)
    purposes = ("checkpoint", "checkpoint-pq", "documents", "certificates")
    found = [each for each in purposes if keys[1] in rules.pinned(each)]
    assert found == ([purpose] if purpose else [])


def _code(decided: object) -> str:
    return decided.code if isinstance(decided, Refused) else ""
