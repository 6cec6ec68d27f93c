"""The Battery Pass shape: six submodels 1.2.0, performance and durability 1.2.1.

After the data model of the Battery Pass consortium for DIN DKE SPEC 99100:2025-02. Names are its
own, with its spelling: ``batteryTechicalProperties``, ``warrentyPeriod``.
"""

from ledger.exports._passport_performance import performance
from ledger.exports._passport_sheet import Json, Sheet, clauses, filled, url
from ledger.exports._passport_values import (
    Hazard,
    Impact,
    Label,
    Material,
    Organisation,
    Site,
    SparePart,
    Supplier,
)

NEEDED = clauses(
    """6.1.2.1 6.1.2.2 6.1.2.3 6.1.2.4 6.1.3.1 6.1.3.2 6.1.3.3 6.1.3.4 6.1.3.5 6.1.3.6 6.1.3.7
    6.2.2 6.2.5 6.2.7 6.2.8 6.3.2 6.3.3 6.3.4 6.3.5 6.3.6 6.3.7 6.3.8 6.4.2 6.5.2 6.5.3 6.5.4
    6.5.5 6.5.6 6.6.1.2 6.6.1.3 6.6.1.4 6.6.1.5 6.6.2.3 6.6.2.4 6.6.2.5 6.6.2.6 6.6.2.7 6.6.2.8
    6.6.2.9 6.6.2.10 6.6.2.11 6.6.3.2 6.6.3.3 6.6.3.4 6.7.2.2 6.7.2.3 6.7.2.4 6.7.2.5 6.7.2.6
    6.7.2.7 6.7.2.8 6.7.2.9 6.7.2.10 6.7.2.11 6.7.3.2 6.7.3.3 6.7.3.4 6.7.3.5 6.7.3.6 6.7.4.2
    6.7.4.3 6.7.4.4 6.7.4.5 6.7.4.6 6.7.4.7 6.7.4.8 6.7.5.2 6.7.5.3 6.7.6.2 6.7.6.3 6.7.6.4
    6.7.6.5 6.7.6.6 6.7.6.7 6.7.6.8 6.7.6.9 6.7.7.3 6.7.7.4 6.7.7.5 6.7.7.6 6.7.7.7 6.7.7.8
    6.7.8.4"""
)
"""Attributes without which a submodel does not keep its schema."""

_STAGES = {
    "6.3.3": "RawMaterialExtraction",
    "6.3.4": "MainProduction",
    "6.3.5": "Distribution",
    "6.3.6": "Recycling",
}
_LABELS = {"6.2.2": "SeparateCollection", "6.2.3": "HazardousMaterial", "6.2.4": "CarbonFootPrint"}
_RECYCLED = {
    "Nickel": ("6.6.2.3", "6.6.2.7"),
    "Cobalt": ("6.6.2.4", "6.6.2.8"),
    "Lithium": ("6.6.2.5", "6.6.2.9"),
    "Lead": ("6.6.2.6", "6.6.2.10"),
}


def submodels(sheet: Sheet, warranty_month: int) -> dict[str, Json]:
    """Write the seven submodels; the warranty ends in `warranty_month`, 0 where unknown."""
    return {
        "general_product_information": _general(sheet, warranty_month),
        "carbon_footprint": _carbon(sheet),
        "circularity": _circularity(sheet),
        "labels": _labels(sheet),
        "material_composition": _materials(sheet),
        "performance_and_durability": performance(sheet),
        "supply_chain_due_diligence": _supply_chain(sheet),
    }


# General product information ----------------------------------------------------


def _general(sheet: Sheet, warranty_month: int) -> Json:
    period = sheet.get("6.1.3.4")
    return filled(
        productIdentifier=sheet.get("6.1.2.2"),
        batteryPassportIdentifier=sheet.get("6.1.2.1"),
        batteryCategory=sheet.get("6.1.3.5"),
        manufacturerInformation=_contact(sheet.get("6.1.2.4")),
        manufacturingDate=day_time(sheet.get("6.1.3.2")),
        batteryStatus=sheet.get("6.1.3.7"),
        batteryMass=sheet.get("6.1.3.6"),
        manufacturingPlace=_address(sheet.get("6.1.3.1")),
        operatorInformation=_contact(sheet.get("6.1.2.3")),
        puttingIntoService=day_time(sheet.get("6.1.3.3")),
        warrentyPeriod=f"--{warranty_month:02d}" if period and warranty_month else None,
    )


def day_time(day: str | None) -> str | None:
    """Write a day, or a month, as the time at which it begins.

    >>> day_time("2024-03")
    '2024-03-01T00:00:00Z'
    """
    if day is None:
        return None
    return f"{day}T00:00:00Z" if len(day) == len("YYYY-MM-DD") else f"{day}-01T00:00:00Z"


def _address(site: Site | None) -> Json | None:
    if site is None:
        return None
    return {
        "addressCountry": site.country,
        "postalCode": site.postal_code,
        "streetAddress": site.street,
    }


def _contact(organisation: Organisation | None) -> Json | None:
    if organisation is None:
        return None
    return filled(
        contactName=organisation.name,
        postalAddress=_address(organisation.address),
        identifier=organisation.identifier,
        webAddress=organisation.web,
    )


# Carbon, labels, supply chain ---------------------------------------------------


def _carbon(sheet: Sheet) -> Json:
    stages = [
        {"lifecycleStage": stage, "carbonFootprint": share}
        for clause, stage in _STAGES.items()
        if (share := sheet.get(clause)) is not None
    ]
    return filled(
        batteryCarbonFootprint=sheet.get("6.3.2"),
        carbonFootprintPerLifecycleStage=stages,
        carbonFootprintPerformanceClass=sheet.get("6.3.7"),
        carbonFootprintStudy=url(sheet.get("6.3.8")),
        absoluteCarbonFootprint=sheet.get("6.3.10"),
    )


def _labels(sheet: Sheet) -> Json:
    labels = [
        _label(label, subject)
        for clause, subject in _LABELS.items()
        if (label := sheet.get(clause)) is not None
    ]
    agents = sheet.get("6.2.5") or ()
    labels += [_label(agent.label, "ExtinguishingAgent") for agent in agents if agent.label]
    return filled(
        declarationOfConformity=url(sheet.get("6.2.7")),
        resultOfTestReport=url(sheet.get("6.2.8")),
        labels=labels,
    )


def _label(label: Label, subject: str) -> Json:
    return {
        "labelingSymbol": label.symbol,
        "labelingMeaning": label.meaning,
        "labelingSubject": subject,
    }


def _supply_chain(sheet: Sheet) -> Json:
    return filled(
        supplyChainDueDiligenceReport=url(sheet.get("6.4.2")),
        thirdPartyAussurances=url(sheet.get("6.4.3")),
        supplyChainIndicies=sheet.get("6.4.4"),
    )


# Materials and circularity ------------------------------------------------------


def _materials(sheet: Sheet) -> Json:
    chemistry = sheet.get("6.5.2")
    made: Json = {}
    if chemistry is not None:
        made["batteryChemistry"] = {"shortName": chemistry.short, "clearName": chemistry.clear}
    critical, materials = sheet.get("6.5.3"), sheet.get("6.5.4")
    if materials is not None:
        made["batteryMaterials"] = [_material(one, critical or ()) for one in materials]
    elif critical is not None:  # the names alone are for everybody
        made["batteryMaterials"] = [
            {"batteryMaterialName": name, "isCriticalRawMaterial": True} for name in critical
        ]
    hazards, impacts = sheet.get("6.5.5"), sheet.get("6.5.6")
    if hazards is not None:
        made["hazardousSubstances"] = [_hazard(one, impacts or {}) for one in hazards]
    return made


def _material(one: Material, critical: tuple[str, ...]) -> Json:
    return {
        "batteryMaterialLocation": {"componentName": one.location},
        "batteryMaterialIdentifier": one.cas,
        "batteryMaterialName": one.name,
        "batteryMaterialMass": one.mass_kg,
        "isCriticalRawMaterial": one.name in critical,
    }


def _hazard(one: Hazard, impacts: dict[str, Impact]) -> Json:
    impact = impacts.get(one.name)
    return {
        "hazardousSubstanceClass": one.hazard,
        "hazardousSubstanceName": one.name,
        "hazardousSubstanceConcentration": one.percent,
        "hazardousSubstanceImpact": list(impact.texts) if impact else [],
        "hazardousSubstanceLocation": {"componentName": one.location},
        "hazardousSubstanceIdentifier": one.cas,
    }


def _circularity(sheet: Sheet) -> Json:
    manuals = sheet.get("6.6.1.2")
    recycled = [
        {"preConsumerShare": before, "recycledMaterial": name, "postConsumerShare": after}
        for name, (pre, post) in _RECYCLED.items()
        if None not in (before := sheet.get(pre), after := sheet.get(post))
    ]
    agents = sheet.get("6.2.5")
    return filled(
        dismantlingAndRemovalInformation=manuals
        and [
            {"documentType": one.kind, "mimeType": one.media_type, "documentURL": one.url}
            for one in manuals
        ],
        sparePartSources=_spare_parts(sheet.get("6.6.1.4"), sheet.get("6.6.1.3") or ()),
        recycledContent=recycled,
        safetyMeasures=filled(
            safetyInstructions=url(sheet.get("6.6.1.5")),
            extinguishingAgent=agents and [agent.media for agent in agents],
        ),
        endOfLifeInformation=filled(
            wastePrevention=url(sheet.get("6.6.3.2")),
            separateCollection=url(sheet.get("6.6.3.3")),
            informationOnCollection=url(sheet.get("6.6.3.4")),
        ),
        renewableContent=sheet.get("6.6.2.11"),
    )


def _spare_parts(
    suppliers: tuple[Supplier, ...] | None, parts: tuple[SparePart, ...]
) -> list[Json] | None:
    if suppliers is None:
        return None
    return [
        {
            "nameOfSupplier": one.name,
            "addressOfSupplier": _address(one.address),
            "emailAddressOfSupplier": one.email,
            "supplierWebAddress": one.web,
            "components": [
                {"partName": part.name, "partNumber": part.number}
                for part in parts
                if part.supplier == one.name
            ],
        }
        for one in suppliers
    ]
