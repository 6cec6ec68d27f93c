"""A mail server that takes what goes to drivers (RFC 5321), over TLS alone (RFC 8314, RFC 3207)."""

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Literal

import msgspec
from typing_extensions import override

from ledger.kernel.errors import Misconfigured
from ledger.runtime.notice_sending import Carried, Letter, LetterCarrier

SECONDS = 20
PLACE = "mobilegrid.invalid"
"""Behind the @ of a message's own id: reserved, so nobody else's (RFC 2606)."""

_FOR_GOOD = 500


class MailServer(msgspec.Struct, frozen=True):
    """Which server, how to reach it, and who sends; "" of `ca_file` trusts what the machine does.

    `tls` is ``start`` (begun in the clear, then STARTTLS) or ``implicit``.
    """

    host: str
    port: int
    sender: str
    tls: Literal["start", "implicit"] = "start"
    login: str = ""
    password: str = ""
    ca_file: str = ""


class _Body:
    """Notes that a message's body has begun to leave: from then on the other side may have it."""

    has_begun = False

    def data(self, msg: Any) -> Any:
        self.has_begun = True
        return super().data(msg)  # type: ignore[misc]


class _Starting(_Body, smtplib.SMTP):
    """A link that begins in the clear."""


class _Sealed(_Body, smtplib.SMTP_SSL):
    """A link with TLS from its first byte."""


class MailPost(LetterCarrier):
    """Hands messages to a mail server."""

    def __init__(self, server: MailServer) -> None:
        """Send through a server.

        Raises:
            Misconfigured: no sender.
        """
        if not server.sender:
            raise Misconfigured("mail.sender: who sends to drivers must be named")
        self._server = server

    def message(self, address: str, subject: str, text: str, name: str = "") -> EmailMessage:
        """Write a message; with a `name` it has the same id whenever it is written.

        Raises:
            ValueError: the address is none that a message can go to.
        """
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._server.sender, address, subject
        mail["Date"] = formatdate()
        mail["Message-ID"] = f"<{name}@{PLACE}>" if name else make_msgid(domain=PLACE)
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text)
        return mail

    def send(self, mail: EmailMessage) -> None:
        """Hand a message over.

        Raises:
            OSError: the server is away, not vouched for, or does not take it (`SMTPException`).
        """
        link = self._link()
        try:
            link.send_message(mail)
        finally:
            _close(link)

    @override
    def carry(self, letter: Letter) -> Carried:
        try:
            mail = self.message(letter.address, letter.subject, letter.text, letter.letter_id)
        except ValueError:
            return Carried.NEVER
        try:
            link = self._link()
        except OSError:  # SMTPException is one, and so is what TLS raises
            return Carried.LATER
        try:
            link.send_message(mail)
        except (smtplib.SMTPException, OSError) as error:
            return _came_of(error, has_begun=link.has_begun)
        finally:
            _close(link)
        return Carried.SENT

    def _link(self) -> _Starting | _Sealed:
        server = self._server
        context = ssl.create_default_context(cafile=server.ca_file or None)
        link: _Starting | _Sealed
        if server.tls == "implicit":
            link = _Sealed(server.host, server.port, timeout=SECONDS, context=context)
        else:
            link = _Starting(server.host, server.port, timeout=SECONDS)
        try:
            if server.tls == "start":
                link.starttls(context=context)
            if server.login:
                link.login(server.login, server.password)
        except BaseException:
            link.close()
            raise
        return link


def _close(link: smtplib.SMTP) -> None:
    """Say goodbye; what was taken is taken, whatever is said to that."""
    with suppress(OSError):
        link.quit()
    link.close()


def _came_of(error: Exception, *, has_begun: bool) -> Carried:
    """Tell what a failure means for the message."""
    codes: list[int] = []
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
        case smtplib.SMTPDataError():
            codes = [error.smtp_code]
        case smtplib.SMTPSenderRefused() | smtplib.SMTPResponseException():
            return Carried.LATER  # the operator's own settings: his to mend
        case smtplib.SMTPNotSupportedError():
            return Carried.NEVER  # an address in letters that the server does not know
        case _:
            return Carried.UNSURE if has_begun else Carried.LATER
    is_for_good = bool(codes) and all(code >= _FOR_GOOD for code in codes)
    return Carried.NEVER if is_for_good else Carried.LATER
