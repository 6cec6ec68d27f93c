"""The fields of a station's message: what they may be, and the event that they make."""

from typing import Any

from msgspec.structs import replace

from ledger.domain.alarming import ALARMS, SEVERITY_MAX
from ledger.domain.asking import swap_id_of
from ledger.domain.legs import SwapInReported, SwapOutReported
from ledger.domain.metering import is_soc
from ledger.domain.observations import content_digest
from ledger.domain.reported import (
    LOCKS,
    SLOT_STATES,
    AlarmReported,
    BootReported,
    ChargingReported,
    Measured,
    PackSighted,
    SlotSeen,
    SlotSnapshotRecorded,
    SlotStateReported,
    SwapOutTimeoutReported,
)
from ledger.domain.sources import Moment, Sent
from ledger.domain.transitions import Family, split_account
from ledger.kernel.messages import Command, Event, Observed
from ledger.kernel.postings import QUANTITY_MAX

KINDS = frozenset(
    {
        *("swap_in", "swap_out", "swap_out_timeout", "slot_state", "snapshot"),
        *("charging", "alarm", "boot", "scan"),
    }
)
"""What a station, or somebody with a scanner, can report."""

SLOTS_MAX = 64
"""Slots in one snapshot."""

VALUES_MAX = 32
TEXT_MAX = 200
LEVEL_MAX = 5


class StationReport(Command):
    """One message of a station; which fields it has depends on its `kind` (one of `KINDS`).

    `observed` says where it came from; its clock's `raw_at` is the source's own time (us), which is
    corrected here. `serial` or `pack_id` name the pack, `driver_id` who stood there (empty for
    nobody known), `request` the swap that the station was asked for. `account` is where a scan saw
    a pack. `verdict` is the answer of a pack that was asked to prove its identity.
    """

    kind: str
    station_id: str
    observed: Observed
    slot: str = ""
    serial: str = ""
    pack_id: str = ""
    driver_id: str = ""
    request: str = ""
    soc_bp: int | None = None
    soh_bp: int | None = None
    level: int = 3
    verdict: str = ""
    state: str = ""
    lock: str = ""
    slots: tuple[SlotSeen, ...] = ()
    last_seq: int = 0
    round_trip_us: int = 0
    transaction: str = ""
    trigger: str = ""
    values: tuple[Measured, ...] = ()
    signed_sha256: str = ""
    alarm: str = ""
    severity: int = 1
    reading: int = 0
    reason: str = ""
    firmware: str = ""
    account: str = ""


def digest_of(command: StationReport) -> str:
    """Name the content of a message; its arrival is no part of it."""
    fields = {name: getattr(command, name) for name in command.__struct_fields__}
    source = command.observed.source
    del fields["observed"]
    place = (source.boot_id, source.seq, command.observed.clock.raw_at)
    return content_digest((fields, place if source.seq else place[-1:]))


def event_of(command: StationReport, packs: dict[str, str], sent: Sent, moment: Moment) -> Event:
    """Make the event of a message; `packs` are those that its serials name."""
    clock = moment.clock
    shared: dict[str, Any] = {
        "station_id": command.station_id,
        "sent": sent,
        "clock_quality": clock.quality,
        "clock_uncertainty_us": clock.uncertainty_us,
        "level": command.level,
    }
    slot, pack_id = command.slot, command.pack_id or packs.get(command.serial, "")
    match command.kind:
        case "swap_in" | "swap_out":
            kind = SwapInReported if command.kind == "swap_in" else SwapOutReported
            return kind(
                **shared,
                swap_id=swap_id(command),
                slot=slot,
                driver_id=command.driver_id,
                pack_id=pack_id,
                soc_bp=command.soc_bp,
                soh_bp=command.soh_bp,
                serial=command.serial,
                verdict=command.verdict,
            )
        case "swap_out_timeout":
            return SwapOutTimeoutReported(
                **shared, request=command.request, swap_id=swap_id(command)
            )
        case "slot_state":
            return SlotStateReported(**shared, slot=slot, state=command.state, lock=command.lock)
        case "snapshot":
            slots = tuple(
                replace(one, pack=one.pack or packs.get(one.serial, "")) for one in command.slots
            )
            return SlotSnapshotRecorded(**shared, slots=slots)
        case "charging":
            return ChargingReported(
                **shared,
                slot=slot,
                transaction=command.transaction,
                phase=command.state,
                trigger=command.trigger,
                values=command.values,
                signed_sha256=command.signed_sha256,
            )
        case "alarm":
            return AlarmReported(
                **shared,
                alarm=command.alarm,
                severity=command.severity,
                slot=slot,
                pack_id=pack_id,
                reading=command.reading,
            )
        case "scan":
            return PackSighted(
                **shared,
                pack_id=pack_id,
                account=command.account,
                serial=command.serial,
                verdict=command.verdict,
            )
        case _:
            return BootReported(**shared, reason=command.reason, firmware=command.firmware)


def swap_id(command: StationReport) -> str:
    """Name the swap that a station was asked for, "" for none."""
    boot = command.observed.source.boot_id
    return swap_id_of(command.station_id, boot, command.request) if command.request else ""


_NEEDS_SLOT = frozenset({"slot_state", "charging"})
_SCANNED = frozenset({Family.STG, Family.DST, Family.WSH, Family.TRN, Family.SL2})


def invalid_field(command: StationReport) -> str:
    """Name the first field that breaks a rule, "" for none."""
    observed = command.observed
    source = observed.source
    numbers = (source.seq, command.last_seq, observed.received_at, observed.clock.raw_at)
    texts = [command.serial, command.request, command.reason, command.firmware, command.alarm]
    texts += [command.transaction, command.trigger, command.signed_sha256, source.message_id]
    named = is_scan_place(command.account) if command.kind == "scan" else not command.account
    tests = (
        (command.kind in KINDS, "kind"),
        (bool(source.device or source.party), "observed"),
        (bool(source.seq or source.message_id), "observed"),
        (min(numbers) >= 0 and max(numbers) <= QUANTITY_MAX, "observed"),
        (observed.received_at > 0, "observed"),
        (bool(command.slot) or command.kind not in _NEEDS_SLOT, "slot"),
        (is_soc(command.soc_bp) and is_soc(command.soh_bp), "soc_bp"),
        (command.kind != "slot_state" or command.state in SLOT_STATES, "state"),
        (command.lock in LOCKS, "lock"),
        (len(command.slots) <= SLOTS_MAX, "slots"),
        (all(one.state in SLOT_STATES and is_soc(one.soc_bp) for one in command.slots), "slots"),
        (len(command.values) <= VALUES_MAX, "values"),
        (all(abs(one.quantity) <= QUANTITY_MAX for one in command.values), "values"),
        (1 <= command.severity <= SEVERITY_MAX, "severity"),
        (command.kind != "alarm" or command.alarm in ALARMS, "alarm"),
        (abs(command.reading) <= QUANTITY_MAX, "reading"),
        (0 <= command.level <= LEVEL_MAX, "level"),
        (named, "account"),
        (all(len(text) <= TEXT_MAX and (not text or text.isprintable()) for text in texts), "text"),
    )
    return next((name for valid, name in tests if not valid), "")


def is_scan_place(account: str) -> bool:
    """Tell whether a scan can find a pack at an account: where somebody of ours keeps packs."""
    found = split_account(account)
    return found is not None and found[0] in _SCANNED
