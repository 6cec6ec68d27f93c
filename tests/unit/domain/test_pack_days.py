"""Pack-days: each pack gives each day once, to whoever has the title when the day begins."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.pack_days import LienDays, Moved, RentDays, Spell, pack_days, spells_of
from ledger.domain.title_rows import Lease, Lien, Title
from ledger.kernel.instants import DAY, HOUR

DAYS = [number * DAY for number in range(10, 20)]
END = 1_000


def title(pack_id: str = "PK-1", **fields: Any) -> Title:
    usual: dict[str, Any] = {"pack_class": "C1", "commissioned_at": 0, "commissioned_in": 1}
    return Title(pack_id, **(usual | fields))


def lease(lessee_id: str, from_at: int, to_at: int = 0, **known: int) -> Lease:
    usual = {"known_from": 2, "known_to": 3 if to_at else 0}
    return Lease(
        lessee_id=lessee_id, contract_id="CT-1", valid_from=from_at, valid_to=to_at, **usual | known
    )


def lien(from_at: int, to_at: int = 0, **known: int) -> Lien:
    usual = {"known_from": 2, "known_to": 3 if to_at else 0}
    return Lien(
        lien_id="LI-1",
        bank_id="BN-1",
        doc_sha256="",
        amount_minor=500,
        currency="EUR",
        hold_id="HD-1",
        valid_from=from_at,
        valid_to=to_at,
        **usual | known,
    )


def rents(*titles: tuple[Title, tuple[Spell, ...]]) -> list[tuple[str, str, int]]:
    found = pack_days(titles, DAYS, END)
    assert found.days == 10
    return [(one.holder_id, one.lessee_id, one.pack_days) for one in found.rents]


def test_a_title_changes_hands_and_comes_to_an_end():
    moves = [
        Moved(9, 4, "B", -1),
        Moved(5, 1, "A", 1),
        Moved(7, 2, "A", -1),
        Moved(7, 2, "B", 1),
    ]
    assert spells_of(moves) == (Spell("A", 5, 7), Spell("B", 7, 9))
    assert spells_of([]) == ()
    corrected = [Moved(5, 1, "A", 1), Moved(5, 2, "A", -1), Moved(5, 2, "B", 1)]
    assert spells_of(corrected) == (Spell("B", 5),)


def test_the_day_of_a_sale_is_the_sellers():
    sold_at = 14 * DAY + HOUR
    spells = (Spell("A", 1, sold_at), Spell("B", sold_at))
    assert rents((title(), spells)) == [("A", "", 5), ("B", "", 5)]
    at_midnight = (Spell("A", 1, 14 * DAY), Spell("B", 14 * DAY))
    assert rents((title(), at_midnight)) == [("A", "", 4), ("B", "", 6)]


def test_only_days_in_service_count():
    held = (Spell("A", 1),)
    assert rents((title(commissioned_at=15 * DAY), held)) == [("A", "", 5)]
    assert rents((title(commissioned_in=-1), held)) == []
    assert rents((title(commissioned_in=END), held)) == []
    assert rents((title(commissioned_at=30 * DAY), held)) == []
    assert rents((title(), (Spell("A", 1, 5), Spell("B", 30 * DAY)))) == []


def test_days_of_a_lease_are_told_apart():
    row = title(leases=(lease("OP-1", 12 * DAY, 15 * DAY), lease("OP-2", 17 * DAY)))
    assert rents((row, (Spell("A", 1),))) == [("A", "", 4), ("A", "OP-1", 3), ("A", "OP-2", 3)]
    unknown = title(leases=(lease("OP-1", 12 * DAY, known_from=END),))
    assert rents((unknown, (Spell("A", 1),))) == [("A", "", 10)]
    not_known_to_end = title(leases=(lease("OP-1", 12 * DAY, 15 * DAY, known_to=END),))
    assert rents((not_known_to_end, (Spell("A", 1),))) == [("A", "", 2), ("A", "OP-1", 8)]


def test_packs_of_a_class_are_added_up():
    held = (Spell("A", 1),)
    found = pack_days([(title("PK-1"), held), (title("PK-2"), held)], DAYS, END)
    assert found.rents == (RentDays("A", "C1", "", "", 20),)


@pytest.mark.parametrize(
    ("claim", "spells", "days"),
    [
        (lien(12 * DAY), (Spell("A", 1),), [("A", 8)]),
        (lien(12 * DAY, 15 * DAY), (Spell("A", 1),), [("A", 3)]),
        (lien(12 * DAY, 15 * DAY, known_to=END), (Spell("A", 1),), [("A", 8)]),
        (lien(12 * DAY, known_from=END), (Spell("A", 1),), []),
        (lien(1), (Spell("A", 1, 13 * DAY), Spell("B", 13 * DAY)), [("A", 3), ("B", 7)]),
        (lien(30 * DAY), (Spell("A", 1),), []),
    ],
)
def test_a_lien_counts_the_days_on_which_it_rested_on_a_pack(claim, spells, days):
    found = pack_days([(title(liens=(claim,)), spells)], DAYS, END)
    assert found.liens == tuple(
        LienDays("BN-1", "LI-1", "PK-1", holder_id, 500, "EUR", count) for holder_id, count in days
    )
    idle = title(liens=(claim,), commissioned_in=-1)
    assert pack_days([(idle, spells)], DAYS, END).liens == ()


def test_no_days_are_no_facts():
    found = pack_days([(title(liens=(lien(1),)), (Spell("A", 1),))], [], END)
    assert (found.days, found.rents, found.liens) == (0, (), ())


TIMES = st.integers(0, 25 * DAY)


@given(st.lists(TIMES, max_size=6), st.lists(st.tuples(TIMES, TIMES), max_size=3), TIMES)
def test_the_days_of_all_holders_sum_to_those_in_service(changes, leases, commissioned_at):
    times = sorted({0, *changes})
    spells = tuple(
        Spell(f"H{number}", since, (*times[1:], 0)[number]) for number, since in enumerate(times)
    )
    known = tuple(
        lease(f"L{number}", min(pair), max(pair) + 1) for number, pair in enumerate(leases)
    )
    row = title(leases=known, commissioned_at=commissioned_at)
    found = pack_days([(row, spells)], DAYS, END)
    in_service = [day for day in DAYS if day >= commissioned_at]
    assert sum(one.pack_days for one in found.rents) == len(in_service)
    for spell in spells:
        own = [day for day in in_service if spell.from_at <= day < (spell.to_at or 99 * DAY)]
        told = sum(one.pack_days for one in found.rents if one.holder_id == spell.holder_id)
        assert told == len(own)
