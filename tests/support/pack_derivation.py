"""Derives the custody of a whole world at once, by the very functions the commands call."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ledger.domain.derive import derive
from ledger.domain.observations import ABSENT, PRESENT, Observation, content_digest
from ledger.domain.ordering import Look, absences, in_slot_order, look_of
from ledger.domain.sights import is_stranger
from ledger.domain.standing import Derived
from ledger.kernel.instants import SECOND
from tests.support.pack_world import PACKS, PackWorld, Report


class Found(NamedTuple):
    """What the ledger makes of the reports: by pack, and stations that owe reports."""

    derived: dict[str, Derived]
    gaps: dict[str, list[int]]

    def accounts(self) -> dict[str, str]:
        return {pack: found.account for pack, found in self.derived.items()}

    def named(self) -> set[str]:
        """List all that an open case names."""
        names = {station for station, missing in self.gaps.items() if missing}
        for pack, found in self.derived.items():
            for finding in found.findings:
                names |= {pack, *finding.places} if finding.is_open else set()
        return names

    def case_count(self) -> int:
        gaps = sum(bool(missing) for missing in self.gaps.values())
        return gaps + sum(len(found.open_ids()) for found in self.derived.values())

    def digest(self) -> str:
        """Name the whole custody view: legs, findings and holders of all packs."""
        view = {
            pack: (
                found.account,
                [leg.identity for leg in found.legs],
                sorted(found.open_ids()),
            )
            for pack, found in self.derived.items()
        }
        return content_digest(view)


def observations(report: Report, offset_us: int) -> list[Observation]:
    """Take a report apart: one observation for each slot that it tells of."""
    at = report.raw_at - offset_us
    prefix = f"Packs:Station:{report.station}:Slot:"
    if report.kind != "snapshot":
        return [
            Observation(
                report.station,
                "B1",
                report.seq,
                report.kind,
                prefix + report.slot,
                report.pack,
                at,
                driver_id=report.driver,
                uncertainty_us=2 * SECOND,
                verdict=report.verdict,
            )
        ]
    return [
        Observation(
            report.station,
            "B1",
            report.seq,
            PRESENT if pack else ABSENT,
            prefix + slot,
            pack,
            at,
            uncertainty_us=2 * SECOND,
        )
        for slot, pack in report.slots
    ]


def derived_from(world: PackWorld, arrived: Iterable[Report]) -> Found:
    """Derive who has what from the reports that arrived, in any order, some twice."""
    must_prove = world.scenario.is_attested
    own: dict[str, list[Observation]] = {pack: [] for pack in PACKS}
    looks: dict[str, list[Look]] = {}
    counts: dict[str, set[int]] = {name: set() for name in world.stations}
    told: dict[str, int] = dict.fromkeys(world.stations, 0)
    for report in arrived:
        seen = counts[report.station]
        if report.seq in seen:
            continue
        seen.add(report.seq)
        told[report.station] = max(told[report.station], report.last_seq, report.seq)
        for one in observations(report, world.offset_us(report.station)):
            if one.pack_id:
                own[one.pack_id].append(one)
            looks.setdefault(one.place, []).append(look_of(one, is_stranger=is_stranger(one)))
    _openings(world, looks, own)
    for some in looks.values():
        _miss(in_slot_order(some), own)
    derived = {
        pack: derive(pack, world.begun[pack], some, must_prove=must_prove)
        for pack, some in own.items()
    }
    gaps = {
        name: [seq for seq in range(1, told[name] + 1) if seq not in counts[name]]
        for name in world.stations
    }
    return Found(derived, gaps)


def _openings(
    world: PackWorld, looks: dict[str, list[Look]], own: dict[str, list[Observation]]
) -> None:
    """Let every pack that began in a slot be seen there before everything else."""
    for pack, place in world.begun.items():
        if place in looks:
            station = place.split(":")[2]
            first = Observation(station, "B1", 0, PRESENT, place, pack, 0, verdict="VALID")
            looks[place].append(look_of(first))


def _miss(looks: Sequence[Look], own: dict[str, list[Observation]]) -> None:
    for missed in absences(looks):
        own[missed.pack_id].append(missed)
