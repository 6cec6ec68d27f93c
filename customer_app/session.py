"""What belongs to one driver's session on the server: who came, what runs, what was told.

Nothing here knows Flet, and nothing here is shared between sessions. A session that closes takes
all its tasks with it; a loop that breaks says so instead of falling silent.
"""

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field

MAILBOX_LENGTH = 256
RESTARTS = 3
RESTART_AFTER_S = 1.0

Report = Callable[[BaseException, str], object]
"""Writes a fault to the log; takes the fault and the place where it happened."""
Pause = Callable[[float], Awaitable[None]]
"""Waits that many seconds; `asyncio.sleep` outside the tests."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the socket's opening request said; the host fills it before Flet sees the socket."""

    session_cookie: str = field(default="", repr=False)
    accept_language: str = ""
    address: str = ""
    origin: str = ""


NOBODY = Handshake()
HANDSHAKE: ContextVar[Handshake] = ContextVar("handshake", default=NOBODY)


@dataclass(frozen=True, slots=True)
class Notice:
    """A hint that an object changed; carries no data, so the reader must ask the API itself."""

    kind: str
    object_id: str = ""
    version: int = 0


REFETCH_ALL = Notice("refetch_all")


class Mailbox:
    """The notices that wait for one session; it never blocks the one who posts.

    When it is full the waiting notices become one `REFETCH_ALL`: the objects are the truth, so
    nothing is lost but work. `drain` must run in a task born in the session that it serves.
    """

    def __init__(self, length: int = MAILBOX_LENGTH) -> None:
        self._waiting: asyncio.Queue[Notice] = asyncio.Queue(length)

    def __len__(self) -> int:
        return self._waiting.qsize()

    def post(self, notice: Notice) -> None:
        """Leave a notice; callable from any session of this process."""
        try:
            self._waiting.put_nowait(notice)
        except asyncio.QueueFull:
            while not self._waiting.empty():
                self._waiting.get_nowait()
            self._waiting.put_nowait(REFETCH_ALL)

    async def next(self) -> Notice:
        """Wait for the next notice."""
        return await self._waiting.get()


class Running:
    """Something that runs in a scope; it need not be awaited, the scope sees to its end."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def cancel(self) -> None:
        """End it; what has ended stays as it is."""
        self._task.cancel()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was ended before it was done."""
        return self._task.cancelled()


class Scope:
    """All that runs for one session: tasks, loops, what to do on resume, what to do at the end.

    Tasks start in the context in which the scope was made, never in the caller's: a notice that
    another session posts must not draw on that session's page.
    """

    def __init__(self, report: Report, pause: Pause = asyncio.sleep) -> None:
        self._report = report
        self._pause = pause
        self._context = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._resumed: list[Callable[[], Awaitable[None]]] = []
        self._closed: list[Callable[[], object]] = []
        self.is_open = True

    @property
    def running(self) -> int:
        """How many tasks have not ended."""
        return len(self._tasks)

    def spawn(self, work: Coroutine[object, object, None], name: str) -> "Running":
        """Run work until it ends or the session closes; what it raises goes to the log.

        A closed scope runs nothing: what it gives back is cancelled already.
        """
        task = asyncio.create_task(self._watched(work, name), name=name, context=self._context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not self.is_open:
            task.cancel()
            work.close()
        return Running(task)

    async def _watched(self, work: Coroutine[object, object, None], name: str) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the last place that can say what went wrong
            self._report(error, name)

    def loop(
        self,
        work: Callable[[], Awaitable[None]],
        every_s: float,
        name: str,
        failed: Callable[[BaseException], object] | None = None,
    ) -> "Running":
        """Do work now and again every so many seconds, until cancelled or closed.

        Work that raises is logged and tried again up to `RESTARTS` times in a row; then the loop
        ends and `failed` is told, so that the screen can say that it no longer follows.
        """
        return self.spawn(self._again(work, every_s, name, failed), name)

    async def _again(
        self,
        work: Callable[[], Awaitable[None]],
        every_s: float,
        name: str,
        failed: Callable[[BaseException], object] | None,
    ) -> None:
        in_a_row = 0
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - any fault of the work counts the same
                self._report(error, name)
                in_a_row += 1
                if in_a_row > RESTARTS:
                    if failed is not None:
                        failed(error)
                    return
                await self._pause(RESTART_AFTER_S)
            else:
                in_a_row = 0
                await self._pause(every_s)

    def on_resume(self, work: Callable[[], Awaitable[None]]) -> Callable[[], None]:
        """Have work done whenever the browser is back; returns how to stop that."""
        self._resumed.append(work)

        def forget() -> None:
            if work in self._resumed:
                self._resumed.remove(work)

        return forget

    def on_close(self, work: Callable[[], object]) -> None:
        """Have work done once when the session ends; it may be async."""
        self._closed.append(work)

    async def resume(self) -> None:
        """Do what was asked for with `on_resume`, in that order; one fault stops nothing else."""
        for work in tuple(self._resumed):
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the others must still hear of it
                self._report(error, "resume")

    async def close(self) -> None:
        """End everything; a second call does nothing."""
        if not self.is_open:
            return
        self.is_open = False
        for work in self._closed:
            try:
                outcome = work()
                if inspect.isawaitable(outcome):
                    await outcome
            except Exception as error:  # noqa: BLE001 - the rest must still be ended
                self._report(error, "close")
        current = asyncio.current_task()
        ending = [task for task in self._tasks if task is not current]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._resumed.clear()
        self._closed.clear()
