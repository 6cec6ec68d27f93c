"""`support`: drivers who ask for help, as those see them who answer.

What drivers wrote is personal: whoever reads it names himself and a second person, and the log says
that he looked, before.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec

from ledger.domain.privacy import CONTACT
from ledger.domain.revealing import FIELDS_MAX, RevealSubject
from ledger.domain.support import AddSupportMessage, CloseSupportCase
from ledger.domain.support_rows import (
    SUPPORT_CASES,
    SupportCase,
    subject_field,
    text_field,
)
from ledger.kernel.errors import NotFound
from ledger.kernel.messages import Actor
from ledger.kernel.messages import Command as LedgerCommand
from ledger.kernel.sealing import SALT_BYTES
from ledger.runtime.ledger import Ledger
from ledger.runtime.personal_texts import PersonalTexts
from mobilegrid import personal, wiring
from mobilegrid.cli.acting import Acting, ask
from mobilegrid.cli.base import App, Command
from mobilegrid.cli.console import facts, table
from mobilegrid.cli.params import TwoPersons, two_persons
from mobilegrid.cli.wording import time_words

REASON = "a driver asked for help"
TEXT_MAX = 2_000


class Shown(msgspec.Struct, frozen=True):
    """A request as `support show` gives it: its row, and what was written, by message."""

    case: SupportCase
    subject: str
    texts: dict[str, str]


@click.command(cls=Command, name="list")
@click.option("--all", "is_all", is_flag=True, help="Closed ones too.")
@click.pass_obj
def list_(app: App, *, is_all: bool) -> None:
    """List requests, the one to be answered first."""
    with wiring.reading(app.settings) as reads:
        rows = [row for _, row in reads.rows(SUPPORT_CASES) if is_all or row.is_open]
    rows.sort(key=lambda row: (row.answer_by or 2**53, row.case_id))
    columns = ("Request", "Topic", "State", "Answer by", "Driver", "About")
    app.console.answer(
        [msgspec.to_builtins(row) for row in rows],
        table(f"{len(rows)} requests", columns, map(_row, rows)),
    )


def _row(row: SupportCase) -> tuple[str, ...]:
    until = time_words(row.answer_by) if row.answer_by else ""
    about = row.swap_id or row.booking_id or row.invoice_no or row.station_id or row.about_pack
    return row.case_id, row.topic, row.state, until, row.driver_id, about


@click.command(cls=Command)
@click.argument("case_id", metavar="REQUEST")
@two_persons(role="support")
@click.pass_obj
def show(app: App, case_id: str, persons: TwoPersons) -> None:
    """Show a request with what was written; two persons.

    The log says who looked, before he sees anything.
    """
    with _texts(app) as (ledger, texts):
        row = _request(ledger, case_id)
        names = [text_field(one.message_id) for one in row.messages]
        names += [subject_field(case_id)] if row.has_subject else []
        for start in range(0, len(names), FIELDS_MAX):
            looked = RevealSubject(
                subject_id=row.driver_id,
                purpose=CONTACT,
                fields=tuple(sorted(names)[start : start + FIELDS_MAX]),
                reason=REASON,
                salt=secrets.token_bytes(SALT_BYTES),
            )
            _ask(ledger, looked, persons)
        said = texts.read(row.driver_id, names)
    subject = str(said.get(subject_field(case_id), ""))
    written = {
        one.message_id: str(said.get(text_field(one.message_id), "")) for one in row.messages
    }
    lines = [("subject", subject), ("state", row.state), ("driver", row.driver_id)]
    lines += [
        (f"{one.sender}, {time_words(one.at)}", written[one.message_id]) for one in row.messages
    ]
    app.console.answer(Shown(row, subject, written), facts(lines))


@click.command(cls=Command)
@click.argument("case_id", metavar="REQUEST")
@click.option("--text", required=True, help="What the driver shall read.")
@two_persons(role="support")
@click.pass_obj
def answer(app: App, case_id: str, text: str, persons: TwoPersons) -> None:
    """Write to the driver; two persons.

    He finds it in the thread, and a notice of it in his inbox.
    """
    if not 0 < len(text) <= TEXT_MAX:
        raise click.UsageError(f"--text has 1 to {TEXT_MAX} characters.")
    with _texts(app) as (ledger, texts):
        row = _request(ledger, case_id)
        message_id = wiring.IDS.new("SM")
        sealed = texts.keep(row.driver_id, {text_field(message_id): text})
        command = AddSupportMessage(
            case_id=case_id, driver_id=row.driver_id, message_id=message_id, sealed=sealed
        )
        made = _ask(ledger, command, persons)
    app.console.answer(made, f"{row.driver_id} was answered in {case_id}.")


@click.command(cls=Command)
@click.argument("case_id", metavar="REQUEST")
@click.option("--resolution", required=True, help="How it ended, in words that name nobody.")
@two_persons(role="support")
@click.pass_obj
def close(app: App, case_id: str, resolution: str, persons: TwoPersons) -> None:
    """Close a request; two persons.

    Its driver may open it again for two weeks.
    """
    with wiring.open_ledger(app.settings) as ledger:
        row = _request(ledger, case_id)
        command = CloseSupportCase(case_id=case_id, driver_id=row.driver_id, resolution=resolution)
        made = _ask(ledger, command, persons)
    app.console.answer(made, f"{case_id} is closed.")


@contextmanager
def _texts(app: App) -> Iterator[tuple[Ledger, PersonalTexts]]:
    with personal.open_people(app.settings) as (ledger, vault, _):
        yield ledger, PersonalTexts(ledger, vault, wiring.CLOCK, wiring.IDS)


def _request(ledger: Ledger, case_id: str) -> SupportCase:
    with ledger.reading() as reads:
        row = reads.row(SUPPORT_CASES, case_id)
    if row is None:
        raise NotFound(f"there is no request {case_id[:40]}")
    return row


def _ask(ledger: Ledger, command: LedgerCommand, persons: TwoPersons) -> list[object]:
    actor = Actor(persons.by, persons.role, persons.second)
    return list(ask(ledger, command, Acting(actor, 0)))
