"""`passport`: classes and papers taken in, gaps shown, numbers and labels given out."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.domain.asset_numbers import ASSET_NUMBERS, PACKS_AT_ONCE, AllocateAssetNumbers
from ledger.domain.bindings import BINDINGS
from ledger.domain.custody import PACKS, Pack
from ledger.domain.metering import EFFICIENCY_BP
from ledger.domain.pack_classes import MIN_SOH_BP, RegisterPackClass
from ledger.domain.passports import RecordPassportFacts
from ledger.domain.places import TRANSPORT_SOC_BP
from ledger.domain.transitions import TERMINAL, state_of
from ledger.exports._passport_facts import FACTS_BYTES_MAX, parse_facts
from ledger.exports._passport_told import texts_of
from ledger.exports.passport import Desk
from ledger.kernel.envelope import canonical
from ledger.kernel.errors import NotFound
from ledger.kernel.gs1 import element_string, pack_link
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor, Command, Receipt, Request
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.reads import Reads
from mobilegrid import wiring
from mobilegrid.cli.base import App
from mobilegrid.cli.base import Command as Shell
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.export import sign_over
from mobilegrid.cli.params import read_file

_BP = click.IntRange(0, 10_000)
_FILE = click.Path(path_type=Path)
_act_as = click.option(
    "--act-as", default="operator", metavar="ID", show_default=True, help="The asset manager."
)


class Taken(msgspec.Struct, frozen=True):
    """What was taken in: the entries that say so, none where they were there before."""

    what: str
    version: int
    facts: int
    packs: list[str]
    positions: list[int]


class Gaps(msgspec.Struct, frozen=True):
    """What one pack's passport lacks, by clause; nothing where it can be written."""

    pack_id: str
    pack_class: str
    is_registered: bool
    missing: list[str]


class Label(msgspec.Struct, frozen=True):
    """What stands on the label of a pack: the text of its QR code, and what a person reads."""

    pack_id: str
    giai: str
    qr: str
    element: str


def _ask(ledger: Ledger, actor_id: str, command: Command) -> Receipt:
    digest = sha256(canonical(command)).hexdigest()
    key = key_at(0, type(command).__name__, actor_id, digest)
    actor = Actor(id=actor_id, role="asset_manager")
    request = Request(key, actor_id, actor, wiring.CLOCK.now(), command)
    return accepted(ledger.execute(request))


def _positions(receipts: Iterable[Receipt]) -> list[int]:
    return [one.first + step for one in receipts for step in range(one.count)]


# Taking in --------------------------------------------------------------------


@click.command(cls=Shell)
@click.argument("file", type=_FILE)
@click.option("--nominal-wh", type=click.IntRange(1), required=True, help="Energy of a new pack.")
@click.option("--rated-mv", type=click.IntRange(1), required=True, help="Rated voltage.")
@click.option("--min-soh-bp", type=_BP, default=MIN_SOH_BP, show_default=True)
@click.option("--transport-soc-bp", type=_BP, default=TRANSPORT_SOC_BP, show_default=True)
@click.option("--efficiency-min-bp", type=_BP, default=EFFICIENCY_BP[0], show_default=True)
@click.option("--efficiency-max-bp", type=_BP, default=EFFICIENCY_BP[1], show_default=True)
@click.option(
    "--stands-in-for",
    multiple=True,
    metavar="CLASS",
    help="A class that its packs may be handed out for, as good or better; again for more.",
)
@_act_as
@click.pass_obj
def register(app: App, /, file: Path, act_as: str, **numbers: Any) -> None:
    """Register a class from a facts file.

    The facts of the model and of the Catena-X shape become an entry, in the version that the file
    names; what it tells of single packs is left to `passport record`. Units: watt-hours,
    millivolts, hundredths of a percent.
    """
    data = read_file(file, FACTS_BYTES_MAX)
    read, texts = parse_facts(data, str(file)), texts_of(data, str(file))
    command = RegisterPackClass(
        pack_class=read.pack_class,
        facts_version=read.version,
        source=read.source,
        facts=texts.facts,
        catena_x=texts.catena_x,
        **numbers,
    )
    with wiring.open_ledger(app.settings) as ledger:
        receipt = _ask(ledger, act_as, command)
    positions = _positions([receipt])
    taken = Taken(read.pack_class, read.version, len(texts.facts), [], positions)
    _tell(app, taken, f"class {read.pack_class}")


@click.command(cls=Shell)
@click.argument("file", type=_FILE)
@_act_as
@click.pass_obj
def record(app: App, file: Path, act_as: str) -> None:
    """Record what papers tell of single packs.

    They stand in a facts file; what it tells of the model is left to `passport register`.
    """
    data = read_file(file, FACTS_BYTES_MAX)
    read, texts = parse_facts(data, str(file)), texts_of(data, str(file))
    digest = sha256(data).hexdigest()
    told = {pack_id: each for pack_id, each in texts.packs.items() if each}
    with wiring.open_ledger(app.settings) as ledger:
        receipts = [
            _ask(
                ledger,
                act_as,
                RecordPassportFacts(
                    pack_id=pack_id, source=read.source, facts=each, doc_sha256=digest
                ),
            )
            for pack_id, each in told.items()
        ]
    count = sum(map(len, told.values()))
    taken = Taken(read.pack_class, read.version, count, list(told), _positions(receipts))
    _tell(app, taken, f"{len(told)} packs")


def _tell(app: App, taken: Taken, what: str) -> None:
    said = ", ".join(map(str, taken.positions)) or "there before"
    app.console.answer(
        taken,
        facts(
            (
                ("registered", what),
                ("version", str(taken.version)),
                ("facts", f"{taken.facts:,}"),
                ("entries", said),
            )
        ),
    )


# Looking ----------------------------------------------------------------------


@click.command(cls=Shell)
@click.argument("pack_ids", metavar="[PACK]...", nargs=-1)
@click.pass_context
def check(context: click.Context, pack_ids: tuple[str, ...]) -> None:
    """Name the facts that passports still lack.

    Of the packs named, or of all that live. Ends with exit code 1 when any passport, in the whole
    form of both shapes, could not be written.
    """
    app = context.ensure_object(App)
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            names = [_known(reads, name) for name in pack_ids] or _living(reads)
            end = reads.size
        sign_over(app, ledger, end)
        with ledger.reading() as reads:
            found = [_gaps_of(Desk(reads, name), name) for name in names]
    lacking = [one for one in found if one.missing]
    rows = (
        (one.pack_id, one.pack_class, "yes" if one.is_registered else "no", ", ".join(one.missing))
        for one in lacking
    )
    app.console.answer(
        found,
        *([table("", ("Pack", "Class", "Registered", "Missing"), rows), ""] if lacking else []),
        f"{len(found) - len(lacking)} of {len(found)} passports can be written.",
    )
    context.exit(1 if lacking else 0)


def _known(reads: Reads, pack_id: str) -> str:
    if reads.row(PACKS, pack_id) is None:
        raise NotFound(f"no entry names pack {pack_id}")
    return pack_id


def _living(reads: Reads) -> list[str]:
    return [pack_id for pack_id, row in reads.rows(PACKS) if _lives(row)]


def _lives(row: Pack) -> bool:
    state = state_of(row.account)
    return bool(state) and state not in TERMINAL


def _gaps_of(desk: Desk, pack_id: str) -> Gaps:
    return Gaps(pack_id, desk.pack_class, desk.is_registered, desk.gaps("issuer"))


# Numbers and labels -----------------------------------------------------------


@click.command(cls=Shell)
@click.argument("pack_ids", metavar="[PACK]...", nargs=-1)
@click.option("--prefix", required=True, metavar="DIGITS", help="Our GS1 company prefix.")
@_act_as
@click.pass_obj
def number(app: App, pack_ids: tuple[str, ...], prefix: str, act_as: str) -> None:
    """Give packs asset numbers and a GIAI.

    The packs named, in their order, or all that live and have none.
    """
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            names = list(pack_ids) or [
                name for name in _living(reads) if reads.row(ASSET_NUMBERS, name) is None
            ]
        for start in range(0, len(names), PACKS_AT_ONCE):
            some = tuple(names[start : start + PACKS_AT_ONCE])
            _ask(ledger, act_as, AllocateAssetNumbers(pack_ids=some, prefix=prefix))
        with ledger.reading() as reads:
            rows = [(name, reads.row(ASSET_NUMBERS, name)) for name in names]
    given = {name: row.giai for name, row in rows if row is not None}
    app.console.answer(
        given,
        *([table("", ("Pack", "GIAI"), given.items()), ""] if given else []),
        f"{len(given)} packs have a number.",
    )


@click.command(cls=Shell)
@click.argument("pack_id", metavar="PACK")
@click.option("--resolver", required=True, metavar="HOST", help="Where the QR code leads to.")
@click.pass_obj
def label(app: App, pack_id: str, resolver: str) -> None:
    """Show what stands on the label of a pack.

    The text of its QR code (ISO/IEC 18004) is the GS1 Digital Link of its GIAI.
    """
    with wiring.reading(app.settings) as reads:
        bound = [
            key.partition("|")[2]
            for key, row in reads.rows(BINDINGS, listed=_known(reads, pack_id))
            if key.startswith("GIAI|") and not row.valid_to
        ]
    if not bound:
        raise NotFound(f"pack {pack_id} has no GIAI; give it one with `passport number`")
    giai = max(bound)
    made = Label(pack_id, giai, pack_link(resolver, giai), element_string(giai))
    app.console.answer(
        made,
        facts((("pack", pack_id), ("QR code", made.qr), ("below it", made.element))),
    )
