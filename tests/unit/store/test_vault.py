"""The vault keeps what is known about persons, sealed, and lets go of it without a trace."""

import sqlite3
from hashlib import sha256

import pytest
import sqlalchemy as sa

from ledger.kernel.errors import (
    Malformed,
    Misconfigured,
    NotFound,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.sealing import commitment
from ledger.store import vault_engine
from ledger.store.vault_engine import VaultDatabase, create_vault
from tests.support.vaults import CONTACT, INVOICE, Persons, plain_file

# Keeping and reading


def test_a_person_is_read_as_registered(persons):
    subject = persons.zoe()
    assert persons.vault.read(subject, "contact") == CONTACT
    assert persons.vault.read(subject, "invoice") == INVOICE


def test_ids_of_persons_are_random_and_say_nothing(persons):
    found = {persons.zoe() for _ in range(20)}
    assert len(found) == 20
    assert all(len(each) == len("DR-") + 32 for each in found)


def test_every_field_has_a_commitment_that_its_opening_shows(persons):
    subject, sealed = persons.vault.register(CONTACT, INVOICE)
    openings = persons.vault.openings(subject, "contact")
    openings += persons.vault.openings(subject, "invoice")
    assert sealed == {each.name: commitment(each) for each in openings}
    assert sealed.keys() == CONTACT.keys() | INVOICE.keys()


def test_two_persons_of_the_same_name_have_different_commitments(persons):
    _, one = persons.vault.register(CONTACT, INVOICE)
    _, other = persons.vault.register(CONTACT, INVOICE)
    assert not set(one.values()) & set(other.values())


def test_fields_are_changed_and_added(persons):
    subject = persons.zoe()
    persons.vault.change(subject, "contact", {"email": "z@example.org", "plate": "AB-123-CD"})
    wanted = CONTACT | {"email": "z@example.org", "plate": "AB-123-CD"}
    assert persons.vault.read(subject, "contact") == wanted


def test_a_stranger_is_not_known(persons):
    for ask in (persons.vault.read, persons.vault.openings):
        with pytest.raises(NotFound, match="nothing is known about DR-1"):
            ask("DR-1", "contact")
    with pytest.raises(NotFound):
        persons.vault.change("DR-1", "contact", {"email": "x"})
    with pytest.raises(Malformed, match="subject"):
        persons.vault.read("../etc", "contact")
    assert persons.vault.keys_of("DR-1") == ()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"Email": "x"}, "name"),
        ({"": "x"}, "name"),
        ({"height": 1.8}, "height"),
        ({"email": None}, "email"),
        ({"email": "a\0b"}, "email"),
        ({"email": "\ud800"}, "email"),
        ({"age": 2**53}, "age"),
        ({"deep": [[[[[[[[[[1]]]]]]]]]]}, "deep"),
        ({"inner": {"No": 1}}, "inner"),
        ({"inner": {1: 1}}, "inner"),
        ({"photo": "x" * 70_000}, "photo"),
        ({f"f{number}": 1 for number in range(65)}, "fields"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_kept_is_refused_by_name_and_nothing_is_written(on_disk, fields, named):
    with pytest.raises(Malformed) as refused:
        on_disk.vault.register({}, fields)
    assert refused.value.field == named
    assert on_disk.rows("subject_key") == on_disk.rows("subject_field") == 0


@pytest.mark.parametrize("until", [-1, 2**53])
def test_a_date_that_no_entry_could_name_is_refused(on_disk, until):
    for ask in (
        lambda: on_disk.vault.register({}, {}, keep_until=until),
        lambda: on_disk.vault.keep("DR-1", until),
    ):
        with pytest.raises(Malformed, match="keep_until"):
            ask()
    assert on_disk.rows("subject_key") == 0


def test_a_field_has_one_purpose(on_disk):
    with pytest.raises(Malformed, match="one purpose"):
        on_disk.vault.register(CONTACT, {"email": "x"})


def test_an_engine_that_fails_in_between_leaves_no_half_person(on_disk):
    on_disk.edit("DROP TABLE subject_field")
    with pytest.raises(TamperEvidence):
        on_disk.zoe()
    assert on_disk.rows("subject_key") == 0


# What lies on the disk


def test_nothing_readable_lies_on_the_disk(on_disk):
    subject = on_disk.zoe()
    data = on_disk.bytes_on_disk()
    assert subject.encode() in data
    for word in (b"zoe@", b"+33612", b"Martin", b"rue du Port", b"44000"):
        assert word not in data


def test_the_file_can_be_read_by_its_holder_only(tmp_path):
    create_vault(f"sqlite:///{tmp_path / 'vault.db'}")
    assert (tmp_path / "vault.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE subject_field SET ciphertext = nonce WHERE name = 'email'",
        "UPDATE subject_field SET nonce = substr(ciphertext, 1, 12) WHERE name = 'email'",
        "UPDATE subject_field SET name = 'phone2' WHERE name = 'email'",
        "UPDATE subject_key SET wrapped = substr(wrapped, 1, 59)",
        "UPDATE subject_key SET epoch = 2",
    ],
)
def test_a_row_that_was_changed_is_evidence(persons, edit):
    subject = persons.zoe()
    persons.edit(edit)
    with pytest.raises(TamperEvidence):
        persons.vault.read(subject, "contact")


def test_a_row_of_another_person_is_evidence(persons):
    subject, other = persons.zoe(), persons.zoe()
    persons.edit(f"DELETE FROM subject_key WHERE subject = '{subject}' AND purpose = 'contact'")
    persons.edit(
        f"UPDATE subject_key SET subject = '{subject}' WHERE subject = '{other}' "
        "AND purpose = 'contact'"
    )
    with pytest.raises(TamperEvidence):
        persons.vault.read(subject, "contact")


def test_a_connection_can_do_nothing_but_its_work(on_disk):
    for statement in (
        "DROP TABLE subject_key",
        "CREATE TABLE other (x INTEGER)",
        "PRAGMA secure_delete=0",
        "ATTACH ':memory:' AS other",
    ):
        refused = pytest.raises(sa.exc.DatabaseError, match="not authorized")
        with on_disk.vault.database.engine.connect() as tx, refused:
            tx.exec_driver_sql(statement)


# Opening


def test_a_vault_that_is_not_there_is_not_made_by_opening(tmp_path):
    with pytest.raises(NotFound, match="there is no vault"):
        VaultDatabase(f"sqlite:///{tmp_path / 'vault.db'}")
    assert not list(tmp_path.iterdir())
    plain_file(tmp_path / "empty.db").execute("CREATE TABLE x (y INTEGER)")
    with pytest.raises(NotFound, match="holds no vault"):
        VaultDatabase(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(Misconfigured, match="no folder"):
        create_vault(f"sqlite:///{tmp_path / 'away' / 'vault.db'}")


def test_making_a_vault_again_changes_nothing(persons):
    subject = persons.zoe()
    create_vault(persons.url)
    assert persons.vault.read(subject, "contact") == CONTACT


def test_a_vault_without_secure_deletion_is_not_opened(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'vault.db'}"
    create_vault(url)
    monkeypatch.setattr(vault_engine, "SQLITE_PRAGMAS", {"secure_delete": 2})  # what is wanted
    with pytest.raises(Misconfigured, match="secure_delete is 1, not 2"):
        VaultDatabase(url)


# Erasure


def test_who_is_to_be_erased_looks_like_a_stranger_at_once(persons):
    subject = persons.zoe()
    persons.vault.read(subject, "contact")
    persons.erased.add(subject)
    for ask in (persons.vault.read, persons.vault.openings):
        with pytest.raises(NotFound, match=f"nothing is known about {subject}"):
            ask(subject, "contact")
    with pytest.raises(NotFound):
        persons.vault.change(subject, "contact", {"email": "x"})
    assert (subject, "contact") not in persons.vault.cache._keys
    assert persons.vault.read(subject, "invoice") == INVOICE


def test_an_order_during_a_read_wins(persons):
    """The person is ordered away after the first look: nothing is answered, nothing is kept."""
    subject = persons.zoe()
    looks = []

    def is_erased(one):
        looks.append(one)
        return len(looks) > 1

    persons.vault._is_erased = is_erased
    with pytest.raises(NotFound):
        persons.vault.read(subject, "contact")
    assert len(persons.vault.cache) == 0


def test_destroyed_keys_are_gone_from_the_tables_and_the_cache(persons):
    subject, other = persons.zoe(), persons.zoe()
    persons.vault.read(subject, "contact")
    gone = persons.vault.destroy([(subject, "contact")])
    assert [(key.subject, key.purpose, len(key.wrapped)) for key in gone] == [
        (subject, "contact", 60)
    ]
    with pytest.raises(NotFound):
        persons.vault.read(subject, "contact")
    assert persons.vault.read(subject, "invoice") == INVOICE
    assert persons.vault.read(other, "contact") == CONTACT
    assert [key.purpose for key in persons.vault.keys_of(subject)] == ["invoice"]
    assert persons.vault.destroy([(subject, "contact")]) == []
    assert (persons.rows("subject_key"), persons.rows("subject_field")) == (3, 7)
    persons.vault.database.empty_log()
    persons.vault.database.rewrite()
    assert persons.vault.read(other, "invoice") == INVOICE


def test_a_key_is_named_by_a_digest_of_its_seal(persons):
    subject = persons.zoe(keep_until=77)
    named = {key.purpose: key for key in persons.vault.keys_of(subject)}
    gone = persons.vault.destroy([(subject, "contact"), (subject, "invoice")])
    for key in gone:
        assert named[key.purpose].key_id == sha256(key.wrapped).hexdigest()[:16]
    assert (named["contact"].keep_until, named["invoice"].keep_until) == (0, 77)


def test_a_destroyed_key_is_in_no_byte_of_the_files(on_disk):
    persons = [on_disk.zoe() for _ in range(300)]
    for subject in persons[::3]:
        gone = on_disk.vault.destroy([(subject, "contact"), (subject, "invoice")])
        on_disk.vault.database.empty_log()
        data = on_disk.bytes_on_disk()
        assert subject.encode() not in data
        assert not any(key.wrapped in data for key in gone)


def test_without_secure_deletion_the_key_would_stay(tmp_path):
    """The test above has teeth: the same deletion by a plain connection leaves the key there."""
    made = Persons(f"sqlite:///{tmp_path / 'vault.db'}")
    subjects = [made.zoe() for _ in range(50)]
    made.vault.close()
    plain = plain_file(tmp_path / "vault.db")
    plain.execute("PRAGMA secure_delete=0")
    (wrapped,) = plain.execute(
        "SELECT wrapped FROM subject_key WHERE subject = ? AND purpose = 'contact'", subjects[20:21]
    ).fetchone()
    plain.execute("DELETE FROM subject_key WHERE subject = ?", subjects[20:21])
    plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    plain.close()
    assert wrapped in (tmp_path / "vault.db").read_bytes()


def test_the_log_is_not_emptied_under_a_reader(on_disk):
    subject = on_disk.zoe()
    reader = sqlite3.connect(on_disk.vault.database.file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM subject_key").fetchone()
    on_disk.vault.destroy([(subject, "contact")])
    on_disk.vault.database._maintenance.dispose()
    with on_disk.vault.database._maintenance.connect() as tx:
        tx.connection.driver_connection.execute("PRAGMA busy_timeout=0")
    with pytest.raises(Unavailable, match="a reader holds on"):
        on_disk.vault.database.empty_log()
    reader.close()
    on_disk.vault.database.empty_log()
