"""The attributes of a battery passport: DIN DKE SPEC 99100 and who may see which.

After the longlist of the Battery Pass consortium, version 1.2 (January 2025, CC BY 4.0), of
Regulation (EU) 2023/1542, Article 77 and Annex XIII. Who has a legitimate interest is still to be
settled by law, so classes and viewers are data here.
"""

from typing import NamedTuple

PUBLIC = "PUBLIC"
INTEREST = "LEGITIMATE_INTEREST"
INTEREST_COMMISSION = "LEGITIMATE_INTEREST_AND_COMMISSION"
AUTHORITIES = "AUTHORITIES"

VIEWERS: dict[str, frozenset[str]] = {
    "public": frozenset({PUBLIC}),
    "interest": frozenset({PUBLIC, INTEREST, INTEREST_COMMISSION}),
    "commission": frozenset({PUBLIC, INTEREST_COMMISSION, AUTHORITIES}),
    "authority": frozenset({PUBLIC, AUTHORITIES}),
    "issuer": frozenset({PUBLIC, INTEREST, INTEREST_COMMISSION, AUTHORITIES}),
}
"""Who sees attributes of which classes. `public` is anyone, drivers too; `interest` is a repairer,
second-life operator, recycler, buyer or aggregator; `commission` the European Commission;
`authority` a notified body or market surveillance; `issuer` is us, who keep the whole passport."""


class Attribute(NamedTuple):
    """One attribute: clause of the specification, name, class, and what it belongs to."""

    clause: str
    name: str
    access: str
    is_dynamic: bool
    is_individual: bool


def _a(clause: str, kind: str, access: str, name: str) -> Attribute:
    return Attribute(clause, name, access, kind[0] == "D", kind[1] == "I")


# S static or D dynamic; M of the model (our pack class) or I of the individual pack
ATTRIBUTES: tuple[Attribute, ...] = (
    _a("6.1.2.1", "SI", PUBLIC, "Battery passport identifier"),
    _a("6.1.2.2", "SI", PUBLIC, "Battery identifier"),
    _a("6.1.2.3", "SI", PUBLIC, "Operator identifier and information"),
    _a("6.1.2.4", "SM", PUBLIC, "Manufacturer identifier and information"),
    _a("6.1.3.1", "SM", PUBLIC, "Manufacturing place"),
    _a("6.1.3.2", "SI", PUBLIC, "Manufacturing date"),
    _a("6.1.3.3", "SI", INTEREST, "Date of putting the battery into service"),
    _a("6.1.3.4", "SM", PUBLIC, "Warranty period of the battery"),
    _a("6.1.3.5", "SM", PUBLIC, "Battery category"),
    _a("6.1.3.6", "SM", PUBLIC, "Battery mass"),
    _a("6.1.3.7", "DI", INTEREST, "Battery status"),
    _a("6.2.2", "SM", PUBLIC, "Separate collection symbol"),
    _a("6.2.3", "SM", PUBLIC, "Symbols for cadmium and lead"),
    _a("6.2.4", "SM", PUBLIC, "Carbon footprint label"),
    _a("6.2.5", "SI", PUBLIC, "Extinguishing agent"),
    _a("6.2.6", "SM", PUBLIC, "Meaning of labels and symbols"),
    _a("6.2.7", "SM", PUBLIC, "EU declaration of conformity"),
    _a("6.2.8", "SM", AUTHORITIES, "Results of test reports proving compliance"),
    _a("6.3.2", "SM", PUBLIC, "Battery carbon footprint per Functional Unit"),
    _a("6.3.3", "SM", PUBLIC, "Share of raw material acquisition"),
    _a("6.3.4", "SM", PUBLIC, "Share of main production"),
    _a("6.3.5", "SM", PUBLIC, "Share of distribution"),
    _a("6.3.6", "SM", PUBLIC, "Share of end of life and recycling"),
    _a("6.3.7", "SM", PUBLIC, "Carbon footprint performance class"),
    _a("6.3.8", "SM", PUBLIC, "Web link to public carbon footprint study"),
    _a("6.3.9", "SM", PUBLIC, "General battery and manufacturer information"),
    _a("6.3.10", "SM", PUBLIC, "Absolute battery carbon footprint"),
    _a("6.4.2", "SM", PUBLIC, "Information of due diligence report"),
    _a("6.4.3", "SM", PUBLIC, "Third party assurances of recognised schemes"),
    _a("6.4.4", "SM", PUBLIC, "Supply chain indices"),
    _a("6.5.2", "SM", PUBLIC, "Battery chemistry"),
    _a("6.5.3", "SM", PUBLIC, "Critical raw materials"),
    _a("6.5.4", "SM", INTEREST_COMMISSION, "Materials used in cathode, anode and electrolyte"),
    _a("6.5.5", "SM", PUBLIC, "Hazardous substances"),
    _a("6.5.6", "SM", PUBLIC, "Impact of substances"),
    _a("6.6.1.2", "SM", INTEREST_COMMISSION, "Manuals for removal and dismantling"),
    _a("6.6.1.3", "SM", INTEREST_COMMISSION, "Part numbers for components"),
    _a("6.6.1.4", "SM", INTEREST_COMMISSION, "Information on sources of spare parts"),
    _a("6.6.1.5", "SM", INTEREST_COMMISSION, "Safety measures"),
    _a("6.6.2.3", "SM", PUBLIC, "Pre-consumer recycled nickel share"),
    _a("6.6.2.4", "SM", PUBLIC, "Pre-consumer recycled cobalt share"),
    _a("6.6.2.5", "SM", PUBLIC, "Pre-consumer recycled lithium share"),
    _a("6.6.2.6", "SM", PUBLIC, "Pre-consumer recycled lead share"),
    _a("6.6.2.7", "SM", PUBLIC, "Post-consumer recycled nickel share"),
    _a("6.6.2.8", "SM", PUBLIC, "Post-consumer recycled cobalt share"),
    _a("6.6.2.9", "SM", PUBLIC, "Post-consumer recycled lithium share"),
    _a("6.6.2.10", "SM", PUBLIC, "Post-consumer recycled lead share"),
    _a("6.6.2.11", "SM", PUBLIC, "Renewable content share"),
    _a("6.6.3.2", "SM", PUBLIC, "Role of end users in waste prevention"),
    _a("6.6.3.3", "SM", PUBLIC, "Role of end users in separate collection"),
    _a("6.6.3.4", "SM", PUBLIC, "Collection, second life and treatment at end of life"),
    _a("6.7.2.2", "SM", PUBLIC, "Rated capacity"),
    _a("6.7.2.3", "DI", INTEREST, "Remaining capacity"),
    _a("6.7.2.4", "SM", INTEREST, "Capacity fade"),
    _a("6.7.2.5", "SM", PUBLIC, "Certified usable battery energy"),
    _a("6.7.2.6", "DI", INTEREST, "Remaining usable battery energy"),
    _a("6.7.2.7", "DI", INTEREST, "State of certified energy (SOCE)"),
    _a("6.7.2.8", "DI", INTEREST, "State of Charge (SoC)"),
    _a("6.7.2.9", "SM", PUBLIC, "Minimum voltage"),
    _a("6.7.2.10", "SM", PUBLIC, "Maximum voltage"),
    _a("6.7.2.11", "SM", PUBLIC, "Nominal voltage"),
    _a("6.7.3.2", "SM", PUBLIC, "Original power capability"),
    _a("6.7.3.3", "DI", INTEREST, "Remaining power capability"),
    _a("6.7.3.4", "SM", INTEREST, "Power fade"),
    _a("6.7.3.5", "SM", PUBLIC, "Maximum permitted battery power"),
    _a("6.7.3.6", "SM", PUBLIC, "Ratio between nominal battery power and battery energy"),
    _a("6.7.4.2", "SM", PUBLIC, "Initial round trip energy efficiency"),
    _a("6.7.4.3", "SM", PUBLIC, "Round trip energy efficiency at 50% of cycle life"),
    _a("6.7.4.4", "DI", INTEREST, "Remaining round trip energy efficiency"),
    _a("6.7.4.5", "SM", INTEREST, "Energy round trip efficiency fade"),
    _a("6.7.4.6", "SM", INTEREST, "Initial self-discharge rate"),
    _a("6.7.4.7", "DI", INTEREST, "Current self-discharge rate"),
    _a("6.7.4.8", "DI", INTEREST, "Evolution of self-discharge rates"),
    _a("6.7.5.2", "SM", PUBLIC, "Initial internal resistance"),
    _a("6.7.5.3", "SM", INTEREST, "Internal resistance increase"),
    _a("6.7.6.2", "SM", INTEREST, "Expected lifetime in calendar years"),
    _a("6.7.6.3", "SM", PUBLIC, "Expected lifetime: Number of charge-discharge cycles"),
    _a("6.7.6.4", "DI", INTEREST, "Number of full charging and discharging cycles"),
    _a("6.7.6.5", "SM", PUBLIC, "Cycle-life reference test"),
    _a("6.7.6.6", "SM", PUBLIC, "C-rate of relevant cycle-life test"),
    _a("6.7.6.7", "DI", INTEREST, "Energy throughput"),
    _a("6.7.6.8", "DI", INTEREST, "Capacity throughput"),
    _a("6.7.6.9", "SM", PUBLIC, "Capacity threshold for exhaustion"),
    _a("6.7.7.2", "DI", INTEREST, "Temperature information"),
    _a("6.7.7.3", "SM", PUBLIC, "Temperature range idle state, lower boundary"),
    _a("6.7.7.4", "SM", PUBLIC, "Temperature range idle state, upper boundary"),
    _a("6.7.7.5", "DI", INTEREST, "Minutes above the temperature range"),
    _a("6.7.7.6", "DI", INTEREST, "Minutes below the temperature range"),
    _a("6.7.7.7", "DI", INTEREST, "Minutes of charging above the temperature range"),
    _a("6.7.7.8", "DI", INTEREST, "Minutes of charging below the temperature range"),
    _a("6.7.8.2", "DI", INTEREST, "Number of deep discharge events"),
    _a("6.7.8.3", "DI", INTEREST, "Number of overcharge events"),
    _a("6.7.8.4", "DI", INTEREST, "Information on accidents"),
)

BY_CLAUSE: dict[str, Attribute] = {each.clause: each for each in ATTRIBUTES}


def visible(viewer: str) -> frozenset[str]:
    """Give the clauses of the attributes that a viewer may see."""
    classes = VIEWERS[viewer]
    return frozenset(each.clause for each in ATTRIBUTES if each.access in classes)
