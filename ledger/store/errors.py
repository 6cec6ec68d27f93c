"""The one place where the drivers' failures become ours."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from ledger.kernel.errors import InvariantBroken, TamperEvidence, Unavailable

_SQLITE_BROKEN = (sqlite3.SQLITE_ERROR, None)
"""Of the codes SQLite files under OperationalError those that no waiting mends: a table is gone, a
sum overflows; no code at all: text that is none."""


def _family(name: str) -> tuple[type[Exception], ...]:
    """Give the driver errors of one DB-API name; psycopg counts only where it is in use."""
    homes = (sa.exc, sqlite3, sys.modules.get("psycopg"))
    return tuple(getattr(home, name) for home in homes if home is not None)


@contextmanager
def translated() -> Iterator[None]:
    """Turn driver errors into our tree.

    Away, busy or full is `Unavailable`: nothing was written, try again. A guard or a key that
    refused a row of ours is `InvariantBroken`. A file that is no database, or not as we made it, is
    `TamperEvidence`.
    """
    away: tuple[type[Exception], ...] = (
        *_family("OperationalError"),
        *_family("InterfaceError"),
        sa.exc.TimeoutError,
    )
    unreadable: tuple[type[Exception], ...] = (*_family("DatabaseError"), UnicodeDecodeError)
    try:
        yield
    except away as error:
        if _is_broken(error):
            raise TamperEvidence(f"the database cannot be read: {_reason(error)}") from error
        raise Unavailable(f"the database is away, full or busy: {_reason(error)}") from error
    except _family("IntegrityError") as error:
        raise InvariantBroken(f"the database refused a row: {_reason(error)}") from error
    except unreadable as error:
        raise TamperEvidence(f"the database cannot be read: {_reason(error)}") from error


def _is_broken(error: Exception) -> bool:
    cause = getattr(error, "orig", None) or error
    return (
        isinstance(cause, sqlite3.OperationalError)
        and getattr(cause, "sqlite_errorcode", None) in _SQLITE_BROKEN
    )


def _reason(error: Exception) -> str:
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
