"""Bills and statements that carry their proof: made by the ledger, recomputed by the strangers."""

import json
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.domain.money.settlement_rows import STATEMENTS
from ledger.exports import _gathered
from ledger.exports.issued import document_payload
from ledger.exports.proven import (
    ProvenBundle,
    prove_bill,
    prove_statement,
    prove_usage,
    write_bundle,
)
from ledger.kernel.errors import Conflict, Malformed, NotFound, Unavailable
from ledger.kernel.hashing import leaf_hash
from ledger.runtime.ledger import accepted, create_ledger
from ledger.runtime.proving import newest_note, sign_checkpoint
from ledger.tlog.checkpoint import Checkpoint, parse_checkpoint
from ledger.tlog.note import parse_note
from mobilegrid import offline_verifier as offline
from tests.support.bundles import DAY, billed, is_good, read, relie, rewrite
from tests.support.ledgers import new_ledger, opening, sqlite_url
from tests.support.logs import ORIGIN, naive_consistency, naive_root
from tests.support.offline import (
    NOW_S,
    POLICY,
    canonical,
    keys_text,
    note_over,
    policy_text,
    seeded_signer,
    sign_document,
    text64,
)
from tests.support.town import requests as town_requests

KEYS = offline.parse_keys(keys_text())
SIGN = sign_document


# What the ledger makes --------------------------------------------------------


def test_every_bill_of_the_day_is_recomputed_to_the_minor_unit(reads, policy, file):
    drivers = {one.event.driver_id for one in billed(reads)}
    assert len(drivers) > 20
    for driver in sorted(drivers):
        assert is_good(prove_bill(reads, driver, DAY), file, policy), driver


def test_every_statement_of_the_day_is_recomputed_to_the_minor_unit(reads, policy, file):
    partners = [row.partner_id for _, row in reads.rows(STATEMENTS)]
    assert len(partners) > 3
    for partner in partners:
        assert is_good(prove_statement(reads, partner, DAY), file, policy), partner


def test_every_usage_is_proven_alone_with_its_place_in_the_invoice(reads, policy, file):
    for one in billed(reads):
        bundle = prove_usage(reads, one.envelope.position)
        assert bundle.manifest["members"]
        assert is_good(bundle, file, policy)


def test_the_same_bundle_is_always_the_same_file(reads, tmp_path):
    for name in ("a.zip", "b.zip"):
        write_bundle(prove_statement(reads, "OP-SUD", DAY), tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with pytest.raises(Unavailable):
        write_bundle(prove_bill(reads, "DR-02", DAY), tmp_path / "a.zip" / "c.zip")


def test_what_is_not_there_cannot_be_proven(reads, monkeypatch):
    with pytest.raises(NotFound):
        prove_bill(reads, "DR-99", DAY)
    with pytest.raises(NotFound):
        prove_statement(reads, "DR-02", DAY)
    with pytest.raises(Malformed, match="not the entry of a billed usage"):
        prove_usage(reads, 0)
    with pytest.raises(Malformed, match="no document"):
        document_payload(reads.entry(0), Checkpoint(ORIGIN, 1, bytes(32)), 0)
    monkeypatch.setattr(_gathered, "ENTRIES_MAX", 5)
    with pytest.raises(Malformed, match="more than 5 entries"):
        prove_bill(reads, "DR-02", DAY)


def test_a_bill_that_is_not_invoiced_or_not_signed_yet(tmp_path):
    *before, last = town_requests()
    with create_ledger(sqlite_url(tmp_path), opening("town")) as town:
        for request in before:
            accepted(town.execute(request))
        with town.reading() as reads, pytest.raises(NotFound, match="no checkpoint"):
            prove_bill(reads, "DR-1", "2024-03")
        signer = seeded_signer(town.name.origin)
        sign_checkpoint(town, signer, NOW_S)
        accepted(town.execute(last))
        with town.reading() as reads:
            with pytest.raises(Conflict, match="not yet"):
                prove_bill(reads, "DR-2", "2024-03")
            bundle = prove_bill(reads, "DR-1", "2024-03")
            usage = prove_usage(reads, bundle.manifest["lines"][0])
    assert (bundle.manifest["documents"], usage.manifest["documents"]) == ([], [])
    policy = offline.parse_policy(policy_text(logs=[signer]))
    assert is_good(bundle, tmp_path / "b.zip", policy)
    assert is_good(usage, tmp_path / "u.zip", policy)


# A messenger that lies: the entries are true, the file around them is not -------


def changes_of(bundle: ProvenBundle) -> list[tuple[dict[str, Any], str]]:
    said = bundle.manifest
    figures = [said["figures"][0] | {"net_minor": said["figures"][0]["net_minor"] + 1}]
    cheap = [row | {"rate_bp": 0} for row in said["tax"]]
    return [
        ({"t": "mobilegrid/proven/2"}, "M1"),
        ({"kind": "gift"}, "M1"),
        ({"positions": said["positions"][:-1]}, "M1"),
        ({"positions": said["positions"][::-1]}, "M1"),
        ({"positions": [place + 1 for place in said["positions"]]}, "M2"),
        ({"hashes": said["hashes"][1:]}, "M2"),
        ({"hashes": [*said["hashes"], text64(bytes(32))]}, "M2"),
        ({"party": "DR-99"}, "M4"),
        ({"kind": "statement"}, "M4"),
        ({"lines": []}, "M3"),
        ({"lines": [*said["lines"], *said["lines"]]}, "M3"),
        ({"lines": [said["positions"][0]]}, "M4"),
        ({"lines": [10**6]}, "M4"),
        ({"tax": []}, "M4"),
        ({"figures": figures}, "M5"),
        ({"tax": cheap}, "M6"),
        ({"documents": said["lines"]}, "M6"),
        ({"documents": [10**6]}, "M6"),
        ({"documents": None}, "M5"),
    ]


@pytest.mark.parametrize("number", range(19))
def test_a_changed_manifest_is_found(bill, policy, file, number):
    change, step = changes_of(bill)[number]
    rewrite(bill, file, **change)
    answer, failed = read(file, policy)
    assert answer != "ok"
    assert failed == step


def test_a_left_out_line_no_longer_makes_the_invoice(reads, policy, file):
    bundle = next(
        bundle
        for bundle in (prove_bill(reads, one.event.driver_id, DAY) for one in billed(reads))
        if len(bundle.manifest["lines"]) > 1
    )
    lines = bundle.manifest["lines"][:1]
    net = msgspec.json.decode(bundle.entries[bundle.manifest["positions"].index(lines[0])])
    figures = [{"currency": "EUR", "line_count": 1, "net_minor": net["body"]["net_minor"]}]
    rewrite(bundle, file, lines=lines, figures=figures)
    assert read(file, policy) == ("refused", "M6")


def test_every_left_out_or_changed_entry_is_found(bill, policy, file):
    for place in range(len(bill.entries)):
        less = bill.entries[:place] + bill.entries[place + 1 :]
        rewrite(bill, file, less)
        assert read(file, policy)[0] == "malformed"
        changed = bill.entries[place].replace(b"1", b"2", 1)
        rewrite(bill, file, (*bill.entries[:place], changed, *bill.entries[place + 1 :]))
        assert read(file, policy) == ("refused", "M2")


def test_a_usage_is_at_its_place_in_the_invoice_and_nowhere_else(reads, policy, file):
    bundle = prove_usage(reads, billed(reads)[0].envelope.position)
    member = bundle.manifest["members"][0]
    for bad in (
        [],
        [member, member],
        [member | {"index": member["index"] + 1}],
        [member | {"index": -1}],
        [member | {"path": [*member["path"], text64(bytes(32))]}],
    ):
        rewrite(bundle, file, members=bad)
        assert read(file, policy) == ("refused", "M6")


# Signed documents in a bundle ---------------------------------------------------


def test_a_signed_statement_is_checked_with_the_keys_of_the_partner(reads, policy, file):
    bundle = prove_statement(reads, "OP-SUD", DAY, sign=SIGN)
    write_bundle(bundle, file)
    assert read(file, policy, KEYS) == ("ok", "")
    assert read(file, policy) == ("ok", "")
    assert read(file, policy, {}) == ("refused", "D2")
    bill = prove_bill(reads, billed(reads)[0].event.driver_id, DAY, sign=SIGN)
    assert bill.documents
    write_bundle(bill, file)
    assert read(file, policy, KEYS) == ("ok", "")


def test_a_signed_document_that_says_something_else_is_found(reads, policy, file):
    bundle = prove_statement(reads, "OP-SUD", DAY)
    place = bundle.manifest["documents"][0]
    said = parse_checkpoint(parse_note(newest_note(reads)).text)
    true = json.loads(document_payload(reads.entry(place), said, 0))
    for change in (
        {"document_id": "STM-9"},
        {"figures": true["figures"] | {"to_position": 1}},
        {"checkpoint": true["checkpoint"] | {"root": text64(bytes(32))}},
        {"checkpoint": true["checkpoint"] | {"origin": "other.example"}},
        {"checkpoint": true["checkpoint"] | {"size": place}},
        {"checkpoint": true["checkpoint"] | {"size": said.size - 1}},
    ):
        jws = sign_document("mobilegrid-statement+jws", canonical(true | change))
        write_bundle(msgspec.structs.replace(bundle, documents={place: jws}), file)
        assert read(file, policy, KEYS) == ("refused", "M7"), change
    jws = sign_document("mobilegrid-sla+jws", canonical(true))
    write_bundle(msgspec.structs.replace(bundle, documents={place: jws}), file)
    assert read(file, policy, KEYS) == ("refused", "D2")
    write_bundle(msgspec.structs.replace(bundle, documents={place + 1: jws}), file)
    assert read(file, policy, KEYS)[0] == "malformed"


def test_a_document_signed_over_an_older_checkpoint_needs_a_proof_of_growth(reads, log, file):
    bundle = prove_statement(reads, "OP-SUD", DAY)
    place = bundle.manifest["documents"][0]
    leaves = [leaf_hash(entry) for entry in log]
    old = Checkpoint(ORIGIN, place + 1, naive_root(leaves[: place + 1]))
    jws = sign_document("mobilegrid-statement+jws", document_payload(reads.entry(place), old, 0))
    path = [text64(each) for each in naive_consistency(old.size, leaves)]
    relie(bundle, log, {}, file)
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    for paths, answer in (({str(place): path}, "ok"), ({}, "refused"), (None, "refused")):
        more = {} if paths is None else {"consistency": paths}
        again = ProvenBundle(manifest | more, note_over(log), bundle.entries, {place: jws})
        write_bundle(again, file)
        assert read(file, POLICY, KEYS)[0] == answer


# Files that are no bundles ------------------------------------------------------


def test_a_file_that_is_no_bundle_is_malformed(bill, policy, file):
    write_bundle(bill, file)
    whole = file.read_bytes()
    for data in (b"", b"PK", whole[:-30], whole[: len(whole) // 2], b"x" * 1000):
        file.write_bytes(data)
        assert read(file, policy)[0] == "malformed"


def zipped(file: Path, members: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_lack_or_are_not_known_are_malformed(bill, policy, file):
    good = [
        ("manifest.json", canonical(bill.manifest)),
        ("checkpoint", bill.checkpoint),
        ("entries.jsonl", b"".join(entry + b"\n" for entry in bill.entries)),
    ]
    zipped(file, good)
    assert read(file, policy) == ("ok", "")
    for members in (
        good[1:],
        [*good, ("more", b"")],
        [*good, ("document-x.jws", b"")],
        [*good, ("document-01.jws", b"")],
        [*good, good[0]],
        [("manifest.json", b"[]"), *good[1:]],
        [("manifest.json", b"{}"), *good[1:]],
        [("manifest.json", canonical(bill.manifest) + b" "), *good[1:]],
        [*good[:2], ("entries.jsonl", good[2][1][:-1])],
        [*good[:2], ("entries.jsonl", b"")],
    ):
        zipped(file, members)
        assert read(file, policy)[0] == "malformed"


def test_a_bundle_too_large_to_unpack_is_malformed(bill, policy, file, monkeypatch):
    write_bundle(bill, file)
    monkeypatch.setattr(offline, "FILE_BYTES_MAX", 1_000)
    assert read(file, policy) == ("malformed", "M1")


def test_no_changed_byte_of_the_file_makes_another_bill(bill, policy, file):
    write_bundle(bill, file)
    whole = file.read_bytes()
    answers = set()
    for at in range(0, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        answers.add(read(file, policy)[0])
    assert answers <= {"ok", "malformed", "refused"}
    assert "malformed" in answers


def test_an_empty_ledger_has_no_bill(tmp_path):
    with (
        new_ledger(sqlite_url(tmp_path)) as ledger,
        ledger.reading() as reads,
        pytest.raises(NotFound),
    ):
        prove_bill(reads, "DR-1", "2024-03")
