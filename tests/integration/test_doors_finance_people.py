"""Partners and drivers at the door of finance: who is paid where, what is dunned and given up."""

import pytest

from ledger.kernel.instants import DAY
from tests.support.doors import check_problem
from tests.support.finance_doors import V1, finance_doors

IBAN = "DE02120300000000202051"


@pytest.fixture(scope="module")
def finance(tmp_path_factory):
    with finance_doors(tmp_path_factory.mktemp("people")) as opened:
        opened.done("/invoices", {"period": "2026-05"})
        yield opened


def test_partners_are_listed_and_drivers_are_not(finance):
    named = {one["party_id"] for one in finance.said("/partners")["items"]}
    assert named == {"OP-1", "CAR-1", "MG"}
    partner = {"party_id": "TC-1", "party_roles": ["trading_centre"], "country": "DE"}
    finance.agreed("/partners", partner)
    assert finance.said("/partners/TC-1")["roles"] == ["trading_centre"]
    assert len(finance.said("/partners", limit=2)["items"]) == 2


def test_a_contract_stands_in_every_version_with_its_rule_of_shares(finance):
    (version,) = finance.said("/partners/OP-1/contracts")["versions"]
    again = {
        "contract_id": "CO-1",
        "terms": version["terms"] | {"valid_from_at": 1_800_000 * 10**9},
    }
    finance.agreed("/partners/OP-1/contracts", again)
    first, second = finance.said("/partners/OP-1/contracts")["versions"]
    assert (first, second["version"]) == (version, 2)
    assert sum(second["terms"]["weights"].values()) > 0
    finance.doors.problem(f"{V1}/partners/CAR-1/contracts", 404, "not_found", who="FI-R")


def test_a_new_account_of_a_partner_is_approved_by_two_and_waits(finance):
    account = {"holder_name": "Example Swaps GmbH", "iban": IBAN}
    wanted = {"payee_id": "PE-2", "paid_to": account}
    path = "/partners/OP-1/payee-accounts"
    finance.agreed(path, wanted)
    listed = {one["payee_id"] for one in finance.said(path)["items"]}
    assert listed == {"PE-1", "PE-2"}
    assert finance.said("/partners/CAR-1/payee-accounts")["items"] == []
    wrong = {"payee_id": "PE-3", "paid_to": account | {"iban": "DE00"}}
    check_problem(finance.agree(finance.waits(path, wrong)), 409, "payee_invalid")


def test_what_nobody_pays_is_dunned_step_by_step_and_given_up_by_two(finance):
    (invoice,) = finance.said("/invoices")["items"]
    early = finance.agree(
        finance.waits("/write-offs", {"invoice_no": invoice["id"], "reason": "gone"})
    )
    check_problem(early, 409, "write_off_unknown")
    for _ in range(12):
        finance.later(10 * DAY)
        finance.done("/dunning")
    (row,) = finance.said("/dunning")["items"]
    assert row["is_proposed"]
    assert finance.said(f"/dunning/{invoice['id']}") == row
    finance.agreed("/write-offs", {"invoice_no": invoice["id"], "reason": "gone"})
    assert finance.said(f"/invoices/{invoice['id']}")["is_uncollectable"]
    again = finance.done("/dunning")
    assert again["done"] == {}


def test_the_same_invoices_are_issued_once(finance):
    assert finance.done("/invoices", {"period": "2026-05"})["invoices"] == []
    check_problem(finance.post("/invoices", {"period": "2027-01"}), 409, "period_not_ended")
    check_problem(finance.post("/invoices", {"period": "2026-1x"}), 400, "malformed")
