"""`promo discount`, `promo code`: something off the next bills of a driver, and codes for it."""

from typing import Any

import click

from ledger.domain.money.discount_rows import DiscountTerms
from ledger.domain.money.discounts import GrantDiscount
from ledger.domain.money.promo_codes import IssuePromoCode, digest_of
from ledger.kernel.errors import Malformed
from ledger.kernel.instants import DAY
from ledger.kernel.money import parse_amount
from ledger.kernel.quantities import parse_scaled
from mobilegrid.cli.acting import argument, asks, fresh, many, moment, number, text

_PERCENT_DECIMALS = 2


def _terms() -> list[click.Parameter]:
    return [
        text("--percent", "percent", "A percentage off, such as 12.5.", metavar="PERCENT"),
        number("--free-swaps", "swaps", "So many swaps that cost nothing."),
        number("--uses", "uses_max", "A percentage: on so many usages at most."),
        text("--most", "most", "At most so much money off altogether.", metavar="AMOUNT"),
        text("--most-a-bill", "most_a_bill", "At most so much off one bill.", metavar="AMOUNT"),
        many(
            "--component",
            "components",
            "Only off such lines, as a tariff names them; again and again.",
            metavar="NAME",
        ),
        click.Option(["--stackable"], is_flag=True, help="Together with others that are so."),
        text("--currency", "currency", "ISO 4217.", default="EUR", show_default=True),
    ]


def _discount(given: dict[str, Any]) -> DiscountTerms:
    currency = given["currency"]
    if bool(given["percent"]) == bool(given["swaps"]):
        raise Malformed("give --percent or --free-swaps, one of them", field="--percent")
    return DiscountTerms(
        kind="percent" if given["percent"] else "free_swaps",
        currency=currency,
        percent_bp=parse_scaled(given["percent"] or "0", _PERCENT_DECIMALS, "--percent"),
        swaps=given["swaps"],
        uses_max=given["uses_max"],
        max_bill_minor=parse_amount(given["most_a_bill"] or "0", currency, "--most-a-bill"),
        max_minor=parse_amount(given["most"] or "0", currency, "--most"),
        components=tuple(given["components"]),
        stackable=given["stackable"],
    )


discount = asks(
    "discount",
    "Take a percentage, or whole swaps, off a driver's next bills.",
    lambda given: GrantDiscount(
        promo_id=given["promo_id"],
        driver_id=given["driver_id"],
        terms=_discount(given),
        reason=given["reason"],
        valid_from_at=given["valid_from_at"],
        valid_to_at=given["valid_to_at"],
    ),
    "support",
    [
        argument("driver_id", "DRIVER"),
        *_terms(),
        text("--reason", "reason", "Why.", required=True),
        moment("--from", "valid_from_at", "From when on; now when left out."),
        moment("--until", "valid_to_at", "When it ends; never when left out."),
        fresh("--id", "promo_id", "PR"),
    ],
    "promo_id",
)


def _code(given: dict[str, Any]) -> IssuePromoCode:
    is_credit = bool(given["amount"])
    if is_credit and (given["percent"] or given["swaps"]):
        raise Malformed("a code gives credit or something off, not both", field="--amount")
    return IssuePromoCode(
        code_digest=digest_of(given["code"]),
        campaign_id=given["campaign_id"],
        currency=given["currency"],
        amount_minor=parse_amount(given["amount"] or "0", given["currency"], "--amount"),
        usable_until_at=given["usable_until_at"],
        uses_max=given["drivers"],
        credit_lasts_us=given["days"] * DAY,
        discount=None if is_credit else _discount(given),
    )


code = asks(
    "code",
    "Issue a code that drivers enter for credit, or for something off their bills; two persons.",
    _code,
    "finance",
    [
        argument("code", "CODE"),
        text("--campaign", "campaign_id", "What it is part of.", required=True, metavar="ID"),
        text("--amount", "amount", "Credit of so much, such as 5.00.", metavar="AMOUNT"),
        *_terms(),
        moment("--until", "usable_until_at", "Until when it can be entered.", required=True),
        number("--drivers", "drivers", "By so many drivers, each once.", required=True),
        number("--days", "days", "What it gives lasts so many days; without end when left out."),
    ],
    "campaign_id",
)
