"""The keys of persons: sealed anew in each epoch, opened for a short time, made in advance."""

import pytest
from msgspec.structs import replace

from ledger.kernel.errors import (
    NotFound,
    Unavailable,
)
from ledger.kernel.instants import MINUTE
from ledger.store import vault_epochs
from ledger.store.vault_keys import AGE_MAX_US, KeyCache, SparePool
from tests.support.vaults import CONTACT, INVOICE, Persons
from tests.support.wrapping import HandClock, SoftwareWrapper, seeded_chance

# Epochs, cache and pool


def test_a_new_epoch_seals_every_key_again_and_the_old_backup_dies(persons):
    subjects = [persons.zoe() for _ in range(7)]
    assert persons.vault.rewrap(2) == 14
    assert persons.vault.rewrap(2) == 0
    persons.wrapper.destroyed.add(1)
    persons.vault.cache.clear()
    for subject in subjects:
        assert persons.vault.read(subject, "contact") == CONTACT
    newcomer = persons.zoe()
    persons.vault.cache.clear()
    assert persons.vault.read(newcomer, "invoice") == INVOICE


def test_a_backup_of_an_older_epoch_says_nothing_once_its_key_is_destroyed(on_disk, tmp_path):
    subject = on_disk.zoe()
    on_disk.vault.database.empty_log()
    backup = on_disk.vault.database.file.read_bytes()
    on_disk.vault.rewrap(2)
    on_disk.wrapper.destroyed.add(1)
    (tmp_path / "restored.db").write_bytes(backup)
    restored = Persons(f"sqlite:///{tmp_path / 'restored.db'}")
    restored.vault.keys = on_disk.vault.keys
    with pytest.raises(Unavailable, match="no device holds the key of epoch 1"):
        restored.vault.read(subject, "contact")
    restored.vault.close()


def test_a_change_of_epoch_that_stops_goes_on_where_it_was(persons):
    subjects = [persons.zoe() for _ in range(5)]
    persons.wrapper.destroyed.add(2)
    with pytest.raises(Unavailable):
        persons.vault.rewrap(2)
    persons.wrapper.destroyed.clear()
    assert persons.vault.rewrap(2) == 10
    assert all(persons.vault.read(each, "contact") == CONTACT for each in subjects)


def test_a_new_epoch_goes_page_by_page_from_whatever_epochs_there_are(persons, monkeypatch):
    monkeypatch.setattr(vault_epochs, "PAGE", 3)
    subjects = [persons.zoe() for _ in range(2)]
    persons.vault.keys = replace(persons.vault.keys, epoch=2)
    subjects += [persons.zoe() for _ in range(3)]
    assert persons.vault.rewrap(3) == 10
    persons.wrapper.destroyed |= {1, 2}
    persons.vault.cache.clear()
    assert all(persons.vault.read(each, "invoice") == INVOICE for each in subjects)


def test_a_device_that_gives_too_few_keys_changes_nothing(persons):
    subject = persons.zoe()
    persons.wrapper.rewrap = lambda *_: []
    with pytest.raises(Unavailable, match="0 of 2 keys"):
        persons.vault.rewrap(2)
    persons.vault.cache.clear()
    assert persons.vault.read(subject, "contact") == CONTACT


def test_a_key_that_does_not_give_back_what_it_sealed_is_not_taken(persons):
    persons.zoe()
    unwrap = persons.wrapper.unwrap
    persons.wrapper.unwrap = lambda epoch, *rest: bytes(32) if epoch == 2 else unwrap(epoch, *rest)
    with pytest.raises(Unavailable, match="does not give back"):
        persons.vault.rewrap(2)


def test_a_person_erased_during_a_change_of_epoch_does_not_come_back(persons):
    subject = persons.zoe()
    unwrap = persons.wrapper.unwrap

    def unwrap_late(*args):
        persons.vault.destroy([(subject, "contact")])
        return unwrap(*args)

    persons.wrapper.unwrap = unwrap_late
    assert persons.vault.rewrap(2) == 2
    persons.wrapper.unwrap = unwrap
    with pytest.raises(NotFound):
        persons.vault.read(subject, "contact")
    assert [key.purpose for key in persons.vault.keys_of(subject)] == ["invoice"]


def test_readers_are_served_a_quarter_of_an_hour_while_the_device_is_out(persons):
    subject = persons.zoe()
    persons.vault.read(subject, "contact")
    persons.wrapper.out = True
    persons.clock.at += AGE_MAX_US - 1
    assert persons.vault.read(subject, "contact") == CONTACT
    persons.clock.at += 1
    with pytest.raises(Unavailable):
        persons.vault.read(subject, "contact")


def test_persons_are_registered_from_the_pool_while_the_device_is_out(persons):
    assert persons.vault.pool.fill(1, 3) == 3
    persons.wrapper.out = True
    subjects = {persons.zoe() for _ in range(3)}
    with pytest.raises(Unavailable):
        persons.zoe()
    persons.wrapper.out = False
    assert len(subjects) == 3
    assert all(persons.vault.read(each, "contact") == CONTACT for each in subjects)


def test_the_pool_never_hands_out_a_key_of_another_epoch():
    pool = SparePool(SoftwareWrapper(), seeded_chance(1), ("contact",))
    pool.fill(1, 2)
    assert pool.take(2).epoch == 2
    assert len(pool) == 0
    pool.fill(1, 2)
    assert pool.fill(2, 1) == 1
    assert pool.take(2).epoch == 2


def test_the_pool_refuses_a_source_of_randomness_that_ran_dry():
    with pytest.raises(Unavailable, match="randomness"):
        SparePool(SoftwareWrapper(), lambda count: bytes(min(count, 16)), ("contact",)).make(1)


def test_the_cache_is_bounded_and_zeroes_what_it_lets_go():
    clock = HandClock()
    cache = KeyCache(clock, keys_max=2)
    for number in range(3):
        cache.put((f"DR-{number}", "contact"), bytes([number + 1]) * 32)
    assert cache.get(("DR-0", "contact")) is None
    assert cache.get(("DR-2", "contact")) == bytes([3]) * 32
    held = cache._keys["DR-1", "contact"][1]
    cache.drop(("DR-1", "contact"))
    assert held == bytearray(32)
    held = cache._keys["DR-2", "contact"][1]
    clock.at -= MINUTE  # a clock set back keeps nothing alive
    assert cache.get(("DR-2", "contact")) is None
    assert held == bytearray(32)
    assert len(cache) == 0
