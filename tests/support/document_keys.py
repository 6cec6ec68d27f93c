"""A key of documents in this process: it signs as the signer does, whatever it is given."""

from base64 import urlsafe_b64encode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.signer.documents import Document, signing_input, thumbprint, verify_document
from partner_api.deps import Documents

_KEY = Ed25519PrivateKey.from_private_bytes(sha256(b"key of documents").digest())
_PUBLIC = _KEY.public_key().public_bytes_raw()
KEYS = {thumbprint(_PUBLIC): _PUBLIC}


def sign(typ: str, payload: bytes) -> str:
    text = signing_input(typ, thumbprint(_PUBLIC), payload)
    signature = urlsafe_b64encode(_KEY.sign(text)).rstrip(b"=")
    return f"{text.decode()}.{signature.decode()}"


def opened(jws: str, typ: str) -> Document:
    """Check a document, and give what it says."""
    return verify_document(jws, KEYS, typ)


DOCUMENTS = Documents(sign)
