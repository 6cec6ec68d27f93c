import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec.structs import replace

from ledger.evidence import ocmf
from ledger.evidence.ocmf import Meter, MeterKey, Session, verify
from ledger.evidence.ocmf_record import RECORD_BYTES_MAX, parse
from ledger.kernel.errors import Malformed
from ledger.kernel.public_key import read_spki
from ledger.kernel.signed_facts import (
    ABSENT,
    INVALID,
    KEY_DIFFERS,
    NO_KEY,
    PAGE_GAP,
    REGISTER_DIFFERS,
    UNSUPPORTED,
    VALID,
    Pages,
    Registers,
)
from tests.support.meters import CURVES, payload, private_key, public_key, reading, record

ENDED_AT = 1_773_147_600_000_000  # 2026-03-10T13:00:00Z


def meter(curve: str = "secp256r1", by: str = "meter", **fields: Any) -> Meter:
    key = MeterKey(public_key(private_key(by, curve)), 0)
    return Meter(**({"serial": "M-1", "keys": (key,), "model": "MODEL"} | fields))


def session(**fields: Any) -> Session:
    return Session(**({"ended_at": ENDED_AT, "in_wh": 10_500} | fields))


def judge(*raws: bytes, **fields: Any):
    return verify(raws, meter(), session(**fields))


def readings(*rows: dict[str, Any]) -> bytes:
    return record(payload(rows))


BEGIN, END = reading("B", 100.0), reading("E", 110.5, "13:00:00")


@pytest.mark.parametrize("curve", sorted(CURVES))
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_session_is_proven_on_every_curve_and_in_both_encodings(curve, encoding):
    raw = record(curve=curve, SE=encoding)
    found = verify((raw,), meter(curve), session())
    assert (found.verdict, found.step, found.remarks) == (VALID, 0, ())
    assert (found.energy_in_wh, found.energy_out_wh) == (10_500, 0)
    assert (found.import_begin_wh, found.import_end_wh) == (100_000, 110_500)
    assert (found.page_kind, found.pagination_begin, found.pagination_end) == ("T", 7, 7)
    assert found.time_quality == "S"
    assert found.key_id == public_key(private_key("meter", curve)).key_id
    assert found.is_well_formed


def test_begin_and_end_may_come_in_two_records():
    first, last = record(payload([BEGIN], "T7")), record(payload([END], "T8"))
    found = judge(first, last)
    assert (found.verdict, found.pagination_begin, found.pagination_end) == (VALID, 7, 8)
    assert len(found.raw_sha256) == 2
    assert judge(last, first).step == 5
    assert judge(first, record(payload([END], "T9"))).step == 5
    assert judge(first, record(payload([END], "F8"))).step == 5
    assert judge(first, record(payload([END], "T8", ID="9999"))).step == 10
    assert judge(first, record(payload([END], "T8", GI="OTHER"))).step == 10
    assert judge(first, last, last).step == 1


def test_blanks_and_order_of_the_payload_do_not_matter_because_the_text_itself_is_signed():
    text = json.dumps(json.loads(payload()), indent=2, sort_keys=True)
    assert judge(record(text)).verdict == VALID


def test_a_reading_takes_what_it_leaves_out_from_the_one_before_it():
    short = {"TM": END["TM"], "TX": "E", "RV": 110.5}
    assert judge(readings(BEGIN, short)).verdict == VALID


@pytest.mark.parametrize(
    ("begin", "end", "unit", "energy_wh"),
    [
        (0.1, 0.3, "kWh", 200),
        ("       9.038", "      10.342", "kWh", 1_304),
        ("00000000.000", "00000000.001", "kWh", 1),
        (".5", "1.5", "kWh", 1_000),
        (0.2596, 0.2597, "kWh", 0),
        (0.2596, 0.2606, "kWh", 1),
        (62500.1270, 62500.1279, "kWh", 0),
        (2_850_685, 2_850_951, "Wh", 266),
        (0, 0, "Wh", 0),
    ],
)
def test_energy_is_the_exact_difference_rounded_down_to_watt_hours(begin, end, unit, energy_wh):
    raw = readings(reading("B", begin, RU=unit), reading("E", end, "13:00:00", RU=unit))
    found = judge(raw, in_wh=energy_wh)
    assert (found.verdict, found.energy_in_wh, found.remarks) == (VALID, energy_wh, ())


def test_energy_fed_back_is_proven_by_the_export_register():
    back = [reading("B", 5, RI="1-0:2.8.0"), reading("E", 8, "13:00:00", RI="1-0:2.8.0")]
    found = judge(readings(*back), in_wh=0, out_wh=3_000)
    assert (found.verdict, found.energy_out_wh, found.export_end_wh) == (VALID, 3_000, 8_000)
    both = judge(readings(BEGIN, back[0], END, back[1]), out_wh=3_000)
    assert (both.energy_in_wh, both.energy_out_wh, both.remarks) == (10_500, 3_000, ())


def test_a_meter_with_one_register_need_not_name_it():
    raw = readings(BEGIN | {"RI": ""}, END | {"RI": ""})
    assert (judge(raw).verdict, judge(raw).import_end_wh) == (VALID, 110_500)


@pytest.mark.parametrize("obis", ["1-0:1.8.0*198", "01-00:B2.08.00.FE", "1-0:B3.8.0"])
def test_a_register_that_counts_one_transaction_only_is_not_held_against_older_readings(obis):
    raw = readings(reading("B", 0, RI=obis), reading("E", 10.5, "13:00:00", RI=obis))
    found = judge(raw, registers=Registers(500_000))
    assert (found.verdict, found.import_end_wh, found.energy_in_wh) == (VALID, None, 10_500)


def test_a_register_that_counts_on_is_preferred_and_others_are_left_alone():
    rows = (
        reading("B", 0, RI="1-0:1.8.0*198"),
        BEGIN,
        reading("C", 3, RI="1-0:1.9.0"),
        reading("C", 230, RI="1-0:32.7.0", RU="V"),
        reading("E", 10.4, "13:00:00", RI="1-0:1.8.0*198"),
        END,
    )
    assert judge(readings(*rows)).energy_in_wh == 10_500
    assert judge(readings(rows[1], rows[0], rows[5], rows[4])).energy_in_wh == 10_500


MANY = tuple({"A": {"A": "x"}} for _ in range(3))

BROKEN: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("no record", b"hello"),
    ("two parts", b"OCMF|{}"),
    ("four parts", record() + b"|{}"),
    ("another name", record().replace(b"OCMF", b"OCMX")),
    ("leading blank", b" " + record()),
    ("a list", b"OCMF|[]|{}"),
    ("no JSON", b"OCMF|{|{}"),
    ("no UTF-8", record().replace(b"MAKER", b"\xff")),
    ("too long", record() + b" " * RECORD_BYTES_MAX),
    ("two megabytes", b"OCMF|" + b"[" * 2_000_000),
    ("deep", b"OCMF|" + b'{"a":' * 5_000 + b"|{}"),
    ("a key twice", record(payload().replace('"MS"', '"MS": "M-9", "MS"'))),
    ("a key twice inside", record(payload().replace('"TX"', '"TX": "B", "TX"'))),
    ("a signature key twice", record().replace(b'"SD"', b'"SD": "", "SD"')),
    ("not a number", readings(BEGIN, END | {"RV": float("nan")})),
    ("infinite", readings(BEGIN, END | {"RV": float("inf")})),
    ("power of ten", record(payload().replace("110.5", "1.105e2"))),
    ("digits without end", record(payload().replace("110.5", "1" * 5_000))),
    ("ten decimals", record(payload().replace("110.5", "110.5000000001"))),
    ("negative", readings(BEGIN | {"RV": -1}, END)),
    ("no value", readings(BEGIN, END | {"RV": None})),
    ("a value that is true", readings(BEGIN, END | {"RV": True})),
    ("no readings", record(payload([]))),
    ("readings that are none", record(payload(RD={"TM": "x"}))),
    ("a reading that is none", record(payload(RD=["x"]))),
    ("no page", record(payload(page=""))),
    ("page of another kind", record(payload(page="X1"))),
    ("page with zeros", record(payload(page="T01"))),
    ("page as number", record(payload().replace('"T7"', "7"))),
    ("no time", readings(BEGIN | {"TM": ""}, END)),
    ("time without letter", readings(BEGIN | {"TM": "2026-03-10T12:00:00,000+0000"}, END)),
    ("31 February", readings(BEGIN | {"TM": "2026-02-31T12:00:00,000+0000 S"}, END)),
    ("year 0", readings(BEGIN | {"TM": "0000-01-01T12:00:00,000+0000 S"}, END)),
    ("zone of 99 hours", readings(BEGIN | {"TM": "2026-03-10T12:00:00,000+9900 S"}, END)),
    ("a serial that is a number", record(payload(MS=7))),
    ("half a character", record(payload(GI="\ud800"))),
    ("a NUL", record(payload(MM="MO\0DEL"))),
]


@pytest.mark.parametrize("raw", [raw for _, raw in BROKEN], ids=[name for name, _ in BROKEN])
def test_what_is_no_record_is_invalid_at_the_first_step(raw):
    found = judge(raw)
    assert (found.verdict, found.step) == (INVALID, 1)
    assert found.is_well_formed


def test_a_trailing_newline_is_white_space_of_the_last_part_and_changes_only_the_digest():
    assert judge(record() + b"\n").verdict == VALID
    assert judge(record() + b"\n").raw_sha256 != judge(record()).raw_sha256
    assert judge(record().replace(b"}|{", b"} |{")).step == 4


def test_one_changed_digit_breaks_the_signature():
    text = record()
    for place in [at for at in range(len(text)) if chr(text[at]).isdigit()]:
        changed = bytearray(text)
        changed[place] = changed[place] - 1 if changed[place] > ord("0") else ord("1")
        assert judge(bytes(changed)).verdict != VALID, place


def test_the_key_in_the_message_is_never_trusted():
    forged = record(by="thief")
    thief = public_key(private_key("thief")).spki
    found = verify((forged,), meter(), session(sent_key=thief))
    assert (found.verdict, found.step, found.remarks) == (INVALID, 4, (KEY_DIFFERS,))
    honest = verify((record(),), meter(), session(sent_key=thief))
    assert (honest.verdict, honest.remarks, honest.needs_case) == (VALID, (KEY_DIFFERS,), True)
    same = verify((record(),), meter(), session(sent_key=public_key(private_key("meter")).spki))
    assert same.remarks == ()


def test_a_meter_that_nobody_registered_has_no_key():
    assert replace(verify((record(),), None, session()), raw_sha256=()).step == 2
    assert verify((record(),), None, session()).verdict == NO_KEY
    assert verify((record(),), meter(keys=()), session()).verdict == NO_KEY
    sent = session(sent_key=b"x")
    assert verify((record(),), meter(keys=()), sent).remarks == (KEY_DIFFERS,)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"serial": "M-2"}, (INVALID, 2)),
        ({"model": "OTHER"}, (INVALID, 2)),
        ({"model": ""}, (VALID, 0)),
    ],
)
def test_a_record_of_another_meter_than_the_registered_one_is_invalid(fields, expected):
    found = verify((record(),), meter(**fields), session())
    assert (found.verdict, found.step) == expected


def test_a_gateway_without_a_meter_serial_is_the_meter():
    raw = record(payload(MS="", MM=""))
    assert verify((raw,), meter(serial="G-1", model="GATE"), session()).verdict == VALID


@pytest.mark.parametrize(
    ("at", "key_id_of"),
    [(9, None), (10, "old"), (19, "old"), (20, "meter"), (30, None)],
)
def test_the_key_in_force_at_the_end_of_the_session_counts(at, key_id_of):
    keys = (
        MeterKey(public_key(private_key("old")), 10, 20),
        MeterKey(public_key(private_key("meter")), 20, 30),
    )
    found = verify((record(),), meter(keys=keys), session(ended_at=at))
    expected = public_key(private_key(key_id_of)).key_id if key_id_of else ""
    assert found.key_id == expected
    verdicts = {None: NO_KEY, "old": INVALID, "meter": VALID}
    assert found.verdict == verdicts[key_id_of]


@pytest.mark.parametrize(
    ("signature", "verdict"),
    [
        ({"SA": "ECDSA-secp192k1-SHA256"}, UNSUPPORTED),
        ({"SA": "RSA-2048-SHA256"}, UNSUPPORTED),
        ({"SA": "none"}, UNSUPPORTED),
        ({"SA": "ECDSA-secp384r1-SHA256"}, INVALID),
        ({"SA": "", "SE": ""}, VALID),
        ({"SE": "base32"}, INVALID),
        ({"SD": ""}, INVALID),
        ({"SD": "zz"}, INVALID),
        ({"SD": "00" * 70}, INVALID),
    ],
)
def test_the_registered_key_decides_how_a_signature_is_checked(signature, verdict):
    found = judge(record(**signature))
    assert (found.verdict, found.step) == (verdict, 0 if verdict == VALID else 4)


def test_a_base64_signature_that_is_none_is_invalid():
    raw = record(SE="base64").replace(b'"SD": "', b'"SD": "*')
    assert (judge(raw).verdict, judge(raw).step) == (INVALID, 4)


def test_a_key_on_a_curve_that_is_not_checked_is_unsupported_and_one_off_its_curve_is_no_point():
    weak = read_spki(bytes.fromhex("3046301006072a8648ce3d020106052b8104001f03320004") + bytes(48))
    found = verify((record(),), meter(keys=(MeterKey(weak, 0),)), session())
    assert found.verdict == UNSUPPORTED
    good = public_key(private_key("meter"))
    off = read_spki(good.spki[:-1] + bytes([good.spki[-1] ^ 1]))
    assert verify((record(),), meter(keys=(MeterKey(off, 0),)), session()).verdict == INVALID
    assert [ocmf.is_point(key) for key in (good, off, weak)] == [True, False, False]


@pytest.mark.parametrize(
    ("pages", "step", "remarks"),
    [(Pages(6), 0, ()), (Pages(7), 5, ()), (Pages(3), 0, (PAGE_GAP,))],
)
def test_a_page_that_was_seen_is_invalid_and_a_missing_one_opens_a_case(pages, step, remarks):
    found = judge(record(), pages=pages)
    assert (found.step, found.remarks) == (step, remarks)


def test_a_register_that_ran_backwards_since_the_last_signed_reading_is_invalid():
    assert judge(record(), registers=Registers(100_001)).step == 9
    assert judge(record(), registers=Registers(100_000)).step == 0


def changed(first: dict[str, Any] | None = None, last: dict[str, Any] | None = None) -> bytes:
    return readings(BEGIN | (first or {}), END | (last or {}))


@pytest.mark.parametrize(
    ("raw", "step"),
    [
        (changed({"EF": "E"}), 6),
        (changed(None, {"EF": "Et"}), 6),
        (changed(None, {"ST": "M"}), 6),
        (changed(None, {"ST": "T"}), 6),
        (changed(None, {"TM": "2026-03-10T11:59:59,999+0000 S"}), 8),
        (changed(None, {"TM": "2026-03-10T13:59:59,999+0200 S"}), 8),
        (changed(None, {"RV": 99.9999}), 9),
        (readings(BEGIN, reading("C", 120), END), 9),
        (readings(BEGIN), 10),
        (readings(END), 10),
        (readings(BEGIN, BEGIN, END), 10),
        (changed(None, {"TX": "C"}), 10),
        (changed({"TX": ""}, {"TX": ""}), 10),
        (changed({"RI": "1-0:32.7.0"}, {"RI": "1-0:32.7.0"}), 11),
        (changed({"RU": "V"}, {"RU": "V"}), 11),
        (changed({"RU": "MWh"}), 10),
        (changed({"EF": "E"}, {"RV": 1}), 6),
    ],
)
def test_a_signed_record_can_still_prove_nothing(raw, step):
    found = judge(raw)
    assert (found.verdict, found.step) == (INVALID, step)


def test_of_several_broken_steps_the_first_is_named():
    assert judge(changed({"EF": "E"}), pages=Pages(7)).step == 5
    assert judge(changed({"EF": "E"}), pages=Pages(3)).step == 6
    assert judge(changed(None, {"RV": 1}), registers=Registers(200_000)).step == 9


@pytest.mark.parametrize("kind", ["E", "L", "R", "A", "P"])
def test_a_session_ends_by_the_car_the_driver_the_network_an_alarm_or_without_power(kind):
    assert judge(changed(None, {"TX": kind})).verdict == VALID


@pytest.mark.parametrize(
    ("first", "last", "worst"), [("S", "S", "S"), ("S", "I", "I"), ("U", "R", "U"), ("R", "S", "R")]
)
def test_the_worst_quality_of_time_is_kept(first, last, worst):
    times = BEGIN["TM"][:-1], END["TM"][:-1]
    raw = changed({"TM": times[0] + first}, {"TM": times[1] + last})
    assert (judge(raw).verdict, judge(raw).time_quality) == (VALID, worst)


def test_a_record_that_the_unsigned_register_contradicts_stands_and_opens_a_case():
    found = judge(record(), in_wh=10_400)
    assert (found.verdict, found.remarks, found.needs_case) == (VALID, (REGISTER_DIFFERS,), True)


def test_nothing_and_another_format_have_verdicts_too():
    assert verify((), meter(), session()).verdict == ABSENT
    found = ocmf.unsupported("EDL40", (b"x",))
    assert (found.verdict, found.step, len(found.raw_sha256)) == (UNSUPPORTED, 1, 1)


def test_a_driver_is_compared_and_never_kept():
    assert "1A2B" not in str(judge(record()))
    assert "1A2B" not in str(parse(record()).gateway)


def test_bad_bytes_name_the_field_that_is_wrong():
    with pytest.raises(Malformed) as caught:
        parse(record(payload(page="T01")))
    assert caught.value.field == "PG"


def test_a_signature_over_other_bytes_of_equal_meaning_is_no_signature():
    text = payload()
    other = json.dumps(json.loads(text), separators=(",", ":"))
    signature = private_key("meter").sign(other.encode(), ec.ECDSA(SHA256())).hex()
    assert judge(record(text, SD=signature)).step == 4
