"""What the driver door says and takes about support cases, notices and how they are sent."""

from typing import Annotated, Literal

import msgspec

from partner_api.driver.bodies_money import Id, LinkOut, MaybeId, Text

Topic = Literal[
    "complaint", "incident", "question", "repair", "refund", "damage", "data", "emergency"
]
Subject = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Reference = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{4,64}$")]
Channel = Literal["in_app", "email", "sms"]
LocalTime = Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
NoticeKind = Literal[
    "hold_ending",
    "booking_changed",
    "swap_done",
    "bill_due",
    "payment_failed",
    "station_down",
    "case_answered",
]


# Cases ------------------------------------------------------------------------


class CaseIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question or complaint, and what it is about; `references` are those of failures."""

    subject: Subject
    topic: Topic
    text: Text
    swap_id: MaybeId = ""
    booking_id: MaybeId = ""
    station_id: MaybeId = ""
    pack_id: MaybeId = ""
    invoice_id: MaybeId = ""
    references: Annotated[tuple[Reference, ...], msgspec.Meta(max_length=3)] = ()


class CaseRowOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A case in the list: ``OPEN``, ``WAITING_DRIVER``, ``WAITING_US`` or ``CLOSED``."""

    case_id: str
    state: str
    topic: str
    opened_at: str
    changed_at: str
    messages_count: int
    answer_by: str = ""
    subject: str = ""
    swap_id: str = ""
    invoice_id: str = ""


class CasesListOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Cases, the one that changed last first."""

    items: list[CaseRowOut]
    next_cursor: str = ""


class FileOut(msgspec.Struct, frozen=True):
    """A file of a case; `media_type` as its content says."""

    file_id: str
    media_type: str
    size_bytes: int
    sent_at: str


class MessageOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a thread; `sender` is ``driver`` or ``support``. Erased ones have no text."""

    message_id: str
    sender: str
    at: str
    text: str = ""


class CaseThreadOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A case with its thread, oldest message first."""

    case_id: str
    state: str
    topic: str
    opened_at: str
    changed_at: str
    references: list[str]
    messages: list[MessageOut]
    files: list[FileOut]
    answer_by: str = ""
    subject: str = ""
    swap_id: str = ""
    booking_id: str = ""
    station_id: str = ""
    pack_id: str = ""
    invoice_id: str = ""
    disputed_lines: list[str] = []
    resolution: str = ""
    phone: str = ""


class CaseMadeOut(msgspec.Struct, frozen=True):
    """A case was opened; `answer_by` is when somebody answers at the latest."""

    case_id: str
    state: str
    answer_by: str
    position: int


class MessageIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a driver writes."""

    text: Text


class MessageMadeOut(msgspec.Struct, frozen=True):
    """A message was taken."""

    message_id: str
    case_id: str
    state: str
    position: int


class FileMadeOut(msgspec.Struct, frozen=True):
    """A file was taken."""

    file_id: str
    case_id: str
    media_type: str
    size_bytes: int
    position: int


# Notices ----------------------------------------------------------------------


class NoticeOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One notice; `title` and `text` are in the driver's language.

    `text_key` and `facts` let the app say it in its own words.
    """

    id: str
    kind: str
    object_id: str
    title: str
    text: str
    text_key: str
    facts: dict[str, str]
    link: LinkOut
    at: str
    read_at: str = ""


class NoticesOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Notices, newest first; `unread_count` is of all that there are."""

    items: list[NoticeOut]
    unread_count: int
    next_cursor: str = ""


class NoticesReadIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which notices were read: some, or all up to one."""

    ids: Annotated[tuple[Id, ...], msgspec.Meta(max_length=200)] = ()
    until: MaybeId = ""


class NoticesReadOut(msgspec.Struct, frozen=True):
    """How many notices are not read still."""

    unread_count: int


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when to when, by a wall clock in a zone, nothing is sent but what cannot wait."""

    begin: LocalTime
    end: LocalTime
    zone: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class NoticeChannels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where notices of a kind go; the inbox keeps all of them whatever stands here."""

    kind: NoticeKind
    in_app: bool
    email: bool
    sms: bool


class NoticeSettings(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a driver wants notices: every kind once, and quiet hours (missing: none)."""

    kinds: Annotated[tuple[NoticeChannels, ...], msgspec.Meta(min_length=1, max_length=20)]
    quiet_hours: QuietHours | None = None
