"""The auditor door over a whole day of the demo's town: swaps, cases, suspense, corrections."""

from random import Random  # noqa: TID251  seeded below

import msgspec
import pytest
import sqlalchemy as sa

from ledger.domain.cases import CASES
from ledger.domain.opening import OpenLedger
from ledger.domain.saga import SWAPS
from ledger.kernel.envelope import open_entry, seal
from ledger.kernel.instants import HOUR
from ledger.runtime.ledger import create_ledger
from ledger.store.tables import entry
from mobilegrid.demo.drive import Day, open_town
from mobilegrid.demo.fleet import ZONE, Town
from mobilegrid.demo.incidents import plan_day
from tests.support.doors import HandClock, open_doors, sign
from tests.support.ledgers import SYSTEM, asking, sqlite_url
from tests.support.stores import BOTH, behind_its_back, new_database

V1 = "/auditor/v1"


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    url = sqlite_url(tmp_path_factory.mktemp("day"))
    command = OpenLedger(ledger="town", origin="log.example.net/log/town", zone=ZONE)
    with create_ledger(url, asking(command, "open", actor=SYSTEM)) as ledger:
        lived = Day(ledger, Town(Random(1)))
        open_town(lived)
        plan_day(lived)
        lived.run()
        with ledger.reading() as reads:
            clock = HandClock(reads.head.recorded_at + HOUR)
        sign(ledger, clock.now())
        with open_doors(ledger, clock) as doors:
            yield doors


def all_of(doors, path, **parameters):
    items = []
    while True:
        said = doors.said(path, limit=200, **parameters)
        items += said["items"]
        if "next_cursor" not in said:
            return items
        parameters["cursor"] = said["next_cursor"]


def test_a_swap_gives_the_entries_that_moved_its_packs_and_their_evidence(day):
    with day.parts.ledger.reading() as reads:
        swaps = [swap for _, swap in reads.rows(SWAPS) if swap.stage == "COMPLETED"]
    assert swaps
    for swap in swaps[:20]:
        items = day.said(f"{V1}/swaps/{swap.swap_id}/evidence")["items"]
        legs = {leg.position for leg in (*swap.legs_in, *swap.legs_out)}
        assert legs <= {item["position"] for item in items}
        reported = [item for item in items if "source" in item]
        assert reported
        assert all(item["kind"].endswith("_reported") for item in reported)
        assert all(item["clock"]["quality"] for item in reported)


def test_cases_are_those_of_the_view_by_state(day):
    with day.parts.ledger.reading() as reads:
        rows = dict(reads.rows(CASES))
    listed = all_of(day, f"{V1}/cases")
    assert [each["case"]["case_id"] for each in listed] == sorted(rows)
    for state in ("open", "resolved"):
        found = {each["case"]["case_id"] for each in all_of(day, f"{V1}/cases", state=state)}
        assert found == {key for key, row in rows.items() if row.is_open == (state == "open")}


def test_suspense_is_what_stands_on_those_accounts(day):
    with day.parts.ledger.reading() as reads:
        balances = [*reads.balances("Packs:Suspense"), *reads.balances("Packs:Missing")]
    said = day.said(f"{V1}/suspense")["packs"]
    assert [(each["account"], each["item"]) for each in said] == [
        (each.account, each.item) for each in balances
    ]


def test_every_pack_is_listed_once_now_and_at_noon(day):
    with day.parts.ledger.reading() as reads:
        middle = reads.size // 2
        moment = reads.moment()
        now = [each.item for each in reads.balances("Packs", at=moment) if each.quantity > 0]
    packs = [each["pack_id"] for each in all_of(day, f"{V1}/packs")]
    assert sorted(packs) == sorted(now)
    assert len(set(packs)) == len(packs)
    earlier = [
        each["pack_id"] for each in all_of(day, f"{V1}/packs", known_at=f"position:{middle}")
    ]
    assert len(set(earlier)) == len(earlier) <= len(packs)


def test_the_pages_of_a_busy_pack_are_its_history(day):
    with day.parts.ledger.reading() as reads:
        pack_id = max(
            {link.pack for one in reads.entries(0, 400) for link in one.envelope.packs},
            key=lambda pack: len(reads.pack_history(pack, reads.moment())),
        )
        history = [e.envelope.position for e in reads.pack_history(pack_id, reads.moment())]
    items = []
    parameters = {"limit": 7}
    while True:
        said = day.said(f"{V1}/packs/{pack_id}/history", **parameters)
        items += [item["position"] for item in said["items"]]
        if "next_cursor" not in said:
            break
        parameters["cursor"] = said["next_cursor"]
    assert items == history


@pytest.mark.parametrize("kind", BOTH)
def test_a_correction_shows_both_entries(kind, request, tmp_path):
    url = new_database(kind, request, tmp_path)
    command = OpenLedger(ledger="town", origin="log.example.net/log/town", zone=ZONE)
    with create_ledger(url, asking(command, "open", actor=SYSTEM)) as ledger:
        open_town(Day(ledger, Town(Random(1))))
        # no rule of today corrects an entry, so two are given what a rule of tomorrow would write
        with behind_its_back(url) as tx:
            for position, changed in ((7, {"corrects": 3}), (9, {"reverses": 4})):
                where = entry.c.position == position
                data = tx.execute(sa.select(entry.c.bytes).where(where)).scalar_one()
                envelope = msgspec.structs.replace(open_entry(data), **changed)
                tx.execute(sa.update(entry).where(where).values(bytes=seal(envelope)))
        with ledger.reading() as reads:
            clock = HandClock(reads.head.recorded_at + HOUR)
        with open_doors(ledger, clock) as doors:
            items = all_of(doors, f"{V1}/corrections", first=0, end=40)
            pages = doors.said(f"{V1}/corrections", first=0, end=40, limit=1)
            assert pages["next_cursor"]
    found = [(i["after"]["position"], i["before"]["position"], i["is_reversal"]) for i in items]
    assert found == [(7, 3, False), (9, 4, True)]
