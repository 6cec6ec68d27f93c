"""`export epcis` and `export passport` as a person calls them."""

import json

import pytest

from ledger.domain.passports import PassportDisclosed
from ledger.runtime.ledger import Ledger
from tests.support.cli import answer, error, run
from tests.support.facts import MODEL, encoded, facts_file
from tests.support.lives import LIFE
from tests.support.town import PACK

# export epcis


def test_histories_of_all_packs_are_written_and_the_head_is_signed_once(lived, tmp_path):
    first = answer("export", "epcis", tmp_path / "all.json", ledger=lived)
    assert first["packs"] == 3
    document = json.loads((tmp_path / "all.json").read_text("utf-8"))
    assert len(document["epcisBody"]["eventList"]) == first["events"] > 30
    note = answer("checkpoint", ledger=lived)
    assert note["size"] == first["entries"]
    again = answer("export", "epcis", tmp_path / "again.json", ledger=lived)
    assert again["sha256"] == first["sha256"]
    shown = run("export", "epcis", tmp_path / "all.json", ledger=lived).stdout
    assert f"{first['events']} events of 3 packs" in shown


def test_packs_moments_and_names_can_be_chosen(lived, tmp_path):
    file = tmp_path / "some.json"
    one = answer("export", "epcis", file, "--pack", LIFE, ledger=lived)
    two = answer("export", "epcis", file, "--pack", LIFE, "--pack", PACK, ledger=lived)
    assert (one["packs"], two["packs"]) == (1, 2)
    early = answer("export", "epcis", file, "--pack", PACK, "--valid-at", "2024-03-02",
                   "--base", "https://id.example.net", ledger=lived)  # fmt: skip
    events = json.loads(file.read_text("utf-8"))["epcisBody"]["eventList"]
    assert len(events) == early["events"] == 4
    assert events[0]["epcList"] == ["https://id.example.net/pack/PK-1"]


def test_an_unknown_pack_signs_nothing_and_a_strange_base_writes_nothing(lived, tmp_path):
    file = tmp_path / "e.json"
    assert error("export", "epcis", file, "--pack", "PK-99", ledger=lived)["kind"] == "NotFound"
    assert error("checkpoint", ledger=lived)["kind"] == "NotFound"
    wrong = error("export", "epcis", file, "--base", "id.example.net", ledger=lived)
    assert (wrong["kind"], wrong["field"]) == ("Malformed", "base")
    below_a_file = tmp_path / "town.db" / "x.json"
    assert error("export", "epcis", below_a_file, ledger=lived)["exit_code"] == 4
    assert not file.exists()


# export passport


def test_without_a_folder_the_attributes_and_their_sources_are_listed(lived, facts):
    bare = answer("export", "passport", LIFE, ledger=lived)
    assert len(bare) == 93
    sources = {each["clause"]: each["source"] for each in bare}
    assert (sources["6.7.2.3"], sources["6.7.2.2"]) == ("ledger", "")
    told = answer("export", "passport", LIFE, "--facts", facts, ledger=lived)
    assert sum(bool(each["source"]) for each in told) == 91
    shown = run("export", "passport", LIFE, "--facts", facts, ledger=lived).stdout
    assert "161.710" in shown
    assert "91 of 93 attributes are known." in shown


@pytest.mark.parametrize(("viewer", "attributes"), [("public", 59), ("interest", 90)])
def test_a_passport_is_written_for_its_viewer(lived, facts, tmp_path, viewer, attributes):
    folder = tmp_path / "p"
    to = ("--viewer", viewer, "--to", "WS-1")
    done = answer("export", "passport", LIFE, folder, "--facts", facts, *to, ledger=lived)
    assert (done["attributes"], done["files"]) == (attributes, 9)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert manifest["viewer"] == viewer
    assert {each.name for each in folder.iterdir()} == {*manifest["files"], "manifest.json"}
    again = answer("export", "passport", LIFE, folder, "--facts", facts, *to,
                   "--shape", "catena-x", ledger=lived)  # fmt: skip
    assert again["files"] == 2
    assert len(list(folder.iterdir())) == 3


def disclosures(url):
    life = answer("history", LIFE, ledger=url)
    return [step for step in life["steps"] if step["kind"] == "passport_disclosed"]


def test_the_ledger_keeps_who_got_a_passport_that_is_not_for_everybody(lived, facts, tmp_path):
    public = ("export", "passport", LIFE, tmp_path / "p", "--facts", facts)
    answer(*public, ledger=lived)
    assert disclosures(lived) == []
    asked = (*public, "--viewer", "interest", "--known-at", "2024-04-30")
    assert run(*asked, ledger=lived).exit_code == 2, "to whom?"
    to = ("--to", "WS-1", "--act-as", "anna")
    done = answer(*asked, *to, ledger=lived)
    (step,) = disclosures(lived)
    again = answer(*asked, *to, ledger=lived)
    assert again["sha256"] == done["sha256"]
    assert disclosures(lived) == [step], "the same passport to the same party is kept once"
    with Ledger(lived) as ledger, ledger.reading() as reads:
        entry = reads.entry(step["position"])
    assert entry.event == PassportDisclosed(
        pack_id=LIFE, party_id="WS-1", viewer="interest", manifest_sha256=done["sha256"]
    )
    assert entry.envelope.actor.id == "anna"


def test_a_passport_for_a_stranger_or_a_driver_is_refused_and_not_written(lived, facts, tmp_path):
    for party_id, code in (("XX-1", "party_unknown"), ("DR-1", "party_role_missing")):
        found = error("export", "passport", LIFE, tmp_path / "p", "--facts", facts,
                      "--viewer", "interest", "--to", party_id, ledger=lived)  # fmt: skip
        assert found["refusal"] == code
    assert not (tmp_path / "p").exists()
    assert disclosures(lived) == []


def test_missing_facts_are_named_and_nothing_is_written(lived, facts, tmp_path):
    facts.write_bytes(encoded(facts_file(facts={**MODEL, "6.4.4": 1}, packs={})))
    found = error("export", "passport", LIFE, tmp_path / "p", "--facts", facts,
                  "--viewer", "issuer", "--to", "MG", ledger=lived)  # fmt: skip
    assert (found["kind"], found["refusal"]) == ("Refused", "passport_fact_missing")
    assert "6.7.3.3" in found["facts"]["missing"]
    assert found["exit_code"] == 1
    assert not (tmp_path / "p").exists()


def test_a_bad_facts_file_is_named_with_member_and_rule(lived, facts, tmp_path):
    facts.write_bytes(encoded(facts_file(facts=MODEL | {"6.1.3.6": "heavy"})))
    found = error("export", "passport", LIFE, tmp_path / "p", "--facts", facts, ledger=lived)
    assert (found["kind"], found["field"]) == ("Malformed", "facts.6.1.3.6")
    nowhere = tmp_path / "no.json"
    assert error("export", "passport", LIFE, "--facts", nowhere, ledger=lived)["kind"] == "NotFound"
    facts.write_bytes(b" " * 1_048_577)
    long = error("export", "passport", LIFE, "--facts", facts, ledger=lived)
    assert "longer than" in long["rule"]
    assert error("export", "passport", "PK-99", ledger=lived)["kind"] == "NotFound"
    assert run("export", "passport", LIFE, "--viewer", "everybody", ledger=lived).exit_code == 2
