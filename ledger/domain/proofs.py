"""What signed meter values are worth for a session: class of billing, level of evidence, cases.

The records themselves were checked before (evidence/ocmf.py); here their verdict is held against
the keys and pages that the ledger knows at the place where it takes the session in.
"""

from typing import NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from ledger.domain.cases import CaseOpened, opened
from ledger.domain.meter_keys import GATEWAY_PAGES, SIGNED_METERS
from ledger.domain.world import Keys, World, key_of, touch
from ledger.kernel.signed_facts import (
    INVALID,
    NO_KEY,
    VALID,
    MeterEvidence,
    Pages,
    agreed,
    billing_class,
    continued,
    registers_after,
)

_PROVEN = 5


class Counted(NamedTuple):
    """A session as the unsigned registers count it: whose, until when (us), Wh each way."""

    session_id: str
    meter_id: str
    ended_at: int
    in_wh: int
    out_wh: int
    again: int = 0


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an ended session keeps of its signed records, so that they can be judged again.

    `position` is where the log says its end, `again` how often the verdict changed since.
    """

    position: int
    ended_at: int
    in_wh: int
    out_wh: int
    verdict: str
    raw_sha256: tuple[str, ...]
    again: int = 0


class Metered(Protocol):
    """The event that ends a session, as far as it is read here."""

    @property
    def meter_id(self) -> str:
        """The meter."""

    @property
    def ended_at(self) -> int:
        """When it ended."""

    @property
    def energy_in_wh(self) -> int:
        """What went in by the unsigned registers."""

    @property
    def energy_out_wh(self) -> int:
        """What came back."""

    @property
    def meter_evidence(self) -> MeterEvidence | None:
        """What was signed."""


class Judged(NamedTuple):
    """What evidence is worth at the place it has in the log: class, and the cases it opens."""

    evidence: MeterEvidence | None
    billing_class: str
    cases: tuple[CaseOpened, ...] = ()

    def level(self, claimed: int) -> int:
        """Give the evidence level: E5 under a registered key, and never without."""
        if self.evidence is not None and self.evidence.verdict == VALID:
            return _PROVEN
        return min(claimed, _PROVEN - 1)


def is_evidence(evidence: MeterEvidence | None) -> bool:
    """Tell whether evidence is absent, or can be what a check gives."""
    return evidence is None or evidence.is_well_formed


def proof_rows(meter_id: str, evidence: MeterEvidence | None) -> Keys:
    """Name the rows that judging evidence needs; none without evidence."""
    if evidence is None:
        return ()
    pages = touch(GATEWAY_PAGES, evidence.gateway, evidence.page_kind)
    return touch(SIGNED_METERS, meter_id), pages


def judged(world: World, evidence: MeterEvidence | None, counted: Counted) -> Judged:
    """Hold evidence against what is bound and taken in by now.

    The check before may have known an older state: a key that was revoked since makes it ``NO_KEY``
    (step 3), a page that came in since a repeat (step 5), a register that went on since a step
    back (9).
    """
    if evidence is None:
        return Judged(None, billing_class(None, calibrated=False))
    row = world.get(SIGNED_METERS, counted.meter_id)
    key = None if row is None else row.key_at(counted.ended_at)
    if evidence.verdict == VALID and key is None:
        evidence = evidence.failed(NO_KEY, 3)
    elif evidence.verdict == VALID and key is not None and key.key_id != evidence.key_id:
        evidence = evidence.failed(INVALID, 3)
    if row is not None:
        pages = world.get(GATEWAY_PAGES, key_of(evidence.gateway, evidence.page_kind))
        evidence = continued(evidence, pages or Pages(), row.registers)
        evidence = agreed(evidence, counted.in_wh, counted.out_wh)
    calibrated = row is not None and counted.ended_at < row.calibrated_until
    cases = (_case(counted, evidence),) if evidence.needs_case else ()
    return Judged(evidence, billing_class(evidence, calibrated=calibrated), cases)


def _case(counted: Counted, evidence: MeterEvidence) -> CaseOpened:
    why = f"step {evidence.step} failed" if evidence.step else ", ".join(evidence.remarks)
    subjects = (counted.session_id, counted.meter_id)
    reason = f"signed record {evidence.verdict}: {why}"
    seed = key_of(counted.session_id, str(counted.again)) if counted.again else counted.session_id
    return opened("METER", seed, subjects, reason)


def take_in(world: World, ended: Metered, position: int) -> Proof | None:
    """Remember the pages and registers of a valid record; give what its session keeps of it."""
    evidence = ended.meter_evidence
    if evidence is None:
        return None
    if evidence.verdict == VALID:
        row = world.need(SIGNED_METERS, ended.meter_id)
        registers = registers_after(evidence, row.registers)
        world.put(SIGNED_METERS, ended.meter_id, replace(row, registers=registers))
        key = key_of(evidence.gateway, evidence.page_kind)
        pages = world.get(GATEWAY_PAGES, key) or Pages()
        taken = pages.with_pages(evidence.pagination_begin, evidence.pagination_end)
        world.put(GATEWAY_PAGES, key, taken)
    return Proof(
        position=position,
        ended_at=ended.ended_at,
        in_wh=ended.energy_in_wh,
        out_wh=ended.energy_out_wh,
        verdict=evidence.verdict,
        raw_sha256=evidence.raw_sha256,
    )
