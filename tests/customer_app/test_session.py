"""What runs for one session, and ends with it."""

import asyncio
from collections.abc import Awaitable

from customer_app.session import REFETCH_ALL, RESTARTS, Mailbox, Notice, Scope


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, error: BaseException, place: str) -> None:
        self.lines.append((type(error).__name__, place))


class Clock:
    """Counts pauses; each gives the others their turn."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


async def turns(count: int = 30) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_full_mailbox_becomes_one_notice_to_ask_for_everything() -> None:
    async def run() -> None:
        box = Mailbox(3)
        for number in range(4):
            box.post(Notice("booking", str(number)))
        assert len(box) == 1
        assert await box.next() == REFETCH_ALL
        box.post(Notice("swap"))
        assert await box.next() == Notice("swap")

    asyncio.run(run())


def test_work_that_raises_is_logged_by_its_name() -> None:
    async def run() -> None:
        log = Log()
        scope = Scope(log)

        async def fail() -> None:
            raise KeyError("x")

        scope.spawn(fail(), "failing")
        await turns()
        assert log.lines == [("KeyError", "failing")]
        assert scope.running == 0

    asyncio.run(run())


def test_a_loop_is_tried_again_three_times_and_a_success_forgives() -> None:
    async def run() -> None:
        log, clock = Log(), Clock()
        scope = Scope(log, clock)
        outcomes = [False, False, True] + [False] * (RESTARTS + 1)
        told: list[BaseException] = []

        async def work() -> None:
            if not outcomes.pop(0):
                raise ValueError

        scope.loop(work, 30, "poll", told.append)
        await turns()
        assert outcomes == []
        assert len(log.lines) == 2 + RESTARTS + 1
        assert [type(error) for error in told] == [ValueError]
        assert clock.pauses == [1, 1, 30, 1, 1, 1]
        assert scope.running == 0

    asyncio.run(run())


def test_closing_cancels_everything_once_and_survives_what_breaks() -> None:
    async def run() -> None:
        log = Log()
        scope = Scope(log)
        done: list[str] = []

        async def wait() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                done.append("cancelled")

        scope.spawn(wait(), "waiting")
        scope.on_close(lambda: done.append("closed"))
        scope.on_close(lambda: 1 / 0)
        await turns()
        await scope.close()
        await scope.close()
        assert done == ["closed", "cancelled"]
        assert log.lines == [("ZeroDivisionError", "close")]
        late = scope.spawn(wait(), "late")
        await turns()
        assert late.is_cancelled
        assert done == ["closed", "cancelled"]

    asyncio.run(run())


def test_resuming_does_all_that_was_asked_for_in_order() -> None:
    async def run() -> None:
        log = Log()
        scope = Scope(log)
        done: list[str] = []

        def note(name: str) -> Awaitable[None]:
            async def work() -> None:
                done.append(name)
                if name == "b":
                    raise OSError

            return work()

        scope.on_resume(lambda: note("a"))
        forget = scope.on_resume(lambda: note("b"))
        scope.on_resume(lambda: note("c"))
        await scope.resume()
        forget()
        forget()
        await scope.resume()
        assert done == ["a", "b", "c", "a", "c"]
        assert log.lines == [("OSError", "resume")]

    asyncio.run(run())
