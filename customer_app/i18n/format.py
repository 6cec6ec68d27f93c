"""How words, money, energy, distances and times look in each language.

Figures come from the API as integers and are only laid out here, never added up. Times arrive in
UTC and are shown in the zone of the station.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from customer_app.api.errors import ApiError, text_keys
from customer_app.i18n import (
    en_account,
    en_errors,
    en_journey,
    en_money,
    en_pack,
    en_passport,
    en_shell,
    zh_account,
    zh_errors,
    zh_journey,
    zh_money,
    zh_pack,
    zh_passport,
    zh_shell,
)
from customer_app.i18n.facts import Forms, gaps, spoken

_CATALOGUES = {
    "en": MappingProxyType(
        en_account.TEXTS
        | en_errors.TEXTS
        | en_journey.TEXTS
        | en_money.TEXTS
        | en_pack.TEXTS
        | en_passport.TEXTS
        | en_shell.TEXTS
    ),
    "zh": MappingProxyType(
        zh_account.TEXTS
        | zh_errors.TEXTS
        | zh_journey.TEXTS
        | zh_money.TEXTS
        | zh_pack.TEXTS
        | zh_passport.TEXTS
        | zh_shell.TEXTS
    ),
}
LANGUAGES = tuple(_CATALOGUES)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SIGNS = {"EUR": "€", "CNY": "¥", "USD": "$", "GBP": "£", "JPY": "¥"}
_NO_MINOR = {"JPY", "KRW"}
NOTHING = "\N{EN DASH}"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_KM_M = 1000
UNITS = ("metric", "imperial")  # of distances
IMPERIAL = UNITS[1]
_MILE_M = Decimal("1609.344")
_MILES = {"en": "mi", "zh": "英里"}

_AGES = {
    "en": ("{n} s", "{n} min", "{n} h", "{n} days", "1 day"),
    "zh": ("{n} 秒", "{n} 分钟", "{n} 小时", "{n} 天", "1 天"),
}


def load_catalogue(language: str) -> Mapping[str, str]:
    """Give all words of a language."""
    return _CATALOGUES[language]


def choose_language(chosen: str, accepted: str) -> str:
    """Choose a language: the one set before, else the browser's first that we speak, else English.

    >>> choose_language("", "fr-FR,zh-CN;q=0.8,en;q=0.5")
    'zh'
    """
    if chosen in LANGUAGES:
        return chosen
    for part in accepted[:200].split(","):
        name = part.split(";")[0].strip().lower()[:2]
        if name in LANGUAGES:
            return name
    return LANGUAGES[0]


class Texts:
    """The words and forms of one language."""

    def __init__(
        self,
        language: str,
        catalogue: Mapping[str, str] | None = None,
        units: str = UNITS[0],
        zone: str = "UTC",
    ) -> None:
        """Take a language of `LANGUAGES`; the catalogue is its own unless a test gives another.

        Distances are said in `units`, one of `UNITS`, the times of refusals in `zone`.
        """
        self.language = language
        self.units = units
        self.zone = zone
        self._words = load_catalogue(language) if catalogue is None else catalogue

    def __contains__(self, key: str) -> bool:
        return key in self._words

    def t(self, key: str, **facts: str | int) -> str:
        """Give the words of a key with its gaps filled; a gap without a fact shows a dash.

        An unknown key gives the key: a screen with an odd word is better than none.
        """
        words = self._words.get(key, key)
        return words.format_map(_Facts(facts)) if "{" in words else words

    def error(self, error: ApiError) -> tuple[str, str]:
        """Give the title and the text of an error; unknown codes fall back to their kind.

        Where a fact that the text wants is missing, its plain form is said instead.
        """
        forms = Forms(self.money, lambda at: self.moment(at, self.zone), self.distance, self.energy)
        facts = spoken(error.facts, forms)
        facts.setdefault("s", error.retry_after_s or 1)
        facts.setdefault("ref", error.shown_reference)
        exact = f"refused.{error.code}.title"
        title = self.t(exact if exact in self else f"kind.{error.kind}.title")
        for key in text_keys(error):
            if key in self and gaps(self._words[key]) <= facts.keys():
                return title, self.t(key, **facts)
            if f"{key}.plain" in self:
                return title, self.t(f"{key}.plain", **facts)
        return title, self.t(text_keys(error)[-1], **facts)

    def money(self, minor: int, currency: str) -> str:
        """Lay out an amount in minor units.

        >>> Texts("en", {}).money(164_000, "EUR")
        '€1,640.00'
        """
        sign = "-" if minor < 0 else ""
        mark = _SIGNS.get(currency, f"{currency} ")
        if currency in _NO_MINOR:
            return f"{sign}{mark}{abs(minor):,}"
        whole, rest = divmod(abs(minor), 100)
        return f"{sign}{mark}{whole:,}.{rest:02}"

    def rate(self, text: str, currency: str) -> str:
        """Lay out a price per unit, which travels as a decimal text.

        >>> Texts("en", {}).rate("0.3600", "EUR")
        '€0.36'
        """
        try:
            price = Decimal(text)
        except InvalidOperation:
            return text
        if not price.is_finite():
            return text
        shown = price.normalize()
        places = max(2, -int(shown.as_tuple().exponent))
        return f"{_SIGNS.get(currency, f'{currency} ')}{price:,.{places}f}"

    def energy(self, energy_wh: int, *, is_exact: bool = False) -> str:
        """Lay out an energy: one place in lists, all three where money depends on it.

        >>> Texts("en", {}).energy(41_700), Texts("en", {}).energy(41_700, is_exact=True)
        ('41.7 kWh', '41.700 kWh')
        """
        unit = {"en": "kWh", "zh": "千瓦时"}[self.language]
        places = 3 if is_exact else 1
        return f"{Decimal(energy_wh) / 1000:,.{places}f} {unit}"

    def percent(self, basis_points: int) -> str:
        """Lay out a share given in hundredths of a percent.

        >>> Texts("en", {}).percent(9340), Texts("zh", {}).percent(9340)
        ('93.4 %', '93.4%')
        """
        gap = " " if self.language == "en" else ""
        return f"{self.percent_figure(basis_points)}{gap}%"

    def percent_figure(self, basis_points: int) -> str:
        """Lay out a share without its sign, for sentences that have one.

        >>> Texts("en", {}).percent_figure(9000)
        '90'
        """
        return f"{Decimal(basis_points) / 100:.1f}".removesuffix(".0")

    def distance(self, distance_m: int) -> str:
        """Lay out a distance.

        >>> Texts("en", {}).distance(850), Texts("zh", {}).distance(2_400)
        ('850 m', '2.4 公里')
        >>> Texts("en", {}, "imperial").distance(2_400)
        '1.5 mi'
        """
        if self.units == IMPERIAL:
            return f"{Decimal(distance_m) / _MILE_M:,.1f} {_MILES[self.language]}"
        metres, kilometres = {"en": ("m", "km"), "zh": ("米", "公里")}[self.language]
        if distance_m < _KM_M:
            return f"{distance_m} {metres}"
        return f"{Decimal(distance_m) / _KM_M:,.1f} {kilometres}"

    def reach(self, distance_m: int) -> str:
        """Lay out the radius of a search, in whole kilometres or miles.

        >>> Texts("en", {}).reach(10_000), Texts("en", {}, "imperial").reach(10_000)
        ('10 km', '6 mi')
        """
        if self.units == IMPERIAL:
            return f"{round(Decimal(distance_m) / _MILE_M):,} {_MILES[self.language]}"
        return f"{distance_m // _KM_M:,} {'公里' if self.language == 'zh' else 'km'}"

    def age(self, since: datetime, now: datetime) -> str:
        """Say how long ago something was; what lies ahead counts as now.

        >>> noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
        >>> Texts("en", {}).age(noon - timedelta(minutes=2), noon)
        '2 min'
        """
        seconds = max(0, int((now - since).total_seconds()))
        second, minute, hour, days, one_day = _AGES[self.language]
        if seconds < _MINUTE:
            return second.format(n=seconds)
        if seconds < _HOUR:
            return minute.format(n=seconds // _MINUTE)
        if seconds < _DAY:
            return hour.format(n=seconds // _HOUR)
        count = seconds // _DAY
        return one_day if count == 1 else days.format(n=count)

    def time(self, at: datetime, zone: str = "UTC") -> str:
        """Give the time of day at a place.

        >>> Texts("en", {}).time(datetime(2026, 11, 24, 13, 5, tzinfo=UTC), "Europe/Berlin")
        '14:05'
        """
        return f"{self.local(at, zone):%H:%M}"

    def date(self, at: datetime, zone: str = "UTC") -> str:
        """Give the day at a place.

        >>> Texts("zh", {}).date(datetime(2026, 11, 24, 13, 5, tzinfo=UTC))
        '2026年11月24日'
        """
        there = self.local(at, zone)
        if self.language == "zh":
            return f"{there.year}年{there.month}月{there.day}日"
        return f"{there.day} {_MONTHS[there.month - 1]} {there.year}"

    def month(self, at: datetime, zone: str = "UTC") -> str:
        """Give the month at a place.

        >>> Texts("zh", {}).month(datetime(2026, 11, 24, 13, 5, tzinfo=UTC))
        '2026年11月'
        """
        there = self.local(at, zone)
        if self.language == "zh":
            return f"{there.year}年{there.month}月"
        return f"{_MONTHS[there.month - 1]} {there.year}"

    def moment(self, at: datetime, zone: str = "UTC") -> str:
        """Give the day and the time at a place.

        >>> Texts("en", {}).moment(datetime(2026, 11, 24, 13, 5, tzinfo=UTC), "Europe/Berlin")
        '24 Nov 2026, 14:05'
        """
        gap = " " if self.language == "zh" else ", "
        return f"{self.date(at, zone)}{gap}{self.time(at, zone)}"

    def soon(self, at: datetime, now: datetime, zone: str = "UTC") -> str:
        """Give the time of day, with its date unless that is today at the place.

        >>> at, now = datetime(2026, 11, 25, 7, tzinfo=UTC), datetime(2026, 11, 24, 22, tzinfo=UTC)
        >>> Texts("en", {}).soon(at, now)
        '25 Nov 2026, 07:00'
        """
        is_today = self.local(at, zone).date() == self.local(now, zone).date()
        return self.time(at, zone) if is_today else self.moment(at, zone)

    def countdown(self, left: timedelta) -> str:
        """Give what is left as minutes and seconds, hours when there are any; never below zero.

        >>> Texts("en", {}).countdown(timedelta(seconds=754))
        '12:34'
        """
        seconds = max(0, int(left.total_seconds()))
        hours, rest = divmod(seconds, _HOUR)
        minutes, rest = divmod(rest, _MINUTE)
        return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

    @staticmethod
    def local(at: datetime, zone: str) -> datetime:
        """Move a time to a zone; one that nobody knows counts as UTC."""
        try:
            return at.astimezone(ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError):
            return at.astimezone(UTC)


class _Facts(dict[str, str | int]):
    """Facts for the gaps of a text; a missing one is a dash, so that no sentence fails."""

    def __missing__(self, _key: str) -> str:
        return NOTHING
