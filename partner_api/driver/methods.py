"""Ways to pay that a driver saved; they are saved on pages of the provider alone."""

from litestar import Response, delete, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payment_methods import ChooseMethod, RemoveMethod
from ledger.domain.money.payments_rows import PAYMENT_CALLS, SAVED_CARDS, SAVED_METHODS
from ledger.kernel.errors import NotFound
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import as_text
from ledger.runtime.payment_desk import HIDDEN
from partner_api.auth import Action
from partner_api.deps import asks, read_body
from partner_api.driver.bodies_money import MethodOut, MethodsOut
from partner_api.driver.bodies_profile import Nothing
from partner_api.driver.checkouts import desk_of
from partner_api.driver.own import Own, commanded, owning, read_own
from partner_api.look import Asking
from partner_api.writing import HttpRequest, created, principal_of

METHOD_CALLS_AT_ONCE = 20


@get("/methods", operation_id="list_methods", opt=asks(Action.READ_DRIVER), sync_to_thread=True)
def list_methods(request: Asking) -> Response[MethodsOut]:
    """List the saved ways to pay, the default one first."""
    with owning(request) as own:
        return own.answer(methods_of(own))


def methods_of(own: Own) -> MethodsOut:
    """List a driver's cards with what the provider shows of them."""
    saved = own.reads.row(SAVED_METHODS, own.driver_id)
    usual = own.reads.row(SAVED_CARDS, own.driver_id)
    desk = own.parts.payment_desk
    items = []
    for one in saved.methods if saved else ():
        face = desk.face(one.card) if desk else HIDDEN
        items.append(
            MethodOut(
                id=one.method_id,
                kind=face.kind,
                default=usual is not None and usual.card == one.card,
                added_at=as_text(one.saved_at),
                brand=face.brand,
                last4=face.last4,
                expires=face.expires,
            )
        )
    items.sort(key=lambda item: (not item.default, item.added_at, item.id))
    return MethodsOut(items)


@post(
    "/methods/{method_id:str}/default",
    operation_id="choose_method",
    opt=asks(Action.WRITE_DRIVER, body=Nothing),
    status_code=201,
)
async def choose_method(request: HttpRequest, method_id: FromPath[str]) -> Response[MethodsOut]:
    """Have this card used from here on."""
    await read_body(request, Nothing)
    await read_own(request, lambda own: _own_method(own, method_id))
    command = ChooseMethod(driver_id=principal_of(request).id, method_id=method_id)
    receipt = await commanded(request, command)
    return created(await read_own(request, methods_of), receipt)


def _own_method(own: Own, method_id: str) -> None:
    saved = own.reads.row(SAVED_METHODS, own.driver_id)
    if saved is None or saved.method(method_id) is None:
        raise NotFound("no such way to pay")


@delete(
    "/methods/{method_id:str}",
    operation_id="remove_method",
    opt=asks(Action.WRITE_DRIVER, step_up=True),
    status_code=200,
)
async def remove_method(request: HttpRequest, method_id: FromPath[str]) -> Response[MethodsOut]:
    """Take a card away, here and at the provider; the last one stays while an invoice is open."""
    desk = desk_of(request)
    await read_own(request, lambda own: _own_method(own, method_id))
    unpaid = await read_own(
        request,
        lambda own: tuple(row.invoice_no for row in own.rows(INVOICES) if row.open_minor),
    )
    driver_id = principal_of(request).id
    command = RemoveMethod(
        driver_id=driver_id, method_id=method_id, invoices=unpaid[:METHOD_CALLS_AT_ONCE]
    )
    # a card is taken away once, so the request is its own key; refused, it may be asked again
    key = derived_id("RM", driver_id, method_id, *command.invoices)
    receipt = await commanded(request, command, key=key)
    call_key = await read_own(request, lambda own: _detaching(own, method_id))
    if call_key:
        await sync_to_thread(desk.make, call_key)
    return created(await read_own(request, methods_of), receipt, status=200)


def _detaching(own: Own, method_id: str) -> str:
    stem = f"method:{method_id}:"
    calls = own.reads.rows(PAYMENT_CALLS, listed="open")
    return next((row.call_key for _, row in calls if row.call_key.startswith(stem)), "")


ROUTES = (list_methods, choose_method, remove_method)
