"""Packs with a whole life in a real ledger, from their order to the recycler; and told entries."""

from collections.abc import Iterator
from typing import Any

import msgspec

from ledger.domain.asking import AuthoriseSwap, RequestSwap
from ledger.domain.assets import (
    AnnounceShipment,
    CommissionPack,
    PlacePackOrder,
    ReceivePack,
    RecordVerification,
)
from ledger.domain.ending import (
    AgreeSecondLife,
    CertifyRecycling,
    DeploySecondLife,
    HandToRecycler,
)
from ledger.domain.health import AssessSoh, RetirePack
from ledger.domain.holds import ClearHold, PlaceHold
from ledger.domain.identity import BindIdentifier
from ledger.domain.legs import RecordPackIn, RecordPackOut
from ledger.domain.loads import DispatchTransfer
from ledger.domain.logistics import CreateTransferOrder
from ledger.domain.moves import MovePack
from ledger.domain.parties import RegisterParty
from ledger.kernel.envelope import Envelope, canonical, seal
from ledger.kernel.instants import DAY, HOUR, MINUTE
from ledger.kernel.messages import Actor, ClockReading, Command, Event, Observed, Source
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.reads import Entry
from tests.support.attested import answer, answer_sha256, enrolment
from tests.support.doors import log_signer
from tests.support.ledgers import asking
from tests.support.town import MARCH, OPERATOR, PACK_CLASS

LIFE = "PK-LIFE"
GIAI = "9520001PK0000000042"
CODE = "MG0PB0112345671310000042"
NEW_CODE = "MG0PB011310000042RP"
APRIL = MARCH + 31 * DAY
SOON = APRIL + 40 * DAY

_PARTIES = {
    "SV-1": "service",
    "CR-1": "carrier",
    "DE-1": "depot",
    "WS-1": "workshop",
    "RE-1": "service",
}

Step = tuple[int, str, Command]


def live(ledger: Ledger, steps: Iterator[Step]) -> None:
    """Do what (hour after April began, role, command) says, each by somebody who may."""
    for number, (hour, role, command) in enumerate(steps):
        second = min(command.second_roles.get(role, {""}))
        actor = Actor(f"{role}-1", role, "P2", second)
        name = f"{type(command).__name__} {hour} {number}"
        accepted(ledger.execute(asking(command, name, actor=actor, at=APRIL + hour * HOUR)))


def sign(ledger: Ledger, at: int = SOON) -> None:
    """Sign the head, as the checkpointer would."""
    sign_checkpoint(ledger, log_signer(ledger), at)


def new_pack(pack_id: str = LIFE, *, codes: bool = True) -> Iterator[Step]:
    """Bring a new pack from its order into service at depot DE-1; needs the parties."""
    usual: dict[str, Any] = {"pack_id": pack_id}
    yield (
        1,
        "importer",
        PlacePackOrder(
            pack_ids=(pack_id,),
            supplier_id="SV-1",
            po_no="PO-1",
            line=1,
            pack_class=PACK_CLASS,
            nominal_wh=75_000,
        ),
    )
    yield 2, "carrier", AnnounceShipment(**usual, carrier_id="CR-1", asn_no="ASN-1")
    yield 3, "depot_clerk", ReceivePack(**usual, depot_id="DE-1", asn_no="ASN-1")
    if codes:
        for kind, value in (("GIAI", GIAI), ("GBT_CODE", CODE)):
            bind = BindIdentifier(**usual, binding_type=kind, value=value)
            yield 3, "depot_clerk", bind
    yield 3, "engineer", enrolment(pack_id)
    yield 3, "engineer", answer(pack_id, 2, APRIL + 3 * HOUR)
    yield (
        4,
        "engineer",
        RecordVerification(
            **usual,
            passed=True,
            level=5,
            report_sha256="ab" * 32,
            capacity_mah=206_000,
            attestation_sha256=answer_sha256(pack_id, 2),
        ),
    )
    yield (
        5,
        "asset_manager",
        CommissionPack(
            **usual, soh_bp=10_000, min_soh_bp=7_000, title_holder_id="MG", warranty_until=SOON
        ),
    )


def parties() -> Iterator[Step]:
    """Register who handles packs."""
    for party_id, role in _PARTIES.items():
        command = RegisterParty(
            party_id=party_id, party_roles=(role,), country="FR", legal_name=party_id
        )
        yield 0, "importer", command


def at_station(pack_id: str = LIFE) -> Iterator[Step]:
    """Bring it to slot 2 of station ST-1, and swap it for the town's first pack, twice."""
    order: dict[str, Any] = {"pack_id": pack_id, "order_id": "TO-1", "level": 2}
    yield (
        9,
        "depot_clerk",
        CreateTransferOrder(
            order_id="TO-1",
            from_account="Packs:Depot:DE-1:Stored",
            to_account="Packs:Station:ST-1:Staged",
            carrier_id="CR-1",
            pack_ids=(pack_id,),
            due_at=APRIL + 24 * HOUR,
        ),
    )
    scans: dict[str, Any] = {"scan_sha256": "5a" * 32, "carrier_scan_sha256": "6b" * 32}
    yield 10, "depot_clerk", DispatchTransfer(order_id="TO-1", pack_ids=(pack_id,), **scans)
    yield (
        12,
        "operator",
        MovePack(event="transfer_received", place="station", station_id="ST-1", **order),
    )
    yield (
        13,
        "station",
        MovePack(
            pack_id=pack_id, event="pack_docked", station_id="ST-1", slot="2", level=5, soc_bp=9_000
        ),
    )
    yield from _swap("SW-1", ("PK-1", "1"), (pack_id, "2"), 20)
    yield from _swap("SW-2", (pack_id, "2"), ("PK-1", "1"), 44)


def _swap(swap_id: str, came: tuple[str, str], went: tuple[str, str], hour: int) -> Iterator[Step]:
    at = APRIL + hour * HOUR
    usual: dict[str, Any] = {"swap_id": swap_id, "station_id": "ST-1", "driver_id": "DR-1"}
    yield hour, "station", RequestSwap(**usual, pack_class=PACK_CLASS, vehicle_id="VH-7")
    yield hour, "station", AuthoriseSwap(swap_id=swap_id, pack_ids=(went[0],))
    for kind, (pack_id, slot), soc_bp, wait in (
        (RecordPackIn, came, 2_000, 1),
        (RecordPackOut, went, 9_000, 2),
    ):
        seen = Observed(
            at + wait * MINUTE, Source("ST-1", boot_id="B1", seq=hour + wait), ClockReading("S")
        )
        yield (
            hour + 1,
            "station",
            kind(
                **usual,
                slot=slot,
                pack_id=pack_id,
                occurred_at=at + wait * MINUTE,
                observed=seen,
                soc_bp=soc_bp,
            ),
        )


def old_age(pack_id: str = LIFE) -> Iterator[Step]:
    """Stop it twice, measure it, repair it, retire it, re-code it, and give it a second life."""
    usual: dict[str, Any] = {"pack_id": pack_id}
    yield 50, "station", PlaceHold(**usual, hold_id="HD-1", reason="ELECTRICAL_FAULT")
    yield (
        50,
        "asset_manager",
        PlaceHold(**usual, hold_id="HD-2", reason="RECALL", scopes=("no_swap_out",)),
    )
    yield 51, "station", MovePack(**usual, event="pack_undocked", station_id="ST-1", level=3)
    yield 52, "operator", MovePack(**usual, event="sent_to_workshop", holder_id="WS-1", level=2)
    yield 60, "workshop", ClearHold(**usual, hold_id="HD-1")
    yield 60, "asset_manager", ClearHold(**usual, hold_id="HD-2")
    yield (
        61,
        "workshop",
        AssessSoh(**usual, soh_bp=7_850, method="full-capacity-test", capacity_mah=161_710),
    )
    yield (
        62,
        "workshop",
        MovePack(**usual, event="released_from_workshop", holder_id="DE-1", level=2),
    )
    yield 70, "asset_manager", RetirePack(**usual, reason="below class", residual_soh_bp=7_850)
    bind = BindIdentifier(**usual, binding_type="GBT_CODE", value=NEW_CODE)
    yield 71, "depot_clerk", bind
    agreed = AgreeSecondLife(
        contract_id="SL-1", operator_id="SV-1", pack_ids=(pack_id,), from_at=APRIL
    )
    yield 72, "asset_manager", agreed
    yield 72, "asset_manager", DeploySecondLife(**usual, contract_id="SL-1")


def recycled(pack_id: str = LIFE) -> Iterator[Step]:
    """End it."""
    usual: dict[str, Any] = {"pack_id": pack_id, "level": 2}
    given = HandToRecycler(**usual, recycler_id="RE-1", waybill="WB-7", mass_g=400_000)
    yield 90, "operator", given
    yield (
        99,
        "operator",
        CertifyRecycling(
            **usual,
            certificate="RC-1",
            certificate_sha256="cd" * 32,
            mass_g=400_000,
            recovered_ni_g=28_000,
            recovered_cu_g=31_000,
        ),
    )


def whole_life() -> Iterator[Step]:
    """Live it all, from the order to the certificate."""
    yield from parties()
    yield from new_pack()
    yield from at_station()
    yield from old_age()
    yield from recycled()


def told(event: Event, *, position: int = 7, at: int = APRIL, **more: Any) -> Entry:
    """Make the entry of an event, as the writer would."""
    envelope = Envelope(
        v=1,
        ledger="town",
        position=position,
        entry_id=f"E-{position}",
        kind=event.kind,
        version=event.version,
        actor=Actor(OPERATOR, "operator"),
        policy_version="1",
        recorded_at=at + MINUTE,
        occurred_at=at,
        body=msgspec.Raw(canonical(event)),
        **more,
    )
    return Entry(seal(envelope), envelope, event)
