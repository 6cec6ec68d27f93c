"""Something of OP-1 behind every route of finance that partners may ask, made through the door."""

from hashlib import sha256
from typing import Any

import httpx

from ledger.kernel.instants import DAY, HOUR
from tests.support.finance_doors import V1, Finance
from tests.support.settling import STM

HEADER = (
    "external_id,our_reference,service_time,energy_kwh,energy_amount,service_amount,total,currency"
)
BOUNDARY = "a-boundary-of-tests"


def form_of(content: bytes, **fields: str) -> tuple[bytes, str]:
    """Write a form of fields and one file as browsers do; its bytes, its media type."""
    told = {"sha256": sha256(content).hexdigest()} | fields
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in told.items()
    ]
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="lines.csv"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    )
    body = "".join(parts).encode() + head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, f"multipart/form-data; boundary={BOUNDARY}"


FIELDS = {"kind": "partner_statement", "period": "2026-05", "currency": "EUR"}


def file_of(finance: Finance, who: str = "OP-1", *, cents: int = 0) -> bytes:
    """Write the lines of the statement as the partner would; the first one `cents` too high."""
    lines = finance.doors.said(f"{V1}/statements/{STM}/lines", who=who)["items"]
    rows = [HEADER]
    for number, line in enumerate(lines):
        total = line["share_minor"] + (cents if number == 0 else 0)
        amounts = (line["energy_net_minor"], line["service_net_minor"], total)
        energy, service, share = (f"{one / 100:.2f}" for one in amounts)
        at = f"2026-05-01T{number + 1:02}:00:00Z"
        kwh = f"{line['energy_wh'] / 1000:.3f}"
        rows.append(f"E-{number},{line['swap']},{at},{kwh},{energy},{service},{share},EUR")
    return ("\n".join(rows) + "\n").encode()


def send_file(
    finance: Finance, content: bytes, *, who: str = "OP-1", key: str = "PF-1", **fields: str
) -> httpx.Response:
    """Send a file in: a partner signs the request, staff name the partner."""
    body, media = form_of(content, **{**FIELDS, **fields})
    if who.startswith("OP"):
        return finance.doors.signed(f"{V1}/partner-files", body, key=key, who=who, media=media)
    headers = finance.doors.headers(who) | {"Content-Type": media}
    return finance.doors.call("POST", f"{V1}/partner-files", headers=headers, content=body)


def issue(finance: Finance) -> str:
    """Take the statement of OP-1 from its cut to the partner, through the door."""
    finance.done("/statements/cut", {"partner_id": "OP-1", "period": "2026-05"})
    finance.done(f"/statements/{STM}/calculate")
    finance.done(f"/statements/{STM}/submit")
    finance.later(HOUR)
    finance.done(f"/statements/{STM}/issue", who="FI-C")
    finance.later(HOUR)
    return STM


def dispute(finance: Finance, number: int = 0, **more: Any) -> str:
    """Have the partner dispute a line of his statement."""
    line = finance.doors.said(f"{V1}/statements/{STM}/lines", who="OP-1")["items"][number]
    wanted = {
        "position": line["position"],
        "posting_index": line["posting_index"],
        "code": "PRICE",
        "claimed_minor": line["share_minor"] + 1,
        **more,
    }
    path = f"{V1}/statements/{STM}/lines/dispute"
    answer = finance.doors.signed(path, {"lines": [wanted]}, key=finance.key(), who="OP-1")
    assert answer.status_code == 201, answer.text
    (name,) = answer.json()["dispute_ids"]
    return str(name)


def owned_by_a_partner(finance: Finance) -> dict[str, str]:
    """Make what belongs to OP-1; its ids by the name that they have in paths."""
    issue(finance)
    dispute_id = dispute(finance, 1)
    sent = send_file(finance, file_of(finance, cents=1))
    assert sent.status_code == 201, sent.text
    file_id = sent.json()["file_id"]
    run = finance.done("/reconciliations", {"partner_files": [file_id]})
    root = finance.said(f"/statements/{STM}")["calculation"]["lines_root"]
    path = f"{V1}/statements/{STM}/accept"
    accepted = finance.doors.signed(path, {"lines_root": root}, key="ACCEPT", who="OP-1")
    assert accepted.status_code == 201, accepted.text
    finance.agreed(f"/statements/{STM}/approve")
    finance.later(5 * DAY)
    plan = {
        "payout_id": "PO-1",
        "partner_id": "OP-1",
        "statements": [STM],
        "currency": "EUR",
        "payee_id": "PE-1",
        "route": "bank_file",
    }
    finance.done("/payouts", plan)
    return {
        "statement_id": STM,
        "dispute_id": dispute_id,
        "file_id": file_id,
        "number": str(run["number"]),
        "payout_id": "PO-1",
    }
