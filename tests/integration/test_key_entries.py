"""The log's own keys in the log: ceremonies, announcements, revocations, and who reads them."""

import shutil
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.domain.log_keys import REVOKED, RetireLogKey, RevokeLogKey
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import TamperEvidence
from ledger.kernel.instants import DAY
from ledger.runtime.key_history import announced_keys, announced_vkeys, held_ceremonies
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.verify import verify
from ledger.signer import ceremony as ceremonies
from ledger.signer.ceremony_plan import read_plan
from ledger.signer.software import load_key
from ledger.tlog.note import Ed25519Signer, VerifierKey, format_vkey
from mobilegrid.key_entries import commands_of
from tests.support.cli import answer, error, run
from tests.support.ledgers import asking, new_ledger, party, sqlite_url
from tests.support.town import IMPORTER
from tests.unit.domain.test_log_keys import announcing

PERSONS = ("--by", "OF-1", "--second", "OF-2")
ENGINEER = msgspec.structs.replace(IMPORTER, role="engineer")


@pytest.fixture(scope="module")
def born(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger and two simulated devices whose keys were born in a ceremony."""
    folder = tmp_path_factory.mktemp("born")
    url = sqlite_url(folder)
    new_ledger(url, "town").close()
    assert run("keys", "trial", folder / "keys", ledger=url).exit_code == 0
    return folder


@pytest.fixture
def url(born: Path, tmp_path: Path) -> str:
    shutil.copy(born / "town.db", tmp_path / "town.db")
    return sqlite_url(tmp_path)


def files(born: Path) -> tuple[Path, Path]:
    return born / "keys" / "birth.toml", born / "keys" / "birth.jws"


def test_a_birth_is_written_down_with_every_key_and_only_once(born: Path, url: str) -> None:
    assert "No key" in run("keys", "announced", ledger=url).stdout
    written = answer("keys", "record", *files(born), *PERSONS, ledger=url)
    assert len(written["positions"]) == 8  # the ceremony, six keys of devices, one in software
    again = answer("keys", "record", *files(born), *PERSONS, ledger=url)
    assert again["positions"] == []
    listed = answer("keys", "announced", ledger=url)
    pinned = (born / "keys" / "keys.toml").read_text()
    assert all(key["key_id"] for key in listed["keys"])
    labels = [key["label"] for key in listed["keys"]]
    assert labels[:2] == ["checkpoint-a", "checkpoint-b"]
    assert all(f'label = "{label}"' in pinned for label in labels)
    assert listed["ceremonies"][0]["held_for"] == "birth"
    with Ledger(url) as ledger, ledger.reading() as reads:
        policy = (born / "keys" / "policy").read_text()
        vkeys = announced_vkeys(reads)
        assert sorted(vkeys) == sorted(
            line.split()[1] for line in policy.splitlines() if line.startswith("log")
        )
        assert [key.purpose for key in announced_keys(reads, "documents")] == ["documents"] * 2
        assert [each.ceremony_id for each in held_ceremonies(reads)] == ["trial"]
        assert verify(reads, deep=True).size == 9


def test_a_ceremony_of_another_log_or_another_plan_is_not_written_down(
    born: Path, url: str, tmp_path: Path
) -> None:
    plan, transcript = files(born)
    other = sqlite_url(tmp_path, "other.db")
    new_ledger(other, "other").close()
    found = error("keys", "record", plan, transcript, *PERSONS, ledger=other)
    assert (found["kind"], "was held for" in found["message"]) == ("Misconfigured", True)
    stranger = tmp_path / "birth.jws"
    line, other_line = transcript.read_text().splitlines()
    stranger.write_text(f"{line}\n{line}\n")
    assert error("keys", "record", plan, stranger, *PERSONS, ledger=url)["exit_code"] == 3
    stranger.write_text(f"{other_line}\n")
    assert error("keys", "record", plan, stranger, *PERSONS, ledger=url)["exit_code"] == 1
    alone = run("keys", "record", plan, transcript, "--by", "OF-1", ledger=url)
    assert alone.exit_code == 2


def rotation(born: Path, kind: str, steps: str) -> tuple[bytes, bytes]:
    """Give plan and transcript of another ceremony of the same officers; its steps succeed."""
    birth = read_plan(files(born)[0].read_bytes())
    head = files(born)[0].read_text().partition("[[steps]]")[0]
    text = head.replace('id = "trial"', f'id = "{kind}-1"').replace('"birth"', f'"{kind}"')
    data = f"{text}{steps}".encode()
    plan = read_plan(data)
    results = {
        "make-signing-key": {"public_key": "17" * 32, "key_id": "0" * 16},
        "announce": {"not_before": "2999-01-01T00:00:00Z", "vkey": ""},
    }
    taken = [
        {"number": number, "result": results.get(str(step.__struct_config__.tag), {})}
        for number, step in enumerate(plan.steps, 1)
    ]
    payload = canonical(
        {
            "began_at": 5,
            "checkpoint": {"origin": plan.origin, "root": "A" * 43 + "=", "size": 0},
            "document_id": f"ceremony-{plan.id}",
            "issued_at": 6,
            "outcome": "complete",
            "program_sha256": "1" * 64,
            "steps": taken,
        }
    )
    officers = _Officers(born, [each.name for each in birth.named_officers])
    return data, ceremonies._signed(plan, payload, officers)


class _Officers(ceremonies.Officers):
    def __init__(self, born: Path, names: list[str]) -> None:
        self._keys = {name: load_key(born / "keys" / f"{name}.key", name) for name in names}

    def confirm(self, officer: str, sentence: str) -> bool:
        pytest.fail(f"{officer} is asked only for a signature here")

    def part(self, officer: str, label: str) -> bytes:
        pytest.fail(f"{officer} is asked only for a signature here")

    def sign(self, officer: str, message: bytes) -> bytes:
        return self._keys[officer].sign(message)


def only_key(plan: bytes, transcript: bytes, now: int) -> Any:
    """Give the one command that follows the ceremony's own."""
    _, command = commands_of(plan, transcript, now)
    return command


def test_a_rotation_announces_its_key_ahead_and_a_retirement_ends_one(born: Path) -> None:
    made = '[[steps]]\ndo = "make-signing-key"\nlabel = "checkpoint-a-2"\ndevice = "a"\n'
    stated = (
        '[[steps]]\ndo = "announce"\nlabel = "checkpoint-a-2"\ndevice = "a"\n'
        f'public_key = "{"17" * 32}"\nnot_before_on = "2999-01-01"\n'
    )
    both = only_key(*rotation(born, "rotation", made + stated), now=100)
    assert (both.label, both.not_before) == ("checkpoint-a-2", 32_472_144_000_000_000)
    assert both.vkey
    documents = made.replace("checkpoint-a-2", "documents-a-2")
    later = only_key(*rotation(born, "rotation", documents), now=100)
    assert (later.purpose, later.not_before, later.vkey) == ("documents", 100 + 7 * DAY, "")
    stranger = made.replace("checkpoint-a-2", "station-7")
    assert len(commands_of(*rotation(born, "rotation", stranger), now=100)) == 1
    ended = '[[steps]]\ndo = "retire-key"\ndevice = "a"\nkey_id = "0123456789abcdef"\n'
    retired = only_key(*rotation(born, "retirement", ended), now=100)
    assert retired == RetireLogKey(key_id="0123456789abcdef", ceremony_id="retirement-1")
    gone = '[[steps]]\ndo = "destroy-key"\ndevice = "a"\nkey_id = "0123456789abcdef"\n'
    destroyed = only_key(*rotation(born, "destruction", gone), now=100)
    assert destroyed.key_id == "0123456789abcdef"
    secret = '[[steps]]\ndo = "destroy-key"\nlabel = "pii-kek-1"\n'
    assert len(commands_of(*rotation(born, "destruction", secret), now=100)) == 1


def test_a_key_is_revoked_at_the_command_line(born: Path, url: str) -> None:
    answer("keys", "record", *files(born), *PERSONS, ledger=url)
    key_id = answer("keys", "announced", ledger=url)["keys"][0]["key_id"]
    words = ("keys", "revoke", key_id, "--reason", "copied", *PERSONS)
    far = error(*words, "--last-trusted-size", "99", ledger=url)
    assert (far["kind"], "9 entries" in far["message"]) == ("Malformed", True)
    answer(*words, "--last-trusted-size", "5", ledger=url)
    assert f"{key_id}  {REVOKED}" in run("keys", "announced", ledger=url).stdout
    unknown = error("keys", "revoke", "0" * 16, "--reason", "lost", "--last-trusted-size", "1",
                    *PERSONS, ledger=url)  # fmt: skip
    assert unknown["kind"] == "Refused"


def test_a_checkpoint_that_rests_on_a_revoked_key_alone_is_evidence(url: str) -> None:
    with Ledger(url) as ledger:
        origin = ledger.name.origin
        signer = Ed25519Signer(origin, bytes(32))
        raw = signer.key.public_key
        vkey = format_vkey(VerifierKey(origin, 1, raw))
        key_id = sha256(raw).hexdigest()[:16]
        announced = msgspec.structs.replace(
            announcing(1), key_id=key_id, public_key=b64encode(raw).decode(), vkey=vkey
        )
        accepted(ledger.execute(asking(announced, "announce", actor=ENGINEER)))
        sign_checkpoint(ledger, signer, 1)
        accepted(ledger.execute(party(1)))
        sign_checkpoint(ledger, signer, 2)
        revoked = RevokeLogKey(key_id=key_id, last_trusted_size=3, reason="copied")
        accepted(ledger.execute(asking(revoked, "revoke", actor=ENGINEER)))
        with ledger.reading() as reads:
            assert verify(reads).size == 4  # both checkpoints are below its border
        sign_checkpoint(ledger, signer, 3)
        with ledger.reading() as reads, pytest.raises(TamperEvidence, match="over 4 entries"):
            verify(reads)
