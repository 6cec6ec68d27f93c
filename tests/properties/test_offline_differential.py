"""Two verifiers of proofs, policies and trees, written apart: they never disagree."""

from functools import partial

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.kernel.envelope import canonical
from ledger.kernel.hashing import leaf_hash
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.policy import open_under_policy, parse_policy, verify_under_policy
from ledger.tlog.verify import check_consistency, check_inclusion
from mobilegrid import offline_verifier as offline
from tests.support.logs import (
    ORIGIN,
    SIGNER,
    naive_consistency,
    naive_path,
    naive_root,
    sample_entries,
    sample_leaves,
    vouched,
)
from tests.support.mutants import mutated
from tests.support.offline import (
    NOW_S,
    cosigner,
    ledger_verdict,
    note_over,
    path_of,
    policy_text,
    pq_cosigner,
    text64,
    verdict,
)

# Notes, policies, proofs ------------------------------------------------------

ENTRIES = sample_entries(13)
SIGNERS = (
    SIGNER,
    pq_cosigner(ORIGIN),
    cosigner("bank"),
    cosigner("trade"),
    cosigner("late", ahead_s=300),
    cosigner("early", ahead_s=301),
    pq_cosigner("city"),
)
POLICY_TEXT = policy_text(
    logs=SIGNERS[:2],
    witnesses=SIGNERS[2:],
    groups=("group some 2 w1 w2 w3 w4", "group both all some w5"),
    quorum="both",
)


def both_open(note: bytes, policy: bytes) -> tuple[str, str]:
    def theirs(report: offline.Report) -> None:
        offline.open_checkpoint(note, offline.parse_policy(policy), NOW_S, report)

    return verdict(theirs)[0], ledger_verdict(
        lambda: open_under_policy(note, parse_policy(policy), NOW_S)
    )


TRUE_SIGNERS = tuple(each for each in SIGNERS if each.key.name != "early")


@given(st.lists(st.sampled_from(SIGNERS), max_size=7), st.data())
@settings(max_examples=150)
def test_both_open_the_same_checkpoints(signers, data):
    note = data.draw(mutated(note_over(ENTRIES, signers or TRUE_SIGNERS)))
    mine, ours = both_open(note, POLICY_TEXT)
    assert mine == ours


@given(mutated(POLICY_TEXT))
@settings(max_examples=200)
def test_both_read_the_same_policies_and_judge_alike(policy):
    note = note_over(ENTRIES, TRUE_SIGNERS)
    mine, ours = both_open(note, policy)
    assert mine == ours


WORDS = st.sampled_from(
    ["log", "witness", "group", "quorum", "none", "any", "all", "1", "2", "a", "b", "w1", "#", " "]
    + [line.split()[-1] for line in POLICY_TEXT.decode().splitlines()[:4]]
)
LINES = st.lists(WORDS, max_size=6).map(" ".join)


@given(st.lists(LINES, max_size=8))
@settings(max_examples=300)
def test_both_read_the_same_made_up_policies(lines):
    text = "".join(f"{line}\n" for line in lines).encode()
    mine = verdict(lambda _: offline.parse_policy(text))[0]
    assert mine == ledger_verdict(lambda: parse_policy(text))


def proof_file(index: int) -> bytes:
    extra = text64(canonical({"entry": text64(ENTRIES[index])}))
    head = ["c2sp.org/tlog-proof@v1", f"extra {extra}", f"index {index}", *path_of(index, ENTRIES)]
    return "\n".join(head).encode() + b"\n\n" + note_over(ENTRIES, TRUE_SIGNERS)


@given(st.integers(0, 12).map(proof_file).flatmap(mutated))
@settings(max_examples=200)
def test_both_accept_the_same_proofs(data):
    def theirs(report: offline.Report) -> None:
        policy = offline.parse_policy(POLICY_TEXT)
        offline.prove_entry(offline.parse_proof(data), policy, NOW_S, report)

    ours = ledger_verdict(partial(verify_under_policy, data, parse_policy(POLICY_TEXT), NOW_S))
    assert verdict(theirs)[0] == ours


# The tree, over every probe of small trees -------------------------------------


def probes(path: tuple[bytes, ...]):
    yield path
    yield (*path, bytes(32))
    yield path[::-1]
    yield path[1:]
    yield path[:-1]
    for place in range(len(path)):
        yield (*path[:place], bytes(32), *path[place + 1 :])
        yield (*path[:place], path[place], *path[place:])


def said(size: int) -> tuple[offline.Checkpoint, SignedCheckpoint]:
    root = naive_root(sample_leaves(size))
    return offline.Checkpoint(ORIGIN, size, root), vouched(size, root)


def test_both_decide_every_inclusion_probe_alike():
    leaves, decided = sample_leaves(20), [0, 0]
    for size in range(13):
        mine, ours = said(size)
        for index in range(size + 2):
            honest = naive_path(min(index, size - 1), leaves[:size]) if size else ()
            for path in probes(honest):
                good = verdict(
                    lambda _: offline.check_inclusion(mine, index, leaves[index], path)  # noqa: B023  run at once
                )[0]
                assert good == ledger_verdict(
                    partial(check_inclusion, ours, index, leaves[index], path)
                )
                decided[good == "ok"] += 1
    assert min(decided) > 70


def test_both_decide_every_consistency_probe_alike():
    leaves, decided = sample_leaves(20), [0, 0]
    for new in range(13):
        for old in range(15):
            honest = naive_consistency(old, leaves[:new]) if 0 < old <= new else ()
            for path in probes(honest):
                (mine_old, ours_old), (mine_new, ours_new) = said(old), said(new)
                good = verdict(
                    lambda _: offline.check_consistency(mine_old, mine_new, path)  # noqa: B023  run at once
                )[0]
                ours = ledger_verdict(partial(check_consistency, ours_old, ours_new, path))
                assert good == ours, (old, new)
                decided[good == "ok"] += 1
    assert min(decided) > 70


# JSON -------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
@example({"a": "\x7f\u2028\\u0000/\"'<", "é": [True, "\b\f\n\r\t\x01\x1f"]})
def test_both_have_one_canonical_form(value):
    data = canonical(value)
    assert offline.canonical(value) == data
    assert offline.read_json(data, "value") == value


# Leaves -----------------------------------------------------------------------


def test_a_leaf_is_a_leaf():
    assert offline.leaf_hash(b"x") == leaf_hash(b"x")
    assert Checkpoint(ORIGIN, 0, offline.tree_root([])).root == naive_root([])
