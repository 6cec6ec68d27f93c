"""Requests for help on the command line: listed, read by two, answered, closed, and erased."""

import json

import pytest

from ledger.domain.support import OpenSupportCase, first_message_of
from ledger.domain.support_rows import subject_field, text_field
from ledger.kernel.messages import Actor, Request
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.notices import follow
from ledger.runtime.personal_texts import PersonalTexts, open_file, seal_file
from ledger.store import notices
from mobilegrid import personal, wiring
from mobilegrid.settings import LedgerSettings, Settings
from tests.support.cli import answer, error, run

CASE = "SC-1"
BOTH = ("--by", "SU-1", "--second", "SU-2")
TEXT = "Mon pack chauffe."


@pytest.fixture
def town(tmp_path):
    """Give the ledger of a driver who has asked for help, and who he is."""
    url = f"sqlite:///{tmp_path / 'town.db'}"
    origin = ("--ledger-id", "town", "--origin", "log.example.net/log/town")
    assert run("db", "create", *origin, ledger=url).exit_code == 0
    person = {"contact": {"email": "zoe@example.net"}, "invoice": {}}
    (tmp_path / "person.json").write_text(json.dumps(person), encoding="utf-8")
    said = answer("subject", "register", tmp_path / "person.json", "--country", "FR", ledger=url)
    driver_id = str(said["subject"])
    with personal.open_people(Settings(ledger=LedgerSettings(url=url))) as (ledger, vault, _):
        texts = PersonalTexts(ledger, vault, wiring.CLOCK, wiring.IDS)
        values = {text_field(first_message_of(CASE)): TEXT, subject_field(CASE): "Chaud"}
        command = OpenSupportCase(
            case_id=CASE,
            driver_id=driver_id,
            topic="incident",
            sealed=texts.keep_once(driver_id, values),
        )
        who = Actor(driver_id, "driver")
        request = Request(wiring.IDS.key(), driver_id, who, wiring.CLOCK.now(), command)
        accepted(ledger.execute_all([request])[0])
    return url, driver_id


def test_a_request_is_read_answered_and_closed_and_the_log_says_who_looked(town):
    url, driver_id = town
    (row,) = answer("support", "list", ledger=url)
    assert (row["case_id"], row["driver_id"]) == (CASE, driver_id)
    assert TEXT not in run("support", "list", ledger=url).output
    shown = answer("support", "show", CASE, *BOTH, ledger=url)
    assert (shown["subject"], list(shown["texts"].values())) == ("Chaud", [TEXT])
    with Ledger(url) as ledger, ledger.reading() as reads:
        looked = list(reads.entries(0, None, ("subject.revealed",)))
    assert len(looked) == 1
    assert text_field(first_message_of(CASE)) in getattr(looked[0].event, "fields", ())
    assert run("support", "answer", CASE, "--text", "On arrive.", *BOTH, ledger=url).exit_code == 0
    shown = run("support", "show", CASE, *BOTH, ledger=url)
    assert "On arrive." in shown.output
    assert "WAITING_DRIVER" in shown.output
    done = run("support", "close", CASE, "--resolution", "pack exchanged", *BOTH, ledger=url)
    assert done.exit_code == 0
    assert answer("support", "list", ledger=url) == []
    assert answer("support", "list", "--all", ledger=url)[0]["resolution"] == "pack exchanged"
    assert run("verify", "--deep", ledger=url).exit_code == 0


def test_what_cannot_be_is_refused_in_words(town):
    url, _ = town
    assert "no request SC-9" in error("support", "show", "SC-9", *BOTH, ledger=url)["message"]
    alone = ("--by", "SU-1", "--second", "SU-1")
    assert run("support", "show", CASE, *alone, ledger=url).exit_code == 2
    assert run("support", "answer", CASE, "--text", "", *BOTH, ledger=url).exit_code == 2


def inbox(ledger, driver_id):
    with ledger.reading() as reads:
        rows = notices.of_driver(reads.tx, reads.name.log_id, driver_id)
    return [row.body.text_key for row in rows]


def test_who_is_erased_leaves_a_thread_without_words(town, tmp_path):
    url, driver_id = town
    file = tmp_path / "certificate.json"
    assert run("support", "close", CASE, "--resolution", "x", *BOTH, ledger=url).exit_code == 0
    with Ledger(url) as ledger:
        assert follow(ledger) == 1
        assert inbox(ledger, driver_id) == ["case.closed"]
    answer("subject", "erase", driver_id, "--certificate", file, ledger=url)
    with Ledger(url) as ledger:
        assert inbox(ledger, driver_id) == []
    found = error("support", "show", CASE, *BOTH, ledger=url)
    assert "erased" in found["message"]
    assert run("verify", "--deep", ledger=url).exit_code == 0
    for path in tmp_path.iterdir():
        assert TEXT.encode() not in path.read_bytes(), path.name


def test_a_sealed_file_opens_with_its_key_alone():
    kept = {}

    def put(data):
        kept["sealed"] = data
        return "ab" * 32

    numbers = iter(range(1, 100))
    opener = seal_file(b"a picture", lambda count: bytes([next(numbers)]) * count, put)
    assert b"picture" not in kept["sealed"]
    assert open_file(kept["sealed"], opener) == b"a picture"
    with pytest.raises(Exception, match="sealed file was changed"):
        open_file(kept["sealed"][:-1] + b"\x00", opener)
