"""Personal data stand in the clear in no file: not in ours, and where they do it is found."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from ledger.kernel.errors import Unavailable
from ledger.runtime import plaintext
from ledger.runtime.erasing import ledger_files
from ledger.runtime.plaintext import FoundPlain, spellings, sweep_plaintext
from ledger.runtime.sweeping import files_below
from tests.support.cli import answer, error, run
from tests.support.erasing import People
from tests.support.ledgers import sqlite_url
from tests.support.vaults import INVOICE


@pytest.fixture
def people(tmp_path: Path):
    made = People(sqlite_url(tmp_path), f"sqlite:///{tmp_path / 'vault.db'}")
    yield made
    made.close()


def own_files(people: People) -> list[Path]:
    return files_below([*people.vault.database.files(), *ledger_files(people.ledger)])


def test_nothing_known_about_anybody_stands_in_our_own_files(people: People) -> None:
    for number in range(300):
        people.register(number, email=f"driver.{number}@example.net")
    gone = people.register(300, email="gone@example.net")
    people.erase(gone)
    done = sweep_plaintext(people.vault, own_files(people))
    assert done.found == ()
    assert done.fields >= 3 * 300
    assert done.bytes_read > 100_000
    assert len(people.vault.cache) == 0


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("mail to zoe@example.net failed", "email"),
        (f"GET /persons?mail={quote('zoe@example.net', safe='')} 200", "email"),
        (json.dumps({"name": "Zoé Martin"}), "legal_name"),
        ("1 rue du Port", "address"),
        ("1+rue+du+Port", "address"),
    ],
)
def test_what_stands_in_the_clear_is_found_in_every_spelling(
    people: People, tmp_path: Path, text: str, field: str
) -> None:
    subject = people.register()
    folder = tmp_path / "backups" / "nightly"
    folder.mkdir(parents=True)
    (folder / "access.log").write_text(f"{'x' * 1000}{text}{'y' * 1000}")
    found = sweep_plaintext(people.vault, files_below([folder])).found
    assert FoundPlain("access.log", subject, field) in found


def test_persons_are_searched_in_parts(people: People, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(plaintext, "NEEDLES_AT_ONCE", 4)
    subjects = [people.register(number, email=f"d{number}@example.net") for number in range(5)]
    file = tmp_path / "trace"
    file.write_text("d0@example.net d4@example.net")
    found = {each.subject for each in sweep_plaintext(people.vault, [file]).found}
    assert found == {subjects[0], subjects[4]}
    people.persons.wrapper.out = True
    with pytest.raises(Unavailable):
        sweep_plaintext(people.vault, [file])


def test_short_texts_would_be_found_by_chance_and_are_left_out() -> None:
    assert spellings({"language": ["fr", "zh"], "zip": 44_000}) == set()
    assert b"33612345678" in {each[-11:] for each in spellings("+33612345678")}
    assert spellings(INVOICE) >= {b"1 rue du Port", b"1+rue+du+Port"}


def test_the_daily_sweep_takes_backups_and_access_logs(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    origin = ("--ledger-id", "eu", "--origin", "log.example.net/log/eu")
    assert run("db", "create", *origin, ledger=url).exit_code == 0
    person = tmp_path / "person.json"
    person.write_text('{"contact": {"email": "ada@example.net"}}')
    answer("subject", "register", person, "--country", "FR", ledger=url)
    assert "plaintext" not in answer("subject", "sweep", ledger=url)
    person.unlink()
    backups = tmp_path / "backups"
    backups.mkdir()
    (backups / "town.db").write_bytes((tmp_path / "town.db").read_bytes())
    (backups / "vault").write_bytes((tmp_path / "town.db.vault").read_bytes())
    clean = answer("subject", "sweep", backups, ledger=url)["plaintext"]
    assert (clean["found"], clean["fields"]) == ([], 1)
    assert clean["files"] >= 4
    trace = tmp_path / "access.log"
    trace.write_text("GET /persons?mail=ada%40example.net 200\n")
    shown = run("subject", "sweep", backups, trace, ledger=url)
    assert (shown.exit_code, "email of DR-" in shown.stdout) == (3, True), shown.output
    assert "ada" not in shown.output
    missing = error("subject", "sweep", tmp_path / "none", ledger=url)
    assert missing["kind"] == "NotFound"
