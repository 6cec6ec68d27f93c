from base64 import b64encode

import pytest

from ledger.kernel.errors import CheckpointInvalid, Malformed, SignatureInvalid
from ledger.kernel.hashing import EMPTY_ROOT
from ledger.tlog.checkpoint import (
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from ledger.tlog.note import Ed25519Signer, Ed25519Verifier, sign_note
from tests.support.logs import ORIGIN, SIGNER, VERIFIER

ROOT = bytes(range(32))
ROOT_TEXT = b64encode(ROOT)
SAID = Checkpoint(ORIGIN, 13, ROOT)
OTHER = Ed25519Signer("other.example.net/log", bytes(32))


def test_a_checkpoint_is_three_lines():
    text = format_checkpoint(SAID)
    assert text == b"log.example.net/log/sample\n13\n" + ROOT_TEXT + b"\n"
    assert parse_checkpoint(text) == SAID


def test_extension_lines_of_foreign_logs_are_read():
    said = Checkpoint("example.org/log", 1, ROOT, ("one", "two three"))
    assert parse_checkpoint(format_checkpoint(said)) == said


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"o\n1\n",
        b"o\n1\n" + ROOT_TEXT,
        b"o\n1\n" + ROOT_TEXT + b"\n\n",
        b"o\n1\n" + ROOT_TEXT + b"\n\next\n",
        b"\n1\n" + ROOT_TEXT + b"\n",
        b"o o\n1\n" + ROOT_TEXT + b"\n",
        b"o\n01\n" + ROOT_TEXT + b"\n",
        b"o\n9223372036854775808\n" + ROOT_TEXT + b"\n",
        b"o\n1\n" + ROOT_TEXT[:-4] + b"\n",
        b"o\n1\n" + ROOT_TEXT + b"\xff\n",
    ],
)
def test_every_other_text_is_malformed(text: bytes):
    with pytest.raises(Malformed):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "said",
    [
        Checkpoint("a b", 1, ROOT),
        Checkpoint("a", -1, ROOT),
        Checkpoint("a", 1, b"short"),
        Checkpoint("a", 1, ROOT, ("",)),
        Checkpoint("a", 1, ROOT, ("x\ny",)),
    ],
)
def test_what_a_checkpoint_cannot_say_is_not_written(said: Checkpoint):
    with pytest.raises(Malformed):
        format_checkpoint(said)


def test_a_checkpoint_opens_under_the_key_of_its_log():
    note = sign_checkpoint(SAID, [SIGNER, OTHER])
    signed = open_checkpoint(note, ORIGIN, [VERIFIER])
    assert (signed.checkpoint, signed.note, signed.signed_by) == (SAID, note, (SIGNER.key,))


def test_the_empty_log_opens_with_the_empty_root_only():
    empty = sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), [SIGNER])
    assert open_checkpoint(empty, ORIGIN, [VERIFIER]).checkpoint.size == 0
    with pytest.raises(CheckpointInvalid, match="empty log"):
        open_checkpoint(sign_checkpoint(Checkpoint(ORIGIN, 0, ROOT), [SIGNER]), ORIGIN, [VERIFIER])


def test_a_checkpoint_of_another_log_is_refused_even_when_our_key_signed_it():
    note = sign_checkpoint(Checkpoint("other.example.net/log", 13, ROOT), [SIGNER])
    with pytest.raises(CheckpointInvalid, match="another log"):
        open_checkpoint(note, ORIGIN, [VERIFIER])


def test_a_trusted_key_that_is_not_the_logs_own_does_not_make_a_checkpoint():
    note = sign_checkpoint(SAID, [OTHER])
    with pytest.raises(CheckpointInvalid, match="no key of the log"):
        open_checkpoint(note, ORIGIN, [VERIFIER, Ed25519Verifier(OTHER.key)])


def test_extension_lines_in_our_log_are_refused():
    note = sign_checkpoint(Checkpoint(ORIGIN, 13, ROOT, ("more",)), [SIGNER])
    with pytest.raises(CheckpointInvalid, match="extension"):
        open_checkpoint(note, ORIGIN, [VERIFIER])


def test_a_signed_text_that_is_no_checkpoint_is_malformed():
    with pytest.raises(Malformed):
        open_checkpoint(sign_note(b"hello\n", [SIGNER]), ORIGIN, [VERIFIER])


def test_a_checkpoint_is_not_believed_without_a_known_key():
    with pytest.raises(SignatureInvalid):
        open_checkpoint(sign_checkpoint(SAID, [SIGNER]), ORIGIN, [])
