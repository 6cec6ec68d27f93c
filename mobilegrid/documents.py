"""Who signs documents here, and which checkpoints they may name."""

from ledger.exports.issued import IsFinal, SignDocument, always
from ledger.kernel.errors import CheckpointInvalid
from ledger.kernel.instants import SECOND
from ledger.signer.client import SignerClient
from ledger.signer.documents import read_heading
from ledger.tlog.policy import open_under_policy
from mobilegrid import heads, wiring
from mobilegrid.settings import Settings


def document_signer(signer: SignerClient) -> SignDocument:
    """Sign documents with the signer's key for them, under the checkpoint that each names."""

    def sign(typ: str, payload: bytes) -> str:
        said = read_heading(payload).checkpoint
        return signer.sign_document(typ, payload, "documents", said.size, said.root)

    return sign


def finality(settings: Settings, origin: str) -> IsFinal:
    """Tell which checkpoints are final: those that meet the quorum of our own policy."""
    found = heads.own_policy(settings, origin)
    if found is None:
        return always
    policy = found[1]

    def is_final(note: bytes) -> bool:
        try:
            open_under_policy(note, policy, wiring.CLOCK.now() // SECOND)
        except CheckpointInvalid:
            return False
        return True

    return is_final
