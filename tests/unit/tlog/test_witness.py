"""What a witness answers, in the order of the protocol, and what it keeps as evidence."""

from base64 import b64encode

import pytest

from ledger.kernel.errors import CheckpointInvalid, Malformed, Misconfigured, SignatureInvalid
from ledger.kernel.hashing import EMPTY_ROOT
from ledger.tlog.checkpoint import Checkpoint, sign_checkpoint
from ledger.tlog.cosign import CosignerV1, signed_at, verifier_for
from ledger.tlog.note import (
    Ed25519Signer,
    Note,
    Signature,
    Signer,
    format_lines,
    format_note,
    parse_lines,
    parse_note,
)
from ledger.tlog.witness import (
    PLAIN_TYPE,
    SIZE_TYPE,
    Accepted,
    AddCheckpoint,
    Refusal,
    add_lines,
    cosign,
    format_request,
    known_lines,
    open_held,
    origin_hash,
    parse_request,
    parse_size,
)
from tests.support.logs import ORIGIN, SIGNER, VERIFIER, naive_root
from tests.support.witnesses import (
    NOW_S,
    MemoryWitness,
    branch,
    cosigner,
    log_note,
    path_between,
    pq_cosigner,
    request_for,
)

TRUE, FORK = branch(20), branch(20, fork_at=10)
NOTE = log_note(TRUE[:13])
TEXT = parse_note(NOTE).text
WITNESS = cosigner(0)


def holding(size: int) -> MemoryWitness:
    """A witness that has signed the sample log at a size; 0 means never."""
    witness = MemoryWitness(WITNESS)
    if size:
        assert witness.add_checkpoint(request_for(TRUE[:size], 0))[0] == 200
    return witness


def asked(note: bytes, old: int, path=()) -> bytes:
    return format_request(AddCheckpoint(old, tuple(path), note))


def saying(size: int, root: bytes, *more: str) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, size, root, more), [SIGNER])


# Requests -------------------------------------------------------------------------------------


def test_a_request_is_the_old_size_the_proof_and_the_checkpoint():
    body = request_for(TRUE[:13], 8)
    path = path_between(TRUE[:13], 8)
    lines = "".join(f"{b64encode(each).decode()}\n" for each in path)
    assert body == f"old 8\n{lines}\n".encode() + NOTE
    assert parse_request(body) == AddCheckpoint(8, path, NOTE)


HASH = b64encode(bytes(32)) + b"\n"
UNPARSABLE = {
    "nothing": b"",
    "no empty line": b"old 0\n",
    "no old size": HASH + b"\n" + NOTE,
    "an old size with a plus": b"old +1\n\n" + NOTE,
    "an old size with a zero before": b"old 01\n\n" + NOTE,
    "an old size with a space": b"old  1\n\n" + NOTE,
    "an old size out of range": b"old 9223372036854775808\n\n" + NOTE,
    "a carriage return": b"old 0\r\n\n" + NOTE,
    "a hash of 31 bytes": b"old 1\n" + b64encode(bytes(31)) + b"\n\n" + NOTE,
    "a hash without padding": b"old 1\n" + HASH.replace(b"=", b"") + b"\n" + NOTE,
    "64 hashes": b"old 1\n" + HASH * 64 + b"\n" + NOTE,
    "not ASCII": "old \u0661\n\n".encode() + NOTE,
    "no signature": b"old 0\n\n" + TEXT,
    "no checkpoint": b"old 0\n\nhello\n\n" + NOTE.rpartition(b"\n\n")[2],
    "too long": b"old 0\n\n" + NOTE + b"x" * 200_000,
}


@pytest.mark.parametrize("case", UNPARSABLE)
def test_a_request_is_answered_with_400_when_it_is(case):
    with pytest.raises(Malformed):
        parse_request(UNPARSABLE[case])
    answer = MemoryWitness().decide(UNPARSABLE[case])
    assert isinstance(answer, Refusal)
    assert (answer.status, answer.content_type, answer.evidence) == (400, PLAIN_TYPE, None)


def test_63_hashes_are_read():
    body = b"old 1\n" + HASH * 63 + b"\n" + NOTE
    assert format_request(parse_request(body)) == body


def test_a_request_that_cannot_be_read_is_not_written():
    with pytest.raises(Malformed):
        format_request(AddCheckpoint(-1, (), NOTE))


# Decisions ------------------------------------------------------------------------------------

STRANGER = Ed25519Signer(ORIGIN, b"s" * 32)
OTHER_LOG = Ed25519Signer("other.example.net", b"o" * 32)
WRONG_LINE = format_note(
    Note(TEXT, (Signature(ORIGIN, SIGNER.key.key_id, SIGNER.sign(b"another\n")),))
)
LONGER = path_between(TRUE[:13], 8)

# what is asked, of a witness that signed which size: status, body, reason of the evidence
DECISIONS = {
    "unknown log": (
        asked(sign_checkpoint(Checkpoint(OTHER_LOG.key.name, 13, bytes(32)), [OTHER_LOG]), 0),
        0,
        (404, "this log is not known here\n", ""),
    ),
    "unknown log, before its signature is looked at": (
        asked(NOTE.replace(ORIGIN.encode(), b"x.example"), 99),
        0,
        (404, "this log is not known here\n", ""),
    ),
    "signed by a stranger": (
        asked(log_note(TRUE[:13], signers=[STRANGER]), 0),
        0,
        (403, "no known key signed this note\n", ""),
    ),
    "a trusted line that fails": (
        asked(WRONG_LINE, 0),
        0,
        (403, f"the signature of {ORIGIN} is wrong\n", ""),
    ),
    "a trusted line twice": (
        asked(log_note(TRUE[:13], signers=[SIGNER, SIGNER]), 0),
        0,
        (403, f"two signatures of {ORIGIN}\n", ""),
    ),
    "403 goes before 400": (
        asked(log_note(TRUE[:13], signers=[STRANGER]), 14),
        8,
        (403, "no known key signed this note\n", ""),
    ),
    "old larger than the checkpoint": (
        asked(NOTE, 14),
        14,
        (400, "the old size is the larger one\n", ""),
    ),
    "400 goes before 409": (asked(NOTE, 14), 8, (400, "the old size is the larger one\n", "")),
    "another old size": (asked(NOTE, 7, LONGER), 8, (409, "8\n", "")),
    "an old size where none was signed": (asked(NOTE, 8, LONGER), 0, (409, "0\n", "")),
    "no old size where one was signed": (asked(NOTE, 0), 8, (409, "8\n", "")),
    "409 goes before 422": (asked(NOTE, 7, [bytes(32)]), 8, (409, "8\n", "")),
    "a smaller checkpoint than was signed": (asked(log_note(TRUE[:5]), 5), 8, (409, "8\n", "")),
    "an empty log with a root": (
        asked(saying(0, bytes(32)), 0),
        0,
        (422, "an empty log with a root\n", "an empty log with a root"),
    ),
    "a proof from size 0": (
        asked(NOTE, 0, [bytes(32)]),
        0,
        (422, "a proof where none belongs\n", ""),
    ),
    "a proof to the same size": (
        asked(log_note(TRUE[:8]), 8, [bytes(32)]),
        8,
        (422, "a proof where none belongs\n", ""),
    ),
    "one size, other root": (
        asked(log_note(FORK[:13]), 13),
        13,
        (422, "two roots of one size\n", "two roots of one size"),
    ),
    "one size, other root, asked with another old size": (
        asked(log_note(FORK[:13]), 8),
        13,
        (409, "13\n", "two roots of one size"),
    ),
    "one size, other root, asked with a larger old size": (
        asked(log_note(FORK[:13]), 14),
        13,
        (400, "the old size is the larger one\n", "two roots of one size"),
    ),
    "a proof that is too short": (
        asked(NOTE, 8, LONGER[:-1]),
        8,
        (422, None, "not proven to continue size 8"),
    ),
    "a log that forked": (
        asked(log_note(FORK[:14]), 12, path_between(FORK[:14], 12)),
        12,
        (422, None, "not proven to continue size 12"),
    ),
    "an empty log with a root, asked of one who signed more": (
        asked(saying(0, bytes(32)), 0),
        8,
        (409, "8\n", "an empty log with a root"),
    ),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_a_witness_refuses(case):
    body, size, (status, text, reason) = DECISIONS[case]
    witness = holding(size)
    before = dict(witness.held)
    answer = witness.decide(body)
    assert isinstance(answer, Refusal)
    assert answer.status == status
    assert text is None or answer.body == text
    assert answer.content_type == (SIZE_TYPE if status == 409 else PLAIN_TYPE)
    assert witness.held == before
    if not reason:
        assert answer.evidence is None
        return
    assert answer.evidence is not None
    assert (answer.evidence.origin, answer.evidence.reason) == (ORIGIN, reason)
    assert answer.evidence.held == (before[ORIGIN].note if before else b"")
    assert answer.evidence.note == parse_request(body).note


@pytest.mark.parametrize("old", range(14))
def test_a_witness_signs_what_continues_what_it_signed(old):
    witness = holding(old)
    answer = witness.decide(request_for(TRUE[:13], old))
    assert isinstance(answer, Accepted)
    assert answer.replaces == witness.held.get(ORIGIN)
    assert answer.signed.checkpoint == Checkpoint(ORIGIN, 13, naive_root(TRUE[:13]))


def test_an_empty_log_is_signed_and_grows_without_a_proof():
    witness = MemoryWitness(WITNESS)
    empty = asked(saying(0, EMPTY_ROOT), 0)
    assert witness.add_checkpoint(empty)[0] == 200
    assert witness.add_checkpoint(empty)[0] == 200
    assert witness.add_checkpoint(asked(NOTE, 0, [bytes(32)]))[0] == 422
    assert witness.add_checkpoint(asked(NOTE, 0))[0] == 200


def test_the_same_checkpoint_is_signed_again_with_a_new_time():
    times = iter((NOW_S, NOW_S + 5))
    witness = MemoryWitness(cosigner(0, lambda: next(times)))
    bodies = [witness.add_checkpoint(request_for(TRUE[:13], old))[1] for old in (0, 13)]
    assert [signed_at(parse_lines(body)[0].payload) for body in bodies] == [NOW_S, NOW_S + 5]


def test_lines_of_strangers_are_neither_held_nor_kept_as_evidence():
    witness = MemoryWitness(WITNESS)
    noisy = log_note(TRUE[:13], signers=[SIGNER, STRANGER, OTHER_LOG])
    assert witness.add_checkpoint(asked(noisy, 0))[0] == 200
    assert [line.name for line in parse_note(witness.held[ORIGIN].note).signatures] == [
        ORIGIN,
        WITNESS.key.name,
    ]
    forked = log_note(FORK[:13], signers=[STRANGER, SIGNER])
    answer = witness.decide(asked(forked, 13))
    assert isinstance(answer, Refusal)
    assert answer.evidence is not None
    assert answer.evidence.note == log_note(FORK[:13])


# Answers --------------------------------------------------------------------------------------


def test_the_answer_is_a_line_for_each_key_and_the_note_held_has_them_all():
    signers: list[Signer] = [cosigner(0), pq_cosigner("w0.example.net")]
    witness = MemoryWitness(*signers)
    status, body = witness.add_checkpoint(request_for(TRUE[:13], 0))
    assert status == 200
    assert witness.held[ORIGIN].note == NOTE + body
    lines = known_lines(TEXT, body, witness.own, NOW_S)
    assert [(line.name, line.key_id) for line in lines] == [
        (each.key.name, each.key.key_id) for each in signers
    ]


def test_a_checkpoint_with_extension_lines_is_signed_by_the_type_that_covers_them():
    witness = MemoryWitness(pq_cosigner("w0.example.net"), cosigner(0))
    status, body = witness.add_checkpoint(asked(saying(13, bytes(32), "more"), 0))
    assert status == 200
    assert [len(line.payload) for line in parse_lines(body)] == [72]
    lonely = MemoryWitness(pq_cosigner("w0.example.net"))
    decided = lonely.decide(asked(saying(13, bytes(32), "more"), 0))
    assert isinstance(decided, Accepted)
    with pytest.raises(Misconfigured, match="type 0x04"):
        cosign(decided.signed, lonely.signers)


def test_what_is_held_is_read_by_the_witness_own_signature():
    held = holding(13).held[ORIGIN].note
    own = [verifier_for(WITNESS.key)]
    assert open_held(held, ORIGIN, own).checkpoint.size == 13
    with pytest.raises(SignatureInvalid):
        open_held(NOTE, ORIGIN, own)
    with pytest.raises(CheckpointInvalid, match="another log"):
        open_held(held, "other.example.net", own)
    with pytest.raises(Malformed):
        open_held(b"", ORIGIN, own)


def test_the_monitoring_path_is_the_hash_of_the_origin():
    assert origin_hash("example.com/behind-the-sofa") == (
        "5fd2dc0beb4ce54da5050cf6d5c75248b023abad441c3cecde3976fbe9da4fe4"
    )


@pytest.mark.parametrize(("body", "size"), [(b"0\n", 0), (b"9223372036854775807\n", 2**63 - 1)])
def test_the_size_in_a_409_is_read(body, size):
    assert parse_size(body) == size


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"8", b"08\n", b"-1\n", b" 8\n", b"8\n\n", b"8\r\n", "\u0668\n".encode()]
)
def test_a_409_without_a_size_is_malformed(body):
    with pytest.raises(Malformed) as caught:
        parse_size(body)
    assert caught.value.field == "size"


LINE = format_lines([Signature("w0.example.net", WITNESS.key.key_id, WITNESS.sign(TEXT))])
OTHER_LINE = format_lines([Signature("x", b"abcd", bytes(72))])
AHEAD = CosignerV1("w0.example.net", WITNESS._private.private_bytes_raw(), lambda: NOW_S + 301)
OWN = [verifier_for(WITNESS.key)]


@pytest.mark.parametrize("body", [LINE, LINE + OTHER_LINE, OTHER_LINE * 3 + LINE])
def test_only_lines_of_the_known_witness_are_taken_from_an_answer(body):
    assert format_lines(known_lines(TEXT, body, OWN, NOW_S)) == LINE


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "signature lines"),
        (b"hello\n", "dash"),
        (LINE[:-1], "newline"),
        (OTHER_LINE, "no known key"),
        (LINE + LINE, "two signatures"),
        (format_lines([Signature("w0.example.net", WITNESS.key.key_id, bytes(72))]), "is wrong"),
        (
            format_lines([Signature("w0.example.net", WITNESS.key.key_id, AHEAD.sign(TEXT))]),
            "from the future",
        ),
    ],
)
def test_an_answer_that_proves_nothing_is_refused(body, why):
    with pytest.raises((Malformed, SignatureInvalid), match=why):
        known_lines(TEXT, body, OWN, NOW_S)


def test_lines_are_added_to_a_note_once():
    once = add_lines(NOTE, LINE)
    assert once == NOTE + LINE
    assert add_lines(once, LINE + OTHER_LINE) == NOTE + LINE + OTHER_LINE
    with pytest.raises(Malformed):
        add_lines(NOTE, b"")


def test_a_witness_knows_a_log_by_any_of_its_keys():
    witness = MemoryWitness(WITNESS)
    second = Ed25519Signer(ORIGIN, b"2" * 32)
    witness.trusted = {ORIGIN: [VERIFIER, verifier_for(second.key)]}
    assert witness.add_checkpoint(asked(log_note(TRUE[:13], signers=[second]), 0))[0] == 200
