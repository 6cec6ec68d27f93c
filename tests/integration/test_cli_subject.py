"""Persons on the command line: registered from a file, shown masked, erased with a certificate."""

import json

import msgspec
import pytest
from click.testing import CliRunner

from ledger.kernel.messages import Actor
from ledger.runtime.erasure_certificate import check_certificate
from ledger.runtime.ledger import Ledger
from ledger.runtime.openings import openings_of
from ledger.tlog.cosign import verifier_for
from ledger.tlog.note import parse_vkey
from mobilegrid.cli.main import main
from tests.support.cli import answer, error, run

PERSON = {"contact": {"email": "zoe@example.net"}, "invoice": {"legal_name": "Zoé Martin"}}


@pytest.fixture
def town(tmp_path):
    url = f"sqlite:///{tmp_path / 'town.db'}"
    origin = ("--ledger-id", "town", "--origin", "log.example.net/log/town")
    assert run("db", "create", *origin, ledger=url).exit_code == 0
    (tmp_path / "person.json").write_text(json.dumps(PERSON), encoding="utf-8")
    return url


def register(town, tmp_path, *more) -> str:
    said = answer(
        "subject", "register", tmp_path / "person.json", "--country", "FR", *more, ledger=town
    )
    assert said["sealed"] == ["email", "legal_name"]
    return str(said["subject"])


def test_a_person_is_registered_shown_and_erased(town, tmp_path):
    subject = register(town, tmp_path)
    shown = run("subject", "show", subject, ledger=town)
    assert "email" in shown.output
    assert "zoe@" not in shown.output
    told = answer("subject", "show", subject, ledger=town)
    assert told["contact"] == {"email": "•••"}
    assert not told["ordered"]
    file = tmp_path / "certificate.json"
    done = answer("subject", "erase", subject, "--certificate", file, ledger=town)
    assert (done["ordered"], done["erased"]) == (3, 4)
    assert done["purposes"] == ["contact", "invoice"]
    vkey = answer("checkpoint", "--publish", ledger=town)["vkey"]
    said = check_certificate(file.read_bytes(), [verifier_for(parse_vkey(vkey))])
    assert said.subject == subject
    again = answer("subject", "erase", subject, "--certificate", file, ledger=town)
    assert again == done
    told = answer("subject", "show", subject, ledger=town)
    assert (told["contact"], told["invoice"], told["erased"]) == (None, None, 4)
    assert "erased" in run("subject", "show", subject, ledger=town).output
    assert run("verify", "--deep", ledger=town).exit_code == 0
    for path in tmp_path.iterdir():
        if path.name != "person.json":
            assert b"zoe@" not in path.read_bytes()
            assert b"Martin" not in path.read_bytes()


def test_what_the_law_keeps_is_erased_by_the_sweep_at_its_date(town, tmp_path):
    kept = register(town, tmp_path, "--keep-until", "2199-01-01")
    due = register(town, tmp_path, "--keep-until", "2001-01-01")
    told = run("subject", "erase", kept, ledger=town)
    assert "What the law keeps is sealed until 2199-01-01" in told.output
    assert answer("subject", "erase", due, ledger=town)["kept_until"] == ""
    assert "kept by law until" in run("subject", "show", kept, ledger=town).output
    swept = answer("subject", "sweep", ledger=town)
    assert swept == {"completed": [], "fell_due": [], "brought_back": 0, "orphans": 0}
    assert "erasures finished" in run("subject", "sweep", ledger=town).output


def test_a_person_comes_in_by_a_pipe(town):
    words = ["subject", "register", "-", "--country", "FR", "--ledger", town]
    done = CliRunner().invoke(main, words, input=json.dumps(PERSON))
    assert done.exit_code == 0, done.output
    long = CliRunner().invoke(main, words, input=" " * (1024 * 1024 + 1))
    assert long.exit_code == 1


@pytest.mark.parametrize("text", ["", "[]", '{"contact": 3}', '{"health": {}}', '{"contact": {}'])
def test_a_file_that_is_no_person_is_refused_without_saying_what_it_holds(town, tmp_path, text):
    (tmp_path / "person.json").write_text(text + "zoe@example.net", encoding="utf-8")
    found = error("subject", "register", tmp_path / "person.json", "--country", "FR", ledger=town)
    assert (found["kind"], found["field"], found["place"]) == ("Malformed", "person", "person.json")
    assert "zoe@" not in found["message"]


def test_strangers_and_wrong_countries_are_refused(town, tmp_path):
    assert error("subject", "show", "DR-1", ledger=town)["kind"] == "NotFound"
    assert error("subject", "erase", "DR-1", ledger=town)["refusal"] == "subject_unknown"
    found = error(
        "subject", "register", tmp_path / "person.json", "--country", "France", ledger=town
    )
    assert found["refusal"] == "party_field_invalid"


def test_a_vault_or_key_that_went_missing_is_not_replaced(town, tmp_path):
    subject = register(town, tmp_path)
    for name in ("town.db.vault-key", "town.db.vault"):
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        found = error("subject", "show", subject, ledger=town)
        assert found["kind"] == "Misconfigured"
        assert "persons are registered, but" in found["message"]
        (tmp_path / name).write_bytes(data)
    (tmp_path / "town.db.vault-key").chmod(0o644)
    assert "chmod 600" in error("subject", "show", subject, ledger=town)["message"]
    (tmp_path / "town.db.vault-key").chmod(0o600)
    for text, said in (("zz", "cannot be read"), ("00", "holds no key")):
        (tmp_path / "town.db.vault-key").write_text(text)
        assert said in error("subject", "show", subject, ledger=town)["message"]


def test_a_key_in_a_file_is_refused_in_production(town, tmp_path):
    words = ("subject", "register", tmp_path / "person.json", "--country", "FR")
    done = run(*words, ledger=town, env={"MOBILEGRID_MODE": "production"})
    assert done.exit_code == 2
    assert "refused in production" in done.output


def test_vault_key_and_more_places_to_search_can_be_named(town, tmp_path):
    exports = tmp_path / "exports"
    exports.mkdir()
    (exports / "books").write_text("; nothing of a person")
    env = {
        "MOBILEGRID_VAULT__URL": f"sqlite:///{tmp_path / 'persons.db'}",
        "MOBILEGRID_VAULT__KEY_FILE": str(tmp_path / "persons.key"),
        "MOBILEGRID_VAULT__SWEEP": str(exports),
    }
    words = ("subject", "register", tmp_path / "person.json", "--country", "FR")
    assert run(*words, ledger=town, env=env).exit_code == 0
    assert (tmp_path / "persons.db").exists()
    away = env | {"MOBILEGRID_VAULT__KEY_FILE": str(tmp_path / "away" / "persons.key")}
    assert "persons are registered" in run(*words, ledger=town, env=away).output


def test_a_look_at_a_person_is_written_down_with_its_reason_sealed(town, tmp_path):
    subject = register(town, tmp_path)
    fields = answer("subject", "show", subject, ledger=town)["contact"]
    (name,) = fields
    words = ("subject", "reveal", subject, "--field", name, "--reason", "Case CA-1: hurt")
    alone = run(*words, "--by", "SU-1", "--second", "SU-1", ledger=town)
    assert alone.exit_code == 2
    persons = ("--by", "SU-1", "--second", "SU-2")
    seen = answer(*words, *persons, ledger=town)
    assert seen["fields"][name]
    with Ledger(town) as ledger, ledger.reading() as reads:
        entry = reads.entry(seen["position"])
        assert entry.envelope.actor == Actor("SU-1", "support", "SU-2")
        assert b"hurt" not in entry.data
        (opening,) = openings_of(reads, seen["position"])
        assert msgspec.json.decode(opening.value) == "Case CA-1: hurt"
        size = reads.size
    other = error("subject", "reveal", subject, "--field", "shoe_size", "--reason", "x", *persons,
                  ledger=town)  # fmt: skip
    assert other["kind"] == "NotFound"
    run("subject", "erase", subject, ledger=town)
    assert error(*words, *persons, ledger=town)["kind"] == "NotFound"
    with Ledger(town) as ledger, ledger.reading() as reads:
        assert reads.size == size + 2  # the erasure, and no look


def test_a_new_epoch_is_made_at_the_command_line(town, tmp_path):
    register(town, tmp_path)
    assert answer("subject", "rewrap", "2", ledger=town) == {"epoch": 2, "keys": 2}
    assert answer("subject", "rewrap", "2", ledger=town) == {"epoch": 2, "keys": 0}
