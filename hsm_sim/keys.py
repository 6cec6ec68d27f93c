"""Objects as a program holds them: a class for each kind, with the methods its uses allow.

A key that may not sign has no method `sign`, as in python-pkcs11: its class is made from what the
key says when it is found. Labels and ids are read once and remembered by the object.
"""

from collections.abc import Hashable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from hsm_sim import defaults
from hsm_sim.constants import Attribute, ObjectClass
from hsm_sim.exceptions import (
    ArgumentsBad,
    MechanismParamInvalid,
    PKCS11Error,
    SignatureInvalid,
    SignatureLenRange,
)
from hsm_sim.identity import IdentifiedBy, override
from hsm_sim.mechanisms import GCMParams, KeyType, Mechanism

if TYPE_CHECKING:
    from hsm_sim.session import Session

_USING = frozenset({"mechanism", "mechanism_param", "buffer_size"})


class Object(IdentifiedBy):
    """A handle on an object, in the session that found it."""

    object_class: ObjectClass | None = None

    def __init__(self, session: "Session", handle: int) -> None:
        self.session = session
        self.handle = handle

    def __getitem__(self, attribute: Attribute) -> Any:
        return self._process.read(self.session.handle, self.handle, Attribute(attribute))

    def __setitem__(self, attribute: Attribute, value: Any) -> None:
        self._process.write(self.session.handle, self.handle, Attribute(attribute), value)

    @override
    def _identity(self) -> Hashable:
        return "object", self.session, self.handle

    @property
    def _process(self) -> Any:
        return self.session.process

    def get_attributes(self, keys: list[Attribute]) -> dict[Attribute, Any]:
        """Read those of the attributes that can be read."""
        found = {}
        for key in keys:
            try:
                found[key] = self[key]
            except PKCS11Error:
                continue
        return found

    def copy(self, attrs: Mapping[Attribute, Any]) -> Any:
        """Copy it with other attributes."""
        return self.session.object_of(self._process.copy(self.session.handle, self.handle, attrs))

    def destroy(self) -> None:
        """Destroy it."""
        self._process.destroy(self.session.handle, self.handle)


class Key(Object):
    """A key of any class."""

    @cached_property
    def key_type(self) -> KeyType:
        """Give what kind of key it is."""
        return KeyType(self[Attribute.KEY_TYPE])

    @cached_property
    def id(self) -> bytes:
        """Give its id, as it was when first read."""
        return bytes(self[Attribute.ID])

    @cached_property
    def label(self) -> str:
        """Give its label, as it was when first read."""
        return str(self[Attribute.LABEL])

    @override
    def __repr__(self) -> str:
        name = type(self).__name__
        return f"<{name} label='{self.label}' id='{self.id.hex()}' {self.key_type.name}>"


class SecretKey(Key):
    """A symmetric key."""

    object_class = ObjectClass.SECRET_KEY

    @property
    def key_length(self) -> int:
        """Give its length in bits."""
        return int(self[Attribute.VALUE_LEN]) * 8


class PublicKey(Key):
    """The public half of a pair."""

    object_class = ObjectClass.PUBLIC_KEY


class PrivateKey(Key):
    """The private half of a pair."""

    object_class = ObjectClass.PRIVATE_KEY


def _whole(data: str | bytes) -> bytes:
    """Take data in one piece; text as UTF-8."""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes):
        return data
    raise ArgumentsBad("data comes in one piece")


class _Using(Key):
    """A key with a use."""

    def _mechanism(
        self, default: Mapping[KeyType, Mechanism], options: Mapping[str, Any]
    ) -> Mechanism:
        defaults.known(options, _USING)
        mechanism = defaults.chosen(default, self.key_type, options.get("mechanism"))
        given = options.get("mechanism_param")
        if mechanism is Mechanism.AES_GCM and not isinstance(given, GCMParams):
            raise TypeError("AES_GCM needs GCMParams")
        if mechanism is not Mechanism.AES_GCM and given is not None:
            raise MechanismParamInvalid(mechanism.name)
        return mechanism

    @property
    def _place(self) -> tuple[int, int]:
        return self.session.handle, self.handle


class SignMixin(_Using):
    """A key that signs."""

    def sign(self, data: str | bytes, **options: Any) -> bytes:
        """Sign; `mechanism` may be given."""
        mechanism = self._mechanism(defaults.SIGN, options)
        return bytes(self._process.sign(*self._place, mechanism, _whole(data)))


class VerifyMixin(_Using):
    """A key that verifies."""

    def verify(self, data: str | bytes, signature: bytes, **options: Any) -> bool:
        """Tell whether a signature is right."""
        mechanism = self._mechanism(defaults.SIGN, options)
        try:
            self._process.verify(*self._place, mechanism, _whole(data), signature)
        except (SignatureInvalid, SignatureLenRange):
            return False
        return True


class EncryptMixin(_Using):
    """A key that encrypts."""

    def encrypt(self, data: str | bytes, **options: Any) -> bytes:
        """Encrypt; `mechanism` and `mechanism_param` may be given."""
        mechanism = self._mechanism(defaults.ENCRYPT, options)
        given = options.get("mechanism_param")
        return bytes(self._process.encrypt(*self._place, mechanism, _whole(data), given))


class DecryptMixin(_Using):
    """A key that decrypts."""

    def decrypt(self, data: bytes, **options: Any) -> bytes:
        """Decrypt; `mechanism` and `mechanism_param` may be given."""
        mechanism = self._mechanism(defaults.ENCRYPT, options)
        given = options.get("mechanism_param")
        return bytes(self._process.decrypt(*self._place, mechanism, _whole(data), given))


class WrapMixin(_Using):
    """A key that wraps others."""

    def wrap_key(self, key: Key, **options: Any) -> bytes:
        """Wrap a key that may leave."""
        if not isinstance(key, Key):
            raise ArgumentsBad("`key` must be a Key.")
        mechanism = defaults.chosen(defaults.WRAP, self.key_type, options.get("mechanism"))
        defaults.known(options, _USING)
        return bytes(self._process.wrap(*self._place, mechanism, key.handle))


class UnwrapMixin(_Using):
    """A key that unwraps others."""

    def unwrap_key(
        self, object_class: ObjectClass, key_type: KeyType, key_data: bytes, **options: Any
    ) -> Any:
        """Restore a wrapped key; takes the keywords of `Session.generate_key`."""
        if not isinstance(object_class, ObjectClass):
            raise ArgumentsBad("`object_class` must be ObjectClass.")
        if not isinstance(key_type, KeyType):
            raise ArgumentsBad("`key_type` must be KeyType.")
        defaults.known(options, defaults.MAKING)
        mechanism = defaults.chosen(defaults.WRAP, self.key_type, options.get("mechanism"))
        template = defaults.template_for(
            object_class,
            key_type,
            options,
            {Attribute.KEY_TYPE: key_type},
            options.get("template"),
            is_import=True,
        )
        made = self._process.unwrap(*self._place, mechanism, key_data, template)
        return self.session.object_of(made)


_CLASSES: dict[ObjectClass, type[Key]] = {
    ObjectClass.SECRET_KEY: SecretKey,
    ObjectClass.PUBLIC_KEY: PublicKey,
    ObjectClass.PRIVATE_KEY: PrivateKey,
}
MIXINS: dict[Attribute, type[Key]] = {
    Attribute.ENCRYPT: EncryptMixin,
    Attribute.DECRYPT: DecryptMixin,
    Attribute.SIGN: SignMixin,
    Attribute.VERIFY: VerifyMixin,
    Attribute.WRAP: WrapMixin,
    Attribute.UNWRAP: UnwrapMixin,
}


@cache
def class_of(object_class: ObjectClass, uses: tuple[Attribute, ...]) -> type[Key]:
    """Make the class of a key from what it is and what it may do."""
    base = _CLASSES[object_class]
    return type(base.__name__, (base, *(MIXINS[use] for use in uses)), {})
