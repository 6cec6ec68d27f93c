"""Facts for passports as they stand in entries: a clause of the specification, and a JSON text.

A number keeps every digit that way, and an entry holds none that is not a whole one.
"""

import re
from collections.abc import Iterable

import msgspec

FACTS_MAX = 93
"""Attributes of a passport."""

_CLAUSE = re.compile(r"6(\.[1-9][0-9]?){2,3}")


class ToldFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attribute: its clause, and the text of its JSON value."""

    clause: str
    value: str


def in_order(facts: Iterable[ToldFact]) -> tuple[ToldFact, ...]:
    """Give facts in the order in which they are written."""
    return tuple(sorted(facts, key=lambda fact: fact.clause))


def invalid_fact(facts: tuple[ToldFact, ...]) -> str:
    """Name the first fact that cannot stand, ``facts`` when there are too many or one twice."""
    if len(facts) > FACTS_MAX or len({fact.clause for fact in facts}) < len(facts):
        return "facts"
    wrong = (fact.clause for fact in facts if not _is_fact(fact))
    return next((f"facts.{clause[:20]}" for clause in wrong), "")


def _is_fact(fact: ToldFact) -> bool:
    return _CLAUSE.fullmatch(fact.clause) is not None and is_json(fact.value)


def is_json(text: str) -> bool:
    """Tell whether a text is one JSON value."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return False
    return True
