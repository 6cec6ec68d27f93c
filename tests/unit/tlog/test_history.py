"""The history file: what it proves, and which step refuses what it does not prove."""

from base64 import b64encode

import msgspec
import pytest
from msgspec.structs import replace

from ledger.kernel.envelope import Link, canonical, peek
from ledger.kernel.errors import CheckpointInvalid, Malformed, ProofInvalid, SignatureInvalid
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.sealing import Opening, open_field
from ledger.tlog.history import (
    HISTORY_BYTES_MAX,
    HistoryFile,
    format_history,
    parse_history,
    verify_complete_history,
)
from ledger.tlog.history_map import HistoryRow
from ledger.tlog.note import Ed25519Signer
from tests.support.chained_log import ChainedLog, small_log
from tests.support.logs import ORIGIN, VERIFIER

SECRET = open_field("amount_minor", bytes(range(16)), 1_250)


@pytest.fixture(scope="module")
def log():
    return small_log()


def check(history: HistoryFile, pack: str):
    return verify_complete_history(format_history(history), ORIGIN, [VERIFIER], pack)


def refused(history: HistoryFile, pack: str, words: str, kind=ProofInvalid) -> None:
    with pytest.raises(kind, match=f"^{words}"):
        check(history, pack)


# What it proves ---------------------------------------------------------------


def test_it_gives_all_entries_of_the_pack_oldest_first_and_the_later_ones_apart(log):
    proven = check(log.history("PK-B"), "PK-B")
    assert [peek(data).position for data in proven.entries] == [1, 2, 6, 9, 12]
    assert [peek(data).position for data in proven.after] == [14, 16]
    assert (proven.as_of, proven.packs, proven.pack_id) == (13, 6, "PK-B")
    assert proven.signed.checkpoint.size == 17
    assert proven.signed.signed_by == (VERIFIER.key,)


@pytest.mark.parametrize("pack", ["PK-A", "PK-C", "PK-K", "PK-LA", "PK-Z"])
def test_it_proves_that_no_entry_names_a_pack(log, pack):
    history = log.history(pack)
    assert history.row is None
    proven = check(history, pack)
    assert (proven.entries, proven.after) == ((), ())


def test_an_entry_behind_the_map_may_be_the_first_of_its_pack(log):
    proven = check(log.history("PK-N"), "PK-N")
    assert proven.entries == ()
    assert [peek(data).position for data in proven.after] == [15]


def test_in_a_map_without_rows_every_pack_is_absent():
    log = ChainedLog()
    log.map()
    history = log.history("PK-1")
    assert (history.row, history.before, history.next) == (None, None, None)
    assert check(history, "PK-1").packs == 0


def test_disclosed_fields_are_checked_against_the_entries_before_and_after_the_map():
    log = ChainedLog()
    places = (log.add("PK-1", opened=(SECRET,)), log.add("PK-1"), log.map())
    later = log.add("PK-1", opened=(SECRET,))
    shown = {places[0]: (SECRET,), later: (SECRET,)}
    proven = check(log.history("PK-1", shown), "PK-1")
    assert {at: [bytes(one.value) for one in some] for at, some in proven.openings.items()} == {
        "1": [b"1250"],
        "4": [b"1250"],
    }
    assert check(log.history("PK-1"), "PK-1").openings == {}


# The file ---------------------------------------------------------------------


def test_the_file_is_canonical_and_reads_back(log):
    history = log.history("PK-B", {})
    data = format_history(history)
    assert parse_history(data) == history
    assert list(msgspec.json.decode(data)) == [
        "after",
        "checkpoint",
        "entries",
        "map",
        "openings",
        "row",
        "t",
    ]
    absent = msgspec.json.decode(format_history(log.history("PK-C")))
    assert sorted(absent) == ["before", "checkpoint", "entries", "map", "next", "openings", "t"]
    assert sorted(absent["next"]) == ["bytes", "index", "path"]


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old)
    return data.replace(old, new, 1)


SPOILT = {
    "nothing": (lambda data: b"", "history"),
    "no text": (lambda data: b"\xff", "history"),
    "cut short": (lambda data: data[:-1], "history"),
    "a newline more": (lambda data: data + b"\n", "history"),
    "too deep": (lambda data: b"[" * 100_000, "history"),
    "too long": (lambda data: b"x" * (HISTORY_BYTES_MAX + 1), "history"),
    "a member more": (lambda data: changed(data, b'"t":', b'"more":1,"t":'), "history"),
    "a space more": (lambda data: changed(data, b'{"', b'{ "'), "history"),
    "of the future": (lambda data: changed(data, b"history/1", b"history/2"), "t"),
    "an opening of nothing": (lambda data: opening(data, b"{}"), "history"),
    "a value in loose form": (
        lambda data: opening(data, b'{"name":"a","salt":"","value":[1, 2]}'),
        "openings",
    ),
    "a value that is no text": (
        lambda data: opening(data, b'{"name":"a","salt":"","value":"\xff"}'),
        "openings",
    ),
}


def opening(data: bytes, shown: bytes) -> bytes:
    return changed(data, b'"openings":{}', b'"openings":{"1":[' + shown + b"]}")


@pytest.mark.parametrize("what", SPOILT)
def test_other_bytes_are_malformed(log, what):
    change, field = SPOILT[what]
    with pytest.raises(Malformed) as found:
        parse_history(change(format_history(log.history("PK-B"))))
    assert found.value.field == field


def test_a_file_that_could_not_be_read_is_not_written(log):
    history = log.history("PK-B")
    absent = log.history("PK-C")
    long = replace(history.map, path=(bytes(32),) * 64)
    for wrong, field in (
        (replace(history, next=absent.next), "row"),
        (replace(history, before=absent.before), "row"),
        (replace(history, map=long), "path"),
        (replace(history, after=(long,)), "path"),
    ):
        with pytest.raises(Malformed) as found:
            format_history(wrong)
        assert found.value.field == field


# The steps --------------------------------------------------------------------


def test_step_1_the_checkpoint_bears_a_signature_of_a_trusted_key(log):
    data = format_history(log.history("PK-B"))
    stranger = Ed25519Signer(ORIGIN, b"s" * 32)
    forged = ChainedLog(stranger)
    forged.add("PK-B")
    forged.map()
    refused(forged.history("PK-B"), "PK-B", "step 1", SignatureInvalid)
    with pytest.raises(CheckpointInvalid, match=r"^step 1: a checkpoint of another log"):
        verify_complete_history(data, "log.example.net/log/other", [VERIFIER], "PK-B")


def test_step_2_the_map_is_a_map_at_its_own_place(log):
    history = log.history("PK-B")
    refused(replace(history, map=log.part(2)), "PK-B", "step 2: the entry is pack_docked")
    moved = replace(history.map, path=log.part(2).path)
    refused(replace(history, map=moved), "PK-B", "step 2: step E5")
    for body, words in (
        ({"as_of": 3}, "step 2: the map speaks of another position"),
        ({"root": "x"}, "step 2: the body is none of a map"),
        ({"more": 1}, "step 2: the body is none of a map"),
    ):
        lying = ChainedLog()
        lying.add("PK-B")
        lying.map(**body)
        refused(lying.history("PK-B"), "PK-B", words)
    newer = ChainedLog()
    newer.add("PK-B")
    newer.maps[newer.add(kind="history.mapped", version=2)] = log.maps[13]
    refused(newer.history("PK-B"), "PK-B", "step 2: the entry is history.mapped")


def test_step_2_the_map_is_canonical_through_and_through(log):
    history = log.history("PK-B")
    for old, new in ((b"{", b"{ "), (b'"as_of":13', b'"as_of": 13')):
        loose = replace(history.map, entry=history.map.entry.replace(old, new, 1))
        refused(replace(history, map=loose), "PK-B", "step 2: the map: .*canonical")


def test_step_3_the_row_is_that_of_the_pack_in_this_map(log):
    history = log.history("PK-B")
    row = history.row
    assert row is not None
    other = log.history("PK-D").row
    assert other is not None
    refused(history, "PK-D", "step 3: the row is of pack PK-B")
    refused(replace(history, row=other), "PK-B", "step 3: the row is of pack PK-D")
    refused(replace(history, row=replace(row, index=1)), "PK-B", "step 3: the path of the row")
    refused(replace(history, row=replace(row, index=6)), "PK-B", "step 3: step E3")
    refused(replace(history, row=replace(row, path=row.path[1:])), "PK-B", "step 3: step E4")
    refused(replace(history, row=replace(row, data=b"{}")), "PK-B", "step 3: not a row")
    more = canonical(HistoryRow(4, 12, leaf_hash(history.entries[0]), "PK-B"))
    refused(replace(history, row=replace(row, data=more)), "PK-B", "step 3: the path of the row")


def test_step_3_neighbours_leave_no_place_between_them(log):
    history = log.history("PK-C")
    before, following = history.before, history.next
    outer = log.history("PK-LA").before
    for wrong, pack, words in (
        (replace(history, before=None), "PK-C", "not neighbours"),
        (replace(history, next=None), "PK-C", "not neighbours"),
        (replace(history, before=None, next=None), "PK-C", "not neighbours"),
        (replace(history, before=following, next=before), "PK-C", "not neighbours"),
        (replace(history, before=outer, next=None), "PK-L", "row before does not stand before"),
        (replace(history, before=outer, next=None), "PK-C", "row before does not stand before"),
        (history, "PK-B", "row before does not stand before"),
        (history, "PK-D", "next row does not stand behind"),
        (history, "PK-Z", "next row does not stand behind"),
        (replace(log.history("PK-A"), next=history.next), "PK-A", "not neighbours"),
        (replace(history, row=None, before=None), "PK-A", "not neighbours"),
    ):
        refused(wrong, pack, f"step 3: the .*{words}")


def test_step_3_a_map_without_rows_has_the_empty_root():
    log = ChainedLog()
    log.map(root=b64encode(bytes(32)).decode())
    refused(log.history("PK-1"), "PK-1", "step 3: a map without rows")


def test_steps_4_to_6_the_entries_are_as_many_and_the_very_ones(log):
    history = log.history("PK-B")
    entries = history.entries
    stranger = log.entries[3]
    for wrong, words in (
        (entries[:-1], "step 4: 4 entries, the map counts 5"),
        ((*entries, entries[-1]), "step 4: 6 entries"),
        ((), "step 4: 0 entries"),
        ((stranger, *entries[1:]), "step 5: entry 5 of 5 is not the one"),
        ((b"{}", *entries[1:]), "step 5: entry 5 of 5: not an entry"),
        ((entries[1], entries[0], *entries[2:]), "step 5"),
        ((entries[0], stranger, *entries[2:]), "step 6: entry 4 of 5 is not the one"),
        ((*entries[:4], b""), "step 6: entry 1 of 5: an entry has"),
        ((*entries[:4], entries[3]), "step 6: entry 1 of 5 is not the one"),
    ):
        refused(replace(history, entries=wrong), "PK-B", words)
    absent = log.history("PK-C")
    refused(replace(absent, entries=(stranger,)), "PK-C", "step 4: 1 entries, the map counts 0")


def lying_log(*links: Link, count: int = 1) -> ChainedLog:
    """A log whose own entries and map tell of a chain that no honest writer makes."""
    log = ChainedLog()
    for link in links:
        at = log.add(packs=(link,))
    log.claim(HistoryRow(count, at, leaf_hash(log.entries[at]), "PK-1"))
    log.naming["PK-1"] = list(range(1, at + 1))
    log.map()
    return log


def test_steps_5_to_7_refuse_a_chain_that_no_honest_writer_makes():
    leaf = leaf_hash(b"x")
    for log, words in (
        (lying_log(Link(1, "PK-2")), "step 6: entry 1 of 1 does not name pack PK-1"),
        (lying_log(Link(2, "PK-1", 0, leaf)), "step 6: entry 1 of 1 says it is 2"),
        (lying_log(Link(1, "PK-1", 0, leaf)), "step 7: the first entry names one before it"),
        (lying_log(Link(1, "PK-1", 0)), "step 7"),
        (lying_log(Link(1, "PK-1", None, leaf)), "step 7"),
        (lying_log(Link(1, "PK-1"), Link(2, "PK-1"), count=2), "step 6: entry 2 of 2 names none"),
        (
            lying_log(Link(1, "PK-1"), Link(2, "PK-1", 2, leaf), count=2),
            "step 6: entry 2 of 2 names none",
        ),
    ):
        refused(log.history("PK-1"), "PK-1", words)
    shifted = lying_log(Link(1, "PK-1"))
    shifted.claim(HistoryRow(1, 0, leaf_hash(shifted.entries[1]), "PK-1"))
    shifted.map()
    refused(shifted.history("PK-1"), "PK-1", "step 5: entry 1 of 1 is not the one")


def test_step_8_an_opening_is_what_its_entry_committed_to():
    log = ChainedLog()
    at = log.add("PK-1", opened=(SECRET,))
    plain = log.add("PK-1")
    log.map()
    long = Opening("amount_minor", bytes(17), msgspec.Raw(b"1250"))
    for shown, words in (
        ({at: (open_field("amount_minor", SECRET.salt, 1_251),)}, "did not commit"),
        ({at: (open_field("amount", SECRET.salt, 1_250),)}, "did not commit"),
        ({at: (open_field("amount_minor", bytes(16), 1_250),)}, "did not commit"),
        ({at: (long,)}, "a salt has 16 bytes"),
        ({at: (Opening("Amount", SECRET.salt, SECRET.value),)}, "a field name matches"),
        ({plain: (SECRET,)}, f"entry {plain} did not commit"),
        ({99: (SECRET,)}, "which is not in the file"),
    ):
        refused(log.history("PK-1", shown), "PK-1", f"step 8: .*{words}")


def test_what_is_shown_as_later_stands_in_the_log_and_follows(log):
    history = log.history("PK-B")
    first, second = history.after
    place = "after the map: entry "
    for after, words in (
        ((second,), f"{place}6 of the pack does not follow"),
        ((first, first), f"{place}7 of the pack does not follow"),
        ((second, first), f"{place}6 of the pack does not follow"),
        ((log.part(2),), f"{place}6 of the pack is not after it"),
        ((log.part(15),), f"{place}6 of the pack does not name"),
        ((replace(first, path=second.path),), f"{place}6 of the pack: step E"),
        ((replace(first, entry=b""),), f"{place}6 of the pack: an entry has"),
        ((replace(first, entry=second.entry),), f"{place}6 of the pack does not follow"),
    ):
        refused(replace(history, after=after), "PK-B", words)
    check(replace(history, after=(first,)), "PK-B")
