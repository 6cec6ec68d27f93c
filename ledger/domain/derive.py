"""The fold of custody: observations of one pack, in order, become its legs (handbook 10.2).

Pure and total: every observation at every account gives legs that chain, and never more than one
account at a time. What cannot be explained goes through suspense and leaves a finding, which is a
case as long as the fold still says so. R4: custody follows the pack. R5: a leg that must have
happened is inferred. R6: a snapshot is an observation like any other. R7: an object that does not
prove what it says moves nothing; it is a stranger in the slot.
"""

from collections.abc import Iterable, Sequence

from ledger.domain.cases import case_id_of
from ledger.domain.observations import (
    ABSENT,
    IN,
    OUT,
    PRESENT,
    PROVEN,
    REFUTED,
    UNKNOWN_TIME,
    Observation,
)
from ledger.domain.ordering import Timed, in_order
from ledger.domain.standing import Derived, DerivedLeg, Finding, Standing
from ledger.domain.transitions import (
    STATES,
    TERMINAL,
    Family,
    account_of,
    driver_account,
    place_of,
    staged_account,
)

MISSING_LEG = "MISSING_LEG"
UNIDENTIFIED_TAKER = "UNIDENTIFIED_TAKER"
UNEXPLAINED_REMOVAL = "UNEXPLAINED_REMOVAL"
PACK_MIXUP = "PACK_MIXUP"
AMBIGUOUS_ORDER = "AMBIGUOUS_ORDER"
COUNTERFEIT = "COUNTERFEIT"
UNIDENTIFIED_OBJECT = "UNIDENTIFIED_OBJECT"
SIGHTED_OUT_OF_LIFE = "SIGHTED_OUT_OF_LIFE"
CUSTODY_DISPUTE = "CUSTODY_DISPUTE"

_STATION = frozenset({Family.SLT, Family.STG})
_OUTSIDE = frozenset({Family.SUP, Family.BAI})
"""Not with us yet, or handed back to another operator."""

_PLACE_WORDS = {
    Family.SLT: "slot",
    Family.STG: "staged",
    Family.DRV: "driver",
    Family.DST: "depot",
    Family.TRN: "transit",
    Family.WSH: "workshop",
    Family.SL2: "second_life",
}


def derive(
    pack_id: str, base: str, observations: Iterable[Observation], *, must_prove: bool = False
) -> Derived:
    """Fold the observations of a pack that stood at account `base` before them.

    With `must_prove` an object that was not asked to prove its identity counts as a stranger too.
    """
    return fold(pack_id, Standing(base), in_order(observations), must_prove=must_prove)


def fold(
    pack_id: str, since: Standing, timed: Sequence[Timed], *, must_prove: bool = False
) -> Derived:
    """Fold observations that are in their canonical order, on top of what was folded before them.

    See `derive`.
    """
    state = _Fold(pack_id, since, must_prove=must_prove)
    close = close_pairs(timed)
    if not close:
        for one in timed:
            state.take(one.at, one.observation)
    else:
        _fold_close(state, list(timed), close)
    return state.derived()


def fold_next(
    pack_id: str, since: Standing, one: Observation, *, must_prove: bool = False
) -> Derived:
    """Fold one observation more, which certainly comes after all that were folded before."""
    state = _Fold(pack_id, since, must_prove=must_prove)
    state.take(one.at, one)
    return state.derived()


# Order that is not certain (R3) ---------------------------------------------------


def close_pairs(timed: Sequence[Timed]) -> set[int]:
    """List the observations that may as well have come after the next one."""
    close: set[int] = set()
    last: Timed | None = None
    for index, one in enumerate(timed):
        if (
            last is not None
            and one.source != last.source
            and one.at - last.at < one.observation.uncertainty_us + last.observation.uncertainty_us
        ):
            close.add(index - 1)
        last = one
    return close


def _fold_close(state: "_Fold", timed: list[Timed], close: set[int]) -> None:
    """Fold pairs of uncertain order by level, source and count; find those where it matters."""
    index = 0
    while index < len(timed):
        one = timed[index]
        if index not in close:
            state.take(one.at, one.observation)
            index += 1
            continue
        pair = sorted((one, timed[index + 1]), key=_provisional)
        at = max(one.at, timed[index + 1].at)
        turned = state.copy()
        for each in reversed(pair):
            turned.take(at, each.observation)
        for each in pair:
            state.take(at, each.observation)
        if turned.account != state.account:
            first, second = (each.observation for each in pair)
            state.find(AMBIGUOUS_ORDER, second, at, f"nobody knows whether {first.kind} was first")
        index += 2


def _provisional(one: Timed) -> tuple[int, str, int]:
    return one.observation.level, one.source, one.seq


# One observation after the other --------------------------------------------------


class _Fold:
    """Where the pack is by the observations so far, and what they made."""

    __slots__ = (
        "account",
        "at",
        "findings",
        "legs",
        "level",
        "must_prove",
        "pack_id",
        "still",
        "strangers",
        "unsure",
    )

    def __init__(self, pack_id: str, since: Standing, *, must_prove: bool) -> None:
        self.pack_id = pack_id
        self.account = since.account
        self.must_prove = must_prove
        self.legs: list[DerivedLeg] = []
        self.findings = {finding.case_id: finding for finding in since.findings}
        self.at = since.at
        self.level = since.level
        self.unsure = since.unsure
        self.still = set(since.still)
        """Slots that nobody saw it leave: a snapshot that shows it there still is a dispute."""
        self.strangers = set(since.strangers)
        """Slots with an object that goes by its name and is not it."""

    def standing(self) -> Standing:
        return Standing(
            self.account,
            self.at,
            self.level,
            self.unsure,
            tuple(sorted(self.still)),
            tuple(sorted(self.strangers)),
            tuple(self.findings.values()),
        )

    def derived(self) -> Derived:
        return Derived(self.legs, self.standing())

    def copy(self) -> "_Fold":
        return _Fold(self.pack_id, self.standing(), must_prove=self.must_prove)

    def take(self, at: int, one: Observation) -> None:
        self.at = at
        self.unsure = self.unsure or one.quality == UNKNOWN_TIME
        kind = one.kind
        if kind == IN:
            self._came(at, one)
        elif kind == OUT:
            self._left(at, one)
        elif kind == ABSENT:
            self._missed(at, one)
        elif kind == PRESENT:
            self._listed(at, one)
        else:
            self._scanned(at, one)

    # in

    def _came(self, at: int, one: Observation) -> None:
        if self._is_stranger(at, one):
            return
        self.strangers.discard(one.place)
        account, place = self.account, one.place
        if account == place:
            return
        family, ids = place_of(account)
        if family is Family.DRV:
            word = "staged" if place_of(place)[0] is Family.STG else ""
            self._move("pack_returned", at, one, place, word)
            if one.driver_id and one.driver_id != ids[0]:
                self._mixed_up(at, one, ids[0])
        elif family is Family.STG and place_of(place)[1][0] == ids[0]:
            self._move("pack_docked", at, one, place)
        else:
            self._found(at, one, place)

    def _is_stranger(self, at: int, one: Observation) -> bool:
        """Tell whether an object moves nothing, because it does not prove what it says (R7)."""
        if one.verdict == PROVEN or (one.verdict != REFUTED and not self.must_prove):
            return False
        self.strangers.add(one.place)
        self.find(COUNTERFEIT, one, at, "an object that goes by its name did not prove to be it")
        return True

    def _mixed_up(self, at: int, one: Observation, holder_id: str) -> None:
        reason = "another driver held the pack"
        self.find(PACK_MIXUP, one, at, reason, owes=one.driver_id, is_owed=holder_id)

    # out

    def _left(self, at: int, one: Observation) -> None:
        if one.place in self.strangers:
            self.strangers.discard(one.place)
            return
        account = self.account
        self.still.discard(one.place)
        if not one.driver_id:
            self._taken_by_nobody(at, one)
            return
        target = driver_account(one.driver_id)
        if account == target:
            return
        if account in (one.place, staged_account(place_of(one.place)[1][0])):
            self._move("pack_swapped_out", at, one, target)
        else:
            self._found(at, one, target)

    def _taken_by_nobody(self, at: int, one: Observation) -> None:
        family = place_of(self.account)[0]
        if self._is_out_of_life(at, one) or family is Family.SUS:
            return
        case_id = self.find(UNIDENTIFIED_TAKER, one, at, "nobody knows who took it")
        self._suspend("leg_inferred", at, one, case_id)

    # snapshots

    def _listed(self, at: int, one: Observation) -> None:
        if self.account == one.place or one.place in self.strangers:
            return
        if self.must_prove and one.verdict != PROVEN:
            self.find(UNIDENTIFIED_OBJECT, one, at, "an object goes by its name elsewhere")
            return
        if one.place in self.still:
            self.find(CUSTODY_DISPUTE, one, at, "two stations say that they have it")
            if self.level > one.level:
                return
        self._came(at, one)

    def _missed(self, at: int, one: Observation) -> None:
        self.still.discard(one.place)
        self.strangers.discard(one.place)
        if self.account == one.place:
            case_id = self.find(UNEXPLAINED_REMOVAL, one, at, "it is not in its slot any more")
            self._suspend("slot_found_empty", at, one, case_id)

    def _scanned(self, at: int, one: Observation) -> None:
        if self.account != one.place and not self._is_stranger_by_scan(at, one):
            self._found(at, one, one.place)

    def _is_stranger_by_scan(self, at: int, one: Observation) -> bool:
        return one.verdict == REFUTED and self._is_stranger(at, one)

    # what all of them do

    def _found(self, at: int, one: Observation, target: str) -> None:
        """Bring it where it was seen, by suspense unless it is there already."""
        if self._is_out_of_life(at, one):
            return
        family, ids = place_of(self.account)
        if family is not Family.SUS:
            if family is Family.SLT:
                self.still.add(self.account)
            is_owed = ids[0] if family is Family.DRV else ""
            reason = "it was seen elsewhere, and nobody saw it leave"
            case_id = self.find(MISSING_LEG, one, at, reason, is_owed=is_owed)
            self._suspend("leg_inferred", at, one, case_id)
        else:
            self._explained(ids[0])
        self._move("leg_confirmed", at, one, target, _PLACE_WORDS[place_of(target)[0]])

    def _is_out_of_life(self, at: int, one: Observation) -> bool:
        family = place_of(self.account)[0]
        if family not in _OUTSIDE and STATES[family] not in TERMINAL:
            return False
        self.strangers.add(one.place)
        self.find(SIGHTED_OUT_OF_LIFE, one, at, "it is not in service, and was seen")
        return True

    def _explained(self, case_id: str) -> None:
        """A pack that was gone is back: that it was gone is no case any more."""
        found = self.findings.get(case_id)
        if found is not None and found.case_type in (UNEXPLAINED_REMOVAL, UNIDENTIFIED_TAKER):
            self.findings[case_id] = found._replace(is_open=False)

    def _suspend(self, kind: str, at: int, one: Observation, case_id: str) -> None:
        self._move(kind, at, one, account_of(Family.SUS, case_id), case_id=case_id)

    def _move(
        self,
        kind: str,
        at: int,
        one: Observation,
        target: str,
        word: str = "",
        *,
        case_id: str = "",
    ) -> None:
        self.legs.append(DerivedLeg(kind, word, self.account, target, at, one.key, case_id, one))
        self.account = target
        self.level = one.level

    def find(
        self,
        case_type: str,
        one: Observation,
        at: int,
        reason: str,
        *,
        owes: str = "",
        is_owed: str = "",
    ) -> str:
        case_id = case_id_of(case_type, f"{self.pack_id}|{one.key}")
        places = [*_named_in(self.account), *_named_in(one.place), one.driver_id]
        known = tuple(dict.fromkeys(filter(None, places)))
        self.findings[case_id] = Finding(
            case_type, case_id, known, reason, one.key, at, owes, is_owed
        )
        return case_id


def _named_in(account: str) -> tuple[str, ...]:
    """List the station or the driver of an account."""
    family, ids = place_of(account)
    return ids[:1] if family in _STATION or family is Family.DRV else ()
