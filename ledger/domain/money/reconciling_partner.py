"""A partner's file against our statement: line by line, each with a verdict of its own.

One bad line never rejects the rest. The total of a line is what the partner claims for it: it is
compared with his share. Energy and the amounts it was computed from are compared too; a difference
there is a warning where the total agrees, because the money does.
"""

from collections.abc import Iterable, Sequence

import msgspec

from ledger.domain.money.breaks import PARTNER
from ledger.domain.money.documents import StatementLine
from ledger.domain.money.reconciling import NAMED_MAX
from ledger.domain.money.reconciling_compare import LegResult, Side, compare
from ledger.kernel.instants import utc_day

OK, WARNING, REJECTED = "OK", "WARNING", "REJECTED"
NOT_OURS, ENERGY_DIFFERS, SERVICE_DIFFERS = "NOT_OURS", "ENERGY_AMOUNT_DIFFERS", "SERVICE_DIFFERS"
QUANTITY_DIFFERS, OTHER_CURRENCY, TOTAL_DIFFERS = "ENERGY_DIFFERS", "CURRENCY", "TOTAL_DIFFERS"


class PartnerLine(msgspec.Struct, frozen=True):
    """One line of a partner's file: Wh and minor units; `on` is the day of its service."""

    external_id: str
    our_reference: str
    on: str
    energy_wh: int
    energy_minor: int
    service_minor: int
    total_minor: int
    currency: str


class LineVerdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one line of the file, counted from 1: OK, WARNING or REJECTED, and why."""

    number: int
    external_id: str
    verdict: str
    codes: tuple[str, ...] = ()
    field: str = ""


class PartnerFile(msgspec.Struct, frozen=True):
    """A partner's file: the lines that could be read, and a verdict for every line.

    `total_minor` is the control sum that the file declares, None where it declares none.
    """

    sha256: str
    lines: tuple[tuple[int, PartnerLine], ...]
    rejected: tuple[LineVerdict, ...]
    total_minor: int | None = None


class PartnerResult(msgspec.Struct, frozen=True):
    """The leg, and the verdict of every line in the order of the file."""

    leg: LegResult
    verdicts: tuple[LineVerdict, ...]


def compare_partner(
    file: PartnerFile,
    ours: Sequence[StatementLine],
    name: tuple[str, str],
    before: tuple[int, int],
    totals: int,
) -> PartnerResult:
    """Compare a file with the lines of a statement; `name` is the statement and the currency.

    `before` are the closings of the last comparison; `totals` is the share that was issued.
    """
    statement, currency = name
    mine = [line for line in ours if line.currency == currency]
    by_reference: dict[str, list[StatementLine]] = {}
    for line in mine:
        by_reference.setdefault(reference_of(line), []).append(line)
    told = [(number, one) for number, one in file.lines if one.currency == currency]
    verdicts = [*file.rejected]
    for number, one in file.lines:
        codes = _codes(one, by_reference, currency)
        verdict = WARNING if codes else OK
        verdicts.append(LineVerdict(number, one.external_id, verdict, codes))
    scope = f"{statement} {currency}"
    compared = compare(
        (PARTNER, scope, currency),
        [Side(one.our_reference, one.total_minor, one.on) for _, one in told],
        [Side(name, _sum(lines), _day(lines)) for name, lines in sorted(by_reference.items())],
        (),
    )
    leg = LegResult(
        leg=PARTNER,
        scope=scope,
        currency=currency,
        external_opening=before[0],
        external_closing=_closing(file, told),
        ledger_opening=before[1],
        ledger_closing=totals,
        matched=compared.matched,
        matched_minor=compared.matched_minor,
        differences=compared.differences,
        faults=tuple(_faults(file)),
        warnings=tuple(_warnings(verdicts)),
    )
    verdicts.sort(key=lambda one: one.number)
    return PartnerResult(leg, tuple(verdicts))


def reference_of(line: StatementLine) -> str:
    """Give the name under which both sides know a line."""
    return line.swap or line.charging_session or f"line {line.position}-{line.posting_index}"


def _sum(lines: Iterable[StatementLine]) -> int:
    return sum(line.share_minor for line in lines)


def _day(lines: Sequence[StatementLine]) -> str:
    return utc_day(lines[0].service_start_at)


def _closing(file: PartnerFile, told: Iterable[tuple[int, PartnerLine]]) -> int:
    if file.total_minor is not None:
        return file.total_minor
    return sum(one.total_minor for _, one in told)


def _codes(
    one: PartnerLine, ours: dict[str, list[StatementLine]], currency: str
) -> tuple[str, ...]:
    if one.currency != currency:
        return (OTHER_CURRENCY,)
    lines = ours.get(one.our_reference)
    if lines is None:
        return (NOT_OURS,)
    tests = (
        (one.total_minor == _sum(lines), TOTAL_DIFFERS),
        (one.energy_wh == sum(line.energy_wh for line in lines), QUANTITY_DIFFERS),
        (one.energy_minor == sum(line.energy_net_minor for line in lines), ENERGY_DIFFERS),
        (one.service_minor == sum(line.service_net_minor for line in lines), SERVICE_DIFFERS),
    )
    return tuple(code for holds, code in tests if not holds)


def _faults(file: PartnerFile) -> Iterable[str]:
    for one in file.rejected[:NAMED_MAX]:
        yield f"line {one.number} rejected: {', '.join(one.codes)} {one.field}".strip()


def _warnings(verdicts: Iterable[LineVerdict]) -> list[str]:
    """Name what differs although the total agrees; what a difference tells is told there."""
    found = [
        f"line {one.number} {one.external_id}: {', '.join(one.codes)}"
        for one in verdicts
        if one.verdict == WARNING and not {NOT_OURS, TOTAL_DIFFERS}.intersection(one.codes)
    ]
    return found[:NAMED_MAX]
