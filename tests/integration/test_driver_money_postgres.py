"""The driver's money, help and inbox on PostgreSQL: what rests on the database's own ways."""

import email
from collections.abc import Iterator
from email.policy import default

import pytest

from ledger.runtime.notice_sending import send
from ledger.runtime.notices import follow
from mobilegrid.driver_notices import office_of
from mobilegrid.post import post_of
from mobilegrid.settings import MailSettings, Settings
from tests.support.doors import check_problem
from tests.support.driver_money import MoneyTown, money_town
from tests.support.mail_server import HERE, mail_server
from tests.support.postgres import fresh_database
from tests.support.told_anew import SWAP


@pytest.fixture
def town(postgres_url, tmp_path) -> Iterator[MoneyTown]:
    with money_town(fresh_database(postgres_url), tmp_path) as found:
        yield found


def test_a_month_is_billed_paid_on_a_page_and_told(town):
    (invoice,) = town.close()
    body = {"purpose": "pay_invoice", "invoice_id": invoice, "return_to": "/app/wallet"}
    made = town.said("POST", "/checkouts", body, key="K1")
    town.page(made["url"], "pay")
    town.deliver()
    assert town.said("GET", f"/checkouts/{made['checkout_id']}")["state"] == "DONE"
    assert town.said("GET", f"/invoices/{invoice}")["state"] == "PAID"
    assert town.said("GET", f"/receipts/{SWAP}")["payments"]
    assert follow(town.ledger) >= 2
    assert follow(town.ledger) == 0
    rows = town.said("GET", "/notices")["items"]
    assert {"bill_due", "swap_done"} <= {one["kind"] for one in rows}
    town.said("POST", "/notices/read", {"until": rows[0]["id"]}, key="R1")
    assert town.said("GET", "/notices")["unread_count"] == 0


def test_requests_and_settings_are_kept(town, tmp_path, caplog):
    case = {"subject": "Aïe", "topic": "question", "text": "换电站在哪里?", "swap_id": SWAP}
    made = town.said("POST", "/cases", case, key="K1")
    assert town.call("POST", "/cases", case, key="K1").json() == made
    said = town.said("GET", f"/cases/{made['case_id']}")
    assert (said["subject"], said["messages"][0]["text"]) == ("Aïe", "换电站在哪里?")
    answer = town.call("GET", f"/cases/{made['case_id']}", who="DR-2")
    check_problem(answer, 404, "not_found")
    body = {"kinds": [{"kind": "bill_due", "in_app": True, "email": True, "sms": False}]}
    said = town.said("PUT", "/notice-settings", body)
    assert town.said("PUT", "/notice-settings", body) == said
    _is_mailed(town, tmp_path, caplog)


def _is_mailed(town, tmp_path, caplog):
    """The bill of the month goes to the address in the vault, in the driver's language, once."""
    town.doors.parts.texts.keep("DR-1", {"email": "zoe@example.net", "language": "zh-Hans"})
    town.close()
    with mail_server(tmp_path, starts=True) as server:
        mail = MailSettings(HERE, server.port, sender="g@example.net", ca_file=str(server.file))
        post = post_of(Settings(mail=mail))
        office = office_of(Settings(), post, town.doors.parts.texts)
        follow(town.ledger, now=town.clock.at, carried=tuple(post.carriers))
        assert send(town.ledger, office, town.clock.at) == {"SENT": 1}
        assert send(town.ledger, office, town.clock.at) == {}
    (data,) = server.messages
    letter = email.message_from_bytes(data, policy=default)
    assert (letter["To"], letter["Subject"]) == ("zoe@example.net", "Mobile Grid：新账单")  # noqa: RUF001
    assert "/app/inbox" in letter.get_content()
    assert "zoe@" not in caplog.text
