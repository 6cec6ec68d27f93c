"""Letters to drivers, handed to a mail server and to a gateway of text messages of this machine."""

import email
from email.policy import default

import pytest

from ledger.adapters.mail import MailPost, MailServer
from ledger.adapters.text_messages import CHARACTERS_MAX, TextGateway, TextPost
from ledger.runtime.notice_sending import Carried, Letter
from tests.support.mail_server import HERE, mail_server
from tests.support.text_gateway import text_gateway

LETTER = Letter(
    "NO-1.email", "email", "zoe@example.net", "账单", "请付清。\nhttps://x.example/app\n"
)
TEXT = Letter("NO-1.sms", "sms", "+33600000000", "账单", "请付清。")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with mail_server(tmp_path_factory.mktemp("mail"), starts=False) as found:
        yield found


@pytest.fixture
def post(server):
    server.answers, server.hangs_up_after = {}, b""
    server.messages.clear()
    return MailPost(
        MailServer(HERE, server.port, "grid@example.net", "implicit", ca_file=str(server.file))
    )


def test_a_letter_is_mailed_under_one_name_however_often(post, server):
    assert post.carry(LETTER) is post.carry(LETTER) is Carried.SENT
    first, second = (email.message_from_bytes(data, policy=default) for data in server.messages)
    assert first["Message-ID"] == second["Message-ID"] == "<NO-1.email@mobilegrid.invalid>"
    assert (first["To"], first["Subject"]) == ("zoe@example.net", "账单")
    assert first.get_content().splitlines() == LETTER.text.splitlines()


@pytest.mark.parametrize(
    ("answers", "hangs_up_after", "came"),
    [
        ({b"RCPT": b"550 nobody\r\n"}, b"", Carried.NEVER),
        ({b"RCPT": b"451 later\r\n"}, b"", Carried.LATER),
        ({b"MAIL": b"550 not you\r\n"}, b"", Carried.LATER),
        ({b"DATA": b"554 no\r\n"}, b"", Carried.NEVER),
        ({b".": b"554 spam\r\n"}, b"", Carried.NEVER),
        ({b".": b"452 full\r\n"}, b"", Carried.LATER),
        ({}, b"RCPT", Carried.LATER),
        ({}, b"DATA", Carried.UNSURE),
    ],
)
def test_what_a_server_says_tells_whether_it_has_the_letter(
    post, server, answers, hangs_up_after, came
):
    server.answers, server.hangs_up_after = answers, hangs_up_after
    assert post.carry(LETTER) is came


def test_a_server_that_is_away_or_unknown_has_nothing(server, tmp_path):
    away = MailServer(HERE, 1, "grid@example.net", "implicit", ca_file=str(server.file))
    assert MailPost(away).carry(LETTER) is Carried.LATER
    stranger = MailServer(HERE, server.port, "grid@example.net", "implicit")
    assert MailPost(stranger).carry(LETTER) is Carried.LATER


def test_what_is_no_address_goes_nowhere(post):
    for address in ("zoe@example.net\r\nBcc: all@example.net", "zoé@example.net"):
        letter = Letter("NO-2.email", "email", address, "A", "B")
        assert post.carry(letter) is Carried.NEVER


def test_a_text_message_is_one_call_with_a_name_of_its_own():
    with text_gateway() as gateway:
        post = TextPost(TextGateway(gateway.url, "MobileGrid", "secret"))
        came = []
        for status in (202, 429, 503, 400, 500, 302, 0):
            gateway.status = status
            came.append(post.carry(TEXT))
        gateway.status = 200
        assert post.send("+1", "长" * 1_000, "R") is Carried.SENT
    sure = [Carried.SENT, Carried.LATER, Carried.LATER, Carried.NEVER]
    assert came == [*sure, Carried.UNSURE, Carried.UNSURE, Carried.UNSURE]
    body, headers = gateway.calls[0]
    assert body == {
        "to": "+33600000000",
        "from": "MobileGrid",
        "text": "请付清。",
        "reference": "NO-1.sms",
    }
    assert headers["Idempotency-Key"] == "NO-1.sms"
    assert headers["Authorization"] == "Bearer secret"
    assert len(gateway.calls[-1][0]["text"]) == CHARACTERS_MAX
    assert post.carry(TEXT) is Carried.LATER  # the gateway is gone
