"""A history that was forged whole: bytes and tree agree, but no rule would have made it."""

from collections.abc import Callable

import msgspec
import pytest

from ledger.domain.catalogue import EVENTS
from ledger.kernel.envelope import Envelope, canonical
from ledger.kernel.errors import ReplayDiffers
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.messages import Event
from ledger.runtime.reads import Entry
from ledger.runtime.verify import verify, verify_bytes
from ledger.runtime.writer import Tree, grown, head_of
from tests.support.ledgers import sqlite_url
from tests.support.stores import behind_its_back, looking_at
from tests.support.town import new_town

Forgery = Callable[[Entry], bytes]


@pytest.fixture(scope="module")
def entries(tmp_path_factory) -> list[Entry]:
    url = sqlite_url(tmp_path_factory.mktemp("town"))
    with new_town(url) as town, town.reading() as reads:
        return list(reads.entries())


@pytest.fixture
def url(tmp_path):
    url = sqlite_url(tmp_path)
    new_town(url).close()
    return url


def forge(url: str, position: int, data: bytes) -> None:
    """Replace an entry, and make everything that can be computed from the bytes fit again."""
    with looking_at(url) as reads:
        log = list(reads.raw(0, reads.size))
    log[position] = data
    tree, tiles = grown(Tree(), [leaf_hash(one) for one in log])
    assert not tiles
    head = head_of(tree, 0)
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
        columns = (envelope.kind, envelope.recorded_at, envelope.valid_at)
    except msgspec.MsgspecError:
        columns = ("", 0, 0)
    with behind_its_back(url) as tx:
        connection = tx.connection.driver_connection
        assert connection is not None
        connection.execute(
            "UPDATE entry SET kind = ?, recorded_at = ?, occurred_at = ?, bytes = ? "
            "WHERE position = ?",
            (*columns, data, position),
        )
        connection.execute(
            "UPDATE log SET root = ?, frontier = ?, edge = ?, recorded_at = "
            "(SELECT recorded_at FROM entry ORDER BY position DESC LIMIT 1)",
            (head.root, head.frontier, head.edge),
        )


def envelope(**fields) -> Forgery:
    return lambda one: canonical(msgspec.structs.replace(one.envelope, **fields))


def body(data: bytes) -> Forgery:
    return envelope(body=msgspec.Raw(data))


def event(**fields) -> Forgery:
    """Let something else have happened, with the postings and ids that belong to it."""

    def change(one: Entry) -> bytes:
        other: Event = msgspec.structs.replace(one.event, **fields)
        rule = EVENTS[type(other)]
        return envelope(
            body=msgspec.Raw(canonical(other)),
            postings=rule.postings(other),
            entities=rule.entities(other),
        )(one)

    return change


def another_posting(one: Entry) -> bytes:
    first, second, *rest = one.envelope.postings
    lines = (
        msgspec.structs.replace(first, quantity=first.quantity + 5),
        msgspec.structs.replace(second, quantity=second.quantity - 5),
    )
    return envelope(postings=(*lines, *rest))(one)


def another_link(one: Entry) -> bytes:
    link = msgspec.structs.replace(one.envelope.packs[0], previous_leaf=bytes(32))
    return envelope(packs=(link,))(one)


OPENED, PARTY, TAKEN_OVER, RETURNED, ENDED, ACCRUED = 0, 4, 12, 17, 19, 21

FORGED: dict[str, tuple[int, Forgery, str]] = {
    "bytes that are no entry": (PARTY, lambda _: b'{"v":1}', "the bytes are not an entry"),
    "bytes with spaces": (
        PARTY,
        lambda one: one.data.replace(b'":', b'": ', 1),
        "not in canonical form",
    ),
    "an unknown kind": (PARTY, envelope(kind="pack.eaten"), "no kind pack.eaten version 1"),
    "an unknown version": (PARTY, envelope(version=2), "no kind party_registered version 2"),
    "another position": (PARTY, envelope(position=5), "the columns do not match"),
    "another ledger": (PARTY, envelope(ledger="other"), "belongs to other"),
    "a time before the entry before": (PARTY, envelope(recorded_at=7), "recorded_at falls"),
    "a cause after it": (ACCRUED, envelope(causes=(30,)), "not before it"),
    "itself as what it corrects": (ACCRUED, envelope(corrects=ACCRUED), "not before it"),
    "a body of another kind": (PARTY, body(b'{"station_id":"ST-1"}'), "the body is no party"),
    "a body with spaces": (
        PARTY,
        lambda one: body(bytes(one.envelope.body).replace(b":", b": ", 1))(one),
        "the body is not in canonical form",
    ),
    "other postings": (ACCRUED, another_posting, "the postings are not those"),
    "other ids": (PARTY, envelope(entities=("DR-7",)), "the entities are not those"),
    "a broken chain": (RETURNED, another_link, "the links do not continue"),
    "no link": (RETURNED, envelope(packs=()), "the links do not continue"),
    "a second opening": (
        PARTY,
        envelope(
            kind="ledger.opened",
            entities=(),
            body=msgspec.Raw(b'{"ledger":"town","origin":"o","zone":"UTC"}'),
        ),
        "begins with its opening, once",
    ),
    "another origin": (OPENED, event(origin="log.example.net/log/other"), "another origin"),
    "the end of what never began": (ENDED, event(session_id="CS-9"), "CS-9"),
    "an account that cannot be": (
        TAKEN_OVER,
        lambda one: body(canonical(msgspec.structs.replace(one.event, account="X")))(one),
        "pack_taken_over: 'X'",
    ),
    "another command": (PARTY, envelope(command_key=bytes(32)), "the receipt is not that"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_history_is_named_at_its_first_position(url, entries, what):
    position, forgery, said = FORGED[what]
    forge(url, position, forgery(entries[position]))
    with looking_at(url) as reads:
        verify_bytes(reads)
        with pytest.raises(ReplayDiffers, match=said) as found:
            verify(reads, deep=True)
    assert found.value.position == position


def test_a_log_that_does_not_begin_with_its_opening_is_none(url, entries):
    forge(url, 0, envelope(position=0, recorded_at=entries[0].envelope.recorded_at)(entries[1]))
    with looking_at(url) as reads, pytest.raises(ReplayDiffers, match="begins with its opening"):
        verify(reads, deep=True)


def test_a_bill_that_was_forged_everywhere_shows_in_the_views(url, entries):
    """The event is one the rules could have made; what follows from it does not fit."""
    accrued = entries[ACCRUED]
    forge(url, ACCRUED, event(driver_id="DR-2")(accrued))
    with looking_at(url) as reads, pytest.raises(ReplayDiffers):
        verify(reads, deep=True)
