"""Rating: what a usage costs, as one pure function of its facts and the tariff's versions.

The same facts and versions always give the same bill (docs/algorithms/tariff.md): quantities are
integers, amounts exact in 10^-9 of the major unit, each line is rounded once.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from ledger.domain.money.bands import Band, Place, Price, bands, edges
from ledger.domain.money.tariffs import COMPONENTS, SPAN_MAX, TIME_MAX, TariffRows
from ledger.domain.money.tax import tax_rule
from ledger.kernel.instants import DAY, MINUTE
from ledger.kernel.money import nano_to_minor, split_by
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import INVALID, UNSIGNED

SWAP: Literal["swap"] = "swap"
CHARGING_SESSION: Literal["charging_session"] = "charging_session"

LEVEL_MIN = 3
"""Evidence level that a bill needs on every leg."""
UNCERTAINTY_MAX = DAY
"""Clock uncertainty beyond which a time says nothing about a price."""
ENERGY_MAX_WH = 1_000_000
"""Limit of one usage where the capacity of its packs is not known."""

FORMULA_SWAP = "soc-diff-1"
FORMULA_SESSION = "meter-time-1"
FORMULA_EVENT = "event-1"
FORMULA_ALLOWANCE = "allowance-1"

_BILLABLE = frozenset({"completed", "closed_incomplete"})
_UNITS = {"KWH": "WH", "SWAP": "SWAP", "MINUTE": "MINUTE", "ITEM": "ITEM"}


class UsageFacts(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What happened, as far as its price depends on it.

    `energy_wh` of a swap is the stored energy of the packs out minus that of the packs in (it may
    be negative); of a charging session what the meter counted. `occurred_at` is the price time of
    a swap, its pack-out leg; a session is priced from `begin_at` to `end_at`. `level` is the
    lowest evidence level and `clock_quality` the worst clock among its legs; `stage` is where its
    saga ended; `capacity_wh` the nominal energy of its packs (0 = not known); `causes` are the
    positions of the entries it derives from; `billing_class` says what its meter's signature is
    worth.
    """

    kind: Literal["swap", "charging_session"]
    usage_id: str
    driver_id: str
    station_id: str
    operator_id: str
    country: str
    tariff_id: str
    occurred_at: int
    energy_wh: int
    level: int
    clock_quality: str
    clock_uncertainty_us: int = 0
    begin_at: int = 0
    end_at: int = 0
    stage: str = "completed"
    pack_class: str = ""
    capacity_wh: int = 0
    booking_id: str = ""
    causes: tuple[int, ...] = ()
    billing_class: str = UNSIGNED

    @property
    def service_time(self) -> tuple[int, int]:
        """Begin and end of the service; the same instant for a swap."""
        if self.kind == SWAP:
            return self.occurred_at, self.occurred_at
        return self.begin_at, self.end_at


class Line(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of a bill.

    `quantity` counts `unit` (``WH``, ``SWAP``, ``MINUTE``, ``ITEM``); `billed_quantity` is present
    where the tariff bills another one. `amount_nano` is exact, `net_minor` rounded from it. The
    price is that of the entry at `tariff_position`.
    """

    component: str
    quantity: int
    unit: str
    rate_micro: int
    amount_nano: int
    net_minor: int
    tax_product: str
    revenue_account: str
    tariff_version: int
    tariff_position: int
    service_start_at: int
    service_end_at: int
    formula: str
    billed_quantity: int | None = None


class Bill(msgspec.Struct, frozen=True):
    """The lines of a usage and their sums in minor units, net of tax.

    `price_shift_us` is not 0 where the clock was uncertain at a border of prices: the prices of
    that much later (or earlier) were taken, because they are cheaper for the driver.
    """

    currency: str
    lines: tuple[Line, ...]
    net_minor: int
    energy_net_minor: int
    service_net_minor: int
    fee_net_minor: int
    price_shift_us: int = 0


def price_span(facts: UsageFacts) -> tuple[int, int]:
    """Give the first and last time of which a price may be needed, clock uncertainty included."""
    begin, end = facts.service_time
    slack = min(max(facts.clock_uncertainty_us, 0), UNCERTAINTY_MAX)
    return begin - slack, end + slack


def rate(facts: UsageFacts, tariffs: TariffRows, *, free_swaps: int = 0) -> Bill | Refusal:
    """Rate one usage; a swap within an allowance (`free_swaps` left) keeps its lines at 0.

    Pure. Refuses in the order of the codes; a refused usage can be rated again later.
    """
    refusal = unfit(facts)
    if refusal is not None:
        return refusal
    free = facts.kind == SWAP and free_swaps > 0
    bill: Bill | Refusal = _bill(facts, tariffs, 0, free=free)
    if facts.clock_uncertainty_us and isinstance(bill, Bill):
        for shift in _shifts(facts, tariffs):
            other = _bill(facts, tariffs, shift, free=free)
            if isinstance(other, Bill) and other.net_minor < bill.net_minor:
                bill = other
    return bill


def unfit(facts: UsageFacts) -> Refusal | None:
    """Tell why no tariff could rate these facts; None when one may."""
    if facts.stage not in _BILLABLE:
        return Refusal(RefusalCode.SWAP_NOT_BILLABLE, {"stage": facts.stage})
    if facts.level < LEVEL_MIN:
        return Refusal(RefusalCode.EVIDENCE_TOO_WEAK, {"level": facts.level})
    if facts.billing_class == INVALID:
        return Refusal(RefusalCode.METER_INVALID, {"usage": facts.usage_id})
    begin, end = facts.service_time
    if (
        facts.clock_quality == "U"
        or not 0 <= facts.clock_uncertainty_us <= UNCERTAINTY_MAX
        or not 0 <= begin <= end < TIME_MAX
        or end - begin + 2 * UNCERTAINTY_MAX > SPAN_MAX
    ):
        return Refusal(RefusalCode.TIME_UNUSABLE, {"clock_quality": facts.clock_quality})
    return None


def _shifts(facts: UsageFacts, tariffs: TariffRows) -> Iterable[int]:
    """List the clock errors to try: none when no border of prices is that near.

    A swap tries every stretch of prices within reach; a session is moved as a whole, because one
    clock stamped both its ends.
    """
    begin, end = facts.service_time
    slack = facts.clock_uncertainty_us
    borders = edges(tariffs, begin - slack, end + slack + 1)
    if facts.kind == SWAP:
        return (-slack, *(border - begin for border in borders)) if borders else ()
    return (-slack, slack) if borders else ()


# One bill ---------------------------------------------------------------------


class _Part(NamedTuple):
    """A stretch of time in which a component has one price, and its Wh (or count of events)."""

    price: Price
    begin: int
    end: int
    quantity: int


def _bill(facts: UsageFacts, tariffs: TariffRows, shift: int, *, free: bool) -> Bill | Refusal:
    begin, end = facts.service_time
    place = Place(facts.station_id, facts.pack_class)
    found = bands(tariffs, place, begin + shift, end + shift)
    if isinstance(found, Refusal):
        return found
    parts = _parts(found, facts.energy_wh)
    lines: list[Line] = []
    for component, row in parts.items():
        lines += _component_lines(facts, row, shift, free=free and component != "BOOKING")
    energy = parts.get("ENERGY", ())
    if not lines or (energy and sum(p.end - p.begin for p in energy) < end - begin):
        return Refusal(RefusalCode.TARIFF_NO_ELEMENT, {"tariff": facts.tariff_id})
    currency = next(iter(parts.values()))[0].price.version.terms.currency
    return _refused(facts, lines) or _summed(lines, currency, shift)


def _parts(found: list[Band], energy_wh: int) -> dict[str, list[_Part]]:
    """Divide the energy over the bands by their length, and join bands of equal price."""
    if len(found) == 1:
        begin, end, prices = found[0]
        return {price.component: [_Part(price, begin, end, energy_wh)] for price in prices}
    shares = split_by(energy_wh, [band.end - band.begin for band in found])
    parts: dict[str, list[_Part]] = {}
    for band, share in zip(found, shares, strict=True):
        for price in band.prices:
            row = parts.setdefault(price.component, [])
            if row and row[-1].end == band.begin and row[-1].price.continues(price):
                last = row.pop()
                row.append(_Part(last.price, last.begin, band.end, last.quantity + share))
            else:
                row.append(_Part(price, band.begin, band.end, share))
    return parts


def _component_lines(facts: UsageFacts, row: list[_Part], shift: int, *, free: bool) -> list[Line]:
    """Make the lines of one component: one for each stretch of energy, or one for the event."""
    first = row[0]
    if first.price.component == "BOOKING" and not facts.booking_id:
        return []
    if first.price.per == "KWH":
        metered = [part for part in row if part.price.per == "KWH"]
        return [
            _line(facts, part, billed, shift, free=free)
            for part, billed in zip(metered, _billed_parts(metered), strict=True)
        ]
    begin, end = facts.service_time
    count = _count(facts, first.price)
    if count is None or first.begin != begin + shift:
        return []  # an event is priced by its begin, once, however many bands the usage crosses
    event = _Part(first.price, first.begin, end + shift, count)
    return [_line(facts, event, _billed(count, first.price), shift, free=free)]


def _count(facts: UsageFacts, price: Price) -> int | None:
    """Count swaps, whole minutes or items; None where the unit does not apply to the usage."""
    is_swap = facts.kind == SWAP
    match price.per:
        case "SWAP":
            return 1 if is_swap else None
        case "MINUTE":
            begin, end = facts.service_time
            return None if is_swap else (end - begin) // MINUTE
        case _:
            return 1


def _billed(quantity: int, price: Price) -> int:
    """Bound a quantity: nothing below zero unless the tariff credits it, then the element's."""
    if quantity < 0:
        credited = price.version.terms.negative_energy == "credit" and price.component == "ENERGY"
        quantity = quantity if credited else 0
    element = price.element
    if element is None:
        return quantity
    if element.max_quantity:
        quantity = min(quantity, element.max_quantity)
    return max(quantity, element.min_quantity) if element.min_quantity else quantity


def _billed_parts(row: list[_Part]) -> list[int]:
    """Bound the sum of several stretches, and divide what is billed as the energy is divided."""
    if len(row) == 1:
        return [_billed(row[0].quantity, row[0].price)]
    actual = [part.quantity for part in row]
    total = sum(actual)
    billed = _billed(total, row[0].price)
    if billed == total:
        return actual
    return split_by(billed, actual if total > 0 else [part.end - part.begin for part in row])


def _line(facts: UsageFacts, part: _Part, billed: int, shift: int, *, free: bool) -> Line:
    price = part.price
    product, account = COMPONENTS[price.component]
    element, version = price.element, price.version
    if element is not None:
        product = element.tax_product or product
        account = element.revenue_account or account
    rate_micro = 0 if free else price.rate_micro
    # Wh x micro per kWh = nano; whole units x micro = thousands of nano
    amount_nano = billed * rate_micro * (1 if price.per == "KWH" else 1000)
    return Line(
        component=price.component,
        quantity=part.quantity,
        unit=_UNITS[price.per],
        rate_micro=rate_micro,
        amount_nano=amount_nano,
        net_minor=nano_to_minor(amount_nano, version.terms.currency),
        tax_product=product,
        revenue_account=account,
        tariff_version=version.version,
        tariff_position=version.position,
        service_start_at=part.begin - shift,
        service_end_at=part.end - shift,
        formula=_formula(facts, price, free=free),
        billed_quantity=billed if billed != part.quantity else None,
    )


def _formula(facts: UsageFacts, price: Price, *, free: bool) -> str:
    if free:
        return FORMULA_ALLOWANCE
    if price.per != "KWH":
        return FORMULA_EVENT
    return FORMULA_SWAP if facts.kind == SWAP else FORMULA_SESSION


def _refused(facts: UsageFacts, lines: list[Line]) -> Refusal | None:
    for line in lines:
        if tax_rule(facts.country, line.tax_product, line.service_start_at) is None:
            return Refusal(
                RefusalCode.TAX_RULE_MISSING,
                {"country": facts.country, "product": line.tax_product},
            )
    energy_wh = facts.energy_wh
    if energy_wh < 0 and facts.kind == CHARGING_SESSION:
        return Refusal(RefusalCode.QUANTITY_NEGATIVE, {"energy_wh": energy_wh})
    if abs(energy_wh) > (facts.capacity_wh or ENERGY_MAX_WH):
        return Refusal(RefusalCode.QUANTITY_LIMIT, {"energy_wh": energy_wh})
    if sum(abs(line.amount_nano) for line in lines) > QUANTITY_MAX:
        return Refusal(RefusalCode.AMOUNT_LIMIT, {"lines": len(lines)})
    return None


def _summed(lines: list[Line], currency: str, shift: int) -> Bill:
    energy = service = fee = 0
    for line in lines:
        if line.component == "ENERGY":
            energy += line.net_minor
        elif line.component == "BOOKING":
            fee += line.net_minor
        else:
            service += line.net_minor
    return Bill(
        currency=currency,
        lines=tuple(lines),
        net_minor=energy + service + fee,
        energy_net_minor=energy,
        service_net_minor=service,
        fee_net_minor=fee,
        price_shift_us=shift,
    )
