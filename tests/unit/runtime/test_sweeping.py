"""A sweep sees every byte, also across the borders of what it reads at once."""

import pytest

from ledger.kernel.errors import Malformed, Unavailable
from ledger.runtime import sweeping
from ledger.runtime.sweeping import Swept, files_below, sweep

NEEDLE = b"needle-0123456789"


@pytest.mark.parametrize("others", [0, 200], ids=["few", "many"])
@pytest.mark.parametrize("at", range(0, 140, 7))
def test_a_needle_is_found_wherever_it_lies(tmp_path, monkeypatch, at, others):
    monkeypatch.setattr(sweeping, "PIECE_BYTES", 32)
    data = bytearray(160)
    data[at : at + len(NEEDLE)] = NEEDLE
    file = tmp_path / "file"
    file.write_bytes(data)
    needles = [NEEDLE, *(b"absent--%08d" % number for number in range(others))]
    found = sweep([file], needles)
    assert found == Swept(1, len(data), (("file", NEEDLE),))


def test_needles_that_begin_alike_are_told_apart(tmp_path):
    file = tmp_path / "file"
    needles = [b"beginning-%04d" % number for number in range(100)]
    file.write_bytes(b"..." + needles[77] + b"..." + needles[5])
    assert {needle for _, needle in sweep([file], needles).found} == {needles[77], needles[5]}


def test_a_sweep_without_needles_reads_and_finds_nothing(tmp_path):
    (tmp_path / "file").write_bytes(bytes(10))
    assert sweep([tmp_path / "file"], []) == Swept(1, 10)
    assert sweep([], [NEEDLE]) == Swept()


def test_a_needle_that_chance_would_find_is_refused(tmp_path):
    with pytest.raises(Malformed, match="at least 8 bytes"):
        sweep([], [b"short"])


def test_a_file_that_went_away_meanwhile_holds_nothing(tmp_path):
    assert sweep([tmp_path / "gone"], [NEEDLE]).found == ()


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(Unavailable, match="cannot sweep"):
        sweep([tmp_path], [NEEDLE])


def test_files_are_listed_each_once(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/one", "a/b/two", "three"):
        (tmp_path / name).touch()
    found = files_below([tmp_path / "a", tmp_path, tmp_path / "three", tmp_path / "absent"])
    assert [file.name for file in found] == ["two", "one", "three"]
