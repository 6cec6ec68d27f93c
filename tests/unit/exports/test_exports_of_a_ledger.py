"""Exports read from a ledger: what it says of itself, in books and tables."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.domain.money.billing import BillUsage
from ledger.domain.money.contracts import AgreeContract, ContractTerms
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.parties import RegisterParty
from ledger.domain.takeover import TakeOverPack
from ledger.exports.books import export_books
from ledger.exports.history import export_history, export_postings
from ledger.exports.statements import export_statement
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor, Command
from ledger.runtime.ledger import Ledger
from ledger.runtime.reads import Reads
from ledger.runtime.settling import close_period
from tests.support.books import at
from tests.support.ledgers import OPENED_AT, SYSTEM, asking, new_ledger, sqlite_url

FINANCE = Actor("F1", "finance", "F2")
MANAGER = Actor("M1", "asset_manager", "M2")

TARIFF = TariffTerms(
    country="DE",
    currency="EUR",
    zone="Europe/Berlin",
    valid_from_at=at("2023-01-01T00:00"),
    elements=(Element("ENERGY", "KWH", 300_000), Element("SERVICE", "ITEM", 2_000_000)),
)
CONTRACT = ContractTerms(
    role="operator",
    currency="EUR",
    base="TOTAL_NET",
    ours="MG-1",
    weights={"OP-1": 60, "MG-1": 40},
    order=("OP-1", "MG-1"),
    valid_from_at=at("2023-01-01T00:00"),
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


def usage(number: int, begin_at: int) -> BillUsage:
    """An hour of charging, 10 kWh."""
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
            energy_wh=10_000,
            level=4,
            clock_quality="S",
            begin_at=begin_at,
            end_at=begin_at + DAY // 24,
        )
    )


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Opened in November 2023: a pack, three bills in three months, November's statement."""
    commands: list[tuple[Command, Actor, int]] = [
        (RegisterParty(party_id="MG-1", party_roles=("title_holder",), country="DE"), MANAGER, 1),
        (RegisterParty(party_id="OP-1", party_roles=("operator",), country="DE"), MANAGER, 1),
        (RegisterParty(party_id="DP-1", party_roles=("depot",), country="DE"), MANAGER, 1),
        (PublishTariff(tariff_id="T-1", terms=TARIFF), FINANCE, 2),
        (AgreeContract(contract_id="CO-1", partner_id="OP-1", terms=CONTRACT), FINANCE, 2),
        (PACK, MANAGER, 3),
        *((usage(n, OPENED_AT + n * 30 * DAY), SYSTEM, 4 + n * 30 * DAY) for n in range(3)),
    ]
    with new_ledger(sqlite_url(tmp_path_factory.mktemp("town"))) as made:
        for n, (command, actor, after) in enumerate(commands):
            made.execute(asking(command, f"{n}", actor=actor, at=OPENED_AT + after))
        close_period(made, "2023-11", actor=FINANCE, at=OPENED_AT + 70 * DAY, partner_id="OP-1")
        yield made


@pytest.fixture
def reads(ledger: Ledger) -> Iterator[Reads]:
    with ledger.reading() as now:
        yield now


def test_the_books_of_a_ledger_close_with_its_balances(reads: Reads, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    control = export_books(reads, tmp_path, progress=lambda done, size: seen.append((done, size)))
    assert seen == [(reads.size, reads.size)]
    assert control.closing == {
        "Assets:Energy:Pack": ["66.150 KWH"],
        "Assets:Packs:Depot": ["1 PACK"],
        "Assets:Receivables:Unbilled": ["15.00 EUR"],
        "Equity:Units:Energy:Revaluation": ["-66.150 KWH"],
        "Equity:Units:Packs:Acquired": ["-1 PACK"],
        "Equity:Units:Title:Holder": ["1 PACK"],
        "Equity:Units:Title:Issued": ["-1 PACK"],
        "Expenses:Partner-Share": ["9.00 EUR"],
        "Income:Energy": ["-9.00 EUR"],
        "Income:Swap-Service": ["-6.00 EUR"],
        "Liabilities:Partners:Accrued": ["-9.00 EUR"],
    }
    text = (tmp_path / "journal.txt").read_text("ascii")
    assert text.count("\n\n") == control.transactions == control.entries == 7


def test_the_books_of_a_month_begin_where_the_month_before_ended(
    reads: Reads, tmp_path: Path
) -> None:
    november = export_books(reads, tmp_path / "11", "2023-11", leaves=True)
    december = export_books(reads, tmp_path / "12", "2023-12", leaves=True)
    assert november.closing["Assets:Receivables:Unbilled"] == ["5.00 EUR"]
    assert december.closing["Assets:Receivables:Unbilled"] == ["10.00 EUR"]
    opening, first = (tmp_path / "12" / "journal.txt").read_text("ascii").split("\n\n")[:2]
    assert opening.startswith('2023-12-01 * "Mobile Grid" "opening"\n')
    assert "  Assets:Energy:Pack:PK-1  66.150 KWH" in opening
    assert first.startswith('2023-12-14 * "Mobile Grid" "usage accrued"\n')
    assert not (tmp_path / "11" / "journal.txt").read_text("ascii").count("opening")


def test_a_period_is_a_month_or_a_day(reads: Reads, tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        export_books(reads, tmp_path, "November")
    with pytest.raises(Malformed):
        export_postings(reads, tmp_path / "p.csv", "2023-13")


def test_the_history_of_a_pack_is_told_as_of_a_moment(reads: Reads, tmp_path: Path) -> None:
    now = export_history(reads, "PK-1", tmp_path / "now.csv")
    then = export_history(
        reads, "PK-1", tmp_path / "then.csv", reads.moment(valid_at=OPENED_AT + 2)
    )
    assert (now.rows, then.rows, now.totals) == (1, 0, {"energy_wh": "66150"})
    with pytest.raises(NotFound):
        export_history(reads, "PK-2", tmp_path / "none.csv")


def test_the_postings_of_a_period_are_some_of_all(reads: Reads, tmp_path: Path) -> None:
    seen: list[int] = []
    every = export_postings(reads, tmp_path / "a.csv", progress=lambda done, _: seen.append(done))
    some = export_postings(reads, tmp_path / "n.csv", "2023-12")
    assert seen == [reads.size]
    assert every.totals["debit EUR"] == every.totals["credit EUR"] == "24.00"
    assert some.totals == {"debit EUR": "8.00", "credit EUR": "8.00"}


def test_a_statement_is_written_as_it_was_issued(reads: Reads, tmp_path: Path) -> None:
    control = export_statement(reads, "STM-OP-1-2023-11", tmp_path / "s.csv")
    assert (control.rows, control.totals["share EUR"]) == (1, "3.00")
    sheet = json.loads((tmp_path / "s.csv.control.json").read_bytes())
    assert sheet["facts"]["partner"] == "OP-1"
    with pytest.raises(NotFound):
        export_statement(reads, "STM-OP-1-2023-12", tmp_path / "none.csv")
