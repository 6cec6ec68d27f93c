"""Codes leave the house over TLS alone, or are told to whoever runs a demo."""

import email
import threading
from email.policy import default

import msgspec
import pytest

from ledger.kernel.errors import Misconfigured, Unavailable
from mobilegrid.code_carriers import Posted, Shown
from mobilegrid.post import mail_post, post_of, text_post
from mobilegrid.settings import MailSettings, Settings, SmsSettings
from partner_api.code_sending import QUEUE_MAX, Message, QueuedSender
from tests.support.mail_server import HERE, mail_server
from tests.support.text_gateway import text_gateway

MESSAGE = Message("email", "zoe@example.net", "enrol", code="123456")


def settings(server, **more):
    given = {
        "host": HERE,
        "port": server.port,
        "sender": "codes@example.net",
        "ca_file": str(server.file),
        "tls": "start" if server.starts else "implicit",
    }
    return MailSettings(**given | more)


def posted(mail):
    return Posted(mail_post(mail), None, str)


@pytest.mark.parametrize("starts", [True, False])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_code_is_mailed_over_tls(tmp_path, starts, language):
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    with mail_server(tmp_path, starts=starts) as server:
        more = {"login": "codes", "password_file": str(password)}
        posted(mail=settings(server, **more)).carry(
            msgspec.structs.replace(MESSAGE, language=language)
        )
    (data,) = server.messages
    mail = email.message_from_bytes(data, policy=default)
    assert (mail["From"], mail["To"]) == ("codes@example.net", "zoe@example.net")
    assert "123456" in mail.get_content()
    assert "123456" not in mail["Subject"]
    assert ("验证码" in mail["Subject"]) is (language == "zh")
    assert any(word.startswith(b"AUTH PLAIN") for word in server.said)
    assert (b"STARTTLS" in server.said) is starts


def test_a_server_that_nobody_vouches_for_gets_nothing(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    with mail_server(other, starts=True) as stranger, mail_server(tmp_path, starts=True) as server:
        wrong = settings(server, ca_file=str(stranger.file))
        with pytest.raises(OSError, match="certificate verify failed"):
            posted(mail=wrong).carry(MESSAGE)
    assert server.messages == []


def test_what_is_not_set_is_named(tmp_path):
    with pytest.raises(Misconfigured, match=r"mail\.sender"):
        mail_post(MailSettings(host=HERE))
    missing = MailSettings(HERE, sender="a@example.net", password_file=str(tmp_path / "no"))
    with pytest.raises(Misconfigured, match=r"mail\.password_file"):
        mail_post(missing)
    with pytest.raises(Misconfigured, match=r"sms\.sender"):
        text_post(SmsSettings(url="https://sms.example.net"))
    with pytest.raises(Misconfigured, match=r"sms\.url"):
        text_post(SmsSettings(url="http://sms.example.net", sender="MG"))
    assert not post_of(Settings()).carriers
    nobody = Posted(None, None, str)
    with pytest.raises(Unavailable, match="mail server"):
        nobody.carry(MESSAGE)
    with pytest.raises(Unavailable, match="text messages"):
        nobody.carry(msgspec.structs.replace(MESSAGE, channel="sms"))


def test_a_code_goes_as_a_text_message_where_there_is_a_gateway(tmp_path):
    message = msgspec.structs.replace(MESSAGE, channel="sms", address="+33600000000")
    with text_gateway() as gateway:
        given = SmsSettings(url=gateway.url, sender="MobileGrid")
        by_text = Posted(None, text_post(given), lambda: "R-1")
        by_text.carry(message)
        gateway.status = 503
        with pytest.raises(Unavailable, match="took it not"):
            by_text.carry(message)
    (body, _), _ = gateway.calls
    assert (body["to"], body["reference"]) == ("+33600000000", "R-1")
    assert "123456" in body["text"]


def test_a_demo_tells_codes_and_keeps_them_in_a_file_of_its_own(tmp_path):
    told: list[str] = []
    file = tmp_path / "outbox"
    for code in ("111111", "222222"):
        Shown(told.append, file).carry(msgspec.structs.replace(MESSAGE, code=code))
    assert told[0] == "One-time code for zoe@example.net: 111111"
    lines = [msgspec.json.decode(line, type=Message) for line in file.read_bytes().splitlines()]
    assert [line.code for line in lines] == ["111111", "222222"]
    assert file.stat().st_mode & 0o777 == 0o600
    Shown(told.append).carry(MESSAGE)
    assert len(told) == 3


class _Carried:
    """Takes messages; fails for those to nobody, and waits while it is told to."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.may = threading.Event()
        self.may.set()

    def carry(self, message: Message) -> None:
        self.may.wait(10)
        if message.address == "broken":
            raise OSError("zoe@example.net is away")
        self.codes.append(message.code)


def test_codes_are_sent_one_after_the_other_and_a_failure_stops_nothing():
    carried = _Carried()
    told: list[str] = []
    sender = QueuedSender(carried, told.append)
    sender.start()
    sender.send(None)
    sender.send(msgspec.structs.replace(MESSAGE, address="broken"))
    for number in range(3):
        sender.send(msgspec.structs.replace(MESSAGE, code=f"{number}"))
    sender.stop()
    sender.stop()
    assert carried.codes == ["0", "1", "2"]
    assert told == ["a code by email was not sent: OSError"]


def test_when_too_many_wait_a_code_is_dropped_and_told():
    carried = _Carried()
    told: list[str] = []
    carried.may.clear()
    sender = QueuedSender(carried, told.append)
    for _ in range(QUEUE_MAX + 2):
        sender.send(MESSAGE)
    assert told == ["a code by email was not sent: too many wait"] * 2
    carried.may.set()
    sender.start()
    sender.stop()
    assert len(carried.codes) == QUEUE_MAX
