"""The file of pinned keys: read strictly, written as it is read, made from a ceremony."""

from pathlib import Path

import msgspec
import pytest

from ledger.kernel.errors import Misconfigured, Unavailable
from ledger.tlog.cosign import verifier_for
from ledger.tlog.note import format_vkey
from mobilegrid.keys_file import KeysFile, format_keys_file, read_keys_file
from mobilegrid.secret_files import read_secret, write_secret
from mobilegrid.trial import keys_of_ceremony
from tests.support.logs import ORIGIN, VKEY

KEY = "ab" * 32
GOOD = f"""
origin = "{ORIGIN}"
former = ["{VKEY}"]

[[devices]]
device = "a"
module = "sim:a.device"
label = "mobilegrid-a"
pin_file = "a.pin"

[[keys]]
device = "a"
label = "checkpoint-a"
algorithm = "ed25519"
public_key = "{KEY}"

[[keys]]
device = "a"
label = "documents-a"
algorithm = "ed25519"
public_key = "{"cd" * 32}"

[officers]
ada = "{"ef" * 32}"
"""
PQ = f"""
[[keys]]
device = "a"
label = "checkpoint-pq"
algorithm = "ml-dsa-44"
public_key = "{"01" * 1312}"
"""
SEED = """
[seed]
by = "seal-1"
sealed = { a = "AAEC" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def written(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("text", [GOOD, GOOD.replace("[officers]", f"{PQ}{SEED}\n[officers]")])
def test_what_is_written_is_what_was_read(file: Path, text: str) -> None:
    found = read_keys_file(written(file, text))
    file.write_bytes(format_keys_file(found))
    assert read_keys_file(file) == found


def test_keys_of_the_log_are_those_of_checkpoints_and_those_before_them(file: Path) -> None:
    text = GOOD.replace("[officers]", f"{PQ}{SEED}\n[officers]")
    found = read_keys_file(written(file, text))
    keys = found.log_keys()
    assert [key.kind for key in keys] == [1, 6, 1]
    assert keys[0].public_key.hex() == KEY
    assert format_vkey(keys[-1]) == VKEY
    assert all(verifier_for(key).key == key for key in keys)
    assert [key["kty"] for key in found.document_keys()["keys"]] == ["OKP"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('origin = "', 'origin = "+', "name"),
        (f'"{VKEY}"', '"no key"', "vkey"),
        (f'origin = "{ORIGIN}"', 'origin = "log.example.net/log/another"', "former"),
        ('device = "a"\nmodule', 'device = "c"\nmodule', r"devices\[0\]\.device"),
        ('label = "mobilegrid-a"\n', "", r"devices\.a\.label"),
        ('pin_file = "a.pin"\n', "", "pin_file"),
        ("checkpoint-a", "checkpoints", r"keys\.label"),
        ("documents-a", "checkpoint-a", r"keys\.label"),
        (f'"{KEY}"', '"abc"', "public_key"),
        ('"ed25519"', '"rsa"', "algorithm"),
        ("[officers]", f"{PQ}\n[officers]", "seed"),
        ("[officers]", f"{SEED}\n[officers]", "seed"),
        ("[officers]", "[people]", "people"),
        ("[officers]", "[officers", "keys.toml"),
    ],
)
def test_a_mistake_is_named_by_its_field(file: Path, old: str, new: str, named: str) -> None:
    assert old in GOOD
    with pytest.raises(Misconfigured, match=named):
        read_keys_file(written(file, GOOD.replace(old, new)))


def test_a_file_that_is_not_there_or_is_no_text_is_named(file: Path) -> None:
    with pytest.raises(Misconfigured, match=r"keys\.toml"):
        read_keys_file(file)
    file.write_bytes(b"\xff")
    with pytest.raises(Misconfigured, match=r"keys\.toml"):
        read_keys_file(file)


def test_a_ceremony_that_stopped_gives_no_keys(file: Path) -> None:
    found: KeysFile = read_keys_file(written(file, GOOD))
    payload = msgspec.json.encode({"outcome": "stopped at step 1", "steps": []})
    with pytest.raises(Unavailable, match="stopped at step 1"):
        keys_of_ceremony(found, b"", payload)


@pytest.mark.parametrize(
    ("data", "mode", "named"),
    [
        (b"123456\n", 0o640, "chmod 600"),
        (b"", 0o600, "one line"),
        (b"1\n2\n", 0o600, "one line"),
        (b"\xff", 0o600, "no text"),
        (None, 0o600, "a.pin"),
    ],
)
def test_a_secret_that_others_can_read_or_that_is_none_is_refused(
    tmp_path: Path, data: bytes | None, mode: int, named: str
) -> None:
    pin = tmp_path / "a.pin"
    if data is not None:
        pin.write_bytes(data)
        pin.chmod(mode)
    with pytest.raises(Misconfigured, match=named):
        read_secret(pin, "pin_file")


def test_a_secret_is_written_once_and_for_its_holder_alone(tmp_path: Path) -> None:
    pin = tmp_path / "a.pin"
    write_secret(pin, "123456")
    assert (pin.stat().st_mode & 0o777, read_secret(pin, "pin_file")) == (0o600, "123456")
    for path in (pin, tmp_path / "none" / "a.pin"):
        with pytest.raises(Misconfigured):
            write_secret(path, "1")
