"""What some moves tell beside the move itself: seals and scans, reports, masses, a book value.

The events are those of `moves.py`; here are the shapes they share. Who has only the move tells
none of it; the commands of logistics, workshop and end of life do.
"""

from ledger.domain.carrying import PackMoved

MASS_MAX_G = 10_000_000
"""A pack of more than ten tonnes is a mistake in the unit."""

TOLD_ELSEWHERE = {
    "transfer_dispatched": "DispatchTransfer",
    "recycler_received": "ReceiveTransfer",
    "second_life_deployed": "DeploySecondLife",
    "handed_to_recycler": "HandToRecycler",
    "recycling_certified": "CertifyRecycling",
    "supplier_return_accepted": "SettleWarrantyClaim",
    "written_off": "WriteOffPack",
}
"""Moves that need facts a bare move does not have, and the commands that ask for them."""

MATERIALS = ("ni", "co", "li", "cu", "al", "other")
"""Materials whose recovered mass a certificate tells; `other` is everything else together."""


class Shipped(PackMoved, kw_only=True):
    """A carrier took it or gave it: the seal on the load, and the digests of the scans."""

    seal_no: str = ""
    scans: tuple[str, ...] = ()


class HandedOver(Shipped, kw_only=True):
    """A recycler took it: waybill, and mass in g."""

    waybill: str = ""
    mass_g: int = 0


class Repaired(PackMoved, kw_only=True):
    """It left a workshop: the digest of its test report; `order_id` is the work order."""

    report_sha256: str = ""


class Repurposed(PackMoved, kw_only=True):
    """It begins a second life: its new code; `order_id` is the contract."""

    new_code: str = ""


class Recovered(PackMoved, kw_only=True):
    """What a recycler certifies: the mass that went in and what was recovered, in g."""

    certificate: str = ""
    certificate_sha256: str = ""
    mass_g: int = 0
    recovered_ni_g: int = 0
    recovered_co_g: int = 0
    recovered_li_g: int = 0
    recovered_cu_g: int = 0
    recovered_al_g: int = 0
    recovered_other_g: int = 0


class Valued(PackMoved, kw_only=True):
    """What it was worth in the books when it left them, in minor units, and who says so."""

    book_value_minor: int = 0
    currency: str = ""
    decision_sha256: str = ""
