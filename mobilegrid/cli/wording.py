"""Accounts, kinds, amounts and times as a person reads them."""

from ledger.kernel.instants import as_datetime
from ledger.kernel.money import EXPONENTS, amount_text
from ledger.kernel.postings import PACK, WH
from ledger.kernel.quantities import kwh_text, scaled_text

_SHAPES = (
    "Acquired",
    "Bailment",
    "Carrier:Inbound:Order",
    "Depot:Received:Stored",
    "Driver",
    "Ended:Cancelled:Recycled:ReturnedToSupplier:TitleTransferredOut:WrittenOff",
    "Missing",
    "Recycler",
    "SecondLife",
    "Station:Slot:Staged",
    "Supplier",
    "Suspense",
    "Workshop",
)
_PLACE_WORDS = {
    "SecondLife": "second life",
    "ReturnedToSupplier": "returned to supplier",
    "TitleTransferredOut": "title transferred out",
    "WrittenOff": "written off",
}
# The words of a pack account that are no ids: what is left is somebody's name.
_WORDS = {
    word: _PLACE_WORDS.get(word, word.lower()) for family in _SHAPES for word in family.split(":")
}


def place_words(account: str) -> str:
    """Say where a pack account is.

    >>> place_words("Packs:Station:ST-1:Slot:4")
    'station ST-1 slot 4'
    """
    parts = account.split(":")[1:]
    return " ".join(_WORDS.get(part, part) for part in parts)


def kind_words(kind: str) -> str:
    """Say a kind of entry.

    >>> kind_words("pack_swapped_out"), kind_words("usage.accrued")
    ('pack swapped out', 'usage accrued')
    """
    return kind.replace("_", " ").replace(".", " ")


def time_words(instant: int) -> str:
    """Write a time to the second, UTC; parts of a second are cut off.

    >>> time_words(1_500_000)
    '1970-01-01 00:00:01Z'
    """
    return as_datetime(instant).strftime("%Y-%m-%d %H:%M:%SZ")


def quantity_words(quantity: int, commodity: str) -> str:
    """Write a quantity of a commodity with its unit.

    >>> quantity_words(1500, "WH"), quantity_words(-5, "EUR"), quantity_words(2, "PACK")
    ('1.500 kWh', '-0.05 EUR', '2 packs')
    """
    if commodity == WH:
        return f"{kwh_text(quantity)} kWh"
    if commodity == PACK:
        return f"{quantity} pack{'' if abs(quantity) == 1 else 's'}"
    if commodity in EXPONENTS:
        return f"{amount_text(quantity, commodity)} {commodity}"
    return f"{quantity} {commodity}"


def unit_words(unit: str) -> str:
    """Name what a rate is for: kWh for energy, anything else by its own name."""
    return "kWh" if unit == WH else unit.lower()


def used_words(quantity: int, unit: str) -> str:
    """Write what a bill line counts: energy in kWh, anything else by its unit.

    >>> used_words(8_524, "WH"), used_words(1, "SWAP")
    ('8.524 kWh', '1 swap')
    """
    return f"{kwh_text(quantity) if unit == WH else f'{quantity:,}'} {unit_words(unit)}"


def rate_words(rate_micro: int) -> str:
    """Write a rate exactly, in major units, with two decimals or as many as it has.

    >>> rate_words(100_000), rate_words(26_790), rate_words(-1_230_000)
    ('0.10', '0.02679', '-1.23')
    """
    whole, _, decimals = scaled_text(rate_micro, 6).partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def span_words(begin_at: int, end_at: int) -> str:
    """Write when something was, UTC: one time, or begin and end; the day once where it is one.

    >>> span_words(0, 0), span_words(0, 3_600_000_000)
    ('1970-01-01 00:00Z', '1970-01-01 00:00-01:00Z')
    """
    begin, end = as_datetime(begin_at), as_datetime(end_at)
    if begin_at == end_at:
        return begin.strftime("%Y-%m-%d %H:%MZ")
    to = "%H:%MZ" if begin.date() == end.date() else "%Y-%m-%d %H:%MZ"
    return begin.strftime("%Y-%m-%d %H:%M-") + end.strftime(to)


def percent(value_bp: int) -> str:
    """Write basis points as per cent.

    >>> percent(9_050)
    '90.50 %'
    """
    return f"{scaled_text(value_bp, 2)} %"
