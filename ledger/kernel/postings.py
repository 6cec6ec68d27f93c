"""The one primitive: a posting moves a quantity of a commodity into or out of an account.

Packs, watt-hours and cents obey the same law: inside every entry each commodity sums to zero, and
`PACK` sums to zero for each pack on its own. A positive quantity is a debit, a negative a credit.
"""

from collections.abc import Iterable, Sequence

import msgspec

from ledger.kernel.errors import InvariantBroken

PACK = "PACK"
"""Commodity of packs: quantity exactly +1 or -1, dimension `pack` names which."""

WH = "WH"
"""Commodity of energy, in watt-hours."""

QUANTITY_MAX = 2**53 - 1
"""Largest magnitude of a quantity: what every JSON reader can hold exactly."""


class Posting(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of an entry: signed integer `quantity`, + debit, - credit, never 0.

    Units: minor units for an ISO 4217 currency, Wh for `WH`, exactly 1 for `PACK`.
    `dims` carries the detail that accounts leave out (driver, partner, pack, ...).
    """

    account: str
    commodity: str
    quantity: int
    dims: dict[str, str] = {}


def check_zero(postings: Sequence[Posting]) -> None:
    """Raise `InvariantBroken` unless every commodity, and every pack, sums to zero."""
    if len(postings) == 2 and _is_pair(*postings):  # noqa: PLR2004  most entries move one thing
        return
    sums: dict[tuple[str, str], int] = {}
    for posting in postings:
        quantity = posting.quantity
        if quantity == 0 or not -QUANTITY_MAX <= quantity <= QUANTITY_MAX:
            raise InvariantBroken(f"{posting.account}: quantity {quantity} is out of range")
        pack = ""
        if posting.commodity == PACK:
            pack = posting.dims.get("pack", "")
            if not pack or quantity not in (1, -1):
                raise InvariantBroken(f"{posting.account}: a pack line moves one named pack")
        key = (posting.commodity, pack)
        sums[key] = sums.get(key, 0) + quantity
    for (commodity, pack), total in sums.items():
        if total:
            raise InvariantBroken(f"{commodity} {pack} sums to {total}, not to zero")


def _is_pair(one: Posting, other: Posting) -> bool:
    quantity = one.quantity
    return (
        quantity + other.quantity == 0
        and 0 < abs(quantity) <= (1 if one.commodity == PACK else QUANTITY_MAX)
        and one.commodity == other.commodity
        and one.dims == other.dims
        and (one.commodity != PACK or bool(one.dims.get("pack")))
    )


def pair(
    commodity: str, quantity: int, *, debit: str, credit: str, dims: dict[str, str] | None = None
) -> tuple[Posting, ...]:
    """Move a quantity from the credit account to the debit account; nothing when it is 0.

    A negative quantity moves the other way.
    """
    if quantity == 0:
        return ()
    shared = dims or {}
    return (
        Posting(debit, commodity, quantity, shared),
        Posting(credit, commodity, -quantity, shared),
    )


def move_pack(pack_id: str, *, debit: str, credit: str) -> tuple[Posting, Posting]:
    """Move one pack from the credit account to the debit account."""
    dims = {"pack": pack_id}
    return Posting(debit, PACK, 1, dims), Posting(credit, PACK, -1, dims)


def negate(postings: Iterable[Posting]) -> tuple[Posting, ...]:
    """Give the exact reversal: every line with the other sign, dimensions kept."""
    return tuple(
        Posting(line.account, line.commodity, -line.quantity, line.dims) for line in postings
    )
