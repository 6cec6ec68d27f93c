"""Secrets in files: read only when nobody else can, made so that nobody else can."""

import os
from pathlib import Path

from ledger.kernel.errors import Misconfigured, Unavailable

SECRET_BYTES_MAX = 4_096
_GROUP_OR_OTHERS = 0o077


def read_secret(path: Path, setting: str) -> str:
    """Read one line; `Misconfigured` when it is not there or others can read it."""
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & _GROUP_OR_OTHERS:
                raise Misconfigured(f"{setting} {path} can be read by others; chmod 600 it")
            text = file.read(SECRET_BYTES_MAX).decode().rstrip("\n")
    except OSError as error:
        raise Misconfigured(f"{setting} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{setting} {path} is no text") from error
    if not text or "\n" in text:
        raise Misconfigured(f"{setting} {path} holds one line")
    return text


def write_secret(path: Path, text: str) -> None:
    """Write one line to a new file, mode 600.

    Raises:
        Misconfigured: there is such a file already, or no such folder.
        Unavailable: it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except (FileExistsError, FileNotFoundError) as error:
        raise Misconfigured(f"{path}: {error.strerror}") from error
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
