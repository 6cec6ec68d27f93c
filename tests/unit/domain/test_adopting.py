"""What came back from a copy is said in the log, by two persons."""

import pytest

from ledger.domain.adopting import AdoptEntries, EntriesAdopted, postings
from ledger.domain.world import World
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from tests.support.rules import act, events

ROOT = "5a" * 32


def test_what_came_back_is_written_down() -> None:
    command = AdoptEntries(first=3, end=9, root_sha256=ROOT)
    written = EntriesAdopted(first=3, end=9, root_sha256=ROOT)
    assert events(act(World(complete=True), command)) == [written]
    assert postings(written) == ()


@pytest.mark.parametrize(
    "command",
    [
        AdoptEntries(first=0, end=9, root_sha256=ROOT),
        AdoptEntries(first=9, end=9, root_sha256=ROOT),
        AdoptEntries(first=3, end=9, root_sha256="5a"),
        AdoptEntries(first=3, end=9, root_sha256="5A" * 32),
    ],
)
def test_what_cannot_have_come_back_is_refused(command: AdoptEntries) -> None:
    outcome = act(World(complete=True), command)
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.MALFORMED_ENTRY


def test_one_person_alone_says_nothing() -> None:
    command = AdoptEntries(first=3, end=9, root_sha256=ROOT)
    outcome = act(World(complete=True), command, actor=Actor("EN-1", "engineer"))
    assert isinstance(outcome, Refusal)
    assert outcome.code is RefusalCode.SECOND_PERSON_REQUIRED
