"""Checkpoints, proofs and their checks on the command line; edits behind the ledger's back."""

import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest

from ledger.store.guards import sqlite_triggers
from tests.support.cli import answer, error, run
from tests.support.town import PACK


def edit(folder: Path, *statements: str) -> None:
    """Change the database as somebody with the file in his hands: guards off, edit, guards on."""
    connection = sqlite3.connect(folder / "town.db")
    for name in sqlite_triggers():
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for text in sqlite_triggers().values():
        connection.execute(text)
    connection.commit()
    connection.close()


# checkpoints


def test_a_checkpoint_is_signed_once_per_size(url):
    assert error("checkpoint", ledger=url)["kind"] == "NotFound"
    first = run("checkpoint", "--publish", ledger=url)
    assert first.exit_code == 0, first.output
    assert "Verifier key: log.example.net/log/town+" in first.stderr
    again = run("checkpoint", "--publish", ledger=url)
    assert first.stdout == again.stdout == run("checkpoint", ledger=url).stdout
    assert answer("db", "status", ledger=url)["checkpoint_size"] == 37
    assert "over 37 entries" in run("db", "status", ledger=url).stdout


def test_a_lost_key_is_not_silently_replaced(url, tmp_path):
    answer("checkpoint", "--publish", ledger=url)
    (tmp_path / "town.db.key").unlink()
    found = error("checkpoint", "--publish", ledger=url)
    assert found["exit_code"] == 2
    assert "did not sign" in found["message"]


# proofs


def test_a_proof_is_checked_offline_with_the_key_alone(url, tmp_path):
    file = tmp_path / "a.tlog-proof"
    proven = answer("prove", "19", "--out", file, ledger=url)
    assert proven["positions"] == [19]
    (tmp_path / "town.db").unlink()
    found = answer("verify", file, "--vkey", proven["vkey"])
    assert (found["position"], found["kind"], found["size"]) == (19, "charge_session_ended", 37)
    shown = run("verify", file, "--vkey", proven["vkey"]).stdout
    assert shown.startswith("VERIFIED entry 19: charge session ended")


def test_a_proof_without_a_file_is_printed(url, tmp_path):
    shown = run("prove", "0", ledger=url)
    assert shown.stdout.startswith("c2sp.org/tlog-proof@v1\n")
    file = tmp_path / "x"
    file.write_text(shown.stdout)
    vkey = answer("prove", "0", ledger=url)["vkey"]
    assert answer("verify", file, "--vkey", vkey)["position"] == 0


def test_a_pack_gets_a_proof_for_each_of_its_entries(url, tmp_path):
    proven = answer("prove", PACK, "--entries", "--out", tmp_path / "proofs", ledger=url)
    assert proven["chain_checked"]
    assert len(proven["files"]) == len(proven["positions"]) == 9
    policy = tmp_path / "policy"
    policy.write_text(
        f"# whom I trust\nlog {proven['vkey']} https://log.example.net\nquorum none\n"
    )
    for file, position in zip(proven["files"], proven["positions"], strict=True):
        assert answer("verify", file, "--policy", policy)["position"] == position
    trusted = run("verify", file, env={"MOBILEGRID_VERIFY__POLICY_FILE": str(policy)})
    assert trusted.exit_code == 0
    shown = run("prove", PACK, "--entries", "--out", tmp_path / "p", ledger=url)
    assert "9 entries of pack PK-1" in shown.stdout


def test_nothing_is_signed_for_what_is_not_there(url, tmp_path):
    assert error("prove", "37", ledger=url)["kind"] == "NotFound"
    assert error("prove", "PK-99", ledger=url)["kind"] == "NotFound"
    assert not (tmp_path / "town.db.key").exists()
    for more in ((), ("--entries",)):
        out = tmp_path / "town.db" / "x"
        assert error("prove", PACK, *more, "--out", out, ledger=url)["exit_code"] == 4


def test_evidence_that_does_not_hold_exits_with_3(url, tmp_path):
    file = tmp_path / "a"
    vkey = answer("prove", "5", "--out", file, ledger=url)["vkey"]
    data = file.read_bytes()
    other_key = "log.example.net/log/town+00000000+AQ=="
    for damaged, kind, code in (
        (data.replace(b"index 5", b"index 6"), "ProofInvalid", 3),
        (data.replace(b"index 5", b"index 99"), "ProofInvalid", 3),
        (data.replace(b"\n37\n", b"\n38\n"), "SignatureInvalid", 3),
        (b"", "Malformed", 1),
        (data[:-1], "Malformed", 1),
    ):
        file.write_bytes(damaged)
        found = error("verify", file, "--vkey", vkey)
        assert (found["kind"], found["exit_code"]) == (kind, code)
    file.write_bytes(data)
    assert error("verify", file, "--vkey", other_key)["kind"] == "Malformed"
    assert error("verify", file)["kind"] == "Misconfigured"
    assert error("verify", tmp_path / "gone", "--vkey", vkey)["kind"] == "NotFound"
    assert run("verify", file, "--deep").exit_code == 2
    assert run("verify", "--vkey", vkey, ledger=url).exit_code == 2


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("quorum none\n", "Malformed"),
        ("log {vkey}\n", "Malformed"),
        ("log {vkey}\nlog {vkey}\nquorum none\n", "Malformed"),
        ("log {vkey}\nquorum none\nquorum none\n", "Malformed"),
        ("log\nquorum none\n", "Malformed"),
        ("log {vkey} url more\nquorum none\n", "Malformed"),
        ("trust {vkey}\nquorum none\n", "Malformed"),
        ("log {vkey}\nwitness w {vkey}\nquorum w\n", "Malformed"),
        ("log {vkey}\nquorum w\n", "Malformed"),
    ],
)
def test_a_policy_that_cannot_be_followed_is_refused(url, tmp_path, text, kind):
    file, policy = tmp_path / "a", tmp_path / "policy"
    vkey = answer("prove", "5", "--out", file, ledger=url)["vkey"]
    policy.write_text(text.format(vkey=vkey))
    assert error("verify", file, "--policy", policy)["kind"] == kind
    policy.write_bytes(b"\xff")
    assert error("verify", file, "--policy", policy)["kind"] == "Malformed"
    policy.write_bytes(b"#" * 70_000)
    assert error("verify", file, "--policy", policy)["kind"] == "Malformed"


# edits behind the ledger's back


def test_a_sound_ledger_is_verified(url):
    answer("checkpoint", "--publish", ledger=url)
    found = answer("verify", ledger=url)
    assert (found["size"], found["checkpoint_size"], found["deep"]) == (37, 37, False)
    assert "every rule replayed" in run("verify", "--deep", ledger=url).stdout


EDITS = {
    "a byte of an entry": (
        """UPDATE entry SET bytes = CAST(replace(CAST(bytes AS TEXT), '20000', '20001') AS BLOB)
        WHERE position = 19""",
        19,
    ),
    "an entry taken out": ("DELETE FROM entry WHERE position = 7", 7),
    "an entry put on top": (
        """INSERT INTO entry SELECT log_id, 37, kind, recorded_at, occurred_at, bytes FROM entry
        WHERE position = 36""",
        37,
    ),
    "a balance": ("UPDATE balance SET quantity = quantity + 1 WHERE commodity = 'EUR'", None),
    "a posting": ("DELETE FROM posting WHERE commodity = 'EUR' AND quantity > 0", None),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_behind_the_back_is_found_and_named(url, tmp_path, name):
    statement, position = EDITS[name]
    edit(tmp_path, statement)
    found = error("verify", ledger=url)
    assert found["exit_code"] == 3
    if position is not None:
        assert found["position"] == position


def test_a_view_that_was_edited_is_found_by_the_deep_look_and_mended(url, tmp_path):
    edit(tmp_path, "UPDATE view_packs SET position = position + 1 WHERE key = 'PK-1'")
    assert answer("verify", ledger=url)
    assert "view_packs" in error("verify", "--deep", ledger=url)["message"]
    done = {
        view["view"]: view["mended"] for view in answer("rebuild", "packs", ledger=url)["views"]
    }
    assert done == {"packs": 1}
    assert answer("verify", "--deep", ledger=url)


def test_an_edited_tail_keeps_the_ledger_shut(url, tmp_path):
    edit(tmp_path, EDITS["a byte of an entry"][0])
    for command in (("history", PACK), ("balance",), ("prove", "3"), ("rebuild",)):
        assert error(*command, ledger=url)["exit_code"] == 3
    checks = msgspec.json.decode(run("doctor", "--json", ledger=url).stdout)["checks"]
    assert [each["name"] for each in checks if not each["ok"]] == ["newest entries and head"]


def test_a_guard_that_is_gone_is_named(url, tmp_path):
    connection = sqlite3.connect(tmp_path / "town.db")
    connection.execute("DROP TRIGGER entry_no_delete")
    connection.commit()
    connection.close()
    assert "entry_no_delete" in error("verify", ledger=url)["message"]
    assert "entry_no_delete" in error("db", "check", ledger=url)["message"]
    assert error("balance", ledger=url)["exit_code"] == 3


def test_a_log_that_is_older_than_its_checkpoint_is_evidence(url, tmp_path):
    answer("checkpoint", "--publish", ledger=url)
    edit(
        tmp_path,
        "UPDATE checkpoint SET size = 99, note = CAST(replace(CAST(note AS TEXT), "
        "char(10) || '37' || char(10), char(10) || '99' || char(10)) AS BLOB)",
    )
    for command in (("verify",), ("checkpoint", "--publish"), ("doctor",)):
        assert error(*command, ledger=url)["exit_code"] == 3


def test_a_checkpoint_of_another_root_or_log_is_evidence(url, tmp_path):
    answer("checkpoint", "--publish", ledger=url)
    for old, new in (("town", "tawn"), ("— log", "- log")):
        shutil.copy(tmp_path / "town.db", tmp_path / "kept.db")
        edit(
            tmp_path,
            f"UPDATE checkpoint SET note = CAST(replace(CAST(note AS TEXT), '{old}', "
            f"'{new}') AS BLOB)",
        )
        found = error("verify", ledger=url)
        assert (found["kind"], found["exit_code"]) == ("CheckpointInvalid", 3)
        shutil.copy(tmp_path / "kept.db", tmp_path / "town.db")
