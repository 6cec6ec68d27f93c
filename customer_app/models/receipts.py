"""Receipts, the itemised bill of a swap with its disputes, and invoices."""

from collections.abc import Iterable
from itertools import groupby

from flet.components.observable import observable
from typing_extensions import override

from customer_app.api.client import ApiClient
from customer_app.api.client_money import CheckoutWish, Objection
from customer_app.api.errors import ApiError, Kind
from customer_app.api.wire_bills import (
    DisputedLine,
    Invoice,
    InvoiceRow,
    LinesDisputed,
    Receipt,
    ReceiptRow,
)
from customer_app.api.wire_money import Checkout, Paid, Wallet
from customer_app.models.base import Model, State
from customer_app.models.commands import Keep, Means
from customer_app.models.files import FilesModel
from customer_app.models.shortfall import Shortfall
from customer_app.models.wallet import CHECKOUT

CODES = ("quantity", "price", "time", "not_mine", "condition", "other")
UNKNOWN = "receipt_unknown"  # of our own
TEXT_CHARACTERS = 2000
STATIONS_AT_ONCE = 8  # whose names are asked for with one page
PAY_WITH = {"wallet", "card", "wallet_and_card"}
PAYABLE = {"ISSUED", "PART_PAID", "OVERDUE", "NEEDS_ACTION"}


@observable
class ReceiptsModel(Model):
    """The bills of swaps and the invoices, the newest first."""

    def __init__(self, client: ApiClient) -> None:
        Model.__init__(self)
        self._client = client
        self.receipts: tuple[ReceiptRow, ...] = ()
        self.invoices: tuple[InvoiceRow, ...] = ()
        self.next_cursor = ""
        self.next_invoices = ""
        self.shows_invoices = False
        self.stations: dict[str, dict[str, str]] = {}

    @override
    async def fetch(self) -> None:
        """Read the first pages of both."""
        page = await self._client.receipts()
        self.receipts, self.next_cursor = page.items, page.next_cursor
        await self._name_stations()
        bills = await self._client.invoices()
        self.invoices, self.next_invoices = bills.items, bills.next_cursor

    @override
    def is_empty(self) -> bool:
        """Whether there was no swap and no bill yet."""
        return not self.receipts and not self.invoices

    def wants(self, kind: str, _object_id: str) -> bool:
        """Follow whatever makes a bill."""
        return kind.startswith(("swap_priced", "invoice", "receipt", "bill"))

    def show_invoices(self, *, wanted: bool) -> None:
        """Switch between swaps and invoices."""
        self.shows_invoices = wanted

    async def more(self) -> None:
        """Read the next page of what is on screen."""

        async def ask() -> None:
            if self.shows_invoices and self.next_invoices:
                bills = await self._client.invoices(cursor=self.next_invoices)
                self.invoices = (*self.invoices, *bills.items)
                self.next_invoices = bills.next_cursor
            elif not self.shows_invoices and self.next_cursor:
                page = await self._client.receipts(self.next_cursor)
                self.receipts = (*self.receipts, *page.items)
                self.next_cursor = page.next_cursor
                await self._name_stations()

        await self.attempt(ask)

    async def _name_stations(self) -> None:
        """Find how the stations are called; without a name a row does without."""
        unknown = {each.station_id for each in self.receipts} - self.stations.keys()
        for station_id in sorted(unknown)[:STATIONS_AT_ONCE]:
            try:
                station = await self._client.station(station_id)
            except ApiError:
                continue
            self.stations[station_id] = {"": station.name, **station.names}

    def station_name(self, station_id: str, language: str) -> str:
        """Give a station's name in a language; nothing when it is not known."""
        names = self.stations.get(station_id, {})
        return names.get(language, names.get("", ""))

    def months(self) -> list[tuple[str, tuple[ReceiptRow, ...]]]:
        """Group the receipts by month (`2026-11`), as they come: the newest first."""
        return [
            (month, tuple(rows))
            for month, rows in groupby(self.receipts, lambda each: each.at.strftime("%Y-%m"))
        ]


@observable
class ReceiptModel(FilesModel):
    """The bill of one swap, and objections to lines of it.

    What is wrong with an objection before it is sent: `needs_lines`, `needs_text`.
    """

    def __init__(self, client: ApiClient, means: Means, swap_id: str) -> None:
        FilesModel.__init__(self, client, means)
        self._client = client
        self._disputing = means.intention()
        self.swap_id = swap_id
        self.receipt: Receipt | None = None
        self.station_names: dict[str, str] | None = None
        self.is_disputing = False
        self.shows_why = False
        self.chosen: tuple[str, ...] = ()
        self.code = CODES[0]
        self.text = ""
        self.needs_lines = False
        self.needs_text = False
        self.sent: LinesDisputed | None = None

    @override
    async def fetch(self) -> None:
        """Read the bill, and how its station is called; without a name its id has to do."""
        try:
            self.receipt = await self._client.receipt(self.swap_id)
        except ApiError as error:
            if error.kind is Kind.NOT_FOUND:
                error.code = UNKNOWN  # foreign or none: both look the same
            raise
        if self.station_names is None:
            try:
                station = await self._client.station(self.receipt.station_id)
            except ApiError:
                return
            self.station_names = {"": station.name, **station.names}

    def station_name(self, language: str) -> str:
        """Give the station's name in a language, or what is known of it."""
        names = self.station_names or {}
        known = self.receipt.station_id if self.receipt else ""
        return names.get(language) or names.get("") or known

    def wants(self, _kind: str, object_id: str) -> bool:
        """Follow this swap."""
        return object_id == self.swap_id

    async def follow(self) -> None:
        """Ask again while the bill is being made; call this every few seconds."""
        if self.state is not State.LOADING and (self.receipt is None or self.is_pending):
            await self.load()

    @property
    def is_pending(self) -> bool:
        """Whether the bill is still being made."""
        return self.receipt is not None and self.receipt.state == "PENDING"

    def disputed(self, line_id: str) -> DisputedLine | None:
        """Give the case in which a line is looked at, if it is."""
        lines: Iterable[DisputedLine] = self.receipt.disputed_lines if self.receipt else ()
        return next((each for each in lines if each.line_id == line_id), None)

    # Objecting ------------------------------------------------------------------------------

    def begin(self, line_id: str) -> None:
        """Begin an objection with a line."""
        self.is_disputing = True
        self.chosen = (line_id,)
        self.sent = None

    def give_up(self) -> None:
        """Close the objection; what was typed stays for another try."""
        self.is_disputing = False

    def toggle(self, line_id: str) -> None:
        """Take a line in, or out; lines that are looked at already are not taken."""
        if self.disputed(line_id) is not None:
            return
        if line_id in self.chosen:
            self.chosen = tuple(each for each in self.chosen if each != line_id)
        else:
            self.chosen = (*self.chosen, line_id)
        self.needs_lines = False

    def choose_code(self, code: str) -> None:
        """Say what kind of wrong it is."""
        self.code = code if code in CODES else self.code

    def type_text(self, text: str) -> None:
        """Take what is typed."""
        self.text = text[:TEXT_CHARACTERS]
        self.needs_text = False

    async def dispute(self) -> bool:
        """Send the objection; the lines need not be paid meanwhile."""
        text = self.text.strip()
        self.needs_lines, self.needs_text = not self.chosen, not text
        if self.needs_lines or self.needs_text:
            return False
        objection = Objection(self.chosen, self.code, text)

        async def send() -> None:
            self.sent = await self._disputing.run(
                lambda key: self._client.dispute_lines(self.swap_id, objection, key), objection
            )
            self.is_disputing = False
            self.text, self.chosen = "", ()
            await self.fetch()
            await self.send_files(self.sent.case_id)

        return await self.attempt(send)

    def toggle_why(self) -> None:
        """Show how an estimate was made, or hide it."""
        self.shows_why = not self.shows_why


@observable
class InvoiceModel(Model):
    """An invoice, and paying it from the wallet or with a card."""

    def __init__(self, client: ApiClient, means: Means, keep: Keep, invoice_id: str) -> None:
        Model.__init__(self)
        self._client = client
        self._keep = keep
        self._paying = means.intention()
        self._opening = means.intention()
        self.invoice_id = invoice_id
        self.invoice: Invoice | None = None
        self.wallet: Wallet | None = None
        self.paid: Paid | None = None
        self.opened: Checkout | None = None
        self.checking = False
        self.is_paying = False

    @override
    async def fetch(self) -> None:
        """Read the invoice."""
        self.invoice = await self._client.invoice(self.invoice_id)
        try:
            self.wallet = await self._client.wallet()
        except ApiError:
            return  # an invoice is read, and paid by card, without it

    def wants(self, _kind: str, object_id: str) -> bool:
        """Follow this invoice."""
        return object_id == self.invoice_id

    @property
    def can_pay(self) -> bool:
        """Whether something is left to pay."""
        invoice = self.invoice
        return invoice is not None and invoice.state in PAYABLE and invoice.open_minor > 0

    @property
    def takes_wallet(self) -> bool:
        """Whether the wallet may pay: it pays nobody but us, and in its own currency."""
        invoice, wallet = self.invoice, self.wallet
        return (
            invoice is not None
            and not invoice.seller
            and (wallet is None or wallet.currency == invoice.currency)
        )

    @property
    def shortfall(self) -> Shortfall | None:
        """What the wallet is short of; nothing where it covers what credit leaves open."""
        invoice, wallet = self.invoice, self.wallet
        if invoice is None or wallet is None or not (self.can_pay and self.takes_wallet):
            return None
        needed = invoice.open_minor - wallet.promo_minor
        if wallet.available_minor >= needed:
            return None
        return Shortfall(wallet.available_minor, needed, invoice.currency)

    async def pay(self, pay_with: str) -> bool:
        """Pay from the wallet, with the card that is used first, or first one, then the other.

        When the bank wants a confirmation, its page is opened instead (`opened`).
        """
        if not self.can_pay or pay_with not in PAY_WITH:
            return False

        async def send() -> None:
            self.paid = await self._paying.insist(
                lambda key: self._client.pay_invoice(self.invoice_id, pay_with, key),
                pay_with,
                self._set_checking,
            )
            await self.fetch()

        self.is_paying = True
        try:
            done = await self.attempt(send)
        finally:
            self.is_paying = False
        if self.error is not None and self.error.code == "payment_action_needed":
            await self.open_page(str(self.error.facts.get("checkout_id", "")))
        return done

    async def open_page(self, checkout_id: str = "") -> bool:
        """Open the hosted page that the door has made for this invoice, else have one made."""
        wish = CheckoutWish(
            "pay_invoice", f"/app/invoices/{self.invoice_id}", invoice_id=self.invoice_id
        )

        async def send() -> None:
            if checkout_id:
                self.opened = await self._client.checkout_state(checkout_id)
            else:
                self.opened = await self._opening.run(
                    lambda key: self._client.checkout(wish, key), wish
                )
            await self._keep.keep(CHECKOUT, self.opened.checkout_id)

        return await self.attempt(send)

    def _set_checking(self, checking: bool) -> None:  # noqa: FBT001
        self.checking = checking
