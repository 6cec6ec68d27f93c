"""Keys of the log over time, and the ceremonies they came from.

What is told here is for readers of history: whom a verifier trusts stands in his own policy.
"""

from base64 import b64encode
from hashlib import sha256

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from ledger.domain.ceremonies import HELD_CEREMONIES, Ceremony
from ledger.domain.log_keys import LOG_KEYS, PURPOSES, LogKey
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import as_text
from ledger.store.queries import rows
from ledger.tlog.note import ED25519, VerifierKey, format_vkey
from partner_api.auth import Action
from partner_api.deps import asks
from partner_api.look import PAGE, Asking, Look, looking

_ALGORITHMS = {ED25519: "ed25519", 0x04: "ed25519 cosignature", 0x06: "ml-dsa-44 cosignature"}
_LOG_ID_CHARACTERS = 16


class Announced(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the log says of a key: how it stands now, and the entries that say so.

    `standing` is announced, in_force, retired or revoked. Of a revoked key the signatures under
    heads of up to `last_trusted_size` entries still count.
    """

    log_key_id: str
    label: str
    purpose: str
    standing: str
    not_before: str
    announced: int
    announced_at: str
    ceremony_id: str = ""
    retired: int = 0
    retired_at: str = ""
    revoked: int = 0
    revoked_at: str = ""
    last_trusted_size: int | None = None
    reason: str = ""


class KeyOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key of the log.

    `key_id` is in hex as it stands in signature lines; keys that sign no notes have the id of their
    announcement. `signs_now` says that heads are signed with it here and now.
    """

    key_id: str
    algorithm: str
    public_key_base64: str
    signs_now: bool
    name: str = ""
    vkey: str = ""
    announced: Announced | None = None


class KeysOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Keys of the log; those that sign here and were never announced come first."""

    items: list[KeyOut]
    next_cursor: str = ""


def _log_id(public_key: bytes) -> str:
    return sha256(public_key).hexdigest()[:_LOG_ID_CHARACTERS]


def _published(look: Look, key: VerifierKey) -> KeyOut:
    row = look.reads.row(LOG_KEYS, _log_id(key.public_key))
    return KeyOut(
        key.key_id.hex(),
        _ALGORITHMS[key.kind],
        b64encode(key.public_key).decode(),
        signs_now=True,
        name=key.name,
        vkey=format_vkey(key),
        announced=None if row is None else _announced(look, row),
    )


def _announced(look: Look, row: LogKey) -> Announced:
    return Announced(
        row.key_id,
        row.label,
        row.purpose,
        row.standing_at(look.parts.clock.now()),
        as_text(row.not_before),
        row.announced,
        as_text(row.announced_at),
        row.ceremony_id,
        row.retired,
        as_text(row.retired_at) if row.retired else "",
        row.revoked,
        as_text(row.revoked_at) if row.revoked else "",
        row.last_trusted_size if row.revoked else None,
        row.reason,
    )


def _kept(look: Look, row: LogKey) -> KeyOut:
    """Show an announced key; of one that signs here, with what this process knows of it."""
    for key in look.parts.published.keys:
        if _log_id(key.public_key) == row.key_id:
            return _published(look, key)
    name, _, rest = row.vkey.partition("+")
    return KeyOut(
        rest.partition("+")[0] or row.key_id,
        row.algorithm,
        row.public_key,
        signs_now=False,
        name=name,
        vkey=row.vkey,
        announced=_announced(look, row),
    )


@get("/keys", operation_id="list_keys", opt=asks(Action.READ_AUDIT, *PAGE), sync_to_thread=True)
def list_keys(request: Asking) -> Response[KeysOut]:
    """List the public keys of the log, past ones too, as they stand now."""
    with looking(request, "list_keys") as look:
        items: list[KeyOut] = []
        if not look.after:
            own = [_published(look, key) for key in look.parts.published.keys]
            items = [each for each in own if each.announced is None]
        after = str(look.after[0]) if look.after else ""
        found = rows.page(look.tx, look.log_id, LOG_KEYS, after=after, limit=look.limit)
        items += [_kept(look, row) for _, row in found]
        cursor = look.next_cursor(found, (found[-1][0],)) if found else ""
        return look.answer(KeysOut(items, cursor), len(items))


@get(
    "/keys/{key_id:str}",
    operation_id="read_key",
    opt=asks(Action.READ_AUDIT),
    sync_to_thread=True,
)
def read_key(request: Asking, key_id: FromPath[str]) -> Response[KeyOut]:
    """Give a public key by the id, in hex, of signature lines or of its announcement."""
    with looking(request, "read_key") as look:
        for key in look.parts.published.keys:
            if key_id in (key.key_id.hex(), _log_id(key.public_key)):
                return look.answer(_published(look, key))
        row = look.reads.row(LOG_KEYS, key_id) or _of_line(look, key_id)
        if row is None:
            raise NotFound("no such key")
        return look.answer(_kept(look, row))


def _of_line(look: Look, key_id: str) -> LogKey | None:
    """Find the announced key that signature lines name so; there are few of them."""
    for _, row in look.reads.rows(LOG_KEYS, listed=PURPOSES[0]):
        if row.vkey.split("+")[1] == key_id:
            return row
    return None


# Ceremonies -------------------------------------------------------------------


class CeremonyOut(msgspec.Struct, frozen=True):
    """A ceremony that was held, by the digests of what its officers signed."""

    ceremony: Ceremony
    began_at: str
    ended_at: str


class CeremoniesOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Ceremonies in the order of their ids."""

    items: list[CeremonyOut]
    next_cursor: str = ""


def _ceremony(held: Ceremony) -> CeremonyOut:
    return CeremonyOut(held, as_text(held.began_at), as_text(held.ended_at))


@get(
    "/ceremonies",
    operation_id="list_ceremonies",
    opt=asks(Action.READ_AUDIT, *PAGE),
    sync_to_thread=True,
)
def list_ceremonies(request: Asking) -> Response[CeremoniesOut]:
    """List the ceremonies that were held for keys of the log."""
    with looking(request, "list_ceremonies") as look:
        after = str(look.after[0]) if look.after else ""
        found = rows.page(look.tx, look.log_id, HELD_CEREMONIES, after=after, limit=look.limit)
        cursor = look.next_cursor(found, (found[-1][0],)) if found else ""
        items = [_ceremony(held) for _, held in found]
        return look.answer(CeremoniesOut(items, cursor), len(items))


@get(
    "/ceremonies/{ceremony_id:str}",
    operation_id="read_ceremony",
    opt=asks(Action.READ_AUDIT),
    sync_to_thread=True,
)
def read_ceremony(request: Asking, ceremony_id: FromPath[str]) -> Response[CeremonyOut]:
    """Give a ceremony that was held."""
    with looking(request, "read_ceremony") as look:
        held = look.reads.row(HELD_CEREMONIES, ceremony_id)
        if held is None:
            raise NotFound("no such ceremony")
        return look.answer(_ceremony(held))


ROUTES = (list_keys, read_key, list_ceremonies, read_ceremony)
