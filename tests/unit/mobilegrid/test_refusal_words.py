"""Every refusal has words, in the order of its number."""

from ledger.kernel.errors import Refused
from ledger.kernel.refusal import Refusal, RefusalCode
from mobilegrid.cli.base import App
from mobilegrid.cli.main import report
from mobilegrid.refusals import meaning, words


def test_every_refusal_says_what_it_means_and_what_to_do_in_the_order_of_the_codes():
    assert list(words()) == [code.name for code in RefusalCode]
    for said, advice in words().values():
        assert said
        assert not said.endswith(".")
        assert advice.endswith(".")
        assert advice[0].isupper()


def test_a_refusal_is_reported_with_its_meaning(capsys):
    refused = Refused(Refusal(RefusalCode.STATION_UNKNOWN, {"station_id": "ST-9"}))
    assert report(refused, App()) == 1
    said = capsys.readouterr().err
    assert "station_unknown (station_id ST-9)" in said
    assert meaning(RefusalCode.STATION_UNKNOWN) in said
