"""Rent and instalments out of pack-days, with numbers worked by hand."""

import msgspec
import pytest

from ledger.domain.money import pack_dues
from ledger.domain.money.contracts import AgreeContract
from ledger.domain.money.documents import lines_by_partner
from ledger.domain.money.pack_dues import (
    LIENS_MAX,
    PACK_DUES,
    AccruePackDues,
    DuesCount,
    PackDuesAccrued,
    follows,
)
from ledger.domain.pack_days import LienDays, RentDays
from ledger.kernel.instants import parse_instant
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.books import entry_of
from tests.support.rules import act, events
from tests.support.usage import agreement, market

JUNE = parse_instant("2026-06-01T00:00:00Z", "at")
MAY = parse_instant("2026-05-01T00:00:00Z", "at")
RENT = RentDays("OP-1", "C1", "MG", "CO-1", 60)
LIEN = LienDays("OP-1", "LI-1", "PK-1", "MG", 450_000, "EUR", 30)


def paid(**changes):
    """Make a world whose OP-1 gets 1.25 a pack-day, and 685 millionths of a lien a day."""
    plain = agreement(rent_micro={"C1": 1_250_000}, instalment_ppm=685)
    return market(contract=msgspec.structs.replace(plain, **changes))


def count(*rents, liens=()):
    return DuesCount(9, rents, tuple(liens))


def order(counted=None, **changes):
    counted = counted or count(RENT, liens=(LIEN,))
    plain = AccruePackDues(
        partner_id="OP-1", contract_id="CO-1", period="2026-05", count=counted, recount=counted
    )
    return msgspec.structs.replace(plain, **changes)


def code(world, command, at=JUNE):
    refusal = act(world, command, at=at)
    assert isinstance(refusal, Refusal), refusal
    return refusal.code


def test_days_are_owed_at_the_prices_of_the_contract_and_stand_on_the_statement():
    world = paid()
    (event,) = events(act(world, order(), at=JUNE))
    assert isinstance(event, PackDuesAccrued)
    # 60 x 1.25; 4,500.00 x 0.000685 x 30 = 92.475, half up
    assert [one.amount_minor for one in event.rents] == [7_500]
    assert [one.amount_minor for one in event.instalments] == [9_248]
    lines = pack_dues.postings(event)
    check_zero(lines)
    assert [(one.account, one.quantity) for one in lines] == [
        ("Expenses:Partner-Share", 7_500),
        ("Liabilities:Partners:Accrued", -7_500),
        ("Expenses:Partner-Share", 9_248),
        ("Liabilities:Partners:Accrued", -9_248),
    ]
    assert lines[1].dims == {"contract": "CO-1", "service_period": "2026-05", "partner": "OP-1"}
    told = lines_by_partner(entry_of(5, MAY, event.kind, lines), event)["OP-1"]
    assert [(one.posting_index, one.share_minor, one.source) for one in told] == [
        (1, 7_500, "pack_dues.accrued"),
        (3, 9_248, "pack_dues.accrued"),
    ]


def test_a_stretch_of_time_is_owed_once():
    world = paid()
    events(act(world, order(), at=JUNE))
    assert act(world, order(), at=JUNE) == ()
    july = parse_instant("2026-07-01T00:00:00Z", "at")
    (event,) = events(act(world, order(period="2026-06"), at=july))
    assert event.from_at == JUNE


def test_a_month_of_which_a_day_is_owed_is_refused():
    for counted in (count(RENT), count(liens=(LIEN,))):
        world = paid()
        events(act(world, order(counted, period="2026-05-31"), at=JUNE))
        assert code(world, order(counted)) is RefusalCode.LINE_ALREADY_IN_STATEMENT


def test_no_bank_gets_more_than_a_lien_secures():
    world = paid(instalment_ppm=40_000)
    (event,) = events(act(world, order(count(liens=(LIEN,))), at=JUNE))
    assert event.instalments[0].amount_minor == LIEN.amount_minor
    july = parse_instant("2026-07-01T00:00:00Z", "at")
    assert act(world, order(count(liens=(LIEN,)), period="2026-06"), at=july) == ()
    row = world.get(PACK_DUES, "lien|LI-1|PK-1")
    assert row is not None
    assert row.amount_minor == LIEN.amount_minor


def change(fact, **changes):
    return msgspec.structs.replace(fact, **changes)


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (order(partner_id="CAR-1"), RefusalCode.CONTRACT_UNKNOWN),
        (order(contract_id="CO-9"), RefusalCode.CONTRACT_UNKNOWN),
        (order(period="May"), RefusalCode.PERIOD_INVALID),
        (order(period="2026-06"), RefusalCode.PERIOD_NOT_ENDED),
        (order(recount=count()), RefusalCode.STATEMENT_DIFFERS),
        (order(count(change(RENT, holder_id="MG"))), RefusalCode.DIMENSION_INVALID),
        (order(count(change(RENT, lessee_id="CAR-1"))), RefusalCode.DIMENSION_INVALID),
        (order(count(change(RENT, contract_id="CO-9"))), RefusalCode.DIMENSION_INVALID),
        (order(count(change(RENT, pack_class="C9"))), RefusalCode.CONTRACT_FIELD_INVALID),
        (order(count(change(RENT, pack_days=-1))), RefusalCode.QUANTITY_LIMIT),
        (order(count(liens=(change(LIEN, bank_id="MG"),))), RefusalCode.DIMENSION_INVALID),
        (order(count(liens=(change(LIEN, holder_id="OP-1"),))), RefusalCode.DIMENSION_INVALID),
        (order(count(liens=(change(LIEN, currency="CNY"),))), RefusalCode.CURRENCY_MISMATCH),
        (order(count(liens=(LIEN, LIEN))), RefusalCode.QUANTITY_LIMIT),
        (order(part=0), RefusalCode.QUANTITY_LIMIT),
        (order(part=2), RefusalCode.QUANTITY_LIMIT),
        (
            order(count(liens=[change(LIEN, lien_id=f"LI-{n}") for n in range(LIENS_MAX + 1)])),
            RefusalCode.QUANTITY_LIMIT,
        ),
    ],
)
def test_what_is_not_owed_is_refused_and_says_why(command, found):
    assert code(paid(), command) is found


def test_a_contract_without_prices_pays_for_no_pack():
    assert code(market(contract=agreement()), order()) is RefusalCode.CONTRACT_UNKNOWN
    later = paid(valid_from_at=JUNE)
    assert code(later, order()) is RefusalCode.CONTRACT_UNKNOWN
    assert follows(later, order()) == ()


@pytest.mark.parametrize(
    ("terms", "field"),
    [({"rent_micro": {"C1": 0}}, "rent_micro"), ({"instalment_ppm": -1}, "instalment_ppm")],
)
def test_prices_of_days_are_checked(terms, field):
    bad = agreement(**terms)
    refusal = act(market(), AgreeContract(contract_id="CO-1", partner_id="OP-1", terms=bad))
    assert isinstance(refusal, Refusal)
    assert refusal.facts == {"field": field}
