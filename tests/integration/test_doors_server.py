"""The real server in a process of its own: `mobilegrid serve api`, over sockets of this machine."""

import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from mobilegrid.settings import MEANINGS, Settings, flat
from mobilegrid.wiring import CLOCK
from partner_api.auth import SIGN_IN_PATH
from tests.support import cli
from tests.support.doors import FORM, KEYS, bearer_in, claims
from tests.support.ledgers import sqlite_url
from tests.support.town import new_town

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A signed town, auditors who may sign in, the log's public key."""
    folder = tmp_path_factory.mktemp("server")
    url = sqlite_url(folder)
    new_town(url).close()
    assert cli.run("checkpoint", "--publish", ledger=url).exit_code == 0
    auditors = folder / "auditors.toml"
    auditors.write_text(f'[[auditor]]\nid = "AU-1"\nkeys = ["{KEYS["AU-1"].public}"]\n')
    auditors.chmod(0o600)
    return url, auditors


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def served(town, *arguments):
    url, auditors = town
    port = free_port()
    command = [sys.executable, "-m", "mobilegrid", "serve", *arguments]
    command += ["--ledger", url, "--port", str(port)]
    base = f"http://127.0.0.1:{port}"
    env = {"MOBILEGRID_DOORS__CLIENTS_FILE": str(auditors), "MOBILEGRID_DOORS__PUBLIC_URL": base}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=env, text=True)
    try:
        assert process.stderr is not None
        said = iter(process.stderr.readline, "")
        assert any(re.match(rf"Serving .* at {base}", line) for line in said)
        with httpx.Client(
            base_url=base, transport=httpx.HTTPTransport(retries=10), trust_env=False
        ) as client:
            yield client, port
    finally:
        process.send_signal(signal.SIGTERM)
        with process:
            assert process.wait(20) == 0


def answer_to(port, data):
    """Send bytes and read until the server closes or answers a whole head."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(data)
        found = b""
        while b"\r\n\r\n" not in found:
            more = connection.recv(65_536)
            if not more:
                break
            found += more
        return found


def test_a_process_serves_the_doors_until_it_is_told_to_end(town):
    with served(town, "all") as (client, port):
        assert client.get("/health/ready").json() == {"status": "ready"}
        note = client.get("/log/town/checkpoint").text
        # the work of the night stops two packs whose state of health is too old, then or later
        assert note.startswith(("log.example.net/log/town\n37\n", "log.example.net/log/town\n39\n"))
        assert client.get("/log/town/keys").text.startswith("log.example.net/log/town+")
        said = claims("AU-1", CLOCK.now()) | {"aud": f"http://127.0.0.1:{port}{SIGN_IN_PATH}"}
        form = FORM | {"client_assertion": KEYS["AU-1"].assertion(said)}
        bearer = bearer_in(client.post(SIGN_IN_PATH, data=form))
        headers = {"Authorization": f"Bearer {bearer}"}
        said = client.get("/auditor/v1/packs/PK-1/history", headers=headers)
        assert len(said.json()["items"]) > 5
        assert "server" not in said.headers
        assert client.get("/problems/case_open").text.startswith("case_open: ")

        # what is no HTTP, and heads without end
        assert answer_to(port, b"\x00\x01\x02\r\n\r\n").startswith(b"HTTP/1.1 400")
        assert answer_to(port, b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000).startswith(
            b"HTTP/1.1 431"
        )
        long = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n"
        assert answer_to(port, long).startswith(b"HTTP/1.1 431")
        bomb = (
            b"POST "
            + SIGN_IN_PATH.encode()
            + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
        )
        assert answer_to(port, bomb).startswith((b"HTTP/1.1 413", b"HTTP/1.1 415"))
        assert client.get("/health/live").status_code == 200


def test_only_the_named_doors_are_open(town):
    with served(town, "api", "--doors", "log") as (client, _):
        assert client.get("/log/town/checkpoint").status_code == 200
        assert client.get("/auditor/v1/packs").status_code == 404


@pytest.mark.parametrize("doors", ["nix", "log,nix", ""])
def test_an_unknown_door_is_wrong_usage(town, doors):
    result = cli.run("serve", "api", "--doors", doors, ledger=town[0])
    assert result.exit_code == 2
    assert "--doors" in result.output


@pytest.mark.parametrize("text", ["[[auditor]]\nid = 'AU-1'\nkeys = []\n", "nonsense"])
def test_a_wrong_file_of_clients_keeps_the_doors_shut(town, tmp_path, text):
    file = tmp_path / "auditors.toml"
    file.write_text(text)
    file.chmod(0o600)
    env = {"MOBILEGRID_DOORS__CLIENTS_FILE": str(file)}
    result = cli.run("serve", "api", ledger=town[0], env=env)
    assert (result.exit_code, "clients_file" in result.output) == (2, True)
    file.chmod(0o666)
    result = cli.run("serve", "api", ledger=town[0], env=env)
    assert "chmod" in result.output
    file.unlink()
    assert cli.run("serve", "api", ledger=town[0], env=env).exit_code == 2


def test_keys_of_the_log_come_from_a_file_where_one_is_named(town, tmp_path):
    file = tmp_path / "keys"
    file.write_text("no key\n")
    env = {"MOBILEGRID_DOORS__KEYS_FILE": str(file)}
    result = cli.run("serve", "api", ledger=town[0], env=env)
    assert (result.exit_code, "keys_file" in result.output) == (2, True)


def test_the_document_is_written_where_it_is_wanted(tmp_path):
    file = tmp_path / "openapi.json"
    assert cli.run("openapi", "--out", file).exit_code == 0
    assert file.read_text().startswith("{")


def test_every_setting_of_the_doors_is_explained():
    paths = {path for path in flat(Settings()) if path.startswith("doors.")}
    assert paths == {path for path in MEANINGS if path.startswith("doors.")}
