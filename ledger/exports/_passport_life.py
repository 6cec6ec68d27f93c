"""What the ledger itself knows of a pack for its passport, by clause.

From identity: the pack's identifier, its codes, the month or day it was made. From custody: when
it was put into service, its status and the number of its passport. From health: remaining
capacity and energy, full cycles where they were recorded, each with the time of the newest fact.
From energy: state of charge, round trip efficiency where it also fed back, self-discharge, and the
throughput of packs whose whole life is in the books. From holds: alarms and faults. Resistance
grows from what the class says of a new pack.

Charge throughput, minutes in extreme temperatures, deep discharges and overcharges are what its
management systems counted, where each of them was read.

Not known yet, so to be told by a facts file or left out: remaining power; a pack taken over from an
older fleet has neither a day of service nor a throughput of energy.
"""

from decimal import Decimal

import msgspec

from ledger.domain.assets import IncomingVerification, PackCommissioned, PackOrdered
from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.counters import CountersRecorded, Counts
from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.domain.energy import EnergyTrueUp
from ledger.domain.health import SohAssessed
from ledger.domain.holds import HoldPlaced
from ledger.domain.identity import IdentityBound, IdentityUnbound
from ledger.domain.measuring import CycleCountRecorded, ResistanceRecorded
from ledger.domain.moves import HandedToRecycler, RecyclerReceived, RecyclingCertified
from ledger.domain.moves import SecondLifeDeployed as Deployed
from ledger.domain.takeover import PackTakenOver
from ledger.exports._passport_facts import Values
from ledger.exports._passport_values import Incident, Increase, Measured
from ledger.kernel.battery_code import CodeMalformed, parse
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import DAY, as_text, utc_day
from ledger.kernel.quantities import BP_FULL, round_half_even, scaled_text, stored_wh
from ledger.runtime.reads import Entry

_INCIDENTS = frozenset({"THERMAL_ALARM", "ELECTRICAL_FAULT"})
_NAMES = ("GBT_CODE", "SUPPLIER_SERIAL", "GIAI")
"""What can identify a pack, the best first."""

STOOD_US = DAY
"""Policy: a pack must have stood so long before a loss is taken for its self-discharge."""

_MONTH_US = 30 * DAY
_CMOHM_PER_OHM = 100_000
_HUNDREDTH, _MILLIONTH = Decimal("0.01"), Decimal("0.000001")

ORIGINAL, REPURPOSED, WASTE = "Original", "Repurposed", "Waste"


class Life(msgspec.Struct):
    """What a history tells; `warranty_until` and `begun_mah` are 0 while unknown."""

    pack_class: str = ""
    nominal_wh: int = 0
    status: str = ORIGINAL
    number: int = 1
    is_whole: bool = False
    warranty_until: int = 0
    begun_mah: int = 0
    soh_bp: int = 0
    soh_at: int = 0
    capacity: tuple[int, int] | None = None
    charge: tuple[int, int] | None = None
    cycles: tuple[int, int] | None = None
    full_cycles: tuple[int, int] | None = None
    soce: tuple[int, int] | None = None
    resistance: tuple[int, int] | None = None
    read_at: int = 0
    leak: tuple[int, int] | None = None
    charged: tuple[int, int] = (0, 0)
    fed_back: tuple[int, int] = (0, 0)
    throughput_wh: int = 0
    moved_at: int = 0
    out_wh: int | None = None
    service_on: str = ""
    incidents: tuple[Incident, ...] = ()
    counts: dict[str, Counts] = msgspec.field(default_factory=dict)
    counted_at: int = 0
    systems: set[str] = msgspec.field(default_factory=set)
    names: dict[str, list[str]] = msgspec.field(default_factory=dict)

    @property
    def codes(self) -> list[str]:
        """The traction battery codes that are bound, oldest first."""
        return self.names.get("GBT_CODE", [])


def life_of(history: list[Entry]) -> Life:
    """Fold a pack's history, in order of valid time."""
    life = Life()
    for entry in history:
        at = entry.envelope.valid_at
        _fold_identity(life, entry)
        _fold_custody(life, entry, at)
        _fold_health(life, entry, at)
        _fold_energy(life, entry, at)
        _fold_charge(life, entry, at)
        _fold_counters(life, entry, at)
    return life


def _fold_identity(life: Life, entry: Entry) -> None:
    said = entry.event
    if isinstance(said, IdentityBound | IdentityUnbound):
        bound = [one for one in life.names.get(said.binding_type, []) if one != said.value]
        if isinstance(said, IdentityBound):
            bound.append(said.value)
        life.names[said.binding_type] = bound


def _fold_custody(life: Life, entry: Entry, at: int) -> None:
    match entry.event:
        case PackOrdered() as said:
            life.pack_class, life.nominal_wh = said.pack_class, said.nominal_wh
            life.is_whole = True
        case PackTakenOver() as said:
            life.pack_class, life.nominal_wh = said.pack_class, said.nominal_wh
            life.soh_bp, life.soh_at = said.soh_bp, at
            if said.serial:
                life.names.setdefault("SUPPLIER_SERIAL", []).append(said.serial)
        case IncomingVerification() as said if said.capacity_mah:
            life.begun_mah = said.capacity_mah
            life.capacity = (said.capacity_mah, at)
        case PackCommissioned() as said:
            life.soh_bp, life.soh_at = said.soh_bp, at
            life.warranty_until, life.moved_at = said.warranty_until, at
            if life.is_whole:
                life.service_on = utc_day(at)
        case Deployed():
            life.status, life.number = REPURPOSED, life.number + 1
        case HandedToRecycler() | RecyclerReceived() | RecyclingCertified():
            life.status = WASTE
        case HoldPlaced() as said if said.reason in _INCIDENTS:
            incident = Incident(said.reason.lower().replace("_", " "), as_text(at))
            life.incidents = (*life.incidents, incident)
        case _:
            pass


def _fold_health(life: Life, entry: Entry, at: int) -> None:
    """Keep what was found of its health last."""
    match entry.event:
        case SohAssessed() as said:
            life.soh_bp, life.soh_at = said.soh_bp, at
            if said.capacity_mah is not None:
                life.capacity = (said.capacity_mah, at)
            if said.efc_x100 is not None:
                life.full_cycles = (said.efc_x100, at)
            if said.soce_bp is not None:
                life.soce = (said.soce_bp, at)
        case CycleCountRecorded() as said:
            life.cycles = (said.cycles, at)
        case ResistanceRecorded() as said if said.re_cmohm is not None:
            life.resistance = (said.re_cmohm, at)
        case _:
            pass


def _fold_energy(life: Life, entry: Entry, at: int) -> None:
    """Count what went in and out: sessions, and what a driver used between two swaps."""
    match entry.event:
        case ChargeSessionEnded() as said:
            life.throughput_wh += abs(said.stored_wh_delta)
            life.moved_at = at
            if said.stored_basis == "SOC" and not said.mismatch:
                _fold_efficiency(life, said)
        case EnergyTrueUp() as said:
            _fold_leak(life, said, at)
        case PackSwappedOut() as said:
            life.out_wh = said.stored_wh
        case PackReturned() as said:
            if life.out_wh is not None:
                life.throughput_wh += abs(life.out_wh - said.stored_wh)
                life.moved_at = at
            life.out_wh = None
        case _:
            pass


def _fold_efficiency(life: Life, said: ChargeSessionEnded) -> None:
    """Sum what went in and arrived, and what left and came back, of sessions that went one way."""
    stored_wh = said.stored_wh_delta
    if said.energy_in_wh and not said.energy_out_wh:
        put_in, arrived = life.charged
        life.charged = (put_in + said.energy_in_wh, arrived + stored_wh)
    elif said.energy_out_wh and not said.energy_in_wh:
        left, came_back = life.fed_back
        life.fed_back = (left - stored_wh, came_back + said.energy_out_wh)


def _fold_leak(life: Life, said: EnergyTrueUp, at: int) -> None:
    """Take what a pack lost standing for its self-discharge, in bp of its energy a month."""
    stood_us = at - life.read_at
    if life.read_at and stood_us >= STOOD_US and said.delta_wh <= 0 and life.nominal_wh:
        lost = -said.delta_wh * BP_FULL * _MONTH_US
        life.leak = (round_half_even(lost, life.nominal_wh * stood_us), at)


def _fold_charge(life: Life, entry: Entry, at: int) -> None:
    """Keep the newest state of charge that anybody read."""
    for name in ("soc_bp", "soc_end_bp"):
        soc_bp = getattr(entry.event, name, None)
        if soc_bp is not None:
            life.charge = (soc_bp, at)
            life.read_at = at


def _fold_counters(life: Life, entry: Entry, at: int) -> None:
    """Keep what each management system of the pack counted, and which it had."""
    match entry.event:
        case CountersRecorded() as said:
            before = life.counts.get(said.serial, Counts())
            life.counts[said.serial] = msgspec.structs.replace(before, **said.counts.told())
            life.counted_at = max(life.counted_at, at)
        case IdentityBound(binding_type="BMS_SERIAL", value=serial):
            life.systems.add(serial)
        case _:
            pass


def known(life: Life, told: Values) -> Values:
    """Give what the ledger knows, by clause; `told` are rated values that it is compared with."""
    values: Values = {"6.1.3.7": life.status, "6.7.8.4": life.incidents}
    for kind in _NAMES:
        if life.names.get(kind):
            values["6.1.2.2"] = life.names[kind][-1]
            break
    made_on = _made_on(life.codes)
    if made_on:
        values["6.1.3.2"] = made_on
    if life.service_on:
        values["6.1.3.3"] = life.service_on
    if life.charge is not None:
        values["6.7.2.8"] = _measured(*life.charge, 2)
    if life.cycles is not None:
        values["6.7.6.4"] = _measured(*life.cycles, 0)
    if life.full_cycles is not None:  # sums of parts of cycles tell more than a counter
        values["6.7.6.4"] = _measured(*life.full_cycles, 2)
    if life.leak is not None:
        values["6.7.4.7"] = _measured(*life.leak, 2)
    if life.is_whole and life.moved_at:
        values["6.7.6.7"] = _measured(life.throughput_wh, life.moved_at, 3)
    return (
        values
        | _counted(life)
        | _efficiency(life)
        | _resistance(life, told)
        | _capacity(life, told)
        | _energy(life, told)
    )


_COUNTED = {
    "6.7.6.8": ("charge_mah", 3),
    "6.7.7.5": ("hot_min", 0),
    "6.7.7.6": ("cold_min", 0),
    "6.7.7.7": ("hot_charging_min", 0),
    "6.7.7.8": ("cold_charging_min", 0),
    "6.7.8.2": ("deep_discharges", 0),
    "6.7.8.3": ("overcharges", 0),
}
"""Counters by clause, and the decimals that their unit asks for."""


def _counted(life: Life) -> Values:
    """Add up a counter over all systems a pack had; one that was not read leaves it unknown."""
    values: Values = {}
    every = life.systems | set(life.counts)
    for clause, (name, decimals) in _COUNTED.items():
        found = [getattr(life.counts.get(serial, Counts()), name) for serial in every]
        if found and None not in found:
            values[clause] = _measured(sum(found), life.counted_at, decimals)
    return values


def _efficiency(life: Life) -> Values:
    """Give the round trip: the share that arrives, times the share of it that comes back."""
    (put_in, arrived), (left, came_back) = life.charged, life.fed_back
    if min(put_in, arrived, left, came_back) <= 0:
        return {}
    share_bp = round_half_even(arrived * came_back * BP_FULL, put_in * left)
    return {"6.7.4.4": _measured(min(share_bp, BP_FULL), life.moved_at, 2)}


def _resistance(life: Life, told: Values) -> Values:
    """Give the increase over what the class had new; all cells are taken to age alike."""
    new = told.get("6.7.5.2")
    if life.resistance is None or new is None or new.pack <= 0:
        return {}
    now_cmohm, at = life.resistance
    now = Decimal(now_cmohm) / _CMOHM_PER_OHM
    grown = ((now - new.pack) * 100 / new.pack).quantize(_HUNDREDTH)
    cell = (new.cell * now / new.pack).quantize(_MILLIONTH)
    increase = Increase(
        pack_percent=grown, cell_percent=grown, pack_ohm=now, cell_ohm=cell, at=as_text(at)
    )
    return {"6.7.5.3": increase}


def _capacity(life: Life, told: Values) -> Values:
    if life.capacity is None:
        return {}
    capacity_mah, at = life.capacity
    values: Values = {"6.7.2.3": _measured(capacity_mah, at, 3)}
    rated = told.get("6.7.2.2")
    begun_mah = life.begun_mah or (0 if rated is None else int(rated * 1_000))
    if begun_mah > 0:
        fade_bp = round_half_even((begun_mah - capacity_mah) * BP_FULL, begun_mah)
        values["6.7.2.4"] = _measured(fade_bp, at, 2)
    return values


def _energy(life: Life, told: Values) -> Values:
    if not life.soh_at:
        return {}
    remaining_wh = stored_wh(life.nominal_wh, BP_FULL, life.soh_bp)
    values: Values = {"6.7.2.6": _measured(remaining_wh, life.soh_at, 3)}
    if life.soce is not None:
        return values | {"6.7.2.7": _measured(*life.soce, 2)}
    certified = told.get("6.7.2.5")
    certified_wh = 0 if certified is None else int(certified * 1_000)
    if certified_wh > 0:
        share_bp = round_half_even(remaining_wh * BP_FULL, certified_wh)
        values["6.7.2.7"] = _measured(share_bp, life.soh_at, 2)
    return values


def _made_on(codes: list[str]) -> str:
    """Read the day, or the month, out of the oldest code whose year is certain."""
    for text in codes:
        try:
            code = parse(text)
        except CodeMalformed:
            continue
        if code.year_certain:
            month = f"{code.year}-{code.month:02d}"
            return f"{month}-{code.day:02d}" if code.day else month
    return ""


def _measured(value: int, at: int, decimals: int) -> Measured:
    return Measured(Decimal(scaled_text(value, decimals)), as_text(at))


# Identifiers --------------------------------------------------------------------


def passport_urn(pack_id: str, number: int) -> str:
    """Name a passport: ``urn:mobilegrid:`` with the pack's id in lower case and two digits.

    Only letters and digits may stand there. A pack id of capitals and digits without U, as a ULID
    is, stays as it is; U, small letters and hyphens are written ``uu``, ``u1x`` and ``u0``, so that
    two packs never share a name.

    >>> passport_urn("01HZX3", 1)
    'urn:mobilegrid:01hzx301'
    >>> passport_urn("PK-7u", 2)
    'urn:mobilegrid:pku07u1u02'
    """
    if not 1 <= number <= _NUMBER_MAX:
        raise Malformed(f"a pack has at most {_NUMBER_MAX} passports", field="number")
    return f"urn:mobilegrid:{''.join(map(_letter, pack_id))}{number:02d}"


_NUMBER_MAX = 99


def _letter(letter: str) -> str:
    if letter == "U":
        return "uu"
    if letter == "-":
        return "u0"
    return f"u1{letter}" if letter.islower() else letter.lower()
