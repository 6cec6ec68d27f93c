"""Drivers: invoices, credit notes, dunning, write-offs, promos, deposits, and blocks."""

from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.concurrency import sync_to_thread

from ledger.domain.blocks import DRIVER_BLOCKS, BlockDriver, UnblockDriver
from ledger.domain.money.credit_notes import CREDIT_NOTES
from ledger.domain.money.deposits import DEPOSITS, ApplyDeposit, ReturnDeposit, TakeDeposit
from ledger.domain.money.discount_rows import DISCOUNTS
from ledger.domain.money.discounts import GrantDiscount
from ledger.domain.money.dunning import DUNNING
from ledger.domain.money.invoices import INVOICES
from ledger.domain.money.promo_codes import PROMO_CODES, IssuePromoCode
from ledger.domain.money.promos import PROMOS, ExpirePromo, GrantPromo
from ledger.domain.money.write_offs import WriteOffInvoice
from ledger.domain.refunds_due import DecideRefund
from ledger.runtime.dunning import BillsRun, run_dunning
from ledger.runtime.settling import close_invoices
from partner_api.auth import Action
from partner_api.deps import asks, idempotency_key, makes, parts_of, read_body
from partner_api.finance.making import NoFieldsIn, commands, lists, reads
from partner_api.writing import HttpRequest, actor_of, principal_of


class InvoiceIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An ended period, ``YYYY-MM`` or ``YYYY-MM-DD``."""

    period: Annotated[str, msgspec.Meta(min_length=7, max_length=10)]


class InvoicedOut(msgspec.Struct, frozen=True):
    """The invoices that were issued now; what was invoiced before is left out."""

    period: str
    invoices: list[str]


@post(
    "/invoices",
    operation_id="issue_invoices",
    opt=asks(Action.MAKE_FINANCE, body=InvoiceIn) | makes("IssueInvoice"),
    status_code=201,
)
async def issue_invoices(request: HttpRequest) -> Response[InvoicedOut]:
    """Invoice every driver for an ended period; again it adds nothing."""
    body = await read_body(request, InvoiceIn)
    idempotency_key(request)
    parts, actor = parts_of(request), actor_of(principal_of(request))

    def run() -> list[str]:
        return close_invoices(parts.ledger, body.period, actor=actor, at=parts.clock.now())

    issued = await sync_to_thread(run)
    return Response(InvoicedOut(body.period, issued), status_code=201)


@post(
    "/dunning",
    operation_id="run_bills",
    opt=asks(Action.MAKE_FINANCE, body=NoFieldsIn)
    | makes("RunDunning", "PayFromCredit", "ExpirePromo", "EndAllowance"),
    status_code=201,
)
async def run_bills(request: HttpRequest) -> Response[BillsRun]:
    """Do what is due about bills by now: months to invoice, what ends, the steps of dunning."""
    await read_body(request, NoFieldsIn)
    idempotency_key(request)
    parts, actor = parts_of(request), actor_of(principal_of(request))
    run = await sync_to_thread(run_dunning, parts.ledger, parts.clock.now(), actor)
    return Response(run, status_code=201)


ROUTES: tuple[Any, ...] = (
    lists("/invoices", "list_invoices", "List invoices; `status` names a driver.", INVOICES),
    issue_invoices,
    reads("/invoices/{invoice_no:str}", "read_invoice", "Give an invoice.", INVOICES),
    lists("/credit-notes", "list_credit_notes", "List credit notes.", CREDIT_NOTES),
    reads("/credit-notes/{credit_note_no:str}", "read_credit_note", "Give a note.", CREDIT_NOTES),
    lists("/dunning", "list_dunning", "List what is dunned; `status` names a step.", DUNNING),
    reads("/dunning/{invoice_no:str}", "read_dunning", "Tell how far it came.", DUNNING),
    run_bills,
    commands("/write-offs", "write_off_invoice", "Give up an invoice.", WriteOffInvoice),
    lists("/promos", "list_promos", "List promos; `status` names a driver.", PROMOS),
    commands(
        "/promo-codes",
        "issue_promo_code",
        "Issue a promo code, by the digest of its letters.",
        IssuePromoCode,
    ),
    commands("/promos", "grant_promo", "Give a driver a promo.", GrantPromo, by_two=True),
    commands(
        "/promos/{promo_id:str}/expire", "expire_promo", "End a promo past its time.", ExpirePromo
    ),
    lists(
        "/discounts",
        "list_discounts",
        "List what drivers have off their bills; `status` names a driver.",
        DISCOUNTS,
    ),
    commands(
        "/discounts",
        "grant_discount",
        "Take something off a driver's next bills.",
        GrantDiscount,
        by_two=True,
    ),
    lists("/promo-codes", "list_promo_codes", "List codes given out, by digest.", PROMO_CODES),
    lists("/deposits", "list_deposits", "List deposits; `status` names a driver.", DEPOSITS),
    reads("/deposits/{deposit_id:str}", "read_deposit", "Give a deposit.", DEPOSITS),
    commands("/deposits", "take_deposit", "Note a deposit that was paid.", TakeDeposit),
    commands(
        "/deposits/{deposit_id:str}/return",
        "return_deposit",
        "Give a deposit back.",
        ReturnDeposit,
        by_two=True,
    ),
    commands(
        "/deposits/{deposit_id:str}/apply",
        "apply_deposit",
        "Set a deposit against an invoice.",
        ApplyDeposit,
        by_two=True,
    ),
    commands(
        "/refund-decisions", "decide_refund", "Say whether a swap is paid back.", DecideRefund
    ),
    lists("/driver-blocks", "list_driver_blocks", "List drivers who are blocked.", DRIVER_BLOCKS),
    commands("/drivers/{driver_id:str}/block", "block_driver", "Block a driver.", BlockDriver),
    commands(
        "/drivers/{driver_id:str}/unblock",
        "unblock_driver",
        "Let a driver in again.",
        UnblockDriver,
    ),
)
