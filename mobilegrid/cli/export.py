"""`export`: our history in other people's formats."""

from hashlib import sha256
from importlib import resources
from pathlib import Path

import click
import msgspec

from ledger.exports._tables import Control
from ledger.exports.books import export_books
from ledger.exports.epcis import export_epcis
from ledger.exports.history import export_history, export_postings
from ledger.exports.log import export_log
from ledger.exports.statement_papers import paper_of
from ledger.exports.statements import export_statement
from ledger.exports.xlsx import export_workbook
from ledger.kernel.errors import NotFound, Unavailable
from ledger.runtime import settling
from ledger.runtime.ledger import Ledger
from ledger.runtime.proving import signed_log
from mobilegrid import wiring
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts
from mobilegrid.cli.params import FILE, FOLDER, known_at_option, valid_at_option, write_file
from mobilegrid.cli.proofs import sign_head
from mobilegrid.letterhead import letterhead

VERIFIER = "verify_mobilegrid.py"
"""The name under which strangers get the verifier; ours is mobilegrid/offline_verifier.py."""


@click.command(cls=Command)
@click.argument("folder", type=FOLDER)
@click.option("--period", metavar="YYYY-MM", help="One month of the books, not everything.")
@click.option("--leaves", is_flag=True, help="Full paths of packs and energy, not families.")
@click.pass_obj
def books(app: App, folder: Path, period: str | None, *, leaves: bool) -> None:
    """Write journals for hledger, Beancount, Ledger.

    Each of the three programs finds every closing balance asserted. control.json holds counts,
    totals and the digest of each file.
    """
    _write_books(app, folder, period, leaves=leaves)


@click.command(cls=Command)
@click.option("--period", required=True, metavar="YYYY-MM", help="Which month of the books.")
@click.option("--out", "folder", required=True, type=FOLDER, help="Where the files go.")
@click.option("--leaves", is_flag=True, help="Full paths of packs and energy, not families.")
@click.pass_obj
def journal(app: App, folder: Path, period: str, *, leaves: bool) -> None:
    """Write the journals of one period.

    The same files as `export books`, for a month of the books: entries by their posting dates.
    """
    _write_books(app, folder, period, leaves=leaves)


def _write_books(app: App, folder: Path, period: str | None, *, leaves: bool) -> None:
    with wiring.reading(app.settings) as reads, app.console.progress("books") as progress:
        control = export_books(reads, folder, period, leaves=leaves, progress=progress)
    app.console.answer(
        control,
        f"{control.transactions:,} transactions of {control.entries:,} entries in {folder}, "
        f"{len(control.closing):,} closing balances asserted",
        *control.totals,
    )


@click.command(cls=Command)
@click.argument("file", type=FILE)
@click.option("--period", default="", metavar="YYYY-MM", help="One month of the books.")
@click.pass_obj
def xlsx(app: App, file: Path, period: str) -> None:
    """Write postings as a workbook for spreadsheets.

    Amounts are numbers, dates are dates; totals stand on its second sheet.
    """
    with wiring.reading(app.settings) as reads, app.console.progress("postings") as progress:
        control = export_workbook(reads, file, period, progress=progress)
    app.console.answer(control, f"{control.rows:,} postings in {file}", *_totals(control))


@click.command(cls=Command)
@click.argument("file", type=FILE)
@click.option("--period", metavar="YYYY-MM", help="One month of the books.")
@click.option(
    "--semicolons",
    is_flag=True,
    help="Divide columns by ; where decimals are written with a comma.",
)
@click.pass_obj
def postings(app: App, file: Path, period: str | None, *, semicolons: bool) -> None:
    """Write postings as CSV.

    One row per line of an entry; a control sheet stands beside the file.
    """
    delimiter = ";" if semicolons else ","
    with wiring.reading(app.settings) as reads, app.console.progress("postings") as progress:
        control = export_postings(reads, file, period, delimiter=delimiter, progress=progress)
    app.console.answer(control, f"{control.rows:,} postings in {file}", *_totals(control))


def _totals(control: Control) -> list[str]:
    return [f"{name} {amount}" for name, amount in control.totals.items()]


@click.command(cls=Command)
@click.argument("folder", type=FOLDER)
@click.option("--recheck", is_flag=True, help="Compare every file that is already there.")
@click.pass_obj
def log(app: App, folder: Path, *, recheck: bool) -> None:
    """Write the log as a directory of tiles.

    The head is signed first when it is not. A folder that holds an older state is carried on; one
    that holds another history is evidence, exit code 3.
    """
    with wiring.open_ledger(app.settings) as ledger:
        signed = sign_head(app, ledger)
        with ledger.reading() as reads, app.console.progress("log") as progress:
            done = export_log(signed_log(reads), folder, progress=progress, recheck=recheck)
    app.console.answer(
        done,
        facts(
            (
                ("folder", str(folder)),
                ("entries", f"{done.size:,}, {done.size - done.size_before:,} of them new"),
                ("files written", f"{done.files_written:,}"),
                ("verifier key", signed.vkey),
            )
        ),
    )


@click.command(cls=Command)
@click.argument("pack_id", metavar="PACK")
@click.argument("file", type=FILE)
@valid_at_option
@known_at_option
@click.pass_obj
def history(app: App, pack_id: str, file: Path, valid_at: int | None, known_at: int | None) -> None:
    """Write the life of a pack as CSV.

    A control sheet stands beside the file.
    """
    with wiring.reading(app.settings) as reads:
        control = export_history(reads, pack_id, file, reads.moment(valid_at, known_at))
    app.console.answer(control, f"{control.rows:,} rows in {file}")


@click.command(cls=Command)
@click.argument("file", type=FILE)
@click.option("--pack", "pack_ids", multiple=True, metavar="PACK", help="Only this pack; again.")
@click.option("--base", default="", metavar="URL", help="Name things below this, not the origin.")
@valid_at_option
@known_at_option
@click.pass_obj
def epcis(
    app: App,
    file: Path,
    pack_ids: tuple[str, ...],
    base: str,
    valid_at: int | None,
    known_at: int | None,
) -> None:
    """Write histories of packs as EPCIS 2.0.

    One JSON-LD document of all packs, or of those that are named. The head is signed first when no
    checkpoint covers what is told. Drivers are not in it.
    """
    with wiring.open_ledger(app.settings) as ledger, app.console.progress("epcis") as progress:
        with ledger.reading() as reads:
            moment = reads.moment(valid_at, known_at)
            for pack_id in pack_ids:
                reads.pack_history(pack_id, moment)  # nothing is signed for a pack nobody knows
        sign_over(app, ledger, moment.end)
        with ledger.reading() as reads:
            done = export_epcis(reads, file, pack_ids, moment, base=base, progress=progress)
    app.console.answer(
        done,
        f"{done.events:,} events of {done.packs:,} packs in {file}",
        f"SHA-256 {done.sha256}",
    )


def sign_over(app: App, ledger: Ledger, end: int) -> None:
    """Sign the head, unless a checkpoint covers the first `end` entries already."""
    with ledger.reading() as reads:
        try:
            reads.covered_at(end)
        except NotFound:
            pass
        else:
            return
    sign_head(app, ledger)


@click.command(cls=Command)
@click.argument("operator")
@click.argument("period")
@click.argument("file", type=FILE)
@click.option("--pdf", type=FILE, metavar="FILE", help="Write it for people too.")
@click.pass_obj
def statement(app: App, operator: str, period: str, file: Path, pdf: Path | None) -> None:
    """Write a partner's statement as CSV.

    Sums and the root over its lines stand on the control sheet beside the file; lines that are not
    what was issued are evidence, exit code 3. With --pdf it is written as a paper as well; who
    sends it stands in the settings, section `seller`.
    """
    head = letterhead(app.settings) if pdf is not None else None
    with wiring.reading(app.settings) as reads:
        view = settling.statement(reads, operator, period)
        control = export_statement(reads, view.statement.statement_id, file)
        paper = paper_of(reads, view.statement.statement_id, head) if head is not None else None
    if pdf is not None and paper is not None:
        from ledger.exports.statement_pdf import write_statement_pdf

        write_file(pdf, write_statement_pdf(paper))
    app.console.answer(control, f"{control.rows:,} lines in {file}")


class Written(msgspec.Struct, frozen=True):
    """The verifier as it was written, and the digest to compare a copy with."""

    file: str
    bytes: int
    sha256: str


@click.command(
    cls=Command,
    no_ledger="The program is the same for every ledger; name the DIR that it goes to.",
)
@click.argument("folder", type=FOLDER)
@click.pass_obj
def verifier(app: App, folder: Path) -> None:
    """Write the program that checks us.

    One file of Python that needs nothing of ours; its SHA-256 stands beside it, in the form that
    `sha256sum --check` reads.
    """
    source = (resources.files("mobilegrid") / "offline_verifier.py").read_bytes()
    digest = sha256(source).hexdigest()
    file = folder / VERIFIER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"cannot make {folder}: {error.strerror}") from error
    write_file(file, source)
    write_file(folder / f"{VERIFIER}.sha256", f"{digest}  {VERIFIER}\n".encode())
    app.console.answer(
        Written(str(file), len(source), digest),
        f"{file}, {len(source):,} bytes",
        f"SHA-256 {digest}",
    )
