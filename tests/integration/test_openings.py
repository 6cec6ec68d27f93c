"""Openings of sealed fields: written with their entry, kept for ever, missed when they are gone."""

import msgspec
import pytest

from ledger.domain.privacy import RegisterSubject
from ledger.domain.revealing import RevealSubject, SubjectRevealed
from ledger.kernel.errors import InvariantBroken, ReplayDiffers
from ledger.kernel.messages import Actor, Draft, Unsealed
from ledger.runtime.ledger import Ledger
from ledger.runtime.openings import opening_rows, openings_of
from ledger.runtime.verify import verify
from tests.support.ledgers import asking, new_ledger
from tests.support.stores import BOTH, behind_its_back, new_database

SUPPORT = Actor(id="SU-1", role="support", second_person="SU-2")
REASON = "Case CA-1: the driver was hurt"
THIRD = "SELECT salt FROM opening WHERE position = 3"
KEPT = "salt, value FROM opening"


@pytest.fixture(params=BOTH)
def url(request, tmp_path):
    return new_database(request.param, request, tmp_path)


def look(ledger: Ledger, number: int) -> int:
    """Look at a person for a reason of its own: the entry's position."""
    command = RevealSubject(
        subject_id="DR-1",
        purpose="contact",
        fields=("email",),
        reason=f"{REASON} {number}",
        salt=bytes([number]) * 16,
    )
    return ledger.execute(asking(command, f"look {number}", actor=SUPPORT)).first


@pytest.fixture
def looked(url):
    """A log with a person whose own commitment only the vault opens, and three looks at him."""
    with new_ledger(url) as ledger:
        person = RegisterSubject(subject_id="DR-1", sealed={"email": bytes(32)})
        ledger.execute(asking(person, "person", actor=SUPPORT))
        for number in (1, 2, 3):
            look(ledger, number)
    return url


def test_an_opening_is_kept_beside_its_entry_and_opens_it(looked):
    with Ledger(looked) as ledger, ledger.reading() as reads:
        (opening,) = openings_of(reads, 3)
        assert msgspec.json.decode(opening.value) == f"{REASON} 2"
        assert openings_of(reads, 1) == []
        assert verify(reads, deep=True).size == 5
        assert all(REASON.encode() not in data for data in reads.raw(0, 5))


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM opening WHERE position = 3", "position 3: the opening of the field reason"),
        ("DELETE FROM opening WHERE position = 4", "position 4: the opening of the field reason"),
        ("UPDATE opening SET name = 'other' WHERE position = 2", "position 2: the opening of"),
        ("UPDATE opening SET position = 1 WHERE position = 2", "position 1: an opening of a field"),
        ("UPDATE opening SET position = 9 WHERE position = 4", "position 4: the opening of"),
        (
            f"UPDATE opening SET salt = ({THIRD}) WHERE position = 2",
            "position 2: the opening of the field reason is wrong",
        ),
        (
            f"INSERT INTO opening SELECT log_id, position, 'other', {KEPT} WHERE position = 4",
            "position 4: an opening of a field that is not sealed",
        ),
        (
            f"INSERT INTO opening SELECT log_id, 9, name, {KEPT} WHERE position = 4",
            "position 9: an opening of a field that is not sealed",
        ),
    ],
)
def test_an_opening_that_was_touched_is_found(looked, statement, message):
    with behind_its_back(looked) as tx:
        tx.exec_driver_sql(statement)
    with (
        Ledger(looked) as ledger,
        ledger.reading() as reads,
        pytest.raises(ReplayDiffers, match=message),
    ):
        verify(reads)


def test_a_reader_is_not_given_an_opening_that_is_not_the_entrys(looked):
    with behind_its_back(looked) as tx:
        tx.exec_driver_sql("DELETE FROM opening WHERE position = 3")
    with Ledger(looked) as ledger, ledger.reading() as reads:
        with pytest.raises(ReplayDiffers, match="is missing"):
            openings_of(reads, 3)
        assert len(openings_of(reads, 2)) == 1


def test_a_rule_that_forgets_an_opening_is_our_own_bug():
    event = SubjectRevealed(subject_id="DR-1", purpose="contact", fields=("email",))
    with pytest.raises(InvariantBroken, match="openings"):
        opening_rows(Draft(event), 1)
    kept = Unsealed("reason", bytes(16), b'"x"')
    draft = Draft(event, sealed={"reason": bytes(32)}, openings=(kept,))
    with pytest.raises(InvariantBroken, match="openings"):
        opening_rows(draft, 1)
