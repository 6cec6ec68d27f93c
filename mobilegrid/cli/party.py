"""`party`: who acts in the network: depots, carriers, workshops, suppliers, title holders."""

import click

from ledger.domain.parties import PARTY_ROLES, RegisterParty
from mobilegrid.cli.acting import argument, asks, text

register = asks(
    "register",
    """Register an organisation by its id.

    A driver is a person: `subject register` keeps him.
    """,
    RegisterParty,
    "asset_manager",
    [
        argument("party_id", "PARTY"),
        click.Option(
            ["--acts-as", "party_roles"],
            type=click.Choice(sorted(PARTY_ROLES - {"driver"})),
            multiple=True,
            required=True,
            help="What it is to the network; may be given again.",
        ),
        text("--country", "country", "ISO 3166, two letters.", required=True, metavar="CODE"),
        text("--name", "legal_name", "Its legal name."),
    ],
    "party_id",
)
