"""Lines of a statement for what a partner gives back of a share."""

from msgspec.structs import replace

from ledger.domain.money.credit_notes import ShareReduced
from ledger.domain.money.documents import StatementDraft, statement_lines
from ledger.domain.money.rerating import ShareReversed
from tests.unit.domain.money.test_credit_notes import share

ORIGINAL = share(0).original
REDUCED = ShareReduced(
    reduced_position=8,
    credit_note_no="CN-1",
    usage_id="SW-1",
    usage_kind="swap",
    station_id="ST-1",
    partner_id="OP-1",
    shares={"CAR-1": 0, "MG": 300, "OP-1": 150},
    original=ORIGINAL,
    service_net_minor=500,
)


def test_a_partner_who_gives_back_gets_a_line_that_names_the_old_one():
    (old,) = statement_lines(8, ORIGINAL, "OP-1")
    (line,) = statement_lines(20, REDUCED, "OP-1")
    assert (line.kind, line.share_minor, line.service_net_minor) == ("correction", -150, -500)
    assert line.corrects == (old.position, old.posting_index) == (8, 3)
    # of the pairs debit, credit for each partner it is the first one's debit
    assert (line.position, line.posting_index, line.energy_wh) == (20, 0, 0)
    draft = StatementDraft()
    draft.add(old)
    draft.add(line)
    assert draft.calculation().amounts[0].share_minor == 30


def test_who_gives_nothing_back_has_no_line():
    assert statement_lines(20, REDUCED, "CAR-1") == ()
    assert statement_lines(20, REDUCED, "OP-9") == ()
    both = replace(REDUCED, shares={"CAR-1": 50, "MG": 300, "OP-1": 150})
    (line,) = statement_lines(20, both, "OP-1")
    assert line.posting_index == 2


def test_a_share_that_is_reversed_gives_all_of_it_back():
    back = ShareReversed(
        reversed_position=8,
        usage_id="SW-1",
        usage_kind="swap",
        station_id="ST-1",
        partner_id="OP-1",
        reason="told anew",
        original=ORIGINAL,
    )
    (line,) = statement_lines(21, back, "OP-1")
    assert (line.share_minor, line.corrects) == (-180, (8, 3))
