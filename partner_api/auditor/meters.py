"""Meters: what their registers show, and whether what they signed follows on without a gap."""

from collections.abc import Iterable, Iterator

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from ledger.domain.charging import ChargeSessionEnded
from ledger.domain.meter_keys import GATEWAY_PAGES, SIGNED_METERS, SignedMeter
from ledger.domain.stations import METERS, Meter
from ledger.domain.world import key_of
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import as_text
from ledger.kernel.signed_facts import MeterEvidence
from ledger.runtime.reads import decode
from ledger.store.queries import audit, rows
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.look import PAGE, Asking, AsOf, Look, known_id, looking

ENDED = ChargeSessionEnded.kind
_AT_ONCE = 500


class MeterOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A meter: its unsigned registers in Wh, and, where it signs, its plate, keys and readings."""

    meter: Meter
    signed: SignedMeter | None = None


class MetersOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Meters in the order of their ids, as they stand now."""

    items: list[MeterOut]
    as_of: AsOf
    next_cursor: str = ""


@get(
    "/meters",
    operation_id="list_meters",
    opt=asks(Action.READ_AUDIT, "station", *PAGE),
    sync_to_thread=True,
)
def list_meters(request: Asking) -> Response[MetersOut]:
    """List the meters, all or those of a station."""
    with looking(request, "list_meters") as look:
        station_id = look.text("station")
        found = rows.page(
            look.tx,
            look.log_id,
            METERS,
            listed=known_id(station_id) if station_id else None,
            after=str(look.after[0]) if look.after else "",
            limit=look.limit,
        )
        items = [MeterOut(meter, look.reads.row(SIGNED_METERS, key)) for key, meter in found]
        cursor = look.next_cursor(found, (found[-1][0],)) if found else ""
        return look.answer(MetersOut(items, look.as_of(), cursor), len(items))


# Continuity -------------------------------------------------------------------


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """An ended session of a meter, and how its registers follow on those of the session before.

    Readings in Wh. A step is what a register went on between both sessions: 0 is continuous, above
    0 was told by no session, below 0 was told twice; absent where one of the readings is not known.
    """

    position: int
    session_id: str
    valid_at: str
    import_end_wh: int | None = None
    export_end_wh: int | None = None
    import_step_wh: int | None = None
    export_step_wh: int | None = None
    evidence: MeterEvidence | None = None


class PageSpan(msgspec.Struct, frozen=True):
    """Pages of a gateway that never came, `first` to `last`."""

    gateway: str
    page_kind: str
    first: int
    last: int


class PaginationOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the registers and pages of a meter follow each other in a range of the log.

    `is_continuous` is about the whole range. `missing` is what the gateways that sent pages of
    this meter still owe, as it stands now; a gateway may count the pages of several meters.
    """

    meter_id: str
    is_continuous: bool
    items: list[Step]
    missing: list[PageSpan]
    as_of: AsOf
    next_cursor: str = ""


@get(
    "/meters/{meter_id:str}/pagination",
    operation_id="meter_pagination",
    opt=asks(Action.READ_AUDIT, "first", "end", *PAGE),
    sync_to_thread=True,
)
def meter_pagination(request: Asking, meter_id: FromPath[str]) -> Response[PaginationOut]:
    """Follow the registers and signed pages of a meter through a range of the log."""
    with looking(request, "meter_pagination", heavy=True) as look:
        if look.reads.row(METERS, known_id(meter_id)) is None:
            raise NotFound("no such meter")
        steps = _steps(_ended(look, meter_id))
        after = int(look.after[0]) if look.after else -1
        chosen = [step for step in steps if step.position > after][: look.limit]
        answer = PaginationOut(
            meter_id,
            not any(step.import_step_wh or step.export_step_wh for step in steps),
            chosen,
            _missing(look, steps),
            look.as_of(),
            look.next_cursor(chosen, (chosen[-1].position,) if chosen else ()),
        )
        return look.answer(answer, len(chosen))


def _ended(look: Look, meter_id: str) -> Iterator[tuple[int, int, ChargeSessionEnded]]:
    """Yield (position, valid time, event) of the sessions of a meter that ended in the range."""
    first, end = look.span()
    named = f'"meter_id":"{meter_id}"'.encode()
    while found := audit.of_kind(look.tx, look.log_id, ENDED, (first, end), _AT_ONCE):
        for position, data in found:
            if named in data:
                entry = decode(data)
                event = entry.event
                if isinstance(event, ChargeSessionEnded) and event.meter_id == meter_id:
                    yield position, entry.envelope.valid_at, event
        first = found[-1][0] + 1


def _steps(ended: Iterable[tuple[int, int, ChargeSessionEnded]]) -> list[Step]:
    steps: list[Step] = []
    import_wh: int | None = None
    export_wh: int | None = None
    # as it happened: a late report stands between those it lies between
    for position, valid_at, event in sorted(ended, key=lambda each: (each[1], each[0])):
        steps.append(
            Step(
                position,
                event.session_id,
                as_text(valid_at),
                event.register_import_end_wh,
                event.register_export_end_wh,
                _step(import_wh, event.register_import_end_wh, event.energy_in_wh),
                _step(export_wh, event.register_export_end_wh, event.energy_out_wh),
                event.meter_evidence,
            )
        )
        import_wh, export_wh = event.register_import_end_wh, event.register_export_end_wh
    return sorted(steps, key=lambda step: step.position)


def _step(before_wh: int | None, end_wh: int | None, counted_wh: int) -> int | None:
    return None if before_wh is None or end_wh is None else end_wh - counted_wh - before_wh


def _missing(look: Look, steps: list[Step]) -> list[PageSpan]:
    sources = {
        (step.evidence.gateway, step.evidence.page_kind)
        for step in steps
        if step.evidence is not None and step.evidence.gateway
    }
    found: list[PageSpan] = []
    for gateway, kind in sorted(sources):
        pages = look.reads.row(GATEWAY_PAGES, key_of(gateway, kind))
        if pages is not None:
            found += [PageSpan(gateway, kind, *gap) for gap in pages.gaps]
    return found


ROUTES = (list_meters, meter_pagination)
