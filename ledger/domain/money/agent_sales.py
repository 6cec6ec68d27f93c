"""Sales in a partner's name: the driver owes the whole price, we keep our commission (money 8.1).

The partner sells; we collect for him. What is left of the price after commission and its VAT is his
and stands in his next statement. A contract of model ``agent`` says how much we keep.
"""

from typing import Any, ClassVar, assert_never

import msgspec

from ledger.domain.access import refused
from ledger.domain.money import templates_partners as templates
from ledger.domain.money.contracts import CONTRACTS, PartnerContracts
from ledger.domain.money.tax import tax_rule
from ledger.domain.parties import PARTIES, party_faults
from ledger.domain.world import Keys, Shelf, Stamp, World, touch
from ledger.kernel.ids import is_id
from ledger.kernel.messages import Command, Draft, Event, Outcome, Request
from ledger.kernel.money import round_half_up, vat_of
from ledger.kernel.postings import QUANTITY_MAX, Posting
from ledger.kernel.quantities import BP_FULL
from ledger.kernel.refusal import Fact, RefusalCode

# State ------------------------------------------------------------------------


class AgentSale(msgspec.Struct, frozen=True):
    """A sale that was recorded, so that it counts once."""

    partner_id: str
    gross_minor: int


AGENT_SALES = Shelf("agent_sales", AgentSale)
SHELVES: tuple[Shelf[Any], ...] = (AGENT_SALES,)
FOLDS: tuple[type[Event], ...] = ()

# Commands ---------------------------------------------------------------------


class RecordAgentSale(Command):
    """A driver bought from a partner through us; `gross_minor` is all that he owes.

    `country` is where our commission is taxed as a service, `sold_at` (us) when it was sold.
    """

    roles: ClassVar[frozenset[str]] = frozenset({"finance", "system"})

    sale_id: str
    partner_id: str
    contract_id: str
    driver_id: str
    station_id: str
    country: str
    gross_minor: int
    sold_at: int


AgentSalesCommand = RecordAgentSale

# Events -----------------------------------------------------------------------


class AgentSold(Event):
    """A driver owes a partner's price to us, and we owe the partner what is left of it."""

    kind: ClassVar[str] = "agent.sale"

    sale_id: str
    partner_id: str
    contract_id: str
    contract_version: int
    driver_id: str
    station_id: str
    currency: str
    gross_minor: int
    commission_minor: int
    tax_minor: int
    tax_code: str


AgentSalesEvent = AgentSold

# touches ----------------------------------------------------------------------


def touches(command: AgentSalesCommand) -> Keys:
    """Read the sale, its parties and the contract."""
    return (
        touch(AGENT_SALES, command.sale_id),
        touch(PARTIES, command.driver_id),
        touch(CONTRACTS, command.partner_id),
    )


def follows(_world: World, _command: AgentSalesCommand) -> Keys:
    """Nothing more is needed."""
    return ()


# decide -----------------------------------------------------------------------


def decide(world: World, command: AgentSalesCommand, _request: Request) -> Outcome:
    """Record a sale once, under an agent's contract in force when it was sold."""
    match command:
        case RecordAgentSale():
            return _record(world, command)
        case _ as unknown:
            assert_never(unknown)


def _record(world: World, command: RecordAgentSale) -> Outcome:
    known = world.get(AGENT_SALES, command.sale_id)
    if known == AgentSale(command.partner_id, command.gross_minor):
        return ()
    held = world.get(CONTRACTS, command.partner_id) or PartnerContracts(command.partner_id)
    contract = held.agent(command.contract_id, command.sold_at)
    rule = tax_rule(command.country, "service", command.sold_at) if command.sold_at > 0 else None
    tests = (
        (contract is None, RefusalCode.CONTRACT_UNKNOWN),
        (rule is None, RefusalCode.TAX_RULE_MISSING),
        (not 0 < command.gross_minor <= QUANTITY_MAX, RefusalCode.AMOUNT_LIMIT),
        (known is not None or not is_id(command.sale_id), RefusalCode.DIMENSION_INVALID),
        (not is_id(command.station_id), RefusalCode.DIMENSION_INVALID),
    )
    faults = party_faults(world, command.driver_id, "driver")
    faults += [code for failed, code in tests if failed]
    if faults or contract is None or rule is None:
        facts: dict[str, Fact] = {"sale": command.sale_id[:40]}
        return refused(faults, facts)
    commission = round_half_up(command.gross_minor * contract.terms.commission_bp, BP_FULL)
    event = AgentSold(
        sale_id=command.sale_id,
        partner_id=command.partner_id,
        contract_id=command.contract_id,
        contract_version=contract.version,
        driver_id=command.driver_id,
        station_id=command.station_id,
        currency=contract.terms.currency,
        gross_minor=command.gross_minor,
        commission_minor=commission,
        tax_minor=vat_of(commission, rule.rate_bp),
        tax_code=f"{command.country}-{rule.category}-{rule.rate_bp}",
    )
    return (Draft(event, command.sold_at),)


# evolve -----------------------------------------------------------------------


def evolve(world: World, event: AgentSalesEvent, _stamp: Stamp) -> None:
    """Remember the sale."""
    world.put(AGENT_SALES, event.sale_id, AgentSale(event.partner_id, event.gross_minor))


def postings(event: AgentSalesEvent) -> tuple[Posting, ...]:
    """Have the driver owe the price, and owe the partner his part."""
    tax = (event.tax_code, event.tax_minor)
    dims = {
        "driver": event.driver_id,
        "partner": event.partner_id,
        "contract": event.contract_id,
        "station": event.station_id,
    }
    return templates.agent_sale(
        event.currency, event.gross_minor, event.commission_minor, tax, dims
    )
