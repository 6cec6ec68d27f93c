"""The loaders of PKCS#11 modules: the only place that knows the package `pkcs11`.

A driver process calls one of these by its name. Each answers with the parts of a PKCS#11 package
that the adapter uses, one module loaded.
"""

from importlib import import_module
from types import SimpleNamespace

from ledger.kernel.errors import Misconfigured
from ledger.signer.driver import Module
from ledger.signer.pkcs11_sessions import Namespace

PKCS11_LOADER = "mobilegrid.devices:load_pkcs11"
SIMULATED_LOADER = "mobilegrid.simulated:load_simulated"
_SIMULATED = "sim:"


def module_of(text: str, *, is_production: bool) -> Module:
    """Read where a device's module is: the path of a library, or ``sim:`` and a state file.

    Raises Misconfigured for a simulated device in production: its keys protect nothing.

    >>> module_of("/usr/lib/softhsm/libsofthsm2.so", is_production=True).loader
    'mobilegrid.devices:load_pkcs11'
    """
    if not text.startswith(_SIMULATED):
        return Module(PKCS11_LOADER, text)
    if is_production:
        raise Misconfigured("signer: simulated devices are refused in production")
    return Module(SIMULATED_LOADER, text.removeprefix(_SIMULATED))


def load_pkcs11(path: str) -> Namespace:
    """Load a module's library by its path; `Misconfigured` when that cannot be done."""
    try:
        package = import_module("pkcs11")
    except ImportError as error:
        raise Misconfigured("signer: devices need the extra `hsm` (python-pkcs11)") from error
    try:
        library = package.lib(path)
    except package.PKCS11Error as error:
        raise Misconfigured(f"signer: cannot load the module {path}") from error
    return SimpleNamespace(
        lib=library,
        exceptions=import_module("pkcs11.exceptions"),
        constants=import_module("pkcs11.constants"),
        mechanisms=import_module("pkcs11.mechanisms"),
    )
