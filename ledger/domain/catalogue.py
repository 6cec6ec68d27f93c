"""Every command and event by name: which area decides it, which areas fold it.

An area is a module with the names of `docs/architecture.md`: `SHELVES`, `FOLDS`, `touches`,
`follows`, `decide`, `evolve`, `postings`, and two unions ``<Area>Command`` and ``<Area>Event``.
Adding an area is adding one name to `AREAS`.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, get_args

import msgspec

from ledger.domain import (
    access_log,
    adopting,
    asking,
    asset_numbers,
    assets,
    attesting,
    blocks,
    book_values,
    booking,
    booking_ends,
    booking_holds,
    cases,
    ceremonies,
    chains,
    charge_begin,
    chargers,
    charging,
    consents,
    counters,
    custody,
    ending,
    energy,
    extra_packs,
    foreign,
    health,
    health_models,
    helping,
    history_map,
    holds,
    identity,
    journeys,
    leaving,
    legs,
    liens,
    loads,
    log_keys,
    logistics,
    lots,
    maintenance,
    measuring,
    meter_keys,
    moves,
    opening,
    pack_classes,
    parties,
    passports,
    pinning,
    privacy,
    purchasing,
    reassessing,
    refunds_due,
    reported,
    reports,
    revealing,
    reversing,
    scans,
    shifts,
    signing,
    sourcing,
    stand_ins,
    station_profiles,
    stations,
    stays,
    stocktake,
    support,
    swap,
    takeover,
    title,
    trips,
    vehicles,
    waitlist,
    warranty,
    workshop,
)
from ledger.domain.money import (
    agent_sales,
    allowances,
    approvals,
    asset_ends,
    bank_accounts,
    bank_lines,
    bank_statements,
    billing,
    booking_bills,
    breaks,
    checkouts,
    contracts,
    credit_notes,
    damages,
    deposits,
    depreciation,
    discounts,
    dispute_messages,
    dunning,
    energy_pool,
    energy_trade,
    extra_pack_bills,
    fx,
    invoice_means,
    invoice_policy,
    invoices,
    line_disputes,
    line_resolutions,
    manual_entries,
    netting,
    pack_dues,
    partner_files,
    payees,
    payment_methods,
    payments,
    payments_books,
    payments_calls,
    payments_disputes,
    payments_inbox,
    payments_refunds,
    payments_told,
    payments_transfers,
    payout_batches,
    payout_plans,
    payouts,
    pending,
    period_close,
    plans,
    promo_codes,
    promos,
    reconciling,
    rerating,
    rerating_applying,
    rerating_later,
    settlement,
    settlement_answers,
    settlement_ends,
    settlement_steps,
    subscriptions,
    supplier_payables,
    suspense_items,
    tariffs,
    write_offs,
)
from ledger.domain.world import Keys, Shelf, Stamp, World
from ledger.kernel.messages import Command, Event, Outcome, Request
from ledger.kernel.postings import Posting

AREAS: tuple[ModuleType, ...] = (
    opening,
    parties,
    blocks,
    stations,
    station_profiles,
    meter_keys,
    custody,
    takeover,
    moves,
    foreign,
    assets,
    health,
    health_models,
    measuring,
    counters,
    identity,
    holds,
    cases,
    attesting,
    scans,
    charge_begin,
    charging,
    reassessing,
    stays,
    energy,
    asking,
    swap,
    stand_ins,
    legs,
    extra_packs,
    refunds_due,
    reversing,
    reported,
    sourcing,
    reports,
    booking,
    trips,
    waitlist,
    helping,
    journeys,
    pinning,
    booking_ends,
    booking_holds,
    pending,
    tariffs,
    contracts,
    agent_sales,
    billing,
    damages,
    rerating,
    rerating_applying,
    rerating_later,
    invoice_policy,
    invoices,
    credit_notes,
    plans,
    subscriptions,
    allowances,
    promos,
    discounts,
    invoice_means,
    deposits,
    dunning,
    write_offs,
    settlement,
    settlement_steps,
    settlement_answers,
    line_disputes,
    dispute_messages,
    line_resolutions,
    netting,
    pack_dues,
    settlement_ends,
    payees,
    payout_plans,
    payout_batches,
    payouts,
    period_close,
    manual_entries,
    energy_pool,
    energy_trade,
    depreciation,
    asset_ends,
    supplier_payables,
    fx,
    approvals,
    bank_accounts,
    bank_statements,
    bank_lines,
    suspense_items,
    breaks,
    reconciling,
    partner_files,
    privacy,
    vehicles,
    consents,
    leaving,
    revealing,
    signing,
    log_keys,
    ceremonies,
    access_log,
    adopting,
    history_map,
    passports,
    title,
    liens,
    book_values,
    pack_classes,
    asset_numbers,
    logistics,
    loads,
    purchasing,
    lots,
    chargers,
    workshop,
    stocktake,
    shifts,
    maintenance,
    ending,
    warranty,
    payments_calls,
    payments,
    payments_told,
    payments_refunds,
    payments_transfers,
    payments_disputes,
    payments_books,
    payments_inbox,
    payment_methods,
    checkouts,
    booking_bills,
    extra_pack_bills,
    promo_codes,
    support,
)


class CommandRule(msgspec.Struct, frozen=True):
    """How one command is answered: the rows it needs, and the rule."""

    touches: Callable[[Any], Keys]
    follows: Callable[[World, Any], Keys]
    decide: Callable[[World, Any, Request], Outcome]


class EventRule(msgspec.Struct, frozen=True):
    """How one event becomes postings and state, and which ids it names."""

    event: type[Event]
    postings: Callable[[Any], tuple[Posting, ...]]
    folds: tuple[Callable[[World, Any, Stamp], None], ...]
    pack_field: str
    entity_fields: tuple[str, ...]
    decoder: msgspec.json.Decoder[Any]

    def packs(self, event: Event) -> tuple[str, ...]:
        """List the packs an event names, sorted, no pack twice."""
        if not self.pack_field:
            return ()
        named = getattr(event, self.pack_field)
        if isinstance(named, str):
            return (named,) if named else ()
        return tuple(sorted(set(named)))

    def entities(self, event: Event) -> tuple[str, ...]:
        """List the other ids an event names, sorted, no id twice."""
        named = [one for name in self.entity_fields if (one := getattr(event, name))]
        return tuple(sorted(set(named))) if len(named) > 1 else tuple(named)


def _members(module: ModuleType, suffix: str) -> tuple[type[Any], ...]:
    found: list[type[Any]] = []
    for name, value in vars(module).items():
        if name.endswith(suffix) and name != suffix:
            members = get_args(value) or ((value,) if isinstance(value, type) else ())
            found += [
                member for member in members if getattr(member, "__module__", "") == module.__name__
            ]
    return tuple(dict.fromkeys(found))


def _event_rule(area: ModuleType, event: type[Event]) -> EventRule:
    names = event.__struct_fields__
    pack_fields = [name for name in ("pack_id", "pack_ids") if name in names]
    return EventRule(
        event=event,
        postings=area.postings,
        folds=(
            area.evolve,
            *(other.evolve for other in AREAS if event in getattr(other, "FOLDS", ())),
        ),
        pack_field=pack_fields[0] if pack_fields else "",
        entity_fields=tuple(name for name in names if name.endswith("_id") and name != "pack_id"),
        decoder=msgspec.json.Decoder(event),
    )


COMMANDS: dict[type[Command], CommandRule] = {
    command: CommandRule(area.touches, area.follows, area.decide)
    for area in AREAS
    for command in _members(area, "Command")
}

EVENTS: dict[type[Event], EventRule] = {
    event: _event_rule(area, event) for area in AREAS for event in _members(area, "Event")
}

KINDS: dict[tuple[str, int], EventRule] = {
    (rule.event.kind, rule.event.version): rule for rule in EVENTS.values()
}

SHELVES: tuple[Shelf[Any], ...] = (
    chains.CHAINS,
    *(shelf for area in AREAS for shelf in area.SHELVES),
)
