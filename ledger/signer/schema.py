"""The shape of the signer's state file: tables, and the guards that let them only grow.

Written as the file itself must have it, letter by letter: an opened file is compared with this.
"""

import msgspec

SCHEMA = {
    "born": """CREATE TABLE born (
  born_id INTEGER PRIMARY KEY CHECK (born_id = 0),
  origin TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT""",
    "head": """CREATE TABLE head (
  size INTEGER PRIMARY KEY CHECK (size >= 0),
  root BLOB NOT NULL CHECK (length(root) = 32),
  frontier BLOB NOT NULL,
  at INTEGER NOT NULL
) STRICT""",
    "signing": """CREATE TABLE signing (
  journal_id INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  key_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  size INTEGER NOT NULL,
  at INTEGER NOT NULL,
  public_key BLOB NOT NULL,
  payload BLOB NOT NULL
) STRICT""",
    "document": """CREATE TABLE document (
  document_id TEXT PRIMARY KEY,
  typ TEXT NOT NULL,
  purpose TEXT NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  size INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT""",
    "block": """CREATE TABLE block (
  block_id INTEGER PRIMARY KEY,
  code TEXT NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  at INTEGER NOT NULL
) STRICT""",
    "confirmation": """CREATE TABLE confirmation (
  confirmation_id INTEGER PRIMARY KEY,
  what TEXT NOT NULL CHECK (what IN ('block', 'clock')),
  subject INTEGER NOT NULL,
  statement BLOB NOT NULL,
  officers BLOB NOT NULL,
  journal_id INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT""",
    "signing_of": "CREATE INDEX signing_of ON signing (kind, size, subject)",
}
"""Text of every table and index, as the file must have it."""

NUMBERED = {"signing": "journal_id", "block": "block_id", "confirmation": "confirmation_id"}
KEYED = {"born": "born_id", "document": "document_id"}
TABLES = ("head", *NUMBERED, *KEYED)


class Signing(msgspec.Struct, frozen=True):
    """One signature that a device gave us.

    `kind` is the purpose of the key, or ``discarded`` for a signature that went nowhere because
    the other device stepped in; `subject` is the id of a document, empty for a head. `payload` is
    what the signature line, or the document, holds.
    """

    device: str
    key_id: str
    kind: str
    subject: str
    digest: bytes
    size: int
    at: int
    public_key: bytes
    payload: bytes


class StoredDocument(msgspec.Struct, frozen=True):
    """What a document id stands for; `digest` is SHA-256 of the payload."""

    document_id: str
    typ: str
    purpose: str
    digest: bytes
    size: int
    at: int


def guards() -> dict[str, str]:
    """Give the text of every trigger by name."""
    found = {
        "head_next": (
            "CREATE TRIGGER head_next BEFORE INSERT ON head "
            "WHEN NEW.size <= (SELECT max(size) FROM head) "
            "BEGIN SELECT RAISE(ABORT, 'head: the size must grow'); END"
        )
    }
    for table, key in NUMBERED.items():
        found[f"{table}_next"] = (
            f"CREATE TRIGGER {table}_next BEFORE INSERT ON {table} "  # noqa: S608  our own names
            f"WHEN NEW.{key} IS NOT (SELECT coalesce(max({key}) + 1, 1) FROM {table}) "
            f"BEGIN SELECT RAISE(ABORT, '{table}: {key} must be next'); END"
        )
    for table, key in KEYED.items():
        found[f"{table}_new"] = (
            f"CREATE TRIGGER {table}_new BEFORE INSERT ON {table} "  # noqa: S608  our own names
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key}) "
            f"BEGIN SELECT RAISE(ABORT, '{table}: this key is taken'); END"
        )
    for table in TABLES:
        for verb in ("UPDATE", "DELETE"):
            name = f"{table}_no_{verb.lower()}"
            found[name] = (
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table}: append-only'); END"
            )
    return found
