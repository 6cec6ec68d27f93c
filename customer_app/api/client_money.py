"""Calls about money: wallet, hosted pages, methods, plans, receipts, invoices."""

from collections.abc import Sequence
from dataclasses import dataclass

from customer_app.api.calls import Calls, given, path
from customer_app.api.wire_bills import (
    Invoice,
    Invoices,
    LinesDisputed,
    Receipt,
    Receipts,
)
from customer_app.api.wire_money import (
    Checkout,
    Methods,
    Paid,
    Payment,
    Plans,
    PromoGrant,
    Subscription,
    Wallet,
    WalletEntries,
)


@dataclass(frozen=True, slots=True)
class CheckoutWish:
    """What a hosted page shall do: top_up, add_method, pay_invoice or confirm_payment."""

    purpose: str
    return_to: str
    amount_minor: int | None = None
    currency: str = ""
    invoice_id: str = ""
    payment_id: str = ""

    def body(self) -> dict[str, object]:
        """Write it as the door takes it."""
        return dict(
            given(
                purpose=self.purpose,
                return_to=self.return_to,
                amount_minor=self.amount_minor,
                currency=self.currency,
                invoice_id=self.invoice_id,
                payment_id=self.payment_id,
            )
        )


@dataclass(frozen=True, slots=True)
class Objection:
    """Lines of a receipt that are not right, and why."""

    lines: tuple[str, ...]
    code: str
    text: str
    files: tuple[str, ...] = ()

    def body(self) -> dict[str, object]:
        """Write it as the door takes it."""
        return {
            "lines": list(self.lines),
            "code": self.code,
            "text": self.text,
            "files": list(self.files),
        }


class MoneyCalls(Calls):
    """The money of one driver; the app computes none, it shows what the door says."""

    async def wallet(self) -> Wallet:
        """Give what the driver has, and what he owes."""
        return await self._get(Wallet, path("wallet"))

    async def wallet_entries(self, cursor: str = "") -> WalletEntries:
        """List movements, the newest first."""
        return await self._get(WalletEntries, path("wallet", "entries"), given(cursor=cursor))

    async def checkout(self, wish: CheckoutWish, key: str) -> Checkout:
        """Have a page of the payment provider made."""
        return await self._command(Checkout, path("checkouts"), wish.body(), key)

    async def checkout_state(self, checkout_id: str) -> Checkout:
        """Say how far a hosted page came."""
        return await self._get(Checkout, path("checkouts", checkout_id))

    async def end_checkout(self, checkout_id: str, outcome: str, key: str) -> Checkout:
        """Tell how the driver came back from a hosted page: `back`, or `left` without paying."""
        route = path("checkouts", checkout_id, "end")
        return await self._command(Checkout, route, {"outcome": outcome}, key)

    async def methods(self) -> Methods:
        """List the ways to pay that are saved."""
        return await self._get(Methods, path("methods"))

    async def make_default(self, method_id: str, key: str) -> Methods:
        """Use a way to pay before the others."""
        return await self._command(Methods, path("methods", method_id, "default"), {}, key)

    async def remove_method(self, method_id: str) -> None:
        """Forget a way to pay."""
        await self.transport.delete(path("methods", method_id))

    async def payment(self, payment_id: str) -> Payment:
        """Give a payment by card."""
        return await self._get(Payment, path("payments", payment_id))

    async def promo(self, code: str, key: str) -> PromoGrant:
        """Use a code that gives credit."""
        return await self._command(PromoGrant, path("promo-codes"), {"code": code}, key)

    async def plans(self) -> Plans:
        """List the plans on offer."""
        return await self._get(Plans, path("plans"))

    async def subscription(self) -> Subscription:
        """Give the driver's plan, and what of it is used."""
        return await self._get(Subscription, path("subscription"))

    async def subscribe(
        self, plan_id: str, start: str, key: str, *, preview: bool = False
    ) -> Subscription:
        """Subscribe from a day on, or only see what that costs."""
        body = {"plan_id": plan_id, "start": start, "preview": preview}
        return await self._command(Subscription, path("subscription"), body, key)

    async def end_subscription(self) -> None:
        """End the plan with the month."""
        await self.transport.delete(path("subscription"))

    async def receipts(self, cursor: str = "") -> Receipts:
        """List the bills of swaps, the newest first."""
        return await self._get(Receipts, path("receipts"), given(cursor=cursor))

    async def receipt(self, swap_id: str) -> Receipt:
        """Give the itemised bill of a swap."""
        return await self._get(Receipt, path("receipts", swap_id))

    async def dispute_lines(self, swap_id: str, objection: Objection, key: str) -> LinesDisputed:
        """Object to lines of a bill."""
        where = path("receipts", swap_id, "disputes")
        return await self._command(LinesDisputed, where, objection.body(), key)

    async def invoices(self, states: Sequence[str] = (), cursor: str = "") -> Invoices:
        """List invoices, the newest first."""
        query = given(state=",".join(states), cursor=cursor)
        return await self._get(Invoices, path("invoices"), query)

    async def invoice(self, invoice_id: str) -> Invoice:
        """Give an invoice."""
        return await self._get(Invoice, path("invoices", invoice_id))

    async def pay_invoice(self, invoice_id: str, pay_with: str, key: str) -> Paid:
        """Pay an invoice from the wallet or with the card that is used first."""
        where = path("invoices", invoice_id, "pay")
        return await self._command(Paid, where, {"pay_with": pay_with}, key)

    async def invoice_proof(self, invoice_id: str) -> bytes:
        """Give the proof file of an invoice."""
        return await self._file(path("invoices", invoice_id, "proof"))

    @staticmethod
    def document_path(invoice_id: str, document: str) -> str:
        """Name the address of an invoice as html or pdf, which the browser opens itself."""
        return f"{path('invoices', invoice_id, 'document')}?format={document}"
