"""A ledger with a vault beside it, and everything an erasure needs."""

from collections.abc import Sequence
from pathlib import Path

from ledger.domain.parties import RegisterParty
from ledger.domain.privacy import EraseSubject, RegisterSubject, Subject
from ledger.kernel.messages import Actor, Request
from ledger.runtime.erasing import Erasing, erased_in
from ledger.runtime.ledger import Ledger
from tests.support.ledgers import asking, new_ledger
from tests.support.vaults import CONTACT, INVOICE, Persons

SUPPORT = Actor(id="SU-1", role="support")


class People:
    """A ledger, made new from a URL or given, its vault, and persons who come and go."""

    def __init__(self, ledger: str | Ledger, vault_url: str, places: Sequence[Path] = ()) -> None:
        self.persons = Persons(vault_url)
        self.clock = self.persons.clock
        self.ledger = new_ledger(ledger) if isinstance(ledger, str) else ledger
        self.places = tuple(places)
        self.connect()

    def connect(self) -> None:
        """Put ledger and vault together, as after a restart."""
        self.vault = self.persons.vault
        self.vault._is_erased = erased_in(self.ledger)
        self.erasing = Erasing(self.ledger, self.vault, self.clock, self.places)

    def restart(self) -> None:
        """Let go of both databases and open them again."""
        url = self.ledger.url.render_as_string(hide_password=False)
        self.close()
        self.ledger = Ledger(url)
        self.persons.open(self.vault.keys.epoch)
        self.connect()

    def register(self, number: int = 0, *, keep_until: int = 0, **contact: object) -> str:
        """Register a person: the vault first, then the log."""
        subject, sealed = self.vault.register(CONTACT | contact, INVOICE, keep_until=keep_until)
        party = RegisterParty(party_id=subject, party_roles=("driver",), country="FR")
        person = RegisterSubject(subject_id=subject, sealed=sealed)
        receipts = self.ledger.execute_all(
            [asking(party, f"party {subject}"), asking(person, f"person {subject}", actor=SUPPORT)]
        )
        assert all(each.refusal is None for each in receipts), (number, receipts)
        return subject

    def asked(self, subject: str, *, reason: str = "person_asked", name: str = "") -> Request:
        command = EraseSubject(subject_id=subject, reason=reason, requested_by="SU-1")
        return asking(command, name or f"erase {subject}", actor=SUPPORT, at=self.clock.now())

    def erase(self, subject: str) -> Subject:
        return self.erasing.erase(self.asked(subject))

    def close(self) -> None:
        self.ledger.close()
        self.vault.close()
