"""Rows of support: a request for help of a driver, with its thread."""

from datetime import timedelta

import msgspec

from ledger.domain.world import Shelf
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import DAY, MINUTE, SECOND, as_datetime, instant_of

OPEN, WAITING_DRIVER, WAITING_US, CLOSED = "OPEN", "WAITING_DRIVER", "WAITING_US", "CLOSED"

TOPICS = (
    "complaint",
    "incident",
    "question",
    "repair",
    "refund",
    "damage",
    "data",
    "emergency",
    "disputed_lines",
)
"""What a request can be about; the last one is opened by whoever disputes lines of a bill."""

MEDIA_TYPES = frozenset({"image/jpeg", "image/png", "application/pdf"})
MESSAGES_MAX, FILES_MAX, REFERENCES_MAX, DISPUTED_MAX = 200, 20, 3, 50
FILE_BYTES_MAX = 10 * 1024 * 1024
REOPEN_US = 14 * DAY
"""Policy: so long after its end a message of the driver opens a request again."""

_SATURDAY = 5
_ANSWER_US = {"emergency": 30 * SECOND, "incident": 15 * MINUTE}
"""Policy: so soon somebody answers; everything else within a working day."""

DRIVER, SUPPORT = "driver", "support"


class SupportMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message of a thread by its id; `sender` is ``driver`` or ``support``."""

    message_id: str
    sender: str
    at: int


class SentFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a thread: `sealed_sha256` names its sealed bytes, `size_bytes` is of the plain."""

    file_id: str
    sealed_sha256: str
    media_type: str
    size_bytes: int
    sender: str
    at: int


class DisputedAt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bill line that a driver disputes: the position of its usage's entry, its number there."""

    position: int
    line_no: int


class SupportCase(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request for help as it stands; times in us, `answer_by` 0 once nobody has to answer.

    `has_subject` tells that the vault holds a subject line. `disputed` lines are raised with their
    invoice, once there is one, under ids of `dispute_id_of`.
    """

    case_id: str
    driver_id: str
    topic: str
    opened_at: int
    changed_at: int
    answer_by: int
    state: str = OPEN
    channel: str = "app"
    has_subject: bool = False
    swap_id: str = ""
    booking_id: str = ""
    station_id: str = ""
    about_pack: str = ""
    invoice_no: str = ""
    references: tuple[str, ...] = ()
    messages: tuple[SupportMessage, ...] = ()
    files: tuple[SentFile, ...] = ()
    disputed: tuple[DisputedAt, ...] = ()
    dispute_code: str = ""
    resolution: str = ""
    closed_at: int = 0

    @property
    def is_open(self) -> bool:
        """Tell whether it waits for somebody."""
        return self.state != CLOSED


SUPPORT_CASES = Shelf("support_cases", SupportCase, listed_by=lambda row: row.driver_id)


def dispute_id_of(case_id: str, line: DisputedAt) -> str:
    """Name the dispute of a line that a request asks for."""
    return derived_id("DI", case_id, str(line.position), str(line.line_no))


def text_field(message_id: str) -> str:
    """Name the field of the vault that holds a message."""
    return f"text_{_tail(message_id)}"


def subject_field(case_id: str) -> str:
    """Name the field of the vault that holds the subject line of a request."""
    return f"subject_{_tail(case_id)}"


def file_field(file_id: str) -> str:
    """Name the field of the vault that holds what opens a file."""
    return f"file_{_tail(file_id)}"


def _tail(some_id: str) -> str:
    """Make a part of a field name of an id: its letters and digits in hexadecimal, shortened."""
    return derived_id("F", some_id).lower().removeprefix("f-")


def answer_by(topic: str, at: int) -> int:
    """Say until when somebody answers (us): soon, or within one working day, by UTC."""
    if topic in _ANSWER_US:
        return at + _ANSWER_US[topic]
    moment = as_datetime(at + DAY)
    while moment.weekday() >= _SATURDAY:
        moment += timedelta(days=1)
    return instant_of(moment)
