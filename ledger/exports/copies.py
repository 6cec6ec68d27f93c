"""A log's copy in a folder, read again: the signed head, and entries out of their bundles."""

from collections.abc import Iterator
from pathlib import Path

from ledger.exports.log import CHECKPOINT, read_file
from ledger.kernel.errors import Malformed, NotFound, TamperEvidence, Unavailable
from ledger.tlog.note import NOTE_BYTES_MAX
from ledger.tlog.tiles import ENTRIES, TILE_WIDTH, Tile, decode_entries


def copied_note(directory: Path) -> bytes:
    """Read the checkpoint of a copy as it stands there; nothing is checked.

    Raises:
        NotFound: there is no copy in the folder.
        Unavailable: it cannot be read.
    """
    try:
        with (directory / CHECKPOINT).open("rb") as file:
            return file.read(NOTE_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"there is no {CHECKPOINT} in {directory}") from error
    except OSError as error:
        raise Unavailable(f"cannot read the copy: {error.strerror}") from error


def copied_entries(directory: Path, size: int, first: int, end: int) -> Iterator[bytes]:
    """Yield the entries [first, end) of a copy whose checkpoint has `size` entries.

    Raises:
        TamperEvidence: a bundle is missing, or holds other than it must.
        Unavailable: one cannot be read.
    """
    for number in range(first // TILE_WIDTH, -(-end // TILE_WIDTH)):
        start = number * TILE_WIDTH
        bundle = Tile(ENTRIES, number, min(TILE_WIDTH, size - start))
        try:
            entries = decode_entries(read_file(directory, bundle))
        except Malformed as error:
            raise TamperEvidence(f"{bundle.path} of the copy: {error.rule}") from error
        if len(entries) != bundle.width:
            raise TamperEvidence(f"{bundle.path} of the copy has {len(entries)} entries")
        yield from entries[max(first - start, 0) : end - start]
