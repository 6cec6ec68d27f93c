"""The strangers' verifier in tests: policies, keys, verdicts, bundles made by hand."""

import base64
import json
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.kernel.errors import Malformed, Misconfigured, TamperEvidence
from ledger.kernel.hashing import leaf_hash
from ledger.tlog.checkpoint import Checkpoint, sign_checkpoint
from ledger.tlog.cosign import CosignerV1, MlDsaCosigner
from ledger.tlog.note import Ed25519Signer, Signer, format_vkey
from mobilegrid import offline_verifier as offline
from tests.support.logs import ORIGIN, SIGNER, naive_path, naive_root

NOW_S = 1_800_000_000


def cosigner(name: str, *, ahead_s: int = 0) -> CosignerV1:
    """A witness with an Ed25519 key, which is always the same for a name."""
    return CosignerV1(name, sha256(name.encode()).digest(), lambda: NOW_S + ahead_s)


def pq_cosigner(name: str, *, ahead_s: int = 0) -> MlDsaCosigner:
    """A witness, or the log itself, with an ML-DSA-44 key."""
    return MlDsaCosigner(name, sha256(name.encode()).digest(), lambda: NOW_S + ahead_s)


def policy_text(
    logs: Iterable[Signer] = (SIGNER,),
    witnesses: Iterable[Signer] = (),
    groups: Iterable[str] = (),
    quorum: str = "none",
) -> bytes:
    """Write a policy; witnesses are called w1, w2 and so on."""
    lines = [f"log {format_vkey(each.key)}" for each in logs]
    lines += [f"witness w{n} {format_vkey(each.key)}" for n, each in enumerate(witnesses, 1)]
    lines += [*groups, f"quorum {quorum}"]
    return "".join(f"{line}\n" for line in lines).encode()


POLICY_TEXT = policy_text()
POLICY = offline.parse_policy(POLICY_TEXT)


def note_over(entries: list[bytes], signers: Iterable[Signer] = (SIGNER,)) -> bytes:
    """Sign the checkpoint of a log in a list."""
    root = naive_root([leaf_hash(entry) for entry in entries])
    return sign_checkpoint(Checkpoint(ORIGIN, len(entries), root), signers)


def text64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def path_of(index: int, entries: list[bytes]) -> list[str]:
    """Give the path of an entry of a log in a list, as files carry it."""
    return [text64(each) for each in naive_path(index, [leaf_hash(entry) for entry in entries])]


def canonical(value: Any) -> bytes:
    """Write canonical JSON without the verifier's own function."""
    made = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return made.encode()


def verdict(check: Callable[[offline.Report], object]) -> tuple[str, str]:
    """Run a check of the strangers' verifier: (ok, refused or malformed; the step that failed).

    Anything but the three kinds of answer fails the test.
    """
    report = offline.Report()
    try:
        check(report)
    except offline.EvidenceRefused as error:
        return "refused", error.step or report.step
    except offline.MalformedInput:
        return "malformed", report.step
    return "ok", ""


def ledger_verdict(check: Callable[[], object]) -> str:
    """Run a check of ours and give its verdict in the same words."""
    try:
        check()
    except TamperEvidence:
        return "refused"
    except (Malformed, Misconfigured):
        return "malformed"
    return "ok"


# Document keys ----------------------------------------------------------------

DOCUMENT_KEY = Ed25519PrivateKey.from_private_bytes(sha256(b"documents-a").digest())


def jwk(key: Ed25519PrivateKey = DOCUMENT_KEY) -> dict[str, str]:
    x = offline.to_base64url(key.public_key().public_bytes_raw())
    return {"kty": "OKP", "crv": "Ed25519", "x": x}


def kid_of(key: Ed25519PrivateKey = DOCUMENT_KEY) -> str:
    return offline.to_base64url(sha256(canonical(jwk(key))).digest())


def keys_text(*keys: Ed25519PrivateKey) -> bytes:
    return json.dumps({"keys": [jwk(key) for key in keys or (DOCUMENT_KEY,)]}).encode()


def sign_document(typ: str, payload: bytes, key: Ed25519PrivateKey = DOCUMENT_KEY) -> str:
    """Sign a document, without our own code."""
    header = canonical({"alg": "Ed25519", "kid": kid_of(key), "typ": typ})
    signed = f"{offline.to_base64url(header)}.{offline.to_base64url(payload)}"
    return f"{signed}.{offline.to_base64url(key.sign(signed.encode()))}"


def seeded_signer(name: str) -> Ed25519Signer:
    return Ed25519Signer(name, sha256(name.encode()).digest())
