"""Statements with more than shares on them: sales in a partner's name, energy, rents, by hand.

OP-1 sells what is used at his station in his own name, is paid for packs and energy, buys some, and
gets something by hand. Strangers recompute his statement from its entries, and find each lie.
"""

import json
from functools import partial

import msgspec
import pytest

from ledger.domain.money.agency import Seller
from ledger.domain.money.agent_sales import RecordAgentSale
from ledger.domain.money.contracts import AgreeContract
from ledger.domain.money.energy_trade import BuyEnergy, CorrectEnergyPurchase, SellEnergy
from ledger.domain.money.manual_entries import PostManualEntry
from ledger.domain.money.pack_dues import AccruePackDues, DuesCount
from ledger.domain.pack_days import LienDays, RentDays
from ledger.exports.proven import prove_statement
from ledger.kernel.instants import DAY, HOUR
from ledger.kernel.postings import Posting
from ledger.runtime.crediting import credit_order
from ledger.runtime.settling import close_period
from tests.support.bundles import holds_for_strangers, lie, read, relie
from tests.support.ledgers import sqlite_url
from tests.support.offline import canonical
from tests.support.told_anew import AT, FINANCE, SWAP, do, swapped_town
from tests.support.town import MARCH, OPERATOR, PACK_CLASS
from tests.support.usage import agreement

SELLER = Seller("OP-1", "Example Swaps", "Rue 1", "75001", "Paris", "FR", "FR123456789")
SALES = agreement(model="agent", weights={}, order=(), commission_bp=1_000, seller=SELLER)
RENTS = agreement(
    weights={OPERATOR: 30, "MG": 70},
    order=(OPERATOR, "MG"),
    rent_micro={PACK_CLASS: 1_250_000},
    instalment_ppm=685,
)
COUNT = DuesCount(
    9,
    (RentDays(OPERATOR, PACK_CLASS, "MG", "CT-3", 60),),
    (LienDays(OPERATOR, "LI-1", "PK-1", "MG", 450_000, "EUR", 30),),
)
APRIL, MAY = MARCH + 31 * DAY, MARCH + 61 * DAY
BY_HAND = PostManualEntry(
    manual_id="ME-1",
    lines=(
        Posting("Liabilities:Partners:Accrued", "EUR", -500, {"partner": OPERATOR}),
        Posting("Expenses:Partner-Share", "EUR", 500, {"partner": OPERATOR}),
    ),
    reason="goodwill",
    documents=("5a" * 32,),
)
TRADE = (
    RecordAgentSale(
        sale_id="AS-1",
        partner_id=OPERATOR,
        contract_id="CT-2",
        driver_id="DR-1",
        station_id="ST-1",
        country="FR",
        gross_minor=2_500,
        sold_at=AT + DAY,
    ),
    BuyEnergy(
        purchase_id="EP-1",
        partner_id=OPERATOR,
        currency="EUR",
        net_minor=9_600,
        stored_wh=1_150_000,
        tax_code="FR-S-2000",
        tax_minor=1_920,
    ),
    CorrectEnergyPurchase(purchase_id="EP-1", net_minor=9_500, tax_minor=1_900, reason="invoice"),
    SellEnergy(
        sale_id="VS-1", partner_id=OPERATOR, currency="EUR", energy_wh=100_000, net_minor=500
    ),
    AccruePackDues(
        partner_id=OPERATOR, contract_id="CT-3", period="2024-02", count=COUNT, recount=COUNT
    ),
    BY_HAND,
)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    url = sqlite_url(tmp_path_factory.mktemp("trade"))
    agreed = [
        AgreeContract(contract_id=name, partner_id=OPERATOR, terms=terms)
        for name, terms in (("CT-2", SALES), ("CT-3", RENTS))
    ]
    with swapped_town(url, agreed) as ledger:
        for number, command in enumerate(TRADE):
            do(ledger, command, AT + DAY + number * HOUR, FINANCE)
        close_period(ledger, "2024-03", actor=FINANCE, at=APRIL)
        with ledger.reading() as reads:
            order = credit_order(
                reads, "OP-1-INV-2024-000001", {}, reason="goodwill", issued_at=APRIL, usage_id=SWAP
            )
        do(ledger, order, APRIL + DAY, FINANCE)
        close_period(ledger, "2024-04", actor=FINANCE, at=MAY)
        yield ledger


LIES = [
    ("2024-03", "agent.sale", "commission_minor", "+1"),
    ("2024-03", "agent.sale", "gross_minor", "+1"),
    ("2024-03", "agent.sale", "contract_version", 2),
    ("2024-03", "energy.bought", "net_minor", "+1"),
    ("2024-03", "energy.purchase_corrected", "tax_minor", "+1"),
    ("2024-03", "v2g.sold", "net_minor", "+1"),
    ("2024-03", "pack_dues.accrued", "rents.0.pack_days", 61),
    ("2024-03", "pack_dues.accrued", "rents.0.rate_micro", "+1"),
    ("2024-03", "pack_dues.accrued", "instalments.0.amount_minor", "+1"),
    ("2024-03", "pack_dues.accrued", "partner_id", "OP-2"),
    ("2024-03", "share.accrued", "agency.commission_minor", "+1"),
    ("2024-03", "share.accrued", "agency.gross_minor", "+1"),
    ("2024-04", "invoice.issued", "gross_minor", "+1"),
    ("2024-04", "invoice.issued", "taxes.0.tax_minor", "+1"),
    ("2024-04", "credit_note.issued", "gross_minor", "+1"),
    ("2024-04", "share.reduced", "shares.MG", "+1"),
]


@pytest.mark.parametrize(
    ("period", "sources"),
    [
        (
            "2024-03",
            {
                *("agent.sale", "energy.bought", "energy.purchase_corrected", "v2g.sold"),
                *("pack_dues.accrued", "manual.posted", "share.accrued"),
            },
        ),
        ("2024-04", {"invoice.issued", "credit_note.issued", "share.reduced"}),
    ],
)
def test_strangers_recompute_a_statement_with_all_its_lines(town, tmp_path, period, sources):
    make = partial(prove_statement, partner_id=OPERATOR, period=period)
    bundle, remarks = holds_for_strangers(town, make, tmp_path / "statement.zip")
    shown = dict(zip(bundle.manifest["positions"], map(json.loads, bundle.entries), strict=True))
    lines = bundle.manifest["lines"]
    assert {shown[place]["kind"] for place in lines} == sources
    assert [one for one in remarks if "no shares" in one]
    with town.reading() as reads:
        log = list(reads.raw(0, reads.size))
    for _, kind, path, value in [row for row in LIES if row[0] == period]:
        place = max(at for at in lines if shown[at]["kind"] == kind)
        relie(bundle, log, {place: lie(path, value)}, tmp_path / "lie.zip")
        assert read(tmp_path / "lie.zip") == ("refused", "M4"), (kind, path)
    entry = next(at for at in lines if shown[at]["kind"] != "share.accrued")
    own = next(one for one in shown[entry]["postings"] if one["account"].endswith("Accrued"))
    bent = msgspec.json.decode(log[entry])
    bent["postings"][shown[entry]["postings"].index(own)]["quantity"] -= 1
    relie(bundle, [*log[:entry], canonical(bent), *log[entry + 1 :]], {}, tmp_path / "lie.zip")
    assert read(tmp_path / "lie.zip")[0] == "refused"
