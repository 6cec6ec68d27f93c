"""Title: first holder, change of holder, lease; what stops a change, in the order of the codes."""

from typing import Any

import pytest

from ledger.domain.assets import CommissionPack
from ledger.domain.book_values import AdjustBookValue, BookValueAdjusted
from ledger.domain.carrying import title_account
from ledger.domain.cases import CASES, CaseResolved, open_cases_of, opened
from ledger.domain.custody import PACKS, OpenHold
from ledger.domain.moves import MovePack
from ledger.domain.takeover import TakeOverPack
from ledger.domain.title import (
    EndLease,
    LeaseEnded,
    LeaseStarted,
    RegisterTitle,
    StartLease,
    TitleRegistered,
    TransferTitle,
)
from ledger.domain.title_rows import TITLES, BookValue
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events, fold, put_pack, small_town, sums_of

DEPOT = "Packs:Depot:DE-1:Stored"
DOCUMENT = "ab" * 32
PAIR = Actor("FI-1", "finance", "AM-1")


def town(account: str = DEPOT, **fields: Any) -> World:
    world = small_town()
    put_pack(world, account, **fields)
    return world


def hold(reason: str, scope: str = "no_title_change", expires_at: int = 0) -> OpenHold:
    return OpenHold("HD-1", reason, 1, (scope,), "P1", expires_at)


def transfer(**changes: Any) -> TransferTitle:
    usual: dict[str, Any] = {
        "pack_id": "PK-1",
        "title_holder_id": "TH-2",
        "level": 2,
        "doc_sha256": DOCUMENT,
        "acceptance_sha256": DOCUMENT,
    }
    return TransferTitle(**(usual | changes))


def codes_of(outcome: Any) -> list[RefusalCode]:
    assert isinstance(outcome, Refusal), outcome
    return [outcome.code, *outcome.others]


def amount(value: BookValue | None) -> int | None:
    return None if value is None else value.amount_minor


def faults(world: World, command: Any, **more: Any) -> list[RefusalCode]:
    return codes_of(act(world, command, **more))


# The first holder


def test_a_title_is_registered_once_and_moves_from_the_source_to_the_holder():
    world = town(title_holder_id="", commissioned=False)
    register = RegisterTitle(pack_id="PK-1", title_holder_id="TH-1", doc_sha256=DOCUMENT)
    (event,) = events(act(world, register, actor=PAIR))
    assert event == TitleRegistered(pack_id="PK-1", title_holder_id="TH-1", doc_sha256=DOCUMENT)
    assert sums_of(event) == {
        (title_account("TH-1"), "PK-1"): 1,
        ("Title:Issued", "PK-1"): -1,
    }
    assert world.need(PACKS, "PK-1").title_holder_id == "TH-1"
    assert world.need(TITLES, "PK-1").pack_class == "C1"
    assert not world.need(TITLES, "PK-1").is_commissioned(1, 10**9)
    assert act(world, register, actor=PAIR) == ()
    other = RegisterTitle(pack_id="PK-1", title_holder_id="TH-2")
    assert faults(world, other) == [RefusalCode.WRONG_STATE]


@pytest.mark.parametrize(
    ("fields", "pack", "code"),
    [
        ({"pack_id": "PK-9"}, {}, RefusalCode.UNKNOWN_PACK),
        ({"title_holder_id": "TH-9"}, {}, RefusalCode.PARTY_UNKNOWN),
        ({"title_holder_id": "DR-1"}, {}, RefusalCode.PARTY_ROLE_MISSING),
        ({"doc_sha256": "paper"}, {}, RefusalCode.PACK_FIELD_INVALID),
        ({"occurred_at": 4}, {"moved_at": 5}, RefusalCode.PACK_FIELD_INVALID),
        ({}, {"holds": (hold("FOREIGN_OWNER"),)}, RefusalCode.HOLD_BLOCKS),
        ({}, {"account": "Packs:Bailment:OP-2"}, RefusalCode.WRONG_STATE),
        ({}, {"account": "Packs:Ended:WrittenOff"}, RefusalCode.PACK_ENDED),
    ],
)
def test_a_title_that_cannot_be_registered_says_why(fields, pack, code):
    world = town(**({"title_holder_id": ""} | pack))
    usual: dict[str, Any] = {"pack_id": "PK-1", "title_holder_id": "TH-1"}
    assert faults(world, RegisterTitle(**(usual | fields))) == [code]


def test_registering_and_transferring_need_two_persons_of_finance_or_assets():
    world, alone = town(), Actor("FI-1", "finance")
    for command in (RegisterTitle(pack_id="PK-1", title_holder_id="TH-2"), transfer()):
        assert faults(world, command, actor=alone) == [RefusalCode.SECOND_PERSON_REQUIRED]
        clerk = Actor("DC-1", "depot_clerk", "DC-2")
        assert faults(world, command, actor=clerk) == [RefusalCode.ROLE_NOT_ALLOWED]


# A change of holder


def test_a_title_goes_from_holder_to_holder_and_custody_stays():
    world = town("Packs:Driver:DR-1")
    (event,) = events(act(world, transfer(from_holder_id="TH-1"), actor=PAIR))
    assert sums_of(event) == {
        (title_account("TH-2"), "PK-1"): 1,
        (title_account("TH-1"), "PK-1"): -1,
    }
    assert (event.from_holder_id, event.level) == ("TH-1", 2)
    pack = world.need(PACKS, "PK-1")
    assert (pack.title_holder_id, pack.account) == ("TH-2", "Packs:Driver:DR-1")
    assert act(world, transfer(), actor=PAIR) == ()


@pytest.mark.parametrize(
    ("fields", "pack", "code"),
    [
        ({"title_holder_id": "TH-9"}, {}, RefusalCode.PARTY_UNKNOWN),
        ({"title_holder_id": "OP-1"}, {}, RefusalCode.PARTY_ROLE_MISSING),
        ({}, {"account": "Packs:Ended:Recycled"}, RefusalCode.PACK_ENDED),
        ({}, {"title_holder_id": ""}, RefusalCode.WRONG_STATE),
        ({"from_holder_id": "BK-1"}, {}, RefusalCode.VERSION_CONFLICT),
        ({"level": 1}, {}, RefusalCode.IDENTITY_NOT_PROVEN),
        ({}, {"holds": (hold("CUSTODY_DISPUTE"),)}, RefusalCode.HOLD_BLOCKS),
        ({}, {"holds": (hold("LEGAL_LIEN"),)}, RefusalCode.LIEN_EXISTS),
        ({"doc_sha256": ""}, {}, RefusalCode.PACK_FIELD_INVALID),
        ({"acceptance_sha256": "AB" * 32}, {}, RefusalCode.PACK_FIELD_INVALID),
    ],
)
def test_a_change_of_holder_is_refused_with_the_reason(fields, pack, code):
    assert faults(town(**pack), transfer(**fields), actor=PAIR) == [code]


def test_a_title_changes_hands_in_the_order_of_time():
    world = town()
    assert events(act(world, transfer(), at=50, actor=PAIR))
    back = transfer(title_holder_id="TH-1", occurred_at=49)
    outcome = act(world, back, at=60, actor=PAIR)
    assert codes_of(outcome) == [RefusalCode.PACK_FIELD_INVALID]
    assert isinstance(outcome, Refusal)
    assert outcome.facts["field"] == "occurred_at"
    assert events(act(world, transfer(title_holder_id="TH-1", occurred_at=50), actor=PAIR))


def test_holds_of_other_scopes_or_past_ones_do_not_stop_a_title():
    past = hold("CUSTODY_DISPUTE", expires_at=5)
    world = town(holds=(hold("SOH_STALE", "no_swap_out"), past))
    assert events(act(world, transfer(), at=6, actor=PAIR))


def test_an_open_case_about_the_pack_stops_its_title_until_it_is_settled():
    world = town()
    fold(world, opened("PACK_MIXUP", "other", ("PK-2",), "another pack"))
    case = opened("PACK_MIXUP", "seed", ("PK-1", "DR-1"), "the wrong one")
    fold(world, case)
    assert open_cases_of(world, "PK-1") == (case.case_id,)
    assert faults(world, transfer(), actor=PAIR) == [RefusalCode.CASE_OPEN]
    sale = MovePack(pack_id="PK-1", event="title_transferred_out", level=2)
    assert faults(world, sale, actor=PAIR) == [RefusalCode.CASE_OPEN]
    fold(world, CaseResolved(case_id=case.case_id, resolution="given back"))
    assert open_cases_of(world, "PK-1") == ()
    assert not world.need(CASES, case.case_id).is_open
    (gone,) = events(act(world, sale, actor=PAIR))
    assert sums_of(gone)["Title:Ended", "PK-1"] == 1
    assert sums_of(gone)[title_account("TH-1"), "PK-1"] == -1


def test_all_that_stops_a_change_is_named_at_once():
    holds = (hold("CUSTODY_DISPUTE"), hold("LEGAL_LIEN"))
    assert faults(town(holds=holds), transfer(level=0, doc_sha256=""), actor=PAIR) == [
        RefusalCode.IDENTITY_NOT_PROVEN,
        RefusalCode.HOLD_BLOCKS,
        RefusalCode.LIEN_EXISTS,
        RefusalCode.PACK_FIELD_INVALID,
    ]


def test_a_proof_that_the_pack_never_gave_counts_as_scans_of_two_persons():
    claimed = transfer(level=5, attestation_sha256=DOCUMENT)
    (event,) = events(act(town(), claimed, actor=PAIR))
    assert event.level == 4


# Lease


def test_a_pack_has_one_lessee_at_a_time_and_its_leases_keep_their_times():
    world = town()
    lease = StartLease(pack_id="PK-1", lessee_id="OP-1", contract_id="CT-1")
    (event,) = events(act(world, lease, at=10))
    assert event == LeaseStarted(pack_id="PK-1", lessee_id="OP-1", contract_id="CT-1")
    assert sums_of(event) == {}
    assert act(world, lease, at=11) == ()
    assert faults(world, StartLease(pack_id="PK-1", lessee_id="OP-2")) == [RefusalCode.WRONG_STATE]
    too_early = act(world, EndLease(pack_id="PK-1", occurred_at=9), at=20)
    assert isinstance(too_early, Refusal)
    assert too_early.facts["field"] == "occurred_at"
    (ended,) = events(act(world, EndLease(pack_id="PK-1", reason="over"), at=20))
    assert ended == LeaseEnded(pack_id="PK-1", lessee_id="OP-1", reason="over")
    row = world.need(TITLES, "PK-1")
    assert row.lease is None
    (kept,) = row.leases
    end = kept.known_to + 1
    lasts = [kept.lasts_at(at, end) for at in (9, 10, 19, 20)]
    assert lasts == [False, True, True, False]
    assert kept.lasts_at(20, kept.known_to), "its end was not known yet"
    assert not kept.lasts_at(10, kept.known_from)
    assert faults(world, EndLease(pack_id="PK-1")) == [RefusalCode.WRONG_STATE]
    assert events(act(world, StartLease(pack_id="PK-1", lessee_id="DR-1"), at=30))
    now = world.need(TITLES, "PK-1").lease
    assert now is not None
    assert now.lessee_id == "DR-1"
    assert events(act(world, EndLease(pack_id="PK-1"), at=40))
    first, second = world.need(TITLES, "PK-1").leases
    assert (first.valid_to, second.valid_to) == (20, 40)


def test_a_sale_ends_the_lease_of_the_buyer_and_of_nobody_else():
    world = town()
    assert events(act(world, StartLease(pack_id="PK-1", lessee_id="OP-1")))
    assert len(events(act(world, transfer(), actor=PAIR))) == 1
    assert world.need(TITLES, "PK-1").lease is not None
    assert events(act(world, EndLease(pack_id="PK-1")))
    assert events(act(world, StartLease(pack_id="PK-1", lessee_id="TH-1")))
    _moved, ended = events(act(world, transfer(title_holder_id="TH-1"), actor=PAIR))
    assert ended == LeaseEnded(pack_id="PK-1", lessee_id="TH-1", reason="it is its own now")
    assert world.need(TITLES, "PK-1").lease is None


@pytest.mark.parametrize(
    ("lessee", "pack", "code"),
    [
        ("XX-1", {}, RefusalCode.PARTY_UNKNOWN),
        ("OP-1", {"title_holder_id": ""}, RefusalCode.WRONG_STATE),
        ("OP-1", {"account": "Packs:Ended:Recycled"}, RefusalCode.PACK_ENDED),
        ("TH-1", {}, RefusalCode.PACK_FIELD_INVALID),
    ],
)
def test_a_lease_needs_a_known_lessee_and_a_living_pack_of_another(lessee, pack, code):
    assert faults(town(**pack), StartLease(pack_id="PK-1", lessee_id=lessee)) == [code]


# Service and book value


def test_a_title_remembers_when_a_pack_came_into_service_and_at_what_value():
    world = small_town()
    usual: dict[str, Any] = {"pack_class": "C1", "nominal_wh": 10_000, "soh_bp": 9_000}
    taken = TakeOverPack(
        pack_id="PK-1",
        account=DEPOT,
        title_holder_id="TH-1",
        book_value_minor=500_000,
        currency="EUR",
        **usual,
    )
    (event,) = events(act(world, taken, at=7))
    assert sums_of(event)[title_account("TH-1"), "PK-1"] == 1
    row = world.need(TITLES, "PK-1")
    assert row.is_commissioned(7, row.commissioned_in + 1)
    assert not row.is_commissioned(6, row.commissioned_in + 1)
    assert not row.is_commissioned(7, row.commissioned_in)
    assert amount(row.value) == 500_000
    assert row.value_at(6, 10**9) is None
    waiting = TakeOverPack(
        pack_id="PK-2", account=DEPOT, title_holder_id="TH-1", commissioned=False, **usual
    )
    assert events(act(world, waiting, at=8))
    kept = world.need(TITLES, "PK-2")
    assert (kept.commissioned_in, kept.values, kept.value) == (-1, (), None)
    for wrong in ({"book_value_minor": 1}, {"currency": "EUR"}, {"book_value_minor": -1}):
        again = TakeOverPack(
            pack_id="PK-3", account=DEPOT, title_holder_id="TH-1", **usual, **wrong
        )
        assert faults(world, again) == [RefusalCode.PACK_FIELD_INVALID]


def test_commissioning_keeps_the_holder_who_was_registered_before():
    world = town(title_holder_id="", commissioned=False, soh_bp=9_500)
    register = RegisterTitle(pack_id="PK-1", title_holder_id="TH-1")
    assert events(act(world, register, actor=PAIR))
    commission = CommissionPack(
        pack_id="PK-1",
        soh_bp=9_500,
        min_soh_bp=7_000,
        title_holder_id="TH-1",
        book_value_minor=900_000,
        currency="EUR",
    )
    (event,) = events(act(world, commission, at=9))
    assert not event.issues_title
    row = world.need(TITLES, "PK-1")
    assert (row.commissioned_at, amount(row.value)) == (9, 900_000)


def adjust(**changes: Any) -> AdjustBookValue:
    usual: dict[str, Any] = {
        "pack_id": "PK-1",
        "book_value_minor": 800_000,
        "currency": "EUR",
        "reason": "depreciation by state of health",
    }
    return AdjustBookValue(**(usual | changes))


def test_a_book_value_is_set_anew_and_the_older_ones_keep_their_times():
    world = town()
    (first,) = events(act(world, adjust(), at=10))
    assert first == BookValueAdjusted(
        pack_id="PK-1",
        before_minor=0,
        book_value_minor=800_000,
        currency="EUR",
        reason="depreciation by state of health",
    )
    assert sums_of(first) == {}
    (second,) = events(act(world, adjust(book_value_minor=0), at=20))
    assert second.before_minor == 800_000
    (late,) = events(act(world, adjust(book_value_minor=790_000, occurred_at=15), at=30))
    assert late.before_minor == 0
    row = world.need(TITLES, "PK-1")
    values = [row.value_at(at, 10**9) for at in (9, 10, 15, 20)]
    assert [amount(value) for value in values] == [None, 800_000, 790_000, 0]
    assert amount(row.value_at(15, row.values[2].known_from)) == 800_000
    assert amount(row.value) == 0


@pytest.mark.parametrize(
    ("fields", "pack", "code"),
    [
        ({"pack_id": "PK-9"}, {}, RefusalCode.UNKNOWN_PACK),
        ({}, {"account": "Packs:Ended:Recycled"}, RefusalCode.PACK_ENDED),
        ({}, {"title_holder_id": ""}, RefusalCode.WRONG_STATE),
        ({"book_value_minor": -1}, {}, RefusalCode.PACK_FIELD_INVALID),
        ({"currency": "XXX"}, {}, RefusalCode.PACK_FIELD_INVALID),
        ({"reason": ""}, {}, RefusalCode.PACK_FIELD_INVALID),
    ],
)
def test_a_book_value_needs_a_titled_pack_a_currency_and_a_reason(fields, pack, code):
    assert faults(town(**pack), adjust(**fields)) == [code]


def test_a_pack_keeps_the_currency_of_its_value():
    world = town()
    assert events(act(world, adjust()))
    outcome = act(world, adjust(currency="CNY"))
    assert codes_of(outcome) == [RefusalCode.PACK_FIELD_INVALID]
    assert isinstance(outcome, Refusal)
    assert outcome.facts["field"] == "currency"
