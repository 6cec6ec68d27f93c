"""Statements and bills as documents of the log's own key, and strangers who check them."""

import json
import subprocess
import zipfile
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.exports.issued import covering, named, sign_issued
from ledger.kernel.errors import Conflict, Malformed
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.proving import sign_checkpoint
from ledger.tlog.note import Ed25519Signer
from tests.support import cli
from tests.support.ledgers import party, sqlite_url
from tests.support.serving import PATIENCE_S, PROGRAM, call, environment, strangers_verdict
from tests.support.town import DRIVER, OPERATOR, PERIOD, new_town


class Signed:
    """A settled town whose documents two simulated devices sign, and its signer that runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = sqlite_url(folder)
        new_town(self.url).close()
        closed = cli.run("settle", "close", PERIOD, "--approve-as", "F-2", ledger=self.url)
        assert closed.exit_code == 0, closed.output
        made = cli.run("keys", "trial", folder / "keys", ledger=self.url)
        assert made.exit_code == 0, made.output
        self.keys = folder / "keys" / "keys.json"
        self.policy = folder / "keys" / "policy"
        self.config = folder / "keys" / "mobilegrid.toml"

    def done(self, *words: object) -> str:
        found = call(*words, "--config", self.config)
        assert found.returncode == 0, found.stderr
        return found.stdout + found.stderr


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    town = Signed(tmp_path_factory.mktemp("signed"))
    words = [*PROGRAM, "serve", "signer", "--config", str(town.config)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr is not None
        process.stderr.readline()
        yield town
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def payload_of(file: Path) -> dict[str, Any]:
    part = file.read_text().split(".")[1]
    found = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert isinstance(found, dict)
    return found


def test_a_statement_is_signed_and_a_stranger_checks_it_with_its_proof(signed: Signed) -> None:
    file = signed.folder / "statement.jws"
    said = signed.done("settle", "statement", OPERATOR, PERIOD, "--signed", file)
    assert "is signed" in said
    proof = file.with_suffix(".tlog-proof")
    words = ("document", file, "--keys", signed.keys)
    assert strangers_verdict(*words)[0] == 0
    both = (*words, "--proof", proof, "--policy", signed.policy)
    code, told = strangers_verdict(*both)
    assert (code, "VERIFIED" in told) == (0, True), told
    strange = signed.folder / "strange.json"
    strange.write_text('{"keys": []}')
    code, told = strangers_verdict("document", file, "--keys", strange)
    assert (code, "REFUSED step D2" in told) == (3, True), told


def test_the_same_statement_is_the_same_document_however_far_the_log_went_on(
    signed: Signed,
) -> None:
    first, again = signed.folder / "first.jws", signed.folder / "again.jws"
    signed.done("settle", "statement", OPERATOR, PERIOD, "--signed", first)
    with Ledger(signed.url) as ledger:
        accepted(ledger.execute(party(70)))
    signed.done("settle", "statement", OPERATOR, PERIOD, "--signed", again)
    assert again.read_bytes() == first.read_bytes()
    proofs = [each.with_suffix(".tlog-proof").read_bytes() for each in (first, again)]
    assert proofs[0] == proofs[1]


def test_a_bill_is_signed_as_an_invoice_of_its_number(signed: Signed) -> None:
    file = signed.folder / "bill.jws"
    signed.done("settle", "bill", DRIVER, PERIOD, "--signed", file)
    code, told = strangers_verdict(
        "document", file, "--keys", signed.keys,
        "--proof", file.with_suffix(".tlog-proof"), "--policy", signed.policy,
    )  # fmt: skip
    assert (code, "mobilegrid-invoice+jws" in told) == (0, True), told
    payload = payload_of(file)
    assert payload["document_id"] == payload["figures"]["invoice_no"]


@pytest.mark.parametrize(
    ("kind", "who"), [("--statement", OPERATOR), ("--bill", DRIVER)], ids=["statement", "bill"]
)
def test_a_proven_file_holds_the_signed_documents(signed: Signed, kind: str, who: str) -> None:
    file = signed.folder / f"proven{kind}.zip"
    signed.done("prove", kind, who, PERIOD, "--out", signed.folder / f"before{kind}.zip")
    with Ledger(signed.url) as ledger:
        accepted(ledger.execute(party(80 + len(kind))))  # so the newest head is another one
    signed.done("prove", kind, who, PERIOD, "--out", file)
    with zipfile.ZipFile(file) as archive:
        documents = [name for name in archive.namelist() if name.endswith(".jws")]
        manifest = json.loads(archive.read("manifest.json"))
    assert len(documents) == 1
    assert manifest["consistency"]
    words = ("invoice", file, "--policy", signed.policy, "--keys", signed.keys)
    code, told = strangers_verdict(*words)
    assert (code, "M7" in told) == (0, True), told


def test_nothing_is_signed_without_a_signer_or_before_it_was_issued(
    signed: Signed, tmp_path: Path
) -> None:
    file = tmp_path / "x.jws"
    url = sqlite_url(tmp_path)
    new_town(url).close()
    closed = ("settle", "close", PERIOD, "--approve-as", "F-2")
    early = cli.error("settle", "bill", DRIVER, PERIOD, "--signed", file, ledger=url)
    assert (early["kind"], "needs a signer" in early["message"]) == ("Misconfigured", True)
    assert cli.run(*closed, ledger=url).exit_code == 0
    assert not file.exists()
    with Ledger(url) as ledger:
        with ledger.reading() as reads:
            issued = [one for one in reads.entries() if one.envelope.kind == "statement.issued"]
            with pytest.raises(Conflict, match="no final checkpoint"):
                covering(reads, issued[0].envelope.position)
            with pytest.raises(Malformed, match="issues no document"):
                named(reads.entry(0))
        sign_checkpoint(ledger, Ed25519Signer(ledger.name.origin, bytes(32)), 1)
        with ledger.reading() as reads:
            wanted = reads.size
            made = sign_issued(reads, issued[0], lambda typ, _: typ)
            assert (made.size, made.jws) == (wanted, "mobilegrid-statement+jws")
            with pytest.raises(Conflict, match="no final checkpoint"):
                covering(reads, issued[0].envelope.position, lambda _note: False)
