"""A program that fills its disk: writes until it is told that no more goes, then gets room again.

Usage: full_disk_child.py URL BYTES. BYTES is what its files may still grow, or 0 where the disk
itself is full soon; then the file `ballast` beside the ledger is what makes room. Prints one JSON
object.
"""

import json
import os
import resource
import sys
from pathlib import Path

from ledger.kernel.errors import Unavailable
from ledger.runtime.ledger import Ledger
from ledger.runtime.verify import verify
from tests.support.ledgers import party

BATCH = 100
BATCHES_MAX = 1_000


def fill(ledger: Ledger) -> tuple[int, str]:
    """Write batches until one is refused: how many requests were acknowledged, and why no more."""
    for number in range(BATCHES_MAX):
        some = [party(number * BATCH + step) for step in range(BATCH)]
        try:
            ledger.execute_all(some)
        except Unavailable as error:
            return number * BATCH, error.explain()
    return BATCHES_MAX * BATCH, ""


def main(url: str, room: int) -> None:
    """Fill the disk, look at what is there, make room, and go on."""
    file = Path(url.removeprefix("sqlite:///"))
    ballast = file.parent / "ballast"
    with Ledger(url) as ledger:
        if room:
            size = max(each.stat().st_size for each in file.parent.iterdir())
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, resource.RLIM_INFINITY))
        acknowledged, said = fill(ledger)
        with ledger.reading() as reads:
            full = verify(reads, deep=True).size
        if room:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        elif ballast.exists():
            ballast.unlink()
        after = ledger.execute_all([party(acknowledged + step) for step in range(BATCH)])
    with Ledger(url) as ledger, ledger.reading() as reads:
        size = verify(reads, deep=True).size
    print(
        json.dumps(
            {
                "acknowledged": acknowledged,
                "said": said,
                "size_when_full": full,
                "replayed_after": sum(receipt.replayed for receipt in after),
                "size": size,
            }
        )
    )


if __name__ == "__main__":
    os.umask(0o077)
    main(sys.argv[1], int(sys.argv[2]))
