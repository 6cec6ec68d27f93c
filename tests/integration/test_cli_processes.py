"""The command as a process of its own: exit codes, streams, signals, start-up."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.ledgers import sqlite_url

REPOSITORY = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "mobilegrid")

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "MOBILEGRID" not in name}
    return kept | {"PYTHONPATH": str(REPOSITORY)}


def call(*arguments: object, **more):
    words = [*COMMAND, *(str(each) for each in arguments)]
    more.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(
        words, stderr=subprocess.PIPE, text=True, env=environment(), check=False, **more
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> str:
    url = sqlite_url(tmp_path_factory.mktemp("ledger"))
    made = call("db", "create", "--ledger-id", "eu", "--origin", "a.example", "--ledger", url)
    assert made.returncode == 0, made.stderr
    return url


def test_help_starts_without_the_ledger():
    code = (
        "import sys; from mobilegrid.cli.main import main; "
        "main(['--help'], standalone_mode=False); "
        "print(sorted({'sqlalchemy', 'rich', 'cryptography', 'alembic', 'ledger.runtime',"
        " 'ledger.store', 'ledger.domain'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    assert found.stdout.endswith("[]\n")


def test_answers_go_to_stdout_and_errors_to_stderr(url):
    good = call("db", "status", "--ledger", url)
    assert (good.returncode, good.stderr) == (0, "")
    assert "a.example" in good.stdout
    bad = call("history", "PK-1", "--ledger", url)
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr == "Error: no entry names pack PK-1\n"
    wrong = call("history", "--ledger", url)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_ctrl_c_ends_with_130(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = [*COMMAND, "verify", str(pipe), "--vkey", "unused"]
    # a shell starts what it runs behind with the signal ignored, and children inherit that
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment())
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        writer = open_for_writing(pipe)  # now the command reads, and nothing comes
        try:
            said = interrupted(process)
        finally:
            process.kill()
            os.close(writer)
    assert process.returncode == 130
    assert said.strip() == "Interrupted."


def interrupted(process: subprocess.Popen[str], presses: int = 20) -> str:
    """Press Ctrl-C until the command has ended; its words on stderr.

    Python looks for signals between its steps: one that comes after the last look and before a
    blocking read waits for that read. A person presses again, and so does this.
    """
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=2)[1]
    raise AssertionError(f"{presses} interrupts did not end the command")


def open_for_writing(pipe: Path, seconds: float = 20.0) -> int:
    """Open a named pipe as soon as somebody opened it for reading."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nobody reads the pipe")


def test_a_reader_that_goes_away_is_no_error(url):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as closed:
        found = call("balance", "--ledger", url, stdout=closed)
    assert found.stderr == ""
    assert found.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_said_in_one_sentence(url):
    with Path("/dev/full").open("w") as full:
        found = call("db", "status", "--ledger", url, stdout=full)
    assert found.returncode == 4
    assert found.stderr.splitlines()[0] == "Error: cannot use a file: No space left on device"
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("name", ["open_and_submit.py", "prove_and_check.py"])
def test_the_examples_run(tmp_path, name):
    made = [sys.executable, str(REPOSITORY / "examples" / "open_and_submit.py")]
    file = str(tmp_path / "town.db")
    env = environment()
    first = subprocess.run([*made, file], capture_output=True, text=True, env=env, check=True)
    if name == "open_and_submit.py":
        assert "same answer: 1 True" in first.stdout
        assert "Refused: party_exists" in first.stdout
        return
    program = REPOSITORY / "examples" / name
    words = [sys.executable, str(program), file]
    found = subprocess.run(words, capture_output=True, text=True, env=env, check=True)
    assert "entry 0 of 2 is proven" in found.stdout
    assert "a forged proof is refused" in found.stdout
