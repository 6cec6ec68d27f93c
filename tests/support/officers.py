"""Officers of a ceremony who are always of one mind, or not."""

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAMES = ("ada", "grace")


class TestOfficers:
    """Two officers with keys and parts derived from their names."""

    __test__ = False  # not a class of tests

    def __init__(self, *, refuses_at: int = 0, refuser: str = "grace") -> None:
        self.asked: list[tuple[str, str]] = []
        self.refuses_at = refuses_at
        self.refuser = refuser
        self.keys = {
            name: Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
            for name in NAMES
        }

    def public_key(self, name: str) -> str:
        return self.keys[name].public_key().public_bytes_raw().hex()

    def confirm(self, officer: str, sentence: str) -> bool:
        self.asked.append((officer, sentence))
        return not (officer == self.refuser and sentence.startswith(f"{self.refuses_at}."))

    def part(self, officer: str, label: str) -> bytes:
        return sha256(f"{officer}'s part of {label}".encode()).digest()

    def sign(self, officer: str, message: bytes) -> bytes:
        return self.keys[officer].sign(message)
