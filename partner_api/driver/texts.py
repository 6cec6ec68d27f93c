"""What drivers write and send: kept sealed, under names that belong to the request that brought it.

Asked again under the same Idempotency-Key, the same text has the same commitment, so the command is
the same command; another text under the key is refused like another body.
"""

from collections.abc import Mapping

from litestar.concurrency import sync_to_thread

from ledger.kernel.errors import Conflict, Unavailable
from ledger.runtime.personal_texts import PersonalTexts
from partner_api.deps import EvidenceStore, parts_of
from partner_api.problems import DoorProblem
from partner_api.writing import HttpRequest, principal_of


def texts_of(request: HttpRequest) -> PersonalTexts:
    """Give what keeps texts; `Unavailable` where this process has no vault."""
    texts = parts_of(request).texts
    if texts is None:
        raise Unavailable("nothing personal can be kept here")
    return texts


def evidence_of(request: HttpRequest) -> EvidenceStore:
    """Give what keeps files; `Unavailable` where this process has no place for them."""
    evidence = parts_of(request).evidence
    if evidence is None:
        raise Unavailable("no files are kept here")
    return evidence


async def sealed(request: HttpRequest, values: Mapping[str, object]) -> dict[str, bytes]:
    """Keep texts of the driver who asks, once; give their commitments."""
    texts, driver_id = texts_of(request), principal_of(request).id
    try:
        return await sync_to_thread(texts.keep_once, driver_id, values)
    except Conflict as error:
        raise DoorProblem("idempotency_key_reused") from error
