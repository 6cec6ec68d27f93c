"""Reordering, doubling and delaying observations leaves what is derived as it is (I7)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.derive import derive, fold_next
from ledger.domain.observations import ABSENT, IN, OUT, PRESENT, SCAN, Observation, content_digest
from ledger.domain.ordering import in_order
from ledger.domain.pack_sights import comes_last
from ledger.domain.sources import DUPLICATE, Sent, Source, judge, take
from ledger.domain.standing import Derived, DerivedLeg, Standing

PLACES = {
    "ST-1": ("Packs:Station:ST-1:Slot:1", "Packs:Station:ST-1:Staged"),
    "ST-2": ("Packs:Station:ST-2:Slot:1", "Packs:Station:ST-2:Slot:2"),
    "DE-1": ("Packs:Depot:DE-1:Stored",),
}
BASES = (
    "Packs:Driver:DR-1",
    "Packs:Station:ST-1:Slot:1",
    "Packs:Depot:DE-1:Stored",
    "Packs:Suspense:CA-1",
    "Packs:Ended:Recycled",
)


@st.composite
def observations(draw) -> list[Observation]:
    """Draw what three sources say about one pack, each with its own count and clock."""
    found = []
    for source, places in PLACES.items():
        count = draw(st.integers(0, 6))
        for seq in range(1, count + 1):
            kind = SCAN if source == "DE-1" else draw(st.sampled_from((IN, OUT, PRESENT, ABSENT)))
            found.append(
                Observation(
                    source,
                    draw(st.sampled_from(("B1", "B2"))),
                    seq,
                    kind,
                    draw(st.sampled_from(places)),
                    "PK-1",
                    draw(st.integers(1, 60)),
                    driver_id=draw(st.sampled_from(("", "DR-1", "DR-2"))),
                    level=draw(st.sampled_from((2, 3, 5))),
                    uncertainty_us=draw(st.sampled_from((0, 3))),
                    quality=draw(st.sampled_from("SU")),
                    verdict=draw(st.sampled_from(("", "VALID", "INVALID"))),
                    received_at=100,
                )
            )
    return found


def view(derived: Derived) -> str:
    """Name all that was derived."""
    legs = [leg.identity for leg in derived.legs]
    findings = sorted((one.case_id, one.is_open) for one in derived.findings)
    return content_digest([derived.account, legs, findings])


@settings(max_examples=300)
@given(st.data(), observations(), st.sampled_from(BASES), st.booleans())
def test_the_order_of_arrival_changes_nothing(data, some, base, must_prove):
    usual = derive("PK-1", base, some, must_prove=must_prove)
    other = derive("PK-1", base, data.draw(st.permutations(some)), must_prove=must_prove)
    assert view(other) == view(usual)


@settings(max_examples=300)
@given(observations(), st.sampled_from(BASES), st.booleans())
def test_what_comes_last_is_folded_alone_as_if_all_were_folded(some, base, must_prove):
    known: list[Observation] = []
    standing = Standing(base)
    legs: list[DerivedLeg] = []
    for one in sorted(some, key=lambda one: (one.at, one.seq)):
        whole = derive("PK-1", base, [*known, one], must_prove=must_prove)
        if comes_last(known, standing, one):
            alone = fold_next("PK-1", standing, one, must_prove=must_prove)
            legs += alone.legs
            assert [timed.observation for timed in in_order([*known, one])] == [*known, one]
            assert [leg.identity for leg in legs] == [leg.identity for leg in whole.legs]
            assert alone.standing == whole.standing
        standing, legs = whole.standing, whole.legs
        known = [timed.observation for timed in in_order([*known, one])]


@settings(max_examples=300)
@given(observations(), st.sampled_from(BASES), st.booleans())
def test_legs_chain_from_where_the_pack_was_to_where_it_is(some, base, must_prove):
    derived = derive("PK-1", base, some, must_prove=must_prove)
    account = base
    for leg in derived.legs:
        assert leg.from_account == account != leg.to_account
        account = leg.to_account
    assert account == derived.account
    suspended = account.startswith("Packs:Suspense:") and account != base
    if suspended:
        assert account.rpartition(":")[2] in derived.open_ids()
    if base.startswith("Packs:Ended"):
        assert derived.legs == []


@settings(max_examples=100)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=30))
def test_what_came_twice_counts_once_in_any_order(counts):
    row: Source | None = None
    taken = []
    for seq in counts:
        sent = Sent("S", "B1", seq, digest=f"d{seq}", received_at=1)
        if judge(row, sent) == DUPLICATE:
            continue
        row = take(row, sent)
        taken.append(seq)
    assert sorted(taken) == sorted(set(counts))
    assert row is not None
    missing = {seq for low, high in row.boot("B1").gaps for seq in range(low, high + 1)}
    assert missing == set(range(1, max(counts) + 1)) - set(counts)
