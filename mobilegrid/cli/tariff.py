"""`tariff`: price lists in versions, and what a changed one means for usages of the past."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.domain.money.rerating_sheets import Change, Sheet, driver_changes, partner_changes
from ledger.domain.money.tariff_terms import UNITS, Element, Tariff, TariffTerms, TariffVersion
from ledger.domain.money.tariffs import TARIFFS, PublishTariff
from ledger.exports.rerated import write_sheet
from ledger.kernel.errors import Malformed, NotFound
from ledger.kernel.instants import as_text, parse_instant
from ledger.kernel.messages import Actor
from ledger.kernel.money import amount_text
from ledger.kernel.quantities import kwh_text
from ledger.runtime.rerating_preview import Asked, apply, preview
from mobilegrid import wiring
from mobilegrid.cli.acting import DIGEST, Acting, ask, tell
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import Table, facts, table
from mobilegrid.cli.params import FILE, TIME, TwoPersons, read_file, two_persons
from mobilegrid.cli.wording import percent, rate_words, time_words

TERMS_BYTES_MAX = 1024 * 1024
_TIMES = ("valid_from_at", "valid_to_at")


# Terms in a file --------------------------------------------------------------


def read_terms(path: Path) -> TariffTerms:
    """Read the terms of a version from a JSON file with their own field names.

    Times may be ISO 8601 texts with a zone. `Malformed` names every field that cannot be read.
    """
    try:
        found = msgspec.json.decode(read_file(path, TERMS_BYTES_MAX))
    except msgspec.DecodeError as error:
        raise Malformed(f"not JSON: {error}", place=str(path)) from error
    if not isinstance(found, dict):
        raise Malformed("terms are a JSON object", place=str(path))
    for name in _TIMES:
        if isinstance(found.get(name), str):
            found[name] = parse_instant(found[name], name)
    faults = list(_faults(found))
    if faults:
        fields = ", ".join(field for field, _ in faults)
        words = "; ".join(f"{field}: {fault}" for field, fault in faults)
        raise Malformed(words, place=str(path), field=fields)
    return msgspec.convert(found, TariffTerms)


def _faults(found: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Name each field that is unknown, missing or of a wrong type, elements one by one."""
    types = {field.name: field for field in msgspec.structs.fields(TariffTerms)}
    for name in sorted(found.keys() - types.keys()):
        yield name, "unknown"
    for name, field in types.items():
        if name not in found:
            if field.required:
                yield name, "missing"
        elif name == "elements" and isinstance(found[name], list):
            for number, element in enumerate(found[name]):
                yield from _fault(element, Element, f"elements[{number}]")
        else:
            yield from _fault(found[name], field.type, name)


def _fault(value: object, kind: Any, path: str) -> Iterable[tuple[str, str]]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        words, _, inside = str(error).partition(" - at `$")
        yield f"{path}{inside.rstrip('`')}", words


@click.command(cls=Command)
@click.argument("tariff_id", metavar="TARIFF")
@click.argument("terms_file", metavar="FILE", type=FILE)
@click.option("--supersedes", type=int, default=0, metavar="N", help="Which version it replaces.")
@click.option(
    "--document",
    type=DIGEST,
    default="",
    metavar="FILE",
    help="The signed terms, by digest.",
)
@two_persons("finance")
@click.pass_obj
def publish(
    app: App,
    tariff_id: str,
    terms_file: Path,
    supersedes: int,
    document: str,
    persons: TwoPersons,
) -> None:
    """Publish the next version of a tariff; two persons.

    FILE is JSON with the fields of the terms: country, currency, zone, valid_from_at, elements and
    so on. A version may begin in the past when it supersedes the one of that time: preview shows
    what that changes, apply makes it so.
    """
    terms = read_terms(terms_file)
    if document:
        terms = msgspec.structs.replace(terms, terms_sha256=document)
    command = PublishTariff(tariff_id=tariff_id, terms=terms, supersedes=supersedes)
    acting = Acting(_actor(persons), 0)
    with wiring.open_ledger(app.settings) as ledger:
        made = ask(ledger, command, acting)
    tell(app, "PublishTariff", tariff_id, made)


def _actor(persons: TwoPersons) -> Actor:
    return Actor(persons.by, persons.role, persons.second)


# Looking ----------------------------------------------------------------------


@click.command("list", cls=Command)
@click.pass_obj
def list_(app: App) -> None:
    """List tariffs with the version in force now."""
    now = wiring.CLOCK.now()
    with wiring.reading(app.settings) as reads:
        tariffs = [row for _, row in reads.rows(TARIFFS)]
    rows = [_listed(row, row.at(now)) for row in tariffs]
    columns = ("Tariff", "Currency", "Versions", "In force", "Since", "Until", "Prices")
    app.console.answer(tariffs, table("", columns, rows, right=(2, 3, 6)))


def _listed(row: Tariff, version: TariffVersion | None) -> tuple[str, ...]:
    head = (row.tariff_id, row.currency, str(row.versions))
    if version is None:
        return (*head, "-", "-", "-", "-")
    return (*head, str(version.version), *_span(version), str(len(version.terms.elements)))


def _span(version: TariffVersion) -> tuple[str, str]:
    terms = version.terms
    until = time_words(terms.valid_to_at) if terms.valid_to_at else "-"
    return time_words(terms.valid_from_at), until


@click.command(cls=Command)
@click.argument("tariff_id", metavar="TARIFF")
@click.option("--version", "number", type=int, metavar="N", help="Instead of the one in force.")
@click.pass_obj
def show(app: App, tariff_id: str, number: int | None) -> None:
    """Show a tariff: its versions over time, and the prices of one."""
    now = wiring.CLOCK.now()
    with wiring.reading(app.settings) as reads:
        row = reads.row(TARIFFS, tariff_id)
    if row is None:
        raise NotFound(f"there is no tariff {tariff_id[:40]}")
    chosen = row.at(now) if number is None else None
    if number is not None:
        chosen = next((one for one in row.lasting if one.version == number), None)
    if number is not None and chosen is None:
        raise NotFound(f"{tariff_id} has no lasting version {number} in force at any time")
    spans = [(str(one.version), *_span(one), str(one.position)) for one in row.lasting]
    columns = ("Version", "From", "Until", "Entry")
    shown: list[object] = [table(f"{tariff_id}, {row.currency}", columns, spans, right=(0, 3))]
    if chosen is not None:
        shown += ["", facts(_head(chosen)), "", _prices(chosen)]
    app.console.answer(row, *shown)


def _head(version: TariffVersion) -> tuple[tuple[str, str], ...]:
    terms = version.terms
    currency = terms.currency
    found = [
        ("version", str(version.version)),
        ("prices", "with tax" if terms.tax_included else "net of tax"),
        ("country, zone", f"{terms.country}, {terms.zone}"),
        ("negative energy", terms.negative_energy.replace("_", " ")),
    ]
    if terms.min_bill_minor:
        found.append(("least of a bill", amount_text(terms.min_bill_minor, currency)))
    if terms.max_bill_minor:
        found.append(("most of a bill", amount_text(terms.max_bill_minor, currency)))
    if terms.terms_sha256:
        found.append(("terms", terms.terms_sha256))
    return tuple(found)


def _prices(version: TariffVersion) -> Table:
    rows = [
        (one.component, price, _unit(one), _when(one), _bounds(one))
        for one in version.terms.elements
        for price in _rates(one)
    ]
    columns = ("Component", f"Price in {version.terms.currency}", "Per", "Where and when", "Bounds")
    return table("", columns, rows, right=(1,))


def _rates(element: Element) -> list[str]:
    tier = element.tier
    if tier is None:
        return [rate_words(element.rate_micro)]
    scope = tier.scope.replace("_", " ")
    return [
        f"{rate_words(step.rate_micro)} from {_quantity(step.from_quantity, element)} a {scope}"
        for step in tier.steps
    ]


def _quantity(quantity: int, element: Element) -> str:
    return kwh_text(quantity) if UNITS[element.per] == "WH" else f"{quantity:,}"


def _unit(element: Element) -> str:
    return "kWh" if element.per == "KWH" else element.per.lower().replace("_", " ")


def _when(element: Element) -> str:
    limits = element.restrictions
    parts = [" ".join(limits.days)] if limits.days else []
    if limits.start_local:
        parts.append(f"{limits.start_local}-{limits.end_local}")
    if limits.date_from or limits.date_to:
        parts.append(f"{limits.date_from or '...'} to {limits.date_to or '...'}")
    for name in ("stations", "zones", "pack_classes", "groups"):
        named = getattr(limits, name)
        if named:
            parts.append(", ".join(named))
    if limits.min_soc_bp:
        parts.append(f"soc at least {percent(limits.min_soc_bp)}")
    if element.quantity_source:
        parts.append(element.quantity_source.lower().replace("_", " "))
    return "; ".join(parts) or "always"


def _bounds(element: Element) -> str:
    least = f"at least {_quantity(element.min_quantity, element)}" if element.min_quantity else ""
    most = f"at most {_quantity(element.max_quantity, element)}" if element.max_quantity else ""
    return ", ".join(part for part in (least, most) if part)


# Rating the past again --------------------------------------------------------


class Shown(msgspec.Struct, frozen=True):
    """What `preview` tells: the root to approve, the sums, and every line."""

    tariff_id: str
    from_at: str
    to_at: str
    checked: int
    skipped: int
    lines_root: str
    drivers: list[Change]
    partners: list[Change]
    sheet: Sheet


@click.command("preview", cls=Command)
@click.argument("tariff_id", metavar="TARIFF")
@click.option("--from", "from_at", type=TIME, required=True, metavar="TIME", help="First usage.")
@click.option("--to", "to_at", type=TIME, required=True, metavar="TIME", help="Usages before it.")
@click.option("--draft", type=FILE, metavar="FILE", help="Terms that are not published yet.")
@click.option("--supersedes", type=int, default=0, metavar="N", help="What the draft replaces.")
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="Write every line as CSV.")
@click.pass_obj
def preview_(app: App, /, tariff_id: str, csv_file: Path | None, **given: Any) -> None:
    """Show what rating past usages again would change.

    Nothing is posted. Each driver and each partner is shown before and after, net of tax. The
    root names the sheet: two persons apply exactly that with `tariff apply`.
    """
    with wiring.reading(app.settings) as reads:
        sheet, _ = preview(reads, _asked(tariff_id, given))
    if csv_file is not None:
        write_sheet(sheet, csv_file)
        app.console.remark(f"Wrote {csv_file} and its control sheet.")
    drivers, partners = driver_changes(sheet.lines), partner_changes(sheet.lines)
    told = Shown(
        tariff_id=sheet.tariff_id,
        from_at=as_text(sheet.from_at),
        to_at=as_text(sheet.to_at),
        checked=sheet.checked,
        skipped=sheet.skipped,
        lines_root=sheet.root(),
        drivers=drivers,
        partners=partners,
        sheet=sheet,
    )
    app.console.answer(told, *_sheet_text(sheet, drivers, partners))


def _asked(tariff_id: str, given: dict[str, Any]) -> Asked:
    draft = None if given["draft"] is None else read_terms(given["draft"])
    return Asked(tariff_id, given["from_at"], given["to_at"], draft, given["supersedes"])


def _sheet_text(sheet: Sheet, drivers: list[Change], partners: list[Change]) -> list[object]:
    head = [
        ("tariff", sheet.tariff_id),
        ("usages", f"{sheet.checked:,} looked at, {len(sheet.lines):,} would change"),
        ("root", sheet.root()),
    ]
    if sheet.skipped:
        head.insert(2, ("skipped", f"{sheet.skipped:,}: their facts are not in the log"))
    shown: list[object] = [facts(head)]
    for title, changes in (("Drivers pay", drivers), ("Partners get", partners)):
        if changes:
            rows = [_change(one) for one in changes]
            columns = ("Who", "Usages", "Before", "After", "Change")
            shown += ["", table(title, columns, rows, right=(1, 2, 3, 4))]
    return shown


def _change(one: Change) -> tuple[str, ...]:
    amounts = (one.before_minor, one.after_minor, one.after_minor - one.before_minor)
    return (
        one.party,
        f"{one.usages:,}",
        *(f"{amount_text(minor, one.currency)} {one.currency}" for minor in amounts),
    )


@click.command("apply", cls=Command)
@click.argument("tariff_id", metavar="TARIFF")
@click.option("--from", "from_at", type=TIME, required=True, metavar="TIME", help="First usage.")
@click.option("--to", "to_at", type=TIME, required=True, metavar="TIME", help="Usages before it.")
@click.option("--root", required=True, metavar="ROOT", help="The sheet, as preview named it.")
@click.option("--reason", required=True, metavar="TEXT", help="Which version, or which dispute.")
@two_persons("finance")
@click.pass_obj
def apply_(app: App, /, tariff_id: str, persons: TwoPersons, root: str, **given: Any) -> None:
    """Take back and make again the bills of a sheet; two persons.

    The sheet is made once more: unless it has the root that was looked at, nothing happens.
    """
    asked = Asked(tariff_id, given["from_at"], given["to_at"])
    with wiring.open_ledger(app.settings) as ledger:
        done = apply(
            ledger,
            asked,
            root,
            actor=_actor(persons),
            reason=given["reason"],
            at=wiring.CLOCK.now(),
        )
    said = [f"{done.campaign_id}: {done.applied:,} bills taken back and made again"]
    if done.left:
        said.append(f"{done.left:,} lines do not hold any more; preview shows what is left")
    app.console.answer(done, *said)
