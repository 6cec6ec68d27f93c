"""Views again from the log: replayed beside the live ones, compared, then swapped in at once.

The growing tables are never rebuilt (nobody may change them); `verify --deep` compares those. One
transaction per rebuild: a reader sees either all old rows or all new ones.
"""

import msgspec

from ledger.kernel.errors import NotFound
from ledger.runtime.ledger import Ledger
from ledger.runtime.replay import Progress, no_progress, replay
from ledger.store import rebuilding


class Rebuilt(msgspec.Struct, frozen=True):
    """One view after a rebuild: its rows, and how many of the live ones were wrong or missing."""

    view: str
    rows: int
    mended: int


def rebuild(
    ledger: Ledger, names: tuple[str, ...] = (), progress: Progress = no_progress
) -> list[Rebuilt]:
    """Rebuild the named views (all when none is named) and say what was mended.

    Raises:
        NotFound: there is no view of that name.
        ReplayDiffers: the log itself does not hold; nothing is changed.
        Conflict: the log moved on meanwhile; nothing is changed, try again.
    """
    unknown = [name for name in names if name not in rebuilding.NAMES]
    if unknown:
        raise NotFound(f"no view {', '.join(unknown)}; there are {', '.join(rebuilding.NAMES)}")
    with ledger.reading() as reads:
        replayed = replay(reads, progress)
        size = reads.size
    views = replayed.views()
    chosen = names or rebuilding.NAMES
    done: list[Rebuilt] = []
    with ledger.writing() as tx:
        rebuilding.hold_still(tx, ledger.name.log_id, size)
        for name in chosen:
            if name == rebuilding.BALANCE:
                mended = rebuilding.replace_balances(tx, ledger.name.log_id, replayed.balances)
                done.append(Rebuilt(name, len(replayed.balances), mended))
            else:
                mended = rebuilding.replace_view(tx, ledger.name.log_id, name, views[name])
                done.append(Rebuilt(name, len(views[name]), mended))
    return done
