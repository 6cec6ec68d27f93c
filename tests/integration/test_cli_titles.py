"""`title-statement` as a bank or an insurer is shown it."""

import json

import pytest

from ledger.domain.liens import PlaceLien
from ledger.domain.money.contracts import AgreeContract
from ledger.domain.parties import RegisterParty
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import Ledger, accepted
from mobilegrid import wiring
from tests.support.cli import answer, error, run
from tests.support.doors import check_problem
from tests.support.finance_doors import finance_over
from tests.support.ledgers import asking
from tests.support.town import MARCH
from tests.support.usage import agreement

APRIL = MARCH + 31 * DAY
FINANCE = Actor("FI-1", "finance", "FI-2")


@pytest.fixture
def pledged(url):
    """A bank has a lien on one of the town's two packs."""
    bank = RegisterParty(party_id="BK-1", party_roles=("bank",), country="FR")
    lien = PlaceLien(
        lien_id="LI-1",
        pack_id="PK-1",
        bank_id="BK-1",
        doc_sha256="ab" * 32,
        amount_minor=450_000,
        currency="EUR",
    )
    with Ledger(url) as ledger:
        for command in (bank, lien):
            name = type(command).__name__
            accepted(ledger.execute(asking(command, name, actor=FINANCE, at=APRIL)))
    return url


def test_a_statement_is_shown_and_its_head_is_signed_once(pledged, tmp_path):
    file = tmp_path / "titles.json"
    said = answer("title-statement", "--out", file, ledger=pledged)
    assert (said["titled"], said["commissioned"]) == (2, 2)
    assert [(one["holder_id"], one["count"]) for one in said["holders"]] == [("MG", 2)]
    assert said["liens"][0]["amount_minor"] == 450_000
    assert json.loads(file.read_bytes()) == said
    assert answer("checkpoint", ledger=pledged)["note"] == said["checkpoint"]["note"]
    first = file.read_bytes()
    answer("title-statement", "--out", file, ledger=pledged)
    assert file.read_bytes() == first, "the same moment gives the same bytes"
    shown = run("title-statement", ledger=pledged).stdout
    assert "In service" in shown
    assert "not valued" in shown
    assert "4500.00 EUR" in shown
    assert "2 packs with a title, 2 in service" in shown


def test_a_statement_of_the_past_knows_nothing_of_what_came_later(pledged):
    before = answer("title-statement", "--known-at", "2024-03-20", ledger=pledged)
    assert before["liens"] == []
    assert before["last_position"] < answer("title-statement", ledger=pledged)["last_position"]
    early = answer("title-statement", "--as-of", "2024-02-01", ledger=pledged)
    assert (early["titled"], early["holders"]) == (0, [])


def test_one_holder_can_be_shown_alone(pledged):
    only = answer("title-statement", "--holder", "MG", ledger=pledged)
    assert {one["holder_id"] for one in (*only["holders"], *only["liens"])} == {"MG"}
    nobody = answer("title-statement", "--holder", "BK-1", ledger=pledged)
    assert (nobody["holders"], nobody["liens"], nobody["titled"]) == ([], [], 2)
    assert "Liens" not in run("title-statement", "--holder", "BK-1", ledger=pledged).stdout


def test_a_time_to_come_or_before_the_beginning_has_no_statement(pledged):
    later = error("title-statement", "--known-at", "2124-01-01", ledger=pledged)
    assert (later["kind"], later["field"]) == ("Malformed", "known_at")
    later = error("title-statement", "--as-of", "2124-01-01", ledger=pledged)
    assert later["field"] == "as_of"
    assert error("title-statement", "--known-at", "1999-01-01", ledger=pledged)["exit_code"] == 1


def test_pack_days_are_shown_by_holder_and_lien(pledged):
    told = answer("title-days", "2024-04", "--zone", "Europe/Paris", ledger=pledged)
    assert told["days"] == 30
    assert [(one["holder_id"], one["pack_days"]) for one in told["rents"]] == [("MG", 60)]
    # Paris is two hours ahead: its first of April had begun when the lien was placed
    assert [(one["bank_id"], one["days"]) for one in told["liens"]] == [("BK-1", 29)]
    shown = run("title-days", "2024-04", ledger=pledged).output
    assert "nobody" in shown
    assert error("title-days", "April", ledger=pledged)["exit_code"] == 1
    assert run("title-days", "2024-04", "--zone", "Moon/Base", ledger=pledged).exit_code == 2


def test_rents_and_instalments_are_owed_once(pledged):
    terms = agreement(weights={"BK-1": 0, "MG": 1}, order=("BK-1", "MG"), instalment_ppm=1_000)
    with Ledger(pledged) as ledger:
        agreed = AgreeContract(contract_id="CO-B", partner_id="BK-1", terms=terms)
        accepted(ledger.execute(asking(agreed, "agree", actor=FINANCE, at=APRIL)))
    (due,) = answer("settle", "rents", "2024-04", ledger=pledged)["accrued"]
    # 4,500.00 x 0.001 x 30 days
    assert [one["amount_minor"] for one in due["instalments"]] == [13_500]
    assert answer("settle", "rents", "2024-04", ledger=pledged)["accrued"] == []
    with Ledger(pledged) as ledger, finance_over(ledger, wiring.CLOCK.now()) as finance:
        wanted = {"partner_id": "BK-1", "contract_id": "CO-B", "period": "2024-05"}
        finance.done("/pack-dues", wanted)
        check_problem(finance.post("/pack-dues", wanted | {"period": "May"}), 400, "malformed")
        strange = finance.post("/pack-dues", wanted | {"contract_id": "CO-9"})
        check_problem(strange, 404, "not_found")
    assert "Owed for 2024-06-01" in run("settle", "rents", "2024-06-01", ledger=pledged).output
