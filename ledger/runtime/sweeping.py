"""Looking for bytes in files: what must be gone is not there, in any of them.

Reads each file in pieces that overlap, so that nothing hides across a border. A few needles are
searched one after the other; for many, runs of bytes are looked up in a table of the runs that the
needles begin with.
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
_GRAM, _STRIDE = 4, 5  # together NEEDLE_BYTES_MIN + 1


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
    grams = _grams(wanted) if len(wanted) > _FEW else {}
    size = 0
    found: set[bytes] = set()
    kept = b""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            size += len(piece)
            data = kept + piece
            found |= _among(data, grams) if grams else _in(data, wanted)
            kept = data[-overlap:] if overlap else b""
    return size, found


def _in(data: bytes, wanted: Sequence[bytes]) -> set[bytes]:
    return {needle for needle in wanted if needle in data}


def _grams(wanted: Sequence[bytes]) -> dict[bytes, list[tuple[int, bytes]]]:
    """List the needles, with the place in each, by the first few of their runs of 4 bytes."""
    grams: dict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
    for needle in wanted:
        for place in range(_STRIDE):
            grams[needle[place : place + _GRAM]].append((place, needle))
    return grams


def _among(data: bytes, grams: dict[bytes, list[tuple[int, bytes]]]) -> set[bytes]:
    """Look up every fifth run of 4 bytes: a needle of 8 bytes holds one of them whole."""
    hits = [at for at in range(0, len(data) - _GRAM + 1, _STRIDE) if data[at : at + _GRAM] in grams]
    return {
        needle
        for at in hits
        for place, needle in grams[data[at : at + _GRAM]]
        if place <= at and data.startswith(needle, at - place)
    }
