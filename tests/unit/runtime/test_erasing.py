"""An erasure is ordered, done and on record; it may stop anywhere and goes on from there."""

from typing import Any

import pytest
import sqlalchemy as sa

from ledger.domain.parties import RegisterParty
from ledger.domain.privacy import SUBJECTS, CompleteErasure
from ledger.domain.takeover import TakeOverPack
from ledger.kernel.errors import NotFound, Refused, ReplayDiffers, TamperEvidence, Unavailable
from ledger.kernel.instants import DAY
from ledger.kernel.refusal import RefusalCode
from ledger.runtime.erasing import ORPHAN_AGE_US
from ledger.runtime.verify import verify
from ledger.store import erasures
from ledger.store.engine import SQLITE_PAGE_BYTES
from ledger.store.tables import erasure, outbox
from tests.support.erasing import People
from tests.support.ledgers import SYSTEM, asking
from tests.support.stores import BOTH, behind_its_back, new_database
from tests.support.vaults import CONTACT, INVOICE


@pytest.fixture(params=BOTH)
def people(request, tmp_path):
    url = new_database(request.param, request, tmp_path)
    vault_url = url if request.param == "postgres" else f"sqlite:///{tmp_path / 'vault.db'}"
    made = People(url, vault_url)
    yield made
    made.close()


@pytest.fixture
def on_disk(tmp_path):
    exports = tmp_path / "exports"
    exports.mkdir()
    made = People(
        f"sqlite:///{tmp_path / 'town.db'}", f"sqlite:///{tmp_path / 'vault.db'}", [exports]
    )
    yield made
    made.close()


def kinds(people: People, first: int = 0) -> list[str]:
    with people.ledger.reading() as reads:
        return [one.envelope.kind for one in reads.entries(first)]


def table(people: People, chosen: sa.Table) -> list[tuple[Any, ...]]:
    with people.ledger.reading() as reads:
        return [tuple(row) for row in reads.tx.execute(sa.select(chosen))]


# All of it


def test_an_erased_person_is_gone_and_the_log_says_so(people):
    subject, other = people.register(), people.register()
    row = people.erase(subject)
    assert kinds(people)[-2:] == ["subject.erasure_ordered", "subject.erased"]
    assert (row.ordered, row.erased, row.erased_purposes) == (5, 6, ("contact", "invoice"))
    for purpose in ("contact", "invoice"):
        with pytest.raises(NotFound):
            people.vault.read(subject, purpose)
    assert people.vault.keys_of(subject) == ()
    assert people.vault.read(other, "contact") == CONTACT
    with people.ledger.reading() as reads:
        ordered, erased = reads.at_positions([5, 6])
        assert [key.purpose for key in ordered.event.keys] == ["contact", "invoice"]
        assert ordered.event.reason == "person_asked"
        assert erased.envelope.causes == (5,)
        assert erased.event.found == 0
        assert verify(reads, deep=True).size == 7


def test_the_order_its_row_and_the_word_for_the_outside_are_one_commit(people):
    subject = people.register()
    people.erasing.order(people.asked(subject))
    assert table(people, erasure) == [(1, subject, people.clock.now(), 3)]
    body = b'{"subject":"%s"}' % subject.encode()
    assert table(people, outbox) == [(1, 3, 0, erasures.TOPIC, body, "new")]


def test_the_person_is_unreadable_from_the_order_on(people):
    subject = people.register()
    assert people.vault.read(subject, "contact") == CONTACT
    people.erasing.order(people.asked(subject))
    with pytest.raises(NotFound):
        people.vault.read(subject, "contact")
    assert people.vault.read(subject, "invoice") == INVOICE


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        ("DELETE FROM erasure", "is missing"),
        ("UPDATE erasure SET position = 1", "differs"),
        ("UPDATE erasure SET ordered_at = 1", "differs"),
        ("UPDATE erasure SET subject = 'DR-9'", "differs"),
    ],
)
def test_a_changed_row_of_an_order_is_found_by_replaying(people, edit, found):
    people.erase(people.register())
    with behind_its_back(people.ledger.url.render_as_string(hide_password=False)) as tx:
        tx.exec_driver_sql(edit)
    with (
        people.ledger.reading() as reads,
        pytest.raises(ReplayDiffers, match=f"the erasure of DR-.* {found}"),
    ):
        verify(reads, deep=True)


def test_erasing_twice_changes_nothing(people):
    subject = people.register()
    first = people.erase(subject)
    size = len(kinds(people))
    again = people.erasing.erase(people.asked(subject, name="another request"))
    assert again == first
    assert len(kinds(people)) == size
    assert people.erasing.sweep().completed == ()


def test_a_person_without_anything_in_the_vault_can_be_erased(on_disk):
    subject = on_disk.register()
    on_disk.vault.destroy([(subject, "contact"), (subject, "invoice")])
    row = on_disk.erase(subject)
    assert (row.erased_purposes, row.keys) == ((), ())
    assert on_disk.erasing.sweep() == type(on_disk.erasing.sweep())()


# What stands in the way


def test_nobody_is_erased_who_holds_a_pack(on_disk):
    subject = on_disk.register()
    pack = TakeOverPack(
        pack_id="PK-1",
        account=f"Packs:Driver:{subject}",
        pack_class="MG50",
        nominal_wh=50_000,
        soh_bp=9_000,
        title_holder_id="TH-1",
    )
    holder = asking_party("TH-1", "title_holder")
    on_disk.ledger.execute(holder)
    on_disk.ledger.execute(asking(pack, "pack"))
    with pytest.raises(Refused) as refused:
        on_disk.erase(subject)
    assert refused.value.refusal.code is RefusalCode.SUBJECT_HOLDS_PACK
    assert refused.value.refusal.facts["packs"] == 1
    assert on_disk.vault.read(subject, "contact") == CONTACT
    assert table(on_disk, erasure) == []


def asking_party(party_id: str, role: str):
    return asking(RegisterParty(party_id=party_id, party_roles=(role,), country="FR"), party_id)


def test_a_stranger_cannot_be_erased(on_disk):
    with pytest.raises(Refused) as refused:
        on_disk.erase("DR-1")
    assert refused.value.refusal.code is RefusalCode.SUBJECT_UNKNOWN
    with pytest.raises(NotFound):
        on_disk.erasing.state("DR-1")


def test_the_completion_of_no_order_is_refused(on_disk):
    subject = on_disk.register()
    command = CompleteErasure(
        subject_id=subject, purposes=("contact",), files=1, bytes_swept=1, found=0
    )
    receipt = on_disk.ledger.execute_all([asking(command, "x", actor=SYSTEM)])[0]
    assert receipt.refusal.code is RefusalCode.ERASURE_NOT_ORDERED


# What the law keeps


def test_what_the_law_keeps_goes_at_its_date(people):
    due = people.clock.now() + 365 * DAY
    subject = people.register(keep_until=due - DAY)
    people.vault.keep(subject, due)
    people.vault.keep(subject, due - 9)
    row = people.erase(subject)
    assert (row.erased_purposes, [key.keep_until for key in row.kept]) == (("contact",), [due])
    assert people.vault.read(subject, "invoice") == INVOICE
    people.clock.at = due - 1
    assert people.erasing.sweep().fell_due == ()
    people.clock.at = due
    assert people.erasing.sweep().fell_due == (subject,)
    with pytest.raises(NotFound):
        people.vault.read(subject, "invoice")
    row = people.erasing.state(subject)
    assert (row.erased_purposes, row.kept) == (("contact", "invoice"), ())
    assert kinds(people)[-1] == "subject.erased"
    assert people.erasing.sweep().fell_due == ()


# Stopping anywhere


class Stopped(Exception):
    pass


STOPS = ["destroy", "empty_log", "swept", "completion"]


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_an_erasure_that_stopped_goes_on_after_a_restart(on_disk, monkeypatch, stop, late):
    subject, other = on_disk.register(), on_disk.register()
    on_disk.erase(other)
    home, name = {
        "destroy": (on_disk.vault, "destroy"),
        "empty_log": (on_disk.vault.database, "empty_log"),
        "swept": (on_disk.erasing, "_swept"),
        "completion": (on_disk.ledger, "execute_all"),
    }[stop]
    real = getattr(home, name)

    def stopping(*args, **options):
        if late:
            real(*args, **options)
        raise Stopped

    monkeypatch.setattr(home, name, stopping)
    with pytest.raises(Stopped):
        on_disk.erase(subject)
    monkeypatch.undo()
    on_disk.restart()
    with pytest.raises(NotFound):
        on_disk.vault.read(subject, "contact")
    done = stop == "completion" and late
    assert on_disk.erasing.sweep().completed == (() if done else (subject,))
    assert on_disk.vault.keys_of(subject) == ()
    assert on_disk.erasing.state(subject).erased
    assert kinds(on_disk).count("subject.erased") == 2
    assert on_disk.erasing.sweep().completed == ()


def test_a_restored_backup_brings_nobody_back(on_disk):
    subject, other = on_disk.register(), on_disk.register()
    on_disk.vault.database.empty_log()
    file = on_disk.vault.database.file
    backup = file.read_bytes()
    on_disk.erase(subject)
    on_disk.vault.close()
    file.write_bytes(backup)
    on_disk.restart()
    assert subject.encode() in file.read_bytes()
    with pytest.raises(NotFound):
        on_disk.vault.read(subject, "contact")
    assert on_disk.erasing.apply_orders() == 1
    assert subject.encode() not in on_disk.persons.bytes_on_disk()
    assert on_disk.vault.read(other, "contact") == CONTACT
    assert on_disk.erasing.apply_orders() == 0


def test_a_person_whom_no_entry_names_is_removed_after_a_day(people):
    lost = people.persons.zoe()
    named = people.register()
    people.clock.at += ORPHAN_AGE_US
    assert people.erasing.sweep().orphans == 0
    people.clock.at += 1
    assert people.erasing.sweep().orphans == 1
    assert people.vault.keys_of(lost) == ()
    assert people.vault.read(named, "contact") == CONTACT


# The sweep


def test_a_sealed_key_in_an_export_stops_the_completion(on_disk):
    subject = on_disk.register()
    copy = on_disk.places[0] / "below" / "copy.db"
    copy.parent.mkdir()
    on_disk.vault.database.empty_log()
    copy.write_bytes(on_disk.vault.database.file.read_bytes())
    with pytest.raises(TamperEvidence, match=r"still found in copy\.db"):
        on_disk.erase(subject)
    assert on_disk.erasing.state(subject).erased == 0
    copy.unlink()
    assert on_disk.erasing.sweep().completed == (subject,)


def test_what_a_page_kept_is_found_and_the_file_made_anew(on_disk):
    """As after a row moved between pages: an older copy of it lies in a page's free room."""
    subjects = [on_disk.register() for _ in range(40)]
    on_disk.vault.database.empty_log()
    file = on_disk.vault.database.file
    data = bytearray(file.read_bytes())
    at = data.index(subjects[20].encode())
    row = bytes(data[at : at + 120])
    # the unallocated room of the last leaf page that has enough of it
    page = SQLITE_PAGE_BYTES
    for start in range(len(data) - page, 0, -page):
        if data[start] == 13:
            cells = int.from_bytes(data[start + 3 : start + 5], "big")
            content = int.from_bytes(data[start + 5 : start + 7], "big")
            room = start + 8 + 2 * cells
            if content - (room - start) > 200:
                data[room + 16 : room + 16 + len(row)] = row
                break
    else:
        pytest.fail("no page has room")
    on_disk.vault.close()
    file.write_bytes(data)
    on_disk.restart()
    size = file.stat().st_size
    on_disk.erase(subjects[20])
    assert subjects[20].encode() not in on_disk.persons.bytes_on_disk()
    assert file.stat().st_size <= size
    assert on_disk.vault.read(subjects[21], "contact") == CONTACT


def test_a_file_that_cannot_be_read_leaves_the_erasure_open(on_disk, monkeypatch):
    subject = on_disk.register()
    (on_disk.places[0] / "books.journal").write_text("; nothing of a person")
    path = type(on_disk.places[0])
    real = path.open

    def away(self, *args, **options):
        if self.name == "books.journal":
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **options)

    monkeypatch.setattr(path, "open", away)
    with pytest.raises(Unavailable, match=r"cannot sweep books\.journal"):
        on_disk.erase(subject)
    monkeypatch.undo()
    assert on_disk.erasing.sweep().completed == (subject,)


def test_who_is_erased_is_offered_no_pack_any_more(on_disk):
    subject = on_disk.register()
    on_disk.erase(subject)
    pack = TakeOverPack(
        pack_id="PK-1",
        account=f"Packs:Driver:{subject}",
        pack_class="MG50",
        nominal_wh=50_000,
        soh_bp=9_000,
        title_holder_id="TH-1",
    )
    on_disk.ledger.execute(asking_party("TH-1", "title_holder"))
    receipt = on_disk.ledger.execute_all([asking(pack, "pack")])[0]
    assert receipt.refusal.code is RefusalCode.PARTY_ROLE_MISSING
    with on_disk.ledger.reading() as reads:
        assert reads.count(SUBJECTS) == 1
