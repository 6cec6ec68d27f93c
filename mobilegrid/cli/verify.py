"""`verify` and `rebuild`: is what we keep what was written?"""

import time
from functools import partial
from pathlib import Path

import click
import msgspec

from ledger.kernel.envelope import open_entry
from ledger.kernel.errors import Malformed, Misconfigured, ProofInvalid
from ledger.runtime import proving
from ledger.runtime.projector import STATION_DAY, Lag, follow
from ledger.runtime.rebuild import Rebuilt
from ledger.runtime.rebuild import rebuild as rebuild_views
from ledger.runtime.verify import verify as verify_ledger
from ledger.store import guards
from ledger.tlog.bundle import PROOF_FILE_BYTES_MAX
from ledger.tlog.note import Verifier
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.params import FILE, read_file
from mobilegrid.cli.wording import kind_words, time_words


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
@click.option("--policy", type=FILE, metavar="FILE", help="Policy file with the keys you trust.")
@click.option("--vkey", "vkeys", multiple=True, metavar="KEY", help="A verifier key you trust.")
@click.pass_obj
def verify(
    app: App, file: Path | None, *, deep: bool, policy: Path | None, vkeys: tuple[str, ...]
) -> None:
    """Verify this ledger, or a proof file offline.

    Without FILE: every stored entry is hashed again and compared with tiles, head, guards, books
    and the newest checkpoint; a difference is named by its position. With FILE: the proof in it is
    checked against keys that you got from elsewhere, never from the log.
    """
    if file is None:
        if policy or vkeys:
            raise click.UsageError("--policy and --vkey are for a proof FILE.")
        _verify_ledger(app, deep=deep)
    elif deep:
        raise click.UsageError("--deep is for the ledger, not for a proof FILE.")
    else:
        _verify_file(app, file, policy, vkeys)


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


def _verify_file(app: App, file: Path, policy: Path | None, vkeys: tuple[str, ...]) -> None:
    data = read_file(file, PROOF_FILE_BYTES_MAX)
    proven = proving.verify_bundle(data, _verifiers(app, policy, vkeys))
    try:
        envelope = open_entry(proven.entry)
    except Malformed as error:
        raise ProofInvalid(f"what is proven is no entry: {error.rule}") from error
    if envelope.position != proven.position:
        raise ProofInvalid(f"the entry says position {envelope.position}, not {proven.position}")
    signed = proven.signed
    names = [f"{key.name}+{key.key_id.hex()}" for key in signed.signed_by]
    app.console.answer(
        Vouched(proven.position, envelope.kind, envelope.valid_at, signed.checkpoint.size, names),
        f"VERIFIED entry {proven.position}: {kind_words(envelope.kind)}, "
        f"{time_words(envelope.valid_at)}",
        f"in the log {signed.checkpoint.origin} of {signed.checkpoint.size:,} entries, "
        f"signed by {', '.join(names)}",
    )


def _verifiers(app: App, policy: Path | None, vkeys: tuple[str, ...]) -> list[Verifier]:
    if policy is None and not vkeys and app.settings.verify.policy_file:
        policy = Path(app.settings.verify.policy_file)
    found = [proving.read_vkey(each) for each in vkeys]
    if policy is not None:
        found += proving.read_policy(read_file(policy, proving.POLICY_BYTES_MAX))
    if not found:
        raise Misconfigured("name the keys you trust: --vkey, --policy or verify.policy_file")
    return found


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
