"""Applying a sheet: two persons approve its root, then each line makes one bill anew.

A line is applied only as it stands under the approved root, and only while its usage is billed as
the sheet says. The new bill is computed once more from the facts; another result than the sheet's
is refused, never posted. All entries stand in the open period and keep the times of the service.
"""

from typing import Any, ClassVar, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.money import billing
from ledger.domain.money.billing import BILLED
from ledger.domain.money.energy_pool import cost_rows
from ledger.domain.money.line_proofs import LineProof, is_proven
from ledger.domain.money.rating import price_span
from ledger.domain.money.rating_facts import UsageFacts
from ledger.domain.money.rerating import UsageReversed, Why, redone
from ledger.domain.money.rerating_bills import SWAP_BILLS, SwapBill, lines_of
from ledger.domain.money.rerating_sheets import (
    SHEET_LINES_MAX,
    SheetLine,
    digest_of,
    line_of,
)
from ledger.domain.money.tariffs import TARIFFS, tariff_keys
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.envelope import canonical
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------


class Campaign(msgspec.Struct, frozen=True, omit_defaults=True):
    """An approved sheet: its root, how many lines it has, how many bills it took back so far."""

    campaign_id: str
    tariff_id: str
    line_count: int
    lines_root: str
    position: int
    taken_back: int = 0


RERATINGS = Shelf("reratings", Campaign, listed_by=lambda row: row.tariff_id)
SHELVES: tuple[Shelf[Any], ...] = (RERATINGS,)
FOLDS: tuple[type[Event], ...] = (UsageReversed,)

# Commands ---------------------------------------------------------------------


class ApproveRerating(Command):
    """Approve a sheet by its root; `before_minor` and `after_minor` are its sums in `currency`.

    `reason` says why: a version of the tariff, or a dispute.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance"})
    needs_second_person: ClassVar[bool] = True

    campaign_id: str
    tariff_id: str
    from_at: int
    to_at: int
    line_count: int
    lines_root: str
    currency: str
    before_minor: int
    after_minor: int
    reason: str


class ApplyRerating(Command):
    """Apply one line of an approved sheet; `bill` is the bill it takes back, where there is one."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    campaign_id: str
    line: SheetLine
    proof: LineProof
    facts: UsageFacts
    bill: SwapBill | None = None


ReratingSheetCommand = ApproveRerating | ApplyRerating

# Events -----------------------------------------------------------------------


class ReratingApproved(Event):
    """Two persons approved that the lines under a root are applied."""

    kind: ClassVar[str] = "rerating.approved"

    campaign_id: str
    tariff_id: str
    from_at: int
    to_at: int
    line_count: int
    lines_root: str
    currency: str
    before_minor: int
    after_minor: int
    reason: str


ReratingSheetEvent = ReratingApproved

# touches ----------------------------------------------------------------------


def touches(command: ReratingSheetCommand) -> Keys:
    """The sheet; and what its usage is rated and shared by."""
    match command:
        case ApproveRerating():
            return touch(RERATINGS, command.campaign_id), touch(TARIFFS, command.tariff_id)
        case ApplyRerating():
            facts = command.facts
            return (
                touch(RERATINGS, command.campaign_id),
                touch(SWAP_BILLS, facts.usage_id),
                *billing.usage_keys(facts),
                *tariff_keys(facts.tariff_id, *price_span(facts)),
            )
        case _ as unknown:
            assert_never(unknown)


def follows(world: World, command: ReratingSheetCommand) -> Keys:
    """What was used before a usage, and what its energy cost."""
    if not isinstance(command, ApplyRerating):
        return ()
    used = billing.used_keys(world, command.facts)
    return (*used, *cost_rows(world, command.facts.usage_id))


# decide -----------------------------------------------------------------------


def decide(world: World, command: ReratingSheetCommand, _request: Request) -> Outcome:
    """Approve a sheet once; apply a line that is under its root and still true."""
    match command:
        case ApproveRerating():
            return _approve(world, command)
        case ApplyRerating():
            return _apply(world, command)
        case _ as unknown:
            assert_never(unknown)


def _approve(world: World, command: ApproveRerating) -> Outcome:
    known = world.get(RERATINGS, command.campaign_id)
    if known is not None:
        if (known.lines_root, known.line_count) == (command.lines_root, command.line_count):
            return ()
        return Refusal(RefusalCode.RERATING_EXISTS, {"campaign": command.campaign_id[:40]})
    checks = (
        (is_id(command.campaign_id), "campaign_id"),
        (world.get(TARIFFS, command.tariff_id) is not None, "tariff_id"),
        (0 <= command.from_at < command.to_at, "to_at"),
        (0 < command.line_count <= SHEET_LINES_MAX, "line_count"),
        (len(command.lines_root) == _ROOT_CHARS, "lines_root"),
        (bool(command.reason), "reason"),
    )
    fault = next((field for good, field in checks if not good), "")
    if fault:
        return Refusal(RefusalCode.RERATING_FIELD_INVALID, {"field": fault})
    fields = {name: getattr(command, name) for name in ReratingApproved.__struct_fields__}
    return (Draft(ReratingApproved(**fields)),)


_ROOT_CHARS = 44
"""Base64 of 32 bytes."""


def _apply(world: World, command: ApplyRerating) -> Outcome:
    campaign = world.get(RERATINGS, command.campaign_id)
    line, facts = command.line, command.facts
    told: dict[str, str | int] = {"usage": line.usage_id[:40]}
    if campaign is None:
        return Refusal(RefusalCode.RERATING_UNKNOWN, {"campaign": command.campaign_id[:40]})
    data = canonical(line)
    if not is_proven(data, command.proof, campaign.line_count, campaign.lines_root):
        return Refusal(RefusalCode.RERATING_LINE_UNKNOWN, told)
    known = world.get(BILLED, facts.usage_id)
    is_as_seen = known is not None and known.position == line.position
    if not is_as_seen or digest_of(facts) != line.facts_sha256:
        return Refusal(RefusalCode.RERATING_STALE, told)
    if digest_of(command.bill) != line.bill_sha256:
        return Refusal(RefusalCode.RERATING_STALE, told)
    found = billing.billed(world, facts, own=lines_of(command.bill))
    if line_of(facts, command.bill, line.position, found) != line:
        return Refusal(RefusalCode.RERATING_STALE, told)
    causes = (campaign.position,)
    facts = replace(facts, causes=tuple(sorted({*facts.causes, *causes})))
    why = Why(causes, f"rated again under {campaign.campaign_id}", campaign.campaign_id)
    return tuple(redone(facts, command.bill, found, why))


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: Any, stamp: Stamp) -> None:
    """Keep the approved sheet, and count the bills that were taken back under it."""
    match event:
        case ReratingApproved():
            row = Campaign(
                event.campaign_id,
                event.tariff_id,
                event.line_count,
                event.lines_root,
                stamp.position,
            )
            world.put(RERATINGS, event.campaign_id, row)
        case UsageReversed():
            if event.campaign_id and event.original.part == 1:
                row = world.need(RERATINGS, event.campaign_id)
                world.put(RERATINGS, event.campaign_id, replace(row, taken_back=row.taken_back + 1))
        case _ as unknown:
            assert_never(unknown)


def postings(_event: ReratingSheetEvent) -> tuple[Posting, ...]:
    """What is approved moves nothing yet."""
    return ()
