"""`history`: the life of a pack."""

from pathlib import Path

import click
import msgspec

from ledger.kernel.instants import as_text
from ledger.kernel.postings import PACK, WH
from ledger.runtime.reads import FOREVER, Entry, Moment, Reads, custody_of
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import table
from mobilegrid.cli.params import FILE, TIME, known_at_option, valid_at_option
from mobilegrid.cli.wording import kind_words, percent, place_words, quantity_words, time_words


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry in the life of a pack; energy in Wh is what the pack gained."""

    position: int
    valid_at: str
    recorded_at: str
    kind: str
    from_account: str = ""
    to_account: str = ""
    energy_wh: int | None = None
    soc_bp: int | None = None
    soh_bp: int | None = None


class Life(msgspec.Struct, frozen=True):
    """A pack's history at a moment, and where it was at its end."""

    pack_id: str
    held_by: str
    known_size: int
    log_size: int
    steps: list[Step]


class Change(msgspec.Struct, frozen=True):
    """What a later knowledge of a pack adds to an earlier one.

    `late` are steps that happened before the newest one known then; `takes_back` gives for each
    reversal the entry that no longer holds.
    """

    pack_id: str
    held_by_then: str
    held_by: str
    known_size: int
    against_size: int
    steps: list[Step]
    late: list[int]
    takes_back: dict[int, int]


def step_of(entry: Entry, pack_id: str) -> Step:
    """Take from an entry what it says about one pack."""
    envelope = entry.envelope
    came_from = went_to = ""
    energy_wh: int | None = None
    for line in envelope.postings:
        if line.commodity == WH and line.account == f"Energy:Pack:{pack_id}":
            energy_wh = (energy_wh or 0) + line.quantity
        elif line.commodity == PACK and line.dims.get("pack") == pack_id:
            if not line.account.startswith("Packs:"):
                continue  # title, not custody
            if line.quantity > 0:
                went_to = line.account
            else:
                came_from = line.account
    return Step(
        position=envelope.position,
        valid_at=as_text(envelope.valid_at),
        recorded_at=as_text(envelope.recorded_at),
        kind=envelope.kind,
        from_account=came_from,
        to_account=went_to,
        energy_wh=energy_wh,
        soc_bp=getattr(entry.event, "soc_bp", None),
        soh_bp=getattr(entry.event, "soh_bp", None),
    )


def _row(entry: Entry, step: Step) -> tuple[str, ...]:
    way = " -> ".join(place_words(each) for each in (step.from_account, step.to_account) if each)
    return (
        str(step.position),
        time_words(entry.envelope.valid_at),
        kind_words(step.kind),
        way,
        "" if step.energy_wh is None else quantity_words(step.energy_wh, WH),
        "" if step.soc_bp is None else percent(step.soc_bp),
        "" if step.soh_bp is None else percent(step.soh_bp),
    )


_COLUMNS = ("Entry", "Happened", "What", "From -> to", "Energy", "SoC", "SoH")


def _moment_words(moment: Moment, size: int) -> str:
    known = f"known from the first {moment.end:,} of {size:,} entries"
    until = "" if moment.valid_at == FOREVER else f", up to {time_words(moment.valid_at)}"
    return known + until


def change_between(
    then: list[Entry], now: list[Entry], pack_id: str, sizes: tuple[int, int]
) -> Change:
    """Compare what was known of a pack with what is known; both in order of valid time."""
    seen = {one.envelope.position for one in then}
    fresh = [one for one in now if one.envelope.position not in seen]
    newest = max((one.envelope.valid_at for one in then), default=0)
    return Change(
        pack_id,
        custody_of(then, pack_id),
        custody_of(now, pack_id),
        *sizes,
        steps=[step_of(one, pack_id) for one in fresh],
        late=[one.envelope.position for one in fresh if one.envelope.valid_at < newest],
        takes_back={
            one.envelope.position: one.envelope.reverses
            for one in fresh
            if one.envelope.reverses is not None
        },
    )


def _show_change(app: App, reads: Reads, pack_id: str, moments: tuple[Moment, Moment]) -> None:
    then, now = (reads.pack_history(pack_id, each) for each in moments)
    change = change_between(then, now, pack_id, (moments[0].end, moments[1].end))
    entries = [
        one for one in now if one.envelope.position not in {x.envelope.position for x in then}
    ]
    rows = []
    for entry, step in zip(entries, change.steps, strict=True):
        back = change.takes_back.get(step.position)
        word = "late" if step.position in change.late else "new"
        rows.append((*_row(entry, step), word if back is None else f"takes back {back}"))
    app.console.answer(
        change,
        table(f"Pack {pack_id}", (*_COLUMNS, "Change"), rows, right=(0, 4, 5, 6)),
        "",
        f"Held by then: {place_words(change.held_by_then) or 'nowhere yet'}; "
        f"now: {place_words(change.held_by) or 'nowhere yet'}.",
    )


@click.command(cls=Command)
@click.argument("pack_id", metavar="PACK")
@valid_at_option
@known_at_option
@click.option(
    "--against",
    type=TIME,
    metavar="TIME",
    help="Only what was learnt between --known-at and this time, entry by entry.",
)
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="Write it as CSV as well.")
@click.pass_obj
def history(
    app: App,
    pack_id: str,
    valid_at: int | None,
    known_at: int | None,
    against: int | None,
    csv_file: Path | None,
) -> None:
    """Show the life of a pack.

    What happened, in the order in which it happened; late reports stand where they belong. With
    --against only the difference: what came later, and what that took back.
    """
    with wiring.reading(app.settings) as reads:
        if against is not None:
            moments = reads.moment(valid_at, known_at), reads.moment(valid_at, against)
            _show_change(app, reads, pack_id, moments)
            return
        moment = reads.moment(valid_at, known_at)
        entries = reads.pack_history(pack_id, moment)
        size = reads.size
        if csv_file is not None:
            from ledger.exports.history import write_history

            write_history(entries, pack_id, csv_file)
            app.console.remark(f"Wrote {csv_file} and its control sheet.")
    steps = [step_of(each, pack_id) for each in entries]
    held_by = custody_of(entries, pack_id)
    rows = (_row(entry, step) for entry, step in zip(entries, steps, strict=True))
    app.console.answer(
        Life(pack_id, held_by, moment.end, size, steps),
        table(f"Pack {pack_id}", _COLUMNS, rows, right=(0, 4, 5, 6)),
        "",
        f"At the end: {place_words(held_by) or 'nowhere yet'} ({_moment_words(moment, size)}).",
    )
