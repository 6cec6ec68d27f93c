"""The door of finance over a month that is ready to be settled, and the persons who work there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ledger.exports.einvoice import Address, Trader
from ledger.exports.invoice_papers import Letterhead
from ledger.runtime.ledger import Ledger
from tests.support.document_keys import DOCUMENTS
from tests.support.doors import URL, Doors, HandClock, open_doors, sign
from tests.support.settled_ledger import JUNE_2026, Desk, settled_desk

V1 = "/finance/v1"
SELLER = Trader(
    "Mobile Grid GmbH",
    Address("Hafenstr. 1", "Hamburg", "20457", "DE"),
    vat_id="DE123456789",
    iban="DE89370400440532013000",
)
HEAD = Letterhead(SELLER, "post@grid.example.net", URL)


class Finance:
    """Asks the door for one thing after the other; every key is new."""

    def __init__(self, doors: Doors, desk: Desk) -> None:
        self.doors = doors
        self.desk = desk
        self.own: dict[str, str] = {}  # ids of what belongs to a partner, where it was made
        self._count = 0

    def later(self, us: int) -> None:
        """Let time pass, have the head signed, and everybody sign in again."""
        self.doors.parts.clock.at += us  # type: ignore[attr-defined]
        self.doors.bearers.clear()
        sign(self.desk.ledger, self.doors.parts.clock.now())

    def key(self) -> str:
        self._count += 1
        return f"K-{self._count}"

    def said(self, path: str, *, who: str = "FI-R", **parameters: Any) -> Any:
        return self.doors.said(f"{V1}{path}", who=who, **parameters)

    def post(self, path: str, body: Any, *, who: str = "FI-M", key: str = "") -> httpx.Response:
        return self.doors.post(f"{V1}{path}", body, key=key or self.key(), who=who)

    def done(self, path: str, body: Any = None, *, who: str = "FI-M") -> Any:
        """Ask for what is done at once."""
        answer = self.post(path, body or {}, who=who)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def waits(self, path: str, body: Any = None, *, who: str = "FI-M") -> Any:
        """Ask for what waits for a second person."""
        answer = self.post(path, body or {}, who=who)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def agree(self, waiting: Any, *, who: str = "FI-C") -> httpx.Response:
        path = f"/approvals/{waiting['approval_id']}/approve"
        return self.post(path, {"digest": waiting["digest"]}, who=who)

    def agreed(
        self, path: str, body: Any = None, *, who: str = "FI-M", second: str = "FI-C"
    ) -> Any:
        """Ask for what takes two persons, and have the second one agree."""
        answer = self.agree(self.waits(path, body, who=who), who=second)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def send(self, path: str, content: bytes, media: str = "application/xml") -> httpx.Response:
        headers = self.doors.headers("FI-M") | {"Content-Type": media}
        return self.doors.call("POST", f"{V1}{path}", headers=headers, content=content)


@contextmanager
def finance_over(ledger: Ledger, at: int, **more: Any) -> Iterator[Finance]:
    """Open the door over a ledger, at a time (us)."""
    parts: dict[str, Any] = {"documents": DOCUMENTS, "letterhead": HEAD, "payer": SELLER.name}
    doors = ("log", "auditor", "finance")
    with open_doors(ledger, HandClock(at), doors=doors, **parts | more) as opened:
        yield Finance(opened, Desk(ledger))


@contextmanager
def finance_doors(
    folder: Path, *, at: int = JUNE_2026, url: str = "", **more: Any
) -> Iterator[Finance]:
    """Open the door over the ledger of `settled_desk`, on the first of June 2026."""
    desk = settled_desk(folder, url=url)
    with finance_over(desk.ledger, at, **more) as finance:
        yield finance
    desk.ledger.close()
