"""Messages between client and signer: one spelling, limits, and nothing else gets in."""

from itertools import count
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.kernel.errors import Malformed
from ledger.kernel.sealing import SealedKey
from ledger.signer.ports import DeviceState, PublicKey
from ledger.signer.wire import (
    ENTRIES_MAX,
    LENGTH_BYTES,
    MESSAGE_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    Answer,
    Attest,
    Attested,
    Confirm,
    Confirmed,
    Extend,
    OfficerSignature,
    Refused,
    Request,
    Resealed,
    Rewrap,
    Sealed,
    SignDocument,
    SignedDocument,
    SignedNote,
    SignHead,
    Staged,
    Standing,
    Status,
    Unwrap,
    Wrap,
    body_length,
    frame,
    parse_answer,
    parse_request,
)
from ledger.tlog.tree import SIZE_MAX

ROOT = bytes(range(32))
DOCUMENT = SignDocument("mobilegrid-sla+jws", b"{}", "documents", 5, ROOT, b"")
REQUESTS: list[Request] = [
    Status(),
    Extend(0, (b"{}",)),
    Extend(SIZE_MAX, (b"ab",) * ENTRIES_MAX),
    SignHead("log.example.net/log/a", 7, ROOT, pq=True),
    DOCUMENT,
    SignDocument("mobilegrid-sla+jws", b"x" * PAYLOAD_BYTES_MAX, "certificates", 5, ROOT, b"note"),
    Wrap(0, "contact", "S1", bytes(32)),
    Unwrap(7, "invoice", "S1", bytes(60)),
    Rewrap(1, 2, (SealedKey("contact", "S1", bytes(60)),)),
    Attest("checkpoint-a"),
    Confirm(b"{}", (OfficerSignature("ada", bytes(64)),)),
]
KEY = PublicKey("checkpoint-a", "ed25519", ROOT, "0011223344556677", "a")
ANSWERS: list[Answer] = [
    Standing(
        origin="log",
        size=-1,
        root=b"",
        staged_size=0,
        signed_at=0,
        block=0,
        ready=True,
        devices=(DeviceState("a", "up", "", 0),),
        keys=(KEY,),
    ),
    Staged(5, ROOT),
    SignedNote(b"note"),
    SignedDocument("a.b.c"),
    Resealed((bytes(60), b"x")),
    Sealed(b"x"),
    Attested(b""),
    Confirmed(),
    Refused("fork", "words with an umlaut: \u00e4"),
]


@pytest.mark.parametrize("message", REQUESTS)
def test_a_request_reads_back(message: Request) -> None:
    data = frame(message)
    assert body_length(data[:LENGTH_BYTES]) == len(data) - LENGTH_BYTES
    assert parse_request(data[LENGTH_BYTES:]) == message


@pytest.mark.parametrize("message", ANSWERS)
def test_an_answer_reads_back(message: Answer) -> None:
    assert parse_answer(frame(message)[LENGTH_BYTES:]) == message


def test_every_kind_of_message_is_tried() -> None:
    assert {type(each) for each in REQUESTS} == set(get_args(Request))
    assert {type(each) for each in ANSWERS} == set(get_args(Answer))


def test_a_request_is_json_that_a_person_can_read() -> None:
    body = frame(Extend(3, (b"ab", b"cd")))
    assert body == b'\0\0\x001{"entries":["YWI=","Y2Q="],"from":3,"t":"extend"}'


@pytest.mark.parametrize(
    "message",
    [
        Extend(-1, (b"{}",)),
        Extend(SIZE_MAX + 1, (b"{}",)),
        Extend(0, ()),
        Extend(0, (b"{}",) * (ENTRIES_MAX + 1)),
        Extend(0, (b"x",)),
        Extend(0, (b"x" * 65_536,)),
        SignHead("", 7, ROOT, pq=False),
        SignHead("x" * 256, 7, ROOT, pq=False),
        SignHead("log", 7, ROOT[1:], pq=False),
        SignHead("log", 7, ROOT + b"x", pq=False),
        SignDocument("t", b"x" * (PAYLOAD_BYTES_MAX + 1), "documents", 5, ROOT, b""),
        SignDocument("t", b"{}", "checkpoint", 5, ROOT, b""),  # type: ignore[arg-type]  # a wrong one
        Wrap(-1, "contact", "S1", bytes(32)),
        Wrap(0, "Contact", "S1", bytes(32)),
        Wrap(0, "contact", "", bytes(32)),
        Wrap(0, "contact", "S1", b""),
        Unwrap(0, "contact", "S1", bytes(4097)),
        Attest(""),
        Confirm(b"{}", (OfficerSignature("ada", bytes(63)),)),
        Confirm(b"{}", (OfficerSignature("ada", bytes(64)),) * 9),
    ],
    ids=count(),
)
def test_a_request_beyond_the_limits_is_malformed(message: Request) -> None:
    with pytest.raises(Malformed):
        parse_request(frame(message)[LENGTH_BYTES:])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"t":"unknown"}',
        b'{"t":"status","t":"status"}',
        b'{"t":"status","x":1}',
        b' {"t":"status"}',
        b'{"t": "status"}',
        b'{"t":"status"}\n',
        b'{"t":"note","note":""}',
        b'{"t":"attest","label":"a"}',
        b'{"label":"\\u0061","t":"attest"}',
        b'{"label":"\xff","t":"attest"}',
        b'{"label":"\\ud800","t":"attest"}',
        b'{"label":null,"t":"attest"}',
        b'{"entries":["YWI"],"from":0,"t":"extend"}',
        b'{"entries":["YWJ="],"from":0,"t":"extend"}',
        b'{"entries":["YWI="],"from":0.0,"t":"extend"}',
        b'{"entries":["YWI="],"from":-0,"t":"extend"}',
        b'{"entries":["YWI="],"from":1e1,"t":"extend"}',
        b'{"entries":["YWI="],"from":true,"t":"extend"}',
        b"[" * 5000,
    ],
    ids=count(),
)
def test_any_other_bytes_are_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_request(body)


@pytest.mark.parametrize("prefix", [b"", b"\0\0\0", b"\0\0\0\0", b"\0\x10\0\x01", b"\xff" * 4])
def test_a_length_that_no_message_has_is_malformed(prefix: bytes) -> None:
    with pytest.raises(Malformed):
        body_length(prefix)
    assert body_length(MESSAGE_BYTES_MAX.to_bytes(4, "big")) == MESSAGE_BYTES_MAX


@pytest.mark.parametrize("message", [SignedNote(b"x" * 800_000), Refused("gap", "\ud800")])
def test_what_cannot_be_sent_is_malformed(message: Answer) -> None:
    with pytest.raises(Malformed):
        frame(message)


def test_an_answer_is_no_request_and_a_request_no_answer() -> None:
    with pytest.raises(Malformed):
        parse_answer(frame(Status())[LENGTH_BYTES:])
    with pytest.raises(Malformed):
        parse_request(frame(Confirmed())[LENGTH_BYTES:])


@given(st.sampled_from([*REQUESTS[:2], *REQUESTS[3:5]]), st.data())
def test_damaged_bytes_are_malformed_or_another_request_in_its_one_spelling(
    message: Request, data: Any
) -> None:
    body = bytearray(frame(message)[LENGTH_BYTES:])
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))
    try:
        read = parse_request(bytes(body))
    except Malformed:
        return
    assert frame(read)[LENGTH_BYTES:] == body
