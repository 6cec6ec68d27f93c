"""The vault: what is known about persons, sealed by keys that can be destroyed.

The only place where personal data are seen in the clear, beside the door that received them. Each
person has a random id and, for each purpose, a random key of 256 bits. The key is sealed by a key
of the device (`KeyWrapper`), bound to person and purpose; each field is sealed by AES-256-GCM with
a random nonce, bound to person, purpose and name. What is destroyed is the key: a copy of the rows
then says nothing, and once the device's own key of that epoch is gone, neither does a backup.

The plaintext of a field is 16 bytes of salt and the canonical JSON of the value, so each field can
be shown to somebody against its commitment in the log.

Every read looks first whether the person's erasure is ordered (`is_erased`), and again afterwards:
nothing is answered that was ordered away in between.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TypeAlias

import msgspec
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.privacy import CONTACT, INVOICE, PURPOSES, SubjectKey
from ledger.kernel.errors import Malformed, NotFound, TamperEvidence
from ledger.kernel.ids import check_id
from ledger.kernel.instants import Clock
from ledger.kernel.sealing import (
    INTEGER_MAX,
    SALT_BYTES,
    Chance,
    KeyWrapper,
    Opening,
    check_field_name,
    check_value,
    commitment,
    length_prefixed,
    open_field,
)
from ledger.store.errors import translated
from ledger.store.vault_engine import VaultDatabase, subject_field, subject_key
from ledger.store.vault_epochs import rewrap_all
from ledger.store.vault_keys import KeyCache, SparePool, SpareSubject

FIELDS_MAX = 64
VALUE_BYTES_MAX = 65_536
AT_ONCE = 200
NONCE_BYTES = 12

Values: TypeAlias = Mapping[str, object]
"""Field names to JSON values without floating point and null."""


class DestroyedKey(msgspec.Struct, frozen=True):
    """A key that is gone; `wrapped` is what a sweep must not find any more."""

    subject: str
    purpose: str
    wrapped: bytes


class Keys(msgspec.Struct, frozen=True):
    """Where keys come from: the device, the epoch of its key, randomness and the time."""

    wrapper: KeyWrapper
    epoch: int
    chance: Chance
    clock: Clock


class Vault:
    """The vault of one ledger; use as a context of `close`."""

    def __init__(
        self, database: VaultDatabase, keys: Keys, is_erased: Callable[[str], bool]
    ) -> None:
        """Serve what `database` holds; `is_erased` asks the ledger for an ordered erasure."""
        self.database = database
        self.keys = keys
        self.pool = SparePool(keys.wrapper, keys.chance, PURPOSES)
        self.cache = KeyCache(keys.clock)
        self._is_erased = is_erased

    # Writing ------------------------------------------------------------------

    def register(
        self, contact: Values, invoice: Values, *, keep_until: int = 0
    ) -> tuple[str, dict[str, bytes]]:
        """Keep a new person; give the random id and the commitments of all fields.

        The person is in the vault before the log knows the id; a sweep removes persons whose entry
        never came.

        Args:
            contact: what is needed while the person is a driver.
            invoice: what the law makes us keep; a field stands in one of both.
            keep_until: in us, when `invoice` goes even if nobody asks.

        Raises:
            Malformed: a name or a value cannot be kept; says which.
            Unavailable: no key can be sealed, or the database is away.
        """
        _check_date(keep_until)
        if contact.keys() & invoice.keys():
            raise Malformed("a field has one purpose", field="invoice")
        openings = {"contact": self._openings(contact), "invoice": self._openings(invoice)}
        spare = self.pool.take(self.keys.epoch)
        with translated(), self.database.engine.begin() as tx:
            for purpose, some in openings.items():
                self._insert_key(tx, spare, purpose, keep_until)
                _insert_fields(tx, (spare.subject, purpose), self._seal(spare, purpose, some))
        every = (*openings["contact"], *openings["invoice"])
        return spare.subject, {opening.name: commitment(opening) for opening in every}

    def enrol(self, subject: str) -> None:
        """Make keys for a person whom the log knows by this id; nothing where there are some.

        `NotFound` when the erasure is ordered; else raises as `register`.
        """
        check_id(subject, "subject")
        self._check_readable(subject, CONTACT)
        spare = self.pool.make(self.keys.epoch, subject)
        with translated(), self.database.engine.begin() as tx:
            if not _lock_key(tx, (subject, CONTACT)):
                for purpose in PURPOSES:
                    self._insert_key(tx, spare, purpose, 0)

    def _openings(self, values: Values) -> tuple[Opening, ...]:
        if len(values) > FIELDS_MAX:
            raise Malformed(f"at most {FIELDS_MAX} fields", field="fields")
        found = []
        for name, value in values.items():
            check_field_name(name)
            check_value(value, name)
            opening = open_field(name, self.keys.chance(SALT_BYTES), value)
            if len(bytes(opening.value)) > VALUE_BYTES_MAX:
                raise Malformed(f"longer than {VALUE_BYTES_MAX} bytes", field=name)
            found.append(opening)
        return tuple(found)

    def _insert_key(
        self, tx: sa.Connection, spare: SpareSubject, purpose: str, keep_until: int
    ) -> None:
        row = {
            "subject": spare.subject,
            "purpose": purpose,
            "epoch": spare.epoch,
            "wrapped": spare.keys[purpose][0],
            "made_at": self.keys.clock.now(),
            "keep_until": keep_until if purpose == INVOICE else 0,
        }
        tx.execute(sa.insert(subject_key).values(row))

    def _seal(
        self, spare: SpareSubject, purpose: str, openings: Sequence[Opening]
    ) -> list[tuple[str, bytes, bytes]]:
        key = spare.keys[purpose][1]
        name = (spare.subject, purpose)
        return [_sealed(key, name, opening, self.keys.chance) for opening in openings]

    def change(self, subject: str, purpose: str, values: Values) -> dict[str, bytes]:
        """Replace or add fields of a person; give their commitments.

        Raises:
            NotFound: there is no such person, or the erasure is ordered.
            Malformed, Unavailable: as `register`.
        """
        openings = self._openings(values)
        key = self._key(subject, purpose)
        name = (subject, purpose)
        rows = [_sealed(key, name, opening, self.keys.chance) for opening in openings]
        with translated(), self.database.engine.begin() as tx:
            # under the lock of the write: the key may have been destroyed since it was read
            if not _lock_key(tx, name):
                raise _nobody(subject)
            names = [row[0] for row in rows]
            tx.execute(sa.delete(subject_field).where(*_fields_of(name, names)))
            _insert_fields(tx, name, rows)
        return {opening.name: commitment(opening) for opening in openings}

    def keep(self, subject: str, until: int) -> None:
        """Have the law's data of a person kept until a later date (us); never an earlier one."""
        _check_date(until)
        columns = subject_key.c
        with translated(), self.database.engine.begin() as tx:
            tx.execute(
                sa.update(subject_key)
                .where(*_key_of((subject, INVOICE)), columns.keep_until < until)
                .values(keep_until=until)
            )

    # Reading ------------------------------------------------------------------

    def read(self, subject: str, purpose: str) -> dict[str, object]:
        """Read what is known about a person for a purpose, by field name.

        Raises:
            NotFound: there is no such person, or the erasure is ordered; the two look alike. What
                the law makes us keep is readable until its key is destroyed.
            TamperEvidence: a row was changed.
            Unavailable: the key is not at hand and no device opens it.
        """
        return {
            opening.name: msgspec.json.decode(opening.value)
            for opening in self.openings(subject, purpose)
        }

    def openings(self, subject: str, purpose: str) -> list[Opening]:
        """Read the fields with their salts, by which an entry's commitments are shown; see `read`.

        By name, in order.
        """
        key = self._key(subject, purpose)
        columns = subject_field.c
        with translated(), self.database.reader.connect() as tx:
            rows = tx.execute(
                sa.select(columns.name, columns.nonce, columns.ciphertext)
                .where(columns.subject == subject, columns.purpose == purpose)
                .order_by(columns.name)
            ).all()
        found = [_opened(key, (subject, purpose), tuple(row)) for row in rows]
        self._check_readable(subject, purpose)
        return found

    def some(self, subject: str, purpose: str, names: Sequence[str]) -> list[Opening]:
        """Read at most `FIELDS_MAX` fields by name, left out where there are none; see `read`."""
        key = self._key(subject, purpose)
        columns = subject_field.c
        with translated(), self.database.reader.connect() as tx:
            rows = tx.execute(
                sa.select(columns.name, columns.nonce, columns.ciphertext).where(
                    *_fields_of((subject, purpose), list(names[:FIELDS_MAX]))
                )
            ).all()
        found = [_opened(key, (subject, purpose), tuple(row)) for row in rows]
        self._check_readable(subject, purpose)
        return found

    def _check_readable(self, subject: str, purpose: str) -> None:
        if purpose != INVOICE and self._is_erased(subject):
            self.cache.drop((subject, purpose))
            raise _nobody(subject)

    def _key(self, subject: str, purpose: str) -> bytes:
        check_id(subject, "subject")
        self._check_readable(subject, purpose)
        columns = subject_key.c
        with translated(), self.database.reader.connect() as tx:
            row = tx.execute(
                sa.select(columns.epoch, columns.wrapped).where(*_key_of((subject, purpose)))
            ).first()
        if row is None:
            self.cache.drop((subject, purpose))
            raise _nobody(subject)
        key = self.cache.get((subject, purpose))
        if key is None:
            key = self.keys.wrapper.unwrap(row.epoch, purpose, subject, bytes(row.wrapped))
            self.cache.put((subject, purpose), key)
            self._check_readable(subject, purpose)
        return key

    def keys_of(self, subject: str) -> tuple[SubjectKey, ...]:
        """Name the keys of a person, as the order of an erasure does; none for nobody."""
        columns = subject_key.c
        with translated(), self.database.reader.connect() as tx:
            rows = tx.execute(
                sa.select(columns.purpose, columns.wrapped, columns.keep_until)
                .where(columns.subject == subject)
                .order_by(columns.purpose)
            ).all()
        return tuple(
            SubjectKey(sha256(bytes(row.wrapped)).hexdigest()[:16], row.purpose, row.keep_until)
            for row in rows
        )

    def subjects(self) -> Iterator[tuple[str, int]]:
        """Yield (subject, made_at) of everybody in the vault, page by page, by id."""
        columns = subject_key.c
        after = ""
        while True:
            with translated(), self.database.reader.connect() as tx:
                rows = tx.execute(
                    sa.select(columns.subject, sa.func.min(columns.made_at))
                    .where(columns.subject > after)
                    .group_by(columns.subject)
                    .order_by(columns.subject)
                    .limit(AT_ONCE)
                ).all()
            if not rows:
                return
            yield from ((row[0], row[1]) for row in rows)
            after = rows[-1][0]

    # Destroying ---------------------------------------------------------------

    def destroy(self, wanted: Sequence[tuple[str, str]]) -> list[DestroyedKey]:
        """Destroy the keys and fields of (subject, purpose) pairs, in one transaction.

        Gives the keys that were there. What was deleted may still lie in the files: `empty_log`
        and a sweep follow.
        """
        gone: list[DestroyedKey] = []
        with translated(), self.database.engine.begin() as tx:
            for start in range(0, len(wanted), AT_ONCE):
                some = wanted[start : start + AT_ONCE]
                gone += _delete(tx, some)
        for name in wanted:
            self.cache.drop(name)
        return gone

    # Epochs -------------------------------------------------------------------

    def rewrap(self, epoch: int) -> int:
        """Seal every key again under the device's key of another epoch; give how many were left.

        May be interrupted and repeated. The key of the epoch before may be destroyed once it
        returns 0 for a second call: from then on no backup of an older vault can be read.
        """
        done = rewrap_all(self.database, self.keys.wrapper, epoch)
        self.keys = msgspec.structs.replace(self.keys, epoch=epoch)
        if done:
            self.database.rewrite()
        return done

    def close(self) -> None:
        """Forget every opened key and let go of the database."""
        self.cache.clear()
        self.database.close()


# Rows and bytes ---------------------------------------------------------------


def _check_date(until: int) -> None:
    if not 0 <= until <= INTEGER_MAX:
        raise Malformed("a date from 1970 to 2255, in us", field="keep_until")


def _nobody(subject: str) -> NotFound:
    return NotFound(f"nothing is known about {subject}")


def _key_of(name: tuple[str, str]) -> tuple[sa.ColumnElement[bool], ...]:
    return subject_key.c.subject == name[0], subject_key.c.purpose == name[1]


def _fields_of(name: tuple[str, str], fields: list[str]) -> tuple[sa.ColumnElement[bool], ...]:
    columns = subject_field.c
    return columns.subject == name[0], columns.purpose == name[1], columns.name.in_(fields)


def _lock_key(tx: sa.Connection, name: tuple[str, str]) -> bool:
    chosen = sa.select(subject_key.c.epoch).where(*_key_of(name)).with_for_update()
    return tx.scalar(chosen) is not None


def _insert_fields(
    tx: sa.Connection, name: tuple[str, str], rows: Sequence[tuple[str, bytes, bytes]]
) -> None:
    for field, nonce, ciphertext in rows:
        values = {"subject": name[0], "purpose": name[1], "name": field}
        tx.execute(sa.insert(subject_field).values(**values, nonce=nonce, ciphertext=ciphertext))


def _delete(tx: sa.Connection, wanted: Sequence[tuple[str, str]]) -> list[DestroyedKey]:
    """Delete key rows, then field rows; give what the key rows held."""
    columns = subject_key.c
    pairs = list(wanted)
    keys = sa.tuple_(columns.subject, columns.purpose).in_(pairs)
    rows = tx.execute(sa.select(columns.subject, columns.purpose, columns.wrapped).where(keys))
    gone = [DestroyedKey(row.subject, row.purpose, bytes(row.wrapped)) for row in rows]
    tx.execute(sa.delete(subject_key).where(keys))
    fields = sa.tuple_(subject_field.c.subject, subject_field.c.purpose).in_(pairs)
    tx.execute(sa.delete(subject_field).where(fields))
    return gone


def _bound_to(name: tuple[str, str], field: str) -> bytes:
    return length_prefixed(field, name[0], name[1])


def _sealed(
    key: bytes, name: tuple[str, str], opening: Opening, chance: Chance
) -> tuple[str, bytes, bytes]:
    nonce = chance(NONCE_BYTES)
    plain = opening.salt + bytes(opening.value)
    return opening.name, nonce, AESGCM(key).encrypt(nonce, plain, _bound_to(name, opening.name))


def _opened(key: bytes, name: tuple[str, str], row: tuple[str, bytes, bytes]) -> Opening:
    field, nonce, ciphertext = row
    try:
        plain = AESGCM(key).decrypt(bytes(nonce), bytes(ciphertext), _bound_to(name, field))
    except (InvalidTag, ValueError) as error:
        raise TamperEvidence(f"field {field} of {name[0]} was changed in the vault") from error
    return Opening(field, plain[:SALT_BYTES], msgspec.Raw(plain[SALT_BYTES:]))
