"""Key types, mechanisms and their parameters, with the names and numbers of python-pkcs11."""

from enum import IntEnum

from hsm_sim.exceptions import ArgumentsBad


class KeyType(IntEnum):
    """What kind of key a key is."""

    RSA = 0x00000000
    DSA = 0x00000001
    DH = 0x00000002
    EC = 0x00000003
    GENERIC_SECRET = 0x00000010
    DES2 = 0x00000014
    DES3 = 0x00000015
    AES = 0x0000001F
    SHA256_HMAC = 0x0000002B
    EC_EDWARDS = 0x00000040
    ML_KEM = 0x00000049
    ML_DSA = 0x0000004A


class Mechanism(IntEnum):
    """What is computed with a key."""

    RSA_PKCS_KEY_PAIR_GEN = 0x00000000
    RSA_PKCS = 0x00000001
    RSA_PKCS_OAEP = 0x00000009
    SHA256_RSA_PKCS = 0x00000040
    SHA512_RSA_PKCS = 0x00000042
    DSA_KEY_PAIR_GEN = 0x00000010
    DSA_SHA512 = 0x00000016
    DH_PKCS_KEY_PAIR_GEN = 0x00000020
    SHA256 = 0x00000250
    SHA256_HMAC = 0x00000251
    SHA512 = 0x00000270
    SHA512_HMAC = 0x00000271
    GENERIC_SECRET_KEY_GEN = 0x00000350
    EC_KEY_PAIR_GEN = 0x00001040
    ECDSA = 0x00001041
    ECDSA_SHA1 = 0x00001042
    ECDSA_SHA256 = 0x00001044
    ECDSA_SHA384 = 0x00001045
    ECDSA_SHA512 = 0x00001046
    ECDH1_DERIVE = 0x00001050
    AES_KEY_GEN = 0x00001080
    AES_ECB = 0x00001081
    AES_CBC = 0x00001082
    AES_CBC_PAD = 0x00001085
    AES_CTR = 0x00001086
    AES_MAC = 0x00001083
    AES_CMAC = 0x0000108A
    AES_GCM = 0x00001087
    AES_CCM = 0x00001088
    AES_KEY_WRAP = 0x00002109
    AES_KEY_WRAP_PAD = 0x0000210A
    AES_KEY_WRAP_KWP = 0x0000210B
    AES_KEY_WRAP_PKCS7 = 0x0000210C
    EDDSA = 0x00001057
    EC_EDWARDS_KEY_PAIR_GEN = 0x00001055
    ML_KEM_KEY_PAIR_GEN = 0x0000000F
    ML_KEM = 0x00000017
    ML_DSA_KEY_PAIR_GEN = 0x0000001C
    ML_DSA = 0x0000001D


class MLDSAParameterSet(IntEnum):
    """The strengths of ML-DSA (FIPS 204)."""

    ML_DSA_44 = 0x00000001
    ML_DSA_65 = 0x00000002
    ML_DSA_87 = 0x00000003


class GCMParams:
    """What AES-GCM needs beside the data.

    A device that picks nonces itself writes its own into `nonce`; read it after encrypting.
    """

    NONCE_BYTES_MAX = 12

    def __init__(self, nonce: bytes, aad: bytes | None = None, tag_bits: int = 128) -> None:
        if len(nonce) > self.NONCE_BYTES_MAX:
            raise ArgumentsBad("a nonce has at most 12 bytes")
        self.nonce = nonce
        self.aad = aad
        self.tag_bits = tag_bits
