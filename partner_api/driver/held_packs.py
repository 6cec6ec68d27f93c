"""What a driver may know of a pack: while it is with him, and of his own time with it later."""

from collections.abc import Sequence

import msgspec

from ledger.domain.asset_numbers import ASSET_NUMBERS
from ledger.domain.bindings import BINDINGS
from ledger.domain.custody import PACKS, Pack, PackReturned, PackSwappedOut, SwapLeg
from ledger.domain.health import SohAssessed
from ledger.domain.transitions import driver_account
from ledger.domain.world import KEY_SEPARATOR
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import is_id
from ledger.kernel.instants import DAY, as_text
from ledger.kernel.postings import PACK
from ledger.runtime.reads import Entry
from partner_api.driver.bodies_packs import HealthPointOut, MyPackOut, PackNoticeOut
from partner_api.driver.own import Own

OLD_AFTER_US = 90 * DAY
TAKEN_OVER, BY_STATION = "opening", "station"
"""How the health was told where nobody assessed it: as the pack came into the books, at a swap."""

_CODE_TYPES = ("LABEL", "GBT_CODE", "GIAI")


class Held(msgspec.Struct, frozen=True):
    """A time in which a driver had a pack (us); `until` 0 while he has it still."""

    since: int
    until: int
    swap_id: str
    position: int

    def has(self, at: int) -> bool:
        """Tell whether an instant lies inside."""
        return self.since <= at and (not self.until or at < self.until)


class PackStory(msgspec.Struct, frozen=True):
    """A pack, its whole history, and the last time in which the driver had it."""

    pack: Pack
    entries: Sequence[Entry]
    held: Held


def story_of(own: Own, pack_id: str) -> PackStory:
    """Read a pack of his; `NotFound` for one that he never had, as for one that is none."""
    pack = own.reads.row(PACKS, pack_id) if is_id(pack_id) else None
    if pack is None:
        raise NotFound("no pack of his")
    entries = own.reads.pack_history(pack_id, own.reads.moment())
    times = held_times(entries, own.driver_id, pack_id)
    if not times:
        raise NotFound("no pack of his")
    return PackStory(pack, entries, times[-1])


def held_times(entries: Sequence[Entry], driver_id: str, pack_id: str) -> list[Held]:
    """List the times in which a driver had a pack, oldest first."""
    account = driver_account(driver_id)
    found: list[Held] = []
    for one in entries:
        told = one.envelope
        for line in told.postings:
            if line.account != account or line.commodity != PACK:
                continue
            if line.dims.get("pack") != pack_id:
                continue
            if line.quantity > 0:
                swap_id = getattr(one.event, "swap_id", "")
                found.append(Held(told.valid_at, 0, swap_id, told.position))
            elif found and not found[-1].until:
                found[-1] = msgspec.structs.replace(found[-1], until=told.valid_at)
    return found


def code_of(own: Own, pack_id: str) -> str:
    """Give what stands on a pack: its label, its code, its number; else its id."""
    bound = {
        key.partition(KEY_SEPARATOR)[0]: key.partition(KEY_SEPARATOR)[2]
        for key, _ in own.reads.rows(BINDINGS, listed=pack_id)
    }
    for name in _CODE_TYPES:
        if name in bound:
            return bound[name]
    number = own.reads.row(ASSET_NUMBERS, pack_id)
    return number.giai if number is not None else pack_id


def health_points(story: PackStory) -> list[HealthPointOut]:
    """List what was told of a pack's health during his time, and what held when it began."""
    before: HealthPointOut | None = None
    found: list[HealthPointOut] = []
    for one in story.entries:
        point = _point(one)
        if point is None:
            continue
        at = one.envelope.valid_at
        if at < story.held.since:
            before = point
        elif story.held.has(at):
            found.append(point)
    return found if before is None else [before, *found]


def _point(one: Entry) -> HealthPointOut | None:
    event = one.event
    at, position = as_text(one.envelope.valid_at), one.envelope.position
    if isinstance(event, SohAssessed):
        return HealthPointOut(
            at=at,
            soh_bp=event.soh_bp,
            method=event.method,
            lower_bp=event.lower_bp,
            upper_bp=event.upper_bp,
            position=position,
        )
    soh_bp = getattr(event, "soh_bp", None)
    if soh_bp is None:
        return None
    method = BY_STATION if isinstance(event, SwapLeg) else TAKEN_OVER
    return HealthPointOut(at=at, soh_bp=soh_bp, method=method, position=position)


def pack_out(own: Own, story: PackStory) -> MyPackOut:
    """Say all of a pack that its driver may know, as it was in his time."""
    pack, held = story.pack, story.held
    points = health_points(story)
    newest = points[-1] if points else None
    return MyPackOut(
        pack_id=pack.pack_id,
        code=code_of(own, pack.pack_id),
        pack_class=pack.pack_class,
        since=as_text(held.since),
        nominal_wh=pack.nominal_wh,
        notices=_notices(own, story, newest),
        version=story.entries[-1].envelope.position if not held.until else held.position,
        until=as_text(held.until) if held.until else None,
        soc_bp=_soc_bp(story),
        soh_bp=newest.soh_bp if newest else None,
        soh_lower_bp=newest.lower_bp if newest else None,
        soh_upper_bp=newest.upper_bp if newest else None,
        soh_method=newest.method if newest else "",
        measured_at=newest.at if newest else None,
        cycles_efc_x100=_cycles(story),
        swap_id=held.swap_id or None,
    )


def _soc_bp(story: PackStory) -> int | None:
    """Give the charge that was told last in his time: at hand-over, or when he brought it."""
    told = None
    for one in story.entries:
        event, at = one.event, one.envelope.valid_at
        is_leg = isinstance(event, PackSwappedOut | PackReturned)
        ends_it = is_leg and at == story.held.until
        if story.held.has(at) or ends_it:
            value = getattr(event, "soc_bp", None)
            told = told if value is None else value
    return told


def _cycles(story: PackStory) -> int | None:
    counts = [
        one.event.efc_x100
        for one in story.entries
        if isinstance(one.event, SohAssessed)
        and (not story.held.until or one.envelope.valid_at < story.held.until)
    ]
    known = [count for count in counts if count is not None]
    return known[-1] if known else None


def _notices(own: Own, story: PackStory, newest: HealthPointOut | None) -> list[PackNoticeOut]:
    """Say what its driver should know: stops on the pack, a measurement too old."""
    if story.held.until:
        return []
    found = [
        PackNoticeOut("exchange_soon", hold.reason.lower(), as_text(hold.placed_at))
        for hold in story.pack.holds
        if not 0 < hold.expires_at <= own.now
    ]
    told_at = [one.envelope.valid_at for one in story.entries if _point(one) is not None]
    if newest is not None and own.now - told_at[-1] > OLD_AFTER_US:
        found.append(PackNoticeOut("soh_old", "not measured for 90 days", newest.at))
    return found
