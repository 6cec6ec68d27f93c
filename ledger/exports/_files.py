"""Files that appear whole: written aside in a hidden folder, moved into place at the end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory

from ledger.kernel.errors import Unavailable


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give a hidden folder inside `folder` (made when absent) that is gone when the block ends.

    Raises `Unavailable` for whatever the file system does not let us do inside the block.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".export-", dir=folder) as stage:
            yield Path(stage)
    except OSError as error:
        raise Unavailable(f"cannot write the export: {error.strerror}") from error


def publish(stage: Path, folder: Path, names: Sequence[str]) -> None:
    """Move finished files into place, the last name last: it is the one that vouches for the rest.

    An older file of that name goes first, so that it never vouches for newer files.
    """
    (folder / names[-1]).unlink(missing_ok=True)
    for name in names:
        (stage / name).replace(folder / name)


def sha256_of(path: Path) -> str:
    """Hash a file, in hex, with bounded memory."""
    with path.open("rb") as handle:
        return file_digest(handle, "sha256").hexdigest()
