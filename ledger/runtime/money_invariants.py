"""The eighteen invariants of the money handbook (14), and the checks that ask the ledger for each.

`verify` runs every one of them, the last (the replay) with ``--deep`` alone; tests run the same
checks over random months. An invariant that a ledger cannot be asked names where it is kept.
"""

from ledger.runtime.invariants import INVARIANTS

REPLAY = "replaying_every_rule_gives_every_table"
BOOKS = "every_commodity_sums_to_zero_and_balances_to_their_postings"

CHECKED_BY: dict[int, tuple[str, ...]] = {
    1: (BOOKS,),
    2: (BOOKS, REPLAY),
    3: ("append_only_guards_stand", "reversals_are_exact_and_at_most_once"),
    4: ("no_usage_is_billed_twice",),
    5: ("no_balance_has_passed_its_limit",),
    6: ("no_more_is_given_back_than_was_taken",),
    7: ("bills_are_their_lines_and_lines_their_rates", "documents_are_what_their_lines_say"),
    8: ("what_is_taken_back_is_what_was_written", "no_more_is_given_back_than_was_taken"),
    9: ("no_line_is_in_two_statements_of_a_partner", "documents_are_what_their_lines_say"),
    10: (
        "payables_and_payouts_are_what_their_accounts_hold",
        "money_on_suspense_is_somebodys_until_a_day",
    ),
    11: ("transactions_of_the_provider_are_posted_once",),
    12: (
        "bank_statements_open_with_the_last_closing",
        "bank_statements_close_with_their_lines",
    ),
    13: (
        "packs_energy_and_titles_sum_to_zero",
        "titles_sum_to_the_commissioned_fleet",
        "every_pack_has_one_place_and_every_doubt_an_open_case",
    ),
    14: ("packs_in_the_assets_are_worth_what_their_accounts_hold",),
    15: (
        "nothing_is_booked_in_a_closed_month",
        "reports_of_closed_months_keep_their_bytes",
    ),
    16: ("nobody_checks_himself",),
    17: (),
    18: ("findings_are_what_they_were_found_in", REPLAY),
}
"""By number: names of `INVARIANTS`. 17 is asked of other programs: by the tests over all exports,
and by item 13 of the checklist of a close."""

assert {name for names in CHECKED_BY.values() for name in names} <= INVARIANTS.keys()
