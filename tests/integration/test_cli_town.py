"""What the command line shows of a town: lives of packs, balances, statements, bills, exports."""

import msgspec

from tests.support.cli import answer, error, run
from tests.support.town import DRIVER, OPERATOR, PACK, PERIOD

APPROVED = ("--approve-as", "checker-1")


# history


def test_a_life_is_told_in_the_order_in_which_it_happened(url):
    life = answer("history", PACK, ledger=url)
    times = [step["valid_at"] for step in life["steps"]]
    assert times == sorted(times)
    assert life["held_by"] == "Packs:Driver:DR-1"
    kinds = [step["kind"] for step in life["steps"]]
    assert kinds.count("pack_returned") == kinds.count("pack_swapped_out") == 2
    assert sum(step.get("energy_wh", 0) for step in life["steps"]) == 0
    assert [step["energy_wh"] for step in life["steps"] if step["kind"] == "charge_session_ended"]


def test_a_life_reads_as_words(url):
    shown = run("history", PACK, ledger=url).stdout
    assert "driver DR-1 -> station ST-1 slot 1" in shown
    assert "20.000 kWh" in shown
    assert "At the end: driver DR-1" in shown


def test_valid_at_stops_the_life_and_known_at_the_knowledge(url):
    early = answer("history", PACK, "--valid-at", "2024-03-01", ledger=url)
    assert [step["kind"] for step in early["steps"]] == ["pack_taken_over"]
    inside = answer("history", PACK, "--valid-at", "2024-03-02T01:00:00Z", ledger=url)
    assert inside["held_by"] == "Packs:Station:ST-1:Slot:1"
    known = answer("history", "PK-2", "--known-at", "2024-03-03", ledger=url)
    assert len(known["steps"]) == 1, "the second driver's stay was reported on the fourth"
    assert known["known_size"] < known["log_size"]
    assert "up to 2024-03-01" in run("history", PACK, "--valid-at", "2024-03-01", ledger=url).stdout


def test_before_a_pack_was_there_it_is_nowhere(url):
    shown = run("history", PACK, "--valid-at", "2020-01-01", ledger=url)
    assert shown.exit_code == 0
    assert "nowhere yet" in shown.stdout


def test_an_unknown_pack_and_a_strange_time_are_refused(url):
    assert error("history", "PK-99", ledger=url)["kind"] == "NotFound"
    assert run("history", PACK, "--valid-at", "soon", ledger=url).exit_code == 2


def test_a_life_is_also_written_as_csv(url, tmp_path):
    shown = run("history", PACK, "--csv", tmp_path / "a.csv", ledger=url)
    assert shown.exit_code == 0
    assert answer("export", "history", PACK, tmp_path / "b.csv", ledger=url)["rows"] == 9
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    below_a_file = tmp_path / "town.db" / "x.csv"
    assert error("export", "history", PACK, below_a_file, ledger=url)["exit_code"] == 4


# balance


def test_every_commodity_sums_to_zero_over_all_accounts(url):
    held = answer("balance", ledger=url)
    for commodity in ("PACK", "WH", "EUR"):
        assert sum(one["quantity"] for one in held if one["commodity"] == commodity) == 0


def test_the_tree_shows_units_and_branches(url):
    shown = run("balance", ledger=url).stdout
    assert "62.345 kWh" in shown
    assert "14.96 EUR" in shown
    assert "2 packs" in shown
    below = run("balance", "Packs:Driver", ledger=url).stdout
    assert "DR-2" in below
    assert "1 pack" in below


def test_one_item_and_a_moment_can_be_asked_for(url):
    receivable = "Assets:Receivables:Unbilled"
    now = answer("balance", receivable, "--item", DRIVER, ledger=url)
    assert [(one["item"], one["quantity"]) for one in now] == [(DRIVER, 776)]
    then = answer("balance", receivable, "--valid-at", "2024-03-02", ledger=url)
    assert {one["item"]: one["quantity"] for one in then} == {"DR-1": 480, "DR-2": 720}
    known = answer(
        "balance", receivable, "--valid-at", "2024-03-02", "--known-at", "2024-03-03", ledger=url
    )
    assert {one["item"]: one["quantity"] for one in known} == {"DR-1": 480}


def test_an_account_that_holds_nothing_is_not_found(url):
    assert error("balance", "Assets:Nowhere", ledger=url)["kind"] == "NotFound"


# settle


def test_a_closed_period_gives_a_statement_and_the_bills_behind_it(url, tmp_path):
    closed = answer("settle", "close", PERIOD, *APPROVED, ledger=url)
    assert len(closed["statements"]) == 1
    assert len(closed["invoices"]) == 2
    view = answer("settle", "statement", OPERATOR, PERIOD, ledger=url)
    assert view["agrees"]
    assert view["statement"]["calculation"]["energy_wh"] == 62_345
    bill = answer("settle", "bill", DRIVER, PERIOD, ledger=url)
    assert sum(usage["event"]["net_minor"] for usage in bill["usages"]) == 776
    assert bill["invoices"][0]["gross_minor"] == 776 + 155
    again = answer("settle", "close", PERIOD, *APPROVED, ledger=url)
    assert again["statements"] == again["invoices"] == []
    control = answer("export", "statement", OPERATOR, PERIOD, tmp_path / "s.csv", ledger=url)
    assert control["rows"] == 3
    assert answer("verify", "--deep", ledger=url)["deep"]


def test_statements_and_bills_read_as_tables(url):
    assert "Not invoiced yet" in run("settle", "bill", DRIVER, PERIOD, ledger=url).stdout
    shown = run("settle", "close", PERIOD, *APPROVED, ledger=url)
    assert "1 statements and 2 invoices" in shown.stdout
    statement = run("settle", "statement", OPERATOR, PERIOD, "--lines", "1", ledger=url).stdout
    assert "share 4.36" in statement
    assert "and 2 more" in statement
    assert "Entry" not in run("settle", "statement", OPERATOR, PERIOD, "--lines", "0",
                              ledger=url).stdout  # fmt: skip
    bill = run("settle", "bill", DRIVER, PERIOD, ledger=url).stdout
    assert "to pay" in bill
    assert "9.31 EUR" in bill


def test_settling_needs_two_persons_and_something_to_settle(url):
    assert run("settle", "close", PERIOD, ledger=url).exit_code == 2
    alone = ("--act-as", "anna", "--approve-as", "anna")
    assert error("settle", "close", PERIOD, *alone, ledger=url)["kind"] == "Refused"
    assert error("settle", "close", "March", *APPROVED, ledger=url)["kind"] == "Malformed"
    assert error("settle", "statement", OPERATOR, PERIOD, ledger=url)["kind"] == "NotFound"
    assert error("settle", "bill", "DR-9", PERIOD, ledger=url)["kind"] == "NotFound"
    nobody = ("--operator", "OP-9", *APPROVED)
    assert error("settle", "close", PERIOD, *nobody, ledger=url)["kind"] == "NotFound"


# rebuild and export


def test_views_are_made_again_from_the_log(url):
    done = answer("rebuild", ledger=url)
    assert all(view["mended"] == 0 for view in done["views"])
    assert {"balance", "packs"} <= {view["view"] for view in done["views"]}
    assert done["following"] == [{"view": "station_day", "position": 37, "size": 37}]
    alone = answer("rebuild", "station_day", ledger=url)
    assert (alone["views"], len(alone["following"])) == ([], 1)
    assert "packs" in run("rebuild", "packs", ledger=url).stdout
    assert error("rebuild", "nothing", ledger=url)["kind"] == "NotFound"


def test_books_and_log_are_written(url, tmp_path):
    control = answer("export", "books", tmp_path / "books", ledger=url)
    assert control["entries"] == control["transactions"]
    month = answer("export", "books", tmp_path / "m", "--period", PERIOD, "--leaves", ledger=url)
    assert month["period"] == PERIOD
    first = answer("export", "log", tmp_path / "log", ledger=url)
    assert first["size"] == 37
    again = answer("export", "log", tmp_path / "log", "--recheck", ledger=url)
    assert again["size_before"] == 37
    assert "verifier key" in run("export", "log", tmp_path / "log", ledger=url).stdout
    (tmp_path / "log" / "tile" / "0" / "000.p" / "37").write_bytes(b"x" * 37 * 32)
    found = error("export", "log", tmp_path / "log", "--recheck", ledger=url)
    assert found["exit_code"] == 3


def test_options_stand_before_or_after_the_command(url):
    before = run("--ledger", url, "--json", "db", "status")
    between = run("db", "--json", "--ledger", url, "status")
    after = run("db", "status", "--json", ledger=url)
    assert before.stdout == between.stdout == after.stdout
    assert msgspec.json.decode(after.stdout)["size"] == 37


def test_a_settings_file_names_the_ledger(url, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(f'[ledger]\nurl = "{url}"\n')
    assert answer("db", "status", "--config", file)["size"] == 37
