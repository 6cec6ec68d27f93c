"""A process that closes a month and dies as soon as the first invoices of it are issued.

`close_child.py URL`; it ends by SIGKILL, or with exit 0 where it came to the end.
"""

import os
import signal
import sys

from ledger.runtime.ledger import Ledger
from ledger.runtime.settling import close_period
from tests.support.swap_month import CLOSED_AT, FINANCE, MONTH


def die(what: str, _done: int, _total: int) -> None:
    """Let nobody tidy up."""
    if what == "invoices":
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    with Ledger(sys.argv[1]) as opened:
        close_period(opened, MONTH, actor=FINANCE, at=CLOSED_AT, progress=die)
