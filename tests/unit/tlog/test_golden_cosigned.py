"""Bytes of policies, requests and cosigned checkpoints that must be read for ever.

A difference here is a new format: give it a new version, never new golden files.
"""

from pathlib import Path

from ledger.tlog.cosign import CosignerV1, verifier_for
from ledger.tlog.note import format_lines, parse_note
from ledger.tlog.policy import open_under_policy, parse_policy
from ledger.tlog.witness import AddCheckpoint, format_request, parse_request
from tests.support.logs import ORIGIN, naive_root, sample_leaves, signed_note
from tests.support.witnesses import NOW_S, cosigner, path_between, pq_cosigner

GOLDEN = Path(__file__).parents[2] / "golden" / "tlog"
NOTE = (GOLDEN / "checkpoint-13-all-lines.note").read_bytes()
LEAVES = sample_leaves(13)


def test_a_checkpoint_with_lines_of_all_types_opens_under_the_golden_policy():
    policy = parse_policy((GOLDEN / "policy-2-of-3.txt").read_bytes())
    assert policy.format() == (GOLDEN / "policy-2-of-3.txt").read_bytes()
    judged = open_under_policy(NOTE, policy, NOW_S)
    said = judged.signed.checkpoint
    assert (said.origin, said.size, said.root) == (ORIGIN, 13, naive_root(LEAVES))
    assert [(each.name, time_s) for each, time_s in judged.cosigned] == [
        ("W0", NOW_S),
        ("W2", NOW_S),
    ]


def test_its_ml_dsa_lines_verify_and_its_ed25519_lines_are_made_again_byte_for_byte():
    parsed = parse_note(NOTE)
    kinds = {len(line.payload) for line in parsed.signatures}
    assert kinds == {64, 72, 2428}
    for signer in (pq_cosigner(ORIGIN), pq_cosigner("w9.example.net"), cosigner(0), cosigner(2)):
        (line,) = [each for each in parsed.signatures if each.key_id == signer.key.key_id]
        assert verifier_for(signer.key).verify(parsed.text, line.payload)
        if isinstance(signer, CosignerV1):
            assert signer.sign(parsed.text) == line.payload
    assert NOTE.startswith(signed_note(13, LEAVES))
    assert NOTE.endswith(format_lines(parsed.signatures))


def test_a_request_to_a_witness_is_the_same_byte_for_byte():
    data = (GOLDEN / "add-checkpoint-8-to-13.txt").read_bytes()
    request = AddCheckpoint(8, path_between(LEAVES, 8), signed_note(13, LEAVES))
    assert parse_request(data) == request
    assert format_request(request) == data
