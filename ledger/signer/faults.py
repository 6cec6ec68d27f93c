"""The one table from the name of an error to what it means and what is done about it.

Devices differ in the error they give for the same trouble, so nothing branches on a single name:
a name has a class, and the class decides. Names are those of PKCS#11 as python-pkcs11 spells them;
names in the second part of the table are our own.
"""

from enum import Enum


class FaultClass(Enum):
    """What kind of trouble it is; the comment is the reaction."""

    SESSION = "session"  # drop the session, log in once, try once more
    DEVICE = "device"  # try once more; initialise anew and try; then rest the device
    BUSY = "busy"  # wait three times, a little longer each time; then rest the device
    OPERATOR = "operator"  # never try again: block the device until a person acts
    HANG = "hang"  # end the driver process, rest the device
    WRONG_SIGNATURE = "wrong signature"  # try once more, then block the device
    KEY_CHANGED = "key changed"  # block the device
    REQUEST = "request"  # this input is refused; the device is well


class Names:
    """Names of errors that are ours: no device gives them."""

    HUNG = "Hung"
    DIED = "DriverDied"
    WRONG_SIGNATURE = "WrongSignature"
    KEY_CHANGED = "KeyChanged"
    KEY_HISTORY = "KeyHistoryWrong"
    PIN_GUARD = "PinGuard"
    NOT_PERMITTED = "KeyFunctionNotPermitted"
    SEAL_BROKEN = "SealBroken"
    NO_SUCH_SEAL_KEY = "NoSuchSealKey"
    NO_ATTESTATION = "NoAttestation"


_BY_CLASS: dict[FaultClass, tuple[str, ...]] = {
    FaultClass.SESSION: (
        "KeyHandleInvalid",
        "ObjectHandleInvalid",
        "OperationActive",
        "OperationNotInitialized",
        "SessionClosed",
        "SessionHandleInvalid",
        "UnwrappingKeyHandleInvalid",
        "UserAlreadyLoggedIn",
        "UserNotLoggedIn",
        "WrappingKeyHandleInvalid",
    ),
    FaultClass.DEVICE: (
        "DeviceError",
        "DeviceRemoved",
        "FunctionFailed",
        "GeneralError",
        "HostMemory",
        "NoSuchToken",  # a token that was pulled out is not listed
        "PKCS11Error",
        "SlotIDInvalid",  # slots are numbered anew when a token comes back
        "TokenNotPresent",
        Names.DIED,
    ),
    FaultClass.BUSY: (
        "DeviceMemory",
        "ExceededMaxIterations",
        "FunctionCancelled",
        "FunctionRejected",
        "SessionCount",
    ),
    FaultClass.OPERATOR: (
        "AnotherUserAlreadyLoggedIn",
        "ArgumentsBad",
        "AttributeReadOnly",
        "AttributeSensitive",
        "AttributeTypeInvalid",
        "AttributeValueInvalid",
        "DomainParamsInvalid",
        "FunctionNotSupported",
        "KeyIndigestible",
        "KeyNeeded",
        "KeyNotNeeded",
        "KeyNotWrappable",
        "KeySizeRange",
        "KeyTypeInconsistent",
        "KeyUnextractable",
        "MechanismInvalid",
        "MechanismParamInvalid",
        "MultipleObjectsReturned",
        "MultipleTokensReturned",
        "NoSuchKey",
        "PinExpired",
        "PinIncorrect",
        "PinInvalid",
        "PinLenRange",
        "PinLocked",
        "PinTooWeak",
        "PublicKeyInvalid",
        "RandomNoRNG",
        "RandomSeedNotSupported",
        "SessionExists",
        "SessionReadOnly",
        "SessionReadOnlyExists",
        "SessionReadWriteSOExists",
        "TemplateIncomplete",
        "TemplateInconsistent",
        "TokenNotRecognised",
        "TokenWriteProtected",
        "UnwrappingKeySizeRange",
        "UnwrappingKeyTypeInconsistent",
        "UserPinNotInitialized",
        "UserTooManyTypes",
        "WrappingKeySizeRange",
        "WrappingKeyTypeInconsistent",
        Names.KEY_HISTORY,
        Names.NOT_PERMITTED,
        Names.PIN_GUARD,
    ),
    FaultClass.HANG: (Names.HUNG,),
    FaultClass.WRONG_SIGNATURE: (Names.WRONG_SIGNATURE,),
    FaultClass.KEY_CHANGED: (Names.KEY_CHANGED,),
    FaultClass.REQUEST: (
        "DataInvalid",
        "DataLenRange",
        "EncryptedDataInvalid",
        "EncryptedDataLenRange",
        "SignatureInvalid",
        "SignatureLenRange",
        "WrappedKeyInvalid",
        "WrappedKeyLenRange",
        Names.NO_ATTESTATION,
        Names.NO_SUCH_SEAL_KEY,
        Names.SEAL_BROKEN,
    ),
}

FAULT_CLASSES: dict[str, FaultClass] = {
    name: kind for kind, names in _BY_CLASS.items() for name in names
}
"""Every name we know, and its class."""

_CKR_NOT_PERMITTED = "0x68"  # has no class of its own in python-pkcs11 0.10.1, only this text


def fault_class(name: str) -> FaultClass:
    """Class an error by its name; a name we do not know is the device's trouble.

    >>> fault_class("PinIncorrect").value, fault_class("SomethingNew").value
    ('operator', 'device')
    """
    return FAULT_CLASSES.get(name, FaultClass.DEVICE)


def name_of(error: Exception) -> str:
    """Name an exception of a PKCS#11 library, also the one code that it does not map.

    >>> name_of(ValueError("bad"))
    'ValueError'
    """
    name = type(error).__name__
    if name == "PKCS11Error" and str(error).endswith(_CKR_NOT_PERMITTED):
        return Names.NOT_PERMITTED
    return name
