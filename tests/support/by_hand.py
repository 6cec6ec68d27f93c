"""Packs led by the command line alone, as a person would: the life of one, step by step."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from ledger.evidence import bms
from tests.support import meters
from tests.support.cli import answer
from tests.support.meters import private_key, public_key

PARTIES = {
    "SV-1": "service",
    "RE-1": "service",
    "CR-1": "carrier",
    "DE-1": "depot",
    "DE-2": "depot",
    "WS-1": "workshop",
    "TH-1": "title_holder",
}
STORED, SECOND_DEPOT = "Packs:Depot:DE-1:Stored", "Packs:Depot:DE-2:Stored"
TWO = ("--by", "P1", "--second", "P2")


def in_days(days: int) -> str:
    """Give a time so many days from now."""
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251


class Network:
    """A ledger file in a folder, and the command line in front of it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        named = ("--ledger-id", "town", "--origin", "log.example.net/town")
        answer("db", "create", *named, ledger=url)
        for party_id, role in PARTIES.items():
            self.ask("party", "register", party_id, "--acts-as", role, "--country", "FR")
        facts = folder / "class-C1.json"
        facts.write_text('{"pack_class": "C1", "version": 1, "source": "Technical file"}')
        known = ("--nominal-wh", 75_000, "--rated-mv", 355_200)
        self.ask("passport", "register", facts, *known)

    def ask(self, *words: Any) -> Any:
        return answer(*map(str, words), ledger=self.url)

    def document(self, name: str) -> Path:
        path = self.folder / name
        path.write_text(f"this is {name}\n", encoding="utf-8")
        return path

    def answered(self, pack_id: str, seq: int, key: str) -> tuple[Path, str]:
        """Let the management system of a pack answer a challenge; gives file and public key."""
        path = self.folder / f"{pack_id}-{key}-{seq}.json"
        given = answer("pack", "challenge", path)
        private = private_key(key)
        nonce = bms.decode(given["nonce"], "nonce")
        said = meters.answer(private, nonce=nonce, serial=f"BMS-{key}", seq=seq)
        told = {"serial": said.serial, "seq": said.seq, "signature": said.signature}
        path.write_bytes(msgspec.json.encode(given | told))
        return path, public_key(private).text

    def enrolled(self, pack_id: str) -> str:
        """Enrol the system of a pack, let it answer once more, and give the digest of that."""
        first, key = self.answered(pack_id, 1, pack_id)
        self.ask("pack", "enrol", pack_id, first, "--key", key)
        second, _ = self.answered(pack_id, 2, pack_id)
        return str(self.ask("pack", "attest", pack_id, second)["sha256"])

    def bought(self, *pack_ids: str, po_no: str = "PO-1") -> None:
        """Order packs and bring them into depot DE-1, received and not yet verified."""
        self.ask(
            *("pack", "order", *pack_ids, "--po", po_no, "--supplier", "SV-1", "--class", "C1"),
            *("--nominal-wh", 75_000, "--price-minor", 850_000, "--due", in_days(30)),
        )
        self.ask(
            *("pack", "announce", *pack_ids, "--asn", f"ASN-{po_no}", "--po", po_no),
            *("--carrier", "CR-1", "--un", "UN3480"),
        )
        for pack_id in pack_ids:
            advice = ("--depot", "DE-1", "--asn", f"ASN-{po_no}")
            self.ask("pack", "receive", pack_id, *advice)

    def in_service(self, pack_id: str) -> None:
        """Verify a received pack by its own proof and let it into service."""
        shown = self.enrolled(pack_id)
        report = self.document(f"report {pack_id}")
        self.ask(
            *("pack", "verify", pack_id, "--report", report, "--attestation", shown),
            *("--capacity-mah", 206_000),
        )
        self.ask(
            *("pack", "commission", pack_id, "--title-holder", "TH-1", *TWO),
            *("--warranty", in_days(365)),
        )
