"""Wallet, hosted pages, plans, receipts with disputes, invoices: figures only as the door says."""

from decimal import Decimal

import pytest

from customer_app.api.errors import Kind
from customer_app.api.fake import Failure
from customer_app.api.fake_money import method, put_invoice, receipt, wallet
from customer_app.models.base import State
from customer_app.models.receipts import InvoiceModel, ReceiptModel, ReceiptsModel
from customer_app.models.wallet import (
    CHECKOUT,
    PayModel,
    PlansModel,
    WalletModel,
    read_amount,
)
from tests.customer_app.modelling import World, run, told


def walleted(world: World) -> WalletModel:
    model = WalletModel(world.client, world.means, world.kept)
    run(model.load())
    return model


AMOUNTS = (
    ("25", 2500),
    ("25.5", 2550),
    ("12,50", 1250),
    (" 7 ", 700),
    ("0.005", None),
    ("", None),
    (".", None),
    ("1.2.3", None),
    ("-5", None),
    ("1e3", None),
    ("NaN", None),
    ("٢٥", None),
    ("25 €", None),
)


@pytest.mark.parametrize(("typed", "minor"), AMOUNTS)
def test_an_amount_is_read_exactly_or_not_at_all(typed: str, minor: int | None) -> None:
    assert read_amount(typed) == minor


@pytest.mark.parametrize("typed", ["", "4.99", "500.01", "x"])
def test_a_top_up_out_of_bounds_is_not_sent(typed: str) -> None:
    world = World()
    model = walleted(world)
    model.type_amount(typed)
    assert not run(model.top_up())
    assert model.amount_is_wrong
    assert world.door.count("POST /checkouts") == 0
    model.type_amount("5")
    assert not model.amount_is_wrong


def test_a_top_up_opens_a_hosted_page_and_remembers_it() -> None:
    world = World()
    model = walleted(world)
    model.type_amount("25")
    assert run(model.top_up())
    (sent,) = [each.body for each in world.door.asked if each.path == "/checkouts"]
    assert sent == {
        "purpose": "top_up",
        "return_to": "/app/pay",
        "amount_minor": 2500,
        "currency": "EUR",
    }
    assert model.opened is not None
    assert world.kept.texts[CHECKOUT] == model.opened.checkout_id


def test_the_way_back_waits_for_the_door_and_after_a_minute_lets_the_driver_go() -> None:
    world = World()
    model = walleted(world)
    model.type_amount("25")
    run(model.top_up())
    assert model.opened is not None
    checkout = world.door.things[f"/checkouts/{model.opened.checkout_id}"]
    checkout["state"] = "WAITING"
    pay = PayModel(world.client, world.means, world.kept)
    run(pay.load())
    assert not told(pay.is_over)
    world.later(seconds=61)
    run(pay.follow())
    assert told(pay.is_slow)
    checkout["state"] = "DONE"
    run(pay.follow())
    assert pay.is_over
    assert not pay.is_slow
    assert CHECKOUT not in world.kept.texts
    asked = len(world.door.asked)
    run(pay.follow())
    assert len(world.door.asked) == asked


def test_without_a_page_there_is_nothing_to_tell() -> None:
    world = World()
    pay = PayModel(world.client, world.means, world.kept)
    run(pay.load())
    assert pay.state is State.EMPTY


def test_a_new_method_needs_a_fresh_passkey_and_keeps_its_intention() -> None:
    world = World()
    model = walleted(world)
    world.door.fail("POST /checkouts", Failure(403, "step_up_needed"))
    assert not run(model.add_method())
    assert model.error is not None
    assert model.error.kind is Kind.UNAUTHORISED
    assert run(model.add_method())
    assert len(set(world.door.keys("POST /checkouts"))) == 1


def test_methods_are_ordered_and_removed_after_a_question() -> None:
    world = World()
    world.door.things["/methods"]["items"].append(method("pm_2", default=False))
    model = walleted(world)
    run(model.make_default("pm_2"))
    assert [each.id for each in model.methods if each.default] == ["pm_2"]
    run(model.remove_method())
    assert len(model.methods) == 2
    model.ask_to_remove("pm_1")
    model.keep_method()
    model.ask_to_remove("pm_1")
    run(model.remove_method())
    assert [each.id for each in model.methods] == ["pm_2"]
    model.ask_to_remove("pm_2")
    run(model.remove_method())
    assert model.error is not None
    assert model.error.code == "last_method"
    assert len(model.methods) == 1


def test_an_overdue_wallet_knows_the_invoice_to_pay() -> None:
    world = World()
    world.door.things["/wallet"] = wallet(overdue_minor=6040, owed_minor=6040)
    model = walleted(world)
    assert model.overdue_invoice == "in_1"


def test_a_promo_code_gives_credit_or_one_answer_for_every_cause() -> None:
    world = World()
    model = walleted(world)
    assert not run(model.use_code())
    model.type_code("nope")
    assert not run(model.use_code())
    assert model.error is not None
    assert model.error.code == "code_not_usable"
    model.type_code(" WELCOME ")
    assert run(model.use_code())
    assert model.granted is not None
    assert model.code == ""


def test_movements_come_page_by_page() -> None:
    world = World()
    page = world.door.things["/wallet/entries"]
    page["next_cursor"] = "c1"
    model = walleted(world)
    del page["next_cursor"]
    run(model.more())
    assert len(model.entries) == 2
    run(model.more())
    assert len(model.entries) == 2


# Plans ----------------------------------------------------------------------------------------


def test_a_plan_is_taken_only_at_the_price_that_was_seen() -> None:
    world = World()
    model = PlansModel(world.client, world.means)
    run(model.load())
    assert not run(model.take("pl_city"))
    run(model.look_at("pl_city"))
    assert model.preview is not None
    assert model.preview.preview is not None
    assert model.preview.preview.gross_minor == 1120
    assert not told(model.has_plan)
    assert not run(model.take("pl_other"))
    assert run(model.take("pl_city"))
    assert model.has_plan
    model.ask_to_end()
    run(model.end())
    assert model.subscription is not None
    assert model.subscription.state == "ENDING"


# Receipts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("swap_id", "lines", "total"), [("sw_low", (840, 800), 1640), ("sw_high", (2800, 1600), 4400)]
)
def test_the_bill_shows_the_doors_figures(swap_id: str, lines: tuple[int, int], total: int) -> None:
    world = World()
    model = ReceiptModel(world.client, world.means, swap_id)
    run(model.load())
    assert model.receipt is not None
    assert tuple(each.gross_minor for each in model.receipt.lines) == lines
    assert model.receipt.total_minor == total
    assert model.receipt.lines[1].is_minimum is (swap_id == "sw_low")


@pytest.mark.parametrize("path", ["/receipts/sw_low", "/receipts/sw_high", "/invoices/in_1"])
def test_the_bills_of_the_fake_town_are_right_to_the_cent(path: str) -> None:
    bill = World().door.things[path]
    (tax,) = bill["tax"]
    lines = bill["lines"]
    assert sum(each["net_minor"] for each in lines) == tax["net_minor"] == bill["net_minor"]
    assert tax["tax_minor"] == (tax["net_minor"] * int(tax["rate"]) * 2 + 100) // 200
    rounding = bill["rounding_minor"]
    assert bill["net_minor"] + tax["tax_minor"] + rounding == bill["total_minor"]
    assert rounding in (-1, 0, 1)
    dues = [
        (each.get("billed_quantity", each["quantity"]) * Decimal(each["unit_price"])) / 10
        for each in lines
    ]
    assert sum(dues) == bill["total_minor"]
    if path.startswith("/receipts"):
        assert dues == [each["gross_minor"] for each in lines]
        assert sum(each["amount_minor"] for each in bill["payments"]) == bill["total_minor"]
    else:
        assert bill["open_minor"] == bill["total_minor"] - bill["paid_minor"]


def test_a_bill_in_the_making_is_asked_for_until_it_is_there() -> None:
    world = World()
    made = receipt(world.door, "sw_9", 12_000, (840, 800), 1640)
    world.door.things["/receipts/sw_9"] = {**made, "state": "PENDING", "lines": []}
    model = ReceiptModel(world.client, world.means, "sw_9")
    run(model.load())
    assert told(model.is_pending)
    world.door.things["/receipts/sw_9"] = made
    run(model.follow())
    assert not model.is_pending
    asked = len(world.door.asked)
    run(model.follow())
    assert len(world.door.asked) == asked


def test_a_line_is_disputed_with_words_and_once() -> None:
    world = World()
    model = ReceiptModel(world.client, world.means, "sw_low")
    run(model.load())
    model.begin("sw_low-2")
    assert not run(model.dispute())
    assert model.needs_text
    model.type_text("  It was 10 kWh. ")
    model.toggle("sw_low-2")
    assert not run(model.dispute())
    assert model.needs_lines
    model.toggle("sw_low-1")
    model.toggle("sw_low-2")
    model.choose_code("price")
    model.choose_code("bribe")
    world.door.fail("POST /receipts/sw_low/disputes", Failure(silence="timeout"))
    assert not run(model.dispute())
    assert run(model.dispute())
    assert len(set(world.door.keys("POST /receipts/sw_low/disputes"))) == 1
    sent = world.door.asked[-2].body
    assert sent == {
        "lines": ["sw_low-1", "sw_low-2"],
        "code": "price",
        "text": "It was 10 kWh.",
        "files": [],
    }
    case = model.disputed("sw_low-2")
    assert case is not None
    model.toggle("sw_low-2")
    assert model.chosen == ()


def test_receipts_are_grouped_by_month_and_come_page_by_page() -> None:
    world = World()
    world.door.things["/receipts"]["next_cursor"] = "c"
    model = ReceiptsModel(world.client)
    run(model.load())
    assert [month for month, _rows in model.months()] == ["2026-11"]
    del world.door.things["/receipts"]["next_cursor"]
    run(model.more())
    assert len(model.receipts) == 4
    model.show_invoices(wanted=True)
    run(model.more())
    assert len(model.invoices) == 1


def test_no_swap_and_no_bill_is_an_empty_list() -> None:
    world = World()
    world.door.things["/receipts"]["items"] = []
    world.door.things["/invoices"]["items"] = []
    model = ReceiptsModel(world.client)
    run(model.load())
    assert model.state is State.EMPTY


# Invoices -------------------------------------------------------------------------------------


def invoiced(world: World, state: str = "OVERDUE") -> InvoiceModel:
    put_invoice(world.door, "in_2", state)
    model = InvoiceModel(world.client, world.means, world.kept, "in_2")
    run(model.load())
    return model


def test_an_invoice_is_paid_once_even_when_the_answer_is_lost() -> None:
    world = World()
    model = invoiced(world)
    assert model.can_pay
    world.door.fail("POST /invoices/in_2/pay", Failure(silence="lost"))
    assert run(model.pay("wallet"))
    assert len(set(world.door.keys("POST /invoices/in_2/pay"))) == 1
    assert model.invoice is not None
    assert (model.invoice.state, model.can_pay) == ("PAID", False)
    assert not run(model.pay("wallet"))


def test_a_bank_that_wants_a_confirmation_gets_its_page() -> None:
    world = World()
    model = invoiced(world)
    world.door.fail("POST /invoices/in_2/pay", Failure(402, "payment_action_needed"))
    assert not run(model.pay("card"))
    assert model.opened is not None
    assert model.opened.invoice_id == "in_2"
    assert model.opened.return_to == "/app/invoices/in_2", "the door takes no other routes"
    made: dict[str, str | int] = {"checkout_id": model.opened.checkout_id}
    again = invoiced(world)
    world.door.fail("POST /invoices/in_2/pay", Failure(402, "payment_action_needed", made))
    assert not run(again.pay("card"))
    assert again.opened is not None
    assert again.opened.checkout_id == made["checkout_id"]
    assert world.door.count("POST /checkouts") == 1, "the door has made the second page itself"


@pytest.mark.parametrize("state", ["PAID", "CREDITED", "UNCOLLECTABLE"])
def test_what_is_settled_is_not_paid_again(state: str) -> None:
    world = World()
    model = invoiced(world, state)
    assert not model.can_pay
    assert not run(model.pay("card"))
    assert not run(model.pay("barter"))
    assert world.door.count("POST /invoices/in_2/pay") == 0
