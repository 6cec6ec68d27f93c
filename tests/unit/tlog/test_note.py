from base64 import b64decode, b64encode

import pytest

from ledger.kernel.errors import Malformed, Misconfigured, SignatureInvalid
from ledger.tlog.note import (
    NOTE_BYTES_MAX,
    Ed25519Signer,
    Ed25519Verifier,
    Note,
    Signature,
    VerifierKey,
    format_note,
    format_vkey,
    open_note,
    parse_note,
    parse_vkey,
    read_base64,
    read_decimal,
    read_hash,
    sign_note,
)
from tests.support.logs import SIGNER, VERIFIER, VKEY

# The example of Go's package golang.org/x/mod/sumdb/note, made and signed there.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    b"If you think cryptography is the answer to your problem,\n"
    b"then you don't know what your problem is.\n"
    b"\n"
    b"\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"  # noqa: E501
)

TEXT = b"something said\n"
OTHER = Ed25519Signer("other.example.net", bytes(32))


def line(name: str, payload: bytes, key_id: bytes = b"abcd") -> bytes:
    return f"— {name} {b64encode(key_id + payload).decode()}\n".encode()


def test_a_note_signed_by_the_go_package_is_accepted():
    key = parse_vkey(GO_VKEY)
    text, signed_by = open_note(GO_NOTE, [Ed25519Verifier(key)])
    assert text == GO_NOTE.partition(b"\n\n")[0] + b"\n"
    assert signed_by == (key,)


def test_a_key_reads_back_and_names_itself_by_its_hash():
    assert parse_vkey(VKEY) == SIGNER.key
    assert format_vkey(parse_vkey(GO_VKEY)) == GO_VKEY
    assert parse_vkey(GO_VKEY).key_id.hex() == "c74f20a3"


@pytest.mark.parametrize("kind", [0x04, 0x06])
def test_keys_of_cosigners_are_read_but_do_not_check_plain_signatures(kind: int):
    key = VerifierKey("witness.example.net", kind, bytes({4: 32, 6: 1312}[kind]))
    assert parse_vkey(format_vkey(key)) == key
    with pytest.raises(Misconfigured):
        Ed25519Verifier(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+c74f20a3",
        "name+c74f20a3+",
        GO_VKEY.replace("c74f20a3", "C74F20A3"),
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY.replace("Peter", "Peter "),
        GO_VKEY.replace("Peter", "Peter\x01"),
        GO_VKEY + "=",
        GO_VKEY + "\n",
        GO_VKEY.replace("PeterNeumann", ""),
        format_vkey(VerifierKey("name", 0x02, bytes(32))),
        format_vkey(VerifierKey("name", 0x01, bytes(31))),
        format_vkey(VerifierKey("name", 0x06, bytes(32))),
        "\ud800+00000000+AA==",
        "name+00000000+====",
    ],
)
def test_every_other_key_text_is_malformed(text: str):
    with pytest.raises(Malformed):
        parse_vkey(text)


def test_the_same_text_is_always_signed_with_the_same_bytes():
    note = sign_note(TEXT, [SIGNER, OTHER])
    assert note == sign_note(TEXT, [SIGNER, OTHER])
    assert format_note(parse_note(note)) == note
    assert [each.name for each in parse_note(note).signatures] == [
        SIGNER.key.name,
        "other.example.net",
    ]


def test_lines_of_unknown_keys_are_passed_over_even_when_repeated_or_wrong():
    unknown = line("unknown.example.net", b"x")
    same_name = line(SIGNER.key.name, b"x" * 64)
    note = sign_note(TEXT, [OTHER, SIGNER]) + unknown * 2 + same_name
    assert open_note(note, [VERIFIER]) == (TEXT, (SIGNER.key,))


def test_all_known_keys_that_signed_are_told():
    note = sign_note(TEXT, [OTHER, SIGNER])
    both = [VERIFIER, Ed25519Verifier(OTHER.key)]
    assert open_note(note, both)[1] == (OTHER.key, SIGNER.key)


@pytest.mark.parametrize(
    ("note", "names"),
    [
        (sign_note(TEXT, [OTHER]), "no known key"),
        (sign_note(TEXT, [SIGNER, SIGNER]), "two signatures"),
        (sign_note(TEXT, [SIGNER]).replace(b"said", b"sail"), "is wrong"),
        (TEXT + b"\n" + line(SIGNER.key.name, b"\0" * 64, SIGNER.key.key_id), "is wrong"),
        (TEXT + b"\n" + line(SIGNER.key.name, b"\0", SIGNER.key.key_id), "is wrong"),
        (
            sign_note(TEXT, [OTHER]) + line(SIGNER.key.name, b"\0" * 64, SIGNER.key.key_id),
            "is wrong",
        ),
    ],
)
def test_a_note_without_a_good_signature_of_every_known_signer_is_refused(note: bytes, names: str):
    with pytest.raises(SignatureInvalid, match=names):
        open_note(note, [VERIFIER])


def test_a_wrong_known_line_spoils_a_note_that_another_known_key_signed():
    note = sign_note(TEXT, [OTHER]) + line(SIGNER.key.name, b"\0" * 64, SIGNER.key.key_id)
    with pytest.raises(SignatureInvalid):
        open_note(note, [Ed25519Verifier(OTHER.key), VERIFIER])


def test_two_verifiers_that_answer_to_one_name_are_a_mistake_of_the_caller():
    with pytest.raises(Misconfigured):
        open_note(sign_note(TEXT, [SIGNER]), [VERIFIER, VERIFIER])


GOOD = line("name", b"x")


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT,
        TEXT + b"\n",
        TEXT + b"\n\n",
        TEXT + GOOD,
        TEXT + b"\n" + GOOD[:-1],
        TEXT + b"\n" + GOOD + b"\n",
        TEXT + b"\r\n\n" + GOOD,
        b"tab\t\n\n" + GOOD,
        b"\xff\n\n" + GOOD,
        TEXT + b"\n\xff" + GOOD,
        TEXT + b"\n" + GOOD.replace("—".encode(), b"-"),
        TEXT + b"\n" + GOOD.replace(b" ", b"  ", 1),
        TEXT + b"\n" + GOOD.replace(b"name", b"na+me"),
        TEXT + b"\n" + GOOD.replace(b"name", "na\u2003me".encode()),
        TEXT + b"\n" + GOOD.replace(b"name", b""),
        TEXT + b"\n" + GOOD[:-1] + b" \n",
        TEXT + b"\n" + GOOD.replace(b"=", b""),
        TEXT + b"\n" + line("name", b""),
        TEXT + b"\n" + b"\xe2\x80\x94 name\n",
        TEXT + b"\n" + GOOD * 65,
        b"x" * NOTE_BYTES_MAX + b"\n\n" + GOOD,
    ],
)
def test_every_other_note_is_malformed(note: bytes):
    with pytest.raises(Malformed):
        parse_note(note)


def test_sixty_four_signatures_and_128_kib_are_still_a_note():
    assert len(parse_note(TEXT + b"\n" + GOOD * 64).signatures) == 64
    filled = b"x" * (NOTE_BYTES_MAX - 2 - len(GOOD)) + b"\n\n" + GOOD
    assert parse_note(filled).text.endswith(b"x\n")


def test_empty_lines_in_the_text_belong_to_the_text():
    assert parse_note(b"a\n\nb\n\n\n" + GOOD).text == b"a\n\nb\n\n"


@pytest.mark.parametrize(
    "note",
    [
        Note(b"no newline", (Signature("name", b"abcd", b"x"),)),
        Note(TEXT, ()),
        Note(TEXT, (Signature("na me", b"abcd", b"x"),)),
        Note(TEXT, (Signature("name", b"abc", b"xyz"),)),
    ],
)
def test_what_a_note_cannot_say_is_not_written(note: Note):
    with pytest.raises(Malformed):
        format_note(note)


@pytest.mark.parametrize("text", ["0", "7", "10", str(2**63 - 1)])
def test_decimal_numbers_are_read(text: str):
    assert read_decimal(text, "size") == int(text)


@pytest.mark.parametrize(
    "text",
    ["", "+5", "-1", " 5", "5 ", "5\n", "1_0", "01", "00", "\u0665", "1e3", str(2**63), "9" * 30],
)
def test_other_spellings_of_numbers_are_malformed(text: str):
    with pytest.raises(Malformed):
        read_decimal(text, "size")


@pytest.mark.parametrize(
    "text", ["A", "AA", "AA=", "AB==", "A A==", "AA==\n", "-_==", "é===", "=A=="]
)
def test_other_spellings_of_base64_are_malformed(text: str):
    with pytest.raises(Malformed):
        read_base64(text, "root")


def test_a_hash_has_32_bytes():
    assert read_hash(b64encode(bytes(32)).decode(), "root") == bytes(32)
    assert b64decode("AA==") == read_base64("AA==", "root")
    with pytest.raises(Malformed):
        read_hash(b64encode(bytes(31)).decode(), "root")
