"""Looking for bytes in files: what must be gone is not there, in any of them.

Reads each file in pieces that overlap, so that nothing hides across a border. A few needles are
searched one after the other; for many, every window of bytes is looked up in a table of their
beginnings.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ledger.kernel.errors import Malformed, Unavailable

PIECE_BYTES = 4 * 1024 * 1024
NEEDLE_BYTES_MIN = 8
"""Shorter ones would be found by chance."""

_FEW = 64


class Swept(msgspec.Struct, frozen=True):
    """What a sweep read and found: files, bytes, and (file name, needle) pairs."""

    files: int = 0
    bytes_read: int = 0
    found: tuple[tuple[str, bytes], ...] = ()


def files_below(places: Iterable[Path]) -> list[Path]:
    """List the files among the places and below the folders among them, each once, sorted."""
    found: set[Path] = set()
    for place in places:
        if place.is_dir():
            found.update(path for path in place.rglob("*") if path.is_file())
        elif place.is_file():
            found.add(place)
    return sorted(found)


def sweep(files: Sequence[Path], needles: Iterable[bytes]) -> Swept:
    """Search every byte of the files for the needles.

    Raises:
        Malformed: a needle is too short to mean anything.
        Unavailable: a file cannot be read, so nothing may be said about it.
    """
    wanted = sorted(set(needles))
    if any(len(needle) < NEEDLE_BYTES_MIN for needle in wanted):
        raise Malformed(f"a needle has at least {NEEDLE_BYTES_MIN} bytes", field="needles")
    total = 0
    hits: set[tuple[str, bytes]] = set()
    for path in files:
        try:
            size, found = _sweep_file(path, wanted)
        except FileNotFoundError:
            continue  # a log that SQLite took away, or an open tile that was replaced
        except OSError as error:
            raise Unavailable(f"cannot sweep {path.name}: {error.strerror}") from error
        total += size
        hits |= {(path.name, needle) for needle in found}
    return Swept(len(files), total, tuple(sorted(hits)))


def _sweep_file(path: Path, wanted: Sequence[bytes]) -> tuple[int, set[bytes]]:
    overlap = max(map(len, wanted), default=1) - 1
    heads: dict[bytes, list[bytes]] = defaultdict(list)
    for needle in wanted:
        heads[needle[:NEEDLE_BYTES_MIN]].append(needle)
    size = 0
    found: set[bytes] = set()
    kept = b""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            size += len(piece)
            data = kept + piece
            found |= _in(data, wanted) if len(wanted) <= _FEW else _among(data, heads)
            kept = data[-overlap:] if overlap else b""
    return size, found


def _in(data: bytes, wanted: Sequence[bytes]) -> set[bytes]:
    return {needle for needle in wanted if needle in data}


def _among(data: bytes, heads: dict[bytes, list[bytes]]) -> set[bytes]:
    width = NEEDLE_BYTES_MIN
    hits = [at for at in range(len(data) - width + 1) if data[at : at + width] in heads]
    return {
        needle
        for at in hits
        for needle in heads[data[at : at + width]]
        if data.startswith(needle, at)
    }
