"""Who brings one-time codes to drivers: a mail server, or in a demo a file and the console."""

import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

import msgspec
from typing_extensions import override

from ledger.kernel.errors import Misconfigured, Unavailable
from mobilegrid.secret_files import read_secret
from mobilegrid.settings import MailSettings
from partner_api.code_sending import Carrier, Message

SECONDS = 20
OUTBOX_MODE = 0o600


class Shown(Carrier):
    """Tells codes to whoever runs the program; for demos and development alone."""

    def __init__(self, tell: Callable[[str], object], outbox: Path | None = None) -> None:
        """Tell each code by `tell`, and append it to a file, one JSON object a line."""
        self._tell = tell
        self._outbox = outbox

    @override
    def carry(self, message: Message) -> None:
        self._tell(f"One-time code for {message.address}: {message.code}")
        if self._outbox is not None:
            self._outbox.touch(mode=OUTBOX_MODE)
            with self._outbox.open("ab") as file:
                file.write(msgspec.json.encode(message) + b"\n")


class Mail(Carrier):
    """Hands codes to a mail server over TLS (RFC 5321, RFC 8314); no code is sent in the clear."""

    def __init__(self, settings: MailSettings) -> None:
        """Send through the server that the settings name.

        Raises:
            Misconfigured: no sender, or the file of the password cannot be used.
        """
        if not settings.sender:
            raise Misconfigured("mail.sender: who sends the codes must be named")
        self._settings = settings
        path = settings.password_file
        self._password = read_secret(Path(path), "mail.password_file") if path else ""

    @override
    def carry(self, message: Message) -> None:
        if message.channel != "email":
            raise Unavailable("no provider of text messages is set")
        mail = EmailMessage()
        mail["From"], mail["To"] = self._settings.sender, message.address
        mail["Subject"] = message.subject
        mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="mobilegrid.invalid")
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        with self._connection() as server:
            if self._settings.login:
                server.login(self._settings.login, self._password)
            server.send_message(mail)

    def _connection(self) -> smtplib.SMTP:
        host, port = self._settings.host, self._settings.port
        context = ssl.create_default_context(cafile=self._settings.ca_file or None)
        if self._settings.tls == "implicit":
            return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
        server = smtplib.SMTP(host, port, timeout=SECONDS)
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server
