"""Behaviours 9, 10, 22 and 23: sealing, wrapping, ECDSA, doubles; and all of it from one seed."""

from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from hsm_sim import exceptions as ex
from hsm_sim.constants import DEFAULT, Attribute, MechanismFlag, ObjectClass
from hsm_sim.mechanisms import GCMParams, KeyType, Mechanism
from tests.unit.hsm_sim.desk import P256, Desk, gcm, pair_of, restore

HISTORY = (Attribute.LOCAL, Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE)
EXTRACTABLE = {Attribute.EXTRACTABLE: True}


def history(key: Any) -> tuple[bool, ...]:
    return tuple(key[attribute] for attribute in HISTORY)


# 9 GCM ----------------------------------------------------------------------------------------


def test_a_nonce_used_for_other_data_is_refused_and_counted() -> None:
    desk = Desk()
    key = desk.aes(desk.log_in())
    assert gcm(key, b"one") == gcm(key, b"one")
    assert (desk.machine.nonces_used, desk.machine.nonces_reused) == (1, 0)
    for data, aad in ((b"two", b""), (b"one", b"context")):
        with pytest.raises(ex.MechanismParamInvalid):
            gcm(key, data, aad=aad)
    assert (desk.machine.nonces_used, desk.machine.nonces_reused) == (1, 2)


def test_a_restored_copy_shares_the_count_of_its_original() -> None:
    desk = Desk()
    session = desk.log_in()
    by = desk.aes(session, "WRAP UNWRAP")
    key = desk.aes(session, template=EXTRACTABLE)
    gcm(key, b"one")
    copy = restore(by, by.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP))
    with pytest.raises(ex.MechanismParamInvalid):
        gcm(copy, b"two")


def test_a_device_that_picks_nonces_tells_which() -> None:
    key = (desk := Desk("cloud-like")).aes(desk.log_in())
    given = [GCMParams(bytes(12), b"aad") for _ in range(20)]
    sealed = [
        key.encrypt(b"one", mechanism=Mechanism.AES_GCM, mechanism_param=each) for each in given
    ]
    assert len({each.nonce for each in given}) == 20
    for each, data in zip(given, sealed, strict=True):
        opened = key.decrypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=each)
        assert opened == b"one"


@pytest.mark.parametrize(
    ("data", "nonce", "aad", "error"),
    [
        (b"short", b"twelve bytes", b"", ex.EncryptedDataLenRange),
        (bytes(40), b"twelve bytes", b"", ex.EncryptedDataInvalid),
        (bytes(40), b"short", b"", ex.MechanismParamInvalid),
    ],
)
def test_what_does_not_open_says_why(
    data: bytes, nonce: bytes, aad: bytes, error: type[Exception]
) -> None:
    key = (desk := Desk()).aes(desk.log_in())
    with pytest.raises(error):
        key.decrypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, aad))
    lax = (desk := Desk("softhsm")).aes(desk.log_in())
    with pytest.raises((ex.GeneralError, ex.MechanismParamInvalid)):
        lax.decrypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, aad))


# 10 Wrap and restore --------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", [Mechanism.AES_KEY_WRAP, Mechanism.AES_KEY_WRAP_PAD])
def test_a_restored_key_works_and_remembers_that_it_came_from_outside(
    mechanism: Mechanism,
) -> None:
    desk = Desk()
    session = desk.log_in()
    by, key = desk.aes(session, "WRAP UNWRAP"), desk.aes(session, template=EXTRACTABLE)
    wrapped = by.wrap_key(key, mechanism=mechanism)
    assert by.wrap_key(key, mechanism=mechanism) == wrapped
    restored = by.unwrap_key(
        ObjectClass.SECRET_KEY, KeyType.AES, wrapped, mechanism=mechanism, store=True
    )
    assert history(restored) == (False, False, False)
    assert restored[Attribute.SENSITIVE]
    assert restored[Attribute.CHECK_VALUE] == key[Attribute.CHECK_VALUE]
    assert restored.key_length == 256


def test_a_key_that_may_not_leave_is_not_wrapped() -> None:
    desk = Desk()
    session = desk.log_in()
    by = desk.aes(session, "WRAP UNWRAP")
    public, private = desk.pair(session)
    for key, error in ((private, ex.KeyUnextractable), (public, ex.KeyNotWrappable)):
        with pytest.raises(error):
            by.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP_PAD)
    with pytest.raises(ex.ArgumentsBad):
        by.wrap_key(b"a key")


@pytest.mark.parametrize(
    ("profile", "key_type", "curve"),
    [
        ("full", KeyType.EC_EDWARDS, b"\x06\x03\x2b\x65\x70"),
        ("full", KeyType.EC, P256),
        ("softhsm", KeyType.EC, P256),
    ],
)
def test_a_private_key_is_restored_once_the_template_says_less(
    profile: str, key_type: KeyType, curve: bytes
) -> None:
    desk = Desk(profile)
    session = desk.log_in()
    by = desk.aes(session, "WRAP UNWRAP")
    public, private = pair_of(session, key_type, curve, private=EXTRACTABLE)
    wrapped = by.wrap_key(private, mechanism=Mechanism.AES_KEY_WRAP_PAD)

    def restored(template: dict[Attribute, Any]) -> Any:
        return by.unwrap_key(
            ObjectClass.PRIVATE_KEY,
            key_type,
            wrapped,
            mechanism=Mechanism.AES_KEY_WRAP_PAD,
            template=template,
        )

    with pytest.raises(ex.AttributeTypeInvalid):
        restored({})
    unsaid = dict.fromkeys((Attribute.ENCRYPT, Attribute.WRAP, Attribute.VERIFY), DEFAULT)
    key = restored(unsaid)
    mechanism = Mechanism.ECDSA if key_type is KeyType.EC else Mechanism.EDDSA
    signature = key.sign(bytes(32), mechanism=mechanism)
    assert public.verify(bytes(32), signature, mechanism=mechanism)
    assert history(key) == (False, False, False)


def test_softhsm_wraps_no_edwards_key() -> None:
    desk = Desk("softhsm")
    session = desk.log_in()
    _, private = desk.pair(session, private=EXTRACTABLE)
    with pytest.raises(ex.KeyNotWrappable):
        desk.aes(session, "WRAP").wrap_key(private, mechanism=Mechanism.AES_KEY_WRAP_PAD)


def test_a_damaged_wrapping_restores_nothing() -> None:
    for profile, damaged in (("full", ex.WrappedKeyInvalid), ("softhsm", ex.GeneralError)):
        desk = Desk(profile)
        session = desk.log_in()
        by, key = desk.aes(session, "WRAP UNWRAP"), desk.aes(session, template=EXTRACTABLE)
        wrapped = by.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP)
        with pytest.raises(damaged):
            restore(by, bytes([wrapped[0] ^ 1]) + wrapped[1:])
        with pytest.raises(ex.WrappedKeyLenRange):
            restore(by, wrapped[:-3])
        assert list(session.get_objects({Attribute.ID: b"restored"})) == []


def test_an_imported_key_is_no_local_key() -> None:
    session = Desk().log_in()
    said = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
    key = session.create_object({**said, Attribute.VALUE: bytes(32), Attribute.ENCRYPT: True})
    assert history(key) == (False, False, False)
    with pytest.raises(ex.TemplateIncomplete):
        session.create_object(said)
    with pytest.raises(ex.AttributeValueInvalid):
        session.create_object({**said, Attribute.VALUE: bytes(33)})
    with pytest.raises(ex.AttributeValueInvalid):
        session.create_object({**said, Attribute.KEY_TYPE: KeyType.RSA})


# 22 ECDSA -------------------------------------------------------------------------------------


def test_ecdsa_differs_each_time_and_always_verifies() -> None:
    desk = Desk()
    public, private = pair_of(desk.log_in(), KeyType.EC, P256)
    point = public[Attribute.EC_POINT][2:]
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    digest = sha256(b"an observation").digest()
    signatures = [private.sign(digest, mechanism=Mechanism.ECDSA) for _ in range(20)]
    signatures.append(private.sign(b"an observation", mechanism=Mechanism.ECDSA_SHA256))
    assert len(set(signatures)) == 21
    for signature in signatures:
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        der = utils.encode_dss_signature(r, s)
        key.verify(der, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        assert public.verify(digest, signature, mechanism=Mechanism.ECDSA)
    assert not public.verify(digest, signatures[0][:-1], mechanism=Mechanism.ECDSA)
    assert not public.verify(bytes(32), signatures[0], mechanism=Mechanism.ECDSA)


@pytest.mark.parametrize("length", [1, 20, 32, 48, 64])
def test_ecdsa_takes_the_leftmost_256_bits_of_a_digest(length: int) -> None:
    desk = Desk()
    public, private = pair_of(desk.log_in(), KeyType.EC, P256)
    digest = bytes(range(1, length + 1))
    signature = private.sign(digest, mechanism=Mechanism.ECDSA)
    assert public.verify(digest[:32], signature, mechanism=Mechanism.ECDSA)
    with pytest.raises(ex.DataLenRange):
        private.sign(b"", mechanism=Mechanism.ECDSA)


# 23 Duplicates --------------------------------------------------------------------------------


def test_two_keys_of_one_label_and_id_are_allowed_and_never_chosen_between() -> None:
    desk = Desk()
    session = desk.log_in()
    keys = [desk.aes(session) for _ in range(2)]
    with pytest.raises(ex.MultipleObjectsReturned):
        session.get_key(label="key", id=b"aes")
    gcm(keys[0], b"one")
    keys[0].destroy()
    assert session.get_key(label="key", id=b"aes") == keys[1]
    with pytest.raises(ex.ArgumentsBad):
        session.get_key()
    for refused in (keys[0].destroy, lambda: keys[0][Attribute.ID]):
        with pytest.raises(ex.ObjectHandleInvalid):
            refused()
    with pytest.raises(ex.KeyHandleInvalid):
        gcm(keys[0], b"one")


# The same seed --------------------------------------------------------------------------------


def everything(seed: int) -> tuple[bytes, ...]:
    desk = Desk(seed=seed)
    session = desk.log_in()
    public, private = desk.pair(session)
    _, other = pair_of(session, KeyType.EC, P256)
    key = desk.aes(session)
    return (
        public[Attribute.EC_POINT],
        desk.sign(private),
        other.sign(bytes(32), mechanism=Mechanism.ECDSA),
        gcm(key, bytes(32)),
        session.generate_random(256),
        desk.token().serial,
    )


def test_all_randomness_comes_from_the_seed() -> None:
    assert everything(1) == everything(1)
    assert all(one != other for one, other in zip(everything(1), everything(2), strict=True))


def test_capabilities_of_a_key_follow_the_package() -> None:
    session = Desk().log_in()
    with pytest.raises(ex.ArgumentsBad):
        session.generate_key(KeyType.AES)
    with pytest.raises(ex.ArgumentsBad):
        session.generate_key("AES", 256)
    with pytest.raises(TypeError):
        session.generate_key(KeyType.AES, 256, colour="red")
    key = session.generate_key(KeyType.AES, 256, capabilities=MechanismFlag.WRAP)
    assert [key[use] for use in (Attribute.WRAP, Attribute.UNWRAP, Attribute.SIGN)] == [
        True,
        False,
        False,
    ]
