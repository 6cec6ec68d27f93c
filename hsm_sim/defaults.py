"""What the library adds to a request by itself, as python-pkcs11 does."""

from collections.abc import Mapping
from typing import Any, Final

from hsm_sim.constants import DEFAULT, Attribute, MechanismFlag, ObjectClass
from hsm_sim.exceptions import ArgumentsBad
from hsm_sim.mechanisms import KeyType, Mechanism

Template = dict[Attribute, Any]

GENERATE: Final = {
    KeyType.AES: Mechanism.AES_KEY_GEN,
    KeyType.EC: Mechanism.EC_KEY_PAIR_GEN,
    KeyType.EC_EDWARDS: Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
    KeyType.ML_DSA: Mechanism.ML_DSA_KEY_PAIR_GEN,
    KeyType.GENERIC_SECRET: Mechanism.GENERIC_SECRET_KEY_GEN,
    KeyType.RSA: Mechanism.RSA_PKCS_KEY_PAIR_GEN,
}
ENCRYPT: Final = {KeyType.AES: Mechanism.AES_CBC_PAD, KeyType.RSA: Mechanism.RSA_PKCS_OAEP}
SIGN: Final = {
    KeyType.AES: Mechanism.AES_MAC,
    KeyType.EC: Mechanism.ECDSA_SHA512,
    KeyType.EC_EDWARDS: Mechanism.EDDSA,
    KeyType.ML_DSA: Mechanism.ML_DSA,
    KeyType.RSA: Mechanism.SHA512_RSA_PKCS,
}
WRAP: Final = {KeyType.AES: Mechanism.AES_KEY_WRAP, KeyType.RSA: Mechanism.RSA_PKCS_OAEP}

_SIGNING = MechanismFlag.SIGN | MechanismFlag.VERIFY
_CIPHER = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT
_WRAPPING = MechanismFlag.WRAP | MechanismFlag.UNWRAP
_CAPABILITIES: Final = {
    KeyType.AES: _CIPHER | _SIGNING | _WRAPPING,
    KeyType.RSA: _CIPHER | _SIGNING | _WRAPPING,
    KeyType.EC: _SIGNING | MechanismFlag.DERIVE,
    KeyType.EC_EDWARDS: _SIGNING,
    KeyType.ML_DSA: _SIGNING,
    KeyType.GENERIC_SECRET: MechanismFlag(0),
}
_PUBLIC = (Attribute.ENCRYPT, Attribute.WRAP, Attribute.VERIFY)
_PRIVATE = (Attribute.DECRYPT, Attribute.UNWRAP, Attribute.SIGN, Attribute.DERIVE)
_ALL = (
    Attribute.ENCRYPT,
    Attribute.DECRYPT,
    Attribute.WRAP,
    Attribute.UNWRAP,
    Attribute.SIGN,
    Attribute.VERIFY,
    Attribute.DERIVE,
)
_USES: Final = {
    ObjectClass.PUBLIC_KEY: _PUBLIC,
    ObjectClass.PRIVATE_KEY: _PRIVATE,
    ObjectClass.SECRET_KEY: _ALL,
}
MAKING: Final = frozenset(
    {"id", "label", "store", "capabilities", "mechanism", "mechanism_param", "template"}
)
MAKING_PAIR: Final = MAKING - {"template"} | {"public_template", "private_template"}


def chosen(
    mapping: Mapping[KeyType, Mechanism], key_type: KeyType, given: object = None
) -> Mechanism:
    """Choose the mechanism: the one given, else the default of the key type."""
    if given is None:
        if key_type not in mapping:
            raise ArgumentsBad("No default mechanism for this key type. Please specify it.")
        return mapping[key_type]
    if not isinstance(given, Mechanism):
        raise ArgumentsBad("`mechanism` must be a Mechanism.")
    return given


def known(options: Mapping[str, Any], names: frozenset[str]) -> Mapping[str, Any]:
    """Refuse keywords that the library does not know."""
    for name in options:
        if name not in names:
            raise TypeError(f"an unexpected keyword argument: {name!r}")
    return options


def template_for(
    object_class: ObjectClass,
    key_type: KeyType,
    options: Mapping[str, Any],
    *more: Mapping[Attribute, Any] | None,
    is_import: bool = False,
) -> Template:
    """Build a template: defaults, the uses, then `more` in turn; `DEFAULT` takes a member out.

    A key that is unwrapped gets every use, whatever its class, and no word on secrecy: devices
    that check templates refuse that for private keys until the caller takes members out.
    """
    capabilities = options.get("capabilities")
    if capabilities is None:
        if key_type not in _CAPABILITIES:
            raise ArgumentsBad("No default capabilities for this key type. Please specify them.")
        capabilities = _CAPABILITIES[key_type]
    template: Template = {Attribute.CLASS: object_class}
    if not is_import:
        template |= {Attribute.ID: b"", Attribute.LABEL: ""}
        if object_class is not ObjectClass.PUBLIC_KEY:
            template |= {Attribute.PRIVATE: True, Attribute.SENSITIVE: True}
    for use in _ALL if is_import else _USES[object_class]:
        template[use] = bool(MechanismFlag[use.name] & capabilities)
    if options.get("id"):
        template[Attribute.ID] = options["id"]
    if options.get("label"):
        template[Attribute.LABEL] = options["label"]
    template[Attribute.TOKEN] = bool(options.get("store", False))
    return merged(template, *more)


def merged(template: Template, *more: Mapping[Attribute, Any] | None) -> Template:
    """Lay templates over one another."""
    made = dict(template)
    for said in more:
        made.update(said or {})
    return {key: value for key, value in made.items() if value is not DEFAULT}
