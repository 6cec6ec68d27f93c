"""Objects on a token: what a template may say, what an object then says, and how it may change.

History is kept: a key that was ever extractable or not sensitive never claims otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from hsm_sim.constants import Attribute, ObjectClass
from hsm_sim.exceptions import (
    AttributeReadOnly,
    AttributeSensitive,
    AttributeTypeInvalid,
    AttributeValueInvalid,
    prohibited,
)
from hsm_sim.mechanisms import KeyType, Mechanism

Template = Mapping[Attribute, Any]

USES: Final = (
    Attribute.ENCRYPT,
    Attribute.DECRYPT,
    Attribute.SIGN,
    Attribute.VERIFY,
    Attribute.WRAP,
    Attribute.UNWRAP,
    Attribute.DERIVE,
)

_BOOLEANS = frozenset(USES) | {
    Attribute.TOKEN,
    Attribute.PRIVATE,
    Attribute.SENSITIVE,
    Attribute.EXTRACTABLE,
    Attribute.LOCAL,
    Attribute.ALWAYS_SENSITIVE,
    Attribute.NEVER_EXTRACTABLE,
    Attribute.MODIFIABLE,
    Attribute.COPYABLE,
    Attribute.DESTROYABLE,
    Attribute.TRUSTED,
    Attribute.WRAP_WITH_TRUSTED,
    Attribute.ALWAYS_AUTHENTICATE,
}
_OCTETS = frozenset(
    {
        Attribute.ID,
        Attribute.VALUE,
        Attribute.EC_PARAMS,
        Attribute.EC_POINT,
        Attribute.SUBJECT,
        Attribute.CHECK_VALUE,
    }
)
_TEXTS = frozenset({Attribute.LABEL})
_DATES = frozenset({Attribute.START_DATE, Attribute.END_DATE})
_NUMBERS: Final[dict[Attribute, type[int]]] = {
    Attribute.CLASS: ObjectClass,
    Attribute.KEY_TYPE: KeyType,
    Attribute.KEY_GEN_MECHANISM: Mechanism,
    Attribute.VALUE_LEN: int,
    Attribute.PARAMETER_SET: int,
}
_HANDLED = _BOOLEANS | _OCTETS | _TEXTS | _DATES | frozenset(_NUMBERS)
_ARRAYS = frozenset(
    {Attribute.WRAP_TEMPLATE, Attribute.UNWRAP_TEMPLATE, Attribute.ALLOWED_MECHANISMS}
)

_COMMON = {
    Attribute.CLASS,
    Attribute.TOKEN,
    Attribute.PRIVATE,
    Attribute.LABEL,
    Attribute.ID,
    Attribute.KEY_TYPE,
    Attribute.DERIVE,
    Attribute.START_DATE,
    Attribute.END_DATE,
    Attribute.SUBJECT,
    Attribute.LOCAL,
    Attribute.KEY_GEN_MECHANISM,
    Attribute.MODIFIABLE,
    Attribute.COPYABLE,
    Attribute.DESTROYABLE,
}
_SECRECY = {
    Attribute.SENSITIVE,
    Attribute.EXTRACTABLE,
    Attribute.ALWAYS_SENSITIVE,
    Attribute.NEVER_EXTRACTABLE,
    Attribute.WRAP_WITH_TRUSTED,
    Attribute.VALUE,
}
_ALLOWED: Final[dict[ObjectClass, frozenset[Attribute]]] = {
    ObjectClass.SECRET_KEY: frozenset(
        _COMMON
        | _SECRECY
        | set(USES)
        | {Attribute.VALUE_LEN, Attribute.TRUSTED, Attribute.CHECK_VALUE}
    ),
    ObjectClass.PRIVATE_KEY: frozenset(
        _COMMON
        | _SECRECY
        | {Attribute.DECRYPT, Attribute.SIGN, Attribute.UNWRAP, Attribute.ALWAYS_AUTHENTICATE}
        | {Attribute.EC_PARAMS, Attribute.PARAMETER_SET}
    ),
    ObjectClass.PUBLIC_KEY: frozenset(
        _COMMON
        | {Attribute.ENCRYPT, Attribute.VERIFY, Attribute.WRAP, Attribute.TRUSTED}
        | {Attribute.EC_PARAMS, Attribute.EC_POINT, Attribute.PARAMETER_SET, Attribute.VALUE}
    ),
}
_ONLY_TOKEN_WRITES = frozenset(
    {
        Attribute.LOCAL,
        Attribute.ALWAYS_SENSITIVE,
        Attribute.NEVER_EXTRACTABLE,
        Attribute.KEY_GEN_MECHANISM,
        Attribute.CHECK_VALUE,
    }
)
_CHANGEABLE = frozenset(USES) | {
    Attribute.LABEL,
    Attribute.ID,
    Attribute.SUBJECT,
    *_DATES,
    Attribute.SENSITIVE,
    Attribute.EXTRACTABLE,
}
_OVERHEAD_BYTES = 96
_HIDDEN = frozenset({ObjectClass.SECRET_KEY, ObjectClass.PRIVATE_KEY})


@dataclass(slots=True)
class StoredObject:
    """A key as the token holds it; `session` is 0 for an object that stays."""

    attributes: dict[Attribute, Any]
    secret: bytes = field(default=b"", repr=False)
    session: int = 0

    @property
    def object_class(self) -> ObjectClass:
        """Give what it is."""
        return ObjectClass(self.attributes[Attribute.CLASS])

    @property
    def key_type(self) -> KeyType:
        """Give what kind of key it is."""
        return KeyType(self.attributes[Attribute.KEY_TYPE])

    @property
    def is_private(self) -> bool:
        """Tell whether only who is logged in sees it."""
        return self.has(Attribute.PRIVATE)

    @property
    def size(self) -> int:
        """Estimate the bytes it takes on the token."""
        values = self.attributes.values()
        held = sum(len(value) for value in values if isinstance(value, bytes | str))
        return _OVERHEAD_BYTES + held + len(self.secret)

    def has(self, attribute: Attribute) -> bool:
        """Tell whether a boolean attribute is there and true."""
        return bool(self.attributes.get(attribute, False))

    def read(self, attribute: Attribute) -> Any:
        """Read an attribute as the library would give it."""
        if attribute in _ARRAYS:
            raise NotImplementedError(f"Can't handle attribute type {attribute:#x}.")
        if attribute is Attribute.VALUE and self.object_class in _HIDDEN:
            if self.has(Attribute.SENSITIVE) or not self.has(Attribute.EXTRACTABLE):
                raise AttributeSensitive
            return self.secret
        if attribute not in self.attributes:
            raise AttributeTypeInvalid(attribute.name)
        return self.attributes[attribute]

    def write(self, attribute: Attribute, value: Any, *, uses_only_narrow: bool) -> None:
        """Change an attribute, where that is allowed: secrecy only grows."""
        value = normal(attribute, value)
        if attribute not in _ALLOWED[self.object_class]:
            raise AttributeTypeInvalid(attribute.name)
        if attribute not in _CHANGEABLE:
            raise AttributeReadOnly(attribute.name)
        if not self.attributes.get(Attribute.MODIFIABLE, True):
            raise prohibited()
        closes = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
        if attribute in closes and (
            value is not closes[attribute] or self.attributes[attribute] is value
        ):
            raise AttributeReadOnly(attribute.name)
        if uses_only_narrow and attribute in USES and value and not self.has(attribute):
            raise AttributeReadOnly(attribute.name)
        self.attributes[attribute] = value

    def matches(self, wanted: Template) -> bool:
        """Tell whether it has all the attributes wanted."""
        have = self.attributes
        return all(key in have and have[key] == value for key, value in wanted.items())


def normal(attribute: Attribute, value: Any) -> Any:
    """Bring a value to the type of its attribute; TypeError when it is of another."""
    if attribute not in _HANDLED:
        raise NotImplementedError(f"Can't handle attribute type {attribute:#x}.")
    if attribute in _BOOLEANS:
        return bool(value)
    if attribute in _NUMBERS:
        return _enumerated(attribute, value)
    wanted = str if attribute in _TEXTS else date if attribute in _DATES else bytes
    if wanted is bytes and isinstance(value, bytearray):
        return bytes(value)
    if not isinstance(value, wanted):
        raise TypeError(f"{attribute.name} is {wanted.__name__}, not {type(value).__name__}")
    return value


def _enumerated(attribute: Attribute, value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{attribute.name} is a number, not {type(value).__name__}")
    try:
        return _NUMBERS[attribute](value)
    except ValueError:
        raise AttributeValueInvalid(attribute.name) from None


def checked(
    template: Template, object_class: ObjectClass, *, brings_value: bool
) -> dict[Attribute, Any]:
    """Check what a template says about an object of a class; give it with normal values."""
    said = {Attribute(key): normal(Attribute(key), value) for key, value in template.items()}
    for attribute in said:
        if attribute in _ONLY_TOKEN_WRITES or (attribute is Attribute.VALUE and not brings_value):
            raise AttributeReadOnly(attribute.name)
        if attribute not in _ALLOWED[object_class]:
            raise AttributeTypeInvalid(attribute.name)
    if said.get(Attribute.TRUSTED):
        raise AttributeReadOnly("only the security officer trusts a key")
    return said


def completed(
    said: Mapping[Attribute, Any], born: Mechanism | None, *, sensitive: bool
) -> dict[Attribute, Any]:
    """Add what a template left unsaid, and the history that only the token writes.

    `born` is the mechanism that generated the key here, None for a key that came from outside;
    `sensitive` is the secrecy of a key whose template says nothing of it.
    """
    object_class = ObjectClass(said[Attribute.CLASS])
    hidden = object_class in _HIDDEN
    made: dict[Attribute, Any] = {
        Attribute.TOKEN: False,
        Attribute.PRIVATE: hidden,
        Attribute.LABEL: "",
        Attribute.ID: b"",
        **dict.fromkeys((use for use in USES if use in _ALLOWED[object_class]), False),
        Attribute.MODIFIABLE: True,
        Attribute.COPYABLE: True,
        Attribute.DESTROYABLE: True,
        Attribute.LOCAL: born is not None,
    }
    signs = {ObjectClass.PRIVATE_KEY: Attribute.SIGN, ObjectClass.PUBLIC_KEY: Attribute.VERIFY}
    if object_class in signs:
        made[signs[object_class]] = True
    if hidden:
        made |= {Attribute.SENSITIVE: sensitive, Attribute.EXTRACTABLE: False}
    made |= said
    made.pop(Attribute.VALUE, None) if hidden else None
    if born is not None:
        made[Attribute.KEY_GEN_MECHANISM] = born
    if hidden:
        made[Attribute.ALWAYS_SENSITIVE] = born is not None and made[Attribute.SENSITIVE]
        made[Attribute.NEVER_EXTRACTABLE] = born is not None and not made[Attribute.EXTRACTABLE]
    return made
