"""Policy files: every rule of the format, and which witnesses make a quorum."""

from itertools import combinations

import pytest
from typing_extensions import override

from ledger.kernel.errors import CheckpointInvalid, Malformed, ProofInvalid, SignatureInvalid
from ledger.kernel.hashing import EMPTY_ROOT
from ledger.tlog import proof
from ledger.tlog.bundle import ProofFile, format_proof
from ledger.tlog.checkpoint import Checkpoint, sign_checkpoint
from ledger.tlog.cosign import CosignerV1, MlDsaCosigner, verifier_for
from ledger.tlog.note import Ed25519Signer, VerifierKey, format_vkey
from ledger.tlog.policy import (
    Group,
    Log,
    Policy,
    Witness,
    judge,
    open_under_policy,
    parse_policy,
    verify_under_policy,
)
from tests.support.logs import (
    ORIGIN,
    SIGNER,
    VKEY,
    naive_root,
    sample_entries,
    sample_leaves,
    tiles_in_memory,
)
from tests.support.witnesses import NOW_S, as_witness, cosigner, policy_text, pq_cosigner

SAID = Checkpoint(ORIGIN, 13, naive_root(sample_leaves(13)))
WITNESSES = [cosigner(number) for number in range(6)]
W = [format_vkey(each.key) for each in WITNESSES]
LOG = f"log {VKEY}\n"
TWO_OF_THREE = "group g 2 W0 W1 W2"
NESTED = [
    "group X 2 W0 W1 W2",
    "group Y any W3 W4 W5",
    "group all-of-us all X Y",
    "quorum all-of-us",
]


def opened(policy: Policy, *signers, said: Checkpoint = SAID, now_s: int = NOW_S):
    return judge(sign_checkpoint(said, signers), policy, now_s)


def test_a_policy_file_reads_and_writes_itself():
    text = policy_text(WITNESSES, *NESTED, url="https://w.example.net/x")
    policy = parse_policy(text)
    assert policy.format() == text
    assert [each.name for each in policy.witnesses] == ["W0", "W1", "W2", "W3", "W4", "W5"]
    assert policy.groups[0] == Group("X", 2, ("W0", "W1", "W2"))
    assert policy.groups[2] == Group("all-of-us", 2, ("X", "Y"))
    assert policy.witnesses[5].url == "https://w.example.net/x"


def test_blank_lines_comments_tabs_and_the_order_of_lines_do_not_matter():
    text = f"\n  # all\twe trust\n\t quorum\t none  \n\t\nlog   {VKEY}\thttps://log.example.net\n"
    assert parse_policy(text.encode()) == Policy((Log(SIGNER.key, "https://log.example.net"),))


def test_names_and_addresses_are_octets():
    kelvin = b"\xe2\x84\xaa"
    lines = [
        LOG.encode(),
        b"witness K %s http://\xff/\n" % W[0].encode(),
        b"witness %s %s\n" % (kelvin, W[1].encode()),
        b"group \xff\xfe any K %s\n" % kelvin,
        b"quorum \xff\xfe\n",
    ]
    policy = parse_policy(b"".join(lines))
    assert policy.format() == b"".join(lines)
    assert len({each.name for each in policy.witnesses}) == 2


REFUSED = {
    "nothing": ("", "does not end"),
    "the last line does not end": (f"{LOG}quorum none", "does not end"),
    "a carriage return": (f"{LOG}quorum none\r\n", "control"),
    "a control character in a comment": (f"{LOG}# \x7f\nquorum none\n", "control"),
    "longer than allowed": (f"{LOG}quorum none\n" + "#" * 65_536 + "\n", "too long"),
    "no quorum": (LOG, "exactly one quorum"),
    "two quorums": (f"{LOG}quorum none\nquorum none\n", "line 3.*exactly one quorum"),
    "no log": ("quorum none\n", "no log"),
    "an unknown word": (f"{LOG}trust me\nquorum none\n", "line 2.*not a line"),
    "a quorum of two words": (f"{LOG}quorum none none\n", "not a line"),
    "a log without a key": ("log\nquorum none\n", "line 1.*not a line"),
    "a log with too much": (f"log {VKEY} url more\nquorum none\n", "not a line"),
    "a key that is none": ("log a+b+c\nquorum none\n", "line 1.*not a verifier key"),
    "a vertical tab is no space": (f"log\x0b{VKEY}\nquorum none\n", "control"),
    "a no-break space is no space": (f"log\u00a0{VKEY}\nquorum none\n", "not a line"),
    "a log twice": (f"{LOG}{LOG}quorum none\n", "line 2.*same public key"),
    "a log key of type 04": (f"log {W[0]}\nquorum none\n", "type 0x04 cannot"),
    "a witness key of type 01": (f"{LOG}witness w {VKEY}\nquorum none\n", "type 0x01 cannot"),
    "a witness twice": (
        f"{LOG}witness a {W[0]}\nwitness b {W[0]}\nquorum none\n",
        "line 3.*same public key",
    ),
    "a name twice": (f"{LOG}witness a {W[0]}\nwitness a {W[1]}\nquorum none\n", "is taken"),
    "a witness called none": (f"{LOG}witness none {W[0]}\nquorum none\n", "is taken"),
    "a group called none": (
        f"{LOG}witness a {W[0]}\ngroup none any a\nquorum none\n",
        "line 3.*is taken",
    ),
    "a group called like a witness": (
        f"{LOG}witness a {W[0]}\ngroup a any a\nquorum a\n",
        "is taken",
    ),
    "a group within itself": (f"{LOG}group g any g\nquorum g\n", "not defined before"),
    "a group of none": (f"{LOG}group g any none\nquorum g\n", "cannot be a member"),
    "a member defined later": (
        f"{LOG}group g any a\nwitness a {W[0]}\nquorum g\n",
        "line 2.*not defined before",
    ),
    "a quorum defined later": (f"{LOG}quorum a\nwitness a {W[0]}\n", "line 2.*not defined"),
    "a member of two groups": (
        f"{LOG}witness a {W[0]}\ngroup g any a\ngroup h any a\nquorum g\n",
        "line 4.*is one already",
    ),
    "a member twice": (f"{LOG}witness a {W[0]}\ngroup g any a a\nquorum g\n", "is one already"),
    "an empty group": (f"{LOG}group g any\nquorum none\n", "0 members"),
    "an empty group of all": (f"{LOG}group g all\nquorum none\n", "0 members"),
    "k of 0": (f"{LOG}witness a {W[0]}\ngroup g 0 a\nquorum g\n", "all, any or a number"),
    "k larger than n": (f"{LOG}witness a {W[0]}\ngroup g 2 a\nquorum g\n", "cannot want"),
    "k with a sign": (f"{LOG}witness a {W[0]}\ngroup g +1 a\nquorum g\n", "or a number"),
    "k with a leading zero": (f"{LOG}witness a {W[0]}\ngroup g 01 a\nquorum g\n", "or a number"),
    "k in foreign digits": (f"{LOG}witness a {W[0]}\ngroup g \u0661 a\nquorum g\n", "or a number"),
    "a group without a rule": (f"{LOG}group g\nquorum none\n", "not a line"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_policy_file_is_refused_for(case):
    text, why = REFUSED[case]
    with pytest.raises(Malformed, match=why) as caught:
        parse_policy(text.encode())
    assert caught.value.field == "policy"


def test_one_key_under_two_names_is_one_key():
    renamed = Ed25519Signer("other.example.net", b"s" * 32), Ed25519Signer("b.example", b"s" * 32)
    text = "".join(f"log {format_vkey(each.key)}\n" for each in renamed) + "quorum none\n"
    with pytest.raises(Malformed, match="same public key"):
        parse_policy(text.encode())


def test_a_log_is_never_its_own_witness():
    pq = pq_cosigner(ORIGIN)
    with pytest.raises(Malformed, match="same public key"):
        Policy((Log(pq.key),), (as_witness(pq),), (), pq.key.name)


def test_two_keys_that_a_signature_line_cannot_tell_apart_are_refused():
    logs = [Log(VerifierKey(ORIGIN, 1, number.to_bytes(32, "big"))) for number in (56_921, 64_573)]
    assert logs[0].key.key_id == logs[1].key.key_id
    with pytest.raises(Malformed, match="same name and key id"):
        Policy(tuple(logs))


def test_32_logs_32_witnesses_and_32_groups_are_allowed():
    logs = [Log(Ed25519Signer(f"l{n}", bytes([n] * 32)).key) for n in range(32)]
    witnesses = [Witness(f"w{n}", cosigner(n).key) for n in range(32)]
    groups = [Group("g0", 1, ("w0",))]
    groups += [Group(f"g{n}", 2, (f"w{n}", f"g{n - 1}")) for n in range(1, 32)]
    policy = Policy(tuple(logs), tuple(witnesses), tuple(groups), "g31")
    assert parse_policy(policy.format()) == policy
    assert policy.is_met(witnesses)
    assert not any(policy.is_met(witnesses[:n] + witnesses[n + 1 :]) for n in range(32))


@pytest.mark.parametrize(
    "policy",
    [
        Policy((Log(SIGNER.key, "two words"),)),
        Policy((Log(SIGNER.key, " padded"),)),
        Policy((Log(SIGNER.key),), (Witness("a b", WITNESSES[0].key),)),
        Policy((Log(SIGNER.key),), (Witness("", WITNESSES[0].key),)),
    ],
)
def test_a_policy_that_no_file_can_say_is_not_written(policy):
    with pytest.raises(Malformed):
        policy.format()


# Quorums --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "met"),
    [
        (["quorum none"], lambda _: True),
        (["quorum W1"], lambda them: 1 in them),
        ([TWO_OF_THREE, "quorum g"], lambda them: len(them & {0, 1, 2}) >= 2),
        (["group g all W0 W1 W2", "quorum g"], lambda them: them >= {0, 1, 2}),
        (["group g any W0 W1 W2", "quorum g"], lambda them: bool(them & {0, 1, 2})),
        (NESTED, lambda them: len(them & {0, 1, 2}) >= 2 and bool(them & {3, 4, 5})),
    ],
)
def test_every_subset_of_witnesses_meets_exactly_the_quorums_it_should(rules, met):
    policy = parse_policy(policy_text(WITNESSES, *rules))
    for count in range(7):
        for some in combinations(range(6), count):
            cosigned = [policy.witnesses[number] for number in some]
            assert policy.is_met(cosigned) == met(set(some)), some


def test_a_witness_counts_once_however_often_it_is_named():
    policy = parse_policy(policy_text(WITNESSES, TWO_OF_THREE, "quorum g"))
    assert not policy.is_met([policy.witnesses[0]] * 3)


def test_a_stranger_does_not_count_under_a_witness_name():
    policy = parse_policy(policy_text(WITNESSES, "quorum W0"))
    assert not policy.is_met([Witness("W0", cosigner(77).key)])


# Checkpoints under a policy -------------------------------------------------------------------

POLICY = parse_policy(policy_text(WITNESSES, TWO_OF_THREE, "quorum g"))


def test_a_checkpoint_opens_when_the_log_signed_and_the_quorum_is_met():
    note = sign_checkpoint(SAID, [SIGNER, WITNESSES[0], WITNESSES[2], WITNESSES[5]])
    judged = open_under_policy(note, POLICY, NOW_S)
    assert judged.quorum_met
    assert judged.signed.checkpoint == SAID
    assert judged.signed.note == note
    assert [each.key for each in judged.logs] == [SIGNER.key]
    assert [(each.name, at) for each, at in judged.cosigned] == [
        ("W0", NOW_S),
        ("W2", NOW_S),
        ("W5", NOW_S),
    ]


def test_too_few_witnesses_are_told_apart_from_enough():
    judged = opened(POLICY, SIGNER, WITNESSES[0], WITNESSES[5])
    assert not judged.quorum_met
    with pytest.raises(CheckpointInvalid, match=r"not met: cosigned by w0.example.net"):
        open_under_policy(sign_checkpoint(SAID, [SIGNER, WITNESSES[0]]), POLICY, NOW_S)
    with pytest.raises(CheckpointInvalid, match="nobody"):
        open_under_policy(sign_checkpoint(SAID, [SIGNER]), POLICY, NOW_S)


def test_lines_of_strangers_are_passed_over():
    assert not opened(POLICY, SIGNER, cosigner(50), cosigner(51), cosigner(52)).cosigned


def test_witnesses_alone_do_not_make_a_checkpoint():
    with pytest.raises(CheckpointInvalid, match="no log of the policy"):
        opened(POLICY, *WITNESSES)


def test_a_log_signs_only_for_itself():
    other = Ed25519Signer("other.example.net", b"o" * 32)
    policy = Policy((Log(SIGNER.key), Log(other.key)))
    assert opened(policy, other, said=Checkpoint(other.key.name, 1, bytes(32))).logs == (
        Log(other.key),
    )
    with pytest.raises(CheckpointInvalid, match="no log of the policy"):
        opened(policy, other)


def test_a_log_may_sign_with_several_keys_and_with_ml_dsa_alone():
    pq, second = pq_cosigner(ORIGIN), Ed25519Signer(ORIGIN, b"2" * 32)
    policy = Policy((Log(SIGNER.key), Log(second.key), Log(pq.key)))
    assert [each.key for each in opened(policy, pq).logs] == [pq.key]
    assert len(opened(policy, SIGNER, second, pq).logs) == 3


def test_a_witness_may_sign_with_ml_dsa():
    pq = pq_cosigner("w.example.net")
    policy = Policy((Log(SIGNER.key),), (as_witness(pq, "w"),), (), "w")
    assert opened(policy, SIGNER, pq).quorum_met
    assert not opened(policy, SIGNER).quorum_met


@pytest.mark.parametrize("ahead_s", [0, 300])
def test_a_clock_that_is_a_little_ahead_is_forgiven(ahead_s):
    early = CosignerV1(
        "w0.example.net", WITNESSES[0]._private.private_bytes_raw(), lambda: NOW_S + ahead_s
    )
    assert opened(POLICY, SIGNER, early).cosigned[0][1] == NOW_S + ahead_s


def test_a_cosignature_from_the_future_spoils_the_note():
    with pytest.raises(SignatureInvalid, match="from the future"):
        opened(POLICY, SIGNER, WITNESSES[0], now_s=NOW_S - 301)
    pq = MlDsaCosigner(ORIGIN, bytes(32), lambda: NOW_S)
    with pytest.raises(SignatureInvalid, match="from the future"):
        opened(Policy((Log(pq.key),)), pq, now_s=NOW_S - 301)


def test_a_wrong_line_of_any_known_key_spoils_the_note():
    impostor = CosignerV1("w0.example.net", b"i" * 32, lambda: NOW_S)
    note = sign_checkpoint(SAID, [SIGNER, WITNESSES[1], WITNESSES[2], impostor])
    assert opened(POLICY, SIGNER, WITNESSES[1], WITNESSES[2], impostor).quorum_met
    # the same line, under the key id of the true one
    from_true = WITNESSES[0].sign(b"another text\n")
    assert not verifier_for(WITNESSES[0].key).verify(note, from_true)

    class Wrong(CosignerV1):
        @override
        def sign(self, text):
            return from_true

    wrong = Wrong("w0.example.net", WITNESSES[0]._private.private_bytes_raw(), lambda: NOW_S)
    with pytest.raises(SignatureInvalid, match=r"w0\.example\.net is wrong"):
        opened(POLICY, SIGNER, WITNESSES[1], WITNESSES[2], wrong)
    with pytest.raises(SignatureInvalid, match="two signatures"):
        opened(POLICY, SIGNER, SIGNER)


def test_extension_lines_and_a_root_of_nothing_are_refused():
    extended = Checkpoint(ORIGIN, 13, SAID.root, ("more",))
    with pytest.raises(CheckpointInvalid, match="extension"):
        opened(POLICY, SIGNER, said=extended)
    with pytest.raises(CheckpointInvalid, match="empty log"):
        opened(POLICY, SIGNER, said=Checkpoint(ORIGIN, 0, SAID.root))
    assert not opened(POLICY, SIGNER, said=Checkpoint(ORIGIN, 0, EMPTY_ROOT)).quorum_met


def test_a_proof_file_is_checked_under_a_policy():
    path = proof.inclusion(7, 13, tiles_in_memory(sample_leaves(13)))
    entry = sample_entries(13)[7]
    note = sign_checkpoint(SAID, [SIGNER, *WITNESSES[:3]])
    proven, judged = verify_under_policy(
        format_proof(ProofFile(7, path, note, entry)), POLICY, NOW_S
    )
    assert (proven.position, proven.entry, len(judged.cosigned)) == (7, entry, 3)
    bare = format_proof(ProofFile(7, path, note))
    assert verify_under_policy(bare, POLICY, NOW_S, entry=entry)[0] == proven
    with pytest.raises(ProofInvalid):
        verify_under_policy(format_proof(ProofFile(6, path, note, entry)), POLICY, NOW_S)
    alone = format_proof(ProofFile(7, path, sign_checkpoint(SAID, [SIGNER]), entry))
    with pytest.raises(CheckpointInvalid, match="quorum"):
        verify_under_policy(alone, POLICY, NOW_S)
