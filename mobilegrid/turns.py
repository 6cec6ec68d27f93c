"""Taking turns: one process on this machine at a time, by a lock that no crash leaves behind."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.kernel.errors import Unavailable


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the turn of a folder; waits for it. Nothing is written there.

    Raises:
        Unavailable: the folder cannot be opened.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise Unavailable(f"the signer's folder {folder}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
