"""Contract cases: signing keys, their history, their ids, and what they sign."""

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.kernel.hashing import leaf_hash
from tests.contract.hsm.bench import ED25519_NAME, Bench, case, refused


def edwards_verifies(bench: Bench, public: Any, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bench.point(public, 32)).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def edwards_sign(bench: Bench, private: Any, message: bytes) -> bytes:
    return bytes(private.sign(message, mechanism=bench.mechanism.EDDSA))


def p256_sign(bench: Bench, private: Any) -> bytes:
    return bytes(private.sign(bytes(32), mechanism=bench.mechanism.ECDSA))


# Ed25519 --------------------------------------------------------------------------------------


@case
def an_edwards_key_signs_what_anybody_verifies(bench: Bench) -> None:
    public, private = bench.edwards(bench.log_in())
    signature = edwards_sign(bench, private, b"a checkpoint")
    assert edwards_verifies(bench, public, b"a checkpoint", signature)
    assert not edwards_verifies(bench, public, b"another one", signature)


@case
def the_curve_may_be_named_as_a_printable_string(bench: Bench) -> None:
    public, private = bench.edwards(bench.log_in(), ED25519_NAME)
    assert edwards_verifies(bench, public, b"x", edwards_sign(bench, private, b"x"))


@case
def an_unknown_curve_is_refused(bench: Bench) -> None:
    with refused():
        bench.edwards(bench.log_in(), bytes.fromhex("06032b6599"))


@case
def an_edwards_signature_is_always_the_same(bench: Bench) -> None:
    _, private = bench.edwards(bench.log_in())
    assert len({edwards_sign(bench, private, b"x") for _ in range(3)}) == 1


@case
def an_edwards_key_signs_the_empty_message(bench: Bench) -> None:
    public, private = bench.edwards(bench.log_in())
    assert edwards_verifies(bench, public, b"", edwards_sign(bench, private, b""))


@case
def an_edwards_key_signs_a_long_message(bench: Bench) -> None:
    public, private = bench.edwards(bench.log_in())
    message = bytes(range(256)) * 400
    assert edwards_verifies(bench, public, message, edwards_sign(bench, private, message))


@case
def two_keys_sign_differently(bench: Bench) -> None:
    session = bench.log_in()
    keys = [bench.edwards(session, key_id=key_id) for key_id in (b"one", b"two")]
    assert len({edwards_sign(bench, private, b"x") for _, private in keys}) == 2
    assert len({bench.point(public, 32) for public, _ in keys}) == 2


@case
def a_signing_key_still_signs_after_starting_anew(bench: Bench) -> None:
    public, private = bench.edwards(bench.log_in())
    before = edwards_sign(bench, private, b"x")
    point = bench.point(public, 32)
    bench.start_anew()
    session = bench.log_in(rw=False)
    private = session.get_key(object_class=bench.classes.PRIVATE_KEY, id=b"case-key")
    public = session.get_key(object_class=bench.classes.PUBLIC_KEY, id=b"case-key")
    assert (edwards_sign(bench, private, b"x"), bench.point(public, 32)) == (before, point)


# P-256 ----------------------------------------------------------------------------------------


@case
def a_p256_key_signs_a_digest_that_anybody_verifies(bench: Bench) -> None:
    public, private = bench.p256(bench.log_in())
    digest = leaf_hash(b"an observation")
    signature = bytes(private.sign(digest, mechanism=bench.mechanism.ECDSA))
    assert len(signature) == 64
    halves = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bench.point(public, 65))
    der = utils.encode_dss_signature(*halves)
    key.verify(der, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


@case
def a_p256_point_is_uncompressed(bench: Bench) -> None:
    public, _ = bench.p256(bench.log_in())
    point = bench.point(public, 65)
    assert (len(point), point[0]) == (65, 4)


@case
def p256_signatures_differ_each_time(bench: Bench) -> None:
    _, private = bench.p256(bench.log_in())
    signed = {p256_sign(bench, private) for _ in range(3)}
    assert len(signed) == 3


@case
def a_p256_key_has_its_history(bench: Bench) -> None:
    _, private = bench.p256(bench.log_in())
    for name in ("SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "LOCAL"):
        assert private[bench.attribute[name]], name


# History and secrecy --------------------------------------------------------------------------


@case
def a_new_signing_key_was_made_here_and_never_left(bench: Bench) -> None:
    _, private = bench.edwards(bench.log_in())
    for name in ("LOCAL", "SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "TOKEN"):
        assert private[bench.attribute[name]], name
    assert not private[bench.attribute.EXTRACTABLE]


@case
def a_private_value_is_never_read(bench: Bench) -> None:
    _, private = bench.edwards(bench.log_in())
    with refused("AttributeSensitive"):
        private[bench.attribute.VALUE]


@case
def a_key_cannot_be_made_extractable_later(bench: Bench) -> None:
    _, private = bench.p256(bench.log_in())
    with refused("AttributeReadOnly"):
        private[bench.attribute.EXTRACTABLE] = True


@case
def a_key_cannot_lose_its_secrecy(bench: Bench) -> None:
    _, private = bench.p256(bench.log_in())
    with refused("AttributeReadOnly"):
        private[bench.attribute.SENSITIVE] = False


@case
def nobody_writes_history(bench: Bench) -> None:
    _, private = bench.p256(bench.log_in())
    for name in ("LOCAL", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE"):
        with refused("AttributeReadOnly"):
            private[bench.attribute[name]] = True


@case
def an_extractable_key_says_so_for_ever(bench: Bench) -> None:
    key = bench.aes(bench.log_in(), extractable=True)
    key[bench.attribute.EXTRACTABLE] = False
    assert not key[bench.attribute.EXTRACTABLE]
    assert not key[bench.attribute.NEVER_EXTRACTABLE]


# Ids, labels, uses ----------------------------------------------------------------------------


@case
def a_key_is_renamed(bench: Bench) -> None:
    _, private = bench.p256(bench.log_in())
    private[bench.attribute.LABEL] = "case-retired"
    assert private[bench.attribute.LABEL] == "case-retired"


@case
def a_key_gets_another_id(bench: Bench) -> None:
    session = bench.log_in()
    for half in bench.p256(session):
        half[bench.attribute.ID] = b"newname1"
    found = session.get_key(object_class=bench.classes.PRIVATE_KEY, id=b"newname1")
    assert bytes(found[bench.attribute.ID]) == b"newname1"


@case
def the_two_halves_are_told_apart_by_class(bench: Bench) -> None:
    session = bench.log_in()
    bench.p256(session)
    for name in ("PUBLIC_KEY", "PRIVATE_KEY"):
        found = session.get_key(object_class=bench.classes[name], id=b"case-key")
        assert found[bench.attribute.CLASS] == bench.classes[name]


@case
def an_unknown_id_finds_no_key(bench: Bench) -> None:
    with refused("NoSuchKey"):
        bench.log_in().get_key(id=b"nothing")


@case
def two_keys_of_one_id_are_not_chosen_between(bench: Bench) -> None:
    session = bench.log_in()
    for _ in range(2):
        bench.p256(session)
    with refused("MultipleObjectsReturned"):
        session.get_key(object_class=bench.classes.PRIVATE_KEY, id=b"case-key")


@case
def a_search_finds_all_of_a_class(bench: Bench) -> None:
    session = bench.log_in()
    for number in range(12):
        bench.p256(session, key_id=b"key-%d" % number)
    found = list(session.get_objects({bench.attribute.CLASS: bench.classes.PRIVATE_KEY}))
    assert len({bytes(key[bench.attribute.ID]) for key in found}) == 12


@case
def a_key_that_may_not_sign_does_not(bench: Bench) -> None:
    """The code for it has no class in the library: only its text tells."""
    session = bench.log_in()
    _, private = bench.p256(session)
    private[bench.attribute.SIGN] = False
    with refused():
        p256_sign(bench, private)


@case
def a_key_that_may_not_sign_has_no_way_to(bench: Bench) -> None:
    session = bench.log_in()
    _, private = bench.p256(session)
    private[bench.attribute.SIGN] = False
    found = session.get_key(object_class=bench.classes.PRIVATE_KEY, id=b"case-key")
    assert not hasattr(found, "sign")


@case
def a_destroyed_key_is_gone(bench: Bench) -> None:
    session = bench.log_in()
    _, private = bench.p256(session)
    private.destroy()
    with refused("NoSuchKey"):
        session.get_key(object_class=bench.classes.PRIVATE_KEY, id=b"case-key")


@case
def a_destroyed_key_signs_nothing(bench: Bench) -> None:
    _, private = bench.p256(bench.log_in())
    private.destroy()
    with refused("KeyHandleInvalid", "ObjectHandleInvalid"):
        p256_sign(bench, private)


@case
def a_destroyed_key_tells_nothing(bench: Bench) -> None:
    _, private = bench.p256(bench.log_in())
    private.destroy()
    with refused("KeyHandleInvalid", "ObjectHandleInvalid"):
        private[bench.attribute.SIGN]


@case
def a_key_of_a_session_ends_with_it(bench: Bench) -> None:
    bench.log_in()
    session = bench.token().open(rw=True)
    bench.p256(session, store=False)
    session.close()
    assert list(bench.token().open().get_objects({bench.attribute.ID: b"case-key"})) == []


@case
def a_key_that_stays_is_seen_by_other_sessions(bench: Bench) -> None:
    bench.p256(bench.log_in())
    found = list(bench.token().open().get_objects({bench.attribute.ID: b"case-key"}))
    assert [key.label for key in found] == ["case", "case"]


@case
def a_wrong_mechanism_is_refused(bench: Bench) -> None:
    _, private = bench.p256(bench.log_in())
    with refused():
        private.sign(bytes(32), mechanism=bench.mechanism.EDDSA)


@case
def a_login_that_ended_ends_signing(bench: Bench) -> None:
    session = bench.log_in()
    _, private = bench.p256(session)
    session.close()
    with refused("SessionHandleInvalid", "SessionClosed", "UserNotLoggedIn"):
        p256_sign(bench, private)
