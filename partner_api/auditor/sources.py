"""Sources of observations: what of their own count did not come, what their clocks are worth."""

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from msgspec.structs import replace

from ledger.domain.cases import CASES
from ledger.domain.sources import SOURCES, Boot, Sent
from ledger.domain.sourcing import gap_case
from ledger.domain.stations import STATIONS
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import SECOND, as_text
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.look import Asking, AsOf, Look, known_id, looking


class Gap(msgspec.Struct, frozen=True):
    """Counts of a boot that did not come, both ends inside."""

    boot: str
    from_seq: int
    to_seq: int


class BootOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """One life of a source: how far it counted, and how far its clock is ahead of ours (us).

    While anything of it is missing there is a case, open for `age_s`.
    """

    boot: str
    last_seq: int
    offset_us: int | None = None
    uncertainty_us: int | None = None
    case_id: str = ""
    opened_at: str = ""
    age_s: int | None = None


class GapsOut(msgspec.Struct, frozen=True):
    """What is missing of a station now, and the boots it is missing of, oldest first."""

    station_id: str
    boots: list[BootOut]
    items: list[Gap]
    as_of: AsOf


@get(
    "/sources/{station_id:str}/gaps",
    operation_id="source_gaps",
    opt=asks(Action.READ_AUDIT),
    sync_to_thread=True,
)
def source_gaps(request: Asking, station_id: FromPath[str]) -> Response[GapsOut]:
    """List what did not come of all that a station counted, as it stands now."""
    with looking(request, "source_gaps") as look:
        row = look.reads.row(SOURCES, known_id(station_id))
        if row is None and look.reads.row(STATIONS, station_id) is None:
            raise NotFound("no such source")
        boots = () if row is None else row.boots
        items = [Gap(boot.boot, *gap) for boot in boots for gap in boot.gaps]
        told = [_boot(look, station_id, boot) for boot in boots]
        return look.answer(GapsOut(station_id, told, items, look.as_of()), len(items))


def _boot(look: Look, source: str, boot: Boot) -> BootOut:
    said = BootOut(boot.boot, boot.last_seq)
    if boot.is_measured:
        said = replace(said, offset_us=boot.offset_us, uncertainty_us=boot.uncertainty_us)
    case = look.reads.row(CASES, gap_case(Sent(source, boot.boot), boot.gap_from))
    if not boot.gaps or case is None:
        return said
    age_s = (look.parts.clock.now() - case.opened_at) // SECOND
    return replace(said, case_id=case.case_id, opened_at=as_text(case.opened_at), age_s=age_s)


ROUTES = (source_gaps,)
