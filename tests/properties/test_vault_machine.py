"""Whatever happens to a vault and in which order, an erased person never comes back.

A model that knows only who was registered and who was ordered away is compared after each step.
MOBILEGRID_VAULT_STEPS makes the walk longer.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ledger.kernel.errors import NotFound
from ledger.kernel.instants import DAY, HOUR
from ledger.runtime.sweeping import sweep
from ledger.runtime.verify import verify
from tests.support.erasing import People
from tests.support.vaults import CONTACT, INVOICE

STEPS = int(os.environ.get("MOBILEGRID_VAULT_STEPS", "20"))
PICK = st.integers(0, 1_000)


class Stopped(Exception):
    pass


class VaultMachine(RuleBasedStateMachine):
    """A ledger, its vault, a backup, and persons."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="mg-vault-"))
        self.people = People(
            f"sqlite:///{self.folder / 'town.db'}", f"sqlite:///{self.folder / 'vault.db'}"
        )
        self.mails: dict[str, str] = {}
        self.until: dict[str, int] = {}
        self.ordered: set[str] = set()
        self.sealed: dict[str, list[bytes]] = {}
        self.destroyed: list[bytes] = []
        self.backup = b""
        self.lost: set[str] = set()
        self.unfinished = False

    def teardown(self) -> None:
        with self.people.ledger.reading() as reads:
            verify(reads, deep=True)
        self.people.close()
        shutil.rmtree(self.folder)

    def _one(self, pick: int) -> str:
        known = sorted(self.mails)
        return known[pick % len(known)]

    @rule(
        mail=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
        years=st.sampled_from([0, 0, 1]),
    )
    def register(self, mail: str, years: int) -> None:
        until = self.people.clock.now() + 365 * DAY * years if years else 0
        subject = self.people.register(keep_until=until, email=mail)
        self.mails[subject] = mail
        self.until[subject] = until

    @precondition(lambda self: self.mails)
    @rule(pick=PICK, mail=st.text("abcé", max_size=9))
    def change(self, pick: int, mail: str) -> None:
        subject = self._one(pick)
        if subject in self.ordered or subject in self.lost:
            with pytest.raises(NotFound):
                self.people.vault.change(subject, "contact", {"email": mail})
        else:
            self.people.vault.change(subject, "contact", {"email": mail})
            self.mails[subject] = mail

    @precondition(lambda self: self.mails)
    @rule(
        pick=PICK,
        stop=st.sampled_from(["", "", "destroy", "empty_log", "_swept"]),
        late=st.booleans(),
    )
    def erase(self, pick: int, stop: str, *, late: bool) -> None:
        subject = self._one(pick)
        self._note_keys()
        homes = {"destroy": self.people.vault, "empty_log": self.people.vault.database}
        home = homes.get(stop, self.people.erasing)
        if not stop:
            self.people.erase(subject)
        else:
            real = getattr(home, stop)

            def stopping(*args, **options):
                if late:
                    real(*args, **options)
                raise Stopped

            setattr(home, stop, stopping)
            try:
                self.people.erase(subject)
            except Stopped:
                self.unfinished = True
            finally:
                setattr(home, stop, real)
        self.ordered.add(subject)

    def _note_keys(self) -> None:
        with self.people.vault.database.reader.connect() as tx:
            for subject, wrapped in tx.exec_driver_sql("SELECT subject, wrapped FROM subject_key"):
                self.sealed.setdefault(subject, []).append(bytes(wrapped))

    @rule()
    def sweep(self) -> None:
        self._note_keys()
        self.people.erasing.sweep()
        self.unfinished = False

    @rule(hours=st.sampled_from([1, 23, 200 * 24]))
    def wait(self, hours: int) -> None:
        self.people.clock.at += hours * HOUR

    @rule()
    def restart(self) -> None:
        self.people.restart()

    @rule()
    def new_epoch(self) -> None:
        self._note_keys()
        self.people.vault.rewrap(self.people.vault.keys.epoch + 1)

    @rule()
    def back_up(self) -> None:
        self.people.vault.database.empty_log()
        self.backup = (self.folder / "vault.db").read_bytes()

    @precondition(lambda self: self.backup)
    @rule()
    def restore(self) -> None:
        """An older state of the vault comes back; the ledger does not go back."""
        self.people.vault.close()
        for path in self.folder.glob("vault.db-*"):
            path.unlink()
        (self.folder / "vault.db").write_bytes(self.backup)
        self.people.restart()
        self.people.erasing.apply_orders()
        known = {subject for subject, _ in self.people.vault.subjects()}
        self.lost = set(self.mails) - known - self.ordered
        for subject in set(self.mails) - self.lost - self.ordered:
            self.mails[subject] = str(self.people.vault.read(subject, "contact")["email"])

    @invariant()
    def persons_are_readable_until_their_erasure_is_ordered(self) -> None:
        for subject, mail in self.mails.items():
            if subject in self.ordered or subject in self.lost:
                with pytest.raises(NotFound):
                    self.people.vault.read(subject, "contact")
            else:
                assert self.people.vault.read(subject, "contact") == CONTACT | {"email": mail}
                assert self.people.vault.read(subject, "invoice") == INVOICE

    @invariant()
    def no_byte_of_a_completed_erasure_is_left(self) -> None:
        if self.unfinished:
            return
        done = [subject for subject in self.ordered if not self.people.erasing.state(subject).kept]
        needles = [key for subject in done for key in self.sealed.get(subject, ())]
        needles += [subject.encode() for subject in done]
        assert sweep(self.people.vault.database.files(), needles).found == ()


VaultMachine.TestCase.settings = settings(
    max_examples=6,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
test_an_erased_person_never_comes_back = VaultMachine.TestCase
