"""Begin a ledger, register a driver, ask the same again, be refused, and read it back.

Run it with a file name for the new ledger: python examples/open_and_submit.py town.db
"""

import sys
import uuid

from ledger import Refused, create_ledger, open_ledger
from ledger.domain.opening import OpenLedger
from ledger.domain.parties import PARTIES, RegisterParty
from ledger.kernel.instants import parse_instant
from ledger.kernel.messages import Actor, Command, Request

NOW = parse_instant("2026-01-15T08:00:00Z", "now")  # a service would ask its clock


def request(actor: Actor, command: Command, name: str) -> Request:
    """Wrap a command; the same name gives the same idempotency key, so a retry is safe."""
    key = uuid.uuid5(uuid.NAMESPACE_URL, name).bytes
    return Request(key=key, principal="example", actor=actor, at=NOW, command=command)


def main(file: str) -> None:
    """Make the ledger and talk to it."""
    url = f"sqlite:///{file}"
    opening = OpenLedger(ledger="example", origin="log.example.net/example", zone="UTC")
    create_ledger(url, request(Actor("system", "system"), opening, "opening")).close()

    clerk = Actor("clerk-1", "support")
    anna = RegisterParty(party_id="DR-1", party_roles=("driver",), country="FR")
    with open_ledger(url) as ledger:
        print("entries at", ledger.execute(request(clerk, anna, "register DR-1")).first)
        again = ledger.execute(request(clerk, anna, "register DR-1"))
        print("asked again, same answer:", again.first, again.replayed)
        other = RegisterParty(party_id="DR-1", party_roles=("driver",), country="DE")
        try:
            ledger.execute(request(clerk, other, "register another DR-1"))
        except Refused as error:
            print(error.explain())
        with ledger.reading() as reads:
            print(reads.size, "entries;", reads.row(PARTIES, "DR-1"))


if __name__ == "__main__":
    main(sys.argv[1])
