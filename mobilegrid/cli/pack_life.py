"""`pack life`: the whole life of a pack in words, from its order to the recycler."""

from collections.abc import Callable, Iterable

import click
import msgspec

from ledger.domain.carrying import PackMoved
from ledger.domain.transitions import state_of
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Event
from ledger.runtime.reads import Entry, custody_of
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.params import known_at_option, valid_at_option
from mobilegrid.cli.wording import kind_words, percent, place_words, quantity_words, time_words

VALUE_MAX = 60
"""Longer values, such as public keys, are cut in the words; the entry has them whole."""


class Chapter(msgspec.Struct, frozen=True):
    """One entry of a life: where it stands, when it happened, its kind, and what it says."""

    position: int
    happened_at: str
    kind: str
    said: str


class Life(msgspec.Struct, frozen=True):
    """A life: state and place at its end, days from the first entry to the last, and chapters."""

    pack_id: str
    state: str
    held_by: str
    days: int
    chapters: list[Chapter]


def _get(event: Event, name: str) -> str:
    value = getattr(event, name, "")
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    said = str(value) if value else ""
    return said if len(said) <= VALUE_MAX else f"{said[:VALUE_MAX]}…"


def _listed(event: Event, names: Iterable[tuple[str, str]]) -> str:
    """Name the fields that are there: ``order TO-1, seal S-7``."""
    return ", ".join(f"{word} {_get(event, name)}" for name, word in names if _get(event, name))


def _bought(event: Event) -> str:
    named = (("po_no", "on"), ("line", "line"), ("pack_class", "class"))
    return f"ordered from the supplier: {_listed(event, named)}"


def _recycled(event: Event) -> str:
    grams = {
        name.removeprefix("recovered_").removesuffix("_g"): getattr(event, name)
        for name in event.__struct_fields__
        if name.startswith("recovered_") and getattr(event, name)
    }
    out = ", ".join(f"{material} {mass_g:,} g" for material, mass_g in grams.items())
    went_in = f"{getattr(event, 'mass_g', 0):,} g"
    return f"recycled: certificate {_get(event, 'certificate')}; of {went_in} recovered {out}"


def _repaired(event: Event) -> str:
    parts = getattr(event, "parts", ())
    changed = ", ".join(
        f"{part.code} {part.serial_old or '?'} -> {part.serial_new or '?'}" for part in parts
    )
    cost_minor, currency = getattr(event, "cost_minor", 0), _get(event, "currency")
    cost = f", {quantity_words(cost_minor, currency)}" if cost_minor else ""
    minutes = getattr(event, "labour_min", 0)
    return f"repaired: {changed or 'nothing changed'}; {minutes} minutes{cost}"


def _measured(event: Event) -> str:
    return f"health {percent(getattr(event, 'soh_bp', 0))} ({_get(event, 'method')})"


def _retired(event: Event) -> str:
    left = percent(getattr(event, "residual_soh_bp", 0))
    return f"retired from service: {_get(event, 'reason')}; health left {left}"


def _commissioned(event: Event) -> str:
    health = percent(getattr(event, "soh_bp", 0))
    return f"let into service: health {health}, title {_get(event, 'title_holder_id')}"


_WORDS: dict[str, Callable[[Event], str]] = {
    "pack_ordered": _bought,
    "pack_commissioned": _commissioned,
    "soh_assessed": _measured,
    "repair_recorded": _repaired,
    "pack_retired": _retired,
    "recycling_certified": _recycled,
}
_NAMED: tuple[tuple[str, str], ...] = (
    ("order_id", "on"),
    ("asn_no", "advice"),
    ("work_order_id", "work order"),
    ("contract_id", "contract"),
    ("claim_id", "claim"),
    ("case_id", "case"),
    ("seal_no", "seal"),
    ("carrier_id", "by"),
    ("waybill", "waybill"),
    ("mass_g", "grams"),
    ("outcome", ""),
    ("stage", "stage"),
    ("fault_codes", "faults"),
    ("findings", "found:"),
    ("verdict", ""),
    ("binding_type", "name"),
    ("value", ""),
    ("reason", "because:"),
)


def said(event: Event) -> str:
    """Say what an entry means for its pack, in one line."""
    words = _WORDS.get(event.kind)
    if words is not None:
        return words(event)
    begun, named = kind_words(event.kind), _NAMED
    if isinstance(event, PackMoved) and event.from_account != event.to_account:
        way = f"{place_words(event.from_account)} -> {place_words(event.to_account)}"
        begun = f"{begun}: {way}"
        # the account of a carrier or a case names it already
        named = tuple(one for one in named if _get(event, one[0]) not in way)
    more = " ".join(_listed(event, named).split())
    return f"{begun} ({more})" if more else begun


def life_of(entries: list[Entry], pack_id: str) -> Life:
    """Tell the life of a pack from the entries that name it, in the order they happened."""
    held_by = custody_of(entries, pack_id)
    chapters = [
        Chapter(
            one.envelope.position,
            time_words(one.envelope.valid_at),
            one.envelope.kind,
            said(one.event),
        )
        for one in entries
    ]
    span = entries[-1].envelope.valid_at - entries[0].envelope.valid_at
    state = state_of(held_by) if held_by else ""
    return Life(pack_id, state, held_by, span // DAY, chapters)


@click.command(cls=Command)
@click.argument("pack_id", metavar="PACK")
@valid_at_option
@known_at_option
@click.pass_obj
def life(app: App, pack_id: str, valid_at: int | None, known_at: int | None) -> None:
    """Tell the whole life of a pack, from its order to the recycler."""
    with wiring.reading(app.settings) as reads:
        entries = reads.pack_history(pack_id, reads.moment(valid_at, known_at))
    told = life_of(entries, pack_id) if entries else Life(pack_id, "", "", 0, [])
    rows = ((str(one.position), one.happened_at, one.said) for one in told.chapters)
    app.console.answer(
        told,
        table(f"The life of pack {pack_id}", ("Entry", "Happened", "What"), rows, right=(0,)),
        "",
        f"{len(told.chapters)} entries in {told.days} days. "
        f"At the end: {place_words(told.held_by) or 'nowhere yet'} ({told.state or 'not begun'}).",
    )
