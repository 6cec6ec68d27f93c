"""An invoice paid from credit, asked for again under the same key: the answer that stands."""

from ledger.domain.money.promo_codes import IssuePromoCode, digest_of
from ledger.domain.money.promos import GrantPromo
from ledger.kernel.instants import DAY
from tests.support.doors import check_problem
from tests.support.driver_money import money_town
from tests.support.ledgers import sqlite_url
from tests.support.told_anew import FINANCE


def test_neither_credit_that_is_used_up_nor_new_credit_changes_the_answer(tmp_path):
    with money_town(sqlite_url(tmp_path), tmp_path) as town:
        town.use("SW-A", 12_000)
        town.clock.at += DAY
        town.doors.bearers.clear()
        invoice, *_ = town.close("2024-04-02")
        _grant(town, "PR-1", 500)
        pay = ("POST", f"/invoices/{invoice}/pay", {"pay_with": "wallet"})
        paid = town.said(*pay, key="K1")
        assert paid["paid_minor"] == 500
        _grant(town, "PR-2", 100)
        again = town.said(*pay, key="K1")
        assert (again["position"], again["paid_minor"]) == (paid["position"], 500)
        both = town.said(*pay, key="K2")
        assert both["paid_minor"] == 600
        # a key that was used for something else is refused, not answered
        ended = town.call("POST", "/promo-codes", {"code": "NONE"}, key="K3")
        check_problem(ended, 409, "code_not_usable")
        check_problem(town.call(*pay, key="K3"), 422, "idempotency_key_reused")
        code = _code(town)
        check_problem(town.call(*pay, key=code), 422, "idempotency_key_reused")


def _code(town):
    """Redeem a code; give the key under which that was asked for."""
    code = IssuePromoCode(
        code_digest=digest_of("SPRING-26"),
        campaign_id="CP-1",
        currency="EUR",
        amount_minor=100,
        usable_until_at=town.clock.at + DAY,
        uses_max=1,
    )
    town.ask(code, FINANCE)
    town.said("POST", "/promo-codes", {"code": "SPRING-26"}, key="K4")
    return "K4"


def _grant(town, promo_id, amount_minor):
    given = GrantPromo(
        promo_id=promo_id,
        driver_id="DR-1",
        currency="EUR",
        amount_minor=amount_minor,
        reason="sorry",
        expires_at=town.clock.at + 30 * DAY,
    )
    town.ask(given, FINANCE)
