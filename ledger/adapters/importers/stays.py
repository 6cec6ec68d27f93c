"""Stays of packs as commands: a row becomes a report, and a pack's first stay its take-over."""

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from heapq import merge

from ledger.adapters.importers.acceptance import (
    CONTRADICTIONS,
    Acceptance,
    PackKey,
    Reason,
    Verdict,
)
from ledger.adapters.importers.networks import NETWORKS
from ledger.adapters.importers.plan import OPENED_AT, REGISTRATIONS, DataSet, Expected, Step
from ledger.adapters.importers.registrations import PACK_CLASS, US, meter_id, station_id
from ledger.adapters.importers.sessions import Stay, table_of
from ledger.adapters.importers.tables import place_of
from ledger.domain.custody import Pack, SetPackEntitlement
from ledger.domain.metering import soc_change
from ledger.domain.parties import RegisterParty
from ledger.domain.stays import ReportStay
from ledger.domain.takeover import TakeOverPack
from ledger.domain.transitions import driver_account
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Command
from ledger.kernel.quantities import BP_FULL

NOMINAL_WH = 72_600
"""Median of energy over change of state of charge in the rows that give both."""

_TABLES = {network.key: table_of(network) for network in NETWORKS}
_RANKS = {network.key: rank for rank, network in enumerate(NETWORKS)}
_PACK = Pack("REPLAY", "", PACK_CLASS, NOMINAL_WH, BP_FULL)


def stay_steps(data: DataSet) -> Iterator[Step]:
    """Give the report of every row in the order of replay: by end (or begin), begin, network, id.

    A pack's first accepted stay is preceded by what makes it and its driver known.
    """
    known = {(one.network.key, one.key) for one in data.charge_points if one.network}
    acceptance = Acceptance(frozenset(known))
    taken_over: set[PackKey] = set()
    ranks: Counter[str] = Counter()
    for stay in merge(*data.stays, key=_order):
        verdict = acceptance.judge(stay)
        table = _TABLES[stay.network.key]
        ranks[table.name] += 1
        at, place = max(stay.received_at, OPENED_AT), place_of(table, stay.number)
        if verdict.reason is None and verdict.pack not in taken_over:
            taken_over.add(verdict.pack)
            for command, name in _first(stay, verdict.pack):
                yield Step(at, REGISTRATIONS, name, place, command)
        report = _report(stay, verdict, ranks[table.name])
        expected = _expected(stay, verdict.reason)
        yield Step(at, table.name, stay.session_id, place, report, rows=1, expected=expected)


def _order(stay: Stay) -> tuple[int, int, int, str]:
    return stay.received_at, stay.begin_at, _RANKS[stay.network.key], stay.session_id


def _expected(stay: Stay, reason: Reason | None) -> Expected:
    energy_wh = stay.energy_wh or 0
    if reason is not None:
        return Expected(reason.value, reason in CONTRADICTIONS, energy_wh, is_mismatch=False)
    return Expected("", opens_case=False, energy_wh=energy_wh, is_mismatch=_is_mismatch(stay))


def _is_mismatch(stay: Stay) -> bool:
    begin_bp, end_bp = stay.soc_begin_bp, stay.soc_end_bp
    if begin_bp is None or end_bp is None or end_bp <= begin_bp:
        return False  # the ledger does not use these readings either
    _, plausible = soc_change(_PACK, begin_bp, end_bp, (stay.energy_wh or 0, 0))
    return not plausible


def _first(stay: Stay, pack: PackKey) -> Iterator[tuple[Command, str]]:
    """Make a driver and his pack known, at the begin of the stay."""
    driver_id, pack_id = _ids(pack)
    begin_at = stay.begin_at
    country = stay.network.country
    yield (
        RegisterParty(party_id=driver_id, party_roles=("driver",), country=country),
        f"driver {driver_id}",
    )
    yield (
        TakeOverPack(
            pack_id=pack_id,
            account=driver_account(driver_id),
            pack_class=PACK_CLASS,
            nominal_wh=NOMINAL_WH,
            soh_bp=BP_FULL,
            title_holder_id=US,
            occurred_at=begin_at,
        ),
        f"pack {pack_id}",
    )
    yield (
        SetPackEntitlement(
            driver_id=driver_id, pack_class=PACK_CLASS, count=1, occurred_at=begin_at
        ),
        f"entitlement {driver_id}",
    )


@lru_cache(maxsize=4096)  # every row asks for its driver and pack
def _ids(pack: PackKey) -> tuple[str, str]:
    return derived_id("DR", *pack), derived_id("PK", *pack)


def _report(stay: Stay, verdict: Verdict, seq: int) -> ReportStay:
    network = stay.network
    slot, pack, reason = verdict
    driver_id, pack_id = _ids(pack)
    if reason is Reason.NO_STATION and not stay.driver:
        driver_id = pack_id = ""  # without a place nothing says which pack it was
    uncertain = "dst_ambiguous" in stay.flags  # a local time that came twice that night
    sid = stay.session_id
    return ReportStay(
        report_id=sid if is_id(sid) else derived_id("RP", network.key, sid),
        network=network.operator_id,
        station_id=station_id(network, stay.station) if stay.station else "",
        slot=slot,
        driver_id=driver_id,
        pack_id=pack_id,
        begin_at=stay.begin_at,
        received_at=stay.received_at,
        seq=seq,
        row_ref=f"{_TABLES[network.key].name}#{stay.number}",
        end_at=stay.end_at,
        energy_wh=stay.energy_wh,
        active_s=stay.active_s,
        idle_s=stay.idle_s,
        soc_begin_bp=stay.soc_begin_bp,
        soc_end_bp=stay.soc_end_bp,
        amount_text=stay.amount,
        currency=stay.currency,
        flags=stay.flags,
        meter_id=meter_id(network, stay.station or "none", slot),
        clock_quality="I" if uncertain else "S",
        clock_uncertainty_us=HOUR if uncertain else 0,
    )
