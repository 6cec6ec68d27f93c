"""Packs led by the command line: bought, moved, repaired, counted, lost, recycled."""

import pytest

from tests.support.by_hand import SECOND_DEPOT, STORED, TWO, Network, in_days
from tests.support.cli import error, run
from tests.support.ledgers import sqlite_url
from tests.support.stores import BOTH, new_database


@pytest.fixture
def network(tmp_path) -> Network:
    return Network(tmp_path, sqlite_url(tmp_path))


@pytest.fixture(params=BOTH)
def everywhere(request, tmp_path) -> Network:
    return Network(tmp_path, new_database(request.param, request, tmp_path))


def test_a_pack_goes_from_its_order_to_the_recycler_by_the_command_line_alone(everywhere):
    network, pack = everywhere, "PK-1"
    network.bought(pack)
    network.in_service(pack)
    scan, carrier_scan = network.document("scan"), network.document("carrier scan")
    order = network.ask(
        *("transfer", "create", pack, "--from", STORED, "--to", SECOND_DEPOT),
        *("--carrier", "CR-1", "--due", in_days(2), "--seal", "S-7"),
    )["id"]
    scans = ("--scan", scan, "--carrier-scan", carrier_scan)
    network.ask("transfer", "dispatch", order, pack, *scans, *TWO)
    assert network.ask("transfer", "show", order)["stage"] == "UNDER_WAY"
    network.ask("transfer", "receive", order, pack, "--scan", scan, "--seal", "S-7")
    assert network.ask("transfer", "show", order)["stage"] == "CLOSED"
    work = network.ask(
        *("workorder", "open", "--workshop", "WS-1", "--pack", pack, "--fault", "F-17")
    )["id"]
    network.ask("workorder", "send", work)
    assert network.ask("pack", "show", pack)["state"] == "IN_WORKSHOP"
    network.ask("workorder", "advance", work, "DIAGNOSED", "--finding", "a fan is worn")
    network.ask(
        *("workorder", "repair", work, "--part", "FAN=F-1:F-2", "--labour-min", 90),
        *("--cost-minor", 12_000, "--currency", "EUR"),
    )
    network.ask("pack", "assess", pack, "--soh-bp", 6_900)
    report = network.document("bench report")
    released = ("--report", report, "--depot", "DE-2", *TWO)
    network.ask("workorder", "release", work, *released)
    assert network.ask("workorder", "show", work)["stage"] == "RELEASED"
    reason = ("--reason", "below its class", "--residual-soh-bp", 6_900)
    network.ask("pack", "retire", pack, *reason, *TWO)
    network.ask(
        *("pack", "hand-over", pack, "--recycler", "RE-1", "--waybill", "WB-7"),
        *("--mass-g", 400_000, *TWO),
    )
    certificate = network.document("certificate")
    network.ask(
        *("pack", "certify", pack, "--certificate", "RC-1", "--document", certificate),
        *("--mass-g", 400_000, "--ni-g", 28_000, "--cu-g", 31_000, *TWO),
    )
    assert network.ask("pack", "show", pack)["state"] == "RECYCLED"
    life = network.ask("pack", "life", pack)
    assert (life["state"], life["held_by"]) == ("RECYCLED", "Packs:Ended:Recycled")
    kinds = [chapter["kind"] for chapter in life["chapters"]]
    assert kinds[0] == "pack_ordered"
    assert kinds[-1] == "recycling_certified"
    told = run("pack", "life", pack, ledger=network.url).output
    assert "of 400,000 g recovered ni 28,000 g, cu 31,000 g" in told
    assert "FAN F-1 -> F-2" in told
    assert "seal S-7" in told
    deep = run("verify", "--deep", ledger=network.url)
    assert deep.exit_code == 0, deep.output


def test_a_stocktake_finds_a_pack_short_and_it_comes_back(network):
    network.bought("PK-1", "PK-2")
    for pack_id in ("PK-1", "PK-2"):
        network.in_service(pack_id)
    sheet = network.folder / "sheet.txt"
    sheet.write_text("PK-1\nPK-77\n", encoding="utf-8")
    counted = network.ask("stocktake", "record", sheet, "--depot", "DE-1")["id"]
    closed = network.ask("stocktake", "close", counted, *TWO)
    assert [one["kind"] for one in closed["entries"]] == [
        "stocktake_closed",
        "case_opened",
        "stocktake_short",
        "case_opened",
    ]
    cases = network.ask("case", "list")
    assert {case["case_type"] for case in cases} == {"STOCK_SHORT", "STOCK_SURPLUS"}
    (short,) = network.ask("case", "list", "--type", "STOCK_SHORT")
    network.ask("case", "assign", short["case_id"], "P9")
    assert network.ask("case", "show", short["case_id"])["assignee_id"] == "P9"
    held = error(
        *("case", "resolve", short["case_id"], "--resolution", "lost", *TWO),
        ledger=network.url,
    )
    assert (held["exit_code"], held["refusal"]) == (1, "case_open")
    (surplus,) = network.ask("case", "list", "--type", "STOCK_SURPLUS")
    network.ask("case", "resolve", surplus["case_id"], "--resolution", "a demo pack", *TWO)
    assert [one["pack_id"] for one in network.ask("pack", "list", "--state", "IN_SUSPENSE")] == [
        "PK-2"
    ]
    found = ("leg_confirmed", "--place", "depot", "--holder", "DE-1", "--role", "depot_clerk")
    network.ask("pack", "move", "PK-2", *found)
    assert network.ask("case", "list") == []
    assert run("verify", "--deep", ledger=network.url).exit_code == 0


def test_a_delivery_that_does_not_come_is_found_by_the_timers(network):
    network.bought("PK-1")
    network.in_service("PK-1")
    scan, carrier_scan = network.document("scan"), network.document("carrier scan")
    order = network.ask(
        *("transfer", "create", "PK-1", "--from", STORED, "--to", SECOND_DEPOT),
        *("--carrier", "CR-1", "--due", in_days(-2), "--at", in_days(-3)),
    )["id"]
    scans = ("--scan", scan, "--carrier-scan", carrier_scan)
    network.ask("transfer", "dispatch", order, "PK-1", *scans, *TWO)
    done = network.ask("timers", "run")
    assert done["done"] == {"delivery_overdue": 1}
    assert network.ask("timers", "run")["asked"] == 0
    assert network.ask("transfer", "show", order)["lines"] == [
        {"pack_id": "PK-1", "stage": "OVERDUE"}
    ]
    (case,) = network.ask("case", "list")
    assert (case["case_type"], case["suspended_pack_id"]) == ("OVERDUE", "PK-1")
    assert network.ask("transfer", "list") == []
    assert len(network.ask("transfer", "list", "--all")) == 1


def test_warranty_second_life_and_loss_by_the_command_line(network):
    packs = ("PK-1", "PK-2", "PK-3")
    network.bought(*packs)
    for pack_id in packs:
        network.in_service(pack_id)
    claim = network.ask("pack", "claim", "PK-1", "--supplier", "SV-1", "--reason", "swollen")
    network.ask("pack", "settle-claim", claim["id"], "RETURNED", *TWO)
    assert network.ask("pack", "show", "PK-1")["state"] == "RETURNED_TO_SUPPLIER"
    contract = network.ask(
        *("pack", "second-life", "PK-2", "--operator", "SV-1", "--from", in_days(-1), *TWO)
    )
    network.ask("pack", "deploy", "PK-2", "--contract", contract["id"], *TWO)
    assert network.ask("pack", "show", "PK-2")["state"] == "SECOND_LIFE"
    order = network.ask(
        *("transfer", "create", "PK-3", "--from", STORED, "--to", SECOND_DEPOT),
        *("--carrier", "CR-1", "--due", in_days(2)),
    )["id"]
    scan, carrier_scan = network.document("scan"), network.document("carrier scan")
    scans = ("--scan", scan, "--carrier-scan", carrier_scan, "--soc", "PK-3=3000")
    network.ask("transfer", "dispatch", order, "PK-3", *scans, *TWO)
    network.ask("transfer", "loss", order, "PK-3", "--report", "police 7")
    decision = network.document("decision")
    network.ask(
        *("pack", "write-off", "PK-3", "--book-value-minor", 412_500, "--currency", "EUR"),
        *("--decision", decision, *TWO),
    )
    assert network.ask("pack", "show", "PK-3")["state"] == "WRITTEN_OFF"
    assert run("verify", "--deep", ledger=network.url).exit_code == 0


def test_what_is_refused_or_unknown_is_said_with_its_exit_code(network):
    network.bought("PK-1")
    report = network.document("report")
    unproven = error("pack", "verify", "PK-1", "--report", report, ledger=network.url)
    assert (unproven["exit_code"], unproven["refusal"]) == (1, "evidence_too_low")
    alone = error("pack", "retire", "PK-1", "--reason", "old", "--by", "P1", ledger=network.url)
    assert alone["refusal"] == "second_person_required"
    for words in (
        ("transfer", "show", "TO-9"),
        ("workorder", "show", "WO-9"),
        ("case", "show", "CA-9"),
        ("pack", "show", "PK-9"),
        ("pack", "life", "PK-9"),
    ):
        assert error(*words, ledger=network.url)["kind"] == "NotFound"
    usage = run("transfer", "dispatch", "TO-1", "PK-1", "--scan", "x", ledger=network.url)
    assert usage.exit_code == 2
    bad_pair = run(
        *("transfer", "dispatch", "TO-1", "PK-1", "--scan", "x", "--carrier-scan", "y"),
        *("--soc", "PK-1"),
        ledger=network.url,
    )
    assert bad_pair.exit_code == 2
    assert "PACK=NUMBER" in bad_pair.output
    broken = network.folder / "broken.json"
    broken.write_text("{", encoding="utf-8")
    assert error("pack", "attest", "PK-1", broken, ledger=network.url)["kind"] == "Malformed"


def test_a_purchase_is_payable_as_far_as_it_is_verified_and_cancelled_while_nothing_came(network):
    network.bought("PK-1", "PK-2")
    network.in_service("PK-1")
    (line,) = network.ask("purchase", "show", "PO-1")["lines"]
    assert (line["ordered"], line["received"], line["verified"]) == (2, 2, 1)
    assert line["payable_minor"] == 850_000
    assert "8500.00 EUR" in run("purchase", "show", "PO-1", ledger=network.url).output
    gone = error("purchase", "cancel", "PO-1", "--reason", "late", *TWO, ledger=network.url)
    assert gone["refusal"] == "wrong_state"
    network.ask(
        *("pack", "order", "--po", "PO-2", "--supplier", "SV-1", "--class", "C1"),
        *("--nominal-wh", 75_000, "--quantity", 2, "--due", in_days(30)),
    )
    cancelled = network.ask("purchase", "cancel", "PO-2", "--reason", "late", *TWO)
    assert [one["kind"] for one in cancelled["entries"]] == [
        "purchase_order_cancelled",
        "pack_order_cancelled",
        "pack_order_cancelled",
    ]
    assert network.ask("purchase", "show", "PO-2")["is_cancelled"] is True
    assert error("purchase", "show", "PO-9", ledger=network.url)["kind"] == "NotFound"


def test_a_charger_goes_from_its_order_back_to_its_supplier(network):
    charger = network.ask("charger", "order", "--supplier", "SV-1", "--max-w", 30_000)["id"]
    network.ask("charger", "receive", charger, "--depot", "DE-1", "--serial", "S-1")
    report = network.document("charger report")
    tested = ("--report", report, "--calibrated-until", in_days(300))
    network.ask("charger", "verify", charger, "--failed", *tested)
    nowhere = error("charger", "install", charger, "ST-9", "1", ledger=network.url)
    assert nowhere["refusal"] == "charger_stage"
    network.ask("charger", "return", charger, "--reason", "failed")
    (row,) = network.ask("charger", "list")
    assert row["stage"] == "RETURNED"
    assert "RETURNED" in run("charger", "list", ledger=network.url).output
    unknown = error("meter", "accept", "M-9", *tested, *TWO, ledger=network.url)
    assert unknown["refusal"] == "meter_unknown"


def test_lists_and_lives_are_told_in_words(network):
    network.bought("PK-1")
    network.in_service("PK-1")
    shown = run("pack", "show", "PK-1", ledger=network.url).output
    assert "C1, in service" in shown
    assert "depot DE-1 stored" in shown
    listed = run("pack", "list", "--state", "STORED", ledger=network.url).output
    assert "1 packs" in listed
    assert "STORED" in listed
    assert run("pack", "list", "--at-account", STORED, ledger=network.url).exit_code == 0
    life = run("pack", "life", "PK-1", ledger=network.url).output
    assert "ordered from the supplier: on PO-1" in life
    assert "let into service: health 100.00 %, title TH-1" in life
    assert "At the end: depot DE-1 stored (STORED)." in life
    cases = run("case", "list", ledger=network.url).output
    assert "0 cases" in cases
    assert run("transfer", "list", ledger=network.url).exit_code == 0
    assert "0 asked" in run("timers", "run", ledger=network.url).output


def test_a_lot_of_a_new_model_is_drawn_whole_and_asks_for_full_tests(network):
    network.bought("PK-1", "PK-2")
    drawn = network.ask("purchase", "sample", "ASN-PO-1", "--seed", "4711")
    assert [entry["kind"] for entry in drawn["entries"]] == ["lot_sampled"]
    shown, report = network.enrolled("PK-1"), network.document("report")
    verify = ("pack", "verify", "PK-1", "--report", report, "--attestation", shown)
    assert error(*verify, ledger=network.url)["refusal"] == "report_missing"
    network.ask(*verify, "--capacity-mah", 206_000)
    assert network.ask("pack", "show", "PK-1")["state"] == "STORED"
