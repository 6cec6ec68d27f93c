"""`passport` as a person calls it: a class registered, papers recorded, gaps, numbers, labels."""

import json

import pytest

from ledger.domain.passports import PassportDisclosed
from ledger.runtime.ledger import Ledger
from tests.support.cli import answer, error, run
from tests.support.facts import INDIVIDUAL, MODEL, encoded, facts_file, measured
from tests.support.lives import LIFE

NUMBERS = ("--nominal-wh", "75000", "--rated-mv", "355200")


@pytest.fixture
def told(lived, facts):
    """Register the class, and record the papers of the pack."""
    answer("passport", "register", facts, *NUMBERS, ledger=lived)
    answer("passport", "record", facts, ledger=lived)
    return lived


def test_a_class_is_registered_once_and_a_change_is_the_next_version(lived, facts):
    done = answer("passport", "register", facts, *NUMBERS, ledger=lived)
    assert (done["what"], done["version"], done["facts"]) == ("M75", 1, len(MODEL))
    assert len(done["positions"]) == 1
    again = answer("passport", "register", facts, *NUMBERS, ledger=lived)
    assert again["positions"] == done["positions"]
    facts.write_bytes(encoded(facts_file(facts=MODEL | {"6.1.3.6": 451.5})))
    found = error("passport", "register", facts, *NUMBERS, ledger=lived)
    assert found["refusal"] == "class_exists"
    facts.write_bytes(encoded(facts_file(facts=MODEL | {"6.1.3.6": 451.5}, version=2)))
    assert answer("passport", "register", facts, *NUMBERS, ledger=lived)["version"] == 2
    covered = answer("passport", "export", LIFE, ledger=lived)
    mass = next(one for one in covered if one["clause"] == "6.1.3.6")
    assert (mass["source"], mass["value"]) == ("class", "451.5")
    shown = run("passport", "register", facts, *NUMBERS, ledger=lived).stdout
    assert "class M75" in shown


def test_a_bad_facts_file_registers_nothing(lived, facts):
    facts.write_bytes(encoded(facts_file(facts=MODEL | {"6.1.3.6": "heavy"})))
    for command in (("register", *NUMBERS), ("record",)):
        found = error("passport", command[0], facts, *command[1:], ledger=lived)
        assert (found["kind"], found["field"]) == ("Malformed", "facts.6.1.3.6")
    facts.write_bytes(encoded(facts_file(packs={"PK-99": INDIVIDUAL})))
    assert error("passport", "record", facts, ledger=lived)["refusal"] == "unknown_pack"


def test_gaps_are_named_until_class_and_papers_are_there(lived, facts):
    lacking = run("passport", "check", LIFE, "--json", ledger=lived)
    assert lacking.exit_code == 1
    (one,) = json.loads(lacking.stdout)
    assert (one["pack_class"], one["is_registered"]) == ("M75", False)
    assert {"6.5.2", "6.7.3.3", "catena_x"} <= set(one["missing"])
    answer("passport", "register", facts, *NUMBERS, ledger=lived)
    (one,) = json.loads(run("passport", "check", LIFE, "--json", ledger=lived).stdout)
    assert one["is_registered"]
    assert set(one["missing"]) <= set(INDIVIDUAL)
    answer("passport", "record", facts, ledger=lived)
    assert answer("passport", "check", LIFE, ledger=lived)[0]["missing"] == []
    every = run("passport", "check", ledger=lived)
    assert every.exit_code == 1
    assert "0 of 2 passports can be written." in every.stdout, "the one of the whole life has ended"
    assert error("passport", "check", "PK-99", ledger=lived)["kind"] == "NotFound"


def test_a_passport_of_a_registered_class_needs_no_file(told, tmp_path, facts):
    folder = tmp_path / "p"
    to = ("--viewer", "issuer", "--to", "WS-1", "--act-as", "anna")
    done = answer("passport", "disclose", LIFE, folder, *to, ledger=told)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["class"]["version"] == 1
    assert manifest["class"]["source"] == "Technical file TF-75, revision 3"
    assert "facts" not in manifest
    sources = manifest["attributes"]
    assert sources["6.5.2"] == "class"
    assert sources["6.7.3.3"] == "papers"
    assert sources["6.7.2.3"] == "ledger"
    assert sources["6.7.8.4"] == "ledger, papers"
    with Ledger(told) as ledger, ledger.reading() as reads:
        entry = reads.entry(reads.size - 1)
    assert entry.event == PassportDisclosed(
        pack_id=LIFE, party_id="WS-1", viewer="issuer", manifest_sha256=done["sha256"]
    )
    # a file may tell more of one pack, and nothing of a class that is registered
    more = INDIVIDUAL | {"6.7.6.4": measured(313)}
    facts.write_bytes(encoded(facts_file(facts={"6.1.3.6": 1}, packs={LIFE: more})))
    covered = answer("passport", "export", LIFE, "--facts", facts, ledger=told)
    by_clause = {one["clause"]: one for one in covered}
    assert by_clause["6.1.3.6"]["source"] == "class"
    assert by_clause["6.7.6.4"]["source"] == "facts"
    assert run("passport", "disclose", LIFE, folder, ledger=told).exit_code == 2


def test_what_was_registered_later_does_not_change_a_passport_of_before(told, facts, tmp_path):
    folder = tmp_path / "p"
    answer("passport", "export", LIFE, folder, ledger=told)
    before = (folder / "manifest.json").read_bytes()
    known_at = str(json.loads(before)["entries"])
    assert known_at
    facts.write_bytes(encoded(facts_file(facts=MODEL | {"6.1.3.6": 451.5}, version=2)))
    answer("passport", "register", facts, *NUMBERS, ledger=told)
    answer("passport", "export", LIFE, folder, ledger=told)
    after = json.loads((folder / "manifest.json").read_bytes())
    assert after["class"]["version"] == 2
    early = answer("passport", "export", LIFE, "--known-at", "2024-04-30", ledger=told)
    assert not [one for one in early if one["source"] in ("class", "papers")]


def test_packs_get_numbers_in_order_and_a_label_to_be_printed(told):
    given = answer("passport", "number", "PK-2", "PK-1", "--prefix", "9520001", ledger=told)
    assert given == {"PK-2": "9520001PK0000000001", "PK-1": "9520001PK0000000002"}
    assert answer("passport", "number", "--prefix", "9520001", ledger=told) == {}
    made = answer("passport", "label", "PK-2", "--resolver", "id.example.net", ledger=told)
    assert made["qr"] == "https://id.example.net/8004/9520001PK0000000001"
    assert made["element"] == "(8004)9520001PK0000000001"
    shown = run("passport", "label", "PK-2", "--resolver", "id.example.net", ledger=told).stdout
    assert made["qr"] in shown
    assert "2 packs" in run("passport", "number", "PK-1", "PK-2", "--prefix", "9520001",
                            ledger=told).stdout  # fmt: skip
    wrong = error("passport", "number", "PK-1", "--prefix", "95", ledger=told)
    assert wrong["refusal"] == "pack_field_invalid"
    wrong = error("passport", "label", "PK-2", "--resolver", "no host", ledger=told)
    assert wrong["field"] == "resolver"


def test_a_pack_without_a_number_has_no_label(lived):
    found = error("passport", "label", "PK-1", "--resolver", "id.example.net", ledger=lived)
    assert (found["kind"], found["exit_code"]) == ("NotFound", 1)
