"""What a dispute is answered with: the entries behind the paid invoice, and nothing else."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.asking import AuthoriseSwap, RequestSwap, swap_id_of
from ledger.domain.blocks import DriverUnblocked
from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.invoices import IssueInvoice
from ledger.domain.money.payments import PlanCharge, PlanTopUp
from ledger.domain.money.payments_disputes import EVIDENCE_CHARACTERS, TellDispute
from ledger.domain.money.payments_rows import CARD_PAYMENTS, Told
from ledger.domain.money.payments_told import TellCard, TellPayment
from ledger.domain.reports import RecordObservation
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import DAY, HOUR, SECOND
from ledger.kernel.messages import Actor, ClockReading, Command, Evidence, Observed, Source
from ledger.kernel.signed_facts import MeterEvidence
from ledger.runtime import relay_evidence
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.relay_evidence import evidence_text
from tests.support.ledgers import asking, sqlite_url
from tests.support.lives import told as told_entry
from tests.support.town import MARCH, PACK_CLASS, new_town

STATION, SYSTEM = Actor("ST-1", "station"), Actor("system", "system")
FINANCE = Actor("FI-1", "finance", "FI-2")
AT = MARCH + 4 * DAY
SWAP = swap_id_of("ST-1", "B1", "7")
READING = Evidence("ocmf", 5, "text/plain", "5a" * 32, "VALID", "K-1")


def report(kind: str, seq: int, at: int, **fields: Any) -> RecordObservation:
    source = Source("OP-1", "ST-1", boot_id="B1", seq=seq)
    observed = Observed(at + SECOND, source, ClockReading("S", raw_at=at), (READING,))
    return RecordObservation(kind=kind, station_id="ST-1", observed=observed, **fields)


def do(ledger: Ledger, command: Command, at: int, actor: Actor = STATION) -> None:
    accepted(ledger.execute_all([asking(command, f"{command}", actor=actor, at=at)])[0])


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """Build a town in which DR-1 swapped PK-1 for PK-2, paid the invoice by card, and disputes."""
    with new_town(sqlite_url(tmp_path_factory.mktemp("town"))) as town:
        do(town, report("boot", 1, AT), AT)
        came = {"pack_id": "PK-2", "driver_id": "DR-2", "slot": "2", "soc_bp": 9_000}
        do(town, report("swap_in", 2, AT + HOUR, **came), AT + HOUR)
        wish = RequestSwap(swap_id=SWAP, driver_id="DR-1", station_id="ST-1", pack_class=PACK_CLASS)
        do(town, wish, AT + HOUR + 1)
        do(town, AuthoriseSwap(swap_id=SWAP, pack_ids=("PK-2",)), AT + HOUR + 2)
        brought = {"pack_id": "PK-1", "driver_id": "DR-1", "slot": "1", "soc_bp": 2_000}
        do(town, report("swap_in", 3, AT + 2 * HOUR, request="7", **brought), AT + 2 * HOUR)
        took = {"pack_id": "PK-2", "driver_id": "DR-1", "slot": "2", "soc_bp": 9_500}
        do(town, report("swap_out", 4, AT + 2 * HOUR + 1, request="7", **took), AT + 2 * HOUR + 1)
        pay(town)
        yield town


def pay(town: Ledger) -> None:
    with town.reading() as reads:
        end = reads.size
    at = MARCH + 31 * DAY
    issue = IssueInvoice(
        driver_id="DR-1",
        period="2024-03",
        currency="EUR",
        from_position=0,
        to_position=end,
        line_count=1,
        bases=(TaxBase("FR", "Z", 0, 2_500),),
        lines_root="00" * 32,
        issued_at=at,
        zone="Europe/Paris",
    )
    do(town, issue, at, FINANCE)
    do(town, TellCard(driver_id="DR-1", payer="cus_1", card="pm_1"), at, SYSTEM)
    charge = PlanCharge(
        payment_id="PY-1",
        driver_id="DR-1",
        invoice_no="MG1-INV-2024-000001",
        currency="EUR",
        amount_minor=2_500,
    )
    do(town, charge, at, FINANCE)
    taken = Told("pi_1", "captured", 2_500, 2_500, "EUR")
    do(town, TellPayment(payment_id="PY-1", told=taken), at, SYSTEM)
    opened = TellDispute(
        dispute_ref="du_1",
        payment_id="PY-1",
        amount_minor=2_500,
        state="open",
        reason="product_not_received",
    )
    do(town, opened, at, SYSTEM)


def test_the_text_names_each_pack_each_entry_and_each_signed_reading(ledger):
    with ledger.reading() as reads:
        text = evidence_text(reads, "du_1")
        again = evidence_text(reads, "du_1")
        root = reads.head.root.hex()
    assert text == again
    assert "Payment PY-1 (pi_1) of 25.00 EUR by driver DR-1." in text
    assert "Disputed as: product_not_received." in text
    assert f"swap {SWAP}" in text
    assert "the driver brought pack PK-1 at 2024-03-05T02:00:01" in text
    assert "the driver took pack PK-2 at 2024-03-05T02:00:01" in text
    assert f"signed reading {'5a' * 32}: VALID" in text
    assert "pack PK-1 charged 20000 Wh at station ST-1" in text
    assert root in text
    assert "DR-2" not in text  # nothing of another driver


def test_each_named_entry_is_what_the_text_says(ledger):
    with ledger.reading() as reads:
        text = evidence_text(reads, "du_1")
        (line,) = [one for one in text.splitlines() if "took pack PK-2" in one]
        position = int(line.partition("(entry ")[2].rstrip(")"))
        event = reads.entry(position).event
    assert (event.kind, event.pack_id, event.driver_id) == ("pack_swapped_out", "PK-2", "DR-1")


def test_a_long_story_is_cut_to_what_the_provider_takes(ledger, monkeypatch):
    monkeypatch.setattr(relay_evidence, "EVIDENCE_CHARACTERS", 300)
    with ledger.reading() as reads:
        text = evidence_text(reads, "du_1")
    assert len(text) == 300
    assert text.endswith("the log holds them all)")
    assert EVIDENCE_CHARACTERS == 20_000


def test_a_dispute_that_nobody_told_of_has_no_text(ledger):
    with ledger.reading() as reads, pytest.raises(NotFound):
        evidence_text(reads, "du_9")


def test_a_payment_into_a_wallet_has_no_usage_behind_it(ledger):
    at = MARCH + 31 * DAY
    top_up = PlanTopUp(payment_id="PY-2", driver_id="DR-2", currency="EUR", amount_minor=100)
    do(ledger, top_up, at, FINANCE)
    taken = Told("pi_2", "captured", 100, 100, "EUR")
    do(ledger, TellPayment(payment_id="PY-2", told=taken), at, SYSTEM)
    told = TellDispute(dispute_ref="du_2", payment_id="PY-2", amount_minor=100, state="open")
    do(ledger, told, at, SYSTEM)
    with ledger.reading() as reads:
        payment, log = evidence_text(reads, "du_2").splitlines()
    assert (payment[:12], log[:11]) == ("Payment PY-2", "All entries")


def test_what_a_meter_signed_of_a_session_is_named(ledger):
    session = ChargeSessionEnded(
        session_id="CS-1",
        pack_id="PK-1",
        pack_class=PACK_CLASS,
        station_id="ST-1",
        slot="1",
        meter_id="MT-1",
        started_at=AT,
        ended_at=AT + HOUR,
        energy_in_wh=20_000,
        stored_wh_delta=18_000,
        stored_basis="SOC",
        end_reason="full",
        level=5,
        meter_evidence=MeterEvidence("OCMF", "VALID", ("3b" * 32,)),
    )
    other = DriverUnblocked(driver_id="DR-1", reason="paid")
    with ledger.reading() as reads:
        lines = list(relay_evidence._cause(reads, told_entry(session)))
        assert list(relay_evidence._cause(reads, told_entry(other))) == []
        assert list(relay_evidence._leg(reads, told_entry(other))) == []
    assert lines[1] == f"  meter MT-1 signed {'3b' * 32}: VALID"


def test_an_invoice_that_is_not_in_the_log_has_no_usages(ledger):
    with ledger.reading() as reads:
        payment = reads.row(CARD_PAYMENTS, "PY-1")
        assert payment is not None
        strange = replace(payment, invoice_no="MG1-INV-2024-000009", reason="")
        assert list(relay_evidence._usages(reads, strange)) == []
