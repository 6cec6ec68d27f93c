"""Other people's programs judge what we write and read: OCMF, the GIAI, its EPC URI."""

import importlib
import json
import warnings
from types import ModuleType

import pytest

from ledger.evidence import ocmf
from ledger.kernel.gs1 import epc_uri, giai_of, pack_link
from ledger.kernel.signed_facts import VALID
from tests.support.meters import payload, private_key, public_key, reading, record
from tests.support.tools import absent


def peer(name: str) -> ModuleType:
    """Import a program of somebody else; what it warns of is its own matter."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError:
        absent(f"{name} is not installed")


# by the spelling that the other program takes; brainpool384r1 it cannot decide
CURVES = {
    "secp256r1": "ECDSA-secp256r1-SHA256",
    "secp256k1": "ECDSA-secp256k1-SHA256",
    "secp384r1": "ECDSA-secp384r1-SHA256",
    "brainpool256r1": "ECDSA-brainpoolP256r1-SHA256",
}
ROWS = [reading("B", 100.0), reading("E", 110.5, "13:00:00")]
TEXTS = {
    "plain": payload(),
    "spread": json.dumps(json.loads(payload()), indent=1),
    "export": payload([one | {"RI": "1-0:2.8.0"} for one in ROWS]),
    "fiscal": payload(page="F3"),
}


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_record_and_its_damaged_twin_get_the_same_verdict_from_other_software(
    curve, text, encoding
):
    program = peer("pyocmf")
    key = public_key(private_key("meter", curve))
    raw = record(TEXTS[text], curve=curve, SA=CURVES[curve], SE=encoding)
    meter = ocmf.Meter("M-1", (ocmf.MeterKey(key, 0),))
    for data in (raw, raw.replace(b"110.5", b"110.6")):
        ours = ocmf.verify((data,), meter, ocmf.Session(1, 10_500)).verdict == VALID
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = program.OCMF.from_string(data.decode()).verify_signature(key.spki.hex())
        assert ours == theirs == (data == raw)


@pytest.mark.parametrize("number", [0, 42, 9_999_999_999])
@pytest.mark.parametrize("prefix", ["952000", "9520001", "952000100001"])
def test_a_giai_is_read_from_its_element_string_and_converted_by_other_software(prefix, number):
    giai = giai_of(prefix, number)
    elements = peer("biip").parse(f"8004{giai}").gs1_message.element_strings
    assert [(one.ai.ai, one.value) for one in elements] == [("8004", giai)]
    scheme = peer("epcpy.epc_schemes.giai").GIAI(epc_uri(giai, prefix))
    assert scheme.gs1_key() == giai
    assert pack_link("id.gs1.org", giai).endswith(f"/8004/{giai}")
