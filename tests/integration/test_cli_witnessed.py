"""`verify FILE` under a policy that wants witnesses."""

import msgspec
import pytest

from ledger.tlog.bundle import parse_proof
from ledger.tlog.note import Signature, format_lines, format_vkey, parse_note
from ledger.tlog.witness import add_lines
from tests.support.cli import answer, error, run
from tests.support.logs import VKEY
from tests.support.town import PACK
from tests.support.witnesses import cosigner

WITNESSES = [cosigner(number) for number in range(3)]


def policy_for(vkey: str, *rules: str) -> str:
    lines = [f"log {vkey}"]
    lines += [f"witness W{n} {format_vkey(each.key)}" for n, each in enumerate(WITNESSES)]
    return "".join(f"{line}\n" for line in (*lines, *rules))


def cosigned(note: bytes, *numbers: int) -> bytes:
    """Add the lines of some witnesses to a checkpoint."""
    text = parse_note(note).text
    lines = [
        Signature(each.key.name, each.key.key_id, each.sign(text))
        for each in (WITNESSES[number] for number in numbers)
    ]
    return add_lines(note, format_lines(lines)) if lines else note


def witnessed(data: bytes, *numbers: int) -> bytes:
    """Put the lines of some witnesses into the checkpoint of a proof file."""
    note = parse_proof(data).note
    return data.replace(note, cosigned(note, *numbers))


@pytest.mark.parametrize(
    ("rules", "numbers", "is_met"),
    [
        (("quorum none",), (), True),
        (("quorum W1",), (1,), True),
        (("quorum W1",), (0, 2), False),
        (("group g 2 W0 W1 W2", "quorum g"), (0, 2), True),
        (("group g 2 W0 W1 W2", "quorum g"), (2,), False),
        (("group g 2 W0 W1 W2", "quorum g"), (), False),
    ],
)
def test_a_proof_counts_when_the_quorum_of_the_policy_is_met(url, tmp_path, rules, numbers, is_met):
    file, policy = tmp_path / "a.tlog-proof", tmp_path / "policy"
    vkey = answer("prove", "5", "--out", file, ledger=url)["vkey"]
    policy.write_text(policy_for(vkey, *rules))
    file.write_bytes(witnessed(file.read_bytes(), *numbers))
    if is_met:
        shown = run("verify", file, "--policy", policy)
        assert shown.stdout.startswith("VERIFIED entry 5"), shown.output
        for number in numbers:
            assert WITNESSES[number].key.name in shown.stderr
    else:
        found = error("verify", file, "--policy", policy)
        assert (found["kind"], found["exit_code"]) == ("CheckpointInvalid", 3)
        assert "the quorum is not met" in found["message"]


def test_the_history_of_a_pack_counts_when_the_quorum_is_met(url, tmp_path):
    file, policy = tmp_path / "a.tlog-history", tmp_path / "policy"
    assert run("prove", PACK, "--out", file, ledger=url).exit_code == 0
    vkey = answer("checkpoint", "--publish", ledger=url)["vkey"]
    policy.write_text(policy_for(vkey, "group g all W0 W1", "quorum g"))
    found = error("verify", file, "--pack", PACK, "--policy", policy)
    assert "the quorum is not met" in found["message"]
    said = msgspec.json.decode(file.read_bytes())
    said["checkpoint"] = cosigned(said["checkpoint"].encode(), 0, 1).decode()
    file.write_bytes(msgspec.json.encode(said, order="sorted"))
    shown = run("verify", file, "--pack", PACK, "--policy", policy)
    assert shown.exit_code == 0, shown.output
    assert "Cosigned by w0.example.net, w1.example.net" in shown.stderr


def test_keys_given_beside_a_policy_are_further_logs_it_trusts(url, tmp_path):
    file, policy = tmp_path / "a.tlog-proof", tmp_path / "policy"
    vkey = answer("prove", "5", "--out", file, ledger=url)["vkey"]
    policy.write_text(policy_for(vkey, "quorum W0"))
    file.write_bytes(witnessed(file.read_bytes(), 0))
    for keys in (["--vkey", vkey], ["--vkey", VKEY]):
        assert run("verify", file, "--policy", policy, *keys).exit_code == 0
    policy.write_text(f"log {VKEY}\nquorum none\n")
    assert error("verify", file, "--policy", policy)["kind"] == "SignatureInvalid"
    assert run("verify", file, "--policy", policy, "--vkey", vkey).exit_code == 0
