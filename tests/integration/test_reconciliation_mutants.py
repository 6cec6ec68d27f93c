"""Invariant 18: change any one amount in any file or entry of a month, and some check fails.

Every amount of the bank's files, of the provider's list, of a partner's file and of the entries is
changed by one minor unit, alone. The number of these mutants is told by the assertions, and none of
them may live.
"""

import re
import shutil
from collections.abc import Iterator

import msgspec
import pytest

from ledger.adapters.bank.lines import read_statements
from ledger.adapters.partner_files import read_partner_file
from ledger.domain.money.psp_records import PspList
from ledger.domain.money.reconciling_compare import RECONCILED
from ledger.domain.money.reconciling_partner import compare_partner
from ledger.domain.money.reconciling_policy import Policy
from ledger.kernel.errors import TamperEvidence
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import Ledger
from ledger.runtime.reconciliation_import import BOOKED, Importing, import_statements
from ledger.runtime.reconciliation_run import Running, gather
from ledger.runtime.verify import verify
from tests.support.bank_month import AT, BANK, PSP, open_month
from tests.support.ledgers import new_ledger, sqlite_url
from tests.support.stores import behind_its_back, looking_at
from tests.unit.adapters.test_partner_files import ROW, as_csv
from tests.unit.domain.money.test_reconciling_partner import ours

DAY = "2026-03-04"
DESK = Actor("FI-1", "finance")


@pytest.fixture(scope="module")
def months(tmp_path_factory):
    """Give two ledgers of the month: before the bank's files, and after them."""
    folder = tmp_path_factory.mktemp("month")
    with new_ledger(sqlite_url(folder)) as ledger:
        open_month(ledger)
    shutil.copy(folder / "town.db", folder / "booked.db")
    with Ledger(sqlite_url(folder, "booked.db")) as ledger:
        assert import_all(ledger, BANK) == [BOOKED] * 3
    return folder


def import_all(ledger: Ledger, files) -> list[str]:
    kept = dict(read(one) for one in files)
    how = Importing(
        actor=DESK, at=AT, assignee_id="FI-9", read_again=kept.__getitem__, payouts=PSP.payouts
    )
    done = [import_statements(ledger, statements, how) for statements in kept.values()]
    return [told.verdict for each in done for told in each]


def read(content: bytes):
    statements = read_statements(content)[1]
    return statements[0].file_sha256, statements


def verdicts(reads, psp: PspList = PSP, files=BANK) -> set[str]:
    kept = dict(read(one) for one in files)
    how = Running(run_on=DAY, actor=DESK, at=AT, read_again=kept.__getitem__, psp=psp)
    return {leg.result.verdict(how.policy, DAY) for leg in gather(reads, how)}


def one_more(text: str) -> str:
    """Change the last digit of a number."""
    return text[:-1] + str((int(text[-1]) + 1) % 10)


def changed(content: bytes, pattern: bytes) -> Iterator[bytes]:
    """Give the file again and again, each time with another one of its amounts changed."""
    for found in re.finditer(pattern, content):
        amount = one_more(found[1].decode()).encode()
        yield content[: found.start(1)] + amount + content[found.end(1) :]


def test_the_month_itself_agrees_to_the_cent(months):
    with looking_at(sqlite_url(months, "booked.db")) as reads:
        assert verdicts(reads) == {RECONCILED}
        verify(reads, deep=True)


def test_no_amount_of_a_bank_file_changes_unseen(months, tmp_path):
    count = 0
    for place, content in enumerate(BANK):
        for mutant in changed(content, rb'<Amt Ccy="EUR">([0-9.]+)<'):
            count += 1
            shutil.copy(months / "town.db", tmp_path / "town.db")
            files = [*BANK[:place], mutant, *BANK[place + 1 :]]
            with Ledger(sqlite_url(tmp_path)) as ledger:
                assert import_all(ledger, files) != [BOOKED] * 3, mutant.decode()
    assert count == 13


def test_no_amount_of_the_providers_list_changes_unseen(months):
    count = 0
    with looking_at(sqlite_url(months, "booked.db")) as reads:
        for mutant in changed(msgspec.json.encode(PSP), rb'_minor":-?([0-9]+)'):
            count += 1
            told = msgspec.json.decode(mutant, type=PspList)
            assert verdicts(reads, told) != {RECONCILED}, mutant.decode()
    assert count == 18


def test_no_amount_of_a_kept_bank_file_changes_unseen_after_it_was_booked(months):
    count = 0
    with looking_at(sqlite_url(months, "booked.db")) as reads:
        for place, content in enumerate(BANK):
            for mutant in changed(content, rb'<Amt Ccy="EUR">([0-9.]+)<'):
                count += 1
                kept = dict(read(one) for one in BANK)
                kept[read(content)[0]] = read(mutant)[1]  # somebody changed what is kept
                how = Running(run_on=DAY, actor=DESK, at=AT, read_again=kept.__getitem__, psp=PSP)
                seen = {leg.result.verdict(how.policy, DAY) for leg in gather(reads, how)}
                assert seen != {RECONCILED}, (place, mutant.decode())
    assert count == 13


def test_no_amount_of_a_partners_file_changes_unseen():
    rows = [
        ROW | {"external_id": f"X-{number}", "our_reference": f"SW-{number}", "total": total}
        for number, total in ((1, "1.80"), (2, "0.60"), (3, "0.25"))
    ]
    lines = [ours(f"SW-{number}", share) for number, share in ((1, 180), (2, 60), (3, 25))]

    def verdict(content: bytes) -> str:
        file = read_partner_file(content, "EUR")
        result = compare_partner(file, lines, ("STM-1", "EUR"), (0, 0), 265)
        return result.leg.verdict(Policy(), "2026-03-31")

    content = as_csv(*rows)
    assert verdict(content) == RECONCILED
    mutants = list(changed(content, rb"(?<=,)([0-9]+\.[0-9]+)(?=,)"))
    assert len(mutants) == 12
    assert [one for one in mutants if verdict(one) == RECONCILED] == []


def is_found(url: str) -> bool:
    with looking_at(url) as reads:
        try:
            verify(reads)
        except TamperEvidence:
            return True
    return False


def edit(url: str, statement: str, values: tuple[object, ...]) -> int:
    with behind_its_back(url) as tx:
        return tx.exec_driver_sql(statement, values).rowcount


def test_no_amount_of_an_entry_changes_unseen(months, tmp_path):
    shutil.copy(months / "booked.db", tmp_path / "town.db")
    url = sqlite_url(tmp_path)
    with looking_at(url) as reads:
        stored = list(enumerate(reads.raw(0, reads.size)))
    count = 0
    for position, data in stored:
        for mutant in changed(data, rb'(?:_minor|"quantity)":-?([0-9]+)'):
            count += 1
            edit(url, "UPDATE entry SET bytes = ? WHERE position = ?", (mutant, position))
            assert is_found(url), (position, mutant)
        edit(url, "UPDATE entry SET bytes = ? WHERE position = ?", (data, position))
    assert count >= 60
    assert not is_found(url)


def test_no_row_of_a_posting_changes_unseen(months, tmp_path):
    shutil.copy(months / "booked.db", tmp_path / "town.db")
    url = sqlite_url(tmp_path)
    with behind_its_back(url) as tx:
        rows = tx.exec_driver_sql("SELECT position, line FROM posting").fetchall()
    move = "UPDATE posting SET quantity = quantity + ? WHERE position = ? AND line = ?"
    for position, line in rows:
        assert edit(url, move, (1, position, line))
        assert is_found(url), (position, line)
        edit(url, move, (-1, position, line))
    assert len(rows) >= 26
    assert not is_found(url)
