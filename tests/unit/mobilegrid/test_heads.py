"""Signed heads put together: which signer, whose keys, which witnesses; every mistake is named."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.kernel.errors import Misconfigured, Unavailable
from ledger.runtime.ledger import Ledger
from ledger.signer.software import Settings as SignerSettings
from ledger.signer.software import create_key, create_witness_key, load_key, load_witness_key
from ledger.tlog.note import format_vkey
from mobilegrid import heads, signing
from mobilegrid.settings import Settings, WitnessSettings, with_ledger
from mobilegrid.turns import held
from mobilegrid.watching import HeadRemarks, Notices
from tests.support.ledgers import new_ledger, sqlite_url
from tests.support.logs import VKEY
from tests.support.witnesses import cosigner

ROOT = Path(__file__).parents[3]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with new_ledger(sqlite_url(tmp_path)) as made:
        yield made


def settings_of(tmp_path: Path, **signer: object) -> Settings:
    settings = with_ledger(Settings(), sqlite_url(tmp_path))
    return replace(settings, signer=replace(settings.signer, **signer))


# Which signer -----------------------------------------------------------------------


def test_what_is_not_named_lies_beside_a_ledger_that_is_a_file(tmp_path: Path) -> None:
    found = heads.located(settings_of(tmp_path))
    assert found.socket == str(tmp_path / "town.db.sock")
    assert found.state_file == str(tmp_path / "town.db.signer")
    assert found.key_file == str(tmp_path / "town.db.key")
    named = heads.located(settings_of(tmp_path, socket="/run/s", state_file="/var/s", key_file="k"))
    assert (named.socket, named.state_file) == ("/run/s", "/var/s")
    assert named.key_file == str(Path("k").absolute())


def test_beside_a_server_everything_must_be_named() -> None:
    settings = with_ledger(Settings(), "postgresql://db/grid")
    with pytest.raises(Misconfigured, match=r"signer\.socket must be set"):
        heads.located(settings)


@pytest.mark.parametrize(
    ("signer", "has_signer"),
    [({}, False), ({"socket": "/run/s"}, True), ({"kind": "pkcs11"}, True)],
)
def test_a_signer_process_is_asked_where_the_settings_name_one(signer, has_signer, tmp_path):
    assert settings_of(tmp_path, **signer).has_signer is has_signer


def test_a_signer_that_does_not_run_is_away(ledger: Ledger, tmp_path: Path) -> None:
    create_key(tmp_path / "town.db.key", ledger.name.origin)
    settings = settings_of(tmp_path, socket=str(tmp_path / "none"))
    for ask in (heads.look_at_signer, lambda it: heads.sign_once(ledger, it)):
        with pytest.raises(Unavailable, match="the signer does not answer"):
            ask(settings)


@pytest.mark.parametrize("text", ["root", "-1", "1,x", ",".join("123456789")])
def test_callers_are_uids(tmp_path: Path, text: str) -> None:
    create_key(tmp_path / "k", "log.example.net/log/test")
    signer = SignerSettings(key_file=str(tmp_path / "k"), callers=text)
    with pytest.raises(Misconfigured, match=r"signer\.callers"):
        signing.run_signer(signer, is_production=False, started=lambda *_: None)


@pytest.mark.parametrize(
    ("kind", "module"), [("pkcs11", "sim:a.device"), ("simulator", "/usr/lib/module.so")]
)
def test_simulated_modules_go_with_the_simulator_alone(tmp_path, kind, module):
    (tmp_path / "keys.toml").write_text(
        f'origin = "a.example/log/x"\n[[devices]]\ndevice = "a"\nmodule = "{module}"\n'
        'label = "a"\npin_file = "a.pin"\n[[keys]]\ndevice = "a"\nlabel = "checkpoint-a"\n'
        f'algorithm = "ed25519"\npublic_key = "{"ab" * 32}"\n'
    )
    signer = SignerSettings(kind=kind, keys_file=str(tmp_path / "keys.toml"))
    with pytest.raises(Misconfigured, match="does not go with the module"):
        signing.pinned(signer)
    with pytest.raises(Misconfigured, match=r"signer\.keys_file must be set"):
        signing.pinned(SignerSettings(kind=kind))


def test_one_at_a_time_asks_the_signer(tmp_path: Path) -> None:
    import fcntl  # noqa: PLC0415  not every system has it
    import os  # noqa: PLC0415

    with held(tmp_path):
        other = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    with pytest.raises(Unavailable, match="none"), held(tmp_path / "none"):
        raise AssertionError


# Whose signatures count ---------------------------------------------------------------


def test_the_keys_of_another_log_are_refused(ledger: Ledger, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    file = tmp_path / "keys"
    named = replace(settings, doors=replace(settings.doors, keys_file=str(file)))
    file.write_text(f"# ours\n{VKEY}\n")
    assert [format_vkey(key) for key in heads.log_keys(named, VKEY.split("+")[0])] == [VKEY]
    with pytest.raises(Misconfigured, match=r"not the keys of log\.example\.net/log/test"):
        heads.log_keys(named, ledger.name.origin)


def test_a_log_that_nobody_signed_has_no_keys_and_no_heads(ledger: Ledger, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert heads.log_keys(settings, ledger.name.origin) == ()
    with (
        heads.open_signer(settings) as signer,
        pytest.raises(Misconfigured, match="no key of the log is known"),
    ):
        heads.checkpointer(ledger, settings, signer, heads.Quiet())


# Witnesses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "policy"),
        ("quorum none\n", "no log"),
        (f"log {VKEY}\nquorum none\n", "does not name the log"),
        ("nonsense\n", "line 1"),
    ],
)
def test_a_policy_that_is_not_of_our_log_is_refused(tmp_path, text, named):
    file = tmp_path / "policy"
    if text is not None:
        file.write_text(text)
    settings = replace(Settings(), witness=WitnessSettings(policy_file=str(file)))
    with pytest.raises(Misconfigured, match=named):
        heads.own_policy(settings, "log.example.net/log/test")
    assert heads.own_policy(Settings(), "log.example.net/log/test") is None


def test_witnessing_needs_a_key_and_other_logs(ledger: Ledger, tmp_path: Path) -> None:
    logs, key = tmp_path / "logs", tmp_path / "witness.key"
    assert heads.witness_desk(Settings(), ledger) is None
    logs.write_text(f"{VKEY}\n")

    def desk(key_file: str = "") -> object:
        witness = WitnessSettings(logs_file=str(logs), key_file=key_file)
        return heads.witness_desk(replace(Settings(), witness=witness), ledger)

    with pytest.raises(Misconfigured, match=r"witness\.key_file must be set"):
        desk()
    with pytest.raises(Misconfigured, match=r"witness\.key_file .* does not exist"):
        desk(str(key))
    create_witness_key(key, "w.example.net", lambda: 0)
    assert desk(str(key)) is not None
    own = create_key(tmp_path / "k", ledger.name.origin)
    logs.write_text(f"{format_vkey(own.key)}\n")
    with pytest.raises(Misconfigured, match="never its own witness"):
        desk(str(key))
    logs.write_text("nonsense\n")
    with pytest.raises(Misconfigured, match=r"witness\.logs_file"):
        desk(str(key))


def test_the_key_of_a_witness_is_not_that_of_a_log(tmp_path: Path) -> None:
    made = create_witness_key(tmp_path / "w", "w.example.net", lambda: 7)
    again = load_witness_key(tmp_path / "w", lambda: 7)
    assert (again.key, again.key.kind) == (made.key, cosigner(0).key.kind)
    with pytest.raises(Misconfigured, match=r"signer\.key_file"):
        load_key(tmp_path / "w", "w.example.net")
    create_key(tmp_path / "k", "w.example.net")
    with pytest.raises(Misconfigured, match=r"witness\.key_file"):
        load_witness_key(tmp_path / "k", lambda: 7)


# Who is told --------------------------------------------------------------------------


def test_whoever_watches_is_told_changes_only() -> None:
    said: list[str] = []
    remarks = HeadRemarks(said.append)
    remarks.head_published(5, 0, 0)
    for _ in range(3):
        remarks.head_failed(Unavailable("the signer is away"))
    remarks.head_failed(Unavailable("no device"))
    remarks.head_published(6, 0, 0)
    remarks.signing_changed(1, 7)
    remarks.signing_changed(0, 0)
    stopped = Misconfigured("another log")
    remarks.checkpointer_stopped(stopped)
    assert remarks.stopped is stopped
    assert [each.partition(":")[0].split(";")[0] for each in said] == [
        "No head was signed",
        "No head was signed",
        "Heads are signed again, up to 6 entries.",
        "ALARM the oldest unsigned entry is older than a minute",
        "Signing",
        "ALARM nothing is published any more",
    ]


def test_the_size_of_the_log_is_passed_on_when_it_grew() -> None:
    said: list[str] = []
    sizes: list[int] = []
    notices = Notices(said.append)
    notices.batch_committed(0, 1, 1)
    notices.listener = sizes.append
    notices.batch_committed(5, 2, 3)
    notices.batch_committed(8, 1, 0)
    notices.writer_stopped(Unavailable("no space"))
    assert (sizes, said) == ([8], ["ALARM the writer stopped: no space"])


def test_the_signer_process_loads_nothing_of_the_ledger() -> None:
    program = (
        "import sys, mobilegrid.cli.main, mobilegrid.cli.signer, mobilegrid.settings;"
        "print(*{name.split('.')[1] for name in sys.modules if name.startswith('ledger.')},"
        " *{'sqlalchemy', 'litestar', 'uvicorn', 'alembic'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"kernel", "signer", "tlog"}
