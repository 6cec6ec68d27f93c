"""Calls about help: cases with their threads and files, notices and how they are sent."""

from collections.abc import Sequence
from dataclasses import dataclass

from customer_app.api.calls import Calls, Versioned, given, path, read_answer
from customer_app.api.http import Ask
from customer_app.api.wire_support import (
    CaseMade,
    CasesList,
    CaseThread,
    FileMade,
    MessageMade,
    Notices,
    NoticeSettings,
    NoticesRead,
)


@dataclass(frozen=True, slots=True)
class Question:
    """What a driver writes to us, what it is about, and the last failures he saw."""

    subject: str
    topic: str
    text: str
    swap_id: str = ""
    booking_id: str = ""
    station_id: str = ""
    pack_id: str = ""
    invoice_id: str = ""
    references: tuple[str, ...] = ()

    def body(self) -> dict[str, object]:
        """Write it as the door takes it."""
        about = given(
            swap_id=self.swap_id,
            booking_id=self.booking_id,
            station_id=self.station_id,
            pack_id=self.pack_id,
            invoice_id=self.invoice_id,
        )
        return {
            "subject": self.subject,
            "topic": self.topic,
            "text": self.text,
            "references": list(self.references),
            **about,
        }


class SupportCalls(Calls):
    """Cases and notices of one driver."""

    async def open_case(self, question: Question, key: str) -> CaseMade:
        """Write to us."""
        return await self._command(CaseMade, path("cases"), question.body(), key)

    async def cases(self, cursor: str = "") -> CasesList:
        """List the driver's cases, the one that changed last first."""
        return await self._get(CasesList, path("cases"), given(cursor=cursor))

    async def case(self, case_id: str) -> CaseThread:
        """Give a case with its thread."""
        return await self._get(CaseThread, path("cases", case_id))

    async def reply(self, case_id: str, text: str, key: str) -> MessageMade:
        """Write one more message."""
        where = path("cases", case_id, "messages")
        return await self._command(MessageMade, where, {"text": text}, key)

    async def attach(self, case_id: str, media_type: str, content: bytes, key: str) -> FileMade:
        """Send a picture or PDF to a case."""
        headers = {"Idempotency-Key": key, "Content-Type": media_type}
        ask = Ask("POST", path("cases", case_id, "files"), headers=headers, raw=content)
        return read_answer(FileMade, await self.transport.send(ask))

    async def notices(self, cursor: str = "", *, language: str = "") -> Notices:
        """List notices, the newest first, in a language of the door's."""
        return await self._get(Notices, path("notices"), given(cursor=cursor, language=language))

    async def mark_read(self, ids: Sequence[str], until: str, key: str) -> NoticesRead:
        """Say which notices were read: some, or all up to one."""
        body: dict[str, object] = {"ids": list(ids), **given(until=until)}
        return await self._command(NoticesRead, path("notices", "read"), body, key)

    async def notice_settings(self) -> Versioned[NoticeSettings]:
        """Give how the driver wants notices."""
        return await self._versioned(NoticeSettings, path("notice-settings"))

    async def set_notices(self, settings: NoticeSettings, etag: str) -> Versioned[NoticeSettings]:
        """Change how the driver wants notices."""
        body: dict[str, object] = {
            "kinds": [
                {"kind": each.kind, "in_app": each.in_app, "email": each.email, "sms": each.sms}
                for each in settings.kinds
            ]
        }
        quiet = settings.quiet_hours
        if quiet is not None:
            body["quiet_hours"] = {"begin": quiet.begin, "end": quiet.end, "zone": quiet.zone}
        return await self._put(NoticeSettings, path("notice-settings"), body, etag)
