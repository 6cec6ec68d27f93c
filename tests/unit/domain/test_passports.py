from typing import Any

import pytest

from ledger.domain.parties import PARTIES, Party
from ledger.domain.passport_facts import ToldFact
from ledger.domain.passports import (
    DisclosePassport,
    PassportDisclosed,
    PassportFactsRecorded,
    RecordPassportFacts,
    postings,
)
from ledger.exports._passport_attributes import VIEWERS
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, small_town

DISCLOSE: dict[str, Any] = {
    "pack_id": "PK-1",
    "party_id": "WS-1",
    "viewer": "interest",
    "manifest_sha256": "ab" * 32,
}


def disclosing(**changes: Any) -> Any:
    world = small_town()
    put_pack(world, "Packs:Depot:DE-1:Stored")
    world.put(PARTIES, "BO-1", Party("BO-1", ("driver", "workshop"), "CN"))
    return act(world, DisclosePassport(**DISCLOSE | changes))


def test_a_disclosure_names_pack_party_viewer_and_digest_and_moves_nothing():
    (event,) = events(disclosing())
    assert event == PassportDisclosed(**DISCLOSE)
    assert postings(event) == ()


@pytest.mark.parametrize("viewer", [viewer for viewer in VIEWERS if viewer != "public"])
def test_every_viewer_but_everybody_can_be_named(viewer):
    assert events(disclosing(viewer=viewer))


def test_a_driver_who_is_also_a_workshop_can_get_one():
    assert events(disclosing(party_id="BO-1"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"pack_id": "PK-9"}, RefusalCode.UNKNOWN_PACK),
        ({"party_id": "XX-1"}, RefusalCode.PARTY_UNKNOWN),
        ({"party_id": "DR-1"}, RefusalCode.PARTY_ROLE_MISSING),
        ({"viewer": "public"}, RefusalCode.PACK_FIELD_INVALID),
        ({"viewer": "neighbour"}, RefusalCode.PACK_FIELD_INVALID),
        ({"manifest_sha256": "AB" * 32}, RefusalCode.PACK_FIELD_INVALID),
        ({"manifest_sha256": "ab" * 31}, RefusalCode.PACK_FIELD_INVALID),
    ],
)
def test_a_disclosure_of_nothing_to_nobody_is_refused(change, code):
    refusal = disclosing(**change)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.others) == (code, ())


def test_a_driver_cannot_disclose():
    command = DisclosePassport(**DISCLOSE)
    refusal = act(small_town(), command, actor=Actor("DR-1", "driver"))
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.ROLE_NOT_ALLOWED


# What papers tell


def recording(**changes: Any) -> Any:
    world = small_town()
    put_pack(world, "Packs:Workshop:WS-1")
    usual: dict[str, Any] = {
        "pack_id": "PK-1",
        "source": "Test report 17",
        "facts": (ToldFact("6.7.8.3", '{"value":0}'), ToldFact("6.7.3.3", '{"power_w":1.50}')),
        "doc_sha256": "ab" * 32,
    }
    return act(world, RecordPassportFacts(**usual | changes))


def test_what_a_paper_tells_of_a_pack_is_kept_by_clause_to_the_last_digit():
    (event,) = events(recording())
    assert event == PassportFactsRecorded(
        pack_id="PK-1",
        source="Test report 17",
        facts=(ToldFact("6.7.3.3", '{"power_w":1.50}'), ToldFact("6.7.8.3", '{"value":0}')),
        doc_sha256="ab" * 32,
    )
    assert postings(event) == ()
    assert events(recording(doc_sha256=""))


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"pack_id": "PK-9"}, RefusalCode.UNKNOWN_PACK, None),
        ({"source": ""}, RefusalCode.PACK_FIELD_INVALID, "source"),
        ({"facts": ()}, RefusalCode.PACK_FIELD_INVALID, "facts"),
        (
            {"facts": (ToldFact("power", "1"),)},
            RefusalCode.PACK_FIELD_INVALID,
            "facts.power",
        ),
        ({"doc_sha256": "paper"}, RefusalCode.PACK_FIELD_INVALID, "doc_sha256"),
    ],
)
def test_a_paper_that_tells_nothing_or_of_nobody_is_refused(change, code, field):
    refusal = recording(**change)
    assert isinstance(refusal, Refusal)
    assert refusal.code is code
    assert refusal.facts.get("field") == field
