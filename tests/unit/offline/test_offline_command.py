"""The command of the strangers' verifier: what it finds out, says and returns."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ledger.exports.issued import document_payload
from ledger.exports.log import export_log
from ledger.exports.proven import ProvenBundle, prove_statement, write_bundle
from ledger.runtime.ledger import Ledger
from ledger.runtime.proving import prove_entries
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.note import parse_note
from mobilegrid import offline_verifier as offline
from tests.support.bundles import DAY
from tests.support.histories import Town
from tests.support.logs import SIGNER, list_source, sample_entries
from tests.support.offline import (
    NOW_S,
    POLICY_TEXT,
    canonical,
    cosigner,
    keys_text,
    note_over,
    policy_text,
    sign_document,
    text64,
)

TOWN = Town("abab")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with one file of each kind that can be made by hand."""
    monkeypatch.chdir(tmp_path)
    export_log(list_source(sample_entries(300)), Path("log"))
    Path("policy.txt").write_bytes(POLICY_TEXT)
    Path("keys.json").write_bytes(keys_text())
    Path("pack.tlog-history").write_bytes(canonical(TOWN.bundle("PK-a")))
    witnessed = note_over(sample_entries(3), list_signers())
    Path("witnessed").write_bytes(witnessed)
    policy = policy_text(witnesses=list_signers()[1:], quorum="w1")
    Path("witnessed.txt").write_bytes(policy)
    return Path(tmp_path)


def list_signers() -> list[Any]:
    return [SIGNER, cosigner("bank")]


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    try:
        code = offline.main(list(words))
    except SystemExit as ended:  # argparse ends by itself
        code = int(str(ended.code))
    return code, capsys.readouterr().out


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "code", "last"),
    [
        (("log", "--policy", "policy.txt"), 0, "VERIFIED"),
        (("tiles", "log", "--policy", "policy.txt"), 0, "VERIFIED"),
        (("tiles", "log", "--policy", "policy.txt", "--since", "witnessed"), 0, "VERIFIED"),
        (("tiles", "log", "--policy", "policy.txt", "--replay"), 3, "REFUSED step 6"),
        (("log/checkpoint", "--policy", "policy.txt"), 0, "VERIFIED"),
        (("pack.tlog-history", "--policy", "policy.txt", "--pack", "PK-a"), 0, "VERIFIED"),
        (("pack.tlog-history", "--policy", "policy.txt", "--pack", "PK-b"), 3, "REFUSED step H3"),
        (("pack.tlog-history", "--policy", "policy.txt"), 2, "REFUSED"),
        (("pack.tlog-history", "--policy", "witnessed.txt", "--pack", "PK-a"), 3, "REFUSED step 2"),
        (("witnessed", "--policy", "keys.json"), 1, "REFUSED step 1"),
        (("policy.txt", "--policy", "policy.txt"), 1, "REFUSED"),
        (("log",), 2, "REFUSED"),
        (("absent", "--policy", "policy.txt"), 2, "REFUSED"),
    ],
    ids=str,
)
def test_the_last_line_and_the_exit_code_say_the_same(capsys, words, code, last):
    found, text = told(capsys, *words)
    assert (found, text.splitlines()[-1]) == (code, last)


@pytest.mark.usefixtures("here")
def test_wrong_words_end_with_exit_code_two(capsys):
    assert told(capsys, "--nonsense")[0] == 2
    code, text = told(capsys, "--help")
    assert (code, "--policy" in text) == (0, True)


@pytest.mark.usefixtures("here")
def test_the_age_of_a_checkpoint_is_told(capsys, monkeypatch):
    for passed, words in ((0, ""), (61, "cosigned 61 s ago"), (3_601, "3601 s ago: old")):
        monkeypatch.setattr(time, "time", lambda passed=passed: NOW_S + passed)
        code, text = told(capsys, "witnessed", "--policy", "witnessed.txt", "--json")
        answer = json.loads(text)
        assert (code, answer["signed_at"], answer["witnesses_needed"]) == (0, NOW_S, 1)
        assert words in answer["detail"]
        assert ("ago" in answer["detail"]) == bool(words)


# Documents, with what the ledger makes ------------------------------------------


@pytest.fixture
def issued(here, reads, policy) -> tuple[ProvenBundle, int]:
    bundle = prove_statement(reads, "OP-SUD", DAY, sign=sign_document)
    place = bundle.manifest["documents"][0]
    Path("statement.jws").write_text(bundle.documents[place])
    write_bundle(bundle, here / "statement.zip")
    key = policy.logs[0]
    material = text64(bytes([key.kind]) + key.public)
    Path("log.txt").write_text(f"log {key.name}+{key.key_id.hex()}+{material}\nquorum none\n")
    return bundle, place


def entry_proof(folder: Path, position: int) -> bytes:
    with Ledger(f"sqlite:///{folder / 'town.db'}") as ledger:
        return next(iter(prove_entries(ledger, [position])))


def test_a_document_is_checked_alone_and_against_the_log(capsys, issued, reads, folder):
    bundle, place = issued
    words = ("statement.jws", "--keys", "keys.json")
    assert told(capsys, *words)[0] == 0
    assert told(capsys, "statement.jws")[0] == 2
    Path("p").write_bytes(entry_proof(folder, place))
    assert told(capsys, *words, "--proof", "p", "--policy", "log.txt")[0] == 0
    assert told(capsys, *words, "--proof", "p")[0] == 2
    Path("p").write_bytes(entry_proof(folder, place - 1))
    code, text = told(capsys, *words, "--proof", "p", "--policy", "log.txt")
    assert (code, text.splitlines()[-1]) == (3, "REFUSED step D5")
    said = parse_checkpoint(parse_note(bundle.checkpoint).text)
    other = json.loads(document_payload(reads.entry(place), said, 0))
    other["checkpoint"]["size"] += 1
    jws = sign_document("mobilegrid-statement+jws", canonical(other))
    Path("statement.jws").write_text(jws)
    Path("p").write_bytes(entry_proof(folder, place))
    code, text = told(capsys, *words, "--proof", "p", "--policy", "log.txt")
    assert (code, text.splitlines()[-1]) == (3, "REFUSED step D5")


@pytest.mark.usefixtures("issued")
def test_a_bundle_and_a_proof_are_recognised_by_their_content(capsys, folder):
    code, text = told(capsys, "statement.zip", "--policy", "log.txt", "--keys", "keys.json")
    assert (code, text.splitlines()[-1]) == (0, "VERIFIED")
    assert '"share_minor"' in text
    Path("p").write_bytes(entry_proof(folder, 3))
    Path("e").write_bytes(b"another entry")
    assert told(capsys, "p", "--policy", "log.txt")[0] == 0
    code, text = told(capsys, "p", "--policy", "log.txt", "--entry", "e")
    assert (code, text.splitlines()[-1]) == (3, "REFUSED step E2")
