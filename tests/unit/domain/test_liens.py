"""Liens: each places a hold and takes it away again; the hold alone cannot be taken away."""

from typing import Any

import msgspec
import pytest

from ledger.domain.custody import PACKS
from ledger.domain.holds import ClearHold, HoldCleared, HoldPlaced, PlaceHold
from ledger.domain.liens import LIENS_MAX, LienPlaced, LienReleased, PlaceLien, ReleaseLien
from ledger.domain.parties import PARTIES, Party
from ledger.domain.title_rows import TITLES, Lien, Title
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, put_pack, small_town, sums_of

DOCUMENT = "cd" * 32
FINANCE = Actor("FI-1", "finance")


def town(account: str = "Packs:Depot:DE-1:Stored", **fields: Any) -> World:
    world = small_town()
    put_pack(world, account, **fields)
    for number in ("1", "2"):
        world.put(PARTIES, f"BK-{number}", Party(f"BK-{number}", ("bank",), "FR"))
    return world


def place(**changes: Any) -> PlaceLien:
    usual: dict[str, Any] = {
        "lien_id": "LI-1",
        "pack_id": "PK-1",
        "bank_id": "BK-1",
        "doc_sha256": DOCUMENT,
        "amount_minor": 600_000,
        "currency": "EUR",
    }
    return PlaceLien(**(usual | changes))


def codes_of(outcome: Any) -> list[RefusalCode]:
    assert isinstance(outcome, Refusal), outcome
    return [outcome.code, *outcome.others]


def test_a_lien_places_its_hold_and_releasing_it_clears_that_hold():
    world = town()
    lien, hold = events(act(world, place(), at=10, actor=FINANCE))
    assert isinstance(lien, LienPlaced)
    assert isinstance(hold, HoldPlaced)
    assert (hold.reason, hold.hold_id, hold.placed_by) == ("LEGAL_LIEN", lien.hold_id, "FI-1")
    assert set(hold.scopes) == {"no_title_change", "no_disposal"}
    assert sums_of(lien) == {}
    assert act(world, place(), at=11) == ()
    other, second = events(act(world, place(lien_id="LI-2", bank_id="BK-2"), at=12))
    assert second.hold_id != hold.hold_id
    assert len(world.need(PACKS, "PK-1").holds) == 2
    release = ReleaseLien(lien_id="LI-1", pack_id="PK-1", reason="paid back")
    released, cleared = events(act(world, release, at=20, actor=FINANCE))
    assert released == LienReleased(
        lien_id="LI-1",
        pack_id="PK-1",
        bank_id="BK-1",
        hold_id=hold.hold_id,
        reason="paid back",
    )
    assert isinstance(cleared, HoldCleared)
    assert [each.hold_id for each in world.need(PACKS, "PK-1").holds] == [second.hold_id]
    row = world.need(TITLES, "PK-1")
    assert [each.lien_id for each in row.open_liens] == ["LI-2"]
    end = row.liens[0].known_to + 1
    assert [row.liens[0].lasts_at(at, end) for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert act(world, release, at=21) == (), "it is released"
    assert codes_of(act(world, place(), at=22)) == [RefusalCode.IDENTIFIER_TAKEN]
    assert other.bank_id == "BK-2"


def test_the_hold_of_a_lien_goes_only_with_the_lien():
    world = town()
    lien, _hold = events(act(world, place()))
    clear = ClearHold(hold_id=lien.hold_id, pack_id="PK-1")
    assert codes_of(act(world, clear, actor=FINANCE)) == [RefusalCode.LIEN_EXISTS]
    by_hand = PlaceHold(hold_id="HD-9", pack_id="PK-1", reason="LEGAL_LIEN")
    assert events(act(world, by_hand, actor=FINANCE))
    assert events(act(world, ClearHold(hold_id="HD-9", pack_id="PK-1"), actor=FINANCE))


@pytest.mark.parametrize(
    ("fields", "pack", "code"),
    [
        ({"pack_id": "PK-9"}, {}, RefusalCode.UNKNOWN_PACK),
        ({"bank_id": "BK-9"}, {}, RefusalCode.PARTY_UNKNOWN),
        ({"bank_id": "TH-1"}, {}, RefusalCode.PARTY_ROLE_MISSING),
        ({}, {"account": "Packs:Ended:Recycled"}, RefusalCode.PACK_ENDED),
        ({}, {"title_holder_id": ""}, RefusalCode.WRONG_STATE),
        ({"lien_id": "li 1"}, {}, RefusalCode.PACK_FIELD_INVALID),
        ({"doc_sha256": "paper"}, {}, RefusalCode.PACK_FIELD_INVALID),
        ({"amount_minor": 0}, {}, RefusalCode.PACK_FIELD_INVALID),
        ({"currency": "XXX"}, {}, RefusalCode.PACK_FIELD_INVALID),
    ],
)
def test_a_lien_that_cannot_be_placed_says_why(fields, pack, code):
    assert codes_of(act(town(**pack), place(**fields))) == [code]


def test_another_claim_under_a_known_id_is_refused():
    world = town()
    assert events(act(world, place()))
    assert codes_of(act(world, place(amount_minor=1))) == [RefusalCode.IDENTIFIER_TAKEN]


def test_a_pack_takes_a_limited_number_of_liens():
    world = town()
    assert events(act(world, place()))
    (lien,) = world.need(TITLES, "PK-1").liens
    assert isinstance(lien, Lien)
    many = tuple(msgspec.structs.replace(lien, lien_id=f"LI-{n}") for n in range(LIENS_MAX))
    world.put(TITLES, "PK-1", Title("PK-1", "C1", liens=many))
    assert codes_of(act(world, place(lien_id="LI-X"))) == [RefusalCode.PACK_FIELD_INVALID]


def test_releasing_needs_a_lien_that_rests_on_the_pack_and_a_time_after_it():
    world = town()
    release = ReleaseLien(lien_id="LI-1", pack_id="PK-1")
    assert codes_of(act(world, release)) == [RefusalCode.LIEN_UNKNOWN]
    assert events(act(world, place(), at=10))
    wrong = ReleaseLien(lien_id="LI-1", pack_id="PK-1", doc_sha256="paper")
    assert codes_of(act(world, wrong, at=11)) == [RefusalCode.PACK_FIELD_INVALID]
    early = ReleaseLien(lien_id="LI-1", pack_id="PK-1", occurred_at=9)
    outcome = act(world, early, at=11)
    assert isinstance(outcome, Refusal)
    assert outcome.facts["field"] == "occurred_at"
    good = ReleaseLien(lien_id="LI-1", pack_id="PK-1", doc_sha256=DOCUMENT)
    assert events(act(world, good, at=11))
