"""Packs are assessed by what the ledger knew then, and by nothing that came later."""

from random import Random  # noqa: TID251  seeded below

import pytest
from msgspec.structs import replace

from ledger.domain.custody import PACKS, SOH_MAX_AGE_US
from ledger.domain.health import AssessSoh
from ledger.domain.health_state import PACK_HEALTH
from ledger.domain.measuring import ReportHealth
from ledger.domain.pack_classes import RegisterPackClass
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor
from ledger.runtime.assessing import Judged, assess_packs, in_service, propose
from ledger.runtime.ledger import Ledger, accepted
from mobilegrid.estimating import judge_pack
from tests.support.assessed import FIRST_AT, NOMINAL_WH, SLOTTED, charge, dock
from tests.support.ledgers import asking, sqlite_url
from tests.support.town import IMPORTER, MARCH, PACK_CLASS, new_town

AFTER = FIRST_AT + 60 * DAY
SEED = 20240301


@pytest.fixture
def ledger(tmp_path):
    with new_town(sqlite_url(tmp_path)) as one:
        dock(one)
        yield one


def proposed(ledger: Ledger, at: int = AFTER):
    with ledger.reading() as reads:
        return propose(reads, SLOTTED, judge_pack, reads.moment(at), at)


def health(ledger: Ledger):
    with ledger.reading() as reads:
        return reads.row(PACKS, SLOTTED), reads.row(PACK_HEALTH, SLOTTED)


def test_a_pack_is_assessed_by_its_sessions_and_the_entry_names_them(ledger):
    charge(ledger, range(12))
    (written,) = assess_packs(ledger, [SLOTTED], judge_pack, at=AFTER)
    assert written.reason == "first"
    pack, known = health(ledger)
    assert abs(pack.soh_bp - 9_000) < 300
    assert known.sessions_used == 12
    assert known.newest.lower_bp <= pack.soh_bp <= known.newest.upper_bp
    with ledger.reading() as reads:
        entry = reads.entry(known.newest.position)
        named = reads.at_positions(list(entry.event.data_refs))
    assert [one.event.session_id for one in named] == [f"CS-{number}" for number in range(12)]
    assert entry.event.model_version == "filter-1"
    assert known.throughput_wh == sum(one.event.stored_wh_delta for one in named)
    assert known.efc_x100 == 0  # it was only charged


def test_nothing_new_gives_no_entry(ledger):
    charge(ledger, range(12))
    assert assess_packs(ledger, [SLOTTED], judge_pack, at=AFTER) != []
    with ledger.reading() as reads:
        size = reads.size
    assert assess_packs(ledger, [SLOTTED], judge_pack, at=AFTER) == []
    assert proposed(ledger, AFTER + 1) is None
    with ledger.reading() as reads:
        assert reads.size == size


def test_an_assessment_uses_nothing_that_happened_later(ledger):
    dice = Random(SEED)
    charge(ledger, range(6))
    cuts = [FIRST_AT + dice.randint(1, 6 * 24) * HOUR for _ in range(200)]
    before = [proposed(ledger, at) for at in cuts]
    charge(ledger, range(6, 14), soh_bp=7_000)
    assert [proposed(ledger, at) for at in cuts] == before
    assert any(one is not None for one in before)


def test_the_stored_state_and_the_whole_history_say_the_same(ledger):
    charge(ledger, range(6))
    first = proposed(ledger, FIRST_AT + 7 * DAY)
    assess_packs(ledger, [SLOTTED], judge_pack, at=FIRST_AT + 7 * DAY)
    charge(ledger, range(8, 14), soh_bp=8_900)
    step = proposed(ledger)
    assert (len(first.wanted.sessions), len(step.wanted.sessions)) == (6, 6)
    sessions = first.wanted.sessions + step.wanted.sessions
    whole = judge_pack(replace(step.wanted, filter_state=(), sessions=sessions))
    assert whole is not None
    assert abs(whole.soh_bp - step.command.soh_bp) <= 1
    assert abs(whole.lower_bp - step.command.lower_bp) <= 1


def test_a_full_test_stands_above_the_sessions(ledger):
    register = RegisterPackClass(
        pack_class=PACK_CLASS,
        facts_version=1,
        source="data sheet",
        nominal_wh=NOMINAL_WH,
        rated_mv=360_000,
    )
    manager = Actor("AM-1", "asset_manager", "P2")
    accepted(ledger.execute(asking(register, "class", actor=manager, at=FIRST_AT)))
    charge(ledger, range(4))
    test = ReportHealth(
        pack_id=SLOTTED,
        method="full-capacity-test",
        capacity_mah=200_000,
        occurred_at=FIRST_AT + 10 * DAY,
    )
    bench = Actor("WS-1", "workshop")
    accepted(ledger.execute(asking(test, "test", actor=bench, at=FIRST_AT + 10 * DAY)))
    (written,) = assess_packs(ledger, [SLOTTED], judge_pack, at=AFTER)
    assert written.command.method == "full-capacity-test"
    assert written.command.capacity_mah == 200_000
    assert written.command.soh_bp == 9_600  # of 208,333 mAh
    assert len(written.command.report_refs) == 1
    charge(ledger, range(70, 72))
    again = proposed(ledger, FIRST_AT + 80 * DAY)
    assert again is not None
    assert again.command.method == "partial-charge"
    assert abs(again.command.soh_bp - 9_600) < 250  # the filter went on from the test


def test_packs_that_wait_too_long_are_stopped(ledger):
    late = FIRST_AT + SOH_MAX_AGE_US + DAY
    assert assess_packs(ledger, None, judge_pack, at=late) == []
    pack, _ = health(ledger)
    assert [hold.reason for hold in pack.holds] == ["SOH_STALE"]
    with ledger.reading() as reads:
        assert SLOTTED in set(in_service(reads))


def test_a_pack_without_sessions_or_of_nobody_is_not_assessed(ledger):
    with ledger.reading() as reads:
        assert propose(reads, "PK-1", judge_pack, reads.moment(), AFTER) is None
        with pytest.raises(NotFound):
            propose(reads, "PK-9", judge_pack, reads.moment(), AFTER)


def test_who_alone_had_a_pack_between_two_assessments_is_named(ledger):
    early, late = MARCH + 40 * HOUR, MARCH + 80 * HOUR
    first = AssessSoh(pack_id="PK-1", soh_bp=9_400, method="bms-reported", occurred_at=early)
    accepted(ledger.execute(asking(first, "first", actor=IMPORTER, at=early)))
    test = ReportHealth(
        pack_id="PK-1", method="full-capacity-test", capacity_mah=190_000, occurred_at=late
    )
    accepted(ledger.execute(asking(test, "test", actor=IMPORTER, at=late)))
    said = Judged(9_300, 9_200, 9_400, None, "full-capacity-test", "")
    with ledger.reading() as reads:
        found = propose(reads, "PK-1", lambda _: said, reads.moment(), AFTER)
        assert propose(reads, "PK-1", lambda _: None, reads.moment(), AFTER) is None
    assert found is not None
    assert found.command.driver_id == "DR-1"
    assert found.command.throughput_wh == 20_000 + 12_345 + 20_000  # the driver used the first


@pytest.mark.parametrize(
    ("judged", "days", "reason"),
    [
        (Judged(9_020, 8_900, 9_140, None, "partial-charge", ""), 1, "moved"),
        (Judged(9_000, 8_930, 9_070, None, "partial-charge", ""), 1, "surer"),
        (Judged(9_000, 7_990, 9_900, None, "partial-charge", ""), 1, "border"),
        (Judged(9_000, 8_900, 9_100, None, "partial-charge", ""), 30, "old"),
        (Judged(9_001, 8_901, 9_101, None, "partial-charge", ""), 1, ""),
    ],
)
def test_an_assessment_is_written_when_it_says_something_new(ledger, judged, days, reason):
    first = AssessSoh(
        pack_id=SLOTTED,
        soh_bp=9_000,
        lower_bp=8_900,
        upper_bp=9_100,
        method="partial-charge",
        occurred_at=FIRST_AT - HOUR,
    )
    accepted(ledger.execute(asking(first, "first", actor=IMPORTER, at=FIRST_AT - HOUR)))
    charge(ledger, range(1))
    at = FIRST_AT - HOUR + days * DAY
    with ledger.reading() as reads:
        found = propose(reads, SLOTTED, lambda _: judged, reads.moment(), at)
    assert found is not None
    assert found.reason == reason


def test_charges_that_no_pack_of_the_size_can_take_say_nothing(ledger):
    charge(ledger, range(1), soh_bp=9_000)
    wanted = proposed(ledger).wanted
    absurd = replace(wanted.sessions[0], energy_wh=wanted.sessions[0].energy_wh * 40)
    assert judge_pack(replace(wanted, sessions=(absurd,))) is None
    narrow = replace(wanted.sessions[0], soc_begin_bp=2_000, soc_end_bp=4_000, energy_wh=15_000)
    found = judge_pack(replace(wanted, sessions=(replace(narrow, is_substitute=True),)))
    assert found is not None
    assert found.flags == ("narrow_window", "substitute_energy")
