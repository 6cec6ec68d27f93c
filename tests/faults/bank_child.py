"""Orders a payout, or takes in what the bank says of it, and dies right after the commit.

Points: `ordered` after the order is approved and before its file is written, `booked` after a
statement is booked and before anybody is told. The exit code says that it died there.
"""

import os
import sys
from pathlib import Path

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.bank.orders import approving
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import Ledger
from ledger.runtime.reconciliation_import import Importing, import_one
from tests.support.ledgers import asking
from tests.support.partners import PAYER
from tests.support.settled_ledger import PAY_AT
from tests.support.settling import HOLDER, batch

DIED = 9


def main(url: str, file: str, point: str) -> None:
    """Do one thing and die."""
    ledger = Ledger(url)
    if point == "ordered":
        with ledger.reading() as reads:
            command, _content = approving(reads, batch(), HOLDER)
        ledger.execute(asking(command, "order", actor=PAYER, at=PAY_AT))
        os._exit(DIED)  # as kill -9: no file is written, nothing is said
    (told,) = read_statements(Path(file).read_bytes())[1]
    how = Importing(Actor("FI-1", "finance"), PAY_AT, "FI-9", lambda _: [told])
    import_one(ledger, told, how)
    os._exit(DIED)


if __name__ == "__main__":
    main(*sys.argv[1:])
