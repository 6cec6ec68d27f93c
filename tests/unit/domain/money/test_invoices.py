import msgspec
import pytest

from ledger.domain.money.accounts import check_chart, item_of
from ledger.domain.money.invoice_taxes import TaxBase
from ledger.domain.money.invoices import (
    INVOICED,
    INVOICES,
    SERIES,
    InvoiceIssued,
    IssueInvoice,
    PaymentCaptured,
    RecordPayment,
    follows,
    postings,
    touches,
)
from ledger.domain.world import World
from ledger.kernel.instants import parse_instant
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act
from tests.support.usage import made

JUNE = parse_instant("2018-06-01T00:00:00Z", "at")
GERMAN = TaxBase("DE", "S", 1900, 2101)


def order(**changes):
    command = IssueInvoice(
        driver_id="DR-1",
        period="2018-05",
        currency="EUR",
        from_position=0,
        to_position=100,
        line_count=3,
        bases=(GERMAN,),
        lines_root="root",
        issued_at=JUNE,
    )
    return msgspec.structs.replace(command, **changes)


def payment(**changes):
    command = RecordPayment(
        payment_id="PAY-1",
        driver_id="DR-1",
        invoice_no="MG1-INV-2018-000001",
        currency="EUR",
        amount_minor=2500,
    )
    return msgspec.structs.replace(command, **changes)


def books(event):
    lines = postings(event)
    check_zero(lines)
    assert check_chart(lines) is None
    return [(line.account, line.quantity, item_of(line)) for line in lines]


def test_an_invoice_adds_tax_on_its_sums():
    (issued,) = made(act(World(complete=True), order()))
    assert isinstance(issued, InvoiceIssued)
    assert (issued.net_minor, issued.gross_minor) == (2101, 2500)
    assert [(row.tax_code, row.tax_minor) for row in issued.taxes] == [("DE-S-1900", 399)]
    assert (issued.issued_on, issued.due_on) == ("2018-06-01", "2018-06-15")
    assert books(issued) == [
        ("Assets:Receivables:Drivers", 2500, "DR-1|MG1-INV-2018-000001"),
        ("Assets:Receivables:Unbilled", -2101, "DR-1"),
        ("Liabilities:Tax:Output-VAT", -399, "DE-S-1900"),
    ]


def test_tax_is_computed_for_each_country_category_and_rate():
    bases = (TaxBase("CN", "S", 600, 800), TaxBase("CN", "S", 1300, 840), TaxBase("US", "O", 0, 50))
    (issued,) = made(act(World(complete=True), order(bases=bases)))
    assert isinstance(issued, InvoiceIssued)
    assert [row.tax_minor for row in issued.taxes] == [48, 109, 0]
    assert books(issued)[2:] == [
        ("Liabilities:Tax:Output-VAT", -48, "CN-S-600"),
        ("Liabilities:Tax:Output-VAT", -109, "CN-S-1300"),
    ]


def test_an_invoice_of_nothing_but_free_usages_moves_nothing():
    free = (TaxBase("DE", "S", 1900, 0),)
    (issued,) = made(act(World(complete=True), order(bases=free)))
    assert postings(issued) == ()


def test_numbers_of_a_series_run_without_a_gap():
    world = World(complete=True)
    numbers = []
    for month, begin, entity in [("05", 0, "MG1"), ("05", 100, "MG1"), ("05", 200, "MG2")]:
        command = order(
            period=f"2018-{month}", from_position=begin, to_position=begin + 100, entity=entity
        )
        refusal = act(world, order(period="nonsense"))
        assert isinstance(refusal, Refusal)  # a refused command takes no number
        (issued,) = made(act(world, command))
        assert isinstance(issued, InvoiceIssued)
        numbers.append(issued.invoice_no)
    assert numbers == ["MG1-INV-2018-000001", "MG1-INV-2018-000002", "MG2-INV-2018-000001"]
    assert world.need(SERIES, "MG1|INV|2018").last == 2
    assert world.need(INVOICED, "DR-1|EUR").spans == ((0, 300),)


def test_a_new_year_begins_a_new_series():
    world = World(complete=True)
    act(world, order())
    later = parse_instant("2019-01-01T00:00:00Z", "at")
    (issued,) = made(act(world, order(from_position=100, to_position=200, issued_at=later)))
    assert isinstance(issued, InvoiceIssued)
    assert issued.invoice_no == "MG1-INV-2019-000001"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"currency": "XXX"}, RefusalCode.COMMODITY_UNKNOWN),
        ({"issued_at": JUNE - 1}, RefusalCode.PERIOD_NOT_ENDED),
        ({"zone": "America/Denver"}, RefusalCode.PERIOD_NOT_ENDED),
        ({"period": "2018-13"}, RefusalCode.PERIOD_INVALID),
        ({"period": "9999-12"}, RefusalCode.PERIOD_INVALID),
        ({"zone": "Nowhere"}, RefusalCode.PERIOD_INVALID),
        ({"from_position": 100}, RefusalCode.PERIOD_INVALID),
        ({"from_position": -2}, RefusalCode.PERIOD_INVALID),
        ({"to_position": 2**60}, RefusalCode.PERIOD_INVALID),
        ({"entity": "mg|1"}, RefusalCode.PERIOD_INVALID),
        ({"due_days": -1}, RefusalCode.PERIOD_INVALID),
        ({"due_days": 10**9}, RefusalCode.PERIOD_INVALID),
        ({"issued_at": 10**30}, RefusalCode.PERIOD_INVALID),
        ({"line_count": 0}, RefusalCode.NOTHING_TO_SETTLE),
        ({"bases": ()}, RefusalCode.NOTHING_TO_SETTLE),
    ],
)
def test_an_invoice_that_cannot_be_is_refused(changes, code):
    refusal = act(World(complete=True), order(**changes))
    assert isinstance(refusal, Refusal)
    assert refusal.code is code


@pytest.mark.parametrize(("begin", "end"), [(0, 100), (99, 200), (-1, 1), (50, 60)])
def test_no_usage_is_invoiced_twice(begin, end):
    world = World(complete=True)
    act(world, order())
    refusal = act(world, order(from_position=begin, to_position=end))
    assert refusal == Refusal(RefusalCode.INVOICE_EXISTS, {"to_position": 100})
    other = act(world, order(from_position=begin, to_position=end, driver_id="DR-2"))
    assert len(made(other)) == 1


def test_a_payment_pays_its_invoice():
    world = World(complete=True)
    act(world, order())
    (captured,) = made(act(world, payment()))
    assert isinstance(captured, PaymentCaptured)
    assert books(captured) == [
        ("Assets:PSP:Stripe", 2500, ""),
        ("Assets:Receivables:Drivers", -2500, "DR-1|MG1-INV-2018-000001"),
    ]
    invoice = world.need(INVOICES, "MG1-INV-2018-000001")
    assert (invoice.paid_minor, invoice.open_minor) == (2500, 0)


def test_what_is_paid_too_much_goes_to_suspense():
    world = World(complete=True)
    act(world, order())
    act(world, payment(amount_minor=2000))
    captured, case = made(act(world, payment(payment_id="PAY-2", amount_minor=700)))
    assert (case.case_type, case.subjects) == ("OVERPAYMENT", ("PAY-2", "DR-1"))
    assert case.reason == "200 EUR more than MG1-INV-2018-000001 asks for"
    assert books(captured) == [
        ("Assets:PSP:Stripe", 500, ""),
        ("Assets:Receivables:Drivers", -500, "DR-1|MG1-INV-2018-000001"),
        ("Assets:PSP:Stripe", 200, ""),
        ("Liabilities:Suspense", -200, "PAY-2"),
    ]
    more, _ = made(act(world, payment(payment_id="PAY-3", amount_minor=100)))
    assert [account for account, _, _ in books(more)] == [
        "Assets:PSP:Stripe",
        "Liabilities:Suspense",
    ]
    assert world.need(INVOICES, "MG1-INV-2018-000001").paid_minor == 2500


@pytest.mark.parametrize(
    "changes", [{"invoice_no": "MG1-INV-2018-000009"}, {"driver_id": "DR-2"}, {"currency": "GBP"}]
)
def test_a_payment_of_no_such_invoice_is_kept_in_suspense(changes):
    world = World(complete=True)
    act(world, order())
    captured, case = made(act(world, payment(**changes)))
    assert isinstance(captured, PaymentCaptured)
    assert captured.applied_minor == 0
    assert case.case_type == "OVERPAYMENT"
    assert world.need(INVOICES, "MG1-INV-2018-000001").paid_minor == 0


def test_a_payment_counts_once():
    world = World(complete=True)
    act(world, order())
    act(world, payment())
    assert act(world, payment()) == ()
    refusal = act(world, payment(amount_minor=1))
    assert refusal == Refusal(RefusalCode.KEY_REUSED, {"payment": "PAY-1"})


@pytest.mark.parametrize("amount", [0, -1, 2**53])
def test_a_payment_has_a_sensible_amount(amount):
    refusal = act(World(complete=True), payment(amount_minor=amount))
    assert refusal == Refusal(RefusalCode.AMOUNT_LIMIT, {"amount_minor": amount})


def test_a_payment_has_a_known_currency():
    refusal = act(World(complete=True), payment(currency="XXX"))
    assert refusal == Refusal(RefusalCode.COMMODITY_UNKNOWN, {"currency": "XXX"})


def test_the_rows_of_a_command_are_known_beforehand():
    assert [key for _, key in touches(order())] == ["DR-1|EUR", "MG1|INV|2018"]
    assert [key for _, key in touches(payment())] == ["PAY-1", "MG1-INV-2018-000001"]
    assert follows(World(), payment()) == ()
