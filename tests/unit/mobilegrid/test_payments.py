"""Payments put together from the settings: keys in files, never a test key in production."""

from datetime import date

import pytest
from msgspec.structs import replace

from ledger.adapters.payments_manual import ManualGateway
from ledger.adapters.stripe.gateway import StripeGateway
from ledger.kernel.errors import Misconfigured
from ledger.kernel.instants import Instant
from ledger.runtime.inbox import InboxRun
from ledger.runtime.relay import RelayRun
from mobilegrid import payments
from mobilegrid.clockwork import Round
from mobilegrid.settings import LedgerSettings, Settings, StripeSettings
from tests.support.ledgers import new_ledger, sqlite_url

ROUND = Round(Instant(0), date(2026, 4, 2), "UTC", lambda: False)


def secret(folder, name, text, mode=0o600):
    file = folder / name
    file.write_text(f"{text}\n")
    file.chmod(mode)
    return str(file)


def given(folder, **stripe):
    ledger = LedgerSettings(url=sqlite_url(folder))
    return Settings(ledger=ledger, stripe=StripeSettings(**stripe))


def test_a_key_opens_stripe_and_a_file_of_answers_a_person(tmp_path):
    key = secret(tmp_path, "key", "sk_test_x")
    assert isinstance(payments.open_gateway(given(tmp_path, key_file=key)), StripeGateway)
    manual = given(tmp_path, manual_file=str(tmp_path / "answers.json"))
    assert isinstance(payments.open_gateway(manual), ManualGateway)
    with pytest.raises(Misconfigured, match=r"stripe\.key_file or stripe\.manual_file"):
        payments.open_gateway(given(tmp_path))


def test_a_key_that_others_can_read_is_refused(tmp_path):
    key = secret(tmp_path, "key", "sk_test_x", 0o644)
    with pytest.raises(Misconfigured, match=r"stripe\.key_file"):
        payments.open_gateway(given(tmp_path, key_file=key))


@pytest.mark.parametrize(
    ("text", "base_url"), [("sk_test_x", ""), ("rk_test_x", ""), ("sk_x", "http://127.0.0.1:1")]
)
def test_production_takes_no_test_key_and_no_stand_in(tmp_path, text, base_url):
    settings = given(tmp_path, key_file=secret(tmp_path, "key", text), base_url=base_url)
    assert payments.open_gateway(settings)
    with pytest.raises(Misconfigured, match="refused in production"):
        payments.open_gateway(replace(settings, mode="production"))


def test_the_door_opens_where_a_secret_is_set(tmp_path):
    key = secret(tmp_path, "key", "sk_test_x")
    new, old = secret(tmp_path, "new", "whsec_new"), secret(tmp_path, "old", "whsec_old")
    with new_ledger(sqlite_url(tmp_path)) as ledger:
        assert payments.open_news(given(tmp_path, key_file=key), ledger) is None
        both = given(tmp_path, key_file=key, webhook_secret_file=new, old_secret_file=old)
        assert payments.open_news(both, ledger) is not None


def test_the_clock_does_what_the_settings_name_and_nothing_else(tmp_path):
    with new_ledger(sqlite_url(tmp_path)) as ledger:
        assert payments.jobs_of(given(tmp_path), ledger) == ()
        manual = given(tmp_path, manual_file=str(tmp_path / "answers.json"))
        jobs = payments.jobs_of(manual, ledger)
        assert [(job.name, job.is_daily) for job in jobs] == [
            ("payments", False),
            ("messages of the provider", False),
            ("messages that were missed", True),
        ]
        for job in jobs:
            assert job.work(ROUND) == ""


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (RelayRun({"answered": 3}, 0), ""),
        (RelayRun({"dead": 1}, 0), "ALARM 1 payments need a person, see their cases"),
        (RelayRun({}, 2, "away"), "ALARM payments wait, 2 of them: away"),
    ],
    ids=["well", "dead", "stopped"],
)
def test_only_what_needs_a_person_is_said_of_calls(run, words):
    assert payments.relay_words(run) == words


def test_only_what_needs_a_person_is_said_of_messages():
    assert payments.inbox_words(InboxRun(done=3)) == ""
    assert payments.inbox_words(InboxRun(dead=2)) == (
        "ALARM 2 messages of the provider need a person"
    )
