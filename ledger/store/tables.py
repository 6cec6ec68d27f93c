"""All tables of a ledger, for SQLite and PostgreSQL alike; migrations are generated from here.

`log_id` leads every key: a log is a region or an operator, with its own head, tree and writer.
Growing tables (`GROWING`, at the end) only take inserts, which guards.py enforces; `log`,
`balance` and the views are updated in place and can all be recomputed from `entry`.
"""

from typing import Any

import sqlalchemy as sa

from ledger.domain.catalogue import SHELVES
from ledger.kernel.envelope import ENTRY_BYTES_MAX, ENTRY_BYTES_MIN

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""64-bit integer; SQLite's STRICT tables know it as INTEGER."""

PARTITION_ROWS = 4_000_000
"""Positions in one PostgreSQL partition of `entry` and `posting`."""

PARTITIONS_AHEAD = 8

naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=naming_convention)


def _table(
    name: str,
    *columns: sa.schema.SchemaItem,
    partitioned: bool = False,
    large_rows: bool = False,
    hot: bool = False,
) -> sa.Table:
    # WITHOUT ROWID clusters by key, but moves what exceeds a quarter page to pages of its own
    options: dict[str, Any] = {"sqlite_with_rowid": large_rows, "sqlite_strict": True}
    if partitioned:
        options["postgresql_partition_by"] = "RANGE (position)"
    if hot:  # room in the page for the next version of a row, so that its index need not change
        options["postgresql_with"] = {"fillfactor": 70}
    log_id = sa.Column("log_id", sa.Integer, primary_key=True, autoincrement=False)
    return sa.Table(name, metadata, log_id, *columns, **options)


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _value(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


# The head row: the only lock, carrying the data it protects. `edge` holds the leaf hashes of the
# open level-0 tile, so that every single leaf can be compared with what was hashed when written.
# `rebuilds` counts how often views were replaced: a writer then reads anew what it kept of them.
log = _table(
    "log",
    _value("ledger", sa.Text()),
    _value("origin", sa.Text()),
    _value("size", BIG),
    _value("root", sa.LargeBinary()),
    _value("frontier", sa.LargeBinary()),
    _value("edge", sa.LargeBinary()),
    _value("recorded_at", BIG),
    _value("rebuilds", BIG),
    sa.UniqueConstraint("ledger"),
)

# The exact bytes that were hashed. No leaf column: leaves are recomputable and stand in the tiles.
entry = _table(
    "entry",
    _key("position", BIG),
    _value("kind", sa.Text()),
    _value("recorded_at", BIG),
    _value("occurred_at", BIG),
    _value("bytes", sa.LargeBinary()),
    sa.CheckConstraint(
        f"length(bytes) BETWEEN {ENTRY_BYTES_MIN} AND {ENTRY_BYTES_MAX}", name="bytes"
    ),
    partitioned=True,
    large_rows=True,
)

# Both clustered by stretch of positions first (stretches.py): a batch writes pages of the newest
# stretch alone. Within one, by pack and by account: a history and a statement are one contiguous
# read in each stretch.
entry_pack = _table(
    "entry_pack",
    _key("stretch", BIG),
    _key("pack", sa.Text()),
    _key("count", BIG),
    _value("position", BIG),
)

# `item` is the value of the account's key dimension (driver, partner, pack), "" where it has none.
posting = _table(
    "posting",
    _key("stretch", BIG),
    _key("account", sa.Text()),
    _key("item", sa.Text()),
    _key("position", BIG),
    _key("line", sa.Integer()),
    _value("commodity", sa.Text()),
    _value("quantity", BIG),
    _value("occurred_at", BIG),
    partitioned=True,
)

tile = _table(
    "tile",
    _key("level", sa.Integer()),
    _key("number", BIG),
    _value("data", sa.LargeBinary()),
    large_rows=True,
)

# Keys are UUIDv7, so the index grows at its end.
receipt = _table(
    "receipt",
    _key("principal", sa.Text()),
    _key("key", sa.LargeBinary()),
    _value("digest", sa.LargeBinary()),
    _value("answer", sa.LargeBinary()),
)

checkpoint = _table(
    "checkpoint",
    _key("size", BIG),
    _value("root", sa.LargeBinary()),
    _value("note", sa.LargeBinary()),
    _value("signed_at", BIG),
)

# Lines of witnesses and of our further keys on a checkpoint; the note served carries them all.
cosignature = _table(
    "cosignature",
    _key("size", BIG),
    _key("key_id", sa.Text()),
    _value("line", sa.LargeBinary()),
)

# The newest head that we cosigned as a witness for another log, by its origin. The only table of
# evidence that is updated: one compare-and-swap, made before the answer.
witness_head = _table(
    "witness_head",
    _key("origin", sa.Text()),
    _value("size", BIG),
    _value("root", sa.LargeBinary()),
    _value("note", sa.LargeBinary()),
    _value("signed_at", BIG),
)

# Validly signed checkpoints that do not fit what the same log signed before: kept for a judge.
misbehaviour = _table(
    "misbehaviour",
    _key("origin", sa.Text()),
    _key("digest", sa.LargeBinary()),
    _value("reason", sa.Text()),
    _value("note", sa.LargeBinary()),
    _value("seen_at", BIG),
)

# What opens the sealed fields of entries (evidence handbook 2.4), written with the entry.
opening = _table(
    "opening",
    _key("position", BIG),
    _key("name", sa.Text()),
    _value("salt", sa.LargeBinary()),
    _value("value", sa.LargeBinary()),
)

# Who read what: a digest of the parameters, never the parameters. Sealed daily in the log.
access = _table(
    "access",
    _key("access_id", BIG),
    _value("at", BIG),
    _value("actor", sa.Text()),
    _value("route", sa.Text()),
    _value("parameters_digest", sa.LargeBinary()),
    _value("rows", BIG),
    _value("reason", sa.Text()),
)

# Subjects whose erasure is ordered: every read of personal data looks here first.
erasure = _table(
    "erasure",
    _key("subject", sa.Text()),
    _value("ordered_at", BIG),
    _value("position", BIG),
)

balance = _table(
    "balance",
    _key("account", sa.Text()),
    _key("item", sa.Text()),
    _key("commodity", sa.Text()),
    _value("quantity", BIG),
    _value("position", BIG),
    hot=True,
)

# Work for the outside, written in the batch that decides it and marked by the relay.
outbox = _table(
    "outbox",
    _key("position", BIG),
    _key("line", sa.Integer()),
    _value("topic", sa.Text()),
    _value("body", sa.LargeBinary()),
    _value("state", sa.Text()),
)

# How far each following view has read.
follower = _table("follower", _key("name", sa.Text()), _value("position", BIG))

station_day = _table(
    "station_day",
    _key("station_id", sa.Text()),
    _key("day", sa.Text()),
    _value("charging_sessions", BIG),
    _value("energy_in_wh", BIG),
    _value("packs_in", BIG),
    _value("packs_out", BIG),
)


# Signing in of drivers: what is at work now and no evidence, so rows go when they end. Secrets are
# kept as SHA-256 only, addresses as an HMAC.
passkey = _table(
    "passkey",
    _key("credential_id", sa.LargeBinary()),
    _value("passkey_id", sa.Text()),
    _value("driver_id", sa.Text()),
    _value("public_key", sa.LargeBinary()),
    _value("sign_count", BIG),
    _value("label", sa.Text()),
    _value("made_at", BIG),
    _value("used_at", BIG),
    sa.UniqueConstraint("log_id", "passkey_id"),
)
sa.Index(None, passkey.c.log_id, passkey.c.driver_id)

sign_in_session = _table(
    "sign_in_session",
    _key("session_id", sa.Text()),
    _value("driver_id", sa.Text()),
    _value("cookie", sa.LargeBinary()),
    _value("label", sa.Text()),
    _value("made_at", BIG),
    _value("seen_at", BIG),
    _value("ends_at", BIG),
    _value("step_up_until", BIG),
)
sa.Index(None, sign_in_session.c.log_id, sign_in_session.c.driver_id)
sa.Index(None, sign_in_session.c.log_id, sign_in_session.c.cookie)

sign_in_credential = _table(
    "sign_in_credential",
    _key("digest", sa.LargeBinary()),
    _value("session_id", sa.Text()),
    _value("kind", sa.Text()),
    _value("ends_at", BIG),
    _value("used_at", BIG),
)
sa.Index(None, sign_in_credential.c.log_id, sign_in_credential.c.session_id)

sign_in_slip = _table(
    "sign_in_slip",
    _key("digest", sa.LargeBinary()),
    _value("kind", sa.Text()),
    _value("driver_id", sa.Text()),
    _value("ends_at", BIG),
    _value("body", sa.LargeBinary()),
)
sa.Index(None, sign_in_slip.c.log_id, sign_in_slip.c.driver_id)

sign_in_address = _table(
    "sign_in_address", _key("digest", sa.LargeBinary()), _value("driver_id", sa.Text())
)
sa.Index(None, sign_in_address.c.log_id, sign_in_address.c.driver_id)


# The inbox of drivers: made from the log by a follower, and what they read of it and want of it.
driver_notice = _table(
    "driver_notice",
    _key("notice_id", sa.Text()),
    _value("driver_id", sa.Text()),
    _value("kind", sa.Text()),
    _value("object_id", sa.Text()),
    _value("at", BIG),
    _value("body", sa.LargeBinary()),
    _value("read_at", BIG),
)
sa.Index(None, driver_notice.c.log_id, driver_notice.c.driver_id, driver_notice.c.at)

driver_notice_settings = _table(
    "driver_notice_settings",
    _key("driver_id", sa.Text()),
    _value("body", sa.LargeBinary()),
)

# Notices on their way out of the house, one row a channel: what was sent is never sent again.
driver_notice_sending = _table(
    "driver_notice_sending",
    _key("notice_id", sa.Text()),
    _key("channel", sa.Text()),
    _value("driver_id", sa.Text()),
    _value("kind", sa.Text()),
    _value("at", BIG),
    _value("next_at", BIG),
    _value("tries", sa.Integer()),
    _value("state", sa.Text()),
    _value("reason", sa.Text()),
)
sa.Index(
    None,
    driver_notice_sending.c.log_id,
    driver_notice_sending.c.state,
    driver_notice_sending.c.next_at,
)
sa.Index(None, driver_notice_sending.c.log_id, driver_notice_sending.c.driver_id)


# Work that takes longer than a request: asked for, begun, and what came of it, over restarts.
job = _table(
    "job",
    _key("job_id", sa.Text()),
    _value("holder_id", sa.Text()),
    _value("asked_for", sa.Text()),
    _value("asked_at", BIG),
    _value("state", sa.Text()),
    _value("tries", sa.Integer()),
    _value("ended_at", BIG),
    _value("size", BIG),
    _value("result", sa.LargeBinary()),
    _value("explanation", sa.Text()),
    large_rows=True,
)
sa.Index(None, job.c.log_id, job.c.state, job.c.asked_at)
sa.Index(None, job.c.log_id, job.c.asked_for, job.c.ended_at)


def _view(name: str) -> sa.Table:
    """A view the rules read: one row per key, the state as its canonical JSON."""
    table = _table(
        f"view_{name}",
        _key("key", sa.Text()),
        _value("position", BIG),
        _value("listed", sa.Text()),
        _value("state", sa.LargeBinary()),
        hot=True,
    )
    sa.Index(None, table.c.log_id, table.c.listed, table.c.key)
    return table


VIEWS: dict[str, sa.Table] = {shelf.name: _view(shelf.name) for shelf in SHELVES}

GROWING = (
    entry,
    entry_pack,
    posting,
    receipt,
    tile,
    checkpoint,
    cosignature,
    misbehaviour,
    access,
    erasure,
    opening,
)
"""Tables that only take inserts."""
