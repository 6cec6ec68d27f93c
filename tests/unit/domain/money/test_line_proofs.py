import pytest

from ledger.domain.money.documents import LineRoot
from ledger.domain.money.line_proofs import NO_PROOF, LineProof, is_proven, prove
from ledger.kernel.envelope import base64_text
from ledger.kernel.hashing import leaf_hash


def lines_of(count):
    return [f"line {number}".encode() for number in range(count)]


def root_of(lines):
    root = LineRoot()
    for line in lines:
        root.add(line)
    return base64_text(root.root())


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 31, 33])
def test_every_line_of_a_document_is_proven_under_its_root_and_nowhere_else(count):
    lines = lines_of(count)
    root, leaves = root_of(lines), [leaf_hash(line) for line in lines]
    for index, line in enumerate(lines):
        proof = prove(leaves, index)
        assert is_proven(line, proof, count, root)
        assert not is_proven(line + b"!", proof, count, root)
        assert not is_proven(line, LineProof((index + 1) % max(count, 2), proof.path), count, root)
        assert not is_proven(line, LineProof(index, (*proof.path, leaves[0])), count, root)


@pytest.mark.parametrize(
    "proof",
    [
        NO_PROOF,
        LineProof(9, ()),
        LineProof(0, ()),
        LineProof(0, (b"short",)),
        LineProof(0, (bytes(32),) * 61),
        LineProof(0, (bytes(32),)),
    ],
)
def test_a_proof_that_leads_elsewhere_proves_nothing(proof):
    lines = lines_of(2)
    assert not is_proven(lines[0], proof, 2, root_of(lines))
