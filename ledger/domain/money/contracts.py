"""Contracts with partners: which part of a usage's net goes to whom, in versions over time."""

from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.money.tariffs import TIME_MAX
from ledger.domain.parties import PARTIES
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import Posting
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

BASES = ("SERVICE_NET", "ENERGY_NET", "TOTAL_NET")
"""What is shared: everything but energy, energy alone, or both; always net of tax."""

MODELS = ("principal",)
"""We sell in our own name and share; a sale in the partner's name needs its own templates."""

WEIGHT_MAX = 1_000_000_000
PARTIES_MAX = 20


class ContractTerms(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What a version agrees: `weights` of every party that shares, `ours` being one of them.

    `order` settles ties of the last minor unit. The terms hold from `valid_from_at` (service time,
    us) until the next version of the same contract begins.
    """

    role: str
    currency: str
    base: str
    ours: str
    weights: dict[str, int]
    order: tuple[str, ...]
    valid_from_at: int
    model: str = "principal"


class ContractVersion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One agreed version; `position` is its entry."""

    contract_id: str
    version: int
    position: int
    terms: ContractTerms


class PartnerContracts(msgspec.Struct, frozen=True, omit_defaults=True):
    """All contracts of a partner, in the order they were agreed."""

    partner_id: str
    versions: tuple[ContractVersion, ...] = ()

    def at(self, instant: int) -> list[ContractVersion]:
        """List the versions in force at a service time, one for each contract."""
        found: dict[str, ContractVersion] = {}
        for version in self.versions:  # later versions begin later
            if version.terms.valid_from_at <= instant:
                found[version.contract_id] = version
        return list(found.values())


CONTRACTS = Shelf("contracts", PartnerContracts)
SHELVES: tuple[Shelf[Any], ...] = (CONTRACTS,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class AgreeContract(Command, frozen=True):
    """Agree a contract with a partner, or its next version."""

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "importer"})
    needs_second_person: ClassVar[bool] = True

    contract_id: str
    partner_id: str
    terms: ContractTerms


ContractsCommand = AgreeContract

# Events -----------------------------------------------------------------------


class ContractAgreed(Event, frozen=True):
    """A version of a contract is in force; versions count from 1."""

    kind: ClassVar[str] = "contract_agreed"

    contract_id: str
    contract_version: int
    partner_id: str
    terms: ContractTerms


ContractsEvent = ContractAgreed

# touches ----------------------------------------------------------------------


def touches(command: ContractsCommand) -> Keys:
    """The partner's contracts, and every party that shares."""
    named = {command.partner_id, *command.terms.weights}
    return (touch(CONTRACTS, command.partner_id), *(touch(PARTIES, party) for party in named))


def follows(_world: World, _command: ContractsCommand) -> Keys:
    """Everything is known from the command."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: ContractsCommand, _request: Request) -> Outcome:
    """Agree unless a party is unknown, the terms are faulty, or the version is not a later one."""
    match command:
        case AgreeContract():
            return _agree(world, command)
        case _ as unknown:
            assert_never(unknown)


def _agree(world: World, command: AgreeContract) -> Outcome:
    terms = command.terms
    for party in (command.partner_id, *sorted(terms.weights)):
        if world.get(PARTIES, party) is None:
            return Refusal(RefusalCode.PARTY_UNKNOWN, {"party": party})
    held = world.get(CONTRACTS, command.partner_id)
    earlier = (
        [old for old in held.versions if old.contract_id == command.contract_id] if held else []
    )
    if earlier and earlier[-1].terms == terms:
        return ()
    if earlier and terms.valid_from_at <= earlier[-1].terms.valid_from_at:
        return Refusal(RefusalCode.CONTRACT_EXISTS, {"version": earlier[-1].version})
    fault = _fault(command)
    if fault:
        return Refusal(RefusalCode.CONTRACT_FIELD_INVALID, {"field": fault})
    agreed = ContractAgreed(
        contract_id=command.contract_id,
        contract_version=len(earlier) + 1,
        partner_id=command.partner_id,
        terms=terms,
    )
    return (Draft(agreed, occurred_at=terms.valid_from_at),)


def _fault(command: AgreeContract) -> str:
    """Name the first faulty field, "" when there is none."""
    terms = command.terms
    weights = terms.weights
    checks = (
        (is_id(command.contract_id), "contract_id"),
        (bool(terms.role), "role"),
        (terms.currency in EXPONENTS, "currency"),
        (terms.base in BASES, "base"),
        (terms.model in MODELS, "model"),
        (terms.ours in weights and terms.ours != command.partner_id, "ours"),
        (command.partner_id in weights and len(weights) <= PARTIES_MAX, "weights"),
        (all(0 <= weight <= WEIGHT_MAX for weight in weights.values()), "weights"),
        (any(weights.values()), "weights"),
        (sorted(terms.order) == sorted(weights), "order"),
        (0 <= terms.valid_from_at < TIME_MAX, "valid_from_at"),
    )
    return next((field for good, field in checks if not good), "")


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: ContractsEvent, stamp: Stamp) -> None:
    """File the version with its partner."""
    match event:
        case ContractAgreed():
            held = world.get(CONTRACTS, event.partner_id) or PartnerContracts(event.partner_id)
            version = ContractVersion(
                event.contract_id, event.contract_version, stamp.position, event.terms
            )
            moved = msgspec.structs.replace(held, versions=(*held.versions, version))
            world.put(CONTRACTS, event.partner_id, moved)
        case _ as unknown:
            assert_never(unknown)


def postings(_event: ContractsEvent) -> tuple[Posting, ...]:
    """An agreement moves nothing."""
    return ()
