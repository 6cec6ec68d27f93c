"""Names and numbers are those of python-pkcs11, compared wherever that package is installed."""

import importlib
from typing import Any

import pytest

from hsm_sim import constants, defaults, exceptions, library, mechanisms, session
from hsm_sim.constants import DEFAULT
from tests.support.tools import absent

ENUMS = (
    (constants, "UserType"),
    (constants, "ObjectClass"),
    (constants, "Attribute"),
    (constants, "MechanismFlag"),
    (constants, "SlotFlag"),
    (constants, "TokenFlag"),
    (constants, "CancelStrategy"),
    (mechanisms, "KeyType"),
    (mechanisms, "Mechanism"),
    (mechanisms, "MLDSAParameterSet"),
)


def package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        absent("python-pkcs11 is not installed")


@pytest.mark.parametrize(("ours", "name"), ENUMS, ids=[name for _, name in ENUMS])
def test_every_number_is_that_of_the_package(ours: Any, name: str) -> None:
    theirs = getattr(package(ours.__name__.replace("hsm_sim", "pkcs11")), name)
    mine = getattr(ours, name)
    assert {key: int(value) for key, value in mine.__members__.items()} == {
        key: int(theirs[key]) for key in mine.__members__
    }


def test_every_error_of_the_package_is_here_and_no_other() -> None:
    theirs = package("pkcs11.exceptions")
    named = {
        name
        for name, value in vars(theirs).items()
        if isinstance(value, type) and issubclass(value, theirs.PKCS11Error)
    }
    assert {*exceptions.ERRORS, "PKCS11Error"} == named


def test_every_default_mechanism_is_that_of_the_package() -> None:
    theirs = package("pkcs11.defaults")
    pairs = (
        (defaults.GENERATE, theirs.DEFAULT_GENERATE_MECHANISMS),
        (defaults.ENCRYPT, theirs.DEFAULT_ENCRYPT_MECHANISMS),
        (defaults.SIGN, theirs.DEFAULT_SIGN_MECHANISMS),
        (defaults.WRAP, theirs.DEFAULT_WRAP_MECHANISMS),
    )
    for ours, others in pairs:
        by_name = {key.name: value.name for key, value in others.items()}
        assert {key.name: value.name for key, value in ours.items()}.items() <= by_name.items()


def test_every_template_is_that_of_the_package() -> None:
    their_attributes = package("pkcs11.attributes")
    flag, their_flag = constants.MechanismFlag, package("pkcs11.constants").MechanismFlag
    mapper = their_attributes.AttributeMapper()
    said = {"id_": b"one", "label": "two", "store": True}
    makers = {
        constants.ObjectClass.PUBLIC_KEY: mapper.public_key_template,
        constants.ObjectClass.PRIVATE_KEY: mapper.private_key_template,
        constants.ObjectClass.SECRET_KEY: mapper.secret_key_template,
    }
    options = {"id": b"one", "label": "two", "store": True, "capabilities": flag.SIGN}
    for object_class, make in makers.items():
        theirs = make(capabilities=their_flag.SIGN, **said)
        ours = defaults.template_for(object_class, mechanisms.KeyType.AES, options)
        assert {key.name: _plain(value) for key, value in ours.items()} == {
            key.name: _plain(value) for key, value in theirs.items()
        }


def _plain(value: Any) -> Any:
    return bool(value) if type(value).__name__ in {"bool", "MechanismFlag"} else value


SURFACE = (
    (library.Slot, "Slot", "get_token get_mechanisms get_mechanism_info flags slot_id"),
    (library.Token, "Token", "open flags label serial model manufacturer_id slot"),
    (session.Session, "Session", "close get_key get_objects generate_key generate_random set_pin"),
    (session.Session, "Session", "init_pin create_domain_parameters create_object token rw"),
)


@pytest.mark.parametrize(("ours", "name", "members"), SURFACE)
def test_every_method_of_the_surface_has_its_name(ours: Any, name: str, members: str) -> None:
    theirs = getattr(package("pkcs11.types"), name)
    for member in members.split():
        assert hasattr(theirs, member), member
        assert hasattr(ours, member) or member in ours.__init__.__code__.co_names, member


def test_names_of_the_parts_are_names_of_the_namespace_too() -> None:
    names = library.Namespace(None, exceptions, constants, mechanisms)
    assert names.Attribute is constants.Attribute
    assert names.Mechanism is mechanisms.Mechanism
    assert names.PinLocked is exceptions.PinLocked
    assert names.DEFAULT is DEFAULT
    with pytest.raises(AttributeError):
        names.Nothing  # noqa: B018  reading it is the test


def test_the_two_codes_without_a_class_are_told_by_their_text() -> None:
    assert str(exceptions.not_permitted()) == "Unmapped error code 0x68"
    assert str(exceptions.prohibited()) == "Unmapped error code 0x1b"
    assert exceptions.code_of(exceptions.not_permitted()) == 0x68
    assert exceptions.code_of(exceptions.prohibited()) == 0x1B
    assert exceptions.code_of(exceptions.NoSuchKey()) == 0
    assert len(exceptions.ERRORS) > 40
