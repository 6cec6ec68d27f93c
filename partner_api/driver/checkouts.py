"""Pages of the provider for drivers: opened, waited for, given up; no card ever comes to us.

Whether something was paid is told by the provider's message, never by the browser that came back.
"""

from asyncio import wrap_future

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.domain.money.checkouts import (
    CHECKOUTS,
    Checkout,
    EndCheckout,
    OpenCheckout,
    Purpose,
    is_route,
)
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.payments import ReleaseReserved
from ledger.domain.money.payments_rows import CARD_PAYMENTS, PAYMENT_CALLS, SAVED_METHODS
from ledger.kernel.errors import Malformed, Unavailable
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import as_text
from ledger.kernel.messages import Actor, Receipt, Request
from ledger.runtime.ledger import accepted
from ledger.runtime.payment_desk import PaymentDesk
from partner_api.auth import Action
from partner_api.deps import asks, correlation_id, idempotency_key, parts_of, read_body
from partner_api.driver.bodies_money import CheckoutEndIn, CheckoutIn, CheckoutOut
from partner_api.driver.own import Own, commanded, owning, read_own
from partner_api.look import Asking
from partner_api.writing import HttpRequest, created, principal_of

SYSTEM = Actor(id="system", role="system")
OPEN_STATES = ("OPEN", "WAITING")


@post(
    "/checkouts",
    operation_id="open_checkout",
    opt=asks(Action.WRITE_DRIVER, body=CheckoutIn, step_up=True),
    status_code=201,
)
async def open_checkout(request: HttpRequest) -> Response[CheckoutOut]:
    """Open a page of the provider, to which the app sends the driver.

    The page leads back to `return_to` with `checkout` and `outcome` (`back` or `left`) behind the
    question mark; the app tells us by `end_checkout`, then asks until the state is `DONE`.
    Without a `url` the provider did not answer in time: ask again for it.
    """
    body = await read_body(request, CheckoutIn)
    _check(body)
    key = idempotency_key(request)
    checkout_id = derived_id("CO", principal_of(request).id, key)
    said, receipt = await open_page(request, body, checkout_id)
    return created(said, receipt)


def _check(body: CheckoutIn) -> None:
    needed = {
        "top_up": ("amount_minor", "currency"),
        "pay_invoice": ("invoice_id",),
        "confirm_payment": ("payment_id",),
        "add_method": (),
    }[body.purpose]
    for name in ("amount_minor", "currency", "invoice_id", "payment_id"):
        is_given = bool(getattr(body, name))
        if is_given != (name in needed):
            rule = f"is needed for {body.purpose}" if name in needed else "does not belong here"
            raise Malformed(rule, field=name)
    if not is_route(body.return_to):
        raise Malformed("a route below /app/", field="return_to")


async def open_page(
    request: HttpRequest, body: CheckoutIn, checkout_id: str, *, part: str = ""
) -> tuple[CheckoutOut, Receipt]:
    """Open a page for its driver; an older one for the same invoice is closed before.

    Raises:
        NotFound: the invoice or payment is none of his.
        Refused: nothing is to be paid, or a line is disputed.
    """
    desk = desk_of(request)
    purpose: Purpose = body.purpose
    invoice_no, payment_id = body.invoice_id, body.payment_id
    if purpose == "confirm_payment":
        purpose, invoice_no = await _confirming(request, payment_id, checkout_id)
    if invoice_no:
        await read_own(request, lambda own: own.row(INVOICES, invoice_no))
        await _close_older(request, invoice_no, checkout_id)
    command = OpenCheckout(
        checkout_id=checkout_id,
        driver_id=principal_of(request).id,
        purpose=purpose,
        return_to=body.return_to,
        currency=body.currency,
        amount_minor=body.amount_minor,
        invoice_no=invoice_no,
        payment_id=payment_id if purpose == "confirm_payment" else "",
    )
    receipt = await commanded(request, command, part=part)
    row = await read_own(request, lambda own: own.row(CHECKOUTS, checkout_id))
    if row.call_key:
        await sync_to_thread(desk.make, row.call_key)
    return await read_own(request, lambda own: shown(own, checkout_id)), receipt


def desk_of(request: HttpRequest) -> PaymentDesk:
    """Give who makes pages; `Unavailable` where no provider is named."""
    desk = parts_of(request).payment_desk
    if desk is None:
        raise Unavailable("no payments are taken here")
    return desk


async def _confirming(
    request: HttpRequest, payment_id: str, checkout_id: str
) -> tuple[Purpose, str]:
    """Say how a payment is confirmed: on its own page, else on a page for its invoice.

    A payment that has no page is let go of first, so that its invoice is paid once.
    """
    row = await read_own(request, lambda own: own.row(CARD_PAYMENTS, payment_id))
    before = await read_own(request, lambda own: own.reads.row(CHECKOUTS, checkout_id))
    if before is not None:  # asked again under the same key
        return before.purpose, before.invoice_no if before.purpose == "pay_invoice" else ""
    if row.state != "NEEDS_ACTION" or row.url or not row.invoice_no:
        return "confirm_payment", ""
    await release(request, row.payment_id)
    return "pay_invoice", row.invoice_no


async def _close_older(request: HttpRequest, invoice_no: str, checkout_id: str) -> None:
    """Close pages on which the same invoice could be paid a second time."""

    def older(own: Own) -> list[Checkout]:
        return [
            row
            for row in own.rows(CHECKOUTS)
            if row.invoice_no == invoice_no
            and row.purpose == "pay_invoice"
            and row.checkout_id != checkout_id
            and own.reads.row(CARD_PAYMENTS, row.payment_id).state == "CREATED"  # type: ignore[union-attr]
        ]

    for row in await read_own(request, older):
        if row.outcome != "left":
            end = EndCheckout(checkout_id=row.checkout_id, driver_id=row.driver_id, outcome="left")
            await commanded(request, end, part=row.checkout_id[-8:])
        await _make_cancel(request, row.payment_id)


async def release(request: HttpRequest, payment_id: str) -> None:
    """Give up a payment that waits for its driver, and tell the provider now."""
    parts = parts_of(request)
    wanted = Request(
        key=parts.ids.key(),
        principal=SYSTEM.id,
        actor=SYSTEM,
        at=parts.clock.now(),
        command=ReleaseReserved(payment_id=payment_id),
        correlation_id=correlation_id(request),
    )
    accepted((await wrap_future(parts.ledger.submit(wanted)))[0])
    await _make_cancel(request, payment_id)


async def _make_cancel(request: HttpRequest, payment_id: str) -> None:
    desk = desk_of(request)

    def key_of_cancel(own: Own) -> str:
        calls = [
            row.call_key
            for _, row in own.reads.rows(PAYMENT_CALLS, listed="open")
            if row.payment_id == payment_id
        ]
        return calls[0] if calls else ""

    call_key = await read_own(request, key_of_cancel)
    if call_key:
        await sync_to_thread(desk.make, call_key)


@get(
    "/checkouts/{checkout_id:str}",
    operation_id="get_checkout",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def get_checkout(request: Asking, checkout_id: FromPath[str]) -> Response[CheckoutOut]:
    """Say how a page stands; `DONE` only once the provider has told us."""
    with owning(request) as own:
        return own.answer(shown(own, checkout_id))


@post(
    "/checkouts/{checkout_id:str}/end",
    operation_id="end_checkout",
    opt=asks(Action.WRITE_DRIVER, body=CheckoutEndIn),
    status_code=201,
)
async def end_checkout(request: HttpRequest, checkout_id: FromPath[str]) -> Response[CheckoutOut]:
    """Tell that the driver is back from a page; one that he left is closed at the provider."""
    body = await read_body(request, CheckoutEndIn)
    row = await read_own(request, lambda own: own.row(CHECKOUTS, checkout_id))
    end = EndCheckout(checkout_id=row.checkout_id, driver_id=row.driver_id, outcome=body.outcome)
    receipt = await commanded(request, end)
    if body.outcome == "left" and row.payment_id:
        await _make_cancel(request, row.payment_id)
    return created(await read_own(request, lambda own: shown(own, checkout_id)), receipt)


def shown(own: Own, checkout_id: str) -> CheckoutOut:
    """Say of a page all that its driver may know."""
    row = own.row(CHECKOUTS, checkout_id)
    payment = own.reads.row(CARD_PAYMENTS, row.payment_id) if row.payment_id else None
    saved = own.reads.row(SAVED_METHODS, own.driver_id)
    call = own.reads.row(PAYMENT_CALLS, row.call_key) if row.call_key else None
    state = row.state(payment, saved, own.now)
    url = call.url if call else payment.url if payment else ""
    reason = (payment.reason if payment else "") or (call.reason if call else "")
    return CheckoutOut(
        checkout_id=row.checkout_id,
        purpose=row.purpose,
        state=state,
        expires_at=as_text(row.expires_at),
        return_to=row.return_to,
        url=url if state in OPEN_STATES else "",
        amount_minor=payment.amount_minor if payment else 0,
        currency=payment.currency if payment else "",
        invoice_id=row.invoice_no,
        payment_id=row.payment_id,
        reason=reason if state == "ABANDONED" else "",
    )


ROUTES = (open_checkout, get_checkout, end_checkout)
