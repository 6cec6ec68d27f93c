"""Shares of a usage under a contract: fixed amounts of a swap first, then weights over the rest.

The parts of all parties, our own among them, sum to the base exactly. Fixed amounts are due even
where the base does not reach that far: what is short is ours to bear (money handbook 8.2).
"""

from ledger.domain.money.contracts import ContractTerms
from ledger.kernel.money import split


def share_base(
    terms: ContractTerms, net_minor: int, energy_net_minor: int, energy_cost_minor: int
) -> int:
    """Give what a contract shares of a bill, net of tax (minor units).

    `energy_cost_minor` is what the energy cost us; it counts for a margin alone.
    """
    match terms.base:
        case "ENERGY_NET":
            return energy_net_minor
        case "SERVICE_NET":
            return net_minor - energy_net_minor
        case "MARGIN":
            return net_minor - energy_cost_minor
        case _:
            return net_minor


def shares_of(terms: ContractTerms, base_minor: int, *, is_swap: bool) -> dict[str, int]:
    """Divide a base (minor units) between the parties of a contract.

    >>> from msgspec import convert
    >>> shared = {
    ...     "role": "operator",
    ...     "currency": "EUR",
    ...     "base": "TOTAL_NET",
    ...     "valid_from_at": 0,
    ...     "ours": "MG",
    ...     "weights": {"OP": 1, "MG": 3},
    ...     "order": ["OP", "MG"],
    ...     "fixed": {"OP": 50},
    ... }
    >>> terms = convert(shared, ContractTerms)
    >>> shares_of(terms, 450, is_swap=True), shares_of(terms, 30, is_swap=True)
    ({'OP': 150, 'MG': 300}, {'OP': 50, 'MG': -20})
    """
    fixed = terms.fixed if is_swap else {}
    rest = base_minor - sum(fixed.values())
    if fixed and rest < 0:
        parts = dict.fromkeys(terms.order, 0)
        parts[terms.ours] = rest
    else:
        parts = split(rest, terms.weights, terms.order)
    for party, amount in fixed.items():
        parts[party] += amount
    return parts
