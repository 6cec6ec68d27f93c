"""Sheets of re-rating, and what may be applied of one that two persons approved."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money import billing
from ledger.domain.money.billing import BILLED, BillUsage, ShareAccrued, UsageAccrued
from ledger.domain.money.line_proofs import prove
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.rerating import UsageReversed
from ledger.domain.money.rerating_applying import (
    RERATINGS,
    ApplyRerating,
    ApproveRerating,
    Campaign,
    follows,
    postings,
    touches,
)
from ledger.domain.money.rerating_bills import SWAP_BILLS, ShareEntry, SwapBill, UsageEntry
from ledger.domain.money.rerating_sheets import (
    Change,
    Nets,
    Sheet,
    SheetLine,
    digest_of,
    driver_changes,
    line_of,
    partner_changes,
    root_of,
)
from ledger.domain.money.tariff_terms import Element
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.world import World
from ledger.kernel.hashing import EMPTY_ROOT, leaf_hash, node_hash
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act
from tests.support.usage import MAY, agreement, made, market, swap, terms

CHEAP = (Element("ENERGY", "KWH", 360_000), Element("SERVICE", "KWH", 60_000))
CAMPAIGN = "RR-1"


def billed_town(count: int = 3) -> World:
    """Bill some swaps, and then publish a cheaper version from the same day on."""
    world = market(terms(), contract=agreement())
    for number in range(count):
        act(world, BillUsage(facts=facts_of(number)))
    cheaper = PublishTariff(tariff_id="T1", terms=terms(*CHEAP), supersedes=1)
    assert not isinstance(act(world, cheaper), Refusal)
    return world


def facts_of(number: int) -> UsageFacts:
    return swap(usage_id=f"SW-{number}", driver_id=f"DR-{number % 2}", energy_wh=41_700 + number)


def line(world: World, number: int) -> SheetLine:
    facts = facts_of(number)
    bill = world.get(SWAP_BILLS, facts.usage_id)
    position = world.need(BILLED, facts.usage_id).position
    found = line_of(facts, bill, position, billing.billed(world, facts))
    assert found is not None
    return found


def sheet_of(world: World, count: int = 3) -> Sheet:
    lines = tuple(line(world, number) for number in range(count))
    return Sheet("T1", MAY, MAY + 10**9, count, 0, lines)


def approve(sheet: Sheet, **changes: Any) -> ApproveRerating:
    plain = ApproveRerating(
        campaign_id=CAMPAIGN,
        tariff_id="T1",
        from_at=sheet.from_at,
        to_at=sheet.to_at,
        line_count=len(sheet.lines),
        lines_root=sheet.root(),
        currency="EUR",
        before_minor=1,
        after_minor=2,
        reason="T1/2",
    )
    return replace(plain, **changes)


def apply(world: World, sheet: Sheet, number: int, **changes: Any) -> ApplyRerating:
    plain = ApplyRerating(
        campaign_id=CAMPAIGN,
        line=sheet.lines[number],
        proof=prove(sheet.leaves(), number),
        facts=facts_of(number),
        bill=world.get(SWAP_BILLS, f"SW-{number}"),
    )
    return replace(plain, **changes)


def code(outcome: Any) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


# Sheets -----------------------------------------------------------------------


def test_a_line_has_amounts_and_shares_before_and_after():
    one = line(billed_town(), 0)
    assert (one.before.total_minor, one.after.total_minor) == (2001, 1751)
    assert one.before == Nets(1501, 500, 0, {"CAR-1": 50, "MG": 300, "OP-1": 150})
    assert one.after == Nets(1501, 250, 0, {"CAR-1": 25, "MG": 150, "OP-1": 75})
    assert (one.currency, one.refused, one.usage_kind) == ("EUR", "", "swap")


def test_a_sheet_sums_by_driver_and_by_partner():
    lines = sheet_of(billed_town()).lines
    assert driver_changes(lines) == [
        Change("DR-0", "EUR", 2, 4002, 3502),
        Change("DR-1", "EUR", 1, 2001, 1751),
    ]
    assert [one.party for one in partner_changes(lines)] == ["CAR-1", "MG", "OP-1"]
    assert partner_changes(lines)[2] == Change("OP-1", "EUR", 3, 450, 225)


def test_the_same_amounts_under_another_version_make_no_line():
    world = market(terms(), contract=agreement())
    act(world, BillUsage(facts=facts_of(0)))
    act(world, PublishTariff(tariff_id="T1", terms=terms(begin=MAY - 1), supersedes=1))
    bill = world.need(SWAP_BILLS, "SW-0")
    assert line_of(facts_of(0), bill, 1, billing.billed(world, facts_of(0))) is None


def test_what_was_never_billed_and_is_not_now_makes_no_line():
    no = Refusal(RefusalCode.TARIFF_NOT_FOUND)
    assert line_of(facts_of(0), None, 1, no) is None
    world = billed_town()
    gone = replace(world.need(SWAP_BILLS, "SW-0"), is_reversed=True)
    assert line_of(facts_of(0), gone, 1, no) is None
    lost = line_of(facts_of(0), world.need(SWAP_BILLS, "SW-0"), 1, no)
    assert lost is not None
    assert (lost.refused, lost.after.total_minor) == ("tariff_not_found", 0)
    new = line_of(facts_of(0), None, 1, billing.billed(world, facts_of(0)))
    assert new is not None
    assert (new.before.total_minor, new.after.total_minor, new.bill_sha256) == (0, 1751, "")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 13])
def test_the_root_of_a_sheet_is_that_of_a_merkle_tree(count):
    leaves = [leaf_hash(bytes([n])) for n in range(count)]

    def root(some: list[bytes]) -> bytes:
        if len(some) == 1:
            return some[0]
        cut = 1 << (len(some) - 1).bit_length() - 1
        return node_hash(root(some[:cut]), root(some[cut:]))

    assert root_of(leaves) == root(leaves)
    assert root_of([]) == EMPTY_ROOT


# Approving --------------------------------------------------------------------


def test_a_sheet_is_approved_once_by_two_persons():
    world = billed_town()
    sheet = sheet_of(world)
    alone = act(world, approve(sheet), actor=Actor("P1", "finance", "P1"))
    assert code(alone) is RefusalCode.SECOND_PERSON_REQUIRED
    (approved,) = made(act(world, approve(sheet)))
    assert (approved.lines_root, approved.line_count, approved.reason) == (sheet.root(), 3, "T1/2")
    assert postings(approved) == ()
    row = world.need(RERATINGS, CAMPAIGN)
    assert row == Campaign(CAMPAIGN, "T1", 3, sheet.root(), row.position)
    assert act(world, approve(sheet)) == ()
    other = act(world, approve(sheet, line_count=2))
    assert code(other) is RefusalCode.RERATING_EXISTS


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("campaign_id", {"campaign_id": "no id"}),
        ("tariff_id", {"tariff_id": "T9"}),
        ("to_at", {"to_at": MAY}),
        ("line_count", {"line_count": 0}),
        ("line_count", {"line_count": 10**6}),
        ("lines_root", {"lines_root": "AA"}),
        ("reason", {"reason": ""}),
    ],
)
def test_a_faulty_approval_names_its_field(field, changes):
    world = billed_town()
    outcome = act(world, approve(sheet_of(world), **changes))
    assert outcome == Refusal(RefusalCode.RERATING_FIELD_INVALID, {"field": field})


# Applying ---------------------------------------------------------------------


def test_a_line_takes_the_old_bill_back_and_makes_the_new_one():
    world = billed_town()
    sheet = sheet_of(world)
    act(world, approve(sheet))
    before = world.need(SWAP_BILLS, "SW-1")
    outcome = act(world, apply(world, sheet, 1))
    assert isinstance(outcome, tuple)
    kinds = [draft.event.kind for draft in outcome]
    assert kinds == ["share.reversed", "usage.reversed", "usage.accrued", "share.accrued"]
    campaign = world.need(RERATINGS, CAMPAIGN)
    back = outcome[1].event
    assert isinstance(back, UsageReversed)
    assert (back.campaign_id, back.reason) == (CAMPAIGN, f"rated again under {CAMPAIGN}")
    assert campaign.position in outcome[2].causes
    assert outcome[2].corrects == before.usages[0].position
    assert outcome[2].occurred_at == before.usages[0].occurred_at
    accrued = outcome[2].event
    assert isinstance(accrued, UsageAccrued)
    assert accrued.net_minor == sheet.lines[1].after.total_minor
    assert campaign.taken_back == 1
    assert code(act(world, apply(world, sheet, 1))) is RefusalCode.RERATING_STALE


def test_a_bill_in_parts_is_taken_back_whole_and_counts_once():
    world = billed_town()
    bill = world.need(SWAP_BILLS, "SW-0")
    second = replace(bill.usages[0].event, part=2, parts=2)
    parts = (bill.usages[0], UsageEntry(bill.usages[0].position + 1, MAY, second))
    split = replace(bill, usages=parts)
    world.put(SWAP_BILLS, "SW-0", split)
    sheet = sheet_of(world, 1)
    assert sheet.lines[0].before.total_minor == 4002
    act(world, approve(sheet))
    act(world, apply(world, sheet, 0))
    assert world.need(RERATINGS, CAMPAIGN).taken_back == 1


def test_a_usage_without_a_bill_gets_one():
    world = market(contract=agreement())
    (unbilled,) = made(act(world, BillUsage(facts=facts_of(0))))
    assert unbilled.reason == "tariff_not_found"
    act(world, PublishTariff(tariff_id="T1", terms=terms(*CHEAP)))
    sheet = sheet_of(world, 1)
    act(world, approve(sheet))
    events = made(act(world, apply(world, sheet, 0)))
    assert [event.kind for event in events] == ["usage.accrued", "share.accrued"]
    assert isinstance(events[1], ShareAccrued)


def test_a_usage_that_has_no_price_any_more_is_on_the_list():
    world = billed_town(1)
    swaps_alone = terms(Element("SWAP", "ITEM", 1, tax_product="compensation"), country="FR")
    act(world, PublishTariff(tariff_id="T1", terms=swaps_alone, supersedes=2))
    facts = replace(facts_of(0), country="FR")
    found = billing.billed(world, facts)
    bill = world.need(SWAP_BILLS, "SW-0")
    one = line_of(facts, bill, world.need(BILLED, "SW-0").position, found)
    assert one is not None
    sheet = Sheet("T1", MAY, MAY + 1, 1, 0, (one,))
    act(world, approve(sheet))
    events = made(act(world, apply(world, sheet, 0, facts=facts)))
    assert [event.kind for event in events][-1] == "usage.unbilled"
    assert world.need(BILLED, "SW-0").reason == "tax_rule_missing"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"campaign_id": "RR-9"}, RefusalCode.RERATING_UNKNOWN),
        ({"proof": None}, RefusalCode.RERATING_LINE_UNKNOWN),
        ({"line": None}, RefusalCode.RERATING_LINE_UNKNOWN),
        ({"facts": replace(facts_of(0), energy_wh=1)}, RefusalCode.RERATING_STALE),
        ({"facts": facts_of(1)}, RefusalCode.RERATING_STALE),
        ({"bill": None}, RefusalCode.RERATING_STALE),
        ({"bill": SwapBill((), (ShareEntry(1, 1, None),))}, RefusalCode.RERATING_STALE),  # type: ignore[arg-type]
    ],
)
def test_only_what_was_approved_and_is_still_true_is_applied(changes, expected):
    world = billed_town()
    sheet = sheet_of(world)
    act(world, approve(sheet))
    if "proof" in changes:
        changes = {"proof": prove(sheet.leaves(), 1)}
    if "line" in changes:
        changes = {"line": replace(sheet.lines[0], after=Nets(1))}
    assert code(act(world, apply(world, sheet, 0, **changes))) is expected


def test_a_bill_that_comes_out_otherwise_than_on_the_sheet_is_not_made():
    world = billed_town()
    sheet = sheet_of(world)
    act(world, approve(sheet))
    dear = terms(Element("ENERGY", "KWH", 900_000))
    act(world, PublishTariff(tariff_id="T1", terms=dear, supersedes=2))
    assert code(act(world, apply(world, sheet, 0))) is RefusalCode.RERATING_STALE


def test_a_command_names_its_rows():
    world = billed_town()
    sheet = sheet_of(world)
    assert [shelf.name for shelf, _ in touches(approve(sheet))] == ["reratings", "tariffs"]
    command = apply(world, sheet, 0)
    named = {shelf.name for shelf, _ in touches(command)}
    assert {"reratings", "swap_bills", "billed", "contracts", "tariffs"} <= named
    assert list(follows(world, approve(sheet))) == []
    assert "subscriptions" in [shelf.name for shelf, _ in follows(world, command)]
    assert digest_of(None) == ""
