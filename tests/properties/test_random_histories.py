"""Random histories of 22 packs: what stations tell badly, the ledger derives rightly (10.4).

Nine scenarios, each with what must be true of it for any number of seeds.
`MOBILEGRID_PACK_HISTORIES` is how many seeds a scenario has: 1,500 where it is not set, which are
the ends of 33,000 packs.

The derivation runs over every seed by the very functions that the commands call. A few seeds of
each scenario also go through the commands, one batch for each message, with the invariants after
every one and in three orders of delivery; one goes into a real ledger. A failure prints its seed
and the steps of the world that are needed for it.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

import pytest

from ledger.domain import pack_sights
from ledger.domain.pack_sights import OLDER_SIGHTS
from tests.support.pack_derivation import Found, derived_from
from tests.support.pack_ledger import PackLedger
from tests.support.pack_world import DRIVERS, PACKS, STEPS, PackWorld, Scenario

SEEDS = max(50, int(os.environ.get("MOBILEGRID_PACK_HISTORIES", "1500")))
ORDERS_EVERY = 20
"""Every so many seeds are derived again from two other orders of delivery."""

BY_COMMANDS = 3
"""Seeds of each scenario that go through the commands."""

CLEAN = Scenario("duplicates, offline backlog and skew")
UNCORRECTED = Scenario("the same, clocks not corrected", is_corrected=False)
HALF = Scenario("half-finished swaps", half=200)
EXCHANGED = Scenario("packs exchanged where nobody sees it", exchange=60)
COPIED = Scenario("copied serials, half of the copies pass", clones=15)
ATTESTED = Scenario("copied serials, every pack attested", clones=15, is_attested=True)
LOST = Scenario("2 % of reports lost for ever", lost=20)
COUNTED = Scenario("2 % lost, with snapshots and counts", lost=20, has_snapshots=True)
EVERYTHING = Scenario(
    "loss, exchange and copies, with snapshots and attestation",
    exchange=60,
    clones=15,
    is_attested=True,
    lost=10,
    has_snapshots=True,
)
SCENARIOS = (
    CLEAN,
    UNCORRECTED,
    HALF,
    EXCHANGED,
    COPIED,
    ATTESTED,
    LOST,
    COUNTED,
    EVERYTHING,
)


class Score(NamedTuple):
    """What became of histories: wrong holders, those that no open case names, open cases."""

    wrong: int = 0
    silent: int = 0
    cases: int = 0
    unseen: int = 0
    unnamed: int = 0
    owing: int = 0

    def plus(self, other: "Score") -> "Score":
        return Score(*(one + more for one, more in zip(self, other, strict=True)))


def scored(world: PackWorld, found: Found) -> Score:
    """Compare what was derived with the truth.

    `silent` packs are wrong, and no open case names the pack or its station. Of those, `unseen`
    were exchanged and not reported since. `unnamed` are wrong packs that were reported since their
    exchange and are in no case. `owing` counts drivers whose balance is not their true debt.
    """
    accounts, truth, named = found.accounts(), world.truth(), found.named()
    wrong = [pack for pack in PACKS if accounts[pack] != truth[pack]]
    silent = [
        pack
        for pack in wrong
        if pack not in named and world.last_station.get(pack, "") not in named
    ]
    unseen = [pack for pack in silent if is_unseen(world, pack)]
    unnamed = [pack for pack in wrong if not is_unseen(world, pack) and pack not in named]
    owing = sum(
        list(accounts.values()).count(f"Packs:Driver:{driver}") != len(world.held[driver])
        for driver in DRIVERS
    )
    cases = found.case_count()
    return Score(len(wrong), len(silent), cases, len(unseen), len(unnamed), owing)


def is_unseen(world: PackWorld, pack: str) -> bool:
    """Tell whether a pack was exchanged, and no station has reported it since."""
    since = world.exchanged_at.get(pack, 0)
    seen = (one.true_at for one in world.reports if one.pack == pack and one.kind != "snapshot")
    return bool(since) and max(seen, default=0) < since


EXPECTED: dict[Scenario, Callable[[Score], bool]] = {
    CLEAN: lambda score: (score.wrong, score.silent, score.cases) == (0, 0, 0),
    UNCORRECTED: lambda score: score.wrong > 0 and score.silent == 0,
    HALF: lambda score: (score.wrong, score.owing) == (0, 0),
    EXCHANGED: lambda score: score.wrong > 0 and score.unnamed == 0,
    COPIED: lambda score: score.wrong > 0,
    ATTESTED: lambda score: score.wrong == 0,
    LOST: lambda score: score.wrong > 0,
    COUNTED: lambda score: score.silent == 0,
    EVERYTHING: lambda score: score.silent == score.unseen,
}
"""What must be true of the sum over all seeds; zeros are true of every seed."""

PER_SEED: dict[Scenario, Callable[[Score], bool]] = {
    **EXPECTED,
    UNCORRECTED: lambda score: score.silent == 0,
    EXCHANGED: lambda score: score.unnamed == 0,
    COPIED: lambda _score: True,
    LOST: lambda _score: True,
}


def shrunk(seed: int, scenario: Scenario, fails: Callable[[PackWorld], bool]) -> list[int]:
    """Drop steps of a failing world for as long as it fails; give the steps that remain."""
    skip: frozenset[int] = frozenset()
    for size in (32, 16, 8, 4, 2, 1):
        for first in range(0, STEPS, size):
            more = skip | frozenset(range(first, first + size))
            if more != skip and fails(PackWorld(seed, scenario, more)):
                skip = more
    return [step for step in range(STEPS) if step not in skip]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_the_derivation_finds_the_true_holders(scenario):
    total = Score()
    holds = PER_SEED[scenario]

    def fails(world: PackWorld) -> bool:
        return not holds(scored(world, derived_from(world, world.delivered(0))))

    for seed in range(SEEDS):
        world = PackWorld(seed, scenario)
        found = derived_from(world, world.delivered(0))
        score = scored(world, found)
        if not holds(score):
            steps = shrunk(seed, scenario, fails)
            pytest.fail(f"{scenario.name}: seed {seed}, {score}; it needs the steps {steps}")
        if seed % ORDERS_EVERY == 0:
            for number in (1, 2):
                other = derived_from(world, world.delivered(number))
                assert other.digest() == found.digest(), f"{scenario.name}: seed {seed}"
        total = total.plus(score)
    assert EXPECTED[scenario](total), f"{scenario.name}: {total} over {SEEDS} seeds"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
@pytest.mark.parametrize("seed", range(BY_COMMANDS))
def test_the_commands_derive_the_same_in_any_order_and_keep_the_invariants(scenario, seed):
    world = PackWorld(seed, scenario)
    digests = set()
    for number in range(3):
        ledger = PackLedger(world)
        for _ in ledger.deliver(world.delivered(number)):
            if number == 0:
                ledger.check()
        ledger.check()
        digests.add(ledger.digest())
    assert len(digests) == 1, f"{scenario.name}: seed {seed}"
    found = derived_from(world, world.delivered(0))
    assert ledger.accounts() == found.accounts(), f"{scenario.name}: seed {seed}"
    if scenario in (CLEAN, HALF):
        assert ledger.accounts() == world.truth()
        assert ledger.open_cases() == []


@pytest.mark.parametrize("scenario", [CLEAN, EVERYTHING], ids=str)
def test_it_does_not_matter_which_observations_stand_in_which_row(scenario, monkeypatch):
    world = PackWorld(1, scenario)
    digests = set()
    for newest, kept in ((1_000, 1), (3, 1)):
        monkeypatch.setattr(pack_sights, "NEWEST_MAX", newest)
        monkeypatch.setattr(pack_sights, "NEWEST_KEPT", kept)
        ledger = PackLedger(world)
        for _ in ledger.deliver(world.delivered(0)):
            ledger.check()
        older = [row for _, row in ledger.world.rows(OLDER_SIGHTS) if row.sights]
        assert bool(older) == (newest == 3)
        digests.add((ledger.digest(), ledger.position))
    assert len(digests) == 1


def test_a_failing_history_is_made_smaller_until_every_step_is_needed():
    steps = shrunk(7, CLEAN, lambda world: len(world.reports) > 3)
    again = PackWorld(7, CLEAN, frozenset(range(STEPS)) - frozenset(steps))
    assert len(again.reports) > 3
    assert len(steps) <= 4
