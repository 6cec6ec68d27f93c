"""Billing: a usage becomes what a driver owes and what partners earn.

A usage is billed once. What cannot be rated stays on the list of unbilled usages with its reason
and may be tried again; the facts themselves are never refused.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple, assert_never

import msgspec
from msgspec.structs import replace

from ledger.domain.money import templates, templates_partners
from ledger.domain.money.accounts import DIMENSIONS
from ledger.domain.money.agency import AGENCY, Agency, agency_of
from ledger.domain.money.agreed import Agreed
from ledger.domain.money.contract_shares import share_base, shares_of
from ledger.domain.money.contracts import CONTRACTS, ContractVersion
from ledger.domain.money.damage import DamageTold
from ledger.domain.money.discount_rows import Moved, count_promos
from ledger.domain.money.energy_pool import energy_cost_of
from ledger.domain.money.rated_usages import chunks, rated, sharing
from ledger.domain.money.rating import price_span
from ledger.domain.money.rating_facts import CUSTODY, SWAP, V2G, Bill, Line, UsageFacts
from ledger.domain.money.rating_used import USED, Consumer, count_in, used_rows
from ledger.domain.money.tariffs import tariff_keys
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------


class Billed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A usage that was billed at `position`, or tried there and not billed for `reason`.

    `agreed` is what two persons found of it.
    """

    position: int
    reason: str = ""
    agreed: Agreed | None = None


BILLED = Shelf("billed", Billed)
SHELVES: tuple[Shelf[Any], ...] = (BILLED, USED)
FOLDS: tuple[type[Event], ...] = ()


# Commands ---------------------------------------------------------------------


class BillUsage(Command, frozen=True):
    """Bill a usage by its facts; a usage billed before stays as it is."""

    roles: ClassVar[frozenset[str]] = frozenset({"system"})

    facts: UsageFacts


BillingCommand = BillUsage

# Events -----------------------------------------------------------------------


class UsageAccrued(Event, frozen=True):
    """A driver owes a usage, to be invoiced later; net of tax, lines as on the bill.

    A bill with more lines than one entry takes comes in `parts`, each balanced on its own; the
    energy stands in the first. `seller_id` is the partner who sold it, "" where it was us. A line
    of damage rests on the entries that `damage` names.
    """

    kind: ClassVar[str] = "usage.accrued"

    usage_id: str
    usage_kind: str
    driver_id: str
    station_id: str
    tariff_id: str
    country: str
    currency: str
    lines: tuple[Line, ...]
    net_minor: int
    energy_wh: int = 0
    price_shift_us: int = 0
    part: int = 1
    parts: int = 1
    seller_id: str = ""
    dims: dict[str, str] = msgspec.field(default_factory=dict)
    damage: DamageTold | None = None

    @property
    def about(self) -> dict[str, str]:
        """The dimensions of its postings that say what was used."""
        own = {self.usage_kind: self.usage_id} if self.usage_kind in DIMENSIONS else {}
        return self.dims or own


class UsageUnbilled(Event, frozen=True):
    """A usage could not be rated; `reason` is the refusal in its wire form."""

    kind: ClassVar[str] = "usage.unbilled"

    usage_id: str
    usage_kind: str
    driver_id: str
    station_id: str
    reason: str


class ShareAccrued(Event, frozen=True):
    """Partners earned their part of a usage under one contract; `shares` re-sum to `base_minor`.

    With `agency` the partner sold it: his is the price less what we keep for it.
    """

    kind: ClassVar[str] = "share.accrued"

    usage_id: str
    usage_kind: str
    station_id: str
    partner_id: str
    contract_id: str
    contract_version: int
    currency: str
    base: str
    base_minor: int
    ours: str
    shares: dict[str, int]
    service_start_at: int
    energy_wh: int = 0
    energy_net_minor: int = 0
    service_net_minor: int = 0
    fee_net_minor: int = 0
    agency: Agency | None = None


def begun_at(event: UsageAccrued) -> int:
    """Tell when the service of a usage began (us): the time by which it counts."""
    return min(line.service_start_at for line in event.lines)


BillingEvent = UsageAccrued | UsageUnbilled | ShareAccrued

# touches ----------------------------------------------------------------------


def touches(command: BillingCommand) -> Keys:
    """What rates and shares a usage: its tariff's versions, its operator's contracts."""
    return usage_keys(command.facts)


def follows(world: World, command: BillingCommand) -> Keys:
    """What its driver used before it."""
    return used_keys(world, command.facts)


def usage_keys(facts: UsageFacts) -> Keys:
    """Name what rates and shares a usage."""
    return (
        touch(BILLED, facts.usage_id),
        touch(CONTRACTS, facts.operator_id),
        *tariff_keys(facts.tariff_id, *price_span(facts)),
    )


def used_keys(world: World, facts: UsageFacts) -> Keys:
    """Name what was used before a usage, as far as it is known yet."""
    return used_rows(world, facts.driver_id, facts.tariff_id, facts.service_time[:1])


# decide -----------------------------------------------------------------------


def decide(world: World, command: BillingCommand, _request: Request) -> Outcome:
    """Bill a usage once, or say why it stays unbilled; never refuse."""
    match command:
        case BillUsage():
            return _bill(world, command)
        case _ as unknown:
            assert_never(unknown)


def _bill(world: World, command: BillUsage) -> Outcome:
    facts = command.facts
    known = world.get(BILLED, facts.usage_id)
    if known is not None and not known.reason:
        return ()
    found = billed(world, facts)
    if isinstance(found, Refusal):
        is_fee = facts.kind in (CUSTODY, V2G) and not facts.damage_bp
        is_free = is_fee and found.code is RefusalCode.TARIFF_NO_ELEMENT
        if is_free or (known is not None and known.reason == found.code.wire):
            return ()  # a fee without a price is owed by nobody
        return (Draft(unbilled(facts, found), facts.occurred_at, causes=facts.causes),)
    return tuple(billed_drafts(facts, found))


class Billing(NamedTuple):
    """What a usage posts: the parts of the bill, then a share for each contract."""

    usages: list[UsageAccrued]
    shares: list[ShareAccrued]


def billed(
    world: World,
    facts: UsageFacts,
    own: Iterable[Line] = (),
    ahead: Iterable[Moved] = (),
) -> Billing | Refusal:
    """Rate and share a usage by the tariff and the contracts of its time.

    `own` are the lines of its bill so far; `ahead`: see `promos_at`.
    """
    sale, contracts = sharing(world, facts)
    bill = rated(world, facts, own, contracts, ahead)
    if isinstance(bill, Refusal):
        return bill
    if sale is not None:
        return _sold(facts, bill, sale)
    shares = [_share(world, facts, bill, contract) for contract in contracts]
    return Billing(_accrued(facts, bill), [share for share in shares if share])


def billed_drafts(facts: UsageFacts, found: Billing, *, first: int = 0) -> list[Draft]:
    """Make the drafts of a bill; `first` is the index of its first one among all drafts."""
    after = tuple(range(first, first + len(found.usages)))
    return [
        *(Draft(event, facts.occurred_at, causes=facts.causes) for event in found.usages),
        *(Draft(event, facts.occurred_at, after=after) for event in found.shares),
    ]


def unbilled(facts: UsageFacts, refusal: Refusal) -> UsageUnbilled:
    """Tell that a usage could not be rated, and why."""
    return UsageUnbilled(
        usage_id=facts.usage_id,
        usage_kind=facts.kind,
        driver_id=facts.driver_id,
        station_id=facts.station_id,
        reason=refusal.code.wire,
    )


def _accrued(facts: UsageFacts, bill: Bill, seller_id: str = "") -> list[UsageAccrued]:
    parts = list(chunks(bill.lines))
    return [
        UsageAccrued(
            usage_id=facts.usage_id,
            usage_kind=facts.kind,
            driver_id=facts.driver_id,
            station_id=facts.station_id,
            tariff_id=facts.tariff_id,
            country=facts.country,
            currency=bill.currency,
            lines=lines,
            net_minor=sum(line.net_minor for line in lines),
            energy_wh=facts.energy_wh if part == 1 else 0,
            price_shift_us=bill.price_shift_us,
            part=part,
            parts=len(parts),
            seller_id=seller_id,
            dims=facts.dims,
            damage=facts.damage,
        )
        for part, lines in enumerate(parts, 1)
    ]


def _share(
    world: World, facts: UsageFacts, bill: Bill, contract: ContractVersion
) -> ShareAccrued | None:
    terms = contract.terms
    cost_minor = energy_cost_of(world, facts.usage_id, bill.currency, facts.energy_wh)
    base_minor = share_base(terms, bill.net_minor, bill.energy_net_minor, cost_minor)
    shares = shares_of(terms, base_minor, is_swap=facts.kind == SWAP)
    if not any(part for party, part in shares.items() if party != terms.ours):
        return None  # no partner earned anything
    return _shared(facts, bill, contract, shares)


def _sold(facts: UsageFacts, bill: Bill, sale: ContractVersion) -> Billing | Refusal:
    """Bill what a partner sold: to the driver his price, to him what we do not keep of it."""
    at = facts.service_time[0]
    agency = agency_of(facts.country, bill.lines, sale.terms.commission_bp, at)
    if isinstance(agency, Refusal):
        return agency
    usages = _accrued(facts, bill, facts.operator_id)
    if not bill.net_minor:
        return Billing(usages, [])  # what costs nothing has no commission
    kept = agency.kept_minor
    shares = {facts.operator_id: bill.net_minor - kept, sale.terms.ours: kept}
    return Billing(usages, [_shared(facts, bill, sale, shares, agency)])


def _shared(
    facts: UsageFacts,
    bill: Bill,
    contract: ContractVersion,
    shares: dict[str, int],
    agency: Agency | None = None,
) -> ShareAccrued:
    return ShareAccrued(
        usage_id=facts.usage_id,
        usage_kind=facts.kind,
        station_id=facts.station_id,
        partner_id=facts.operator_id,
        contract_id=contract.contract_id,
        contract_version=contract.version,
        currency=bill.currency,
        base=AGENCY if agency else contract.terms.base,
        base_minor=sum(shares.values()),
        ours=contract.terms.ours,
        shares=shares,
        service_start_at=facts.service_time[0],
        energy_wh=facts.energy_wh,
        energy_net_minor=bill.energy_net_minor,
        service_net_minor=bill.service_net_minor,
        fee_net_minor=bill.fee_net_minor,
        agency=agency,
    )


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: BillingEvent, stamp: Stamp) -> None:
    """Remember that the usage is billed, or why it is not."""
    match event:
        case UsageAccrued():
            if event.part == 1:
                _put(world, event.usage_id, Billed(stamp.position))
            count_usage(world, event)
        case UsageUnbilled():
            _put(world, event.usage_id, Billed(stamp.position, event.reason))
        case ShareAccrued():
            pass
        case _ as unknown:
            assert_never(unknown)


def _put(world: World, usage_id: str, row: Billed) -> None:
    known = world.get(BILLED, usage_id)
    agreed = known.agreed if known else None
    world.put(BILLED, usage_id, replace(row, agreed=agreed) if agreed else row)


def count_usage(world: World, event: UsageAccrued, *, taken_back: bool = False) -> None:
    """Count a usage in the periods of its tiers and on its promos, or take it back out."""
    who = Consumer(event.driver_id, event.tariff_id, event.usage_id, event.usage_kind)
    count_in(world, who, event.lines, taken_back=taken_back)
    of = event.usage_id, event.parts
    count_promos(world, event.driver_id, of, event.lines, back=taken_back)


# postings ---------------------------------------------------------------------


def postings(event: BillingEvent) -> tuple[Posting, ...]:
    """Move what the event says, by the templates of its kind."""
    match event:
        case UsageAccrued():
            income: dict[tuple[str, str], int] = {}
            for line in event.lines:
                key = line.revenue_account, f"{event.tariff_id}/{line.tariff_version}"
                income[key] = income.get(key, 0) + line.net_minor
            dims = {
                "driver": event.driver_id,
                "station": event.station_id,
                **event.about,
            }
            if event.seller_id:
                dims["partner"] = event.seller_id
                return templates_partners.sold_for_partner(event.currency, event.net_minor, dims)
            return templates.usage_accrued(event.currency, income, dims)
        case ShareAccrued():
            dims = {
                "station": event.station_id,
                "share_rule_version": f"{event.contract_id}/{event.contract_version}",
                event.usage_kind: event.usage_id,
            }
            if event.agency is not None:
                kept = event.agency
                return templates_partners.agent_accrued(
                    event.currency,
                    event.base_minor,
                    kept.commission_minor,
                    (kept.tax_code, kept.tax_minor),
                    {**dims, "partner": event.partner_id},
                )
            shares = sorted(event.shares.items())
            partners = [(party, part) for party, part in shares if party != event.ours]
            return templates.share_accrued(event.currency, partners, dims)
        case UsageUnbilled():
            return ()
        case _ as unknown:
            assert_never(unknown)
