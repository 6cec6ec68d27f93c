"""A scan alone leads the writer to the pack: the entry is linked to the pack's history."""

from ledger.domain.identity import BindIdentifier
from ledger.domain.scans import RecordScan
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.runtime.ledger import accepted
from tests.support.ledgers import asking, sqlite_url
from tests.support.town import MARCH, new_town

APRIL = MARCH + 31 * DAY


def test_a_scan_that_names_no_pack_is_kept_in_the_history_of_the_pack_it_leads_to(tmp_path):
    clerk = Actor("DC-1", "depot_clerk", "DC-2")
    bind = BindIdentifier(pack_id="PK-1", binding_type="LABEL", value="yard 17")
    scan = RecordScan(place_id="DE-1", texts=("yard 17",), occurred_at=APRIL)
    with new_town(sqlite_url(tmp_path)) as ledger:
        for command in (bind, scan):
            name = type(command).__name__
            done = accepted(ledger.execute(asking(command, name, actor=clerk, at=APRIL)))
        with ledger.reading() as reads:
            history = reads.pack_history("PK-1", reads.moment())
    last = history[-1].envelope
    assert (last.kind, last.position) == ("scan_recorded", done.first)
    assert [link.pack for link in last.packs] == ["PK-1"]
