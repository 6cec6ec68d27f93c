"""A program to be killed: seals every key of a vault anew, and says so page by page.

Usage: rewrap_child.py URL EPOCH. Writes one byte for each page that the device sealed, before the
page's transaction; the parent kills it there, or a little later.
"""

import sys

from ledger.store import vault_epochs
from tests.support.vaults import Persons


def main(url: str, epoch: int) -> None:
    """Seal anew in small pages."""
    vault_epochs.PAGE = 8
    persons = Persons(url)
    rewrap = persons.wrapper.rewrap

    def telling(*asked):
        fresh = rewrap(*asked)
        sys.stdout.write(".")
        sys.stdout.flush()
        return fresh

    setattr(persons.wrapper, "rewrap", telling)  # noqa: B010  a wrapper of this process alone
    persons.vault.rewrap(epoch)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
