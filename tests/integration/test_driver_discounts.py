"""A code, swaps that cost less by it, the bill that says so, its invoice, and its proof."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.domain.asking import AuthoriseSwap, RequestSwap, swap_id_of
from ledger.domain.money.discount_rows import DISCOUNTS, DiscountTerms
from ledger.domain.money.promo_codes import IssuePromoCode, digest_of
from ledger.exports.invoice_papers import Letterhead, sheet_of, written
from ledger.exports.proven import prove_bill
from ledger.kernel.instants import DAY, MINUTE, as_datetime, as_text
from ledger.runtime.verify import verify
from tests.support.bundles import first_of, holds_for_strangers, lie, read, relie
from tests.support.driver_money import FINANCE, SELLER, MoneyTown, money_town
from tests.support.einvoices import rule_faults, schema_faults
from tests.support.ledgers import sqlite_url
from tests.support.told_anew import do, report
from tests.support.town import PACK_CLASS

CODES = {
    "HALF": DiscountTerms(kind="percent", currency="EUR", percent_bp=5_000, max_minor=1_000),
    "FREE": DiscountTerms(kind="free_swaps", currency="EUR", swaps=1),
}

LIES = (
    ("terms.percent_bp", 5_100),
    ("terms.max_minor", "+1"),
    ("terms.max_minor", 999),
    ("terms.max_bill_minor", 600),
    ("terms.uses_max", 1),
    ("terms.components", ["ENERGY"]),
    ("terms.currency", "CNY"),
    ("terms.kind", "free_swaps"),
    ("valid_to_at", 1),
    ("driver_id", "DR-2"),
)
"""What a service may say of the grant, signed as it should: the bills do not follow from it."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: Any) -> Iterator[MoneyTown]:
    folder = tmp_path_factory.mktemp("discounts")
    with money_town(sqlite_url(folder), folder) as found:
        yield found


def issue(town: MoneyTown, word: str) -> None:
    command = IssuePromoCode(
        code_digest=digest_of(word),
        campaign_id="CP-1",
        currency="EUR",
        amount_minor=0,
        usable_until_at=town.clock.at + DAY,
        uses_max=5,
        credit_lasts_us=30 * DAY,
        discount=CODES[word],
    )
    town.ask(command, FINANCE)


def swap(town: MoneyTown, number: int, held: str, waiting: str, slots: tuple[str, str]) -> str:
    """DR-1 brings one pack to a slot and takes the other one out of the next."""
    name = str(number)
    swap_id = swap_id_of("ST-1", "B1", name)
    wish = RequestSwap(swap_id=swap_id, driver_id="DR-1", station_id="ST-1", pack_class=PACK_CLASS)
    at = town.clock.at
    do(town.ledger, wish, at)
    do(town.ledger, AuthoriseSwap(swap_id=swap_id, pack_ids=(waiting,)), at + 1)
    moves = (("swap_in", held, 2_000), ("swap_out", waiting, 9_500))
    for step, ((kind, pack_id, soc_bp), slot) in enumerate(zip(moves, slots, strict=True)):
        moved = at + (1 + step) * MINUTE
        told = {"pack_id": pack_id, "driver_id": "DR-1", "slot": slot, "soc_bp": soc_bp}
        one = report(kind, 2 * number + step, moved, request=name, **told)
        do(town.ledger, one, moved + MINUTE)
    town.clock.at = at + 5 * MINUTE
    town.doors.bearers.clear()  # he signs in again
    return swap_id


def off(town: MoneyTown, swap_id: str) -> list[int]:
    lines = town.said("GET", f"/receipts/{swap_id}")["lines"]
    return [one["net_minor"] for one in lines if one["kind"] == "discount"]


def quoted(town: MoneyTown) -> Any:
    wish = {
        "station_id": "ST-1",
        "pack_class": PACK_CLASS,
        "arrive_at": as_text(town.clock.at + 10 * MINUTE),
        "packs_count": 1,
    }
    return town.said("POST", "/quotes", wish, key=f"Q{town.clock.at}")


@pytest.fixture(scope="module")
def town(opened: MoneyTown) -> MoneyTown:
    """DR-1 entered both codes and swapped three times: what he saw then is checked on the way."""
    town = opened
    town.clock.at += DAY
    for word in CODES:
        issue(town, word)
    said = town.said("POST", "/promo-codes", {"code": "half"}, key="K1")
    assert (said["amount_minor"], said["discount"]["percent"]) == (0, "50")
    assert said["discount"]["valid_to"] == as_text(town.clock.at + 30 * DAY)
    town.said("POST", "/promo-codes", {"code": "free"}, key="K2")
    wallet = {one["kind"]: one for one in town.said("GET", "/wallet")["discounts"]}
    assert (wallet["free_swaps"]["left"], wallet["percent"]["left_minor"]) == (1, 1_000)

    quote = quoted(town)
    assert sum(one["estimate_minor"] for one in quote["lines"]) == 0  # the whole swap is free
    swap(town, 10, "PK-2", "PK-1", ("2", "1"))
    second = swap(town, 11, "PK-1", "PK-2", ("1", "2"))
    third = swap(town, 12, "PK-2", "PK-1", ("2", "1"))
    assert [sum(off(town, one)) for one in (second, third)] == [-641, -359]
    assert town.said("GET", "/wallet")["discounts"] == []
    assert [one["kind"] for one in quoted(town)["lines"]] == ["energy", "service"]
    with town.ledger.reading() as reads:
        row = reads.row(DISCOUNTS, "DR-1")
    assert row is not None
    assert [(one.uses, one.used_minor) for one in row.held] == [(2, 1_000), (1, 1_282)]
    return town


@pytest.fixture(scope="module")
def invoice(town: MoneyTown) -> tuple[str, str]:
    """The day of the swaps, and the invoice over it."""
    day = f"{as_datetime(town.clock.at):%Y-%m-%d}"
    town.clock.at += DAY
    town.doors.bearers.clear()
    town.close(day)
    items = town.said("GET", "/invoices")["items"]
    (number,) = [one["invoice_id"] for one in items if one["kind"] == "usage"]
    return day, str(number)


def test_a_bill_with_discounts_is_invoiced_in_both_syntaxes(town, invoice):
    number = invoice[1]
    lines = town.said("GET", f"/invoices/{number}")["lines"]
    swaps = {swap_id_of("ST-1", "B1", str(name)) for name in (10, 11, 12)}
    assert {one["swap_id"] for one in lines} == swaps  # the free one too
    head = Letterhead(SELLER, "help@example.net", "https://grid.example.net")
    with town.ledger.reading() as reads:
        sheet = sheet_of(reads, number, head)
        verify(reads, deep=True)
    assert sum(one.net_minor for one in sheet.document.lines) == 2 * 1_282 - 1_000
    for wanted in ("ubl", "cii"):
        content = written(sheet, wanted)
        assert (rule_faults(content, wanted), schema_faults(content)) == ([], [])


def test_strangers_find_the_same_discounts_and_every_lie_about_the_grant(town, invoice, tmp_path):
    day = invoice[0]
    bundle, remarks = holds_for_strangers(
        town.ledger, lambda reads: prove_bill(reads, "DR-1", day), tmp_path / "bill.zip"
    )
    kinds = [json.loads(entry)["kind"] for entry in bundle.entries]
    assert kinds.count("discount.granted") == len(CODES)
    assert not any("word" in one for one in remarks)
    with town.ledger.reading() as reads:
        log = list(reads.raw(0, reads.size))
    file = tmp_path / "lie.zip"
    relie(bundle, log, {}, file)
    assert read(file) == ("ok", "")
    granted = first_of(bundle, "discount.granted")
    for path, value in LIES:
        relie(bundle, log, {granted: lie(path, value)}, file)
        assert read(file) == ("refused", "M4"), path
