"""Whatever comes as a signed fact gets a verdict, and nothing else happens."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.evidence import bms, ocmf
from ledger.evidence.ocmf_record import parse
from ledger.kernel.errors import Malformed
from ledger.kernel.signed_facts import VALID, VERDICTS
from tests.support.meters import answer, private_key, public_key, record

KEY = public_key(private_key("meter"))
METER = ocmf.Meter("M-1", (ocmf.MeterKey(KEY, 0),))
GOOD = record()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["RD", "PG", "GI", "GS", "MS", "TM", "TX", "RV", "RU", "RI"]), inner
        )
    ),
    max_leaves=12,
)


@st.composite
def damaged(draw):
    """A good record with one stretch cut out, doubled or overwritten."""
    at = draw(st.integers(0, len(GOOD)))
    end = draw(st.integers(at, min(len(GOOD), at + 40)))
    middle = draw(st.sampled_from([b"", GOOD[at:end] * 2]) | st.binary(max_size=8))
    return GOOD[:at] + middle + GOOD[end:]


@settings(max_examples=300)
@given(
    st.binary(max_size=200)
    | damaged()
    | st.tuples(json_values, json_values).map(
        lambda two: f"OCMF|{json.dumps(two[0])}|{json.dumps(two[1])}".encode()
    )
)
@example(b"OCMF|{}|{}")
@example(b"OCMF|" + b'{"RD":' * 3_000 + b"|{}")
def test_any_bytes_are_a_record_or_malformed_and_always_get_a_verdict(raw):
    try:
        found = parse(raw)
    except Malformed:
        pass
    else:
        assert found.signed in raw
    evidence = ocmf.verify((raw,), METER, ocmf.Session(ended_at=1, in_wh=0))
    assert evidence.verdict in VERDICTS
    assert evidence.is_well_formed
    signed = raw.split(b"|")[1:2] == GOOD.split(b"|")[1:2]
    assert evidence.verdict != VALID or signed


@given(
    st.text(max_size=60), st.text(max_size=60), st.integers(-(2**64), 2**64), st.text(max_size=99)
)
def test_any_answer_to_a_challenge_gets_a_verdict(nonce, serial, seq, signature):
    given_one = answer(private_key("meter"))
    challenge = bms.Challenge(bytes(16), 0)
    for one in (
        bms.Answer(nonce, serial, seq, signature),
        bms.Answer(given_one.nonce, serial, seq, given_one.signature),
        bms.Answer(given_one.nonce, given_one.serial, given_one.seq, signature),
    ):
        found = bms.verify(one, challenge, KEY, 0)
        assert found.verdict in VERDICTS
        same = (one.serial, one.seq) == (given_one.serial, given_one.seq)
        assert found.verdict != VALID or same


@given(st.binary(max_size=40))
def test_base64url_has_one_spelling(data):
    if data:
        assert bms.decode(bms.encode(data), "x") == data
