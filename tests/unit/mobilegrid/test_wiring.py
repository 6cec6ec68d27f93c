"""The one clock, the one source of ids, and where the signing key is."""

import re
from pathlib import Path

import msgspec
import pytest

from ledger.kernel.errors import Misconfigured
from ledger.kernel.ids import is_id
from ledger.kernel.instants import Instant
from ledger.signer import software
from mobilegrid import wiring
from mobilegrid.settings import Settings, with_ledger


class Frozen:
    """A clock that stands."""

    def now(self) -> Instant:
        return Instant(1_700_000_000_123_456)


def test_the_clock_is_in_this_century_and_never_goes_back():
    first = wiring.CLOCK.now()
    assert 1_700_000_000_000_000 < first <= wiring.CLOCK.now() < 4_000_000_000_000_000


def test_keys_are_uuids_of_version_7_ordered_by_time():
    keys = {wiring.RandomIds(Frozen()).key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert len(key) == 16
        assert int.from_bytes(key[:6], "big") == 1_700_000_000_123
        assert key[6] >> 4 == 7
        assert key[8] >> 6 == 2


def test_new_ids_have_their_prefix_and_26_characters():
    made = {wiring.IDS.new("BK") for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"BK-[0-9A-HJKMNP-TV-Z]{26}", each) and is_id(each) for each in made)


def test_the_same_opening_is_asked_for_with_the_same_key():
    assert wiring.opening("real", "a/b", "UTC", 5) == wiring.opening("real", "a/b", "UTC", 5)
    assert wiring.opening("real", "a/b", "UTC", 5).key != wiring.opening("x", "a/b", "UTC", 5).key


def test_the_key_stands_beside_a_ledger_file_and_must_be_named_elsewhere():
    settings = with_ledger(Settings(), "sqlite:///some/town.db")
    assert wiring.key_file(settings) == Path("some/town.db.key")
    server = with_ledger(Settings(), "postgresql://db/grid")
    with pytest.raises(Misconfigured, match=r"signer\.key_file"):
        wiring.key_file(server)
    named = msgspec.structs.replace(server, signer=software.Settings(key_file="k"))
    assert wiring.key_file(named) == Path("k")


def test_production_has_no_software_signer(tmp_path):
    settings = Settings(mode="production", signer=software.Settings(key_file=str(tmp_path / "k")))
    with pytest.raises(Misconfigured, match="production"):
        wiring.open_signer(settings, "log.example.net/x")
    assert not (tmp_path / "k").exists()


def test_the_warning_comes_once_in_a_process(tmp_path, capsys):
    settings = Settings(signer=software.Settings(key_file=str(tmp_path / "once")))
    first = wiring.open_signer(settings, "log.example.net/x")
    second = wiring.open_signer(settings, "log.example.net/x")
    assert first.key == second.key
    said = capsys.readouterr().err
    assert said.count("WARNING") == 1
    assert "never for production" in said
