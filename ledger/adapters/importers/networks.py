"""The six networks whose charging sessions are replayed, and where they stand."""

import msgspec

TF_RETAIL = "TF-RETAIL"
TF_SAP = "TF-SAP"


class Network(msgspec.Struct, frozen=True):
    """One network as a source: `key` is its name in the tables, in the order of replay.

    `ports` is 0 where the rows name the connector; otherwise the number of slots each station has,
    of which the lowest free one is taken. `total_shared`: the operator's share is taken of all
    that is billed, not of the service alone.
    """

    key: str
    slug: str
    legal_name: str
    country: str
    zone: str
    tariff_id: str = TF_RETAIL
    ports: int = 0
    total_shared: bool = False

    @property
    def operator_id(self) -> str:
        """Party that runs the stations, and the source of its rows."""
        return f"OP-{self.slug.upper()}"


NETWORKS: tuple[Network, ...] = (
    Network("dundee", "dundee", "Dundee City Council", "GB", "Europe/London"),
    Network("perth", "perth", "Perth and Kinross Council", "GB", "Europe/London"),
    Network("boulder", "boulder", "City of Boulder", "US", "America/Denver", ports=2),
    Network("belib", "belib", "City of Paris, Belib", "FR", "Europe/Paris"),
    Network("sap", "sap", "SAP Labs France", "FR", "Europe/Paris", TF_SAP, total_shared=True),
    Network("acn_office", "acn", "Caltech ACN, office site", "US", "America/Los_Angeles"),
)

NETWORK_OF: dict[str, Network] = {network.key: network for network in NETWORKS}
