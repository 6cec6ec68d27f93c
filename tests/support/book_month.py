"""A small network whose books are kept by months: January 2026, in Berlin."""

from typing import Any

from ledger.domain.money.billing import BillUsage
from ledger.domain.money.contracts import AgreeContract, ContractTerms
from ledger.domain.money.depreciation import CapitalisePack, ReleaseAssetPolicy
from ledger.domain.money.energy_trade import BuyEnergy
from ledger.domain.money.manual_entries import PostManualEntry
from ledger.domain.money.period_close import OpenBooks
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.opening import OpenLedger
from ledger.domain.parties import RegisterParty
from ledger.domain.takeover import TakeOverPack
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor, Command, Receipt
from ledger.kernel.postings import Posting
from ledger.runtime.ledger import Ledger, accepted, create_ledger
from tests.support.books import at
from tests.support.ledgers import SYSTEM, asking

FINANCE = Actor("F1", "finance", "F2")
MANAGER = Actor("M1", "asset_manager", "M2")
ZONE = "Europe/Berlin"
PAPER = "5a" * 32

TARIFF = TariffTerms(
    country="DE",
    currency="EUR",
    zone=ZONE,
    valid_from_at=at("2025-01-01T00:00"),
    elements=(Element("ENERGY", "KWH", 300_000), Element("SERVICE", "ITEM", 2_000_000)),
)
CONTRACT = ContractTerms(
    role="operator",
    currency="EUR",
    base="TOTAL_NET",
    ours="MG-1",
    weights={"OP-1": 60, "MG-1": 40},
    order=("OP-1", "MG-1"),
    valid_from_at=at("2025-01-01T00:00"),
)
PACK = TakeOverPack(
    pack_id="PK-1",
    account="Packs:Depot:DP-1:Stored",
    pack_class="A",
    nominal_wh=75_000,
    soh_bp=9_800,
    soc_bp=9_000,
    title_holder_id="MG-1",
)


def party(party_id: str, role: str) -> RegisterParty:
    """Register an organisation."""
    return RegisterParty(party_id=party_id, party_roles=(role,), country="DE")


def usage(number: int, begin: str, energy_wh: int = 10_000) -> BillUsage:
    """An hour of charging of a driver."""
    begin_at = at(begin)
    return BillUsage(
        facts=UsageFacts(
            kind="charging_session",
            usage_id=f"CS-{number}",
            driver_id="DR-1",
            station_id="ST-1",
            operator_id="OP-1",
            country="DE",
            tariff_id="T-1",
            occurred_at=begin_at,
            energy_wh=energy_wh,
            level=4,
            clock_quality="S",
            begin_at=begin_at,
            end_at=begin_at + HOUR,
        )
    )


def by_hand(number: int, minor: int, posting_date: str = "") -> PostManualEntry:
    """Capital paid in, by hand."""
    lines = (
        Posting("Assets:Bank:Operating", "EUR", minor, {"bank_account": "BA-1"}),
        Posting("Equity:Capital", "EUR", -minor),
    )
    return PostManualEntry(
        manual_id=f"ME-{number}",
        lines=lines,
        reason="capital paid in",
        documents=(PAPER,),
        posting_date=posting_date,
    )


JANUARY: tuple[tuple[str, Actor, Command], ...] = (
    ("2026-01-01T08:00", FINANCE, OpenBooks(period="2026-01", zone=ZONE)),
    ("2026-01-01T08:00", MANAGER, party("MG-1", "title_holder")),
    ("2026-01-01T08:00", MANAGER, party("OP-1", "operator")),
    ("2026-01-01T08:00", MANAGER, party("DP-1", "depot")),
    ("2026-01-01T08:00", MANAGER, party("SV-1", "service")),
    ("2026-01-01T09:00", FINANCE, PublishTariff(tariff_id="T-1", terms=TARIFF)),
    (
        "2026-01-01T09:00",
        FINANCE,
        AgreeContract(contract_id="CO-1", partner_id="OP-1", terms=CONTRACT),
    ),
    ("2026-01-02T09:00", MANAGER, PACK),
    (
        "2026-01-02T10:00",
        FINANCE,
        ReleaseAssetPolicy(policy_id="AP-1", residual_bp=2_000, end_bp=7_000, life_months=100),
    ),
    (
        "2026-01-02T10:00",
        FINANCE,
        CapitalisePack(
            pack_id="PK-1",
            partner_id="SV-1",
            policy_id="AP-1",
            currency="EUR",
            cost_minor=900_000,
            in_service_on="2026-01-02",
            tax_code="DE-S-1900",
            tax_minor=171_000,
        ),
    ),
    (
        "2026-01-03T10:00",
        FINANCE,
        BuyEnergy(
            purchase_id="EP-1",
            partner_id="SV-1",
            currency="EUR",
            net_minor=9_600,
            stored_wh=1_150_000,
            tax_code="DE-S-1900",
            tax_minor=1_824,
        ),
    ),
    ("2026-01-10T12:00", SYSTEM, usage(1, "2026-01-10T10:00")),
    ("2026-01-31T23:30", SYSTEM, usage(2, "2026-01-31T21:50")),
    ("2026-01-31T23:40", SYSTEM, usage(3, "2026-01-31T23:10")),  # the 1st of February in Berlin
)


def new_month(url: str) -> Ledger:
    """Open a ledger that lived through January."""
    command = OpenLedger(ledger="month", origin="log.example.net/log/month", zone=ZONE)
    ledger = create_ledger(url, asking(command, "open", actor=SYSTEM, at=at("2026-01-01T07:00")))
    for when, actor, asked in JANUARY:
        do(ledger, asked, when, actor)
    return ledger


def do(ledger: Ledger, command: Command, when: str, actor: Actor = FINANCE) -> Receipt:
    """Ask for something at a time, and have it."""
    return accepted(ledger.execute(ask(command, when, actor)))


def ask(command: Command, when: str, actor: Actor = FINANCE) -> Any:
    """Make a request with a key of its own."""
    return asking(command, f"{when} {command}", actor=actor, at=at(when))
