"""`health assess`, `show`, `release`: the health of packs in the ledger."""

from pathlib import Path

import click
import msgspec

from ledger.analytics import soh_net
from ledger.analytics.soh_trend import trend_of
from ledger.domain.custody import PACKS
from ledger.domain.health_models import ReleaseHealthModel
from ledger.domain.health_state import PACK_HEALTH, PackHealth
from ledger.kernel.errors import NotFound
from ledger.kernel.messages import Actor, Request
from ledger.runtime.assessing import Proposal, assess_packs, in_service, propose
from ledger.runtime.ledger import accepted
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import Table, facts
from mobilegrid.cli.params import (
    FILE,
    TwoPersons,
    known_at_option,
    read_file,
    two_persons,
    valid_at_option,
)
from mobilegrid.cli.wording import percent, time_words
from mobilegrid.estimating import judge_pack

_BP_PER_POINT = 100
_CMOHM_PER_MOHM = 100


class Told(msgspec.Struct, frozen=True):
    """What `health assess` tells of each pack, and whether it was written."""

    written: bool
    assessments: tuple[Proposal, ...]


class Shown(msgspec.Struct, frozen=True):
    """What `health show` tells of a pack."""

    pack_id: str
    soh_bp: int
    min_soh_bp: int
    retired: bool
    holds: tuple[str, ...]
    health: PackHealth | None


@click.command(cls=Command)
@click.argument("pack_ids", nargs=-1, metavar="[PACK]...")
@click.option("--all", "every", is_flag=True, help="All packs in service.")
@click.option("--submit", is_flag=True, help="Write what is worth an entry.")
@valid_at_option
@known_at_option
@click.pass_obj
def assess(
    app: App,
    pack_ids: tuple[str, ...],
    *,
    every: bool,
    submit: bool,
    valid_at: int | None,
    known_at: int | None,
) -> None:
    """Assess packs by what they charged.

    Since they were last assessed, and as far as it was known. Shows value, 95 % bounds and inputs.
    With --submit what is worth an entry is written, with the holds and cases that follow from it;
    packs that wait too long for an assessment are stopped.
    """
    if every == bool(pack_ids):
        raise click.UsageError("Name packs, or --all.")
    now = wiring.CLOCK.now()
    if submit:
        if valid_at is not None or known_at is not None:
            raise click.UsageError("--submit writes what holds now.")
        with wiring.open_ledger(app.settings) as ledger:
            found = assess_packs(ledger, None if every else pack_ids, judge_pack, at=now)
    else:
        at = now if valid_at is None else valid_at
        with wiring.reading(app.settings) as reads:
            moment = reads.moment(at, known_at)
            names = list(in_service(reads)) if every else pack_ids
            asked = (propose(reads, name, judge_pack, moment, at) for name in names)
            found = [one for one in asked if one is not None]
    verb = "written" if submit else "proposed"
    app.console.answer(
        Told(submit, tuple(found)), *_table(found), f"{len(found):,} assessments {verb}"
    )


@click.command(cls=Command)
@click.argument("pack_id")
@click.pass_obj
def show(app: App, pack_id: str) -> None:
    """Show the health of a pack.

    Its last assessments, what was counted over its life, what stops it.
    """
    with wiring.reading(app.settings) as reads:
        pack, known = reads.row(PACKS, pack_id), reads.row(PACK_HEALTH, pack_id)
    if pack is None:
        raise NotFound(f"no pack {pack_id}")
    holds = tuple(hold.reason for hold in pack.holds)
    shown = Shown(pack_id, pack.soh_bp, pack.min_soh_bp, pack.retired, holds, known)
    lines = [
        (
            "state of health",
            f"{percent(pack.soh_bp)}, its class asks for {percent(pack.min_soh_bp)}",
        ),
        ("stopped by", ", ".join(holds) or "nothing"),
    ]
    if known is not None:
        lines += [
            ("full cycles", f"{known.efc_x100 / _BP_PER_POINT:.2f}"),
            ("energy moved", f"{known.throughput_wh:,} Wh"),
            ("resistance", _resistance(known)),
            ("resistance grew by", percent(known.resistance_up_bp)),
            ("trend", _trend(known)),
        ]
    app.console.answer(shown, facts(lines), *_history(known))


@click.command(cls=Command)
@click.argument("file", type=FILE)
@click.option("--class", "pack_class", required=True, metavar="ID", help="For which packs.")
@two_persons("engineer")
@click.pass_obj
def release(app: App, file: Path, pack_class: str, persons: TwoPersons) -> None:
    """Let a model be asked from now on.

    Two persons answer for it; its figures on cells left out are kept with the release.
    """
    model = soh_net.read(read_file(file, soh_net.BYTES_MAX))
    figures = model.header.figures
    command = ReleaseHealthModel(
        model_id=model.model_id,
        pack_class=pack_class,
        cells=figures.cells,
        mape_ppm=round(figures.mape * 10_000),
        worst_ppm=round(figures.worst_cell * 10_000),
        coverage_bp=round(figures.coverage * _BP_PER_POINT),
    )
    actor = Actor(id=persons.by, role=persons.role, second_person=persons.second)
    request = Request(wiring.IDS.key(), persons.by, actor, wiring.CLOCK.now(), command)
    with wiring.open_ledger(app.settings) as ledger:
        receipt = accepted(ledger.execute(request))
    done = "released" if receipt.count else "was released before"
    app.console.answer(command, f"model {model.model_id} {done} for {pack_class}")


# Words --------------------------------------------------------------------------------------------


def _table(found: list[Proposal]) -> list[object]:
    if not found:
        return []
    heads = ("pack", "SoH", "95 % bounds", "before", "by", "sessions", "why")
    rows: list[tuple[str, ...]] = [
        (
            one.command.pack_id,
            percent(one.command.soh_bp),
            f"{percent(one.command.lower_bp or 0)} to {percent(one.command.upper_bp or 0)}",
            percent(one.before_bp),
            one.command.method,
            str(len(one.command.session_ids)),
            one.reason or "nothing new",
        )
        for one in found
    ]
    return [Table("", heads, rows, frozenset({1, 2, 3, 5}))]


def _resistance(known: PackHealth) -> str:
    if not known.resistance_at:
        return "never measured"
    now, transfer, begin = (
        f"{cmohm / _CMOHM_PER_MOHM:,.2f} mOhm"
        for cmohm in (known.re_cmohm, known.rct_cmohm, known.re_begin_cmohm)
    )
    return (
        f"{now} ohmic, {transfer} charge transfer, as of {time_words(known.resistance_at)}; "
        f"{begin} at first"
    )


def _trend(known: PackHealth) -> str:
    found = trend_of([(one.at, one.soh_bp) for one in known.found])
    if found is None:
        return "too few assessments yet"
    return f"{found.bp_per_year / _BP_PER_POINT:+.2f} % a year, by {found.points} assessments"


def _history(known: PackHealth | None) -> list[object]:
    if known is None or not known.found:
        return ["never assessed"]
    rows: list[tuple[str, ...]] = [
        (
            time_words(one.at),
            percent(one.soh_bp),
            f"{percent(one.lower_bp)} to {percent(one.upper_bp)}",
            "yes" if one.verified else "",
            str(one.position),
        )
        for one in reversed(known.found)
    ]
    heads = ("as of", "SoH", "95 % bounds", "verified", "entry")
    return [Table("", heads, rows, frozenset({1, 2, 4}))]
