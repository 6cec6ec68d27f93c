"""History maps in a stored ledger: alone in their batch, right, refused where they would lie."""

from collections.abc import Sequence
from random import Random  # noqa: TID251  seeded below

import pytest
import sqlalchemy as sa
from typing_extensions import override

from ledger.domain.history_map import (
    COMPUTED,
    NEWEST,
    PAUSE,
    ComputedMap,
    HistoryMapped,
    MapHistory,
)
from ledger.domain.moves import MovePack
from ledger.domain.takeover import TakeOverPack
from ledger.domain.world import World
from ledger.kernel.envelope import peek
from ledger.kernel.errors import (
    Conflict,
    Misconfigured,
    NotFound,
    Refused,
    ReplayDiffers,
    TamperEvidence,
    Unavailable,
)
from ledger.kernel.instants import HOUR
from ledger.kernel.messages import Actor, Request
from ledger.runtime.history_maps import Mapper
from ledger.runtime.history_proofs import HistoryProver, map_history, verify_history
from ledger.runtime.ledger import Ledger
from ledger.runtime.proving import sign_checkpoint
from ledger.runtime.verify import verify
from ledger.tlog.note import Ed25519Signer, Ed25519Verifier
from tests.support.ledgers import OPENED_AT, SYSTEM, asking, new_ledger, party, sqlite_url
from tests.support.stores import BOTH, Listening, behind_its_back, new_database, size_of
from tests.support.town import IMPORTER, MARCH, PACK, PACK_CLASS, new_town

SIGNER = Ed25519Signer("log.example.net/log/town", bytes(32))
TRUSTED = [Ed25519Verifier(SIGNER.key)]
LATER = MARCH + 200 * HOUR
AUDITOR = Actor("AU-1", "auditor")
STATION = Actor("ST-1", "station", "P2")


@pytest.fixture(params=BOTH)
def url(request, tmp_path):
    return new_database(request.param, request, tmp_path)


@pytest.fixture
def town(url):
    with new_town(url) as opened:
        yield opened


def asked(name: str, at: int = LATER, **members: bool) -> Request:
    return asking(MapHistory(**members), name, actor=SYSTEM, at=at)


def take(pack: str) -> Request:
    """Take over a pack that stands beside the slots of the station: its first entry."""
    command = TakeOverPack(
        pack_id=pack,
        account="Packs:Station:ST-1:Staged",
        pack_class=PACK_CLASS,
        nominal_wh=75_000,
        soh_bp=9_500,
        title_holder_id="MG",
    )
    return asking(command, f"take {pack}", actor=IMPORTER, at=LATER)


def dock(pack: str, turn: int) -> Request:
    """Put such a pack into slot 1, or take it out again, by turns: one more entry."""
    command = MovePack(
        pack_id=pack,
        event="pack_undocked" if turn % 2 else "pack_docked",
        level=4,
        station_id="ST-1",
        slot="" if turn % 2 else "1",
        occurred_at=LATER,
    )
    return asking(command, f"dock {pack} {turn}", actor=STATION, at=LATER)


def maps_of(ledger: Ledger) -> list[tuple[int, HistoryMapped]]:
    with ledger.reading() as reads:
        found = reads.entries(kinds=(HistoryMapped.kind,))
        return [(one.envelope.position, one.event) for one in found]  # type: ignore[misc]  # that kind


def done(ledger: Ledger, requests: Sequence[Request]) -> list[int]:
    """Do requests as one batch; the first position of each. None may be refused."""
    receipts = ledger.execute_all(requests)
    assert [one.refusal for one in receipts] == [None] * len(requests)
    return [one.first for one in receipts]


# The map in the log -----------------------------------------------------------


def test_a_map_covers_all_before_it_and_is_alone_in_its_batch(url):
    new_town(url).close()
    seen = Listening()
    with Ledger(url, observer=seen) as town:
        some = [party(11), take("PK-7"), asked("a", on_request=False), party(12), party(13)]
        some += [asked("b", on_request=False), asked("c", on_request=False), dock("PK-7", 0)]
        # the third map finds nothing written since the second
        assert done(town, some) == [37, 38, 39, 40, 41, 42, 43, 43]
        assert [(at, one.as_of, one.packs) for at, one in maps_of(town)] == [
            (39, 39, 3),
            (42, 42, 3),
        ]
        with town.reading() as reads:
            assert verify(reads, deep=True).size == 44
    made = [(first, entries) for first, _, entries in seen.batches]
    assert made == [(37, 2), (39, 1), (40, 2), (42, 1), (43, 0), (43, 1)]


@pytest.mark.parametrize("seed", range(4))
def test_every_map_is_what_a_replay_of_the_links_makes_of_it(town, seed):
    random = Random(seed)
    turns: dict[str, int] = {}
    slot_of = ""
    for number in range(12):
        requests = []
        for _ in range(random.randrange(1, 9)):
            pack = slot_of or f"PK-{random.choice('ABCDEFGHIJ')}{random.randrange(9)}"
            if pack not in turns:
                turns[pack] = 0
                requests.append(take(pack))
                continue
            requests.append(dock(pack, turns[pack]))
            slot_of = "" if turns[pack] % 2 else pack
            turns[pack] += 1
        done(town, requests)
        done(town, [asked(f"map {number}", on_request=False)])
    made = maps_of(town)
    assert len(made) == 12
    with town.reading() as reads:
        verify(reads, deep=True)  # every root against the chains so far
        for at, event in made:
            tree = Mapper().at(reads.tx, reads.name.log_id, at)
            assert (len(tree), tree.root()) == (event.packs, event.root)
        ahead = Mapper()
        for at, event in [*made, made[3]]:  # on from size to size, and once back
            assert ahead.at(reads.tx, reads.name.log_id, at).root() == event.root


def test_the_same_request_again_gets_the_same_map(town):
    request = asked("once")
    first = town.execute(request)
    town.execute(party(11))
    again = town.execute(request)
    assert (again.first, again.count, again.replayed) == (first.first, 1, True)
    assert len(maps_of(town)) == 1


def test_a_map_on_request_waits_a_minute(town):
    town.execute(asked("first"))
    town.execute(party(11))
    with pytest.raises(Refused, match="map_too_soon"):
        town.execute(asked("early", LATER + PAUSE - 1))
    assert len(maps_of(town)) == 1
    town.execute(asked("later", LATER + PAUSE))
    map_history(town, bytes(16), LATER + PAUSE)
    assert [at for at, _ in maps_of(town)] == [37, 39]


def test_two_writers_of_one_log_make_right_maps_by_turns(url, town):
    with Ledger(url) as other:
        for number, writer in enumerate((town, other, town, other, other, town)):
            done(writer, [take(f"PK-{9 - number}"), asked(f"map {number}", on_request=False)])
    assert len(maps_of(town)) == 6
    with town.reading() as reads:
        verify(reads, deep=True)


def test_a_log_of_no_packs_has_an_empty_map(url):
    with new_ledger(url) as ledger:
        ledger.execute(asked("map"))
        ((_, event),) = maps_of(ledger)
        assert (event.as_of, event.packs) == (1, 0)
        with ledger.reading() as reads:
            verify(reads, deep=True)


# What would be a lie ----------------------------------------------------------

EDITS = {
    "view: a row gone": "DELETE FROM view_pack_chains WHERE key = 'PK-1'",
    "view: another row": (
        "UPDATE view_pack_chains SET state = (SELECT state FROM view_pack_chains o "
        "WHERE o.key = 'PK-2') WHERE key = 'PK-1'"
    ),
    "view: a row more": (
        "INSERT INTO view_pack_chains SELECT log_id, 'PK-3', position, listed, state "
        "FROM view_pack_chains WHERE key = 'PK-1'"
    ),
    "links: the last gone": "DELETE FROM entry_pack WHERE pack = 'PK-1' AND count = 9",
    "links: all of a pack gone": "DELETE FROM entry_pack WHERE pack = 'PK-1'",
    "links: one too many": (
        "INSERT INTO entry_pack (log_id, stretch, pack, count, position) "
        "SELECT log_id, stretch, pack, 10, 30 FROM entry_pack "
        "WHERE pack = 'PK-1' AND count = 9"
    ),
    "links: to another entry": "UPDATE entry_pack SET position = 30 WHERE pack = 'PK-2' "
    "AND count = 5",
}


@pytest.mark.parametrize("what", EDITS)
def test_links_and_view_that_do_not_agree_stop_the_writer_before_it_lies(url, what):
    new_town(url).close()
    with behind_its_back(url) as tx:
        assert tx.execute(sa.text(EDITS[what])).rowcount
    with Ledger(url) as town:
        size = size_of(town)
        for refused in (AUDITOR, Actor("DR-1", "driver")):
            # nothing is looked at for what is refused anyway
            command = MapHistory(on_request=False)
            with pytest.raises(Refused, match="role_not_allowed"):
                town.execute(asking(command, f"by {refused.role}", actor=refused, at=LATER))
        with pytest.raises(TamperEvidence):
            town.execute(asked("map"))
        assert size_of(town) == size
        with pytest.raises(Unavailable):
            town.execute(party(11))


class Lying(Mapper):
    """A writer's map that says what its master wants."""

    def __init__(self, packs: int, root: bytes) -> None:
        super().__init__()
        self._said = packs, root

    @override
    def admit(
        self,
        world: World,
        tx: sa.Connection,
        log_id: int,
        size: int,
        requests: Sequence[Request],
    ) -> None:
        world.admit(COMPUTED, {NEWEST: ComputedMap(size, *self._said)})


@pytest.mark.parametrize("what", ["root", "packs"])
def test_whoever_replays_the_log_finds_a_map_that_lies(town, what):
    with town.reading() as reads:
        tree = Mapper().at(reads.tx, reads.name.log_id, reads.size)
    said = {"root": (2, bytes(32)), "packs": (3, tree.root())}[what]
    town._writer._mapper = Lying(*said)
    town.execute(asked("map"))
    sign_checkpoint(town, SIGNER, LATER)
    with town.reading() as reads:
        with pytest.raises(ReplayDiffers, match="position 37: the map is not that") as found:
            verify(reads, deep=True)
        assert found.value.position == 37
    with pytest.raises(ReplayDiffers, match="position 37: the stored links do not lead"):
        HistoryProver(town).prove(PACK)


# The file ---------------------------------------------------------------------


def test_a_history_needs_a_map_and_a_checkpoint_over_it(town):
    prover = HistoryProver(town)
    with pytest.raises(NotFound, match="no checkpoint"):
        prover.prove(PACK)
    sign_checkpoint(town, SIGNER, LATER)
    with pytest.raises(NotFound, match="no map"):
        prover.prove(PACK)
    town.execute(asked("map"))
    with pytest.raises(Conflict, match="covers 37 entries, not yet the map at 37"):
        prover.prove(PACK)
    sign_checkpoint(town, SIGNER, LATER)
    with pytest.raises(NotFound, match="no entry below the map at position 37 names pack PK-9"):
        prover.prove("PK-9")
    assert verify_history(prover.prove(PACK), TRUSTED, PACK).as_of == 37


def test_one_prover_follows_the_maps_and_shows_what_came_later(town):
    prover = HistoryProver(town)
    done(town, [take("PK-7"), asked("a", on_request=False), dock("PK-7", 0), take("PK-8")])
    sign_checkpoint(town, SIGNER, LATER)
    proven = verify_history(prover.prove("PK-7"), TRUSTED, "PK-7")
    assert [peek(data).kind for data in proven.entries] == ["pack_taken_over"]
    assert [peek(data).kind for data in proven.after] == ["pack_docked"]
    absent = verify_history(prover.prove("PK-8", absent=True), TRUSTED, "PK-8")
    assert (len(absent.entries), len(absent.after)) == (0, 1)
    done(town, [asked("b", on_request=False), party(11)])
    sign_checkpoint(town, SIGNER, LATER)
    for pack, count in (("PK-7", 2), ("PK-8", 1), (PACK, 9), ("PK-2", 5), ("PK-70", 0)):
        proven = verify_history(prover.prove(pack, absent=True), TRUSTED, pack)
        assert (len(proven.entries), proven.after, proven.as_of) == (count, (), 41)
        with town.reading() as reads:
            stored = [reads.entry(peek(data).position).data for data in proven.entries]
        assert list(proven.entries) == stored


def test_a_gap_in_the_stored_links_makes_no_file(url, town):
    done(town, [asked("map")])
    sign_checkpoint(town, SIGNER, LATER)
    with behind_its_back(url) as tx:
        tx.execute(sa.text("DELETE FROM entry_pack WHERE pack = 'PK-1' AND count = 4"))
    with pytest.raises(ReplayDiffers, match="the links of pack PK-1 have a gap"):
        HistoryProver(town).prove(PACK)


def test_a_history_is_checked_with_the_keys_of_one_log(tmp_path):
    with new_town(sqlite_url(tmp_path)) as town:
        town.execute(asked("map"))
        sign_checkpoint(town, SIGNER, OPENED_AT)
        data = HistoryProver(town).prove(PACK)
    other = Ed25519Verifier(Ed25519Signer("b.example", bytes(32)).key)
    for keys in ([], [*TRUSTED, other]):
        with pytest.raises(Misconfigured, match="exactly one log"):
            verify_history(data, keys, PACK)
