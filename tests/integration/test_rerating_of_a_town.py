"""A whole day of swaps and sessions, rated again: by the same prices, and by others."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random  # noqa: TID251  seeded below

import pytest
from msgspec.structs import replace

from ledger.domain.money.rerating import UsageReversed
from ledger.domain.money.rerating_sheets import driver_changes, partner_changes
from ledger.domain.money.tariff_terms import Element, Tariff
from ledger.domain.money.tariffs import TARIFFS, PublishTariff
from ledger.domain.opening import OpenLedger
from ledger.kernel.ids import key_at
from ledger.kernel.messages import Actor, Request
from ledger.runtime.ledger import Ledger, accepted, create_ledger
from ledger.runtime.reads import Reads
from ledger.runtime.rerating_preview import Asked, apply, preview
from ledger.runtime.verify import verify
from mobilegrid.demo.drive import Day, open_town
from mobilegrid.demo.fleet import ZONE, Town
from mobilegrid.demo.incidents import plan_day
from tests.support.ledgers import SYSTEM, asking, sqlite_url

FINANCE = Actor("FI-1", "finance", "FI-2")
ALWAYS = (0, 2**52)


@pytest.fixture(scope="module")
def lived_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let the demo's town live through its day, once."""
    folder = tmp_path_factory.mktemp("day")
    command = OpenLedger(ledger="town", origin="log.example.net/log/town", zone=ZONE)
    with create_ledger(sqlite_url(folder), asking(command, "open", actor=SYSTEM)) as ledger:
        day = Day(ledger, Town(Random(1)))
        open_town(day)
        plan_day(day)
        day.run()
    return folder / "town.db"


@pytest.fixture
def town(lived_day: Path, tmp_path: Path) -> Iterator[Ledger]:
    """Give a copy of the town as it stands after its day."""
    shutil.copy(lived_day, tmp_path)
    with Ledger(sqlite_url(tmp_path)) as ledger:
        yield ledger


def tariffs(reads: Reads) -> list[Tariff]:
    return [row for _, row in reads.rows(TARIFFS)]


def test_the_same_prices_change_nothing_in_a_whole_town(town: Ledger) -> None:
    with town.reading() as reads:
        sheets = [preview(reads, Asked(row.tariff_id, *ALWAYS))[0] for row in tariffs(reads)]
    assert sum(sheet.checked for sheet in sheets) > 20
    assert [(sheet.lines, sheet.skipped) for sheet in sheets] == [((), 0)] * len(sheets)


def test_another_price_changes_swaps_and_their_shares(town: Ledger) -> None:
    with town.reading() as reads:
        now = reads.entry(reads.size - 1).envelope.recorded_at + 1
        row = tariffs(reads)[0]
        (lasting,) = row.lasting
        dearer = tuple(
            replace(one, rate_micro=one.rate_micro * 2) if one.component != "ENERGY" else one
            for one in lasting.terms.elements
        )
        draft = replace(lasting.terms, elements=dearer)
        asked = Asked(row.tariff_id, *ALWAYS, draft, lasting.version)
        sheet, _ = preview(reads, asked)
    assert {line.usage_kind for line in sheet.lines} == {"swap"}
    assert len(sheet.lines) > 10
    drivers, partners = driver_changes(sheet.lines), partner_changes(sheet.lines)
    assert all(one.after_minor >= one.before_minor for one in drivers)
    assert sum(one.after_minor for one in partners) > sum(one.before_minor for one in partners)
    command = PublishTariff(tariff_id=row.tariff_id, terms=draft, supersedes=lasting.version)
    accepted(town.execute(Request(key_at(now, "dearer"), "tests", FINANCE, now, command)))
    published = replace(asked, draft=None, supersedes=0)
    done = apply(town, published, sheet.root(), actor=FINANCE, reason="version 2", at=now)
    assert done.applied == len(sheet.lines)
    with town.reading() as reads:
        assert preview(reads, published)[0].lines == ()
        back = [one.event for one in reads.entries() if isinstance(one.event, UsageReversed)]
        found = verify(reads, deep=True)
    assert [one.campaign_id for one in back].count(done.campaign_id) == done.applied
    assert found


def test_a_swap_that_lost_its_price_is_found_again(town: Ledger) -> None:
    with town.reading() as reads:
        now = reads.entry(reads.size - 1).envelope.recorded_at + 1
        row = tariffs(reads)[0]
        (lasting,) = row.lasting
        begin = lasting.terms.valid_from_at
        untaxed = (Element("SERVICE", "KWH", 1, tax_product="compensation"),)
        nothing = replace(lasting.terms, elements=untaxed)
        back = replace(lasting.terms, valid_from_at=begin)
    for number, (terms, version) in enumerate(((nothing, 1), (back, 2))):
        supersedes = lasting.version if version == 1 else row.versions + 1
        command = PublishTariff(tariff_id=row.tariff_id, terms=terms, supersedes=supersedes)
        name = key_at(now + number, "prices", str(number))
        accepted(town.execute(Request(name, "tests", FINANCE, now + number, command)))
        asked = Asked(row.tariff_id, *ALWAYS)
        with town.reading() as reads:
            sheet, _ = preview(reads, asked)
        assert sheet.skipped == 0
        assert len(sheet.lines) > 10
        refused = {line.refused for line in sheet.lines}
        assert refused == ({"tax_rule_missing"} if version == 1 else {""})
        apply(town, asked, sheet.root(), actor=FINANCE, reason=name.hex(), at=now + 9 + number)
    with town.reading() as reads:
        assert preview(reads, asked)[0].lines == ()
