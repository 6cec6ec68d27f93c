"""Links to printable papers that a browser opens without signing in, good for ten minutes.

A link names one paper of one driver and is signed with the secret of the process. It is no
credential: it opens nothing else.
"""

from ledger.kernel.errors import NotFound
from ledger.kernel.instants import MINUTE
from partner_api.deps import Parts
from partner_api.driver.own import Own
from partner_api.problems import DoorProblem

LINK_US = 10 * MINUTE
LINK_CHARACTERS_MAX = 600
_FILTERS = "paper"


def paper_url(own: Own, kind: str, object_id: str, form: str) -> str:
    """Make the link of a paper of the driver who asks."""
    after = (own.driver_id, kind, object_id, form)
    text = own.parts.cursors.write(_FILTERS, 0, 0, after)
    return f"{own.parts.settings.public_url}/driver/v1/papers/{text}"


def read_link(parts: Parts, text: str) -> tuple[str, str, str, str]:
    """Read whose paper a link names, its kind, object and form.

    `NotFound` for one that is not ours or older than ten minutes.
    """
    try:
        place = parts.cursors.read(text, _FILTERS)
    except DoorProblem as error:
        raise NotFound("no such paper") from error
    if place.issued_at + LINK_US <= parts.clock.now():
        raise NotFound("the link has run out")
    driver_id, kind, object_id, form = map(str, place.after)
    return driver_id, kind, object_id, form
