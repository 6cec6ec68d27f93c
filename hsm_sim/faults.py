"""What goes wrong, by plan: any error at any operation, before or after the work, and worse.

Kinds of faults:

- the name of an error class, for example ``DeviceError``: that error; with ``after`` the work is
  done and only the reply is lost;
- ``hang``: no answer comes;
- ``power_cut``: the device loses power during the operation, and the seed decides whether the work
  was done; it starts again at once;
- ``remove``: the device is pulled out during the operation;
- ``connection_lost``: every call is a DeviceError until the library is initialised anew;
- ``flipped_signature``, ``other_key``: a signature with one bit wrong, or made by another key.
"""

from dataclasses import dataclass

from hsm_sim.exceptions import ERRORS
from hsm_sim.randomness import Randomness

_OPERATIONS = (
    "initialize get_slots get_token open_session login logout close_session find_objects "
    "get_attribute set_attribute copy create_object destroy generate_key generate_keypair "
    "generate_random set_pin init_pin sign verify encrypt decrypt wrap unwrap attest"
)
OPERATIONS = frozenset(_OPERATIONS.split())
HAPPENINGS = frozenset({"hang", "power_cut", "remove", "connection_lost"})
WRONG_RESULTS = frozenset({"flipped_signature", "other_key"})
EVERY = "*"


class Hung(Exception):
    """The call never came back; whoever waited for it has given up."""


@dataclass(slots=True)
class Fault:
    """One line of the plan."""

    kind: str
    operation: str
    left: int | None
    skip: int
    after: bool
    percent: int


class FaultPlan:
    """The faults still to come, in the order they were added; a call meets at most one."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(
        self,
        kind: str,
        operation: str = EVERY,
        *,
        times: int | None = 1,
        skip: int = 0,
        after: bool = False,
        percent: int = 100,
    ) -> None:
        """Plan a fault at an operation: `times` calls or, with None, for ever.

        `skip` calls pass first; later ones are met in `percent` of a hundred cases. ValueError
        when there is no such kind or operation.
        """
        if kind not in ERRORS and kind not in HAPPENINGS | WRONG_RESULTS:
            raise ValueError(f"no such fault: {kind}")
        if operation != EVERY and operation not in OPERATIONS:
            raise ValueError(f"no such operation: {operation}")
        if kind in WRONG_RESULTS and operation != "sign":
            raise ValueError(f"{kind} happens to sign only")
        self._faults.append(Fault(kind, operation, times, skip, after, percent))

    def clear(self) -> None:
        """Forget what is still to come."""
        self._faults.clear()

    def draw(self, operation: str, randomness: Randomness) -> Fault | None:
        """Find the fault that meets this call, and count it."""
        for fault in self._faults:
            if fault.operation not in (EVERY, operation):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            if not randomness.happens("fault", fault.percent):
                continue
            if fault.left is not None:
                fault.left -= 1
                if not fault.left:
                    self._faults.remove(fault)
            return fault
        return None
