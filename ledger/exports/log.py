"""The log as a directory of files that any tile reader understands (C2SP tlog-tiles).

::

    checkpoint               the signed note; written last, so that all it speaks of is there
    tile/0/000               hash tiles, level by level; `.p/<width>` for the open ones
    tile/entries/000         entry bundles

A directory that already holds an older state of the same log is carried on from there. Tiles never
change: one that differs is evidence, never overwritten. Open tiles that a wider one replaces are
removed once the new checkpoint stands. Every file appears whole, under a temporary name first.
Nothing is forced to the disk, for the ledger can always write the directory again; one process at
a time may write to it.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from ledger.kernel.errors import CheckpointInvalid, Misconfigured, TamperEvidence, Unavailable
from ledger.kernel.hashing import EMPTY_ROOT, HASH_BYTES, leaf_hash
from ledger.tlog.checkpoint import Checkpoint, parse_checkpoint
from ledger.tlog.note import parse_note
from ledger.tlog.tiles import (
    ENTRIES,
    TILE_WIDTH,
    ReadTile,
    Tile,
    TileBuilder,
    TileData,
    encode_entries,
    tile_width,
)

CHECKPOINT = "checkpoint"
FILE_MODE = 0o644

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (entries done, entries in all)."""


class LogSource(Protocol):
    """One signed state of a log, and the entries below it; it must not grow while it is read."""

    @property
    def size(self) -> int:
        """Entries under the checkpoint."""

    @property
    def root(self) -> bytes:
        """The root of that many entries."""

    @property
    def checkpoint(self) -> bytes:
        """The signed note over that size and root."""

    def entries(self, first: int, end: int) -> Iterable[bytes]:
        """Give the bytes of the entries [first, end), in order; called once, read as a stream."""


class Exported(msgspec.Struct, frozen=True):
    """What an export did: the size now, the size the directory had, the files it wrote."""

    size: int
    size_before: int
    files_written: int


def export_log(
    source: LogSource,
    directory: Path,
    *,
    progress: Progress = lambda _done, _total: None,
    recheck: bool = False,
) -> Exported:
    """Write a log into a directory, or carry on one that is there; answer when all is written.

    Carrying on compares the checkpoint in the directory, and every file it needs or meets, with
    the source. Memory for one bundle of 256 entries and one tile of each level.

    When it fails, the checkpoint and every file it speaks of stand as they were; newer tiles may
    lie beside them.

    Args:
        source: what to write.
        directory: made when absent.
        progress: called after each bundle of 256 entries.
        recheck: read all entries again and compare every file that is already there.

    Raises:
        TamperEvidence: the directory and the source disagree on any byte of history.
        CheckpointInvalid: the source's checkpoint is for another size or root.
        Misconfigured: the directory holds another log.
        Malformed: the checkpoint in the directory does not parse.
        Unavailable: the directory cannot be read or written, for example because it is full.
    """
    said = parse_checkpoint(parse_note(source.checkpoint).text)
    if (said.size, said.root) != (source.size, source.root):
        raise CheckpointInvalid("the checkpoint to export is not for this size and root")
    try:
        return _Export(source, directory, progress).run(said, recheck=recheck)
    except OSError as error:
        raise Unavailable(f"cannot write the exported log: {error.strerror}") from error


def directory_reader(directory: Path, size: int) -> ReadTile:
    """Read the hash tiles of an exported log whose checkpoint has `size` entries.

    The reader raises as `read_file`.
    """

    def read(level: int, number: int, _width: int) -> bytes:
        return read_file(directory, Tile(level, number, tile_width(size, level, number)))

    return read


def read_file(directory: Path, tile: Tile) -> bytes:
    """Read one tile or entry bundle of an exported log.

    Raises:
        TamperEvidence: it is missing.
        Unavailable: it cannot be read.
    """
    try:
        return (directory / tile.path).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TamperEvidence(f"{tile.path} is missing") from error
    except OSError as error:
        raise Unavailable(f"cannot read {tile.path}: {error.strerror}") from error


class _Export:
    """One run: what it reads and writes, and the open tiles it must keep."""

    def __init__(self, source: LogSource, directory: Path, progress: Progress) -> None:
        self.source = source
        self.directory = directory
        self.progress = progress
        self.files_written = 0
        self.open_paths: set[str] = set()

    def run(self, said: Checkpoint, *, recheck: bool) -> Exported:
        before = self._state_before(said)
        builder = self._restore(0 if recheck else before.size)
        entries = iter(self.source.entries(builder.size, said.size))
        _compare_before(builder, (), before)
        while builder.size < said.size:
            bundle = list(islice(entries, TILE_WIDTH))
            if len(bundle) != min(TILE_WIDTH, said.size - builder.size):
                raise TamperEvidence(f"entries are missing from {builder.size + len(bundle)} on")
            builder = self._one_bundle(builder, bundle, before)
            self.progress(builder.size, said.size)
        self._write_tiles(builder.partial_tiles())
        if builder.frontier().root() != said.root:
            raise TamperEvidence("the entries lead to another root than the checkpoint")
        self._replace(self.directory / CHECKPOINT, self.source.checkpoint)
        self._sweep()
        return Exported(said.size, before.size, self.files_written)

    def _state_before(self, said: Checkpoint) -> Checkpoint:
        """Read the checkpoint the directory has; it is only a claim, compared later."""
        path = self.directory / CHECKPOINT
        if not path.exists():
            return Checkpoint(said.origin, 0, EMPTY_ROOT)
        before = parse_checkpoint(parse_note(path.read_bytes()).text)
        if before.origin != said.origin:
            raise Misconfigured(f"the directory holds the log {before.origin}")
        if before.size > said.size:
            raise TamperEvidence(f"the directory holds {before.size} entries, we {said.size}")
        return before

    def _restore(self, size: int) -> TileBuilder:
        """Build the open tiles as they were at the last full bundle of `size` entries."""
        return TileBuilder.restore(
            size - size % TILE_WIDTH,
            lambda level, number: read_file(self.directory, Tile(level, number, TILE_WIDTH)),
            lambda _first, _end: (),
        )

    def _one_bundle(
        self, builder: TileBuilder, bundle: list[bytes], before: Checkpoint
    ) -> TileBuilder:
        """Write the next bundle and the tiles it completes."""
        number = builder.size // TILE_WIDTH
        leaves = [leaf_hash(entry) for entry in bundle]
        _compare_before(builder, leaves, before)
        builder, done = builder.extend(leaves)
        self._write(Tile(ENTRIES, number, len(bundle)), encode_entries(bundle))
        self._write_tiles(done)
        return builder

    def _write_tiles(self, tiles: Iterable[TileData]) -> None:
        for level, number, data in tiles:
            self._write(Tile(level, number, len(data) // HASH_BYTES), data)

    def _write(self, tile: Tile, data: bytes) -> None:
        """Write a tile or bundle that is not there; one that is must be the same."""
        if tile.width < TILE_WIDTH:
            self.open_paths.add(tile.path)
        path = self.directory / tile.path
        if not path.exists():
            self._replace(path, data)
        elif path.read_bytes() != data:
            raise TamperEvidence(f"{tile.path} in the directory differs")

    def _replace(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_bytes(data)
        temporary.chmod(FILE_MODE)
        temporary.replace(path)
        self.files_written += 1

    def _sweep(self) -> None:
        """Remove the open tiles of smaller sizes, also those an interrupted run left."""
        for folder in list((self.directory / "tile").rglob("*.p")):
            for file in list(folder.iterdir()):
                if file.relative_to(self.directory).as_posix() not in self.open_paths:
                    file.unlink()
            if not any(folder.iterdir()):
                folder.rmdir()


def _compare_before(builder: TileBuilder, leaves: Sequence[bytes], before: Checkpoint) -> None:
    """See that our history leads through the checkpoint the directory had, once it reaches it."""
    if not builder.size <= before.size <= builder.size + len(leaves):
        return
    then, _ = builder.extend(leaves[: before.size - builder.size])
    if then.frontier().root() != before.root:
        raise TamperEvidence(f"the checkpoint in the directory, at {before.size}, is not ours")
