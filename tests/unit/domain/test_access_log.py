"""The seal of the reads and the samples of auditors: what is taken down, and what is not."""

from collections import Counter

import pytest
from msgspec.structs import replace

from ledger.domain.access_log import (
    SAMPLE_MAX,
    AccessSealed,
    DrawSample,
    SampleDrawn,
    SealAccess,
    sample_positions,
)
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act

SEAL = SealAccess(day="2026-03-10", first=5, count=7, root_sha256="ab" * 32)
DRAW = DrawSample(sample_id="SM-1", end=100, size=10, seed="März 2026")


def events(outcome):
    assert not isinstance(outcome, Refusal)
    return [draft.event for draft in outcome]


def test_a_seal_says_how_many_rows_from_where_and_their_root():
    assert events(act(World(), SEAL)) == [
        AccessSealed(day="2026-03-10", first=5, count=7, root_sha256="ab" * 32)
    ]
    assert events(act(World(), replace(SEAL, count=0)))[0].count == 0


def test_a_sample_says_how_it_was_drawn():
    assert events(act(World(), DRAW)) == [
        SampleDrawn(sample_id="SM-1", end=100, size=10, seed="März 2026")
    ]


@pytest.mark.parametrize(
    "command",
    [
        replace(SEAL, first=-1),
        replace(SEAL, count=-1),
        replace(SEAL, root_sha256="ab" * 31),
        replace(SEAL, root_sha256="AB" * 32),
        replace(DRAW, sample_id="no id"),
        replace(DRAW, size=0),
        replace(DRAW, size=101),
        replace(DRAW, end=10**6, size=SAMPLE_MAX + 1),
        replace(DRAW, seed=""),
        replace(DRAW, seed="x" * 65),
    ],
)
def test_what_is_not_well_formed_is_refused(command):
    refusal = act(World(), command)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.MALFORMED_ENTRY


@pytest.mark.parametrize(("command", "role"), [(SEAL, "auditor"), (DRAW, "system")])
def test_the_program_seals_and_auditors_draw(command, role):
    refusal = act(World(), command, actor=Actor("P1", role))
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.ROLE_NOT_ALLOWED


@pytest.mark.parametrize(
    ("end", "size"), [(1, 1), (5, 5), (100, 7), (2**53, 50), (3, 10), (0, 5), (2**63 + 1, 20)]
)
def test_a_sample_has_different_positions_in_order_below_the_end(end, size):
    drawn = sample_positions("seed", end, size)
    assert len(drawn) == len(set(drawn)) == min(size, end)
    assert list(drawn) == sorted(drawn)
    assert all(0 <= position < end for position in drawn)


def test_the_seed_alone_decides_and_every_position_has_the_same_chance():
    assert sample_positions("a", 1_000, 10) == sample_positions("a", 1_000, 10)
    assert sample_positions("a", 1_000, 10) != sample_positions("b", 1_000, 10)
    counts = Counter(
        position for number in range(2_000) for position in sample_positions(str(number), 10, 1)
    )
    assert set(counts) == set(range(10))
    assert all(140 < count < 260 for count in counts.values())
