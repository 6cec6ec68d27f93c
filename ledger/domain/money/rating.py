"""Rating: what a usage costs, as one pure function of its facts and the tariff's versions.

The same facts, versions and context always give the same bill (docs/algorithms/tariff.md):
quantities are integers, amounts exact in 10^-9 of the major unit, each line is rounded once.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from ledger.domain.money.bands import Place, Price, bands, edges
from ledger.domain.money.rating_facts import (
    NOTHING_BEFORE,
    SWAP,
    UNCERTAINTY_MAX,
    Bill,
    Line,
    RatingContext,
    UsageFacts,
)
from ledger.domain.money.rating_parts import (
    FORMULA_EVENT,
    FORMULA_INTERVALS,
    FORMULA_SESSION,
    FORMULA_SWAP,
    Cut,
    Cutter,
    Part,
    are_whole,
    billed_of,
    billed_parts,
    count_of,
    is_metered,
    parts_of,
)
from ledger.domain.money.rating_totals import adjusted, summed
from ledger.domain.money.tariff_terms import (
    COMPONENTS,
    EVENT,
    METER,
    SOC_DIFFERENCE,
    SPAN_MAX,
    TIME_MAX,
    UNITS,
    TariffRows,
)
from ledger.domain.money.tax import tax_rule
from ledger.kernel.instants import DAY
from ledger.kernel.money import nano_to_minor
from ledger.kernel.postings import QUANTITY_MAX
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.kernel.signed_facts import INVALID

RATING_VERSION = 1
"""Version of these rules; a change that would rate old facts differently counts it up."""

LEVEL_MIN = 3
"""Evidence level that a bill needs on every leg."""
ENERGY_MAX_WH = 1_000_000
"""Limit of one usage where the capacity of its packs is not known."""

_BILLABLE = frozenset({"completed", "closed_incomplete"})


def price_span(facts: UsageFacts) -> tuple[int, int]:
    """Give the first and last time of which a price may be needed, clock uncertainty included."""
    begin, end = facts.service_time
    slack = min(max(facts.clock_uncertainty_us, 0), UNCERTAINTY_MAX)
    if facts.price_at:
        return min(begin - slack, facts.price_at), max(end + slack, facts.price_at)
    return begin - slack, end + slack


def rate(
    facts: UsageFacts, tariffs: TariffRows, context: RatingContext = NOTHING_BEFORE
) -> Bill | Refusal:
    """Rate one usage by the versions of its tariff and what was used before it.

    Pure. Refuses in the order of the codes; a refused usage can be rated again later.
    """
    refusal = unfit(facts)
    if refusal is not None:
        return refusal
    if facts.price_at:
        known = known_before(tariffs, facts.price_at, facts.price_position)
        return _bill(facts, known, context, facts.price_at - facts.service_time[0])
    bill: Bill | Refusal = _bill(facts, tariffs, context, 0)
    if facts.clock_uncertainty_us and isinstance(bill, Bill):
        for shift in _shifts(facts, tariffs):
            other = _bill(facts, tariffs, context, shift)
            if isinstance(other, Bill) and other.net_minor < bill.net_minor:
                bill = other
    return bill


def known_before(rows: TariffRows, at: int, position: int) -> TariffRows:
    """Give a tariff as it was published below a position, for the prices of one instant.

    What was published since does not count: neither another version, nor the end it gave to one.
    """
    tariff = rows.tariff
    if tariff is None:
        return rows
    early = [one for one in (*tariff.lasting, *tariff.gone) if one.position < position]
    lasting = [one for one in early if not one.terms.hours_micro and one.terms.valid_from_at <= at]
    newest = max(lasting, key=lambda one: (one.terms.valid_from_at, one.position), default=None)
    if newest is None:
        return rows
    open_ended = replace(newest, terms=replace(newest.terms, valid_to_at=0))
    day = at // DAY
    days = [one for one in (rows.days.get(day), *early) if one is not None]
    days = [one for one in days if one.position < position and one.terms.hours_micro]
    days = [one for one in days if one.terms.valid_from_at // DAY == day]
    hours = max(days, key=lambda one: one.position, default=None)
    return TariffRows(replace(tariff, lasting=(open_ended,)), {} if hours is None else {day: hours})


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
        or not are_whole(facts)
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
    if facts.is_timed:
        return (-slack, slack) if borders else ()
    return (-slack, *(border - begin for border in borders)) if borders else ()


# One bill ---------------------------------------------------------------------


def _bill(
    facts: UsageFacts, tariffs: TariffRows, context: RatingContext, shift: int
) -> Bill | Refusal:
    begin, end = facts.service_time
    found = bands(tariffs, _place(facts), begin + shift, end + shift)
    if isinstance(found, Refusal):
        return found
    parts = parts_of(found, facts, shift)
    lines: list[Line] = []
    for row in parts.values():
        lines += _component_lines(facts, row, context, shift)
    energy = parts.get("ENERGY", ()) if begin < end else ()
    if not lines or (energy and sum(p.end - p.begin for p in energy) < end - begin):
        return Refusal(RefusalCode.TARIFF_NO_ELEMENT, {"tariff": facts.tariff_id})
    terms = next(iter(parts.values()))[0].price.version.terms
    refusal = _refused(facts, lines)
    if refusal is not None:
        return refusal
    lasting = tariffs.tariff.at(begin + shift) if tariffs.tariff else None
    return summed(adjusted(facts, lines, lasting, terms.currency, context), terms.currency, shift)


def _place(facts: UsageFacts) -> Place:
    kind = facts.kind
    source = SOC_DIFFERENCE if kind == SWAP else METER if facts.is_timed else EVENT
    return Place(
        facts.station_id, facts.pack_class, facts.zone_id, facts.group, facts.soc_bp, source
    )


def _component_lines(
    facts: UsageFacts, row: list[Part], context: RatingContext, shift: int
) -> list[Line]:
    """Make the lines of one component: one for each stretch of energy, or one for the event."""
    first = row[0].price
    component = first.component
    if component == "BOOKING" and not facts.booking_id:
        return []
    if first.per == "KWH":
        if not is_metered(facts, component):
            return []
        parts = row if len(row) == 1 else [part for part in row if part.price.per == "KWH"]
        formula = _energy_formula(facts)
    else:
        begin, end = facts.service_time
        count = count_of(facts, component, first.per)
        if count is None or row[0].begin != begin + shift:
            return []  # an event is priced by its begin, once, however many bands it crosses
        parts = [Part(first, row[0].begin, end + shift, count)]
        formula = FORMULA_EVENT
    if len(parts) == 1 and context is NOTHING_BEFORE and not _has_tier(first):
        # most lines: nothing to divide and nothing to cut
        part = parts[0]
        cut = Cut(part.quantity, billed_of(part.quantity, first), first.rate_micro, formula)
        return [_line(part, cut, shift)]
    cutter = Cutter(facts, context, component)
    return [
        _line(part, cut, shift)
        for part, quantity in zip(parts, billed_parts(parts), strict=True)
        for cut in cutter.cut(part, quantity, formula)
    ]


def _has_tier(price: Price) -> bool:
    return price.element is not None and price.element.tier is not None


def _energy_formula(facts: UsageFacts) -> str:
    if facts.kind == SWAP:
        return FORMULA_SWAP
    return FORMULA_INTERVALS if facts.intervals else FORMULA_SESSION


def _line(part: Part, cut: Cut, shift: int) -> Line:
    price = part.price
    element, version = price.element, price.version
    product, account = COMPONENTS[price.component]
    element_id = ""
    if element is not None:
        product = element.tax_product or product
        account = element.revenue_account or account
        element_id = element.element_id
    # Wh x micro per kWh = nano; whole units x micro = thousands of nano
    amount_nano = cut.billed * cut.rate_micro * (1 if price.per == "KWH" else 1000)
    terms = version.terms
    minor = nano_to_minor(amount_nano, terms.currency)
    return Line(  # by place, in the order of its fields: names take twice as long
        price.component,
        cut.quantity,
        UNITS[price.per],
        cut.rate_micro,
        amount_nano,
        minor,
        product,
        account,
        version.version,
        version.position,
        part.begin - shift,
        part.end - shift,
        cut.formula,
        billed_quantity=cut.billed if cut.billed != cut.quantity else None,
        element_id=element_id,
        tier=cut.tier,
        gross_minor=minor if terms.tax_included else None,
    )


def _refused(facts: UsageFacts, lines: list[Line]) -> Refusal | None:
    amounts = 0
    for line in lines:
        amounts += abs(line.amount_nano)
        if tax_rule(facts.country, line.tax_product, line.service_start_at) is None:
            return Refusal(
                RefusalCode.TAX_RULE_MISSING,
                {"country": facts.country, "product": line.tax_product},
            )
    energy_wh, counts = facts.energy_wh, _counts(facts)
    negative = energy_wh < 0 and facts.kind != SWAP
    if negative or min(counts) < 0:
        return Refusal(RefusalCode.QUANTITY_NEGATIVE, {"energy_wh": energy_wh})
    if abs(energy_wh) > (facts.capacity_wh or ENERGY_MAX_WH) or max(counts) > COUNT_MAX:
        return Refusal(RefusalCode.QUANTITY_LIMIT, {"energy_wh": energy_wh})
    if amounts > QUANTITY_MAX:
        return Refusal(RefusalCode.AMOUNT_LIMIT, {"lines": len(lines)})
    return None


def _counts(facts: UsageFacts) -> tuple[int, ...]:
    return (
        facts.late_s,
        facts.idle_s,
        facts.class_days,
        facts.extra_packs,
        facts.extra_pack_days,
        facts.damage_bp,
        facts.months,
    )


COUNT_MAX = 10**9
"""Limit of what fees count: seconds of thirty years, and more of anything else."""
