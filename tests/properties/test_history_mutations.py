"""Every history that is not the whole and only one is refused, over an exhaustive set of changes.

Omitted, reordered, duplicated, altered and foreign entries; other rows, other maps, claims of
absence; every single byte of the file.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, permutations, product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.kernel.envelope import peek
from ledger.kernel.errors import Malformed, TamperEvidence
from ledger.tlog.history import HistoryFile, format_history, verify_complete_history
from tests.support.chained_log import ChainedLog, small_log
from tests.support.logs import ORIGIN, VERIFIER

PACK = "PK-B"


@pytest.fixture(scope="module")
def log() -> ChainedLog:
    return small_log()


def verdict(data: bytes, pack: str = PACK) -> str:
    """Check a file; the first words of the refusal, "" when it is accepted."""
    try:
        verify_complete_history(data, ORIGIN, [VERIFIER], pack)
    except (Malformed, TamperEvidence) as error:
        return str(error)[:6]
    return ""


def refused_all(changes: Iterator[HistoryFile], pack: str = PACK) -> Counter[str]:
    """See that every change is refused; how many by which step."""
    found = Counter(verdict(format_history(each), pack) for each in changes)
    assert found
    assert not found[""]
    return found


def with_entries(history: HistoryFile, some: Iterator[tuple[bytes, ...]]) -> Iterator[HistoryFile]:
    return (replace(history, entries=each) for each in some if each != history.entries)


def test_every_selection_that_leaves_out_an_entry_is_refused(log):
    history = log.history(PACK)
    assert len(history.entries) == 5
    some = (each for count in range(5) for each in combinations(history.entries, count))
    assert refused_all(with_entries(history, some)) == {"step 4": 31}


def test_every_other_order_is_refused(log):
    history = log.history(PACK)
    found = refused_all(with_entries(history, permutations(history.entries)))
    assert found.total() == 119
    assert set(found) == {"step 5", "step 6"}


def test_every_duplicate_is_refused_with_or_without_something_left_out(log):
    history = log.history(PACK)
    whole = history.entries
    added = ((*whole[:at], one, *whole[at:]) for one, at in product(whole, range(len(whole) + 1)))
    # as many entries as the map counts, one of them twice
    instead = ((*whole[:at], one, *whole[at + 1 :]) for one, at in product(whole, range(5)))
    assert refused_all(with_entries(history, added)).total() == 30
    assert refused_all(with_entries(history, instead)).total() == 20


def test_every_foreign_entry_is_refused_in_every_place(log):
    history = log.history(PACK)
    whole = history.entries
    foreign = [each for each in log.entries if each not in whole]
    twin = ChainedLog()  # another log's entries of the same pack, in the same form
    foreign += [twin.entries[twin.add(PACK, kind="pack_undocked")] for _ in range(6)]
    added = ((*whole[:at], one, *whole[at:]) for one, at in product(foreign, range(6)))
    instead = ((*whole[:at], one, *whole[at + 1 :]) for one, at in product(foreign, range(5)))
    refused_all(with_entries(history, added))
    assert set(refused_all(with_entries(history, instead))) == {"step 5", "step 6"}


def test_every_altered_byte_of_every_entry_is_refused(log):
    history = log.history(PACK)
    whole = history.entries

    def altered() -> Iterator[tuple[bytes, ...]]:
        for at, one in enumerate(whole):
            for place in range(len(one)):
                other = one[:place] + bytes([one[place] ^ 1]) + one[place + 1 :]
                yield (*whole[:at], other, *whole[at + 1 :])

    found = refused_all(with_entries(history, altered()))
    assert found.total() == sum(map(len, whole))
    assert set(found) == {"step 5", "step 6"}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_whatever_stands_in_a_member_ends_in_an_error_of_ours(log, data):
    held = msgspec.json.decode(format_history(log.history(PACK)))
    whole = msgspec.json.encode(held, order="sorted")
    place = data.draw(st.sampled_from([*held, "map.entry", "map.path", "row.bytes", "row.index"]))
    member, _, inner = place.partition(".")
    value = data.draw(_json | st.binary())
    if inner:
        held[member][inner] = value
    else:
        held[member] = value
    other = msgspec.json.encode(held, order="sorted")
    says_nothing = place == "openings" and isinstance(value, dict) and not any(value.values())
    assert verdict(other) or other == whole or says_nothing


@given(st.binary() | st.text().map(str.encode))
def test_other_bytes_are_no_history(data):
    assert verdict(data)


@pytest.mark.parametrize("pack", [PACK, "PK-C"], ids=["whole", "absent"])
def test_no_byte_of_the_file_can_be_another_one(log, pack):
    data = format_history(log.history(pack))
    for bit in (0x01, 0x20):
        for place in range(len(data)):
            other = data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
            assert verdict(other, pack), (place, bit)
    assert all(verdict(data[:end], pack) for end in range(len(data)))
    assert verdict(data, pack) == ""


def test_every_row_of_another_pack_and_every_other_place_of_the_row_is_refused(log):
    history = log.history(PACK)
    row = history.row
    assert row is not None
    rows = log.maps[max(log.maps)]
    others = [rows.place(pack) for pack in sorted(log.chains) if rows.row(pack) and pack != PACK]
    assert len(others) == 5
    mixed = (
        replace(one, index=two.index, path=three.path)
        for one, two, three in product([row, *others], repeat=3)
    )
    refused_all(replace(history, row=each) for each in mixed if each != row)
    for pack in sorted(log.chains):
        if pack != PACK:
            assert verdict(format_history(history), pack) == "step 3"


def test_no_two_rows_prove_the_absence_of_a_pack_that_is_named(log):
    rows = log.maps[max(log.maps)]
    named = [pack for pack in sorted(log.chains) if rows.row(pack)]
    places = [None, *(rows.place(pack) for pack in named)]
    for pack in named:
        history = replace(log.history(pack), row=None, entries=(), after=())
        claims = (replace(history, before=one, next=two) for one, two in product(places, repeat=2))
        assert set(refused_all(claims, pack)) == {"step 3"}


def test_a_pack_that_no_entry_names_has_one_pair_of_neighbours(log):
    rows = log.maps[max(log.maps)]
    places = [None, *(rows.place(pack) for pack in sorted(log.chains) if rows.row(pack))]
    for pack in ("PK-A", "PK-C", "PK-E", "PK-Z"):
        history = log.history(pack)
        pairs = list(product(places, repeat=2))
        claims = [replace(history, before=one, next=two) for one, two in pairs]
        good = [each for each in claims if not verdict(format_history(each), pack)]
        assert good == [history]


def test_parts_of_two_maps_do_not_make_one_history():
    log = ChainedLog()
    log.add(PACK)
    log.add(PACK, "PK-A")
    older = log.map()
    log.add(PACK)
    newer = log.map()
    log.add("PK-A")
    parts: dict[int, HistoryFile] = {}
    for as_of in (older, newer):
        maps = dict(log.maps)
        log.maps = {as_of: maps[as_of]}
        parts[as_of] = replace(log.history(PACK), after=())
        log.maps = maps
        assert verdict(format_history(parts[as_of])) == ""
    accepted = set()
    for one, two, three in product(parts, repeat=3):
        mixed = replace(
            parts[one], map=parts[one].map, row=parts[two].row, entries=parts[three].entries
        )
        if not verdict(format_history(mixed)):
            accepted.add((one, two, three))
    assert accepted == {(older,) * 3, (newer,) * 3}


def test_parts_of_two_checkpoints_do_not_make_one_history():
    log = ChainedLog()
    log.add(PACK)
    log.map()
    old = log.history(PACK)
    log.add(PACK)
    new = log.history(PACK)
    assert verdict(format_history(old)) == verdict(format_history(new)) == ""
    assert verdict(format_history(replace(new, checkpoint=old.checkpoint))) == "step 2"
    assert verdict(format_history(replace(new, map=old.map))) == "step 2"
    beyond = replace(old, after=new.after)
    assert verdict(format_history(beyond)) == "after "


def test_of_what_came_later_nothing_is_left_out_in_the_middle(log):
    history = log.history(PACK)
    later = history.after
    assert [peek(each.entry).position for each in later] == [14, 16]
    foreign = [log.part(at) for at in range(log.size) if at not in (14, 16)]
    some = [later[1:], later[::-1], (*later, later[1]), (later[0], *later)]
    some += [(each, later[1]) for each in foreign] + [(later[0], each) for each in foreign]
    found = refused_all(replace(history, after=each) for each in some)
    assert set(found) == {"after "}
