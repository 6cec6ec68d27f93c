"""What auditors may still write while heads cannot be signed (evidence handbook 7.7)."""

import pytest

from ledger.kernel.instants import DAY, HOUR, MINUTE
from tests.support.doors import HandClock, check_problem, open_doors, sign
from tests.support.ledgers import sqlite_url
from tests.support.town import MARCH, new_town

NOW = MARCH + 200 * HOUR
FINDING = {"position": 1, "text": "look"}
SAMPLE = {"population": 3, "size": 2, "seed": "x"}


@pytest.mark.parametrize(("age_us", "status"), [(0, 201), (5 * MINUTE, 201), (23 * HOUR, 201),
                                                (DAY, 503)])  # fmt: skip
def test_nothing_new_is_taken_on_when_a_head_is_a_day_late(tmp_path, age_us, status):
    clock = HandClock(NOW)
    with new_town(sqlite_url(tmp_path)) as ledger, open_doors(ledger, clock) as doors:
        sign(ledger, clock.now())
        assert doors.post("/auditor/v1/findings", FINDING, key="K-0").status_code == 201
        clock.at += age_us  # since then nobody signs
        doors.bearers.clear()  # credentials live for minutes
        for number, (path, body) in enumerate((("findings", FINDING), ("samples", SAMPLE))):
            answer = doors.post(f"/auditor/v1/{path}", body, key=f"K-1{number}")
            assert answer.status_code == status, answer.text
            if status == 503:
                check_problem(answer, 503, "unavailable")
                assert int(answer.headers["retry-after"]) > 0
        if status == 503:
            with ledger.reading() as reads:
                assert reads.size == 38
            sign(ledger, clock.now())
            assert doors.post("/auditor/v1/samples", SAMPLE, key="K-2").status_code == 201
