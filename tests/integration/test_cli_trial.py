"""`keys trial`, `keys pin`, `keys state`, `keys witness`: from nothing to what signs a log."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.tlog.policy import parse_policy
from mobilegrid.keys_file import read_keys_file
from mobilegrid.settings import load_settings
from tests.support.cli import answer, run
from tests.support.ledgers import new_ledger, sqlite_url


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = sqlite_url(tmp_path)
    new_ledger(made).close()
    return made


def test_a_trial_makes_all_that_signs_a_log(url: str, tmp_path: Path) -> None:
    said = answer("keys", "trial", tmp_path / "keys", ledger=url)
    settings = load_settings(Path(said["settings"]), {})
    assert (settings.ledger.url, settings.signer.kind) == (url, "simulator")
    found = read_keys_file(Path(settings.signer.keys_file))
    labels = [key.label for key in found.keys]
    assert {"checkpoint-a", "checkpoint-b", "documents-a", "certificates-b"} <= set(labels)
    assert len({key.public_key for key in found.keys}) == len(labels) == 7
    policy = parse_policy((tmp_path / "keys" / "policy").read_bytes())
    assert {log.key for log in policy.logs} == set(found.log_keys())
    assert len(said["vkeys"]) == 3
    readable = [each.name for each in (tmp_path / "keys").iterdir() if each.suffix == ".pin"]
    assert sorted(readable) == ["a.pin", "b.pin"]
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_two_trials_share_no_key(url: str, tmp_path: Path) -> None:
    keys = []
    for name in ("one", "two"):
        assert run("keys", "trial", tmp_path / name, ledger=url).exit_code == 0
        keys.append({key.public_key for key in read_keys_file(tmp_path / name / "keys.toml").keys})
    assert not keys[0] & keys[1]


def test_the_file_of_keys_can_be_made_again_from_the_ceremony(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert run("keys", "trial", folder, ledger=url).exit_code == 0
    out = folder / "again.toml"
    made = run("keys", "pin", folder / "birth.toml", folder / "birth.jws", out)
    assert made.exit_code == 0, made.output
    ours, again = read_keys_file(folder / "keys.toml"), read_keys_file(out)
    assert replace(again, devices=()) == replace(ours, devices=())
    assert [each.module for each in again.devices] == [each.module for each in ours.devices]
    forged = folder / "forged.jws"
    forged.write_text((folder / "birth.jws").read_text().replace("eyJ", "eyK", 1))
    assert run("keys", "pin", folder / "birth.toml", forged, out).exit_code in {1, 3}


def test_the_key_that_signed_before_still_counts_and_devices_are_born_once(
    url: str, tmp_path: Path
) -> None:
    before = answer("checkpoint", "--publish", ledger=url)["vkey"]
    said = answer("keys", "trial", tmp_path / "keys", ledger=url)
    assert before in said["vkeys"]
    assert before in (tmp_path / "keys" / "policy").read_text()
    state = run("keys", "state", "--config", said["settings"])
    assert (state.exit_code, "born once" in state.output) == (2, True)


def test_a_trial_wants_an_empty_folder_a_ledger_and_no_production(url, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "is not empty" in run("keys", "trial", tmp_path / "full", ledger=url).output
    refused = run(
        "keys", "trial", tmp_path / "x", ledger=url, env={"MOBILEGRID_MODE": "production"}
    )
    assert refused.exit_code == 2
    assert run("keys", "trial", tmp_path / "x", ledger=f"{url}.none").exit_code == 1
    assert not (tmp_path / "x").exists()


def test_the_key_of_a_witness_is_made_once(tmp_path: Path) -> None:
    made = run("keys", "witness", "w.example.net", tmp_path / "w")
    assert made.stdout.startswith("w.example.net+")
    assert run("keys", "witness", "w.example.net", tmp_path / "w").exit_code == 2
