"""The two hashes of a Merkle tree (RFC 6962 section 2.1).

A leaf is SHA-256(0x00 ‖ entry bytes), an inner node SHA-256(0x01 ‖ left ‖ right). The first byte
keeps the two apart, so that no entry can pass for a node.
"""

from hashlib import sha256

HASH_BYTES = 32
"""Length of every hash in the log."""

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Hash the bytes of one entry into its leaf.

    >>> leaf_hash(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbouring subtrees, 32 bytes each, into the node above them."""
    return sha256(b"\x01" + left + right).digest()
