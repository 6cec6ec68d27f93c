"""The whole log as a directory: every changed, missing or moved file is found."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.exports.log import export_log
from ledger.tlog.checkpoint import Checkpoint, sign_checkpoint
from mobilegrid import offline_verifier as offline
from tests.support import cli
from tests.support.logs import ORIGIN, SIGNER, ListSource, list_source, sample_entries
from tests.support.offline import NOW_S, POLICY, canonical, note_over, text64, verdict


def audit(
    folder: Path, since: bytes | None = None, replay: offline.Replay | None = None
) -> tuple[str, str]:
    def check(report: offline.Report) -> None:
        for first, entries in offline.verify_tiles(folder, POLICY, NOW_S, report, since):
            for position, entry in enumerate(entries, first) if replay else ():
                assert replay is not None
                replay.follow(position, entry)

    return verdict(check)


def written(folder: Path, source: ListSource) -> Path:
    export_log(source, folder)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("log") / "log"
    return written(folder, list_source(sample_entries(600)))


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    shutil.copytree(exported, tmp_path / "log")
    return tmp_path / "log"


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 513])
def test_a_log_of_any_size_is_accepted(tmp_path, size):
    assert audit(written(tmp_path / "log", list_source(sample_entries(size)))) == ("ok", "")


def test_a_log_with_three_levels_of_tiles_is_accepted(tmp_path):
    listed = [b"%d" % number for number in range(65_536 + 300)]
    folder = tmp_path / "log"
    source = list_source([])
    source.listed = listed
    source.root = offline.tree_root(offline.leaf_hash(entry) for entry in listed)
    said = offline.Checkpoint("", len(listed), source.root)
    source.checkpoint = _signed(said)
    assert audit(written(folder, source)) == ("ok", "")
    tile = folder / "tile/1/000"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    assert audit(folder) == ("refused", "4")


def _signed(said: offline.Checkpoint) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, said.size, said.root), [SIGNER])


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_every_file_that_lacks_or_differs_is_found(folder):
    assert len(files_of(folder)) == 8
    for path in files_of(folder):
        whole = path.read_bytes()
        for at in {0, len(whole) // 2, len(whole) - 1}:
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert audit(folder)[0] != "ok", path
        for bad in (b"", whole[:-1], whole + b"x", whole + whole):
            path.write_bytes(bad)
            assert audit(folder)[0] != "ok", path
        path.write_bytes(whole)
        if path.name != "checkpoint":
            path.unlink()
            assert audit(folder)[0] == "refused", path
            path.write_bytes(whole)
    assert audit(folder) == ("ok", "")


def test_a_log_without_a_checkpoint_is_wrong_use(tmp_path):
    with pytest.raises(offline.WrongUse):
        audit(tmp_path)


def test_two_entries_that_changed_places_are_found(folder):
    path = folder / "tile/entries/000"
    first, second, *rest = offline.split_bundle(path.read_bytes(), 0)
    listed = [second, first, *rest]
    path.write_bytes(b"".join(len(each).to_bytes(2, "big") + each for each in listed))
    assert audit(folder) == ("refused", "5")


@pytest.mark.parametrize(
    ("since", "answer"),
    [
        (note_over(sample_entries(1)), ("ok", "")),
        (note_over(sample_entries(256)), ("ok", "")),
        (note_over(sample_entries(300)), ("ok", "")),
        (note_over(sample_entries(600)), ("ok", "")),
        (note_over(sample_entries(601)), ("refused", "3")),
        (note_over([*sample_entries(299), b"another"]), ("refused", "3")),
        (note_over([]), ("refused", "3")),
        (note_over(sample_entries(3))[:-2], ("malformed", "3")),
    ],
)
def test_the_log_must_have_grown_from_the_checkpoint_you_hold(folder, since, answer):
    assert audit(folder, since) == answer


# Replay: what entries say about each other --------------------------------------


def entry(position: int, **more: Any) -> dict[str, Any]:
    return {"position": position, "kind": "test", "recorded_at": 10 + position, "body": {}} | more


def move(*quantities: int, commodity: str = "EUR", **dims: str) -> list[dict[str, Any]]:
    return [
        {"account": "A", "commodity": commodity, "quantity": quantity, "dims": dims}
        for quantity in quantities
    ]


def linked(position: int, count: int, before: bytes = b"", previous: int = -1) -> dict[str, Any]:
    link: dict[str, Any] = {"count": count, "pack": "PK-1"}
    if before:
        link |= {"previous": previous, "previous_leaf": text64(offline.leaf_hash(before))}
    return entry(position, packs=[link])


FIRST = canonical(linked(0, 1))
ROW = {"count": 1, "last": 0, "leaf": text64(offline.leaf_hash(FIRST)), "pack": "PK-1"}
ROOT = offline.leaf_hash(canonical(ROW | {"t": "mobilegrid/history-row/1"}))
MAP = {"as_of": 1, "packs": 1, "root": text64(ROOT)}


@pytest.mark.parametrize(
    ("second", "step"),
    [
        (entry(1), ""),
        (entry(1, recorded_at=10), ""),
        (entry(1, recorded_at=9), "6"),
        (entry(1, causes=[0]), ""),
        (entry(1, causes=[1]), "6"),
        (entry(1, causes=[-1]), "6"),
        (entry(1, causes=[True]), "6"),
        (entry(1, reverses=0), ""),
        (entry(1, reverses=1), "6"),
        (entry(1, corrects="0"), "6"),
        (entry(2), "6"),
        (entry(1, recorded_at="now"), "6"),
        (linked(1, 2, FIRST, 0), ""),
        (linked(1, 2, FIRST, 1), "7"),
        (linked(1, 3, FIRST, 0), "7"),
        (linked(1, 2, b"another", 0), "7"),
        (linked(1, 1), "7"),
        (entry(1, kind="history.mapped", body=MAP), ""),
        (entry(1, kind="history.mapped", body=MAP | {"packs": 2}), "7"),
        (entry(1, kind="history.mapped", body=MAP | {"as_of": 0}), "7"),
        (entry(1, kind="history.mapped", body=MAP | {"root": text64(bytes(32))}), "7"),
        (entry(1, postings=move(5, -5)), ""),
        (entry(1, postings=move(5, -4)), "8"),
        (entry(1, postings=move(5) + move(-5, commodity="USD")), "8"),
        (entry(1, postings=move(1, -1, commodity="PACK", pack="PK-1")), ""),
        (
            entry(
                1,
                postings=move(1, commodity="PACK", pack="PK-1")
                + move(-1, commodity="PACK", pack="PK-2"),
            ),
            "8",
        ),
        (entry(1, postings=move(1, -1, commodity="PACK")), "6"),
    ],
)
def test_what_an_entry_says_follows_from_those_before_it(second, step):
    replay = offline.Replay()
    replay.follow(0, FIRST)
    answer = verdict(lambda _: replay.follow(1, canonical(second)))
    assert answer == (("refused", step) if step else ("ok", ""))


def test_the_day_of_the_demo_is_followed_entry_by_entry(tmp_path):
    result = cli.run("demo", "--no-serve", "--keep", tmp_path)
    assert result.exit_code == 0
    url = f"sqlite:///{tmp_path / 'town.db'}"
    cli.answer("prove", "PK-004", "--out", tmp_path / "x", ledger=url)  # appends a map
    cli.answer("export", "log", tmp_path / "log", ledger=url)
    listed = _entries(tmp_path / "log")
    replay = offline.Replay()
    for position, data in enumerate(listed):
        replay.follow(position, data)
    assert "history.mapped" in {json.loads(each)["kind"] for each in listed}
    assert len(replay.packs) > 50


def _entries(folder: Path) -> list[bytes]:
    found: list[bytes] = []
    for path in sorted((folder / "tile/entries").rglob("*")):
        if path.is_file():
            found += offline.split_bundle(path.read_bytes(), 0)
    return found


CHANGES: list[Callable[[bytes], bytes]] = [lambda data: data[:-1], lambda data: data + b"\0\0\0"]


@pytest.mark.parametrize("number", range(2))
def test_a_bundle_that_does_not_end_with_an_entry_is_refused(folder, number):
    path = folder / "tile/entries/002.p/88"
    path.write_bytes(CHANGES[number](path.read_bytes()))
    assert audit(folder) == ("refused", "5")
