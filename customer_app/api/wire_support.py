"""What the driver door says of support cases and notices.

A member with a default may be missing: then it is not known, or does not apply.
"""

from dataclasses import dataclass
from datetime import datetime

from customer_app.api.wire_money import Link


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case in the list."""

    case_id: str
    state: str
    topic: str
    opened_at: datetime
    changed_at: datetime
    messages_count: int
    answer_by: datetime | None = None
    subject: str = ""
    swap_id: str = ""
    invoice_id: str = ""


@dataclass(frozen=True, slots=True)
class CasesList:
    """Cases, the one that changed last first."""

    items: tuple[CaseRow, ...]
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a case."""

    file_id: str
    media_type: str
    size_bytes: int
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a thread."""

    message_id: str
    sender: str
    at: datetime
    text: str = ""


@dataclass(frozen=True, slots=True)
class CaseThread:
    """A case with its thread, oldest message first."""

    case_id: str
    state: str
    topic: str
    opened_at: datetime
    changed_at: datetime
    references: tuple[str, ...]
    messages: tuple[Message, ...]
    files: tuple[File, ...]
    answer_by: datetime | None = None
    subject: str = ""
    swap_id: str = ""
    booking_id: str = ""
    station_id: str = ""
    pack_id: str = ""
    invoice_id: str = ""
    disputed_lines: tuple[str, ...] = ()
    resolution: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class CaseMade:
    """A case was opened."""

    case_id: str
    state: str
    answer_by: datetime
    position: int


@dataclass(frozen=True, slots=True)
class MessageMade:
    """A message was taken."""

    message_id: str
    case_id: str
    state: str
    position: int


@dataclass(frozen=True, slots=True)
class FileMade:
    """A file was taken."""

    file_id: str
    case_id: str
    media_type: str
    size_bytes: int
    position: int


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice."""

    id: str
    kind: str
    object_id: str
    title: str
    text: str
    text_key: str
    facts: dict[str, str]
    link: Link
    at: datetime
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notices:
    """Notices, newest first."""

    items: tuple[Notice, ...]
    unread_count: int
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class NoticesRead:
    """How many notices are not read still."""

    unread_count: int


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From when to when, by a wall clock in a zone, nothing is sent but what cannot wait."""

    begin: str
    end: str
    zone: str


@dataclass(frozen=True, slots=True)
class NoticeChannels:
    """Where notices of a kind go."""

    kind: str
    in_app: bool
    email: bool
    sms: bool


@dataclass(frozen=True, slots=True)
class NoticeSettings:
    """How a driver wants notices."""

    kinds: tuple[NoticeChannels, ...]
    quiet_hours: QuietHours | None = None
