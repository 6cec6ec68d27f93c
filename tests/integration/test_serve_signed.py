"""A town as its operator runs it: devices sign, witnesses cosign, strangers verify, keys fail."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ledger.kernel.instants import MINUTE, SECOND
from tests.support import cli
from tests.support.ledgers import new_ledger, sqlite_url
from tests.support.serving import (
    PATIENCE_S,
    PROGRAM,
    Town,
    call,
    environment,
    is_running,
    lines_of,
    refused,
    serving,
    size_of,
    strangers_verdict,
    until,
)

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

if not Path("/proc/self/task").is_dir():
    pytest.skip("this system does not show the children of a process", allow_module_level=True)

LATE_S = 5.0
"""How long a head may take on a machine that does other things too; the goal is one second."""


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


@contextmanager
def witnesses(town: Town, count: int) -> Iterator[list[str]]:
    """Serve other ledgers that witness the town; give the witness lines of a policy."""
    lines = []
    with ExitStack() as stack:
        for number in range(count):
            folder = town.folder / f"w{number}"
            folder.mkdir()
            url = sqlite_url(folder)
            new_ledger(url, f"w{number}").close()
            name = f"w{number}.example.net/witness"
            vkey = cli.run("keys", "witness", name, folder / "witness.key").stdout.strip()
            logs = folder / "logs"
            logs.write_text("".join(f"{each}\n" for each in town.vkeys))
            config = folder / "mobilegrid.toml"
            config.write_text(
                f'[ledger]\nurl = "{url}"\n[witness]\nlogs_file = "{logs}"\n'
                f'key_file = "{folder / "witness.key"}"\n'
            )
            server = stack.enter_context(
                serving(folder, "api", "--doors", "log", "--config", config)
            )
            lines.append(f"witness w{number} {vkey} http://127.0.0.1:{server.port}/log/witness")
        yield lines


def with_policy(town: Town, lines: list[str]) -> Path:
    """Let the town ask these witnesses, all of whom must cosign."""
    names = " ".join(line.split()[1] for line in lines)
    policy = town.folder / "policy"
    text = "".join(f"{line}\n" for line in (*lines, f"group all all {names}", "quorum all"))
    policy.write_text(town.log_lines + text)
    with town.config.open("a") as config:
        config.write(f'\n[witness]\npolicy_file = "{policy}"\n')
    return policy


def test_two_devices_sign_two_witnesses_cosign_and_a_stranger_verifies(town: Town) -> None:
    with witnesses(town, 2) as lines:
        policy = with_policy(town, lines)
        with serving(town.folder, "all", "--config", town.config) as server:
            first = server.note_over(1, 5)  # two devices, their post-quantum line, two witnesses
            old = town.folder / "old"
            old.write_bytes(first)
            size = town.write(0, 20)
            server.note_over(size, 2, LATE_S)
            note = server.note_over(size, 4)
            signed_by = {line.split("+")[0] for line in lines_of(note)}
            assert signed_by >= {"w0.example.net/witness", "w1.example.net/witness"}
            assert lines_of(note)[:2] == lines_of(first)[:2]
            assert server.http.get("/log/town/policy").text == policy.read_text()
            newest = town.folder / "newest"
            newest.write_bytes(note)
            code, said = strangers_verdict("note", newest, "--policy", policy)
            assert (code, "VERIFIED" in said) == (0, True), said
            # a command signs beside the server, in its turn, and exports what is signed
            tiles = town.folder / "tiles"
            exported = call("export", "log", tiles, "--config", town.config)
            assert exported.returncode == 0, exported.stderr
            (tiles / "checkpoint").write_bytes(note)
            code, said = strangers_verdict("tiles", tiles, "--policy", policy, "--since", old)
            assert (code, "VERIFIED" in said) == (0, True), said
            doctor = call("doctor", "--config", town.config)
            assert doctor.returncode == 0, doctor.stdout + doctor.stderr
            assert "devices a up, b up" in doctor.stdout
            assert late_us(town) < LATE_S * SECOND


def late_us(town: Town) -> int:
    """The longest time between an entry and the first checkpoint that covers it."""
    (found,) = town.rows(
        "SELECT max((SELECT min(signed_at) FROM checkpoint WHERE size > position) - recorded_at) "
        "FROM entry WHERE position > 0"
    )
    assert isinstance(found[0], int)
    return found[0]


def test_a_signer_killed_in_the_middle_comes_back_and_never_signs_two_roots(town: Town) -> None:
    kills = 0
    with serving(town.folder, "all", "--config", town.config) as server:
        server.note_over(1, 2)
        size = 0
        for number, line in enumerate(town.writing(0, 300)):
            size = int(line)
            if number % 100 == 50:
                until(lambda: server.said().count("runs again"), kills.__eq__)
                server.note_over(size, 2)
            elif number % 100 == 70:  # some entries wait for a signature, more will
                os.kill(server.signer(), signal.SIGKILL)
                kills += 1
        server.note_over(size, 2)
        assert server.said().count("The signer ended with code -9") == kills == 3
        assert "ALARM" not in server.said()
    stored = town.rows("SELECT size, root FROM checkpoint")
    bound = town.rows("SELECT size, root FROM head", town.keys / "signer.db")
    assert len({head[0] for head in bound}) == len(bound) >= len(stored) > kills
    assert set(stored) <= set(bound)
    assert late_us(town) < MINUTE
    verified = call("verify", "--config", town.config)
    assert verified.returncode == 0, verified.stderr


def test_with_one_device_away_a_head_has_one_line_fewer_and_is_still_signed(town: Town) -> None:
    device = town.device("b")
    away = device.with_suffix(".away")
    with serving(town.folder, "all", "--config", town.config) as server:
        both = lines_of(server.note_over(1, 3))
        device.rename(away)
        for driver in server.children(server.signer()):
            os.kill(driver, signal.SIGKILL)
        one = server.note_over(town.write(0, 3), 1)
        assert lines_of(one) == both[:1]
        code, said = strangers_verdict("note", _file(town, one), "--policy", town.policy)
        assert (code, "VERIFIED" in said) == (0, True), said
        away.rename(device)
        numbers = iter(range(3, 1_000))

        def again() -> list[str]:
            number = next(numbers)
            return lines_of(server.note_over(town.write(number, number + 1), 1))

        assert until(again, lambda lines: len(lines) == 2) == both[:2]


def _file(town: Town, note: bytes) -> Path:
    file = town.folder / "note"
    file.write_bytes(note)
    return file


def test_a_database_set_back_or_rewritten_is_not_served(town: Town) -> None:
    backup, whole = town.folder / "backup.db", town.folder / "whole.db"
    with serving(town.folder, "all", "--config", town.config) as server:
        server.note_over(town.write(0, 3), 2)
        town.copy_to(backup)
        server.note_over(town.write(3, 6), 2)
        old = _file(town, server.note())
    town.copy_to(whole)

    town.put_back(backup)  # an older state
    code, said = refused("--config", town.config)
    assert (code, "but only 4 are here" in said) == (3, True), said
    town.write(100, 110)  # another history, longer than what was signed
    code, said = refused("--config", town.config)
    assert (code, "signed another root for the first 7 entries" in said) == (3, True), said
    signs = call("checkpoint", "--publish", "--config", town.config)
    assert signs.returncode == 4, signs.stderr  # no signer runs

    # an insider with the devices and a fresh state has the other history signed
    (town.keys / "signer.db").rename(town.folder / "signer.db.kept")
    assert call("keys", "state", "--config", town.config).returncode == 0
    tiles = town.folder / "tiles"
    with signing(town):
        exported = call("export", "log", tiles, "--config", town.config)
        assert exported.returncode == 0, exported.stderr
    assert strangers_verdict("tiles", tiles, "--policy", town.policy)[0] == 0
    code, said = strangers_verdict("tiles", tiles, "--policy", town.policy, "--since", old)
    assert (code, "VERIFIED" in said) == (3, False), said

    town.put_back(whole)  # the true state, under the true signer's memory
    (town.folder / "signer.db.kept").replace(town.keys / "signer.db")
    with serving(town.folder, "all", "--config", town.config) as server:
        assert size_of(server.note_over(7, 2)) == 7


@contextmanager
def signing(town: Town) -> Iterator[None]:
    """Run the signer alone."""
    words = [*PROGRAM, "serve", "signer", "--config", str(town.config)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Signing for log.example.net/log/town")
        yield
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def test_commands_use_the_running_signer_and_never_a_key_in_a_file(town: Town) -> None:
    with signing(town):
        signed = call("checkpoint", "--publish", "--config", town.config)
        assert (signed.returncode, signed.stdout.count("\n— ")) == (0, 3), signed.stderr
        proof = town.folder / "0.tlog-proof"
        assert call("prove", "0", "--out", proof, "--config", town.config).returncode == 0
        assert call("verify", proof, "--config", town.config).returncode == 0
        person = town.folder / "person.json"
        person.write_text('{"contact": {"email": "ada@example.net"}}')
        made = call("subject", "register", person, "--country", "FR", "--json",
                    "--config", town.config)  # fmt: skip
        assert made.returncode == 0, made.stderr
        subject = made.stdout.split('"subject":"')[1].split('"')[0]
        shown = call("subject", "show", subject, "--config", town.config)
        assert "email" in shown.stdout
        certificate = town.folder / "certificate.jws"
        erased = call("subject", "erase", subject, "--certificate", certificate,
                      "--config", town.config)  # fmt: skip
        assert erased.returncode == 0, erased.stderr
        code, said = strangers_verdict("document", certificate, "--keys", town.keys / "keys.json")
        assert (code, "VERIFIED" in said) == (0, True), said
    assert not list(town.folder.glob("*.key"))
    assert not list(town.folder.glob("*.vault-key"))


def test_a_worker_signs_for_doors_in_another_process(town: Town) -> None:
    words = [*PROGRAM, "serve", "worker", "--config", str(town.config)]
    with (
        signing(town),
        serving(town.folder, "api", "--doors", "log", "--config", town.config) as server,
        subprocess.Popen(words, stderr=subprocess.PIPE, env=environment()) as worker,
    ):
        server.note_over(town.write(0, 2), 2)
        worker.terminate()
        assert worker.wait(PATIENCE_S) == 0
        socket = town.keys / "signer.sock"
        arguments = ("api", "--doors", "log", "--ledger", town.url, "--signer", socket)
        keys = town.folder / "vkeys"
        keys.write_text("".join(f"{each}\n" for each in town.vkeys))
        more = {"MOBILEGRID_DOORS__KEYS_FILE": str(keys)}
        with serving(town.folder, *arguments, more=more) as signed:
            signed.note_over(town.write(2, 4), 2)


def test_commands_that_sign_beside_the_server_take_turns_with_it(town: Town) -> None:
    words = [*PROGRAM, "checkpoint", "--publish", "--config", str(town.config)]
    with serving(town.folder, "all", "--config", town.config) as server:
        server.note_over(1, 2)
        size, running = 1, []
        for number, line in enumerate(town.writing(0, 200)):
            size = int(line)
            if number % 40 == 0:
                running.append(
                    subprocess.Popen(words, stdout=subprocess.DEVNULL, env=environment())
                )
            if number % 40 == 39:  # the commands have begun by now, or will with the next ones
                server.note_over(size, 2)
        assert [each.wait(PATIENCE_S) for each in running] == [0] * 5
        server.note_over(size, 2)
        assert "ALARM" not in server.said()
        assert call("doctor", "--config", town.config).returncode == 0


def test_a_log_begins_once_with_its_first_checkpoint(town: Town) -> None:
    words = ("db", "create", "--ledger-id", "town", "--config", town.config, "--origin")
    first, second = (f"sqlite:///{town.folder / name}" for name in ("first.db", "second.db"))
    with signing(town):
        other = call(*words, "log.example.net/log/other", "--ledger", first)
        assert (other.returncode, "the signer signs for" in other.stderr) == (2, True), other.stderr
        made = call(*words, "log.example.net/log/town", "--ledger", first)
        assert (made.returncode, "over 1 entries" in made.stdout) == (0, True), made.stderr
        again = call(*words, "log.example.net/log/town", "--ledger", second)
        assert (again.returncode, "already" in again.stderr) == (3, True), again.stderr
    assert not (town.folder / "second.db").exists()


def test_without_devices_the_key_in_a_file_signs_in_a_process_of_its_own(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    new_ledger(url, "town").close()
    with serving(tmp_path, "all", "--ledger", url) as server:
        note = server.note_over(1, 1)
        signer = server.signer()
        assert "WARNING" in server.said()
        by_hand = call("checkpoint", "--publish", "--ledger", url)
        assert by_hand.stdout.encode() == note
        second = refused("--ledger", url)  # while the first one runs
        assert (second[0], "another signer" in second[1]) == (2, True), second
    assert not is_running(signer)
    with serving(tmp_path, "all", "--ledger", url, ends_with=-signal.SIGKILL) as server:
        signer = server.signer()
        server.process.kill()
        until(lambda: is_running(signer), lambda runs: not runs)
    with serving(tmp_path, "all", "--ledger", url) as server:
        assert server.note_over(1, 1) == note


def test_two_officers_confirm_the_clock_and_one_is_not_enough(town: Town) -> None:
    officers = [f"--officer-key={name}={town.keys / name}.key" for name in ("ada", "grace")]
    words = ("keys", "confirm", "clock", "--reason", "the machine slept", "--config", town.config)
    with signing(town):
        alone = call(*words, officers[0])
        assert (alone.returncode, "two known officers" in alone.stderr) == (1, True), alone.stderr
        both = call(*words, *officers)
        assert (both.returncode, both.stdout) == (0, "Confirmed: clock 0.\n"), both.stderr
        none = call(*words[:2], "block", *words[3:], *officers)
        assert (none.returncode, "another block" in none.stderr) == (1, True), none.stderr


@pytest.mark.parametrize(("kind", "code"), [("software", 2), ("simulator", 2)])
def test_production_refuses_keys_that_protect_nothing(town: Town, kind: str, code: int) -> None:
    env = {"MOBILEGRID_MODE": "production", "MOBILEGRID_SIGNER__KIND": kind}
    for words in (("serve", "all"), ("serve", "signer"), ("serve", "worker")):
        found = cli.run(*words, "--config", town.config, env=env)
        assert (found.exit_code, "production" in found.output) == (code, True), found.output
