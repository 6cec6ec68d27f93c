"""`pack`: buy packs, take them in, let them into service, retire them; show and list them."""

from typing import Any

import click
import msgspec

from ledger.domain.assets import CommissionPack, PlacePackOrder, ReceivePack, RecordVerification
from ledger.domain.custody import PACKS, Pack
from ledger.domain.health import METHODS, AssessSoh, RetirePack
from ledger.domain.moves import MovePack
from ledger.domain.purchases import PACK_PURCHASES, PURCHASE_ORDERS, PurchaseLine
from ledger.domain.purchasing import AnnounceDespatch, PlacePurchaseOrder
from ledger.domain.transitions import FAMILIES, STATES, place_of, state_of
from ledger.kernel.errors import NotFound
from ledger.kernel.instants import as_text
from mobilegrid import wiring
from mobilegrid.cli.acting import (
    acting_of,
    acting_parameters,
    argument,
    ask,
    asks,
    digest,
    many,
    moment,
    number,
    packs,
    tell,
    text,
)
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.wording import percent, place_words, time_words

_PACK = argument("pack_id", "PACK")
_SOC = click.Option(
    ["--soc-bp", "soc_bp"], type=int, metavar="N", help="State of charge in 0.01 %."
)


def _level(level: int) -> click.Option:
    words = "Evidence level, 0 to 5."
    return number("--level", "level", words, default=level, show_default=True)


def _order(**given: Any) -> None:
    app = click.get_current_context().find_object(App)
    assert app is not None, "the root makes it"
    acting = acting_of(given)
    quantity, due_at = given.pop("quantity"), given.pop("due_at")
    holder, incoterm = given.pop("title_holder_id"), given.pop("incoterm")
    pack_ids = given.pop("pack_ids") or tuple(wiring.IDS.new("PK") for _ in range(quantity))
    line = PurchaseLine(
        given["line"], "pack", given["pack_class"], len(pack_ids), given["unit_price_minor"]
    )
    placed = PlacePurchaseOrder(
        po_no=given["po_no"],
        supplier_id=given["supplier_id"],
        lines=(line,),
        currency=given["currency"],
        due_at=due_at,
        title_holder_id=holder,
        incoterm=incoterm,
        occurred_at=acting.at,
    )
    ordered = PlacePackOrder(**given, pack_ids=pack_ids, occurred_at=acting.at)
    with wiring.open_ledger(app.settings) as ledger:
        with ledger.reading() as reads:
            known = reads.row(PURCHASE_ORDERS, given["po_no"])
        made = ask(ledger, placed, acting) if known is None else []
        made += ask(ledger, ordered, acting)
    tell(app, "PlacePackOrder", ", ".join(pack_ids), made)


order = Command(
    "order",
    params=[
        packs(required=False),
        text("--po", "po_no", "Number of the purchase order.", required=True, metavar="PO"),
        number("--line", "line", "Its line.", default=1, show_default=True),
        text("--supplier", "supplier_id", "Who delivers.", required=True, metavar="PARTY"),
        text("--class", "pack_class", "Class of the packs.", required=True, metavar="CLASS"),
        number("--nominal-wh", "nominal_wh", "Energy of a new one in Wh.", required=True),
        number("--quantity", "quantity", "How many, where no ids are given.", default=1),
        number("--price-minor", "unit_price_minor", "Price of one, smallest unit."),
        text("--currency", "currency", "ISO 4217.", default="EUR", show_default=True),
        moment("--due", "due_at", "When they shall come.", required=True),
        text("--title-holder", "title_holder_id", "Whose they will be.", metavar="PARTY"),
        text("--incoterm", "incoterm", "Who bears which part of the way."),
        *acting_parameters("asset_manager"),
    ],
    callback=_order,
    help="""Order packs; each has its own id from the start.

    The purchase order is placed with them when it is not there yet.
    """,
)

announce = asks(
    "announce",
    """Tell that the supplier sent packs, under a despatch advice.

    The purchase order must list them.
    """,
    AnnounceDespatch,
    "asset_manager",
    [
        packs(),
        text("--asn", "asn_no", "Number of the advice.", required=True, metavar="ASN"),
        text("--po", "po_no", "Number of the purchase order.", required=True, metavar="PO"),
        text("--carrier", "carrier_id", "Who brings them.", required=True, metavar="PARTY"),
        many("--serial", "serials", "The maker's serials, in the order of the packs."),
        text("--un", "un_no", "UN number of the goods."),
        text("--un38-3", "un38_3_ref", "Reference of the transport test."),
        _SOC,
        _level(1),
    ],
    "pack_ids",
)

receive = asks(
    "receive",
    """Take a pack into a depot.

    Without an advice it opens a case.
    """,
    ReceivePack,
    "depot_clerk",
    [
        _PACK,
        text("--depot", "depot_id", "Where.", required=True, metavar="PARTY"),
        text("--asn", "asn_no", "Number of the advice.", metavar="ASN"),
        text("--condition", "condition", "How it looks."),
        _level(2),
    ],
    "pack_id",
)

verify = asks(
    "verify",
    """Record the incoming test of a pack.

    It passes with the pack's own answer (`pack attest`), whose digest is named; a pack that failed
    goes back to its supplier, which takes two persons.
    """,
    RecordVerification,
    "engineer",
    [
        _PACK,
        click.Option(["--passed/--failed", "passed"], default=True, help="What the test found."),
        digest("--report", "report_sha256", "The report, or its SHA-256.", required=True),
        text("--attestation", "attestation_sha256", "Digest of the pack's own answer."),
        number("--capacity-mah", "capacity_mah", "Charge it held, in mAh."),
        number("--insulation-kohm", "insulation_kohm", "Insulation, in kOhm."),
        number("--cell-delta-mv", "cell_delta_mv", "Largest difference of cells, in mV."),
        text("--instrument", "instrument_id", "What it was measured with.", metavar="ID"),
        text("--firmware", "firmware", "Version of its program."),
        _SOC,
        _level(5),
    ],
    "pack_id",
)

commission = asks(
    "commission",
    """Let a verified pack into service; two persons.""",
    CommissionPack,
    "asset_manager",
    [
        _PACK,
        number("--soh-bp", "soh_bp", "Its health now, in 0.01 %.", default=10_000),
        number("--min-soh-bp", "min_soh_bp", "The least it may have.", default=7_000),
        text("--title-holder", "title_holder_id", "Whose it is.", required=True, metavar="PARTY"),
        moment("--warranty", "warranty_until", "When its warranty ends."),
        number("--book-value-minor", "book_value_minor", "What it is worth, smallest unit."),
        text("--currency", "currency", "ISO 4217."),
        _level(2),
    ],
    "pack_id",
)

assess = asks(
    "assess",
    """Record a state of health that was measured.""",
    AssessSoh,
    "engineer",
    [
        _PACK,
        number("--soh-bp", "soh_bp", "State of health in 0.01 %.", required=True),
        click.Option(
            ["--method"],
            type=click.Choice(sorted(METHODS)),
            default="full-capacity-test",
            show_default=True,
            help="How it was found.",
        ),
    ],
    "pack_id",
)

retire = asks(
    "retire",
    """End the service of a pack for drivers; two persons.""",
    RetirePack,
    "asset_manager",
    [
        _PACK,
        text("--reason", "reason", "Why.", required=True),
        number("--residual-soh-bp", "residual_soh_bp", "Health left, in 0.01 %."),
    ],
    "pack_id",
)


move = asks(
    "move",
    """Report one move of the custody table.

    EVENT is its name, such as pack_docked, leg_confirmed, declared_missing or pack_recovered;
    --place where the table has one. Who may report it, and on what evidence, the table says.
    """,
    MovePack,
    "operator",
    [
        _PACK,
        argument("event", "EVENT"),
        text("--place", "place", "Slot, station, depot, workshop, …, where the event has one."),
        text("--station", "station_id", "The station.", metavar="STATION"),
        text("--slot", "slot", "The slot.", metavar="SLOT"),
        text("--holder", "holder_id", "Who gets it.", metavar="PARTY"),
        text("--order", "order_id", "On which order.", metavar="ORDER"),
        text("--reason", "reason", "Why."),
        text("--attestation", "attestation_sha256", "Digest of the pack's own answer."),
        _SOC,
        _level(2),
    ],
    "pack_id",
)


class Shown(msgspec.Struct, frozen=True):
    """What `show` tells: the pack as the rules know it, where it is, and how it was bought."""

    pack_id: str
    state: str
    account: str
    since: str
    pack_class: str
    soc_bp: int | None
    soh_bp: int
    commissioned: bool
    retired: bool
    title_holder_id: str
    holds: list[str]
    po_no: str
    warranty_until: str


@click.command(cls=Command)
@click.argument("pack_id", metavar="PACK")
@click.pass_obj
def show(app: App, pack_id: str) -> None:
    """Show a pack as it stands now."""
    with wiring.reading(app.settings) as reads:
        pack = reads.row(PACKS, pack_id)
        bought = reads.row(PACK_PURCHASES, pack_id)
    if pack is None:
        raise NotFound(f"there is no pack {pack_id[:40]}")
    until = 0 if bought is None else bought.warranty_until
    told = Shown(
        pack.pack_id,
        state_of(pack.account),
        pack.account,
        as_text(pack.moved_at),
        pack.pack_class,
        pack.soc_bp,
        pack.soh_bp,
        pack.commissioned,
        pack.retired,
        pack.title_holder_id,
        [hold.reason for hold in pack.holds],
        "" if bought is None else bought.po_no,
        as_text(until) if until else "",
    )
    service = "retired" if pack.retired else "in service" if pack.commissioned else "not in service"
    said = (
        ("pack", pack.pack_id),
        ("class", f"{pack.pack_class}, {service}"),
        ("where", place_words(pack.account)),
        ("since", time_words(pack.moved_at)),
        ("charge", "unknown" if pack.soc_bp is None else percent(pack.soc_bp)),
        ("health", percent(pack.soh_bp)),
        ("title", pack.title_holder_id or "nobody's yet"),
        ("holds", ", ".join(told.holds) or "none"),
        ("bought on", told.po_no or "unknown"),
        ("warranty until", told.warranty_until or "none"),
    )
    app.console.answer(told, facts(said))


@click.command(cls=Command, name="list")
@click.option(
    "--state", type=click.Choice(sorted(FAMILIES)), metavar="STATE", help="In this state only."
)
@click.option("--at-account", default="", metavar="ACCOUNT", help="At this account only.")
@click.pass_obj
def list_(app: App, state: str | None, at_account: str) -> None:
    """List packs with their place, charge and health."""
    with wiring.reading(app.settings) as reads:
        rows = reads.rows(PACKS, listed=at_account or None)
        found = [row for _, row in rows if state in (None, STATES[place_of(row.account)[0]])]
    columns = ("Pack", "Class", "State", "Where", "SoC", "SoH")
    lines = table(f"{len(found)} packs", columns, map(_row, found), right=(4, 5))
    app.console.answer([msgspec.to_builtins(one) for one in found], lines)


def _row(pack: Pack) -> tuple[str, ...]:
    soc = "" if pack.soc_bp is None else percent(pack.soc_bp)
    return (
        pack.pack_id,
        pack.pack_class,
        state_of(pack.account),
        place_words(pack.account),
        soc,
        percent(pack.soh_bp),
    )
