"""`pack` after its service: second life, recycling, written off, warranty."""

import click

from ledger.domain.ending import (
    AgreeSecondLife,
    CertifyRecycling,
    DeploySecondLife,
    HandToRecycler,
    WriteOffPack,
)
from ledger.domain.stand_ins import EndStandIn
from ledger.domain.warranty import SETTLEMENTS, ClaimWarranty, SettleWarrantyClaim
from mobilegrid.cli.acting import argument, asks, digest, fresh, moment, number, packs, text

_PACK = argument("pack_id", "PACK")


def _level(level: int) -> click.Option:
    words = "Evidence level, 0 to 5."
    return number("--level", "level", words, default=level, show_default=True)


end_stand_in = asks(
    "end-stand-in",
    """End that a pack stands in for another class.

    A swap that brings it back ends it by itself; this is for a pack that was fetched or lost.
    """,
    EndStandIn,
    "support",
    [
        _PACK,
        text("--driver", "driver_id", "Who had it.", required=True, metavar="DRIVER"),
        text("--class", "pack_class", "Its class.", required=True, metavar="CLASS"),
        text("--reason", "reason", "How it left him.", required=True),
    ],
    "pack_id",
)

agree = asks(
    "second-life",
    """Agree which packs an operator may use elsewhere; two persons.""",
    AgreeSecondLife,
    "asset_manager",
    [
        packs(),
        fresh("--id", "contract_id", "SL"),
        text("--operator", "operator_id", "Who uses them.", required=True, metavar="PARTY"),
        moment("--from", "from_at", "From when.", required=True),
        moment("--until", "until_at", "Until when; open when left out."),
        text("--purpose", "purpose", "What for."),
        digest("--contract", "doc_sha256", "The contract, or its SHA-256."),
    ],
    "contract_id",
)

deploy = asks(
    "deploy",
    """Give a stored pack to its second life, under a contract; two persons.""",
    DeploySecondLife,
    "asset_manager",
    [
        _PACK,
        text("--contract", "contract_id", "The contract.", required=True, metavar="ID"),
        text("--new-code", "new_code", "Its code of 19 characters.", metavar="CODE"),
        _level(2),
    ],
    "pack_id",
)

hand_over = asks(
    "hand-over",
    """Give a retired pack to a recycler, weighed; two persons.""",
    HandToRecycler,
    "asset_manager",
    [
        _PACK,
        text("--recycler", "recycler_id", "Who takes it.", required=True, metavar="PARTY"),
        text("--waybill", "waybill", "Number of the waybill.", required=True),
        number("--mass-g", "mass_g", "Its mass in g.", required=True),
        _level(2),
    ],
    "pack_id",
)

certify = asks(
    "certify",
    """Record a recycler's certificate; two persons.

    What was recovered is never more than what went in, and that never more than was handed over.
    """,
    CertifyRecycling,
    "operator",
    [
        _PACK,
        text("--certificate", "certificate", "Its number.", required=True),
        digest("--document", "certificate_sha256", "The document, or its SHA-256.", required=True),
        number("--mass-g", "mass_g", "Mass that went in, in g.", required=True),
        number("--ni-g", "recovered_ni_g", "Nickel recovered, in g."),
        number("--co-g", "recovered_co_g", "Cobalt recovered, in g."),
        number("--li-g", "recovered_li_g", "Lithium recovered, in g."),
        number("--cu-g", "recovered_cu_g", "Copper recovered, in g."),
        number("--al-g", "recovered_al_g", "Aluminium recovered, in g."),
        number("--other-g", "recovered_other_g", "Everything else recovered, in g."),
        _level(1),
    ],
    "pack_id",
)

write_off = asks(
    "write-off",
    """Take a missing pack out of the books, at its value; two persons.""",
    WriteOffPack,
    "finance",
    [
        _PACK,
        number("--book-value-minor", "book_value_minor", "Its book value.", required=True),
        text("--currency", "currency", "ISO 4217.", required=True),
        digest("--decision", "decision_sha256", "The decision, or its SHA-256.", required=True),
        text("--reason", "reason", "Why."),
        _level(1),
    ],
    "pack_id",
)

claim = asks(
    "claim",
    """Claim on a supplier, within the warranty of a pack.""",
    ClaimWarranty,
    "asset_manager",
    [
        _PACK,
        fresh("--id", "claim_id", "WC"),
        text("--supplier", "supplier_id", "On whom.", required=True, metavar="PARTY"),
        text("--reason", "reason", "Why.", required=True),
        text("--workorder", "work_order_id", "The repair that led to it.", metavar="ID"),
    ],
    "claim_id",
)

settle_claim = asks(
    "settle-claim",
    """End a claim; two persons. RETURNED gives the pack back to the supplier.""",
    SettleWarrantyClaim,
    "asset_manager",
    [
        argument("claim_id", "CLAIM"),
        click.Argument(["settlement"], type=click.Choice(SETTLEMENTS)),
        _level(1),
    ],
    "claim_id",
)
