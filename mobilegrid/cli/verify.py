"""`verify` and `rebuild`: is what we keep what was written?"""

import time
from functools import partial
from pathlib import Path

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
from ledger.tlog.cosign import verifier_for
from ledger.tlog.history import HISTORY_BYTES_MAX, parse_history
from ledger.tlog.note import parse_vkey
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
@click.option("--pack", default="", metavar="ID", help="The pack a history FILE shall be of.")
@click.option("--policy", type=FILE, metavar="FILE", help="Policy file with the keys you trust.")
@click.option("--vkey", "vkeys", multiple=True, metavar="KEY", help="A verifier key you trust.")
@click.pass_obj
def verify(
    app: App,
    file: Path | None,
    *,
    deep: bool,
    pack: str,
    policy: Path | None,
    vkeys: tuple[str, ...],
) -> None:
    """Verify this ledger, or a proof file offline.

    Without FILE: every stored entry is hashed again and compared with tiles, head, guards, books
    and the newest checkpoint; a difference is named by its position. With FILE: the proof in it is
    checked against keys that you got from elsewhere, never from the log. A file with the complete
    history of a pack is checked for the pack that --pack names.
    """
    if file is None:
        if pack or policy or vkeys:
            raise click.UsageError("--pack, --policy and --vkey are for a proof FILE.")
        _verify_ledger(app, deep=deep)
    elif deep:
        raise click.UsageError("--deep is for the ledger, not for a proof FILE.")
    else:
        _verify_file(app, read_file(file, HISTORY_BYTES_MAX), pack, _trusted(app, policy, vkeys))


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


def _verify_file(app: App, data: bytes, pack: str, policy: Policy) -> None:
    now_s = wiring.CLOCK.now() // SECOND
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


def _trusted(app: App, file: Path | None, vkeys: tuple[str, ...]) -> Policy:
    """Gather whom to trust; keys given alone are logs without witnesses."""
    if file is None and not vkeys and app.settings.verify.policy_file:
        file = Path(app.settings.verify.policy_file)
    if file is None and not vkeys:
        raise Misconfigured("name the keys you trust: --vkey, --policy or verify.policy_file")
    logs = {key: Log(key) for key in (parse_vkey(each.strip()) for each in vkeys)}
    if file is None:
        return Policy(tuple(logs.values()))
    policy = parse_policy(read_file(file, POLICY_BYTES_MAX))
    logs |= {each.key: each for each in policy.logs}
    return msgspec.structs.replace(policy, logs=tuple(logs.values()))


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
