"""Arbitrary bytes, and almost right ones, give a value or `Malformed`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.fuzz import escaped
from tests.fuzz.targets import TARGETS, Target

names = pytest.mark.parametrize("name", TARGETS)


@st.composite
def nearly(draw: st.DrawFn, target: Target) -> bytes:
    """A seed with a few stretches replaced by words of the format, other stretches, or noise."""
    data = draw(st.sampled_from(target.seeds))
    for _ in range(draw(st.integers(0, 4))):
        first = draw(st.integers(0, len(data)))
        end = draw(st.integers(first, min(len(data), first + 40)))
        other = draw(st.sampled_from(target.seeds))
        begin = draw(st.integers(0, len(other)))
        piece = draw(
            st.sampled_from(target.words)
            | st.binary(max_size=6)
            | st.just(other[begin : begin + draw(st.integers(0, 40))])
        )
        data = data[:first] + piece + data[end:]
    return data


@names
def test_a_parser_reads_its_seeds_and_writes_them_again(name: str):
    target = TARGETS[name]
    assert target.seeds
    assert all(target.try_one(seed) for seed in target.seeds)


@names
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes_give_a_value_or_malformed(name: str, data: bytes):
    TARGETS[name].try_one(data)


@names
@given(drawn=st.data())
def test_almost_right_bytes_give_a_value_or_malformed(name: str, drawn: st.DataObject):
    TARGETS[name].try_one(drawn.draw(nearly(TARGETS[name])))


def test_an_entry_with_a_nul_is_refused_when_it_is_read_as_when_it_is_written():
    """Found by fuzzing: it was canonical JSON, and no database of text could hold it."""
    spoiled = TARGETS["entry"].seeds[0].replace(b'"entry_id":"', b'"entry_id":"\\u0000', 1)
    assert not TARGETS["entry"].try_one(spoiled)


def test_a_word_is_written_as_a_fuzzer_reads_it():
    assert escaped(b'a"\n\xff') == '"\\x61\\x22\\x0a\\xff"'
