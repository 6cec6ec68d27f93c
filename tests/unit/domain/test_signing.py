"""Each threshold of a missing signature is written down once, in both directions."""

import pytest

from ledger.domain.signing import (
    HEAD,
    SIGNING,
    ReportSigning,
    SigningDegraded,
    SigningRecovered,
    answer_to,
    level_of,
    postings,
)
from ledger.domain.world import World
from ledger.kernel.instants import DAY, HOUR, MINUTE
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events


def report(level: int, **fields: int) -> ReportSigning:
    return ReportSigning(level=level, **({"signed_size": 5, "backlog": 2} | fields))


def test_every_change_of_the_level_is_an_event_and_nothing_else():
    world = World(complete=True)
    found = []
    for level in (0, 1, 1, 2, 1, 3, 3, 0, 0):
        found += [
            (type(event), event.level) for event in events(act(world, report(level), at=level))
        ]
    assert found == [
        (SigningDegraded, 1),
        (SigningDegraded, 2),
        (SigningRecovered, 1),
        (SigningDegraded, 3),
        (SigningRecovered, 0),
    ]
    assert world.need(SIGNING, HEAD).level == 0
    assert postings(SigningRecovered(level=0, signed_size=1, backlog=0)) == ()


@pytest.mark.parametrize(
    "command", [report(-1), report(4), report(1, backlog=-1), report(1, oldest_at=-1)]
)
def test_a_report_that_cannot_be_is_refused(command):
    outcome = act(World(complete=True), command)
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.MALFORMED_ENTRY


@pytest.mark.parametrize(
    ("age_us", "level"),
    [(0, 0), (MINUTE - 1, 0), (MINUTE, 1), (HOUR - 1, 1), (HOUR, 2), (DAY - 1, 2), (DAY, 3)],
)
def test_the_level_follows_from_the_age(age_us, level):
    assert level_of(age_us, 1) == level
    assert level_of(age_us, 11, backlog_max=10) == 3
    assert answer_to("observation", level) in {"accept", "pending"}
