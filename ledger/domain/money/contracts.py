"""Contracts with partners: who gets what of a usage, and how we settle, in versions over time."""

import re
from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.money.agency import Seller
from ledger.domain.money.payees import ROUTES
from ledger.domain.money.tariff_faults import is_zone
from ledger.domain.money.tariff_terms import TIME_MAX
from ledger.domain.money.tax import RULES
from ledger.domain.parties import PARTIES
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import EXPONENTS
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Refusal, RefusalCode

# State ------------------------------------------------------------------------

BASES = ("SERVICE_NET", "ENERGY_NET", "TOTAL_NET", "MARGIN")
"""What is shared: all but energy, energy alone, both, or both less what the energy cost us."""

PRINCIPAL, AGENT = "principal", "agent"
MODELS = (PRINCIPAL, AGENT)
"""We sell in our own name and share, or in the partner's name for a commission."""

CYCLES = ("daily", "weekly", "monthly")
ROUNDINGS = ("line_half_up",)

SELLER_COMMISSION_MAX_BP = 5_000
"""Most that we keep of what a partner sells: with its VAT it never reaches his net price."""

WEIGHT_MAX = 1_000_000_000
FIXED_MAX = 1_000_000_000
PPM_MAX = 1_000_000
PARTIES_MAX = 20
DAYS_MAX = 366

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class ContractTerms(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What a version agrees, in force for service times in [`valid_from_at`, `valid_to_at`) (us).

    It is the rule of shares too: `fixed` amounts for each swap go first (minor units), `weights`
    divide the rest, `ours` being one of the parties; `order` settles ties of the last minor unit.
    An agent's contract shares nothing: we keep `commission_bp` of each sale. Where it says how
    invoices name the partner (`seller`), he is the seller of what is used at his stations. Without
    an end it holds until the next version of the same contract begins.

    The rest says how we settle: a cut each `cycle` at `cut_time_local` in `zone`, an answer within
    `response_days` or else the clause `deemed_clause` holds (without one nobody is deemed to
    agree), payment after `payment_terms_days` by `route`, nothing below `min_payout_minor`, no
    payout above `max_payout_minor` (0 = no limit). With `self_billing` we write the partner's
    invoices, taxed as the product of `tax_treatment`, such as ``DE-service``. A title holder gets
    `rent_micro` for each day of a pack, by its class (millionths of the major unit), a bank
    `instalment_ppm` millionths of what a lien secures for each of its days.
    """

    role: str
    currency: str
    base: str
    ours: str
    weights: dict[str, int]
    order: tuple[str, ...]
    valid_from_at: int
    model: str = PRINCIPAL
    valid_to_at: int = 0
    fixed: dict[str, int] = {}
    cycle: str = "monthly"
    cut_time_local: str = "00:00"
    zone: str = "UTC"
    payment_terms_days: int = 30
    response_days: int = 14
    deemed_clause: str = ""
    netting: bool = False
    min_payout_minor: int = 0
    max_payout_minor: int = 0
    commission_bp: int = 0
    tax_treatment: str = ""
    self_billing: bool = False
    route: str = "manual"
    rounding: str = "line_half_up"
    seller: Seller | None = None
    rent_micro: dict[str, int] = {}
    instalment_ppm: int = 0

    def holds_at(self, instant: int) -> bool:
        """Tell whether the terms are in force at a time (us)."""
        return self.valid_from_at <= instant and not 0 < self.valid_to_at <= instant


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

    def in_force(self, instant: int) -> list[ContractVersion]:
        """List the versions in force at a time, one for each contract."""
        found: dict[str, ContractVersion] = {}
        for version in self.versions:  # later versions begin later
            if version.terms.valid_from_at <= instant:
                found[version.contract_id] = version
        return [one for one in found.values() if one.terms.holds_at(instant)]

    def at(self, instant: int) -> list[ContractVersion]:
        """List the versions that share what is sold at a service time, one for each contract."""
        return [one for one in self.in_force(instant) if one.terms.model == PRINCIPAL]

    def settling(self, instant: int, currency: str = "") -> ContractVersion | None:
        """Give the version by which the partner is settled at a time: the first one agreed.

        With a currency, only a contract in it; None where there is no contract.
        """
        for one in self.in_force(instant):
            if currency in ("", one.terms.currency):
                return one
        return None

    def paying(self, contract_id: str, instant: int) -> ContractVersion | None:
        """Give the version by which packs of the partner are paid for; None where none is."""
        for one in self.in_force(instant):
            pays = one.terms.rent_micro or one.terms.instalment_ppm
            if one.contract_id == contract_id and pays:
                return one
        return None

    def selling(self, instant: int) -> ContractVersion | None:
        """Give the version by which the partner himself sells what is used; None where we do."""
        for one in self.in_force(instant):
            if one.terms.model == AGENT and one.terms.seller is not None:
                return one
        return None

    @property
    def seller(self) -> Seller | None:
        """How invoices name the partner, by the newest version that says so."""
        named = (one.terms.seller for one in reversed(self.versions))
        return next((seller for seller in named if seller is not None), None)

    def agent(self, contract_id: str, instant: int) -> ContractVersion | None:
        """Give the version of a contract that we sell by as an agent at a time."""
        for one in self.in_force(instant):
            if one.contract_id == contract_id and one.terms.model == AGENT:
                return one
        return None


CONTRACTS = Shelf("contracts", PartnerContracts)
SHELVES: tuple[Shelf[Any], ...] = (CONTRACTS,)
FOLDS: tuple[type[Event], ...] = ()


def seller_of(world: World, partner_id: str) -> Seller | None:
    """Tell how invoices name a partner; None for us, and for one who never sells himself."""
    held: PartnerContracts | None = world.get(CONTRACTS, partner_id) if partner_id else None
    return held.seller if held else None


def tax_of(treatment: str) -> tuple[str, str]:
    """Give country and product of a treatment.

    >>> tax_of("DE-service")
    ('DE', 'service')
    """
    country, _, product = treatment.partition("-")
    return country, product


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
    begin, end = terms.valid_from_at, terms.valid_to_at
    checks = (
        (is_id(command.contract_id), "contract_id"),
        (bool(terms.role), "role"),
        (terms.currency in EXPONENTS, "currency"),
        (terms.base in BASES, "base"),
        (terms.model in MODELS, "model"),
    )
    agreed = (
        (0 <= begin < TIME_MAX, "valid_from_at"),
        (end == 0 or begin < end < TIME_MAX, "valid_to_at"),
    )
    shares = _agent_checks(command) if terms.model == AGENT else _share_checks(command)
    found = (*checks, *shares, *agreed, *_settling_checks(terms))
    return next((field for good, field in found if not good), "")


_Checks = tuple[tuple[bool, str], ...]


def _share_checks(command: AgreeContract) -> _Checks:
    terms = command.terms
    weights, fixed = terms.weights, terms.fixed
    return (
        (terms.ours in weights and terms.ours != command.partner_id, "ours"),
        (command.partner_id in weights and len(weights) <= PARTIES_MAX, "weights"),
        (all(0 <= weight <= WEIGHT_MAX for weight in weights.values()), "weights"),
        (any(weights.values()), "weights"),
        (sorted(terms.order) == sorted(weights), "order"),
        (set(fixed) <= set(weights) - {terms.ours}, "fixed"),
        (all(0 < amount <= FIXED_MAX for amount in fixed.values()), "fixed"),
        (terms.commission_bp == 0, "commission_bp"),
        (terms.seller is None, "seller"),
    )


def _agent_checks(command: AgreeContract) -> _Checks:
    terms = command.terms
    return (
        (is_id(terms.ours) and terms.ours != command.partner_id, "ours"),
        (not terms.weights and not terms.fixed, "weights"),
        (not terms.order, "order"),
        (0 <= terms.commission_bp <= BP_FULL, "commission_bp"),
        (_is_seller(terms.seller, command.partner_id), "seller"),
        (not terms.seller or terms.commission_bp <= SELLER_COMMISSION_MAX_BP, "commission_bp"),
    )


def _is_seller(seller: Seller | None, partner_id: str) -> bool:
    return seller is None or (seller.party_id == partner_id and seller.is_named())


def _settling_checks(terms: ContractTerms) -> _Checks:
    least, most = terms.min_payout_minor, terms.max_payout_minor
    is_taxed = not terms.tax_treatment or tax_of(terms.tax_treatment) in RULES
    return (
        (terms.cycle in CYCLES, "cycle"),
        (_CLOCK.fullmatch(terms.cut_time_local) is not None, "cut_time_local"),
        (is_zone(terms.zone), "zone"),
        (0 <= terms.payment_terms_days <= DAYS_MAX, "payment_terms_days"),
        (0 <= terms.response_days <= DAYS_MAX, "response_days"),
        (not terms.deemed_clause or is_id(terms.deemed_clause), "deemed_clause"),
        (0 <= least <= QUANTITY_MAX, "min_payout_minor"),
        (most == 0 or least <= most <= QUANTITY_MAX, "max_payout_minor"),
        (is_taxed, "tax_treatment"),
        (not terms.self_billing or bool(terms.tax_treatment), "tax_treatment"),
        (terms.route in ROUTES, "route"),
        (terms.rounding in ROUNDINGS, "rounding"),
        (all(0 < rate <= WEIGHT_MAX for rate in terms.rent_micro.values()), "rent_micro"),
        (0 <= terms.instalment_ppm <= PPM_MAX, "instalment_ppm"),
    )


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
