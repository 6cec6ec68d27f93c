"""Settling from the command line: the cycle, a dispute, payouts, the answer of the bank."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.money.settlement_steps import PublishStatement, says
from ledger.runtime.ledger import Ledger
from tests.support import cli
from tests.support.cycles import document_of
from tests.support.ledgers import sqlite_url
from tests.support.serving import PATIENCE_S, PROGRAM, call, environment
from tests.support.settled_ledger import Desk, settled_desk

STM = "STM-OP-1-2026-05"
MAKER = ("--by", "F-1")
BOTH = ("--by", "F-1", "--second", "F-2")
OTHERS = ("--by", "F-3", "--second", "F-4")


class Town:
    """A ledger with what OP-1 earned in May, and the command line before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = sqlite_url(folder)
        settled_desk(folder, deemed_clause="C-7", netting=True).ledger.close()

    def ask(self, *words: str | Path) -> list[str]:
        """Ask for something and give the kinds of the entries it made."""
        answer = cli.answer(*words, ledger=self.url)
        return [one["kind"] for one in answer["entries"]]

    def error(self, *words: str | Path) -> dict[str, object]:
        found = cli.error(*words, ledger=self.url)
        assert isinstance(found, dict)
        return found

    def reviewed(self) -> None:
        self.ask("settle", "cut", "OP-1", "--period", "2026-05", *MAKER)
        self.ask("settle", "calculate", STM, *MAKER)
        self.ask("settle", "submit", STM, *MAKER)

    def issued(self) -> None:
        """Issue the statement as the program does with a signer, which has a test of its own."""
        self.reviewed()
        with Ledger(self.url) as ledger:
            with ledger.reading() as reads:
                row = reads.row(STATEMENTS, STM)
                assert row is not None
            command = PublishStatement(statement_id=STM, document=document_of(row))
            Desk(ledger).do(command)

    def approved(self) -> None:
        self.issued()
        self.ask("settle", "accept", STM, "--level", "2", *MAKER)
        self.ask("settle", "approve", STM, *BOTH)


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


def test_a_statement_goes_through_its_cycle_step_by_step(town: Town) -> None:
    assert town.ask("settle", "cut", "OP-1", "--period", "2026-05", *MAKER) == ["statement.cut"]
    assert town.ask("settle", "calculate", STM, *MAKER) == ["statement.calculated"]
    assert town.ask("settle", "submit", STM, *MAKER) == ["statement.submitted"]
    unsigned = town.error("settle", "issue", STM, "--by", "F-2")
    assert "serve signer" in str(unsigned)
    assert town.ask("settle", "cancel", STM, "--reason", "again", *MAKER) == ["statement.cancelled"]
    town.issued()
    assert town.ask("settle", "accept", STM, *MAKER) == ["statement.accepted"]
    assert town.ask("settle", "approve", STM, *BOTH) == ["statement.approved"]
    refused = town.error("settle", "net", STM, "EUR", *MAKER)
    assert refused["refusal"] == "nothing_to_settle"
    alone = town.error("settle", "approve", STM, *MAKER)
    assert alone["refusal"] == "second_person_required"
    early = town.error("settle", "finish", STM, *MAKER)
    assert early["refusal"] == "cycle_state"


def test_a_cycle_without_a_named_period_is_the_last_one_of_the_contract(town: Town) -> None:
    answer = cli.answer("settle", "cut", "OP-1", *MAKER, ledger=town.url)
    assert answer["entries"][0]["kind"] == "statement.cut"
    listed = cli.answer("settle", "list", "--state", "cut", ledger=town.url)
    assert [row["partner_id"] for row in listed] == ["OP-1"]


def test_a_statement_shows_where_it_stands(town: Town) -> None:
    town.approved()
    shown = cli.run("settle", "show", STM, ledger=town.url)
    assert shown.exit_code == 0, shown.output
    for words in ("approved", "9.00 EUR", "by clause C-7"):
        assert words in shown.output
    listed = cli.run("settle", "list", "--partner", "OP-1", ledger=town.url)
    assert STM in listed.output
    assert town.error("settle", "show", "STM-9")["exit_code"] == 1


def test_a_line_is_disputed_resolved_and_made_anew(town: Town) -> None:
    town.issued()
    view = cli.answer("settle", "statement", "OP-1", "2026-05", ledger=town.url)
    line = view["lines"][0]
    name = f"{line['position']}/{line['posting_index']}"
    words = ("PRICE", "--id", "LD-1", "--claimed", "1.50", "--reason", "the old price")
    evidence = town.folder / "letter.pdf"
    evidence.write_bytes(b"a letter")
    made = town.ask("settle", "dispute", STM, name, *words, "--evidence", evidence, *MAKER)
    assert made == ["line_dispute.raised"]
    shown = cli.run("settle", "show", STM, ledger=town.url)
    assert "raised" in shown.output
    town.ask("settle", "review", "LD-1", *MAKER)
    town.ask("settle", "escalate", "LD-1", "--reason", "no agreement", *MAKER)
    resolve = ("settle", "resolve", "LD-1", "upheld", "--reason", "agreed")
    strange = town.error(*resolve, "--energy-wh", "5", *BOTH)  # no station told of this swap
    assert strange["refusal"] == "dispute_field_invalid"
    late = town.error(*resolve, "--begun", "2026-05-01T12:00:00Z", *BOTH)
    assert late["refusal"] == "dispute_field_invalid"
    made = town.ask(*resolve, "--share", "OP-1=1.50", *BOTH)
    assert made == ["line_dispute.closed", "share.reversed", "share.accrued"]
    nobody = town.error("settle", "resolve", "LD-9", "upheld", "--reason", "x", *BOTH)
    assert nobody["exit_code"] == 1
    unread = cli.run("settle", "dispute", STM, "first", "PRICE", *MAKER, ledger=town.url)
    assert unread.exit_code == 2


def test_disputes_end_without_money_too(town: Town) -> None:
    town.issued()
    view = cli.answer("settle", "statement", "OP-1", "2026-05", ledger=town.url)
    for number, line in enumerate(view["lines"][:2]):
        name = f"{line['position']}/{line['posting_index']}"
        town.ask("settle", "dispute", STM, name, "TIME", "--id", f"LD-{number}", *MAKER)
        town.ask("settle", "review", f"LD-{number}", *MAKER)
    said = ("--text", "Which clock was it?", "--evidence", "ab" * 32)
    assert town.ask("settle", "write", "LD-0", *said, *MAKER) == ["line_dispute.message_written"]
    shown = cli.run("settle", "messages", "LD-0", ledger=town.url).output
    assert "Which clock was it?" in shown
    assert "(ours)" in shown
    told = cli.answer("settle", "levels", "--partner", "OP-1", ledger=town.url)["items"]
    assert [(one["statements_issued"], one["disputes_raised"]) for one in told] == [(1, 2)]
    assert "0.00 %" in cli.run("settle", "levels", ledger=town.url).output
    assert town.error("settle", "messages", "LD-9")["kind"] == "NotFound"
    gone = town.ask("settle", "withdraw", "LD-0", "--reason", "never mind", *MAKER)
    assert gone == ["line_dispute.closed"]
    lost = town.ask("settle", "resolve", "LD-1", "rejected", "--reason", "we have it", *BOTH)
    assert lost == ["line_dispute.closed"]


def test_a_driver_disputes_a_line_of_his_invoice(town: Town) -> None:
    closed = cli.run("settle", "close", "2026-05", "--approve-as", "F-2", ledger=town.url)
    assert closed.exit_code == 0, closed.output
    bill = cli.answer("settle", "bill", "DR-1", "2026-05", ledger=town.url)
    number = bill["invoices"][0]["invoice_no"]
    line = f"{bill['usages'][0]['position']}/1"
    words = ("settle", "dispute-bill", number)
    told = ("--id", "LD-1", "--claimed", "10.00", "--reason", "I was not there")
    assert town.ask(*words, line, "NOT_MINE", *told, *MAKER) == ["line_dispute.raised"]
    assert town.error(*words, "0/1", "NOT_MINE", *MAKER)["exit_code"] == 1
    assert town.error(*words, line[:-1] + "9", "NOT_MINE", *MAKER)["exit_code"] == 1
    nobody = town.error("settle", "dispute-bill", "MG1-INV-9", line, "NOT_MINE", *MAKER)
    assert nobody["exit_code"] == 1


def test_a_payout_leaves_as_one_file_and_the_bank_answers(town: Town) -> None:
    town.approved()
    plan = ("payout", "plan", "OP-1", "EUR", "PE-1", STM, "--id", "PO-1")
    assert town.ask(*plan, *MAKER) == ["payout.planned"]
    file = town.folder / "order.xml"
    order = ("payout", "order", "PO-1", "--account", "BA-1", "--on", "2026-12-01")
    made = town.ask(*order, "--id", "PB-1", "--file", file, *BOTH)
    assert made == ["payout_batch.approved"]
    assert b"<Nm>Mobile Grid GmbH</Nm>" in file.read_bytes()
    changed = town.folder / "changed.xml"
    changed.write_bytes(file.read_bytes().replace(b"9.00", b"8.00"))
    release = ("payout", "release", "PB-1", *OTHERS)
    assert town.error(*release, "--file", changed)["exit_code"] == 3
    assert town.ask(*release, "--file", file) == ["payout.instructed"]
    assert town.ask("payout", "sent", "PB-1", *MAKER) == ["payout_batch.sent"]
    assert town.ask("payout", "unknown", "PO-1", "--reason", "no answer", *MAKER) == [
        "payout.marked"
    ]
    answer = town.folder / "answer.xml"
    answer.write_bytes(refusal("MGE-PO-1-1"))
    told = cli.answer("payout", "answers", answer, "--by", "F-1", ledger=town.url)
    assert [one["outcome"] for one in told["outcomes"]] == ["done"]
    again = cli.answer("payout", "answers", answer, "--by", "F-1", ledger=town.url)
    assert [one["outcome"] for one in again["outcomes"]] == ["known"]
    (row,) = cli.answer("payout", "list", "--state", "rejected", ledger=town.url)
    assert (row["payout_id"], row["reason"]) == ("PO-1", "AC04")
    assert cli.answer("payout", "list", "--state", "sent", ledger=town.url) == []
    broken = town.folder / "broken.xml"
    broken.write_bytes(b"<Document/>")
    assert town.error("payout", "answers", broken, "--by", "F-1")["place"] == str(broken)


def refusal(reference: str) -> bytes:
    """Write a pain.002 that turns one payment of PB-1 down, and one that is not ours."""
    parts = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{name}</OrgnlEndToEndId><TxSts>RJCT</TxSts>"
        f"<StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf></TxInfAndSts>"
        for name in (reference, "MGE-PO-77-1")
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        "<GrpHdr><MsgId>A-1</MsgId></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>MGB-PB-1</OrgnlMsgId>"
        "</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId>"
        f"{parts}</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()


def test_an_order_and_a_plan_can_be_given_up(town: Town) -> None:
    town.approved()
    plan = ("payout", "plan", "OP-1", "EUR", "PE-1", STM, "--id", "PO-1")
    town.ask(*plan, *MAKER)
    file = town.folder / "order.xml"
    order = ("payout", "order", "PO-1", "--account", "BA-1", "--on", "2026-12-01", "--file", file)
    nobody = town.error("payout", "order", "PO-9", *order[3:], *BOTH)
    assert "--payer" in str(nobody)
    town.ask(*order, "--id", "PB-1", "--payer", "Mobile Grid SE", *BOTH)
    assert b"Mobile Grid SE" in file.read_bytes()
    assert town.ask("payout", "withdraw", "PB-1", *MAKER) == ["payout_batch.withdrawn"]
    assert town.ask("payout", "cancel", "PO-1", *MAKER) == ["payout.cancelled"]
    shown = cli.run("payout", "list", ledger=town.url)
    assert "MGE-PO-1-1" in shown.output


def test_a_new_payee_is_not_paid_at_once(town: Town) -> None:
    town.approved()
    words = ("payee", "approve", "OP-1", "--id", "PE-2", "--holder", "Example Swaps GmbH")
    assert town.ask(*words, "--iban", "NO9386011117947", *OTHERS) == ["payee.approved"]
    bad = town.error(*words[:4], "PE-3", *words[5:], "--iban", "NO00", *OTHERS)
    assert bad["refusal"] == "payee_invalid"
    town.ask("payout", "plan", "OP-1", "EUR", "PE-2", STM, "--id", "PO-1", *MAKER)
    file = town.folder / "order.xml"
    order = ("payout", "order", "PO-1", "--account", "BA-1", "--on", "2026-12-01")
    town.ask(*order, "--id", "PB-1", "--file", file, *BOTH)
    early = town.error("payout", "release", "PB-1", "--file", file, *BOTH)
    assert early["refusal"] == "payee_too_new"


# With a signer ------------------------------------------------------------------


@pytest.fixture
def signing(town: Town) -> Iterator[Path]:
    """Give the settings of a town whose signer runs."""
    made = cli.run("keys", "trial", town.folder / "keys", ledger=town.url)
    assert made.exit_code == 0, made.output
    config = town.folder / "keys" / "mobilegrid.toml"
    words = [*PROGRAM, "serve", "signer", "--config", str(config)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr is not None
        process.stderr.readline()
        yield config
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def test_a_statement_is_issued_with_the_document_that_the_signer_made(
    town: Town, signing: Path
) -> None:
    town.reviewed()
    words = ("settle", "issue", STM, "--config", signing, "--json")
    own = call(*words, "--by", "F-1")
    assert own.returncode == 1
    assert "checker_is_maker" in own.stderr
    found = call(*words, "--by", "F-2")
    assert found.returncode == 0, found.stderr
    (entry,) = msgspec.json.decode(found.stdout)["entries"]
    with Ledger(town.url) as ledger, ledger.reading() as reads:
        issued = reads.entry(entry["position"]).event
        row = reads.row(STATEMENTS, STM)
    assert row is not None
    assert row.state == "issued"
    assert says(getattr(issued, "document", ""), row)
    late = call(*words, "--by", "F-2")
    assert late.returncode == 4
    assert "not under review" in late.stderr
