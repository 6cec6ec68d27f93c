"""Errors, each a class named as in python-pkcs11, with the code that a device answers (`CKR_...`).

Two codes have no class of their own there; they come as a bare `PKCS11Error` that only its text
tells apart, and so they do here: see `not_permitted` and `prohibited`.
"""

from typing import Final


class PKCS11Error(RuntimeError):
    """Whatever a token, or the library before it, refuses or fails at."""


ERRORS: Final[dict[str, type[PKCS11Error]]] = {}
"""Every class by its name."""

_CODES: Final[dict[str, int]] = {}
_UNMAPPED: Final = "Unmapped error code "
_NOT_INITIALISED: Final = "Initialisation error (not initialized). Should never see this."


def _new(name: str, code: int = 0) -> type[PKCS11Error]:
    made = type(name, (PKCS11Error,), {"__doc__": f"Error {code:#x} of the standard."})
    made.__module__ = __name__
    ERRORS[name], _CODES[name] = made, code
    return made


HostMemory = _new("HostMemory", 0x2)
SlotIDInvalid = _new("SlotIDInvalid", 0x3)
GeneralError = _new("GeneralError", 0x5)
FunctionFailed = _new("FunctionFailed", 0x6)
ArgumentsBad = _new("ArgumentsBad", 0x7)
NoEvent = _new("NoEvent", 0x8)
AttributeReadOnly = _new("AttributeReadOnly", 0x10)
AttributeSensitive = _new("AttributeSensitive", 0x11)
AttributeTypeInvalid = _new("AttributeTypeInvalid", 0x12)
AttributeValueInvalid = _new("AttributeValueInvalid", 0x13)
DataInvalid = _new("DataInvalid", 0x20)
DataLenRange = _new("DataLenRange", 0x21)
DeviceError = _new("DeviceError", 0x30)
DeviceMemory = _new("DeviceMemory", 0x31)
DeviceRemoved = _new("DeviceRemoved", 0x32)
EncryptedDataInvalid = _new("EncryptedDataInvalid", 0x40)
EncryptedDataLenRange = _new("EncryptedDataLenRange", 0x41)
FunctionCancelled = _new("FunctionCancelled", 0x50)
FunctionNotSupported = _new("FunctionNotSupported", 0x54)
KeyHandleInvalid = _new("KeyHandleInvalid", 0x60)
KeySizeRange = _new("KeySizeRange", 0x62)
KeyTypeInconsistent = _new("KeyTypeInconsistent", 0x63)
KeyNotNeeded = _new("KeyNotNeeded", 0x64)
KeyNeeded = _new("KeyNeeded", 0x66)
KeyIndigestible = _new("KeyIndigestible", 0x67)
KeyNotWrappable = _new("KeyNotWrappable", 0x69)
KeyUnextractable = _new("KeyUnextractable", 0x6A)
MechanismInvalid = _new("MechanismInvalid", 0x70)
MechanismParamInvalid = _new("MechanismParamInvalid", 0x71)
ObjectHandleInvalid = _new("ObjectHandleInvalid", 0x82)
OperationActive = _new("OperationActive", 0x90)
OperationNotInitialized = _new("OperationNotInitialized", 0x91)
PinIncorrect = _new("PinIncorrect", 0xA0)
PinInvalid = _new("PinInvalid", 0xA1)
PinLenRange = _new("PinLenRange", 0xA2)
PinExpired = _new("PinExpired", 0xA3)
PinLocked = _new("PinLocked", 0xA4)
SessionClosed = _new("SessionClosed", 0xB0)
SessionCount = _new("SessionCount", 0xB1)
SessionHandleInvalid = _new("SessionHandleInvalid", 0xB3)
SessionReadOnly = _new("SessionReadOnly", 0xB5)
SessionExists = _new("SessionExists", 0xB6)
SessionReadOnlyExists = _new("SessionReadOnlyExists", 0xB7)
SessionReadWriteSOExists = _new("SessionReadWriteSOExists", 0xB8)
SignatureInvalid = _new("SignatureInvalid", 0xC0)
SignatureLenRange = _new("SignatureLenRange", 0xC1)
TemplateIncomplete = _new("TemplateIncomplete", 0xD0)
TemplateInconsistent = _new("TemplateInconsistent", 0xD1)
TokenNotPresent = _new("TokenNotPresent", 0xE0)
TokenNotRecognised = _new("TokenNotRecognised", 0xE1)
TokenWriteProtected = _new("TokenWriteProtected", 0xE2)
UnwrappingKeyHandleInvalid = _new("UnwrappingKeyHandleInvalid", 0xF0)
UnwrappingKeySizeRange = _new("UnwrappingKeySizeRange", 0xF1)
UnwrappingKeyTypeInconsistent = _new("UnwrappingKeyTypeInconsistent", 0xF2)
UserAlreadyLoggedIn = _new("UserAlreadyLoggedIn", 0x100)
UserNotLoggedIn = _new("UserNotLoggedIn", 0x101)
UserPinNotInitialized = _new("UserPinNotInitialized", 0x102)
AnotherUserAlreadyLoggedIn = _new("AnotherUserAlreadyLoggedIn", 0x104)
UserTooManyTypes = _new("UserTooManyTypes", 0x105)
WrappedKeyInvalid = _new("WrappedKeyInvalid", 0x110)
WrappedKeyLenRange = _new("WrappedKeyLenRange", 0x112)
WrappingKeyHandleInvalid = _new("WrappingKeyHandleInvalid", 0x113)
WrappingKeySizeRange = _new("WrappingKeySizeRange", 0x114)
WrappingKeyTypeInconsistent = _new("WrappingKeyTypeInconsistent", 0x115)
RandomSeedNotSupported = _new("RandomSeedNotSupported", 0x120)
RandomNoRNG = _new("RandomNoRNG", 0x121)
DomainParamsInvalid = _new("DomainParamsInvalid", 0x130)
ExceededMaxIterations = _new("ExceededMaxIterations", 0x1B5)
PinTooWeak = _new("PinTooWeak", 0x1B8)
PublicKeyInvalid = _new("PublicKeyInvalid", 0x1B9)
FunctionRejected = _new("FunctionRejected", 0x200)

# found out by the library, without a code
MultipleObjectsReturned = _new("MultipleObjectsReturned")
MultipleTokensReturned = _new("MultipleTokensReturned")
NoSuchKey = _new("NoSuchKey")
NoSuchToken = _new("NoSuchToken")


def not_permitted() -> PKCS11Error:
    """Make the error for a key whose usage bits forbid it (0x68, which has no class)."""
    return PKCS11Error(f"{_UNMAPPED}0x68")


def prohibited() -> PKCS11Error:
    """Make the error for an object that may not be changed or destroyed (0x1b, no class)."""
    return PKCS11Error(f"{_UNMAPPED}0x1b")


def not_initialised() -> PKCS11Error:
    """Make the error for a library that this process has not initialised."""
    return PKCS11Error(_NOT_INITIALISED)


def code_of(error: PKCS11Error) -> int:
    """Give the code a device would have answered with; 0 is what the library found out itself.

    >>> hex(code_of(PinLocked())), hex(code_of(not_permitted()))
    ('0xa4', '0x68')
    """
    text = str(error)
    if type(error) is PKCS11Error and text.startswith(_UNMAPPED):
        return int(text.removeprefix(_UNMAPPED), 16)
    return _CODES.get(type(error).__name__, 0)
