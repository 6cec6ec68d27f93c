"""Behaviours 5 to 8: memory, the history of keys, their uses, mechanisms."""

from datetime import date
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from hsm_sim import exceptions as ex
from hsm_sim.constants import DEFAULT, Attribute, ObjectClass
from hsm_sim.crypto import HAS_ML_DSA
from hsm_sim.mechanisms import KeyType, Mechanism, MLDSAParameterSet
from hsm_sim.profiles import PROFILES
from tests.unit.hsm_sim.desk import P256, Desk, gcm, pair_of

HISTORY = (Attribute.LOCAL, Attribute.ALWAYS_SENSITIVE, Attribute.NEVER_EXTRACTABLE)
EXTRACTABLE = {Attribute.EXTRACTABLE: True}


def history(key: Any) -> tuple[bool, ...]:
    return tuple(key[attribute] for attribute in HISTORY)


# 5 Objects and memory -------------------------------------------------------------------------


def test_the_257th_object_finds_no_memory_and_leaves_nothing() -> None:
    desk = Desk("yubihsm-like")
    session = desk.log_in()
    for _ in range(127):
        desk.pair(session)
        desk.machine.audit_log()
    desk.aes(session)
    with pytest.raises(ex.DeviceMemory):
        desk.pair(session)
    assert len(list(session.get_objects())) == 255
    desk.aes(session)


def test_bytes_are_limited_as_well_as_objects() -> None:
    desk = Desk("yubihsm-like")
    session = desk.log_in()
    for _ in range(6):
        desk.aes(session, label="x" * 20_000)
    with pytest.raises(ex.DeviceMemory):
        desk.aes(session, label="x" * 20_000)
    assert desk.aes(session, label="short")


def test_a_session_object_ends_with_its_session() -> None:
    desk = Desk()
    desk.log_in()
    session = desk.token().open(rw=True)
    desk.aes(session, store=False)
    beside = desk.token().open()
    assert beside.get_key(id=b"aes").label == "key"
    session.close()
    with pytest.raises(ex.NoSuchKey):
        beside.get_key(id=b"aes")


# 6 Key history --------------------------------------------------------------------------------


def test_a_key_made_here_says_so_and_tells_no_secret() -> None:
    desk = Desk()
    session = desk.log_in()
    for key in (desk.pair(session)[1], desk.aes(session)):
        assert history(key) == (True, True, True)
        with pytest.raises(ex.AttributeSensitive):
            key[Attribute.VALUE]


def test_secrecy_only_grows_and_the_past_stays_told() -> None:
    desk = Desk()
    session = desk.log_in()
    key = desk.aes(session, template={**EXTRACTABLE, Attribute.SENSITIVE: False})
    assert len(key[Attribute.VALUE]) == 32
    key[Attribute.SENSITIVE] = True
    key[Attribute.EXTRACTABLE] = False
    assert history(key) == (True, False, False)
    for attribute, value in ((Attribute.SENSITIVE, False), (Attribute.EXTRACTABLE, True)):
        with pytest.raises(ex.AttributeReadOnly):
            key[attribute] = value
    with pytest.raises(ex.AttributeSensitive):
        key[Attribute.VALUE]


@pytest.mark.parametrize("attribute", [*HISTORY, Attribute.CLASS, Attribute.TOKEN])
def test_nobody_writes_what_only_the_token_writes(attribute: Attribute) -> None:
    key = Desk().log_in().generate_key(KeyType.AES, 256)
    with pytest.raises(ex.AttributeReadOnly):
        key[attribute] = False


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({Attribute.LOCAL: True}, ex.AttributeReadOnly),
        ({Attribute.VALUE: bytes(32)}, ex.AttributeReadOnly),
        ({Attribute.EC_POINT: b"x"}, ex.AttributeTypeInvalid),
        ({Attribute.TRUSTED: True}, ex.AttributeReadOnly),
        ({Attribute.CLASS: ObjectClass.PRIVATE_KEY}, ex.TemplateInconsistent),
        ({Attribute.VALUE_LEN: 20}, ex.KeySizeRange),
        ({Attribute.VALUE_LEN: DEFAULT}, ex.TemplateIncomplete),
        ({Attribute.KEY_TYPE: 99}, ex.AttributeValueInvalid),
        ({Attribute.WRAP_TEMPLATE: {}}, NotImplementedError),
        ({Attribute.LABEL: b"octets"}, TypeError),
        ({Attribute.VALUE_LEN: "32"}, TypeError),
    ],
)
def test_a_wrong_template_makes_nothing(said: Any, error: type[Exception]) -> None:
    desk = Desk()
    session = desk.log_in()
    with pytest.raises(error):
        session.generate_key(KeyType.AES, 256, store=True, template=said)
    assert list(session.get_objects()) == []


def test_allowed_mechanisms_are_unreadable_as_in_the_library() -> None:
    key = Desk().log_in().generate_key(KeyType.AES, 256)
    with pytest.raises(NotImplementedError):
        key[Attribute.ALLOWED_MECHANISMS]


def test_what_may_not_be_changed_or_destroyed_says_so_by_an_unmapped_code() -> None:
    session = Desk().log_in()
    fixed = {Attribute.MODIFIABLE: False, Attribute.DESTROYABLE: False, Attribute.COPYABLE: False}
    key = session.generate_key(KeyType.AES, 256, template=fixed)
    for change in (
        lambda: key.__setitem__(Attribute.LABEL, "x"),
        key.destroy,
        lambda: key.copy({}),
    ):
        with pytest.raises(ex.PKCS11Error, match="0x1b"):
            change()


def test_a_copy_keeps_the_history_and_a_read_only_session_changes_nothing_that_stays() -> None:
    desk = Desk()
    key = desk.aes(desk.log_in(), template=EXTRACTABLE)
    copy = key.copy({Attribute.LABEL: "copy", Attribute.EXTRACTABLE: False})
    assert (copy.label, history(copy)) == ("copy", (True, True, False))
    desk.lib.reinitialize()
    found = desk.log_in(rw=False).get_key(label="copy")
    for change in (found.destroy, lambda: found.__setitem__(Attribute.LABEL, "x")):
        with pytest.raises(ex.SessionReadOnly):
            change()


# 7 Usage bits ---------------------------------------------------------------------------------


def test_a_key_has_only_the_methods_of_its_uses() -> None:
    desk = Desk()
    session = desk.log_in()
    key = desk.aes(session, "WRAP UNWRAP")
    assert hasattr(key, "wrap_key")
    assert not hasattr(key, "encrypt")
    _, private = desk.pair(session)
    assert hasattr(private, "sign")
    assert not hasattr(private, "decrypt")


def test_a_use_taken_away_is_refused_by_the_code_without_a_class() -> None:
    desk = Desk()
    session = desk.log_in()
    _, private = desk.pair(session)
    private[Attribute.SIGN] = False
    with pytest.raises(ex.PKCS11Error, match="0x68") as refused:
        desk.sign(private)
    assert type(refused.value) is ex.PKCS11Error
    found = session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=b"pair")
    assert not hasattr(found, "sign")


@pytest.mark.parametrize(("profile", "widens"), [("full", False), ("softhsm", True)])
def test_a_use_comes_back_only_on_lax_devices(profile: str, widens: bool) -> None:  # noqa: FBT001  a column of the table
    _, private = (desk := Desk(profile)).pair(desk.log_in())
    private[Attribute.SIGN] = False
    if widens:
        private[Attribute.SIGN] = True
        assert desk.sign(private)
    else:
        with pytest.raises(ex.AttributeReadOnly):
            private[Attribute.SIGN] = True


def test_dates_are_reported_and_nothing_more() -> None:
    desk = Desk()
    ended = {Attribute.START_DATE: date(1990, 1, 1), Attribute.END_DATE: date(1990, 12, 31)}
    _, private = desk.pair(desk.log_in(), private=ended)
    assert private[Attribute.END_DATE] == date(1990, 12, 31)
    assert desk.sign(private)


# 8 Mechanisms ---------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_a_mechanism_is_there_or_refused_as_the_profile_says(profile: str) -> None:
    desk = Desk(profile)
    session = desk.log_in()
    mechanisms = desk.lib.get_slots()[0].get_mechanisms()
    assert mechanisms == PROFILES[profile].mechanisms
    if Mechanism.EDDSA in mechanisms:
        assert len(desk.sign(desk.pair(session)[1])) == 64
    else:
        with pytest.raises(ex.MechanismInvalid):
            desk.pair(session)
    key = desk.aes(session)
    if Mechanism.AES_GCM in mechanisms:
        assert len(gcm(key, bytes(32))) == 48
    else:
        with pytest.raises(ex.MechanismInvalid):
            gcm(key, bytes(32))


@pytest.mark.skipif(not HAS_ML_DSA, reason="this release of cryptography has no ML-DSA")
def test_ml_dsa_signs_where_the_profile_has_it() -> None:
    session = Desk().log_in()
    public, private = session.generate_keypair(
        KeyType.ML_DSA,
        store=True,
        public_template={Attribute.PARAMETER_SET: MLDSAParameterSet.ML_DSA_44},
    )
    signature = private.sign(b"a checkpoint", mechanism=Mechanism.ML_DSA)
    assert (len(signature), len(public[Attribute.VALUE])) == (2420, 1312)
    assert public.verify(b"a checkpoint", signature, mechanism=Mechanism.ML_DSA)
    assert not public.verify(b"another", signature, mechanism=Mechanism.ML_DSA)
    with pytest.raises(ex.ArgumentsBad):
        session.generate_keypair(KeyType.ML_DSA)
    with pytest.raises(ex.MechanismParamInvalid):
        session.generate_keypair(KeyType.ML_DSA, public_template={Attribute.PARAMETER_SET: 2})


def test_a_mechanism_of_another_key_type_is_refused() -> None:
    _, private = (desk := Desk()).pair(desk.log_in())
    with pytest.raises(ex.KeyTypeInconsistent):
        private.sign(bytes(32), mechanism=Mechanism.ECDSA)
    with pytest.raises(ex.MechanismInvalid):
        private.sign(bytes(32), mechanism=Mechanism.RSA_PKCS)
    with pytest.raises(ex.ArgumentsBad):
        private.sign(bytes(32), mechanism="EDDSA")


@pytest.mark.parametrize("name", [b"\x06\x03\x2b\x65\x70", b"\x13\x0cedwards25519"])
def test_the_curve_has_two_spellings(name: bytes) -> None:
    desk = Desk()
    public, private = pair_of(desk.log_in(), KeyType.EC_EDWARDS, name)
    key = ed25519.Ed25519PublicKey.from_public_bytes(public[Attribute.EC_POINT][2:])
    key.verify(desk.sign(private), b"a checkpoint")
    assert private[Attribute.EC_PARAMS] == name


def test_some_devices_give_the_point_bare() -> None:
    desk = Desk("yubihsm-like")
    public, private = desk.pair(desk.log_in())
    key = ed25519.Ed25519PublicKey.from_public_bytes(public[Attribute.EC_POINT])
    key.verify(desk.sign(private), b"a checkpoint")


def test_an_unknown_curve_and_no_curve_are_refused() -> None:
    session = Desk().log_in()
    with pytest.raises(ex.DomainParamsInvalid):
        pair_of(session, KeyType.EC_EDWARDS, b"\x06\x03\x2b\x65\x71")
    with pytest.raises(ex.TemplateIncomplete):
        session.create_domain_parameters(KeyType.EC, {}, local=True).generate_keypair()


def test_a_tpm_refuses_templates_that_say_too_much() -> None:
    session = Desk("tpm-like").log_in()
    domain = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: P256}, local=True)
    with pytest.raises(ex.AttributeTypeInvalid):
        domain.generate_keypair(store=True)
    assert list(session.get_objects()) == []
    _, private = pair_of(session, KeyType.EC, P256)
    assert len(private.sign(bytes(32), mechanism=Mechanism.ECDSA)) == 64
