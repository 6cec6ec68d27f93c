"""An operator invites a driver by the command line; his link works at the doors; he leaves."""

import json
from datetime import date
from urllib.parse import urlsplit

import msgspec
import pytest
from msgspec.structs import replace

from ledger.domain.leaving import RequestErasure
from ledger.domain.privacy import SUBJECTS
from ledger.kernel.errors import Misconfigured
from ledger.kernel.instants import DAY, Instant
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.notice_sending import plan
from ledger.store import notices
from ledger.store.notices import NoticeBody, NoticeRow
from mobilegrid import driver_door, wiring
from mobilegrid.clockwork import Round
from mobilegrid.settings import Settings, SmsSettings, load_settings
from partner_api.driver.bodies_support import NoticeChannels, NoticeSettings
from tests.support.cli import answer, error, run
from tests.support.driving import Browser, open_driver_doors
from tests.support.ledgers import asking
from tests.support.text_gateway import text_gateway

TODAY = date(2026, 1, 1)  # this job does not look at it
CLOSED = NoticeBody("case.closed", {}, "case", "SC-1")
PERSON = {"contact": {"email": "zoe@example.net", "phone": "+33612345678"}}


@pytest.fixture
def town(tmp_path):
    url = f"sqlite:///{tmp_path / 'town.db'}"
    origin = ("--ledger-id", "town", "--origin", "log.example.net/log/town")
    assert run("db", "create", *origin, ledger=url).exit_code == 0
    (tmp_path / "person.json").write_text(json.dumps(PERSON), encoding="utf-8")
    return url


def settings_of(town, **doors) -> Settings:
    made = load_settings(None, {"MOBILEGRID_LEDGER__URL": town})
    return replace(made, doors=replace(made.doors, **doors))


def leaving(settings, ledger):
    return next(job for job in driver_door.jobs_of(settings, ledger) if job.name == "leaving")


def registered(town, tmp_path) -> str:
    file = tmp_path / "person.json"
    return str(answer("subject", "register", file, "--country", "FR", ledger=town)["subject"])


def test_an_invited_driver_makes_his_passkey_and_gets_codes_from_then_on(town, tmp_path):
    subject = registered(town, tmp_path)
    said = answer("subject", "invite", subject, "--hours", "1", ledger=town)
    assert said["subject"] == subject
    link = urlsplit(said["link"])
    assert (link.path, link.query) == ("/auth/sign-in", "")
    secret = link.fragment.removeprefix("invitation=")
    key = bytes.fromhex((tmp_path / "town.db.address-key").read_text())
    assert (tmp_path / "town.db.address-key").stat().st_mode & 0o777 == 0o600
    with Ledger(town) as ledger, open_driver_doors(ledger, wiring.CLOCK) as doors:
        doors.codes._key = key
        browser = Browser(doors)
        assert browser.enrol(secret, doors.passkey("phone")).status_code == 303
        assert browser.get("/driver/v1/profile").json()["driver_id"] == subject
        for channel, address in (("email", "ZOE@example.net"), ("sms", "+33 6 12 34 56 78")):
            browser.get("/auth/sign-in")
            body = {"channel": channel, "address": address, "purpose": "recover"}
            assert browser.post("/auth/one-time-codes", body).status_code == 202
            assert doors.sent.newest.channel == channel
    again = run("subject", "invite", subject, ledger=town)
    assert "It works once, until" in again.output


def test_nobody_else_is_invited(town):
    assert error("subject", "invite", "DR-9", ledger=town)["kind"] == "NotFound"


def test_who_wants_to_leave_is_erased_by_the_clock(town, tmp_path):
    subject = registered(town, tmp_path)
    settings = settings_of(town)
    with Ledger(town) as ledger:
        job = leaving(settings, ledger)
        now = wiring.CLOCK.now()

        def work(at):
            return job.work(Round(Instant(at), TODAY, "UTC", lambda: False))

        assert work(now) == ""
        actor = Actor(id=subject, role="driver")
        accepted(
            ledger.execute(asking(RequestErasure(subject_id=subject), "leave", actor=actor, at=now))
        )
        assert work(now + 7 * DAY - 1) == ""
        assert work(now + 7 * DAY) == ""
        with ledger.reading() as reads:
            row = reads.row(SUBJECTS, subject)
        assert row is not None
        assert row.erased
        assert work(now + 8 * DAY) == ""


def test_without_the_vault_somebody_is_called(town, tmp_path):
    subject = registered(town, tmp_path)
    (tmp_path / "town.db.vault").unlink()
    with Ledger(town) as ledger:
        job = leaving(settings_of(town), ledger)
        now = wiring.CLOCK.now()
        actor = Actor(id=subject, role="driver")
        accepted(
            ledger.execute(asking(RequestErasure(subject_id=subject), "leave", actor=actor, at=now))
        )
        said = job.work(Round(Instant(now + 8 * DAY), TODAY, "UTC", lambda: False))
    assert said.startswith("ALARM")


def test_what_happened_goes_to_the_number_in_the_vault_and_who_has_none_gets_nothing(
    town, tmp_path
):
    subject = registered(town, tmp_path)
    wishes = NoticeSettings((NoticeChannels("case_answered", in_app=True, email=False, sms=True),))
    with text_gateway() as gateway, Ledger(town) as ledger:
        settings = replace(settings_of(town), sms=SmsSettings(gateway.url, "MobileGrid"))
        job = next(one for one in driver_door.jobs_of(settings, ledger) if "letters" in one.name)
        now = wiring.CLOCK.now()
        rows = [
            NoticeRow(f"NO-{who}", who, "case_answered", "SC-1", now, CLOSED)
            for who in (subject, "DR-9")
        ]
        with ledger.writing() as tx:
            for row in rows:
                notices.put_settings(tx, 1, row.driver_id, msgspec.json.encode(wishes))
            assert plan(tx, 1, notices.add(tx, 1, rows), now) == 2
        given = Round(Instant(now), TODAY, "UTC", lambda: False)
        assert job.work(given) == ""
        assert job.work(given) == ""
        ((body, _),) = gateway.calls
        gateway.status = 404
        with ledger.writing() as tx:
            again = replace(rows[0], notice_id="NO-2")
            plan(tx, 1, notices.add(tx, 1, [again]), now)
        assert job.work(given) == "letters to drivers that could not be sent: 1 refused"
    (dead,) = answer("letters", "list", ledger=town)
    assert (dead["notice_id"], dead["reason"]) == ("NO-2", "refused")
    assert "refused" in run("letters", "list", ledger=town).output
    assert answer("letters", "retry", ledger=town) == {"again": 1}
    assert answer("letters", "list", ledger=town) == []
    assert len(answer("letters", "list", "--state", "waiting", ledger=town)) == 1
    assert (body["to"], body["from"]) == ("+33612345678", "MobileGrid")
    assert body["text"].startswith("Your request for help was closed.")


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://grid.example.net", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.1:8000", True),
        ("http://grid.example.net", False),
    ],
)
def test_drivers_sign_in_over_https_or_on_this_machine(town, url, is_safe):
    settings = settings_of(town, public_url=url)
    if is_safe:
        driver_door.check_place(settings)
    else:
        with pytest.raises(Misconfigured, match="https"):
            driver_door.check_place(settings)


def test_codes_are_told_at_the_console_but_never_in_production(town):
    settings = settings_of(town)
    told: list[str] = []
    assert driver_door.carrier_of(settings, told.append) is not None
    assert driver_door.carrier_of(settings, None) is None
    assert driver_door.carrier_of(replace(settings, mode="production"), told.append) is None
    mail = replace(settings.mail, host="mail.example.net", sender="codes@example.net")
    live = replace(settings, mode="production", mail=mail)
    assert driver_door.carrier_of(live, None) is not None
    with Ledger(town) as ledger, driver_door.signing_in(ledger, settings, None) as drivers:
        assert drivers.codes is None
        assert not drivers.flow.is_driver("DR-1")


def test_a_key_of_addresses_that_is_none_is_named(town, tmp_path):
    (tmp_path / "key").write_text("not hexadecimal\n")
    (tmp_path / "key").chmod(0o600)
    settings = settings_of(town, address_key_file=str(tmp_path / "key"))
    with (
        Ledger(town) as ledger,
        pytest.raises(Misconfigured, match="address_key_file"),
        driver_door.signing_in(ledger, settings, print),
    ):
        pass
