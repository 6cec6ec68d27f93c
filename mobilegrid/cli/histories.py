"""The complete history of a pack as a file: made by `prove PACK`, checked by `verify FILE`."""

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from ledger.domain.chains import CHAINS
from ledger.domain.history_map import MAPS, NEWEST
from ledger.kernel.envelope import peek
from ledger.kernel.errors import Malformed, NotFound, Refused
from ledger.kernel.refusal import RefusalCode
from ledger.runtime import history_proofs, proving
from ledger.runtime.history_proofs import HistoryProver
from ledger.runtime.ledger import Ledger
from ledger.tlog.history import ProvenHistory
from ledger.tlog.note import Verifier
from mobilegrid import wiring
from mobilegrid.cli.base import App
from mobilegrid.cli.params import write_file
from mobilegrid.cli.proofs import sign_head
from mobilegrid.cli.wording import kind_words, time_words


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is told of a history file: the pack, its entries up to the map at `as_of`, later ones.

    `proof` holds the file itself when it was asked for without a name.
    """

    pack: str
    as_of: int
    packs: int
    positions: list[int]
    later: list[int]
    size: int
    vkey: str = ""
    file: str = ""
    proof: str = ""
    signed_by: list[str] = []


def prove_history(
    app: App, ledger: Ledger, pack_id: str, out: Path | None, *, absent: bool
) -> None:
    """Write the complete history of a pack to a file, or to stdout."""
    _refresh_map(ledger, pack_id, absent=absent)
    signed = sign_head(app, ledger)
    data = HistoryProver(ledger).prove(pack_id, absent=absent)
    # nothing is handed out that a stranger would refuse
    proven = history_proofs.verify_history(data, [proving.read_vkey(signed.vkey)], pack_id)
    if out is None and not app.as_json:
        click.echo(data, nl=False)  # the file itself, to the last byte
        app.console.remark(f"Verifier key: {signed.vkey}")
        return
    said = msgspec.structs.replace(_said(proven), vkey=signed.vkey)
    if out is None:
        app.console.answer(msgspec.structs.replace(said, proof=data.decode()))
        return
    write_file(out, data)
    app.console.answer(
        msgspec.structs.replace(said, file=str(out)),
        f"{_sentence(said)} in the log of {said.size:,} entries: {out}",
        f"Verifier key: {signed.vkey}",
        f"Check it anywhere: mobilegrid verify {out} --pack {pack_id} --vkey {signed.vkey}",
    )


def _refresh_map(ledger: Ledger, pack_id: str, *, absent: bool) -> None:
    """Append a map when entries of the pack are not below the newest one, or it is to be absent.

    A map that was made less than a minute ago stays the newest; what came since is shown as later.
    """
    with ledger.reading() as reads:
        chain = reads.row(CHAINS, pack_id)
        newest = reads.row(MAPS, NEWEST)
    if chain is None and not absent:
        raise NotFound(f"no entry names pack {pack_id}; to prove just that, ask with --absent")
    if chain is not None and absent:
        raise Malformed(f"entries name pack {pack_id}; leave out --absent", field="absent")
    if newest is None or absent or (chain is not None and chain.last > newest.position):
        try:
            history_proofs.map_history(
                ledger, wiring.IDS.key(), wiring.CLOCK.now(), on_request=True
            )
        except Refused as error:
            if error.refusal.code is not RefusalCode.MAP_TOO_SOON:
                raise


def verify_history(app: App, data: bytes, verifiers: Sequence[Verifier], pack_id: str) -> None:
    """Check a history file offline and say what it proves."""
    proven = history_proofs.verify_history(data, verifiers, pack_id)
    said = _said(proven)
    lines = [
        f"  {each.position:>9,}  {time_words(each.valid_at)}  {kind_words(each.kind)}"
        for each in map(peek, (*proven.entries, *proven.after))
    ]
    whole = len(proven.entries)
    if said.later:
        lines.insert(whole, "later, completeness not proven:")
    app.console.answer(
        said,
        f"VERIFIED {_sentence(said)}",
        f"in the log {proven.signed.checkpoint.origin} of {said.size:,} entries, "
        f"signed by {', '.join(said.signed_by)}",
        *lines,
    )


def _said(proven: ProvenHistory) -> History:
    signed = proven.signed
    return History(
        pack=proven.pack_id,
        as_of=proven.as_of,
        packs=proven.packs,
        positions=[peek(data).position for data in proven.entries],
        later=[peek(data).position for data in proven.after],
        size=signed.checkpoint.size,
        signed_by=[f"{key.name}+{key.key_id.hex()}" for key in signed.signed_by],
    )


def _sentence(said: History) -> str:
    below = f"below position {said.as_of:,}"
    if not said.positions:
        return f"no entry {below} names pack {said.pack}"
    return f"the {len(said.positions):,} entries {below} that name pack {said.pack}: all of them"
