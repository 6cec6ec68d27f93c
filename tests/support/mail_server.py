"""A mail server in one thread: takes messages over TLS and keeps them; knows what SMTP we need."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = "127.0.0.1"


def certificate(folder: Path) -> Path:
    """Make a certificate for this machine that signs itself; key and certificate in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start.replace(year=2100))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(HERE))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "mail.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


class MailServer:
    """Listens until the end of its block; `messages` and `said` are what came.

    `answers` says other things than usual, by the first letters of a command, and by ``.`` after a
    message; after the command `hangs_up_after` it is gone.
    """

    def __init__(self, folder: Path, *, starts: bool) -> None:
        self.file = certificate(folder)
        self.starts = starts
        self.messages: list[bytes] = []
        self.said: list[bytes] = []
        self.answers: dict[bytes, bytes] = {}
        self.hangs_up_after = b""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.file)
        self.listener = socket.create_server((HERE, 0))
        self.port = int(self.listener.getsockname()[1])
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            with plain, suppress(OSError):
                self._greet(plain)

    def _greet(self, plain: socket.socket) -> None:
        if self.starts:
            plain.sendall(b"220 mail\r\n")
            with plain.makefile("rb") as lines:
                self._talk(plain, lines, b"250-mail\r\n250 STARTTLS\r\n")
        with self.context.wrap_socket(plain, server_side=True) as link:
            if not self.starts:
                link.sendall(b"220 mail\r\n")
            with link.makefile("rb") as lines:
                self._talk(link, lines, b"250-mail\r\n250 AUTH PLAIN\r\n")

    def _talk(self, link: socket.socket, lines: BinaryIO, greeting: bytes) -> None:
        """Answer line by line until the other side begins TLS, or goes."""
        answers = {b"EHLO": greeting, b"STAR": b"220 go\r\n", b"QUIT": b"221 bye\r\n"}
        answers |= {b"AUTH": b"235 ok\r\n", b"DATA": b"354 go\r\n"}
        answers |= self.answers
        for line in lines:
            word = line.strip().upper()
            self.said.append(word)
            if self.hangs_up_after == word[:4] != b"DATA":
                return
            link.sendall(answers.get(word[:4], b"250 ok\r\n"))
            if word in (b"STARTTLS", b"QUIT"):
                return
            if word == b"DATA" and answers[b"DATA"].startswith(b"354"):
                self.messages.append(b"".join(iter(lines.readline, b".\r\n")))
                if self.hangs_up_after == b"DATA":
                    return
                link.sendall(answers.get(b".", b"250 ok\r\n"))


@contextmanager
def mail_server(folder: Path, *, starts: bool) -> Iterator[MailServer]:
    """Run a server that begins in the clear (STARTTLS), or with TLS at once."""
    server = MailServer(folder, starts=starts)
    server.thread.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        server.thread.join()
