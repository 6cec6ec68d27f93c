"""A partner's statement as PDF: what it comes to, every line, and what is answered to."""

from io import BytesIO

import msgspec
import pytest
from pypdf import PdfReader

from ledger.domain.money.documents import StatementLine
from ledger.domain.money.settlement_rows import Carried, Statement
from ledger.exports.einvoice import Address, Trader
from ledger.exports.statement_papers import StatementPaper
from ledger.exports.statement_pdf import groups_of, write_statement_pdf
from ledger.kernel.errors import ReplayDiffers
from ledger.kernel.money import amount_text
from tests.support.cycles import STM, calculated, line
from tests.support.einvoices import SWAP
from tests.support.partners import JUNE

BACK = line(2, kind="correction", corrects=(10, 1), share_minor=-180)
BOUGHT = line(3, source="energy.bought", swap="", share_minor=41_896, share_rule_version="")
SOLD = line(4, source="v2g.sold", swap="", share_minor=0, receivable_minor=227)
LINES = (line(0), line(1, swap="", charging_session="CS-1"), BACK, BOUGHT, SOLD)


def paper(*lines: StatementLine, **changes: object) -> StatementPaper:
    """Make what is printed of a statement over lines."""
    row = Statement(STM, "OP-1", "2026-05", -1, 1_000, calculated(list(lines)))
    return StatementPaper(
        statement=msgspec.structs.replace(row, **changes),
        lines=lines,
        seller=SWAP.seller,
        partner=Trader("Example Swaps GmbH", Address("", "", "", "DE"), vat_id="DE999999999"),
        issued_on="2026-06-01",
        zone="Europe/Berlin",
        proof="https://log.example.org/log/town/proof/17",
    )


def text_of(made: StatementPaper) -> str:
    content = write_statement_pdf(made)
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(content)).pages)


def test_it_names_both_sides_what_it_comes_to_and_the_root() -> None:
    made = paper(*LINES)
    said = text_of(made)
    (sums,) = made.statement.calculation.amounts
    together = sums.share_minor - sums.receivable_minor
    for words in (
        "Statement",
        STM,
        SWAP.seller.name,
        "Example Swaps GmbH",
        "DE999999999",
        made.statement.calculation.lines_root,
        f"{amount_text(sums.share_minor, 'EUR')} EUR",
        f"{amount_text(together, 'EUR')} EUR",
        "0 to 1000",
    ):
        assert words in said, words


def test_every_line_stands_there_by_its_name() -> None:
    said = text_of(paper(*LINES))
    for one in LINES:
        assert f"{one.position}/{one.posting_index}" in said
    assert "Takes back 10/1, swap at ST-1" in said
    assert "Charging at ST-1" in said
    assert "CO-1/1, CS-1" in said
    assert said.count("Energy that we bought from you") == 2
    assert "-2.27" in said


def test_lines_are_summed_by_rule_and_by_what_is_no_share() -> None:
    found = groups_of(LINES, "EUR")
    assert [one.name for one in found] == [
        "Shares by rule CO-1/1",
        "Taken back of the shares by rule CO-1/1",
        "Energy that we bought from you",
        "Energy that you bought from us",
    ]
    assert sum(one.share_minor for one in found) == sum(one.share_minor for one in LINES)
    assert sum(one.receivable_minor for one in found) == SOLD.receivable_minor
    assert sum(one.count for one in found) == len(LINES)
    assert groups_of(LINES, "CNY") == []


def test_it_says_until_when_silence_waits_and_what_is_carried_over() -> None:
    carried = (Carried("STM-OP-1-2026-04", "EUR", 1_234),)
    made = paper(line(0), respond_by_at=JUNE, clause="C-7", contract_id="CO-1", carried=carried)
    said = text_of(made)
    assert "counts as accepted (C-7)" in said
    assert "Carried over from STM-OP-1-2026-04" in said
    assert "(12.34)" in said
    assert "CO-1/0" in said
    assert "counts as accepted" not in text_of(paper(line(0)))


def test_the_same_statement_gives_the_same_bytes() -> None:
    assert write_statement_pdf(paper(*LINES)) == write_statement_pdf(paper(*LINES))


def test_what_is_unknown_is_called_by_its_kind() -> None:
    other = line(0, source="rent.accrued_daily", swap="")
    assert "rent accrued daily" in text_of(paper(other))


@pytest.mark.parametrize("lines", [LINES[:-1], (line(0, share_minor=181), *LINES[1:])])
def test_other_lines_than_were_issued_are_refused(lines: tuple[StatementLine, ...]) -> None:
    made = msgspec.structs.replace(paper(*LINES), lines=lines)
    with pytest.raises(ReplayDiffers, match=STM):
        write_statement_pdf(made)
