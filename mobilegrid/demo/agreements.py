"""What the town agreed with its partners before the first swap: shares, settling, accounts, assets.

A station operator, the trading centre, the bank and the car service each have terms of their own by
which they are settled every week; who gets what of a swap stands in the contracts of the operators.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ledger.domain.money.bank_accounts import RegisterBankAccount
from ledger.domain.money.contracts import AgreeContract, ContractTerms
from ledger.domain.money.depreciation import CapitalisePack, ReleaseAssetPolicy
from ledger.domain.money.payees import ApprovePayee, PayeeAccount
from ledger.domain.money.period_close import OpenBooks
from ledger.kernel.messages import Actor, Command

US, SUPPLIER = "MG", "FB-1"
CURRENCY = "EUR"
MONTH = "2026-03"

FINANCE = Actor("FI-1", "finance", "FI-2")
CHECKER = Actor("FI-2", "finance")
CLERKS = Actor("FI-3", "finance", "FI-4")
"""They approve accounts of partners, and therefore never release money to one."""

BANK_ACCOUNT = "BA-1"
OUR_IBAN = "FR9530001007940000000000000"
OPENED_ON, OPENING_MINOR = "2026-03-09", 2_500_000
CLAUSE = "CLAUSE-7"


class Partner(NamedTuple):
    """A partner as finance knows him: his role, and the account he named first."""

    partner_id: str
    role: str
    holder: str
    iban: str


PARTNERS = (
    Partner("OP-NORD", "operator", "Nord Stations", "FR1430001007940000000000100"),
    Partner("OP-SUD", "operator", "Sud Stations", "FR3030001007940000000000200"),
    Partner("TC-1", "trading_centre", "Electricity trading centre", "FR4630001007940000000000300"),
    Partner("BK-1", "bank", "Bank of the large packs", "FR6230001007940000000000400"),
    Partner("SV-1", "service", "Car service", "FR7830001007940000000000500"),
)
CLOSED_IBAN, NEW_IBAN = "FR7830001007940000000000500", "FR9430001007940000000000600"
"""The account that the car service has given up, and the one it names when money came back."""

_POLICY = "AP-1"
_VAT = "FR-S-2000"
VAT_BP = 2_000


def payee_of(partner_id: str) -> str:
    """Name the payee of a partner."""
    return f"PE-{partner_id}"


def contracts(operators: Iterable[str], zone: str, from_at: int) -> Iterator[AgreeContract]:
    """Agree with everybody: operators share what is sold, all are settled each Monday."""
    for operator_id in operators:
        name = operator_id.removeprefix("OP-")
        service = {operator_id: 60, US: 25, "BK-1": 10, "SV-1": 5}
        energy = {operator_id: 40, "TC-1": 5, US: 55}
        for what, base, weights in (
            ("SERVICE", "SERVICE_NET", service),
            ("ENERGY", "ENERGY_NET", energy),
        ):
            terms = _terms(("operator", base, weights), zone, from_at)
            yield AgreeContract(
                contract_id=f"CT-{name}-{what}", partner_id=operator_id, terms=terms
            )
    for partner_id, base, weight in (
        ("TC-1", "ENERGY_NET", 5),
        ("BK-1", "SERVICE_NET", 10),
        ("SV-1", "SERVICE_NET", 5),
    ):
        role = next(one.role for one in PARTNERS if one.partner_id == partner_id)
        shared = {partner_id: weight, US: 100 - weight}
        terms = _terms((role, base, shared), zone, from_at)
        yield AgreeContract(contract_id=f"CT-{partner_id}", partner_id=partner_id, terms=terms)


def _terms(shared: tuple[str, str, dict[str, int]], zone: str, from_at: int) -> ContractTerms:
    role, base, weights = shared
    return ContractTerms(
        role=role,
        currency=CURRENCY,
        base=base,
        ours=US,
        weights=weights,
        order=tuple(weights),
        valid_from_at=from_at,
        cycle="weekly",
        zone=zone,
        payment_terms_days=3,
        response_days=7,
        deemed_clause=CLAUSE,
        netting=True,
        route="bank_file",
    )


def books(zone: str) -> Iterator[Command]:
    """Begin to keep books: the month, our account, and how packs lose their value."""
    yield OpenBooks(period=MONTH, zone=zone)
    yield RegisterBankAccount(
        bank_account_id=BANK_ACCOUNT,
        number=OUR_IBAN,
        currency=CURRENCY,
        opened_on=OPENED_ON,
        opening_minor=OPENING_MINOR,
    )
    yield ReleaseAssetPolicy(policy_id=_POLICY, residual_bp=2_000, end_bp=7_000, life_months=96)


def payees() -> Iterator[ApprovePayee]:
    """Approve where each partner is paid."""
    for one in PARTNERS:
        account = PayeeAccount(one.holder, iban=one.iban)
        yield ApprovePayee(
            payee_id=payee_of(one.partner_id), partner_id=one.partner_id, paid_to=account
        )


def bought(packs: Iterable[tuple[str, int]], day: str) -> Iterator[CapitalisePack]:
    """Take packs into the assets, each at its cost (minor units) on a day."""
    for pack_id, cost_minor in packs:
        yield CapitalisePack(
            pack_id=pack_id,
            partner_id=SUPPLIER,
            policy_id=_POLICY,
            currency=CURRENCY,
            cost_minor=cost_minor,
            in_service_on=day,
            tax_code=_VAT,
            tax_minor=vat(cost_minor),
        )


def vat(net_minor: int) -> int:
    """Give the tax on a net amount (minor units), half a unit rounded up."""
    return (net_minor * VAT_BP + 5_000) // 10_000


def tax_code() -> str:
    """Name the tax of the town's country."""
    return _VAT
