from pathlib import Path

import pytest

from ledger.exports import log as exported_log
from ledger.exports.log import Exported, directory_reader, export_log, read_file
from ledger.kernel.errors import (
    CheckpointInvalid,
    Malformed,
    Misconfigured,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.hashing import EMPTY_ROOT
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.tlog.tiles import ENTRIES, TILE_WIDTH, Tile, tile_width, tiles_of
from ledger.tlog.verify import check_entries, check_tiles
from tests.support.logs import ORIGIN, SIGNER, VERIFIER, list_source, sample_entries

EDGES = [0, 1, 13, 255, 256, 257, 511, 512, 513, 1000]


def files(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def audit(directory: Path) -> list[bytes]:
    """Steps 2, 4 and 5 of docs/verify.md; gives all entries."""
    signed = open_checkpoint((directory / "checkpoint").read_bytes(), ORIGIN, [VERIFIER])
    size = signed.checkpoint.size
    read_tile = directory_reader(directory, size)
    check_tiles(signed, read_tile)
    entries: list[bytes] = []
    for number in range(-(-size // TILE_WIDTH)):
        bundle = read_file(directory, Tile(ENTRIES, number, tile_width(size, ENTRIES, number)))
        entries += check_entries(number, bundle, read_tile(0, number, 0))
    return entries


@pytest.mark.parametrize("size", EDGES)
def test_an_exported_log_verifies_and_holds_exactly_its_files(size: int, tmp_path: Path):
    entries = sample_entries(size)
    done = export_log(list_source(entries), tmp_path / "log")
    assert audit(tmp_path / "log") == entries
    tiles = list(tiles_of(size))
    bundles = [Tile(ENTRIES, tile.number, tile.width) for tile in tiles if tile.level == 0]
    expected = {"checkpoint", *(tile.path for tile in tiles + bundles)}
    assert set(files(tmp_path / "log")) == expected
    assert done == Exported(size, 0, len(expected))


@pytest.mark.parametrize("before", EDGES)
def test_carrying_on_gives_the_same_files_as_writing_anew(before: int, tmp_path: Path):
    for size in (size for size in EDGES if size >= before):
        entries = sample_entries(size)
        grown, fresh = tmp_path / f"grown{size}", tmp_path / f"fresh{size}"
        export_log(list_source(entries[:before]), grown)
        assert export_log(list_source(entries), grown).size_before == before
        export_log(list_source(entries), fresh)
        assert files(grown) == files(fresh)
        assert not [path for path in grown.rglob("*.p") if not any(path.iterdir())]


def test_carrying_on_writes_only_what_is_new(tmp_path: Path):
    export_log(list_source(sample_entries(600)), tmp_path)
    done = export_log(list_source(sample_entries(601)), tmp_path)
    # One bundle, its leaves, the checkpoint; level 1 stays as it was.
    assert done == Exported(601, 600, 3)
    assert export_log(list_source(sample_entries(601)), tmp_path).files_written == 1


def test_files_can_be_read_by_everybody_and_no_temporary_one_is_left(tmp_path: Path):
    export_log(list_source(sample_entries(300)), tmp_path)
    paths = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o644}
    assert not [path for path in paths if path.suffix == ".tmp"]


def test_progress_is_told_after_each_bundle(tmp_path: Path):
    told: list[tuple[int, int]] = []
    export_log(list_source(sample_entries(600)), tmp_path, progress=lambda *now: told.append(now))
    assert told == [(256, 600), (512, 600), (600, 600)]


def test_an_interrupted_export_is_finished_by_the_next(tmp_path: Path, monkeypatch):
    export_log(list_source(sample_entries(300)), tmp_path)
    write = exported_log._Export._replace

    def full_disk(self, path: Path, data: bytes) -> None:
        if path.name == "checkpoint":
            (path.parent / "tile/0/003.p/232.tmp").write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(self, path, data)

    monkeypatch.setattr(exported_log._Export, "_replace", full_disk)
    with pytest.raises(Unavailable, match="No space left"):
        export_log(list_source(sample_entries(1000)), tmp_path)
    monkeypatch.undo()
    open_checkpoint((tmp_path / "checkpoint").read_bytes(), ORIGIN, [VERIFIER])
    assert audit(tmp_path) == sample_entries(300)
    export_log(list_source(sample_entries(1001)), tmp_path)
    fresh = tmp_path / "fresh"
    export_log(list_source(sample_entries(1001)), fresh)
    assert files(tmp_path / "tile") == files(fresh / "tile")


@pytest.mark.parametrize(
    "path", ["tile/0/000", "tile/0/002.p/88", "tile/entries/001", "tile/1/000.p/2"]
)
def test_a_file_that_differs_is_evidence_and_not_overwritten(path: str, tmp_path: Path):
    source = list_source(sample_entries(600))
    export_log(source, tmp_path)
    data = bytearray((tmp_path / path).read_bytes())
    data[5] ^= 1
    (tmp_path / path).write_bytes(data)
    with pytest.raises(TamperEvidence):
        export_log(source, tmp_path, recheck=True)
    assert (tmp_path / path).read_bytes() == data


def test_a_missing_file_is_written_again_by_a_recheck(tmp_path: Path):
    source = list_source(sample_entries(600))
    export_log(source, tmp_path)
    whole = files(tmp_path)
    (tmp_path / "tile/entries/000").unlink()
    (tmp_path / "tile/0/001").unlink()
    with pytest.raises(TamperEvidence, match="tile/0/001 is missing"):
        export_log(source, tmp_path)
    assert export_log(source, tmp_path, recheck=True).files_written == 3
    assert files(tmp_path) == whole


@pytest.mark.parametrize("before", [256, 300, 512, 600])
def test_a_directory_with_another_history_is_not_carried_on(before: int, tmp_path: Path):
    other = [b"other", *sample_entries(700)[1:]]
    export_log(list_source(other[:before]), tmp_path)
    kept = files(tmp_path)
    with pytest.raises(TamperEvidence):
        export_log(list_source(sample_entries(700)), tmp_path)
    assert kept.items() <= files(tmp_path).items()
    assert audit(tmp_path) == other[:before]


def test_a_directory_whose_checkpoint_alone_was_exchanged_is_not_carried_on(tmp_path: Path):
    export_log(list_source(sample_entries(512)), tmp_path)
    (tmp_path / "checkpoint").write_bytes(
        sign_checkpoint(Checkpoint(ORIGIN, 512, EMPTY_ROOT), [SIGNER])
    )
    with pytest.raises(TamperEvidence, match="is not ours"):
        export_log(list_source(sample_entries(512)), tmp_path)


def test_a_directory_ahead_of_the_ledger_is_evidence(tmp_path: Path):
    export_log(list_source(sample_entries(14)), tmp_path)
    with pytest.raises(TamperEvidence, match="holds 14 entries, we 13"):
        export_log(list_source(sample_entries(13)), tmp_path)


def test_a_directory_of_another_log_is_a_mistake(tmp_path: Path):
    (tmp_path / "checkpoint").write_bytes(
        sign_checkpoint(Checkpoint("other.example.net", 0, EMPTY_ROOT), [SIGNER])
    )
    with pytest.raises(Misconfigured):
        export_log(list_source(sample_entries(13)), tmp_path)


def test_a_checkpoint_that_does_not_parse_is_malformed(tmp_path: Path):
    (tmp_path / "checkpoint").write_bytes(b"hello")
    with pytest.raises(Malformed):
        export_log(list_source(sample_entries(13)), tmp_path)


def test_a_source_that_does_not_agree_with_its_checkpoint_is_not_exported(tmp_path: Path):
    source = list_source(sample_entries(13))
    source.root = EMPTY_ROOT
    with pytest.raises(CheckpointInvalid):
        export_log(source, tmp_path)
    shorter = list_source(sample_entries(13))
    shorter.listed.append(b"more")
    with pytest.raises(CheckpointInvalid):
        export_log(shorter, tmp_path)
    assert not files(tmp_path)


def test_a_source_whose_entries_do_not_lead_to_its_root_gives_no_checkpoint(tmp_path: Path):
    source = list_source(sample_entries(13))
    source.listed[5] = b"changed"
    with pytest.raises(TamperEvidence, match="another root"):
        export_log(source, tmp_path / "changed")
    assert not (tmp_path / "changed/checkpoint").exists()


def test_a_source_that_ends_early_is_named(tmp_path: Path):
    source = list_source(sample_entries(300))
    source.missing_last = 1
    with pytest.raises(TamperEvidence, match="missing from 299 on"):
        export_log(source, tmp_path)


def test_a_directory_that_cannot_be_written_is_unavailable(tmp_path: Path):
    (tmp_path / "log").write_bytes(b"a file where the directory should be")
    with pytest.raises(Unavailable):
        export_log(list_source(sample_entries(13)), tmp_path / "log")


def test_a_tile_that_cannot_be_read_is_unavailable_and_a_missing_one_evidence(tmp_path: Path):
    (tmp_path / "tile/0/000").mkdir(parents=True)
    with pytest.raises(Unavailable):
        read_file(tmp_path, Tile(0, 0, 256))
    with pytest.raises(TamperEvidence):
        read_file(tmp_path, Tile(0, 1, 256))
