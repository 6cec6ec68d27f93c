"""What two persons found of a usage, where its price must not follow what was told of it.

A finding is about the entries it was found for: once a leg is told anew, the bill follows what is
told again, and the finding stays in the log as what was believed until then.
"""

import msgspec
from msgspec.structs import replace

from ledger.domain.money.rating_facts import UsageFacts


class Found(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is true of a usage: its energy (Wh), and when its service began (us); 0 as it was told.

    `has_energy` says that `energy_wh` was looked at: it may have been found to be none.
    """

    energy_wh: int = 0
    has_energy: bool = False
    begun_at: int = 0

    @property
    def is_something(self) -> bool:
        """Whether anything differs from what was told."""
        return self.has_energy or bool(self.begun_at)


NOTHING_FOUND = Found()


class Agreed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finding, with the positions of the entries that it was found for, and its own."""

    found: Found
    about: tuple[int, ...] = ()
    position: int = 0


def as_agreed(facts: UsageFacts, agreed: Agreed | None, about: tuple[int, ...]) -> UsageFacts:
    """Give the facts as they were found, while they rest on the same entries (`about`).

    A time that two persons agreed on has no clock whose doubts could count.
    """
    if agreed is None or agreed.about != about:
        return facts
    found = agreed.found
    facts = replace(facts, causes=tuple(sorted({*facts.causes, agreed.position} - {0})))
    if found.has_energy:
        facts = replace(facts, energy_wh=found.energy_wh, intervals=())
    if found.begun_at:
        moved = found.begun_at - facts.service_time[0]
        facts = replace(
            facts,
            occurred_at=facts.occurred_at + moved,
            begin_at=facts.begin_at + moved if facts.begin_at else 0,
            end_at=facts.end_at + moved if facts.end_at else 0,
            clock_quality="S",
            clock_uncertainty_us=0,
            intervals=(),  # the meter told them of another time
        )
    return facts
