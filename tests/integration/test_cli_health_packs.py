"""The health of packs on the command line: assessed, shown, models released."""

from importlib.resources import files

import pytest

from ledger.domain.measuring import RecordResistance
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import Ledger, accepted
from tests.support.assessed import FIRST_AT, SLOTTED, charge, dock
from tests.support.cli import answer, run
from tests.support.ledgers import asking, sqlite_url
from tests.support.town import new_town


@pytest.fixture
def town(tmp_path):
    url = sqlite_url(tmp_path)
    with new_town(url) as ledger:
        dock(ledger)
        charge(ledger, range(8))
    return url


def test_a_pack_is_assessed_shown_and_assessed_no_more(town):
    told = answer("health", "assess", SLOTTED, ledger=town)
    assert told["written"] is False
    (one,) = told["assessments"]
    assert one["reason"] == "first"
    assert len(one["wanted"]["sessions"]) == 8
    assert answer("health", "show", SLOTTED, ledger=town)["health"] is None  # it was only proposed
    written = answer("health", "assess", "--all", "--submit", ledger=town)
    assert [each["command"]["pack_id"] for each in written["assessments"]] == [SLOTTED]
    shown = answer("health", "show", SLOTTED, ledger=town)
    assert shown["soh_bp"] == one["command"]["soh_bp"]
    assert shown["health"]["sessions_used"] == 8
    assert answer("health", "assess", SLOTTED, ledger=town)["assessments"] == []


def test_what_was_known_then_is_what_is_assessed(town):
    told = answer("health", "assess", SLOTTED, "--valid-at", "2024-03-08T00:00:00Z", ledger=town)
    (one,) = told["assessments"]
    assert 0 < len(one["wanted"]["sessions"]) < 8


def test_the_words_name_bounds_and_reasons(town):
    proposed = run("health", "assess", SLOTTED, ledger=town)
    assert "1 assessments proposed" in proposed.output
    assert "first" in proposed.output
    assert "never assessed" in run("health", "show", SLOTTED, ledger=town).output
    run("health", "assess", SLOTTED, "--submit", ledger=town)
    assert "95 % bounds" in run("health", "show", SLOTTED, ledger=town).output


def test_the_resistance_of_a_pack_is_shown(town):
    assert "never assessed" in run("health", "show", SLOTTED, ledger=town).output
    at = FIRST_AT + 10 * DAY
    with Ledger(town) as ledger:
        for number, re_cmohm in enumerate((1_250, 1_500)):
            measured = RecordResistance(
                pack_id=SLOTTED,
                re_cmohm=re_cmohm,
                rct_cmohm=480,
                occurred_at=at + number * DAY,
            )
            bench = Actor("WS-1", "workshop")
            accepted(ledger.execute(asking(measured, f"{number}", actor=bench, at=at + 9 * DAY)))
    shown = run("health", "show", SLOTTED, ledger=town).output
    assert "15.00 mOhm ohmic, 4.80 mOhm charge transfer, as of 2024-03-16" in shown
    assert "12.50 mOhm at first" in shown
    assert "20.00 %" in shown


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("assess",), 2),
        (("assess", SLOTTED, "--all"), 2),
        (("assess", SLOTTED, "--submit", "--valid-at", "2024-03-08T00:00:00Z"), 2),
        (("assess", "PK-9"), 1),
        (("show", "PK-9"), 1),
    ],
)
def test_what_cannot_be_asked_is_refused(town, words, code):
    assert run("health", *words, ledger=town).exit_code == code


def test_a_model_is_released_once_by_two_persons(town):
    model = files("ledger.analytics") / "models" / "xjtu.model"
    words = ("health", "release", str(model), "--class", "AGE-XJTU-2000")
    assert run(*words, ledger=town).exit_code == 2
    done = run(*words, "--by", "EN-1", "--second", "EN-2", ledger=town)
    assert "released for AGE-XJTU-2000" in done.output
    again = run(*words, "--by", "EN-1", "--second", "EN-2", ledger=town)
    assert "was released before" in again.output
