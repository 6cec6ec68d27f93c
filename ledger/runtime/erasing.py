"""Erasing a person: five steps over two databases, each of which may be repeated.

1. One commit in the log: the entry `subject.erasure_ordered`, its row in `erasure`, word for the
   outside. From this commit on nobody reads the person.
2. The vault's key rows, then its field rows are deleted, opened keys forgotten, its write-ahead log
   emptied.
3. Every byte of the files is searched for the sealed keys. What is still found in the vault, which
   can be, since a page keeps what it held before a row moved, makes its file to be written anew.
4. The entry `subject.erased` with what the sweep read.
5. A certificate for the person, with proofs of both entries.

A process may die anywhere: `sweep` finds the unfinished erasures in the log and goes on. It also
erases what was kept until a date, removes persons whom no entry names, and takes away whoever a
restored backup brought back.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from ledger.domain.parties import PARTIES
from ledger.domain.privacy import (
    CONTACT,
    KEPT,
    ORDERED,
    PURPOSES,
    SUBJECTS,
    CompleteErasure,
    EraseSubject,
    Subject,
)
from ledger.kernel.errors import NotFound, TamperEvidence
from ledger.kernel.ids import key_at
from ledger.kernel.instants import DAY, Clock
from ledger.kernel.messages import Actor, Request
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.sweeping import NEEDLE_BYTES_MIN, Swept, files_below, sweep
from ledger.store import erasures, notices, sign_in
from ledger.store.engine import sqlite_file
from ledger.store.vault import DestroyedKey, Vault

SYSTEM = Actor(id="system", role="system")
ORPHAN_AGE_US = DAY
"""A person in the vault whom no entry names is removed when older than this."""

AT_ONCE = 100

T = TypeVar("T")


class SweepDone(msgspec.Struct, frozen=True):
    """What a sweep did: erasures completed, kept data that fell due, persons removed."""

    completed: tuple[str, ...] = ()
    fell_due: tuple[str, ...] = ()
    brought_back: int = 0
    orphans: int = 0


def erased_in(ledger: Ledger) -> Callable[[str], bool]:
    """Give the question every read of the vault asks first."""

    def is_erased(subject: str) -> bool:
        with ledger.reading() as reads:
            return erasures.is_ordered(reads.tx, ledger.name.log_id, subject)

    return is_erased


class Erasing:
    """Erasure of persons from a ledger's vault.

    `places` are files and folders beside both databases in which no sealed key may be found:
    exports, backups in reach.
    """

    def __init__(
        self, ledger: Ledger, vault: Vault, clock: Clock, places: Sequence[Path] = ()
    ) -> None:
        self._ledger = ledger
        self._vault = vault
        self._clock = clock
        self._places = tuple(places)

    # The steps ----------------------------------------------------------------

    def erase(self, request: Request) -> Subject:
        """Erase a person, steps 1 to 4; done and on record when it returns.

        The request's command is an `EraseSubject`; its `keys` are filled in here.

        Raises:
            Refused: the rules say no, for example because the person holds a pack.
            Unavailable: a database or a file is away; ask again, or let `sweep` go on.
            TamperEvidence: a sealed key is still found after everything was written anew.
        """
        subject = self.order(request)
        self.complete([subject])
        return self.state(subject.subject_id)

    def order(self, request: Request) -> Subject:
        """Step 1: order an erasure; when it is ordered already, nothing changes."""
        command = request.command
        assert isinstance(command, EraseSubject), "the door asks for an erasure"
        with self._ledger.reading() as reads:
            before = reads.row(SUBJECTS, command.subject_id)
        if before is not None and before.ordered:
            return before
        keys = self._vault.keys_of(command.subject_id)
        asked = msgspec.structs.replace(command, keys=keys)
        self._ledger.execute(msgspec.structs.replace(request, command=asked))
        self._sign_out(command.subject_id)
        for purpose in PURPOSES:
            self._vault.cache.drop((command.subject_id, purpose))
        return self.state(command.subject_id)

    def complete(self, subjects: Sequence[Subject]) -> None:
        """Steps 2 to 4 for persons whose erasure is ordered, all at once."""
        now = self._clock.now()
        due = {each.subject_id: _due(each, now) for each in subjects}
        pairs = [(subject, purpose) for subject, some in due.items() for purpose in some]
        gone = self._vault.destroy(pairs)  # 2
        for subject in due:
            self._sign_out(subject)
        self._vault.database.empty_log()
        known = {(key.subject, key.purpose) for key in gone}
        swept = self._swept(gone, is_whole=known.issuperset(pairs))  # 3
        requests = [self._completion(each, due[each.subject_id], swept) for each in subjects]
        for receipt in self._ledger.execute_all(requests):  # 4
            accepted(receipt)

    def _sign_out(self, subject_id: str) -> None:
        """Remove all that a person signs in with; the order alone keeps him out already."""
        with self._ledger.writing() as tx:
            sign_in.forget(tx, self._ledger.name.log_id, subject_id)
            notices.forget(tx, self._ledger.name.log_id, subject_id)

    def _completion(self, subject: Subject, purposes: Sequence[str], swept: Swept) -> Request:
        command = CompleteErasure(
            subject_id=subject.subject_id,
            purposes=tuple(purposes),
            files=swept.files,
            bytes_swept=swept.bytes_read,
            found=len(swept.found),
        )
        # a new attempt has other figures: the rule, not the key, makes it happen once
        at = self._clock.now()
        parts = (subject.subject_id, *purposes, str(swept.bytes_read), str(at))
        key = key_at(at, "erased", *parts)
        return Request(key=key, principal=SYSTEM.id, actor=SYSTEM, at=at, command=command)

    def _swept(self, gone: Sequence[DestroyedKey], *, is_whole: bool) -> Swept:
        """Step 3: search for the sealed keys, and for ids of which the vault should know nothing.

        Without `is_whole` some keys were deleted by a process that died: what they were is not
        known any more, so the vault's file is written anew before the search.
        """
        if not is_whole:
            self._vault.database.rewrite()
        needles = [key.wrapped for key in gone]
        ids = [key.subject.encode() for key in gone if not self._vault.keys_of(key.subject)]
        # an id that another program gave may be so short that chance writes it anywhere
        ids = [each for each in ids if len(each) >= NEEDLE_BYTES_MIN]
        found = self._look(needles, ids)
        if found.found:
            self._vault.database.rewrite()
            found = self._look(needles, ids)
        if found.found:
            names = ", ".join(sorted({name for name, _ in found.found}))
            raise TamperEvidence(f"sealed keys of erased persons are still found in {names}")
        return found

    def _look(self, needles: Sequence[bytes], ids: Sequence[bytes]) -> Swept:
        """Search the vault for keys and ids, every other file for the keys: the log keeps ids."""
        inside = sweep(self._vault.database.files(), (*needles, *ids))
        outside = sweep(self._other_files(), needles)
        return Swept(
            inside.files + outside.files,
            inside.bytes_read + outside.bytes_read,
            inside.found + outside.found,
        )

    def _other_files(self) -> list[Path]:
        logs = ledger_files(self._ledger)
        own = set(self._vault.database.files())
        return [path for path in files_below((*logs, *self._places)) if path not in own]

    # What is left to do -------------------------------------------------------

    def sweep(self) -> SweepDone:
        """Finish what was begun, erase what fell due, remove whom no entry names; repeatable."""
        return SweepDone(
            brought_back=self.apply_orders(),
            completed=self._complete_listed(ORDERED),
            fell_due=self._complete_listed(KEPT),
            orphans=self._remove_orphans(),
        )

    def _complete_listed(self, listed: str) -> tuple[str, ...]:
        now = self._clock.now()
        done: list[str] = []
        for some in _batched(self._listed(listed), AT_ONCE):
            waiting = [each for each in some if listed == ORDERED or _due(each, now)]
            if waiting:
                self.complete(waiting)
                done += [each.subject_id for each in waiting]
        return tuple(done)

    def _listed(self, listed: str) -> list[Subject]:
        with self._ledger.reading() as reads:
            return [row for _, row in reads.rows(SUBJECTS, listed=listed)]

    def apply_orders(self) -> int:
        """Take away whoever is in the vault although an erasure is on record; give how many.

        Before anybody is served: a restored backup never brings a person back.
        """
        back: list[tuple[str, str]] = []
        for some in _batched((subject for subject, _ in self._vault.subjects()), erasures.PAGE):
            with self._ledger.reading() as reads:
                ordered = erasures.ordered_among(reads.tx, self._ledger.name.log_id, some)
                rows = {subject: reads.row(SUBJECTS, subject) for subject in ordered}
            back += [pair for row in rows.values() if row and row.erased for pair in _gone(row)]
        return self._take_away(back)

    def _remove_orphans(self) -> int:
        border = self._clock.now() - ORPHAN_AGE_US
        old = (subject for subject, made_at in self._vault.subjects() if made_at < border)
        orphans: list[tuple[str, str]] = []
        for some in _batched(old, erasures.PAGE):
            with self._ledger.reading() as reads:
                orphans += [
                    (subject, purpose)
                    for subject in some
                    if reads.row(SUBJECTS, subject) is None and reads.row(PARTIES, subject) is None
                    for purpose in PURPOSES
                ]
        return self._take_away(orphans)

    def _take_away(self, pairs: Sequence[tuple[str, str]]) -> int:
        if not pairs:
            return 0
        gone = self._vault.destroy(pairs)
        if gone:
            self._vault.database.empty_log()
            self._swept(gone, is_whole=True)
        return len({key.subject for key in gone})

    # Looking ------------------------------------------------------------------

    def state(self, subject_id: str) -> Subject:
        """Give how far a person's erasure is; `NotFound` for a stranger."""
        with self._ledger.reading() as reads:
            row = reads.row(SUBJECTS, subject_id)
        if row is None:
            raise NotFound(f"nothing is known about {subject_id}")
        return row


def ledger_files(ledger: Ledger) -> list[Path]:
    """Name the files of a ledger and of its write-ahead log; none where a server keeps them."""
    file = sqlite_file(ledger.url)
    return [] if file is None else [file, file.with_name(f"{file.name}-wal")]


def _due(subject: Subject, now: int) -> tuple[str, ...]:
    """Name the purposes whose keys go now: what the law keeps waits for its date."""
    return tuple(
        key.purpose for key in subject.kept if key.purpose == CONTACT or key.keep_until <= now
    )


def _gone(subject: Subject) -> list[tuple[str, str]]:
    """List what of an erased person must not be in the vault: all but what is still kept."""
    kept = {key.purpose for key in subject.kept}
    return [(subject.subject_id, purpose) for purpose in PURPOSES if purpose not in kept]


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
