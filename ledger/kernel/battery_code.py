"""The battery code of GB/T 34014-2017: 24 characters, or 19 after re-coding for a second life.

::

    24:  X12 P B PM 27KLPCL H 3 F 0000001        19:  X12 P E PM X 2 M 2382320 R P
         |   | | |  |       | | | |                                          | |
         |   | | |  |       | | | serial of the day           second life ---+ product again
         |   | | |  |       year, month, day
         |   | | |  traceability (24 only)
         |   | | specification
         |   | chemistry
         |   product: P pack, M module, C cell
         manufacturer

Years, months and days are one symbol each, of an alphabet without I, O, Q and Z; day ``0`` says
that only the month is known. The code has no check digit: a typing error that gives another
well-formed code is not seen here.
"""

from calendar import monthrange
from datetime import date

import msgspec

from ledger.kernel.errors import Malformed

DATE_ALPHABET = "123456789ABCDEFGHJKLMNPRSTUVWXY"
FIRST_YEAR = 2011
CERTAIN_YEAR_MAX = 2036
"""Last year whose symbol (T) is certain; whether U stands for a year is not confirmed."""

LENGTH = 24
LENGTH_SECOND_LIFE = 19

_UPPER = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_CHEMISTRIES = frozenset("ABCDEFGZ")
_MONTHS = DATE_ALPHABET[:12]
_DIGITS = frozenset("0123456789")


class BatteryCode(msgspec.Struct, frozen=True):
    """A code in its parts; `day` is 0 when only the month is known.

    `traceability` is empty for a second-life code. `year` counts the symbol U; where
    `year_certain` is False it may be one year less.
    """

    manufacturer: str
    product: str
    chemistry: str
    specification: str
    traceability: str
    year: int
    month: int
    day: int
    serial: int
    second_life: bool = False

    @property
    def year_certain(self) -> bool:
        """Tell whether the standard leaves no doubt about the year."""
        return self.year <= CERTAIN_YEAR_MAX

    @property
    def prefix(self) -> str:
        """Give what the filing system registers: maker, product, chemistry, specification."""
        return self.manufacturer + self.product + self.chemistry + self.specification

    @property
    def made_on_min(self) -> date:
        """Give the first day on which it can have been made, where month or year leave a choice."""
        year = self.year if self.year_certain else self.year - 1
        return date(year, self.month, min(max(self.day, 1), monthrange(year, self.month)[1]))


class CodeMalformed(Malformed):
    """A text is no battery code; `verdict` is the first rule it breaks.

    `suggestion` is the text in upper case, where that alone would make it a code.
    """

    def __init__(self, verdict: str, *, suggestion: str = "") -> None:
        super().__init__(verdict, field="battery_code")
        self.verdict = verdict
        self.suggestion = suggestion


def parse(text: str) -> BatteryCode:
    """Read a code, checking in a fixed order; raises `CodeMalformed` with the first rule broken.

    >>> parse("X12PBPM27KLPCLH3F0000001").year
    2027
    """
    if len(text) not in (LENGTH, LENGTH_SECOND_LIFE):
        raise CodeMalformed("CODE_LENGTH")
    if any("a" <= letter <= "z" for letter in text):
        raise CodeMalformed("CODE_LOWER_CASE", suggestion=_suggestion(text.upper()))
    second_life = len(text) == LENGTH_SECOND_LIFE
    date_at = 7 if second_life else 14
    year_symbol, month_symbol, day_symbol = tuple(text[date_at : date_at + 3])
    serial = text[date_at + 3 : date_at + 10]
    tests = (
        (text[3] in "PMC", "CODE_PRODUCT"),
        (text[4] in _CHEMISTRIES, "CODE_CHEMISTRY"),
        (year_symbol in DATE_ALPHABET, "CODE_YEAR"),
        (month_symbol in _MONTHS, "CODE_MONTH"),
        (day_symbol == "0" or day_symbol in DATE_ALPHABET, "CODE_DAY"),
        (_is_date(year_symbol, month_symbol, day_symbol), "CODE_CALENDAR"),
        (_DIGITS.issuperset(serial) and serial != "0000000", "CODE_SERIAL"),
        (not second_life or text[17:] == "R" + text[3], "CODE_SUFFIX"),
        (_UPPER.issuperset(text), "CODE_CHARACTER"),
    )
    for passed, verdict in tests:
        if not passed:
            raise CodeMalformed(verdict)
    return BatteryCode(
        manufacturer=text[:3],
        product=text[3],
        chemistry=text[4],
        specification=text[5:7],
        traceability="" if second_life else text[7:14],
        year=FIRST_YEAR + DATE_ALPHABET.index(year_symbol),
        month=1 + _MONTHS.index(month_symbol),
        day=_day(day_symbol),
        serial=int(serial),
        second_life=second_life,
    )


def _suggestion(upper: str) -> str:
    try:
        parse(upper)
    except CodeMalformed:
        return ""
    return upper


def _day(symbol: str) -> int:
    return 0 if symbol == "0" else 1 + DATE_ALPHABET.index(symbol)


def _is_date(year_symbol: str, month_symbol: str, day_symbol: str) -> bool:
    # Symbols that are wrong in themselves have their own verdict before this one.
    if year_symbol not in DATE_ALPHABET or month_symbol not in _MONTHS:
        return True
    if day_symbol not in DATE_ALPHABET:
        return True
    year = FIRST_YEAR + DATE_ALPHABET.index(year_symbol)
    readings = [year] if year <= CERTAIN_YEAR_MAX else [year, year - 1]
    month = 1 + _MONTHS.index(month_symbol)
    return any(_day(day_symbol) <= monthrange(reading, month)[1] for reading in readings)


def format_code(code: BatteryCode) -> str:
    """Write a code as its characters; `format_code(parse(text)) == text`.

    >>> format_code(parse("X12PEPMX2M2382320RP"))
    'X12PEPMX2M2382320RP'
    """
    day = "0" if code.day == 0 else DATE_ALPHABET[code.day - 1]
    made = DATE_ALPHABET[code.year - FIRST_YEAR] + _MONTHS[code.month - 1] + day
    tail = "R" + code.product if code.second_life else ""
    return f"{code.prefix}{code.traceability}{made}{code.serial:07d}{tail}"
