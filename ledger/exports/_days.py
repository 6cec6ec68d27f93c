"""Text ordered by day with bounded memory: one temporary file per day."""

import shutil
from pathlib import Path
from typing import BinaryIO

HELD_CHARACTERS = 1 << 24
"""Text held in memory before it goes to the files: 16 MiB, as everything here is ASCII."""


class Days:
    """Gathers pieces of text under a day each; within a day they keep the order of arrival.

    Nothing is sorted: entries arrive by position, so a day's file is in order as it grows.
    """

    def __init__(self, folder: Path, held_max: int = HELD_CHARACTERS) -> None:
        """Keep the files in an existing, empty `folder`."""
        self._folder = folder
        self._held_max = held_max
        self._held: dict[str, list[str]] = {}
        self._size = 0

    def add(self, day: str, text: str) -> None:
        """Append to a day, ``YYYY-MM-DD``."""
        self._held.setdefault(day, []).append(text)
        self._size += len(text)
        if self._size > self._held_max:
            self._spill()

    def write_to(self, target: BinaryIO) -> None:
        """Write everything, day after day."""
        self._spill()
        for path in sorted(self._folder.iterdir()):
            with path.open("rb") as source:
                shutil.copyfileobj(source, target)

    def _spill(self) -> None:
        for day, pieces in self._held.items():
            with (self._folder / day).open("ab") as file:
                file.write("".join(pieces).encode("ascii"))
        self._held.clear()
        self._size = 0
