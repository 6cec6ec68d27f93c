"""Signed heads put together: the signer as the ledger's processes see it, witnesses, publishing.

Which signer: with `signer.kind = "software"` and no `signer.socket` the key in a file signs in this
process, except under `serve all`, which has a signer process for every kind.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec
from typing_extensions import override

from ledger.adapters.witness_client import WitnessClient
from ledger.kernel.errors import (
    Malformed,
    Misconfigured,
    MobileGridError,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.instants import SECOND
from ledger.runtime.checkpointer import Checkpointer, Parts, check_held
from ledger.runtime.ledger import Ledger
from ledger.runtime.ports import HeadObserver
from ledger.runtime.proving import full_note
from ledger.runtime.witnessing import WitnessDesk
from ledger.signer.client import SignerClient
from ledger.signer.software import Settings as SignerSettings
from ledger.signer.software import load_key, load_witness_key
from ledger.store.engine import ledger_url, sqlite_file
from ledger.tlog.cosign import verifier_for
from ledger.tlog.note import ED25519, Verifier, VerifierKey, parse_note, parse_vkey
from ledger.tlog.policy import POLICY_BYTES_MAX, Policy, parse_policy
from mobilegrid import signing, wiring
from mobilegrid.settings import Settings

ANSWER_SECONDS = 20.0
"""How long the signer may take: a device that starts, and another one after it."""


# Where the signer is ---------------------------------------------------------------


def located(settings: Settings) -> SignerSettings:
    """Fill in the files that are not named: they lie beside a ledger that is a file.

    Raises:
        Misconfigured: the ledger is no file, and one of them is not named.
    """
    given = settings.signer
    beside = {"socket": ".sock", "state_file": ".signer"}
    if given.kind == "software":
        beside["key_file"] = ".key"
    found = {
        name: getattr(given, name) or _beside(settings, name, ending)
        for name, ending in beside.items()
    }
    paths = {name: str(Path(value).absolute()) for name, value in found.items()}
    if given.keys_file:
        paths["keys_file"] = str(Path(given.keys_file).absolute())
    return msgspec.structs.replace(given, **paths)


def _beside(settings: Settings, name: str, ending: str) -> str:
    file = sqlite_file(ledger_url(settings.ledger.url))
    if file is None:
        raise Misconfigured(f"signer.{name} must be set for a ledger that is not a file")
    return str(file.with_name(f"{file.name}{ending}"))


@contextmanager
def open_signer(settings: Settings) -> Iterator[SignerClient]:
    """Give the running signer of the settings; connects when it is asked."""
    signer = SignerClient(Path(located(settings).socket), ANSWER_SECONDS)
    try:
        yield signer
    finally:
        signer.close()


def in_turn(settings: Settings) -> AbstractContextManager[None]:
    """Wait until nobody else on this machine has the signer sign heads."""
    from mobilegrid.turns import held  # noqa: PLC0415  not every system has such locks

    return held(Path(located(settings).socket).parent)


def check_never_signed(settings: Settings, origin: str) -> None:
    """See that the signer is of this log, and that the log is new to it.

    Raises:
        Unavailable: the signer does not run.
        Misconfigured: it is another log's.
        TamperEvidence: it signed for this log before; an empty one never takes its place.
    """
    with open_signer(settings) as signer:
        standing = signer.status()
    if standing.origin != origin:
        raise Misconfigured(f"the signer signs for {standing.origin}, not {origin}")
    if standing.size >= 0:
        raise TamperEvidence(f"the signer signed {standing.size} entries of {origin} already")


def look_at_signer(settings: Settings) -> str:
    """Compare the log with the signer, and say in a sentence how it stands; raises as it finds."""
    with wiring.reading(settings, check=False) as reads, open_signer(settings) as signer:
        standing = signer.status()
        if not standing.ready:
            raise Unavailable("the signer has no state and signs nothing")
        if standing.block:
            raise TamperEvidence(f"the signer is blocked, block {standing.block}")
        check_held(reads, standing.size, standing.root)
    devices = ", ".join(f"{each.device} {each.state}" for each in standing.devices)
    return f"signed {max(standing.size, 0):,} entries; devices {devices}"


# Whose signatures count --------------------------------------------------------------


def log_keys(settings: Settings, origin: str) -> tuple[VerifierKey, ...]:
    """Give the public keys of the log as this process knows them; none when nobody signed yet.

    Raises:
        Misconfigured: a file of keys cannot be read, or holds those of another log.
    """
    signing.check_kind(settings.signer, is_production=_signs_in_production(settings))
    if settings.doors.keys_file:
        keys = read_vkeys(Path(settings.doors.keys_file), "doors.keys_file")
    elif settings.signer.kind != "software":
        keys = signing.pinned(settings.signer)[1].log_keys()
    elif settings.mode == "production" or not wiring.key_file(settings).is_file():
        return ()
    else:
        return (load_key(wiring.key_file(settings), origin).key,)
    if any(key.name != origin for key in keys):
        raise Misconfigured(f"signer.keys_file or doors.keys_file: not the keys of {origin}")
    return keys


def _signs_in_production(settings: Settings) -> bool:
    """Serving what others signed needs no signer; a signer that is named must be a real one."""
    return settings.mode == "production" and settings.has_signer


def read_vkeys(path: Path, setting: str) -> tuple[VerifierKey, ...]:
    """Read verifier keys, one a line."""
    try:
        lines = path.read_bytes().decode().splitlines()
        return tuple(parse_vkey(line) for line in lines if line and not line.startswith("#"))
    except (OSError, UnicodeDecodeError, Malformed) as error:
        raise Misconfigured(f"{setting} {path} cannot be read") from error


# Witnesses -----------------------------------------------------------------------------


def own_policy(settings: Settings, origin: str) -> tuple[bytes, Policy] | None:
    """Read the policy of our log: whom we ask, and what quorum we tell; None without one.

    Raises:
        Misconfigured: it cannot be read, or does not name our log.
    """
    if not settings.witness.policy_file:
        return None
    path = Path(settings.witness.policy_file)
    try:
        data = path.read_bytes()[: POLICY_BYTES_MAX + 1]
        policy = parse_policy(data)
    except (OSError, Malformed) as error:
        raise Misconfigured(f"witness.policy_file {path}: {error}") from error
    if all(log.key.name != origin for log in policy.logs):
        raise Misconfigured(f"witness.policy_file {path} does not name the log {origin}")
    return data, policy


def witness_desk(settings: Settings, ledger: Ledger) -> WitnessDesk | None:
    """Make the desk at which we witness other logs; None when none is named.

    Raises:
        Misconfigured: a file cannot be read, or our own log is among those that are witnessed.
    """
    if not settings.witness.logs_file:
        return None
    if not settings.witness.key_file:
        raise Misconfigured("witness.key_file must be set where witness.logs_file is")
    trusted: dict[str, list[Verifier]] = {}
    for key in read_vkeys(Path(settings.witness.logs_file), "witness.logs_file"):
        trusted.setdefault(key.name, []).append(verifier_for(key))
    if ledger.name.origin in trusted:
        raise Misconfigured("witness.logs_file: a log is never its own witness")
    own = load_witness_key(Path(settings.witness.key_file), _now_s)
    return WitnessDesk(ledger, trusted, [own], wiring.CLOCK.now)


def _now_s() -> int:
    return wiring.CLOCK.now() // SECOND


# Publishing ----------------------------------------------------------------------------


class Quiet(HeadObserver):
    """The observer of a command that signs once; its errors are raised to it."""

    @override
    def head_published(self, size: int, age_us: int, witnesses: int) -> None:
        """Say nothing."""

    @override
    def head_failed(self, error: MobileGridError) -> None:
        """Say nothing."""

    @override
    def signing_changed(self, level: int, backlog: int) -> None:
        """Say nothing."""

    @override
    def checkpointer_stopped(self, error: MobileGridError) -> None:
        """Say nothing."""


def checkpointer(
    ledger: Ledger, settings: Settings, signer: SignerClient, observer: HeadObserver
) -> Checkpointer:
    """Make what signs and publishes the heads of a ledger; raises as `checkpoint_parts`.

    Notes reach the log door through the ledger itself, where they are kept.
    """
    return Checkpointer(ledger, checkpoint_parts(ledger, settings, signer, observer))


def checkpoint_parts(
    ledger: Ledger, settings: Settings, signer: SignerClient, observer: HeadObserver
) -> Parts:
    """Make what a checkpointer of the settings works with.

    Raises:
        Misconfigured: no key of the log is known, or the policy is not as it must be.
    """
    origin = ledger.name.origin
    keys = log_keys(settings, origin)
    if not keys:
        raise Misconfigured("no key of the log is known: signer.keys_file or doors.keys_file")
    policy = own_policy(settings, origin)
    witnesses = None if policy is None else WitnessClient(policy[1].witnesses, _now_s)
    return Parts(
        signer=signer,
        verifiers=tuple(verifier_for(key) for key in keys),
        clock=wiring.CLOCK,
        observer=observer,
        witnesses=witnesses,
        turn=lambda: in_turn(settings),
    )


def sign_once(ledger: Ledger, settings: Settings) -> VerifierKey:
    """Have the running signer sign the head, and witnesses cosign it; give a key that signed.

    Raises:
        Unavailable: the signer is not running, or cannot sign.
        TamperEvidence: ledger, signer and witnesses contradict each other.
    """
    with open_signer(settings) as signer:
        checkpointer(ledger, settings, signer, Quiet()).round()
    with ledger.reading() as reads:
        lines = {(line.name, line.key_id) for line in parse_note(full_note(reads)).signatures}
    for key in log_keys(settings, ledger.name.origin):
        if key.kind == ED25519 and (key.name, key.key_id) in lines:
            return key
    raise Misconfigured("no key of the log, as this process knows them, signed its checkpoint")
