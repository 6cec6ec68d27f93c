"""Random histories in real ledgers: books balance, views are the log, batches do not matter."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.holds import HOLD_RULES, ClearHold, PlaceHold
from ledger.domain.moves import MOVES, MovePack
from ledger.domain.parties import RegisterParty
from ledger.domain.stays import ReportStay
from ledger.domain.takeover import TakeOverPack
from ledger.domain.transitions import ROWS
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor, Command, Receipt, Request
from ledger.kernel.postings import check_zero
from ledger.runtime.ledger import Ledger, create_ledger
from ledger.runtime.rebuild import rebuild
from ledger.runtime.verify import verify
from tests.support.ledgers import asking, opening, sqlite_url
from tests.support.town import IMPORTER, MARCH, PACK_CLASS
from tests.support.town import requests as town_requests

HOLDERS = {"DE-1": "depot", "CR-1": "carrier", "WS-1": "workshop", "OP-2": "operator"}
PACKS = ("PK-1", "PK-1", "PK-2", "PK-2", "PK-3", "PK-4")
PLACES = ("Packs:Driver:DR-2", "Packs:Station:ST-1:Staged", "Packs:Depot:DE-1:Stored")

packs = st.sampled_from(PACKS)
slots = st.sampled_from(("", "1", "2"))
hours = st.integers(0, 60)


def actors(roles) -> st.SearchStrategy[Actor]:
    """Somebody who may ask, mostly with a second person."""
    seconds = st.sampled_from(("P2", "P2", ""))
    return st.builds(Actor, st.just("P1"), st.sampled_from(sorted(roles)), seconds)


def by(command: st.SearchStrategy[Command], roles) -> st.SearchStrategy[tuple[Command, Actor]]:
    return st.tuples(command, actors(roles))


parties = st.builds(
    RegisterParty,
    party_id=st.sampled_from(("DR-1", "DR-3", "DR-4", "DR-5", "no id")),
    party_roles=st.just(("driver",)),
    country=st.sampled_from(("FR", "DE")),
)
takeovers = st.builds(
    TakeOverPack,
    pack_id=packs,
    account=st.sampled_from((*PLACES, "Packs:Nowhere")),
    pack_class=st.just(PACK_CLASS),
    nominal_wh=st.sampled_from((75_000, 0)),
    soh_bp=st.just(9_500),
    title_holder_id=st.just("MG"),
    soc_bp=st.sampled_from((None, 5_000)),
)
moves = st.builds(
    MovePack,
    pack_id=packs,
    event=st.sampled_from(("pack_docked", "pack_undocked", "sent_to_workshop", *MOVES)),
    place=st.sampled_from(("", "", "station", "workshop", "staged")),
    level=st.sampled_from((5, 5, 1)),
    station_id=st.sampled_from(("ST-1", "ST-1", "ST-9")),
    slot=slots,
    holder_id=st.sampled_from((*HOLDERS, "DR-1")),
    order_id=st.just("TO-1"),
    occurred_at=hours.map(lambda hour: MARCH + hour * HOUR),
)
holds = st.builds(
    PlaceHold,
    hold_id=st.sampled_from(("HD-1", "HD-2")),
    pack_id=packs,
    reason=st.sampled_from((*HOLD_RULES, "NO_REASON")),
    severity=st.integers(1, 3),
)
clearings = st.builds(ClearHold, hold_id=st.sampled_from(("HD-1", "HD-2")), pack_id=packs)
stays = st.builds(
    lambda number, begin, length, energy, pack, slot: ReportStay(
        report_id=f"RP-{number}",
        network="OP-1",
        station_id="ST-1",
        slot=slot,
        driver_id="DR-1" if pack == "PK-1" else "DR-2",
        pack_id=pack,
        begin_at=MARCH + begin * HOUR,
        end_at=None if length is None else MARCH + (begin + length) * HOUR,
        received_at=MARCH + 70 * HOUR,
        seq=number,
        row_ref=f"rows#{number}",
        energy_wh=energy,
        meter_id=f"MT-{slot or 1}",
    ),
    st.integers(100, 130),
    hours,
    st.sampled_from((None, -1, 1, 2, 5)),
    st.sampled_from((None, -5, 0, 7_000, 20_000, 999_000)),
    packs,
    slots,
)
steps = st.one_of(
    by(parties, RegisterParty.roles),
    by(takeovers, TakeOverPack.roles),
    by(moves, {role for row in ROWS for role in row.who}),
    by(moves, {"operator", "station"}),
    by(holds, PlaceHold.roles),
    by(clearings, ClearHold.roles),
    by(stays, ReportStay.roles),
    by(stays, ReportStay.roles),
)


@pytest.fixture(scope="module")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the ledger every history begins with: the town before its first charging session."""
    folder = tmp_path_factory.mktemp("beginning")
    with create_ledger(sqlite_url(folder), opening("town")) as ledger:
        begun = [one for one in town_requests() if not isinstance(one.command, ReportStay)]
        for party_id, role in HOLDERS.items():
            name = f"{role} {party_id}"
            command = RegisterParty(
                party_id=party_id, party_roles=(role,), country="FR", legal_name=name
            )
            begun.append(asking(command, name, actor=IMPORTER, at=MARCH))
        for receipt in ledger.execute_all(begun):
            assert receipt.refusal is None
    return folder / "town.db"


@st.composite
def histories(draw) -> list[Request]:
    """Draw requests, some of them sent twice, some with the key of another one."""
    some: list[Request] = []
    for number, (command, actor) in enumerate(draw(st.lists(steps, min_size=10, max_size=40))):
        at = MARCH + (70 + number) * HOUR
        request = asking(command, f"step {number}", actor=actor, at=at)
        again = draw(st.integers(0, 9)) if some else 9
        if again == 0:
            request = draw(st.sampled_from(some))
        elif again == 1:
            request = msgspec.structs.replace(request, key=draw(st.sampled_from(some)).key)
        some.append(request)
    return some


def lived(file: Path, batches: list[list[Request]]) -> tuple[bytes, list[Receipt]]:
    """Live a history in batches; everything about the ledger must hold afterwards."""
    receipts: list[Receipt] = []
    with Ledger(f"sqlite:///{file}") as ledger:
        with ledger.reading() as reads:
            before = reads.size
        for some in batches:
            receipts += ledger.execute_all(some)
        with ledger.reading() as reads:
            root = verify(reads, deep=True).root
            for one in reads.entries():
                check_zero(one.envelope.postings)
            made = sum(receipt.count for receipt in receipts if not receipt.replayed)
            assert reads.size == before + made
            totals: dict[str, int] = {}
            for each in reads.totals():
                totals[each.commodity] = totals.get(each.commodity, 0) + each.quantity
            assert not any(totals.values())
        assert not any(view.mended for view in rebuild(ledger))
    return root, receipts


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("MOBILEGRID_HISTORIES", "25")))
@given(data=st.data(), history=histories())
def test_a_history_holds_and_does_not_depend_on_its_batches(beginning, data, history):
    batches, rest = [], list(history)
    while rest:
        count = data.draw(st.integers(1, 12), label="batch")
        batches.append(rest[:count])
        rest = rest[count:]
    with TemporaryDirectory() as name:
        folder = Path(name)
        results = []
        for way, some in (("one", [[one] for one in history]), ("many", batches)):
            (folder / way).mkdir()
            file = folder / way / "town.db"
            shutil.copy(beginning, file)
            results.append(lived(file, some))
        assert results[0] == results[1]
