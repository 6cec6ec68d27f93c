"""The core: one append-only log, pure rules, one writer, proofs.

The public door is lazy, because Python runs this file on every `import ledger.kernel.…` and no
room may pull in the house::

    from ledger import open_ledger

    with open_ledger("sqlite:///town.db") as ledger:
        with ledger.reading() as reads:
            print(reads.size)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.kernel.errors import (
        CheckpointInvalid,
        Conflict,
        InvariantBroken,
        Malformed,
        Misconfigured,
        MobileGridError,
        NotFound,
        ProofInvalid,
        Refused,
        ReplayDiffers,
        SignatureInvalid,
        TamperEvidence,
        Unavailable,
    )
    from ledger.runtime.ledger import Ledger, create_ledger

    open_ledger = Ledger

__all__ = [
    "CheckpointInvalid",
    "Conflict",
    "InvariantBroken",
    "Ledger",
    "Malformed",
    "Misconfigured",
    "MobileGridError",
    "NotFound",
    "ProofInvalid",
    "Refused",
    "ReplayDiffers",
    "SignatureInvalid",
    "TamperEvidence",
    "Unavailable",
    "create_ledger",
    "open_ledger",
]

_RUNTIME = {"Ledger": "Ledger", "open_ledger": "Ledger", "create_ledger": "create_ledger"}


def __getattr__(name: str) -> object:
    """Fetch a public name when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'ledger' has no attribute {name!r}")
    if name in _RUNTIME:
        return getattr(import_module("ledger.runtime.ledger"), _RUNTIME[name])
    return getattr(import_module("ledger.kernel.errors"), name)
