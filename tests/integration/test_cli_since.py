"""`verify` with an older checkpoint in hand, and with a whole bill in a ZIP."""

import shutil

import msgspec
import pytest
from click.testing import Result

from ledger.domain.parties import RegisterParty
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import Ledger, accepted
from tests.support import cli
from tests.support.ledgers import asking, sqlite_url
from tests.support.logs import VKEY
from tests.support.town import DRIVER, MARCH, PERIOD


def grow(url: str, party_id: str) -> None:
    command = RegisterParty(party_id=party_id, party_roles=("driver",), country="FR")
    with Ledger(url) as ledger:
        actor = Actor("AM-1", "asset_manager")
        accepted(ledger.execute(asking(command, party_id, actor=actor, at=MARCH + 200 * DAY)))


@pytest.fixture
def held(url, tmp_path):
    """A checkpoint that somebody keeps, and the key under which he opens it."""
    signed = cli.answer("checkpoint", "--publish", ledger=url)
    file = tmp_path / "held"
    file.write_bytes(signed["note"].encode())
    return file, signed["vkey"]


def test_a_log_that_only_grew_begins_with_an_older_checkpoint(url, held):
    file, vkey = held
    for _ in range(2):
        shown = cli.run("verify", "--since", file, "--vkey", vkey, ledger=url)
        assert shown.exit_code == 0, shown.output
        assert "begins with the 37 entries" in shown.stderr
        grow(url, "DR-NEW")
    assert cli.answer("verify", "--since", file, "--vkey", vkey, ledger=url)["size"] == 38


def refused(shown: Result) -> str:
    assert shown.exit_code == 3, shown.output
    return shown.stderr


def test_another_history_under_the_same_key_shows(url, held, tmp_path):
    file, vkey = held
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(tmp_path / "town.db", other)
    shutil.copy(tmp_path / "town.db.key", other)
    grow(url, "DR-HERE")
    grow(sqlite_url(other), "DR-THERE")
    grow(sqlite_url(other), "DR-THERE-2")
    file.write_bytes(
        cli.answer("checkpoint", "--publish", ledger=sqlite_url(other))["note"].encode()
    )
    asked = ("verify", "--since", file, "--vkey", vkey)
    assert "covers 39 entries, here are 38" in refused(cli.run(*asked, ledger=url))
    grow(url, "DR-HERE-2")
    assert "are not those" in refused(cli.run(*asked, ledger=url))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--since", "HELD"), 2),
        (("--since", "HELD", "--vkey", VKEY), 3),
        (("--since", "HELD", "--vkey", "OWN", "--pack", "PK-1"), 2),
        (("--vkey", "OWN"), 2),
        (("--keys", "HELD"), 2),
        (("HELD", "--since", "HELD", "--vkey", "OWN"), 2),
        (("HELD", "--deep"), 2),
    ],
)
def test_what_does_not_go_together_is_not_begun(url, held, arguments, code):
    words = {"HELD": str(held[0]), "OWN": held[1]}
    asked = [words.get(each, each) for each in arguments]
    assert cli.run("verify", *asked, ledger=url).exit_code == code


# Bills ------------------------------------------------------------------------


@pytest.fixture
def bill(url, tmp_path):
    file = tmp_path / "bill.zip"
    done = cli.answer("prove", "--bill", DRIVER, PERIOD, "--out", file, ledger=url)
    return file, done["vkey"]


def test_a_bill_is_computed_again(bill, tmp_path):
    file, vkey = bill
    found = cli.answer("verify", file, "--vkey", vkey)
    assert (found["kind"], found["party"]) == ("bill", DRIVER)
    assert found["size"] >= 37
    assert found["figures"]
    policy = tmp_path / "policy"
    policy.write_text(f"log {vkey}\nquorum none\n")
    shown = cli.run("verify", file, "--policy", policy)
    assert shown.stdout.startswith(f"VERIFIED bill of {DRIVER}"), shown.output


def test_a_bill_that_was_changed_or_is_no_bill_is_refused(bill, tmp_path):
    file, vkey = bill
    data = file.read_bytes()
    assert "step" in refused(cli.run("verify", file, "--vkey", VKEY))
    file.write_bytes(data[:-30])
    assert cli.run("verify", file, "--vkey", vkey).exit_code == 1
    keys = tmp_path / "keys.json"
    keys.write_bytes(msgspec.json.encode({"keys": []}))
    file.write_bytes(data)
    assert cli.run("verify", file, "--vkey", vkey, "--keys", keys).exit_code == 0
    keys.write_bytes(b"not JSON")
    assert cli.run("verify", file, "--vkey", vkey, "--keys", keys).exit_code == 1
    assert cli.run("verify", file, "--vkey", vkey, "--pack", "PK-1").exit_code == 2
    proof = tmp_path / "a.tlog-proof"
    proof.write_bytes(b"c2sp.org/tlog-proof@v1\n")
    assert cli.run("verify", proof, "--vkey", vkey, "--keys", keys).exit_code == 2
