"""Signing in of drivers: passkeys, sessions on devices, credentials, slips that work once.

Operational rows, no evidence: they are changed and deleted, and a ledger restored without them
only makes drivers sign in again. Secrets never stand here, only their SHA-256; addresses only as
an HMAC. The caller hands in digests and times (us); nothing here looks at a clock.

A slip is something handed out that works once and for a short time: a sign-in that was begun, a
code sent by mail, a ticket that lets a passkey be made, a code that ends a sign-in.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from ledger.store.tables import (
    passkey,
    sign_in_address,
    sign_in_credential,
    sign_in_session,
    sign_in_slip,
)

ACCESS, REFRESH = "access", "refresh"

T = TypeVar("T", bound=msgspec.Struct)


class PasskeyRow(msgspec.Struct, frozen=True):
    """A passkey of a driver: its public key in COSE, how often it signed, when it was last used."""

    credential_id: bytes
    passkey_id: str
    driver_id: str
    public_key: bytes
    sign_count: int
    label: str
    made_at: int
    used_at: int


class SessionRow(msgspec.Struct, frozen=True):
    """A driver signed in on a device; `cookie` is the SHA-256 of the browser's, or empty.

    All that was handed out for this device ends with this row.
    """

    session_id: str
    driver_id: str
    cookie: bytes
    label: str
    made_at: int
    seen_at: int
    ends_at: int
    step_up_until: int = 0


class CredentialRow(msgspec.Struct, frozen=True):
    """A bearer credential of a session; a refresh that was used once has `used_at`."""

    digest: bytes
    session_id: str
    kind: str
    ends_at: int
    used_at: int = 0


class SlipRow(msgspec.Struct, frozen=True):
    """A slip by the digest of its secret; `body` is JSON of whoever made it."""

    digest: bytes
    kind: str
    driver_id: str
    ends_at: int
    body: bytes = b"{}"


# Passkeys ---------------------------------------------------------------------


def put_passkey(tx: sa.Connection, log_id: int, row: PasskeyRow) -> None:
    """Keep a new passkey."""
    tx.execute(sa.insert(passkey).values(log_id=log_id, **msgspec.structs.asdict(row)))


def find_passkey(tx: sa.Connection, log_id: int, credential_id: bytes) -> PasskeyRow | None:
    """Find a passkey by the id its authenticator gave it."""
    return _row(tx, log_id, PasskeyRow, passkey.c.credential_id == credential_id)


def passkeys_of(tx: sa.Connection, log_id: int, driver_id: str) -> list[PasskeyRow]:
    """List the passkeys of a driver, the oldest first."""
    columns = passkey.c
    ordered = (columns.made_at, columns.passkey_id)
    return _rows(tx, log_id, PasskeyRow, columns.driver_id == driver_id, ordered)


def use_passkey(tx: sa.Connection, log_id: int, row: PasskeyRow, sign_count: int, at: int) -> bool:
    """Move the counter of a passkey on; False when another use moved it meanwhile."""
    changed = tx.execute(
        sa.update(passkey)
        .where(
            passkey.c.log_id == log_id,
            passkey.c.credential_id == row.credential_id,
            passkey.c.sign_count == row.sign_count,
        )
        .values(sign_count=sign_count, used_at=at)
    )
    return changed.rowcount == 1


def remove_passkey(tx: sa.Connection, log_id: int, passkey_id: str) -> None:
    """Forget a passkey."""
    columns = passkey.c
    tx.execute(sa.delete(passkey).where(columns.log_id == log_id, columns.passkey_id == passkey_id))


# Sessions ---------------------------------------------------------------------


def put_session(tx: sa.Connection, log_id: int, row: SessionRow) -> None:
    """Keep a new session."""
    tx.execute(sa.insert(sign_in_session).values(log_id=log_id, **msgspec.structs.asdict(row)))


def find_session(tx: sa.Connection, log_id: int, session_id: str) -> SessionRow | None:
    """Find a session by its id."""
    return _row(tx, log_id, SessionRow, sign_in_session.c.session_id == session_id)


def session_of_cookie(tx: sa.Connection, log_id: int, cookie: bytes) -> SessionRow | None:
    """Find the session of a browser by the digest of its cookie."""
    return _row(tx, log_id, SessionRow, sign_in_session.c.cookie == cookie)


def sessions_of(tx: sa.Connection, log_id: int, driver_id: str) -> list[SessionRow]:
    """List the sessions of a driver, the newest first."""
    columns = sign_in_session.c
    ordered = (columns.made_at.desc(), columns.session_id)
    return _rows(tx, log_id, SessionRow, columns.driver_id == driver_id, ordered)


def touch_session(
    tx: sa.Connection, log_id: int, session_id: str, *, seen_at: int, step_up_until: int
) -> None:
    """Say when a session was last seen, and until when its driver has just proved himself."""
    columns = sign_in_session.c
    tx.execute(
        sa.update(sign_in_session)
        .where(columns.log_id == log_id, columns.session_id == session_id)
        .values(seen_at=seen_at, step_up_until=step_up_until)
    )


def end_session(tx: sa.Connection, log_id: int, session_id: str) -> None:
    """End a session with all that was handed out for it."""
    for table in (sign_in_credential, sign_in_session):
        columns = table.c
        tx.execute(
            sa.delete(table).where(columns.log_id == log_id, columns.session_id == session_id)
        )


# Credentials ------------------------------------------------------------------


def put_credential(tx: sa.Connection, log_id: int, row: CredentialRow) -> None:
    """Keep a new credential."""
    tx.execute(sa.insert(sign_in_credential).values(log_id=log_id, **msgspec.structs.asdict(row)))


def find_credential(tx: sa.Connection, log_id: int, digest: bytes) -> CredentialRow | None:
    """Find a credential by its digest."""
    return _row(tx, log_id, CredentialRow, sign_in_credential.c.digest == digest)


def use_credential(tx: sa.Connection, log_id: int, digest: bytes, at: int) -> bool:
    """Mark a credential as used; False when it was used before."""
    columns = sign_in_credential.c
    changed = tx.execute(
        sa.update(sign_in_credential)
        .where(columns.log_id == log_id, columns.digest == digest, columns.used_at == 0)
        .values(used_at=at)
    )
    return changed.rowcount == 1


# Slips ------------------------------------------------------------------------


def put_slip(tx: sa.Connection, log_id: int, row: SlipRow) -> None:
    """Keep a slip, or its next state."""
    columns = sign_in_slip.c
    tx.execute(
        sa.delete(sign_in_slip).where(columns.log_id == log_id, columns.digest == row.digest)
    )
    tx.execute(sa.insert(sign_in_slip).values(log_id=log_id, **msgspec.structs.asdict(row)))


def find_slip(tx: sa.Connection, log_id: int, kind: str, digest: bytes) -> SlipRow | None:
    """Find a slip of a kind by its digest, and leave it there."""
    columns = sign_in_slip.c
    return _row(tx, log_id, SlipRow, sa.and_(columns.digest == digest, columns.kind == kind))


def take_slip(tx: sa.Connection, log_id: int, kind: str, digest: bytes) -> SlipRow | None:
    """Take a slip away: of two who come with the same one, only one gets it."""
    columns = sign_in_slip.c
    row = tx.execute(
        sa.delete(sign_in_slip)
        .where(columns.log_id == log_id, columns.digest == digest, columns.kind == kind)
        .returning(*(columns[name] for name in SlipRow.__struct_fields__))
    ).first()
    return None if row is None else SlipRow(*row)


def slips_of(tx: sa.Connection, log_id: int, kind: str, driver_id: str) -> list[SlipRow]:
    """List the slips of a kind that a driver has."""
    columns = sign_in_slip.c
    found = sa.and_(columns.driver_id == driver_id, columns.kind == kind)
    return _rows(tx, log_id, SlipRow, found, (columns.ends_at, columns.digest))


# Addresses --------------------------------------------------------------------


def put_address(tx: sa.Connection, log_id: int, digest: bytes, driver_id: str) -> None:
    """Say whose address it is; the newest holder counts."""
    columns = sign_in_address.c
    tx.execute(sa.delete(sign_in_address).where(columns.log_id == log_id, columns.digest == digest))
    tx.execute(sa.insert(sign_in_address).values(log_id=log_id, digest=digest, driver_id=driver_id))


def driver_at(tx: sa.Connection, log_id: int, digest: bytes) -> str:
    """Give the driver of an address, "" for nobody's."""
    columns = sign_in_address.c
    found = sa.select(columns.driver_id).where(columns.log_id == log_id, columns.digest == digest)
    return tx.scalar(found) or ""


# Ends -------------------------------------------------------------------------


def prune(tx: sa.Connection, log_id: int, now: int, *, idle_before: int) -> int:
    """Remove what has ended, and sessions not seen after `idle_before`; give how many rows."""
    columns = sign_in_session.c
    ended = sa.or_(columns.ends_at <= now, columns.seen_at <= idle_before)
    gone = tx.execute(sa.delete(sign_in_session).where(columns.log_id == log_id, ended)).rowcount
    left = sa.select(columns.session_id).where(columns.log_id == log_id)
    mine = sign_in_credential.c
    over = sa.or_(mine.ends_at <= now, mine.session_id.not_in(left))
    gone += tx.execute(sa.delete(sign_in_credential).where(mine.log_id == log_id, over)).rowcount
    slips = sign_in_slip.c
    over = slips.ends_at <= now
    gone += tx.execute(sa.delete(sign_in_slip).where(slips.log_id == log_id, over)).rowcount
    return gone


def forget(tx: sa.Connection, log_id: int, driver_id: str) -> None:
    """Remove all that a driver signs in with: he is erased."""
    for row in sessions_of(tx, log_id, driver_id):
        end_session(tx, log_id, row.session_id)
    for table in (passkey, sign_in_slip, sign_in_address):
        columns = table.c
        tx.execute(sa.delete(table).where(columns.log_id == log_id, columns.driver_id == driver_id))


def _rows(
    tx: sa.Connection,
    log_id: int,
    kind: type[T],
    found: sa.ColumnElement[bool],
    ordered: Sequence[sa.ColumnElement[Any]] = (),
) -> list[T]:
    """Read rows of a table into the struct that mirrors its columns."""
    table = _TABLES[kind]
    columns = [table.c[name] for name in kind.__struct_fields__]
    chosen = sa.select(*columns).where(table.c.log_id == log_id, found).order_by(*ordered)
    return [kind(*row) for row in tx.execute(chosen)]


def _row(tx: sa.Connection, log_id: int, kind: type[T], found: sa.ColumnElement[bool]) -> T | None:
    rows = _rows(tx, log_id, kind, found)
    return rows[0] if rows else None


_TABLES: dict[type[msgspec.Struct], sa.Table] = {
    PasskeyRow: passkey,
    SessionRow: sign_in_session,
    CredentialRow: sign_in_credential,
    SlipRow: sign_in_slip,
}
