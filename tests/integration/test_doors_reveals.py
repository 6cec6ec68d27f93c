"""Reveals: a second auditor agrees to one look, the log says so first, the answer leaves a row."""

from base64 import urlsafe_b64encode

import pytest

from ledger.domain.revealing import SubjectRevealed
from ledger.kernel.instants import SECOND
from ledger.runtime.openings import openings_of
from ledger.store import access_log
from mobilegrid.personal import reading_people
from mobilegrid.settings import LedgerSettings, Settings, VaultSettings
from partner_api.auditor.reveals import RevealIn, request_digest
from partner_api.auth import SIGN_IN_PATH
from tests.support.doors import KEYS, URL, HandClock, check_problem, open_doors
from tests.support.erasing import People
from tests.support.ledgers import sqlite_url
from tests.support.vaults import CONTACT

PATH = "/auditor/v1/reveals"
REASON = "Case CA-1: the driver was hurt"


@pytest.fixture
def people(tmp_path):
    one = People(sqlite_url(tmp_path), f"sqlite:///{tmp_path / 'people.db'}")
    yield one
    one.close()


@pytest.fixture
def doors(people):
    with open_doors(people.ledger, HandClock(people.clock.now()), people=people.vault) as opened:
        opened.subject = people.register()
        yield opened


def asked(doors, *, who="AU-1", second="AU-2", key="R-1", changed=None, **claims):
    """Give a body that `second` agrees to; `changed` is what the first one sends instead."""
    said = {
        "subject_id": doors.subject,
        "purpose": "contact",
        "fields": ["phone"],
        "reason": REASON,
    }
    body = RevealIn(**{**said, "fields": tuple(said["fields"])}, second_person_assertion="x")
    digest = urlsafe_b64encode(request_digest(body, who, key)).decode().rstrip("=")
    now = doors.parts.clock.now() // SECOND
    signed = {
        "iss": second,
        "sub": second,
        "aud": f"{URL}{PATH}",
        "exp": now + 60,
        "jti": key,
        "request_sha256": digest,
    }
    assertion = KEYS[second].assertion(signed | claims)
    return said | {"second_person_assertion": assertion} | (changed or {})


def reveals(doors):
    with doors.parts.ledger.reading() as reads:
        return list(reads.entries(kinds=(SubjectRevealed.kind,)))


def newest_row(doors):
    log_id = doors.parts.ledger.name.log_id
    with doors.parts.ledger.reading() as reads:
        count = access_log.count(reads.tx, log_id)
        return access_log.page(reads.tx, log_id, count - 1, count)[0][1]


def test_a_field_is_shown_and_the_log_says_who_looked_and_who_agreed(doors):
    answer = doors.post(PATH, asked(doors), key="R-1")
    assert answer.status_code == 201, answer.text
    said = answer.json()
    assert said["values"] == {"phone": CONTACT["phone"]}
    assert answer.headers["cache-control"] == "no-store"
    (entry,) = reveals(doors)
    assert entry.envelope.position == said["position"]
    actor = entry.envelope.actor
    assert (actor.id, actor.role, actor.second_person) == ("AU-1", "auditor", "AU-2")
    assert entry.event == SubjectRevealed(
        subject_id=doors.subject, purpose="contact", fields=("phone",)
    )
    assert REASON.encode() not in entry.data
    assert str(CONTACT["phone"]).encode() not in entry.data
    with doors.parts.ledger.reading() as reads:
        (opening,) = openings_of(reads, said["position"])
    assert bytes(opening.value).decode() == f'"{REASON}"'
    row = newest_row(doors)
    assert (row.route, row.actor, row.rows) == ("reveal_subject", "AU-1", 1)
    assert row.reason == f"entry {said['position']}"


def test_the_same_look_again_is_one_entry_also_after_a_restart(people, doors):
    first = doors.post(PATH, asked(doors), key="R-1")
    again = doors.post(PATH, asked(doors), key="R-1")
    assert again.json() == first.json()
    assert again.headers["idempotent-replay"] == "true"
    with open_doors(people.ledger, HandClock(people.clock.now()), people=people.vault) as later:
        later.subject = doors.subject
        later.parts.cursors._secret = b"another process has another secret"
        restarted = later.post(PATH, asked(later), key="R-1")
        assert restarted.json() == first.json(), restarted.text
        other = {"reason": "another reason"}
        body = asked(later, changed=other)
        check_problem(later.post(PATH, body, key="R-1"), 403, "not_confirmed")
    assert len(reveals(doors)) == 1


def test_another_look_under_the_same_key_is_refused(doors):
    assert doors.post(PATH, asked(doors), key="R-1").status_code == 201
    finding = doors.post("/auditor/v1/findings", {"position": 0, "text": "seen"}, key="R-1")
    check_problem(finding, 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    "change",
    [
        {"changed": {"reason": "curious"}},
        {"changed": {"fields": ["phone", "email"]}},
        {"changed": {"subject_id": "DR-1"}},
        {"changed": {"purpose": "invoice"}},
        {"who": "AU-2"},
        {"key": "R-2"},
        {"second": "AU-1"},
        {"request_sha256": ""},
    ],
)
def test_consent_is_good_for_one_look_of_one_person_alone(doors, change):
    check_problem(doors.post(PATH, asked(doors, **change), key="R-1"), 403, "not_confirmed")
    assert reveals(doors) == []
    assert newest_row(doors).rows == 0


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": f"{URL}{SIGN_IN_PATH}"},
        {"exp": 1},
        {"iss": "AU-1"},
        {"sub": "AU-9", "iss": "AU-9"},
        {"jti": ""},
        {"nbf": 9_999_999_999},
    ],
)
def test_an_assertion_that_is_none_confirms_nothing(doors, claims):
    check_problem(doors.post(PATH, asked(doors, **claims), key="R-1"), 401, "not_authenticated")
    body = asked(doors, changed={"second_person_assertion": "a.b.c"})
    check_problem(doors.post(PATH, body, key="R-1"), 401, "not_authenticated")
    assert reveals(doors) == []


def test_consent_to_a_look_signs_nobody_in(doors):
    assertion = asked(doors)["second_person_assertion"]
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    answer = doors.call("POST", SIGN_IN_PATH, data=form)
    check_problem(answer, 401, "not_authenticated")


def test_nobody_and_somebody_erased_look_alike(people, doors):
    erased = doors.subject
    people.erase(erased)
    gone = check_problem(doors.post(PATH, asked(doors), key="R-1"), 404, "not_found")
    doors.subject = "DR-404"
    nobody = check_problem(doors.post(PATH, asked(doors, key="R-2"), key="R-2"), 404, "not_found")
    for said in (gone, nobody):
        del said["reference"]
    assert gone == nobody
    assert reveals(doors) == []


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"fields": []}, 400, "malformed"),
        ({"reason": ""}, 400, "malformed"),
        ({"reason": "x" * 501}, 400, "malformed"),
        ({"reason": "a\x00b"}, 400, "malformed"),
        ({"more": 1}, 400, "malformed"),
        ({"second_person_assertion": ""}, 400, "malformed"),
    ],
)
def test_a_body_that_is_none_shows_nothing(doors, changed, status, code):
    check_problem(doors.post(PATH, asked(doors, changed=changed), key="R-1"), status, code)
    assert reveals(doors) == []


def test_without_a_key_or_a_vault_nothing_is_shown(people, doors):
    check_problem(doors.post(PATH, asked(doors)), 400, "idempotency_key_missing")
    with open_doors(people.ledger, HandClock(people.clock.now())) as blind:
        blind.subject = doors.subject
        check_problem(blind.post(PATH, asked(blind), key="R-1"), 503, "unavailable")
    assert reveals(doors) == []


def test_a_process_without_a_vault_serves_the_rest(tmp_path, people):
    own = LedgerSettings(url=sqlite_url(tmp_path))
    vault = VaultSettings(url=f"sqlite:///{tmp_path / 'people.db'}")
    production = Settings(mode="production", ledger=own, vault=vault)
    for settings in (Settings(ledger=own), production):
        with reading_people(settings, people.ledger) as nobody:
            assert nobody is None
    with reading_people(Settings(ledger=own, vault=vault), people.ledger) as found:
        assert found is not None
