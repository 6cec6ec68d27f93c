"""The tests' own helpers keep their promises."""

import socket

import pytest
import sqlalchemy as sa

from tests.support.postgres import fresh_database
from tests.support.tools import need_tool


@pytest.mark.slow
@pytest.mark.postgres
def test_a_fresh_database_is_empty_alone_and_syncs_to_disk(postgres_url: str) -> None:
    first, second = fresh_database(postgres_url), fresh_database(postgres_url)
    assert first != second
    engine = sa.create_engine(first)
    with engine.connect() as tx:
        assert tx.execute(sa.text("SHOW fsync")).scalar_one() == "on"
        assert tx.execute(sa.text("SHOW listen_addresses")).scalar_one() == ""
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert tx.execute(sa.text(tables)).scalar_one() == 0
    engine.dispose()


def test_no_test_reaches_a_foreign_address() -> None:
    with socket.socket() as one, pytest.raises(pytest.fail.Exception, match=r"reach 192\.0\.2\.1"):
        one.connect(("192.0.2.1", 9))
    with pytest.raises(pytest.fail.Exception, match=r"reach example\.test"):
        socket.create_connection(("example.test", 9))


def test_this_machine_may_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_an_absent_program_skips_and_fails_only_where_ci_asks(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no-such-program"):
        need_tool("no-such-program")
