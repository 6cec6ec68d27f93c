"""The signed document of a statement: the same bytes whenever it is made, only under review."""

from base64 import urlsafe_b64encode

import msgspec
import pytest

from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.money.settlement_steps import SubmitStatement, says
from ledger.exports.statement_documents import document_payload, publishing
from ledger.kernel.errors import Conflict, NotFound
from ledger.kernel.instants import DAY
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.settling_cycle import calculating, cutting, span_after
from ledger.runtime.timers import run_timers
from ledger.tlog.note import Ed25519Signer
from tests.support.ledgers import SYSTEM, party
from tests.support.settled_ledger import CHECKER, JUNE_2026, MAKER, Desk, settled_desk
from tests.support.settling import STM, row_of


def sign(_typ: str, payload: bytes) -> str:
    """Make a compact JWS with a signature of no key: the rule looks at what it says."""
    body = urlsafe_b64encode(payload).rstrip(b"=").decode()
    return f"e30.{body}.c2lnbmF0dXJl"


def checkpoint(desk: Desk) -> None:
    signer = Ed25519Signer(desk.ledger.name.origin, bytes(32))
    sign_checkpoint(desk.ledger, signer, JUNE_2026)


def submit(desk: Desk) -> None:
    with desk.ledger.reading() as reads:
        command = cutting(reads, "OP-1", span_after(reads, "OP-1", "2026-05"))
    desk.do(command, MAKER)
    with desk.ledger.reading() as reads:
        calculated = calculating(reads, STM)
    desk.do(calculated, MAKER)
    desk.do(SubmitStatement(statement_id=STM), MAKER)


@pytest.fixture
def desk(tmp_path):
    made = settled_desk(tmp_path, deemed_clause="C-7", response_days=10)
    yield made
    made.ledger.close()


def test_a_document_waits_for_a_checkpoint_and_is_the_same_ever_after(desk):
    submit(desk)
    with desk.ledger.reading() as reads, pytest.raises(Conflict, match="no final checkpoint"):
        document_payload(reads, STM)
    checkpoint(desk)
    with desk.ledger.reading() as reads:
        first = document_payload(reads, STM)
    desk.ledger.execute(party(7))
    checkpoint(desk)
    with desk.ledger.reading() as reads:
        assert document_payload(reads, STM) == first
        command = publishing(reads, STM, sign)
    said = msgspec.json.decode(first)
    assert said["document_id"] == f"{STM}/lines"
    assert said["figures"]["line_count"] == 5
    assert says(command.document, row_of(desk, STATEMENTS, STM))
    desk.do(command, CHECKER)
    with desk.ledger.reading() as reads:
        with pytest.raises(Conflict, match="is issued, not under review"):
            publishing(reads, STM, sign)
        with pytest.raises(NotFound, match="no statement"):
            publishing(reads, "STM-9", sign)


def test_the_clock_takes_silence_for_acceptance_once_the_time_agreed_is_over(desk):
    submit(desk)
    checkpoint(desk)
    with desk.ledger.reading() as reads:
        command = publishing(reads, STM, sign)
    desk.do(command, CHECKER)
    early = run_timers(desk.ledger, JUNE_2026 + 9 * DAY, SYSTEM)
    assert "DeemStatementAccepted" not in early.done
    done = run_timers(desk.ledger, JUNE_2026 + 10 * DAY, SYSTEM)
    assert done.done["DeemStatementAccepted"] == 1
    assert row_of(desk, STATEMENTS, STM).state == "deemed_accepted"
