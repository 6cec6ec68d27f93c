"""`verify` and `rebuild`: is what we keep what was written?"""

import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from ledger.kernel.envelope import open_entry
from ledger.kernel.errors import Malformed, Misconfigured, ProofInvalid
from ledger.kernel.instants import SECOND
from ledger.runtime import proving
from ledger.runtime.projector import STATION_DAY, Lag, follow
from ledger.runtime.rebuild import Rebuilt
from ledger.runtime.rebuild import rebuild as rebuild_views
from ledger.runtime.verify import verify as verify_ledger
from ledger.store import guards
from ledger.tlog import proof
from ledger.tlog.cosign import verifier_for
from ledger.tlog.history import HISTORY_BYTES_MAX, parse_history
from ledger.tlog.note import NOTE_BYTES_MAX, parse_vkey
from ledger.tlog.policy import (
    POLICY_BYTES_MAX,
    Judged,
    Log,
    Policy,
    open_under_policy,
    parse_policy,
    verify_under_policy,
)
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.params import FILE, read_file
from mobilegrid.cli.wording import kind_words, time_words

_ZIP = b"PK"


class Found(msgspec.Struct, frozen=True):
    """What `verify` found in order; `entries_per_second` is the rate of the whole look."""

    ledger: str
    size: int
    root: str
    deep: bool
    checkpoint_size: int | None
    seconds: float
    entries_per_second: int


class Vouched(msgspec.Struct, frozen=True):
    """What a proof file proves."""

    position: int
    kind: str
    valid_at: int
    size: int
    signed_by: list[str]


@click.command(cls=Command)
@click.argument("file", type=FILE, required=False)
@click.option("--deep", is_flag=True, help="Also replay every rule and compare every table.")
@click.option("--since", type=FILE, metavar="NOTE", help="An older checkpoint that you hold.")
@click.option("--pack", default="", metavar="ID", help="The pack a history FILE shall be of.")
@click.option("--keys", type=FILE, metavar="FILE", help="JWK set for documents in a bill FILE.")
@click.option("--policy", type=FILE, metavar="FILE", help="Policy file with the keys you trust.")
@click.option("--vkey", "vkeys", multiple=True, metavar="KEY", help="A verifier key you trust.")
@click.pass_obj
def verify(app: App, /, file: Path | None, *, deep: bool, **asked: Any) -> None:
    """Verify this ledger, or a proof file offline.

    Without FILE: every stored entry is hashed again and compared with tiles, head, guards, books
    and the newest checkpoint; a difference is named by its position. With --since the ledger must
    begin with what that checkpoint covers. With FILE: the proof in it is checked against keys that
    you got from elsewhere, never from the log. A file with the complete history of a pack is
    checked for the pack that --pack names; a ZIP of `prove --bill` and the like is computed again.
    """
    trusted = _Trusted(asked["policy"], asked["vkeys"])
    if file is not None and (deep or asked["since"]):
        raise click.UsageError("--deep and --since are for the ledger, not for a proof FILE.")
    if file is not None:
        app.refuse_ledger(
            click.get_current_context(), "FILE is checked against keys alone; name no ledger."
        )
        _verify_file(app, file, (asked["pack"], asked["keys"]), trusted)
        return
    if asked["pack"] or asked["keys"] or (not asked["since"] and trusted.is_named):
        raise click.UsageError("--pack, --keys, --policy and --vkey are for a proof FILE.")
    if asked["since"]:
        _begins_with(app, asked["since"], trusted)
    _verify_ledger(app, deep=deep)


class _Trusted(NamedTuple):
    """Whom to trust, as the command line names it."""

    policy: Path | None
    vkeys: tuple[str, ...]

    @property
    def is_named(self) -> bool:
        return bool(self.policy or self.vkeys)


def _begins_with(app: App, file: Path, trusted: _Trusted) -> None:
    """See that the ledger begins with everything an older checkpoint covers."""
    now_s = wiring.CLOCK.now() // SECOND
    judged = open_under_policy(read_file(file, NOTE_BYTES_MAX), _policy(app, trusted), now_s)
    older = judged.signed.checkpoint
    with wiring.reading(app.settings, check=False) as reads:
        if older.origin != reads.name.origin:
            raise ProofInvalid(f"{file}: a checkpoint of {older.origin}, not {reads.name.origin}")
        if older.size > reads.size:
            raise ProofInvalid(f"{file} covers {older.size} entries, here are {reads.size}")
        root = proof.root(older.size, proving.tile_reader(reads))
    if root != older.root:
        raise ProofInvalid(f"the first {older.size} entries here are not those of {file}")
    app.console.remark(f"The ledger begins with the {older.size:,} entries of {file}.")


def _verify_ledger(app: App, *, deep: bool) -> None:
    began = time.perf_counter()
    with (
        wiring.reading(app.settings, check=False) as reads,
        app.console.progress("verifying") as progress,
    ):
        found = verify_ledger(reads, deep=deep, progress=progress)
        said = proving.check_newest_checkpoint(reads)
        guards.check(reads.tx)
        ledger = reads.name.ledger
    seconds = time.perf_counter() - began
    rate = int(found.size / max(seconds, 1e-9))
    answer = Found(
        ledger,
        found.size,
        found.root.hex(),
        deep,
        None if said is None else said.size,
        round(seconds, 3),
        rate,
    )
    looked = "bytes, tiles, head, books and guards"
    if deep:
        looked += ", every rule replayed, every table compared"
    signed = "no checkpoint yet" if said is None else f"checkpoint over {said.size:,} entries"
    app.console.answer(
        answer,
        f"VERIFIED {found.size:,} entries of {ledger}: {looked}; {signed}.",
        f"root {answer.root}",
        f"{seconds:.1f} s, {rate:,} entries/s",
    )


def _verify_file(app: App, file: Path, asked: tuple[str, Path | None], trusted: _Trusted) -> None:
    now_s = wiring.CLOCK.now() // SECOND
    pack, keys = asked
    data = read_file(file, HISTORY_BYTES_MAX)
    if data.startswith(_ZIP):
        from mobilegrid.cli.bundles import verify_bundle

        if pack:
            raise click.UsageError("--pack is for a history FILE.")
        jwks = read_file(keys, NOTE_BYTES_MAX) if keys is not None else b""
        verify_bundle(app, file, _policy_bytes(app, trusted), (jwks, now_s))
        return
    if keys is not None:
        raise click.UsageError("--keys is for a bill FILE.")
    policy = _policy(app, trusted)
    is_history = data.startswith(b"{")
    if is_history != bool(pack):
        raise click.UsageError("--pack names the pack of a history FILE, and of no other.")
    if is_history:
        from mobilegrid.cli.histories import verify_history

        judged = open_under_policy(parse_history(data).checkpoint.encode(), policy, now_s)
        _say_cosigned(app, judged)
        verify_history(app, data, [verifier_for(each.key) for each in judged.logs], pack)
        return
    proven, judged = verify_under_policy(data, policy, now_s)
    try:
        envelope = open_entry(proven.entry)
    except Malformed as error:
        raise ProofInvalid(f"what is proven is no entry: {error.rule}") from error
    if envelope.position != proven.position:
        raise ProofInvalid(f"the entry says position {envelope.position}, not {proven.position}")
    signed = proven.signed
    names = [f"{each.key.name}+{each.key.key_id.hex()}" for each in judged.logs]
    _say_cosigned(app, judged)
    app.console.answer(
        Vouched(proven.position, envelope.kind, envelope.valid_at, signed.checkpoint.size, names),
        f"VERIFIED entry {proven.position}: {kind_words(envelope.kind)}, "
        f"{time_words(envelope.valid_at)}",
        f"in the log {signed.checkpoint.origin} of {signed.checkpoint.size:,} entries, "
        f"signed by {', '.join(names)}",
    )


def _say_cosigned(app: App, judged: Judged) -> None:
    names = ", ".join(each.key.name for each, _ in judged.cosigned)
    if names:
        app.console.remark(f"Cosigned by {names}; the quorum of the policy is met.")


def _policy_file(app: App, trusted: _Trusted) -> Path | None:
    """Find the policy file: the one named, else that of the settings where no key is named."""
    file = trusted.policy
    if file is None and not trusted.vkeys and app.settings.verify.policy_file:
        file = Path(app.settings.verify.policy_file)
    if file is None and not trusted.vkeys:
        raise Misconfigured("name the keys you trust: --vkey, --policy or verify.policy_file")
    return file


def _policy(app: App, trusted: _Trusted) -> Policy:
    """Gather whom to trust; keys given alone are logs without witnesses."""
    file = _policy_file(app, trusted)
    logs = {key: Log(key) for key in (parse_vkey(each.strip()) for each in trusted.vkeys)}
    if file is None:
        return Policy(tuple(logs.values()))
    policy = parse_policy(read_file(file, POLICY_BYTES_MAX))
    logs |= {each.key: each for each in policy.logs}
    return msgspec.structs.replace(policy, logs=tuple(logs.values()))


def _policy_bytes(app: App, trusted: _Trusted) -> bytes:
    """Write whom to trust as one policy file."""
    _policy(app, trusted)  # wrong keys and files are named as everywhere
    file = _policy_file(app, trusted)
    text = "quorum none\n" if file is None else read_file(file, POLICY_BYTES_MAX).decode()
    lines = [f"log {each.strip()}\n" for each in trusted.vkeys]
    return "".join([*(line for line in lines if line not in text), text]).encode()


class Again(msgspec.Struct, frozen=True):
    """What `rebuild` did: views that rules read, and views that follow the log."""

    views: list[Rebuilt]
    following: list[Lag]


@click.command(cls=Command)
@click.argument("views", nargs=-1, metavar="[VIEW]...")
@click.pass_obj
def rebuild(app: App, views: tuple[str, ...]) -> None:
    """Make views again from the log and mend them.

    Without a VIEW all of them, also those that follow the log from a distance. The log itself is
    never changed.
    """
    near = tuple(name for name in views if name != STATION_DAY)
    done = Again([], [])
    with (
        wiring.open_ledger(app.settings) as ledger,
        app.console.bars() as progress,
    ):
        if near or not views:
            done.views.extend(rebuild_views(ledger, near, partial(progress, "replaying")))
        if STATION_DAY in views or not views:
            done.following.append(
                follow(ledger, again=True, progress=partial(progress, STATION_DAY))
            )
    rows = [(each.view, f"{each.rows:,}", f"{each.mended:,}") for each in done.views]
    rows += [(each.view, f"from {each.position:,} entries", "") for each in done.following]
    app.console.answer(done, table("", ("View", "Rows", "Mended"), rows, right=(1, 2)))
