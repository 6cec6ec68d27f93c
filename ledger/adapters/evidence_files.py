"""Evidence in files: bytes by their digest, two levels of folders, written once and never changed.

::

    <folder>/ab/abcd...ef        the bytes whose SHA-256 is abcd...ef
"""

import os
import re
from pathlib import Path

from ledger.kernel.errors import NotFound, TamperEvidence
from ledger.runtime.metered import digest_of

_DIGEST = re.compile("[0-9a-f]{64}")


class EvidenceFiles:
    """A folder of evidence; many processes may write to it at once."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which is made when the first bytes come."""
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Keep bytes, on the disk before this returns; gives their digest."""
        digest = digest_of(data)
        path = self._path(digest)
        if path.exists():
            return digest
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        return digest

    def get(self, digest: str) -> bytes:
        """Give bytes back.

        Raises:
            NotFound: nothing was kept under this digest.
            TamperEvidence: what lies there has another digest.
        """
        path = self._path(digest) if _DIGEST.fullmatch(digest) else None
        if path is None or not path.is_file():
            raise NotFound(f"no evidence {digest[:64]}")
        data = path.read_bytes()
        if digest_of(data) != digest:
            raise TamperEvidence(f"evidence {digest} was changed")
        return data

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest
