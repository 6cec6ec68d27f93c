"""What a card pays with is held by its bank before a pack is promised, and taken by the bill."""

from random import Random  # noqa: TID251  seeded below

import pytest

from ledger.domain.blocks import BlockDriver
from ledger.domain.booking_ends import FailBooking
from ledger.domain.claims import BOOKINGS, hold_of
from ledger.domain.custody import PACKS
from ledger.domain.legs import RecordPackOut
from ledger.domain.money.billing import BILLED
from ledger.domain.money.dunning import block_reason
from ledger.domain.money.payments_rows import CARD_PAYMENTS, PAYMENT_CALLS
from ledger.domain.money.pending import TopUpWallet
from ledger.domain.money.pending_rows import PENDINGS
from ledger.domain.money.tariff_terms import Element, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.exports.proven import prove_usage
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.messages import Actor, ClockReading, Observed, Source
from ledger.runtime.invariants import check_invariants
from ledger.runtime.verify import verify
from mobilegrid import offline_verifier as offline
from mobilegrid.demo.fleet import FINANCE
from mobilegrid.simulated_slots import Pauses
from mobilegrid.simulated_stations import Simulator
from mobilegrid.wiring import RandomIds
from tests.support.bundles import first_of, is_good, lie, read, relie
from tests.support.doors import check_problem, log_signer, sign
from tests.support.driver_town import SYSTEM
from tests.support.held_town import held_town
from tests.support.ledgers import sqlite_url
from tests.support.offline import policy_text

SUPPORT = Actor("SU-1", "support", "SU-2")
DRIVERS = [f"DR-{number:02}" for number in range(1, 15)]
"""Each test has a driver of its own; the clock of the town goes on."""

FEES = (
    Element("ENERGY", "KWH", 320_000),
    Element("SWAP", "SWAP", 2_000_000),
    Element("BOOKING", "ITEM", 500_000),
    Element("NO_SHOW", "ITEM", 2_000_000),
)
"""Not to come costs 2.50 net and 3.00 with the tax of France."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with held_town(sqlite_url(tmp_path_factory.mktemp("held"))) as made:
        terms = TariffTerms("FR", "EUR", "Europe/Paris", made.town.clock.at - HOUR, 0, FEES)
        made.town.do(PublishTariff(tariff_id="TF-NORD", terms=terms), FINANCE)
        yield made, iter(DRIVERS)
        with made.town.ledger.reading() as reads:
            verify(reads, deep=True)  # whatever happened here is the same when told anew
            assert [one for one in check_invariants(reads, deep=True) if not one.holds] == []


@pytest.fixture
def held(opened):
    made, drivers = opened
    made.begin(next(drivers))
    yield made
    made.leave()


def test_a_booking_is_promised_when_the_bank_holds_the_money(held):
    method = held.card()
    quote = held.quote()
    assert (quote["pending_minor"], quote["no_show_minor"], quote["cancel_minor"]) == (300, 300, 60)
    made = held.post("/bookings", held.wish(quote, method), key="B")
    assert made.status_code == 201, made.text
    name = made.json()["id"]
    assert made.json()["state"] == "RESERVED"
    told = held.thing().told
    assert (told.status, told.amount_minor, told.currency) == ("authorised", 300, "EUR")
    call = held.row(PAYMENT_CALLS, f"swap:{name}:authorise:1")
    assert (call.state, call.sends, call.body.metadata["swap_id"]) == ("ANSWERED", 1, name)
    pending = held.row(PENDINGS, hold_of(name))
    assert (pending.state, pending.amount_minor, pending.expires_at) == (
        "PENDING",
        300,
        told.authorised_until,
    )
    said = held.get(f"/payments/{hold_of(name)}")
    assert (said["state"], said["purpose"], said["amount_minor"]) == ("AUTHORISED", "hold", 300)
    again = held.post("/bookings", held.wish(quote, method), key="B")
    assert (again.status_code, again.headers["idempotent-replay"]) == (201, "true")
    other = held.post("/bookings", held.wish(quote, "wallet"), key="B")
    check_problem(other, 422, "idempotency_key_reused")

    gone = held.post(f"/bookings/{name}/cancel", {"reason": "other plans"})
    assert gone.json()["fee_minor"] == 0
    held.relay.run()
    assert held.thing().told.status == "cancelled"
    assert held.row(PENDINGS, hold_of(name)).state == "VOIDED"
    assert held.balance("Assets:PSP:Stripe") == 0


def test_a_declined_card_keeps_nothing(held):
    held.card("declined")
    quote = held.quote()
    answer = held.post("/bookings", held.wish(quote, "card"), key="B")
    facts = check_problem(answer, 402, "authorisation_declined")["facts"]
    assert facts == {"amount_minor": 300, "currency": "EUR", "reason": "card_declined"}
    (listed,) = held.get("/bookings")["items"]
    assert (listed["state"], listed["end_reason"]) == ("REJECTED", "card_declined")
    assert held.row(PENDINGS, hold_of(listed["id"])) is None
    assert held.row(CARD_PAYMENTS, hold_of(listed["id"])).state == "FAILED"
    again = held.post("/bookings", held.wish(quote, "card"), key="B")
    check_problem(again, 402, "authorisation_declined")
    assert held.book(held.card()).status_code == 201  # the pack and the time are free again


def test_a_bank_that_does_not_answer_is_waited_for(held):
    method = held.card()
    held.provider.is_away = True
    made = held.book(method)
    assert (made.status_code, made.json()["state"]) == (201, "PENDING")
    name = made.json()["id"]
    assert held.row(PAYMENT_CALLS, f"swap:{name}:authorise:1").state == "UNKNOWN"
    held.provider.is_away = False
    held.tick(MINUTE)
    assert held.get(f"/bookings/{name}")["state"] == "ALLOCATED"
    assert held.row(PAYMENT_CALLS, f"swap:{name}:authorise:1").sends == 2


def test_an_answer_that_comes_too_late_is_given_back(held):
    method = held.card()
    held.provider.is_away = True
    name = held.book(method).json()["id"]
    held.town.pass_time(16 * MINUTE)
    said = held.get(f"/bookings/{name}")
    assert (said["state"], said["end_reason"]) == ("REJECTED", "hold_not_told")
    held.provider.is_away = False
    held.tick(MINUTE)
    assert held.thing().told.status == "cancelled"
    assert held.row(CARD_PAYMENTS, hold_of(name)).state == "CANCELLED"
    assert held.row(PENDINGS, hold_of(name)).state == "VOIDED"


def test_a_bank_that_wants_to_see_the_driver(held):
    method = held.card("confirms")
    made = held.book(method)
    facts = check_problem(made, 402, "payment_action_needed")["facts"]
    assert facts["payment_id"] == hold_of(facts["booking_id"])
    held.provider.choose(held.thing().told.ref, "pay")
    held.told(facts["payment_id"], held.thing().told.ref)
    assert held.row(BOOKINGS, facts["booking_id"]).stage == "RESERVED"


def test_who_does_not_come_gets_a_bill_that_the_hold_pays(held, tmp_path):
    name = held.book(held.card()).json()["id"]
    held.tick(56 * MINUTE)
    said = held.get(f"/bookings/{name}")
    assert (said["state"], said["fee_minor"]) == ("NO_SHOW", 300)
    (invoice,) = held.invoices()
    assert (invoice.payable_minor, invoice.paid_minor, invoice.state) == (300, 300, "paid")
    assert held.thing().told.captured_minor == 300
    assert held.row(PENDINGS, hold_of(name)).state == "VOIDED"  # the invoice took it
    assert held.balance("Income:Booking-Fees") == -50
    assert held.balance("Income:Damage-Late-Fees") == -200
    assert held.balance("Assets:PSP:Stripe") == 300
    assert held.balance("Assets:Receivables:Drivers") == 0
    assert held.balance("Assets:Receivables:Unbilled") == 0
    receipt = held.get(f"/receipts/{name}")
    assert [(line["kind"], line["net_minor"]) for line in receipt["lines"]] == [
        ("booking", 50),
        ("no_show", 200),
    ]
    assert [one["amount_minor"] for one in receipt["payments"]] == [300]
    held.tick(HOUR)
    assert len(held.invoices()) == 1
    # and whoever recomputes the bill offline comes to the same
    town = held.town
    sign(town.ledger, town.clock.at)
    policy = offline.parse_policy(policy_text((log_signer(town.ledger),)))
    with town.ledger.reading() as reads:
        bundle = prove_usage(reads, reads.row(BILLED, name).position)
        log = list(reads.raw(0, reads.size))
    assert is_good(bundle, tmp_path / "fee.zip", policy)
    # from how the booking ended, not at the word of the bill
    change = {first_of(bundle, "booking_no_show"): lie("driver_id", "DR-9")}
    relie(bundle, log, change, tmp_path / "lie.zip")
    assert read(tmp_path / "lie.zip") == ("refused", "M4")


def test_a_late_no_costs_the_booking_fee_and_the_rest_is_given_back(held):
    name = held.book(held.card()).json()["id"]
    held.town.pass_time(9 * MINUTE)
    gone = held.post(f"/bookings/{name}/cancel", {})
    assert gone.json()["fee_minor"] == 60
    held.tick()
    (invoice,) = held.invoices()
    assert (invoice.payable_minor, invoice.state) == (60, "paid")
    assert held.thing().told.captured_minor == 60


def test_a_wallet_pays_the_fee_that_was_set_aside_in_it(held):
    paid = TopUpWallet(payment_id="PY-W", driver_id=held.who, currency="EUR", amount_minor=1_000)
    held.town.do(paid, FINANCE)
    held.book("wallet")
    assert held.get("/wallet")["available_minor"] == 700
    held.tick(56 * MINUTE)
    (invoice,) = held.invoices()
    assert (invoice.payable_minor, invoice.state) == (300, "paid")
    wallet = held.get("/wallet")
    assert (wallet["available_minor"], wallet["pending_minor"]) == (700, 0)


def test_without_money_set_aside_the_fee_waits_for_the_invoice_of_the_month(held):
    name = held.book("invoice").json()["id"]
    held.tick(56 * MINUTE)
    assert held.invoices() == []
    assert held.balance("Assets:Receivables:Unbilled") == 250
    listed = held.get("/receipts")["items"]
    assert [(one["swap_id"], one["total_minor"]) for one in listed] == [(name, 300)]


def test_who_has_a_pack_too_many_brings_it_back_first(held):
    town, at = held.town, held.town.clock.at
    with town.ledger.reading() as reads:
        stood = [row for _, row in reads.rows(PACKS) if row.account.startswith("Packs:Station:")]
    pack = next(row for row in stood if ":ST-CENTRAL:Slot:" in row.account)
    seen = Observed(at, Source("ST-CENTRAL", boot_id="B-TEST", seq=1), ClockReading("S"))
    town.do(
        RecordPackOut(
            swap_id="SW-NONE",
            station_id="ST-CENTRAL",
            slot=pack.account.rpartition(":")[2],
            driver_id=held.who,
            pack_id=pack.pack_id,
            occurred_at=at,
            observed=seen,
            soc_bp=9_000,
        ),
        Actor("ST-CENTRAL", "station"),
    )
    facts = check_problem(held.book("invoice"), 409, "pack_surplus")["facts"]
    assert facts == {"pack_class": "MG50", "count": 1}


def test_a_swap_is_paid_by_what_was_held_and_the_card_pays_the_rest(held):
    town = held.town
    name = held.book(held.card()).json()["id"]
    key = town.doors.parts.journey.code_key.public_key()
    ids = RandomIds(town.clock)
    town.stations = Simulator(
        town.ledger, town.clock, ids, Random(3), pauses=Pauses.none(), key=key
    )
    town.stations.step()
    town.pass_time(5 * MINUTE)
    wish = {"kind": "exchange", "station_id": "ST-CENTRAL", "booking_id": name}
    swap_id = held.post("/swaps", wish).json()["id"]
    for _ in range(6):
        town.stations.step()
    assert held.get(f"/bookings/{name}")["state"] == "FULFILLED"
    held.tick()
    (invoice,) = held.invoices()
    assert invoice.state == "paid"
    rest = invoice.payable_minor - 300
    assert rest > 0
    captured, charged = held.thing().told, held.thing("charge").told
    assert (captured.captured_minor, charged.captured_minor) == (300, rest)
    receipt = held.get(f"/receipts/{swap_id}")
    assert receipt["total_minor"] == invoice.payable_minor
    assert sorted(one["amount_minor"] for one in receipt["payments"]) == sorted((300, rest))
    assert held.balance("Assets:Receivables:Drivers") == 0
    held.tick(HOUR)
    assert len(held.invoices()) == 1


def test_a_station_that_fails_takes_nothing_and_gives_credit(held):
    name = held.book(held.card()).json()["id"]
    held.town.do(FailBooking(booking_id=name, reason="power cut"), SYSTEM)
    held.tick()
    assert held.thing().told.status == "cancelled"
    said = held.get(f"/bookings/{name}")
    assert (said["state"], said["fee_minor"], said["credit_minor"]) == ("FAILED", 0, 50)
    assert held.get("/wallet")["promo_minor"] == 50
    assert held.invoices() == []


# Refusals ---------------------------------------------------------------------


def test_who_has_no_card_or_owes_books_nothing(held):
    check_problem(held.book("card"), 402, "payment_method_missing")
    check_problem(held.book("wallet"), 402, "payment_method_missing")
    other = held.card(who="DR-16")
    check_problem(held.book(other), 402, "payment_method_missing")

    held.book(held.card())
    held.tick(56 * MINUTE)
    (invoice,) = held.invoices()
    reason = block_reason(invoice.invoice_no)
    held.town.do(BlockDriver(driver_id=held.who, reason=reason), SUPPORT)
    facts = check_problem(held.book("card"), 402, "invoice_overdue")["facts"]
    assert (facts["invoice_id"], facts["due_on"]) == (invoice.invoice_no, invoice.due_on)
