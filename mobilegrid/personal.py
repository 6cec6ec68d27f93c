"""The vault of a ledger, put together: its database, its key, and the erasing of persons.

Where the settings name a signer, its devices seal every person's keys. Else, in development, a key
in a file does; whoever can read the file can read the vault, so production refuses it.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ledger.domain.privacy import SUBJECTS
from ledger.kernel.errors import Misconfigured, MobileGridError, NotFound, Unavailable
from ledger.kernel.sealing import KeyWrapper
from ledger.runtime.erasing import Erasing, erased_in
from ledger.runtime.ledger import Ledger
from ledger.signer.software_keyring import SoftwareKeyring
from ledger.store.engine import ledger_url, sqlite_file
from ledger.store.vault import Keys, Vault
from ledger.store.vault_engine import VaultDatabase, create_vault
from mobilegrid import heads, wiring
from mobilegrid.settings import Settings

SEED_BYTES = 32
_GROUP_OR_OTHERS = 0o077


@contextmanager
def open_people(
    settings: Settings, wrapper: KeyWrapper | None = None
) -> Iterator[tuple[Ledger, Vault, Erasing]]:
    """Open ledger and vault; whoever a restored backup brought back is taken away first.

    Args:
        settings: which ledger, which vault.
        wrapper: what seals keys, such as the signer; None is that of the settings.

    Raises:
        NotFound: there is no ledger.
        Misconfigured: the vault or its key is not where it was, though persons are registered.
    """
    with ExitStack() as stack:
        ledger = stack.enter_context(wiring.open_ledger(settings))
        if wrapper is None and settings.has_signer:
            wrapper = stack.enter_context(heads.open_signer(settings))
        database = _database(settings, ledger)
        try:
            keys = Keys(
                wrapper=wrapper or _software_wrapper(settings, ledger),
                epoch=settings.vault.epoch,
                chance=secrets.token_bytes,
                clock=wiring.CLOCK,
            )
            vault = Vault(database, keys, erased_in(ledger))
            places = [Path(each) for each in settings.vault.sweep.split(os.pathsep) if each]
            erasing = Erasing(ledger, vault, wiring.CLOCK, places)
            erasing.apply_orders()
            yield ledger, vault, erasing
        finally:
            database.close()


@contextmanager
def reading_people(settings: Settings, ledger: Ledger) -> Iterator[Vault | None]:
    """Give the vault of an open ledger for reading; None where this process has none.

    A process without the vault's database or the key that opens it serves everything else.
    """
    with ExitStack() as stack:
        try:
            wrapper: KeyWrapper | None = None
            database = VaultDatabase(vault_url(settings))
            stack.callback(database.close)
            if settings.has_signer:
                wrapper = stack.enter_context(heads.open_signer(settings))
            keys = Keys(
                wrapper=wrapper or _software_wrapper(settings, ledger),
                epoch=settings.vault.epoch,
                chance=secrets.token_bytes,
                clock=wiring.CLOCK,
            )
        except MobileGridError:
            yield None
            return
        yield Vault(database, keys, erased_in(ledger))


def vault_url(settings: Settings) -> str:
    """Name the vault's database; `Misconfigured` when nothing says where it is."""
    if settings.vault.url:
        return settings.vault.url
    file = sqlite_file(ledger_url(settings.ledger.url))
    if file is None:
        return settings.ledger.url  # a schema of its own beside the ledger's
    return f"sqlite:///{file.with_name(f'{file.name}.vault')}"


def _database(settings: Settings, ledger: Ledger) -> VaultDatabase:
    url = vault_url(settings)
    try:
        return VaultDatabase(url)
    except NotFound as error:
        _only_for_the_first_person(ledger, "vault.url", error)
    create_vault(url)
    return VaultDatabase(url)


def _software_wrapper(settings: Settings, ledger: Ledger) -> KeyWrapper:
    if settings.mode == "production":
        raise Misconfigured("vault.key_file: a key in a file is refused in production")
    path = _key_file(settings)
    if not path.exists():
        _only_for_the_first_person(ledger, "vault.key_file", NotFound(f"no file {path.name}"))
        _create_seed(path)
    return SoftwareKeyring(_read_seed(path), wiring.CLOCK)


def _key_file(settings: Settings) -> Path:
    if settings.vault.key_file:
        return Path(settings.vault.key_file)
    file = sqlite_file(ledger_url(settings.ledger.url))
    if file is None:
        raise Misconfigured("vault.key_file must be set for a ledger that is not a file")
    return file.with_name(f"{file.name}.vault-key")


def _only_for_the_first_person(ledger: Ledger, setting: str, error: NotFound) -> None:
    """A vault or key that went missing is never silently replaced by an empty one."""
    with ledger.reading() as reads:
        if reads.count(SUBJECTS):
            raise Misconfigured(f"{setting}: persons are registered, but {error}") from error


def _create_seed(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileNotFoundError as error:
        raise Misconfigured(f"vault.key_file {path}: {error.strerror}") from error
    except OSError as error:
        raise Unavailable(f"cannot write the key file {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_bytes(SEED_BYTES).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read_seed(path: Path) -> bytes:
    try:
        if os.name == "posix" and path.stat().st_mode & _GROUP_OR_OTHERS:
            raise Misconfigured(f"vault.key_file {path} can be read by others; chmod 600 it")
        seed = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"vault.key_file {path} cannot be read") from error
    if len(seed) != SEED_BYTES:
        raise Misconfigured(f"vault.key_file {path} holds no key")
    return seed
