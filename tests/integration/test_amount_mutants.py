"""Invariant 18 beyond the bank: a lie about any one amount of a month is found by some check.

Whoever holds the signing key could write a whole log that says what he likes. So each mutant here
is a log of its own: one amount of one entry is one more, and every hash, row and root follows from
that. What may find it: the rules replayed over the log, the invariants, the strangers' verifier
over bills and statements, the bank's file. `docs/mutation.md` tells the score over all amounts.
"""

import json
from collections import Counter
from pathlib import Path
from random import Random  # noqa: TID251  seeded, always alike

import pytest

from ledger.adapters.bank.lines import read_statements
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.exports.proven import prove_bill, prove_statement
from ledger.kernel.errors import MobileGridError, ReplayDiffers
from ledger.kernel.messages import Actor
from ledger.runtime.invariants import check_invariants
from ledger.runtime.ledger import Ledger
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.reads import Reads
from ledger.runtime.reconciliation_run import Running, gather
from mobilegrid import offline_verifier as offline
from tests.support.amounts_month import (
    LATER,
    MAY,
    PERIOD,
    STM,
    amounts,
    bank_file,
    lied,
    lived,
    written_anew,
)
from tests.support.bundles import is_good
from tests.support.ledgers import sqlite_url
from tests.support.offline import NOW_S, policy_text, seeded_signer

pytestmark = pytest.mark.slow

SEED = 20_261_128
DRAWN = 40
RULES, INVARIANTS, STRANGERS, BANK, UNSEEN = "rules", "invariants", "strangers", "bank", ""


class Month:
    """The month's entries, and what is true of it before anybody lies."""

    def __init__(self, folder: Path) -> None:
        with lived(sqlite_url(folder)) as town, town.reading() as reads:
            self.entries = list(reads.raw(0, reads.size))
            row = reads.row(STATEMENTS, STM)
            assert row is not None
            self.share_minor = row.calculation.amounts[0].share_minor
            self.broken = broken(reads)
            self.verdicts = verdicts(reads, self.share_minor)

    def found_by(self, entries: list[bytes], folder: Path) -> str:
        """Tell which check finds that a log lies, "" when none does."""
        try:
            ledger = written_anew(entries, folder)
        except ReplayDiffers:
            return RULES
        with ledger:
            return self._found_in(ledger, folder)

    def _found_in(self, ledger: Ledger, folder: Path) -> str:
        signer = seeded_signer(ledger.name.origin)
        sign_checkpoint(ledger, signer, NOW_S)
        policy = offline.parse_policy(policy_text(logs=[signer]))
        with ledger.reading() as reads:
            if broken(reads) != self.broken:
                return INVARIANTS
            try:
                bundles = [
                    *(prove_bill(reads, driver, PERIOD) for driver in ("DR-1", "DR-2")),
                    *(prove_statement(reads, "OP-1", period) for period in (PERIOD, LATER)),
                ]
            except MobileGridError:
                return STRANGERS  # nothing can be shown to them
            if not all(is_good(one, folder / "bundle.zip", policy) for one in bundles):
                return STRANGERS
            return UNSEEN if verdicts(reads, self.share_minor) == self.verdicts else BANK


def broken(reads: Reads) -> set[str]:
    return {one.invariant for one in check_invariants(reads, deep=True) if not one.holds}


def verdicts(reads: Reads, share_minor: int) -> list[str]:
    kept = read_statements(bank_file(share_minor))[1]
    day = "2024-04-30"
    how = Running(
        run_on=day, actor=Actor("FI-1", "finance"), at=MAY, read_again=lambda _digest: kept
    )
    return [leg.result.verdict(how.policy, day) for leg in gather(reads, how)]


@pytest.fixture(scope="module")
def month(tmp_path_factory) -> Month:
    return Month(tmp_path_factory.mktemp("month"))


def test_a_log_that_tells_the_truth_is_found_to_lie_by_nobody(month, tmp_path):
    assert len(amounts(month.entries)) > 200
    assert month.found_by(month.entries, tmp_path) == UNSEEN


def test_a_lie_about_any_one_amount_is_found(month, tmp_path):
    drawn = Random(SEED).sample(amounts(month.entries), DRAWN)
    score: Counter[str] = Counter()
    unseen = []
    for number, where in enumerate(drawn):
        folder = tmp_path / str(number)
        folder.mkdir()
        by = month.found_by(lied(month.entries, where), folder)
        score[by] += 1
        if by == UNSEEN:
            position, begin, end = where
            unseen.append((position, month.entries[position][begin - 40 : end]))
    assert unseen == []
    assert score[RULES] > score[INVARIANTS] > 0
    assert score[STRANGERS] > 0


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("statement.issued", b'"share_minor":'),
        ("payout_batch.approved", b'"total_minor":'),
        ("bank.statement_booked", b'"opening_minor":'),
        ("share.reduced", b'"base_minor":'),
        ("bank.line_booked", b'"left_minor":'),
        ("break.opened", b'"external_minor":'),
        ("break.opened", b'"ledger_minor":'),
        ("credit_note.issued", b'"applied_minor":'),
    ],
)
def test_the_invariants_alone_find_what_no_rule_can_see(month, tmp_path, kind, word):
    position = next(
        at
        for at, data in enumerate(month.entries)
        if json.loads(data)["kind"] == kind and word in data
    )
    begin = month.entries[position].index(word) + len(word)
    where = next(one for one in amounts(month.entries) if one[0] == position and one[1] == begin)
    assert month.found_by(lied(month.entries, where), tmp_path) == INVARIANTS


def test_an_invoice_over_other_lines_is_found(month, tmp_path):
    word = b'"lines_root":"'
    position = next(at for at, data in enumerate(month.entries) if b'"invoice.issued"' in data)
    data = month.entries[position]
    place = data.index(word) + len(word)
    other = b"A" if data[place : place + 1] != b"A" else b"B"
    entries = list(month.entries)
    entries[position] = data[:place] + other + data[place + 1 :]
    assert month.found_by(entries, tmp_path) == INVARIANTS
