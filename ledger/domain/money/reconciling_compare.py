"""Comparing two sides by reference: what agrees, what differs, and the bridge between the balances.

::

    external closing = ledger closing + only external - only ledger + differences + residual

Every sum is a list of named differences, and the residual must be 0: both closings are told by
somebody else than the items, so an amount changed in any of them shows.
"""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from ledger.domain.money.breaks import (
    AMOUNT,
    DUPLICATE,
    MISSING_EXTERNAL,
    MISSING_LEDGER,
    Difference,
)
from ledger.domain.money.reconciling_policy import Policy

INCOMPLETE, BROKEN = "incomplete", "breaks"
WITH_WARNINGS, WITH_PENDING = "reconciled_with_warnings", "reconciled_with_pending"
RECONCILED = "reconciled"
VERDICTS = (INCOMPLETE, BROKEN, WITH_WARNINGS, WITH_PENDING, RECONCILED)
"""Worst first."""

SMALL_MINOR = 100
"""A difference up to this is of the last priority, in minor units."""


class Side(msgspec.Struct, frozen=True):
    """What one side says under a reference: signed minor units, and the day."""

    reference: str
    amount_minor: int
    on: str


class LegResult(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One leg in one scope and currency, between two positions of both sides (minor units).

    `differences` are all that are open, those of earlier runs too. `faults` are what keeps the leg
    from being complete, `warnings` what a person should look at although the sums agree.
    """

    leg: str
    scope: str
    currency: str
    external_opening: int
    external_closing: int
    ledger_opening: int
    ledger_closing: int
    matched: int
    matched_minor: int
    differences: tuple[Difference, ...] = ()
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def sum_of(self, *kinds: str) -> int:
        """Sum the differences of some kinds."""
        return sum(one.amount_minor for one in self.differences if one.kind in kinds)

    @property
    def residual_minor(self) -> int:
        """What the named differences leave unexplained."""
        named = sum(one.amount_minor for one in self.differences)
        return self.external_closing - self.ledger_closing - named

    def pending(self, policy: Policy, run_on: str) -> tuple[Difference, ...]:
        """List the differences that are still within their grace."""
        return tuple(
            one for one in self.differences if run_on <= policy.grace_until(self.leg, one.since_on)
        )

    def verdict(self, policy: Policy, run_on: str) -> str:
        """Give the worst that is true of the leg."""
        pending = self.pending(policy, run_on)
        tests = (
            (bool(self.faults or self.residual_minor), INCOMPLETE),
            (len(pending) < len(self.differences), BROKEN),
            (bool(self.warnings), WITH_WARNINGS),
            (bool(pending), WITH_PENDING),
        )
        return next((verdict for holds, verdict in tests if holds), RECONCILED)


def worst(verdicts: Iterable[str]) -> str:
    """Give the worst of some verdicts; nothing compared is incomplete.

    >>> worst(["reconciled", "breaks"]), worst([])
    ('breaks', 'incomplete')
    """
    return min(verdicts, key=VERDICTS.index, default=INCOMPLETE)


class _Pair:
    """What both sides say under one reference."""

    __slots__ = ("carried", "external", "ledger", "since_on")

    def __init__(self) -> None:
        self.external: list[int] = []
        self.ledger: list[int] = []
        self.since_on = ""
        self.carried: Difference | None = None

    def aged(self, on: str) -> None:
        self.since_on = min(self.since_on, on) if self.since_on else on


class Comparison(msgspec.Struct, frozen=True):
    """What agreed: how many references and how much; and what did not."""

    matched: int
    matched_minor: int
    differences: tuple[Difference, ...]


def compare(
    name: tuple[str, str, str],
    external: Iterable[Side],
    ledger: Iterable[Side],
    carried: Iterable[Difference],
) -> Comparison:
    """Compare two sides under (leg, scope, currency), with what was open before.

    A difference of an earlier run is taken up again: what came since may settle it.
    """
    pairs: dict[str, _Pair] = {}
    for one in carried:
        pair = pairs.setdefault(one.reference, _Pair())
        pair.external += [one.external_minor] if one.external_minor else []
        pair.ledger += [one.ledger_minor] if one.ledger_minor else []
        pair.carried = one
        pair.aged(one.since_on)
    for is_external, sides in ((True, external), (False, ledger)):
        for side in sides:
            pair = pairs.setdefault(side.reference, _Pair())
            (pair.external if is_external else pair.ledger).append(side.amount_minor)
            pair.aged(side.on)
    found: list[Difference] = []
    matched, matched_minor = 0, 0
    for reference, pair in sorted(pairs.items()):
        if sum(pair.external) == sum(pair.ledger):
            matched += 1
            matched_minor += sum(pair.external)
        else:
            found.append(_difference(name, reference, pair))
    return Comparison(matched, matched_minor, tuple(found))


def _difference(name: tuple[str, str, str], reference: str, pair: _Pair) -> Difference:
    leg, scope, currency = name
    told = Difference(
        leg=leg,
        scope=scope,
        reference=reference,
        kind=_kind(pair),
        currency=currency,
        external_minor=sum(pair.external),
        ledger_minor=sum(pair.ledger),
        since_on=pair.since_on,
    )
    return replace(told, priority=_priority(told))


def _kind(pair: _Pair) -> str:
    """Say how the sides differ; one that is carried over unchanged stays what it was."""
    external, ledger = sum(pair.external), sum(pair.ledger)
    before = pair.carried
    if before is not None and (before.external_minor, before.ledger_minor) == (external, ledger):
        return before.kind
    if not ledger:
        return MISSING_LEDGER
    if not external:
        return MISSING_EXTERNAL
    once = {*pair.external, *pair.ledger}
    return DUPLICATE if len(once) == 1 else AMOUNT


def _priority(told: Difference) -> int:
    if told.kind == DUPLICATE or (told.kind == MISSING_LEDGER and told.amount_minor < 0):
        return 1
    if abs(told.amount_minor) <= SMALL_MINOR:
        return 4
    return 3 if told.kind == AMOUNT else 2
