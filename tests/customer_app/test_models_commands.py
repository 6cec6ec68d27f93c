"""Intentions and their keys, commands that wait on the device, and what every model must leave."""

from importlib import import_module
from pathlib import Path

import pytest
from flet.components.observable import Observable

from customer_app.api.errors import ApiError, Kind
from customer_app.api.fake import Failure
from customer_app.models.base import Model
from customer_app.models.commands import PENDING, Intention, PendingCommands
from tests.customer_app.modelling import Kept, World, run

MODELS = Path(__file__).parents[2] / "customer_app" / "models"


def test_no_model_takes_a_name_that_drawing_needs() -> None:
    """A method called `subscribe` or `notify` would be called by Flet instead of its own."""
    reserved = {name for name in vars(Observable) if not name.startswith("__")}
    found = []
    for path in MODELS.glob("[a-z]*.py"):
        module = import_module(f"customer_app.models.{path.stem}")
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Model) and kind is not Model:
                found += [f"{kind.__name__}.{n}" for n in vars(kind) if n in reserved]
    assert found == []


def test_an_intention_with_other_words_is_another_one() -> None:
    world = World()
    keys: list[str] = []
    intention = Intention(world.means.new_id, world.means.pause)

    async def unheard(key: str) -> None:
        keys.append(key)
        raise ApiError(Kind.TIMEOUT)

    for about in ("a", "a", "b"):
        with pytest.raises(ApiError):
            run(intention.run(unheard, about))
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (ApiError(Kind.SERVER, 503), True),
        (ApiError(Kind.TOO_MANY, 429), True),
        (ApiError(Kind.UNAUTHORISED, 401), True),
        (ApiError(Kind.CONFLICT, 409, "command_in_flight"), True),
        (ApiError(Kind.CONFLICT, 409, "no_pack_ready"), False),
        (ApiError(Kind.INVALID, 422, "window_invalid"), False),
    ],
)
def test_a_key_stays_until_there_is_an_answer(error: ApiError, *, stays: bool) -> None:
    world = World()
    keys: list[str] = []
    intention = Intention(world.means.new_id, world.means.pause)

    async def work(key: str) -> None:
        keys.append(key)
        raise error

    for _try in range(2):
        with pytest.raises(ApiError):
            run(intention.run(work))
    assert (keys[0] == keys[1]) is stays


def test_what_waits_on_the_device_is_bounded_and_forgotten_after_a_day() -> None:
    world = World()
    pending = PendingCommands(world.kept, lambda: world.time)

    async def many() -> None:
        for number in range(14):
            await pending.note("/driver/v1/bookings", f"k{number}", {"station_id": "s"})

    run(many())
    assert [each["key"] for each in run(pending.waiting())] == [f"k{n}" for n in range(4, 14)]
    assert len(world.kept.texts[PENDING]) < 8 * 1024
    world.later(hours=25)
    assert run(pending.waiting()) == []


@pytest.mark.parametrize("text", ["", "{", "7", "[1]", '[{"key": "k"}]'])
def test_what_cannot_be_read_on_the_device_counts_as_nothing(text: str) -> None:
    kept = Kept()
    kept.texts[PENDING] = text
    world = World()
    assert run(PendingCommands(kept, lambda: world.time).waiting()) == []


def test_a_command_that_is_still_unheard_stays_on_the_device() -> None:
    world = World()
    pending = PendingCommands(world.kept, lambda: world.time)
    run(pending.note("/driver/v1/quotes", "k1", {}))
    world.door.fail("POST /quotes", Failure(silence="timeout"))
    assert run(pending.resend(world.client.transport)) == 0
    assert len(run(pending.waiting())) == 1
