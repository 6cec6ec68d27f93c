"""Routes made from a table: lists and rows of what the rules keep, and commands of the rules.

A command's body holds the command's own fields, less those that stand in the path. A command that
takes two persons is not executed: it waits as an approval (202), and another person agrees to it.
Every other one is executed at once (201).
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.handlers import HTTPRouteHandler

from ledger.domain.world import Shelf
from ledger.kernel.errors import NotFound
from ledger.kernel.messages import Command, Event, Receipt
from ledger.runtime.ledger import accepted
from ledger.runtime.reads import Reads
from ledger.store.queries import rows
from partner_api.auth import Action, authorise
from partner_api.deps import asked, asks, idempotency_key, makes, parts_of, read_body
from partner_api.finance.approvals import WaitingOut, ask_approval
from partner_api.look import PAGE, Asking, Look, known_id, looking
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, created, earlier, submitted

Row = msgspec.Struct
T = TypeVar("T")


class MadeOut(msgspec.Struct, frozen=True):
    """Which entries a command made: the first position, and how many; 0 when nothing was to do."""

    position: int
    count: int


class NoFieldsIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command whose path says everything: ``{}``."""


# Reads ------------------------------------------------------------------------


Keeps = Callable[[Any], bool]


def lists(
    path: str,
    name: str,
    summary: str,
    shelf: Shelf[Any],
    *,
    holder: str = "",
    keeps: Keeps | None = None,
) -> HTTPRouteHandler:
    """Make the route that lists the rows of a shelf, page by page in the order of their keys.

    `status` chooses rows by what lists them; an id in the path does so in its place. With `holder`,
    the field that names whose a row is, partners may ask too and see their own rows alone. `keeps`
    leaves out rows that are of another kind.
    """
    item_type = _item_type(shelf)
    page_type = _page_type(item_type)
    action = Action.READ_SETTLEMENT if holder else Action.READ_FINANCE

    def route(request: Asking) -> Response[Any]:
        with looking(request, name) as look:
            found = _chosen(look, shelf, holder, keeps)
            cursor = look.next_cursor(found, (found[-1][0],)) if found else ""
            items = [_shown(item_type, key, row) for key, row in found]
            return look.answer(page_type(items=items, next_cursor=cursor), len(items))

    _name(route, name, summary, page_type)
    declared = asks(action, *(() if _names_in(path) else ("status",)), *PAGE)
    return get(path, operation_id=name, opt=declared, sync_to_thread=True)(route)


def reads(
    path: str, name: str, summary: str, shelf: Shelf[Any], *, holder: str = ""
) -> HTTPRouteHandler:
    """Make the route that gives one row by the id at the end of the path."""
    item_type = _item_type(shelf)
    action = Action.READ_SETTLEMENT if holder else Action.READ_FINANCE

    def route(request: Asking) -> Response[Any]:
        with looking(request, name) as look:
            key = _last_id(request)
            return look.answer(_shown(item_type, key, row_of(look, shelf, key, holder)))

    _name(route, name, summary, item_type)
    return get(path, operation_id=name, opt=asks(action), sync_to_thread=True)(route)


def row_of(look: Look, shelf: Shelf[Any], key: str, holder: str = "") -> Any:
    """Read a row of one's own; `NotFound` for one that is missing or another's."""
    row = look.reads.row(shelf, known_id(key))
    if row is None:
        raise NotFound("no such row")
    if holder:
        authorise(asked(look.request).principal, Action.READ_SETTLEMENT, getattr(row, holder))
    return row


def _chosen(
    look: Look, shelf: Shelf[Any], holder: str, keeps: Keeps | None
) -> list[tuple[str, Any]]:
    principal = asked(look.request).principal
    own = principal.id if holder and principal and principal.role == "partner" else ""
    after = str(look.after[0]) if look.after else ""
    listed = _last_id(look.request) if look.request.path_params else look.text("status")
    found: list[tuple[str, Any]] = []
    while len(found) < look.limit:
        page = rows.page(
            look.tx,
            look.log_id,
            shelf,
            listed=listed or None,
            after=after,
        )
        mine = [each for each in page if not own or getattr(each[1], holder) == own]
        found += [each for each in mine if keeps is None or keeps(each[1])]
        if len(page) < rows.PAGE_MAX:
            break
        after = page[-1][0]
    return found[: look.limit]


def _item_type(shelf: Shelf[Any]) -> type[Row]:
    """Make what is shown of a row: its key as `id`, then its own fields."""
    fields = msgspec.structs.fields(shelf.row_type)
    members: list[Any] = [
        ("id", str),
        *(_shown_as(field) for field in fields if field.name != "id"),
    ]
    name = f"{shelf.row_type.__name__}Out"
    return msgspec.defstruct(name, members, frozen=True, kw_only=True)


def _shown_as(field: msgspec.structs.FieldInfo) -> tuple[Any, ...]:
    """Show every field, also with its default; one that is not known is left out, never null."""
    if field.default is None:
        return field.name, field.type | msgspec.UnsetType, msgspec.UNSET
    return field.name, field.type


def _shown(item_type: type[Row], key: str, row: Any) -> Row:
    known = {
        name: value for name, value in msgspec.structs.asdict(row).items() if value is not None
    }
    return item_type(**{**known, "id": key})


def _page_type(item_type: type[Row]) -> type[Row]:
    members: list[Any] = [("items", list[item_type]), ("next_cursor", str, "")]  # type: ignore[valid-type]
    name = f"{item_type.__name__.removesuffix('Out')}Page"
    return msgspec.defstruct(name, members, frozen=True, omit_defaults=True)


# Commands ---------------------------------------------------------------------


def commands(
    path: str, name: str, summary: str, command: type[Command], *, by_two: bool = False
) -> HTTPRouteHandler:
    """Make the route of a command; `by_two` for one whose second person only its rule asks for."""
    from_path = _names_in(path)
    body_type = _body_type(command, from_path)
    waits = by_two or command.needs_second_person
    made_type = WaitingOut if waits else MadeOut

    async def route(request: HttpRequest) -> Response[Any]:
        body = await read_body(request, body_type)
        ids = {each: known_id(request.path_params[each]) for each in from_path}
        wanted = command(**msgspec.structs.asdict(body), **ids)
        if waits:
            return await ask_approval(request, wanted)
        return await done(request, wanted)

    _name(route, name, summary, made_type)
    declared = asks(Action.MAKE_FINANCE, body=body_type) | makes(command.__name__)
    return post(path, operation_id=name, opt=declared, status_code=202 if waits else 201)(route)


async def done(request: HttpRequest, wanted: Command) -> Response[MadeOut]:
    """Execute a command of the caller under his key."""
    receipt = await submitted(request, wanted, idempotency_key(request))
    return created(made(receipt), receipt)


async def done_from(
    request: HttpRequest, make: Callable[[Reads], Command], is_same: Callable[[Event], bool]
) -> Response[MadeOut]:
    """Execute a command that is made of what the ledger says now, under the caller's key.

    Asked again under the key it would be made of other facts, so the entry that it led to is
    answered, if `is_same` finds that it is of the same request.
    """
    key = idempotency_key(request)

    def look_up(found: Reads) -> Command | Receipt:
        receipt = earlier(request, found, key)
        if receipt is None:
            return make(found)
        if receipt.count and not is_same(found.entry(receipt.first).event):
            raise DoorProblem("idempotency_key_reused")
        return receipt

    wanted = await sync_to_thread(read_with, request, look_up)
    if isinstance(wanted, Receipt):
        return created(made(accepted(wanted)), wanted)
    receipt = await submitted(request, wanted, key)
    return created(made(receipt), receipt)


def read_with(request: HttpRequest, make: Callable[[Reads], T]) -> T:
    """Make something from what the ledger says now."""
    with parts_of(request).ledger.reading() as found:
        return make(found)


def made(receipt: Receipt) -> MadeOut:
    """Tell which entries a receipt is of."""
    return MadeOut(receipt.first, receipt.count)


def _body_type(command: type[Command], from_path: tuple[str, ...]) -> type[Row]:
    # how a request came is seen by the door, and told by nobody
    left_out = {*from_path, *command.circumstances, "observed"}
    members: list[Any] = [
        _member(field) for field in msgspec.structs.fields(command) if field.name not in left_out
    ]
    name = f"{command.__name__}In"
    return msgspec.defstruct(name, members, frozen=True, kw_only=True, forbid_unknown_fields=True)


def _member(field: msgspec.structs.FieldInfo) -> tuple[Any, ...]:
    if field.default is not msgspec.NODEFAULT:
        return field.name, field.type, field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return field.name, field.type, msgspec.field(default_factory=field.default_factory)
    return field.name, field.type


def _names_in(path: str) -> tuple[str, ...]:
    parts = (part for part in path.split("/") if part.startswith("{"))
    return tuple(part.strip("{}").partition(":")[0] for part in parts)


def _last_id(request: Asking) -> str:
    return str(list(request.path_params.values())[-1])


def _name(route: Any, name: str, summary: str, answer: type[Row]) -> None:
    """Give a route what Litestar and the document read off a function."""
    route.__name__ = route.__qualname__ = name
    route.__doc__ = summary
    route.__annotations__["return"] = Response[answer]  # type: ignore[valid-type]
