"""Observations: what a source says it saw of one pack, as the derivation of custody reads it.

An observation never changes. It says when (as well as that is known), where, and how sure: the
place is a custody account, the object is a pack by the name it goes by. Custody is made from these
values and from nothing else, so two readers of the same observations find the same holders.
"""

from hashlib import sha256

import msgspec

from ledger.kernel.envelope import canonical

IN = "in"
OUT = "out"
PRESENT = "present"
ABSENT = "absent"
SCAN = "scan"
KINDS = frozenset({IN, OUT, PRESENT, ABSENT, SCAN})
"""A pack came in, went out, was listed by a snapshot, was not where it should be, was scanned."""

UNPROVEN = ""
"""Verdict of an object that was not asked to prove what it says it is."""

PROVEN = "VALID"
REFUTED = "INVALID"
"""Verdicts of an object that was asked: it holds the pack's key, or it does not."""

UNKNOWN_TIME = "U"
"""Quality of a clock that says nothing: such an observation is ordered by its neighbours only."""


class Observation(msgspec.Struct, frozen=True, array_like=True):
    """One report about one pack; kept as a list, for a pack has dozens of them.

    (`source`, `boot`, `seq`) is its place in the order of its source; `seq` is 0 where the source
    does not count. `at` is the corrected time (us), `uncertainty_us` how wrong that may be.
    `driver_id` is who stood there, empty for nobody known. `level` is the evidence level (0 to 5),
    `digest` names the content, `position` is the entry in the log, -1 before it is written.
    """

    source: str
    boot: str
    seq: int
    kind: str
    place: str
    pack_id: str
    at: int
    digest: str = ""
    driver_id: str = ""
    level: int = 3
    uncertainty_us: int = 0
    quality: str = "S"
    verdict: str = UNPROVEN
    received_at: int = 0
    swap_id: str = ""
    soc_bp: int | None = None
    soh_bp: int | None = None
    position: int = -1

    @property
    def key(self) -> str:
        """Name it for ever: by its place in its source, or by its content where it has none."""
        return f"{self.source}|{self.boot}|{self.seq or self.digest}"


def content_digest(content: object) -> str:
    """Name the content of a message: 16 bytes of SHA-256 over its canonical form, as hex.

    >>> content_digest({"pack": "PK-1"}) == content_digest({"pack": "PK-1"})
    True
    """
    return sha256(canonical(content)).hexdigest()[:32]


def absence(seen: Observation, pack_id: str, place: str) -> Observation:
    """Say of a pack that it was not there, when something else was seen in its place.

    It keeps the place of `seen` in the order of its source: one look tells of both.
    """
    return msgspec.structs.replace(
        seen,
        kind=ABSENT,
        pack_id=pack_id,
        place=place,
        driver_id="",
        swap_id="",
        soc_bp=None,
        soh_bp=None,
        verdict=UNPROVEN,
    )
