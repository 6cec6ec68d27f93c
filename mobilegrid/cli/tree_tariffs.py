"""The part of the tree of commands about prices."""

from mobilegrid.cli.base import LazyGroup, Member


def _at(name: str, summary: str) -> Member:
    return Member(f"mobilegrid.cli.tariff:{name}", summary)


TARIFFS: dict[str, Member | LazyGroup] = {
    "tariff": LazyGroup(
        "tariff",
        "Publish prices; rate the past again.",
        {
            "publish": _at("publish", "Publish the next version of a tariff; two persons."),
            "list": _at("list_", "List tariffs with the version in force now."),
            "show": _at("show", "Show a tariff: its versions over time, and the prices of one."),
            "preview": _at("preview_", "Show what rating past usages again would change."),
            "apply": _at("apply_", "Take back and make again the bills of a sheet; two persons."),
        },
    ),
}
