"""`prove PACK` and `verify FILE --pack`: the complete history of a pack on the command line."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ledger.domain.stays import ReportStay
from ledger.kernel.instants import HOUR
from ledger.runtime.ledger import Ledger
from tests.support.cli import answer, error, run
from tests.support.ledgers import asking
from tests.support.town import DRIVER, IMPORTER, MARCH, OPERATOR, PACK

MEMBERS = ["checkpoint", "entries", "map", "openings", "row", "t"]


def test_what_is_printed_is_the_file_and_holds_offline(url, tmp_path):
    shown = run("prove", PACK, ledger=url)
    assert shown.exit_code == 0, shown.output
    assert sorted(msgspec.json.decode(shown.stdout_bytes)) == MEMBERS
    vkey = shown.stderr.split("Verifier key: ")[1].strip()
    file = tmp_path / "pack.tlog-history"
    file.write_bytes(shown.stdout_bytes)
    (tmp_path / "town.db").unlink()
    found = answer("verify", file, "--pack", PACK, "--vkey", vkey)
    assert found["positions"] == [12, 17, 18, 19, 20, 24, 25, 26, 27]
    assert (found["as_of"], found["packs"], found["size"], found["later"]) == (37, 2, 38, [])
    said = run("verify", file, "--pack", PACK, "--vkey", vkey).stdout
    assert said.startswith(
        "VERIFIED the 9 entries below position 37 that name pack PK-1: all of them\n"
    )
    assert said.splitlines()[2].split(maxsplit=3)[::3] == ["12", "pack taken over"]


def test_a_history_is_written_to_a_file_and_checked_under_a_policy(url, tmp_path):
    file, policy = tmp_path / "p", tmp_path / "policy"
    proven = answer("prove", PACK, "--out", file, ledger=url)
    assert (proven["file"], len(proven["positions"])) == (str(file), 9)
    policy.write_text(f"log {proven['vkey']}\nquorum none\n")
    assert answer("verify", file, "--pack", PACK, "--policy", policy)["as_of"] == 37
    said = run("prove", PACK, "--out", file, ledger=url).stdout
    assert f"all of them in the log of 38 entries: {file}" in said
    assert f"mobilegrid verify {file} --pack PK-1 --vkey" in said
    printed = answer("prove", PACK, ledger=url)
    assert printed["proof"].encode() == file.read_bytes()


def test_a_map_is_made_only_when_the_newest_one_does_not_cover_the_pack(url):
    sizes = [answer("prove", pack, ledger=url)["as_of"] for pack in (PACK, PACK, "PK-2")]
    assert sizes == [37, 37, 37]
    assert answer("db", "status", ledger=url)["size"] == 38
    assert answer("verify", "--deep", ledger=url)["size"] == 38


def test_that_no_entry_names_a_pack_is_proven_when_it_is_asked_for(url, tmp_path):
    found = error("prove", "PK-15", ledger=url)
    assert (found["kind"], found["exit_code"]) == ("NotFound", 1)
    assert "--absent" in found["message"]
    assert answer("db", "status", ledger=url)["size"] == 37
    file = tmp_path / "p"
    proven = answer("prove", "PK-15", "--absent", "--out", file, ledger=url)
    assert proven["positions"] == []
    said = run("verify", file, "--pack", "PK-15", "--vkey", proven["vkey"]).stdout
    assert said.startswith("VERIFIED no entry below position 37 names pack PK-15\n")
    assert error("verify", file, "--pack", PACK, "--vkey", proven["vkey"])["exit_code"] == 3
    # a map of a minute ago will do when nothing came after it
    assert answer("prove", "PK-0", "--absent", ledger=url)["as_of"] == 37
    assert error("prove", PACK, "--absent", ledger=url)["field"] == "absent"


def test_a_history_that_does_not_hold_names_the_step(url, tmp_path):
    file = tmp_path / "p"
    vkey = answer("prove", PACK, "--out", file, ledger=url)["vkey"]
    held = msgspec.json.decode(file.read_bytes())
    whole = held["entries"]
    for entries, step in (
        (whole[:-1], "step 4"),
        (whole[1:], "step 4"),
        ([whole[1], whole[0], *whole[2:]], "step 5"),
        ([*whole[:7], whole[8], whole[7]], "step 6"),
    ):
        file.write_bytes(msgspec.json.encode(held | {"entries": entries}, order="sorted"))
        found = error("verify", file, "--pack", PACK, "--vkey", vkey)
        assert (found["kind"], found["exit_code"]) == ("ProofInvalid", 3)
        assert found["message"].startswith(step)
    file.write_bytes(b"{}")
    assert error("verify", file, "--pack", PACK, "--vkey", vkey)["kind"] == "Malformed"


@pytest.mark.parametrize(
    "words",
    [
        ("prove", "3", "--entries"),
        ("prove", "3", "--absent"),
        ("prove", PACK, "--entries", "--absent"),
        ("verify", "--pack", PACK),
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_wrong_usage(url, words):
    assert run(*words, ledger=url).exit_code == 2


def test_a_history_needs_a_pack_and_a_proof_of_one_entry_has_none(url, tmp_path):
    history, proof = tmp_path / "h", tmp_path / "p"
    vkey = answer("prove", PACK, "--out", history, ledger=url)["vkey"]
    answer("prove", "3", "--out", proof, ledger=url)
    assert run("verify", history, "--vkey", vkey).exit_code == 2
    assert run("verify", proof, "--pack", PACK, "--vkey", vkey).exit_code == 2
    assert answer("verify", proof, "--vkey", vkey)["position"] == 3


def one_more_stay(url: str) -> None:
    """Let the driver charge once more: one entry of the stay, four of the pack, the bill."""
    command = ReportStay(
        report_id="RP-9",
        network=OPERATOR,
        station_id="ST-1",
        slot="1",
        driver_id=DRIVER,
        pack_id=PACK,
        begin_at=MARCH + 90 * HOUR,
        received_at=MARCH + 96 * HOUR,
        seq=9,
        row_ref="rows#9",
        end_at=MARCH + 92 * HOUR,
        energy_wh=10_000,
        meter_id="MT-1",
    )
    with Ledger(url) as ledger:
        ledger.execute(asking(command, "one more", actor=IMPORTER))


def test_what_comes_less_than_a_minute_after_a_map_is_shown_as_later(url, tmp_path):
    file = tmp_path / "p"
    vkey = answer("prove", PACK, "--out", file, ledger=url)["vkey"]
    assert answer("verify", file, "--pack", PACK, "--vkey", vkey)["later"] == []
    one_more_stay(url)
    proven = answer("prove", PACK, "--out", file, ledger=url)
    assert (proven["as_of"], proven["later"]) == (37, [39, 40, 41, 42])
    said = run("verify", file, "--pack", PACK, "--vkey", vkey).stdout.splitlines()
    assert said[-5] == "later, completeness not proven:"
    assert [line.split()[0] for line in said[-4:]] == ["39", "40", "41", "42"]


def test_the_stranger_s_program_gives_the_same_verdict(url, tmp_path):
    file, policy = tmp_path / "p", tmp_path / "policy"
    program = Path(__file__).parents[2] / "mobilegrid" / "offline_verifier.py"
    for words in ((PACK,), ("PK-15", "--absent")):
        proven = answer("prove", *words, "--out", file, ledger=url)
        policy.write_text(f"log {proven['vkey']}\nquorum none\n")
        call = [sys.executable, "-I", program, "history", file, "--policy", policy, "--pack"]
        for pack in (words[0], "PK-2"):
            ours = run("verify", file, "--pack", pack, "--policy", policy).exit_code
            theirs = subprocess.run([*call, pack], capture_output=True, check=False).returncode
            assert theirs == ours == (0 if pack == words[0] else 3)
