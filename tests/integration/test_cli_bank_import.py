"""From bank files to reconciled books, as finance does it at the command line."""

import re

import msgspec
import pytest

from ledger.domain.money.bank_rows import BANK_LINES
from ledger.domain.money.psp_records import PspList
from ledger.runtime.ledger import Ledger
from tests.support.bank_files import camt053, document, entry, payment, statement
from tests.support.bank_month import BANK, INVOICES, PSP, open_month
from tests.support.cli import answer, error, run
from tests.support.ledgers import new_ledger, sqlite_url

TWO = ("--by", "FI-1", "--second", "FI-2")
BOTH = ("--by", "FI-1", "--second", "FI-2", "--role", "finance")


class Desk:
    """A ledger with its files, and the commands on it."""

    def __init__(self, folder):
        self.folder = folder
        self.url = sqlite_url(folder)
        with new_ledger(self.url) as ledger:
            open_month(ledger)
        self.psp = self.file("psp.json", msgspec.json.encode(PSP))
        self.bank = [self.file(f"{place}.xml", one) for place, one in enumerate(BANK, 1)]

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def run(self, *words):
        return run(*words, ledger=self.url)

    def answer(self, *words):
        return answer(*words, ledger=self.url)

    def error(self, *words):
        return error(*words, ledger=self.url)

    def imports(self, *paths):
        """Import files; give the verdicts and the exit code."""
        done = self.run("bank", "import", *paths, "--psp", self.psp, "--assignee", "FI-9", "--json")
        told = msgspec.json.decode(done.stdout)["statements"]
        return [one["verdict"] for one in told], done.exit_code

    def settled_lines(self):
        with Ledger(self.url) as ledger, ledger.reading() as reads:
            return [name for name, row in reads.rows(BANK_LINES) if row.matches]

    def waiting(self):
        return self.answer("bank", "lines")["waiting"]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_a_months_files_are_booked_once_and_the_books_agree_with_the_bank(desk):
    assert desk.imports(*desk.bank) == (["booked"] * 3, 0)
    assert desk.imports(*desk.bank) == (["duplicate"] * 3, 0)
    shown = desk.run("bank", "accounts").stdout
    assert "243.74  243.74  EUR" in shown
    assert "DIFFER" not in shown
    (waiting,) = desk.waiting()
    assert (waiting["item"]["left_minor"], waiting["item"]["assignee_id"]) == (7_777, "FI-9")
    assert waiting["texts"] == ["thank you"]
    shown = desk.run("bank", "lines").stdout
    assert "Ada Sample thank you" in shown
    told = desk.run("reconcile", "day", "2026-03-02")
    assert "BA-1  243.74" in " ".join(told.stdout.split()).replace("BA-1 ", "BA-1  ")
    assert told.exit_code == 0
    assert desk.run("reconcile", "day", "2026-02-28").exit_code == 0  # it was not ours yet
    assert desk.error("reconcile", "day", "yesterday")["kind"] == "Malformed"


def test_a_gap_waits_in_quarantine_until_the_missing_file_comes(desk):
    first, second, third = desk.bank
    assert desk.imports(first, third) == (["booked", "quarantined"], 1)
    assert desk.imports(third) == (["quarantined"], 1)
    shown = desk.run("bank", "lines", "--quarantine").stdout
    assert "number 3 came, 2 was expected" in shown
    assert desk.imports(second) == (["booked", "booked"], 0)
    assert desk.answer("bank", "lines", "--quarantine")["quarantine"] == {}


def test_two_persons_release_what_waits_with_a_reason(desk):
    first, _, third = desk.bank
    desk.imports(first, third)
    (key,) = desk.answer("bank", "lines")["quarantine"]
    alone = ("--reason", "lost", "--by", "FI-1", "--second", "FI-1")
    assert desk.run("bank", "release", key, *alone).exit_code == 2
    done = desk.answer("bank", "release", key, "--reason", "the bank lost it", *TWO)
    assert done["statements"][0]["verdict"] == "booked"
    told = desk.run("reconcile", "run", "--on", "2026-03-03")
    assert told.exit_code == 0
    assert "statement ST-3" in told.stdout  # the gap is a named item of the bridge
    assert desk.error("bank", "release", key, "--reason", "again", *TWO)["kind"] == "Refused"
    assert desk.error("bank", "release", "BQ-9", "--reason", "x", *TWO)["kind"] == "NotFound"


def test_other_content_under_a_booked_id_is_a_conflict_that_is_set_aside(desk):
    desk.imports(desk.bank[0])
    other = desk.file(
        "other.xml",
        camt053(statement([entry("25.01", payment("25.01"))], closing="125.01", number="1")),
    )
    assert desk.imports(other) == (["quarantined"], 1)
    cases = desk.answer("case", "list")
    assert "BANK_CONFLICT" in str(cases)
    (key,) = desk.answer("bank", "lines")["quarantine"]
    refused = desk.error("bank", "release", key, "--reason", "ours", *TWO)
    assert refused["kind"] == "Refused"
    done = desk.run("bank", "release", key, "--set-aside", "--reason", "the first holds", *TWO)
    assert "set_aside" in done.stdout


def test_a_notice_is_provisional_and_a_report_is_only_shown(desk):
    body = (
        "<{0}><GrpHdr><MsgId>N</MsgId></GrpHdr><{1}><Id>N-1</Id><Acct><Id>"
        "<IBAN>DE89370400440532013000</IBAN></Id><Ccy>EUR</Ccy></Acct>{2}</{1}></{0}>"
    )
    line = entry("25.00", payment("25.00", remittance=INVOICES[0]), reference="B-1")
    notice = body.format("BkToCstmrDbtCdtNtfctn", "Ntfctn", line)
    report = body.format("BkToCstmrAcctRpt", "Rpt", line)
    notice_file = desk.file("n.xml", document("camt.054.001.08", notice))
    report_file = desk.file("r.xml", document("camt.052.001.08", report))
    assert desk.imports(notice_file, report_file) == (["noticed", "shown"], 0)
    assert desk.imports(notice_file) == (["duplicate"], 0)
    assert len(desk.answer("bank", "lines")["provisional"]) == 1
    assert "Noticed, not booked yet" in desk.run("bank", "lines").stdout
    assert desk.imports(desk.bank[0]) == (["booked"], 0)
    assert desk.answer("bank", "lines")["provisional"] == []


def test_a_notice_of_a_foreign_account_is_refused_and_the_file_goes_on(desk):
    body = (
        "<BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>N</MsgId></GrpHdr><Ntfctn><Id>N-1</Id><Acct><Id>"
        "<IBAN>FR1420041010050500013M02606</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{entry('1.00')}</Ntfctn></BkToCstmrDbtCdtNtfctn>"
    )
    path = desk.file("n.xml", document("camt.054.001.08", body))
    assert desk.imports(path) == (["refused"], 1)


def test_a_file_that_is_none_is_kept_as_evidence_and_posts_nothing(desk):
    bomb = desk.file("x.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    found = desk.error("bank", "import", bomb)
    assert (found["kind"], found["field"]) == ("Malformed", "DOCTYPE")
    kept = [path for path in desk.folder.glob("town.db.evidence/*/*") if path.is_file()]
    assert len(kept) == 1
    assert desk.answer("bank", "accounts")[0]["closing_minor"] == 10_000
    unread = desk.file("y.xml", camt053(statement([], currency="CHF", closing="100.00")))
    done = desk.run("bank", "import", unread)
    assert done.exit_code == 1
    assert "NOT READ" in done.stdout


# A person at the desk -----------------------------------------------------------


def test_a_person_matches_takes_back_and_parks_a_line(desk):
    desk.imports(*desk.bank)
    (line,) = [one["item"]["line_id"] for one in desk.waiting()]
    held = ("--until", "2026-05-01", "--ask", "contract", "--assignee", "FI-2", "--note", "asked")
    desk.answer("bank", "hold", line, *held, "--by", "FI-1")
    assert "held until 2026-05-01" in desk.run("bank", "lines").stdout
    part = ("--partner", "OP-1", "--amount", "29.75", "--by", "FI-1")
    done = desk.answer("bank", "match", line, *part)
    assert [one["kind"] for one in done["entries"]] == ["suspense.identified"]
    assert desk.waiting()[0]["item"]["left_minor"] == 4_802
    desk.answer("bank", "match", line, "--capital", "--by", "FI-1")
    assert desk.waiting() == []
    back = desk.answer("bank", "unmatch", line, "--reason", "not his", "--by", "FI-1")
    assert [one["kind"] for one in back["entries"]] == ["suspense.unidentified"] * 2
    assert desk.waiting()[0]["item"]["left_minor"] == 7_777


def test_a_line_is_shown_with_what_it_settled_and_who_paid(desk):
    desk.imports(*desk.bank)
    (line,) = [one["item"]["line_id"] for one in desk.waiting()]
    shown = desk.run("bank", "show", line).stdout
    assert "Ada Sample thank you" in shown
    assert "77.77 EUR, UNKNOWN, FI-9" in shown
    desk.answer("bank", "match", line, "--partner", "OP-1", "--by", "FI-1")
    assert (
        "person  Assets:Receivables:Partners  OP-1   77.77" in desk.run("bank", "show", line).stdout
    )
    assert desk.answer("bank", "show", line)["line"]["state"] == "posted"
    (confirmed,) = [
        name
        for name in desk.settled_lines()
        if "PSP:In-Transit" in desk.run("bank", "show", name).stdout
    ]
    assert "TRACE-1" in desk.run("bank", "show", confirmed).stdout
    assert desk.error("bank", "show", "BL-9")["kind"] == "NotFound"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("--invoice", "MG1-INV-2026-000099"), "NotFound"),
        (("--payout", "PO-9"), "NotFound"),
        (("--line", "BL-9"), "Refused"),
        (("--psp-payout", "po_1", "--amount", "99.99"), "Refused"),
    ],
)
def test_a_match_that_cannot_be_says_why(desk, words, kind):
    desk.imports(*desk.bank)
    (line,) = [one["item"]["line_id"] for one in desk.waiting()]
    assert desk.error("bank", "match", line, *words, "--by", "FI-1")["kind"] == kind


def test_a_match_names_one_thing_and_a_line_that_waits(desk):
    desk.imports(*desk.bank)
    for words in ((), ("--charges", "--capital"), ("--statement", "STM-1", "--charges")):
        assert desk.run("bank", "match", "BL-9", *words, "--by", "FI-1").exit_code == 2
    missing = desk.error("bank", "match", "BL-9", "--charges", "--by", "FI-1")
    assert missing["kind"] == "NotFound"


def test_an_account_is_registered_and_a_cent_let_go_by_two_persons(desk):
    more = ("--number", "GB82 WEST 1234 5698 7654 32", "--currency", "GBP")
    day = ("--opened-on", "2026-03-01", "--client-money")
    desk.answer("bank", "register", "BA-2", *more, *day, *TWO)
    assert len(desk.answer("bank", "accounts")) == 2
    rounded = ("OP-1", "0.01", "--currency", "EUR", "--reason", "a cent")
    done = desk.answer("bank", "round", *rounded, *TWO)
    assert [one["kind"] for one in done["entries"]] == ["rounding.accepted"]


# Runs ---------------------------------------------------------------------------


def reconciles(desk, *words):
    done = desk.run("reconcile", "run", "--psp", desk.psp, "--by", "FI-1", *words, "--json")
    return msgspec.json.decode(done.stdout)["run"], done.exit_code


def test_the_month_reconciles_with_a_residual_of_zero_in_every_leg(desk):
    desk.imports(*desk.bank)
    view, code = reconciles(desk, "--on", "2026-03-05")
    assert (view["verdict"], code) == ("reconciled", 0)
    assert [leg["leg"] for leg in view["legs"]] == ["ledger_bank", "ledger_psp", "psp_bank"]
    shown = desk.run("reconcile", "show").stdout
    assert "RECONCILIATION 1 of 2026-03-05" in shown
    assert re.findall(r"^residual +(\S+)$", shown, re.MULTILINE) == ["0.00"] * 3
    assert desk.run("reconcile", "show", "1").stdout == shown
    assert desk.error("reconcile", "show", "2")["kind"] == "NotFound"


def test_what_is_missing_is_pending_then_a_break_then_resolved_under_one_id(desk):
    desk.imports(desk.bank[0])
    view, code = reconciles(desk, "--on", "2026-04-03")
    assert (view["verdict"], code) == ("reconciled_with_pending", 0)
    (leg,) = [one for one in view["legs"] if one["leg"] == "psp_bank"]
    assert [one["kind"] for one in leg["differences"]] == ["missing_ledger"]

    later = msgspec.structs.replace(PSP, transactions=(), payouts=(), opening=PSP.balances)
    desk.psp = desk.file("psp.json", msgspec.json.encode(later))
    view, code = reconciles(desk, "--on", "2026-04-15")
    assert (view["verdict"], code) == ("breaks", 1)
    (row,) = desk.answer("reconcile", "breaks").items()
    name, found = row
    assert (found["first_run"], found["told"]["reference"]) == (1, "po_1")
    assert "8-30" in desk.run("reconcile", "breaks", "--on", "2026-04-15").stdout
    desk.answer("reconcile", "note", name, "--assignee", "FI-2", "--until", "2026-05-01")
    assert "held until 2026-05-01" in desk.run("reconcile", "breaks").stdout
    refused = desk.error("reconcile", "resolve", name, "--resolution", "x", *BOTH)
    assert "break_in_bridge" in refused["message"]

    desk.psp = desk.file("first.json", msgspec.json.encode(PSP))
    desk.imports(desk.bank[1])
    desk.psp = desk.file("psp.json", msgspec.json.encode(later))
    view, code = reconciles(desk, "--on", "2026-04-16")
    assert (view["verdict"], code) == ("reconciled", 0)
    counted = [one for one in view["counts"] if one["result"]["leg"] == "psp_bank"]
    assert [(one["open_before"], one["resolved"], one["open"]) for one in counted] == [(1, 1, 0)]
    assert desk.answer("reconcile", "breaks") == {}


def test_money_that_arrives_late_is_a_warning_although_the_sums_agree(desk):
    early = msgspec.structs.replace(PSP.payouts[0], arrival_on="2026-02-20")
    desk.imports(*desk.bank)
    desk.psp = desk.file(
        "psp.json", msgspec.json.encode(msgspec.structs.replace(PSP, payouts=(early,)))
    )
    view, code = reconciles(desk, "--on", "2026-03-05")
    assert (view["verdict"], code) == ("reconciled_with_warnings", 0)
    assert "po_1 should arrive on 2026-02-20" in str(view["legs"])


def test_an_unknown_debit_is_a_break_at_once_and_two_persons_resolve_it(desk):
    debit = entry("9.99", payment("9.99", sign="DBIT"), sign="DBIT", reference="B-9")
    path = desk.file("d.xml", camt053(statement([debit], closing="90.01", number="1")))
    assert desk.imports(path) == (["booked"], 0)
    ((name, row),) = desk.answer("reconcile", "breaks").items()
    assert (row["told"]["priority"], row["is_in_bridge"]) == (1, False)
    desk.answer("reconcile", "resolve", name, "--resolution", "the bank took it back", *BOTH)
    assert desk.answer("reconcile", "breaks") == {}


def test_a_run_whose_list_does_not_follow_or_has_a_residual_is_not_kept(desk):
    desk.imports(*desk.bank)
    wrong = msgspec.structs.replace(
        PSP, balances=(msgspec.structs.replace(PSP.balances[0], pending_minor=38),)
    )
    desk.psp = desk.file("psp.json", msgspec.json.encode(wrong))
    view, code = reconciles(desk)
    assert (view["verdict"], code) == ("incomplete", 1)
    assert "residual" in view["refused"]
    shown = desk.run("reconcile", "run", "--psp", desk.psp).stdout
    assert "NOT KEPT" in shown
    assert "INCOMPLETE: BALANCE_MISMATCH EUR" in shown
    assert desk.error("reconcile", "show")["kind"] == "NotFound"


def test_a_file_that_is_not_kept_any_more_makes_the_leg_incomplete(desk):
    desk.imports(desk.bank[0])
    for path in desk.folder.glob("town.db.evidence/*/*"):
        path.unlink()
    (waits,) = [desk.run("reconcile", "run", "--on", "2026-03-05")]
    assert waits.exit_code == 1
    assert "is not kept" in waits.stdout


def test_there_is_nothing_to_reconcile_in_an_empty_ledger(tmp_path):
    url = sqlite_url(tmp_path)
    new_ledger(url).close()
    assert error("reconcile", "run", ledger=url)["kind"] == "NotFound"
    bad = tmp_path / "psp.json"
    bad.write_bytes(b'{"transactions": 3}')
    assert error("reconcile", "run", "--psp", bad, ledger=url)["kind"] == "Malformed"
    empty = tmp_path / "empty.json"
    empty.write_bytes(msgspec.json.encode(PspList((), (), ())))
    assert error("reconcile", "run", "--psp", empty, ledger=url)["kind"] == "NotFound"
    alone = run("reconcile", "run", "--partner", "OP-1", ledger=url)
    assert alone.exit_code == 2
