"""Promo codes: words that give a driver credit, so many times, once to each driver.

The ledger knows a code by the SHA-256 of its letters alone. Whatever is wrong with a code, the
answer is the same, so that nobody can search for good ones.
"""

from hashlib import sha256
from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.composing import is_sha256
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

    `credit_lasts_us` says how long the credit itself can be used; 0 = without end.
    """

    campaign_id: str
    currency: str
    amount_minor: int
    usable_until_at: int
    uses_max: int
    credit_lasts_us: int = 0
    uses: int = 0


PROMO_CODES = Shelf("promo_codes", PromoCode)  # key: digest of the code
SHELVES: tuple[Shelf[Any], ...] = (PROMO_CODES,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class IssuePromoCode(Command):
    """Give a code out, by its digest (`code_digest`); two persons."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    code_digest: str
    campaign_id: str
    currency: str
    amount_minor: int
    usable_until_at: int
    uses_max: int
    credit_lasts_us: int = 0


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
    return code, touch(PARTIES, command.driver_id), touch(PROMOS, command.driver_id, promo_id)


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
    checks = (
        (is_sha256(command.code_digest), "code_digest"),
        (is_id(command.campaign_id), "campaign_id"),
        (command.currency in EXPONENTS, "currency"),
        (0 < command.amount_minor <= QUANTITY_MAX, "amount_minor"),
        (at < command.usable_until_at <= QUANTITY_MAX, "usable_until_at"),
        (0 < command.uses_max <= USES_MAX, "uses_max"),
        (0 <= command.credit_lasts_us <= QUANTITY_MAX, "credit_lasts_us"),
    )
    wrong = next((field for good, field in checks if not good), "")
    if wrong:
        return Refusal(RefusalCode.PROMO_FIELD_INVALID, {**facts, "field": wrong})
    return (Draft(PromoCodeIssued(**msgspec.structs.asdict(command))),)


def _redeem(world: World, row: PromoCode | None, command: RedeemPromoCode, at: int) -> Outcome:
    promo_id = promo_of(command.driver_id, command.code_digest)
    before = world.get(PROMOS, key_of(command.driver_id, promo_id))
    is_usable = (
        row is not None
        and before is None
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
    granted = PromoGranted(
        promo_id=promo_id,
        driver_id=command.driver_id,
        currency=row.currency,
        amount_minor=row.amount_minor,
        reason=f"code of {row.campaign_id}",
        expires_at=at + row.credit_lasts_us if row.credit_lasts_us else 0,
    )
    return Draft(redeemed), Draft(granted, after=(0,))


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: PromoCodesEvent, _stamp: Stamp) -> None:
    """Keep the code, and count its uses."""
    match event:
        case PromoCodeIssued():
            told = {name: getattr(event, name) for name in event.__struct_fields__}
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
