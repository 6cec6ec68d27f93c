"""Damage fees: from a closed case to the line of a bill, with numbers worked by hand."""

from typing import Any

import msgspec
import pytest

from ledger.domain.cases import CASES, Case, case_id_of
from ledger.domain.health_state import PACK_HEALTH, Found, PackHealth
from ledger.domain.money import damages
from ledger.domain.money.billing import BILLED, UsageAccrued, UsageUnbilled
from ledger.domain.money.billing import postings as billed_postings
from ledger.domain.money.damage import Wear
from ledger.domain.money.damages import ClaimDamage, DamageFound, follows, leg_of
from ledger.domain.money.invoice_credits import CreditedLine, income_of, line_faults
from ledger.domain.money.invoice_taxes import TaxRow
from ledger.domain.money.tariff_terms import Element
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.saga import SWAPS, PackLeg, Swap
from ledger.domain.stations import STATIONS, Station
from ledger.domain.world import Stamp, World
from ledger.kernel.instants import DAY
from ledger.kernel.postings import check_zero
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.runtime.reactions import needs, react
from tests.support.rules import act, events
from tests.support.usage import MAY, agreement, market, terms

AFTER = MAY + 40 * DAY
CASE = case_id_of("USAGE_DAMAGE", f"PK-1|0|{AFTER}")
CLAIM = ClaimDamage(case_id=CASE, pack_id="PK-1", out_swap_id="SW-1", in_swap_id="SW-2")
PRICE = Element("DAMAGE", "SOH_BP", 800_000)
WEAR = Wear(allowed_bp=50, per_30_days_bp=30)
BEFORE = Found(11, MAY, 9_800, 9_770, 9_830, level=2)
LATER = Found(44, AFTER, 9_500, 9_460, 9_540, level=3)


def leg(at: int, position: int, stored_wh: int, **changes) -> PackLeg:
    plain = PackLeg("PK-1", "C1", stored_wh, 3, at, position=position)
    return msgspec.structs.replace(plain, **changes)


def lost(**changes) -> World:
    """Make a world in which PK-1 lost 3.00 % with DR-1, and two persons say that he owes for it."""
    price = changes.pop("price", terms(PRICE, begin=MAY - DAY, wear=WEAR))
    world = market(price, contract=agreement())
    rows = {
        "case": Case(
            CASE,
            "USAGE_DAMAGE",
            AFTER,
            ("PK-1", "DR-1"),
            is_open=False,
            resolution="driver_owes",
        ),
        "health": PackHealth("PK-1", found=(BEFORE, LATER)),
        "out": Swap(
            "SW-1", "DR-1", "ST-1", "EXCHANGE", "C1", legs_out=(leg(MAY + DAY, 20, 66_000),)
        ),
        "back": Swap(
            "SW-2", "DR-1", "ST-1", "EXCHANGE", "C1", legs_in=(leg(MAY + 31 * DAY, 31, 14_000),)
        ),
    } | changes
    for shelf, key, name in (
        (CASES, CASE, "case"),
        (PACK_HEALTH, "PK-1", "health"),
        (SWAPS, "SW-1", "out"),
        (SWAPS, "SW-2", "back"),
    ):
        if rows[name] is not None:
            world.put(shelf, key, rows[name])
    world.put(STATIONS, "ST-1", Station("ST-1", "OP-1", "large", "DE", "Europe/Berlin", "T1"))
    return world


def changed(row, **changes):
    return msgspec.structs.replace(row, **changes)


def test_what_is_sure_and_not_allowed_is_billed_and_the_line_names_what_it_rests_on():
    world = lost()
    drafts = act(world, CLAIM)
    assert isinstance(drafts, tuple)
    (draft,) = drafts
    event = draft.event
    assert isinstance(event, DamageFound)
    # 300 lost, half widths 30 and 40 make 50; 50 + 30 are allowed
    assert (event.drop_bp, event.told.sure_bp, event.told.allowed_bp) == (300, 250, 80)
    assert (event.billed_bp, draft.causes) == (170, (11, 20, 31, 44))
    assert damages.postings(event) == ()
    (bill,) = react(world, event, Stamp(50, AFTER, AFTER))
    (usage,) = events(act(world, bill))
    assert isinstance(usage, UsageAccrued)
    assert (usage.net_minor, usage.damage) == (13_600, event.told)
    lines = billed_postings(usage)
    check_zero(lines)
    assert [(one.account, one.quantity) for one in lines] == [
        ("Assets:Receivables:Unbilled", 13_600),
        ("Income:Damage-Late-Fees", -13_600),
    ]
    assert lines[0].dims == {
        "driver": "DR-1",
        "station": "ST-1",
        "pack": "PK-1",
        "swap": "SW-2",
    }
    assert act(world, CLAIM) == ()


def test_what_it_reads_is_known_beforehand():
    world = lost()
    assert {key for _, key in needs(world, CLAIM)} >= {CASE, "OP-1", "T1"}
    assert needs(World(complete=True), CLAIM) == ()
    assert follows(World(complete=True), CLAIM) == ()
    assert leg_of(None, "PK-1", is_in=True) is None


def test_a_loss_without_a_price_is_told_and_not_billed():
    far = msgspec.structs.replace(
        PRICE, restrictions=msgspec.structs.replace(PRICE.restrictions, stations=("ST-9",))
    )
    world = lost(price=terms(far, begin=MAY - DAY))
    (event,) = events(act(world, CLAIM))
    (bill,) = react(world, event, Stamp(50, AFTER, AFTER))
    (left,) = events(act(world, bill))
    assert isinstance(left, UsageUnbilled)
    assert world.need(BILLED, CASE).reason == RefusalCode.TARIFF_NO_ELEMENT.wire
    assert len(events(act(world, CLAIM))) == 1, "it may be tried again"


WHOLE = lost()
SHOWN: dict[str, Any] = {
    "case": WHOLE.get(CASES, CASE),
    "health": WHOLE.get(PACK_HEALTH, "PK-1"),
    "out": WHOLE.get(SWAPS, "SW-1"),
    "back": WHOLE.get(SWAPS, "SW-2"),
}


@pytest.mark.parametrize(
    ("name", "changes", "found"),
    [
        ("case", None, RefusalCode.CASE_UNKNOWN),
        ("case", {"case_type": "MEASUREMENT"}, RefusalCode.CASE_UNKNOWN),
        ("case", {"subjects": ("PK-2", "DR-1")}, RefusalCode.CASE_UNKNOWN),
        ("case", {"is_open": True}, RefusalCode.CASE_OPEN),
        ("case", {"resolution": "our own charger did it"}, RefusalCode.CASE_ENDED),
        ("case", {"subjects": ("PK-1", "DR-2")}, RefusalCode.SWAP_UNKNOWN),
        ("out", None, RefusalCode.SWAP_UNKNOWN),
        ("out", {"legs_out": ()}, RefusalCode.SWAP_UNKNOWN),
        ("back", None, RefusalCode.SWAP_UNKNOWN),
        ("health", None, RefusalCode.NOT_CAUSAL),
        ("health", {"found": (LATER,)}, RefusalCode.NOT_CAUSAL),
        (
            "health",
            {"found": (BEFORE, changed(LATER, lower_bp=9_500, upper_bp=9_500))},
            RefusalCode.BOUNDS_INVALID,
        ),
        (
            "health",
            {"found": (changed(BEFORE, level=1), LATER)},
            RefusalCode.EVIDENCE_TOO_WEAK,
        ),
        (
            "health",
            {"found": (changed(BEFORE, at=MAY + 2 * DAY), LATER)},
            RefusalCode.TIME_UNUSABLE,
        ),
        (
            "health",
            {"found": (changed(BEFORE, soh_bp=9_560, lower_bp=9_530), LATER)},
            RefusalCode.NOTHING_TO_SETTLE,
        ),
    ],
)
def test_what_is_not_sure_or_not_his_is_refused_and_says_why(name, changes, found):
    row = None if changes is None else changed(SHOWN[name], **changes)
    refusal = act(lost(**{name: row}), CLAIM)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.code is found


def test_damage_needs_a_tariff_with_a_price_for_it():
    for price, found in (
        (terms(begin=MAY - DAY), RefusalCode.TARIFF_NO_ELEMENT),
        (terms(PRICE, begin=MAY + 99 * DAY), RefusalCode.TARIFF_NOT_FOUND),
    ):
        refusal = act(lost(price=price), CLAIM)
        assert isinstance(refusal, Refusal)
        assert refusal.code is found


def test_what_was_found_before_the_case_does_not_matter():
    health = changed(SHOWN["health"], found=(changed(BEFORE, at=MAY - DAY), BEFORE, LATER))
    (event,) = events(act(lost(health=health), CLAIM))
    assert (event.told.before_position, event.billed_bp) == (11, 170)


def test_without_a_word_in_the_tariff_the_policy_of_health_is_what_a_pack_may_lose():
    (event,) = events(act(lost(price=terms(PRICE, begin=MAY - DAY)), CLAIM))
    assert (event.told.allowed_bp, event.billed_bp) == (200, 50)


def test_a_stay_whose_begin_nobody_knows_is_not_billed():
    world = lost(out=changed(SHOWN["out"], clock_quality="U"))
    (event,) = events(act(world, CLAIM))
    (bill,) = react(world, event, Stamp(50, AFTER, AFTER))
    (left,) = events(act(world, bill))
    assert left.reason == RefusalCode.TIME_UNUSABLE.wire


def test_a_tariff_cannot_allow_less_than_nothing():
    bad = terms(PRICE, begin=MAY - DAY, wear=Wear(allowed_bp=-1))
    refusal = act(market(), PublishTariff(tariff_id="T1", terms=bad))
    assert isinstance(refusal, Refusal)
    assert refusal.facts["field"] == "wear"


def test_a_line_of_damage_can_be_credited():
    line = CreditedLine(
        position=50,
        line_no=1,
        usage_id=CASE,
        usage_kind="custody",
        component="DAMAGE",
        country="DE",
        category="O",
        rate_bp=0,
        revenue_account="Income:Damage-Late-Fees",
        invoiced_minor=13_600,
        credited_minor=13_600,
        dims={"pack": "PK-1", "swap": "SW-2"},
    )
    rows = [TaxRow("DE", "O", 0, 13_600, 0)]
    assert line_faults([line], rows) == []
    assert income_of([line]) == [
        ("Income:Damage-Late-Fees", 13_600, {"pack": "PK-1", "swap": "SW-2"})
    ]
    unknown = msgspec.structs.replace(line, dims={})
    assert line_faults([unknown], rows) == [RefusalCode.DIMENSION_INVALID]
