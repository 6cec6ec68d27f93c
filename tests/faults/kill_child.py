"""A program to be killed: forks writers one after the other and kills each at a random moment.

Usage: kill_child.py URL SEED KILLS. Prints one JSON object: acknowledged and found entries.
"""

import json
import os
import select
import signal
import sys
import time
from random import Random  # noqa: TID251 - seeded below

from ledger.domain.parties import PartyRegistered
from ledger.runtime.ledger import Ledger
from ledger.runtime.verify import verify
from tests.support.ledgers import party

BURST = 8
IN_MID_WRITING = 0.8


def write(url: str, first: int, pipe: int) -> None:
    """Write until killed, saying after every answer how far it is acknowledged."""
    with Ledger(url) as ledger:
        number = first
        while True:
            futures = [ledger.submit(party(number + step)) for step in range(BURST)]
            for future in futures:
                future.result()
            number += BURST
            os.write(pipe, number.to_bytes(8, "big"))


def main(url: str, seed: int, kills: int) -> None:
    """Kill writers, then ask for everything acknowledged once more."""
    chance = Random(seed)
    acknowledged = 0
    for _ in range(kills):
        read, pipe = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            write(url, acknowledged, pipe)
            os._exit(0)
        os.close(pipe)
        if chance.random() < IN_MID_WRITING:
            select.select([read], [], [], 30)
            time.sleep(chance.random() * 0.02)
        else:  # perhaps while it opens the ledger
            time.sleep(chance.random() * 0.2)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while said := os.read(read, 8):
            acknowledged = int.from_bytes(said, "big")
        os.close(read)
    with Ledger(url) as ledger:
        replays = 0
        for start in range(0, acknowledged, 256):
            some = [party(number) for number in range(start, min(start + 256, acknowledged))]
            replays += sum(receipt.replayed for receipt in ledger.execute_all(some))
        with ledger.reading() as reads:
            verify(reads, deep=True)
            ids = [
                one.event.party_id
                for one in reads.entries(kinds=(PartyRegistered.kind,))
                if isinstance(one.event, PartyRegistered)
            ]
    print(
        json.dumps(
            {
                "acknowledged": acknowledged,
                "replays": replays,
                "entries": len(ids),
                "distinct": len(set(ids)),
                "lost": len({f"DR-{number}" for number in range(acknowledged)} - set(ids)),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
