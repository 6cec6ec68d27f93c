"""`bank import`, `bank release`, `bank accounts`, `bank lines`: from a bank's file to the books.

Exit codes of `import`: 0 when every statement was booked, known already, noticed or only shown; 1
when any of them waits in quarantine, was refused or could not be read.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.adapters.bank.elements import SIZE_MAX
from ledger.adapters.bank.lines import read_statements
from ledger.adapters.bank.statements import UnreadStatement
from ledger.domain.money.bank_accounts import RegisterBankAccount
from ledger.domain.money.bank_rows import (
    BANK_ACCOUNTS,
    BANK_LINES,
    PROVISIONAL,
    QUARANTINE,
    WAITING,
    BankAccount,
    BankLineRow,
    Quarantined,
)
from ledger.domain.money.psp_records import PspList, PspPayout
from ledger.domain.money.reconciling_policy import Policy
from ledger.kernel.errors import Malformed
from ledger.kernel.messages import Actor
from ledger.kernel.money import amount_text, parse_amount
from ledger.runtime.ledger import Ledger
from ledger.runtime.reconciliation_import import (
    QUARANTINED,
    REFUSED,
    Imported,
    Importing,
    ReadStatement,
    import_statements,
    release,
)
from ledger.runtime.reconciliation_matching import ReadAgain, WaitingLine, waiting_lines
from mobilegrid import wiring
from mobilegrid.cli.acting import PERSON, Acting, ask, tell
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.params import FILE, TwoPersons, read_file, two_persons
from mobilegrid.evidence_files import evidence_of

LIST_BYTES_MAX = 64 * 1024 * 1024


class ImportAnswer(msgspec.Struct, frozen=True):
    """The answer of `bank import` in JSON."""

    statements: list[Imported]
    unread: list[UnreadStatement]


def reader_of(app: App) -> ReadAgain:
    """Give what reads the statements of a file that was kept, by its digest."""
    kept = evidence_of(app.settings)

    def read_again(digest: str) -> Sequence[ReadStatement]:
        return read_statements(kept.get(digest))[1]

    return read_again


def read_json(path: Path | None, kind: Any, empty: Any) -> Any:
    """Read a file of JSON as a type of ours; `Malformed` names the member."""
    if path is None:
        return empty
    try:
        return msgspec.json.decode(read_file(path, LIST_BYTES_MAX), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(str(error), place=str(path)) from error


def policy_option(command: Any) -> Any:
    """Give a command the option --policy, the policy of matching and reconciling as JSON."""
    words = "Policy as JSON: days of grace, age buckets, holidays, limits."
    return click.option("--policy", "policy_file", type=FILE, help=words)(command)


def _importing(app: App, actor: Actor, assignee: str, **more: Any) -> Importing:
    return Importing(
        actor=actor,
        at=wiring.CLOCK.now(),
        assignee_id=assignee,
        read_again=reader_of(app),
        **more,
    )


@click.command("import", cls=Command)
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--by", default=PERSON, show_default=True, metavar="PERSON", help="Who imports.")
@click.option("--assignee", default="", metavar="ID", help="Who looks after unknown lines.")
@click.option("--psp", "psp_file", type=FILE, help="The payment provider's list, as JSON.")
@policy_option
@click.pass_obj
def import_(
    app: App,
    files: tuple[Path, ...],
    by: str,
    assignee: str,
    psp_file: Path | None,
    policy_file: Path | None,
) -> None:
    """Import files of a bank, each line once.

    camt.053 is booked, camt.054 noticed, camt.052 only shown.

    Every file is kept by its digest before anything is posted. A statement that does not follow its
    predecessor, or contradicts itself, waits in quarantine and posts nothing; then the exit code is
    1. Importing again adds nothing.
    """
    told: PspList | None = read_json(psp_file, PspList, None)
    payouts: tuple[PspPayout, ...] = told.payouts if told is not None else ()
    policy = read_json(policy_file, Policy, Policy())
    how = _importing(app, Actor(by, "finance"), assignee or by, policy=policy, payouts=payouts)
    kept = evidence_of(app.settings)
    done: list[Imported] = []
    unread: list[UnreadStatement] = []
    with wiring.open_ledger(app.settings) as ledger:
        for path in files:
            content = read_file(path, SIZE_MAX)
            try:
                file, statements = read_statements(content)
            except Malformed as error:
                kept.put(content)
                raise Malformed(error.rule, field=error.field, place=str(path)) from error
            kept.put(content)
            unread += file.unread
            done += import_statements(ledger, statements, how)
    app.console.answer(ImportAnswer(done, unread), *_import_text(done, unread))
    if unread or any(one.verdict in (QUARANTINED, REFUSED) for one in done):
        raise click.exceptions.Exit(1)


def _import_text(done: Iterable[Imported], unread: Iterable[UnreadStatement]) -> list[object]:
    rows = [
        (
            one.name,
            str(one.sequence or ""),
            one.number,
            one.verdict,
            str(one.lines),
            ", ".join(f"{count} {rule}" for rule, count in one.rules.items()),
            str(one.waiting or ""),
        )
        for one in done
    ]
    columns = ("Statement", "Number", "Account", "Verdict", "Lines", "Matched", "Suspense")
    shown: list[object] = [table("Imported", columns, rows, right=(1, 4, 6))]
    for one in done:
        for code, fact in zip(one.codes, one.facts, strict=False):
            where = f" [{one.quarantine_key}]" if one.quarantine_key else ""
            shown.append(f"{one.verdict.upper()}: {one.name}: {code}: {fact}{where}")
    for each in unread:
        words = f"statement {each.number} {each.statement_id}".strip()
        shown.append(f"NOT READ: {words}: {each.field}: {each.rule}")
    return shown


@click.command("release", cls=Command)
@click.argument("key")
@click.option("--reason", required=True, metavar="TEXT", help="Why it may be booked, or never.")
@click.option("--set-aside", is_flag=True, help="Never book it.")
@click.option("--assignee", default="", metavar="ID", help="Who looks after unknown lines.")
@two_persons("finance")
@click.pass_obj
def release_(
    app: App, key: str, reason: str, *, set_aside: bool, assignee: str, persons: TwoPersons
) -> None:
    """Book a statement out of quarantine, or set it aside; two persons."""
    actor = Actor(persons.by, persons.role, persons.second)
    how = _importing(app, actor, assignee or persons.by)
    with wiring.open_ledger(app.settings) as ledger:
        done = release(ledger, key, how, reason=reason, sets_aside=set_aside)
    app.console.answer(ImportAnswer([done], []), *_import_text([done], []))


# Accounts ---------------------------------------------------------------------


@click.command(cls=Command)
@click.argument("account")
@click.option("--number", required=True, help="Its IBAN, or with --no-iban another number.")
@click.option("--currency", required=True, metavar="CCY", help="ISO 4217.")
@click.option("--opened-on", required=True, metavar="DAY", help="The day before its first line.")
@click.option("--opening", default="0", metavar="AMOUNT", help="What it held then.")
@click.option("--client-money", is_flag=True, help="It holds what belongs to clients.")
@click.option("--no-iban", is_flag=True, help="The number is no IBAN.")
@two_persons("finance")
@click.pass_obj
def register(app: App, /, account: str, **given: Any) -> None:
    """Register an account of ours; two persons."""
    persons: TwoPersons = given["persons"]
    ours = "Client-Money" if given["client_money"] else "Operating"
    command = RegisterBankAccount(
        bank_account_id=account,
        number=given["number"].replace(" ", ""),
        currency=given["currency"],
        opened_on=given["opened_on"],
        opening_minor=parse_amount(given["opening"], given["currency"], "opening"),
        ledger_account=f"Assets:Bank:{ours}",
        is_iban=not given["no_iban"],
    )
    acting = Acting(Actor(persons.by, persons.role, persons.second), 0)
    with wiring.open_ledger(app.settings) as ledger:
        made = ask(ledger, command, acting)
    tell(app, type(command).__name__, account, made)


@click.command(cls=Command)
@click.pass_obj
def accounts(app: App) -> None:
    """List our accounts: newest statement, its closing, and what the books say."""
    with wiring.reading(app.settings) as reads:
        rows = [row for _, row in reads.rows(BANK_ACCOUNTS)]
        held = {
            one.item: one.quantity
            for account in {row.ledger_account for row in rows}
            for one in reads.balances(account)
        }
    shown = [_account_row(row, held.get(row.bank_account_id, 0)) for row in rows]
    columns = ("Account", "Number", "Statement", "Closed on", "Bank", "Books", "")
    app.console.answer(rows, table("Accounts", columns, shown, right=(2, 4, 5)))


def _account_row(row: BankAccount, held: int) -> tuple[str, ...]:
    return (
        row.bank_account_id,
        row.number,
        str(row.last_sequence or row.statements),
        row.closed_on,
        amount_text(row.closing_minor, row.currency),
        amount_text(held, row.currency),
        row.currency if held == row.closing_minor else f"{row.currency}, THEY DIFFER",
    )


# Lines ------------------------------------------------------------------------


class Listed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `bank lines` in JSON."""

    waiting: list[WaitingLine]
    provisional: list[BankLineRow]
    quarantine: dict[str, Quarantined]


@click.command(cls=Command)
@click.option("--quarantine", is_flag=True, help="Only statements that are not booked.")
@policy_option
@click.pass_obj
def lines(app: App, policy_file: Path | None, *, quarantine: bool) -> None:
    """List what waits: lines on suspense, notices, statements not booked.

    Names and texts are read again from the bank's files; the ledger keeps none.
    """
    policy = read_json(policy_file, Policy, Policy())
    with wiring.reading(app.settings) as reads:
        waiting = [] if quarantine else list(waiting_lines(reads, reader_of(app), policy))
        told = [] if quarantine else [row for _, row in reads.rows(BANK_LINES, listed=PROVISIONAL)]
        kept = dict(reads.rows(QUARANTINE, listed=WAITING))
    shown: list[object] = []
    if not quarantine:
        shown += [_waiting_table(waiting), ""]
        shown += [_provisional_table(told), ""] if told else []
    for key, row in kept.items():
        head = row.header
        facts_of = [(code, fact) for code, fact in zip(row.codes, row.facts, strict=True)]
        shown.append(facts([("in quarantine", f"{key}: {head.name} of {head.number}"), *facts_of]))
    app.console.answer(Listed(waiting, told, kept), *shown)


def _waiting_table(waiting: list[WaitingLine]) -> object:
    rows = [
        (
            one.item.line_id,
            one.item.opened_on,
            amount_text(one.item.left_minor, one.item.currency),
            one.item.reason.lower().replace("_", " "),
            one.item.assignee_id,
            f"held until {one.item.hold_until}" if one.item.hold_until else one.item.due_on,
            " ".join(filter(None, (one.name, *one.texts))),
            ", ".join(" ".join(match.dims.values()) for match in one.proposed),
        )
        for one in waiting
    ]
    columns = ("Line", "Since", "Left", "Why", "With", "Due", "From and text", "Might be")
    return table("On suspense", columns, rows, right=(2,))


def _provisional_table(told: list[BankLineRow]) -> object:
    rows = [
        (row.line.line_id, row.line.booked_on, amount_text(row.line.amount_minor, row.currency))
        for row in told
    ]
    return table("Noticed, not booked yet", ("Line", "Day", "Amount"), rows, right=(2,))


def line_currency(ledger: Ledger, line_id: str) -> str:
    """Give the currency of a line, EUR where nobody knows the line."""
    with ledger.reading() as reads:
        row = reads.row(BANK_LINES, line_id)
    return "EUR" if row is None else row.currency
