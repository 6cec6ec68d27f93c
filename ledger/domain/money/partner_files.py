"""Partners' files: that one came, what it is of, and what comparing it with our statement found.

The file and the report on it are kept outside by their digests. A file is known once for a partner:
sent again it leads to the report of the first time. More than one line in twenty that cannot be
read keeps it in quarantine: it is reported, and no run of reconciliation takes it.
"""

import re
from typing import Any, ClassVar

import msgspec

from ledger.domain.access import refused
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.messages import Command, Draft, Event, Observed, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

TAKEN, QUARANTINED = "taken", "quarantined"
FILE_KINDS = ("partner_statement", "trading_centre_statement", "service_provider_statement")
REJECTED_PART = 20
"""One line in so many may be unreadable before a file is kept in quarantine."""

LINES_MAX = 200_000

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CURRENCY = re.compile(r"[A-Z]{3}")


class PartnerFileRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that came: whose, of which statement, and what became of its lines.

    Digests are SHA-256 in hexadecimal; `warned_count` lines differ from ours, `rejected_count`
    could not be read. `position` is its entry.
    """

    file_id: str
    partner_id: str
    file_kind: str
    statement_id: str
    currency: str
    file_sha256: str
    report_sha256: str
    line_count: int
    warned_count: int
    rejected_count: int
    state: str
    position: int


PARTNER_FILES = Shelf("partner_files", PartnerFileRow, listed_by=lambda row: row.partner_id)
SHELVES: tuple[Shelf[Any], ...] = (PARTNER_FILES,)
FOLDS: tuple[type[Event], ...] = ()


def file_id_of(partner_id: str, file_sha256: str) -> str:
    """Name a partner's file: the same bytes of the same partner are the same file."""
    return derived_id("PF", partner_id, file_sha256)


# Commands ---------------------------------------------------------------------


class RecordPartnerFile(Command):
    """Record a partner's file and the report on it; a partner records his own alone."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "operator"})
    circumstances: ClassVar[tuple[str, ...]] = ("observed",)

    partner_id: str
    file_kind: str
    statement_id: str
    currency: str
    file_sha256: str
    report_sha256: str
    line_count: int
    warned_count: int
    rejected_count: int
    observed: Observed | None = None


PartnerFilesCommand = RecordPartnerFile

# Events -----------------------------------------------------------------------


class PartnerFileRecorded(Event):
    """A partner's file came, and was compared with our statement line by line."""

    kind: ClassVar[str] = "partner_file.recorded"

    file_id: str
    partner_id: str
    file_kind: str
    statement_id: str
    currency: str
    file_sha256: str
    report_sha256: str
    line_count: int
    warned_count: int
    rejected_count: int
    state: str


PartnerFilesEvent = PartnerFileRecorded

# touches ----------------------------------------------------------------------


def touches(command: PartnerFilesCommand) -> Keys:
    """Read the file as it came before, and the statement it is of."""
    name = file_id_of(command.partner_id, command.file_sha256)
    return touch(PARTNER_FILES, name), touch(STATEMENTS, command.statement_id)


def follows(_world: World, _command: PartnerFilesCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: PartnerFilesCommand, request: Request) -> Outcome:
    """Record a file once, of an issued statement of the same partner."""
    actor = request.actor
    if actor.role == "operator" and actor.id != command.partner_id:
        return Refusal(RefusalCode.ROLE_NOT_ALLOWED, {"partner": command.partner_id[:40]})
    name = file_id_of(command.partner_id, command.file_sha256)
    known = world.get(PARTNER_FILES, name)
    told = (command.file_kind, command.statement_id, command.currency)
    if known is not None:
        if told == (known.file_kind, known.statement_id, known.currency):
            return ()
        return Refusal(RefusalCode.PARTNER_FILE_DIFFERS, {"file": name})
    field = _invalid_field(command)
    if field:
        return Refusal(RefusalCode.PARTNER_FILE_INVALID, {"field": field})
    statement = world.get(STATEMENTS, command.statement_id)
    if statement is None or statement.partner_id != command.partner_id:
        return refused([RefusalCode.STATEMENT_UNKNOWN], {"statement": command.statement_id[:40]})
    is_bad = command.rejected_count * REJECTED_PART > command.line_count
    event = PartnerFileRecorded(
        file_id=name,
        partner_id=command.partner_id,
        file_kind=command.file_kind,
        statement_id=command.statement_id,
        currency=command.currency,
        file_sha256=command.file_sha256,
        report_sha256=command.report_sha256,
        line_count=command.line_count,
        warned_count=command.warned_count,
        rejected_count=command.rejected_count,
        state=QUARANTINED if is_bad else TAKEN,
    )
    return (Draft(event, observed=command.observed),)


def _invalid_field(command: RecordPartnerFile) -> str:
    counts = command.warned_count, command.rejected_count
    tests = (
        (is_id(command.partner_id), "partner_id"),
        (command.file_kind in FILE_KINDS, "file_kind"),
        (_CURRENCY.fullmatch(command.currency) is not None, "currency"),
        (_DIGEST.fullmatch(command.file_sha256) is not None, "file_sha256"),
        (_DIGEST.fullmatch(command.report_sha256) is not None, "report_sha256"),
        (0 < command.line_count <= LINES_MAX, "line_count"),
        (min(counts) >= 0 and sum(counts) <= command.line_count, "rejected_count"),
    )
    return next((name for holds, name in tests if not holds), "")


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PartnerFilesEvent, stamp: Stamp) -> None:
    """Keep the file under its id."""
    told = {name: getattr(event, name) for name in event.__struct_fields__}
    world.put(PARTNER_FILES, event.file_id, PartnerFileRow(**told, position=stamp.position))


def postings(_event: PartnerFilesEvent) -> tuple[Posting, ...]:
    """A file moves nothing; what differs becomes a break by a run."""
    return ()
