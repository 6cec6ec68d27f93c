"""Facts of a refusal as a person reads them: amounts, times and distances in words.

A fact keeps its name and gets a second one without its unit: `fee_minor` also fills `{fee}`,
`since_at` also `{since}`, `distance_m` also `{distance}`, `distance_m_1` also `{distance_1}`. So a
text names what it wants to say and never a unit.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

_GAP = re.compile(r"\{(\w+)\}")
_NUMBERED = re.compile(r"(?P<short>\w+)_m_(?P<number>\d)")
_TIMES = re.compile(r"_(?:at|until|from)$")


class Forms:
    """How to lay out the kinds of facts; the methods of `Texts` of the same names."""

    def __init__(
        self,
        money: Callable[[int, str], str],
        moment: Callable[[datetime], str],
        distance: Callable[[int], str],
        energy: Callable[[int], str],
    ) -> None:
        """Take the forms of one language."""
        self.money = money
        self.moment = moment
        self.distance = distance
        self.energy = energy


def spoken(facts: Mapping[str, str | int], forms: Forms) -> dict[str, str | int]:
    """Give the facts with their second names; what cannot be laid out stays as it came."""
    said = dict(facts)
    currency = str(facts.get("currency", ""))
    for name, fact in facts.items():
        short, _, unit = name.rpartition("_")
        if isinstance(fact, int) and not isinstance(fact, bool):
            if unit == "minor" and currency:
                said[short] = forms.money(fact, currency)
            elif unit == "m":
                said[short] = forms.distance(fact)
            elif numbered := _NUMBERED.fullmatch(name):
                said[f"{numbered['short']}_{numbered['number']}"] = forms.distance(fact)
            elif unit == "wh":
                said[short] = forms.energy(fact)
        elif isinstance(fact, str) and (_TIMES.search(name) or name in {"since", "until", "at"}):
            at = _time(fact)
            if at is not None:
                said[_TIMES.sub("", name)] = forms.moment(at)
    if "station" not in said and "station_name" in said:
        said["station"] = said["station_name"]
    return said


def gaps(words: str) -> set[str]:
    """Name the gaps of a text.

    >>> sorted(gaps("{a} of {b} used"))
    ['a', 'b']
    """
    return set(_GAP.findall(words))


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None
