"""A restored database is brought up to its log again from a copy, or stays closed."""

import shutil
from pathlib import Path

import pytest

from ledger.domain.adopting import EntriesAdopted
from ledger.domain.privacy import RegisterSubject
from ledger.domain.revealing import RevealSubject
from ledger.kernel.errors import Conflict, Malformed, Refused, ReplayDiffers, TamperEvidence
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor, Request
from ledger.runtime.adopting import UNKNOWN, Adopted, Copy, adopt
from ledger.runtime.ledger import Ledger, accepted, create_ledger
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.verify import verify
from ledger.tlog.note import Ed25519Signer
from tests.support.cli import answer, error, run
from tests.support.ledgers import OPENED_AT, asking, opening, party, sqlite_url
from tests.support.postgres import fresh_database
from tests.support.stores import BOTH as BOTH_STORES
from tests.support.stores import SQLITE, behind_its_back, new_database
from tests.support.town import new_town, requests

ENGINEER = Actor(id="EN-1", role="engineer", second_person="EN-2")
SUPPORT = Actor(id="SU-1", role="support", second_person="SU-2")
AT = OPENED_AT * 2


def asked(actor: Actor = ENGINEER) -> Request:
    return Request(key_at(AT, "adopt"), actor.id, actor, AT, UNKNOWN)


def copied(url: str) -> Copy:
    """Sign the head and read all entries, as whoever holds a copy has them."""
    with Ledger(url) as ledger:
        note = sign_checkpoint(ledger, Ed25519Signer(ledger.name.origin, bytes(32)), 1)
        with ledger.reading() as reads:
            entries = list(reads.raw(0, reads.size))
    return Copy(note, lambda first, end: entries[first:end])


@pytest.fixture(params=BOTH_STORES)
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A town that lived through its day and more, and one whose restored backup is behind."""
    whole = new_database(request.param, request, tmp_path)
    if request.param == SQLITE:
        behind = sqlite_url(tmp_path, "behind.db")
    else:
        behind = fresh_database(request.getfixturevalue("postgres_url"))
    with new_town(whole) as ledger:
        for number in range(5, 305):
            ledger.submit(party(number))
        person = RegisterSubject(subject_id="DR-5", sealed={"email": bytes(32)})
        ledger.execute(asking(person, "person", actor=SUPPORT, at=AT))
        look = RevealSubject(
            subject_id="DR-5", purpose="contact", fields=("email",), reason="case", salt=bytes(16)
        )
        ledger.execute(asking(look, "look", actor=SUPPORT, at=AT))
    with create_ledger(behind, opening("town")) as ledger:
        for request_ in list(requests())[:-2]:
            accepted(ledger.execute(request_))
    return whole, behind


def brought_back(url: str, copy: Copy, *, held: dict[int, bytes] | None = None) -> Adopted:
    with Ledger(url) as ledger:
        return adopt(ledger, copy, asked(), held=held or {})


def test_what_is_missing_comes_back_and_everything_is_as_if_nothing_had_happened(urls):
    whole, behind = urls
    copy = copied(whole)
    with Ledger(whole) as ledger, ledger.reading() as reads:
        size, root, totals = reads.size, reads.head.root, reads.totals()
    with Ledger(behind) as ledger:
        with ledger.reading() as reads:
            first = reads.size
        done = adopt(ledger, copy, asked(), held={size: root, first: bytes(32)})
        assert (done.first, done.end, done.position) == (first, size, size)
        accepted(ledger.execute(party(900)))  # the writer goes on behind it
        with ledger.reading() as reads:
            assert verify(reads, deep=True).size == size + 2
            assert reads.totals() == totals
            event = reads.entry(size).event
            wanted = EntriesAdopted(first=first, end=size, root_sha256=root.hex())
            assert event == wanted
            assert reads.entry(size).envelope.actor == ENGINEER
            assert reads.covered_at(size) == AT
    with Ledger(behind) as ledger, pytest.raises(Conflict, match="nothing is missing"):
        adopt(ledger, copy, asked(), held={})


def test_a_store_that_went_another_way_stays_as_it_is(urls):
    whole, behind = urls
    copy = copied(whole)
    with Ledger(behind) as ledger:
        accepted(ledger.execute(party(7)))  # an entry that the signed log does not have
        with ledger.reading() as reads:
            before = reads.head
        with pytest.raises(TamperEvidence, match="do not lead to the root"):
            adopt(ledger, copy, asked(), held={})
        with ledger.reading() as reads:
            assert reads.head == before
            assert verify(reads, deep=True).size == before.size


def test_a_copy_must_reach_what_others_hold_and_agree_with_it(urls):
    whole, behind = urls
    copy = copied(whole)
    with Ledger(whole) as ledger, ledger.reading() as reads:
        size = reads.size
    with pytest.raises(TamperEvidence, match="were signed"):
        brought_back(behind, copy, held={size + 1: bytes(32)})
    with pytest.raises(TamperEvidence, match=f"signed over {size - 9}"):
        brought_back(behind, copy, held={size - 9: bytes(32)})


@pytest.mark.parametrize("damage", ["short", "changed", "no entry", "another order"])
def test_a_damaged_copy_brings_nothing_back(urls, damage):
    whole, behind = urls
    copy = copied(whole)

    def damaged(first: int, end: int) -> list[bytes]:
        entries = list(copy.entries(first, end))
        if damage == "short" and end > 100:
            return entries[:-1]
        if damage == "changed":
            entries[0] = entries[0].replace(b'"recorded_at":', b'"recorded_at":1')
        if damage == "no entry":
            entries[0] = b"{}"
        if damage == "another order":
            entries[:2] = entries[1::-1]
        return entries

    with pytest.raises(TamperEvidence):
        brought_back(behind, Copy(copy.note, damaged))
    with Ledger(behind) as ledger, ledger.reading() as reads:
        assert verify(reads, deep=True).size == reads.size
        assert reads.size < 50


def test_one_person_alone_brings_nothing_back(urls):
    whole, behind = urls
    copy = copied(whole)
    with Ledger(behind) as ledger:
        with pytest.raises(Refused):
            adopt(ledger, copy, asked(Actor(id="EN-1", role="engineer")), held={})
        with ledger.reading() as reads:
            assert reads.size < 50


def test_an_answer_that_is_wrong_among_those_that_came_back_is_found(urls):
    whole, behind = urls
    brought_back(behind, copied(whole))
    with behind_its_back(behind) as tx:
        # a receipt of somebody for an entry that came back, but not that entry's
        last = "(SELECT max(position) FROM entry)"
        text = '{{"first":{0},"count":1}}'
        with Ledger(whole) as ledger, ledger.reading() as reads:
            position = reads.size - 3
        answer_of = text.format(position).encode().hex()
        literal = f"x'{answer_of}'" if tx.dialect.name == "sqlite" else f"'\\x{answer_of}'"
        tx.exec_driver_sql(
            "INSERT INTO receipt SELECT log_id, 'somebody', key, digest, "
            f"{literal} FROM receipt LIMIT 1"
        )
        assert tx.exec_driver_sql(f"SELECT {last}").scalar()
    with (
        Ledger(behind) as ledger,
        ledger.reading() as reads,
        pytest.raises(ReplayDiffers, match=f"position {position}: the receipt"),
    ):
        verify(reads, deep=True)


# At the command line


def town(folder: Path) -> tuple[str, Path]:
    """Make a town whose backup lacks what its exported log has: the restored database, the copy."""
    url, copy = sqlite_url(folder), folder / "copy"
    new_town(url).close()
    with Ledger(url) as ledger:
        accepted(ledger.execute(party(50)))
    assert run("checkpoint", "--publish", ledger=url).exit_code == 0
    backup = folder / "backup.db"
    with Ledger(url) as ledger:
        shutil.copy(folder / "town.db", backup)
        for number in range(51, 400):
            ledger.submit(party(number))
    assert run("export", "log", copy, ledger=url).exit_code == 0
    for leftover in folder.glob("town.db-*"):
        leftover.unlink()
    shutil.copy(backup, folder / "town.db")
    return url, copy


PERSONS = ("--by", "EN-1", "--second", "EN-2")


def test_a_restored_database_is_adopted_by_two_persons_once(tmp_path):
    url, copy = town(tmp_path)
    before = answer("db", "status", ledger=url)
    done = answer("db", "adopt", copy, *PERSONS, ledger=url)
    assert done["first"] == before["size"]
    assert done["end"] == before["size"] + 349
    assert run("verify", "--deep", ledger=url).exit_code == 0
    assert run("checkpoint", "--publish", ledger=url).exit_code == 0
    again = error("db", "adopt", copy, *PERSONS, ledger=url)
    assert (again["kind"], "nothing is missing" in again["message"]) == ("Conflict", True)


def test_an_adoption_needs_two_persons_and_a_copy_the_log_signed(tmp_path):
    url, copy = town(tmp_path)
    alone = run("db", "adopt", copy, "--by", "EN-1", "--second", "EN-1", ledger=url)
    assert (alone.exit_code, "two different persons" in alone.output) == (2, True)
    named = run("db", "adopt", copy, "--by", "Ada L.", "--second", "EN-1", ledger=url)
    assert (named.exit_code, "opaque" in named.output) == (2, True)
    nothing = error("db", "adopt", tmp_path / "none", *PERSONS, ledger=url)
    assert nothing["kind"] == "NotFound"
    bundle = copy / "tile" / "entries" / "001.p"
    shutil.rmtree(bundle)
    missing = error("db", "adopt", copy, *PERSONS, ledger=url)
    assert (missing["kind"], "is missing" in missing["message"]) == ("TamperEvidence", True)
    (tmp_path / "town.db.key").unlink()
    assert error("db", "adopt", copy, *PERSONS, ledger=url)["kind"] == "Misconfigured"


def test_a_log_begins_on_the_day_that_was_said(tmp_path):
    url = sqlite_url(tmp_path)
    words = ("db", "create", "--ledger-id", "eu", "--origin", "log.example.net/log/eu")
    late = error(*words, "--inception", "2020-02-29", ledger=url)
    assert (late["exit_code"], "no log begins on another day" in late["message"]) == (2, True)
    assert run(*words, "--inception", "yesterday", ledger=url).exit_code == 2
    said = run(*words, ledger=url, env={"MOBILEGRID_MODE": "production"})
    assert (said.exit_code, "--inception" in said.output) == (2, True)
    assert list(tmp_path.iterdir()) == []
    today = late["message"].partition("today is ")[2][:10]
    assert answer(*words, "--inception", today, ledger=url)["size"] == 1


def test_a_copy_that_is_no_note_is_refused(tmp_path):
    url, copy = town(tmp_path)
    (copy / "checkpoint").write_bytes(b"no note")
    assert error("db", "adopt", copy, *PERSONS, ledger=url)["kind"] == Malformed.__name__
