"""The submodel performance and durability 1.2.1 of the Battery Pass shape."""

from typing import Any

from ledger.exports._passport_sheet import Json, Sheet, filled, url
from ledger.exports._passport_values import Measured


def performance(sheet: Sheet) -> Json:
    """Write what a pack of the model can do, and what this one still can."""
    return filled(batteryTechicalProperties=_properties(sheet), batteryCondition=_condition(sheet))


def _properties(sheet: Sheet) -> Json:
    power, resistance = sheet.get("6.7.3.2"), sheet.get("6.7.5.2")
    rates, ratio = sheet.get("6.7.6.6"), sheet.get("6.7.3.6")
    fades = {name: sheet.get(clause) for name, clause in _FADES.items()}
    return filled(
        originalPowerCapability=power
        and [{"atSoC": one.soc_percent, "powerCapabilityAt": one.power_w} for one in power],
        ratedMaximumPower=sheet.get("6.7.3.5"),
        powerCapabilityRatio=ratio,
        ratedEnergy=sheet.get("6.7.2.5"),
        expectedNumberOfCycles=sheet.get("6.7.6.3"),
        initialSelfDischarge=sheet.get("6.7.4.6"),
        roundtripEfficiency=sheet.get("6.7.4.2"),
        ratedCapacity=sheet.get("6.7.2.2"),
        initialInternalResistance=resistance
        and [
            {"ohmicResistance": value, "batteryComponent": part}
            for part in ("pack", "module", "cell")
            if (value := getattr(resistance, part)) is not None
        ],
        expectedLifetime=sheet.get("6.7.6.2"),
        cRate=ratio,
        nominalVoltage=sheet.get("6.7.2.11"),
        minimumVoltage=sheet.get("6.7.2.9"),
        maximumVoltage=sheet.get("6.7.2.10"),
        capacityThresholdForExhaustion=sheet.get("6.7.6.9"),
        lifetimeReferenceTest=url(sheet.get("6.7.6.5")),
        cRateLifeCycleTest=rates and rates.discharge,
        temperatureRangeIdleState=filled(
            minimum=sheet.get("6.7.7.3"), maximum=sheet.get("6.7.7.4")
        ),
        roundTripEfficiencyat50PerCentCycleLife=sheet.get("6.7.4.3"),
        **{name: fade.value for name, fade in fades.items() if fade is not None},
    )


_FADES = {"roundTripEfficiencyFade": "6.7.4.5", "powerFade": "6.7.3.4"}
_CONDITION = {
    "energyThroughput": "6.7.6.7",
    "capacityThroughput": "6.7.6.8",
    "numberOfFullCycles": "6.7.6.4",
    "stateOfCertifiedEnergy": "6.7.2.7",
    "capacityFade": "6.7.2.4",
    "remainingEnergy": "6.7.2.6",
    "remainingCapacity": "6.7.2.3",
    "evolutionOfSelfDischarge": "6.7.4.8",
    "currentSelfDischargingRate": "6.7.4.7",
    "remainingRoundTripEnergyEfficiency": "6.7.4.4",
    "stateOfCharge": "6.7.2.8",
}
"""Values with a time; each is an object of ``<name>Value`` and ``lastUpdate``."""

_MINUTES = {
    "timeExtremeHighTemp": "6.7.7.5",
    "timeExtremeLowTemp": "6.7.7.6",
    "timeExtremeHighTempCharging": "6.7.7.7",
    "timeExtremeLowTempCharging": "6.7.7.8",
}


def _condition(sheet: Sheet) -> Json:
    made: Json = {}
    for name, clause in _CONDITION.items():
        measured = sheet.get(clause)
        if measured is not None:
            made[name] = {f"{name}Value": measured.value, "lastUpdate": measured.at}
    events = _events(sheet)
    if events is not None:
        made["negativeEvents"] = events
    return made | _temperatures(sheet) | _power(sheet) | _resistance(sheet)


def _events(sheet: Sheet) -> list[Json] | None:
    incidents = sheet.get("6.7.8.4")
    if incidents is None:
        return None
    found = [{"negativeEvent": one.text, "lastUpdate": one.at} for one in incidents]
    for clause, words in (("6.7.8.2", "deep discharges"), ("6.7.8.3", "overcharges")):
        count = sheet.get(clause)
        if count is not None:
            text = f"{words}: {count.value:f}"
            found.append({"negativeEvent": text, "lastUpdate": count.at})
    return found


def _temperatures(sheet: Sheet) -> Json:
    minutes: dict[str, Measured] = {
        name: found for name, clause in _MINUTES.items() if (found := sheet.get(clause)) is not None
    }
    if not minutes:
        return {}
    values: dict[str, Any] = {name: found.value for name, found in minutes.items()}
    newest = max(found.at for found in minutes.values())
    return {"temperatureInformation": values | {"lastUpdate": newest}}


def _power(sheet: Sheet) -> Json:
    power = sheet.get("6.7.3.3")
    if power is None:
        return {}
    value = {
        "atSoC": power.soc_percent,
        "powerCapabilityAt": power.power_w,
        "rPCLastUpdated": power.at,
    }
    return {
        "remainingPowerCapability": {
            "remainingPowerCapabilityValue": value,
            "lastUpdate": power.at,
        }
    }


def _resistance(sheet: Sheet) -> Json:
    increase = sheet.get("6.7.5.3")
    if increase is None:
        return {}
    return {
        "internalResistanceIncrease": [
            {
                "internalResistanceIncreaseValue": value,
                "lastUpdate": increase.at,
                "batteryComponent": part,
            }
            for part, value in (("pack", increase.pack_percent), ("cell", increase.cell_percent))
        ]
    }
