"""Verdicts on facts that were signed outside: what a check found, kept in the entry it counts for.

The raw bytes stay outside the log, named by digest. Whether a later fact continues an earlier one
of the same source (pages of a gateway, registers of a meter) is decided here, once for the check of
a record on its own and once more in the order in which the ledger takes records in.
"""

import re

import msgspec
from msgspec.structs import replace

from ledger.kernel.ids import is_id
from ledger.kernel.postings import QUANTITY_MAX

VALID = "VALID"
INVALID = "INVALID"
NO_KEY = "NO_KEY"
UNSUPPORTED = "UNSUPPORTED"
ABSENT = "ABSENT"
VERDICTS = frozenset({VALID, INVALID, NO_KEY, UNSUPPORTED, ABSENT})

SIGNED_VALID = "SIGNED_VALID"
UNSIGNED = "UNSIGNED"
"""Billing classes beside `INVALID`: by energy to anybody, or only where the contract allows."""

KEY_DIFFERS = "KEY_DIFFERS"
PAGE_GAP = "PAGE_GAP"
PAGE_LATE = "PAGE_LATE"
REGISTER_DIFFERS = "REGISTER_DIFFERS"
REMARKS = (KEY_DIFFERS, PAGE_GAP, PAGE_LATE, REGISTER_DIFFERS)
"""What does not make a record invalid, but needs a person, except that a page came late."""

GAPS_MAX = 32
"""Spans of missing pages that are remembered for a gateway; older ones count as repeats."""

NO_PAGE = -1

RECORDS_MAX = 16
"""Records of one session whose digests are kept."""

_DIGEST = re.compile("[0-9a-f]{64}")
_TEXTS_MAX = 80
_AGREE_WH = 1
_AGREE_PARTS = 1_000


class MeterEvidence(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the signed records of one session say, and what their check found.

    `verdict` is one of `VERDICTS`, `step` the numbered step that failed (0 for none). `raw_sha256`
    names each record in order. Registers and energies in Wh, rounded down from what was signed.
    `page_kind` is T (transactions) or F (fiscal), pages count up for each gateway and kind; -1 is
    no page. `gateway` names the gateway, `time_quality` is the worst letter of S, I, R, U.
    """

    format: str
    verdict: str
    raw_sha256: tuple[str, ...] = ()
    step: int = 0
    key_id: str = ""
    gateway: str = ""
    page_kind: str = ""
    pagination_begin: int = NO_PAGE
    pagination_end: int = NO_PAGE
    energy_in_wh: int = 0
    energy_out_wh: int = 0
    import_begin_wh: int | None = None
    import_end_wh: int | None = None
    export_begin_wh: int | None = None
    export_end_wh: int | None = None
    time_quality: str = ""
    remarks: tuple[str, ...] = ()

    def failed(self, verdict: str, step: int) -> "MeterEvidence":
        """Give the same facts with another verdict, which a numbered step found."""
        return replace(self, verdict=verdict, step=step)

    def noted(self, remark: str) -> "MeterEvidence":
        """Give the same facts with a remark more."""
        if remark in self.remarks:
            return self
        return replace(self, remarks=tuple(sorted({*self.remarks, remark})))

    @property
    def is_well_formed(self) -> bool:
        """Tell whether it can be what a check gives; a command may bring anything."""
        numbers = (self.pagination_begin, self.pagination_end)
        readings = (
            self.energy_in_wh,
            self.energy_out_wh,
            *(self.import_begin_wh or 0, self.import_end_wh or 0),
            *(self.export_begin_wh or 0, self.export_end_wh or 0),
        )
        return (
            self.verdict in VERDICTS
            and (self.verdict != VALID or (bool(self.raw_sha256) and self.pagination_begin >= 0))
            and min(numbers) >= NO_PAGE
            and self.pagination_begin <= self.pagination_end <= QUANTITY_MAX
            and min(readings) >= 0
            and max(readings) <= QUANTITY_MAX
            and (not self.gateway or is_id(self.gateway))
            and self.page_kind in {"", "T", "F"}
            and all(map(_DIGEST.fullmatch, self.raw_sha256))
            and len(self.raw_sha256) <= RECORDS_MAX
            and len(self.format) + len(self.key_id) + len(self.time_quality) <= _TEXTS_MAX
            and set(self.remarks) <= set(REMARKS)
        )

    @property
    def needs_case(self) -> bool:
        """Tell whether a person must look at it."""
        return self.verdict == INVALID or bool({*self.remarks} - {PAGE_LATE})


class Pages(msgspec.Struct, frozen=True, omit_defaults=True):
    """The pages of one gateway and kind taken in so far: the last one, and the spans missing.

    Those before the first one that came are missing too, without being missed.
    """

    last: int = NO_PAGE
    gaps: tuple[tuple[int, int], ...] = ()

    def holds(self, begin: int, end: int) -> bool:
        """Tell whether pages up to `end` are all missing still."""
        return any(first <= begin and end <= last for first, last in self.gaps)

    def with_pages(self, begin: int, end: int) -> "Pages":
        """Take in pages `begin` to `end`, which are new or missing."""
        if begin > self.last:
            gap = ((self.last + 1, begin - 1),) if self.last + 1 < begin else ()
            return Pages(end, (*self.gaps, *gap)[-GAPS_MAX:])
        kept: list[tuple[int, int]] = []
        for first, last in self.gaps:
            if first <= begin and end <= last:
                kept += [(first, begin - 1)] if first < begin else []
                kept += [(end + 1, last)] if end < last else []
            else:
                kept.append((first, last))
        return Pages(self.last, tuple(kept))


class Registers(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last signed readings of one meter, in Wh."""

    import_wh: int = 0
    export_wh: int = 0


def continued(facts: MeterEvidence, pages: Pages, registers: Registers) -> MeterEvidence:
    """Hold a valid record against those before it: pages (step 5), registers (step 9).

    A page seen before is a repeat and makes it invalid. Pages left out only open a case, and may
    still come late; the registers of a late record are not compared with newer ones.
    """
    if facts.verdict != VALID:
        return facts
    begin, end = facts.pagination_begin, facts.pagination_end
    if begin <= pages.last:
        return facts.noted(PAGE_LATE) if pages.holds(begin, end) else facts.failed(INVALID, 5)
    if NO_PAGE < pages.last < begin - 1:
        facts = facts.noted(PAGE_GAP)
    for begin_wh, last_wh in (
        (facts.import_begin_wh, registers.import_wh),
        (facts.export_begin_wh, registers.export_wh),
    ):
        if begin_wh is not None and begin_wh < last_wh:
            return facts.failed(INVALID, 9)
    return facts


def agreed(facts: MeterEvidence, in_wh: int, out_wh: int) -> MeterEvidence:
    """Compare what was signed with what the unsigned registers counted (step 12).

    They agree within 1 Wh or 0.1 %; else a case, and the signed record stands.
    """
    if facts.verdict != VALID:
        return facts
    pairs = ((facts.energy_in_wh, in_wh), (facts.energy_out_wh, out_wh))
    agrees = all(
        abs(signed - counted) <= _AGREE_WH or abs(signed - counted) * _AGREE_PARTS <= counted
        for signed, counted in pairs
    )
    return facts if agrees else facts.noted(REGISTER_DIFFERS)


def registers_after(facts: MeterEvidence, before: Registers) -> Registers:
    """Give the last signed readings once a record is taken in."""
    return Registers(
        max(facts.import_end_wh or 0, before.import_wh),
        max(facts.export_end_wh or 0, before.export_wh),
    )


def billing_class(facts: MeterEvidence | None, *, calibrated: bool) -> str:
    """Tell how a session may be billed by energy: `SIGNED_VALID`, `UNSIGNED` or `INVALID`.

    >>> billing_class(None, calibrated=True)
    'UNSIGNED'
    """
    if facts is not None and facts.verdict == INVALID:
        return INVALID
    if facts is not None and facts.verdict == VALID and calibrated:
        return SIGNED_VALID
    return UNSIGNED


class Attestation(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a pack answered to a challenge, and what the check of its answer found.

    `verdict` and `step` as in `MeterEvidence`; `key_id` names the enrolled key it was checked
    under, `seq` is the system's own counter, `sha256` the digest of the signed bytes.
    """

    serial: str
    seq: int
    verdict: str
    sha256: str
    step: int = 0
    key_id: str = ""
