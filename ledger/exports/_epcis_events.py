"""What an entry of the ledger is in EPCIS 2.0: the table of the custody handbook 14.1.

Entries are told in order of position, because what an entry can name is what was known when it
was written: a GIAI bound later does not change the id of an event told before.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from ledger.domain.assets import PackCommissioned
from ledger.domain.attesting import PackAttested
from ledger.domain.carrying import PackMoved
from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.custody import PackReturned, PackSwappedOut
from ledger.domain.health import PackRetired, SohAssessed
from ledger.domain.holds import HoldCleared, HoldPlaced
from ledger.domain.identity import IdentityBound, IdentityUnbound
from ledger.domain.pinning import AllocationReplaced, PackAllocated
from ledger.domain.scans import ScanRecorded
from ledger.domain.stations import Station
from ledger.domain.stocktake import StocktakeRecorded
from ledger.domain.takeover import PackTakenOver
from ledger.domain.transitions import Family, place_of
from ledger.domain.workshop import RepairRecorded
from ledger.exports._epcis_hash import event_id
from ledger.exports._epcis_names import UTC_OFFSET, Naming, offset_text, time_text
from ledger.exports._epcis_steps import (
    COUNTED,
    HOLDING,
    INSPECTING,
    INSTALLING,
    MOVES,
    PLAIN,
    RECEIVING,
    REMOVING,
    RESERVED,
    SENSED,
    Step,
)
from ledger.kernel.battery_code import LENGTH_SECOND_LIFE
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.quantities import kwh_text, scaled_text
from ledger.kernel.signed_facts import VALID
from ledger.runtime.reads import Entry

Event = dict[str, Any]


_ANYWHERE = frozenset({"leg_confirmed", "foreign_pack_taken"})
_LEAVING = frozenset({"shipping", "removing", "collecting"})
_UNSEEN = frozenset({"other", "stock_taking"})
_SITES = frozenset({Family.DRC, Family.DST, Family.WSH, Family.SL2, Family.RCY})
_STATION = frozenset({Family.SLT, Family.STG})
_HOLDERS = _SITES | {Family.SUP, Family.CIN, Family.TRN}
_TRANSACTIONS = {"swap_id": "swap", "order_id": "order", "booking_id": "booking"}


class Lookups(NamedTuple):
    """What an entry does not say itself: the row of a station, the vehicle of a swap."""

    station: Callable[[str], Station | None]
    vehicle: Callable[[str], str]


class Known:
    """What is known of one pack by the entries told so far: its names, its open holds."""

    def __init__(self) -> None:
        self.giai = ""
        self.codes: list[str] = []
        self.old_code = ""
        self.holds: dict[str, tuple[str, int]] = {}


class Teller:
    """Tells entries as EPCIS events, in order of position."""

    def __init__(self, naming: Naming, lookups: Lookups) -> None:
        """Name things by `naming`; nothing is known yet."""
        self._naming = naming
        self._look = lookups
        self._packs: dict[str, Known] = {}

    def tell(self, entry: Entry) -> Iterator[Event]:
        """Give the events of one entry, in order; none for kinds that are not told."""
        for event in self._events(entry):
            event["mg:position"] = entry.envelope.position
            event["mg:leafHash"] = leaf_hash(entry.data).hex()
            event["mg:kind"] = entry.envelope.kind
            level = evidence_level(entry)
            if level is not None:
                event["mg:evidenceLevel"] = level
            yield {"type": event["type"], "eventID": event_id(event, self._naming)} | event

    def _known(self, pack_id: str) -> Known:
        return self._packs.setdefault(pack_id, Known())

    def _events(self, entry: Entry) -> Iterator[Event]:
        said = entry.event
        match said:
            case IdentityBound() | IdentityUnbound():
                yield from self._named(entry, said)
            case PackSwappedOut() | PackReturned():
                yield from self._leg(entry, said)
            case PackMoved():
                step = MOVES.get(said.kind)
                if step is not None:
                    yield self._moved(entry, said, step)
            case PackCommissioned() | PackTakenOver():
                yield self._born(entry, said)
            case SohAssessed() | ChargeSessionEnded():
                yield self._sensed(entry, said)
            case HoldPlaced() | HoldCleared():
                yield self._held(entry, said)
            case PackAllocated() | AllocationReplaced():
                pinned = said.pack_id if isinstance(said, PackAllocated) else said.pack_ids[1]
                yield self._object(entry, pinned, RESERVED)
            case ScanRecorded() | PackAttested() if said.pack_id:
                yield self._looked_at(entry, said)
            case StocktakeRecorded():
                yield from self._counted(entry, said)
            case PackRetired() | RepairRecorded() if said.pack_id:
                yield self._object(entry, said.pack_id, PLAIN[type(said)])
            case _:
                pass

    # Frames -------------------------------------------------------------------

    def _frame(self, kind: str, entry: Entry, pack_id: str, station_id: str = "") -> Event:
        at = entry.envelope.valid_at
        return {
            "type": kind,
            "eventTime": time_text(at),
            "eventTimeZoneOffset": self._offset(at, station_id),
            "recordTime": time_text(entry.envelope.recorded_at),
            "mg:pack": self._naming.name("pack", pack_id),
        }

    def _offset(self, at: int, station_id: str) -> str:
        station = self._look.station(station_id) if station_id else None
        return UTC_OFFSET if station is None else offset_text(at, station.zone)

    def _object(self, entry: Entry, pack_id: str, step: Step, station_id: str = "") -> Event:
        frame = self._frame("ObjectEvent", entry, pack_id, station_id)
        frame["epcList"] = [self._epc(pack_id)]
        return frame | _words(step) | self._transactions(entry)

    def _associated(self, entry: Entry, pack_id: str, parent: str, step: Step) -> Event:
        station_id = getattr(entry.event, "station_id", "") or _station_of(entry)
        frame = self._frame("AssociationEvent", entry, pack_id, station_id)
        frame |= {"parentID": parent, "childEPCs": [self._epc(pack_id)]}
        return frame | _words(step) | self._transactions(entry)

    def _epc(self, pack_id: str) -> str:
        return self._naming.pack(pack_id, self._known(pack_id).giai)

    def _transactions(self, entry: Entry) -> Event:
        named = [
            {
                "type": f"{self._naming.namespace}{word}",
                "bizTransaction": self._naming.name(word, value),
            }
            for field, word in _TRANSACTIONS.items()
            if (value := getattr(entry.event, field, ""))
        ]
        return {"bizTransactionList": named} if named else {}

    # Places and parties -------------------------------------------------------

    def _place(self, account: str) -> str:
        family, ids = place_of(account)
        if family is Family.SLT:
            return self._naming.name("station", ids[0], "slot", ids[1])
        if family is Family.STG:
            return self._naming.name("station", ids[0])
        return self._naming.name("site", ids[0]) if family in _SITES else ""

    def _party(self, account: str) -> str:
        family, ids = place_of(account)
        if family in _HOLDERS:
            return self._naming.name("party", ids[0])
        station = self._look.station(ids[0]) if family in _STATION else None
        return "" if station is None else self._naming.name("party", station.operator_id)

    def _where(self, step: Step, came: str, went: str) -> Event:
        """Say where it was seen, and where it is then; nothing where nobody saw it."""
        if step.biz_step in _UNSEEN:
            return {}
        here, there = (self._place(account) for account in (came, went))
        seen = (here or there) if step.biz_step in _LEAVING else (there or here)
        found = {"readPoint": {"id": seen}} if seen else {}
        return found | ({"bizLocation": {"id": there}} if there else {})

    def _handed(self, came: str, went: str) -> Event:
        """Say who had it and who has it, where both are known, differ and are no drivers."""
        giver, taker = self._party(came), self._party(went)
        if not giver or not taker or giver == taker:
            return {}
        return {
            "sourceList": [{"type": "possessing_party", "source": giver}],
            "destinationList": [{"type": "possessing_party", "destination": taker}],
        }

    # Kinds --------------------------------------------------------------------

    def _moved(self, entry: Entry, said: PackMoved, step: Step) -> Event:
        came, went = said.from_account, said.to_account
        if said.kind in _ANYWHERE and place_of(went)[0] is Family.SLT:
            step = INSTALLING
        if said.kind == "second_life_deployed":
            recoded = self._recoded(entry, said.pack_id)
            if recoded:
                return recoded | self._where(step, came, went) | self._handed(came, went)
        if step in (INSTALLING, REMOVING):
            slot = self._place(went if step is INSTALLING else came)
            made = self._associated(entry, said.pack_id, slot, step)
            return made | {"readPoint": {"id": slot}}
        made = self._object(entry, said.pack_id, step, _station_of(entry))
        if step.biz_step not in _UNSEEN:
            made |= self._handed(came, went)
        return made | self._where(step, came, went)

    def _leg(self, entry: Entry, said: PackSwappedOut | PackReturned) -> Iterator[Event]:
        """Tell the side of the slot and, when the vehicle is known, its side as well."""
        leaves = isinstance(said, PackSwappedOut)
        account = said.from_account if leaves else said.to_account
        place = self._place(account)
        step = REMOVING if leaves else INSTALLING
        if place_of(account)[0] is Family.SLT:
            slot_side = self._associated(entry, said.pack_id, place, step)
        else:
            step = Step("OBSERVE", "removing" if leaves else "receiving", "in_progress")
            slot_side = self._object(entry, said.pack_id, step, said.station_id)
        sides = [slot_side | {"readPoint": {"id": place}}]
        vehicle_id = self._look.vehicle(said.swap_id) if said.swap_id else ""
        if vehicle_id:
            step = INSTALLING if leaves else Step("DELETE", "removing", "returned")
            vehicle = self._naming.name("vehicle", vehicle_id)
            side = self._associated(entry, said.pack_id, vehicle, step)
            side["readPoint"] = {"id": place}
            sides.insert(1 if leaves else 0, side)
        yield from sides

    def _born(self, entry: Entry, said: PackCommissioned | PackTakenOver) -> Event:
        step = Step("ADD", "commissioning", "active")
        if isinstance(said, PackTakenOver) and not said.commissioned:
            step = RECEIVING
        made = self._object(entry, said.pack_id, step, _station_of(entry))
        codes = self._known(said.pack_id).codes
        data: Event = {"mg:tractionBatteryCode": codes[-1]} if codes else {}
        if isinstance(said, PackTakenOver):
            data["mg:packClass"] = self._naming.name("class", said.pack_class)
            data["mg:nominalEnergyWh"] = said.nominal_wh
            made |= self._where(step, said.account, said.account)
        if step.action == "ADD" and data:
            made["ilmd"] = data
        return made

    def _recoded(self, entry: Entry, pack_id: str) -> Event:
        """Tell a second life as a change of codes, where it has got a new one."""
        known = self._known(pack_id)
        new_code = known.codes[-1] if known.codes else ""
        if not known.old_code or len(new_code) != LENGTH_SECOND_LIFE:
            return {}
        frame = self._frame("TransformationEvent", entry, pack_id)
        frame["inputEPCList"] = [self._naming.name("code", known.old_code)]
        frame["outputEPCList"] = [self._naming.name("code", new_code)]
        words = _words(Step("", "decommissioning", "inactive"))
        return frame | words | self._transactions(entry)

    def _sensed(self, entry: Entry, said: SohAssessed | ChargeSessionEnded) -> Event:
        if isinstance(said, SohAssessed):
            made = self._object(entry, said.pack_id, SENSED)
            about = {"time": time_text(entry.envelope.valid_at)}
            found = [_percent("mg:stateOfHealth", said.soh_bp)]
            if said.capacity_mah is not None:
                capacity = Decimal(scaled_text(said.capacity_mah, 3))
                found.append({"type": "mg:capacity", "value": capacity, "uom": "AMH"})
        else:
            made = self._object(entry, said.pack_id, SENSED, said.station_id)
            place = self._naming.name("station", said.station_id, "slot", said.slot)
            made["readPoint"] = {"id": place}
            about = {"startTime": time_text(said.started_at), "endTime": time_text(said.ended_at)}
            energy = Decimal(kwh_text(said.energy_in_wh))
            found = [{"type": "mg:chargeEnergy", "value": energy, "uom": "KWH"}]
            if said.soc_end_bp is not None:
                found.append(_percent("mg:stateOfCharge", said.soc_end_bp))
        made["sensorElementList"] = [{"sensorMetadata": about, "sensorReport": found}]
        return made

    def _looked_at(self, entry: Entry, said: ScanRecorded | PackAttested) -> Event:
        """Tell who looked at a pack: a person at a place, or a station that challenged it."""
        if isinstance(said, ScanRecorded):
            word = "site" if self._look.station(said.place_id) is None else "station"
            made = self._object(entry, said.pack_id, INSPECTING, said.place_id)
            return made | {"readPoint": {"id": self._naming.name(word, said.place_id)}}
        is_good = said.verdict == VALID and not said.finding
        step = Step("OBSERVE", "inspecting", "conformant" if is_good else "non_conformant")
        made = self._object(entry, said.pack_id, step, said.station_id)
        if said.station_id:
            slot = ("slot", said.slot) if said.slot else ()
            place = self._naming.name("station", said.station_id, *slot)
            made["readPoint"] = {"id": place}
        return made

    def _counted(self, entry: Entry, said: StocktakeRecorded) -> Iterator[Event]:
        """Tell of each pack that was seen where it was seen; who was missed, nobody saw."""
        word, place_id = ("site", said.depot_id) if said.depot_id else ("station", said.station_id)
        place = {"readPoint": {"id": self._naming.name(word, place_id)}}
        unknown = set(said.surplus) - set(said.pack_ids)  # a scan that names no pack of ours
        for pack_id in said.found:
            if pack_id not in unknown:
                yield self._object(entry, pack_id, COUNTED, said.station_id) | place

    def _held(self, entry: Entry, said: HoldPlaced | HoldCleared) -> Event:
        """Set what a hold makes of a pack; unset it when the last such hold ends."""
        holds = self._known(said.pack_id).holds
        made = self._object(entry, said.pack_id, HOLDING)
        if isinstance(said, HoldPlaced):
            word = "recalled" if said.reason == "RECALL" else "unavailable"
            holds[said.hold_id] = (word, said.expires_at)
            return made | {"persistentDisposition": {"set": [word]}}
        word, _ = holds.pop(said.hold_id, ("", 0))
        at = entry.envelope.valid_at
        still = {each for each, expires_at in holds.values() if not 0 < expires_at <= at}
        if word and word not in still:
            made["persistentDisposition"] = {"unset": [word]}
        return made

    def _named(self, entry: Entry, said: IdentityBound | IdentityUnbound) -> Iterator[Event]:
        known = self._known(said.pack_id)
        bound = isinstance(said, IdentityBound)
        if said.binding_type == "GIAI":
            known.giai = said.value if bound else ""
            if bound:
                yield self._object(entry, said.pack_id, Step("OBSERVE", "encoding", "encoded"))
        if said.binding_type == "GBT_CODE":
            if bound and len(said.value) != LENGTH_SECOND_LIFE:
                known.old_code = said.value
            known.codes = [code for code in known.codes if code != said.value]
            known.codes += [said.value] if bound else []


def _words(step: Step) -> Event:
    named = (("action", step.action), ("bizStep", step.biz_step), ("disposition", step.disposition))
    return {name: word for name, word in named if word}


def _percent(kind: str, value_bp: int) -> Event:
    return {"type": kind, "value": Decimal(scaled_text(value_bp, 2)), "uom": "P1"}


def _station_of(entry: Entry) -> str:
    """Name the station of a move, by the account that it went to or came from."""
    for field in ("to_account", "from_account", "account"):
        account = getattr(entry.event, field, "")
        if account and place_of(account)[0] in _STATION:
            return place_of(account)[1][0]
    return ""


def evidence_level(entry: Entry) -> int | None:
    """Give the best level of evidence of an entry, None when it tells none."""
    said = getattr(entry.event, "level", None)
    return max((one.level for one in entry.envelope.evidence), default=said)
