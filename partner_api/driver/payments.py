"""Payments of a driver: how one stands, an invoice paid now, a code that gives credit."""

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from ledger.domain.money.invoice_means import PayFromCredit, WalletSpent
from ledger.domain.money.invoices import INVOICES, Invoice
from ledger.domain.money.payments import PlanCharge
from ledger.domain.money.payments_rows import (
    CALL_STEMS,
    CARD_PAYMENTS,
    SAVED_CARDS,
    CardPayment,
)
from ledger.domain.money.promo_codes import RedeemPromoCode, digest_of, promo_of
from ledger.domain.money.promos import PROMOS, PromoUsed
from ledger.domain.world import key_of
from ledger.kernel.errors import Refused
from ledger.kernel.ids import derived_id
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Receipt
from ledger.kernel.refusal import Fact, Refusal, RefusalCode
from ledger.runtime.dunning import promos_for
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, parts_of, read_body
from partner_api.driver.bodies_money import (
    CheckoutIn,
    PaidOut,
    PayIn,
    PaymentOut,
    PromoCodeIn,
    PromoGrantOut,
)
from partner_api.driver.checkouts import desk_of, open_page
from partner_api.driver.own import Own, commanded, owning, read_own, time_text
from partner_api.driver.wallet import discount_of, held_of
from partner_api.look import Asking
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, created, earlier, principal_of

CODES_PER_HOUR = 5
PAY_ROUTE = "/app/invoices/"


@get(
    "/payments/{payment_id:str}",
    operation_id="get_payment",
    opt=asks(Action.READ_DRIVER),
    sync_to_thread=True,
)
def get_payment(request: Asking, payment_id: FromPath[str]) -> Response[PaymentOut]:
    """Say how a payment by card stands."""
    with owning(request) as own:
        return own.answer(payment_of(own.row(CARD_PAYMENTS, payment_id)))


def payment_of(row: CardPayment) -> PaymentOut:
    """Show a payment to its driver."""
    return PaymentOut(
        payment_id=row.payment_id,
        state=row.state,
        purpose={"topup": "top_up", "reserve": "hold"}.get(row.purpose, row.purpose),
        amount_minor=row.amount_minor,
        captured_minor=row.captured_minor,
        refunded_minor=row.refunded_minor,
        currency=row.currency,
        invoice_id=row.invoice_no,
        reason=row.reason,
    )


@post(
    "/invoices/{invoice_id:str}/pay",
    operation_id="pay_invoice",
    opt=asks(Action.WRITE_DRIVER, body=PayIn, step_up=True),
    status_code=201,
)
async def pay_invoice(request: HttpRequest, invoice_id: FromPath[str]) -> Response[PaidOut]:
    """Pay what is open of an invoice: from credit and wallet, or with the default card.

    `wallet_and_card` takes what credit and wallet have, and what they do not have from the card.
    Where the driver has no card, or his bank wants him, the answer is 402
    `payment_action_needed` with `checkout_id` and `url` of a page on which he pays.
    """
    body = await read_body(request, PayIn)
    invoice = await read_own(request, lambda own: own.row(INVOICES, invoice_id))
    payment_id = derived_id("PY", invoice.driver_id, idempotency_key(request))
    if body.pay_with == "card":
        receipt = await _by_card(request, invoice, payment_id)
    else:
        if body.pay_with == "wallet_and_card":
            desk_of(request)  # or nothing is taken of the wallet either
        receipt = await _from_wallet(request, invoice)
        left = await read_own(request, lambda own: own.row(INVOICES, invoice_id))
        known = await read_own(request, lambda own: own.reads.row(CARD_PAYMENTS, payment_id))
        if body.pay_with == "wallet_and_card" and (known or left.open_minor):
            receipt = await _by_card(request, left, payment_id, part="card")
        else:
            payment_id = ""
    said = await read_own(request, lambda own: _paid(own, invoice, body, payment_id, receipt))
    return created(said, receipt)


async def _from_wallet(request: HttpRequest, invoice: Invoice) -> Receipt:
    """Take what credit and wallet have; asked again under a key, give the answer that stands.

    The credit of now would make another command of the same request.
    """
    before = await read_own(request, lambda own: _taken_before(request, own, invoice))
    if before is not None:
        return before
    promos = await read_own(request, lambda own: promos_for(own.reads, invoice, own.now))
    return await commanded(
        request,
        PayFromCredit(
            invoice_no=invoice.invoice_no,
            driver_id=invoice.driver_id,
            promo_ids=tuple(row.promo_id for row in promos),
        ),
    )


def _taken_before(request: HttpRequest, own: Own, invoice: Invoice) -> Receipt | None:
    receipt = earlier(request, own.reads, idempotency_key(request))
    if receipt is None or receipt.refusal is not None:
        return None  # what was refused is compared with what is asked for now
    if receipt.count:
        event = own.reads.entry(receipt.first).event
        paid = event.invoice_no if isinstance(event, PromoUsed | WalletSpent) else ""
        if paid != invoice.invoice_no:
            raise DoorProblem("idempotency_key_reused")
    return receipt


async def _by_card(
    request: HttpRequest, invoice: Invoice, payment_id: str, *, part: str = ""
) -> Receipt:
    """Take an invoice from the default card; `payment_action_needed` where a page is needed."""
    desk = desk_of(request)
    before = await read_own(request, lambda own: own.reads.row(CARD_PAYMENTS, payment_id))
    has_card = await read_own(request, _has_card)
    if before is None and not invoice.open_minor:
        facts: dict[str, Fact] = {"invoice": invoice.invoice_no, "state": invoice.state}
        raise Refused(Refusal(RefusalCode.INVOICE_NOT_PAYABLE, facts))
    if before is None and not has_card:
        raise await _needs_page(request, invoice, "no way to pay is saved")
    command = PlanCharge(
        payment_id=payment_id,
        driver_id=invoice.driver_id,
        invoice_no=invoice.invoice_no,
        currency=invoice.currency,
        amount_minor=before.amount_minor if before else invoice.open_minor,
    )
    receipt = await commanded(request, command, part=part)
    call_key = await read_own(request, lambda own: _last_call(own, invoice.invoice_no))
    await sync_to_thread(desk.make, call_key)
    row = await read_own(request, lambda own: own.row(CARD_PAYMENTS, payment_id))
    if row.state == "NEEDS_ACTION":
        raise await _needs_page(request, invoice, "the bank wants the driver", payment_id)
    return receipt


def _has_card(own: Own) -> bool:
    saved = own.reads.row(SAVED_CARDS, own.driver_id)
    return saved is not None and bool(saved.card)


def _last_call(own: Own, invoice_no: str) -> str:
    stem = f"inv:{invoice_no}:charge"
    row = own.reads.row(CALL_STEMS, stem)
    return f"{stem}:{row.last}" if row else ""


async def _needs_page(
    request: HttpRequest, invoice: Invoice, why: str, payment_id: str = ""
) -> DoorProblem:
    """Open a page for an invoice, and make the failure that leads there."""
    wanted = CheckoutIn(
        purpose="confirm_payment" if payment_id else "pay_invoice",
        return_to=f"{PAY_ROUTE}{invoice.invoice_no}",
        invoice_id="" if payment_id else invoice.invoice_no,
        payment_id=payment_id,
    )
    checkout_id = derived_id("CO", invoice.driver_id, "pay", idempotency_key(request))
    page, _ = await open_page(request, wanted, checkout_id, part="page")
    facts: dict[str, str | int] = {
        "checkout_id": page.checkout_id,
        "url": page.url,
        "amount_minor": page.amount_minor,
        "currency": page.currency,
    }
    return DoorProblem("payment_action_needed", why, facts=facts)


def _paid(own: Own, invoice: Invoice, body: PayIn, payment_id: str, receipt: Receipt) -> PaidOut:
    row = own.row(INVOICES, invoice.invoice_no)
    payment = own.reads.row(CARD_PAYMENTS, payment_id) if payment_id else None
    return PaidOut(
        invoice_id=row.invoice_no,
        pay_with=body.pay_with,
        paid_minor=row.paid_minor,
        open_minor=row.open_minor,
        currency=row.currency,
        position=receipt.first + max(receipt.count, 1) - 1,
        payment_id=payment_id,
        state=payment.state if payment else "",
    )


@post(
    "/promo-codes",
    operation_id="redeem_promo_code",
    opt=asks(Action.WRITE_DRIVER, body=PromoCodeIn),
    status_code=201,
)
async def redeem_promo_code(request: HttpRequest) -> Response[PromoGrantOut]:
    """Enter a code; whatever is wrong with it, the answer is the same. Five tries an hour."""
    body = await read_body(request, PromoCodeIn)
    driver_id = principal_of(request).id
    parts_of(request).rates.take("codes", driver_id, CODES_PER_HOUR, window_us=HOUR)
    digest = digest_of(body.code)
    receipt = await commanded(request, RedeemPromoCode(driver_id=driver_id, code_digest=digest))
    promo_id = promo_of(driver_id, digest)
    position = receipt.first + receipt.count - 1
    held = await read_own(request, held_of)
    given = next((one for one in held if one.promo_id == promo_id), None)
    if given is not None:
        off = discount_of(given)
        currency = off.currency
        return created(PromoGrantOut(promo_id, 0, currency, position, off.valid_to, off), receipt)
    key = key_of(driver_id, promo_id)
    row = await read_own(request, lambda own: own.reads.row(PROMOS, key))
    assert row is not None, "the code gave it"
    said = PromoGrantOut(
        promo_id=row.promo_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        position=position,
        expires_at=time_text(row.expires_at),
    )
    return created(said, receipt)


ROUTES = (get_payment, pay_invoice, redeem_promo_code)
