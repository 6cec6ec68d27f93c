"""Access: who may ask for what, and who needs a second person."""

from collections.abc import Iterable

from ledger.kernel.messages import Actor, Command
from ledger.kernel.refusal import Fact, Refusal, RefusalCode

ROLES = frozenset(
    {
        "driver",
        "station",
        "operator",
        "depot_clerk",
        "carrier",
        "workshop",
        "engineer",
        "asset_manager",
        "finance",
        "support",
        "auditor",
        "system",
        "importer",
    }
)
"""Every role an actor can act in."""


CHECKING = frozenset({"checker", "treasurer"})
"""Duties of finance in which a second person may agree."""


def authorise(command: Command, actor: Actor) -> Refusal | None:
    """Tell why an actor may not ask for this; None when he may.

    Tested before any state is looked at: the role, then the second person, who must be somebody
    else, and act in the role that the command says, then the duties of both, where they are told.
    What depends on state (the role for one row of the custody table) is left to the rules.
    """
    if actor.role not in command.roles:
        return Refusal(
            RefusalCode.ROLE_NOT_ALLOWED,
            {"role": actor.role[:40], "command": type(command).__name__},
        )
    name = type(command).__name__
    if command.is_personal and actor.role == "driver" and actor.id != _driver_of(command):
        return Refusal(RefusalCode.ROLE_NOT_ALLOWED, {"role": "driver", "command": name})
    if command.needs_second_person and not has_second_person(actor):
        return Refusal(RefusalCode.SECOND_PERSON_REQUIRED, {"command": name})
    may_be_second = command.second_roles.get(actor.role, ROLES | {""})
    if actor.second_role not in may_be_second:
        facts: dict[str, Fact] = {"command": name, "second_role": actor.second_role[:40]}
        return Refusal(RefusalCode.SECOND_PERSON_REQUIRED, facts)
    if not _duties_cover(command, actor):
        facts = {"command": name, "duty": actor.duty[:40], "second_duty": actor.second_duty[:40]}
        return Refusal(RefusalCode.DUTY_MISSING, facts)
    return None


def _driver_of(command: Command) -> str:
    return str(getattr(command, "driver_id", ""))


def _duties_cover(command: Command, actor: Actor) -> bool:
    told = {actor.duty, actor.second_duty} - {""}
    return (
        actor.duty in command.duties | {""}
        and actor.second_duty in CHECKING | {""}
        and not (command.lets_money_leave and told and "treasurer" not in told)
    )


def has_second_person(actor: Actor) -> bool:
    """Tell whether a different person is named beside the actor."""
    return actor.second_person not in ("", actor.id)


def refused(faults: Iterable[RefusalCode], facts: dict[str, Fact]) -> Refusal:
    """Say no with all faults at once: the first in order is the code, the others follow it."""
    first, *others = sorted(set(faults))
    return Refusal(first, facts, tuple(others))
