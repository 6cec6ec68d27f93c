"""Sign the head of a ledger, prove its entry 0, and check the proof as a stranger would.

Run it with a ledger that exists: python examples/prove_and_check.py town.db
"""

import secrets
import sys
import time

from ledger import ProofInvalid, open_ledger
from ledger.runtime.proving import prove_entry, read_vkey, sign_checkpoint, verify_bundle
from ledger.tlog.note import Ed25519Signer, format_vkey


def main(file: str) -> None:
    """Prove on one side, check on the other; only the proof and the key cross over."""
    with open_ledger(f"sqlite:///{file}") as ledger:
        signer = Ed25519Signer(ledger.name.origin, secrets.token_bytes(32))
        note = sign_checkpoint(ledger, signer, time.time_ns() // 1_000)
        print(note.decode())
        proof, vkey = prove_entry(ledger, 0), format_vkey(signer.key)

    proven = verify_bundle(proof, [read_vkey(vkey)])
    print(f"entry {proven.position} of {proven.signed.checkpoint.size} is proven")
    try:
        verify_bundle(proof.replace(b"index 0", b"index 1"), [read_vkey(vkey)])
    except ProofInvalid as error:
        print("a forged proof is refused:", error)


if __name__ == "__main__":
    main(sys.argv[1])
