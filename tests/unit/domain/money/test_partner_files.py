"""Partners' files: recorded once, of their own statements, kept out where much is unreadable."""

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.money.partner_files import (
    LINES_MAX,
    PARTNER_FILES,
    QUARANTINED,
    TAKEN,
    RecordPartnerFile,
    file_id_of,
)
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import RefusalCode
from tests.support.cycles import STM, issue, line
from tests.support.partners import codes, partner
from tests.support.rules import act, events, sums_of

FILE, REPORT = "a" * 64, "b" * 64
SENT = RecordPartnerFile(
    partner_id="OP-1",
    file_kind="partner_statement",
    statement_id=STM,
    currency="EUR",
    file_sha256=FILE,
    report_sha256=REPORT,
    line_count=40,
    warned_count=1,
    rejected_count=2,
)
OPERATOR = Actor("OP-1", "operator")


@pytest.fixture
def world():
    found = partner()
    issue(found, [line(0), line(1)])
    return found


def test_a_file_is_recorded_once_with_what_became_of_its_lines(world):
    (event,) = events(act(world, SENT, actor=OPERATOR))
    name = file_id_of("OP-1", FILE)
    row = world.need(PARTNER_FILES, name)
    assert (row.file_id, row.state, row.report_sha256) == (name, TAKEN, REPORT)
    assert sums_of(event) == {}
    assert act(world, replace(SENT, report_sha256="c" * 64), actor=OPERATOR) == ()
    other = act(world, replace(SENT, currency="USD"), actor=OPERATOR)
    assert codes(other) == (RefusalCode.PARTNER_FILE_DIFFERS,)
    assert PARTNER_FILES.listed_by(row) == "OP-1"


@pytest.mark.parametrize(
    ("rejected", "state"), [(0, TAKEN), (2, TAKEN), (3, QUARANTINED), (39, QUARANTINED)]
)
def test_more_than_one_unreadable_line_in_twenty_keeps_a_file_out(world, rejected, state):
    (event,) = events(act(world, replace(SENT, rejected_count=rejected)))
    assert event.state == state


def test_a_partner_sends_his_own_files_and_finance_those_of_everybody(world):
    stranger = act(world, SENT, actor=Actor("CAR-1", "operator"))
    assert codes(stranger) == (RefusalCode.ROLE_NOT_ALLOWED,)
    events(act(world, SENT, actor=Actor("FI-1", "finance")))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"partner_id": "no id"}, "partner_id"),
        ({"file_kind": "letter"}, "file_kind"),
        ({"currency": "eur"}, "currency"),
        ({"file_sha256": "A" * 64}, "file_sha256"),
        ({"report_sha256": ""}, "report_sha256"),
        ({"line_count": 0}, "line_count"),
        ({"line_count": LINES_MAX + 1}, "line_count"),
        ({"warned_count": -1}, "rejected_count"),
        ({"rejected_count": 40}, "rejected_count"),
    ],
)
def test_a_field_that_is_wrong_is_named(world, changed, field):
    refusal: Any = act(world, replace(SENT, **changed), actor=Actor("FI-1", "finance"))
    assert codes(refusal) == (RefusalCode.PARTNER_FILE_INVALID,)
    assert refusal.facts == {"field": field}


@pytest.mark.parametrize("changed", [{"statement_id": "STM-9"}, {"partner_id": "CAR-1"}])
def test_a_file_is_of_a_statement_of_its_partner(world, changed):
    refusal: Any = act(world, replace(SENT, **changed), actor=Actor("FI-1", "finance"))
    assert codes(refusal) == (RefusalCode.STATEMENT_UNKNOWN,)
