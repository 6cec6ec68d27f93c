"""The inbox, and how a driver wants notices."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.calls import Versioned
from customer_app.api.client import ApiClient
from customer_app.api.errors import ApiError, Kind
from customer_app.api.wire_money import Link
from customer_app.api.wire_support import Notice, NoticeChannels, NoticeSettings, QuietHours
from customer_app.models.base import Model
from customer_app.models.commands import Means

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
CHANNELS = ("in_app", "email", "sms")
_ROUTES = {
    "swap": "/receipts/{id}",
    "receipt": "/receipts/{id}",
    "booking": "/booking/{id}",
    "invoice": "/invoices/{id}",
    "case": "/help/{id}",
    "station": "/station/{id}",
    "payment": "/wallet",
    "wallet": "/wallet",
    "plan": "/plans",
    "pack": "/pack",
}


def route_to(link: Link) -> str:
    """Give the route of what a notice is about; the inbox itself when we have no screen for it.

    >>> route_to(Link("invoice", "in_7"))
    '/invoices/in_7'
    """
    is_plain = re.fullmatch(r"[A-Za-z0-9_.~-]{1,80}", link.id) is not None
    route = _ROUTES.get(link.kind, "")
    if "{id}" in route and not is_plain:
        return "/inbox"
    return route.replace("{id}", link.id) or "/inbox"


def _switched(row: NoticeChannels, channel: str, *, wanted: bool) -> NoticeChannels:
    return NoticeChannels(
        row.kind,
        wanted if channel == "in_app" else row.in_app,
        wanted if channel == "email" else row.email,
        wanted if channel == "sms" else row.sms,
    )


@observable
class InboxModel(Model):
    """Notices, the newest first, and which were read."""

    def __init__(self, client: ApiClient, means: Means, language: Callable[[], str]) -> None:
        """Read the notices in the `language` that the driver has when they are asked for."""
        Model.__init__(self)
        self._client = client
        self._language = language
        self._reading = means.intention()
        self.notices: tuple[Notice, ...] = ()
        self.unread_count = 0
        self.next_cursor = ""

    @override
    async def fetch(self) -> None:
        """Read the first page."""
        page = await self._client.notices(language=self._language())
        self.notices, self.next_cursor = page.items, page.next_cursor
        self.unread_count = page.unread_count

    @override
    def is_empty(self) -> bool:
        """Whether there is no notice."""
        return not self.notices

    def wants(self, kind: str, _object_id: str) -> bool:
        """Follow new notices."""
        return kind.startswith("notice")

    def days(self) -> list[tuple[str, list[Notice]]]:
        """Group the notices by day in UTC (`2026-11-24`), as they come."""
        found: dict[str, list[Notice]] = {}
        for each in self.notices:
            found.setdefault(each.at.date().isoformat(), []).append(each)
        return list(found.items())

    async def more(self) -> None:
        """Read the next page."""
        if not self.next_cursor:
            return

        async def ask() -> None:
            page = await self._client.notices(self.next_cursor, language=self._language())
            self.notices = (*self.notices, *page.items)
            self.next_cursor = page.next_cursor

        await self.attempt(ask)

    async def read(self, notice_id: str) -> None:
        """Say that a notice was read."""
        unread = [each for each in self.notices if each.id == notice_id and each.read_at is None]
        if unread:
            await self._read([notice_id], "")

    async def read_all(self) -> None:
        """Say that all were read."""
        if self.notices and self.unread_count:
            await self._read([], self.notices[0].id)

    async def _read(self, ids: Sequence[str], until: str) -> None:
        async def send() -> None:
            await self._reading.run(
                lambda key: self._client.mark_read(ids, until, key), (tuple(ids), until)
            )
            page = await self._client.notices(language=self._language())
            self.notices, self.unread_count = page.items, page.unread_count
            self.next_cursor = page.next_cursor

        await self.attempt(send)


@observable
class NoticeSettingsModel(Model):
    """Which notices go where, and when nothing is sent.

    `changed_elsewhere` says that somebody else changed the settings meanwhile: theirs are shown.
    """

    def __init__(self, client: ApiClient) -> None:
        Model.__init__(self)
        self._client = client
        self._etag = ""
        self.settings: NoticeSettings | None = None
        self.begin = ""
        self.end = ""
        self.quiet_is_wrong = False
        self.changed_elsewhere = False
        self.is_saved = False

    @override
    async def fetch(self) -> None:
        """Read the settings."""
        self._take(await self._client.notice_settings())

    def _take(self, found: Versioned[NoticeSettings]) -> None:
        self.settings, self._etag = found.value, found.etag
        quiet = found.value.quiet_hours
        self.begin, self.end = (quiet.begin, quiet.end) if quiet else ("", "")

    async def set_channel(self, kind: str, channel: str, *, wanted: bool) -> None:
        """Send a kind of notice somewhere, or not."""
        if self.settings is None or channel not in CHANNELS:
            return
        kinds = tuple(
            _switched(each, channel, wanted=wanted) if each.kind == kind else each
            for each in self.settings.kinds
        )
        await self._save(replace(self.settings, kinds=kinds))

    def type_begin(self, text: str) -> None:
        """Take what is typed of the beginning of the quiet hours."""
        self.begin, self.quiet_is_wrong = text[:5], False

    def type_end(self, text: str) -> None:
        """Take what is typed of their end."""
        self.end, self.quiet_is_wrong = text[:5], False

    async def save_quiet(self, zone: str) -> None:
        """Keep the quiet hours as typed; both empty means none."""
        if self.settings is None:
            return
        begin, end = self.begin.strip(), self.end.strip()
        if not begin and not end:
            await self._save(replace(self.settings, quiet_hours=None))
        elif _CLOCK.fullmatch(begin) and _CLOCK.fullmatch(end):
            await self._save(replace(self.settings, quiet_hours=QuietHours(begin, end, zone)))
        else:
            self.quiet_is_wrong = True

    async def _save(self, wanted: NoticeSettings) -> None:
        self.is_saved = self.changed_elsewhere = False

        async def send() -> None:
            try:
                self._take(await self._client.set_notices(wanted, self._etag))
            except ApiError as error:
                if error.kind is not Kind.CONFLICT:
                    raise
                await self.fetch()
                self.changed_elsewhere = True
            else:
                self.is_saved = True

        await self.attempt(send)
