"""A log that shows two histories is found out at its next checkpoint, whatever the seed."""

from collections.abc import Sequence
from random import Random  # noqa: TID251  seeded below

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.witness_client import Reply, WitnessClient
from ledger.kernel.errors import TamperEvidence
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import format_lines, parse_note
from ledger.tlog.policy import open_under_policy, parse_policy
from ledger.tlog.witness import add_lines
from tests.support.logs import ORIGIN, naive_root
from tests.support.witnesses import (
    NOW_S,
    MemoryWitness,
    as_witness,
    branch,
    cosigner,
    log_note,
    path_between,
    policy_text,
    request_for,
)

SEEDS = range(100)
WITNESSES = 4


class Town:
    """Witnesses in memory, asked through the real client."""

    def __init__(self, count: int = WITNESSES) -> None:
        self.signers = [cosigner(number) for number in range(count)]
        self.witnesses = [MemoryWitness(each) for each in self.signers]
        self.down: set[int] = set()
        self.client = WitnessClient(
            [
                as_witness(each, url=f"https://w{number}.example")
                for number, each in enumerate(self.signers)
            ],
            lambda: NOW_S,
            post=self._post,
            deadline_s=60.0,
        )

    def _post(self, url: str, body: bytes, _timeout_s: float) -> Reply:
        number = int(url.removeprefix("https://w").partition(".")[0])
        if number in self.down:
            raise ConnectionRefusedError
        return Reply(*self.witnesses[number].add_checkpoint(body))

    def publish(self, leaves: Sequence[bytes]) -> bytes:
        """Do what a log does with each checkpoint: ask everybody, add the lines."""
        note = log_note(leaves)
        asked = self.client.ask(note, lambda old: path_between(leaves, old))
        return add_lines(note, format_lines(asked.lines))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_split_view_is_found_at_the_next_checkpoint(seed: int):
    chance = Random(seed)
    town = Town()
    forked_at = chance.randrange(1, 30)
    shown = chance.randrange(forked_at + 1, 45)
    size = chance.randrange(forked_at + 1, 60)
    victims = chance.sample(range(WITNESSES), chance.randrange(1, WITNESSES))
    true, false = branch(60), branch(60, fork_at=forked_at)
    before = chance.randrange(forked_at + 1)
    if before:
        town.publish(true[:before])
    for number in victims:
        held = town.witnesses[number].held.get(ORIGIN)
        old = 0 if held is None else held.checkpoint.size
        assert town.witnesses[number].add_checkpoint(request_for(false[:shown], old))[0] == 200
    with pytest.raises(TamperEvidence) as caught:
        town.publish(true[:size])
    for number in range(WITNESSES):
        assert (f"w{number}.example" in str(caught.value)) == (number in victims)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_honest_log_meets_its_quorum_with_one_witness_down_and_is_never_accused(seed: int):
    chance = Random(seed)
    town, leaves, size = Town(), branch(80), 0
    rules = ("group g 3 W0 W1 W2 W3", "quorum g")
    policy = parse_policy(policy_text(town.signers, *rules))
    while size < 80:
        size += chance.randrange(1, 20)
        town.down = {chance.randrange(WITNESSES)}
        judged = open_under_policy(town.publish(leaves[:size]), policy, NOW_S)
        assert len(judged.cosigned) == 3


@given(st.data())
def test_a_witness_never_signs_two_histories(data: st.DataObject):
    """Whatever is asked in whatever order, all that one witness signed is one growing tree."""
    histories = [branch(16), branch(16, fork_at=5), branch(16, fork_at=9, name=b"other")]
    witness, signed = MemoryWitness(), [Checkpoint(ORIGIN, 0, naive_root(()))]
    for _ in range(data.draw(st.integers(1, 12))):
        leaves = data.draw(st.sampled_from(histories))
        size = data.draw(st.integers(1, 16))
        old = data.draw(st.integers(0, size))
        status, _ = witness.add_checkpoint(request_for(leaves[:size], old))
        if status == 200:
            signed.append(Checkpoint(ORIGIN, size, naive_root(leaves[:size])))
    assert [each.size for each in signed] == sorted(each.size for each in signed)
    assert any(
        all(each.root == naive_root(leaves[: each.size]) for each in signed) for leaves in histories
    )
    held = witness.held.get(ORIGIN)
    assert (held.checkpoint if held else signed[0]) == signed[-1]
    assert held is None or len(parse_note(held.note).signatures) == 2
