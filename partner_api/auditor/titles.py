"""The title statement of the fleet: whose the packs are, where they are, what rests on them."""

from typing import Any

from litestar import MediaType, Response, get

from ledger.domain.parties import PARTIES
from ledger.kernel.errors import Malformed, NotFound
from ledger.runtime.reads import Moment
from ledger.runtime.titles import TitleStatement, statement_at
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.look import Asking, Look, known_id, looking


@get(
    "/title-statement",
    operation_id="fleet_title_statement",
    opt=asks(Action.READ_AUDIT, "as_of", "known_at", "holder"),
    sync_to_thread=True,
)
def fleet_title_statement(request: Asking) -> Response[TitleStatement]:
    """Give packs, places, leases, book value and liens by holder, at a moment of both times.

    The canonical bytes of the statement, covered by a checkpoint: the same moment gives the same
    bytes ever after. `holder` leaves the lines of one party, and the sums of the fleet.
    """
    with looking(request, "fleet_title_statement", heavy=True) as look:
        holder_id = look.text("holder")
        if holder_id and look.reads.row(PARTIES, known_id(holder_id)) is None:
            raise NotFound("no such party")
        moment = _moment(look)
        whole = statement_at(look.reads, moment)
        said = whole.of(holder_id) if holder_id else whole
        data: Any = said.encoded()
        look.leave_trace(len(said.holders) + len(said.liens))
        headers = {"Ledger-Position": str(moment.end - 1)}
        return Response(data, headers=headers, media_type=MediaType.JSON)


def _moment(look: Look) -> Moment:
    """Give the moment that is asked for, as far as it is signed; what has not come is refused."""
    moment = look.signed_moment()
    if "as_of" not in look.query:
        return moment
    as_of = look.instant("as_of", look.query["as_of"])
    if as_of > look.parts.clock.now():
        raise Malformed("a time that has come", field="as_of")
    return Moment(as_of, moment.end)


ROUTES = (fleet_title_statement,)
