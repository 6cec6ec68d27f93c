"""The door of finance beside a signer that runs: documents and manifests under the log's key."""

import json
import subprocess
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.exports.issued import STATEMENT_TYP
from ledger.runtime.ledger import Ledger
from mobilegrid import serving
from mobilegrid.settings import load_settings
from partner_api.auth import Gate
from partner_api.finance.exporting import EXPORT_TYP
from partner_api.signed_requests import SignedRequests
from tests.support import cli
from tests.support.doors import REGISTERED, URL, Doors, until
from tests.support.ledgers import sqlite_url
from tests.support.serving import PATIENCE_S, PROGRAM, call, environment, strangers_verdict
from tests.support.town import PERIOD, new_town

V1 = "/finance/v1"


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder: Path = tmp_path_factory.mktemp("signed")
    url = sqlite_url(folder)
    new_town(url).close()
    closed = cli.run("settle", "close", PERIOD, "--approve-as", "F-2", ledger=url)
    assert closed.exit_code == 0, closed.output
    made = cli.run("keys", "trial", folder / "keys", ledger=url)
    assert made.exit_code == 0, made.output
    config = folder / "keys" / "mobilegrid.toml"
    words = [*PROGRAM, "serve", "signer", "--config", str(config)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr is not None
        process.stderr.readline()
        head = call("checkpoint", "--publish", "--config", config)
        assert head.returncode == 0, head.stderr
        settings = load_settings(config, {})
        with Ledger(url) as ledger, serving.open_parts(ledger, settings) as parts:
            gate = Gate(REGISTERED, URL, parts.clock, lambda count: bytes(range(count)))
            signed_requests = SignedRequests(gate, URL, parts.clock)
            known = msgspec.structs.replace(parts, gate=gate, signed_requests=signed_requests)
            opened = Doors(known, ("finance",))
            opened.folder = folder  # type: ignore[attr-defined]
            yield opened
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def get(doors: Doors, path: str) -> Any:
    answer = doors.get(f"{V1}{path}", who="FI-R")
    assert answer.status_code == 200, answer.text
    return answer


def test_a_stranger_checks_a_statement_from_the_door_with_its_proof(doors: Doors) -> None:
    folder: Path = doors.folder  # type: ignore[attr-defined]
    (statement,) = get(doors, "/statements").json()["items"]
    path = f"/statements/{statement['id']}"
    document, proof = folder / "statement.jws", folder / "statement.tlog-proof"
    document.write_bytes(get(doors, f"{path}/document").content + b"\n")
    proof.write_bytes(get(doors, f"{path}/proof").content)
    assert get(doors, f"{path}/document").text == document.read_text().strip()
    keys = folder / "keys"
    words = ("document", document, "--keys", keys / "keys.json", "--proof", proof)
    code, told = strangers_verdict(*words, "--policy", keys / "policy")
    assert (code, "VERIFIED" in told) == (0, True), told


def test_the_signer_signs_the_manifest_of_an_export(doors: Doors) -> None:
    asked = doors.post(f"{V1}/exports", {"kind": "csv"}, key="XP-1", who="FI-R")
    assert asked.status_code == 202, asked.text
    path = asked.headers["location"]
    said = until(
        lambda: doors.said(path, who="FI-R"), lambda job: job["state"] in ("done", "failed")
    )
    assert said["state"] == "done", said
    header, payload, _ = said["manifest_jws"].split(".")
    parts = [
        json.loads(urlsafe_b64decode(one + "=" * (-len(one) % 4))) for one in (header, payload)
    ]
    assert parts[0]["typ"] == EXPORT_TYP != STATEMENT_TYP
    assert parts[1]["figures"]["file"]["sha256"] == said["sha256"]
