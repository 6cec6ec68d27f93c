"""Keys of the log: announced ahead, never the last one ended, never trusted for more again."""

from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.log_keys import (
    AHEAD_US,
    ANNOUNCED,
    IN_FORCE,
    LOG_KEYS,
    RETIRED,
    REVOKED,
    STANDING_KEYS,
    STANDING_MAX,
    AnnounceKey,
    KeyAnnounced,
    KeyRetired,
    RetireLogKey,
    RevokeLogKey,
    postings,
)
from ledger.domain.world import World
from ledger.kernel.instants import DAY
from ledger.kernel.messages import Actor
from ledger.kernel.refusal import Refusal, RefusalCode
from ledger.tlog.note import VerifierKey, format_vkey
from tests.support.rules import act, events

ORIGIN = "log.example.net/log/test"
NOW = 1_790_000_000_000_000


def announcing(number: int, purpose: str = "checkpoint", **fields: Any) -> AnnounceKey:
    """Announce the key whose bytes all have one number."""
    raw = bytes([number]) * 32
    vkey = format_vkey(VerifierKey(ORIGIN, 1, raw)) if purpose == "checkpoint" else ""
    command = AnnounceKey(
        key_id=sha256(raw).hexdigest()[:16],
        label=f"{purpose}-{number}",
        purpose=purpose,
        algorithm="ed25519",
        public_key=b64encode(raw).decode(),
        vkey=vkey,
    )
    return replace(command, **fields)


def born() -> World:
    """Give a log with two keys for checkpoints, made in one ceremony."""
    world = World(complete=True)
    for number in (1, 2):
        events(act(world, announcing(number, ceremony_id="birth-2026"), at=NOW))
    return world


def code(outcome: object) -> RefusalCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


def test_the_keys_of_a_birth_begin_at_once_and_are_found_by_id() -> None:
    world = born()
    first = world.need(LOG_KEYS, announcing(1).key_id)
    assert (first.not_before, first.announced_at, first.purpose) == (NOW, NOW, "checkpoint")
    assert first.vkey.startswith(f"{ORIGIN}+")
    assert LOG_KEYS.listed_by(first) == "checkpoint"
    assert len(world.need(STANDING_KEYS, "checkpoint").key_ids) == 2
    assert first.standing_at(NOW) == IN_FORCE
    assert first.vouches_for(10**9)


def test_a_key_that_comes_later_is_announced_seven_days_ahead() -> None:
    world = born()
    assert code(act(world, announcing(3), at=NOW)) is RefusalCode.LOG_KEY_TOO_SOON
    late = announcing(3, not_before=NOW + AHEAD_US - 1, ceremony_id="rotation-1")
    assert code(act(world, late, at=NOW)) is RefusalCode.LOG_KEY_TOO_SOON
    announced = events(act(world, replace(late, not_before=NOW + AHEAD_US), at=NOW))
    assert [type(each) for each in announced] == [KeyAnnounced]
    row = world.need(LOG_KEYS, late.key_id)
    assert [row.standing_at(at) for at in (NOW, NOW + AHEAD_US)] == [ANNOUNCED, IN_FORCE]
    assert postings(announced[0]) == ()


def test_the_same_announcement_again_changes_nothing_and_another_is_refused() -> None:
    world = born()
    same = announcing(1, ceremony_id="birth-2026")
    assert act(world, same, at=NOW + DAY) == ()
    other = replace(same, label="checkpoint-9")
    assert code(act(world, other, at=NOW)) is RefusalCode.LOG_KEY_EXISTS
    twin = announcing(3, label=same.label, not_before=NOW + AHEAD_US)
    assert code(act(world, twin, at=NOW)) is RefusalCode.LOG_KEY_EXISTS


def test_no_more_keys_stand_than_can_be_looked_at() -> None:
    world = World(complete=True)
    for number in range(STANDING_MAX):
        events(act(world, announcing(number, "documents", ceremony_id="birth-2026"), at=NOW))
    full = announcing(200, "documents", ceremony_id="birth-2026")
    assert code(act(world, full, at=NOW)) is RefusalCode.LOG_KEY_EXISTS


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("label", {"label": "Checkpoint A"}),
        ("purpose", {"purpose": "payments", "vkey": ""}),
        ("algorithm", {"algorithm": "rsa-1024"}),
        ("public_key", {"public_key": "AAAA"}),
        ("public_key", {"public_key": "not base64"}),
        ("public_key", {"public_key": b64encode(bytes(32)).decode().replace("A=", "B=")}),
        ("key_id", {"key_id": "0" * 16}),
        ("not_before", {"not_before": -1}),
        ("vkey", {"vkey": ""}),
        ("vkey", {"vkey": announcing(2).vkey}),
        ("vkey", {"purpose": "documents", "vkey": announcing(2).vkey}),
        ("ceremony_id", {"ceremony_id": "no label"}),
    ],
)
def test_a_key_that_is_not_well_described_is_refused_by_field(
    field: str, fields: dict[str, Any]
) -> None:
    outcome = act(World(complete=True), announcing(1, **fields), at=NOW)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.facts) == (RefusalCode.LOG_KEY_FIELD_INVALID, {"field": field})


def test_a_post_quantum_key_is_announced_like_any_other() -> None:
    raw = bytes(1_312)
    command = announcing(
        1,
        algorithm="ml-dsa-44",
        public_key=b64encode(raw).decode(),
        key_id=sha256(raw).hexdigest()[:16],
        vkey=format_vkey(VerifierKey(ORIGIN, 6, raw)),
    )
    assert len(events(act(World(complete=True), command, at=NOW))) == 1


def test_a_key_is_retired_once_another_is_in_force() -> None:
    world = born()
    first, second = announcing(1).key_id, announcing(2).key_id
    retired = events(act(world, RetireLogKey(key_id=first, ceremony_id="r-1"), at=NOW + 1))
    assert [type(each) for each in retired] == [KeyRetired]
    row = world.need(LOG_KEYS, first)
    assert [row.standing_at(at) for at in (NOW, NOW + 1)] == [IN_FORCE, RETIRED]
    assert row.vouches_for(10**9)
    assert not row.is_standing
    assert act(world, RetireLogKey(key_id=first), at=NOW + 2) == ()
    outcome = act(world, RetireLogKey(key_id=second), at=NOW + 2)
    assert code(outcome) is RefusalCode.LOG_KEY_LAST
    follower = announcing(3, not_before=NOW + 8 * DAY)
    events(act(world, follower, at=NOW))
    outcome = act(world, RetireLogKey(key_id=second), at=NOW + 2)
    assert code(outcome) is RefusalCode.LOG_KEY_LAST  # announced is not in force
    assert len(events(act(world, RetireLogKey(key_id=second), at=NOW + 8 * DAY))) == 1


def test_of_a_revoked_key_only_what_it_signed_before_counts_and_never_more_again() -> None:
    world = born()
    first = announcing(1).key_id

    def revoking(size: int, reason: str = "copied") -> RevokeLogKey:
        return RevokeLogKey(key_id=first, last_trusted_size=size, reason=reason)

    events(act(world, revoking(100), at=NOW + 5))
    row = world.need(LOG_KEYS, first)
    assert [row.vouches_for(size) for size in (100, 101)] == [True, False]
    assert [row.standing_at(at) for at in (NOW, NOW + 5)] == [IN_FORCE, REVOKED]
    assert act(world, revoking(100), at=NOW + 6) == ()
    assert code(act(world, revoking(101), at=NOW + 6)) is RefusalCode.LOG_KEY_ENDED
    assert len(events(act(world, revoking(50), at=NOW + 6))) == 1
    assert world.need(LOG_KEYS, first).last_trusted_size == 50
    for wrong in (revoking(1, "mislaid"), revoking(-1)):
        assert code(act(world, wrong, at=NOW)) is RefusalCode.LOG_KEY_FIELD_INVALID


def test_a_key_that_follows_lost_ones_begins_at_once() -> None:
    world = born()
    for number in (1, 2):
        lost = RevokeLogKey(key_id=announcing(number).key_id, last_trusted_size=7, reason="lost")
        events(act(world, lost, at=NOW))
    assert len(events(act(world, announcing(3), at=NOW))) == 1


@pytest.mark.parametrize(
    "command",
    [
        RetireLogKey(key_id="0" * 16),
        RevokeLogKey(key_id="0" * 16, last_trusted_size=1, reason="lost"),
    ],
)
def test_a_key_nobody_announced_is_unknown(command: RetireLogKey | RevokeLogKey) -> None:
    assert code(act(born(), command, at=NOW)) is RefusalCode.LOG_KEY_UNKNOWN


def test_keys_are_the_affair_of_two_persons() -> None:
    alone = Actor("P1", "engineer")
    for command in (announcing(1), RetireLogKey(key_id="0" * 16)):
        outcome = act(World(complete=True), command, at=NOW, actor=alone)
        assert code(outcome) is RefusalCode.SECOND_PERSON_REQUIRED
