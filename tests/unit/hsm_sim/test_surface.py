"""The object surface in its corners: what a careless caller meets is what the library gives."""

import threading
from typing import Any

import pytest

from hsm_sim import exceptions as ex
from hsm_sim import util
from hsm_sim.audit import AuditEntry, AuditLog
from hsm_sim.constants import Attribute, ObjectClass, UserType
from hsm_sim.library import Slot
from hsm_sim.mechanisms import GCMParams, KeyType, Mechanism
from tests.unit.hsm_sim.desk import P256, PIN, SO_PIN, Desk, pair_of

UNSAID = {Attribute.EXTRACTABLE: True}


def test_things_are_equal_when_they_are_the_same_on_the_device() -> None:
    desk = Desk()
    session = desk.log_in()
    key = desk.aes(session)
    assert len({key, session.get_key(id=b"aes"), desk.token(), desk.token()}) == 2
    assert {session, desk.token().slot} != {desk.token().open(), desk.token().slot}
    assert key != desk.aes(session)
    assert key != "a key"


def test_what_is_printed_names_the_thing_and_no_secret() -> None:
    desk = Desk()
    session = desk.log_in()
    key = desk.aes(session)
    assert repr(key) == "<SecretKey label='key' id='616573' AES>"
    assert str(desk.token()) == "a"
    assert repr(desk.token()).startswith("<Token (label='a' serial=")
    held = session.process.peek(session.handle, key.handle)
    assert held.secret.hex() not in repr(held)
    assert str(held.secret) not in repr(held)


def test_a_label_is_remembered_by_the_object_that_read_it() -> None:
    desk = Desk()
    session = desk.log_in()
    key = desk.aes(session)
    assert key.label == "key"
    key[Attribute.LABEL] = "new"
    assert (key.label, key[Attribute.LABEL]) == ("key", "new")
    assert (key.id, session.get_key(id=b"aes").label) == (b"aes", "new")


def test_several_attributes_are_read_at_once_as_far_as_they_can_be() -> None:
    desk = Desk()
    key = desk.aes(desk.log_in())
    asked = [Attribute.LABEL, Attribute.VALUE, Attribute.EC_POINT, Attribute.VALUE_LEN]
    assert key.get_attributes(asked) == {Attribute.LABEL: "key", Attribute.VALUE_LEN: 32}
    with pytest.raises(ex.AttributeTypeInvalid):
        key[Attribute.EC_POINT]
    with pytest.raises(ex.AttributeTypeInvalid):
        key[Attribute.EC_POINT] = b"x"


def test_data_is_one_piece_of_text_or_octets() -> None:
    desk = Desk()
    _, private = desk.pair(desk.log_in())
    assert private.sign("a checkpoint") == desk.sign(private)
    with pytest.raises(ex.ArgumentsBad):
        private.sign(iter([b"a", b"b"]))


def test_a_mechanism_takes_the_parameter_that_is_its_own() -> None:
    desk = Desk()
    session = desk.log_in()
    _, private = desk.pair(session)
    key = desk.aes(session)
    with pytest.raises(ex.MechanismParamInvalid):
        private.sign(b"x", mechanism=Mechanism.EDDSA, mechanism_param=b"x")
    with pytest.raises(TypeError):
        key.encrypt(b"x", mechanism=Mechanism.AES_GCM)
    with pytest.raises(TypeError):
        key.encrypt(b"x", speed="high")
    with pytest.raises(ex.ArgumentsBad):
        GCMParams(bytes(13))
    with pytest.raises(ex.MechanismInvalid):
        key.encrypt(b"x")
    with pytest.raises(ex.MechanismInvalid):
        private.sign(b"x", mechanism=Mechanism.SHA256_HMAC)


@pytest.mark.parametrize("profile", ["full", "softhsm"])
def test_data_is_sealed_with_key_wrapping_where_there_is_no_gcm(profile: str) -> None:
    desk = Desk(profile)
    key = desk.aes(desk.log_in())
    for mechanism, data in (
        (Mechanism.AES_KEY_WRAP_PAD, b"any length"),
        (Mechanism.AES_KEY_WRAP, bytes(24)),
    ):
        sealed = key.encrypt(data, mechanism=mechanism)
        assert key.decrypt(sealed, mechanism=mechanism) == data
        with pytest.raises(ex.GeneralError if profile == "softhsm" else ex.EncryptedDataInvalid):
            key.decrypt(bytes([sealed[0] ^ 1]) + sealed[1:], mechanism=mechanism)
        with pytest.raises(ex.PKCS11Error):
            key.decrypt(sealed[:-1], mechanism=mechanism)
        for wrong in (b"", b"1234567") if mechanism is Mechanism.AES_KEY_WRAP else (b"",):
            with pytest.raises(ex.DataLenRange):
                key.encrypt(wrong, mechanism=mechanism)


def unwrapping(desk: Desk) -> tuple[Any, bytes]:
    session = desk.log_in()
    by = desk.aes(session, "WRAP UNWRAP")
    return by, by.wrap_key(desk.aes(session, template=UNSAID))


@pytest.mark.parametrize(
    ("object_class", "key_type", "error"),
    [
        (ObjectClass.PUBLIC_KEY, KeyType.EC, ex.AttributeTypeInvalid),
        (ObjectClass.SECRET_KEY, KeyType.EC, ex.KeyTypeInconsistent),
        ("secret", KeyType.AES, ex.ArgumentsBad),
        (ObjectClass.SECRET_KEY, "AES", ex.ArgumentsBad),
        (ObjectClass.SECRET_KEY, KeyType.DES3, ex.ArgumentsBad),
    ],
)
def test_unwrapping_as_something_else_is_refused(
    object_class: Any, key_type: Any, error: type[Exception]
) -> None:
    by, wrapped = unwrapping(Desk())
    with pytest.raises(error):
        by.unwrap_key(object_class, key_type, wrapped)


def test_a_private_key_of_another_type_is_not_unwrapped() -> None:
    desk = Desk()
    session = desk.log_in()
    by, wrapped = unwrapping_pair(desk, session)
    for key_type in (KeyType.EC_EDWARDS, KeyType.EC):
        unsaid = (Attribute.ENCRYPT, Attribute.WRAP, Attribute.VERIFY)
        template = dict.fromkeys(unsaid, desk.names.DEFAULT)
        options = {"mechanism": Mechanism.AES_KEY_WRAP_PAD, "template": template}
        if key_type is KeyType.EC:
            assert by.unwrap_key(ObjectClass.PRIVATE_KEY, key_type, wrapped, **options)
        else:
            with pytest.raises(ex.WrappedKeyInvalid):
                by.unwrap_key(ObjectClass.PRIVATE_KEY, key_type, wrapped, **options)
    with pytest.raises(ex.WrappedKeyInvalid):
        by.unwrap_key(
            ObjectClass.SECRET_KEY, KeyType.AES, wrapped, mechanism=Mechanism.AES_KEY_WRAP_PAD
        )


def unwrapping_pair(desk: Desk, session: Any) -> tuple[Any, bytes]:
    by = desk.aes(session, "WRAP UNWRAP")
    _, private = pair_of(session, KeyType.EC, P256, private=UNSAID)
    return by, by.wrap_key(private, mechanism=Mechanism.AES_KEY_WRAP_PAD)


def test_keys_are_wrapped_by_key_wrapping_alone() -> None:
    desk = Desk()
    session = desk.log_in()
    by, key = desk.aes(session, "WRAP UNWRAP"), desk.aes(session, template=UNSAID)
    with pytest.raises(ex.MechanismInvalid):
        by.wrap_key(key, mechanism=Mechanism.AES_GCM)
    with pytest.raises(ex.MechanismInvalid):
        by.unwrap_key(ObjectClass.SECRET_KEY, KeyType.AES, bytes(40), mechanism=Mechanism.AES_GCM)
    trusting = desk.aes(session, template={**UNSAID, Attribute.WRAP_WITH_TRUSTED: True})
    with pytest.raises(ex.KeyNotWrappable):
        by.wrap_key(trusting)


def test_a_copy_may_move_to_the_token_and_never_out_of_privacy() -> None:
    desk = Desk()
    session = desk.log_in()
    key = desk.aes(session, store=False)
    copy = key.copy({Attribute.TOKEN: True, Attribute.PRIVATE: False})
    assert (copy[Attribute.TOKEN], copy[Attribute.PRIVATE]) == (True, True)


def test_a_session_that_may_only_read_keeps_nothing_and_changes_no_pin() -> None:
    desk = Desk()
    session = desk.log_in(rw=False)
    with pytest.raises(ex.SessionReadOnly):
        desk.aes(session)
    with pytest.raises(ex.SessionReadOnly):
        session.set_pin(PIN, "135790")
    with pytest.raises(ex.UserNotLoggedIn):
        session.init_pin("135790")
    assert desk.aes(session, store=False)


def test_the_officer_changes_the_officers_pin() -> None:
    desk = Desk()
    with desk.token().open(rw=True, so_pin=SO_PIN) as officer:
        officer.set_pin(SO_PIN, "87654321")
    with pytest.raises(ex.PinIncorrect):
        desk.token().open(rw=True, so_pin=SO_PIN)
    desk.lib.reinitialize()
    assert desk.token().open(rw=True, so_pin="87654321").user_type is UserType.SO


def test_a_logout_takes_the_private_objects_of_its_sessions_along() -> None:
    desk = Desk()
    session = desk.log_in()
    other = desk.token().open(rw=True)
    desk.aes(other, store=False)
    session.close()
    again = desk.log_in()
    assert list(again.get_objects()) == []
    with pytest.raises(ex.SessionHandleInvalid):
        session.close()


def test_logging_out_twice_is_refused() -> None:
    desk = Desk()
    first, second = desk.log_in(), desk.token().open()
    first.close()
    second.user_type = UserType.USER
    with pytest.raises(ex.UserNotLoggedIn):
        second.close()


@pytest.mark.parametrize("mechanism", [Mechanism.EDDSA, Mechanism.EC_KEY_PAIR_GEN])
def test_a_key_is_generated_by_a_mechanism_for_it(mechanism: Mechanism) -> None:
    session = Desk().log_in()
    with pytest.raises(ex.MechanismInvalid):
        session.generate_key(KeyType.AES, 256, mechanism=mechanism)
    with pytest.raises(ex.MechanismInvalid):
        session.generate_keypair(KeyType.EC, mechanism=Mechanism.AES_KEY_GEN)


def test_key_types_without_defaults_need_the_callers_word() -> None:
    session = Desk().log_in()
    with pytest.raises(ex.ArgumentsBad):
        session.generate_key(KeyType.DES3, 192)
    with pytest.raises(ex.ArgumentsBad):
        session.generate_key(KeyType.DES3, 192, mechanism=Mechanism.AES_KEY_GEN)


def test_a_slot_that_is_not_there_has_no_token() -> None:
    desk = Desk()
    session = desk.log_in()
    with pytest.raises(ex.SlotIDInvalid):
        Slot(session.process, 9).get_token()
    with pytest.raises(TypeError):
        desk.token().open(colour="red")
    with pytest.raises(ValueError, match="8 bits"):
        session.generate_random(0)


def test_only_octets_of_a_kind_fit_an_attribute() -> None:
    key = (desk := Desk()).aes(desk.log_in())
    key[Attribute.ID] = bytearray(b"new id")
    assert key[Attribute.ID] == b"new id"
    with pytest.raises(TypeError):
        key[Attribute.ID] = "new id"


def test_curves_are_encoded_by_name_or_number() -> None:
    assert util.ec.encode_named_curve_parameters("1.3.101.112") == bytes.fromhex("06032b6570")
    with pytest.raises(KeyError):
        util.ec.encode_named_curve_parameters("curve of mine")


def test_a_full_log_that_stops_nothing_counts_what_it_missed() -> None:
    log = AuditLog(2, forced=False)
    for operation in ("sign", "sign", "sign", "boot", "login"):
        log.add(AuditEntry(log.next_number, 0, 0, "user", operation, "", "", 0))
    assert (len(log.held), log.stops_commands) == (2, False)
    assert (log.unlogged.commands, log.unlogged.boots, log.unlogged.logins) == (1, 1, 1)


def test_threads_of_one_process_get_their_own_right_answers() -> None:
    """One thread per module is the rule for real devices; this one must not fall over either."""
    desk = Desk("yubihsm-like")
    session = desk.log_in()
    keys = [desk.pair(session, key_id=b"%d" % number) for number in range(3)]
    right = [desk.sign(private) for _, private in keys]
    made: list[tuple[int, bytes]] = []

    def work(number: int) -> None:
        made.extend((number, desk.sign(keys[number][1])) for _ in range(15))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(signature == right[number] for number, signature in made)
    assert len(desk.machine.audit_log()) == 1 + 1 + 1 + 3 + 3 + 45
