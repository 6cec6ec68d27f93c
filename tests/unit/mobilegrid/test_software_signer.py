"""The key file of the software signer: made private, read strictly, bound to its log."""

import os

import pytest

from ledger.kernel.errors import Misconfigured, Unavailable
from ledger.signer.software import create_key, load_key
from ledger.tlog.note import Ed25519Verifier

NAME = "log.example.net/log/town"


def test_a_key_is_made_readable_by_its_holder_only_and_read_back(tmp_path):
    file = tmp_path / "k"
    made = create_key(file, NAME)
    assert file.stat().st_mode & 0o777 == 0o600
    read = load_key(file, NAME)
    assert read.key == made.key
    assert Ed25519Verifier(made.key).verify(b"text\n", read.sign(b"text\n"))


def test_an_existing_file_is_never_written_over(tmp_path):
    file = tmp_path / "k"
    file.write_text("precious")
    with pytest.raises(Misconfigured, match="exists"):
        create_key(file, NAME)
    assert file.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "path", "error"),
    [
        ("two words", "k", Misconfigured),
        (NAME, "no-folder/k", Misconfigured),
        (NAME, "x" * 300, Unavailable),
    ],
)
def test_a_key_that_cannot_be_made_says_why(tmp_path, name, path, error):
    with pytest.raises(error, match=r"origin|key.file"):
        create_key(tmp_path / path, name)


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    with pytest.raises(Misconfigured, match="does not exist"):
        load_key(tmp_path / "none", NAME)
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_key(tmp_path, NAME)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_a_key_that_others_can_read_is_refused(tmp_path):
    file = tmp_path / "k"
    create_key(file, NAME)
    file.chmod(0o640)
    with pytest.raises(Misconfigured, match="read by others"):
        load_key(file, NAME)


def test_the_key_of_another_log_is_refused(tmp_path):
    create_key(tmp_path / "k", "log.example.net/log/other")
    with pytest.raises(Misconfigured, match="is the key of"):
        load_key(tmp_path / "k", NAME)


DAMAGES = {
    "empty": lambda text: "",
    "a public key": lambda text: text.replace("PRIVATE", "PUBLIC"),
    "base64 cut short": lambda text: text[:-2] + "\n",
    "a line too many": lambda text: text + "\n",
    "no end of line": lambda text: text.rstrip("\n"),
    "another name": lambda text: text.replace("town+", "town2+"),
    "no seed": lambda text: text[: text.rindex("+") + 1] + "AQ==\n",
    "no material": lambda text: text[: text.rindex("+")] + "\n",
    "another type": lambda text: text[: text.rindex("+") + 1] + "A" * 44 + "\n",
    "not UTF-8": lambda text: text + "\ud800",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_key_file_is_refused(tmp_path, damage):
    file = tmp_path / "k"
    create_key(file, NAME)
    file.write_bytes(DAMAGES[damage](file.read_text()).encode("utf-8", "surrogatepass"))
    with pytest.raises(Misconfigured, match=r"signer\.key_file"):
        load_key(file, NAME)
