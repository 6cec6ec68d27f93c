"""`db` and `doctor`: a ledger begins once, and is looked after."""

import sqlite3

import pytest

from tests.support.cli import answer, error, run
from tests.support.ledgers import sqlite_url
from tests.support.postgres import fresh_database

ORIGIN = "log.example.net/log/eu"


def create(url: str, ledger_id: str = "eu", origin: str = ORIGIN):
    return answer("db", "create", "--ledger-id", ledger_id, "--origin", origin, ledger=url)


def test_a_new_ledger_holds_its_entry_0(tmp_path):
    url = sqlite_url(tmp_path)
    made = create(url)
    assert (made["ledger"], made["origin"], made["size"]) == ("eu", ORIGIN, 1)
    assert made["checkpoint_size"] is None
    assert answer("db", "status", ledger=url) == made
    assert ORIGIN in run("db", "status", ledger=url).stdout


def test_a_ledger_begins_only_once(tmp_path):
    url = sqlite_url(tmp_path)
    before = create(url)
    again = error("db", "create", "--ledger-id", "eu", "--origin", "other.example", ledger=url)
    assert again["exit_code"] == 2
    assert "already holds" in again["message"]
    assert answer("db", "status", ledger=url) == before


def test_two_ledgers_of_one_database_are_told_apart_by_a_setting(tmp_path):
    url = sqlite_url(tmp_path)
    create(url, "eu", "log.example.net/log/eu")
    create(url, "us", "log.example.net/log/us")
    assert error("db", "status", ledger=url)["exit_code"] == 1
    shown = run("db", "status", ledger=url, env={"MOBILEGRID_LEDGER__ID": "us"})
    assert "log/us" in shown.stdout


@pytest.mark.parametrize(
    ("ledger_id", "origin", "zone"),
    [
        ("EU west", ORIGIN, "UTC"),
        ("", ORIGIN, "UTC"),
        ("eu", "https://log.example.net", "UTC"),
        ("eu", "log.example.net/", "UTC"),
        ("eu", "two words", "UTC"),
        ("eu", "a+b", "UTC"),
        ("eu", "lög.example.net", "UTC"),
        ("eu", ORIGIN, "Mars/Base"),
    ],
)
def test_a_name_that_cannot_be_is_wrong_usage_and_makes_nothing(tmp_path, ledger_id, origin, zone):
    words = ("--ledger-id", ledger_id, "--origin", origin, "--zone", zone)
    assert run("db", "create", *words, ledger=sqlite_url(tmp_path)).exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("db", "status"), ("db", "upgrade"), ("db", "check"),
                                     ("verify",), ("balance",), ("history", "PK-1"),
                                     ("rebuild",), ("checkpoint",), ("prove", "0"), ("doctor",)],
                         ids=" ".join)  # fmt: skip
def test_no_command_makes_a_ledger_where_there_is_none(tmp_path, command):
    found = error(*command, ledger=sqlite_url(tmp_path))
    assert found["kind"] == "NotFound"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "code"),
    [("nonsense", 2), ("mysql://db/x", 2), ("sqlite://", 2), ("sqlite:////no/such/folder/x.db", 2)],
)
def test_a_database_that_cannot_be_is_refused(url, code):
    words = ("db", "create", "--ledger-id", "eu", "--origin", ORIGIN)
    assert error(*words, ledger=url)["exit_code"] == code


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "town.db").write_bytes(b"This is a letter, not a database." * 100)
    found = error("db", "status", ledger=sqlite_url(tmp_path))
    assert found["exit_code"] in {3, 4}


def test_a_database_without_a_ledger_or_with_another_schema_is_refused(tmp_path):
    sqlite3.connect(tmp_path / "town.db").execute("CREATE TABLE other (x)").connection.close()
    found = error("db", "status", ledger=sqlite_url(tmp_path))
    assert found["exit_code"] == 2
    assert "db create" in found["message"]


def test_upgrading_again_changes_nothing(tmp_path):
    url = sqlite_url(tmp_path)
    before = create(url)
    assert answer("db", "upgrade", ledger=url)["schema"] == before["schema"]
    assert answer("db", "status", ledger=url) == before


def test_doctor_proves_that_history_cannot_be_changed(tmp_path):
    url = sqlite_url(tmp_path)
    create(url)
    found = answer("doctor", ledger=url)
    assert all(check["ok"] for check in found["checks"])
    by_name = {check["name"]: check["detail"] for check in found["checks"]}
    assert by_name["history cannot be changed"].endswith("all refused")
    assert found["versions"]["sqlite"] == sqlite3.sqlite_version
    assert found["settings"]["ledger.url"] == url
    assert answer("db", "check", ledger=url)["checks"] == found["checks"]
    shown = run("doctor", ledger=url)
    assert "ok  guards" in shown.stdout
    assert answer("db", "status", ledger=url)["size"] == 1, "every attempt was rolled back"


def test_doctor_shows_no_password():
    shown = run("doctor", ledger="postgresql://mg:hunter2@127.0.0.1:9/grid")
    assert shown.exit_code == 4
    assert "hunter2" not in shown.output
    assert "mg:***@127.0.0.1:9" in shown.output


@pytest.mark.slow
@pytest.mark.postgres
def test_a_ledger_on_postgresql_is_looked_after_the_same_way(postgres_url, tmp_path):
    url = fresh_database(postgres_url)
    assert error("db", "status", ledger=url)["exit_code"] == 2
    made = create(url)
    assert error("data", "import", tmp_path, ledger=url)["kind"] == "Malformed"
    assert made["size"] == 1
    checks = answer("doctor", ledger=url)["checks"]
    assert all(check["ok"] for check in checks), checks
    assert answer("verify", "--deep", ledger=url)["root"] == made["root"]
    assert error("checkpoint", "--publish", ledger=url)["exit_code"] == 2, "no key file is named"
