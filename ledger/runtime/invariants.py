"""The invariants of a ledger as a list of verdicts: each is checked, whatever the others say."""

from collections.abc import Callable

import msgspec

from ledger.kernel.errors import MobileGridError
from ledger.runtime.books_audit import (
    check_assets,
    check_closed_months,
    check_limits,
    check_stock,
)
from ledger.runtime.documents_audit import (
    check_bank_chain,
    check_documents,
    check_taken_back,
)
from ledger.runtime.findings_audit import check_findings
from ledger.runtime.holding import check_billing_waits, check_holding
from ledger.runtime.money_audit import (
    check_bank_sums,
    check_billed_once,
    check_bills,
    check_dates,
    check_given_back,
    check_provider,
    check_reversals,
    check_second_persons,
    check_suspense,
    check_units,
)
from ledger.runtime.owing import check_debts
from ledger.runtime.proving import check_newest_checkpoint
from ledger.runtime.reads import Reads
from ledger.runtime.replay import replay
from ledger.runtime.settling_audit import check_payables, check_statements
from ledger.runtime.stopping import check_holds_bind
from ledger.runtime.titles import check_titles
from ledger.runtime.verify import compare, verify_books, verify_bytes
from ledger.store import guards


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """One invariant: whether it holds, and in a sentence why not."""

    invariant: str
    holds: bool
    explanation: str = ""


def _replay(reads: Reads) -> None:
    compare(reads, replay(reads))


def _newest_checkpoint(reads: Reads) -> None:
    check_newest_checkpoint(reads)


def _guards(reads: Reads) -> None:
    guards.check(reads.tx)


INVARIANTS: dict[str, Callable[[Reads], object]] = {
    "entries_hash_to_the_tree_and_the_head": verify_bytes,
    "every_commodity_sums_to_zero_and_balances_to_their_postings": verify_books,
    "titles_sum_to_the_commissioned_fleet": check_titles,
    "the_newest_checkpoint_is_of_this_log": _newest_checkpoint,
    "append_only_guards_stand": _guards,
    "every_pack_has_one_place_and_every_doubt_an_open_case": check_holding,
    "no_swap_is_billed_before_its_end": check_billing_waits,
    "every_debt_of_packs_is_explained": check_debts,
    "no_pack_goes_out_under_a_stop_without_its_case": check_holds_bind,
    "no_balance_has_passed_its_limit": check_limits,
    "energy_in_stock_is_worth_what_its_account_holds": check_stock,
    "packs_in_the_assets_are_worth_what_their_accounts_hold": check_assets,
    "reports_of_closed_months_keep_their_bytes": check_closed_months,
    "no_line_is_in_two_statements_of_a_partner": check_statements,
    "payables_and_payouts_are_what_their_accounts_hold": check_payables,
    "documents_are_what_their_lines_say": check_documents,
    "what_is_taken_back_is_what_was_written": check_taken_back,
    "bank_statements_open_with_the_last_closing": check_bank_chain,
    "findings_are_what_they_were_found_in": check_findings,
    "reversals_are_exact_and_at_most_once": check_reversals,
    "no_usage_is_billed_twice": check_billed_once,
    "no_more_is_given_back_than_was_taken": check_given_back,
    "bills_are_their_lines_and_lines_their_rates": check_bills,
    "money_on_suspense_is_somebodys_until_a_day": check_suspense,
    "transactions_of_the_provider_are_posted_once": check_provider,
    "bank_statements_close_with_their_lines": check_bank_sums,
    "packs_energy_and_titles_sum_to_zero": check_units,
    "nothing_is_booked_in_a_closed_month": check_dates,
    "nobody_checks_himself": check_second_persons,
    "replaying_every_rule_gives_every_table": _replay,
}
"""Every invariant by name; the last one takes as long as the log is."""

DEEP = "replaying_every_rule_gives_every_table"


def check_invariants(reads: Reads, *, deep: bool) -> tuple[Verdict, ...]:
    """Check them all, in order; without `deep` the replay is left out."""
    found = []
    for name, check in INVARIANTS.items():
        if name == DEEP and not deep:
            continue
        try:
            check(reads)
        except MobileGridError as error:
            found.append(Verdict(name, holds=False, explanation=error.explain()))
        else:
            found.append(Verdict(name, holds=True))
    return tuple(found)
