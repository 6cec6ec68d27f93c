"""The demo's first day: the same seed is the same, it holds what it promises, the tour is true."""

import os
import re
from pathlib import Path
from random import Random  # noqa: TID251  seeded

import msgspec
import pytest

from ledger.domain.asking import SwapRefused
from ledger.domain.cases import CASES
from ledger.domain.custody import DRIVER_PACKS, PACKS
from ledger.domain.money.billing import UsageAccrued
from ledger.domain.money.documents import StatementLine
from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.domain.saga import SWAPS
from ledger.domain.stations import STATIONS
from ledger.kernel.instants import HOUR, MINUTE
from ledger.kernel.money import amount_text
from ledger.runtime import settling
from ledger.runtime.ledger import Ledger
from ledger.runtime.verify import verify
from mobilegrid.demo import fleet, tour
from mobilegrid.demo.month import END
from mobilegrid.demo.weeks import on
from tests.support import cli
from tests.support.demo_month import new_town

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "tour.md"
WRITE = "MOBILEGRID_WRITE_DOCS"


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """Run the demo once; give its folder and its text."""
    folder = tmp_path_factory.mktemp("town")
    result = cli.run("demo", "--no-serve", "--keep", folder)
    assert result.exit_code == 0, result.output
    return folder, result.stdout


@pytest.fixture(scope="module")
def text(town):
    return town[1]


@pytest.fixture(scope="module")
def url(town):
    return f"sqlite:///{town[0] / 'town.db'}"


@pytest.fixture
def reads(url):
    with Ledger(url) as ledger, ledger.reading() as reads:
        yield reads


@pytest.fixture(scope="module")
def first_day(tmp_path_factory):
    """Give what was known when the first day was over: the beginning of the same log."""
    with new_town(tmp_path_factory.mktemp("day")) as ledger:
        tour.live_day(ledger, 7)
        with ledger.reading() as reads:
            yield reads


def sections(text: str) -> dict[str, str]:
    """Take the numbered parts out of a tour, without their headlines."""
    parts = re.split(r"^(\d+)\. .*──\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (part.strip("\n") for part in parts[2::2]), strict=True))


def kinds_of(reads) -> list[str]:
    return [one.envelope.kind for one in reads.entries()]


def named(pattern: str, text: str) -> str:
    """Take the one group of a pattern out of a text that must hold it."""
    found = re.search(pattern, text, re.MULTILINE)
    assert found is not None, pattern
    return found[1]


# The day ----------------------------------------------------------------------


def test_the_same_seed_is_the_same_log_and_the_same_tour(town, tmp_path):
    again = cli.run("demo", "--no-serve", "--keep", tmp_path)
    folder, text = town
    assert again.stdout.replace(str(tmp_path), str(folder)) == text


def test_another_seed_is_another_day(url, tmp_path):
    other = cli.answer("demo", "--seed", "8", "--keep", tmp_path)
    mine = cli.answer("verify", ledger=url)
    assert (other["seed"], other["root"] == mine["root"]) == (8, False)


@pytest.mark.parametrize("seed", [0, 1, 14, 24])
def test_every_day_has_a_half_swap_a_late_report_a_hold_and_a_transfer(seed, tmp_path):
    with new_town(tmp_path) as ledger:
        tour.live_day(ledger, seed)
        with ledger.reading() as reads:
            entries = list(reads.entries())
            kinds = [one.envelope.kind for one in entries]
            cases = [row for _, row in reads.rows(CASES)]
            deviations = {row.deviation for _, row in reads.rows(DRIVER_PACKS)}
            assert verify(reads, deep=True).size == len(entries)
    late = [one for one in entries if one.envelope.source and one.envelope.source.offline]
    refused = [one.event.reasons for one in entries if isinstance(one.event, SwapRefused)]
    assert kinds.count("swap_out_timed_out") == 1
    assert [row.case_type for row in cases if not row.is_open] == ["HALF_SWAP"]
    assert {row.case_type for row in cases if row.is_open} == {"UNAUTHORISED_SWAP"}
    assert {"swap_in_reported", "swap_out_reported"} <= {one.envelope.kind for one in late}
    assert max(one.envelope.recorded_at - one.envelope.valid_at for one in late) > 2 * HOUR
    assert ("hold_blocks",) in refused
    assert kinds.count("hold_placed") == kinds.count("sent_to_workshop") == 1
    assert kinds.count("transfer_received") == kinds.count("transfer_dispatched") == 2
    assert {"booking_fulfilled", "booking_canceled", "booking_no_show"} <= set(kinds)
    assert {"statement.issued", "invoice.issued"} <= set(kinds)
    assert "usage.unbilled" not in kinds
    assert deviations == {0}, "every driver ends the day with what is his"


def test_a_station_uploads_in_the_order_in_which_things_happened(reads):
    late = [one.envelope for one in reads.entries() if one.envelope.source]
    late = [each for each in late if each.source.offline]
    assert late == sorted(late, key=lambda each: (each.valid_at, each.position))
    assert [each.source.seq for each in late] == sorted(each.source.seq for each in late)


def test_the_town_has_stations_of_every_tier_and_sixty_packs_of_two_classes(reads):
    assert sorted(row.tier for _, row in reads.rows(STATIONS)) == [
        "large",
        "medium",
        "outlet",
        "pile",
    ]
    assert reads.count(PACKS) == 60
    assert {row.pack_class for _, row in reads.rows(PACKS)} == {"MG50", "MG75"}


def test_nothing_in_the_month_asks_the_machine_for_the_time(reads):
    begin, end = fleet.MIDNIGHT, on(END, 12)
    assert all(begin <= one.envelope.recorded_at <= end for one in reads.entries())


def test_the_first_day_is_the_beginning_of_the_log_of_the_month(reads, first_day):
    assert list(first_day.raw(0, first_day.size)) == list(reads.raw(0, first_day.size))


def test_the_town_is_made_by_its_dice_alone():
    one, other = (fleet.Town(Random(3)) for _ in range(2))
    assert [vars(pack) for pack in one.packs] == [vars(pack) for pack in other.packs]


# The tour ---------------------------------------------------------------------


def test_no_line_is_wider_than_a_page_and_none_ends_in_blanks(text):
    lines = text.splitlines()
    wide = [line for line in lines if len(line) > 100 and not line.startswith("  mobilegrid ")]
    assert [line for line in wide if "town.db" not in line] == []
    assert [line for line in lines if line != line.rstrip()] == []


def test_the_tour_counts_the_swaps_of_the_day(first_day, text):
    reads = first_day
    part = sections(text)["3"]
    rows = [line for line in part.splitlines() if re.match(r"\d\d:\d\d ", line)]
    assert len(rows) == reads.count(SWAPS) == kinds_of(reads).count("swap_requested")
    drivers = sorted(row.driver_id for _, row in reads.rows(SWAPS))
    assert sorted(row.split()[1] for row in rows) == drivers


def test_the_tour_shows_both_times_of_a_late_report(reads, text):
    said = " ".join(sections(text)["3"].split())
    found = re.search(
        r"where was (PK-\d+) at .* slot \d+\. Known since 14:05: driver (DR-\d+)", said
    )
    assert found is not None
    legs = [one for one in reads.entries() if one.envelope.kind == "pack_swapped_out"]
    late = [one for one in legs if one.envelope.recorded_at - one.envelope.valid_at > MINUTE]
    assert (found[1], found[2]) in {(one.event.pack_id, one.event.driver_id) for one in late}


@pytest.mark.parametrize(
    ("part", "sums"), [("2", "0     0      0"), ("4", "0.000"), ("5", "difference 0.00")]
)
def test_the_balances_of_packs_energy_and_money_sum_to_zero(text, part, sums):
    (line,) = [line for line in sections(text)[part].splitlines() if line.startswith("Sum ")]
    assert sums in line


def test_the_bill_is_the_bill_of_the_ledger(reads, text):
    part = sections(text)["6"]
    driver_id = named(r"^driver +(\S+)$", part)
    view = settling.bill(reads, driver_id, fleet.PERIOD)
    accrued = [one.event for one in view.usages if isinstance(one.event, UsageAccrued)]
    lines = [line for event in accrued for line in event.lines]
    shown = [row for row in part.splitlines() if re.match(r"\d\d:\d\d", row)]
    assert len(shown) == len(lines)
    for row, line in zip(shown, lines, strict=True):
        assert amount_text(line.net_minor, "EUR") in row.split()
        assert f"v{line.tariff_version} (#{line.tariff_position})" in row
    evidence = {cause for one in view.usages for cause in one.envelope.causes}
    assert {int(row.rsplit("#", 1)[1]) for row in shown} == evidence
    (invoice,) = view.invoices
    assert f"{invoice.invoice_no} of" in part
    assert f"total          {amount_text(invoice.gross_minor, 'EUR')} EUR" in part


def test_the_statement_is_the_statement_of_the_ledger(first_day, text):
    part, reads = sections(text)["7"], first_day
    rows = dict(reads.rows(STATEMENTS))
    said = rows[named(r"^statement +(\S+),", part)]
    view = settling.statement(reads, said.partner_id, fleet.PERIOD)
    assert view.agrees
    assert isinstance(view.lines[0], StatementLine)
    assert f"lines root        {said.calculation.lines_root}" in part
    share = said.calculation.amounts[0].share_minor
    assert re.search(rf"all lines +{re.escape(amount_text(share, 'EUR'))}$", part, re.MULTILINE)
    assert all(name in part for name in rows)


def test_the_tour_lists_every_case_of_the_day_and_says_which_are_open(first_day, text):
    rows = sections(text)["8"].splitlines()
    stages = [row.is_open for _, row in first_day.rows(CASES)]
    assert sum(row.startswith("open ") for row in rows) == sum(stages)
    assert sum(row.startswith("settled ") for row in rows) == len(stages) - sum(stages)


def test_the_tour_ends_with_the_verified_root_of_the_ledger(reads, text):
    assert f"VERIFIED {reads.size:,} entries, root {reads.head.root.hex()}" in text


def test_the_tour_ends_with_evidence_that_strangers_checked(text):
    parts = sections(text)
    part = parts[max(parts, key=int)]
    assert re.search(r"^head +signed by device a .* and device b ", part, re.MULTILINE)
    assert re.search(r"^witness +witness\.town-hall\.example cosigned", part, re.MULTILINE)
    assert re.search(r"^erased .*: 0 bytes of keys or e-mail are left$", part, re.MULTILINE)
    assert re.search(r"^history +VERIFIED: these \d+ entries are all of PK-", part, re.MULTILINE)
    assert re.search(r"^forgery .*: REFUSED step H4$", part, re.MULTILINE)


# What is left behind ----------------------------------------------------------


def test_the_ledger_that_is_left_verifies_and_answers(url, text):
    found = cli.answer("verify", "--deep", ledger=url)
    assert found["root"] in text
    assert found["checkpoint_size"] == found["size"]


def test_each_proof_that_is_left_holds_with_nothing_but_the_key(town):
    folder, text = town
    vkey = named(r"--vkey (\S+)", text)
    files = sorted(folder.glob("*.proofs/*.tlog-proof"))
    assert f"{len(files)} of {len(files)} hold" in text
    for file in files:
        assert str(cli.answer("verify", file, "--vkey", vkey)["position"]) == file.stem


def test_the_key_is_left_for_the_commands_that_sign(town, url):
    assert (town[0] / "town.db.key").stat().st_mode & 0o077 == 0
    assert cli.answer("checkpoint", "--publish", ledger=url)["size"]


def test_a_folder_that_holds_a_town_is_left_alone(town):
    result = cli.run("demo", "--no-serve", "--keep", town[0])
    assert result.exit_code == 2
    assert "there is a town already" in result.stderr


def test_a_key_that_lies_in_the_folder_is_not_written_over(tmp_path):
    key = tmp_path / "town.db.key"
    key.write_text("mine")
    assert cli.run("demo", "--no-serve", "--keep", tmp_path).exit_code == 2
    assert key.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    result = cli.run("demo", "--no-serve", "--keep", tmp_path / "file" / "town")
    assert result.exit_code == 4
    assert "cannot make" in result.stderr


def test_as_json_the_demo_answers_where_the_ledger_is_and_shows_no_tour(tmp_path):
    result = cli.run("demo", "--json", "--no-serve", "--keep", tmp_path)
    found = msgspec.json.decode(result.stdout)
    assert set(found) == set(tour.Shown.__struct_fields__)
    assert (found["closed"], found["residual_minor"], found["papers"]) == ("2026-03", 0, [])
    assert found["ledger"] == f"sqlite:///{tmp_path / 'town.db'}"


def test_without_a_folder_the_town_stays_in_a_temporary_one(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = cli.answer("demo")
    assert Path(found["ledger"].removeprefix("sqlite:///")).is_relative_to(tmp_path)


# The document -----------------------------------------------------------------


def test_the_document_shows_what_the_program_prints(text):
    # with the variable WRITE set, the blocks of the document are written anew
    document = DOCUMENT.read_text(encoding="utf-8")
    pattern = re.compile(r"(^## (\d+)\..*?^```text\n)(.*?)(^```$)", re.MULTILINE | re.DOTALL)
    printed = sections(text)
    last = max(printed, key=int)
    printed[last] = printed[last].partition("\n\nThe ledger is ")[0]
    written = pattern.sub(lambda hit: f"{hit[1]}{printed[hit[2]]}\n{hit[4]}", document)
    if os.environ.get(WRITE):
        DOCUMENT.write_text(written, encoding="utf-8")
        document = written
    assert {hit[2] for hit in pattern.finditer(document)} == set(printed)
    assert written == document, f"run {WRITE}=1 pytest {Path(__file__).name}"
