"""Prices of every kind in a ledger, recomputed by strangers: tiers, plans, bounds, tax inside.

Two drivers charge in March 2024. One has a plan with watt-hours and pays what goes beyond by its
tariff; one pays prices with tax, in steps over the month, at least 3.00 and at most 9.00 a stay.
A late report moves what others count from, and part of an invoice is credited.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.billing import BillUsage
from ledger.domain.money.contracts import AgreeContract, ContractTerms
from ledger.domain.money.plans import PlanTerms, PublishPlan
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.subscriptions import BeginSubscription, InvoiceSubscription
from ledger.domain.money.tariff_terms import Element, Restrictions, Step, TariffTerms, Tier
from ledger.domain.money.tariffs import PublishTariff
from ledger.exports.proven import ProvenBundle, prove_bill, prove_statement, prove_usage
from ledger.kernel.ids import key_at
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.messages import Actor, Command, Request
from ledger.runtime.crediting import credit_order
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.settling import close_period
from mobilegrid import offline_verifier as offline
from tests.support import town
from tests.support.bundles import first_of, is_good, lie, read, relie
from tests.support.ledgers import SYSTEM, made_ledger, opening, sqlite_url
from tests.support.logs import ORIGIN
from tests.support.offline import NOW_S, POLICY, policy_text, seeded_signer
from tests.support.town import IMPORTER, MARCH, OPERATOR, PERIOD

FINANCE = Actor("FI-1", "finance", "FI-2")
APRIL = MARCH + 31 * DAY


def steps(name: str, *prices: tuple[int, int], mode: str = "graduated") -> Element:
    tier = Tier("calendar_month", mode, tuple(Step(*each) for each in prices))
    return Element(name, "KWH", prices[0][1], element_id=f"{name}-1", tier=tier)


WITH_TAX = TariffTerms(
    "FR",
    "EUR",
    "Europe/Paris",
    0,
    elements=(
        steps("ENERGY", (0, 300_000), (25_000, 200_000)),
        steps("SERVICE", (0, 90_000), (40_000, 70_000), mode="volume"),
        Element("IDLE", "MINUTE", 10_000, Restrictions(min_soc_bp=9_000)),
        Element("EXTRA_PACK", "DAY", 1_200_000),
        Element("NO_SHOW", "ITEM", 2_400_000),
    ),
    tax_included=True,
    min_bill_minor=300,
    max_bill_minor=900,
)
BEYOND = TariffTerms("FR", "EUR", "Europe/Paris", 0, elements=(Element("ENERGY", "KWH", 450_000),))
PLAN = PlanTerms(
    currency="EUR",
    country="FR",
    zone="Europe/Paris",
    price_minor=2_000,
    unit="KWH",
    quantity=25_000,
    valid_from_at=0,
    overage_tariff_id="TF-2",
)


def commands() -> Iterator[tuple[int, Command, Actor]]:
    base = [*town._parties(), *town._station(), *town._packs()]
    for command in base:
        yield MARCH, command, IMPORTER
    for tariff_id, terms in (("TF-1", WITH_TAX), ("TF-2", BEYOND)):
        yield MARCH, PublishTariff(tariff_id=tariff_id, terms=terms), FINANCE
    agreed = ContractTerms(
        role="operator",
        currency="EUR",
        base="TOTAL_NET",
        ours="MG",
        weights={OPERATOR: 70, "MG": 30},
        order=(OPERATOR, "MG"),
        valid_from_at=0,
    )
    yield MARCH, AgreeContract(contract_id="CT-1", partner_id=OPERATOR, terms=agreed), FINANCE
    yield MARCH, PublishPlan(plan_id="PL-1", terms=PLAN), FINANCE
    begin = BeginSubscription(
        driver_id="DR-1", contract_id="SU-1", plan_id="PL-1", first_on="2024-03-01"
    )
    yield MARCH, begin, FINANCE
    month = InvoiceSubscription(driver_id="DR-1", period=PERIOD, issued_at=MARCH)
    yield MARCH, month, FINANCE
    stays = [(1, 2, 10_000), (1, 3, 12_000), (1, 4, 9_000)]  # the third goes beyond the plan
    stays += [(2, 2, 1_000), (2, 4, 20_000), (2, 6, 60_000), (2, 5, 9_069)]  # the last comes late
    for seq, (driver, day, energy_wh) in enumerate(stays, 1):
        stay = town._stay(driver, MARCH + day * DAY, energy_wh=energy_wh, seq=seq)
        yield MARCH + 7 * DAY + seq * HOUR, replace(stay, received_at=MARCH + 7 * DAY), IMPORTER
    fee = UsageFacts(
        kind="custody",
        usage_id="EX-1",
        driver_id="DR-2",
        station_id="ST-1",
        operator_id=OPERATOR,
        country="FR",
        tariff_id="TF-1",
        occurred_at=MARCH + 9 * DAY,
        energy_wh=0,
        level=3,
        clock_quality="S",
        extra_pack_days=3,
        dims={"swap": "SW-9"},
    )
    missed = {"usage_id": "BK-1", "extra_pack_days": 0, "is_no_show": True, "dims": {}}
    yield MARCH + 10 * DAY, BillUsage(facts=fee), SYSTEM
    yield MARCH + 10 * DAY, BillUsage(facts=replace(fee, kind="booking", **missed)), SYSTEM


def lived(url: str) -> Ledger:
    ledger = made_ledger(url, opening("sample"))
    for number, (at, command, actor) in enumerate(commands()):
        accepted(ledger.execute(Request(key_at(at, str(number)), "tests", actor, at, command)))
    close_period(ledger, PERIOD, actor=FINANCE, at=APRIL)
    return ledger


@pytest.fixture(scope="module")
def told(tmp_path_factory: Any) -> Iterator[Ledger]:
    with lived(sqlite_url(tmp_path_factory.mktemp("prices"))) as ledger:
        number = "MG1-INV-2024-000003"
        with ledger.reading() as reads:
            given = credit_order(reads, number, {}, reason="goodwill", issued_at=APRIL + DAY)
        at = APRIL + DAY
        accepted(ledger.execute(Request(key_at(at, "credit"), "tests", FINANCE, at, given)))
        sign_checkpoint(ledger, seeded_signer(ORIGIN), NOW_S)
        yield ledger


@pytest.fixture(scope="module")
def proven(told: Ledger) -> dict[str, ProvenBundle]:
    with told.reading() as reads:
        found = {driver: prove_bill(reads, driver, PERIOD) for driver in ("DR-1", "DR-2")}
        found["OP-1"] = prove_statement(reads, "OP-1", PERIOD)
        lines = found["DR-2"].manifest["lines"]
        found["usage"] = prove_usage(reads, lines[-3])  # the last one that a step counts
    return found


def bodies(bundle: ProvenBundle, kind: str) -> list[dict[str, Any]]:
    entries = [json.loads(entry) for entry in bundle.entries]
    return [entry["body"] for entry in entries if entry["kind"] == kind]


def test_prices_of_every_kind_are_recomputed(proven, tmp_path):
    policy = offline.parse_policy(policy_text(logs=[seeded_signer(ORIGIN)]))
    for name, bundle in proven.items():
        assert is_good(bundle, tmp_path / "b.zip", policy), name
    lines = [
        line
        for name in ("DR-1", "DR-2")
        for body in bodies(proven[name], "usage.accrued")
        for line in body["lines"]
    ]
    met = {line["formula"] for line in lines}
    assert met == {"meter-time-1", "allowance-wh-1", "min-bill-1", "max-bill-1", "event-1"}
    assert {"EXTRA_PACK", "NO_SHOW"} < {line["component"] for line in lines}
    assert {line.get("tier", "") for line in lines} == {"", PERIOD}
    assert bodies(proven["DR-2"], "usage.reversed"), "nothing was rated again"
    assert bodies(proven["DR-2"], "invoice.issued")[0]["rounding_minor"]
    assert bodies(proven["DR-2"], "credit_note.issued")


def test_what_was_used_before_is_in_the_bundle_and_nothing_else_of_the_driver(proven):
    alone = proven["usage"]
    assert len(bodies(alone, "usage.accrued")) > len(alone.manifest["lines"])
    assert not bodies(alone, "subscription.used")
    assert not bodies(proven["OP-1"], "subscription.used")


LIES = [
    # quantity, price, rounding, tax, tier, bound
    ("DR-2", "usage.accrued", "lines.0.quantity", "+1", "M4"),
    ("DR-2", "usage.accrued", "lines.0.rate_micro", "+1", "M4"),
    ("DR-2", "usage.accrued", "lines.0.amount_nano", "+1", "M4"),
    ("DR-2", "usage.accrued", "lines.0.net_minor", "+1", "M4"),
    ("DR-2", "usage.accrued", "lines.0.gross_minor", "+1", "M4"),
    ("DR-2", "usage.accrued", "lines.0.tier", "2024-04", "M4"),
    ("DR-2", "tariff_published", "terms.elements.0.tier.steps.1.from_quantity", "+1", "M4"),
    ("DR-2", "tariff_published", "terms.elements.0.tier.steps.1.rate_micro", 210_000, "M4"),
    ("DR-2", "tariff_published", "terms.elements.0.tier.mode", "volume", "M4"),
    ("DR-2", "tariff_published", "terms.elements.1.tier.steps.1.from_quantity", 10, "M4"),
    ("DR-2", "tariff_published", "terms.min_bill_minor", "+1", "M4"),
    ("DR-2", "tariff_published", "terms.max_bill_minor", "+1", "M4"),
    ("DR-2", "tariff_published", "terms.tax_included", False, "M4"),
    ("DR-2", "invoice.issued", "rounding_minor", "+1", "M6"),
    ("DR-2", "invoice.issued", "taxes.0.net_minor", "+1", "M6"),
    ("DR-2", "credit_note.issued", "rounding_minor", "+1", "M6"),
    ("DR-2", "credit_note.issued", "lines.0.invoiced_minor", "+1", "M6"),
    ("DR-2", "tariff_published", "terms.elements.3.rate_micro", "+1", "M4"),
    ("DR-2", "tariff_published", "terms.elements.4.per", "DAY", "M4"),
    # allowances
    ("DR-1", "subscription.invoiced", "quantity", "+1", "M4"),
    ("DR-1", "subscription.began", "terms.overage_tariff_id", "TF-1", "M4"),
    ("DR-1", "usage.accrued", "lines.0.formula", "meter-time-1", "M4"),
    ("DR-1", "usage.accrued", "lines.0.quantity", "+1", "M4"),
    # shares
    ("OP-1", "tariff_published", "terms.max_bill_minor", "+1", "M4"),
    ("OP-1", "usage.accrued", "lines.0.quantity", "+1", "M4"),
    ("OP-1", "share.accrued", "energy_net_minor", "+1", "M4"),
]


@pytest.fixture(scope="module")
def log(told: Ledger) -> list[bytes]:
    with told.reading() as reads:
        return list(reads.raw(0, reads.size))


@pytest.mark.parametrize("row", LIES, ids=str)
def test_a_signed_lie_about_a_price_is_found(proven, log, tmp_path, row):
    name, kind, path, value, step = row
    bundle = proven[name]
    relie(bundle, log, {first_of(bundle, kind): lie(path, value)}, tmp_path / "lie.zip")
    assert read(tmp_path / "lie.zip") == ("refused", step)


def told_of(bundle: ProvenBundle, log: list[bytes], change: Callable[[Any], None], file) -> str:
    relie(bundle, log, {first_of(bundle, "subscription.used"): change}, file)
    with pytest.raises(offline.EvidenceRefused) as refused:
        offline.verify_bundle(file, POLICY, NOW_S, offline.Report())
    return str(refused.value)


def test_an_allowance_that_was_used_otherwise_than_billed_is_named(proven, log, tmp_path):
    file = tmp_path / "lie.zip"
    more = told_of(proven["DR-1"], log, lie("quantity", "+1"), file)
    other = told_of(proven["DR-1"], log, lie("usage_id", "CS-99"), file)
    assert "another allowance was used than its bill says" in more
    assert "another allowance was used than its bill says" in other
