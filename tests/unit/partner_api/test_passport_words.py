"""A passport's values as a driver reads them."""

from decimal import Decimal

import pytest

from ledger.exports._passport_facts import parse_facts
from partner_api.driver.passport_words import UNITS, Words, words_of
from tests.support.facts import AT, PAPER, encoded, facts_file

FACTS = parse_facts(encoded(facts_file()))
VALUES = {**FACTS.model, **next(iter(FACTS.packs.values()))}
LINK = (PAPER["title"], PAPER["url"])
HOME = ("maker.example.net", "https://maker.example.net")
ADDRESS = ("1 rue des Essais", "35000 FR")


def test_no_value_is_told_as_a_structure() -> None:
    for clause, value in VALUES.items():
        said = words_of(clause, value)
        assert said.lines or said.links, clause
        assert not any(mark in said.text for mark in ("{", "[", "None", "Decimal")), clause


def test_every_figure_has_its_unit_and_nothing_else_has_one() -> None:
    figures = {
        clause
        for clause, value in VALUES.items()
        if isinstance(value, Decimal | int) or hasattr(value, "value")
    }
    bare = {"6.1.3.4", "6.4.4", "6.7.4.8", "6.7.8.2", "6.7.8.3"}  # a period, an index, counts
    assert figures - bare == UNITS.keys() & VALUES.keys()


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ("6.1.2.4", Words(("Maker SA", *ADDRESS), links=(HOME,))),
        ("6.1.3.1", Words(ADDRESS)),
        ("6.1.3.4", Words(("96",), "month")),
        ("6.1.3.6", Words(("450.5",), "kg")),
        ("6.2.2", Words((), links=(("Collect separately", "https://docs.example.net/bin.svg"),))),
        ("6.2.5", Words(("water (D)",))),
        ("6.2.7", Words((), links=(LINK,))),
        ("6.5.2", Words(("Nickel manganese cobalt (NMC)",))),
        ("6.5.6", Words(("LiPF6: burns the skin",), links=(LINK,))),
        ("6.7.3.2", Words(("90000 W (SoC 20 %)", "150000 W (SoC 80 %)"))),
        ("6.7.3.3", Words(("140000 W (SoC 80 %)",), at=AT)),
        ("6.7.4.5", Words(("1.25",), "%", AT)),
        ("6.7.5.2", Words(("pack: 0.065 Ω", "module: 0.008 Ω", "cell: 0.0007 Ω"))),
        ("6.7.5.3", Words(("pack: +12.5 %, 0.0731 Ω", "cell: +11 %, 0.00078 Ω"), at=AT)),
        ("6.7.6.6", Words(("charge: 0.5 C", "discharge: 1 C"))),
    ],
)
def test_a_value_is_told_in_words(clause: str, words: Words) -> None:
    assert words_of(clause, VALUES[clause]) == words


def test_papers_of_many_are_listed_once() -> None:
    said = words_of("6.5.5", VALUES["6.5.5"])
    assert said.links == (LINK,)
    assert said.lines[0] == "cadmium (CAS 7440-43-9), 0 %, none"
    assert len(said.lines) == 4


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("450.50"), "450.5"), (Decimal("1E+3"), "1000"), (1_800, "1800"), (0.5, "0.5")],
)
def test_a_figure_has_no_exponent_and_no_idle_zeros(value: Decimal | float, text: str) -> None:
    assert words_of("", value).text == text
