"""Who brings codes to drivers: the operator's post, or in a demo a file and the console."""

from collections.abc import Callable
from pathlib import Path

import msgspec
from typing_extensions import override

from ledger.adapters.mail import MailPost
from ledger.adapters.text_messages import TextPost
from ledger.kernel.errors import Unavailable
from ledger.runtime.notice_sending import Carried
from partner_api.code_sending import Carrier, Message

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


class Posted(Carrier):
    """Hands codes to a mail server, or to a gateway of text messages; never in the clear."""

    def __init__(
        self, mail: MailPost | None, texts: TextPost | None, reference: Callable[[], str]
    ) -> None:
        """Send through those that there are; `reference` names a message for its gateway."""
        self._mail = mail
        self._texts = texts
        self._reference = reference

    @override
    def carry(self, message: Message) -> None:
        if message.channel == "email":
            if self._mail is None:
                raise Unavailable("no mail server is set")
            self._mail.send(self._mail.message(message.address, message.subject, message.text))
            return
        if self._texts is None:
            raise Unavailable("no provider of text messages is set")
        if self._texts.send(message.address, message.text, self._reference()) is not Carried.SENT:
            raise Unavailable("the provider of text messages took it not")
