"""Remaking: the entries by which custody follows new observations, all in one batch.

The observations of the packs concerned are folded anew. Legs that are gone are reversed, newest
first, legs that are new are posted; a case opens with its finding and closes by itself once the
fold finds it no more. Everything names the observation that caused it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ledger.domain.cases import CASES, CaseOpened, CaseResolved, Debt, case_id_of, opened
from ledger.domain.custody import PACKS, Pack, PackReturned, PackSwappedOut
from ledger.domain.derive import CUSTODY_DISPUTE
from ledger.domain.energy import EnergyTrueUp
from ledger.domain.holds import HoldCleared, stopped
from ledger.domain.money.billing import BILLED
from ledger.domain.money.rerating_rows import rerating_rows
from ledger.domain.moves import MOVES
from ledger.domain.observations import Observation
from ledger.domain.pack_sights import PackSights, PostedLeg, Retold
from ledger.domain.places import rows_at
from ledger.domain.rederive import difference
from ledger.domain.reversing import (
    EnergyRestated,
    ObservationSetAside,
    PostingReversed,
    energy_lines,
)
from ledger.domain.saga import SWAPS
from ledger.domain.sights import Sighted, sight_rows, sighted
from ledger.domain.sources import Sent
from ledger.domain.standing import DerivedLeg, Finding
from ledger.domain.transitions import Family, place_of
from ledger.domain.world import Key, World, touch
from ledger.kernel.ids import derived_id
from ledger.kernel.messages import Draft, Event
from ledger.kernel.postings import move_pack, negate
from ledger.kernel.quantities import stored_wh

TOO_LATE = "LATE_OBSERVATION"
BILL_REVIEW = "BILL_REVIEW"

CLOSED = "the observations explain it now"
REASON = "later observations say otherwise"

_HOLDS = {CUSTODY_DISPUTE: "CUSTODY_DISPUTE"}
"""Findings that also stop the pack, and the reason of the hold.

An object that is refuted is not the pack: it stops the slot that it is in, never the pack.
"""


def account_rows(world: World, changes: Sighted) -> list[Key]:
    """Name the rows at the accounts of changed packs, and their cases.

    A leg that stands as it did needs none of them; there may be dozens of those.
    """
    keys: list[Key] = []
    for pack_id, (old, now, posted) in changes.retold.items():
        pack = world.need(PACKS, pack_id)
        keys += [touch(CASES, one.case_id) for one in (*old.findings, *now.findings)]
        told = _told_anew(posted, now.legs)
        moved = {account for leg in told for account in (leg.from_account, leg.to_account)}
        for account in sorted(moved | {pack.account}):
            keys += rows_at(account, pack.pack_class)
        swaps: dict[str, list[int]] = {}
        for leg in told:
            swap_id = leg.swap_id if isinstance(leg, PostedLeg) else leg.observation.swap_id
            swaps.setdefault(swap_id, []).append(leg.occurred_at)
        for swap_id in sorted(swaps.keys() - {""}):
            case_id = case_id_of(BILL_REVIEW, swap_id)
            keys += [touch(SWAPS, swap_id), touch(BILLED, swap_id), touch(CASES, case_id)]
            keys += rerating_rows(world, swap_id, tuple(swaps[swap_id]))
    return keys


def _told_anew(
    posted: Sequence[PostedLeg], derived: Sequence[DerivedLeg]
) -> list[PostedLeg | DerivedLeg]:
    """List the legs that are gone, and those that are new."""
    old, new = ({leg.identity for leg in legs} for legs in (posted, derived))
    gone: list[PostedLeg | DerivedLeg] = [leg for leg in posted if leg.identity not in new]
    return gone + [leg for leg in derived if leg.identity not in old]


def changed_rows(world: World, observations: Sequence[Observation]) -> list[Key]:
    """Name all rows that observations read and move, as far as they are known yet."""
    keys = sight_rows(world, observations)
    if all(world.is_loaded(*key) for key in keys):
        keys += account_rows(world, sighted(world, observations))
    return keys


def remade(world: World, changes: Sighted, *, first: str = "") -> list[Draft]:
    """Make the drafts that follow from changed observations; draft 0 is the observation itself.

    `first` is the pack that was observed: packs it displaces are moved before it.
    """
    drafts: list[Draft] = []
    for pack_id in sorted(changes.after, key=lambda name: (name == first, name)):
        remaking = _Remaking(world, changes.after[pack_id], changes.retold[pack_id])
        drafts += remaking.drafts()
    return drafts


class _Inside(NamedTuple):
    """What is inside a pack: energy in its account while it is ours, else what it left with."""

    energy_wh: int
    soc_bp: int | None


class _Remaking:
    """One pack: from the legs that were posted to those that follow now."""

    def __init__(self, world: World, row: PackSights, retold: Retold) -> None:
        self.world = world
        self.row = row
        self.pack: Pack = world.need(PACKS, row.pack_id)
        self.old, self.now, posted = retold
        self.posted = _in_order(posted, self.old.legs)
        self.inside = _Inside(self.pack.energy_wh, self.pack.soc_bp)
        self.kept_wh = 0
        """Energy that was charged between legs that are reversed: it is in the pack still."""
        self.past_wh = 0
        """What legs told as past moved out of the pack's account, or into it."""
        self.gone: tuple[int, ...] = ()
        self.made: list[Draft] = []

    def drafts(self) -> list[Draft]:
        found = difference(self.posted, self.now.legs)
        self.gone = found.gone
        known = {finding.case_id for finding in self.old.findings}
        reopened = self.now.open_ids() - self.old.open_ids()
        fresh = [
            finding
            for finding in self.now.findings
            if finding.case_id in reopened or finding.case_id not in known
        ]
        suspended = {leg.case_id for leg in self.now.legs if leg.case_id}
        self._open(one for one in fresh if one.case_id in suspended)
        for index in found.gone:
            self._reverse(index, past=index < found.live_gone)
        for index in found.new:
            self._post(self.now.legs[index], past=index < found.live_new)
        self._restate(-self.past_wh, self.pack.moved_at, past=True)
        self._restate(self.kept_wh if self._is_ours() else 0, self.pack.moved_at)
        self._open(one for one in fresh if one.case_id not in suspended)
        self._review({self.posted[index].swap_id for index in found.gone} - {""})
        over = [finding for finding in fresh if not finding.is_open]
        over += [one for one in self.old.findings if one.is_open]
        self._close(one for one in over if one.case_id not in self.now.open_ids())
        return self.made

    def _is_ours(self) -> bool:
        return place_of(self.now.account)[0] is not Family.DRV

    def _draft(
        self, event: Event, at: int, *, one: Observation | None = None, corrects: int = -1
    ) -> None:
        causes = () if one is None or one.position < 0 else (one.position,)
        draft = Draft(event, occurred_at=at, after=(0,), causes=causes, corrects=corrects)
        self.made.append(draft)

    # cases

    def _open(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._draft(case_of(self.pack, finding), finding.occurred_at)
            self._hold(finding)

    def _review(self, swap_ids: set[str]) -> None:
        """Let somebody look at the bill of a swap whose leg was told anew."""
        for swap_id in sorted(swap_ids):
            billed = self.world.get(BILLED, swap_id)
            case = self.world.get(CASES, case_id_of(BILL_REVIEW, swap_id))
            if billed is None or billed.reason or (case is not None and case.is_open):
                continue
            reason = "a leg that was billed was told anew"
            found = opened(BILL_REVIEW, swap_id, (swap_id, self.pack.pack_id), reason)
            draft = Draft(found, after=(0,), causes=(billed.position,), correlation_id=swap_id)
            self.made.append(draft)

    def _hold(self, finding: Finding) -> None:
        reason = _HOLDS.get(finding.case_type)
        if reason and all(hold.reason != reason for hold in self.pack.holds):
            hold = stopped(self.pack.pack_id, reason, finding.case_id)
            self._draft(hold, finding.occurred_at)

    def _close(self, findings: Iterable[Finding]) -> None:
        made = {d.event.case_id for d in self.made if isinstance(d.event, CaseOpened)}
        for finding in {one.case_id: one for one in findings}.values():
            case = self.world.get(CASES, finding.case_id)
            if finding.case_id in made or (case is not None and case.is_open):
                ended = CaseResolved(case_id=finding.case_id, resolution=CLOSED)
                self._draft(ended, finding.occurred_at)
                self._unhold(finding)

    def _unhold(self, finding: Finding) -> None:
        reason = _HOLDS.get(finding.case_type, "")
        hold_id = derived_id("HD", self.pack.pack_id, reason, finding.case_id)
        if any(hold.hold_id == hold_id for hold in self.pack.holds):
            cleared = HoldCleared(
                hold_id=hold_id, pack_id=self.pack.pack_id, cleared_by="system", reason=CLOSED
            )
            self._draft(cleared, finding.occurred_at)

    # legs that are gone

    def _reverse(self, index: int, *, past: bool) -> None:
        leg = self.posted[index]
        pack_id = self.pack.pack_id
        energy = energy_lines(leg, pack_id)
        lines = (*move_pack(pack_id, debit=leg.to_account, credit=leg.from_account), *energy)
        moved_wh = sum(line.quantity for line in energy if line.account.startswith("Energy:Pack:"))
        if past:
            self.past_wh -= moved_wh
            before, left_wh = self.inside, 0
        else:
            before, left_wh = self._before(index, moved_wh)
        event = PostingReversed(
            reversed_position=leg.position,
            reversed_kind=leg.kind,
            reversed_lines=negate(lines),
            reason=REASON,
            pack_id=pack_id,
            pack_class=self.pack.pack_class,
            from_account=leg.to_account,
            to_account=leg.from_account,
            energy_wh=before.energy_wh,
            soc_bp=before.soc_bp,
            moved_at=self.posted[index - 1].occurred_at if index else self.row.settled_at,
            past=past,
            swap_id=leg.swap_id,
        )
        self.made.append(
            Draft(event, occurred_at=leg.occurred_at, after=(0,), reverses=leg.position)
        )
        self.inside = before
        self._restate(-left_wh, leg.occurred_at)

    def _before(self, index: int, moved_wh: int) -> tuple[_Inside, int]:
        """Tell what was inside before a leg, and what is left over in the pack's account."""
        leg = self.posted[index]
        ours = place_of(leg.to_account)[0] is not Family.DRV
        balance_wh = (self.inside.energy_wh if ours else 0) - moved_wh
        if place_of(leg.from_account)[0] is not Family.DRV:
            return _Inside(balance_wh, self.inside.soc_bp), 0
        self.kept_wh += balance_wh
        if index:
            last = self.posted[index - 1]
            return _Inside(last.energy_wh, last.soc_bp), balance_wh
        return _Inside(self.row.base_wh, self.row.base_soc_bp), balance_wh

    # legs that are new

    def _post(self, leg: DerivedLeg, *, past: bool) -> None:
        one = leg.observation
        if leg.kind in ("pack_returned", "pack_swapped_out"):
            event: Event = self._swap_leg(leg, past=past)
        else:
            event = self._move(leg, past=past)
        gone = [self.posted[index] for index in self.gone if self.posted[index].cause == leg.cause]
        corrects = gone[0].position if gone else -1
        self._draft(event, leg.occurred_at, one=one, corrects=corrects)

    def _move(self, leg: DerivedLeg, *, past: bool) -> Event:
        source, target = place_of(leg.from_account)[0], place_of(leg.to_account)[0]
        leaves = target is Family.DRV and not past
        event = MOVES[leg.kind](
            pack_id=self.pack.pack_id,
            from_account=leg.from_account,
            to_account=leg.to_account,
            pack_class=self.pack.pack_class,
            level=0 if leg.kind == "leg_inferred" else leg.observation.level,
            place=leg.place,
            case_id=leg.case_id,
            soc_bp=leg.observation.soc_bp,
            energy_wh=self.inside.energy_wh if leaves else 0,
            cause=leg.cause,
            past=past,
        )
        if not past and source is Family.DRV:
            self.inside = _Inside(0, leg.observation.soc_bp)
        return event

    def _swap_leg(self, leg: DerivedLeg, *, past: bool) -> Event:
        one = leg.observation
        comes = leg.kind == "pack_returned"
        at_station = leg.to_account if comes else leg.from_account
        ids = place_of(at_station)[1]
        read_wh = self._read(one)
        if comes or past:
            stored = read_wh or 0
        else:
            stored = self.inside.energy_wh if read_wh is None else read_wh
            self._read_at_rest(one, stored, leg.occurred_at)
        if past:
            self.past_wh += stored if comes else -stored
        else:
            known_bp = None if comes else self.inside.soc_bp
            self.inside = _Inside(stored, known_bp if one.soc_bp is None else one.soc_bp)
        driver_id = place_of(leg.from_account if comes else leg.to_account)[1][0]
        kind = PackReturned if comes else PackSwappedOut
        more = {"presenter_id": one.driver_id or driver_id} if comes else {}
        return kind(
            pack_id=self.pack.pack_id,
            station_id=ids[0],
            driver_id=driver_id,
            from_account=leg.from_account,
            to_account=leg.to_account,
            pack_class=self.pack.pack_class,
            stored_wh=stored,
            level=one.level,
            slot=ids[1] if len(ids) > 1 else "",
            swap_id=one.swap_id,
            soc_bp=one.soc_bp,
            soh_bp=one.soh_bp,
            cause=leg.cause,
            past=past,
            **more,
        )

    def _read(self, one: Observation) -> int | None:
        if one.soc_bp is None:
            return None
        soh_bp = self.pack.soh_bp if one.soh_bp is None else one.soh_bp
        return stored_wh(self.pack.nominal_wh, one.soc_bp, soh_bp)

    def _read_at_rest(self, one: Observation, stored: int, at: int) -> None:
        """Set the books to what was read when the pack went out."""
        delta_wh = stored - self.inside.energy_wh
        if delta_wh and one.soc_bp is not None:
            pack_id = self.pack.pack_id
            event = EnergyTrueUp(pack_id=pack_id, soc_bp=one.soc_bp, delta_wh=delta_wh)
            self._draft(event, at, one=one)

    def _restate(self, delta_wh: int, at: int, *, past: bool = False) -> None:
        if delta_wh:
            event = EnergyRestated(pack_id=self.pack.pack_id, delta_wh=delta_wh, past=past)
            self._draft(event, at)


def set_aside(changes: Sighted, sent: Sent | None) -> Iterator[Event]:
    """Tell of observations that come too late to be derived anew: an entry, and a case."""
    for one in changes.late:
        yield ObservationSetAside(
            pack_id=one.pack_id,
            place=one.place,
            told=one.kind,
            reason=TOO_LATE,
            driver_id=one.driver_id,
            sent=sent,
        )
        reason = "it tells of a time that is settled"
        subjects = tuple(filter(None, (one.pack_id, one.source, one.driver_id)))
        yield opened(TOO_LATE, f"{one.pack_id}|{one.key}", subjects, reason)


def _in_order(posted: Sequence[PostedLeg], derived: Sequence[DerivedLeg]) -> list[PostedLeg]:
    """Put legs into the order in which they were derived; they were posted in another one."""
    places = {leg.identity: at for at, leg in enumerate(derived)}
    return sorted(posted, key=lambda leg: (places.get(leg.identity, -1), leg.position))


def case_of(pack: Pack, finding: Finding) -> Event:
    """Make the case of a finding, with what it explains of drivers' packs."""
    debts = ((finding.owes, 1), (finding.is_owed, -1))
    vector = tuple(Debt(driver, pack.pack_class, count) for driver, count in debts if driver)
    case = opened(
        finding.case_type,
        f"{pack.pack_id}|{finding.cause}",
        (pack.pack_id, *finding.places),
        finding.reason,
        vector,
    )
    assert case.case_id == finding.case_id
    return case
