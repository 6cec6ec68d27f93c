"""Balances with a limit, tested in the commit: once after a command, pending amounts counted."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ledger.domain.money.energy_trade import CorrectEnergyPurchase
from ledger.domain.money.pending import ReserveMoney, TopUpWallet
from ledger.domain.money.pending_rows import WALLETS, Wallet
from ledger.domain.parties import RegisterParty
from ledger.domain.world import World
from ledger.kernel.errors import Refused
from ledger.kernel.instants import HOUR
from ledger.kernel.refusal import Refusal
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.limits import Limits
from ledger.store.append import Row
from tests.support.book_month import MANAGER, ask, do, new_month
from tests.support.books import at
from tests.support.ledgers import SYSTEM
from tests.support.stores import BOTH, new_database

WALLET, STOCK = "Liabilities:Wallets:Paid-In", "Assets:Inventory:Energy"
MINE = (WALLET, "DR-1", "EUR")


def row(quantity: int, account: str = WALLET, item: str = "DR-1") -> Row:
    return (account, item, 7, 0, "EUR", quantity, 0)


def worlds(reserved: int = 0) -> World:
    world = World(complete=True)
    world.put(WALLETS, "DR-1|EUR", Wallet("DR-1", "EUR", 0, reserved))
    return world


class Stored:
    """Balances as a store would give them, and how often it was asked."""

    def __init__(self, **held: int) -> None:
        self.held = held
        self.asked: list[list[Any]] = []

    def __call__(self, keys: Any) -> dict[Any, int]:
        self.asked.append(list(keys))
        return {key: self.held[key[1]] for key in keys if key[1] in self.held}


def test_what_is_stored_counts_and_is_read_once() -> None:
    limits, stored = Limits(), Stored(**{"DR-1": -500})
    assert limits.count([row(300)], worlds(), stored) is None
    assert limits.count([row(200)], worlds(), stored) is None
    refusal = limits.count([row(1)], worlds(), stored)
    assert isinstance(refusal, Refusal)
    assert refusal.facts == {"account": WALLET, "item": "DR-1", "commodity": "EUR"}
    assert stored.asked == [[MINE]]


def test_a_refusal_leaves_everything_as_it_was() -> None:
    limits, stored = Limits(), Stored(**{"DR-1": -500})
    assert isinstance(limits.count([row(501)], worlds(), stored), Refusal)
    assert limits.count([row(500)], worlds(), stored) is None


def test_a_command_is_tested_once_after_all_its_entries() -> None:
    limits, stored = Limits(), Stored(**{"DR-1": -500})
    reversal, correction = row(700), row(-400)
    assert limits.count([reversal, correction], worlds(), stored) is None
    assert isinstance(limits.count([row(201)], worlds(), stored), Refusal)


def test_reserved_money_is_as_good_as_gone() -> None:
    limits, stored = Limits(), Stored(**{"DR-1": -500})
    assert isinstance(limits.count([row(201)], worlds(300), stored), Refusal)
    assert limits.count([row(200)], worlds(300), stored) is None


def test_a_debit_limit_is_the_other_way_round_and_a_rise_is_never_refused() -> None:
    limits, stored = Limits(), Stored()
    assert isinstance(limits.count([row(-1, STOCK, "")], worlds(), stored), Refusal)
    assert limits.count([row(5, STOCK, "")], worlds(), stored) is None
    assert limits.count([row(-5, STOCK, "")], worlds(), stored) is None
    # a key that is below its limit already, by an older rule, may still come nearer to it
    below = Stored(**{"DR-1": 50})
    assert limits.count([row(-20)], worlds(), below) is None


def test_accounts_without_a_limit_cost_nothing() -> None:
    limits, stored = Limits(), Stored()
    assert limits.count([row(5, "Income:Energy", "")], worlds(), stored) is None
    assert stored.asked == []


def test_too_many_kept_balances_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    limits, stored = Limits(), Stored(**{"DR-1": -500})
    limits.count([row(1)], worlds(), stored)
    limits.forget_many()
    limits.count([row(1)], worlds(), stored)
    assert len(stored.asked) == 1
    monkeypatch.setattr("ledger.runtime.limits.KEPT_MAX", 0)
    limits.forget_many()
    limits.count([row(1)], worlds(), stored)
    assert len(stored.asked) == 2


# In a ledger ----------------------------------------------------------------------------------


@pytest.fixture(params=BOTH)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with new_month(new_database(request.param, request, tmp_path)) as made:
        driver = RegisterParty(party_id="DR-1", party_roles=("driver",), country="DE")
        do(made, driver, "2026-02-01T08:00", MANAGER)
        yield made


def balance(ledger: Ledger, account: str, item: str = "") -> int:
    with ledger.reading() as reads:
        return sum(one.quantity for one in reads.balances(account, item=item))


def test_the_stock_of_energy_never_falls_below_nothing(ledger: Ledger) -> None:
    nothing = CorrectEnergyPurchase(purchase_id="EP-1", net_minor=0, reason="a gift")
    before = balance(ledger, STOCK)
    assert before > 0
    do(ledger, nothing, "2026-02-02T08:00")
    assert balance(ledger, STOCK) == 0


def test_writers_that_share_a_wallet_never_spend_more_than_is_there(ledger: Ledger) -> None:
    """Eight threads reserve at once; whoever comes too late is refused."""
    top_up = TopUpWallet(payment_id="PI-1", driver_id="DR-1", currency="EUR", amount_minor=500)
    do(ledger, top_up, "2026-02-02T08:00", SYSTEM)
    refused: list[str] = []

    def reserve(number: int) -> None:
        command = ReserveMoney(
            pending_id=f"PE-{number}",
            driver_id="DR-1",
            means="wallet",
            currency="EUR",
            amount_minor=100,
            expires_at=at("2026-02-02T09:00") + HOUR,
        )
        try:
            accepted(ledger.execute(ask(command, "2026-02-02T09:00", SYSTEM)))
        except Refused as error:
            refused.append(error.refusal.code.wire)

    threads = [Thread(target=reserve, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert refused == ["limit_breached"] * 3
    with ledger.reading() as reads:
        wallet = reads.row(WALLETS, "DR-1|EUR")
    assert wallet is not None
    assert (wallet.reserved_minor, wallet.available_minor) == (500, 0)
