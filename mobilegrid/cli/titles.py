"""`title-statement`, `title-days`: whose the packs are and were, and what rests on them."""

from collections.abc import Iterable
from pathlib import Path

import click

from ledger.kernel.errors import Malformed
from ledger.kernel.instants import as_text
from ledger.runtime.pack_days import pack_days_in
from ledger.runtime.titles import COLUMNS, TitleStatement, title_statement
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.export import sign_over
from mobilegrid.cli.params import FILE, TIME, ZONE, known_at_option, write_file
from mobilegrid.cli.wording import quantity_words


@click.command(cls=Command, name="title-statement")
@click.option(
    "--as-of",
    type=TIME,
    metavar="TIME",
    help="What had happened by then. A date means the end of that day, UTC.",
)
@known_at_option
@click.option("--holder", "holder_id", metavar="PARTY", help="Show the lines of one holder only.")
@click.option("--out", type=FILE, metavar="FILE", help="Write the whole statement, as JSON.")
@click.pass_obj
def statement(
    app: App, as_of: int | None, known_at: int | None, holder_id: str | None, out: Path | None
) -> None:
    """Show packs and book value per holder.

    One line for each holder, class and currency, with where the packs are; then the liens of each
    bank. The head is signed first when no checkpoint covers what is told: the same moment gives
    the same bytes ever after.
    """
    now = wiring.CLOCK.now()
    for name, moment in (("as_of", as_of), ("known_at", known_at)):
        if moment is not None and moment > now + _REST_OF_A_DAY:
            raise Malformed("a time that has come", field=name)
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            end = reads.moment(as_of, known_at).end
        sign_over(app, ledger, end)
        with ledger.reading() as reads:
            whole = title_statement(reads, as_of, known_at)
    if out is not None:
        write_file(out, whole.encoded() + b"\n")
    _tell(app, whole if holder_id is None else whole.of(holder_id))


_REST_OF_A_DAY = 24 * 60 * 60 * 1_000_000
"""A date of today means the end of today."""


def _tell(app: App, said: TitleStatement) -> None:
    places = [name for name in COLUMNS if any(one.places[name] for one in said.holders)]
    counted = ("Packs", "In service", "Leased", "Book value")
    columns = ("Holder", "Class", *counted, *map(_words, places))
    title = f"Titles as of {as_text(said.as_of)}"
    held = table(title, columns, _holder_rows(said, places), right=range(2, len(columns)))
    banks = ("Holder", "Bank", "Liens", "Packs", "Secured")
    liens = table("Liens", banks, _lien_rows(said), right=(2, 3, 4))
    app.console.answer(
        said,
        held,
        "",
        *((liens, "") if said.liens else ()),
        facts(
            (
                ("fleet", f"{said.titled:,} packs with a title, {said.commissioned:,} in service"),
                ("known", f"{said.last_position + 1:,} entries, to {as_text(said.known_at)}"),
                ("checkpoint", f"{said.checkpoint.size:,} entries, root {said.checkpoint.root}"),
            )
        ),
    )


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _holder_rows(said: TitleStatement, places: list[str]) -> Iterable[tuple[str, ...]]:
    for one in said.holders:
        value = quantity_words(one.book_value_minor, one.currency) if one.currency else "not valued"
        counts = (f"{count:,}" for count in (one.count, one.commissioned, one.leased))
        yield (
            one.holder_id,
            one.pack_class,
            *counts,
            value,
            *(f"{one.places[name]:,}" for name in places),
        )


def _lien_rows(said: TitleStatement) -> Iterable[tuple[str, ...]]:
    for one in said.liens:
        amount = quantity_words(one.amount_minor, one.currency)
        yield one.holder_id, one.bank_id, f"{one.liens:,}", f"{one.packs:,}", amount


@click.command(cls=Command, name="title-days")
@click.argument("period", metavar="PERIOD")
@click.option(
    "--zone", type=ZONE, default="UTC", show_default=True, help="Whose days, as Europe/Paris."
)
@known_at_option
@click.pass_obj
def days(app: App, period: str, zone: str, known_at: int | None) -> None:
    """Count pack-days per holder, lease and lien.

    PERIOD is YYYY-MM or YYYY-MM-DD. A day belongs to whoever has the title when it begins. Rent to
    title holders and instalments to banks are computed from these facts.
    """
    with wiring.reading(app.settings) as reads:
        found = pack_days_in(reads, period, zone, known_at=known_at)
    rents = (
        (one.holder_id, one.pack_class, one.lessee_id or "nobody", f"{one.pack_days:,}")
        for one in found.rents
    )
    liens = (
        (one.bank_id, one.lien_id, one.pack_id, one.holder_id, f"{one.days:,}")
        for one in found.liens
    )
    title = f"Pack-days of {period}, {found.days} days"
    app.console.answer(
        found,
        table(title, ("Holder", "Class", "Leased by", "Pack-days"), rents, right=(3,)),
        "",
        table("Liens", ("Bank", "Lien", "Pack", "Holder", "Days"), liens, right=(4,)),
    )
