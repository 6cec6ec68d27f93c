"""Promo codes: words that give a driver credit or a promo on his bills, once to each driver.

The ledger knows a code by the SHA-256 of its letters alone. Whatever is wrong with a code, the
answer is the same, so that nobody can search for good ones.
"""

from hashlib import sha256
from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.composing import is_sha256
from ledger.domain.money.discount_rows import (
    DISCOUNTS,
    KEPT_US,
    Discounts,
    DiscountTerms,
    discount_row,
    terms_fault,
)
from ledger.domain.money.discounts import DiscountGranted, has_room
from ledger.domain.money.promos import PROMOS, PromoGranted
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.world import Keys, Shelf, Stamp, World, key_of, touch
from ledger.kernel.ids import derived_id, is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

# State ------------------------------------------------------------------------

USES_MAX = 1_000_000


class PromoCode(msgspec.Struct, frozen=True, omit_defaults=True):
    """A code: what it gives (minor units), until when it may be entered (us), how often it was.

    `credit_lasts_us` says how long what it gives can be used; 0 = without end. A code with a
    `discount` gives no amount, but something off bills.
    """

    campaign_id: str
    currency: str
    amount_minor: int
    usable_until_at: int
    uses_max: int
    credit_lasts_us: int = 0
    uses: int = 0
    discount: DiscountTerms | None = None


PROMO_CODES = Shelf("promo_codes", PromoCode)  # key: digest of the code
SHELVES: tuple[Shelf[Any], ...] = (PROMO_CODES,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class IssuePromoCode(Command):
    """Give a code out, by its digest (`code_digest`); two persons.

    One with a `discount` gives that and no amount, and can be entered for a year at most.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    code_digest: str
    campaign_id: str
    currency: str
    amount_minor: int
    usable_until_at: int
    uses_max: int
    credit_lasts_us: int = 0
    discount: DiscountTerms | None = None


class RedeemPromoCode(Command):
    """A driver enters a code, given by its digest."""

    roles: ClassVar[frozenset[str]] = frozenset({"driver", "support"})
    is_personal: ClassVar[bool] = True

    driver_id: str
    code_digest: str


PromoCodesCommand = IssuePromoCode | RedeemPromoCode

# Events -----------------------------------------------------------------------


class PromoCodeIssued(Event):
    """A code may be entered."""

    kind: ClassVar[str] = "promo_code.issued"

    code_digest: str
    campaign_id: str
    currency: str
    amount_minor: int
    usable_until_at: int
    uses_max: int
    credit_lasts_us: int = 0
    discount: DiscountTerms | None = None


class PromoCodeRedeemed(Event):
    """A driver entered a code; what it gave him is an entry of its own."""

    kind: ClassVar[str] = "promo_code.redeemed"

    code_digest: str
    campaign_id: str
    driver_id: str
    promo_id: str


PromoCodesEvent = PromoCodeIssued | PromoCodeRedeemed

# touches ----------------------------------------------------------------------


def touches(command: PromoCodesCommand) -> Keys:
    """Read the code; for a driver also what it gave him before."""
    code = touch(PROMO_CODES, command.code_digest)
    if isinstance(command, IssuePromoCode):
        return (code,)
    promo_id = promo_of(command.driver_id, command.code_digest)
    given = touch(PROMOS, command.driver_id, promo_id), discount_row(command.driver_id)
    return code, touch(PARTIES, command.driver_id), *given


def follows(_world: World, _command: PromoCodesCommand) -> Keys:
    """Nothing more is needed."""
    return ()


def digest_of(code: str) -> str:
    """Give the digest of a code; blanks, dashes and the case of letters do not count.

    >>> digest_of("spring-26") == digest_of(" SPRING 26 ")
    True
    """
    letters = "".join(letter for letter in code.upper() if letter.isalnum())
    return sha256(b"mobilegrid/promo-code/1\n" + letters.encode()).hexdigest()


def promo_of(driver_id: str, code_digest: str) -> str:
    """Name the credit that a code gives a driver."""
    return derived_id("PC", driver_id, code_digest)


# decide -----------------------------------------------------------------------


def decide(world: World, command: PromoCodesCommand, request: Request) -> Outcome:
    """Issue a code once; let each driver use it once while it lasts."""
    row = world.get(PROMO_CODES, command.code_digest)
    match command:
        case IssuePromoCode():
            return _issue(row, command, request.at)
        case RedeemPromoCode():
            return _redeem(world, row, command, request.at)
        case _ as unknown:
            assert_never(unknown)


def _issue(row: PromoCode | None, command: IssuePromoCode, at: int) -> Outcome:
    facts: dict[str, Fact] = {"campaign": command.campaign_id[:40]}
    if row is not None:
        return Refusal(RefusalCode.PROMO_CODE_EXISTS, facts)
    discount = command.discount
    amounts = (1, QUANTITY_MAX) if discount is None else (0, 0)
    window_us = QUANTITY_MAX if discount is None else KEPT_US
    checks = (
        (is_sha256(command.code_digest), "code_digest"),
        (is_id(command.campaign_id), "campaign_id"),
        (command.currency in EXPONENTS, "currency"),
        (amounts[0] <= command.amount_minor <= amounts[1], "amount_minor"),
        (at < command.usable_until_at <= min(at + window_us, QUANTITY_MAX), "usable_until_at"),
        (0 < command.uses_max <= USES_MAX, "uses_max"),
        (0 <= command.credit_lasts_us <= QUANTITY_MAX, "credit_lasts_us"),
    )
    wrong = next((field for good, field in checks if not good), "")
    if wrong:
        return Refusal(RefusalCode.PROMO_FIELD_INVALID, {**facts, "field": wrong})
    field, rule = terms_fault(discount) if discount else ("", "")
    if field or (discount and discount.currency != command.currency):
        told = {"field": f"discount.{field or 'currency'}", "rule": rule or "that of the code"}
        return Refusal(RefusalCode.PROMO_FIELD_INVALID, {**facts, **told})
    return (Draft(PromoCodeIssued(**_told(command))),)


def _told(code: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(code, name) for name in code.__struct_fields__}


def _redeem(world: World, row: PromoCode | None, command: RedeemPromoCode, at: int) -> Outcome:
    promo_id = promo_of(command.driver_id, command.code_digest)
    credit = world.get(PROMOS, key_of(command.driver_id, promo_id))
    held = world.get(DISCOUNTS, command.driver_id) or Discounts(command.driver_id)
    is_usable = (
        row is not None
        and credit is None
        and held.find(promo_id) is None
        and (row.discount is None or has_room(held, at))
        and at < row.usable_until_at
        and row.uses < row.uses_max
        and not party_faults(world, command.driver_id, "driver")
    )
    if row is None or not is_usable:
        return Refusal(RefusalCode.CODE_NOT_USABLE)
    redeemed = PromoCodeRedeemed(
        code_digest=command.code_digest,
        campaign_id=row.campaign_id,
        driver_id=command.driver_id,
        promo_id=promo_id,
    )
    return Draft(redeemed), Draft(_given(row, command.driver_id, promo_id, at), after=(0,))


def _given(
    row: PromoCode, driver_id: str, promo_id: str, at: int
) -> PromoGranted | DiscountGranted:
    reason = f"code of {row.campaign_id}"
    ends = at + row.credit_lasts_us if row.credit_lasts_us else 0
    if row.discount is not None:
        return DiscountGranted(
            promo_id=promo_id,
            driver_id=driver_id,
            terms=row.discount,
            reason=reason,
            valid_from_at=at,
            valid_to_at=ends,
        )
    return PromoGranted(
        promo_id=promo_id,
        driver_id=driver_id,
        currency=row.currency,
        amount_minor=row.amount_minor,
        reason=reason,
        expires_at=ends,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PromoCodesEvent, _stamp: Stamp) -> None:
    """Keep the code, and count its uses."""
    match event:
        case PromoCodeIssued():
            told = _told(event)
            del told["code_digest"]
            world.put(PROMO_CODES, event.code_digest, PromoCode(**told))
        case PromoCodeRedeemed():
            row = world.need(PROMO_CODES, event.code_digest)
            world.put(PROMO_CODES, event.code_digest, replace(row, uses=row.uses + 1))
        case _ as unknown:
            assert_never(unknown)


def postings(_event: PromoCodesEvent) -> tuple[Posting, ...]:
    """The credit that a code gives has postings of its own."""
    return ()
