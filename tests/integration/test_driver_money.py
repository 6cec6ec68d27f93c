"""The driver's wallet, pages, cards and plans over HTTP, in front of the provider's stand-in."""

from collections.abc import Iterator

import pytest

from ledger.domain.money.checkouts import PAGE_US
from ledger.domain.money.plans import PlanTerms, PublishPlan
from ledger.domain.money.promo_codes import IssuePromoCode, digest_of
from ledger.domain.money.subscriptions import InvoiceSubscription
from ledger.kernel.instants import DAY, MINUTE
from ledger.runtime.payment_desk import FACE_US
from tests.support.doors import check_problem
from tests.support.driver_money import FINANCE, PAGES, MoneyTown, money_town
from tests.support.ledgers import sqlite_url


@pytest.fixture
def town(tmp_path) -> Iterator[MoneyTown]:
    with money_town(sqlite_url(tmp_path), tmp_path) as found:
        yield found


def test_an_empty_wallet_says_so(town):
    said = town.said("GET", "/wallet")
    assert (said["available_minor"], said["owed_minor"], said["promo_expires"]) == (0, 0, [])
    assert town.said("GET", "/wallet/entries") == {"items": []}


def test_a_top_up_is_done_only_when_the_provider_says_so(town):
    body = {
        "purpose": "top_up",
        "amount_minor": 5_000,
        "currency": "EUR",
        "return_to": "/app/wallet",
    }
    made = town.said("POST", "/checkouts", body, key="K1")
    path = f"/checkouts/{made['checkout_id']}"
    assert (made["state"], made["amount_minor"]) == ("OPEN", 5_000)
    assert "50.00 EUR" in town.page(made["url"]).text

    back = town.page(made["url"], "pay")
    assert back.headers["location"].endswith(
        f"/app/wallet?checkout={made['checkout_id']}&outcome=back"
    )
    assert town.said("GET", path)["state"] == "OPEN"
    assert town.said("POST", f"{path}/end", {"outcome": "back"}, key="K2")["state"] == "WAITING"
    assert town.said("GET", "/wallet")["available_minor"] == 0

    assert town.deliver() == 1
    assert town.said("GET", path)["state"] == "DONE"
    assert town.said("GET", "/wallet")["available_minor"] == 5_000
    (entry,) = town.said("GET", "/wallet/entries")["items"]
    assert (entry["text_key"], entry["amount_minor"], entry["balance_minor"]) == (
        "wallet.topped_up",
        5_000,
        5_000,
    )
    assert town.deliver() == 0
    assert town.said("GET", "/wallet")["available_minor"] == 5_000


# Pages ----------------------------------------------------------------------------


def test_a_page_that_was_left_is_given_up_and_cannot_be_paid_any_more(town):
    town.use("SW-A", 12_000)
    (invoice,) = invoice_of(town)
    body = {"purpose": "pay_invoice", "invoice_id": invoice, "return_to": "/app/wallet"}
    made = town.said("POST", "/checkouts", body, key="K1")
    assert town.page(made["url"], "leave").headers["location"].endswith("&outcome=left")
    path = f"/checkouts/{made['checkout_id']}"
    ended = town.said("POST", f"{path}/end", {"outcome": "left"}, key="K2")
    assert (ended["state"], "url" in ended) == ("ABANDONED", False)
    assert town.page(made["url"], "pay").status_code == 404
    again = town.said("POST", "/checkouts", body, key="K3")
    town.page(again["url"], "pay")
    town.deliver()
    assert town.said("GET", f"/checkouts/{again['checkout_id']}")["state"] == "DONE"
    assert town.said("GET", f"/invoices/{invoice}")["state"] == "PAID"


def test_a_declined_card_leaves_the_page_open_and_nothing_taken(town):
    body = {"purpose": "top_up", "amount_minor": 900, "currency": "EUR", "return_to": "/app/w"}
    made = town.said("POST", "/checkouts", body, key="K1")
    answer = town.page(made["url"], "decline")
    assert (answer.status_code, "declined" in answer.text) == (200, True)
    assert town.deliver() == 0
    assert town.page(made["url"], "pay").status_code == 303


def test_a_second_page_for_an_invoice_closes_the_first(town):
    town.use("SW-A", 12_000)
    (invoice,) = invoice_of(town)
    body = {"purpose": "pay_invoice", "invoice_id": invoice, "return_to": "/app/wallet"}
    first = town.said("POST", "/checkouts", body, key="K1")
    second = town.said("POST", "/checkouts", body, key="K2")
    assert town.page(first["url"], "pay").status_code == 404
    assert town.said("GET", f"/checkouts/{first['checkout_id']}")["state"] == "ABANDONED"
    assert town.page(second["url"], "pay").status_code == 303


def test_a_page_runs_out_after_half_an_hour(town):
    body = {"purpose": "add_method", "return_to": "/app/wallet"}
    made = town.said("POST", "/checkouts", body, key="K1")
    town.clock.at += PAGE_US
    town.doors.bearers.clear()
    path = f"/checkouts/{made['checkout_id']}"
    assert town.said("GET", path)["state"] == "ABANDONED"


def test_the_same_key_gives_the_same_page(town):
    body = {"purpose": "top_up", "amount_minor": 900, "currency": "EUR", "return_to": "/app/w"}
    first = town.call("POST", "/checkouts", body, key="K1")
    again = town.call("POST", "/checkouts", body, key="K1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replay"] == "true"
    other = town.call("POST", "/checkouts", {**body, "amount_minor": 901}, key="K1")
    check_problem(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"return_to": "https://evil.example/"}, "return_to"),
        ({"return_to": "//evil.example/app/"}, "return_to"),
        ({"return_to": "/app/../log"}, "return_to"),
        ({"return_to": "/finance"}, "return_to"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"amount_minor": 10**30}, "amount_minor"),
        ({"amount_minor": "5"}, "amount_minor"),
        ({"currency": "eur"}, "currency"),
        ({"purpose": "gamble"}, "purpose"),
        ({"invoice_id": "X-1"}, "invoice_id"),
        ({"purpose": "pay_invoice"}, "amount_minor"),
        ({"more": 1}, "body"),
    ],
)
def test_a_page_is_only_opened_for_what_makes_sense(town, changed, field):
    body = {"purpose": "top_up", "amount_minor": 900, "currency": "EUR", "return_to": "/app/w"}
    said = check_problem(town.call("POST", "/checkouts", body | changed, key="K"), 400, "malformed")
    assert said["fields"][0]["path"] == field


def test_pages_need_a_passkey_just_used(town):
    town.said("GET", "/wallet")
    town.clock.at += 6 * MINUTE
    body = {"purpose": "add_method", "return_to": "/app/wallet"}
    answer = town.doors.as_driver("POST", "/checkouts", key="K", json=body)
    check_problem(answer, 403, "step_up_needed")


def test_a_provider_that_is_away_loses_no_page(town):
    body = {"purpose": "top_up", "amount_minor": 900, "currency": "EUR", "return_to": "/app/w"}
    town.provider.is_away = True
    made = town.said("POST", "/checkouts", body, key="K1")
    assert (made["state"], "url" in made) == ("OPEN", False)
    town.provider.is_away = False
    town.clock.at += MINUTE
    assert town.said("POST", "/checkouts", body, key="K1")["url"].startswith(PAGES)
    page = town.said("GET", f"/checkouts/{made['checkout_id']}")
    town.page(page["url"], "pay")
    town.deliver()
    assert town.said("GET", "/wallet")["available_minor"] == 900


def test_cards_are_listed_without_a_face_while_the_provider_is_away(town):
    method = town.save_card()
    town.clock.at += FACE_US
    town.doors.bearers.clear()
    town.provider.is_away = True
    (shown,) = town.said("GET", "/methods")["items"]
    assert (shown["id"], shown["kind"], "last4" in shown) == (method, "card", False)
    town.provider.is_away = False
    assert town.said("GET", "/methods")["items"][0]["last4"] == "4242"


# Cards and payments -----------------------------------------------------------------


def test_cards_are_saved_on_a_page_chosen_and_taken_away(town):
    first = town.save_card()
    second = town.save_card("confirms")
    said = town.said("GET", "/methods")["items"]
    assert [one["id"] for one in said] == [second, first]
    assert (said[0]["default"], said[0]["last4"], said[1]["last4"]) == (True, "3184", "4242")
    assert said[1]["expires"] == "2030-12"
    chosen = town.said("POST", f"/methods/{first}/default", {}, key="K1")
    assert [one["id"] for one in chosen["items"]] == [first, second]
    left = town.said("DELETE", f"/methods/{first}")
    assert [(one["id"], one["default"]) for one in left["items"]] == [(second, True)]
    assert town.said("DELETE", f"/methods/{second}") == {"items": []}
    check_problem(town.call("DELETE", f"/methods/{second}"), 404, "not_found")
    calls = town.operations()
    assert calls.count("detach") == 2


def test_the_last_card_stays_while_an_invoice_is_open(town):
    method = town.save_card()
    town.use("SW-A", 12_000)
    (invoice,) = invoice_of(town)
    said = check_problem(town.call("DELETE", f"/methods/{method}"), 409, "method_needed")
    assert said["facts"]["invoice"] == invoice
    town.said("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="K1")
    assert town.said("DELETE", f"/methods/{method}") == {"items": []}


def test_an_invoice_is_paid_by_the_saved_card(town):
    town.save_card()
    town.use("SW-A", 12_000)
    (invoice,) = invoice_of(town)
    paid = town.said("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="K1")
    assert (paid["state"], paid["open_minor"]) == ("CAPTURED", 0)
    again = town.said("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="K1")
    assert again["payment_id"] == paid["payment_id"]
    payment = town.said("GET", f"/payments/{paid['payment_id']}")
    assert (payment["state"], payment["invoice_id"]) == ("CAPTURED", invoice)
    shown = town.said("GET", f"/invoices/{invoice}")
    assert [one["kind"] for one in shown["payments"]] == ["card"]
    more = town.call("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="K2")
    check_problem(more, 409, "invoice_not_payable")


def test_a_declined_card_leaves_the_invoice_open_and_the_payment_failed(town):
    town.save_card("declined")
    town.use("SW-A", 12_000)
    (invoice,) = invoice_of(town)
    paid = town.said("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="K1")
    assert (paid["state"], paid["open_minor"] > 0) == ("FAILED", True)
    assert town.said("GET", f"/payments/{paid['payment_id']}")["reason"] == "card_declined"
    town.save_card()
    paid = town.said("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="K2")
    assert paid["state"] == "CAPTURED"


def test_a_bank_that_wants_the_driver_leads_him_to_a_page(town):
    town.save_card("confirms")
    town.use("SW-A", 12_000)
    (invoice,) = invoice_of(town)
    answer = town.call("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="K1")
    facts = check_problem(answer, 402, "payment_action_needed")["facts"]
    page = town.page(facts["url"])
    assert "Confirm the payment" in page.text
    town.page(facts["url"], "pay")
    town.deliver()
    assert town.said("GET", f"/checkouts/{facts['checkout_id']}")["state"] == "DONE"
    assert town.said("GET", f"/invoices/{invoice}")["state"] == "PAID"


def test_without_a_card_paying_leads_to_a_page(town):
    town.use("SW-A", 12_000)
    (invoice,) = invoice_of(town)
    answer = town.call("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="K1")
    facts = check_problem(answer, 402, "payment_action_needed")["facts"]
    assert facts["amount_minor"] == town.said("GET", f"/invoices/{invoice}")["open_minor"]
    town.page(facts["url"], "pay")
    town.deliver()
    assert town.said("GET", f"/invoices/{invoice}")["open_minor"] == 0


def test_credit_and_wallet_pay_as_far_as_they_go(town):
    town.use("SW-A", 12_000)
    (invoice,) = invoice_of(town)
    issue_code(town, "SPRING-26", 500)
    grant = town.said("POST", "/promo-codes", {"code": "spring 26"}, key="K1")
    paid = town.said("POST", f"/invoices/{invoice}/pay", {"pay_with": "wallet"}, key="K2")
    assert paid["paid_minor"] == grant["amount_minor"] == 500
    kinds = [one["text_key"] for one in town.said("GET", "/wallet/entries")["items"]]
    assert kinds == ["wallet.promo_used", "wallet.promo_granted"]
    town.save_card()  # the wallet has nothing more, so the rest goes to the card
    body = {"pay_with": "wallet_and_card"}
    both = [town.said("POST", f"/invoices/{invoice}/pay", body, key="K3") for _ in range(2)]
    assert [(one["state"], one["open_minor"]) for one in both] == [("CAPTURED", 0)] * 2


def test_every_useless_code_is_refused_alike_and_five_tries_are_enough(town):
    issue_code(town, "ONCE", 100, uses_max=1)
    issue_code(town, "OVER", 100, lasts_us=1)
    town.clock.at += 10
    town.said("POST", "/promo-codes", {"code": "ONCE"}, who="DR-2", key="K0")
    said = []
    for number, code in enumerate(("ONCE", "OVER", "NEVER-WAS", "ONCE", "X")):
        answer = town.call("POST", "/promo-codes", {"code": code}, key=f"K{number + 1}")
        problem = check_problem(answer, 409, "code_not_usable")
        said.append({key: value for key, value in problem.items() if key != "reference"})
    assert all(one == said[0] for one in said)
    answer = town.call("POST", "/promo-codes", {"code": "X"}, key="K9")
    check_problem(answer, 429, "rate_limited")


# Plans ------------------------------------------------------------------------------


def test_a_plan_is_previewed_begun_used_and_ended(town):
    terms = PlanTerms(
        currency="EUR",
        country="FR",
        zone="Europe/Paris",
        price_minor=6_000,
        unit="SWAP",
        quantity=10,
        valid_from_at=0,
    )
    town.ask(PublishPlan(plan_id="PL-1", terms=terms), FINANCE)
    (plan,) = town.said("GET", "/plans")["items"]
    assert (plan["price_minor"], plan["price_gross_minor"], plan["unit"]) == (6_000, 7_200, "swap")
    assert town.said("GET", "/subscription")["state"] == "NONE"
    wanted = {"plan_id": "PL-1", "start": "2024-04-16", "preview": True}
    preview = town.said("POST", "/subscription", wanted, key="K1")["preview"]
    assert (preview["days"], preview["net_minor"], preview["gross_minor"]) == (15, 3_000, 3_600)
    assert preview["quantity"] == 5
    assert town.said("GET", "/subscription")["state"] == "NONE"
    begun = town.said("POST", "/subscription", {**wanted, "preview": False}, key="K2")
    assert (begun["state"], begun["first_on"]) == ("ACTIVE", "2024-04-16")
    town.clock.at += 20 * DAY
    town.doors.bearers.clear()
    town.ask(InvoiceSubscription(driver_id="DR-1", period="2024-04", issued_at=town.clock.at))
    (allowance,) = town.said("GET", "/subscription")["allowances"]
    assert (allowance["quantity"], allowance["left"]) == (5, 5)
    (invoice,) = [
        one for one in town.said("GET", "/invoices")["items"] if one["kind"] == "subscription"
    ]
    assert invoice["total_minor"] == 3_600
    (line,) = town.said("GET", f"/invoices/{invoice['invoice_id']}")["lines"]
    assert (line["net_minor"], line["unit_price"]) == (3_000, "30.00")
    ended = town.said("DELETE", "/subscription")
    assert (ended["state"], ended["last_period"]) == ("ENDING", "2024-04")
    assert town.said("DELETE", "/subscription")["last_period"] == "2024-04"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"plan_id": "PL-9", "start": "2024-04-16"}, 404, "not_found"),
        ({"plan_id": "PL-1", "start": "2024-04-31"}, 400, "malformed"),
        ({"plan_id": "PL-1", "start": "2024-4-1"}, 400, "malformed"),
        ({"plan_id": "PL-1", "start": "2024-04-16", "preview": "yes"}, 400, "malformed"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(town, body, status, code):
    check_problem(town.call("POST", "/subscription", body, key="K"), status, code)


# What is another's ------------------------------------------------------------------


def test_what_is_another_drivers_is_like_nothing(town):
    method = town.save_card()
    town.use("SW-A", 12_000)
    (invoice,) = invoice_of(town)
    paid = town.said("POST", f"/invoices/{invoice}/pay", {"pay_with": "card"}, key="K1")
    body = {"purpose": "top_up", "amount_minor": 900, "currency": "EUR", "return_to": "/app/w"}
    page = town.said("POST", "/checkouts", body, key="K2")["checkout_id"]
    for method_, path, sent in (
        ("GET", "/payments/{}", None),
        ("GET", "/checkouts/{}", None),
        ("POST", "/checkouts/{}/end", {"outcome": "left"}),
        ("POST", "/methods/{}/default", {}),
        ("DELETE", "/methods/{}", None),
        ("GET", "/invoices/{}", None),
        ("POST", "/invoices/{}/pay", {"pay_with": "card"}),
        ("GET", "/invoices/{}/document", None),
        ("GET", "/invoices/{}/proof", None),
    ):
        own = {"/payments": paid["payment_id"], "/checkouts": page, "/methods": method}
        object_id = own.get(f"/{path.split('/')[1]}", invoice)
        answers = [
            town.call(method_, path.format(one), sent, who="DR-2", key=f"{number}")
            for number, one in enumerate((object_id, "XX-1", "not an id"), 5)
        ]
        kept = [_without_names(one) for one in answers]
        assert kept[0] == kept[1] == kept[2], (method_, path)
        assert kept[0]["status"] == 404


def _without_names(answer):
    said = answer.json()
    assert said["code"] == "not_found", said
    return {key: value for key, value in said.items() if key not in ("instance", "reference")}


def invoice_of(town):
    """Invoice the day on which the test uses something; the drivers sign in again."""
    town.clock.at += DAY
    town.doors.bearers.clear()
    return town.close("2024-04-02")


def issue_code(town, code, amount_minor, *, uses_max=10, lasts_us=DAY):
    town.ask(
        IssuePromoCode(
            code_digest=digest_of(code),
            campaign_id="CP-1",
            currency="EUR",
            amount_minor=amount_minor,
            usable_until_at=town.clock.at + lasts_us,
            uses_max=uses_max,
        ),
        FINANCE,
    )
