"""An entry as read: its bytes at once, the rest when somebody looks."""

import pytest

from ledger.kernel.errors import ReplayDiffers, TamperEvidence
from ledger.runtime.reads import Entry, decode
from ledger.runtime.verify import verify_bytes
from tests.support.ledgers import new_ledger, party
from tests.support.stores import behind_its_back, looking_at, new_database


@pytest.fixture
def stored(request, tmp_path):
    with new_ledger(new_database("sqlite", request, tmp_path)) as ledger:
        ledger.execute(party(1))
        with ledger.reading() as reads:
            yield reads.entry(1).data


def test_what_is_looked_at_is_what_decoding_at_once_gives(stored):
    whole = decode(stored)
    event_first, envelope_first = Entry(stored), Entry(stored)
    assert event_first.event == envelope_first.event == whole.event
    assert envelope_first.envelope == event_first.envelope == whole.envelope
    assert envelope_first.event is envelope_first.event, "decoded once"


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b'{"kind":"no_such","version":1,"body":{}}', b'{"kind":"\xff"'],
    ids=["nothing", "no members", "an unknown kind", "no text"],
)
def test_bytes_this_ledger_never_wrote_are_evidence_of_tampering_when_looked_at(data):
    entry = Entry(data)
    assert entry.data == data
    for look in (lambda: entry.event, lambda: entry.envelope, lambda: decode(data)):
        with pytest.raises(TamperEvidence, match="no entry of this ledger"):
            look()


def test_bytes_that_became_a_text_are_named_by_their_position(request, tmp_path):
    url = new_database("sqlite", request, tmp_path)
    with new_ledger(url) as ledger:
        ledger.execute(party(1))
    with behind_its_back(url) as tx:
        for statement in TO_TEXT:
            tx.exec_driver_sql(statement)
    with looking_at(url) as reads, pytest.raises(ReplayDiffers, match="bytes are none") as found:
        verify_bytes(reads)
    assert found.value.position == 1


TO_TEXT = (
    "CREATE TABLE other (log_id, position, kind, recorded_at, occurred_at, bytes)",
    (
        "INSERT INTO other SELECT log_id, position, kind, recorded_at, occurred_at, "
        "CASE position WHEN 1 THEN CAST(bytes AS TEXT) ELSE bytes END FROM entry"
    ),
    "DROP TABLE entry",
    "ALTER TABLE other RENAME TO entry",
)
"""What a flipped bit of a row's header does to it, by statements: STRICT tables refuse it."""
