"""The order of observations: by count inside a source, by time across, never by arrival."""

from itertools import permutations
from typing import Any

from ledger.domain.observations import IN, OUT, PRESENT, Observation, content_digest
from ledger.domain.ordering import absences, in_order, in_slot_order, look_of

PLACE = "Packs:Station:ST-1:Slot:1"


def seen(source: str, seq: int, at: int, boot: str = "B1", **fields) -> Observation:
    fields.setdefault("kind", IN)
    return Observation(
        source=source, boot=boot, seq=seq, place=PLACE, pack_id="PK-1", at=at, **fields
    )


def order(*observations: Observation) -> list[tuple[str, str, int, int]]:
    found = in_order(observations)
    for some in permutations(observations):
        assert in_order(some) == found
    return [(x.source, x.observation.boot, x.seq, x.at) for x in found]


def test_the_count_of_a_source_is_law_and_its_times_grow_with_it():
    assert order(seen("S", 1, 300), seen("S", 2, 100), seen("S", 3, 400)) == [
        ("S", "B1", 1, 300),
        ("S", "B1", 2, 300),
        ("S", "B1", 3, 400),
    ]


def test_boots_follow_each_other_by_their_first_time():
    assert order(seen("S", 1, 500, "B2"), seen("S", 9, 100, "B9"), seen("S", 10, 120, "B9")) == [
        ("S", "B9", 9, 100),
        ("S", "B9", 10, 120),
        ("S", "B2", 1, 500),
    ]
    assert [x[1] for x in order(seen("S", 1, 5, "B2"), seen("S", 1, 5, "B1"))] == ["B1", "B2"]


def test_sources_are_merged_by_time_and_then_by_name():
    assert order(seen("B", 7, 100), seen("A", 2, 100), seen("A", 1, 50)) == [
        ("A", "B1", 1, 50),
        ("A", "B1", 2, 100),
        ("B", "B1", 7, 100),
    ]


def test_a_time_that_says_nothing_takes_that_of_its_neighbour():
    nowhere: dict[str, Any] = {"quality": "U", "received_at": 900}
    assert order(seen("S", 1, 1, **nowhere), seen("S", 2, 100), seen("S", 3, 5, **nowhere)) == [
        ("S", "B1", 1, 100),
        ("S", "B1", 2, 100),
        ("S", "B1", 3, 100),
    ]
    assert order(seen("S", 1, 1, **nowhere)) == [("S", "B1", 1, 900)]
    assert order(seen("S", 1, 1, "B2", **nowhere), seen("S", 1, 800, "B1"))[0][1] == "B1"


def test_sources_without_a_count_are_ordered_by_time():
    first, second = seen("S", 0, 100, digest="b"), seen("S", 0, 50, digest="a")
    assert [x[3] for x in order(first, second)] == [50, 100]
    assert (first.key, seen("S", 4, 1).key) == ("S|B1|b", "S|B1|4")


def looks(*observations: Observation) -> list[str]:
    found = in_slot_order([look_of(one) for one in observations])
    return [f"{one.pack_id}@{one.seq}" for one in absences(found)]


def pack(name: str, seq: int, kind: str = IN, at: int = 0) -> Observation:
    return Observation("S", "B1", seq, kind, PLACE, name, at or seq * 10)


def test_a_slot_that_shows_another_pack_has_lost_the_one_before():
    assert looks(pack("PK-1", 1), pack("PK-2", 5)) == ["PK-1@5"]
    assert looks(pack("PK-2", 5), pack("PK-1", 1)) == ["PK-1@5"]
    assert looks(pack("PK-1", 1), pack("PK-1", 2, OUT), pack("PK-2", 5)) == []
    assert looks(pack("PK-1", 1), pack("PK-1", 3, PRESENT)) == []
    assert looks(pack("PK-1", 1), pack("", 3, "absent")) == ["PK-1@3"]
    assert looks(pack("PK-1", 1), pack("PK-2", 2, OUT)) == ["PK-1@2"]
    assert looks(pack("PK-1", 1)) == []


def test_a_slot_may_say_that_it_is_empty_before_its_station_says_who_took_the_pack():
    empty = pack("", 2, "absent", 100)
    taken = pack("PK-1", 3, OUT, 100 + 120_000_000)
    assert looks(pack("PK-1", 1), empty, taken) == []
    late = pack("PK-1", 3, OUT, 101 + 120_000_000)
    assert looks(pack("PK-1", 1), empty, late) == ["PK-1@2"]
    assert looks(pack("PK-1", 1), empty, pack("PK-2", 3, OUT, 101)) == ["PK-1@2"]


def test_an_object_without_a_name_takes_the_place_of_a_pack():
    stranger = look_of(pack("PK-1", 2), is_stranger=True)
    assert (stranger.before, stranger.after) == ("?", "?")
    assert looks(pack("PK-1", 1), pack("", 4)) == ["PK-1@4"]


def test_content_is_named_by_its_canonical_form():
    assert content_digest({"a": 1, "b": 2}) == content_digest({"b": 2, "a": 1})
    assert content_digest([1]) != content_digest([2])
