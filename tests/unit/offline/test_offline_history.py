"""The complete history of a pack: nothing left out, moved, added or of another pack."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.tlog.history import verify_complete_history
from mobilegrid import offline_verifier as offline
from tests.support.histories import OPENING, Town
from tests.support.logs import ORIGIN, VERIFIER, naive_root
from tests.support.offline import (
    NOW_S,
    POLICY,
    canonical,
    ledger_verdict,
    note_over,
    text64,
    verdict,
)

TOWN = Town("abacabbcaa", "ab")
BUNDLE = TOWN.bundle("PK-a")


def mine(bundle: Any, pack: str = "PK-a") -> tuple[str, str]:
    data = bundle if isinstance(bundle, bytes) else canonical(bundle)
    return verdict(lambda report: offline.verify_history(data, POLICY, NOW_S, report, pack))


def read(bundle: Any, pack: str = "PK-a") -> tuple[str, str]:
    """Ask both verifiers; they must agree on whether it holds."""
    data = bundle if isinstance(bundle, bytes) else canonical(bundle)
    found = mine(data, pack)
    ours = ledger_verdict(lambda: verify_complete_history(data, ORIGIN, [VERIFIER], pack))
    assert (found[0] == "ok") == (ours == "ok"), (found, ours)
    return found


@pytest.mark.parametrize("pack", ["PK-a", "PK-b", "PK-c"])
def test_the_whole_history_of_a_pack_is_believed(pack):
    assert read(TOWN.bundle(pack), pack) == ("ok", "")
    assert read(TOWN.bundle(pack), "PK-x") == ("refused", "H3")


@pytest.mark.parametrize(
    ("packs", "pack"),
    [("", "PK-a"), ("b", "PK-a"), ("a", "PK-b"), ("ac", "PK-b"), ("abd", "PK-c"), ("abc", "PK-Z")],
)
def test_a_pack_that_no_entry_names_is_proven_absent(packs, pack):
    town = Town(packs)
    assert read(town.bundle(pack), pack) == ("ok", "")
    for known in packs:
        assert read(town.bundle(pack), f"PK-{known}") == ("refused", "H3")
    for name in ("before", "next"):
        less = {key: value for key, value in town.bundle(pack).items() if key != name}
        if len(less) < len(town.bundle(pack)):
            assert read(less, pack) == ("refused", "H3")


def test_neighbours_that_are_none_prove_no_absence():
    town = Town("abcd")
    bundle = town.bundle("PK-bb")
    for before in range(4):
        for following in range(4):
            told = bundle | {"before": town.placed(before), "next": town.placed(following)}
            answer = read(told, "PK-bb")[0]
            assert answer == ("ok" if (before, following) == (1, 2) else "refused")


def test_a_pack_that_came_after_the_map_is_absent_below_it():
    town = Town("ab", "cc")
    assert read(town.bundle("PK-c"), "PK-c") == ("ok", "")


# Deformed bundles ---------------------------------------------------------------


def deformed() -> list[dict[str, Any]]:
    entries, after = BUNDLE["entries"], BUNDLE["after"]
    foreign = TOWN.bundle("PK-b")
    made = []
    for place in range(len(entries)):
        made.append({"entries": entries[:place] + entries[place + 1 :]})
        made.append({"entries": [*entries[:place], entries[place], *entries[place:]]})
        made += [
            {"entries": [*entries[:place], other, *entries[place + 1 :]]}
            for other in foreign["entries"]
        ]
        for other in range(place):
            moved = list(entries)
            moved[place], moved[other] = moved[other], moved[place]
            made.append({"entries": moved})
    made += [
        {"entries": []},
        {"entries": entries[::-1]},
        {"entries": [*entries, foreign["entries"][-1]]},
        {"entries": foreign["entries"]},
        {"row": foreign["row"]},
        {"row": BUNDLE["row"] | {"index": 1}},
        {"row": BUNDLE["row"] | {"index": -1}},
        {"row": BUNDLE["row"] | {"path": BUNDLE["row"]["path"][1:]}},
        {"map": TOWN.proven(0)},
        {"map": BUNDLE["map"] | {"path": BUNDLE["map"]["path"][::-1]}},
        {"after": after[::-1] * 2},
        {"after": foreign["after"]},
        {"after": [TOWN.proven(9)]},
        {"after": [after[0] | {"path": []}]},
        {"openings": {"1": [OPENING]}},
        {"openings": {"0": [OPENING | {"value": {"minor": 1502}}]}},
        {"openings": {"0": [OPENING | {"name": "soh"}]}},
        {"openings": {"0": [OPENING | {"salt": text64(bytes(16))}]}},
        {"checkpoint": note_over(TOWN.log[:-1]).decode()},
        {"t": "mobilegrid/history/2"},
    ]
    return [BUNDLE | each for each in made]


def test_every_deformed_bundle_is_refused_by_both():
    made = deformed()
    assert len(made) > 50
    for bundle in made:
        assert read(bundle)[0] != "ok", bundle


@pytest.mark.parametrize("name", sorted(BUNDLE))
def test_a_bundle_without_a_member_is_refused_unless_it_is_only_what_came_later(name):
    less = {key: value for key, value in BUNDLE.items() if key != name}
    assert (read(less)[0] == "ok") == (name == "after")
    assert read(BUNDLE | {name: 7})[0] == "malformed"
    assert read(BUNDLE | {"more": 7})[0] == "malformed"


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_bundle_is_malformed(data):
    assert read(data)[0] == "malformed"


def test_no_changed_byte_goes_unnoticed():
    data = canonical(TOWN.bundle("PK-c"))
    for at in range(0, len(data), 3):
        assert mine(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], "PK-c")[0] != "ok"


# A log that lies: what is signed does not follow ---------------------------------


def lying(change: Callable[[dict[str, Any]], None], position: int) -> tuple[str, str]:
    """Sign a log in which one entry says something else, and ask about pack PK-a."""
    town = Town("aaba")
    entry = offline.read_json(town.log[position], "entry")
    change(entry)
    town.log[position] = canonical(entry)
    leaves = [offline.leaf_hash(each) for each in town.log]
    row = offline.read_json(town.rows[0], "row") | {"leaf": text64(leaves[3])}
    town.rows[0] = canonical(row)
    body = offline.read_json(town.log[4], "map")
    rows = [offline.leaf_hash(each) for each in town.rows]
    body["body"]["root"] = text64(naive_root(rows))
    town.log[4] = canonical(body)
    return read(town.bundle("PK-a"))


def test_a_chain_that_does_not_close_is_refused_although_it_is_signed():
    def link(**said: Any) -> Callable[[dict[str, Any]], None]:
        return lambda entry: entry["packs"][0].update(said)

    assert lying(lambda _: None, 3) == ("ok", "")
    for change in (
        link(count=2),
        link(count=4),
        link(previous=0),
        link(previous=3),
        link(previous=9),
        link(previous_leaf=text64(bytes(32))),
        link(pack="PK-b"),
        lambda entry: entry.pop("packs"),
        lambda entry: entry.update(position=2),
    ):
        assert lying(change, 3)[0] == "refused"
    for change in (link(previous=0, previous_leaf=text64(bytes(32))), link(count=2)):
        assert lying(change, 0)[0] == "refused"
