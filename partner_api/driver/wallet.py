"""A driver's wallet: what he paid in, what is reserved, what he was given, and what he owes."""

from litestar import Response, get

from ledger.domain.money.accounts import WALLETS_PAID_IN, WALLETS_PROMO
from ledger.domain.money.deposits import DEPOSITS
from ledger.domain.money.discount_rows import DISCOUNTS, Discount
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.pending_rows import PENDINGS, WALLETS
from ledger.domain.money.promos import PROMOS
from ledger.domain.world import key_of
from ledger.kernel.instants import as_text
from ledger.kernel.messages import Event
from ledger.kernel.quantities import scaled_text
from ledger.store.queries.balances import Line
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.driver.bodies_money import (
    DiscountOut,
    LinkOut,
    PromoExpiryOut,
    WalletEntriesOut,
    WalletEntryOut,
    WalletOut,
)
from partner_api.driver.own import PAGE, Own, owning, time_text
from partner_api.driver.station_prices import KINDS
from partner_api.look import Asking

CURRENCY = "EUR"
"""What an empty wallet is shown in, where no invoice or payment says another one."""

_LINES_AT_ONCE = 1_000
_KEYS = {
    "wallet.topped_up": "wallet.topped_up",
    "wallet.spent": "wallet.paid_invoice",
    "promo.granted": "wallet.promo_granted",
    "promo.used": "wallet.promo_used",
    "promo.expired": "wallet.promo_expired",
    "booking_failed": "wallet.compensation",
}
_OTHER = "wallet.other"
_LINKS = (
    ("invoice_no", "invoice"),
    ("booking_id", "booking"),
    ("payment_id", "payment"),
)
_FACTS = ("invoice_no", "promo_id", "reason", "booking_id")


@get("/wallet", operation_id="get_wallet", opt=asks(Action.READ_DRIVER), sync_to_thread=True)
def get_wallet(request: Asking) -> Response[WalletOut]:
    """Say what the driver has and what he owes, in one currency."""
    with owning(request) as own:
        return own.answer(wallet_of(own))


def wallet_of(own: Own) -> WalletOut:
    """Sum a driver's money in the currency that he has most to do with."""
    currency = currency_of(own)
    wallet = own.reads.row(WALLETS, key_of(own.driver_id, currency))
    promos = [
        row for row in own.rows(PROMOS) if row.currency == currency and row.left_minor(own.now) > 0
    ]
    invoices = [row for row in own.rows(INVOICES) if row.currency == currency]
    today = as_text(own.now)[:10]
    held = [row for row in own.rows(PENDINGS) if row.is_open and row.currency == currency]
    deposits = [row for row in own.rows(DEPOSITS) if row.currency == currency]
    return WalletOut(
        currency=currency,
        available_minor=wallet.available_minor if wallet else 0,
        pending_minor=sum(row.amount_minor for row in held),
        promo_minor=sum(row.left_minor(own.now) for row in promos),
        promo_expires=[
            PromoExpiryOut(row.promo_id, row.left_minor(own.now), time_text(row.expires_at))
            for row in sorted(promos, key=lambda row: (row.expires_at or 2**53, row.promo_id))
        ],
        discounts=[discount_of(one) for one in held_of(own) if one.has_left(own.now)],
        deposit_minor=sum(row.left_minor for row in deposits),
        owed_minor=sum(row.open_minor for row in invoices),
        overdue_minor=sum(row.open_minor for row in invoices if row.due_on < today),
    )


def held_of(own: Own) -> list[Discount]:
    """List what takes something off the driver's bills, what ends first in front."""
    row = own.reads.row(DISCOUNTS, own.driver_id)
    return sorted(row.held if row else (), key=lambda one: one.valid_to_at or 2**53)


def discount_of(one: Discount) -> DiscountOut:
    """Say what is left of one, as the app shows it."""
    terms = one.terms
    percent = scaled_text(terms.percent_bp, 2) if terms.percent_bp else ""
    return DiscountOut(
        promo_id=one.promo_id,
        kind=terms.kind,
        currency=terms.currency,
        valid_from=as_text(one.valid_from_at),
        valid_to=time_text(one.valid_to_at),
        percent=percent.rstrip("0").rstrip("."),
        left=one.uses_left or 0,
        left_minor=one.minor_left or 0,
        max_bill_minor=terms.max_bill_minor,
        components=[KINDS[each] for each in terms.components],
        stackable=terms.stackable,
    )


def currency_of(own: Own) -> str:
    """Find the currency of a driver: of his wallet, else of his newest invoice or credit."""
    wallets = sorted(own.rows(WALLETS), key=lambda row: (-row.paid_in_minor, row.currency))
    invoices = sorted(own.rows(INVOICES), key=lambda row: row.issued_on, reverse=True)
    found = [row.currency for row in wallets]
    found += [row.currency for row in invoices]
    found += [row.currency for row in own.rows(PROMOS)]
    return found[0] if found else CURRENCY


@get(
    "/wallet/entries",
    operation_id="list_wallet_entries",
    opt=asks(Action.READ_DRIVER, "from", "to", *PAGE),
    sync_to_thread=True,
)
def list_wallet_entries(request: Asking) -> Response[WalletEntriesOut]:
    """List what came into the wallet and what went, paid in and given, newest first."""
    with owning(request) as own:
        begin, end = own.span()
        moved = [one for one in _moves(own) if begin <= one[0].occurred_at < end]
        page, cursor = own.page(moved, lambda one: (one[0].position, one[0].line))
        events = {
            entry.envelope.position: entry
            for entry in own.reads.at_positions(sorted({line.position for line, _ in page}))
        }
        items = [
            _entry(line, balance, events[line.position].event, events[line.position].envelope.kind)
            for line, balance in page
        ]
        return own.answer(WalletEntriesOut(items, cursor))


def _moves(own: Own) -> list[tuple[Line, int]]:
    """List the driver's postings on wallets, each with what the wallet held after it."""
    keys = [(WALLETS_PAID_IN, own.driver_id)]
    keys += [(WALLETS_PROMO, key_of(own.driver_id, row.promo_id)) for row in own.rows(PROMOS)]
    found = [line for account, item in keys for line in _lines(own, account, item)]
    found.sort(key=lambda line: (line.position, line.line))
    held: dict[str, int] = {}
    moves = []
    for line in found:  # a wallet is what we owe: what comes in is a credit, below zero
        held[line.commodity] = held.get(line.commodity, 0) - line.quantity
        moves.append((line, held[line.commodity]))
    return moves


def _lines(own: Own, account: str, item: str) -> list[Line]:
    found: list[Line] = []
    first = 0
    while page := own.reads.lines(account, item=item, first=first, limit=_LINES_AT_ONCE):
        found += page
        first = page[-1].position + 1
    return found


def _entry(line: Line, balance: int, event: Event, kind: str) -> WalletEntryOut:
    link = next(
        (
            LinkOut(name, str(getattr(event, field)))
            for field, name in _LINKS
            if getattr(event, field, "")
        ),
        None,
    )
    facts = {name: str(getattr(event, name)) for name in _FACTS if getattr(event, name, "")}
    return WalletEntryOut(
        id=f"WE-{line.position}-{line.line}",
        at=as_text(line.occurred_at),
        text_key=_KEYS.get(kind, _OTHER),
        amount_minor=-line.quantity,
        currency=line.commodity,
        balance_minor=balance,
        facts=facts,
        link=link,
    )


ROUTES = (get_wallet, list_wallet_entries)
