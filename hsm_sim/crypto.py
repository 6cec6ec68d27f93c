"""What is computed with keys, over `cryptography`; secrets come in as plain bytes.

Secrets: an AES key, an Ed25519 seed, a P-256 scalar (32 bytes), an ML-DSA seed. ECDSA is randomised
with a number from the device's seed; ML-DSA signatures are randomised by the library below, so the
bytes of neither are ever compared.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hsm_sim.constants import Attribute
from hsm_sim.exceptions import (
    DataLenRange,
    DomainParamsInvalid,
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    KeyTypeInconsistent,
    MechanismInvalid,
    MechanismParamInvalid,
    SignatureInvalid,
    SignatureLenRange,
    TemplateIncomplete,
    WrappedKeyInvalid,
    WrappedKeyLenRange,
)
from hsm_sim.mechanisms import GCMParams, KeyType, Mechanism, MLDSAParameterSet
from hsm_sim.objects import StoredObject
from hsm_sim.randomness import Randomness

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import (
        MLDSA44PrivateKey,
        MLDSA44PublicKey,
    )
except ImportError:  # older releases, the newest with wheels for some machines
    HAS_ML_DSA = False
else:
    HAS_ML_DSA = True

ED25519_NAMES: Final = (bytes.fromhex("06032b6570"), b"\x13\x0cedwards25519")
P256_NAMES: Final = (bytes.fromhex("06082a8648ce3d030107"), b"\x13\x09secp256r1")
ED25519_BYTES = 32
P256_SIGNATURE_BYTES = 64
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SCALAR_BYTES = 32
_DIGEST_BYTES_MAX = 128
_NONCE_BYTES = 12
_TAG_BYTES = 16
_BLOCK = 8

KEY_TYPES: Final[dict[Mechanism, KeyType]] = {
    Mechanism.EDDSA: KeyType.EC_EDWARDS,
    Mechanism.EC_EDWARDS_KEY_PAIR_GEN: KeyType.EC_EDWARDS,
    Mechanism.ECDSA: KeyType.EC,
    Mechanism.ECDSA_SHA256: KeyType.EC,
    Mechanism.EC_KEY_PAIR_GEN: KeyType.EC,
    Mechanism.ML_DSA: KeyType.ML_DSA,
    Mechanism.ML_DSA_KEY_PAIR_GEN: KeyType.ML_DSA,
    Mechanism.AES_KEY_GEN: KeyType.AES,
    Mechanism.AES_GCM: KeyType.AES,
    Mechanism.AES_KEY_WRAP: KeyType.AES,
    Mechanism.AES_KEY_WRAP_PAD: KeyType.AES,
}


# Keys -----------------------------------------------------------------------------------------


def new_secret(key_type: KeyType, length: int, randomness: Randomness) -> bytes:
    """Make the secret of a key; `length` counts for AES alone."""
    if key_type is KeyType.EC:
        number = randomness.below("key", _P256_ORDER - 1) + 1
        return number.to_bytes(_SCALAR_BYTES, "big")
    return randomness.octets("key", length if key_type is KeyType.AES else ED25519_BYTES)


def check_parameters(key_type: KeyType, said: dict[Attribute, object]) -> None:
    """Refuse the parameters of a pair that name no curve or strength known here."""
    if key_type is KeyType.ML_DSA:
        if said.get(Attribute.PARAMETER_SET) != MLDSAParameterSet.ML_DSA_44:
            raise MechanismParamInvalid("ML-DSA-44 only")
        return
    if Attribute.EC_PARAMS not in said:
        raise TemplateIncomplete("EC_PARAMS")
    names = ED25519_NAMES if key_type is KeyType.EC_EDWARDS else P256_NAMES
    if said[Attribute.EC_PARAMS] not in names:
        raise DomainParamsInvalid("an unknown curve")


def public_bytes(key_type: KeyType, secret: bytes) -> bytes:
    """Compute the public half: 32 bytes, an uncompressed point of 65, or 1312 of ML-DSA-44."""
    match key_type:
        case KeyType.EC_EDWARDS:
            return _edwards(secret).public_key().public_bytes_raw()
        case KeyType.EC:
            point = serialization.PublicFormat.UncompressedPoint
            public = _p256(secret).public_key()
            return public.public_bytes(serialization.Encoding.X962, point)
        case KeyType.ML_DSA:
            return MLDSA44PrivateKey.from_seed_bytes(secret).public_key().public_bytes_raw()
        case _:
            raise KeyTypeInconsistent(key_type.name)


def public_attributes(key_type: KeyType, public: bytes, *, bare: bool) -> dict[Attribute, bytes]:
    """Name the public half as a token does: a point, bare or in an OCTET STRING, or a value."""
    if key_type is KeyType.ML_DSA:
        return {Attribute.VALUE: public}
    return {Attribute.EC_POINT: public if bare else bytes([4, len(public)]) + public}


def encoded(key_type: KeyType, secret: bytes) -> bytes:
    """Encode a secret for wrapping: AES as it is, private keys as PKCS#8."""
    if key_type is KeyType.AES:
        return secret
    key = _edwards(secret) if key_type is KeyType.EC_EDWARDS else _p256(secret)
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def decoded(key_type: KeyType, data: bytes) -> bytes:
    """Read a secret that was wrapped; `WrappedKeyInvalid` when it is none of that type."""
    if key_type is KeyType.AES:
        if len(data) not in (16, 24, 32):
            raise WrappedKeyInvalid("not an AES key")
        return data
    try:
        key = serialization.load_der_private_key(data, None)
    except ValueError:
        raise WrappedKeyInvalid("not a private key") from None
    if key_type is KeyType.EC_EDWARDS and isinstance(key, ed25519.Ed25519PrivateKey):
        return key.private_bytes_raw()
    if key_type is KeyType.EC and isinstance(key, ec.EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes(_SCALAR_BYTES, "big")
    raise WrappedKeyInvalid("a private key of another type")


def check_value(secret: bytes) -> bytes:
    """Compute the check value of a secret key."""
    return sha256(secret).digest()[:3]


def private_key(
    key_type: KeyType, secret: bytes
) -> "ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | MLDSA44PrivateKey":
    """Give the private key of a pair as `cryptography` holds it."""
    if key_type is KeyType.ML_DSA:
        return MLDSA44PrivateKey.from_seed_bytes(secret)
    return _edwards(secret) if key_type is KeyType.EC_EDWARDS else _p256(secret)


@lru_cache(maxsize=4096)
def _edwards(secret: bytes) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(secret)


@lru_cache(maxsize=4096)
def _p256(secret: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())


# Signing --------------------------------------------------------------------------------------


def sign(mechanism: Mechanism, secret: bytes, data: bytes, randomness: Randomness) -> bytes:
    """Sign data, or for plain ECDSA a digest."""
    match mechanism:
        case Mechanism.EDDSA:
            return _edwards(secret).sign(data)
        case Mechanism.ECDSA:
            return _sign_digest(secret, _as_digest(data), randomness)
        case Mechanism.ECDSA_SHA256:
            return _sign_digest(secret, sha256(data).digest(), randomness)
        case Mechanism.ML_DSA:
            return MLDSA44PrivateKey.from_seed_bytes(secret).sign(data)
        case _:
            raise MechanismInvalid(mechanism.name)


def verify(mechanism: Mechanism, public: StoredObject, data: bytes, signature: bytes) -> None:
    """Check a signature; `SignatureInvalid` or `SignatureLenRange` when it is none."""
    try:
        match mechanism:
            case Mechanism.EDDSA:
                point = public.attributes[Attribute.EC_POINT][-ED25519_BYTES:]
                ed25519.Ed25519PublicKey.from_public_bytes(point).verify(signature, data)
            case Mechanism.ECDSA:
                _verify_digest(public, _as_digest(data), signature)
            case Mechanism.ECDSA_SHA256:
                _verify_digest(public, sha256(data).digest(), signature)
            case Mechanism.ML_DSA:
                value = public.attributes[Attribute.VALUE]
                MLDSA44PublicKey.from_public_bytes(value).verify(signature, data)
            case _:
                raise MechanismInvalid(mechanism.name)
    except InvalidSignature:
        raise SignatureInvalid from None


def _as_digest(data: bytes) -> bytes:
    """Take the leftmost 256 bits, as FIPS 186 does with longer digests."""
    if not 0 < len(data) <= _DIGEST_BYTES_MAX:
        raise DataLenRange(f"{len(data)} bytes")
    return data[:_SCALAR_BYTES]


def _sign_digest(secret: bytes, digest: bytes, randomness: Randomness) -> bytes:
    """Sign with a number used once from the device's seed, instead of the machine's randomness."""
    z, d = int.from_bytes(digest, "big"), int.from_bytes(secret, "big")
    while True:
        k = randomness.below("ecdsa", _P256_ORDER - 1) + 1
        x = ec.derive_private_key(k, ec.SECP256R1()).public_key().public_numbers().x
        r = x % _P256_ORDER
        s = pow(k, -1, _P256_ORDER) * (z + r * d) % _P256_ORDER
        if r and s:
            return r.to_bytes(_SCALAR_BYTES, "big") + s.to_bytes(_SCALAR_BYTES, "big")


def _verify_digest(public: StoredObject, digest: bytes, signature: bytes) -> None:
    if len(signature) != P256_SIGNATURE_BYTES:
        raise SignatureLenRange
    r = int.from_bytes(signature[:_SCALAR_BYTES], "big")
    s = int.from_bytes(signature[_SCALAR_BYTES:], "big")
    point = public.attributes[Attribute.EC_POINT][-(2 * _SCALAR_BYTES + 1) :]
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    rule = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
    key.verify(utils.encode_dss_signature(r, s), digest.rjust(_SCALAR_BYTES, b"\0"), rule)


# Encrypting -----------------------------------------------------------------------------------


def encrypt(mechanism: Mechanism, secret: bytes, data: bytes, given: GCMParams | None) -> bytes:
    """Encrypt data with AES-GCM (tag at the end) or the key wrapping of RFC 3394 and 5649."""
    if mechanism is Mechanism.AES_GCM:
        nonce, aad = _gcm(given)
        return AESGCM(secret).encrypt(nonce, data, aad)
    return _wraps(mechanism, data)(secret, data)


def decrypt(mechanism: Mechanism, secret: bytes, data: bytes, given: GCMParams | None) -> bytes:
    """Open what `encrypt` made; `EncryptedDataInvalid` when it is anything else."""
    if mechanism is Mechanism.AES_GCM:
        nonce, aad = _gcm(given)
        if len(data) < _TAG_BYTES:
            raise EncryptedDataLenRange
        try:
            return AESGCM(secret).decrypt(nonce, data, aad)
        except InvalidTag:
            raise EncryptedDataInvalid from None
    try:
        return unwrap(mechanism, secret, data)
    except WrappedKeyLenRange:
        raise EncryptedDataLenRange from None
    except WrappedKeyInvalid:
        raise EncryptedDataInvalid from None


def unwrap(mechanism: Mechanism, secret: bytes, data: bytes) -> bytes:
    """Open a wrapped key; `WrappedKeyInvalid` or `WrappedKeyLenRange` when it is none."""
    padded = mechanism is Mechanism.AES_KEY_WRAP_PAD
    if len(data) % _BLOCK or len(data) < (2 if padded else 3) * _BLOCK:
        raise WrappedKeyLenRange(f"{len(data)} bytes")
    opens = keywrap.aes_key_unwrap_with_padding if padded else keywrap.aes_key_unwrap
    try:
        return opens(secret, data)
    except keywrap.InvalidUnwrap:
        raise WrappedKeyInvalid from None


def _gcm(given: GCMParams | None) -> tuple[bytes, bytes | None]:
    if given is None:
        raise TypeError("AES-GCM needs GCMParams")
    if len(given.nonce) != _NONCE_BYTES or given.tag_bits != _TAG_BYTES * 8:
        raise MechanismParamInvalid("a nonce of 12 bytes and a tag of 128 bits")
    return given.nonce, given.aad


def _wraps(mechanism: Mechanism, data: bytes) -> Callable[[bytes, bytes], bytes]:
    if mechanism is Mechanism.AES_KEY_WRAP_PAD and data:
        return keywrap.aes_key_wrap_with_padding
    if mechanism is Mechanism.AES_KEY_WRAP and not len(data) % _BLOCK and len(data) > _BLOCK:
        return keywrap.aes_key_wrap
    if mechanism in (Mechanism.AES_KEY_WRAP, Mechanism.AES_KEY_WRAP_PAD):
        raise DataLenRange(f"{len(data)} bytes")
    raise MechanismInvalid(mechanism.name)
