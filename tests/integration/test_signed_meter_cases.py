"""Failure cases of meters: what is signed is judged at the door, kept, billed only when valid."""

from typing import Any

import pytest

from ledger.adapters.evidence_files import EvidenceFiles
from ledger.domain.cases import CASES
from ledger.domain.charge_begin import RecordChargeCheckpoint, StartChargingSession
from ledger.domain.charging import EndChargingSession
from ledger.domain.meter_keys import RegisterMeterKey
from ledger.domain.money.billing import BILLED
from ledger.domain.money.tariff_terms import Element, Restrictions, TariffTerms
from ledger.domain.money.tariffs import PublishTariff
from ledger.domain.sessions import Substitute
from ledger.exports.proven import prove_usage
from ledger.kernel.errors import NotFound, TamperEvidence
from ledger.kernel.instants import HOUR, MINUTE, parse_instant
from ledger.kernel.messages import Actor
from ledger.runtime.energy_balance import meter_balances
from ledger.runtime.ledger import Ledger, accepted
from ledger.runtime.metered import end_signed, judge_again
from ledger.runtime.verify import verify
from mobilegrid import offline_verifier as offline
from tests.support.assessed import SLOTTED, dock
from tests.support.bundles import is_good
from tests.support.cli import answer, run
from tests.support.doors import log_signer, sign
from tests.support.ledgers import asking, sqlite_url
from tests.support.meters import payload, private_key, public_key, reading, record
from tests.support.offline import policy_text
from tests.support.town import new_town

STATION = Actor("ST-1", "station")
MANAGER = Actor("AM-1", "asset_manager", "P2")
BEGIN = parse_instant("2026-03-10T12:00:00Z", "at")
END = BEGIN + HOUR


class Bench:
    """A slot with a meter that signs; its driver pays for what flows into his pack."""

    def __init__(self, ledger: Ledger, store: EvidenceFiles) -> None:
        self.ledger, self.store = ledger, store

    def does(self, command: Any, at: int, actor: Actor = STATION):
        name = f"{type(command).__name__} {at}"
        return accepted(self.ledger.execute(asking(command, name, actor=actor, at=at)))

    def key(self, at: int = BEGIN) -> None:
        command = RegisterMeterKey(
            meter_id="MT-2",
            maker="MAKER",
            model="MODEL",
            serial="M-1",
            public_key=public_key(private_key("meter")).text,
            calibrated_until=END + 1_000 * HOUR,
            valid_from=BEGIN,
        )
        self.does(command, at, MANAGER)

    def starts(self, name: str = "CS-1", at: int = BEGIN, register_wh: int = 100_000) -> None:
        command = StartChargingSession(
            session_id=name,
            pack_id=SLOTTED,
            station_id="ST-1",
            slot="2",
            driver_id="DR-1",
            started_at=at,
            register_import_wh=register_wh,
        )
        self.does(command, at)

    def ends(self, *records: bytes, name: str = "CS-1", at: int = END, register_wh: int = 110_500):
        command = EndChargingSession(session_id=name, ended_at=at, register_import_wh=register_wh)
        request = asking(command, f"end {name}", actor=STATION, at=at)
        return accepted(end_signed(self.ledger, request, records, self.store))

    def said(self, *kinds: str) -> list[Any]:
        with self.ledger.reading() as reads:
            return [one.event for one in reads.entries(kinds=kinds)]

    def bills(self, name: str = "CS-1") -> list[str]:
        found = self.said("usage.accrued", "usage.unbilled")
        return [getattr(one, "reason", "") or "billed" for one in found if one.usage_id == name]

    def cases(self) -> list[str]:
        with self.ledger.reading() as reads:
            return [case.case_type for _, case in reads.rows(CASES)]


@pytest.fixture
def bench(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger:
        dock(ledger)
        yield Bench(ledger, EvidenceFiles(tmp_path / "evidence"))


def signed(begin: float = 100.0, end: float = 110.5, **fields: Any) -> bytes:
    page = fields.pop("page", "T7")
    return record(payload([reading("B", begin), reading("E", end, "13:00:00")], page), **fields)


def test_a_valid_record_is_billed_by_energy_and_kept_as_it_was_sent(bench):
    bench.key()
    bench.starts()
    raw = signed()
    bench.ends(raw)
    (ended,) = [one for one in bench.said("charge_session_ended") if one.session_id == "CS-1"]
    assert (ended.billing_class, ended.level) == ("SIGNED_VALID", 5)
    assert bench.store.get(ended.meter_evidence.raw_sha256[0]) == raw
    assert (bench.bills(), bench.cases()) == (["billed"], [])


def test_key_unknown_keeps_the_session_and_is_judged_again_once_the_key_is_there(bench):
    bench.starts()
    bench.ends(signed())
    (ended,) = [one for one in bench.said("charge_session_ended") if one.session_id == "CS-1"]
    assert (ended.meter_evidence.verdict, ended.billing_class) == ("NO_KEY", "UNSIGNED")
    bench.key(END + HOUR)
    with bench.ledger.reading() as reads:
        again = judge_again(reads, "CS-1", bench.store)
    bench.does(again, END + 2 * HOUR, Actor("system", "system"))
    (judged,) = bench.said("evidence_reassessed")
    assert (judged.meter_evidence.verdict, judged.billing_class) == ("VALID", "SIGNED_VALID")
    assert bench.bills() == ["billed"]


def test_a_record_that_is_not_valid_is_never_billed_by_energy_and_opens_a_case(bench):
    bench.key()
    bench.starts()
    bench.ends(signed(by="somebody"))
    (ended,) = [one for one in bench.said("charge_session_ended") if one.session_id == "CS-1"]
    assert (ended.energy_in_wh, ended.billing_class) == (10_500, "INVALID")
    assert (bench.bills(), bench.cases()) == (["meter_invalid"], ["METER"])
    with bench.ledger.reading() as reads:
        verify(reads, deep=True)


def test_evidence_reassessed_bills_what_could_not_be_billed(bench):
    bench.key()
    bench.starts()
    bench.ends(signed(by="other"))
    assert bench.bills() == ["meter_invalid"]
    # the maker's other key, which was registered late and holds from the same day
    key = RegisterMeterKey(
        meter_id="MT-2",
        maker="MAKER",
        model="MODEL",
        serial="M-1",
        public_key=public_key(private_key("other")).text,
        calibrated_until=END + 1_000 * HOUR,
        valid_from=BEGIN + 1,
    )
    bench.does(key, END + HOUR, MANAGER)
    with bench.ledger.reading() as reads:
        again = judge_again(reads, "CS-1", bench.store)
    bench.does(again, END + 2 * HOUR, Actor("system", "system"))
    assert bench.bills() == ["meter_invalid", "billed"]


def test_meter_backwards_keeps_the_session_with_its_verdict(bench):
    bench.key()
    bench.starts()
    bench.ends(signed())
    bench.starts("CS-2", END + HOUR, 110_500)
    back = signed(100.0, 104.0, page="T8")
    bench.ends(back, name="CS-2", at=END + 2 * HOUR, register_wh=114_500)
    ended = bench.said("charge_session_ended")[-1]
    assert (ended.meter_evidence.step, ended.billing_class) == (9, "INVALID")
    assert bench.bills("CS-2") == ["meter_invalid"]
    assert bench.cases() == ["METER"]


def test_pagination_gap_keeps_the_session_and_opens_a_case(bench):
    bench.key()
    bench.starts()
    bench.ends(signed())
    bench.starts("CS-2", END + HOUR, 110_500)
    bench.ends(
        signed(110.5, 114.5, page="T12"), name="CS-2", at=END + 2 * HOUR, register_wh=114_500
    )
    ended = bench.said("charge_session_ended")[-1]
    assert (ended.meter_evidence.verdict, ended.meter_evidence.remarks) == ("VALID", ("PAGE_GAP",))
    assert bench.cases() == ["METER"]


def test_a_session_cut_off_by_a_reboot_is_billed_for_what_it_moved(bench):
    bench.starts()
    mark = RecordChargeCheckpoint(
        session_id="CS-1", at=BEGIN + MINUTE * 20, register_import_wh=104_000
    )
    bench.does(mark, BEGIN + MINUTE * 20)
    resumed = StartChargingSession(
        session_id="CS-2",
        pack_id=SLOTTED,
        station_id="ST-1",
        slot="2",
        driver_id="DR-1",
        started_at=BEGIN + MINUTE * 30,
        register_import_wh=104_500,
        resumed_from="CS-1",
        reason="rebooted",
    )
    bench.does(resumed, BEGIN + MINUTE * 30)
    bench.ends(name="CS-2")
    found = [one for one in bench.said("usage.accrued") if one.usage_id in ("CS-1", "CS-2")]
    assert [one.energy_wh for one in found] == [4_000, 6_500]


def test_what_is_read_meanwhile_decides_which_price_it_has(bench, tmp_path):
    evening = Restrictions(start_local="13:40", end_local="23:00")  # 12:40 by the clock of UTC
    elements = (
        Element("ENERGY", "KWH", 500_000, evening),
        Element("ENERGY", "KWH", 200_000),
    )
    terms = TariffTerms("FR", "EUR", "Europe/Paris", BEGIN - HOUR, 0, elements)
    published = PublishTariff(tariff_id="TF-1", terms=terms)
    bench.does(published, BEGIN - HOUR, Actor("FI-1", "finance", "P2"))
    bench.starts()
    for minute, register_wh in ((20, 101_000), (40, 102_000)):
        at = BEGIN + MINUTE * minute
        mark = RecordChargeCheckpoint(session_id="CS-1", at=at, register_import_wh=register_wh)
        bench.does(mark, at)
    bench.ends()
    (usage,) = [one for one in bench.said("usage.accrued") if one.usage_id == "CS-1"]
    assert [(one.quantity, one.rate_micro, one.formula) for one in usage.lines] == [
        (2_000, 200_000, "meter-interval-1"),
        (8_500, 500_000, "meter-interval-1"),
    ]
    # and whoever recomputes the bill offline comes to the same
    sign(bench.ledger, END)
    policy = offline.parse_policy(policy_text((log_signer(bench.ledger),)))
    with bench.ledger.reading() as reads:
        bundle = prove_usage(reads, reads.row(BILLED, "CS-1").position)
    assert is_good(bundle, tmp_path / "session.zip", policy)


def test_what_was_never_kept_or_was_changed_is_told(bench, tmp_path):
    digest = bench.store.put(b"record")
    assert bench.store.put(b"record") == digest
    with pytest.raises(NotFound):
        bench.store.get("ab" * 32)
    with pytest.raises(NotFound):
        bench.store.get("../../etc/passwd")
    (tmp_path / "evidence" / digest[:2] / digest).write_bytes(b"forged")
    with pytest.raises(TamperEvidence):
        bench.store.get(digest)
    bench.starts()
    with bench.ledger.reading() as reads:
        with pytest.raises(NotFound):
            judge_again(reads, "CS-1", bench.store)
        with pytest.raises(NotFound):
            judge_again(reads, "CS-9", bench.store)


def test_the_registers_of_a_meter_are_balanced_with_its_sessions(bench, tmp_path):
    bench.starts()
    bench.ends()
    bench.starts("CS-2", END + HOUR, 110_700)  # the station used 200 Wh meanwhile
    bench.ends(name="CS-2", at=END + 2 * HOUR, register_wh=111_000)
    bench.starts("CS-3", END + 3 * HOUR, 111_000)
    estimate = EndChargingSession(
        session_id="CS-3",
        ended_at=END + 4 * HOUR,
        register_import_wh=0,
        substitute=Substitute(900, "last_good"),
    )
    bench.does(estimate, END + 4 * HOUR)
    bench.starts("CS-4", END + 5 * HOUR, 111_900)
    with bench.ledger.reading() as reads:
        (row,) = meter_balances(reads)
        last = next(
            one.envelope.position
            for one in reads.entries(kinds=("charge_session_ended",))
            if one.event.session_id == "CS-2"
        )
        (late,) = meter_balances(reads, first=last)
        assert meter_balances(reads, station_id="ST-9") == []
    assert (row.meter_id, row.sessions, row.open_sessions) == ("MT-2", 3, 1)
    assert (row.in_wh, row.import_wh, row.gap_wh) == (10_800, 11_000, 200)
    assert (row.estimated_wh, row.is_sound) == (900, True)
    assert (late.sessions, late.in_wh, late.import_wh) == (2, 300, 300)
    url = sqlite_url(tmp_path)
    told = answer("energy", "check", ledger=url)
    assert (told["is_sound"], told["gap_wh"], told["estimated_wh"]) == (True, 200, 900)
    assert "no session moved more" in run("energy", "check", "ST-1", ledger=url).output
