"""How the packs made of ageing cells come into service, and what becomes of them afterwards."""

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.adapters.importers.cells import PICO, AgeingCell
from ledger.adapters.importers.plan import OPENED_AT, REGISTRATIONS, Step
from ledger.adapters.importers.registrations import US
from ledger.adapters.importers.tables import place_of
from ledger.domain.assets import (
    AnnounceShipment,
    CommissionPack,
    PlacePackOrder,
    ReceivePack,
    RecordVerification,
)
from ledger.domain.attesting import RecordAttestation
from ledger.domain.ending import AgreeSecondLife, DeploySecondLife
from ledger.domain.identity import BindIdentifier, EnrolBmsKey, FileCodePrefix
from ledger.domain.parties import RegisterParty
from ledger.evidence import bms
from ledger.kernel.battery_code import BatteryCode, format_code
from ledger.kernel.gs1 import giai_of
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import as_datetime
from ledger.kernel.messages import Command
from ledger.kernel.public_key import PublicKey, read_spki
from ledger.kernel.quantities import BP_FULL, round_half_even
from ledger.kernel.signed_facts import Attestation

N_SERIES, N_PARALLEL = 96, 60
"""Cells of a pack in series and in parallel."""

MIN_SOH_BP = 8_000
COMPANY_PREFIX = "9520001"
MAKER = "MG0"
SPECIFICATION = "01"
LAB, DEPOT, REUSER = "LAB-AGEING", "DEPOT-AGEING", "SECOND-LIFE"

_LFP, _OTHER = "B", "E"
_PARTIES = (
    (LAB, ("service", "carrier"), "Laboratory of the cells"),
    (DEPOT, ("depot",), "Bench of the packs"),
    (REUSER, ("service",), "Second life"),
)


class PackOf:
    """The pack that is made of a cell: its ids, ratings and keys, all from its row."""

    lab = LAB

    def __init__(self, number: int, cell: AgeingCell) -> None:
        """Number packs from 1 in the order of their tables."""
        self.number = number
        self.cell = cell
        self.pack_id = derived_id("PK", "battery_ageing", cell.cell_id)

    @property
    def pack_class(self) -> str:
        """Packs of one set and size are one class."""
        return f"AGE-{self.cell.family}-{self.cell.nominal_pah // (PICO // 1_000)}"

    @property
    def rated_mah(self) -> int:
        """The rated capacity of the pack."""
        return self.mah(self.cell.nominal_pah)

    @property
    def nominal_wh(self) -> int:
        """Rated capacity times rated voltage."""
        product = self.cell.nominal_pah * self.cell.nominal_mv * N_SERIES * N_PARALLEL
        return round_half_even(product, PICO * 1_000)

    def mah(self, cell_pah: int) -> int:
        """Give the charge of the pack for that of one cell."""
        return round_half_even(cell_pah * N_PARALLEL * 1_000, PICO)

    def wh(self, cell_pwh: int) -> int:
        """Give the energy of the pack for that of one cell."""
        return round_half_even(cell_pwh * N_SERIES * N_PARALLEL, PICO)

    @property
    def prefix(self) -> str:
        """What is filed of its code; empty where it has none."""
        if self.cell.lfp is None:
            return ""
        return f"{MAKER}P{_LFP if self.cell.lfp else _OTHER}{SPECIFICATION}"

    def code(self, made_on: date, *, second_life: bool = False) -> str:
        """Write its code for the day it was made or coded anew."""
        return format_code(
            BatteryCode(
                manufacturer=MAKER,
                product="P",
                chemistry=_LFP if self.cell.lfp else _OTHER,
                specification=SPECIFICATION,
                traceability="" if second_life else f"{self.number:07d}",
                year=made_on.year,
                month=made_on.month,
                day=made_on.day,
                serial=self.number,
                second_life=second_life,
            )
        )

    @property
    def bms_serial(self) -> str:
        """The serial of its management system."""
        return f"BMS-{self.cell.cell_id}"

    @cached_property
    def _private(self) -> Ed25519PrivateKey:
        seed = sha256(b"replayed pack " + self.cell.cell_id.encode()).digest()
        return Ed25519PrivateKey.from_private_bytes(seed)

    @cached_property
    def public_key(self) -> PublicKey:
        """The key of its management system."""
        public = self._private.public_key()
        return read_spki(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def answered(self, seq: int, at: int) -> Attestation:
        """Let its management system answer a challenge, and check the answer."""
        nonce = sha256(f"{self.cell.cell_id} {seq}".encode()).digest()[: bms.NONCE_BYTES_MAX]
        signed = bms.signing_input(nonce, self.bms_serial, seq)
        signature = bms.encode(self._private.sign(signed))
        answer = bms.Answer(bms.encode(nonce), self.bms_serial, seq, signature)
        return bms.verify(answer, bms.Challenge(nonce, at), self.public_key, at)

    def step(self, at: int, name: str, command: Command, *, role: str, rows: int = 0) -> Step:
        """Make a step of its life beside its measurements; `rows` of the table of its cell."""
        table = self.cell.table.name if rows else REGISTRATIONS
        where = place_of(self.cell.table, self.cell.number)
        return Step(at, table, f"{self.cell.cell_id} {name}", where, command, rows=rows, role=role)


def ageing_registrations(packs: list[PackOf]) -> Iterator[Step]:
    """Give what the packs need before they are ordered: parties, and prefixes of their codes."""
    for party_id, roles, name in _PARTIES:
        party = RegisterParty(party_id=party_id, party_roles=roles, country="FR", legal_name=name)
        yield Step(OPENED_AT, REGISTRATIONS, f"party {party_id}", party_id, party)
    for prefix in sorted({pack.prefix for pack in packs} - {""}):
        filed = FileCodePrefix(prefix=prefix, maker=MAKER)
        yield Step(OPENED_AT, REGISTRATIONS, f"prefix {prefix}", prefix, filed)


def birth_steps(pack: PackOf, at: int, first_mah: int) -> Iterator[Step]:
    """Bring a pack from its order into service in the depot, all on one day."""
    ordered = PlacePackOrder(
        pack_ids=(pack.pack_id,),
        supplier_id=LAB,
        po_no=f"PO-{pack.number}",
        line=1,
        pack_class=pack.pack_class,
        nominal_wh=pack.nominal_wh,
        occurred_at=at,
    )
    yield pack.step(at, "ordered", ordered, role="importer", rows=1)
    asn_no = f"ASN-{pack.number}"
    shipped = AnnounceShipment(pack_id=pack.pack_id, carrier_id=LAB, asn_no=asn_no, occurred_at=at)
    yield pack.step(at, "shipped", shipped, role="asset_manager")
    received = ReceivePack(pack_id=pack.pack_id, depot_id=DEPOT, asn_no=asn_no, occurred_at=at)
    yield pack.step(at, "received", received, role="depot_clerk")
    yield from _names(pack, at)
    shown = pack.answered(2, at)
    attested = RecordAttestation(
        serial=pack.bms_serial,
        attestation=shown,
        occurred_at=at,
        public_key=pack.public_key.text,
    )
    yield pack.step(at, "attested", attested, role="engineer")
    verified = RecordVerification(
        pack_id=pack.pack_id,
        passed=True,
        level=5,
        report_sha256=sha256(pack.cell.line.encode()).hexdigest(),
        capacity_mah=first_mah,
        attestation_sha256=shown.sha256,
        occurred_at=at,
    )
    yield pack.step(at, "verified", verified, role="engineer")
    soh_bp = min(round_half_even(first_mah * BP_FULL, pack.rated_mah), BP_FULL)
    commissioned = CommissionPack(
        pack_id=pack.pack_id,
        soh_bp=soh_bp,
        min_soh_bp=min(MIN_SOH_BP, soh_bp),
        title_holder_id=US,
        occurred_at=at,
    )
    yield pack.step(at, "commissioned", commissioned, role="asset_manager")


def _names(pack: PackOf, at: int) -> Iterator[Step]:
    names = [
        ("GIAI", giai_of(COMPANY_PREFIX, pack.number)),
        ("SUPPLIER_SERIAL", f"{LAB}/{pack.cell.cell_id}"),
    ]
    if pack.prefix:
        names.append(("GBT_CODE", pack.code(as_datetime(at).date())))
    for kind, value in names:
        bound = BindIdentifier(pack_id=pack.pack_id, binding_type=kind, value=value, occurred_at=at)
        yield pack.step(at, kind, bound, role="importer")
    enrolled = EnrolBmsKey(
        pack_id=pack.pack_id,
        serial=pack.bms_serial,
        public_key=pack.public_key.text,
        attestation=pack.answered(1, at),
        occurred_at=at,
    )
    yield pack.step(at, "enrolled", enrolled, role="engineer")


def second_life_steps(pack: PackOf, at: int) -> Iterator[Step]:
    """Hand a retired pack on by a contract, coded anew where it has a code."""
    agreed = AgreeSecondLife(
        contract_id=derived_id("SL", "battery_ageing", pack.cell.cell_id),
        operator_id=REUSER,
        pack_ids=(pack.pack_id,),
        from_at=at,
        occurred_at=at,
    )
    yield pack.step(at, "second life agreed", agreed, role="asset_manager")
    code = pack.code(as_datetime(at).date(), second_life=True) if pack.prefix else ""
    deployed = DeploySecondLife(
        contract_id=agreed.contract_id, pack_id=pack.pack_id, new_code=code, occurred_at=at
    )
    yield pack.step(at, "second life", deployed, role="asset_manager")
