"""A pack that lost health with one driver: assessed, handed out, brought back, assessed, billed."""

import json
from functools import partial

import msgspec
import pytest

from ledger.domain.asking import AuthoriseSwap, RequestSwap, swap_id_of
from ledger.domain.cases import CASES, ResolveCase
from ledger.domain.charge_begin import StartChargingSession
from ledger.domain.charging import EndChargingSession
from ledger.domain.health import AssessSoh
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.damage import Wear
from ledger.domain.money.damages import DamageFound
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.exports.einvoice import Address, Trader
from ledger.exports.invoice_papers import Letterhead, sheet_of
from ledger.exports.proven import prove_bill
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.instants import DAY, HOUR, MINUTE
from ledger.kernel.messages import Actor
from ledger.runtime.crediting import credit_order, invoice_of
from ledger.runtime.damaging import claim_of
from ledger.runtime.settling import close_period
from ledger.runtime.verify import verify
from tests.support.bundles import holds_for_strangers, lie, read, relie
from tests.support.cli import answer, error
from tests.support.doors import check_problem
from tests.support.finance_doors import finance_over
from tests.support.ledgers import sqlite_url
from tests.support.offline import canonical
from tests.support.told_anew import AT, FINANCE, do, report, swapped_town
from tests.support.town import MARCH, PACK_CLASS

WORKSHOP = Actor("WS-1", "workshop")
HEAD = Letterhead(Trader("Mobile Grid", Address("Ring 2", "Paris", "75001", "FR"), vat_id="FR1"))
BACK = AT + 10 * DAY
PRICED = TariffTerms(
    "FR",
    "EUR",
    "Europe/Paris",
    AT - DAY,
    elements=(
        Element("ENERGY", "KWH", 140_000),
        Element("SERVICE", "KWH", 100_000),
        Element("DAMAGE", "SOH_BP", 500_000, tax_product="service"),
        Element("V2G", "KWH", -200_000),
    ),
    wear=Wear(allowed_bp=100),
)
ASSESSED = AssessSoh(
    pack_id="PK-2",
    soh_bp=9_400,
    lower_bp=9_380,
    upper_bp=9_420,
    method="full-capacity-test",
    instrument_id="IN-1",
    calibrated_until=AT + 365 * DAY,
    level=3,
)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """PK-2 is tested, is with DR-1 for ten days, and is tested again; his case is closed."""
    url = sqlite_url(tmp_path_factory.mktemp("damage"))
    ledger = swapped_town(url, [PublishTariff(tariff_id="TF-1", terms=PRICED)])
    tested = msgspec.structs.replace(ASSESSED, occurred_at=AT + 2 * HOUR)
    do(ledger, tested, AT + 4 * HOUR, WORKSHOP)
    began = StartChargingSession(
        session_id="CS-1",
        pack_id="PK-1",
        station_id="ST-1",
        slot="1",
        driver_id="DR-1",
        started_at=AT + 5 * HOUR,
        register_import_wh=100_000,
    )
    do(ledger, began, AT + 5 * HOUR)
    ended = EndChargingSession(
        session_id="CS-1",
        ended_at=AT + 6 * HOUR,
        register_import_wh=120_000,
        register_export_wh=5_000,
    )
    do(ledger, ended, AT + 6 * HOUR)
    second = swap_id_of("ST-1", "B1", "9")
    wish = RequestSwap(swap_id=second, driver_id="DR-1", station_id="ST-1", pack_class=PACK_CLASS)
    do(ledger, wish, BACK)
    do(ledger, AuthoriseSwap(swap_id=second, pack_ids=("PK-1",)), BACK + 1)
    came = {"pack_id": "PK-2", "driver_id": "DR-1", "slot": "2", "soc_bp": 1_000, "request": "9"}
    do(ledger, report("swap_in", 8, BACK + MINUTE, **came), BACK + MINUTE)
    took = {"pack_id": "PK-1", "driver_id": "DR-1", "slot": "1", "soc_bp": 9_000, "request": "9"}
    do(ledger, report("swap_out", 9, BACK + 2 * MINUTE, **took), BACK + 2 * MINUTE)
    worse = {"soh_bp": 8_900, "lower_bp": 8_870, "upper_bp": 8_930, "driver_id": "DR-1"}
    again = msgspec.structs.replace(ASSESSED, occurred_at=BACK + HOUR, **worse)
    do(ledger, again, BACK + HOUR, WORKSHOP)
    with ledger.reading() as reads:
        (found,) = [
            row for _, row in reads.rows(CASES) if row.case_type == "USAGE_DAMAGE" and row.is_open
        ]
    yield ledger, url, found.case_id
    ledger.close()


def test_the_fee_names_both_assessments_and_the_stay_and_is_on_the_invoice(case):
    ledger, url, case_id = case
    assert "case_open" in str(error("invoice", "damage", case_id, ledger=url))
    end = ResolveCase(case_id=case_id, resolution="driver_owes")
    do(ledger, end, BACK + 2 * HOUR, FINANCE)
    with finance_over(ledger, BACK + 3 * HOUR) as finance:
        check_problem(finance.post("/damages/CA-0", {}), 404, "not_found")
        finance.done(f"/damages/{case_id}")
        check_problem(finance.post(f"/damages/{case_id}", {"swap_id": "SW"}), 400, "malformed")
    with ledger.reading() as reads:
        found = [one for one in reads.entries(0) if isinstance(one.event, DamageFound)]
        (entry,) = found
        # 500 lost, half widths 20 and 30 make 37 (rounded up); 100 are allowed: 363 x 0.50
        assert entry.event.billed_bp == 363
        bill = reads.entry(entry.envelope.position + 1)
        assert isinstance(bill.event, UsageAccrued)
        assert bill.event.net_minor == 18_150
        told = bill.event.damage
        assert told is not None
        assert set(told.positions) < set(bill.envelope.causes)
        both = told.before_position, told.after_position
        before, after = (reads.entry(one).event for one in both)
        assert (before.soh_bp, after.soh_bp) == (9_400, 8_900)
        verify(reads, deep=True)
        size = reads.size
    answer("invoice", "damage", case_id, ledger=url)
    with ledger.reading() as reads:
        assert reads.size == size, "it is billed once"
    closed = close_period(ledger, "2024-03", actor=FINANCE, at=MARCH + 31 * DAY)
    number = next(one for one in closed.invoices if invoice_of_case(ledger, case_id) == one)
    with ledger.reading() as reads:
        lines = sheet_of(reads, number, HEAD).document.lines
        (line,) = [one for one in lines if one.name == "Compensation for damage"]
        order = credit_order(
            reads, number, {}, reason="goodwill", issued_at=MARCH + 32 * DAY, usage_id=case_id
        )
    named = f"94.00 % (entry {told.before_position}) to 89.00 % (entry {told.after_position})"
    assert named in line.description
    assert "sure 4.63 %, allowed 1.00 %" in line.description
    do(ledger, order, MARCH + 32 * DAY, FINANCE)
    with ledger.reading() as reads:
        verify(reads, deep=True)


LIES = [
    ("soh_assessed", "upper_bp", 8_950),
    ("soh_assessed", "level", 1),
    ("soh_assessed", "pack_id", "PK-9"),
    ("case_resolved", "resolution", "nobody_owes"),
    ("case_opened", "subjects", ["PK-2", "DR-2"]),
    ("damage.found", "billed_bp", 364),
    ("damage.found", "told.sure_bp", "+1"),
    ("damage.found", "told.end_at", "+1"),
    ("damage.found", "driver_id", "DR-2"),
    ("damage.found", "level", 2),
    ("tariff_published", "terms.wear.allowed_bp", 99),
    ("charge_session_ended", "energy_out_wh", "+1"),
]


def test_strangers_compute_fees_and_what_was_given_back_again(case, tmp_path):
    ledger, _, _ = case
    make = partial(prove_bill, driver_id="DR-1", period="2024-03")
    bundle, remarks = holds_for_strangers(ledger, make, tmp_path / "bill.zip")
    assert not [one for one in remarks if "word" in one]
    shown = dict(zip(bundle.manifest["positions"], map(json.loads, bundle.entries), strict=True))
    kinds = [one["body"].get("usage_kind") for one in shown.values()]
    assert {"charging_session", "v2g", "custody", "swap"} <= set(kinds)
    with ledger.reading() as reads:
        log = list(reads.raw(0, reads.size))
    file = tmp_path / "lie.zip"
    for kind, path, value in LIES:
        place = max(at for at, one in shown.items() if one["kind"] == kind)
        relie(bundle, log, {place: lie(path, value)}, file)
        assert read(file) == ("refused", "M4"), (kind, path)
    place = max(at for at, one in shown.items() if one["kind"] == "case_resolved")
    alone = shown[place]["actor"] | {"second_person": shown[place]["actor"]["id"]}
    bent = [*log[:place], canonical(shown[place] | {"actor": alone}), *log[place + 1 :]]
    relie(bundle, bent, {}, file)
    assert read(file) == ("refused", "M4"), "one person alone closed the case"
    relie(bundle, log, {}, file)
    assert read(file) == ("ok", "")


def invoice_of_case(ledger, case_id):
    with ledger.reading() as reads:
        return invoice_of(reads, case_id).invoice_no


def test_what_is_no_single_stay_of_the_driver_is_refused(case, monkeypatch):
    ledger, _, case_id = case
    with ledger.reading() as reads:
        with pytest.raises(NotFound, match="no case"):
            claim_of(reads, "CA-0")
        whole = reads.pack_history
        monkeypatch.setattr(reads, "pack_history", lambda *given: whole(*given)[:-4])
        with pytest.raises(Malformed):
            claim_of(reads, case_id)
        monkeypatch.setattr("ledger.runtime.damaging.assessments", lambda *_: None)
        with pytest.raises(NotFound, match="assessments"):
            claim_of(reads, case_id)
