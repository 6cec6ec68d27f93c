"""A ledger in which OP-1 earned shares of swaps in May 2026, ready to be settled and paid."""

from pathlib import Path
from typing import Any

import msgspec

from ledger.domain.money.bank_accounts import RegisterBankAccount
from ledger.domain.money.billing import BillUsage
from ledger.domain.money.contracts import AgreeContract
from ledger.domain.money.payees import ApprovePayee, PayeeAccount
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.parties import RegisterParty
from ledger.kernel.instants import DAY, HOUR, parse_instant
from ledger.kernel.messages import Actor, Command, Receipt, Request
from ledger.runtime.ledger import Ledger, accepted, create_ledger
from tests.support.bank_files import OWN_IBAN
from tests.support.ledgers import SYSTEM, asking, opening, sqlite_url
from tests.support.partners import CLERKS, IBAN, PAYER
from tests.support.usage import agreement, swap, terms

MAY_2026 = parse_instant("2026-05-01T00:00:00Z", "at")
JUNE_2026 = parse_instant("2026-06-01T00:00:00Z", "at")
PAY_AT = JUNE_2026 + 5 * DAY
OPERATOR = Actor("OP-1", "operator")
MAKER = Actor("P1", "finance")
CHECKER = Actor("P2", "finance")

_NAMES = {"OP-1": "Example Swaps GmbH", "CAR-1": "Car Care AG", "MG": "Mobile Grid GmbH"}


class Desk:
    """Asks a ledger for one thing after the other; every key is new."""

    def __init__(self, ledger: Ledger) -> None:
        """Sit down before a ledger."""
        self.ledger = ledger
        self._count = 0

    def ask(self, command: Command, actor: Actor = PAYER, *, at: int = JUNE_2026) -> Receipt:
        """Ask, and give the receipt whatever it says."""
        self._count += 1
        return self.ledger.execute(asking(command, f"desk {self._count}", actor=actor, at=at))

    def do(self, command: Command, actor: Actor = PAYER, *, at: int = JUNE_2026) -> Receipt:
        """Ask for what must not be refused."""
        return accepted(self.ask(command, actor, at=at))


def billing(number: int, at: int = 0) -> Request:
    """Bill swap `number`: 6.00 of it are shared, 1.80 for OP-1."""
    occurred = at or MAY_2026 + number * HOUR
    facts = swap(usage_id=f"SW-{number}", occurred_at=occurred, booking_id=f"BK-{number}")
    return asking(BillUsage(facts=facts), f"swap {number}", actor=SYSTEM, at=occurred)


def settled_desk(folder: Path, swaps: int = 5, *, url: str = "", **contract: Any) -> Desk:
    """Make the ledger: parties, tariff, contract, payee, bank account, and swaps in May."""
    ledger = create_ledger(url or sqlite_url(folder), opening())
    desk = Desk(ledger)
    begun = MAY_2026 - DAY
    for name, legal_name in _NAMES.items():
        party = RegisterParty(
            party_id=name, party_roles=("operator",), country="DE", legal_name=legal_name
        )
        desk.do(party, SYSTEM, at=begun)
    driver = RegisterParty(party_id="DR-1", party_roles=("driver",), country="DE")
    desk.do(driver, SYSTEM, at=begun)
    tariff = PublishTariff(tariff_id="T1", terms=terms())
    desk.do(tariff, at=begun)
    agreed = msgspec.structs.replace(agreement(), **{"route": "bank_file"} | contract)
    desk.do(AgreeContract(contract_id="CO-1", partner_id="OP-1", terms=agreed), at=begun)
    payee = PayeeAccount("Example Swaps GmbH", iban=IBAN)
    approve = ApprovePayee(payee_id="PE-1", partner_id="OP-1", paid_to=payee)
    desk.do(approve, CLERKS, at=begun)
    account = RegisterBankAccount(
        bank_account_id="BA-1", number=OWN_IBAN, currency="EUR", opened_on="2026-04-30"
    )
    desk.do(account, at=begun)
    ledger.execute_all([billing(number) for number in range(1, swaps + 1)])
    return desk
