"""Keys, ceremonies and signatures at the auditor door: as the log, the signer and devices say."""

from base64 import b64encode
from hashlib import sha256

import pytest
from typing_extensions import override

from ledger.domain.ceremonies import RecordCeremony
from ledger.domain.log_keys import AnnounceKey, RetireLogKey, RevokeLogKey
from ledger.kernel.errors import NotFound, TamperEvidence, Unavailable
from ledger.kernel.instants import DAY, HOUR, as_text
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import accepted
from ledger.signer.schema import Signing
from ledger.signer.software import Settings as SignerSettings
from ledger.signer.state import SignerState, create_state, read_journal
from ledger.tlog.note import VerifierKey, format_vkey
from mobilegrid.evidence_files import SigningFiles
from mobilegrid.settings import LedgerSettings, Settings
from partner_api.deps import Signings
from partner_api.settings import Settings as DoorSettings
from tests.support.doors import HandClock, log_signer, open_doors, sign
from tests.support.ledgers import asking, sqlite_url
from tests.support.town import MARCH, new_town

V1 = "/auditor/v1"
NOW = MARCH + 200 * HOUR
ENGINEER = Actor("EN-1", "engineer", "EN-2")
CEREMONY = RecordCeremony(
    ceremony_id="birth-2024",
    held_for="birth",
    outcome="complete",
    plan_sha256="1" * 64,
    program_sha256="2" * 64,
    transcript_sha256="3" * 64,
    officer_kids=("a" * 43, "b" * 43),
    began_at=MARCH,
    ended_at=MARCH + HOUR,
)


def announcing(origin, raw, label, purpose="checkpoint", **more):
    return AnnounceKey(
        key_id=sha256(raw).hexdigest()[:16],
        label=label,
        purpose=purpose,
        algorithm="ed25519",
        public_key=b64encode(raw).decode(),
        vkey=format_vkey(VerifierKey(origin, 1, raw)) if purpose == "checkpoint" else "",
        **more,
    )


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """Two keys of checkpoints from one birth, the second lost later; one of documents."""
    with new_town(sqlite_url(tmp_path_factory.mktemp("town"))) as ledger:
        clock = HandClock(NOW)
        origin, own = ledger.name.origin, log_signer(ledger).key.public_key
        born = {"ceremony_id": CEREMONY.ceremony_id}
        commands = (
            CEREMONY,
            announcing(origin, own, "checkpoint-a", **born),
            announcing(origin, bytes([2]) * 32, "checkpoint-b", **born),
            announcing(origin, bytes([3]) * 32, "documents-a", "documents"),
            RetireLogKey(key_id=sha256(bytes([2]) * 32).hexdigest()[:16]),
            RevokeLogKey(
                key_id=sha256(bytes([3]) * 32).hexdigest()[:16],
                last_trusted_size=30,
                reason="lost",
            ),
        )
        for number, command in enumerate(commands):
            at = NOW - DAY + number
            accepted(ledger.execute(asking(command, f"key {number}", actor=ENGINEER, at=at)))
        sign(ledger, clock.now())
        with open_doors(ledger, clock) as doors:
            yield doors


def test_keys_are_told_with_how_they_stand_and_where_they_come_from(town):
    items = {item["announced"]["label"]: item for item in town.said(f"{V1}/keys")["items"]}
    standing = {label: item["announced"]["standing"] for label, item in items.items()}
    assert standing == {
        "checkpoint-a": "in_force",
        "checkpoint-b": "retired",
        "documents-a": "revoked",
    }
    own = log_signer(town.parts.ledger).key
    first = items["checkpoint-a"]
    assert (first["key_id"], first["vkey"]) == (own.key_id.hex(), format_vkey(own))
    assert [label for label, item in items.items() if item["signs_now"]] == ["checkpoint-a"]
    assert first["announced"]["ceremony_id"] == CEREMONY.ceremony_id
    assert items["documents-a"]["announced"]["last_trusted_size"] == 30
    assert "last_trusted_size" not in items["checkpoint-b"]["announced"]
    entry = town.said(f"{V1}/entries/{first['announced']['announced']}")["entry"]["decoded"]
    assert (entry["kind"], entry["body"]["vkey"]) == ("keys.announced", format_vkey(own))


def test_keys_come_page_by_page(town):
    page = town.said(f"{V1}/keys", limit=2)
    rest = town.said(f"{V1}/keys", limit=2, cursor=page["next_cursor"])
    whole = town.said(f"{V1}/keys")["items"]
    assert page["items"] + rest["items"] == whole
    assert len(whole) == 3


def test_a_key_is_found_by_the_id_of_its_lines_and_of_its_announcement(town):
    for item in town.said(f"{V1}/keys")["items"]:
        assert town.said(f"{V1}/keys/{item['key_id']}") == item
        assert town.said(f"{V1}/keys/{item['announced']['log_key_id']}") == item
    town.problem(f"{V1}/keys/{'0' * 16}", 404, "not_found")


def test_a_key_that_was_never_announced_is_told_too(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger, open_doors(ledger, HandClock(NOW)) as doors:
        (item,) = doors.said(f"{V1}/keys")["items"]
        assert "announced" not in item
        assert item["signs_now"]
        assert doors.said(f"{V1}/keys/{item['key_id']}") == item
        assert doors.said(f"{V1}/ceremonies")["items"] == []


def test_ceremonies_are_told_by_their_digests(town):
    (item,) = town.said(f"{V1}/ceremonies")["items"]
    assert item == town.said(f"{V1}/ceremonies/{CEREMONY.ceremony_id}")
    assert item["ceremony"]["transcript_sha256"] == "3" * 64
    assert (item["began_at"], item["ended_at"]) == (as_text(MARCH), as_text(MARCH + HOUR))
    entry = town.said(f"{V1}/entries/{item['ceremony']['position']}")["entry"]["decoded"]
    assert entry["kind"] == "keys.ceremony_held"
    town.problem(f"{V1}/ceremonies/rotation-2024", 404, "not_found")


# Signings ---------------------------------------------------------------------


def signing(number: int, device: str = "hsm-a") -> Signing:
    digest = sha256(str(number).encode()).digest()
    return Signing(device, "aa01", "checkpoint", "", digest, number, NOW, b"public", b"line")


def logged(*numbers: int, code: int = 0) -> bytes:
    lines = []
    for place, number in enumerate(numbers):
        digest = sha256(str(number).encode()).hexdigest()
        lines.append(
            f'{{"number":{place},"operation":"sign","key_id":"aa01","code":{code},'
            f'"digest":"{digest}"}}\n'
        )
    return "".join(lines).encode()


class Written(Signings):
    """A journal of three signatures, and what the device says."""

    def __init__(self, *logs: tuple[str, bytes]) -> None:
        self.told = logs

    @override
    def journal(self, after: int, limit: int) -> list[tuple[int, Signing]]:
        return [(number, signing(number)) for number in (1, 2, 3) if number > after][:limit]

    @override
    def logs(self) -> tuple[tuple[str, bytes], ...]:
        return self.told


@pytest.mark.parametrize(
    ("logs", "found", "differences"),
    [
        ([], ["no_log"] * 3, 0),
        ([("hsm-a", logged(1, 2, 3))], ["both"] * 3, 0),
        ([("hsm-a", logged(1, 3))], ["both", "journal_only", "both"], 1),
        ([("hsm-a", logged(1, 9, 2, 3))], ["both", "device_only", "both", "both"], 1),
        ([("hsm-a", b"")], ["journal_only"] * 3, 3),
        ([("hsm-a", logged(1, 2, 3, code=5))], ["journal_only"] * 3, 3),
        ([("hsm-a", logged(1, 2, 3)), ("hsm-b", logged(7))], ["device_only", *["both"] * 3], 1),
    ],
)
def test_the_journal_is_held_against_the_devices_own_logs(tmp_path, logs, found, differences):
    with (
        new_town(sqlite_url(tmp_path)) as ledger,
        open_doors(ledger, HandClock(NOW), signings=Written(*logs)) as doors,
    ):
        said = doors.said(f"{V1}/signings")
        assert [item["found"] for item in said["items"]] == found
        assert (said["differences"], said["first"]) == (differences, 1)
        page = doors.said(f"{V1}/signings", limit=2)
        rest = doors.said(f"{V1}/signings", limit=2, cursor=page["next_cursor"])
        assert (page["items"] + rest["items"])[:4] == said["items"][:4]
        later = doors.said(f"{V1}/signings", first=3)["items"]
        assert [item["journal_id"] for item in later if "journal_id" in item] == [3]


def test_where_no_signer_is_known_there_is_no_journal(town):
    town.problem(f"{V1}/signings", 503, "unavailable")


def test_a_device_log_that_is_none_is_named_by_its_line(tmp_path):
    broken = Written(("hsm-a", logged(1) + b"not JSON\n"))
    with (
        new_town(sqlite_url(tmp_path)) as ledger,
        open_doors(ledger, HandClock(NOW), signings=broken) as doors,
    ):
        said = doors.problem(f"{V1}/signings", 400, "malformed")
        assert said["fields"][0]["path"] == "line 2"


def settings_of(tmp_path, **doors):
    return Settings(
        ledger=LedgerSettings(url=sqlite_url(tmp_path)),
        signer=SignerSettings(state_file=str(tmp_path / "state")),
        doors=DoorSettings(**doors),
    )


def test_the_journal_is_read_beside_a_signer_that_runs(tmp_path):
    path = tmp_path / "state"
    create_state(path, "log.example.net/log/town", NOW)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "hsm-a.jsonl").write_bytes(logged(1))
    files = SigningFiles(settings_of(tmp_path, device_logs=str(logs)))
    state = SignerState(path, "log.example.net/log/town")
    try:
        state.add_signings([signing(1), signing(2)])
        assert files.journal(0, 10) == state.journal()
        assert files.journal(1, 10) == state.journal(1)
    finally:
        state.close()
    assert list(files.logs()) == [("hsm-a", logged(1))]
    assert list(SigningFiles(settings_of(tmp_path)).logs()) == []


def test_a_journal_that_is_not_there_or_none_says_so(tmp_path):
    with pytest.raises(NotFound):
        read_journal(tmp_path / "state")
    (tmp_path / "state").write_bytes(b"no database, but longer than a header of one" * 100)
    with pytest.raises(TamperEvidence):
        read_journal(tmp_path / "state")
    afar = Settings(ledger=LedgerSettings(url="postgresql://db/grid"))
    with pytest.raises(Unavailable):
        SigningFiles(afar).journal(0, 1)
