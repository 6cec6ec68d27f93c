"""Standing: what follows from observations of a pack, and where a fold of them stands.

The fold itself is in `derive.py`. A standing is all that it needs to go on, so that an observation
that comes last is folded alone, on top of what the ones before it left.
"""

from typing import NamedTuple

import msgspec

from ledger.domain.observations import Observation


class DerivedLeg(NamedTuple):
    """One move of a pack that follows from an observation.

    Two legs are the same when all but the observation itself are equal; `cause` is its key.
    """

    kind: str
    place: str
    from_account: str
    to_account: str
    occurred_at: int
    cause: str
    case_id: str
    observation: Observation

    @property
    def identity(self) -> tuple[str, str, str, str, int, str]:
        """Give what tells it from other legs."""
        return self[:6]


class Finding(NamedTuple):
    """Something the fold cannot explain; a case as long as it stands.

    `owes` and `is_owed` are drivers whose count of packs is one too high, or too low, because of
    it; empty for nobody. `places` are stations and drivers concerned. One that `is_open` no more
    was explained by what came later.
    """

    case_type: str
    case_id: str
    places: tuple[str, ...]
    reason: str
    cause: str
    occurred_at: int
    owes: str = ""
    is_owed: str = ""
    is_open: bool = True


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the fold of some observations of a pack stands: all that folding the next one needs.

    `at` is the time of the newest of them (us), `level` the evidence level of the one that moved
    the pack last, -1 before. `still` are slots that nobody saw it leave, `strangers` slots with an
    object that goes by its name and is not it. It is `unsure` where the time of one of them says
    nothing, so that the next one may change their order.
    """

    account: str
    at: int = 0
    level: int = -1
    unsure: bool = False
    still: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def open_ids(self) -> set[str]:
        """List the cases that are open by these observations."""
        return {finding.case_id for finding in self.findings if finding.is_open}


class Derived(NamedTuple):
    """What follows from observations of a pack: the legs they made, and where they lead."""

    legs: list[DerivedLeg]
    standing: Standing

    @property
    def account(self) -> str:
        """Give the account where it is."""
        return self.standing.account

    @property
    def findings(self) -> tuple[Finding, ...]:
        """List what cannot be explained, or was explained later."""
        return self.standing.findings

    def open_ids(self) -> set[str]:
        """List the cases that are open by these observations."""
        return self.standing.open_ids()
