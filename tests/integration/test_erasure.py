"""Erased persons are in no byte of anything that is written, and every older proof still holds.

The full run takes as many persons as MOBILEGRID_ERASURE_SUBJECTS says; the suite a few.
"""

import os
from pathlib import Path
from random import Random  # noqa: TID251  seeded below
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.exports.books import export_books
from ledger.exports.log import export_log
from ledger.kernel.errors import Conflict, Malformed, NotFound, ProofInvalid, TamperEvidence
from ledger.kernel.sealing import commitment
from ledger.runtime.erasure_certificate import (
    DOCUMENT_TYPE,
    check_certificate,
    make_certificate,
    payload_of,
    sign_certificate,
)
from ledger.runtime.proving import prove_entries, sign_checkpoint, signed_log, verify_bundle
from ledger.runtime.reads import decode
from ledger.runtime.sweeping import files_below, sweep
from ledger.runtime.verify import verify
from ledger.signer.client import LocalSigner
from ledger.signer.documents import thumbprint, verify_document
from ledger.tlog.note import Ed25519Signer, Ed25519Verifier
from tests.support.erasing import People
from tests.support.heads import Heads

COUNT = int(os.environ.get("MOBILEGRID_ERASURE_SUBJECTS", "24"))
SIGNER = Ed25519Signer("log.example.net/log/test", bytes(range(32)))
VERIFIERS = [Ed25519Verifier(SIGNER.key)]


@pytest.fixture
def people(tmp_path):
    exports = tmp_path / "exports"
    exports.mkdir()
    town, vault = tmp_path / "town.db", tmp_path / "vault.db"
    made = People(f"sqlite:///{town}", f"sqlite:///{vault}", [exports])
    yield made
    made.close()


def export(people: People) -> None:
    sign_checkpoint(people.ledger, SIGNER, people.clock.now())
    folder = people.places[0]
    with people.ledger.reading() as reads:
        export_log(signed_log(reads), folder / "tiles")
        export_books(reads, folder / "books", None)


def test_no_byte_of_an_erased_person_is_left_and_all_proofs_hold(people, tmp_path):
    chance = Random(2026)
    marks: dict[str, list[bytes]] = {}
    for number in range(COUNT + COUNT // 4):
        mail, plate = (f"PLANTED-{chance.randbytes(9).hex()}" for _ in range(2))
        subject = people.register(number, email=mail, plate=plate)
        marks[subject] = [mail.encode(), plate.encode()]
    export(people)
    with people.ledger.reading() as reads:
        size = reads.size
    positions = sorted(chance.sample(range(size), min(size, 200)))
    proofs = list(prove_entries(people.ledger, positions))
    people.vault.database.empty_log()
    backup = people.vault.database.file.read_bytes()

    erased = chance.sample(sorted(marks), COUNT)
    sealed = {}
    for subject in erased:
        wrapped = _sealed_keys(people, subject)
        row = people.erase(subject)
        assert row.erased_purposes == ("contact", "invoice")
        sealed[subject] = wrapped
    export(people)

    needles = [mark for subject in erased for mark in marks[subject]]
    needles += [key for subject in erased for key in sealed[subject]]
    everything = files_below([tmp_path])
    found = sweep(everything, needles)
    assert found.found == ()
    assert found.bytes_read > 100_000
    # the control: the same sweep finds what is there
    assert _in_backup(backup, sealed[erased[0]], tmp_path)
    ids = sweep(people.vault.database.files(), [subject.encode() for subject in erased])
    assert ids.found == ()

    for subject in erased:
        with pytest.raises(NotFound):
            people.vault.read(subject, "contact")
    for subject in set(marks) - set(erased):
        assert people.vault.read(subject, "contact")["email"].encode() == marks[subject][0]
    for position, proof in zip(positions, proofs, strict=True):
        assert verify_bundle(proof, VERIFIERS).position == position
    with people.ledger.reading() as reads:
        assert verify(reads, deep=True).size == size + 2 * COUNT
        assert people.erasing.sweep().completed == ()


def _sealed_keys(people: People, subject: str) -> list[bytes]:
    """Read the sealed keys as the holder of the file would."""
    with people.vault.database.reader.connect() as tx:
        rows = tx.exec_driver_sql(
            "SELECT wrapped FROM subject_key WHERE subject = ?", (subject,)
        ).scalars()
        return [bytes(row) for row in rows]


def _in_backup(backup: bytes, keys: list[bytes], folder: Path) -> bool:
    file = folder / "backup.db"
    file.write_bytes(backup)
    found = sweep([file], keys).found
    file.unlink()
    return len(found) == len(keys) == 2


def test_a_field_of_a_person_can_be_shown_against_the_log_until_the_erasure(people):
    subject = people.register()
    openings = {each.name: each for each in people.vault.openings(subject, "contact")}
    sign_checkpoint(people.ledger, SIGNER, 0)
    proof = next(prove_entries(people.ledger, [2]))
    entry = decode(verify_bundle(proof, VERIFIERS).entry)
    assert entry.envelope.kind == "subject.registered"
    assert entry.envelope.sealed["email"] == commitment(openings["email"])
    assert b"zoe@" not in entry.data
    people.erase(subject)
    with pytest.raises(NotFound):
        people.vault.openings(subject, "contact")
    assert verify_bundle(proof, VERIFIERS).position == 2


# The certificate


def certified(people: People) -> tuple[str, bytes]:
    subject = people.register(keep_until=people.clock.now() + 1)
    people.erase(subject)
    sign_checkpoint(people.ledger, SIGNER, 0)
    return subject, payload_of(make_certificate(people.ledger, subject))


def test_the_person_takes_a_certificate_home_that_anybody_can_check(people):
    subject, payload = certified(people)
    said = check_certificate(payload, VERIFIERS)
    assert (said.subject, said.reason, said.purposes) == (subject, "person_asked", ("contact",))
    assert [(kept.purpose, kept.until) for kept in said.kept] == [
        ("invoice", people.clock.now() + 1)
    ]
    assert said.ordered.position < said.erased.position < said.checkpoint.size
    assert payload_of(make_certificate(people.ledger, subject)) == payload


def test_a_certificate_is_signed_as_a_document_of_its_checkpoint(people):
    asked = []

    class Device:
        def sign_document(self, typ, payload, key, size, root):
            asked.append((typ, payload, key, size, root))
            return "head.payload.signature"

    subject, payload = certified(people)
    certificate = make_certificate(people.ledger, subject)
    assert sign_certificate(certificate, Device()) == "head.payload.signature"
    said = certificate.checkpoint
    assert asked == [("mobilegrid-certificate+jws", payload, "certificates", said.size, said.root)]


def test_the_log_s_own_signer_signs_the_certificate(tmp_path):
    heads = Heads(f"sqlite:///{tmp_path / 'town.db'}", tmp_path)
    people = People(heads.ledger, f"sqlite:///{tmp_path / 'vault.db'}")
    subject = people.register()
    people.erase(subject)
    heads.checkpointer.round()
    certificate = make_certificate(people.ledger, subject)
    jws = sign_certificate(certificate, LocalSigner(heads.bench.handler))
    assert jws == sign_certificate(certificate, LocalSigner(heads.bench.handler))
    keys = {
        thumbprint(key.public_key): key.public_key
        for key in heads.bench.keyring.public_keys()
        if key.label.startswith("certificates")
    }
    document = verify_document(jws, keys, DOCUMENT_TYPE)
    assert check_certificate(document.payload, heads.parts.verifiers).subject == subject
    heads.grow(1)
    heads.checkpointer.round()
    later = make_certificate(people.ledger, subject)
    assert later.document_id != certificate.document_id
    assert sign_certificate(later, LocalSigner(heads.bench.handler)) != jws
    people.vault.close()
    heads.close()


def test_there_is_no_certificate_before_the_end(people):
    subject = people.register()
    with pytest.raises(NotFound, match="no erasure of"):
        make_certificate(people.ledger, subject)
    people.erasing.order(people.asked(subject))
    with pytest.raises(NotFound, match="no erasure of"):
        make_certificate(people.ledger, subject)
    sign_checkpoint(people.ledger, SIGNER, 0)
    people.erase(subject)
    with pytest.raises(Conflict, match="not yet"):
        make_certificate(people.ledger, subject)


def test_a_certificate_that_was_changed_does_not_hold(people):
    _, payload = certified(people)
    _, other = certified(people)
    said, strange = check_certificate(payload, VERIFIERS), check_certificate(other, VERIFIERS)
    changes: list[dict[str, Any]] = [
        {"subject": "DR-9"},
        {"reason": "contract_ended"},
        {"kept": ()},
        {"purposes": ("contact", "invoice")},
        {"purposes": ()},
        {"erased": said.ordered},
        {"ordered": said.erased},
        {"ordered": replace(said.ordered, at=1)},
        {"ordered": replace(said.ordered, position=1)},
        {"ordered": replace(said.ordered, proof=strange.ordered.proof)},
        {"checkpoint": replace(said.checkpoint, size=1)},
        {"checkpoint": strange.checkpoint},
        {"erased": strange.erased},
    ]
    for change in changes:
        with pytest.raises((ProofInvalid, TamperEvidence)):
            check_certificate(payload_of(replace(said, **change)), VERIFIERS)
    for data in (b"{}", payload + b" ", payload_of(replace(said, t="x")), b"\xff"):
        with pytest.raises(Malformed):
            check_certificate(data, VERIFIERS)
    mixed = replace(strange, ordered=said.ordered, subject=said.subject)
    with pytest.raises(ProofInvalid):
        check_certificate(payload_of(mixed), VERIFIERS)
