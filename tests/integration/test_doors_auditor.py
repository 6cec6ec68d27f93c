"""The auditor door: what it answers is what the ledger says by other ways, and it can be proven."""

from base64 import b64decode

import msgspec
import pytest

from ledger.domain.cases import CASES
from ledger.domain.custody import PACKS
from ledger.domain.holds import ClearHold, PlaceHold
from ledger.domain.sessions import SESSIONS
from ledger.kernel.envelope import open_entry
from ledger.kernel.hashing import leaf_hash
from ledger.kernel.instants import DAY, HOUR, as_text
from ledger.runtime.proving import verify_bundle
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint
from ledger.tlog.note import Ed25519Verifier, parse_note
from ledger.tlog.verify import check_consistency, check_inclusion
from tests.support.doors import HandClock, check_problem, log_signer, open_doors, sign
from tests.support.ledgers import asking, sqlite_url
from tests.support.stores import BOTH, new_database
from tests.support.town import IMPORTER, MARCH, new_town

V1 = "/auditor/v1"


@pytest.fixture(scope="module", params=BOTH)
def town(request, tmp_path_factory):
    """The town, signed; then a hold that nobody has signed yet."""
    url = new_database(request.param, request, tmp_path_factory.mktemp("town"))
    with new_town(url) as ledger:
        with ledger.reading() as reads:
            clock = HandClock(reads.head.recorded_at + HOUR)
        sign(ledger, clock.now())
        place = PlaceHold(hold_id="HD-1", pack_id="PK-1", reason="EVIDENCE_FREEZE")
        actor = msgspec.structs.replace(IMPORTER, id="AU-9", role="auditor")
        ledger.execute(asking(place, "hold", actor=actor, at=clock.now()))
        clock.at += HOUR
        with open_doors(ledger, clock) as doors:
            yield doors


def reading(town):
    return town.parts.ledger.reading()


# Packs ------------------------------------------------------------------------


def test_the_history_of_a_pack_is_what_the_log_says_in_the_order_it_happened(town):
    said = town.said(f"{V1}/packs/PK-1/history")
    with reading(town) as reads:
        entries = reads.pack_history("PK-1", reads.moment())
    assert [item["position"] for item in said["items"]] == [e.envelope.position for e in entries]
    for item, entry in zip(said["items"], entries, strict=True):
        assert b64decode(item["leaf_sha256"]) == leaf_hash(entry.data)
        assert item["kind"] == entry.envelope.kind
        assert item["body"] == msgspec.json.decode(entry.envelope.body)
        assert item["link"]["count"] >= 1
    moved = [(i["from_account"], i["to_account"]) for i in said["items"] if "to_account" in i]
    assert moved[0] == ("Packs:Acquired", "Packs:Driver:DR-1")


def test_a_late_report_stands_where_it_happened_and_only_once_it_was_known(town):
    said = town.said(f"{V1}/packs/PK-2/history")["items"]
    times = [item["valid_at"] for item in said]
    assert times == sorted(times)
    before = town.said(f"{V1}/packs/PK-2/history", known_at=as_text(MARCH + 60 * HOUR))
    assert len(before["items"]) < len(said)
    assert before["as_of"]["position"] < said[-1]["position"]


def test_pages_of_a_history_are_the_whole_and_name_the_next(town):
    whole = town.said(f"{V1}/packs/PK-1/history")["items"]
    pages, path = [], f"{V1}/packs/PK-1/history?limit=4"
    while path:
        answer = town.get(path)
        pages += answer.json()["items"]
        path = answer.links.get("next", {}).get("url", "")
    assert pages == whole


def test_the_state_of_a_pack_now_is_the_one_the_rules_keep(town):
    said = town.said(f"{V1}/packs/PK-1/state")
    with reading(town) as reads:
        row = reads.row(PACKS, "PK-1")
    assert said["held_by"] == row.account
    assert said["title_account"] == f"Title:Holder:{row.title_holder_id}"
    assert said["soh_bp"] == row.soh_bp
    assert [hold["hold_id"] for hold in said["holds"]] == [hold.hold_id for hold in row.holds]


def test_the_state_of_a_pack_then_is_what_had_happened_and_was_known(town):
    def state(hours, **more):
        return town.said(f"{V1}/packs/PK-1/state", valid_at=as_text(MARCH + hours * HOUR), **more)

    assert state(25)["held_by"] == "Packs:Station:ST-1:Slot:1"
    assert state(27)["held_by"] == "Packs:Driver:DR-1"
    assert "holds" not in state(27)
    known = town.said(f"{V1}/packs/PK-1/state", known_at="position:15")
    assert (known["held_by"], known["entries"]) == ("Packs:Driver:DR-1", 1)


def test_a_cleared_hold_is_no_hold(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger:
        auditor = msgspec.structs.replace(IMPORTER, id="AU-9", role="auditor")
        at = MARCH + 100 * HOUR
        place = PlaceHold(hold_id="HD-1", pack_id="PK-1", reason="EVIDENCE_FREEZE")
        clear = ClearHold(hold_id="HD-1", pack_id="PK-1", reason="done")
        for number, command in enumerate((place, clear)):
            ledger.execute(asking(command, str(number), actor=auditor, at=at + number))
        with open_doors(ledger, HandClock(at + HOUR)) as doors:
            assert "holds" not in doors.said(f"{V1}/packs/PK-1/state")


def test_who_had_what_when(town):
    def packs(path, **more):
        return [(i["pack_id"], i["account"]) for i in town.said(f"{V1}{path}", **more)["items"]]

    with_drivers = [("PK-1", "Packs:Driver:DR-1"), ("PK-2", "Packs:Driver:DR-2")]
    assert packs("/packs") == with_drivers
    assert packs("/packs", account="Packs:Driver:DR-2") == with_drivers[1:]
    assert packs("/holders/DR-1/packs") == with_drivers[:1]
    assert packs("/holders/ST-1/packs") == []
    charging = as_text(MARCH + 25 * HOUR)
    in_slot = [("PK-1", "Packs:Station:ST-1:Slot:1")]
    assert packs("/holders/ST-1/packs", valid_at=charging) == in_slot
    assert packs("/packs", valid_at=charging, account="Packs:Station") == in_slot
    assert packs("/title-statements/MG") == [
        ("PK-1", "Title:Holder:MG"),
        ("PK-2", "Title:Holder:MG"),
    ]
    assert packs("/title-statements/MG", valid_at=as_text(MARCH - DAY)) == []
    assert packs("/title-statements/OP-1") == []


def test_a_list_stays_the_list_it_was_while_the_log_grows(tmp_path):
    with new_town(sqlite_url(tmp_path)) as ledger:
        clock = HandClock(MARCH + 200 * HOUR)
        sign(ledger, clock.now())
        with open_doors(ledger, clock) as doors:
            first = doors.said(f"{V1}/packs", limit=1)
            size = first["as_of"]["position"] + 1
            finding = {"position": 1, "text": "the log grows"}
            assert doors.post(f"{V1}/findings", finding, key="K-1").status_code == 201
            second = doors.said(f"{V1}/packs", limit=1, cursor=first["next_cursor"])
            assert second["as_of"]["position"] + 1 == size
            ids = [page["items"][0]["pack_id"] for page in (first, second)]
            assert ids == ["PK-1", "PK-2"]


def test_a_slot_tells_what_came_and_went(town):
    said = town.said(f"{V1}/slots/ST-1/1", valid_at=as_text(MARCH + 25 * HOUR))
    assert said["pack_ids"] == ["PK-1"]
    assert [(i["pack_id"], i["quantity"]) for i in said["items"]] == [("PK-1", 1)]
    now = town.said(f"{V1}/slots/ST-1/1", limit=3)
    more = town.said(f"{V1}/slots/ST-1/1", limit=3, cursor=now["next_cursor"])
    assert [i["quantity"] for i in now["items"] + more["items"]] == [1, -1, 1, -1]
    assert now["pack_ids"] == []


# Entries and proofs -----------------------------------------------------------


def test_an_entry_is_given_byte_for_byte(town):
    said = town.said(f"{V1}/entries/7")["entry"]
    data = b64decode(said["bytes_base64"])
    assert open_entry(data).position == 7
    assert said["decoded"] == msgspec.json.decode(data)
    assert b64decode(said["leaf_sha256"]) == leaf_hash(data)


def test_entries_are_listed_by_range_kind_and_pack(town):
    def positions(**more):
        items = town.said(f"{V1}/entries", **more)["items"]
        return [item["position"] for item in items]

    assert positions(first=3, limit=2) == [3, 4]
    assert positions(first=3, end=5) == [3, 4]
    assert positions(limit=200)[-1] == town.said(f"{V1}/entries/0")["as_of"]["position"]
    with reading(town) as reads:
        parties = [e.envelope.position for e in reads.entries(kinds=("party_registered",))]
        pack = sorted(e.envelope.position for e in reads.pack_history("PK-1", reads.moment()))
    assert positions(first=0, end=100, kind="party_registered") == parties
    assert positions(pack="PK-1") == pack
    page = town.said(f"{V1}/entries", pack="PK-1", limit=5)
    rest = town.said(f"{V1}/entries", pack="PK-1", limit=5, cursor=page["next_cursor"])
    assert [i["position"] for i in page["items"] + rest["items"]] == pack[:10]


def test_a_proof_file_convinces_offline(town):
    data = town.get(f"{V1}/entries/7/proof").content
    proven = verify_bundle(data, [Ed25519Verifier(log_signer(town.parts.ledger).key)])
    assert proven.position == 7
    assert open_entry(proven.entry).position == 7


def vouched(town, size, root):
    key = log_signer(town.parts.ledger).key
    return SignedCheckpoint(
        Checkpoint("log.example.net/log/town", size, b64decode(root)), b"", (key,)
    )


@pytest.mark.parametrize(("position", "size"), [(0, 1), (3, 10), (9, 10), (0, 37), (36, 37)])
def test_hashes_of_an_inclusion_lead_to_the_root(town, position, size):
    said = town.said(f"{V1}/proofs/inclusion", position=position, size=size)
    path = [b64decode(each) for each in said["hashes"]]
    signed = vouched(town, size, said["root_sha256"])
    check_inclusion(signed, position, b64decode(said["leaf_sha256"]), path)


@pytest.mark.parametrize(("old", "new"), [(1, 1), (1, 37), (8, 37), (10, 11), (36, 37)])
def test_hashes_of_a_consistency_lead_to_both_roots(town, old, new):
    said = town.said(f"{V1}/proofs/consistency", old=old, new=new)
    first = vouched(town, old, said["old_root_sha256"])
    second = vouched(town, new, said["new_root_sha256"])
    check_consistency(first, second, [b64decode(each) for each in said["hashes"]])


def test_checkpoints_are_listed_and_read_by_size(town):
    items = town.said(f"{V1}/checkpoints")["items"]
    assert [item["size"] for item in items] == [37]
    one = town.said(f"{V1}/checkpoints/37")
    assert one == items[0]
    said = parse_checkpoint(parse_note(one["note"].encode()).text)
    assert (said.size, said.root) == (37, b64decode(one["root_sha256"]))
    keys = town.said(f"{V1}/keys")["items"]
    assert [key["algorithm"] for key in keys] == ["ed25519"]


def test_every_answer_says_what_fixes_it_and_what_nothing_fixes_yet(town):
    known = town.said(f"{V1}/packs/PK-1/state", known_at="position:36")["as_of"]
    assert known["pending"] is False
    assert known["checkpoint"]["size"] == 37
    assert town.get(known["checkpoint"]["note_url"]).status_code == 200
    now = town.said(f"{V1}/packs/PK-1/state")["as_of"]
    assert (now["pending"], now["position"], now["checkpoint"]["size"]) == (True, 37, 37)


# Books ------------------------------------------------------------------------


def test_balances_are_those_of_the_ledger_now_and_then(town):
    then = MARCH + 40 * HOUR
    for parameters, moment in (({}, {}), ({"valid_at": as_text(then)}, {"valid_at": then})):
        said = town.said(f"{V1}/balances", account="Assets", **parameters)["items"]
        with reading(town) as reads:
            found = reads.balances("Assets", at=reads.moment(**moment))
        assert said == msgspec.to_builtins(found)
    one = town.said(f"{V1}/balances", account="Assets", item="DR-2")["items"]
    assert [each["item"] for each in one] == ["DR-2"]


def test_the_trial_balance_is_zero_for_each_commodity(town):
    said = town.said(f"{V1}/trial-balance")
    assert said["is_balanced"] is True
    assert {total["commodity"] for total in said["totals"]} == {"EUR", "PACK", "WH"}
    assert all(total["quantity"] == 0 for total in said["totals"])
    then = town.said(f"{V1}/trial-balance", known_at="position:20")
    assert then["is_balanced"] is True
    assert then["items"] != said["items"]


@pytest.mark.parametrize("commodity", ["PACK", "WH", "EUR"])
def test_nothing_appears_or_vanishes(town, commodity):
    parameters = {
        "commodity": commodity,
        "from": as_text(MARCH + 25 * HOUR),
        "to": as_text(MARCH + 60 * HOUR),
    }
    said = town.said(f"{V1}/conservation", **parameters)
    assert (said["adds_up"], said["sums_to_zero"]) == (True, True)
    assert any(item["increase"] for item in said["items"])
    early = town.said(f"{V1}/conservation", known_at="position:22", **parameters)
    assert early["sums_to_zero"] is True


def test_what_late_entries_changed_of_the_past(town):
    parameters = {"account": "Assets", "known_before": as_text(MARCH + 60 * HOUR)}
    said = town.said(f"{V1}/differences", valid_at=as_text(MARCH + 30 * HOUR), **parameters)
    assert [(i["item"], i["before"], i["after"]) for i in said["items"]] == [("DR-2", 0, 720)]
    page = town.said(f"{V1}/differences", account="Assets", known_before="position:17", limit=1)
    rest = town.said(
        f"{V1}/differences",
        account="Assets",
        known_before="position:17",
        limit=1,
        cursor=page["next_cursor"],
    )
    assert [i["item"] for i in page["items"] + rest["items"]] == ["DR-1", "DR-2"]


# Exceptions, findings, samples ------------------------------------------------


def test_a_finding_becomes_a_case_once(town):
    body = {"position": 7, "text": "meter of slot 2 reads low"}
    first = town.post(f"{V1}/findings", body, key="F-1")
    again = town.post(f"{V1}/findings", body, key="F-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first.headers["ledger-position"] == str(first.json()["position"])
    assert "idempotent-replay" not in first.headers
    assert again.headers["idempotent-replay"] == "true"
    case_id = first.json()["case_id"]
    with reading(town) as reads:
        case = reads.row(CASES, case_id)
    assert (case.case_type, case.subjects, case.reason) == (
        "AUDIT_FINDING",
        ("ENTRY-7",),
        body["text"],
    )
    said = town.said(f"{V1}/cases/{case_id}")["item"]
    assert (said["case"]["reason"], said["age_s"]) == (body["text"], 0)
    assert case_id in [
        i["case"]["case_id"] for i in town.said(f"{V1}/cases", state="open")["items"]
    ]
    assert town.said(f"{V1}/cases", state="resolved")["items"] == []


def test_another_body_under_the_same_key_is_refused_and_another_auditor_has_his_own_keys(town):
    body = {"position": 1, "text": "one"}
    assert town.post(f"{V1}/findings", body, key="F-2").status_code == 201
    other = town.post(f"{V1}/findings", {**body, "text": "two"}, key="F-2")
    check_problem(other, 422, "idempotency_key_reused")
    assert town.post(f"{V1}/findings", body, key="F-2", who="AU-2").status_code == 201


def test_a_finding_is_in_the_log_under_its_author_and_correlation(town):
    headers = town.headers("AU-1") | {"Idempotency-Key": "F-3", "Correlation-Id": "audit-2024"}
    body = {"position": 2, "text": "seen"}
    answer = town.call("POST", f"{V1}/findings", headers=headers, json=body)
    assert answer.headers["correlation-id"] == "audit-2024"
    entry = town.said(f"{V1}/entries/{answer.json()['position']}")["entry"]["decoded"]
    assert entry["actor"] == {"id": "AU-1", "role": "auditor"}
    assert entry["correlation_id"] == "audit-2024"


def test_a_sample_can_be_drawn_again_and_stands_in_the_log(town):
    body = {"population": 30, "size": 5, "seed": "March"}
    first = town.post(f"{V1}/samples", body, key="S-1").json()
    assert town.post(f"{V1}/samples", body, key="S-1").json() == first
    second = town.post(f"{V1}/samples", body, key="S-2").json()
    assert second["positions"] == first["positions"]
    assert second["sample_id"] != first["sample_id"]
    entry = town.said(f"{V1}/entries/{first['position']}")["entry"]["decoded"]
    assert entry["kind"] == "sample.drawn"
    assert entry["body"] == {"end": 30, "sample_id": first["sample_id"], "size": 5, "seed": "March"}


def test_suspense_and_corrections_are_empty_where_nothing_went_wrong(town):
    said = town.said(f"{V1}/suspense")
    assert (said["packs"], said["money"]) == ([], [])
    assert town.said(f"{V1}/corrections", first=0, end=30)["items"] == []


def test_a_session_gives_its_evidence(town):
    with reading(town) as reads:
        session_id, _ = next(reads.rows(SESSIONS))
        named = [
            each.envelope.position
            for each in reads.entries()
            if session_id in each.envelope.entities and each.envelope.packs
        ]
    said = town.said(f"{V1}/sessions/{session_id}/evidence")["items"]
    assert [item["position"] for item in said] == named
    assert named
