"""Each invariant of money that is asked of the entries holds over a month, and can fail."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.kernel.errors import MobileGridError
from ledger.runtime import findings_audit, money_audit
from ledger.runtime.invariants import INVARIANTS
from ledger.runtime.ledger import Ledger
from ledger.runtime.money_invariants import CHECKED_BY
from ledger.runtime.reads import Reads
from tests.support.bent import Bent, Change
from tests.support.ledgers import sqlite_url
from tests.support.random_months import RandomMonths
from tests.support.stores import behind_its_back

SEED, STEPS = 4, 112


@pytest.fixture(scope="module")
def url(tmp_path_factory: Any) -> str:
    where = sqlite_url(tmp_path_factory.mktemp("audit"))
    lived = RandomMonths(where, SEED)
    lived.live(STEPS)
    lived.ledger.close()
    return where


@pytest.fixture(scope="module")
def reads(url: str) -> Iterator[Reads]:
    with Ledger(url) as ledger, ledger.reading() as found:
        yield found


def last(reads: Reads, kind: str) -> int:
    return [one.envelope.position for one in reads.entries(0, None, (kind,))][-1]


def body(path: str, change: Callable[[Any], Any]) -> Change:
    """Change a member of an entry, such as ``body.lines.0.net_minor``."""

    def bend(told: dict[str, Any]) -> None:
        *way, name = (int(word) if word.isdigit() else word for word in path.split("."))
        inside: Any = told
        for step in way:
            inside = inside[step]
        old = inside[name] if not isinstance(inside, dict) else inside.get(name)
        inside[name] = change(old)

    return bend


def more(old: int | None) -> int:
    return (old or 0) + 1


CASES: list[tuple[Callable[[Reads], None], str, str, Callable[[Any], Any], str]] = [
    (money_audit.check_reversals, "manual.reversed", "postings.0.quantity", more, "not the exact"),
    (money_audit.check_bills, "usage.accrued", "body.net_minor", more, "sum of its lines"),
    (money_audit.check_bills, "usage.accrued", "body.lines.0.rate_micro", more, "times its rate"),
    (
        money_audit.check_given_back,
        "credit_note.issued",
        "body.lines.0.credited_minor",
        lambda _: 10**7,
        "credited twice",
    ),
    (
        money_audit.check_given_back,
        "share.reduced",
        "body.shares.OP-1",
        lambda _: 10**7,
        "more than he earned",
    ),
    (
        money_audit.check_provider,
        "psp.confirmed",
        "body.line.net_minor",
        more,
        "or is no sum",
    ),
    (
        money_audit.check_bank_sums,
        "bank.line_booked",
        "body.line.amount_minor",
        more,
        "its lines",
    ),
    (
        money_audit.check_second_persons,
        "contract_agreed",
        "actor.second_person",
        lambda _: "",
        "nobody checked it",
    ),
    (
        money_audit.check_second_persons,
        "statement.approved",
        "actor.id",
        lambda _: "FI-2",
        "checked it himself",
    ),
    (
        findings_audit.check_findings,
        "credit_note.issued",
        "body.applied_minor",
        more,
        "lowered its invoice",
    ),
    (
        findings_audit.check_findings,
        "reconciliation.run",
        "body.legs.0.differences_minor",
        more,
        "the run's differences",
    ),
    (
        findings_audit.check_findings,
        "break.opened",
        "body.told.external_minor",
        more,
        "told of another difference",
    ),
    (
        findings_audit.check_findings,
        "bank.line_booked",
        "body.matches.0.left_minor",
        lambda _: 10**7,
        "left another amount open",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]} {case[2]}")
def test_each_check_holds_and_finds_what_is_not_so(reads, case):
    check, kind, path, change, said = case
    check(reads)
    positions = [one.envelope.position for one in reads.entries(0, None, (kind,))]
    if kind == "bank.line_booked" and "matches" in path:
        positions = [at for at in positions if reads.entry(at).event.matches]
    with pytest.raises(MobileGridError, match=said):
        check(Bent(reads, {positions[-1]: body(path, change)}))


@pytest.mark.parametrize(
    ("check", "kind", "said"),
    [
        (money_audit.check_reversals, "manual.reversed", "reversed twice"),
        (money_audit.check_billed_once, "usage.accrued", "billed twice"),
        (money_audit.check_provider, "psp.confirmed", "posted twice"),
    ],
)
def test_what_happens_twice_is_found(reads, check, kind, said):
    check(reads)
    with pytest.raises(MobileGridError, match=said):
        check(Bent(reads, {}, (last(reads, kind),)))


def test_a_reversal_of_a_reversal_is_found(reads):
    first = last(reads, "manual.reversed")

    def bend(told: dict[str, Any]) -> None:
        told["reverses"] = first

    other = last(reads, "manual.posted")
    with pytest.raises(MobileGridError, match="is a reversal itself"):
        money_audit.check_reversals(Bent(reads, {other: bend}))  # type: ignore[arg-type]


def test_what_is_booked_in_a_closed_month_is_found(reads):
    money_audit.check_dates(reads)
    late = next(
        one.envelope.position
        for one in reads.entries(last(reads, "period.closed"))
        if one.envelope.postings
    )

    def bend(told: dict[str, Any]) -> None:
        told.pop("books", None)
        told["occurred_at"] = told["received_at"] = reads.entry(90).envelope.recorded_at

    with pytest.raises(MobileGridError, match="in a closed period"):
        money_audit.check_dates(Bent(reads, {late: bend}))  # type: ignore[arg-type]


def altered(view: str, old: str, new: str) -> str:
    return f"UPDATE {view} SET state = CAST(replace(state, '{old}', '{new}') AS BLOB)"


SPOILT = [
    (
        money_audit.check_given_back,
        altered("view_card_payments", '"captured_minor":', '"captured_minor":-'),
        "gave back more",
    ),
    (
        money_audit.check_suspense,
        altered("view_suspense_items", '"left_minor":', '"left_minor":9'),
        "on suspense, not",
    ),
    (
        money_audit.check_suspense,
        altered("view_suspense_items", '"assignee_id":"FI-9"', '"assignee_id":""'),
        "for nobody",
    ),
    (
        money_audit.check_units,
        "UPDATE balance SET quantity = quantity + 1 WHERE account LIKE 'Energy:%'",
        "Energy sums to",
    ),
]


@pytest.mark.parametrize("case", SPOILT, ids=lambda case: case[2])
def test_rows_that_lie_are_found(url, tmp_path, case):
    check, sql, said = case
    copy = tmp_path / "bent.db"
    copy.write_bytes(Path(url.removeprefix("sqlite:///")).read_bytes())
    bent = sqlite_url(tmp_path, "bent.db")
    with behind_its_back(bent) as tx:
        tx.exec_driver_sql(sql)
    with (
        Ledger(bent) as ledger,
        ledger.reading() as found,
        pytest.raises(MobileGridError, match=said),
    ):
        check(found)


def test_the_eighteen_have_their_checks():
    assert list(CHECKED_BY) == list(range(1, 19))
    assert [number for number, names in CHECKED_BY.items() if not names] == [17]
    assert {name for names in CHECKED_BY.values() for name in names} <= set(INVARIANTS)
