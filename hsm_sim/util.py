"""Helpers beside the library, named as in python-pkcs11: `util.ec`."""

from typing import Final

from hsm_sim.crypto import ED25519_NAMES, P256_NAMES

_CURVES: Final = {
    "ed25519": ED25519_NAMES[0],
    "1.3.101.112": ED25519_NAMES[0],
    "secp256r1": P256_NAMES[0],
    "1.2.840.10045.3.1.7": P256_NAMES[0],
}


class ec:  # noqa: N801  a module of that name in the package
    """Parameters of curves."""

    @staticmethod
    def encode_named_curve_parameters(oid: str) -> bytes:
        """Encode the name of a curve as DER; KeyError when it is unknown."""
        return _CURVES[oid]
