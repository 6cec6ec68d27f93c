"""Two verifiers, written apart, agree on documents, histories and whole logs that were bent."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.exports.log import directory_reader, export_log, read_file
from ledger.signer.documents import verify_document
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.history import verify_complete_history
from ledger.tlog.tiles import ENTRIES, Tile, tile_width
from ledger.tlog.verify import check_entries, check_tiles
from mobilegrid import offline_verifier as offline
from tests.support.histories import Town
from tests.support.logs import ORIGIN, VERIFIER, list_source, sample_entries
from tests.support.mutants import mutated
from tests.support.offline import (
    NOW_S,
    POLICY,
    canonical,
    keys_text,
    ledger_verdict,
    sign_document,
    text64,
    verdict,
)

# Documents --------------------------------------------------------------------

KEYS = offline.parse_keys(keys_text())
TYP = "mobilegrid-statement+jws"
PAYLOAD = {
    "checkpoint": {"origin": ORIGIN, "root": text64(bytes(32)), "size": 9},
    "document_id": "STM-1",
    "figures": {"line_count": 2},
    "issued_at": 1,
}
SMALL = st.integers(-2, 2**53) | st.sampled_from(["", "STM-2", "x" * 129, True, []])
CHANGED = st.dictionaries(
    st.sampled_from(["document_id", "issued_at", "replaces", "checkpoint", "more"]), SMALL
)
TYPES = st.sampled_from([TYP, TYP, "mobilegrid-sla+jws"])


def both_read(jws: str) -> tuple[str, str]:
    mine = verdict(lambda report: offline.verify_document(jws.encode(), KEYS, report, {TYP}))
    return mine[0], ledger_verdict(lambda: verify_document(jws, KEYS, TYP))


@given(TYPES, CHANGED)
def test_both_read_the_same_documents(typ, changes):
    mine, ours = both_read(sign_document(typ, canonical(PAYLOAD | changes)))
    assert (mine == "ok") == (ours == "ok")


@given(mutated(sign_document(TYP, canonical(PAYLOAD)).encode()))
@settings(max_examples=200)
def test_both_find_the_same_letters_changed_in_a_document(data):
    jws = data.decode("latin-1")
    mine, ours = both_read(jws)
    assert (mine == "ok") == (ours == "ok")


# Histories --------------------------------------------------------------------

HISTORIES = [canonical(Town("abacabb", "ab").bundle(pack)) for pack in ("PK-a", "PK-b", "PK-x")]


@given(st.sampled_from(HISTORIES).flatmap(mutated), st.sampled_from(["PK-a", "PK-b", "PK-x"]))
@settings(max_examples=300)
def test_both_believe_the_same_histories(data, pack):
    mine = verdict(lambda report: offline.verify_history(data, POLICY, NOW_S, report, pack))
    ours = ledger_verdict(lambda: verify_complete_history(data, ORIGIN, [VERIFIER], pack))
    assert (mine[0] == "ok") == (ours == "ok")


# Whole logs -------------------------------------------------------------------


def audit_by_ledger(folder: Path) -> None:
    signed = open_checkpoint((folder / "checkpoint").read_bytes(), ORIGIN, [VERIFIER])
    size = signed.checkpoint.size
    read_tile = directory_reader(folder, size)
    check_tiles(signed, read_tile)
    for number in range(-(-size // 256)):
        width = tile_width(size, 0, number)
        bundle = read_file(folder, Tile(ENTRIES, number, width))
        tile = read_tile(0, number, width)
        check_entries(number, bundle, tile)


def audit_by_stranger(folder: Path, report: offline.Report) -> None:
    for _ in offline.verify_tiles(folder, POLICY, NOW_S, report):
        pass


def files_of(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


@given(st.sampled_from([1, 13, 256, 300, 600]), st.data())
@settings(max_examples=60)
def test_both_accept_the_same_logs(size, data):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "log"
        export_log(list_source(sample_entries(size)), folder)
        path = data.draw(st.sampled_from(list(files_of(folder))))
        path.write_bytes(data.draw(mutated(path.read_bytes())))
        mine = verdict(lambda report: audit_by_stranger(folder, report))[0]
        ours = ledger_verdict(lambda: audit_by_ledger(folder))
        assert (mine == "ok") == (ours == "ok")
