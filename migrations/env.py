"""Runs migrations on the connection that the store hands in; offline scripts are not supported."""

import sqlalchemy as sa
from alembic import context

from ledger.store.engine import ledger_url, write_engine
from ledger.store.tables import metadata


def include(_thing: object, name: str | None, kind: str, reflected: bool, _: object) -> bool:  # noqa: FBT001
    """Leave out PostgreSQL's partitions: they follow from their parents."""
    return not (kind == "table" and reflected and name is not None and "_p" in name)


def run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=include,
        compare_type=True,
        render_as_batch=False,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:  # `alembic -x ledger=URL check` from a shell
    url = ledger_url(context.get_x_argument(as_dictionary=True).get("ledger", ""))
    with write_engine(url, guarded=False).begin() as opened:
        run(opened)
