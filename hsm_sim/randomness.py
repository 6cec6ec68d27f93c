"""All randomness of a device, from one seed.

Each purpose draws from its own stream, so that one more draw for one (a fault, a delay) does not
change what another (a key) gets. Each start of the device opens new streams: a device that was
killed and loaded again from its file never gives the same random bytes twice.
"""

from hashlib import shake_256

_PERCENT = 100


class Randomness:
    """Seeded random bytes: SHAKE-256 over seed, start, purpose and running number."""

    def __init__(self, seed: int, start: int) -> None:
        self._root = f"hsm_sim/{seed}/{start}/".encode()
        self._drawn: dict[str, int] = {}

    def octets(self, purpose: str, length: int) -> bytes:
        """Draw bytes for a purpose."""
        number = self._drawn.get(purpose, 0)
        self._drawn[purpose] = number + 1
        return shake_256(self._root + f"{purpose}/{number}".encode()).digest(length)

    def below(self, purpose: str, bound: int) -> int:
        """Draw a number from 0 to `bound` - 1; the bias is below 2**-64 for bounds up to 2**256."""
        size = (bound.bit_length() + 7) // 8 + 8
        return int.from_bytes(self.octets(purpose, size), "big") % bound

    def happens(self, purpose: str, percent: int) -> bool:
        """Decide something that happens in so many of a hundred cases."""
        return percent >= _PERCENT or (percent > 0 and self.below(purpose, _PERCENT) < percent)
