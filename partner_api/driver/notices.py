"""The inbox of a driver: what happened to what is his, what he read, how he wants to be told."""

from collections.abc import Sequence

import msgspec
from litestar import Response, get, post, put
from litestar.concurrency import sync_to_thread

from ledger.domain.money.tariff_faults import is_zone
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import as_text
from ledger.runtime.notices import KINDS
from ledger.store import notices
from ledger.store.notices import NoticeRow
from partner_api.auth import Action
from partner_api.deps import asks, parts_of, read_body
from partner_api.driver.bodies_money import LinkOut
from partner_api.driver.bodies_support import (
    NoticeChannels,
    NoticeOut,
    NoticeSettings,
    NoticesOut,
    NoticesReadIn,
    NoticesReadOut,
)
from partner_api.driver.notice_words import words_of
from partner_api.driver.own import PAGE, Own, owning, read_own
from partner_api.driver.printable import LANGUAGES
from partner_api.look import Asking
from partner_api.writing import HttpRequest, principal_of

USUAL = NoticeSettings(
    tuple(NoticeChannels(kind, in_app=True, email=False, sms=False) for kind in KINDS)  # type: ignore[arg-type]
)
"""How notices go while a driver said nothing."""


@get(
    "/notices",
    operation_id="list_notices",
    opt=asks(Action.READ_DRIVER, "after", "language", *PAGE),
    sync_to_thread=True,
)
def list_notices(request: Asking) -> Response[NoticesOut]:
    """List the driver's notices, newest first; `after` is the id of the newest one known."""
    with owning(request) as own:
        language = own.choice("language", LANGUAGES) or LANGUAGES[0]
        rows = _rows(own)
        newer = _after(rows, own.query.get("after", ""))
        page, cursor = own.page(newer, lambda row: (row.at, row.notice_id))
        unread = sum(not row.read_at for row in rows)
        return own.answer(NoticesOut([_shown(row, language) for row in page], unread, cursor))


def _rows(own: Own) -> list[NoticeRow]:
    return notices.of_driver(own.reads.tx, own.reads.name.log_id, own.driver_id)


def _after(rows: Sequence[NoticeRow], notice_id: str) -> Sequence[NoticeRow]:
    """Take the rows before a known one in a list that is newest first; all for one that is gone."""
    ids = [row.notice_id for row in rows]
    return rows[: ids.index(notice_id)] if notice_id in ids else rows


def _shown(row: NoticeRow, language: str) -> NoticeOut:
    body = row.body
    title, text = words_of(row.kind, body.text_key, body.facts, language)
    return NoticeOut(
        id=row.notice_id,
        kind=row.kind,
        object_id=row.object_id,
        title=title,
        text=text,
        text_key=body.text_key,
        facts=body.facts,
        link=LinkOut(body.link_kind, body.link_id),
        at=as_text(row.at),
        read_at=as_text(row.read_at) if row.read_at else "",
    )


@post(
    "/notices/read",
    operation_id="read_notices",
    opt=asks(Action.WRITE_DRIVER, body=NoticesReadIn),
    status_code=200,
)
async def read_notices(request: HttpRequest) -> Response[NoticesReadOut]:
    """Note that notices were read: those named, or all up to one; unknown ones are passed over."""
    body = await read_body(request, NoticesReadIn)
    if not body.ids and not body.until:
        raise Malformed("ids or until", field="ids")
    rows = await read_own(request, _rows)
    ids = list(body.ids)
    if body.until:
        ids += [row.notice_id for row in _until(rows, body.until)]
    parts, driver_id = parts_of(request), principal_of(request).id
    log_id = parts.ledger.name.log_id

    def mark() -> None:
        with parts.ledger.writing() as tx:
            notices.mark_read(tx, log_id, driver_id, ids, parts.clock.now())

    await sync_to_thread(mark)
    left = sum(not row.read_at for row in await read_own(request, _rows))
    return Response(NoticesReadOut(left), status_code=200)


def _until(rows: Sequence[NoticeRow], notice_id: str) -> Sequence[NoticeRow]:
    ids = [row.notice_id for row in rows]
    return rows[ids.index(notice_id) :] if notice_id in ids else ()


@get(
    "/notice-settings",
    operation_id="get_notice_settings",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def get_notice_settings(request: Asking) -> Response[NoticeSettings]:
    """Say where notices of each kind go, and when not."""
    with owning(request) as own:
        return own.answer(settings_of(own))


def settings_of(own: Own) -> NoticeSettings:
    """Read a driver's settings; kinds that came since go as usual."""
    kept = notices.settings_of(own.reads.tx, own.reads.name.log_id, own.driver_id)
    if kept is None:
        return USUAL
    said = msgspec.json.decode(kept, type=NoticeSettings)
    known = {one.kind: one for one in said.kinds}
    kinds = tuple(known.get(one.kind, one) for one in USUAL.kinds)
    return NoticeSettings(kinds, said.quiet_hours)


@put(
    "/notice-settings",
    operation_id="put_notice_settings",
    opt=asks(Action.WRITE_DRIVER, body=NoticeSettings),
    status_code=200,
)
async def put_notice_settings(request: HttpRequest) -> Response[NoticeSettings]:
    """Say where notices go: each kind at most once; the inbox keeps all of them in any case."""
    body = await read_body(request, NoticeSettings)
    kinds = [one.kind for one in body.kinds]
    if len(set(kinds)) != len(kinds):
        raise Malformed("a kind is there twice", field="kinds")
    if body.quiet_hours is not None and not is_zone(body.quiet_hours.zone):
        raise Malformed("no zone of the tz database", field="quiet_hours.zone")
    parts, driver_id = parts_of(request), principal_of(request).id
    data = msgspec.json.encode(body)

    def keep() -> None:
        with parts.ledger.writing() as tx:
            notices.put_settings(tx, parts.ledger.name.log_id, driver_id, data)

    await sync_to_thread(keep)
    return Response(await read_own(request, settings_of), status_code=200)


ROUTES = (list_notices, read_notices, get_notice_settings, put_notice_settings)
