"""`mobilegrid keys`: a ceremony at the terminal, from simulated devices to the transcript."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from ledger.signer.ceremony import verify_transcript
from ledger.signer.ceremony_plan import read_plan
from mobilegrid.cli.main import main
from tests.support import cli
from tests.support.ledgers import sqlite_url

EXAMPLE = Path(__file__).parents[2] / "examples" / "ceremony.toml"
PARTS = ["11" * 32, "22" * 32]


def run(*words: str | Path, given: list[str] | None = None, mode: str = "development") -> Result:
    """Run a command, with what a person types into it."""
    typed = "".join(f"{line}\n" for line in given or [])
    environ = {"MOBILEGRID_MODE": mode}
    return CliRunner().invoke(main, ["keys", *map(str, words)], input=typed, env=environ)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Make devices and officers, and put their keys into the example's plan."""
    text = EXAMPLE.read_text(encoding="utf-8")
    for letter in "ab":
        device = tmp_path / f"{letter}.device"
        made = run("simulate", device, "--label", f"mobilegrid-{letter}",
                   given=["12345678", "123456"])  # fmt: skip
        assert made.exit_code == 0, made.output
        text = text.replace(f"sim:{letter}.device", f"sim:{device}")
    for officer in ("ada", "grace"):
        made = run("officer", officer, tmp_path / f"{officer}.key")
        assert made.exit_code == 0, made.output
        head, tail = text.split(f'name = "{officer}"', 1)
        old = tail.split('public_key = "')[1][:64]
        text = f'{head}name = "{officer}"{tail.replace(old, made.stdout.strip(), 1)}'
    file = tmp_path / "birth.toml"
    file.write_text(text, encoding="utf-8")
    return file


def ceremony(
    plan: Path, given: list[str], mode: str = "development", more: tuple[str, ...] = ()
) -> Result:
    folder = plan.parent
    keys = [f"--officer-key={name}={folder / name}.key" for name in ("ada", "grace")]
    transcript = folder / "birth.jws"
    words = (*keys, "--transcript", str(transcript), *more)
    return run("ceremony", plan, *words, given=given, mode=mode)


@pytest.mark.slow
def test_a_birth_is_held_at_the_terminal_and_its_keys_are_listed(plan: Path) -> None:
    yes = ["y"] * 2
    typed = ["123456", "123456", *yes * 10, *PARTS, *yes * 2]
    held = ceremony(plan, typed)
    assert held.exit_code == 0, held.output
    assert "complete" in held.stdout
    assert "123456" not in held.output
    assert PARTS[0] not in held.output
    transcript = plan.with_suffix(".jws").read_bytes()
    document = verify_transcript(transcript, read_plan(plan.read_bytes()))
    assert msgspec.json.decode(document.payload)["outcome"] == "complete"
    listed = run("list", plan, "--json", given=["123456", "123456"])
    held_keys = {(key["device"], key["label"]) for key in msgspec.json.decode(listed.stdout)}
    assert held_keys >= {("a", "checkpoint-a"), ("b", "checkpoint-b"), ("b", "pii-kek-1")}
    again = ceremony(plan, typed)
    assert (again.exit_code, "already" in again.output) == (4, True)


@pytest.mark.slow
def test_a_ceremony_that_is_stopped_says_where_and_leaves_a_signed_transcript(plan: Path) -> None:
    held = ceremony(plan, ["123456", "123456", "y", "n"])
    assert held.exit_code == 4
    assert "stopped at step 1: not confirmed by grace" in held.output
    verify_transcript(plan.with_suffix(".jws").read_bytes(), read_plan(plan.read_bytes()))


def test_an_officer_without_a_key_is_asked_for_it_first(plan: Path) -> None:
    held = run("ceremony", plan, "--transcript", plan.with_suffix(".jws"))
    assert held.exit_code == 2
    assert "--officer-key ada=FILE is missing" in held.output


def test_an_officers_key_must_be_the_one_of_the_file(plan: Path) -> None:
    (plan.parent / "ada.key").unlink()
    assert run("officer", "ada", plan.parent / "ada.key").exit_code == 0
    held = ceremony(plan, [])
    assert held.exit_code == 2
    assert "not the key named in" in held.output


def test_simulated_devices_are_refused_in_production(plan: Path, tmp_path: Path) -> None:
    assert ceremony(plan, ["123456", "123456"], mode="production").exit_code == 2
    made = run("simulate", tmp_path / "c.device", "--label", "c", mode="production")
    assert made.exit_code == 2
    assert not (tmp_path / "c.device").exists()


def test_a_file_that_is_no_plan_is_refused_by_field(plan: Path) -> None:
    plan.write_text(plan.read_text(encoding="utf-8").replace('"birth"', '"party"'))
    held = ceremony(plan, [])
    assert held.exit_code == 1
    assert "kind" in held.output


@pytest.mark.slow
def test_a_ceremony_is_written_into_the_log_at_once_when_two_persons_are_named(plan: Path) -> None:
    origin = read_plan(plan.read_bytes()).origin
    url = sqlite_url(plan.parent)
    made = ("db", "create", "--ledger-id", "town", "--origin", origin)
    assert cli.run(*made, ledger=url).exit_code == 0
    more = ("--ledger", url, "--by", "OF-1", "--second", "OF-2")
    held = ceremony(plan, ["123456", "123456", "y", "n"], more=more)
    assert held.exit_code == 4  # it stopped, and that is written down too
    assert "In the log: 1" in held.output
    listed = cli.answer("keys", "announced", ledger=url)
    assert listed["keys"] == []
    (told,) = listed["ceremonies"]
    assert told["outcome"] == "stopped at step 1: not confirmed by grace"
