"""The operator's post to drivers: a mail server and a gateway of text messages, as far as set."""

from pathlib import Path
from typing import NamedTuple

from ledger.adapters.mail import MailPost, MailServer
from ledger.adapters.text_messages import TextGateway, TextPost
from ledger.runtime.notice_sending import Channel, LetterCarrier
from mobilegrid.secret_files import read_secret
from mobilegrid.settings import MailSettings, Settings, SmsSettings


class Post(NamedTuple):
    """What there is to send by."""

    mail: MailPost | None
    texts: TextPost | None

    @property
    def carriers(self) -> dict[Channel, LetterCarrier]:
        """Who carries letters, by channel."""
        found: dict[Channel, LetterCarrier] = {}
        if self.mail is not None:
            found["email"] = self.mail
        if self.texts is not None:
            found["sms"] = self.texts
        return found


def post_of(settings: Settings) -> Post:
    """Put together what the settings name.

    Raises:
        Misconfigured: nobody is named who sends, a file of a secret cannot be used, or the gateway
            would be reached in the clear.
    """
    mail = mail_post(settings.mail) if settings.mail.host else None
    return Post(mail, text_post(settings.sms) if settings.sms.url else None)


def mail_post(given: MailSettings) -> MailPost:
    """Send by a mail server; `Misconfigured` as `post_of`."""
    server = MailServer(
        host=given.host,
        port=given.port,
        sender=given.sender,
        tls=given.tls,
        login=given.login,
        password=_secret(given.password_file, "mail.password_file"),
        ca_file=given.ca_file,
    )
    return MailPost(server)


def text_post(given: SmsSettings) -> TextPost:
    """Send by a gateway of text messages; `Misconfigured` as `post_of`."""
    credential = _secret(given.credential_file, "sms.credential_file")
    return TextPost(TextGateway(given.url, given.sender, credential, given.ca_file))


def _secret(path: str, setting: str) -> str:
    return read_secret(Path(path), setting) if path else ""
