"""Vaults for tests: a database of either kind, a key in software, a clock the test moves."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from ledger.store.engine import ledger_url
from ledger.store.vault import Keys, Vault
from ledger.store.vault_engine import SCHEMA, VaultDatabase, create_vault
from tests.support.wrapping import HandClock, SoftwareWrapper, seeded_chance

CONTACT = {"email": "zoe@example.net", "phone": "+33612345678", "languages": ["fr", "zh"]}
INVOICE = {"legal_name": "Zoé Martin", "address": {"street": "1 rue du Port", "zip": 44_000}}


class Persons:
    """A vault, and all that a test may turn: the clock, the device, who is erased."""

    def __init__(self, url: str, *, epoch: int = 1, seed: int = 1) -> None:
        self.url = url
        self.erased: set[str] = set()
        self.clock = HandClock()
        self.wrapper = SoftwareWrapper()
        self.chance = seeded_chance(seed)
        create_vault(url)
        self.open(epoch)

    def open(self, epoch: int = 1) -> None:
        keys = Keys(self.wrapper, epoch, self.chance, self.clock)
        self.vault = Vault(VaultDatabase(self.url), keys, lambda subject: subject in self.erased)

    def zoe(self, *, keep_until: int = 0) -> str:
        return self.vault.register(CONTACT, INVOICE, keep_until=keep_until)[0]

    def edit(self, statement: str) -> None:
        """Change the database as its holder can."""
        engine = sa.create_engine(ledger_url(self.url), poolclass=sa.NullPool)
        with engine.begin() as tx:
            if tx.dialect.name == "postgresql":
                tx.exec_driver_sql(f"SET search_path TO {SCHEMA}")
            tx.exec_driver_sql(statement)
        engine.dispose()

    def rows(self, table: str) -> int:
        engine = sa.create_engine(ledger_url(self.url), poolclass=sa.NullPool)
        with engine.begin() as tx:
            if tx.dialect.name == "postgresql":
                tx.exec_driver_sql(f"SET search_path TO {SCHEMA}")
            count = tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
        engine.dispose()
        return int(count or 0)

    def bytes_on_disk(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.vault.database.files())


def plain_file(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)
