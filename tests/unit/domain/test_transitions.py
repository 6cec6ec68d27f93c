import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.moves import MOVES
from ledger.domain.transitions import (
    FAMILIES,
    HOLDER_ROLES,
    OUTSIDE,
    ROWS,
    STATES,
    TERMINAL,
    Family,
    account_of,
    depot_account,
    driver_account,
    driver_energy,
    energy_account,
    find_row,
    place_of,
    row_faults,
    slot_account,
    split_account,
    staged_account,
    state_of,
)
from ledger.kernel.errors import InvariantBroken
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import RefusalCode

ACCOUNTS = {
    "Packs:Acquired": OUTSIDE,
    "Packs:Bailment:OP-2": OUTSIDE,
    "Packs:Supplier:SV-1": "ORDERED",
    "Packs:Carrier:CR-1:Inbound:ASN-1": "INBOUND",
    "Packs:Depot:DE-1:Received": "RECEIVED",
    "Packs:Depot:DE-1:Stored": "STORED",
    "Packs:Station:ST-1:Slot:4": "DOCKED",
    "Packs:Station:ST-1:Staged": "STAGED",
    "Packs:Driver:DR-1": "WITH_DRIVER",
    "Packs:Carrier:CR-1:Order:TO-1": "IN_TRANSIT",
    "Packs:Workshop:WS-1": "IN_WORKSHOP",
    "Packs:SecondLife:SV-1": "SECOND_LIFE",
    "Packs:Recycler:SV-1": "AT_RECYCLER",
    "Packs:Suspense:CA-1": "IN_SUSPENSE",
    "Packs:Missing:CA-1": "MISSING",
    "Packs:Ended:Cancelled": "CANCELLED",
    "Packs:Ended:ReturnedToSupplier": "RETURNED_TO_SUPPLIER",
    "Packs:Ended:TitleTransferredOut": "TITLE_TRANSFERRED_OUT",
    "Packs:Ended:Recycled": "RECYCLED",
    "Packs:Ended:WrittenOff": "WRITTEN_OFF",
}


@pytest.mark.parametrize(("account", "state"), ACCOUNTS.items())
def test_the_state_of_a_pack_follows_from_its_account_alone(account, state):
    assert state_of(account) == state
    family, ids = place_of(account)
    assert account_of(family, *ids) == account


def test_there_is_one_account_family_for_each_of_the_18_states():
    assert len(FAMILIES) == 18
    assert len(TERMINAL) == 5
    assert {state_of(account) for account in ACCOUNTS} == {*FAMILIES, OUTSIDE}


def test_the_short_builders_write_the_same_accounts_as_the_grammar():
    assert slot_account("ST-1", "4") == account_of(Family.SLT, "ST-1", "4")
    assert staged_account("ST-1") == account_of(Family.STG, "ST-1")
    assert driver_account("DR-1") == account_of(Family.DRV, "DR-1")
    assert depot_account("DE-1") == account_of(Family.DST, "DE-1")
    assert (energy_account("PK-1"), driver_energy("DR-1")) == (
        "Energy:Pack:PK-1",
        "Energy:Driver:DR-1",
    )


@pytest.mark.parametrize(
    "account", ["", "Packs:Driver:", "Packs:Driver:A:B", "Packs:Moon:X", "Energy:Pack:PK-1"]
)
def test_a_text_that_is_no_custody_account_holds_no_pack(account):
    assert split_account(account) is None
    with pytest.raises(InvariantBroken):
        state_of(account)


@given(
    st.sampled_from(Family),
    st.lists(st.from_regex("[A-Z0-9][A-Za-z0-9-]{0,39}", fullmatch=True), min_size=2, max_size=2),
)
def test_every_account_is_read_back_as_it_was_written(family, ids):
    needed = ids[: account_of(family, "\0", "\0").count("\0")]
    assert place_of(account_of(family, *needed)) == (family, tuple(needed))


# The table ------------------------------------------------------------------------------------


def test_the_table_has_every_row_of_the_handbook():
    numbers = {row.number for row in ROWS}
    assert numbers == {str(n) for n in range(1, 63)} | {f"X{n}" for n in range(1, 10)}


def test_debit_is_the_family_of_the_target_and_credit_of_the_source():
    for row in ROWS:
        assert (STATES[row.credit], STATES[row.debit]) == (row.source, row.target), row


def test_no_two_rows_share_source_event_and_place():
    # Packs come from two sources; their rows differ in the event.
    assert len({(row.source, row.event, row.place) for row in ROWS}) == len(ROWS)


def reach(starts: set[str], edges: set[tuple[str, str]]) -> set[str]:
    seen = set(starts)
    while more := {to for start, to in edges if start in seen} - seen:
        seen |= more
    return seen


def test_every_state_is_reached_from_outside_and_every_life_can_end():
    # Opening stock may begin anywhere, so reaching is proven without it.
    edges = {(row.source, row.target) for row in ROWS if not row.number.startswith("X")}
    assert reach({OUTSIDE}, edges) == {OUTSIDE, *FAMILIES}
    backwards = {(to, start) for start, to in edges}
    assert reach(set(TERMINAL), backwards) >= {OUTSIDE, *FAMILIES}


def test_nothing_leaves_the_end_of_a_life_but_a_recovery():
    assert [row.number for row in ROWS if row.source in TERMINAL] == ["62"]


def test_no_pack_goes_from_slot_to_slot_without_being_undocked():
    assert not [row for row in ROWS if row.source == row.target == "DOCKED"]


def test_every_move_into_suspense_opens_a_case_and_no_other_row_but_an_unannounced_pack_does():
    for row in ROWS:
        if row.number == "X1":
            continue
        into_case = row.target == "IN_SUSPENSE" or (
            row.target == "MISSING" and row.source != "IN_SUSPENSE"
        )
        assert bool(row.opens_case) == (into_case or row.number == "5"), row


def test_a_pack_can_be_seen_elsewhere_in_every_state_in_which_it_exists():
    seen_from = {row.source for row in ROWS if row.event == "leg_inferred"}
    assert seen_from == set(FAMILIES) - TERMINAL - {"ORDERED", "IN_SUSPENSE"}


TWO_PERSONS = "3 8 9 32 33 35 36 37 38 39 40 41 58 59 60 61 62 X1 X3 X9"


def test_what_creates_ends_or_revalues_an_asset_needs_two_persons():
    assert {row.number for row in ROWS if row.second_person} == set(TWO_PERSONS.split())


def test_moves_that_a_copy_could_fake_need_the_proof_of_the_pack():
    assert {row.number for row in ROWS if row.clone_sensitive} == {"41", "59", "60", "62"}
    assert [row.number for row in ROWS if row.first_dock] == ["21"]


def test_every_move_is_in_the_table():
    assert {row.event for row in ROWS} >= set(MOVES)


def test_every_party_that_holds_packs_has_a_role():
    assert set(HOLDER_ROLES) == {
        family
        for family in Family
        if STATES[family] not in {*TERMINAL, OUTSIDE, "DOCKED", "STAGED", "IN_SUSPENSE", "MISSING"}
    }


@pytest.mark.parametrize(
    ("account", "event", "place", "code"),
    [
        ("Packs:Driver:DR-1", "pack_docked", "", RefusalCode.WRONG_STATE),
        ("Packs:Suspense:CA-1", "leg_confirmed", "moon", RefusalCode.WRONG_PLACE),
        ("Packs:Ended:Recycled", "pack_docked", "", RefusalCode.PACK_ENDED),
    ],
)
def test_a_move_without_a_row_is_refused_by_what_is_wrong_with_it(account, event, place, code):
    assert find_row(account, event, place) is code


PASSED = find_row("Packs:Depot:DE-1:Received", "incoming_verification_passed")
FIRST_DOCK = find_row("Packs:Station:ST-1:Staged", "pack_docked")
RECOVERED = find_row("Packs:Missing:CA-1", "pack_recovered")


@pytest.mark.parametrize(
    ("row", "actor", "level", "proven", "codes"),
    [
        (PASSED, Actor("A", "engineer"), 5, False, []),
        (PASSED, Actor("A", "engineer"), 4, False, [RefusalCode.EVIDENCE_TOO_LOW]),
        (PASSED, Actor("A", "driver"), 5, False, [RefusalCode.ROLE_NOT_ALLOWED]),
        (FIRST_DOCK, Actor("A", "station"), 3, True, []),
        (FIRST_DOCK, Actor("A", "station"), 3, False, [RefusalCode.IDENTITY_NOT_PROVEN]),
        (FIRST_DOCK, Actor("A", "station"), 5, False, []),
        (FIRST_DOCK, Actor("A", "operator", "B"), 2, False, []),
        (
            FIRST_DOCK,
            Actor("A", "operator", "B"),
            1,
            False,
            [RefusalCode.EVIDENCE_TOO_LOW, RefusalCode.IDENTITY_NOT_PROVEN],
        ),
        (
            RECOVERED,
            Actor("A", "depot_clerk"),
            2,
            True,
            [RefusalCode.SECOND_PERSON_REQUIRED, RefusalCode.IDENTITY_NOT_PROVEN],
        ),
    ],
)
def test_a_row_says_who_may_report_it_on_what_evidence(row, actor, level, proven, codes):
    assert row_faults(row, actor, level, proven=proven) == codes
