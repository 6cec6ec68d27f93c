"""Notes, keys, policies and proofs of one entry, as the strangers' verifier reads them."""

from hashlib import sha256

import pytest
from msgspec.structs import replace

from ledger.tlog.checkpoint import Checkpoint, sign_checkpoint
from ledger.tlog.note import Ed25519Signer, VerifierKey, format_vkey, sign_note
from ledger.tlog.policy import parse_policy
from mobilegrid import offline_verifier as offline
from tests.support.logs import ORIGIN, SIGNER, VKEY, sample_entries
from tests.support.offline import (
    NOW_S,
    POLICY,
    canonical,
    cosigner,
    ledger_verdict,
    note_over,
    path_of,
    policy_text,
    pq_cosigner,
    seeded_signer,
    text64,
    verdict,
)

ENTRIES = sample_entries(7)
BANK, TRADE, CITY = cosigner("bank"), cosigner("trade"), pq_cosigner("city")
PQ_LOG = pq_cosigner(ORIGIN)
GROUPS = ("group two 2 w1 w2 w3",)
MANY = policy_text(witnesses=(BANK, TRADE, CITY), groups=GROUPS, quorum="two")


def opened(note: bytes, policy: bytes = MANY) -> str:
    parsed = offline.parse_policy(policy)
    return verdict(lambda report: offline.open_checkpoint(note, parsed, NOW_S, report))[0]


# Quorum


@pytest.mark.parametrize(
    ("signers", "answer"),
    [
        ((SIGNER, BANK, TRADE), "ok"),
        ((SIGNER, BANK, CITY), "ok"),
        ((SIGNER, TRADE, CITY, BANK), "ok"),
        ((SIGNER, BANK), "refused"),
        ((SIGNER,), "refused"),
        ((BANK, TRADE, CITY), "refused"),
        ((SIGNER, BANK, BANK), "refused"),
        ((SIGNER, BANK, cosigner("trade", ahead_s=301)), "refused"),
        ((SIGNER, BANK, cosigner("trade", ahead_s=300)), "ok"),
        ((SIGNER, BANK, cosigner("trade", ahead_s=-1_000_000)), "ok"),
        ((SIGNER, BANK, seeded_signer("trade")), "refused"),
    ],
)
def test_two_of_three_witnesses_and_the_log_must_have_signed(signers, answer):
    assert opened(note_over(ENTRIES, signers)) == answer


@pytest.mark.parametrize(
    ("groups", "quorum", "signed", "answer"),
    [
        ((), "w1", (BANK,), "ok"),
        ((), "w1", (TRADE,), "refused"),
        (("group a any w1 w2",), "a", (TRADE,), "ok"),
        (("group a all w1 w2",), "a", (TRADE,), "refused"),
        (("group a any w1 w2", "group b all a w3"), "b", (BANK, CITY), "ok"),
        (("group a any w1 w2", "group b all a w3"), "b", (BANK, TRADE), "refused"),
    ],
)
def test_groups_of_groups_are_counted(groups, quorum, signed, answer):
    policy = policy_text(witnesses=(BANK, TRADE, CITY), groups=groups, quorum=quorum)
    assert opened(note_over(ENTRIES, (SIGNER, *signed)), policy) == answer


def test_the_report_counts_the_witnesses_and_those_it_needs():
    report = offline.Report()
    note = note_over(ENTRIES, (SIGNER, BANK, TRADE, CITY))
    said = offline.open_checkpoint(note, offline.parse_policy(MANY), NOW_S, report)
    assert (report.witnesses_ok, report.witnesses_needed, report.tree_size) == (3, 2, 7)
    assert (said.signed_at, said.witnesses) == (NOW_S, 3)


def test_the_log_may_sign_with_its_second_kind_of_key_alone():
    policy = policy_text(logs=(SIGNER, PQ_LOG))
    assert opened(note_over(ENTRIES, (PQ_LOG,)), policy) == "ok"
    assert opened(note_over(ENTRIES, (pq_cosigner(ORIGIN, ahead_s=301),)), policy) == "refused"


def test_a_key_that_cannot_be_checked_here_is_of_no_use_and_it_says_so(monkeypatch):
    monkeypatch.setattr(offline, "MlDsa44", None)
    note = note_over(ENTRIES, (SIGNER, BANK, CITY))
    policy, report = offline.parse_policy(MANY), offline.Report()
    with pytest.raises(offline.EvidenceRefused, match="quorum"):
        offline.open_checkpoint(note, policy, NOW_S, report)
    assert report.remarks == ["city: ML-DSA-44 cannot be checked here"]
    assert opened(note_over(ENTRIES, (SIGNER, BANK, TRADE, CITY))) == "ok"


@pytest.mark.parametrize(
    "policy",
    [
        b"quorum none",
        b"quorum none\nquorum none\n",
        f"log {VKEY}\n".encode(),
        f"log {VKEY}\nlog {VKEY}\nquorum none\n".encode(),
        f"log {VKEY}\rquorum none\n".encode(),
        policy_text(witnesses=(BANK, BANK)),
        policy_text(witnesses=(SIGNER,)),
        policy_text(logs=(BANK,)),
        policy_text(quorum="w1"),
        policy_text(witnesses=(BANK,), groups=("group w1 any w1",)),
        policy_text(witnesses=(BANK,), groups=("group a any w1 w1",)),
        policy_text(witnesses=(BANK,), groups=("group a 2 w1",)),
        policy_text(witnesses=(BANK,), groups=("group a 0 w1",)),
        policy_text(witnesses=(BANK,), groups=("group a 01 w1",)),
        policy_text(witnesses=(BANK,), groups=("group a any",)),
        policy_text(witnesses=(BANK,), groups=("group a any none",)),
        policy_text(witnesses=(BANK,), groups=("group a any b", "group b any w1")),
        policy_text(witnesses=(BANK,), groups=("group a any w1", "group b any w1")),
        policy_text(witnesses=(BANK,), groups=("group none any w1",)),
        policy_text(witnesses=(BANK,), groups=("witness none x",)),
        b"# only words\n" * 6_000 + b"quorum none\n",
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused(policy):
    assert verdict(lambda _: offline.parse_policy(policy))[0] == "malformed"


def test_a_policy_may_hold_comments_tabs_and_addresses():
    text = f"# ours\n\n log\t{VKEY}  https://log.example.net \nquorum\tnone\n".encode()
    assert offline.parse_policy(text) == POLICY


# Notes


def bent(data: bytes) -> list[bytes]:
    return [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(len(data))]


def test_every_changed_byte_of_a_checkpoint_is_noticed():
    note = note_over(ENTRIES)
    assert opened(note, policy_text()) == "ok"
    assert "ok" not in {opened(each, policy_text()) for each in bent(note)}


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n7\nAAAA\n",
        f"{ORIGIN}\n07\n{text64(bytes(32))}\n",
        f"{ORIGIN}\n+7\n{text64(bytes(32))}\n",
        f"{ORIGIN}\n\u0667\n{text64(bytes(32))}\n",
        f"{ORIGIN}\n9223372036854775808\n{text64(bytes(32))}\n",
        f"{ORIGIN}\n7\n",
        f"\n7\n{text64(bytes(32))}\n",
        f"{ORIGIN}\n7\n{text64(bytes(32))}\nmore\n",
        f"{ORIGIN}\n0\n{text64(bytes(32))}\n",
        f"another.example\n7\n{text64(bytes(32))}\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text):
    note = sign_note(text.encode(), [SIGNER])
    assert opened(note, policy_text()) in {"refused", "malformed"}


def test_a_checkpoint_of_another_log_is_refused_although_its_key_is_known():
    other = Ed25519Signer("other.example", bytes(32))
    note = sign_checkpoint(Checkpoint(ORIGIN, 7, bytes(32)), [other])
    assert opened(note, policy_text(logs=(SIGNER, other))) == "refused"


@pytest.mark.parametrize(
    "vkey", ["", "a+b+c", VKEY[:-1], VKEY.replace("+", "+0", 1), VKEY.replace("log", "lug")]
)
def test_a_vkey_has_one_spelling(vkey):
    assert verdict(lambda _: offline.parse_vkey(vkey))[0] == "malformed"
    assert format_vkey(SIGNER.key) == VKEY
    assert offline.parse_vkey(VKEY).public == SIGNER.key.public_key


# Proofs of one entry


def enveloped(position: int, **more) -> bytes:
    return canonical({"position": position, "kind": "test", **more})


LOG = [enveloped(position) for position in range(7)]


def proof_of(index: int, extra=None, log=LOG) -> bytes:
    shown = {"entry": text64(log[index])} if extra is None else extra
    head = ["c2sp.org/tlog-proof@v1"]
    head += [f"extra {text64(canonical(shown))}"] if shown else []
    head += [f"index {index}", *path_of(index, log)]
    return "\n".join(head).encode() + b"\n\n" + note_over(log)


def proven(data: bytes, **given) -> tuple[str, str]:
    return verdict(lambda report: offline.verify_proof(data, POLICY, NOW_S, report, **given))


@pytest.mark.parametrize("index", range(7))
def test_an_entry_is_proven_and_no_changed_byte_goes_unnoticed(index):
    data = proof_of(index)
    assert proven(data) == ("ok", "")
    assert "ok" not in {proven(each)[0] for each in bent(data)}


def test_an_entry_may_come_from_elsewhere_but_must_be_the_same():
    assert proven(proof_of(3, {})) == ("malformed", "E2")
    assert proven(proof_of(3, {}), entry=LOG[3]) == ("ok", "")
    assert proven(proof_of(3, {}), entry=LOG[4]) == ("refused", "E5")
    assert proven(proof_of(3), entry=LOG[4]) == ("refused", "E2")


@pytest.mark.parametrize(
    ("old", "new", "answer"),
    [
        (b"index 3", b"index 7", ("refused", "E3")),
        (b"index 3", b"index 2", ("refused", "E5")),
        (b"index 3", b"index 03", ("malformed", "")),
        (b"index 3", b"index 99999999999999999999", ("malformed", "")),
        (b"@v1", b"@v2", ("malformed", "")),
        (path_of(3, LOG)[0].encode() + b"\n", b"", ("refused", "E4")),
    ],
)
def test_a_proof_names_the_step_that_failed(old, new, answer):
    assert proven(proof_of(3).replace(old, new, 1)) == answer


@pytest.mark.parametrize(
    "entry",
    [
        b'{"position": 0}',
        b'{"position":1}',
        b'{"position":0,"position":0}',
        b'{"position":0,"x":1.5}',
        b'{"position":true}',
        b"[]",
        b"x",
        b"[" * 5_000,
    ],
)
def test_a_proven_entry_must_be_canonical_and_say_its_own_position(entry):
    assert proven(proof_of(0, log=[entry])) == ("refused", "E6")


def test_disclosed_fields_are_those_the_entry_committed_to():
    salt, name, value = bytes(range(16)), "price", {"minor": 1501, "currency": "EUR"}
    head = b"mobilegrid/field/1\n" + salt + bytes([len(name)]) + name.encode()
    digest = sha256(head + canonical(value)).digest()
    log = [enveloped(0, sealed={name: text64(digest)})]
    opening = {"name": name, "salt": text64(salt), "value": value}

    def shown(*openings) -> tuple[str, str]:
        extra = {"entry": text64(log[0]), "openings": list(openings)}
        return proven(proof_of(0, extra, log))

    assert shown(opening) == ("ok", "")
    assert shown(opening | {"value": {"minor": 1502, "currency": "EUR"}}) == ("refused", "E7")
    assert shown(opening | {"salt": text64(bytes(16))}) == ("refused", "E7")
    assert shown(opening | {"name": "soh"}) == ("refused", "E7")
    assert shown(opening | {"salt": text64(bytes(15))}) == ("malformed", "E7")
    assert shown(opening | {"more": 1}) == ("malformed", "E7")


def as_log(key: VerifierKey, **other: object) -> str:
    return f"log {format_vkey(replace(key, **other))}\n"


def as_witness(key: VerifierKey, short: str = "w1", /, **other: object) -> str:
    return f"witness {short} {format_vkey(replace(key, **other))}\n"


ONE_KEY_TWICE = {
    "a log that is its own witness": (as_log(SIGNER.key), as_witness(SIGNER.key, kind=4)),
    "the same, of ML-DSA": (as_log(PQ_LOG.key), as_witness(PQ_LOG.key)),
    "under another name": (as_log(PQ_LOG.key), as_witness(PQ_LOG.key, "w1", name="bank")),
    "a witness that is a log": (as_witness(BANK.key), as_log(BANK.key, kind=1)),
    "two logs": (as_log(SIGNER.key), as_log(SIGNER.key, name="other.example")),
    "two witnesses": (as_witness(BANK.key), as_witness(BANK.key, "w2", name="other.example")),
}


@pytest.mark.parametrize("lines", ONE_KEY_TWICE.values(), ids=ONE_KEY_TWICE)
def test_one_public_key_has_one_place_and_both_verifiers_say_so(lines):
    one, other = lines
    stranger = as_log(TRADE.key, kind=1)

    def both(*chosen: str) -> set[str]:
        policy = "".join((*chosen, "quorum none\n")).encode()
        mine = verdict(lambda _: offline.parse_policy(policy))[0]
        return {mine, ledger_verdict(lambda: parse_policy(policy))}

    assert both(stranger, one, other) == both(stranger, other, one) == {"malformed"}
    assert both(stranger, one) == both(stranger, other) == {"ok"}
