"""What an auditor checks every night of settlement, and every fault that he finds."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.money.line_resolutions import CloseLineDispute, ReviewLineDispute
from ledger.domain.money.payout_rows import PAYOUTS
from ledger.domain.money.payouts import ConfirmPayout, ReturnPayout
from ledger.domain.money.settlement_steps import CancelStatement
from ledger.kernel.errors import ReplayDiffers
from ledger.runtime.invariants import check_invariants
from ledger.runtime.settling_audit import check_payables, check_statements
from ledger.runtime.settling_cycle import cutting, share_at, span_after
from tests.support.settled_ledger import OPERATOR, Desk, settled_desk
from tests.support.settling import (
    STM,
    approve,
    dispute,
    first_line,
    issue,
    released,
    row_of,
    traded,
)

FLYING = "Payout-In-Flight holds 900 EUR of PO-1, its rows say 0"


@pytest.fixture
def paid(tmp_path: Path) -> Iterator[tuple[Path, Desk]]:
    desk = settled_desk(tmp_path)
    issue(desk)
    approve(desk)
    released(desk)
    yield tmp_path / "town.db", desk
    desk.ledger.close()


def check(desk: Desk) -> None:
    with desk.ledger.reading() as reads:
        check_statements(reads)
        check_payables(reads)


def change(file: Path, view: str, key: str, edits: tuple[tuple[str, str], ...]) -> None:
    """Change a row behind the ledger's back: take it away, or write another one beside it."""
    with closing(sqlite3.connect(file)) as base, base:
        found = base.execute(f"SELECT * FROM view_{view} WHERE key = ?", (key,)).fetchone()
        log_id, _, position, listed, state = found
        if not edits or view == "payables":
            base.execute(f"DELETE FROM view_{view} WHERE key = ?", (key,))
        for before, after in edits:
            assert before.encode() in state
            key = key.replace(before, after)
            state = state.replace(before.encode(), after.encode())
        if edits:
            row = (log_id, key, position, listed, state)
            base.execute(f"INSERT INTO view_{view} VALUES (?, ?, ?, ?, ?)", row)


def test_what_was_settled_and_paid_holds(paid: tuple[Path, Desk]) -> None:
    check(paid[1])


def test_a_cancelled_statement_has_no_positions(tmp_path: Path) -> None:
    desk = settled_desk(tmp_path)
    with desk.ledger.reading() as reads:
        command = cutting(reads, "OP-1", span_after(reads, "OP-1", "2026-05"))
    desk.do(command)
    desk.do(CancelStatement(statement_id=STM, reason="again"))
    issue(desk)
    desk.do(CancelStatement(statement_id=cut_of(desk, "CAR-1"), reason="never mind"))
    check(desk)
    desk.ledger.close()


def cut_of(desk: Desk, partner_id: str) -> str:
    with desk.ledger.reading() as reads:
        command = cutting(reads, partner_id, span_after(reads, partner_id, "2026-05"))
    desk.do(command)
    return f"STM-{partner_id}-2026-05"


@pytest.mark.parametrize(
    ("view", "key", "edits", "words"),
    [
        ("settled", "OP-1", (), "what is settled of OP-1"),
        ("payouts", "PO-1", (), FLYING),
        ("statements", STM, ((STM, "STM-X"),), "has positions of another statement"),
        ("statements", STM, (("OP-1", "OP-2"),), "what is settled of OP-2"),
        (
            "payables",
            "OP-1",
            (('"in_flight_minor":900', '"in_flight_minor":900,"owed_minor":7'),),
            "Approved holds 0 EUR of OP-1|STM-OP-1-2026-05, its rows say 7",
        ),
    ],
    ids=["positions", "payout", "twice", "of nobody", "payable"],
)
def test_a_table_that_was_changed_is_found(
    paid: tuple[Path, Desk],
    view: str,
    key: str,
    edits: tuple[tuple[str, str], ...],
    words: str,
) -> None:
    file, desk = paid
    change(file, view, key, edits)
    with pytest.raises(ReplayDiffers) as found:
        check(desk)
    assert words in str(found.value)


def test_a_cycle_with_all_that_can_happen_gives_the_same_tables_when_it_is_replayed(
    tmp_path: Path,
) -> None:
    desk = settled_desk(
        tmp_path, deemed_clause="C-1", self_billing=True, tax_treatment="DE-service"
    )
    traded(desk)
    issue(desk)
    position = first_line(desk)
    desk.do(dispute(desk, position), OPERATOR)
    desk.do(ReviewLineDispute(dispute_id="LD-1"))
    approve(desk)
    released(desk)
    paid_minor = row_of(desk, PAYOUTS, "PO-1").amount_minor
    step: dict[str, Any] = {"payout_id": "PO-1", "attempt": 1, "amount_minor": paid_minor}
    desk.do(ConfirmPayout(**step, bank_account="BA-1", bank_line="BL-1"))
    back: dict[str, Any] = {"bank_line": "BL-2", "reason": "AC04", "bank_account": "BA-1"}
    desk.do(ReturnPayout(**step, **back, fee_minor=350))
    with desk.ledger.reading() as reads:
        original = share_at(reads, position)
    found = original.shares | {"OP-1": 150, "MG": original.shares["MG"] + 30}
    close = CloseLineDispute(
        dispute_id="LD-1", verdict="UPHELD", reason="agreed", original=original, shares=found
    )
    desk.do(close)
    with desk.ledger.reading() as reads:
        verdicts = check_invariants(reads, deep=True)
    assert [one for one in verdicts if not one.holds] == []
    desk.ledger.close()
