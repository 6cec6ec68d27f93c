"""What may not even wait: requests that no entry could hold."""

import msgspec
import pytest

from ledger.domain.moves import MovePack
from ledger.domain.parties import RegisterParty
from ledger.kernel.errors import Malformed
from ledger.kernel.messages import Request
from ledger.runtime.admission import INTEGER_MAX, PRINCIPAL_MAX, admit
from tests.support.ledgers import asking, party


def named(text: str) -> Request:
    command = RegisterParty(party_id="DR-1", party_roles=("driver",), country="FR", legal_name=text)
    return asking(command, "name")


def moved(at: int) -> Request:
    command = MovePack(pack_id="PK-1", event="pack_docked", level=5, occurred_at=at)
    return asking(command, "move")


def changed(**fields) -> Request:
    return msgspec.structs.replace(party(1), **fields)


BAD = {
    "a NUL in a text": (named("a\0b"), "NUL"),
    "a NUL behind a backslash": (named("a\\\0b"), "NUL"),
    "a lone surrogate": (named("\ud800"), "surrogate"),
    "a NUL in the principal": (changed(principal="a\0"), "NUL"),
    "a NUL in the correlation": (changed(correlation_id="\0"), "NUL"),
    "no principal": (changed(principal=""), "principal"),
    "a long principal": (changed(principal="p" * (PRINCIPAL_MAX + 1)), "principal"),
    "a short key": (changed(key=b"1"), "16 bytes"),
    "a long key": (changed(key=bytes(17)), "16 bytes"),
    "a time before 1970": (changed(at=-1), "at"),
    "a time no entry can hold": (changed(at=INTEGER_MAX + 1), "at"),
    "a number beyond 2^53": (moved(INTEGER_MAX + 1), "2\\^53"),
    "a number below -2^53": (moved(-INTEGER_MAX - 1), "2\\^53"),
    "a number of 64 bits": (moved(2**64), "2\\^53"),
    "a number beyond all": (moved(-(2**70)), "2\\^53"),
}

GOOD = {
    "the largest number": moved(INTEGER_MAX),
    "the smallest number": moved(-INTEGER_MAX),
    "the latest time": changed(at=INTEGER_MAX),
    "digits in a text": named("number 12345678901234567890, or -99999999999999999"),
    "digits that look like a member": named('":12345678901234567890'),
    "what looks like a NUL": named("\\u0000"),
    "a name in any script": named("Zoë 王 🚲"),
    "the longest principal": changed(principal="p" * PRINCIPAL_MAX),
}


@pytest.mark.parametrize("what", BAD)
def test_what_no_entry_can_hold_is_malformed(what):
    request, why = BAD[what]
    with pytest.raises(Malformed, match=why):
        admit(request)


@pytest.mark.parametrize("what", GOOD)
def test_what_an_entry_can_hold_may_wait(what):
    admit(GOOD[what])
