"""The journal of signatures beside a device's own log: every difference is marked, none made up."""

from hashlib import sha256

import pytest

from ledger.kernel.errors import Malformed
from ledger.signer.schema import Signing
from partner_api.auditor.signings import DeviceEntry, Window, compared, read_device_log


def signing(number: int, device: str = "a") -> tuple[int, Signing]:
    digest = sha256(b"%d" % number).digest()
    return number, Signing(device, "k1", "checkpoint", "", digest, number, number, b"", b"")


def entry(number: int, of: int, **more: object) -> DeviceEntry:
    """What a device writes down about the signature with that number in the journal."""
    fields = {"operation": "sign", "key_id": "k1", "code": 0, "digest": digest_of(of)}
    return DeviceEntry(number=number, **{**fields, **more})  # type: ignore[arg-type]


def digest_of(number: int) -> str:
    return sha256(b"%d" % number).hexdigest()


def found(window: Window, *log: DeviceEntry) -> list[tuple[str, int | None, int | None]]:
    told = compared(window, {"a": log})
    return [(each.found, each.journal_id, each.device_number) for each in told]


JOURNAL = [signing(number) for number in (1, 2, 3)]


def test_equal_lists_agree_line_by_line():
    log = [entry(number + 10, number) for number in (1, 2, 3)]
    assert found(Window(JOURNAL), *log) == [("both", 1, 11), ("both", 2, 12), ("both", 3, 13)]


def test_other_operations_failures_and_missing_digests_are_no_difference():
    log = [
        entry(0, 9, operation="login"),
        entry(1, 1, digest=""),
        entry(2, 9, code=48),
        entry(3, 2, digest=""),
        entry(4, 3),
    ]
    assert [each[0] for each in found(Window(JOURNAL), *log)] == ["both"] * 3


def test_a_signature_that_the_journal_hides_stands_where_it_was_made():
    log = [entry(1, 1), entry(2, 7), entry(3, 2), entry(4, 3), entry(5, 8)]
    assert found(Window(JOURNAL), *log) == [
        ("both", 1, 1),
        ("device_only", None, 2),
        ("both", 2, 3),
        ("both", 3, 4),
        ("device_only", None, 5),
    ]


def test_a_signature_that_the_device_never_made_is_marked():
    assert found(Window(JOURNAL), entry(1, 1), entry(2, 3)) == [
        ("both", 1, 1),
        ("journal_only", 2, None),
        ("both", 3, 2),
    ]


def test_another_order_shows_as_a_difference():
    told = [each[0] for each in found(Window(JOURNAL), entry(1, 2), entry(2, 1), entry(3, 3))]
    assert told.count("both") == 2
    assert "device_only" in told
    assert "journal_only" in told


def test_one_signature_twice_on_the_device_is_one_too_many():
    told = found(Window(JOURNAL), entry(1, 1), entry(2, 1), entry(3, 2), entry(4, 3))
    assert [each[0] for each in told] == ["both", "device_only", "both", "both"]


def test_what_was_before_and_after_a_window_is_not_told():
    log = [entry(number, number) for number in range(6)]
    inside = found(Window(JOURNAL, is_begin=False, is_end=False), *log)
    assert inside == [("both", 1, 1), ("both", 2, 2), ("both", 3, 3)]
    assert len(found(Window(JOURNAL), *log)) == 6


def test_each_device_keeps_its_own_order_and_absent_logs_are_said():
    journal = [signing(1), signing(2, "b"), signing(3)]
    told = compared(Window(journal), {"a": [entry(1, 1), entry(2, 3)]})
    assert [(each.device, each.found) for each in told] == [
        ("a", "both"),
        ("b", "no_log"),
        ("a", "both"),
    ]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (b"", "line 2"),
        (b"[]", "line 2"),
        (b'{"number":2}', "line 2"),
        (b'{"number":1,"operation":"sign","key_id":"k","code":0}', "line 2"),
        (b'{"number":2,"operation":"sign","key_id":"k","code":0,"digest":"zz"}', "line 2"),
        (b"\xff", "line 2"),
    ],
)
def test_a_line_that_is_none_is_named(line, place):
    good = b'{"number":1,"operation":"sign","key_id":"k","code":0,"at":5}\n'
    assert read_device_log(good) == [DeviceEntry(1, "sign", "k", 0, 5)]
    with pytest.raises(Malformed) as caught:
        read_device_log(good + line + b"\n")
    assert caught.value.field == place
