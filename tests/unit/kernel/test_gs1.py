import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.kernel.errors import Malformed
from ledger.kernel.gs1 import (
    ASSET_NO_MAX,
    Linked,
    asset_no_of,
    check_giai,
    check_gln,
    element_string,
    epc_uri,
    giai_of,
    pack_link,
    parse_link,
    party_link,
    slot_link,
)

RESOLVER = "id.example.net"
GLN = "9520001000010"
GS1_SET = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

prefixes = st.from_regex("[0-9]{6,12}", fullmatch=True)
giais = st.text(GS1_SET, min_size=1, max_size=30)


@given(prefixes, st.integers(0, ASSET_NO_MAX))
def test_our_asset_reference_fits_behind_any_prefix_and_is_read_back(prefix, number):
    giai = giai_of(prefix, number)
    assert len(giai) <= 24
    assert asset_no_of(giai, prefix) == number
    assert parse_link(pack_link(RESOLVER, giai)) == Linked(RESOLVER, giai=giai)
    assert epc_uri(giai, prefix) == f"urn:epc:id:giai:{prefix}.PK{number:010d}"


@given(giais)
def test_every_giai_of_the_gs1_set_survives_its_digital_link(giai):
    assert len(set(GS1_SET)) == 82
    assert parse_link(pack_link(RESOLVER, giai)).giai == check_giai(giai)


def test_an_epc_uri_escapes_what_an_uri_cannot_hold():
    assert epc_uri('9520001A/b%c"&<>?', "9520001") == (
        "urn:epc:id:giai:9520001.A%2Fb%25c%22%26%3C%3E%3F"
    )


def test_slots_and_parties_have_links_by_gln():
    assert slot_link(RESOLVER, GLN, "12") == f"https://{RESOLVER}/414/{GLN}/254/12"
    assert parse_link(slot_link(RESOLVER, GLN, "12")) == Linked(RESOLVER, gln=GLN, slot="12")
    assert parse_link(party_link("id.example.net:8443", GLN)) == Linked(
        "id.example.net:8443", gln=GLN
    )


def test_a_person_reads_the_application_identifier_in_brackets():
    assert element_string("9520001PK0000000042") == "(8004)9520001PK0000000042"


@pytest.mark.parametrize(
    ("make", "values", "field"),
    [
        (
            giai_of,
            (
                "95200",
                1,
            ),
            "prefix",
        ),
        (
            giai_of,
            (
                "9520001000001",
                1,
            ),
            "prefix",
        ),
        (
            giai_of,
            (
                "952000\u0661",
                1,
            ),
            "prefix",
        ),
        (
            giai_of,
            (
                "9520001",
                -1,
            ),
            "asset_no",
        ),
        (
            giai_of,
            (
                "9520001",
                ASSET_NO_MAX + 1,
            ),
            "asset_no",
        ),
        (
            asset_no_of,
            (
                "9520001PK42",
                "9520001",
            ),
            "giai",
        ),
        (
            asset_no_of,
            (
                "9520002PK0000000042",
                "9520001",
            ),
            "giai",
        ),
        (
            asset_no_of,
            (
                "9520001",
                "9520001",
            ),
            "giai",
        ),
        (check_giai, ("",), "giai"),
        (check_giai, ("A" * 31,), "giai"),
        (check_giai, ("A B",), "giai"),
        (check_gln, ("9520001000011",), "gln"),
        (check_gln, ("952000100001",), "gln"),
        (
            slot_link,
            (
                RESOLVER,
                GLN,
                "01",
            ),
            "slot",
        ),
        (
            pack_link,
            (
                "Example.net",
                "A",
            ),
            "resolver",
        ),
        (
            pack_link,
            (
                "localhost",
                "A",
            ),
            "resolver",
        ),
        (
            pack_link,
            (
                "a.net/x",
                "A",
            ),
            "resolver",
        ),
    ],
)
def test_what_is_no_key_is_refused_by_its_field(make, values, field):
    with pytest.raises(Malformed) as caught:
        make(*values)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://id.example.net/8004/A",
        "https://id.example.net/8004/",
        "https://id.example.net/8004/A?linkType=all",
        "https://id.example.net/8004/A#x",
        "https://id.example.net/8004/A/B",
        "https://id.example.net/8004/%4",
        "https://id.example.net/8004/%00",
        "https://id.example.net/8004/%C3%A9",
        "https://id.example.net/01/09520123456788",
        f"https://id.example.net/414/{GLN}",
        f"https://id.example.net/414/{GLN}/254/x",
        "https://id.example.net:0/8004/A",
        "https://x@id.example.net/8004/A",
    ],
)
def test_a_text_that_is_no_digital_link_of_ours_is_refused(text):
    with pytest.raises(Malformed):
        parse_link(text)


@given(st.text(max_size=60).map(lambda tail: "https://" + tail) | st.text(max_size=80))
def test_any_text_is_a_link_or_malformed(text):
    try:
        linked = parse_link(text)
    except Malformed:
        return
    assert linked.giai or linked.gln
