"""The Catena-X shape: BatteryPass 6.1.0, and TractionBatteryCode 2.0.0 for the code.

After the semantic models of Eclipse Tractus-X (CC BY 4.0). It asks for some things beside the 93
attributes; a facts file tells them under `catena_x`.
"""

from decimal import Decimal
from typing import NamedTuple

from ledger.exports._passport_sheet import Json, Sheet, clauses, filled, links, percents
from ledger.exports._passport_values import Active, CatenaX, Hazard, Material
from ledger.kernel.battery_code import parse

NEEDED = clauses(
    """6.1.2.1 6.1.2.2 6.1.2.3 6.1.2.4 6.1.3.1 6.1.3.4 6.1.3.5 6.1.3.6 6.1.3.7 6.2.5 6.2.6 6.2.7
    6.2.8 6.3.2 6.4.2 6.4.3 6.5.2 6.5.3 6.5.4 6.5.5 6.5.6 6.6.1.2 6.6.1.3 6.6.1.4 6.6.1.5 6.6.2.3
    6.6.2.4 6.6.2.5 6.6.2.6 6.6.2.7 6.6.2.8 6.6.2.9 6.6.2.10 6.6.3.2 6.6.3.3 6.7.2.2 6.7.2.3
    6.7.2.4 6.7.2.6 6.7.2.7 6.7.2.8 6.7.2.9 6.7.2.10 6.7.2.11 6.7.3.2 6.7.3.3 6.7.3.4 6.7.3.5
    6.7.4.2 6.7.4.3 6.7.4.4 6.7.4.5 6.7.4.6 6.7.4.7 6.7.5.2 6.7.5.3 6.7.6.2 6.7.6.3 6.7.6.4
    6.7.6.6 6.7.6.8 6.7.6.9 6.7.7.3 6.7.7.4"""
)
"""Attributes without which the document does not keep its schema."""

SPECIFICATION = "urn:io.catenax.battery.battery_pass:6.1.0"
NO_PASSPORT = "00000000-0000-0000-0000-000000000000"
"""What stands for the passport before the first one: the model asks for a dummy."""

_CATEGORIES = {"ev": "EV", "lmt": "LMT", "industrial": "industrial", "stationary": "industrial"}
_STATUS = {
    "Original": "original",
    "Repurposed": "repurposed",
    "Reused": "re-used",
    "Remanufactured": "remanufactured",
    "Waste": "waste",
}
_UNITS = {
    "day": "unit:day",
    "month": "unit:month",
    "year": "unit:year",
    "cycle": "unit:cycle",
    "hour": "unit:runningOrOperatingHour",
}
_STAGES = {
    "6.3.3": "raw material acquisition and pre-processing",
    "6.3.4": "main product production",
    "6.3.5": "distribution",
    "6.3.6": "end of life and recycling",
}
_RECYCLED = {
    "nickel": ("6.6.2.3", "6.6.2.7"),
    "cobalt": ("6.6.2.4", "6.6.2.8"),
    "lithium": ("6.6.2.5", "6.6.2.9"),
    "lead": ("6.6.2.6", "6.6.2.10"),
}
_NAMED_HAZARDS = ("cadmium", "mercury", "lead")
_LOW_SOC, _HIGH_SOC = 20, 80


def lacking(sheet: Sheet) -> list[str]:
    """List what keeps the document from its schema although the attributes are known.

    The shape asks for numbers of the network (BPNL, BPNA), for three substances by name, and for
    the power at 20 % and at 80 % of charge.
    """
    operator, maker, place = (sheet.get(each) for each in ("6.1.2.3", "6.1.2.4", "6.1.3.1"))
    hazards = sheet.get("6.5.5")
    power = sheet.get("6.7.3.2")
    suppliers = sheet.get("6.6.1.4")
    tests = (
        (sheet.catena_x is None, "catena_x"),
        (operator is not None and operator.bpnl is None, "6.1.2.3 bpnl"),
        (maker is not None and maker.bpnl is None, "6.1.2.4 bpnl"),
        (place is not None and place.bpna is None, "6.1.3.1 bpna"),
        (suppliers is not None and any(not one.bpnl for one in suppliers), "6.6.1.4 bpnl"),
        (power is not None and None in (_power_at(sheet, _LOW_SOC), _power_at(sheet, _HIGH_SOC)),
         "6.7.3.2 at 20 % and 80 %"),
        *(
            (hazards is not None and _hazard_of(hazards, name) is None, f"6.5.5 {name}")
            for name in _NAMED_HAZARDS
        ),
    )  # fmt: skip
    return [what for fails, what in tests if fails]


class Issued(NamedTuple):
    """Which passport it is: its UUID, that of the one before it, and the day of issue."""

    identifier: str
    predecessor: str
    on: str


def battery_pass(sheet: Sheet, extra: CatenaX, issued: Issued) -> Json:
    """Write the document of a pack."""
    return {
        "specVersion": SPECIFICATION,
        "metadata": _metadata(sheet, extra, issued),
        "identification": _identification(sheet, extra),
        "operation": _operation(sheet),
        "characteristics": _characteristics(sheet),
        "commercial": {"purpose": list(extra.purpose)},
        "sustainability": _sustainability(sheet, extra),
        "materials": _materials(sheet, extra),
        "performance": filled(rated=_rated(sheet, extra), dynamic=_dynamic(sheet)),
        "conformity": filled(
            declarationOfConformity=links(sheet.get("6.2.7")),
            resultOfTestReport=links(sheet.get("6.2.8")),
            thirdPartyAssurance=links(sheet.get("6.4.3")),
            dueDiligencePolicy=links(sheet.get("6.4.2")),
        ),
        "safety": _safety(sheet),
        "handling": _handling(sheet),
    }


def code_document(code: str) -> Json:
    """Write the traction battery code of a pack."""
    kinds = {"P": "pack", "M": "module", "C": "cell"}
    return {"tractionBatteryCode": code, "productType": kinds[parse(code).product]}


# Who and what -------------------------------------------------------------------


def _metadata(sheet: Sheet, extra: CatenaX, issued: Issued) -> Json:
    operator = sheet.get("6.1.2.3")
    return filled(
        version=extra.version,
        issueDate=issued.on,
        expirationDate=extra.expires_on,
        economicOperatorId=operator and operator.bpnl,
        passportIdentifier=sheet.get("6.1.2.1") and issued.identifier,
        predecessor=issued.predecessor,
        backupReference=extra.backup_reference,
    )


def _identification(sheet: Sheet, extra: CatenaX) -> Json:
    number, chemistry = sheet.get("6.1.2.2"), sheet.get("6.5.2")
    category = sheet.get("6.1.3.5")
    part = {"manufacturerPartId": extra.part_id, "nameAtManufacturer": extra.part_name}
    carrier = {"carrierType": extra.carrier_type, "carrierLayout": extra.carrier_layout}
    return filled(
        category=category and _CATEGORIES[category],
        idDmc=number,
        chemistry=chemistry and chemistry.clear,
        identification=filled(
            serial=number and [{"key": "partInstanceId", "value": number}],
            type=part,
            codes=[{"key": one.key, "value": one.value} for one in extra.codes],
            dataCarrier=carrier,
            classification=[
                {"classificationStandard": one.standard, "classificationID": one.identifier}
                for one in extra.classification
            ],
        ),
    )


def _operation(sheet: Sheet) -> Json:
    maker, place = sheet.get("6.1.2.4"), sheet.get("6.1.3.1")
    return filled(
        intoServiceDate=_full_day(sheet.get("6.1.3.3")),
        manufacturer=filled(
            manufacturer=maker and maker.bpnl,
            facility=place and [{"facility": place.bpna}],
            manufacturingDate=_full_day(sheet.get("6.1.3.2")),
        ),
    )


def _full_day(day: str | None) -> str | None:
    """Give a day; None for a month, which is no day, and both dates are optional."""
    return day if day is not None and len(day) == len("YYYY-MM-DD") else None


def _characteristics(sheet: Sheet) -> Json:
    period, mass = sheet.get("6.1.3.4"), sheet.get("6.1.3.6")
    return filled(
        warranty=period and {"lifeValue": period.value, "lifeUnit": _UNITS[period.unit]},
        physicalDimension=filled(
            weight=None if mass is None else {"value": mass, "unit": "unit:kilogram"}
        ),
    )


def _safety(sheet: Sheet) -> Json:
    agents, manuals = sheet.get("6.2.5"), sheet.get("6.6.1.2")
    labels = links(sheet.get("6.2.6"))
    said = filled(
        usableExtinguishAgent=agents
        and [{"media": one.media, "fireClass": one.fire_class} for one in agents],
        safetyMeasures=links(sheet.get("6.6.1.5")),
        meaningOfLabels=labels,
        dismantling=manuals and links(manuals),
    )
    # a pack without labels says so, where it says anything: the model wants the member
    return said | {"meaningOfLabels": []} if said and labels == [] else said


def _handling(sheet: Sheet) -> Json:
    suppliers, parts = sheet.get("6.6.1.4"), sheet.get("6.6.1.3")
    content = filled(
        producer=suppliers and [{"id": one.bpnl} for one in suppliers],
        sparePart=parts
        and [{"manufacturerPartId": one.number, "nameAtManufacturer": one.name} for one in parts],
    )
    return filled(applicable=bool(parts) if sheet.sees("6.6.1.3") else None, content=content)


# Footprint and materials --------------------------------------------------------


def _sustainability(sheet: Sheet, extra: CatenaX) -> Json:
    status, total, place = (sheet.get(each) for each in ("6.1.3.7", "6.3.2", "6.1.3.1"))
    usual = {
        "rulebook": links(extra.rulebook),
        "type": "Climate Change Total",
        "manufacturingPlant": place and [{"facility": place.bpna}],
        "declaration": links(extra.carbon_declaration),
    }
    figures = [] if total is None else [("whole life cycle", total, "kg CO2e / kWh")]
    figures += [
        (stage, share, "%")
        for clause, stage in _STAGES.items()
        if (share := sheet.get(clause)) is not None
    ]
    performance = sheet.get("6.3.7")
    footprint = [
        filled(value=value, lifecycle=stage, unit=unit, performanceClass=performance, **usual)
        for stage, value, unit in figures
    ]
    return filled(
        documents=filled(
            separateCollection=links(sheet.get("6.6.3.3")),
            wastePrevention=links(sheet.get("6.6.3.2")),
        ),
        carbonFootprint=footprint,
        status=status and _STATUS[status],
    )


def _materials(sheet: Sheet, extra: CatenaX) -> Json:
    critical = sheet.get("6.5.3") or ()
    hazards, impacts = sheet.get("6.5.5"), sheet.get("6.5.6") or {}
    active: Json = {}
    for name, (pre, post) in _RECYCLED.items():
        recycled = percents(sheet.get(pre), sheet.get(post))
        active[name] = _active(getattr(extra, name), recycled, critical=name in critical)
    hazardous: Json = {}
    for one in hazards or ():
        impact = impacts.get(one.name)
        said = _hazard(one, links(impact.documents) if impact else [])
        said["critical"] = one.name in critical
        if one.name in _NAMED_HAZARDS:
            hazardous[one.name] = said
        else:
            names = [{"type": "CAS", "id": one.cas, "name": one.name}]
            hazardous.setdefault("other", []).append(said | {"materialIdentification": names})
    if "lead" in hazardous:  # lead stands twice, and each time with both sides of it
        both = {key: hazardous["lead"][key] for key in _LEAD}
        hazardous["lead"]["recycled"] = active["lead"].get("recycled")
        active["lead"] |= both
    composition = sheet.get("6.5.4")
    return filled(
        active=active,
        hazardous=hazardous,
        composition=composition and [_material(one, critical) for one in composition],
    )


_LEAD = ("concentration", "materialUnit", "impactOfSubstances")


def _active(one: Active, recycled: Decimal | None, *, critical: bool) -> Json:
    return filled(
        location=one.location,
        recycled=recycled,
        documentation=links(one.documents),
        critical=critical,
    )


def _hazard(one: Hazard, impact: list[Json] | None) -> Json:
    return {
        "concentration": one.percent,
        "materialUnit": "unit:percent",
        "location": one.location,
        "impactOfSubstances": impact,
        "documentation": links(one.documents),
    }


def _hazard_of(hazards: tuple[Hazard, ...], name: str) -> Hazard | None:
    return next((one for one in hazards if one.name == name), None)


def _material(one: Material, critical: tuple[str, ...]) -> Json:
    return {
        "id": [{"type": "CAS", "id": one.cas, "name": one.name}],
        "concentration": one.percent,
        "unit": "unit:percent",
        "location": one.location,
        "critical": one.name in critical,
        "recycled": one.recycled_percent,
        "renewable": one.renewable_percent,
        "documentation": links(one.documents),
    }


# Performance --------------------------------------------------------------------


def _power_at(sheet: Sheet, soc_percent: int) -> Decimal | None:
    for one in sheet.get("6.7.3.2") or ():
        if one.soc_percent == soc_percent:
            found: Decimal = one.power_w
            return found
    return None


def _rated(sheet: Sheet, extra: CatenaX) -> Json:
    resistance, rates = sheet.get("6.7.5.2"), sheet.get("6.7.6.6")
    certified = sheet.get("6.7.2.5")
    depth = extra.depth_of_discharge_percent
    return filled(
        voltage=filled(
            min=sheet.get("6.7.2.9"), max=sheet.get("6.7.2.10"), nominal=sheet.get("6.7.2.11")
        ),
        roundTripEfficiency=filled(
            depthOfDischarge=depth,
            initial=sheet.get("6.7.4.2"),
            **{"50PercentLife": sheet.get("6.7.4.3")},
        ),
        energy=None if certified is None else {"value": certified},
        resistance=resistance
        and filled(cell=resistance.cell, module=resistance.module, pack=resistance.pack),
        power=filled(
            value=sheet.get("6.7.3.5"),
            at20SoC=_power_at(sheet, _LOW_SOC),
            at80SoC=_power_at(sheet, _HIGH_SOC),
        ),
        capacity=filled(value=sheet.get("6.7.2.2"), thresholdExhaustion=sheet.get("6.7.6.9")),
        temperature=filled(lower=sheet.get("6.7.7.3"), upper=sheet.get("6.7.7.4")),
        selfDischargingRate=sheet.get("6.7.4.6"),
        lifetime=filled(
            expectedYears=sheet.get("6.7.6.2"),
            report=links(extra.lifetime_report),
            cycleLifeTesting=filled(
                temperature=extra.cycle_temperature_celsius,
                cycles=sheet.get("6.7.6.3"),
                depthOfDischarge=depth,
                appliedChargeRate=rates and rates.charge,
                appliedDischargeRate=rates and rates.discharge,
            ),
        ),
    )


def _dynamic(sheet: Sheet) -> Json:
    power, increase, rate = (sheet.get(each) for each in ("6.7.3.3", "6.7.5.3", "6.7.4.7"))
    remaining = power and {"value": power.power_w, "time": power.at}
    return filled(
        stateOfCharge=_timed(sheet, "6.7.2.8"),
        fullCycles=_timed(sheet, "6.7.6.4"),
        selfDischargingRate=None if rate is None else rate.value,
        power=filled(fade=_timed(sheet, "6.7.3.4"), remaining=remaining),
        capacity=filled(
            fade=_timed(sheet, "6.7.2.4"),
            throughput=_timed(sheet, "6.7.6.8"),
            capacity=_timed(sheet, "6.7.2.3"),
        ),
        roundTripEfficiency=filled(
            fade=_timed(sheet, "6.7.4.5"), remaining=_timed(sheet, "6.7.4.4")
        ),
        resistance=increase
        and {
            "increase": {
                "pack": {"value": increase.pack_percent, "time": increase.at},
                "cell": {"value": increase.cell_percent, "time": increase.at},
            },
            "remaining": {
                "pack": {"value": increase.pack_ohm, "time": increase.at},
                "cell": {"value": increase.cell_ohm, "time": increase.at},
            },
        },
        energy=filled(
            soce=_timed(sheet, "6.7.2.7"),
            remaining=_timed(sheet, "6.7.2.6"),
            throughput=_timed(sheet, "6.7.6.7"),
        ),
    )


def _timed(sheet: Sheet, clause: str) -> Json | None:
    measured = sheet.get(clause)
    return None if measured is None else {"value": measured.value, "time": measured.at}
